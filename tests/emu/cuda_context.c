// Contexts: each is an emu_device of its own, so that memory of one is an error in another.
#include <stdlib.h>

#include "cuda_driver.h"

#define STACK_DEPTH 64

static _Thread_local struct {
  cu_context *contexts[STACK_DEPTH];
  int depth;
} stack;

cu_context *cu_context_current(void) {
  return stack.depth == 0 ? NULL : stack.contexts[stack.depth - 1];
}

static cu_context *context_new(cu_device *device, unsigned flags) {
  cu_context *context = cu_object_new(CU_KIND_CONTEXT, NULL);
  if (context == NULL) {
    return NULL;
  }
  context->device = device;
  context->flags = flags;
  context->emu = emu_device_create(&cu.settings.emu);
  context->legacy = context->emu == NULL ? NULL : cu_stream_new(context, 0);
  if (context->legacy == NULL) {
    if (context->emu != NULL) {
      emu_device_destroy(context->emu);
    }
    cu_object_delete(context);
    return NULL;
  }
  return context;
}

static void drop_objects(cu_context *context) {
  cu_stream *stream = NULL;
  while ((stream = cu_object_next(stream, CU_KIND_STREAM, context)) != NULL) {
    cu_object_delete(stream);
  }
  static const cu_kind graphs[] = {CU_KIND_GRAPH, CU_KIND_EXEC};
  for (int i = 0; i < 2; ++i) {
    for (cu_graph *graph = NULL; (graph = cu_object_next(graph, graphs[i], context)) != NULL;) {
      for (uint32_t k = 0; k < graph->count; ++k) {
        cu_op_free(graph->ops[k]);
      }
      free(graph->ops);
      cu_object_delete(graph);
    }
  }
  static const cu_kind others[] = {CU_KIND_EVENT, CU_KIND_FUNCTION};
  for (int i = 0; i < 2; ++i) {
    for (cu_object *object = NULL; (object = cu_object_next(object, others[i], context)) != NULL;) {
      cu_object_delete(object);
    }
  }
  for (cu_module *module = NULL;
       (module = cu_object_next(module, CU_KIND_MODULE, context)) != NULL;) {
    emu_module_unload(module->emu);
    cu_object_delete(module);
  }
}

void cu_context_destroy(cu_context *context) {
  if (context->lost == CUDA_SUCCESS) {
    cu_context_drain(context);
  }
  cu_context_lose(context, CUDA_ERROR_CONTEXT_IS_DESTROYED);
  drop_objects(context);
  const emu_counters counters = emu_device_counters(context->emu);
  cu.counters.launches += counters.launches;
  cu.counters.instructions += counters.instructions;
  cu.counters.lane_instructions += counters.lane_instructions;
  emu_device_destroy(context->emu);
  free(context->allocations);
  cu_object_delete(context);
}

void cu_context_lose(cu_context *context, CUresult result) {
  context->lost = result;
  for (cu_stream *stream = NULL;
       (stream = cu_object_next(stream, CU_KIND_STREAM, context)) != NULL;) {
    while (stream->head != NULL) {
      cu_op *op = stream->head;
      stream->head = op->next;
      cu_op_free(op);
    }
    stream->tail = NULL;
  }
}

void cu_context_note_alloc(cu_context *context, uint64_t address) {
  if (context->allocation_count == context->allocation_room) {
    const uint32_t room = context->allocation_room * 2 + 64;
    uint64_t *grown = realloc(context->allocations, room * sizeof *grown);
    if (grown == NULL) {
      abort();  // the host is out of memory: the list of leaks would lie
    }
    context->allocations = grown;
    context->allocation_room = room;
  }
  context->allocations[context->allocation_count++] = address;
}

bool cu_context_forget_alloc(cu_context *context, uint64_t address) {
  for (uint32_t i = context->allocation_count; i-- > 0;) {
    if (context->allocations[i] == address) {
      context->allocations[i] = context->allocations[--context->allocation_count];
      return true;
    }
  }
  return false;
}

