// cvt, in all its forms.
#include "emu_ops.h"

// ---- one value ---------------------------------------------------------------------------------

typedef struct number {  // of either kind
  bool is_float;
  double f;
  u64 u;      // an integer, its sign extended
  bool negative;
} number;

static bool is_float_type(emu_word type) { return type >= EMU_W_F16 && type <= EMU_W_F64; }

static number read_number(u64 bits, emu_word type, bool flush) {
  number n = {.is_float = is_float_type(type)};
  switch (type) {
    case EMU_W_U8: n.u = (u8)bits; break;
    case EMU_W_U16: n.u = (u16)bits; break;
    case EMU_W_U32: n.u = (u32)bits; break;
    case EMU_W_S8: n.u = (u64)(s64)(s8)bits; break;
    case EMU_W_S16: n.u = (u64)(s64)(s16)bits; break;
    case EMU_W_S32: n.u = (u64)(s64)(s32)bits; break;
    case EMU_W_F16: n.f = (double)emu_from_f16((u16)bits); break;
    case EMU_W_BF16: n.f = (double)emu_from_bf16((u16)bits); break;
    case EMU_W_F32:
      n.f = (double)(flush ? emu_flush(emu_f32((u32)bits)) : emu_f32((u32)bits));
      break;
    case EMU_W_F64: n.f = emu_f64(bits); break;
    default: n.u = bits; break;
  }
  n.negative = emu_type_is_signed(type) && (s64)n.u < 0;
  return n;
}

// A float to an integer: rounded, out of range to the nearest; NaN to 0, but where 64 bits are on
// either side to the highest bit alone.
static u64 to_integer(double x, emu_word type, emu_word from, emu_round round) {
  u32 bits = emu_type_size(type) * 8;
  bool is_signed = emu_type_is_signed(type);
  if (isnan(x)) {
    return bits == 64 || from == EMU_W_F64 ? (u64)1 << (bits - 1) : 0;
  }
  x = emu_round_integral(x, round);
  double low = is_signed ? -ldexp(1, (int)bits - 1) : 0;
  double high = ldexp(1, (int)bits - is_signed);
  u64 most = is_signed    ? ((u64)1 << (bits - 1)) - 1
             : bits == 64 ? UINT64_MAX
                          : ((u64)1 << bits) - 1;
  return x < low     ? is_signed ? (u64)(s64)low : 0
         : x >= high ? most
         : is_signed ? (u64)(s64)x
                     : (u64)x;
}

static u64 integer_to_integer(number n, emu_word type, bool saturate) {
  u32 bits = emu_type_size(type) * 8;
  bool is_signed = emu_type_is_signed(type);
  if (!saturate) {
    return n.u;
  }
  u64 most = is_signed    ? ((u64)1 << (bits - 1)) - 1
             : bits == 64 ? UINT64_MAX
                          : ((u64)1 << bits) - 1;
  if (n.negative) {
    s64 least = is_signed ? -(s64)most - 1 : 0;
    return (s64)n.u < least ? (u64)least : n.u;
  }
  return n.u > most ? most : n.u;
}

static float directed(double x, emu_round round) {  // to f32
  float r = (float)x;
  if (round == EMU_RN || (double)r == x || x != x) {
    return r;
  }
  bool above = (double)r > x;
  if (round == EMU_RM || (round == EMU_RZ && x > 0)) {
    return above ? nextafterf(r, -INFINITY) : r;
  }
  return above ? r : nextafterf(r, INFINITY);
}

// 64 bits do not fit the digits of an f64: what is lost is left as an odd last bit, so that
// rounding once more rounds right.
static double integer_odd(number n) {
  u64 size = n.negative ? 0 - n.u : n.u;
  if (size >> 53) {
    size = (size & ~(u64)0xfff) | (u64)((size & 0xfff) != 0) << 12;
  }
  return n.negative ? -(double)size : (double)size;
}

static double integer_to_f64(number n, emu_round round) {
  double r = n.negative ? (double)(s64)n.u : (double)n.u;
  u64 size = n.negative ? 0 - n.u : n.u;
  if (round == EMU_RN || !(size >> 53)) {
    return r;
  }
  double back = fabs(r);
  bool over = back >= 0x1p64 || (u64)back > size, exact = back < 0x1p64 && (u64)back == size;
  bool want_less = round == EMU_RZ || (round == EMU_RM) != n.negative;
  if (exact || over == !want_less) {
    return r;
  }
  back = nextafter(back, want_less ? 0 : INFINITY);
  return n.negative ? -back : back;
}

