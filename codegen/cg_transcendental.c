// Which operators are functions of the math library.
#include "codegen/cg.h"
#include "codegen/cg_math.h"

static bool math_function(aicc_op op, cg_math_fn *fn) {
  switch (op) {
    case AICC_OP_EXP: *fn = CG_MATH_exp; return true;
    case AICC_OP_EXPM1: *fn = CG_MATH_expm1; return true;
    case AICC_OP_LOG: *fn = CG_MATH_log; return true;
    case AICC_OP_LOG1P: *fn = CG_MATH_log1p; return true;
    case AICC_OP_SIN: *fn = CG_MATH_sin; return true;
    case AICC_OP_COS: *fn = CG_MATH_cos; return true;
    case AICC_OP_TAN: *fn = CG_MATH_tan; return true;
    case AICC_OP_ASIN: *fn = CG_MATH_asin; return true;
    case AICC_OP_ACOS: *fn = CG_MATH_acos; return true;
    case AICC_OP_ATAN: *fn = CG_MATH_atan; return true;
    case AICC_OP_SINH: *fn = CG_MATH_sinh; return true;
    case AICC_OP_COSH: *fn = CG_MATH_cosh; return true;
    case AICC_OP_TANH: *fn = CG_MATH_tanh; return true;
    case AICC_OP_ASINH: *fn = CG_MATH_asinh; return true;
    case AICC_OP_ACOSH: *fn = CG_MATH_acosh; return true;
    case AICC_OP_ATANH: *fn = CG_MATH_atanh; return true;
    case AICC_OP_ERF: *fn = CG_MATH_erf; return true;
    case AICC_OP_SIGMOID: *fn = CG_MATH_sigmoid; return true;
    case AICC_OP_RSQRT: *fn = CG_MATH_rsqrt; return true;
    case AICC_OP_POW: *fn = CG_MATH_pow; return true;
    case AICC_OP_ATAN2: *fn = CG_MATH_atan2; return true;
    default: return false;
  }
}

LLVMValueRef cg_transcendental(cg_kernel *k, aicc_op op, LLVMValueRef x, LLVMValueRef y) {
  cg_math_fn fn;
  if (!math_function(op, &fn)) {
    return NULL;
  }
  const cg_math math = {
      .context = k->c->context, .module = k->c->module, .builder = k->c->builder};
  const LLVMValueRef args[] = {x, y};
  return cg_math_emit(&math, fn, args);
}
