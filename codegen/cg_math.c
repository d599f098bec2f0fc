#include "codegen/cg_math.h"

#include "codegen/cg_fp.h"

const cg_math_info cg_math_table[CG_MATH_COUNT] = {
#define CG_MATH_OP(name, arity, ulp_f32, ulp_f64) {#name, arity, ulp_f32, ulp_f64},
#include "codegen/math_ops.def"
#undef CG_MATH_OP
};

typedef fp_val emit_fn(const cg_fp *f, const fp_val *args);

static emit_fn *const emitters[CG_MATH_COUNT] = {
#define CG_MATH_OP(name, arity, ulp_f32, ulp_f64) cg_math_##name,
#include "codegen/math_ops.def"
#undef CG_MATH_OP
};

LLVMValueRef cg_math_emit(const cg_math *math, cg_math_fn fn, const LLVMValueRef *args) {
  const cg_fp f = cg_fp_make(math, LLVMTypeOf(args[0]));
  return emitters[fn](&f, args);
}

fp_val cg_math_rsqrt(const cg_fp *f, const fp_val *args) {
  return fp_div(f, fp_k(f, 1), fp_sqrt(f, args[0]));
}
