// The CUDA device: opening and closing it, its memory.
#include "dev_cuda.h"

#include <stdio.h>
#include <string.h>

// Streams that are no objects: the legacy default stream, and that of a thread.
#define LAST_SPECIAL_STREAM 2

// ---- memory ------------------------------------------------------------------------------------

// Frees wait: what is queued may use it. The context is current here and below; where it is lost,
// all that was in it goes with it.
static void *memory_resize(void *user, void *pointer, size_t old_size, size_t new_size,
                           size_t alignment) {
  aicc_rt_device *device = user;
  (void)old_size;
  (void)alignment;  // the driver's is 256
  if (new_size == 0) {
    if (device->lost) {
      return NULL;
    }
    (void)device->cuda->stream_wait(device->stream);
    (void)device->cuda->memory_free(aicc_cuda_address(pointer));
    return NULL;
  }
  cu_pointer fresh = 0;
  return device->cuda->memory_alloc(&fresh, new_size) == CU_OK ? aicc_cuda_pointer(fresh) : NULL;
}

static void *pinned_resize(void *user, void *pointer, size_t old_size, size_t new_size,
                           size_t alignment) {
  aicc_rt_device *device = user;
  (void)old_size;
  (void)alignment;  // whole pages
  if (new_size == 0) {
    if (device->lost) {
      return NULL;
    }
    (void)device->cuda->stream_wait(device->stream);
    (void)device->cuda->pinned_free(pointer);
    return NULL;
  }
  void *fresh = NULL;
  return device->cuda->pinned_alloc(&fresh, new_size, 0) == CU_OK ? fresh : NULL;
}

static const aicc_rt_allocator *cuda_memory(const aicc_rt_device *device) {
  return &device->memory;
}

static const aicc_rt_allocator *cuda_pinned(const aicc_rt_device *device) {
  return &device->pinned;
}

static aicc_rt_status cuda_no_memory(aicc_rt_device *device, const char *what, int64_t bytes,
                                     aicc_rt_error *error) {
  size_t free_bytes = 0, total = 0;
  const double mib = 1048576;
  if (device->cuda->memory_info(&free_bytes, &total) != CU_OK) {
    free_bytes = total = 0;
  }
  const aicc_cuda_program *program = device->program;
  const double held =
      program != NULL ? (double)(program->weights_bytes + program->scratch_bytes) / mib : 0;
  return aicc_rt_fail(
      error, AICC_RT_MEMORY,
      "%s: no device memory for %.1f MiB of %s: %.1f of %.1f MiB are free (%.1f MiB "
      "are the model's weights and scratch). Smaller inputs, or closing what else "
      "uses the GPU, may help",
      device->name, (double)bytes / mib, what, (double)free_bytes / mib, (double)total / mib, held);
}

// ---- opening -----------------------------------------------------------------------------------

static aicc_rt_status find_device(aicc_rt_device *device, aicc_rt_error *error) {
  int count = 0;
  const aicc_rt_cuda *cuda = device->cuda;
  cu_result result = cuda->device_count(&count);
  if (result == CU_OK && count == 0) {
    return aicc_rt_fail(error, AICC_RT_UNAVAILABLE,
                        "%s: there is an NVIDIA driver, but it finds no GPU", device->name);
  }
  if (result == CU_OK && device->number >= count) {
    return aicc_rt_fail(error, AICC_RT_UNAVAILABLE,
                        "there is no device %s: NVIDIA's driver finds %d, cuda:0%s", device->name,
                        count, count > 1 ? " and so on" : "");
  }
  if (result == CU_OK) {
    result = cuda->device_get(&device->device, device->number);
  }
  return result == CU_OK ? AICC_RT_OK : aicc_cuda_fail(device, result, "opening it", error);
}

