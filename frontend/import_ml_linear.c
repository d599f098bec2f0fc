// Linear models and support vector machines.
#include <string.h>

#include "frontend/import_ml.h"

// x [N, F] in floats.
static aicc_value *float_rows(aicc_importer *im, const aicc_onnx_node *n) {
  aicc_value *x = aicc_ml_rows(im, n, aicc_in(n, 0));
  return !x || x->type.dtype == AICC_F64 ? x : aicc_b_cast(&im->b, x, AICC_F32);
}

static aicc_value *as_f32(aicc_importer *im, aicc_value *x) {
  return x ? aicc_b_cast(&im->b, x, AICC_F32) : NULL;
}

// Whether |count| splits into |rows| rows as wide as x is (where that is known).
static aicc_status check_width(aicc_importer *im, const aicc_onnx_node *n, const aicc_value *x,
                               int count, int rows, const char *what) {
  int64_t features;
  const bool fits = rows > 0 && count > 0 && count % rows == 0 &&
                    (!aicc_dim_is_const(im->dims, x->type.dims[1], &features) ||
                     features * rows == count);
  return fits ? AICC_OK : aicc_invalid(im, n, "%d %s do not fit %d rows and the input", count, what,
                                       rows);
}

// x * coefficients^T + intercepts: [N, rows].
static aicc_status linear(aicc_importer *im, const aicc_onnx_node *n, aicc_value *x, int rows,
                          aicc_value **out) {
  int count, intercepts;
  const float *coefficients = aicc_onnx_floats(n, "coefficients", &count);
  const float *intercept = aicc_onnx_floats(n, "intercepts", &intercepts);
  AICC_TRY(check_width(im, n, x, count, rows, "coefficients"));
  if (intercepts && intercepts != rows) {
    return aicc_invalid(im, n, "%d intercepts for %d rows", intercepts, rows);
  }
  aicc_value *weight = aicc_ml_floats(im, x->type.dtype, coefficients, count);
  *out = aicc_matmul_trans(&im->b, x, aicc_ml_matrix(im, weight, count / rows), false, true);
  if (intercepts) {
    *out = aicc_add(&im->b, *out, aicc_ml_floats(im, x->type.dtype, intercept, intercepts));
  }
  return *out ? AICC_OK : AICC_INVALID;
}

aicc_status import_linear_regressor(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_ml_transform transform;
  aicc_value *x = float_rows(im, n), *y;
  AICC_TRY(aicc_ml_read_transform(im, n, &transform));
  const int targets = (int)aicc_onnx_int(n, "targets", 1);
  if (!x) {
    return AICC_INVALID;
  }
  AICC_TRY(linear(im, n, x, targets, &y));
  return aicc_set_out(im, n, 0, as_f32(im, aicc_ml_apply(im, y, transform)));
}

// One score decides between two classes; their scores add up to 1.
static aicc_status one_row(aicc_importer *im, const aicc_onnx_node *n,
                           const aicc_ml_labels *labels, aicc_value *score,
                           aicc_ml_transform transform) {
  aicc_builder *b = &im->b;
  if (transform == AICC_ML_PROBIT) {
    return aicc_unsupported(im, n, "post_transform PROBIT of one score");
  }
  aicc_value *wins = aicc_b_binary(b, AICC_OP_GT, score, aicc_b_scalar_like(b, score, 0));
  aicc_value *best = wins ? aicc_b_squeeze(b, aicc_b_cast(b, wins, AICC_I64), 1) : NULL;
  aicc_value *p = transform == AICC_ML_LOGISTIC ? aicc_ml_apply(im, score, transform) : score;
  aicc_value *const both[] = {p ? aicc_sub(b, aicc_b_scalar_like(b, p, 1), p) : NULL, p};
  AICC_TRY(aicc_set_out(im, n, 0, best ? aicc_ml_labels_of(im, labels, best) : NULL));
  return aicc_set_out(im, n, 1, as_f32(im, aicc_b_concat(b, both, 2, 1)));
}

