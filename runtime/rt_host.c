// The functions a running model may call. Each records what went wrong in the session's error
// object and returns the code; a run that only measures memory ends at the first one that does
// work.
#include <string.h>

#include "rt_session.h"

static aicc_rt_session *session_of(void *opaque) { return opaque; }

// Records the status of the run: the model's own return value is not trusted for it.
static int32_t result(aicc_rt_session *session, aicc_rt_status status) {
  if (status != AICC_RT_OK) {
    session->status = status;
  }
  return (int32_t)status;
}

// |bytes| of the device's memory.
static int32_t no_memory(aicc_rt_session *session, int64_t bytes) {
  if (session->remote) {
    return result(session, session->ops->no_memory(session->device, "tensors of the run", bytes,
                                                   session->error));
  }
  return result(session, aicc_rt_fail(session->error, AICC_RT_MEMORY,
                                      "no memory for %lld bytes during the run", (long long)bytes));
}

static int32_t host_plan(void *opaque, uint32_t segment, const int64_t *sizes, void **addresses) {
  aicc_rt_session *session = session_of(opaque);
  aicc_rt_arena *arena = &session->arena;
  aicc_rt_status status = aicc_rt_arena_plan(arena, segment, sizes, addresses, session->error);
  if (status == AICC_RT_MEMORY && session->remote && arena->wanted > 0) {
    status = session->ops->no_memory(session->device, "the planned buffers of the run",
                                     arena->wanted, session->error);
  }
  const int32_t code = result(session, status);
  return code == 0 && session->measuring ? AICC_RT_STOP : code;
}

static aicc_rt_status launch_traced(aicc_rt_session *session, uint32_t kernel, int64_t grid,
                                    const void *args, int64_t cost) {
  const uint64_t start = aicc_rt_now();
  const aicc_rt_status status =
      session->ops->launch(session->device, kernel, grid, args, cost, session->error);
  const uint64_t duration = aicc_rt_now() - start;
  aicc_rt_trace_kernel(&session->trace, kernel, &aicc_rt_session_plan(session)->kernels[kernel],
                       start, duration);
  return status;
}

static int32_t host_launch(void *opaque, uint32_t kernel, int64_t grid, const void *args,
                           int64_t cost) {
  aicc_rt_session *session = session_of(opaque);
  if (session->measuring) {
    return AICC_RT_STOP;
  }
  if (kernel >= session->plan.kernel_count) {
    return result(session, aicc_rt_fail(session->error, AICC_RT_BAD_MODEL,
                                        "the model has no kernel %u", kernel));
  }
  if (session->trace.on && !session->remote) {  // a remote device times its kernels itself
    return result(session, launch_traced(session, kernel, grid, args, cost));
  }
  return result(session,
                session->ops->launch(session->device, kernel, grid, args, cost, session->error));
}

typedef aicc_rt_status (*move_fn)(aicc_rt_device *device, void *to, const void *from, int64_t bytes,
                                  aicc_rt_error *error);

static int32_t host_move(aicc_rt_session *session, move_fn move, void *to, const void *from,
                         int64_t bytes) {
  if (session->measuring) {
    return AICC_RT_STOP;
  }
  return result(session, move(session->device, to, from, bytes, session->error));
}

static int32_t host_copy(void *opaque, void *to, const void *from, int64_t bytes) {
  return host_move(opaque, session_of(opaque)->ops->copy, to, from, bytes);
}

static int32_t host_read(void *opaque, void *to, const void *from, int64_t bytes) {
  session_of(opaque)->depends = true;
  return host_move(opaque, session_of(opaque)->ops->read, to, from, bytes);
}

static int32_t host_write(void *opaque, void *to, const void *from, int64_t bytes) {
  return host_move(opaque, session_of(opaque)->ops->write, to, from, bytes);
}

// ---- outputs -----------------------------------------------------------------------------------