static aicc_rt_status read_attributes(aicc_rt_device *device, aicc_rt_error *error) {
  int major = 0, minor = 0;
  const struct {
    int attribute, *value;
  } rows[] = {{CU_ATTRIBUTE_MAJOR, &major},
              {CU_ATTRIBUTE_MINOR, &minor},
              {CU_ATTRIBUTE_MULTIPROCESSORS, &device->processors},
              {CU_ATTRIBUTE_SHARED_OPTIN, &device->shared_limit}};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    const cu_result result =
        device->cuda->device_attribute(rows[i].value, rows[i].attribute, device->device);
    if (result != CU_OK) {
      return aicc_cuda_fail(device, result, "asking what it can do", error);
    }
  }
  device->capability = 10 * major + minor;
  return AICC_RT_OK;
}

static void take_handles(aicc_rt_device *device, const aicc_rt_device_config *config) {
  memcpy(&device->context, &config->native_context, sizeof device->context);
  memcpy(&device->stream, &config->native_stream, sizeof device->stream);
}

// The caller's context, that of the caller's stream, or the device's primary one; made current.
static aicc_rt_status open_context(aicc_rt_device *device, aicc_rt_error *error) {
  const aicc_rt_cuda *cuda = device->cuda;
  cu_result result = CU_OK;
  if (device->context == NULL && (uintptr_t)device->stream > LAST_SPECIAL_STREAM) {
    result = cuda->stream_context(device->stream, &device->context);
  } else if (device->context == NULL) {
    result = cuda->primary_retain(&device->context, device->device);
    device->retained = result == CU_OK;
  }
  if (result == CU_OK) {
    result = cuda->context_push(device->context);
  }
  if (result != CU_OK) {
    device->context = device->retained ? device->context : NULL;
    return aicc_cuda_fail(device, result, "entering its context", error);
  }
  cu_device actual = device->device;
  result = cuda->context_device(&actual);
  if (result != CU_OK || actual != device->device) {
    cu_context popped = NULL;
    (void)cuda->context_pop(&popped);
    return result != CU_OK ? aicc_cuda_fail(device, result, "entering its context", error)
                           : aicc_rt_fail(error, AICC_RT_INVALID,
                                          "the context or stream given is not one of %s",
                                          device->name);
  }
  return AICC_RT_OK;
}

// Stream, code, weights, scratch; the context is current.
static aicc_rt_status set_up(aicc_rt_device *device, aicc_rt_error *error) {
  if (device->stream == NULL) {
    const cu_result result = device->cuda->stream_create(&device->stream, CU_STREAM_NON_BLOCKING);
    if (result != CU_OK) {
      return aicc_cuda_fail(device, result, "making a stream", error);
    }
    device->created = true;
  }
  device->target = device->stream;
  const aicc_rt_status status = aicc_cuda_program_take(device, error);
  const uint64_t scratch = status == AICC_RT_OK ? device->program->scratch_bytes : 0;
  if (scratch > 0 && device->cuda->memory_alloc(&device->scratch, (size_t)scratch) != CU_OK) {
    return cuda_no_memory(device, "scratch memory of kernels", (int64_t)scratch, error);
  }
  return status;
}

static void tear_down(aicc_rt_device *device) {
  const aicc_rt_cuda *cuda = device->cuda;
  if (device->stream != NULL) {
    (void)cuda->stream_wait(device->stream);
  }
  aicc_cuda_timing_deinit(device);
  if (device->scratch != 0) {
    (void)cuda->memory_free(device->scratch);
  }
  if (device->staging != NULL) {
    (void)cuda->pinned_free(device->staging);
  }
  aicc_cuda_program_release(device);
  if (device->recorder != NULL) {
    (void)cuda->stream_destroy(device->recorder);
  }
  if (device->created) {
    (void)cuda->stream_destroy(device->stream);
  }
}

static void leave(aicc_rt_device *device) {
  cu_context popped = NULL;
  (void)device->cuda->context_pop(&popped);
}

static void cuda_destroy(aicc_rt_device *device) {
  if (device->context != NULL && device->cuda->context_push(device->context) == CU_OK) {
    tear_down(device);
    leave(device);
  }
  if (device->retained) {
    (void)device->cuda->primary_release(device->device);
  }
  aicc_rt_delete(device->allocator, device, 1, sizeof *device);
}

