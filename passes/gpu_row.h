// Row groups on a GPU: private to passes/lower_gpu_row*.c.
//
// The elements of one row are numbered 0 .. length - 1 along the reduced dimensions, rows (or,
// where the innermost dimension is kept, *columns*) along the kept ones. Who computes what:
//
//   lanes L   a warp has 32 / L rows, a row L neighbouring lanes: short rows
//   warps W   a task is one row; each of its W warps takes a part of it
//   columns   a task is as many columns as a warp has lanes, W warps take parts of all of them
//   split S   S tasks take parts of a row or of columns and leave partial results, which a second
//             kernel folds in order
//
// A row that is known to be short enough is walked by straight code. Then what one phase has loaded
// and computed is there in registers for the next: lk_elem remembers it by its index and guard.
#ifndef AICC_PASSES_GPU_ROW_H
#define AICC_PASSES_GPU_ROW_H

#include "passes/lower_row.h"
#include "passes/schedule_map.h"

enum { ROW_STEPS_MAX = 32 };

// Where a lane stands in a row that is walked by straight code.
typedef struct row_step {
  kir_val guard;  // 0 or: whether the row goes so far; includes that of the row itself
  kir_val place[LK_VECTOR_MAX];  // indices along the last reduced dimension
  kir_val parts[AICC_MAX_RANK];  // along the others
} row_step;

typedef struct gpu_row {
  row_group *g;
  aicc_row_schedule schedule;
  int kept[AICC_MAX_RANK], kept_count;        // dimensions of more than one element
  int reduced[AICC_MAX_RANK], reduced_count;
  aicc_dim rows, length;
  int vector;               // elements of a lane at a time
  bool columns, straight;
  kir_val row_guard;        // 0 or: whether this lane's row exists
  kir_val sub;              // number of the lane in its row; where lanes > 0
  kir_val warp;             // where warps > 1
  kir_val part;             // of a split
  row_step steps[ROW_STEPS_MAX];
  int step_count;
} gpu_row;

// Calls |visit| where g->index is that of each element of this lane's part of the row, under
// lk.guard.
typedef void row_visit(gpu_row *r, void *context);
void row_gpu_walk(gpu_row *r, row_visit *visit, void *context);
// Makes the steps of straight code. After row_guard, sub and warp are set.
void row_gpu_make_steps(gpu_row *r);
// How many steps there would be; 0: it cannot be straight code.
int row_gpu_step_count(const gpu_row *r);

#endif
