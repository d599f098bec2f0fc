// Maps and rows as GPUs run them, by the kernel interpreter, against the graph interpreter: every
// schedule, shapes 0, 1, odd, prime and large enough for several tasks.
#include <stdio.h>

#include "check_main.h"
#include "plan_run.h"

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

// A graph, and sizes for its symbols: "n=5 m=3".
typedef struct memory_case {
  const char *text, *sizes;
} memory_case;

typedef struct sizes {
  const char *text;
} sizes;

static bool look_up(void *context, const char *name, int64_t *value) {
  const sizes *s = context;
  const size_t length = strlen(name);
  for (const char *at = s->text; at && *at; at = strchr(at, ' ') ? strchr(at, ' ') + 1 : NULL) {
    if (strncmp(at, name, length) == 0 && at[length] == '=') {
      *value = strtoll(at + length + 1, NULL, 10);
      return true;
    }
  }
  return false;
}

// Integers are 0 to 2, so that they do as indices.
static void fill(aicc_eval_value *value, uint64_t *state) {
  for (int64_t i = 0; i < aicc_eval_value_count(value); i++) {
    *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    const int64_t number = (int64_t)(*state >> 40);
    if (aicc_dtype_is_int(value->dtype) || value->dtype == AICC_BOOL) {
      aicc_set_i64(value->dtype, value->data, (size_t)i,
                   number % (value->dtype == AICC_BOOL ? 2 : 3));
    } else {
      aicc_set_f64(value->dtype, value->data, (size_t)i, (double)(number % 257) / 64 - 2);
    }
  }
}

static void run_case(const memory_case *c, const char *target, const char *schedule) {
  aicc_diags diags;
  aicc_diags_init(&diags);
  aicc_module *module = aicc_module_parse(c->text, strlen(c->text), "test", &diags);
  if (!module) {
    aicc_diags_print(&diags, stderr);
  }
  ck_assert_ptr_nonnull(module);
  aicc_eval_value inputs[4];
  uint64_t state = 1;
  sizes s = {c->sizes};
  for (int i = 0; i < module->body->param_count; i++) {
    const aicc_type *type = &module->body->params[i]->type;
    int64_t shape[AICC_MAX_RANK];
    for (int d = 0; d < type->rank; d++) {
      ck_assert(aicc_dim_eval(module->dims, type->dims[d], look_up, &s, &shape[d]));
    }
    ck_assert_int_eq(aicc_eval_value_create(type->dtype, type->rank, shape, &diags, &inputs[i]),
                     AICC_OK);
    fill(&inputs[i], &state);
  }
  char name[400];
  snprintf(name, sizeof name, "%s %s [%s]: %s", target, schedule ? schedule : "", c->sizes,
           c->text);
  const cg_target *found = cg_target_find(target);
  plan_run_on(module, inputs, &found->machine, plan_run_device_target(found), schedule, name);
  for (int i = 0; i < module->body->param_count; i++) {
    aicc_eval_value_deinit(&inputs[i]);
  }
  aicc_module_destroy(module);
  aicc_diags_deinit(&diags);
}

static void run_all(const memory_case *cases, size_t count, const char *const *schedules,
                    size_t schedule_count) {
  for (size_t i = 0; i < count; i++) {
    for (size_t k = 0; k < schedule_count; k++) {
      run_case(&cases[i], "sm_80", schedules[k]);
    }
    run_case(&cases[i], "gfx942", NULL);
  }
}

// --- maps ----------------------------------------------------------------------------------------

#define FLAT(type) "dims n\ngraph @t(%x: " type "[n], %y: " type "[n]) -> (%r) {\n" \
                   "  %r = add %x, %y : " type "[n]\n}\n"
#define ROWS(type, last) \
  "dims n\ngraph @t(%x: " type "[n, " last "], %y: " type "[" last "]) -> (%r) {\n" \
  "  %a = add %x, %y : " type "[n, " last "]\n  %r = max %a, %x : " type "[n, " last "]\n}\n"

