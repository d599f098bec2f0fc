// Compiles one math function into a loop over arrays and hands out its address.
#ifndef AICC_TESTS_MATH_JIT_H
#define AICC_TESTS_MATH_JIT_H

#include <stdint.h>

#include "codegen/cg_math.h"

typedef struct math_jit math_jit;

// out[i] = fn(a[i], b[i]) for i < count; |count| is a multiple of the lanes. b is ignored by unary
// functions. Elements are float or double.
typedef void math_loop(const void *a, const void *b, void *out, int64_t count);

// A loop over |lanes| elements at a time (0: scalar code) for this machine. NULL with a message on
// stderr where LLVM refuses. |bits| is 32 or 64.
math_jit *math_jit_make(cg_math_fn fn, int bits, unsigned lanes, math_loop **out);
// The same for out[i] = callee((double)a[i]), callee a vector function of |lanes| doubles in the
// vector calling convention of C: what glibc's libmvec holds. a: float or double by |bits|.
math_jit *math_jit_make_call(void *callee, int bits, unsigned lanes, math_loop **out);
void math_jit_free(math_jit *jit);

#endif
