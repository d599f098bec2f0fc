// Capture of streams into graphs, and graphs that are launched.
//
// A graph is the list of operations in the order of their capture, in which they may always run.
#include <stdlib.h>
#include <string.h>

#include "cuda_driver.h"

static _Thread_local CUstreamCaptureMode thread_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;

static bool graph_add(cu_graph *graph, const cu_op *op) {
  if (graph->count == graph->room) {
    const uint32_t room = graph->room * 2 + 16;
    cu_op **grown = realloc(graph->ops, room * sizeof *grown);
    if (grown == NULL) {
      return false;
    }
    graph->ops = grown;
    graph->room = room;
  }
  cu_op *copy = cu_op_clone(op);
  if (copy != NULL) {
    graph->ops[graph->count++] = copy;
  }
  return copy != NULL;
}

static void graph_delete(cu_graph *graph) {
  for (uint32_t i = 0; i < graph->count; ++i) {
    cu_op_free(graph->ops[i]);
  }
  free(graph->ops);
  graph->ops = NULL;
  graph->count = graph->room = 0;
  cu_object_delete(graph);
}

// ---- capture -----------------------------------------------------------------------------------

static void invalidate(cu_graph *graph) {
  for (cu_stream *stream = NULL;
       (stream = cu_object_next(stream, CU_KIND_STREAM, graph->object.context)) != NULL;) {
    if (stream->graph == graph && stream->capture != CU_STREAM_CAPTURE_STATUS_NONE) {
      stream->capture = CU_STREAM_CAPTURE_STATUS_INVALIDATED;
    }
  }
}

// A capture in global mode forbids such calls to all threads, one in thread-local mode to its own.
CUresult cu_capture_forbids(const cu_call *call) {
  for (cu_stream *stream = NULL;
       (stream = cu_object_next(stream, CU_KIND_STREAM, call->context)) != NULL;) {
    if (stream->capture != CU_STREAM_CAPTURE_STATUS_ACTIVE || stream->origin != stream) {
      continue;
    }
    const bool own = pthread_equal(stream->capture_thread, pthread_self()) != 0;
    const bool global = stream->capture_mode == CU_STREAM_CAPTURE_MODE_GLOBAL &&
                        (own || thread_mode == CU_STREAM_CAPTURE_MODE_GLOBAL);
    const bool local = stream->capture_mode == CU_STREAM_CAPTURE_MODE_THREAD_LOCAL && own;
    if ((global || local) && thread_mode != CU_STREAM_CAPTURE_MODE_RELAXED) {
      invalidate(stream->graph);
      return cu_misuse(call, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
                       "not permitted while a stream is captured: the capture is invalid now");
    }
  }
  return CUDA_SUCCESS;
}

// |stream| joins the capture in which |event| was recorded, or goes on with its own.
static CUresult capture_wait(const cu_call *call, cu_stream *stream, const cu_event *event) {
  cu_stream *from = event->stream;
  const bool live = event->captured != NULL && from->graph == event->captured &&
                    from->capture == CU_STREAM_CAPTURE_STATUS_ACTIVE;
  if (!live) {
    if (stream->graph != NULL) {
      invalidate(stream->graph);
    }
    return cu_misuse(call, CUDA_ERROR_STREAM_CAPTURE_ISOLATION,
                     "the event was not recorded in a capture that is under way");
  }
  if (stream->capture == CU_STREAM_CAPTURE_STATUS_NONE) {
    stream->capture = CU_STREAM_CAPTURE_STATUS_ACTIVE;
    stream->graph = event->captured;
    stream->origin = from->origin;
    stream->captured = 0;
    stream->joined = false;
  } else if (stream->graph != event->captured) {
    invalidate(stream->graph);
    return cu_misuse(call, CUDA_ERROR_STREAM_CAPTURE_MERGE, "the event is of another capture");
  } else {
    stream->joined = false;
  }
  from->joined = from->joined || event->captured_count == from->captured;
  return CUDA_SUCCESS;
}

