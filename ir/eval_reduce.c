// Reductions, running totals, sorting and counting.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/eval_call.h"
#include "ir/scalar.h"

// Strides that map positions of the operand to positions of the reduced result.
static aicc_status result_strides(aicc_eval_call *call, int64_t *strides) {
  const aicc_eval_value *x = call->in[0];
  int count = 0;
  const int64_t *axes = aicc_get_ints(call->node, AICC_ATTR_AXES, &count);
  bool reduced[AICC_MAX_RANK] = {false};
  for (int i = 0; i < count; i++) {
    const int64_t axis = aicc_eval_index(axes[i], x->rank);
    if (axis < 0) {
      return aicc_eval_fail(call, "axis out of range for rank %d", x->rank);
    }
    reduced[axis] = true;
  }
  int64_t stride = 1;
  for (int d = x->rank - 1; d >= 0; d--) {
    strides[d] = reduced[d] ? 0 : stride;
    stride *= reduced[d] ? 1 : x->shape[d];
  }
  return stride == aicc_eval_value_count(&call->out[0])
             ? AICC_OK
             : aicc_eval_fail(call, "the result's shape is not the operand's, reduced");
}

static aicc_op combine_of(aicc_op op) {
  switch (op) {
    case AICC_OP_REDUCE_PROD: return AICC_OP_MUL;
    case AICC_OP_REDUCE_MAX: return AICC_OP_MAX;
    case AICC_OP_REDUCE_MIN: return AICC_OP_MIN;
    default: return AICC_OP_ADD;
  }
}

static int64_t least_int(aicc_dtype t) {
  const unsigned bits = aicc_dtype_table[t].bits;
  return aicc_dtype_kind_of(t) == AICC_KIND_SIGNED ? (int64_t)(~0ull << (bits - 1)) : 0;
}

// u64's greatest is its bit pattern, -1.
static int64_t greatest_int(aicc_dtype t) {
  const unsigned bits = aicc_dtype_table[t].bits;
  return t == AICC_BOOL ? 1 : aicc_dtype_kind_of(t) == AICC_KIND_SIGNED
                                  ? (int64_t)((1ull << (bits - 1)) - 1)
                                  : (int64_t)(bits >= 64 ? ~0ull : (1ull << bits) - 1);
}

static int64_t int_identity(aicc_op combine, aicc_dtype t) {
  return combine == AICC_OP_MUL   ? 1
         : combine == AICC_OP_MAX ? least_int(t)
         : combine == AICC_OP_MIN ? greatest_int(t)
                                  : 0;
}

static double float_identity(aicc_op combine) {
  return combine == AICC_OP_MUL   ? 1
         : combine == AICC_OP_MAX ? -(double)INFINITY
         : combine == AICC_OP_MIN ? (double)INFINITY
                                  : 0;
}

enum { ROW = 1024 };

static void reduce_floats(aicc_eval_call *call, aicc_eval_walk *walk, aicc_op combine) {
  const aicc_eval_value *x = call->in[0];
  const aicc_scalar_f64_fn fn = aicc_scalar_of(combine)->f64;
  const int64_t count = aicc_eval_value_count(&call->out[0]);
  double *totals = AICC_NEW_ARRAY(call->arena, double, count + 1), row[ROW];
  for (int64_t i = 0; i < count; i++) {
    totals[i] = float_identity(combine);
  }
  while (aicc_eval_walk_next(walk)) {
    for (int64_t at = 0; at < walk->size; at += ROW) {
      const int64_t size = walk->size - at < ROW ? walk->size - at : ROW;
      aicc_eval_load_f64(x->dtype, x->data, walk->offset[0] + at * walk->step[0], walk->step[0],
                         size, row);
      double *to = totals + walk->offset[1] + at * walk->step[1];
      for (int64_t i = 0; i < size; i++) {
        to[i * walk->step[1]] = fn(to[i * walk->step[1]], row[i]);
      }
    }
  }
  aicc_eval_store_f64(call->out[0].dtype, call->out[0].data, 0, count, totals);
}

static void reduce_ints(aicc_eval_call *call, aicc_eval_walk *walk, aicc_op combine) {
  const aicc_eval_value *x = call->in[0];
  const aicc_scalar_i64_fn fn = aicc_scalar_of(combine)->i64;
  const int64_t count = aicc_eval_value_count(&call->out[0]);
  int64_t *totals = AICC_NEW_ARRAY(call->arena, int64_t, count + 1), row[ROW];
  for (int64_t i = 0; i < count; i++) {
    totals[i] = int_identity(combine, x->dtype);
  }
  while (aicc_eval_walk_next(walk)) {
    for (int64_t at = 0; at < walk->size; at += ROW) {
      const int64_t size = walk->size - at < ROW ? walk->size - at : ROW;
      aicc_eval_load_i64(x->dtype, x->data, walk->offset[0] + at * walk->step[0], walk->step[0],
                         size, row);
      int64_t *to = totals + walk->offset[1] + at * walk->step[1];
      for (int64_t i = 0; i < size; i++) {
        to[i * walk->step[1]] = fn(to[i * walk->step[1]], row[i], x->dtype);
      }
    }
  }
  aicc_eval_store_i64(call->out[0].dtype, call->out[0].data, 0, count, totals);
}

