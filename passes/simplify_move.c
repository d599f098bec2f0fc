// Identities of views, moves and reductions of single elements.
#include <string.h>

#include "passes/simplify.h"

static bool same_type(const aicc_node *node) {
  return aicc_type_equal(&node->in[0]->type, &node->out[0]->type);
}

// A view or broadcast that changes nothing.
static aicc_value *no_change(aicc_simplify *s, aicc_node *node) {
  (void)s;
  return same_type(node) ? node->in[0] : NULL;
}

static aicc_value *reshape_as(aicc_simplify *s, const aicc_node *node, aicc_value *x) {
  const aicc_type *type = &node->out[0]->type;
  return aicc_type_equal(&x->type, type) ? x : aicc_b_reshape(&s->b, x, type->dims, type->rank);
}

// Views keep the order of elements: only the last shape counts.
static aicc_value *reshape_of_reshape(aicc_simplify *s, aicc_node *node) {
  aicc_node *inner = aicc_simplify_def(node, 0, AICC_OP_RESHAPE);
  return inner ? reshape_as(s, node, inner->in[0]) : NULL;
}

// --- transpose -----------------------------------------------------------------------------------

static const int64_t *perm_of(const aicc_node *node) {
  int count = 0;
  const int64_t *perm = aicc_get_ints(node, AICC_ATTR_PERM, &count);
  return count == node->in[0]->type.rank ? perm : NULL;
}

// Two permutations are one: one move of the data instead of two.
static aicc_value *transpose_of_transpose(aicc_simplify *s, aicc_node *node) {
  aicc_node *inner = aicc_simplify_def(node, 0, AICC_OP_TRANSPOSE);
  const int64_t *outer_perm = perm_of(node), *inner_perm = inner ? perm_of(inner) : NULL;
  if (!outer_perm || !inner_perm) {
    return NULL;
  }
  int64_t both[AICC_MAX_RANK];
  bool identity = true;
  for (int d = 0; d < node->in[0]->type.rank; d++) {
    both[d] = inner_perm[outer_perm[d]];
    identity = identity && both[d] == d;
  }
  return identity ? inner->in[0] : aicc_b_transpose(&s->b, inner->in[0], both);
}

// Whether |reshape| only joins the first |joined| dimensions of its operand.
static bool joins_leading(const aicc_node *reshape, int joined) {
  const aicc_type *from = &reshape->in[0]->type, *to = &reshape->out[0]->type;
  if (joined < 1 || to->rank != from->rank - joined + 1) {
    return false;
  }
  for (int d = 1; d < to->rank; d++) {
    if (to->dims[d] != from->dims[d + joined - 1]) {
      return false;
    }
  }
  return true;
}

// Batch dimensions that are joined only for a transpose behind them, and taken apart again (how
// PyTorch transposes keys): the transpose can do without, and then meets others.
static aicc_value *transpose_without_join(aicc_simplify *s, aicc_node *node) {
  aicc_node *transpose = aicc_simplify_def(node, 0, AICC_OP_TRANSPOSE);
  aicc_node *join = transpose ? aicc_simplify_def(transpose, 0, AICC_OP_RESHAPE) : NULL;
  const int64_t *perm = transpose ? perm_of(transpose) : NULL;
  const aicc_type *out = &node->out[0]->type;
  const int joined = join ? join->in[0]->type.rank - join->out[0]->type.rank + 1 : 0;
  if (!perm || perm[0] != 0 || joined < 2 || !joins_leading(join, joined) ||
      out->rank != join->in[0]->type.rank) {
    return NULL;
  }
  int64_t whole[AICC_MAX_RANK];
  for (int d = 0; d < out->rank; d++) {
    whole[d] = d < joined ? d : perm[d - joined + 1] + joined - 1;
    if (out->dims[d] != join->in[0]->type.dims[whole[d]]) {
      return NULL;
    }
  }
  return aicc_b_transpose(&s->b, join->in[0], whole);
}

