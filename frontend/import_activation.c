// Activation functions, expanded into elementwise operators.
#include <string.h>

#include "frontend/import_float.h"

static const double sqrt_half = 0.70710678118654752440;
static const double sqrt_2_over_pi = 0.79788456080286535588;

static double attr(const aicc_onnx_node *n, const char *name, float otherwise) {
  return (double)aicc_onnx_float(n, name, otherwise);
}

// Input 0, in the type to compute in.
static aicc_value *wide_in(aicc_importer *im, const aicc_onnx_node *n) {
  return aicc_widen(im, aicc_in(n, 0));
}

aicc_status import_relu(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  return aicc_set_out(im, n, 0, aicc_f_max_c(im, aicc_in(n, 0), 0));
}

// x < 0 ? slope * x : x
static aicc_value *leak(aicc_importer *im, aicc_value *x, aicc_value *slope) {
  aicc_value *negative = aicc_f_compare_c(im, AICC_OP_LT, x, 0);
  return aicc_b_select(&im->b, negative, aicc_f_mul(im, x, slope), x);
}

aicc_status import_leaky_relu(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  aicc_value *x = wide_in(im, n);
  aicc_value *slope = aicc_b_scalar_like(&im->b, x, attr(n, "alpha", 0.01f));
  return aicc_set_out_like_in(im, n, leak(im, x, slope));
}

aicc_status import_prelu(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  aicc_value *x = wide_in(im, n), *slope = aicc_widen(im, aicc_in(n, 1));
  return aicc_set_out_like_in(im, n, leak(im, x, slope));
}

// Before version 7 a slope of one dimension is one number per channel, axis 1.
aicc_status import_prelu_channel(aicc_importer *im, const aicc_onnx_node *n,
                                 int payload AICC_UNUSED) {
  aicc_value *x = wide_in(im, n), *slope = aicc_widen(im, aicc_in(n, 1));
  if (x && slope && slope->type.rank == 1 && !aicc_dim_is(im->dims, slope->type.dims[0], 1)) {
    for (int i = 2; i < x->type.rank; i++) {
      slope = aicc_b_unsqueeze(&im->b, slope, -1);
    }
  }
  return aicc_set_out_like_in(im, n, leak(im, x, slope));
}

aicc_status import_thresholded_relu(aicc_importer *im, const aicc_onnx_node *n,
                                    int payload AICC_UNUSED) {
  aicc_value *x = wide_in(im, n);
  aicc_value *above = aicc_f_compare_c(im, AICC_OP_GT, x, attr(n, "alpha", 1.0f));
  aicc_value *zero = aicc_b_scalar_like(&im->b, x, 0);
  return aicc_set_out_like_in(im, n, aicc_b_select(&im->b, above, x, zero));
}

// x < 0 ? alpha * (exp(x) - 1) : x
static aicc_value *elu(aicc_importer *im, aicc_value *x, double alpha) {
  aicc_value *negative = aicc_f_compare_c(im, AICC_OP_LT, x, 0);
  aicc_value *bent = aicc_f_mul_c(im, aicc_f_unary(im, AICC_OP_EXPM1, x), alpha);
  return aicc_b_select(&im->b, negative, bent, x);
}

aicc_status import_elu(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  return aicc_set_out_like_in(im, n, elu(im, wide_in(im, n), attr(n, "alpha", 1.0f)));
}

aicc_status import_selu(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  // Version 1 rounded the defaults to four digits.
  const double alpha = attr(n, "alpha", n->opset < 6 ? 1.6732f : 1.67326319217681884765625f);
  const double gamma = attr(n, "gamma", n->opset < 6 ? 1.0507f : 1.05070102214813232421875f);
  aicc_value *y = elu(im, wide_in(im, n), alpha);
  return aicc_set_out_like_in(im, n, aicc_f_mul_c(im, y, gamma));
}

