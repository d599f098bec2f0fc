// Scalar semantics: the corners where C, the standard and the machine differ.
#include <math.h>

#include "check_main.h"
#include "ir/scalar.h"

typedef struct int_case {
  aicc_op op;
  aicc_dtype type;
  int64_t a, b, expected;
} int_case;

static const int_case int_cases[] = {
    {AICC_OP_ADD, AICC_I8, 127, 1, -128},
    {AICC_OP_ADD, AICC_U8, 255, 1, 0},
    {AICC_OP_SUB, AICC_U4, 0, 1, 15},
    {AICC_OP_MUL, AICC_I64, INT64_MAX, 2, -2},
    {AICC_OP_DIV, AICC_I32, -7, 2, -3},
    {AICC_OP_DIV, AICC_I32, 7, 0, 0},
    {AICC_OP_DIV, AICC_I64, INT64_MIN, -1, INT64_MIN},
    {AICC_OP_DIV, AICC_U64, -2, 2, INT64_MAX},
    {AICC_OP_MOD, AICC_I32, -7, 3, 2},
    {AICC_OP_MOD, AICC_I32, 7, -3, -2},
    {AICC_OP_FMOD, AICC_I32, -7, 3, -1},
    {AICC_OP_FMOD, AICC_I64, INT64_MIN, -1, 0},
    {AICC_OP_POW, AICC_I32, -3, 3, -27},
    {AICC_OP_POW, AICC_I32, 2, -1, 0},
    {AICC_OP_POW, AICC_I32, -1, -3, -1},
    {AICC_OP_MIN, AICC_U64, -1, 1, 1},
    {AICC_OP_MIN, AICC_I64, -1, 1, -1},
    {AICC_OP_MAX, AICC_U64, -1, 1, -1},
    {AICC_OP_LT, AICC_U64, -1, 1, 0},
    {AICC_OP_LE, AICC_I64, 1, 1, 1},
    {AICC_OP_SHL, AICC_U8, 1, 7, 128},
    {AICC_OP_SHL, AICC_U8, 1, 8, 0},
    {AICC_OP_SHR, AICC_I8, -128, 3, -16},
    {AICC_OP_SHR, AICC_I8, -1, 8, -1},
    {AICC_OP_SHR, AICC_U8, 128, 7, 1},
    {AICC_OP_NOT, AICC_BOOL, 1, 0, 0},
    {AICC_OP_BITNOT, AICC_U8, 1, 0, 254},
    {AICC_OP_ABS, AICC_I8, -128, 0, -128},
    {AICC_OP_NEG, AICC_I32, 5, 0, -5},
    {AICC_OP_SIGN, AICC_U64, -1, 0, 1},
};

START_TEST(integers_wrap_and_never_trap) {
  const int_case *c = &int_cases[_i];
  ck_assert_int_eq(aicc_scalar_i64(c->op, c->type, c->a, c->b), c->expected);
}
END_TEST

typedef struct cast_case {
  double value;
  aicc_dtype type;
  int64_t expected;
} cast_case;

static const cast_case cast_cases[] = {
    {2.9, AICC_I32, 2},           {-2.9, AICC_I32, -2},
    {300, AICC_U8, 44},           {-1, AICC_U8, 255},
    {3e9, AICC_I32, INT32_MIN},   {3e9, AICC_U32, 3000000000},
    {NAN, AICC_I32, INT32_MIN},   {NAN, AICC_I8, 0},
    {NAN, AICC_I64, INT64_MIN},   {1e19, AICC_I64, INT64_MIN},
    {1e19, AICC_U64, (int64_t)10000000000000000000u}, {-1, AICC_U64, -1},
    {NAN, AICC_BOOL, 1},          {-0.0, AICC_BOOL, 0},
    {0.5, AICC_BOOL, 1},          {9, AICC_I4, -7},
};

START_TEST(floats_become_integers_as_on_x86) {
  const cast_case *c = &cast_cases[_i];
  ck_assert_int_eq(aicc_scalar_to_int(c->value, c->type), c->expected);
}
END_TEST

START_TEST(nan_and_signs_of_floats) {
  ck_assert(isnan(aicc_scalar_f64(AICC_OP_MIN, NAN, 1)));
  ck_assert(isnan(aicc_scalar_f64(AICC_OP_MIN, 1, NAN)));
  ck_assert(isnan(aicc_scalar_f64(AICC_OP_MAX, NAN, 1)));
  ck_assert(isnan(aicc_scalar_f64(AICC_OP_MAX, 1, NAN)));
  ck_assert(isnan(aicc_scalar_f64(AICC_OP_SIGN, NAN, 0)));
  ck_assert(isnan(aicc_scalar_f64(AICC_OP_SIGMOID, NAN, 0)));
  ck_assert_double_eq(aicc_scalar_f64(AICC_OP_SIGMOID, -1000, 0), 0);
  ck_assert_double_eq(aicc_scalar_f64(AICC_OP_SIGMOID, 1000, 0), 1);
  ck_assert_double_eq(aicc_scalar_f64(AICC_OP_ROUND, 2.5, 0), 2);
  ck_assert_double_eq(aicc_scalar_f64(AICC_OP_ROUND, -3.5, 0), -4);
  ck_assert_double_eq(aicc_scalar_f64(AICC_OP_MOD, -7.5, 2), 0.5);
  ck_assert_double_eq(aicc_scalar_f64(AICC_OP_FMOD, -7.5, 2), -1.5);
  ck_assert_double_eq(aicc_scalar_f64(AICC_OP_NE, NAN, NAN), 1);
}
END_TEST

START_TEST(random_streams_are_stated) {
  double sum = 0, square = 0;
  for (uint64_t i = 0; i < 10000; i++) {
    const double u = aicc_scalar_uniform(7, i), n = aicc_scalar_normal(7, i);
    ck_assert(u >= 0 && u < 1);
    sum += u;
    square += n * n;
  }
  ck_assert_double_eq_tol(sum / 10000, 0.5, 0.01);
  ck_assert_double_eq_tol(square / 10000, 1, 0.05);
  ck_assert(aicc_scalar_uniform(7, 0) != aicc_scalar_uniform(8, 0));
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("scalar");
  TCase *tcase = tcase_create("scalar");
  tcase_add_loop_test(tcase, integers_wrap_and_never_trap, 0,
                      (int)(sizeof int_cases / sizeof *int_cases));
  tcase_add_loop_test(tcase, floats_become_integers_as_on_x86, 0,
                      (int)(sizeof cast_cases / sizeof *cast_cases));
  tcase_add_test(tcase, nan_and_signs_of_floats);
  tcase_add_test(tcase, random_streams_are_stated);
  suite_add_tcase(suite, tcase);
  return suite;
}
AICC_TEST_MAIN(make_suite)
