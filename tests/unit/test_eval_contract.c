// Contractions of the interpreter. Operands are ramps, (7 i mod 11) - 5; expected numbers come from
// the ONNX reference evaluator or from a plain NumPy loop.
#include "eval_help.h"

static void ramp_in(bench *b, aicc_dtype dtype, int rank, const int64_t *shape) {
  double numbers[512];
  int64_t count = 1;
  for (int d = 0; d < rank; d++) {
    count *= shape[d];
  }
  ck_assert_int_le(count, 512);
  for (int64_t i = 0; i < count; i++) {
    numbers[i] = (double)(i * 7 % 11) - 5;
  }
  bench_in(b, dtype, rank, shape, numbers);
}

START_TEST(grouped_strided_dilated_conv) {
  static const double expected[] = {
      34,  -41, 16,  18,  -16, -49, 26,  24,  -11,  13,  24,  -10, 11,  21,  -24,
      -95, 46,  11,  -46, 16,  74,  -11, -52, 61,   14,  -34, 5,   44,  -38, 27,
      40,  1,   -38, 55,  -7,  -56, -15, 70,  -109, -29, 7,   42,  -99, 13,  23,
      37,  -105, 28, 40,  -28, -143, 57, 26,  -38,  23,  49,  14,  -43, 32,  19,
      -24, 50,  3,   -77, 27,  60,  12,  -91, 81,   -2,  4,   -35, 58,  -47, -28,
      -8,  7,   -11, 26,  -6,  32,  -22, 45,  -31,  -27, -8,  26,  -17, 17,  24};
  bench b;
  bench_init(&b);
  ramp_in(&b, AICC_F32, 4, SHAPE(1, 4, 5, 6));
  ramp_in(&b, AICC_F32, 4, SHAPE(6, 2, 3, 2));
  ramp_in(&b, AICC_F32, 1, SHAPE(6));
  bench_node(&b, AICC_OP_CONV, 1);
  aicc_set_int(b.module, b.node, AICC_ATTR_GROUP, 2);
  aicc_set_ints(b.module, b.node, AICC_ATTR_STRIDES, INTS(2, 1), 2);
  aicc_set_ints(b.module, b.node, AICC_ATTR_DILATIONS, INTS(1, 2), 2);
  bench_dims(&b, AICC_ATTR_PADS, INTS(1, 0), 2);
  bench_out(&b, 0, AICC_F32, 4, SHAPE(1, 6, 3, 5));
  bench_check(&b, expected, 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(conv_in_one_dimension) {
  bench b;
  bench_init(&b);
  ramp_in(&b, AICC_F32, 3, SHAPE(1, 2, 4));
  ramp_in(&b, AICC_F32, 3, SHAPE(3, 2, 3));
  bench_node(&b, AICC_OP_CONV, 1);
  bench_dims(&b, AICC_ATTR_PADS, INTS(1), 1);
  bench_out(&b, 0, AICC_F32, 3, SHAPE(1, 3, 4));
  bench_check(&b, DOUBLES(-4, 23, -35, 40, 6, -26, -25, 4, 5, 2, 18, -10), 0);
  bench_deinit(&b);
}
END_TEST

// The same with channels last: x[n, s, c] and the result are transposed, the weights are not.
START_TEST(conv_with_channels_last) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 3, SHAPE(1, 4, 2), DOUBLES(-5, 1, 2, -3, -2, 4, 5, 0));
  ramp_in(&b, AICC_F32, 3, SHAPE(3, 2, 3));
  bench_node(&b, AICC_OP_CONV, 1);
  aicc_set_string(b.module, b.node, AICC_ATTR_LAYOUT, "nhwc");
  bench_dims(&b, AICC_ATTR_PADS, INTS(1), 1);
  bench_out(&b, 0, AICC_F32, 3, SHAPE(1, 4, 3));
  bench_check(&b, DOUBLES(-4, 6, 5, 23, -26, 2, -35, -25, 18, 40, 4, -10), 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(grouped_strided_dilated_conv_transpose) {
  static const double rows[] = {
      -19, -13, 15, -9, 6,   -21, 14, -17, 33, 0,  4,   4,  -7, -20, 12,
      -27, 1,   29, 26, -14, 2,   26, -5,  0,  0,  4,   4,  -7, -4,  28,
      -1,  36,  -4, -17, -4, -22, 0,  0,   -5, 26, -11, -12, 20, -4, 16,
      -21, 16,  -24, -5, 8,  -22, 0,  33,  -17, 14, 5,  4,  -19, -16, 4};
  double expected[180] = {0};
  for (int i = 0; i < 60; i++) {  // only rows 1, 3 and 5 of each 9 meet a tap
    const int channel = i / 15, row = i / 5 % 3;
    expected[channel * 45 + (2 * row + 1) * 5 + i % 5] = rows[i];
  }
  bench b;
  bench_init(&b);
  ramp_in(&b, AICC_F32, 4, SHAPE(1, 4, 3, 2));
  ramp_in(&b, AICC_F32, 4, SHAPE(4, 2, 2, 3));
  bench_node(&b, AICC_OP_CONV_TRANSPOSE, 1);
  aicc_set_int(b.module, b.node, AICC_ATTR_GROUP, 2);
  aicc_set_ints(b.module, b.node, AICC_ATTR_STRIDES, INTS(2, 3), 2);
  aicc_set_ints(b.module, b.node, AICC_ATTR_DILATIONS, INTS(2, 1), 2);
  bench_dims(&b, AICC_ATTR_PADS, INTS(1, 0), 2);
  bench_out(&b, 0, AICC_F32, 4, SHAPE(1, 4, 9, 5));
  bench_check(&b, expected, 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(matmul_broadcasts_batches) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 3, SHAPE(2, 1, 2), DOUBLES(1, 2, 3, 4));
  bench_in(&b, AICC_F32, 2, SHAPE(2, 2), DOUBLES(1, 10, 100, 1000));
  bench_node(&b, AICC_OP_MATMUL, 1);
  bench_out(&b, 0, AICC_F32, 3, SHAPE(2, 1, 2));
  bench_check(&b, DOUBLES(201, 2010, 403, 4030), 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(matmul_transposes_either_side) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_I8, 2, SHAPE(2, 2), DOUBLES(1, 2, 3, 4));        // a^T = 1 3 / 2 4
  bench_in(&b, AICC_I8, 2, SHAPE(3, 2), DOUBLES(1, 0, 0, 1, 100, 1));  // b^T = 1 0 100 / 0 1 1
  bench_node(&b, AICC_OP_MATMUL, 1);
  aicc_set_int(b.module, b.node, AICC_ATTR_TRANS_A, 1);
  aicc_set_int(b.module, b.node, AICC_ATTR_TRANS_B, 1);
  bench_out(&b, 0, AICC_I8, 2, SHAPE(2, 3));
  bench_check(&b, DOUBLES(1, 3, 103, 2, 4, -52), 0);  // 204 wraps
  bench_deinit(&b);
}
END_TEST

// f16 sums are rounded once: 2048 + 1 + 1 would stay 2048 step by step.
START_TEST(half_sums_are_rounded_once) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F16, 2, SHAPE(1, 3), DOUBLES(2048, 1, 1));
  bench_in(&b, AICC_F16, 2, SHAPE(3, 1), DOUBLES(1, 1, 1));
  bench_node(&b, AICC_OP_MATMUL, 1);
  bench_out(&b, 0, AICC_F16, 2, SHAPE(1, 1));
  bench_check(&b, DOUBLES(2050), 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(matmul_of_no_products_is_zero) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 2, SHAPE(2, 0), DOUBLES(0));
  bench_in(&b, AICC_F32, 2, SHAPE(0, 1), DOUBLES(0));
  bench_node(&b, AICC_OP_MATMUL, 1);
  bench_out(&b, 0, AICC_F32, 2, SHAPE(2, 1));
  bench_check(&b, DOUBLES(0, 0), 0);
  bench_deinit(&b);
}
END_TEST

