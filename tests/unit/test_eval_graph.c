// Whole graphs through the interpreter: symbols, regions, sequences, optionals.
#include "eval_help.h"

typedef struct graph {
  aicc_module *module;
  aicc_diags diags;
  aicc_eval_value in[4], out[4];
  int in_count;
} graph;

static void graph_init(graph *g, const char *text) {
  *g = (graph){0};
  aicc_diags_init(&g->diags);
  g->module = aicc_module_parse(text, strlen(text), "test", &g->diags);
  aicc_diags_print(&g->diags, stderr);
  ck_assert_ptr_nonnull(g->module);
  ck_assert_int_eq(aicc_verify(g->module, &g->diags), AICC_OK);
}

static void graph_deinit(graph *g) {
  for (int i = 0; i < 4; i++) {
    aicc_eval_value_deinit(&g->in[i]);
    aicc_eval_value_deinit(&g->out[i]);
  }
  aicc_module_destroy(g->module);
  aicc_diags_deinit(&g->diags);
}

static void graph_in(graph *g, aicc_dtype dtype, int rank, const int64_t *shape,
                     const double *numbers) {
  aicc_eval_value *value = &g->in[g->in_count++];
  ck_assert_int_eq(aicc_eval_value_create(dtype, rank, shape, &g->diags, value), AICC_OK);
  for (int64_t i = 0; i < aicc_eval_value_count(value); i++) {
    aicc_set_f64(dtype, value->data, (size_t)i, numbers[i]);
  }
}

static void graph_check(graph *g, int index, int64_t count, const double *expected) {
  const aicc_eval_value *out = &g->out[index];
  ck_assert_int_eq(aicc_eval_value_count(out), count);
  for (int64_t i = 0; i < count; i++) {
    ck_assert_double_eq_tol(aicc_get_f64(out->dtype, out->data, (size_t)i), expected[i], 1e-6);
  }
}

static void graph_run(graph *g) {
  const aicc_status status = aicc_eval_graph(g->module, g->in, g->out, &g->diags);
  aicc_diags_print(&g->diags, stderr);
  ck_assert_int_eq(status, AICC_OK);
}

START_TEST(symbols_come_from_inputs_and_data) {
  graph g;
  graph_init(&g,
             "dims N, k any\n"
             "graph @t(%x: f32[N]) -> (%z, %s) {\n"
             "  %c = count_nonzero %x : i64[]\n"
             "  def_dim %c {index = 0, symbol = [k]}\n"
             "  %z = nonzero %x : i64[1, k]\n"
             "  %s = from_dims {dims = [N, 2*k + 1]} : i64[2]\n"
             "}\n");
  graph_in(&g, AICC_F32, 1, SHAPE(4), DOUBLES(0, 5, 0, 6));
  graph_run(&g);
  graph_check(&g, 0, 2, DOUBLES(1, 3));
  graph_check(&g, 1, 2, DOUBLES(4, 5));
  graph_deinit(&g);
}
END_TEST

START_TEST(inputs_must_fit_the_types) {
  graph g;
  graph_init(&g,
             "dims N\n"
             "graph @t(%x: f32[N, 2], %y: f32[N]) -> (%x) {\n"
             "}\n");
  graph_in(&g, AICC_F32, 2, SHAPE(3, 2), DOUBLES(0, 0, 0, 0, 0, 0));
  graph_in(&g, AICC_F32, 1, SHAPE(2), DOUBLES(0, 0));
  ck_assert_int_eq(aicc_eval_graph(g.module, g.in, g.out, &g.diags), AICC_INVALID);
  ck_assert_uint_eq(g.diags.error_count, 1);
  graph_deinit(&g);
}
END_TEST

static const char if_text[] =
    "dims N, m\n"
    "graph @t(%c: bool[], %x: f32[N]) -> (%r) {\n"
    "  %y = if %c : f32[m] {\n"
    "    %a = slice %x {starts = [0], steps = [1]} : f32[1]\n"
    "    yield %a\n"
    "  } {\n"
    "    %b = concat %x, %x {axis = 0} : f32[2*N]\n"
    "    yield %b\n"
    "  }\n"
    "  %r = neg %y : f32[m]\n"
    "}\n";

START_TEST(if_takes_either_branch) {
  for (int taken = 0; taken < 2; taken++) {
    graph g;
    graph_init(&g, if_text);
    graph_in(&g, AICC_BOOL, 0, NULL, taken ? DOUBLES(1) : DOUBLES(0));
    graph_in(&g, AICC_F32, 1, SHAPE(2), DOUBLES(3, 4));
    graph_run(&g);
    graph_check(&g, 0, taken ? 1 : 4, DOUBLES(-3, -4, -3, -4));
    graph_deinit(&g);
  }
}
END_TEST

