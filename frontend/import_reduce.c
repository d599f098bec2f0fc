// Reductions.
#include <math.h>

#include "frontend/import_reduce.h"

#include "frontend/import_float.h"

// Which dimensions are reduced: listed, or, where only the running model knows, an expression each.
typedef struct axes {
  int64_t items[AICC_MAX_RANK];
  int count;
  bool keepdims;
  bool at_run_time;
  aicc_dim hit[AICC_MAX_RANK];  // at run time, for each dimension of the tensor: 1 or 0
} axes;

// Axes that are data: dimension i is hit where one of them is i, counted from either end.
static aicc_status read_runtime_axes(aicc_importer *im, const aicc_onnx_node *n, int rank,
                                     axes *out) {
  const aicc_dim *items;
  aicc_dims *dims = im->dims;
  AICC_TRY(aicc_in_dims(im, n, 1, &items, &out->count));
  out->at_run_time = true;
  for (int i = 0; i < rank; i++) {
    out->hit[i] = aicc_dim_const(dims, 0);
    for (int k = 0; k < out->count; k++) {
      const aicc_dim size = aicc_dim_const(dims, rank);
      const aicc_dim axis = aicc_dim_mod(dims, aicc_dim_add(dims, items[k], size), size);
      const aicc_dim same = aicc_dim_eq(dims, axis, aicc_dim_const(dims, i));
      out->hit[i] = aicc_dim_max(dims, out->hit[i], same);
    }
  }
  return AICC_OK;
}

// The axes of input 1 or of the attribute; none: all, or with noop_with_empty_axes really none.
static aicc_status read_axes(aicc_importer *im, const aicc_onnx_node *n, axes *out) {
  const int rank = aicc_in(n, 0)->type.rank;
  const int64_t *items;
  int count;
  *out = (axes){.keepdims = aicc_onnx_int(n, "keepdims", 1) != 0};
  const bool noop = aicc_onnx_int(n, "noop_with_empty_axes", 0) != 0;
  if (n->in_count == 1) {
    items = aicc_onnx_ints(n, "axes", &count);
  } else if (aicc_in_known(im, n, 1)) {
    AICC_TRY(aicc_in_ints(im, n, 1, "axes", &items, &count));
  } else {
    return read_runtime_axes(im, n, rank, out);
  }
  if (count > rank) {
    return aicc_invalid(im, n, "more axes than the tensor has dimensions");
  }
  AICC_TRY(aicc_axes(im, n, items, count, rank, out->items));
  out->count = count;
  for (int i = 0; count == 0 && !noop && i < rank; i++) {
    out->items[out->count++] = i;
  }
  return AICC_OK;
}

// Folds |axis| where |hit| is 1: the result is put behind x, and a slice takes the one or the
// other.
static aicc_value *reduce_if(aicc_importer *im, aicc_op op, aicc_value *x, int axis,
                             aicc_dim hit) {
  if (!x) {
    return NULL;
  }
  const int64_t item = axis;
  const aicc_dim size = x->type.dims[axis], zero = aicc_dim_const(im->dims, 0);
  aicc_value *const both[] = {x, aicc_b_reduce(&im->b, op, x, &item, 1, true)};
  return aicc_b_slice(&im->b, aicc_b_concat(&im->b, both, 2, axis), axis,
                      aicc_dim_select(im->dims, hit, size, zero),
                      aicc_dim_select(im->dims, hit, aicc_dim_const(im->dims, 1), size), 1);
}

// At run time the reduced dimensions are always kept; drop_dims comes last.
static aicc_value *reduce(aicc_importer *im, aicc_op op, aicc_value *x, const axes *a) {
  if (!a->at_run_time) {
    return aicc_b_reduce(&im->b, op, x, a->items, a->count, a->keepdims);
  }
  for (int i = 0; x && i < x->type.rank; i++) {
    x = reduce_if(im, op, x, i, a->hit[i]);
  }
  return x;
}

