// Type inference: the common checks around the rules, and the rules of sources and control.
#include "ir/infer.h"

// --- reports -------------------------------------------------------------------------------------

aicc_loc aicc_node_loc(const aicc_module *module, const aicc_node *node, aicc_diags *diags) {
  aicc_loc loc = {.file = module->file, .opset = module->opset};
  if (node->origin_count > 0) {
    loc.node = node->origins[0].node;
    loc.op = node->origins[0].op;
  }
  const char *shapes = "";
  for (int i = 0; i < node->in_count; i++) {
    const char *text = node->in[i] ? aicc_type_print(module, &node->in[i]->type, &diags->arena)
                                   : "none";
    shapes = aicc_arena_printf(&diags->arena, "%s%s%s", shapes, i ? ", " : "", text);
  }
  loc.shapes = shapes;
  return loc;
}

aicc_status aicc_infer_fail(const aicc_module *module, const aicc_node *node, aicc_diags *diags,
                            const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *text = aicc_arena_vprintf(&diags->arena, format, args);
  va_end(args);
  const aicc_loc loc = aicc_node_loc(module, node, diags);
  if (loc.node || !*loc.shapes) {  // the location shows the shapes
    AICC_EMIT(diags, E0203, &loc, aicc_op_info_of(node)->name, text);
  } else {
    AICC_EMIT(diags, E0203, &loc, aicc_op_info_of(node)->name,
              aicc_arena_printf(&diags->arena, "%s (of %s)", text, loc.shapes));
  }
  return AICC_INVALID;
}

aicc_status aicc_infer_need_attr(const aicc_module *module, const aicc_node *node,
                                 aicc_diags *diags, aicc_attr_key key) {
  if (aicc_attr_find(node, key)) {
    return AICC_OK;
  }
  const aicc_loc loc = aicc_node_loc(module, node, diags);
  AICC_EMIT(diags, E0103, &loc, aicc_op_info_of(node)->name, aicc_attr_table[key].name);
  return AICC_INVALID;
}

aicc_status aicc_infer_axis(const aicc_module *module, const aicc_node *node, aicc_diags *diags,
                            int rank, int *axis) {
  const int64_t value = aicc_get_int(node, AICC_ATTR_AXIS, 0);
  if (value < 0 || value >= rank) {
    return aicc_infer_fail(module, node, diags, "axis %lld is out of range for rank %d",
                           (long long)value, rank);
  }
  *axis = (int)value;
  return AICC_OK;
}

aicc_status aicc_infer_same_dtype(const aicc_module *module, const aicc_node *node,
                                  aicc_diags *diags, int a, int b) {
  const aicc_dtype x = node->in[a]->type.dtype, y = node->in[b]->type.dtype;
  if (x == y) {
    return AICC_OK;
  }
  const aicc_loc loc = aicc_node_loc(module, node, diags);
  AICC_EMIT(diags, E0204, &loc, aicc_op_info_of(node)->name, aicc_dtype_name(x),
            aicc_dtype_name(y));
  return AICC_INVALID;
}

bool aicc_dims_differ(aicc_module *module, aicc_dim a, aicc_dim b) {
  return aicc_dim_is(module->dims, aicc_dim_eq(module->dims, a, b), 0);
}

// --- around the rules ----------------------------------------------------------------------------

static aicc_status fail_count(const aicc_module *module, const aicc_node *node, aicc_diags *diags) {
  const aicc_op_info *info = aicc_op_info_of(node);
  const char *wanted = info->most == info->least
                           ? aicc_arena_printf(&diags->arena, "%d", info->least)
                       : info->most < 0
                           ? aicc_arena_printf(&diags->arena, "at least %d", info->least)
                           : aicc_arena_printf(&diags->arena, "%d to %d", info->least, info->most);
  const aicc_loc loc = aicc_node_loc(module, node, diags);
  AICC_EMIT(diags, E0101, &loc, info->name, wanted, node->in_count);
  return AICC_INVALID;
}

