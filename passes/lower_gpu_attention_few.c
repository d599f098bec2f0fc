// Attention of few queries on GPUs: reading keys and values is all the time it takes.
//
// A task is one query of some heads that share keys and values, and one part of the keys. Its warps
// are divided into groups of lanes; a group takes every n-th key, whose columns its lanes share,
// each in pieces of 16 bytes, and keeps a maximum, a total and sums of its own, in registers. At
// the end they are joined: between the groups of a warp by exchanges, between warps through shared
// memory, and between parts by a second kernel, always in one order, so that results do not depend
// on which came first.
#include <math.h>

#include "passes/gpu_attention.h"

enum { PIECES = 8 };

typedef struct few {
  attend a;
  own *o;
  int width;
  aicc_attention_schedule s;
  aicc_dtype type;
  int piece;                     // elements of 16 bytes
  int k_run, v_run;              // neighbours of one load; 0: computed
  int k_pieces, v_pieces;        // of a lane
  int unroll;                    // keys of a group in one step
  kir_val lane, warp, thread;
  kir_val query, first_head;
  kir_val group, column;         // of lanes, within the block; of the lane's first piece
  kir_val first, end;            // keys
  kir_val row, splits;           // where parts go: row number of the first head, parts of a row
  kir_val q, sums;               // arrays [heads][pieces * piece]
  kir_val most[AICC_ATTENTION_FEW_HEADS], total[AICC_ATTENTION_FEW_HEADS];  // variables
  kir_val k_now, v_now;          // arrays [unroll][pieces * piece]
  kir_val local_sums, local_stats;  // of warps: [warp][head][E], [warp][head][maximum, total]
  aicc_slot part_sums, part_stats;  // of parts: [row][E], [row][2]
  bool split;
} few;

static kir_val number(few *w, int64_t value) { return lk_i64(&w->a.lk, value); }
static kir_val plus(few *w, kir_val x, int64_t value) {
  return kir_add(&w->a.lk.b, x, number(w, value));
}
static kir_val times(few *w, kir_val x, int64_t value) {
  return kir_mul(&w->a.lk.b, x, number(w, value));
}
static int groups_of(const few *w) { return w->s.warps * w->width / w->s.lanes; }
static kir_val largest(few *w, kir_val x, kir_val y) {
  return kir_scalar2(&w->a.lk.b, AICC_OP_MAX, x, y);
}

static void set_head(few *w, int head) {
  w->a.h = plus(w, w->first_head, head);
}

// --- pieces of rows ------------------------------------------------------------------------------

typedef struct piece_row {
  const aicc_value *value;
  int run, columns, pieces;
} piece_row;

static piece_row keys_of(const few *w) {
  return (piece_row){w->a.k, w->k_run, (int)w->a.d, w->k_pieces};
}

static piece_row values_of(const few *w) {
  return (piece_row){w->a.v, w->v_run, (int)w->a.e, w->v_pieces};
}

// Whether lanes have columns beyond the row's.
static bool is_padded(const few *w, const piece_row *r) {
  return r->pieces * w->piece * w->s.lanes != r->columns;
}

// to[at ..] = elements |column| .. of a row, zeros beyond it.
static void load_run(few *w, const piece_row *r, kir_val head, kir_val row, kir_val column,
                     int count, kir_val to, int at) {
  lower_kernel *lk = &w->a.lk;
  kir_builder *b = &lk->b;
  const bool padded = is_padded(w, r);
  const kir_val inside = padded ? kir_scalar2(b, AICC_OP_LT, column, number(w, r->columns)) : 0;
  const kir_val index[] = {w->a.b, head, row,
                           padded ? kir_select(b, inside, column, number(w, 0)) : column};
  kir_val raw = 0, item = 0;
  lk_place place;
  if (r->run && lk_find(lk, r->value, index, &place)) {
    raw = kir_array(b, w->type, count, true);
    kir_vload(b, raw, 0, count, place.buffer, place.linear);
  } else {
    const size_t mark = lk_mark(lk);
    item = lk_elem(lk, r->value, index);
    lk_forget(lk, mark);
  }
  for (int i = 0; i < count; i++) {
    kir_val x = raw ? kir_cast(b, kir_aget(b, raw, number(w, i)), AICC_F32, false) : item;
    x = padded ? kir_select(b, inside, x, attend_number(&w->a, 0)) : x;
    kir_aset(b, to, number(w, at + i), x);
  }
}

