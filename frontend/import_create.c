// Operators that make tensors: constants, ranges, masks.
#include <math.h>
#include <string.h>

#include "frontend/import_move.h"

// --- constants -----------------------------------------------------------------------------------

// |data| of the module's arena; a list has one dimension, a single element none.
static aicc_value *make_constant(aicc_importer *im, aicc_dtype dtype, const void *data, int count,
                                 bool list) {
  const int64_t shape[] = {count};
  const aicc_tensor tensor = {.dtype = dtype, .rank = list, .shape = shape, .data = data};
  return aicc_b_const(&im->b, &tensor);
}

static aicc_value *float_constant(aicc_importer *im, const aicc_onnx_node *n, bool list) {
  int count = 1;
  const float one = aicc_onnx_float(n, "value_float", 0);
  const float *items = list ? aicc_onnx_floats(n, "value_floats", &count) : &one;
  const size_t size = sizeof(float) * (size_t)count;
  void *data = aicc_arena_alloc(&im->module->arena, size);
  return make_constant(im, AICC_F32, size ? memcpy(data, items, size) : data, count, list);
}

static aicc_value *int_constant(aicc_importer *im, const aicc_onnx_node *n, bool list) {
  int count = 1;
  const int64_t one = aicc_onnx_int(n, "value_int", 0);
  const int64_t *items = list ? aicc_onnx_ints(n, "value_ints", &count) : &one;
  const size_t size = sizeof(int64_t) * (size_t)count;
  void *data = aicc_arena_alloc(&im->module->arena, size);
  return make_constant(im, AICC_I64, size ? memcpy(data, items, size) : data, count, list);
}

static aicc_value *string_constant(aicc_importer *im, const aicc_onnx_node *n, bool list) {
  const Onnx__AttributeProto *attr = aicc_onnx_attr(n, list ? "value_strings" : "value_string");
  const int count = list ? (int)attr->n_strings : 1;
  aicc_str *items = AICC_NEW_ARRAY(&im->module->arena, aicc_str, count);
  for (int i = 0; i < count; i++) {
    const ProtobufCBinaryData *bytes = list ? &attr->strings[i] : &attr->s;
    char *copy = aicc_arena_alloc(&im->module->arena, bytes->len + 1);
    if (bytes->len) {
      memcpy(copy, bytes->data, bytes->len);
    }
    items[i] = (aicc_str){copy, bytes->len};
  }
  return make_constant(im, AICC_STR, items, count, list);
}

aicc_status import_constant(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  static const char *const tensors[] = {"value", "sparse_value"};
  for (int i = 0; i < 2; i++) {
    bool present = false;
    const aicc_tensor *tensor = aicc_onnx_tensor_attr(n, tensors[i], &present);
    if (present) {
      return tensor ? aicc_set_out(im, n, 0, aicc_b_const(&im->b, tensor)) : AICC_INVALID;
    }
  }
  static const struct {
    const char *name;
    aicc_value *(*make)(aicc_importer *im, const aicc_onnx_node *n, bool list);
    bool list;
  } forms[] = {
      {"value_float", float_constant, false},   {"value_floats", float_constant, true},
      {"value_int", int_constant, false},       {"value_ints", int_constant, true},
      {"value_string", string_constant, false}, {"value_strings", string_constant, true},
  };
  for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
    if (aicc_onnx_has(n, forms[i].name)) {
      return aicc_set_out(im, n, 0, forms[i].make(im, n, forms[i].list));
    }
  }
  return aicc_invalid(im, n, "a constant without a value");
}

// The dimensions a shape input states. An unknown one is a size, so it is not negative.
static aicc_status shape_input(aicc_importer *im, const aicc_onnx_node *n, int i,
                               const aicc_dim **out, int *count) {
  const aicc_dim *given = NULL;
  AICC_TRY(aicc_in_dims(im, n, i, &given, count));
  if (*count > AICC_MAX_RANK) {
    return aicc_unsupported(im, n, "a tensor of %d dimensions; the limit is %d", *count,
                            AICC_MAX_RANK);
  }
  aicc_dim *dims = AICC_NEW_ARRAY(&im->scratch, aicc_dim, *count + 1);
  for (int k = 0; k < *count; k++) {
    dims[k] = aicc_dim_as_size(im, given[k]);
  }
  *out = dims;
  return AICC_OK;
}