static aicc_status check_operands(const aicc_module *module, const aicc_node *node,
                                  aicc_diags *diags) {
  const aicc_op_info *info = aicc_op_info_of(node);
  if (node->in_count < info->least || (info->most >= 0 && node->in_count > info->most)) {
    return fail_count(module, node, diags);
  }
  for (int i = 0; i < node->in_count; i++) {
    const aicc_value *in = node->in[i];
    if (!in && (i < info->least || info->kind == AICC_KIND_MOVE) && node->op != AICC_OP_PAD) {
      return aicc_infer_fail(module, node, diags, "operand %d is missing", i);
    }
    const bool any_kind = info->kind == AICC_KIND_CONTROL || info->kind == AICC_KIND_OPAQUE;
    if (in && !any_kind && in->type.kind != AICC_TYPE_TENSOR) {
      return aicc_infer_fail(module, node, diags, "operand %d is no tensor", i);
    }
  }
  if (info->results >= 0 && node->out_count != info->results) {
    return aicc_infer_fail(module, node, diags, "it has %d results, %d given", info->results,
                           node->out_count);
  }
  return AICC_OK;
}

// Bytes of one tensor: sizes stay far from 63 bits, whatever is computed of them.
enum { SIZE_BITS = 46 };

static bool each_is_one(void *context, const char *symbol, int64_t *value) {
  (void)context;
  (void)symbol;
  *value = 1;
  return true;
}

// Constant dimensions are not negative, and the tensor does not get too large by them. Symbols
// count as 1: what they are is checked when the model runs.
static aicc_status check_size(aicc_module *module, const aicc_node *node, const aicc_type *type,
                              aicc_diags *diags) {
  const int64_t most = (1ll << SIZE_BITS) / (int64_t)aicc_dtype_size(type->dtype);
  int64_t count = 1;
  for (int i = 0; i < type->rank; i++) {
    int64_t size = 0;
    const bool known = aicc_dim_is_const(module->dims, type->dims[i], &size);
    if (known && size < 0) {
      return aicc_infer_fail(module, node, diags, "dimension %d of the result is negative (%lld)",
                             i, (long long)size);
    }
    if (!known && !aicc_dim_eval(module->dims, type->dims[i], each_is_one, NULL, &size)) {
      size = INT64_MAX;
    }
    if (size > most || (size > 0 && count > most / size)) {
      return aicc_infer_fail(module, node, diags, "the result %s has more than 2^%d bytes",
                             aicc_type_print(module, type, &diags->arena), SIZE_BITS);
    }
    count *= size > 0 ? size : 1;
  }
  return AICC_OK;
}

static aicc_status check_result(aicc_module *module, const aicc_node *node, const aicc_type *type,
                                aicc_diags *diags) {
  if (type->rank > AICC_MAX_RANK) {
    return aicc_infer_fail(module, node, diags, "the result has rank %d; aicc's limit is %d",
                           type->rank, AICC_MAX_RANK);
  }
  return check_size(module, node, type, diags);
}

aicc_status aicc_infer(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  AICC_TRY(check_operands(module, node, diags));
  AICC_TRY(aicc_op_info_of(node)->infer(module, node, diags));
  for (int i = 0; i < node->out_count; i++) {
    if (node->out[i]->type.kind == AICC_TYPE_TENSOR) {
      AICC_TRY(check_result(module, node, &node->out[i]->type, diags));
    }
  }
  aicc_partial_infer(module, node);
  return AICC_OK;
}

// --- sources and control -------------------------------------------------------------------------

aicc_status aicc_infer_stated(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  for (int i = 0; i < node->out_count; i++) {
    const aicc_type *type = &node->out[i]->type;
    if (type->kind == AICC_TYPE_TENSOR ? type->rank >= 0 && !type->dims : !type->element) {
      return aicc_infer_fail(module, node, diags, "the type of result %d is not stated", i);
    }
  }
  AICC_TRY(aicc_check_move(module, node, diags));
  return aicc_check_contract(module, node, diags);
}

