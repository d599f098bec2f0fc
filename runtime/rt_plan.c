#include "rt_plan.h"

#include <string.h>

// Orders in which items are placed, larger key first; the last one starts at the busiest step. Each
// is tried twice: packing upwards, and between floor and a ceiling at the bound (see find_gap).
enum { ORDER_SIZE, ORDER_AREA, ORDER_LIFE, ORDER_FIRST, ORDER_PEAK, ORDER_COUNT };

// Good enough to stop: the bound plus 1/64.
#define PLAN_SLACK 64
// Exchanges are tried while items^2 * tries stays below this; longer by a factor while the plan is
// more than the bound plus 1/20.
#define PLAN_EXCHANGE_WORK 4000000
#define PLAN_PATIENCE 16

typedef struct plan_work {
  int64_t *keys;     // per item
  int64_t *offsets;  // of the attempt
  int64_t *best;     // of the best attempt so far
  uint32_t *order;   // items to place, first to last
  uint32_t *sorted;  // items placed, by offset
} plan_work;

static size_t work_bytes(uint32_t capacity) {
  return (size_t)capacity * (3 * sizeof(int64_t) + 2 * sizeof(uint32_t));
}

static plan_work work_of(const aicc_rt_planner *planner) {
  plan_work work = {0};
  if (!planner->memory) {
    return work;  // nothing was placed yet: no arithmetic on a null pointer
  }
  work.keys = planner->memory;
  work.offsets = work.keys + planner->capacity;
  work.best = work.offsets + planner->capacity;
  work.order = (uint32_t *)(work.best + planner->capacity);
  work.sorted = work.order + planner->capacity;
  return work;
}

void aicc_rt_planner_init(aicc_rt_planner *planner, const aicc_rt_allocator *allocator) {
  *planner = (aicc_rt_planner){allocator, 0, NULL};
}

void aicc_rt_planner_deinit(aicc_rt_planner *planner) {
  aicc_rt_delete(planner->allocator, planner->memory, work_bytes(planner->capacity), 1);
  planner->memory = NULL;
  planner->capacity = 0;
}

bool aicc_rt_planner_reserve(aicc_rt_planner *planner, uint32_t capacity) {
  if (capacity <= planner->capacity) {
    return true;
  }
  void *memory = aicc_rt_new_bytes(planner->allocator, work_bytes(capacity));
  if (memory == NULL) {
    return false;
  }
  aicc_rt_planner_deinit(planner);
  planner->memory = memory;
  planner->capacity = capacity;
  return true;
}

// Heap sort of |order| by descending key, smaller item first among equals: no allocation, unlike
// libc's qsort.
static bool key_after(const int64_t *keys, uint32_t a, uint32_t b) {
  return keys[a] != keys[b] ? keys[a] < keys[b] : a > b;
}

static void sift(const int64_t *keys, uint32_t *order, uint32_t root, uint32_t count) {
  for (uint32_t child; (child = 2 * root + 1) < count; root = child) {
    if (child + 1 < count && key_after(keys, order[child + 1], order[child])) {
      child++;
    }
    if (!key_after(keys, order[child], order[root])) {
      return;
    }
    const uint32_t swap = order[root];
    order[root] = order[child];
    order[child] = swap;
  }
}

static void sort_by_key(const int64_t *keys, uint32_t *order, uint32_t count) {
  for (uint32_t i = count / 2; i-- > 0;) {
    sift(keys, order, i, count);
  }
  for (uint32_t end = count; end-- > 1;) {
    const uint32_t swap = order[0];
    order[0] = order[end];
    order[end] = swap;
    sift(keys, order, 0, end);
  }
}

int64_t aicc_rt_plan_bound(aicc_rt_planner *planner, const aicc_rt_plan_item *items,
                           const int64_t *sizes, uint32_t count) {
  // Sweep over births; the sum falls only at deaths, so two sorted lists are enough.
  plan_work work = work_of(planner);
  for (uint32_t i = 0; i < count; i++) {
    work.order[i] = work.sorted[i] = i;
    work.keys[i] = -(int64_t)items[i].first;
    work.offsets[i] = -(int64_t)items[i].last;
  }
  sort_by_key(work.keys, work.order, count);
  sort_by_key(work.offsets, work.sorted, count);
  int64_t sum = 0, most = 0;
  for (uint32_t born = 0, dead = 0; born < count; born++) {
    const uint32_t item = work.order[born];
    for (; dead < count && items[work.sorted[dead]].last < items[item].first; dead++) {
      const uint32_t gone = work.sorted[dead];
      sum -= sizes != NULL ? sizes[gone] : items[gone].size;
    }
    sum += sizes != NULL ? sizes[item] : items[item].size;
    most = sum > most ? sum : most;
  }
  return most;
}

