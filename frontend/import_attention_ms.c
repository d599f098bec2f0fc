// com.microsoft Attention, QAttention and MultiHeadAttention.
#include "frontend/import_attention.h"
#include "frontend/import_quant.h"

typedef struct reading {
  aicc_importer *im;
  const aicc_onnx_node *n;
  aicc_attend a;
  double filter;  // added to the scores of masked keys
} reading;

// |filter| where |allowed| is false, 0 elsewhere.
static aicc_value *penalty(const reading *r, aicc_value *allowed) {
  aicc_builder *b = &r->im->b;
  return aicc_b_select(b, allowed, aicc_b_scalar_like(b, r->a.q, 0),
                       aicc_b_scalar_like(b, r->a.q, r->filter));
}

static void add_bias(reading *r, aicc_value *bias) {
  r->a.bias = r->a.bias ? aicc_add(&r->im->b, r->a.bias, bias) : bias;
}

// A raw mask [B,T], [B,S,T] or [B,1,S,T]: 1 where a key counts.
static aicc_value *raw_mask(aicc_builder *b, aicc_value *mask) {
  aicc_value *set = aicc_b_binary(b, AICC_OP_NE, mask, aicc_b_scalar_like(b, mask, 0));
  if (mask->type.rank == 2) {
    set = aicc_b_unsqueeze(b, set, 1);
  }
  return mask->type.rank == 4 ? set : aicc_b_unsqueeze(b, set, 1);
}

// Lengths [B], or ends and starts [2 B], against the positions of the keys.
static aicc_status length_mask(const reading *r, aicc_value *mask, aicc_value **out) {
  aicc_builder *b = &r->im->b;
  aicc_dims *dims = r->im->dims;
  const aicc_dim batch = r->a.q->type.dims[0], zero = aicc_dim_const(dims, 0);
  const bool both = mask->type.dims[0] == aicc_dim_mul(dims, batch, aicc_dim_const(dims, 2));
  if (!both && mask->type.dims[0] != batch) {
    return aicc_unsupported(r->im, r->n, "a mask index of this shape");
  }
  aicc_value *wide = aicc_b_cast(b, mask, AICC_I64);
  aicc_value *key = aicc_key_positions(b, r->a.k->type.dims[2]);
  aicc_value *end = aicc_along(b, aicc_b_slice(b, wide, 0, zero, batch, 1), 4, 0);
  *out = aicc_b_binary(b, AICC_OP_LT, key, end);
  if (both) {
    aicc_value *start = aicc_along(b, aicc_b_slice(b, wide, 0, batch, batch, 1), 4, 0);
    *out = aicc_both(b, *out, aicc_b_binary(b, AICC_OP_GE, key, start));
  }
  return AICC_OK;
}

static aicc_status read_mask(reading *r, aicc_value *mask) {
  if (!mask) {
    return AICC_OK;
  }
  aicc_value *allowed = NULL;
  if (mask->type.rank == 1) {
    AICC_TRY(length_mask(r, mask, &allowed));
  } else if (mask->type.rank <= 4 && mask->type.rank >= 2) {
    allowed = raw_mask(&r->im->b, mask);
  } else {
    return aicc_invalid(r->im, r->n, "the mask has %d dimensions", mask->type.rank);
  }
  add_bias(r, penalty(r, allowed));
  return AICC_OK;
}

// Attributes that both operators have; |past| keys stand before the queries.
static aicc_status read_common(reading *r, aicc_value *mask, aicc_value *bias, aicc_dim past) {
  aicc_builder *b = &r->im->b;
  const aicc_onnx_node *n = r->n;
  if (!r->a.q || !r->a.k || !r->a.v) {
    return AICC_INVALID;
  }
  r->filter = (double)aicc_onnx_float(n, "mask_filter_value", -10000);
  r->a.scale = (double)aicc_onnx_float(n, "scale", 0);
  r->a.precision = aicc_wide_dtype(r->a.q->type.dtype);
  if (r->a.scale == 0) {
    AICC_TRY(aicc_usual_scale(r->im, n, r->a.q->type.dims[3], &r->a.scale));
  }
  AICC_TRY(read_mask(r, mask));
  if (aicc_onnx_int(n, "unidirectional", 0)) {
    aicc_value *query = aicc_query_positions(b, r->a.q->type.dims[2]);
    query = aicc_dim_is(r->im->dims, past, 0)
                ? query : aicc_add(b, query, aicc_size_number(b, AICC_I64, past));
    aicc_value *key = aicc_key_positions(b, r->a.k->type.dims[2]);
    add_bias(r, penalty(r, aicc_b_binary(b, AICC_OP_LE, key, query)));
  }
  if (bias) {
    add_bias(r, bias);
  }
  return AICC_OK;
}

