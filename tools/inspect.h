// What is in a model: for aicc-run --inspect.
#ifndef AICC_TOOLS_INSPECT_H
#define AICC_TOOLS_INSPECT_H

#include <stdio.h>

#include "aicc/runtime.h"

// |memory| may be NULL: not planned; |missing| says what it takes.
void aicc_inspect_text(FILE *out, const aicc_rt_model_info *model, const aicc_rt_memory *memory,
                       const char *missing);
void aicc_inspect_json(FILE *out, const aicc_rt_model_info *model, const aicc_rt_memory *memory);

#endif
