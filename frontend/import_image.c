// Sampling, regions and boxes of images: mostly library kernels (ir/opaque.def).
#include <string.h>

#include "frontend/import_math.h"

// Index of attribute |name| among |names|.
static aicc_status choose(aicc_importer *im, const aicc_onnx_node *n, const char *name,
                          const char *otherwise, const char *const *names, int count, int *out) {
  const char *text = aicc_onnx_string(n, name, otherwise);
  *out = 0;
  for (int i = 0; i < count; i++) {
    if (strcmp(text, names[i]) == 0) {
      *out = i;
      return AICC_OK;
    }
  }
  return aicc_invalid(im, n, "%s is '%s'", name, text);
}

static aicc_status need_rank(aicc_importer *im, const aicc_onnx_node *n, int i, int rank) {
  const int have = aicc_in(n, i)->type.rank;
  return have == rank ? AICC_OK
                      : aicc_invalid(im, n, "input %d has %d dimensions, not %d", i, have, rank);
}

// --- sampling ------------------------------------------------------------------------------------

// Payload: 1 since version 20, which renamed the modes.
aicc_status import_grid_sample(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  static const char *const old_modes[] = {"nearest", "bilinear", "bicubic"};
  static const char *const modes[] = {"nearest", "linear", "cubic"};
  static const char *const paddings[] = {"zeros", "border", "reflection"};
  aicc_value *x = aicc_in(n, 0), *grid = aicc_in(n, 1);
  const int rank = x->type.rank;
  int mode, padding;
  AICC_TRY(choose(im, n, "mode", payload ? "linear" : "bilinear", payload ? modes : old_modes, 3,
                  &mode));
  AICC_TRY(choose(im, n, "padding_mode", "zeros", paddings, 3, &padding));
  const int64_t ints[] = {mode, padding, aicc_onnx_int(n, "align_corners", 0) != 0};
  AICC_TRY(need_rank(im, n, 1, rank));
  if (rank < 3 || !aicc_dim_is(im->dims, grid->type.dims[rank - 1], rank - 2)) {
    return aicc_invalid(im, n, "the grid's last dimension must be the number of coordinates");
  }
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    dims[i] = i < 2 ? x->type.dims[i] : grid->type.dims[i - 1];
  }
  const aicc_type type = aicc_type_tensor(im->module, x->type.dtype, dims, rank);
  aicc_value *const in[] = {x, grid};
  aicc_node *node = aicc_b_opaque(&im->b, "grid_sample", in, 2, &type, 1);
  if (!node) {
    return AICC_INVALID;
  }
  aicc_set_ints(im->module, node, AICC_ATTR_INTS, ints, 3);
  return aicc_set_out(im, n, 0, node->out[0]);
}

// Coordinates -1 .. 1 along a dimension of |size| elements: of their centres, or with the ends on
// the corners; laid along |axis| of |rank| dimensions.
static aicc_value *coordinates(aicc_builder *b, aicc_dtype dtype, aicc_dim size, bool corners,
                               int rank, int axis) {
  aicc_dims *dims = b->module->dims;
  aicc_value *at = aicc_b_cast(b, aicc_b_iota(b, AICC_I64, &size, 1, 0), dtype);
  aicc_value *twice = aicc_mul_number(b, at, 2);
  const aicc_dim one = aicc_dim_const(dims, 1);
  const aicc_dim steps = corners ? aicc_dim_max(dims, aicc_dim_sub(dims, size, one), one) : size;
  aicc_value *x = corners ? twice : aicc_add_number(b, twice, 1);
  x = aicc_add_number(b, aicc_div(b, x, aicc_size_number(b, dtype, steps)), -1);
  return aicc_along(b, x, rank, axis);
}

// Column |i| of theta[N,d,d+1] as [N, 1.., d].
static aicc_value *theta_column(aicc_builder *b, aicc_value *theta, int i, int spatial) {
  aicc_dims *dims = b->module->dims;
  const aicc_dim one = aicc_dim_const(dims, 1);
  aicc_value *column = aicc_b_slice(b, theta, 2, aicc_dim_const(dims, i), one, 1);
  aicc_dim shape[AICC_MAX_RANK];
  for (int k = 0; k < spatial + 2; k++) {
    shape[k] = k == 0 ? theta->type.dims[0] : k == spatial + 1 ? theta->type.dims[1] : one;
  }
  return aicc_b_reshape(b, column, shape, spatial + 2);
}

