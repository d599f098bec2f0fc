// Resizing along one axis: where each result element lies in the operand, its neighbours there, and
// their weights, all small vectors in f64 that fold where sizes are known; then gathers along the
// axis.
#include <math.h>

#include "frontend/import_resize.h"

enum { TAPS_MOST = 512 };

static aicc_value *number(aicc_builder *b, double value) {
  return aicc_b_scalar(b, AICC_F64, value);
}

// x where |width| is 1, else y.
static aicc_value *where_one(aicc_builder *b, aicc_value *width, aicc_value *x, aicc_value *y) {
  return aicc_b_select(b, aicc_b_binary(b, AICC_OP_EQ, width, number(b, 1)), x, y);
}

static aicc_value *half_pixel(aicc_builder *b, const aicc_resize_axis *a, aicc_value *at) {
  return aicc_add_number(b, aicc_div(b, aicc_add_number(b, at, 0.5), a->scale), -0.5);
}

// at * span / (width - 1); |single| where the width is 1.
static aicc_value *between_ends(aicc_builder *b, const aicc_resize_axis *a, aicc_value *at,
                                aicc_value *span, aicc_value *single) {
  aicc_value *steps = aicc_add_number(b, a->width, -1);
  return where_one(b, a->width, single, aicc_div(b, aicc_mul(b, at, span), steps));
}

static aicc_value *crop(aicc_builder *b, const aicc_resize_axis *a, aicc_value *at,
                        aicc_value *last) {
  aicc_value *span = aicc_mul(b, aicc_sub(b, a->roi_end, a->roi_start), last);
  aicc_value *inside = between_ends(b, a, at, span, aicc_div_number(b, span, 2));
  return aicc_add(b, inside, aicc_mul(b, a->roi_start, last));
}

static aicc_value *symmetric(aicc_builder *b, const aicc_resize_axis *a, aicc_value *at,
                             aicc_value *in) {
  aicc_value *adjustment = aicc_div(b, aicc_size_number(b, AICC_F64, a->out), a->width);
  aicc_value *center = aicc_div_number(b, in, 2);
  aicc_value *offset = aicc_mul(b, center, aicc_sub(b, number(b, 1), adjustment));
  return aicc_add(b, half_pixel(b, a, at), offset);
}

// Positions of the result's elements in the operand: f64[out].
static aicc_value *source_positions(aicc_builder *b, const aicc_resize_style *style,
                                    const aicc_resize_axis *a) {
  aicc_value *at = aicc_b_cast(b, aicc_b_iota(b, AICC_I64, &a->out, 1, 0), AICC_F64);
  aicc_value *in = aicc_size_number(b, AICC_F64, a->in);
  aicc_value *last = aicc_add_number(b, in, -1);
  switch (style->coordinates) {
    case AICC_RESIZE_HALF_PIXEL: return half_pixel(b, a, at);
    case AICC_RESIZE_HALF_PIXEL_SYMMETRIC: return symmetric(b, a, at, in);
    case AICC_RESIZE_PYTORCH_HALF_PIXEL:
      return where_one(b, a->width, number(b, -0.5), half_pixel(b, a, at));
    case AICC_RESIZE_ALIGN_CORNERS: return between_ends(b, a, at, last, number(b, 0));
    case AICC_RESIZE_ASYMMETRIC: return aicc_div(b, at, a->scale);
    case AICC_RESIZE_CROP: return crop(b, a, at, last);
    case AICC_RESIZE_TF_HALF_PIXEL: return aicc_div(b, aicc_add_number(b, at, 0.5), a->scale);
  }
  return NULL;
}

// --- neighbours ----------------------------------------------------------------------------------

// Elements of |x| at |index| (f64[out], whole numbers), the ends repeated.
static aicc_value *pick(aicc_builder *b, aicc_value *x, const aicc_resize_axis *a,
                        aicc_value *index) {
  aicc_value *last = aicc_add_number(b, aicc_size_number(b, AICC_F64, a->in), -1);
  aicc_value *inside = aicc_min(b, aicc_max(b, index, number(b, 0)), last);
  return aicc_b_gather(b, x, inside ? aicc_b_cast(b, inside, AICC_I64) : NULL, a->axis);
}

