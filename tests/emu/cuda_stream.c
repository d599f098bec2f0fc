// Streams and events, and the order in which queued work runs.
//
// Operations carry one sequence of serials over all streams. What an operation must wait for has a
// smaller serial always (an event that is recorded, the legacy stream, the blocking streams), so
// running a stream up to a serial, and before each operation what it waits for, ends.
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cuda_driver.h"

// ---- handles -----------------------------------------------------------------------------------

cu_stream *cu_stream_new(cu_context *context, unsigned flags) {
  cu_stream *stream = cu_object_new(CU_KIND_STREAM, context);
  if (stream != NULL) {
    stream->flags = flags;
  }
  return stream;
}

cu_stream *cu_stream_get(const cu_call *call, CUstream handle) {
  if (handle == NULL || handle == CU_STREAM_LEGACY) {
    return call->context->legacy;
  }
  if (handle == CU_STREAM_PER_THREAD) {
    cu_misuse(call, CUDA_ERROR_INVALID_HANDLE, "streams per thread are not implemented");
    return NULL;
  }
  return cu_object_own(call, handle, CU_KIND_STREAM);
}

// ---- operations --------------------------------------------------------------------------------

cu_op *cu_op_clone(const cu_op *op) {
  cu_op *clone = malloc(sizeof *clone + op->data_bytes);
  if (clone != NULL) {
    *clone = *op;
    clone->next = NULL;
    if (op->data != NULL) {
      clone->data = clone + 1;
      memcpy(clone->data, op->data, op->data_bytes);
    }
  }
  return clone;
}

void cu_op_free(cu_op *op) {
  if (op->data != NULL && op->data != op + 1) {
    free(op->data);
  }
  free(op);
}

// The bytes of a copy from pageable memory, taken in the call.
static cu_op *queue_copy(const cu_op *op) {
  cu_op *copy = cu_op_clone(op);
  if (copy != NULL && op->kind == CU_OP_COPY && op->as.copy.snapshot) {
    copy->data = malloc(op->as.copy.bytes);
    if (copy->data == NULL) {
      free(copy);
      return NULL;
    }
    memcpy(copy->data, (const void *)(uintptr_t)op->as.copy.from, op->as.copy.bytes);
  }
  return copy;
}

static CUresult finish_op(cu_context *context, const cu_op *op) {
  const CUresult result = cu_op_run(context, op);
  if (result != CUDA_SUCCESS) {
    cu_context_lose(context, result);
  }
  return result;
}

CUresult cu_submit(const cu_call *call, cu_stream *stream, cu_op *op) {
  cu_context *context = stream->object.context;
  if (stream->capture != CU_STREAM_CAPTURE_STATUS_NONE) {
    return cu_capture(call, stream, op);
  }
  if (cu.captures > 0 && stream == context->legacy) {
    const CUresult result = cu_capture_forbids(call);
    if (result != CUDA_SUCCESS) {
      return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    }
  }
  op->serial = ++cu.serial;
  if (op->kind == CU_OP_RECORD) {
    cu_event *event = op->as.event.event;
    event->recorded = true;
    event->done = false;
    event->stream = stream;
    event->serial = op->serial;
    event->captured = NULL;
  }
  if (cu.settings.eager) {
    return finish_op(context, op);
  }
  cu_op *copy = queue_copy(op);
  if (copy == NULL) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  if (stream->tail == NULL) {
    stream->head = copy;
  } else {
    stream->tail->next = copy;
  }
  stream->tail = copy;
  return CUDA_SUCCESS;
}

// Runs what the head of |stream| waits for.
static CUresult run_needed(cu_stream *stream) {
  cu_context *context = stream->object.context;
  const cu_op *op = stream->head;
  const uint64_t serial = op->serial;
  CUresult result = CUDA_SUCCESS;
  if (op->kind == CU_OP_WAIT &&
      cu_object_get(op->as.event.stream, CU_KIND_STREAM) == op->as.event.stream) {
    result = cu_stream_drain(op->as.event.stream, op->as.event.event_serial);
  }
  if (stream != context->legacy) {
    const bool waits = (stream->flags & CU_STREAM_NON_BLOCKING) == 0;
    return result == CUDA_SUCCESS && waits ? cu_stream_drain(context->legacy, serial - 1) : result;
  }
  for (cu_stream *other = NULL;
       result == CUDA_SUCCESS &&
       (other = cu_object_next(other, CU_KIND_STREAM, context)) != NULL;) {
    if (other != stream && (other->flags & CU_STREAM_NON_BLOCKING) == 0) {
      result = cu_stream_drain(other, serial - 1);
    }
  }
  return result;
}

