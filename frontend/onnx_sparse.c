// Sparse tensors are read into their dense form: no kernel of ours works on the sparse one.
#include <string.h>

#include "frontend/onnx_tensor.h"

typedef struct sparse {
  aicc_onnx_tensor values, indices;
  const int64_t *dims;
  size_t rank;
  const char *name;
  aicc_loc loc;
  aicc_diags *diags;
} sparse;

static aicc_status fault(const sparse *s, const char *reason) {
  AICC_EMIT(s->diags, E0318, &s->loc, s->name, reason);
  return AICC_INVALID;
}

// The linear position of value |i|, or -1 if its coordinates lie outside.
static int64_t position(const sparse *s, const int64_t *indices, size_t i, int64_t count) {
  if (s->indices.rank == 1) {
    return indices[i] >= 0 && indices[i] < count ? indices[i] : -1;
  }
  int64_t result = 0;
  for (size_t axis = 0; axis < s->rank; axis++) {
    const int64_t at = indices[i * s->rank + axis];
    if (at < 0 || at >= s->dims[axis]) {
      return -1;
    }
    result = result * s->dims[axis] + at;
  }
  return result;
}

static aicc_status check(const sparse *s, int64_t *count) {
  if (s->values.rank != 1 || s->values.dtype == AICC_STR) {
    return fault(s, "its values must be a list of numbers");
  }
  const aicc_onnx_tensor *indices = &s->indices;
  const bool linear = indices->rank == 1;
  if (indices->dtype != AICC_I64 || (!linear && indices->rank != 2) ||
      indices->dims[0] != s->values.count ||
      (!linear && (uint64_t)indices->dims[1] != s->rank)) {
    return fault(s, "its indices must be i64 of shape [values] or [values, rank]");
  }
  const size_t width = aicc_dtype_size(s->values.dtype);
  if (!aicc_onnx_dims_count(s->dims, s->rank, width, count)) {
    return fault(s, "a dimension is negative, or its dense size overflows 63 bits");
  }
  if (*count > AICC_ONNX_DENSE_MAX / (int64_t)width) {
    AICC_EMIT(s->diags, E0318, &s->loc, s->name, "its dense form is larger than 1 GiB");
    return AICC_RESOURCE;
  }
  return AICC_OK;
}

static aicc_status make_dense(const sparse *s, aicc_onnx_tensor *out) {
  int64_t count;
  AICC_TRY(check(s, &count));
  const size_t width = aicc_dtype_size(s->values.dtype);
  const aicc_view view = aicc_view_align(s->indices.bytes, sizeof(int64_t));
  const int64_t *indices = (const void *)aicc_view_data(view);
  const uint8_t *values = aicc_view_data(s->values.bytes);
  aicc_buf *buf = aicc_buf_create_heap((size_t)count * width);
  uint8_t *dense = aicc_buf_data_mut(buf);
  memset(dense, 0, (size_t)count * width);
  aicc_status status = AICC_OK;
  for (size_t i = 0; i < (size_t)s->values.count && status == AICC_OK; i++) {
    const int64_t at = position(s, indices, i, count);
    if (at < 0) {
      status = fault(s, "an index lies outside of its shape");
    } else {
      memcpy(dense + (size_t)at * width, values + i * width, width);
    }
  }
  aicc_buf_release(view.buf);
  if (status != AICC_OK) {
    aicc_buf_release(buf);
    return status;
  }
  *out = (aicc_onnx_tensor){s->values.dtype, s->rank, s->dims, count,
                            {buf, 0, (size_t)count * width}};
  return AICC_OK;
}

aicc_status aicc_onnx_sparse_read(aicc_onnx_file *file, const Onnx__SparseTensorProto *proto,
                                  const aicc_loc *loc, aicc_diags *diags, aicc_onnx_tensor *out) {
  *out = (aicc_onnx_tensor){0};
  sparse s = {.dims = proto->dims, .rank = proto->n_dims, .diags = diags};
  s.name = proto->values && proto->values->name ? proto->values->name : "";
  s.loc = loc ? *loc : (aicc_loc){0};
  s.loc.file = s.loc.file ? s.loc.file : file->name;
  if (!proto->values || !proto->indices) {
    return fault(&s, "its values or its indices are missing");
  }
  AICC_TRY(aicc_onnx_tensor_read(file, proto->values, &s.loc, diags, &s.values));
  aicc_status status = aicc_onnx_tensor_read(file, proto->indices, &s.loc, diags, &s.indices);
  if (status == AICC_OK) {
    status = make_dense(&s, out);
    aicc_onnx_tensor_deinit(&s.indices);
  }
  aicc_onnx_tensor_deinit(&s.values);
  return status;
}
