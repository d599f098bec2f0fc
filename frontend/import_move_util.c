// What the importers of operators that create, move and select elements share.
#include "frontend/import_move.h"

aicc_status aicc_need_tensors(aicc_importer *im, const aicc_onnx_node *n) {
  for (int i = 0; i < n->in_count; i++) {
    const aicc_value *x = n->in[i];
    if (x && (x->type.kind != AICC_TYPE_TENSOR || x->type.rank < 0)) {
      return aicc_invalid(im, n, "input %d is no tensor", i);
    }
  }
  return AICC_OK;
}

aicc_status aicc_in_axes_dims(aicc_importer *im, const aicc_onnx_node *n, int input, int rank,
                              const aicc_dim **out, int *count) {
  AICC_TRY(aicc_in_dims(im, n, input, out, count));
  int64_t axes[AICC_MAX_RANK], normal[AICC_MAX_RANK];
  if (*count > rank || rank > AICC_MAX_RANK) {
    return aicc_invalid(im, n, "%d axes for %d dimensions", *count, rank);
  }
  for (int i = 0; i < *count; i++) {
    if (!aicc_dim_is_const(im->dims, (*out)[i], &axes[i])) {
      return AICC_OK;
    }
  }
  return aicc_axes(im, n, axes, *count, rank, normal);
}

aicc_dim aicc_axis_is(aicc_importer *im, aicc_dim axis, int rank, int index) {
  const aicc_dim forward = aicc_dim_eq(im->dims, axis, aicc_const_dim(im, index));
  const aicc_dim backward = aicc_dim_eq(im->dims, axis, aicc_const_dim(im, index - rank));
  return aicc_dim_add(im->dims, forward, backward);
}

aicc_value *aicc_as_scalar(aicc_importer *im, aicc_value *x) {
  return aicc_b_reshape(&im->b, x, NULL, 0);
}

aicc_value *aicc_zero(aicc_importer *im, aicc_dtype dtype) {
  return aicc_dtype_is_int(dtype) || dtype == AICC_BOOL
             ? aicc_b_scalar_i64(&im->b, dtype, 0)
             : aicc_b_scalar(&im->b, dtype, 0);
}

aicc_value *aicc_as_vector(aicc_importer *im, aicc_value *x, aicc_dim count) {
  return aicc_b_reshape(&im->b, x, &count, 1);
}

aicc_dim aicc_dim_clamp_size(aicc_importer *im, aicc_dim d) {
  return aicc_dim_max(im->dims, d, aicc_const_dim(im, 0));
}

aicc_dim aicc_dim_as_size(aicc_importer *im, aicc_dim d) {
  return aicc_dim_is_size(im->dims, d) ? d : aicc_dim_clamp_size(im, d);
}
