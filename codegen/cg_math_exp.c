// exp, exp2, expm1, sigmoid: x = n ln 2 + r, |r| <= ln 2 / 2, and a polynomial in r.
#include "codegen/cg_fp.h"

fp_exp_parts fp_exp_split(const cg_fp *f, fp_val x, int low_bits) {
  const fp_rounded t = fp_round_scaled(f, x, fp_hi(f, CG_LOG2_E), low_bits);
  fp_val r = fp_fma(f, t.n, fp_neg(f, fp_hi(f, CG_LN2)), x);
  r = fp_fma(f, t.n, fp_neg(f, fp_lo(f, CG_LN2)), r);
  fp_val q = fp_poly(f, CG_POLY_expm1, r);
  return (fp_exp_parts){.p = fp_fma(f, fp_mul(f, r, r), q, r), .n = t.n, .bits = t.bits};
}

// Two factors of about half the exponent each are always normal numbers; only the last
// multiplication rounds, also when the result is subnormal.
fp_val fp_scale(const cg_fp *f, fp_val value, fp_val bits) {
  fp_val half = fp_lshr(f, bits, 1);
  fp_val first = fp_from_bits(f, fp_shl(f, half, f->mantissa));
  fp_val second = fp_from_bits(f, fp_shl(f, fp_isub(f, bits, half), f->mantissa));
  return fp_mul(f, fp_mul(f, value, first), second);
}

fp_val fp_exp(const cg_fp *f, fp_val x) {
  x = fp_at_most(f, x, fp_k2(f, 89, 710));
  x = fp_at_least(f, x, fp_k2(f, -104, -746));
  const fp_exp_parts parts = fp_exp_split(f, x, 2 * f->bias);
  return fp_scale(f, fp_add(f, parts.p, fp_k(f, 1)), parts.bits);
}

fp_val cg_math_exp(const cg_fp *f, const fp_val *args) { return fp_exp(f, args[0]); }

fp_val fp_exp2(const cg_fp *f, fp_val hi, fp_val lo) {
  fp_val limited = fp_at_most(f, hi, fp_k2(f, 129, 1025));
  limited = fp_at_least(f, limited, fp_k2(f, -151, -1076));
  const fp_rounded t = fp_round_scaled(f, limited, fp_k(f, 1), 2 * f->bias);
  fp_val r = fp_sub(f, limited, t.n);
  if (lo) {
    r = fp_add(f, r, lo);
  }
  fp_val p = fp_fma(f, r, fp_poly(f, CG_POLY_exp2, r), fp_k(f, 1));
  return fp_scale(f, p, t.bits);
}

fp_val cg_math_exp2(const cg_fp *f, const fp_val *args) { return fp_exp2(f, args[0], NULL); }

fp_val cg_math_expm1(const cg_fp *f, const fp_val *args) {
  fp_val x = fp_at_most(f, args[0], fp_k2(f, 89, 710));
  x = fp_at_least(f, x, fp_k2(f, -26, -45));
  const fp_exp_parts parts = fp_exp_split(f, x, f->bias - 1);
  // Half of the result, so that 2^n itself cannot overflow before the result does.
  fp_val half_scale = fp_from_bits(f, fp_shl(f, parts.bits, f->mantissa));
  fp_val half = fp_fma(f, half_scale, parts.p, fp_sub(f, half_scale, fp_k(f, 0.5)));
  // Keeps -0 and subnormals, whose halves would be rounded.
  fp_val tiny = fp_lt(f, fp_abs(f, args[0]), fp_k2(f, 0x1p-30, 0x1p-60));
  return fp_sel(f, tiny, args[0], fp_add(f, half, half));
}

// With e = exp(-|x|) <= 1: 1 / (1 + e) above zero and e / (1 + e) below, each right relative to
// itself. What the sum and the quotient round away is put back.
fp_val cg_math_sigmoid(const cg_fp *f, const fp_val *args) {
  fp_val e = fp_exp(f, fp_neg(f, fp_abs(f, args[0]))), one = fp_k(f, 1);
  fp_val sum = fp_add(f, one, e);
  fp_val lost = fp_sub(f, e, fp_sub(f, sum, one));
  fp_val quotient = fp_div(f, one, sum);
  fp_val rest = fp_sub(f, fp_fma(f, fp_neg(f, quotient), sum, one), lost);
  fp_val correction = fp_mul(f, quotient, rest);
  fp_val below = fp_fma(f, e, quotient, fp_mul(f, e, correction));
  fp_val above = fp_add(f, quotient, correction);
  return fp_sel(f, fp_lt(f, args[0], fp_k(f, 0)), below, above);
}
