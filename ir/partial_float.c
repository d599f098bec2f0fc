// Sizes computed through floats: floor(cast(n) / 2), cast(cast(n) * 0.5). Between the cast and the
// rounding there are fractions, which no partial value holds; they are read off the nodes instead.
#include <math.h>

#include "ir/build.h"
#include "ir/partial_internal.h"

typedef struct ratio {
  aicc_dim above;  // above / below
  int64_t below;   // > 0
} ratio;

// |value| as p / 2^s with a small s: what a scale must be for products with it to be exact.
static bool dyadic(double value, int64_t *above, int64_t *below) {
  *below = 1;
  while (*below <= 1 << 10 && value != floor(value)) {
    value *= 2;
    *below *= 2;
  }
  if (value != floor(value) || fabs(value) > 1 << 24) {
    return false;
  }
  *above = (int64_t)value;
  return true;
}

static bool constant_at(const elements *result, int64_t index, aicc_module *module,
                        const aicc_value *x, double *value) {
  elements operand;
  const aicc_tensor *tensor = aicc_value_constant(x);
  if (!tensor || !aicc_dtype_is_float(tensor->dtype) || !aicc_elements_of(module, x, &operand)) {
    return false;
  }
  const int64_t at = aicc_broadcast_index(result, index, &operand);
  *value = aicc_get_f64(tensor->dtype, tensor->data, (size_t)at);
  return true;
}

static bool ratio_of(aicc_module *module, const aicc_value *value, int64_t index, int depth,
                     ratio *out);

// x * (above / below), x being operand |which| of the node that makes |result|.
static bool scaled(const elements *result, int64_t index, int which, int64_t above, int64_t below,
                   int depth, ratio *out) {
  elements operand;
  aicc_module *module = result->module;
  const aicc_value *x = result->value->def->in[which];
  if (above == 0 || below == 0 || !aicc_elements_of(module, x, &operand) ||
      !ratio_of(module, x, aicc_broadcast_index(result, index, &operand), depth - 1, out)) {
    return false;
  }
  if (below < 0) {
    above = -above;
    below = -below;
  }
  out->above = aicc_dim_mul(module->dims, out->above, aicc_dim_const(module->dims, above));
  return !aicc_mul_overflow(out->below, below, &out->below) && out->below < 1 << 24;
}

static bool ratio_of(aicc_module *module, const aicc_value *value, int64_t index, int depth,
                     ratio *out) {
  elements e;
  if (depth == 0 || !aicc_elements_of(module, value, &e)) {
    return false;
  }
  *out = (ratio){aicc_elements_at(&e, index), 1};
  if (out->above != AICC_DIM_NONE) {
    return true;
  }
  const aicc_node *def = value->def;
  double factor = 0;
  int64_t above = 0, below = 1;
  if (!def || !aicc_dtype_is_float(value->type.dtype)) {
    return false;
  }
  if (def->op == AICC_OP_RESHAPE ||
      (def->op == AICC_OP_CAST && aicc_dtype_is_float(def->in[0]->type.dtype))) {
    return ratio_of(module, def->in[0], index, depth - 1, out);
  }
  if (def->op == AICC_OP_DIV) {
    return constant_at(&e, index, module, def->in[1], &factor) && dyadic(factor, &above, &below) &&
           scaled(&e, index, 0, below, above, depth, out);
  }
  for (int i = 0; def->op == AICC_OP_MUL && i < 2; i++) {
    if (constant_at(&e, index, module, def->in[1 - i], &factor) &&
        dyadic(factor, &above, &below)) {
      return scaled(&e, index, i, above, below, depth, out);
    }
  }
  return false;
}

aicc_dim aicc_partial_rounded(aicc_module *module, const aicc_value *value, int64_t index,
                              aicc_op rounding) {
  ratio r;
  int64_t lower = 0;
  const bool rounds = rounding == AICC_OP_FLOOR || rounding == AICC_OP_CEIL ||
                      rounding == AICC_OP_TRUNC;
  if (!rounds || !aicc_dtype_is_float(value->type.dtype) ||
      !ratio_of(module, value, index, 8, &r)) {
    return AICC_DIM_NONE;
  }
  const aicc_dim below = aicc_dim_const(module->dims, r.below);
  if (rounding == AICC_OP_CEIL) {
    return aicc_dim_ceildiv(module->dims, r.above, below);
  }
  aicc_dim_bounds(module->dims, r.above, &lower, NULL);
  return rounding == AICC_OP_FLOOR || lower >= 0
             ? aicc_dim_floordiv(module->dims, r.above, below)
             : AICC_DIM_NONE;
}
