#include "rt_arena.h"

#include <string.h>

// Larger buffers are a sign of an overflow in a size computation.
#define BUFFER_LIMIT (INT64_MAX / 1024)

static int64_t round_up(int64_t bytes) {
  return (bytes + (int64_t)AICC_RT_ALIGN - 1) & -(int64_t)AICC_RT_ALIGN;
}

static bool init_segments(aicc_rt_arena *arena) {
  const aicc_abi_plan *plan = arena->plan;
  for (uint32_t i = 0; i < plan->buffer_count; i++) {
    arena->segments[plan->buffers[i].segment].count++;
  }
  for (uint32_t s = 0; s < plan->segment_count; s++) {
    aicc_rt_segment *segment = &arena->segments[s];
    segment->buffers = aicc_rt_new(arena->allocator, segment->count, sizeof *segment->buffers);
    if (segment->buffers == NULL) {
      return false;
    }
    uint32_t next = 0;
    for (uint32_t i = 0; i < plan->buffer_count; i++) {
      if (plan->buffers[i].segment == s) {
        segment->buffers[next++] = i;
      }
    }
  }
  return true;
}

aicc_rt_status aicc_rt_arena_init(aicc_rt_arena *arena, const aicc_rt_allocator *allocator,
                                  const aicc_rt_allocator *home, const aicc_abi_plan *plan,
                                  void *given, size_t bytes, aicc_rt_error *error) {
  memset(arena, 0, sizeof *arena);
  if (given != NULL && (uintptr_t)given % AICC_RT_ALIGN != 0) {
    return aicc_rt_fail(error, AICC_RT_INVALID, "the arena handed in is not aligned to %u bytes",
                        AICC_RT_ALIGN);
  }
  arena->allocator = allocator;
  arena->memory = home;
  arena->plan = plan;
  aicc_rt_planner_init(&arena->planner, allocator);
  const size_t count = plan->buffer_count;
  arena->segments = aicc_rt_new(allocator, plan->segment_count, sizeof *arena->segments);
  arena->items = aicc_rt_new(allocator, count, sizeof *arena->items);
  arena->sizes = aicc_rt_new(allocator, count, sizeof *arena->sizes);
  if (arena->segments == NULL || arena->items == NULL || arena->sizes == NULL ||
      !aicc_rt_planner_reserve(&arena->planner, plan->buffer_count) || !init_segments(arena)) {
    aicc_rt_arena_deinit(arena);
    return aicc_rt_fail(error, AICC_RT_MEMORY, "no memory for the tables of %zu buffers", count);
  }
  if (given != NULL && plan->segment_count > 0) {
    arena->borrowed = true;
    arena->segments[0].memory = given;
    arena->segments[0].capacity = bytes > INT64_MAX ? INT64_MAX : (int64_t)bytes;
  }
  return AICC_RT_OK;
}

static void deinit_segment(aicc_rt_arena *arena, aicc_rt_segment *segment, bool owned) {
  const aicc_rt_allocator *allocator = arena->allocator;
  for (int i = 0; i < AICC_RT_PLANS; i++) {
    aicc_rt_delete(allocator, segment->plans[i].sizes, segment->count, sizeof(int64_t));
    aicc_rt_delete(allocator, segment->plans[i].places, segment->count, sizeof(aicc_rt_place));
  }
  aicc_rt_delete(allocator, segment->buffers, segment->count, sizeof *segment->buffers);
  if (owned) {
    aicc_rt_delete(arena->memory, segment->memory, (size_t)segment->capacity, 1);
  }
}

void aicc_rt_arena_deinit(aicc_rt_arena *arena) {
  if (arena->plan == NULL) {
    return;
  }
  for (uint32_t s = 0; arena->segments != NULL && s < arena->plan->segment_count; s++) {
    deinit_segment(arena, &arena->segments[s], s > 0 || !arena->borrowed);
  }
  const aicc_rt_allocator *allocator = arena->allocator;
  const size_t count = arena->plan->buffer_count;
  aicc_rt_delete(allocator, arena->segments, arena->plan->segment_count, sizeof *arena->segments);
  aicc_rt_delete(allocator, arena->items, count, sizeof *arena->items);
  aicc_rt_delete(allocator, arena->sizes, count, sizeof *arena->sizes);
  aicc_rt_planner_deinit(&arena->planner);
  memset(arena, 0, sizeof *arena);
}

void aicc_rt_arena_begin(aicc_rt_arena *arena) {
  for (uint32_t s = 0; s < arena->plan->segment_count; s++) {
    arena->segments[s].current = NULL;
  }
}

// ---- remembered plans --------------------------------------------------------------------------

static aicc_rt_placement *find_plan(aicc_rt_segment *segment, uint64_t parent,
                                    const int64_t *sizes) {
  for (int i = 0; i < AICC_RT_PLANS; i++) {
    aicc_rt_placement *plan = &segment->plans[i];
    if (plan->serial != 0 && plan->parent == parent &&
        memcmp(plan->sizes, sizes, segment->count * sizeof *sizes) == 0) {
      return plan;
    }
  }
  return NULL;
}

