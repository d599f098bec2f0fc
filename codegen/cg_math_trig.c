// sin, cos, tan: |x| = n pi/2 + r, |r| <= pi/4, then polynomials in r * r.
#include "codegen/cg_fp.h"

typedef struct trig_reduced {
  fp_val r, low;  // remainder; low: what r lacks
  fp_val n;       // integer; only its last two bits count
  fp_val valid;   // lanes whose argument could be reduced; the others become NaN
} trig_reduced;

// f32: 2/pi as a binary fraction, moved right by 33 bits.
static const uint32_t two_over_pi[7] = {0x00000000, 0x517cc1b7, 0x27220a94, 0xfe13abe8,
                                        0xfa9a6ee0, 0x6db14acc, 0x9e21c820};

// Words q .. q+3 of the table, q = index >> 5 from 0 to 3, for each lane.
static void choose_words(const cg_fp *f, fp_val index, fp_val words[4]) {
  fp_val zero = fp_ik(f, 0);
  fp_val no_64 = fp_ieq(f, fp_iand(f, index, fp_ik(f, 64)), zero);
  fp_val no_32 = fp_ieq(f, fp_iand(f, index, fp_ik(f, 32)), zero);
  fp_val some[5];
  for (int i = 0; i < 5; i++) {
    some[i] = fp_sel(f, no_64, fp_ik(f, two_over_pi[i]), fp_ik(f, two_over_pi[i + 2]));
  }
  for (int i = 0; i < 4; i++) {
    words[i] = fp_sel(f, no_32, some[i], some[i + 1]);
  }
}

// The high and low 32 bits of M * (w0 : w1 : w2), of which the lowest 32 bits are dropped and what
// passes 2^64 falls away.
static void multiply_window(const cg_fp *f, fp_val m, const fp_val w[3], fp_val *high,
                            fp_val *low) {
  LLVMBuilderRef b = f->builder;
  LLVMTypeRef i64 = LLVMInt64TypeInContext(LLVMGetTypeContext(f->type));
  LLVMTypeRef wide = f->lanes ? LLVMVectorType(i64, f->lanes) : i64;
  fp_val m64 = LLVMBuildZExt(b, m, wide, "");
  fp_val by_32 = LLVMBuildZExt(b, fp_ik(f, 32), wide, "");
  fp_val top = LLVMBuildZExt(b, LLVMBuildMul(b, m, w[0], ""), wide, "");
  fp_val middle = LLVMBuildMul(b, m64, LLVMBuildZExt(b, w[1], wide, ""), "");
  fp_val bottom = LLVMBuildMul(b, m64, LLVMBuildZExt(b, w[2], wide, ""), "");
  fp_val sum = LLVMBuildAdd(b, LLVMBuildShl(b, top, by_32, ""), middle, "");
  sum = LLVMBuildAdd(b, sum, LLVMBuildLShr(b, bottom, by_32, ""), "");
  *low = LLVMBuildTrunc(b, sum, f->itype, "");
  *high = LLVMBuildTrunc(b, LLVMBuildLShr(b, sum, by_32, ""), f->itype, "");
}

// r + low = pi/2 times the signed 64-bit fraction high : low of a quadrant (-1/2 to 1/2). Its
// magnitude is cut after 24 bits so that both parts convert exactly.
static trig_reduced remainder_f32(const cg_fp *f, fp_val high, fp_val low) {
  fp_val sign = fp_ashr(f, high, 31);
  high = fp_ixor(f, high, sign);  // off by 2^-64 for negative ones, which is nothing
  low = fp_ixor(f, low, sign);
  fp_val whole = fp_from_int(f, fp_iand(f, high, fp_ik(f, 0xffffff00u)));
  fp_val rest = fp_fshl(f, high, low, fp_ik(f, 23));  // 8 and 23 bits
  rest = fp_from_int(f, fp_iand(f, rest, fp_ik(f, 0x7fffffffu)));
  const double unit = 0x1.921fb6p-32, unit_low = -0x1.777a5cp-57;  // pi/2 2^-32 in two floats
  fp_val main_part = fp_mul(f, whole, fp_k(f, unit));
  fp_val lost = fp_fma(f, whole, fp_k(f, unit), fp_neg(f, main_part));
  lost = fp_fma(f, whole, fp_k(f, unit_low), lost);
  lost = fp_fma(f, rest, fp_k(f, unit * 0x1p-23), lost);
  fp_val r = fp_add(f, main_part, lost);
  fp_val r_low = fp_sub(f, lost, fp_sub(f, r, main_part));
  fp_val flip = fp_iand(f, sign, fp_ik(f, 0x80000000u));
  return (trig_reduced){
      .r = fp_from_bits(f, fp_ixor(f, fp_bits(f, r), flip)),
      .low = fp_from_bits(f, fp_ixor(f, fp_bits(f, r_low), flip)),
  };
}

