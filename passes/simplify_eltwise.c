// Identities of elementwise operators.
#include <math.h>

#include "ir/scalar.h"
#include "passes/simplify.h"

static bool is_float(const aicc_node *node) { return aicc_dtype_is_float(node->in[0]->type.dtype); }

// Whether operand 1 is the number |wanted| everywhere.
static bool second_is(const aicc_node *node, double wanted) {
  double value;
  return node->in_count == 2 && aicc_simplify_splat(node->in[1], &value) && value == wanted;
}

// The other operand, in the result's type, where one is |wanted| everywhere: the second one, or the
// first one of a commutative operator (a broadcast constant is no constant to canon).
static aicc_value *beside(aicc_simplify *s, const aicc_node *node, double wanted) {
  double value;
  const bool commutes = aicc_op_info_of(node)->traits & AICC_TRAIT_COMM;
  if (second_is(node, wanted)) {
    return aicc_simplify_fit(s, node, node->in[0]);
  }
  const bool found = commutes && aicc_simplify_splat(node->in[0], &value) && value == wanted;
  return found ? aicc_simplify_fit(s, node, node->in[1]) : NULL;
}

static aicc_value *first(aicc_simplify *s, const aicc_node *node) {
  return aicc_simplify_fit(s, node, node->in[0]);
}

// --- one operand ---------------------------------------------------------------------------------

// f(f(x)) = f(x) for idempotent f; one node less.
static aicc_value *idempotent(aicc_simplify *s, aicc_node *node) {
  (void)s;
  const bool is = node->in_count == 1 && aicc_op_info_of(node)->traits & AICC_TRAIT_IDEM;
  return is && aicc_simplify_def(node, 0, node->op) ? node->in[0] : NULL;
}

// -(-x), !!x, ~~x are x, exactly.
static aicc_value *involution(aicc_simplify *s, aicc_node *node) {
  (void)s;
  aicc_node *inner = aicc_simplify_def(node, 0, node->op);
  return inner ? inner->in[0] : NULL;
}

// |-x| = |x|, in two's complement too; of unsigned integers it is -x.
static aicc_value *abs_of_neg(aicc_simplify *s, aicc_node *node) {
  if (aicc_dtype_kind_of(node->in[0]->type.dtype) == AICC_KIND_UNSIGNED) {
    return node->in[0];
  }
  aicc_node *neg = aicc_simplify_def(node, 0, AICC_OP_NEG);
  return neg ? aicc_b_unary(&s->b, AICC_OP_ABS, neg->in[0]) : NULL;
}

// Rounds once where two roundings were: at most closer to the true value.
static aicc_value *recip_of_sqrt(aicc_simplify *s, aicc_node *node) {
  aicc_node *root = aicc_simplify_def(node, 0, AICC_OP_SQRT);
  return root ? aicc_b_unary(&s->b, AICC_OP_RSQRT, root->in[0]) : NULL;
}

static aicc_value *cast_to_same(aicc_simplify *s, aicc_node *node) {
  (void)s;
  return node->in[0]->type.dtype == node->out[0]->type.dtype ? node->in[0] : NULL;
}

// Whether every value of |from| is a value of |to|.
static bool holds(aicc_dtype from, aicc_dtype to) {
  static const int digits[AICC_DTYPE_COUNT] = {
      [AICC_F32] = 24, [AICC_F64] = 53, [AICC_F16] = 11, [AICC_BF16] = 8};
  const aicc_dtype_info *a = &aicc_dtype_table[from], *b = &aicc_dtype_table[to];
  const bool from_int = aicc_dtype_is_int(from) || from == AICC_BOOL;
  if (from == AICC_BOOL && (aicc_dtype_is_int(to) || digits[to])) {
    return true;
  }
  if (from_int && aicc_dtype_is_int(to)) {
    return a->kind == b->kind ? a->bits <= b->bits
                              : b->kind == AICC_KIND_SIGNED && a->bits < b->bits;
  }
  if (from_int) {
    return digits[to] >= a->bits && to != AICC_F16;  // f16 ends at 65504
  }
  return (from == AICC_F32 && to == AICC_F64) ||
         ((from == AICC_F16 || from == AICC_BF16) && (to == AICC_F32 || to == AICC_F64));
}

