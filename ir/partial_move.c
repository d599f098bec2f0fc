// Partial values of operators that move elements, and of reductions and running totals.
#include <string.h>

#include "ir/partial_internal.h"

// Finds the operand element that is result element |at|; false: it is not known which.
typedef bool (*source_fn)(const aicc_node *node, const elements *in, const int64_t *at,
                          int64_t *from);

static bool transpose_source(const aicc_node *node, const elements *in, const int64_t *at,
                             int64_t *from) {
  int count = 0;
  const int64_t *perm = aicc_get_ints(node, AICC_ATTR_PERM, &count);
  for (int i = 0; i < count; i++) {
    from[perm[i]] = at[i];
  }
  return in != NULL;
}

static bool broadcast_source(const aicc_node *node, const elements *in, const int64_t *at,
                             int64_t *from) {
  const int64_t *last = at + (node->out[0]->type.rank - in->rank);
  for (int i = 0; i < in->rank; i++) {
    from[i] = in->shape[i] == 1 ? 0 : last[i];
  }
  return true;
}

static bool slice_source(const aicc_node *node, const elements *in, const int64_t *at,
                         int64_t *from) {
  int count = 0;
  const aicc_dim *starts = aicc_get_dims(node, AICC_ATTR_STARTS, &count);
  const int64_t *steps = aicc_get_ints(node, AICC_ATTR_STEPS, &count);
  for (int i = 0; i < in->rank; i++) {
    int64_t start = 0;
    if (!aicc_dim_is_const(in->module->dims, starts[i], &start)) {
      return false;
    }
    from[i] = start + at[i] * steps[i];
    if (from[i] < 0 || from[i] >= in->shape[i]) {
      return false;
    }
  }
  return true;
}

// Index |value|, counted from the end where negative.
static bool wrap(int64_t value, int64_t size, int64_t *out) {
  *out = value < 0 ? value + size : value;
  return *out >= 0 && *out < size;
}

static bool gather_source(const aicc_node *node, const elements *in, const int64_t *at,
                          int64_t *from) {
  const int axis = (int)aicc_get_int(node, AICC_ATTR_AXIS, 0), k = in[1].rank;
  int64_t index = 0;
  if (!aicc_elements_const(&in[1], aicc_ravel(at + axis, in[1].shape, k), &index)) {
    return false;
  }
  for (int i = 0; i < in[0].rank; i++) {
    from[i] = i < axis ? at[i] : i > axis ? at[i - 1 + k] : 0;
  }
  return wrap(index, in[0].shape[axis], &from[axis]);
}

static bool gather_elements_source(const aicc_node *node, const elements *in, const int64_t *at,
                                   int64_t *from) {
  const int axis = (int)aicc_get_int(node, AICC_ATTR_AXIS, 0);
  int64_t index = 0;
  if (!aicc_elements_const(&in[1], aicc_ravel(at, in[1].shape, in[1].rank), &index)) {
    return false;
  }
  memcpy(from, at, sizeof(*at) * (size_t)in[0].rank);
  return wrap(index, in[0].shape[axis], &from[axis]);
}

static bool gather_nd_source(const aicc_node *node, const elements *in, const int64_t *at,
                             int64_t *from) {
  const int batch = (int)aicc_get_int(node, AICC_ATTR_BATCH_DIMS, 0);
  const int lead = in[1].rank - 1, depth = (int)in[1].shape[lead];
  const int64_t first = aicc_ravel(at, in[1].shape, lead) * depth;
  for (int i = 0; i < in[0].rank; i++) {
    int64_t index = 0;
    if (i < batch) {
      from[i] = at[i];
    } else if (i >= batch + depth) {
      from[i] = at[lead + i - batch - depth];
    } else if (!aicc_elements_const(&in[1], first + i - batch, &index) ||
               !wrap(index, in[0].shape[i], &from[i])) {
      return false;
    }
  }
  return true;
}

static source_fn source_of(aicc_op op) {
  switch (op) {
    case AICC_OP_TRANSPOSE: return transpose_source;
    case AICC_OP_BROADCAST: return broadcast_source;
    case AICC_OP_SLICE: return slice_source;
    case AICC_OP_GATHER: return gather_source;
    case AICC_OP_GATHER_ELEMENTS: return gather_elements_source;
    case AICC_OP_GATHER_ND: return gather_nd_source;
    default: return NULL;
  }
}

