// FlexAttention: attention whose scores and weights are changed by graphs of the model.
#include <math.h>

#include "frontend/import_attention.h"

typedef struct flex {
  aicc_value *q, *k, *v;  // [B,H,S,D], [B,H,T,D], [B,H,T,E]
  double scale;
  aicc_dtype precision;   // of scores and weights
} flex;

static aicc_status read_flex(aicc_importer *im, const aicc_onnx_node *n, flex *f) {
  aicc_value *q = aicc_in(n, 0), *k = aicc_in(n, 1), *v = aicc_in(n, 2);
  int64_t size;
  if (q->type.rank != 4 || k->type.rank != 4 || v->type.rank != 4) {
    return aicc_invalid(im, n, "Q, K and V have 4 dimensions");
  }
  if (aicc_onnx_has(n, "scale")) {
    f->scale = (double)aicc_onnx_float(n, "scale", 1);
  } else if (aicc_dim_is_const(im->dims, q->type.dims[3], &size) && size > 0) {
    f->scale = 1 / sqrt((double)size);
  } else {
    return aicc_unsupported(im, n, "a head size that is not known at compile time, without scale");
  }
  const int64_t precision = aicc_onnx_int(n, "softmax_precision", 0);
  f->precision = aicc_wide_dtype(q->type.dtype);
  if (precision && !aicc_dtype_from_onnx((int)precision, &f->precision)) {
    return aicc_unsupported(im, n, "softmax_precision %lld", (long long)precision);
  }
  const aicc_dim heads = q->type.dims[1];
  f->q = q;
  f->k = aicc_repeat_heads(&im->b, k, heads);
  f->v = aicc_repeat_heads(&im->b, v, heads);
  return f->k && f->v ? AICC_OK : AICC_INVALID;
}

// What the graph of attribute |name| makes of |x|; x where there is none. Of x's shape and type.
static aicc_status change(aicc_importer *im, const aicc_onnx_node *n, const char *name,
                          aicc_value *x, aicc_value **out) {
  *out = x;
  if (!x || !aicc_onnx_has(n, name)) {
    return x ? AICC_OK : AICC_INVALID;
  }
  const Onnx__GraphProto *graph = aicc_onnx_graph(n, name);
  if (!graph || graph->n_output != 1) {
    return aicc_invalid(im, n, "'%s' must yield one value", name);
  }
  AICC_TRY(aicc_import_inline(im, n, graph, &x, 1, out));
  if ((*out)->type.kind != AICC_TYPE_TENSOR || (*out)->type.rank != x->type.rank) {
    return aicc_invalid(im, n, "'%s' changes the number of dimensions", name);
  }
  *out = aicc_b_cast(&im->b, *out, x->type.dtype);
  return AICC_OK;
}

aicc_status import_flex_attention(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  flex f;
  AICC_TRY(read_flex(im, n, &f));
  const aicc_dtype dtype = f.q->type.dtype;
  aicc_value *scores;
  if (aicc_wide_dtype(dtype) == dtype) {
    scores = aicc_matmul_trans(b, f.q, f.k, false, true);
    scores = scores ? aicc_mul_number(b, scores, f.scale) : NULL;
  } else {
    // 16-bit types have a narrow range: both sides are scaled before the product.
    aicc_value *q = aicc_mul_number(b, f.q, sqrt(f.scale));
    scores = aicc_matmul_trans(b, q, aicc_mul_number(b, f.k, sqrt(f.scale)), false, true);
  }
  scores = scores ? aicc_b_cast(b, scores, f.precision) : NULL;
  AICC_TRY(change(im, n, "score_mod", scores, &scores));
  aicc_value *weights = aicc_softmax(b, scores, 3);
  AICC_TRY(change(im, n, "prob_mod", weights, &weights));
  aicc_value *y = aicc_b_matmul(b, weights, aicc_b_cast(b, f.v, f.precision));
  return aicc_set_out(im, n, 0, y ? aicc_b_cast(b, y, dtype) : NULL);
}
