// Integer, logic and bit instructions.
#include "emu_ops.h"

__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 s128;

#define MIN(x, y) ((x) < (y) ? (x) : (y))
#define MAX(x, y) ((x) > (y) ? (x) : (y))

// ---- sums and products -------------------------------------------------------------------------

static s32 saturate(s64 x) {
  return (s32)(x > INT32_MAX ? INT32_MAX : x < INT32_MIN ? INT32_MIN : x);
}

EMU_BINARY(add16, u32, u32, (u16)(x + y))
EMU_BINARY(add32, u32, u32, x + y)
EMU_BINARY(add64, u64, u64, x + y)
EMU_BINARY(addsat, s32, s32, saturate((s64)x + y))
EMU_BINARY(add16x2, u32, u32, ((x + y) & 0xffff) | ((x & 0xffff0000) + (y & 0xffff0000)))
EMU_BINARY(sub16, u32, u32, (u16)(x - y))
EMU_BINARY(sub32, u32, u32, x - y)
EMU_BINARY(sub64, u64, u64, x - y)
EMU_BINARY(subsat, s32, s32, saturate((s64)x - y))
EMU_BINARY(mul16, u32, u32, (u16)(x * y))
EMU_BINARY(mul32, u32, u32, x * y)
EMU_BINARY(mul64, u64, u64, x * y)
EMU_BINARY(mulhi_u16, u32, u32, ((x & 0xffff) * (y & 0xffff)) >> 16)
EMU_BINARY(mulhi_s16, u32, u32, (u16)(((s32)(s16)x * (s16)y) >> 16))
EMU_BINARY(mulhi_u32, u32, u32, ((u64)x * y) >> 32)
EMU_BINARY(mulhi_s32, s32, s32, ((s64)x * y) >> 32)
EMU_BINARY(mulhi_u64, u64, u64, (u64)(((u128)x * y) >> 64))
EMU_BINARY(mulhi_s64, s64, s64, (s64)(((s128)x * y) >> 64))
EMU_BINARY(mulwide_u16, u32, u32, (x & 0xffff) * (y & 0xffff))
EMU_BINARY(mulwide_s16, s32, u32, (s32)(s16)x * (s16)y)
EMU_BINARY(mulwide_u32, u64, u32, (u64)x * y)
EMU_BINARY(mulwide_s32, s64, s32, (s64)x * y)
#define LOW24(x) ((u32)(x) & 0xffffff)
#define SIGNED24(x) ((s32)((u32)(x) << 8) >> 8)
EMU_BINARY(mul24_u32, u32, u32, LOW24(x) * LOW24(y))
EMU_BINARY(mul24_s32, u32, u32, (u32)((s64)SIGNED24(x) * SIGNED24(y)))
EMU_BINARY(mul24hi_u32, u32, u32, ((u64)LOW24(x) * LOW24(y)) >> 16)
EMU_BINARY(mul24hi_s32, u32, u32, (u32)(((s64)SIGNED24(x) * SIGNED24(y)) >> 16))
EMU_TERNARY(mad24_u32, u32, u32, u32, LOW24(x) * LOW24(y) + z)
EMU_TERNARY(mad24_s32, u32, u32, u32, (u32)((s64)SIGNED24(x) * SIGNED24(y)) + z)
EMU_TERNARY(mad16, u32, u32, u32, (u16)(x * y + z))
EMU_TERNARY(mad32, u32, u32, u32, x * y + z)
EMU_TERNARY(mad64, u64, u64, u64, x * y + z)
EMU_TERNARY(madhi_u32, u32, u32, u32, (u32)(((u64)x * y) >> 32) + z)
EMU_TERNARY(madhi_s32, u32, s32, u32, (u32)(((s64)x * y) >> 32) + z)
EMU_TERNARY(madhi_u64, u64, u64, u64, (u64)(((u128)x * y) >> 64) + z)
EMU_TERNARY(madhi_s64, u64, s64, u64, (u64)(((s128)x * y) >> 64) + z)
EMU_TERNARY(madwide_u16, u32, u32, u32, (x & 0xffff) * (y & 0xffff) + z)
EMU_TERNARY(madwide_s16, u32, u32, u32, (u32)((s32)(s16)x * (s16)y) + z)
EMU_TERNARY(madwide_u32, u64, u32, u64, (u64)x * y + z)
EMU_TERNARY(madwide_s32, u64, s32, u64, (u64)((s64)x * y) + z)
#define U16(x) ((u16)(x))
#define S16(x) ((s16)(x))
EMU_TERNARY(sad_u16, u32, u32, u32, (u16)(z + (u32)(MAX(U16(x), U16(y)) - MIN(U16(x), U16(y)))))
EMU_TERNARY(sad_s16, u32, u32, u32, (u16)(z + (u32)(MAX(S16(x), S16(y)) - MIN(S16(x), S16(y)))))
EMU_TERNARY(sad_u32, u32, u32, u32, z + MAX(x, y) - MIN(x, y))
EMU_TERNARY(sad_s32, u32, s32, u32, z + (u32)MAX(x, y) - (u32)MIN(x, y))
EMU_TERNARY(sad_u64, u64, u64, u64, z + MAX(x, y) - MIN(x, y))
EMU_TERNARY(sad_s64, u64, s64, u64, z + (u64)MAX(x, y) - (u64)MIN(x, y))

