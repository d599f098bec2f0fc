// Values of the interpreter: creation, sharing, release.
#include <stdlib.h>
#include <string.h>

#include "ir/eval.h"

enum { MAX_BYTES_LOG2 = 40 };  // no test and no constant is larger than a terabyte

aicc_status aicc_eval_value_create(aicc_dtype dtype, int rank, const int64_t *shape,
                                   aicc_diags *diags, aicc_eval_value *out) {
  *out = (aicc_eval_value){.kind = AICC_TYPE_TENSOR, .dtype = dtype, .rank = rank};
  int64_t bytes = (int64_t)aicc_dtype_size(dtype);
  bool bad = false;
  for (int d = 0; d < rank; d++) {
    out->shape[d] = shape[d];
    bad |= shape[d] < 0 || aicc_mul_overflow(bytes, shape[d], &bytes);
  }
  if (bad || bytes > (int64_t)1 << MAX_BYTES_LOG2) {
    *out = (aicc_eval_value){.kind = AICC_TYPE_TENSOR};
    const aicc_loc loc = {0};
    AICC_EMIT(diags, E0250, &loc, "tensor", "its size is negative or more than a terabyte");
    return AICC_RESOURCE;
  }
  out->buf = aicc_buf_create_large((size_t)bytes);
  out->data = aicc_buf_data_mut(out->buf);
  return AICC_OK;
}

// Bytes of a mapped file stand anywhere; operators read them as numbers.
static void align(aicc_eval_value *value) {
  const size_t size = aicc_dtype_size(value->dtype), alignment = size < 8 ? size : 8;
  if (!value->buf || (uintptr_t)value->data % alignment == 0) {
    return;
  }
  const size_t offset = (size_t)((const uint8_t *)value->data - aicc_buf_data(value->buf));
  const aicc_view view = {.buf = value->buf, .offset = offset,
                          .size = (size_t)aicc_eval_value_count(value) * size};
  const aicc_view aligned = aicc_view_align(view, alignment);
  aicc_buf_release(value->buf);
  value->buf = aligned.buf;
  value->data = (void *)(uintptr_t)aicc_view_data(aligned);
}

void aicc_eval_value_from_tensor(const aicc_tensor *tensor, aicc_eval_value *out) {
  *out = (aicc_eval_value){
      .kind = AICC_TYPE_TENSOR,
      .dtype = tensor->dtype,
      .rank = tensor->rank,
      // Values are never written through once they are handed out.
      .data = (void *)(uintptr_t)tensor->data,
      .buf = tensor->buf ? aicc_buf_retain(tensor->buf) : NULL,
  };
  for (int d = 0; d < tensor->rank; d++) {
    out->shape[d] = tensor->shape[d];
  }
  align(out);
}

void aicc_eval_value_copy(const aicc_eval_value *value, aicc_eval_value *out) {
  *out = *value;
  if (out->buf) {
    aicc_buf_retain(out->buf);
  }
  if (!value->items) {
    return;
  }
  out->items = calloc((size_t)value->item_count + 1, sizeof *out->items);
  AICC_ASSERT(out->items != NULL);
  for (int64_t i = 0; i < value->item_count; i++) {
    aicc_eval_value_copy(&value->items[i], &out->items[i]);
  }
}

void aicc_eval_value_deinit(aicc_eval_value *value) {
  aicc_buf_release(value->buf);
  for (int64_t i = 0; i < value->item_count; i++) {
    aicc_eval_value_deinit(&value->items[i]);
  }
  free(value->items);
  *value = (aicc_eval_value){.kind = AICC_TYPE_TENSOR};
}

int64_t aicc_eval_value_count(const aicc_eval_value *value) {
  int64_t count = 1;
  for (int d = 0; d < value->rank; d++) {
    count *= value->shape[d];
  }
  return count;
}