CUresult cu_capture(const cu_call *call, cu_stream *stream, const cu_op *op) {
  if (stream->capture == CU_STREAM_CAPTURE_STATUS_INVALIDATED) {
    return cu_misuse(call, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "the capture is invalid");
  }
  if (op->kind == CU_OP_RECORD) {
    cu_event *event = op->as.event.event;
    event->captured = stream->graph;
    event->captured_count = stream->captured;
    event->stream = stream;
    return CUDA_SUCCESS;
  }
  if (op->kind == CU_OP_WAIT) {
    return capture_wait(call, stream, op->as.event.event);
  }
  ++stream->captured;
  stream->joined = false;
  return graph_add(stream->graph, op) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult begin_capture(const cu_call *call, CUstream handle, CUstreamCaptureMode mode) {
  cu_stream *stream = cu_stream_get(call, handle);
  if (stream == NULL) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (stream == call->context->legacy) {
    return cu_misuse(call, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED,
                     "the legacy stream cannot be captured");
  }
  if (stream->capture != CU_STREAM_CAPTURE_STATUS_NONE || (unsigned)mode > 2) {
    return cu_misuse(call, stream->capture != CU_STREAM_CAPTURE_STATUS_NONE
                               ? CUDA_ERROR_ILLEGAL_STATE
                               : CUDA_ERROR_INVALID_VALUE,
                     "the stream is being captured already, or mode %d is none", (int)mode);
  }
  cu_graph *graph = cu_object_new(CU_KIND_GRAPH, call->context);
  if (graph == NULL) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  stream->capture = CU_STREAM_CAPTURE_STATUS_ACTIVE;
  stream->capture_mode = mode;
  stream->capture_thread = pthread_self();
  stream->graph = graph;
  stream->origin = stream;
  stream->captured = 0;
  stream->joined = true;
  ++cu.captures;
  return CUDA_SUCCESS;
}

CUresult cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode mode) {
  CU_CALL(CU_NEEDS_CONTEXT, begin_capture(&call, stream, mode));
}

// Ends the capture in all its streams; has the origin waited for the others?
static bool leave_capture(cu_stream *origin) {
  cu_graph *graph = origin->graph;
  bool joined = true;
  for (cu_stream *stream = NULL;
       (stream = cu_object_next(stream, CU_KIND_STREAM, graph->object.context)) != NULL;) {
    if (stream->graph == graph) {
      joined = joined && (stream == origin || stream->joined);
      stream->capture = CU_STREAM_CAPTURE_STATUS_NONE;
      stream->graph = NULL;
      stream->origin = NULL;
    }
  }
  --cu.captures;
  return joined;
}

static CUresult end_capture(const cu_call *call, CUstream handle, CUgraph *place) {
  cu_stream *stream = cu_stream_get(call, handle);
  if (stream == NULL || place == NULL) {
    return stream == NULL ? CUDA_ERROR_INVALID_HANDLE
                          : cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the place is NULL");
  }
  if (stream->capture == CU_STREAM_CAPTURE_STATUS_NONE) {
    return cu_misuse(call, CUDA_ERROR_ILLEGAL_STATE, "the stream is not being captured");
  }
  if (stream->origin != stream) {
    return cu_misuse(call, CUDA_ERROR_STREAM_CAPTURE_UNMATCHED,
                     "the capture did not begin in this stream");
  }
  if (stream->capture_mode != CU_STREAM_CAPTURE_MODE_RELAXED &&
      pthread_equal(stream->capture_thread, pthread_self()) == 0) {
    return cu_misuse(call, CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD,
                     "the capture began in another thread");
  }
  const bool valid = stream->capture == CU_STREAM_CAPTURE_STATUS_ACTIVE;
  cu_graph *graph = stream->graph;
  const bool joined = leave_capture(stream);
  *place = NULL;
  if (!valid || !joined) {
    graph_delete(graph);
    return cu_misuse(call, valid ? CUDA_ERROR_STREAM_CAPTURE_UNJOINED
                                 : CUDA_ERROR_STREAM_CAPTURE_INVALIDATED,
                     valid ? "a stream that joined the capture was not waited for"
                           : "a call that was not permitted broke the capture");
  }
  *place = (CUgraph)(void *)graph;
  return CUDA_SUCCESS;
}

