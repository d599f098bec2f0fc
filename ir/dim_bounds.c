// Intervals, proofs of order, and divisibility of symbolic integers.
#include "ir/dim_internal.h"

typedef struct interval {
  int64_t lower, upper;  // INT64_MIN and INT64_MAX stand for the infinities
} interval;

static const interval everything = {INT64_MIN, INT64_MAX};

static bool is_infinite(int64_t v) { return v == INT64_MIN || v == INT64_MAX; }

static int64_t saturated(int64_t a, int64_t b) {
  int64_t sum = 0;
  return aicc_add_overflow(a, b, &sum) ? (a < 0 ? INT64_MIN : INT64_MAX) : sum;
}

static int64_t add_lower(int64_t a, int64_t b) {
  return a == INT64_MIN || b == INT64_MIN ? INT64_MIN : saturated(a, b);
}

static int64_t add_upper(int64_t a, int64_t b) {
  return a == INT64_MAX || b == INT64_MAX ? INT64_MAX : saturated(a, b);
}

static int64_t mul_ends(int64_t a, int64_t b) {
  if (a == 0 || b == 0) {
    return 0;
  }
  int64_t product = 0;
  if (is_infinite(a) || is_infinite(b) || aicc_mul_overflow(a, b, &product)) {
    return (a < 0) == (b < 0) ? INT64_MAX : INT64_MIN;
  }
  return product;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }

static interval add(interval a, interval b) {
  return (interval){add_lower(a.lower, b.lower), add_upper(a.upper, b.upper)};
}

static interval mul(interval a, interval b) {
  const int64_t p = mul_ends(a.lower, b.lower), q = mul_ends(a.lower, b.upper),
                r = mul_ends(a.upper, b.lower), s = mul_ends(a.upper, b.upper);
  const int64_t lower = least(least(p, q), least(r, s)), upper = most(most(p, q), most(r, s));
  // x >= INT64_MAX times -1 may be INT64_MIN + 1.
  return (interval){lower, upper == INT64_MIN ? INT64_MIN + 1 : upper};
}

static interval unite(interval a, interval b) {
  return (interval){least(a.lower, b.lower), most(a.upper, b.upper)};
}

// Floor of an end by a divisor >= 1, either of which may be infinite.
static int64_t div_ends(int64_t a, int64_t b) {
  if (b == INT64_MAX) {
    return a < 0 ? -1 : 0;
  }
  int64_t quotient = a;
  if (!is_infinite(a)) {
    aicc_floordiv_i64(a, b, &quotient);
  }
  return quotient;
}

static interval floordiv(interval a, interval b) {
  if (b.lower < 0) {
    return everything;
  }
  const int64_t small = most(b.lower, 1), large = most(b.upper, 1);
  const interval quotient = {div_ends(a.lower, a.lower >= 0 ? large : small),
                             div_ends(a.upper, a.upper >= 0 ? small : large)};
  return b.lower == 0 ? unite(quotient, (interval){0, 0}) : quotient;
}

static interval mod(interval a, interval b) {
  interval rest = {b.lower < 0 ? add_lower(b.lower, 1) : 0, b.upper > 0 ? b.upper : 0};
  if (b.upper > 0 && b.upper < INT64_MAX) {
    rest.upper = b.upper - 1;
  }
  if (a.lower >= 0 && b.lower >= 0) {
    rest.upper = least(rest.upper, a.upper);
  }
  return rest;
}

static interval of(const aicc_dims *dims, aicc_dim d) {
  const dim_entry *entry = aicc_dim_entry(dims, d);
  return (interval){entry->lower, entry->upper};
}

