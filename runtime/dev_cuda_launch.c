// Launches: as little work as can be for each, and what is known of them when something goes wrong.
#include <string.h>

#include "dev_cuda.h"

// ---- messages ----------------------------------------------------------------------------------

static void name_kernel(const aicc_rt_device *device, uint32_t index, aicc_rt_text *text) {
  const aicc_abi_kernel *kernel = &device->plan.kernels[index];
  aicc_rt_text_add(text, "'%s'", kernel->name);
  for (uint32_t i = 0; kernel->origins != NULL && i < kernel->origin_count && i < 3; i++) {
    aicc_rt_text_add(text, "%s%s \"%s\"", i == 0 ? " (" : ", ", kernel->origins[i].op,
                     kernel->origins[i].node);
  }
  if (kernel->origins != NULL && kernel->origin_count > 0) {
    aicc_rt_text_add(text, kernel->origin_count > 3 ? " and more)" : ")");
  }
}

// The kernels that may have met the fault.
static void name_launched(const aicc_rt_device *device, aicc_rt_text *text) {
  const uint64_t shown = device->launched < AICC_CUDA_RECENT ? device->launched : AICC_CUDA_RECENT;
  if (device->repeated) {
    aicc_rt_text_add(text, "one of the kernels of a recorded run (check_kernels, or aicc-run "
                           "--check-kernels, tells which)");
    return;
  }
  if (device->launched == 1) {
    aicc_rt_text_add(text, "kernel ");
  } else {
    aicc_rt_text_add(text, "one of %llu kernels (check_kernels, or aicc-run --check-kernels, tells "
                           "which), the last of them ", (unsigned long long)device->launched);
  }
  for (uint64_t i = device->launched - shown; i < device->launched; i++) {
    name_kernel(device, device->recent[i % AICC_CUDA_RECENT], text);
    aicc_rt_text_add(text, i + 1 < device->launched ? ", " : "");
  }
}

aicc_rt_status aicc_cuda_fail(aicc_rt_device *device, cu_result result, const char *doing,
                              aicc_rt_error *error) {
  char words[700] = "";
  aicc_rt_text text = {words, sizeof words, 0};
  const bool fault = aicc_rt_cuda_is_fault(result);
  if (fault && (device->launched > 0 || device->repeated)) {
    name_launched(device, &text);
  } else {
    aicc_rt_text_add(&text, "%s", doing);
  }
  device->lost = device->lost || fault;
  return aicc_rt_cuda_fail(device->cuda, result, device->name, words, error);
}

static aicc_rt_status launch_failed(aicc_rt_device *device, cu_result result, uint32_t kernel,
                                    aicc_rt_error *error) {
  char words[300] = "";
  aicc_rt_text text = {words, sizeof words, 0};
  aicc_rt_text_add(&text, "launching kernel ");
  name_kernel(device, kernel, &text);
  return aicc_cuda_fail(device, result, words, error);
}

// ---- times -------------------------------------------------------------------------------------

void aicc_cuda_set_timing(aicc_rt_device *device, bool on) {
  device->timing = on;
  device->timed_count = 0;
}

static cu_result grow_timed(aicc_rt_device *device) {
  const uint32_t capacity = device->timed_capacity > 0 ? 2 * device->timed_capacity : 256;
  aicc_cuda_timed *fresh = aicc_rt_new(device->allocator, capacity, sizeof *fresh);
  if (fresh == NULL) {
    return 2;
  }
  if (device->timed != NULL) {
    memcpy(fresh, device->timed, device->timed_ready * sizeof *fresh);
  }
  aicc_rt_delete(device->allocator, device->timed, device->timed_capacity, sizeof *fresh);
  device->timed = fresh;
  device->timed_capacity = capacity;
  return CU_OK;
}

