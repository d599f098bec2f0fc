// A session: the tensors bound to a model's inputs and outputs, its memory, its device. One thread.
//
// On a device with memory of its own (|remote|) the planned buffers, |data| and the items of
// sequences are there; rt_transfer.c moves tensors between it and the host, rt_replay.c repeats
// runs.
#ifndef AICC_RT_SESSION_H
#define AICC_RT_SESSION_H

#include "rt_arena.h"
#include "rt_blocks.h"
#include "rt_device.h"
#include "rt_model.h"
#include "rt_replay.h"
#include "rt_seq.h"
#include "rt_string.h"
#include "rt_tensor.h"
#include "rt_trace.h"

// Shape and place of a tensor of the caller.
typedef struct aicc_rt_binding {
  bool set;
  bool compact;
  bool on_device;  // false: in host memory
  int32_t rank;
  int64_t bytes;
  uint8_t *data;  // borrowed; with the byte offset
  int64_t dims[AICC_RT_MAX_RANK];
  int64_t strides[AICC_RT_MAX_RANK];  // where not compact
} aicc_rt_binding;

typedef struct aicc_rt_input {
  aicc_rt_binding tensor;  // not for sequences
  aicc_rt_binding *items;  // of a sequence; owned
  size_t item_count;
  bool set;  // may be set and absent (an optional)
  void *home;    // remote: memory for it on the device, where it is not used in place; owned
  int64_t room;  // bytes of it
} aicc_rt_input;

typedef struct aicc_rt_output {
  aicc_rt_binding tensor;  // of the caller; not set: the session's memory is used
  void *data;              // result of the last run, on the device
  int64_t bytes;
  int32_t rank;
  int64_t dims[AICC_RT_MAX_RANK];
  aicc_rt_seq *sequence;   // result, where it is a sequence
  void *delivered;         // remote: what the caller sees, and where
  aicc_rt_seq *delivered_sequence;
  bool on_device;
  bool made;              // the last run wrote it
  bool absent;            // ... as an empty optional
} aicc_rt_output;

struct aicc_rt_session {
  aicc_rt_model *model;  // retained
  aicc_rt_allocator allocator;
  const aicc_rt_device_ops *ops;
  aicc_rt_device *device;
  aicc_abi_plan plan;       // the one that the device runs
  uint32_t plan_index;
  bool remote;
  bool outputs_on_device, asynchronous, graphs;  // options
  aicc_abi_call call;
  aicc_rt_input *inputs;
  aicc_rt_output *outputs;
  void **input_data;  // the arrays behind |call|
  const int64_t **input_dims;
  int32_t *input_ranks;
  aicc_rt_arena arena;
  aicc_rt_blocks blocks;         // on the host
  aicc_rt_blocks device_blocks;  // remote: on the device
  aicc_rt_blocks pinned;         // remote: on the host, for copies; lives for a run
  aicc_rt_seq_home home;         // where data of no planned size is
  aicc_rt_replays replays;
  aicc_rt_strings strings;
  aicc_rt_trace trace;
  aicc_rt_error *error;   // of the run in progress; may be NULL
  aicc_rt_status status;  // of the run in progress, as the host functions recorded it
  bool measuring;
  bool depends;  // the run in progress read data, or did what a repetition of its work would not do
  bool ran;  // outputs are valid
};

// ---- within a run: rt_run.c, rt_transfer.c, rt_replay.c -----------------------------------------

// Forgets what the last run left: plans, blocks, outputs.
void aicc_rt_session_reset(aicc_rt_session *session);
// Calls the model, and judges what it did.
aicc_rt_status aicc_rt_session_call(aicc_rt_session *session);

// Brings the host's tensor of one input to its |home| on a remote device.
aicc_rt_status aicc_rt_upload_host(aicc_rt_session *session, uint32_t index);
// Brings tensors to a remote device and into session->input_data; sequences are for after the
// reset.
aicc_rt_status aicc_rt_upload_tensors(aicc_rt_session *session);
aicc_rt_status aicc_rt_upload_sequences(aicc_rt_session *session);
// Outputs of a run that succeeded, to where the caller wants them.
aicc_rt_status aicc_rt_deliver(aicc_rt_session *session);

// The functions a model may call; aicc_abi_call.session is the aicc_rt_session.
extern const aicc_abi_host aicc_rt_host;

// Alignment of buffers that kernels of a remote device rely on.
#define AICC_RT_DEVICE_ALIGN 16u

// What a host function returns to end a run that only measures.
#define AICC_RT_STOP (-1)

#endif
