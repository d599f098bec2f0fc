// Formulas in importers: shorthands over the builder, and the parts that several operators share.
//
// As with the builder, a NULL operand gives NULL quietly. Thread-compatible.
#ifndef AICC_FRONTEND_IMPORT_MATH_H
#define AICC_FRONTEND_IMPORT_MATH_H

#include "frontend/onnx_import.h"

static inline aicc_value *aicc_add(aicc_builder *b, aicc_value *x, aicc_value *y) {
  return aicc_b_binary(b, AICC_OP_ADD, x, y);
}
static inline aicc_value *aicc_sub(aicc_builder *b, aicc_value *x, aicc_value *y) {
  return aicc_b_binary(b, AICC_OP_SUB, x, y);
}
static inline aicc_value *aicc_mul(aicc_builder *b, aicc_value *x, aicc_value *y) {
  return aicc_b_binary(b, AICC_OP_MUL, x, y);
}
static inline aicc_value *aicc_div(aicc_builder *b, aicc_value *x, aicc_value *y) {
  return aicc_b_binary(b, AICC_OP_DIV, x, y);
}
static inline aicc_value *aicc_min(aicc_builder *b, aicc_value *x, aicc_value *y) {
  return aicc_b_binary(b, AICC_OP_MIN, x, y);
}
static inline aicc_value *aicc_max(aicc_builder *b, aicc_value *x, aicc_value *y) {
  return aicc_b_binary(b, AICC_OP_MAX, x, y);
}

// x OP number; x itself for x + 0, x * 1 and x / 1.
aicc_value *aicc_add_number(aicc_builder *b, aicc_value *x, double number);
aicc_value *aicc_mul_number(aicc_builder *b, aicc_value *x, double number);
aicc_value *aicc_div_number(aicc_builder *b, aicc_value *x, double number);

// A size as a scalar of |dtype|.
aicc_value *aicc_size_number(aicc_builder *b, aicc_dtype dtype, aicc_dim dim);
// A tensor whose every element is |number|.
aicc_value *aicc_filled(aicc_builder *b, aicc_dtype dtype, double number, const aicc_dim *dims,
                        int rank);
// x[C] as [1, .., C, .., 1]: of |rank| dimensions, its own at |axis|.
aicc_value *aicc_along(aicc_builder *b, aicc_value *x, int rank, int axis);
// True where the count of elements is known to be 1.
bool aicc_is_one_element(const aicc_builder *b, const aicc_value *x);
// True for constants all of whose elements are |number|.
bool aicc_is_number(const aicc_value *x, double number);

// The type in which sums and transcendental chains of |dtype| are computed: f32 for 16-bit and
// narrower floats, else |dtype| itself.
aicc_dtype aicc_wide_dtype(aicc_dtype dtype);
aicc_value *aicc_widen(aicc_builder *b, aicc_value *x);
// Mean over |axes|, which stay as dimensions of size 1.
aicc_value *aicc_mean(aicc_builder *b, aicc_value *x, const int64_t *axes, int count);
// Over one axis, in x's type; interior in the wide type.
aicc_value *aicc_softmax(aicc_builder *b, aicc_value *x, int axis);

// x - zero in i32. A one-dimensional |zero| of several elements runs along |axis| of x; NULL: 0.
aicc_value *aicc_without_zero(aicc_builder *b, aicc_value *x, aicc_value *zero, int axis);

// matmul of the last two dimensions, transposed where asked for.
aicc_value *aicc_matmul_trans(aicc_builder *b, aicc_value *x, aicc_value *y, bool trans_x,
                              bool trans_y);

// The activation of FusedConv and FusedGemm: attribute |activation| with its parameters (alpha,
// beta; fewer where |count| says so). AICC_UNSUPPORTED for names that are none.
AICC_MUST_USE aicc_status aicc_fused_activation(aicc_importer *im, const aicc_onnx_node *n,
                                                const char *activation, const float *parameters,
                                                int count, aicc_value *x, aicc_value **out);

#endif
