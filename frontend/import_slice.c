// Slicing, splitting, joining and padding.
#include <string.h>

#include "frontend/import_move.h"

// --- slice ---------------------------------------------------------------------------------------

// Bounds of at least this size stand for "to the end": exporters write INT32_MAX and INT64_MAX.
#define FAR ((int64_t)INT32_MAX)

// |bound| counted from the start of a dimension |d| and put within |lower| .. |upper|.
static aicc_dim clamp_bound(aicc_importer *im, aicc_dim bound, aicc_dim d, aicc_dim lower,
                            aicc_dim upper) {
  int64_t value = 0;
  if (aicc_dim_is_const(im->dims, bound, &value) && (value >= FAR || value <= -FAR)) {
    return value > 0 ? upper : lower;
  }
  const aicc_dim negative = aicc_dim_lt(im->dims, bound, aicc_const_dim(im, 0));
  const aicc_dim counted =
      aicc_dim_select(im->dims, negative, aicc_dim_add(im->dims, bound, d), bound);
  return aicc_dim_min(im->dims, aicc_dim_max(im->dims, counted, lower), upper);
}

// What is taken of one dimension, as expressions.
typedef struct range {
  aicc_dim start, end, step;
} range;

// Start and size of |r| of a dimension |d|, by NumPy's rules for the sign of the step.
static void resolve(aicc_importer *im, const range *r, aicc_dim d, aicc_dim *start,
                    aicc_dim *size) {
  const aicc_dim zero = aicc_const_dim(im, 0), minus = aicc_const_dim(im, -1);
  const aicc_dim last = aicc_dim_add(im->dims, d, minus);
  const aicc_dim backward = aicc_dim_lt(im->dims, r->step, zero);
  *start = aicc_dim_select(im->dims, backward, clamp_bound(im, r->start, d, zero, last),
                           clamp_bound(im, r->start, d, zero, d));
  const aicc_dim stop = aicc_dim_select(im->dims, backward, clamp_bound(im, r->end, d, minus, last),
                                        clamp_bound(im, r->end, d, zero, d));
  int64_t from = 0, to = 0;
  if (aicc_dim_is(im->dims, r->step, 1) && aicc_dim_is_const(im->dims, r->start, &from) &&
      aicc_dim_is_const(im->dims, r->end, &to) && to >= FAR && from < 0 && from > -FAR) {
    *size = aicc_dim_min(im->dims, d, aicc_const_dim(im, -from));  // the last ones
    *start = aicc_dim_sub(im->dims, d, *size);
    return;
  }
  const aicc_dim span = aicc_dim_sub(im->dims, stop, *start);
  *size = aicc_dim_clamp_size(im, aicc_dim_ceildiv(im->dims, span, r->step));
}

// Elements start, start + step, .. of one axis, with a step that is known when the model runs.
static aicc_value *stride_axis(aicc_importer *im, aicc_value *x, int axis, aicc_dim start,
                               aicc_dim size, aicc_dim step) {
  aicc_builder *b = &im->b;
  aicc_value *index = aicc_b_iota(b, AICC_I64, &size, 1, 0);
  index = aicc_b_binary(b, AICC_OP_MUL, index, aicc_b_from_dim(b, step));
  index = aicc_b_binary(b, AICC_OP_ADD, index, aicc_b_from_dim(b, start));
  return aicc_b_gather(b, x, index, axis);
}

// Takes ranges[i] of dimension i.
static aicc_value *slice_ranges(aicc_importer *im, aicc_value *x, const range *ranges) {
  const int rank = x->type.rank;
  aicc_dim starts[AICC_MAX_RANK], sizes[AICC_MAX_RANK], wanted[AICC_MAX_RANK],
      from[AICC_MAX_RANK];
  int64_t steps[AICC_MAX_RANK];
  bool open[AICC_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    resolve(im, &ranges[i], x->type.dims[i], &from[i], &wanted[i]);
    open[i] = !aicc_dim_is_const(im->dims, ranges[i].step, &steps[i]);
    starts[i] = open[i] ? aicc_const_dim(im, 0) : from[i];
    sizes[i] = open[i] ? x->type.dims[i] : wanted[i];
    steps[i] = open[i] ? 1 : steps[i];
  }
  aicc_value *y = aicc_b_slices(&im->b, x, starts, steps, sizes);
  for (int i = 0; i < rank; i++) {
    y = open[i] ? stride_axis(im, y, i, from[i], wanted[i], ranges[i].step) : y;
  }
  return y;
}

