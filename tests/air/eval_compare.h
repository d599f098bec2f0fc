// Whether two modules of the same inputs compute the same, by the interpreter, on made-up inputs.
#ifndef AICC_TESTS_EVAL_COMPARE_H
#define AICC_TESTS_EVAL_COMPARE_H

#include "ir/graph.h"

// Symbols of inputs are 2, 3, 4, ... in order of appearance. Writes what differs to |out|.
bool eval_compare(const aicc_module *before, const aicc_module *after, FILE *out);

#endif
