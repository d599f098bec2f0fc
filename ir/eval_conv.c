// Convolution and its transpose, over any number of spatial dimensions, groups and dilations.
#include <string.h>

#include "ir/eval_call.h"

typedef struct conv {
  int spatial;
  int64_t batch, in_channels, out_channels, groups;
  int64_t in[AICC_MAX_RANK], out[AICC_MAX_RANK], kernel[AICC_MAX_RANK];  // spatial sizes
  int64_t strides[AICC_MAX_RANK], dilations[AICC_MAX_RANK], pads[AICC_MAX_RANK];
  int64_t in_size, out_size, kernel_size;                                // their products
  bool nhwc, transposed;
} conv;

static aicc_status check_shapes(const aicc_eval_call *call, const conv *c) {
  const aicc_eval_value *w = call->in[1];
  const int64_t from = c->transposed ? c->out_channels : c->in_channels;
  const int64_t filters = c->transposed ? c->in_channels : c->out_channels;
  if (c->groups < 1 || c->in_channels % c->groups || c->out_channels % c->groups ||
      w->shape[0] != filters || w->shape[1] != from / c->groups) {
    return aicc_eval_fail(call, "channels, groups and weights do not fit each other");
  }
  if (call->node->in_count > 2 && call->in[2] &&
      aicc_eval_value_count(call->in[2]) != c->out_channels) {
    return aicc_eval_fail(call, "the bias does not fit the result's channels");
  }
  return AICC_OK;
}

static aicc_status read_conv(aicc_eval_call *call, bool transposed, conv *c) {
  const aicc_eval_value *x = call->in[0], *w = call->in[1], *out = &call->out[0];
  *c = (conv){.spatial = x->rank - 2, .transposed = transposed};
  if (x->rank < 2 || w->rank != x->rank || out->rank != x->rank) {
    return aicc_eval_fail(call, "operands and result differ in rank");
  }
  c->nhwc = strcmp(aicc_get_string(call->node, AICC_ATTR_LAYOUT, "nchw"), "nhwc") == 0;
  const int first = c->nhwc ? 1 : 2, channel = c->nhwc ? x->rank - 1 : 1;
  c->batch = x->shape[0];
  c->in_channels = x->shape[channel];
  c->out_channels = out->shape[channel];
  c->groups = aicc_get_int(call->node, AICC_ATTR_GROUP, 1);
  memcpy(c->in, x->shape + first, sizeof(int64_t) * (size_t)c->spatial);
  memcpy(c->out, out->shape + first, sizeof(int64_t) * (size_t)c->spatial);
  memcpy(c->kernel, w->shape + 2, sizeof(int64_t) * (size_t)c->spatial);
  c->in_size = aicc_eval_product(c->in, c->spatial);
  c->out_size = aicc_eval_product(c->out, c->spatial);
  c->kernel_size = aicc_eval_product(c->kernel, c->spatial);
  AICC_TRY(aicc_eval_ints(call, AICC_ATTR_STRIDES, c->spatial, 1, c->strides));
  AICC_TRY(aicc_eval_ints(call, AICC_ATTR_DILATIONS, c->spatial, 1, c->dilations));
  AICC_TRY(aicc_eval_dims(call, AICC_ATTR_PADS, c->spatial, c->pads));
  return check_shapes(call, c);
}

// The operand as doubles, channels first.
static double *load_operand(const aicc_eval_call *call, const conv *c) {
  double *all = aicc_eval_all_f64(call, call->in[0]);
  if (!c->nhwc) {
    return all;
  }
  double *to = AICC_NEW_ARRAY(call->arena, double, c->batch * c->in_channels * c->in_size + 1);
  for (int64_t n = 0; n < c->batch; n++) {
    for (int64_t s = 0; s < c->in_size; s++) {
      for (int64_t ch = 0; ch < c->in_channels; ch++) {
        to[(n * c->in_channels + ch) * c->in_size + s] =
            all[(n * c->in_size + s) * c->in_channels + ch];
      }
    }
  }
  return to;
}

static void store_plane(const aicc_eval_call *call, const conv *c, int64_t n, int64_t channel,
                        const double *plane) {
  aicc_eval_value *out = &call->out[0];
  if (!c->nhwc) {
    aicc_eval_store_f64(out->dtype, out->data, (n * c->out_channels + channel) * c->out_size,
                        c->out_size, plane);
    return;
  }
  for (int64_t s = 0; s < c->out_size; s++) {
    aicc_eval_store_f64(out->dtype, out->data,
                        (n * c->out_size + s) * c->out_channels + channel, 1, &plane[s]);
  }
}

// Both directions pair positions of a small grid (conv: the result; transposed: the operand) with
// positions of a large one: large = small * stride + tap * dilation - pad. For one tap of the
// kernel, |add| sees runs along the last dimension.
typedef void (*run_fn)(const double *x, double *y, int64_t count, int64_t step, double weight);