CUresult cuStreamEndCapture(CUstream stream, CUgraph *graph) {
  CU_CALL(CU_NEEDS_CONTEXT, end_capture(&call, stream, graph));
}

static CUresult is_capturing(const cu_call *call, CUstream handle, CUstreamCaptureStatus *status) {
  const cu_stream *stream = cu_stream_get(call, handle);
  if (stream == NULL || status == NULL) {
    return stream == NULL ? CUDA_ERROR_INVALID_HANDLE
                          : cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the place is NULL");
  }
  *status = stream->capture;
  return CUDA_SUCCESS;
}

CUresult cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus *status) {
  CU_CALL(CU_NEEDS_CONTEXT, is_capturing(&call, stream, status));
}

static CUresult exchange_mode(const cu_call *call, CUstreamCaptureMode *mode) {
  if (mode == NULL || (unsigned)*mode > 2) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the mode is none");
  }
  const CUstreamCaptureMode old = thread_mode;
  thread_mode = *mode;
  *mode = old;
  return CUDA_SUCCESS;
}

CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode) {
  CU_CALL(CU_NEEDS_INIT, exchange_mode(&call, mode));
}

// ---- graphs ------------------------------------------------------------------------------------

// |call| may be made without a current context: graphs know theirs.
static cu_graph *get_graph(const cu_call *call, const void *handle, cu_kind kind) {
  cu_graph *graph = cu_object_get(handle, kind);
  if (graph == NULL) {
    cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "this is no %sgraph, or a destroyed one",
              kind == CU_KIND_EXEC ? "executable " : "");
  }
  return graph;
}

static CUresult get_nodes(const cu_call *call, CUgraph handle, CUgraphNode *nodes, size_t *count) {
  const cu_graph *graph = get_graph(call, handle, CU_KIND_GRAPH);
  if (graph == NULL || count == NULL) {
    return graph == NULL ? CUDA_ERROR_INVALID_VALUE
                         : cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the count is NULL");
  }
  for (size_t i = 0; nodes != NULL && i < *count; ++i) {
    nodes[i] = i < graph->count ? (CUgraphNode)(void *)graph->ops[i] : NULL;
  }
  if (nodes == NULL || *count > graph->count) {
    *count = graph->count;
  }
  return CUDA_SUCCESS;
}

CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode *nodes, size_t *count) {
  CU_CALL(CU_NEEDS_INIT, get_nodes(&call, graph, nodes, count));
}

static bool copy_ops(cu_graph *to, const cu_graph *from) {
  for (uint32_t i = 0; i < from->count; ++i) {
    if (!graph_add(to, from->ops[i])) {
      return false;
    }
  }
  return true;
}

static CUresult instantiate(const cu_call *call, CUgraphExec *place, CUgraph handle,
                            unsigned long long flags) {
  const cu_graph *graph = get_graph(call, handle, CU_KIND_GRAPH);
  if (graph == NULL || place == NULL || flags != 0) {
    return graph == NULL ? CUDA_ERROR_INVALID_VALUE
                         : cu_misuse(call, CUDA_ERROR_INVALID_VALUE,
                                     "the place is NULL, or flags 0x%llx are not implemented",
                                     flags);
  }
  cu_graph *exec = cu_object_new(CU_KIND_EXEC, graph->object.context);
  if (exec == NULL || !copy_ops(exec, graph)) {
    if (exec != NULL) {
      graph_delete(exec);
    }
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  *place = (CUgraphExec)(void *)exec;
  return CUDA_SUCCESS;
}

CUresult cuGraphInstantiateWithFlags(CUgraphExec *exec, CUgraph graph, unsigned long long flags) {
  CU_CALL(CU_NEEDS_CONTEXT, instantiate(&call, exec, graph, flags));
}

// A graph whose kernels are gone must not run: their handles would be another's, on a device.
static CUresult check_kernels(const cu_call *call, const cu_graph *exec) {
  for (uint32_t i = 0; i < exec->count; ++i) {
    const cu_op *op = exec->ops[i];
    if (op->kind == CU_OP_LAUNCH && op->as.launch.function->object.kind != CU_KIND_FUNCTION) {
      return cu_misuse(call, CUDA_ERROR_INVALID_HANDLE, "the module of a kernel was unloaded");
    }
  }
  return CUDA_SUCCESS;
}

static CUresult graph_launch(const cu_call *call, CUgraphExec handle, CUstream stream_handle) {
  const cu_graph *exec = get_graph(call, handle, CU_KIND_EXEC);
  cu_stream *stream = exec == NULL ? NULL : cu_stream_get(call, stream_handle);
  if (stream == NULL) {
    return exec == NULL ? CUDA_ERROR_INVALID_VALUE : CUDA_ERROR_INVALID_HANDLE;
  }
  if (exec->object.context != call->context) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the graph is of another context");
  }
  CUresult result = check_kernels(call, exec);
  for (uint32_t i = 0; result == CUDA_SUCCESS && i < exec->count; ++i) {
    cu_op op = *exec->ops[i];
    op.call = call->name;
    result = cu_submit(call, stream, &op);
  }
  return result;
}