static const memory_case map_cases[] = {
    {FLAT("f32"), "n=0"},
    {FLAT("f32"), "n=1"},
    {FLAT("f32"), "n=4"},
    {FLAT("f32"), "n=131"},
    {FLAT("f32"), "n=1027"},
    {FLAT("f16"), "n=1031"},
    {FLAT("f64"), "n=515"},
    {FLAT("i8"), "n=1029"},
    {FLAT("i64"), "n=77"},
    {ROWS("f32", "8"), "n=37"},
    {ROWS("bf16", "24"), "n=37"},
    {ROWS("f16", "6"), "n=37"},
    {ROWS("f32", "7"), "n=37"},
    {ROWS("i16", "4"), "n=0"},
    {ROWS("u8", "16"), "n=33"},
    {"dims n\ngraph @t(%x: f32[n, 12]) -> (%r) {\n"
     "  %h = cast %x {to = f16} : f16[n, 12]\n  %r = cast %h {to = f32} : f32[n, 12]\n}\n",
     "n=45"},
    {"dims n\ngraph @t(%x: f32[n], %y: f32[n]) -> (%r) {\n  %r = lt %x, %y : bool[n]\n}\n",
     "n=261"},
    {"dims n\ngraph @t(%x: f16[n, 16], %i: i64[n]) -> (%r) {\n"
     "  %g = gather %x, %i {axis = 0} : f16[n, 16]\n  %r = exp %g : f16[n, 16]\n}\n",
     "n=19"},
    {"dims n, m\ngraph @t(%x: f32[8, n, m], %y: f32[8, m]) -> (%r) {\n"
     "  %t = transpose %x {perm = [1, 0, 2]} : f32[n, 8, m]\n"
     "  %r = add %t, %y : f32[n, 8, m]\n}\n",
     "n=5 m=9"},
    {"dims n\ngraph @t(%x: f32[n, 8, 12]) -> (%r) {\n"
     "  %t = transpose %x {perm = [0, 2, 1]} : f32[n, 12, 8]\n  %r = neg %t : f32[n, 12, 8]\n}\n",
     "n=5"},
    {"graph @t(%x: f32[9, 16]) -> (%r) {\n"
     "  %s = slice %x {starts = [1, 4], steps = [2, 1]} : f32[4, 8]\n"
      "  %r = neg %s : f32[4, 8]\n}\n",
     ""},
    {"graph @t(%x: f32[9, 16]) -> (%r) {\n"
     "  %s = slice %x {starts = [1, 3], steps = [2, 1]} : f32[4, 8]\n"
      "  %r = neg %s : f32[4, 8]\n}\n",
     ""},
    {"dims n\ngraph @t(%x: f32[n, 16], %y: f32[n, 8]) -> (%r) {\n"
     "  %e = exp %x : f32[n, 16]\n  %r = concat %e, %y {axis = 1} : f32[n, 24]\n}\n",
     "n=11"},
    {"dims n\ngraph @t(%x: f32[n, 6], %y: f32[n, 8]) -> (%r) {\n"
     "  %e = exp %x : f32[n, 6]\n  %r = concat %e, %y {axis = 1} : f32[n, 14]\n}\n",
     "n=11"},
    {"dims n\ngraph @t(%x: f32[n, 8], %f: f32[]) -> (%r) {\n"
     "  %p = pad %x, %f {low = [1, 4]} : f32[n + 1, 16]\n"
     "  %r = exp %p : f32[n + 1, 16]\n}\n",
     "n=11"},
};

static const memory_case turned_cases[] = {
    {"dims n, m\ngraph @t(%x: f32[n, m], %y: f32[n]) -> (%r) {\n"
     "  %t = transpose %x {perm = [1, 0]} : f32[m, n]\n  %a = add %t, %y : f32[m, n]\n"
     "  %r = mul %a, %t : f32[m, n]\n}\n", "n=70 m=45"},
    {"dims n, m\ngraph @t(%x: f32[n, m], %y: f32[n]) -> (%r) {\n"
     "  %t = transpose %x {perm = [1, 0]} : f32[m, n]\n  %r = add %t, %y : f32[m, n]\n}\n",
     "n=0 m=45"},
    {"dims n\ngraph @t(%x: f16[n, 33, 5, 7]) -> (%r) {\n"
     "  %r = transpose %x {perm = [0, 2, 3, 1]} : f16[n, 5, 7, 33]\n}\n", "n=3"},
    {"dims n\ngraph @t(%x: u8[n, 5, 7, 33]) -> (%r) {\n"
     "  %r = transpose %x {perm = [0, 3, 1, 2]} : u8[n, 33, 5, 7]\n}\n", "n=2"},
    {"dims n, m, k\ngraph @t(%x: f64[k, n, m]) -> (%r) {\n"
     "  %r = transpose %x {perm = [2, 1, 0]} : f64[m, n, k]\n}\n", "n=3 m=35 k=65"},
    {"dims n, m\ngraph @t(%x: f32[n, m]) -> (%r, %s) {\n"
     "  %t = transpose %x {perm = [1, 0]} : f32[m, n]\n  %r = exp %t : f32[m, n]\n"
     "  %s = reduce_sum %t {axes = [0], keepdims = 0} : f32[n]\n}\n", "n=40 m=33"},
};

