// Index arithmetic of exporters: comparisons and gathers of numbers that count positions.
#include "passes/simplify.h"

// The dimension of a reshape's result that holds dimension |axis| of its operand, where the two
// differ in dimensions of 1 alone; -1: no such.
static int axis_through_reshape(const aicc_simplify *s, const aicc_node *reshape, int axis) {
  const aicc_type *from = &reshape->in[0]->type, *to = &reshape->out[0]->type;
  int f = 0, found = -1;
  for (int t = 0; t < to->rank; t++) {
    if (aicc_dim_is(s->module->dims, to->dims[t], 1)) {
      continue;
    }
    while (f < from->rank && aicc_dim_is(s->module->dims, from->dims[f], 1)) {
      f++;
    }
    if (f == from->rank || from->dims[f] != to->dims[t]) {
      return -1;
    }
    found = f == axis ? t : found;
    f++;
  }
  return found;
}

// The dimension along which |value| counts 0, 1, 2, ..; -1: it does not, or that is not proven.
static int counts_along(const aicc_simplify *s, const aicc_value *value) {
  const aicc_node *def = value->def;
  if (!def) {
    return -1;
  }
  if (def->op == AICC_OP_IOTA) {
    return value->type.rank ? (int)aicc_get_int(def, AICC_ATTR_AXIS, 0) : -1;
  }
  const int inner = def->op == AICC_OP_RESHAPE || def->op == AICC_OP_BROADCAST
                        ? counts_along(s, def->in[0])
                        : -1;
  if (inner < 0) {
    return -1;
  }
  if (def->op == AICC_OP_RESHAPE) {
    return axis_through_reshape(s, def, inner);
  }
  const int axis = inner + value->type.rank - def->in[0]->type.rank;
  return value->type.dims[axis] == def->in[0]->type.dims[inner] ? axis : -1;
}

// Positions are not negative: position >= 0 is true, position < 0 is false.
static aicc_value *position_bound(aicc_simplify *s, aicc_node *node) {
  double bound;
  const bool upper = node->op == AICC_OP_LT || node->op == AICC_OP_LE;
  const bool includes_zero = node->op == AICC_OP_LT || node->op == AICC_OP_GE;
  if (counts_along(s, node->in[0]) < 0 || !aicc_simplify_splat(node->in[1], &bound) ||
      !(bound < 0 || (bound == 0 && includes_zero))) {
    return NULL;
  }
  const aicc_type *type = &node->out[0]->type;
  aicc_value *answer = aicc_b_scalar_i64(&s->b, AICC_BOOL, !upper);
  return aicc_b_broadcast(&s->b, answer, type->dims, type->rank);
}

// gather_nd whose tuples count along dimensions of the result, in the operand's order: a slice from
// 0, viewed in the result's shape. (How exporters write mask[:, None, None, :].)
static aicc_value *gather_of_positions(aicc_simplify *s, aicc_node *node) {
  aicc_node *tuples = aicc_simplify_def(node, 1, AICC_OP_CONCAT);
  const aicc_type *x = &node->in[0]->type, *out = &node->out[0]->type;
  if (!tuples || aicc_get_int(node, AICC_ATTR_BATCH_DIMS, 0) != 0 ||
      aicc_get_int(tuples, AICC_ATTR_AXIS, 0) != out->rank || tuples->in_count != x->rank) {
    return NULL;
  }
  aicc_dims *dims = s->module->dims;
  aicc_dim starts[AICC_MAX_RANK], sizes[AICC_MAX_RANK];
  int64_t steps[AICC_MAX_RANK];
  int next = 0;  // the result's dimension that the next index may count along
  for (int k = 0; k < x->rank; k++) {
    const int axis = counts_along(s, tuples->in[k]);
    if (axis < next || axis >= out->rank) {
      return NULL;
    }
    for (; next < axis; next++) {
      if (!aicc_dim_is(dims, out->dims[next], 1)) {
        return NULL;
      }
    }
    starts[k] = aicc_dim_const(dims, 0);
    steps[k] = 1;
    sizes[k] = out->dims[axis];
    next = axis + 1;
  }
  for (; next < out->rank; next++) {
    if (!aicc_dim_is(dims, out->dims[next], 1)) {
      return NULL;
    }
  }
  aicc_value *slice = aicc_b_slices(&s->b, node->in[0], starts, steps, sizes);
  return aicc_b_reshape(&s->b, slice, out->dims, out->rank);
}

const aicc_simplify_rule aicc_simplify_index[] = {
    {AICC_OP_LT, "position_bound", position_bound},
    {AICC_OP_LE, "position_bound", position_bound},
    {AICC_OP_GT, "position_bound", position_bound},
    {AICC_OP_GE, "position_bound", position_bound},
    {AICC_OP_GATHER_ND, "gather_of_positions", gather_of_positions},
    {AICC_OP_COUNT, NULL, NULL},
};
