// The planned memory of a session: places of the buffers of each segment, remembered for the sizes
// seen last. Segment 0 has the arena proper (the caller's, where one was handed in); later segments
// first fill what is free in it during the lives of their buffers, then have memory of their own.
#ifndef AICC_RT_ARENA_H
#define AICC_RT_ARENA_H

#include "aicc/abi.h"
#include "rt_error.h"
#include "rt_plan.h"

// Plans remembered per segment.
#define AICC_RT_PLANS 8

// A buffer's place: in the arena proper (segment 0) or in the segment's own memory.
typedef struct aicc_rt_place {
  int64_t offset;
  bool in_arena;
} aicc_rt_place;

typedef struct aicc_rt_placement {
  uint64_t serial;  // unique in the arena; 0: unused
  uint64_t parent;  // serial of the plan of the nearest earlier segment that it was fitted to, or 0
  uint64_t used;    // clock of the last use
  int64_t own_bytes, arena_bytes, live_bytes;
  int64_t *sizes;  // per buffer of the segment: the key; as asked for
  aicc_rt_place *places;
} aicc_rt_placement;

typedef struct aicc_rt_segment {
  uint32_t *buffers;  // indices in the model's table
  uint32_t count;
  uint32_t order;  // hint for the planner
  aicc_rt_placement plans[AICC_RT_PLANS];
  aicc_rt_placement *current;  // in this run; NULL: not planned yet
  uint8_t *memory;             // owned, unless it is the caller's
  int64_t capacity;
} aicc_rt_segment;

typedef struct aicc_rt_arena {
  const aicc_rt_allocator *allocator;  // borrowed: of the tables
  const aicc_rt_allocator *memory;     // borrowed: of the buffers
  const aicc_abi_plan *plan;           // borrowed
  aicc_rt_segment *segments;
  aicc_rt_planner planner;
  aicc_rt_plan_item *items;  // room for all buffers
  int64_t *sizes;            // room for all buffers
  uint64_t serial, clock;
  bool borrowed;      // segment 0 has the caller's memory
  bool only_measure;  // plan, but allocate nothing
  int64_t wanted;     // bytes that the last call of plan found no memory for; 0: it did
  uint64_t moves;     // how often memory was taken back: addresses of before are no more
} aicc_rt_arena;

// |home|: the memory of the buffers comes from there. |given| NULL: allocated when needed. On
// failure nothing is left to deinit.
aicc_rt_status aicc_rt_arena_init(aicc_rt_arena *arena, const aicc_rt_allocator *allocator,
                                  const aicc_rt_allocator *home, const aicc_abi_plan *plan,
                                  void *given, size_t bytes, aicc_rt_error *error);
void aicc_rt_arena_deinit(aicc_rt_arena *arena);

// A run begins: no segment is planned.
void aicc_rt_arena_begin(aicc_rt_arena *arena);

// aicc_abi_host.plan. |addresses| is not written while only_measure is set.
aicc_rt_status aicc_rt_arena_plan(aicc_rt_arena *arena, uint32_t segment, const int64_t *sizes,
                                  void **addresses, aicc_rt_error *error);

void aicc_rt_arena_memory(const aicc_rt_arena *arena, aicc_rt_memory *out);

#endif
