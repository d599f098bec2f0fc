// Counting what a task does: memory as warps touch it, loops that are walked in part, waits for
// loads.
#include "check_main.h"
#include "ir/kir_count.h"
#include "kir_fixture.h"

#define HEAD "kernel @k(%x: f32* read, %y: f32* write, %n: i64) "

typedef struct counted {
  kir_counts all;
  kir_traffic x, y;
} counted;

static counted count_of(const char *text, int64_t n) {
  counted out = {.all = {0}};
  kir_traffic traffic[3] = {{.read = 0, .written = 0}};
  const int64_t sizes[] = {0, 0, n};
  kir_count(parse(text), 32, 0, sizes, 1, &out.all, traffic);
  out.x = traffic[0];
  out.y = traffic[1];
  return out;
}

START_TEST(neighbours_are_lines_and_strides_are_sectors) {
  const counted close = count_of(HEAD "{ for lanes %i in 0 .. %n { %y[%i] = %x[%i] } }", 32);
  ck_assert_double_eq(close.x.read, 128);
  ck_assert_double_eq(close.y.written, 128);
  ck_assert_double_eq(close.all.lines, 2);
  const counted far = count_of(HEAD "{ for lanes %i in 0 .. %n { %y[%i] = %x[%i * 8] } }", 32);
  ck_assert_double_eq(far.x.read, 32 * KIR_COUNT_SECTOR);
  ck_assert_double_eq(far.all.lines, 8 + 1);
  ck_assert_double_eq(far.all.asked, 2 * 128);
}
END_TEST

START_TEST(what_was_touched_is_not_fresh) {
  const counted c =
      count_of(HEAD "{ for %k in 0 .. 3 { for lanes %i in 0 .. 32 { %y[%i] = %x[%i] } } }", 0);
  ck_assert_double_eq(c.x.read, 128);
  ck_assert_double_eq(c.all.lines, 3 * 2);
}
END_TEST

START_TEST(long_loops_count_in_full) {
  const char *text = HEAD "{ for lanes %i in 0 .. %n { %y[%i] = fma(%x[%i], 2.0, 1.0) } }";
  const counted c = count_of(text, 100 * 32 + 5);
  ck_assert_double_eq(c.x.read, 100 * 128 + KIR_COUNT_SECTOR);
  ck_assert_double_eq(c.all.operations, 2 * (100 * 32 + 5));
  ck_assert_double_eq(c.all.rounds, 101);
}
END_TEST

// Loads whose addresses are there wait together; a loaded address is waited for first.
START_TEST(waits_are_chains_of_loads) {
  const counted side =
      count_of(HEAD "{ for lanes %i in 0 .. 32 { %y[%i] = %x[%i] + %x[%i + 32] } }", 0);
  ck_assert_double_eq(side.all.rounds, 1);
  const counted chain =
      count_of(HEAD "{ for lanes %i in 0 .. 32 { %y[%i] = %x[i64(%x[%i])] } }", 0);
  ck_assert_double_eq(chain.all.rounds, 2);
}
END_TEST

START_TEST(banks_of_shared_memory) {
  const counted row =
      count_of(HEAD "{ %s = local 1024 : f32\n for lanes %i in 0 .. 32 { %s[%i] = 1.0 } }", 0);
  ck_assert_double_eq(row.all.shared, 1);
  const counted column =
      count_of(HEAD "{ %s = local 1024 : f32\n for lanes %i in 0 .. 32 { %s[%i * 32] = 1.0 } }", 0);
  ck_assert_double_eq(column.all.shared, 32);
  const counted padded =
      count_of(HEAD "{ %s = local 1088 : f32\n for lanes %i in 0 .. 32 { %s[%i * 33] = 1.0 } }", 0);
  ck_assert_double_eq(padded.all.shared, 1);
  ck_assert_double_eq(padded.all.fresh, 0);
}
END_TEST

START_TEST(masks_and_guards_touch_nothing) {
  const counted c = count_of(
      HEAD "{ for lanes %i in 0 .. 32 { if %i < 8 { %y[%i] = load_or(%x, %i, %i < 4, 0.0) } } }",
      0);
  ck_assert_double_eq(c.all.asked, 4 * 4 + 8 * 4);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("kir_count");
  TCase *tests = tcase_create("counts");
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, neighbours_are_lines_and_strides_are_sectors);
  tcase_add_test(tests, what_was_touched_is_not_fresh);
  tcase_add_test(tests, long_loops_count_in_full);
  tcase_add_test(tests, waits_are_chains_of_loads);
  tcase_add_test(tests, banks_of_shared_memory);
  tcase_add_test(tests, masks_and_guards_touch_nothing);
  suite_add_tcase(suite, tests);
  return suite;
}

AICC_TEST_MAIN(make_suite)
