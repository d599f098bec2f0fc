// Shapes, views and casts.
#include <string.h>

#include "frontend/import_move.h"

static int clamp(int64_t value, int rank) {
  value = value < 0 ? value + rank : value;
  return value < 0 ? 0 : value > rank ? rank : (int)value;
}

aicc_status import_shape(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  const aicc_type *type = &aicc_in(n, 0)->type;
  const int start = clamp(aicc_onnx_int(n, "start", 0), type->rank);
  const int end = clamp(aicc_onnx_int(n, "end", type->rank), type->rank);
  const int count = end > start ? end - start : 0;
  return aicc_set_out(im, n, 0, aicc_b_from_dims(&im->b, type->dims + start, count));
}

aicc_status import_size(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  const aicc_dim count = aicc_type_count(im->module, &aicc_in(n, 0)->type);
  return aicc_set_out(im, n, 0, aicc_b_from_dim(&im->b, count));
}

aicc_status import_identity(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  return aicc_set_out(im, n, 0, aicc_in(n, 0));
}

// --- reshape -------------------------------------------------------------------------------------

// Whether |d| is -1 or 0 only as a marker that the model computes: never so for sizes, for a
// dimension that happens to be 0 copies nothing in any model seen.
static bool may_be_marker(const aicc_importer *im, aicc_dim d) {
  return aicc_dim_is_const(im->dims, d, NULL) || !aicc_dim_is_size(im->dims, d);
}

// 1 or 0, whether |d| is |marker|.
static aicc_dim is_marker(aicc_importer *im, aicc_dim d, int64_t marker) {
  return may_be_marker(im, d) ? aicc_dim_eq(im->dims, d, aicc_const_dim(im, marker))
                              : aicc_const_dim(im, 0);
}

// Dimension |i| of the new shape before -1 is resolved: 0 copies the dimension of |x| there.
static aicc_dim copied_dim(aicc_importer *im, const aicc_value *x, int i, bool zero_copies,
                           aicc_dim d) {
  return zero_copies && i < x->type.rank
             ? aicc_dim_select(im->dims, is_marker(im, d, 0), x->type.dims[i], d)
             : d;
}

// |sizes| may hold constants, expressions that are sizes, and expressions that may be -1 or 0 when
// the model runs.
static aicc_status reshape_to(aicc_importer *im, const aicc_onnx_node *n, const aicc_dim *sizes,
                              int rank, bool zero_copies) {
  aicc_value *x = aicc_in(n, 0);
  const aicc_dim one = aicc_const_dim(im, 1);
  aicc_dim dims[AICC_MAX_RANK], open[AICC_MAX_RANK], product = one;
  if (rank > AICC_MAX_RANK) {
    return aicc_unsupported(im, n, "a tensor of %d dimensions; the limit is %d", rank,
                            AICC_MAX_RANK);
  }
  int inferred = 0;
  for (int i = 0; i < rank; i++) {
    dims[i] = copied_dim(im, x, i, zero_copies, sizes[i]);
    inferred += aicc_dim_is(im->dims, dims[i], -1);
    open[i] = is_marker(im, sizes[i], -1);
    product = aicc_dim_mul(im->dims, product, aicc_dim_select(im->dims, open[i], one, dims[i]));
  }
  if (inferred > 1) {
    return aicc_invalid(im, n, "more than one dimension of the new shape is -1");
  }
  const aicc_dim count = aicc_type_count(im->module, &x->type);
  const aicc_dim rest = aicc_dim_divide_exact(im->dims, count, product);
  for (int i = 0; i < rank; i++) {
    dims[i] = aicc_dim_as_size(im, aicc_dim_select(im->dims, open[i], rest, dims[i]));
  }
  return aicc_set_out(im, n, 0, aicc_b_reshape(&im->b, x, dims, rank));
}

aicc_status import_reshape_attr(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  int count = 0;
  const int64_t *shape = aicc_onnx_ints(n, "shape", &count);
  aicc_dim *dims = AICC_NEW_ARRAY(&im->scratch, aicc_dim, count + 1);
  for (int i = 0; i < count; i++) {
    dims[i] = aicc_const_dim(im, shape[i]);
  }
  return reshape_to(im, n, dims, count, true);
}

