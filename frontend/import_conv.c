// Convolutions, forward and transposed, and their integer forms.
#include "frontend/import_window.h"

// --- forward -------------------------------------------------------------------------------------

static aicc_value *conv_node(aicc_builder *b, aicc_op op, aicc_value *x, aicc_value *weight,
                             aicc_value *bias, const aicc_geometry *g, int64_t groups,
                             aicc_dim channels) {
  if (!x || !weight) {
    return NULL;
  }
  aicc_value *const in[] = {x, weight, bias};
  aicc_node *node = aicc_node_create(b->module, op, in, bias ? 3 : 2, 1);
  aicc_dim dims[AICC_MAX_RANK] = {x->type.dims[0], channels};
  for (int i = 0; i < g->spatial; i++) {
    dims[i + 2] = g->out[i];
  }
  node->out[0]->type = aicc_type_tensor(b->module, x->type.dtype, dims, g->spatial + 2);
  aicc_set_ints(b->module, node, AICC_ATTR_STRIDES, g->strides, g->spatial);
  aicc_set_ints(b->module, node, AICC_ATTR_DILATIONS, g->dilations, g->spatial);
  aicc_set_dims(b->module, node, AICC_ATTR_PADS, g->low, g->spatial);
  aicc_set_int(b->module, node, AICC_ATTR_GROUP, groups);
  return aicc_b_finish(b, node);
}

// Known sizes must fit: channels of x, of the weight, and groups.
static aicc_status check_channels(aicc_importer *im, const aicc_onnx_node *n, const aicc_value *x,
                                  aicc_dim weight_channels, aicc_dim split, int64_t groups) {
  int64_t have, want, parts;
  if (groups < 1) {
    return aicc_invalid(im, n, "group is %lld", (long long)groups);
  }
  if (aicc_dim_is_const(im->dims, x->type.dims[1], &have) &&
      aicc_dim_is_const(im->dims, weight_channels, &want) && have != want) {
    return aicc_invalid(im, n, "the input has %lld channels, the weight is for %lld",
                        (long long)have, (long long)want);
  }
  if (aicc_dim_is_const(im->dims, split, &parts) && parts % groups) {
    return aicc_invalid(im, n, "%lld channels do not split into %lld groups", (long long)parts,
                        (long long)groups);
  }
  return AICC_OK;
}

static aicc_status read_conv(aicc_importer *im, const aicc_onnx_node *n, const aicc_value *x,
                             const aicc_value *weight, aicc_geometry *g, int64_t *groups) {
  *groups = aicc_onnx_int(n, "group", 1);
  AICC_TRY(aicc_geometry_forward(im, n, x, weight, false, g));
  const aicc_dim channels =
      aicc_dim_mul(im->dims, weight->type.dims[1], aicc_dim_const(im->dims, *groups));
  return check_channels(im, n, x, channels, weight->type.dims[0], *groups);
}

// Payload: 1 for FusedConv, which has a summand and an activation.
aicc_status import_conv(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  aicc_value *x = aicc_in(n, 0), *weight = aicc_in(n, 1);
  aicc_geometry g;
  int64_t groups;
  AICC_TRY(read_conv(im, n, x, weight, &g, &groups));
  aicc_value *y = conv_node(&im->b, AICC_OP_CONV, x, weight, aicc_in(n, 2), &g, groups,
                            weight->type.dims[0]);
  if (payload) {
    y = aicc_in(n, 3) ? aicc_add(&im->b, y, aicc_in(n, 3)) : y;
    int count;
    const float *parameters = aicc_onnx_floats(n, "activation_params", &count);
    AICC_TRY(aicc_fused_activation(im, n, aicc_onnx_string(n, "activation", ""), parameters, count,
                                   y, &y));
  }
  return aicc_set_out(im, n, 0, y);
}

// --- integers ------------------------------------------------------------------------------------

// The convolution in i32 of x and weight less their zero points.
static aicc_status integer_conv(aicc_importer *im, const aicc_onnx_node *n, aicc_value *x,
                                aicc_value *x_zero, aicc_value *weight, aicc_value *weight_zero,
                                aicc_value *bias, aicc_value **out) {
  aicc_builder *b = &im->b;
  aicc_geometry g;
  int64_t groups;
  AICC_TRY(read_conv(im, n, x, weight, &g, &groups));
  *out = conv_node(b, AICC_OP_CONV, aicc_without_zero(b, x, x_zero, 1),
                   aicc_without_zero(b, weight, weight_zero, 0), bias, &g, groups,
                   weight->type.dims[0]);
  return *out ? AICC_OK : AICC_INVALID;
}

