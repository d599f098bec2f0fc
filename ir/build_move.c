// Builder, continued: nodes that move elements.
#include "ir/build.h"

// A node of |op| with one operand whose result has |x|'s element type and the given dims.
static aicc_node *stated_node(aicc_builder *b, aicc_op op, aicc_value *x, const aicc_dim *dims,
                              int rank) {
  aicc_node *node = aicc_node_create(b->module, op, &x, 1, 1);
  node->out[0]->type = aicc_type_tensor(b->module, x->type.dtype, dims, rank);
  return node;
}

static bool same_dims(const aicc_value *x, const aicc_dim *dims, int rank) {
  if (x->type.rank != rank) {
    return false;
  }
  for (int i = 0; i < rank; i++) {
    if (x->type.dims[i] != dims[i]) {
      return false;
    }
  }
  return true;
}

static void *refuse(aicc_builder *b, aicc_op op, const char *reason) {
  AICC_EMIT(b->diags, E0203, &b->loc, aicc_op_table[op].name, reason);
  return NULL;
}

static bool rank_fits(aicc_builder *b, aicc_op op, int rank) {
  if (rank <= AICC_MAX_RANK) {
    return true;
  }
  refuse(b, op, "a tensor may not have more than 12 dimensions");
  return false;
}

// --- views and broadcasts ------------------------------------------------------------------------

aicc_value *aicc_b_reshape(aicc_builder *b, aicc_value *x, const aicc_dim *dims, int rank) {
  if (!x || !rank_fits(b, AICC_OP_RESHAPE, rank)) {
    return NULL;
  }
  if (same_dims(x, dims, rank)) {
    return x;
  }
  int64_t have, want;
  if (aicc_dim_is_const(b->module->dims, aicc_type_count(b->module, &x->type), &have) &&
      aicc_dim_is_const(b->module->dims, aicc_dim_product(b->module->dims, dims, rank), &want) &&
      have != want) {
    return refuse(b, AICC_OP_RESHAPE, "the new shape has another number of elements");
  }
  return aicc_b_finish(b, stated_node(b, AICC_OP_RESHAPE, x, dims, rank));
}

aicc_value *aicc_b_leading(aicc_builder *b, aicc_value *x, int rank) {
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < rank && x; i++) {
    dims[i] = i == 0 ? x->type.dims[0] : aicc_dim_const(b->module->dims, 1);
  }
  return aicc_b_reshape(b, x, dims, rank);
}

aicc_value *aicc_b_unsqueeze(aicc_builder *b, aicc_value *x, int axis) {
  if (!x) {
    return NULL;
  }
  const int rank = x->type.rank, at = axis < 0 ? axis + rank + 1 : axis;
  if (at < 0 || at > rank) {
    return refuse(b, AICC_OP_RESHAPE, "the new axis is out of range");
  }
  if (!rank_fits(b, AICC_OP_RESHAPE, rank + 1)) {
    return NULL;
  }
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i <= rank; i++) {
    dims[i] = i < at    ? x->type.dims[i]
              : i == at ? aicc_dim_const(b->module->dims, 1)
                        : x->type.dims[i - 1];
  }
  return aicc_b_reshape(b, x, dims, rank + 1);
}

aicc_value *aicc_b_squeeze(aicc_builder *b, aicc_value *x, int axis) {
  if (!x) {
    return NULL;
  }
  const int rank = x->type.rank, at = axis < 0 ? axis + rank : axis;
  if (at < 0 || at >= rank) {
    return refuse(b, AICC_OP_RESHAPE, "the axis to squeeze is out of range");
  }
  if (aicc_dim_is_const(b->module->dims, x->type.dims[at], NULL) &&
      !aicc_dim_is(b->module->dims, x->type.dims[at], 1)) {
    return refuse(b, AICC_OP_RESHAPE, "the axis to squeeze is not of size 1");
  }
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < rank - 1; i++) {
    dims[i] = x->type.dims[i < at ? i : i + 1];
  }
  return aicc_b_reshape(b, x, dims, rank - 1);
}

aicc_value *aicc_b_transpose(aicc_builder *b, aicc_value *x, const int64_t *perm) {
  if (!x) {
    return NULL;
  }
  int kept = 0;
  while (kept < x->type.rank && perm[kept] == kept) {
    kept++;
  }
  if (kept == x->type.rank) {
    return x;
  }
  aicc_node *node = aicc_node_create(b->module, AICC_OP_TRANSPOSE, &x, 1, 1);
  aicc_set_ints(b->module, node, AICC_ATTR_PERM, perm, x->type.rank);
  return aicc_b_finish(b, node);
}

aicc_value *aicc_b_broadcast(aicc_builder *b, aicc_value *x, const aicc_dim *dims, int rank) {
  if (!x || !rank_fits(b, AICC_OP_BROADCAST, rank)) {
    return NULL;
  }
  if (same_dims(x, dims, rank)) {
    return x;
  }
  return aicc_b_finish(b, stated_node(b, AICC_OP_BROADCAST, x, dims, rank));
}

// --- slices, padding, joining --------------------------------------------------------------------

