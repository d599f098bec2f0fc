// The pass manager: names, needs, dumps, times, the order of things.
#include <string.h>

#include "check_main.h"
#include "passes/pass.h"

static const char text[] =
    "graph @t(%x: f32[4]) -> (%r) {\n"
    "  %a = exp %x : f32[4]\n"
    "  %b = exp %x : f32[4]\n"
    "  %r = add %a, %b : f32[4]\n"
    "}\n";

typedef struct fixture {
  aicc_module *module;
  aicc_diags diags;
} fixture;

static void fixture_init(fixture *f) {
  aicc_diags_init(&f->diags);
  f->module = aicc_module_parse(text, strlen(text), "test", &f->diags);
  ck_assert_ptr_nonnull(f->module);
}

static void fixture_deinit(fixture *f) {
  aicc_module_destroy(f->module);
  aicc_diags_deinit(&f->diags);
}

static int node_count(const fixture *f) {
  int count = 0;
  for (const aicc_node *node = f->module->body->first; node; node = node->next) {
    count++;
  }
  return count;
}

START_TEST(an_unknown_name_is_refused_before_anything_runs) {
  fixture f;
  fixture_init(&f);
  const aicc_pass_options options = {.check = true};
  ck_assert_int_eq(aicc_run_passes(f.module, "canon, cse, nosuch", &options, &f.diags),
                   AICC_INVALID);
  ck_assert_uint_eq(f.diags.error_count, 1);
  ck_assert_int_eq(f.diags.items[0].id, AICC_DIAG_E0002);
  ck_assert_int_eq(node_count(&f), 3);
  fixture_deinit(&f);
}
END_TEST

START_TEST(a_need_that_is_not_met_is_refused) {
  static const char *const lists[] = {"cse", "canon,const_fold,cse"};
  for (int i = 0; i < 2; i++) {
    fixture f;
    fixture_init(&f);
    const aicc_pass_options options = {.check = true};
    ck_assert_int_eq(aicc_run_passes(f.module, lists[i], &options, &f.diags), AICC_INVALID);
    ck_assert_int_eq(f.diags.items[0].id, AICC_DIAG_E0903);
    fixture_deinit(&f);
  }
}
END_TEST

START_TEST(passes_run_in_order_and_stop_where_told) {
  fixture f;
  fixture_init(&f);
  aicc_pass_options options = {.check = true, .stop_after = "canon"};
  ck_assert_int_eq(aicc_run_passes(f.module, "canon,cse,dce", &options, &f.diags), AICC_OK);
  ck_assert_int_eq(node_count(&f), 3);
  options.stop_after = NULL;
  ck_assert_int_eq(aicc_run_passes(f.module, " canon,\n cse ,dce,", &options, &f.diags), AICC_OK);
  ck_assert_int_eq(node_count(&f), 2);
  fixture_deinit(&f);
}
END_TEST

START_TEST(dumps_times_and_reports_go_where_asked) {
  fixture f;
  fixture_init(&f);
  char *dump = NULL, *times = NULL, *report = NULL;
  size_t size;
  aicc_pass_options options = {.dump_after = "cse",
                               .dump = open_memstream(&dump, &size),
                               .times = open_memstream(&times, &size),
                               .report = open_memstream(&report, &size)};
  ck_assert_int_eq(aicc_run_passes(f.module, "canon,cse,dce", &options, &f.diags), AICC_OK);
  fclose(options.dump);
  fclose(options.times);
  fclose(options.report);
  ck_assert_ptr_nonnull(strstr(dump, "; after cse\n"));
  ck_assert_ptr_nonnull(strstr(dump, "add %a, %a"));
  ck_assert_ptr_null(strstr(dump, "after dce"));
  ck_assert_ptr_nonnull(strstr(times, "ms  canon\n"));
  ck_assert_ptr_nonnull(strstr(times, "ms  all passes\n"));
  ck_assert_ptr_nonnull(strstr(report, "cse: 1 nodes"));
  free(dump);
  free(times);
  free(report);
  fixture_deinit(&f);
}
END_TEST

