// The memory planner: buffers with lives [first, last] get offsets such that those alive at the
// same time do not overlap. Greedy by best fit in several orders, then a few deterministic
// exchanges where the result is far from the bound. Pure; thread-safe.
#ifndef AICC_RT_PLAN_H
#define AICC_RT_PLAN_H

#include "rt_alloc.h"

typedef struct aicc_rt_plan_item {
  int64_t size;          // bytes, a multiple of 64 or 0
  uint32_t first, last;  // steps, both included
  int64_t offset;        // result; on entry >= 0 for an item that already has its place, else -1
} aicc_rt_plan_item;

// Work memory for plans of up to |capacity| items.
typedef struct aicc_rt_planner {
  const aicc_rt_allocator *allocator;  // borrowed
  uint32_t capacity;
  void *memory;
} aicc_rt_planner;

void aicc_rt_planner_init(aicc_rt_planner *planner, const aicc_rt_allocator *allocator);
void aicc_rt_planner_deinit(aicc_rt_planner *planner);
// False: no memory. Never shrinks.
bool aicc_rt_planner_reserve(aicc_rt_planner *planner, uint32_t capacity);

// Places all items without an offset, or with a finite |limit| (bytes) those that find room below
// it: the others keep -1. |*order| is a hint where to start, updated to what worked. Returns the
// end of the highest item. The planner has room for |count| items.
int64_t aicc_rt_plan(aicc_rt_planner *planner, aicc_rt_plan_item *items, uint32_t count,
                     int64_t limit, uint32_t *order);

// The largest sum of sizes alive at one step: no plan is smaller. |sizes| replaces items[].size
// where it is not NULL (sizes before rounding up).
int64_t aicc_rt_plan_bound(aicc_rt_planner *planner, const aicc_rt_plan_item *items,
                           const int64_t *sizes, uint32_t count);

#endif
