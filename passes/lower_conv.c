// Convolutions.
//
// In NHWC (the layout pass makes it) and without padding, but on GPUs: as a contraction, whose rows
// are the pixels of one output line (on GPUs all pixels) and whose k runs over taps and channels;
// depthwise ones with lanes over channels. Everything else (other layouts, types, transposed) takes
// the plain form: lanes over the innermost result dimension, loops over channels and taps, guards
// at the borders.
#include <string.h>

#include "passes/conv.h"

static conv conv_of(aicc_lower *lw, aicc_node *group, aicc_node *node) {
  aicc_dims *dims = lw->module->dims;
  conv c = {.lw = lw, .group = group, .node = node, .x = node->in[0], .w = node->in[1]};
  c.root = node->out[0];
  c.bias = node->in_count > 2 ? node->in[2] : NULL;
  c.spatial = c.x->type.rank - 2;
  c.nhwc = strcmp(aicc_get_string(node, AICC_ATTR_LAYOUT, "nchw"), "nhwc") == 0;
  c.transposed = node->op == AICC_OP_CONV_TRANSPOSE;
  c.groups = aicc_get_int(node, AICC_ATTR_GROUP, 1);
  int count;
  const int64_t *strides = aicc_get_ints(node, AICC_ATTR_STRIDES, &count);
  const int64_t *dilations = aicc_get_ints(node, AICC_ATTR_DILATIONS, &count);
  const aicc_dim *pads = aicc_get_dims(node, AICC_ATTR_PADS, &count);
  c.in = c.x->type.dims + (c.nhwc ? 1 : 2);
  c.out = c.root->type.dims + (c.nhwc ? 1 : 2);
  c.kernel = c.w->type.dims + 2;
  for (int i = 0; i < c.spatial; i++) {
    c.stride[i] = strides ? strides[i] : 1;
    c.dilation[i] = dilations ? dilations[i] : 1;
    c.pad[i] = pads ? pads[i] : aicc_dim_const(dims, 0);
    // Reach of the last window: beyond the input there is padding at the end.
    aicc_dim reach = aicc_dim_mul(
        dims, aicc_dim_sub(dims, c.out[i], aicc_dim_const(dims, 1)),
        aicc_dim_const(dims, c.stride[i]));
    reach =
        aicc_dim_add(dims, reach,
                     aicc_dim_mul(dims, aicc_dim_sub(dims, c.kernel[i], aicc_dim_const(dims, 1)),
                                  aicc_dim_const(dims, c.dilation[i])));
    reach = aicc_dim_add(dims, reach, aicc_dim_const(dims, 1));
    c.padded |= !aicc_dim_is(dims, c.pad[i], 0) || !aicc_dim_ge(dims, c.in[i], reach);
  }
  c.batch = c.x->type.dims[0];
  c.channels = c.nhwc ? c.x->type.dims[c.spatial + 1] : c.x->type.dims[1];
  c.filters = c.nhwc ? c.root->type.dims[c.spatial + 1] : c.root->type.dims[1];
  return c;
}

static aicc_dim constant(const conv *c, int64_t value) {
  return aicc_dim_const(c->lw->module->dims, value);
}

// --- as a contraction ----------------------------------------------------------------------------

static void pixel_index(const contract *c, lower_kernel *lk, const kir_val *outer, kir_val m,
                        kir_val n, kir_val *index) {
  (void)lk;
  memcpy(index, outer, (size_t)c->outer_rank * sizeof *index);
  index[c->outer_rank] = m;
  index[c->outer_rank + 1] = n;
}