// What a machine decides comes after what it does not; both parts together are the whole list.
START_TEST(a_list_has_a_part_for_all_machines_and_one_for_each) {
  static const struct {
    aicc_pass_part part;
    const char *stop_after, *dumped;
  } cases[] = {
      {AICC_PASSES_ALL, NULL, "canon,dce,layout for m,dce for m,"},
      {AICC_PASSES_COMMON, NULL, "canon,dce,"},
      {AICC_PASSES_OWN, NULL, "layout for m,dce for m,"},
      {AICC_PASSES_COMMON, "layout", "canon,dce,"},
      {AICC_PASSES_OWN, "layout", "layout for m,"},
      {AICC_PASSES_COMMON, "dce", "canon,dce,"},
      {AICC_PASSES_OWN, "dce", ""},  // it stopped before
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    fixture f;
    fixture_init(&f);
    char *dump = NULL, got[256] = "";
    size_t size;
    const aicc_pass_options options = {.part = cases[i].part, .stop_after = cases[i].stop_after,
                                       .dump_after = "all", .machine_names = "m",
                                       .dump = open_memstream(&dump, &size)};
    ck_assert_int_eq(aicc_run_passes(f.module, "canon,dce,layout,dce", &options, &f.diags),
                     AICC_OK);
    fclose(options.dump);
    for (const char *at = dump; (at = strstr(at, "; after ")) != NULL;) {
      at += strlen("; after ");
      strncat(got, at, strcspn(at, "\n"));
      strcat(got, ",");
    }
    ck_assert_str_eq(got, cases[i].dumped);
    free(dump);
    fixture_deinit(&f);
  }
}
END_TEST

START_TEST(the_lists_name_every_pass) {
  char *list = NULL, *pipeline = NULL;
  size_t size;
  FILE *out = open_memstream(&list, &size);
  aicc_list_passes(out);
  fclose(out);
  for (int i = 0; i < aicc_pass_count; i++) {
    ck_assert_ptr_nonnull(strstr(list, aicc_pass_table[i].name));
    ck_assert_ptr_nonnull(strstr(list, aicc_pass_table[i].doc));
  }
  out = open_memstream(&pipeline, &size);
  aicc_print_pipeline(aicc_pipeline_default, AICC_PASSES_ALL, out);
  fclose(out);
  ck_assert_ptr_nonnull(strstr(pipeline, "fuse"));
  ck_assert_ptr_null(strstr(pipeline, "no such pass"));
  free(list);
  free(pipeline);
}
END_TEST

// The pipeline's own needs are met.
START_TEST(the_pipeline_runs) {
  fixture f;
  fixture_init(&f);
  static const aicc_machine machine = {.name = "test", .kind = AICC_MACHINE_CPU, .width = 8,
                                       .registers = 16, .l1_bytes = 32768, .l2_bytes = 1 << 20,
                                       .flops_per_ns = 50, .bytes_per_ns = 10};
  const aicc_pass_options options = {.check = true, .machine = &machine};
  ck_assert_int_eq(aicc_run_passes(f.module, aicc_pipeline_default, &options, &f.diags), AICC_OK);
  ck_assert_int_eq(f.module->body->last->op, AICC_OP_GROUP);
  fixture_deinit(&f);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("pass");
  TCase *tcase = tcase_create("pass");
  tcase_add_test(tcase, an_unknown_name_is_refused_before_anything_runs);
  tcase_add_test(tcase, a_need_that_is_not_met_is_refused);
  tcase_add_test(tcase, passes_run_in_order_and_stop_where_told);
  tcase_add_test(tcase, dumps_times_and_reports_go_where_asked);
  tcase_add_test(tcase, a_list_has_a_part_for_all_machines_and_one_for_each);
  tcase_add_test(tcase, the_lists_name_every_pass);
  tcase_add_test(tcase, the_pipeline_runs);
  suite_add_tcase(suite, tcase);
  return suite;
}
AICC_TEST_MAIN(make_suite)
