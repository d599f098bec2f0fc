// The kernel interpreter: results, masks, and every kind of mistake is caught.
#include <string.h>

#include "check_main.h"
#include "kir_fixture.h"

// Runs a kernel of buffers x: f32[8] (0, 1, ..), y: f32[8] not written yet, and a size n.
static aicc_status run(const char *text, int width, int64_t grid, float *y, uint8_t *init) {
  float x[8];
  for (int i = 0; i < 8; i++) {
    x[i] = (float)i;
  }
  kir_arg args[] = {{.data = x, .count = 8}, {.data = y, .count = 8, .init = init}, {.i = 7}};
  return kir_interpret(parse(text), width, grid, args, 42, &diags);
}

#define HEAD "kernel @k(%x: f32* read, %y: f32* read write, %n: i64) "

START_TEST(lanes_beyond_the_end_do_nothing) {
  float y[8] = {0};
  uint8_t init[8] = {0};
  ck_assert_int_eq(
      run(HEAD "{ for lanes %i in 0 .. %n { %y[%i] = %x[%i] * 2 } }", 4, 1, y, init), AICC_OK);
  for (int i = 0; i < 8; i++) {
    ck_assert_int_eq(init[i], i < 7);
    ck_assert_float_eq(y[i], i < 7 ? 2 * (float)i : 0);
  }
}
END_TEST

START_TEST(masks_reductions_and_variables) {
  float y[8] = {0};
  uint8_t init[8] = {0};
  ck_assert_int_eq(run(HEAD "{\n"
                       "  var varying %sum = 0.0\n"
                       "  for lanes %i in 0 .. %n {\n"
                       "    if %x[%i] > 2 { %sum += %x[%i] } else { %sum += 100 }\n"
                       "  }\n"
                       "  %total = reduce_add(%sum)\n"
                       "  %y[0] = %total\n"
                       "  var %k = 0\n"
                       "  while %k * %k < 10 { %k += 1 }\n"
                       "  %y[1] = f32(%k)\n"
                       "  for lanes %i in 0 .. 3 { %y[2] = reduce_max(f32(%i)) }\n"
                       "}",
                       4, 1, y, init),
                   AICC_OK);
  ck_assert_float_eq(y[0], 3 + 4 + 5 + 6 + 300);
  ck_assert_float_eq(y[1], 4);
  ck_assert_float_eq(y[2], 2);
}
END_TEST

START_TEST(tasks_share_work) {
  float y[8] = {0};
  uint8_t init[8] = {0};
  ck_assert_int_eq(run(HEAD "{ %y[task] = %x[7 - task] }", 1, 8, y, init), AICC_OK);
  ck_assert_float_eq(y[0], 7);
  ck_assert_float_eq(y[7], 0);
}
END_TEST

START_TEST(atomics_of_many_tasks) {
  float y[8] = {0};
  ck_assert_int_eq(run(HEAD "{ atomic add %y[0], %x[task] }", 1, 8, y, NULL), AICC_OK);
  ck_assert_float_eq(y[0], 28);
}
END_TEST

START_TEST(types_and_wrapping) {
  int64_t out[6] = {0};
  kir_arg args[] = {{.data = out, .count = 6}};
  ck_assert_int_eq(
      kir_interpret(parse("kernel @k(%y: i64* write) {\n"
                          "  %y[0] = i64(u8(255) + u8(3))\n"
                          "  %y[1] = i64(i8(-128) - i8(1))\n"
                          "  %y[2] = i64(bitcast<u32>(f32(1.0)))\n"
                          "  %y[3] = i64(cast<f32>(16777217))\n"
                          "  %y[4] = i64(shr(u64(0xf000000000000000), u64(60)))\n"
                          "  %y[5] = -7 / 2 + mod(i64(-7), 4)\n"
                          "}"),
                    1, 1, args, 0, &diags),
      AICC_OK);
  const int64_t wanted[] = {2, 127, 0x3f800000, 16777216, 15, -3 + 1};
  for (int i = 0; i < 6; i++) {
    ck_assert_int_eq(out[i], wanted[i]);
  }
}
END_TEST