static void set_weights(const conv *c, contract *t, aicc_dim per_group) {
  aicc_dims *dims = c->lw->module->dims;
  const aicc_dim taps = aicc_dim_product(dims, c->kernel, c->spatial);
  t->b.value = c->w;
  t->b.n = aicc_dim_floordiv(dims, c->filters, constant(c, c->groups));
  t->b.n_stride = aicc_dim_mul(dims, per_group, taps);
  t->b.batch = constant(c, c->groups);
  t->b.batch_stride = aicc_dim_mul(dims, t->b.n, t->b.n_stride);
  t->b.k_rank = c->spatial + 1;
  for (int i = 0; i < c->spatial; i++) {
    t->b.k_extent[i] = c->kernel[i];
    t->b.k_stride[i] = aicc_dim_product(dims, c->kernel + i + 1, c->spatial - i - 1);
  }
  t->b.k_extent[c->spatial] = per_group;
  t->b.k_stride[c->spatial] = taps;
}

// Bounds of the input, for skeletons that keep to them themselves.
static void set_padding(const conv *c, contract *t) {
  aicc_dim pitch = c->channels;
  t->padded_rank = c->spatial;
  for (int i = c->spatial - 1; i >= 0; i--) {
    t->pad[i] = c->pad[i];
    t->pad_in[i] = c->in[i];
    t->pad_pitch[i] = pitch;
    t->pad_stride[i] = c->stride[i];
    t->pad_dilation[i] = c->dilation[i];
    pitch = aicc_dim_mul(c->lw->module->dims, pitch, c->in[i]);
  }
}

static void set_pixels(const conv *c, contract *t, aicc_dim per_group) {
  aicc_dims *dims = c->lw->module->dims;
  const int last = c->spatial - 1;
  const aicc_dim one = constant(c, 1);
  t->outer_rank = c->spatial;
  t->outer[0] = c->batch;
  t->outer_a_stride[0] = aicc_dim_mul(dims, aicc_dim_product(dims, c->in, c->spatial), c->channels);
  aicc_dim pitch = c->channels;  // elements from one pixel of a dimension to the next
  t->k_rank = c->spatial + 1;
  t->k_extent[c->spatial] = per_group;
  t->a_k_stride[c->spatial] = one;
  for (int i = last; i >= 0; i--) {
    const aicc_dim step = aicc_dim_mul(dims, pitch, constant(c, c->stride[i]));
    t->k_extent[i] = c->kernel[i];
    t->a_k_stride[i] = aicc_dim_mul(dims, pitch, constant(c, c->dilation[i]));
    if (i == last) {
      t->m = c->out[i];
      t->a_row_stride = step;
    } else {
      t->outer[i + 1] = c->out[i];
      t->outer_a_stride[i + 1] = step;
    }
    pitch = aicc_dim_mul(dims, pitch, c->in[i]);
  }
  if (c->padded) {
    set_padding(c, t);
  } else if (c->groups == 1 && c->dilation[last] == 1) {
    // Neighbouring taps of a line are neighbours in memory: one loop over both.
    t->k_rank = c->spatial;
    t->k_extent[last] = aicc_dim_mul(dims, c->kernel[last], per_group);
    t->a_k_stride[last] = one;
  }
  for (int i = 0; i < t->outer_rank; i++) {
    t->outer_b_batch[i] = constant(c, 0);
  }
  t->result_index = pixel_index;
  t->columns_last = true;
}

static bool is_pointwise_kernel(const conv *c) {
  for (int i = 0; i < c->spatial; i++) {
    if (!aicc_dim_is(c->lw->module->dims, c->kernel[i], 1) || c->stride[i] != 1) {
      return false;
    }
  }
  return c->groups == 1 && !c->padded;
}

static void lower_as_contraction(const conv *c) {
  aicc_dims *dims = c->lw->module->dims;
  contract t = {.lw = c->lw, .group = c->group, .root = c->root, .a = c->x, .bias = c->bias};
  const aicc_dim per_group = c->w->type.dims[1];
  t.acc = lk_compute_type(c->root->type.dtype);
  t.groups = constant(c, c->groups);
  t.a_group_stride = per_group;
  set_weights(c, &t, per_group);
  set_pixels(c, &t, per_group);
  // A 1x1 kernel at stride 1 is a matrix multiply: all pixels are rows.
  if (is_pointwise_kernel(c) &&
      aicc_contract_flattens(c->lw, c->group->regions[0], c->root)) {
    t.outer_rank = 0;
    t.m = aicc_dim_mul(dims, c->batch, aicc_dim_product(dims, c->out, c->spatial));
    t.a_row_stride = c->channels;
    t.k_rank = 1;
    t.k_extent[0] = c->channels;
    t.a_k_stride[0] = constant(c, 1);
    t.result_index = aicc_contract_flat_index;
  } else if (c->lw->machine->kind == AICC_MACHINE_GPU &&
             aicc_contract_flattens(c->lw, c->group->regions[0], c->root)) {
    t.result_index = aicc_contract_flat_index;  // of rows that are all pixels
  }
  aicc_contract_emit(&t);
}

