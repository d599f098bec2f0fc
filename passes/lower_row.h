// What the forms of row kernels share: private to lower_row.c and lower_gpu_row*.c.
#ifndef AICC_PASSES_LOWER_ROW_H
#define AICC_PASSES_LOWER_ROW_H

#include "passes/lower_vector.h"

enum { ROW_MEMBERS_MAX = 256 };

typedef struct row_group {
  aicc_lower *lw;
  lower_kernel lk;
  aicc_node *node;
  const aicc_region *body;
  const aicc_type *full;  // what is reduced: kept and reduced dimensions
  bool reduced[AICC_MAX_RANK];
  bool keepdims;
  bool lanes_reduce;      // the innermost dimension is reduced
  int lane_dim;           // original dimension of the lanes; -1: none (all extents are 1)
  kir_val index[AICC_MAX_RANK];
  int depth_count;
  int *depth;             // per node id: how many statistics lie on the longest way to it
} row_group;

bool row_is_full(const row_group *g, const aicc_value *value);  // has the full shape
// The statistics of one depth, ROW_MEMBERS_MAX at most; returns how many.
int row_statistics(const row_group *g, int depth, const aicc_node **nodes);
// The kept part of the index, for values of the reduced shape.
void row_reduced_index(row_group *g, const aicc_value *value, kir_val *out);
// Binds values of the reduced shape that follow from the statistics up to |depth|: they are
// computed once a row, not once an element of the next walk.
void row_derive(row_group *g, int depth);
// Adds the launch: rows of |length| elements.
void row_launch(row_group *g, aicc_dim rows, aicc_dim grid, aicc_dim length);

// The kernels of the group on a GPU, and their launches; shape and depths are filled in, lk is not
// begun.
void row_gpu_kernels(row_group *g);

#endif