// Each point is the sum of theta's columns times x, y, (z,) and 1.
aicc_status import_affine_grid(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  aicc_value *theta = aicc_in(n, 0);
  const bool corners = aicc_onnx_int(n, "align_corners", 0) != 0;
  const aicc_dim *size;
  int count;
  AICC_TRY(need_rank(im, n, 0, 3));
  AICC_TRY(aicc_in_dims(im, n, 1, &size, &count));
  if (count != 4 && count != 5) {
    return aicc_invalid(im, n, "the size has %d entries; 4 or 5 are allowed", count);
  }
  const int spatial = count - 2;
  aicc_value *sum = theta_column(b, theta, spatial, spatial);
  for (int i = 0; i < spatial; i++) {
    // The innermost dimension is x, theta's first column.
    const int dimension = spatial - 1 - i;
    aicc_value *at = coordinates(b, theta->type.dtype, size[2 + dimension], corners, spatial + 2,
                                 1 + dimension);
    sum = aicc_add(b, sum, aicc_mul(b, at, theta_column(b, theta, i, spatial)));
  }
  return aicc_set_out(im, n, 0, sum);
}

// --- regions -------------------------------------------------------------------------------------

// x, rois and what else |in| has, to [R, C, height, width].
static aicc_status pool_regions(aicc_importer *im, const aicc_onnx_node *n, const char *name,
                                aicc_value *const *in, int in_count, int64_t height, int64_t width,
                                const int64_t *ints, int int_count) {
  const double scale = (double)aicc_onnx_float(n, "spatial_scale", 1);
  AICC_TRY(need_rank(im, n, 0, 4));
  AICC_TRY(need_rank(im, n, 1, 2));
  if (height < 1 || width < 1) {
    return aicc_invalid(im, n, "the size of the result is not positive");
  }
  const aicc_dim dims[] = {in[1]->type.dims[0], in[0]->type.dims[1],
                           aicc_dim_const(im->dims, height), aicc_dim_const(im->dims, width)};
  const aicc_type type = aicc_type_tensor(im->module, in[0]->type.dtype, dims, 4);
  aicc_node *node = aicc_b_opaque(&im->b, name, in, in_count, &type, 1);
  if (!node) {
    return AICC_INVALID;
  }
  aicc_set_floats(im->module, node, AICC_ATTR_FLOATS, &scale, 1);
  if (int_count) {
    aicc_set_ints(im->module, node, AICC_ATTR_INTS, ints, int_count);
  }
  return aicc_set_out(im, n, 0, node->out[0]);
}

// Payload: 1 since version 16, which moved regions by half a pixel.
aicc_status import_roi_align(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  static const char *const modes[] = {"avg", "max"};
  static const char *const places[] = {"output_half_pixel", "half_pixel"};
  int mode, half_pixel = 0;
  AICC_TRY(choose(im, n, "mode", "avg", modes, 2, &mode));
  if (payload) {
    AICC_TRY(choose(im, n, "coordinate_transformation_mode", "half_pixel", places, 2,
                    &half_pixel));
  }
  const int64_t ints[] = {aicc_onnx_int(n, "sampling_ratio", 0), half_pixel, mode};
  aicc_value *const in[] = {aicc_in(n, 0), aicc_in(n, 1),
                            aicc_b_cast(&im->b, aicc_in(n, 2), AICC_I64)};
  return pool_regions(im, n, "roi_align", in, 3, aicc_onnx_int(n, "output_height", 1),
                      aicc_onnx_int(n, "output_width", 1), ints, 3);
}

aicc_status import_max_roi_pool(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  int count;
  const int64_t *shape = aicc_onnx_ints(n, "pooled_shape", &count);
  if (!shape || count != 2) {
    return aicc_invalid(im, n, "pooled_shape must have 2 entries");
  }
  aicc_value *const in[] = {aicc_in(n, 0), aicc_in(n, 1)};
  return pool_regions(im, n, "max_roi_pool", in, 2, shape[0], shape[1], NULL, 0);
}

// --- boxes ---------------------------------------------------------------------------------------

// How many boxes may be selected: of each class all boxes, or as many as the constant limit says.
static aicc_dim most_boxes(aicc_importer *im, const aicc_onnx_node *n) {
  const aicc_type *scores = &aicc_in(n, 1)->type;
  double limit;
  aicc_dim each = scores->dims[2];
  if (aicc_in_number(im, n, 2, &limit) && limit >= 0 && limit < 1e9) {
    each = aicc_dim_min(im->dims, each, aicc_dim_const(im->dims, (int64_t)limit));
  }
  const aicc_dim factors[] = {scores->dims[0], scores->dims[1], each};
  return aicc_dim_product(im->dims, factors, 3);
}

