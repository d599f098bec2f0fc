// What goes with attention: rotary embeddings, caches that are written in place, causal
// convolutions.
#include <string.h>

#include "frontend/import_attention.h"

// --- rotary embeddings ---------------------------------------------------------------------------

// Rows of a table of angles as [B or 1, 1, S, D/2], or with heads behind positions [.., S, 1, D/2].
// |ids| may be NULL: the table has its rows in place already.
static aicc_value *angles(aicc_builder *b, aicc_value *table, aicc_value *ids, bool heads_first) {
  aicc_value *rows = ids ? aicc_b_gather(b, table, ids, 0) : table;
  return aicc_b_unsqueeze(b, rows, heads_first ? 1 : 2);
}

// Microsoft's position ids: [B,S], or [1] where row b, s is at ids[0] + s.
static aicc_value *ms_position_ids(aicc_builder *b, aicc_value *ids, aicc_dim sequence) {
  if (!ids || ids->type.rank != 1) {
    return ids;
  }
  const aicc_dim dims[] = {aicc_dim_const(b->module->dims, 1), sequence};
  return aicc_add(b, aicc_b_iota(b, AICC_I64, dims, 2, 1), aicc_b_cast(b, ids, AICC_I64));
}

static aicc_value *last_slice(aicc_builder *b, aicc_value *x, aicc_dim start, aicc_dim size,
                              int64_t step) {
  return x ? aicc_b_slice(b, x, x->type.rank - 1, start, size, step) : NULL;
}

// Rotates the pairs of the last dimension of |x|: (i, i + half), or neighbours where interleaved.
static aicc_value *rotate(aicc_builder *b, aicc_value *x, aicc_value *cosine, aicc_value *sine,
                          bool interleaved) {
  if (!x || !cosine || !sine) {
    return NULL;
  }
  aicc_dims *table = b->module->dims;
  const int rank = x->type.rank;
  const aicc_dim zero = aicc_dim_const(table, 0), one = aicc_dim_const(table, 1);
  const aicc_dim half = aicc_dim_floordiv(table, x->type.dims[rank - 1], aicc_dim_const(table, 2));
  const int64_t step = interleaved ? 2 : 1;
  aicc_value *first = last_slice(b, x, zero, half, step);
  aicc_value *second = last_slice(b, x, interleaved ? one : half, half, step);
  aicc_value *real = aicc_sub(b, aicc_mul(b, first, cosine), aicc_mul(b, second, sine));
  aicc_value *imaginary = aicc_add(b, aicc_mul(b, first, sine), aicc_mul(b, second, cosine));
  if (!interleaved) {
    return aicc_b_concat(b, (aicc_value *[]){real, imaginary}, 2, rank - 1);
  }
  aicc_value *pairs = aicc_b_concat(
      b, (aicc_value *[]){aicc_b_unsqueeze(b, real, -1), aicc_b_unsqueeze(b, imaginary, -1)}, 2,
      rank);
  return aicc_b_reshape(b, pairs, x->type.dims, rank);
}

// The first |size| elements of the last dimension rotated, the rest as they are; 0: all.
static aicc_value *rotate_part(aicc_builder *b, aicc_value *x, int64_t size, aicc_value *cosine,
                               aicc_value *sine, bool interleaved) {
  if (!x || size == 0 || aicc_dim_is(b->module->dims, x->type.dims[x->type.rank - 1], size)) {
    return rotate(b, x, cosine, sine, interleaved);
  }
  aicc_dims *table = b->module->dims;
  const aicc_dim width = aicc_dim_const(table, size);
  const aicc_dim rest = aicc_dim_sub(table, x->type.dims[x->type.rank - 1], width);
  aicc_value *turned = rotate(b, last_slice(b, x, aicc_dim_const(table, 0), width, 1), cosine,
                              sine, interleaved);
  return aicc_b_concat(b, (aicc_value *[]){turned, last_slice(b, x, width, rest, 1)}, 2,
                       x->type.rank - 1);
}

