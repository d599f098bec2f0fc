// f16 and bf16 arithmetic, one or two to a register: computed exactly enough in f64, rounded once.
#include "emu_ops.h"

typedef enum operation { ADD, SUB, MUL, FMA, MIN, MAX, EX2, TANH } operation;

static bool is_bf16(const emu_inst *inst) {
  return inst->types[0] == EMU_W_BF16 || inst->types[0] == EMU_W_BF16X2;
}
static bool is_pair(const emu_inst *inst) {
  return inst->types[0] == EMU_W_F16X2 || inst->types[0] == EMU_W_BF16X2;
}

static u16 flush16(u16 x, bool bf16) { return x & (bf16 ? 0x7f80 : 0x7c00) ? x : x & 0x8000; }
static double widen(u16 x, bool bf16) {
  return (double)(bf16 ? emu_from_bf16(x) : emu_widen_f16(x));
}

static u16 extreme(const emu_inst *inst, u16 a, u16 b, bool greatest, bool bf16) {
  u16 sign = (a ^ b) & 0x8000;
  if (inst->mods & EMU_M_ABS) {
    a &= 0x7fff;
    b &= 0x7fff;
  }
  double x = widen(a, bf16), y = widen(b, bf16);
  u16 r;
  if (isnan(x) || isnan(y)) {
    r = inst->mods & EMU_M_NAN || (isnan(x) && isnan(y)) ? 0x7fff : isnan(x) ? b : a;
    if (r == 0x7fff) {
      return r;
    }
  } else {
    bool first = x == y ? (a >> 15) != greatest : (x < y) != greatest;
    r = first ? a : b;
  }
  return inst->mods & EMU_M_XORSIGN ? (u16)((r & 0x7fff) | sign) : r;
}

static double noise(emu_warp *warp, double x, bool bf16) {
  int ulps = warp->block->device->options.ulp_noise;
  if (!ulps || !isfinite(x) || x == 0) {
    return x;
  }
  s32 off = (s32)(emu_next_random(&warp->random) % (2 * (u64)ulps + 1)) - ulps;
  return x + ldexp(off, ilogb(x) - (bf16 ? 7 : 10));
}

static u16 one(emu_warp *warp, const emu_inst *inst, operation op, u16 a, u16 b, u16 c) {
  bool bf16 = is_bf16(inst), flush = inst->mods & EMU_M_FTZ;
  if (flush) {
    a = flush16(a, bf16);
    b = flush16(b, bf16);
    c = flush16(c, bf16);
  }
  u16 result;
  if (op == MIN || op == MAX) {
    result = extreme(inst, a, b, op == MAX, bf16);
  } else {
    double x = widen(a, bf16), y = widen(b, bf16), z = widen(c, bf16);
    double r = op == ADD   ? emu_fma_odd(x, 1, y)
               : op == SUB ? emu_fma_odd(x, 1, -y)
               : op == MUL ? x * y
               : op == FMA ? emu_fma_odd(x, y, z)
               : op == EX2 ? noise(warp, exp2(x), bf16)
                           : noise(warp, tanh(x), bf16);
    if (inst->mods & EMU_M_SAT) {
      r = r > 0 ? r < 1 ? r : 1 : 0;
    }
    if (inst->mods & EMU_M_RELU && r < 0) {
      r = 0;
    }
    result = bf16 ? emu_to_bf16(r, EMU_RN) : emu_to_f16(r, EMU_RN);
  }
  return flush ? flush16(result, bf16) : result;
}

static void each(emu_warp *warp, const emu_inst *inst, u32 mask, operation op) {
  u32 *d = EMU_CELL(u32, d), *a = EMU_CELL(u32, a), *b = EMU_CELL(u32, b), *c = EMU_CELL(u32, c);
  bool pair = is_pair(inst);
  EMU_EACH(u32 r = one(warp, inst, op, (u16)a[l], (u16)b[l], (u16)c[l]); if (pair) {
    r |= (u32)one(warp, inst, op, (u16)(a[l] >> 16), (u16)(b[l] >> 16), (u16)(c[l] >> 16)) << 16;
  } d[l] = r);
}

#define HALF(name, op)                                                         \
  void emu_x_##name(emu_warp *warp, const emu_inst *inst, u32 mask) {          \
    each(warp, inst, mask, op);                                                \
  }
HALF(add_half, ADD)
HALF(sub_half, SUB)
HALF(mul_half, MUL)
HALF(fma_half, FMA)
HALF(min_half, MIN)
HALF(max_half, MAX)
HALF(ex2_half, EX2)
HALF(tanh_half, TANH)

static u32 both_flushed(u32 x, bool flush, bool bf16) {
  return flush ? flush16((u16)x, bf16) | (u32)flush16((u16)(x >> 16), bf16) << 16 : x;
}

void emu_x_neg_half(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d), *a = EMU_CELL(u32, a);
  u32 bits = is_pair(inst) ? UINT32_MAX : 0xffff;
  bool flush = inst->mods & EMU_M_FTZ, bf16 = is_bf16(inst);
  EMU_EACH(d[l] = (both_flushed(a[l], flush, bf16) ^ 0x80008000u) & bits);
}

void emu_x_abs_half(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d), *a = EMU_CELL(u32, a);
  u32 bits = is_pair(inst) ? 0x7fff7fff : 0x7fff;
  bool flush = inst->mods & EMU_M_FTZ, bf16 = is_bf16(inst);
  EMU_EACH(d[l] = both_flushed(a[l], flush, bf16) & bits);
}
