// Losses: of log-probabilities x[N,C,d..] against classes target[N,d..].
#include <string.h>

#include "frontend/import_math.h"

typedef struct loss {
  aicc_importer *im;
  const aicc_onnx_node *n;
  bool has_ignored;
  int64_t ignored;  // target that does not count
  int reduction;    // 0 none, 1 sum, 2 mean
} loss;

static aicc_status read_loss(aicc_importer *im, const aicc_onnx_node *n, loss *l) {
  static const char *const names[] = {"none", "sum", "mean"};
  *l = (loss){.im = im, .n = n, .has_ignored = aicc_onnx_has(n, "ignore_index")};
  l->ignored = aicc_onnx_int(n, "ignore_index", 0);
  const char *reduction = aicc_onnx_string(n, "reduction", "mean");
  if (aicc_in(n, 0)->type.rank < 2 || aicc_in(n, 1)->type.rank != aicc_in(n, 0)->type.rank - 1) {
    return aicc_invalid(im, n, "the target must have one dimension less than the scores");
  }
  for (; l->reduction < 3; l->reduction++) {
    if (strcmp(reduction, names[l->reduction]) == 0) {
      return AICC_OK;
    }
  }
  return aicc_invalid(im, n, "reduction is '%s'", reduction);
}

// The element of each column of |x| that |target| names, [N,d..].
static aicc_value *named_elements(aicc_builder *b, aicc_value *x, aicc_value *target) {
  aicc_value *const in[] = {x, aicc_b_unsqueeze(b, target, 1)};
  if (!in[0] || !in[1]) {
    return NULL;
  }
  aicc_node *node = aicc_node_create(b->module, AICC_OP_GATHER_ELEMENTS, in, 2, 1);
  aicc_set_int(b->module, node, AICC_ATTR_AXIS, 1);
  return aicc_b_squeeze(b, aicc_b_finish(b, node), 1);
}

static aicc_value *sum_all(aicc_builder *b, aicc_value *x) {
  return aicc_b_reduce(b, AICC_OP_REDUCE_SUM, x, NULL, 0, false);
}

// Log-probabilities |x| in the wide type.
static aicc_status reduce_loss(const loss *l, aicc_value *x) {
  aicc_builder *b = &l->im->b;
  aicc_value *target = aicc_in(l->n, 1), *weights = aicc_in(l->n, 2), *weight = NULL;
  const aicc_dtype dtype = aicc_in(l->n, 0)->type.dtype;
  if (!x) {
    return AICC_INVALID;
  }
  aicc_value *skipped = NULL, *zero = aicc_b_scalar_like(b, x, 0);
  if (l->has_ignored) {
    // What is skipped may be no class at all.
    skipped = aicc_b_binary(b, AICC_OP_EQ, target,
                            aicc_b_scalar_i64(b, target->type.dtype, l->ignored));
    target = aicc_b_select(b, skipped, aicc_b_scalar_i64(b, target->type.dtype, 0), target);
  }
  aicc_value *y = aicc_b_unary(b, AICC_OP_NEG, named_elements(b, x, target));
  if (weights) {
    weight = aicc_b_gather(b, aicc_b_cast(b, weights, x->type.dtype), target, 0);
    y = aicc_mul(b, y, weight);
  }
  if (skipped) {
    y = aicc_b_select(b, skipped, zero, y);
    weight = aicc_b_select(b, skipped, zero, weight ? weight : aicc_b_scalar_like(b, x, 1));
  }
  if (l->reduction > 0) {
    const aicc_dim count = aicc_type_count(l->im->module, &aicc_in(l->n, 1)->type);
    y = sum_all(b, y);
    if (l->reduction == 2) {
      y = aicc_div(b, y, weights || skipped ? sum_all(b, weight)
                                            : aicc_size_number(b, x->type.dtype, count));
    }
  }
  return aicc_set_out(l->im, l->n, 0, y ? aicc_b_cast(b, y, dtype) : NULL);
}

aicc_status import_nll_loss(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  loss l;
  AICC_TRY(read_loss(im, n, &l));
  return reduce_loss(&l, aicc_widen(&im->b, aicc_in(n, 0)));
}

aicc_status import_cross_entropy_loss(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  static const int64_t axes[] = {1};
  aicc_builder *b = &im->b;
  loss l;
  AICC_TRY(read_loss(im, n, &l));
  aicc_value *x = aicc_widen(b, aicc_in(n, 0));
  aicc_value *d = aicc_sub(b, x, aicc_b_reduce(b, AICC_OP_REDUCE_MAX, x, axes, 1, true));
  aicc_value *sum =
      aicc_b_reduce(b, AICC_OP_REDUCE_SUM, aicc_b_unary(b, AICC_OP_EXP, d), axes, 1, true);
  aicc_value *log_prob = aicc_sub(b, d, aicc_b_unary(b, AICC_OP_LOG, sum));
  AICC_TRY(reduce_loss(&l, log_prob));
  return aicc_wants_out(n, 1)
             ? aicc_set_out(im, n, 1, aicc_b_cast(b, log_prob, aicc_in(n, 0)->type.dtype))
             : AICC_OK;
}
