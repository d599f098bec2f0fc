// The geometry of convolutions and pools: kernel, strides, dilations, padding, and the sizes of the
// result, as expressions of the operand's sizes. Lists have one entry per spatial dimension.
#ifndef AICC_FRONTEND_IMPORT_WINDOW_H
#define AICC_FRONTEND_IMPORT_WINDOW_H

#include "frontend/import_math.h"

typedef struct aicc_geometry {
  int spatial;
  int64_t strides[AICC_MAX_RANK], dilations[AICC_MAX_RANK];
  aicc_dim kernel[AICC_MAX_RANK];
  aicc_dim in[AICC_MAX_RANK];
  aicc_dim low[AICC_MAX_RANK], high[AICC_MAX_RANK];  // padding
  aicc_dim out[AICC_MAX_RANK];
  bool ceil;  // windows may reach beyond the high padding
} aicc_geometry;

typedef enum aicc_auto_pad {
  AICC_PAD_NOTSET, AICC_PAD_VALID, AICC_PAD_SAME_UPPER, AICC_PAD_SAME_LOWER,
} aicc_auto_pad;

// Attribute auto_pad.
AICC_MUST_USE aicc_status aicc_read_auto_pad(aicc_importer *im, const aicc_onnx_node *n,
                                             aicc_auto_pad *out);
// Attribute |name| as |spatial| numbers >= |least|; |otherwise| where it is absent.
AICC_MUST_USE aicc_status aicc_read_spatial(aicc_importer *im, const aicc_onnx_node *n,
                                            const char *name, int spatial, int64_t least,
                                            int64_t otherwise, int64_t *out);
// Reads kernel_shape, strides and dilations. The kernel's sizes are those of |weight|, which
// kernel_shape must repeat; without a weight (NULL) kernel_shape must be there.
AICC_MUST_USE aicc_status aicc_geometry_read(aicc_importer *im, const aicc_onnx_node *n,
                                             const aicc_value *x, const aicc_value *weight,
                                             aicc_geometry *g);
// Reads pads and auto_pad as well (and ceil_mode where |may_ceil|), and computes the result's
// sizes.
AICC_MUST_USE aicc_status aicc_geometry_forward(aicc_importer *im, const aicc_onnx_node *n,
                                                const aicc_value *x, const aicc_value *weight,
                                                bool may_ceil, aicc_geometry *g);
// AveragePool of |x|, a wide float, with the node's attributes (import_pool.c).
AICC_MUST_USE aicc_status aicc_average_pool(aicc_importer *im, const aicc_onnx_node *n,
                                            aicc_value *x, aicc_value **out);
// [N, spatial.., C] -> [N, C, spatial..] and back (import_window.c). NULL gives NULL.
aicc_value *aicc_channels_first(aicc_builder *b, aicc_value *x);
aicc_value *aicc_channels_last(aicc_builder *b, aicc_value *x);

// dilation * (kernel - 1) + 1
aicc_dim aicc_geometry_extent(aicc_dims *dims, const aicc_geometry *g, int i);
// Kernel sizes as numbers; AICC_UNSUPPORTED where they are not known.
AICC_MUST_USE aicc_status aicc_geometry_kernel(aicc_importer *im, const aicc_onnx_node *n,
                                               const aicc_geometry *g, int64_t *kernel);

#endif
