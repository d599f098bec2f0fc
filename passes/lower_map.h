// What the forms of map kernels share: private to lower_map.c and lower_gpu_map.c.
#ifndef AICC_PASSES_LOWER_MAP_H
#define AICC_PASSES_LOWER_MAP_H

#include "passes/lower_vector.h"

// The dimensions that are iterated: those of the result merged where every operand allows it. The
// index along iterated dimension i is that of original dimension origin[i]; the others of a merged
// run stay 0, since every access is linear in them.
typedef struct map_space {
  int rank;                     // iterated dimensions
  aicc_dim dims[AICC_MAX_RANK];
  int origin[AICC_MAX_RANK];    // the original dimension that takes its index
} map_space;
map_space map_make_space(const lower_kernel *lk, const aicc_type *root);

// Where the elements go: result index = index + offset along one axis (concatenations).
typedef struct map_target {
  aicc_slot slot;
  const aicc_type *type;
  int axis;
  aicc_dim offset;  // or 0
} map_target;

// Computes the element of |value| at |index| and stores it.
void map_store(lower_kernel *lk, const map_target *to, const aicc_value *value,
               const kir_val *index);
int map_cost(const aicc_lower *lw, const aicc_region *group);  // of an element

// The kernel of one result (or part of one) on a GPU, and its launch. The second one is for
// transposes, by tiles in shared memory; false: there is none that gains by it.
void map_gpu_kernel(aicc_lower *lw, aicc_node *group, const aicc_value *value,
                    const map_target *to, const char *name);
bool map_gpu_tile(aicc_lower *lw, aicc_node *group, const aicc_value *value, const map_target *to,
                  const char *name);

#endif
