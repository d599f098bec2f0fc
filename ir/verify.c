// Verifier of modules. Checks, and reports all violations of:
//
//   links    nodes and their region, neighbours, results and regions point at each other; ids are
//            in range
//   counts   operands, results and regions are as many as the operator's row allows; only operands
//            beyond the least may be left out
//   attributes  sorted by key, each at most once; dimensions are expressions of the module's table
//   order    a value is defined before its uses, in the same region or one around it
//   types    ranks are 0..12 (unknown only inside sequences and optionals); dimensions are there
//   inference  stated types are what the operator's rule infers
//   regions  results are set and seen; `if`: no parameters, results of both fit those of the node;
//            `loop`: (i64[], bool[], state..) -> (bool[], state.., scan..), fitting operands and
//            results; nodes that are no control have no regions
//   symbols  a symbol is used only where graph.h says it is defined
//   module   result names are as many as results
#include <string.h>

#include "ir/infer.h"

typedef struct verifier {
  aicc_module *module;
  aicc_diags *diags;
  aicc_arena arena;
  uint8_t *visible;  // per value id
  uint8_t *symbols;  // per dim id: the symbol is defined
  aicc_dim *opened;  // symbols in the order of their definition, to close regions
  size_t opened_count, opened_capacity;
  uint32_t dim_count;  // of the table when we started; inference may add more
} verifier;

// --- reports -------------------------------------------------------------------------------------

static aicc_loc loc_of(const verifier *v, const aicc_node *node) {
  return node ? aicc_node_loc(v->module, node, v->diags) : (aicc_loc){.file = v->module->file};
}

static const char *op_name(const aicc_node *node) {
  return node ? aicc_op_info_of(node)->name : "graph";
}

static bool fail(verifier *v, const aicc_node *node, const char *what) {
  const aicc_loc loc = loc_of(v, node);
  AICC_EMIT(v->diags, E0108, &loc, op_name(node), what);
  return false;
}

// --- counts --------------------------------------------------------------------------------------

static const char *count_text(char *text, size_t size, int least, int most) {
  if (most < 0) {
    snprintf(text, size, "at least %d", least);
  } else if (least == most) {
    snprintf(text, size, "%d", least);
  } else {
    snprintf(text, size, "%d to %d", least, most);
  }
  return text;
}

bool aicc_node_check_counts(const aicc_node *node, const aicc_loc *loc, aicc_diags *diags) {
  const aicc_op_info *info = aicc_op_info_of(node);
  char text[48];
  const size_t errors = diags->error_count;
  if (node->in_count < info->least || (info->most >= 0 && node->in_count > info->most)) {
    AICC_EMIT(diags, E0101, loc, info->name,
              count_text(text, sizeof text, info->least, info->most), node->in_count);
  }
  for (int i = 0; i < node->in_count && i < info->least; i++) {
    if (!node->in[i]) {
      AICC_EMIT(diags, E0108, loc, info->name, "an operand that it needs is left out");
    }
  }
  if (info->results >= 0 && node->out_count != info->results) {
    AICC_EMIT(diags, E0106, loc, info->name,
              count_text(text, sizeof text, info->results, info->results), node->out_count);
  }
  if (node->region_count != info->regions) {
    AICC_EMIT(diags, E0104, loc, info->name, info->regions, node->region_count);
  }
  return diags->error_count == errors;
}

// The location is made only for a node that has a fault: it takes memory.
static bool check_counts(verifier *v, const aicc_node *node) {
  aicc_diags apart;
  aicc_diags_init(&apart);
  const bool good = aicc_node_check_counts(node, NULL, &apart);
  for (size_t i = 0; i < apart.count; i++) {
    const aicc_loc loc = loc_of(v, node);
    aicc_diag_append(v->diags, apart.items[i].id, &loc, apart.items[i].text);
  }
  aicc_diags_deinit(&apart);
  return good;
}

// --- links and attributes ------------------------------------------------------------------------

static bool check_links(verifier *v, const aicc_region *region, const aicc_node *node) {
  const bool ends = (node->prev ? node->prev->next == node : region->first == node) &&
                    (node->next ? node->next->prev == node : region->last == node);
  if (node->parent != region || !ends || node->id >= v->module->node_count) {
    return fail(v, node, "the node is not linked into its region");
  }
  for (int i = 0; i < node->out_count; i++) {
    const aicc_value *out = node->out[i];
    if (!out || out->def != node || out->index != i || out->id >= v->module->value_count) {
      return fail(v, node, "a result does not point back at its node");
    }
  }
  for (int i = 0; i < node->region_count; i++) {
    if (node->regions[i]->parent != node) {
      return fail(v, node, "a region does not point back at its node");
    }
  }
  return true;
}

