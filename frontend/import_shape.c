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

// --- reshape --------------------------------------------------------------------------------------

// Dimension |i| of the new shape before -1 is resolved: 0 copies the dimension of |x| there. An
// expression that cannot be negative is taken as it is, for a symbol that happens to be 0 copies
// nothing in any model seen.
static aicc_dim copied_dim(aicc_importer *im, const aicc_value *x, int i, bool zero_copies,
                           aicc_dim d) {
  int64_t lower = 0;
  aicc_dim_bounds(im->dims, d, &lower, NULL);
  const bool may_copy = aicc_dim_is(im->dims, d, 0) || lower < 0;
  if (!zero_copies || !may_copy || i >= x->type.rank) {
    return d;
  }
  const aicc_dim is_zero = aicc_dim_eq(im->dims, d, aicc_const_dim(im, 0));
  return aicc_dim_select(im->dims, is_zero, x->type.dims[i], d);
}

// |sizes| may hold constants, expressions that are sizes, and expressions that may be -1 or 0 when
// the model runs.
static aicc_status reshape_to(aicc_importer *im, const aicc_onnx_node *n, const aicc_dim *sizes,
                              int rank, bool zero_copies) {
  aicc_value *x = aicc_in(n, 0);
  const aicc_dim minus = aicc_const_dim(im, -1), one = aicc_const_dim(im, 1);
  aicc_dim dims[AICC_MAX_RANK], product = one;
  if (rank > AICC_MAX_RANK) {
    return aicc_unsupported(im, n, "a tensor of %d dimensions; the limit is %d", rank,
                            AICC_MAX_RANK);
  }
  int inferred = 0;
  for (int i = 0; i < rank; i++) {
    dims[i] = copied_dim(im, x, i, zero_copies, sizes[i]);
    inferred += aicc_dim_is(im->dims, dims[i], -1);
    const aicc_dim open = aicc_dim_eq(im->dims, dims[i], minus);
    product = aicc_dim_mul(im->dims, product, aicc_dim_select(im->dims, open, one, dims[i]));
  }
  if (inferred > 1) {
    return aicc_invalid(im, n, "more than one dimension of the new shape is -1");
  }
  const aicc_dim count = aicc_type_count(im->module, &x->type);
  const aicc_dim rest = aicc_dim_divide_exact(im->dims, count, product);
  for (int i = 0; i < rank; i++) {
    const aicc_dim open = aicc_dim_eq(im->dims, dims[i], minus);
    dims[i] = aicc_dim_clamp_size(im, aicc_dim_select(im->dims, open, rest, dims[i]));
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

// --- squeeze, unsqueeze, flatten ------------------------------------------------------------------

aicc_status import_squeeze(aicc_importer *im, const aicc_onnx_node *n, int axes_are_input) {
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_value *x = aicc_in(n, 0);
  int64_t axes[AICC_MAX_RANK];
  int count = 0, rank = 0;
  bool given = false;
  AICC_TRY(aicc_in_axes(im, n, "axes", axes_are_input ? 1 : -1, x->type.rank, axes, &count,
                        &given));
  bool drop[AICC_MAX_RANK] = {false};
  for (int i = 0; i < x->type.rank; i++) {
    drop[i] = count == 0 && aicc_dim_is(im->dims, x->type.dims[i], 1);
  }
  for (int i = 0; i < count; i++) {
    const aicc_dim d = x->type.dims[axes[i]];
    if (aicc_dim_is(im->dims, aicc_dim_eq(im->dims, d, aicc_const_dim(im, 1)), 0)) {
      return aicc_invalid(im, n, "dimension %lld is not 1, so it cannot be squeezed",
                          (long long)axes[i]);
    }
    drop[axes[i]] = true;
  }
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < x->type.rank; i++) {
    if (!drop[i]) {
      dims[rank++] = x->type.dims[i];
    }
  }
  return aicc_set_out(im, n, 0, aicc_b_reshape(&im->b, x, dims, rank));
}

aicc_status import_unsqueeze(aicc_importer *im, const aicc_onnx_node *n, int axes_are_input) {
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_value *x = aicc_in(n, 0);
  const int64_t *given = NULL;
  int64_t axes[AICC_MAX_RANK];
  int count = 0;
  if (axes_are_input) {
    AICC_TRY(aicc_in_ints(im, n, 1, "axes", &given, &count));
  } else {
    given = aicc_onnx_ints(n, "axes", &count);
  }
  const int rank = x->type.rank + count;
  if (rank > AICC_MAX_RANK) {
    return aicc_unsupported(im, n, "a tensor of %d dimensions; the limit is %d", rank,
                            AICC_MAX_RANK);
  }
  AICC_TRY(aicc_axes(im, n, given, count, rank, axes));
  aicc_dim dims[AICC_MAX_RANK] = {0};
  for (int i = 0; i < count; i++) {
    dims[axes[i]] = aicc_const_dim(im, 1);
  }
  for (int i = 0, from = 0; i < rank; i++) {
    if (dims[i] == AICC_DIM_NONE) {
      dims[i] = x->type.dims[from++];
    }
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

// --- expand, transpose ----------------------------------------------------------------------------

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
    wanted[i] = aicc_dim_clamp_size(im, sizes[i]);
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

// --- casts ----------------------------------------------------------------------------------------

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
