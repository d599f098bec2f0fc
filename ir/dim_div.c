// Division and remainder of symbolic integers.
//
// Canonical forms, for a constant divisor c > 0: multiples of c leave the quotient; a common factor
// of the rest and c is cancelled; the first factor of the rest is positive (-x floordiv c becomes
// -((x + c - 1) floordiv c)); nested quotients are one.
#include "ir/dim_internal.h"

int64_t aicc_gcd(int64_t a, int64_t b) {
  if (a == INT64_MIN || b == INT64_MIN) {
    return 1;
  }
  a = a < 0 ? -a : a;
  b = b < 0 ? -b : b;
  while (b != 0) {
    const int64_t rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

bool aicc_floordiv_i64(int64_t a, int64_t b, int64_t *out) {
  if (b == 0) {
    *out = 0;
    return true;
  }
  if (a == INT64_MIN && b == -1) {
    return false;
  }
  *out = a / b - (a % b != 0 && (a < 0) != (b < 0));
  return true;
}

int64_t aicc_floormod_i64(int64_t a, int64_t b) {
  if (b == 0 || b == -1) {
    return 0;
  }
  const int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

// quotient * by + rest = a, dividing term after term by the first term of |by|. The rest holds what
// its first term does not divide.
static bool long_division(aicc_dims *dims, const dim_poly *a, const dim_poly *by,
                          dim_poly *quotient, dim_poly *rest) {
  *rest = *a;
  quotient->count = 0;
  const dim_term lead = by->terms[0];
  for (int i = 0, steps = 0; i < rest->count; steps++) {
    const dim_term term = rest->terms[i];
    const aicc_dim mono = aicc_mono_divide(dims, term.mono, lead.mono);
    const bool divides = lead.factor == -1 ? term.factor != INT64_MIN
                                           : term.factor % lead.factor == 0;
    if (mono == AICC_DIM_NONE || !divides || steps > 4 * AICC_POLY_TERMS) {
      i++;
      continue;
    }
    dim_poly part = {.count = 1, .terms = {{term.factor / lead.factor, mono}}}, product;
    if (!aicc_poly_mul(dims, &part, by, &product) || !aicc_poly_add(dims, rest, &product, -1) ||
        !aicc_poly_add(dims, quotient, &part, 1)) {
      return false;
    }
    i = 0;
  }
  return true;
}

// The polynomial q with a = q * b, AICC_DIM_NONE where there is none.
static aicc_dim exact_quotient(aicc_dims *dims, aicc_dim a, aicc_dim b) {
  dim_poly left, right, quotient, rest;
  if (aicc_dim_is(dims, b, 0) || !aicc_poly_of(dims, a, &left) || !aicc_poly_of(dims, b, &right) ||
      !long_division(dims, &left, &right, &quotient, &rest) || rest.count > 0) {
    return AICC_DIM_NONE;
  }
  return aicc_poly_build(dims, &quotient);
}

aicc_dim aicc_dim_divide_exact(aicc_dims *dims, aicc_dim a, aicc_dim b) {
  const aicc_dim quotient = exact_quotient(dims, a, b);
  return quotient != AICC_DIM_NONE ? quotient : aicc_dim_floordiv(dims, a, b);
}

static bool is_quotient_by(const aicc_dims *dims, aicc_dim d, int64_t *divisor) {
  const dim_entry *entry = aicc_dim_entry(dims, d);
  return entry->kind == AICC_DIM_FLOORDIV &&
         aicc_dim_is_const(dims, entry->operand[1], divisor) && *divisor > 0;
}

static aicc_dim quotient_atom(aicc_dims *dims, aicc_dim a, aicc_dim b) {
  return aicc_dim_intern(dims, AICC_DIM_FLOORDIV, false, a, b, AICC_DIM_NONE);
}

static aicc_dim floordiv_const(aicc_dims *dims, aicc_dim a, int64_t c);

// (x floordiv m + k) floordiv c = (x + k * m) floordiv (m * c)
static aicc_dim fold_nested(aicc_dims *dims, const dim_poly *rest, int64_t c) {
  const int64_t k = aicc_poly_constant(rest);
  int64_t m = 0, shift = 0, product = 0;
  if (rest->count != (k ? 2 : 1) || rest->terms[0].factor != 1 ||
      !is_quotient_by(dims, rest->terms[0].mono, &m) || aicc_mul_overflow(k, m, &shift) ||
      aicc_mul_overflow(m, c, &product)) {
    return AICC_DIM_NONE;
  }
  const aicc_dim x = aicc_dim_operand(dims, rest->terms[0].mono, 0);
  return floordiv_const(dims, aicc_dim_add(dims, x, aicc_dim_const(dims, shift)), product);
}

// |rest| floordiv c, where no factor reaches c.
static aicc_dim floordiv_rest(aicc_dims *dims, const dim_poly *rest, int64_t c) {
  int64_t lower = 0, upper = 0;
  aicc_poly_bounds(dims, rest, &lower, &upper);
  if (lower >= 0 && upper < c) {
    return aicc_dim_const(dims, 0);
  }
  if (rest->terms[0].factor < 0) {
    dim_poly flipped = {0};
    if (aicc_poly_add(dims, &flipped, rest, -1) &&
        aicc_poly_add_term(dims, &flipped, c - 1, AICC_DIM_ONE)) {
      const aicc_dim up = floordiv_const(dims, aicc_poly_build(dims, &flipped), c);
      return aicc_dim_mul(dims, aicc_dim_const(dims, -1), up);
    }
  }
  const int64_t common = aicc_gcd(aicc_poly_gcd(rest), c);
  if (common > 1) {  // floor((g x + k) / (g c')) = floor((x + floor(k / g)) / c')
    dim_poly small = {0};
    for (int i = 0; i < rest->count; i++) {
      int64_t factor = 0;
      aicc_floordiv_i64(rest->terms[i].factor, common, &factor);
      if (!aicc_poly_add_term(dims, &small, factor, rest->terms[i].mono)) {
        return quotient_atom(dims, aicc_poly_build(dims, rest), aicc_dim_const(dims, c));
      }
    }
    return floordiv_const(dims, aicc_poly_build(dims, &small), c / common);
  }
  const aicc_dim nested = fold_nested(dims, rest, c);
  return nested != AICC_DIM_NONE
             ? nested
             : quotient_atom(dims, aicc_poly_build(dims, rest), aicc_dim_const(dims, c));
}

static aicc_dim floordiv_const(aicc_dims *dims, aicc_dim a, int64_t c) {
  dim_poly poly;
  if (c == 1) {
    return a;
  }
  if (!aicc_poly_of(dims, a, &poly)) {
    return quotient_atom(dims, a, aicc_dim_const(dims, c));
  }
  dim_poly whole = {0}, rest = {0};
  for (int i = 0; i < poly.count; i++) {
    const dim_term term = poly.terms[i];
    int64_t factor = term.factor / c;
    if (term.mono == AICC_DIM_ONE) {
      aicc_floordiv_i64(term.factor, c, &factor);
    }
    if (!aicc_poly_add_term(dims, &whole, factor, term.mono) ||
        !aicc_poly_add_term(dims, &rest, term.factor - factor * c, term.mono)) {
      return quotient_atom(dims, a, aicc_dim_const(dims, c));
    }
  }
  if (rest.count == 0) {
    return aicc_poly_build(dims, &whole);
  }
  return aicc_dim_add(dims, aicc_poly_build(dims, &whole), floordiv_rest(dims, &rest, c));
}

// a < b and a >= 0, proven: the quotient is 0 and the remainder a.
static bool is_below(aicc_dims *dims, aicc_dim a, aicc_dim b) {
  int64_t lower = 0;
  aicc_dim_bounds(dims, a, &lower, NULL);
  return lower >= 0 && aicc_dim_ge(dims, b, aicc_dim_add(dims, a, AICC_DIM_ONE));
}

aicc_dim aicc_dim_floordiv(aicc_dims *dims, aicc_dim a, aicc_dim b) {
  int64_t x = 0, c = 0, quotient = 0;
  const bool by_const = aicc_dim_is_const(dims, b, &c);
  if (aicc_dim_is(dims, a, 0) || (by_const && c == 0)) {
    return aicc_dim_const(dims, 0);
  }
  if (by_const && aicc_dim_is_const(dims, a, &x) && aicc_floordiv_i64(x, c, &quotient)) {
    return aicc_dim_const(dims, quotient);
  }
  if (by_const && c > 0) {
    return floordiv_const(dims, a, c);
  }
  if (by_const && c > INT64_MIN) {  // a floordiv -c = -a floordiv c
    return floordiv_const(dims, aicc_dim_mul(dims, aicc_dim_const(dims, -1), a), -c);
  }
  int64_t lower = 0, upper = 0;
  aicc_dim_bounds(dims, b, &lower, &upper);
  if (lower >= 1 || upper <= -1) {  // at b = 0 the quotient would be 0, not q
    const aicc_dim exact = exact_quotient(dims, a, b);
    if (exact != AICC_DIM_NONE) {
      return exact;
    }
  }
  return is_below(dims, a, b) ? aicc_dim_const(dims, 0) : quotient_atom(dims, a, b);
}

aicc_dim aicc_dim_ceildiv(aicc_dims *dims, aicc_dim a, aicc_dim b) {
  int64_t c = 0;
  if (aicc_dim_is_const(dims, b, &c) && c > 0) {
    return aicc_dim_floordiv(dims, aicc_dim_add(dims, a, aicc_dim_const(dims, c - 1)), b);
  }
  const aicc_dim minus = aicc_dim_const(dims, -1);
  return aicc_dim_mul(dims, minus, aicc_dim_floordiv(dims, aicc_dim_mul(dims, minus, a), b));
}

static aicc_dim remainder_atom(aicc_dims *dims, aicc_dim a, aicc_dim b) {
  return aicc_dim_intern(dims, AICC_DIM_MOD, false, a, b, AICC_DIM_NONE);
}

// Factors reduced to 0 .. c - 1; x % m with c | m * factor becomes x.
static bool reduce_factors(aicc_dims *dims, const dim_poly *poly, int64_t c, dim_poly *rest) {
  rest->count = 0;
  for (int i = 0; i < poly->count; i++) {
    const int64_t factor = aicc_floormod_i64(poly->terms[i].factor, c);
    const aicc_dim mono = poly->terms[i].mono;
    const dim_entry *entry = aicc_dim_entry(dims, mono);
    int64_t m = 0, product = 0;
    dim_poly inner;
    if (entry->kind == AICC_DIM_MOD && aicc_dim_is_const(dims, entry->operand[1], &m) &&
        !aicc_mul_overflow(m, factor, &product) && product % c == 0 &&
        aicc_poly_of(dims, entry->operand[0], &inner)) {
      if (!aicc_poly_add(dims, rest, &inner, factor)) {
        return false;
      }
    } else if (!aicc_poly_add_term(dims, rest, factor, mono)) {
      return false;
    }
  }
  dim_poly reduced = {0};  // sums of factors may have passed c again
  for (int i = 0; i < rest->count; i++) {
    const dim_term term = rest->terms[i];
    if (!aicc_poly_add_term(dims, &reduced, aicc_floormod_i64(term.factor, c), term.mono)) {
      return false;
    }
  }
  *rest = reduced;
  return true;
}

static aicc_dim mod_const(aicc_dims *dims, aicc_dim a, int64_t c) {
  dim_poly poly, rest;
  if (c == 1 || aicc_dim_known_factor(dims, a) % c == 0) {
    return aicc_dim_const(dims, 0);
  }
  if (!aicc_poly_of(dims, a, &poly) || !reduce_factors(dims, &poly, c, &rest)) {
    return remainder_atom(dims, a, aicc_dim_const(dims, c));
  }
  int64_t lower = 0, upper = 0;
  aicc_poly_bounds(dims, &rest, &lower, &upper);
  if (lower >= 0 && upper < c) {
    return aicc_poly_build(dims, &rest);
  }
  aicc_dim_bounds(dims, a, &lower, &upper);
  if (lower >= 0 && upper < c) {
    return a;
  }
  const int64_t common = aicc_gcd(aicc_poly_gcd(&rest), c);
  if (common > 1) {  // (g x + g k + r) mod (g c') = g * ((x + k) mod c') + r, 0 <= r < g
    dim_poly small = {0};
    for (int i = 0; i < rest.count; i++) {
      aicc_poly_add_term(dims, &small, rest.terms[i].factor / common, rest.terms[i].mono);
    }
    const aicc_dim inner = mod_const(dims, aicc_poly_build(dims, &small), c / common);
    return aicc_dim_add(dims, aicc_dim_mul(dims, aicc_dim_const(dims, common), inner),
                        aicc_dim_const(dims, aicc_poly_constant(&rest) % common));
  }
  return remainder_atom(dims, aicc_poly_build(dims, &rest), aicc_dim_const(dims, c));
}

aicc_dim aicc_dim_mod(aicc_dims *dims, aicc_dim a, aicc_dim b) {
  int64_t x = 0, c = 0;
  const bool by_const = aicc_dim_is_const(dims, b, &c);
  if (aicc_dim_is(dims, a, 0) || (by_const && c == 0)) {
    return aicc_dim_const(dims, 0);
  }
  if (by_const && aicc_dim_is_const(dims, a, &x)) {
    return aicc_dim_const(dims, aicc_floormod_i64(x, c));
  }
  if (by_const && c > 0) {
    return mod_const(dims, a, c);
  }
  if (exact_quotient(dims, a, b) != AICC_DIM_NONE) {  // 0 at b = 0 too
    return aicc_dim_const(dims, 0);
  }
  return is_below(dims, a, b) ? a : remainder_atom(dims, a, b);
}
