// Conversions between floats of 8, 16, 32 and 64 bits, each rounded once.
#include <fenv.h>

#include "emu_ops.h"

float emu_from_f16(u16 bits) {
  u32 sign = (u32)(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 1023;
  if (exponent == 31) {
    return emu_f32(sign | 0x7f800000 | fraction << 13);
  }
  if (exponent) {
    return emu_f32(sign | (exponent + 112) << 23 | fraction << 13);
  }
  float value = (float)fraction * 0x1p-24f;
  return sign ? -value : value;
}

// |value| to a float of |digits| digits (the leading one too) whose least exponent is |lowest| (of
// the digit before the point), as a multiple of its least step there.
static double round_to(double value, int digits, int lowest, emu_round round) {
  int exponent = ilogb(value);
  int step = (exponent < lowest ? lowest : exponent) - (digits - 1);
  return ldexp(emu_round_integral(ldexp(value, -step), round), step);
}

double emu_round_integral(double value, emu_round round) {
  switch (round) {
    case EMU_RZ: return trunc(value);
    case EMU_RM: return floor(value);
    case EMU_RP: return ceil(value);
    case EMU_RNA: return round ? copysign(floor(fabs(value) + 0.5), value) : value;
    default: return nearbyint(value);
  }
}

u16 emu_to_f16(double value, emu_round round) {
  u16 sign = signbit(value) ? 0x8000 : 0;
  if (isnan(value)) {
    return 0x7fff;
  }
  if (isinf(value)) {
    return sign | 0x7c00;
  }
  if (value == 0) {
    return sign;
  }
  double r = fabs(round_to(value, 11, -14, round));
  if (r > 65504) {
    bool away = round == EMU_RN || round == EMU_RNA || round == (sign ? EMU_RM : EMU_RP);
    return sign | (away ? 0x7c00 : 0x7bff);
  }
  if (r < 0x1p-14) {
    return (u16)(sign | (u16)(r * 0x1p24));
  }
  int exponent = ilogb(r);
  return (u16)(sign | (u16)((exponent + 15) << 10) | (u16)((u32)ldexp(r, 10 - exponent) & 1023));
}

u16 emu_to_bf16(double value, emu_round round) {
  u16 sign = signbit(value) ? 0x8000 : 0;
  if (isnan(value)) {
    return 0x7fff;
  }
  if (isinf(value)) {
    return sign | 0x7f80;
  }
  if (value == 0) {
    return sign;
  }
  double r = fabs(round_to(value, 8, -126, round));
  if (r > 0x1.fep127) {
    bool away = round == EMU_RN || round == EMU_RNA || round == (sign ? EMU_RM : EMU_RP);
    return sign | (away ? 0x7f80 : 0x7f7f);
  }
  return (u16)(sign | emu_bits((float)r) >> 16);
}

double emu_fma_odd(double a, double b, double c) {
  double product = a * b;  // exact for 24-bit factors
  double sum = product + c;
  if (!isfinite(sum) || sum == 0) {
    return sum;
  }
  double back = sum - product;
  double error = (product - (sum - back)) + (c - back);
  u64 bits = emu_bits64(sum);
  if (error != 0 && !(bits & 1)) {
    bits += (error > 0) == (sum > 0) ? 1 : UINT64_MAX;
  }
  return emu_f64(bits);
}
