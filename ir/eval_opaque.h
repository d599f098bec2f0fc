// Library kernels of the interpreter: one function per row of opaque.def.
#ifndef AICC_IR_EVAL_OPAQUE_H
#define AICC_IR_EVAL_OPAQUE_H

#include "ir/eval_call.h"

#define AICC_OPAQUE(name, mnemonic, least, most, results) \
  aicc_status aicc_eval_opaque_##mnemonic(aicc_eval_call *call);
#include "ir/opaque.def"
#undef AICC_OPAQUE

// Parameter |index| of the node; |otherwise| where the list is shorter.
int64_t aicc_eval_opaque_int(const aicc_eval_call *call, int index, int64_t otherwise);
double aicc_eval_opaque_float(const aicc_eval_call *call, int index, double otherwise);
bool aicc_eval_opaque_has(const aicc_eval_call *call, int operand);
// An optional scalar operand as a number.
double aicc_eval_opaque_scalar(const aicc_eval_call *call, int operand, double otherwise);

// Linear interpolation at (y, x) of a plane; positions outside count as zero (deform_conv).
double aicc_eval_bilinear_zero(const double *plane, int64_t height, int64_t width, double y,
                               double x);
int aicc_eval_compare_str(const aicc_str *a, const aicc_str *b);

#endif
