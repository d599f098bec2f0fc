// Convolutions for the layout pass: NHWC, without padding of their own (a pad node before them,
// that producers may fuse; GPUs' skeletons guard their loads instead), between transposes; and
// transposed convolutions as plain ones.
#include <string.h>

#include "passes/layout.h"

void aicc_layout_channels_last(int64_t *perm, int rank) {
  perm[0] = 0;
  for (int i = 1; i + 1 < rank; i++) {
    perm[i] = i + 1;
  }
  perm[rank - 1] = 1;
}

void aicc_layout_channels_first(int64_t *perm, int rank) {
  perm[0] = 0;
  perm[1] = rank - 1;
  for (int i = 2; i < rank; i++) {
    perm[i] = i - 1;
  }
}

// Pads spatial dimension i of NHWC x so that the windows fit exactly or the input is longer.
static aicc_value *pad_spatial(aicc_layout *l, aicc_value *x, const aicc_node *node, int spatial) {
  aicc_dims *dims = l->module->dims;
  int count;
  const int64_t *strides = aicc_get_ints(node, AICC_ATTR_STRIDES, &count);
  const int64_t *dilations = aicc_get_ints(node, AICC_ATTR_DILATIONS, &count);
  const aicc_dim *pads = aicc_get_dims(node, AICC_ATTR_PADS, &count);
  const aicc_dim zero = aicc_dim_const(dims, 0), one = aicc_dim_const(dims, 1);
  aicc_dim low[AICC_MAX_RANK], high[AICC_MAX_RANK];
  bool needed = false;
  for (int i = 0; i < x->type.rank; i++) {
    low[i] = high[i] = zero;
  }
  for (int i = 0; i < spatial; i++) {
    const aicc_dim out = node->out[0]->type.dims[2 + i], kernel = node->in[1]->type.dims[2 + i];
    const aicc_dim stride = aicc_dim_const(dims, strides ? strides[i] : 1);
    const aicc_dim dilation = aicc_dim_const(dims, dilations ? dilations[i] : 1);
    const aicc_dim pad = pads ? pads[i] : zero, in = x->type.dims[1 + i];
    aicc_dim reach = aicc_dim_mul(dims, aicc_dim_sub(dims, out, one), stride);
    reach = aicc_dim_add(dims, reach,
                         aicc_dim_mul(dims, aicc_dim_sub(dims, kernel, one), dilation));
    reach = aicc_dim_add(dims, reach, one);
    if (aicc_dim_is(dims, pad, 0) && aicc_dim_ge(dims, in, reach)) {
      continue;
    }
    needed = true;
    low[1 + i] = pad;
    high[1 + i] = aicc_dim_sub(dims, aicc_dim_sub(dims, reach, in), pad);
  }
  if (!needed) {
    return x;
  }
  aicc_value *fill = aicc_b_scalar(&l->b, x->type.dtype, 0);
  return aicc_b_pad(&l->b, x, fill, low, high, "constant");
}

void aicc_layout_conv(aicc_layout *l, aicc_node *node) {
  const int rank = node->in[0]->type.rank, spatial = rank - 2;
  const aicc_dtype type = node->in[0]->type.dtype;
  if (strcmp(aicc_get_string(node, AICC_ATTR_LAYOUT, "nchw"), "nhwc") == 0 || spatial < 1 ||
      spatial > 3 || !(aicc_dtype_is_float(type) || aicc_dtype_is_byte(type))) {
    return;
  }
  aicc_layout_at(l, node);
  int64_t last[AICC_MAX_RANK], first[AICC_MAX_RANK];
  aicc_layout_channels_last(last, rank);
  aicc_layout_channels_first(first, rank);
  aicc_value *x = aicc_layout_transposed(l, node->in[0], last);
  x = l->pads_inside ? x : pad_spatial(l, x, node, spatial);
  aicc_value *in[] = {x, node->in[1], node->in_count > 2 ? node->in[2] : NULL};
  aicc_node *conv = aicc_node_create(l->module, AICC_OP_CONV, in, node->in_count, 1);
  aicc_attrs_copy(l->module, conv, node);
  aicc_set_string(l->module, conv, AICC_ATTR_LAYOUT, "nhwc");
  if (!l->pads_inside) {
    aicc_attr_remove(conv, AICC_ATTR_PADS);
  }
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    dims[i] = node->out[0]->type.dims[last[i]];
  }
  conv->out[0]->type = aicc_type_tensor(l->module, node->out[0]->type.dtype, dims, rank);
  aicc_value *result = aicc_b_finish(&l->b, conv);
  aicc_value_replace(l->module, node->out[0], aicc_b_transpose(&l->b, result, first));
  aicc_node_unlink(node);
}


// --- transposed convolutions ---------------------------------------------------------------------

