// Schedules as text, and forcing them on groups.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "passes/lower.h"
#include "passes/pass.h"
#include "passes/schedule.h"
#include "passes/schedule_map.h"

START_TEST(reads_schedules) {
  aicc_schedule s;
  ck_assert(aicc_schedule_parse("8x3", &s));
  ck_assert(s.mr == 8 && s.nv == 3 && s.rows == 0);
  ck_assert(aicc_schedule_parse("6x4 rows=66", &s));
  ck_assert(s.mr == 6 && s.nv == 4 && s.rows == 66);
}
END_TEST

START_TEST(reads_schedules_for_gpus) {
  aicc_schedule s;
  ck_assert(aicc_schedule_parse("simt 128x64x8 threads 8x4 stages 2", &s));
  ck_assert(s.kind == AICC_SCHEDULE_SIMT && s.m == 128 && s.n == 64 && s.k == 8);
  ck_assert(s.across_m == 8 && s.across_n == 4 && s.stages == 2 && s.split == 1);
  ck_assert(aicc_schedule_parse("mma 64x128x32 warps 2x4 stages 3 split 4", &s));
  ck_assert(s.kind == AICC_SCHEDULE_MMA && s.across_n == 4 && s.split == 4);
  ck_assert(aicc_schedule_parse("rows 4 warps 8", &s));
  ck_assert(s.kind == AICC_SCHEDULE_STREAM && s.rows == 4 && s.warps == 8);
}
END_TEST

START_TEST(prints_what_it_reads) {
  static const char *const texts[] = {
      "8x3", "6x4 rows=66", "simt 128x64x8 threads 8x4 stages 2", "rows 4 warps 8",
      "mma 64x128x32 warps 2x4 stages 3 split 4", "rows 1 warps 2 split 16",
      "rows 2 warps 8 lanes 2 split 2"};
  aicc_arena arena;
  aicc_arena_init(&arena);
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    aicc_schedule s;
    ck_assert(aicc_schedule_parse(texts[i], &s));
    ck_assert_str_eq(aicc_schedule_print(&s, &arena), texts[i]);
  }
  aicc_arena_deinit(&arena);
}
END_TEST

START_TEST(refuses_what_is_no_schedule) {
  static const char *const texts[] = {
      "simt", "simt 128x64x8", "simt 128x64x8 threads 8x4", "simt 128x64 threads 8x4 stages 2",
      "simt 128x64x8 warps 8x4 stages 2", "mma 128x64x8 threads 8x4 stages 2",
      "simt 100x64x8 threads 8x4 stages 2", "simt 128x64x8 threads 8x4 stages 1",
      "simt 128x64x8 threads 8x4 stages 7", "simt 4x64x8 threads 4x4 stages 2",
      "simt 128x512x8 threads 8x8 stages 2", "mma 64x64x32 warps 2x2 stages 3 split 0",
      "mma 64x64x32 warps 2x2 stages 3 split 65", "mma 64x64x32 warps 2x2 stages 3 ",
      "rows 9 warps 2", "rows 2", "rows 2 warps 17", "rows 2 warps 2 x", "rows 2 warps 2 lanes 3",
      "rows 2 warps 2 lanes 8",
      
      "",        "8",           "8x",           "x3",          "0x3",       "8x0",    "33x1",
      "1x9",     "8x3 rows=",   "8x3 rows=65",  "8x3 rows=0",  "8x3 ",      "-1x3",   "8x3rows=64",
      "8 x3",    "8x3 rows=64 ", "99999999999x1"};
  aicc_schedule s;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
    ck_assert_msg(!aicc_schedule_parse(texts[i], &s), "'%s' was read", texts[i]);
  }
}
END_TEST