aicc_status import_linear_classifier(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_ml_transform transform;
  aicc_ml_labels labels;
  aicc_value *x = float_rows(im, n), *y;
  AICC_TRY(aicc_ml_read_transform(im, n, &transform));
  AICC_TRY(aicc_ml_read_labels(im, n, "classlabels_ints", "classlabels_strings", &labels));
  aicc_onnx_int(n, "multi_class", 0);  // nothing depends on it
  int intercepts, coefficients;
  int64_t features;
  aicc_onnx_floats(n, "intercepts", &intercepts);
  aicc_onnx_floats(n, "coefficients", &coefficients);
  if (!x) {
    return AICC_INVALID;
  }
  const bool wide = aicc_dim_is_const(im->dims, x->type.dims[1], &features) && features > 0;
  const int rows = intercepts ? intercepts : wide ? coefficients / (int)features : labels.count;
  AICC_TRY(linear(im, n, x, rows, &y));
  if (rows == 1 && labels.count == 2) {
    return one_row(im, n, &labels, y, transform);
  }
  if (rows != labels.count || rows < 2) {
    return aicc_unsupported(im, n, "%d scores for %d class labels", rows, labels.count);
  }
  aicc_value *best = aicc_ml_best(im, y);
  AICC_TRY(aicc_set_out(im, n, 0, best ? aicc_ml_labels_of(im, &labels, best) : NULL));
  return aicc_set_out(im, n, 1, as_f32(im, aicc_ml_apply(im, y, transform)));
}

// --- support vectors -----------------------------------------------------------------------------

typedef struct svm {
  int64_t kernel;  // 0 linear 1 poly 2 rbf 3 sigmoid
  double gamma, coef0, degree;
} svm;

static aicc_status read_kernel(aicc_importer *im, const aicc_onnx_node *n, svm *s) {
  static const char *const kernels[] = {"LINEAR", "POLY", "RBF", "SIGMOID"};
  const char *name = aicc_onnx_string(n, "kernel_type", "LINEAR");
  int count;
  const float *params = aicc_onnx_floats(n, "kernel_params", &count);
  *s = (svm){.gamma = count > 0 ? (double)params[0] : 0,
             .coef0 = count > 1 ? (double)params[1] : 0,
             .degree = count > 2 ? (double)params[2] : 0};
  while (s->kernel < 4 && strcmp(kernels[s->kernel], name) != 0) {
    s->kernel++;
  }
  return s->kernel < 4 ? AICC_OK : aicc_unsupported(im, n, "kernel_type '%s'", name);
}

// The kernel of each row of x with each support vector: [N, V].
static aicc_value *kernel_of(aicc_importer *im, const svm *s, aicc_value *x, aicc_value *vectors) {
  aicc_builder *b = &im->b;
  if (!vectors) {
    return NULL;
  }
  if (s->kernel == 2) {
    const int64_t axes[] = {2};
    aicc_value *gap = aicc_sub(b, aicc_b_unsqueeze(b, x, 1), aicc_b_unsqueeze(b, vectors, 0));
    gap = aicc_b_reduce(b, AICC_OP_REDUCE_SUM, aicc_mul(b, gap, gap), axes, 1, false);
    return gap ? aicc_b_unary(b, AICC_OP_EXP, aicc_mul_number(b, gap, -s->gamma)) : NULL;
  }
  aicc_value *dot = aicc_matmul_trans(b, x, vectors, false, true);
  if (!dot || s->kernel == 0) {
    return dot;
  }
  dot = aicc_add_number(b, aicc_mul_number(b, dot, s->gamma), s->coef0);
  if (s->kernel == 3) {
    return aicc_b_unary(b, AICC_OP_TANH, dot);
  }
  return aicc_b_binary(b, AICC_OP_POW, dot, aicc_b_scalar_like(b, dot, s->degree));
}