// Carry: of sums the carry out, of differences the borrow.
void emu_x_addc32(emu_warp *warp, const emu_inst *inst, u32 mask) {
  const u32 *a = EMU_CELL(u32, a), *b = EMU_CELL(u32, b);
  u32 *d = EMU_CELL(u32, d), out = warp->carry;
  EMU_EACH(u64 in = inst->mods & EMU_M_X ? warp->carry >> l & 1 : 0;
           u64 sum = (u64)a[l] + b[l] + in; d[l] = (u32)sum;
           out = (out & ~(1u << l)) | (u32)(sum >> 32) << l);
  warp->carry = inst->mods & EMU_M_CC ? out : warp->carry;
}

void emu_x_subc32(emu_warp *warp, const emu_inst *inst, u32 mask) {
  const u32 *a = EMU_CELL(u32, a), *b = EMU_CELL(u32, b);
  u32 *d = EMU_CELL(u32, d), out = warp->carry;
  EMU_EACH(u64 in = inst->mods & EMU_M_X ? warp->carry >> l & 1 : 0;
           u64 sum = (u64)a[l] - b[l] - in; d[l] = (u32)sum;
           out = (out & ~(1u << l)) | (u32)(sum >> 63) << l);
  warp->carry = inst->mods & EMU_M_CC ? out : warp->carry;
}

void emu_x_addc64(emu_warp *warp, const emu_inst *inst, u32 mask) {
  const u64 *a = EMU_CELL(u64, a), *b = EMU_CELL(u64, b);
  u64 *d = EMU_CELL(u64, d);
  u32 out = warp->carry;
  EMU_EACH(u64 in = inst->mods & EMU_M_X ? warp->carry >> l & 1 : 0;
           u128 sum = (u128)a[l] + b[l] + in; d[l] = (u64)sum;
           out = (out & ~(1u << l)) | (u32)(sum >> 64) << l);
  warp->carry = inst->mods & EMU_M_CC ? out : warp->carry;
}

void emu_x_subc64(emu_warp *warp, const emu_inst *inst, u32 mask) {
  const u64 *a = EMU_CELL(u64, a), *b = EMU_CELL(u64, b);
  u64 *d = EMU_CELL(u64, d);
  u32 out = warp->carry;
  EMU_EACH(u64 in = inst->mods & EMU_M_X ? warp->carry >> l & 1 : 0;
           u128 sum = (u128)a[l] - b[l] - in; d[l] = (u64)sum;
           out = (out & ~(1u << l)) | (u32)(sum >> 127) << l);
  warp->carry = inst->mods & EMU_M_CC ? out : warp->carry;
}

void emu_x_madc32(emu_warp *warp, const emu_inst *inst, u32 mask) {
  const u32 *a = EMU_CELL(u32, a), *b = EMU_CELL(u32, b), *c = EMU_CELL(u32, c);
  u32 *d = EMU_CELL(u32, d), out = warp->carry;
  EMU_EACH(u64 in = inst->mods & EMU_M_X ? warp->carry >> l & 1 : 0; u64 product = (u64)a[l] * b[l];
           u64 part = inst->mods & EMU_M_HI ? product >> 32 : (u32)product;
           u64 sum = part + c[l] + in; d[l] = (u32)sum;
           out = (out & ~(1u << l)) | (u32)(sum >> 32) << l);
  warp->carry = inst->mods & EMU_M_CC ? out : warp->carry;
}

