// The geometry of convolutions and pools.
#include "frontend/import_window.h"

#include <string.h>

aicc_status aicc_read_auto_pad(aicc_importer *im, const aicc_onnx_node *n, aicc_auto_pad *out) {
  static const char *const names[] = {"NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"};
  const char *text = aicc_onnx_string(n, "auto_pad", "NOTSET");
  for (int i = 0; i < 4; i++) {
    if (strcmp(text, names[i]) == 0) {
      *out = (aicc_auto_pad)i;
      return AICC_OK;
    }
  }
  *out = AICC_PAD_NOTSET;
  return *text ? aicc_invalid(im, n, "auto_pad is '%s'", text) : AICC_OK;
}

aicc_status aicc_read_spatial(aicc_importer *im, const aicc_onnx_node *n, const char *name,
                              int spatial, int64_t least, int64_t otherwise, int64_t *out) {
  int count;
  const int64_t *values = aicc_onnx_ints(n, name, &count);
  // Exporters leave lists empty to mean the default.
  if (values && count > 0 && count != spatial) {
    return aicc_invalid(im, n, "'%s' has %d entries, %d are needed", name, count, spatial);
  }
  for (int i = 0; i < spatial; i++) {
    out[i] = values && count ? values[i] : otherwise;
    if (out[i] < least) {
      return aicc_invalid(im, n, "'%s' has the entry %lld", name, (long long)out[i]);
    }
  }
  return AICC_OK;
}

static aicc_status read_kernel(aicc_importer *im, const aicc_onnx_node *n,
                               const aicc_value *weight, aicc_geometry *g) {
  int64_t stated[AICC_MAX_RANK];
  AICC_TRY(aicc_read_spatial(im, n, "kernel_shape", g->spatial, 0, 0, stated));
  for (int i = 0; i < g->spatial; i++) {
    int64_t size = stated[i];
    g->kernel[i] = weight ? weight->type.dims[i + 2] : aicc_dim_const(im->dims, stated[i]);
    if (weight && stated[i] && aicc_dim_is_const(im->dims, g->kernel[i], &size) &&
        size != stated[i]) {
      return aicc_invalid(im, n, "kernel_shape states %lld where the weight has %lld",
                          (long long)stated[i], (long long)size);
    }
    if (!weight && size == 0) {
      return aicc_invalid(im, n, "kernel_shape is missing or has a 0");
    }
  }
  return AICC_OK;
}

aicc_status aicc_geometry_read(aicc_importer *im, const aicc_onnx_node *n, const aicc_value *x,
                               const aicc_value *weight, aicc_geometry *g) {
  *g = (aicc_geometry){.spatial = x->type.rank - 2};
  if (x->type.rank < 3) {
    return aicc_invalid(im, n, "the input has %d dimensions; at least 3 are needed", x->type.rank);
  }
  if (weight && weight->type.rank != x->type.rank) {
    return aicc_invalid(im, n, "the input has %d dimensions, the weight %d", x->type.rank,
                        weight->type.rank);
  }
  for (int i = 0; i < g->spatial; i++) {
    g->in[i] = x->type.dims[i + 2];
  }
  AICC_TRY(read_kernel(im, n, weight, g));
  AICC_TRY(aicc_read_spatial(im, n, "strides", g->spatial, 1, 1, g->strides));
  return aicc_read_spatial(im, n, "dilations", g->spatial, 1, 1, g->dilations);
}

aicc_dim aicc_geometry_extent(aicc_dims *dims, const aicc_geometry *g, int i) {
  const aicc_dim one = aicc_dim_const(dims, 1), dilation = aicc_dim_const(dims, g->dilations[i]);
  return aicc_dim_add(dims, aicc_dim_mul(dims, dilation, aicc_dim_sub(dims, g->kernel[i], one)),
                      one);
}

// Pads so that the result has ceil(in / stride) elements.
static void pad_same(aicc_dims *dims, aicc_geometry *g, int i, bool upper) {
  const aicc_dim stride = aicc_dim_const(dims, g->strides[i]), one = aicc_dim_const(dims, 1);
  g->out[i] = aicc_dim_ceildiv(dims, g->in[i], stride);
  const aicc_dim last = aicc_dim_mul(dims, aicc_dim_sub(dims, g->out[i], one), stride);
  const aicc_dim reach = aicc_dim_add(dims, last, aicc_geometry_extent(dims, g, i));
  const aicc_dim total =
      aicc_dim_max(dims, aicc_dim_sub(dims, reach, g->in[i]), aicc_dim_const(dims, 0));
  const aicc_dim half = aicc_dim_floordiv(dims, total, aicc_dim_const(dims, 2));
  const aicc_dim rest = aicc_dim_sub(dims, total, half);
  g->low[i] = upper ? half : rest;
  g->high[i] = upper ? rest : half;
}

