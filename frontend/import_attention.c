// Attention of the standard, and what all attentions share.
#include "frontend/import_attention.h"

#include <math.h>

// --- heads and masks -----------------------------------------------------------------------------

aicc_value *aicc_split_heads(aicc_builder *b, aicc_value *x, aicc_dim heads) {
  static const int64_t perm[] = {0, 2, 1, 3};
  if (!x) {
    return NULL;
  }
  const aicc_dim *dims = x->type.dims;
  const aicc_dim split[] = {dims[0], dims[1], heads,
                            aicc_dim_floordiv(b->module->dims, dims[2], heads)};
  return aicc_b_transpose(b, aicc_b_reshape(b, x, split, 4), perm);
}

aicc_value *aicc_join_heads(aicc_builder *b, aicc_value *x) {
  static const int64_t perm[] = {0, 2, 1, 3};
  aicc_value *y = x ? aicc_b_transpose(b, x, perm) : NULL;
  if (!y) {
    return NULL;
  }
  const aicc_dim *dims = y->type.dims;
  const aicc_dim joined[] = {dims[0], dims[1], aicc_dim_mul(b->module->dims, dims[2], dims[3])};
  return aicc_b_reshape(b, y, joined, 3);
}

aicc_value *aicc_repeat_heads(aicc_builder *b, aicc_value *x, aicc_dim heads) {
  if (!x || x->type.dims[1] == heads) {
    return x;
  }
  const aicc_dim *dims = x->type.dims;
  const aicc_dim times = aicc_dim_floordiv(b->module->dims, heads, dims[1]);
  const aicc_dim spread[] = {dims[0], dims[1], times, dims[2], dims[3]};
  const aicc_dim joined[] = {dims[0], heads, dims[2], dims[3]};
  aicc_value *y = aicc_b_broadcast(b, aicc_b_unsqueeze(b, x, 2), spread, 5);
  return aicc_b_reshape(b, y, joined, 4);
}

aicc_value *aicc_query_positions(aicc_builder *b, aicc_dim size) {
  const aicc_dim dims[] = {size, aicc_dim_const(b->module->dims, 1)};
  return aicc_b_iota(b, AICC_I64, dims, 2, 0);
}

aicc_value *aicc_key_positions(aicc_builder *b, aicc_dim size) {
  const aicc_dim dims[] = {aicc_dim_const(b->module->dims, 1), size};
  return aicc_b_iota(b, AICC_I64, dims, 2, 1);
}

aicc_value *aicc_both(aicc_builder *b, aicc_value *x, aicc_value *y) {
  return !x ? y : !y ? x : aicc_b_binary(b, AICC_OP_AND, x, y);
}

// --- the chain -----------------------------------------------------------------------------------

// Softmax of the last dimension, in |precision|. Rows that are -inf throughout become 0 where they
// may occur.
static aicc_value *row_softmax(aicc_builder *b, aicc_value *scores, const aicc_attend *a) {
  if (!scores) {
    return NULL;
  }
  const int64_t axes[] = {scores->type.rank - 1};
  aicc_value *x = aicc_b_cast(b, scores, a->precision);
  if (!a->may_hide_row && !a->sink) {
    return aicc_softmax(b, x, (int)axes[0]);
  }
  aicc_value *zero = aicc_b_scalar_like(b, x, 0);
  aicc_value *sink = a->sink ? aicc_b_cast(b, a->sink, a->precision) : NULL;
  aicc_value *most = aicc_b_reduce(b, AICC_OP_REDUCE_MAX, x, axes, 1, true);
  most = sink ? aicc_max(b, most, sink) : most;
  aicc_value *hidden = sink ? NULL
                            : aicc_b_binary(b, AICC_OP_EQ, most,
                                            aicc_b_scalar_like(b, x, -(double)INFINITY));
  aicc_value *shift = hidden ? aicc_b_select(b, hidden, zero, most) : most;
  aicc_value *e = aicc_b_unary(b, AICC_OP_EXP, aicc_sub(b, x, shift));
  aicc_value *sum = aicc_b_reduce(b, AICC_OP_REDUCE_SUM, e, axes, 1, true);
  if (sink) {
    aicc_value *share = aicc_b_unary(b, AICC_OP_EXP, aicc_sub(b, sink, shift));
    return aicc_div(b, e, aicc_add(b, sum, share));
  }
  return aicc_b_select(b, hidden, zero, aicc_div(b, e, sum));
}

