// Moves, gathers and scatters of the interpreter; expected results by hand.
#include "eval_help.h"

static const double count_to_12[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

START_TEST(transpose_permutes) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_U8, 3, SHAPE(2, 3, 2), count_to_12);
  bench_node(&b, AICC_OP_TRANSPOSE, 1);
  aicc_set_ints(b.module, b.node, AICC_ATTR_PERM, INTS(2, 0, 1), 3);
  bench_out(&b, 0, AICC_U8, 3, SHAPE(2, 2, 3));
  bench_check(&b, DOUBLES(0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11), 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(slice_steps_backwards) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F64, 2, SHAPE(3, 4), count_to_12);
  bench_node(&b, AICC_OP_SLICE, 1);
  bench_dims(&b, AICC_ATTR_STARTS, INTS(1, 3), 2);
  aicc_set_ints(b.module, b.node, AICC_ATTR_STEPS, INTS(1, -2), 2);
  bench_out(&b, 0, AICC_F64, 2, SHAPE(2, 2));
  bench_check(&b, DOUBLES(7, 5, 11, 9), 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(slice_out_of_range_is_refused) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F64, 2, SHAPE(3, 4), count_to_12);
  bench_node(&b, AICC_OP_SLICE, 1);
  bench_dims(&b, AICC_ATTR_STARTS, INTS(2, 0), 2);
  aicc_set_ints(b.module, b.node, AICC_ATTR_STEPS, INTS(1, 1), 2);
  bench_out(&b, 0, AICC_F64, 2, SHAPE(2, 4));
  ck_assert_int_eq(bench_run(&b), AICC_INVALID);
  bench_deinit(&b);
}
END_TEST

typedef struct pad_case {
  const char *mode;
  int64_t low, size;
  double expected[8];
} pad_case;

static const pad_case pad_cases[] = {
    {"constant", 2, 7, {9, 9, 0, 1, 2, 3, 9}}, {"constant", -1, 4, {1, 2, 3, 9}},
    {"reflect", 2, 8, {2, 1, 0, 1, 2, 3, 2, 1}}, {"edge", 2, 7, {0, 0, 0, 1, 2, 3, 3}},
    {"wrap", 2, 8, {2, 3, 0, 1, 2, 3, 0, 1}},  {"edge", -2, 4, {2, 3, 3, 3}},
};

START_TEST(pad_modes) {
  const pad_case *c = &pad_cases[_i];
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_I16, 1, SHAPE(4), count_to_12);
  bench_in(&b, AICC_I16, 0, NULL, DOUBLES(9));
  bench_node(&b, AICC_OP_PAD, 1);
  aicc_set_string(b.module, b.node, AICC_ATTR_MODE, c->mode);
  bench_dims(&b, AICC_ATTR_LOW, &c->low, 1);
  bench_out(&b, 0, AICC_I16, 1, &c->size);
  bench_check(&b, c->expected, 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(concat_joins_in_the_middle) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 2, SHAPE(2, 1), DOUBLES(1, 2));
  bench_in(&b, AICC_F32, 2, SHAPE(2, 2), DOUBLES(3, 4, 5, 6));
  bench_node(&b, AICC_OP_CONCAT, 1);
  aicc_set_int(b.module, b.node, AICC_ATTR_AXIS, 1);
  bench_out(&b, 0, AICC_F32, 2, SHAPE(2, 3));
  bench_check(&b, DOUBLES(1, 3, 4, 2, 5, 6), 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(window_unfolds) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 2, SHAPE(2, 4), count_to_12);
  bench_in(&b, AICC_F32, 0, NULL, DOUBLES(-1));
  bench_node(&b, AICC_OP_WINDOW, 1);
  aicc_set_ints(b.module, b.node, AICC_ATTR_KERNEL, INTS(2), 1);
  aicc_set_ints(b.module, b.node, AICC_ATTR_STRIDES, INTS(2), 1);
  aicc_set_ints(b.module, b.node, AICC_ATTR_DILATIONS, INTS(2), 1);
  bench_dims(&b, AICC_ATTR_PADS, INTS(1), 1);
  bench_out(&b, 0, AICC_F32, 3, SHAPE(2, 2, 2));
  bench_check(&b, DOUBLES(-1, 1, 1, 3, -1, 5, 5, 7), 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(broadcast_repeats) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F16, 2, SHAPE(2, 1), DOUBLES(1, 2));
  bench_node(&b, AICC_OP_BROADCAST, 1);
  bench_out(&b, 0, AICC_F16, 3, SHAPE(2, 2, 2));
  bench_check(&b, DOUBLES(1, 1, 2, 2, 1, 1, 2, 2), 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(reshape_shares_and_counts) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 2, SHAPE(3, 4), count_to_12);
  bench_node(&b, AICC_OP_RESHAPE, 1);
  bench_out(&b, 0, AICC_F32, 2, SHAPE(2, 6));
  bench_check(&b, count_to_12, 0);
  ck_assert_ptr_eq(b.out[0].data, b.in[0].data);
  bench_out(&b, 0, AICC_F32, 1, SHAPE(11));
  aicc_eval_value_deinit(&b.out[0]);
  ck_assert_int_eq(bench_run(&b), AICC_INVALID);
  bench_deinit(&b);
}
END_TEST

