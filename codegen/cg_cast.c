// ONNX Cast on registers. 16-bit and smaller floats travel as their bits and convert through f32;
// f32 to f8 rounds and saturates with integer code, the same on every target (ir/dtype.c is its
// reference). Floats out of an integer's range give what aicc_scalar_to_int states.
#include "codegen/cg.h"

// --- shorthand -----------------------------------------------------------------------------------

typedef struct caster {
  cg *c;
  LLVMBuilderRef b;
  LLVMTypeRef i8, i16, i32, i64, f32, f64;  // with the lanes of the operand
} caster;

static caster make_caster(cg_kernel *k, LLVMValueRef x) {
  cg *c = k->c;
  LLVMTypeRef shape = LLVMTypeOf(x);
  return (caster){
      .c = c, .b = c->builder, .i8 = cg_type_like(shape, c->i8), .i16 = cg_type_like(shape, c->i16),
      .i32 = cg_type_like(shape, c->i32), .i64 = cg_type_like(shape, c->i64),
      .f32 = cg_type_like(shape, c->f32), .f64 = cg_type_like(shape, c->f64)};
}

static LLVMValueRef k32(const caster *s, uint32_t value) { return cg_const_like(s->i32, value); }
static LLVMValueRef and32(const caster *s, LLVMValueRef x, uint32_t mask) {
  return LLVMBuildAnd(s->b, x, k32(s, mask), "");
}
static LLVMValueRef add32(const caster *s, LLVMValueRef x, uint32_t y) {
  return LLVMBuildAdd(s->b, x, k32(s, y), "");
}
static LLVMValueRef shr32(const caster *s, LLVMValueRef x, int by) {
  return LLVMBuildLShr(s->b, x, k32(s, (uint32_t)by), "");
}
static LLVMValueRef shl32(const caster *s, LLVMValueRef x, int by) {
  return LLVMBuildShl(s->b, x, k32(s, (uint32_t)by), "");
}
static LLVMValueRef is32(const caster *s, LLVMIntPredicate predicate, LLVMValueRef x, uint32_t y) {
  return LLVMBuildICmp(s->b, predicate, x, k32(s, y), "");
}
static LLVMValueRef pick(const caster *s, LLVMValueRef condition, LLVMValueRef x, LLVMValueRef y) {
  return LLVMBuildSelect(s->b, condition, x, y, "");
}
static LLVMValueRef float_bits(const caster *s, LLVMValueRef x) {
  return LLVMBuildBitCast(s->b, x, s->i32, "");
}
static LLVMValueRef bits_float(const caster *s, LLVMValueRef x) {
  return LLVMBuildBitCast(s->b, x, s->f32, "");
}

// --- small floats to f32 -------------------------------------------------------------------------

static LLVMValueRef decode_e8m0(const caster *s, LLVMValueRef bits) {
  LLVMValueRef value = pick(s, is32(s, LLVMIntEQ, bits, 0), k32(s, 0x00400000),
                            shl32(s, bits, 23));
  return bits_float(s, pick(s, is32(s, LLVMIntEQ, bits, 0xFF), k32(s, 0x7FC00000), value));
}

// The exponent and mantissa, moved to those of f32, are the value up to a power of two: subnormals
// included.
static LLVMValueRef decode_small(const caster *s, const aicc_small_float *f, LLVMValueRef bits) {
  const int width = f->exponent_bits + f->mantissa_bits;
  const uint32_t sign_bit = 1u << width, all = sign_bit - 1;
  const uint32_t infinity = ((1u << f->exponent_bits) - 1) << f->mantissa_bits;
  LLVMValueRef magnitude = and32(s, bits, all);
  LLVMValueRef scaled = bits_float(s, shl32(s, magnitude, 23 - f->mantissa_bits));
  LLVMValueRef power = bits_float(s, k32(s, (uint32_t)(254 - f->bias) << 23));
  LLVMValueRef value = float_bits(s, LLVMBuildFMul(s->b, scaled, power, ""));
  if (f->has_inf) {
    value = pick(s, is32(s, LLVMIntEQ, magnitude, infinity), k32(s, 0x7F800000), value);
    value = pick(s, is32(s, LLVMIntUGT, magnitude, infinity), k32(s, 0x7FC00000), value);
  } else if (f->has_nan && !f->fnuz) {
    value = pick(s, is32(s, LLVMIntEQ, magnitude, all), k32(s, 0x7FC00000), value);
  }
  LLVMValueRef sign = shl32(s, and32(s, bits, sign_bit), 31 - width);
  value = LLVMBuildOr(s->b, value, sign, "");
  if (f->fnuz) {
    value = pick(s, is32(s, LLVMIntEQ, bits, sign_bit), k32(s, 0x7FC00000), value);
  }
  return bits_float(s, value);
}

