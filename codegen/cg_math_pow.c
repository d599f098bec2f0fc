// pow: 2^(y log2|x|) with log2|x| and the product in two parts each, then the special cases.
#include "codegen/cg_fp.h"

typedef struct fp_pair {
  fp_val hi, lo;
} fp_pair;

// a * b as hi + lo.
static fp_pair two_product(const cg_fp *f, fp_val a, fp_val b) {
  fp_val hi = fp_mul(f, a, b);
  return (fp_pair){.hi = hi, .lo = fp_fma(f, a, b, fp_neg(f, hi))};
}

// a + b as hi + lo for |a| >= |b| or a = 0.
static fp_pair fast_sum(const cg_fp *f, fp_val a, fp_val b) {
  fp_val hi = fp_add(f, a, b);
  return (fp_pair){.hi = hi, .lo = fp_sub(f, b, fp_sub(f, hi, a))};
}

// g / (2 + g) for an exact g = m - 1: the remainder of the division is computed exactly.
static fp_pair ratio(const cg_fp *f, fp_val g, fp_val m) {
  fp_val one = fp_k(f, 1);
  fp_val d = fp_add(f, m, one);
  fp_val d_low = fp_sub(f, m, fp_sub(f, d, one));
  fp_val inverse = fp_div(f, one, d);
  fp_val s = fp_mul(f, g, inverse);
  fp_val rest = fp_fma(f, fp_neg(f, s), d, g);
  rest = fp_fma(f, fp_neg(f, s), d_low, rest);
  return (fp_pair){.hi = s, .lo = fp_mul(f, rest, inverse)};
}

// log2(a) for finite a > 0, as hi + lo. log2(m) = s (K0 + K1 z + z^2 q(z)), z = s^2.
static fp_pair log2_pair(const cg_fp *f, fp_val a) {
  static const cg_const k0 = {0x1.71547652b82fep+1, 0x1.777d0ffda0d24p-55};
  static const cg_const k1 = {0x1.ec709dc3a03fdp-1, 0x1.d27f05548af0cp-55};
  fp_val small = fp_lt(f, a, fp_k2(f, 0x1p-126, 0x1p-1022));
  fp_val bits = fp_bits(f, fp_sel(f, small, fp_mul(f, a, fp_k(f, 0x1p54)), a));
  fp_val above = fp_isub(f, bits, fp_ik(f, f->wide ? 0x3fe6a09e667f3bcdu : 0x3f3504f3u));
  fp_val exponent = fp_iand(f, above, fp_ik(f, ~(((uint64_t)1 << f->mantissa) - 1)));
  fp_val m = fp_from_bits(f, fp_isub(f, bits, exponent));
  fp_val e = fp_from_int(f, fp_ashr(f, above, f->mantissa));
  e = fp_add(f, e, fp_sel(f, small, fp_k(f, -54), fp_k(f, 0)));

  const fp_pair s = ratio(f, fp_sub(f, m, fp_k(f, 1)), m);
  fp_pair z = two_product(f, s.hi, s.hi);
  z.lo = fp_fma(f, fp_add(f, s.hi, s.hi), s.lo, z.lo);
  // c = K0 + K1 z + z^2 q(z) as a pair.
  fp_pair k1z = two_product(f, fp_hi(f, k1), z.hi);
  k1z.lo = fp_fma(f, fp_lo(f, k1), z.hi, fp_fma(f, fp_hi(f, k1), z.lo, k1z.lo));
  fp_val q = fp_poly(f, CG_POLY_log2_tail, z.hi);
  k1z.lo = fp_fma(f, fp_mul(f, z.hi, z.hi), q, k1z.lo);
  fp_pair c = fast_sum(f, fp_hi(f, k0), k1z.hi);
  c.lo = fp_add(f, c.lo, fp_add(f, k1z.lo, fp_lo(f, k0)));
  // e + s c.
  fp_pair product = two_product(f, s.hi, c.hi);
  product.lo = fp_fma(f, s.lo, c.hi, fp_fma(f, s.hi, c.lo, product.lo));
  fp_pair sum = fast_sum(f, e, product.hi);
  sum.lo = fp_add(f, sum.lo, product.lo);
  return fast_sum(f, sum.hi, sum.lo);
}

// |x|^y for every |x| and y but those whose answer is 1 by definition.
static fp_val power_of_magnitude(const cg_fp *f, fp_val a, fp_val y) {
  fp_val inf = fp_inf(f), zero = fp_k(f, 0);
  fp_pair log = log2_pair(f, a);
  fp_val is_zero = fp_eq(f, a, zero);
  fp_val finite = fp_lt(f, a, inf);
  log.hi = fp_sel(f, finite, log.hi, a);  // infinity and NaN as they are
  log.hi = fp_sel(f, is_zero, fp_neg(f, inf), log.hi);
  fp_pair p = two_product(f, y, log.hi);
  p.lo = fp_fma(f, y, log.lo, p.lo);
  fp_val in_range = fp_lt(f, fp_abs(f, p.hi), fp_k2(f, 160, 1100));
  return fp_exp2(f, p.hi, fp_sel(f, in_range, p.lo, zero));
}

fp_val cg_math_pow(const cg_fp *f, const fp_val *args) {
  fp_val x = args[0], y = args[1], zero = fp_k(f, 0), one = fp_k(f, 1), inf = fp_inf(f);
  fp_val a = fp_abs(f, x);
  fp_val value = power_of_magnitude(f, a, y);

  fp_val half_y = fp_mul(f, y, fp_k(f, 0.5));
  fp_val integer = fp_eq(f, fp_rint(f, y), y);
  fp_val even = fp_eq(f, fp_rint(f, half_y), half_y);
  fp_val odd = fp_and(f, integer, fp_not(f, even));
  fp_val negative = fp_ilt(f, fp_bits(f, x), fp_ik(f, 0));  // -0 and -inf too
  value = fp_sel(f, fp_and(f, negative, odd), fp_neg(f, value), value);
  // Below zero (and not -inf, whose powers are all defined) a fraction has no real power.
  fp_val undefined = fp_and(f, fp_lt(f, x, zero), fp_not(f, integer));
  undefined = fp_and(f, undefined, fp_lt(f, a, inf));
  value = fp_sel(f, undefined, fp_nan(f), value);
  fp_val infinite_y = fp_eq(f, fp_abs(f, y), inf);
  fp_val ones = fp_or(f, fp_eq(f, x, one), fp_eq(f, y, zero));
  ones = fp_or(f, ones, fp_and(f, fp_eq(f, a, one), infinite_y));
  return fp_sel(f, ones, one, value);
}
