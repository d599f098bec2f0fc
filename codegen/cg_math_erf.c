// erf and erfc.
#include "codegen/cg_fp.h"

// exp(-a^2) q(w) / (1 + 2a), w = (a - K) / (a + K), for a >= 0.5: right relative to itself down to
// the smallest subnormal, because a^2 is kept in two parts.
static fp_val erfc_positive(const cg_fp *f, fp_val a) {
  a = fp_at_most(f, a, fp_k2(f, 10.25, 27.3));
  fp_val k = fp_k2(f, 3, 4), one = fp_k(f, 1);
  fp_val w = fp_div(f, fp_sub(f, a, k), fp_add(f, a, k));
  fp_val tail = fp_div(f, fp_poly(f, CG_POLY_erfc, w), fp_fma(f, a, fp_k(f, 2), one));
  fp_val square = fp_mul(f, a, a);
  fp_val lost = fp_fma(f, a, a, fp_neg(f, square));
  const fp_exp_parts parts = fp_exp_split(f, fp_neg(f, square), 2 * f->bias);
  fp_val e = fp_add(f, one, parts.p);
  e = fp_add(f, one, fp_fma(f, fp_neg(f, lost), e, parts.p));
  return fp_scale(f, fp_mul(f, e, tail), parts.bits);
}

// Near zero 1 - erf(x), which loses nothing there.
fp_val cg_math_erfc(const cg_fp *f, const fp_val *args) {
  fp_val x = args[0], one = fp_k(f, 1);
  fp_val a = fp_abs(f, x);
  fp_val near_q = fp_poly(f, CG_POLY_erf_near, fp_mul(f, x, x));
  fp_val near = fp_sub(f, one, fp_fma(f, x, near_q, x));
  fp_val core = erfc_positive(f, a);
  fp_val far = fp_sel(f, fp_lt(f, x, fp_k(f, 0)), fp_sub(f, fp_k(f, 2), core), core);
  return fp_sel(f, fp_lt(f, a, fp_k(f, 0.5)), near, far);
}

// 1 - erfc(a) for a >= 0.95. f32: erfc(a) = exp(-a + a q(a)), with no division.
static fp_val erf_far(const cg_fp *f, fp_val a) {
  fp_val one = fp_k(f, 1);
  if (f->wide) {
    return fp_sub(f, one, erfc_positive(f, a));
  }
  a = fp_at_most(f, a, fp_k(f, 4));
  fp_val exponent = fp_fma(f, a, fp_poly(f, CG_POLY_erf_far, a), fp_neg(f, a));
  const fp_exp_parts parts = fp_exp_split(f, exponent, f->bias);
  fp_val scale = fp_from_bits(f, fp_shl(f, parts.bits, f->mantissa));
  return fp_sub(f, fp_sub(f, one, scale), fp_mul(f, scale, parts.p));
}

fp_val cg_math_erf(const cg_fp *f, const fp_val *args) {
  fp_val a = fp_abs(f, args[0]);
  fp_val near = fp_fma(f, a, fp_poly(f, CG_POLY_erf_near, fp_mul(f, a, a)), a);
  fp_val value = fp_sel(f, fp_gt(f, a, fp_k(f, 0.97)), erf_far(f, a), near);
  return fp_copysign(f, value, args[0]);
}