static LLVMValueRef to_f32(const caster *s, LLVMValueRef x, aicc_dtype from) {
  if (from == AICC_F16) {
    LLVMTypeRef half = cg_type_like(LLVMTypeOf(x), LLVMHalfTypeInContext(s->c->context));
    return LLVMBuildFPExt(s->b, LLVMBuildBitCast(s->b, x, half, ""), s->f32, "");
  }
  LLVMValueRef bits = LLVMBuildZExt(s->b, x, s->i32, "");
  if (from == AICC_BF16) {
    return bits_float(s, shl32(s, bits, 16));
  }
  return from == AICC_F8E8M0 ? decode_e8m0(s, bits)
                             : decode_small(s, aicc_small_float_of(from), bits);
}

// --- f32 to small floats -------------------------------------------------------------------------

static LLVMValueRef encode_bf16(const caster *s, LLVMValueRef x) {
  LLVMValueRef bits = float_bits(s, x);
  LLVMValueRef odd = and32(s, shr32(s, bits, 16), 1);
  LLVMValueRef rounded = LLVMBuildAdd(s->b, add32(s, bits, 0x7FFF), odd, "");
  LLVMValueRef quiet = LLVMBuildOr(s->b, bits, k32(s, 0x400000), "");
  LLVMValueRef is_nan = LLVMBuildFCmp(s->b, LLVMRealUNO, x, x, "");
  return LLVMBuildTrunc(s->b, shr32(s, pick(s, is_nan, quiet, rounded), 16), s->i16, "");
}

// The next power of two that is not smaller.
static LLVMValueRef encode_e8m0(const caster *s, LLVMValueRef x, bool saturate) {
  LLVMValueRef bits = float_bits(s, x);
  LLVMValueRef normal = shr32(s, add32(s, bits, 0x7FFFFF), 23);
  LLVMValueRef tiny = LLVMBuildZExt(s->b, is32(s, LLVMIntUGT, bits, 0x400000), s->i32, "");
  LLVMValueRef biased = pick(s, is32(s, LLVMIntULT, bits, 0x800000), tiny, normal);
  biased = pick(s, is32(s, LLVMIntUGT, biased, 254), k32(s, saturate ? 254 : 255), biased);
  LLVMValueRef zero = cg_real_like(s->f32, 0);
  biased = pick(s, LLVMBuildFCmp(s->b, LLVMRealOEQ, x, zero, ""), k32(s, 0), biased);
  LLVMValueRef bad = LLVMBuildFCmp(s->b, LLVMRealULT, x, zero, "");  // negative or NaN
  return LLVMBuildTrunc(s->b, pick(s, bad, k32(s, 0xFF), biased), s->i8, "");
}

static LLVMValueRef encode_small(const caster *s, const aicc_small_float *f, LLVMValueRef x,
                                 bool saturate) {
  const int m = f->mantissa_bits, cut = 23 - m, width = f->exponent_bits + m;
  const uint32_t sign_bit = 1u << width, all = sign_bit - 1;
  const uint32_t infinity = ((1u << f->exponent_bits) - 1) << m;
  const uint32_t max = f->has_inf ? infinity - 1 : f->has_nan && !f->fnuz ? all - 1 : all;
  const uint32_t nan = f->fnuz ? sign_bit : f->has_inf ? infinity | 1u << (m - 1) : all;
  const uint32_t overflow = saturate || !f->has_nan ? max : f->has_inf ? infinity : nan;
  LLVMValueRef bits = float_bits(s, x), magnitude = and32(s, bits, 0x7FFFFFFF);
  // Normal: round the mantissa to nearest even, then move the exponent's bias.
  LLVMValueRef odd = and32(s, shr32(s, magnitude, cut), 1);
  LLVMValueRef rounded =
      LLVMBuildAdd(s->b, add32(s, magnitude, (1u << (cut - 1)) - 1), odd, "");
  LLVMValueRef normal = add32(s, shr32(s, rounded, cut), 0u - ((uint32_t)(127 - f->bias) << m));
  // Subnormal: adding this power of two leaves units of the last place in the low bits.
  const uint32_t magic = (uint32_t)(127 + cut + 1 - f->bias) << 23;
  LLVMValueRef sum =
      LLVMBuildFAdd(s->b, bits_float(s, magnitude), bits_float(s, k32(s, magic)), "");
  LLVMValueRef tiny = add32(s, float_bits(s, sum), 0u - magic);
  const uint32_t least_normal = (uint32_t)(128 - f->bias) << 23;
  LLVMValueRef value = pick(s, is32(s, LLVMIntULT, magnitude, least_normal), tiny, normal);
  value = pick(s, is32(s, LLVMIntUGT, value, max), k32(s, overflow), value);
  LLVMValueRef is_nan = is32(s, LLVMIntUGT, magnitude, 0x7F800000);
  value = pick(s, is_nan, k32(s, f->has_nan ? nan : 0), value);
  LLVMValueRef sign = and32(s, shr32(s, bits, 31 - width), sign_bit);
  LLVMValueRef with_sign = LLVMBuildOr(s->b, value, sign, "");
  if (!f->has_nan) {  // as ONNX's reference has it: -0
    with_sign = pick(s, is_nan, k32(s, sign_bit), with_sign);
  }
  if (f->fnuz) {  // no negative zero; the NaN stands in its place
    with_sign = pick(s, is32(s, LLVMIntEQ, value, 0), value, with_sign);
  }
  return LLVMBuildTrunc(s->b, with_sign, s->i8, "");
}

