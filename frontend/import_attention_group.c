// com.microsoft GroupQueryAttention: causal attention over a cache, the operator of
// onnxruntime-genai's language models.
//
// A growing cache has max(past, total) positions in the present. Row b of the batch has its own
// number of keys before the new ones, past[b] = max(0, seqlens_k[b] + 1 - S): in a first prompt
// none, and padded rows of it are written like the others. Positions behind the new keys are 0, and
// masked for being later.
#include <string.h>

#include "frontend/import_attention.h"

typedef struct group {
  aicc_importer *im;
  const aicc_onnx_node *n;
  aicc_attend a;
  aicc_value *last;   // i64 [B,1,1,1]: the last key of each row,
  aicc_value *past;   // and how many there are before the new ones
  aicc_dim total;     // keys of the longest row
  int64_t window;     // -1: none
  bool windowed;      // the cache is
  aicc_value *key_at;      // i64, broadcast to [B,1,S,T]: which token each key is of
  aicc_value *present[2];
} group;

// q, k and v as [B,heads,S,D], from three operands or from one that holds q's heads, k's and v's.
static aicc_status read_heads(group *g) {
  aicc_importer *im = g->im;
  aicc_builder *b = &im->b;
  const aicc_onnx_node *n = g->n;
  const int64_t heads = aicc_onnx_int(n, "num_heads", 0);
  const int64_t kv_heads = aicc_onnx_int(n, "kv_num_heads", 0);
  aicc_value *in[] = {aicc_in(n, 0), aicc_in(n, 1), aicc_in(n, 2)};
  if (heads < 1 || kv_heads < 1 || heads % kv_heads || !in[1] != !in[2]) {
    return aicc_invalid(im, n, "%lld query heads do not share %lld key heads, or k or v is missing",
                        (long long)heads, (long long)kv_heads);
  }
  if (in[0]->type.rank != 3 || (in[1] && (in[1]->type.rank != 3 || in[2]->type.rank != 3))) {
    return aicc_invalid(im, n, "q, k and v must have 3 dimensions");
  }
  const int64_t counts[] = {heads, kv_heads, kv_heads};
  const aicc_dim width = in[0]->type.dims[2];
  const aicc_dim sharing = aicc_dim_const(im->dims, in[1] ? heads : heads + 2 * kv_heads);
  const aicc_dim size = aicc_dim_floordiv(im->dims, width, sharing);
  aicc_value *packed = in[1] ? NULL : in[0];
  aicc_value **out[] = {&g->a.q, &g->a.k, &g->a.v};
  aicc_dim at = aicc_dim_const(im->dims, 0);
  for (int i = 0; i < 3; i++) {
    const aicc_dim count = aicc_dim_const(im->dims, counts[i]);
    const aicc_dim part = aicc_dim_mul(im->dims, size, count);
    aicc_value *x = packed ? aicc_b_slice(b, packed, 2, at, part, 1) : in[i];
    *out[i] = aicc_split_heads(b, x, count);
    at = aicc_dim_add(im->dims, at, part);
  }
  return g->a.q && g->a.k && g->a.v ? AICC_OK : AICC_INVALID;
}

static aicc_status read_lengths(group *g) {
  aicc_builder *b = &g->im->b;
  aicc_value *lengths = aicc_in(g->n, 5);
  const aicc_dim *total;
  int count;
  if (!lengths || !aicc_in(g->n, 6)) {
    return aicc_invalid(g->im, g->n, "seqlens_k or total_sequence_length is missing");
  }
  AICC_TRY(aicc_in_dims(g->im, g->n, 6, &total, &count));
  if (count != 1) {
    return aicc_invalid(g->im, g->n, "total_sequence_length has %d elements, not 1", count);
  }
  g->total = total[0];
  const aicc_dim one = aicc_dim_const(g->im->dims, 1);
  const aicc_dim spread[] = {g->a.q->type.dims[0], one, one, one};
  g->last = aicc_b_reshape(b, aicc_b_cast(b, lengths, AICC_I64), spread, 4);
  aicc_value *news = aicc_size_number(b, AICC_I64, g->a.q->type.dims[2]);
  aicc_value *before = aicc_sub(b, aicc_add(b, g->last, aicc_b_scalar_i64(b, AICC_I64, 1)), news);
  g->past = aicc_max(b, before, aicc_b_scalar_i64(b, AICC_I64, 0));
  return g->past ? AICC_OK : AICC_INVALID;
}

