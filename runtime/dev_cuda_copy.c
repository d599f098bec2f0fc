// Copies to, from and on a CUDA device.
#include <string.h>

#include "dev_cuda.h"

// Behind the staging memory is a place for small reads: pinned memory is filled without a detour.
enum { STAGING_BYTES = 4 << 20, STAGING_ALIGN = 64, MAILBOX_BYTES = 256 };

aicc_rt_status aicc_cuda_wait(aicc_rt_device *device, aicc_rt_error *error) {
  const cu_result result = device->cuda->stream_wait(device->stream);
  const aicc_rt_status status =
      result == CU_OK ? AICC_RT_OK
                      : aicc_cuda_fail(device, result, "waiting for the device", error);
  device->staged = 0;
  device->launched = 0;
  device->repeated = false;
  return status;
}

static aicc_rt_status moved(aicc_rt_device *device, cu_result result, const char *doing,
                            aicc_rt_error *error) {
  return result == CU_OK ? AICC_RT_OK : aicc_cuda_fail(device, result, doing, error);
}

aicc_rt_status aicc_cuda_copy(aicc_rt_device *device, void *to, const void *from, int64_t bytes,
                              aicc_rt_error *error) {
  if (bytes <= 0 || to == from) {
    return AICC_RT_OK;
  }
  return moved(device,
               device->cuda->copy(aicc_cuda_address(to), aicc_cuda_address(from), (size_t)bytes,
                                  device->target),
               "copying a tensor", error);
}

aicc_rt_status aicc_cuda_download(aicc_rt_device *device, void *to, const void *from,
                                  int64_t bytes, aicc_rt_error *error) {
  if (bytes <= 0) {
    return AICC_RT_OK;
  }
  return moved(device,
               device->cuda->download(to, aicc_cuda_address(from), (size_t)bytes, device->stream),
               "downloading a tensor", error);
}

// ---- host to device ----------------------------------------------------------------------------

uint64_t aicc_cuda_staging_bytes(const aicc_rt_device *device) {
  return device->staging != NULL ? STAGING_BYTES + MAILBOX_BYTES : 0;
}

static aicc_rt_status make_staging(aicc_rt_device *device, aicc_rt_error *error) {
  if (device->staging != NULL) {
    return AICC_RT_OK;
  }
  void *fresh = NULL;
  const cu_result result = device->cuda->pinned_alloc(&fresh, STAGING_BYTES + MAILBOX_BYTES, 0);
  if (result != CU_OK) {
    return aicc_cuda_fail(device, result, "making host memory for copies", error);
  }
  device->staging = fresh;
  return AICC_RT_OK;
}

aicc_rt_status aicc_cuda_read(aicc_rt_device *device, void *to, const void *from, int64_t bytes,
                              aicc_rt_error *error) {
  if (device->recording != NULL) {
    return aicc_rt_fail(error, AICC_RT_FAILED, "%s: a recorded run cannot read", device->name);
  }
  aicc_rt_status status = make_staging(device, error);
  if (status != AICC_RT_OK) {
    return status;
  }
  const bool small = bytes <= MAILBOX_BYTES;
  void *place = small ? device->staging + STAGING_BYTES : to;
  status = aicc_cuda_download(device, place, from, bytes, error);
  status = status == AICC_RT_OK ? aicc_cuda_wait(device, error) : status;
  if (status == AICC_RT_OK && small && bytes > 0) {
    memcpy(to, place, (size_t)bytes);
  }
  return status;
}

// A place for |bytes|, which waits when all are taken. NULL with |error| set.
static uint8_t *stage(aicc_rt_device *device, size_t bytes, aicc_rt_error *error) {
  if (make_staging(device, error) != AICC_RT_OK) {
    return NULL;
  }
  if (device->staged + bytes > STAGING_BYTES && aicc_cuda_wait(device, error) != AICC_RT_OK) {
    return NULL;
  }
  uint8_t *place = device->staging + device->staged;
  device->staged += (bytes + STAGING_ALIGN - 1) / STAGING_ALIGN * STAGING_ALIGN;
  return place;
}

static aicc_rt_status upload(aicc_rt_device *device, void *to, const void *from, size_t bytes,
                             aicc_rt_error *error) {
  return moved(device, device->cuda->upload(aicc_cuda_address(to), from, bytes, device->target),
               "uploading a tensor", error);
}

