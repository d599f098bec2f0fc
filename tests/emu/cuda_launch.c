// Launches, and how each queued operation runs.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cuda_driver.h"

// ---- running operations ------------------------------------------------------------------------

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

__attribute__((format(printf, 1, 2))) static void report(const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  cu_report(text);
}

// What a device would call this fault.
static CUresult fault_result(const emu_report *fault) {
  switch (fault->status) {
    case EMU_BAD_LAUNCH:
      return CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES;
    case EMU_NO_MEMORY:
      return CUDA_ERROR_OUT_OF_MEMORY;
    default:
      break;
  }
  switch (fault->kind) {
    case EMU_IS_OUTSIDE:
      return CUDA_ERROR_ILLEGAL_ADDRESS;
    case EMU_IS_MISALIGNED:
      return CUDA_ERROR_MISALIGNED_ADDRESS;
    case EMU_IS_ENDLESS:
      return CUDA_ERROR_LAUNCH_TIMEOUT;
    default:  // CUDA says so of shared memory too
      return CUDA_ERROR_LAUNCH_FAILED;
  }
}

static CUresult run_launch(cu_context *context, const cu_op *op) {
  cu_function *function = op->as.launch.function;
  if (function->object.kind != CU_KIND_FUNCTION) {
    report("emulator: %s: the module of a kernel in a graph was unloaded", op->call);
    return CUDA_ERROR_INVALID_HANDLE;
  }
  emu_report fault;  // not cleared: 2 KiB, for every launch
  fault.status = EMU_OK;
  fault.text[0] = 0;
  const emu_status status =
      emu_launch(context->emu, function->emu, op->as.launch.grid, op->as.launch.block,
                 op->as.launch.shared, op->data, op->data_bytes, &fault);
  if (status == EMU_OK) {
    return CUDA_SUCCESS;
  }
  fault.status = status;
  cu_report(fault.text);
  return fault_result(&fault);
}

static CUresult out_of_allocation(const cu_op *op, const char *side, uint64_t address,
                                  uint64_t bytes) {
  report("emulator: %s: the %s, %llu bytes at 0x%llx, was freed before the stream came to it",
         op->call, side, (unsigned long long)bytes, (unsigned long long)address);
  return CUDA_ERROR_ILLEGAL_ADDRESS;
}

static CUresult run_download(cu_context *context, const cu_op *op) {
  int64_t unwritten = -1;
  void *to = (void *)(uintptr_t)op->as.copy.to;
  const uint64_t from = op->as.copy.from, bytes = op->as.copy.bytes;
  if (!emu_read(context->emu, from, to, bytes, &unwritten)) {
    return out_of_allocation(op, "source", from, bytes);
  }
  if (unwritten >= 0) {
    report("emulator: %s: byte %lld of the %llu at 0x%llx that are copied to the host was never "
           "written",
           op->call, (long long)unwritten, (unsigned long long)bytes, (unsigned long long)from);
    return CUDA_ERROR_ILLEGAL_ADDRESS;
  }
  return CUDA_SUCCESS;
}

static CUresult run_copy(cu_context *context, const cu_op *op) {
  const uint64_t to = op->as.copy.to, from = op->as.copy.from, bytes = op->as.copy.bytes;
  uint64_t base, size;
  cu.copied[op->as.copy.kind] += bytes;
  switch (op->as.copy.kind) {
    case CU_COPY_UP: {
      const void *source = op->data != NULL ? op->data : (const void *)(uintptr_t)from;
      return emu_write(context->emu, to, source, bytes) ? CUDA_SUCCESS
                                                        : out_of_allocation(op, "destination", to,
                                                                            bytes);
    }
    case CU_COPY_DOWN:
      return run_download(context, op);
    case CU_COPY_DEVICE:
      if (emu_copy(context->emu, to, from, bytes)) {
        return CUDA_SUCCESS;
      }
      return emu_find(context->emu, from, &base, &size)
                 ? out_of_allocation(op, "destination", to, bytes)
                 : out_of_allocation(op, "source", from, bytes);
    default:
      memmove((void *)(uintptr_t)to, (const void *)(uintptr_t)from, bytes);
      return CUDA_SUCCESS;
  }
}

