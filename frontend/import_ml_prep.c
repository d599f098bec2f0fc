// Preparing features: scaling, filling in, encoding.
#include <math.h>
#include <string.h>

#include "frontend/import_ml.h"

static aicc_value *as_float(aicc_importer *im, aicc_value *x) {
  return aicc_dtype_is_float(x->type.dtype) ? x : aicc_b_cast(&im->b, x, AICC_F32);
}

// A list that runs along the last dimension, or has one element for all.
static aicc_status check_columns(aicc_importer *im, const aicc_onnx_node *n, const aicc_value *x,
                                 int count, const char *what) {
  int64_t columns;
  const int rank = x->type.rank;
  if (count == 1 || (rank > 0 && aicc_dim_is_const(im->dims, x->type.dims[rank - 1], &columns) &&
                     columns == count)) {
    return AICC_OK;
  }
  return rank > 0 && count > 1 && !aicc_dim_is_const(im->dims, x->type.dims[rank - 1], NULL)
             ? AICC_OK
             : aicc_invalid(im, n, "'%s' has %d entries for the input's columns", what, count);
}

aicc_status import_scaler(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0);
  AICC_TRY(aicc_need_tensors(im, n));
  int offsets, scales;
  const float *offset = aicc_onnx_floats(n, "offset", &offsets);
  const float *scale = aicc_onnx_floats(n, "scale", &scales);
  x = as_float(im, x);
  if (x && offsets) {
    AICC_TRY(check_columns(im, n, x, offsets, "offset"));
    x = aicc_sub(b, x, aicc_ml_floats(im, x->type.dtype, offset, offsets));
  }
  if (x && scales) {
    AICC_TRY(check_columns(im, n, x, scales, "scale"));
    x = aicc_mul(b, x, aicc_ml_floats(im, x->type.dtype, scale, scales));
  }
  return aicc_set_out(im, n, 0, x ? aicc_b_cast(b, x, AICC_F32) : NULL);
}

aicc_status import_imputer(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0), *by, *missing;
  AICC_TRY(aicc_need_tensors(im, n));
  const aicc_dtype dtype = x->type.dtype;
  int floats, ints;
  const float *float_values = aicc_onnx_floats(n, "imputed_value_floats", &floats);
  const int64_t *int_values = aicc_onnx_ints(n, "imputed_value_int64s", &ints);
  const float old_float = aicc_onnx_float(n, "replaced_value_float", 0);
  const int64_t old_int = aicc_onnx_int(n, "replaced_value_int64", 0);
  if (aicc_dtype_is_float(dtype) ? floats == 0 : ints == 0) {
    return aicc_invalid(im, n, "no imputed values for an input of type %s",
                        aicc_dtype_name(dtype));
  }
  if (aicc_dtype_is_float(dtype)) {
    AICC_TRY(check_columns(im, n, x, floats, "imputed_value_floats"));
    by = aicc_ml_floats(im, dtype, float_values, floats);
    missing = isnan(old_float) ? aicc_b_unary(b, AICC_OP_ISNAN, x)
                               : aicc_b_binary(b, AICC_OP_EQ, x,
                                               aicc_b_scalar_like(b, x, (double)old_float));
  } else {
    AICC_TRY(check_columns(im, n, x, ints, "imputed_value_int64s"));
    by = aicc_ml_i64s(im, dtype, int_values, ints);
    missing = aicc_b_binary(b, AICC_OP_EQ, x, aicc_b_scalar_i64(b, dtype, old_int));
  }
  return aicc_set_out(im, n, 0, aicc_b_select(b, missing, by, x));
}

aicc_status import_binarizer(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_value *x = aicc_in(n, 0);
  AICC_TRY(aicc_need_tensors(im, n));
  const double threshold = (double)aicc_onnx_float(n, "threshold", 0);
  aicc_value *above = aicc_b_binary(&im->b, AICC_OP_GT, x,
                                    aicc_b_scalar_like(&im->b, x, threshold));
  return aicc_set_out(im, n, 0, above ? aicc_b_cast(&im->b, above, x->type.dtype) : NULL);
}

aicc_status import_normalizer(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  const char *norm = aicc_onnx_string(n, "norm", "MAX");
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_value *x = as_float(im, aicc_in(n, 0)), *by;
  if (!x || x->type.rank < 1) {
    return aicc_invalid(im, n, "the input has no columns");
  }
  const int64_t axes[] = {x->type.rank - 1};
  if (strcmp(norm, "L2") == 0) {
    by = aicc_b_reduce(b, AICC_OP_REDUCE_SUM, aicc_mul(b, x, x), axes, 1, true);
    by = aicc_b_unary(b, AICC_OP_SQRT, by);
  } else if (strcmp(norm, "L1") == 0) {
    by = aicc_b_reduce(b, AICC_OP_REDUCE_SUM, aicc_b_unary(b, AICC_OP_ABS, x), axes, 1, true);
  } else if (strcmp(norm, "MAX") == 0) {
    by = aicc_b_reduce(b, AICC_OP_REDUCE_MAX, x, axes, 1, true);
  } else {
    return aicc_unsupported(im, n, "norm '%s'", norm);
  }
  if (!by) {
    return AICC_INVALID;
  }
  aicc_value *zero = aicc_b_binary(b, AICC_OP_EQ, by, aicc_b_scalar_like(b, x, 0));
  aicc_value *y = aicc_div(b, x, aicc_b_select(b, zero, aicc_b_scalar_like(b, x, 1), by));
  return aicc_set_out(im, n, 0, y ? aicc_b_cast(b, y, AICC_F32) : NULL);
}

