// Fusion: what may stand in one group, shared by the fuse pass and its reports.
//
// A group becomes one kernel (a concat root: one per operand). Its kinds:
//   map       one result, each element computed from elements of operands
//   row       reductions over the same axes with the elementwise work around them (softmax,
//             normalisations): results have the full or the reduced shape
//   contract  a matrix multiply or convolution with its elementwise epilogue
//   own       one operator with a kernel of its own
#ifndef AICC_PASSES_FUSE_H
#define AICC_PASSES_FUSE_H

#include "ir/graph.h"

// Elements can be computed one at a time from operands' elements: elementwise, moves, views, small
// sources, and reductions over a few window elements.
bool aicc_fuse_is_pointwise(const aicc_module *module, const aicc_node *node);
// Weights and other constants that kernels load from memory, or that are host data.
bool aicc_fuse_is_leaf(const aicc_node *node);
// Rough cost of one element in operations of one lane.
int aicc_fuse_element_cost(const aicc_module *module, const aicc_node *node);

#endif
