// Tensors of the caller: what is set for inputs and outputs, and how results are handed out.
#include <string.h>

#include "rt_session.h"

static const aicc_rt_dtype *dtype_at(const aicc_abi_tensor *tensor) {
  return aicc_rt_dtype_of(tensor->dtype);
}

// "input 'x' must be f32[batch,4], but f32[2,5] was given".
static aicc_rt_status mismatch(aicc_rt_error *error, const char *role, const aicc_abi_tensor *want,
                               const DLTensor *given, const char *why) {
  char wanted[300], had[300];
  aicc_rt_text wanted_text = {wanted, sizeof wanted, 0}, had_text = {had, sizeof had, 0};
  aicc_rt_text_shape(&wanted_text, dtype_at(want)->name, want->rank, want->dims, want->symbols);
  const char *name = "another type";
  for (aicc_abi_dtype number = 0; number < 64; number++) {
    const aicc_rt_dtype *dtype = aicc_rt_dtype_of(number);
    if (dtype->name != NULL && memcmp(&dtype->dl, &given->dtype, sizeof given->dtype) == 0) {
      name = dtype->name;
    }
  }
  aicc_rt_text_shape(&had_text, name, given->ndim, given->shape, NULL);
  return aicc_rt_fail(error, AICC_RT_INPUT, "%s '%s' must be %s, but %s was given%s", role,
                      want->name, wanted, had, why);
}

static aicc_rt_status check_shape(aicc_rt_error *error, const char *role,
                                  const aicc_abi_tensor *want, const DLTensor *given) {
  if (given->ndim < 0 || given->ndim > AICC_RT_MAX_RANK ||
      (given->ndim > 0 && given->shape == NULL)) {
    return aicc_rt_fail(error, AICC_RT_INVALID, "%s '%s' has rank %d; 0 to %d are possible", role,
                        want->name, given->ndim, AICC_RT_MAX_RANK);
  }
  const DLDataType *type = &dtype_at(want)->dl;
  if (given->dtype.code != type->code || given->dtype.bits != type->bits ||
      given->dtype.lanes != 1) {
    return mismatch(error, role, want, given, " (another element type)");
  }
  if (want->rank >= 0 && given->ndim != want->rank) {
    return mismatch(error, role, want, given, " (another rank)");
  }
  for (int32_t i = 0; i < given->ndim; i++) {
    if (given->shape[i] < 0) {
      return mismatch(error, role, want, given, " (a negative dimension)");
    }
    if (want->rank > 0 && want->dims[i] >= 0 && want->dims[i] != given->shape[i]) {
      return mismatch(error, role, want, given, "");
    }
  }
  return AICC_RT_OK;
}

// Is |given| where the session can use it, and is that on the device?
static aicc_rt_status check_place(const aicc_rt_session *session, const char *role,
                                  const aicc_abi_tensor *want, const DLTensor *given,
                                  bool *on_device, aicc_rt_error *error) {
  const int32_t type = (int32_t)given->device.device_type;
  const bool on_host =
      type == kDLCPU || (session->remote && (type == kDLCUDAHost || type == kDLCUDAManaged));
  *on_device = session->remote && type == session->ops->dl_device;
  if (!on_host && !*on_device) {
    return aicc_rt_fail(error, AICC_RT_INVALID,
                        "%s '%s' is on another device than the session's '%s'", role, want->name,
                        session->ops->name);
  }
  const int32_t number = *on_device ? session->ops->number(session->device) : 0;
  if (*on_device && given->device.device_id != number) {
    return aicc_rt_fail(error, AICC_RT_INVALID, "%s '%s' is on %s:%d, the session on %s:%d", role,
                        want->name, session->ops->name, given->device.device_id,
                        session->ops->name, number);
  }
  return AICC_RT_OK;
}

