// What importers of ai.onnx.ml share.
#ifndef AICC_FRONTEND_IMPORT_ML_H
#define AICC_FRONTEND_IMPORT_ML_H

#include "frontend/import_math.h"
#include "frontend/import_move.h"

// Constants from attributes; they copy what they are given.
aicc_value *aicc_ml_floats(aicc_importer *im, aicc_dtype dtype, const float *values, int count);
aicc_value *aicc_ml_i64s(aicc_importer *im, aicc_dtype dtype, const int64_t *values, int count);
aicc_value *aicc_ml_strings(aicc_importer *im, const char *const *values, int count);
// As a matrix of |columns| columns.
aicc_value *aicc_ml_matrix(aicc_importer *im, aicc_value *vector, int columns);

// x as [N, F]: a vector is one row. NULL after reporting other ranks.
aicc_value *aicc_ml_rows(aicc_importer *im, const aicc_onnx_node *n, aicc_value *x);

typedef enum aicc_ml_transform {
  AICC_ML_NONE, AICC_ML_SOFTMAX, AICC_ML_LOGISTIC, AICC_ML_SOFTMAX_ZERO, AICC_ML_PROBIT,
} aicc_ml_transform;

// Attribute post_transform.
AICC_MUST_USE aicc_status aicc_ml_read_transform(aicc_importer *im, const aicc_onnx_node *n,
                                                 aicc_ml_transform *out);
// Of scores [N, K].
aicc_value *aicc_ml_apply(aicc_importer *im, aicc_value *scores, aicc_ml_transform transform);

typedef struct aicc_ml_labels {
  const int64_t *ints;
  const char *const *strings;
  int count;
} aicc_ml_labels;

AICC_MUST_USE aicc_status aicc_ml_read_labels(aicc_importer *im, const aicc_onnx_node *n,
                                              const char *ints, const char *strings,
                                              aicc_ml_labels *out);
// The labels of classes |index|, i64[N].
aicc_value *aicc_ml_labels_of(aicc_importer *im, const aicc_ml_labels *labels, aicc_value *index);
// The class of the greatest score in each row of [N, K]; the first of equals.
aicc_value *aicc_ml_best(aicc_importer *im, aicc_value *scores);

// What a classifier of two classes makes of one score per row, [N, 1]: both classes' scores and the
// class. Weights that are all positive make the score a probability.
typedef struct aicc_ml_binary {
  aicc_value *scores;  // [N, 2]
  aicc_value *best;    // i64[N]
} aicc_ml_binary;
aicc_ml_binary aicc_ml_two_classes(aicc_importer *im, aicc_value *score, bool all_positive,
                                   aicc_ml_transform transform);

#endif
