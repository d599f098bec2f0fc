// What importers of ai.onnx.ml share: constants of attributes, labels, transforms of scores.
#include "frontend/import_ml.h"

#include <string.h>

// --- constants -----------------------------------------------------------------------------------

static aicc_value *vector(aicc_importer *im, aicc_dtype dtype, const void *data, int count) {
  const int64_t shape[] = {count};
  const aicc_tensor tensor = {
      .dtype = dtype,
      .rank = 1,
      .shape = aicc_arena_memdup(&im->module->arena, shape, sizeof shape),
      .data = data};
  return aicc_b_const(&im->b, &tensor);
}

static void *room(aicc_importer *im, aicc_dtype dtype, int count) {
  return aicc_arena_alloc(&im->module->arena, (size_t)(count + 1) * aicc_dtype_size(dtype));
}

aicc_value *aicc_ml_floats(aicc_importer *im, aicc_dtype dtype, const float *values, int count) {
  void *data = room(im, dtype, count);
  for (int i = 0; i < count; i++) {
    aicc_set_f64(dtype, data, (size_t)i, (double)values[i]);
  }
  return vector(im, dtype, data, count);
}

aicc_value *aicc_ml_i64s(aicc_importer *im, aicc_dtype dtype, const int64_t *values, int count) {
  void *data = room(im, dtype, count);
  for (int i = 0; i < count; i++) {
    aicc_set_i64(dtype, data, (size_t)i, values[i]);
  }
  return vector(im, dtype, data, count);
}

aicc_value *aicc_ml_strings(aicc_importer *im, const char *const *values, int count) {
  aicc_str *data = room(im, AICC_STR, count);
  for (int i = 0; i < count; i++) {
    data[i] = (aicc_str){aicc_arena_strdup(&im->module->arena, values[i]), strlen(values[i])};
  }
  return vector(im, AICC_STR, data, count);
}

aicc_value *aicc_ml_matrix(aicc_importer *im, aicc_value *flat, int columns) {
  if (!flat) {
    return NULL;
  }
  int64_t count = 0;
  aicc_dim_is_const(im->dims, flat->type.dims[0], &count);
  const aicc_dim dims[] = {aicc_const_dim(im, columns ? count / columns : 0),
                           aicc_const_dim(im, columns)};
  return aicc_b_reshape(&im->b, flat, dims, 2);
}

aicc_value *aicc_ml_rows(aicc_importer *im, const aicc_onnx_node *n, aicc_value *x) {
  if (x->type.kind != AICC_TYPE_TENSOR || x->type.rank < 1 || x->type.rank > 2) {
    (void)!aicc_invalid(im, n, "the input must be a matrix, or one row");
    return NULL;
  }
  return x->type.rank == 1 ? aicc_b_unsqueeze(&im->b, x, 0) : x;
}

// --- transforms ----------------------------------------------------------------------------------

aicc_status aicc_ml_read_transform(aicc_importer *im, const aicc_onnx_node *n,
                                   aicc_ml_transform *out) {
  static const char *const names[] = {
      [AICC_ML_NONE] = "NONE",
      [AICC_ML_SOFTMAX] = "SOFTMAX",
      [AICC_ML_LOGISTIC] = "LOGISTIC",
      [AICC_ML_SOFTMAX_ZERO] = "SOFTMAX_ZERO",
      [AICC_ML_PROBIT] = "PROBIT",
  };
  const char *name = aicc_onnx_string(n, "post_transform", "NONE");
  for (int i = 0; i < (int)(sizeof names / sizeof names[0]); i++) {
    if (strcmp(names[i], name) == 0) {
      *out = (aicc_ml_transform)i;
      return AICC_OK;
    }
  }
  return aicc_unsupported(im, n, "post_transform '%s'", name);
}

// Softmax of what is not zero; zeros stay.
static aicc_value *softmax_zero(aicc_importer *im, aicc_value *x) {
  aicc_builder *b = &im->b;
  const int64_t axes[] = {1};
  aicc_value *zero = aicc_b_scalar_like(b, x, 0);
  aicc_value *some = aicc_b_binary(b, AICC_OP_GT, aicc_b_unary(b, AICC_OP_ABS, x),
                                   aicc_b_scalar_like(b, x, 1e-7));
  aicc_value *most = aicc_b_reduce(b, AICC_OP_REDUCE_MAX, x, axes, 1, true);
  aicc_value *e = aicc_b_unary(b, AICC_OP_EXP, aicc_sub(b, x, most));
  e = aicc_b_select(b, some, e, zero);
  aicc_value *sum = aicc_b_reduce(b, AICC_OP_REDUCE_SUM, e, axes, 1, true);
  sum = sum ? aicc_b_select(b, aicc_b_binary(b, AICC_OP_EQ, sum, zero),
                            aicc_b_scalar_like(b, x, 1), sum)
            : NULL;
  return aicc_div(b, e, sum);
}

