// ONNX Resize, one axis after the other: each result position is a weighted sum of |taps|
// neighbours, which past the ends repeat the last element.
#include <math.h>
#include <string.h>

#include "ir/eval_call.h"

typedef struct resize {
  const char *mode, *coordinates, *rounding;
  double cubic_a, extrapolation;
  bool antialias, exclude_outside;
  const double *scales, *roi;  // NULL: absent
} resize;

// One axis: weights[o * taps + i] of element first[o] + i; outside[o]: the extrapolation value.
typedef struct axis_plan {
  int64_t in, out;
  int taps;
  double scale, roi_start, roi_end;
  double *weights;
  int64_t *first;
  bool *outside;
} axis_plan;

// Where result position |y| lies in the operand.
static double source_of(const resize *r, const axis_plan *p, double y) {
  const double width = p->scale * (double)p->in, last = (double)(p->in - 1);
  if (strcmp(r->coordinates, "align_corners") == 0) {
    return width == 1 ? 0 : y * last / (width - 1);
  }
  if (strcmp(r->coordinates, "asymmetric") == 0) {
    return y / p->scale;
  }
  if (strcmp(r->coordinates, "tf_crop_and_resize") == 0) {
    const double span = (p->roi_end - p->roi_start) * last;
    return p->roi_start * last + (width == 1 ? span / 2 : y * span / (width - 1));
  }
  if (strcmp(r->coordinates, "pytorch_half_pixel") == 0 && width == 1) {
    return -0.5;
  }
  if (strcmp(r->coordinates, "half_pixel_symmetric") == 0) {
    const double offset = (double)p->in / 2 * (1 - (double)p->out / width);
    return offset + (y + 0.5) / p->scale - 0.5;
  }
  return (y + 0.5) / p->scale - 0.5;
}

static double cubic(double a, double x) {
  x = fabs(x);
  return x <= 1  ? ((a + 2) * x - (a + 3)) * x * x + 1
         : x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
                 : 0;
}

// Whether the right one of two neighbours is the nearest; |ratio| in (0, 1], 1 for whole positions.
static bool nearest_is_right(const char *rounding, double ratio) {
  if (ratio == 1 || strcmp(rounding, "ceil") == 0) {
    return true;
  }
  if (strcmp(rounding, "floor") == 0) {
    return false;
  }
  return strcmp(rounding, "round_prefer_ceil") == 0 ? ratio >= 0.5 : ratio > 0.5;
}

// Downsampling with antialiasing stretches the kernel by 1 / scale.
static double stretch(const resize *r, const axis_plan *p) {
  return r->antialias && p->scale < 1 ? p->scale : 1;
}

static int taps_of(const resize *r, const axis_plan *p) {
  const bool is_cubic = strcmp(r->mode, "cubic") == 0;
  if (!r->antialias || strcmp(r->mode, "nearest") == 0) {
    return is_cubic ? 4 : 2;
  }
  const int first = (int)floor((is_cubic ? -2 : -1) / stretch(r, p)) + 1;
  return 2 - 2 * first;
}

static void set_weights(const resize *r, const axis_plan *p, double ratio, double *weights) {
  const int left = 1 - p->taps / 2;  // of the first tap, relative to floor of the position
  const double s = stretch(r, p);
  double sum = 0;
  if (strcmp(r->mode, "nearest") == 0) {
    weights[1] = nearest_is_right(r->rounding, ratio);
    weights[0] = 1 - weights[1];
    return;
  }
  for (int i = 0; i < p->taps; i++) {
    const double x = s * ((double)(left + i) - ratio);
    weights[i] = strcmp(r->mode, "cubic") == 0 ? cubic(r->cubic_a, x)
                                               : fmax(0, 1 - fabs(x));
    sum += weights[i];
  }
  for (int i = 0; i < p->taps && r->antialias; i++) {
    weights[i] /= sum;
  }
}

static void drop_outside(const axis_plan *p, int64_t first, double *weights) {
  double sum = 0;
  for (int i = 0; i < p->taps; i++) {
    const bool outside = first + i < 0 || first + i >= p->in;
    weights[i] = outside ? 0 : weights[i];
    sum += weights[i];
  }
  for (int i = 0; i < p->taps && sum != 0; i++) {
    weights[i] /= sum;
  }
}

static void plan_axis(const aicc_eval_call *call, const resize *r, axis_plan *p) {
  const bool crop = strcmp(r->coordinates, "tf_crop_and_resize") == 0;
  p->taps = taps_of(r, p);
  p->weights = AICC_NEW_ARRAY(call->arena, double, p->out * p->taps + 1);
  p->first = AICC_NEW_ARRAY(call->arena, int64_t, p->out + 1);
  p->outside = AICC_NEW_ARRAY(call->arena, bool, p->out + 1);
  for (int64_t o = 0; o < p->out; o++) {
    const double x = source_of(r, p, (double)o), whole = floor(x);
    // A whole position is the right neighbour of the position before, so that ratio is in (0, 1].
    const double ratio = x == whole ? 1 : x - whole;
    const int64_t left = (int64_t)whole - (x == whole);
    double *weights = p->weights + o * p->taps;
    set_weights(r, p, ratio, weights);
    p->first[o] = left + 1 - p->taps / 2;
    p->outside[o] = crop && (x < 0 || x > (double)(p->in - 1));
    if (r->exclude_outside) {
      drop_outside(p, p->first[o], weights);
    }
  }
}

