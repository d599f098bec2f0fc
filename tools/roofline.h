// What each kernel of a plan should take on a GPU that is not here: `aicc --roofline DEVICE`.
//
// Two times stand beside each other. The *roofline* is the least that the kernel's arithmetic and
// the bytes of its operands need at the device's peaks. The *prediction* is that of the kernel as
// it was made: one task is counted (ir/kir_count.h) and the counts are set against what a processor
// does in a cycle, how many blocks it holds at once, how long a load takes, and what a launch
// costs. It is a model to rank kernels by, not a measurement: what it leaves out stands in
// roofline.c.
#ifndef AICC_TOOLS_ROOFLINE_H
#define AICC_TOOLS_ROOFLINE_H

#include <stdio.h>

#include "codegen/target.h"
#include "ir/kir_count.h"
#include "ir/plan.h"

typedef struct roofline_device {
  const char *name, *target;
  int processors;
  double ghz, memory_gbs, shared_kib;
  int threads, blocks;        // that a processor holds
  double f32, f16, tf32, i8;  // 1e12 operations a second
  double mma_part;
} roofline_device;

// NULL: there is none of that name.
const roofline_device *roofline_find(const char *name);
const roofline_device *roofline_at(size_t index);  // NULL beyond the end

// Launches of one kernel that are alike. Times in microseconds, of one of them.
typedef struct roofline_row {
  const kir_kernel *kernel;
  const char *schedule;
  int launches;
  int64_t tasks, threads, shared;  // threads and bytes of a block
  uint32_t registers;              // of a thread; 0: not known
  double flops, read, written;
  double roof, predicted;
  const char *bound;  // what the prediction waits for
  kir_counts task;    // of the average task; rounds and so on: of the longest
} roofline_row;

typedef struct roofline {
  const roofline_device *device;
  roofline_row *rows;  // sorted: those first that lose most against their roofline
  size_t count;
  int launches, reads;  // in all; values that the host reads from the device
  double roof, predicted;
} roofline;

// |registers|: of each of the plan's kernels, 0 where not known; NULL: of none. Sizes that the plan
// leaves open are taken as 64. Kernels without tasks are left out, both sides of
// an `if` and one round of a loop are counted.
void roofline_make(const aicc_plan *plan, const cg_target *target, const roofline_device *device,
                   const uint32_t *registers, aicc_arena *arena, roofline *out);
void roofline_print(const roofline *r, FILE *out);
void roofline_json(const roofline *r, FILE *out);

#endif
