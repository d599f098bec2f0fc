// Library kernels of ai.onnx.ml and of quantised language models.
#include <math.h>
#include <string.h>

#include "ir/eval_opaque.h"

// --- tree_ensemble -------------------------------------------------------------------------------

enum { NODE_FEATURE, NODE_MODE, NODE_TRUE, NODE_FALSE, NODE_FIRST, NODE_COUNT, NODE_FIELDS };
enum { MODE_LE, MODE_LT, MODE_GE, MODE_GT, MODE_EQ, MODE_NE, MODE_LEAF, MODE_MEMBER };
enum { AGGREGATE_SUM, AGGREGATE_AVERAGE, AGGREGATE_MIN, AGGREGATE_MAX };

typedef struct forest {
  int64_t features, nodes, leaves, members, targets, trees;
  const int64_t *node, *missing, *leaf_target, *root;
  const double *threshold, *weight, *member, *base;
  int64_t aggregate;
} forest;

static bool is_member(const forest *f, const int64_t *node, double x) {
  for (int64_t i = 0; i < node[NODE_COUNT] && node[NODE_FIRST] + i < f->members; i++) {
    if (f->member[node[NODE_FIRST] + i] == x) {
      return true;
    }
  }
  return false;
}

static bool goes_true(const forest *f, int64_t at, double x) {
  const int64_t *node = f->node + at * NODE_FIELDS;
  const double threshold = f->threshold[at];
  if (isnan(x) && f->missing[at]) {
    return true;
  }
  switch (node[NODE_MODE]) {
    case MODE_LE: return x <= threshold;
    case MODE_LT: return x < threshold;
    case MODE_GE: return x >= threshold;
    case MODE_GT: return x > threshold;
    case MODE_EQ: return x == threshold;
    case MODE_NE: return x != threshold;
    default: return is_member(f, node, x);
  }
}

static void add_score(const forest *f, double *score, bool *seen, double weight) {
  if (f->aggregate == AGGREGATE_MIN) {
    *score = *seen ? fmin(*score, weight) : weight;
  } else if (f->aggregate == AGGREGATE_MAX) {
    *score = *seen ? fmax(*score, weight) : weight;
  } else {
    *score += weight;
  }
  *seen = true;
}

// Walks one tree; false: a node index is out of range, or the tree has a cycle.
static bool walk_tree(const forest *f, int64_t root, const double *x, double *scores, bool *seen) {
  int64_t at = root;
  for (int64_t steps = 0; steps <= f->nodes; steps++) {
    if (at < 0 || at >= f->nodes) {
      return false;
    }
    const int64_t *node = f->node + at * NODE_FIELDS;
    if (node[NODE_MODE] != MODE_LEAF) {
      if (node[NODE_FEATURE] < 0 || node[NODE_FEATURE] >= f->features) {
        return false;
      }
      at = node[goes_true(f, at, x[node[NODE_FEATURE]]) ? NODE_TRUE : NODE_FALSE];
      continue;
    }
    for (int64_t i = node[NODE_FIRST]; i < node[NODE_FIRST] + node[NODE_COUNT]; i++) {
      if (i < 0 || i >= f->leaves || f->leaf_target[i] < 0 || f->leaf_target[i] >= f->targets) {
        return false;
      }
      add_score(f, &scores[f->leaf_target[i]], &seen[f->leaf_target[i]], f->weight[i]);
    }
    return true;
  }
  return false;
}

