// mma.sync. Lane l holds rows l / 4 and l / 4 + 8 of A and of the result, and column l / 4 of B;
// within them the elements of k that begin at l % 4 times what a register holds. So a register of a
// warp, lane behind lane, is 8 rows of A (8 columns of B) of as many elements of k, and no lane is
// looked at alone.
//
// Products are exact, sums are f32 (s32): the accumulator first, then k ascending, each sum
// rounded. Hardware adds in another order and with fewer digits, so results are compared with a
// tolerance, or with numbers whose sums are exact.
#include "emu_ops.h"

enum { MOST_K = 32, SIDE = 8 };

typedef float floats __attribute__((vector_size(32)));  // a row of 8
typedef s32 ints __attribute__((vector_size(32)));

typedef struct shape {
  u32 m, k;
  u32 per;       // elements of A and B in a register
  u32 a_regs, b_regs, c_regs;
} shape;

// b[k][column], c[row][column]. A is read as its registers hold it: rows of |wide| = 4 * per
// elements.
typedef struct matrices {
  union {
    float f[4][SIDE * SIDE];
    s32 i[4][SIDE * 16];
  } a;
  union {
    float f[MOST_K][SIDE];
    s32 i[MOST_K][SIDE];
  } b;
  union {
    float f[16][SIDE];
    s32 i[16][SIDE];
  } c;
} matrices;

// The elements of the register |x| of all lanes.
static void widen(const u32 *x, u8 type, float *out) {
  switch (type) {
    case EMU_W_F16: {
      u16 halves[2 * EMU_LANES];
      memcpy(halves, x, sizeof halves);
#if defined(__F16C__)
      for (u32 i = 0; i < 2 * EMU_LANES; i += 8) {
        __m128i eight;
        memcpy(&eight, halves + i, sizeof eight);
        _mm256_storeu_ps(out + i, _mm256_cvtph_ps(eight));
      }
#else
      for (u32 i = 0; i < 2 * EMU_LANES; i++) {
        out[i] = emu_from_f16(halves[i]);
      }
#endif
      break;
    }
    case EMU_W_BF16:
      for (u32 l = 0; l < EMU_LANES; l++) {
        out[2 * l] = emu_f32(x[l] << 16);
        out[2 * l + 1] = emu_f32(x[l] & 0xffff0000u);
      }
      break;
    default:  // tf32: what is below its digits is not read
      for (u32 l = 0; l < EMU_LANES; l++) {
        out[l] = emu_f32(x[l] & ~0x1fffu);
      }
  }
}

static void widen_int(const u32 *x, u8 type, s32 *out) {
  u8 bytes[4 * EMU_LANES];
  memcpy(bytes, x, sizeof bytes);
  for (u32 i = 0; i < 4 * EMU_LANES; i++) {
    out[i] = type == EMU_W_S8 ? (s8)bytes[i] : bytes[i];
  }
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
  u32 wide = 4 * s.per;
  for (u32 r = 0; r < s.a_regs; r++) {
    const u32 *x = listed(warp, inst, s.c_regs + r);
    if (integers) {
      widen_int(x, inst->types[1], m->a.i[r]);
    } else {
      widen(x, inst->types[1], m->a.f[r]);
    }
  }
  for (u32 r = 0; r < s.b_regs; r++) {
    const u32 *x = listed(warp, inst, s.c_regs + s.a_regs + r);
    union {
      float f[SIDE * SIDE];
      s32 i[SIDE * 16];
    } columns;
    if (integers) {
      widen_int(x, inst->types[2], columns.i);
    } else {
      widen(x, inst->types[2], columns.f);
    }
    for (u32 k = 0; k < wide; k++) {
      for (u32 j = 0; j < SIDE; j++) {  // bits: either kind
        m->b.i[r * wide + k][j] = columns.i[j * wide + k];
      }
    }
  }
}

