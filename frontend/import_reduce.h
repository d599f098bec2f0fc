// What importers of reductions and normalisations share.
#ifndef AICC_FRONTEND_IMPORT_REDUCE_H
#define AICC_FRONTEND_IMPORT_REDUCE_H

#include "frontend/onnx_import.h"

// The number of elements of |x| along |axes|, as a scalar of x's type. NULL for a NULL x.
aicc_value *aicc_reduced_count(aicc_importer *im, const aicc_value *x, const int64_t *axes,
                               int count);
// The dimensions of |type| that are not named in |axes|; returns how many.
int aicc_dims_without(const aicc_type *type, const int64_t *axes, int count, aicc_dim *out);

#endif