// max(0, x) + min(0, alpha * (exp(x / alpha) - 1))
aicc_status import_celu(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  const double alpha = attr(n, "alpha", 1.0f);
  aicc_value *x = wide_in(im, n);
  aicc_value *scaled = aicc_f_div(im, x, aicc_b_scalar_like(&im->b, x, alpha));
  aicc_value *bent = aicc_f_mul_c(im, aicc_f_unary(im, AICC_OP_EXPM1, scaled), alpha);
  return aicc_set_out_like_in(
      im, n, aicc_f_add(im, aicc_f_max_c(im, x, 0), aicc_f_min_c(im, bent, 0)));
}

// max(0, min(1, alpha * x + beta))
static aicc_value *hard_sigmoid(aicc_importer *im, aicc_value *x, double alpha, double beta) {
  aicc_value *line = aicc_f_add_c(im, aicc_f_mul_c(im, x, alpha), beta);
  return aicc_f_max_c(im, aicc_f_min_c(im, line, 1), 0);
}

aicc_status import_hard_sigmoid(aicc_importer *im, const aicc_onnx_node *n,
                                int payload AICC_UNUSED) {
  const double alpha = attr(n, "alpha", 0.2f), beta = attr(n, "beta", 0.5f);
  return aicc_set_out_like_in(im, n, hard_sigmoid(im, wide_in(im, n), alpha, beta));
}

aicc_status import_hard_swish(aicc_importer *im, const aicc_onnx_node *n,
                              int payload AICC_UNUSED) {
  aicc_value *x = wide_in(im, n);
  return aicc_set_out_like_in(im, n, aicc_f_mul(im, x, hard_sigmoid(im, x, 1.0 / 6, 0.5)));
}

// log(1 + exp(x)) as max(x, 0) + log1p(exp(-|x|)), which overflows nowhere.
static aicc_value *softplus(aicc_importer *im, aicc_value *x) {
  aicc_value *far = aicc_f_unary(im, AICC_OP_NEG, aicc_f_unary(im, AICC_OP_ABS, x));
  aicc_value *rest = aicc_f_unary(im, AICC_OP_LOG1P, aicc_f_unary(im, AICC_OP_EXP, far));
  return aicc_f_add(im, aicc_f_max_c(im, x, 0), rest);
}

aicc_status import_softplus(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  return aicc_set_out_like_in(im, n, softplus(im, wide_in(im, n)));
}

aicc_status import_parametric_softplus(aicc_importer *im, const aicc_onnx_node *n,
                                       int payload AICC_UNUSED) {
  aicc_value *x = aicc_f_mul_c(im, wide_in(im, n), attr(n, "beta", 1.0f));
  return aicc_set_out_like_in(im, n, aicc_f_mul_c(im, softplus(im, x), attr(n, "alpha", 1.0f)));
}

aicc_status import_scaled_tanh(aicc_importer *im, const aicc_onnx_node *n,
                               int payload AICC_UNUSED) {
  aicc_value *x = aicc_f_mul_c(im, wide_in(im, n), attr(n, "beta", 1.0f));
  x = aicc_f_unary(im, AICC_OP_TANH, x);
  return aicc_set_out_like_in(im, n, aicc_f_mul_c(im, x, attr(n, "alpha", 1.0f)));
}

// alpha * x + beta. Payload: 1 for Scale, which has the one attribute scale.
aicc_status import_affine(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  aicc_value *y = aicc_f_mul_c(im, wide_in(im, n), attr(n, payload ? "scale" : "alpha", 1.0f));
  return aicc_set_out_like_in(im, n, payload ? y : aicc_f_add_c(im, y, attr(n, "beta", 0.0f)));
}

aicc_status import_softsign(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  aicc_value *x = wide_in(im, n);
  aicc_value *size = aicc_f_add_c(im, aicc_f_unary(im, AICC_OP_ABS, x), 1);
  return aicc_set_out_like_in(im, n, aicc_f_div(im, x, size));
}

aicc_status import_mish(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  aicc_value *x = wide_in(im, n);
  aicc_value *gate = aicc_f_unary(im, AICC_OP_TANH, softplus(im, x));
  return aicc_set_out_like_in(im, n, aicc_f_mul(im, x, gate));
}

