// Compares what a model gave with what was expected.
//
// Floats: |got - expected| <= atol + rtol * |expected| + mtol * max |expected|, as numpy.allclose
// has it but for the last term; NaN equals NaN, infinities their like. All other types exactly.
#ifndef AICC_TOOLS_COMPARE_H
#define AICC_TOOLS_COMPARE_H

#include "ir/eval.h"

typedef struct aicc_tolerance {
  double rtol, atol;
  double mtol;  // of the largest finite |expected| of the tensor
  double bf16_rtol;  // the least rtol of bf16 tensors
} aicc_tolerance;

// The tolerances of the ONNX backend tests: of bf16, two units in the last place.
#define AICC_TOLERANCE_ONNX ((aicc_tolerance){1e-3, 1e-7, 0, 0x1p-6})

// True: equal. |text| is then empty; else a sentence on what differs (type, shape, how many
// elements, the worst and where).
bool aicc_compare(const aicc_eval_value *got, const aicc_eval_value *expected,
                  const aicc_tolerance *tolerance, char *text, size_t size);

#endif
