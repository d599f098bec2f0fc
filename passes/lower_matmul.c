// Matrix multiplies as contractions. Without batches in B, all leading dimensions of A are rows of
// one matrix.
#include <string.h>

#include "passes/contract.h"

static void batch_index(const contract *c, lower_kernel *lk, const kir_val *outer, kir_val m,
                        kir_val n, kir_val *index) {
  const int rank = c->root->type.rank;
  (void)lk;
  memcpy(index, outer, (size_t)c->outer_rank * sizeof *index);
  index[rank - 2] = m;
  index[rank - 1] = n;
}

static aicc_dim product_of(aicc_lower *lw, const aicc_dim *items, int count) {
  return aicc_dim_product(lw->module->dims, items, count);
}

// Strides of the batch dimensions of |type| seen from the result's: 0 where it broadcasts. |unit|
// is the stride of the last one. A size that may be 1 when the model runs is handled by a run-time
// select in the expression itself.
static void batch_strides(aicc_lower *lw, const aicc_type *type, const contract *c, aicc_dim unit,
                          aicc_dim *strides) {
  aicc_dims *dims = lw->module->dims;
  const int own = type->rank - 2;
  const aicc_dim zero = aicc_dim_const(dims, 0);
  for (int i = 0; i < c->outer_rank; i++) {
    const int k = i - (c->outer_rank - own);
    if (k < 0 || aicc_dim_is(dims, type->dims[k], 1)) {
      strides[i] = zero;
      continue;
    }
    const aicc_dim stride =
        aicc_dim_mul(dims, unit, product_of(lw, type->dims + k + 1, own - k - 1));
    const aicc_dim one = aicc_dim_eq(dims, type->dims[k], aicc_dim_const(dims, 1));
    strides[i] = type->dims[k] == c->outer[i] ? stride
                                              : aicc_dim_select(dims, one, zero, stride);
  }
}

static void lower_matmul(aicc_lower *lw, aicc_node *group, aicc_node *node) {
  aicc_dims *dims = lw->module->dims;
  const aicc_type *a = &node->in[0]->type, *b = &node->in[1]->type, *out = &node->out[0]->type;
  const aicc_dim one = aicc_dim_const(dims, 1), zero = aicc_dim_const(dims, 0);
  if (a->rank < 2 || b->rank < 2) {
    aicc_lower_unsupported(lw, node, "matmul operands must have two dimensions or more");
    return;
  }
  const bool trans_a = aicc_get_int(node, AICC_ATTR_TRANS_A, 0) != 0;
  const bool trans_b = aicc_get_int(node, AICC_ATTR_TRANS_B, 0) != 0;
  const aicc_dim *a2 = a->dims + a->rank - 2, *b2 = b->dims + b->rank - 2;
  contract c = {.lw = lw, .group = group, .root = node->out[0], .a = node->in[0]};
  c.columns_last = true;
  c.acc = lk_compute_type(out->dtype);
  c.m = a2[trans_a];
  c.a_row_stride = trans_a ? one : a2[1];
  c.a_k_stride[0] = trans_a ? a2[1] : one;
  c.b.value = node->in[1];
  c.b.transposed = trans_b;
  c.b.k_rank = 1;
  c.b.k_extent[0] = c.k_extent[0] = b2[trans_b];
  c.k_rank = 1;
  c.b.k_stride[0] = trans_b ? one : b2[1];
  c.b.n = b2[!trans_b];
  c.b.n_stride = trans_b ? b2[1] : one;
  c.b.batch = product_of(lw, b->dims, b->rank - 2);
  c.b.batch_stride = aicc_dim_mul(dims, b2[0], b2[1]);
  c.groups = one;
  c.a_group_stride = zero;
  const bool flat = aicc_dim_is(dims, c.b.batch, 1) && !trans_a && out->rank == a->rank &&
                    aicc_contract_flattens(lw, group->regions[0], node->out[0]);
  if (flat) {
    c.m = product_of(lw, a->dims, a->rank - 1);
    c.result_index = aicc_contract_flat_index;
  } else {
    c.outer_rank = out->rank - 2;
    memcpy(c.outer, out->dims, (size_t)c.outer_rank * sizeof *c.outer);
    batch_strides(lw, a, &c, aicc_dim_mul(dims, a2[0], a2[1]), c.outer_a_stride);
    batch_strides(lw, b, &c, one, c.outer_b_batch);
    c.result_index = batch_index;
  }
  aicc_contract_emit(&c);
}

void aicc_lower_contract(aicc_lower *lw, aicc_node *group) {
  aicc_node *node = group->regions[0]->first;
  while (node && aicc_kind_of(node) != AICC_KIND_CONTRACT) {
    node = node->next;
  }
  AICC_ASSERT(node);
  if (node->op == AICC_OP_MATMUL) {
    lower_matmul(lw, group, node);
  } else {
    aicc_lower_conv(lw, group, node);
  }
}
