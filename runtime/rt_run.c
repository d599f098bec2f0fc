// A run: inputs to where the device reads them, the model's code, outputs to where the caller wants
// them.
#include <string.h>

#include "rt_session.h"

static aicc_rt_status run_out_of_memory(aicc_rt_session *session, const char *name) {
  return aicc_rt_fail(session->error, AICC_RT_MEMORY, "no memory for input '%s'", name);
}

// A sequence whose items borrow the caller's data.
static aicc_rt_status prepare_sequence(aicc_rt_session *session, uint32_t index) {
  const aicc_rt_input *input = &session->inputs[index];
  const char *name = session->model->info.inputs[index].name;
  aicc_rt_seq *seq = aicc_rt_seq_new(&session->blocks, session->model->abi->inputs[index].dtype,
                                     (int64_t)input->item_count);
  if (seq == NULL) {
    return run_out_of_memory(session, name);
  }
  for (size_t i = 0; i < input->item_count; i++) {
    const aicc_rt_binding *item = &input->items[i];
    seq->items[i] = aicc_rt_seq_item_borrow(&session->home, item->data, item->rank, item->dims);
    if (seq->items[i] == NULL) {
      return run_out_of_memory(session, name);
    }
  }
  session->input_data[index] = seq;
  return AICC_RT_OK;
}

static aicc_rt_status prepare_input(aicc_rt_session *session, uint32_t index) {
  static const uint64_t nothing[8];  // where empty tensors point to
  const aicc_rt_input *input = &session->inputs[index];
  const aicc_rt_tensor_info *info = &session->model->info.inputs[index];
  if (!input->set) {
    return aicc_rt_fail(session->error, AICC_RT_INVALID, "input '%s' was not set", info->name);
  }
  session->input_data[index] = NULL;
  session->input_dims[index] = NULL;
  session->input_ranks[index] = 0;
  if (input->items != NULL) {
    return session->measuring ? AICC_RT_OK : prepare_sequence(session, index);
  }
  const aicc_rt_binding *tensor = &input->tensor;
  if (!tensor->set) {
    return AICC_RT_OK;  // an absent optional
  }
  session->input_dims[index] = tensor->dims;
  session->input_ranks[index] = tensor->rank;
  if (session->measuring || tensor->bytes == 0) {
    memcpy(&session->input_data[index], &(const void *){nothing}, sizeof(void *));
    return AICC_RT_OK;
  }
  if (tensor->data == NULL) {
    return aicc_rt_fail(session->error, AICC_RT_INVALID, "input '%s' has no data", info->name);
  }
  session->input_data[index] = tensor->data;
  if (tensor->compact) {
    return AICC_RT_OK;
  }
  void *packed = aicc_rt_blocks_alloc(&session->blocks, tensor->bytes);
  if (packed == NULL) {
    return run_out_of_memory(session, info->name);
  }
  aicc_rt_tensor_pack(packed, tensor->data, tensor->rank, tensor->dims, tensor->strides,
                      aicc_rt_dtype_of(session->model->abi->inputs[index].dtype)->bytes);
  session->input_data[index] = packed;
  return AICC_RT_OK;
}

void aicc_rt_session_reset(aicc_rt_session *session) {
  session->status = AICC_RT_OK;
  session->depends = false;
  session->replays.last = NULL;
  aicc_rt_arena_begin(&session->arena);
  aicc_rt_blocks_reset(&session->blocks);
  if (session->remote) {
    aicc_rt_blocks_reset(&session->device_blocks);
  }
  aicc_rt_strings_reset(&session->strings);
  for (uint32_t i = 0; i < session->model->info.output_count; i++) {
    session->outputs[i].made = session->outputs[i].absent = false;
    session->outputs[i].sequence = NULL;
  }
}

// Inputs as they are for the host: to be read in place, or measured.
static aicc_rt_status prepare(aicc_rt_session *session) {
  aicc_rt_session_reset(session);
  for (uint32_t i = 0; i < session->model->info.input_count; i++) {
    const aicc_rt_status status = prepare_input(session, i);
    if (status != AICC_RT_OK) {
      return status;
    }
  }
  return AICC_RT_OK;
}