static LLVMValueRef from_f32(const caster *s, LLVMValueRef x, aicc_dtype to, bool saturate) {
  if (to == AICC_F16) {
    LLVMTypeRef half = cg_type_like(LLVMTypeOf(x), LLVMHalfTypeInContext(s->c->context));
    return LLVMBuildBitCast(s->b, LLVMBuildFPTrunc(s->b, x, half, ""), s->i16, "");
  }
  if (to == AICC_BF16) {
    return encode_bf16(s, x);
  }
  return to == AICC_F8E8M0 ? encode_e8m0(s, x, saturate)
                           : encode_small(s, aicc_small_float_of(to), x, saturate);
}

// f64 -> f32 rounded to odd: a second rounding, to f16, is then right.
static LLVMValueRef narrow_to_odd(const caster *s, LLVMValueRef x) {
  LLVMValueRef near = LLVMBuildFPTrunc(s->b, x, s->f32, "");
  LLVMValueRef back = LLVMBuildFPExt(s->b, near, s->f64, "");
  LLVMValueRef size = cg_call1(s->c, "llvm.fabs", x), other = cg_call1(s->c, "llvm.fabs", back);
  LLVMValueRef above = LLVMBuildFCmp(s->b, LLVMRealOGT, other, size, "");
  LLVMValueRef inexact = LLVMBuildFCmp(s->b, LLVMRealONE, other, size, "");
  LLVMValueRef bits = LLVMBuildSub(s->b, float_bits(s, near),
                                   LLVMBuildZExt(s->b, above, s->i32, ""), "");
  return bits_float(s, LLVMBuildOr(s->b, bits, LLVMBuildZExt(s->b, inexact, s->i32, ""), ""));
}

// --- integers ------------------------------------------------------------------------------------

static LLVMTypeRef int_type(const caster *s, aicc_dtype dtype) {
  switch (aicc_dtype_size(dtype)) {
    case 1: return s->i8;
    case 2: return s->i16;
    case 4: return s->i32;
    default: return s->i64;
  }
}

// Sub-byte integers: the low bits, extended in their byte.
static LLVMValueRef wrap_small(const caster *s, LLVMValueRef x, aicc_dtype to) {
  const unsigned bits = aicc_dtype_table[to].bits;
  if (bits >= 8) {
    return x;
  }
  LLVMValueRef by = cg_const_like(s->i8, 8 - bits), high = LLVMBuildShl(s->b, x, by, "");
  return aicc_dtype_kind_of(to) == AICC_KIND_SIGNED ? LLVMBuildAShr(s->b, high, by, "")
                                                    : LLVMBuildLShr(s->b, high, by, "");
}

static LLVMValueRef int_to_int(const caster *s, LLVMValueRef x, aicc_dtype from, aicc_dtype to) {
  const bool is_signed = aicc_dtype_kind_of(from) == AICC_KIND_SIGNED;
  LLVMValueRef resized = LLVMBuildIntCast2(s->b, x, int_type(s, to), is_signed, "");
  return wrap_small(s, resized, to);
}

