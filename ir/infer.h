// Rules that set the result types of a node, one per name in the last column of ops.def.
//
// A rule may rely on the operand, result and region counts of the node's row, on operands that may
// not be left out being there, and on attributes of the right kinds; it checks the rest (ranks, element
// types, attribute values) and reports what does not fit. `aicc_infer` calls it, then infers partial
// values. Internal to ir/.
#ifndef AICC_IR_INFER_H
#define AICC_IR_INFER_H

#include "ir/graph.h"

// One prototype per row; rules are shared, so many are repeated.
#define AICC_OP(name, mnemonic, least, most, results, regions, kind, traits, infer) \
  aicc_status aicc_infer_##infer(aicc_module *module, aicc_node *node, aicc_diags *diags);
#include "ir/ops.def"
#undef AICC_OP

#endif