// The shape input with its only unknown element as -1, where no other is: the number of elements
// says what it is, and nothing has to be read when the model runs. NULL: that is not so.
static const aicc_dim *with_one_open(aicc_importer *im, const aicc_value *shape, int64_t count) {
  aicc_dim *dims = AICC_NEW_ARRAY(&im->scratch, aicc_dim, count + 1);
  int open = 0;
  for (int64_t i = 0; i < count; i++) {
    dims[i] = shape->partial ? shape->partial[i] : AICC_DIM_NONE;
    if (dims[i] == AICC_DIM_NONE) {
      dims[i] = aicc_const_dim(im, -1);
    } else if (aicc_dim_is(im->dims, dims[i], 0)) {
      return NULL;  // the product may be 0
    }
    open += aicc_dim_is(im->dims, dims[i], -1);
  }
  return open == 1 ? dims : NULL;
}

aicc_status import_reshape(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_value *shape = aicc_in(n, 1);
  const bool zero_copies = aicc_onnx_int(n, "allowzero", 0) == 0;
  const aicc_dim *dims = NULL;
  int64_t length = 0;
  int count = 0;
  if (aicc_dim_is_const(im->dims, aicc_type_count(im->module, &shape->type), &length) &&
      length <= AICC_MAX_RANK) {
    dims = with_one_open(im, shape, length);
    count = (int)length;
  }
  if (!dims) {
    AICC_TRY(aicc_in_dims(im, n, 1, &dims, &count));
  }
  return reshape_to(im, n, dims, count, zero_copies);
}

// --- squeeze, unsqueeze, flatten -----------------------------------------------------------------

// The axes that Squeeze and Unsqueeze name, within |rank|; *out is NULL where none are given.
static aicc_status named_axes(aicc_importer *im, const aicc_onnx_node *n, bool are_input, int rank,
                              const aicc_dim **out, int *count) {
  if (are_input) {
    return aicc_in_axes_dims(im, n, 1, rank, out, count);
  }
  int64_t axes[AICC_MAX_RANK];
  const int64_t *given = aicc_onnx_ints(n, "axes", count);
  if (*count > rank) {
    return aicc_invalid(im, n, "%d axes for %d dimensions", *count, rank);
  }
  AICC_TRY(aicc_axes(im, n, given, *count, rank, axes));
  aicc_dim *dims = AICC_NEW_ARRAY(&im->scratch, aicc_dim, *count + 1);
  for (int i = 0; i < *count; i++) {
    dims[i] = aicc_const_dim(im, axes[i]);
  }
  *out = given ? dims : NULL;
  return AICC_OK;
}

// 1 or 0 for each of |rank| dimensions: whether an axis names it.
static void mark_axes(aicc_importer *im, const aicc_dim *axes, int count, int rank,
                      aicc_dim *marked) {
  for (int i = 0; i < rank; i++) {
    marked[i] = aicc_const_dim(im, 0);
    for (int k = 0; k < count; k++) {
      marked[i] = aicc_dim_max(im->dims, marked[i], aicc_axis_is(im, axes[k], rank, i));
    }
  }
}

// items[index], where |index| may be known only when the model runs.
static aicc_dim pick(aicc_importer *im, const aicc_dim *items, int count, aicc_dim index) {
  aicc_dim result = count > 0 ? items[count - 1] : aicc_const_dim(im, 1);
  for (int i = count - 2; i >= 0; i--) {
    const aicc_dim is_it = aicc_dim_eq(im->dims, index, aicc_const_dim(im, i));
    result = aicc_dim_select(im->dims, is_it, items[i], result);
  }
  return result;
}

// The |index|-th dimension of |x| that is not marked.
static aicc_dim unmarked_dim(aicc_importer *im, const aicc_value *x, const aicc_dim *marked,
                             int index) {
  const aicc_dim zero = aicc_const_dim(im, 0);
  aicc_dim before[AICC_MAX_RANK], kept = zero, result = aicc_const_dim(im, 1);
  for (int i = 0; i < x->type.rank; i++) {
    before[i] = kept;
    kept = aicc_dim_add(im->dims, kept, aicc_dim_eq(im->dims, marked[i], zero));
  }
  for (int i = x->type.rank - 1; i >= 0; i--) {
    const aicc_dim is_here = aicc_dim_eq(im->dims, before[i], aicc_const_dim(im, index));
    const aicc_dim is_kept = aicc_dim_eq(im->dims, marked[i], zero);
    result = aicc_dim_select(im->dims, aicc_dim_mul(im->dims, is_here, is_kept), x->type.dims[i],
                             result);
  }
  return result;
}

