// Attention on GPUs: every form of the kernels over masks, sizes, types and views.
#include "gpu_attention.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const attention_case f32_cases[] = {
    {"one query and key", AICC_F32, 1, 1, 1, 1, 1, 8, 8},
    {"edges", AICC_F32, 2, 3, 3, 19, 37, 16, 16},
    {"odd heads", AICC_F32, 1, 2, 2, 5, 7, 7, 5},
    {"half vectors", AICC_F32, 1, 2, 1, 9, 33, 10, 6},
    {"groups", AICC_F32, 2, 6, 2, 17, 18, 24, 40},
    {"causal", AICC_F32, 1, 2, 2, 33, 33, 16, 16, .causal = true},
    {"causal after past keys", AICC_F32, 1, 2, 1, 18, 50, 16, 16, .causal = true},
    {"causal from the first key", AICC_F32, 1, 2, 1, 18, 50, 16, 16, .causal = true,
     .from_first = true},
    {"causal with hidden rows", AICC_F32, 1, 2, 1, 40, 20, 8, 8, .causal = true},
    {"causal, hidden rows are nan", AICC_F32, 1, 1, 1, 20, 10, 8, 8, .causal = true, .mode = "nan"},
    {"cap", AICC_F32, 1, 2, 2, 10, 20, 16, 16, .softcap = 0.5},
    {"bias of all", AICC_F32, 2, 2, 2, 18, 35, 8, 8, {2, 2, 18, 35}},
    {"bias of heads", AICC_F32, 2, 2, 1, 18, 35, 8, 8, {1, 2, 18, 1}, .softcap = 2},
    {"bias of keys", AICC_F32, 2, 2, 2, 18, 35, 8, 8, {2, 1, 1, 35}, .causal = true},
    {"hidden rows", AICC_F32, 1, 2, 2, 18, 35, 8, 8, {1, 2, 18, 35}, .hidden = true},
    {"hidden rows are nan", AICC_F32, 1, 2, 2, 18, 35, 8, 8, {1, 1, 18, 35}, .hidden = true,
     .mode = "nan"},
    {"hidden rows are guarded", AICC_F32, 1, 2, 2, 18, 35, 8, 8, {1, 1, 18, 35}, .hidden = true,
     .mode = "guard"},
    {"views", AICC_F32, 2, 3, 3, 19, 37, 16, 16, .joined = true},
    {"views of odd heads", AICC_F32, 2, 3, 1, 19, 21, 5, 9, .joined = true},
    {"computed", AICC_F32, 2, 3, 3, 19, 37, 16, 16, {1, 3, 19, 37}, .computed = true},
    {"turned keys", AICC_F32, 1, 2, 2, 19, 37, 16, 16, .turned = true},
    {"no keys", AICC_F32, 1, 2, 2, 3, 0, 8, 8},
    {"no queries", AICC_F32, 1, 2, 2, 0, 5, 8, 8},
};

static void run_all(const attention_case *cases, size_t count, aicc_dtype dtype,
                    const char *target, const char *schedule) {
  for (size_t i = 0; i < count; i++) {
    attention_case c = cases[i];
    c.dtype = dtype;
    attention_run(&c, false, target, schedule, false);
    attention_run(&c, true, target, schedule, false);
  }
}

START_TEST(multiply_adds) {
  run_all(f32_cases, COUNT(f32_cases), AICC_F32, "sm_80", "flash 16x16 warps 1");
  run_all(f32_cases, COUNT(f32_cases), AICC_F32, "sm_75", "flash 16x8 warps 2");
  run_all(f32_cases, COUNT(f32_cases), AICC_F32, "gfx942", "flash 32x16 warps 2");
}
END_TEST

START_TEST(multiply_adds_of_narrow_types) {
  run_all(f32_cases, COUNT(f32_cases), AICC_F16, "sm_80", "flash 16x16 warps 2");
  run_all(f32_cases, COUNT(f32_cases), AICC_BF16, "sm_75", "flash 32x16 warps 2");
}
END_TEST