aicc_value *aicc_rotate_heads(aicc_builder *b, aicc_value *x, aicc_value *cosine, aicc_value *sine,
                              aicc_value *ids, bool interleaved) {
  int64_t half;
  if (!x || !aicc_dim_is_const(b->module->dims, cosine->type.dims[1], &half)) {
    return NULL;
  }
  return rotate_part(b, x, 2 * half, angles(b, cosine, ids, true), angles(b, sine, ids, true),
                     interleaved);
}

// Payload: 1 for Microsoft's, whose second operand are the position ids.
aicc_status import_rotary_embedding(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0), *cosine = aicc_in(n, payload ? 2 : 1);
  aicc_value *sine = aicc_in(n, payload ? 3 : 2), *ids = aicc_in(n, payload ? 1 : 3);
  const bool interleaved = aicc_onnx_int(n, "interleaved", 0) != 0;
  const int64_t part = aicc_onnx_int(n, "rotary_embedding_dim", 0);
  const int64_t heads = aicc_onnx_int(n, "num_heads", 0);
  const bool packed = payload && aicc_onnx_int(n, "is_packed_batching", 0) != 0;
  const double scale = payload ? (double)aicc_onnx_float(n, "scale", 1) : 1;
  const int rank = x->type.rank;
  if (packed || scale != 1) {
    return aicc_unsupported(im, n, "packed batches, or a scale");
  }
  if (rank != 3 && rank != 4) {
    return aicc_invalid(im, n, "the input has %d dimensions; 3 or 4 are allowed", rank);
  }
  aicc_dim count = aicc_dim_const(im->dims, heads);
  if (rank == 3 && heads == 0) {
    // Microsoft's may leave the heads to the tables, each row of which is half a head wide.
    if (!payload || part || cosine->type.rank != 2) {
      return aicc_invalid(im, n, "num_heads is missing");
    }
    const aicc_dim width =
        aicc_dim_mul(im->dims, cosine->type.dims[1], aicc_dim_const(im->dims, 2));
    count = aicc_dim_floordiv(im->dims, x->type.dims[2], width);
  }
  ids = payload ? ms_position_ids(b, ids, x->type.dims[rank == 4 ? 2 : 1]) : ids;
  aicc_value *parts = x;
  if (rank == 3) {
    const aicc_dim *dims = x->type.dims;
    const aicc_dim split[] = {dims[0], dims[1], count, aicc_dim_floordiv(im->dims, dims[2], count)};
    parts = aicc_b_reshape(b, x, split, 4);
  }
  aicc_value *y = rotate_part(b, parts, part, angles(b, cosine, ids, rank == 4),
                              angles(b, sine, ids, rank == 4), interleaved);
  return aicc_set_out(im, n, 0, aicc_b_reshape(b, y, x->type.dims, rank));
}

// --- caches --------------------------------------------------------------------------------------

aicc_written aicc_write_rows(aicc_builder *b, aicc_value *update, aicc_value *start,
                             const aicc_dim *dims, int axis, bool circular) {
  aicc_written r = {.rows = NULL};
  if (!update) {
    return r;
  }
  const int rank = update->type.rank;
  aicc_dim along[AICC_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    along[i] = i == axis ? dims[axis] : aicc_dim_const(b->module->dims, 1);
  }
  aicc_value *from = aicc_b_iota(b, AICC_I64, along, rank, axis);
  from = start ? aicc_sub(b, from, start) : from;
  if (circular) {
    from = aicc_b_binary(b, AICC_OP_MOD, from, aicc_size_number(b, AICC_I64, dims[axis]));
  }
  aicc_value *zero = aicc_b_scalar_i64(b, AICC_I64, 0);
  aicc_value *end = aicc_size_number(b, AICC_I64, update->type.dims[axis]);
  r.written = aicc_both(b, aicc_b_binary(b, AICC_OP_GE, from, zero),
                        aicc_b_binary(b, AICC_OP_LT, from, end));
  aicc_value *index = aicc_b_broadcast(b, aicc_b_select(b, r.written, from, zero), dims, rank);
  if (!index) {
    return r;
  }
  aicc_value *const in[] = {update, index};
  aicc_node *node = aicc_node_create(b->module, AICC_OP_GATHER_ELEMENTS, in, 2, 1);
  aicc_set_int(b->module, node, AICC_ATTR_AXIS, axis);
  r.rows = aicc_b_finish(b, node);
  return r;
}

