// Scalar semantics of the elementwise operators, on doubles and on integers of every width.
//
// The graph interpreter, the kernel interpreter and the constant folder all compute with these, so
// that there is one oracle. f32 results computed in double and rounded once equal f32 arithmetic
// for + - * / sqrt; the transcendental ones are those of the C library. Thread-safe.
#ifndef AICC_IR_SCALAR_H
#define AICC_IR_SCALAR_H

#include "ir/graph.h"

typedef double (*aicc_scalar_f64_fn)(double a, double b);
// |t| is the type of the operands: signedness and width. u64 travels as its bit pattern.
typedef int64_t (*aicc_scalar_i64_fn)(int64_t a, int64_t b, aicc_dtype t);

typedef struct aicc_scalar_info {
  aicc_scalar_f64_fn f64;  // NULL: not defined on floats
  aicc_scalar_i64_fn i64;  // NULL: not defined on integers; its result is not wrapped yet
} aicc_scalar_info;

// The functions of an operator; both NULL for those without a row (cast, select, ...).
const aicc_scalar_info *aicc_scalar_of(aicc_op op);

// One evaluation; the operator must be defined on the domain. Comparisons give 1 or 0, else integer
// results are wrapped to |t|.
double aicc_scalar_f64(aicc_op op, double a, double b);
int64_t aicc_scalar_i64(aicc_op op, aicc_dtype t, int64_t a, int64_t b);

// |value| modulo 2^bits of integer type or bool |t|, sign- or zero-extended; bool: value != 0.
int64_t aicc_scalar_wrap(int64_t value, aicc_dtype t);
// ONNX Cast of a float to an integer type (or bool): toward zero. Out of range, which the standard
// leaves open, as x86 does it and with it ONNX Runtime and NumPy: types up to 32 bits go through
// i32 (u32: i64), whose invalid result is its least value, and are wrapped.
int64_t aicc_scalar_to_int(double value, aicc_dtype t);
// An integer of type |t| as a double; u64 patterns are read as unsigned.
double aicc_scalar_from_int(int64_t value, aicc_dtype t);

// Element |index| of random stream |seed|: uniform in [0, 1) with 24 bits, the same on every
// target.
double aicc_scalar_uniform(int64_t seed, uint64_t index);
// Standard normal, by Box and Muller from elements 2 * index and 2 * index + 1.
double aicc_scalar_normal(int64_t seed, uint64_t index);

#endif