aicc_status import_constant_of_shape(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  bool present = false;
  int rank = 0;
  const aicc_dim *dims = NULL;
  const aicc_tensor *tensor = aicc_onnx_tensor_attr(n, "value", &present);
  if (present && !tensor) {
    return AICC_INVALID;
  }
  AICC_TRY(shape_input(im, n, 0, &dims, &rank));
  aicc_value *value = tensor ? aicc_b_const(&im->b, tensor) : aicc_zero(im, AICC_F32);
  return aicc_set_out(im, n, 0,
                      aicc_b_broadcast(&im->b, aicc_as_scalar(im, value), dims, rank));
}

// --- ranges --------------------------------------------------------------------------------------

// max(0, ceil((limit - start) / delta)) as an expression; AICC_DIM_NONE: not known.
static aicc_dim range_length(aicc_importer *im, const aicc_onnx_node *n) {
  double v[3];
  bool numbers = true;
  aicc_dim d[3];
  for (int i = 0; i < 3; i++) {
    numbers = numbers && aicc_in_number(im, n, i, &v[i]);
    d[i] = aicc_in(n, i)->partial ? aicc_in(n, i)->partial[0] : AICC_DIM_NONE;
    if (d[i] == AICC_DIM_NONE && aicc_in_number(im, n, i, &v[i]) && v[i] == floor(v[i]) &&
        fabs(v[i]) < 0x1p53) {
      d[i] = aicc_const_dim(im, (int64_t)v[i]);
    }
  }
  if (numbers && aicc_dtype_is_float(aicc_in(n, 0)->type.dtype)) {
    const double count = v[2] == 0 ? 0 : ceil((v[1] - v[0]) / v[2]);
    return aicc_const_dim(im, count > 0 && count < 0x1p53 ? (int64_t)count : 0);
  }
  if (d[0] == AICC_DIM_NONE || d[1] == AICC_DIM_NONE || d[2] == AICC_DIM_NONE) {
    return AICC_DIM_NONE;
  }
  const aicc_dim span = aicc_dim_sub(im->dims, d[1], d[0]);
  return aicc_dim_clamp_size(im, aicc_dim_ceildiv(im->dims, span, d[2]));
}

// The length of a range of which nothing is known, found when the model runs.
static aicc_status measured_length(aicc_importer *im, aicc_value *const v[3], aicc_dim *out) {
  aicc_builder *b = &im->b;
  aicc_value *x[3];
  for (int i = 0; i < 3; i++) {
    x[i] = aicc_b_cast(b, v[i], AICC_F64);
  }
  aicc_value *span = aicc_b_binary(b, AICC_OP_SUB, x[1], x[0]);
  aicc_value *count = aicc_b_unary(b, AICC_OP_CEIL, aicc_b_binary(b, AICC_OP_DIV, span, x[2]));
  aicc_value *length = aicc_b_binary(b, AICC_OP_MAX, aicc_b_cast(b, count, AICC_I64),
                                     aicc_b_scalar_i64(b, AICC_I64, 0));
  const aicc_dim *dims = NULL;
  int items = 0;
  if (!length || !aicc_b_as_dims(b, length, &dims, &items)) {
    return AICC_INVALID;
  }
  if (aicc_dim_symbol_name(im->dims, dims[0])) {
    aicc_dim_set_lower(im->dims, dims[0], 0);
  }
  *out = dims[0];
  return AICC_OK;
}

static bool is_number(const aicc_value *x, double wanted) {
  const aicc_tensor *tensor = aicc_value_constant(x);
  return tensor && aicc_get_f64(tensor->dtype, tensor->data, 0) == wanted;
}

aicc_status import_range(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_value *v[3];
  for (int i = 0; i < 3; i++) {
    v[i] = aicc_as_scalar(im, aicc_in(n, i));
    if (!v[i]) {
      return AICC_INVALID;
    }
  }
  if (is_number(v[2], 0)) {
    return aicc_invalid(im, n, "the step is 0");
  }
  aicc_dim length = range_length(im, n);
  if (length == AICC_DIM_NONE) {
    AICC_TRY(measured_length(im, v, &length));
  }
  aicc_value *y = aicc_b_iota(&im->b, v[0]->type.dtype, &length, 1, 0);
  y = is_number(v[2], 1) ? y : aicc_b_binary(&im->b, AICC_OP_MUL, y, v[2]);
  y = is_number(v[0], 0) ? y : aicc_b_binary(&im->b, AICC_OP_ADD, y, v[0]);
  return aicc_set_out(im, n, 0, y);
}