START_TEST(matrices) {
  run_all(f32_cases, COUNT(f32_cases), AICC_F16, "sm_80", "flash 16x16 warps 1 mma");
  run_all(f32_cases, COUNT(f32_cases), AICC_F16, "sm_80", "flash 32x32 warps 2 mma");
  run_all(f32_cases, COUNT(f32_cases), AICC_BF16, "sm_80", "flash 32x16 warps 1 mma");
  run_all(f32_cases, COUNT(f32_cases), AICC_F16, "sm_75", "flash 32x16 warps 1 mma");
}
END_TEST

START_TEST(matrices_of_tf32) {
  for (size_t i = 0; i < COUNT(f32_cases); i++) {
    attention_case c = f32_cases[i];
    c.tf32 = true;
    attention_run(&c, true, "sm_80", "flash 32x16 warps 1 mma", false);
    attention_run(&c, false, "sm_90", "flash 32x32 warps 2 mma", false);
  }
  const attention_case wide = {"wide heads", AICC_F32, 1, 2, 1, 70, 80, 128, 256, .tf32 = true};
  attention_run(&wide, true, "sm_80", NULL, false);
}
END_TEST

START_TEST(few_queries) {
  run_all(f32_cases, COUNT(f32_cases), AICC_F32, "sm_80", "few heads 1 lanes 2 warps 2");
  run_all(f32_cases, COUNT(f32_cases), AICC_F16, "sm_80", "few heads 1 lanes 32 warps 1");
  run_all(f32_cases, COUNT(f32_cases), AICC_BF16, "gfx942", "few heads 1 lanes 4 warps 4");
}
END_TEST

START_TEST(few_queries_chosen) {
  static const attention_case cases[] = {
      {"one query", AICC_F32, 2, 4, 2, 1, 70, 64, 64},
      {"many keys", AICC_F32, 1, 2, 1, 1, 1100, 16, 16},
      {"many keys, causal", AICC_F32, 1, 3, 1, 5, 600, 16, 16, .causal = true},
      {"many keys, biased", AICC_F32, 1, 8, 1, 2, 530, 8, 24, {1, 8, 2, 530}, .softcap = 3},
      {"many keys, hidden rows", AICC_F32, 1, 2, 2, 3, 530, 8, 8, {1, 1, 3, 530}, .hidden = true},
      {"many keys, nan", AICC_F32, 1, 2, 2, 3, 530, 8, 8, {1, 1, 3, 530}, .hidden = true,
       .mode = "nan"},
      {"views", AICC_F32, 2, 6, 2, 3, 300, 40, 24, .joined = true},
      {"many heads", AICC_F32, 1, 16, 1, 1, 40, 128, 128},
      {"wide heads", AICC_F32, 1, 6, 1, 1, 40, 256, 200, .computed = true},
  };
  run_all(cases, COUNT(cases), AICC_F32, "sm_80", NULL);
  run_all(cases, COUNT(cases), AICC_F16, "sm_75", NULL);
  run_all(cases, COUNT(cases), AICC_BF16, "gfx1100", NULL);
}
END_TEST

START_TEST(chosen) {
  static const attention_case cases[] = {
      {"heads of 64", AICC_F32, 1, 2, 1, 130, 70, 64, 64, .causal = true},
      {"heads of 80", AICC_F32, 1, 1, 1, 66, 65, 80, 80},
      {"heads of 128", AICC_F32, 1, 1, 1, 40, 100, 128, 128, {1, 1, 40, 100}},
      {"heads of 256", AICC_F32, 1, 1, 1, 35, 40, 256, 256},
      {"heads of 192 and 128", AICC_F32, 1, 1, 1, 35, 40, 192, 128, .joined = true},
  };
  run_all(cases, COUNT(cases), AICC_F32, "sm_80", NULL);
  run_all(cases, COUNT(cases), AICC_F16, "sm_80", NULL);
  run_all(cases, COUNT(cases), AICC_F16, "sm_75", NULL);
  run_all(cases, COUNT(cases), AICC_F32, "gfx1100", NULL);
}
END_TEST

