// A matrix product written down in kernel IR by hand, as a GPU wants it: C = A . B of f16 with f32
// sums, tiles of A and B copied to local memory some stages ahead, fragments by ldmatrix, mma.
// Parameters: a: f16[m, k], b: f16[k, n], c: f32[m, n], and m, n, k (n, k multiples of 8). A task
// is a tile of C.
#ifndef AICC_TESTS_BLOCK_GEMM_H
#define AICC_TESTS_BLOCK_GEMM_H

#include "ir/kir.h"

typedef struct gemm_shape {
  int bm, bn, bk, stages;  // of a block
  int wm, wn;              // of a warp
  int late;                // mistakes on purpose: groups that `wait` leaves too many
  bool no_barrier;
} gemm_shape;

typedef struct gemm {
  gemm_shape s;
  kir_kernel *kernel;
  kir_builder b;
  kir_val a, b_in, c, m, n, k;     // parameters
  kir_val tile_a, tile_b;          // local: stages x bm x bk, stages x bk x bn
  kir_val row, column;             // of the tile of C
  kir_val thread, lane, warp_row, warp_column;
  kir_val acc, fa, fb;
} gemm;

static inline kir_val gemm_int(gemm *g, int64_t value) { return kir_const_i64(&g->b, value); }
static inline kir_val gemm_div(gemm *g, kir_val x, int64_t by) {
  return kir_scalar2(&g->b, AICC_OP_DIV, x, gemm_int(g, by));
}
static inline kir_val gemm_mod(gemm *g, kir_val x, int64_t by) {
  return kir_scalar2(&g->b, AICC_OP_MOD, x, gemm_int(g, by));
}
static inline kir_val gemm_xor(gemm *g, kir_val x, kir_val y) {
  return kir_scalar2(&g->b, AICC_OP_XOR, x, y);
}
static inline kir_val gemm_less(gemm *g, kir_val x, kir_val y) {
  return kir_scalar2(&g->b, AICC_OP_LT, x, y);
}

// Element of a tile whose rows have |width| elements: chunks of 8 are permuted within a row, so
// that the 8 rows of a matrix lie in different banks.
static inline kir_val gemm_place(gemm *g, kir_val row, kir_val chunk, int width) {
  const int chunks = width / 8;
  const kir_val by = chunks >= 8 ? gemm_mod(g, row, 8)
                                 : gemm_mod(g, gemm_div(g, row, 8 / chunks), chunks);
  const kir_val moved = gemm_xor(g, chunk, by);
  return kir_add(&g->b, kir_mul(&g->b, row, gemm_int(g, width)),
                 kir_mul(&g->b, moved, gemm_int(g, 8)));
}

// Starts the copies of rows x width elements from rows |from_row| and columns |from_column| on of a
// matrix rows_of x columns_of to |local| at |offset|.
static inline void gemm_copy(gemm *g, kir_val local, kir_val offset, int rows, int width,
                             kir_val source, kir_val from_row, kir_val from_column,
                             kir_val rows_of, kir_val columns_of) {
  kir_builder *b = &g->b;
  const int chunks = width / 8, threads = g->kernel->warps * 32;
  for (int i = 0; i < rows * chunks / threads; i++) {
    const kir_val at = kir_add(b, g->thread, gemm_int(g, (int64_t)i * threads));
    const kir_val r = gemm_div(g, at, chunks), chunk = gemm_mod(g, at, chunks);
    const kir_val row = kir_add(b, from_row, r);
    const kir_val column = kir_add(b, from_column, kir_mul(b, chunk, gemm_int(g, 8)));
    const kir_val inside = kir_scalar2(b, AICC_OP_AND, gemm_less(g, row, rows_of),
                                       gemm_less(g, column, columns_of));
    kir_copy_async(b, local, kir_add(b, offset, gemm_place(g, r, chunk, width)), source,
                   kir_add(b, kir_mul(b, row, columns_of), column), 8, inside);
  }
}

// Tile number |tile| of k into stage |stage|.
static inline void gemm_fill(gemm *g, kir_val stage, kir_val tile) {
  kir_builder *b = &g->b;
  const gemm_shape *s = &g->s;
  const kir_val at = kir_mul(b, tile, gemm_int(g, s->bk));
  gemm_copy(g, g->tile_a, kir_mul(b, stage, gemm_int(g, s->bm * s->bk)), s->bm, s->bk, g->a, g->row,
            at, g->m, g->k);
  gemm_copy(g, g->tile_b, kir_mul(b, stage, gemm_int(g, s->bk * s->bn)), s->bk, s->bn, g->b_in, at,
            g->column, g->k, g->n);
  kir_commit(b);
}

static inline void gemm_multiply(gemm *g, kir_val stage) {
  kir_builder *b = &g->b;
  const gemm_shape *s = &g->s;
  const kir_val base_a = kir_mul(b, stage, gemm_int(g, s->bm * s->bk));
  const kir_val base_b = kir_mul(b, stage, gemm_int(g, s->bk * s->bn));
  const kir_val low = gemm_mod(g, g->lane, 16), high = gemm_div(g, g->lane, 16);
  for (int kk = 0; kk < s->bk / 16; kk++) {
    for (int i = 0; i < s->wm / 16; i++) {
      // Rows 16 apart are permuted alike: one place and a constant distance for all.
      const kir_val chunk = kir_add(b, gemm_int(g, 2 * kk), high);
      const kir_val place = kir_add(b, gemm_place(g, low, chunk, s->bk),
                                    kir_mul(b, g->warp_row, gemm_int(g, s->bk)));
      kir_ldmatrix(b, g->fa, 4 * i, 4, false, g->tile_a,
                   kir_add(b, kir_add(b, base_a, place), gemm_int(g, 16 * i * s->bk)));
    }
    for (int j = 0; j < s->wn / 16; j++) {
      const kir_val chunk = kir_add(
          b, gemm_div(g, kir_add(b, g->warp_column, gemm_int(g, 16 * j)), 8), high);
      const kir_val place = gemm_place(g, low, chunk, s->bn);
      kir_ldmatrix(b, g->fb, 4 * j, 4, true, g->tile_b,
                   kir_add(b, kir_add(b, base_b, place), gemm_int(g, 16 * kk * s->bn)));
    }
    for (int i = 0; i < s->wm / 16; i++) {
      for (int j = 0; j < s->wn / 8; j++) {
        kir_mma(b, KIR_MMA_F16, g->acc, 4 * (i * (s->wn / 8) + j), g->fa, 4 * i, g->fb, 2 * j);
      }
    }
  }
}