// Checks and copies |given|; |out| is untouched after a failure.
static aicc_rt_status bind(const aicc_rt_session *session, const char *role,
                           const aicc_abi_tensor *want, const DLTensor *given, aicc_rt_binding *out,
                           aicc_rt_error *error) {
  const aicc_rt_status status = check_shape(error, role, want, given);
  if (status != AICC_RT_OK) {
    return status;
  }
  bool on_device = false;
  const aicc_rt_status placed = check_place(session, role, want, given, &on_device, error);
  if (placed != AICC_RT_OK) {
    return placed;
  }
  const size_t element = dtype_at(want)->bytes;
  int64_t bytes = 0;
  if (!aicc_rt_tensor_bytes(given->ndim, given->shape, element, &bytes)) {
    return mismatch(error, role, want, given, " (its size overflows)");
  }
  const size_t alignment = element > 8 ? 8 : element;
  uint8_t *data = given->data == NULL ? NULL : (uint8_t *)given->data + given->byte_offset;
  if ((uintptr_t)data % alignment != 0) {
    return aicc_rt_fail(error, AICC_RT_INVALID, "the data of %s '%s' is not aligned to %zu bytes",
                        role, want->name, alignment);
  }
  out->set = true;
  out->on_device = on_device;
  out->rank = given->ndim;
  out->bytes = bytes;
  out->data = data;
  out->compact = aicc_rt_tensor_is_compact(given->ndim, given->shape, given->strides);
  aicc_rt_copy_dims(out->dims, given->shape, given->ndim);
  if (!out->compact) {
    aicc_rt_copy_dims(out->strides, given->strides, given->ndim);
  }
  return AICC_RT_OK;
}

// ---- inputs ------------------------------------------------------------------------------------

static void drop_items(aicc_rt_session *session, aicc_rt_input *input) {
  aicc_rt_delete(&session->allocator, input->items, input->item_count, sizeof *input->items);
  input->items = NULL;
  input->item_count = 0;
}

static aicc_rt_status no_such(aicc_rt_error *error, const char *role, uint32_t index,
                              uint32_t count) {
  return aicc_rt_fail(error, AICC_RT_INVALID, "there is no %s %u: the model has %u", role, index,
                      count);
}

static aicc_rt_status not_named(aicc_rt_error *error, const char *role, const char *name,
                                const aicc_rt_tensor_info *tensors, uint32_t count) {
  char words[700];
  aicc_rt_text text = {words, sizeof words, 0};
  words[0] = 0;
  for (uint32_t i = 0; i < count; i++) {
    aicc_rt_text_add(&text, "%s%s", i > 0 ? ", " : "", tensors[i].name);
  }
  return aicc_rt_fail(error, AICC_RT_INVALID, "there is no %s '%s'; the model has: %s", role,
                      name != NULL ? name : "", words);
}

aicc_rt_status aicc_rt_session_set_input(aicc_rt_session *session, uint32_t index,
                                         const DLTensor *tensor, aicc_rt_error *error) {
  const aicc_abi_model *model = session->model->abi;
  if (index >= model->input_count) {
    return no_such(error, "input", index, model->input_count);
  }
  const aicc_abi_tensor *want = &model->inputs[index];
  aicc_rt_input *input = &session->inputs[index];
  if (tensor == NULL) {
    if (want->kind < AICC_ABI_KIND_OPTIONAL) {
      return aicc_rt_fail(error, AICC_RT_INVALID, "input '%s' is not optional", want->name);
    }
    drop_items(session, input);
    input->tensor.set = false;
    return aicc_rt_ok(error);
  }
  if (want->kind == AICC_ABI_KIND_SEQUENCE || want->kind == AICC_ABI_KIND_OPTIONAL_SEQUENCE) {
    return aicc_rt_fail(error, AICC_RT_INVALID, "input '%s' is a sequence, not a tensor",
                        want->name);
  }
  const aicc_rt_status status = bind(session, "input", want, tensor, &input->tensor, error);
  if (status != AICC_RT_OK) {
    return status;
  }
  input->set = true;
  return aicc_rt_ok(error);
}

aicc_rt_status aicc_rt_session_set_input_named(aicc_rt_session *session, const char *name,
                                               const DLTensor *tensor, aicc_rt_error *error) {
  const int32_t index = aicc_rt_model_find_input(session->model, name);
  const aicc_rt_model_info *info = &session->model->info;
  return index < 0 ? not_named(error, "input", name, info->inputs, info->input_count)
                   : aicc_rt_session_set_input(session, (uint32_t)index, tensor, error);
}

aicc_rt_status aicc_rt_session_keep_input(aicc_rt_session *session, uint32_t index,
                                          aicc_rt_error *error) {
  const aicc_abi_model *model = session->model->abi;
  if (index >= model->input_count) {
    return no_such(error, "input", index, model->input_count);
  }
  aicc_rt_input *input = &session->inputs[index];
  aicc_rt_binding *tensor = &input->tensor;
  if (!input->set) {
    return aicc_rt_fail(error, AICC_RT_INVALID, "input '%s' was not set",
                        model->inputs[index].name);
  }
  if (!session->remote || !tensor->set || tensor->on_device || tensor->data == NULL ||
      tensor->bytes == 0) {
    return aicc_rt_ok(error);
  }
  session->error = error;
  aicc_rt_status status = session->ops->begin(session->device, error);
  if (status == AICC_RT_OK) {
    status = aicc_rt_upload_host(session, index);
    session->ops->end(session->device);
  }
  if (status != AICC_RT_OK) {
    return status;
  }
  tensor->data = input->home;
  tensor->on_device = tensor->compact = true;
  return aicc_rt_ok(error);
}

