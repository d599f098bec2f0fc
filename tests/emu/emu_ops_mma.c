// mma.sync. Lane l holds rows l / 4 and l / 4 + 8 of A and of the result, and column l / 4 of B; within
// them the elements of k that begin at l % 4 times what a register holds.
//
// Products are exact, sums are f32 (s32): the accumulator first, then k ascending, each sum rounded.
// Hardware adds in another order and with fewer digits, so results are compared with a tolerance, or
// with numbers whose sums are exact.
#include "emu_ops.h"

typedef struct shape {
  u32 m, k;
  u32 per;       // elements of A and B in a register
  u32 a_regs, b_regs, c_regs;
} shape;

typedef union matrices {
  struct {
    float a[16][16], b[16][8], c[16][8];
  } f;
  struct {
    s32 a[16][32], b[32][8], c[16][8];
  } i;
} matrices;

static float widen(u32 bits, u32 index, u8 type) {
  switch (type) {
    case EMU_W_F16: return emu_widen_f16((u16)(bits >> (16 * index)));
    case EMU_W_BF16: return emu_from_bf16((u16)(bits >> (16 * index)));
    default: return emu_f32(bits & ~0x1fffu);  // tf32: what is below its digits is not read
  }
}

static s32 widen_int(u32 bits, u32 index, u8 type) {
  u32 byte = bits >> (8 * index);
  return type == EMU_W_S8 ? (s8)byte : (u8)byte;
}

static const u32 *listed(const emu_warp *warp, const emu_inst *inst, u32 at) {
  return emu_u32(warp, inst->list[at] & (u32)EMU_LIST_CELL);
}

static shape shape_of(const emu_inst *inst) {
  u8 type = inst->types[1];
  shape s = {.m = 16};
  s.per = type == EMU_W_TF32 ? 1 : type == EMU_W_U8 || type == EMU_W_S8 ? 4 : 2;
  u32 rest = inst->list_count;
  bool small = rest == 6;  // m8n8k16, and f16 sums of m16n8k8, which has 7
  s.c_regs = inst->types[0] == EMU_W_F16 || small ? 2 : 4;
  rest -= 2 * s.c_regs;
  s.b_regs = rest / 3 ? rest / 3 : 1;
  s.a_regs = rest - s.b_regs;
  s.m = small ? 8 : 16;
  s.k = s.b_regs * 4 * s.per;
  return s;
}

static void load(emu_warp *warp, const emu_inst *inst, shape s, matrices *m, bool integers) {
  for (u32 r = 0; r < s.a_regs; r++) {
    const u32 *x = listed(warp, inst, s.c_regs + r);
    for (u32 l = 0; l < EMU_LANES; l++) {
      u32 row = l / 4 + 8 * (r & 1), k = (r / 2 * 4 + l % 4) * s.per;
      for (u32 i = 0; i < s.per; i++) {
        if (integers) {
          m->i.a[row][k + i] = widen_int(x[l], i, inst->types[1]);
        } else {
          m->f.a[row][k + i] = widen(x[l], i, inst->types[1]);
        }
      }
    }
  }
  for (u32 r = 0; r < s.b_regs; r++) {
    const u32 *x = listed(warp, inst, s.c_regs + s.a_regs + r);
    for (u32 l = 0; l < EMU_LANES; l++) {
      u32 column = l / 4, k = (r * 4 + l % 4) * s.per;
      for (u32 i = 0; i < s.per; i++) {
        if (integers) {
          m->i.b[k + i][column] = widen_int(x[l], i, inst->types[2]);
        } else {
          m->f.b[k + i][column] = widen(x[l], i, inst->types[2]);
        }
      }
    }
  }
}

// Register |r| of the accumulators of lane |l| is in that row, from that column on.
static u32 row_of(u32 l, u32 r, bool halves) { return l / 4 + 8 * (halves ? r : r / 2); }
static u32 column_of(u32 l, u32 r, bool halves) { return l % 4 * 2 + (halves ? 0 : r & 1); }

static void load_sums(emu_warp *warp, const emu_inst *inst, shape s, matrices *m, bool integers) {
  bool halves = inst->types[0] == EMU_W_F16;
  for (u32 r = 0; r < s.c_regs; r++) {
    const u32 *x = listed(warp, inst, s.c_regs + s.a_regs + s.b_regs + r);
    for (u32 l = 0; l < EMU_LANES; l++) {
      u32 row = row_of(l, r, halves), column = column_of(l, r, halves);
      if (halves) {
        m->f.c[row][column] = emu_widen_f16((u16)x[l]);
        m->f.c[row][column + 1] = emu_widen_f16((u16)(x[l] >> 16));
      } else if (integers) {
        m->i.c[row][column] = (s32)x[l];
      } else {
        m->f.c[row][column] = emu_f32(x[l]);
      }
    }
  }
}

static void store_sums(emu_warp *warp, const emu_inst *inst, shape s, const matrices *m,
                       bool integers) {
  bool halves = inst->types[0] == EMU_W_F16;
  for (u32 r = 0; r < s.c_regs; r++) {
    u32 *x = emu_u32(warp, inst->list[r] & (u32)EMU_LIST_CELL);
    for (u32 l = 0; l < EMU_LANES; l++) {
      u32 row = row_of(l, r, halves), column = column_of(l, r, halves);
      if (halves) {
        x[l] = emu_to_f16((double)m->f.c[row][column], EMU_RN) |
               (u32)emu_to_f16((double)m->f.c[row][column + 1], EMU_RN) << 16;
      } else if (integers) {
        x[l] = (u32)m->i.c[row][column];
      } else {
        float sum = m->f.c[row][column];
        x[l] = sum != sum ? EMU_NAN_F32 : emu_bits(sum);
      }
    }
  }
}

static void multiply(matrices *m, shape s) {
  for (u32 i = 0; i < s.m; i++) {
    for (u32 k = 0; k < s.k; k++) {
      float a = m->f.a[i][k];
      for (u32 j = 0; j < 8; j++) {
        m->f.c[i][j] += a * m->f.b[k][j];
      }
    }
  }
}

static void multiply_int(matrices *m, shape s, bool saturate) {
  for (u32 i = 0; i < s.m; i++) {
    for (u32 j = 0; j < 8; j++) {
      s64 sum = m->i.c[i][j];
      for (u32 k = 0; k < s.k; k++) {
        sum += (s64)m->i.a[i][k] * m->i.b[k][j];
      }
      if (saturate) {
        sum = sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : sum;
      }
      m->i.c[i][j] = (s32)(u32)(u64)sum;
    }
  }
}

void emu_x_mma(emu_warp *warp, const emu_inst *inst, u32 mask) {
  (void)mask;
  shape s = shape_of(inst);
  matrices m;
  bool integers = inst->types[0] == EMU_W_S32;
  load(warp, inst, s, &m, integers);
  load_sums(warp, inst, s, &m, integers);
  if (integers) {
    multiply_int(&m, s, inst->mods & EMU_M_SATFINITE);
  } else {
    multiply(&m, s);
  }
  store_sums(warp, inst, s, &m, integers);
}
