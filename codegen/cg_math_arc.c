// asin, acos, atan, atan2.
#include "codegen/cg_fp.h"

// x + x z q(z) with z = x * x.
static fp_val odd_poly(const cg_fp *f, cg_poly_id id, fp_val x, fp_val z) {
  return fp_fma(f, fp_mul(f, x, z), fp_poly(f, id, z), x);
}

// Beyond 1/2: asin(a) = pi/2 - 2 asin(sqrt((1 - a) / 2)).
typedef struct asin_parts {
  fp_val far;   // lanes with |x| > 1/2
  fp_val core;  // asin(|x|), or asin(sqrt((1 - |x|) / 2)) in the far lanes
} asin_parts;

static asin_parts asin_core(const cg_fp *f, fp_val a) {
  fp_val half = fp_k(f, 0.5);
  fp_val far = fp_gt(f, a, half);
  fp_val folded = fp_fma(f, a, fp_k(f, -0.5), half);
  fp_val z = fp_sel(f, far, folded, fp_mul(f, a, a));
  fp_val x = fp_sel(f, far, fp_sqrt(f, folded), a);
  return (asin_parts){.far = far, .core = odd_poly(f, CG_POLY_asin, x, z)};
}

// (hi + lo of pi/2) - 2 * core.
static fp_val half_pi_minus_twice(const cg_fp *f, fp_val core) {
  fp_val rest = fp_fma(f, core, fp_k(f, -2), fp_lo(f, CG_HALF_PI));
  return fp_add(f, fp_hi(f, CG_HALF_PI), rest);
}

fp_val cg_math_asin(const cg_fp *f, const fp_val *args) {
  const asin_parts parts = asin_core(f, fp_abs(f, args[0]));
  fp_val value = fp_sel(f, parts.far, half_pi_minus_twice(f, parts.core), parts.core);
  return fp_copysign(f, value, args[0]);
}

fp_val cg_math_acos(const cg_fp *f, const fp_val *args) {
  const asin_parts parts = asin_core(f, fp_abs(f, args[0]));
  fp_val signed_core = fp_copysign(f, parts.core, args[0]);
  fp_val near = fp_sub(f, fp_hi(f, CG_HALF_PI), fp_sub(f, signed_core, fp_lo(f, CG_HALF_PI)));
  fp_val twice = fp_add(f, parts.core, parts.core);
  fp_val left = fp_sub(f, fp_hi(f, CG_PI), fp_sub(f, twice, fp_lo(f, CG_PI)));
  fp_val far = fp_sel(f, fp_lt(f, args[0], fp_k(f, 0)), left, twice);
  return fp_sel(f, parts.far, far, near);
}

// atan(small / big) for 0 <= small <= big, or pi/2 minus it in the lanes |swapped|.
static fp_val atan_ratio(const cg_fp *f, fp_val ratio, fp_val swapped) {
  fp_val core = odd_poly(f, CG_POLY_atan, ratio, fp_mul(f, ratio, ratio));
  fp_val other = fp_sub(f, fp_hi(f, CG_HALF_PI), fp_sub(f, core, fp_lo(f, CG_HALF_PI)));
  return fp_sel(f, swapped, other, core);
}

fp_val cg_math_atan(const cg_fp *f, const fp_val *args) {
  fp_val a = fp_abs(f, args[0]), one = fp_k(f, 1);
  fp_val swapped = fp_gt(f, a, one);
  fp_val ratio = fp_sel(f, swapped, fp_div(f, one, a), a);
  return fp_copysign(f, atan_ratio(f, ratio, swapped), args[0]);
}

fp_val cg_math_atan2(const cg_fp *f, const fp_val *args) {
  fp_val y = args[0], x = args[1], zero = fp_k(f, 0);
  fp_val ay = fp_abs(f, y), ax = fp_abs(f, x);
  fp_val swapped = fp_gt(f, ay, ax);
  fp_val big = fp_sel(f, swapped, ay, ax), small = fp_sel(f, swapped, ax, ay);
  fp_val ratio = fp_div(f, small, big);
  // Two zeros count as a ratio of 0, two infinities as 1; anything over NaN stays NaN.
  ratio = fp_sel(f, fp_eq(f, big, zero), fp_mul(f, small, big), ratio);
  ratio = fp_sel(f, fp_eq(f, small, fp_inf(f)), fp_k(f, 1), ratio);
  fp_val angle = atan_ratio(f, ratio, swapped);
  fp_val left = fp_sub(f, fp_hi(f, CG_PI), fp_sub(f, angle, fp_lo(f, CG_PI)));
  fp_val negative = fp_ilt(f, fp_bits(f, x), fp_ik(f, 0));
  angle = fp_copysign(f, fp_sel(f, negative, left, angle), y);
  fp_val ordered = fp_and(f, fp_eq(f, x, x), fp_eq(f, y, y));
  return fp_sel(f, ordered, angle, fp_nan(f));
}
