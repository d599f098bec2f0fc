// The product of two staged tiles, and how its sums are spread over threads.
//
// Multiply-adds: a warp's lanes are a rectangle, and a thread's rows (columns) are vectors that lie
// a rectangle apart, so that the lanes of a warp read neighbouring vectors. Matrix instructions: a
// warp's tile is blocks of 16 x 8, whose fragments lie as ir/kir_mma.def says; `ldmatrix` reads
// them from lines along k, or transposing from lines along rows; words, which it cannot transpose,
// are read one by one.
#include "passes/gpu_contract.h"

enum { FRAGMENT_M = 16, FRAGMENT_N = 8 };

static bool is_mma(const gc_emit *e) { return e->s->kind == AICC_SCHEDULE_MMA; }

static int thread_m(const gc_emit *e) { return e->s->across_m; }
static int thread_n(const gc_emit *e) { return e->s->across_n; }
static int warp_m(const gc_emit *e) { return e->s->m / e->warps_m; }
static int warp_n(const gc_emit *e) { return e->s->n / e->warps_n; }

static kir_val plus(gc_emit *e, kir_val x, int64_t number) {
  return kir_add(&e->lk.b, x, lk_i64(&e->lk, number));
}

static kir_val times(gc_emit *e, kir_val x, int64_t number) {
  return kir_mul(&e->lk.b, x, lk_i64(&e->lk, number));
}

static kir_val over(gc_emit *e, kir_val x, int64_t number) {
  return kir_scalar2(&e->lk.b, AICC_OP_DIV, x, lk_i64(&e->lk, number));
}

static kir_val rest(gc_emit *e, kir_val x, int64_t number) {
  return kir_scalar2(&e->lk.b, AICC_OP_MOD, x, lk_i64(&e->lk, number));
}

// --- multiply-adds -------------------------------------------------------------------------------

// First row (column) of this thread in the tile.
static kir_val thread_row(gc_emit *e) {
  return kir_add(&e->lk.b, times(e, e->warp_m, warp_m(e)), times(e, e->lane_m, e->vector_m));
}

static kir_val thread_column(gc_emit *e) {
  return kir_add(&e->lk.b, times(e, e->warp_n, warp_n(e)), times(e, e->lane_n, e->vector_n));
}

static void read_line(gc_emit *e, const gc_side *side, kir_val to, kir_val at, int count,
                      int vector, int lanes) {
  kir_builder *b = &e->lk.b;
  for (int i = 0; i < count; i += vector) {
    kir_vload(b, to, i, vector, side->local, plus(e, at, (int64_t)i * lanes));
  }
}

static void multiply_adds(gc_emit *e, kir_val slot) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const int rows = thread_m(e), columns = thread_n(e);
  const kir_val a_at = kir_add(b, times(e, slot, e->a.stage), thread_row(e));
  const kir_val b_at = kir_add(b, times(e, slot, e->b.stage), thread_column(e));
  const kir_val k = lk_for(lk, KIR_UNROLL, lk_i64(lk, 0), lk_i64(lk, e->s->k));
  read_line(e, &e->a, e->a_frags, kir_add(b, a_at, times(e, k, e->a.pitch)), rows, e->vector_m,
            e->lanes_m);
  read_line(e, &e->b, e->b_frags, kir_add(b, b_at, times(e, k, e->b.pitch)), columns, e->vector_n,
            e->lanes_n);
  for (int r = 0; r < rows; r++) {
    const kir_val x = kir_aget(b, e->a_frags, lk_i64(lk, r));
    for (int n = 0; n < columns; n++) {
      const kir_val at = lk_i64(lk, (int64_t)r * columns + n);
      const kir_val y = kir_aget(b, e->b_frags, lk_i64(lk, n));
      kir_aset(b, e->acc, at, kir_fma(b, x, y, kir_aget(b, e->acc, at)));
    }
  }
  lk_end(lk);
}

// --- matrix instructions -------------------------------------------------------------------------

static int step_k(const gc_emit *e) { return e->mma_k; }
static int a_registers(const gc_emit *e) { return warp_m(e) / FRAGMENT_M * 4; }
static int b_registers(const gc_emit *e) { return warp_n(e) / FRAGMENT_N * 2; }

static bool by_words(const gc_side *side) {
  return !side->k_inner && aicc_dtype_size(side->to) == 4;
}

