// Tensors between the host and a device with memory of its own: inputs before a run, outputs after
// it.
//
// Every input has memory on the device that stays where it is from run to run, so that runs can be
// repeated from recordings. A string tensor is a table of addresses and lengths: its copy elsewhere
// has addresses of elsewhere, and the bytes behind it.
#include <string.h>

#include "rt_session.h"

static aicc_rt_status no_device_memory(aicc_rt_session *session, const char *name, int64_t bytes) {
  char what[200];
  aicc_rt_text text = {what, sizeof what, 0};
  aicc_rt_text_add(&text, "'%s'", name);
  return session->ops->no_memory(session->device, what, bytes, session->error);
}

static aicc_rt_status no_host_memory(aicc_rt_session *session, int64_t bytes) {
  return aicc_rt_fail(session->error, AICC_RT_MEMORY,
                      "no memory for %lld bytes on the host, for copies to or from the device",
                      (long long)bytes);
}

enum { ONNX_STRING = 8, HOME_STEP = 512 };
static bool is_string(const aicc_abi_tensor *tensor) { return tensor->dtype == ONNX_STRING; }

// ---- strings to the device ----------------------------------------------------------------------

static int64_t strings_bytes(const aicc_abi_str *strings, int64_t count) {
  int64_t bytes = count * (int64_t)sizeof *strings;
  for (int64_t i = 0; i < count; i++) {
    bytes += (int64_t)strings[i].size;
  }
  return bytes;
}

// As they will be at |home|: the table, then all bytes.
static void pack_strings(const aicc_abi_str *strings, int64_t count, const uint8_t *home,
                         uint8_t *to) {
  int64_t at = count * (int64_t)sizeof *strings;
  for (int64_t i = 0; i < count; i++) {
    const aicc_abi_str moved = {(const char *)home + at, strings[i].size};
    memcpy(to + i * (int64_t)sizeof moved, &moved, sizeof moved);
    if (moved.size > 0) {
      memcpy(to + at, strings[i].data, (size_t)moved.size);
    }
    at += (int64_t)moved.size;
  }
}

static aicc_rt_status upload_strings(aicc_rt_session *session, void *home, const void *strings,
                                     int64_t count) {
  const int64_t bytes = strings_bytes(strings, count);
  uint8_t *packed = aicc_rt_blocks_alloc(&session->pinned, bytes);
  if (packed == NULL) {
    return no_host_memory(session, bytes);
  }
  pack_strings(strings, count, home, packed);
  return session->ops->write(session->device, home, packed, bytes, session->error);
}

// ---- inputs -------------------------------------------------------------------------------------

// Memory of the input on the device, of at least |bytes|. NULL with the error recorded.
static void *input_home(aicc_rt_session *session, uint32_t index, int64_t bytes) {
  aicc_rt_input *input = &session->inputs[index];
  const aicc_rt_allocator *memory = session->ops->memory(session->device);
  if (input->home != NULL && input->room >= bytes) {
    return input->home;
  }
  aicc_rt_delete(memory, input->home, (size_t)input->room, 1);
  input->room = (bytes + HOME_STEP) / HOME_STEP * HOME_STEP;  // seldom another address
  input->home = aicc_rt_new_bytes(memory, (size_t)input->room);
  if (input->home == NULL) {
    input->room = 0;
    no_device_memory(session, session->model->info.inputs[index].name, bytes);
  }
  return input->home;
}

// The host's tensor in one piece: its own data or a packed copy. NULL with the error recorded.
static const void *compact_host(aicc_rt_session *session, const aicc_rt_binding *tensor,
                                size_t element) {
  if (tensor->compact) {
    return tensor->data;
  }
  void *packed = aicc_rt_blocks_alloc(&session->pinned, tensor->bytes);
  if (packed == NULL) {
    no_host_memory(session, tensor->bytes);
    return NULL;
  }
  aicc_rt_tensor_pack(packed, tensor->data, tensor->rank, tensor->dims, tensor->strides, element);
  return packed;
}

aicc_rt_status aicc_rt_upload_host(aicc_rt_session *session, uint32_t index) {
  const aicc_abi_tensor *want = &session->model->abi->inputs[index];
  const aicc_rt_binding *tensor = &session->inputs[index].tensor;
  const size_t element = aicc_rt_dtype_of(want->dtype)->bytes;
  const void *from = compact_host(session, tensor, element);
  if (from == NULL) {
    return AICC_RT_MEMORY;
  }
  const int64_t count = tensor->bytes / (int64_t)element;
  void *home = input_home(session, index,
                          is_string(want) ? strings_bytes(from, count) : tensor->bytes);
  if (home == NULL) {
    return AICC_RT_MEMORY;
  }
  session->input_data[index] = home;
  return is_string(want)
             ? upload_strings(session, home, from, count)
             : session->ops->write(session->device, home, from, tensor->bytes, session->error);
}