// Result dimension |at| where the |hit| ones of |type| are dropped: the one that has |at| others
// before it.
static aicc_dim kept_dim(aicc_importer *im, const aicc_type *type, const aicc_dim *hit, int at) {
  aicc_dims *dims = im->dims;
  const aicc_dim one = aicc_dim_const(dims, 1);
  aicc_dim before = aicc_dim_const(dims, 0), sum = before;
  for (int i = 0; i < type->rank; i++) {
    const aicc_dim kept = aicc_dim_sub(dims, one, hit[i]);
    const aicc_dim here = aicc_dim_eq(dims, before, aicc_dim_const(dims, at));
    const aicc_dim chosen = aicc_dim_mul(dims, kept, here);
    sum = aicc_dim_add(dims, sum, aicc_dim_mul(dims, chosen, type->dims[i]));
    before = aicc_dim_add(dims, before, kept);
  }
  return sum;
}

static aicc_value *drop_dims(aicc_importer *im, aicc_value *y, const aicc_type *type,
                             const axes *a) {
  if (!a->at_run_time || a->keepdims) {
    return y;
  }
  aicc_dim dims[AICC_MAX_RANK];
  const int rank = type->rank - a->count;
  for (int i = 0; i < rank; i++) {
    dims[i] = kept_dim(im, type, a->hit, i);
  }
  return aicc_b_reshape(&im->b, y, dims, rank < 0 ? 0 : rank);
}

// |product| of sizes as a scalar of x's type.
static aicc_value *count_value(aicc_importer *im, const aicc_value *x, aicc_dim product) {
  int64_t number;
  if (aicc_dim_is_const(im->dims, product, &number)) {
    return aicc_b_scalar_like(&im->b, x, (double)number);
  }
  return aicc_b_cast(&im->b, aicc_b_from_dim(&im->b, product), x->type.dtype);
}

aicc_value *aicc_reduced_count(aicc_importer *im, const aicc_value *x, const int64_t *axes_,
                               int count) {
  if (!x) {
    return NULL;
  }
  aicc_dim product = aicc_dim_const(im->dims, 1);
  for (int i = 0; i < count; i++) {
    product = aicc_dim_mul(im->dims, product, x->type.dims[axes_[i]]);
  }
  return count_value(im, x, product);
}

// log(sum(exp(x - m))) + m, where m is the greatest element, or 0 where that is infinite.
static aicc_value *log_sum_exp(aicc_importer *im, aicc_value *x, const axes *a) {
  axes kept = *a;
  kept.keepdims = true;
  aicc_value *most = reduce(im, AICC_OP_REDUCE_MAX, x, &kept);
  aicc_value *size = aicc_f_unary(im, AICC_OP_ABS, most);
  aicc_value *infinite = aicc_f_compare_c(im, AICC_OP_EQ, size, (double)INFINITY);
  most = aicc_b_select(&im->b, infinite, aicc_b_scalar_like(&im->b, most, 0), most);
  aicc_value *powers = aicc_f_unary(im, AICC_OP_EXP, aicc_f_sub(im, x, most));
  aicc_value *sum = reduce(im, AICC_OP_REDUCE_SUM, powers, &kept);
  aicc_value *y = aicc_f_add(im, aicc_f_unary(im, AICC_OP_LOG, sum), most);
  if (!y || a->keepdims || a->at_run_time) {
    return y;
  }
  aicc_dim dims[AICC_MAX_RANK];
  const int rank = aicc_dims_without(&x->type, a->items, a->count, dims);
  return aicc_b_reshape(&im->b, y, dims, rank);
}

int aicc_dims_without(const aicc_type *type, const int64_t *axes_, int count, aicc_dim *out) {
  int rank = 0;
  for (int i = 0; i < type->rank; i++) {
    bool left_out = false;
    for (int k = 0; k < count; k++) {
      left_out = left_out || axes_[k] == i;
    }
    if (!left_out) {
      out[rank++] = type->dims[i];
    }
  }
  return rank;
}

