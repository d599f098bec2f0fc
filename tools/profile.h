// Where the time of runs went: per kernel and per ONNX node, adding up to the whole.
//
// A kernel's time is shared equally among the ONNX nodes it computes. What is not spent in kernels
// (shape arithmetic, control flow, the runtime, and waiting between kernels) is the row "(host)".
#ifndef AICC_TOOLS_PROFILE_H
#define AICC_TOOLS_PROFILE_H

#include <stdio.h>

#include "aicc/runtime.h"
#include "ir/arena.h"

typedef struct aicc_profile_row {
  const char *name;  // kernel or node
  const char *kind;  // kernel kind or operator
  double calls;      // per run; 0 for nodes
  double ns;         // per run
  double share;      // of the whole, 0 to 1
} aicc_profile_row;

typedef struct aicc_profile {
  uint64_t runs;
  double run_ns;  // per run; 0: nothing was profiled
  aicc_profile_row *kernels, *nodes;  // the longest first
  size_t kernel_count, node_count;
} aicc_profile;

// Reads the profile of |session|'s runs so far into memory of |arena|.
void aicc_profile_read(const aicc_rt_session *session, aicc_arena *arena, aicc_profile *out);

// At most |limit| rows of each table; the rest is one row.
void aicc_profile_print(FILE *out, const aicc_profile *profile, size_t limit);
void aicc_profile_json(FILE *out, const aicc_profile *profile);  // an object

#endif