// A step at which the most bytes are alive (births suffice as candidates).
static uint32_t busiest_step(const aicc_rt_plan_item *items, uint32_t count) {
  uint32_t step = 0;
  int64_t most = -1;
  for (uint32_t i = 0; i < count; i++) {
    int64_t sum = 0;
    for (uint32_t j = 0; j < count; j++) {
      sum +=
          items[j].first <= items[i].first && items[i].first <= items[j].last ? items[j].size : 0;
    }
    if (sum > most) {
      most = sum;
      step = items[i].first;
    }
  }
  return step;
}

static uint32_t make_order(plan_work *work, const aicc_rt_plan_item *items, uint32_t count,
                           uint32_t kind) {
  const uint32_t peak = kind == ORDER_PEAK ? busiest_step(items, count) : 0;
  uint32_t used = 0;
  for (uint32_t i = 0; i < count; i++) {
    const aicc_rt_plan_item *item = &items[i];
    const int64_t life = (int64_t)item->last - item->first + 1;
    if (item->offset >= 0 || item->size == 0) {
      continue;
    }
    work->order[used++] = i;
    const int64_t kinds[ORDER_COUNT] = {
        [ORDER_SIZE] = item->size,
        [ORDER_AREA] = item->size / 64 > INT64_MAX / life ? INT64_MAX : item->size / 64 * life,
        [ORDER_LIFE] = life,
        [ORDER_FIRST] = -(int64_t)item->first,
        [ORDER_PEAK] = item->first <= peak && peak <= item->last ? INT64_MAX / 2 + item->size / 2
                                                                 : item->size / 2,
    };
    work->keys[i] = kinds[kind];
  }
  sort_by_key(work->keys, work->order, used);
  return used;
}

// A free stretch between two neighbours alive with an item, and when these die (UINT32_MAX: floor
// and ceiling never do).
typedef struct plan_gap {
  int64_t begin, end;
  uint32_t below_dies, above_dies;
} plan_gap;

// Takes |gap| for an item of |size| if it fits better than the best so far. With a ceiling, the
// item goes to the neighbour that lives longer: what is free stays in one piece when the other
// dies. (A chain of buffers so alternates between floor and ceiling, which is the best for it.)
static void try_gap(const plan_gap *gap, int64_t size, bool two_ended, int64_t *best_gap,
                    int64_t *offset) {
  const int64_t room = gap->end - gap->begin;
  if (room >= size && room < *best_gap) {
    *best_gap = room;
    *offset = two_ended && gap->above_dies > gap->below_dies ? gap->end - size : gap->begin;
  }
}

// The offset of the best fitting gap for |item|, or behind everything alive with it.
static int64_t find_gap(const plan_work *work, const aicc_rt_plan_item *items, uint32_t placed,
                        const aicc_rt_plan_item *item, int64_t ceiling) {
  const bool two_ended = ceiling != INT64_MAX;
  int64_t best = -1, best_gap = INT64_MAX;
  plan_gap gap = {0, 0, UINT32_MAX, UINT32_MAX};
  for (uint32_t k = 0; k < placed; k++) {
    const uint32_t other = work->sorted[k];
    if (items[other].last < item->first || item->last < items[other].first) {
      continue;
    }
    gap.end = work->offsets[other];
    gap.above_dies = items[other].last;
    try_gap(&gap, item->size, two_ended, &best_gap, &best);
    const int64_t end = work->offsets[other] + items[other].size;
    if (end > gap.begin) {
      gap.begin = end;
      gap.below_dies = items[other].last;
    }
  }
  gap.end = ceiling;
  gap.above_dies = UINT32_MAX;
  if (two_ended) {
    try_gap(&gap, item->size, two_ended, &best_gap, &best);
  }
  return best >= 0 ? best : gap.begin;
}

