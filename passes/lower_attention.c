// Fused attention: softmax(scale * q k^T + bias) v without the scores in memory.
//
// A task takes a block of query rows of one head; *lanes are query rows*, so that maxima, sums and
// corrections of softmax stay within a lane, and neither keys nor values are packed or transposed:
//
//   local q[D][rows]                                 transposed once a task, scaled
//   for a block of keys:
//     local scores[keys][rows] = k[key, :] . q       keys are scalars, broadcast
//     softcap, bias, causal limit; maximum, exponentials, sums; correction of earlier sums
//     local sums[E][rows] += v[key, :] * scores      values are scalars, broadcast
//   result[row, :] = sums[:, row] / sum of exponentials
//
// Fewer than FEW_QUERIES queries would leave most lanes idle: there lanes run along the heads'
// sizes, a task is one query of one head, and only softmax has its lanes along the keys.
//
// Rows beyond the last query repeat it and are not stored; keys beyond the last repeat it and are
// not summed. Statistics and sums are f32; scores of 16-bit types round where a bias is added, as
// the operators one by one would. q and the bias may be computed inside (their elements are read
// once, and once a head), k and v are read through views.
#include <math.h>
#include <string.h>

#include "passes/lower_attention.h"

enum {
  MAX_KEYS = 96,     // of a block
  FEW_QUERIES = 8,   // fewer have a kernel of their own, of blocks of
  FEW_KEYS = 256
};

static kir_val lane_of(attend *a, int v) {
  return kir_add(&a->lk.b, lk_i64(&a->lk, v * a->width), kir_lane(&a->lk.b));
}

// Place (outer, vector v) of a local [..][rows].
static kir_val place_of(attend *a, kir_val outer, int v) {
  kir_builder *b = &a->lk.b;
  return kir_add(b, kir_mul(b, outer, lk_i64(&a->lk, a->rows)), lane_of(a, v));
}

// --- a task's state ------------------------------------------------------------------------------

// tile[i * rows + r] = raw[r * size + i]. Element by element, which is faster than gathers and
// scatters; behind a loop that loads all rows, so that their cache misses overlap.
static void transpose_raw(attend *a, kir_val tile, int64_t size, kir_val count) {
  lower_kernel *lk = &a->lk;
  kir_builder *b = &lk->b;
  const kir_val r = lk_for(lk, KIR_SERIAL, lk_i64(lk, 0), lk_i64(lk, a->rows));
  const kir_val i = lk_for(lk, KIR_SERIAL, lk_i64(lk, 0), count);
  const kir_val from = kir_add(b, kir_mul(b, r, lk_i64(lk, size)), i);
  const kir_val to = kir_add(b, kir_mul(b, i, lk_i64(lk, a->rows)), r);
  kir_store(b, tile, to, kir_load(b, a->raw, from));
  lk_end(lk);
  lk_end(lk);
}

// The query of row r of the block, in range.
static kir_val query_of(attend *a, kir_val r) {
  const kir_val last = kir_sub(&a->lk.b, a->s_size, lk_i64(&a->lk, 1));
  return attend_least(a, kir_add(&a->lk.b, a->s0, r), last);
}

static void load_queries(attend *a) {
  lower_kernel *lk = &a->lk;
  kir_builder *b = &lk->b;
  const size_t mark = lk_mark(lk);
  const kir_val r = lk_for(lk, KIR_SERIAL, lk_i64(lk, 0), lk_i64(lk, a->rows));
  const kir_val query = query_of(a, r);
  const kir_val d = lk_for(lk, KIR_LANES, lk_i64(lk, 0), lk_i64(lk, a->d));
  const kir_val index[] = {a->b, a->h, query, d};
  const kir_val at = kir_add(b, kir_mul(b, r, lk_i64(lk, a->d)), d);
  kir_store(b, a->raw, at, kir_mul(b, lk_elem(lk, a->q, index), attend_number(a, a->scale)));
  lk_end(lk);
  lk_end(lk);
  lk_forget(lk, mark);
  transpose_raw(a, a->q_tile, a->d, lk_i64(lk, a->d));
  const kir_val e = lk_for(lk, KIR_SERIAL, lk_i64(lk, 0), lk_i64(lk, a->e));
  for (int v = 0; v < a->nv; v++) {
    kir_store(b, a->sums, place_of(a, e, v), attend_number(a, 0));
  }
  lk_end(lk);
  for (int v = 0; v < a->nv; v++) {
    kir_store(b, a->most, lane_of(a, v), attend_number(a, -INFINITY));
    kir_store(b, a->total, lane_of(a, v), attend_number(a, 0));
  }
}