// In place, where kernels can read it so.
static aicc_rt_status take_device(aicc_rt_session *session, uint32_t index) {
  const aicc_rt_binding *tensor = &session->inputs[index].tensor;
  if (tensor->compact && (uintptr_t)tensor->data % AICC_RT_DEVICE_ALIGN == 0) {
    session->input_data[index] = tensor->data;
    return AICC_RT_OK;
  }
  void *home = input_home(session, index, tensor->bytes);
  if (home == NULL) {
    return AICC_RT_MEMORY;
  }
  session->input_data[index] = home;
  const aicc_rt_device_ops *ops = session->ops;
  if (tensor->compact) {
    return ops->copy(session->device, home, tensor->data, tensor->bytes, session->error);
  }
  const size_t element = aicc_rt_dtype_of(session->model->abi->inputs[index].dtype)->bytes;
  return ops->pack(session->device, home, tensor->data, tensor->rank, tensor->dims,
                   tensor->strides, element, session->error);
}

static aicc_rt_status upload_tensor(aicc_rt_session *session, uint32_t index) {
  const aicc_rt_input *input = &session->inputs[index];
  const aicc_rt_binding *tensor = &input->tensor;
  const char *name = session->model->info.inputs[index].name;
  if (!input->set) {
    return aicc_rt_fail(session->error, AICC_RT_INVALID, "input '%s' was not set", name);
  }
  session->input_data[index] = NULL;
  session->input_dims[index] = NULL;
  session->input_ranks[index] = 0;
  if (input->items != NULL || !tensor->set) {
    return AICC_RT_OK;  // a sequence, or an absent optional
  }
  session->input_dims[index] = tensor->dims;
  session->input_ranks[index] = tensor->rank;
  if (tensor->bytes == 0) {
    session->input_data[index] = input_home(session, index, 0);
    return session->input_data[index] != NULL ? AICC_RT_OK : AICC_RT_MEMORY;
  }
  if (tensor->data == NULL) {
    return aicc_rt_fail(session->error, AICC_RT_INVALID, "input '%s' has no data", name);
  }
  return tensor->on_device ? take_device(session, index) : aicc_rt_upload_host(session, index);
}

aicc_rt_status aicc_rt_upload_tensors(aicc_rt_session *session) {
  for (uint32_t i = 0; i < session->model->info.input_count; i++) {
    const aicc_rt_status status = upload_tensor(session, i);
    if (status != AICC_RT_OK) {
      return status;
    }
  }
  return AICC_RT_OK;
}

// ---- input sequences ----------------------------------------------------------------------------

static aicc_rt_status upload_item(aicc_rt_session *session, uint32_t index,
                                  const aicc_rt_binding *from, aicc_rt_seq_item **out) {
  const aicc_abi_tensor *want = &session->model->abi->inputs[index];
  if (from->on_device && (uintptr_t)from->data % AICC_RT_DEVICE_ALIGN == 0) {
    *out = aicc_rt_seq_item_borrow(&session->home, from->data, from->rank, from->dims);
    return *out != NULL ? AICC_RT_OK : no_host_memory(session, 0);
  }
  const bool strings = is_string(want) && !from->on_device;
  const int64_t count = from->bytes / (int64_t)sizeof(aicc_abi_str);
  const int64_t bytes = strings ? strings_bytes((const void *)from->data, count) : from->bytes;
  *out = aicc_rt_seq_item_new(&session->home, bytes, from->rank, from->dims);
  if (*out == NULL) {
    return no_device_memory(session, want->name, bytes);
  }
  if (strings) {
    return upload_strings(session, (*out)->data, from->data, count);
  }
  const aicc_rt_device_ops *ops = session->ops;
  return (from->on_device ? ops->copy : ops->write)(session->device, (*out)->data, from->data,
                                                    bytes, session->error);
}

static aicc_rt_status upload_sequence(aicc_rt_session *session, uint32_t index) {
  const aicc_rt_input *input = &session->inputs[index];
  aicc_rt_seq *seq = aicc_rt_seq_new(&session->blocks, session->model->abi->inputs[index].dtype,
                                     (int64_t)input->item_count);
  if (seq == NULL) {
    return no_host_memory(session, (int64_t)input->item_count);
  }
  for (size_t i = 0; i < input->item_count; i++) {
    const aicc_rt_status status =
        upload_item(session, index, &input->items[i], &seq->items[i]);
    if (status != AICC_RT_OK) {
      return status;
    }
  }
  session->input_data[index] = seq;
  return AICC_RT_OK;
}

aicc_rt_status aicc_rt_upload_sequences(aicc_rt_session *session) {
  for (uint32_t i = 0; i < session->model->info.input_count; i++) {
    if (session->inputs[i].items == NULL) {
      continue;
    }
    session->depends = true;
    const aicc_rt_status status = upload_sequence(session, i);
    if (status != AICC_RT_OK) {
      return status;
    }
  }
  return AICC_RT_OK;
}

// ---- outputs ------------------------------------------------------------------------------------

// Strings that follow one another on the device come in one copy.
static int64_t run_of_strings(const aicc_abi_str *strings, int64_t first, int64_t count,
                              int64_t *bytes) {
  int64_t next = first + 1;
  *bytes = (int64_t)strings[first].size;
  while (next < count && strings[next].size > 0 &&
         strings[next].data == strings[first].data + *bytes) {
    *bytes += (int64_t)strings[next++].size;
  }
  return next;
}