aicc_status import_tensor_scatter(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  aicc_value *cache = aicc_in(n, 0), *update = aicc_in(n, 1), *write = aicc_in(n, 2);
  const int rank = cache->type.rank;
  const char *mode = aicc_onnx_string(n, "mode", "linear");
  int axis;
  AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "axis", -2), rank, &axis));
  if (update->type.rank != rank || axis == 0) {
    return aicc_invalid(im, n, "cache and update differ in rank, or the axis is the batch");
  }
  aicc_value *start = write ? aicc_along(b, aicc_b_cast(b, write, AICC_I64), rank, 0) : NULL;
  const aicc_written w = aicc_write_rows(b, update, start, cache->type.dims, axis,
                                         strcmp(mode, "circular") == 0);
  return aicc_set_out(im, n, 0, aicc_b_select(b, w.written, w.rows, cache));
}

// --- causal convolutions -------------------------------------------------------------------------

static aicc_value *depthwise(aicc_builder *b, aicc_value *x, aicc_value *weight, aicc_value *bias,
                             int64_t channels, aicc_dim length) {
  static const int64_t ones[] = {1};
  const aicc_dim zero = aicc_dim_const(b->module->dims, 0);
  if (!x) {
    return NULL;
  }
  aicc_value *const in[] = {x, weight, bias};
  aicc_node *node = aicc_node_create(b->module, AICC_OP_CONV, in, bias ? 3 : 2, 1);
  const aicc_dim dims[] = {x->type.dims[0], x->type.dims[1], length};
  node->out[0]->type = aicc_type_tensor(b->module, x->type.dtype, dims, 3);
  aicc_set_ints(b->module, node, AICC_ATTR_STRIDES, ones, 1);
  aicc_set_ints(b->module, node, AICC_ATTR_DILATIONS, ones, 1);
  aicc_set_dims(b->module, node, AICC_ATTR_PADS, &zero, 1);
  aicc_set_int(b->module, node, AICC_ATTR_GROUP, channels);
  return aicc_b_finish(b, node);
}

aicc_status import_causal_conv(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0), *weight = aicc_in(n, 1), *past = aicc_in(n, 3);
  const char *activation = aicc_onnx_string(n, "activation", "none");
  const bool silu = strcmp(activation, "silu") == 0 || strcmp(activation, "swish") == 0;
  int64_t channels;
  if (x->type.rank != 3 || weight->type.rank != 3 || (!silu && strcmp(activation, "none") != 0)) {
    return aicc_invalid(im, n, "operands must have 3 dimensions, and the activation be known");
  }
  if (!aicc_dim_is_const(im->dims, weight->type.dims[0], &channels)) {
    return aicc_unsupported(im, n, "a number of channels that is not known at compile time");
  }
  const aicc_dim zero = aicc_dim_const(im->dims, 0), length = x->type.dims[2];
  const aicc_dim kept = aicc_dim_sub(im->dims, weight->type.dims[2], aicc_dim_const(im->dims, 1));
  const aicc_dim low[] = {zero, zero, kept}, high[] = {zero, zero, zero};
  aicc_value *padded = past ? aicc_b_concat(b, (aicc_value *[]){past, x}, 2, 2)
                            : aicc_b_pad(b, x, aicc_b_scalar_like(b, x, 0), low, high, "constant");
  aicc_value *y = depthwise(b, padded, weight, aicc_in(n, 2), channels, length);
  if (silu) {
    aicc_value *wide = aicc_widen(b, y);
    aicc_value *gated = aicc_mul(b, wide, aicc_b_unary(b, AICC_OP_SIGMOID, wide));
    y = gated ? aicc_b_cast(b, gated, x->type.dtype) : NULL;
  }
  AICC_TRY(aicc_set_out(im, n, 0, y));
  return aicc_set_out(im, n, 1, aicc_b_slice(b, padded, 2, length, kept, 1));
}
