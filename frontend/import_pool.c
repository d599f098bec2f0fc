// Pools: a window over the spatial dimensions, reduced.
#include <math.h>

#include "frontend/import_window.h"

// The least value of a type.
static aicc_value *least_of(aicc_builder *b, aicc_dtype dtype) {
  if (aicc_dtype_kind_of(dtype) != AICC_KIND_SIGNED) {
    return aicc_b_scalar(b, dtype, aicc_dtype_is_float(dtype) ? -(double)INFINITY : 0);
  }
  return aicc_b_scalar_i64(b, dtype, -((int64_t)1 << (aicc_dtype_table[dtype].bits - 1)));
}

static aicc_status window_of(aicc_importer *im, const aicc_onnx_node *n, aicc_value *x,
                             aicc_value *fill, const aicc_geometry *g, aicc_value **out) {
  int64_t kernel[AICC_MAX_RANK];
  AICC_TRY(aicc_geometry_kernel(im, n, g, kernel));
  if (2 * g->spatial + 2 > AICC_MAX_RANK) {
    return aicc_unsupported(im, n, "pooling over more than 5 spatial dimensions");
  }
  *out = aicc_b_window(&im->b, x, fill, g->spatial, kernel, g->strides, g->dilations, g->low,
                       g->out);
  return *out ? AICC_OK : AICC_INVALID;
}

// Folds the kernel's dimensions of a window.
static aicc_value *fold_window(aicc_builder *b, aicc_op op, aicc_value *window, int spatial) {
  int64_t axes[AICC_MAX_RANK];
  for (int i = 0; i < spatial; i++) {
    axes[i] = 2 + spatial + i;
  }
  return aicc_b_reduce(b, op, window, axes, spatial, false);
}

// Positions of a result along spatial dimension |i|, as i64 [1, 1, .., out, .., 1].
static aicc_value *positions(aicc_builder *b, const aicc_geometry *g, int i) {
  aicc_dim dims[AICC_MAX_RANK];
  for (int k = 0; k < g->spatial + 2; k++) {
    dims[k] = k == i + 2 ? g->out[i] : aicc_dim_const(b->module->dims, 1);
  }
  return aicc_b_iota(b, AICC_I64, dims, g->spatial + 2, i + 2);
}

// Where windows start in the input, along spatial dimension |i|: position * stride - low.
static aicc_value *starts(aicc_builder *b, const aicc_geometry *g, int i) {
  aicc_value *at = positions(b, g, i);
  at = aicc_mul_number(b, at, (double)g->strides[i]);
  return aicc_dim_is(b->module->dims, g->low[i], 0)
             ? at
             : aicc_sub(b, at, aicc_size_number(b, AICC_I64, g->low[i]));
}

// --- maximum -------------------------------------------------------------------------------------

// Index of the first dimension's element in x, as if x were one row: (n * C + c) * plane.
static aicc_value *plane_starts(aicc_builder *b, const aicc_value *x, const aicc_geometry *g) {
  aicc_dims *table = b->module->dims;
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < g->spatial + 2; i++) {
    dims[i] = i < 2 ? x->type.dims[i] : aicc_dim_const(table, 1);
  }
  const aicc_dim size = aicc_dim_product(table, g->in, g->spatial);
  aicc_value *image = aicc_b_iota(b, AICC_I64, dims, g->spatial + 2, 0);
  aicc_value *channel = aicc_b_iota(b, AICC_I64, dims, g->spatial + 2, 1);
  image = aicc_mul(b, image, aicc_size_number(b, AICC_I64, x->type.dims[1]));
  return aicc_mul(b, aicc_add(b, image, channel), aicc_size_number(b, AICC_I64, size));
}