// Exact for every finite f32 from 1 up. |x| = M 2^(E-158) with a 32-bit M; |x| 2/pi modulo 4 as a
// fixed-point number of 2 + 62 bits is M times a 96-bit window of 2/pi that E selects, modulo 2^64.
// Below 1, x itself is r. Branch-free: both are made, one is selected.
static trig_reduced reduce_f32(const cg_fp *f, fp_val magnitude) {
  fp_val bits = fp_bits(f, magnitude);
  fp_val index = fp_isub(f, fp_lshr(f, bits, 23), fp_ik(f, 127));
  fp_val m = fp_shl(f, bits, 8);
  m = LLVMBuildOr(f->builder, m, fp_ik(f, 0x80000000u), "");
  fp_val w[4];
  choose_words(f, index, w);
  fp_val shift = fp_iand(f, index, fp_ik(f, 31));
  for (int i = 0; i < 3; i++) {
    w[i] = fp_fshl(f, w[i], w[i + 1], shift);
  }
  fp_val high, low;
  multiply_window(f, m, w, &high, &low);
  fp_val n = fp_lshr(f, fp_iadd(f, high, fp_ik(f, 0x20000000u)), 30);
  const trig_reduced far = remainder_f32(f, fp_fshl(f, high, low, fp_ik(f, 2)), fp_shl(f, low, 2));
  fp_val direct = fp_lt(f, magnitude, fp_k(f, 1));
  return (trig_reduced){
      .r = fp_sel(f, direct, magnitude, far.r),
      .low = fp_sel(f, direct, fp_k(f, 0), far.low),
      .n = fp_sel(f, direct, fp_ik(f, 0), n),
      .valid = fp_lt(f, magnitude, fp_inf(f)),
  };
}

// Right up to 2^45: pi/2 in three pieces. magnitude - n P1 is exact, the rest is kept in two parts.
static trig_reduced reduce_f64(const cg_fp *f, fp_val magnitude) {
  fp_val p1 = fp_k(f, 0x1.921fb54442d18p+0), p2 = fp_k(f, 0x1.1a62633145c07p-54);
  fp_val p3 = fp_k(f, -0x1.f1976b7ed8fbcp-110);
  const fp_rounded t = fp_round_scaled(f, magnitude, fp_k(f, 0x1.45f306dc9c883p-1), 0);
  fp_val y = fp_fma(f, fp_neg(f, t.n), p1, magnitude);
  fp_val w = fp_mul(f, t.n, p2);
  fp_val w_low = fp_fma(f, t.n, p2, fp_neg(f, w));
  fp_val high = fp_sub(f, y, w);
  fp_val low = fp_sub(f, fp_sub(f, fp_sub(f, y, high), w), fp_fma(f, t.n, p3, w_low));
  fp_val r = fp_add(f, high, low);
  return (trig_reduced){
      .r = r,
      .low = fp_sub(f, low, fp_sub(f, r, high)),
      .n = t.bits,
      .valid = fp_lt(f, magnitude, fp_k(f, 0x1p45)),
  };
}

