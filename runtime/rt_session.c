#include "rt_session.h"

#include <string.h>

// ---- create and destroy ------------------------------------------------------------------------

static aicc_rt_status allocate_tables(aicc_rt_session *session, aicc_rt_error *error) {
  const aicc_rt_allocator *allocator = &session->allocator;
  const uint32_t inputs = session->model->info.input_count;
  const uint32_t outputs = session->model->info.output_count;
  session->inputs = aicc_rt_new(allocator, inputs, sizeof *session->inputs);
  session->outputs = aicc_rt_new(allocator, outputs, sizeof *session->outputs);
  session->input_data = aicc_rt_new(allocator, inputs, sizeof *session->input_data);
  session->input_dims = aicc_rt_new(allocator, inputs, sizeof *session->input_dims);
  session->input_ranks = aicc_rt_new(allocator, inputs, sizeof *session->input_ranks);
  if (session->inputs == NULL || session->outputs == NULL || session->input_data == NULL ||
      session->input_dims == NULL || session->input_ranks == NULL ||
      !aicc_rt_trace_init(&session->trace, allocator, session->model->info.kernel_count)) {
    return aicc_rt_fail(error, AICC_RT_MEMORY, "no memory for the tables of a session");
  }
  for (uint32_t i = 0; i < inputs; i++) {
    // An optional input that nobody sets is absent.
    session->inputs[i].set = session->model->info.inputs[i].kind >= AICC_RT_OPTIONAL;
  }
  return AICC_RT_OK;
}

// A model without a list of images is for the CPU.
static bool has_code(const aicc_abi_model *model, uint32_t kind) {
  bool found = model->image_count == 0 && kind == AICC_ABI_IMAGE_CPU;
  for (uint32_t i = 0; i < model->image_count; i++) {
    found = found || model->images[i].kind == kind;
  }
  return found;
}

static aicc_rt_status open_device(aicc_rt_session *session, const char *name, uint32_t threads,
                                  aicc_rt_error *error) {
  session->ops = aicc_rt_device_find(name);
  if (session->ops == NULL) {
    return aicc_rt_fail(error, AICC_RT_UNAVAILABLE, "there is no device '%s'; there is: %s", name,
                        aicc_rt_device_names());
  }
  if (!has_code(session->model->abi, session->ops->image_kind)) {
    return aicc_rt_fail(error, AICC_RT_UNAVAILABLE,
                        "%s: it has no code for device '%s': it was compiled for %s and the like",
                        session->model->path, name, session->model->abi->images[0].target);
  }
  const aicc_rt_device_config config = {&session->allocator, session->model->abi, threads};
  session->device = session->ops->create(&config, error);
  return session->device != NULL ? AICC_RT_OK : AICC_RT_MEMORY;
}

static aicc_rt_status init_session(aicc_rt_session *session, const char *device,
                                   const aicc_rt_session_options *options, aicc_rt_error *error) {
  aicc_rt_status status = allocate_tables(session, error);
  if (status == AICC_RT_OK) {
    status = aicc_rt_arena_init(&session->arena, &session->allocator, session->model->abi,
                                options->arena, options->arena_bytes, error);
  }
  if (status == AICC_RT_OK) {
    status = open_device(session, device, options->threads, error);
  }
  if (status != AICC_RT_OK) {
    return status;
  }
  session->trace.on = options->profile || options->on_kernel != NULL;
  session->trace.on_kernel = options->on_kernel;
  session->trace.on_kernel_user = options->on_kernel_user;
  session->call = (aicc_abi_call){
      .host = &aicc_rt_host,
      .session = session,
      .weights = session->model->weights,
      .inputs = session->input_data,
      .input_dims = session->input_dims,
      .input_ranks = session->input_ranks,
      .device = (int32_t)session->ops->image_kind,
  };
  return AICC_RT_OK;
}

aicc_rt_session *aicc_rt_session_create(aicc_rt_model *model, const char *device,
                                        const aicc_rt_session_options *options,
                                        aicc_rt_error *error) {
  static const aicc_rt_session_options defaults;
  if (model == NULL || device == NULL) {
    aicc_rt_fail(error, AICC_RT_INVALID, "no %s was given", model == NULL ? "model" : "device");
    return NULL;
  }
  const aicc_rt_session_options *chosen = options != NULL ? options : &defaults;
  const aicc_rt_allocator *allocator =
      chosen->allocator != NULL ? chosen->allocator : &model->allocator;
  aicc_rt_session *session = aicc_rt_new(allocator, 1, sizeof *session);
  if (session == NULL) {
    aicc_rt_fail(error, AICC_RT_MEMORY, "no memory for a session");
    return NULL;
  }
  session->allocator = *allocator;
  aicc_rt_model_retain(model);
  session->model = model;
  aicc_rt_blocks_init(&session->blocks, &session->allocator);
  if (init_session(session, device, chosen, error) != AICC_RT_OK) {
    aicc_rt_session_destroy(session);
    return NULL;
  }
  aicc_rt_ok(error);
  return session;
}

