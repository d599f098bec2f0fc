// The products of attention by matrix instructions (ir/kir_mma.def). A warp has tiles of 16 rows.
// What the first product leaves in a lane is what the second one takes as its left operand, once
// rounded to 16 bits: weights never leave registers.
//
// tf32 is read from the bits of f32. A 16 x 16 tile of 16-bit numbers is one of 16 x 8 of these,
// which ldmatrix loads the same way, but not transposed: v is read number by number. There a lane
// has the weights of keys 2t and 2t + 1, and takes them for keys t and t + 4: the sum over keys
// does not mind the order, so v is read in the same one.
#include "passes/gpu_attention.h"

enum {
  TILE = 16,            // rows, keys and columns that are loaded together
  FRAGMENT = 4,         // registers of such a tile; numbers of 16 x 8 results
  KEEP_REGISTERS = 32   // of q's fragments: as many stay over the loop
};

static int tiles_of(const flash *f) { return f->s.rows / (f->s.warps * TILE); }
// Columns of a tile that is loaded together: 32 bytes.
static int columns_of(const flash *f) { return f->mma == KIR_MMA_TF32 ? TILE / 2 : TILE; }
static int steps_of(const flash *f) { return f->q.padded / columns_of(f); }

void flash_mma_begin(flash *f) {
  kir_builder *b = &f->a.lk.b;
  f->peers = 4;
  f->row_count = 2 * tiles_of(f);
  f->score_count = f->s.keys / 4;
  f->sum_count = f->v.padded / 4;
  const kir_val first = kir_add(b, flash_times(f, f->warp, f->s.rows / f->s.warps),
                                flash_shift(f, f->lane, 2));
  for (int r = 0; r < f->row_count; r++) {
    f->row[r] = flash_plus(f, first, r / 2 * TILE + r % 2 * 8);
  }
  f->score_lane = f->sum_lane = flash_times(f, flash_low(f, f->lane, 2), 2);
  const bool keep = tiles_of(f) * steps_of(f) * FRAGMENT <= KEEP_REGISTERS;
  f->q_fragments = keep ? kir_array(b, AICC_U32, tiles_of(f) * steps_of(f) * FRAGMENT, true) : 0;
}

// The element that this lane gives ldmatrix for a 16 x 16 tile at the corner of |local|: its four
// matrices are 0 | 2 over 1 | 3, or 0 | 1 over 2 | 3 where |across|.
static kir_val tile_lane(flash *f, const flash_tile *tile, bool across) {
  kir_builder *b = &f->a.lk.b;
  const kir_val in = flash_low(f, f->lane, 3);
  const kir_val odd = flash_low(f, flash_shift(f, f->lane, 3), 1);
  const kir_val second = flash_shift(f, f->lane, 4);
  const kir_val row = kir_add(b, in, flash_times(f, across ? second : odd, TILE / 2));
  const kir_val column = flash_times(f, across ? odd : second, columns_of(f) / 2);
  return kir_add(b, flash_times(f, row, tile->pitch), column);
}

static void load_queries(flash *f, kir_val to, int at, int tile, int step) {
  kir_builder *b = &f->a.lk.b;
  const kir_val warp = flash_times(f, f->warp, (int64_t)(f->s.rows / f->s.warps) * f->q.pitch);
  const int64_t offset = (int64_t)tile * TILE * f->q.pitch + step * columns_of(f);
  const kir_val lane = tile_lane(f, &f->q, false);
  kir_ldmatrix(b, to, at, 4, false, f->q.local, flash_plus(f, kir_add(b, warp, lane), offset));
}

void flash_mma_queries(flash *f) {
  for (int tile = 0; tile < tiles_of(f); tile++) {
    for (int step = 0; step < steps_of(f); step++) {
      load_queries(f, f->q_fragments, (tile * steps_of(f) + step) * FRAGMENT, tile, step);
    }
  }
}

// 16 x 8 results += 16 x 16 by 16 x 8; the older instruction takes half of it at a time.
static void multiply(flash *f, kir_val sums, int at, kir_val x, int x_at, kir_val y, int y_at) {
  kir_builder *b = &f->a.lk.b;
  if (f->mma != KIR_MMA_F16_K8) {
    kir_mma(b, f->mma, sums, at, x, x_at, y, y_at);
    return;
  }
  kir_mma(b, f->mma, sums, at, x, x_at, y, y_at);
  kir_mma(b, f->mma, sums, at, x, x_at + 2, y, y_at + 1);
}

