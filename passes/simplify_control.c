// Control whose way is known at compile time.
#include "passes/simplify.h"

static aicc_value *get_of_make(aicc_simplify *s, aicc_node *node) {
  (void)s;
  aicc_node *make = aicc_simplify_def(node, 0, AICC_OP_OPT_MAKE);
  const bool full = make && make->in_count == 1 && make->in[0];
  return full && aicc_type_equal(&make->in[0]->type, &node->out[0]->type) ? make->in[0] : NULL;
}

typedef struct find_definition {
  aicc_dim symbol;
  bool found;
} find_definition;

static void note_definition(void *context, aicc_node *node) {
  find_definition *f = context;
  const aicc_attr *symbol = aicc_attr_find(node, AICC_ATTR_SYMBOL);
  f->found |= symbol && symbol->count == 1 && symbol->dims[0] == f->symbol;
  for (int r = 0; r < node->region_count; r++) {
    for (int i = 0; i < node->regions[r]->param_count; i++) {
      const aicc_type *type = &node->regions[r]->params[i]->type;
      for (int d = 0; type->kind == AICC_TYPE_TENSOR && d < type->rank; d++) {
        f->found |= type->dims[d] == f->symbol;
      }
    }
  }
}

// Whether something other than |node|'s results defines the symbol: a graph input, a def_dim, a
// region's parameter.
static bool defined_elsewhere(const aicc_simplify *s, aicc_dim symbol) {
  find_definition f = {symbol, false};
  for (int i = 0; i < s->module->body->param_count; i++) {
    const aicc_type *type = &s->module->body->params[i]->type;
    for (int d = 0; type->kind == AICC_TYPE_TENSOR && d < type->rank; d++) {
      f.found |= type->dims[d] == symbol;
    }
  }
  aicc_region_visit(s->module->body, note_definition, &f);
  return f.found;
}

// Makes the types of the branch's results and of the node's one, by replacing symbols that the node
// defines. |apply| false: only says whether that can be done.
static bool unify(aicc_simplify *s, const aicc_node *node, const aicc_region *branch, bool apply) {
  for (int i = 0; i < node->out_count; i++) {
    const aicc_type *to = &node->out[i]->type, *from = &branch->results[i]->type;
    if (to->kind != from->kind || to->dtype != from->dtype || to->rank != from->rank ||
        (to->kind != AICC_TYPE_TENSOR && !aicc_type_equal(to, from))) {
      return false;
    }
    for (int d = 0; to->kind == AICC_TYPE_TENSOR && d < to->rank; d++) {
      const aicc_dim symbol = to->dims[d], dim = from->dims[d];
      if (symbol == dim) {
        continue;
      }
      if (!apply && (!aicc_dim_symbol_name(s->module->dims, symbol) ||
                     defined_elsewhere(s, symbol))) {
        return false;
      }
      if (apply) {
        aicc_substitute_symbol(s->module, symbol, dim);
      }
    }
  }
  return true;
}

// The branch taken stands where the `if` stood.
static aicc_value *known_branch(aicc_simplify *s, aicc_node *node) {
  double condition;
  if (!aicc_simplify_splat(node->in[0], &condition)) {
    return NULL;
  }
  aicc_region *branch = node->regions[condition != 0 ? 0 : 1];
  if (branch->result_count != node->out_count || !unify(s, node, branch, false)) {
    return NULL;
  }
  unify(s, node, branch, true);
  for (aicc_node *inner = branch->first, *next; inner; inner = next) {
    next = inner->next;
    aicc_node_unlink(inner);
    aicc_node_insert_before(node, inner);
  }
  for (int i = 1; i < node->out_count; i++) {
    aicc_rewrite_replace(&s->rewrite, node->out[i],
                         aicc_rewrite_current(&s->rewrite, branch->results[i]));
  }
  return aicc_rewrite_current(&s->rewrite, branch->results[0]);
}

const aicc_simplify_rule aicc_simplify_control[] = {
    {AICC_OP_OPT_GET, "get_of_make", get_of_make},
    {AICC_OP_IF, "known_branch", known_branch},
    {AICC_OP_COUNT, NULL, NULL},
};
