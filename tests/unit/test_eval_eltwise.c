// The interpreter's elementwise operators. Expected numbers: NumPy, or by hand.
#include "eval_help.h"

START_TEST(operands_broadcast) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 2, SHAPE(2, 1), DOUBLES(10, 20));
  bench_in(&b, AICC_F32, 1, SHAPE(3), DOUBLES(1, 2, 3));
  bench_node(&b, AICC_OP_SUB, 1);
  bench_out(&b, 0, AICC_F32, 2, SHAPE(2, 3));
  bench_check(&b, DOUBLES(9, 8, 7, 19, 18, 17), 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(broadcast_in_the_middle) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_I32, 3, SHAPE(2, 1, 2), DOUBLES(1, 2, 3, 4));
  bench_in(&b, AICC_I32, 2, SHAPE(2, 1), DOUBLES(10, 100));
  bench_node(&b, AICC_OP_MUL, 1);
  bench_out(&b, 0, AICC_I32, 3, SHAPE(2, 2, 2));
  bench_check(&b, DOUBLES(10, 20, 100, 200, 30, 40, 300, 400), 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(empty_operands_give_empty_results) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 2, SHAPE(0, 3), DOUBLES(0));
  bench_in(&b, AICC_F32, 1, SHAPE(3), DOUBLES(1, 2, 3));
  bench_node(&b, AICC_OP_ADD, 1);
  bench_out(&b, 0, AICC_F32, 2, SHAPE(0, 3));
  bench_check(&b, NULL, 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(what_does_not_broadcast_is_refused) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 1, SHAPE(2), DOUBLES(1, 2));
  bench_in(&b, AICC_F32, 1, SHAPE(3), DOUBLES(1, 2, 3));
  bench_node(&b, AICC_OP_ADD, 1);
  bench_out(&b, 0, AICC_F32, 1, SHAPE(3));
  ck_assert_int_eq(bench_run(&b), AICC_INVALID);
  bench_deinit(&b);
}
END_TEST

typedef struct unary_case {
  aicc_op op;
  aicc_dtype dtype;
  double x, expected;
} unary_case;

// numpy 2: float32(op(x)); float16 results are rounded once.
static const unary_case unary_cases[] = {
    {AICC_OP_EXP, AICC_F32, 1, 2.7182817459106445},
    {AICC_OP_ERF, AICC_F32, 0.5, 0.5204998850822449},
    {AICC_OP_TANH, AICC_F32, -0.75, -0.6351489424705505},
    {AICC_OP_RSQRT, AICC_F32, 3, 0.5773502588272095},
    {AICC_OP_RECIP, AICC_F16, 3, 0.333251953125},
    {AICC_OP_SQRT, AICC_BF16, 2, 1.4140625},
    {AICC_OP_ROUND, AICC_F32, 0.5, 0},
    {AICC_OP_ROUND, AICC_F32, 1.5, 2},
    {AICC_OP_SIGMOID, AICC_F32, 2, 0.8807970881462097},
    {AICC_OP_NEG, AICC_I8, -128, -128},
    {AICC_OP_BITNOT, AICC_U16, 1, 65534},
    {AICC_OP_NOT, AICC_BOOL, 0, 1},
};

START_TEST(unary_operators) {
  const unary_case *c = &unary_cases[_i];
  bench b;
  bench_init(&b);
  bench_in(&b, c->dtype, 0, NULL, &c->x);
  bench_node(&b, c->op, 1);
  bench_out(&b, 0, c->dtype, 0, NULL);
  bench_check(&b, &c->expected, 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(comparisons_give_bool) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 1, SHAPE(4), DOUBLES(1, 2, NAN, 3));
  bench_in(&b, AICC_F32, 1, SHAPE(4), DOUBLES(2, 2, NAN, 1));
  bench_node(&b, AICC_OP_LE, 1);
  bench_out(&b, 0, AICC_BOOL, 1, SHAPE(4));
  bench_check(&b, DOUBLES(1, 1, 0, 0), 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(select_takes_either) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_BOOL, 2, SHAPE(2, 1), DOUBLES(1, 0));
  bench_in(&b, AICC_F16, 1, SHAPE(2), DOUBLES(1, 2));
  bench_in(&b, AICC_F16, 0, NULL, DOUBLES(9));
  bench_node(&b, AICC_OP_SELECT, 1);
  bench_out(&b, 0, AICC_F16, 2, SHAPE(2, 2));
  bench_check(&b, DOUBLES(1, 2, 9, 9), 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(the_exponent_has_its_own_type) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_I32, 1, SHAPE(2), DOUBLES(4, 9));
  bench_in(&b, AICC_F32, 0, NULL, DOUBLES(0.5));
  bench_node(&b, AICC_OP_POW, 1);
  bench_out(&b, 0, AICC_I32, 1, SHAPE(2));
  bench_check(&b, DOUBLES(2, 3), 0);
  bench_deinit(&b);
}
END_TEST

typedef struct cast_case {
  aicc_dtype from, to;
  double x, expected;
  int saturate;
} cast_case;