// (in + low + high - extent) / stride + 1, rounded down or up; rounded up, the last window must
// start before the high padding.
static void count_windows(aicc_dims *dims, aicc_geometry *g, int i) {
  const aicc_dim stride = aicc_dim_const(dims, g->strides[i]), one = aicc_dim_const(dims, 1);
  const aicc_dim start_end = aicc_dim_add(dims, g->in[i], g->low[i]);
  const aicc_dim room = aicc_dim_sub(dims, aicc_dim_add(dims, start_end, g->high[i]),
                                     aicc_geometry_extent(dims, g, i));
  if (!g->ceil) {
    g->out[i] = aicc_dim_add(dims, aicc_dim_floordiv(dims, room, stride), one);
    return;
  }
  const aicc_dim before = aicc_dim_ceildiv(dims, room, stride);
  const aicc_dim starts_inside = aicc_dim_lt(dims, aicc_dim_mul(dims, before, stride), start_end);
  g->out[i] = aicc_dim_add(dims, before, starts_inside);
}

static aicc_status check_result(aicc_importer *im, const aicc_onnx_node *n,
                                const aicc_geometry *g) {
  for (int i = 0; i < g->spatial; i++) {
    int64_t size;
    if (aicc_dim_is_const(im->dims, g->out[i], &size) && size < 0) {
      return aicc_invalid(im, n, "the kernel is larger than the padded input");
    }
  }
  return AICC_OK;
}

aicc_status aicc_geometry_forward(aicc_importer *im, const aicc_onnx_node *n, const aicc_value *x,
                                  const aicc_value *weight, bool may_ceil, aicc_geometry *g) {
  AICC_TRY(aicc_geometry_read(im, n, x, weight, g));
  aicc_auto_pad mode;
  AICC_TRY(aicc_read_auto_pad(im, n, &mode));
  const bool ceil = may_ceil && aicc_onnx_int(n, "ceil_mode", 0) != 0;
  g->ceil = ceil && mode == AICC_PAD_NOTSET;
  int64_t pads[2 * AICC_MAX_RANK];
  AICC_TRY(aicc_read_spatial(im, n, "pads", 2 * g->spatial, INT64_MIN, 0, pads));
  for (int i = 0; i < g->spatial; i++) {
    const bool given = mode == AICC_PAD_NOTSET;
    if (mode == AICC_PAD_SAME_UPPER || mode == AICC_PAD_SAME_LOWER) {
      pad_same(im->dims, g, i, mode == AICC_PAD_SAME_UPPER);
      continue;
    }
    g->low[i] = aicc_dim_const(im->dims, given ? pads[i] : 0);
    g->high[i] = aicc_dim_const(im->dims, given ? pads[g->spatial + i] : 0);
    count_windows(im->dims, g, i);
  }
  return check_result(im, n, g);
}

aicc_status aicc_geometry_kernel(aicc_importer *im, const aicc_onnx_node *n,
                                 const aicc_geometry *g, int64_t *kernel) {
  for (int i = 0; i < g->spatial; i++) {
    if (!aicc_dim_is_const(im->dims, g->kernel[i], &kernel[i])) {
      return aicc_unsupported(im, n, "a kernel whose size is not known at compile time");
    }
  }
  return AICC_OK;
}

static aicc_value *move_axis(aicc_builder *b, aicc_value *x, int from, int to) {
  int64_t perm[AICC_MAX_RANK];
  const int rank = x ? x->type.rank : 0;
  for (int i = 0, next = 0; i < rank; i++) {
    next += next == from;
    perm[i] = i == to ? from : next++;
  }
  return rank < 3 ? x : aicc_b_transpose(b, x, perm);
}

aicc_value *aicc_channels_first(aicc_builder *b, aicc_value *x) {
  return x ? move_axis(b, x, x->type.rank - 1, 1) : NULL;
}

aicc_value *aicc_channels_last(aicc_builder *b, aicc_value *x) {
  return x ? move_axis(b, x, 1, x->type.rank - 1) : NULL;
}