// Keys or values of 16 bits are widened a block at a time, in vectors.
static void widen_block(attend *a, const aicc_value *value, int64_t size, kir_val t0,
                        kir_val count) {
  lower_kernel *lk = &a->lk;
  kir_builder *b = &lk->b;
  if (value->type.dtype == AICC_F32) {
    return;
  }
  const size_t mark = lk_mark(lk);
  const kir_val t = lk_for(lk, KIR_SERIAL, lk_i64(lk, 0), count);
  const kir_val i = lk_for(lk, KIR_LANES, lk_i64(lk, 0), lk_i64(lk, size));
  const kir_val index[] = {a->b, a->g, kir_add(b, t0, t), i};
  kir_store(b, a->block, kir_add(b, kir_mul(b, t, lk_i64(lk, size)), i),
            lk_elem(lk, value, index));
  lk_end(lk);
  lk_end(lk);
  lk_forget(lk, mark);
}

static kir_val block_elem(attend *a, const aicc_value *value, int64_t size, kir_val t0, kir_val t,
                          kir_val i) {
  kir_builder *b = &a->lk.b;
  if (value->type.dtype != AICC_F32) {
    return kir_load(b, a->block, kir_add(b, kir_mul(b, t, lk_i64(&a->lk, size)), i));
  }
  const kir_val index[] = {a->b, a->g, kir_add(b, t0, t), i};
  return lk_elem(&a->lk, value, index);
}

// --- scores --------------------------------------------------------------------------------------

// Whether scores go into softmax as the products give them.
static bool is_plain(const attend *a) { return a->softcap == 0 && !a->bias && !a->causal; }

// Scores of mr keys from |first| of the block; where |clamp|, those beyond the last repeat it.
static void score_keys(attend *a, kir_val t0, kir_val first, kir_val count, bool clamp) {
  lower_kernel *lk = &a->lk;
  kir_builder *b = &lk->b;
  const size_t mark = lk_mark(lk);
  const kir_val last = kir_sub(b, count, lk_i64(lk, 1));
  kir_val key[32];
  for (int i = 0; i < a->mr; i++) {
    key[i] = kir_add(b, first, lk_i64(lk, i));
    key[i] = clamp ? attend_least(a, key[i], last) : key[i];
  }
  const kir_val acc = kir_array(b, AICC_F32, a->mr * a->nv, true);
  for (int i = 0; i < a->mr * a->nv; i++) {
    kir_aset(b, acc, lk_i64(lk, i), attend_number(a, 0));
  }
  const kir_val d = lk_for(lk, KIR_SERIAL, lk_i64(lk, 0), lk_i64(lk, a->d));
  kir_val vectors[8];
  for (int v = 0; v < a->nv; v++) {
    vectors[v] = kir_load(b, a->q_tile, place_of(a, d, v));
  }
  for (int i = 0; i < a->mr; i++) {
    const kir_val item = block_elem(a, a->k, a->d, t0, key[i], d);
    for (int v = 0; v < a->nv; v++) {
      const kir_val slot = lk_i64(lk, i * a->nv + v);
      kir_aset(b, acc, slot, kir_fma(b, item, vectors[v], kir_aget(b, acc, slot)));
    }
  }
  lk_end(lk);
  for (int v = 0; v < a->nv; v++) {
    kir_val most = 0;
    for (int i = 0; i < a->mr; i++) {
      const kir_val score = kir_aget(b, acc, lk_i64(lk, i * a->nv + v));
      kir_store(b, a->scores, place_of(a, kir_add(b, first, lk_i64(lk, i)), v), score);
      most = most ? kir_scalar2(b, AICC_OP_MAX, most, score) : score;
    }
    if (is_plain(a)) {
      kir_set(b, a->found[v], kir_scalar2(b, AICC_OP_MAX, kir_get(b, a->found[v]), most));
    }
  }
  lk_forget(lk, mark);
}

