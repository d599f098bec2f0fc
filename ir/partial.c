// Partial values: elements of small integer tensors as symbolic expressions.
//
// Shape arithmetic of exporters is ordinary tensor code; with these, sizes come out of it at
// compile time. This file has the entry, element access and the elementwise operators.
#include <math.h>
#include <string.h>

#include "ir/build.h"
#include "ir/partial_internal.h"

bool aicc_elements_of(aicc_module *module, const aicc_value *value, elements *out) {
  if (!value || value->type.kind != AICC_TYPE_TENSOR || value->type.rank > AICC_MAX_RANK ||
      !aicc_type_static_shape(module, &value->type, out->shape)) {
    return false;
  }
  out->module = module;
  out->value = value;
  out->rank = value->type.rank;
  out->count = 1;
  for (int i = 0; i < out->rank; i++) {
    if (aicc_mul_overflow(out->count, out->shape[i], &out->count)) {
      return false;
    }
  }
  return out->count >= 0 && out->count <= AICC_PARTIAL_MAX;
}

aicc_dim aicc_elements_at(const elements *e, int64_t index) {
  if (e->value->partial) {
    return e->value->partial[index];
  }
  const aicc_tensor *tensor = aicc_value_constant(e->value);
  if (!tensor || !aicc_dtype_is_float(tensor->dtype)) {
    return AICC_DIM_NONE;
  }
  const double value = aicc_get_f64(tensor->dtype, tensor->data, (size_t)index);
  return value == floor(value) && fabs(value) < 0x1p53
             ? aicc_dim_const(e->module->dims, (int64_t)value)
             : AICC_DIM_NONE;
}

bool aicc_elements_const(const elements *e, int64_t index, int64_t *value) {
  const aicc_dim d = aicc_elements_at(e, index);
  return d != AICC_DIM_NONE && aicc_dim_is_const(e->module->dims, d, value);
}

void aicc_unravel(int64_t index, const int64_t *shape, int rank, int64_t *at) {
  for (int i = rank - 1; i >= 0; i--) {
    at[i] = shape[i] > 0 ? index % shape[i] : 0;
    index = shape[i] > 0 ? index / shape[i] : 0;
  }
}

int64_t aicc_ravel(const int64_t *at, const int64_t *shape, int rank) {
  int64_t index = 0;
  for (int i = 0; i < rank; i++) {
    index = index * shape[i] + at[i];
  }
  return index;
}

int64_t aicc_broadcast_index(const elements *result, int64_t index, const elements *operand) {
  int64_t at[AICC_MAX_RANK];
  aicc_unravel(index, result->shape, result->rank, at);
  int64_t *last = at + (result->rank - operand->rank);
  for (int i = 0; i < operand->rank; i++) {
    last[i] = operand->shape[i] == 1 ? 0 : last[i];
  }
  return aicc_ravel(last, operand->shape, operand->rank);
}

// --- elementwise ---------------------------------------------------------------------------------

static aicc_dim constant(aicc_dims *t, int64_t value) { return aicc_dim_const(t, value); }

static bool not_negative(const aicc_dims *t, aicc_dim d) {
  int64_t lower = 0;
  aicc_dim_bounds(t, d, &lower, NULL);
  return lower >= 0;
}

static aicc_dim negate(aicc_dims *t, aicc_dim d) { return aicc_dim_mul(t, constant(t, -1), d); }
static aicc_dim negate_truth(aicc_dims *t, aicc_dim d) {
  return aicc_dim_sub(t, constant(t, 1), d);
}

static aicc_dim unary(aicc_dims *t, aicc_op op, aicc_dim a) {
  const aicc_dim zero = constant(t, 0);
  switch (op) {
    case AICC_OP_NEG: return negate(t, a);
    case AICC_OP_ABS: return aicc_dim_select(t, aicc_dim_lt(t, a, zero), negate(t, a), a);
    case AICC_OP_SIGN: return aicc_dim_sub(t, aicc_dim_lt(t, zero, a), aicc_dim_lt(t, a, zero));
    case AICC_OP_NOT: return negate_truth(t, a);
    case AICC_OP_BITNOT: return aicc_dim_sub(t, constant(t, -1), a);
    case AICC_OP_FLOOR:
    case AICC_OP_CEIL:
    case AICC_OP_ROUND:
    case AICC_OP_TRUNC: return a;  // what is known is an integer
    default: return AICC_DIM_NONE;
  }
}