aicc_status import_conv_integer(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_value *y;
  AICC_TRY(integer_conv(im, n, aicc_in(n, 0), aicc_in(n, 2), aicc_in(n, 1), aicc_in(n, 3), NULL,
                        &y));
  return aicc_set_out(im, n, 0, y);
}

// A scale or zero point of one element as a scalar; of several, along the channels.
static aicc_value *per_channel(aicc_builder *b, aicc_value *x, int rank) {
  return aicc_is_one_element(b, x) ? aicc_b_reshape(b, x, NULL, 0) : aicc_along(b, x, rank, 1);
}

// Payload: 1 for Microsoft's, which may have its channels behind the spatial dimensions.
aicc_status import_qlinear_conv(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  aicc_builder *b = &im->b;
  const bool last = payload && aicc_onnx_int(n, "channels_last", 0) != 0;
  aicc_value *sum, *x = last ? aicc_channels_first(b, aicc_in(n, 0)) : aicc_in(n, 0);
  AICC_TRY(integer_conv(im, n, x, aicc_in(n, 2), aicc_in(n, 3), aicc_in(n, 5),
                        aicc_in(n, 8), &sum));
  const int rank = sum->type.rank;
  aicc_value *zero = aicc_in(n, 7);
  const aicc_dtype dtype = zero->type.dtype;
  if (dtype != AICC_I8 && dtype != AICC_U8) {
    return aicc_unsupported(im, n, "a result of type %s", aicc_dtype_name(dtype));
  }
  aicc_value *scale = aicc_mul(b, per_channel(b, aicc_in(n, 1), rank),
                               per_channel(b, aicc_in(n, 4), rank));
  scale = aicc_div(b, scale, per_channel(b, aicc_in(n, 6), rank));
  aicc_value *y = aicc_mul(b, aicc_b_cast(b, sum, AICC_F32), scale);
  y = aicc_b_unary(b, AICC_OP_ROUND, y);
  if (!aicc_is_number(zero, 0)) {
    y = aicc_add(b, y, aicc_b_cast(b, per_channel(b, zero, rank), AICC_F32));
  }
  y = aicc_max(b, y, aicc_b_scalar(b, AICC_F32, dtype == AICC_I8 ? -128 : 0));
  y = aicc_min(b, y, aicc_b_scalar(b, AICC_F32, dtype == AICC_I8 ? 127 : 255));
  y = y ? aicc_b_cast(b, y, dtype) : NULL;
  return aicc_set_out(im, n, 0, last ? aicc_channels_last(b, y) : y);
}

// --- transposed ----------------------------------------------------------------------------------

// stride * (in - 1) + output_padding + extent: the result before padding is cut off.
static aicc_dim full_size(aicc_dims *dims, const aicc_geometry *g, int i, int64_t padding) {
  const aicc_dim steps = aicc_dim_sub(dims, g->in[i], aicc_dim_const(dims, 1));
  const aicc_dim size = aicc_dim_mul(dims, steps, aicc_dim_const(dims, g->strides[i]));
  return aicc_dim_add(dims, aicc_dim_add(dims, size, aicc_dim_const(dims, padding)),
                      aicc_geometry_extent(dims, g, i));
}

// The result's size is given: what it lacks to the full size is padding, on both sides.
static void cut_to(aicc_dims *dims, aicc_geometry *g, int i, aicc_dim full, aicc_auto_pad mode) {
  const aicc_dim total =
      aicc_dim_max(dims, aicc_dim_sub(dims, full, g->out[i]), aicc_dim_const(dims, 0));
  const aicc_dim half = aicc_dim_floordiv(dims, total, aicc_dim_const(dims, 2));
  g->low[i] = mode == AICC_PAD_SAME_UPPER ? half : aicc_dim_sub(dims, total, half);
}

