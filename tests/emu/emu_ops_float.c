// f32 and f64 arithmetic. Approximate instructions are exact here but for emu_options.ulp_noise.
#include <fenv.h>

#include "emu_ops.h"

// ---- rounding other than to nearest -----------------------------------------------------------

static const int fe_modes[] = {[EMU_RN] = FE_TONEAREST, [EMU_RZ] = FE_TOWARDZERO,
                               [EMU_RM] = FE_DOWNWARD, [EMU_RP] = FE_UPWARD,
                               [EMU_RNA] = FE_TONEAREST};

typedef enum operation { ADD, SUB, MUL, FMA, DIV, SQRT } operation;

// The operands go through memory, so that nothing is computed before the mode is set.
static __attribute__((noinline)) float directed_f32(operation op, float x, float y, float z,
                                                    u8 round) {
  volatile float a = x, b = y, c = z;
  fesetround(fe_modes[round]);
  volatile float r = op == ADD   ? a + b
                     : op == SUB ? a - b
                     : op == MUL ? a * b
                     : op == FMA ? fmaf(a, b, c)
                     : op == DIV ? a / b
                                 : sqrtf(a);
  fesetround(FE_TONEAREST);
  return r;
}

static __attribute__((noinline)) double directed_f64(operation op, double x, double y, double z,
                                                     u8 round) {
  volatile double a = x, b = y, c = z;
  fesetround(fe_modes[round]);
  volatile double r = op == ADD   ? a + b
                      : op == SUB ? a - b
                      : op == MUL ? a * b
                      : op == FMA ? fma(a, b, c)
                      : op == DIV ? a / b
                                  : sqrt(a);
  fesetround(FE_TONEAREST);
  return r;
}

// ---- f32 ---------------------------------------------------------------------------------------

static inline u32 finish(float r, bool flush, bool saturate) {
  if (flush) {
    r = emu_flush(r);
  }
  if (saturate) {
    r = r > 0 ? r < 1 ? r : 1 : 0;  // NaN to 0
  }
  return r != r ? EMU_NAN_F32 : emu_bits(r);
}

#define F32(name, op, plain)                                                            \
  void emu_x_##name(emu_warp *warp, const emu_inst *inst, u32 mask) {                   \
    u32 *d = EMU_CELL(u32, d);                                                          \
    const float *a = EMU_CELL(float, a), *b = EMU_CELL(float, b), *c = EMU_CELL(float, c); \
    bool flush = inst->mods & EMU_M_FTZ, saturate = inst->mods & EMU_M_SAT;             \
    (void)b;                                                                            \
    (void)c;                                                                            \
    if (inst->round != EMU_RN) {                                                        \
      u8 mode = inst->round;                                                            \
      EMU_EACH(float x = a[l], y = b[l], z = c[l];                                      \
               if (flush) { x = emu_flush(x); y = emu_flush(y); z = emu_flush(z); }     \
               d[l] = finish(directed_f32(op, x, y, z, mode), flush, saturate));        \
    } else if (flush || saturate) {                                                     \
      EMU_EACH(float x = a[l], y = b[l], z = c[l];                                      \
               if (flush) { x = emu_flush(x); y = emu_flush(y); z = emu_flush(z); }     \
               (void)y; (void)z;                                                        \
               d[l] = finish(plain, flush, saturate));                                  \
    } else {                                                                            \
      EMU_EACH(float x = a[l]; float y = b[l]; float z = c[l]; (void)y; (void)z;        \
               float r = plain; d[l] = r != r ? EMU_NAN_F32 : emu_bits(r));             \
    }                                                                                   \
  }
F32(add_f32, ADD, x + y)
F32(sub_f32, SUB, x - y)
F32(mul_f32, MUL, x * y)
F32(fma_f32, FMA, __builtin_fmaf(x, y, z))
F32(div_f32, DIV, x / y)
F32(sqrt_f32, SQRT, sqrtf(x))

void emu_x_rcp_f32(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d);
  const float *a = EMU_CELL(float, a);
  bool flush = inst->mods & EMU_M_FTZ;
  u8 mode = inst->round;
  EMU_EACH(float x = flush ? emu_flush(a[l]) : a[l];
           d[l] = finish(mode == EMU_RN ? 1 / x : directed_f32(DIV, 1, x, 0, mode), flush, false));
}

void emu_x_neg_f32(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d), *a = EMU_CELL(u32, a);
  bool flush = inst->mods & EMU_M_FTZ;
  EMU_EACH(u32 x = flush ? emu_bits(emu_flush(emu_f32(a[l]))) : a[l]; d[l] = x ^ 0x80000000u);
}

