// One element of a value as scalar code: the recursion behind every fused kernel.
//
// lk_elem asks for element `index` of a value. Values from outside the group are loaded; the rest
// are computed from elements of their operands: elementwise operators apply their scalar, moves
// transform the index, paddings and concatenations set a guard under which nothing outside the
// operand is touched. 16-bit and 8-bit floats are computed in f32 and rounded once per operator, so
// that fusing changes no result.
#include <math.h>
#include <string.h>

#include "passes/lower.h"
#include "passes/lower_vector.h"

typedef kir_val (*elem_fn)(lower_kernel *lk, const aicc_node *node, const kir_val *index);

aicc_dtype lk_compute_type(aicc_dtype dtype) {
  return dtype == AICC_F16 || dtype == AICC_BF16 || aicc_dtype_kind_of(dtype) == AICC_KIND_FLOAT8
             ? AICC_F32
             : dtype;
}

kir_val lk_linear(lower_kernel *lk, const aicc_type *type, const kir_val *index) {
  kir_val linear = lk_i64(lk, 0);
  for (int i = 0; i < type->rank; i++) {
    linear = kir_add(&lk->b, kir_mul(&lk->b, linear, lk_dim(lk, type->dims[i])), index[i]);
  }
  return linear;
}

kir_val lk_load(lower_kernel *lk, kir_val buffer, aicc_dtype dtype, kir_val linear) {
  kir_val value;
  if (lk_vector_load_element(lk, buffer, dtype, linear, &value)) {
    return kir_cast(&lk->b, value, lk_compute_type(dtype), false);
  }
  value =
      lk->guard ? kir_load_or(&lk->b, buffer, linear, lk->guard, kir_const(&lk->b, dtype, 0))
                : kir_load(&lk->b, buffer, linear);
  return kir_cast(&lk->b, value, lk_compute_type(dtype), false);
}

void lk_store(lower_kernel *lk, kir_val buffer, aicc_dtype dtype, kir_val linear, kir_val value) {
  // What a cast to 8 bits made is representable; saturating again would lose its infinities.
  kir_store(&lk->b, buffer, linear, kir_cast(&lk->b, value, dtype, false));
}

aicc_op lk_fold_op(aicc_op reduce) {
  switch (reduce) {
    case AICC_OP_REDUCE_SUM: return AICC_OP_ADD;
    case AICC_OP_REDUCE_PROD: return AICC_OP_MUL;
    case AICC_OP_REDUCE_MAX: return AICC_OP_MAX;
    default: return AICC_OP_MIN;
  }
}

static kir_val int_limit(lower_kernel *lk, aicc_dtype dtype, bool largest) {
  const unsigned bits = aicc_dtype_table[dtype].bits;
  const bool is_signed = aicc_dtype_kind_of(dtype) == AICC_KIND_SIGNED;
  uint64_t value = is_signed ? (1ull << (bits - 1)) : 0;
  if (largest) {
    value = is_signed ? value - 1 : bits == 64 ? UINT64_MAX : (1ull << bits) - 1;
  } else if (is_signed) {
    value = ~(value - 1);  // sign-extended least value
  }
  return kir_const_bits(&lk->b, dtype, value);
}

kir_val lk_neutral(lower_kernel *lk, aicc_op reduce, aicc_dtype dtype) {
  const bool maximum = reduce == AICC_OP_REDUCE_MAX;
  if (reduce == AICC_OP_REDUCE_SUM || reduce == AICC_OP_REDUCE_PROD) {
    return kir_const(&lk->b, dtype, reduce == AICC_OP_REDUCE_PROD);
  }
  if (aicc_dtype_is_float(dtype)) {
    return kir_const(&lk->b, dtype, maximum ? -INFINITY : INFINITY);
  }
  return dtype == AICC_BOOL ? kir_const(&lk->b, dtype, !maximum)
                            : int_limit(lk, dtype, !maximum);
}

// --- indices -------------------------------------------------------------------------------------

