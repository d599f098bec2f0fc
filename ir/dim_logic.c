// Minimum, maximum, comparison and choice of symbolic integers.
//
// Canonical forms: min and max are right-leaning lists in structural order without operands that
// another one decides. Comparisons have the terms with positive factors of (a - b) or (b - a) on
// one side and the negated others on the other one, without a common factor.
#include "ir/dim_internal.h"

enum { MAX_OPERANDS = 32 };

static int flatten(const aicc_dims *dims, aicc_dim_kind kind, aicc_dim d, aicc_dim *items,
                   int count) {
  while (count < MAX_OPERANDS) {
    const dim_entry *entry = aicc_dim_entry(dims, d);
    if (entry->kind != kind) {
      items[count++] = d;
      return count;
    }
    items[count++] = entry->operand[0];
    d = entry->operand[1];
  }
  return -1;
}

static bool decides(aicc_dims *dims, aicc_dim_kind kind, aicc_dim a, aicc_dim b) {
  return kind == AICC_DIM_MAX ? aicc_dim_ge(dims, a, b) : aicc_dim_ge(dims, b, a);
}

// Inserts |item| into the sorted |items|, unless one of them decides over it.
static int insert(aicc_dims *dims, aicc_dim_kind kind, aicc_dim *items, int count, aicc_dim item) {
  int kept = 0;
  for (int i = 0; i < count; i++) {
    if (decides(dims, kind, items[i], item)) {
      return count;
    }
  }
  for (int i = 0; i < count; i++) {
    if (!decides(dims, kind, item, items[i])) {
      items[kept++] = items[i];
    }
  }
  int at = kept++;
  for (; at > 0 && aicc_dim_compare(dims, items[at - 1], item) > 0; at--) {
    items[at] = items[at - 1];
  }
  items[at] = item;
  return kept;
}

static aicc_dim extremum(aicc_dims *dims, aicc_dim_kind kind, aicc_dim a, aicc_dim b) {
  aicc_dim all[2 * MAX_OPERANDS], items[2 * MAX_OPERANDS];
  const int first = flatten(dims, kind, a, all, 0);
  const int count = first < 0 ? -1 : flatten(dims, kind, b, all, first);
  if (count < 0) {
    return aicc_dim_intern(dims, kind, false, a, b, AICC_DIM_NONE);
  }
  int kept = 0;
  for (int i = 0; i < count; i++) {
    kept = insert(dims, kind, items, kept, all[i]);
  }
  aicc_dim result = items[kept - 1];
  for (int i = kept - 2; i >= 0; i--) {
    result = aicc_dim_intern(dims, kind, false, items[i], result, AICC_DIM_NONE);
  }
  return result;
}

aicc_dim aicc_dim_min(aicc_dims *dims, aicc_dim a, aicc_dim b) {
  return extremum(dims, AICC_DIM_MIN, a, b);
}

aicc_dim aicc_dim_max(aicc_dims *dims, aicc_dim a, aicc_dim b) {
  return extremum(dims, AICC_DIM_MAX, a, b);
}

// Splits |poly| into left - right, both with positive factors.
static bool split_signs(aicc_dims *dims, const dim_poly *poly, aicc_dim *left, aicc_dim *right) {
  dim_poly plus = {0}, minus = {0};
  for (int i = 0; i < poly->count; i++) {
    const dim_term term = poly->terms[i];
    if (term.factor == INT64_MIN) {
      return false;
    }
    dim_poly *side = term.factor > 0 ? &plus : &minus;
    const int64_t factor = term.factor > 0 ? term.factor : -term.factor;
    if (!aicc_poly_add_term(dims, side, factor, term.mono)) {
      return false;
    }
  }
  *left = aicc_poly_build(dims, &plus);
  *right = aicc_poly_build(dims, &minus);
  return true;
}

static bool is_truth(const aicc_dims *dims, aicc_dim d) {
  int64_t lower = 0, upper = 0;
  aicc_dim_bounds(dims, d, &lower, &upper);
  return lower >= 0 && upper <= 1;
}

static aicc_dim negate_truth(aicc_dims *dims, aicc_dim d) {
  return aicc_dim_sub(dims, AICC_DIM_ONE, d);
}

static bool positive(aicc_dims *dims, const dim_poly *poly, int64_t sign) {
  dim_poly shifted = {0};
  return aicc_poly_add(dims, &shifted, poly, sign) &&
         aicc_poly_add_term(dims, &shifted, -1, AICC_DIM_ONE) &&
         aicc_poly_nonnegative(dims, &shifted, 3);
}

static bool scale_down(const aicc_dims *dims, dim_poly *poly, int64_t by) {
  const dim_poly old = *poly;
  poly->count = 0;
  for (int i = 0; i < old.count; i++) {
    if ((by == -1 && old.terms[i].factor == INT64_MIN) ||
        !aicc_poly_add_term(dims, poly, old.terms[i].factor / by, old.terms[i].mono)) {
      return false;
    }
  }
  return true;
}