static inline void gemm_loop(gemm *g) {
  kir_builder *b = &g->b;
  const int stages = g->s.stages;
  const kir_val zero = gemm_int(g, 0), one = gemm_int(g, 1);
  for (int i = 0; i + 1 < stages; i++) {
    gemm_fill(g, gemm_int(g, i), gemm_int(g, i));
  }
  const kir_val tiles = gemm_div(g, kir_add(b, g->k, gemm_int(g, g->s.bk - 1)), g->s.bk);
  const kir_val reads = kir_var(b, zero, false);
  const kir_val writes = kir_var(b, gemm_int(g, stages - 1), false);
  const kir_val tile = kir_for(b, KIR_SERIAL, zero, tiles, one);
  kir_wait(b, stages - 2 + g->s.late);
  if (!g->s.no_barrier) {
    kir_barrier(b);
  }
  const kir_val from = kir_get(b, reads), to = kir_get(b, writes);
  gemm_fill(g, to, kir_add(b, tile, gemm_int(g, stages - 1)));
  gemm_multiply(g, from);
  const kir_val last = gemm_int(g, stages - 1);
  kir_set(b, writes, from);
  kir_set(b, reads, kir_select(b, kir_scalar2(b, AICC_OP_EQ, from, last), zero,
                               kir_add(b, from, one)));
  kir_end(b);
}

static inline void gemm_store(gemm *g) {
  kir_builder *b = &g->b;
  const gemm_shape *s = &g->s;
  const kir_val group = gemm_div(g, g->lane, 4);
  const kir_val pair = kir_mul(b, gemm_mod(g, g->lane, 4), gemm_int(g, 2));
  for (int i = 0; i < s->wm / 8; i++) {
    const kir_val row = kir_add(
        b, kir_add(b, g->row, kir_add(b, g->warp_row, gemm_int(g, 8 * i))), group);
    for (int j = 0; j < s->wn / 8; j++) {
      const kir_val column = kir_add(
          b, kir_add(b, g->column, kir_add(b, g->warp_column, gemm_int(g, 8 * j))), pair);
      kir_if(b, kir_scalar2(b, AICC_OP_AND, gemm_less(g, row, g->m), gemm_less(g, column, g->n)));
      kir_vstore(b, g->c, kir_add(b, kir_mul(b, row, g->n), column), g->acc,
                 4 * (i / 2 * (s->wn / 8) + j) + 2 * (i % 2), 2);
      kir_end(b);
    }
  }
}

static inline kir_kernel *gemm_make(aicc_arena *arena, gemm_shape s) {
  gemm g = {.s = s, .kernel = kir_kernel_create(arena, "gemm", "contract", 32)};
  kir_builder *b = &g.b;
  g.kernel->warps = s.bm / s.wm * (s.bn / s.wn);
  g.a = kir_add_buffer(g.kernel, "a", AICC_F16, KIR_READ);
  g.b_in = kir_add_buffer(g.kernel, "b", AICC_F16, KIR_READ);
  g.c = kir_add_buffer(g.kernel, "c", AICC_F32, KIR_WRITE);
  g.m = kir_add_scalar(g.kernel, "m", AICC_I64);
  g.n = kir_add_scalar(g.kernel, "n", AICC_I64);
  g.k = kir_add_scalar(g.kernel, "k", AICC_I64);
  kir_builder_init(b, g.kernel);
  g.tile_a = kir_local(b, AICC_F16, (int64_t)s.stages * s.bm * s.bk);
  g.tile_b = kir_local(b, AICC_F16, (int64_t)s.stages * s.bk * s.bn);
  const kir_val columns = gemm_div(&g, kir_add(b, g.n, gemm_int(&g, s.bn - 1)), s.bn);
  const kir_val task = kir_task(b), warp = kir_warp(b);
  g.row = kir_mul(b, kir_scalar2(b, AICC_OP_DIV, task, columns), gemm_int(&g, s.bm));
  g.column = kir_mul(b, kir_scalar2(b, AICC_OP_MOD, task, columns), gemm_int(&g, s.bn));
  g.lane = kir_lane(b);
  g.thread = kir_add(b, kir_mul(b, warp, gemm_int(&g, 32)), g.lane);
  g.warp_row = kir_mul(b, gemm_div(&g, warp, s.bn / s.wn), gemm_int(&g, s.wm));
  g.warp_column = kir_mul(b, gemm_mod(&g, warp, s.bn / s.wn), gemm_int(&g, s.wn));
  g.acc = kir_array(b, AICC_F32, (int64_t)s.wm / 16 * (s.wn / 8) * 4, true);
  g.fa = kir_array(b, AICC_U32, (int64_t)s.wm / 16 * 4, true);
  g.fb = kir_array(b, AICC_U32, (int64_t)s.wn / 8 * 2, true);
  gemm_loop(&g);
  gemm_store(&g);
  return g.kernel;
}

#endif