// The lane's pieces of a row.
static void load_row(few *w, const piece_row *r, kir_val row, kir_val to, int at) {
  const int count = r->run ? r->run : 1;
  for (int p = 0; p < r->pieces; p++) {
    for (int i = 0; i < w->piece; i += count) {
      const kir_val column = plus(w, w->column, (int64_t)p * w->s.lanes * w->piece + i);
      load_run(w, r, w->a.g, row, column, count, to, at + p * w->piece + i);
    }
  }
}

static void load_queries(few *w) {
  kir_builder *b = &w->a.lk.b;
  const int each = w->k_pieces * w->piece;
  const piece_row q = {w->a.q, 0, (int)w->a.d, w->k_pieces};
  w->q = kir_array(b, AICC_F32, w->s.heads * each, true);
  for (int m = 0; m < w->s.heads; m++) {
    set_head(w, m);
    for (int i = 0; i < each; i++) {
      const int64_t offset = (int64_t)(i / w->piece) * w->s.lanes * w->piece + i % w->piece;
      load_run(w, &q, w->a.h, w->query, plus(w, w->column, offset), 1, w->q, m * each + i);
    }
  }
}

// --- a step --------------------------------------------------------------------------------------

static kir_val over_lanes(few *w, kir_val x) {
  for (int distance = 1; distance < w->s.lanes; distance *= 2) {
    x = kir_add(&w->a.lk.b, x, kir_exchange(&w->a.lk.b, x, distance));
  }
  return x;
}

// The score of head m and key u of the step; -inf beyond the last.
static kir_val score_of(few *w, int m, int u, kir_val key) {
  attend *a = &w->a;
  kir_builder *b = &a->lk.b;
  const int each = w->k_pieces * w->piece;
  kir_val sum = 0;
  for (int i = 0; i < each; i++) {
    const kir_val k = kir_aget(b, w->k_now, number(w, u * each + i));
    const kir_val q = kir_aget(b, w->q, number(w, m * each + i));
    sum = sum ? kir_fma(b, k, q, sum) : kir_mul(b, k, q);
  }
  const kir_val score = kir_mul(b, over_lanes(w, sum), attend_number(a, a->scale));
  const kir_val last = plus(w, w->end, -1);
  const kir_val bias = a->bias ? attend_bias(a, w->query, attend_least(a, key, last)) : 0;
  return kir_select(b, kir_scalar2(b, AICC_OP_LT, key, w->end), attend_bend(a, score, bias),
                    attend_number(a, -INFINITY));
}

static kir_val shift_of(few *w, kir_val most) {
  attend *a = &w->a;
  const kir_val none = kir_scalar2(&a->lk.b, AICC_OP_EQ, most, attend_number(a, -INFINITY));
  return kir_select(&a->lk.b, none, attend_number(a, 0), most);
}

static kir_val exp_of(few *w, kir_val x, kir_val shift) {
  return kir_scalar1(&w->a.lk.b, AICC_OP_EXP, kir_sub(&w->a.lk.b, x, shift));
}