static bool check_attrs(verifier *v, const aicc_node *node) {
  for (int i = 0; i < node->attr_count; i++) {
    const aicc_attr *attr = &node->attrs[i];
    if (attr->key >= AICC_ATTR_KEY_COUNT || (i && attr[-1].key >= attr->key)) {
      return fail(v, node, "attributes are not sorted, or one is there twice");
    }
    if (aicc_attr_table[attr->key].kind != AICC_ATTR_KIND_DIMS) {
      continue;
    }
    for (int k = 0; k < attr->count; k++) {
      if (attr->dims[k] == AICC_DIM_NONE || attr->dims[k] > v->dim_count) {
        return fail(v, node, "an attribute has no such dimension");
      }
    }
  }
  return true;
}

// --- types ---------------------------------------------------------------------------------------

static const char *type_fault(const verifier *v, const aicc_type *type, bool nested, int depth) {
  if (depth > 16) {
    return "a type nests too deep";
  }
  if (type->kind != AICC_TYPE_TENSOR) {
    return type->element ? type_fault(v, type->element, true, depth + 1)
                         : "a sequence or optional has no element type";
  }
  if (type->rank > AICC_MAX_RANK || type->rank < (nested ? -1 : 0)) {
    return "a type's rank is out of range";
  }
  for (int i = 0; i < type->rank; i++) {
    if (type->dims[i] == AICC_DIM_NONE || type->dims[i] > v->dim_count) {
      return "a type has no such dimension";
    }
  }
  return NULL;
}

static bool check_type(verifier *v, const aicc_node *node, const aicc_type *type) {
  const char *fault = type_fault(v, type, false, 0);
  return !fault || fail(v, node, fault);
}

static const char *print_type(const verifier *v, const aicc_type *type) {
  return aicc_type_print(v->module, type, (aicc_arena *)&v->arena);
}

// Infers once more and puts what was stated back: verification changes nothing.
static bool check_inference(verifier *v, aicc_node *node) {
  aicc_type *stated = AICC_NEW_ARRAY(&v->arena, aicc_type, node->out_count);
  const aicc_dim **partial = AICC_NEW_ARRAY(&v->arena, const aicc_dim *, node->out_count);
  for (int i = 0; i < node->out_count; i++) {
    stated[i] = node->out[i]->type;
    partial[i] = node->out[i]->partial;
  }
  bool good = aicc_infer(v->module, node, v->diags) == AICC_OK;
  for (int i = 0; i < node->out_count; i++) {
    if (good && !aicc_type_equal(&stated[i], &node->out[i]->type)) {
      const aicc_loc loc = loc_of(v, node);
      AICC_EMIT(v->diags, E0201, &loc, op_name(node), print_type(v, &stated[i]),
                print_type(v, &node->out[i]->type));
      good = false;
    }
    node->out[i]->type = stated[i];
    node->out[i]->partial = partial[i];
  }
  return good;
}

// --- symbols -------------------------------------------------------------------------------------

static void define_symbol(verifier *v, aicc_dim symbol) {
  if (!v->symbols[symbol]) {
    v->symbols[symbol] = 1;
    AICC_PUSH(&v->arena, v->opened, v->opened_count, v->opened_capacity, symbol);
  }
}

// Symbols that are a whole dimension of |type| are found out from the value itself.
static void define_symbols_of(verifier *v, const aicc_type *type) {
  if (type->kind != AICC_TYPE_TENSOR) {
    return;
  }
  for (int i = 0; i < type->rank; i++) {
    if (aicc_dim_kind_of(v->module->dims, type->dims[i]) == AICC_DIM_SYMBOL) {
      define_symbol(v, type->dims[i]);
    }
  }
}

static bool check_symbols(verifier *v, const aicc_node *node, aicc_dim dim) {
  const aicc_dims *dims = v->module->dims;
  if (aicc_dim_kind_of(dims, dim) == AICC_DIM_SYMBOL) {
    if (v->symbols[dim]) {
      return true;
    }
    const aicc_loc loc = loc_of(v, node);
    AICC_EMIT(v->diags, E0107, &loc, op_name(node), aicc_dim_symbol_name(dims, dim));
    define_symbol(v, dim);  // once is enough
    return false;
  }
  bool good = true;
  for (int i = 0; i < 3; i++) {
    const aicc_dim operand = aicc_dim_operand(dims, dim, i);
    good = (operand == AICC_DIM_NONE || check_symbols(v, node, operand)) && good;
  }
  return good;
}