// A step that reaches past every dimension takes the first element only, whatever its size.
static aicc_dim near_step(aicc_importer *im, aicc_dim step) {
  int64_t value = 0;
  const bool far = aicc_dim_is_const(im->dims, step, &value) && (value > FAR || value < -FAR);
  return far ? aicc_const_dim(im, value > 0 ? FAR : -FAR) : step;
}

// |axes| and |steps| may be NULL: the first ones, and 1.
static aicc_status slice_by(aicc_importer *im, const aicc_onnx_node *n, const aicc_dim *starts,
                            const aicc_dim *ends, const aicc_dim *axes, const aicc_dim *steps,
                            int count) {
  range ranges[AICC_MAX_RANK];
  aicc_value *x = aicc_in(n, 0);
  const aicc_dim zero = aicc_const_dim(im, 0), one = aicc_const_dim(im, 1);
  if (count > x->type.rank) {
    return aicc_invalid(im, n, "%d slices of %d dimensions", count, x->type.rank);
  }
  for (int k = 0; k < count; k++) {
    if (steps && aicc_dim_is(im->dims, steps[k], 0)) {
      return aicc_invalid(im, n, "step %d is 0", k);
    }
  }
  for (int i = 0; i < x->type.rank; i++) {
    ranges[i] = (range){zero, x->type.dims[i], one};
    for (int k = 0; k < count; k++) {
      const aicc_dim axis = axes ? axes[k] : aicc_const_dim(im, k);
      const aicc_dim hit = aicc_axis_is(im, axis, x->type.rank, i);
      const aicc_dim step = steps ? near_step(im, steps[k]) : one;
      ranges[i].start = aicc_dim_select(im->dims, hit, starts[k], ranges[i].start);
      ranges[i].end = aicc_dim_select(im->dims, hit, ends[k], ranges[i].end);
      ranges[i].step = aicc_dim_select(im->dims, hit, step, ranges[i].step);
    }
  }
  return aicc_set_out(im, n, 0, slice_ranges(im, x, ranges));
}

static const aicc_dim *const_dims(aicc_importer *im, const int64_t *values, int count) {
  aicc_dim *dims = AICC_NEW_ARRAY(&im->scratch, aicc_dim, count + 1);
  for (int i = 0; i < count; i++) {
    dims[i] = aicc_const_dim(im, values[i]);
  }
  return dims;
}

aicc_status import_slice_attr(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  int count = 0, end_count = 0, axis_count = 0;
  int64_t axes[AICC_MAX_RANK];
  const int rank = aicc_in(n, 0)->type.rank;
  const int64_t *starts = aicc_onnx_ints(n, "starts", &count);
  const int64_t *ends = aicc_onnx_ints(n, "ends", &end_count);
  const int64_t *given = aicc_onnx_ints(n, "axes", &axis_count);
  if (end_count != count || (given && axis_count != count) || axis_count > rank) {
    return aicc_invalid(im, n, "starts, ends and axes do not fit");
  }
  AICC_TRY(aicc_axes(im, n, given, axis_count, rank, axes));
  return slice_by(im, n, const_dims(im, starts, count), const_dims(im, ends, count),
                  given ? const_dims(im, axes, count) : NULL, NULL, count);
}

// Without axes, starts, ends and steps may have any length up to the rank, and it is data that
// decides it where they are slices themselves.
static bool is_open(aicc_importer *im, const aicc_onnx_node *n) {
  static const int inputs[] = {1, 2, 4};
  bool open = false;
  for (int k = 0; k < 3 && !aicc_in(n, 3); k++) {
    const aicc_value *x = aicc_in(n, inputs[k]);
    int64_t length;
    open |= x && x->type.rank == 1 && !aicc_dim_is_const(im->dims, x->type.dims[0], &length);
  }
  return open;
}