// Indices of the greatest elements in the flattened input. |best| is the index within the window.
static aicc_value *flat_indices(aicc_builder *b, const aicc_value *x, const aicc_geometry *g,
                                const int64_t *kernel, aicc_value *best, bool column_major) {
  aicc_dims *table = b->module->dims;
  aicc_value *flat = plane_starts(b, x, g);
  int64_t inner = 1;  // elements of the window behind dimension i
  for (int i = g->spatial - 1; i >= 0; i--) {
    aicc_value *at = inner == 1 ? best : aicc_div(b, best, aicc_b_scalar_i64(b, AICC_I64, inner));
    if (i > 0) {
      at = aicc_b_binary(b, AICC_OP_MOD, at, aicc_b_scalar_i64(b, AICC_I64, kernel[i]));
    }
    at = aicc_add(b, aicc_mul_number(b, at, (double)g->dilations[i]), starts(b, g, i));
    const aicc_dim step = column_major ? aicc_dim_product(table, g->in, i)
                                       : aicc_dim_product(table, &g->in[i + 1], g->spatial - i - 1);
    if (!aicc_dim_is(table, step, 1)) {
      at = aicc_mul(b, at, aicc_size_number(b, AICC_I64, step));
    }
    flat = aicc_add(b, flat, at);
    inner *= kernel[i];
  }
  return flat;
}

static aicc_status max_indices(aicc_importer *im, const aicc_onnx_node *n, aicc_value *window,
                               const aicc_geometry *g, bool column_major) {
  aicc_builder *b = &im->b;
  int64_t kernel[AICC_MAX_RANK];
  AICC_TRY(aicc_geometry_kernel(im, n, g, kernel));
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < g->spatial + 2; i++) {
    dims[i] = window->type.dims[i];
  }
  dims[g->spatial + 2] = aicc_dim_product(im->dims, g->kernel, g->spatial);
  aicc_value *rows = aicc_b_reshape(b, window, dims, g->spatial + 3);
  aicc_value *best = aicc_b_arg(b, AICC_OP_ARGMAX, rows, g->spatial + 2, false, false);
  return aicc_set_out(im, n, 1, flat_indices(b, aicc_in(n, 0), g, kernel, best, column_major));
}

// Payload: 1 for NhwcMaxPool, with its channels behind the spatial dimensions.
aicc_status import_max_pool(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  aicc_value *x = payload ? aicc_channels_first(&im->b, aicc_in(n, 0)) : aicc_in(n, 0), *window;
  const bool column_major = aicc_onnx_int(n, "storage_order", 0) != 0;
  aicc_geometry g;
  if (!x) {
    return AICC_INVALID;
  }
  AICC_TRY(aicc_geometry_forward(im, n, x, NULL, true, &g));
  AICC_TRY(window_of(im, n, x, least_of(&im->b, x->type.dtype), &g, &window));
  aicc_value *y = fold_window(&im->b, AICC_OP_REDUCE_MAX, window, g.spatial);
  AICC_TRY(aicc_set_out(im, n, 0, payload ? aicc_channels_last(&im->b, y) : y));
  return aicc_wants_out(n, 1) ? max_indices(im, n, window, &g, column_major) : AICC_OK;
}

// --- average -------------------------------------------------------------------------------------

static bool is_unpadded(const aicc_builder *b, const aicc_geometry *g) {
  for (int i = 0; i < g->spatial; i++) {
    if (!aicc_dim_is(b->module->dims, g->low[i], 0) ||
        !aicc_dim_is(b->module->dims, g->high[i], 0)) {
      return false;
    }
  }
  return true;
}

// Elements of each window along dimension |i| that count, as i64: those in [0, in), or with the
// padding those before in + high.
static aicc_value *count_along(aicc_builder *b, const aicc_geometry *g, int i, bool with_padding) {
  aicc_dims *table = b->module->dims;
  const aicc_dim end = with_padding ? aicc_dim_add(table, g->in[i], g->high[i]) : g->in[i];
  const aicc_dim last = aicc_dim_sub(table, end, aicc_dim_const(table, 1));
  const double dilation = (double)g->dilations[i];
  aicc_value *start = starts(b, g, i);
  aicc_value *to = aicc_sub(b, aicc_size_number(b, AICC_I64, last), start);
  to = aicc_add_number(b, aicc_div_number(b, to, dilation), 1);
  to = aicc_min(b, to, aicc_size_number(b, AICC_I64, g->kernel[i]));
  if (with_padding) {
    return to;
  }
  aicc_value *from = aicc_add_number(b, aicc_b_unary(b, AICC_OP_NEG, start), dilation - 1);
  from = aicc_max(b, aicc_div_number(b, from, dilation), aicc_b_scalar_i64(b, AICC_I64, 0));
  return aicc_sub(b, to, from);
}