static aicc_status read_forest(const aicc_eval_call *call, forest *f) {
  const aicc_eval_value *x = call->in[0];
  *f = (forest){.features = x->rank == 2 ? x->shape[1] : -1,
                .nodes = aicc_eval_value_count(call->in[2]),
                .leaves = aicc_eval_value_count(call->in[4]),
                .trees = aicc_eval_value_count(call->in[6]),
                .targets = call->out[0].rank == 2 ? call->out[0].shape[1] : -1,
                .aggregate = aicc_eval_opaque_int(call, 0, AGGREGATE_SUM)};
  if (f->features < 0 || f->targets < 0 ||
      aicc_eval_value_count(call->in[1]) != f->nodes * NODE_FIELDS ||
      aicc_eval_value_count(call->in[3]) != f->nodes ||
      aicc_eval_value_count(call->in[5]) != f->leaves) {
    return aicc_eval_fail(call, "the tables of the trees do not fit each other");
  }
  f->node = aicc_eval_all_i64(call, call->in[1]);
  f->threshold = aicc_eval_all_f64(call, call->in[2]);
  f->missing = aicc_eval_all_i64(call, call->in[3]);
  f->leaf_target = aicc_eval_all_i64(call, call->in[4]);
  f->weight = aicc_eval_all_f64(call, call->in[5]);
  f->root = aicc_eval_all_i64(call, call->in[6]);
  if (aicc_eval_opaque_has(call, 7)) {
    f->member = aicc_eval_all_f64(call, call->in[7]);
    f->members = aicc_eval_value_count(call->in[7]);
  }
  f->base = aicc_eval_opaque_has(call, 8) ? aicc_eval_all_f64(call, call->in[8]) : NULL;
  return AICC_OK;
}

aicc_status aicc_eval_opaque_tree_ensemble(aicc_eval_call *call) {
  forest f = {0};
  AICC_TRY(read_forest(call, &f));
  const double *x = aicc_eval_all_f64(call, call->in[0]);
  double *scores = AICC_NEW_ARRAY(call->arena, double, f.targets + 1);
  bool *seen = AICC_NEW_ARRAY(call->arena, bool, f.targets + 1);
  for (int64_t n = 0; n < call->in[0]->shape[0]; n++) {
    memset(scores, 0, sizeof *scores * (size_t)f.targets);
    memset(seen, 0, sizeof *seen * (size_t)f.targets);
    for (int64_t t = 0; t < f.trees; t++) {
      if (!walk_tree(&f, f.root[t], x + n * f.features, scores, seen)) {
        return aicc_eval_fail(call, "tree %lld leads nowhere", (long long)t);
      }
    }
    for (int64_t k = 0; k < f.targets; k++) {
      scores[k] /= f.aggregate == AGGREGATE_AVERAGE && f.trees ? (double)f.trees : 1;
      scores[k] += f.base ? f.base[k] : 0;
    }
    aicc_eval_store_f64(call->out[0].dtype, call->out[0].data, n * f.targets, f.targets, scores);
  }
  return AICC_OK;
}

// --- svm_classifier ------------------------------------------------------------------------------

enum { KERNEL_LINEAR, KERNEL_POLY, KERNEL_RBF, KERNEL_SIGMOID };

typedef struct svm {
  int64_t features, vectors, classes, pairs, kernel;
  double gamma, coef0, degree;
  const double *vector, *coefficient, *rho, *prob_a, *prob_b;
  int64_t *first;  // vector of each class, and the end
} svm;

static double kernel_value(const svm *s, const double *x, const double *y) {
  double dot = 0, distance = 0;
  for (int64_t i = 0; i < s->features; i++) {
    dot += x[i] * y[i];
    distance += (x[i] - y[i]) * (x[i] - y[i]);
  }
  switch (s->kernel) {
    case KERNEL_POLY: return pow(s->gamma * dot + s->coef0, s->degree);
    case KERNEL_RBF: return exp(-s->gamma * distance);
    case KERNEL_SIGMOID: return tanh(s->gamma * dot + s->coef0);
    default: return dot;
  }
}

static double sum_range(const svm *s, int64_t row, int64_t class, const double *kernels) {
  double sum = 0;
  for (int64_t v = s->first[class]; v < s->first[class + 1]; v++) {
    sum += s->coefficient[row * s->vectors + v] * kernels[v];
  }
  return sum;
}

