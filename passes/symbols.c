#include "passes/symbols.h"

void aicc_dim_symbols(const aicc_dims *dims, aicc_dim dim, aicc_symbol_visit visit,
                      void *context) {
  if (dim == AICC_DIM_NONE) {
    return;
  }
  const aicc_dim_kind kind = aicc_dim_kind_of(dims, dim);
  if (kind == AICC_DIM_SYMBOL) {
    visit(context, dim);
    return;
  }
  for (int i = 0; i < 3 && kind != AICC_DIM_CONST; i++) {
    aicc_dim_symbols(dims, aicc_dim_operand(dims, dim, i), visit, context);
  }
}

void aicc_type_symbols(const aicc_dims *dims, const aicc_type *type, aicc_symbol_visit visit,
                       void *context) {
  if (type->kind != AICC_TYPE_TENSOR) {
    if (type->element) {
      aicc_type_symbols(dims, type->element, visit, context);
    }
    return;
  }
  for (int d = 0; d < type->rank; d++) {
    aicc_dim_symbols(dims, type->dims[d], visit, context);
  }
}

static void value_symbols(const aicc_module *module, const aicc_value *value,
                          aicc_symbol_visit visit, void *context) {
  int64_t shape[AICC_MAX_RANK], count = 1;
  aicc_type_symbols(module->dims, &value->type, visit, context);
  if (!value->partial || !aicc_type_static_shape(module, &value->type, shape)) {
    return;
  }
  for (int d = 0; d < value->type.rank; d++) {
    count *= shape[d];
  }
  for (int64_t i = 0; i < count; i++) {
    aicc_dim_symbols(module->dims, value->partial[i], visit, context);
  }
}

void aicc_node_symbols(const aicc_module *module, const aicc_node *node, aicc_symbol_visit visit,
                       void *context) {
  for (int a = 0; a < node->attr_count; a++) {
    const aicc_attr *attr = &node->attrs[a];
    const bool is_dims = aicc_attr_table[attr->key].kind == AICC_ATTR_KIND_DIMS;
    for (int i = 0; i < attr->count && is_dims && attr->key != AICC_ATTR_SYMBOL; i++) {
      aicc_dim_symbols(module->dims, attr->dims[i], visit, context);
    }
  }
  for (int i = 0; i < node->out_count; i++) {
    value_symbols(module, node->out[i], visit, context);
  }
  for (int r = 0; r < node->region_count; r++) {
    for (int i = 0; i < node->regions[r]->param_count; i++) {
      value_symbols(module, node->regions[r]->params[i], visit, context);
    }
  }
}