static void score_block(attend *a, kir_val t0, kir_val count) {
  lower_kernel *lk = &a->lk;
  kir_builder *b = &lk->b;
  widen_block(a, a->k, a->d, t0, count);
  const kir_val mr = lk_i64(lk, a->mr);
  const kir_val whole = kir_mul(b, kir_scalar2(b, AICC_OP_DIV, count, mr), mr);
  const kir_val first = kir_for(b, KIR_SERIAL, lk_i64(lk, 0), whole, mr);
  score_keys(a, t0, first, count, false);
  lk_end(lk);
  kir_if(b, kir_scalar2(b, AICC_OP_LT, whole, count));
  score_keys(a, t0, whole, count, true);
  lk_end(lk);
}

// A bias that differs between queries goes through a tile: its own lanes are keys.
static void load_bias(attend *a, kir_val t0, kir_val count) {
  lower_kernel *lk = &a->lk;
  const size_t mark = lk_mark(lk);
  const kir_val r = lk_for(lk, KIR_SERIAL, lk_i64(lk, 0), lk_i64(lk, a->rows));
  const kir_val query = query_of(a, r);
  const kir_val t = lk_for(lk, KIR_LANES, lk_i64(lk, 0), count);
  const kir_val at = kir_add(&lk->b, kir_mul(&lk->b, r, lk_i64(lk, a->keys)), t);
  kir_store(&lk->b, a->raw, at, attend_bias(a, query, kir_add(&lk->b, t0, t)));
  lk_end(lk);
  lk_end(lk);
  lk_forget(lk, mark);
  transpose_raw(a, a->bias_tile, a->keys, count);
}

// Biases, caps and limits, and the maximum.
static void finish_scores(attend *a, kir_val t0, kir_val count) {
  lower_kernel *lk = &a->lk;
  kir_builder *b = &lk->b;
  if (a->bias && attend_bias_varies(a)) {
    load_bias(a, t0, count);
  }
  const size_t mark = lk_mark(lk);
  const kir_val t = lk_for(lk, KIR_SERIAL, lk_i64(lk, 0), count);
  for (int v = 0; v < a->nv; v++) {
    const kir_val place = place_of(a, t, v);
    const kir_val key = kir_add(b, t0, t);
    const kir_val bias = !a->bias ? 0
                         : attend_bias_varies(a) ? kir_load(b, a->bias_tile, place)
                                          : attend_bias(a, 0, key);
    const kir_val score =
        attend_finish_score(a, kir_load(b, a->scores, place), bias, a->row[v], key);
    kir_store(b, a->scores, place, score);
    kir_set(b, a->found[v], kir_scalar2(b, AICC_OP_MAX, kir_get(b, a->found[v]), score));
  }
  lk_end(lk);
  lk_forget(lk, mark);
}

// --- softmax -------------------------------------------------------------------------------------

static void soften(attend *a, kir_val count) {
  lower_kernel *lk = &a->lk;
  kir_builder *b = &lk->b;
  kir_val shift[8], sum[8];
  for (int v = 0; v < a->nv; v++) {
    const kir_val found = kir_get(b, a->found[v]);
    const kir_val none = kir_scalar2(b, AICC_OP_EQ, found, attend_number(a, -INFINITY));
    shift[v] = kir_select(b, none, attend_number(a, 0), found);
    sum[v] = kir_var(b, attend_number(a, 0), true);
  }
  const kir_val t = lk_for(lk, KIR_SERIAL, lk_i64(lk, 0), count);
  for (int v = 0; v < a->nv; v++) {
    const kir_val at = place_of(a, t, v);
    const kir_val term = kir_scalar1(b, AICC_OP_EXP,
                                     kir_sub(b, kir_load(b, a->scores, at), shift[v]));
    kir_store(b, a->scores, at, term);
    kir_set(b, sum[v], kir_add(b, kir_get(b, sum[v]), term));
  }
  lk_end(lk);
  for (int v = 0; v < a->nv; v++) {
    const kir_val before = kir_load(b, a->most, lane_of(a, v));
    const kir_val correction = kir_scalar1(b, AICC_OP_EXP, kir_sub(b, before, shift[v]));
    const kir_val total = kir_load(b, a->total, lane_of(a, v));
    kir_store(b, a->total, lane_of(a, v), kir_fma(b, total, correction, kir_get(b, sum[v])));
    kir_store(b, a->most, lane_of(a, v), kir_get(b, a->found[v]));
    kir_store(b, a->correction, lane_of(a, v), correction);
  }
}