// How many elements each window averages, in |dtype|.
static aicc_value *window_counts(aicc_builder *b, aicc_dtype dtype, const aicc_geometry *g,
                                 bool with_padding) {
  if (!g->ceil && (with_padding || is_unpadded(b, g))) {
    return aicc_size_number(b, dtype, aicc_dim_product(b->module->dims, g->kernel, g->spatial));
  }
  aicc_value *count = NULL;
  for (int i = 0; i < g->spatial; i++) {
    aicc_value *along = count_along(b, g, i, with_padding);
    count = i ? aicc_mul(b, count, along) : along;
  }
  return count ? aicc_b_cast(b, count, dtype) : NULL;
}

aicc_status aicc_average_pool(aicc_importer *im, const aicc_onnx_node *n, aicc_value *x,
                              aicc_value **out) {
  aicc_builder *b = &im->b;
  aicc_value *window;
  const bool with_padding = aicc_onnx_int(n, "count_include_pad", 0) != 0;
  aicc_geometry g;
  if (!x) {
    return AICC_INVALID;
  }
  AICC_TRY(aicc_geometry_forward(im, n, x, NULL, true, &g));
  AICC_TRY(window_of(im, n, x, aicc_b_scalar_like(b, x, 0), &g, &window));
  aicc_value *sum = fold_window(b, AICC_OP_REDUCE_SUM, window, g.spatial);
  *out = aicc_div(b, sum, window_counts(b, x->type.dtype, &g, with_padding));
  return *out ? AICC_OK : AICC_INVALID;
}

aicc_status import_average_pool(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_value *x = aicc_in(n, 0), *y;
  AICC_TRY(aicc_average_pool(im, n, aicc_widen(&im->b, x), &y));
  return aicc_set_out(im, n, 0, aicc_b_cast(&im->b, y, x->type.dtype));
}

// --- norms ---------------------------------------------------------------------------------------

static aicc_value *power(aicc_builder *b, aicc_value *x, double p) {
  return p == 1   ? aicc_b_unary(b, AICC_OP_ABS, x)
         : p == 2 ? aicc_mul(b, x, x)
                  : aicc_b_binary(b, AICC_OP_POW, aicc_b_unary(b, AICC_OP_ABS, x),
                                  aicc_b_scalar_like(b, x, p));
}

static aicc_value *root(aicc_builder *b, aicc_value *x, double p) {
  return p == 1   ? x
         : p == 2 ? aicc_b_unary(b, AICC_OP_SQRT, x)
                  : aicc_b_binary(b, AICC_OP_POW, x, aicc_b_scalar_like(b, x, 1 / p));
}

// The exponent: a float in the first version, an integer since.
static double exponent(const aicc_onnx_node *n, bool is_float) {
  return is_float ? (double)aicc_onnx_float(n, "p", 2) : (double)aicc_onnx_int(n, "p", 2);
}

aicc_status import_lp_pool(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0), *window;
  const double p = exponent(n, payload != 0);
  aicc_geometry g;
  AICC_TRY(aicc_geometry_forward(im, n, x, NULL, true, &g));
  aicc_value *wide = aicc_widen(b, x);
  AICC_TRY(window_of(im, n, wide, aicc_b_scalar_like(b, wide, 0), &g, &window));
  aicc_value *sum = fold_window(b, AICC_OP_REDUCE_SUM, power(b, window, p), g.spatial);
  return aicc_set_out(im, n, 0, aicc_b_cast(b, root(b, sum, p), x->type.dtype));
}

// --- over whole planes ---------------------------------------------------------------------------

static aicc_status spatial_axes(aicc_importer *im, const aicc_onnx_node *n, int64_t *axes,
                                int *count) {
  const int rank = aicc_in(n, 0)->type.rank;
  if (rank < 2) {
    return aicc_invalid(im, n, "the input has %d dimensions; at least 2 are needed", rank);
  }
  *count = rank - 2;
  for (int i = 0; i < *count; i++) {
    axes[i] = i + 2;
  }
  return AICC_OK;
}

aicc_status import_global_max_pool(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  int64_t axes[AICC_MAX_RANK];
  int count;
  AICC_TRY(spatial_axes(im, n, axes, &count));
  return aicc_set_out(im, n, 0, aicc_b_reduce(&im->b, AICC_OP_REDUCE_MAX, aicc_in(n, 0), axes,
                                              count, true));
}