static const cast_case cast_cases[] = {
    {AICC_F32, AICC_F16, 65520, INFINITY, 1},
    {AICC_F64, AICC_F32, 1.0000000596046448, 1, 1},
    {AICC_F32, AICC_F8E4M3FN, 1000, 448, 1},
    {AICC_F32, AICC_F8E4M3FN, 1000, NAN, 0},
    {AICC_F32, AICC_F8E5M2, 1e6, INFINITY, 0},
    {AICC_F8E4M3FN, AICC_F16, 0.0625, 0.0625, 1},
    {AICC_F32, AICC_U8, -1, 255, 1},
    {AICC_F16, AICC_I64, -3.7, -3, 1},
    {AICC_I64, AICC_F32, 16777217, 16777216, 1},
    {AICC_I32, AICC_BOOL, 256, 1, 1},
    {AICC_I32, AICC_I4, 9, -7, 1},
    {AICC_BOOL, AICC_F32, 1, 1, 1},
    {AICC_U64, AICC_F64, 18446744073709549568.0, 18446744073709549568.0, 1},
};

START_TEST(casts_follow_onnx) {
  const cast_case *c = &cast_cases[_i];
  bench b;
  bench_init(&b);
  bench_in(&b, c->from, 0, NULL, &c->x);
  bench_node(&b, AICC_OP_CAST, 1);
  aicc_set_dtype(b.module, b.node, AICC_ATTR_TO, c->to);
  aicc_set_int(b.module, b.node, AICC_ATTR_SATURATE, c->saturate);
  bench_out(&b, 0, c->to, 0, NULL);
  bench_check(&b, &c->expected, 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(numbers_become_text_and_back) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 1, SHAPE(4), DOUBLES(0.1, -2, INFINITY, 1e10));
  bench_node(&b, AICC_OP_CAST, 1);
  bench_out(&b, 0, AICC_STR, 1, SHAPE(4));
  ck_assert_int_eq(bench_run(&b), AICC_OK);
  static const char *const expected[] = {"0.1", "-2.0", "INF", "1e+10"};
  for (int i = 0; i < 4; i++) {
    const aicc_str *s = (const aicc_str *)b.out[0].data + i;
    ck_assert_uint_eq(s->size, strlen(expected[i]));
    ck_assert_mem_eq(s->data, expected[i], s->size);
  }
  bench_deinit(&b);
  bench_init(&b);
  bench_in_strings(&b, 3, (const char *const[]){"3.5", "-1e2", "NaN"});
  bench_node(&b, AICC_OP_CAST, 1);
  bench_out(&b, 0, AICC_F32, 1, SHAPE(3));
  bench_check(&b, DOUBLES(3.5, -100, NAN), 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(bits_are_kept) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 1, SHAPE(2), DOUBLES(1, -0.0));
  bench_node(&b, AICC_OP_BITCAST, 1);
  bench_out(&b, 0, AICC_U32, 1, SHAPE(2));
  bench_check(&b, DOUBLES(1065353216, 2147483648), 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(every_elementwise_operator_runs_on_some_type) {
  for (int op = 0; op < AICC_OP_COUNT; op++) {
    const aicc_op_info *info = &aicc_op_table[op];
    if (info->kind != AICC_KIND_ELTWISE) {
      continue;
    }
    const bool needs_int = op == AICC_OP_NOT || op == AICC_OP_BITNOT || op == AICC_OP_AND ||
                           op == AICC_OP_OR || op == AICC_OP_XOR || op == AICC_OP_SHL ||
                           op == AICC_OP_SHR;
    const aicc_dtype type = needs_int ? AICC_I32 : AICC_F32;
    bench b;
    bench_init(&b);
    for (int i = 0; i < info->least; i++) {
      bench_in(&b, op == AICC_OP_SELECT && i == 0 ? AICC_BOOL : type, 0, NULL, DOUBLES(1));
    }
    bench_node(&b, (aicc_op)op, 1);
    aicc_set_dtype(b.module, b.node, AICC_ATTR_TO, type);
    bench_out(&b, 0, info->traits & AICC_TRAIT_BOOL_RESULT ? AICC_BOOL : type, 0, NULL);
    ck_assert_msg(bench_run(&b) == AICC_OK, "%s", info->name);
    bench_deinit(&b);
  }
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("eval_eltwise");
  TCase *tcase = tcase_create("eltwise");
  tcase_add_test(tcase, operands_broadcast);
  tcase_add_test(tcase, broadcast_in_the_middle);
  tcase_add_test(tcase, empty_operands_give_empty_results);
  tcase_add_test(tcase, what_does_not_broadcast_is_refused);
  tcase_add_loop_test(tcase, unary_operators, 0,
                      (int)(sizeof unary_cases / sizeof *unary_cases));
  tcase_add_test(tcase, comparisons_give_bool);
  tcase_add_test(tcase, select_takes_either);
  tcase_add_test(tcase, the_exponent_has_its_own_type);
  tcase_add_loop_test(tcase, casts_follow_onnx, 0, (int)(sizeof cast_cases / sizeof *cast_cases));
  tcase_add_test(tcase, numbers_become_text_and_back);
  tcase_add_test(tcase, bits_are_kept);
  tcase_add_test(tcase, every_elementwise_operator_runs_on_some_type);
  suite_add_tcase(suite, tcase);
  return suite;
}
AICC_TEST_MAIN(make_suite)
