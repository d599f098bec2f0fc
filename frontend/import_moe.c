// com.microsoft MoE: each row goes through the k experts that its router scores highest.
//
// Every expert computes every row, and rows that it was not chosen for count 0: the sizes are then
// known before the run, at the price of the products that are thrown away.
#include <math.h>
#include <string.h>

#include "frontend/import_float.h"

typedef struct mixture {
  aicc_importer *im;
  const aicc_onnx_node *n;
  aicc_dim rows, hidden, experts, inner;  // inner: what the second product sums over
  aicc_value *x;        // [1, rows, hidden] in the wide type
  aicc_value *share;    // [experts, rows, 1]
} mixture;

static aicc_dim count_of(const mixture *m, const aicc_type *type) {
  return aicc_dim_product(m->im->dims, type->dims, type->rank);
}

static aicc_status read_sizes(mixture *m) {
  aicc_importer *im = m->im;
  aicc_value *x = aicc_in(m->n, 0), *router = aicc_in(m->n, 1);
  aicc_value *first = aicc_in(m->n, 2), *second = aicc_in(m->n, 4);
  if (!first || !second || x->type.rank < 2 || x->type.rank > 3 || router->type.rank != 2 ||
      first->type.rank != 3 || second->type.rank != 3) {
    return aicc_invalid(im, m->n, "an operand is missing, or of a wrong number of dimensions");
  }
  m->hidden = x->type.dims[x->type.rank - 1];
  m->rows = aicc_dim_product(im->dims, x->type.dims, x->type.rank - 1);
  m->experts = second->type.dims[0];
  // Older files state [experts, from, to] of weights that lie as [experts, to, from].
  m->inner = second->type.dims[1] == m->hidden ? second->type.dims[2] : second->type.dims[1];
  const aicc_dim flat[] = {aicc_dim_const(im->dims, 1), m->rows, m->hidden};
  m->x = aicc_widen(im, aicc_b_reshape(&im->b, x, flat, 3));
  return m->x ? AICC_OK : AICC_INVALID;
}

// Shares of the experts: the softmax of the chosen scores, or of all of which the chosen ones
// count.
static aicc_status read_shares(mixture *m) {
  static const int64_t last[] = {1}, to_front[] = {1, 0};
  aicc_importer *im = m->im;
  aicc_builder *b = &im->b;
  const int64_t k = aicc_onnx_int(m->n, "k", 1);
  const bool normal = aicc_onnx_int(m->n, "normalize_routing_weights", 0) != 0;
  int64_t experts;
  if (!aicc_dim_is_const(im->dims, m->experts, &experts) || k < 1 || k > experts) {
    return aicc_invalid(im, m->n, "k is %lld", (long long)k);
  }
  aicc_value *scores = aicc_widen(im, aicc_in(m->n, 1));
  const aicc_dim chosen[] = {m->rows, aicc_dim_const(im->dims, k)};
  aicc_node *node = aicc_node_create(im->module, AICC_OP_TOPK, &scores, 1, 2);
  aicc_set_int(im->module, node, AICC_ATTR_AXIS, 1);
  aicc_set_int(im->module, node, AICC_ATTR_LARGEST, 1);
  aicc_set_int(im->module, node, AICC_ATTR_SORTED, 1);
  node->out[0]->type = aicc_type_tensor(im->module, scores->type.dtype, chosen, 2);
  node->out[1]->type = aicc_type_tensor(im->module, AICC_I64, chosen, 2);
  if (!aicc_b_finish(b, node)) {
    return AICC_INVALID;
  }
  const aicc_dim one = aicc_dim_const(im->dims, 1), numbers[] = {one, one, m->experts};
  aicc_value *number = aicc_b_iota(b, AICC_I64, numbers, 3, 2);
  aicc_value *hit = aicc_b_binary(b, AICC_OP_EQ, aicc_b_unsqueeze(b, node->out[1], 2), number);
  aicc_value *is_chosen = aicc_b_reduce(b, AICC_OP_REDUCE_MAX, hit, last, 1, false);
  aicc_value *most = aicc_b_reduce(b, AICC_OP_REDUCE_MAX, scores, last, 1, true);
  aicc_value *e = aicc_f_unary(im, AICC_OP_EXP, aicc_f_sub(im, scores, most));
  aicc_value *counted = e ? aicc_b_select(b, is_chosen, e, aicc_b_scalar_like(b, e, 0)) : NULL;
  aicc_value *sum = aicc_b_reduce(b, AICC_OP_REDUCE_SUM, normal ? counted : e, last, 1, true);
  aicc_value *share = aicc_b_transpose(b, aicc_f_div(im, counted, sum), to_front);
  m->share = share ? aicc_b_unsqueeze(b, share, 2) : NULL;
  return m->share ? AICC_OK : AICC_INVALID;
}