aicc_status import_feature_vectorizer(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  int count;
  const int64_t *sizes = aicc_onnx_ints(n, "inputdimensions", &count);
  aicc_value **parts = AICC_NEW_ARRAY(&im->scratch, aicc_value *, n->in_count);
  if (sizes && count != n->in_count) {
    return aicc_invalid(im, n, "inputdimensions has %d entries for %d inputs", count, n->in_count);
  }
  for (int i = 0; i < n->in_count; i++) {
    aicc_value *x = aicc_ml_rows(im, n, aicc_in(n, i));
    if (!x) {
      return AICC_INVALID;
    }
    if (sizes && !aicc_dim_is(im->dims, x->type.dims[1], sizes[i])) {
      return aicc_unsupported(im, n, "inputs that are cut or filled up to inputdimensions");
    }
    parts[i] = aicc_b_cast(&im->b, x, AICC_F32);
  }
  return aicc_set_out(im, n, 0, aicc_b_concat(&im->b, parts, n->in_count, 1));
}

// --- categories ----------------------------------------------------------------------------------

// The run fails where an element is none of the categories; |equal|: bool [.., categories].
static void demand_known(aicc_importer *im, const aicc_onnx_node *n, aicc_value *equal) {
  aicc_builder *b = &im->b;
  const int64_t last = equal->type.rank - 1;
  aicc_value *known = aicc_b_reduce(b, AICC_OP_REDUCE_MAX, aicc_b_cast(b, equal, AICC_I32), &last,
                                    1, false);
  // At least 1, also where there are no elements.
  aicc_value *one = aicc_b_scalar_i64(b, AICC_I32, 1);
  known = aicc_min(b, one, aicc_b_reduce(b, AICC_OP_REDUCE_MIN, known, NULL, 0, false));
  known = aicc_b_binary(b, AICC_OP_EQ, known, one);
  if (known) {
    aicc_demand(im, known,
                aicc_arena_printf(&im->module->arena,
                                  "node '%s' (OneHotEncoder): an input is none of the categories, "
                                  "and the model has no answer for others (zeros = 0)",
                                  n->name));
  }
}

aicc_status import_one_hot_encoder(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0), *equal;
  aicc_ml_labels cats;
  AICC_TRY(aicc_need_tensors(im, n));
  AICC_TRY(aicc_ml_read_labels(im, n, "cats_int64s", "cats_strings", &cats));
  const bool zeros = aicc_onnx_int(n, "zeros", 1) != 0;
  if (cats.count == 0 || (cats.strings != NULL) != (x->type.dtype == AICC_STR)) {
    return aicc_invalid(im, n, "the categories are of another type than the input");
  }
  const int rank = x->type.rank;
  if (rank >= AICC_MAX_RANK) {
    return aicc_unsupported(im, n, "a result of more than 12 dimensions");
  }
  if (cats.strings) {
    aicc_dim dims[AICC_MAX_RANK];
    memcpy(dims, x->type.dims, sizeof *dims * (size_t)rank);
    dims[rank] = aicc_const_dim(im, cats.count);
    const aicc_type type = aicc_type_tensor(im->module, AICC_BOOL, dims, rank + 1);
    aicc_value *const in[] = {aicc_b_unsqueeze(b, x, rank),
                              aicc_ml_strings(im, cats.strings, cats.count)};
    aicc_node *node = aicc_b_opaque(b, "string_equal", in, 2, &type, 1);
    equal = node ? node->out[0] : NULL;
  } else {
    x = aicc_b_unsqueeze(b, aicc_b_cast(b, x, AICC_I64), rank);
    equal = aicc_b_binary(b, AICC_OP_EQ, x, aicc_ml_i64s(im, AICC_I64, cats.ints, cats.count));
  }
  if (equal && !zeros) {
    demand_known(im, n, equal);
  }
  return aicc_set_out(im, n, 0, equal ? aicc_b_cast(b, equal, AICC_F32) : NULL);
}

