// Passes: one .c file each, named in passes.def, run by the manager in pass.c.
#ifndef AICC_PASSES_PASS_H
#define AICC_PASSES_PASS_H

#include "ir/graph.h"
#include "ir/machine.h"

typedef struct aicc_pass_context {
  aicc_module *module;
  aicc_arena *scratch;          // freed after the pass
  aicc_diags *diags;
  const aicc_machine *machine;  // the first target's
  FILE *report;                 // --opt-report: what was done and what not, and why; NULL: off
} aicc_pass_context;

aicc_status aicc_pass_fuse(aicc_pass_context *pass);
aicc_status aicc_pass_layout(aicc_pass_context *pass);

#endif