// Two registers of f32 or s32 sums hold 8 rows, lane l of both the columns l % 4 * 2 and the next;
// one of f16 sums does.
static void load_sums(emu_warp *warp, const emu_inst *inst, shape s, matrices *m) {
  u32 first = s.c_regs + s.a_regs + s.b_regs;
  if (inst->types[0] == EMU_W_F16) {
    for (u32 r = 0; r < s.c_regs; r++) {
      widen(listed(warp, inst, first + r), EMU_W_F16, m->c.f[8 * r]);
    }
    return;
  }
  for (u32 r = 0; r < s.c_regs; r += 2) {
    const u32 *x = listed(warp, inst, first + r), *y = listed(warp, inst, first + r + 1);
    s32 *c = m->c.i[4 * r];
    for (u32 l = 0; l < EMU_LANES; l++) {
      c[2 * l] = (s32)x[l];
      c[2 * l + 1] = (s32)y[l];
    }
  }
}

static u32 half_bits(float sum) {
#if defined(__F16C__)
  return sum != sum ? 0x7fff : _cvtss_sh(sum, _MM_FROUND_TO_NEAREST_INT);
#else
  return emu_to_f16((double)sum, EMU_RN);
#endif
}

static void store_sums(emu_warp *warp, const emu_inst *inst, shape s, const matrices *m) {
  if (inst->types[0] == EMU_W_F16) {
    for (u32 r = 0; r < s.c_regs; r++) {
      u32 *x = emu_u32(warp, inst->list[r] & (u32)EMU_LIST_CELL);
      const float *c = m->c.f[8 * r];
      for (u32 l = 0; l < EMU_LANES; l++) {
        x[l] = half_bits(c[2 * l]) | half_bits(c[2 * l + 1]) << 16;
      }
    }
    return;
  }
  bool floating = inst->types[0] == EMU_W_F32;
  for (u32 r = 0; r < s.c_regs; r++) {
    u32 *x = emu_u32(warp, inst->list[r] & (u32)EMU_LIST_CELL);
    const u32 *c = (const u32 *)m->c.i[r / 2 * 8] + r % 2;
    for (u32 l = 0; l < EMU_LANES; l++) {
      u32 bits = c[2 * l];
      x[l] = floating && (bits & 0x7fffffff) > 0x7f800000 ? EMU_NAN_F32 : bits;
    }
  }
}

// Eight rows at once: sums that do not wait for each other.
static void multiply(matrices *m, shape s) {
  u32 wide = 4 * s.per, halves = s.m / SIDE;
  for (u32 half = 0; half < halves; half++) {
    floats sums[SIDE];
    memcpy(sums, m->c.f[half * SIDE], sizeof sums);
    for (u32 r = 0; r < s.b_regs; r++) {
      const float *a = m->a.f[r * halves + half];
      for (u32 k = 0; k < wide; k++) {
        floats b;
        memcpy(&b, m->b.f[r * wide + k], sizeof b);
        for (u32 i = 0; i < SIDE; i++) {
          sums[i] += a[i * wide + k] * b;
        }
      }
    }
    memcpy(m->c.f[half * SIDE], sums, sizeof sums);
  }
}

// Sums of products of bytes have room in 32 bits; that of the accumulator and theirs is cut, or
// wraps.
static void multiply_int(matrices *m, shape s, bool saturate) {
  u32 wide = 4 * s.per, halves = s.m / SIDE;
  for (u32 half = 0; half < halves; half++) {
    for (u32 i = 0; i < SIDE; i++) {
      ints sums = {0};
      for (u32 r = 0; r < s.b_regs; r++) {
        const s32 *a = m->a.i[r * halves + half] + i * wide;
        for (u32 k = 0; k < wide; k++) {
          ints b;
          memcpy(&b, m->b.i[r * wide + k], sizeof b);
          sums += a[k] * b;
        }
      }
      s32 *c = m->c.i[half * SIDE + i];
      for (u32 j = 0; j < SIDE; j++) {
        s64 sum = (s64)c[j] + sums[j];
        if (saturate) {
          sum = sum > INT32_MAX ? INT32_MAX : sum < INT32_MIN ? INT32_MIN : sum;
        }
        c[j] = (s32)(u32)(u64)sum;
      }
    }
  }
}

void emu_x_mma(emu_warp *warp, const emu_inst *inst, u32 mask) {
  (void)mask;
  shape s = shape_of(inst);
  matrices m;
  bool integers = inst->types[0] == EMU_W_S32;
  load(warp, inst, s, &m, integers);
  load_sums(warp, inst, s, &m);
  if (integers) {
    multiply_int(&m, s, inst->mods & EMU_M_SATFINITE);
  } else {
    multiply(&m, s);
  }
  store_sums(warp, inst, s, &m);
}
