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
      !aicc_rt_trace_init(&session->trace, allocator, session->plan.kernel_count)) {
    return aicc_rt_fail(error, AICC_RT_MEMORY, "no memory for the tables of a session");
  }
  for (uint32_t i = 0; i < inputs; i++) {
    // An optional input that nobody sets is absent.
    session->inputs[i].set = session->model->info.inputs[i].kind >= AICC_RT_OPTIONAL;
  }
  return AICC_RT_OK;
}

static aicc_rt_status open_device(aicc_rt_session *session, const char *name,
                                  const aicc_rt_session_options *options, aicc_rt_error *error) {
  int32_t number = 0;
  session->ops = aicc_rt_device_find(name, &number, error);
  if (session->ops == NULL) {
    return AICC_RT_UNAVAILABLE;
  }
  const aicc_rt_device_config config = {
      .allocator = &session->allocator,
      .model = session->model,
      .name = name,
      .number = number,
      .threads = options->threads,
      .native_context = options->native_context,
      .native_stream = options->native_stream,
      .check_kernels = options->check_kernels,
  };
  session->device = session->ops->create(&config, error);
  if (session->device == NULL) {
    return AICC_RT_UNAVAILABLE;
  }
  session->remote = session->ops->dl_device != kDLCPU;
  session->plan_index = session->ops->plan != NULL ? session->ops->plan(session->device) : 0;
  session->plan = aicc_rt_model_plan(session->model->abi, session->plan_index);
  return AICC_RT_OK;
}

static void init_blocks(aicc_rt_session *session) {
  const aicc_rt_allocator *allocator = &session->allocator;
  const aicc_rt_device_ops *ops = session->ops;
  session->home = (aicc_rt_seq_home){&session->blocks, &session->blocks};
  if (session->remote) {
    aicc_rt_blocks_init(&session->device_blocks, allocator, ops->memory(session->device));
    aicc_rt_blocks_init(&session->pinned, ops->pinned(session->device), NULL);
    session->home.data = &session->device_blocks;
  }
}

static aicc_rt_status init_session(aicc_rt_session *session, const char *device,
                                   const aicc_rt_session_options *options, aicc_rt_error *error) {
  aicc_rt_status status = open_device(session, device, options, error);
  if (status != AICC_RT_OK) {
    return status;
  }
  init_blocks(session);
  status = allocate_tables(session, error);
  if (status == AICC_RT_OK) {
    const aicc_rt_allocator *home =
        session->remote ? session->ops->memory(session->device) : &session->allocator;
    status = aicc_rt_arena_init(&session->arena, &session->allocator, home, &session->plan,
                                options->arena, options->arena_bytes, error);
  }
  if (status != AICC_RT_OK) {
    return status;
  }
  session->trace.on = options->profile || options->on_kernel != NULL;
  session->trace.on_kernel = options->on_kernel;
  session->trace.on_kernel_user = options->on_kernel_user;
  session->outputs_on_device = options->outputs_on_device;
  session->asynchronous = options->asynchronous;
  session->graphs = session->remote && !options->no_graphs && !options->check_kernels;
  session->call = (aicc_abi_call){
      .host = &aicc_rt_host,
      .session = session,
      .weights = session->ops->weights != NULL ? session->ops->weights(session->device)
                                               : session->model->weights,
      .inputs = session->input_data,
      .input_dims = session->input_dims,
      .input_ranks = session->input_ranks,
      .device = (int32_t)session->ops->call_device,
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
  aicc_rt_blocks_init(&session->blocks, &session->allocator, NULL);
  if (init_session(session, device, chosen, error) != AICC_RT_OK) {
    aicc_rt_session_destroy(session);
    return NULL;
  }
  aicc_rt_ok(error);
  return session;
}

// What is on the device, then the device, then what is on the host.
static void destroy_memory(aicc_rt_session *session) {
  const bool used = session->device != NULL;
  const bool begun = used && session->ops->begin != NULL &&
                     session->ops->begin(session->device, NULL) == AICC_RT_OK;
  aicc_rt_replays_deinit(session);
  for (uint32_t i = 0; session->inputs != NULL && i < session->model->info.input_count; i++) {
    aicc_rt_input *input = &session->inputs[i];
    aicc_rt_delete(&session->allocator, input->items, input->item_count, sizeof *input->items);
    if (input->home != NULL) {
      aicc_rt_delete(session->ops->memory(session->device), input->home, (size_t)input->room, 1);
    }
  }
  aicc_rt_arena_deinit(&session->arena);
  if (session->remote) {
    aicc_rt_blocks_deinit(&session->device_blocks);
    aicc_rt_blocks_deinit(&session->pinned);
  }
  if (begun && session->ops->end != NULL) {
    session->ops->end(session->device);
  }
  if (used) {
    session->ops->destroy(session->device);
  }
  aicc_rt_blocks_deinit(&session->blocks);
}

void aicc_rt_session_destroy(aicc_rt_session *session) {
  if (session == NULL) {
    return;
  }
  const aicc_rt_allocator allocator = session->allocator;
  const uint32_t inputs = session->model->info.input_count;
  destroy_memory(session);
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

const aicc_rt_plan_info *aicc_rt_session_plan(const aicc_rt_session *session) {
  return &session->model->info.plans[session->plan_index];
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

// ---- memory and profile ------------------------------------------------------------------------

void aicc_rt_session_memory(const aicc_rt_session *session, aicc_rt_memory *out) {
  *out = (aicc_rt_memory){0};
  aicc_rt_arena_memory(&session->arena, out);
  const aicc_rt_replay_entry *repeated = session->replays.last;
  if (repeated != NULL) {
    out->arena_bytes = repeated->memory.arena_bytes;
    out->live_bytes = repeated->memory.live_bytes;
  }
  out->dynamic_bytes = session->home.data->total;
  for (uint32_t i = 0; i < session->model->info.input_count; i++) {
    out->dynamic_bytes += (uint64_t)session->inputs[i].room;
  }
  if (session->remote) {
    out->staging_bytes = session->pinned.total + session->ops->staging_bytes(session->device);
  }
  out->weights_bytes = session->plan.weights_end - session->plan.weights_begin;
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
