// The matrix instructions that kernel IR has, and how their operands lie in a warp's registers.
// Constant tables; thread-safe.
#ifndef AICC_IR_KIR_MMA_H
#define AICC_IR_KIR_MMA_H

#include "ir/dtype.h"

typedef enum kir_mma_kind {
#define KIR_MMA(name, mnemonic, m, n, k, a, b, d, per, ra, rb, rd) KIR_MMA_##name,
#include "ir/kir_mma.def"
#undef KIR_MMA
  KIR_MMA_COUNT
} kir_mma_kind;

typedef struct kir_mma_info {
  const char *mnemonic;
  int m, n, k;
  aicc_dtype a, b, d;
  int per_register;                        // elements of A and B in a 32-bit register
  int a_registers, b_registers, d_registers;  // per lane; of D: elements
} kir_mma_info;

extern const kir_mma_info kir_mma_infos[KIR_MMA_COUNT];

// Where element |e| of register |r| of |lane| stands in the operand (kir_mma.def).
typedef struct kir_mma_place {
  int row, column;  // of A: m, k; of B: k, n; of D: m, n
} kir_mma_place;
kir_mma_place kir_mma_place_a(kir_mma_kind kind, int lane, int r, int e);
kir_mma_place kir_mma_place_b(kir_mma_kind kind, int lane, int r, int e);
kir_mma_place kir_mma_place_d(kir_mma_kind kind, int lane, int i);

#endif
