// Rules that set the result types of a node, one per name in the last column of ops.def.
//
// A rule may rely on the operand, result and region counts of the node's row, on operands that may
// not be left out being there, and on attributes of the right kinds; it checks the rest (ranks,
// element types, attribute values) and reports what does not fit. `aicc_infer` calls it, then
// infers partial values. Internal to ir/.
#ifndef AICC_IR_INFER_H
#define AICC_IR_INFER_H

#include "ir/graph.h"

// One prototype per row; rules are shared, so many are repeated.
#define AICC_OP(name, mnemonic, least, most, results, regions, kind, traits, infer) \
  aicc_status aicc_infer_##infer(aicc_module *module, aicc_node *node, aicc_diags *diags);
#include "ir/ops.def"
#undef AICC_OP

// --- helpers of the rules (infer.c) --------------------------------------------------------------

// Emits E0203 with that text at the node, with the operands' shapes. Returns AICC_INVALID.
AICC_MUST_USE aicc_status aicc_infer_fail(const aicc_module *module, const aicc_node *node,
                                          aicc_diags *diags, const char *format, ...)
    AICC_PRINTF(4, 5);
// Where |node| stands: its first origin, and its operands' types. Texts are of |diags|' arena.
aicc_loc aicc_node_loc(const aicc_module *module, const aicc_node *node, aicc_diags *diags);
AICC_MUST_USE aicc_status aicc_infer_need_attr(const aicc_module *module, const aicc_node *node,
                                               aicc_diags *diags, aicc_attr_key key);
// The node's axis attribute, 0 .. rank - 1 (0 may be left out).
AICC_MUST_USE aicc_status aicc_infer_axis(const aicc_module *module, const aicc_node *node,
                                          aicc_diags *diags, int rank, int *axis);
// The same element type for operands |a| and |b| (E0204).
AICC_MUST_USE aicc_status aicc_infer_same_dtype(const aicc_module *module, const aicc_node *node,
                                                aicc_diags *diags, int a, int b);
// Proven different, whatever the symbols are.
bool aicc_dims_differ(aicc_module *module, aicc_dim a, aicc_dim b);

// Checks of operators whose type is stated, by file; AICC_OK where there is nothing to check.
aicc_status aicc_check_move(aicc_module *module, aicc_node *node, aicc_diags *diags);
aicc_status aicc_check_contract(aicc_module *module, aicc_node *node, aicc_diags *diags);

// The checks above that a rule relies on: operand, result and region counts. Reports at |loc|.
bool aicc_node_check_counts(const aicc_node *node, const aicc_loc *loc, aicc_diags *diags);

#endif
