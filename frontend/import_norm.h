// Normalised rows, which the normalisations share.
#ifndef AICC_FRONTEND_IMPORT_NORM_H
#define AICC_FRONTEND_IMPORT_NORM_H

#include "frontend/import_math.h"

typedef struct aicc_normalised {
  aicc_value *y;        // of x's shape
  aicc_value *mean;     // these with dimensions of size 1 at the axes; NULL where not centred
  aicc_value *inverse;  // 1 / sqrt(variance + epsilon)
} aicc_normalised;

// (x - mean) / sqrt(variance + epsilon) over |axes|, in x's type. Not |centred|: x / sqrt(mean of
// squares + epsilon).
aicc_normalised aicc_normalise(aicc_builder *b, aicc_value *x, const int64_t *axes, int count,
                               double epsilon, bool centred);

#endif
