// Sources, views and moves whose indices are known without looking at data.
#include <string.h>

#include "ir/eval_call.h"
#include "ir/scalar.h"

aicc_status aicc_eval_op_constant(aicc_eval_call *call) {
  const aicc_tensor *tensor = aicc_get_tensor(call->node, AICC_ATTR_VALUE);
  if (!tensor) {
    return aicc_eval_fail(call, "attribute 'value' is missing");
  }
  aicc_eval_value_from_tensor(tensor, &call->out[0]);
  return AICC_OK;
}

aicc_status aicc_eval_op_from_dims(aicc_eval_call *call) {
  int count = 0;
  const aicc_dim *dims = aicc_get_dims(call->node, AICC_ATTR_DIMS, &count);
  for (int i = 0; i < count && i < aicc_eval_value_count(&call->out[0]); i++) {
    int64_t value;
    AICC_TRY(aicc_eval_dim(call, dims[i], &value));
    aicc_set_i64(call->out[0].dtype, call->out[0].data, (size_t)i, value);
  }
  return AICC_OK;
}

aicc_status aicc_eval_op_iota(aicc_eval_call *call) {
  aicc_eval_value *out = &call->out[0];
  if (out->rank == 0) {
    aicc_set_i64(out->dtype, out->data, 0, 0);
    return AICC_OK;
  }
  int axis;
  AICC_TRY(aicc_eval_axis(call, AICC_ATTR_AXIS, out->rank, &axis));
  const int64_t inner = aicc_eval_product(out->shape + axis + 1, out->rank - axis - 1);
  const int64_t count = aicc_eval_value_count(out);
  for (int64_t i = 0; i < count; i++) {
    aicc_set_i64(out->dtype, out->data, (size_t)i, i / inner % out->shape[axis]);
  }
  return AICC_OK;
}

aicc_status aicc_eval_op_random(aicc_eval_call *call) {
  aicc_eval_value *out = &call->out[0];
  const int64_t seed = aicc_get_int(call->node, AICC_ATTR_SEED, 0);
  const bool normal =
      strcmp(aicc_get_string(call->node, AICC_ATTR_MODE, "uniform"), "normal") == 0;
  const int64_t count = aicc_eval_value_count(out);
  for (int64_t i = 0; i < count; i++) {
    aicc_set_f64(out->dtype, out->data, (size_t)i,
                 normal ? aicc_scalar_normal(seed, (uint64_t)i)
                        : aicc_scalar_uniform(seed, (uint64_t)i));
  }
  return AICC_OK;
}

aicc_status aicc_eval_op_reshape(aicc_eval_call *call) {
  AICC_TRY(aicc_eval_result(call, 0));
  aicc_eval_value *out = &call->out[0];
  if (aicc_eval_value_count(out) != aicc_eval_value_count(call->in[0])) {
    return aicc_eval_fail(call, "%lld elements do not fit %lld",
                          (long long)aicc_eval_value_count(call->in[0]),
                          (long long)aicc_eval_value_count(out));
  }
  aicc_buf_release(out->buf);
  out->buf = call->in[0]->buf ? aicc_buf_retain(call->in[0]->buf) : NULL;
  out->data = call->in[0]->data;
  return AICC_OK;
}

static aicc_status copy_strided(aicc_eval_call *call, int64_t offset, const int64_t *strides) {
  aicc_eval_value *out = &call->out[0];
  aicc_eval_walk walk;
  aicc_eval_walk_init(&walk, out->rank, out->shape);
  aicc_eval_walk_add_dense(&walk);
  aicc_eval_walk_add(&walk, offset, strides);
  aicc_eval_walk_copy(&walk, 0, out->data, 1, call->in[0]->data, aicc_dtype_size(out->dtype));
  return AICC_OK;
}

aicc_status aicc_eval_op_transpose(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0];
  int64_t perm[AICC_MAX_RANK], dense[AICC_MAX_RANK], strides[AICC_MAX_RANK];
  AICC_TRY(aicc_eval_ints(call, AICC_ATTR_PERM, x->rank, 0, perm));
  aicc_eval_dense_strides(x->shape, x->rank, dense);
  for (int d = 0; d < x->rank; d++) {
    if (perm[d] < 0 || perm[d] >= x->rank || call->out[0].shape[d] != x->shape[perm[d]]) {
      return aicc_eval_fail(call, "the permutation does not give the result's shape");
    }
    strides[d] = dense[perm[d]];
  }
  return copy_strided(call, 0, strides);
}