// x * sigmoid(alpha * x)
static aicc_value *swish(aicc_importer *im, aicc_value *x, double alpha) {
  aicc_value *scaled = alpha == 1 ? x : aicc_f_mul_c(im, x, alpha);
  return aicc_f_mul(im, x, aicc_f_unary(im, AICC_OP_SIGMOID, scaled));
}

aicc_status import_swish(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  return aicc_set_out_like_in(im, n, swish(im, wide_in(im, n), attr(n, "alpha", 1.0f)));
}

aicc_status import_swiglu(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  aicc_value *gate = swish(im, wide_in(im, n), attr(n, "alpha", 1.0f));
  return aicc_set_out_like_in(im, n, aicc_f_mul(im, gate, aicc_widen(im, aicc_in(n, 1))));
}

aicc_status import_quick_gelu(aicc_importer *im, const aicc_onnx_node *n,
                              int payload AICC_UNUSED) {
  return aicc_set_out_like_in(im, n, swish(im, wide_in(im, n), attr(n, "alpha", 1.702f)));
}

// x / 2 * (1 + gate)
static aicc_value *gated_half(aicc_importer *im, aicc_value *x, aicc_value *gate) {
  return aicc_f_mul(im, aicc_f_mul_c(im, x, 0.5), aicc_f_add_c(im, gate, 1));
}

static aicc_value *erf_gelu(aicc_importer *im, aicc_value *x) {
  return gated_half(im, x, aicc_f_unary(im, AICC_OP_ERF, aicc_f_mul_c(im, x, sqrt_half)));
}

aicc_value *aicc_tanh_gelu(aicc_importer *im, aicc_value *x) {
  aicc_value *cube = aicc_f_mul(im, x, aicc_f_mul(im, x, x));
  aicc_value *bent = aicc_f_add(im, x, aicc_f_mul_c(im, cube, 0.044715));
  aicc_value *gate = aicc_f_unary(im, AICC_OP_TANH, aicc_f_mul_c(im, bent, sqrt_2_over_pi));
  return gated_half(im, x, gate);
}

aicc_status import_gelu(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  const char *how = aicc_onnx_string(n, "approximate", "none");
  const bool approximate = strcmp(how, "tanh") == 0;
  if (!approximate && strcmp(how, "none") != 0) {
    return aicc_invalid(im, n, "approximate is '%s', neither none nor tanh", how);
  }
  aicc_value *x = wide_in(im, n);
  return aicc_set_out_like_in(im, n, approximate ? aicc_tanh_gelu(im, x) : erf_gelu(im, x));
}

aicc_status import_fast_gelu(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  aicc_value *x = wide_in(im, n);
  if (aicc_in(n, 1)) {
    x = aicc_f_add(im, x, aicc_widen(im, aicc_in(n, 1)));
  }
  return aicc_set_out_like_in(im, n, aicc_tanh_gelu(im, x));
}

aicc_status import_bias_gelu(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  aicc_value *x = aicc_f_add(im, wide_in(im, n), aicc_widen(im, aicc_in(n, 1)));
  return aicc_set_out_like_in(im, n, erf_gelu(im, x));
}

// x < -lambd: x + bias; x > lambd: x - bias; else 0. Integers are computed as floats.
aicc_status import_shrink(aicc_importer *im, const aicc_onnx_node *n, int payload AICC_UNUSED) {
  const double lambd = attr(n, "lambd", 0.5f), bias = attr(n, "bias", 0.0f);
  aicc_value *x = wide_in(im, n);
  if (x && aicc_dtype_is_int(x->type.dtype)) {
    x = aicc_b_cast(&im->b, x, AICC_F64);
  }
  aicc_value *above = aicc_b_select(&im->b, aicc_f_compare_c(im, AICC_OP_GT, x, lambd),
                                    aicc_f_add_c(im, x, -bias), aicc_b_scalar_like(&im->b, x, 0));
  aicc_value *all = aicc_b_select(&im->b, aicc_f_compare_c(im, AICC_OP_LT, x, -lambd),
                                  aicc_f_add_c(im, x, bias), above);
  return aicc_set_out_like_in(im, n, all);
}