void emu_x_madc64(emu_warp *warp, const emu_inst *inst, u32 mask) {
  const u64 *a = EMU_CELL(u64, a), *b = EMU_CELL(u64, b), *c = EMU_CELL(u64, c);
  u64 *d = EMU_CELL(u64, d);
  u32 out = warp->carry;
  EMU_EACH(u64 in = inst->mods & EMU_M_X ? warp->carry >> l & 1 : 0;
           u128 product = (u128)a[l] * b[l];
           u64 part = inst->mods & EMU_M_HI ? (u64)(product >> 64) : (u64)product;
           u128 sum = (u128)part + c[l] + in; d[l] = (u64)sum;
           out = (out & ~(1u << l)) | (u32)(sum >> 64) << l);
  warp->carry = inst->mods & EMU_M_CC ? out : warp->carry;
}

// Division by zero gives all ones, as the hardware's sequences do; the remainder the dividend.
EMU_BINARY(div_u16, u32, u32, U16(y) ? U16(x) / U16(y) : 0xffff)
EMU_BINARY(div_s16, u32, u32, S16(y) ? (u16)(S16(x) / S16(y)) : 0xffff)
EMU_BINARY(div_u32, u32, u32, y ? x / y : UINT32_MAX)
EMU_BINARY(div_s32, u32, s32, y == -1 ? 0 - (u32)x : y ? (u32)(x / y) : UINT32_MAX)
EMU_BINARY(div_u64, u64, u64, y ? x / y : UINT64_MAX)
EMU_BINARY(div_s64, u64, s64, y == -1 ? 0 - (u64)x : y ? (u64)(x / y) : UINT64_MAX)
EMU_BINARY(rem_u16, u32, u32, U16(y) ? U16(x) % U16(y) : U16(x))
EMU_BINARY(rem_s16, u32, u32, S16(y) ? (u16)(S16(x) % S16(y)) : U16(x))
EMU_BINARY(rem_u32, u32, u32, y ? x % y : x)
EMU_BINARY(rem_s32, s32, s32, y == -1 ? 0 : y ? x % y : x)
EMU_BINARY(rem_u64, u64, u64, y ? x % y : x)
EMU_BINARY(rem_s64, s64, s64, y == -1 ? 0 : y ? x % y : x)
EMU_UNARY(abs_s16, u32, u32, (u16)(S16(x) < 0 ? -S16(x) : S16(x)))
EMU_UNARY(abs_s32, u32, u32, (s32)x < 0 ? 0 - x : x)
EMU_UNARY(abs_s64, u64, u64, (s64)x < 0 ? 0 - x : x)
EMU_UNARY(neg_s16, u32, u32, (u16)(0 - x))
EMU_UNARY(neg_s32, u32, u32, 0 - x)
EMU_UNARY(neg_s64, u64, u64, 0 - x)
EMU_BINARY(min_u16, u32, u32, MIN(U16(x), U16(y)))
EMU_BINARY(min_s16, u32, u32, (u16)MIN(S16(x), S16(y)))
EMU_BINARY(min_u32, u32, u32, MIN(x, y))
EMU_BINARY(min_s32, s32, s32, MIN(x, y))
EMU_BINARY(min_u64, u64, u64, MIN(x, y))
EMU_BINARY(min_s64, s64, s64, MIN(x, y))
EMU_BINARY(max_u16, u32, u32, MAX(U16(x), U16(y)))
EMU_BINARY(max_s16, u32, u32, (u16)MAX(S16(x), S16(y)))
EMU_BINARY(max_u32, u32, u32, MAX(x, y))
EMU_BINARY(max_s32, s32, s32, MAX(x, y))
EMU_BINARY(max_u64, u64, u64, MAX(x, y))
EMU_BINARY(max_s64, s64, s64, MAX(x, y))
EMU_BINARY(minrelu_s32, s32, s32, MAX(MIN(x, y), 0))
EMU_BINARY(maxrelu_s32, s32, s32, MAX(MAX(x, y), 0))
#define HALVES(low, high) ((u32)(u16)(low) | (u32)(u16)(high) << 16)
EMU_BINARY(min_u16x2, u32, u32, HALVES(MIN(U16(x), U16(y)), MIN(x >> 16, y >> 16)))
EMU_BINARY(max_u16x2, u32, u32, HALVES(MAX(U16(x), U16(y)), MAX(x >> 16, y >> 16)))
EMU_BINARY(min_s16x2, u32, u32, HALVES(MIN(S16(x), S16(y)), MIN(S16(x >> 16), S16(y >> 16))))
EMU_BINARY(max_s16x2, u32, u32, HALVES(MAX(S16(x), S16(y)), MAX(S16(x >> 16), S16(y >> 16))))