void flash_mma_scores(flash *f) {
  kir_builder *b = &f->a.lk.b;
  const int steps = steps_of(f), tiles = tiles_of(f), parts = f->s.keys / TILE;
  const kir_val k = kir_array(b, AICC_U32, FRAGMENT, true);
  const kir_val q = f->q_fragments ? f->q_fragments
                                   : kir_array(b, AICC_U32, tiles * FRAGMENT, true);
  const kir_val lane = tile_lane(f, &f->k, true);
  for (int i = 0; i < f->row_count * f->score_count; i++) {
    kir_aset(b, f->scores, flash_i64(f, i), attend_number(&f->a, 0));
  }
  for (int step = 0; step < steps; step++) {
    for (int tile = 0; tile < tiles && !f->q_fragments; tile++) {
      load_queries(f, q, tile * FRAGMENT, tile, step);
    }
    for (int part = 0; part < parts; part++) {
      const int64_t offset = (int64_t)part * TILE * f->k.pitch + step * columns_of(f);
      kir_ldmatrix(b, k, 0, 4, false, f->k.local, flash_plus(f, lane, offset));
      for (int tile = 0; tile < tiles; tile++) {
        const int from = (f->q_fragments ? tile * steps + step : tile) * FRAGMENT;
        const int to = (tile * parts + part) * 2 * FRAGMENT;
        multiply(f, f->scores, to, q, from, k, 0);
        multiply(f, f->scores, to + FRAGMENT, q, from, k, 2);
      }
    }
  }
}

// Two weights as the 16-bit numbers of a register.
static kir_val pack(flash *f, int at) {
  kir_builder *b = &f->a.lk.b;
  kir_val half[2];
  for (int i = 0; i < 2; i++) {
    const kir_val weight = kir_aget(b, f->scores, flash_i64(f, at + i));
    const kir_val narrow = kir_bitcast(b, kir_cast(b, weight, f->type, false), AICC_U16);
    half[i] = kir_cast(b, narrow, AICC_U32, false);
  }
  const kir_val sixteen = kir_const_bits(b, AICC_U32, 16);
  return kir_scalar2(b, AICC_OP_OR, half[0], kir_scalar2(b, AICC_OP_SHL, half[1], sixteen));
}

static void sum_halves(flash *f) {
  kir_builder *b = &f->a.lk.b;
  const int tiles = tiles_of(f), blocks = f->s.keys / TILE, parts = f->v.padded / TILE;
  const kir_val weights = kir_array(b, AICC_U32, tiles * FRAGMENT, true);
  const kir_val v = kir_array(b, AICC_U32, FRAGMENT, true);
  const kir_val lane = tile_lane(f, &f->v, false);
  for (int block = 0; block < blocks; block++) {
    for (int i = 0; i < tiles * FRAGMENT; i++) {
      const int from = (i / FRAGMENT * blocks + block) * 2 * FRAGMENT + i % FRAGMENT * 2;
      kir_aset(b, weights, flash_i64(f, i), pack(f, from));
    }
    for (int part = 0; part < parts; part++) {
      const int64_t offset = (int64_t)block * TILE * f->v.pitch + part * TILE;
      kir_ldmatrix(b, v, 0, 4, true, f->v.local, flash_plus(f, lane, offset));
      for (int tile = 0; tile < tiles; tile++) {
        const int to = (tile * parts + part) * 2 * FRAGMENT;
        multiply(f, f->sums, to, weights, tile * FRAGMENT, v, 0);
        multiply(f, f->sums, to + FRAGMENT, weights, tile * FRAGMENT, v, 2);
      }
    }
  }
}

// A weight as tf32, rounded: what lies below would be cut off, always towards zero.
static kir_val rounded(flash *f, kir_val weight) {
  kir_builder *b = &f->a.lk.b;
  const kir_val bits = kir_bitcast(b, weight, AICC_U32);
  return kir_add(b, bits, kir_const_bits(b, AICC_U32, 1 << 12));
}

static void sum_tf32(flash *f) {
  enum { KEYS = 8, COLUMNS = 8 };
  kir_builder *b = &f->a.lk.b;
  const int tiles = tiles_of(f), blocks = f->s.keys / KEYS, parts = f->v.padded / COLUMNS;
  const kir_val weights = kir_array(b, AICC_U32, tiles * FRAGMENT, true);
  const kir_val v = kir_array(b, AICC_U32, 2, true);
  const kir_val row = flash_times(f, flash_low(f, f->lane, 2), 2);
  const kir_val lane = kir_add(b, flash_times(f, row, f->v.pitch), flash_shift(f, f->lane, 2));
  for (int block = 0; block < blocks; block++) {
    for (int i = 0; i < tiles * FRAGMENT; i++) {  // rows g, g + 8 of key 2t, then of 2t + 1
      const int from = (i / FRAGMENT * blocks + block) * FRAGMENT + i % 2 * 2 + i % FRAGMENT / 2;
      kir_aset(b, weights, flash_i64(f, i),
               rounded(f, kir_aget(b, f->scores, flash_i64(f, from))));
    }
    for (int part = 0; part < parts; part++) {
      for (int i = 0; i < 2; i++) {
        const int64_t offset = ((int64_t)block * KEYS + i) * f->v.pitch + part * COLUMNS;
        const kir_val item = kir_load(b, f->v.local, flash_plus(f, lane, offset));
        kir_aset(b, v, flash_i64(f, i), kir_bitcast(b, item, AICC_U32));
      }
      for (int tile = 0; tile < tiles; tile++) {
        multiply(f, f->sums, (tile * parts + part) * FRAGMENT, weights, tile * FRAGMENT, v, 0);
      }
    }
  }
}

void flash_mma_sums(flash *f) { (f->mma == KIR_MMA_TF32 ? sum_tf32 : sum_halves)(f); }
