// What the pass narrow takes, for passes before it that make products of integers for it alone.
#ifndef AICC_PASSES_NARROW_H
#define AICC_PASSES_NARROW_H

#include "passes/pass.h"

// Why a matmul or conv of bytes less their zero points stays one of i32, whatever its operands are;
// NULL: it does not. |has_zero|: its second operand has a zero point other than 0.
const char *aicc_narrow_refuses(const aicc_pass_context *pass, const aicc_node *node,
                                bool has_zero);

#endif