aicc_status aicc_eval_op_broadcast(aicc_eval_call *call) {
  aicc_eval_value *out = &call->out[0];
  aicc_eval_walk walk;
  aicc_eval_walk_init(&walk, out->rank, out->shape);
  aicc_eval_walk_add_dense(&walk);
  if (!aicc_eval_walk_add_broadcast(&walk, call->in[0])) {
    return aicc_eval_fail(call, "the operand does not broadcast to the result's shape");
  }
  aicc_eval_walk_copy(&walk, 0, out->data, 1, call->in[0]->data, aicc_dtype_size(out->dtype));
  return AICC_OK;
}

aicc_status aicc_eval_op_slice(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0];
  const aicc_eval_value *out = &call->out[0];
  int64_t starts[AICC_MAX_RANK], steps[AICC_MAX_RANK], strides[AICC_MAX_RANK], offset = 0;
  AICC_TRY(aicc_eval_dims(call, AICC_ATTR_STARTS, x->rank, starts));
  AICC_TRY(aicc_eval_ints(call, AICC_ATTR_STEPS, x->rank, 1, steps));
  aicc_eval_dense_strides(x->shape, x->rank, strides);
  const bool empty = aicc_eval_value_count(out) == 0;
  for (int d = 0; d < x->rank; d++) {
    const int64_t last = starts[d] + (out->shape[d] - 1) * steps[d];
    if (!empty && (starts[d] < 0 || starts[d] >= x->shape[d] || last < 0 || last >= x->shape[d])) {
      return aicc_eval_fail(call, "elements %lld to %lld of dimension %d, which has %lld",
                            (long long)starts[d], (long long)last, d, (long long)x->shape[d]);
    }
    offset += starts[d] * strides[d];
    strides[d] *= steps[d];
  }
  return copy_strided(call, offset, strides);
}

// Where position |i| (outside of 0 .. size-1 too) of a padded axis comes from; -1: the fill.
static int64_t pad_source(const char *mode, int64_t i, int64_t size) {
  if (i >= 0 && i < size) {
    return i;
  }
  if (size == 0 || strcmp(mode, "constant") == 0) {
    return -1;
  }
  if (strcmp(mode, "edge") == 0) {
    return i < 0 ? 0 : size - 1;
  }
  if (strcmp(mode, "wrap") == 0) {
    return (i % size + size) % size;
  }
  const int64_t period = size > 1 ? 2 * (size - 1) : 1;
  const int64_t within = (i % period + period) % period;
  return within < size ? within : period - within;
}

// out[o] = x[sources[0][o0], sources[1][o1], ..], or the fill where any source is -1.
static void copy_mapped(aicc_eval_call *call, int64_t *const *sources, const char *fill) {
  const aicc_eval_value *x = call->in[0];
  aicc_eval_value *out = &call->out[0];
  const int64_t size = (int64_t)aicc_dtype_size(out->dtype), count = aicc_eval_value_count(out);
  int64_t strides[AICC_MAX_RANK], index[AICC_MAX_RANK] = {0};
  aicc_eval_dense_strides(x->shape, x->rank, strides);
  char *to = out->data;
  for (int64_t i = 0; i < count; i++, to += size) {
    int64_t at = 0;
    bool inside = true;
    for (int d = 0; d < x->rank; d++) {
      const int64_t source = sources[d][index[d]];
      inside = inside && source >= 0;
      at += source * strides[d];
    }
    memcpy(to, inside ? (const char *)x->data + at * size : fill, (size_t)size);
    for (int d = x->rank - 1; d >= 0 && ++index[d] == out->shape[d]; d--) {
      index[d] = 0;
    }
  }
}

static const char *fill_bytes(const aicc_eval_call *call, int operand) {
  static const char zero[16] = {0};
  const bool given = operand < call->node->in_count && call->in[operand];
  return given ? call->in[operand]->data : zero;
}

aicc_status aicc_eval_op_pad(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0];
  const char *mode = aicc_get_string(call->node, AICC_ATTR_MODE, "constant");
  int64_t low[AICC_MAX_RANK];
  int64_t *sources[AICC_MAX_RANK];
  AICC_TRY(aicc_eval_dims(call, AICC_ATTR_LOW, x->rank, low));
  for (int d = 0; d < x->rank; d++) {
    sources[d] = AICC_NEW_ARRAY(call->arena, int64_t, call->out[0].shape[d] + 1);
    for (int64_t o = 0; o < call->out[0].shape[d]; o++) {
      sources[d][o] = pad_source(mode, o - low[d], x->shape[d]);
    }
  }
  copy_mapped(call, sources, fill_bytes(call, 1));
  return AICC_OK;
}