// Toward zero.
static aicc_dim divide(aicc_dims *t, aicc_dim a, aicc_dim b) {
  int64_t x = 0, y = 0;
  if (not_negative(t, a) && not_negative(t, b)) {
    return aicc_dim_floordiv(t, a, b);
  }
  if (!aicc_dim_is_const(t, b, &y) || y == 0 || y == INT64_MIN) {
    return AICC_DIM_NONE;
  }
  if (aicc_dim_is_const(t, a, &x)) {
    return x == INT64_MIN && y == -1 ? AICC_DIM_NONE : constant(t, x / y);
  }
  const aicc_dim by = constant(t, y < 0 ? -y : y);
  const aicc_dim down = aicc_dim_floordiv(t, a, by);
  const aicc_dim up = negate(t, aicc_dim_floordiv(t, negate(t, a), by));
  const aicc_dim quotient = aicc_dim_select(t, aicc_dim_lt(t, a, constant(t, 0)), up, down);
  return y < 0 ? negate(t, quotient) : quotient;
}

// a / b as floats: known where it is an integer whatever the symbols are.
static aicc_dim divide_floats(aicc_dims *t, aicc_dim a, aicc_dim b) {
  int64_t y = 0;
  if (aicc_dim_is_const(t, b, &y)) {
    return y > 0 && aicc_dim_divisible(t, a, y) ? aicc_dim_floordiv(t, a, b) : AICC_DIM_NONE;
  }
  return AICC_DIM_NONE;
}

static aicc_dim fmod_of(aicc_dims *t, aicc_dim a, aicc_dim b) {
  int64_t x = 0, y = 0;
  if (not_negative(t, a) && not_negative(t, b)) {
    return aicc_dim_mod(t, a, b);
  }
  const bool known = aicc_dim_is_const(t, a, &x) && aicc_dim_is_const(t, b, &y);
  return known && y != 0 && y != -1 ? constant(t, x % y) : AICC_DIM_NONE;
}

static aicc_dim power(aicc_dims *t, aicc_dim a, aicc_dim b) {
  int64_t exponent = 0;
  if (!aicc_dim_is_const(t, b, &exponent) || exponent < 0 || exponent > 8) {
    return AICC_DIM_NONE;
  }
  aicc_dim result = constant(t, 1);
  for (int64_t i = 0; i < exponent; i++) {
    result = aicc_dim_mul(t, result, a);
  }
  return result;
}

static aicc_dim shift(aicc_dims *t, aicc_op op, aicc_dim a, aicc_dim b) {
  int64_t by = 0;
  if (!aicc_dim_is_const(t, b, &by) || by < 0 || by > 31 || !not_negative(t, a)) {
    return AICC_DIM_NONE;
  }
  const aicc_dim factor = constant(t, (int64_t)1 << by);
  return op == AICC_OP_SHL ? aicc_dim_mul(t, a, factor) : aicc_dim_floordiv(t, a, factor);
}

static aicc_dim logic(aicc_dims *t, aicc_op op, bool truth, aicc_dim a, aicc_dim b) {
  int64_t x = 0, y = 0;
  if (truth) {
    const aicc_dim both = aicc_dim_mul(t, a, b);
    const aicc_dim twice = aicc_dim_mul(t, constant(t, 2), both);
    return op == AICC_OP_AND  ? both
           : op == AICC_OP_OR ? aicc_dim_max(t, a, b)
                              : aicc_dim_sub(t, aicc_dim_add(t, a, b), twice);
  }
  if (!aicc_dim_is_const(t, a, &x) || !aicc_dim_is_const(t, b, &y)) {
    return AICC_DIM_NONE;
  }
  return constant(t, op == AICC_OP_AND ? (x & y) : op == AICC_OP_OR ? (x | y) : (x ^ y));
}

