// Attention as PTX on the emulator, against the reference interpreter; and through ptxas, where
// there is one: what is chosen for the usual sizes of heads spills nothing.
#include <sys/mman.h>
#include <unistd.h>

#define PLAN_RUN_DEVICE plan_run_on_emulator
#include "plan_emulator.h"
#include "codegen/file.h"
#include "codegen/tool.h"
#include "gpu_attention.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const attention_case cases[] = {
    {"edges and groups", AICC_F32, 2, 4, 2, 19, 37, 16, 16},
    {"causal after past keys", AICC_F32, 1, 2, 1, 33, 70, 24, 40, .causal = true},
    {"hidden rows", AICC_F32, 1, 2, 2, 18, 35, 8, 8, {1, 2, 18, 35}, .hidden = true},
    {"views, cap", AICC_F32, 2, 3, 3, 19, 37, 16, 16, .softcap = 2, .joined = true},
    {"computed, turned", AICC_F32, 1, 2, 2, 17, 21, 10, 6, {1, 1, 1, 21}, .computed = true,
     .turned = true},
};

static void run_all(aicc_dtype dtype, const char *target, const char *schedule) {
  for (size_t i = 0; i < COUNT(cases); i++) {
    attention_case c = cases[i];
    c.dtype = dtype;
    attention_run(&c, true, target, schedule, true);
  }
}

START_TEST(multiply_adds) {
  run_all(AICC_F32, "sm_75", "flash 16x16 warps 1");
  run_all(AICC_F32, "sm_80", "flash 32x16 warps 2");
}
END_TEST

START_TEST(matrices) {
  run_all(AICC_F16, "sm_75", "flash 32x16 warps 1 mma");
  run_all(AICC_F16, "sm_80", "flash 32x32 warps 2 mma");
  run_all(AICC_BF16, "sm_90", "flash 64x16 warps 2 mma");
}
END_TEST

START_TEST(few_queries) {
  run_all(AICC_F32, "sm_75", "few heads 1 lanes 4 warps 2");
  run_all(AICC_F16, "sm_80", "few heads 1 lanes 2 warps 4");
}
END_TEST

START_TEST(chosen) {
  static const attention_case usual[] = {
      {"heads of 64", AICC_F16, 1, 2, 1, 130, 70, 64, 64, .causal = true, .joined = true},
      {"heads of 128", AICC_BF16, 1, 1, 1, 70, 100, 128, 128},
      {"exact", AICC_F32, 1, 2, 2, 40, 60, 64, 64, .joined = true},
      {"one query, many keys", AICC_F16, 1, 8, 2, 1, 600, 64, 64},
      {"tf32", AICC_F32, 1, 2, 1, 70, 50, 64, 40, .causal = true, .tf32 = true},
      {"small heads", AICC_F16, 2, 3, 3, 4, 6, 8, 8},
  };
  for (size_t i = 0; i < COUNT(usual); i++) {
    attention_run(&usual[i], true, "sm_80", NULL, true);
  }
}
END_TEST

// --- ptxas ---------------------------------------------------------------------------------------

// False where there is no ptxas.
static bool assemble(const cg_target *target, const kir_kernel *kernel, aicc_arena *arena) {
  const emu_program p = emu_program_compile(target, kernel, arena);
  const int ptx = memfd_create("ptx", 0), log = memfd_create("log", 0);
  ck_assert(cg_write_all(ptx, LLVMGetBufferStart(p.ptx), strlen(LLVMGetBufferStart(p.ptx))));
  const char *const args[] = {"ptxas", "-v",
                              aicc_arena_printf(arena, "-arch=%s", target->machine.name), "-o",
                              "/dev/null", aicc_arena_printf(arena, "/proc/self/fd/%d", ptx), NULL};
  int status = 0;
  const int error = cg_tool_run(args, log, log, &status);
  const char *said = error == 0 ? cg_read_text(log, arena) : "";
  close(ptx);
  close(log);
  LLVMDisposeMemoryBuffer(p.ptx);
  ck_assert_msg(error != 0 || (status == 0 && strstr(said, " 0 bytes spill stores") != NULL),
                "%s, %s: %s", target->machine.name, kernel->name, said);
  return error == 0;
}

static bool assemble_case(const attention_case *c, const char *name) {
  const cg_target *target = cg_target_find(name);
  attention_graph g;
  aicc_arena arena;
  bool done = true;
  aicc_arena_init(&arena);
  attention_build(&g, c, true);
  aicc_pass_context pass = {.module = g.module, .scratch = &arena, .diags = &g.diags,
                            .machine = &target->machine};
  ck_assert_int_eq(aicc_pass_fuse(&pass), AICC_OK);
  aicc_plan *plan = aicc_lower_module(g.module, &target->machine, NULL, &g.diags);
  ck_assert_ptr_nonnull(plan);
  for (size_t i = 0; i < plan->kernel_count && done; i++) {
    done = assemble(target, plan->kernels[i], &arena);
  }
  aicc_plan_destroy(plan);
  attention_close(&g);
  aicc_arena_deinit(&arena);
  return done;
}

START_TEST(nothing_is_spilled) {
  static const char *const targets[] = {"sm_75", "sm_80", "sm_90"};
  static const attention_case usual[] = {
      {"heads of 64", AICC_F16, 1, 12, 12, 1, 1, 64, 64, .joined = true},
      {"heads of 80", AICC_F16, 1, 8, 8, 1, 1, 80, 80},
      {"heads of 128", AICC_F16, 1, 32, 8, 1, 1, 128, 128, .causal = true},
      {"heads of 128", AICC_BF16, 1, 32, 8, 1, 1, 128, 128, {1, 1, 1, 1}},
      {"heads of 256", AICC_F16, 1, 8, 4, 1, 1, 256, 256},
      {"exact heads of 64", AICC_F32, 1, 12, 12, 1, 1, 64, 64, .causal = true},
      {"exact heads of 128", AICC_F32, 1, 12, 12, 1, 1, 128, 128},
      {"exact heads of 256", AICC_F32, 1, 8, 8, 1, 1, 256, 256},
      {"tf32, heads of 64", AICC_F32, 1, 12, 12, 1, 1, 64, 64, .joined = true, .tf32 = true},
      {"tf32, heads of 128", AICC_F32, 1, 12, 12, 1, 1, 128, 128, .causal = true, .tf32 = true},
      {"tf32, heads of 256", AICC_F32, 1, 8, 8, 1, 1, 256, 256, .tf32 = true},
  };
  for (size_t i = 0; i < COUNT(usual) * COUNT(targets); i++) {
    if (!assemble_case(&usual[i / COUNT(targets)], targets[i % COUNT(targets)])) {
      return;
    }
  }
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("attention_emu");
  TCase *tcase = tcase_create("all");
  tcase_set_timeout(tcase, 240);
  tcase_add_test(tcase, multiply_adds);
  tcase_add_test(tcase, matrices);
  tcase_add_test(tcase, few_queries);
  tcase_add_test(tcase, chosen);
  tcase_add_test(tcase, nothing_is_spilled);
  suite_add_tcase(suite, tcase);
  return suite;
}

AICC_TEST_MAIN(make_suite)
