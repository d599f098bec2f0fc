// Schedules of maps and rows, as data: see schedule.h, which forces them too.
//
// On CPUs, where lanes are the machine's vector, maps and rows alike:
//
//   task 16384          a task computes about so many elements, whole rows where they are shorter
//
// On GPUs, maps (--schedule map=..., or NODE=...):
//
//   vector 4            a lane computes 4 neighbours at a time (1, 2, 4, 8): wide accesses
//   vector 4 task 1024  and a task, which one warp runs, computes 1024 (a multiple of 4)
//   tile                a transposed operand comes through shared memory in squares
//
// Rows (--schedule row=..., or NODE=...):
//
//   lanes 8             8 lanes of a warp share a row: 32 / 8 rows at a time (1, 2, 4, .., warp)
//   warps 8             8 warps share a row (or, if lanes run over what is kept, 32 rows)
//   warps 8 split 16    and 16 tasks do, whose results a second kernel folds in order
//
// A group without the attribute gets what lowering finds best; so does one whose shape or machine
// does not allow what is asked for. Plain data; thread-safe.
#ifndef AICC_PASSES_SCHEDULE_MAP_H
#define AICC_PASSES_SCHEDULE_MAP_H

#include "ir/arena.h"

typedef struct aicc_map_schedule {
  bool tile;   // then the rest is 0
  int vector;  // 1, 2, 4, 8; 0: to be chosen
  int task;    // elements; 0: to be chosen
} aicc_map_schedule;

typedef struct aicc_row_schedule {
  int lanes;   // of one row: a power of two; 0: all lanes of |warps| warps
  int warps;   // of one row; 1 where lanes > 0
  int split;   // tasks of one row; 1: one
  int task;    // CPU: elements; then the rest is 0, 1, 1. 0: to be chosen
} aicc_row_schedule;

// False where |text| is no such schedule.
bool aicc_map_schedule_parse(const char *text, aicc_map_schedule *out);
bool aicc_row_schedule_parse(const char *text, aicc_row_schedule *out);
const char *aicc_map_schedule_print(const aicc_map_schedule *schedule, aicc_arena *arena);
const char *aicc_row_schedule_print(const aicc_row_schedule *schedule, aicc_arena *arena);

#endif