// q times k transposed, scaled: before the product for 16-bit types, whose range is narrow.
static aicc_value *scaled_scores(aicc_builder *b, const aicc_attend *a, aicc_value *k) {
  if (aicc_wide_dtype(a->q->type.dtype) != a->q->type.dtype) {
    aicc_value *q = aicc_mul_number(b, a->q, sqrt(a->scale));
    return aicc_matmul_trans(b, q, aicc_mul_number(b, k, sqrt(a->scale)), false, true);
  }
  return aicc_mul_number(b, aicc_matmul_trans(b, a->q, k, false, true), a->scale);
}

aicc_attended aicc_build_attention(aicc_builder *b, const aicc_attend *a) {
  aicc_attended r = {.y = NULL};
  if (!a->q || !a->k || !a->v) {
    return r;
  }
  const aicc_dim heads = a->q->type.dims[1];
  r.raw = scaled_scores(b, a, aicc_repeat_heads(b, a->k, heads));
  r.capped = r.raw;
  if (a->softcap > 0) {
    aicc_value *bent = aicc_b_unary(b, AICC_OP_TANH, aicc_div_number(b, r.raw, a->softcap));
    r.capped = aicc_mul_number(b, bent, a->softcap);
  }
  r.biased = r.capped;
  if (a->bias) {
    r.biased = aicc_add(b, r.biased, aicc_b_cast(b, a->bias, a->q->type.dtype));
  }
  if (a->allowed) {
    r.biased = aicc_b_select(b, a->allowed, r.biased,
                             aicc_b_scalar_like(b, r.biased, -(double)INFINITY));
  }
  aicc_value *weights = row_softmax(b, r.biased, a);
  r.weights = weights ? aicc_b_cast(b, weights, a->q->type.dtype) : NULL;
  aicc_value *v = aicc_repeat_heads(b, a->v, heads);
  aicc_value *same = r.weights ? aicc_b_cast(b, r.weights, a->v->type.dtype) : NULL;
  aicc_value *y = aicc_b_matmul(b, same, v);
  r.y = y ? aicc_b_cast(b, y, a->q->type.dtype) : NULL;
  return r;
}

// --- Attention -----------------------------------------------------------------------------------

typedef struct reading {
  aicc_importer *im;
  const aicc_onnx_node *n;
  aicc_attend a;
  aicc_value *past_lengths;  // i64 [B,1,1,1]: keys before the queries, where rows differ; or NULL
  aicc_dim past;             // else this many
} reading;

static aicc_status read_heads(reading *r) {
  aicc_importer *im = r->im;
  const aicc_onnx_node *n = r->n;
  aicc_value *const in[] = {aicc_in(n, 0), aicc_in(n, 1), aicc_in(n, 2)};
  aicc_value **out[] = {&r->a.q, &r->a.k, &r->a.v};
  const int64_t q_heads = aicc_onnx_int(n, "q_num_heads", 0);
  const int64_t kv_heads = aicc_onnx_int(n, "kv_num_heads", 0);
  for (int i = 0; i < 3; i++) {
    const int rank = in[i]->type.rank;
    const int64_t heads = i ? kv_heads : q_heads;
    if ((rank != 3 && rank != 4) || rank != in[0]->type.rank || (rank == 3 && heads < 1)) {
      return aicc_invalid(im, n,
                          "q, k and v must have 4 dimensions, or 3 with the numbers of heads");
    }
    *out[i] = rank == 4 ? in[i] : aicc_split_heads(&im->b, in[i], aicc_dim_const(im->dims, heads));
    if (!*out[i]) {
      return AICC_INVALID;
    }
  }
  int64_t q, kv;
  if (aicc_dim_is_const(im->dims, r->a.q->type.dims[1], &q) &&
      aicc_dim_is_const(im->dims, r->a.k->type.dims[1], &kv) && (kv < 1 || q % kv)) {
    return aicc_invalid(im, n, "%lld query heads do not share %lld key heads", (long long)q,
                        (long long)kv);
  }
  return AICC_OK;
}