START_TEST(reads_schedules_of_maps_and_rows) {
  aicc_map_schedule map;
  aicc_row_schedule row;
  aicc_arena arena;
  aicc_arena_init(&arena);
  static const char *const maps[] = {"vector 1", "vector 8", "vector 4 task 512", "tile",
                                      "task 100"};
  for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
    ck_assert(aicc_map_schedule_parse(maps[i], &map));
    ck_assert_str_eq(aicc_map_schedule_print(&map, &arena), maps[i]);
  }
  static const char *const rows[] = {"lanes 1", "lanes 32", "warps 1", "warps 8 split 7",
                                      "task 100"};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    ck_assert(aicc_row_schedule_parse(rows[i], &row));
    ck_assert_str_eq(aicc_row_schedule_print(&row, &arena), rows[i]);
  }
  static const char *const neither[] = {
      "", "vector", "vector 3", "vector 16", "vector 4 task 6", "vector 4 ", "tiles", "tile 32",
      "lanes 0", "lanes 12", "lanes 8 split 2", "warps 3", "warps 16", "warps 8 split", "split 4",
      "vector 4task 8", " warps 8", "warps 8  split 2", "task 0", "task", "task 8 vector 4",
      "task 9999999"};
  for (size_t i = 0; i < sizeof neither / sizeof *neither; i++) {
    ck_assert_msg(!aicc_map_schedule_parse(neither[i], &map), "'%s' was read", neither[i]);
    ck_assert_msg(!aicc_row_schedule_parse(neither[i], &row), "'%s' was read", neither[i]);
  }
  aicc_arena_deinit(&arena);
}
END_TEST

// A product with its epilogue, grouped as the fuse pass does.
static const char text[] =
    "graph @t(%x: f32[5, 8], %w: f32[8, 40]) -> (%r) {\n"
    "  %p = matmul %x, %w : f32[5, 40] from \"a=b\" MatMul 0\n"
    "  %r = exp %p : f32[5, 40]\n"
    "}\n";

typedef struct fixture {
  aicc_module *module;
  aicc_diags diags;
} fixture;

static void fixture_init_text(fixture *f, const char *program) {
  const aicc_pass_options options = {.check = true};
  aicc_diags_init(&f->diags);
  f->module = aicc_module_parse(program, strlen(program), "test", &f->diags);
  ck_assert_ptr_nonnull(f->module);
  ck_assert_int_eq(aicc_run_passes(f->module, "dce,fuse", &options, &f->diags), AICC_OK);
}

static void fixture_init(fixture *f) { fixture_init_text(f, text); }

static void fixture_deinit(fixture *f) {
  aicc_module_destroy(f->module);
  aicc_diags_deinit(&f->diags);
}

// The plan as text, to be freed.
static char *plan_text(fixture *f) {
  const aicc_machine machine = {.name = "test", .kind = AICC_MACHINE_CPU, .width = 16,
                                .registers = 32};
  aicc_plan *plan = aicc_lower_module(f->module, &machine, NULL, &f->diags);
  ck_assert_ptr_nonnull(plan);
  char *out = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&out, &size);
  aicc_plan_print(plan, stream);
  fclose(stream);
  aicc_plan_destroy(plan);
  return out;
}

START_TEST(a_forced_schedule_is_the_one_of_the_plan) {
  static const char *const items[] = {"contract=3x2 rows=30", "a=b=3x2 rows=30"};
  for (size_t i = 0; i < 2; i++) {
    fixture f;
    fixture_init(&f);
    char *before = plan_text(&f);
    ck_assert_int_eq(aicc_schedule_force(f.module, items[i]), 1);
    char *after = plan_text(&f);
    ck_assert_ptr_nonnull(strstr(before, "schedule \"5x3 rows="));
    ck_assert_ptr_nonnull(strstr(after, "schedule \"3x2 rows=30\""));
    free(before);
    free(after);
    fixture_deinit(&f);
  }
}
END_TEST