// --- depthwise: lanes over channels, a few pixels of a line at once ------------------------------

typedef struct depthwise {
  const conv *c;
  lower_kernel lk;
  kir_val x, w;
  kir_val outer[AICC_MAX_RANK];
  kir_val base;  // of the first pixel of the line's window
  int64_t padded_channels;
} depthwise;

static int pixels_at_once(const conv *c) {
  int64_t width;
  if (aicc_dim_is_const(c->lw->module->dims, c->out[c->spatial - 1], &width)) {
    static const int tries[] = {8, 7, 6, 5, 4, 3};
    for (size_t i = 0; i < sizeof tries / sizeof *tries; i++) {
      if (width % tries[i] == 0) {
        return tries[i];
      }
    }
  }
  return 4;
}

void aicc_conv_store(lower_kernel *lk, const conv *c, kir_val sum, const kir_val *index) {
  const size_t mark = lk_mark(lk);
  const int channel = c->nhwc ? c->spatial + 1 : 1;
  if (c->bias) {
    const kir_val bias = lk_elem(lk, c->bias, &index[channel]);
    sum = kir_add(&lk->b, sum, kir_cast(&lk->b, bias, lk->kernel->values[sum].dtype, false));
  }
  sum = kir_cast(&lk->b, sum, lk_compute_type(c->root->type.dtype), false);
  lk_bind(lk, c->root, lk_round(lk, c->root->type.dtype, sum));
  lk_store_results(lk, c->group, index, false);
  lk_forget(lk, mark);
}

static void depthwise_pixels(depthwise *d, kir_val first, int count) {
  const conv *c = d->c;
  lower_kernel *lk = &d->lk;
  kir_builder *b = &lk->b;
  const int last = c->spatial - 1;
  const kir_val channel = lk_for(lk, KIR_LANES, lk_i64(lk, 0), lk_dim(lk, c->channels));
  kir_val sums[8];
  for (int p = 0; p < count; p++) {
    sums[p] = kir_var(b, kir_const(b, AICC_F32, 0), true);
  }
  kir_val tap = lk_i64(lk, 0), offset = d->base;
  aicc_dim pitch[AICC_MAX_RANK];
  pitch[last] = c->channels;
  for (int i = last; i > 0; i--) {
    pitch[i - 1] = aicc_dim_mul(c->lw->module->dims, pitch[i], c->in[i]);
  }
  for (int i = 0; i < c->spatial; i++) {
    const kir_val k = lk_for(lk, KIR_UNROLL, lk_i64(lk, 0), lk_dim(lk, c->kernel[i]));
    tap = kir_add(b, kir_mul(b, tap, lk_dim(lk, c->kernel[i])), k);
    const kir_val step = kir_mul(b, lk_dim(lk, pitch[i]), lk_i64(lk, c->dilation[i]));
    offset = kir_add(b, offset, kir_mul(b, k, step));
  }
  const kir_val at = kir_add(b, kir_mul(b, tap, lk_i64(lk, d->padded_channels)), channel);
  const kir_val weight = lk_load(lk, d->w, c->w->type.dtype, at);
  for (int p = 0; p < count; p++) {
    const kir_val pixel = kir_mul(b, kir_add(b, first, lk_i64(lk, p)), lk_i64(lk, c->stride[last]));
    const kir_val place = kir_add(b, offset, kir_mul(b, pixel, lk_dim(lk, c->channels)));
    const kir_val item = lk_load(lk, d->x, c->x->type.dtype, kir_add(b, place, channel));
    kir_set(b, sums[p], kir_fma(b, item, weight, kir_get(b, sums[p])));
  }
  for (int i = 0; i < c->spatial; i++) {
    lk_end(lk);
  }
  for (int p = 0; p < count; p++) {
    kir_val index[AICC_MAX_RANK];
    memcpy(index, d->outer, (size_t)c->spatial * sizeof *index);
    index[c->spatial] = kir_add(b, first, lk_i64(lk, p));
    index[c->spatial + 1] = channel;
    aicc_conv_store(lk, c, kir_get(b, sums[p]), index);
  }
  lk_end(lk);
}