aicc_status import_squeeze(aicc_importer *im, const aicc_onnx_node *n, int axes_are_input) {
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_value *x = aicc_in(n, 0);
  const aicc_dim *axes = NULL;
  const aicc_dim one = aicc_const_dim(im, 1);
  int count = 0, rank = x->type.rank;
  AICC_TRY(named_axes(im, n, axes_are_input != 0, x->type.rank, &axes, &count));
  aicc_dim marked[AICC_MAX_RANK], dims[AICC_MAX_RANK];
  mark_axes(im, axes, count, x->type.rank, marked);
  for (int i = 0; i < x->type.rank; i++) {
    const aicc_dim d = x->type.dims[i];
    if (aicc_dim_is(im->dims, marked[i], 1) &&
        aicc_dim_is(im->dims, aicc_dim_eq(im->dims, d, one), 0)) {
      return aicc_invalid(im, n, "dimension %d is not 1, so it cannot be squeezed", i);
    }
    if (count == 0 && d == one) {  // no axes: all that are 1
      marked[i] = one;
      rank--;
    }
  }
  rank -= count;
  for (int i = 0; i < rank; i++) {
    dims[i] = unmarked_dim(im, x, marked, i);
  }
  return aicc_set_out(im, n, 0, aicc_b_reshape(&im->b, x, dims, rank));
}

aicc_status import_unsqueeze(aicc_importer *im, const aicc_onnx_node *n, int axes_are_input) {
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_value *x = aicc_in(n, 0);
  const aicc_dim *axes = NULL;
  int64_t length = 0;
  int count = 0;
  if (!axes_are_input) {
    aicc_onnx_ints(n, "axes", &count);
    length = count;
  } else if (!aicc_dim_is_const(im->dims,
                                aicc_type_count(im->module, &aicc_in(n, 1)->type), &length)) {
    return aicc_unsupported(im, n, "a number of axes that is not known at compile time");
  }
  if (length > AICC_MAX_RANK - x->type.rank) {
    return aicc_unsupported(im, n, "a tensor of more than %d dimensions", AICC_MAX_RANK);
  }
  const int rank = x->type.rank + (int)length;
  AICC_TRY(named_axes(im, n, axes_are_input != 0, rank, &axes, &count));
  aicc_dim marked[AICC_MAX_RANK], dims[AICC_MAX_RANK], from = aicc_const_dim(im, 0);
  mark_axes(im, axes, count, rank, marked);
  for (int i = 0; i < rank; i++) {
    dims[i] = aicc_dim_select(im->dims, marked[i], aicc_const_dim(im, 1),
                              pick(im, x->type.dims, x->type.rank, from));
    const aicc_dim kept = aicc_dim_sub(im->dims, aicc_const_dim(im, 1), marked[i]);
    from = aicc_dim_add(im->dims, from, kept);
  }
  return aicc_set_out(im, n, 0, aicc_b_reshape(&im->b, x, dims, rank));
}

aicc_status import_flatten(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_value *x = aicc_in(n, 0);
  const int rank = x->type.rank;
  const int64_t given = aicc_onnx_int(n, "axis", 1);
  if (given < -rank || given > rank) {
    return aicc_invalid(im, n, "axis %lld is out of range for %d dimensions", (long long)given,
                        rank);
  }
  const int axis = (int)(given < 0 ? given + rank : given);
  const aicc_dim dims[] = {aicc_dim_product(im->dims, x->type.dims, axis),
                           aicc_dim_product(im->dims, x->type.dims + axis, rank - axis)};
  return aicc_set_out(im, n, 0, aicc_b_reshape(&im->b, x, dims, 2));
}

// --- expand, transpose ---------------------------------------------------------------------------

aicc_status import_expand(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_value *x = aicc_in(n, 0);
  const aicc_dim *sizes = NULL;
  aicc_dim wanted[AICC_MAX_RANK], dims[AICC_MAX_RANK];
  int count = 0, rank = 0;
  AICC_TRY(aicc_in_dims(im, n, 1, &sizes, &count));
  if (count > AICC_MAX_RANK) {
    return aicc_unsupported(im, n, "a tensor of %d dimensions; the limit is %d", count,
                            AICC_MAX_RANK);
  }
  for (int i = 0; i < count; i++) {
    wanted[i] = aicc_dim_as_size(im, sizes[i]);
  }
  const aicc_type type = {.dims = wanted, .rank = count};
  if (!aicc_dims_broadcast(im->module, &x->type, &type, dims, &rank)) {
    const aicc_type to = aicc_type_tensor(im->module, x->type.dtype, wanted, count);
    return aicc_invalid(im, n, "%s does not broadcast to %s",
                        aicc_type_print(im->module, &x->type, &im->scratch),
                        aicc_type_print(im->module, &to, &im->scratch));
  }
  return aicc_set_out(im, n, 0, aicc_b_broadcast(&im->b, x, dims, rank));
}