static bool check_type_symbols(verifier *v, const aicc_node *node, const aicc_type *type) {
  bool good = true;
  for (int i = 0; type->kind == AICC_TYPE_TENSOR && i < type->rank; i++) {
    good = check_symbols(v, node, type->dims[i]) && good;
  }
  return good;
}

static bool defines_symbols(const aicc_node *node) {
  return (aicc_op_info_of(node)->traits & AICC_TRAIT_DEFS) || node->op == AICC_OP_IF ||
         node->op == AICC_OP_LOOP;
}

// Symbols a node uses and defines. Those of its regions come before: they see what was there.
static void check_node_symbols(verifier *v, const aicc_node *node) {
  for (int i = 0; i < node->attr_count; i++) {
    const aicc_attr *attr = &node->attrs[i];
    if (aicc_attr_table[attr->key].kind != AICC_ATTR_KIND_DIMS) {
      continue;
    }
    for (int k = 0; k < attr->count; k++) {
      if (node->op == AICC_OP_DEF_DIM && attr->key == AICC_ATTR_SYMBOL) {
        define_symbol(v, attr->dims[k]);
      } else {
        check_symbols(v, node, attr->dims[k]);
      }
    }
  }
  for (int i = 0; i < node->out_count; i++) {
    if (defines_symbols(node)) {
      define_symbols_of(v, &node->out[i]->type);
    }
    check_type_symbols(v, node, &node->out[i]->type);
  }
}

// --- regions -------------------------------------------------------------------------------------

// |inner| flows into |outer| when the model runs: equal but for dimensions that differ by path.
static bool flows_into(const verifier *v, const aicc_type *inner, const aicc_type *outer) {
  if (inner->kind != outer->kind || inner->dtype != outer->dtype) {
    return false;
  }
  if (inner->kind != AICC_TYPE_TENSOR) {
    return flows_into(v, inner->element, outer->element);
  }
  if (inner->rank != outer->rank) {
    return outer->rank == -1;
  }
  for (int i = 0; i < inner->rank; i++) {
    const bool fixed = aicc_dim_is_const(v->module->dims, outer->dims[i], NULL);
    if (inner->dims[i] != outer->dims[i] && fixed &&
        aicc_dim_is_const(v->module->dims, inner->dims[i], NULL)) {
      return false;
    }
  }
  return true;
}

static bool check_if(verifier *v, const aicc_node *node) {
  for (int k = 0; k < 2; k++) {
    const aicc_region *region = node->regions[k];
    if (region->param_count || region->result_count != node->out_count) {
      return fail(v, node, "its regions take nothing and yield as many values as it has results");
    }
    for (int i = 0; i < node->out_count; i++) {
      if (!flows_into(v, &region->results[i]->type, &node->out[i]->type)) {
        return fail(v, node, "a region yields another type than the node's result");
      }
    }
  }
  return true;
}

static bool is_scalar(const aicc_value *value, aicc_dtype dtype) {
  return value->type.kind == AICC_TYPE_TENSOR && value->type.dtype == dtype &&
         value->type.rank == 0;
}

static bool check_loop_states(verifier *v, const aicc_node *node, const aicc_region *body,
                              int states) {
  for (int i = 0; i < states; i++) {
    const aicc_type *param = &body->params[2 + i]->type;
    if (!flows_into(v, &node->in[2 + i]->type, param) ||
        !flows_into(v, &body->results[1 + i]->type, param) ||
        !flows_into(v, &body->results[1 + i]->type, &node->out[i]->type)) {
      return fail(v, node, "a state's types differ between operand, parameter and result");
    }
  }
  for (int i = states; i < node->out_count; i++) {
    const aicc_type *item = &body->results[1 + i]->type, *all = &node->out[i]->type;
    if (item->kind != AICC_TYPE_TENSOR || all->kind != AICC_TYPE_TENSOR ||
        item->dtype != all->dtype || item->rank + 1 != all->rank) {
      return fail(v, node, "a stacked result does not fit what the region yields");
    }
  }
  return true;
}

