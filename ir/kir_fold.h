// Folding of single kernel IR scalar instructions, for the builder and the emitter's unrolling.
#ifndef AICC_IR_KIR_FOLD_H
#define AICC_IR_KIR_FOLD_H

#include "ir/kir.h"

// Bits of |v| where it is a constant.
bool kir_const_bits_of(const kir_kernel *kernel, kir_val v, uint64_t *bits);

// The value of |op| over constants: |bits| are operands in memory layout of |dtype| (SELECT: of
// args 1 and 2; the condition is a bool), |result| that of the result. False: not folded.
bool kir_fold_bits(aicc_op op, aicc_dtype dtype, const uint64_t *bits, int count,
                   aicc_dtype result, uint64_t *out);

// The same for an instruction with constant operands.
bool kir_fold(const kir_kernel *kernel, const kir_inst *inst, aicc_dtype result, uint64_t *out);

// The operand a SCALAR instruction always equals (x + 0, x * 1, select(true, x, y)); 0: none.
kir_val kir_simplify(const kir_kernel *kernel, const kir_inst *inst);
// Whether it is zero whatever its operands are (integer x * 0, x - x, x % 1).
bool kir_is_zero(const kir_kernel *kernel, const kir_inst *inst);

#endif
