// ai.onnx.preview.training: one step of an optimiser, for any number of tensors.
#include <string.h>

#include "frontend/import_math.h"

typedef struct optimiser {
  aicc_importer *im;
  const aicc_onnx_node *n;
  aicc_value *rate, *step;  // R, T (i64)
  double norm;              // norm_coefficient
} optimiser;

static aicc_value *times(aicc_builder *b, aicc_value *x, double factor) {
  return x ? aicc_mul_number(b, x, factor) : NULL;
}

// norm * x + g
static aicc_value *regularised(const optimiser *o, aicc_value *x, aicc_value *g) {
  return o->norm == 0 ? g : aicc_add(&o->im->b, times(&o->im->b, x, o->norm), g);
}

// The step in x's element type.
static aicc_value *step_as(const optimiser *o, const aicc_value *x) {
  return aicc_b_cast(&o->im->b, o->step, x->type.dtype);
}

static aicc_value *is_later(const optimiser *o) {
  aicc_builder *b = &o->im->b;
  return aicc_b_binary(b, AICC_OP_GT, o->step, aicc_b_scalar_i64(b, o->step->type.dtype, 0));
}

// R, T, then |kinds| tensors for each of the tensors that are optimised, all of one kind together.
static aicc_status begin(aicc_importer *im, const aicc_onnx_node *n, int kinds, optimiser *o,
                         int *count) {
  *count = (n->in_count - 2) / kinds;
  if (n->in_count != 2 + kinds * *count || *count < 1) {
    return aicc_invalid(im, n, "%d inputs are not 2 and %d for each tensor", n->in_count, kinds);
  }
  for (int i = 0; i < n->in_count; i++) {
    if (!aicc_in(n, i) || aicc_in(n, i)->type.kind != AICC_TYPE_TENSOR) {
      return aicc_invalid(im, n, "input %d is no tensor", i);
    }
  }
  *o = (optimiser){.im = im, .n = n, .rate = aicc_in(n, 0), .step = aicc_in(n, 1),
                   .norm = (double)aicc_onnx_float(n, "norm_coefficient", 0)};
  return AICC_OK;
}

aicc_status import_adagrad(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  optimiser o;
  int count;
  AICC_TRY(begin(im, n, 3, &o, &count));
  const double decay = (double)aicc_onnx_float(n, "decay_factor", 0);
  const double epsilon = (double)aicc_onnx_float(n, "epsilon", 1e-6F);
  for (int i = 0; i < count; i++) {
    aicc_value *x = aicc_in(n, 2 + i), *h = aicc_in(n, 2 + 2 * count + i);
    aicc_value *g = regularised(&o, x, aicc_in(n, 2 + count + i));
    aicc_value *slower = times(b, step_as(&o, x), decay);
    aicc_value *rate = slower ? aicc_div(b, o.rate, aicc_add_number(b, slower, 1)) : NULL;
    h = aicc_add(b, h, aicc_mul(b, g, g));
    aicc_value *root = aicc_b_unary(b, AICC_OP_SQRT, h);
    root = root ? aicc_add_number(b, root, epsilon) : NULL;
    AICC_TRY(aicc_set_out(im, n, i, aicc_sub(b, x, aicc_div(b, aicc_mul(b, rate, g), root))));
    AICC_TRY(aicc_set_out(im, n, count + i, h));
  }
  return AICC_OK;
}

// 1 - factor ^ T
static aicc_value *correction(const optimiser *o, const aicc_value *x, double factor) {
  aicc_builder *b = &o->im->b;
  aicc_value *power = aicc_b_binary(b, AICC_OP_POW, aicc_b_scalar_like(b, x, factor),
                                    step_as(o, x));
  return aicc_sub(b, aicc_b_scalar_like(b, x, 1), power);
}

aicc_status import_adam(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  optimiser o;
  int count;
  AICC_TRY(begin(im, n, 4, &o, &count));
  const double alpha = (double)aicc_onnx_float(n, "alpha", 0.9F);
  const double beta = (double)aicc_onnx_float(n, "beta", 0.999F);
  const double epsilon = (double)aicc_onnx_float(n, "epsilon", 1e-6F);
  const double post = (double)aicc_onnx_float(n, "norm_coefficient_post", 0);
  for (int i = 0; i < count; i++) {
    aicc_value *x = aicc_in(n, 2 + i), *v = aicc_in(n, 2 + 2 * count + i);
    aicc_value *h = aicc_in(n, 2 + 3 * count + i);
    aicc_value *g = regularised(&o, x, aicc_in(n, 2 + count + i));
    v = aicc_add(b, times(b, v, alpha), times(b, g, 1 - alpha));
    h = aicc_add(b, times(b, h, beta), times(b, aicc_mul(b, g, g), 1 - beta));
    aicc_value *root = aicc_b_unary(b, AICC_OP_SQRT, h);
    root = root ? aicc_add_number(b, root, epsilon) : NULL;
    aicc_value *rate = aicc_mul(b, o.rate, aicc_b_unary(b, AICC_OP_SQRT, correction(&o, x, beta)));
    rate = aicc_b_select(b, is_later(&o), aicc_div(b, rate, correction(&o, x, alpha)), o.rate);
    x = aicc_sub(b, x, aicc_div(b, aicc_mul(b, rate, v), root));
    AICC_TRY(aicc_set_out(im, n, i, times(b, x, 1 - post)));
    AICC_TRY(aicc_set_out(im, n, count + i, v));
    AICC_TRY(aicc_set_out(im, n, 2 * count + i, h));
  }
  return AICC_OK;
}

aicc_status import_momentum(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  optimiser o;
  int count;
  AICC_TRY(begin(im, n, 3, &o, &count));
  const double alpha = (double)aicc_onnx_float(n, "alpha", 0);
  const double beta = (double)aicc_onnx_float(n, "beta", 0);
  const char *mode = aicc_onnx_string(n, "mode", "standard");
  const bool nesterov = strcmp(mode, "nesterov") == 0;
  if (!nesterov && strcmp(mode, "standard") != 0) {
    return aicc_unsupported(im, n, "mode '%s'", mode);
  }
  for (int i = 0; i < count; i++) {
    aicc_value *x = aicc_in(n, 2 + i), *v = aicc_in(n, 2 + 2 * count + i);
    aicc_value *g = regularised(&o, x, aicc_in(n, 2 + count + i));
    aicc_value *factor = aicc_b_select(b, is_later(&o), aicc_b_scalar_like(b, x, beta),
                                       aicc_b_scalar_like(b, x, 1));
    v = aicc_add(b, times(b, v, alpha), aicc_mul(b, factor, g));
    aicc_value *way = nesterov ? aicc_add(b, g, times(b, v, alpha)) : v;
    AICC_TRY(aicc_set_out(im, n, i, aicc_sub(b, x, aicc_mul(b, o.rate, way))));
    AICC_TRY(aicc_set_out(im, n, count + i, v));
  }
  return AICC_OK;
}