// The index into an operand of type |from| that broadcasts to |to|.
static void operand_index(lower_kernel *lk, const aicc_type *from, const aicc_type *to,
                          const kir_val *index, kir_val *out) {
  aicc_dims *dims = lk->lw->module->dims;
  const int lead = to->rank - from->rank;
  for (int i = 0; i < from->rank; i++) {
    const aicc_dim dim = from->dims[i];
    if (aicc_dim_is(dims, dim, 1)) {
      out[i] = lk_i64(lk, 0);
    } else if (dim == to->dims[lead + i] || aicc_dim_is_const(dims, dim, NULL)) {
      out[i] = index[lead + i];
    } else {
      // A symbolic size that may be 1 when the model runs: then it broadcasts.
      const kir_val one = kir_scalar2(&lk->b, AICC_OP_EQ, lk_dim(lk, dim), lk_i64(lk, 1));
      out[i] = kir_mul(&lk->b, index[lead + i],
                       kir_select(&lk->b, one, lk_i64(lk, 0), lk_i64(lk, 1)));
    }
  }
}

typedef struct segment {
  int in_from, in_to, out_from, out_to;
} segment;

static bool extend_in(aicc_dims *dims, aicc_dim in, aicc_dim out) {
  int64_t a, b;
  if (aicc_dim_is_const(dims, in, &a) && aicc_dim_is_const(dims, out, &b)) {
    return a < b;
  }
  return aicc_dim_mul(dims, aicc_dim_floordiv(dims, out, in), in) == out;
}

// The next pair of dimension ranges with equal products.
static segment next_segment(aicc_dims *dims, const aicc_type *in, const aicc_type *out, int i,
                            int j) {
  segment s = {i, i, j, j};
  aicc_dim in_size = aicc_dim_const(dims, 1), out_size = in_size;
  do {
    const bool can_in = s.in_to < in->rank, can_out = s.out_to < out->rank;
    if (can_in &&
        (!can_out || s.in_to == i || (s.out_to > j && extend_in(dims, in_size, out_size)))) {
      in_size = aicc_dim_mul(dims, in_size, in->dims[s.in_to++]);
    } else if (can_out) {
      out_size = aicc_dim_mul(dims, out_size, out->dims[s.out_to++]);
    }
  } while (in_size != out_size && (s.in_to < in->rank || s.out_to < out->rank));
  return s;
}

static kir_val elem_reshape(lower_kernel *lk, const aicc_node *node, const kir_val *index) {
  const aicc_type *in = &node->in[0]->type, *out = &node->out[0]->type;
  kir_val source[AICC_MAX_RANK];
  for (int i = 0, j = 0; i < in->rank || j < out->rank;) {
    const segment s = next_segment(lk->lw->module->dims, in, out, i, j);
    i = s.in_to;
    j = s.out_to;
    const int in_rank = s.in_to - s.in_from, out_rank = s.out_to - s.out_from;
    if (in_rank == 1 && out_rank == 1) {
      source[s.in_from] = index[s.out_from];
      continue;
    }
    const aicc_type part = {.rank = out_rank, .dims = out->dims + s.out_from};
    kir_val extents[AICC_MAX_RANK];
    for (int k = 0; k < in_rank; k++) {
      extents[k] = lk_dim(lk, in->dims[s.in_from + k]);
    }
    lk_split(lk, lk_linear(lk, &part, index + s.out_from), extents, in_rank,
             source + s.in_from);
  }
  return lk_elem(lk, node->in[0], source);
}

static kir_val elem_transpose(lower_kernel *lk, const aicc_node *node, const kir_val *index) {
  int rank;
  const int64_t *perm = aicc_get_ints(node, AICC_ATTR_PERM, &rank);
  kir_val source[AICC_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    source[perm[i]] = index[i];
  }
  return lk_elem(lk, node->in[0], source);
}

static kir_val elem_broadcast(lower_kernel *lk, const aicc_node *node, const kir_val *index) {
  kir_val source[AICC_MAX_RANK];
  operand_index(lk, &node->in[0]->type, &node->out[0]->type, index, source);
  return lk_elem(lk, node->in[0], source);
}