// --- Attention -----------------------------------------------------------------------------------

// Widths of q, k and v in the packed projection.
static aicc_status packed_widths(aicc_importer *im, const aicc_onnx_node *n, int64_t *widths) {
  const aicc_value *weight = aicc_in(n, 1);
  int count;
  const int64_t *stated = aicc_onnx_ints(n, "qkv_hidden_sizes", &count);
  int64_t all;
  if (weight->type.rank != 2 || !aicc_dim_is_const(im->dims, weight->type.dims[1], &all)) {
    return aicc_unsupported(im, n, "weights whose size is not known at compile time");
  }
  for (int i = 0; i < 3; i++) {
    widths[i] = count == 3 ? stated[i] : all / 3;
  }
  return widths[0] + widths[1] + widths[2] == all
             ? AICC_OK
             : aicc_invalid(im, n, "the weights do not split into q, k and v");
}

// The operands behind the projection of the input.
typedef struct packed_operands {
  aicc_value *all;  // q, k and v, side by side
  aicc_value *mask, *past, *bias;
} packed_operands;

// Splits the projected input; |parts| are [B,heads,S,size].
static aicc_status split_parts(aicc_importer *im, const aicc_onnx_node *n, aicc_value *all,
                               int64_t heads, aicc_value **parts) {
  aicc_builder *b = &im->b;
  int64_t widths[3], start = 0;
  AICC_TRY(packed_widths(im, n, widths));
  for (int i = 0; i < 3; i++) {
    if (widths[i] % heads) {
      return aicc_invalid(im, n, "%lld columns do not split into %lld heads",
                          (long long)widths[i], (long long)heads);
    }
    aicc_value *part = aicc_b_slice(b, all, 2, aicc_dim_const(im->dims, start),
                                    aicc_dim_const(im->dims, widths[i]), 1);
    parts[i] = aicc_split_heads(b, part, aicc_dim_const(im->dims, heads));
    start += widths[i];
  }
  return parts[0] && parts[1] && parts[2] ? AICC_OK : AICC_INVALID;
}

// past [2,B,H,P,D]: keys and values that stand before the new ones.
static void join_past(aicc_builder *b, aicc_value *past, reading *r) {
  aicc_dims *dims = b->module->dims;
  const aicc_dim one = aicc_dim_const(dims, 1), zero = aicc_dim_const(dims, 0);
  aicc_value *keys = aicc_b_squeeze(b, aicc_b_slice(b, past, 0, zero, one, 1), 0);
  aicc_value *values = aicc_b_squeeze(b, aicc_b_slice(b, past, 0, one, one, 1), 0);
  r->a.k = aicc_b_concat(b, (aicc_value *[]){keys, r->a.k}, 2, 2);
  r->a.v = aicc_b_concat(b, (aicc_value *[]){values, r->a.v}, 2, 2);
}

static aicc_value *stack_present(aicc_builder *b, const reading *r) {
  return aicc_b_concat(
      b, (aicc_value *[]){aicc_b_unsqueeze(b, r->a.k, 0), aicc_b_unsqueeze(b, r->a.v, 0)}, 2, 0);
}

static aicc_status attend_packed(aicc_importer *im, const aicc_onnx_node *n,
                                 const packed_operands *p) {
  aicc_value *past = p->past, *parts[3];
  const int64_t heads = aicc_onnx_int(n, "num_heads", 0);
  if (aicc_onnx_int(n, "do_rotary", 0) || aicc_onnx_int(n, "past_present_share_buffer", 0)) {
    return aicc_unsupported(im, n, "do_rotary, or a buffer that past and present share");
  }
  aicc_onnx_int(n, "rotary_embedding_dim", 0);  // goes with do_rotary
  if (heads < 1 || aicc_in(n, 0)->type.rank != 3) {
    return aicc_invalid(im, n, "num_heads is missing, or the input has not 3 dimensions");
  }
  if (past && past->type.rank != 5) {
    return aicc_invalid(im, n, "the past has %d dimensions, not 5", past->type.rank);
  }
  AICC_TRY(split_parts(im, n, p->all, heads, parts));
  reading r = {.im = im, .n = n, .a = {.q = parts[0], .k = parts[1], .v = parts[2]}};
  if (past) {
    join_past(&im->b, past, &r);
  }
  AICC_TRY(read_common(&r, p->mask, p->bias,
                       past ? past->type.dims[3] : aicc_dim_const(im->dims, 0)));
  const aicc_attended done = aicc_build_attention(&im->b, &r.a);
  AICC_TRY(aicc_set_out(im, n, 0, aicc_join_heads(&im->b, done.y)));
  return aicc_wants_out(n, 1) ? aicc_set_out(im, n, 1, stack_present(&im->b, &r)) : AICC_OK;
}