// ---- primary contexts --------------------------------------------------------------------------

static CUresult no_device(const cu_call *call, CUdevice device) {
  return cu_misuse(call, CUDA_ERROR_INVALID_DEVICE, "there is no device %d", device);
}

static CUresult no_place(const cu_call *call) {
  return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the place for the answer is NULL");
}

static CUresult primary_retain(const cu_call *call, CUcontext *context, CUdevice number) {
  cu_device *device = cu_device_get(number);
  if (context == NULL || device == NULL) {
    return device == NULL ? no_device(call, number) : no_place(call);
  }
  if (device->primary == NULL) {
    device->primary = context_new(device, device->flags);
    if (device->primary == NULL) {
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
  }
  ++device->retained;
  *context = (CUcontext)(void *)device->primary;
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice device) {
  CU_CALL(CU_NEEDS_INIT, primary_retain(&call, context, device));
}

static CUresult primary_release(const cu_call *call, CUdevice number, bool reset) {
  cu_device *device = cu_device_get(number);
  if (device == NULL) {
    return no_device(call, number);
  }
  if (!reset && device->retained == 0) {
    return cu_misuse(call, CUDA_ERROR_INVALID_CONTEXT,
                     "the primary context of device %d is not retained", number);
  }
  device->retained -= !reset;
  if (device->primary != NULL && (reset || device->retained == 0)) {
    cu_context_destroy(device->primary);
    device->primary = NULL;
    device->retained = 0;
  }
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxRelease_v2(CUdevice device) {
  CU_CALL(CU_NEEDS_INIT, primary_release(&call, device, false));
}

CUresult cuDevicePrimaryCtxReset_v2(CUdevice device) {
  CU_CALL(CU_NEEDS_INIT, primary_release(&call, device, true));
}

static CUresult primary_flags(const cu_call *call, CUdevice number, unsigned int flags) {
  cu_device *device = cu_device_get(number);
  if (device == NULL) {
    return no_device(call, number);
  }
  device->flags = flags;
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxSetFlags_v2(CUdevice device, unsigned int flags) {
  CU_CALL(CU_NEEDS_INIT, primary_flags(&call, device, flags));
}

static CUresult primary_state(const cu_call *call, CUdevice number, unsigned int *flags,
                              int *active) {
  const cu_device *device = cu_device_get(number);
  if (device == NULL) {
    return no_device(call, number);
  }
  if (flags == NULL || active == NULL) {
    return no_place(call);
  }
  *flags = device->flags;
  *active = device->primary != NULL;
  return CUDA_SUCCESS;
}

CUresult cuDevicePrimaryCtxGetState(CUdevice device, unsigned int *flags, int *active) {
  CU_CALL(CU_NEEDS_INIT, primary_state(&call, device, flags, active));
}

// ---- contexts of the caller's ------------------------------------------------------------------

static CUresult push(const cu_call *call, cu_context *context) {
  if (context == NULL) {
    return cu_misuse(call, CUDA_ERROR_INVALID_CONTEXT, "this is no context, or a destroyed one");
  }
  if (stack.depth == STACK_DEPTH) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "%d contexts are pushed: are they popped?",
                     STACK_DEPTH);
  }
  stack.contexts[stack.depth++] = context;
  return CUDA_SUCCESS;
}

static CUresult context_create(const cu_call *call, CUcontext *place, unsigned int flags,
                               CUdevice number) {
  cu_device *device = cu_device_get(number);
  if (place == NULL || device == NULL) {
    return device == NULL ? no_device(call, number) : no_place(call);
  }
  cu_context *context = context_new(device, flags);
  if (context == NULL) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  *place = (CUcontext)(void *)context;
  return push(call, context);
}

CUresult cuCtxCreate_v2(CUcontext *context, unsigned int flags, CUdevice device) {
  CU_CALL(CU_NEEDS_INIT, context_create(&call, context, flags, device));
}

static CUresult context_destroy(const cu_call *call, cu_context *context) {
  if (context == NULL || context->device->primary == context) {
    return cu_misuse(call, CUDA_ERROR_INVALID_CONTEXT,
                     context == NULL ? "this is no context, or a destroyed one"
                                     : "a primary context is released, not destroyed");
  }
  if (cu_context_current() == context) {
    --stack.depth;
  }
  cu_context_destroy(context);
  return CUDA_SUCCESS;
}

CUresult cuCtxDestroy_v2(CUcontext context) {
  CU_CALL(CU_NEEDS_INIT, context_destroy(&call, cu_object_get(context, CU_KIND_CONTEXT)));
}

CUresult cuCtxPushCurrent_v2(CUcontext context) {
  CU_CALL(CU_NEEDS_INIT, push(&call, cu_object_get(context, CU_KIND_CONTEXT)));
}

static CUresult pop(const cu_call *call, CUcontext *context) {
  if (stack.depth == 0) {
    return cu_misuse(call, CUDA_ERROR_INVALID_CONTEXT, "no context is current in this thread");
  }
  --stack.depth;
  if (context != NULL) {
    *context = (CUcontext)(void *)stack.contexts[stack.depth];
  }
  return CUDA_SUCCESS;
}

CUresult cuCtxPopCurrent_v2(CUcontext *context) { CU_CALL(CU_NEEDS_INIT, pop(&call, context)); }

static CUresult set_current(const cu_call *call, CUcontext handle) {
  cu_context *context = cu_object_get(handle, CU_KIND_CONTEXT);
  if (handle != NULL && context == NULL) {
    return cu_misuse(call, CUDA_ERROR_INVALID_CONTEXT, "this is no context, or a destroyed one");
  }
  stack.depth -= stack.depth > 0;
  return context == NULL ? CUDA_SUCCESS : push(call, context);
}

CUresult cuCtxSetCurrent(CUcontext context) { CU_CALL(CU_NEEDS_INIT, set_current(&call, context)); }

static CUresult get_current(const cu_call *call, CUcontext *context) {
  if (context == NULL) {
    return no_place(call);
  }
  *context = (CUcontext)(void *)cu_context_current();
  return CUDA_SUCCESS;
}

CUresult cuCtxGetCurrent(CUcontext *context) {
  CU_CALL(CU_NEEDS_INIT, get_current(&call, context));
}

static CUresult get_device(const cu_call *call, CUdevice *device) {
  if (device == NULL) {
    return no_place(call);
  }
  *device = call->context->device->ordinal;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetDevice(CUdevice *device) { CU_CALL(CU_NEEDS_CONTEXT, get_device(&call, device)); }

static CUresult get_flags(const cu_call *call, unsigned int *flags) {
  if (flags == NULL) {
    return no_place(call);
  }
  *flags = call->context->flags;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetFlags(unsigned int *flags) { CU_CALL(CU_NEEDS_CONTEXT, get_flags(&call, flags)); }

static CUresult api_version(const cu_call *call, const cu_context *context, unsigned int *version) {
  if (context == NULL) {
    return cu_misuse(call, CUDA_ERROR_INVALID_CONTEXT, "this is no context, or a destroyed one");
  }
  if (version == NULL) {
    return no_place(call);
  }
  *version = 3020;
  return CUDA_SUCCESS;
}

CUresult cuCtxGetApiVersion(CUcontext context, unsigned int *version) {
  CU_CALL(CU_NEEDS_INIT, api_version(&call, cu_object_get(context, CU_KIND_CONTEXT), version));
}

static CUresult priority_range(int *least, int *greatest) {
  if (least != NULL) {
    *least = 0;
  }
  if (greatest != NULL) {
    *greatest = 0;
  }
  return CUDA_SUCCESS;
}

CUresult cuCtxGetStreamPriorityRange(int *least, int *greatest) {
  CU_CALL(CU_NEEDS_CONTEXT, priority_range(least, greatest));
}

CUresult cuCtxSynchronize(void) {
  CU_CALL(CU_NEEDS_CONTEXT | CU_NEEDS_NO_CAPTURE, cu_context_drain(call.context));
}
