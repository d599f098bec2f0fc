// Code generation: a plan -> a finished model file.
//
// Kernels are compiled in worker processes, linked by ld.lld, the weights appended, and the file
// renamed into place: a failed compile leaves nothing behind. Equal inputs give equal bytes,
// whatever the number of processes. Thread-compatible; the caller has no other threads (workers are
// forked).
//
// A model may hold code for several machines: one plan for all that passes and lowering cannot tell
// apart, constants that plans store alike once (also where each graph computed them), host code for
// each plan, and images of each GPU target.
#ifndef AICC_CODEGEN_CODEGEN_H
#define AICC_CODEGEN_CODEGEN_H

#include <stdio.h>

#include "codegen/target.h"
#include "ir/plan.h"

// A GPU target, and the plan lowered for its machine or for one that lowering cannot tell from it.
// NVIDIA targets of one plan share one PTX, that of the least of them, which the driver of any
// newer GPU takes, and get a cubin each where ptxas is installed.
typedef struct aicc_codegen_gpu {
  const cg_target *target;
  const aicc_plan *plan;
  bool portable_only;  // NVIDIA: PTX for newer GPUs, and no cubin
  uint32_t *registers;  // NULL, or for each kernel of |plan|: set to a thread's where ptxas ran
} aicc_codegen_gpu;

typedef struct aicc_codegen_options {
  const cg_target *target;   // a CPU: the plan was lowered for its machine
  const aicc_codegen_gpu *gpus;
  size_t gpu_count;
  bool host_only;            // no kernels for the CPU, just host code: the plan is that of a GPU
  const char *path;          // "model.so"
  const char *weights_path;  // a file of their own, in the same folder; NULL: within the model
  const char *dump_dir;      // writes NAME.kir, NAME.ll and NAME.s of each kernel there, or, where
                             // there are GPUs, NAME.TARGET.kir and so on; NULL: no
  unsigned processes;        // 0: one per CPU
  int opt_level;             // 0..3, of LLVM's code generator
  bool unhashed;             // leaves out the hash of the weights
  FILE *report;              // says there what images of GPUs the file holds; NULL: nowhere
} aicc_codegen_options;

// E05xx, E06xx; AICC_UNSUPPORTED where a kernel cannot be expressed on the target.
AICC_MUST_USE aicc_status aicc_codegen(const aicc_plan *plan, const aicc_codegen_options *options,
                                       aicc_diags *diags);

#endif
