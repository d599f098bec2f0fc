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
  snprintf(name, sizeof name, "%s %s [%s]: %s", target, schedule ? schedule : "", c->sizes, c->text);
  plan_run_on(module, inputs, &cg_target_find(target)->machine, NULL, schedule, name);
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
     "  %h = cast %x {to = f16} : f16[n, 12]\n  %r = cast %h {to = f32} : f32[n, 12]\n}\n", "n=45"},
    {"dims n\ngraph @t(%x: f32[n], %y: f32[n]) -> (%r) {\n  %r = lt %x, %y : bool[n]\n}\n",
     "n=261"},
    {"dims n\ngraph @t(%x: f16[n, 16], %i: i64[n]) -> (%r) {\n"
     "  %g = gather %x, %i {axis = 0} : f16[n, 16]\n  %r = exp %g : f16[n, 16]\n}\n", "n=19"},
    {"dims n, m\ngraph @t(%x: f32[8, n, m], %y: f32[8, m]) -> (%r) {\n"
     "  %t = transpose %x {perm = [1, 0, 2]} : f32[n, 8, m]\n"
     "  %r = add %t, %y : f32[n, 8, m]\n}\n", "n=5 m=9"},
    {"dims n\ngraph @t(%x: f32[n, 8, 12]) -> (%r) {\n"
     "  %t = transpose %x {perm = [0, 2, 1]} : f32[n, 12, 8]\n  %r = neg %t : f32[n, 12, 8]\n}\n",
     "n=5"},
    {"graph @t(%x: f32[9, 16]) -> (%r) {\n"
     "  %s = slice %x {starts = [1, 4], steps = [2, 1]} : f32[4, 8]\n  %r = neg %s : f32[4, 8]\n}\n",
     ""},
    {"graph @t(%x: f32[9, 16]) -> (%r) {\n"
     "  %s = slice %x {starts = [1, 3], steps = [2, 1]} : f32[4, 8]\n  %r = neg %s : f32[4, 8]\n}\n",
     ""},
    {"dims n\ngraph @t(%x: f32[n, 16], %y: f32[n, 8]) -> (%r) {\n"
     "  %e = exp %x : f32[n, 16]\n  %r = concat %e, %y {axis = 1} : f32[n, 24]\n}\n", "n=11"},
    {"dims n\ngraph @t(%x: f32[n, 6], %y: f32[n, 8]) -> (%r) {\n"
     "  %e = exp %x : f32[n, 6]\n  %r = concat %e, %y {axis = 1} : f32[n, 14]\n}\n", "n=11"},
    {"dims n\ngraph @t(%x: f32[n, 8], %f: f32[]) -> (%r) {\n"
     "  %p = pad %x, %f {low = [1, 4]} : f32[n + 1, 16]\n"
     "  %r = exp %p : f32[n + 1, 16]\n}\n", "n=11"},
};

START_TEST(maps) {
  static const char *const schedules[] = {NULL, "map=vector 1", "map=vector 2 task 64",
                                          "map=vector 8 task 4096"};
  run_all(map_cases, COUNT_OF(map_cases), schedules, COUNT_OF(schedules));
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("gpu_memory");
  TCase *tests = tcase_create("gpu_memory");
  tcase_set_timeout(tests, 250);
  tcase_add_test(tests, maps);
  suite_add_tcase(suite, tests);
  return suite;
}

AICC_TEST_MAIN(make_suite)