// The plan used longest ago, with room for a new one. NULL: no memory.
static aicc_rt_placement *oldest_plan(aicc_rt_arena *arena, aicc_rt_segment *segment) {
  aicc_rt_placement *oldest = &segment->plans[0];
  for (int i = 1; i < AICC_RT_PLANS; i++) {
    oldest = segment->plans[i].used < oldest->used ? &segment->plans[i] : oldest;
  }
  if (oldest->sizes == NULL) {
    oldest->sizes = aicc_rt_new(arena->allocator, segment->count, sizeof *oldest->sizes);
  }
  if (oldest->places == NULL) {
    oldest->places = aicc_rt_new(arena->allocator, segment->count, sizeof *oldest->places);
  }
  return oldest->sizes != NULL && oldest->places != NULL ? oldest : NULL;
}

// ---- planning ----------------------------------------------------------------------------------

static const char *buffer_name(const aicc_rt_arena *arena, uint32_t buffer) {
  const char *name = arena->plan->buffers[buffer].name;
  return name != NULL ? name : "a buffer";
}

// Items of |segment| without offsets, at the start of arena->items; their asked sizes in
// arena->sizes.
static aicc_rt_status make_items(aicc_rt_arena *arena, const aicc_rt_segment *segment,
                                 const int64_t *sizes, aicc_rt_error *error) {
  for (uint32_t i = 0; i < segment->count; i++) {
    const aicc_abi_buffer *buffer = &arena->plan->buffers[segment->buffers[i]];
    if (sizes[i] < 0 || sizes[i] > BUFFER_LIMIT) {
      return aicc_rt_fail(error, AICC_RT_MEMORY, "the size of '%s' overflows (%lld bytes)",
                          buffer_name(arena, segment->buffers[i]), (long long)sizes[i]);
    }
    arena->items[i] = (aicc_rt_plan_item){round_up(sizes[i]), buffer->first, buffer->last, -1};
    arena->sizes[i] = round_up(sizes[i]);
  }
  return AICC_RT_OK;
}

// Appends the buffers of earlier segments; those that are not in the arena proper have size 0 then,
// so that they take no room there. Returns the count of all.
static uint32_t append_earlier(aicc_rt_arena *arena, uint32_t index) {
  uint32_t count = arena->segments[index].count;
  for (uint32_t s = 0; s < index; s++) {
    const aicc_rt_segment *segment = &arena->segments[s];
    for (uint32_t i = 0; segment->current != NULL && i < segment->count; i++) {
      const aicc_abi_buffer *buffer = &arena->plan->buffers[segment->buffers[i]];
      const aicc_rt_place *place = &segment->current->places[i];
      const int64_t size = place->in_arena ? round_up(segment->current->sizes[i]) : 0;
      arena->sizes[count] = round_up(segment->current->sizes[i]);
      arena->items[count++] = (aicc_rt_plan_item){size, buffer->first, buffer->last, place->offset};
    }
  }
  return count;
}

static void save_places(const aicc_rt_arena *arena, const aicc_rt_segment *segment,
                        aicc_rt_placement *plan, bool in_arena) {
  for (uint32_t i = 0; i < segment->count; i++) {
    if (arena->items[i].offset >= 0) {
      plan->places[i] = (aicc_rt_place){arena->items[i].offset, in_arena};
    }
  }
}

// Two steps for later segments: what fits into the arena proper, then the rest on its own.
static void compute_places(aicc_rt_arena *arena, uint32_t index, aicc_rt_placement *plan) {
  aicc_rt_segment *segment = &arena->segments[index];
  if (index == 0) {
    plan->live_bytes =
        aicc_rt_plan_bound(&arena->planner, arena->items, arena->sizes, segment->count);
    plan->own_bytes =
        aicc_rt_plan(&arena->planner, arena->items, segment->count, INT64_MAX, &segment->order);
    plan->arena_bytes = plan->own_bytes;
    save_places(arena, segment, plan, true);
    return;
  }
  const uint32_t all = append_earlier(arena, index);
  plan->live_bytes = aicc_rt_plan_bound(&arena->planner, arena->items, arena->sizes, all);
  uint32_t order = 0;
  plan->arena_bytes =
      aicc_rt_plan(&arena->planner, arena->items, all, arena->segments[0].capacity, &order);
  save_places(arena, segment, plan, true);
  for (uint32_t i = 0; i < segment->count; i++) {
    aicc_rt_plan_item *item = &arena->items[i];
    item->size = item->offset >= 0 ? 0 : item->size;
    item->offset = -1;
  }
  plan->own_bytes =
      aicc_rt_plan(&arena->planner, arena->items, segment->count, INT64_MAX, &segment->order);
  for (uint32_t i = 0; i < segment->count; i++) {
    arena->items[i].offset = arena->items[i].size > 0 ? arena->items[i].offset : -1;
  }
  save_places(arena, segment, plan, false);
}

