// A session: the tensors bound to a model's inputs and outputs, its memory, its device. One thread.
#ifndef AICC_RT_SESSION_H
#define AICC_RT_SESSION_H

#include "rt_arena.h"
#include "rt_blocks.h"
#include "rt_device.h"
#include "rt_model.h"
#include "rt_seq.h"
#include "rt_string.h"
#include "rt_tensor.h"
#include "rt_trace.h"

// Shape and place of a tensor of the caller.
typedef struct aicc_rt_binding {
  bool set;
  bool compact;
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
} aicc_rt_input;

typedef struct aicc_rt_output {
  aicc_rt_binding tensor;  // of the caller; not set: the session's memory is used
  void *data;              // result of the last run
  int32_t rank;
  int64_t dims[AICC_RT_MAX_RANK];
  aicc_rt_seq *sequence;  // result, where it is a sequence
  bool made;              // the last run wrote it
  bool absent;            // ... as an empty optional
} aicc_rt_output;

struct aicc_rt_session {
  aicc_rt_model *model;  // retained
  aicc_rt_allocator allocator;
  const aicc_rt_device_ops *ops;
  aicc_rt_device *device;
  aicc_abi_call call;
  aicc_rt_input *inputs;
  aicc_rt_output *outputs;
  void **input_data;  // the arrays behind |call|
  const int64_t **input_dims;
  int32_t *input_ranks;
  aicc_rt_arena arena;
  aicc_rt_blocks blocks;
  aicc_rt_strings strings;
  aicc_rt_trace trace;
  aicc_rt_error *error;   // of the run in progress; may be NULL
  aicc_rt_status status;  // of the run in progress, as the host functions recorded it
  bool measuring;
  bool ran;  // outputs are valid
};

// The functions a model may call; aicc_abi_call.session is the aicc_rt_session.
extern const aicc_abi_host aicc_rt_host;

// What a host function returns to end a run that only measures.
#define AICC_RT_STOP (-1)

#endif