// Adds the step's keys to what head m has.
static void add_keys(few *w, int m, const kir_val *keys) {
  kir_builder *b = &w->a.lk.b;
  const int each = w->v_pieces * w->piece;
  kir_val term[PIECES];
  const kir_val before = kir_get(b, w->most[m]);
  kir_val most = before;
  for (int u = 0; u < w->unroll; u++) {
    term[u] = score_of(w, m, u, keys[u]);
    most = largest(w, most, term[u]);
  }
  const kir_val shift = shift_of(w, most), correction = exp_of(w, before, shift);
  kir_val total = kir_mul(b, kir_get(b, w->total[m]), correction);
  for (int u = 0; u < w->unroll; u++) {
    term[u] = exp_of(w, term[u], shift);
    total = kir_add(b, total, term[u]);
  }
  kir_set(b, w->most[m], most);
  kir_set(b, w->total[m], total);
  for (int i = 0; i < each; i++) {
    const kir_val at = number(w, m * each + i);
    kir_val sum = kir_mul(b, kir_aget(b, w->sums, at), correction);
    for (int u = 0; u < w->unroll; u++) {
      sum = kir_fma(b, term[u], kir_aget(b, w->v_now, number(w, u * each + i)), sum);
    }
    kir_aset(b, w->sums, at, sum);
  }
}

static void sum_keys(few *w) {
  attend *a = &w->a;
  kir_builder *b = &a->lk.b;
  const int step = groups_of(w) * w->unroll;
  const piece_row k = keys_of(w), v = values_of(w);
  const size_t mark = lk_mark(&a->lk);
  const kir_val base = kir_for(b, KIR_SERIAL, w->first, w->end, number(w, step));
  const kir_val last = plus(w, w->end, -1);
  kir_val keys[PIECES], at[PIECES];
  for (int u = 0; u < w->unroll; u++) {
    keys[u] = plus(w, kir_add(b, base, w->group), (int64_t)u * groups_of(w));
    at[u] = attend_least(a, keys[u], last);
    load_row(w, &k, at[u], w->k_now, u * w->k_pieces * w->piece);
  }
  for (int u = 0; u < w->unroll; u++) {
    load_row(w, &v, at[u], w->v_now, u * w->v_pieces * w->piece);
  }
  for (int m = 0; m < w->s.heads; m++) {
    set_head(w, m);
    add_keys(w, m, keys);
  }
  lk_end(&a->lk);
  lk_forget(&a->lk, mark);
}

// --- joining -------------------------------------------------------------------------------------

// The groups of a warp.
static void join_groups(few *w, int m) {
  kir_builder *b = &w->a.lk.b;
  const int each = w->v_pieces * w->piece;
  for (int distance = w->s.lanes; distance < w->width; distance *= 2) {
    const kir_val most = kir_get(b, w->most[m]), other = kir_exchange(b, most, distance);
    const kir_val found = largest(w, most, other), shift = shift_of(w, found);
    const kir_val mine = exp_of(w, most, shift), theirs = exp_of(w, other, shift);
    const kir_val total = kir_get(b, w->total[m]);
    kir_set(b, w->most[m], found);
    kir_set(b, w->total[m],
            kir_fma(b, total, mine, kir_mul(b, kir_exchange(b, total, distance), theirs)));
    for (int i = 0; i < each; i++) {
      const kir_val at = number(w, m * each + i), sum = kir_aget(b, w->sums, at);
      const kir_val more = kir_mul(b, kir_exchange(b, sum, distance), theirs);
      kir_aset(b, w->sums, at, kir_fma(b, sum, mine, more));
    }
  }
}

// What a warp found, to shared memory: all groups have the same now, and the first one writes.
static void share(few *w, int m) {
  kir_builder *b = &w->a.lk.b;
  const int each = w->v_pieces * w->piece, e = (int)w->a.e;
  const piece_row v = values_of(w);
  const kir_val row = plus(w, times(w, w->warp, w->s.heads), m);
  for (int i = 0; i < each; i++) {
    const int64_t offset = (int64_t)(i / w->piece) * w->s.lanes * w->piece + i % w->piece;
    const kir_val column = plus(w, w->column, offset);
    kir_val writes = kir_scalar2(b, AICC_OP_LT, w->lane, number(w, w->s.lanes));
    if (is_padded(w, &v)) {
      writes = kir_scalar2(b, AICC_OP_AND, writes,
                           kir_scalar2(b, AICC_OP_LT, column, number(w, e)));
    }
    kir_if(b, writes);
    kir_store(b, w->local_sums, kir_add(b, times(w, row, e), column),
              kir_aget(b, w->sums, number(w, m * each + i)));
    lk_end(&w->a.lk);
  }
  const kir_val is_first = kir_scalar2(b, AICC_OP_EQ, w->lane, number(w, 0));
  kir_if(b, kir_scalar2(b, AICC_OP_LT, w->lane, number(w, 2)));
  kir_store(b, w->local_stats, kir_add(b, times(w, row, 2), w->lane),
            kir_select(b, is_first, kir_get(b, w->most[m]), kir_get(b, w->total[m])));
  lk_end(&w->a.lk);
}