void emu_x_abs_f32(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d), *a = EMU_CELL(u32, a);
  bool flush = inst->mods & EMU_M_FTZ;
  EMU_EACH(u32 x = flush ? emu_bits(emu_flush(emu_f32(a[l]))) : a[l]; d[l] = x & 0x7fffffffu);
}

// -0 is less than +0; a NaN is left out, or with .NaN is the result.
static inline float least(float x, float y, u32 mods) {
  if (x != x || y != y) {
    return mods & EMU_M_NAN || (x != x && y != y) ? emu_f32(EMU_NAN_F32) : x != x ? y : x;
  }
  return x < y || (x == y && signbit(x)) ? x : y;
}

static inline float extreme(float x, float y, u32 mods, bool greatest) {
  u32 sign = (emu_bits(x) ^ emu_bits(y)) & 0x80000000u;
  if (mods & EMU_M_FTZ) {
    x = emu_flush(x);
    y = emu_flush(y);
  }
  if (mods & EMU_M_ABS) {
    x = fabsf(x);
    y = fabsf(y);
  }
  float r = greatest ? -least(-x, -y, mods) : least(x, y, mods);
  if (r != r) {
    return emu_f32(EMU_NAN_F32);
  }
  return mods & EMU_M_XORSIGN ? emu_f32((emu_bits(r) & 0x7fffffffu) | sign) : r;
}

static inline float plain_min(float x, float y) {
  float r = x < y || (x == y && emu_bits(x) >> 31) ? x : y;
  r = x != x ? y : y != y ? x : r;
  return r != r ? emu_f32(EMU_NAN_F32) : r;
}
static inline float plain_max(float x, float y) {
  float r = x > y || (x == y && !(emu_bits(x) >> 31)) ? x : y;
  r = x != x ? y : y != y ? x : r;
  return r != r ? emu_f32(EMU_NAN_F32) : r;
}

#define EXTREME(name, greatest, plain)                                         \
  void emu_x_##name(emu_warp *warp, const emu_inst *inst, u32 mask) {          \
    float *d = EMU_CELL(float, d);                                             \
    const float *a = EMU_CELL(float, a), *b = EMU_CELL(float, b);              \
    u32 mods = inst->mods & (EMU_M_FTZ | EMU_M_NAN | EMU_M_ABS | EMU_M_XORSIGN); \
    if (mods) {                                                                \
      EMU_EACH(d[l] = extreme(a[l], b[l], mods, greatest));                    \
    } else {                                                                   \
      EMU_EACH(d[l] = plain(a[l], b[l]));                                      \
    }                                                                          \
  }
EXTREME(min_f32, false, plain_min)
EXTREME(max_f32, true, plain_max)

EMU_BINARY(copysign_f32, u32, u32, (x & 0x80000000u) | (y & 0x7fffffffu))
EMU_BINARY(copysign_f64, u64, u64, (x & (u64)1 << 63) | (y & ~((u64)1 << 63)))

// ---- f64 ---------------------------------------------------------------------------------------

#define F64(name, op, plain)                                                            \
  void emu_x_##name(emu_warp *warp, const emu_inst *inst, u32 mask) {                   \
    double *d = EMU_CELL(double, d);                                                    \
    const double *a = EMU_CELL(double, a), *b = EMU_CELL(double, b),                    \
                 *c = EMU_CELL(double, c);                                              \
    if (inst->round != EMU_RN) {                                                        \
      u8 mode = inst->round;                                                            \
      EMU_EACH(d[l] = directed_f64(op, a[l], b[l], c[l], mode));                        \
    } else {                                                                            \
      EMU_EACH(double x = a[l]; double y = b[l]; double z = c[l]; (void)y; (void)z;     \
               d[l] = plain);                                                           \
    }                                                                                   \
  }
F64(add_f64, ADD, x + y)
F64(sub_f64, SUB, x - y)
F64(mul_f64, MUL, x * y)
F64(fma_f64, FMA, __builtin_fma(x, y, z))
F64(div_f64, DIV, x / y)
F64(sqrt_f64, SQRT, sqrt(x))

void emu_x_rcp_f64(emu_warp *warp, const emu_inst *inst, u32 mask) {
  double *d = EMU_CELL(double, d);
  const double *a = EMU_CELL(double, a);
  EMU_EACH(d[l] = directed_f64(DIV, 1, a[l], 0, inst->round));
}