// Did the model keep its side: a code with a message, or every output written?
static aicc_rt_status judge(const aicc_rt_session *session, int32_t code) {
  if (session->status != AICC_RT_OK) {
    return session->status;
  }
  if (code != 0) {
    return aicc_rt_fail(session->error, AICC_RT_FAILED, "the model returned code %d", code);
  }
  for (uint32_t i = 0; i < session->model->info.output_count; i++) {
    if (!session->outputs[i].made) {
      return aicc_rt_fail(session->error, AICC_RT_BAD_MODEL, "the model did not write output '%s'",
                          session->model->info.outputs[i].name);
    }
  }
  return AICC_RT_OK;
}

aicc_rt_status aicc_rt_session_call(aicc_rt_session *session) {
  return judge(session, session->plan.run(&session->call));
}

// Waits where something is to be looked at now.
static aicc_rt_status settle(aicc_rt_session *session) {
  const aicc_rt_device_ops *ops = session->ops;
  const aicc_rt_status status = ops->wait(session->device, session->error);
  if (status != AICC_RT_OK || !session->trace.on) {
    return status;
  }
  return ops->collect(session->device, &session->trace, aicc_rt_session_plan(session)->kernels,
                      session->error);
}

static aicc_rt_status run_remote(aicc_rt_session *session) {
  aicc_rt_blocks_reset(&session->pinned);
  session->status = AICC_RT_OK;
  session->ops->set_timing(session->device, session->trace.on);
  aicc_rt_status status = aicc_rt_upload_tensors(session);
  if (status == AICC_RT_OK) {
    status = aicc_rt_replay_run(session);
  }
  if (status == AICC_RT_OK) {
    status = aicc_rt_deliver(session);
  }
  if (status == AICC_RT_OK && (!session->asynchronous || session->trace.on)) {
    return settle(session);
  }
  if (status != AICC_RT_OK) {
    (void)session->ops->wait(session->device, NULL);  // what was queued reads tensors of the caller
  }
  return status;
}

static aicc_rt_status run_here(aicc_rt_session *session) {
  const aicc_rt_status status = prepare(session);
  return status == AICC_RT_OK ? aicc_rt_session_call(session) : status;
}

aicc_rt_status aicc_rt_session_run(aicc_rt_session *session, aicc_rt_error *error) {
  const uint64_t start = session->trace.on ? aicc_rt_now() : 0;
  const aicc_rt_device_ops *ops = session->ops;
  session->error = error;
  session->ran = false;
  aicc_rt_status status =
      ops->begin != NULL ? ops->begin(session->device, error) : AICC_RT_OK;
  if (status != AICC_RT_OK) {
    return status;
  }
  status = session->remote ? run_remote(session) : run_here(session);
  if (ops->end != NULL) {
    ops->end(session->device);
  }
  if (status != AICC_RT_OK) {
    return status;
  }
  session->ran = true;
  if (session->trace.on) {
    session->trace.runs.calls++;
    session->trace.runs.total_ns += aicc_rt_now() - start;
  }
  return aicc_rt_ok(error);
}

aicc_rt_status aicc_rt_session_wait(aicc_rt_session *session, aicc_rt_error *error) {
  const aicc_rt_device_ops *ops = session->ops;
  if (!session->remote) {
    return aicc_rt_ok(error);
  }
  aicc_rt_status status = ops->begin(session->device, error);
  if (status == AICC_RT_OK) {
    status = ops->wait(session->device, error);
    ops->end(session->device);
  }
  return status == AICC_RT_OK ? aicc_rt_ok(error) : status;
}

aicc_rt_status aicc_rt_session_measure(aicc_rt_session *session, aicc_rt_error *error) {
  session->error = error;
  session->ran = false;
  session->measuring = session->arena.only_measure = true;
  aicc_rt_status status = prepare(session);
  if (status == AICC_RT_OK) {
    const int32_t code = session->plan.run(&session->call);
    status = session->status != AICC_RT_OK || code == AICC_RT_STOP ? session->status
                                                                   : judge(session, code);
  }
  session->measuring = session->arena.only_measure = false;
  return status != AICC_RT_OK ? status : aicc_rt_ok(error);
}