static void add_gather(const double *x, double *y, int64_t count, int64_t step, double weight) {
  for (int64_t i = 0; i < count; i++) {
    y[i] += weight * x[i * step];
  }
}

static void add_scatter(const double *x, double *y, int64_t count, int64_t step, double weight) {
  for (int64_t i = 0; i < count; i++) {
    y[i * step] += weight * x[i];
  }
}

static int64_t ceil_div(int64_t a, int64_t b) { return a >= 0 ? (a + b - 1) / b : -(-a / b); }

typedef struct tap {
  const conv *c;
  const int64_t *small, *large;            // spatial sizes
  int64_t shift[AICC_MAX_RANK];            // tap * dilation - pad
  int64_t from[AICC_MAX_RANK], to[AICC_MAX_RANK];  // small positions whose large one is inside
} tap;

// False: no position of the small grid meets this tap.
static bool set_tap(const conv *c, int64_t index, tap *t) {
  *t = (tap){.c = c, .small = c->transposed ? c->in : c->out,
             .large = c->transposed ? c->out : c->in};
  for (int d = c->spatial - 1; d >= 0; d--) {
    t->shift[d] = index % c->kernel[d] * c->dilations[d] - c->pads[d];
    index /= c->kernel[d];
    const int64_t low = ceil_div(-t->shift[d], c->strides[d]);
    const int64_t high = ceil_div(t->large[d] - t->shift[d], c->strides[d]);
    t->from[d] = low < 0 ? 0 : low;
    t->to[d] = high > t->small[d] ? t->small[d] : high;
    if (t->from[d] >= t->to[d]) {
      return false;
    }
  }
  return true;
}

static void run_tap(const tap *t, const double *x, double *y, double weight) {
  const conv *c = t->c;
  const int last = c->spatial - 1;
  const run_fn add = c->transposed ? add_scatter : add_gather;
  int64_t index[AICC_MAX_RANK];
  memcpy(index, t->from, sizeof index);
  if (last < 0) {
    y[0] += weight * x[0];
    return;
  }
  for (;;) {
    int64_t small = 0, large = 0;
    for (int d = 0; d <= last; d++) {
      small = small * t->small[d] + index[d];
      large = large * t->large[d] + index[d] * c->strides[d] + t->shift[d];
    }
    add(x + (c->transposed ? small : large), y + (c->transposed ? large : small),
        t->to[last] - t->from[last], c->strides[last], weight);
    int d = last - 1;
    while (d >= 0 && ++index[d] == t->to[d]) {
      index[d] = t->from[d];
      d--;
    }
    if (d < 0) {
      return;
    }
  }
}

// Adds every contribution to one plane of the result.
static void fill_plane(const conv *c, const double *x, const double *w, int64_t n, int64_t channel,
                       double *plane) {
  const int64_t ins = c->in_channels / c->groups, outs = c->out_channels / c->groups;
  const int64_t group = channel / outs;
  for (int64_t i = 0; i < ins; i++) {
    const int64_t in_channel = group * ins + i;
    const double *from = x + (n * c->in_channels + in_channel) * c->in_size;
    const double *taps = c->transposed ? w + (in_channel * outs + channel % outs) * c->kernel_size
                                       : w + (channel * ins + i) * c->kernel_size;
    for (int64_t k = 0; k < c->kernel_size; k++) {
      tap t;
      if (set_tap(c, k, &t)) {
        run_tap(&t, from, plane, taps[k]);
      }
    }
  }
}

static aicc_status run_conv(aicc_eval_call *call, bool transposed) {
  conv c = {0};
  AICC_TRY(read_conv(call, transposed, &c));
  const double *x = load_operand(call, &c);
  const double *w = aicc_eval_all_f64(call, call->in[1]);
  const bool biased = call->node->in_count > 2 && call->in[2];
  const double *bias = biased ? aicc_eval_all_f64(call, call->in[2]) : NULL;
  double *plane = AICC_NEW_ARRAY(call->arena, double, c.out_size + 1);
  for (int64_t n = 0; n < c.batch; n++) {
    for (int64_t channel = 0; channel < c.out_channels; channel++) {
      for (int64_t i = 0; i < c.out_size; i++) {
        plane[i] = bias ? bias[channel] : 0;
      }
      if (c.in_size) {
        fill_plane(&c, x, w, n, channel, plane);
      }
      store_plane(call, &c, n, channel, plane);
    }
  }
  return AICC_OK;
}

aicc_status aicc_eval_op_conv(aicc_eval_call *call) { return run_conv(call, false); }
aicc_status aicc_eval_op_conv_transpose(aicc_eval_call *call) { return run_conv(call, true); }
