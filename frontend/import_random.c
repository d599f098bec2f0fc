// Random numbers, and Dropout.
#include <string.h>

#include "frontend/import_math.h"

// The seed of a node: its attribute (a float; Dropout's is an integer), or its place in the model.
static int64_t seed_of(const aicc_onnx_node *n) {
  const Onnx__AttributeProto *attr = aicc_onnx_attr(n, "seed");
  if (!attr) {
    return n->index + 1;
  }
  uint32_t bits;
  memcpy(&bits, &attr->f, sizeof bits);
  return attr->has_i ? attr->i : (int64_t)bits;
}

// Random f32 in [0, 1), or of the normal distribution.
static aicc_value *draw(aicc_importer *im, const aicc_onnx_node *n, bool uniform,
                        const aicc_dim *dims, int rank) {
  aicc_node *node = aicc_node_create(im->module, AICC_OP_RANDOM, NULL, 0, 1);
  node->out[0]->type = aicc_type_tensor(im->module, AICC_F32, dims, rank);
  aicc_set_int(im->module, node, AICC_ATTR_SEED, seed_of(n));
  aicc_set_string(im->module, node, AICC_ATTR_MODE, uniform ? "uniform" : "normal");
  return aicc_b_finish(&im->b, node);
}

// The type that attribute dtype states.
static aicc_status stated_type(aicc_importer *im, const aicc_onnx_node *n, aicc_dtype otherwise,
                               aicc_dtype *out) {
  *out = otherwise;
  if (aicc_onnx_has(n, "dtype") &&
      !aicc_dtype_from_onnx((int)aicc_onnx_int(n, "dtype", 1), out)) {
    return aicc_unsupported(im, n, "a result of this type");
  }
  return AICC_OK;
}

// --- distributions -------------------------------------------------------------------------------

// Payload: 1 uniform, 0 normal. With an input: of its shape and type.
aicc_status import_random(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  aicc_builder *b = &im->b;
  const aicc_value *like = aicc_in(n, 0);
  aicc_dtype dtype;
  aicc_dim dims[AICC_MAX_RANK];
  int rank = like ? like->type.rank : 0;
  AICC_TRY(stated_type(im, n, like ? like->type.dtype : AICC_F32, &dtype));
  const int64_t *shape = like ? NULL : aicc_onnx_ints(n, "shape", &rank);
  if ((!like && !shape) || rank > AICC_MAX_RANK || !aicc_dtype_is_float(dtype)) {
    return aicc_invalid(im, n, "the shape is missing, or the type is no float");
  }
  for (int i = 0; i < rank; i++) {
    dims[i] = like ? like->type.dims[i] : aicc_dim_const(im->dims, shape[i]);
  }
  const double first = (double)aicc_onnx_float(n, payload ? "low" : "mean", 0);
  const double second = (double)aicc_onnx_float(n, payload ? "high" : "scale", 1);
  aicc_value *x = aicc_mul_number(b, draw(im, n, payload != 0, dims, rank),
                                  payload ? second - first : second);
  x = aicc_add_number(b, x, first);
  return aicc_set_out(im, n, 0, x ? aicc_b_cast(b, x, dtype) : NULL);
}

aicc_status import_bernoulli(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0);
  aicc_dtype dtype;
  AICC_TRY(stated_type(im, n, x->type.dtype, &dtype));
  aicc_value *below = aicc_b_binary(b, AICC_OP_LT, draw(im, n, true, x->type.dims, x->type.rank),
                                    aicc_b_cast(b, x, AICC_F32));
  return aicc_set_out(im, n, 0, below ? aicc_b_cast(b, below, dtype) : NULL);
}

// The class with the greatest log-probability plus Gumbel noise, -log(-log(u)), is a sample.
aicc_status import_multinomial(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0);
  const int64_t samples = aicc_onnx_int(n, "sample_size", 1);
  aicc_dtype dtype;
  AICC_TRY(stated_type(im, n, AICC_I32, &dtype));
  if (x->type.rank != 2 || samples < 1) {
    return aicc_invalid(im, n, "the input must be a matrix, and sample_size positive");
  }
  const aicc_dim dims[] = {x->type.dims[0], aicc_dim_const(im->dims, samples), x->type.dims[1]};
  aicc_value *u = draw(im, n, true, dims, 3);
  aicc_value *inner = aicc_b_unary(b, AICC_OP_NEG, aicc_b_unary(b, AICC_OP_LOG, u));
  aicc_value *scores = aicc_sub(b, aicc_b_cast(b, aicc_b_unsqueeze(b, x, 1), AICC_F32),
                                aicc_b_unary(b, AICC_OP_LOG, inner));
  aicc_value *best = aicc_b_arg(b, AICC_OP_ARGMAX, scores, 2, false, false);
  return aicc_set_out(im, n, 0, best ? aicc_b_cast(b, best, dtype) : NULL);
}

// --- Dropout -------------------------------------------------------------------------------------

// The input as it is, with a mask of ones.
static aicc_status keep_all(aicc_importer *im, const aicc_onnx_node *n, aicc_dtype mask) {
  aicc_value *x = aicc_in(n, 0);
  AICC_TRY(aicc_set_out(im, n, 0, x));
  return aicc_wants_out(n, 1)
             ? aicc_set_out(im, n, 1, aicc_filled(&im->b, mask, 1, x->type.dims, x->type.rank))
             : AICC_OK;
}

// Payload: 0 up to version 6 (with is_test), 1 up to 9 (the mask has the input's type), 2 later.
aicc_status import_dropout(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  aicc_onnx_float(n, "ratio", 0.5F);    // of training alone
  aicc_onnx_has(n, "consumed_inputs");  // a hint for in-place execution
  if (payload == 0 && !aicc_onnx_int(n, "is_test", 0)) {
    return aicc_unsupported(im, n, "training before version 12");
  }
  return keep_all(im, n, payload == 2 ? AICC_BOOL : aicc_in(n, 0)->type.dtype);
}

// Ratio and training_mode are inputs.
aicc_status import_dropout_input(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  aicc_value *x = aicc_in(n, 0), *ratio = aicc_in(n, 1), *training = aicc_in(n, 2);
  aicc_onnx_has(n, "seed");
  if (!training || aicc_is_number(training, 0) || (ratio && aicc_is_number(ratio, 0))) {
    return keep_all(im, n, AICC_BOOL);
  }
  training = aicc_b_reshape(b, training, NULL, 0);
  aicc_value *part = ratio ? aicc_b_cast(b, aicc_b_reshape(b, ratio, NULL, 0), AICC_F32)
                           : aicc_b_scalar(b, AICC_F32, 0.5);
  part = aicc_b_select(b, training, part, aicc_b_scalar(b, AICC_F32, 0));
  aicc_value *kept = aicc_b_binary(b, AICC_OP_GE, draw(im, n, true, x->type.dims, x->type.rank),
                                   part);
  aicc_value *wide = aicc_widen(b, x);
  aicc_value *scale = aicc_sub(b, aicc_b_scalar(b, AICC_F32, 1), part);
  scale = aicc_b_unary(b, AICC_OP_RECIP, scale);
  aicc_value *y = aicc_mul(b, wide, scale ? aicc_b_cast(b, scale, wide->type.dtype) : NULL);
  y = aicc_b_select(b, kept, y, aicc_b_scalar_like(b, y, 0));
  AICC_TRY(aicc_set_out(im, n, 0, y ? aicc_b_cast(b, y, x->type.dtype) : NULL));
  return aicc_set_out(im, n, 1, kept);
}
