// From a graph to numbers: fused, lowered, generated, linked, loaded by the runtime and run;
// compared with the reference interpreter.
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aicc/runtime.h"
#include "check_main.h"
#include "codegen/codegen.h"
#include "ir/eval.h"
#include "passes/lower.h"
#include "passes/pass.h"

static const char *const graphs[] = {
    // elementwise with broadcasting, over a symbolic row
    "graph @test(%x: f32[N, 37], %b: f32[37]) -> (r: %r) {\n"
    "  %a = add %x, %b : f32[N, 37]\n"
    "  %e = exp %a : f32[N, 37]\n"
    "  %r = sigmoid %e : f32[N, 37]\n"
    "}\n",
    // softmax as its parts
    "graph @test(%x: f32[N, 19]) -> (r: %r) {\n"
    "  %m = reduce_max %x {axes = [1], keepdims = 1} : f32[N, 1]\n"
    "  %s = sub %x, %m : f32[N, 19]\n"
    "  %e = exp %s : f32[N, 19]\n"
    "  %t = reduce_sum %e {axes = [1], keepdims = 1} : f32[N, 1]\n"
    "  %r = div %e, %t : f32[N, 19]\n"
    "}\n",
    // matrix multiply and epilogue
    "graph @test(%x: f32[N, 33], %w: f32[33, 50], %b: f32[50]) -> (r: %r) {\n"
    "  %m = matmul %x, %w : f32[N, 50]\n"
    "  %a = add %m, %b : f32[N, 50]\n"
    "  %r = tanh %a : f32[N, 50]\n"
    "}\n",
    // convolution in groups
    "graph @test(%x: f32[N, 4, 8, 8], %w: f32[6, 2, 3, 3], %b: f32[6]) -> (a: %a) {\n"
    "  %a = conv %x, %w, %b {strides = [2, 2], dilations = [1, 1], pads = [1, 1], groups = 2} : "
    "f32[N, 6, 4, 4]\n"
    "}\n",
    // integers, comparison and select; two outputs
    "graph @test(%x: i64[N, 5], %y: i64[5]) -> (r: %r, c: %c) {\n"
    "  %c = lt %x, %y : bool[N, 5]\n"
    "  %d = mod %x, %y : i64[N, 5]\n"
    "  %r = select %c, %x, %d : i64[N, 5]\n"
    "}\n",
    // half precision travels through f32
    "graph @test(%x: f16[N, 21], %y: f16[N, 21]) -> (r: %r) {\n"
    "  %r = mul %x, %y : f16[N, 21]\n"
    "}\n",
    // moves
    "graph @test(%x: f32[N, 6, 7]) -> (r: %r) {\n"
    "  %t = transpose %x {perm = [2, 0, 1]} : f32[7, N, 6]\n"
    "  %r = concat %t, %t {axis = 2} : f32[7, N, 12]\n"
    "}\n",
};
enum { GRAPHS = sizeof graphs / sizeof graphs[0] };

static aicc_diags diags;
static char path[64];

static void set_up(void) {
  aicc_diags_init(&diags);
  snprintf(path, sizeof path, "/tmp/test_codegen.%d.so", (int)getpid());
}

static void tear_down(void) {
  unlink(path);
  aicc_diags_deinit(&diags);
}

static void ok(aicc_status status) {
  if (status != AICC_OK) {
    aicc_diags_print(&diags, stderr);
  }
  ck_assert_int_eq(status, AICC_OK);
}

static aicc_module *parse(const char *text) {
  aicc_module *module = aicc_module_parse(text, strlen(text), "test", &diags);
  if (module == NULL) {
    aicc_diags_print(&diags, stderr);
  }
  ck_assert_ptr_nonnull(module);
  return module;
}

static void compile(const char *text, const char *to, unsigned processes) {
  const cg_target *target = cg_target_find("native");
  aicc_module *module = parse(text);
  const aicc_pass_options passes = {.machine = &target->machine, .check = true};
  ok(aicc_run_passes(module, aicc_pipeline_default, &passes, &diags));
  aicc_plan *plan = aicc_lower_module(module, &target->machine, NULL, &diags);
  ok(plan != NULL ? AICC_OK : AICC_UNSUPPORTED);
  const aicc_codegen_options options = {
      .target = target, .path = to, .processes = processes, .opt_level = 2};
  ok(aicc_codegen(plan, &options, &diags));
  aicc_plan_destroy(plan);
  aicc_module_destroy(module);
}

