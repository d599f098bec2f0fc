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

// (x - zero) * scale in f32. |zero| may be NULL; both broadcast to x.
aicc_value *aicc_dequantise(aicc_builder *b, aicc_value *x, aicc_value *scale, aicc_value *zero);

// Rounds |x| (a float already divided by its scale) half to even, adds the zero point (NULL: 0) and
// casts to the integer type |to| with saturation.
aicc_value *aicc_requantise(aicc_builder *b, aicc_value *x, aicc_value *zero, aicc_dtype to);

// x / scale, requantised to |to|.
aicc_value *aicc_quantise(aicc_builder *b, aicc_value *x, aicc_value *scale, aicc_value *zero,
                          aicc_dtype to);

// What DynamicQuantizeLinear makes of x: u8 numbers, and their f32 scale and u8 zero point
// (scalars).
typedef struct aicc_quantised {
  aicc_value *y, *scale, *zero;
} aicc_quantised;
aicc_quantised aicc_quantise_dynamic(aicc_builder *b, aicc_value *x);

#endif