static kir_val elem_slice(lower_kernel *lk, const aicc_node *node, const kir_val *index) {
  int rank, step_count;
  const aicc_dim *starts = aicc_get_dims(node, AICC_ATTR_STARTS, &rank);
  const int64_t *steps = aicc_get_ints(node, AICC_ATTR_STEPS, &step_count);
  kir_val source[AICC_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    const kir_val offset = steps ? kir_mul(&lk->b, index[i], lk_i64(lk, steps[i])) : index[i];
    source[i] = kir_add(&lk->b, offset, lk_dim(lk, starts[i]));
  }
  return lk_elem(lk, node->in[0], source);
}

// --- guarded elements: what lies outside an operand is not touched -------------------------------

static kir_val both(lower_kernel *lk, kir_val a, kir_val b) {
  return a ? kir_scalar2(&lk->b, AICC_OP_AND, a, b) : b;
}

static kir_val elem_guarded(lower_kernel *lk, const aicc_value *value, const kir_val *index,
                            kir_val guard, kir_val otherwise) {
  const kir_val saved = lk->guard;
  if (!guard) {
    return lk_elem(lk, value, index);
  }
  lk->guard = both(lk, saved, guard);
  const kir_val inside = lk_elem(lk, value, index);
  lk->guard = saved;
  return kir_select(&lk->b, guard, inside, otherwise);
}

// `0 <= i < size`, added to a guard; sides that hold for every i are left out by the caller.
static kir_val in_range(lower_kernel *lk, kir_val guard, kir_val i, kir_val size, bool low,
                        bool high) {
  if (low) {
    guard = both(lk, guard, kir_scalar2(&lk->b, AICC_OP_GE, i, lk_i64(lk, 0)));
  }
  if (high) {
    guard = both(lk, guard, kir_scalar2(&lk->b, AICC_OP_LT, i, size));
  }
  return guard;
}

static kir_val fill_value(lower_kernel *lk, const aicc_node *node) {
  const aicc_dtype type = lk_compute_type(node->out[0]->type.dtype);
  return node->in_count > 1 && node->in[1] ? lk_elem(lk, node->in[1], NULL)
                                           : kir_const(&lk->b, type, 0);
}

// Index |i| of a padded axis folded back into 0 .. size - 1.
static kir_val fold_index(lower_kernel *lk, const char *mode, kir_val i, kir_val size) {
  kir_builder *b = &lk->b;
  const kir_val zero = lk_i64(lk, 0), last = kir_sub(b, size, lk_i64(lk, 1));
  if (strcmp(mode, "edge") == 0) {
    return kir_scalar2(b, AICC_OP_MIN, kir_scalar2(b, AICC_OP_MAX, i, zero), last);
  }
  if (strcmp(mode, "wrap") == 0) {
    return kir_scalar2(b, AICC_OP_MOD, i, size);
  }
  // reflect: a triangle wave of period 2 * (size - 1)
  const kir_val period =
      kir_scalar2(b, AICC_OP_MAX, kir_mul(b, last, lk_i64(lk, 2)), lk_i64(lk, 1));
  const kir_val phase = kir_scalar2(b, AICC_OP_MOD, i, period);
  return kir_scalar2(b, AICC_OP_MIN, phase, kir_sub(b, period, phase));
}

static kir_val elem_pad(lower_kernel *lk, const aicc_node *node, const kir_val *index) {
  aicc_dims *dims = lk->lw->module->dims;
  const aicc_type *in = &node->in[0]->type, *out = &node->out[0]->type;
  const char *mode = aicc_get_string(node, AICC_ATTR_MODE, "constant");
  const bool constant = strcmp(mode, "constant") == 0;
  int rank;
  const aicc_dim *low = aicc_get_dims(node, AICC_ATTR_LOW, &rank);
  kir_val source[AICC_MAX_RANK], guard = 0;
  for (int i = 0; i < rank; i++) {
    source[i] = kir_sub(&lk->b, index[i], lk_dim(lk, low[i]));
    if (in->dims[i] == out->dims[i] && aicc_dim_is(dims, low[i], 0)) {
      continue;
    }
    const kir_val size = lk_dim(lk, in->dims[i]);
    if (!constant) {
      source[i] = fold_index(lk, mode, source[i], size);
      continue;
    }
    const aicc_dim end = aicc_dim_add(dims, low[i], in->dims[i]);
    guard = in_range(lk, guard, source[i], size,
                     !aicc_dim_ge(dims, aicc_dim_const(dims, 0), low[i]),
                     !aicc_dim_ge(dims, end, out->dims[i]));
  }
  return elem_guarded(lk, node->in[0], source, guard, fill_value(lk, node));
}