static u64 to_float(const emu_inst *inst, number n, emu_word type) {
  emu_round round = (emu_round)inst->round;
  bool integral = inst->mods & EMU_M_INTEGRAL, flush = inst->mods & EMU_M_FTZ;
  double x = n.is_float ? n.f : type == EMU_W_F64 ? integer_to_f64(n, round) : integer_odd(n);
  if (integral) {
    x = emu_round_integral(x, round);
    round = EMU_RN;
  }
  if (inst->mods & EMU_M_SAT) {
    x = x > 0 ? x < 1 ? x : 1 : 0;
  }
  if (inst->mods & EMU_M_RELU && !isnan(x)) {
    x = x > 0 ? x : 0;
  }
  switch (type) {
    case EMU_W_F64: return emu_bits64(x);
    case EMU_W_F32: {
      float r = directed(x, round);
      r = flush ? emu_flush(r) : r;
      return r != r ? EMU_NAN_F32 : emu_bits(r);
    }
    default: {
      bool bf16 = type == EMU_W_BF16;
      u16 r = bf16 ? emu_to_bf16(x, round) : emu_to_f16(x, round);
      bool infinite = (r & 0x7fff) == (bf16 ? 0x7f80 : 0x7c00);
      return inst->mods & EMU_M_SATFINITE && infinite ? (u64)(r - 1) : r;
    }
  }
}

static u64 convert(const emu_inst *inst, u64 bits) {
  emu_word to = (emu_word)inst->types[0], from = (emu_word)inst->types[1];
  number n = read_number(bits, from, inst->mods & EMU_M_FTZ);
  if (is_float_type(to)) {
    return to_float(inst, n, to);
  }
  u64 r = n.is_float ? to_integer(n.f, to, from, (emu_round)inst->round)
                     : integer_to_integer(n, to, inst->mods & EMU_M_SAT);
  switch (to) {  // signed results fill the register with their sign
    case EMU_W_U8: return (u8)r;
    case EMU_W_S8: return (u64)(s64)(s8)r;
    case EMU_W_U16: return (u16)r;
    case EMU_W_S16: return (u64)(s64)(s16)r;
    case EMU_W_U32: return (u32)r;
    case EMU_W_S32: return (u64)(s64)(s32)r;
    default: return r;
  }
}

// ---- the common ones ---------------------------------------------------------------------------

#define FAST(to, from, D, S, expression)                                       \
  case (to) << 8 | (from): {                                                   \
    D *d = EMU_CELL(D, d);                                                     \
    const S *a = EMU_CELL(S, a);                                               \
    EMU_EACH(S x = a[l]; d[l] = (D)(expression));                              \
    return true;                                                               \
  }

static bool integers(emu_warp *warp, const emu_inst *inst, u32 mask) {
  switch (inst->types[0] << 8 | inst->types[1]) {
    FAST(EMU_W_U64, EMU_W_U32, u64, u32, x)
    FAST(EMU_W_S64, EMU_W_S32, s64, s32, x)
    FAST(EMU_W_S64, EMU_W_U32, u64, u32, x)
    FAST(EMU_W_U64, EMU_W_S32, s64, s32, x)
    FAST(EMU_W_U32, EMU_W_U64, u32, u64, x)
    FAST(EMU_W_S32, EMU_W_S64, u32, u64, x)
    FAST(EMU_W_S32, EMU_W_U64, u32, u64, x)
    FAST(EMU_W_U32, EMU_W_S64, u32, u64, x)
    FAST(EMU_W_U32, EMU_W_U16, u32, u32, (u16)x)
    FAST(EMU_W_U16, EMU_W_U32, u32, u32, (u16)x)
    FAST(EMU_W_S32, EMU_W_S16, s32, u32, (s16)x)
    FAST(EMU_W_S32, EMU_W_S8, s32, u32, (s8)x)
    FAST(EMU_W_U16, EMU_W_U8, u32, u32, (u8)x)
    FAST(EMU_W_U32, EMU_W_U8, u32, u32, (u8)x)
    default: return false;
  }
}

