#include "rt_trace.h"

#include <string.h>
#include <time.h>

uint64_t aicc_rt_now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

bool aicc_rt_trace_init(aicc_rt_trace *trace, const aicc_rt_allocator *allocator,
                        uint32_t kernel_count) {
  memset(trace, 0, sizeof *trace);
  trace->kernel_count = kernel_count;
  trace->kernels = aicc_rt_new(allocator, kernel_count, sizeof *trace->kernels);
  return trace->kernels != NULL;
}

void aicc_rt_trace_deinit(aicc_rt_trace *trace, const aicc_rt_allocator *allocator) {
  aicc_rt_delete(allocator, trace->kernels, trace->kernel_count, sizeof *trace->kernels);
  trace->kernels = NULL;
}

void aicc_rt_trace_reset(aicc_rt_trace *trace) {
  trace->runs = (aicc_rt_profile){0, 0};
  memset(trace->kernels, 0, trace->kernel_count * sizeof *trace->kernels);
}

void aicc_rt_trace_kernel(aicc_rt_trace *trace, uint32_t kernel, const aicc_rt_kernel_info *info,
                          uint64_t start, uint64_t duration) {
  trace->kernels[kernel].calls++;
  trace->kernels[kernel].total_ns += duration;
  if (trace->on_kernel != NULL) {
    trace->on_kernel(trace->on_kernel_user, info, start, duration);
  }
}
