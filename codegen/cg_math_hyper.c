// tanh, sinh, cosh and their inverses.
#include "codegen/cg_fp.h"

// A polynomial up to 5/8, where the other form would lose bits; 1 - 2 / (e^2|x| + 1) beyond.
fp_val cg_math_tanh(const cg_fp *f, const fp_val *args) {
  fp_val magnitude = fp_abs(f, args[0]), one = fp_k(f, 1);
  fp_val z = fp_mul(f, magnitude, magnitude);
  fp_val near = fp_fma(f, fp_mul(f, magnitude, z), fp_poly(f, CG_POLY_tanh, z), magnitude);
  fp_val a = fp_at_most(f, magnitude, fp_k2(f, 10, 20));
  const fp_exp_parts parts = fp_exp_split(f, fp_add(f, a, a), f->bias);
  fp_val scale = fp_from_bits(f, fp_shl(f, parts.bits, f->mantissa));
  fp_val sum = fp_add(f, fp_fma(f, scale, parts.p, scale), one);
  fp_val far = fp_sub(f, one, fp_div(f, fp_k(f, 2), sum));
  fp_val value = fp_sel(f, fp_gt(f, magnitude, fp_k(f, 0.625)), far, near);
  return fp_copysign(f, value, args[0]);
}

// |x| = n ln 2 + r. With A = 2^(n-2) and B = 2^(-n-2),
//   sinh / 2 = sinh(r) (A + B) + cosh(r) (A - B),  cosh / 2 = cosh(r) (A + B) + sinh(r) (A - B):
// halves, because 2^n may overflow where the result does not.
typedef struct hyper_parts {
  fp_val s, c;              // sinh(r), cosh(r) - 1
  fp_val sum, difference;   // A + B, A - B
} hyper_parts;

static hyper_parts hyper_split(const cg_fp *f, fp_val a) {
  const int low_bits = f->bias - 2;
  a = fp_at_most(f, a, fp_k2(f, 89.5, 710.6));
  const fp_rounded t = fp_round_scaled(f, a, fp_hi(f, CG_LOG2_E), low_bits);
  fp_val r = fp_fma(f, t.n, fp_neg(f, fp_hi(f, CG_LN2)), a);
  r = fp_fma(f, t.n, fp_neg(f, fp_lo(f, CG_LN2)), r);
  fp_val up = fp_from_bits(f, fp_shl(f, t.bits, f->mantissa));
  fp_val mirrored = fp_isub(f, fp_ik(f, 2 * (uint64_t)low_bits), t.bits);
  fp_val down = fp_from_bits(f, fp_shl(f, mirrored, f->mantissa));
  // Where e^-|x| is lost anyway its exponent may have left the range.
  down = fp_sel(f, fp_gt(f, t.n, fp_k(f, 60)), fp_k(f, 0), down);
  fp_val z = fp_mul(f, r, r);
  fp_val q = fp_poly(f, CG_POLY_cosh, z);
  return (hyper_parts){
      .s = fp_fma(f, fp_mul(f, r, z), fp_poly(f, CG_POLY_sinh, z), r),
      .c = fp_fma(f, fp_mul(f, z, z), q, fp_mul(f, z, fp_k(f, 0.5))),
      .sum = fp_add(f, up, down),
      .difference = fp_sub(f, up, down),
  };
}

fp_val cg_math_sinh(const cg_fp *f, const fp_val *args) {
  fp_val a = fp_abs(f, args[0]);
  const hyper_parts h = hyper_split(f, a);
  fp_val small = fp_fma(f, h.s, h.sum, fp_mul(f, h.c, h.difference));
  fp_val half = fp_add(f, small, h.difference);
  // Keeps subnormals, whose halves would be rounded.
  fp_val tiny = fp_lt(f, a, fp_k2(f, 0x1p-30, 0x1p-60));
  return fp_copysign(f, fp_sel(f, tiny, a, fp_add(f, half, half)), args[0]);
}

fp_val cg_math_cosh(const cg_fp *f, const fp_val *args) {
  const hyper_parts h = hyper_split(f, fp_abs(f, args[0]));
  fp_val small = fp_fma(f, h.c, h.sum, fp_mul(f, h.s, h.difference));
  fp_val half = fp_add(f, small, h.sum);
  return fp_add(f, half, half);
}

// log(1 + u), or log(2 u) in the lanes |big| (for u so large that nothing else is left).
static fp_val log1p_or_twice(const cg_fp *f, fp_val u, fp_val big) {
  fp_val hi, lo;
  fp_two_sum(f, fp_k(f, 1), u, &hi, &lo);
  hi = fp_sel(f, big, u, hi);
  lo = fp_sel(f, big, fp_k(f, 0), lo);
  fp_val log = fp_log_sum(f, hi, lo);
  return fp_sel(f, big, fp_add(f, log, fp_hi(f, CG_LN2)), log);
}

// log(a + sqrt(a^2 + 1)) = log1p(a + a^2 / (1 + sqrt(a^2 + 1))).
fp_val cg_math_asinh(const cg_fp *f, const fp_val *args) {
  fp_val a = fp_abs(f, args[0]), one = fp_k(f, 1);
  fp_val big = fp_gt(f, a, fp_k2(f, 0x1p14, 0x1p28));
  fp_val a2 = fp_mul(f, a, a);
  fp_val root = fp_sqrt(f, fp_add(f, a2, one));
  fp_val u = fp_add(f, a, fp_div(f, a2, fp_add(f, root, one)));
  fp_val value = log1p_or_twice(f, fp_sel(f, big, a, u), big);
  value = fp_sel(f, fp_lt(f, a, fp_inf(f)), value, a);
  fp_val tiny = fp_lt(f, a, fp_k2(f, 0x1p-30, 0x1p-60));
  return fp_copysign(f, fp_sel(f, tiny, a, value), args[0]);
}

// With t = x - 1: log1p(t + sqrt(t (t + 2))); below 1 the root is NaN.
fp_val cg_math_acosh(const cg_fp *f, const fp_val *args) {
  fp_val x = args[0];
  fp_val big = fp_gt(f, x, fp_k2(f, 0x1p14, 0x1p28));
  fp_val t = fp_sub(f, x, fp_k(f, 1));
  fp_val root = fp_sqrt(f, fp_mul(f, t, fp_add(f, t, fp_k(f, 2))));
  fp_val u = fp_add(f, t, root);
  fp_val value = log1p_or_twice(f, fp_sel(f, big, x, u), big);
  value = fp_sel(f, fp_lt(f, x, fp_k(f, 1)), fp_nan(f), value);
  return fp_sel(f, fp_lt(f, x, fp_inf(f)), value, x);
}

// log1p(2a / (1 - a)) / 2; log1p gives the infinity at 1 and the NaN beyond.
fp_val cg_math_atanh(const cg_fp *f, const fp_val *args) {
  fp_val a = fp_abs(f, args[0]);
  fp_val u = fp_div(f, fp_add(f, a, a), fp_sub(f, fp_k(f, 1), a));
  fp_val value = fp_mul(f, cg_math_log1p(f, &u), fp_k(f, 0.5));
  fp_val tiny = fp_lt(f, a, fp_k2(f, 0x1p-30, 0x1p-60));
  return fp_copysign(f, fp_sel(f, tiny, a, value), args[0]);
}