static void make_input(const aicc_module *module, const aicc_type *type, int64_t n, int salt,
                       aicc_eval_value *out) {
  int64_t shape[AICC_MAX_RANK];
  for (int i = 0; i < type->rank; i++) {
    shape[i] = n;
    aicc_dim_is_const(module->dims, type->dims[i], &shape[i]);
  }
  ok(aicc_eval_value_create(type->dtype, type->rank, shape, &diags, out));
  for (int64_t i = 0; i < aicc_eval_value_count(out); i++) {
    const int64_t k = (i * 7919 + salt * 31) % 1009;
    if (aicc_dtype_is_int(type->dtype)) {
      aicc_set_i64(type->dtype, out->data, (size_t)i, k % 23 - 11);
    } else {
      aicc_set_f64(type->dtype, out->data, (size_t)i, (double)k / 504.5 - 1);
    }
  }
}

static DLDataType dl_type(aicc_dtype dtype) {
  const uint8_t bits = (uint8_t)(8 * aicc_dtype_size(dtype));
  const uint8_t code = aicc_dtype_is_float(dtype) ? kDLFloat
                       : dtype == AICC_BOOL       ? kDLBool
                                                  : kDLInt;
  return (DLDataType){.code = code, .bits = bits, .lanes = 1};
}

static void same(const aicc_eval_value *expected, const DLTensor *got) {
  ck_assert_int_eq(got->ndim, expected->rank);
  for (int i = 0; i < expected->rank; i++) {
    ck_assert_int_eq((int)got->shape[i], (int)expected->shape[i]);
  }
  for (int64_t i = 0; i < aicc_eval_value_count(expected); i++) {
    const double a = aicc_get_f64(expected->dtype, expected->data, (size_t)i);
    const double b = aicc_get_f64(expected->dtype, got->data, (size_t)i);
    ck_assert_msg(fabs(a - b) <= 1e-5 * (1 + fabs(a)), "element %lld: %.9g, not %.9g",
                  (long long)i, b, a);
  }
}

static void run_both(const aicc_module *module, aicc_rt_session *session, int64_t n) {
  const aicc_region *body = module->body;
  aicc_eval_value inputs[4] = {0}, outputs[4] = {0};
  aicc_rt_error error;
  for (int i = 0; i < body->param_count; i++) {
    make_input(module, &body->params[i]->type, n, i, &inputs[i]);
    const DLTensor tensor = {.data = inputs[i].data, .device = {.device_type = kDLCPU},
                             .ndim = inputs[i].rank, .dtype = dl_type(inputs[i].dtype),
                             .shape = inputs[i].shape};
    const aicc_rt_status set =
        aicc_rt_session_set_input(session, (uint32_t)i, &tensor, &error);
    ck_assert_msg(set == AICC_RT_OK, "%s", error.text);
  }
  ok(aicc_eval_graph(module, inputs, outputs, &diags));
  ck_assert_msg(aicc_rt_session_run(session, &error) == AICC_RT_OK, "%s", error.text);
  for (int i = 0; i < body->result_count; i++) {
    DLTensor got;
    ck_assert_int_eq(aicc_rt_session_output(session, (uint32_t)i, &got, &error), AICC_RT_OK);
    same(&outputs[i], &got);
    aicc_eval_value_deinit(&outputs[i]);
  }
  for (int i = 0; i < body->param_count; i++) {
    aicc_eval_value_deinit(&inputs[i]);
  }
}

START_TEST(compiled_graphs_compute_what_the_interpreter_does) {
  compile(graphs[_i], path, 1);
  aicc_rt_error error;
  aicc_rt_model *model = aicc_rt_model_open(path, NULL, &error);
  ck_assert_msg(model != NULL, "%s", error.text);
  aicc_rt_session *session = aicc_rt_session_create(model, "cpu", NULL, &error);
  ck_assert_msg(session != NULL, "%s", error.text);
  aicc_module *module = parse(graphs[_i]);
  run_both(module, session, 3);
  run_both(module, session, 1);
  run_both(module, session, 40);
  aicc_module_destroy(module);
  aicc_rt_session_destroy(session);
  aicc_rt_model_close(model);
}
END_TEST