aicc_status import_svm_regressor(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  aicc_value *x = float_rows(im, n);
  aicc_ml_transform transform;
  svm s;
  int count, values, rhos;
  AICC_TRY(aicc_ml_read_transform(im, n, &transform));
  AICC_TRY(read_kernel(im, n, &s));
  const float *coefficients = aicc_onnx_floats(n, "coefficients", &count);
  const float *vectors = aicc_onnx_floats(n, "support_vectors", &values);
  const float *rho = aicc_onnx_floats(n, "rho", &rhos);
  const int supports = (int)aicc_onnx_int(n, "n_supports", 0);
  const bool one_class = aicc_onnx_int(n, "one_class", 0) != 0;
  if (!x) {
    return AICC_INVALID;
  }
  aicc_value *y = x;
  if (supports > 0) {
    AICC_TRY(check_width(im, n, x, values, supports, "support vector elements"));
    aicc_value *all = aicc_ml_floats(im, x->type.dtype, vectors, values);
    y = kernel_of(im, &s, x, aicc_ml_matrix(im, all, values / supports));
  }
  if (!y) {
    return AICC_INVALID;
  }
  AICC_TRY(check_width(im, n, y, count, 1, "coefficients"));
  aicc_value *weight = aicc_ml_floats(im, x->type.dtype, coefficients, count);
  y = aicc_matmul_trans(b, y, aicc_ml_matrix(im, weight, count), false, true);
  y = y && rhos ? aicc_add_number(b, y, (double)rho[0]) : y;
  if (y && one_class) {
    aicc_value *in = aicc_b_binary(b, AICC_OP_GT, y, aicc_b_scalar_like(b, y, 0));
    y = aicc_b_select(b, in, aicc_b_scalar_like(b, y, 1), aicc_b_scalar_like(b, y, -1));
    transform = AICC_ML_NONE;
  }
  return aicc_set_out(im, n, 0, as_f32(im, aicc_ml_apply(im, y, transform)));
}

typedef struct machine {
  svm svm;
  aicc_ml_labels labels;
  const int64_t *per_class;
  const float *coefficients, *vectors, *rho, *prob_a, *prob_b;
  int classes, coefficient_count, vector_count, rhos, pairs;
} machine;

static aicc_status read_machine(aicc_importer *im, const aicc_onnx_node *n, machine *m) {
  int a, b, elements;
  AICC_TRY(read_kernel(im, n, &m->svm));
  AICC_TRY(aicc_ml_read_labels(im, n, "classlabels_ints", "classlabels_strings", &m->labels));
  m->per_class = aicc_onnx_ints(n, "vectors_per_class", &m->classes);
  m->coefficients = aicc_onnx_floats(n, "coefficients", &m->coefficient_count);
  m->vectors = aicc_onnx_floats(n, "support_vectors", &elements);
  m->rho = aicc_onnx_floats(n, "rho", &m->rhos);
  m->prob_a = aicc_onnx_floats(n, "prob_a", &a);
  m->prob_b = aicc_onnx_floats(n, "prob_b", &b);
  m->prob_a = a && b ? m->prob_a : NULL;
  m->pairs = m->labels.count * (m->labels.count - 1) / 2;
  for (int i = 0; i < m->classes; i++) {
    m->vector_count += (int)m->per_class[i];
  }
  if (m->labels.count < 2) {
    return aicc_unsupported(im, n, "%d class labels", m->labels.count);
  }
  const bool fits = m->vector_count == 0 ||
                    (m->classes == m->labels.count && m->rhos >= m->pairs &&
                     m->coefficient_count == (m->classes - 1) * m->vector_count &&
                     elements > 0 && elements % m->vector_count == 0 &&
                     (!m->prob_a || (a >= m->pairs && b >= m->pairs)));
  return fits ? AICC_OK
              : aicc_invalid(im, n, "the lists of the attributes do not fit each other");
}