static aicc_value *nearest(aicc_builder *b, aicc_value *x, const aicc_resize_style *style,
                           const aicc_resize_axis *a, aicc_value *at) {
  const aicc_resize_rounding rounding = style->rounding;
  const bool up = rounding == AICC_RESIZE_PREFER_FLOOR || rounding == AICC_RESIZE_CEIL;
  const double shift = rounding == AICC_RESIZE_PREFER_FLOOR  ? -0.5
                       : rounding == AICC_RESIZE_PREFER_CEIL ? 0.5
                                                             : 0;
  return pick(b, x, a, aicc_b_unary(b, up ? AICC_OP_CEIL : AICC_OP_FLOOR,
                                    aicc_add_number(b, at, shift)));
}

// 1 - |d|, or 0.
static aicc_value *linear_weight(aicc_builder *b, aicc_value *d) {
  aicc_value *near = aicc_sub(b, number(b, 1), aicc_b_unary(b, AICC_OP_ABS, d));
  return aicc_max(b, near, number(b, 0));
}

// Horner's scheme.
static aicc_value *cubic_of(aicc_builder *b, aicc_value *x, double c3, double c2, double c1,
                            double c0) {
  aicc_value *y = aicc_add_number(b, aicc_mul_number(b, x, c3), c2);
  y = aicc_add_number(b, aicc_mul(b, y, x), c1);
  return aicc_add_number(b, aicc_mul(b, y, x), c0);
}

static aicc_value *cubic_weight(aicc_builder *b, aicc_value *d, double a) {
  aicc_value *x = aicc_b_unary(b, AICC_OP_ABS, d);
  aicc_value *near = cubic_of(b, x, a + 2, -(a + 3), 0, 1);
  aicc_value *far = cubic_of(b, x, a, -5 * a, 8 * a, -4 * a);
  far = aicc_b_select(b, aicc_b_binary(b, AICC_OP_LT, x, number(b, 2)), far, number(b, 0));
  return aicc_b_select(b, aicc_b_binary(b, AICC_OP_LE, x, number(b, 1)), near, far);
}

// The weight of a neighbour that lies |distance| from the position; 0 where it is outside and such
// neighbours are excluded.
static aicc_value *tap_weight(aicc_builder *b, const aicc_resize_style *style,
                              const aicc_resize_axis *a, aicc_value *index, aicc_value *at,
                              aicc_value *stretch) {
  aicc_value *distance = aicc_sub(b, index, at);
  distance = stretch ? aicc_mul(b, distance, stretch) : distance;
  aicc_value *weight = style->mode == AICC_RESIZE_CUBIC
                           ? cubic_weight(b, distance, style->cubic_a)
                           : linear_weight(b, distance);
  if (!style->exclude_outside) {
    return weight;
  }
  aicc_value *zero = number(b, 0);
  aicc_value *end = aicc_size_number(b, AICC_F64, a->in);
  aicc_value *low = aicc_b_select(b, aicc_b_binary(b, AICC_OP_LT, index, zero), zero, weight);
  return aicc_b_select(b, aicc_b_binary(b, AICC_OP_GE, index, end), zero, low);
}

// A vector in x's type, along the axis of x.
static aicc_value *laid_along(aicc_builder *b, aicc_value *vector, const aicc_value *x, int axis) {
  return vector ? aicc_along(b, aicc_b_cast(b, vector, x->type.dtype), x->type.rank, axis) : NULL;
}

// How far from the position a neighbour may lie, before stretching.
static double kernel_reach(const aicc_resize_style *style) {
  return style->mode == AICC_RESIZE_CUBIC ? 2 : 1;
}

static aicc_value *weighted(aicc_builder *b, aicc_value *x, const aicc_resize_style *style,
                            const aicc_resize_axis *a, aicc_value *at) {
  const bool shrinks = style->antialias && a->known_scale < 1;
  aicc_value *stretch = shrinks ? number(b, a->known_scale) : NULL;
  const int reach = (int)ceil(kernel_reach(style) / (shrinks ? a->known_scale : 1));
  const bool normalise = style->antialias || style->exclude_outside;
  aicc_value *floor = aicc_b_unary(b, AICC_OP_FLOOR, at);
  aicc_value *indices[TAPS_MOST], *weights[TAPS_MOST], *total = NULL, *y = NULL;
  for (int i = 0; i < 2 * reach; i++) {
    indices[i] = aicc_add_number(b, floor, i + 1 - reach);
    weights[i] = tap_weight(b, style, a, indices[i], at, stretch);
    total = i ? aicc_add(b, total, weights[i]) : weights[i];
  }
  for (int i = 0; i < 2 * reach; i++) {
    aicc_value *weight = normalise ? aicc_div(b, weights[i], total) : weights[i];
    aicc_value *part = aicc_mul(b, pick(b, x, a, indices[i]), laid_along(b, weight, x, a->axis));
    y = i ? aicc_add(b, y, part) : part;
  }
  return y;
}