START_TEST(iota_counts_along_an_axis) {
  bench b;
  bench_init(&b);
  bench_node(&b, AICC_OP_IOTA, 1);
  aicc_set_int(b.module, b.node, AICC_ATTR_AXIS, 0);
  bench_out(&b, 0, AICC_I32, 2, SHAPE(3, 2));
  bench_check(&b, DOUBLES(0, 0, 1, 1, 2, 2), 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(gather_counts_from_the_end) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 2, SHAPE(3, 2), count_to_12);
  bench_in(&b, AICC_I32, 1, SHAPE(2), DOUBLES(-1, 0));
  bench_node(&b, AICC_OP_GATHER, 1);
  bench_out(&b, 0, AICC_F32, 2, SHAPE(2, 2));
  bench_check(&b, DOUBLES(4, 5, 0, 1), 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(gather_out_of_range_is_refused) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 2, SHAPE(3, 2), count_to_12);
  bench_in(&b, AICC_I64, 0, NULL, DOUBLES(3));
  bench_node(&b, AICC_OP_GATHER, 1);
  bench_out(&b, 0, AICC_F32, 1, SHAPE(2));
  ck_assert_int_eq(bench_run(&b), AICC_INVALID);
  bench_deinit(&b);
}
END_TEST

START_TEST(gather_elements_picks_one_each) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 2, SHAPE(2, 3), count_to_12);
  bench_in(&b, AICC_I64, 2, SHAPE(2, 2), DOUBLES(2, 0, -2, -3));
  bench_node(&b, AICC_OP_GATHER_ELEMENTS, 1);
  aicc_set_int(b.module, b.node, AICC_ATTR_AXIS, 1);
  bench_out(&b, 0, AICC_F32, 2, SHAPE(2, 2));
  bench_check(&b, DOUBLES(2, 0, 4, 3), 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(gather_nd_with_batches) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_I32, 3, SHAPE(2, 3, 2), count_to_12);
  bench_in(&b, AICC_I64, 2, SHAPE(2, 1), DOUBLES(1, -1));
  bench_node(&b, AICC_OP_GATHER_ND, 1);
  aicc_set_int(b.module, b.node, AICC_ATTR_BATCH_DIMS, 1);
  bench_out(&b, 0, AICC_I32, 2, SHAPE(2, 2));
  bench_check(&b, DOUBLES(2, 3, 10, 11), 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(reverse_sequence_turns_the_front) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 2, SHAPE(4, 2), count_to_12);
  bench_in(&b, AICC_I64, 1, SHAPE(2), DOUBLES(3, 1));
  bench_node(&b, AICC_OP_REVERSE_SEQUENCE, 1);
  aicc_set_int(b.module, b.node, AICC_ATTR_AXIS, 0);
  aicc_set_int(b.module, b.node, AICC_ATTR_BATCH_DIMS, 1);
  bench_out(&b, 0, AICC_F32, 2, SHAPE(4, 2));
  bench_check(&b, DOUBLES(4, 1, 2, 3, 0, 5, 6, 7), 0);
  bench_deinit(&b);
}
END_TEST

