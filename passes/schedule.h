// Schedules as data: how a contraction is cut into register blocks and tasks.
//
// The text form stands in the `schedule` attribute of a group of kind contract, in --opt-report and
// in the printed plan:
//
//   8x3            8 rows by 3 vectors of accumulators stay in registers
//   8x3 rows=64    and a task computes 64 rows (a multiple of the block's)
//
// A group without the attribute gets the schedule that lowering finds best.
#ifndef AICC_PASSES_SCHEDULE_H
#define AICC_PASSES_SCHEDULE_H

#include "ir/graph.h"

enum { AICC_SCHEDULE_ROWS_MAX = 32, AICC_SCHEDULE_VECTORS_MAX = 8 };

typedef struct aicc_schedule {
  int mr, nv;  // rows and vectors of the register block: 1 .. the limits above
  int rows;    // of one task; 0: to be chosen
} aicc_schedule;

// False where |text| is no schedule.
bool aicc_schedule_parse(const char *text, aicc_schedule *out);

// Forces the schedule of groups: |item| is WHICH=SCHEDULE, with WHICH "contract" for all contractions,
// "attention" for all attentions (schedule_attention.h; read on GPUs alone), or the name of an ONNX node (the text up to the last '=' that a schedule follows). Needs a module
// after the fuse pass. Returns the number of groups found; -1: |item| is not understood.
int aicc_schedule_force(aicc_module *module, const char *item);

#endif