static CUresult run_fill(cu_context *context, const cu_op *op) {
  const uint32_t unit = op->as.fill.value_bytes;
  const uint8_t byte = (uint8_t)op->as.fill.value;
  const uint16_t half = (uint16_t)op->as.fill.value;
  const void *pattern = unit == 1   ? (const void *)&byte
                        : unit == 2 ? (const void *)&half
                                    : (const void *)&op->as.fill.value;
  return emu_fill(context->emu, op->as.fill.to, pattern, unit, op->as.fill.count)
             ? CUDA_SUCCESS
             : out_of_allocation(op, "destination", op->as.fill.to, op->as.fill.count * unit);
}

CUresult cu_op_run(cu_context *context, const cu_op *op) {
  switch (op->kind) {
    case CU_OP_LAUNCH:
      return run_launch(context, op);
    case CU_OP_COPY:
      return run_copy(context, op);
    case CU_OP_FILL:
      return run_fill(context, op);
    case CU_OP_RECORD: {
      cu_event *event = op->as.event.event;
      if (event->object.kind == CU_KIND_EVENT && event->serial == op->serial) {
        event->done = true;
        event->time = now();
      }
      return CUDA_SUCCESS;
    }
    case CU_OP_WAIT:
      return CUDA_SUCCESS;  // what it waits for ran before it
    case CU_OP_FREE:
      return emu_free(context->emu, op->as.free) ? CUDA_SUCCESS
                                                 : out_of_allocation(op, "memory", op->as.free, 0);
    default:
      op->as.host.function(op->as.host.data);
      return CUDA_SUCCESS;
  }
}

// ---- parameters --------------------------------------------------------------------------------

// The block that |extra| names; false with a message.
static bool read_extra(const cu_call *call, void **extra, const void **block, size_t *bytes) {
  *block = NULL;
  *bytes = 0;
  for (; *extra != CU_LAUNCH_PARAM_END; extra += 2) {
    if (*extra == CU_LAUNCH_PARAM_BUFFER_POINTER) {
      *block = extra[1];
    } else if (*extra == CU_LAUNCH_PARAM_BUFFER_SIZE && extra[1] != NULL) {
      memcpy(bytes, extra[1], sizeof *bytes);
    } else {
      cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "extra holds %p", *extra);
      return false;
    }
  }
  return true;
}

static CUresult pack_params(const cu_call *call, const cu_function *function, void **parameters,
                            void **extra, unsigned char *block) {
  const emu_function_info *info = &function->info;
  if (extra != NULL && parameters != NULL) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "%s: parameters and extra are both given",
                     info->name);
  }
  if (extra != NULL) {
    const void *from;
    size_t bytes;
    if (!read_extra(call, extra, &from, &bytes)) {
      return CUDA_ERROR_INVALID_VALUE;
    }
    if (bytes < function->param_bytes || (bytes > 0 && from == NULL) ||
        bytes > CU_MAX_PARAM_BYTES) {
      return cu_misuse(call, CUDA_ERROR_INVALID_VALUE,
                       "%s: the parameter block has %zu bytes, the kernel's %u", info->name, bytes,
                       function->param_bytes);
    }
    memcpy(block, from, function->param_bytes);
    return CUDA_SUCCESS;
  }
  if (info->param_count > 0 && parameters == NULL) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "%s has %u parameters, none are given",
                     info->name, info->param_count);
  }
  for (uint32_t i = 0; i < info->param_count; ++i) {
    if (parameters[i] == NULL) {
      return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "%s: parameter %u is NULL", info->name, i);
    }
    memcpy(block + info->param_offsets[i], parameters[i], info->param_bytes[i]);
  }
  return CUDA_SUCCESS;
}

// ---- launches ----------------------------------------------------------------------------------

