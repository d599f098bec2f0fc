// Repeating, rearranging and choosing elements.
#include <string.h>

#include "frontend/import_move.h"

// --- tile ----------------------------------------------------------------------------------------

// Each repeated dimension d becomes [r, d] by broadcasting, then r*d.
static aicc_status tile_by(aicc_importer *im, const aicc_onnx_node *n, const aicc_dim *repeats) {
  aicc_value *x = aicc_in(n, 0);
  const aicc_dim one = aicc_const_dim(im, 1);
  aicc_dim split[AICC_MAX_RANK], wide[AICC_MAX_RANK], dims[AICC_MAX_RANK];
  int rank = 0;
  for (int i = 0; i < x->type.rank; i++) {
    const aicc_dim d = x->type.dims[i], r = aicc_dim_as_size(im, repeats[i]);
    dims[i] = aicc_dim_mul(im->dims, r, d);
    const bool repeated = r != one, single = aicc_dim_is(im->dims, d, 1);
    if (rank + 1 + (repeated && !single) > AICC_MAX_RANK) {
      return aicc_unsupported(im, n, "Tile of %d dimensions", x->type.rank);
    }
    if (repeated && !single) {
      split[rank] = one;
      wide[rank++] = r;
    }
    split[rank] = d;
    wide[rank++] = single ? r : d;
  }
  aicc_value *y = aicc_b_reshape(&im->b, x, split, rank);
  y = aicc_b_broadcast(&im->b, y, wide, rank);
  return aicc_set_out(im, n, 0, aicc_b_reshape(&im->b, y, dims, x->type.rank));
}

aicc_status import_tile(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  const aicc_dim *repeats = NULL;
  int count = 0;
  AICC_TRY(aicc_in_dims(im, n, 1, &repeats, &count));
  if (count != aicc_in(n, 0)->type.rank) {
    return aicc_invalid(im, n, "%d repeats for %d dimensions", count, aicc_in(n, 0)->type.rank);
  }
  return tile_by(im, n, repeats);
}

// The first form: how often, and along which axis.
aicc_status import_tile_axis(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  double tiles = 0, axis = 0;
  int at = 0;
  if (!aicc_in_number(im, n, 1, &tiles) || !aicc_in_number(im, n, 2, &axis)) {
    return aicc_unsupported(im, n, "Tile's first version with sizes that are not constant");
  }
  AICC_TRY(aicc_axis(im, n, (int64_t)axis, aicc_in(n, 0)->type.rank, &at));
  aicc_dim repeats[AICC_MAX_RANK];
  for (int i = 0; i < aicc_in(n, 0)->type.rank; i++) {
    repeats[i] = aicc_const_dim(im, i == at ? (int64_t)tiles : 1);
  }
  return tile_by(im, n, repeats);
}

// --- blocks --------------------------------------------------------------------------------------

// reshape to |split|, permute, reshape to |dims|.
static aicc_status rearrange(aicc_importer *im, const aicc_onnx_node *n, const aicc_dim *split,
                             const int64_t *perm, const aicc_dim *dims) {
  aicc_value *x = aicc_b_reshape(&im->b, aicc_in(n, 0), split, 6);
  x = aicc_b_transpose(&im->b, x, perm);
  return aicc_set_out(im, n, 0, aicc_b_reshape(&im->b, x, dims, 4));
}

static aicc_status block_size(aicc_importer *im, const aicc_onnx_node *n, aicc_dim *out) {
  const int64_t block = aicc_onnx_int(n, "blocksize", 0);
  if (block < 1 || block > INT32_MAX || aicc_in(n, 0)->type.rank != 4) {
    return aicc_invalid(im, n, "%s needs four dimensions and a positive blocksize", n->type);
  }
  *out = aicc_const_dim(im, block);
  return AICC_OK;
}

aicc_status import_depth_to_space(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_dim s = AICC_DIM_NONE;
  AICC_TRY(block_size(im, n, &s));
  const bool columns_first = strcmp(aicc_onnx_string(n, "mode", "DCR"), "CRD") == 0;
  const aicc_dim *d = aicc_in(n, 0)->type.dims;
  const aicc_dim c = aicc_dim_divide_exact(im->dims, d[1], aicc_dim_mul(im->dims, s, s));
  const aicc_dim dims[] = {d[0], c, aicc_dim_mul(im->dims, d[2], s),
                           aicc_dim_mul(im->dims, d[3], s)};
  if (columns_first) {
    const aicc_dim split[] = {d[0], c, s, s, d[2], d[3]};
    static const int64_t perm[] = {0, 1, 4, 2, 5, 3};
    return rearrange(im, n, split, perm, dims);
  }
  const aicc_dim split[] = {d[0], s, s, c, d[2], d[3]};
  static const int64_t perm[] = {0, 3, 4, 1, 5, 2};
  return rearrange(im, n, split, perm, dims);
}