// ---- bits --------------------------------------------------------------------------------------

EMU_UNARY(popc32, u32, u32, __builtin_popcount(x))
EMU_UNARY(popc64, u32, u64, __builtin_popcountll(x))
EMU_UNARY(clz32, u32, u32, x ? __builtin_clz(x) : 32)
EMU_UNARY(clz64, u32, u64, x ? __builtin_clzll(x) : 64)

static u32 find_bit(u64 x, u32 width, bool is_signed, bool shift) {
  if (is_signed && x >> (width - 1) & 1) {
    x = ~x;
  }
  x &= width == 64 ? UINT64_MAX : ((u64)1 << width) - 1;
  if (!x) {
    return UINT32_MAX;
  }
  u32 bit = 63 - (u32)__builtin_clzll(x);
  return shift ? width - 1 - bit : bit;
}

void emu_x_bfind32(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d), *a = EMU_CELL(u32, a);
  bool is_signed = inst->types[0] == EMU_W_S32, shift = inst->mods & EMU_M_SHIFTAMT;
  EMU_EACH(d[l] = find_bit(a[l], 32, is_signed, shift));
}

void emu_x_bfind64(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d);
  u64 *a = EMU_CELL(u64, a);
  bool is_signed = inst->types[0] == EMU_W_S64, shift = inst->mods & EMU_M_SHIFTAMT;
  EMU_EACH(d[l] = find_bit(a[l], 64, is_signed, shift));
}

static u64 reverse(u64 x) {
  x = (x & 0x5555555555555555ull) << 1 | (x >> 1 & 0x5555555555555555ull);
  x = (x & 0x3333333333333333ull) << 2 | (x >> 2 & 0x3333333333333333ull);
  x = (x & 0x0f0f0f0f0f0f0f0full) << 4 | (x >> 4 & 0x0f0f0f0f0f0f0f0full);
  return __builtin_bswap64(x);
}
EMU_UNARY(brev32, u32, u32, reverse(x) >> 32)
EMU_UNARY(brev64, u64, u64, reverse(x))

static u64 extract(u64 a, u32 position, u32 length, u32 width, bool is_signed) {
  position &= 255;
  length &= 255;
  u32 last = position + length - 1;
  u64 sign = is_signed && length ? a >> (last > width - 1 ? width - 1 : last) & 1 : 0;
  u64 result = 0;
  for (u32 i = 0; i < width; i++) {
    u64 bit = i < length && position + i < width ? a >> (position + i) & 1 : sign;
    result |= bit << i;
  }
  return result;
}

void emu_x_bfe32(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d), *a = EMU_CELL(u32, a), *b = EMU_CELL(u32, b), *c = EMU_CELL(u32, c);
  bool is_signed = inst->types[0] == EMU_W_S32;
  EMU_EACH(d[l] = (u32)extract(a[l], b[l], c[l], 32, is_signed));
}

void emu_x_bfe64(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u64 *d = EMU_CELL(u64, d), *a = EMU_CELL(u64, a);
  u32 *b = EMU_CELL(u32, b), *c = EMU_CELL(u32, c);
  bool is_signed = inst->types[0] == EMU_W_S64;
  EMU_EACH(d[l] = extract(a[l], b[l], c[l], 64, is_signed));
}

static u64 insert(u64 a, u64 b, u32 position, u32 length, u32 width) {
  position &= 255;
  length &= 255;
  if (position >= width) {
    return b;
  }
  length = MIN(length, width - position);
  u64 field = length == 64 ? UINT64_MAX : (((u64)1 << length) - 1) << position;
  return (b & ~field) | (a << position & field);
}