static aicc_value *mean(aicc_importer *im, aicc_value *x, const axes *a) {
  aicc_value *sum = reduce(im, AICC_OP_REDUCE_SUM, x, a);
  if (!sum || !a->at_run_time) {
    return aicc_f_div(im, sum, aicc_reduced_count(im, x, a->items, a->count));
  }
  const aicc_dim one = aicc_dim_const(im->dims, 1);
  aicc_dim product = one;
  for (int i = 0; i < x->type.rank; i++) {
    const aicc_dim factor = aicc_dim_select(im->dims, a->hit[i], x->type.dims[i], one);
    product = aicc_dim_mul(im->dims, product, factor);
  }
  return aicc_f_div(im, sum, count_value(im, x, product));
}

static aicc_value *sum_square(aicc_importer *im, aicc_value *x, const axes *a) {
  return reduce(im, AICC_OP_REDUCE_SUM, aicc_f_mul(im, x, x), a);
}

// |x| in the type to compute |kind| in: logarithms and roots of integers are computed as floats.
static aicc_value *prepare(aicc_importer *im, aicc_value *x, aicc_import_reduction kind) {
  const bool is_int = aicc_dtype_is_int(x->type.dtype);
  if (is_int && (kind == AICC_IMPORT_L2 || kind == AICC_IMPORT_LOG_SUM ||
                 kind == AICC_IMPORT_LOG_SUM_EXP)) {
    return aicc_b_cast(&im->b, x, AICC_F64);
  }
  if (x->type.dtype == AICC_BOOL) {
    return aicc_b_cast(&im->b, x, AICC_U8);
  }
  return aicc_widen(im, x);
}

static aicc_value *reduce_as(aicc_importer *im, aicc_import_reduction kind, aicc_value *x,
                             const axes *a) {
  switch (kind) {
    case AICC_IMPORT_SUM: return reduce(im, AICC_OP_REDUCE_SUM, x, a);
    case AICC_IMPORT_MAX: return reduce(im, AICC_OP_REDUCE_MAX, x, a);
    case AICC_IMPORT_MIN: return reduce(im, AICC_OP_REDUCE_MIN, x, a);
    case AICC_IMPORT_PROD: return reduce(im, AICC_OP_REDUCE_PROD, x, a);
    case AICC_IMPORT_MEAN: return mean(im, x, a);
    case AICC_IMPORT_L1:
      return reduce(im, AICC_OP_REDUCE_SUM, aicc_f_unary(im, AICC_OP_ABS, x), a);
    case AICC_IMPORT_L2: return aicc_f_unary(im, AICC_OP_SQRT, sum_square(im, x, a));
    case AICC_IMPORT_SUM_SQUARE: return sum_square(im, x, a);
    case AICC_IMPORT_LOG_SUM:
      return aicc_f_unary(im, AICC_OP_LOG, reduce(im, AICC_OP_REDUCE_SUM, x, a));
    case AICC_IMPORT_LOG_SUM_EXP: return log_sum_exp(im, x, a);
  }
  return NULL;
}

aicc_status import_reduce(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  const aicc_import_reduction kind = (aicc_import_reduction)payload;
  axes a;
  AICC_TRY(read_axes(im, n, &a));
  // What is one operator of the graph accumulates in f32 by itself.
  const bool single = kind <= AICC_IMPORT_PROD && aicc_in(n, 0)->type.dtype != AICC_BOOL;
  aicc_value *x = single ? aicc_in(n, 0) : prepare(im, aicc_in(n, 0), kind);
  aicc_value *y = reduce_as(im, kind, x, &a);
  return aicc_set_out_like_in(im, n, drop_dims(im, y, &aicc_in(n, 0)->type, &a));
}

aicc_status import_arg(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  aicc_value *x = aicc_in(n, 0);
  int axis;
  AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "axis", 0), x->type.rank, &axis));
  const bool keepdims = aicc_onnx_int(n, "keepdims", 1) != 0;
  const bool last = aicc_onnx_int(n, "select_last_index", 0) != 0;
  return aicc_set_out(im, n, 0, aicc_b_arg(&im->b, (aicc_op)payload, x, axis, keepdims, last));
}