// |x| < 2^bits ? integer : least integer
static LLVMValueRef float_to_signed(const caster *s, LLVMValueRef x, LLVMTypeRef type, int bits) {
  LLVMValueRef limit = cg_real_like(LLVMTypeOf(x), bits == 63 ? 0x1p63 : 0x1p31);
  LLVMValueRef fits =
      LLVMBuildFCmp(s->b, LLVMRealOLT, cg_call1(s->c, "llvm.fabs", x), limit, "");
  LLVMValueRef value = LLVMBuildFPToSI(s->b, x, type, "");
  return pick(s, fits, value, cg_const_like(type, UINT64_C(1) << bits));
}

static LLVMValueRef float_to_u64(const caster *s, LLVMValueRef x) {
  LLVMValueRef half = cg_real_like(LLVMTypeOf(x), 0x1p63);
  LLVMValueRef low = float_to_signed(s, x, s->i64, 63);
  LLVMValueRef high = float_to_signed(s, LLVMBuildFSub(s->b, x, half, ""), s->i64, 63);
  high = LLVMBuildXor(s->b, high, cg_const_like(s->i64, UINT64_C(1) << 63), "");
  return pick(s, LLVMBuildFCmp(s->b, LLVMRealOGE, x, half, ""), high, low);
}

static LLVMValueRef float_to_int(const caster *s, LLVMValueRef x, aicc_dtype to) {
  if (to == AICC_U64) {
    return float_to_u64(s, x);
  }
  const bool wide = to == AICC_I64 || to == AICC_U32;
  LLVMValueRef value = float_to_signed(s, x, wide ? s->i64 : s->i32, wide ? 63 : 31);
  return wrap_small(s, LLVMBuildIntCast2(s->b, value, int_type(s, to), true, ""), to);
}

// --- dispatch ------------------------------------------------------------------------------------

static bool is_plain_float(aicc_dtype t) { return t == AICC_F32 || t == AICC_F64; }

static LLVMValueRef cast_float(const caster *s, LLVMValueRef x, aicc_dtype from, aicc_dtype to,
                               bool saturate) {
  if (aicc_dtype_is_int(to)) {
    return float_to_int(s, x, to);
  }
  if (to == AICC_BOOL) {
    return LLVMBuildFCmp(s->b, LLVMRealUNE, x, cg_real_like(LLVMTypeOf(x), 0), "");
  }
  if (is_plain_float(to)) {
    return LLVMBuildFPCast(s->b, x, to == AICC_F32 ? s->f32 : s->f64, "");
  }
  if (from == AICC_F64) {
    x = to == AICC_F16 ? narrow_to_odd(s, x) : LLVMBuildFPTrunc(s->b, x, s->f32, "");
  }
  return from_f32(s, x, to, saturate);
}

static LLVMValueRef cast_int(const caster *s, LLVMValueRef x, aicc_dtype from, aicc_dtype to,
                             bool saturate) {
  if (aicc_dtype_is_int(to)) {
    return int_to_int(s, x, from, to);
  }
  if (to == AICC_BOOL) {
    return LLVMBuildICmp(s->b, LLVMIntNE, x, cg_const_like(LLVMTypeOf(x), 0), "");
  }
  LLVMTypeRef real = to == AICC_F64 ? s->f64 : s->f32;
  LLVMValueRef value = aicc_dtype_kind_of(from) == AICC_KIND_SIGNED
                           ? LLVMBuildSIToFP(s->b, x, real, "")
                           : LLVMBuildUIToFP(s->b, x, real, "");
  return is_plain_float(to) ? value : from_f32(s, value, to, saturate);
}

LLVMValueRef cg_cast(cg_kernel *k, LLVMValueRef x, aicc_dtype from, aicc_dtype to,
                     bool saturate) {
  const caster s = make_caster(k, x);
  const aicc_dtype_kind from_kind = aicc_dtype_kind_of(from), to_kind = aicc_dtype_kind_of(to);
  if (from_kind > AICC_KIND_FLOAT8 || to_kind > AICC_KIND_FLOAT8) {
    cg_fail(k->c, k->kernel, "cast from %s to %s", aicc_dtype_name(from), aicc_dtype_name(to));
    return x;
  }
  if (from == to) {
    return x;
  }
  if (from_kind == AICC_KIND_FLOAT8 || from == AICC_F16 || from == AICC_BF16) {
    return to == AICC_F32 ? to_f32(&s, x, from)
                          : cast_float(&s, to_f32(&s, x, from), AICC_F32, to, saturate);
  }
  return is_plain_float(from) ? cast_float(&s, x, from, to, saturate)
                              : cast_int(&s, x, from, to, saturate);
}