// For the CPU (unless |host_only|), sm_80 and gfx942. PTX alone: the test does not ask for ptxas.
static void compile_for_gpus(const char *text, bool host_only) {
  setenv("AICC_PTXAS", "", 1);
  const cg_target *cpu = cg_target_find("native");
  aicc_codegen_gpu gpus[] = {{.target = cg_target_find("sm_80")},
                             {.target = cg_target_find("gfx942")}};
  aicc_module *module = parse(text), *own[3];
  aicc_pass_options passes = {.part = AICC_PASSES_COMMON, .check = true};
  ok(aicc_run_passes(module, aicc_pipeline_default, &passes, &diags));
  passes.part = AICC_PASSES_OWN;
  aicc_plan *plans[3];
  for (int i = 0; i < 3; i++) {
    passes.machine = i > 0 ? &gpus[i - 1].target->machine : &cpu->machine;
    own[i] = aicc_module_clone(module);
    ok(aicc_run_passes(own[i], aicc_pipeline_default, &passes, &diags));
    plans[i] = aicc_lower_module(own[i], passes.machine, NULL, &diags);
    ck_assert_ptr_nonnull(plans[i]);
  }
  gpus[0].plan = plans[1];
  gpus[1].plan = plans[2];
  const aicc_codegen_options options = {.target = cpu, .path = path, .opt_level = 2, .gpus = gpus,
                                        .gpu_count = 2, .host_only = host_only};
  ok(aicc_codegen(host_only ? gpus[0].plan : plans[0], &options, &diags));
  for (int i = 0; i < 3; i++) {
    aicc_plan_destroy(plans[i]);
    aicc_module_destroy(own[i]);
  }
  aicc_module_destroy(module);
}

static void check_images(const aicc_rt_model *model, const char *const *formats, uint32_t count) {
  const aicc_rt_model_info *info = aicc_rt_model_describe(model);
  ck_assert_uint_ge(info->image_count, count);
  uint32_t at = 0;
  for (uint32_t i = 0; i < info->image_count; i++) {  // kernels may be spread over several
    at += at + 1 < count && strcmp(info->images[i].format, formats[at]) != 0;
    ck_assert_str_eq(info->images[i].format, formats[at]);
  }
  ck_assert_uint_eq(at + 1, count);
}

START_TEST(one_file_holds_code_for_several_machines) {
  static const char *const formats[] = {"cpu", "ptx", "hsaco"};
  compile_for_gpus(graphs[_i], false);
  aicc_rt_error error;
  aicc_rt_model *model = aicc_rt_model_open(path, NULL, &error);
  ck_assert_msg(model != NULL, "%s", error.text);
  check_images(model, formats, 3);
  aicc_rt_session *session = aicc_rt_session_create(model, "cpu", NULL, &error);
  ck_assert_msg(session != NULL, "%s", error.text);
  aicc_module *module = parse(graphs[_i]);
  run_both(module, session, 5);
  aicc_module_destroy(module);
  aicc_rt_session_destroy(session);
  aicc_rt_model_close(model);
}
END_TEST

START_TEST(a_model_for_gpus_is_refused_by_the_cpu) {
  static const char *const formats[] = {"ptx", "hsaco"};
  compile_for_gpus(graphs[0], true);
  aicc_rt_error error;
  aicc_rt_model *model = aicc_rt_model_open(path, NULL, &error);
  ck_assert_msg(model != NULL, "%s", error.text);
  check_images(model, formats, 2);
  ck_assert_ptr_null(aicc_rt_session_create(model, "cpu", NULL, &error));
  ck_assert_int_eq(error.code, AICC_RT_UNAVAILABLE);
  ck_assert_ptr_nonnull(strstr(error.text, "no code for device 'cpu'"));
  aicc_rt_model_close(model);
}
END_TEST

typedef struct image_case {
  const char *targets[4];    // "!" before a name: PTX alone
  const char *images[6];     // "TARGET FORMAT", in order, repeated ones once
} image_case;

