// Memory: of the device, page-locked on the host, and copies between them.
//
// A copy is checked when it is called, its bytes when it runs. Copies from pageable memory read it
// in the call; copies to pageable memory have run when the call returns; all others run with the
// stream.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cuda_driver.h"

// ---- page-locked memory ------------------------------------------------------------------------

typedef struct host_range {
  uint64_t address, bytes;
  unsigned flags;
  bool allocated;  // by cuMemHostAlloc; else registered
} host_range;

static host_range *ranges;
static uint32_t range_count, range_room;

// The range that holds |address|; NULL: none.
static host_range *find_range(uint64_t address) {
  for (uint32_t i = 0; i < range_count; ++i) {
    if (address - ranges[i].address < ranges[i].bytes) {
      return &ranges[i];
    }
  }
  return NULL;
}

bool cu_host_is_pinned(uint64_t address, uint64_t bytes) {
  const host_range *range = find_range(address);
  return range != NULL && bytes <= range->bytes - (address - range->address);
}

uint32_t cu_host_leaks(void) {
  for (uint32_t i = 0; i < range_count; ++i) {
    fprintf(stderr, "emulator: leak: %llu bytes of %s host memory\n",
            (unsigned long long)ranges[i].bytes,
            ranges[i].allocated ? "page-locked" : "registered");
  }
  return range_count;
}

static bool add_range(void *address, size_t bytes, unsigned flags, bool allocated) {
  if (range_count == range_room) {
    const uint32_t room = range_room * 2 + 16;
    host_range *grown = realloc(ranges, room * sizeof *grown);
    if (grown == NULL) {
      return false;
    }
    ranges = grown;
    range_room = room;
  }
  ranges[range_count++] = (host_range){(uint64_t)(uintptr_t)address, bytes, flags, allocated};
  return true;
}

static CUresult host_alloc(const cu_call *call, void **address, size_t bytes, unsigned flags) {
  if (address == NULL || bytes == 0) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "%zu bytes, or the place for them is NULL",
                     bytes);
  }
  void *memory = NULL;
  if (bytes > SIZE_MAX - 4096 || posix_memalign(&memory, 4096, bytes) != 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  if (!add_range(memory, bytes, flags, true)) {
    free(memory);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  *address = memory;
  return CUDA_SUCCESS;
}

CUresult cuMemHostAlloc(void **address, size_t bytes, unsigned int flags) {
  CU_CALL(CU_NEEDS_CONTEXT | CU_NEEDS_NO_CAPTURE, host_alloc(&call, address, bytes, flags));
}

CUresult cuMemAllocHost_v2(void **address, size_t bytes) {
  CU_CALL(CU_NEEDS_CONTEXT | CU_NEEDS_NO_CAPTURE, host_alloc(&call, address, bytes, 0));
}

static CUresult host_release(const cu_call *call, void *address, bool allocated) {
  host_range *range = find_range((uint64_t)(uintptr_t)address);
  if (range == NULL || range->address != (uint64_t)(uintptr_t)address ||
      range->allocated != allocated) {
    return cu_misuse(call,
                     allocated ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED,
                     "no %s host memory begins at %p", allocated ? "page-locked" : "registered",
                     address);
  }
  const CUresult result = cu_context_drain(call->context);  // queued copies may use it
  if (allocated) {
    free(address);
  }
  *range = ranges[--range_count];
  return result;
}

CUresult cuMemFreeHost(void *address) {
  CU_CALL(CU_NEEDS_CONTEXT | CU_NEEDS_NO_CAPTURE, host_release(&call, address, true));
}

CUresult cuMemHostUnregister(void *address) {
  CU_CALL(CU_NEEDS_CONTEXT | CU_NEEDS_NO_CAPTURE, host_release(&call, address, false));
}

static CUresult host_register(const cu_call *call, void *address, size_t bytes, unsigned flags) {
  if (address == NULL || bytes == 0) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "%zu bytes at %p", bytes, address);
  }
  const uint64_t at = (uint64_t)(uintptr_t)address;
  for (uint32_t i = 0; i < range_count; ++i) {
    if (at < ranges[i].address + ranges[i].bytes && ranges[i].address < at + bytes) {
      return cu_misuse(call, CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED,
                       "%zu bytes at %p are page-locked already", bytes, address);
    }
  }
  return add_range(address, bytes, flags, false) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult cuMemHostRegister_v2(void *address, size_t bytes, unsigned int flags) {
  CU_CALL(CU_NEEDS_CONTEXT | CU_NEEDS_NO_CAPTURE, host_register(&call, address, bytes, flags));
}

