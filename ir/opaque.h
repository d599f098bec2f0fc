// The list of library kernels that the `opaque` operator calls by name (opaque.def).
#ifndef AICC_IR_OPAQUE_H
#define AICC_IR_OPAQUE_H

#include "ir/graph.h"

typedef enum aicc_opaque {
#define AICC_OPAQUE(name, mnemonic, least, most, results) AICC_OPAQUE_##name,
#include "ir/opaque.def"
#undef AICC_OPAQUE
  AICC_OPAQUE_COUNT
} aicc_opaque;

typedef struct aicc_opaque_info {
  const char *name;
  int least, most, results;
} aicc_opaque_info;

extern const aicc_opaque_info aicc_opaque_table[AICC_OPAQUE_COUNT];

// The kernel a node of operator OPAQUE names; false: none of ours.
bool aicc_opaque_of(const aicc_node *node, aicc_opaque *out);

#endif