static void depthwise_line(depthwise *d) {
  const conv *c = d->c;
  lower_kernel *lk = &d->lk;
  kir_builder *b = &lk->b;
  const int count = pixels_at_once(c);
  const kir_val width = lk_dim(lk, c->out[c->spatial - 1]), step = lk_i64(lk, count);
  const kir_val whole = kir_mul(b, kir_scalar2(b, AICC_OP_DIV, width, step), step);
  const size_t mark = lk_mark(lk);
  const kir_val first = kir_for(b, KIR_SERIAL, lk_i64(lk, 0), whole, step);
  depthwise_pixels(d, first, count);
  kir_end(b);
  lk_forget(lk, mark);
  int64_t known;
  if (!kir_is_const_i64(b, width, &known) || known % count) {
    const kir_val rest = lk_for(lk, KIR_SERIAL, whole, width);
    depthwise_pixels(d, rest, 1);
    lk_end(lk);
    lk_forget(lk, mark);
  }
}

static bool depthwise_fits(const conv *c) {
  aicc_dims *dims = c->lw->module->dims;
  int64_t channels, taps;
  const bool gpu = c->lw->machine->kind == AICC_MACHINE_GPU;
  return c->nhwc && !c->transposed && (!c->padded || gpu) && c->groups > 1 &&
         aicc_dim_is_const(dims, c->channels, &channels) && channels == c->groups &&
         c->filters == c->channels && c->w->def && c->w->def->op == AICC_OP_CONST &&
         aicc_dim_is_const(dims, aicc_dim_product(dims, c->kernel, c->spatial), &taps) &&
         taps <= 128 && lk_compute_type(c->root->type.dtype) == AICC_F32;
}

aicc_slot aicc_conv_depthwise_weights(const conv *c, int64_t *row) {
  aicc_lower *lw = c->lw;
  int64_t taps = 0;
  aicc_dim_is_const(lw->module->dims, aicc_dim_product(lw->module->dims, c->kernel, c->spatial),
                    &taps);
  aicc_pack pack = {.batch = 1, .k_rank = 1, .n = c->groups, .n_stride = taps};
  pack.k_extent[0] = taps;
  pack.k_stride[0] = 1;
  pack.nr = *row = (c->groups + 63) / 64 * 64;
  const aicc_plan_const weights = {.name = c->w->name,
                                   .tensor = aicc_get_tensor(c->w->def, AICC_ATTR_VALUE),
                                   .pack = aicc_arena_memdup(&lw->plan->arena, &pack, sizeof pack)};
  return aicc_lower_constant(lw, &weights);
}