// sm_80, sm_90 and sm_90a are alike to lowering, sm_75 is not.
static const image_case image_cases[] = {
    {{"sm_80"}, {"sm_80 ptx"}},
    {{"sm_90", "sm_80"}, {"sm_80 ptx"}},
    {{"sm_90a"}, {"sm_90a ptx"}},
    {{"sm_90a", "!sm_90"}, {"sm_90 ptx"}},
    {{"sm_90", "sm_75"}, {"sm_90 ptx", "sm_75 ptx"}},
};

START_TEST(nvidia_targets_of_one_plan_share_their_ptx) {
  const image_case *c = &image_cases[_i];
  setenv("AICC_PTXAS", "", 1);
  aicc_module *module = parse(graphs[0]);
  aicc_codegen_gpu gpus[4] = {0};
  aicc_plan *plans[4] = {0};
  int count = 0;
  for (; count < 4 && c->targets[count]; count++) {
    const char *name = c->targets[count];
    gpus[count].portable_only = *name == '!';
    gpus[count].target = cg_target_find(name + (*name == '!'));
  }
  const aicc_pass_options passes = {.machine = &gpus[0].target->machine, .check = true};
  ok(aicc_run_passes(module, aicc_pipeline_default, &passes, &diags));
  for (int i = 0; i < count; i++) {
    for (int k = 0; k < i && !gpus[i].plan; k++) {
      gpus[i].plan = aicc_machine_alike(&gpus[k].target->machine, &gpus[i].target->machine)
                         ? gpus[k].plan : NULL;
    }
    if (!gpus[i].plan) {
      gpus[i].plan = plans[i] = aicc_lower_module(module, &gpus[i].target->machine, NULL, &diags);
    }
  }
  const aicc_codegen_options options = {.target = cg_target_find("x86-64-v3"), .path = path,
                                        .opt_level = 1, .gpus = gpus, .gpu_count = (size_t)count,
                                        .host_only = true};
  ok(aicc_codegen(gpus[0].plan, &options, &diags));
  aicc_rt_error error;
  aicc_rt_model *model = aicc_rt_model_open(path, NULL, &error);
  ck_assert_msg(model != NULL, "%s", error.text);
  const aicc_rt_model_info *info = aicc_rt_model_describe(model);
  int at = -1;
  for (uint32_t i = 0; i < info->image_count; i++) {
    char text[64];
    snprintf(text, sizeof text, "%s %s", info->images[i].target, info->images[i].format);
    at += at < 0 || strcmp(text, c->images[at]) != 0;
    ck_assert_ptr_nonnull(c->images[at]);
    ck_assert_str_eq(text, c->images[at]);
  }
  ck_assert_ptr_null(c->images[at + 1]);
  aicc_rt_model_close(model);
  for (int i = 0; i < count; i++) {
    aicc_plan_destroy(plans[i]);
  }
  aicc_module_destroy(module);
}
END_TEST

static char *slurp(const char *name, size_t *size) {
  FILE *file = fopen(name, "rb");
  ck_assert_ptr_nonnull(file);
  char *bytes = malloc(1 << 22);
  *size = fread(bytes, 1, 1 << 22, file);
  fclose(file);
  return bytes;
}

START_TEST(bytes_do_not_depend_on_processes) {
  char other[80];
  snprintf(other, sizeof other, "%s.2", path);
  compile(graphs[1], path, 1);
  compile(graphs[1], other, 2);
  size_t a_size = 0, b_size = 0;
  char *a = slurp(path, &a_size), *b = slurp(other, &b_size);
  ck_assert_uint_eq(a_size, b_size);
  ck_assert(memcmp(a, b, a_size) == 0);
  free(a);
  free(b);
  unlink(other);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("codegen");
  TCase *tcase = tcase_create("all");
  tcase_set_timeout(tcase, 120);
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_loop_test(tcase, compiled_graphs_compute_what_the_interpreter_does, 0, GRAPHS);
  tcase_add_loop_test(tcase, one_file_holds_code_for_several_machines, 0, GRAPHS);
  tcase_add_test(tcase, a_model_for_gpus_is_refused_by_the_cpu);
  tcase_add_loop_test(tcase, nvidia_targets_of_one_plan_share_their_ptx, 0,
                      sizeof image_cases / sizeof *image_cases);
  tcase_add_test(tcase, bytes_do_not_depend_on_processes);
  suite_add_tcase(suite, tcase);
  return suite;
}

AICC_TEST_MAIN(make_suite)
