// What passes and lowering may know of a target: plain data.
#ifndef AICC_IR_MACHINE_H
#define AICC_IR_MACHINE_H

#include "ir/kir_mma.h"
#include "ir/status.h"

typedef enum aicc_machine_class { AICC_MACHINE_CPU, AICC_MACHINE_GPU } aicc_machine_class;

typedef struct aicc_machine {
  const char *name;        // "x86-64-v4", "sm_80", "gfx942"
  aicc_machine_class kind;
  int width;               // lanes of a warp: f32 per vector register (CPU), threads (GPU)
  int registers;           // vector registers (CPU), 32-bit registers a thread (GPU)
  int64_t l1_bytes, l2_bytes;  // per core
  bool dot4;               // CPUs: one instruction sums four products of bytes, else it takes six
  double flops_per_ns;     // of one core, f32: for cost estimates
  double bytes_per_ns;     // of one core from memory
  // GPUs alone. Machines that agree in everything that passes and lowering read share a plan.
  int64_t shared_bytes;    // of shared memory that one task may use
  int warps_max;           // warps of one task, at most
  bool async_copy;         // copies global memory to shared memory while it computes (copy_async)
  uint32_t mma;            // 1u << kir_mma for each matrix instruction that it has
} aicc_machine;

// Whether passes and lowering cannot tell them apart: then one graph and one plan serve both.
static inline bool aicc_machine_alike(const aicc_machine *a, const aicc_machine *b) {
  return a->kind == b->kind && a->width == b->width && a->registers == b->registers &&
         a->dot4 == b->dot4 && a->shared_bytes == b->shared_bytes &&
         a->warps_max == b->warps_max && a->async_copy == b->async_copy && a->mma == b->mma;
}

// Whether products of bytes are faster than those of floats: of signed and unsigned ones, any with
// any, or on CPUs of unsigned ones with constants that are signed.
static inline bool aicc_machine_multiplies_bytes(const aicc_machine *machine) {
  const uint32_t all =
      1u << KIR_MMA_S8 | 1u << KIR_MMA_U8 | 1u << KIR_MMA_S8U8 | 1u << KIR_MMA_U8S8;
  return machine->kind == AICC_MACHINE_CPU || (machine->mma & all) == all;
}

#endif