// The output, if the model may write one of this kind and shape; NULL with the error recorded.
static aicc_rt_output *checked_output(aicc_rt_session *session, uint32_t index, int32_t rank) {
  if (index >= session->model->abi->output_count || rank < 0 || rank > AICC_RT_MAX_RANK) {
    result(session, aicc_rt_fail(session->error, AICC_RT_BAD_MODEL,
                                 "the model has no output %u of rank %d", index, rank));
    return NULL;
  }
  return &session->outputs[index];
}

static aicc_rt_status wrong_output(const aicc_rt_session *session, uint32_t index, int32_t rank,
                                   const int64_t *dims) {
  const aicc_rt_tensor_info *info = &session->model->info.outputs[index];
  const aicc_rt_binding *tensor = &session->outputs[index].tensor;
  char words[600];
  aicc_rt_text text = {words, sizeof words, 0};
  aicc_rt_text_shape(&text, info->dtype_name, rank, dims, NULL);
  aicc_rt_text_add(&text, ", but the tensor given for it is ");
  aicc_rt_text_shape(&text, info->dtype_name, tensor->rank, tensor->dims, NULL);
  return aicc_rt_fail(session->error, AICC_RT_INPUT, "output '%s' is %s", info->name, words);
}

// Can kernels write the caller's tensor themselves?
static bool in_place(const aicc_rt_session *session, const aicc_rt_binding *tensor) {
  return !session->remote ||
         (tensor->on_device && (uintptr_t)tensor->data % AICC_RT_DEVICE_ALIGN == 0);
}

static int32_t host_output(void *opaque, uint32_t index, int32_t rank, const int64_t *dims,
                           void **address) {
  aicc_rt_session *session = session_of(opaque);
  aicc_rt_output *output = checked_output(session, index, rank);
  if (output == NULL) {
    return (int32_t)session->status;
  }
  const size_t dims_size = (size_t)rank * sizeof *dims;
  const aicc_rt_tensor_info *info = &session->model->info.outputs[index];
  int64_t bytes = 0;
  if (!aicc_rt_tensor_bytes(rank, dims, info->dtype.bits < 8 ? 1 : info->dtype.bits / 8u, &bytes)) {
    return result(session, aicc_rt_fail(session->error, AICC_RT_MEMORY,
                                        "the size of output '%s' overflows", info->name));
  }
  if (output->tensor.set && (output->tensor.rank != rank ||
                             (rank > 0 && memcmp(output->tensor.dims, dims, dims_size) != 0))) {
    return result(session, wrong_output(session, index, rank, dims));
  }
  if (output->tensor.set && in_place(session, &output->tensor)) {
    output->data = output->tensor.data;
  } else if (session->measuring) {
    output->data = NULL;
  } else {
    output->data = aicc_rt_blocks_alloc(session->home.data, bytes);
    if (output->data == NULL) {
      return no_memory(session, bytes);
    }
  }
  output->bytes = bytes;
  output->rank = rank;
  aicc_rt_copy_dims(output->dims, dims, rank);
  output->made = true;
  *address = output->data;
  return 0;
}

static int32_t host_output_sequence(void *opaque, uint32_t index, void *sequence) {
  aicc_rt_session *session = session_of(opaque);
  if (session->measuring) {
    return AICC_RT_STOP;
  }
  aicc_rt_output *output = checked_output(session, index, 0);
  if (output == NULL) {
    return (int32_t)session->status;
  }
  output->sequence = sequence;
  output->absent = sequence == NULL;
  output->made = true;
  if (sequence != NULL) {
    output->sequence->references++;
  }
  return 0;
}

// ---- memory ------------------------------------------------------------------------------------

static int32_t host_alloc(void *opaque, int64_t bytes, void **address) {
  aicc_rt_session *session = session_of(opaque);
  if (session->measuring) {
    return AICC_RT_STOP;
  }
  *address = aicc_rt_blocks_alloc(session->home.data, bytes);
  return *address != NULL ? 0 : no_memory(session, bytes);
}

static void host_free(void *opaque, void *address) {
  aicc_rt_blocks_free(session_of(opaque)->home.data, address);
}