// cast(cast(x)) = cast(x) where the inner one loses nothing; one pass over memory less.
static aicc_value *cast_of_cast(aicc_simplify *s, aicc_node *node) {
  aicc_node *inner = aicc_simplify_def(node, 0, AICC_OP_CAST);
  const aicc_dtype to = node->out[0]->type.dtype;
  if (!inner || to == AICC_STR || aicc_dtype_kind_of(to) == AICC_KIND_FLOAT8) {
    return NULL;  // floats to 8 bits saturate or not by their attribute
  }
  const aicc_dtype from = inner->in[0]->type.dtype, middle = inner->out[0]->type.dtype;
  // Integers that do not fit wrap; floats that do not fit become the least integer.
  const bool overflows_alike = aicc_dtype_is_int(middle) || !aicc_dtype_is_int(to) ||
                               !aicc_dtype_is_int(from) || holds(from, to);
  return holds(from, middle) && overflows_alike ? aicc_b_cast(&s->b, inner->in[0], to) : NULL;
}

// --- arithmetic with constants -------------------------------------------------------------------

// x + 0 and x - 0; of floats, -0 + 0 would be +0.
static aicc_value *add_zero(aicc_simplify *s, aicc_node *node) {
  return beside(s, node, 0);
}

// x * 1, x / 1, x ^ 1: exact. The exponent's type does not matter.
static aicc_value *times_one(aicc_simplify *s, aicc_node *node) {
  return beside(s, node, 1);
}

// x * -1 = -x: exact, and no constant.
static aicc_value *times_minus_one(aicc_simplify *s, aicc_node *node) {
  aicc_value *x = beside(s, node, -1);
  return x ? aicc_b_unary(&s->b, AICC_OP_NEG, x) : NULL;
}

// x / 2^k = x * 2^-k: exact while 2^-k is a normal number; multiplication is several times faster.
static aicc_value *div_by_power_of_two(aicc_simplify *s, aicc_node *node) {
  double value;
  int exponent;
  const aicc_dtype type = node->in[0]->type.dtype;
  const int least = type == AICC_F16 ? -14 : -126;
  if (!is_float(node) || !aicc_simplify_splat(node->in[1], &value) || value == 0 ||
      !isfinite(value) || fabs(frexp(value, &exponent)) != 0.5 || 1 - exponent < least ||
      exponent - 1 < least) {
    return NULL;
  }
  aicc_value *x = first(s, node);
  return x ? aicc_b_binary(&s->b, AICC_OP_MUL, x, aicc_b_scalar_like(&s->b, x, 1 / value)) : NULL;
}

// Whether rounding twice is as good as rounding once: results of f32 and f64 keep all but the last
// bit; 16-bit types round after every operator, where that bit counts.
static bool is_wide(const aicc_node *node) {
  const aicc_dtype type = node->out[0]->type.dtype;
  return type == AICC_F32 || type == AICC_F64;
}

// erf(x / c) = erf(x * (1 / c)), as GELU has it. For erf alone, whose result hardly feels the last
// bit of its operand: floor(x / 3) would feel it.
static aicc_value *erf_of_quotient(aicc_simplify *s, aicc_node *node) {
  aicc_node *div = aicc_simplify_def(node, 0, AICC_OP_DIV);
  double value;
  if (!div || !is_wide(node) || !aicc_simplify_splat(div->in[1], &value) ||
      !(fabs(value) > 1e-30 && fabs(value) < 1e30)) {
    return NULL;
  }
  aicc_value *x = aicc_simplify_fit(s, div, div->in[0]);
  aicc_value *scaled =
      x ? aicc_b_binary(&s->b, AICC_OP_MUL, x, aicc_b_scalar_like(&s->b, x, 1 / value)) : NULL;
  return scaled ? aicc_b_unary(&s->b, AICC_OP_ERF, scaled) : NULL;
}

// Sums of exponentials are 1 or more where softmax divides by them, and square roots are never so
// small that their reciprocal is infinite.
static bool has_reciprocal(const aicc_value *value) {
  const aicc_node *def = value->def;
  if (!def || def->op == AICC_OP_SQRT) {
    return def != NULL;
  }
  const aicc_node *term = def->op == AICC_OP_REDUCE_SUM ? def->in[0]->def : NULL;
  return term && term->op == AICC_OP_EXP;
}

// x / y where y is one number for a whole row: one division and a row of products.
static aicc_value *div_by_row_number(aicc_simplify *s, aicc_node *node) {
  const aicc_type *out = &node->out[0]->type, *row = &node->in[1]->type;
  if (!is_wide(node) || out->rank == 0 || row->rank != out->rank ||
      row->dims[out->rank - 1] == out->dims[out->rank - 1] ||
      !aicc_type_equal(&node->in[0]->type, out) || !has_reciprocal(node->in[1])) {
    return NULL;
  }
  aicc_value *once = aicc_b_unary(&s->b, AICC_OP_RECIP, node->in[1]);
  return once ? aicc_b_binary(&s->b, AICC_OP_MUL, node->in[0], once) : NULL;
}