// --- masks ---------------------------------------------------------------------------------------

// Column minus row of each element of the last two dimensions |dims|.
static aicc_value *diagonal_index(aicc_importer *im, const aicc_dim *dims) {
  aicc_value *row = aicc_b_iota(&im->b, AICC_I64, dims, 2, 0);
  aicc_value *column = aicc_b_iota(&im->b, AICC_I64, dims, 2, 1);
  return aicc_b_binary(&im->b, AICC_OP_SUB, column, row);
}

aicc_status import_eye_like(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  const aicc_value *x = aicc_in(n, 0);
  aicc_dtype dtype = x->type.dtype;
  const int64_t given = aicc_onnx_int(n, "dtype", aicc_dtype_table[dtype].onnx);
  if (x->type.rank != 2 || !aicc_dtype_from_onnx((int)given, &dtype)) {
    return aicc_invalid(im, n, "EyeLike needs a matrix and a known element type");
  }
  aicc_value *k = aicc_b_scalar_i64(&im->b, AICC_I64, aicc_onnx_int(n, "k", 0));
  aicc_value *on = aicc_b_binary(&im->b, AICC_OP_EQ, diagonal_index(im, x->type.dims), k);
  return aicc_set_out(im, n, 0, aicc_b_cast(&im->b, on, dtype));
}

aicc_status import_trilu(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_value *x = aicc_in(n, 0);
  const bool upper = aicc_onnx_int(n, "upper", 1) != 0;
  if (x->type.rank < 2) {
    return aicc_invalid(im, n, "Trilu needs at least two dimensions");
  }
  aicc_value *k = aicc_in(n, 1) ? aicc_as_scalar(im, aicc_in(n, 1))
                                : aicc_b_scalar_i64(&im->b, AICC_I64, 0);
  aicc_value *index = diagonal_index(im, x->type.dims + x->type.rank - 2);
  aicc_value *kept = aicc_b_binary(&im->b, upper ? AICC_OP_GE : AICC_OP_LE, index, k);
  return aicc_set_out(im, n, 0,
                      aicc_b_select(&im->b, kept, x, aicc_zero(im, x->type.dtype)));
}

aicc_status import_one_hot(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_builder *b = &im->b;
  aicc_value *indices = aicc_b_cast(b, aicc_in(n, 0), AICC_I64);
  const int rank = aicc_in(n, 0)->type.rank + 1;
  int axis = 0, count = 0;
  const aicc_dim *depth = NULL;
  AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "axis", -1), rank, &axis));
  aicc_value *size = aicc_as_scalar(im, aicc_b_cast(b, aicc_in(n, 1), AICC_I64));
  if (!size || !aicc_b_as_dims(b, size, &depth, &count)) {
    return AICC_INVALID;
  }
  const aicc_dim length = aicc_dim_as_size(im, depth[0]);
  aicc_value *wrapped = aicc_b_binary(b, AICC_OP_ADD, indices, aicc_b_from_dim(b, length));
  aicc_value *negative =
      aicc_b_binary(b, AICC_OP_LT, indices, aicc_b_scalar_i64(b, AICC_I64, 0));
  indices = aicc_b_unsqueeze(b, aicc_b_select(b, negative, wrapped, indices), axis);
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < rank && rank <= AICC_MAX_RANK; i++) {
    dims[i] = i == axis ? length : aicc_const_dim(im, 1);
  }
  if (!indices) {
    return AICC_INVALID;
  }
  aicc_value *hot =
      aicc_b_binary(b, AICC_OP_EQ, indices, aicc_b_iota(b, AICC_I64, dims, rank, axis));
  aicc_value *values[2];
  for (int i = 0; i < 2; i++) {
    values[i] = aicc_as_scalar(
        im, aicc_b_slice(b, aicc_in(n, 2), 0, aicc_const_dim(im, i), aicc_const_dim(im, 1), 1));
  }
  return aicc_set_out(im, n, 0, aicc_b_select(b, hot, values[1], values[0]));
}
