// Library kernels that read or write an image at computed positions.
#include <math.h>
#include <string.h>

#include "ir/eval_opaque.h"

double aicc_eval_bilinear_zero(const double *plane, int64_t height, int64_t width, double y,
                               double x) {
  const double top = floor(y), left = floor(x);
  double sum = 0;
  for (int i = 0; i < 4; i++) {
    const double row = top + i / 2, column = left + i % 2;
    const bool inside =
        row >= 0 && row < (double)height && column >= 0 && column < (double)width;
    if (inside) {
      sum += (1 - fabs(y - row)) * (1 - fabs(x - column)) *
             plane[(int64_t)row * width + (int64_t)column];
    }
  }
  return sum;
}

// --- grid_sample ---------------------------------------------------------------------------------

enum { MODE_NEAREST, MODE_LINEAR, MODE_CUBIC };
enum { PADDING_ZEROS, PADDING_BORDER, PADDING_REFLECTION };
enum { MAX_SPATIAL = 6 };

typedef struct sampler {
  int spatial, mode, padding;
  bool align_corners;
  int64_t sizes[MAX_SPATIAL];
} sampler;

static double low_border(const sampler *s) { return s->align_corners ? 0 : -0.5; }
static double high_border(const sampler *s, int d) {
  return (double)s->sizes[d] - (s->align_corners ? 1 : 0.5);
}

static double reflect(double x, double low, double high) {
  const double range = high - low;
  if (range <= 0 || (x >= low && x <= high)) {
    return range <= 0 ? low : x;
  }
  const double beyond = x < low ? low - x : x - high;
  const double turns = floor(beyond / range), rest = beyond - turns * range;
  const bool from_low = (x < low) == (fmod(turns, 2) == 0);
  return from_low ? low + rest : high - rest;
}

// Where a grid value in [-1, 1] lies on axis |d|, brought inside where the padding says so. Cubic
// taps keep the weights of the place outside and are brought to the border one by one, as PyTorch
// and ONNX Runtime have it.
static double position_of(const sampler *s, int d, double grid) {
  const double size = (double)s->sizes[d];
  double x = s->align_corners ? (grid + 1) / 2 * (size - 1) : ((grid + 1) * size - 1) / 2;
  x = s->mode == MODE_NEAREST ? rint(x) : x;
  if (x >= low_border(s) && x <= high_border(s, d)) {
    return x;
  }
  if (s->padding == PADDING_BORDER && s->mode == MODE_CUBIC) {
    return x;
  }
  return s->padding == PADDING_BORDER       ? fmin(fmax(x, 0), size - 1)
         : s->padding == PADDING_REFLECTION ? reflect(x, low_border(s), high_border(s, d))
                                            : x;
}

// Element |i| of axis |d|; -1: outside, counts as zero.
static int64_t pixel_of(const sampler *s, int d, double i) {
  const int64_t size = s->sizes[d];
  if (s->padding == PADDING_BORDER) {
    return i < 0 ? 0 : i >= (double)size ? size - 1 : (int64_t)i;
  }
  if (s->padding == PADDING_REFLECTION) {
    const double inside = reflect(i, low_border(s), high_border(s, d));
    return inside >= (double)size ? size - 1 : inside < 0 ? 0 : (int64_t)inside;
  }
  return i >= 0 && i < (double)size ? (int64_t)i : -1;
}

// Keys' cubic kernel with a = -0.75.
static double cubic(double x) {
  const double a = -0.75;
  x = fabs(x);
  return x <= 1  ? ((a + 2) * x - (a + 3)) * x * x + 1
         : x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
                 : 0;
}

typedef struct tap_set {
  int count;
  int64_t at[MAX_SPATIAL][4];
  double weight[MAX_SPATIAL][4];
} tap_set;

static void set_taps(const sampler *s, const double *grid, tap_set *t) {
  t->count = s->mode == MODE_NEAREST ? 1 : s->mode == MODE_LINEAR ? 2 : 4;
  for (int d = 0; d < s->spatial; d++) {
    const double x = position_of(s, d, grid[s->spatial - 1 - d]);
    const double first = s->mode == MODE_NEAREST ? x : floor(x) - (s->mode == MODE_CUBIC);
    for (int i = 0; i < t->count; i++) {
      t->at[d][i] = pixel_of(s, d, first + i);
      t->weight[d][i] = s->mode == MODE_NEAREST  ? 1
                        : s->mode == MODE_LINEAR ? 1 - fabs(x - first - i)
                                                 : cubic(x - first - i);
    }
  }
}

static double sum_taps(const sampler *s, const tap_set *t, const double *plane) {
  int pick[MAX_SPATIAL] = {0};
  double sum = 0;
  for (;;) {
    int64_t at = 0;
    double weight = 1;
    for (int d = 0; d < s->spatial && at >= 0; d++) {
      const int64_t pixel = t->at[d][pick[d]];
      at = pixel < 0 ? -1 : at * s->sizes[d] + pixel;
      weight *= t->weight[d][pick[d]];
    }
    sum += at >= 0 ? weight * plane[at] : 0;
    int d = s->spatial - 1;
    while (d >= 0 && ++pick[d] == t->count) {
      pick[d--] = 0;
    }
    if (d < 0) {
      return sum;
    }
  }
}

