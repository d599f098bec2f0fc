// Sums of four products of bytes on x86.
//
// Where the machine has it, one instruction (vpdpbusd). Elsewhere the bytes of a word are widened
// to two vectors of 16-bit pairs, (0, 2) and (1, 3), whose products are added in pairs (vpmaddwd):
// exact, unlike vpmaddubsw, which saturates.
#include <stdio.h>
#include <string.h>

#include "codegen/cg.h"

// A call of |name| with vectors of whatever elements it takes: i32 has one bit pattern.
static LLVMValueRef call(cg_kernel *k, const char *name, const LLVMValueRef *args, unsigned count) {
  cg *c = k->c;
  const unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
  AICC_ASSERT(id != 0);
  LLVMTypeRef type = LLVMIntrinsicGetType(c->context, id, NULL, 0), types[3];
  AICC_ASSERT(LLVMCountParamTypes(type) == count && count <= 3);
  LLVMGetParamTypes(type, types);
  LLVMValueRef cast[3];
  for (unsigned i = 0; i < count; i++) {
    cast[i] = LLVMBuildBitCast(c->builder, args[i], types[i], "");
  }
  return cg_intrinsic(c, name, NULL, 0, cast, count);
}

static LLVMTypeRef halves_type(cg_kernel *k) {
  return LLVMVectorType(k->c->i16, 2 * (unsigned)k->lanes);
}

// Bytes 0 and 2 (|odd|: 1 and 3) of each word as 16-bit numbers.
static LLVMValueRef halves(cg_kernel *k, LLVMValueRef word, bool odd, bool is_signed) {
  LLVMBuilderRef b = k->c->builder;
  LLVMTypeRef type = halves_type(k);
  LLVMValueRef wide = LLVMBuildBitCast(b, word, type, ""), eight = cg_const_like(type, 8);
  if (!odd && !is_signed) {
    return LLVMBuildAnd(b, wide, cg_const_like(type, 255), "");
  }
  wide = odd ? wide : LLVMBuildShl(b, wide, eight, "");
  return is_signed ? LLVMBuildAShr(b, wide, eight, "") : LLVMBuildLShr(b, wide, eight, "");
}

static LLVMValueRef by_halves(cg_kernel *k, const LLVMValueRef *args) {
  const char *name = k->lanes == 16  ? "llvm.x86.avx512.pmaddw.d.512"
                     : k->lanes == 8 ? "llvm.x86.avx2.pmadd.wd"
                                     : "llvm.x86.sse2.pmadd.wd";
  LLVMValueRef sum = args[2];
  for (int odd = 0; odd < 2; odd++) {
    LLVMValueRef pair[] = {halves(k, args[0], odd, false), halves(k, args[1], odd, true)};
    sum = LLVMBuildAdd(k->c->builder, sum, call(k, name, pair, 2), "");
  }
  return sum;
}

void cg_emit_dot4(cg_kernel *k, const kir_inst *inst) {
  cg *c = k->c;
  if (c->target->family != CG_FAMILY_X86) {
    cg_fail(c, k->kernel, "sums of products of bytes in words are for CPUs");
    return;
  }
  LLVMValueRef args[3];
  for (int i = 0; i < 3; i++) {
    args[i] = cg_use_as(k, inst->args[i], true);
  }
  LLVMValueRef sums;
  if (c->target->machine.dot4) {
    char name[48];
    snprintf(name, sizeof name, "llvm.x86.avx512.vpdpbusd.%d", k->lanes * 32);
    LLVMValueRef ordered[] = {args[2], args[0], args[1]};
    sums = call(k, name, ordered, 3);
  } else {
    sums = by_halves(k, args);
  }
  const bool varying = cg_is_varying(k, inst->result);
  cg_set_value(k, inst->result,
               varying ? sums : LLVMBuildExtractElement(c->builder, sums, cg_int(c, 0), ""));
}
