// Few rows: every element of B is used once or a few times, and reading it is the whole cost.
// Nothing is staged; a task's warps, and in them groups of lanes, take every other stretch of k,
// and their sums are added in order of warps in shared memory.
//
// Columns that are neighbours in memory: lanes_n lanes hold neighbouring vectors of columns, the
// others of a warp another k. Neighbours along k: a lane holds a vector along k of each column.
#include "passes/gpu_contract.h"

enum {
  LANES_N = 8,     // lanes over columns
  COLUMNS = 4,     // columns where lanes are over k
  HELD_MOST = 64,  // elements of B, and sums, that a lane has in registers: bytes take whole ones
};

bool gc_plan_stream(gc_emit *e, aicc_schedule *s, const char **why) {
  const int size = (int)aicc_dtype_size(e->c->b.value->type.dtype);
  gc_side *a = &e->a, *b = &e->b;
  e->warps = s->warps;
  e->warps_m = e->warps_n = 1;
  e->threads = e->warps * e->width;
  s->m = s->rows;
  s->n = (s->lanes > 0 ? s->lanes : LANES_N) * (size < 16 ? 16 / size : 1);
  s->k = 64;  // a multiple of every vector
  *why = "its k are no single loop";
  if (e->c->padded_rank > 0 || e->c->k_rank > 1) {
    return false;
  }
  gc_plan_operands(e);
  if (b->k.rank > 1) {
    return false;
  }
  if (aicc_dim_is(e->c->lw->module->dims, b->k.stride[0], 1)) {
    // What of A's neighbours cannot be read together, is not of B's either.
    b->vector = a->along_k && a->vector < b->vector ? a->vector : a->along_k ? b->vector : 1;
    a->vector = b->vector;
    e->lanes_n = 1;
    s->n = COLUMNS;
    s->k = e->threads * b->vector;
  } else {
    while (s->m * b->vector > HELD_MOST) {
      b->vector /= 2;
    }
    a->vector = a->along_k ? a->vector : 1;
    while (a->vector * b->vector > HELD_MOST) {
      a->vector /= 2;
    }
    const int most = s->n / b->vector;
    e->lanes_n = most < e->width ? most : e->width;
    s->n = e->lanes_n * b->vector;
    s->k = e->threads / e->lanes_n * a->vector;
    b->along_k = false;
  }
  *why = "its sums are more than the machine's shared memory";
  return gc_tile_bytes(e) <= e->c->lw->machine->shared_bytes;
}

static kir_val times(gc_emit *e, kir_val x, int64_t number) {
  return kir_mul(&e->lk.b, x, lk_i64(&e->lk, number));
}

static kir_val plus(gc_emit *e, kir_val x, int64_t number) {
  return kir_add(&e->lk.b, x, lk_i64(&e->lk, number));
}

// Row |i| of |side|, or the last one where it is beyond: that is computed, but not stored.
static kir_val last_row(gc_emit *e, const gc_side *side, kir_val i) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const kir_val last = kir_sub(b, lk_dim(lk, side->rows), lk_i64(lk, 1));
  return kir_scalar2(b, AICC_OP_MIN, i, last);
}

static kir_val line_at(gc_emit *e, const gc_side *side, kir_val i) {
  const kir_val row = last_row(e, side, i);
  return kir_add(&e->lk.b, side->base, gc_locate(e, &side->row, row).offset);
}

static kir_val item(gc_emit *e, kir_val array, int64_t at) {
  return kir_cast(&e->lk.b, kir_aget(&e->lk.b, array, lk_i64(&e->lk, at)), e->c->acc, false);
}

static void add_product(gc_emit *e, int64_t sum, kir_val x, kir_val y) {
  kir_builder *b = &e->lk.b;
  const kir_val at = lk_i64(&e->lk, sum);
  kir_aset(b, e->acc, at, kir_fma(b, x, y, kir_aget(b, e->acc, at)));
}

// A's elements at |k|, as many of each row as its vector has.
static void load_rows(gc_emit *e, const kir_val *rows, kir_val k) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const kir_val moved = kir_mul(b, k, lk_dim(lk, e->a.k.stride[0]));
  for (int r = 0; r < e->s->m; r++) {
    kir_vload(b, e->a_frags, (int64_t)r * e->a.vector, e->a.vector, e->a.buffer,
              kir_add(b, rows[r], moved));
  }
}

typedef struct stream {
  kir_val rows[AICC_SCHEDULE_STREAM_ROWS_MAX];  // where A's rows start
  kir_val columns[COLUMNS];  // where B's columns start; the first: the lane's vector of them
  kir_val numbers[COLUMNS];  // of those columns
  kir_val ok;                // whether the lane has columns; 0: always
  kir_val lane_k;            // the first k of this lane in a step
} stream;

// A computed B's vector at (k, n), as elements |first| and on.
static void compute_items(gc_emit *e, int first, kir_val k, kir_val n, bool along_k) {
  for (int i = 0; i < e->b.vector; i++) {
    const kir_val value = gc_compute(e, along_k ? plus(e, k, i) : k, along_k ? n : plus(e, n, i), 0,
                                     e->b.from);
    kir_aset(&e->lk.b, e->b_frags, lk_i64(&e->lk, first + i), value);
  }
}

