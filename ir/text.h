// The text form of modules (.air): options of the printer. The grammar stands in parse.c.
#ifndef AICC_IR_TEXT_H
#define AICC_IR_TEXT_H

#include "ir/graph.h"

enum { AICC_PRINT_ELEMENTS_MAX = 64 };  // larger constants print as data(hash, bytes) by default

typedef struct aicc_module_print_options {
  bool full;        // every element of constants: only such text parses back
  bool no_origins;  // leave out which ONNX nodes each node came from
} aicc_module_print_options;

void aicc_module_print_with(const aicc_module *module, const aicc_module_print_options *options,
                            FILE *out);
// One node, without its regions, for reports: `%a = add %x, %y : f32[4]`. Values without a name are
// printed by id, which is not how whole modules number them.
void aicc_node_print(const aicc_module *module, const aicc_node *node, FILE *out);

// A constant: `f32[2, 2] [0x1p+0, ...]`, `f32[9] splat(0x0p+0)` or `f32[999] data(hash, bytes)`.
void aicc_tensor_print(const aicc_tensor *tensor, bool full, FILE *out);

#endif
