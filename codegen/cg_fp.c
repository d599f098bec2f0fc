#include "codegen/cg_fp.h"

#include <string.h>

#define CG_LIST(...) {__VA_ARGS__}
#define CG_TABLE(name, f32, f64)                \
  static const double coefs_f32_##name[] = f32; \
  static const double coefs_f64_##name[] = f64;
#include "codegen/cg_math_tables.def"
#undef CG_TABLE

static const cg_poly polys[CG_POLY_COUNT] = {
#define CG_TABLE(name, f32, f64)                                         \
  {coefs_f32_##name, coefs_f64_##name,                                   \
   (int)(sizeof(coefs_f32_##name) / sizeof(double)),                     \
   (int)(sizeof(coefs_f64_##name) / sizeof(double))},
#include "codegen/cg_math_tables.def"
#undef CG_TABLE
};

cg_fp cg_fp_make(const cg_math *math, LLVMTypeRef type) {
  const bool vector = LLVMGetTypeKind(type) == LLVMVectorTypeKind;
  LLVMTypeRef element = vector ? LLVMGetElementType(type) : type;
  const bool wide = LLVMGetTypeKind(element) == LLVMDoubleTypeKind;
  LLVMTypeRef integer = LLVMIntTypeInContext(math->context, wide ? 64 : 32);
  const unsigned lanes = vector ? LLVMGetVectorSize(type) : 0;
  return (cg_fp){
      .module = math->module,
      .builder = math->builder,
      .type = type,
      .itype = vector ? LLVMVectorType(integer, lanes) : integer,
      .lanes = lanes,
      .wide = wide,
      .mantissa = wide ? 52 : 23,
      .bias = wide ? 1023 : 127,
  };
}

// |element| in every lane. Widths are small, so the array of copies is doubled up in place.
static fp_val splat(const cg_fp *f, LLVMValueRef element) {
  if (f->lanes == 0) {
    return element;
  }
  LLVMValueRef copies[64];
  const unsigned limit = sizeof(copies) / sizeof(copies[0]);
  for (unsigned i = 0; i < f->lanes && i < limit; i++) {
    copies[i] = element;
  }
  if (f->lanes <= limit) {
    return LLVMConstVector(copies, f->lanes);
  }
  // Wider than any register file: build it by a shuffle of one lane, which folds to a splat.
  LLVMValueRef one = LLVMConstVector(copies, 1);
  LLVMTypeRef i32 = LLVMInt32TypeInContext(LLVMGetTypeContext(f->type));
  return LLVMBuildShuffleVector(f->builder, one, LLVMGetPoison(LLVMTypeOf(one)),
                                LLVMConstNull(LLVMVectorType(i32, f->lanes)), "");
}

static LLVMTypeRef element_type(const cg_fp *f) {
  return f->lanes ? LLVMGetElementType(f->type) : f->type;
}

fp_val fp_k(const cg_fp *f, double value) {
  return splat(f, LLVMConstReal(element_type(f), value));
}

fp_val fp_k2(const cg_fp *f, double f32, double f64) { return fp_k(f, f->wide ? f64 : f32); }

fp_val fp_hi(const cg_fp *f, cg_const c) { return fp_k(f, f->wide ? c.hi : (double)(float)c.hi); }

fp_val fp_lo(const cg_fp *f, cg_const c) {
  return fp_k(f, f->wide ? c.lo : c.hi - (double)(float)c.hi);
}

fp_val fp_inf(const cg_fp *f) {
  return fp_from_bits(f, fp_ik(f, f->wide ? 0x7ff0000000000000u : 0x7f800000u));
}

fp_val fp_nan(const cg_fp *f) {
  return fp_from_bits(f, fp_ik(f, f->wide ? 0x7ff8000000000000u : 0x7fc00000u));
}

fp_val fp_add(const cg_fp *f, fp_val a, fp_val b) { return LLVMBuildFAdd(f->builder, a, b, ""); }
fp_val fp_sub(const cg_fp *f, fp_val a, fp_val b) { return LLVMBuildFSub(f->builder, a, b, ""); }
fp_val fp_mul(const cg_fp *f, fp_val a, fp_val b) { return LLVMBuildFMul(f->builder, a, b, ""); }
fp_val fp_div(const cg_fp *f, fp_val a, fp_val b) { return LLVMBuildFDiv(f->builder, a, b, ""); }
fp_val fp_neg(const cg_fp *f, fp_val a) { return LLVMBuildFNeg(f->builder, a, ""); }

static fp_val intrinsic(const cg_fp *f, const char *name, LLVMTypeRef type, fp_val *args,
                        unsigned count) {
  const unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  LLVMValueRef callee = LLVMGetIntrinsicDeclaration(f->module, id, &type, 1);
  return LLVMBuildCall2(f->builder, LLVMGlobalGetValueType(callee), callee, args, count, "");
}

fp_val fp_fma(const cg_fp *f, fp_val a, fp_val b, fp_val c) {
  return intrinsic(f, "llvm.fma", f->type, (fp_val[]){a, b, c}, 3);
}
fp_val fp_abs(const cg_fp *f, fp_val a) { return intrinsic(f, "llvm.fabs", f->type, &a, 1); }
fp_val fp_sqrt(const cg_fp *f, fp_val a) { return intrinsic(f, "llvm.sqrt", f->type, &a, 1); }
fp_val fp_rint(const cg_fp *f, fp_val a) { return intrinsic(f, "llvm.roundeven", f->type, &a, 1); }
fp_val fp_copysign(const cg_fp *f, fp_val magnitude, fp_val sign) {
  return intrinsic(f, "llvm.copysign", f->type, (fp_val[]){magnitude, sign}, 2);
}
fp_val fp_fshl(const cg_fp *f, fp_val high, fp_val low, fp_val count) {
  return intrinsic(f, "llvm.fshl", f->itype, (fp_val[]){high, low, count}, 3);
}

fp_val fp_poly(const cg_fp *f, cg_poly_id id, fp_val x) {
  const cg_poly *poly = &polys[id];
  const double *coefs = f->wide ? poly->f64 : poly->f32;
  int k = (f->wide ? poly->f64_count : poly->f32_count) - 1;
  fp_val sum = fp_k(f, coefs[k]);
  while (k-- > 0) {
    sum = fp_fma(f, sum, x, fp_k(f, coefs[k]));
  }
  return sum;
}

static fp_val compare(const cg_fp *f, LLVMRealPredicate predicate, fp_val a, fp_val b) {
  return LLVMBuildFCmp(f->builder, predicate, a, b, "");
}
fp_val fp_lt(const cg_fp *f, fp_val a, fp_val b) { return compare(f, LLVMRealOLT, a, b); }
fp_val fp_gt(const cg_fp *f, fp_val a, fp_val b) { return compare(f, LLVMRealOGT, a, b); }
fp_val fp_eq(const cg_fp *f, fp_val a, fp_val b) { return compare(f, LLVMRealOEQ, a, b); }
fp_val fp_and(const cg_fp *f, fp_val a, fp_val b) { return LLVMBuildAnd(f->builder, a, b, ""); }
fp_val fp_or(const cg_fp *f, fp_val a, fp_val b) { return LLVMBuildOr(f->builder, a, b, ""); }
fp_val fp_not(const cg_fp *f, fp_val a) { return LLVMBuildNot(f->builder, a, ""); }
fp_val fp_sel(const cg_fp *f, fp_val condition, fp_val a, fp_val b) {
  return LLVMBuildSelect(f->builder, condition, a, b, "");
}

// Written so that x86's min and max, which return the second operand for a NaN, do it in one.
fp_val fp_at_most(const cg_fp *f, fp_val a, fp_val limit) {
  return fp_sel(f, fp_lt(f, limit, a), limit, a);
}
fp_val fp_at_least(const cg_fp *f, fp_val a, fp_val limit) {
  return fp_sel(f, fp_gt(f, limit, a), limit, a);
}

fp_val fp_bits(const cg_fp *f, fp_val a) { return LLVMBuildBitCast(f->builder, a, f->itype, ""); }
fp_val fp_from_bits(const cg_fp *f, fp_val bits) {
  return LLVMBuildBitCast(f->builder, bits, f->type, "");
}
fp_val fp_ik(const cg_fp *f, uint64_t value) {
  LLVMTypeRef element = f->lanes ? LLVMGetElementType(f->itype) : f->itype;
  return splat(f, LLVMConstInt(element, f->wide ? value : value & UINT32_MAX, 0));
}
fp_val fp_iadd(const cg_fp *f, fp_val a, fp_val b) { return LLVMBuildAdd(f->builder, a, b, ""); }
fp_val fp_isub(const cg_fp *f, fp_val a, fp_val b) { return LLVMBuildSub(f->builder, a, b, ""); }
fp_val fp_iand(const cg_fp *f, fp_val a, fp_val b) { return LLVMBuildAnd(f->builder, a, b, ""); }
fp_val fp_ixor(const cg_fp *f, fp_val a, fp_val b) { return LLVMBuildXor(f->builder, a, b, ""); }
fp_val fp_shl(const cg_fp *f, fp_val a, int bits) {
  return LLVMBuildShl(f->builder, a, fp_ik(f, (uint64_t)bits), "");
}
fp_val fp_lshr(const cg_fp *f, fp_val a, int bits) {
  return LLVMBuildLShr(f->builder, a, fp_ik(f, (uint64_t)bits), "");
}
fp_val fp_ashr(const cg_fp *f, fp_val a, int bits) {
  return LLVMBuildAShr(f->builder, a, fp_ik(f, (uint64_t)bits), "");
}
fp_val fp_ilt(const cg_fp *f, fp_val a, fp_val b) {
  return LLVMBuildICmp(f->builder, LLVMIntSLT, a, b, "");
}
fp_val fp_ieq(const cg_fp *f, fp_val a, fp_val b) {
  return LLVMBuildICmp(f->builder, LLVMIntEQ, a, b, "");
}

fp_val fp_from_int(const cg_fp *f, fp_val a) {
  if (!f->wide) {
    return LLVMBuildSIToFP(f->builder, a, f->type, "");
  }
  // AVX2 has no conversion from 64-bit integers: add to the bits of a large number instead.
  fp_val magic = fp_k(f, 0x1.8p52);
  return fp_sub(f, fp_from_bits(f, fp_iadd(f, fp_bits(f, magic), a)), magic);
}

fp_rounded fp_round_scaled(const cg_fp *f, fp_val x, fp_val scale, int low_bits) {
  fp_val magic = fp_k(f, (f->wide ? 0x1.8p52 : 0x1.8p23) + low_bits);
  fp_val sum = fp_fma(f, x, scale, magic);
  return (fp_rounded){.n = fp_sub(f, sum, magic), .bits = fp_bits(f, sum)};
}
