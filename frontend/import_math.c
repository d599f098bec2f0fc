// Formulas that several importers share.
#include "frontend/import_math.h"

#include <string.h>

aicc_value *aicc_add_number(aicc_builder *b, aicc_value *x, double number) {
  return number == 0 ? x : aicc_add(b, x, aicc_b_scalar_like(b, x, number));
}

aicc_value *aicc_mul_number(aicc_builder *b, aicc_value *x, double number) {
  return number == 1 ? x : aicc_mul(b, x, aicc_b_scalar_like(b, x, number));
}

aicc_value *aicc_div_number(aicc_builder *b, aicc_value *x, double number) {
  return number == 1 ? x : aicc_div(b, x, aicc_b_scalar_like(b, x, number));
}

aicc_value *aicc_size_number(aicc_builder *b, aicc_dtype dtype, aicc_dim dim) {
  int64_t value;
  if (aicc_dim_is_const(b->module->dims, dim, &value)) {
    return aicc_dtype_is_int(dtype) ? aicc_b_scalar_i64(b, dtype, value)
                                    : aicc_b_scalar(b, dtype, (double)value);
  }
  return aicc_b_cast(b, aicc_b_from_dim(b, dim), dtype);
}

aicc_value *aicc_filled(aicc_builder *b, aicc_dtype dtype, double number, const aicc_dim *dims,
                        int rank) {
  return aicc_b_broadcast(b, aicc_b_scalar(b, dtype, number), dims, rank);
}

aicc_value *aicc_along(aicc_builder *b, aicc_value *x, int rank, int axis) {
  if (!x) {
    return NULL;
  }
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    dims[i] = i == axis ? aicc_type_count(b->module, &x->type) : aicc_dim_const(b->module->dims, 1);
  }
  return aicc_b_reshape(b, x, dims, rank);
}

bool aicc_is_one_element(const aicc_builder *b, const aicc_value *x) {
  return aicc_dim_is(b->module->dims, aicc_type_count(b->module, &x->type), 1);
}

bool aicc_is_number(const aicc_value *x, double number) {
  const aicc_tensor *tensor = aicc_value_constant(x);
  if (!tensor || aicc_dtype_kind_of(tensor->dtype) == AICC_KIND_COMPLEX ||
      tensor->dtype == AICC_STR) {
    return false;
  }
  size_t count = 1;
  for (int i = 0; i < tensor->rank; i++) {
    count *= (size_t)tensor->shape[i];
  }
  for (size_t i = 0; i < count; i++) {
    if (aicc_get_f64(tensor->dtype, tensor->data, i) != number) {
      return false;
    }
  }
  return true;
}

aicc_dtype aicc_wide_dtype(aicc_dtype dtype) {
  const bool narrow = dtype == AICC_F16 || dtype == AICC_BF16 ||
                      aicc_dtype_kind_of(dtype) == AICC_KIND_FLOAT8;
  return narrow ? AICC_F32 : dtype;
}

aicc_value *aicc_widen(aicc_builder *b, aicc_value *x) {
  return x ? aicc_b_cast(b, x, aicc_wide_dtype(x->type.dtype)) : NULL;
}

aicc_value *aicc_mean(aicc_builder *b, aicc_value *x, const int64_t *axes, int count) {
  if (!x) {
    return NULL;
  }
  aicc_dim size = aicc_dim_const(b->module->dims, 1);
  for (int i = 0; i < count; i++) {
    size = aicc_dim_mul(b->module->dims, size, x->type.dims[axes[i]]);
  }
  aicc_value *sum = aicc_b_reduce(b, AICC_OP_REDUCE_SUM, x, axes, count, true);
  return aicc_div(b, sum, aicc_size_number(b, x->type.dtype, size));
}

aicc_value *aicc_softmax(aicc_builder *b, aicc_value *x, int axis) {
  if (!x) {
    return NULL;
  }
  const int64_t axes[] = {axis};
  aicc_value *wide = aicc_widen(b, x);
  aicc_value *most = aicc_b_reduce(b, AICC_OP_REDUCE_MAX, wide, axes, 1, true);
  aicc_value *e = aicc_b_unary(b, AICC_OP_EXP, aicc_sub(b, wide, most));
  aicc_value *sum = aicc_b_reduce(b, AICC_OP_REDUCE_SUM, e, axes, 1, true);
  return aicc_b_cast(b, aicc_div(b, e, sum), x->type.dtype);
}