static bool check_loop(verifier *v, const aicc_node *node) {
  const aicc_region *body = node->regions[0];
  const int states = node->in_count - 2;
  for (int i = 0; i < node->in_count; i++) {
    if (!node->in[i]) {
      return fail(v, node, "an operand is left out");
    }
  }
  if (body->param_count != 2 + states || body->result_count != 1 + node->out_count ||
      node->out_count < states) {
    return fail(v, node, "its region has another number of parameters or results");
  }
  if (!is_scalar(node->in[0], AICC_I64) || !is_scalar(node->in[1], AICC_BOOL) ||
      !is_scalar(body->params[0], AICC_I64) || !is_scalar(body->params[1], AICC_BOOL) ||
      !is_scalar(body->results[0], AICC_BOOL)) {
    return fail(v, node, "trips are i64[] and conditions bool[]");
  }
  return check_loop_states(v, node, body, states);
}

static bool check_control(verifier *v, const aicc_node *node) {
  switch (node->op) {
    case AICC_OP_IF: return check_if(v, node);
    case AICC_OP_LOOP: return check_loop(v, node);
    default: return true;
  }
}

// --- the walk ------------------------------------------------------------------------------------

static bool check_uses(verifier *v, const aicc_node *node, aicc_value *const *values, int count) {
  bool good = true;
  for (int i = 0; i < count; i++) {
    const aicc_value *value = values[i];
    if (!value) {
      continue;
    }
    if (value->id >= v->module->value_count || !v->visible[value->id]) {
      const aicc_loc loc = loc_of(v, node);
      char id[16];
      snprintf(id, sizeof id, "%u", (unsigned)value->id);
      AICC_EMIT(v->diags, E0102, &loc, op_name(node), value->name ? value->name : id);
      good = false;
    }
  }
  return good;
}

static bool check_region(verifier *v, aicc_region *region);

static void check_node(verifier *v, const aicc_region *region, aicc_node *node) {
  if (!check_links(v, region, node)) {
    return;
  }
  bool good = check_counts(v, node);
  good = check_attrs(v, node) && good;
  good = check_uses(v, node, node->in, node->in_count) && good;
  for (int i = 0; i < node->region_count; i++) {
    good = check_region(v, node->regions[i]) && good;
  }
  for (int i = 0; i < node->out_count; i++) {
    v->visible[node->out[i]->id] = 1;
    good = check_type(v, node, &node->out[i]->type) && good;
  }
  if (good) {
    check_node_symbols(v, node);
    if (check_inference(v, node)) {
      check_control(v, node);
    }
  }
}

// Marks what the region defined as not seen any more.
static void close_region(verifier *v, const aicc_region *region, size_t opened) {
  for (int i = 0; i < region->param_count; i++) {
    v->visible[region->params[i]->id] = 0;
  }
  for (const aicc_node *node = region->first; node; node = node->next) {
    for (int i = 0; i < node->out_count; i++) {
      v->visible[node->out[i]->id] = 0;
    }
  }
  while (v->opened_count > opened) {
    v->symbols[v->opened[--v->opened_count]] = 0;
  }
}

static bool check_region(verifier *v, aicc_region *region) {
  const size_t errors = v->diags->error_count, opened = v->opened_count;
  for (int i = 0; i < region->param_count; i++) {
    aicc_value *param = region->params[i];
    if (param->def || param->region != region || param->index != i ||
        param->id >= v->module->value_count) {
      return fail(v, region->parent, "a parameter does not point back at its region");
    }
    v->visible[param->id] = 1;
    if (check_type(v, region->parent, &param->type)) {
      define_symbols_of(v, &param->type);
    }
  }
  if (v->diags->error_count != errors) {
    return false;
  }
  for (int i = 0; i < region->param_count; i++) {
    check_type_symbols(v, region->parent, &region->params[i]->type);
  }
  for (aicc_node *node = region->first; node; node = node->next) {
    check_node(v, region, node);
  }
  for (int i = 0; i < region->result_count; i++) {
    if (!region->results[i]) {
      return fail(v, region->parent, "a result of the region is missing");
    }
  }
  check_uses(v, region->parent, region->results, region->result_count);
  close_region(v, region, opened);
  return v->diags->error_count == errors;
}

aicc_status aicc_verify(aicc_module *module, aicc_diags *diags) {
  verifier v = {.module = module, .diags = diags, .dim_count = aicc_dim_count(module->dims)};
  aicc_arena_init(&v.arena);
  v.visible = AICC_NEW_ARRAY(&v.arena, uint8_t, module->value_count);
  v.symbols = AICC_NEW_ARRAY(&v.arena, uint8_t, v.dim_count + 1);
  const bool good = check_region(&v, module->body);
  aicc_arena_deinit(&v.arena);
  return good ? AICC_OK : AICC_INVALID;
}