// The kernel `svm_classifier`: scores, or probabilities, and the class of each row.
static aicc_node *machine_node(aicc_importer *im, const machine *m, aicc_value *x, int elements) {
  const aicc_dtype dtype = x->type.dtype;
  int64_t *ints = AICC_NEW_ARRAY(&im->scratch, int64_t, 1 + m->classes);
  const double floats[] = {m->svm.gamma, m->svm.coef0, m->svm.degree};
  ints[0] = m->svm.kernel;
  memcpy(&ints[1], m->per_class, sizeof *ints * (size_t)m->classes);
  aicc_value *vectors = aicc_ml_floats(im, dtype, m->vectors, elements);
  aicc_value *weights = aicc_ml_floats(im, dtype, m->coefficients, m->coefficient_count);
  aicc_value *const in[] = {
      x,
      aicc_ml_matrix(im, vectors, elements / m->vector_count),
      aicc_ml_matrix(im, weights, m->vector_count),
      aicc_ml_floats(im, dtype, m->rho, m->pairs),
      m->prob_a ? aicc_ml_floats(im, dtype, m->prob_a, m->pairs) : NULL,
      m->prob_a ? aicc_ml_floats(im, dtype, m->prob_b, m->pairs) : NULL,
  };
  const aicc_dim dims[] = {x->type.dims[0],
                           aicc_const_dim(im, m->prob_a ? m->classes : m->pairs)};
  const aicc_type types[] = {aicc_type_tensor(im->module, dtype, dims, 2),
                             aicc_type_tensor(im->module, AICC_I64, dims, 1)};
  aicc_node *node = aicc_b_opaque(&im->b, "svm_classifier", in, m->prob_a ? 6 : 4, types, 2);
  if (node) {
    aicc_set_ints(im->module, node, AICC_ATTR_INTS, ints, 1 + m->classes);
    aicc_set_floats(im->module, node, AICC_ATTR_FLOATS, floats, 3);
  }
  return node;
}

aicc_status import_svm_classifier(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_value *x = float_rows(im, n), *scores = NULL, *best;
  aicc_ml_transform transform;
  machine m = {0};
  int elements;
  AICC_TRY(aicc_ml_read_transform(im, n, &transform));
  AICC_TRY(read_machine(im, n, &m));
  aicc_onnx_floats(n, "support_vectors", &elements);
  if (!x) {
    return AICC_INVALID;
  }
  if (m.vector_count == 0) {
    // A linear machine: one row of coefficients for each class.
    AICC_TRY(check_width(im, n, x, m.coefficient_count, m.labels.count, "coefficients"));
    aicc_value *weight = aicc_ml_floats(im, x->type.dtype, m.coefficients, m.coefficient_count);
    weight = aicc_ml_matrix(im, weight, m.coefficient_count / m.labels.count);
    scores = kernel_of(im, &(svm){0}, x, weight);
    scores = scores && m.rhos ? aicc_add_number(&im->b, scores, (double)m.rho[0]) : scores;
    best = aicc_ml_best(im, scores);
  } else {
    AICC_TRY(check_width(im, n, x, elements, m.vector_count, "support vector elements"));
    aicc_node *node = machine_node(im, &m, x, elements);
    if (!node) {
      return AICC_INVALID;
    }
    scores = node->out[0];
    best = node->out[1];
  }
  if (m.vector_count && m.pairs == 1 && !m.prob_a) {
    if (transform != AICC_ML_NONE && transform != AICC_ML_LOGISTIC) {
      return aicc_unsupported(im, n, "this post_transform of one score");
    }
    scores = aicc_ml_two_classes(im, scores, false, transform).scores;
    transform = AICC_ML_NONE;
  }
  AICC_TRY(aicc_set_out(im, n, 0, best ? aicc_ml_labels_of(im, &m.labels, best) : NULL));
  return aicc_set_out(im, n, 1, as_f32(im, aicc_ml_apply(im, scores, transform)));
}