static CUresult host_flags(const cu_call *call, unsigned int *flags, void *address) {
  const host_range *range = find_range((uint64_t)(uintptr_t)address);
  if (flags == NULL || range == NULL) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "%p is not page-locked", address);
  }
  *flags = range->flags;
  return CUDA_SUCCESS;
}

CUresult cuMemHostGetFlags(unsigned int *flags, void *address) {
  CU_CALL(CU_NEEDS_CONTEXT, host_flags(&call, flags, address));
}

CUresult cuMemHostGetDevicePointer_v2(CUdeviceptr *device, void *address, unsigned int flags) {
  (void)device, (void)address, (void)flags;
  CU_CALL(CU_NEEDS_CONTEXT,
          cu_misuse(&call, CUDA_ERROR_NOT_SUPPORTED, "kernels cannot read host memory here"));
}

// ---- memory of the device ----------------------------------------------------------------------

static CUresult mem_info(const cu_call *call, size_t *free_bytes, size_t *total) {
  if (free_bytes == NULL || total == NULL) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the place for the answer is NULL");
  }
  *free_bytes = emu_free_bytes(call->context->emu);
  *total = cu.settings.emu.memory_bytes;
  return CUDA_SUCCESS;
}

CUresult cuMemGetInfo_v2(size_t *free_bytes, size_t *total) {
  CU_CALL(CU_NEEDS_CONTEXT, mem_info(&call, free_bytes, total));
}

static CUresult mem_alloc(const cu_call *call, CUdeviceptr *address, size_t bytes) {
  if (address == NULL || bytes == 0) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "%zu bytes, or the place for them is NULL",
                     bytes);
  }
  const uint64_t at = emu_alloc(call->context->emu, bytes);
  if (at == 0) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  cu_context_note_alloc(call->context, at);
  *address = at;
  return CUDA_SUCCESS;
}

CUresult cuMemAlloc_v2(CUdeviceptr *address, size_t bytes) {
  CU_CALL(CU_NEEDS_CONTEXT | CU_NEEDS_NO_CAPTURE, mem_alloc(&call, address, bytes));
}

static CUresult alloc_async(const cu_call *call, CUdeviceptr *address, size_t bytes,
                            CUstream handle) {
  const cu_stream *stream = cu_stream_get(call, handle);
  if (stream == NULL) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (stream->capture != CU_STREAM_CAPTURE_STATUS_NONE) {
    return cu_misuse(call, CUDA_ERROR_NOT_SUPPORTED,
                     "not implemented in a stream that is captured");
  }
  return mem_alloc(call, address, bytes);
}

CUresult cuMemAllocAsync(CUdeviceptr *address, size_t bytes, CUstream stream) {
  CU_CALL(CU_NEEDS_CONTEXT, alloc_async(&call, address, bytes, stream));
}

static CUresult not_allocated(const cu_call *call, CUdeviceptr address) {
  return cu_misuse(call, CUDA_ERROR_INVALID_VALUE,
                   "no allocation begins at 0x%llx: it was freed already, or never made", address);
}

static CUresult mem_free(const cu_call *call, CUdeviceptr address) {
  if (address == 0) {
    return CUDA_SUCCESS;
  }
  const CUresult result = cu_context_drain(call->context);  // queued kernels may use it
  if (result != CUDA_SUCCESS) {
    return result;
  }
  return cu_context_forget_alloc(call->context, address) && emu_free(call->context->emu, address)
             ? CUDA_SUCCESS
             : not_allocated(call, address);
}

CUresult cuMemFree_v2(CUdeviceptr address) {
  CU_CALL(CU_NEEDS_CONTEXT | CU_NEEDS_NO_CAPTURE, mem_free(&call, address));
}