#if defined(__F16C__)
static void widen_f16(emu_warp *warp, const emu_inst *inst, u32 mask) {
  const u32 *a = EMU_CELL(u32, a);
  u32 *d = EMU_CELL(u32, d);
  EMU_EACH(float r = _cvtsh_ss((u16)a[l]); d[l] = r != r ? EMU_NAN_F32 : emu_bits(r));
}

static void narrow_f16(emu_warp *warp, const emu_inst *inst, u32 mask) {
  const float *a = EMU_CELL(float, a);
  u32 *d = EMU_CELL(u32, d);
  EMU_EACH(d[l] = a[l] != a[l] ? 0x7fff : (u32)_cvtss_sh(a[l], _MM_FROUND_TO_NEAREST_INT));
}
#endif

static u32 near_bf16(float x) {
  u32 bits = emu_bits(x);
  return x != x ? 0x7fff : (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

static void narrow_bf16(emu_warp *warp, const emu_inst *inst, u32 mask) {
  const float *a = EMU_CELL(float, a);
  u32 *d = EMU_CELL(u32, d);
  EMU_EACH(d[l] = near_bf16(a[l]));
}

static bool floats(emu_warp *warp, const emu_inst *inst, u32 mask) {
  if (inst->round != EMU_RN || inst->mods & EMU_M_INTEGRAL) {
    return false;
  }
  switch (inst->types[0] << 8 | inst->types[1]) {
    FAST(EMU_W_F32, EMU_W_S32, float, s32, x)
    FAST(EMU_W_F32, EMU_W_U32, float, u32, x)
    FAST(EMU_W_F32, EMU_W_S64, float, s64, x)
    FAST(EMU_W_F64, EMU_W_S32, double, s32, x)
    FAST(EMU_W_F64, EMU_W_F32, double, float, x)
#if defined(__F16C__)
    case EMU_W_F32 << 8 | EMU_W_F16: widen_f16(warp, inst, mask); return true;
    case EMU_W_F16 << 8 | EMU_W_F32: narrow_f16(warp, inst, mask); return true;
#endif
    case EMU_W_BF16 << 8 | EMU_W_F32: narrow_bf16(warp, inst, mask); return true;
    default: return false;
  }
}

void emu_x_cvt(emu_warp *warp, const emu_inst *inst, u32 mask) {
  emu_word to = (emu_word)inst->types[0], from = (emu_word)inst->types[1];
  bool plain = (inst->d_class == PTX_64) == (emu_type_size(to) == 8) &&
               (inst->a_class == PTX_64) == (emu_type_size(from) == 8);
  u32 slow = EMU_M_FTZ | EMU_M_SAT | EMU_M_RELU | EMU_M_SATFINITE;
  if (plain && !(inst->mods & slow) &&
      (integers(warp, inst, mask) || floats(warp, inst, mask))) {
    return;
  }
  bool narrow16 = inst->d_class == PTX_32 && emu_type_size(to) <= 2 && inst->d_is_16;
  EMU_EACH(u64 r = convert(inst, emu_get(warp, inst->a, inst->a_class, l));
           emu_put(warp, inst->d, inst->d_class, l, narrow16 ? (u16)r : r));
}

// Two f32 to one register: |a| is the upper half.
void emu_x_cvt_pack(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d);
  const float *a = EMU_CELL(float, a), *b = EMU_CELL(float, b);
  bool bf16 = inst->types[0] == EMU_W_BF16X2;
  if (bf16 && inst->round == EMU_RN && !(inst->mods & (EMU_M_RELU | EMU_M_SATFINITE))) {
    EMU_EACH(d[l] = near_bf16(b[l]) | near_bf16(a[l]) << 16);
    return;
  }
  emu_word type = bf16 ? EMU_W_BF16 : EMU_W_F16;
  EMU_EACH(number low = {.is_float = true, .f = (double)b[l]};
           number high = {.is_float = true, .f = (double)a[l]};
           d[l] = (u32)to_float(inst, low, type) | (u32)to_float(inst, high, type) << 16);
}

// Two s32 to the lower half (8 bits) or the whole (16 bits) of a register; |a| is the upper one.
void emu_x_cvt_integers(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d), *a = EMU_CELL(u32, a), *b = EMU_CELL(u32, b), *c = EMU_CELL(u32, c);
  emu_word type = (emu_word)inst->types[0];
  u32 bits = emu_type_size(type) * 8, part = (1u << bits) - 1;
  EMU_EACH(number high = read_number(a[l], EMU_W_S32, false);
           number low = read_number(b[l], EMU_W_S32, false);
           u32 both = ((u32)integer_to_integer(high, type, true) & part) << bits |
                      ((u32)integer_to_integer(low, type, true) & part);
           d[l] = bits == 8 ? c[l] << 16 | both : both);
}