// data[outer, in, inner] -> result[outer, out, inner].
static double *run_axis(const aicc_eval_call *call, const resize *r, const axis_plan *p,
                        const double *data, int64_t outer, int64_t inner) {
  double *result = AICC_NEW_ARRAY(call->arena, double, outer * p->out * inner + 1);
  for (int64_t row = 0; row < outer * p->out; row++) {
    const int64_t o = row % p->out;
    const double *from = data + row / p->out * p->in * inner;
    double *to = result + row * inner;
    for (int t = 0; t < p->taps; t++) {
      const int64_t wanted = p->first[o] + t;
      const int64_t at = wanted < 0 ? 0 : wanted >= p->in ? p->in - 1 : wanted;
      const double weight = p->weights[o * p->taps + t];
      for (int64_t i = 0; i < inner && weight != 0; i++) {
        to[i] += weight * from[at * inner + i];
      }
    }
    for (int64_t i = 0; i < inner && p->outside[o]; i++) {
      to[i] = r->extrapolation;
    }
  }
  return result;
}

static aicc_status read_resize(aicc_eval_call *call, resize *r) {
  const aicc_node *node = call->node;
  const int rank = call->in[0]->rank;
  int count = rank;
  *r = (resize){
      .mode = aicc_get_string(node, AICC_ATTR_MODE, "nearest"),
      .coordinates = aicc_get_string(node, AICC_ATTR_COORDINATES, "half_pixel"),
      .rounding = aicc_get_string(node, AICC_ATTR_ROUNDING, "round_prefer_floor"),
      .cubic_a = aicc_get_float(node, AICC_ATTR_CUBIC_A, -0.75),
      .extrapolation = aicc_get_float(node, AICC_ATTR_EXTRAPOLATION, 0),
      .antialias = aicc_get_int(node, AICC_ATTR_ANTIALIAS, 0) != 0,
      .exclude_outside = aicc_get_int(node, AICC_ATTR_EXCLUDE_OUTSIDE, 0) != 0,
  };
  r->scales = aicc_get_floats(node, AICC_ATTR_SCALES, &count);
  if (r->scales && count != rank) {
    return aicc_eval_fail(call, "%d scales for rank %d", count, rank);
  }
  const bool roi = node->in_count > 1 && call->in[1];
  if (roi && aicc_eval_value_count(call->in[1]) == 2 * rank) {
    r->roi = aicc_eval_all_f64(call, call->in[1]);
  }
  return AICC_OK;
}

// Integers round to the nearest and saturate.
static void store(aicc_eval_call *call, double *data) {
  aicc_eval_value *out = &call->out[0];
  const int64_t count = aicc_eval_value_count(out);
  if (aicc_eval_is_int(out->dtype)) {
    const int bits = aicc_dtype_table[out->dtype].bits;
    const bool sign = aicc_dtype_kind_of(out->dtype) == AICC_KIND_SIGNED;
    const double high = ldexp(1, bits - sign) - 1, low = sign ? -ldexp(1, bits - 1) : 0;
    for (int64_t i = 0; i < count; i++) {
      data[i] = fmin(fmax(rint(data[i]), low), high);
    }
  }
  aicc_eval_store_f64(out->dtype, out->data, 0, count, data);
}

aicc_status aicc_eval_op_resize(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0], *out = &call->out[0];
  resize r;
  AICC_TRY(read_resize(call, &r));
  double *data = aicc_eval_all_f64(call, x);
  int64_t shape[AICC_MAX_RANK];
  memcpy(shape, x->shape, sizeof shape);
  for (int d = 0; d < x->rank; d++) {
    axis_plan p = {.in = shape[d], .out = out->shape[d], .roi_end = 1};
    if (p.in == 0 && p.out != 0) {
      return aicc_eval_fail(call, "dimension %d is empty", d);
    }
    p.scale = r.scales ? r.scales[d] : p.in ? (double)p.out / (double)p.in : 1;
    p.roi_start = r.roi ? r.roi[d] : 0;
    p.roi_end = r.roi ? r.roi[x->rank + d] : 1;
    const bool whole = fabs(p.scale - 1) < 1e-9 && p.in == p.out;
    if (whole && p.roi_start == 0 && p.roi_end == 1) {
      continue;
    }
    plan_axis(call, &r, &p);
    data = run_axis(call, &r, &p, data, aicc_eval_product(shape, d),
                    aicc_eval_product(shape + d + 1, x->rank - d - 1));
    shape[d] = p.out;
  }
  store(call, data);
  return AICC_OK;
}