// What several have found together: a maximum, a total and one column of the sums.
typedef struct joined {
  kir_val most, total, sum;
} joined;

static joined join_warps(few *w, kir_val m, kir_val e) {
  kir_builder *b = &w->a.lk.b;
  joined j = {0};
  for (int i = 0; i < w->s.warps; i++) {
    const kir_val row = plus(w, m, (int64_t)i * w->s.heads);
    const kir_val most = kir_load(b, w->local_stats, times(w, row, 2));
    j.most = j.most ? largest(w, j.most, most) : most;
  }
  const kir_val shift = shift_of(w, j.most);
  for (int i = 0; i < w->s.warps; i++) {
    const kir_val row = plus(w, m, (int64_t)i * w->s.heads);
    const kir_val part = exp_of(w, kir_load(b, w->local_stats, times(w, row, 2)), shift);
    const kir_val total = kir_load(b, w->local_stats, plus(w, times(w, row, 2), 1));
    const kir_val sum = kir_load(b, w->local_sums, kir_add(b, times(w, row, w->a.e), e));
    j.total = j.total ? kir_fma(b, total, part, j.total) : kir_mul(b, total, part);
    j.sum = j.sum ? kir_fma(b, sum, part, j.sum) : kir_mul(b, sum, part);
  }
  return j;
}

// The result, or a part of it, of column |e| of head |m| of the task.
static void store_joined(few *w, aicc_slot result, kir_val m, kir_val e) {
  attend *a = &w->a;
  kir_builder *b = &a->lk.b;
  const joined j = join_warps(w, m, e);
  if (!w->split) {
    const kir_val index[] = {a->b, kir_add(b, w->first_head, m), w->query, e};
    const kir_val value = attend_scaled_sum(a, j.sum, j.total, attend_inverse(a, j.total));
    attend_store(a, lk_buffer(&a->lk, result, KIR_WRITE), index, value);
    return;
  }
  // Rows of neighbouring heads are s * splits apart.
  const kir_val step = kir_mul(b, a->s_size, w->splits);
  const kir_val row = kir_add(b, w->row, kir_mul(b, m, step));
  kir_store(b, lk_buffer(&a->lk, w->part_sums, KIR_WRITE),
            kir_add(b, times(w, row, a->e), e), j.sum);
  kir_if(b, kir_scalar2(b, AICC_OP_EQ, e, number(w, 0)));
  const kir_val stats = lk_buffer(&a->lk, w->part_stats, KIR_WRITE);
  kir_store(b, stats, times(w, row, 2), j.most);
  kir_store(b, stats, plus(w, times(w, row, 2), 1), j.total);
  lk_end(&a->lk);
}

static void join(few *w, aicc_slot result) {
  attend *a = &w->a;
  kir_builder *b = &a->lk.b;
  const int64_t all = w->s.heads * a->e, threads = (int64_t)w->s.warps * w->width;
  for (int m = 0; m < w->s.heads; m++) {
    join_groups(w, m);
    share(w, m);
  }
  kir_barrier(b);
  const kir_val base = kir_for(b, KIR_SERIAL, number(w, 0), number(w, all), number(w, threads));
  const kir_val i = kir_add(b, base, w->thread);
  kir_if(b, kir_scalar2(b, AICC_OP_LT, i, number(w, all)));
  const kir_val m = w->s.heads == 1 ? number(w, 0)
                                    : kir_scalar2(b, AICC_OP_DIV, i, number(w, a->e));
  store_joined(w, result, m, kir_sub(b, i, times(w, m, a->e)));
  lk_end(&a->lk);
  lk_end(&a->lk);
}