// --- antialiasing by a scale that is known only when the model runs ------------------------------

// x with |axis| last times weights [out, E], and back.
static aicc_value *multiply_along(aicc_builder *b, aicc_value *x, int axis, aicc_value *weights) {
  if (!x || !weights) {
    return NULL;
  }
  const int rank = x->type.rank, last = rank - 1;
  if (rank == 1) {
    return aicc_b_squeeze(b, aicc_matmul_trans(b, aicc_b_unsqueeze(b, x, 0), weights, false, true),
                          0);
  }
  int64_t perm[AICC_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    perm[i] = i == axis ? last : i == last ? axis : i;
  }
  aicc_value *y = aicc_matmul_trans(b, aicc_b_transpose(b, x, perm), weights, false, true);
  return aicc_b_transpose(b, y, perm);
}

// Every element, and beyond the ends as many as the stretched kernel reaches, has a weight.
static aicc_value *densely_weighted(aicc_builder *b, aicc_value *x, const aicc_resize_style *style,
                                    const aicc_resize_axis *a, aicc_value *at) {
  aicc_dims *dims = b->module->dims;
  const int64_t axes[] = {1};
  const aicc_dim *reach;
  int count;
  aicc_value *stretch = aicc_min(b, a->scale, number(b, 1));
  aicc_value *far = aicc_b_unary(b, AICC_OP_CEIL,
                                 aicc_div(b, number(b, kernel_reach(style)), stretch));
  if (!far || !aicc_b_as_dims(b, aicc_b_cast(b, far, AICC_I64), &reach, &count)) {
    return NULL;
  }
  const aicc_dim twice = aicc_dim_mul(dims, reach[0], aicc_dim_const(dims, 2));
  const aicc_dim row[] = {aicc_dim_const(dims, 1), aicc_dim_add(dims, a->in, twice)};
  aicc_value *index = aicc_b_cast(b, aicc_b_iota(b, AICC_I64, row, 2, 1), AICC_F64);
  index = aicc_sub(b, index, far);
  aicc_value *weights = tap_weight(b, style, a, index, aicc_b_unsqueeze(b, at, 1), stretch);
  aicc_value *sum = aicc_b_reduce(b, AICC_OP_REDUCE_SUM, weights, axes, 1, true);
  weights = aicc_div(b, weights, sum);
  return multiply_along(b, pick(b, x, a, aicc_b_squeeze(b, index, 0)), a->axis,
                        weights ? aicc_b_cast(b, weights, x->type.dtype) : NULL);
}

aicc_value *aicc_build_resize(aicc_builder *b, aicc_value *x, const aicc_resize_style *style,
                              const aicc_resize_axis *a) {
  if (!x) {
    return NULL;
  }
  const bool dense = style->antialias && a->known_scale < 4.0 / (double)TAPS_MOST;
  aicc_value *at = source_positions(b, style, a);
  if (!at) {
    return NULL;
  }
  aicc_value *y = style->mode == AICC_RESIZE_NEAREST ? nearest(b, x, style, a, at)
                  : dense                            ? densely_weighted(b, x, style, a, at)
                                                     : weighted(b, x, style, a, at);
  if (!y || style->coordinates != AICC_RESIZE_CROP) {
    return y;
  }
  aicc_value *last = aicc_add_number(b, aicc_size_number(b, AICC_F64, a->in), -1);
  aicc_value *outside = aicc_b_binary(b, AICC_OP_OR,
                                      aicc_b_binary(b, AICC_OP_LT, at, number(b, 0)),
                                      aicc_b_binary(b, AICC_OP_GT, at, last));
  return aicc_b_select(b, aicc_along(b, outside, y->type.rank, a->axis),
                       aicc_b_scalar_like(b, y, style->extrapolation), y);
}
