// Math functions as LLVM IR: aicc's own polynomials, the same on every target.
//
// Layer codegen. Emits straight-line code (no calls, no branches, no memory) from fma, add,
// multiply, divide, sqrt, fabs, copysign, compares, selects and integer operations, so the same
// code vectorises on a CPU and selects on NVPTX and AMDGPU, where LLVM's own exp, log, ... do not
// lower. Relies on IEEE arithmetic: the emitted instructions carry no fast-math flags, and none may
// be added to them.
//
// Special values follow C's Annex F (pow: 0^0 = 1, a negative base with an integer exponent, ...).
// Subnormal inputs and results are right where the target keeps subnormals. Errors: math_ops.def,
// measured by tests/math and listed in docs/math.md. f64 sin, cos and tan give NaN from |x| = 2^45
// on; f32 ones are right for every finite argument.
#ifndef AICC_CODEGEN_CG_MATH_H
#define AICC_CODEGEN_CG_MATH_H

#include <llvm-c/Core.h>

typedef enum cg_math_fn {
#define CG_MATH_OP(name, arity, ulp_f32, ulp_f64) CG_MATH_##name,
#include "codegen/math_ops.def"
#undef CG_MATH_OP
  CG_MATH_COUNT
} cg_math_fn;

typedef struct cg_math_info {
  const char *name;
  int arity;
  double ulp_f32, ulp_f64;  // bounds of the error
} cg_math_info;

extern const cg_math_info cg_math_table[CG_MATH_COUNT];

// Where to emit: |builder| stands in a function of |module|. All borrowed. Thread-compatible, as
// LLVM's contexts are.
typedef struct cg_math {
  LLVMContextRef context;
  LLVMModuleRef module;
  LLVMBuilderRef builder;
} cg_math;

// The value of |fn| at |args| (as many as its arity, all of one type: float, double, or a fixed
// vector of them), of that same type. 16-bit floats are widened to f32 by the caller. Cannot fail.
LLVMValueRef cg_math_emit(const cg_math *math, cg_math_fn fn, const LLVMValueRef *args);

#endif
