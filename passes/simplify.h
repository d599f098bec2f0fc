// Rules of the simplify pass: one small function per identity, in tables keyed on the operator.
//
// A rule looks at a node whose operands are already simplified and returns what stands for its
// result 0 (made before it, of the same type), the result itself where it changed the node in
// place, or NULL. Every rule makes the graph smaller or cheaper, so that the pass ends.
#ifndef AICC_PASSES_SIMPLIFY_H
#define AICC_PASSES_SIMPLIFY_H

#include "ir/build.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

typedef struct aicc_simplify {
  aicc_module *module;
  aicc_builder b;  // inserts before the node at hand
  aicc_rewrite rewrite;
} aicc_simplify;

typedef aicc_value *(*aicc_simplify_fn)(aicc_simplify *s, aicc_node *node);

typedef struct aicc_simplify_rule {
  aicc_op op;  // AICC_OP_COUNT: every elementwise operator
  const char *name;
  aicc_simplify_fn apply;
} aicc_simplify_rule;

// Each ends with a rule whose apply is NULL.
extern const aicc_simplify_rule aicc_simplify_eltwise[];
extern const aicc_simplify_rule aicc_simplify_move[];
extern const aicc_simplify_rule aicc_simplify_control[];
extern const aicc_simplify_rule aicc_simplify_index[];

// The operand's defining node, where that is |op|; else NULL.
aicc_node *aicc_simplify_def(const aicc_node *node, int operand, aicc_op op);
// Whether every element of a constant (seen through broadcast, reshape and transpose) is one
// number.
bool aicc_simplify_splat(const aicc_value *value, double *out);
// |x| in the type of the node's result: itself, or broadcast; NULL where the element types differ.
aicc_value *aicc_simplify_fit(aicc_simplify *s, const aicc_node *node, aicc_value *x);
// The constant dimension |axis| of a tensor value.
bool aicc_simplify_size(const aicc_simplify *s, const aicc_value *x, int axis, int64_t *out);

#endif