typedef struct deconv {
  aicc_layout *l;
  aicc_node *node;
  aicc_value *x;  // NHWC
  int spatial;
  int64_t stride[AICC_MAX_RANK], dilation[AICC_MAX_RANK];
  aicc_dim pad[AICC_MAX_RANK];
  const aicc_dim *in, *kernel, *out;  // spatial extents
  aicc_dim batch, channels, filters;
} deconv;

// Kernels that neither overlap nor leave gaps: every input pixel becomes a block of its own.
static bool is_blockwise(const deconv *d) {
  aicc_dims *dims = d->l->module->dims;
  bool blocks = true;
  for (int i = 0; i < d->spatial; i++) {
    const aicc_dim stride = aicc_dim_const(dims, d->stride[i]);
    blocks &= d->dilation[i] == 1 && d->kernel[i] == stride && aicc_dim_is(dims, d->pad[i], 0) &&
              d->out[i] == aicc_dim_mul(dims, d->in[i], stride);
  }
  return blocks;
}

// [N, s.., C] x [C, k.., M] -> [N, s.., k.., M] -> [N, s1, k1, .., M] -> [N, s1 * k1, .., M].
static aicc_value *blockwise(const deconv *d) {
  aicc_builder *b = &d->l->b;
  aicc_dims *dims = d->l->module->dims;
  const int n = d->spatial;
  int64_t perm[AICC_MAX_RANK] = {0};
  for (int i = 0; i < n; i++) {
    perm[1 + i] = 2 + i;
  }
  perm[1 + n] = 1;
  const aicc_dim columns =
      aicc_dim_mul(dims, aicc_dim_product(dims, d->kernel, n), d->filters);
  const aicc_dim matrix[] = {d->channels, columns};
  aicc_value *w = aicc_b_reshape(b, aicc_b_transpose(b, d->node->in[1], perm), matrix, 2);
  aicc_value *y = aicc_b_matmul(b, d->x, w);
  aicc_dim apart[AICC_MAX_RANK], joined[AICC_MAX_RANK];
  apart[0] = joined[0] = d->batch;
  perm[0] = 0;
  for (int i = 0; i < n; i++) {
    apart[1 + i] = d->in[i];
    apart[1 + n + i] = d->kernel[i];
    perm[1 + 2 * i] = 1 + i;
    perm[2 + 2 * i] = 1 + n + i;
    joined[1 + i] = d->out[i];
  }
  apart[1 + 2 * n] = joined[1 + n] = d->filters;
  perm[1 + 2 * n] = 1 + 2 * n;
  y = aicc_b_reshape(b, aicc_b_transpose(b, aicc_b_reshape(b, y, apart, 2 + 2 * n), perm), joined,
                     2 + n);
  const bool biased = d->node->in_count > 2 && d->node->in[2];
  return biased ? aicc_b_binary(b, AICC_OP_ADD, y, d->node->in[2]) : y;
}

// Zeros between the pixels: stride - 1 behind each.
static aicc_value *spread(const deconv *d) {
  aicc_builder *b = &d->l->b;
  aicc_dims *dims = d->l->module->dims;
  const aicc_dim zero = aicc_dim_const(dims, 0);
  aicc_dim apart[AICC_MAX_RANK], low[AICC_MAX_RANK], high[AICC_MAX_RANK], joined[AICC_MAX_RANK];
  int rank = 0;
  bool strided = false;
  apart[rank++] = joined[0] = d->batch;
  for (int i = 0; i < d->spatial; i++) {
    apart[rank++] = d->in[i];
    high[rank] = aicc_dim_const(dims, d->stride[i] - 1);
    apart[rank++] = aicc_dim_const(dims, 1);
    joined[1 + i] = aicc_dim_mul(dims, d->in[i], aicc_dim_const(dims, d->stride[i]));
    strided |= d->stride[i] > 1;
  }
  apart[rank++] = joined[1 + d->spatial] = d->channels;
  if (!strided) {
    return d->x;
  }
  for (int i = 0; i < rank; i++) {
    low[i] = zero;
    high[i] = i % 2 == 0 && i > 0 && i < rank - 1 ? high[i] : zero;
  }
  aicc_value *fill = aicc_b_scalar(b, d->x->type.dtype, 0);
  aicc_value *x = aicc_b_reshape(b, d->x, apart, rank);
  return aicc_b_reshape(b, aicc_b_pad(b, x, fill, low, high, "constant"), joined, 2 + d->spatial);
}

