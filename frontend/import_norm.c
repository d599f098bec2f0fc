// Normalisations. Interiors are in f32 for 16-bit types; reductions keep their dimensions, so that
// a row is one shape from end to end.
#include "frontend/import_norm.h"

aicc_normalised aicc_normalise(aicc_builder *b, aicc_value *x, const int64_t *axes, int count,
                               double epsilon, bool centred) {
  aicc_normalised r = {.mean = centred ? aicc_mean(b, x, axes, count) : NULL};
  aicc_value *d = centred ? aicc_sub(b, x, r.mean) : x;
  aicc_value *variance = aicc_mean(b, aicc_mul(b, d, d), axes, count);
  r.inverse = aicc_b_unary(b, AICC_OP_RSQRT, aicc_add_number(b, variance, epsilon));
  r.y = aicc_mul(b, d, r.inverse);
  return r;
}

// y * scale + bias in the type of y.
static aicc_value *affine(aicc_builder *b, aicc_value *y, aicc_value *scale, aicc_value *bias) {
  if (!y || !scale || !bias) {
    return NULL;
  }
  return aicc_add(b, aicc_mul(b, y, aicc_b_cast(b, scale, y->type.dtype)),
                  aicc_b_cast(b, bias, y->type.dtype));
}

static aicc_status need_channels(aicc_importer *im, const aicc_onnx_node *n) {
  const int rank = aicc_in(n, 0)->type.rank;
  return rank >= 2 ? AICC_OK
                   : aicc_invalid(im, n, "the input has %d dimensions; at least 2 are needed",
                                   rank);
}

// --- batches -------------------------------------------------------------------------------------

// A parameter in |dtype|: one per channel, or (not |spatial|) one per element of an image.
static aicc_value *batch_parameter(aicc_builder *b, const aicc_value *x, aicc_value *parameter,
                                   bool spatial) {
  aicc_value *wide = aicc_b_cast(b, parameter, aicc_wide_dtype(x->type.dtype));
  if (spatial) {
    return aicc_along(b, wide, x->type.rank, 1);
  }
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < x->type.rank; i++) {
    dims[i] = i ? x->type.dims[i] : aicc_dim_const(b->module->dims, 1);
  }
  return aicc_b_reshape(b, wide, dims, x->type.rank);
}

// (x - mean) * scale / sqrt(variance + epsilon) + bias as x * factor + offset, which folds into a
// convolution.
static aicc_value *apply_batch(aicc_builder *b, const aicc_onnx_node *n, aicc_value *mean,
                               aicc_value *variance, double epsilon, bool spatial) {
  aicc_value *x = aicc_in(n, 0);
  aicc_value *scale = batch_parameter(b, x, aicc_in(n, 1), spatial);
  aicc_value *bias = batch_parameter(b, x, aicc_in(n, 2), spatial);
  aicc_value *root = aicc_b_unary(b, AICC_OP_SQRT, aicc_add_number(b, variance, epsilon));
  aicc_value *factor = aicc_div(b, scale, root);
  aicc_value *offset = aicc_sub(b, bias, aicc_mul(b, mean, factor));
  aicc_value *y = aicc_add(b, aicc_mul(b, aicc_widen(b, x), factor), offset);
  return aicc_b_cast(b, y, x->type.dtype);
}

// running * momentum + batch * (1 - momentum), as [C] in the running value's type.
static aicc_value *run_on(aicc_builder *b, aicc_value *running, aicc_value *batch,
                          double momentum) {
  if (!batch) {
    return NULL;
  }
  aicc_value *flat = aicc_b_reshape(b, batch, running->type.dims, running->type.rank);
  aicc_value *old = aicc_b_cast(b, running, batch->type.dtype);
  aicc_value *sum = aicc_add(b, aicc_mul_number(b, old, momentum),
                             aicc_mul_number(b, flat, 1 - momentum));
  return aicc_b_cast(b, sum, running->type.dtype);
}

