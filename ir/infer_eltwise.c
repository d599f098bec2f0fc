// Type rules of elementwise operators.
#include "ir/infer.h"

static bool is_number(aicc_dtype t) { return aicc_dtype_is_int(t) || aicc_dtype_is_float(t); }

static bool is_complex(aicc_dtype t) { return aicc_dtype_kind_of(t) == AICC_KIND_COMPLEX; }

// The element types an operator computes on; NULL: fine, else what it needs.
static const char *dtype_complaint(aicc_op op, aicc_dtype t) {
  switch (op) {
    case AICC_OP_NOT: return t == AICC_BOOL ? NULL : "it needs bool";
    case AICC_OP_BITNOT:
    case AICC_OP_SHL:
    case AICC_OP_SHR: return aicc_dtype_is_int(t) ? NULL : "it needs integers";
    case AICC_OP_AND:
    case AICC_OP_OR:
    case AICC_OP_XOR:
      return t == AICC_BOOL || aicc_dtype_is_int(t) ? NULL : "it needs bool or integers";
    case AICC_OP_NEG:
    case AICC_OP_ADD:
    case AICC_OP_SUB:
    case AICC_OP_MUL:
    case AICC_OP_DIV: return is_number(t) || is_complex(t) ? NULL : "it needs numbers";
    case AICC_OP_ABS:
    case AICC_OP_SIGN:
    case AICC_OP_MOD:
    case AICC_OP_FMOD:
    case AICC_OP_POW:
    case AICC_OP_MIN:
    case AICC_OP_MAX:
    case AICC_OP_LT:
    case AICC_OP_LE:
    case AICC_OP_GT:
    case AICC_OP_GE: return is_number(t) ? NULL : "it needs numbers";
    case AICC_OP_EQ:
    case AICC_OP_NE:
    case AICC_OP_CAST:
    case AICC_OP_BITCAST: return NULL;
    default: return aicc_dtype_is_float(t) ? NULL : "it needs floats";
  }
}

static aicc_status check_dtype(const aicc_module *module, const aicc_node *node,
                               aicc_diags *diags) {
  const char *complaint = dtype_complaint(node->op, node->in[0]->type.dtype);
  return complaint ? aicc_infer_fail(module, node, diags, "%s", complaint) : AICC_OK;
}

// Broadcasts |type|'s dims with operand |i|'s, into |type|.
static aicc_status broadcast_with(aicc_module *module, aicc_node *node, aicc_diags *diags,
                                  aicc_type *type, int i) {
  int rank = 0;
  aicc_dim dims[AICC_MAX_RANK];
  const aicc_type *other = &node->in[i]->type;
  if (!aicc_dims_broadcast(module, type, other, dims, &rank)) {
    const aicc_loc loc = aicc_node_loc(module, node, diags);
    AICC_EMIT(diags, E0202, &loc, aicc_op_info_of(node)->name,
              aicc_type_print(module, type, &diags->arena),
              aicc_type_print(module, other, &diags->arena));
    return AICC_INVALID;
  }
  *type = aicc_type_tensor(module, type->dtype, dims, rank);
  return AICC_OK;
}

aicc_status aicc_infer_same(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  AICC_TRY(check_dtype(module, node, diags));
  node->out[0]->type = node->in[0]->type;
  return AICC_OK;
}

aicc_status aicc_infer_bcast(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  AICC_TRY(check_dtype(module, node, diags));
  AICC_TRY(aicc_infer_same_dtype(module, node, diags, 0, 1));
  aicc_type type = node->in[0]->type;
  AICC_TRY(broadcast_with(module, node, diags, &type, 1));
  node->out[0]->type = type;
  return AICC_OK;
}

aicc_status aicc_infer_pow(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  AICC_TRY(check_dtype(module, node, diags));
  if (!is_number(node->in[1]->type.dtype)) {
    return aicc_infer_fail(module, node, diags, "the exponent must be a number");
  }
  aicc_type type = node->in[0]->type;
  AICC_TRY(broadcast_with(module, node, diags, &type, 1));
  node->out[0]->type = type;
  return AICC_OK;
}

aicc_status aicc_infer_compare(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  aicc_type type = node->in[0]->type;
  AICC_TRY(check_dtype(module, node, diags));
  if (node->in_count == 2) {
    AICC_TRY(aicc_infer_same_dtype(module, node, diags, 0, 1));
    AICC_TRY(broadcast_with(module, node, diags, &type, 1));
  }
  type.dtype = AICC_BOOL;
  node->out[0]->type = type;
  return AICC_OK;
}

aicc_status aicc_infer_select(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  if (node->in[0]->type.dtype != AICC_BOOL) {
    return aicc_infer_fail(module, node, diags, "the condition must be bool");
  }
  AICC_TRY(aicc_infer_same_dtype(module, node, diags, 1, 2));
  aicc_type type = node->in[1]->type;
  AICC_TRY(broadcast_with(module, node, diags, &type, 2));
  AICC_TRY(broadcast_with(module, node, diags, &type, 0));
  node->out[0]->type = type;
  return AICC_OK;
}

aicc_status aicc_infer_cast(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  AICC_TRY(aicc_infer_need_attr(module, node, diags, AICC_ATTR_TO));
  const aicc_dtype from = node->in[0]->type.dtype;
  const aicc_dtype to = aicc_get_dtype(node, AICC_ATTR_TO, from);
  // bool counts as the byte it is stored in.
  const int from_bits = from == AICC_BOOL ? 8 : aicc_dtype_table[from].bits;
  const int to_bits = to == AICC_BOOL ? 8 : aicc_dtype_table[to].bits;
  if (node->op == AICC_OP_BITCAST && from_bits != to_bits) {
    return aicc_infer_fail(module, node, diags, "%s and %s have different sizes",
                           aicc_dtype_name(from), aicc_dtype_name(to));
  }
  aicc_type type = node->in[0]->type;
  type.dtype = to;
  node->out[0]->type = type;
  return AICC_OK;
}