// Where this lane's line of four 8 x 8 matrices starts: A's are (row 0, k 0), (row 8, k 0), (row 0,
// k 1), (row 8, k 1), in that order; B's (n 0, k 0), (n 0, k 1), (n 8, k 0), (n 8, k 1).
static kir_val matrix_line(gc_emit *e, const gc_side *side, kir_val first_row, bool is_a) {
  kir_builder *b = &e->lk.b;
  const int half = step_k(e) / 2;
  const kir_val lane = kir_lane(b);
  const kir_val in8 = rest(e, lane, 8), odd = rest(e, over(e, lane, 8), 2),
                high = over(e, lane, 16);
  const kir_val second_row = is_a ? odd : high, second_k = is_a ? high : odd;
  kir_val row, k;
  if (by_words(side)) {
    row = over(e, lane, 4);
    k = rest(e, lane, 4);
  } else if (side->k_inner) {
    row = kir_add(b, in8, times(e, second_row, 8));
    k = times(e, second_k, half);
  } else {
    row = times(e, second_row, 8);
    k = kir_add(b, in8, times(e, second_k, half));
  }
  row = kir_add(b, first_row, row);
  const kir_val outer = side->k_inner ? row : k, inner = side->k_inner ? k : row;
  return kir_add(b, times(e, outer, side->pitch), inner);
}

static int64_t element(const gc_side *side, int64_t row, int64_t k) {
  return side->k_inner ? row * side->pitch + k : k * side->pitch + row;
}

// Fragments of words whose neighbours are rows: register r is row lane / 4 (and 8 more where r is
// odd, of A), k lane % 4 (and 4 more in the second half).
static void load_words(gc_emit *e, const gc_side *side, kir_val to, int64_t first, int registers,
                       kir_val at, bool is_a) {
  kir_builder *b = &e->lk.b;
  for (int r = 0; r < registers; r++) {
    const int row = is_a ? r % 2 * 8 : r / 2 * FRAGMENT_N, half = is_a ? r / 2 : r % 2;
    const kir_val place = plus(e, at, element(side, row, (int64_t)half * 4));
    const kir_val word = kir_bitcast(b, kir_load(b, side->local, place), AICC_U32);
    kir_aset(b, to, lk_i64(&e->lk, first + r), word);
  }
}

// Fragments of step |k|; |q|: in which half of the arrays.
static void load_fragments(gc_emit *e, kir_val a_at, kir_val b_at, int k, int q) {
  kir_builder *b = &e->lk.b;
  const int rows = warp_m(e), columns = warp_n(e), first = k * step_k(e);
  for (int r = 0; r < rows; r += FRAGMENT_M) {
    const int64_t at = (int64_t)q * a_registers(e) + r / FRAGMENT_M * 4;
    const kir_val line = plus(e, a_at, element(&e->a, r, first));
    if (by_words(&e->a)) {
      load_words(e, &e->a, e->a_frags, at, 4, line, true);
    } else {
      kir_ldmatrix(b, e->a_frags, at, 4, !e->a.k_inner, e->a.local, line);
    }
  }
  for (int n = 0; n < columns; n += 2 * FRAGMENT_N) {
    const int64_t at = (int64_t)q * b_registers(e) + n / FRAGMENT_N * 2;
    const kir_val line = plus(e, b_at, element(&e->b, n, first));
    if (by_words(&e->b)) {
      load_words(e, &e->b, e->b_frags, at, 4, line, false);
    } else {
      kir_ldmatrix(b, e->b_frags, at, 4, !e->b.k_inner, e->b.local, line);
    }
  }
}

static void multiply_fragments(gc_emit *e, int q) {
  kir_builder *b = &e->lk.b;
  const int rows = warp_m(e) / FRAGMENT_M, columns = warp_n(e) / FRAGMENT_N;
  const int64_t a0 = (int64_t)q * a_registers(e), b0 = (int64_t)q * b_registers(e);
  for (int r = 0; r < rows; r++) {
    for (int n = 0; n < columns; n++) {
      const int64_t d = ((int64_t)r * columns + n) * 4;
      kir_mma(b, e->mma, e->acc, d, e->a_frags, a0 + r * 4, e->b_frags, b0 + n * 2);
      if (e->mma == KIR_MMA_F16_K8) {  // the second half of the same fragments
        kir_mma(b, e->mma, e->acc, d, e->a_frags, a0 + r * 4 + 2, e->b_frags, b0 + n * 2 + 1);
      }
    }
  }
}