// Runs one operation of |stream|, which has one.
static CUresult run_head(cu_stream *stream) {
  CUresult result = run_needed(stream);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  cu_op *op = stream->head;
  stream->head = op->next;
  if (stream->head == NULL) {
    stream->tail = NULL;
  }
  result = finish_op(stream->object.context, op);
  cu_op_free(op);
  return result;
}

CUresult cu_stream_drain(cu_stream *stream, uint64_t serial) {
  CUresult result = CUDA_SUCCESS;
  while (result == CUDA_SUCCESS && stream->head != NULL && stream->head->serial <= serial) {
    result = run_head(stream);
  }
  return result;
}

CUresult cu_context_drain(cu_context *context) {
  CUresult result = CUDA_SUCCESS;
  for (cu_stream *stream = NULL;
       result == CUDA_SUCCESS &&
       (stream = cu_object_next(stream, CU_KIND_STREAM, context)) != NULL;) {
    result = cu_stream_drain(stream, UINT64_MAX);
  }
  return result;
}

// ---- streams -----------------------------------------------------------------------------------

static CUresult stream_create(const cu_call *call, CUstream *place, unsigned int flags) {
  if (place == NULL || flags > CU_STREAM_NON_BLOCKING) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "flags 0x%x, or the place is NULL", flags);
  }
  cu_stream *stream = cu_stream_new(call->context, flags);
  if (stream == NULL) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  *place = (CUstream)(void *)stream;
  return CUDA_SUCCESS;
}

CUresult cuStreamCreate(CUstream *stream, unsigned int flags) {
  CU_CALL(CU_NEEDS_CONTEXT, stream_create(&call, stream, flags));
}

CUresult cuStreamCreateWithPriority(CUstream *stream, unsigned int flags, int priority) {
  (void)priority;  // one priority: others are rounded to it, as the interface says
  CU_CALL(CU_NEEDS_CONTEXT, stream_create(&call, stream, flags));
}

// A stream that the call may wait for or destroy.
static CUresult waitable(const cu_call *call, CUstream handle, cu_stream **stream) {
  *stream = cu_stream_get(call, handle);
  if (*stream == NULL) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if ((*stream)->capture != CU_STREAM_CAPTURE_STATUS_NONE) {
    (*stream)->capture = CU_STREAM_CAPTURE_STATUS_INVALIDATED;
    return cu_misuse(call, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "the stream is being captured");
  }
  return CUDA_SUCCESS;
}

static CUresult stream_destroy(const cu_call *call, CUstream handle) {
  cu_stream *stream;
  CUresult result = waitable(call, handle, &stream);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  if (stream == call->context->legacy) {
    return cu_misuse(call, CUDA_ERROR_INVALID_HANDLE, "the legacy stream cannot be destroyed");
  }
  result = cu_stream_drain(stream, UINT64_MAX);
  cu_object_delete(stream);
  return result;
}

CUresult cuStreamDestroy_v2(CUstream stream) {
  CU_CALL(CU_NEEDS_CONTEXT, stream_destroy(&call, stream));
}

static CUresult stream_synchronize(const cu_call *call, CUstream handle) {
  cu_stream *stream;
  const CUresult result = waitable(call, handle, &stream);
  if (result != CUDA_SUCCESS) {
    return result;
  }
  // The legacy stream is done when the blocking streams are.
  return stream == call->context->legacy ? cu_context_drain(call->context)
                                         : cu_stream_drain(stream, UINT64_MAX);
}

CUresult cuStreamSynchronize(CUstream stream) {
  CU_CALL(CU_NEEDS_CONTEXT, stream_synchronize(&call, stream));
}