// |x|, whose length only data decides, as long as the axes, which is checked when the model runs.
static aicc_value *as_many_as_axes(aicc_importer *im, const aicc_onnx_node *n, aicc_value *x,
                                   int64_t axes) {
  aicc_builder *b = &im->b;
  aicc_value *same = aicc_b_binary(b, AICC_OP_EQ, aicc_b_from_dim(b, x->type.dims[0]),
                                   aicc_b_scalar_i64(b, AICC_I64, axes));
  if (same) {
    aicc_demand(im, same,
                aicc_arena_printf(&im->module->arena,
                                  "node '%s' (Slice): starts, ends, axes and steps differ in "
                                  "length", n->name));
  }
  return aicc_b_slice(b, x, 0, aicc_const_dim(im, 0), aicc_const_dim(im, axes), 1);
}

// Input |i|, continued by |filler| up to one element for each dimension where lengths are open.
static aicc_status read_bounds(aicc_importer *im, const aicc_onnx_node *n, int i, int64_t filler,
                               const aicc_dim **out, int *count) {
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, i), *axes = aicc_in(n, 3);
  int64_t length;
  if (x && x->type.rank == 1 && axes && axes->type.rank == 1 &&
      !aicc_dim_is_const(im->dims, x->type.dims[0], &length) &&
      aicc_dim_is_const(im->dims, axes->type.dims[0], &length)) {
    x = as_many_as_axes(im, n, x, length);
    return aicc_b_as_dims(b, x, out, count) ? AICC_OK : AICC_INVALID;
  }
  if (!x || x->type.rank != 1 || !is_open(im, n)) {
    return aicc_in_dims(im, n, i, out, count);
  }
  const aicc_dim rank = aicc_const_dim(im, aicc_in(n, 0)->type.rank), zero = aicc_const_dim(im, 0);
  const aicc_dim missing = aicc_dim_sub(im->dims, rank, x->type.dims[0]);
  x = aicc_b_pad(b, x, aicc_b_scalar_i64(b, x->type.dtype, filler), &zero, &missing, "constant");
  return aicc_b_as_dims(b, aicc_b_reshape(b, x, &rank, 1), out, count) ? AICC_OK : AICC_INVALID;
}

aicc_status import_slice(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  int count = 0, end_count = 0, axis_count = 0, step_count = 0;
  const aicc_dim *starts = NULL, *ends = NULL, *axes = NULL, *steps = NULL;
  AICC_TRY(read_bounds(im, n, 1, 0, &starts, &count));
  AICC_TRY(read_bounds(im, n, 2, FAR, &ends, &end_count));
  AICC_TRY(aicc_in_axes_dims(im, n, 3, aicc_in(n, 0)->type.rank, &axes, &axis_count));
  AICC_TRY(read_bounds(im, n, 4, 1, &steps, &step_count));
  if (end_count != count || (axes && axis_count != count) || (steps && step_count != count)) {
    return aicc_invalid(im, n, "starts, ends, axes and steps differ in length");
  }
  return slice_by(im, n, starts, ends, axes, steps, count);
}

// --- split, concat -------------------------------------------------------------------------------

// Sizes of |parts| equal parts of |d|; where the division leaves a rest (from version 18 on), the
// last part is smaller.
static aicc_status equal_parts(aicc_importer *im, const aicc_onnx_node *n, aicc_dim d, int parts,
                               aicc_dim *sizes) {
  int64_t value = 0;
  const bool known = aicc_dim_is_const(im->dims, d, &value);
  if (parts < 1 || (n->opset < 18 && known && value % parts != 0)) {
    return aicc_invalid(im, n, "%lld elements do not split into %d equal parts",
                        (long long)value, parts);
  }
  const aicc_dim by = aicc_const_dim(im, parts);
  const aicc_dim size = n->opset < 18 ? aicc_dim_floordiv(im->dims, d, by)
                                      : aicc_dim_ceildiv(im->dims, d, by);
  for (int i = 0; i < parts; i++) {
    const aicc_dim before = aicc_dim_mul(im->dims, aicc_const_dim(im, i), size);
    const aicc_dim rest = aicc_dim_sub(im->dims, d, before);
    sizes[i] = n->opset < 18 ? size
                             : aicc_dim_clamp_size(im, aicc_dim_min(im->dims, size, rest));
  }
  return AICC_OK;
}