aicc_status import_space_to_depth(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_dim s = AICC_DIM_NONE;
  AICC_TRY(block_size(im, n, &s));
  const aicc_dim *d = aicc_in(n, 0)->type.dims;
  const aicc_dim h = aicc_dim_divide_exact(im->dims, d[2], s);
  const aicc_dim w = aicc_dim_divide_exact(im->dims, d[3], s);
  const aicc_dim split[] = {d[0], d[1], h, s, w, s};
  // Columns first (from version 28 on): the channel before the place in the block.
  const bool columns_first = strcmp(aicc_onnx_string(n, "mode", "DCR"), "CRD") == 0;
  static const int64_t perms[][6] = {{0, 3, 5, 1, 2, 4}, {0, 1, 3, 5, 2, 4}};
  const aicc_dim dims[] = {d[0], aicc_dim_mul(im->dims, d[1], aicc_dim_mul(im->dims, s, s)), h, w};
  return rearrange(im, n, split, perms[columns_first], dims);
}

// --- choosing what is not zero -------------------------------------------------------------------

// The indices of x's elements that are not zero, i64[rank, n]; n is found when the model runs.
static aicc_value *indices_of_nonzero(aicc_importer *im, aicc_value *x) {
  aicc_builder *b = &im->b;
  aicc_value *count = aicc_b_unary(b, AICC_OP_COUNT_NONZERO, x);
  const aicc_dim *length = NULL;
  int items = 0;
  if (!count || !aicc_b_as_dims(b, count, &length, &items)) {
    return NULL;
  }
  if (aicc_dim_symbol_name(im->dims, length[0])) {
    aicc_dim_set_lower(im->dims, length[0], 0);
  }
  const aicc_dim dims[] = {aicc_const_dim(im, x->type.rank), length[0]};
  aicc_node *node = aicc_node_create(im->module, AICC_OP_NONZERO, &x, 1, 1);
  node->out[0]->type = aicc_type_tensor(im->module, AICC_I64, dims, 2);
  return aicc_b_finish(b, node);
}

aicc_status import_nonzero(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_value *x = aicc_in(n, 0);
  if (x->type.rank > 0) {
    return aicc_set_out(im, n, 0, indices_of_nonzero(im, x));
  }
  // A scalar has no coordinates: [0, n], unlike NumPy.
  aicc_value *y = indices_of_nonzero(im, aicc_as_vector(im, x, aicc_const_dim(im, 1)));
  const aicc_dim zero = aicc_const_dim(im, 0);
  return aicc_set_out(im, n, 0, aicc_b_slice(&im->b, y, 0, zero, zero, 1));
}

aicc_status import_compress(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_value *x = aicc_in(n, 0), *condition = aicc_in(n, 1);
  int axis = 0;
  if (!aicc_onnx_has(n, "axis")) {
    x = aicc_as_vector(im, x, aicc_type_count(im->module, &x->type));
  } else {
    AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "axis", 0), x->type.rank, &axis));
  }
  if (condition->type.rank != 1) {
    return aicc_invalid(im, n, "the condition must have one dimension");
  }
  aicc_value *indices = indices_of_nonzero(im, condition);
  return aicc_set_out(im, n, 0,
                      aicc_b_gather(&im->b, x, aicc_b_squeeze(&im->b, indices, 0), axis));
}

aicc_status import_reverse_sequence(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  const int rank = aicc_in(n, 0)->type.rank;
  int time = 0, batch = 0;
  AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "time_axis", 0), rank, &time));
  AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "batch_axis", 1), rank, &batch));
  if (time == batch) {
    return aicc_invalid(im, n, "time_axis and batch_axis are the same");
  }
  aicc_node *node = aicc_node_create(im->module, AICC_OP_REVERSE_SEQUENCE, n->in, 2, 1);
  aicc_set_int(im->module, node, AICC_ATTR_AXIS, time);
  aicc_set_int(im->module, node, AICC_ATTR_BATCH_DIMS, batch);
  return aicc_set_out(im, n, 0, aicc_b_finish(&im->b, node));
}