aicc_status aicc_infer_constant(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  AICC_TRY(aicc_infer_need_attr(module, node, diags, AICC_ATTR_VALUE));
  const aicc_tensor *tensor = aicc_get_tensor(node, AICC_ATTR_VALUE);
  if (tensor->rank > AICC_MAX_RANK) {
    return aicc_infer_fail(module, node, diags, "the constant has rank %d; aicc's limit is %d",
                           tensor->rank, AICC_MAX_RANK);
  }
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < tensor->rank; i++) {
    dims[i] = aicc_dim_const(module->dims, tensor->shape[i]);
  }
  node->out[0]->type = aicc_type_tensor(module, tensor->dtype, dims, tensor->rank);
  return AICC_OK;
}

aicc_status aicc_infer_from_dims(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  int count = 0;
  AICC_TRY(aicc_infer_need_attr(module, node, diags, AICC_ATTR_DIMS));
  aicc_get_dims(node, AICC_ATTR_DIMS, &count);
  const bool scalar = aicc_attr_find(node, AICC_ATTR_AXIS) != NULL;
  if (scalar && count != 1) {
    return aicc_infer_fail(module, node, diags, "a scalar has one element, %d given", count);
  }
  const aicc_dim length = aicc_dim_const(module->dims, count);
  node->out[0]->type = aicc_type_tensor(module, AICC_I64, &length, scalar ? 0 : 1);
  return AICC_OK;
}

aicc_status aicc_infer_assertion(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  const aicc_type *type = &node->in[0]->type;
  return type->kind == AICC_TYPE_TENSOR && type->dtype == AICC_BOOL
             ? AICC_OK
             : aicc_infer_fail(module, node, diags, "it asserts one bool");
}

aicc_status aicc_infer_def_dim(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  int count = 0;
  AICC_TRY(aicc_infer_need_attr(module, node, diags, AICC_ATTR_SYMBOL));
  const aicc_dim *symbol = aicc_get_dims(node, AICC_ATTR_SYMBOL, &count);
  const aicc_type *type = &node->in[0]->type;
  const int64_t index = aicc_get_int(node, AICC_ATTR_INDEX, 0);
  if (count != 1 || !aicc_dim_symbol_name(module->dims, symbol[0])) {
    return aicc_infer_fail(module, node, diags, "it defines exactly one symbol");
  }
  if (type->kind != AICC_TYPE_TENSOR || !aicc_dtype_is_int(type->dtype)) {
    return aicc_infer_fail(module, node, diags, "a symbol is an element of an integer tensor");
  }
  int64_t elements = 0;
  if (index < 0 || (aicc_dim_is_const(module->dims, aicc_type_count(module, type), &elements) &&
                    index >= elements)) {
    return aicc_infer_fail(module, node, diags, "element %lld is out of range", (long long)index);
  }
  return AICC_OK;
}

aicc_status aicc_infer_count(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  if (node->in[0]->type.kind != AICC_TYPE_TENSOR) {
    return aicc_infer_fail(module, node, diags, "only elements of a tensor can be counted");
  }
  node->out[0]->type = aicc_type_tensor(module, AICC_I64, NULL, 0);
  return AICC_OK;
}

aicc_status aicc_infer_yields(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  const aicc_region *region = node->region_count > 0 ? node->regions[0] : NULL;
  if (!region || region->result_count != node->out_count) {
    return aicc_infer_fail(module, node, diags, "its region yields %d values, it has %d results",
                           region ? region->result_count : 0, node->out_count);
  }
  for (int i = 0; i < node->out_count; i++) {
    node->out[i]->type = region->results[i]->type;
  }
  return AICC_OK;
}