// 1 / x is what recip means.
static aicc_value *one_over(aicc_simplify *s, aicc_node *node) {
  double value;
  if (!is_float(node) || !aicc_simplify_splat(node->in[0], &value) || value != 1) {
    return NULL;
  }
  aicc_value *x = aicc_simplify_fit(s, node, node->in[1]);
  return x ? aicc_b_unary(&s->b, AICC_OP_RECIP, x) : NULL;
}

// Small exponents need no logarithm. pow(x, 0.5) differs from sqrt at -0 and -inf only.
static aicc_value *small_power(aicc_simplify *s, aicc_node *node) {
  double power;
  if (!is_float(node) || !aicc_simplify_splat(node->in[1], &power)) {
    return NULL;
  }
  const bool known = power == 2 || power == 3 || power == 0.5 || power == -1 || power == -0.5;
  aicc_value *x = known ? first(s, node) : NULL;
  if (!x) {
    return NULL;
  }
  if (power == 2 || power == 3) {
    aicc_value *square = aicc_b_binary(&s->b, AICC_OP_MUL, x, x);
    return power == 2 ? square : aicc_b_binary(&s->b, AICC_OP_MUL, square, x);
  }
  return aicc_b_unary(&s->b, power == 0.5 ? AICC_OP_SQRT : power == -1 ? AICC_OP_RECIP
                                                                       : AICC_OP_RSQRT, x);
}

// (x op c) op d = x op (c op d): exact for integers, which wrap, and for min and max of anything.
static aicc_value *join_constants(aicc_simplify *s, aicc_node *node) {
  aicc_node *inner = aicc_simplify_def(node, 0, node->op);
  const bool exact = node->op == AICC_OP_MIN || node->op == AICC_OP_MAX ||
                     aicc_dtype_is_int(node->out[0]->type.dtype);
  if (!inner || !exact || !aicc_value_constant(inner->in[1]) ||
      !aicc_value_constant(node->in[1]) || inner->in[1]->type.rank != 0 ||
      node->in[1]->type.rank != 0 || !aicc_type_equal(&inner->in[0]->type, &node->out[0]->type)) {
    return NULL;
  }
  aicc_value *both = aicc_b_binary(&s->b, node->op, inner->in[1], node->in[1]);
  return aicc_b_binary(&s->b, node->op, inner->in[0], both);
}

// x + (-y) = x - y and x - (-y) = x + y: exact, one node less.
static aicc_value *sign_of_second(aicc_simplify *s, aicc_node *node) {
  aicc_node *neg = aicc_simplify_def(node, 1, AICC_OP_NEG);
  const aicc_op op = node->op == AICC_OP_ADD ? AICC_OP_SUB : AICC_OP_ADD;
  return neg ? aicc_b_binary(&s->b, op, node->in[0], neg->in[0]) : NULL;
}

// (-x) + y = y - x.
static aicc_value *sign_of_first(aicc_simplify *s, aicc_node *node) {
  aicc_node *neg = aicc_simplify_def(node, 0, AICC_OP_NEG);
  return neg ? aicc_b_binary(&s->b, AICC_OP_SUB, node->in[1], neg->in[0]) : NULL;
}

// max(x, -inf) and min(x, inf) are x, NaN too.
static aicc_value *bound_is_infinite(aicc_simplify *s, aicc_node *node) {
  const double bound = node->op == AICC_OP_MAX ? -(double)INFINITY : (double)INFINITY;
  return second_is(node, bound) ? first(s, node) : NULL;
}

// --- logic and selection -------------------------------------------------------------------------

// x and true, x or false, x xor false are x; for integers the constants are all ones and zero.
static aicc_value *logic_identity(aicc_simplify *s, aicc_node *node) {
  const bool is_bool = node->in[0]->type.dtype == AICC_BOOL;
  const bool is_signed = aicc_dtype_kind_of(node->in[0]->type.dtype) == AICC_KIND_SIGNED;
  if (node->op != AICC_OP_AND) {
    return beside(s, node, 0);
  }
  return is_bool ? beside(s, node, 1) : is_signed ? beside(s, node, -1) : NULL;
}

