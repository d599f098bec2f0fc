// Attention on GPUs: a block of warps computes the results of a block of queries of one head.
//
//   lower_gpu_attention.c        which kernels, tasks, the loop over keys
//   lower_gpu_attention_stage.c  blocks of q, k and v in shared memory
//   lower_gpu_attention_soft.c   softmax on the scores in registers; storing the results
//   lower_gpu_attention_simt.c   the products, by multiply-adds
//   lower_gpu_attention_mma.c    and by matrix instructions
//   lower_gpu_attention_few.c    few queries: the keys are shared among warps and blocks
//
// A warp has whole rows (queries) of the block, so that maxima and sums stay within it. Scores and
// sums of the results lie in arrays of registers: a lane has |row_count| rows, and of each of them
// |score_count| keys and |sum_count| columns; |peers| neighbouring lanes share a row.
#ifndef AICC_PASSES_GPU_ATTENTION_H
#define AICC_PASSES_GPU_ATTENTION_H

#include "passes/lower_attention.h"
#include "passes/schedule_attention.h"

enum { FLASH_ROWS = 8 };

// Rows of an operand in shared memory. Copied |vector| neighbours at a time from memory, or, where
// it is 0, computed (or converted) element by element.
typedef struct flash_tile {
  const aicc_value *value;
  kir_val local;
  int rows, columns, padded, pitch;  // columns beyond are zeros; elements from row to row
  int vector;
} flash_tile;

typedef struct flash {
  attend a;
  own *o;
  const aicc_machine *machine;
  aicc_attention_schedule s;
  kir_mma_kind mma;
  int threads;
  aicc_dtype type;          // of the tiles
  kir_val lane, warp, thread;
  kir_val first;            // query of the block
  kir_val end;              // keys that some row of the block sees
  flash_tile q, k, v;
  int row_count, score_count, sum_count, peers;
  kir_val row[FLASH_ROWS];  // of the lane, within the block
  kir_val score_lane, sum_lane;  // the lane's first key and column
  kir_val scores, sums;     // arrays of f32
  kir_val most[FLASH_ROWS], total[FLASH_ROWS];  // variables; the total is the lane's own part
  kir_val q_fragments;      // MMA: array, or 0: read from shared memory for each block of keys
  kir_val weights;          // SIMT: local [rows][weight_pitch]
  int weight_pitch;
} flash;

static inline bool flash_is_mma(const flash *f) { return f->s.kind == AICC_ATTENTION_MMA; }

// --- arithmetic ----------------------------------------------------------------------------------

static inline kir_val flash_i64(flash *f, int64_t value) { return lk_i64(&f->a.lk, value); }
static inline kir_val flash_plus(flash *f, kir_val x, int64_t value) {
  return kir_add(&f->a.lk.b, x, flash_i64(f, value));
}
static inline kir_val flash_times(flash *f, kir_val x, int64_t value) {
  return kir_mul(&f->a.lk.b, x, flash_i64(f, value));
}
// x / 2^shift and x % 2^bits of what is not negative.
static inline kir_val flash_shift(flash *f, kir_val x, int shift) {
  return kir_scalar2(&f->a.lk.b, AICC_OP_SHR, x, flash_i64(f, shift));
}
static inline kir_val flash_low(flash *f, kir_val x, int bits) {
  return kir_scalar2(&f->a.lk.b, AICC_OP_AND, x, flash_i64(f, (1 << bits) - 1));
}

// --- where elements of a lane are ----------------------------------------------------------------

// Number of (row r, key or column c) of a lane in the arrays, and c's distance from the first.
static inline int flash_at(const flash *f, int r, int c, int count) {
  return flash_is_mma(f) ? ((r / 2) * (count / 2) + c / 2) * 4 + r % 2 * 2 + c % 2 : r * count + c;
}
static inline int flash_score_at(const flash *f, int r, int c) {
  return flash_at(f, r, c, f->score_count);
}
static inline int flash_sum_at(const flash *f, int r, int c) {
  return flash_at(f, r, c, f->sum_count);
}
static inline int flash_key_offset(const flash *f, int c) {
  return flash_is_mma(f) ? c / 2 * 8 + c % 2 : c * 8;
}
static inline int flash_column_offset(const flash *f, int c) {
  return flash_is_mma(f) ? c / 2 * 8 + c % 2 : c / 4 * 32 + c % 4;
}

// --- the files -----------------------------------------------------------------------------------

// Neighbours along a row of |columns| that one access may move, up to 16 bytes of |type|; 0:
// elements are computed, or stored as another type. Emits nothing.
int attend_vector(attend *a, const aicc_value *value, aicc_dtype type, int columns);

// Decides how the tile is filled: |head| is h or g. Then its shared memory is made.
void flash_plan_tile(flash *f, flash_tile *tile, const aicc_value *value, int rows, int columns,
                     int padded, int pitch);
// Starts filling a tile with rows |first| .. of |head|; those from |end| on are zeros.
void flash_fill(flash *f, const flash_tile *tile, kir_val head, kir_val first, kir_val end);

void flash_begin_soft(flash *f);
// Scale, cap, bias and limits of the block's scores, whose first key is |t0|.
void flash_finish_scores(flash *f, kir_val t0);
void flash_soften(flash *f);  // scores become weights; what was summed before is corrected
void flash_store(flash *f, aicc_slot result);

void flash_simt_begin(flash *f);
void flash_simt_scores(flash *f);
void flash_simt_sums(flash *f);
void flash_mma_begin(flash *f);
void flash_mma_queries(flash *f);  // q has arrived
void flash_mma_scores(flash *f);
void flash_mma_sums(flash *f);

// Kernels of few queries, run where the model has |s| of them.
void attend_few(own *o, const attend *read, const aicc_attention_schedule *schedule, aicc_dim s,
                aicc_slot result);

#endif
