// The layout pass's pieces: where nodes are made, and transposes that cancel.
#ifndef AICC_PASSES_LAYOUT_H
#define AICC_PASSES_LAYOUT_H

#include "ir/build.h"

typedef struct aicc_layout {
  aicc_module *module;
  aicc_builder b;
  bool pads_inside;  // convolutions keep their padding: the machine's skeleton guards its loads
} aicc_layout;

// New nodes stand before |node| and carry its origins.
void aicc_layout_at(aicc_layout *l, aicc_node *node);
// transpose(x), looking through a transpose that makes x.
aicc_value *aicc_layout_transposed(aicc_layout *l, aicc_value *x, const int64_t *perm);
void aicc_layout_channels_last(int64_t *perm, int rank);   // NCHW -> NHWC
void aicc_layout_channels_first(int64_t *perm, int rank);  // NHWC -> NCHW

// Replace a node (layout_conv.c), or leave it as it is.
void aicc_layout_conv(aicc_layout *l, aicc_node *node);
void aicc_layout_conv_transpose(aicc_layout *l, aicc_node *node);

#endif