static aicc_dim binary(aicc_dims *t, aicc_op op, aicc_dtype dtype, aicc_dim a, aicc_dim b) {
  switch (op) {
    case AICC_OP_ADD: return aicc_dim_add(t, a, b);
    case AICC_OP_SUB: return aicc_dim_sub(t, a, b);
    case AICC_OP_MUL: return aicc_dim_mul(t, a, b);
    case AICC_OP_DIV:
      return aicc_dtype_is_float(dtype) ? divide_floats(t, a, b) : divide(t, a, b);
    case AICC_OP_MOD: return aicc_dim_mod(t, a, b);
    case AICC_OP_FMOD: return fmod_of(t, a, b);
    case AICC_OP_POW: return power(t, a, b);
    case AICC_OP_MIN: return aicc_dim_min(t, a, b);
    case AICC_OP_MAX: return aicc_dim_max(t, a, b);
    case AICC_OP_AND:
    case AICC_OP_OR:
    case AICC_OP_XOR: return logic(t, op, dtype == AICC_BOOL, a, b);
    case AICC_OP_SHL:
    case AICC_OP_SHR: return shift(t, op, a, b);
    case AICC_OP_EQ: return aicc_dim_eq(t, a, b);
    case AICC_OP_NE: return negate_truth(t, aicc_dim_eq(t, a, b));
    case AICC_OP_LT: return aicc_dim_lt(t, a, b);
    case AICC_OP_GT: return aicc_dim_lt(t, b, a);
    case AICC_OP_LE: return negate_truth(t, aicc_dim_lt(t, b, a));
    case AICC_OP_GE: return negate_truth(t, aicc_dim_lt(t, a, b));
    default: return AICC_DIM_NONE;
  }
}

// One operand decides where the other one is not known.
static aicc_dim absorb(aicc_dims *t, aicc_op op, aicc_dtype dtype, aicc_dim known) {
  const bool decides = known != AICC_DIM_NONE && dtype == AICC_BOOL &&
                       ((op == AICC_OP_AND && aicc_dim_is(t, known, 0)) ||
                        (op == AICC_OP_OR && aicc_dim_is(t, known, 1)));
  return decides ? known : AICC_DIM_NONE;
}

// |d| as an element of |dtype|, where it is sure to fit (see aicc_value.partial for what is
// assumed).
static aicc_dim fit(aicc_dims *t, aicc_dtype dtype, aicc_dim d) {
  const aicc_dtype_info *info = &aicc_dtype_table[dtype];
  if (d == AICC_DIM_NONE || dtype == AICC_I64 || dtype == AICC_BOOL || dtype == AICC_F32 ||
      dtype == AICC_F64) {
    return d;
  }
  if (info->kind != AICC_KIND_SIGNED && info->kind != AICC_KIND_UNSIGNED) {
    return AICC_DIM_NONE;
  }
  const bool is_signed = info->kind == AICC_KIND_SIGNED;
  const int bits = info->bits - is_signed;
  const int64_t most = bits >= 63 ? INT64_MAX : ((int64_t)1 << bits) - 1;
  int64_t lower = 0, upper = 0;
  aicc_dim_bounds(t, d, &lower, &upper);
  const bool assumed = info->bits >= 32 && !aicc_dim_is_const(t, d, NULL);
  if (lower < (is_signed ? -most - 1 : 0) && !(assumed && is_signed)) {
    return AICC_DIM_NONE;
  }
  return upper <= most || assumed ? d : AICC_DIM_NONE;
}

static aicc_dim cast(const aicc_node *node, const elements *x, int64_t index) {
  aicc_dims *t = x->module->dims;
  const aicc_dtype to = node->out[0]->type.dtype;
  aicc_dim d = aicc_elements_at(x, index);
  if (d == AICC_DIM_NONE && aicc_dtype_is_int(to)) {
    d = aicc_partial_rounded(x->module, x->value, index, AICC_OP_TRUNC);
  }
  if (d != AICC_DIM_NONE && to == AICC_BOOL) {
    return negate_truth(t, aicc_dim_eq(t, d, constant(t, 0)));
  }
  return d;
}

