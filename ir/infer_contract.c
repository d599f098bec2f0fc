// Type rules of contractions: matmul, and checks of stated convolutions and attention.
#include "ir/infer.h"

// The factors' types: one, which is the sums' too; or, with {to = i32}, two 8-bit integers.
static aicc_status check_factors(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  const aicc_dtype a = node->in[0]->type.dtype, b = node->in[1]->type.dtype;
  const aicc_dtype to = aicc_get_dtype(node, AICC_ATTR_TO, a);
  if (to == a) {
    return aicc_infer_same_dtype(module, node, diags, 0, 1);
  }
  if (to == AICC_I32 && aicc_dtype_is_byte(a) && aicc_dtype_is_byte(b)) {
    return AICC_OK;
  }
  return aicc_infer_fail(module, node, diags, "products of %s and %s cannot be summed as %s",
                         aicc_dtype_name(a), aicc_dtype_name(b), aicc_dtype_name(to));
}

aicc_status aicc_infer_matmul(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  const aicc_type *a = &node->in[0]->type, *b = &node->in[1]->type;
  AICC_TRY(check_factors(module, node, diags));
  if (a->rank < 2 || b->rank < 2) {
    return aicc_infer_fail(module, node, diags, "both operands need at least two dimensions");
  }
  const int trans_a = aicc_get_int(node, AICC_ATTR_TRANS_A, 0) != 0;
  const int trans_b = aicc_get_int(node, AICC_ATTR_TRANS_B, 0) != 0;
  const aicc_dim *m = &a->dims[a->rank - 2], *n = &b->dims[b->rank - 2];
  if (aicc_dims_differ(module, m[1 - trans_a], n[trans_b])) {
    return aicc_infer_fail(module, node, diags, "the inner dimensions %s and %s differ",
                           aicc_dim_print(module->dims, m[1 - trans_a], &diags->arena),
                           aicc_dim_print(module->dims, n[trans_b], &diags->arena));
  }
  const aicc_type batch_a = {.dims = a->dims, .rank = a->rank - 2, .dtype = a->dtype};
  const aicc_type batch_b = {.dims = b->dims, .rank = b->rank - 2, .dtype = b->dtype};
  aicc_dim dims[AICC_MAX_RANK];
  int rank = 0;
  if (!aicc_dims_broadcast(module, &batch_a, &batch_b, dims, &rank)) {
    const aicc_loc loc = aicc_node_loc(module, node, diags);
    AICC_EMIT(diags, E0202, &loc, "matmul", aicc_type_print(module, &batch_a, &diags->arena),
              aicc_type_print(module, &batch_b, &diags->arena));
    return AICC_INVALID;
  }
  dims[rank] = m[trans_a];
  dims[rank + 1] = n[1 - trans_b];
  const aicc_dtype sums = aicc_get_dtype(node, AICC_ATTR_TO, a->dtype);
  node->out[0]->type = aicc_type_tensor(module, sums, dims, rank + 2);
  return AICC_OK;
}

// x and w of one rank >= 3, and a bias of one dimension.
static aicc_status check_conv(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  const aicc_type *x = &node->in[0]->type, *w = &node->in[1]->type;
  AICC_TRY(check_factors(module, node, diags));
  const aicc_type *bias = node->in_count > 2 && node->in[2] ? &node->in[2]->type : NULL;
  if (x->rank < 3 || w->rank != x->rank || node->out[0]->type.rank != x->rank) {
    return aicc_infer_fail(module, node, diags,
                           "the tensor, the filter and the result need one rank of at least 3");
  }
  if (bias && bias->rank != 1) {
    return aicc_infer_fail(module, node, diags, "the bias must have one dimension");
  }
  const int64_t groups = aicc_get_int(node, AICC_ATTR_GROUP, 1);
  if (groups < 1) {
    return aicc_infer_fail(module, node, diags, "groups must be at least 1");
  }
  const bool nhwc = aicc_get_string(node, AICC_ATTR_LAYOUT, "nchw")[1] == 'h';
  const aicc_dim channels = x->dims[nhwc ? x->rank - 1 : 1];
  const aicc_dim wanted =
      node->op == AICC_OP_CONV
          ? aicc_dim_mul(module->dims, w->dims[1], aicc_dim_const(module->dims, groups))
          : w->dims[0];
  if (!nhwc && aicc_dims_differ(module, channels, wanted)) {
    return aicc_infer_fail(module, node, diags, "the tensor has %s channels, the filter takes %s",
                           aicc_dim_print(module->dims, channels, &diags->arena),
                           aicc_dim_print(module->dims, wanted, &diags->arena));
  }
  return AICC_OK;
}

static aicc_status check_attention(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  for (int i = 0; i < 3; i++) {
    if (node->in[i]->type.rank != 4) {
      return aicc_infer_fail(module, node, diags, "q, k and v need four dimensions");
    }
  }
  const aicc_dim *q = node->in[0]->type.dims, *k = node->in[1]->type.dims,
                 *v = node->in[2]->type.dims;
  if (aicc_dims_differ(module, q[3], k[3]) || aicc_dims_differ(module, k[2], v[2]) ||
      aicc_dims_differ(module, k[1], v[1])) {
    return aicc_infer_fail(module, node, diags,
                           "q[B,H,S,D], k[B,G,T,D] and v[B,G,T,E] do not fit");
  }
  return AICC_OK;
}

aicc_status aicc_check_contract(aicc_module *module, aicc_node *node, aicc_diags *diags) {
  switch (node->op) {
    case AICC_OP_CONV:
    case AICC_OP_CONV_TRANSPOSE: return check_conv(module, node, diags);
    case AICC_OP_ATTENTION: return check_attention(module, node, diags);
    default: return AICC_OK;
  }
}
