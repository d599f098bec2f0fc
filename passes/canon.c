// The canon pass: one order of operands for commutative operators.
//
// Constants come last, so that simplify looks in one place; others are ordered by id, so that equal
// computations look equal to cse. a > b becomes b < a only where a is constant, for the same
// reason.
#include "passes/pass.h"

static bool is_constant(const aicc_value *value) {
  return value->def && value->def->op == AICC_OP_CONST;
}

static bool in_order(const aicc_value *a, const aicc_value *b) {
  return is_constant(a) != is_constant(b) ? is_constant(b) : a->id <= b->id;
}

// The operator that says the same with operands swapped; AICC_OP_COUNT: none.
static aicc_op mirrored(aicc_op op) {
  switch (op) {
    case AICC_OP_LT: return AICC_OP_GT;
    case AICC_OP_LE: return AICC_OP_GE;
    case AICC_OP_GT: return AICC_OP_LT;
    case AICC_OP_GE: return AICC_OP_LE;
    default: return AICC_OP_COUNT;
  }
}

static void order(void *context, aicc_node *node) {
  (void)context;
  if (node->in_count != 2 || !node->in[0] || !node->in[1]) {
    return;
  }
  const bool commutes = aicc_op_info_of(node)->traits & AICC_TRAIT_COMM;
  const aicc_op mirror = mirrored(node->op);
  const bool swaps = commutes ? !in_order(node->in[0], node->in[1])
                              : mirror != AICC_OP_COUNT && is_constant(node->in[0]) &&
                                    !is_constant(node->in[1]);
  if (!swaps) {
    return;
  }
  aicc_value *first = node->in[0];
  node->in[0] = node->in[1];
  node->in[1] = first;
  node->op = commutes ? node->op : mirror;
}

aicc_status aicc_pass_canon(aicc_pass_context *pass) {
  aicc_region_visit(pass->module->body, order, NULL);
  return AICC_OK;
}
