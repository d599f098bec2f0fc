// Resize of all versions, and Upsample.
#include "frontend/import_resize.h"

#include <math.h>
#include <string.h>

typedef struct resizing {
  aicc_importer *im;
  const aicc_onnx_node *n;
  aicc_value *x;
  aicc_resize_style style;
  int count;                        // of the axes that scales, sizes and roi speak of
  int64_t axes[AICC_MAX_RANK];
  bool known;                       // scales are known at compile time
  float scales[AICC_MAX_RANK];
  aicc_value *scale_input;          // f32 [count]; NULL: sizes
  aicc_value *size_input;           // [count]
  aicc_value *roi;                  // f64 [2 * count]: starts, then ends; NULL: none
  bool truncate;                    // version 10: nearest goes up where it shrinks
  aicc_resize_axis plan[AICC_MAX_RANK];
} resizing;

// --- attributes ----------------------------------------------------------------------------------

static aicc_status choose(const resizing *r, const char *name, const char *otherwise,
                          const char *const *names, int count, int *out) {
  const char *text = aicc_onnx_string(r->n, name, otherwise);
  *out = 0;
  for (int i = 0; i < count; i++) {
    if (strcmp(text, names[i]) == 0) {
      *out = i;
      return AICC_OK;
    }
  }
  return aicc_invalid(r->im, r->n, "%s is '%s'", name, text);
}

static aicc_status read_mode(resizing *r) {
  static const char *const names[] = {"nearest", "linear", "cubic", "bilinear", "bicubic"};
  int mode;
  AICC_TRY(choose(r, "mode", "nearest", names, 5, &mode));
  r->style.mode = (aicc_resize_mode)(mode > 2 ? mode - 2 : mode);
  return AICC_OK;
}

static aicc_status read_style(resizing *r) {
  static const char *const coordinates[] = {"half_pixel",    "half_pixel_symmetric",
                                            "pytorch_half_pixel", "align_corners",
                                            "asymmetric",    "tf_crop_and_resize",
                                            "tf_half_pixel_for_nn"};
  static const char *const roundings[] = {"round_prefer_floor", "round_prefer_ceil", "floor",
                                          "ceil"};
  int place, rounding;
  AICC_TRY(read_mode(r));
  AICC_TRY(choose(r, "coordinate_transformation_mode", "half_pixel", coordinates, 7, &place));
  AICC_TRY(choose(r, "nearest_mode", "round_prefer_floor", roundings, 4, &rounding));
  r->style.coordinates = (aicc_resize_coordinates)place;
  r->style.rounding = (aicc_resize_rounding)rounding;
  r->style.antialias = aicc_onnx_int(r->n, "antialias", 0) != 0 &&
                       r->style.mode != AICC_RESIZE_NEAREST;
  r->style.exclude_outside = aicc_onnx_int(r->n, "exclude_outside", 0) != 0;
  r->style.cubic_a = (double)aicc_onnx_float(r->n, "cubic_coeff_a", -0.75F);
  r->style.extrapolation = (double)aicc_onnx_float(r->n, "extrapolation_value", 0);
  return AICC_OK;
}

static aicc_status read_axes(resizing *r) {
  const int rank = r->x->type.rank;
  int count;
  const int64_t *axes = aicc_onnx_ints(r->n, "axes", &count);
  r->count = axes ? count : rank;
  if (r->count > rank) {
    return aicc_invalid(r->im, r->n, "%d axes for %d dimensions", r->count, rank);
  }
  for (int i = 0; !axes && i < rank; i++) {
    r->axes[i] = i;
  }
  return axes ? aicc_axes(r->im, r->n, axes, count, rank, r->axes) : AICC_OK;
}

// --- scales and sizes ----------------------------------------------------------------------------

// An operand of |want| elements; NULL where it is left out or empty.
static aicc_status list_operand(resizing *r, int i, int want, const char *what,
                                aicc_value **out) {
  aicc_value *x = aicc_in(r->n, i);
  *out = NULL;
  if (!x || aicc_dim_is(r->im->dims, aicc_type_count(r->im->module, &x->type), 0)) {
    return AICC_OK;
  }
  if (x->type.rank != 1 || !aicc_dim_is(r->im->dims, x->type.dims[0], want)) {
    return aicc_invalid(r->im, r->n, "%s must have %d entries", what, want);
  }
  *out = x;
  return AICC_OK;
}

