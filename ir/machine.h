// What passes and lowering may know of a target: plain data.
#ifndef AICC_IR_MACHINE_H
#define AICC_IR_MACHINE_H

#include "ir/status.h"

typedef enum aicc_machine_class { AICC_MACHINE_CPU, AICC_MACHINE_GPU } aicc_machine_class;

typedef struct aicc_machine {
  const char *name;        // "x86-64-v4", "sm_80", "gfx942"
  aicc_machine_class kind;
  int width;               // lanes of a warp: f32 per vector register (CPU), threads (GPU)
  int registers;           // vector registers (CPU), 32-bit registers a thread (GPU)
  int64_t l1_bytes, l2_bytes;  // per core
  double flops_per_ns;     // of one core, f32: for cost estimates
  double bytes_per_ns;     // of one core from memory
} aicc_machine;

#endif
