// The CPU device: memory is the host's, kernels are functions of the model.
#include <string.h>

#include "cpu_pool.h"
#include "rt_device.h"

// Nanoseconds of work (of one core) below which a second thread does not pay.
#define COST_INLINE 20000
// Work per thread that is worth waking one more.
#define COST_PER_THREAD 10000

struct aicc_rt_device {
  const aicc_rt_allocator *allocator;
  const aicc_abi_model *model;  // its first plan is the CPU's
  uint32_t threads;
  size_t scratch_bytes;    // per thread: the most that any kernel wants
  void *scratch;           // of the session's thread
  aicc_rt_cpu_pool *pool;  // NULL: no parallel launch yet
};

static uint32_t thread_count(uint32_t wanted) {
  const uint32_t count = wanted != 0 ? wanted : aicc_rt_cpu_count();
  return count < AICC_RT_THREADS_MAX ? count : AICC_RT_THREADS_MAX;
}

static bool cpu_has_code(const aicc_rt_device_config *config, aicc_rt_error *error) {
  static const int32_t kinds[] = {AICC_ABI_IMAGE_CPU, -1};
  char words[200] = "";
  aicc_rt_text images = {words, sizeof words, 0};
  if (aicc_rt_model_has_code(config->model->abi, 0, kinds)) {
    return true;
  }
  aicc_rt_text_images(&images, config->model->abi);
  aicc_rt_fail(
      error, AICC_RT_UNAVAILABLE,
      "%s: it has no code for device '%s': it was compiled for %s. Run it there, or compile "
      "it with --target native too",
      config->model->path, config->name, words);
  return false;
}

static aicc_rt_device *cpu_create(const aicc_rt_device_config *config, aicc_rt_error *error) {
  if (!cpu_has_code(config, error)) {
    return NULL;
  }
  aicc_rt_device *device = aicc_rt_new(config->allocator, 1, sizeof *device);
  if (device == NULL) {
    aicc_rt_fail(error, AICC_RT_MEMORY, "no memory for the CPU device");
    return NULL;
  }
  device->allocator = config->allocator;
  device->model = config->model->abi;
  device->threads = thread_count(config->threads);
  for (uint32_t i = 0; i < device->model->kernel_count; i++) {
    const size_t bytes = device->model->kernels[i].scratch_bytes;
    device->scratch_bytes = bytes > device->scratch_bytes ? bytes : device->scratch_bytes;
  }
  device->scratch = aicc_rt_new_bytes(device->allocator, device->scratch_bytes);
  if (device->scratch == NULL) {
    aicc_rt_delete(device->allocator, device, 1, sizeof *device);
    aicc_rt_fail(error, AICC_RT_MEMORY, "no memory for the CPU device");
    return NULL;
  }
  return device;
}

static void cpu_destroy(aicc_rt_device *device) {
  aicc_rt_cpu_pool_destroy(device->pool);
  aicc_rt_delete(device->allocator, device->scratch, device->scratch_bytes, 1);
  aicc_rt_delete(device->allocator, device, 1, sizeof *device);
}

static aicc_rt_status cpu_launch_parallel(aicc_rt_device *device, uint32_t kernel, int64_t grid,
                                          const void *args, int64_t cost, aicc_rt_error *error) {
  int64_t threads = cost / COST_PER_THREAD;
  threads = threads < device->threads ? threads : device->threads;
  threads = threads < grid ? threads : grid;
  if (device->pool == NULL) {
    device->pool =
        aicc_rt_cpu_pool_create(device->allocator, device->threads, device->scratch_bytes, error);
    if (device->pool == NULL) {
      return AICC_RT_MEMORY;
    }
    aicc_rt_cpu_pool_begin(device->pool);
  }
  aicc_rt_cpu_pool_run(device->pool, device->model->kernels[kernel].cpu, args, grid,
                       (uint32_t)threads, device->scratch);
  return AICC_RT_OK;
}

static aicc_rt_status cpu_launch(aicc_rt_device *device, uint32_t kernel, int64_t grid,
                                 const void *args, int64_t cost, aicc_rt_error *error) {
  const aicc_abi_cpu_kernel code = device->model->kernels[kernel].cpu;
  if (code == NULL) {
    return aicc_rt_fail(error, AICC_RT_UNAVAILABLE, "the model has no CPU code for kernel '%s'",
                        device->model->kernels[kernel].name);
  }
  if (cost >= COST_INLINE && grid > 1 && device->threads > 1) {
    return cpu_launch_parallel(device, kernel, grid, args, cost, error);
  }
  if (grid > 0) {
    code(args, 0, grid, device->scratch);
  }
  return AICC_RT_OK;
}

static aicc_rt_status cpu_move(aicc_rt_device *device, void *to, const void *from, int64_t bytes,
                               aicc_rt_error *error) {
  (void)device;
  (void)error;
  if (bytes > 0) {
    memmove(to, from, (size_t)bytes);
  }
  return AICC_RT_OK;
}

static aicc_rt_status cpu_begin(aicc_rt_device *device, aicc_rt_error *error) {
  (void)error;
  if (device->pool != NULL) {
    aicc_rt_cpu_pool_begin(device->pool);
  }
  return AICC_RT_OK;
}

static void cpu_end(aicc_rt_device *device) {
  if (device->pool != NULL) {
    aicc_rt_cpu_pool_end(device->pool);
  }
}

static uint32_t cpu_threads(const aicc_rt_device *device) { return device->threads; }

static uint64_t cpu_scratch_bytes(const aicc_rt_device *device) {
  return (uint64_t)device->scratch_bytes * (device->pool != NULL ? device->threads : 1);
}

static void cpu_set_threads(aicc_rt_device *device, uint32_t threads) {
  const uint32_t wanted = thread_count(threads);
  if (wanted != device->threads) {
    aicc_rt_cpu_pool_destroy(device->pool);
    device->pool = NULL;
    device->threads = wanted;
  }
}

const aicc_rt_device_ops aicc_rt_device_cpu = {
    .name = "cpu",
    .dl_device = kDLCPU,
    .call_device = AICC_ABI_IMAGE_CPU,
    .create = cpu_create,
    .destroy = cpu_destroy,
    .launch = cpu_launch,
    .copy = cpu_move,
    .read = cpu_move,
    .write = cpu_move,
    .begin = cpu_begin,
    .end = cpu_end,
    .threads = cpu_threads,
    .scratch_bytes = cpu_scratch_bytes,
    .set_threads = cpu_set_threads,
};