static void concat(const aicc_node *node, const elements *result, aicc_dim *out) {
  const int64_t axis = aicc_get_int(node, AICC_ATTR_AXIS, 0);
  int64_t offset = 0;
  for (int k = 0; k < node->in_count; k++) {
    elements in;
    if (!aicc_elements_of(result->module, node->in[k], &in)) {
      return;
    }
    for (int64_t i = 0; i < in.count; i++) {
      int64_t at[AICC_MAX_RANK];
      aicc_unravel(i, in.shape, in.rank, at);
      at[axis] += offset;
      out[aicc_ravel(at, result->shape, result->rank)] = aicc_elements_at(&in, i);
    }
    offset += in.shape[axis];
  }
}

static aicc_dim padded_at(const elements *x, const elements *fill, const int64_t *low,
                          const int64_t *at) {
  int64_t from[AICC_MAX_RANK];
  for (int i = 0; i < x->rank; i++) {
    from[i] = at[i] - low[i];
    if (from[i] < 0 || from[i] >= x->shape[i]) {
      return aicc_elements_at(fill, 0);
    }
  }
  return aicc_elements_at(x, aicc_ravel(from, x->shape, x->rank));
}

static void pad(const aicc_node *node, const elements *result, aicc_dim *out) {
  elements x, fill;
  int count = 0;
  int64_t low[AICC_MAX_RANK];
  const aicc_dim *lows = aicc_get_dims(node, AICC_ATTR_LOW, &count);
  if (strcmp(aicc_get_string(node, AICC_ATTR_MODE, "constant"), "constant") != 0 ||
      !aicc_elements_of(result->module, node->in[0], &x) ||
      !aicc_elements_of(result->module, node->in[1], &fill) || fill.count != 1) {
    return;
  }
  for (int i = 0; i < count; i++) {
    if (!aicc_dim_is_const(result->module->dims, lows[i], &low[i])) {
      return;
    }
  }
  for (int64_t i = 0; i < result->count; i++) {
    int64_t at[AICC_MAX_RANK];
    aicc_unravel(i, result->shape, result->rank, at);
    out[i] = padded_at(&x, &fill, low, at);
  }
}

static void reshape(const aicc_node *node, const elements *result, aicc_dim *out) {
  elements in;
  if (aicc_elements_of(result->module, node->in[0], &in) && in.count == result->count) {
    for (int64_t i = 0; i < in.count; i++) {
      out[i] = aicc_elements_at(&in, i);
    }
  }
}

bool aicc_partial_move(const aicc_node *node, const elements *result, aicc_dim *out) {
  switch (node->op) {
    case AICC_OP_RESHAPE: reshape(node, result, out); return true;
    case AICC_OP_CONCAT: concat(node, result, out); return true;
    case AICC_OP_PAD: pad(node, result, out); return true;
    default: break;
  }
  elements in[2];
  const source_fn find = source_of(node->op);
  if (!find) {
    return false;
  }
  for (int i = 0; i < node->in_count; i++) {
    if (!aicc_elements_of(result->module, node->in[i], &in[i])) {
      return true;
    }
  }
  for (int64_t i = 0; i < result->count; i++) {
    int64_t at[AICC_MAX_RANK] = {0}, from[AICC_MAX_RANK] = {0};
    aicc_unravel(i, result->shape, result->rank, at);
    if (find(node, in, at, from)) {
      out[i] = aicc_elements_at(&in[0], aicc_ravel(from, in[0].shape, in[0].rank));
    }
  }
  return true;
}

// --- reductions ----------------------------------------------------------------------------------

typedef aicc_dim (*fold_fn)(aicc_dims *dims, aicc_dim a, aicc_dim b);

static fold_fn fold_of(aicc_op op) {
  switch (op) {
    case AICC_OP_REDUCE_SUM: return aicc_dim_add;
    case AICC_OP_REDUCE_PROD: return aicc_dim_mul;
    case AICC_OP_REDUCE_MAX: return aicc_dim_max;
    case AICC_OP_REDUCE_MIN: return aicc_dim_min;
    default: return NULL;
  }
}

