// What the importers of operators that create, move and select elements share.
#ifndef AICC_FRONTEND_IMPORT_MOVE_H
#define AICC_FRONTEND_IMPORT_MOVE_H

#include "frontend/onnx_import.h"

// All inputs that are there are tensors of known rank; else AICC_INVALID (reported).
AICC_MUST_USE aicc_status aicc_need_tensors(aicc_importer *im, const aicc_onnx_node *n);
// x as a tensor of rank 0; NULL (reported) where it has not one element.
aicc_value *aicc_as_scalar(aicc_importer *im, aicc_value *x);
aicc_value *aicc_zero(aicc_importer *im, aicc_dtype dtype);  // rank 0: 0, false; not for strings
// Dims whose product is |count|, of rank 1.
aicc_value *aicc_as_vector(aicc_importer *im, aicc_value *x, aicc_dim count);
// Axes that may be known only when the model runs: input |input|, checked where all are known.
// Absent: *out is NULL.
AICC_MUST_USE aicc_status aicc_in_axes_dims(aicc_importer *im, const aicc_onnx_node *n, int input,
                                            int rank, const aicc_dim **out, int *count);
// 1 or 0, whether |axis|, counted from the end where negative, is |index|.
aicc_dim aicc_axis_is(aicc_importer *im, aicc_dim axis, int rank, int index);
aicc_dim aicc_dim_clamp_size(aicc_importer *im, aicc_dim d);  // d, or 0 where it may be negative
// A size that a model states: clamped only where it is read from data (see aicc_dim_is_size).
aicc_dim aicc_dim_as_size(aicc_importer *im, aicc_dim d);

static inline aicc_dim aicc_const_dim(const aicc_importer *im, int64_t value) {
  return aicc_dim_const(im->dims, value);
}

#endif