// Appends to the cache, and says how many keys stand before the queries.
static aicc_status read_cache(reading *r) {
  aicc_builder *b = &r->im->b;
  const aicc_onnx_node *n = r->n;
  aicc_value *past_key = aicc_in(n, 4), *past_value = aicc_in(n, 5), *lengths = aicc_in(n, 6);
  r->past = aicc_dim_const(r->im->dims, 0);
  if (!past_key != !past_value || (past_key && lengths)) {
    return aicc_invalid(r->im, n, "past key and value go together, and without nonpad_kv_seqlen");
  }
  if (past_key) {
    if (past_key->type.rank != 4 || past_value->type.rank != 4) {
      return aicc_invalid(r->im, n, "past keys and values must have 4 dimensions");
    }
    r->past = past_key->type.dims[2];
    r->a.k = aicc_b_concat(b, (aicc_value *[]){past_key, r->a.k}, 2, 2);
    r->a.v = aicc_b_concat(b, (aicc_value *[]){past_value, r->a.v}, 2, 2);
  }
  if (!r->a.k || !r->a.v) {
    return AICC_INVALID;
  }
  if (lengths) {
    aicc_value *wide = aicc_along(b, aicc_b_cast(b, lengths, AICC_I64), 4, 0);
    aicc_value *key = aicc_key_positions(b, r->a.k->type.dims[2]);
    r->a.allowed = aicc_b_binary(b, AICC_OP_LT, key, wide);
    r->past_lengths = aicc_sub(b, wide, aicc_size_number(b, AICC_I64, r->a.q->type.dims[2]));
    r->a.may_hide_row = true;
  }
  return AICC_OK;
}

// A mask may be shorter than the keys: what it lacks is masked.
static aicc_status read_mask(reading *r) {
  aicc_builder *b = &r->im->b;
  aicc_dims *dims = r->im->dims;
  aicc_value *mask = aicc_in(r->n, 3);
  if (!mask) {
    return AICC_OK;
  }
  const int rank = mask->type.rank;
  const bool is_bool = mask->type.dtype == AICC_BOOL;
  if (rank < 1 || rank > 4) {
    return aicc_invalid(r->im, r->n, "the mask has %d dimensions; 1 to 4 are allowed", rank);
  }
  aicc_dim low[4], high[4];
  for (int i = 0; i < rank; i++) {
    low[i] = high[i] = aicc_dim_const(dims, 0);
  }
  high[rank - 1] = aicc_dim_sub(dims, r->a.k->type.dims[2], mask->type.dims[rank - 1]);
  mask = aicc_b_pad(b, mask, aicc_b_scalar_like(b, mask, is_bool ? 0 : -(double)INFINITY), low,
                    high, "constant");
  r->a.may_hide_row = true;
  if (is_bool) {
    r->a.allowed = aicc_both(b, r->a.allowed, mask);
  } else {
    r->a.bias = mask;
  }
  return mask ? AICC_OK : AICC_INVALID;
}

// Positions of the queries among the keys: [S,1], or [B,1,S,1].
static aicc_value *absolute_positions(const reading *r) {
  aicc_builder *b = &r->im->b;
  aicc_value *at = aicc_query_positions(b, r->a.q->type.dims[2]);
  if (r->past_lengths) {
    return aicc_add(b, at, r->past_lengths);
  }
  return aicc_dim_is(r->im->dims, r->past, 0)
             ? at : aicc_add(b, at, aicc_size_number(b, AICC_I64, r->past));
}