// sqrt(2) * erfinv(2x - 1), by the formula of Winitzki (2008) that runtimes agree on.
static aicc_value *probit(aicc_importer *im, aicc_value *x) {
  aicc_builder *b = &im->b;
  const double a = 0.147, pi = 3.14159;
  aicc_value *y = aicc_add_number(b, aicc_mul_number(b, x, 2), -1);
  if (!y) {
    return NULL;
  }
  aicc_value *one = aicc_b_scalar_like(b, x, 1);
  aicc_value *rest = aicc_mul(b, aicc_sub(b, one, y), aicc_add(b, one, y));
  aicc_value *log = aicc_b_unary(b, AICC_OP_LOG, rest);
  if (!log) {
    return NULL;
  }
  aicc_value *v = aicc_add_number(b, aicc_mul_number(b, log, 0.5), 2 / (pi * a));
  aicc_value *root = aicc_b_unary(
      b, AICC_OP_SQRT, aicc_sub(b, aicc_mul(b, v, v), aicc_mul_number(b, log, 1 / a)));
  aicc_value *size = aicc_b_unary(b, AICC_OP_SQRT, aicc_sub(b, root, v));
  aicc_value *negative = aicc_b_binary(b, AICC_OP_LT, y, aicc_b_scalar_like(b, x, 0));
  size = size ? aicc_mul_number(b, size, 1.41421356) : NULL;
  return aicc_b_select(b, negative, aicc_b_unary(b, AICC_OP_NEG, size), size);
}

aicc_value *aicc_ml_apply(aicc_importer *im, aicc_value *scores, aicc_ml_transform transform) {
  if (!scores) {
    return NULL;
  }
  switch (transform) {
    case AICC_ML_NONE: return scores;
    case AICC_ML_SOFTMAX: return aicc_softmax(&im->b, scores, 1);
    case AICC_ML_LOGISTIC: return aicc_b_unary(&im->b, AICC_OP_SIGMOID, scores);
    case AICC_ML_SOFTMAX_ZERO: return softmax_zero(im, scores);
    case AICC_ML_PROBIT: return probit(im, scores);
  }
  return NULL;
}

// --- labels --------------------------------------------------------------------------------------

aicc_status aicc_ml_read_labels(aicc_importer *im, const aicc_onnx_node *n, const char *ints,
                                const char *strings, aicc_ml_labels *out) {
  int int_count, string_count;
  *out = (aicc_ml_labels){.ints = aicc_onnx_ints(n, ints, &int_count),
                          .strings = aicc_onnx_strings(n, strings, &string_count)};
  if (int_count && string_count) {
    return aicc_invalid(im, n, "'%s' and '%s' are both given", ints, strings);
  }
  out->ints = int_count ? out->ints : NULL;
  out->strings = string_count ? out->strings : NULL;
  out->count = int_count + string_count;
  return AICC_OK;
}

aicc_value *aicc_ml_labels_of(aicc_importer *im, const aicc_ml_labels *labels, aicc_value *index) {
  bool plain = labels->strings == NULL;
  for (int i = 0; i < labels->count && plain; i++) {
    plain = labels->ints[i] == i;
  }
  if (plain) {
    return index;
  }
  aicc_value *all = labels->strings ? aicc_ml_strings(im, labels->strings, labels->count)
                                    : aicc_ml_i64s(im, AICC_I64, labels->ints, labels->count);
  return aicc_b_gather(&im->b, all, index, 0);
}

aicc_value *aicc_ml_best(aicc_importer *im, aicc_value *scores) {
  return scores ? aicc_b_arg(&im->b, AICC_OP_ARGMAX, scores, 1, false, false) : NULL;
}

aicc_ml_binary aicc_ml_two_classes(aicc_importer *im, aicc_value *score, bool all_positive,
                                   aicc_ml_transform transform) {
  aicc_builder *b = &im->b;
  if (!score) {
    return (aicc_ml_binary){0};
  }
  aicc_value *second = score, *first;
  aicc_value *wins = aicc_b_binary(b, AICC_OP_GT, score,
                                   aicc_b_scalar_like(b, score, all_positive ? 0.5 : 0));
  if (all_positive) {
    first = aicc_sub(b, aicc_b_scalar_like(b, score, 1), score);
  } else {
    first = aicc_b_unary(b, AICC_OP_NEG, score);
    if (transform == AICC_ML_LOGISTIC) {
      first = aicc_b_unary(b, AICC_OP_SIGMOID, first);
      second = aicc_b_unary(b, AICC_OP_SIGMOID, second);
    }
  }
  aicc_value *const both[] = {first, second};
  return (aicc_ml_binary){
      .scores = aicc_b_concat(b, both, 2, 1),
      .best = wins ? aicc_b_squeeze(b, aicc_b_cast(b, wins, AICC_I64), 1) : NULL};
}