START_TEST(transposes) {
  static const char *const schedules[] = {NULL, "map=vector 1", "map=tile"};
  run_all(turned_cases, COUNT_OF(turned_cases), schedules, COUNT_OF(schedules));
}
END_TEST

START_TEST(maps) {
  static const char *const schedules[] = {NULL, "map=tile", "map=vector 1", "map=vector 2 task 64",
                                          "map=vector 8 task 4096"};
  run_all(map_cases, COUNT_OF(map_cases), schedules, COUNT_OF(schedules));
}
END_TEST

// --- rows ----------------------------------------------------------------------------------------

#define SUM(type, shape, kept, axes)                                     \
  "dims n, m\ngraph @t(%x: " type "[" shape "]) -> (%r) {\n"             \
  "  %r = reduce_sum %x {axes = [" axes "], keepdims = 1} : " type "[" kept "]\n}\n"
#define SOFTMAX(type, shape, kept, axis)                                        \
  "dims n, m\ngraph @t(%x: " type "[" shape "]) -> (%r) {\n"                    \
  "  %a = reduce_max %x {axes = [" axis "], keepdims = 1} : " type "[" kept "]\n" \
  "  %b = sub %x, %a : " type "[" shape "]\n  %e = exp %b : " type "[" shape "]\n" \
  "  %s = reduce_sum %e {axes = [" axis "], keepdims = 1} : " type "[" kept "]\n"  \
  "  %r = div %e, %s : " type "[" shape "]\n}\n"
#define NORM(type, shape, kept, last)                                           \
  "dims n, m\ngraph @t(%x: " type "[" shape "], %g: " type "[" last "]) -> (%r) {\n" \
  "  %a = reduce_sum %x {axes = [1], keepdims = 1} : " type "[" kept "]\n"      \
  "  %b = sub %x, %a : " type "[" shape "]\n  %q = mul %b, %b : " type "[" shape "]\n" \
  "  %v = reduce_sum %q {axes = [1], keepdims = 1} : " type "[" kept "]\n"      \
  "  %w = sqrt %v : " type "[" kept "]\n  %d = div %b, %w : " type "[" shape "]\n" \
  "  %r = mul %d, %g : " type "[" shape "]\n}\n"