// The score of each pair of classes; returns the class with the most votes, the first of equals.
static int64_t decide(const svm *s, const double *kernels, double *scores, int64_t *votes) {
  int64_t pair = 0, best = 0;
  memset(votes, 0, sizeof *votes * (size_t)s->classes);
  for (int64_t i = 0; i < s->classes; i++) {
    for (int64_t j = i + 1; j < s->classes; j++, pair++) {
      scores[pair] =
          s->rho[pair] + sum_range(s, j - 1, i, kernels) + sum_range(s, i, j, kernels);
      votes[scores[pair] > 0 ? i : j]++;
    }
  }
  for (int64_t i = 1; i < s->classes; i++) {
    best = votes[i] > votes[best] ? i : best;
  }
  return best;
}

// Pairwise coupling after Wu, Lin and Weng (2004), method 2: r[i][j] = P(i | i or j).
static void couple(int64_t k, const double *r, double *q, double *qp, double *p) {
  for (int64_t t = 0; t < k; t++) {
    p[t] = 1 / (double)k;
    q[t * k + t] = 0;
    for (int64_t j = 0; j < k; j++) {
      if (j != t) {
        q[t * k + t] += r[j * k + t] * r[j * k + t];
        q[t * k + j] = -r[j * k + t] * r[t * k + j];
      }
    }
  }
  for (int64_t round = 0; round < (k > 100 ? k : 100); round++) {
    double pqp = 0, error = 0;
    for (int64_t t = 0; t < k; t++) {
      qp[t] = 0;
      for (int64_t j = 0; j < k; j++) {
        qp[t] += q[t * k + j] * p[j];
      }
      pqp += p[t] * qp[t];
    }
    for (int64_t t = 0; t < k; t++) {
      error = fmax(error, fabs(qp[t] - pqp));
    }
    if (error < 0.005 / (double)k) {
      return;
    }
    for (int64_t t = 0; t < k; t++) {
      const double diff = (pqp - qp[t]) / q[t * k + t];
      p[t] += diff;
      pqp = (pqp + diff * (diff * q[t * k + t] + 2 * qp[t])) / (1 + diff) / (1 + diff);
      for (int64_t j = 0; j < k; j++) {
        qp[j] = (qp[j] + diff * q[t * k + j]) / (1 + diff);
        p[j] /= 1 + diff;
      }
    }
  }
}

static void probabilities(const aicc_eval_call *call, const svm *s, const double *scores,
                          double *p) {
  const int64_t k = s->classes;
  double *r = AICC_NEW_ARRAY(call->arena, double, k *k),
         *qp = AICC_NEW_ARRAY(call->arena, double, k);
  double *q = AICC_NEW_ARRAY(call->arena, double, k * k);
  int64_t pair = 0;
  for (int64_t i = 0; i < k; i++) {
    for (int64_t j = i + 1; j < k; j++, pair++) {
      const double e = exp(scores[pair] * s->prob_a[pair] + s->prob_b[pair]);
      r[i * k + j] = fmin(fmax(1 / (1 + e), 1e-7), 1 - 1e-7);
      r[j * k + i] = 1 - r[i * k + j];
    }
  }
  couple(k, r, q, qp, p);
}