static aicc_status train_batch(aicc_importer *im, const aicc_onnx_node *n, double epsilon,
                               double momentum) {
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_widen(b, aicc_in(n, 0));
  int64_t axes[AICC_MAX_RANK] = {0};
  const int rank = aicc_in(n, 0)->type.rank;
  for (int i = 2; i < rank; i++) {
    axes[i - 1] = i;
  }
  aicc_value *mean = aicc_mean(b, x, axes, rank - 1);
  aicc_value *d = aicc_sub(b, x, mean);
  aicc_value *variance = aicc_mean(b, aicc_mul(b, d, d), axes, rank - 1);
  AICC_TRY(aicc_set_out(im, n, 0, apply_batch(b, n, mean, variance, epsilon, true)));
  if (aicc_wants_out(n, 1)) {
    AICC_TRY(aicc_set_out(im, n, 1, run_on(b, aicc_in(n, 3), mean, momentum)));
  }
  return aicc_wants_out(n, 2)
             ? aicc_set_out(im, n, 2, run_on(b, aicc_in(n, 4), variance, momentum))
             : AICC_OK;
}

// Payload: 0 up to version 6, 1 up to 13, 2 since.
aicc_status import_batch_normalization(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  AICC_TRY(need_channels(im, n));
  const double epsilon = (double)aicc_onnx_float(n, "epsilon", 1e-5F);
  const double momentum = (double)aicc_onnx_float(n, "momentum", 0.9F);
  const bool spatial = aicc_onnx_int(n, "spatial", 1) != 0;
  aicc_onnx_has(n, "consumed_inputs");  // a hint for in-place execution
  if (aicc_onnx_int(n, "training_mode", 0)) {
    return train_batch(im, n, epsilon, momentum);
  }
  const bool is_test = payload > 0 || aicc_onnx_int(n, "is_test", 0) != 0;
  for (int i = 1; i < 5; i++) {
    if (!is_test || aicc_wants_out(n, i)) {
      return aicc_unsupported(im, n, "training before version 14");
    }
  }
  const aicc_value *x = aicc_in(n, 0);
  aicc_value *mean = batch_parameter(&im->b, x, aicc_in(n, 3), spatial);
  aicc_value *variance = batch_parameter(&im->b, x, aicc_in(n, 4), spatial);
  return aicc_set_out(im, n, 0, apply_batch(&im->b, n, mean, variance, epsilon, spatial));
}

// --- images and groups ---------------------------------------------------------------------------

aicc_status import_instance_normalization(aicc_importer *im, const aicc_onnx_node *n,
                                          int payload) {
  (void)payload;
  AICC_TRY(need_channels(im, n));
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0);
  const double epsilon = (double)aicc_onnx_float(n, "epsilon", 1e-5F);
  aicc_onnx_has(n, "consumed_inputs");
  int64_t axes[AICC_MAX_RANK];
  for (int i = 2; i < x->type.rank; i++) {
    axes[i - 2] = i;
  }
  const aicc_normalised r =
      aicc_normalise(b, aicc_widen(b, x), axes, x->type.rank - 2, epsilon, true);
  aicc_value *y = affine(b, r.y, aicc_along(b, aicc_in(n, 1), x->type.rank, 1),
                         aicc_along(b, aicc_in(n, 2), x->type.rank, 1));
  return aicc_set_out(im, n, 0, aicc_b_cast(b, y, x->type.dtype));
}

// Payload: whether scale and bias have an entry per channel, not per group.
aicc_status import_group_normalization(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  AICC_TRY(need_channels(im, n));
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0);
  const int rank = x->type.rank;
  const double epsilon = (double)aicc_onnx_float(n, "epsilon", 1e-5F);
  const int64_t groups = aicc_onnx_int(n, "num_groups", 0);
  int64_t channels;
  if (aicc_onnx_int(n, "stash_type", 1) != 1) {
    return aicc_unsupported(im, n, "a stash_type other than 1");
  }
  if (groups < 1 || (aicc_dim_is_const(im->dims, x->type.dims[1], &channels) &&
                     channels % groups)) {
    return aicc_invalid(im, n, "the channels do not split into %lld groups", (long long)groups);
  }
  const aicc_dim parts = aicc_dim_const(im->dims, groups);
  const aicc_dim size = aicc_dim_product(im->dims, &x->type.dims[2], rank - 2);
  const aicc_dim dims[] = {
      x->type.dims[0], parts,
      aicc_dim_mul(im->dims, aicc_dim_floordiv(im->dims, x->type.dims[1], parts), size)};
  const int64_t axes[] = {2};
  aicc_value *rows = aicc_b_reshape(b, aicc_widen(b, x), dims, 3);
  aicc_value *y = aicc_normalise(b, rows, axes, 1, epsilon, true).y;
  if (payload) {
    y = aicc_b_reshape(b, y, x->type.dims, rank);
    y = affine(b, y, aicc_along(b, aicc_in(n, 1), rank, 1), aicc_along(b, aicc_in(n, 2), rank, 1));
  } else {
    y = affine(b, y, aicc_along(b, aicc_in(n, 1), 3, 1), aicc_along(b, aicc_in(n, 2), 3, 1));
    y = aicc_b_reshape(b, y, x->type.dims, rank);
  }
  return aicc_set_out(im, n, 0, aicc_b_cast(b, y, x->type.dtype));
}

