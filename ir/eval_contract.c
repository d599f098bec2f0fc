// Sums of products: matrix multiply, convolution, attention. Floats accumulate in double, integers
// in int64, wrapped to the result's type at the end.
#include <math.h>
#include <string.h>

#include "ir/eval_call.h"

// --- matrix multiply -----------------------------------------------------------------------------

typedef struct matmul {
  int64_t m, n, k;
  int64_t a_row, a_col, b_row, b_col;  // strides of the two matrices
} matmul;

static aicc_status read_matmul(aicc_eval_call *call, matmul *mm) {
  const aicc_eval_value *a = call->in[0], *b = call->in[1], *out = &call->out[0];
  if (a->rank < 2 || b->rank < 2 || out->rank < 2) {
    return aicc_eval_fail(call, "operands need two dimensions");
  }
  const int64_t *as = a->shape + a->rank - 2, *bs = b->shape + b->rank - 2;
  const bool ta = aicc_get_int(call->node, AICC_ATTR_TRANS_A, 0) != 0;
  const bool tb = aicc_get_int(call->node, AICC_ATTR_TRANS_B, 0) != 0;
  *mm = (matmul){
      .m = as[ta ? 1 : 0],
      .k = as[ta ? 0 : 1],
      .n = bs[tb ? 0 : 1],
      .a_row = ta ? 1 : as[1],
      .a_col = ta ? as[1] : 1,
      .b_row = tb ? 1 : bs[1],
      .b_col = tb ? bs[1] : 1,
  };
  const int64_t *cs = out->shape + out->rank - 2;
  if (bs[tb ? 1 : 0] != mm->k || cs[0] != mm->m || cs[1] != mm->n) {
    return aicc_eval_fail(call, "the matrices do not fit each other");
  }
  return AICC_OK;
}

// One matrix: loops over k outside of n, so that the inner loop runs over dense rows.
#define DEFINE_MATMUL(suffix, ctype, utype)                                                     \
  static void matmul_##suffix(const matmul *mm, const ctype *a, const ctype *b, ctype *c) {     \
    memset(c, 0, sizeof(ctype) * (size_t)(mm->m * mm->n));                                      \
    for (int64_t i = 0; i < mm->m; i++) {                                                       \
      for (int64_t k = 0; k < mm->k; k++) {                                                     \
        const utype x = (utype)a[i * mm->a_row + k * mm->a_col];                                \
        const ctype *row = b + k * mm->n;                                                       \
        ctype *to = c + i * mm->n;                                                              \
        for (int64_t j = 0; j < mm->n; j++) {                                                   \
          to[j] = (ctype)((utype)to[j] + x * (utype)row[j]);                                    \
        }                                                                                       \
      }                                                                                         \
    }                                                                                           \
  }                                                                                             \
  /* The right matrix with dense rows of n. */                                                  \
  static void straighten_##suffix(const matmul *mm, const ctype *b, ctype *out) {               \
    for (int64_t k = 0; k < mm->k; k++) {                                                       \
      for (int64_t j = 0; j < mm->n; j++) {                                                     \
        out[k * mm->n + j] = b[k * mm->b_row + j * mm->b_col];                                  \
      }                                                                                         \
    }                                                                                           \
  }
DEFINE_MATMUL(f64, double, double)
DEFINE_MATMUL(i64, int64_t, uint64_t)

// Offsets, in matrices, of the operands of one batch entry.
static aicc_status begin_batches(aicc_eval_call *call, aicc_eval_walk *walk) {
  const aicc_eval_value *out = &call->out[0];
  aicc_eval_walk_init(walk, out->rank - 2, out->shape);
  aicc_eval_walk_add_dense(walk);
  for (int i = 0; i < 2; i++) {
    aicc_eval_value batch = *call->in[i];
    batch.rank -= 2;
    if (!aicc_eval_walk_add_broadcast(walk, &batch)) {
      return aicc_eval_fail(call, "batch dimensions do not broadcast");
    }
  }
  return AICC_OK;
}