static aicc_status read_scales(resizing *r, aicc_value *scales) {
  const aicc_tensor *tensor = aicc_known_tensor(r->im, scales);
  r->known = tensor != NULL;
  for (int i = 0; tensor && i < r->count; i++) {
    r->scales[i] = (float)aicc_get_f64(tensor->dtype, tensor->data, (size_t)i);
    if (!(r->scales[i] > 0)) {
      return aicc_invalid(r->im, r->n, "a scale is not positive");
    }
  }
  r->scale_input = aicc_b_cast(&r->im->b, scales, AICC_F32);
  return r->scale_input ? AICC_OK : AICC_INVALID;
}

static aicc_status read_operands(resizing *r, int scales_at) {
  aicc_value *roi = NULL, *scales;
  if (scales_at == 2) {
    AICC_TRY(list_operand(r, 1, 2 * r->count, "roi", &roi));
    AICC_TRY(list_operand(r, 3, r->count, "sizes", &r->size_input));
  }
  AICC_TRY(list_operand(r, scales_at, r->count, "scales", &scales));
  if (!scales == !r->size_input) {
    return aicc_invalid(r->im, r->n, "exactly one of scales and sizes must be given");
  }
  if (r->style.coordinates == AICC_RESIZE_CROP) {
    if (!roi) {
      return aicc_invalid(r->im, r->n, "tf_crop_and_resize needs roi");
    }
    r->roi = aicc_b_cast(&r->im->b, roi, AICC_F64);
  }
  return scales ? read_scales(r, scales) : AICC_OK;
}

// Element |i| of a vector, as a scalar.
static aicc_value *element(aicc_builder *b, aicc_value *x, int i) {
  aicc_dims *dims = b->module->dims;
  aicc_value *one = aicc_b_slice(b, x, 0, aicc_dim_const(dims, i), aicc_dim_const(dims, 1), 1);
  return aicc_b_reshape(b, one, NULL, 0);
}

// Operand sizes of the axes as a vector.
static aicc_value *axis_sizes(const resizing *r, aicc_dtype dtype) {
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < r->count; i++) {
    dims[i] = r->x->type.dims[r->axes[i]];
  }
  return aicc_b_cast(&r->im->b, aicc_b_from_dims(&r->im->b, dims, r->count), dtype);
}

// floor(in * scale) where the scale is a fraction of small numbers, as in * p / q.
static bool scale_dim(const resizing *r, int i, aicc_dim in, aicc_dim *out) {
  aicc_dims *dims = r->im->dims;
  const double scale = (double)r->scales[i];
  int64_t size;
  if (aicc_dim_is_const(dims, in, &size)) {
    *out = aicc_dim_const(dims, (int64_t)floorf((float)size * r->scales[i]));
    return true;
  }
  for (int64_t q = 1; q <= 64; q++) {
    const double p = rint(scale * (double)q);
    if (p > 0 && fabs(p - scale * (double)q) < 1e-6 * p) {
      *out = aicc_dim_floordiv(dims, aicc_dim_mul(dims, in, aicc_dim_const(dims, (int64_t)p)),
                               aicc_dim_const(dims, q));
      return true;
    }
  }
  return false;
}

// The result's sizes as a tensor, for what expressions cannot say: floor(in * scale), times the
// extent of the region where there is one.
static aicc_value *scaled_sizes(const resizing *r) {
  aicc_builder *b = &r->im->b;
  aicc_value *sizes = aicc_mul(b, axis_sizes(r, AICC_F32), r->scale_input);
  if (r->roi) {
    const aicc_dim zero = aicc_dim_const(r->im->dims, 0), n = aicc_dim_const(r->im->dims, r->count);
    aicc_value *extent = aicc_sub(b, aicc_b_slice(b, r->roi, 0, n, n, 1),
                                  aicc_b_slice(b, r->roi, 0, zero, n, 1));
    sizes = aicc_mul(b, sizes, extent ? aicc_b_cast(b, extent, AICC_F32) : NULL);
  }
  aicc_value *whole = aicc_b_unary(b, AICC_OP_FLOOR, sizes);
  return whole ? aicc_b_cast(b, whole, AICC_I64) : NULL;
}