typedef struct scatter_case {
  const char *reduction;
  double expected[6];
} scatter_case;

static const scatter_case scatter_cases[] = {
    {"none", {0, 1, 10, 20, 4, 5}}, {"add", {0, 1, 12, 23, 4, 5}},
    {"mul", {0, 1, 20, 60, 4, 5}},  {"min", {0, 1, 2, 3, 4, 5}},
    {"max", {0, 1, 10, 20, 4, 5}},
};

START_TEST(scatter_nd_reductions) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_I32, 2, SHAPE(3, 2), count_to_12);
  bench_in(&b, AICC_I64, 2, SHAPE(1, 1), DOUBLES(-2));
  bench_in(&b, AICC_I32, 2, SHAPE(1, 2), DOUBLES(10, 20));
  bench_node(&b, AICC_OP_SCATTER_ND, 1);
  aicc_set_string(b.module, b.node, AICC_ATTR_REDUCTION, scatter_cases[_i].reduction);
  bench_out(&b, 0, AICC_I32, 2, SHAPE(3, 2));
  bench_check(&b, scatter_cases[_i].expected, 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(scatter_elements_adds_up_doubles) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 2, SHAPE(1, 4), count_to_12);
  bench_in(&b, AICC_I64, 2, SHAPE(1, 3), DOUBLES(1, 3, -3));
  bench_in(&b, AICC_F32, 2, SHAPE(1, 3), DOUBLES(10, 20, 30));
  bench_node(&b, AICC_OP_SCATTER_ELEMENTS, 1);
  aicc_set_int(b.module, b.node, AICC_ATTR_AXIS, 1);
  aicc_set_string(b.module, b.node, AICC_ATTR_REDUCTION, "add");
  bench_out(&b, 0, AICC_F32, 2, SHAPE(1, 4));
  bench_check(&b, DOUBLES(0, 41, 2, 23), 0);
  bench_deinit(&b);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("eval_move");
  TCase *tcase = tcase_create("move");
  tcase_add_test(tcase, transpose_permutes);
  tcase_add_test(tcase, slice_steps_backwards);
  tcase_add_test(tcase, slice_out_of_range_is_refused);
  tcase_add_loop_test(tcase, pad_modes, 0, (int)(sizeof pad_cases / sizeof *pad_cases));
  tcase_add_test(tcase, concat_joins_in_the_middle);
  tcase_add_test(tcase, window_unfolds);
  tcase_add_test(tcase, broadcast_repeats);
  tcase_add_test(tcase, reshape_shares_and_counts);
  tcase_add_test(tcase, iota_counts_along_an_axis);
  tcase_add_test(tcase, gather_counts_from_the_end);
  tcase_add_test(tcase, gather_out_of_range_is_refused);
  tcase_add_test(tcase, gather_elements_picks_one_each);
  tcase_add_test(tcase, gather_nd_with_batches);
  tcase_add_test(tcase, reverse_sequence_turns_the_front);
  tcase_add_loop_test(tcase, scatter_nd_reductions, 0,
                      (int)(sizeof scatter_cases / sizeof *scatter_cases));
  tcase_add_test(tcase, scatter_elements_adds_up_doubles);
  suite_add_tcase(suite, tcase);
  return suite;
}
AICC_TEST_MAIN(make_suite)