void emu_x_bfi32(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d), *a = EMU_CELL(u32, a), *b = EMU_CELL(u32, b), *c = EMU_CELL(u32, c),
      *e = EMU_CELL(u32, e);
  EMU_EACH(d[l] = (u32)insert(a[l], b[l], c[l], e[l], 32));
}

void emu_x_bfi64(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u64 *d = EMU_CELL(u64, d), *a = EMU_CELL(u64, a), *b = EMU_CELL(u64, b);
  u32 *c = EMU_CELL(u32, c), *e = EMU_CELL(u32, e);
  EMU_EACH(d[l] = insert(a[l], b[l], c[l], e[l], 64));
}

void emu_x_bmsk(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d), *a = EMU_CELL(u32, a), *b = EMU_CELL(u32, b);
  bool wrap = inst->mods & EMU_M_WRAP;
  EMU_EACH(u32 from = wrap ? a[l] & 31 : MIN(a[l], 32);
           u32 count = wrap ? b[l] & 31 : MIN(b[l], 32);
           d[l] = (u32)((((u64)1 << count) - 1) << from));
}

void emu_x_szext(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d), *a = EMU_CELL(u32, a), *b = EMU_CELL(u32, b);
  bool wrap = inst->mods & EMU_M_WRAP, is_signed = inst->types[0] == EMU_W_S32;
  EMU_EACH(u32 count = wrap ? b[l] & 31 : MIN(b[l], 32);
           d[l] = (u32)extract(a[l], 0, count, 32, is_signed));
}

static s32 part(u32 x, u32 index, u32 bits, bool is_signed) {
  u32 value = x >> (index * bits);
  return bits == 8 ? is_signed ? (s8)value : (u8)value : is_signed ? (s16)value : (u16)value;
}

void emu_x_dp4a(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d), *a = EMU_CELL(u32, a), *b = EMU_CELL(u32, b), *c = EMU_CELL(u32, c);
  bool sa = inst->types[0] == EMU_W_S32, sb = inst->types[1] == EMU_W_S32;
  EMU_EACH(u32 sum = c[l]; for (u32 i = 0; i < 4; i++) {
    sum += (u32)(part(a[l], i, 8, sa) * part(b[l], i, 8, sb));
  } d[l] = sum);
}

void emu_x_dp2a(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d), *a = EMU_CELL(u32, a), *b = EMU_CELL(u32, b), *c = EMU_CELL(u32, c);
  bool sa = inst->types[0] == EMU_W_S32, sb = inst->types[1] == EMU_W_S32;
  u32 first = inst->mods & EMU_M_HI ? 2 : 0;
  EMU_EACH(u32 sum = c[l]; for (u32 i = 0; i < 2; i++) {
    sum += (u32)(part(a[l], i, 16, sa) * part(b[l], first + i, 8, sb));
  } d[l] = sum);
}

EMU_BINARY(and32, u32, u32, x & y)
EMU_BINARY(and64, u64, u64, x & y)
EMU_BINARY(or32, u32, u32, x | y)
EMU_BINARY(or64, u64, u64, x | y)
EMU_BINARY(xor32, u32, u32, x ^ y)
EMU_BINARY(xor64, u64, u64, x ^ y)
EMU_UNARY(not16, u32, u32, (u16)~x)
EMU_UNARY(not32, u32, u32, ~x)
EMU_UNARY(not64, u64, u64, ~x)
EMU_UNARY(cnot32, u32, u32, x == 0)
EMU_UNARY(cnot64, u64, u64, x == 0)

void emu_x_and_pred(emu_warp *warp, const emu_inst *inst, u32 mask) {
  emu_set_pred(warp, inst->d, mask, *emu_u32(warp, inst->a) & *emu_u32(warp, inst->b));
}
void emu_x_or_pred(emu_warp *warp, const emu_inst *inst, u32 mask) {
  emu_set_pred(warp, inst->d, mask, *emu_u32(warp, inst->a) | *emu_u32(warp, inst->b));
}
void emu_x_xor_pred(emu_warp *warp, const emu_inst *inst, u32 mask) {
  emu_set_pred(warp, inst->d, mask, *emu_u32(warp, inst->a) ^ *emu_u32(warp, inst->b));
}
void emu_x_not_pred(emu_warp *warp, const emu_inst *inst, u32 mask) {
  emu_set_pred(warp, inst->d, mask, ~*emu_u32(warp, inst->a));
}