EMU_UNARY(neg_f64, u64, u64, x ^ (u64)1 << 63)
EMU_UNARY(abs_f64, u64, u64, x & ~((u64)1 << 63))
EMU_BINARY(min_f64, double, double,
           x != x                            ? y
           : y != y                          ? x
           : x < y || (x == y && signbit(x)) ? x
                                             : y)
EMU_BINARY(max_f64, double, double,
           x != x ? y : y != y ? x : x > y || (x == y && !signbit(x)) ? x : y)

// ---- approximations ----------------------------------------------------------------------------

static inline u32 noisy(emu_warp *warp, float x, bool flush) {
  int noise = warp->block->device->options.ulp_noise;
  if (noise && isfinite(x) && x != 0) {
    s32 off = (s32)(emu_next_random(&warp->random) % (2 * (u64)noise + 1)) - noise;
    float moved = emu_f32(emu_bits(x) + (u32)off);
    x = isfinite(moved) && signbit(moved) == signbit(x) ? moved : x;
  }
  return finish(x, flush, false);
}

#define APPROXIMATE(name, expression)                                          \
  void emu_x_##name(emu_warp *warp, const emu_inst *inst, u32 mask) {          \
    u32 *d = EMU_CELL(u32, d);                                                 \
    const float *a = EMU_CELL(float, a);                                       \
    bool flush = inst->mods & EMU_M_FTZ;                                       \
    for (u32 rest = mask; rest; rest &= rest - 1) {                            \
      int l = __builtin_ctz(rest);                                             \
      float x = flush ? emu_flush(a[l]) : a[l];                                \
      d[l] = noisy(warp, (float)(expression), flush);                          \
    }                                                                          \
  }
APPROXIMATE(rcpapprox_f32, 1 / x)
APPROXIMATE(sqrtapprox_f32, sqrtf(x))
APPROXIMATE(rsqrt_f32, 1 / sqrt((double)x))
APPROXIMATE(sin_f32, sin((double)x))
APPROXIMATE(cos_f32, cos((double)x))
APPROXIMATE(lg2_f32, log2((double)x))
APPROXIMATE(ex2_f32, exp2((double)x))
APPROXIMATE(tanh_f32, tanh((double)x))

void emu_x_divapprox_f32(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 *d = EMU_CELL(u32, d);
  const float *a = EMU_CELL(float, a), *b = EMU_CELL(float, b);
  bool flush = inst->mods & EMU_M_FTZ;
  for (u32 rest = mask; rest; rest &= rest - 1) {
    int l = __builtin_ctz(rest);
    float x = flush ? emu_flush(a[l]) : a[l], y = flush ? emu_flush(b[l]) : b[l];
    d[l] = noisy(warp, x / y, flush);
  }
}

// The f64 approximations have 20 bits or so; what follows them makes more of these.
void emu_x_rcpapprox_f64(emu_warp *warp, const emu_inst *inst, u32 mask) {
  (void)warp;
  u64 *d = EMU_CELL(u64, d);
  const double *a = EMU_CELL(double, a);
  EMU_EACH(d[l] = emu_bits64(1 / a[l]) & ~(u64)0xffffffff);
}

void emu_x_rsqrt_f64(emu_warp *warp, const emu_inst *inst, u32 mask) {
  double *d = EMU_CELL(double, d);
  const double *a = EMU_CELL(double, a);
  EMU_EACH(d[l] = 1 / sqrt(a[l]));
}

// ---- properties --------------------------------------------------------------------------------

static bool property(double x, bool subnormal, u8 test) {
  switch (test) {
    case EMU_W_FINITE: return isfinite(x);
    case EMU_W_INFINITE: return isinf(x);
    case EMU_W_NUMBER: return !isnan(x);
    case EMU_W_NOTANUMBER: return isnan(x);
    case EMU_W_NORMAL: return isfinite(x) && x != 0 && !subnormal;
    default: return subnormal;
  }
}

void emu_x_testp32(emu_warp *warp, const emu_inst *inst, u32 mask) {
  const u32 *a = EMU_CELL(u32, a);
  u32 result = 0;
  EMU_EACH(bool sub = !(a[l] & 0x7f800000) && a[l] & 0x7fffff;
           result |= (u32)property((double)emu_f32(a[l]), sub, inst->op) << l);
  emu_set_pred(warp, inst->d, mask, result);
}

void emu_x_testp64(emu_warp *warp, const emu_inst *inst, u32 mask) {
  const double *a = EMU_CELL(double, a);
  u32 result = 0;
  EMU_EACH(result |= (u32)property(a[l], fpclassify(a[l]) == FP_SUBNORMAL, inst->op) << l);
  emu_set_pred(warp, inst->d, mask, result);
}