aicc_status aicc_eval_op_reduce(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0];
  int64_t strides[AICC_MAX_RANK];
  AICC_TRY(result_strides(call, strides));
  aicc_eval_walk walk;
  aicc_eval_walk_init(&walk, x->rank, x->shape);
  aicc_eval_walk_add_dense(&walk);
  aicc_eval_walk_add(&walk, 0, strides);
  const aicc_op combine = combine_of(call->node->op);
  if (aicc_eval_is_int(x->dtype)) {
    reduce_ints(call, &walk, combine);
  } else {
    reduce_floats(call, &walk, combine);
  }
  return AICC_OK;
}

// --- one axis: lines of |size| elements, |stride| apart ------------------------------------------

typedef struct lines {
  int64_t count, size, stride;
} lines;

static aicc_status lines_of(const aicc_eval_call *call, lines *out) {
  const aicc_eval_value *x = call->in[0];
  int axis;
  if (x->rank == 0) {
    *out = (lines){1, 1, 1};
    return AICC_OK;
  }
  AICC_TRY(aicc_eval_axis(call, AICC_ATTR_AXIS, x->rank, &axis));
  out->size = x->shape[axis];
  out->stride = aicc_eval_product(x->shape + axis + 1, x->rank - axis - 1);
  out->count = aicc_eval_product(x->shape, axis) * out->stride;
  return AICC_OK;
}

// First element of line |i| of a tensor whose lines have |size| elements.
static int64_t line_start(const lines *l, int64_t i, int64_t size) {
  return i / l->stride * size * l->stride + i % l->stride;
}

// A number that sorts like the element: NaN like +inf; u64 with its sign bit flipped.
typedef struct key {
  double number;
  int64_t integer, index;
} key;

static void load_line(const aicc_eval_value *x, const lines *l, int64_t line, key *keys) {
  const int64_t start = line_start(l, line, l->size);
  const bool is_int = aicc_eval_is_int(x->dtype);
  for (int64_t i = 0; i < l->size; i++) {
    const size_t at = (size_t)(start + i * l->stride);
    keys[i] = (key){.index = i};
    if (is_int) {
      keys[i].integer = aicc_get_i64(x->dtype, x->data, at);
      keys[i].integer ^= x->dtype == AICC_U64 ? INT64_MIN : 0;
    } else {
      const double number = aicc_get_f64(x->dtype, x->data, at);
      keys[i].number = isnan(number) ? (double)INFINITY : number;
    }
  }
}

static int compare_keys(const key *a, const key *b) {
  return (a->number > b->number) - (a->number < b->number) + (a->integer > b->integer) -
         (a->integer < b->integer);
}

aicc_status aicc_eval_op_arg(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0];
  lines l;
  AICC_TRY(lines_of(call, &l));
  if (l.size == 0 || l.count != aicc_eval_value_count(&call->out[0])) {
    return aicc_eval_fail(call, "the axis is empty, or the result's shape is not the reduced one");
  }
  const bool last = aicc_get_int(call->node, AICC_ATTR_LAST, 0) != 0;
  const int sign = call->node->op == AICC_OP_ARGMAX ? 1 : -1;
  key *keys = AICC_NEW_ARRAY(call->arena, key, l.size);
  for (int64_t i = 0; i < l.count; i++) {
    load_line(x, &l, i, keys);
    int64_t best = 0;
    for (int64_t k = 1; k < l.size; k++) {
      const int order = sign * compare_keys(&keys[k], &keys[best]);
      best = order > 0 || (last && order == 0) ? k : best;
    }
    aicc_set_i64(call->out[0].dtype, call->out[0].data, (size_t)i, best);
  }
  return AICC_OK;
}

static int by_value_up(const void *a, const void *b) {
  const int order = compare_keys(a, b);
  const int64_t i = ((const key *)a)->index, k = ((const key *)b)->index;
  return order ? order : (i > k) - (i < k);
}

static int by_value_down(const void *a, const void *b) {
  const int order = compare_keys(b, a);
  const int64_t i = ((const key *)a)->index, k = ((const key *)b)->index;
  return order ? order : (i > k) - (i < k);
}