static CUresult free_async(const cu_call *call, CUdeviceptr address, CUstream handle) {
  cu_stream *stream = cu_stream_get(call, handle);
  if (stream == NULL) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (stream->capture != CU_STREAM_CAPTURE_STATUS_NONE) {
    return cu_misuse(call, CUDA_ERROR_NOT_SUPPORTED,
                     "not implemented in a stream that is captured");
  }
  if (!cu_context_forget_alloc(call->context, address)) {
    return not_allocated(call, address);
  }
  cu_op op = {.kind = CU_OP_FREE, .call = call->name, .as.free = address};
  return cu_submit(call, stream, &op);
}

CUresult cuMemFreeAsync(CUdeviceptr address, CUstream stream) {
  CU_CALL(CU_NEEDS_CONTEXT, free_async(&call, address, stream));
}

static CUresult address_range(const cu_call *call, CUdeviceptr *base, size_t *bytes,
                              CUdeviceptr address) {
  uint64_t begin, size;
  if (!emu_find(call->context->emu, address, &begin, &size)) {
    return cu_misuse(call, CUDA_ERROR_NOT_FOUND, "0x%llx is in no allocation", address);
  }
  if (base != NULL) {
    *base = begin;
  }
  if (bytes != NULL) {
    *bytes = size;
  }
  return CUDA_SUCCESS;
}

CUresult cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *bytes, CUdeviceptr address) {
  CU_CALL(CU_NEEDS_CONTEXT, address_range(&call, base, bytes, address));
}

// ---- what is at an address ---------------------------------------------------------------------

// Whose memory |address| is, in any context; NULL: none's.
static cu_context *owner_of(uint64_t address, uint64_t *base, uint64_t *bytes) {
  for (cu_context *context = NULL;
       (context = cu_object_next(context, CU_KIND_CONTEXT, NULL)) != NULL;) {
    if (emu_find(context->emu, address, base, bytes)) {
      return context;
    }
  }
  return NULL;
}

static CUresult pointer_attribute(const cu_call *call, void *value, CUpointer_attribute attribute,
                                  CUdeviceptr address) {
  uint64_t base = 0, bytes = 0;
  cu_context *owner = owner_of(address, &base, &bytes);
  const host_range *host = owner == NULL ? find_range(address) : NULL;
  if (value == NULL) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the place for the answer is NULL");
  }
  if (owner == NULL && host == NULL) {
    return CUDA_ERROR_INVALID_VALUE;  // how callers tell pageable memory
  }
  if (host != NULL) {
    base = host->address;
    bytes = host->bytes;
  }
  void *const context = owner != NULL ? owner : call->context;
  void *const pointer = (void *)(uintptr_t)address;
  const unsigned type = owner != NULL ? CU_MEMORYTYPE_DEVICE : CU_MEMORYTYPE_HOST;
  const unsigned managed = 0;
  const int ordinal = owner != NULL ? owner->device->ordinal : call->context->device->ordinal;
  const struct {
    CUpointer_attribute attribute;
    const void *from;
    size_t size;
    bool answered;
  } answers[] = {
      {CU_POINTER_ATTRIBUTE_CONTEXT, &context, sizeof context, true},
      {CU_POINTER_ATTRIBUTE_MEMORY_TYPE, &type, sizeof type, true},
      {CU_POINTER_ATTRIBUTE_DEVICE_POINTER, &address, sizeof address, owner != NULL},
      {CU_POINTER_ATTRIBUTE_HOST_POINTER, &pointer, sizeof pointer, host != NULL},
      {CU_POINTER_ATTRIBUTE_IS_MANAGED, &managed, sizeof managed, true},
      {CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, &ordinal, sizeof ordinal, true},
      {CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, &base, sizeof base, true},
      {CU_POINTER_ATTRIBUTE_RANGE_SIZE, &bytes, sizeof bytes, true},
  };
  for (size_t i = 0; i < sizeof answers / sizeof answers[0]; ++i) {
    if (answers[i].attribute == attribute) {
      if (answers[i].answered) {
        memcpy(value, answers[i].from, answers[i].size);
      }
      return answers[i].answered ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    }
  }
  return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "attribute %d is not known", (int)attribute);
}