// --- values --------------------------------------------------------------------------------------

static void sum_values(attend *a, kir_val e0, int count, kir_val t0, kir_val keys) {
  lower_kernel *lk = &a->lk;
  kir_builder *b = &lk->b;
  const size_t mark = lk_mark(lk);
  const kir_val acc = kir_array(b, AICC_F32, count * a->nv, true);
  for (int i = 0; i < count; i++) {
    for (int v = 0; v < a->nv; v++) {
      const kir_val before = kir_load(b, a->sums, place_of(a, kir_add(b, e0, lk_i64(lk, i)), v));
      kir_aset(b, acc, lk_i64(lk, i * a->nv + v),
               kir_mul(b, before, kir_load(b, a->correction, lane_of(a, v))));
    }
  }
  const kir_val t = lk_for(lk, KIR_SERIAL, lk_i64(lk, 0), keys);
  kir_val vectors[8];
  for (int v = 0; v < a->nv; v++) {
    vectors[v] = kir_load(b, a->scores, place_of(a, t, v));
  }
  for (int i = 0; i < count; i++) {
    const kir_val item = block_elem(a, a->v, a->e, t0, t, kir_add(b, e0, lk_i64(lk, i)));
    for (int v = 0; v < a->nv; v++) {
      const kir_val slot = lk_i64(lk, i * a->nv + v);
      kir_aset(b, acc, slot, kir_fma(b, item, vectors[v], kir_aget(b, acc, slot)));
    }
  }
  lk_end(lk);
  for (int i = 0; i < count; i++) {
    for (int v = 0; v < a->nv; v++) {
      kir_store(b, a->sums, place_of(a, kir_add(b, e0, lk_i64(lk, i)), v),
                kir_aget(b, acc, lk_i64(lk, i * a->nv + v)));
    }
  }
  lk_forget(lk, mark);
}

static void value_block(attend *a, kir_val t0, kir_val count) {
  lower_kernel *lk = &a->lk;
  widen_block(a, a->v, a->e, t0, count);
  const int whole = (int)(a->e / a->mr) * a->mr;
  const kir_val e0 = kir_for(&lk->b, KIR_SERIAL, lk_i64(lk, 0), lk_i64(lk, whole),
                             lk_i64(lk, a->mr));
  sum_values(a, e0, a->mr, t0, count);
  lk_end(lk);
  if (whole < a->e) {
    sum_values(a, lk_i64(lk, whole), (int)a->e - whole, t0, count);
  }
}

// --- results -------------------------------------------------------------------------------------

static void store_rows(attend *a, aicc_slot result) {
  lower_kernel *lk = &a->lk;
  kir_builder *b = &lk->b;
  const kir_val out = lk_buffer(lk, result, KIR_WRITE);
  const kir_val left = attend_least(a, kir_sub(b, a->s_size, a->s0), lk_i64(lk, a->rows));
  const kir_val row = lk_for(lk, KIR_SERIAL, lk_i64(lk, 0), left);
  const kir_val total = kir_load(b, a->total, row), inverse = attend_inverse(a, total);
  kir_val e = lk_for(lk, KIR_SERIAL, lk_i64(lk, 0), lk_i64(lk, a->e));
  const kir_val at = kir_add(b, kir_mul(b, e, lk_i64(lk, a->rows)), row);
  kir_store(b, a->raw, e, kir_load(b, a->sums, at));
  lk_end(lk);
  e = lk_for(lk, KIR_LANES, lk_i64(lk, 0), lk_i64(lk, a->e));
  const kir_val index[] = {a->b, a->h, kir_add(b, a->s0, row), e};
  attend_store(a, out, index, attend_scaled_sum(a, kir_load(b, a->raw, e), total, inverse));
  lk_end(lk);
  lk_end(lk);
}

// --- few queries: lanes along the heads' sizes ---------------------------------------------------

typedef struct single_row {
  kir_val query, scores;      // local: of a block of keys
  kir_val q, sums;            // arrays of vectors: [D / width], [E / width]
  kir_val most, total;        // variables
} single_row;

// Vector j of row t of k or v.
static kir_val vector_of(attend *a, const aicc_value *value, kir_val t, int j) {
  const kir_val index[] = {a->b, a->g, t, lane_of(a, j)};
  return lk_elem(&a->lk, value, index);
}