static aicc_rt_status bind_items(const aicc_rt_session *session, const aicc_abi_tensor *want,
                                 const DLTensor *items, aicc_rt_binding *fresh, size_t count,
                                 aicc_rt_error *error) {
  for (size_t i = 0; i < count; i++) {
    const aicc_rt_status status =
        bind(session, "an item of input", want, &items[i], &fresh[i], error);
    if (status != AICC_RT_OK) {
      return status;
    }
    if (!fresh[i].compact || (fresh[i].data == NULL && fresh[i].bytes > 0)) {
      return aicc_rt_fail(error, AICC_RT_INVALID, "item %zu of input '%s' %s", i, want->name,
                          fresh[i].compact ? "has no data" : "is not compact");
    }
  }
  return AICC_RT_OK;
}

aicc_rt_status aicc_rt_session_set_input_sequence(aicc_rt_session *session, uint32_t index,
                                                  const DLTensor *items, size_t count,
                                                  aicc_rt_error *error) {
  const aicc_abi_model *model = session->model->abi;
  if (index >= model->input_count) {
    return no_such(error, "input", index, model->input_count);
  }
  const aicc_abi_tensor *want = &model->inputs[index];
  if (want->kind != AICC_ABI_KIND_SEQUENCE && want->kind != AICC_ABI_KIND_OPTIONAL_SEQUENCE) {
    return aicc_rt_fail(error, AICC_RT_INVALID, "input '%s' is no sequence", want->name);
  }
  aicc_rt_binding *fresh = aicc_rt_new(&session->allocator, count, sizeof *fresh);
  if (fresh == NULL) {
    return aicc_rt_fail(error, AICC_RT_MEMORY, "no memory for input '%s'", want->name);
  }
  const aicc_rt_status status = bind_items(session, want, items, fresh, count, error);
  if (status != AICC_RT_OK) {
    aicc_rt_delete(&session->allocator, fresh, count, sizeof *fresh);
    return status;
  }
  aicc_rt_input *input = &session->inputs[index];
  drop_items(session, input);
  input->items = fresh;
  input->item_count = count;
  input->set = true;
  return aicc_rt_ok(error);
}

// ---- outputs -----------------------------------------------------------------------------------

aicc_rt_status aicc_rt_session_set_output(aicc_rt_session *session, uint32_t index,
                                          const DLTensor *tensor, aicc_rt_error *error) {
  const aicc_abi_model *model = session->model->abi;
  if (index >= model->output_count) {
    return no_such(error, "output", index, model->output_count);
  }
  const aicc_abi_tensor *want = &model->outputs[index];
  aicc_rt_output *output = &session->outputs[index];
  if (tensor == NULL) {
    output->tensor.set = false;
    return aicc_rt_ok(error);
  }
  if (want->kind != AICC_ABI_KIND_TENSOR) {
    return aicc_rt_fail(error, AICC_RT_INVALID, "output '%s' is no plain tensor", want->name);
  }
  aicc_rt_binding binding = {0};
  const aicc_rt_status status = bind(session, "output", want, tensor, &binding, error);
  if (status != AICC_RT_OK) {
    return status;
  }
  if (!binding.compact || (binding.data == NULL && binding.bytes > 0)) {
    return aicc_rt_fail(error, AICC_RT_INVALID, "the tensor for output '%s' %s", want->name,
                        binding.compact ? "has no data" : "is not compact");
  }
  output->tensor = binding;
  return aicc_rt_ok(error);
}

aicc_rt_status aicc_rt_session_set_output_named(aicc_rt_session *session, const char *name,
                                                const DLTensor *tensor, aicc_rt_error *error) {
  const int32_t index = aicc_rt_model_find_output(session->model, name);
  const aicc_rt_model_info *info = &session->model->info;
  return index < 0 ? not_named(error, "output", name, info->outputs, info->output_count)
                   : aicc_rt_session_set_output(session, (uint32_t)index, tensor, error);
}