static kir_val elem_window(lower_kernel *lk, const aicc_node *node, const kir_val *index) {
  aicc_dims *dims = lk->lw->module->dims;
  const aicc_type *in = &node->in[0]->type, *out = &node->out[0]->type;
  int spatial, n;
  const int64_t *kernel = aicc_get_ints(node, AICC_ATTR_KERNEL, &spatial);
  const int64_t *strides = aicc_get_ints(node, AICC_ATTR_STRIDES, &n);
  const int64_t *dilations = aicc_get_ints(node, AICC_ATTR_DILATIONS, &n);
  const aicc_dim *pads = aicc_get_dims(node, AICC_ATTR_PADS, &n);
  const bool nhwc = strcmp(aicc_get_string(node, AICC_ATTR_LAYOUT, "nchw"), "nhwc") == 0;
  const int lead = nhwc ? 1 : in->rank - spatial;
  kir_val source[AICC_MAX_RANK], guard = 0;
  memcpy(source, index, (size_t)in->rank * sizeof *source);  // spatial ones are set below
  for (int i = 0; i < spatial; i++) {
    const int64_t stride = strides ? strides[i] : 1, dilation = dilations ? dilations[i] : 1;
    const aicc_dim pad = pads ? pads[i] : aicc_dim_const(dims, 0);
    const kir_val tap = kir_mul(&lk->b, index[in->rank + i], lk_i64(lk, dilation));
    const kir_val place = kir_mul(&lk->b, index[lead + i], lk_i64(lk, stride));
    source[lead + i] = kir_sub(&lk->b, kir_add(&lk->b, place, tap), lk_dim(lk, pad));
    // The largest position: (out - 1) * stride + (kernel - 1) * dilation - pad.
    const aicc_dim one = aicc_dim_const(dims, 1);
    aicc_dim most = aicc_dim_mul(dims, aicc_dim_sub(dims, out->dims[lead + i], one),
                                 aicc_dim_const(dims, stride));
    most = aicc_dim_add(dims, most, aicc_dim_const(dims, (kernel[i] - 1) * dilation + 1));
    most = aicc_dim_sub(dims, most, pad);
    guard = in_range(lk, guard, source[lead + i], lk_dim(lk, in->dims[lead + i]),
                     !aicc_dim_ge(dims, aicc_dim_const(dims, 0), pad),
                     !aicc_dim_ge(dims, in->dims[lead + i], most));
  }
  return elem_guarded(lk, node->in[0], source, guard, fill_value(lk, node));
}

static kir_val elem_concat(lower_kernel *lk, const aicc_node *node, const kir_val *index) {
  aicc_dims *dims = lk->lw->module->dims;
  const int axis = (int)aicc_get_int(node, AICC_ATTR_AXIS, 0);
  aicc_dim offset = aicc_dim_const(dims, 0);
  kir_val result = kir_const(&lk->b, lk_compute_type(node->out[0]->type.dtype), 0);
  for (int i = 0; i < node->in_count; i++) {
    const aicc_type *type = &node->in[i]->type;
    kir_val source[AICC_MAX_RANK];
    memcpy(source, index, (size_t)type->rank * sizeof *source);
    source[axis] = kir_sub(&lk->b, index[axis], lk_dim(lk, offset));
    const kir_val guard = in_range(lk, 0, source[axis], lk_dim(lk, type->dims[axis]), i > 0,
                                   i + 1 < node->in_count);
    result = elem_guarded(lk, node->in[i], source, guard, result);
    offset = aicc_dim_add(dims, offset, type->dims[axis]);
  }
  return result;
}