aicc_status import_global_average_pool(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_value *x = aicc_in(n, 0);
  int64_t axes[AICC_MAX_RANK];
  int count;
  AICC_TRY(spatial_axes(im, n, axes, &count));
  aicc_value *y = aicc_mean(&im->b, aicc_widen(&im->b, x), axes, count);
  return aicc_set_out(im, n, 0, aicc_b_cast(&im->b, y, x->type.dtype));
}

aicc_status import_global_lp_pool(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0);
  const double p = exponent(n, payload != 0);
  int64_t axes[AICC_MAX_RANK];
  int count;
  AICC_TRY(spatial_axes(im, n, axes, &count));
  aicc_value *sum = aicc_b_reduce(b, AICC_OP_REDUCE_SUM, power(b, aicc_widen(b, x), p), axes, count,
                                  true);
  return aicc_set_out(im, n, 0, aicc_b_cast(b, root(b, sum, p), x->type.dtype));
}

// --- back from indices ---------------------------------------------------------------------------

// The shape that MaxPool's input must have had.
static aicc_status unpooled_shape(aicc_importer *im, const aicc_onnx_node *n, aicc_dim *shape) {
  aicc_dims *dims = im->dims;
  const aicc_value *x = aicc_in(n, 0);
  aicc_geometry g;
  int64_t pads[2 * AICC_MAX_RANK];
  AICC_TRY(aicc_geometry_read(im, n, x, NULL, &g));
  AICC_TRY(aicc_read_spatial(im, n, "pads", 2 * g.spatial, INT64_MIN, 0, pads));
  for (int i = 0; i < g.spatial; i++) {
    const aicc_dim steps = aicc_dim_sub(dims, g.in[i], aicc_dim_const(dims, 1));
    const aicc_dim size = aicc_dim_mul(dims, steps, aicc_dim_const(dims, g.strides[i]));
    const aicc_dim cut = aicc_dim_const(dims, pads[i] + pads[g.spatial + i]);
    shape[i + 2] = aicc_dim_sub(dims, aicc_dim_add(dims, size, g.kernel[i]), cut);
  }
  shape[0] = x->type.dims[0];
  shape[1] = x->type.dims[1];
  return AICC_OK;
}

// A shape that is asked for adds zeros behind.
static aicc_status pad_to(aicc_importer *im, const aicc_onnx_node *n, aicc_value *y,
                          const aicc_dim *have, aicc_value **out) {
  const aicc_dim *want;
  int count;
  AICC_TRY(aicc_in_dims(im, n, 2, &want, &count));
  if (count != y->type.rank) {
    return aicc_invalid(im, n, "the output shape has %d entries, %d are needed", count,
                        y->type.rank);
  }
  aicc_dim low[AICC_MAX_RANK], high[AICC_MAX_RANK];
  for (int i = 0; i < count; i++) {
    low[i] = aicc_dim_const(im->dims, 0);
    high[i] = aicc_dim_sub(im->dims, want[i], have[i]);
  }
  *out = aicc_b_pad(&im->b, y, aicc_b_scalar_like(&im->b, y, 0), low, high, "constant");
  return *out ? AICC_OK : AICC_INVALID;
}

aicc_status import_max_unpool(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0), *indices = aicc_in(n, 1);
  const int rank = x->type.rank;
  aicc_dim shape[AICC_MAX_RANK];
  AICC_TRY(unpooled_shape(im, n, shape));
  const aicc_dim total = aicc_dim_product(im->dims, shape, rank);
  const aicc_dim count = aicc_type_count(im->module, &x->type);
  aicc_value *const in[] = {aicc_filled(b, x->type.dtype, 0, &total, 1),
                            aicc_b_reshape(b, indices, &count, 1),
                            aicc_b_reshape(b, x, &count, 1)};
  if (!in[0] || !in[1] || !in[2]) {
    return AICC_INVALID;
  }
  aicc_node *node = aicc_node_create(im->module, AICC_OP_SCATTER_ELEMENTS, in, 3, 1);
  aicc_set_int(im->module, node, AICC_ATTR_AXIS, 0);
  aicc_set_string(im->module, node, AICC_ATTR_REDUCTION, "none");
  aicc_value *y = aicc_b_reshape(b, aicc_b_finish(b, node), shape, rank);
  if (y && aicc_in(n, 2)) {
    AICC_TRY(pad_to(im, n, y, shape, &y));
  }
  return aicc_set_out(im, n, 0, y);
}