static trig_reduced reduce(const cg_fp *f, fp_val magnitude) {
  return f->wide ? reduce_f64(f, magnitude) : reduce_f32(f, magnitude);
}

// sin(r + low) = r + (r z q(z) + low cos r).
static fp_val sin_near(const cg_fp *f, const trig_reduced *t, fp_val z) {
  fp_val q = fp_poly(f, CG_POLY_sin, z);
  fp_val rz = fp_mul(f, t->r, z);
  fp_val slope = fp_fma(f, z, fp_k(f, -0.5), fp_k(f, 1));
  return fp_add(f, t->r, fp_fma(f, rz, q, fp_mul(f, t->low, slope)));
}

// cos(r + low) = 1 - z/2 + (z^2 q(z) - r low), with what 1 - z/2 rounds away put back.
static fp_val cos_near(const cg_fp *f, const trig_reduced *t, fp_val z) {
  fp_val half = fp_mul(f, z, fp_k(f, 0.5)), one = fp_k(f, 1);
  fp_val main_part = fp_sub(f, one, half);
  fp_val lost = fp_sub(f, fp_sub(f, one, main_part), half);
  lost = fp_fma(f, fp_neg(f, t->r), t->low, lost);
  fp_val q = fp_poly(f, CG_POLY_cos, z);
  return fp_add(f, main_part, fp_fma(f, fp_mul(f, z, z), q, lost));
}

// |value| with its sign flipped where bit |bit| of n is set.
static fp_val flip_by(const cg_fp *f, fp_val value, fp_val n, int bit) {
  const int top = f->mantissa + (f->wide ? 11 : 8);
  fp_val sign = fp_iand(f, fp_shl(f, n, top - bit), fp_ik(f, (uint64_t)1 << top));
  return fp_from_bits(f, fp_ixor(f, fp_bits(f, value), sign));
}

static fp_val is_even(const cg_fp *f, fp_val n) {
  return fp_ieq(f, fp_iand(f, n, fp_ik(f, 1)), fp_ik(f, 0));
}

fp_val cg_math_sin(const cg_fp *f, const fp_val *args) {
  fp_val magnitude = fp_abs(f, args[0]);
  const trig_reduced t = reduce(f, magnitude);
  fp_val z = fp_mul(f, t.r, t.r);
  fp_val value = fp_sel(f, is_even(f, t.n), sin_near(f, &t, z), cos_near(f, &t, z));
  fp_val sign = fp_ixor(f, fp_bits(f, args[0]), fp_bits(f, magnitude));
  value = fp_from_bits(f, fp_ixor(f, fp_bits(f, flip_by(f, value, t.n, 1)), sign));
  return fp_sel(f, t.valid, value, fp_nan(f));
}

fp_val cg_math_cos(const cg_fp *f, const fp_val *args) {
  const trig_reduced t = reduce(f, fp_abs(f, args[0]));
  fp_val z = fp_mul(f, t.r, t.r);
  fp_val value = fp_sel(f, is_even(f, t.n), cos_near(f, &t, z), sin_near(f, &t, z));
  value = flip_by(f, value, fp_iadd(f, t.n, fp_ik(f, 1)), 1);
  return fp_sel(f, t.valid, value, fp_nan(f));
}

// sin / cos, or -cos / sin in the odd quadrants.
fp_val cg_math_tan(const cg_fp *f, const fp_val *args) {
  fp_val magnitude = fp_abs(f, args[0]);
  const trig_reduced t = reduce(f, magnitude);
  fp_val z = fp_mul(f, t.r, t.r);
  fp_val s = sin_near(f, &t, z), c = cos_near(f, &t, z), even = is_even(f, t.n);
  fp_val value = fp_div(f, fp_sel(f, even, s, c), fp_sel(f, even, c, s));
  fp_val sign = fp_ixor(f, fp_bits(f, args[0]), fp_bits(f, magnitude));
  value = fp_from_bits(f, fp_ixor(f, fp_bits(f, flip_by(f, value, t.n, 0)), sign));
  return fp_sel(f, t.valid, value, fp_nan(f));
}