static CUresult check_shape(const cu_call *call, const cu_function *function,
                            const uint32_t grid[3], const uint32_t block[3], uint32_t shared) {
  const char *name = function->info.name;
  const uint64_t threads = (uint64_t)block[0] * block[1] * block[2];
  if (grid[0] == 0 || grid[1] == 0 || grid[2] == 0 || threads == 0 || grid[0] > INT32_MAX ||
      grid[1] > 65535 || grid[2] > 65535 || block[0] > 1024 || block[1] > 1024 || block[2] > 64) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE,
                     "%s: a grid of %u x %u x %u blocks of %u x %u x %u threads is no shape for a "
                     "launch",
                     name, grid[0], grid[1], grid[2], block[0], block[1], block[2]);
  }
  if (threads > function->info.max_threads || threads > 1024) {
    return cu_misuse(call, threads > 1024 ? CUDA_ERROR_INVALID_VALUE
                                          : CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES,
                     "%s: %llu threads a block, at most %u are allowed", name,
                     (unsigned long long)threads, function->info.max_threads);
  }
  if (shared > function->dynamic_shared) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE,
                     "%s: %u bytes of dynamic shared memory, %u are allowed (more needs "
                     "cuFuncSetAttribute)",
                     name, shared, function->dynamic_shared);
  }
  return CUDA_SUCCESS;
}

static CUresult launch(const cu_call *call, CUfunction handle, const uint32_t grid[3],
                       const uint32_t block[3], uint32_t shared, CUstream stream_handle,
                       void **parameters, void **extra) {
  cu_function *function = cu_object_own(call, handle, CU_KIND_FUNCTION);
  if (function == NULL) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  cu_stream *stream = cu_stream_get(call, stream_handle);
  if (stream == NULL) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  CUresult result = check_shape(call, function, grid, block, shared);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  result = pack_params(call, function, parameters, extra, cu.params);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  cu_op op = {.kind = CU_OP_LAUNCH,
              .call = call->name,
              .data = cu.params,
              .data_bytes = function->param_bytes};
  op.as.launch.function = function;
  memcpy(op.as.launch.grid, grid, sizeof op.as.launch.grid);
  memcpy(op.as.launch.block, block, sizeof op.as.launch.block);
  op.as.launch.shared = shared;
  return cu_submit(call, stream, &op);
}

CUresult cuLaunchKernel(CUfunction function, unsigned int grid_x, unsigned int grid_y,
                        unsigned int grid_z, unsigned int block_x, unsigned int block_y,
                        unsigned int block_z, unsigned int shared_bytes, CUstream stream,
                        void **parameters, void **extra) {
  const uint32_t grid[3] = {grid_x, grid_y, grid_z}, block[3] = {block_x, block_y, block_z};
  CU_CALL(CU_NEEDS_CONTEXT,
          launch(&call, function, grid, block, shared_bytes, stream, parameters, extra));
}

static CUresult launch_ex(const cu_call *call, const CUlaunchConfig *config, CUfunction function,
                          void **parameters, void **extra) {
  if (config == NULL || (config->numAttrs > 0 && config->attrs == NULL)) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE,
                     "the configuration or its attributes are NULL");
  }
  for (unsigned i = 0; i < config->numAttrs; ++i) {
    const CUlaunchAttribute *attribute = &config->attrs[i];
    const bool one_block = attribute->id == CU_LAUNCH_ATTRIBUTE_CLUSTER_DIMENSION &&
                           attribute->value.clusterDim.x * attribute->value.clusterDim.y *
                                   attribute->value.clusterDim.z == 1;
    const bool hint = attribute->id == CU_LAUNCH_ATTRIBUTE_IGNORE ||
                      attribute->id == CU_LAUNCH_ATTRIBUTE_PRIORITY ||
                      attribute->id == CU_LAUNCH_ATTRIBUTE_PROGRAMMATIC_STREAM_SERIALIZATION;
    if (!one_block && !hint) {
      return cu_misuse(call, CUDA_ERROR_NOT_SUPPORTED, "launch attribute %d is not implemented",
                       (int)attribute->id);
    }
  }
  const uint32_t grid[3] = {config->gridDimX, config->gridDimY, config->gridDimZ};
  const uint32_t block[3] = {config->blockDimX, config->blockDimY, config->blockDimZ};
  return launch(call, function, grid, block, config->sharedMemBytes, config->hStream, parameters,
                extra);
}

CUresult cuLaunchKernelEx(const CUlaunchConfig *config, CUfunction function, void **parameters,
                          void **extra) {
  CU_CALL(CU_NEEDS_CONTEXT, launch_ex(&call, config, function, parameters, extra));
}