// |strings| is a table of device addresses: its bytes are brought to the host, and it points there.
static aicc_rt_status fetch_bytes(aicc_rt_session *session, aicc_abi_str *strings, int64_t count) {
  const int64_t total = strings_bytes(strings, count) - count * (int64_t)sizeof *strings;
  char *home = aicc_rt_blocks_alloc(&session->pinned, total);
  if (home == NULL) {
    return no_host_memory(session, total);
  }
  for (int64_t i = 0; i < count;) {
    int64_t bytes = 0;
    const int64_t next = run_of_strings(strings, i, count, &bytes);
    if (bytes > 0) {
      const aicc_rt_status status = session->ops->download(
          session->device, home, strings[i].data, bytes, session->error);
      if (status != AICC_RT_OK) {
        return status;
      }
    }
    for (; i < next; i++) {
      strings[i].data = home;
      home += strings[i].size;
    }
  }
  return AICC_RT_OK;
}

// |bytes| of a tensor on the device to |to| on the host, which waits for strings alone.
static aicc_rt_status fetch(aicc_rt_session *session, bool strings, void *to, const void *from,
                            int64_t bytes) {
  if (bytes == 0) {
    return AICC_RT_OK;
  }
  const aicc_rt_device_ops *ops = session->ops;
  aicc_rt_status status = ops->download(session->device, to, from, bytes, session->error);
  if (!strings || status != AICC_RT_OK) {
    return status;
  }
  status = ops->wait(session->device, session->error);
  return status != AICC_RT_OK
             ? status
             : fetch_bytes(session, to, bytes / (int64_t)sizeof(aicc_abi_str));
}

static aicc_rt_status deliver_tensor(aicc_rt_session *session, uint32_t index) {
  aicc_rt_output *output = &session->outputs[index];
  const aicc_rt_binding *tensor = &output->tensor;
  const bool strings = is_string(&session->model->abi->outputs[index]);
  output->on_device = tensor->set ? tensor->on_device : session->outputs_on_device;
  output->delivered = tensor->set ? tensor->data : output->data;
  if (output->on_device) {
    return output->delivered == output->data
               ? AICC_RT_OK
               : session->ops->copy(session->device, output->delivered, output->data,
                                    output->bytes, session->error);
  }
  if (!tensor->set) {
    output->delivered = aicc_rt_blocks_alloc(&session->pinned, output->bytes);
    if (output->delivered == NULL) {
      return no_host_memory(session, output->bytes);
    }
  }
  return fetch(session, strings, output->delivered, output->data, output->bytes);
}

static aicc_rt_status deliver_sequence(aicc_rt_session *session, uint32_t index) {
  aicc_rt_output *output = &session->outputs[index];
  const aicc_rt_seq *from = output->sequence;
  const bool strings = is_string(&session->model->abi->outputs[index]);
  const size_t element = aicc_rt_dtype_of(from->dtype)->bytes;
  output->on_device = session->outputs_on_device;
  output->delivered_sequence = output->sequence;
  if (output->on_device) {
    return AICC_RT_OK;
  }
  const aicc_rt_seq_home home = {&session->pinned, &session->pinned};
  aicc_rt_seq *seq = aicc_rt_seq_new(&session->pinned, from->dtype, from->count);
  output->delivered_sequence = seq;
  for (int64_t i = 0; seq != NULL && i < from->count; i++) {
    const aicc_rt_seq_item *item = from->items[i];
    int64_t bytes = 0;
    (void)aicc_rt_tensor_bytes(item->rank, item->dims, element, &bytes);
    seq->items[i] = aicc_rt_seq_item_new(&home, bytes, item->rank, item->dims);
    if (seq->items[i] == NULL) {
      return no_host_memory(session, bytes);
    }
    const aicc_rt_status status = fetch(session, strings, seq->items[i]->data, item->data, bytes);
    if (status != AICC_RT_OK) {
      return status;
    }
  }
  return seq != NULL ? AICC_RT_OK : no_host_memory(session, from->count);
}

// Does anything go to the host? Then the run waits for it.
static bool goes_to_host(const aicc_rt_session *session) {
  for (uint32_t i = 0; i < session->model->info.output_count; i++) {
    if (!session->outputs[i].on_device && !session->outputs[i].absent) {
      return true;
    }
  }
  return false;
}

aicc_rt_status aicc_rt_deliver(aicc_rt_session *session) {
  for (uint32_t i = 0; i < session->model->info.output_count; i++) {
    if (session->outputs[i].absent) {
      continue;
    }
    const aicc_rt_status status = session->outputs[i].sequence != NULL
                                      ? deliver_sequence(session, i)
                                      : deliver_tensor(session, i);
    if (status != AICC_RT_OK) {
      return status;
    }
  }
  return session->asynchronous && goes_to_host(session)
             ? session->ops->wait(session->device, session->error)
             : AICC_RT_OK;
}