CUresult cuGraphLaunch(CUgraphExec exec, CUstream stream) {
  CU_CALL(CU_NEEDS_CONTEXT, graph_launch(&call, exec, stream));
}

CUresult cuGraphUpload(CUgraphExec exec, CUstream stream) {
  (void)stream;  // there is nothing to upload
  CU_CALL(CU_NEEDS_CONTEXT, get_graph(&call, exec, CU_KIND_EXEC) == NULL ? CUDA_ERROR_INVALID_VALUE
                                                                         : CUDA_SUCCESS);
}

static CUresult exec_update(const cu_call *call, CUgraphExec handle, CUgraph graph_handle,
                            CUgraphExecUpdateResultInfo *info) {
  cu_graph *exec = get_graph(call, handle, CU_KIND_EXEC);
  const cu_graph *graph = exec == NULL ? NULL : get_graph(call, graph_handle, CU_KIND_GRAPH);
  if (graph == NULL || info == NULL) {
    return graph == NULL ? CUDA_ERROR_INVALID_VALUE
                         : cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the place is NULL");
  }
  *info = (CUgraphExecUpdateResultInfo){.result = CU_GRAPH_EXEC_UPDATE_SUCCESS};
  if (exec->count != graph->count) {
    info->result = CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
    return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
  }
  for (uint32_t i = 0; i < exec->count; ++i) {
    if (exec->ops[i]->kind != graph->ops[i]->kind) {
      info->result = CU_GRAPH_EXEC_UPDATE_ERROR_NODE_TYPE_CHANGED;
      info->errorNode = (CUgraphNode)(void *)graph->ops[i];
      return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
    }
  }
  for (uint32_t i = 0; i < exec->count; ++i) {
    cu_op *copy = cu_op_clone(graph->ops[i]);
    if (copy == NULL) {
      return CUDA_ERROR_OUT_OF_MEMORY;
    }
    cu_op_free(exec->ops[i]);
    exec->ops[i] = copy;
  }
  return CUDA_SUCCESS;
}

CUresult cuGraphExecUpdate_v2(CUgraphExec exec, CUgraph graph, CUgraphExecUpdateResultInfo *info) {
  CU_CALL(CU_NEEDS_CONTEXT, exec_update(&call, exec, graph, info));
}

static CUresult destroy(const cu_call *call, const void *handle, cu_kind kind) {
  cu_graph *graph = get_graph(call, handle, kind);
  if (graph == NULL) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  graph_delete(graph);  // launches of it are in their streams already
  return CUDA_SUCCESS;
}

CUresult cuGraphExecDestroy(CUgraphExec exec) {
  CU_CALL(CU_NEEDS_INIT, destroy(&call, exec, CU_KIND_EXEC));
}

CUresult cuGraphDestroy(CUgraph graph) {
  CU_CALL(CU_NEEDS_INIT, destroy(&call, graph, CU_KIND_GRAPH));
}