static void matmul_batches_f64(aicc_eval_call *call, const matmul *mm, aicc_eval_walk *walk) {
  const double *a = aicc_eval_all_f64(call, call->in[0]);
  const double *b = aicc_eval_all_f64(call, call->in[1]);
  double *straight = AICC_NEW_ARRAY(call->arena, double, mm->k * mm->n + 1);
  double *c = AICC_NEW_ARRAY(call->arena, double, mm->m * mm->n + 1);
  while (aicc_eval_walk_next(walk)) {
    for (int64_t i = 0; i < walk->size; i++) {
      straighten_f64(mm, b + (walk->offset[2] + i * walk->step[2]) * mm->k * mm->n, straight);
      matmul_f64(mm, a + (walk->offset[1] + i * walk->step[1]) * mm->m * mm->k, straight, c);
      aicc_eval_store_f64(call->out[0].dtype, call->out[0].data,
                          (walk->offset[0] + i * walk->step[0]) * mm->m * mm->n, mm->m * mm->n, c);
    }
  }
}

static void matmul_batches_i64(aicc_eval_call *call, const matmul *mm, aicc_eval_walk *walk) {
  const int64_t *a = aicc_eval_all_i64(call, call->in[0]);
  const int64_t *b = aicc_eval_all_i64(call, call->in[1]);
  int64_t *straight = AICC_NEW_ARRAY(call->arena, int64_t, mm->k * mm->n + 1);
  int64_t *c = AICC_NEW_ARRAY(call->arena, int64_t, mm->m * mm->n + 1);
  while (aicc_eval_walk_next(walk)) {
    for (int64_t i = 0; i < walk->size; i++) {
      straighten_i64(mm, b + (walk->offset[2] + i * walk->step[2]) * mm->k * mm->n, straight);
      matmul_i64(mm, a + (walk->offset[1] + i * walk->step[1]) * mm->m * mm->k, straight, c);
      aicc_eval_store_i64(call->out[0].dtype, call->out[0].data,
                          (walk->offset[0] + i * walk->step[0]) * mm->m * mm->n, mm->m * mm->n, c);
    }
  }
}

aicc_status aicc_eval_op_matmul(aicc_eval_call *call) {
  matmul mm = {0};
  aicc_eval_walk walk;
  AICC_TRY(read_matmul(call, &mm));
  AICC_TRY(begin_batches(call, &walk));
  if (aicc_eval_is_int(call->in[0]->dtype)) {
    matmul_batches_i64(call, &mm, &walk);
  } else {
    matmul_batches_f64(call, &mm, &walk);
  }
  return AICC_OK;
}

// --- attention -----------------------------------------------------------------------------------

typedef struct attention {
  int64_t batch, heads, groups, s, t, d, e;
  double scale, softcap;
  bool causal;
  int64_t past;
  const char *mode;
  const double *q, *k, *v, *bias;
  int64_t bias_strides[4];
} attention;

