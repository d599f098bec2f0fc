// Building blocks of cg_math_*.c: operations on one floating-point type, scalar or vector.
//
// Private to codegen/cg_math_*.c. A cg_fp says which type is worked on; every function appends one
// instruction (or a handful) and returns its value. Constants are splat over the lanes.
#ifndef AICC_CODEGEN_CG_FP_H
#define AICC_CODEGEN_CG_FP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "codegen/cg_math.h"

typedef LLVMValueRef fp_val;

typedef struct cg_fp {
  LLVMModuleRef module;
  LLVMBuilderRef builder;
  LLVMTypeRef type;   // float or double, or a vector of it
  LLVMTypeRef itype;  // the integers of the same width and lane count
  unsigned lanes;     // 0: scalar
  bool wide;          // f64
  int mantissa;       // 23 or 52 stored bits
  int bias;           // 127 or 1023
} cg_fp;

cg_fp cg_fp_make(const cg_math *math, LLVMTypeRef type);

// A real constant in two pieces: hi + lo is right to about 106 bits.
typedef struct cg_const {
  double hi, lo;
} cg_const;

// Polynomial coefficients from x^0 upwards, for either width.
typedef struct cg_poly {
  const double *f32, *f64;
  int f32_count, f64_count;
} cg_poly;

typedef enum cg_poly_id {
#define CG_TABLE(name, f32, f64) CG_POLY_##name,
#include "codegen/cg_math_tables.def"
#undef CG_TABLE
  CG_POLY_COUNT
} cg_poly_id;

// Constants: one value for both widths, a value for each, and the two pieces of a cg_const.
fp_val fp_k(const cg_fp *f, double value);
fp_val fp_k2(const cg_fp *f, double f32, double f64);
fp_val fp_hi(const cg_fp *f, cg_const c);
fp_val fp_lo(const cg_fp *f, cg_const c);
fp_val fp_inf(const cg_fp *f);
fp_val fp_nan(const cg_fp *f);

fp_val fp_add(const cg_fp *f, fp_val a, fp_val b);
fp_val fp_sub(const cg_fp *f, fp_val a, fp_val b);
fp_val fp_mul(const cg_fp *f, fp_val a, fp_val b);
fp_val fp_div(const cg_fp *f, fp_val a, fp_val b);
fp_val fp_fma(const cg_fp *f, fp_val a, fp_val b, fp_val c);
fp_val fp_neg(const cg_fp *f, fp_val a);
fp_val fp_abs(const cg_fp *f, fp_val a);
fp_val fp_sqrt(const cg_fp *f, fp_val a);
fp_val fp_rint(const cg_fp *f, fp_val a);  // to nearest even
fp_val fp_copysign(const cg_fp *f, fp_val magnitude, fp_val sign);
fp_val fp_fshl(const cg_fp *f, fp_val high, fp_val low, fp_val count);  // integers; count < 32

// The polynomial at x, by Horner's rule.
fp_val fp_poly(const cg_fp *f, cg_poly_id id, fp_val x);

// Conditions: i1 per lane; comparisons with a NaN are false.
fp_val fp_lt(const cg_fp *f, fp_val a, fp_val b);
fp_val fp_gt(const cg_fp *f, fp_val a, fp_val b);
fp_val fp_eq(const cg_fp *f, fp_val a, fp_val b);
fp_val fp_and(const cg_fp *f, fp_val a, fp_val b);
fp_val fp_or(const cg_fp *f, fp_val a, fp_val b);
fp_val fp_not(const cg_fp *f, fp_val a);
fp_val fp_sel(const cg_fp *f, fp_val condition, fp_val a, fp_val b);
// a limited to at most / at least |limit|; a NaN stays.
fp_val fp_at_most(const cg_fp *f, fp_val a, fp_val limit);
fp_val fp_at_least(const cg_fp *f, fp_val a, fp_val limit);

// The bits of a value, and integer operations on them (itype).
fp_val fp_bits(const cg_fp *f, fp_val a);
fp_val fp_from_bits(const cg_fp *f, fp_val bits);
fp_val fp_ik(const cg_fp *f, uint64_t value);
fp_val fp_iadd(const cg_fp *f, fp_val a, fp_val b);
fp_val fp_isub(const cg_fp *f, fp_val a, fp_val b);
fp_val fp_iand(const cg_fp *f, fp_val a, fp_val b);
fp_val fp_ixor(const cg_fp *f, fp_val a, fp_val b);
fp_val fp_shl(const cg_fp *f, fp_val a, int bits);
fp_val fp_lshr(const cg_fp *f, fp_val a, int bits);
fp_val fp_ashr(const cg_fp *f, fp_val a, int bits);
fp_val fp_ilt(const cg_fp *f, fp_val a, fp_val b);  // signed
fp_val fp_ieq(const cg_fp *f, fp_val a, fp_val b);
fp_val fp_from_int(const cg_fp *f, fp_val a);  // |a| < 2^21

// x rounded to an integer n after multiplication by |scale|, by adding a number so large that the
// fraction falls off. |bits| of that sum end in n + low_bits: shifting them left by the mantissa
// makes powers of two without an integer conversion.
typedef struct fp_rounded {
  fp_val n, bits;
} fp_rounded;
fp_rounded fp_round_scaled(const cg_fp *f, fp_val x, fp_val scale, int low_bits);

// cg_math_exp.c -----------------------------------------------------------------------------------

// e^x = 2^n (1 + p), p = expm1(r) right to the last bit relative to itself. |x| is in range.
typedef struct fp_exp_parts {
  fp_val p, n, bits;  // bits end in n + low_bits
} fp_exp_parts;
fp_exp_parts fp_exp_split(const cg_fp *f, fp_val x, int low_bits);
// value * 2^n for n from -2 * bias up to bias + 2, rounded once; |bits| end in n + 2 * bias.
fp_val fp_scale(const cg_fp *f, fp_val value, fp_val bits);
fp_val fp_exp(const cg_fp *f, fp_val x);
// 2^(hi + lo), |lo| small; hi may be infinite, lo may then be anything but NaN.
fp_val fp_exp2(const cg_fp *f, fp_val hi, fp_val lo);

// cg_math_log.c -----------------------------------------------------------------------------------

// log(hi + lo) for normal hi > 0 and |lo| <= ulp(hi); lo NULL: 0. Right relative to itself.
fp_val fp_log_sum(const cg_fp *f, fp_val hi, fp_val lo);
// hi + lo = a + b exactly, for any order of magnitudes.
void fp_two_sum(const cg_fp *f, fp_val a, fp_val b, fp_val *hi, fp_val *lo);

// One function per row of math_ops.def.
#define CG_MATH_OP(name, arity, ulp_f32, ulp_f64) \
  fp_val cg_math_##name(const cg_fp *f, const fp_val *args);
#include "codegen/math_ops.def"
#undef CG_MATH_OP

#define CG_LN2 ((cg_const){0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56})
#define CG_LOG2_E ((cg_const){0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56})
#define CG_PI ((cg_const){0x1.921fb54442d18p+1, 0x1.1a62633145c07p-53})
#define CG_HALF_PI ((cg_const){0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54})

#endif