void aicc_rt_session_destroy(aicc_rt_session *session) {
  if (session == NULL) {
    return;
  }
  const aicc_rt_allocator allocator = session->allocator;
  const uint32_t inputs = session->model->info.input_count;
  if (session->device != NULL) {
    session->ops->destroy(session->device);
  }
  for (uint32_t i = 0; session->inputs != NULL && i < inputs; i++) {
    aicc_rt_delete(&allocator, session->inputs[i].items, session->inputs[i].item_count,
                   sizeof *session->inputs[i].items);
  }
  aicc_rt_arena_deinit(&session->arena);
  aicc_rt_blocks_deinit(&session->blocks);
  aicc_rt_trace_deinit(&session->trace, &allocator);
  aicc_rt_delete(&allocator, session->inputs, inputs, sizeof *session->inputs);
  aicc_rt_delete(&allocator, session->outputs, session->model->info.output_count,
                 sizeof *session->outputs);
  aicc_rt_delete(&allocator, session->input_data, inputs, sizeof *session->input_data);
  aicc_rt_delete(&allocator, session->input_dims, inputs, sizeof *session->input_dims);
  aicc_rt_delete(&allocator, session->input_ranks, inputs, sizeof *session->input_ranks);
  aicc_rt_model_close(session->model);
  aicc_rt_delete(&allocator, session, 1, sizeof *session);
}

aicc_rt_status aicc_rt_session_set_threads(aicc_rt_session *session, uint32_t threads,
                                           aicc_rt_error *error) {
  if (session->ops->set_threads != NULL) {
    session->ops->set_threads(session->device, threads);
  }
  return aicc_rt_ok(error);
}

uint32_t aicc_rt_session_threads(const aicc_rt_session *session) {
  return session->ops->threads != NULL ? session->ops->threads(session->device) : 1;
}

// ---- running -----------------------------------------------------------------------------------

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
    seq->items[i] = aicc_rt_seq_item_new(&session->blocks, item->data, -1, item->rank, item->dims);
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

static aicc_rt_status prepare(aicc_rt_session *session) {
  session->ran = false;
  session->status = AICC_RT_OK;
  aicc_rt_arena_begin(&session->arena);
  aicc_rt_blocks_reset(&session->blocks);
  aicc_rt_strings_reset(&session->strings);
  for (uint32_t i = 0; i < session->model->info.output_count; i++) {
    session->outputs[i].made = session->outputs[i].absent = false;
    session->outputs[i].sequence = NULL;
  }
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

aicc_rt_status aicc_rt_session_run(aicc_rt_session *session, aicc_rt_error *error) {
  const uint64_t start = session->trace.on ? aicc_rt_now() : 0;
  session->error = error;
  aicc_rt_status status = prepare(session);
  if (status != AICC_RT_OK) {
    return status;
  }
  if (session->ops->begin != NULL) {
    session->ops->begin(session->device);
  }
  const int32_t code = session->model->abi->run(&session->call);
  status = judge(session, code);
  if (session->ops->end != NULL) {
    const aicc_rt_status ended =
        session->ops->end(session->device, status == AICC_RT_OK ? error : NULL);
    status = status == AICC_RT_OK ? ended : status;
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

aicc_rt_status aicc_rt_session_measure(aicc_rt_session *session, aicc_rt_error *error) {
  session->error = error;
  session->measuring = session->arena.only_measure = true;
  aicc_rt_status status = prepare(session);
  if (status == AICC_RT_OK) {
    const int32_t code = session->model->abi->run(&session->call);
    status = session->status != AICC_RT_OK || code == AICC_RT_STOP ? session->status
                                                                   : judge(session, code);
  }
  session->measuring = session->arena.only_measure = false;
  return status != AICC_RT_OK ? status : aicc_rt_ok(error);
}

// ---- memory and profile ------------------------------------------------------------------------

void aicc_rt_session_memory(const aicc_rt_session *session, aicc_rt_memory *out) {
  *out = (aicc_rt_memory){0};
  aicc_rt_arena_memory(&session->arena, out);
  out->dynamic_bytes = session->blocks.total;
  out->weights_bytes = session->model->info.weights_bytes;
  if (session->ops->scratch_bytes != NULL) {
    out->scratch_bytes = session->ops->scratch_bytes(session->device);
  }
}

void aicc_rt_session_set_profile(aicc_rt_session *session, bool on) {
  session->trace.on = on || session->trace.on_kernel != NULL;
}

void aicc_rt_session_reset_profile(aicc_rt_session *session) {
  aicc_rt_trace_reset(&session->trace);
}

aicc_rt_profile aicc_rt_session_kernel_profile(const aicc_rt_session *session, uint32_t kernel) {
  return kernel < session->trace.kernel_count ? session->trace.kernels[kernel]
                                              : (aicc_rt_profile){0, 0};
}

aicc_rt_profile aicc_rt_session_run_profile(const aicc_rt_session *session) {
  return session->trace.runs;
}
