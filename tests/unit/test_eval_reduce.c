// Reductions, scans, sorts and counts of the interpreter; expected results by hand.
#include "eval_help.h"

typedef struct reduce_case {
  aicc_op op;
  aicc_dtype dtype;
  double expected[2];  // over rows of {3, 1, 2} and {-4, 5, 6}
} reduce_case;

static const reduce_case reduce_cases[] = {
    {AICC_OP_REDUCE_SUM, AICC_F32, {6, 7}},  {AICC_OP_REDUCE_PROD, AICC_F32, {6, -120}},
    {AICC_OP_REDUCE_MAX, AICC_I8, {3, 6}},   {AICC_OP_REDUCE_MIN, AICC_I8, {1, -4}},
    {AICC_OP_REDUCE_PROD, AICC_I8, {6, -120}},
};

START_TEST(reduce_rows) {
  const reduce_case *c = &reduce_cases[_i];
  bench b;
  bench_init(&b);
  bench_in(&b, c->dtype, 2, SHAPE(2, 3), DOUBLES(3, 1, 2, -4, 5, 6));
  bench_node(&b, c->op, 1);
  aicc_set_ints(b.module, b.node, AICC_ATTR_AXES, INTS(1), 1);
  bench_out(&b, 0, c->dtype, 1, SHAPE(2));
  bench_check(&b, c->expected, 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(reduce_outer_axes_together) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 3, SHAPE(2, 2, 2), DOUBLES(1, 2, 3, 4, 5, 6, 7, 8));
  bench_node(&b, AICC_OP_REDUCE_SUM, 1);
  aicc_set_ints(b.module, b.node, AICC_ATTR_AXES, INTS(0, 2), 2);
  aicc_set_int(b.module, b.node, AICC_ATTR_KEEPDIMS, 1);
  bench_out(&b, 0, AICC_F32, 3, SHAPE(1, 2, 1));
  bench_check(&b, DOUBLES(14, 22), 0);
  bench_deinit(&b);
}
END_TEST

typedef struct empty_case {
  aicc_op op;
  aicc_dtype dtype;
  double expected;
} empty_case;

static const empty_case empty_cases[] = {
    {AICC_OP_REDUCE_SUM, AICC_F32, 0},          {AICC_OP_REDUCE_PROD, AICC_I32, 1},
    {AICC_OP_REDUCE_MAX, AICC_F32, -INFINITY},  {AICC_OP_REDUCE_MIN, AICC_F16, INFINITY},
    {AICC_OP_REDUCE_MAX, AICC_I8, -128},        {AICC_OP_REDUCE_MIN, AICC_U8, 255},
    {AICC_OP_REDUCE_MAX, AICC_BOOL, 0},         {AICC_OP_REDUCE_MIN, AICC_BOOL, 1},
};

