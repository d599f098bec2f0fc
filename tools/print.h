// Values in readable form on a stream, long ones abbreviated as NumPy does it.
#ifndef AICC_TOOLS_PRINT_H
#define AICC_TOOLS_PRINT_H

#include <stdio.h>

#include "ir/eval.h"

// "y: f32[2,3]" and the elements on the lines below.
void aicc_print_value(FILE *out, const char *name, const aicc_eval_value *value);

// "1.5 MiB", "12 bytes".
void aicc_print_bytes(FILE *out, uint64_t bytes);

#endif
