// Values of ONNX test data sets as values of the interpreter.
#ifndef AICC_TESTS_EVAL_CASE_DATA_H
#define AICC_TESTS_EVAL_CASE_DATA_H

#include "ir/eval.h"

// Reads FOLDER/PREFIX_INDEX.pb, whose message is what |type| says. False: no such file, or
// unreadable (reported).
bool case_read_value(const char *folder, const char *prefix, int index, const aicc_type *type,
                     aicc_diags *diags, aicc_eval_value *out);

// Whether |got| is |wanted|: types and shapes equal, floats within atol + rtol * |wanted|, or, with
// |of_max| > 0, within of_max * the largest |wanted|. Writes the first difference to |why|.
typedef struct case_tolerance {
  double rtol, atol, of_max;
} case_tolerance;
bool case_equal(const aicc_eval_value *got, const aicc_eval_value *wanted,
                const case_tolerance *tolerance, char *why, size_t size);

#endif