aicc_rt_status aicc_cuda_write(aicc_rt_device *device, void *to, const void *from, int64_t bytes,
                               aicc_rt_error *error) {
  const size_t size = bytes > 0 ? (size_t)bytes : 0;
  if (size == 0) {
    return AICC_RT_OK;
  }
  if (size > STAGING_BYTES && device->recording == NULL) {
    const aicc_rt_status status = upload(device, to, from, size, error);
    return status == AICC_RT_OK ? aicc_cuda_wait(device, error) : status;
  }
  uint8_t *place = device->recording != NULL ? aicc_cuda_record_bytes(device, size)
                                             : stage(device, size, error);
  if (place == NULL) {
    return AICC_RT_MEMORY;
  }
  memcpy(place, from, size);
  return upload(device, to, place, size, error);
}

// ---- strings of the model's code ---------------------------------------------------------------

static aicc_rt_status copy_strings(aicc_rt_device *device, const aicc_abi_str *table,
                                   int64_t count, aicc_cuda_strings *out, aicc_rt_error *error) {
  const aicc_rt_allocator *allocator = &device->model->allocator;
  uint64_t bytes = (uint64_t)count * sizeof *table;
  for (int64_t i = 0; i < count; i++) {
    bytes += table[i].size;
  }
  uint8_t *packed = aicc_rt_new(allocator, bytes, 1);
  if (packed == NULL || device->cuda->memory_alloc(&out->copy, bytes > 0 ? bytes : 1) != CU_OK) {
    aicc_rt_delete(allocator, packed, bytes, 1);
    return aicc_rt_device_cuda.no_memory(device, "the model's strings", (int64_t)bytes, error);
  }
  uint64_t at = (uint64_t)count * sizeof *table;
  for (int64_t i = 0; i < count; i++) {
    const aicc_abi_str moved_to = {aicc_cuda_pointer(out->copy + at), table[i].size};
    memcpy(packed + (size_t)i * sizeof moved_to, &moved_to, sizeof moved_to);
    memcpy(packed + at, table[i].data, table[i].size);
    at += table[i].size;
  }
  cu_result result = bytes > 0 ? device->cuda->upload(out->copy, packed, bytes, device->stream)
                               : CU_OK;
  result = result == CU_OK ? device->cuda->stream_wait(device->stream) : result;
  aicc_rt_delete(allocator, packed, bytes, 1);
  if (result != CU_OK) {
    (void)device->cuda->memory_free(out->copy);
    return aicc_cuda_fail(device, result, "uploading the model's strings", error);
  }
  return AICC_RT_OK;
}

static aicc_rt_status strings_locked(aicc_rt_device *device, const void *table, int64_t count,
                                     const void **address, aicc_rt_error *error) {
  aicc_cuda_program *program = device->program;
  const aicc_rt_allocator *allocator = &device->model->allocator;
  for (const aicc_cuda_strings *at = program->strings; at != NULL; at = at->next) {
    if (at->table == table) {
      *address = aicc_cuda_pointer(at->copy);
      return AICC_RT_OK;
    }
  }
  aicc_cuda_strings *fresh = aicc_rt_new(allocator, 1, sizeof *fresh);
  if (fresh == NULL) {
    return aicc_rt_fail(error, AICC_RT_MEMORY, "no memory for the tables of a CUDA device");
  }
  const aicc_rt_status status = copy_strings(device, table, count, fresh, error);
  if (status != AICC_RT_OK) {
    aicc_rt_delete(allocator, fresh, 1, sizeof *fresh);
    return status;
  }
  fresh->table = table;
  fresh->next = program->strings;
  program->strings = fresh;
  *address = aicc_cuda_pointer(fresh->copy);
  return AICC_RT_OK;
}

aicc_rt_status aicc_cuda_strings_of(aicc_rt_device *device, const void *table, int64_t count,
                                    const void **address, aicc_rt_error *error) {
  pthread_mutex_lock(&device->model->lock);
  const aicc_rt_status status = strings_locked(device, table, count, address, error);
  pthread_mutex_unlock(&device->model->lock);
  return status;
}