aicc_status import_attention_ms(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_value *all = aicc_b_matmul(&im->b, aicc_in(n, 0), aicc_in(n, 1));
  if (aicc_in(n, 6)) {
    return aicc_unsupported(im, n, "past_sequence_length, of a buffer that past and present share");
  }
  const packed_operands p = {.all = aicc_in(n, 2) ? aicc_add(&im->b, all, aicc_in(n, 2)) : all,
                             .mask = aicc_in(n, 3), .past = aicc_in(n, 4), .bias = aicc_in(n, 5)};
  return attend_packed(im, n, &p);
}

// The projection is of bytes; what follows is in floats.
aicc_status import_qattention(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_value *x = aicc_in(n, 0), *weight = aicc_in(n, 1);
  if (x->type.rank != 3 || weight->type.rank != 2) {
    return aicc_invalid(im, n, "the input has not 3 dimensions, or the weights not 2");
  }
  const packed_operands p = {
      .all = aicc_scaled_product(&im->b, x, aicc_in(n, 6), weight, aicc_in(n, 7), aicc_in(n, 3),
                                 aicc_in(n, 4), aicc_in(n, 2)),
      .mask = aicc_in(n, 5), .past = aicc_in(n, 8)};
  return attend_packed(im, n, &p);
}

// --- MultiHeadAttention --------------------------------------------------------------------------

// Operand |i| (0 q, 1 k, 2 v) as [B,H,S,D]; the bias of all three lies in one vector, q's part
// first.
static aicc_status head_operand(aicc_importer *im, const aicc_onnx_node *n, int i, aicc_dim heads,
                                aicc_dim *bias_at, aicc_value **out) {
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, i), *bias = aicc_in(n, 3);
  if (x->type.rank == 4 && i > 0) {
    *out = x;  // keys and values of a cache: projected already
    return AICC_OK;
  }
  if (x->type.rank != 3) {
    return aicc_unsupported(im, n, "operands that are packed together");
  }
  if (bias) {
    const aicc_dim width = x->type.dims[2];
    x = aicc_add(b, x, aicc_b_slice(b, bias, 0, *bias_at, width, 1));
    *bias_at = aicc_dim_add(im->dims, *bias_at, width);
  }
  *out = aicc_split_heads(b, x, heads);
  return *out ? AICC_OK : AICC_INVALID;
}

aicc_status import_multi_head_attention(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  const int64_t heads = aicc_onnx_int(n, "num_heads", 0);
  aicc_value *past_key = aicc_in(n, 6), *past_value = aicc_in(n, 7), *parts[3];
  if (heads < 1 || !past_key != !past_value) {
    return aicc_invalid(im, n, "num_heads is missing, or one of past key and value");
  }
  if (!aicc_in(n, 1) || !aicc_in(n, 2)) {
    return aicc_unsupported(im, n, "operands that are packed together");
  }
  if (past_key && past_key->type.rank != 4) {
    return aicc_invalid(im, n, "the past has %d dimensions, not 4", past_key->type.rank);
  }
  aicc_dim bias_at = aicc_dim_const(im->dims, 0);
  for (int i = 0; i < 3; i++) {
    AICC_TRY(head_operand(im, n, i, aicc_dim_const(im->dims, heads), &bias_at, &parts[i]));
  }
  reading r = {.im = im, .n = n, .a = {.q = parts[0], .k = parts[1], .v = parts[2]}};
  if (past_key) {
    r.a.k = aicc_b_concat(b, (aicc_value *[]){past_key, r.a.k}, 2, 2);
    r.a.v = aicc_b_concat(b, (aicc_value *[]){past_value, r.a.v}, 2, 2);
  }
  AICC_TRY(read_common(&r, aicc_in(n, 4), aicc_in(n, 5),
                       past_key ? past_key->type.dims[2] : aicc_dim_const(im->dims, 0)));
  const aicc_attended done = aicc_build_attention(b, &r.a);
  AICC_TRY(aicc_set_out(im, n, 0, aicc_join_heads(b, done.y)));
  AICC_TRY(aicc_set_out(im, n, 1, r.a.k));
  return aicc_set_out(im, n, 2, r.a.v);
}