// Each question lets one operation run, so that waiting by asking ends.
static CUresult stream_query(const cu_call *call, CUstream handle) {
  cu_stream *stream;
  CUresult result = waitable(call, handle, &stream);
  if (result == CUDA_SUCCESS && stream->head != NULL) {
    result = run_head(stream);
    return result == CUDA_SUCCESS ? CUDA_ERROR_NOT_READY : result;
  }
  return result;
}

CUresult cuStreamQuery(CUstream stream) { CU_CALL(CU_NEEDS_CONTEXT, stream_query(&call, stream)); }

static CUresult stream_context(const cu_call *call, CUstream handle, CUcontext *context) {
  cu_stream *stream = cu_object_get(handle, CU_KIND_STREAM);  // of any context
  stream = stream != NULL ? stream : cu_stream_get(call, handle);
  if (stream == NULL || context == NULL) {
    return stream == NULL ? CUDA_ERROR_INVALID_HANDLE
                          : cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the place is NULL");
  }
  *context = (CUcontext)(void *)stream->object.context;
  return CUDA_SUCCESS;
}

// Needs no current context unless the handle is the legacy stream's.
CUresult cuStreamGetCtx(CUstream stream, CUcontext *context) {
  CU_CALL(cu_object_get(stream, CU_KIND_STREAM) != NULL ? CU_NEEDS_INIT : CU_NEEDS_CONTEXT,
          stream_context(&call, stream, context));
}

static CUresult stream_number(const cu_call *call, CUstream handle, void *place, bool flags) {
  const cu_stream *stream = cu_stream_get(call, handle);
  if (stream == NULL || place == NULL) {
    return stream == NULL ? CUDA_ERROR_INVALID_HANDLE
                          : cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the place is NULL");
  }
  const unsigned value = flags ? stream->flags : 0;
  memcpy(place, &value, sizeof value);
  return CUDA_SUCCESS;
}

CUresult cuStreamGetFlags(CUstream stream, unsigned int *flags) {
  CU_CALL(CU_NEEDS_CONTEXT, stream_number(&call, stream, flags, true));
}

CUresult cuStreamGetPriority(CUstream stream, int *priority) {
  CU_CALL(CU_NEEDS_CONTEXT, stream_number(&call, stream, priority, false));
}

static CUresult host_function(const cu_call *call, CUstream handle, CUhostFn function, void *data) {
  cu_stream *stream = cu_stream_get(call, handle);
  if (stream == NULL || function == NULL) {
    return stream == NULL ? CUDA_ERROR_INVALID_HANDLE
                          : cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the function is NULL");
  }
  cu_op op = {.kind = CU_OP_HOST, .call = call->name};
  op.as.host.function = function;
  op.as.host.data = data;
  return cu_submit(call, stream, &op);
}

CUresult cuLaunchHostFunc(CUstream stream, CUhostFn function, void *data) {
  CU_CALL(CU_NEEDS_CONTEXT, host_function(&call, stream, function, data));
}

// ---- events ------------------------------------------------------------------------------------

static CUresult event_create(const cu_call *call, CUevent *place, unsigned int flags) {
  if (place == NULL || flags > 7) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "flags 0x%x, or the place is NULL", flags);
  }
  cu_event *event = cu_object_new(CU_KIND_EVENT, call->context);
  if (event == NULL) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  event->flags = flags;
  *place = (CUevent)(void *)event;
  return CUDA_SUCCESS;
}

CUresult cuEventCreate(CUevent *event, unsigned int flags) {
  CU_CALL(CU_NEEDS_CONTEXT, event_create(&call, event, flags));
}

static CUresult event_destroy(const cu_call *call, CUevent handle) {
  cu_event *event = cu_object_own(call, handle, CU_KIND_EVENT);
  if (event == NULL) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  cu_object_delete(event);  // what is queued finds it gone
  return CUDA_SUCCESS;
}

CUresult cuEventDestroy_v2(CUevent event) {
  CU_CALL(CU_NEEDS_CONTEXT, event_destroy(&call, event));
}