static aicc_status rotate_operands(group *g) {
  aicc_importer *im = g->im;
  aicc_builder *b = &im->b;
  const aicc_onnx_node *n = g->n;
  aicc_value *cosine = aicc_in(n, 7), *sine = aicc_in(n, 8), *ids = aicc_in(n, 9);
  const bool interleaved = aicc_onnx_int(n, "rotary_interleaved", 0) != 0;
  int64_t half;
  if (!aicc_onnx_int(n, "do_rotary", 0)) {
    return AICC_OK;
  }
  if (!cosine || !sine || cosine->type.rank != 2 || sine->type.rank != 2 ||
      !aicc_dim_is_const(im->dims, cosine->type.dims[1], &half)) {
    return aicc_invalid(im, n, "do_rotary without tables of cosines and sines of a known width");
  }
  if (!ids) {
    const aicc_dim one = aicc_dim_const(im->dims, 1);
    const aicc_dim rows[] = {g->a.q->type.dims[0], one}, row[] = {one, g->a.q->type.dims[2]};
    ids = aicc_add(b, aicc_b_reshape(b, g->past, rows, 2), aicc_b_iota(b, AICC_I64, row, 2, 1));
  }
  g->a.q = aicc_rotate_heads(b, g->a.q, cosine, sine, ids, interleaved);
  g->a.k = aicc_rotate_heads(b, g->a.k, cosine, sine, ids, interleaved);
  return g->a.q && g->a.k ? AICC_OK : AICC_INVALID;
}

// |news| [B,G,S,D] behind the row's part of the |past|, in |size| positions.
static aicc_value *append(const group *g, aicc_value *past, aicc_value *news, aicc_dim size) {
  aicc_builder *b = &g->im->b;
  aicc_dims *table = g->im->dims;
  const aicc_dim zero = aicc_dim_const(table, 0);
  const aicc_dim *from = news->type.dims;
  const aicc_dim dims[] = {from[0], from[1], size, from[3]};
  const aicc_written w = aicc_write_rows(b, news, g->past, dims, 2, false);
  aicc_value *nothing = aicc_b_scalar_like(b, news, 0), *before = nothing;
  if (past) {
    const aicc_dim low[] = {zero, zero, zero, zero};
    const aicc_dim high[] = {zero, zero, aicc_dim_sub(table, size, past->type.dims[2]), zero};
    const aicc_dim along[] = {aicc_dim_const(table, 1), aicc_dim_const(table, 1), size,
                              aicc_dim_const(table, 1)};
    aicc_value *old = aicc_b_binary(b, AICC_OP_LT, aicc_b_iota(b, AICC_I64, along, 4, 2), g->past);
    before = aicc_b_select(b, old, aicc_b_pad(b, past, nothing, low, high, "constant"), nothing);
  }
  return aicc_b_select(b, w.written, w.rows, before);
}

static aicc_value *number(const group *g, int64_t value) {
  return aicc_b_scalar_i64(&g->im->b, AICC_I64, value);
}

// How many positions a windowed cache of |capacity| holds after |tokens|.
static aicc_value *kept(const group *g, aicc_value *tokens, aicc_dim capacity) {
  aicc_builder *b = &g->im->b;
  aicc_value *room = aicc_size_number(b, AICC_I64, capacity), *one = number(g, 1);
  aicc_value *step = aicc_sub(b, aicc_add(b, room, one), number(g, g->window));
  aicc_value *over = aicc_max(b, aicc_sub(b, tokens, room), number(g, 0));
  aicc_value *steps = aicc_div(b, aicc_sub(b, aicc_add(b, over, step), one), step);
  return aicc_sub(b, tokens, aicc_mul(b, step, steps));
}