static const memory_case row_cases[] = {
    {SUM("f32", "n, 1", "n, 1", "1"), "n=5"},
    {SUM("f32", "n, 3", "n, 1", "1"), "n=37"},
    {SUM("f32", "n, 16", "n, 1", "1"), "n=64"},
    {SUM("f32", "n, 61", "n, 1", "1"), "n=7"},
    {SUM("f32", "n, 128", "n, 1", "1"), "n=3"},
    {SUM("f32", "n, 1001", "n, 1", "1"), "n=3"},
    {SUM("f16", "n, 1032", "n, 1", "1"), "n=2"},
    {SUM("f32", "n, m", "n, 1", "1"), "n=3 m=777"},
    {SUM("f32", "n, m", "n, 1", "1"), "n=0 m=7"},
    {SUM("f32", "n, m", "n, 1", "1"), "n=4 m=0"},
    {SUM("f32", "n, m", "1, 1", "0, 1"), "n=40 m=77"},
    {SUM("i64", "n, m", "1, 1", "0, 1"), "n=40 m=77"},
    {SUM("f32", "n, 5, 4", "n, 1, 1", "1, 2"), "n=9"},
    {SUM("f32", "4, n, 8", "1, n, 1", "0, 2"), "n=9"},
    {SUM("f32", "n, m", "1, m", "0"), "n=75 m=45"},
    {SUM("f32", "n, m", "1, m", "0"), "n=0 m=5"},
    {SUM("f32", "37, 33", "1, 33", "0"), ""},
    {SUM("bf16", "100, 40", "1, 40", "0"), ""},
    {SUM("f64", "5000, 3", "1, 3", "0"), ""},
    {SUM("f32", "3, 9000", "3, 1", "1"), ""},
    {SUM("i32", "9, 9, 5, 7", "1, 9, 1, 7", "0, 2"), ""},
    {SUM("i32", "2, 9, 5, 7", "2, 1, 5, 1", "1, 3"), ""},
    {SOFTMAX("f32", "n, 10", "n, 1", "1"), "n=11"},
    {SOFTMAX("f32", "n, 130", "n, 1", "1"), "n=5"},
    {SOFTMAX("f16", "n, 512", "n, 1", "1"), "n=3"},
    {SOFTMAX("f32", "n, m", "n, 1", "1"), "n=3 m=401"},
    {SOFTMAX("f32", "3, 1021", "3, 1", "1"), ""},
    {SOFTMAX("f32", "36, n", "1, n", "0"), "n=41"},
    {SOFTMAX("f32", "n, 41", "1, 41", "0"), "n=70"},
    {NORM("f32", "n, 96", "n, 1", "96"), "n=9"},
    {NORM("f32", "n, 768", "n, 1", "768"), "n=3"},
    {NORM("bf16", "n, 4096", "n, 1", "4096"), "n=2"},
    {NORM("f32", "n, 6000", "n, 1", "6000"), "n=2"},
    {NORM("f32", "n, 30", "n, 1", "30"), "n=33"},
    {NORM("f16", "3, 20000", "3, 1", "20000"), ""},
    {SOFTMAX("f32", "1200, 3", "1, 3", "0"), ""},
    {"dims n\ngraph @t(%x: bool[n, 40]) -> (%r) {\n"
     "  %r = reduce_max %x {axes = [1], keepdims = 0} : bool[n]\n}\n", "n=7"},
    {"dims n\ngraph @t(%x: f32[n, 70]) -> (%a, %b) {\n"
     "  %e = exp %x : f32[n, 70]\n"
     "  %s = reduce_sum %e {axes = [1], keepdims = 0} : f32[n]\n  %a = log %s : f32[n]\n"
     "  %b = reduce_max %x {axes = [1], keepdims = 0} : f32[n]\n}\n", "n=7"},
};

START_TEST(rows) {
  static const char *const schedules[] = {
      NULL,          "row=lanes 1", "row=lanes 4",         "row=lanes 32",       "row=warps 1",
      "row=warps 2", "row=warps 8", "row=warps 1 split 3", "row=warps 4 split 7"};
  run_all(row_cases, COUNT_OF(row_cases), schedules, COUNT_OF(schedules));
}
END_TEST

// --- forms ---------------------------------------------------------------------------------------

// What the kernels must and must not hold, as text.
typedef struct form_case {
  const char *graph, *schedule, *has, *lacks;
} form_case;

static const form_case form_cases[] = {
    {FLAT("f32"), "vector 4", "vload %", "reduce"},
    {FLAT("f16"), "vector 8", ", 8\n", "reduce"},
    {FLAT("f64"), "vector 4", ", 2\n", ", 4\n"},
    {ROWS("f32", "8"), "vector 4", "vstore %", "= load %"},
    {ROWS("f32", "6"), "vector 2", ", 2\n", ", 4\n"},
    {ROWS("f32", "7"), "vector 1", "= load %", "vload"},
    {"dims n\ngraph @t(%x: f32[n, 64]) -> (%r) {\n"
     "  %r = transpose %x {perm = [1, 0]} : f32[64, n]\n}\n", "tile", "barrier", "vload"},
    {"dims n\ngraph @t(%x: f16[n, 16], %i: i64[n]) -> (%r) {\n"
     "  %g = gather %x, %i {axis = 0} : f16[n, 16]\n  %r = exp %g : f16[n, 16]\n}\n",
     "vector 4", "vload %", NULL},
    {SUM("f32", "n, 12", "n, 1", "1"), "lanes 16", "exchange", "barrier"},
    {SUM("f32", "n, 512", "n, 1", "1"), "warps 1", "vload", "barrier"},
    {SUM("f32", "n, 4096", "n, 1", "1"), "warps 4", "warps 4 {", "lanes {"},
    {SUM("f32", "n, 40000", "n, 1", "1"), "warps 8", "lanes {", "split"},
    {SUM("f32", "n, m", "1, 1", "0, 1"), "warps 8 split 64", "@row_", "atomic"},
    {SUM("f32", "4000, m", "1, m", "0"), "warps 8", "serial {", "reduce"},
    // Few long rows are cut, also where they are walked several times.
    {NORM("f16", "32, 40000", "32, 1", "40000"), "warps 8 split 16", "@row_", "atomic"},
    {NORM("f16", "32, 8192", "32, 1", "8192"), "warps 8", "@row_", "split"},
    {SOFTMAX("f32", "4000, 64", "1, 64", "0"), "warps 8 split", "@row_", "= reduce_"},
    // One row: lanes of several would store to one place.
    {SUM("f32", "10, 6", "1, 1", "0, 1"), "warps 1", "= reduce", "exchange"},
    // One of several matrices is read where it lies.
    {"dims n\ngraph @t(%x: f16[n, 256], %w: f16[8, 512, 256]) -> (%r) {\n"
     "  %s = slice %w {starts = [6, 0, 0], steps = [1, 1, 1]} : f16[1, 512, 256]\n"
     "  %m = reshape %s : f16[512, 256]\n"
     "  %r = matmul %x, %m {trans_b = 1} : f16[n, 512]\n}\n", "rows 1", "@matmul", "@operand"},
    // A row that is held in registers is loaded once.
    {SOFTMAX("f32", "n, 128", "n, 1", "1"), "warps 1", "vstore", "lanes {"},
};