static aicc_status split_sizes(aicc_importer *im, const aicc_onnx_node *n, aicc_dim d,
                               bool sizes_are_input, int parts, const aicc_dim **out) {
  int count = 0;
  aicc_dim *sizes = AICC_NEW_ARRAY(&im->scratch, aicc_dim, parts + 1);
  const int64_t *given = aicc_onnx_ints(n, "split", &count);
  const int64_t stated = aicc_onnx_int(n, "num_outputs", parts);
  if (stated != parts) {
    return aicc_invalid(im, n, "num_outputs is %lld, the node has %d outputs", (long long)stated,
                        parts);
  }
  *out = sizes;
  if (sizes_are_input && aicc_in(n, 1)) {
    AICC_TRY(aicc_in_dims(im, n, 1, out, &count));
  } else if (given) {
    for (int i = 0; i < count && i < parts; i++) {
      sizes[i] = aicc_const_dim(im, given[i]);
    }
  } else {
    return equal_parts(im, n, d, parts, sizes);
  }
  return count == parts ? AICC_OK
                        : aicc_invalid(im, n, "%d sizes for %d outputs", count, parts);
}

aicc_status import_split(aicc_importer *im, const aicc_onnx_node *n, int sizes_are_input) {
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_value *x = aicc_in(n, 0);
  int axis = 0;
  AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "axis", 0), x->type.rank, &axis));
  const int parts = (int)n->proto->n_output;
  const aicc_dim *sizes = NULL;
  AICC_TRY(split_sizes(im, n, x->type.dims[axis], sizes_are_input != 0, parts, &sizes));
  aicc_dim start = aicc_const_dim(im, 0), total = start;
  for (int i = 0; i < parts; i++) {
    total = aicc_dim_add(im->dims, total, sizes[i]);
  }
  if (aicc_dim_is(im->dims, aicc_dim_eq(im->dims, total, x->type.dims[axis]), 0)) {
    return aicc_invalid(im, n, "the sizes of the parts do not add up to %s",
                        aicc_dim_print(im->dims, x->type.dims[axis], &im->scratch));
  }
  for (int i = 0; i < n->out_count; i++) {
    if (aicc_wants_out(n, i)) {
      AICC_TRY(aicc_set_out(im, n, i, aicc_b_slice(&im->b, x, axis, start, sizes[i], 1)));
    }
    start = aicc_dim_add(im->dims, start, sizes[i]);
  }
  return AICC_OK;
}

aicc_status import_concat(aicc_importer *im, const aicc_onnx_node *n, int has_default) {
  AICC_TRY(aicc_need_tensors(im, n));
  int axis = 0;
  if (!has_default && !aicc_onnx_has(n, "axis")) {
    return aicc_invalid(im, n, "attribute 'axis' is missing");
  }
  AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "axis", 1), aicc_in(n, 0)->type.rank, &axis));
  return aicc_set_out(im, n, 0, aicc_b_concat(&im->b, n->in, n->in_count, axis));
}

// --- padding -------------------------------------------------------------------------------------

static bool is_mode(const char *mode) {
  static const char *const modes[] = {"constant", "reflect", "edge", "wrap"};
  for (int i = 0; i < 4; i++) {
    if (strcmp(modes[i], mode) == 0) {
      return true;
    }
  }
  return false;
}

// |pads|: |count| paddings before, then as many behind, of |axes| (NULL: all).
static aicc_status pad_by(aicc_importer *im, const aicc_onnx_node *n, const aicc_dim *pads,
                          const aicc_dim *axes, int count, aicc_value *fill) {
  aicc_value *x = aicc_in(n, 0);
  const char *mode = aicc_onnx_string(n, "mode", "constant");
  aicc_dim low[AICC_MAX_RANK], high[AICC_MAX_RANK];
  if (!is_mode(mode)) {
    return aicc_invalid(im, n, "there is no padding mode '%s'", mode);
  }
  for (int i = 0; i < x->type.rank; i++) {
    low[i] = high[i] = aicc_const_dim(im, 0);
  }
  for (int i = 0; i < x->type.rank; i++) {
    for (int k = 0; k < count; k++) {
      const aicc_dim axis = axes ? axes[k] : aicc_const_dim(im, k);
      const aicc_dim hit = aicc_axis_is(im, axis, x->type.rank, i);
      low[i] = aicc_dim_select(im->dims, hit, pads[k], low[i]);
      high[i] = aicc_dim_select(im->dims, hit, pads[count + k], high[i]);
    }
  }
  const bool constant = strcmp(mode, "constant") == 0;
  return aicc_set_out(im, n, 0,
                      aicc_b_pad(&im->b, x, constant ? fill : NULL, low, high, mode));
}

