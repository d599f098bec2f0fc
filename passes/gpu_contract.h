// Contractions on GPUs: one skeleton, in which a block of warps computes a tile of the result.
//
//   lower_gpu_contract.c  tasks and their places, the loop over k, splitting k
//   lower_gpu_choose.c    which schedule, and whether a forced one can run
//   lower_gpu_operand.c   operands: where they lie
//   lower_gpu_stage.c     how they come to shared memory
//   lower_gpu_inner.c     the product of two staged tiles: multiply-adds or matrix instructions
//   lower_gpu_stream.c    few rows: nothing is staged
//   lower_gpu_finish.c    from accumulators to results: the epilogue
//
// Per step of k a tile of A and one of B are copied to shared memory, `stages` deep, while the
// tiles that arrived before are multiplied out of it. An operand is an index map: rows (m or n) and
// k are mixed-radix numbers whose digits have strides, so that matrices in either order, batches
// and convolutions are one form; digits of a padded convolution also have bounds, beyond which
// there are zeros. Sizes are expressions: tiles at the edges are guarded, not special.
#ifndef AICC_PASSES_GPU_CONTRACT_H
#define AICC_PASSES_GPU_CONTRACT_H

#include "passes/contract.h"
#include "passes/schedule.h"

enum {
  GC_COPIES_MAX = 16,  // of one thread, per operand and step
  GC_STREAM_MOST = 8,  // rows that are too few for tiles
  GC_TILE_BYTES = 16 << 10,  // of the accumulators on their way to the epilogue, about
};

// A row or k of an operand as digits, the last one fastest; strides in elements. |spatial|: the
// padded dimension that a digit moves along, times |step| positions; -1: none.
typedef struct gc_axis {
  int rank;
  aicc_dim extent[AICC_MAX_RANK], stride[AICC_MAX_RANK];
  int spatial[AICC_MAX_RANK];
  int64_t step[AICC_MAX_RANK];
} gc_axis;

// Where a row or a k lies: its offset, and its positions in padded dimensions.
typedef struct gc_point {
  kir_val offset;
  kir_val at[AICC_PACK_RANK];
} gc_point;

// One copy of a thread: which neighbours it moves, in every step.
typedef struct gc_copy {
  kir_val k;        // first k within the tile
  kir_val number;   // of the first row
  gc_point row;
  kir_val row_ok;   // 0: always
  kir_val there;    // whether the thread has this copy; 0: always
  kir_val local;    // element within a stage
} gc_copy;

// An operand. The first part is its plan, the second is filled as code is emitted.
typedef struct gc_side {
  const aicc_value *value;
  aicc_slot slot;
  aicc_dtype from, to;    // in memory, in shared memory
  bool view;              // B: of |value|, through transposes, with outer_stride for its batches
  bool computed;          // B: element by element, where it is used
  bool temporary;         // B: computed into a temporary before
  aicc_dim outer_stride[AICC_MAX_RANK];
  aicc_dim first;         // of a view: the number of its first element
  aicc_pack pack;         // of panels
  gc_axis row, k;
  aicc_dim rows, ks;      // how many there are
  const contract *padded; // whose bounds count; NULL: none
  int tile_rows, tile_k;
  bool along_k;           // neighbours in memory lie along k, else along rows
  bool k_inner;           // and in shared memory: [row][k], else [k][row]
  int vector;             // neighbours of one copy
  bool panels;            // a constant, packed: rows count from the tile's first, beyond are zeros
  bool lines;             // a constant, packed as [row][k]
  bool async;
  int pitch, stage;       // elements of a line and of a stage in shared memory
  kir_val buffer, base, local, regs;
  kir_val first_row;      // of the tile
  int copies;             // of each thread
  gc_copy copy[GC_COPIES_MAX];
} gc_side;

