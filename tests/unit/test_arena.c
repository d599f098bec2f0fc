// Arena: alignment, zeroing, growth, oversized blocks.
#include <string.h>

#include "check_main.h"
#include "ir/arena.h"

START_TEST(small_and_large_allocations_are_zeroed_and_aligned) {
  aicc_arena arena;
  aicc_arena_init(&arena);
  for (size_t size = 1; size < 300000; size = size * 3 + 1) {
    unsigned char *bytes = aicc_arena_alloc(&arena, size);
    ck_assert_uint_eq((uintptr_t)bytes % 16, 0);
    for (size_t i = 0; i < size; i++) {
      ck_assert_uint_eq(bytes[i], 0);
    }
    memset(bytes, 0xAB, size);
  }
  aicc_arena_deinit(&arena);
}
END_TEST

START_TEST(pushed_items_survive_growth) {
  aicc_arena arena;
  aicc_arena_init(&arena);
  int *items = NULL;
  size_t count = 0, capacity = 0;
  for (int i = 0; i < 1000; i++) {
    AICC_PUSH(&arena, items, count, capacity, i);
  }
  for (int i = 0; i < 1000; i++) {
    ck_assert_int_eq(items[i], i);
  }
  aicc_arena_deinit(&arena);
}
END_TEST

START_TEST(printf_makes_the_whole_text) {
  aicc_arena arena;
  aicc_arena_init(&arena);
  ck_assert_str_eq(aicc_arena_printf(&arena, "%s-%d", "x", 7), "x-7");
  aicc_arena_deinit(&arena);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("arena");
  TCase *t = tcase_create("arena");
  tcase_add_test(t, small_and_large_allocations_are_zeroed_and_aligned);
  tcase_add_test(t, pushed_items_survive_growth);
  tcase_add_test(t, printf_makes_the_whole_text);
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
