// What a task of a kernel does, counted without running it on data: the figures that a cost model
// needs (tools/roofline.h).
//
// One task's warps are walked through the kernel one after the other. Integers are computed, so
// that bounds, conditions and addresses are those of the run; floats, and integers that are loaded,
// are 0. Of a loop of many rounds the first five and the last are walked, and the four behind the
// first count for all between them. Kernels for warps of 32 lanes and less than KIR_COUNT_WIDTH.
#ifndef AICC_IR_KIR_COUNT_H
#define AICC_IR_KIR_COUNT_H

#include "ir/kir.h"

enum { KIR_COUNT_WIDTH = 64, KIR_COUNT_SECTOR = 32 };

typedef struct kir_counts {
  double issues;  // instructions of warps, about: integer arithmetic is cheap, functions are not
  double operations;  // of lanes on floats; a multiply-add is two
  double functions;  // instructions of warps that units for functions do: a quarter of the rate, or
                     // less
  double mma[KIR_MMA_COUNT];  // matrix instructions
  double shared;    // rounds of shared memory: more than one for an access with bank conflicts
  double lines;     // pieces of up to 128 bytes of global memory that warps asked for
  double fresh;     // bytes of sectors that the task had not touched before
  double asked;     // bytes of global memory that lanes asked for
  double rounds;    // times that a warp (the slowest) waits for what it loads
  double barriers;  // of a warp
  double longest;   // issues of the slowest warp
} kir_counts;

// Bytes of sectors that were read and written, by parameter.
typedef struct kir_traffic {
  double read, written;
} kir_traffic;

// Adds |weight| times what task |task| does to |counts| (rounds, barriers and longest: their
// maximum, without the weight) and |traffic|. |sizes|: a value for each parameter that is no
// buffer.
void kir_count(const kir_kernel *kernel, int width, int64_t task, const int64_t *sizes,
               double weight, kir_counts *counts, kir_traffic *traffic);

#endif