static aicc_rt_status open_device(aicc_rt_device *device, aicc_rt_error *error) {
  aicc_rt_status status = find_device(device, error);
  if (status == AICC_RT_OK) {
    status = read_attributes(device, error);
  }
  if (status == AICC_RT_OK) {
    status = open_context(device, error);
  }
  if (status == AICC_RT_OK) {
    status = set_up(device, error);
    leave(device);
  }
  return status;
}

static aicc_rt_device *cuda_create(const aicc_rt_device_config *config, aicc_rt_error *error) {
  const aicc_rt_cuda *cuda = aicc_rt_cuda_load(error);
  if (cuda == NULL) {
    return NULL;
  }
  aicc_rt_device *device = aicc_rt_new(config->allocator, 1, sizeof *device);
  if (device == NULL) {
    aicc_rt_fail(error, AICC_RT_MEMORY, "no memory for a CUDA device");
    return NULL;
  }
  device->cuda = cuda;
  device->allocator = config->allocator;
  device->model = config->model;
  device->number = config->number;
  device->check_kernels = config->check_kernels;
  device->memory = (aicc_rt_allocator){memory_resize, device};
  device->pinned = (aicc_rt_allocator){pinned_resize, device};
  snprintf(device->name, sizeof device->name, "cuda:%d", config->number);
  take_handles(device, config);
  if (open_device(device, error) != AICC_RT_OK) {
    cuda_destroy(device);
    return NULL;
  }
  return device;
}

// ---- the device's functions --------------------------------------------------------------------

static aicc_rt_status cuda_begin(aicc_rt_device *device, aicc_rt_error *error) {
  if (device->lost) {
    return aicc_rt_fail(
        error, AICC_RT_FAILED,
        "%s: an earlier run failed on the device, which lost the context; what is in "
        "it can only be destroyed (a primary context: with all its sessions)",
        device->name);
  }
  const cu_result result = device->cuda->context_push(device->context);
  return result == CU_OK ? AICC_RT_OK
                         : aicc_cuda_fail(device, result, "entering its context", error);
}

static int32_t cuda_number(const aicc_rt_device *device) { return device->number; }

static uint32_t cuda_plan(const aicc_rt_device *device) { return device->plan_index; }

static const uint8_t *cuda_weights(const aicc_rt_device *device) {
  return aicc_cuda_pointer(device->program->weights - aicc_cuda_weights_begin(&device->plan));
}

static uint64_t cuda_scratch_bytes(const aicc_rt_device *device) {
  return device->program->scratch_bytes;
}

const aicc_rt_device_ops aicc_rt_device_cuda = {
    .name = "cuda",
    .dl_device = kDLCUDA,
    .call_device = AICC_ABI_IMAGE_PTX,
    .create = cuda_create,
    .destroy = cuda_destroy,
    .number = cuda_number,
    .plan = cuda_plan,
    .weights = cuda_weights,
    .launch = aicc_cuda_launch,
    .copy = aicc_cuda_copy,
    .read = aicc_cuda_read,
    .write = aicc_cuda_write,
    .begin = cuda_begin,
    .end = leave,
    .scratch_bytes = cuda_scratch_bytes,
    .memory = cuda_memory,
    .pinned = cuda_pinned,
    .staging_bytes = aicc_cuda_staging_bytes,
    .download = aicc_cuda_download,
    .wait = aicc_cuda_wait,
    .pack = aicc_cuda_pack,
    .strings = aicc_cuda_strings_of,
    .no_memory = cuda_no_memory,
    .set_timing = aicc_cuda_set_timing,
    .collect = aicc_cuda_collect,
    .record_begin = aicc_cuda_record_begin,
    .record_end = aicc_cuda_record_end,
    .replay = aicc_cuda_replay,
    .forget = aicc_cuda_forget,
};