aicc_status aicc_eval_opaque_grid_sample(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0], *grid = call->in[1];
  aicc_eval_value *out = &call->out[0];
  sampler s = {.spatial = x->rank - 2,
               .mode = (int)aicc_eval_opaque_int(call, 0, MODE_LINEAR),
               .padding = (int)aicc_eval_opaque_int(call, 1, PADDING_ZEROS),
               .align_corners = aicc_eval_opaque_int(call, 2, 0) != 0};
  if (s.spatial < 1 || s.spatial > MAX_SPATIAL || grid->rank != x->rank ||
      grid->shape[grid->rank - 1] != s.spatial || grid->shape[0] != x->shape[0]) {
    return aicc_eval_fail(call, "operand and grid do not fit each other");
  }
  memcpy(s.sizes, x->shape + 2, sizeof(int64_t) * (size_t)s.spatial);
  const int64_t plane = aicc_eval_product(s.sizes, s.spatial), channels = x->shape[1];
  const int64_t points = aicc_eval_product(out->shape + 2, out->rank - 2);
  const double *data = aicc_eval_all_f64(call, x), *where = aicc_eval_all_f64(call, grid);
  for (int64_t i = 0; i < x->shape[0] * points && plane; i++) {
    const int64_t n = i / points;
    tap_set t;
    set_taps(&s, where + i * s.spatial, &t);
    for (int64_t c = 0; c < channels; c++) {
      const double sum = sum_taps(&s, &t, data + (n * channels + c) * plane);
      aicc_eval_store_f64(out->dtype, out->data, (n * channels + c) * points + i % points, 1,
                          &sum);
    }
  }
  return AICC_OK;
}

// --- deform_conv ---------------------------------------------------------------------------------

typedef struct deform {
  int64_t in_channels, out_channels, height, width, out_h, out_w, kernel_h, kernel_w;
  int64_t groups, offset_groups, stride[2], dilation[2], pad[2];
  const double *x, *w, *offset, *bias, *mask;
} deform;

// Offset of [n, group * taps + tap (* 2 + part), y, x] in the offset or mask operand.
static int64_t field_at(const deform *f, int64_t n, int64_t plane, int64_t planes, int64_t y,
                        int64_t x) {
  return ((n * planes + plane) * f->out_h + y) * f->out_w + x;
}

// The sum over one input channel's kernel.
static double deform_channel(const deform *f, int64_t n, int64_t channel, const double *w,
                             int64_t oy, int64_t ox) {
  const int64_t taps = f->kernel_h * f->kernel_w;
  const int64_t group = channel / (f->in_channels / f->offset_groups);
  const double *plane = f->x + (n * f->in_channels + channel) * f->height * f->width;
  double sum = 0;
  for (int64_t t = 0; t < taps; t++) {
    const int64_t at = (group * taps + t) * 2, planes = f->offset_groups * taps * 2;
    const double y = (double)(oy * f->stride[0] - f->pad[0] + t / f->kernel_w * f->dilation[0]) +
                     f->offset[field_at(f, n, at, planes, oy, ox)];
    const double x = (double)(ox * f->stride[1] - f->pad[1] + t % f->kernel_w * f->dilation[1]) +
                     f->offset[field_at(f, n, at + 1, planes, oy, ox)];
    const double mask =
        f->mask ? f->mask[field_at(f, n, group * taps + t, f->offset_groups * taps, oy, ox)] : 1;
    sum += w[t] * mask * aicc_eval_bilinear_zero(plane, f->height, f->width, y, x);
  }
  return sum;
}

static void read_deform(const aicc_eval_call *call, deform *f) {
  const aicc_eval_value *x = call->in[0], *w = call->in[1], *out = &call->out[0];
  *f = (deform){.in_channels = x->shape[1],
                .height = x->shape[2],
                .width = x->shape[3],
                .out_channels = out->shape[1],
                .out_h = out->shape[2],
                .out_w = out->shape[3],
                .kernel_h = w->shape[2],
                .kernel_w = w->shape[3],
                .groups = aicc_eval_opaque_int(call, 0, 1),
                .offset_groups = aicc_eval_opaque_int(call, 1, 1)};
  for (int d = 0; d < 2; d++) {
    f->stride[d] = aicc_eval_opaque_int(call, 2 + d, 1);
    f->dilation[d] = aicc_eval_opaque_int(call, 4 + d, 1);
    f->pad[d] = aicc_eval_opaque_int(call, 6 + d, 0);
  }
  f->x = aicc_eval_all_f64(call, x);
  f->w = aicc_eval_all_f64(call, w);
  f->offset = aicc_eval_all_f64(call, call->in[2]);
  f->bias = aicc_eval_opaque_has(call, 3) ? aicc_eval_all_f64(call, call->in[3]) : NULL;
  f->mask = aicc_eval_opaque_has(call, 4) ? aicc_eval_all_f64(call, call->in[4]) : NULL;
}

