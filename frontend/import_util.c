// Helpers that many importers need.
#include "frontend/onnx_import.h"

aicc_status aicc_axis(aicc_importer *im, const aicc_onnx_node *n, int64_t axis, int rank,
                      int *out) {
  if (axis < -rank || axis >= rank) {
    return aicc_invalid(im, n, "axis %lld is out of range for %d dimensions", (long long)axis,
                        rank);
  }
  *out = (int)(axis < 0 ? axis + rank : axis);
  return AICC_OK;
}

aicc_status aicc_axes(aicc_importer *im, const aicc_onnx_node *n, const int64_t *axes, int count,
                      int rank, int64_t *out) {
  for (int i = 0; i < count; i++) {
    int axis = 0;
    AICC_TRY(aicc_axis(im, n, axes[i], rank, &axis));
    for (int k = 0; k < i; k++) {
      if (out[k] == axis) {
        return aicc_invalid(im, n, "axis %d is named twice", axis);
      }
    }
    out[i] = axis;
  }
  return AICC_OK;
}

aicc_status aicc_in_dims(aicc_importer *im, const aicc_onnx_node *n, int i, const aicc_dim **out,
                         int *count) {
  *out = NULL;
  *count = 0;
  aicc_value *x = aicc_in(n, i);
  return !x || aicc_b_as_dims(&im->b, x, out, count) ? AICC_OK : AICC_INVALID;
}

// True if every element of |x| is a number at compile time.
static bool all_known(const aicc_importer *im, const aicc_value *x, int64_t *count) {
  if (x->type.kind != AICC_TYPE_TENSOR ||
      !aicc_dim_is_const(im->dims, aicc_type_count(im->module, &x->type), count) ||
      (*count > 0 && !x->partial)) {
    return false;
  }
  for (int64_t k = 0; k < *count; k++) {
    if (!aicc_dim_is_const(im->dims, x->partial[k], NULL)) {
      return false;
    }
  }
  return true;
}

bool aicc_in_known(const aicc_importer *im, const aicc_onnx_node *n, int i) {
  const aicc_value *x = aicc_in(n, i);
  int64_t count;
  return !x || all_known(im, x, &count);
}

aicc_status aicc_in_ints(aicc_importer *im, const aicc_onnx_node *n, int i, const char *what,
                         const int64_t **out, int *count) {
  const aicc_value *x = aicc_in(n, i);
  *out = NULL;
  *count = 0;
  if (!x) {
    return AICC_OK;
  }
  int64_t elements;
  if (!all_known(im, x, &elements)) {
    return aicc_unsupported(im, n, "%s that are not known at compile time", what);
  }
  int64_t *values = AICC_NEW_ARRAY(&im->scratch, int64_t, elements + 1);
  for (int64_t k = 0; k < elements; k++) {
    aicc_dim_is_const(im->dims, x->partial[k], &values[k]);
  }
  *out = values;
  *count = (int)elements;
  return AICC_OK;
}

bool aicc_in_number(aicc_importer *im, const aicc_onnx_node *n, int i, double *out) {
  const aicc_tensor *tensor = aicc_known_tensor(im, aicc_in(n, i));
  if (!tensor || aicc_dtype_kind_of(tensor->dtype) == AICC_KIND_COMPLEX ||
      tensor->dtype == AICC_STR) {
    return false;
  }
  for (int k = 0; k < tensor->rank; k++) {
    if (tensor->shape[k] != 1) {
      return false;
    }
  }
  *out = aicc_get_f64(tensor->dtype, tensor->data, 0);
  return true;
}

void aicc_demand(aicc_importer *im, aicc_value *condition, const char *text) {
  aicc_node *check = aicc_node_create(im->module, AICC_OP_ASSERT, &condition, 1, 0);
  aicc_set_string(im->module, check, AICC_ATTR_NAME, text);
  (void)aicc_b_finish(&im->b, check);
}