// --- trailing dimensions -------------------------------------------------------------------------

// Attributes axis, epsilon and stash_type; |axes| are all from axis on.
static aicc_status trailing_axes(aicc_importer *im, const aicc_onnx_node *n, int64_t *axes,
                                 int *count, double *epsilon) {
  const int rank = aicc_in(n, 0)->type.rank;
  int first;
  *epsilon = (double)aicc_onnx_float(n, "epsilon", 1e-5F);
  AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "axis", -1), rank, &first));
  if (aicc_onnx_int(n, "stash_type", 1) != 1) {
    return aicc_unsupported(im, n, "a stash_type other than 1");
  }
  *count = rank - first;
  for (int i = 0; i < *count; i++) {
    axes[i] = first + i;
  }
  return AICC_OK;
}

// The normalised rows are rounded to the input's type before they are scaled, as the standard's
// function body does.
aicc_status import_layer_normalization(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0), *bias = aicc_in(n, 2);
  int64_t axes[AICC_MAX_RANK];
  int count;
  double epsilon;
  AICC_TRY(trailing_axes(im, n, axes, &count, &epsilon));
  const aicc_normalised r = aicc_normalise(b, aicc_widen(b, x), axes, count, epsilon, true);
  aicc_value *y = aicc_b_cast(b, r.y, x->type.dtype);
  y = aicc_mul(b, y, aicc_b_cast(b, aicc_in(n, 1), x->type.dtype));
  y = bias ? aicc_add(b, y, aicc_b_cast(b, bias, x->type.dtype)) : y;
  AICC_TRY(aicc_set_out(im, n, 0, y));
  AICC_TRY(aicc_set_out(im, n, 1, r.mean));
  return aicc_set_out(im, n, 2, r.inverse);
}

// Payload: 1 for ONNX Runtime's SimplifiedLayerNormalization. Its last output is the inverse.
aicc_status import_rms_normalization(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0), *scale = aicc_in(n, 1);
  int64_t axes[AICC_MAX_RANK];
  int count;
  double epsilon;
  AICC_TRY(trailing_axes(im, n, axes, &count, &epsilon));
  const aicc_normalised r = aicc_normalise(b, aicc_widen(b, x), axes, count, epsilon, false);
  const aicc_dtype dtype = payload ? x->type.dtype : scale->type.dtype;
  aicc_value *y = aicc_b_cast(b, r.y, x->type.dtype);
  y = aicc_mul(b, aicc_b_cast(b, y, dtype), aicc_b_cast(b, scale, dtype));
  AICC_TRY(aicc_set_out(im, n, 0, y));
  if (!payload || n->out_count < 2) {
    return AICC_OK;
  }
  if (n->out_count == 3 && aicc_wants_out(n, 1)) {
    return aicc_unsupported(im, n, "a mean of a normalisation that does not centre");
  }
  return aicc_set_out(im, n, n->out_count - 1, r.inverse);
}

// --- others --------------------------------------------------------------------------------------