static void score_row(attend *a, const single_row *r, kir_val t0, kir_val count) {
  lower_kernel *lk = &a->lk;
  kir_builder *b = &lk->b;
  const size_t mark = lk_mark(lk);
  const kir_val t = lk_for(lk, KIR_SERIAL, lk_i64(lk, 0), count);
  kir_val sum = 0;
  for (int j = 0; j < (int)a->d / a->width; j++) {
    const kir_val k = vector_of(a, a->k, kir_add(b, t0, t), j);
    const kir_val q = kir_aget(b, r->q, lk_i64(lk, j));
    sum = sum ? kir_fma(b, k, q, sum) : kir_mul(b, k, q);
  }
  kir_store(b, r->scores, t, kir_reduce(b, AICC_OP_ADD, sum));
  lk_end(lk);
  lk_forget(lk, mark);
}

// Softmax of a block of keys, lanes along the keys. Returns what earlier sums are multiplied by.
static kir_val soften_row(attend *a, const single_row *r, kir_val t0, kir_val count) {
  lower_kernel *lk = &a->lk;
  kir_builder *b = &lk->b;
  const size_t mark = lk_mark(lk);
  const kir_val most = kir_var(b, attend_number(a, -INFINITY), true);
  kir_val t = lk_for(lk, KIR_LANES, lk_i64(lk, 0), count);
  const kir_val key = kir_add(b, t0, t);
  const kir_val bias = a->bias ? attend_bias(a, r->query, key) : 0;
  const kir_val score = attend_finish_score(a, kir_load(b, r->scores, t), bias, r->query, key);
  kir_store(b, r->scores, t, score);
  kir_set(b, most, kir_scalar2(b, AICC_OP_MAX, kir_get(b, most), score));
  lk_end(lk);
  lk_forget(lk, mark);
  const kir_val before = kir_get(b, r->most);
  const kir_val here = kir_reduce(b, AICC_OP_MAX, kir_get(b, most));
  const kir_val found = kir_scalar2(b, AICC_OP_MAX, before, here);
  const kir_val none = kir_scalar2(b, AICC_OP_EQ, found, attend_number(a, -INFINITY));
  const kir_val shift = kir_select(b, none, attend_number(a, 0), found);
  const kir_val sum = kir_var(b, attend_number(a, 0), true);
  t = lk_for(lk, KIR_LANES, lk_i64(lk, 0), count);
  const kir_val term = kir_scalar1(b, AICC_OP_EXP, kir_sub(b, kir_load(b, r->scores, t), shift));
  kir_store(b, r->scores, t, term);
  kir_set(b, sum, kir_add(b, kir_get(b, sum), term));
  lk_end(lk);
  const kir_val correction = kir_scalar1(b, AICC_OP_EXP, kir_sub(b, before, shift));
  kir_set(b, r->total, kir_fma(b, kir_get(b, r->total), correction,
                               kir_reduce(b, AICC_OP_ADD, kir_get(b, sum))));
  kir_set(b, r->most, found);
  return correction;
}

static void sum_row(attend *a, const single_row *r, kir_val t0, kir_val count,
                    kir_val correction) {
  lower_kernel *lk = &a->lk;
  kir_builder *b = &lk->b;
  const int vectors = (int)a->e / a->width;
  for (int j = 0; j < vectors; j++) {
    const kir_val sum = kir_aget(b, r->sums, lk_i64(lk, j));
    kir_aset(b, r->sums, lk_i64(lk, j), kir_mul(b, sum, correction));
  }
  const size_t mark = lk_mark(lk);
  const kir_val t = lk_for(lk, KIR_SERIAL, lk_i64(lk, 0), count);
  const kir_val weight = kir_load(b, r->scores, t);
  for (int j = 0; j < vectors; j++) {
    const kir_val sum = kir_aget(b, r->sums, lk_i64(lk, j));
    const kir_val item = vector_of(a, a->v, kir_add(b, t0, t), j);
    kir_aset(b, r->sums, lk_i64(lk, j), kir_fma(b, weight, item, sum));
  }
  lk_end(lk);
  lk_forget(lk, mark);
}

