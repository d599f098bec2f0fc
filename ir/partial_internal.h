// Inside of partial values: element access, and the operators by file. Only ir/partial*.c include
// it.
#ifndef AICC_IR_PARTIAL_INTERNAL_H
#define AICC_IR_PARTIAL_INTERNAL_H

#include "ir/graph.h"

// The elements of a tensor of constant shape, row-major.
typedef struct elements {
  aicc_module *module;
  const aicc_value *value;
  int rank;
  int64_t shape[AICC_MAX_RANK];
  int64_t count;
} elements;

// False: no tensor of at most AICC_PARTIAL_MAX elements whose shape is constant.
bool aicc_elements_of(aicc_module *module, const aicc_value *value, elements *out);
// AICC_DIM_NONE: not known. Elements of small float constants count as known where they are
// integers.
aicc_dim aicc_elements_at(const elements *e, int64_t index);
bool aicc_elements_const(const elements *e, int64_t index, int64_t *value);  // known and constant

// Coordinates of row-major |index| in |shape|, and back.
void aicc_unravel(int64_t index, const int64_t *shape, int rank, int64_t *at);
int64_t aicc_ravel(const int64_t *at, const int64_t *shape, int rank);
// The element of |operand| that broadcasts to element |index| of |result|.
int64_t aicc_broadcast_index(const elements *result, int64_t index, const elements *operand);

// Each fills |out|, an array of the first result's count, all AICC_DIM_NONE before. False: not an
// operator of theirs.
bool aicc_partial_move(const aicc_node *node, const elements *result, aicc_dim *out);
bool aicc_partial_reduce(const aicc_node *node, const elements *result, aicc_dim *out);

// Element |index| of a float tensor, rounded to an integer: a quotient of sizes by a constant that
// no partial value can hold. AICC_DIM_NONE: not known.
aicc_dim aicc_partial_rounded(aicc_module *module, const aicc_value *value, int64_t index,
                              aicc_op rounding);

#endif