static aicc_status transposed_geometry(aicc_importer *im, const aicc_onnx_node *n,
                                       aicc_geometry *g) {
  aicc_dims *dims = im->dims;
  int64_t padding[AICC_MAX_RANK], pads[2 * AICC_MAX_RANK];
  int shape_count;
  const int64_t *shape = aicc_onnx_ints(n, "output_shape", &shape_count);
  aicc_auto_pad mode;
  AICC_TRY(aicc_geometry_read(im, n, aicc_in(n, 0), aicc_in(n, 1), g));
  AICC_TRY(aicc_read_auto_pad(im, n, &mode));
  AICC_TRY(aicc_read_spatial(im, n, "output_padding", g->spatial, 0, 0, padding));
  AICC_TRY(aicc_read_spatial(im, n, "pads", 2 * g->spatial, INT64_MIN, 0, pads));
  if (shape_count && shape_count != g->spatial && shape_count != g->spatial + 2) {
    return aicc_invalid(im, n, "'output_shape' has %d entries, %d are needed", shape_count,
                        g->spatial);
  }
  const bool same = mode == AICC_PAD_SAME_UPPER || mode == AICC_PAD_SAME_LOWER;
  for (int i = 0; i < g->spatial; i++) {
    const aicc_dim full = full_size(dims, g, i, padding[i]);
    if (shape_count) {
      g->out[i] = aicc_dim_const(dims, shape[shape_count - g->spatial + i]);
      cut_to(dims, g, i, full, mode);
    } else if (same) {
      g->out[i] = aicc_dim_mul(dims, g->in[i], aicc_dim_const(dims, g->strides[i]));
      cut_to(dims, g, i, full, mode);
    } else {
      const bool given = mode == AICC_PAD_NOTSET;
      g->low[i] = aicc_dim_const(dims, given ? pads[i] : 0);
      const aicc_dim high = aicc_dim_const(dims, given ? pads[g->spatial + i] : 0);
      g->out[i] = aicc_dim_sub(dims, full, aicc_dim_add(dims, g->low[i], high));
    }
  }
  return AICC_OK;
}

aicc_status import_conv_transpose(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_value *x = aicc_in(n, 0), *weight = aicc_in(n, 1);
  const int64_t groups = aicc_onnx_int(n, "group", 1);
  aicc_geometry g;
  AICC_TRY(transposed_geometry(im, n, &g));
  AICC_TRY(check_channels(im, n, x, weight->type.dims[0], weight->type.dims[0], groups));
  const aicc_dim channels =
      aicc_dim_mul(im->dims, weight->type.dims[1], aicc_dim_const(im->dims, groups));
  return aicc_set_out(im, n, 0, conv_node(&im->b, AICC_OP_CONV_TRANSPOSE, x, weight, aicc_in(n, 2),
                                          &g, groups, channels));
}

// --- columns to image ----------------------------------------------------------------------------

// The weight [K, 1, kernel..] that puts channel k at position k of the kernel.
static aicc_value *placing_weight(aicc_builder *b, aicc_dtype dtype, aicc_dim places,
                                  const aicc_geometry *g) {
  const aicc_dim one = aicc_dim_const(b->module->dims, 1);
  const aicc_dim row[] = {places, one}, column[] = {one, places};
  aicc_value *same = aicc_b_binary(b, AICC_OP_EQ, aicc_b_iota(b, AICC_I64, row, 2, 0),
                                   aicc_b_iota(b, AICC_I64, column, 2, 1));
  aicc_dim dims[AICC_MAX_RANK] = {places, one};
  for (int i = 0; i < g->spatial; i++) {
    dims[i + 2] = g->kernel[i];
  }
  return aicc_b_reshape(b, same ? aicc_b_cast(b, same, dtype) : NULL, dims, g->spatial + 2);
}