// |old| and |news|, side by side, as a windowed cache of the size of |old|: position i is that of
// token T - L(T) + i, which stands where |first| (of the token that is at 0 in |old|) and the past
// say.
static aicc_value *slide(const group *g, aicc_value *both, aicc_value *first, aicc_dim capacity) {
  aicc_builder *b = &g->im->b;
  aicc_dims *table = g->im->dims;
  const aicc_dim one = aicc_dim_const(table, 1);
  const aicc_dim along[] = {one, one, capacity, one};
  const aicc_dim *from = both->type.dims;
  const aicc_dim dims[] = {from[0], from[1], capacity, from[3]};
  aicc_value *tokens = aicc_add(b, g->last, number(g, 1));
  aicc_value *held = kept(g, tokens, capacity);
  aicc_value *row = aicc_b_iota(b, AICC_I64, along, 4, 2);
  aicc_value *token = aicc_add(b, aicc_sub(b, tokens, held), row);
  aicc_value *in_old = aicc_sub(b, token, first);
  aicc_value *in_new = aicc_add(b, aicc_sub(b, token, g->past),
                                aicc_size_number(b, AICC_I64, capacity));
  aicc_value *at = aicc_b_select(b, aicc_b_binary(b, AICC_OP_LT, token, g->past), in_old, in_new);
  aicc_value *is_held = aicc_b_binary(b, AICC_OP_LT, row, held);
  aicc_value *index = aicc_b_broadcast(b, aicc_b_select(b, is_held, at, number(g, 0)), dims, 4);
  if (!index) {
    return NULL;
  }
  aicc_value *const in[] = {both, index};
  aicc_node *node = aicc_node_create(g->im->module, AICC_OP_GATHER_ELEMENTS, in, 2, 1);
  aicc_set_int(g->im->module, node, AICC_ATTR_AXIS, 2);
  aicc_value *rows = aicc_b_finish(b, node);
  return rows ? aicc_b_select(b, is_held, rows, aicc_b_scalar_like(b, rows, 0)) : NULL;
}

static aicc_status read_windowed(group *g, aicc_value *key, aicc_value *value) {
  aicc_builder *b = &g->im->b;
  if (!key || g->window < 1) {
    return aicc_invalid(g->im, g->n, "sliding_window_cache without a past, or without a window");
  }
  const aicc_dim capacity = key->type.dims[2], one = aicc_dim_const(g->im->dims, 1);
  const aicc_dim along[] = {one, one, one, capacity};
  aicc_value *held = kept(g, g->past, capacity), *first = aicc_sub(b, g->past, held);
  aicc_value *row = aicc_b_iota(b, AICC_I64, along, 4, 3);
  // Rows of the old cache that hold nothing stand behind every query.
  aicc_value *never = aicc_add(b, g->last, number(g, 1));
  aicc_value *old = aicc_b_select(b, aicc_b_binary(b, AICC_OP_LT, row, held),
                                  aicc_add(b, first, row), never);
  const aicc_dim news[] = {one, one, one, g->a.q->type.dims[2]};
  aicc_value *new_ones = aicc_add(b, aicc_b_iota(b, AICC_I64, news, 4, 3), g->past);
  g->key_at = aicc_b_concat(b, (aicc_value *[]){old, new_ones}, 2, 3);
  g->a.k = aicc_b_concat(b, (aicc_value *[]){key, g->a.k}, 2, 2);
  g->a.v = aicc_b_concat(b, (aicc_value *[]){value, g->a.v}, 2, 2);
  if (!g->a.k || !g->a.v || !g->key_at || !first) {
    return AICC_INVALID;
  }
  g->present[0] = slide(g, g->a.k, first, capacity);
  g->present[1] = slide(g, g->a.v, first, capacity);
  return AICC_OK;
}

// Keys and values with the past before them, and what is stated as the present.
static aicc_status read_cache(group *g) {
  aicc_value *key = aicc_in(g->n, 3), *value = aicc_in(g->n, 4);
  g->window = aicc_onnx_int(g->n, "local_window_size", -1);
  g->windowed = aicc_onnx_int(g->n, "sliding_window_cache", 0) != 0;
  if (!key != !value || (key && (key->type.rank != 4 || value->type.rank != 4))) {
    return aicc_invalid(g->im, g->n, "past key and value go together and have 4 dimensions");
  }
  if (g->windowed) {
    return read_windowed(g, key, value);
  }
  const aicc_dim size = key ? aicc_dim_max(g->im->dims, key->type.dims[2], g->total) : g->total;
  g->key_at = aicc_key_positions(&g->im->b, size);
  g->present[0] = g->a.k = append(g, key, g->a.k, size);
  g->present[1] = g->a.v = append(g, value, g->a.v, size);
  return g->a.k && g->a.v ? AICC_OK : AICC_INVALID;
}

