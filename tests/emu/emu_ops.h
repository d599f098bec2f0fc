// How handlers are written: one expression for one lane; with all lanes active the loop is one the
// C compiler makes vectors of. Results never overlap sources of other lanes.
#ifndef AICC_TESTS_EMU_OPS_H
#define AICC_TESTS_EMU_OPS_H

#include <math.h>
#include <string.h>

#include "emu_internal.h"

#if defined(__F16C__)
#include <immintrin.h>
#endif

#if defined(__clang__)
#define EMU_INDEPENDENT _Pragma("clang loop vectorize(enable)")
#else
#define EMU_INDEPENDENT _Pragma("GCC ivdep")
#endif

// Runs the statements for each lane |l| of |mask|.
#define EMU_EACH(...)                                                          \
  do {                                                                         \
    if (mask == EMU_FULL) {                                                    \
      EMU_INDEPENDENT for (int l = 0; l < EMU_LANES; l++) { __VA_ARGS__; }     \
    } else {                                                                   \
      for (u32 rest_ = mask; rest_; rest_ &= rest_ - 1) {                      \
        int l = __builtin_ctz(rest_);                                          \
        __VA_ARGS__;                                                           \
      }                                                                        \
    }                                                                          \
  } while (0)

#define EMU_FORM(sm, pattern, operands, handler, flow) emu_exec emu_x_##handler;
#include "emu_forms.def"
#undef EMU_FORM
emu_exec emu_x_mov64, emu_x_movpred, emu_x_mov_pack, emu_x_mov_unpack;

#define EMU_CELL(type, field) ((type *)(void *)(warp->file + inst->field))

// Handlers of one, two and three sources of type S and a result of type D.
#define EMU_UNARY(name, D, S, expression)                                      \
  void emu_x_##name(emu_warp *warp, const emu_inst *inst, u32 mask) {          \
    D *d = EMU_CELL(D, d);                                                     \
    const S *a = EMU_CELL(S, a);                                               \
    EMU_EACH(S x = a[l]; d[l] = (D)(expression));                              \
  }
#define EMU_BINARY(name, D, S, expression)                                     \
  void emu_x_##name(emu_warp *warp, const emu_inst *inst, u32 mask) {          \
    D *d = EMU_CELL(D, d);                                                     \
    const S *a = EMU_CELL(S, a);                                               \
    const S *b = EMU_CELL(S, b);                                               \
    EMU_EACH(S x = a[l]; S y = b[l]; d[l] = (D)(expression));                  \
  }
#define EMU_TERNARY(name, D, S, C, expression)                                 \
  void emu_x_##name(emu_warp *warp, const emu_inst *inst, u32 mask) {          \
    D *d = EMU_CELL(D, d);                                                     \
    const S *a = EMU_CELL(S, a);                                               \
    const S *b = EMU_CELL(S, b);                                               \
    const C *c = EMU_CELL(C, c);                                               \
    EMU_EACH(S x = a[l]; S y = b[l]; C z = c[l]; d[l] = (D)(expression));      \
  }

static inline void emu_set_pred(emu_warp *warp, u32 cell, u32 mask, u32 value) {
  u32 *p = emu_u32(warp, cell);
  *p = (*p & ~mask) | (value & mask);
}

static inline float emu_f32(u32 bits) {
  float f;
  memcpy(&f, &bits, 4);
  return f;
}
static inline u32 emu_bits(float f) {
  u32 bits;
  memcpy(&bits, &f, 4);
  return bits;
}
static inline double emu_f64(u64 bits) {
  double f;
  memcpy(&f, &bits, 8);
  return f;
}
static inline u64 emu_bits64(double f) {
  u64 bits;
  memcpy(&bits, &f, 8);
  return bits;
}

// Subnormals to zeros of the same sign.
static inline float emu_flush(float x) {
  u32 bits = emu_bits(x);
  return bits & 0x7f800000 ? x : emu_f32(bits & 0x80000000);
}
#define EMU_NAN_F32 0x7fffffffu  // the NaN that PTX arithmetic makes

// emu_float.c: 16-bit and 8-bit floats, by value; rounding modes are emu_round.
float emu_from_f16(u16 bits);
u16 emu_to_f16(double value, emu_round round);
u16 emu_to_bf16(double value, emu_round round);
static inline float emu_widen_f16(u16 bits) {
#if defined(__F16C__)
  return _cvtsh_ss(bits);
#else
  return emu_from_f16(bits);
#endif
}
static inline float emu_from_bf16(u16 bits) { return emu_f32((u32)bits << 16); }
// a * b + c rounded so that rounding it again to a narrow type is the same as rounding once.
double emu_fma_odd(double a, double b, double c);
double emu_round_integral(double value, emu_round round);

// One lane of an operand that may have any class.
static inline u64 emu_get(const emu_warp *warp, u32 cell, u8 class_, int lane) {
  return class_ == PTX_64     ? emu_u64(warp, cell)[lane]
         : class_ == PTX_PRED ? *emu_u32(warp, cell) >> lane & 1
                              : emu_u32(warp, cell)[lane];
}
static inline void emu_put(emu_warp *warp, u32 cell, u8 class_, int lane, u64 value) {
  if (class_ == PTX_64) {
    emu_u64(warp, cell)[lane] = value;
  } else {
    emu_u32(warp, cell)[lane] = (u32)value;
  }
}

#endif