static aicc_status read_svm(const aicc_eval_call *call, svm *s) {
  int ints = 0;
  aicc_get_ints(call->node, AICC_ATTR_INTS, &ints);
  const aicc_eval_value *x = call->in[0], *vectors = call->in[1];
  *s = (svm){.kernel = aicc_eval_opaque_int(call, 0, KERNEL_LINEAR),
             .classes = ints - 1,
             .gamma = aicc_eval_opaque_float(call, 0, 0),
             .coef0 = aicc_eval_opaque_float(call, 1, 0),
             .degree = aicc_eval_opaque_float(call, 2, 0)};
  if (s->classes < 1 || x->rank != 2 || vectors->rank != 2 || vectors->shape[1] != x->shape[1]) {
    return aicc_eval_fail(call, "no classes, or operands and vectors do not fit each other");
  }
  s->features = x->shape[1];
  s->vectors = vectors->shape[0];
  s->pairs = s->classes * (s->classes - 1) / 2;
  s->first = AICC_NEW_ARRAY(call->arena, int64_t, s->classes + 1);
  for (int64_t i = 0; i < s->classes; i++) {
    s->first[i + 1] = s->first[i] + aicc_eval_opaque_int(call, 1 + (int)i, 0);
  }
  const bool has_prob = aicc_eval_opaque_has(call, 4) && aicc_eval_opaque_has(call, 5);
  if (s->first[s->classes] != s->vectors || aicc_eval_value_count(call->in[3]) < s->pairs ||
      aicc_eval_value_count(call->in[2]) != (s->classes - 1) * s->vectors ||
      (has_prob && (aicc_eval_value_count(call->in[4]) < s->pairs ||
                    aicc_eval_value_count(call->in[5]) < s->pairs))) {
    return aicc_eval_fail(call, "the tables of the classifier do not fit each other");
  }
  s->vector = aicc_eval_all_f64(call, vectors);
  s->coefficient = aicc_eval_all_f64(call, call->in[2]);
  s->rho = aicc_eval_all_f64(call, call->in[3]);
  s->prob_a = has_prob ? aicc_eval_all_f64(call, call->in[4]) : NULL;
  s->prob_b = has_prob ? aicc_eval_all_f64(call, call->in[5]) : NULL;
  return AICC_OK;
}

aicc_status aicc_eval_opaque_svm_classifier(aicc_eval_call *call) {
  svm s = {0};
  AICC_TRY(read_svm(call, &s));
  const int64_t rows = call->in[0]->shape[0], columns = s.prob_a ? s.classes : s.pairs;
  if (aicc_eval_value_count(&call->out[0]) != rows * columns) {
    return aicc_eval_fail(call, "the result has other than %lld columns", (long long)columns);
  }
  const double *x = aicc_eval_all_f64(call, call->in[0]);
  double *kernels = AICC_NEW_ARRAY(call->arena, double, s.vectors + 1);
  double *scores = AICC_NEW_ARRAY(call->arena, double, s.pairs + 1);
  double *shares = AICC_NEW_ARRAY(call->arena, double, s.classes + 1);
  int64_t *votes = AICC_NEW_ARRAY(call->arena, int64_t, s.classes + 1);
  for (int64_t n = 0; n < rows; n++) {
    for (int64_t v = 0; v < s.vectors; v++) {
      kernels[v] = kernel_value(&s, x + n * s.features, s.vector + v * s.features);
    }
    const int64_t best = decide(&s, kernels, scores, votes);
    if (s.prob_a) {
      probabilities(call, &s, scores, shares);
    }
    aicc_eval_store_f64(call->out[0].dtype, call->out[0].data, n * columns, columns,
                        s.prob_a ? shares : scores);
    aicc_set_i64(call->out[1].dtype, call->out[1].data, (size_t)n, best);
  }
  return AICC_OK;
}

// --- matmul_nbits --------------------------------------------------------------------------------

// Field |index| of |bits| bits in a row of bytes, low bits first.
static unsigned unpack(const uint8_t *row, int64_t index, int bits) {
  const int64_t bit = index * bits;
  const unsigned low = row[bit / 8] >> bit % 8;
  const bool straddles = bit % 8 + bits > 8;
  const unsigned high = straddles ? (unsigned)row[bit / 8 + 1] << (8 - bit % 8) : 0;
  return (low | high) & ((1u << bits) - 1);
}

typedef struct nbits {
  int64_t k, n, bits, block, blocks, row_bytes;
} nbits;