static int32_t host_string(void *opaque, int64_t size, char **data) {
  aicc_rt_session *session = session_of(opaque);
  if (session->measuring) {
    return AICC_RT_STOP;
  }
  *data = aicc_rt_strings_new(&session->strings, session->home.data, size);
  return *data != NULL ? 0 : no_memory(session, size);
}

// A model measured reads no strings: any address will do.
static int32_t host_strings(void *opaque, const void *table, int64_t count, const void **address) {
  aicc_rt_session *session = session_of(opaque);
  *address = table;
  if (!session->remote || session->measuring) {
    return 0;
  }
  return result(session, session->ops->strings(session->device, table, count, address,
                                               session->error));
}

// ---- failures ----------------------------------------------------------------------------------

// Another input that fixed the symbol of this one's axis, for the message.
static const char *fixed_by(const aicc_rt_session *session, uint32_t index, int32_t axis,
                            int64_t expected) {
  const aicc_rt_model_info *info = &session->model->info;
  const char *symbol = info->inputs[index].symbols[axis];
  for (uint32_t i = 0; i < info->input_count; i++) {
    const aicc_rt_tensor_info *other = &info->inputs[i];
    for (int32_t d = 0; i != index && other->symbols != NULL && d < other->rank; d++) {
      if (other->symbols[d] != NULL && strcmp(other->symbols[d], symbol) == 0 &&
          session->input_dims[i] != NULL && d < session->input_ranks[i] &&
          session->input_dims[i][d] == expected) {
        return other->name;
      }
    }
  }
  return NULL;
}

static int32_t host_bad_input(void *opaque, uint32_t index, int32_t axis, int64_t expected) {
  aicc_rt_session *session = session_of(opaque);
  if (index >= session->model->info.input_count) {
    return result(session, aicc_rt_fail(session->error, AICC_RT_BAD_MODEL,
                                        "the model has no input %u", index));
  }
  const aicc_rt_tensor_info *info = &session->model->info.inputs[index];
  char words[600];
  aicc_rt_text text = {words, sizeof words, 0};
  const int64_t *dims = session->input_dims[index];
  aicc_rt_text_shape(&text, info->dtype_name, dims != NULL ? session->input_ranks[index] : -1, dims,
                     NULL);
  if (axis < 0) {
    aicc_rt_text_add(&text, ", but its rank must be %lld", (long long)expected);
  } else {
    aicc_rt_text_add(&text, ", but dimension %d", axis);
    const bool named = info->symbols != NULL && axis < info->rank && info->symbols[axis] != NULL;
    const char *other = named ? fixed_by(session, index, axis, expected) : NULL;
    if (named) {
      aicc_rt_text_add(&text, " ('%s')", info->symbols[axis]);
    }
    aicc_rt_text_add(&text, " must be %lld", (long long)expected);
    if (other != NULL) {
      aicc_rt_text_add(&text, ", as in input '%s'", other);
    }
  }
  return result(session,
                aicc_rt_fail(session->error, AICC_RT_INPUT, "input '%s' is %s", info->name, words));
}

static int32_t host_fail(void *opaque, const char *message, int64_t value) {
  aicc_rt_session *session = session_of(opaque);
  const char *place = strstr(message, "%lld");
  if (place == NULL) {
    return result(session, aicc_rt_fail(session->error, AICC_RT_FAILED, "%s", message));
  }
  return result(session,
                aicc_rt_fail(session->error, AICC_RT_FAILED, "%.*s%lld%s", (int)(place - message),
                             message, (long long)value, place + strlen("%lld")));
}

// ---- sequences ---------------------------------------------------------------------------------

static int32_t bad_position(aicc_rt_session *session, int64_t position, int64_t length) {
  return result(session, aicc_rt_fail(session->error, AICC_RT_FAILED,
                                      "position %lld is outside of a sequence of length %lld",
                                      (long long)position, (long long)length));
}