static void reduce(const aicc_node *node, const elements *in, const elements *result, fold_fn fold,
                   aicc_dim *out) {
  aicc_dims *dims = result->module->dims;
  int count = 0;
  int64_t kept[AICC_MAX_RANK];  // the operand's shape with folded axes of size 1
  const int64_t *axes = aicc_get_ints(node, AICC_ATTR_AXES, &count);
  memcpy(kept, in->shape, sizeof(kept));
  for (int i = 0; i < count; i++) {
    kept[axes[i]] = 1;
  }
  bool begun[AICC_PARTIAL_MAX] = {false};
  for (int64_t i = 0; i < in->count; i++) {
    int64_t at[AICC_MAX_RANK];
    aicc_unravel(i, in->shape, in->rank, at);
    for (int k = 0; k < in->rank; k++) {
      at[k] = kept[k] == 1 ? 0 : at[k];
    }
    const int64_t to = aicc_ravel(at, kept, in->rank);
    const aicc_dim item = aicc_elements_at(in, i);
    const bool known = item != AICC_DIM_NONE && (!begun[to] || out[to] != AICC_DIM_NONE);
    out[to] = !known ? AICC_DIM_NONE : begun[to] ? fold(dims, out[to], item) : item;
    begun[to] = true;
  }
  for (int64_t i = 0; i < result->count; i++) {
    const bool has_identity = node->op == AICC_OP_REDUCE_SUM || node->op == AICC_OP_REDUCE_PROD;
    if (!begun[i] && has_identity) {
      out[i] = aicc_dim_const(dims, node->op == AICC_OP_REDUCE_PROD);
    }
  }
}

static void cumulate(const aicc_node *node, const elements *in, aicc_dim *out) {
  aicc_dims *dims = in->module->dims;
  const int64_t axis = aicc_get_int(node, AICC_ATTR_AXIS, 0);
  const bool exclusive = aicc_get_int(node, AICC_ATTR_EXCLUSIVE, 0) != 0;
  const bool reverse = aicc_get_int(node, AICC_ATTR_REVERSE, 0) != 0;
  const bool product = strcmp(aicc_get_string(node, AICC_ATTR_OP, "sum"), "prod") == 0;
  for (int64_t i = 0; i < in->count; i++) {
    int64_t at[AICC_MAX_RANK];
    aicc_unravel(i, in->shape, in->rank, at);
    const int64_t position = at[axis];
    aicc_dim total = aicc_dim_const(dims, product);
    for (at[axis] = 0; at[axis] < in->shape[axis] && total != AICC_DIM_NONE; at[axis]++) {
      const bool before = reverse ? at[axis] > position : at[axis] < position;
      if (!before && (exclusive || at[axis] != position)) {
        continue;
      }
      const aicc_dim item = aicc_elements_at(in, aicc_ravel(at, in->shape, in->rank));
      total = item == AICC_DIM_NONE ? AICC_DIM_NONE
              : product             ? aicc_dim_mul(dims, total, item)
                                    : aicc_dim_add(dims, total, item);
    }
    out[i] = total;
  }
}

static aicc_dim count_nonzero(const elements *in) {
  aicc_dims *dims = in->module->dims;
  aicc_dim total = aicc_dim_const(dims, 0);
  for (int64_t i = 0; i < in->count; i++) {
    const aicc_dim item = aicc_elements_at(in, i);
    if (item == AICC_DIM_NONE) {
      return AICC_DIM_NONE;
    }
    const aicc_dim zero = aicc_dim_eq(dims, item, aicc_dim_const(dims, 0));
    total = aicc_dim_add(dims, total, aicc_dim_sub(dims, aicc_dim_const(dims, 1), zero));
  }
  return total;
}

bool aicc_partial_reduce(const aicc_node *node, const elements *result, aicc_dim *out) {
  elements in;
  const fold_fn fold = fold_of(node->op);
  const bool known_op = fold || node->op == AICC_OP_CUMULATE || node->op == AICC_OP_COUNT_NONZERO;
  if (!known_op || !aicc_elements_of(result->module, node->in[0], &in)) {
    return known_op;
  }
  if (fold) {
    reduce(node, &in, result, fold, out);
  } else if (node->op == AICC_OP_CUMULATE) {
    cumulate(node, &in, out);
  } else {
    out[0] = count_nonzero(&in);
  }
  return true;
}