aicc_status aicc_eval_opaque_deform_conv(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0], *w = call->in[1];
  aicc_eval_value *out = &call->out[0];
  if (x->rank != 4 || w->rank != 4 || call->in[2]->rank != 4 || out->rank != 4) {
    return aicc_eval_unsupported(call, "other than two spatial dimensions");
  }
  deform f;
  read_deform(call, &f);
  const int64_t ins = w->shape[1], outs = f.out_channels / f.groups;
  const int64_t offsets = f.offset_groups * f.kernel_h * f.kernel_w * 2;
  if (ins * f.groups != f.in_channels || call->in[2]->shape[1] != offsets) {
    return aicc_eval_fail(call, "channels, groups and offsets do not fit each other");
  }
  const int64_t count = aicc_eval_value_count(out);
  for (int64_t i = 0; i < count; i++) {
    const int64_t ox = i % f.out_w, oy = i / f.out_w % f.out_h;
    const int64_t m = i / f.out_w / f.out_h % f.out_channels;
    const int64_t n = i / f.out_w / f.out_h / f.out_channels;
    double sum = f.bias ? f.bias[m] : 0;
    for (int64_t c = 0; c < ins; c++) {
      sum += deform_channel(&f, n, m / outs * ins + c,
                            f.w + (m * ins + c) * f.kernel_h * f.kernel_w, oy, ox);
    }
    aicc_eval_store_f64(out->dtype, out->data, i, 1, &sum);
  }
  return AICC_OK;
}

// --- col2im --------------------------------------------------------------------------------------

typedef struct fold {
  int k;
  int64_t block[MAX_SPATIAL], dilations[MAX_SPATIAL], low[MAX_SPATIAL], strides[MAX_SPATIAL];
  int64_t columns[MAX_SPATIAL];  // positions of the block along each axis
  int64_t image[MAX_SPATIAL];
} fold;

static aicc_status read_fold(const aicc_eval_call *call, fold *f) {
  const aicc_eval_value *out = &call->out[0];
  *f = (fold){.k = (int)aicc_eval_opaque_int(call, 0, 0)};
  if (f->k < 1 || f->k > MAX_SPATIAL || out->rank != f->k + 2) {
    return aicc_eval_fail(call, "the result's rank is not %d", f->k + 2);
  }
  for (int d = 0; d < f->k; d++) {
    f->block[d] = aicc_eval_opaque_int(call, 1 + d, 1);
    f->dilations[d] = aicc_eval_opaque_int(call, 1 + f->k + d, 1);
    f->low[d] = aicc_eval_opaque_int(call, 1 + 2 * f->k + d, 0);
    f->strides[d] = aicc_eval_opaque_int(call, 1 + 3 * f->k + d, 1);
    const int64_t high = aicc_eval_opaque_int(call, 1 + 4 * f->k + d, 0);
    f->image[d] = out->shape[2 + d];
    f->columns[d] =
        (f->image[d] + f->low[d] + high - f->dilations[d] * (f->block[d] - 1) - 1) /
            f->strides[d] + 1;
  }
  return AICC_OK;
}

// Where tap |tap| of column |column| lands in the image; -1: outside.
static int64_t landing(const fold *f, int64_t tap, int64_t column) {
  int64_t at = 0, scale = 1;
  for (int d = f->k - 1; d >= 0; d--) {
    const int64_t i = column % f->columns[d] * f->strides[d] - f->low[d] +
                      tap % f->block[d] * f->dilations[d];
    if (i < 0 || i >= f->image[d]) {
      return -1;
    }
    at += i * scale;
    scale *= f->image[d];
    column /= f->columns[d];
    tap /= f->block[d];
  }
  return at;
}

aicc_status aicc_eval_opaque_col2im(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0];
  aicc_eval_value *out = &call->out[0];
  fold f;
  AICC_TRY(read_fold(call, &f));
  const int64_t taps = aicc_eval_product(f.block, f.k), image = aicc_eval_product(f.image, f.k);
  const int64_t columns = aicc_eval_product(f.columns, f.k);
  const int64_t planes = out->shape[0] * out->shape[1];
  if (x->rank != 3 || aicc_eval_value_count(x) != planes * taps * columns) {
    return aicc_eval_fail(call, "the columns do not fit the image");
  }
  const double *data = aicc_eval_all_f64(call, x);
  double *sums = AICC_NEW_ARRAY(call->arena, double, planes * image + 1);
  for (int64_t i = 0; i < planes * taps; i++) {
    for (int64_t column = 0; column < columns; column++) {
      const int64_t at = landing(&f, i % taps, column);
      if (at >= 0) {
        sums[i / taps * image + at] += data[i * columns + column];
      }
    }
  }
  aicc_eval_store_f64(out->dtype, out->data, 0, planes * image, sums);
  return AICC_OK;
}
