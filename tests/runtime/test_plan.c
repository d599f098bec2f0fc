// The memory planner: nothing that lives at the same time overlaps, and little is wasted.
#include <stdlib.h>

#include "check_main.h"
#include "runtime/rt_plan.h"

enum { MAX_ITEMS = 600 };

static aicc_rt_plan_item items[MAX_ITEMS];
static aicc_rt_planner planner;
static uint64_t random_state = 1;

static uint32_t random_below(uint32_t limit) {
  random_state = random_state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(random_state >> 33) % limit;
}

static void set_up(void) {
  aicc_rt_planner_init(&planner, &aicc_rt_allocator_libc);
  ck_assert(aicc_rt_planner_reserve(&planner, MAX_ITEMS));
}

static void tear_down(void) { aicc_rt_planner_deinit(&planner); }

static void add(uint32_t *count, int64_t size, uint32_t first, uint32_t last) {
  items[(*count)++] = (aicc_rt_plan_item){size, first, last, -1};
}

static void assert_no_overlap(uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    const aicc_rt_plan_item *a = &items[i];
    ck_assert_int_ge(a->offset, 0);
    ck_assert_int_eq(a->offset % 64, 0);
    for (uint32_t j = 0; j < i; j++) {
      const aicc_rt_plan_item *b = &items[j];
      const bool together = a->first <= b->last && b->first <= a->last;
      ck_assert(!together || a->size == 0 || b->size == 0 || a->offset + a->size <= b->offset ||
                b->offset + b->size <= a->offset);
    }
  }
}

// The bound, counted the slow way.
static int64_t slow_bound(uint32_t count) {
  int64_t most = 0;
  for (uint32_t i = 0; i < count; i++) {
    int64_t sum = 0;
    for (uint32_t j = 0; j < count; j++) {
      sum +=
          items[j].first <= items[i].first && items[i].first <= items[j].last ? items[j].size : 0;
    }
    most = sum > most ? sum : most;
  }
  return most;
}

// Plans all items and returns the size over the bound.
static double plan_ratio(uint32_t count) {
  uint32_t order = 0;
  const int64_t bound = aicc_rt_plan_bound(&planner, items, NULL, count);
  ck_assert_int_eq(bound, slow_bound(count));
  const int64_t end = aicc_rt_plan(&planner, items, count, INT64_MAX, &order);
  assert_no_overlap(count);
  int64_t highest = 0;
  for (uint32_t i = 0; i < count; i++) {
    const int64_t top = items[i].offset + items[i].size;
    highest = items[i].size > 0 && top > highest ? top : highest;
  }
  ck_assert_int_eq(end, highest);
  ck_assert_int_ge(end, bound);
  return bound == 0 ? 1 : (double)end / (double)bound;
}

START_TEST(random_lives_never_overlap) {
  for (int round = 0; round < 60; round++) {
    const uint32_t wanted = random_below(120);
    uint32_t count = 0;
    while (count < wanted) {
      const uint32_t first = random_below(100);
      add(&count, 64 * (int64_t)random_below(1000), first,
          first + random_below(1 + (uint32_t)round % 30));
    }
    ck_assert_double_le(plan_ratio(count), 1.35);
  }
}
END_TEST

START_TEST(a_chain_needs_its_largest_pair) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < 200; i++) {
    add(&count, 64 * (int64_t)(1 + random_below(5000)), i, i + 1);
  }
  ck_assert_double_le(plan_ratio(count), 1.05);
}
END_TEST

START_TEST(residual_nets_stay_within_five_percent) {
  for (uint32_t depth = 8; depth <= 64; depth *= 2) {
    uint32_t count = 0, step = 0;
    int64_t size = 64 * 12544;
    for (uint32_t block = 0; block < depth; block++) {
      // input of the block lives to its end; two or three tensors in between
      add(&count, size, step, step + 4);
      add(&count, size / 4, step + 1, step + 2);
      add(&count, size / 4, step + 2, step + 3);
      if (block % 4 == 0) {
        add(&count, size, step + 3, step + 4);
      }
      step += 4;
      size = block % (depth / 4) == depth / 4 - 1 ? size / 2 / 64 * 64 : size;
    }
    ck_assert_double_le(plan_ratio(count), 1.05);
  }
}
END_TEST

START_TEST(transformers_and_u_nets_stay_within_five_percent) {
  uint32_t count = 0, step = 0;
  const int64_t hidden = 64 * 1536, scores = 64 * 3072;
  for (int layer = 0; layer < 24; layer++, step += 9) {
    add(&count, hidden, step, step + 8);
    for (uint32_t k = 0; k < 3; k++) {
      add(&count, hidden, step + 1 + k, step + 5);
    }
    add(&count, scores, step + 4, step + 5);
    add(&count, hidden, step + 5, step + 6);
    add(&count, 4 * hidden, step + 6, step + 7);
    add(&count, 4 * hidden, step + 7, step + 8);
  }
  ck_assert_double_le(plan_ratio(count), 1.05);
  count = 0;
  for (uint32_t level = 0; level < 6; level++) {
    const int64_t size = 64 * (int64_t)(200000u >> (2 * level));
    add(&count, size, level * 3, 60 - level * 3);  // the skip connection
    add(&count, size, level * 3 + 1, level * 3 + 2);
    add(&count, size, level * 3 + 2, level * 3 + 3);
    add(&count, size, 61 - level * 3, 62 - level * 3);
    add(&count, 2 * size, 60 - level * 3, 61 - level * 3);
  }
  ck_assert_double_le(plan_ratio(count), 1.05);
}
END_TEST

START_TEST(fixed_items_keep_their_place) {
  uint32_t count = 0;
  add(&count, 1024, 0, 3);
  items[0].offset = 640;
  add(&count, 512, 1, 2);   // fits below
  add(&count, 1664, 4, 5);  // the first one is dead by then
  add(&count, 1024, 3, 4);  // there is no room below the limit
  add(&count, 0, 0, 9);
  uint32_t order = 0;
  aicc_rt_plan(&planner, items, count, 1664, &order);
  ck_assert_int_eq(items[0].offset, 640);
  ck_assert_int_eq(items[1].offset, 0);
  ck_assert_int_eq(items[4].offset, 0);
  ck_assert_int_eq(items[2].offset, 0);
  ck_assert_int_eq(items[3].offset, -1);
}
END_TEST

START_TEST(nothing_needs_nothing) {
  uint32_t order = 3;
  ck_assert_int_eq(aicc_rt_plan(&planner, items, 0, INT64_MAX, &order), 0);
  uint32_t count = 0;
  add(&count, 0, 0, 5);
  ck_assert_double_eq(plan_ratio(count), 1);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("plan");
  TCase *t = tcase_create("plan");
  tcase_set_timeout(t, 60);
  tcase_add_checked_fixture(t, set_up, tear_down);
  tcase_add_test(t, random_lives_never_overlap);
  tcase_add_test(t, a_chain_needs_its_largest_pair);
  tcase_add_test(t, residual_nets_stay_within_five_percent);
  tcase_add_test(t, transformers_and_u_nets_stay_within_five_percent);
  tcase_add_test(t, fixed_items_keep_their_place);
  tcase_add_test(t, nothing_needs_nothing);
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