// --- the kernels ---------------------------------------------------------------------------------

typedef struct plan {
  aicc_dim s, splits, chunk;  // queries that this kernel runs for; parts, keys of a part
} plan;

static void place_task(few *w, const plan *p) {
  attend *a = &w->a;
  lower_kernel *lk = &a->lk;
  kir_builder *b = &lk->b;
  const int64_t blocks = a->heads / w->s.heads;
  const kir_val extents[] = {0, number(w, blocks), lk_dim(lk, a->q->type.dims[2]),
                             lk_dim(lk, p->splits)};
  kir_val at[4];
  lk_split(lk, kir_task(b), extents, 4, at);
  a->b = at[0];
  a->s_size = lk_dim(lk, a->q->type.dims[2]);
  a->t_size = lk_dim(lk, a->k->type.dims[2]);
  w->first_head = times(w, at[1], w->s.heads);
  a->g = attend_group(a, w->first_head);
  a->h = w->first_head;
  w->query = at[2];
  w->splits = extents[3];
  w->first = kir_mul(b, at[3], lk_dim(lk, p->chunk));
  w->end = attend_least(a, a->t_size, kir_add(b, w->first, lk_dim(lk, p->chunk)));
  if (a->causal) {
    const kir_val limit = kir_add(b, w->query, lk_dim(lk, a->past));
    w->end = attend_least(a, w->end, plus(w, limit, 1));
  }
  const kir_val row = kir_add(b, times(w, a->b, a->heads), w->first_head);
  w->row =
      kir_add(b, kir_mul(b, kir_add(b, kir_mul(b, row, a->s_size), w->query), w->splits), at[3]);
}

static void begin(few *w) {
  attend *a = &w->a;
  kir_builder *b = &a->lk.b;
  const int lane_run = w->s.lanes * w->piece;
  w->k_pieces = (int)((a->d + lane_run - 1) / lane_run);
  w->v_pieces = (int)((a->e + lane_run - 1) / lane_run);
  w->k_run = attend_vector(a, a->k, w->type, (int)a->d);
  w->v_run = attend_vector(a, a->v, w->type, (int)a->e);
  w->unroll = w->s.heads * (w->k_pieces + w->v_pieces) * w->piece > 48 ? 2 : 4;
  w->warp = kir_warp(b);
  w->lane = kir_lane(b);
  w->thread = kir_add(b, times(w, w->warp, w->width), w->lane);
  w->group = kir_scalar2(b, AICC_OP_DIV, w->thread, number(w, w->s.lanes));
  w->column = times(w, kir_sub(b, w->thread, times(w, w->group, w->s.lanes)), w->piece);
  w->local_sums = kir_local(b, AICC_F32, w->s.warps * w->s.heads * a->e);
  w->local_stats = kir_local(b, AICC_F32, (int64_t)w->s.warps * w->s.heads * 2);
  const int sums = w->s.heads * w->v_pieces * w->piece;
  w->sums = kir_array(b, AICC_F32, sums, true);
  w->k_now = kir_array(b, AICC_F32, (int64_t)w->unroll * w->k_pieces * w->piece, true);
  w->v_now = kir_array(b, AICC_F32, (int64_t)w->unroll * w->v_pieces * w->piece, true);
  for (int i = 0; i < sums; i++) {
    kir_aset(b, w->sums, number(w, i), attend_number(a, 0));
  }
  for (int m = 0; m < w->s.heads; m++) {
    w->most[m] = kir_var(b, attend_number(a, -INFINITY), true);
    w->total[m] = kir_var(b, attend_number(a, 0), true);
  }
}