// --- gathers -------------------------------------------------------------------------------------

// A position from an index tensor: negative ones count from the end; then kept in range, so that a
// wrong model cannot read outside its memory.
static kir_val position(lower_kernel *lk, kir_val i, aicc_dim size) {
  kir_builder *b = &lk->b;
  const kir_val zero = lk_i64(lk, 0), n = lk_dim(lk, size);
  i = kir_cast(b, i, AICC_I64, false);
  i = kir_select(b, kir_scalar2(b, AICC_OP_LT, i, zero), kir_add(b, i, n), i);
  i = kir_scalar2(b, AICC_OP_MIN, i, kir_sub(b, n, lk_i64(lk, 1)));
  return kir_scalar2(b, AICC_OP_MAX, i, zero);
}

static kir_val elem_gather(lower_kernel *lk, const aicc_node *node, const kir_val *index) {
  const aicc_type *x = &node->in[0]->type;
  const int axis = (int)aicc_get_int(node, AICC_ATTR_AXIS, 0), wide = node->in[1]->type.rank;
  const kir_val at = lk_elem(lk, node->in[1], index + axis);
  kir_val source[AICC_MAX_RANK];
  for (int i = 0; i < x->rank; i++) {
    source[i] = i < axis ? index[i] : i == axis ? position(lk, at, x->dims[axis])
                                                : index[i - 1 + wide];
  }
  return lk_elem(lk, node->in[0], source);
}

static kir_val elem_gather_elements(lower_kernel *lk, const aicc_node *node,
                                    const kir_val *index) {
  const aicc_type *x = &node->in[0]->type;
  const int axis = (int)aicc_get_int(node, AICC_ATTR_AXIS, 0);
  kir_val source[AICC_MAX_RANK];
  memcpy(source, index, (size_t)x->rank * sizeof *source);
  source[axis] = position(lk, lk_elem(lk, node->in[1], index), x->dims[axis]);
  return lk_elem(lk, node->in[0], source);
}

static kir_val elem_gather_nd(lower_kernel *lk, const aicc_node *node, const kir_val *index) {
  const aicc_type *x = &node->in[0]->type, *indices = &node->in[1]->type;
  const int batch = (int)aicc_get_int(node, AICC_ATTR_BATCH_DIMS, 0);
  int64_t depth = 0;
  if (!aicc_dim_is_const(lk->lw->module->dims, indices->dims[indices->rank - 1], &depth)) {
    aicc_lower_unsupported(lk->lw, node, "the last dimension of gather_nd's indices must be known");
    return kir_const(&lk->b, lk_compute_type(x->dtype), 0);
  }
  kir_val source[AICC_MAX_RANK], place[AICC_MAX_RANK];
  memcpy(source, index, (size_t)batch * sizeof *source);
  memcpy(place, index, (size_t)(indices->rank - 1) * sizeof *place);
  for (int i = 0; i < (int)depth; i++) {
    place[indices->rank - 1] = lk_i64(lk, i);
    source[batch + i] = position(lk, lk_elem(lk, node->in[1], place), x->dims[batch + i]);
  }
  for (int i = batch + (int)depth; i < x->rank; i++) {
    source[i] = index[indices->rank - 1 + i - batch - (int)depth];
  }
  return lk_elem(lk, node->in[0], source);
}

static kir_val elem_reverse_sequence(lower_kernel *lk, const aicc_node *node,
                                     const kir_val *index) {
  kir_builder *b = &lk->b;
  const aicc_type *x = &node->in[0]->type;
  const int time = (int)aicc_get_int(node, AICC_ATTR_AXIS, 0);
  const int batch = (int)aicc_get_int(node, AICC_ATTR_BATCH_DIMS, 1);
  const kir_val length = kir_cast(b, lk_elem(lk, node->in[1], &index[batch]), AICC_I64, false);
  const kir_val mirrored = kir_sub(b, kir_sub(b, length, lk_i64(lk, 1)), index[time]);
  kir_val source[AICC_MAX_RANK];
  memcpy(source, index, (size_t)x->rank * sizeof *source);
  source[time] = kir_select(b, kir_scalar2(b, AICC_OP_LT, index[time], length), mirrored,
                            index[time]);
  return lk_elem(lk, node->in[0], source);
}