static interval of_entry(const aicc_dims *dims, const dim_entry *entry) {
  if (entry->kind == AICC_DIM_CONST) {
    return (interval){entry->value, entry->value};
  }
  const interval a = of(dims, entry->operand[0]), b = of(dims, entry->operand[1]);
  switch (entry->kind) {
    case AICC_DIM_ADD: return add(a, b);
    case AICC_DIM_MUL: return mul(a, b);
    case AICC_DIM_FLOORDIV: return floordiv(a, b);
    case AICC_DIM_MOD: return mod(a, b);
    case AICC_DIM_MIN: return (interval){least(a.lower, b.lower), least(a.upper, b.upper)};
    case AICC_DIM_MAX: return (interval){most(a.lower, b.lower), most(a.upper, b.upper)};
    case AICC_DIM_SELECT: return unite(b, of(dims, entry->operand[2]));
    case AICC_DIM_EQ:
    case AICC_DIM_LT: return (interval){0, 1};
    case AICC_DIM_CONST:
    case AICC_DIM_SYMBOL: break;
  }
  return everything;
}

void aicc_dim_set_bounds(const aicc_dims *dims, dim_entry *entry) {
  if (entry->kind == AICC_DIM_SYMBOL) {
    return;  // given by the caller
  }
  const interval range = of_entry(dims, entry);
  entry->lower = range.lower;
  entry->upper = range.upper;
}

void aicc_dim_bounds(const aicc_dims *dims, aicc_dim d, int64_t *lower, int64_t *upper) {
  const dim_entry *entry = aicc_dim_entry(dims, d);
  if (lower) {
    *lower = entry->lower;
  }
  if (upper) {
    *upper = entry->upper;
  }
}

void aicc_poly_bounds(const aicc_dims *dims, const dim_poly *poly, int64_t *lower, int64_t *upper) {
  interval sum = {0, 0};
  for (int i = 0; i < poly->count; i++) {
    const int64_t factor = poly->terms[i].factor;
    sum = add(sum, mul((interval){factor, factor}, of(dims, poly->terms[i].mono)));
  }
  *lower = sum.lower;
  *upper = sum.upper;
}

// --- proofs -------------------------------------------------------------------------------------

// |poly| with its term |at| replaced by |by| times the term's factor.
static bool replace_term(const aicc_dims *dims, const dim_poly *poly, int at, aicc_dim by,
                         dim_poly *out) {
  dim_poly value, rest = *poly;
  return aicc_poly_of(dims, by, &value) &&
         aicc_poly_add_term(dims, &rest, -poly->terms[at].factor, poly->terms[at].mono) &&
         aicc_poly_add(dims, &rest, &value, poly->terms[at].factor) && (*out = rest, true);
}

static bool holds_with(aicc_dims *dims, const dim_poly *poly, int at, aicc_dim by, int depth) {
  dim_poly replaced;
  return replace_term(dims, poly, at, by, &replaced) &&
         aicc_poly_nonnegative(dims, &replaced, depth - 1);
}

// x floordiv c lies in [(x - c + 1) / c, x / c]: the claim times c, with that in its place.
static bool holds_with_quotient(aicc_dims *dims, const dim_poly *poly, int at, int depth) {
  const dim_term term = poly->terms[at];
  const dim_entry *entry = aicc_dim_entry(dims, term.mono);
  int64_t c = 0, shift = 0;
  dim_poly x, scaled = {0}, rest = *poly;
  if (!aicc_dim_is_const(dims, entry->operand[1], &c) || c <= 0 ||
      aicc_mul_overflow(term.factor, c - 1, &shift) ||
      !aicc_poly_of(dims, entry->operand[0], &x) ||
      !aicc_poly_add_term(dims, &rest, -term.factor, term.mono) ||
      !aicc_poly_add(dims, &scaled, &rest, c) || !aicc_poly_add(dims, &scaled, &x, term.factor) ||
      (term.factor > 0 && !aicc_poly_add_term(dims, &scaled, -shift, AICC_DIM_ONE)) ||
      !aicc_poly_add_term(dims, &scaled, c - 1, AICC_DIM_ONE)) {  // c * poly > -c is enough
    return false;
  }
  return aicc_poly_nonnegative(dims, &scaled, depth - 1);
}