static aicc_dim eltwise_at(const aicc_node *node, const elements *in, const elements *result,
                           int64_t index) {
  aicc_dims *t = result->module->dims;
  aicc_dim v[3] = {0};
  for (int i = 0; i < node->in_count; i++) {
    v[i] = aicc_elements_at(&in[i], aicc_broadcast_index(result, index, &in[i]));
  }
  const aicc_dtype dtype = node->in[0]->type.dtype;
  int64_t condition = 0;
  if (node->op == AICC_OP_CAST) {
    return cast(node, &in[0], index);
  }
  if (node->op == AICC_OP_SELECT) {
    if (v[0] == AICC_DIM_NONE || aicc_dim_is_const(t, v[0], &condition)) {
      return v[0] == AICC_DIM_NONE ? AICC_DIM_NONE : v[condition ? 1 : 2];
    }
    return v[1] && v[2] ? aicc_dim_select(t, v[0], v[1], v[2]) : AICC_DIM_NONE;
  }
  if (node->in_count == 1) {
    return v[0] == AICC_DIM_NONE
               ? aicc_partial_rounded(result->module, node->in[0], index, node->op)
               : unary(t, node->op, v[0]);
  }
  if (v[0] == AICC_DIM_NONE || v[1] == AICC_DIM_NONE) {
    return absorb(t, node->op, dtype, v[0] == AICC_DIM_NONE ? v[1] : v[0]);
  }
  return binary(t, node->op, dtype, v[0], v[1]);
}

static bool eltwise(const aicc_node *node, const elements *result, aicc_dim *out) {
  elements in[3];
  if (aicc_kind_of(node) != AICC_KIND_ELTWISE) {
    return false;
  }
  for (int i = 0; i < node->in_count; i++) {
    if (!aicc_elements_of(result->module, node->in[i], &in[i])) {
      return true;
    }
  }
  for (int64_t i = 0; i < result->count; i++) {
    out[i] = eltwise_at(node, in, result, i);
  }
  return true;
}

// --- sources -------------------------------------------------------------------------------------

static bool source(const aicc_node *node, const elements *result, aicc_dim *out) {
  int count = 0;
  aicc_dims *t = result->module->dims;
  const aicc_dim *dims = aicc_get_dims(node, AICC_ATTR_DIMS, &count);
  const aicc_tensor *tensor = aicc_value_constant(result->value);
  const int64_t axis = aicc_get_int(node, AICC_ATTR_AXIS, 0);
  for (int64_t i = 0; i < result->count; i++) {
    int64_t at[AICC_MAX_RANK];
    switch (node->op) {
      case AICC_OP_CONST:
        out[i] = constant(t, aicc_get_i64(tensor->dtype, tensor->data, (size_t)i));
        break;
      case AICC_OP_FROM_DIMS: out[i] = dims[i]; break;
      case AICC_OP_IOTA:
        aicc_unravel(i, result->shape, result->rank, at);
        out[i] = constant(t, result->rank > 0 ? at[axis] : 0);
        break;
      default: return false;
    }
  }
  return true;
}

// --- entry ---------------------------------------------------------------------------------------

// Whether anything can be known: floats only follow from integers, by a few operators.
static bool is_candidate(const aicc_node *node) {
  const aicc_dtype dtype = node->out[0]->type.dtype;
  if (aicc_dtype_is_int(dtype) || dtype == AICC_BOOL) {
    return true;
  }
  if (!aicc_dtype_is_float(dtype) || aicc_kind_of(node) == AICC_KIND_SOURCE) {
    return false;
  }
  if (node->op == AICC_OP_FLOOR || node->op == AICC_OP_CEIL || node->op == AICC_OP_TRUNC) {
    return true;
  }
  for (int i = 0; i < node->in_count; i++) {
    if (node->in[i] && node->in[i]->partial) {
      return true;
    }
  }
  return false;
}

void aicc_partial_infer(aicc_module *module, aicc_node *node) {
  elements result;
  if (node->out_count == 0) {
    return;
  }
  aicc_value *value = node->out[0];
  value->partial = NULL;
  if (node->out_count != 1 || !is_candidate(node) || !aicc_elements_of(module, value, &result)) {
    return;
  }
  aicc_dim out[AICC_PARTIAL_MAX] = {0};
  const bool handled = source(node, &result, out) || eltwise(node, &result, out) ||
                       aicc_partial_move(node, &result, out) ||
                       aicc_partial_reduce(node, &result, out);
  bool any = handled && result.count == 0;
  for (int64_t i = 0; handled && i < result.count; i++) {
    out[i] = fit(module->dims, value->type.dtype, out[i]);
    any = any || out[i] != AICC_DIM_NONE;
  }
  if (any) {
    const size_t count = result.count > 0 ? (size_t)result.count : 1;
    value->partial = aicc_arena_memdup(&module->arena, out, sizeof(aicc_dim) * count);
  }
}