// The weights [C, M, k..] as those of the plain convolution: [M, C, k..], every tap mirrored.
static aicc_value *mirrored(const deconv *d) {
  aicc_builder *b = &d->l->b;
  aicc_dims *dims = d->l->module->dims;
  int64_t perm[AICC_MAX_RANK], steps[AICC_MAX_RANK];
  aicc_dim starts[AICC_MAX_RANK], sizes[AICC_MAX_RANK];
  for (int i = 0; i < 2 + d->spatial; i++) {
    perm[i] = i < 2 ? 1 - i : i;
    steps[i] = i < 2 ? 1 : -1;
    sizes[i] = i == 0 ? d->filters : i == 1 ? d->channels : d->kernel[i - 2];
    starts[i] = i < 2 ? aicc_dim_const(dims, 0)
                      : aicc_dim_sub(dims, sizes[i], aicc_dim_const(dims, 1));
  }
  return aicc_b_slices(b, aicc_b_transpose(b, d->node->in[1], perm), starts, steps, sizes);
}

// A plain convolution at stride 1 over the spread input.
static aicc_value *over_spread(const deconv *d) {
  aicc_builder *b = &d->l->b;
  aicc_dims *dims = d->l->module->dims;
  const aicc_dim zero = aicc_dim_const(dims, 0);
  aicc_value *x = spread(d);
  aicc_dim low[AICC_MAX_RANK], high[AICC_MAX_RANK], shape[AICC_MAX_RANK];
  const int rank = 2 + d->spatial;
  low[0] = high[0] = low[rank - 1] = high[rank - 1] = zero;
  shape[0] = d->batch;
  shape[rank - 1] = d->filters;
  for (int i = 0; i < d->spatial; i++) {
    const aicc_dim reach =
        aicc_dim_mul(dims, aicc_dim_sub(dims, d->kernel[i], aicc_dim_const(dims, 1)),
                     aicc_dim_const(dims, d->dilation[i]));
    const aicc_dim wanted = aicc_dim_add(dims, d->out[i], reach);
    low[1 + i] = aicc_dim_sub(dims, reach, d->pad[i]);
    high[1 + i] = aicc_dim_sub(dims, aicc_dim_sub(dims, wanted, x->type.dims[1 + i]), low[1 + i]);
    shape[1 + i] = d->out[i];
  }
  aicc_value *fill = aicc_b_scalar(b, x->type.dtype, 0);
  const bool biased = d->node->in_count > 2 && d->node->in[2];
  aicc_value *in[] = {aicc_b_pad(b, x, fill, low, high, "constant"), mirrored(d),
                      biased ? d->node->in[2] : NULL};
  aicc_node *conv = aicc_node_create(d->l->module, AICC_OP_CONV, in, biased ? 3 : 2, 1);
  aicc_set_string(d->l->module, conv, AICC_ATTR_LAYOUT, "nhwc");
  aicc_set_ints(d->l->module, conv, AICC_ATTR_DILATIONS, d->dilation, d->spatial);
  conv->out[0]->type = aicc_type_tensor(d->l->module, x->type.dtype, shape, rank);
  return aicc_b_finish(b, conv);
}

void aicc_layout_conv_transpose(aicc_layout *l, aicc_node *node) {
  const int rank = node->in[0]->type.rank;
  deconv d = {.l = l, .node = node, .spatial = rank - 2};
  int count;
  const int64_t *strides = aicc_get_ints(node, AICC_ATTR_STRIDES, &count);
  const int64_t *dilations = aicc_get_ints(node, AICC_ATTR_DILATIONS, &count);
  const aicc_dim *pads = aicc_get_dims(node, AICC_ATTR_PADS, &count);
  if (aicc_get_int(node, AICC_ATTR_GROUP, 1) != 1 || d.spatial < 1 || d.spatial > 3 ||
      !aicc_dtype_is_float(node->in[0]->type.dtype)) {
    return;
  }
  for (int i = 0; i < d.spatial; i++) {
    d.stride[i] = strides ? strides[i] : 1;
    d.dilation[i] = dilations ? dilations[i] : 1;
    d.pad[i] = pads ? pads[i] : aicc_dim_const(l->module->dims, 0);
  }
  aicc_layout_at(l, node);
  int64_t last[AICC_MAX_RANK], first[AICC_MAX_RANK];
  aicc_layout_channels_last(last, rank);
  aicc_layout_channels_first(first, rank);
  d.batch = node->in[0]->type.dims[0];
  d.channels = node->in[0]->type.dims[1];
  d.filters = node->out[0]->type.dims[1];
  d.in = node->in[0]->type.dims + 2;
  d.kernel = node->in[1]->type.dims + 2;
  d.out = node->out[0]->type.dims + 2;
  d.x = aicc_layout_transposed(l, node->in[0], last);
  aicc_value *y = is_blockwise(&d) ? blockwise(&d) : over_spread(&d);
  aicc_value_replace(l->module, node->out[0], aicc_b_transpose(&l->b, y, first));
  aicc_node_unlink(node);
}