static aicc_status read_attention(aicc_eval_call *call, attention *at) {
  const aicc_eval_value *q = call->in[0], *k = call->in[1], *v = call->in[2];
  if (q->rank != 4 || k->rank != 4 || v->rank != 4 || k->shape[1] == 0 ||
      q->shape[1] % k->shape[1] != 0 || k->shape[3] != q->shape[3]) {
    return aicc_eval_fail(call, "query, key and value do not fit each other");
  }
  *at = (attention){
      .batch = q->shape[0],
      .heads = q->shape[1],
      .groups = k->shape[1],
      .s = q->shape[2],
      .t = k->shape[2],
      .d = q->shape[3],
      .e = v->shape[3],
      .scale = aicc_get_float(call->node, AICC_ATTR_SCALE, 0),
      .softcap = aicc_get_float(call->node, AICC_ATTR_SOFTCAP, 0),
      .causal = aicc_get_int(call->node, AICC_ATTR_CAUSAL, 0) != 0,
      .mode = aicc_get_string(call->node, AICC_ATTR_MODE, "zero"),
      .q = aicc_eval_all_f64(call, q),
      .k = aicc_eval_all_f64(call, k),
      .v = aicc_eval_all_f64(call, v),
  };
  at->scale = at->scale == 0 ? 1 / sqrt((double)at->d) : at->scale;
  int count = 0;
  const aicc_dim *past = aicc_get_dims(call->node, AICC_ATTR_PAST, &count);
  at->past = at->t - at->s;
  if (count == 1) {
    AICC_TRY(aicc_eval_dim(call, past[0], &at->past));
  }
  if (call->node->in_count < 4 || !call->in[3]) {
    return AICC_OK;
  }
  const int64_t scores[4] = {at->batch, at->heads, at->s, at->t};
  aicc_eval_walk walk;
  aicc_eval_walk_init(&walk, 4, scores);
  if (!aicc_eval_walk_add_broadcast(&walk, call->in[3])) {
    return aicc_eval_fail(call, "the bias does not broadcast to the scores");
  }
  memcpy(at->bias_strides, walk.strides[0], sizeof at->bias_strides);
  at->bias = aicc_eval_all_f64(call, call->in[3]);
  return AICC_OK;
}

// The scores of one query: scaled, capped, biased, then masked.
static void score_row(const attention *at, int64_t b, int64_t h, int64_t i, double *row) {
  const int64_t group = h / (at->heads / at->groups);
  const double *query = at->q + ((b * at->heads + h) * at->s + i) * at->d;
  for (int64_t j = 0; j < at->t; j++) {
    const double *key = at->k + ((b * at->groups + group) * at->t + j) * at->d;
    double sum = 0;
    for (int64_t x = 0; x < at->d; x++) {
      sum += query[x] * key[x];
    }
    sum *= at->scale;
    sum = at->softcap > 0 ? at->softcap * tanh(sum / at->softcap) : sum;
    if (at->bias) {
      sum += at->bias[b * at->bias_strides[0] + h * at->bias_strides[1] +
                      i * at->bias_strides[2] + j * at->bias_strides[3]];
    }
    row[j] = at->causal && j > i + at->past ? -(double)INFINITY : sum;
  }
}

// Softmax in place. A row without any key is all zero, or NaN by the mode.
static void softmax_row(double *row, int64_t count, const char *mode) {
  double most = -(double)INFINITY, sum = 0;
  for (int64_t j = 0; j < count; j++) {
    most = row[j] > most ? row[j] : most;
  }
  for (int64_t j = 0; j < count; j++) {
    row[j] = isinf(most) && most < 0 ? 0 : exp(row[j] - most);
    sum += row[j];
  }
  const bool guard = strcmp(mode, "guard") == 0;
  const bool zero = guard ? !(sum > 0) : sum == 0 && strcmp(mode, "nan") != 0;
  for (int64_t j = 0; j < count; j++) {
    row[j] = zero ? 0 : row[j] / sum;
  }
}

aicc_status aicc_eval_op_attention(aicc_eval_call *call) {
  attention at = {0};
  AICC_TRY(read_attention(call, &at));
  double *row = AICC_NEW_ARRAY(call->arena, double, at.t + 1);
  double *sums = AICC_NEW_ARRAY(call->arena, double, at.e + 1);
  for (int64_t r = 0; r < at.batch * at.heads * at.s; r++) {
    const int64_t i = r % at.s, h = r / at.s % at.heads, b = r / at.s / at.heads;
    score_row(&at, b, h, i, row);
    softmax_row(row, at.t, at.mode);
    memset(sums, 0, sizeof *sums * (size_t)at.e);
    const double *v =
        at.v + (b * at.groups + h / (at.heads / at.groups)) * at.t * at.e;
    for (int64_t j = 0; j < at.t; j++) {
      for (int64_t x = 0; x < at.e; x++) {
        sums[x] += row[j] * v[j * at.e + x];
      }
    }
    aicc_eval_store_f64(call->out[0].dtype, call->out[0].data, r * at.e, at.e, sums);
  }
  return AICC_OK;
}