START_TEST(tasks_of_maps_and_rows_take_what_is_forced) {
  static const struct {
    const char *program, *item, *before, *after;
  } cases[] = {
      {"graph @t(%x: f32[100, 640]) -> (%r) {\n"
       "  %t = transpose %x {perm = [1, 0]} : f32[640, 100]\n"
       "  %r = exp %t : f32[640, 100] from \"a\" Exp 0\n"
       "}\n",
       "a=task 1000", "grid 4 ", "grid 64 "},
      {"graph @t(%x: f32[100, 640]) -> (%r) {\n"
       "  %r = reduce_sum %x {axes = [1], keepdims = 1} : f32[100, 1]\n"
       "}\n",
       "row=task 1280", "grid 9 ", "grid 50 "},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fixture f;
    fixture_init_text(&f, cases[i].program);
    char *before = plan_text(&f);
    ck_assert_int_eq(aicc_schedule_force(f.module, cases[i].item), 1);
    char *after = plan_text(&f);
    ck_assert_msg(strstr(before, cases[i].before), "%s", before);
    ck_assert_msg(strstr(after, cases[i].after), "%s", after);
    ck_assert_msg(strstr(after, strchr(cases[i].item, '=') + 1), "%s", after);
    free(before);
    free(after);
    fixture_deinit(&f);
  }
}
END_TEST

// Lowering |item|'s schedule for |target|: what the diagnostic says.
static char *refusal(const char *item, const aicc_machine *machine) {
  fixture f;
  fixture_init(&f);
  ck_assert_int_eq(aicc_schedule_force(f.module, item), 1);
  ck_assert_ptr_null(aicc_lower_module(f.module, machine, NULL, &f.diags));
  char *out = NULL;
  size_t size = 0;
  FILE *stream = open_memstream(&out, &size);
  aicc_diags_print(&f.diags, stream);
  fclose(stream);
  fixture_deinit(&f);
  return out;
}

START_TEST(a_schedule_that_cannot_run_is_refused) {
  static const aicc_machine cpu = {.name = "c", .kind = AICC_MACHINE_CPU, .width = 16,
                                   .registers = 32};
  static const aicc_machine gpu = {.name = "g", .kind = AICC_MACHINE_GPU, .width = 32,
                                   .registers = 255, .shared_bytes = 48 << 10, .warps_max = 8};
  static const struct {
    const char *item, *says;
    const aicc_machine *machine;
  } cases[] = {
      {"contract=simt 32x32x8 threads 4x4 stages 2", "is one for GPUs", &cpu},
      {"contract=8x3", "is one for CPUs", &gpu},
      {"contract=mma 64x64x32 warps 2x2 stages 2", "no matrix instruction", &gpu},
      {"contract=simt 24x24x8 threads 4x4 stages 2", "do not divide", &gpu},
      {"contract=simt 128x128x8 threads 4x4 stages 2", "more warps", &gpu},
      {"contract=simt 128x128x32 threads 8x8 stages 4", "shared memory", &gpu},
      {"contract=rows 2 warps 16", "more warps", &gpu},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char *said = refusal(cases[i].item, cases[i].machine);
    ck_assert_msg(strstr(said, cases[i].says) && strstr(said, "a=b"), "%s: %s", cases[i].item,
                  said);
    free(said);
  }
}
END_TEST

START_TEST(forcing_says_what_it_does_not_find) {
  fixture f;
  fixture_init(&f);
  ck_assert_int_eq(aicc_schedule_force(f.module, "nosuch=3x2"), 0);
  ck_assert_int_eq(aicc_schedule_force(f.module, "contract=3"), -1);
  ck_assert_int_eq(aicc_schedule_force(f.module, "contract"), -1);
  ck_assert_int_eq(aicc_schedule_force(f.module, "=3x2"), -1);
  fixture_deinit(&f);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("schedule");
  TCase *tests = tcase_create("schedule");
  tcase_add_test(tests, reads_schedules);
  tcase_add_test(tests, reads_schedules_for_gpus);
  tcase_add_test(tests, prints_what_it_reads);
  tcase_add_test(tests, refuses_what_is_no_schedule);
  tcase_add_test(tests, reads_schedules_of_maps_and_rows);
  tcase_add_test(tests, a_schedule_that_cannot_run_is_refused);
  tcase_add_test(tests, a_forced_schedule_is_the_one_of_the_plan);
  tcase_add_test(tests, tasks_of_maps_and_rows_take_what_is_forced);
  tcase_add_test(tests, forcing_says_what_it_does_not_find);
  suite_add_tcase(suite, tests);
  return suite;
}

AICC_TEST_MAIN(make_suite)