// Sums of squares over |size| neighbouring channels.
static aicc_value *neighbour_sums(aicc_builder *b, aicc_value *x, int64_t size) {
  if (!x) {
    return NULL;
  }
  aicc_dims *table = b->module->dims;
  const int spatial = x->type.rank - 1;
  int64_t kernel[AICC_MAX_RANK], ones[AICC_MAX_RANK];
  aicc_dim low[AICC_MAX_RANK];
  int64_t axes[AICC_MAX_RANK];
  for (int i = 0; i < spatial; i++) {
    kernel[i] = i ? 1 : size;
    ones[i] = 1;
    low[i] = aicc_dim_const(table, i ? 0 : (size - 1) / 2);
    axes[i] = 1 + spatial + i;
  }
  aicc_value *window = aicc_b_window(b, aicc_mul(b, x, x), aicc_b_scalar_like(b, x, 0), spatial,
                                     kernel, ones, ones, low, &x->type.dims[1]);
  return aicc_b_reduce(b, AICC_OP_REDUCE_SUM, window, axes, spatial, false);
}

aicc_status import_lrn(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(need_channels(im, n));
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0);
  const int64_t size = aicc_onnx_int(n, "size", 0);
  const double alpha = (double)aicc_onnx_float(n, "alpha", 1e-4F);
  const double beta = (double)aicc_onnx_float(n, "beta", 0.75F);
  const double bias = (double)aicc_onnx_float(n, "bias", 1);
  if (size < 1) {
    return aicc_invalid(im, n, "size is %lld", (long long)size);
  }
  if (x->type.rank > 6) {
    return aicc_unsupported(im, n, "more than 6 dimensions");
  }
  aicc_value *wide = aicc_widen(b, x);
  aicc_value *sums = neighbour_sums(b, wide, size);
  aicc_value *base = aicc_add_number(b, aicc_mul_number(b, sums, alpha / (double)size), bias);
  aicc_value *scale = aicc_b_binary(b, AICC_OP_POW, base, aicc_b_scalar_like(b, wide, beta));
  return aicc_set_out(im, n, 0, aicc_b_cast(b, aicc_div(b, wide, scale), x->type.dtype));
}

aicc_status import_mean_variance_normalization(aicc_importer *im, const aicc_onnx_node *n,
                                               int payload) {
  (void)payload;
  static const int64_t usual[] = {0, 2, 3};
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0);
  int count;
  const int64_t *given = aicc_onnx_ints(n, "axes", &count);
  int64_t axes[AICC_MAX_RANK];
  count = given ? count : 3;
  if (count > x->type.rank) {
    return aicc_invalid(im, n, "%d axes for %d dimensions", count, x->type.rank);
  }
  AICC_TRY(aicc_axes(im, n, given ? given : usual, count, x->type.rank, axes));
  aicc_value *wide = aicc_widen(b, x);
  aicc_value *d = aicc_sub(b, wide, aicc_mean(b, wide, axes, count));
  aicc_value *variance = aicc_mean(b, aicc_mul(b, d, d), axes, count);
  aicc_value *deviation = aicc_add_number(b, aicc_b_unary(b, AICC_OP_SQRT, variance), 1e-9);
  return aicc_set_out(im, n, 0, aicc_b_cast(b, aicc_div(b, d, deviation), x->type.dtype));
}

aicc_status import_lp_normalization(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0);
  const int64_t p = aicc_onnx_int(n, "p", 2);
  int axis;
  AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "axis", -1), x->type.rank, &axis));
  if (p != 1 && p != 2) {
    return aicc_invalid(im, n, "p is %lld; 1 and 2 are allowed", (long long)p);
  }
  const int64_t axes[] = {axis};
  aicc_value *wide = aicc_widen(b, x);
  aicc_value *sum = aicc_b_reduce(
      b, AICC_OP_REDUCE_SUM,
      p == 1 ? aicc_b_unary(b, AICC_OP_ABS, wide) : aicc_mul(b, wide, wide), axes, 1, true);
  aicc_value *norm = p == 1 ? sum : aicc_b_unary(b, AICC_OP_SQRT, sum);
  aicc_value *zero = aicc_b_scalar_like(b, wide, 0);
  aicc_value *y = aicc_b_select(b, aicc_b_binary(b, AICC_OP_EQ, norm, zero), zero,
                                aicc_div(b, wide, norm));
  return aicc_set_out(im, n, 0, aicc_b_cast(b, y, x->type.dtype));
}