aicc_status import_pad_attr(aicc_importer *im, const aicc_onnx_node *n, int first_version) {
  AICC_TRY(aicc_need_tensors(im, n));
  const aicc_value *x = aicc_in(n, 0);
  int count = 0;
  const int64_t *pads = aicc_onnx_ints(n, first_version ? "paddings" : "pads", &count);
  if (count != 2 * x->type.rank) {
    return aicc_invalid(im, n, "%d paddings for %d dimensions", count, x->type.rank);
  }
  const double value = (double)aicc_onnx_float(n, "value", 0);
  return pad_by(im, n, const_dims(im, pads, count), NULL, x->type.rank,
                aicc_b_scalar(&im->b, x->type.dtype, value));
}

aicc_status import_pad(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_value *x = aicc_in(n, 0), *fill = aicc_in(n, 2);
  const aicc_dim *pads = NULL, *axes = NULL;
  int count = 0, axis_count = 0;
  AICC_TRY(aicc_in_dims(im, n, 1, &pads, &count));
  AICC_TRY(aicc_in_axes_dims(im, n, 3, x->type.rank, &axes, &axis_count));
  axis_count = axes ? axis_count : x->type.rank;
  if (count != 2 * axis_count) {
    return aicc_invalid(im, n, "%d paddings for %d dimensions", count, axis_count);
  }
  if (x->type.dtype == AICC_STR && !fill) {
    return aicc_unsupported(im, n, "padding of strings without a value");
  }
  fill = fill ? aicc_as_scalar(im, fill) : aicc_zero(im, x->type.dtype);
  return pad_by(im, n, pads, axes, axis_count, fill);
}

aicc_status import_center_crop_pad(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_value *x = aicc_in(n, 0);
  const aicc_dim *sizes = NULL;
  int64_t axes[AICC_MAX_RANK];
  int count = 0, axis_count = 0;
  const int64_t *given = aicc_onnx_ints(n, "axes", &axis_count);
  if (axis_count > x->type.rank) {
    return aicc_invalid(im, n, "%d axes for %d dimensions", axis_count, x->type.rank);
  }
  AICC_TRY(aicc_axes(im, n, given, axis_count, x->type.rank, axes));
  AICC_TRY(aicc_in_dims(im, n, 1, &sizes, &count));
  for (int i = 0; !given && i < x->type.rank; i++) {
    axes[axis_count++] = i;
  }
  if (count != axis_count) {
    return aicc_invalid(im, n, "%d sizes for %d axes", count, axis_count);
  }
  aicc_dim low[AICC_MAX_RANK], high[AICC_MAX_RANK];
  const aicc_dim zero = aicc_const_dim(im, 0), two = aicc_const_dim(im, 2);
  for (int i = 0; i < x->type.rank; i++) {
    low[i] = high[i] = zero;
  }
  for (int i = 0; i < count; i++) {  // both halves round down, of what is added and of what is cut
    const aicc_dim d = x->type.dims[axes[i]];
    const aicc_dim more = aicc_dim_sub(im->dims, aicc_dim_clamp_size(im, sizes[i]), d);
    const aicc_dim less = aicc_dim_sub(im->dims, zero, more);
    const aicc_dim cut = aicc_dim_sub(im->dims, zero, aicc_dim_floordiv(im->dims, less, two));
    low[axes[i]] = aicc_dim_select(im->dims, aicc_dim_lt(im->dims, more, zero), cut,
                                   aicc_dim_floordiv(im->dims, more, two));
    high[axes[i]] = aicc_dim_sub(im->dims, more, low[axes[i]]);
  }
  aicc_value *fill = aicc_zero(im, x->type.dtype);
  return aicc_set_out(im, n, 0, aicc_b_pad(&im->b, x, fill, low, high, "constant"));
}