CUresult cuPointerGetAttribute(void *value, CUpointer_attribute attribute, CUdeviceptr address) {
  CU_CALL(CU_NEEDS_CONTEXT, pointer_attribute(&call, value, attribute, address));
}

static CUresult pointer_attributes(const cu_call *call, unsigned count,
                                   CUpointer_attribute *attributes, void **values,
                                   CUdeviceptr address) {
  if (count > 0 && (attributes == NULL || values == NULL)) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the attributes or their places are NULL");
  }
  for (unsigned i = 0; i < count; ++i) {
    // Unlike the function for one, this one answers 0 for what does not apply.
    if (pointer_attribute(call, values[i], attributes[i], address) != CUDA_SUCCESS) {
      const CUpointer_attribute a = attributes[i];
      const bool narrow = a == CU_POINTER_ATTRIBUTE_MEMORY_TYPE ||
                          a == CU_POINTER_ATTRIBUTE_IS_MANAGED ||
                          a == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL;
      if (values[i] == NULL) {
        return CUDA_ERROR_INVALID_VALUE;
      }
      memset(values[i], a == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL ? 0xff : 0, narrow ? 4 : 8);
    }
  }
  return CUDA_SUCCESS;
}

CUresult cuPointerGetAttributes(unsigned int count, CUpointer_attribute *attributes, void **values,
                                CUdeviceptr address) {
  CU_CALL(CU_NEEDS_CONTEXT, pointer_attributes(&call, count, attributes, values, address));
}

// ---- copies ------------------------------------------------------------------------------------

static bool is_device(const cu_call *call, uint64_t address, uint64_t bytes) {
  uint64_t base, size;
  return emu_find(call->context->emu, address, &base, &size) && bytes <= size - (address - base);
}

// Device memory where it must be, host memory where it must be.
static CUresult check_side(const cu_call *call, const char *side, uint64_t address, uint64_t bytes,
                           bool device) {
  if (address == 0) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the %s is NULL", side);
  }
  if (device && !is_device(call, address, bytes)) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE,
                     "the %s, %llu bytes at 0x%llx, is not within one allocation of this context",
                     side, (unsigned long long)bytes, (unsigned long long)address);
  }
  if (!device && is_device(call, address, 1)) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the %s at 0x%llx is memory of the device",
                     side, (unsigned long long)address);
  }
  return CUDA_SUCCESS;
}

typedef struct copy {
  cu_copy_kind kind;
  uint64_t to, from, bytes;
} copy;

// |async|: of a stream; else the call returns when it is done.
static CUresult copy_memory(const cu_call *call, copy what, CUstream handle, bool async) {
  cu_stream *stream = cu_stream_get(call, handle);
  if (stream == NULL) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (what.bytes == 0) {
    return CUDA_SUCCESS;
  }
  const bool up = what.kind == CU_COPY_UP, down = what.kind == CU_COPY_DOWN;
  const bool host = what.kind == CU_COPY_HOST;
  CUresult result = check_side(call, "destination", what.to, what.bytes, !down && !host);
  if (result == CUDA_SUCCESS) {
    result = check_side(call, "source", what.from, what.bytes, !up && !host);
  }
  if (result != CUDA_SUCCESS) {
    return result;
  }
  cu_op op = {.kind = CU_OP_COPY, .call = call->name};
  op.as.copy.kind = what.kind;
  op.as.copy.to = what.to;
  op.as.copy.from = what.from;
  op.as.copy.bytes = what.bytes;
  const bool capturing = stream->capture != CU_STREAM_CAPTURE_STATUS_NONE;
  op.as.copy.snapshot = up && async && !capturing && !cu_host_is_pinned(what.from, what.bytes);
  result = cu_submit(call, stream, &op);
  const bool waits = !async || ((down || host) && !cu_host_is_pinned(what.to, what.bytes));
  return result == CUDA_SUCCESS && waits && !capturing ? cu_stream_drain(stream, UINT64_MAX)
                                                       : result;
}

static copy copy_any(const cu_call *call, CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  const bool up = is_device(call, to, 1), down = is_device(call, from, 1);
  return (copy){up && down ? CU_COPY_DEVICE
                : up       ? CU_COPY_UP
                : down     ? CU_COPY_DOWN
                           : CU_COPY_HOST,
                to, from, bytes};
}