static double zero_point(const aicc_eval_call *call, const nbits *m, int64_t n, int64_t block) {
  if (!aicc_eval_opaque_has(call, 3)) {
    return ldexp(1, (int)m->bits - 1);
  }
  const aicc_eval_value *zeros = call->in[3];
  if (zeros->dtype != AICC_U8) {
    return aicc_get_f64(zeros->dtype, zeros->data, (size_t)(n * m->blocks + block));
  }
  const int64_t row = (m->blocks * m->bits + 7) / 8;
  return (double)unpack((const uint8_t *)zeros->data + n * row, block, (int)m->bits);
}

// Row |n| of the dequantised matrix.
static void dequantise(const aicc_eval_call *call, const nbits *m, int64_t n, double *row) {
  const aicc_eval_value *scales = call->in[2];
  const uint8_t *bytes = (const uint8_t *)call->in[1]->data + n * m->blocks * m->row_bytes;
  for (int64_t k = 0; k < m->k; k++) {
    const int64_t block = k / m->block;
    const unsigned q = unpack(bytes + block * m->row_bytes, k % m->block, (int)m->bits);
    const double scale =
        aicc_get_f64(scales->dtype, scales->data, (size_t)(n * m->blocks + block));
    row[k] = ((double)q - zero_point(call, m, n, block)) * scale;
  }
}

// Activations in 8 bits: blocks of a row by their largest magnitude, to nearest even.
static void round_to_int8(double *row, int64_t count, int64_t block) {
  for (int64_t first = 0; first < count; first += block) {
    const int64_t end = first + block < count ? first + block : count;
    double most = 0;
    for (int64_t i = first; i < end; i++) {
      most = fmax(most, fabs(row[i]));
    }
    const double scale = (double)(float)(most / 127);
    for (int64_t i = first; i < end && scale > 0; i++) {
      row[i] = rint(row[i] / scale) * scale;
    }
  }
}

aicc_status aicc_eval_opaque_matmul_nbits(aicc_eval_call *call) {
  const aicc_eval_value *a = call->in[0];
  aicc_eval_value *out = &call->out[0];
  nbits m = {.k = aicc_eval_opaque_int(call, 0, 0),
             .n = aicc_eval_opaque_int(call, 1, 0),
             .bits = aicc_eval_opaque_int(call, 2, 4),
             .block = aicc_eval_opaque_int(call, 3, 32)};
  if (m.bits < 1 || m.bits > 8 || m.block < 1 || a->rank < 1 || a->shape[a->rank - 1] != m.k) {
    return aicc_eval_fail(call, "the parameters do not fit the operand");
  }
  m.blocks = (m.k + m.block - 1) / m.block;
  m.row_bytes = (m.block * m.bits + 7) / 8;
  if (aicc_eval_value_count(call->in[1]) != m.n * m.blocks * m.row_bytes ||
      aicc_eval_value_count(call->in[2]) != m.n * m.blocks) {
    return aicc_eval_fail(call, "the packed matrix or its scales do not fit the parameters");
  }
  double *x = aicc_eval_all_f64(call, a);
  double *row = AICC_NEW_ARRAY(call->arena, double, m.k + 1);
  const int64_t rows = m.k ? aicc_eval_value_count(a) / m.k : 0;
  for (int64_t i = 0; i < rows && aicc_eval_opaque_int(call, 4, 0) == 8; i++) {
    round_to_int8(x + i * m.k, m.k, m.block);
  }
  for (int64_t n = 0; n < m.n; n++) {
    dequantise(call, &m, n, row);
    const double bias = aicc_eval_opaque_has(call, 4)
                            ? aicc_get_f64(call->in[4]->dtype, call->in[4]->data, (size_t)n)
                            : 0;
    for (int64_t i = 0; i < rows; i++) {
      double sum = bias;
      for (int64_t k = 0; k < m.k; k++) {
        sum += x[i * m.k + k] * row[k];
      }
      aicc_eval_store_f64(out->dtype, out->data, i * m.n + n, 1, &sum);
    }
  }
  return AICC_OK;
}
