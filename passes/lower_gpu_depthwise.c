// Depthwise convolutions on GPUs: a warp's lanes are neighbouring channels, a task some pixels of
// one line for as many channels as there are lanes. What several of those pixels read is read once;
// the borders are uniform conditions, since all lanes are at the same pixel.
#include <string.h>

#include "passes/conv.h"

enum { PIXELS = 4, UNROLLED = 64 };  // pixels of a task; taps times columns that are unrolled

typedef struct depthwise {
  const conv *c;
  lower_kernel lk;
  kir_val x, w, channel;
  int64_t row;                    // channels of a tap's weights
  int64_t taps[AICC_PACK_RANK];   // of each dimension
  kir_val outer[AICC_MAX_RANK];   // batch, then pixels of all dimensions but the last
  kir_val first;                  // pixel of the line
  kir_val sums[PIXELS];
} depthwise;

static kir_val both(lower_kernel *lk, kir_val x, kir_val y) {
  return x == 0 ? y : kir_scalar2(&lk->b, AICC_OP_AND, x, y);
}

// 0 <= at < size, where that is not certain.
static kir_val inside(depthwise *d, kir_val guard, kir_val at, aicc_dim size) {
  lower_kernel *lk = &d->lk;
  guard = both(lk, guard, kir_scalar2(&lk->b, AICC_OP_GE, at, lk_i64(lk, 0)));
  return both(lk, guard, kir_scalar2(&lk->b, AICC_OP_LT, at, lk_dim(lk, size)));
}

// Position of tap |k| for pixel |o| of dimension |i|.
static kir_val position(depthwise *d, int i, kir_val o, kir_val k) {
  const conv *c = d->c;
  lower_kernel *lk = &d->lk;
  kir_builder *b = &lk->b;
  const kir_val at = kir_add(b, kir_mul(b, o, lk_i64(lk, c->stride[i])),
                             kir_mul(b, k, lk_i64(lk, c->dilation[i])));
  return kir_sub(b, at, lk_dim(lk, c->pad[i]));
}

// The pixels' products with the taps of one line: |line| is its first element, |tap| its first tap.
static void add_line(depthwise *d, kir_val line, kir_val tap, kir_val guard) {
  const conv *c = d->c;
  lower_kernel *lk = &d->lk;
  kir_builder *b = &lk->b;
  const int last = c->spatial - 1;
  const int64_t stride = c->stride[last], dilation = c->dilation[last], taps = d->taps[last];
  kir_val *weights = AICC_NEW_ARRAY(&c->lw->plan->arena, kir_val, taps);
  for (int64_t k = 0; k < taps; k++) {
    const kir_val row = kir_mul(b, kir_add(b, tap, lk_i64(lk, k)), lk_i64(lk, d->row));
    weights[k] = lk_load(lk, d->w, c->w->type.dtype, kir_add(b, row, d->channel));
  }
  const kir_val start = position(d, last, d->first, lk_i64(lk, 0));
  for (int64_t j = 0; j <= (PIXELS - 1) * stride + (taps - 1) * dilation; j++) {
    kir_val item = 0;
    for (int64_t p = 0; p < PIXELS; p++) {
      const int64_t along = j - p * stride, k = along / dilation;
      if (along < 0 || along % dilation != 0 || k >= taps) {
        continue;
      }
      if (item == 0) {
        const kir_val at = kir_add(b, start, lk_i64(lk, j));
        lk->guard = inside(d, guard, at, c->in[last]);
        const kir_val pixel = kir_add(b, line, kir_mul(b, at, lk_dim(lk, c->channels)));
        item = lk_load(lk, d->x, c->x->type.dtype, kir_add(b, pixel, d->channel));
        lk->guard = 0;
      }
      kir_set(b, d->sums[p], kir_fma(b, item, weights[k], kir_get(b, d->sums[p])));
    }
  }
}

static void add_lines(depthwise *d) {
  const conv *c = d->c;
  lower_kernel *lk = &d->lk;
  kir_builder *b = &lk->b;
  const int last = c->spatial - 1;
  int64_t lines = 1;
  for (int i = 0; i < last; i++) {
    lines *= d->taps[i];
  }
  const kir_loop_kind kind = lines * (d->taps[last] + PIXELS) <= UNROLLED ? KIR_UNROLL : KIR_SERIAL;
  kir_val tap = lk_i64(lk, 0), line = d->outer[0], guard = 0;
  for (int i = 0; i < last; i++) {
    const kir_val k = lk_for(lk, kind, lk_i64(lk, 0), lk_i64(lk, d->taps[i]));
    const kir_val at = position(d, i, d->outer[1 + i], k);
    tap = kir_add(b, kir_mul(b, tap, lk_i64(lk, d->taps[i])), k);
    line = kir_add(b, kir_mul(b, line, lk_dim(lk, c->in[i])), at);
    guard = inside(d, guard, at, c->in[i]);
  }
  line = kir_mul(b, line, lk_dim(lk, c->in[last]));
  line = kir_mul(b, line, lk_dim(lk, c->channels));
  add_line(d, line, kir_mul(b, tap, lk_i64(lk, d->taps[last])), guard);
  for (int i = 0; i < last; i++) {
    lk_end(lk);
  }
}