// values[i] where x is keys[i], else |otherwise|.
static aicc_status encode(aicc_importer *im, const aicc_onnx_node *n, aicc_value *keys,
                          aicc_value *values, aicc_value *otherwise) {
  aicc_value *x = aicc_in(n, 0);
  AICC_TRY(aicc_need_tensors(im, n));
  if (!keys || !values || !otherwise) {
    return aicc_invalid(im, n, "keys or values are missing");
  }
  if (keys->type.dtype != x->type.dtype) {
    return aicc_invalid(im, n, "the keys are %s, the input is %s",
                        aicc_dtype_name(keys->type.dtype), aicc_dtype_name(x->type.dtype));
  }
  if (keys->type.dims[0] != values->type.dims[0]) {
    return aicc_invalid(im, n, "the keys are not as many as the values");
  }
  aicc_value *const in[] = {x, keys, values, otherwise};
  const aicc_type type =
      aicc_type_tensor(im->module, values->type.dtype, x->type.dims, x->type.rank);
  aicc_node *node = aicc_b_opaque(&im->b, "label_encoder", in, 4, &type, 1);
  return aicc_set_out(im, n, 0, node ? node->out[0] : NULL);
}

static aicc_value *one_string(aicc_importer *im, const char *text) {
  return aicc_b_reshape(&im->b, aicc_ml_strings(im, &text, 1), NULL, 0);
}

// The list |name|_int64s, _floats, _strings or _tensor; NULL: none is there.
static aicc_value *read_side(aicc_importer *im, const aicc_onnx_node *n, const char *name) {
  int ints, floats, strings;
  bool present;
  char text[64];
  snprintf(text, sizeof text, "%s_int64s", name);
  const int64_t *int_list = aicc_onnx_ints(n, text, &ints);
  snprintf(text, sizeof text, "%s_floats", name);
  const float *float_list = aicc_onnx_floats(n, text, &floats);
  snprintf(text, sizeof text, "%s_strings", name);
  const char *const *string_list = aicc_onnx_strings(n, text, &strings);
  snprintf(text, sizeof text, "%s_tensor", name);
  const aicc_tensor *tensor = aicc_onnx_tensor_attr(n, text, &present);
  return ints      ? aicc_ml_i64s(im, AICC_I64, int_list, ints)
         : floats  ? aicc_ml_floats(im, AICC_F32, float_list, floats)
         : strings ? aicc_ml_strings(im, string_list, strings)
         : tensor && tensor->rank == 1 ? aicc_b_const(&im->b, tensor)
                                       : NULL;
}

aicc_status import_label_encoder(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  bool present;
  aicc_value *keys = read_side(im, n, "keys"), *values = read_side(im, n, "values"), *otherwise;
  const int64_t int_default = aicc_onnx_int(n, "default_int64", -1);
  const double float_default = (double)aicc_onnx_float(n, "default_float", -0.0F);
  const char *string_default = aicc_onnx_string(n, "default_string", "_Unused");
  const aicc_tensor *tensor = aicc_onnx_tensor_attr(n, "default_tensor", &present);
  if (!values) {
    return aicc_invalid(im, n, "values are missing");
  }
  const aicc_dtype dtype = values->type.dtype;
  otherwise = tensor && tensor->dtype == dtype
                  ? aicc_b_reshape(&im->b, aicc_b_const(&im->b, tensor), NULL, 0)
              : dtype == AICC_STR        ? one_string(im, string_default)
              : aicc_dtype_is_int(dtype) ? aicc_b_scalar_i64(&im->b, dtype, int_default)
                                         : aicc_b_scalar(&im->b, dtype, float_default);
  return encode(im, n, keys, values, otherwise);
}

// Strings become integers, or integers strings; which it is the input tells.
static aicc_status map_both_ways(aicc_importer *im, const aicc_onnx_node *n, const int64_t *ints,
                                 const char *const *strings, int count) {
  aicc_value *numbers = aicc_ml_i64s(im, AICC_I64, ints, count);
  aicc_value *texts = aicc_ml_strings(im, strings, count);
  const int64_t int_default = aicc_onnx_int(n, "default_int64", -1);
  const char *string_default = aicc_onnx_string(n, "default_string", "_Unused");
  return aicc_in(n, 0)->type.dtype == AICC_STR
             ? encode(im, n, texts, numbers, aicc_b_scalar_i64(&im->b, AICC_I64, int_default))
             : encode(im, n, numbers, texts, one_string(im, string_default));
}

aicc_status import_label_encoder_classes(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  int count;
  const char *const *classes = aicc_onnx_strings(n, "classes_strings", &count);
  int64_t *numbers = AICC_NEW_ARRAY(&im->scratch, int64_t, count + 1);
  for (int i = 0; i < count; i++) {
    numbers[i] = i;
  }
  return map_both_ways(im, n, numbers, classes, count);
}

aicc_status import_category_mapper(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  int ints, strings;
  const int64_t *numbers = aicc_onnx_ints(n, "cats_int64s", &ints);
  const char *const *texts = aicc_onnx_strings(n, "cats_strings", &strings);
  if (ints != strings) {
    return aicc_invalid(im, n, "%d integers and %d strings", ints, strings);
  }
  return map_both_ways(im, n, numbers, texts, ints);
}