// --- reductions inside an element: small windows -------------------------------------------------

static kir_val elem_reduce(lower_kernel *lk, const aicc_node *node, const kir_val *index) {
  aicc_dims *dims = lk->lw->module->dims;
  const aicc_type *x = &node->in[0]->type;
  const bool keep = aicc_get_int(node, AICC_ATTR_KEEPDIMS, 1) != 0;
  int axis_count;
  const int64_t *axes = aicc_get_ints(node, AICC_ATTR_AXES, &axis_count);
  const aicc_dtype dtype = lk_compute_type(x->dtype);
  kir_val source[AICC_MAX_RANK];
  bool varying = false;
  for (int i = 0, a = 0, out = 0; i < x->rank; i++) {
    const bool reduced = a < axis_count && axes[a] == i;
    a += reduced;
    source[i] = reduced ? 0 : index[out];
    varying |= !reduced && lk->kernel->values[index[out]].varying;
    out += !reduced || keep;
  }
  varying |= lk->guard && lk->kernel->values[lk->guard].varying;
  const kir_val sum = kir_var(&lk->b, lk_neutral(lk, node->op, dtype), varying);
  const size_t mark = lk_mark(lk);
  int64_t extent = 1, dim;
  for (int a = 0; a < axis_count; a++) {
    const bool known = aicc_dim_is_const(dims, x->dims[axes[a]], &dim);
    extent = known && extent > 0 ? extent * dim : -1;
    const bool unroll = extent > 0 && extent <= 32;
    source[axes[a]] = lk_for(lk, unroll ? KIR_UNROLL : KIR_SERIAL, lk_i64(lk, 0),
                             lk_dim(lk, x->dims[axes[a]]));
  }
  const kir_val item = lk_elem(lk, node->in[0], source);
  kir_set(&lk->b, sum, kir_scalar2(&lk->b, lk_fold_op(node->op), kir_get(&lk->b, sum), item));
  for (int a = 0; a < axis_count; a++) {
    lk_end(lk);
  }
  lk_forget(lk, mark);
  return kir_get(&lk->b, sum);
}

// --- sources and elementwise ---------------------------------------------------------------------

static kir_val elem_iota(lower_kernel *lk, const aicc_node *node, const kir_val *index) {
  const int axis = (int)aicc_get_int(node, AICC_ATTR_AXIS, 0);
  const kir_val i = node->out[0]->type.rank ? index[axis] : lk_i64(lk, 0);
  return kir_cast(&lk->b, i, lk_compute_type(node->out[0]->type.dtype), false);
}

static kir_val elem_from_dims(lower_kernel *lk, const aicc_node *node, const kir_val *index) {
  int count;
  const aicc_dim *items = aicc_get_dims(node, AICC_ATTR_DIMS, &count);
  if (node->out[0]->type.rank == 0 || count == 1) {
    return lk_dim(lk, items[0]);
  }
  kir_val result = lk_i64(lk, 0);
  for (int i = count - 1; i >= 0; i--) {
    const kir_val here = kir_scalar2(&lk->b, AICC_OP_EQ, index[0], lk_i64(lk, i));
    result = kir_select(&lk->b, here, lk_dim(lk, items[i]), result);
  }
  return result;
}

static kir_val elem_cast(lower_kernel *lk, const aicc_node *node, kir_val x) {
  const aicc_dtype to = node->out[0]->type.dtype, from = node->in[0]->type.dtype;
  if (node->op == AICC_OP_BITCAST) {
    x = kir_bitcast(&lk->b, kir_cast(&lk->b, x, from, true), to);
  } else {
    x = kir_cast(&lk->b, x, to, aicc_get_int(node, AICC_ATTR_SATURATE, 1) != 0);
  }
  return kir_cast(&lk->b, x, lk_compute_type(to), false);
}