static void multiply_matrices(gc_emit *e, kir_val slot) {
  kir_builder *b = &e->lk.b;
  const int steps = e->s->k / step_k(e);
  const kir_val a_at = kir_add(b, times(e, slot, e->a.stage), e->a_line);
  const kir_val b_at = kir_add(b, times(e, slot, e->b.stage), e->b_line);
  load_fragments(e, a_at, b_at, 0, 0);
  for (int k = 0; k < steps; k++) {
    if (k + 1 < steps) {
      load_fragments(e, a_at, b_at, k + 1, (k + 1) % 2);
    }
    multiply_fragments(e, k % 2);
  }
}

// --- both ----------------------------------------------------------------------------------------

static int sums(const gc_emit *e) {
  return is_mma(e) ? warp_m(e) / FRAGMENT_M * (warp_n(e) / FRAGMENT_N) * 4
                   : thread_m(e) * thread_n(e);
}

void gc_begin_inner(gc_emit *e) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const kir_val lane = kir_lane(b), warp = kir_warp(b);
  e->tid = kir_add(b, times(e, warp, e->width), lane);
  e->warp_m = over(e, warp, e->warps_n);
  e->warp_n = rest(e, warp, e->warps_n);
  if (is_mma(e)) {
    e->a_frags = kir_array(b, AICC_U32, 2 * (int64_t)a_registers(e), true);
    e->b_frags = kir_array(b, AICC_U32, 2 * (int64_t)b_registers(e), true);
    e->a_line = matrix_line(e, &e->a, times(e, e->warp_m, warp_m(e)), true);
    e->b_line = matrix_line(e, &e->b, times(e, e->warp_n, warp_n(e)), false);
  } else {
    e->lane_m = over(e, lane, e->lanes_n);
    e->lane_n = rest(e, lane, e->lanes_n);
    e->a_frags = kir_array(b, e->c->acc, thread_m(e), true);
    e->b_frags = kir_array(b, e->c->acc, thread_n(e), true);
  }
  e->acc = kir_array(b, e->c->acc, sums(e), true);
  for (int i = 0; i < sums(e); i++) {
    kir_aset(b, e->acc, lk_i64(lk, i), kir_const(b, e->c->acc, 0));
  }
}

void gc_multiply(gc_emit *e, kir_val slot) {
  if (is_mma(e)) {
    multiply_matrices(e, slot);
  } else {
    multiply_adds(e, slot);
  }
}

// --- the tile of sums ----------------------------------------------------------------------------

// Rows of a warp that are neighbours in a part: a rectangle of lanes, or a block of fragments.
int gc_band(const gc_emit *e) { return is_mma(e) ? FRAGMENT_M : e->lanes_m * e->vector_m; }

static void spill_fragments(gc_emit *e, kir_val tile, int pitch, int band, kir_val at) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const int columns = warp_n(e) / FRAGMENT_N;
  const kir_val lane = kir_lane(b);
  at = kir_add(b, at, times(e, over(e, lane, 4), pitch));
  at = kir_add(b, at, times(e, rest(e, lane, 4), 2));
  for (int n = 0; n < columns; n++) {
    for (int half = 0; half < 2; half++) {
      kir_vstore(b, tile, plus(e, at, (int64_t)half * 8 * pitch + n * FRAGMENT_N), e->acc,
                 ((int64_t)band * columns + n) * 4 + half * 2, 2);
    }
  }
}

static void spill_sums(gc_emit *e, kir_val tile, int pitch, int band, kir_val at) {
  kir_builder *b = &e->lk.b;
  at = kir_add(b, at, times(e, times(e, e->lane_m, e->vector_m), pitch));
  at = kir_add(b, at, times(e, e->lane_n, e->vector_n));
  for (int r = 0; r < e->vector_m; r++) {
    for (int n = 0; n < thread_n(e); n += e->vector_n) {
      kir_vstore(b, tile, plus(e, at, (int64_t)r * pitch + n * e->lanes_n), e->acc,
                 ((int64_t)band * e->vector_m + r) * thread_n(e) + n, e->vector_n);
    }
  }
}

void gc_spill(gc_emit *e, kir_val tile, int pitch, int part, int parts) {
  kir_builder *b = &e->lk.b;
  const int bands = warp_m(e) / gc_band(e) / parts;
  const kir_val column = times(e, e->warp_n, warp_n(e));
  for (int i = 0; i < bands; i++) {
    const kir_val row = plus(e, times(e, e->warp_m, (int64_t)bands * gc_band(e)),
                             (int64_t)i * gc_band(e));
    const kir_val at = kir_add(b, times(e, row, pitch), column);
    const int band = part * bands + i;
    if (is_mma(e)) {
      spill_fragments(e, tile, pitch, band, at);
    } else {
      spill_sums(e, tile, pitch, band, at);
    }
  }
}
