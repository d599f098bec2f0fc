// What the kernels of attention share, on CPUs (lower_attention.c) and GPUs
// (lower_gpu_attention*.c): the operator and what happens to one score and one sum.
#ifndef AICC_PASSES_LOWER_ATTENTION_H
#define AICC_PASSES_LOWER_ATTENTION_H

#include "passes/lower_own.h"

typedef struct attend {
  aicc_lower *lw;
  lower_kernel lk;
  aicc_node *group;
  const aicc_node *node;
  const aicc_value *q, *k, *v, *bias;
  int64_t d, e, heads, per_group;
  double scale, softcap;
  bool causal;                      // query i sees key j where j <= i + past
  aicc_dim past;
  const char *mode;
  kir_val b, h, g, s_size, t_size;  // batch, head, its head of keys and values; queries, keys
  // The CPU's kernels alone.
  int width, nv, mr, rows, keys;    // vectors and query rows, broadcast rows, keys of a block
  kir_val s0;                       // the first query
  kir_val row[8];                   // the query of each vector's lanes, in range
  kir_val q_tile, scores, sums, block, bias_tile, raw;
  kir_val found[8];                 // the maximum of a vector's rows so far
  kir_val most, total, correction;  // per row
} attend;

static inline kir_val attend_number(attend *a, double value) {
  return kir_const(&a->lk.b, AICC_F32, value);
}

static inline kir_val attend_least(attend *a, kir_val x, kir_val y) {
  return kir_scalar2(&a->lk.b, AICC_OP_MIN, x, y);
}

// Fills in the operator, from q to mode. False: sizes or types that no kernel takes.
bool attend_read(attend *a);
// Where a task over batches, heads and |blocks| blocks of queries stands: fills in b to t_size; the
// number of its block.
kir_val attend_task(attend *a, aicc_dim blocks);
aicc_dim attend_flops(const attend *a);  // of the two products
kir_val attend_group(attend *a, kir_val head);  // the head of keys and values that |head| shares
bool attend_bias_varies(const attend *a);  // between queries
// The bias of (query, key), of a type that broadcasts to the scores.
kir_val attend_bias(attend *a, kir_val query, kir_val key);
// What happens to a score before softmax: cap and bias (0: none), and then the causal limit.
kir_val attend_bend(attend *a, kir_val score, kir_val bias);
kir_val attend_limit(attend *a, kir_val score, kir_val query, kir_val key);
kir_val attend_finish_score(attend *a, kir_val score, kir_val bias, kir_val query, kir_val key);
// 1 / total; rows without a key are zero, or NaN, or zero like all rows with a NaN, by the mode.
kir_val attend_inverse(attend *a, kir_val total);
kir_val attend_scaled_sum(attend *a, kir_val sum, kir_val total, kir_val inverse);
// The element of the result that (batch, head, query, e) is: the result may be a transpose.
kir_val attend_place(attend *a, const kir_val *index);
void attend_store(attend *a, kir_val out, const kir_val *index, kir_val value);

// On GPUs (lower_gpu_attention.c): |read| is what attend_read gave.
void own_lower_attention_gpu(own *o, const attend *read);

#endif