static void launch_parts(few *w, const plan *p, aicc_slot result) {
  own *o = w->o;
  attend *a = &w->a;
  char text[AICC_ATTENTION_TEXT];
  aicc_attention_print(&w->s, text);
  lk_begin(&a->lk, o->lw, aicc_arena_printf(o->arena, "attention_few_%u", o->group->id), "own",
           o->group);
  a->lk.schedule = aicc_arena_strdup(o->arena, text);
  a->lk.kernel->warps = w->s.warps;
  place_task(w, p);
  begin(w);
  load_queries(w);
  sum_keys(w);
  join(w, result);
  const aicc_dim tasks[] = {a->q->type.dims[0], own_const(o, a->heads / w->s.heads), p->s,
                            p->splits};
  const aicc_dim work[] = {a->q->type.dims[0], own_const(o, a->heads * (a->d + a->e + 32)), p->s,
                           a->k->type.dims[2]};
  a->lk.flops = attend_flops(a);
  lk_launch(&a->lk, aicc_dim_product(o->dims, tasks, 4),
            aicc_dim_floordiv(o->dims, aicc_dim_product(o->dims, work, 4), own_const(o, 24)));
}

// The maximum (0 for -inf) and the total of |count| parts from |row| on: lanes share the parts.
static joined join_stats(few *w, kir_val stats, kir_val row, kir_val count) {
  attend *a = &w->a;
  kir_builder *b = &a->lk.b;
  const kir_val most = kir_var(b, attend_number(a, -INFINITY), true);
  const kir_val total = kir_var(b, attend_number(a, 0), true);
  kir_val i = lk_for(&a->lk, KIR_LANES, number(w, 0), count);
  const kir_val found = kir_load(b, stats, times(w, kir_add(b, row, i), 2));
  kir_set(b, most, largest(w, kir_get(b, most), found));
  lk_end(&a->lk);
  const kir_val shift = shift_of(w, kir_reduce(b, AICC_OP_MAX, kir_get(b, most)));
  i = lk_for(&a->lk, KIR_LANES, number(w, 0), count);
  const kir_val at = times(w, kir_add(b, row, i), 2);
  const kir_val part = exp_of(w, kir_load(b, stats, at), shift);
  kir_set(b, total, kir_fma(b, kir_load(b, stats, plus(w, at, 1)), part, kir_get(b, total)));
  lk_end(&a->lk);
  return (joined){.most = shift, .total = kir_reduce(b, AICC_OP_ADD, kir_get(b, total))};
}

// Column |e| of the sums of |count| parts from |row| on, some at a time so that their loads wait
// together.
static kir_val join_sums(few *w, kir_val sums, kir_val stats, kir_val row, kir_val count, kir_val e,
                         kir_val shift) {
  enum { AT_ONCE = 4 };
  attend *a = &w->a;
  kir_builder *b = &a->lk.b;
  const kir_val sum = kir_var(b, attend_number(a, 0), true);
  const kir_val i = kir_for(b, KIR_SERIAL, number(w, 0), count, number(w, AT_ONCE));
  for (int u = 0; u < AT_ONCE; u++) {
    const kir_val at = plus(w, i, u), last = plus(w, count, -1);
    const kir_val part = kir_add(b, row, kir_scalar2(b, AICC_OP_MIN, at, last));
    const kir_val weight = exp_of(w, kir_load(b, stats, times(w, part, 2)), shift);
    const kir_val item = kir_load(b, sums, kir_add(b, times(w, part, a->e), e));
    const kir_val before = kir_get(b, sum), after = kir_fma(b, item, weight, before);
    kir_set(b, sum, kir_select(b, kir_scalar2(b, AICC_OP_LT, at, count), after, before));
  }
  lk_end(&a->lk);
  return kir_get(b, sum);
}