static aicc_rt_status make_plan(aicc_rt_arena *arena, uint32_t index, uint64_t parent,
                                const int64_t *sizes, aicc_rt_placement **out,
                                aicc_rt_error *error) {
  aicc_rt_segment *segment = &arena->segments[index];
  const aicc_rt_status status = make_items(arena, segment, sizes, error);
  if (status != AICC_RT_OK) {
    return status;
  }
  aicc_rt_placement *plan = oldest_plan(arena, segment);
  if (plan == NULL) {
    return aicc_rt_fail(error, AICC_RT_MEMORY, "no memory to plan %u buffers", segment->count);
  }
  memcpy(plan->sizes, sizes, segment->count * sizeof *sizes);
  compute_places(arena, index, plan);
  plan->serial = ++arena->serial;
  plan->parent = parent;
  *out = plan;
  return AICC_RT_OK;
}

// Later segments were fitted into the arena proper as it was: forget them when it is lost.
static void forget_later_plans(aicc_rt_arena *arena) {
  for (uint32_t s = 1; s < arena->plan->segment_count; s++) {
    for (int i = 0; i < AICC_RT_PLANS; i++) {
      arena->segments[s].plans[i].serial = 0;
    }
  }
}

static aicc_rt_status grow(aicc_rt_arena *arena, uint32_t index, int64_t wanted,
                           aicc_rt_error *error) {
  aicc_rt_segment *segment = &arena->segments[index];
  const int64_t bytes = wanted > 0 ? wanted : (int64_t)AICC_RT_ALIGN;  // addresses are never NULL
  if (segment->memory != NULL && wanted <= segment->capacity) {
    return AICC_RT_OK;
  }
  if (index == 0 && arena->borrowed) {
    return aicc_rt_fail(error, AICC_RT_MEMORY,
                        "the arena handed in has %lld bytes, the run needs %lld",
                        (long long)segment->capacity, (long long)bytes);
  }
  arena->moves += segment->memory != NULL;
  aicc_rt_delete(arena->memory, segment->memory, (size_t)segment->capacity, 1);
  segment->capacity = 0;
  segment->memory = aicc_rt_new_bytes(arena->memory, (size_t)bytes);
  if (segment->memory == NULL) {
    arena->wanted = bytes;
    if (index == 0) {
      forget_later_plans(arena);
    }
    return aicc_rt_fail(error, AICC_RT_MEMORY, "no memory for an arena of %lld bytes",
                        (long long)bytes);
  }
  segment->capacity = bytes;
  return AICC_RT_OK;
}

aicc_rt_status aicc_rt_arena_plan(aicc_rt_arena *arena, uint32_t index, const int64_t *sizes,
                                  void **addresses, aicc_rt_error *error) {
  if (index >= arena->plan->segment_count) {
    return aicc_rt_fail(error, AICC_RT_BAD_MODEL, "the model has no segment %u", index);
  }
  arena->wanted = 0;
  for (uint32_t s = index; s < arena->plan->segment_count; s++) {
    arena->segments[s].current = NULL;
  }
  uint64_t parent = 0;
  for (uint32_t s = 0; s < index; s++) {
    parent = arena->segments[s].current != NULL ? arena->segments[s].current->serial : parent;
  }
  aicc_rt_segment *segment = &arena->segments[index];
  aicc_rt_placement *plan = find_plan(segment, parent, sizes);
  if (plan == NULL) {
    const aicc_rt_status status = make_plan(arena, index, parent, sizes, &plan, error);
    if (status != AICC_RT_OK) {
      return status;
    }
  }
  plan->used = ++arena->clock;
  segment->current = plan;
  if (arena->only_measure) {
    return AICC_RT_OK;
  }
  const aicc_rt_status status = grow(arena, index, plan->own_bytes, error);
  if (status != AICC_RT_OK) {
    segment->current = NULL;
    return status;
  }
  uint8_t *const homes[2] = {segment->memory, arena->segments[0].memory};
  for (uint32_t i = 0; i < segment->count; i++) {
    addresses[i] = homes[plan->places[i].in_arena] + plan->places[i].offset;
  }
  return AICC_RT_OK;
}

void aicc_rt_arena_memory(const aicc_rt_arena *arena, aicc_rt_memory *out) {
  for (uint32_t s = 0; s < arena->plan->segment_count; s++) {
    const aicc_rt_segment *segment = &arena->segments[s];
    out->reserved_bytes += (uint64_t)segment->capacity;
    if (segment->current != NULL) {
      const uint64_t live = (uint64_t)segment->current->live_bytes;
      out->arena_bytes += (uint64_t)segment->current->own_bytes;
      out->live_bytes = live > out->live_bytes ? live : out->live_bytes;
    }
  }
}