static bool holds_by_term(aicc_dims *dims, const dim_poly *poly, int at, int depth) {
  const dim_term term = poly->terms[at];
  const dim_entry entry = *aicc_dim_entry(dims, term.mono);
  const aicc_dim a = entry.operand[0], b = entry.operand[1], c = entry.operand[2];
  const bool either = entry.kind == (term.factor > 0 ? AICC_DIM_MAX : AICC_DIM_MIN);
  switch (entry.kind) {
    case AICC_DIM_MIN:
    case AICC_DIM_MAX:
      if (holds_with(dims, poly, at, a, depth)) {
        return either || holds_with(dims, poly, at, b, depth);
      }
      return either && holds_with(dims, poly, at, b, depth);
    case AICC_DIM_SELECT:
      return holds_with(dims, poly, at, b, depth) && holds_with(dims, poly, at, c, depth);
    case AICC_DIM_FLOORDIV: return holds_with_quotient(dims, poly, at, depth);
    default: return false;
  }
}

bool aicc_poly_nonnegative(aicc_dims *dims, const dim_poly *poly, int depth) {
  int64_t lower = 0, upper = 0;
  aicc_poly_bounds(dims, poly, &lower, &upper);
  if (lower >= 0 || depth == 0 || upper < 0) {
    return lower >= 0;
  }
  depth = poly->count > 8 ? 1 : depth;  // the search branches at every term
  for (int i = 0; i < poly->count; i++) {
    if (poly->terms[i].factor != INT64_MIN && holds_by_term(dims, poly, i, depth)) {
      return true;
    }
  }
  return false;
}

bool aicc_dim_ge(aicc_dims *dims, aicc_dim a, aicc_dim b) {
  dim_poly difference;
  int64_t least_a = 0, most_b = 0;
  aicc_dim_bounds(dims, a, &least_a, NULL);
  aicc_dim_bounds(dims, b, NULL, &most_b);
  return a == b || least_a >= most_b || (aicc_poly_sub_of(dims, a, b, &difference) &&
                    aicc_poly_nonnegative(dims, &difference, 3));
}

bool aicc_dim_is_size(const aicc_dims *dims, aicc_dim d) {
  const dim_entry *entry = aicc_dim_entry(dims, d);
  if (entry->kind == AICC_DIM_CONST || entry->kind == AICC_DIM_SYMBOL) {
    return entry->lower >= 0 || entry->kind == AICC_DIM_CONST;
  }
  for (int i = 0; i < 3 && entry->operand[i] != AICC_DIM_NONE; i++) {
    if (!aicc_dim_is_size(dims, entry->operand[i])) {
      return false;
    }
  }
  return true;
}

// --- divisibility -------------------------------------------------------------------------------

static int64_t factor_of_product(int64_t a, int64_t b) {
  int64_t product = 0;
  if (a == 0 || b == 0) {
    return 0;
  }
  return aicc_mul_overflow(a, b, &product) ? a : product;
}

int64_t aicc_dim_known_factor(const aicc_dims *dims, aicc_dim d) {
  const dim_entry *entry = aicc_dim_entry(dims, d);
  switch (entry->kind) {
    case AICC_DIM_CONST: return aicc_gcd(entry->value, 0);
    case AICC_DIM_MUL:
      return factor_of_product(aicc_dim_known_factor(dims, entry->operand[0]),
                               aicc_dim_known_factor(dims, entry->operand[1]));
    case AICC_DIM_ADD:
    case AICC_DIM_MIN:
    case AICC_DIM_MAX:
    case AICC_DIM_MOD:
      return aicc_gcd(aicc_dim_known_factor(dims, entry->operand[0]),
                      aicc_dim_known_factor(dims, entry->operand[1]));
    case AICC_DIM_SELECT:
      return aicc_gcd(aicc_dim_known_factor(dims, entry->operand[1]),
                      aicc_dim_known_factor(dims, entry->operand[2]));
    default: return 1;
  }
}

bool aicc_dim_divisible(const aicc_dims *dims, aicc_dim d, int64_t factor) {
  return factor != 0 && aicc_dim_known_factor(dims, d) % factor == 0;
}