static void lower_depthwise(const conv *c) {
  aicc_lower *lw = c->lw;
  aicc_dims *dims = lw->module->dims;
  depthwise d = {.c = c};
  const aicc_slot w = aicc_conv_depthwise_weights(c, &d.padded_channels);
  for (int i = 0; i < c->group->out_count; i++) {
    aicc_lower_result(lw, c->group->out[i]);
  }
  lower_kernel *lk = &d.lk;
  lk_begin(lk, lw, aicc_arena_printf(&lw->plan->arena, "depthwise_%u", c->group->id), "contract",
           c->group);
  d.x = lk_buffer(lk, aicc_lower_slot(lw, c->x), KIR_READ);
  d.w = lk_buffer(lk, w, KIR_READ);
  kir_val extents[AICC_MAX_RANK];
  extents[0] = lk_dim(lk, c->batch);
  for (int i = 1; i < c->spatial; i++) {
    extents[i] = lk_dim(lk, c->out[i - 1]);
  }
  lk_split(lk, kir_task(&lk->b), extents, c->spatial, d.outer);
  aicc_dim pitch = aicc_dim_mul(dims, c->channels, c->in[c->spatial - 1]);
  d.base = lk_i64(lk, 0);
  for (int i = c->spatial - 1; i > 0; i--) {
    const kir_val line = kir_mul(&lk->b, d.outer[i], lk_i64(lk, c->stride[i - 1]));
    d.base = kir_add(&lk->b, d.base, kir_mul(&lk->b, line, lk_dim(lk, pitch)));
    pitch = aicc_dim_mul(dims, pitch, c->in[i - 1]);
  }
  d.base = kir_add(&lk->b, d.base, kir_mul(&lk->b, d.outer[0], lk_dim(lk, pitch)));
  depthwise_line(&d);
  const aicc_dim lines = aicc_dim_mul(dims, c->batch,
                                      aicc_dim_product(dims, c->out, c->spatial - 1));
  const aicc_dim parts[] = {lines, c->out[c->spatial - 1], c->channels,
                            aicc_dim_product(dims, c->kernel, c->spatial)};
  lk_launch(lk, lines, aicc_dim_floordiv(dims, aicc_dim_product(dims, parts, 4), constant(c, 12)));
}

// --- the plain form ------------------------------------------------------------------------------

// The source position of tap |k| along dimension i for output |o|, and the guard it needs.
static kir_val plain_position(lower_kernel *lk, const conv *c, int i, kir_val o, kir_val k,
                              kir_val *guard) {
  kir_builder *b = &lk->b;
  const kir_val tap = kir_mul(b, k, lk_i64(lk, c->dilation[i])), pad = lk_dim(lk, c->pad[i]);
  kir_val at;
  if (!c->transposed) {
    at = kir_sub(b, kir_add(b, kir_mul(b, o, lk_i64(lk, c->stride[i])), tap), pad);
  } else {
    at = kir_sub(b, kir_add(b, o, pad), tap);
  }
  kir_val inside = kir_scalar2(b, AICC_OP_GE, at, lk_i64(lk, 0));
  if (c->transposed && c->stride[i] > 1) {
    const kir_val stride = lk_i64(lk, c->stride[i]);
    const kir_val quotient = kir_scalar2(b, AICC_OP_DIV, at, stride);
    const kir_val exact = kir_scalar2(b, AICC_OP_EQ, kir_mul(b, quotient, stride), at);
    inside = kir_scalar2(b, AICC_OP_AND, inside, exact);
    at = quotient;
  }
  const kir_val below = kir_scalar2(b, AICC_OP_LT, at, lk_dim(lk, c->in[i]));
  inside = kir_scalar2(b, AICC_OP_AND, inside, below);
  *guard = *guard ? kir_scalar2(b, AICC_OP_AND, *guard, inside) : inside;
  return at;
}