// x and false is false, x or true is true.
static aicc_value *logic_constant(aicc_simplify *s, aicc_node *node) {
  const bool is_bool = node->in[0]->type.dtype == AICC_BOOL;
  const bool decides = second_is(node, node->op == AICC_OP_AND ? 0 : 1);
  return decides && (is_bool || node->op == AICC_OP_AND)
             ? aicc_simplify_fit(s, node, node->in[1])
             : NULL;
}

// x and x, x or x, min(x, x), max(x, x).
static aicc_value *same_operands(aicc_simplify *s, aicc_node *node) {
  (void)s;
  return node->in[0] == node->in[1] ? node->in[0] : NULL;
}

static aicc_value *select_known(aicc_simplify *s, aicc_node *node) {
  double condition;
  if (aicc_simplify_splat(node->in[0], &condition)) {
    return aicc_simplify_fit(s, node, node->in[condition != 0 ? 1 : 2]);
  }
  return node->in[1] == node->in[2] ? aicc_simplify_fit(s, node, node->in[1]) : NULL;
}

// select(not c, x, y) = select(c, y, x).
static aicc_value *select_of_not(aicc_simplify *s, aicc_node *node) {
  aicc_node *no = aicc_simplify_def(node, 0, AICC_OP_NOT);
  return no ? aicc_b_select(&s->b, no->in[0], node->in[2], node->in[1]) : NULL;
}

// --- operands that broadcast anyway --------------------------------------------------------------

// A reshape that only puts dimensions of 1 in front, or drops such.
static bool only_leading_ones(const aicc_simplify *s, const aicc_node *reshape) {
  const aicc_type *from = &reshape->in[0]->type, *to = &reshape->out[0]->type;
  const aicc_type *longer = from->rank > to->rank ? from : to;
  const int extra = longer->rank - (from->rank > to->rank ? to->rank : from->rank);
  for (int d = 0; d < longer->rank; d++) {
    const aicc_dim f = d - longer->rank + from->rank >= 0
                           ? from->dims[d - longer->rank + from->rank] : AICC_DIM_NONE;
    const aicc_dim t = d - longer->rank + to->rank >= 0
                           ? to->dims[d - longer->rank + to->rank] : AICC_DIM_NONE;
    const bool ok = d < extra ? aicc_dim_is(s->module->dims, f == AICC_DIM_NONE ? t : f, 1)
                              : f == t;
    if (!ok) {
      return false;
    }
  }
  return true;
}

static aicc_value *before_broadcast(const aicc_simplify *s, aicc_value *operand) {
  aicc_node *def = operand->def;
  if (!def) {
    return NULL;
  }
  if (def->op == AICC_OP_BROADCAST) {
    return def->in[0];
  }
  return def->op == AICC_OP_RESHAPE && only_leading_ones(s, def) ? def->in[0] : NULL;
}

// Whether the result keeps its shape with |operand| of the node replaced by |smaller|.
static bool keeps_shape(const aicc_simplify *s, const aicc_node *node, int operand,
                        const aicc_value *smaller) {
  aicc_dim dims[AICC_MAX_RANK];
  aicc_type type = {.kind = AICC_TYPE_TENSOR, .dtype = smaller->type.dtype, .rank = 0};
  aicc_dim joined[AICC_MAX_RANK];
  int rank = 0;
  for (int i = 0; i < node->in_count; i++) {
    const aicc_type *other = i == operand ? &smaller->type : &node->in[i]->type;
    if (!aicc_dims_broadcast(s->module, &type, other, dims, &rank)) {
      return false;
    }
    for (int d = 0; d < rank; d++) {
      joined[d] = dims[d];
    }
    type.rank = rank;
    type.dims = joined;
  }
  const aicc_type *out = &node->out[0]->type;
  for (int d = 0; d < rank && rank == out->rank; d++) {
    if (joined[d] != out->dims[d]) {
      return false;
    }
  }
  return rank == out->rank;
}

// Elementwise operators broadcast by themselves: no copy of a broadcast operand is needed.
static aicc_value *drop_broadcast(aicc_simplify *s, aicc_node *node) {
  for (int i = 0; i < node->in_count && node->in_count > 1; i++) {
    aicc_value *smaller = before_broadcast(s, node->in[i]);
    if (smaller && keeps_shape(s, node, i, smaller)) {
      node->in[i] = smaller;
      return node->out[0];
    }
  }
  return NULL;
}