static void store_pixels(depthwise *d) {
  const conv *c = d->c;
  lower_kernel *lk = &d->lk;
  kir_builder *b = &lk->b;
  const aicc_dim width = c->out[c->spatial - 1];
  const bool whole = aicc_dim_divisible(c->lw->module->dims, width, PIXELS);
  kir_val index[AICC_MAX_RANK];
  memcpy(index, d->outer, (size_t)c->spatial * sizeof *index);
  index[c->spatial + 1] = d->channel;
  for (int p = 0; p < PIXELS; p++) {
    index[c->spatial] = kir_add(b, d->first, lk_i64(lk, p));
    const size_t mark = lk_mark(lk);
    if (!whole) {
      kir_if(b, kir_scalar2(b, AICC_OP_LT, index[c->spatial], lk_dim(lk, width)));
    }
    aicc_conv_store(lk, c, kir_get(b, d->sums[p]), index);
    if (!whole) {
      kir_end(b);
    }
    lk_forget(lk, mark);
  }
}

void aicc_conv_depthwise_gpu(const conv *c) {
  aicc_lower *lw = c->lw;
  aicc_dims *dims = lw->module->dims;
  depthwise d = {.c = c};
  const aicc_slot w = aicc_conv_depthwise_weights(c, &d.row);
  for (int i = 0; i < c->group->out_count; i++) {
    aicc_lower_result(lw, c->group->out[i]);
  }
  lower_kernel *lk = &d.lk;
  kir_builder *b = &lk->b;
  lk_begin(lk, lw, aicc_arena_printf(&lw->plan->arena, "depthwise_%u", c->group->id), "contract",
           c->group);
  d.x = lk_buffer(lk, aicc_lower_slot(lw, c->x), KIR_READ);
  d.w = lk_buffer(lk, w, KIR_READ);
  aicc_dim sizes[AICC_MAX_RANK];
  kir_val extents[AICC_MAX_RANK], at[AICC_MAX_RANK];
  const int last = c->spatial - 1, rank = c->spatial + 2;
  sizes[0] = c->batch;
  for (int i = 0; i < c->spatial; i++) {
    sizes[1 + i] = c->out[i];
    aicc_dim_is_const(dims, c->kernel[i], &d.taps[i]);
  }
  sizes[1 + last] = aicc_dim_ceildiv(dims, c->out[last], aicc_dim_const(dims, PIXELS));
  const int lanes = lw->machine->width;
  sizes[2 + last] = aicc_dim_ceildiv(dims, c->channels, aicc_dim_const(dims, lanes));
  for (int i = 0; i < rank; i++) {
    extents[i] = lk_dim(lk, sizes[i]);
  }
  lk_split(lk, kir_task(b), extents, rank, at);
  memcpy(d.outer, at, (size_t)c->spatial * sizeof *at);
  d.first = kir_mul(b, at[1 + last], lk_i64(lk, PIXELS));
  const kir_val from = kir_mul(b, at[2 + last], lk_i64(lk, lanes));
  const kir_val to = kir_scalar2(b, AICC_OP_MIN, kir_add(b, from, lk_i64(lk, lanes)),
                                 lk_dim(lk, c->channels));
  d.channel = lk_for(lk, KIR_LANES, from, to);
  for (int p = 0; p < PIXELS; p++) {
    d.sums[p] = kir_var(b, kir_const(b, AICC_F32, 0), true);
  }
  add_lines(&d);
  store_pixels(&d);
  lk_end(lk);
  const aicc_dim work[] = {c->batch, aicc_dim_product(dims, c->out, c->spatial), c->channels,
                           aicc_dim_product(dims, c->kernel, c->spatial)};
  lk_launch(lk, aicc_dim_product(dims, sizes, rank),
            aicc_dim_floordiv(dims, aicc_dim_product(dims, work, 4), aicc_dim_const(dims, 12)));
}