aicc_value *aicc_without_zero(aicc_builder *b, aicc_value *x, aicc_value *zero, int axis) {
  aicc_value *wide = aicc_b_cast(b, x, AICC_I32);
  if (!wide || !zero || aicc_is_number(zero, 0)) {
    return wide;
  }
  if (aicc_is_one_element(b, zero)) {
    zero = aicc_b_reshape(b, zero, NULL, 0);
  } else if (zero->type.rank == 1) {
    zero = aicc_along(b, zero, x->type.rank, axis);
  }
  return aicc_sub(b, wide, aicc_b_cast(b, zero, AICC_I32));
}

aicc_value *aicc_matmul_trans(aicc_builder *b, aicc_value *x, aicc_value *y, bool trans_x,
                              bool trans_y) {
  if (!x || !y) {
    return NULL;
  }
  aicc_value *const in[] = {x, y};
  aicc_node *node = aicc_node_create(b->module, AICC_OP_MATMUL, in, 2, 1);
  if (trans_x) {
    aicc_set_int(b->module, node, AICC_ATTR_TRANS_A, 1);
  }
  if (trans_y) {
    aicc_set_int(b->module, node, AICC_ATTR_TRANS_B, 1);
  }
  return aicc_b_finish(b, node);
}

// --- activations that Microsoft's fused operators name -------------------------------------------

static aicc_value *relu(aicc_builder *b, aicc_value *x, float alpha, float beta) {
  (void)alpha;
  (void)beta;
  return aicc_max(b, x, aicc_b_scalar_like(b, x, 0));
}

static aicc_value *hyperbolic(aicc_builder *b, aicc_value *x, float alpha, float beta) {
  (void)alpha;
  (void)beta;
  return aicc_b_unary(b, AICC_OP_TANH, x);
}

static aicc_value *logistic(aicc_builder *b, aicc_value *x, float alpha, float beta) {
  (void)alpha;
  (void)beta;
  return aicc_b_unary(b, AICC_OP_SIGMOID, x);
}

static aicc_value *leaky(aicc_builder *b, aicc_value *x, float alpha, float beta) {
  (void)beta;
  aicc_value *negative = aicc_b_binary(b, AICC_OP_LT, x, aicc_b_scalar_like(b, x, 0));
  return aicc_b_select(b, negative, aicc_mul_number(b, x, (double)alpha), x);
}

static aicc_value *clip(aicc_builder *b, aicc_value *x, float low, float high) {
  aicc_value *least = aicc_max(b, x, aicc_b_scalar_like(b, x, (double)low));
  return aicc_min(b, least, aicc_b_scalar_like(b, x, (double)high));
}

static aicc_value *hard_sigmoid(aicc_builder *b, aicc_value *x, float alpha, float beta) {
  return clip(b, aicc_add_number(b, aicc_mul_number(b, x, (double)alpha), (double)beta), 0, 1);
}

static const struct {
  const char *name;
  int parameters;
  float alpha, beta;
  aicc_value *(*build)(aicc_builder *b, aicc_value *x, float alpha, float beta);
} activations[] = {
    {"Relu", 0, 0, 0, relu},
    {"Tanh", 0, 0, 0, hyperbolic},
    {"Sigmoid", 0, 0, 0, logistic},
    {"LeakyRelu", 1, 0.01F, 0, leaky},
    {"Clip", 2, -3.402823466e38F, 3.402823466e38F, clip},
    {"HardSigmoid", 2, 0.2F, 0.5F, hard_sigmoid},
};

aicc_status aicc_fused_activation(aicc_importer *im, const aicc_onnx_node *n,
                                  const char *activation, const float *parameters, int count,
                                  aicc_value *x, aicc_value **out) {
  *out = x;
  if (!activation || !*activation) {
    return AICC_OK;
  }
  for (size_t i = 0; i < sizeof activations / sizeof activations[0]; i++) {
    if (strcmp(activations[i].name, activation) != 0) {
      continue;
    }
    if (count > activations[i].parameters) {
      return aicc_invalid(im, n, "activation %s takes %d parameters, %d given", activation,
                          activations[i].parameters, count);
    }
    const float alpha = count > 0 ? parameters[0] : activations[i].alpha;
    const float beta = count > 1 ? parameters[1] : activations[i].beta;
    *out = activations[i].build(&im->b, x, alpha, beta);
    return AICC_OK;
  }
  return aicc_unsupported(im, n, "activation %s", activation);
}