START_TEST(schedules) {
  static const char *const good[] = {"flash 64x32 warps 4", "flash 128x64 warps 8 mma",
                                     "few heads 4 lanes 8 warps 4"};
  static const char *const bad[] = {"", "flash", "flash 64x32", "flash 64x32 warps 4 ",
                                    "flash 064x32 warps 4", "flash 64x32 warps 0",
                                    "flash 64x32 warps 4 mma mma", "flash 64x32 warps 99",
                                    "few heads 4 lanes 8", "few heads 9 lanes 8 warps 4",
                                    "few heads 4 lanes 8 warps 4 mma"};
  aicc_attention_schedule s;
  char text[AICC_ATTENTION_TEXT];
  for (size_t i = 0; i < COUNT(good); i++) {
    ck_assert_msg(aicc_attention_parse(good[i], &s), "%s", good[i]);
    aicc_attention_print(&s, text);
    ck_assert_str_eq(text, good[i]);
  }
  for (size_t i = 0; i < COUNT(bad); i++) {
    ck_assert_msg(!aicc_attention_parse(bad[i], &s), "%s", bad[i]);
  }
}
END_TEST

// Every size of head that the attention pass takes has a schedule on every GPU.
START_TEST(every_head_has_a_schedule) {
  static const aicc_dtype types[] = {AICC_F32, AICC_F16, AICC_BF16};
  for (size_t i = 0; cg_target_at(i) != NULL; i++) {
    const aicc_machine *machine = &cg_target_at(i)->machine;
    for (int n = 0; n < 3 * AICC_ATTENTION_HEAD_MAX && machine->kind == AICC_MACHINE_GPU; n++) {
      const int head = n / 3 + 1;
      const aicc_attention_shape shape = {types[n % 3], head, AICC_ATTENTION_HEAD_MAX + 1 - head,
                                          -1, 1 + n % 7};
      aicc_attention_schedule s;
      ck_assert_msg(aicc_attention_choose(&shape, machine, &s) &&
                        aicc_attention_choose_few(&shape, machine, &s),
                    "%s, heads of %d", machine->name, head);
    }
  }
}
END_TEST

// Few heads and queries get smaller blocks, until there are as many as a GPU has processors.
START_TEST(blocks_for_few_heads) {
  static const struct {
    aicc_dtype type;
    int64_t queries, lines;
    const char *text;
  } cases[] = {{AICC_F16, 384, 40, "flash 128x32 warps 4 mma"},
               {AICC_F16, 384, 20, "flash 64x64 warps 4 mma"},
               {AICC_F16, 384, 12, "flash 32x64 warps 2 mma"},
               {AICC_F16, 384, 0, "flash 128x32 warps 4 mma"},
               {AICC_F16, -1, 1, "flash 128x32 warps 4 mma"},
               {AICC_F32, 384, 12, "flash 32x32 warps 2"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    const aicc_attention_shape shape = {.type = cases[i].type, .d = 64, .e = 64, .per_group = 1,
                                        .queries = cases[i].queries, .lines = cases[i].lines};
    aicc_attention_schedule s;
    char text[AICC_ATTENTION_TEXT];
    ck_assert(aicc_attention_choose(&shape, &cg_target_find("sm_80")->machine, &s));
    aicc_attention_print(&s, text);
    ck_assert_str_eq(text, cases[i].text);
  }
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("gpu_attention");
  TCase *tcase = tcase_create("all");
  tcase_set_timeout(tcase, 240);
  tcase_add_test(tcase, multiply_adds);
  tcase_add_test(tcase, multiply_adds_of_narrow_types);
  tcase_add_test(tcase, matrices);
  tcase_add_test(tcase, matrices_of_tf32);
  tcase_add_test(tcase, few_queries);
  tcase_add_test(tcase, few_queries_chosen);
  tcase_add_test(tcase, chosen);
  tcase_add_test(tcase, schedules);
  tcase_add_test(tcase, blocks_for_few_heads);
  tcase_add_test(tcase, every_head_has_a_schedule);
  suite_add_tcase(suite, tcase);
  return suite;
}

AICC_TEST_MAIN(make_suite)