// Sizes are bounds: one scale, the least or the greatest, for all axes; halves are rounded up.
static aicc_status keep_aspect(resizing *r, bool larger) {
  aicc_builder *b = &r->im->b;
  aicc_value *in = axis_sizes(r, AICC_F64);
  aicc_value *ratio = aicc_div(b, aicc_b_cast(b, r->size_input, AICC_F64), in);
  aicc_value *scale = aicc_b_reduce(b, larger ? AICC_OP_REDUCE_MAX : AICC_OP_REDUCE_MIN, ratio,
                                    NULL, 0, false);
  aicc_value *size = aicc_add_number(b, aicc_mul(b, in, scale), 0.5);
  size = aicc_b_unary(b, AICC_OP_FLOOR, size);
  r->size_input = size ? aicc_b_cast(b, size, AICC_I64) : NULL;
  for (int i = 0; i < r->count; i++) {
    r->plan[i].scale = scale;
  }
  return r->size_input ? AICC_OK : AICC_INVALID;
}

static aicc_status read_policy(resizing *r) {
  static const char *const names[] = {"stretch", "not_larger", "not_smaller"};
  int policy;
  AICC_TRY(choose(r, "keep_aspect_ratio_policy", "stretch", names, 3, &policy));
  return policy && r->size_input ? keep_aspect(r, policy == 2) : AICC_OK;
}

static aicc_status plan_sizes(resizing *r) {
  const aicc_dim *sizes = NULL;
  int count;
  bool all = r->known && !r->roi;
  for (int i = 0; all && i < r->count; i++) {
    all = scale_dim(r, i, r->x->type.dims[r->axes[i]], &r->plan[i].out);
  }
  if (all) {
    return AICC_OK;
  }
  aicc_value *tensor = r->size_input ? r->size_input : scaled_sizes(r);
  if (!aicc_b_as_dims(&r->im->b, tensor, &sizes, &count)) {
    return AICC_INVALID;
  }
  for (int i = 0; i < r->count; i++) {
    r->plan[i].out = sizes[i];
  }
  return AICC_OK;
}

static bool plan_axis(resizing *r, int i) {
  aicc_builder *b = &r->im->b;
  aicc_resize_axis *a = &r->plan[i];
  int64_t in, out;
  a->axis = (int)r->axes[i];
  a->in = r->x->type.dims[a->axis];
  aicc_value *in_size = aicc_size_number(b, AICC_F64, a->in);
  aicc_value *out_size = aicc_size_number(b, AICC_F64, a->out);
  if (r->known) {
    a->known_scale = (double)r->scales[i];
    a->scale = aicc_b_scalar(b, AICC_F64, a->known_scale);
  } else if (r->scale_input) {
    aicc_value *scale = element(b, r->scale_input, i);
    a->scale = scale ? aicc_b_cast(b, scale, AICC_F64) : NULL;
  } else if (aicc_dim_is_const(r->im->dims, a->in, &in) &&
             aicc_dim_is_const(r->im->dims, a->out, &out) && in > 0) {
    a->known_scale = (double)out / (double)in;
  }
  // A common scale for several axes is set already.
  a->scale = a->scale ? a->scale : aicc_div(b, out_size, in_size);
  a->width = r->scale_input ? aicc_mul(b, a->scale, in_size) : out_size;
  if (r->roi) {
    a->roi_start = element(b, r->roi, i);
    a->roi_end = element(b, r->roi, r->count + i);
  }
  return a->scale && a->width;
}

// --- the result ----------------------------------------------------------------------------------

static bool is_unchanged(const resizing *r, int i) {
  const aicc_resize_axis *a = &r->plan[i];
  const bool sized = !r->scale_input || (r->known && a->known_scale == 1);
  return a->in == a->out && sized && !r->roi;
}