// The same where views take the batch apart in another way than it was joined (keys that several
// heads share): the matrices are the same in any shape of their batch.
static aicc_value *matrix_transpose_of_views(aicc_simplify *s, aicc_node *node) {
  aicc_node *transpose = aicc_simplify_def(node, 0, AICC_OP_TRANSPOSE);
  aicc_node *inner = transpose ? aicc_simplify_def(transpose, 0, AICC_OP_RESHAPE) : NULL;
  const int64_t *perm = inner ? perm_of(transpose) : NULL;
  const aicc_type *type = &node->out[0]->type;
  const int rank = type->rank, from = transpose ? transpose->in[0]->type.rank : 0;
  if (!perm || rank < 2 || from < 2 || perm[from - 2] != from - 1 || perm[from - 1] != from - 2) {
    return NULL;
  }
  const aicc_dim *matrix = transpose->out[0]->type.dims + from - 2;
  if (type->dims[rank - 2] != matrix[0] || type->dims[rank - 1] != matrix[1]) {
    return NULL;
  }
  aicc_dim dims[AICC_MAX_RANK];
  int64_t swap[AICC_MAX_RANK];
  for (int d = 0; d < rank; d++) {
    dims[d] = type->dims[d];
    swap[d] = d;
  }
  dims[rank - 2] = matrix[1];
  dims[rank - 1] = matrix[0];
  swap[rank - 2] = rank - 1;
  swap[rank - 1] = rank - 2;
  for (int d = 0; d < from - 2; d++) {
    if (perm[d] != d) {
      return NULL;
    }
  }
  return aicc_b_transpose(&s->b, aicc_b_reshape(&s->b, inner->in[0], dims, rank), swap);
}

// Where only dimensions of 1 pass others the elements keep their order: a view, which moves
// nothing.
static aicc_value *transpose_of_ones(aicc_simplify *s, aicc_node *node) {
  const int64_t *perm = perm_of(node);
  int64_t before = -1;
  for (int d = 0; perm && d < node->in[0]->type.rank; d++) {
    if (aicc_dim_is(s->module->dims, node->in[0]->type.dims[perm[d]], 1)) {
      continue;
    }
    if (perm[d] < before) {
      return NULL;
    }
    before = perm[d];
  }
  return perm ? reshape_as(s, node, node->in[0]) : NULL;
}

// --- broadcast -----------------------------------------------------------------------------------

static aicc_value *broadcast_of_broadcast(aicc_simplify *s, aicc_node *node) {
  aicc_node *inner = aicc_simplify_def(node, 0, AICC_OP_BROADCAST);
  const aicc_type *type = &node->out[0]->type;
  return inner ? aicc_b_broadcast(&s->b, inner->in[0], type->dims, type->rank) : NULL;
}

// --- slice and concat ----------------------------------------------------------------------------

static const aicc_dim *starts_of(const aicc_node *node) {
  int count = 0;
  const aicc_dim *starts = aicc_get_dims(node, AICC_ATTR_STARTS, &count);
  return count == node->in[0]->type.rank ? starts : NULL;
}

static const int64_t *steps_of(const aicc_node *node) {
  int count = 0;
  const int64_t *steps = aicc_get_ints(node, AICC_ATTR_STEPS, &count);
  return count == node->in[0]->type.rank ? steps : NULL;
}

// All of the operand: starts are 0, steps 1 and the sizes equal.
static aicc_value *slice_of_all(aicc_simplify *s, aicc_node *node) {
  const aicc_dim *starts = starts_of(node);
  const int64_t *steps = steps_of(node);
  if (!starts || !steps || !same_type(node)) {
    return NULL;
  }
  for (int d = 0; d < node->in[0]->type.rank; d++) {
    // The same size from another start can only be an empty slice, or one of one element.
    if (!aicc_dim_is(s->module->dims, starts[d], 0) || steps[d] != 1) {
      return NULL;
    }
  }
  return node->in[0];
}

// x[a : : p][b : : q] = x[a + b p : : p q]: one move instead of two.
static aicc_value *slice_of_slice(aicc_simplify *s, aicc_node *node) {
  aicc_node *inner = aicc_simplify_def(node, 0, AICC_OP_SLICE);
  if (!inner || !starts_of(node) || !steps_of(node) || !starts_of(inner) || !steps_of(inner)) {
    return NULL;
  }
  aicc_dims *dims = s->module->dims;
  aicc_dim starts[AICC_MAX_RANK];
  int64_t steps[AICC_MAX_RANK];
  for (int d = 0; d < node->in[0]->type.rank; d++) {
    const int64_t step = steps_of(inner)[d];
    const aicc_dim offset = aicc_dim_mul(dims, starts_of(node)[d], aicc_dim_const(dims, step));
    starts[d] = aicc_dim_add(dims, starts_of(inner)[d], offset);
    if (aicc_mul_overflow(step, steps_of(node)[d], &steps[d])) {
      return NULL;
    }
  }
  return aicc_b_slices(&s->b, inner->in[0], starts, steps, node->out[0]->type.dims);
}