static kir_val plain_sum(lower_kernel *lk, const conv *c, const kir_val *index, kir_val x,
                         kir_val w, aicc_dtype acc) {
  aicc_dims *dims = c->lw->module->dims;
  kir_builder *b = &lk->b;
  const int channel_axis = c->nhwc ? c->spatial + 1 : 1, first = c->nhwc ? 1 : 2;
  const aicc_dim groups = constant(c, c->groups);
  const kir_val filter = index[channel_axis];
  const kir_val filters = lk_dim(lk, aicc_dim_floordiv(dims, c->filters, groups));
  const kir_val group = kir_scalar2(b, AICC_OP_DIV, filter, filters);
  const kir_val sum = kir_var(b, kir_const(b, acc, 0), true);
  const aicc_dim per_group = aicc_dim_floordiv(dims, c->channels, groups);
  const kir_val channel = lk_for(lk, KIR_SERIAL, lk_i64(lk, 0), lk_dim(lk, per_group));
  const kir_val whole = kir_add(b, kir_mul(b, group, lk_dim(lk, per_group)), channel);
  kir_val x_index[AICC_MAX_RANK], w_index[AICC_MAX_RANK], guard = 0;
  x_index[0] = index[0];
  x_index[channel_axis] = whole;
  w_index[0] = c->transposed ? whole : filter;
  w_index[1] = c->transposed ? kir_sub(b, filter, kir_mul(b, group, filters)) : channel;
  for (int i = 0; i < c->spatial; i++) {
    w_index[2 + i] = lk_for(lk, KIR_SERIAL, lk_i64(lk, 0), lk_dim(lk, c->kernel[i]));
    x_index[first + i] = plain_position(lk, c, i, index[first + i], w_index[2 + i], &guard);
  }
  lk->guard = guard;
  const kir_val item = lk_load(lk, x, c->x->type.dtype, lk_linear(lk, &c->x->type, x_index));
  lk->guard = 0;
  const kir_val weight = lk_load(lk, w, c->w->type.dtype, lk_linear(lk, &c->w->type, w_index));
  const kir_val product =
      kir_mul(b, kir_cast(b, item, acc, false), kir_cast(b, weight, acc, false));
  kir_set(b, sum, kir_add(b, kir_get(b, sum), product));
  for (int i = 0; i <= c->spatial; i++) {
    lk_end(lk);
  }
  return kir_get(b, sum);
}

static void lower_plain(const conv *c) {
  aicc_lower *lw = c->lw;
  aicc_dims *dims = lw->module->dims;
  const aicc_type *type = &c->root->type;
  for (int i = 0; i < c->group->out_count; i++) {
    aicc_lower_result(lw, c->group->out[i]);
  }
  lower_kernel lk;
  lk_begin(&lk, lw, aicc_arena_printf(&lw->plan->arena, "%s_%u", aicc_op_table[c->node->op].name,
                                      c->group->id),
           "contract", c->group);
  const kir_val x = lk_buffer(&lk, aicc_lower_slot(lw, c->x), KIR_READ);
  const kir_val w = lk_buffer(&lk, aicc_lower_slot(lw, c->w), KIR_READ);
  kir_val extents[AICC_MAX_RANK], index[AICC_MAX_RANK];
  for (int i = 0; i + 1 < type->rank; i++) {
    extents[i] = lk_dim(&lk, type->dims[i]);
  }
  lk_split(&lk, kir_task(&lk.b), extents, type->rank - 1, index);
  index[type->rank - 1] =
      lk_for(&lk, KIR_LANES, lk_i64(&lk, 0), lk_dim(&lk, type->dims[type->rank - 1]));
  const aicc_dtype acc = lk_compute_type(type->dtype);
  aicc_conv_store(&lk, c, plain_sum(&lk, c, index, x, w, acc), index);
  lk_end(&lk);
  const aicc_dim rows = aicc_dim_product(dims, type->dims, type->rank - 1);
  const aicc_dim parts[] = {rows, type->dims[type->rank - 1],
                            aicc_dim_floordiv(dims, c->channels, constant(c, c->groups)),
                            aicc_dim_product(dims, c->kernel, c->spatial)};
  lk_launch(&lk, rows, aicc_dim_product(dims, parts, 4));
}

void aicc_lower_conv(aicc_lower *lw, aicc_node *group, aicc_node *node) {
  const conv c = conv_of(lw, group, node);
  if (depthwise_fits(&c)) {
    (lw->machine->kind == AICC_MACHINE_GPU ? aicc_conv_depthwise_gpu : lower_depthwise)(&c);
  } else if (c.nhwc && !c.transposed && (!c.padded || lw->machine->kind == AICC_MACHINE_GPU) &&
             c.spatial <= MAX_SPATIAL) {
    lower_as_contraction(&c);
  } else {
    lower_plain(&c);
  }
  aicc_lower_borders(lw, group);
}