#define SYNCHRONOUS (CU_NEEDS_CONTEXT | CU_NEEDS_NO_CAPTURE)

CUresult cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  CU_CALL(SYNCHRONOUS, copy_memory(&call, copy_any(&call, to, from, bytes), NULL, false));
}

CUresult cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  CU_CALL(CU_NEEDS_CONTEXT, copy_memory(&call, copy_any(&call, to, from, bytes), stream, true));
}

static copy copy_up(CUdeviceptr to, const void *from, size_t bytes) {
  return (copy){CU_COPY_UP, to, (uint64_t)(uintptr_t)from, bytes};
}

static copy copy_down(void *to, CUdeviceptr from, size_t bytes) {
  return (copy){CU_COPY_DOWN, (uint64_t)(uintptr_t)to, from, bytes};
}

static copy copy_within(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  return (copy){CU_COPY_DEVICE, to, from, bytes};
}

CUresult cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes) {
  CU_CALL(SYNCHRONOUS, copy_memory(&call, copy_up(to, from, bytes), NULL, false));
}

CUresult cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes) {
  CU_CALL(SYNCHRONOUS, copy_memory(&call, copy_down(to, from, bytes), NULL, false));
}

CUresult cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes) {
  CU_CALL(SYNCHRONOUS, copy_memory(&call, copy_within(to, from, bytes), NULL, false));
}

CUresult cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
  CU_CALL(CU_NEEDS_CONTEXT, copy_memory(&call, copy_up(to, from, bytes), stream, true));
}

CUresult cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
  CU_CALL(CU_NEEDS_CONTEXT, copy_memory(&call, copy_down(to, from, bytes), stream, true));
}

CUresult cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
  CU_CALL(CU_NEEDS_CONTEXT, copy_memory(&call, copy_within(to, from, bytes), stream, true));
}

// ---- fills -------------------------------------------------------------------------------------

static CUresult fill_memory(const cu_call *call, CUdeviceptr to, uint32_t value, uint32_t unit,
                            size_t count, CUstream handle) {
  cu_stream *stream = cu_stream_get(call, handle);
  if (stream == NULL) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (count == 0) {
    return CUDA_SUCCESS;
  }
  if (to % unit != 0 || count > UINT64_MAX / unit) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE,
                     "%zu values of %u bytes at 0x%llx: too many, or not aligned", count, unit, to);
  }
  const CUresult result = check_side(call, "destination", to, count * unit, true);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  cu_op op = {.kind = CU_OP_FILL, .call = call->name};
  op.as.fill.to = to;
  op.as.fill.count = count;
  op.as.fill.value = value;
  op.as.fill.value_bytes = unit;
  return cu_submit(call, stream, &op);
}

// Also without "Async" these do not wait for the device.
CUresult cuMemsetD8_v2(CUdeviceptr to, unsigned char value, size_t count) {
  CU_CALL(SYNCHRONOUS, fill_memory(&call, to, value, 1, count, NULL));
}

CUresult cuMemsetD16_v2(CUdeviceptr to, unsigned short value, size_t count) {
  CU_CALL(SYNCHRONOUS, fill_memory(&call, to, value, 2, count, NULL));
}

CUresult cuMemsetD32_v2(CUdeviceptr to, unsigned int value, size_t count) {
  CU_CALL(SYNCHRONOUS, fill_memory(&call, to, value, 4, count, NULL));
}

CUresult cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t count, CUstream stream) {
  CU_CALL(CU_NEEDS_CONTEXT, fill_memory(&call, to, value, 1, count, stream));
}

CUresult cuMemsetD16Async(CUdeviceptr to, unsigned short value, size_t count, CUstream stream) {
  CU_CALL(CU_NEEDS_CONTEXT, fill_memory(&call, to, value, 2, count, stream));
}

CUresult cuMemsetD32Async(CUdeviceptr to, unsigned int value, size_t count, CUstream stream) {
  CU_CALL(CU_NEEDS_CONTEXT, fill_memory(&call, to, value, 4, count, stream));
}