// A scalar operand in |dtype|; NULL where it is left out.
static aicc_value *limit_operand(aicc_builder *b, aicc_value *x, aicc_dtype dtype) {
  return x ? aicc_b_cast(b, aicc_b_reshape(b, x, NULL, 0), dtype) : NULL;
}

aicc_status import_non_max_suppression(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  const int64_t center = aicc_onnx_int(n, "center_point_box", 0);
  AICC_TRY(need_rank(im, n, 0, 3));
  AICC_TRY(need_rank(im, n, 1, 3));
  const aicc_dim dims[] = {most_boxes(im, n), aicc_dim_const(im->dims, 3)};
  const aicc_type types[] = {aicc_type_tensor(im->module, AICC_I64, dims, 2),
                             aicc_type_tensor(im->module, AICC_I64, NULL, 0)};
  aicc_value *const in[] = {aicc_in(n, 0), aicc_in(n, 1),
                            limit_operand(b, aicc_in(n, 2), AICC_I64),
                            limit_operand(b, aicc_in(n, 3), AICC_F32),
                            limit_operand(b, aicc_in(n, 4), AICC_F32)};
  for (int i = 2; i < 5; i++) {
    if (aicc_in(n, i) && !in[i]) {
      return AICC_INVALID;
    }
  }
  aicc_node *node = aicc_b_opaque(b, "non_max_suppression", in, 5, types, 2);
  if (!node) {
    return AICC_INVALID;
  }
  aicc_set_ints(im->module, node, AICC_ATTR_INTS, &center, 1);
  const aicc_dim *found;
  int count;
  if (!aicc_b_as_dims(b, node->out[1], &found, &count)) {
    return AICC_INVALID;
  }
  return aicc_set_out(im, n, 0, aicc_b_slice(b, node->out[0], 0, aicc_dim_const(im->dims, 0),
                                             found[0], 1));
}

// --- of converters before version 7 --------------------------------------------------------------

// Scaled, with a bias for each channel.
aicc_status import_image_scaler(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0);
  int count;
  const float *bias = aicc_onnx_floats(n, "bias", &count);
  const double scale = (double)aicc_onnx_float(n, "scale", 1);
  if (x->type.rank != 4 || !aicc_dtype_is_float(x->type.dtype) ||
      (count && !aicc_dim_is(im->dims, x->type.dims[1], count))) {
    return aicc_invalid(im, n, "the input is no image with %d channels", count);
  }
  aicc_value *y = aicc_mul_number(b, aicc_widen(b, x), scale);
  if (count) {
    const int64_t shape[] = {1, count, 1, 1};
    const aicc_tensor tensor = {.dtype = AICC_F32, .rank = 4,
                                .shape = aicc_arena_memdup(&im->module->arena, shape, sizeof shape),
                                .data = aicc_arena_memdup(&im->module->arena, bias,
                                                          sizeof *bias * (size_t)count)};
    y = aicc_add(b, y, aicc_b_cast(b, aicc_b_const(b, &tensor), aicc_wide_dtype(x->type.dtype)));
  }
  return aicc_set_out(im, n, 0, y ? aicc_b_cast(b, y, x->type.dtype) : NULL);
}

// Without a border: left, top, right, bottom; or a cut of size |scale| that starts behind the first
// two.
aicc_status import_crop(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_dims *dims = im->dims;
  aicc_value *x = aicc_in(n, 0);
  int borders, sizes;
  const int64_t *border = aicc_onnx_ints(n, "border", &borders);
  const int64_t *size = aicc_onnx_ints(n, "scale", &sizes);
  if (x->type.rank != 4 || borders != 4 || (sizes && sizes != 2)) {
    return aicc_invalid(im, n, "the input is no image, or 'border' has not 4 entries");
  }
  for (int i = 0; i < 2; i++) {
    const int64_t start = border[1 - i], end = border[3 - i];
    const aicc_dim rest =
        aicc_dim_sub(dims, aicc_in(n, 0)->type.dims[2 + i], aicc_dim_const(dims, start + end));
    x = aicc_b_slice(&im->b, x, 2 + i, aicc_dim_const(dims, start),
                     sizes ? aicc_dim_const(dims, size[i]) : rest, 1);
  }
  return aicc_set_out(im, n, 0, x);
}