static aicc_status read_limits(reading *r) {
  aicc_builder *b = &r->im->b;
  const bool causal = aicc_onnx_int(r->n, "is_causal", 0) != 0;
  const int64_t left = aicc_onnx_int(r->n, "left_window_size", -1);
  const int64_t right = aicc_onnx_int(r->n, "right_window_size", -1);
  if (left < -1 || right < -1) {
    return aicc_invalid(r->im, r->n, "a window size is below -1");
  }
  if (!causal && left < 0 && right < 0) {
    return AICC_OK;
  }
  aicc_value *query = absolute_positions(r);
  aicc_value *key = aicc_key_positions(b, r->a.k->type.dims[2]);
  if (causal) {
    r->a.allowed = aicc_both(b, r->a.allowed, aicc_b_binary(b, AICC_OP_LE, key, query));
  }
  if (left >= 0) {
    aicc_value *first = aicc_sub(b, query, aicc_b_scalar_i64(b, AICC_I64, left));
    r->a.allowed = aicc_both(b, r->a.allowed, aicc_b_binary(b, AICC_OP_GE, key, first));
    r->a.may_hide_row = true;
  }
  if (right >= 0) {
    aicc_value *last = aicc_add(b, query, aicc_b_scalar_i64(b, AICC_I64, right));
    r->a.allowed = aicc_both(b, r->a.allowed, aicc_b_binary(b, AICC_OP_LE, key, last));
  }
  return r->a.allowed ? AICC_OK : AICC_INVALID;
}

aicc_status aicc_usual_scale(aicc_importer *im, const aicc_onnx_node *n, aicc_dim head_size,
                             double *scale) {
  int64_t size = 0;
  if (!aicc_dim_is_const(im->dims, head_size, &size) || size < 1) {
    return aicc_unsupported(im, n, "a head size that is not known at compile time");
  }
  *scale = 1 / sqrt((double)size);
  return AICC_OK;
}

static aicc_status read_numbers(reading *r) {
  const aicc_onnx_node *n = r->n;
  const aicc_dtype wide = aicc_wide_dtype(r->a.q->type.dtype);
  r->a.softcap = (double)aicc_onnx_float(n, "softcap", 0);
  r->a.scale = (double)aicc_onnx_float(n, "scale", 0);
  r->a.precision = wide;
  if (!aicc_onnx_has(n, "scale")) {
    AICC_TRY(aicc_usual_scale(r->im, n, r->a.q->type.dims[3], &r->a.scale));
  }
  aicc_dtype asked;
  if (aicc_onnx_has(n, "softmax_precision") &&
      aicc_dtype_from_onnx((int)aicc_onnx_int(n, "softmax_precision", 1), &asked) &&
      asked == AICC_F64) {
    r->a.precision = AICC_F64;  // f32 serves the narrower ones
  }
  return AICC_OK;
}

static aicc_status set_scores(const reading *r, const aicc_attended *done) {
  const int64_t mode = aicc_onnx_int(r->n, "qk_matmul_output_mode", 0);
  aicc_value *const modes[] = {done->raw, done->capped, done->biased, done->weights};
  if (!aicc_wants_out(r->n, 3)) {
    return AICC_OK;
  }
  if (mode < 0 || mode > 3) {
    return aicc_invalid(r->im, r->n, "qk_matmul_output_mode is %lld", (long long)mode);
  }
  return aicc_set_out(r->im, r->n, 3, modes[mode]);
}

aicc_status import_attention(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  reading r = {.im = im, .n = n};
  AICC_TRY(read_heads(&r));
  AICC_TRY(read_cache(&r));
  AICC_TRY(read_mask(&r));
  AICC_TRY(read_limits(&r));
  AICC_TRY(read_numbers(&r));
  const aicc_attended done = aicc_build_attention(&im->b, &r.a);
  const bool joined = aicc_in(n, 0)->type.rank == 3;
  AICC_TRY(aicc_set_out(im, n, 0, joined ? aicc_join_heads(&im->b, done.y) : done.y));
  AICC_TRY(aicc_set_out(im, n, 1, r.a.k));
  AICC_TRY(aicc_set_out(im, n, 2, r.a.v));
  return set_scores(&r, &done);
}
