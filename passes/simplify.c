// The simplify pass: applies algebraic identities (simplify_*.c) until none applies.
//
// needs: canon (constants are second operands). Floats keep their values but for the sign of zero
// (x + 0 -> x), for pow at -inf and -0 (pow 0.5 -> sqrt), and for the last bit where a reciprocal
// takes the place of divisions (f32 and f64 only); every rule says what it assumes.
#include "passes/simplify.h"

enum { MAX_ROUNDS = 16, MAX_SPLAT = 1 << 16 };

aicc_node *aicc_simplify_def(const aicc_node *node, int operand, aicc_op op) {
  aicc_value *value = operand < node->in_count ? node->in[operand] : NULL;
  return value && value->def && value->def->op == op ? value->def : NULL;
}

static bool is_view_of_constant(const aicc_value *value) {
  const aicc_op op = value->def ? value->def->op : AICC_OP_COUNT;
  return op == AICC_OP_BROADCAST || op == AICC_OP_RESHAPE || op == AICC_OP_TRANSPOSE;
}

bool aicc_simplify_splat(const aicc_value *value, double *out) {
  while (value && is_view_of_constant(value)) {
    value = value->def->in[0];
  }
  const aicc_tensor *tensor = aicc_value_constant(value);
  const aicc_dtype_kind kind = tensor ? aicc_dtype_kind_of(tensor->dtype) : AICC_KIND_STRING;
  if (kind == AICC_KIND_STRING || kind == AICC_KIND_COMPLEX) {
    return false;
  }
  int64_t count = 1;
  for (int d = 0; d < tensor->rank; d++) {
    count *= tensor->shape[d];
  }
  if (count < 1 || count > MAX_SPLAT) {
    return false;
  }
  *out = aicc_get_f64(tensor->dtype, tensor->data, 0);
  for (int64_t i = 1; i < count; i++) {
    if (aicc_get_f64(tensor->dtype, tensor->data, (size_t)i) != *out) {
      return false;
    }
  }
  return true;
}

aicc_value *aicc_simplify_fit(aicc_simplify *s, const aicc_node *node, aicc_value *x) {
  const aicc_type *type = &node->out[0]->type;
  if (aicc_type_equal(&x->type, type)) {
    return x;
  }
  return x->type.dtype == type->dtype ? aicc_b_broadcast(&s->b, x, type->dims, type->rank) : NULL;
}

bool aicc_simplify_size(const aicc_simplify *s, const aicc_value *x, int axis, int64_t *out) {
  return aicc_dim_is_const(s->module->dims, x->type.dims[axis], out);
}

static aicc_value *apply_table(aicc_simplify *s, aicc_node *node, const aicc_simplify_rule *rules) {
  const bool eltwise = aicc_kind_of(node) == AICC_KIND_ELTWISE;
  for (const aicc_simplify_rule *rule = rules; rule->apply; rule++) {
    const bool fits = rule->op == node->op || (rule->op == AICC_OP_COUNT && eltwise);
    aicc_value *result = fits ? rule->apply(s, node) : NULL;
    if (result) {
      return result;
    }
  }
  return NULL;
}

// True where something changed.
static bool visit_node(aicc_simplify *s, aicc_node *node) {
  s->b.region = node->parent;
  s->b.before = node;
  s->b.origins = node->origins;
  s->b.origin_count = node->origin_count;
  aicc_value *result = apply_table(s, node, aicc_simplify_eltwise);
  result = result ? result : apply_table(s, node, aicc_simplify_move);
  result = result ? result : apply_table(s, node, aicc_simplify_control);
  result = result ? result : apply_table(s, node, aicc_simplify_index);
  if (!result || result == node->out[0]) {
    return result != NULL;
  }
  aicc_rewrite_replace(&s->rewrite, node->out[0], result);
  aicc_node_unlink(node);
  return true;
}

static bool visit_region(aicc_simplify *s, aicc_region *region) {
  bool changed = false;
  for (aicc_node *node = region->first, *next; node; node = next) {
    next = node->next;
    aicc_rewrite_operands(&s->rewrite, node);
    for (int r = 0; r < node->region_count; r++) {
      changed |= visit_region(s, node->regions[r]);
    }
    changed |= node->out_count > 0 && visit_node(s, node);
  }
  return changed;
}

aicc_status aicc_pass_simplify(aicc_pass_context *pass) {
  aicc_simplify s = {.module = pass->module,
                     .b = {.module = pass->module, .diags = pass->diags}};
  aicc_rewrite_init(&s.rewrite, pass->module, pass->scratch);
  const size_t errors = pass->diags->error_count;
  bool changed = true;
  int rounds = 0;
  while (changed && rounds++ < MAX_ROUNDS) {
    changed = visit_region(&s, pass->module->body);
    aicc_rewrite_finish(&s.rewrite);
  }
  aicc_pass_report(pass, "simplify", "%d rounds", rounds);
  return pass->diags->error_count == errors ? AICC_OK : AICC_INTERNAL;
}