START_TEST(reduce_nothing) {
  const empty_case *c = &empty_cases[_i];
  bench b;
  bench_init(&b);
  bench_in(&b, c->dtype, 2, SHAPE(1, 0), DOUBLES(0));
  bench_node(&b, c->op, 1);
  aicc_set_ints(b.module, b.node, AICC_ATTR_AXES, INTS(1), 1);
  bench_out(&b, 0, c->dtype, 1, SHAPE(1));
  bench_check(&b, &c->expected, 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(argmax_takes_first_or_last) {
  for (int last = 0; last < 2; last++) {
    bench b;
    bench_init(&b);
    bench_in(&b, AICC_F32, 2, SHAPE(2, 3), DOUBLES(7, 7, 1, 0, 2, 2));
    bench_node(&b, AICC_OP_ARGMAX, 1);
    aicc_set_int(b.module, b.node, AICC_ATTR_AXIS, 1);
    aicc_set_int(b.module, b.node, AICC_ATTR_LAST, last);
    bench_out(&b, 0, AICC_I64, 1, SHAPE(2));
    bench_check(&b, last ? DOUBLES(1, 2) : DOUBLES(0, 1), 0);
    bench_deinit(&b);
  }
}
END_TEST

START_TEST(argmin_of_unsigned) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_U64, 1, SHAPE(3), DOUBLES(18446744073709549568.0, 3, 4));
  bench_node(&b, AICC_OP_ARGMIN, 1);
  bench_out(&b, 0, AICC_I64, 0, NULL);
  bench_check(&b, DOUBLES(1), 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(topk_prefers_low_indices) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 2, SHAPE(4, 2), DOUBLES(1, 9, 5, 8, 5, 9, 0, 7));
  bench_node(&b, AICC_OP_TOPK, 2);
  aicc_set_int(b.module, b.node, AICC_ATTR_AXIS, 0);
  bench_out(&b, 0, AICC_F32, 2, SHAPE(3, 2));
  bench_out(&b, 1, AICC_I64, 2, SHAPE(3, 2));
  bench_check(&b, DOUBLES(5, 9, 5, 9, 1, 8), 0);
  bench_expect(&b, 1, DOUBLES(1, 0, 2, 2, 0, 1), 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(topk_smallest) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_I32, 1, SHAPE(4), DOUBLES(3, -1, 2, -1));
  bench_node(&b, AICC_OP_TOPK, 2);
  aicc_set_int(b.module, b.node, AICC_ATTR_LARGEST, 0);
  bench_out(&b, 0, AICC_I32, 1, SHAPE(3));
  bench_out(&b, 1, AICC_I64, 1, SHAPE(3));
  bench_check(&b, DOUBLES(-1, -1, 2), 0);
  bench_expect(&b, 1, DOUBLES(1, 3, 2), 0);
  bench_deinit(&b);
}
END_TEST

typedef struct cumulate_case {
  int exclusive, reverse;
  const char *op;
  double expected[3];  // of 2, 3, 4
} cumulate_case;

static const cumulate_case cumulate_cases[] = {
    {0, 0, "sum", {2, 5, 9}}, {1, 0, "sum", {0, 2, 5}},   {0, 1, "sum", {9, 7, 4}},
    {1, 1, "sum", {7, 4, 0}}, {0, 0, "prod", {2, 6, 24}}, {1, 1, "prod", {12, 4, 1}},
};

START_TEST(cumulate_directions) {
  const cumulate_case *c = &cumulate_cases[_i];
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 1, SHAPE(3), DOUBLES(2, 3, 4));
  bench_node(&b, AICC_OP_CUMULATE, 1);
  aicc_set_int(b.module, b.node, AICC_ATTR_EXCLUSIVE, c->exclusive);
  aicc_set_int(b.module, b.node, AICC_ATTR_REVERSE, c->reverse);
  aicc_set_string(b.module, b.node, AICC_ATTR_OP, c->op);
  bench_out(&b, 0, AICC_F32, 1, SHAPE(3));
  bench_check(&b, c->expected, 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(nonzero_lists_positions) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 2, SHAPE(2, 3), DOUBLES(0, 1, 0, 2, 0, 3));
  bench_node(&b, AICC_OP_NONZERO, 1);
  bench_out(&b, 0, AICC_I64, 2, SHAPE(2, 3));
  bench_check(&b, DOUBLES(0, 1, 1, 1, 0, 2), 0);
  bench_deinit(&b);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("eval_reduce");
  TCase *tcase = tcase_create("reduce");
  tcase_add_loop_test(tcase, reduce_rows, 0, (int)(sizeof reduce_cases / sizeof *reduce_cases));
  tcase_add_test(tcase, reduce_outer_axes_together);
  tcase_add_loop_test(tcase, reduce_nothing, 0, (int)(sizeof empty_cases / sizeof *empty_cases));
  tcase_add_test(tcase, argmax_takes_first_or_last);
  tcase_add_test(tcase, argmin_of_unsigned);
  tcase_add_test(tcase, topk_prefers_low_indices);
  tcase_add_test(tcase, topk_smallest);
  tcase_add_loop_test(tcase, cumulate_directions, 0,
                      (int)(sizeof cumulate_cases / sizeof *cumulate_cases));
  tcase_add_test(tcase, nonzero_lists_positions);
  suite_add_tcase(suite, tcase);
  return suite;
}
AICC_TEST_MAIN(make_suite)