static void begin_row(attend *a, single_row *r) {
  lower_kernel *lk = &a->lk;
  kir_builder *b = &lk->b;
  r->scores = kir_local(b, AICC_F32, a->keys);
  r->q = kir_array(b, AICC_F32, a->d / a->width, true);
  r->sums = kir_array(b, AICC_F32, a->e / a->width, true);
  r->most = kir_var(b, attend_number(a, -INFINITY), false);
  r->total = kir_var(b, attend_number(a, 0), false);
  for (int j = 0; j < (int)a->d / a->width; j++) {
    const kir_val index[] = {a->b, a->h, r->query, lane_of(a, j)};
    const kir_val item = kir_mul(b, lk_elem(lk, a->q, index), attend_number(a, a->scale));
    kir_aset(b, r->q, lk_i64(lk, j), item);
  }
  for (int j = 0; j < (int)a->e / a->width; j++) {
    kir_aset(b, r->sums, lk_i64(lk, j), attend_number(a, 0));
  }
}

// Beyond the last key that one of |rows| queries sees.
static kir_val end_of_keys(attend *a, int rows) {
  kir_builder *b = &a->lk.b;
  if (!a->causal) {
    return a->t_size;
  }
  const kir_val next = attend_least(a, kir_add(b, a->s0, lk_i64(&a->lk, rows)), a->s_size);
  return attend_least(a, a->t_size, kir_add(b, next, lk_dim(&a->lk, a->past)));
}

// A task is one query of one head.
static void emit_row(attend *a, aicc_slot result) {
  lower_kernel *lk = &a->lk;
  kir_builder *b = &lk->b;
  single_row r = {.query = a->s0};
  begin_row(a, &r);
  const size_t mark = lk_mark(lk);
  const kir_val t0 = kir_for(b, KIR_SERIAL, lk_i64(lk, 0), end_of_keys(a, 1), lk_i64(lk, a->keys));
  const kir_val count = attend_least(a, kir_sub(b, a->t_size, t0), lk_i64(lk, a->keys));
  score_row(a, &r, t0, count);
  const kir_val correction = soften_row(a, &r, t0, count);
  sum_row(a, &r, t0, count, correction);
  lk_end(lk);
  lk_forget(lk, mark);
  const kir_val out = lk_buffer(lk, result, KIR_WRITE);
  const kir_val total = kir_get(b, r.total), inverse = attend_inverse(a, total);
  for (int j = 0; j < (int)a->e / a->width; j++) {
    const kir_val index[] = {a->b, a->h, r.query, lane_of(a, j)};
    attend_store(a, out, index,
                  attend_scaled_sum(a, kir_aget(b, r.sums, lk_i64(lk, j)), total, inverse));
  }
}

// --- the kernel ----------------------------------------------------------------------------------

static void pick_blocks(attend *a) {
  const aicc_dims *dims = a->lw->module->dims;
  int64_t s, t;
  a->width = a->lw->machine->width;
  const bool small = aicc_dim_is_const(dims, a->q->type.dims[2], &s) && s <= a->width;
  a->nv = small ? 1 : 2;
  a->mr = a->lw->machine->registers >= 32 ? 12 : 6;
  a->rows = a->nv * a->width;
  a->keys = MAX_KEYS;
  if (aicc_dim_is_const(dims, a->k->type.dims[2], &t) && t > 0) {
    // Equal blocks of whole register blocks.
    const int64_t blocks = (t + MAX_KEYS - 1) / MAX_KEYS, each = (t + blocks - 1) / blocks;
    a->keys = (int)((each + a->mr - 1) / a->mr * a->mr);
  }
}

static void make_locals(attend *a) {
  kir_builder *b = &a->lk.b;
  const int64_t wide = a->d > a->e ? a->d : a->e;
  a->q_tile = kir_local(b, AICC_F32, a->d * a->rows);
  a->scores = kir_local(b, AICC_F32, (int64_t)a->keys * a->rows);
  a->sums = kir_local(b, AICC_F32, a->e * a->rows);
  a->most = kir_local(b, AICC_F32, a->rows);
  a->total = kir_local(b, AICC_F32, a->rows);
  a->correction = kir_local(b, AICC_F32, a->rows);
  const int64_t longest = a->bias && attend_bias_varies(a) && a->keys > wide ? a->keys : wide;
  a->raw = kir_local(b, AICC_F32, a->rows * longest);
  if (a->bias && attend_bias_varies(a)) {
    a->bias_tile = kir_local(b, AICC_F32, (int64_t)a->keys * a->rows);
  }
  if (a->k->type.dtype != AICC_F32 || a->v->type.dtype != AICC_F32) {
    a->block = kir_local(b, AICC_F32, a->keys * wide);
  }
}