// Where an item at |offset| goes in work->sorted.
static uint32_t find_position(const plan_work *work, uint32_t placed, int64_t offset) {
  uint32_t low = 0;
  for (uint32_t high = placed; low < high;) {
    const uint32_t middle = (low + high) / 2;
    if (work->offsets[work->sorted[middle]] <= offset) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

static void insert_sorted(plan_work *work, uint32_t placed, uint32_t position, uint32_t item) {
  memmove(work->sorted + position + 1, work->sorted + position,
          (placed - position) * sizeof *work->sorted);
  work->sorted[position] = item;
}

// How an attempt places items: below |limit| or not at all; between floor and |ceiling| where that
// is not INT64_MAX; given up when it reaches |enough|.
typedef struct plan_attempt {
  uint32_t to_place;
  int64_t limit, ceiling, enough;
} plan_attempt;

// Places the items that have their place already; returns how many.
static uint32_t place_fixed(plan_work *work, const aicc_rt_plan_item *items, uint32_t count,
                            int64_t *end) {
  uint32_t placed = 0;
  for (uint32_t i = 0; i < count; i++) {
    work->offsets[i] = items[i].size == 0 && items[i].offset < 0 ? 0 : items[i].offset;
    if (items[i].offset >= 0 && items[i].size > 0) {
      insert_sorted(work, placed, find_position(work, placed, items[i].offset), i);
      placed++;
      *end = items[i].offset + items[i].size > *end ? items[i].offset + items[i].size : *end;
    }
  }
  return placed;
}

// One attempt in the order of work->order; returns the end of the highest item.
static int64_t place(plan_work *work, const aicc_rt_plan_item *items, uint32_t count,
                     const plan_attempt *attempt) {
  int64_t end = 0;
  uint32_t placed = place_fixed(work, items, count, &end);
  for (uint32_t k = 0; k < attempt->to_place && end < attempt->enough; k++) {
    const uint32_t i = work->order[k];
    const int64_t offset = find_gap(work, items, placed, &items[i], attempt->ceiling);
    if (offset > attempt->limit - items[i].size) {
      continue;
    }
    work->offsets[i] = offset;
    insert_sorted(work, placed, find_position(work, placed, offset), i);
    placed++;
    end = offset + items[i].size > end ? offset + items[i].size : end;
  }
  return end;
}

// Exchanges pairs of the order and keeps what does no harm: what is as good may lead to what is
// better.
static int64_t improve(plan_work *work, const aicc_rt_plan_item *items, uint32_t count,
                       plan_attempt attempt, int64_t bound) {
  const uint32_t n = attempt.to_place;
  const int64_t goal = bound + bound / PLAN_SLACK, poor = bound + bound / 20;
  uint64_t random = 88172645463325252u;
  const uint64_t tries = n < 2 ? 0 : PLAN_EXCHANGE_WORK / ((uint64_t)n * n);
  const uint64_t few = tries < 200 ? tries : 200;
  int64_t best = attempt.enough;
  for (uint64_t t = 0; t < few * PLAN_PATIENCE && best > (t < few ? goal : poor); t++) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    uint32_t *a = &work->order[(random >> 33) % n];
    uint32_t *b = &work->order[(random >> 13) % n];
    const uint32_t item_a = *a, item_b = *b;
    *a = item_b;
    *b = item_a;
    attempt.enough = best + 1;
    const int64_t end = place(work, items, count, &attempt);
    if (end <= best) {
      best = end;
      memcpy(work->best, work->offsets, count * sizeof *work->best);
    } else {
      *a = item_a;
      *b = item_b;
    }
  }
  return best;
}

// Greedy attempts in all orders from |*order| on, then exchanges in the best of them.
static int64_t plan_freely(plan_work *work, const aicc_rt_plan_item *items, uint32_t count,
                           int64_t bound, uint32_t *order) {
  const int64_t goal = bound + bound / PLAN_SLACK;
  const uint32_t hint = *order % (2 * ORDER_COUNT);
  plan_attempt attempt = {0, INT64_MAX, INT64_MAX, INT64_MAX};
  for (uint32_t k = 0; k < 2 * ORDER_COUNT && attempt.enough > goal; k++) {
    const uint32_t kind = (hint + k) % (2 * ORDER_COUNT);
    attempt.to_place = make_order(work, items, count, kind / 2);
    attempt.ceiling = kind % 2 ? bound : INT64_MAX;
    const int64_t end = place(work, items, count, &attempt);
    if (end < attempt.enough) {
      attempt.enough = end;
      *order = kind;
      memcpy(work->best, work->offsets, count * sizeof *work->best);
    }
  }
  if (attempt.enough > goal) {
    attempt.to_place = make_order(work, items, count, *order / 2);
    attempt.ceiling = *order % 2 ? bound : INT64_MAX;
    return improve(work, items, count, attempt, bound);
  }
  return attempt.enough;
}

int64_t aicc_rt_plan(aicc_rt_planner *planner, aicc_rt_plan_item *items, uint32_t count,
                     int64_t limit, uint32_t *order) {
  if (count == 0) {
    return 0;
  }
  plan_work work = work_of(planner);
  int64_t end = 0;
  if (limit == INT64_MAX) {
    const int64_t bound = aicc_rt_plan_bound(planner, items, NULL, count);
    end = plan_freely(&work, items, count, bound, order);
  } else {
    // Items may be left out, so attempts do not compare: large ones first, and that is it.
    const plan_attempt attempt = {make_order(&work, items, count, ORDER_SIZE), limit, INT64_MAX,
                                  INT64_MAX};
    end = place(&work, items, count, &attempt);
    memcpy(work.best, work.offsets, count * sizeof *work.best);
  }
  for (uint32_t i = 0; i < count; i++) {
    items[i].offset = work.best[i];
  }
  return end;
}