static void multiply_along_k(gc_emit *e, const stream *s, kir_val k) {
  kir_builder *b = &e->lk.b;
  const int v = e->b.vector;
  for (int c = 0; c < COLUMNS; c++) {
    if (e->b.computed) {
      compute_items(e, c * v, k, s->numbers[c], true);
    } else {
      kir_vload(b, e->b_frags, (int64_t)c * v, v, e->b.buffer, kir_add(b, s->columns[c], k));
    }
  }
  for (int r = 0; r < e->s->m; r++) {
    for (int c = 0; c < COLUMNS; c++) {
      for (int i = 0; i < v; i++) {
        add_product(e, (int64_t)r * COLUMNS + c, item(e, e->a_frags, (int64_t)r * v + i),
                    item(e, e->b_frags, (int64_t)c * v + i));
      }
    }
  }
}

static void multiply_along_columns(gc_emit *e, const stream *s, kir_val k) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const int v = e->b.vector, ks = e->a.vector;
  const kir_val stride = lk_dim(lk, e->b.k.stride[0]);
  for (int u = 0; u < ks; u++) {
    if (e->b.computed) {
      compute_items(e, u * v, plus(e, k, u), s->numbers[0], false);
      continue;
    }
    const kir_val line = kir_mul(b, plus(e, k, u), stride);
    kir_vload(b, e->b_frags, (int64_t)u * v, v, e->b.buffer, kir_add(b, s->columns[0], line));
  }
  for (int u = 0; u < ks; u++) {
    for (int r = 0; r < e->s->m; r++) {
      const kir_val x = item(e, e->a_frags, (int64_t)r * ks + u);
      for (int i = 0; i < v; i++) {
        add_product(e, (int64_t)r * v + i, x, item(e, e->b_frags, (int64_t)u * v + i));
      }
    }
  }
}

static void begin(gc_emit *e, stream *s) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const kir_val lane = kir_lane(b), warp = kir_warp(b);
  const bool along_k = e->b.along_k;
  e->tid = kir_add(b, times(e, warp, e->width), lane);
  gc_begin_bases(e);
  for (int r = 0; r < e->s->m; r++) {
    s->rows[r] = line_at(e, &e->a, plus(e, e->m0, r));
  }
  const kir_val lanes = lk_i64(lk, e->lanes_n);
  e->lane_n = kir_scalar2(b, AICC_OP_MOD, lane, lanes);
  s->lane_k = times(e, kir_scalar2(b, AICC_OP_DIV, e->tid, lanes), e->a.vector);
  for (int c = 0; c < COLUMNS && along_k; c++) {
    s->columns[c] = line_at(e, &e->b, plus(e, e->n0, c));
    s->numbers[c] = last_row(e, &e->b, plus(e, e->n0, c));
  }
  if (!along_k) {
    const kir_val in_tile = times(e, e->lane_n, e->b.vector);
    const kir_val n = kir_add(b, e->n0, in_tile);
    s->numbers[0] = n;
    s->ok = e->b.panels ? 0 : kir_scalar2(b, AICC_OP_LT, n, lk_dim(lk, e->b.rows));
    const kir_val at = gc_locate(e, &e->b.row, e->b.panels ? in_tile : n).offset;
    s->columns[0] = kir_add(b, e->b.base, at);
  }
  const int sums = along_k ? COLUMNS : e->b.vector;
  e->a_frags = kir_array(b, e->a.from, (int64_t)e->s->m * e->a.vector, true);
  e->b_frags = kir_array(b, e->b.from,
                         (int64_t)e->b.vector * (along_k ? COLUMNS : e->a.vector), true);
  e->acc = kir_array(b, e->c->acc, (int64_t)e->s->m * sums, true);
}

void gc_stream(gc_emit *e) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  stream s = {.ok = 0};
  begin(e, &s);
  const kir_val step = lk_for(lk, KIR_SERIAL, e->first_step, e->end_step);
  const kir_val k = kir_add(b, times(e, step, e->s->k), s.lane_k);
  kir_val ok = kir_scalar2(b, AICC_OP_LT, k, lk_dim(lk, e->b.ks));
  ok = s.ok ? kir_scalar2(b, AICC_OP_AND, ok, s.ok) : ok;
  kir_if(b, ok);
  load_rows(e, s.rows, k);
  if (e->b.along_k) {
    multiply_along_k(e, &s, k);
  } else {
    multiply_along_columns(e, &s, k);
  }
  kir_end(b);
  lk_end(lk);
}

// The sums of every warp: [warp][row][column].
void gc_spill_stream(gc_emit *e, kir_val tile, int pitch) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const kir_val warp = times(e, kir_warp(b), (int64_t)e->s->m * pitch);
  if (e->b.along_k) {
    for (int i = 0; i < e->s->m * COLUMNS; i++) {
      const kir_val sum = kir_reduce(b, AICC_OP_ADD, kir_aget(b, e->acc, lk_i64(lk, i)));
      kir_store(b, tile, plus(e, warp, i / COLUMNS * pitch + i % COLUMNS), sum);
    }
    return;
  }
  const int v = e->b.vector, most = 16 / (int)aicc_dtype_size(e->c->acc);
  for (int i = 0; i < e->s->m * v; i++) {
    kir_val sum = kir_aget(b, e->acc, lk_i64(lk, i));
    for (int distance = e->width / 2; distance >= e->lanes_n; distance /= 2) {
      sum = kir_add(b, sum, kir_exchange(b, sum, distance));
    }
    kir_aset(b, e->acc, lk_i64(lk, i), sum);
  }
  kir_if(b, kir_scalar2(b, AICC_OP_LT, kir_lane(b), lk_i64(lk, e->lanes_n)));
  const kir_val at = kir_add(b, warp, times(e, e->lane_n, v));
  for (int i = 0; i < e->s->m * v; i += v < most ? v : most) {
    kir_vstore(b, tile, plus(e, at, i / v * pitch + i % v), e->acc, i, v < most ? v : most);
  }
  kir_end(b);
}