START_TEST(mistakes_are_caught) {
  static const struct {
    const char *text, *message;
    int64_t grid;
  } rows[] = {
      {HEAD "{ %a = %x[8] }", "reads element 8 of %x, which has 8", 1},
      {HEAD "{ %a = %x[-1] }", "reads element -1", 1},
      {HEAD "{ for lanes %i in 0 .. 9 { %y[%i] = 1.0 } }", "writes element 8 of %y", 1},
      {HEAD "{ %a = %y[3] }", "element 3 of %y, which nothing wrote", 1},
      {HEAD "{ %l = local 4 : f32\n %a = %l[2] }", "element 2 of %l, which nothing wrote", 1},
      {HEAD "{ %l = local 4 : f32\n %l[4] = 0.0 }", "writes element 4 of %l", 1},
      {HEAD "{ %y[0] = 1.0 }", "race on element 0 of %y", 2},
      {HEAD "{ %y[task] = 1.0\n %a = load_or(%y, 1 - task, task == 0 && %n > 100, 0.0)\n"
            "  if task == 0 { %b = load_or(%y, 0, true, 0.0) } }", "", 2},
      {HEAD "{ %y[task] = 1.0\n if task == 1 { %y[0] = 2.0 } }", "race on element 0 of %y", 2},
      {HEAD "{ %y[0] = f32(lane) }", "lanes 0 and 1 store different values to element 0", 1},
      {HEAD "{ %a = array 2 : f32\n for %i in 0 .. 3 { %a[%i] = 1.0 } }", "element 2 of array %a",
       1},
      {HEAD "{ while true { } }", "does not end", 1},
      {HEAD "{ for %i in 0 .. 4 step %n - 7 { } }", "has step 0", 1},
      {HEAD "{ atomic add %y[task], 1.0 }", "atomic change of element", 1},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    float y[8] = {0};
    uint8_t init[8] = {0};
    const size_t before = diags.error_count;
    const aicc_status status = run(rows[i].text, 4, rows[i].grid, y, init);
    if (rows[i].message[0] == '\0') {
      ck_assert_int_eq(status, AICC_OK);
      continue;
    }
    ck_assert_msg(status == AICC_INVALID && diags.error_count == before + 1, "not found: %s",
                  rows[i].text);
    const char *text = diags.items[diags.count - 1].text;
    ck_assert_msg(strstr(text, rows[i].message) != NULL, "'%s' is not in '%s'", rows[i].message,
                  text);
  }
}
END_TEST

// A task that reads what another one writes is wrong in whichever order they run.
START_TEST(read_races_are_found_in_any_order) {
  for (uint64_t seed = 0; seed < 4; seed++) {
    float x[8] = {0}, y[8] = {0};
    kir_arg args[] = {{.data = x, .count = 8}, {.data = y, .count = 8}, {.i = 7}};
    kir_kernel *kernel = parse(HEAD "{ if task == 1 { %y[0] = 1.0 } else { %a = %y[0] } }");
    ck_assert_int_eq(kir_interpret(kernel, 1, 3, args, seed, &diags), AICC_INVALID);
    ck_assert_ptr_nonnull(strstr(diags.items[diags.count - 1].text, "race on element 0"));
  }
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("kir_interp");
  TCase *tests = tcase_create("all");
  tcase_set_timeout(tests, 60);
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, lanes_beyond_the_end_do_nothing);
  tcase_add_test(tests, masks_reductions_and_variables);
  tcase_add_test(tests, tasks_share_work);
  tcase_add_test(tests, atomics_of_many_tasks);
  tcase_add_test(tests, types_and_wrapping);
  tcase_add_test(tests, mistakes_are_caught);
  tcase_add_test(tests, read_races_are_found_in_any_order);
  suite_add_tcase(suite, tests);
  return suite;
}

AICC_TEST_MAIN(make_suite)