static cu_result start_timer(aicc_rt_device *device, uint32_t kernel) {
  const aicc_rt_cuda *cuda = device->cuda;
  cu_result result = CU_OK;
  if (device->timed_count == device->timed_ready) {
    if (device->timed_ready == device->timed_capacity) {
      result = grow_timed(device);
    }
    aicc_cuda_timed fresh = {0};
    result = result == CU_OK ? cuda->event_create(&fresh.start, 0) : result;
    result = result == CU_OK ? cuda->event_create(&fresh.end, 0) : result;
    if (result != CU_OK) {
      return result;
    }
    device->timed[device->timed_ready++] = fresh;
  }
  if (device->timed_count == 0) {
    device->timed_since = aicc_rt_now();
  }
  device->timed[device->timed_count].kernel = kernel;
  return cuda->event_record(device->timed[device->timed_count].start, device->target);
}

static cu_result end_timer(aicc_rt_device *device) {
  return device->cuda->event_record(device->timed[device->timed_count++].end, device->target);
}

aicc_rt_status aicc_cuda_collect(aicc_rt_device *device, aicc_rt_trace *trace,
                                 const aicc_rt_kernel_info *kernels, aicc_rt_error *error) {
  for (uint32_t i = 0; i < device->timed_count; i++) {
    const aicc_cuda_timed *timed = &device->timed[i];
    float since = 0, took = 0;
    cu_result result = device->cuda->event_elapsed(&since, device->timed[0].start, timed->start);
    result = result == CU_OK ? device->cuda->event_elapsed(&took, timed->start, timed->end)
                             : result;
    if (result != CU_OK) {
      return aicc_cuda_fail(device, result, "reading a kernel's time", error);
    }
    aicc_rt_trace_kernel(trace, timed->kernel, &kernels[timed->kernel],
                         device->timed_since + (uint64_t)(1e6 * (double)since),
                         (uint64_t)(1e6 * (double)took));
  }
  device->timed_count = 0;
  return AICC_RT_OK;
}

void aicc_cuda_timing_deinit(aicc_rt_device *device) {
  for (uint32_t i = 0; i < device->timed_ready; i++) {
    (void)device->cuda->event_destroy(device->timed[i].start);
    (void)device->cuda->event_destroy(device->timed[i].end);
  }
  aicc_rt_delete(device->allocator, device->timed, device->timed_capacity, sizeof *device->timed);
}

// ---- launches ----------------------------------------------------------------------------------

static cu_result queue(aicc_rt_device *device, const aicc_cuda_kernel *kernel, int64_t grid,
                       const void *args) {
  int64_t blocks = grid / kernel->block_workers + (grid % kernel->block_workers != 0);
  blocks = blocks < kernel->most_blocks ? blocks : kernel->most_blocks;
  memcpy(device->block, args, kernel->arg_bytes);
  uint64_t *hidden = device->block + kernel->arg_bytes / 8;
  hidden[0] = (uint64_t)grid;
  hidden[1] = (uint64_t)blocks * kernel->block_workers;
  hidden[2] = device->scratch;
  size_t bytes = kernel->arg_bytes + 24u;
  void *extra[] = {CU_LAUNCH_BUFFER, device->block, CU_LAUNCH_BUFFER_SIZE, &bytes, CU_LAUNCH_END};
  return device->cuda->launch(kernel->function, (unsigned)blocks, 1, 1, kernel->block_threads, 1,
                              1, kernel->dynamic_shared, device->target, NULL, extra);
}

static cu_result queue_timed(aicc_rt_device *device, uint32_t kernel, int64_t grid,
                             const void *args) {
  cu_result result = start_timer(device, kernel);
  result = result == CU_OK ? queue(device, &device->program->kernels[kernel], grid, args) : result;
  return result == CU_OK ? end_timer(device) : result;
}

aicc_rt_status aicc_cuda_launch(aicc_rt_device *device, uint32_t kernel, int64_t grid,
                                const void *args, int64_t cost, aicc_rt_error *error) {
  (void)cost;
  if (grid <= 0) {
    return AICC_RT_OK;
  }
  device->recent[device->launched++ % AICC_CUDA_RECENT] = kernel;
  const cu_result result = device->timing
                               ? queue_timed(device, kernel, grid, args)
                               : queue(device, &device->program->kernels[kernel], grid, args);
  if (result != CU_OK) {
    return launch_failed(device, result, kernel, error);
  }
  return device->check_kernels ? aicc_cuda_wait(device, error) : AICC_RT_OK;
}