// Results are sorted even where the operator does not ask for it.
aicc_status aicc_eval_op_topk(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0];
  aicc_eval_value *values = &call->out[0], *indices = &call->out[1];
  lines l;
  AICC_TRY(lines_of(call, &l));
  const int64_t picks = l.count ? aicc_eval_value_count(values) / l.count : 0;
  if (picks > l.size || picks * l.count != aicc_eval_value_count(indices)) {
    return aicc_eval_fail(call, "%lld of %lld elements are wanted", (long long)picks,
                          (long long)l.size);
  }
  const bool largest = aicc_get_int(call->node, AICC_ATTR_LARGEST, 1) != 0;
  const size_t size = aicc_dtype_size(x->dtype);
  key *keys = AICC_NEW_ARRAY(call->arena, key, l.size + 1);
  for (int64_t i = 0; i < l.count; i++) {
    load_line(x, &l, i, keys);
    qsort(keys, (size_t)l.size, sizeof *keys, largest ? by_value_down : by_value_up);
    const int64_t from = line_start(&l, i, l.size), to = line_start(&l, i, picks);
    for (int64_t k = 0; k < picks; k++) {
      memcpy((char *)values->data + (size_t)(to + k * l.stride) * size,
             (const char *)x->data + (size_t)(from + keys[k].index * l.stride) * size, size);
      aicc_set_i64(indices->dtype, indices->data, (size_t)(to + k * l.stride), keys[k].index);
    }
  }
  return AICC_OK;
}

typedef struct total {
  double number;
  int64_t integer;
} total;

static total add_to(aicc_op op, total sum, const aicc_eval_value *x, size_t at, bool is_int) {
  if (is_int) {
    sum.integer = aicc_scalar_i64(op, x->dtype, sum.integer, aicc_get_i64(x->dtype, x->data, at));
  } else {
    sum.number = aicc_scalar_f64(op, sum.number, aicc_get_f64(x->dtype, x->data, at));
  }
  return sum;
}

aicc_status aicc_eval_op_cumulate(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0];
  aicc_eval_value *out = &call->out[0];
  lines l;
  AICC_TRY(lines_of(call, &l));
  const bool exclusive = aicc_get_int(call->node, AICC_ATTR_EXCLUSIVE, 0) != 0;
  const bool reverse = aicc_get_int(call->node, AICC_ATTR_REVERSE, 0) != 0;
  const bool product = strcmp(aicc_get_string(call->node, AICC_ATTR_OP, "sum"), "prod") == 0;
  const aicc_op op = product ? AICC_OP_MUL : AICC_OP_ADD;
  const bool is_int = aicc_eval_is_int(x->dtype);
  for (int64_t i = 0; i < l.count; i++) {
    const int64_t start = line_start(&l, i, l.size);
    total sum = {product ? 1 : 0, product ? 1 : 0};
    for (int64_t k = 0; k < l.size; k++) {
      const size_t at = (size_t)(start + (reverse ? l.size - 1 - k : k) * l.stride);
      const total before = sum;
      sum = add_to(op, sum, x, at, is_int);
      const total shown = exclusive ? before : sum;
      if (is_int) {
        aicc_set_i64(out->dtype, out->data, at, shown.integer);
      } else {
        aicc_set_f64(out->dtype, out->data, at, shown.number);
      }
    }
  }
  return AICC_OK;
}

// --- non-zero elements ---------------------------------------------------------------------------

static bool nonzero_at(const aicc_eval_value *x, int64_t i) {
  if (x->dtype == AICC_STR) {
    return ((const aicc_str *)x->data)[i].size != 0;
  }
  return aicc_eval_is_int(x->dtype) ? aicc_get_i64(x->dtype, x->data, (size_t)i) != 0
                                    : aicc_get_f64(x->dtype, x->data, (size_t)i) != 0;
}

aicc_status aicc_eval_op_count_nonzero(aicc_eval_call *call) {
  const int64_t count = aicc_eval_value_count(call->in[0]);
  int64_t found = 0;
  for (int64_t i = 0; i < count; i++) {
    found += nonzero_at(call->in[0], i);
  }
  aicc_set_i64(call->out[0].dtype, call->out[0].data, 0, found);
  return AICC_OK;
}

aicc_status aicc_eval_op_nonzero(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0];
  const aicc_eval_value *out = &call->out[0];
  const int64_t count = aicc_eval_value_count(x);
  const int64_t columns = out->rank == 2 ? out->shape[1] : 0;
  int64_t strides[AICC_MAX_RANK], found = 0;
  aicc_eval_dense_strides(x->shape, x->rank, strides);
  for (int64_t i = 0; i < count; i++) {
    if (!nonzero_at(x, i)) {
      continue;
    }
    for (int d = 0; d < x->rank && found < columns; d++) {
      aicc_set_i64(out->dtype, out->data, (size_t)(d * columns + found),
                   i / strides[d] % x->shape[d]);
    }
    found++;
  }
  return found == columns ? AICC_OK
                          : aicc_eval_fail(call, "%lld elements are not zero, the type says %lld",
                                           (long long)found, (long long)columns);
}