// Two queries share one key head; scores 1, 0 and 0, 2 with scale 1; causal hides key 1 of query 0.
START_TEST(attention_groups_and_masks) {
  const double e = 0.8807970779778823;  // 1 / (1 + exp(-2))
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 4, SHAPE(1, 2, 2, 1), DOUBLES(1, 1, 1, 2));
  bench_in(&b, AICC_F32, 4, SHAPE(1, 1, 2, 1), DOUBLES(0, 1));
  bench_in(&b, AICC_F32, 4, SHAPE(1, 1, 2, 2), DOUBLES(1, 10, 2, 20));
  bench_node(&b, AICC_OP_ATTENTION, 1);
  aicc_set_float(b.module, b.node, AICC_ATTR_SCALE, 1);
  aicc_set_int(b.module, b.node, AICC_ATTR_CAUSAL, 1);
  bench_out(&b, 0, AICC_F32, 4, SHAPE(1, 2, 2, 2));
  const double half = 0.7310585786300049;  // 1 / (1 + exp(-1))
  bench_check(&b, DOUBLES(1, 10, 1 + half, 10 * (1 + half), 1, 10, 1 + e, 10 * (1 + e)), 1e-6);
  bench_deinit(&b);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("eval_contract");
  TCase *tcase = tcase_create("contract");
  tcase_add_test(tcase, grouped_strided_dilated_conv);
  tcase_add_test(tcase, conv_in_one_dimension);
  tcase_add_test(tcase, conv_with_channels_last);
  tcase_add_test(tcase, grouped_strided_dilated_conv_transpose);
  tcase_add_test(tcase, matmul_broadcasts_batches);
  tcase_add_test(tcase, matmul_transposes_either_side);
  tcase_add_test(tcase, half_sums_are_rounded_once);
  tcase_add_test(tcase, matmul_of_no_products_is_zero);
  tcase_add_test(tcase, attention_groups_and_masks);
  suite_add_tcase(suite, tcase);
  return suite;
}
AICC_TEST_MAIN(make_suite)