// The one axis along which a slice of step 1 takes less than all; -1: none or several.
static int only_axis(const aicc_simplify *s, const aicc_node *slice) {
  const aicc_dim *starts = starts_of(slice);
  const int64_t *steps = steps_of(slice);
  int axis = -1;
  for (int d = 0; starts && steps && d < slice->in[0]->type.rank; d++) {
    const bool all = aicc_dim_is(s->module->dims, starts[d], 0) && steps[d] == 1 &&
                     slice->in[0]->type.dims[d] == slice->out[0]->type.dims[d];
    if (!all && (axis >= 0 || steps[d] != 1)) {
      return -1;
    }
    axis = all ? axis : d;
  }
  return axis;
}

// A piece of a concatenation that lies within one operand needs no concatenation.
static aicc_value *slice_of_concat(aicc_simplify *s, aicc_node *node) {
  aicc_node *concat = aicc_simplify_def(node, 0, AICC_OP_CONCAT);
  const int axis = concat ? only_axis(s, node) : -1;
  int64_t start, size, at = 0, extent;
  if (axis < 0 || aicc_get_int(concat, AICC_ATTR_AXIS, 0) != axis ||
      !aicc_dim_is_const(s->module->dims, starts_of(node)[axis], &start) ||
      !aicc_simplify_size(s, node->out[0], axis, &size)) {
    return NULL;
  }
  for (int i = 0; i < concat->in_count; i++, at += extent) {
    if (!aicc_simplify_size(s, concat->in[i], axis, &extent)) {
      return NULL;
    }
    if (start >= at && start + size <= at + extent && size > 0) {
      aicc_dims *dims = s->module->dims;
      return size == extent ? concat->in[i]
                            : aicc_b_slice(&s->b, concat->in[i], axis,
                                           aicc_dim_const(dims, start - at),
                                           aicc_dim_const(dims, size), 1);
    }
  }
  return NULL;
}

static aicc_value *concat_of_one(aicc_simplify *s, aicc_node *node) {
  (void)s;
  return node->in_count == 1 ? node->in[0] : NULL;
}

// Operands of size 0 along the axis add nothing.
static aicc_value *concat_drops_empty(aicc_simplify *s, aicc_node *node) {
  const int64_t axis = aicc_get_int(node, AICC_ATTR_AXIS, 0);
  aicc_value *kept[64];
  int count = 0;
  if (node->in_count > (int)(sizeof kept / sizeof *kept)) {
    return NULL;
  }
  for (int i = 0; i < node->in_count; i++) {
    if (!aicc_dim_is(s->module->dims, node->in[i]->type.dims[axis], 0)) {
      kept[count++] = node->in[i];
    }
  }
  return count > 0 && count < node->in_count ? aicc_b_concat(&s->b, kept, count, (int)axis) : NULL;
}

// Neighbouring slices of one tensor, put together again.
static aicc_value *concat_of_slices(aicc_simplify *s, aicc_node *node) {
  const int axis = (int)aicc_get_int(node, AICC_ATTR_AXIS, 0);
  aicc_node *first = aicc_simplify_def(node, 0, AICC_OP_SLICE);
  aicc_dims *dims = s->module->dims;
  if (!first || node->in_count < 2 || only_axis(s, first) != axis) {
    return NULL;
  }
  aicc_dim end = starts_of(first)[axis];
  for (int i = 0; i < node->in_count; i++) {
    aicc_node *slice = aicc_simplify_def(node, i, AICC_OP_SLICE);
    if (!slice || slice->in[0] != first->in[0] || only_axis(s, slice) != axis ||
        starts_of(slice)[axis] != end) {
      return NULL;
    }
    end = aicc_dim_add(dims, end, slice->out[0]->type.dims[axis]);
  }
  const aicc_dim size = aicc_dim_sub(dims, end, starts_of(first)[axis]);
  return aicc_b_slice(&s->b, first->in[0], axis, starts_of(first)[axis], size, 1);
}

// --- pad, gather, reduce, resize -----------------------------------------------------------------

static aicc_value *pad_by_nothing(aicc_simplify *s, aicc_node *node) {
  int count = 0;
  const aicc_dim *low = aicc_get_dims(node, AICC_ATTR_LOW, &count);
  for (int d = 0; d < count; d++) {
    if (!aicc_dim_is(s->module->dims, low[d], 0)) {
      return NULL;
    }
  }
  return low && same_type(node) ? node->in[0] : NULL;
}

// Constant indices that count up by one: their first and number.
static bool index_range(const aicc_value *indices, int64_t *first, int64_t *count) {
  const aicc_tensor *tensor = aicc_value_constant(indices);
  if (!tensor || tensor->rank > 1) {
    return false;
  }
  *count = tensor->rank ? tensor->shape[0] : 1;
  *first = *count ? aicc_get_i64(tensor->dtype, tensor->data, 0) : 0;
  for (int64_t i = 1; i < *count; i++) {
    if (aicc_get_i64(tensor->dtype, tensor->data, (size_t)i) != *first + i) {
      return false;
    }
  }
  return *count > 0;
}

