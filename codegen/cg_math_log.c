// log, log2, log10, log1p: x = 2^e m, sqrt(1/2) <= m < sqrt(2), and a polynomial in m - 1.
#include "codegen/cg_fp.h"

// log_b(x) = e log_b(2) + log_b(e) log(m).
typedef struct log_base {
  cg_const of_two;   // log_b(2)
  cg_const of_e;     // log_b(e)
} log_base;

static const log_base base_e = {{0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56}, {1, 0}};
static const log_base base_2 = {{1, 0}, {0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56}};
static const log_base base_10 = {{0x1.34413509f79ffp-2, -0x1.9dc1da994fd21p-59},
                                 {0x1.bcb7b1526e50ep-2, 0x1.95355baaafad3p-57}};

// log(1 + g) - g.
static fp_val log_tail(const cg_fp *f, fp_val g) {
  fp_val g2 = fp_mul(f, g, g);
  if (!f->wide) {
    return fp_mul(f, g2, fp_poly(f, CG_POLY_log, g));
  }
  // With s = g / (2 + g), log(1 + g) = 2 s + s z q(z) and 2 s = g - s g: half the coefficients.
  fp_val half = fp_mul(f, g2, fp_k(f, 0.5));
  fp_val s = fp_div(f, g, fp_add(f, g, fp_k(f, 2)));
  fp_val z = fp_mul(f, s, s);
  fp_val q = fp_fma(f, z, fp_poly(f, CG_POLY_log, z), half);
  return fp_fma(f, s, q, fp_neg(f, half));
}

// The logarithm of (hi + lo) 2^e_more; hi > 0 and normal.
static fp_val log_parts(const cg_fp *f, const log_base *base, fp_val hi, fp_val lo, fp_val e_more) {
  fp_val one_bits = fp_ik(f, (uint64_t)f->bias << f->mantissa);
  fp_val bits = fp_bits(f, hi);
  fp_val root_half = fp_ik(f, f->wide ? 0x3fe6a09e667f3bcdu : 0x3f3504f3u);
  fp_val above = fp_isub(f, bits, root_half);
  fp_val exponent = fp_iand(f, above, fp_ik(f, ~(((uint64_t)1 << f->mantissa) - 1)));
  fp_val e = fp_from_int(f, fp_ashr(f, above, f->mantissa));
  fp_val g = fp_sub(f, fp_from_bits(f, fp_isub(f, bits, exponent)), fp_k(f, 1));
  if (lo) {
    fp_val scale = fp_isub(f, one_bits, exponent);  // of 2^-e; where that is below all normals, 0
    scale = fp_sel(f, fp_ilt(f, scale, fp_ik(f, 0)), fp_ik(f, 0), scale);
    g = fp_fma(f, lo, fp_from_bits(f, scale), g);
  }
  if (e_more) {
    e = fp_add(f, e, e_more);
  }
  fp_val tail = log_tail(f, g);
  fp_val sum;
  if (base == &base_e) {
    sum = fp_add(f, g, fp_fma(f, e, fp_lo(f, base->of_two), tail));
  } else {
    fp_val small = fp_fma(f, tail, fp_hi(f, base->of_e), fp_mul(f, g, fp_lo(f, base->of_e)));
    small = fp_fma(f, e, fp_lo(f, base->of_two), small);
    sum = fp_fma(f, g, fp_hi(f, base->of_e), small);
  }
  return fp_fma(f, e, fp_hi(f, base->of_two), sum);
}

// |result| for finite x > 0; NaN below, -inf at zero, infinity and NaN as they come.
static fp_val log_special(const cg_fp *f, fp_val x, fp_val zero, fp_val result) {
  result = fp_sel(f, fp_lt(f, x, fp_inf(f)), result, x);
  result = fp_sel(f, fp_lt(f, x, zero), fp_nan(f), result);
  return fp_sel(f, fp_eq(f, x, zero), fp_neg(f, fp_inf(f)), result);
}

static fp_val log_any(const cg_fp *f, const log_base *base, fp_val x) {
  fp_val small = fp_lt(f, x, fp_k2(f, 0x1p-126, 0x1p-1022));
  fp_val hi = fp_sel(f, small, fp_mul(f, x, fp_k(f, 0x1p54)), x);
  fp_val e_more = fp_sel(f, small, fp_k(f, -54), fp_k(f, 0));
  return log_special(f, x, fp_k(f, 0), log_parts(f, base, hi, NULL, e_more));
}

fp_val cg_math_log(const cg_fp *f, const fp_val *args) { return log_any(f, &base_e, args[0]); }
fp_val cg_math_log2(const cg_fp *f, const fp_val *args) { return log_any(f, &base_2, args[0]); }
fp_val cg_math_log10(const cg_fp *f, const fp_val *args) { return log_any(f, &base_10, args[0]); }

fp_val fp_log_sum(const cg_fp *f, fp_val hi, fp_val lo) {
  return log_parts(f, &base_e, hi, lo, NULL);
}

void fp_two_sum(const cg_fp *f, fp_val a, fp_val b, fp_val *hi, fp_val *lo) {
  fp_val sum = fp_add(f, a, b);
  fp_val from_b = fp_sub(f, sum, a);
  fp_val from_a = fp_sub(f, sum, from_b);
  *lo = fp_add(f, fp_sub(f, a, from_a), fp_sub(f, b, from_b));
  *hi = sum;
}

fp_val cg_math_log1p(const cg_fp *f, const fp_val *args) {
  fp_val x = args[0], hi, lo;
  fp_two_sum(f, fp_k(f, 1), x, &hi, &lo);
  fp_val result = log_special(f, x, fp_k(f, -1), fp_log_sum(f, hi, lo));
  return fp_sel(f, fp_lt(f, fp_abs(f, x), fp_k2(f, 0x1p-30, 0x1p-60)), x, result);
}
