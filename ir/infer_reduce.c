// Type rules of reductions and of operators whose result is like their first operand.
#include "ir/infer.h"

aicc_status aicc_infer_reduce(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  const aicc_type *type = &node->in[0]->type;
  int count = 0, rank = 0, next = 0;
  AICC_TRY(aicc_infer_need_attr(module, node, diags, AICC_ATTR_AXES));
  const int64_t *axes = aicc_get_ints(node, AICC_ATTR_AXES, &count);
  for (int i = 0; i < count; i++) {
    if (axes[i] < 0 || axes[i] >= type->rank || (i > 0 && axes[i] <= axes[i - 1])) {
      return aicc_infer_fail(module, node, diags,
                             "axes must be sorted and within rank %d; %lld is not", type->rank,
                             (long long)axes[i]);
    }
  }
  const bool keep = aicc_get_int(node, AICC_ATTR_KEEPDIMS, 0) != 0;
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < type->rank; i++) {
    const bool folded = next < count && axes[next] == i;
    next += folded;
    if (!folded) {
      dims[rank++] = type->dims[i];
    } else if (keep) {
      dims[rank++] = aicc_dim_const(module->dims, 1);
    }
  }
  node->out[0]->type = aicc_type_tensor(module, type->dtype, dims, rank);
  return AICC_OK;
}

aicc_status aicc_infer_arg(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  const aicc_type *type = &node->in[0]->type;
  int axis = 0, rank = 0;
  AICC_TRY(aicc_infer_axis(module, node, diags, type->rank, &axis));
  const bool keep = aicc_get_int(node, AICC_ATTR_KEEPDIMS, 0) != 0;
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < type->rank; i++) {
    if (i != axis) {
      dims[rank++] = type->dims[i];
    } else if (keep) {
      dims[rank++] = aicc_dim_const(module->dims, 1);
    }
  }
  node->out[0]->type = aicc_type_tensor(module, AICC_I64, dims, rank);
  return AICC_OK;
}

static aicc_status check_scatter(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  const aicc_type *x = &node->in[0]->type, *indices = &node->in[1]->type,
                  *updates = &node->in[2]->type;
  if (!aicc_dtype_is_int(indices->dtype)) {
    return aicc_infer_fail(module, node, diags, "indices must be integers");
  }
  AICC_TRY(aicc_infer_same_dtype(module, node, diags, 0, 2));
  if (node->op == AICC_OP_SCATTER_ELEMENTS) {
    int axis = 0;
    if (indices->rank != x->rank || updates->rank != x->rank) {
      return aicc_infer_fail(module, node, diags, "all operands must have one rank");
    }
    return aicc_infer_axis(module, node, diags, x->rank, &axis);
  }
  int64_t depth = 0;
  if (indices->rank < 1 ||
      !aicc_dim_is_const(module->dims, indices->dims[indices->rank - 1], &depth) ||
      depth > x->rank || updates->rank != indices->rank - 1 + x->rank - (int)depth) {
    return aicc_infer_fail(module, node, diags,
                           "updates must have rank(indices) - 1 + rank(x) - k dimensions, where k "
                           "is the constant last dimension of indices");
  }
  return AICC_OK;
}

aicc_status aicc_infer_first(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  int axis = 0;
  if (aicc_kind_of(node) == AICC_KIND_SCATTER) {
    AICC_TRY(check_scatter(module, node, diags));
  } else {
    AICC_TRY(aicc_infer_axis(module, node, diags, node->in[0]->type.rank, &axis));
  }
  node->out[0]->type = node->in[0]->type;
  return AICC_OK;
}