// A gather of known neighbours is a slice, whose addresses need no data.
static aicc_value *gather_of_range(aicc_simplify *s, aicc_node *node) {
  const int axis = (int)aicc_get_int(node, AICC_ATTR_AXIS, 0);
  aicc_dims *dims = s->module->dims;
  int64_t first, count, lower, upper;
  if (!index_range(node->in[1], &first, &count)) {
    return NULL;
  }
  const aicc_dim size = node->in[0]->type.dims[axis];
  aicc_dim_bounds(dims, size, &lower, &upper);
  aicc_dim start = aicc_dim_const(dims, first);
  if (first < 0) {
    start = aicc_dim_add(dims, size, start);
  }
  // Only where the indices are in range for sure: gather reports those that are not.
  const bool inside = first < 0 ? first + count <= 0 && lower >= -first : first + count <= lower;
  if (!inside) {
    return NULL;
  }
  aicc_value *slice =
      aicc_b_slice(&s->b, node->in[0], axis, start, aicc_dim_const(dims, count), 1);
  return slice ? reshape_as(s, node, slice) : NULL;
}

// Over dimensions of 1 there is nothing to add up.
static aicc_value *reduce_of_ones(aicc_simplify *s, aicc_node *node) {
  int count = 0;
  const int64_t *axes = aicc_get_ints(node, AICC_ATTR_AXES, &count);
  for (int i = 0; i < count; i++) {
    if (!aicc_dim_is(s->module->dims, node->in[0]->type.dims[axes[i]], 1)) {
      return NULL;
    }
  }
  const bool same = node->in[0]->type.dtype == node->out[0]->type.dtype;
  return axes && same ? reshape_as(s, node, node->in[0]) : NULL;
}

// Every scale is 1: each element is its own source, in all modes but a crop.
static aicc_value *resize_to_same(aicc_simplify *s, aicc_node *node) {
  (void)s;
  int count = 0;
  const double *scales = aicc_get_floats(node, AICC_ATTR_SCALES, &count);
  for (int i = 0; i < count; i++) {
    if (scales[i] != 1) {
      return NULL;
    }
  }
  const char *how = aicc_get_string(node, AICC_ATTR_COORDINATES, "half_pixel");
  return same_type(node) && strcmp(how, "tf_crop_and_resize") != 0 ? node->in[0] : NULL;
}

const aicc_simplify_rule aicc_simplify_move[] = {
    {AICC_OP_RESHAPE, "no_change", no_change},
    {AICC_OP_RESHAPE, "reshape_of_reshape", reshape_of_reshape},
    {AICC_OP_RESHAPE, "transpose_without_join", transpose_without_join},
    {AICC_OP_RESHAPE, "matrix_transpose_of_views", matrix_transpose_of_views},
    {AICC_OP_TRANSPOSE, "transpose_of_transpose", transpose_of_transpose},
    {AICC_OP_TRANSPOSE, "transpose_of_ones", transpose_of_ones},
    {AICC_OP_BROADCAST, "no_change", no_change},
    {AICC_OP_BROADCAST, "broadcast_of_broadcast", broadcast_of_broadcast},
    {AICC_OP_SLICE, "slice_of_all", slice_of_all},
    {AICC_OP_SLICE, "slice_of_slice", slice_of_slice},
    {AICC_OP_SLICE, "slice_of_concat", slice_of_concat},
    {AICC_OP_CONCAT, "concat_of_one", concat_of_one},
    {AICC_OP_CONCAT, "concat_drops_empty", concat_drops_empty},
    {AICC_OP_CONCAT, "concat_of_slices", concat_of_slices},
    {AICC_OP_PAD, "pad_by_nothing", pad_by_nothing},
    {AICC_OP_GATHER, "gather_of_range", gather_of_range},
    {AICC_OP_REDUCE_SUM, "reduce_of_ones", reduce_of_ones},
    {AICC_OP_REDUCE_PROD, "reduce_of_ones", reduce_of_ones},
    {AICC_OP_REDUCE_MAX, "reduce_of_ones", reduce_of_ones},
    {AICC_OP_REDUCE_MIN, "reduce_of_ones", reduce_of_ones},
    {AICC_OP_RESIZE, "resize_to_same", resize_to_same},
    {AICC_OP_COUNT, NULL, NULL},
};