static void place_task(attend *a, aicc_dim blocks) {
  lower_kernel *lk = &a->lk;
  kir_builder *b = &lk->b;
  a->s0 = kir_mul(b, attend_task(a, blocks), lk_i64(lk, a->rows));
  const kir_val last = kir_sub(b, a->s_size, lk_i64(lk, 1));
  for (int v = 0; v < a->nv; v++) {
    a->row[v] = attend_least(a, kir_add(b, a->s0, lane_of(a, v)), last);
  }
}

static void emit_blocks(attend *a, aicc_slot result) {
  lower_kernel *lk = &a->lk;
  kir_builder *b = &lk->b;
  make_locals(a);
  load_queries(a);
  const size_t mark = lk_mark(lk);
  const kir_val t0 = kir_for(b, KIR_SERIAL, lk_i64(lk, 0), end_of_keys(a, a->rows),
                             lk_i64(lk, a->keys));
  const kir_val count = attend_least(a, kir_sub(b, a->t_size, t0), lk_i64(lk, a->keys));
  for (int v = 0; v < a->nv; v++) {
    a->found[v] = kir_var(b, kir_load(b, a->most, lane_of(a, v)), true);
  }
  score_block(a, t0, count);
  if (!is_plain(a)) {
    finish_scores(a, t0, count);
  }
  soften(a, count);
  value_block(a, t0, count);
  lk_end(lk);
  lk_forget(lk, mark);
  store_rows(a, result);
}

// Whether one row's vectors are whole, for the kernel of few queries.
static bool row_fits(const attend *a) {
  return a->d % a->width == 0 && a->e % a->width == 0 && a->d / a->width <= 16 &&
         a->e / a->width <= 16;
}

// One of the two kernels, over |s| queries: for as many as the model has, or none where the other
// one runs.
static void launch(attend *a, own *o, aicc_slot result, aicc_dim s, bool few) {
  aicc_dims *dims = o->dims;
  lower_kernel *lk = &a->lk;
  const char *name = few ? "attention_row" : "attention";
  lk_begin(lk, o->lw, aicc_arena_printf(o->arena, "%s_%u", name, o->group->id), "own", o->group);
  if (few) {
    a->rows = 1;
    a->nv = 0;
    a->keys = FEW_KEYS;
  }
  const aicc_dim blocks = aicc_dim_ceildiv(dims, s, own_const(o, a->rows));
  const aicc_dim all = aicc_dim_ceildiv(dims, a->q->type.dims[2], own_const(o, a->rows));
  place_task(a, all);
  (few ? emit_row : emit_blocks)(a, result);
  const aicc_dim tasks[] = {a->q->type.dims[0], own_const(o, a->heads), blocks};
  const aicc_dim work[] = {a->q->type.dims[0], own_const(o, a->heads * (a->d + a->e + 32)), s,
                           a->k->type.dims[2]};
  lk_launch(lk, aicc_dim_product(dims, tasks, 3),
            aicc_dim_floordiv(dims, aicc_dim_product(dims, work, 4), own_const(o, 24)));
}

void own_lower_attention(own *o) {
  aicc_dims *dims = o->dims;
  attend a = {.lw = o->lw, .group = o->group, .node = o->node};
  if (!attend_read(&a)) {
    aicc_lower_unsupported(o->lw, o->node,
                           "attention needs known numbers of heads and head sizes, and f32 or "
                           "16-bit floats");
    return;
  }
  if (o->lw->machine->kind == AICC_MACHINE_GPU) {
    own_lower_attention_gpu(o, &a);
    return;
  }
  const aicc_slot result = aicc_lower_result(o->lw, o->group->out[0]);
  pick_blocks(&a);
  const aicc_dim s = a.q->type.dims[2], zero = own_const(o, 0);
  const aicc_dim is_few = row_fits(&a) ? aicc_dim_lt(dims, s, own_const(o, FEW_QUERIES)) : zero;
  if (!aicc_dim_is(dims, is_few, 1)) {
    launch(&a, o, result, aicc_dim_select(dims, is_few, zero, s), false);
  }
  if (!aicc_dim_is(dims, is_few, 0)) {
    launch(&a, o, result, aicc_dim_select(dims, is_few, s, zero), true);
  }
}