static int32_t host_seq_empty(void *opaque, aicc_abi_dtype dtype, void **sequence) {
  aicc_rt_session *session = session_of(opaque);
  if (session->measuring) {
    return AICC_RT_STOP;
  }
  session->depends = true;
  *sequence = aicc_rt_seq_new(&session->blocks, dtype, 0);
  return *sequence != NULL ? 0 : no_memory(session, 0);
}

static int32_t host_seq_insert(void *opaque, void *sequence, int64_t position, const void *data,
                               int32_t rank, const int64_t *dims, void **out) {
  aicc_rt_session *session = session_of(opaque);
  const aicc_rt_seq *seq = sequence;
  int64_t at = position == INT64_MAX ? seq->count : position;
  at += at < 0 ? seq->count : 0;
  if (at < 0 || at > seq->count) {
    return bad_position(session, position, seq->count);
  }
  int64_t bytes = 0;
  if (rank < 0 || rank > AICC_RT_MAX_RANK ||
      !aicc_rt_tensor_bytes(rank, dims, aicc_rt_dtype_of(seq->dtype)->bytes, &bytes)) {
    return result(session, aicc_rt_fail(session->error, AICC_RT_MEMORY,
                                        "the size of a tensor in a sequence overflows"));
  }
  aicc_rt_seq_item *item = aicc_rt_seq_item_new(&session->home, bytes, rank, dims);
  if (item == NULL) {
    return no_memory(session, bytes);
  }
  const aicc_rt_status status =
      session->ops->copy(session->device, item->data, data, bytes, session->error);
  if (status != AICC_RT_OK) {
    return result(session, status);
  }
  *out = aicc_rt_seq_insert(&session->blocks, seq, at, item);
  return *out != NULL ? 0 : no_memory(session, seq->count * (int64_t)sizeof(void *));
}

static int32_t host_seq_erase(void *opaque, void *sequence, int64_t position, void **out) {
  aicc_rt_session *session = session_of(opaque);
  const aicc_rt_seq *seq = sequence;
  int64_t at = position == INT64_MAX ? seq->count - 1 : position;
  at += at < 0 ? seq->count : 0;
  if (at < 0 || at >= seq->count) {
    return bad_position(session, position, seq->count);
  }
  *out = aicc_rt_seq_erase(&session->blocks, seq, at);
  return *out != NULL ? 0 : no_memory(session, seq->count * (int64_t)sizeof(void *));
}

static int64_t host_seq_length(void *opaque, void *sequence) {
  (void)opaque;
  return ((const aicc_rt_seq *)sequence)->count;
}

static int32_t host_seq_at(void *opaque, void *sequence, int64_t position, void **data,
                           int32_t *rank, const int64_t **dims) {
  const aicc_rt_seq *seq = sequence;
  const int64_t at = position < 0 ? position + seq->count : position;
  if (at < 0 || at >= seq->count) {
    return bad_position(opaque, position, seq->count);
  }
  *data = seq->items[at]->data;
  *rank = seq->items[at]->rank;
  *dims = seq->items[at]->dims;
  return 0;
}

static void host_seq_release(void *opaque, void *sequence) {
  aicc_rt_seq_release(&session_of(opaque)->home, sequence);
}

const aicc_abi_host aicc_rt_host = {
    .size = sizeof(aicc_abi_host),
    .version = AICC_ABI_VERSION,
    .plan = host_plan,
    .launch = host_launch,
    .copy = host_copy,
    .read = host_read,
    .write = host_write,
    .output = host_output,
    .alloc = host_alloc,
    .free = host_free,
    .bad_input = host_bad_input,
    .fail = host_fail,
    .seq_empty = host_seq_empty,
    .seq_insert = host_seq_insert,
    .seq_erase = host_seq_erase,
    .seq_length = host_seq_length,
    .seq_at = host_seq_at,
    .seq_release = host_seq_release,
    .output_sequence = host_output_sequence,
    .string = host_string,
    .strings = host_strings,
};