aicc_status aicc_eval_op_concat(aicc_eval_call *call) {
  aicc_eval_value *out = &call->out[0];
  int axis;
  AICC_TRY(aicc_eval_axis(call, AICC_ATTR_AXIS, out->rank, &axis));
  const size_t size = aicc_dtype_size(out->dtype);
  const int64_t outer = aicc_eval_product(out->shape, axis);
  const int64_t inner = aicc_eval_product(out->shape + axis + 1, out->rank - axis - 1);
  int64_t at = 0;
  for (int i = 0; i < call->node->in_count; i++) {
    const aicc_eval_value *x = call->in[i];
    const int64_t block = x->shape[axis] * inner;
    if (at + x->shape[axis] > out->shape[axis] ||
        aicc_eval_value_count(x) != outer * block) {
      return aicc_eval_fail(call, "operand %d does not fit the result", i);
    }
    for (int64_t o = 0; o < outer; o++) {
      const int64_t to = (o * out->shape[axis] + at) * inner;
      memcpy((char *)out->data + (size_t)to * size,
             (const char *)x->data + (size_t)(o * block) * size, (size_t)block * size);
    }
    at += x->shape[axis];
  }
  return at == out->shape[axis] ? AICC_OK
                                : aicc_eval_fail(call, "the operands do not fill the result");
}

typedef struct window {
  int rank, spatial, lead;  // of the operand; |spatial| dimensions behind |lead| move
  int64_t kernel[AICC_MAX_RANK], strides[AICC_MAX_RANK], dilations[AICC_MAX_RANK];
  int64_t pads[AICC_MAX_RANK];
} window;

static aicc_status read_window(aicc_eval_call *call, window *w) {
  w->rank = call->in[0]->rank;
  if (!aicc_get_ints(call->node, AICC_ATTR_KERNEL, &w->spatial) || w->spatial > w->rank) {
    return aicc_eval_fail(call, "attribute 'kernel' is missing or too long");
  }
  const char *layout = aicc_get_string(call->node, AICC_ATTR_LAYOUT, "nchw");
  w->lead = strcmp(layout, "nhwc") == 0 ? 1 : w->rank - w->spatial;
  AICC_TRY(aicc_eval_ints(call, AICC_ATTR_KERNEL, w->spatial, 1, w->kernel));
  AICC_TRY(aicc_eval_ints(call, AICC_ATTR_STRIDES, w->spatial, 1, w->strides));
  AICC_TRY(aicc_eval_ints(call, AICC_ATTR_DILATIONS, w->spatial, 1, w->dilations));
  AICC_TRY(aicc_eval_dims(call, AICC_ATTR_PADS, w->spatial, w->pads));
  return call->out[0].rank == w->rank + w->spatial
             ? AICC_OK
             : aicc_eval_fail(call, "the result's rank is not that of windows");
}

aicc_status aicc_eval_op_window(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0];
  aicc_eval_value *out = &call->out[0];
  window w;
  AICC_TRY(read_window(call, &w));
  const int64_t size = (int64_t)aicc_dtype_size(out->dtype), count = aicc_eval_value_count(out);
  const char *fill = fill_bytes(call, 1);
  int64_t strides[AICC_MAX_RANK], index[AICC_MAX_RANK] = {0};
  aicc_eval_dense_strides(x->shape, x->rank, strides);
  char *to = out->data;
  for (int64_t i = 0; i < count; i++, to += size) {
    int64_t at = 0;
    bool inside = true;
    for (int d = 0; d < w.rank; d++) {
      const int s = d - w.lead;
      const int64_t source = s < 0 || s >= w.spatial ? index[d]
                                   : index[d] * w.strides[s] +
                                         index[w.rank + s] * w.dilations[s] - w.pads[s];
      inside = inside && source >= 0 && source < x->shape[d];
      at += source * strides[d];
    }
    memcpy(to, inside ? (const char *)x->data + at * size : fill, (size_t)size);
    for (int d = out->rank - 1; d >= 0 && ++index[d] == out->shape[d]; d--) {
      index[d] = 0;
    }
  }
  return AICC_OK;
}