void emu_x_cvt_tf32(emu_warp *warp, const emu_inst *inst, u32 mask) {
  const u32 *a = EMU_CELL(u32, a);
  u32 *d = EMU_CELL(u32, d);
  EMU_EACH(u32 x = a[l]; float f = emu_f32(x); if (inst->mods & EMU_M_RELU && f < 0) {
    x = 0;
  } if (f != f) { x = EMU_NAN_F32; } else if ((x & 0x7f800000) != 0x7f800000) {
    u32 half = inst->round == EMU_RZ ? 0 : inst->round == EMU_RNA ? 0x1000 : 0xfff + (x >> 13 & 1);
    x = (x + half) & ~0x1fffu;
    if (inst->mods & EMU_M_SATFINITE && (x & 0x7f800000) == 0x7f800000) {
      x -= 0x2000;
    }
  } d[l] = x);
}

// ---- 8-bit floats ------------------------------------------------------------------------------

// e4m3: no infinities, NaN is 0x7f. e5m2: as f16.
static u8 to_fp8(double x, bool e4m3, bool relu) {
  u8 sign = signbit(x) ? 0x80 : 0;
  if (isnan(x)) {
    return 0x7f;
  }
  if (relu && sign) {
    return 0;
  }
  int digits = e4m3 ? 4 : 3, bias = e4m3 ? 7 : 15;
  double most = e4m3 ? 448 : 57344, size = fabs(x);
  if (size == 0) {
    return sign;
  }
  int exponent = size < most ? ilogb(size) : ilogb(most);
  exponent = exponent < 1 - bias ? 1 - bias : exponent;
  int step = exponent - (digits - 1);
  double r = ldexp(nearbyint(ldexp(size, -step)), step);
  r = r > most ? most : r;
  int top = r < ldexp(1, 1 - bias) ? 1 - bias : ilogb(r);
  u32 code = (u32)ldexp(r, digits - 1 - top);  // with the leading digit
  return (u8)(sign | (((u32)(top + bias - 1) << (digits - 1)) + code));
}

static double from_fp8(u8 x, bool e4m3) {
  int digits = e4m3 ? 4 : 3, bias = e4m3 ? 7 : 15;
  int exponent = (x & 0x7f) >> (digits - 1), fraction = x & ((1 << (digits - 1)) - 1);
  double r;
  if (e4m3 ? (x & 0x7f) == 0x7f : exponent == 31) {
    r = e4m3 || fraction ? (double)NAN : (double)INFINITY;
  } else if (!exponent) {
    r = ldexp(fraction, 1 - bias - (digits - 1));
  } else {
    r = ldexp(fraction + (1 << (digits - 1)), exponent - bias - (digits - 1));
  }
  return x & 0x80 ? -r : r;
}

void emu_x_cvt_fp8(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d), *a = EMU_CELL(u32, a), *b = EMU_CELL(u32, b);
  emu_word to = (emu_word)inst->types[0], from = (emu_word)inst->types[1];
  bool relu = inst->mods & EMU_M_RELU, e4m3 = to == EMU_W_E4M3X2 || from == EMU_W_E4M3X2;
  if (to == EMU_W_F16X2) {
    EMU_EACH(double low = from_fp8((u8)a[l], e4m3); double high = from_fp8((u8)(a[l] >> 8), e4m3);
             low = relu && low < 0 ? 0 : low; high = relu && high < 0 ? 0 : high;
             d[l] = emu_to_f16(low, EMU_RN) | (u32)emu_to_f16(high, EMU_RN) << 16);
  } else if (from == EMU_W_F32) {
    EMU_EACH(d[l] = to_fp8((double)emu_f32(b[l]), e4m3, relu) |
                    (u32)to_fp8((double)emu_f32(a[l]), e4m3, relu) << 8);
  } else {
    EMU_EACH(d[l] = to_fp8((double)emu_from_f16((u16)a[l]), e4m3, relu) |
                    (u32)to_fp8((double)emu_from_f16((u16)(a[l] >> 16)), e4m3, relu) << 8);
  }
}
