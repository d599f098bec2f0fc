// Comparisons, selections, moves.
#include "emu_ops.h"

// ---- comparisons -------------------------------------------------------------------------------

#define COMPARE_INT(T)                                                                    \
  {                                                                                       \
    const T *a = EMU_CELL(T, a), *b = EMU_CELL(T, b);                                     \
    switch (inst->op) {                                                                   \
      case EMU_W_EQ: EMU_EACH(r |= (u32)(a[l] == b[l]) << l); break;                      \
      case EMU_W_NE: EMU_EACH(r |= (u32)(a[l] != b[l]) << l); break;                      \
      case EMU_W_LT: EMU_EACH(r |= (u32)(a[l] < b[l]) << l); break;                       \
      case EMU_W_LE: case EMU_W_LS: EMU_EACH(r |= (u32)(a[l] <= b[l]) << l); break;       \
      case EMU_W_GT: EMU_EACH(r |= (u32)(a[l] > b[l]) << l); break;                       \
      default: EMU_EACH(r |= (u32)(a[l] >= b[l]) << l); break;                            \
    }                                                                                     \
    break;                                                                                \
  }

static bool compare_float(double x, double y, u8 op) {
  bool unordered = x != x || y != y;
  switch (op) {
    case EMU_W_EQ: return x == y;
    case EMU_W_NE: return !unordered && x != y;
    case EMU_W_LT: return x < y;
    case EMU_W_LE: return x <= y;
    case EMU_W_GT: return x > y;
    case EMU_W_GE: return x >= y;
    case EMU_W_EQU: return unordered || x == y;
    case EMU_W_NEU: return unordered || x != y;
    case EMU_W_LTU: return unordered || x < y;
    case EMU_W_LEU: return unordered || x <= y;
    case EMU_W_GTU: return unordered || x > y;
    case EMU_W_GEU: return unordered || x >= y;
    case EMU_W_NUM: return !unordered;
    default: return unordered;
  }
}

static bool compare_16(u32 x, u32 y, u8 op, bool is_signed) {
  s32 a = is_signed ? (s16)x : (u16)x, b = is_signed ? (s16)y : (u16)y;
  switch (op) {
    case EMU_W_EQ: return a == b;
    case EMU_W_NE: return a != b;
    case EMU_W_LT: return a < b;
    case EMU_W_LE: case EMU_W_LS: return a <= b;
    case EMU_W_GT: return a > b;
    default: return a >= b;
  }
}

static u32 compare_f32(emu_warp *warp, const emu_inst *inst, u32 mask) {
  const float *a = EMU_CELL(float, a), *b = EMU_CELL(float, b);
  u32 r = 0;
  if (inst->mods & EMU_M_FTZ) {
    EMU_EACH(r |= (u32)compare_float((double)emu_flush(a[l]), (double)emu_flush(b[l]), inst->op)
                  << l);
    return r;
  }
  switch (inst->op) {
    case EMU_W_LT: EMU_EACH(r |= (u32)(a[l] < b[l]) << l); break;
    case EMU_W_LE: EMU_EACH(r |= (u32)(a[l] <= b[l]) << l); break;
    case EMU_W_GT: EMU_EACH(r |= (u32)(a[l] > b[l]) << l); break;
    case EMU_W_GE: EMU_EACH(r |= (u32)(a[l] >= b[l]) << l); break;
    default: EMU_EACH(r |= (u32)compare_float((double)a[l], (double)b[l], inst->op) << l); break;
  }
  return r;
}

static double half_value(u32 bits, bool bf16, bool flush) {
  u16 x = (u16)bits;
  if (flush && !(x & (bf16 ? 0x7f80 : 0x7c00))) {
    x &= 0x8000;
  }
  return (double)(bf16 ? emu_from_bf16(x) : emu_widen_f16(x));
}

static u32 compare_half(emu_warp *warp, const emu_inst *inst, u32 mask, emu_word type, int shift) {
  const u32 *a = EMU_CELL(u32, a), *b = EMU_CELL(u32, b);
  bool bf16 = type == EMU_W_BF16 || type == EMU_W_BF16X2, flush = inst->mods & EMU_M_FTZ;
  u32 r = 0;
  EMU_EACH(r |= (u32)compare_float(half_value(a[l] >> shift, bf16, flush),
                                   half_value(b[l] >> shift, bf16, flush), inst->op) << l);
  return r;
}

static u32 compare(emu_warp *warp, const emu_inst *inst, u32 mask, emu_word type) {
  u32 r = 0;
  switch (type) {
    case EMU_W_U32: case EMU_W_B32: COMPARE_INT(u32)
    case EMU_W_S32: COMPARE_INT(s32)
    case EMU_W_U64: case EMU_W_B64: COMPARE_INT(u64)
    case EMU_W_S64: COMPARE_INT(s64)
    case EMU_W_F32: return compare_f32(warp, inst, mask);
    case EMU_W_F64: {
      const double *a = EMU_CELL(double, a), *b = EMU_CELL(double, b);
      EMU_EACH(r |= (u32)compare_float(a[l], b[l], inst->op) << l);
      break;
    }
    case EMU_W_F16: case EMU_W_BF16: return compare_half(warp, inst, mask, type, 0);
    default: {
      const u32 *a = EMU_CELL(u32, a), *b = EMU_CELL(u32, b);
      bool is_signed = type == EMU_W_S16;
      EMU_EACH(r |= (u32)compare_16(a[l], b[l], inst->op, is_signed) << l);
    }
  }
  return r;
}