// Powers of integers wrap, whatever the type of the exponent: i64 keeps the bits that matter. Those
// with one integer and one float go through f64.
static kir_val elem_pow(lower_kernel *lk, const aicc_node *node, kir_val x, kir_val y) {
  const aicc_dtype type = lk_compute_type(node->out[0]->type.dtype);
  const aicc_dtype exponent = lk_compute_type(node->in[1]->type.dtype);
  const bool ints = aicc_dtype_is_int(type) && aicc_dtype_is_int(exponent);
  const aicc_dtype inner = aicc_dtype_is_float(type) || (ints && type == exponent) ? type
                           : ints                                                  ? AICC_I64
                                                                                   : AICC_F64;
  const kir_val power = kir_scalar2(&lk->b, AICC_OP_POW, kir_cast(&lk->b, x, inner, false),
                                    kir_cast(&lk->b, y, inner, false));
  return kir_cast(&lk->b, power, type, false);
}

static kir_val elem_eltwise(lower_kernel *lk, const aicc_node *node, const kir_val *index) {
  kir_val args[3] = {0};
  if ((node->op == AICC_OP_CAST || node->op == AICC_OP_SUB) &&
      lk_quantise(lk, node, index, &args[0])) {
    return args[0];
  }
  for (int i = 0; i < node->in_count; i++) {
    kir_val source[AICC_MAX_RANK];
    operand_index(lk, &node->in[i]->type, &node->out[0]->type, index, source);
    args[i] = lk_elem(lk, node->in[i], source);
  }
  switch (node->op) {
    case AICC_OP_CAST:
    case AICC_OP_BITCAST: return elem_cast(lk, node, args[0]);
    case AICC_OP_POW: return elem_pow(lk, node, args[0], args[1]);
    case AICC_OP_SELECT: return kir_select(&lk->b, args[0], args[1], args[2]);
    default: break;
  }
  return node->in_count == 1 ? kir_scalar1(&lk->b, node->op, args[0])
                             : kir_scalar2(&lk->b, node->op, args[0], args[1]);
}

kir_val lk_round(lower_kernel *lk, aicc_dtype dtype, kir_val value) {
  const aicc_dtype computed = lk_compute_type(dtype);
  return computed == dtype
             ? value
             : kir_cast(&lk->b, kir_cast(&lk->b, value, dtype, false), computed, false);
}

// Operators whose results are exact in their operands' type.
static bool is_exact(aicc_op op) {
  switch (op) {
    case AICC_OP_SELECT: case AICC_OP_MIN: case AICC_OP_MAX: case AICC_OP_NEG: case AICC_OP_ABS:
    case AICC_OP_SIGN: case AICC_OP_FLOOR: case AICC_OP_CEIL: case AICC_OP_ROUND:
    case AICC_OP_TRUNC: case AICC_OP_CAST: case AICC_OP_BITCAST: case AICC_OP_REDUCE_MAX:
    case AICC_OP_REDUCE_MIN: return true;
    default: return false;
  }
}

static elem_fn elem_rule(const aicc_node *node) {
  switch (node->op) {
    case AICC_OP_IOTA: return elem_iota;
    case AICC_OP_FROM_DIMS: return elem_from_dims;
    case AICC_OP_RESHAPE: return elem_reshape;
    case AICC_OP_TRANSPOSE: return elem_transpose;
    case AICC_OP_BROADCAST: return elem_broadcast;
    case AICC_OP_SLICE: return elem_slice;
    case AICC_OP_PAD: return elem_pad;
    case AICC_OP_CONCAT: return elem_concat;
    case AICC_OP_GATHER: return elem_gather;
    case AICC_OP_GATHER_ELEMENTS: return elem_gather_elements;
    case AICC_OP_GATHER_ND: return elem_gather_nd;
    case AICC_OP_WINDOW: return elem_window;
    case AICC_OP_REVERSE_SEQUENCE: return elem_reverse_sequence;
    default: break;
  }
  const aicc_op_kind kind = aicc_kind_of(node);
  return kind == AICC_KIND_ELTWISE ? elem_eltwise : kind == AICC_KIND_REDUCE ? elem_reduce : NULL;
}