aicc_rt_status aicc_rt_session_run_with(aicc_rt_session *session, const DLTensor *inputs,
                                        uint32_t input_count, const DLTensor *outputs,
                                        uint32_t output_count, aicc_rt_error *error) {
  for (uint32_t i = 0; i < input_count; i++) {
    const aicc_rt_status status = aicc_rt_session_set_input(session, i, &inputs[i], error);
    if (status != AICC_RT_OK) {
      return status;
    }
  }
  for (uint32_t i = 0; outputs != NULL && i < output_count; i++) {
    const aicc_rt_status status = aicc_rt_session_set_output(session, i, &outputs[i], error);
    if (status != AICC_RT_OK) {
      return status;
    }
  }
  return aicc_rt_session_run(session, error);
}

// ---- results -----------------------------------------------------------------------------------

// A tensor whose shape is the session's. DLPack has no const.
static DLTensor borrowed_tensor(const aicc_rt_session *session, uint32_t index, void *data,
                                int32_t rank, const int64_t *dims) {
  const bool on_device = session->remote && session->outputs[index].on_device;
  DLTensor tensor = {
      .data = data,
      .device = {on_device ? (DLDeviceType)session->ops->dl_device : kDLCPU,
                 on_device ? session->ops->number(session->device) : 0},
      .ndim = rank,
      .dtype = session->model->info.outputs[index].dtype,
  };
  memcpy(&tensor.shape, &dims, sizeof dims);
  return tensor;
}

int64_t aicc_rt_session_output_length(const aicc_rt_session *session, uint32_t index) {
  if (!session->ran || index >= session->model->info.output_count ||
      session->outputs[index].absent) {
    return -1;
  }
  const aicc_rt_seq *sequence = session->outputs[index].sequence;
  return sequence != NULL ? sequence->count : 1;
}

aicc_rt_status aicc_rt_session_output_item(const aicc_rt_session *session, uint32_t index,
                                           uint64_t item, DLTensor *out, aicc_rt_error *error) {
  const aicc_rt_model_info *info = &session->model->info;
  if (index >= info->output_count) {
    return no_such(error, "output", index, info->output_count);
  }
  if (!session->ran) {
    return aicc_rt_fail(error, AICC_RT_INVALID, "there was no run that succeeded");
  }
  const int64_t length = aicc_rt_session_output_length(session, index);
  if (length < 0 || item >= (uint64_t)length) {
    return aicc_rt_fail(error, AICC_RT_INVALID, "output '%s' has no item %llu: %s",
                        info->outputs[index].name, (unsigned long long)item,
                        length < 0 ? "it is absent" : "it is shorter");
  }
  const aicc_rt_output *output = &session->outputs[index];
  if (output->sequence == NULL) {
    void *data = session->remote ? output->delivered : output->data;
    *out = borrowed_tensor(session, index, data, output->rank, output->dims);
  } else {
    const aicc_rt_seq *sequence = session->remote ? output->delivered_sequence : output->sequence;
    const aicc_rt_seq_item *at = sequence->items[item];
    *out = borrowed_tensor(session, index, at->data, at->rank, at->dims);
  }
  return aicc_rt_ok(error);
}

aicc_rt_status aicc_rt_session_output(const aicc_rt_session *session, uint32_t index, DLTensor *out,
                                      aicc_rt_error *error) {
  if (session->ran && index < session->model->info.output_count &&
      session->outputs[index].sequence != NULL) {
    return aicc_rt_fail(error, AICC_RT_INVALID, "output '%s' is a sequence: ask for its items",
                        session->model->info.outputs[index].name);
  }
  return aicc_rt_session_output_item(session, index, 0, out, error);
}

aicc_rt_status aicc_rt_tensor_of_managed(const DLManagedTensorVersioned *managed,
                                         const DLTensor **out, aicc_rt_error *error) {
  if (managed->version.major != DLPACK_MAJOR_VERSION) {
    return aicc_rt_fail(error, AICC_RT_INVALID, "the tensor follows DLPack %u, not %u",
                        managed->version.major, DLPACK_MAJOR_VERSION);
  }
  const bool padded = (managed->flags & DLPACK_FLAG_BITMASK_IS_SUBBYTE_TYPE_PADDED) != 0;
  if (managed->dl_tensor.dtype.bits < 8 && !padded) {
    return aicc_rt_fail(error, AICC_RT_INVALID,
                        "elements of %u bits are packed; give each a byte of its own",
                        managed->dl_tensor.dtype.bits);
  }
  *out = &managed->dl_tensor;
  return aicc_rt_ok(error);
}
