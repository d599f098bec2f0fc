// Arithmetic of importers that expand an operator into several: in f32 where the type is narrower,
// so that only the result is rounded. Every function takes and gives NULL like the builder.
#ifndef AICC_FRONTEND_IMPORT_FLOAT_H
#define AICC_FRONTEND_IMPORT_FLOAT_H

#include "frontend/onnx_import.h"

// The type to compute in: f32 for narrower floats, else the type itself.
static inline aicc_dtype aicc_wide_dtype(aicc_dtype dtype) {
  const bool narrow = dtype == AICC_F16 || dtype == AICC_BF16 ||
                      aicc_dtype_kind_of(dtype) == AICC_KIND_FLOAT8;
  return narrow ? AICC_F32 : dtype;
}

static inline aicc_value *aicc_widen(aicc_importer *im, aicc_value *x) {
  return x ? aicc_b_cast(&im->b, x, aicc_wide_dtype(x->type.dtype)) : NULL;
}

static inline aicc_value *aicc_f_add(aicc_importer *im, aicc_value *x, aicc_value *y) {
  return aicc_b_binary(&im->b, AICC_OP_ADD, x, y);
}
static inline aicc_value *aicc_f_sub(aicc_importer *im, aicc_value *x, aicc_value *y) {
  return aicc_b_binary(&im->b, AICC_OP_SUB, x, y);
}
static inline aicc_value *aicc_f_mul(aicc_importer *im, aicc_value *x, aicc_value *y) {
  return aicc_b_binary(&im->b, AICC_OP_MUL, x, y);
}
static inline aicc_value *aicc_f_div(aicc_importer *im, aicc_value *x, aicc_value *y) {
  return aicc_b_binary(&im->b, AICC_OP_DIV, x, y);
}
// With a number, of x's element type.
static inline aicc_value *aicc_f_add_c(aicc_importer *im, aicc_value *x, double c) {
  return aicc_f_add(im, x, aicc_b_scalar_like(&im->b, x, c));
}
static inline aicc_value *aicc_f_mul_c(aicc_importer *im, aicc_value *x, double c) {
  return aicc_f_mul(im, x, aicc_b_scalar_like(&im->b, x, c));
}
static inline aicc_value *aicc_f_max_c(aicc_importer *im, aicc_value *x, double c) {
  return aicc_b_binary(&im->b, AICC_OP_MAX, x, aicc_b_scalar_like(&im->b, x, c));
}
static inline aicc_value *aicc_f_min_c(aicc_importer *im, aicc_value *x, double c) {
  return aicc_b_binary(&im->b, AICC_OP_MIN, x, aicc_b_scalar_like(&im->b, x, c));
}
// A comparison with a number: bool.
static inline aicc_value *aicc_f_compare_c(aicc_importer *im, aicc_op op, aicc_value *x,
                                           double c) {
  return aicc_b_binary(&im->b, op, x, aicc_b_scalar_like(&im->b, x, c));
}
static inline aicc_value *aicc_f_unary(aicc_importer *im, aicc_op op, aicc_value *x) {
  return aicc_b_unary(&im->b, op, x);
}

// x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))
aicc_value *aicc_tanh_gelu(aicc_importer *im, aicc_value *x);

// States output 0 as |value|, rounded to the element type of input 0.
static inline aicc_status aicc_set_out_like_in(aicc_importer *im, const aicc_onnx_node *n,
                                               aicc_value *value) {
  return aicc_set_out(im, n, 0, aicc_b_cast(&im->b, value, aicc_in(n, 0)->type.dtype));
}

#endif