// Whether the other operands leave |smaller|, operand |index|, its shape.
static bool others_fit(const aicc_simplify *s, const aicc_node *node, int index,
                       const aicc_value *smaller) {
  for (int i = 0; i < node->in_count; i++) {
    aicc_dim dims[AICC_MAX_RANK];
    int rank = 0;
    if (i == index) {
      continue;
    }
    if (!aicc_dims_broadcast(s->module, &smaller->type, &node->in[i]->type, dims, &rank) ||
        rank != smaller->type.rank) {
      return false;
    }
    for (int d = 0; d < rank; d++) {
      if (dims[d] != smaller->type.dims[d]) {
        return false;
      }
    }
  }
  return true;
}

// f(broadcast(x), scalars) = broadcast(f(x, scalars)): fewer elements to compute.
static aicc_value *sink_broadcast(aicc_simplify *s, aicc_node *node) {
  const aicc_type *out = &node->out[0]->type;
  for (int i = 0; i < node->in_count; i++) {
    aicc_node *broadcast = aicc_simplify_def(node, i, AICC_OP_BROADCAST);
    if (!broadcast || broadcast->out[0]->type.rank != out->rank ||
        !others_fit(s, node, i, broadcast->in[0])) {
      continue;
    }
    aicc_node *small = aicc_node_create(s->module, node->op, node->in, node->in_count, 1);
    small->in[i] = broadcast->in[0];
    small->attrs = node->attrs;
    small->attr_count = node->attr_count;
    aicc_value *result = aicc_b_finish(&s->b, small);
    return result ? aicc_b_broadcast(&s->b, result, out->dims, out->rank) : NULL;
  }
  return NULL;
}

const aicc_simplify_rule aicc_simplify_eltwise[] = {
    {AICC_OP_COUNT, "idempotent", idempotent},
    {AICC_OP_COUNT, "drop_broadcast", drop_broadcast},
    {AICC_OP_COUNT, "sink_broadcast", sink_broadcast},
    {AICC_OP_NEG, "involution", involution},
    {AICC_OP_NOT, "involution", involution},
    {AICC_OP_BITNOT, "involution", involution},
    {AICC_OP_ABS, "abs_of_neg", abs_of_neg},
    {AICC_OP_RECIP, "recip_of_sqrt", recip_of_sqrt},
    {AICC_OP_CAST, "cast_to_same", cast_to_same},
    {AICC_OP_CAST, "cast_of_cast", cast_of_cast},
    {AICC_OP_ADD, "add_zero", add_zero},
    {AICC_OP_SUB, "add_zero", add_zero},
    {AICC_OP_MUL, "times_one", times_one},
    {AICC_OP_DIV, "times_one", times_one},
    {AICC_OP_POW, "times_one", times_one},
    {AICC_OP_MUL, "times_minus_one", times_minus_one},
    {AICC_OP_DIV, "div_by_power_of_two", div_by_power_of_two},
    {AICC_OP_DIV, "one_over", one_over},
    {AICC_OP_DIV, "div_by_row_number", div_by_row_number},
    {AICC_OP_ERF, "erf_of_quotient", erf_of_quotient},
    {AICC_OP_POW, "small_power", small_power},
    {AICC_OP_ADD, "join_constants", join_constants},
    {AICC_OP_MUL, "join_constants", join_constants},
    {AICC_OP_MIN, "join_constants", join_constants},
    {AICC_OP_MAX, "join_constants", join_constants},
    {AICC_OP_ADD, "sign_of_second", sign_of_second},
    {AICC_OP_SUB, "sign_of_second", sign_of_second},
    {AICC_OP_ADD, "sign_of_first", sign_of_first},
    {AICC_OP_MAX, "bound_is_infinite", bound_is_infinite},
    {AICC_OP_MIN, "bound_is_infinite", bound_is_infinite},
    {AICC_OP_MAX, "same_operands", same_operands},
    {AICC_OP_MIN, "same_operands", same_operands},
    {AICC_OP_AND, "same_operands", same_operands},
    {AICC_OP_OR, "same_operands", same_operands},
    {AICC_OP_AND, "logic_identity", logic_identity},
    {AICC_OP_OR, "logic_identity", logic_identity},
    {AICC_OP_XOR, "logic_identity", logic_identity},
    {AICC_OP_AND, "logic_constant", logic_constant},
    {AICC_OP_OR, "logic_constant", logic_constant},
    {AICC_OP_SELECT, "select_known", select_known},
    {AICC_OP_SELECT, "select_of_not", select_of_not},
    {AICC_OP_COUNT, NULL, NULL},
};