// The second kernel: a task is as many columns of one query of one head as a warp has lanes.
static void launch_join(few *w, const plan *p, aicc_slot result) {
  own *o = w->o;
  attend *a = &w->a;
  lower_kernel *lk = &a->lk;
  kir_builder *b = &lk->b;
  lk_begin(lk, o->lw, aicc_arena_printf(o->arena, "attention_join_%u", o->group->id), "own",
           o->group);
  const kir_val s = lk_dim(lk, a->q->type.dims[2]), count = lk_dim(lk, p->splits);
  const int64_t pieces = (a->e + w->width - 1) / w->width;
  const kir_val extents[] = {0, number(w, a->heads), s, number(w, pieces)};
  kir_val at[4];
  lk_split(lk, kir_task(b), extents, 4, at);
  const kir_val sums = lk_buffer(lk, w->part_sums, KIR_READ);
  const kir_val stats = lk_buffer(lk, w->part_stats, KIR_READ);
  const kir_val row =
      kir_mul(b, kir_scalar2(b, AICC_OP_DIV, kir_task(b), number(w, pieces)), count);
  const joined j = join_stats(w, stats, row, count);
  const kir_val inverse = attend_inverse(a, j.total), from = times(w, at[3], w->width);
  const kir_val e = lk_for(lk, KIR_LANES, from,
                           kir_scalar2(b, AICC_OP_MIN, plus(w, from, w->width), number(w, a->e)));
  const kir_val sum = join_sums(w, sums, stats, row, count, e, j.most);
  const kir_val index[] = {at[0], at[1], at[2], e};
  attend_store(a, lk_buffer(lk, result, KIR_WRITE), index,
               attend_scaled_sum(a, sum, j.total, inverse));
  lk_end(lk);
  const aicc_dim tasks[] = {a->q->type.dims[0], own_const(o, a->heads), p->s, own_const(o, pieces)};
  lk_launch(lk, aicc_dim_product(o->dims, tasks, 4), own_const(o, 1000));
}

// Enough parts to keep a large GPU busy, of KEYS_LEAST keys or more.
static plan plan_parts(const few *w, aicc_dim s) {
  enum { TASKS_ENOUGH = 256, KEYS_LEAST = 64 };
  own *o = w->o;
  aicc_dims *dims = o->dims;
  const aicc_dim one = own_const(o, 1), t = w->a.k->type.dims[2];
  const aicc_dim items[] = {w->a.q->type.dims[0], own_const(o, w->a.heads / w->s.heads),
                            w->a.q->type.dims[2]};
  const aicc_dim tasks = aicc_dim_max(dims, aicc_dim_product(dims, items, 3), one);
  const aicc_dim wanted = aicc_dim_ceildiv(dims, own_const(o, TASKS_ENOUGH), tasks);
  const aicc_dim most = aicc_dim_ceildiv(dims, t, own_const(o, KEYS_LEAST));
  plan p = {.s = s, .splits = aicc_dim_max(dims, aicc_dim_min(dims, wanted, most), one)};
  p.chunk = aicc_dim_ceildiv(dims, t, p.splits);
  return p;
}

void attend_few(own *o, const attend *read, const aicc_attention_schedule *schedule, aicc_dim s,
                aicc_slot result) {
  few w = {.a = *read, .o = o, .width = o->lw->machine->width, .s = *schedule};
  w.type = w.a.k->type.dtype;
  w.piece = 16 / (int)aicc_dtype_size(w.type);
  const plan p = plan_parts(&w, s);
  w.split = !aicc_dim_is(o->dims, p.splits, 1);
  if (w.split) {
    const aicc_dim items[] = {w.a.q->type.dims[0], own_const(o, w.a.heads), s, p.splits};
    const aicc_dim rows = aicc_dim_product(o->dims, items, 4);
    const aicc_dim sums[] = {rows, own_const(o, w.a.e)}, stats[] = {rows, own_const(o, 2)};
    w.part_sums = aicc_lower_temporary(o->lw, AICC_F32, sums, 2, "attention sums");
    w.part_stats = aicc_lower_temporary(o->lw, AICC_F32, stats, 2, "attention maxima");
  }
  launch_parts(&w, &p, result);
  if (w.split) {
    launch_join(&w, &p, result);
  }
}