static u32 combine(emu_warp *warp, const emu_inst *inst, u32 value) {
  u32 other = inst->c ? *emu_u32(warp, inst->c) : 0;
  switch (inst->combine) {
    case EMU_W_AND: return value & other;
    case EMU_W_OR: return value | other;
    case EMU_W_XOR: return value ^ other;
    default: return value;
  }
}

void emu_x_setp(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 r = compare(warp, inst, mask, (emu_word)inst->types[0]);
  u32 first = combine(warp, inst, r), second = combine(warp, inst, ~r);
  emu_set_pred(warp, inst->d, mask, first);
  if (inst->e) {
    emu_set_pred(warp, inst->e, mask, second);
  }
}

void emu_x_setp_x2(emu_warp *warp, const emu_inst *inst, u32 mask) {
  emu_word type = (emu_word)inst->types[0];
  u32 low = combine(warp, inst, compare_half(warp, inst, mask, type, 0));
  u32 high = combine(warp, inst, compare_half(warp, inst, mask, type, 16));
  emu_set_pred(warp, inst->d, mask, low);
  if (inst->e) {
    emu_set_pred(warp, inst->e, mask, high);
  }
}

static u32 true_of(emu_word type) {
  switch (type) {
    case EMU_W_F32: return 0x3f800000;
    case EMU_W_F16: case EMU_W_F16X2: return 0x3c00;
    case EMU_W_BF16: case EMU_W_BF16X2: return 0x3f80;
    case EMU_W_U16: case EMU_W_S16: return 0xffff;
    default: return UINT32_MAX;
  }
}

void emu_x_set(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d), yes = true_of((emu_word)inst->types[0]);
  u32 r = combine(warp, inst, compare(warp, inst, mask, (emu_word)inst->types[1]));
  EMU_EACH(d[l] = r >> l & 1 ? yes : 0);
}

void emu_x_set_x2(emu_warp *warp, const emu_inst *inst, u32 mask) {
  emu_word type = (emu_word)inst->types[1];
  u32 *d = EMU_CELL(u32, d), yes = true_of(type);
  u32 low = combine(warp, inst, compare_half(warp, inst, mask, type, 0));
  u32 high = combine(warp, inst, compare_half(warp, inst, mask, type, 16));
  EMU_EACH(d[l] = (low >> l & 1 ? yes : 0) | (high >> l & 1 ? yes << 16 : 0));
}

// ---- selections and moves ----------------------------------------------------------------------

void emu_x_selp32(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d), *a = EMU_CELL(u32, a), *b = EMU_CELL(u32, b);
  u32 p = *emu_u32(warp, inst->c);
  EMU_EACH(d[l] = p >> l & 1 ? a[l] : b[l]);
}

void emu_x_selp64(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u64 *d = EMU_CELL(u64, d), *a = EMU_CELL(u64, a), *b = EMU_CELL(u64, b);
  u32 p = *emu_u32(warp, inst->c);
  EMU_EACH(d[l] = p >> l & 1 ? a[l] : b[l]);
}

static bool not_negative(u32 bits, bool is_float, bool flush) {
  if (!is_float) {
    return (s32)bits >= 0;
  }
  float x = flush ? emu_flush(emu_f32(bits)) : emu_f32(bits);
  return x >= 0;
}

void emu_x_slct32(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d), *a = EMU_CELL(u32, a), *b = EMU_CELL(u32, b), *c = EMU_CELL(u32, c);
  bool is_float = inst->types[1] == EMU_W_F32, flush = inst->mods & EMU_M_FTZ;
  EMU_EACH(d[l] = not_negative(c[l], is_float, flush) ? a[l] : b[l]);
}

void emu_x_slct64(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u64 *d = EMU_CELL(u64, d), *a = EMU_CELL(u64, a), *b = EMU_CELL(u64, b);
  u32 *c = EMU_CELL(u32, c);
  bool is_float = inst->types[1] == EMU_W_F32, flush = inst->mods & EMU_M_FTZ;
  EMU_EACH(d[l] = not_negative(c[l], is_float, flush) ? a[l] : b[l]);
}

EMU_UNARY(mov32, u32, u32, x)
EMU_UNARY(mov64, u64, u64, x)

void emu_x_movpred(emu_warp *warp, const emu_inst *inst, u32 mask) {
  emu_set_pred(warp, inst->d, mask, *emu_u32(warp, inst->a));
}

void emu_x_mov_pack(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 bits = inst->size * 8u / inst->count;
  u64 part = ((u64)1 << bits) - 1;
  EMU_EACH(u64 value = 0; for (u32 i = 0; i < inst->count; i++) {
    value |= (emu_u32(warp, inst->list[i] & (u32)EMU_LIST_CELL)[l] & part) << (i * bits);
  } emu_put(warp, inst->d, inst->d_class, l, value));
}

void emu_x_mov_unpack(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 bits = inst->size * 8u / inst->count;
  u64 part = ((u64)1 << bits) - 1;
  EMU_EACH(
      u64 value = emu_get(warp, inst->a, inst->a_class, l); for (u32 i = 0; i < inst->count; i++) {
        emu_u32(warp, inst->list[i] & (u32)EMU_LIST_CELL)[l] = (u32)(value >> (i * bits) & part);
      });
}
