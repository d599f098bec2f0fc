// What each math function should give: the C library's double and long double functions, through
// glibc's vector library where this machine has it.
#ifndef AICC_TESTS_MATH_REFERENCE_H
#define AICC_TESTS_MATH_REFERENCE_H

#include <stdint.h>

#include "math/math_jit.h"

enum { MATH_CHUNK = 4096 };  // elements handled at a time, a multiple of every lane count

typedef struct math_reference {
  cg_math_fn fn;
  math_loop *vector, *vector_cos;  // over floats / over doubles; NULL: scalar
  math_jit *jits[2];
} math_reference;

// Never fails: without the vector library it is only slower.
math_reference math_reference_make(cg_math_fn fn);
void math_reference_free(math_reference *reference);

// out[i] = fn(a[i], b[i]) for |count| <= MATH_CHUNK floats (a multiple of 16).
void math_reference_run(const math_reference *reference, const float *a, const float *b,
                        double *out, int64_t count);
// One value each, in the widest precision at hand.
double math_reference_f64(cg_math_fn fn, double a, double b);
long double math_reference_long(cg_math_fn fn, long double a, long double b);

#endif