aicc_status import_transpose(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_value *x = aicc_in(n, 0);
  int64_t perm[AICC_MAX_RANK];
  int count = 0;
  const int64_t *given = aicc_onnx_ints(n, "perm", &count);
  if (given && count != x->type.rank) {
    return aicc_invalid(im, n, "perm has %d entries for %d dimensions", count, x->type.rank);
  }
  for (int i = 0; !given && i < x->type.rank; i++) {
    perm[i] = x->type.rank - 1 - i;
  }
  if (given) {
    AICC_TRY(aicc_axes(im, n, given, count, x->type.rank, perm));
  }
  return aicc_set_out(im, n, 0, aicc_b_transpose(&im->b, x, perm));
}

// --- casts ---------------------------------------------------------------------------------------

static aicc_status cast_to(aicc_importer *im, const aicc_onnx_node *n, aicc_dtype to) {
  const int64_t saturate = aicc_onnx_int(n, "saturate", 1);
  const char *rounding = aicc_onnx_string(n, "round_mode", "up");
  if (to == AICC_F8E8M0 && strcmp(rounding, "up") != 0) {
    return aicc_unsupported(im, n, "round_mode '%s' in a cast to f8e8m0", rounding);
  }
  aicc_value *x = aicc_in(n, 0), *y = aicc_b_cast(&im->b, x, to);
  if (y && y != x && !saturate && aicc_dtype_kind_of(to) == AICC_KIND_FLOAT8) {
    aicc_set_int(im->module, y->def, AICC_ATTR_SATURATE, 0);
  }
  return aicc_set_out(im, n, 0, y);
}

// Before version 6, the type is given by its name in TensorProto.
static aicc_status named_dtype(aicc_importer *im, const aicc_onnx_node *n, aicc_dtype *out) {
  static const struct {
    const char *name;
    aicc_dtype dtype;
  } names[] = {
      {"FLOAT", AICC_F32},  {"DOUBLE", AICC_F64}, {"FLOAT16", AICC_F16}, {"INT8", AICC_I8},
      {"INT16", AICC_I16},  {"INT32", AICC_I32},  {"INT64", AICC_I64},   {"UINT8", AICC_U8},
      {"UINT16", AICC_U16}, {"UINT32", AICC_U32}, {"UINT64", AICC_U64},  {"BOOL", AICC_BOOL},
  };
  const char *name = aicc_onnx_string(n, "to", "");
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (strcmp(names[i].name, name) == 0) {
      *out = names[i].dtype;
      return AICC_OK;
    }
  }
  return aicc_unsupported(im, n, "a cast to '%s'", name);
}

static aicc_status dtype_attr(aicc_importer *im, const aicc_onnx_node *n, aicc_dtype *out) {
  const int64_t to = aicc_onnx_int(n, "to", 0);
  return to >= 0 && to <= 1000 && aicc_dtype_from_onnx((int)to, out)
             ? AICC_OK
             : aicc_unsupported(im, n, "a cast to element type %lld", (long long)to);
}

aicc_status import_cast(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_dtype to = AICC_F32;
  AICC_TRY(aicc_need_tensors(im, n));
  if (n->opset < 6) {
    AICC_TRY(named_dtype(im, n, &to));
  } else {
    AICC_TRY(dtype_attr(im, n, &to));
  }
  return cast_to(im, n, to);
}

aicc_status import_cast_like(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  return cast_to(im, n, aicc_in(n, 1)->type.dtype);
}

aicc_status import_bit_cast(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_dtype to = AICC_F32;
  AICC_TRY(aicc_need_tensors(im, n));
  AICC_TRY(dtype_attr(im, n, &to));
  aicc_value *x = aicc_in(n, 0);
  if (x->type.dtype == to) {
    return aicc_set_out(im, n, 0, x);
  }
  aicc_node *node = aicc_node_create(im->module, AICC_OP_BITCAST, &x, 1, 1);
  aicc_set_dtype(im->module, node, AICC_ATTR_TO, to);
  return aicc_set_out(im, n, 0, aicc_b_finish(&im->b, node));
}