aicc_value *aicc_b_slices(aicc_builder *b, aicc_value *x, const aicc_dim *starts,
                          const int64_t *steps, const aicc_dim *sizes) {
  if (!x) {
    return NULL;
  }
  const int rank = x->type.rank;
  bool whole = same_dims(x, sizes, rank);
  for (int i = 0; i < rank; i++) {
    if (steps[i] == 0) {
      return refuse(b, AICC_OP_SLICE, "a step is 0");
    }
    whole = whole && steps[i] == 1 && aicc_dim_is(b->module->dims, starts[i], 0);
  }
  if (whole) {
    return x;
  }
  aicc_node *node = stated_node(b, AICC_OP_SLICE, x, sizes, rank);
  aicc_set_dims(b->module, node, AICC_ATTR_STARTS, starts, rank);
  aicc_set_ints(b->module, node, AICC_ATTR_STEPS, steps, rank);
  return aicc_b_finish(b, node);
}

aicc_value *aicc_b_slice(aicc_builder *b, aicc_value *x, int axis, aicc_dim start, aicc_dim size,
                         int64_t step) {
  if (!x) {
    return NULL;
  }
  const int rank = x->type.rank, at = axis < 0 ? axis + rank : axis;
  if (at < 0 || at >= rank) {
    return refuse(b, AICC_OP_SLICE, "the axis is out of range");
  }
  aicc_dim starts[AICC_MAX_RANK], sizes[AICC_MAX_RANK];
  int64_t steps[AICC_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    starts[i] = i == at ? start : aicc_dim_const(b->module->dims, 0);
    sizes[i] = i == at ? size : x->type.dims[i];
    steps[i] = i == at ? step : 1;
  }
  return aicc_b_slices(b, x, starts, steps, sizes);
}

aicc_value *aicc_b_pad(aicc_builder *b, aicc_value *x, aicc_value *fill, const aicc_dim *low,
                       const aicc_dim *high, const char *mode) {
  if (!x) {
    return NULL;
  }
  aicc_dims *table = b->module->dims;
  const int rank = x->type.rank;
  aicc_dim dims[AICC_MAX_RANK];
  bool none = true;
  for (int i = 0; i < rank; i++) {
    dims[i] = aicc_dim_add(table, aicc_dim_add(table, low[i], x->type.dims[i]), high[i]);
    none = none && aicc_dim_is(table, low[i], 0) && aicc_dim_is(table, high[i], 0);
  }
  if (none) {
    return x;
  }
  aicc_value *const in[] = {x, fill};
  aicc_node *node = aicc_node_create(b->module, AICC_OP_PAD, in, fill ? 2 : 1, 1);
  node->out[0]->type = aicc_type_tensor(b->module, x->type.dtype, dims, rank);
  aicc_set_dims(b->module, node, AICC_ATTR_LOW, low, rank);
  aicc_set_string(b->module, node, AICC_ATTR_MODE, mode);
  return aicc_b_finish(b, node);
}

aicc_value *aicc_b_concat(aicc_builder *b, aicc_value *const *items, int count, int axis) {
  for (int i = 0; i < count; i++) {
    if (!items[i]) {
      return NULL;
    }
  }
  if (count == 1) {
    return items[0];
  }
  aicc_node *node = aicc_node_create(b->module, AICC_OP_CONCAT, items, count, 1);
  aicc_set_int(b->module, node, AICC_ATTR_AXIS, axis < 0 ? axis + items[0]->type.rank : axis);
  return aicc_b_finish(b, node);
}

// --- gathers and windows -------------------------------------------------------------------------

aicc_value *aicc_b_gather(aicc_builder *b, aicc_value *x, aicc_value *indices, int axis) {
  if (!x || !indices) {
    return NULL;
  }
  aicc_value *const in[] = {x, indices};
  aicc_node *node = aicc_node_create(b->module, AICC_OP_GATHER, in, 2, 1);
  aicc_set_int(b->module, node, AICC_ATTR_AXIS, axis < 0 ? axis + x->type.rank : axis);
  return aicc_b_finish(b, node);
}

aicc_value *aicc_b_window(aicc_builder *b, aicc_value *x, aicc_value *fill, int spatial,
                          const int64_t *kernel, const int64_t *strides, const int64_t *dilations,
                          const aicc_dim *pads, const aicc_dim *out) {
  if (!x || !fill) {
    return NULL;
  }
  const int lead = x->type.rank - spatial;
  if (lead < 0) {
    return refuse(b, AICC_OP_WINDOW, "the window has more dimensions than the tensor");
  }
  if (!rank_fits(b, AICC_OP_WINDOW, lead + 2 * spatial)) {
    return NULL;
  }
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < lead; i++) {
    dims[i] = x->type.dims[i];
  }
  for (int i = 0; i < spatial; i++) {
    dims[lead + i] = out[i];
    dims[lead + spatial + i] = aicc_dim_const(b->module->dims, kernel[i]);
  }
  aicc_value *const in[] = {x, fill};
  aicc_node *node = aicc_node_create(b->module, AICC_OP_WINDOW, in, 2, 1);
  node->out[0]->type = aicc_type_tensor(b->module, x->type.dtype, dims, lead + 2 * spatial);
  aicc_set_ints(b->module, node, AICC_ATTR_KERNEL, kernel, spatial);
  aicc_set_ints(b->module, node, AICC_ATTR_STRIDES, strides, spatial);
  aicc_set_ints(b->module, node, AICC_ATTR_DILATIONS, dilations, spatial);
  aicc_set_dims(b->module, node, AICC_ATTR_PADS, pads, spatial);
  return aicc_b_finish(b, node);
}
