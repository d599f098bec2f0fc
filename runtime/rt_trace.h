// Optional timing: calls and nanoseconds per kernel and of whole runs.
#ifndef AICC_RT_TRACE_H
#define AICC_RT_TRACE_H

#include "rt_alloc.h"

typedef struct aicc_rt_trace {
  bool on;
  aicc_rt_profile runs;
  aicc_rt_profile *kernels;
  uint32_t kernel_count;
  aicc_rt_kernel_fn on_kernel;  // NULL: none
  void *on_kernel_user;
} aicc_rt_trace;

uint64_t aicc_rt_now(void);  // nanoseconds of the monotonic clock

// False: no memory.
bool aicc_rt_trace_init(aicc_rt_trace *trace, const aicc_rt_allocator *allocator,
                        uint32_t kernel_count);
void aicc_rt_trace_deinit(aicc_rt_trace *trace, const aicc_rt_allocator *allocator);
void aicc_rt_trace_reset(aicc_rt_trace *trace);
void aicc_rt_trace_kernel(aicc_rt_trace *trace, uint32_t kernel, const aicc_rt_kernel_info *info,
                          uint64_t start, uint64_t duration);

#endif