static CUresult event_record(const cu_call *call, CUevent handle, CUstream stream_handle) {
  cu_event *event = cu_object_own(call, handle, CU_KIND_EVENT);
  cu_stream *stream = event == NULL ? NULL : cu_stream_get(call, stream_handle);
  if (stream == NULL) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  cu_op op = {.kind = CU_OP_RECORD, .call = call->name};
  op.as.event.event = event;
  return cu_submit(call, stream, &op);
}

CUresult cuEventRecord(CUevent event, CUstream stream) {
  CU_CALL(CU_NEEDS_CONTEXT, event_record(&call, event, stream));
}

CUresult cuEventRecordWithFlags(CUevent event, CUstream stream, unsigned int flags) {
  CU_CALL(CU_NEEDS_CONTEXT, flags == 0 ? event_record(&call, event, stream)
                                       : cu_misuse(&call, CUDA_ERROR_NOT_SUPPORTED,
                                                   "flags 0x%x are not implemented", flags));
}

static CUresult stream_wait_event(const cu_call *call, CUstream stream_handle, CUevent handle) {
  cu_event *event = cu_object_own(call, handle, CU_KIND_EVENT);
  cu_stream *stream = event == NULL ? NULL : cu_stream_get(call, stream_handle);
  if (stream == NULL) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  cu_op op = {.kind = CU_OP_WAIT, .call = call->name};
  op.as.event.event = event;
  op.as.event.stream = event->stream;
  op.as.event.event_serial = event->serial;
  if (event->captured != NULL || stream->capture != CU_STREAM_CAPTURE_STATUS_NONE) {
    return cu_capture(call, stream, &op);
  }
  return event->recorded ? cu_submit(call, stream, &op) : CUDA_SUCCESS;
}

CUresult cuStreamWaitEvent(CUstream stream, CUevent event, unsigned int flags) {
  CU_CALL(CU_NEEDS_CONTEXT, flags == 0 ? stream_wait_event(&call, stream, event)
                                       : cu_misuse(&call, CUDA_ERROR_NOT_SUPPORTED,
                                                   "flags 0x%x are not implemented", flags));
}

static CUresult event_wait(const cu_call *call, CUevent handle, bool ask) {
  cu_event *event = cu_object_own(call, handle, CU_KIND_EVENT);
  if (event == NULL) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (event->captured != NULL) {
    return cu_misuse(call, CUDA_ERROR_CAPTURED_EVENT, "the event was last recorded in a capture");
  }
  if (!event->recorded || event->done) {
    return CUDA_SUCCESS;
  }
  if (!ask) {
    return cu_stream_drain(event->stream, event->serial);
  }
  const CUresult result = run_head(event->stream);
  return result == CUDA_SUCCESS && !event->done ? CUDA_ERROR_NOT_READY : result;
}

CUresult cuEventSynchronize(CUevent event) {
  CU_CALL(CU_NEEDS_CONTEXT, event_wait(&call, event, false));
}

CUresult cuEventQuery(CUevent event) { CU_CALL(CU_NEEDS_CONTEXT, event_wait(&call, event, true)); }

static CUresult event_elapsed(const cu_call *call, float *milliseconds, CUevent from, CUevent to) {
  const cu_event *start = cu_object_own(call, from, CU_KIND_EVENT);
  const cu_event *end = start == NULL ? NULL : cu_object_own(call, to, CU_KIND_EVENT);
  if (end == NULL) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (milliseconds == NULL) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the place for the time is NULL");
  }
  if (!start->recorded || !end->recorded ||
      ((start->flags | end->flags) & CU_EVENT_DISABLE_TIMING) != 0) {
    return cu_misuse(call, CUDA_ERROR_INVALID_HANDLE,
                     "an event was never recorded, or made without timing");
  }
  if (!start->done || !end->done) {
    return CUDA_ERROR_NOT_READY;
  }
  *milliseconds = (float)((end->time - start->time) * 1e3);
  return CUDA_SUCCESS;
}

CUresult cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end) {
  CU_CALL(CU_NEEDS_CONTEXT, event_elapsed(&call, milliseconds, start, end));
}

CUresult cuEventElapsedTime_v2(float *milliseconds, CUevent start, CUevent end) {
  CU_CALL(CU_NEEDS_CONTEXT, event_elapsed(&call, milliseconds, start, end));
}