static int count_in(const char *text, const char *what) {
  int count = 0;
  for (const char *at = text; (at = strstr(at, what)) != NULL; at++) {
    count++;
  }
  return count;
}

// The kernels for sm_80 and, before them, their schedules; to be freed.
static char *kernels_of(const char *graph) {
  aicc_diags diags;
  aicc_diags_init(&diags);
  aicc_module *module = aicc_module_parse(graph, strlen(graph), "test", &diags);
  ck_assert_ptr_nonnull(module);
  const aicc_machine *machine = &cg_target_find("sm_80")->machine;
  const aicc_pass_options passes = {.machine = machine, .check = true};
  ck_assert_int_eq(aicc_run_passes(module, "fuse", &passes, &diags), AICC_OK);
  aicc_plan *plan = aicc_lower_module(module, machine, NULL, &diags);
  ck_assert_ptr_nonnull(plan);
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  for (const aicc_step *step = plan->steps.first; step; step = step->next) {
    if (step->kind == AICC_STEP_LAUNCH) {
      fprintf(out, "schedule: %s\n", step->text ? step->text : "");
    }
  }
  for (size_t i = 0; i < plan->kernel_count; i++) {
    kir_print(plan->kernels[i], out);
  }
  fclose(out);
  aicc_plan_destroy(plan);
  aicc_module_destroy(module);
  aicc_diags_deinit(&diags);
  return text;
}

START_TEST(forms) {
  const form_case *c = &form_cases[_i];
  char *text = kernels_of(c->graph);
  const char *schedule = strstr(text, "schedule: ") + strlen("schedule: ");
  ck_assert_msg(strncmp(schedule, c->schedule, strlen(c->schedule)) == 0, "%s\n%s", c->graph, text);
  ck_assert_msg(strstr(text, c->has) != NULL, "no '%s': %s", c->has, text);
  ck_assert_msg(!c->lacks || !strstr(text, c->lacks), "'%s': %s", c->lacks, text);
  free(text);
}
END_TEST

START_TEST(rows_in_registers_are_loaded_once) {
  char *text = kernels_of(SOFTMAX("f32", "n, 512", "n, 1", "1"));
  ck_assert_int_eq(count_in(text, "vload %"), 4);  // 512 / 32 lanes / 4 elements
  ck_assert_int_eq(count_in(text, "= load %"), 0);
  ck_assert_int_eq(count_in(text, "= exp %"), 16);
  free(text);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("gpu_memory");
  TCase *tests = tcase_create("gpu_memory");
  tcase_set_timeout(tests, 250);
  tcase_add_test(tests, maps);
  tcase_add_test(tests, transposes);
  tcase_add_test(tests, rows);
  tcase_add_loop_test(tests, forms, 0, COUNT_OF(form_cases));
  tcase_add_test(tests, rows_in_registers_are_loaded_once);
  suite_add_tcase(suite, tests);
  return suite;
}

AICC_TEST_MAIN(make_suite)
