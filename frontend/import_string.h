// What importers of string operators share.
#ifndef AICC_FRONTEND_IMPORT_STRING_H
#define AICC_FRONTEND_IMPORT_STRING_H

#include "frontend/import_move.h"

// How strings are cut into pieces: library kernels |counts| and |pieces|, and their attributes.
typedef struct aicc_cut {
  const char *counts, *pieces;
  const int64_t *ints;
  const char *const *strings;
  int int_count, string_count;
} aicc_cut;

// The pieces of each string of the first input on a new last dimension, as many as the most are;
// |counts|: how many each has. AICC_INVALID after reporting an input that has no strings.
AICC_MUST_USE aicc_status aicc_cut_strings(aicc_importer *im, const aicc_onnx_node *n,
                                           const aicc_cut *c, aicc_value **pieces,
                                           aicc_value **counts);

#endif