void emu_x_lop3(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d), *a = EMU_CELL(u32, a), *b = EMU_CELL(u32, b), *c = EMU_CELL(u32, c);
  u32 pick[8];
  for (u32 i = 0; i < 8; i++) {
    pick[i] = inst->target >> i & 1 ? UINT32_MAX : 0;
  }
  EMU_EACH(u32 x = a[l]; u32 y = b[l]; u32 z = c[l];
           d[l] = (~x & ~y & ~z & pick[0]) | (~x & ~y & z & pick[1]) | (~x & y & ~z & pick[2]) |
                  (~x & y & z & pick[3]) | (x & ~y & ~z & pick[4]) | (x & ~y & z & pick[5]) |
                  (x & y & ~z & pick[6]) | (x & y & z & pick[7]));
}

// ---- shifts: amounts beyond the width shift everything out ------------------------------------

EMU_BINARY(shl16, u32, u32, y > 15 ? 0 : (u16)(x << y))
EMU_BINARY(shl32, u32, u32, y > 31 ? 0 : x << y)
EMU_BINARY(shr_u16, u32, u32, y > 15 ? 0 : U16(x) >> y)
EMU_BINARY(shr_s16, u32, u32, (u16)(S16(x) >> (y > 15 ? 15 : y)))
EMU_BINARY(shr_u32, u32, u32, y > 31 ? 0 : x >> y)
EMU_BINARY(shr_s32, u32, u32, (u32)((s32)x >> (y > 31 ? 31 : y)))

#define SHIFT64(name, expression)                                              \
  void emu_x_##name(emu_warp *warp, const emu_inst *inst, u32 mask) {          \
    u64 *d = EMU_CELL(u64, d);                                                 \
    const u64 *a = EMU_CELL(u64, a);                                           \
    const u32 *b = EMU_CELL(u32, b);                                           \
    EMU_EACH(u64 x = a[l]; u64 y = b[l]; d[l] = expression);                   \
  }
SHIFT64(shl64, y > 63 ? 0 : x << y)
SHIFT64(shr_u64, y > 63 ? 0 : x >> y)
SHIFT64(shr_s64, (u64)((s64)x >> (y > 63 ? 63 : y)))

void emu_x_shf(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d), *a = EMU_CELL(u32, a), *b = EMU_CELL(u32, b), *c = EMU_CELL(u32, c);
  bool wrap = inst->mods & EMU_M_WRAP, left = inst->mods & EMU_M_LEFT;
  EMU_EACH(u32 n = wrap ? c[l] & 31 : MIN(c[l], 32); u64 both = (u64)b[l] << 32 | a[l];
           d[l] = left ? (u32)(both << n >> 32) : (u32)(both >> n));
}

static u32 select_bytes(u32 a, u32 b, u32 selector) {
  u64 both = (u64)b << 32 | a;
  u32 result = 0;
  for (u32 i = 0; i < 4; i++) {
    u32 pick = selector >> (4 * i) & 15;
    u32 byte = (u32)(both >> (8 * (pick & 7))) & 255;
    if (pick & 8) {
      byte = byte & 128 ? 255 : 0;
    }
    result |= byte << (8 * i);
  }
  return result;
}

static u32 selector_of(u8 mode, u32 control) {
  u32 n = control & 3, result = 0;
  for (u32 i = 0; i < 4; i++) {
    u32 pick = mode == EMU_W_F4E   ? n + i
               : mode == EMU_W_B4E ? (n - i) & 7
               : mode == EMU_W_RC8 ? n
               : mode == EMU_W_ECL ? MAX(n, i)
               : mode == EMU_W_ECR ? MIN(n, i)
                                   : (n & 1) * 2 + (i & 1);
    result |= pick << (4 * i);
  }
  return result;
}

void emu_x_prmt(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d), *a = EMU_CELL(u32, a), *b = EMU_CELL(u32, b), *c = EMU_CELL(u32, c);
  u8 mode = inst->op;
  EMU_EACH(d[l] = select_bytes(a[l], b[l], mode ? selector_of(mode, c[l]) : c[l]));
}
