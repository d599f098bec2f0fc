// Runs recorded as CUDA graphs: what would go to the session's stream is captured from another one.
#include <string.h>

#include "dev_cuda.h"

// Bytes that the recorded copies read each time.
typedef struct pinned_bytes {
  struct pinned_bytes *next;
} pinned_bytes;

struct aicc_rt_replay {
  cu_graph_exec exec;
  pinned_bytes *pinned;
};

enum { HEADER = 64 };

void *aicc_cuda_record_bytes(aicc_rt_device *device, size_t bytes) {
  void *fresh = NULL;
  if (device->cuda->pinned_alloc(&fresh, HEADER + bytes, 0) != CU_OK) {
    return NULL;
  }
  pinned_bytes *head = fresh;
  head->next = device->recording->pinned;
  device->recording->pinned = head;
  return (char *)fresh + HEADER;
}

bool aicc_cuda_record_begin(aicc_rt_device *device) {
  const aicc_rt_cuda *cuda = device->cuda;
  if (device->recorder == NULL &&
      cuda->stream_create(&device->recorder, CU_STREAM_NON_BLOCKING) != CU_OK) {
    device->recorder = NULL;
    return false;
  }
  device->recording = aicc_rt_new(device->allocator, 1, sizeof *device->recording);
  if (device->recording == NULL) {
    return false;
  }
  if (cuda->capture_begin(device->recorder, CU_CAPTURE_RELAXED) != CU_OK) {
    aicc_rt_delete(device->allocator, device->recording, 1, sizeof *device->recording);
    device->recording = NULL;
    return false;
  }
  device->target = device->recorder;
  return true;
}

aicc_rt_replay *aicc_cuda_record_end(aicc_rt_device *device, bool keep) {
  const aicc_rt_cuda *cuda = device->cuda;
  aicc_rt_replay *replay = device->recording;
  cu_graph graph = NULL;
  device->recording = NULL;
  device->target = device->stream;
  device->launched = 0;
  if (cuda->capture_end(device->recorder, &graph) != CU_OK || graph == NULL ||
      !keep || cuda->graph_instantiate(&replay->exec, graph, 0) != CU_OK) {
    replay->exec = NULL;
  }
  if (graph != NULL) {
    (void)cuda->graph_destroy(graph);
  }
  if (replay->exec == NULL) {
    aicc_cuda_forget(device, replay);
    return NULL;
  }
  return replay;
}

aicc_rt_status aicc_cuda_replay(aicc_rt_device *device, aicc_rt_replay *replay,
                                aicc_rt_error *error) {
  device->repeated = true;
  const cu_result result = device->cuda->graph_launch(replay->exec, device->stream);
  return result == CU_OK ? AICC_RT_OK
                         : aicc_cuda_fail(device, result, "repeating a recorded run", error);
}

void aicc_cuda_forget(aicc_rt_device *device, aicc_rt_replay *replay) {
  (void)device->cuda->stream_wait(device->stream);
  if (replay->exec != NULL) {
    (void)device->cuda->graph_exec_destroy(replay->exec);
  }
  while (replay->pinned != NULL) {
    pinned_bytes *next = replay->pinned->next;
    (void)device->cuda->pinned_free(replay->pinned);
    replay->pinned = next;
  }
  aicc_rt_delete(device->allocator, replay, 1, sizeof *replay);
}