typedef struct gc_emit {
  contract *c;
  const aicc_schedule *s;
  lower_kernel lk;
  kir_mma_kind mma;
  int mma_k;                     // k of a step of fragments: 32 bytes
  int width, warps, threads;
  int warps_m, warps_n;          // of the block
  int lanes_m, lanes_n;          // SIMT: of a warp
  int vector_m, vector_n;        // SIMT: neighbours of a thread
  gc_side a, b;
  kir_val tid, warp_m, warp_n, lane_m, lane_n;
  kir_val acc, a_frags, b_frags;
  kir_val a_line, b_line;        // MMA: where this lane's line of matrices starts in a stage
  bool folded;                   // the places are rows
  kir_val outer[AICC_MAX_RANK];  // index of the place, unless folded
  kir_val place, m0, n0;         // number of the place; first row and column (within its group)
  kir_val b_batch;               // number of B's batch
  kir_val group, group_first;    // number of the group, its first column in the result
  aicc_dim m;                    // rows, the places where they are folded
  int64_t m_most;                // no more of them
  double m_usual;                // about as many
  aicc_dim when;                 // runs where this is not 0; AICC_DIM_NONE: always
  kir_val first_step, end_step;
  kir_val part;                  // which part of a split k
  aicc_slot partial;             // sums of the parts, where k is split
} gc_emit;

// --- lower_gpu_choose.c --------------------------------------------------------------------------

// The matrix instruction for operands of types |a| and |b|; false: there is none, or it is not
// allowed.
bool gc_find_mma(const aicc_lower *lw, aicc_dtype a, aicc_dtype b, kir_mma_kind *kind);
// The schedule of the group, forced or the best known; then the operands are planned. False after
// an error.
bool gc_choose(gc_emit *e, aicc_schedule *out);
double gc_usual_size(const contract *c, aicc_dim dim);  // a size, or about what it may be
// How the block's warps and lanes divide a tile of |s|; false: they cannot.
bool gc_divide(gc_emit *e);

// --- lower_gpu_operand.c -------------------------------------------------------------------------

void gc_plan_operands(gc_emit *e);  // makes nothing yet: another schedule may be tried
void gc_take_operands(gc_emit *e);  // slots, packed constants, temporaries

// --- lower_gpu_contract.c ------------------------------------------------------------------------

aicc_dim gc_if_run(const gc_emit *e, aicc_dim size);  // 0 where it does not run
void gc_launch(const gc_emit *e, lower_kernel *lk, aicc_dim tasks, aicc_dim cost);

// --- lower_gpu_stage.c ---------------------------------------------------------------------------

// How operands come to shared memory. False: the schedule cannot run, |*why| says why.
bool gc_plan_sides(gc_emit *e, const char **why);
// Element (k, n) of a computed B as |to|; 0 where |ok| (0: always) is false.
kir_val gc_compute(gc_emit *e, kir_val k, kir_val n, kir_val ok, aicc_dtype to);
void gc_begin_bases(gc_emit *e);  // inside the kernel: buffers and where the tile's operands start
void gc_begin_sides(gc_emit *e);  // inside the kernel: what does not change over the steps
void gc_fetch(gc_emit *e, gc_side *side, kir_val step, kir_val slot);  // starts copying
void gc_deliver(gc_emit *e, gc_side *side, kir_val slot);  // what went through registers
// Σ digit * stride of number |i| of |axis|.
gc_point gc_locate(gc_emit *e, const gc_axis *axis, kir_val i);

// --- lower_gpu_inner.c ---------------------------------------------------------------------------

void gc_begin_inner(gc_emit *e);
void gc_multiply(gc_emit *e, kir_val slot);
// Rows of a warp come in bands that spill together; a tile of sums has one part of every warp's
// bands, the warps' bands one after the other.
int gc_band(const gc_emit *e);
void gc_spill(gc_emit *e, kir_val tile, int pitch, int part, int parts);

// --- lower_gpu_stream.c --------------------------------------------------------------------------

// Plans operands and completes the schedule: columns of a task, k of a step.
bool gc_plan_stream(gc_emit *e, aicc_schedule *s, const char **why);
void gc_stream(gc_emit *e);
void gc_spill_stream(gc_emit *e, kir_val tile, int pitch);

// --- lower_gpu_finish.c --------------------------------------------------------------------------

int64_t gc_tile_bytes(const gc_emit *e);  // shared memory of the tile of sums
void gc_finish(gc_emit *e);
void gc_sum_parts(gc_emit *e);  // the second kernel of a split k

#endif
