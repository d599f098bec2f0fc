// The products of attention by multiply-adds. Eight lanes share a row: each has every eighth key,
// and columns in fours. Tiles are read as vectors of four; the weights go through shared memory,
// which only the warp that wrote them reads.
#include "passes/gpu_attention.h"

enum { PEERS = 8, PEER_BITS = 3, FOUR = 4 };

static int row_step(const flash *f) { return f->machine->width / PEERS; }

void flash_simt_begin(flash *f) {
  kir_builder *b = &f->a.lk.b;
  const kir_val peer = flash_low(f, f->lane, PEER_BITS);
  f->peers = PEERS;
  f->row_count = f->s.rows / (f->s.warps * row_step(f));
  f->score_count = f->s.keys / PEERS;
  f->sum_count = f->v.padded / PEERS;
  const kir_val first = kir_add(b, flash_times(f, f->warp, f->s.rows / f->s.warps),
                                flash_shift(f, f->lane, PEER_BITS));
  for (int r = 0; r < f->row_count; r++) {
    f->row[r] = flash_plus(f, first, (int64_t)r * row_step(f));
  }
  f->score_lane = peer;
  f->sum_lane = flash_times(f, peer, FOUR);
  f->weight_pitch = f->s.keys + FOUR;
  f->weights = kir_local(b, AICC_F32, (int64_t)f->s.rows * f->weight_pitch);
}

// array[i * 4 ..] = four elements of row |row| of a tile.
static void read_four(flash *f, kir_val array, int i, kir_val local, kir_val row, int pitch,
                      kir_val column) {
  kir_builder *b = &f->a.lk.b;
  kir_vload(b, array, (int64_t)i * FOUR, FOUR, local,
            kir_add(b, flash_times(f, row, pitch), column));
}

static void multiply_add(flash *f, kir_val sums, int at, kir_val x, int x_at, kir_val y, int y_at) {
  kir_builder *b = &f->a.lk.b;
  const kir_val slot = flash_i64(f, at);
  kir_aset(b, sums, slot, kir_fma(b, kir_aget(b, x, flash_i64(f, x_at)),
                                  kir_aget(b, y, flash_i64(f, y_at)), kir_aget(b, sums, slot)));
}

void flash_simt_scores(flash *f) {
  kir_builder *b = &f->a.lk.b;
  const kir_val q = kir_array(b, AICC_F32, f->row_count * FOUR, true);
  const kir_val k = kir_array(b, AICC_F32, f->score_count * FOUR, true);
  for (int i = 0; i < f->row_count * f->score_count; i++) {
    kir_aset(b, f->scores, flash_i64(f, i), attend_number(&f->a, 0));
  }
  const kir_val d = kir_for(b, KIR_SERIAL, flash_i64(f, 0), flash_i64(f, f->q.padded),
                            flash_i64(f, FOUR));
  for (int r = 0; r < f->row_count; r++) {
    read_four(f, q, r, f->q.local, f->row[r], f->q.pitch, d);
  }
  for (int c = 0; c < f->score_count; c++) {
    const kir_val key = flash_plus(f, f->score_lane, flash_key_offset(f, c));
    read_four(f, k, c, f->k.local, key, f->k.pitch, d);
  }
  for (int i = 0; i < FOUR; i++) {
    for (int r = 0; r < f->row_count; r++) {
      for (int c = 0; c < f->score_count; c++) {
        multiply_add(f, f->scores, flash_score_at(f, r, c), q, r * FOUR + i, k, c * FOUR + i);
      }
    }
  }
  lk_end(&f->a.lk);
}

static void share_weights(flash *f) {
  kir_builder *b = &f->a.lk.b;
  for (int r = 0; r < f->row_count; r++) {
    const kir_val line = kir_add(b, flash_times(f, f->row[r], f->weight_pitch), f->score_lane);
    for (int c = 0; c < f->score_count; c++) {
      kir_store(b, f->weights, flash_plus(f, line, flash_key_offset(f, c)),
                kir_aget(b, f->scores, flash_i64(f, flash_score_at(f, r, c))));
    }
  }
}

void flash_simt_sums(flash *f) {
  kir_builder *b = &f->a.lk.b;
  const int parts = f->sum_count / FOUR;
  share_weights(f);
  const kir_val weights = kir_array(b, AICC_F32, f->row_count * FOUR, true);
  const kir_val v = kir_array(b, AICC_F32, f->sum_count, true);
  const kir_val t = kir_for(b, KIR_SERIAL, flash_i64(f, 0), flash_i64(f, f->s.keys),
                            flash_i64(f, FOUR));
  for (int r = 0; r < f->row_count; r++) {
    read_four(f, weights, r, f->weights, f->row[r], f->weight_pitch, t);
  }
  for (int i = 0; i < FOUR; i++) {
    for (int part = 0; part < parts; part++) {
      const int c = part * FOUR;
      read_four(f, v, part, f->v.local, flash_plus(f, t, i), f->v.pitch,
                flash_plus(f, f->sum_lane, flash_column_offset(f, c)));
      for (int r = 0; r < f->row_count; r++) {
        for (int j = 0; j < FOUR; j++) {
          multiply_add(f, f->sums, flash_sum_at(f, r, c + j), weights, r * FOUR + i, v, c + j);
        }
      }
    }
  }
  lk_end(&f->a.lk);
}
