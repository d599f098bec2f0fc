// Parts of all kernels of attention: reading the operator, and what happens to scores and sums.
#include <math.h>
#include <string.h>

#include "passes/lower_attention.h"

bool attend_read(attend *a) {
  aicc_dims *dims = a->lw->module->dims;
  const aicc_node *node = a->node;
  int64_t groups = 0;
  int count = 0;
  a->q = node->in[0];
  a->k = node->in[1];
  a->v = node->in[2];
  a->bias = node->in_count > 3 ? node->in[3] : NULL;
  a->scale = aicc_get_float(node, AICC_ATTR_SCALE, 0);
  a->softcap = aicc_get_float(node, AICC_ATTR_SOFTCAP, 0);
  a->causal = aicc_get_int(node, AICC_ATTR_CAUSAL, 0) != 0;
  const aicc_dim *past = aicc_get_dims(node, AICC_ATTR_PAST, &count);
  a->past = count == 1 ? past[0] : aicc_dim_sub(dims, a->k->type.dims[2], a->q->type.dims[2]);
  a->mode = aicc_get_string(node, AICC_ATTR_MODE, "zero");
  const bool known = aicc_dim_is_const(dims, a->q->type.dims[3], &a->d) &&
                     aicc_dim_is_const(dims, a->v->type.dims[3], &a->e) &&
                     aicc_dim_is_const(dims, a->q->type.dims[1], &a->heads) &&
                     aicc_dim_is_const(dims, a->k->type.dims[1], &groups);
  if (!known || a->d < 1 || a->e < 1 || groups < 1 || a->heads % groups != 0 ||
      lk_compute_type(a->q->type.dtype) != AICC_F32) {
    return false;
  }
  a->per_group = a->heads / groups;
  a->scale = a->scale == 0 ? 1 / sqrt((double)a->d) : a->scale;
  return true;
}

aicc_dim attend_flops(const attend *a) {
  aicc_dims *dims = a->lw->module->dims;
  const aicc_dim parts[] = {a->q->type.dims[0], a->q->type.dims[2], a->k->type.dims[2],
                            aicc_dim_const(dims, 2 * a->heads * (a->d + a->e))};
  return aicc_dim_product(dims, parts, 4);
}

kir_val attend_group(attend *a, kir_val head) {
  return a->per_group == 1
             ? head
             : kir_scalar2(&a->lk.b, AICC_OP_DIV, head, lk_i64(&a->lk, a->per_group));
}

kir_val attend_task(attend *a, aicc_dim blocks) {
  lower_kernel *lk = &a->lk;
  const kir_val extents[] = {0, lk_i64(lk, a->heads), lk_dim(lk, blocks)};
  kir_val at[3];
  lk_split(lk, kir_task(&lk->b), extents, 3, at);
  a->b = at[0];
  a->h = at[1];
  a->g = attend_group(a, at[1]);
  a->s_size = lk_dim(lk, a->q->type.dims[2]);
  a->t_size = lk_dim(lk, a->k->type.dims[2]);
  return at[2];
}

// --- scores --------------------------------------------------------------------------------------

bool attend_bias_varies(const attend *a) {
  const aicc_type *type = &a->bias->type;
  return type->rank >= 2 && !aicc_dim_is(a->lw->module->dims, type->dims[type->rank - 2], 1);
}

kir_val attend_bias(attend *a, kir_val query, kir_val t) {
  const aicc_type *type = &a->bias->type;
  const kir_val whole[] = {a->b, a->h, query, t};
  kir_val index[4];
  for (int i = 0; i < type->rank; i++) {
    index[i] = aicc_dim_is(a->lw->module->dims, type->dims[i], 1) ? lk_i64(&a->lk, 0)
                                                                  : whole[4 - type->rank + i];
  }
  return kir_cast(&a->lk.b, lk_elem(&a->lk, a->bias, index), AICC_F32, false);
}

kir_val attend_bend(attend *a, kir_val score, kir_val bias) {
  lower_kernel *lk = &a->lk;
  kir_builder *b = &lk->b;
  if (a->softcap > 0) {
    const kir_val part = kir_mul(b, score, attend_number(a, 1 / a->softcap));
    score = kir_mul(b, kir_scalar1(b, AICC_OP_TANH, part), attend_number(a, a->softcap));
  }
  if (bias) {
    const aicc_dtype type = a->q->type.dtype;
    score = lk_round(lk, type, kir_add(b, lk_round(lk, type, score), bias));
  }
  return score;
}

kir_val attend_limit(attend *a, kir_val score, kir_val query, kir_val key) {
  kir_builder *b = &a->lk.b;
  if (!a->causal) {
    return score;
  }
  const kir_val limit = kir_add(b, query, lk_dim(&a->lk, a->past));
  return kir_select(b, kir_scalar2(b, AICC_OP_LE, key, limit), score,
                    attend_number(a, -INFINITY));
}

kir_val attend_finish_score(attend *a, kir_val score, kir_val bias, kir_val query, kir_val key) {
  return attend_limit(a, attend_bend(a, score, bias), query, key);
}

// --- results -------------------------------------------------------------------------------------

kir_val attend_inverse(attend *a, kir_val total) {
  kir_builder *b = &a->lk.b;
  const kir_val inverse = kir_scalar1(b, AICC_OP_RECIP, total);
  if (strcmp(a->mode, "nan") == 0) {
    return inverse;
  }
  const kir_val zero = attend_number(a, 0);
  return strcmp(a->mode, "guard") == 0
             ? kir_select(b, kir_scalar2(b, AICC_OP_GT, total, zero), inverse, zero)
             : kir_select(b, kir_scalar2(b, AICC_OP_EQ, total, zero), zero, inverse);
}

kir_val attend_scaled_sum(attend *a, kir_val sum, kir_val total, kir_val inverse) {
  kir_builder *b = &a->lk.b;
  if (strcmp(a->mode, "guard") == 0) {  // sums of NaN rows are NaN: 0 * NaN would stay one
    const kir_val zero = attend_number(a, 0);
    sum = kir_select(b, kir_scalar2(b, AICC_OP_GT, total, zero), sum, zero);
  }
  return kir_mul(b, sum, inverse);
}

kir_val attend_place(attend *a, const kir_val *index) {
  const aicc_value *result = a->group->regions[0]->results[0];
  int rank;
  const int64_t *perm = result->def->op == AICC_OP_TRANSPOSE
                            ? aicc_get_ints(result->def, AICC_ATTR_PERM, &rank) : NULL;
  kir_val place[4];
  for (int i = 0; i < 4; i++) {
    place[i] = index[perm ? perm[i] : i];
  }
  return lk_linear(&a->lk, &result->type, place);
}

void attend_store(attend *a, kir_val out, const kir_val *index, kir_val value) {
  const aicc_value *result = a->group->regions[0]->results[0];
  lk_store(&a->lk, out, result->type.dtype, attend_place(a, index), value);
}