// State doubles until it passes 20 or the trips are over; each step is kept.
static const char loop_text[] =
    "dims t\n"
    "graph @t(%n: i64[], %x: f32[1]) -> (%last, %all) {\n"
    "  %go = const {value = bool[] [true]} : bool[]\n"
    "  %two = const {value = f32[] [0x1p+1]} : f32[]\n"
    "  %most = const {value = f32[1] [0x1.4p+4]} : f32[1]\n"
    "  %last, %all = loop %n, %go, %x : f32[1], f32[t, 1] {(%i: i64[], %c: bool[], %s: f32[1])\n"
    "    %d = mul %s, %two : f32[1]\n"
    "    %l = le %d, %most : bool[1]\n"
    "    %b = reshape %l : bool[]\n"
    "    yield %b, %d, %d\n"
    "  }\n"
    "}\n";

START_TEST(loop_runs_until_told) {
  graph g;
  graph_init(&g, loop_text);
  graph_in(&g, AICC_I64, 0, NULL, DOUBLES(-1));
  graph_in(&g, AICC_F32, 1, SHAPE(1), DOUBLES(3));
  graph_run(&g);
  graph_check(&g, 0, 1, DOUBLES(24));
  graph_check(&g, 1, 3, DOUBLES(6, 12, 24));
  graph_deinit(&g);
}
END_TEST

START_TEST(loop_of_no_trips_keeps_its_state) {
  graph g;
  graph_init(&g, loop_text);
  graph_in(&g, AICC_I64, 0, NULL, DOUBLES(0));
  graph_in(&g, AICC_F32, 1, SHAPE(1), DOUBLES(3));
  graph_run(&g);
  graph_check(&g, 0, 1, DOUBLES(3));
  graph_check(&g, 1, 0, NULL);
  graph_deinit(&g);
}
END_TEST

START_TEST(sequences_grow_shrink_and_join) {
  graph g;
  graph_init(&g,
             "dims N, p, q\n"
             "graph @t(%x: f32[N]) -> (%j, %k, %n, %f) {\n"
             "  %zero = const {value = i64[] [0]} : i64[]\n"
             "  %end = const {value = i64[] [-1]} : i64[]\n"
             "  %e = seq_empty : seq<f32[?]>\n"
             "  %y = neg %x : f32[N]\n"
             "  %z = abs %x : f32[N]\n"
             "  %a = seq_insert %e, %x : seq<f32[?]>\n"
             "  %b = seq_insert %a, %y : seq<f32[?]>\n"
             "  %c = seq_insert %b, %z, %zero : seq<f32[?]>\n"
             "  %d = seq_erase %c, %end : seq<f32[?]>\n"
             "  %j = seq_concat %d {axis = 0} : f32[p]\n"
             "  %k = seq_concat %d {axis = 0, keepdims = 1} : f32[2, N]\n"
             "  %n = seq_length %d : i64[]\n"
             "  %f = seq_at %c, %end : f32[q]\n"
             "}\n");
  graph_in(&g, AICC_F32, 1, SHAPE(2), DOUBLES(1, -2));
  graph_run(&g);
  graph_check(&g, 0, 4, DOUBLES(1, 2, 1, -2));
  graph_check(&g, 1, 4, DOUBLES(1, 2, 1, -2));
  graph_check(&g, 2, 1, DOUBLES(2));
  graph_check(&g, 3, 2, DOUBLES(-1, 2));
  graph_deinit(&g);
}
END_TEST

START_TEST(optionals_hold_one_or_none) {
  graph g;
  graph_init(&g,
             "graph @t(%x: f32[2]) -> (%a, %b, %c) {\n"
             "  %o = opt_make %x : opt<f32[2]>\n"
             "  %e = opt_make : opt<f32[2]>\n"
             "  %a = opt_has %o : bool[]\n"
             "  %b = opt_has %e : bool[]\n"
             "  %c = opt_get %o : f32[2]\n"
             "}\n");
  graph_in(&g, AICC_F32, 1, SHAPE(2), DOUBLES(1, -2));
  graph_run(&g);
  graph_check(&g, 0, 1, DOUBLES(1));
  graph_check(&g, 1, 1, DOUBLES(0));
  graph_check(&g, 2, 2, DOUBLES(1, -2));
  graph_deinit(&g);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("eval_graph");
  TCase *tcase = tcase_create("graph");
  tcase_add_test(tcase, symbols_come_from_inputs_and_data);
  tcase_add_test(tcase, inputs_must_fit_the_types);
  tcase_add_test(tcase, if_takes_either_branch);
  tcase_add_test(tcase, loop_runs_until_told);
  tcase_add_test(tcase, loop_of_no_trips_keeps_its_state);
  tcase_add_test(tcase, sequences_grow_shrink_and_join);
  tcase_add_test(tcase, optionals_hold_one_or_none);
  suite_add_tcase(suite, tcase);
  return suite;
}
AICC_TEST_MAIN(make_suite)