// x [1 or experts, rows, from] through weights and bias |i| and i + 1: [experts, rows, to].
static aicc_value *layer(const mixture *m, aicc_value *x, int i, aicc_dim from) {
  static const int64_t transposed[] = {0, 2, 1};
  aicc_importer *im = m->im;
  aicc_builder *b = &im->b;
  aicc_value *weights = aicc_in(m->n, i), *bias = aicc_in(m->n, i + 1);
  const aicc_dim to = aicc_dim_floordiv(im->dims, count_of(m, &weights->type),
                                        aicc_dim_mul(im->dims, m->experts, from));
  const aicc_dim shape[] = {m->experts, to, from};
  aicc_value *w = aicc_widen(im, aicc_b_reshape(b, weights, shape, 3));
  aicc_value *y = w ? aicc_b_matmul(b, x, aicc_b_transpose(b, w, transposed)) : NULL;
  return bias ? aicc_f_add(im, y, aicc_b_unsqueeze(b, aicc_widen(im, bias), 1)) : y;
}

// The gate and the linear part of a layer of twice the width: neighbours, or halves.
static void split_gate(const mixture *m, aicc_value *y, int64_t fusion, aicc_value **parts) {
  aicc_dims *dims = m->im->dims;
  const aicc_dim zero = aicc_dim_const(dims, 0), one = aicc_dim_const(dims, 1);
  const int64_t step = fusion == 1 ? 2 : 1;
  parts[0] = aicc_b_slice(&m->im->b, y, 2, zero, m->inner, step);
  parts[1] = aicc_b_slice(&m->im->b, y, 2, fusion == 1 ? one : m->inner, m->inner, step);
}

// clamp(g) sigmoid(alpha clamp(g)) (clamp(l) + beta)
static aicc_status swiglu(const mixture *m, aicc_value *y, aicc_value **out) {
  aicc_importer *im = m->im;
  const int64_t fusion = aicc_onnx_int(m->n, "swiglu_fusion", 0);
  const double limit = (double)aicc_onnx_float(m->n, "swiglu_limit", INFINITY);
  aicc_value *parts[2] = {y, NULL};
  if (fusion == 0 && aicc_in(m->n, 6)) {
    parts[1] = layer(m, m->x, 6, m->hidden);
  } else if (fusion == 1 || fusion == 2) {
    split_gate(m, y, fusion, parts);
  } else {
    return aicc_invalid(im, m->n, "swiglu_fusion is %lld", (long long)fusion);
  }
  if (limit < (double)INFINITY) {
    parts[0] = aicc_f_min_c(im, parts[0], limit);
    parts[1] = aicc_f_min_c(im, aicc_f_max_c(im, parts[1], -limit), limit);
  }
  aicc_value *bent = aicc_f_mul_c(im, parts[0],
                                  (double)aicc_onnx_float(m->n, "activation_alpha", 1));
  aicc_value *gate = aicc_f_mul(im, parts[0], aicc_f_unary(im, AICC_OP_SIGMOID, bent));
  aicc_value *linear = aicc_f_add_c(im, parts[1],
                                    (double)aicc_onnx_float(m->n, "activation_beta", 0));
  *out = aicc_f_mul(im, gate, linear);
  return AICC_OK;
}

static aicc_status activate(const mixture *m, aicc_value *y, aicc_value **out) {
  aicc_importer *im = m->im;
  const char *name = aicc_onnx_string(m->n, "activation_type", "relu");
  const char *const others[] = {"activation_alpha", "activation_beta", "swiglu_limit",
                                "swiglu_fusion"};
  if (!y) {
    return AICC_INVALID;
  }
  if (strcmp(name, "swiglu") == 0) {
    return swiglu(m, y, out);
  }
  for (int i = 0; i < 4; i++) {
    aicc_onnx_has(m->n, others[i]);  // of swiglu alone
  }
  if (aicc_in(m->n, 6)) {
    return aicc_unsupported(im, m->n, "a third layer with activation '%s'", name);
  }
  *out = strcmp(name, "relu") == 0   ? aicc_f_max_c(im, y, 0)
         : strcmp(name, "gelu") == 0 ? aicc_tanh_gelu(im, y)
         : strcmp(name, "silu") == 0 ? aicc_f_mul(im, y, aicc_f_unary(im, AICC_OP_SIGMOID, y))
         : strcmp(name, "identity") == 0 ? y
                                         : NULL;
  return *out ? AICC_OK : aicc_unsupported(im, m->n, "activation '%s'", name);
}

aicc_status import_moe(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  static const int64_t experts[] = {0};
  mixture m = {.im = im, .n = n};
  aicc_value *y = NULL;
  if (aicc_onnx_int(n, "use_sparse_mixer", 0) ||
      aicc_onnx_int(n, "swiglu_limit_after_activation", 0)) {
    return aicc_unsupported(im, n, "use_sparse_mixer, or swiglu_limit_after_activation");
  }
  AICC_TRY(read_sizes(&m));
  AICC_TRY(read_shares(&m));
  AICC_TRY(activate(&m, layer(&m, m.x, 2, m.hidden), &y));
  y = aicc_f_mul(im, layer(&m, y, 4, m.inner), m.share);
  y = aicc_b_reduce(&im->b, AICC_OP_REDUCE_SUM, y, experts, 1, false);
  const aicc_type *to = &aicc_in(n, 0)->type;
  return aicc_set_out_like_in(im, n, y ? aicc_b_reshape(&im->b, y, to->dims, to->rank) : NULL);
}
