// Targets: everything that names an instruction set, as rows of data.
//
// Layer codegen. Constant tables; thread-safe.
#ifndef AICC_CODEGEN_TARGET_H
#define AICC_CODEGEN_TARGET_H

#include "ir/machine.h"

typedef enum cg_family { CG_FAMILY_X86, CG_FAMILY_NVPTX, CG_FAMILY_AMDGPU } cg_family;

typedef struct cg_target {
  aicc_machine machine;          // name, lanes and figures that passes may know
  cg_family family;
  const char *triple, *cpu, *features;  // as LLVM has them
  const char *const *needs;      // CPU features the code needs, in abi.h's words; ends with NULL
} cg_target;

// The target called |name|; "native" and "cpu" are the best one this machine runs. NULL: unknown,
// or this machine runs none.
const cg_target *cg_target_find(const char *name);
// Whether this machine runs code for the CPU |target|.
bool cg_target_runs_here(const cg_target *target);
// Row |index|, in order of the table; NULL beyond the end.
const cg_target *cg_target_at(size_t index);
// The target whose PTX newer GPUs run as well: |target| itself, but of "sm_90a" and its like, which
// run on no other GPU, the plain "sm_90".
const cg_target *cg_target_portable(const cg_target *target);

#endif