// Reads the operands and attributes; |columns| are the sizes of the grid of blocks.
static aicc_status image_geometry(aicc_importer *im, const aicc_onnx_node *n, aicc_geometry *g,
                                  aicc_dim *columns) {
  aicc_dims *dims = im->dims;
  const aicc_dim *image, *block;
  int image_count, block_count;
  AICC_TRY(aicc_in_dims(im, n, 1, &image, &image_count));
  AICC_TRY(aicc_in_dims(im, n, 2, &block, &block_count));
  if (aicc_in(n, 0)->type.rank != 3 || image_count != block_count ||
      image_count > AICC_MAX_RANK - 2) {
    return aicc_invalid(im, n, "the input must have 3 dimensions, and image and block one rank");
  }
  *g = (aicc_geometry){.spatial = image_count};
  int64_t pads[2 * AICC_MAX_RANK];
  AICC_TRY(aicc_read_spatial(im, n, "strides", g->spatial, 1, 1, g->strides));
  AICC_TRY(aicc_read_spatial(im, n, "dilations", g->spatial, 1, 1, g->dilations));
  AICC_TRY(aicc_read_spatial(im, n, "pads", 2 * g->spatial, INT64_MIN, 0, pads));
  for (int i = 0; i < g->spatial; i++) {
    g->kernel[i] = block[i];
    g->out[i] = image[i];
    g->low[i] = aicc_dim_const(dims, pads[i]);
    const aicc_dim padded =
        aicc_dim_add(dims, image[i], aicc_dim_const(dims, pads[i] + pads[g->spatial + i]));
    const aicc_dim room = aicc_dim_sub(dims, padded, aicc_geometry_extent(dims, g, i));
    columns[i] =
        aicc_dim_add(dims, aicc_dim_floordiv(dims, room, aicc_dim_const(dims, g->strides[i])),
                     aicc_dim_const(dims, 1));
  }
  return AICC_OK;
}

// Each column is added to the block of the image it was cut from: a transposed convolution of one
// channel, in which every channel of the input is an image of its own.
aicc_status import_col2im(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_dims *dims = im->dims;
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0);
  aicc_geometry g;
  aicc_dim shape[AICC_MAX_RANK];
  AICC_TRY(image_geometry(im, n, &g, &shape[2]));
  const aicc_dim places = aicc_dim_product(dims, g.kernel, g.spatial);
  const aicc_dim channels = aicc_dim_floordiv(dims, x->type.dims[1], places);
  shape[0] = aicc_dim_mul(dims, x->type.dims[0], channels);
  shape[1] = places;
  aicc_value *columns = aicc_b_reshape(b, x, shape, g.spatial + 2);
  aicc_value *weight = placing_weight(b, x->type.dtype, places, &g);
  aicc_value *y = conv_node(b, AICC_OP_CONV_TRANSPOSE, columns, weight, NULL, &g, 1,
                            aicc_dim_const(dims, 1));
  shape[0] = x->type.dims[0];
  shape[1] = channels;
  for (int i = 0; i < g.spatial; i++) {
    shape[i + 2] = g.out[i];
  }
  return aicc_set_out(im, n, 0, aicc_b_reshape(b, y, shape, g.spatial + 2));
}

// --- deformable ----------------------------------------------------------------------------------

aicc_status import_deform_conv(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_value *x = aicc_in(n, 0), *weight = aicc_in(n, 1), *offset = aicc_in(n, 2);
  const int64_t groups = aicc_onnx_int(n, "group", 1);
  const int64_t offset_groups = aicc_onnx_int(n, "offset_group", 1);
  aicc_geometry g;
  AICC_TRY(aicc_geometry_forward(im, n, x, weight, false, &g));
  if (g.spatial != 2) {
    return aicc_unsupported(im, n, "%d spatial dimensions; 2 are", g.spatial);
  }
  const aicc_dim channels =
      aicc_dim_mul(im->dims, weight->type.dims[1], aicc_dim_const(im->dims, groups));
  AICC_TRY(check_channels(im, n, x, channels, weight->type.dims[0], groups));
  AICC_TRY(check_channels(im, n, x, channels, channels, offset_groups));
  int64_t ints[8] = {groups, offset_groups};
  for (int i = 0; i < 2; i++) {
    ints[2 + i] = g.strides[i];
    ints[4 + i] = g.dilations[i];
    if (!aicc_dim_is_const(im->dims, g.low[i], &ints[6 + i])) {
      return aicc_unsupported(im, n, "padding that is not known at compile time");
    }
  }
  const aicc_dim dims[] = {x->type.dims[0], weight->type.dims[0], g.out[0], g.out[1]};
  const aicc_type type = aicc_type_tensor(im->module, x->type.dtype, dims, 4);
  aicc_value *const in[] = {x, weight, offset, aicc_in(n, 3), aicc_in(n, 4)};
  const int in_count = aicc_in(n, 4) ? 5 : aicc_in(n, 3) ? 4 : 3;
  aicc_node *node = aicc_b_opaque(&im->b, "deform_conv", in, in_count, &type, 1);
  if (!node) {
    return AICC_INVALID;
  }
  aicc_set_ints(im->module, node, AICC_ATTR_INTS, ints, 8);
  return aicc_set_out(im, n, 0, node->out[0]);
}