// Back to integers: rounded, within the type's range.
static aicc_value *to_integer(aicc_builder *b, aicc_value *y, aicc_dtype dtype) {
  const int bits = aicc_dtype_table[dtype].bits;
  const bool sign = aicc_dtype_kind_of(dtype) == AICC_KIND_SIGNED;
  if (!y) {
    return NULL;
  }
  y = aicc_b_unary(b, AICC_OP_ROUND, y);
  if (bits <= 16) {
    y = aicc_max(b, y, aicc_b_scalar_like(b, y, sign ? -ldexp(1, bits - 1) : 0));
    y = aicc_min(b, y, aicc_b_scalar_like(b, y, ldexp(1, bits - sign) - 1));
  }
  return aicc_b_cast(b, y, dtype);
}

static aicc_status build(resizing *r) {
  aicc_builder *b = &r->im->b;
  const aicc_dtype dtype = r->x->type.dtype;
  const bool moves = r->style.mode == AICC_RESIZE_NEAREST;
  const bool integer = aicc_dtype_is_int(dtype) || dtype == AICC_BOOL;
  const bool wide_integer = integer && aicc_dtype_size(dtype) > 2;
  aicc_value *y = moves          ? r->x
                  : wide_integer ? aicc_b_cast(b, r->x, AICC_F64)
                  : integer      ? aicc_b_cast(b, r->x, AICC_F32)
                                 : aicc_widen(b, r->x);
  for (int i = 0; i < r->count; i++) {
    if (!plan_axis(r, i)) {
      return AICC_INVALID;
    }
    if (!is_unchanged(r, i)) {
      aicc_resize_style style = r->style;
      if (r->truncate) {
        const bool shrinks = r->plan[i].known_scale != 0 && r->plan[i].known_scale < 1;
        style.rounding = shrinks ? AICC_RESIZE_CEIL : AICC_RESIZE_FLOOR;
      }
      y = aicc_build_resize(b, y, &style, &r->plan[i]);
    }
  }
  if (!y) {
    return AICC_INVALID;
  }
  return aicc_set_out(r->im, r->n, 0,
                      !moves && integer ? to_integer(b, y, dtype) : aicc_b_cast(b, y, dtype));
}

// Payload: 0 for version 10, whose coordinates are asymmetric.
aicc_status import_resize(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  resizing r = {.im = im, .n = n, .x = aicc_in(n, 0)};
  if (payload) {
    AICC_TRY(read_style(&r));
  } else {
    AICC_TRY(read_mode(&r));
    r.style.coordinates = AICC_RESIZE_ASYMMETRIC;
    r.style.cubic_a = -0.75;
    r.truncate = true;
  }
  AICC_TRY(read_axes(&r));
  AICC_TRY(read_operands(&r, payload ? 2 : 1));
  AICC_TRY(read_policy(&r));
  AICC_TRY(plan_sizes(&r));
  return build(&r);
}

// Payload: 0 scales as two attributes, 1 as one, 2 as an input.
aicc_status import_upsample(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  resizing r = {.im = im, .n = n, .x = aicc_in(n, 0), .truncate = true};
  const int rank = r.x->type.rank;
  r.style.coordinates = AICC_RESIZE_ASYMMETRIC;
  AICC_TRY(read_mode(&r));
  AICC_TRY(read_axes(&r));
  if (payload == 2) {
    AICC_TRY(read_operands(&r, 1));
    AICC_TRY(plan_sizes(&r));
    return build(&r);
  }
  int count = rank;
  const float *scales = payload ? aicc_onnx_floats(n, "scales", &count) : NULL;
  const float height = aicc_onnx_float(n, "height_scale", 1);
  const float width = aicc_onnx_float(n, "width_scale", 1);
  if (payload ? !scales || count != rank : rank != 4) {
    return aicc_invalid(im, n, "the scales do not fit the dimensions");
  }
  const int64_t shape[] = {rank};
  float *values = AICC_NEW_ARRAY(&im->module->arena, float, rank + 1);
  for (int i = 0; i < rank; i++) {
    values[i] = payload ? scales[i] : i == 2 ? height : i == 3 ? width : 1;
  }
  const aicc_tensor tensor = {.dtype = AICC_F32, .rank = 1, .shape = shape, .data = values};
  AICC_TRY(read_scales(&r, aicc_b_const(&im->b, &tensor)));
  AICC_TRY(plan_sizes(&r));
  return build(&r);
}
