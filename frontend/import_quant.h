// Quantised numbers in importers: to and from integers with a scale and a zero point.
//
// A scale or zero point has one element, or runs along an axis, or has one element for each block
// along it. As with the builder, a NULL operand gives NULL quietly. Thread-compatible.
#ifndef AICC_FRONTEND_IMPORT_QUANT_H
#define AICC_FRONTEND_IMPORT_QUANT_H

#include "frontend/import_math.h"

// |p| (a scale, a zero point; NULL stays NULL) so that it broadcasts to x: a scalar where it has
// one element, along |axis| where it has one dimension, else as it is.
aicc_value *aicc_quant_spread(aicc_builder *b, aicc_value *p, int rank, int axis);

// |p| [.., blocks, ..] as [.., size of x along |axis|, ..]: each element once for each of its
// |block|.
aicc_value *aicc_quant_repeat(aicc_builder *b, aicc_value *p, const aicc_value *x, int axis,
                              int64_t block);

// (x - zero) * scale in f32. |zero| may be NULL; both broadcast to x.
aicc_value *aicc_dequantise(aicc_builder *b, aicc_value *x, aicc_value *scale, aicc_value *zero);

// Rounds |x| (a float already divided by its scale) half to even, adds the zero point (NULL: 0) and
// casts to the integer type |to| with saturation.
aicc_value *aicc_requantise(aicc_builder *b, aicc_value *x, aicc_value *zero, aicc_dtype to);

// x / scale, requantised to |to|.
aicc_value *aicc_quantise(aicc_builder *b, aicc_value *x, aicc_value *scale, aicc_value *zero,
                          aicc_dtype to);

// Input |i| of the node with its scale and zero point, inputs i + 1 and i + 2 (the last may be left
// out), each of one element: f32.
aicc_value *aicc_in_dequantised(aicc_importer *im, const aicc_onnx_node *n, int i);
// States output 0 as |y| quantised with the scale and zero point of inputs |i| and i + 1; of
// |otherwise| where there is no zero point.
AICC_MUST_USE aicc_status aicc_set_quantised(aicc_importer *im, const aicc_onnx_node *n, int i,
                                             aicc_value *y, aicc_dtype otherwise);

// What DynamicQuantizeLinear makes of x: u8 numbers, and their f32 scale and u8 zero point. They
// are found for each element of the first |own| dimensions on its own: scalars where that is 0,
// else of x's rank, with size 1 in the other dimensions.
typedef struct aicc_quantised {
  aicc_value *y, *scale, *zero;
} aicc_quantised;
aicc_quantised aicc_quantise_dynamic(aicc_builder *b, aicc_value *x, int own);

// The i32 product of quantised x and y, as f32 with both scales and the bias, which may be NULL.
aicc_value *aicc_scaled_product(aicc_builder *b, aicc_value *x, aicc_value *x_zero, aicc_value *y,
                                aicc_value *y_zero, aicc_value *x_scale, aicc_value *y_scale,
                                aicc_value *bias);

// Bytes u8[.., n] as fields of |bits| (1, 2, 4 or 8) u8[.., n * 8 / bits], low bits first.
aicc_value *aicc_unpack_bytes(aicc_builder *b, aicc_value *x, int64_t bits);

// MatMulNBits with g_idx: each k of the inner dimension has the scale and zero point of a group.
AICC_MUST_USE aicc_status aicc_matmul_grouped(aicc_importer *im, const aicc_onnx_node *n, int64_t k,
                                              int64_t columns, int64_t bits, int64_t block);

#endif