aicc_dim aicc_dim_eq(aicc_dims *dims, aicc_dim a, aicc_dim b) {
  dim_poly difference;
  if (a == b) {
    return AICC_DIM_ONE;
  }
  if (aicc_dim_compare(dims, a, b) > 0) {
    const aicc_dim swap = a;
    a = b;
    b = swap;
  }
  if (!aicc_poly_sub_of(dims, a, b, &difference)) {
    return aicc_dim_intern(dims, AICC_DIM_EQ, false, a, b, AICC_DIM_NONE);
  }
  const int64_t common = aicc_poly_gcd(&difference);
  if (positive(dims, &difference, 1) || positive(dims, &difference, -1) ||
      (common > 1 && aicc_poly_constant(&difference) % common != 0)) {
    return aicc_dim_const(dims, 0);
  }
  if (difference.terms[0].factor != INT64_MIN) {
    const int64_t by = difference.terms[0].factor < 0 ? -1 : 1;
    if (scale_down(dims, &difference, by * (common > 1 ? common : 1))) {
      split_signs(dims, &difference, &a, &b);
    }
  }
  if (is_truth(dims, a) && aicc_dim_is_const(dims, b, NULL)) {
    return aicc_dim_is(dims, b, 1) ? a : negate_truth(dims, a);
  }
  if (is_truth(dims, b) && aicc_dim_is_const(dims, a, NULL)) {
    return aicc_dim_is(dims, a, 1) ? b : negate_truth(dims, b);
  }
  return aicc_dim_intern(dims, AICC_DIM_EQ, false, a, b, AICC_DIM_NONE);
}

aicc_dim aicc_dim_lt(aicc_dims *dims, aicc_dim a, aicc_dim b) {
  dim_poly difference;
  if (aicc_dim_ge(dims, a, b)) {
    return aicc_dim_const(dims, 0);
  }
  if (!aicc_poly_sub_of(dims, b, a, &difference)) {
    return aicc_dim_intern(dims, AICC_DIM_LT, false, a, b, AICC_DIM_NONE);
  }
  if (positive(dims, &difference, 1)) {
    return AICC_DIM_ONE;
  }
  int64_t least_gap = 0, most_gap = 0;
  aicc_poly_bounds(dims, &difference, &least_gap, &most_gap);
  if (most_gap == 1) {  // n < 1 with n >= 0 is n == 0
    return aicc_dim_eq(dims, b, aicc_dim_add(dims, a, AICC_DIM_ONE));
  }
  split_signs(dims, &difference, &b, &a);
  if (is_truth(dims, a) && aicc_dim_is(dims, b, 1)) {
    return negate_truth(dims, a);
  }
  if (is_truth(dims, b) && aicc_dim_is(dims, a, 0)) {
    return b;
  }
  return aicc_dim_intern(dims, AICC_DIM_LT, false, a, b, AICC_DIM_NONE);
}

// l < r ? a : b as a minimum or maximum, where a and b are l and r up to a common summand.
static aicc_dim select_order(aicc_dims *dims, const dim_entry *order, aicc_dim a, aicc_dim b) {
  const aicc_dim gap = aicc_dim_sub(dims, order->operand[0], order->operand[1]);
  if (aicc_dim_sub(dims, a, b) == gap) {
    return aicc_dim_min(dims, a, b);
  }
  return aicc_dim_sub(dims, b, a) == gap ? aicc_dim_max(dims, a, b) : AICC_DIM_NONE;
}

typedef struct solution {
  aicc_dim symbol, value;
} solution;

static aicc_dim replace_solved(void *context, aicc_dim symbol) {
  const solution *s = context;
  return symbol == s->symbol ? s->value : AICC_DIM_NONE;
}

// A symbol that |equation| (an EQ) determines, alone on its side.
static bool solve(aicc_dims *dims, const dim_entry *equation, solution *out) {
  for (int i = 0; i < 2; i++) {
    const aicc_dim symbol = equation->operand[i], value = equation->operand[1 - i];
    if (aicc_dim_entry(dims, symbol)->kind == AICC_DIM_SYMBOL &&
        aicc_dim_is_const(dims, value, NULL)) {
      *out = (solution){symbol, value};
      return true;
    }
  }
  return false;
}

// n == 0 ? 2*n - 1 : n - 1 is n - 1: where the condition holds, both are the same.
static bool agree_where_equal(aicc_dims *dims, const dim_entry *equation, aicc_dim a, aicc_dim b) {
  solution s;
  return solve(dims, equation, &s) && aicc_dim_substitute(dims, a, replace_solved, &s) ==
                                          aicc_dim_substitute(dims, b, replace_solved, &s);
}

aicc_dim aicc_dim_select(aicc_dims *dims, aicc_dim c, aicc_dim a, aicc_dim b) {
  int64_t value = 0, lower = 0, upper = 0;
  aicc_dim_bounds(dims, c, &lower, &upper);
  if (a == b || lower > 0 || upper < 0) {
    return a;
  }
  if (aicc_dim_is_const(dims, c, &value)) {
    return value ? a : b;
  }
  if (!is_truth(dims, c)) {
    return aicc_dim_select(dims, aicc_dim_eq(dims, c, aicc_dim_const(dims, 0)), b, a);
  }
  if (aicc_dim_is(dims, a, 1) && aicc_dim_is(dims, b, 0)) {
    return c;
  }
  if (aicc_dim_is(dims, a, 0) && aicc_dim_is(dims, b, 1)) {
    return negate_truth(dims, c);
  }
  const dim_entry entry = *aicc_dim_entry(dims, c);
  if (entry.kind == AICC_DIM_LT) {
    const aicc_dim folded = select_order(dims, &entry, a, b);
    if (folded != AICC_DIM_NONE) {
      return folded;
    }
  }
  if (entry.kind == AICC_DIM_EQ && agree_where_equal(dims, &entry, a, b)) {
    return b;
  }
  dim_poly flipped = {0}, truth;  // 1 - c: the other way round
  if (entry.kind == AICC_DIM_ADD && aicc_poly_of(dims, c, &truth) && truth.terms[0].factor < 0 &&
      aicc_poly_add(dims, &flipped, &truth, -1) &&
      aicc_poly_add_term(dims, &flipped, 1, AICC_DIM_ONE)) {
    return aicc_dim_select(dims, aicc_poly_build(dims, &flipped), b, a);
  }
  return aicc_dim_intern(dims, AICC_DIM_SELECT, false, c, a, b);
}
