// ONNX Runtime's fused normalisations: a residual sum, or embeddings, and layer normalisation of
// them.
#include "frontend/import_norm.h"
#include "frontend/import_quant.h"

// Over the last dimension of |sum| (in the wide type), scaled and shifted, in |dtype|.
static aicc_status normalise_last(aicc_importer *im, const aicc_onnx_node *n, aicc_value *sum,
                                  aicc_value *gamma, aicc_value *beta, bool centred,
                                  aicc_dtype dtype, aicc_normalised *out) {
  aicc_builder *b = &im->b;
  const double epsilon = (double)aicc_onnx_float(n, "epsilon", 1e-12F);
  if (!sum) {
    return AICC_INVALID;
  }
  const int64_t axes[] = {sum->type.rank - 1};
  *out = aicc_normalise(b, sum, axes, 1, epsilon, centred);
  aicc_value *y = aicc_mul(b, out->y, aicc_widen(b, gamma));
  y = beta ? aicc_add(b, y, aicc_widen(b, beta)) : y;
  out->y = aicc_b_cast(b, y, dtype);
  return AICC_OK;
}

// Payload: 1 for the simplified form, which has no beta and does not centre.
aicc_status import_skip_layer_normalization(aicc_importer *im, const aicc_onnx_node *n,
                                            int payload) {
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0), *skip = aicc_in(n, 1);
  aicc_value *beta = payload ? NULL : aicc_in(n, 3), *bias = aicc_in(n, payload ? 3 : 4);
  if (x->type.rank < 2) {
    return aicc_invalid(im, n, "the input has %d dimensions; at least 2 are needed", x->type.rank);
  }
  aicc_value *sum = aicc_add(b, aicc_widen(b, x), aicc_widen(b, skip));
  sum = bias ? aicc_add(b, sum, aicc_widen(b, bias)) : sum;
  aicc_normalised r;
  AICC_TRY(normalise_last(im, n, sum, aicc_in(n, 2), beta, !payload, x->type.dtype, &r));
  AICC_TRY(aicc_set_out(im, n, 0, r.y));
  if (aicc_wants_out(n, 1)) {
    if (payload) {
      return aicc_unsupported(im, n, "a mean of a normalisation that does not centre");
    }
    AICC_TRY(aicc_set_out(im, n, 1, r.mean));
  }
  if (aicc_wants_out(n, 2)) {
    AICC_TRY(aicc_set_out(im, n, 2, r.inverse));
  }
  return aicc_wants_out(n, 3) ? aicc_set_out(im, n, 3, aicc_b_cast(b, sum, x->type.dtype))
                              : AICC_OK;
}

// EmbedLayerNormalization and its quantised form, whose tables are bytes, each with a scale and a
// zero point behind the mask.
typedef struct embedding {
  aicc_importer *im;
  const aicc_onnx_node *n;
  bool quantised;
} embedding;

enum { TABLE_WORDS = 2, TABLE_POSITIONS, TABLE_SEGMENTS, TABLE_GAMMA, TABLE_BETA, TABLE_COUNT };

// Rows of operand |table| in the wide type.
static aicc_value *plain_rows(const embedding *e, int table, aicc_value *rows) {
  aicc_builder *b = &e->im->b;
  const int scale = 8 + table - TABLE_WORDS, zero = scale + TABLE_COUNT - TABLE_WORDS;
  return !rows ? NULL
         : !e->quantised
             ? aicc_widen(b, rows)
             : aicc_dequantise(b, rows, aicc_quant_spread(b, aicc_in(e->n, scale), 0, 0),
                               aicc_quant_spread(b, aicc_in(e->n, zero), 0, 0));
}

static aicc_value *looked_up(const embedding *e, int table, aicc_value *ids) {
  return plain_rows(e, table, aicc_b_gather(&e->im->b, aicc_in(e->n, table), ids, 0));
}

// Rows of the position table: those that are asked for, else the first ones.
static aicc_value *position_rows(const embedding *e) {
  aicc_builder *b = &e->im->b;
  aicc_value *table = aicc_in(e->n, TABLE_POSITIONS);
  aicc_value *ids = e->quantised ? NULL : aicc_in(e->n, 8);
  if (ids) {
    return looked_up(e, TABLE_POSITIONS, ids);
  }
  return plain_rows(e, TABLE_POSITIONS,
                    aicc_b_slice(b, table, 0, aicc_dim_const(b->module->dims, 0),
                                 aicc_in(e->n, 0)->type.dims[1], 1));
}

// i32[B]: how many entries of each row of the mask are set; 0 without a mask.
static aicc_value *mask_counts(aicc_builder *b, const aicc_onnx_node *n) {
  const int64_t axes[] = {1};
  if (!aicc_in(n, 7)) {
    return aicc_filled(b, AICC_I32, 0, aicc_in(n, 0)->type.dims, 1);
  }
  return aicc_b_cast(b, aicc_b_reduce(b, AICC_OP_REDUCE_SUM, aicc_in(n, 7), axes, 1, false),
                     AICC_I32);
}

// Payload: 1 for the quantised form.
aicc_status import_embed_layer_normalization(aicc_importer *im, const aicc_onnx_node *n,
                                             int payload) {
  const embedding e = {.im = im, .n = n, .quantised = payload != 0};
  aicc_builder *b = &im->b;
  aicc_value *ids = aicc_in(n, 0);
  if (ids->type.rank != 2 || !aicc_in(n, TABLE_WORDS) || !aicc_in(n, TABLE_POSITIONS) ||
      !aicc_in(n, TABLE_GAMMA) || !aicc_in(n, TABLE_BETA)) {
    return aicc_invalid(im, n, "an operand is missing, or the ids are no matrix");
  }
  aicc_onnx_int(n, "mask_index_type", 0);  // of the operand that is summed here
  aicc_value *sum = aicc_add(b, looked_up(&e, TABLE_WORDS, ids), position_rows(&e));
  if (aicc_in(n, 1) && aicc_in(n, TABLE_SEGMENTS)) {
    sum = aicc_add(b, sum, looked_up(&e, TABLE_SEGMENTS, aicc_in(n, 1)));
  }
  const aicc_dtype to = payload ? AICC_F32 : aicc_in(n, TABLE_WORDS)->type.dtype;
  aicc_normalised r;
  AICC_TRY(normalise_last(im, n, sum, plain_rows(&e, TABLE_GAMMA, aicc_in(n, TABLE_GAMMA)),
                          plain_rows(&e, TABLE_BETA, aicc_in(n, TABLE_BETA)), true, to, &r));
  AICC_TRY(aicc_set_out(im, n, 0, r.y));
  if (aicc_wants_out(n, 1)) {
    AICC_TRY(aicc_set_out(im, n, 1, mask_counts(b, n)));
  }
  return aicc_wants_out(n, 2) ? aicc_set_out(im, n, 2, aicc_b_cast(b, sum, to)) : AICC_OK;
}
