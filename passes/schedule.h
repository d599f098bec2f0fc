// Schedules as data: how a contraction is cut into tasks and what its inner product is.
//
// The text form stands in the `schedule` attribute of a group of kind contract, in --opt-report and
// in the printed plan. On CPUs:
//
//   8x3            8 rows by 3 vectors of accumulators stay in registers
//   8x3 rows=64    and a task computes 64 rows (a multiple of the block's)
//
// On GPUs, where a block of warps computes MxN of the result in steps of K:
//
//   simt 128x128x8 threads 8x8 stages 2          a thread computes 8 x 8 by multiply-adds
//   mma 128x128x32 warps 2x4 stages 3            2 x 4 warps compute by matrix instructions
//   mma 64x64x32 warps 2x2 stages 3 split 4      k in 4 parts, added in order by a second kernel
//   rows 4 warps 8                               few rows: a warp streams B for up to 4 of them
//   rows 1 warps 8 lanes 2                       and 2 lanes, not 8, share the columns of a task
//
// A group without the attribute gets the schedule that lowering finds best.
#ifndef AICC_PASSES_SCHEDULE_H
#define AICC_PASSES_SCHEDULE_H

#include "ir/graph.h"

enum {
  AICC_SCHEDULE_ROWS_MAX = 32,
  AICC_SCHEDULE_VECTORS_MAX = 8,
  AICC_SCHEDULE_STREAM_ROWS_MAX = 8
};

typedef enum aicc_schedule_kind {
  AICC_SCHEDULE_BLOCK,  // CPU: a block of registers
  AICC_SCHEDULE_SIMT,   // GPU: a tile of multiply-adds
  AICC_SCHEDULE_MMA,    // GPU: a tile of matrix instructions
  AICC_SCHEDULE_STREAM, // GPU: few rows
} aicc_schedule_kind;

typedef struct aicc_schedule {
  aicc_schedule_kind kind;
  int mr, nv;  // BLOCK: rows and vectors of the register block: 1 .. the limits above
  int rows;    // BLOCK: of one task; 0: to be chosen. STREAM: at once, 1 .. its limit
  int m, n, k;            // SIMT, MMA: the tile, 8 .. 256, 8 .. 256, 4 .. 128
  int across_m, across_n; // SIMT: of a thread, 1 .. 16 each; MMA: warps, 1 .. 16 each
  int stages;             // SIMT, MMA: buffers of the tile's operands, 2 .. 6
  int split;              // SIMT, MMA, STREAM: parts of k, 1 .. 64
  int warps;              // STREAM: that share a task's k, 1 .. 16
  int lanes;              // STREAM: over neighbouring columns: 1, 2, 4; 0: 8
} aicc_schedule;

// False where |text| is no schedule. Whether a machine can run it is for lowering to say.
bool aicc_schedule_parse(const char *text, aicc_schedule *out);
// The text that parses to |schedule|.
const char *aicc_schedule_print(const aicc_schedule *schedule, aicc_arena *arena);

// Forces the schedule of groups: |item| is WHICH=SCHEDULE, with WHICH "contract", "map", "row" or
// "attention" for all groups of that kind, or the name of an ONNX node (the text up to the last '='
// that a schedule follows); of its groups those are meant whose kind the schedule is for
// (schedule_map.h: maps and rows; schedule_attention.h, read on GPUs alone). Needs a module after
// the fuse pass. Returns the number of groups found; -1: |item| is not understood.
int aicc_schedule_force(aicc_module *module, const char *item);

#endif
