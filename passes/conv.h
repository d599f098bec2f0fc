// A convolution as its skeletons see it (lower_conv.c, lower_gpu_depthwise.c).
#ifndef AICC_PASSES_CONV_H
#define AICC_PASSES_CONV_H

#include "passes/contract.h"

enum { MAX_SPATIAL = AICC_PACK_RANK - 1 };

typedef struct conv {
  aicc_lower *lw;
  aicc_node *group, *node;
  const aicc_value *x, *w, *bias, *root;
  int spatial;
  bool nhwc, transposed, padded;
  int64_t stride[AICC_MAX_RANK], dilation[AICC_MAX_RANK];
  aicc_dim pad[AICC_MAX_RANK];
  int64_t groups;
  aicc_dim batch, channels, filters;  // of the whole convolution
  const aicc_dim *in, *out, *kernel;  // spatial extents
} conv;

// The convolution's result at |index| is |sum| and its bias: computes and stores the group's
// results.
void aicc_conv_store(lower_kernel *lk, const conv *c, kir_val sum, const kir_val *index);
// Weights of a depthwise convolution as rows of taps, padded to |*row| channels each.
aicc_slot aicc_conv_depthwise_weights(const conv *c, int64_t *row);
// Lanes over channels; taps of a line are read once for several pixels of it.
void aicc_conv_depthwise_gpu(const conv *c);

#endif