// Keys up to the query's own and no further than the row's last one, which lies before the queries
// that pad a prompt; and no further back than the window.
static void read_limits(group *g) {
  aicc_builder *b = &g->im->b;
  const bool causal = aicc_onnx_int(g->n, "causal", 1) != 0;
  aicc_value *query = aicc_add(b, aicc_query_positions(b, g->a.q->type.dims[2]), g->past);
  aicc_value *end = causal ? aicc_min(b, query, g->last) : g->last;
  g->a.allowed = aicc_b_binary(b, AICC_OP_LE, g->key_at, end);
  if (g->window >= 0) {
    aicc_value *before = aicc_sub(b, query, number(g, g->window));
    g->a.allowed = aicc_both(b, g->a.allowed, aicc_b_binary(b, AICC_OP_GT, g->key_at, before));
    g->a.may_hide_row = true;
  }
}

// The bias has as many keys as the longest row; the present may have more.
static aicc_status read_bias(group *g) {
  aicc_builder *b = &g->im->b;
  aicc_value *bias = aicc_in(g->n, 10);
  if (!bias || bias->type.rank < 1) {
    return AICC_OK;
  }
  if (g->windowed) {
    return aicc_unsupported(g->im, g->n, "a bias of attention over a windowed cache");
  }
  const int last = bias->type.rank - 1;
  aicc_dim low[AICC_MAX_RANK], high[AICC_MAX_RANK];
  for (int i = 0; i <= last; i++) {
    low[i] = high[i] = aicc_dim_const(g->im->dims, 0);
  }
  high[last] = aicc_dim_sub(g->im->dims, g->a.k->type.dims[2], bias->type.dims[last]);
  g->a.bias = aicc_b_pad(b, bias, aicc_b_scalar_like(b, bias, 0), low, high, "constant");
  return g->a.bias ? AICC_OK : AICC_INVALID;
}

static aicc_status read_numbers(group *g) {
  const aicc_onnx_node *n = g->n;
  g->a.softcap = (double)aicc_onnx_float(n, "softcap", 0);
  g->a.scale = (double)aicc_onnx_float(n, "scale", 0);
  g->a.precision = aicc_wide_dtype(g->a.q->type.dtype);
  if (g->a.scale == 0) {
    AICC_TRY(aicc_usual_scale(g->im, n, g->a.q->type.dims[3], &g->a.scale));
  }
  aicc_value *sinks = aicc_in(n, 11);
  if (sinks) {
    g->a.sink = aicc_along(&g->im->b, sinks, 3, 0);
  } else if (aicc_onnx_int(n, "smooth_softmax", 0) > 0) {
    g->a.sink = aicc_b_scalar_like(&g->im->b, g->a.q, 0);
  }
  return AICC_OK;
}

static aicc_status refuse_forms(const group *g) {
  const aicc_onnx_node *n = g->n;
  aicc_onnx_int(n, "kv_cache_bit_width", 0);
  aicc_onnx_float(n, "qk_norm_epsilon", 0);  // these go with the weights of inputs 14 and 15
  aicc_onnx_float(n, "q_norm_epsilon", 0);
  aicc_onnx_float(n, "k_norm_epsilon", 0);
  if (aicc_in(n, 12) || aicc_in(n, 13) ||
      strcmp(aicc_onnx_string(n, "k_quant_type", "NONE"), "NONE") != 0 ||
      strcmp(aicc_onnx_string(n, "v_quant_type", "NONE"), "NONE") != 0) {
    return aicc_unsupported(g->im, n, "a quantised cache");
  }
  if (aicc_in(n, 14) || aicc_in(n, 15)) {
    return aicc_unsupported(g->im, n, "q_norm_weight and k_norm_weight");
  }
  return aicc_in(n, 16) ? aicc_unsupported(g->im, n, "query_seqlens") : AICC_OK;
}

aicc_status import_group_query_attention(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  group g = {.im = im, .n = n};
  AICC_TRY(refuse_forms(&g));
  AICC_TRY(read_heads(&g));
  AICC_TRY(read_lengths(&g));
  AICC_TRY(rotate_operands(&g));
  AICC_TRY(read_cache(&g));
  read_limits(&g);
  AICC_TRY(read_bias(&g));
  AICC_TRY(read_numbers(&g));
  const aicc_attended done = aicc_build_attention(&im->b, &g.a);
  AICC_TRY(aicc_set_out(im, n, 0, aicc_join_heads(&im->b, done.y)));
  AICC_TRY(aicc_set_out(im, n, 1, g.present[0]));
  AICC_TRY(aicc_set_out(im, n, 2, g.present[1]));
  const int64_t mode = aicc_onnx_int(n, "qk_output", 0);
  if (aicc_wants_out(n, 3) && mode != 0) {
    return aicc_unsupported(im, n, "qk_output, the scores as a result");
  }
  return AICC_OK;
}