static bool single_constant(lower_kernel *lk, const aicc_node *def, kir_val *out) {
  if (def->op != AICC_OP_CONST) {
    return false;
  }
  const aicc_tensor *tensor = aicc_get_tensor(def, AICC_ATTR_VALUE);
  if (aicc_dtype_kind_of(tensor->dtype) > AICC_KIND_FLOAT8) {
    return false;
  }
  for (int i = 0; i < tensor->rank; i++) {
    if (tensor->shape[i] != 1) {
      return false;
    }
  }
  const aicc_dtype type = lk_compute_type(tensor->dtype);
  *out = aicc_dtype_is_float(type) || type == AICC_BOOL
             ? kir_const(&lk->b, type, aicc_get_f64(tensor->dtype, tensor->data, 0))
             : kir_const_bits(&lk->b, type, (uint64_t)aicc_get_i64(tensor->dtype, tensor->data, 0));
  return true;
}

static kir_val find_bound(const lower_kernel *lk, const aicc_value *value) {
  for (size_t i = lk->bound_count; i > 0; i--) {
    if (lk->bound[i - 1] == value) {
      return lk->bound_to[i - 1];
    }
  }
  return 0;
}

// Equal constants have an id each time they are made.
static bool same_indices(const lower_kernel *lk, const kir_val *a, const kir_val *b, int rank) {
  for (int i = 0; i < rank; i++) {
    int64_t x, y;
    if (a[i] != b[i] && !(kir_is_const_i64(&lk->b, a[i], &x) &&
                          kir_is_const_i64(&lk->b, b[i], &y) && x == y)) {
      return false;
    }
  }
  return true;
}

static kir_val find_memo(const lower_kernel *lk, const aicc_value *value, const kir_val *index) {
  for (size_t i = lk->memo_count; i > 0; i--) {
    const lk_memo *memo = &lk->memo[i - 1];
    if (memo->value == value && memo->guard == lk->guard &&
        same_indices(lk, memo->index, index, value->type.rank)) {
      return memo->result;
    }
  }
  return 0;
}

kir_val lk_elem(lower_kernel *lk, const aicc_value *value, const kir_val *index) {
  kir_val result = find_bound(lk, value);
  if (!result && !lk->seek) {
    result = find_memo(lk, value, index);
  }
  const aicc_node *def = value->def;
  if (result || (def && single_constant(lk, def, &result))) {
    return result;
  }
  const bool inside = def && def->parent == lk->group;
  if (!inside && !(def && def->op == AICC_OP_FROM_DIMS)) {
    const kir_val buffer = lk_buffer(lk, aicc_lower_slot(lk->lw, value), KIR_READ);
    const kir_val linear = lk_linear(lk, &value->type, index);
    if (lk->seek) {
      *lk->seek = (lk_place){buffer, linear};
      return kir_const(&lk->b, lk_compute_type(value->type.dtype), 0);
    }
    result = lk_load(lk, buffer, value->type.dtype, linear);
  } else {
    const elem_fn rule = elem_rule(def);
    if (!rule) {
      aicc_lower_unsupported(lk->lw, def, "no rule computes its elements inside a fused kernel");
      return kir_const(&lk->b, lk_compute_type(value->type.dtype), 0);
    }
    result = rule(lk, def, index);
    const aicc_op_kind kind = aicc_kind_of(def);
    if ((kind == AICC_KIND_ELTWISE || kind == AICC_KIND_REDUCE) && !is_exact(def->op)) {
      result = lk_round(lk, value->type.dtype, result);
    }
  }
  if (lk->seek) {
    return result;
  }
  lk_memo memo = {.value = value, .guard = lk->guard, .result = result};
  if (value->type.rank) {
    memcpy(memo.index, index, (size_t)value->type.rank * sizeof *index);
  }
  AICC_PUSH(&lk->lw->plan->arena, lk->memo, lk->memo_count, lk->memo_capacity, memo);
  return result;
}
