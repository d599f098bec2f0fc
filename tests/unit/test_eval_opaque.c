// Library kernels of the interpreter. Expected numbers by hand, or from NumPy where said.
#include "eval_help.h"
#include "ir/opaque.h"

static void opaque_node(bench *b, const char *name, const int64_t *ints, int count,
                        int out_count) {
  bench_node(b, AICC_OP_OPAQUE, out_count);
  aicc_set_string(b->module, b->node, AICC_ATTR_NAME, name);
  if (count) {
    aicc_set_ints(b->module, b->node, AICC_ATTR_INTS, ints, count);
  }
}

// Box 1 overlaps box 0 by 9 / 11 of their union; box 2 stands apart; box 3 scores too low.
START_TEST(non_max_suppression_keeps_the_best) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 3, SHAPE(1, 4, 4),
           DOUBLES(0, 0, 10, 10, 10, 11, 0, 1, 0, 20, 10, 30, 0, 40, 10, 50));
  bench_in(&b, AICC_F32, 3, SHAPE(1, 1, 4), DOUBLES(0.8, 0.9, 0.7, 0.1));
  bench_in(&b, AICC_I64, 1, SHAPE(1), DOUBLES(3));
  bench_in(&b, AICC_F32, 1, SHAPE(1), DOUBLES(0.5));
  bench_in(&b, AICC_F32, 1, SHAPE(1), DOUBLES(0.2));
  opaque_node(&b, "non_max_suppression", INTS(0), 1, 2);
  bench_out(&b, 0, AICC_I64, 2, SHAPE(3, 3));
  bench_out(&b, 1, AICC_I64, 0, NULL);
  bench_check(&b, DOUBLES(0, 0, 1, 0, 0, 2, 0, 0, 0), 0);
  bench_expect(&b, 1, DOUBLES(2), 0);
  bench_deinit(&b);
}
END_TEST

// "All of them", as torchvision says it.
START_TEST(non_max_suppression_without_bound) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 3, SHAPE(1, 2, 4), DOUBLES(0, 0, 1, 1, 5, 5, 6, 6));
  bench_in(&b, AICC_F32, 3, SHAPE(1, 1, 2), DOUBLES(1, 2));
  bench_in(&b, AICC_I64, 1, SHAPE(1), DOUBLES(0));
  *(int64_t *)b.in[2].data = INT64_MAX;
  opaque_node(&b, "non_max_suppression", INTS(0), 1, 2);
  bench_out(&b, 0, AICC_I64, 2, SHAPE(2, 3));
  bench_out(&b, 1, AICC_I64, 0, NULL);
  bench_check(&b, DOUBLES(0, 0, 1, 0, 0, 0), 0);
  bench_expect(&b, 1, DOUBLES(2), 0);
  bench_deinit(&b);
}
END_TEST

// A ramp 4 y + x is its own linear interpolation: bins give their centres.
START_TEST(roi_align_averages_bins) {
  double image[16];
  for (int i = 0; i < 16; i++) {
    image[i] = i;
  }
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 4, SHAPE(1, 1, 4, 4), image);
  bench_in(&b, AICC_F32, 2, SHAPE(1, 4), DOUBLES(1, 1, 3, 3));
  bench_in(&b, AICC_I64, 1, SHAPE(1), DOUBLES(0));
  opaque_node(&b, "roi_align", INTS(2, 1, 0), 3, 1);
  bench_out(&b, 0, AICC_F32, 4, SHAPE(1, 1, 2, 2));
  bench_check(&b, DOUBLES(5, 6, 9, 10), 1e-6);
  bench_deinit(&b);
}
END_TEST

START_TEST(col2im_adds_overlaps) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 3, SHAPE(1, 2, 3), DOUBLES(1, 2, 3, 10, 20, 30));
  opaque_node(&b, "col2im", INTS(1, 2, 1, 0, 1, 0), 6, 1);
  bench_out(&b, 0, AICC_F32, 3, SHAPE(1, 1, 4));
  bench_check(&b, DOUBLES(1, 12, 23, 30), 0);
  bench_deinit(&b);
}
END_TEST

// numpy.fft.fft of 1 2 3 4 and back; rfft has the first three.
START_TEST(dft_there_and_back) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 3, SHAPE(1, 4, 1), DOUBLES(1, 2, 3, 4));
  opaque_node(&b, "dft", INTS(1, 0, 0), 3, 1);
  bench_out(&b, 0, AICC_F32, 3, SHAPE(1, 4, 2));
  bench_check(&b, DOUBLES(10, 0, -2, 2, -2, 0, -2, -2), 1e-6);
  bench_deinit(&b);
  bench_init(&b);
  bench_in(&b, AICC_F32, 3, SHAPE(1, 3, 2), DOUBLES(10, 0, -2, 2, -2, 0));
  opaque_node(&b, "dft", INTS(1, 1, 1), 3, 1);
  bench_out(&b, 0, AICC_F32, 3, SHAPE(1, 4, 1));
  bench_check(&b, DOUBLES(1, 2, 3, 4), 1e-6);
  bench_deinit(&b);
}
END_TEST

START_TEST(det_of_each_matrix) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F64, 3, SHAPE(2, 2, 2), DOUBLES(0, 2, 3, 4, 1, 2, 2, 4));
  opaque_node(&b, "det", NULL, 0, 1);
  bench_out(&b, 0, AICC_F64, 1, SHAPE(2));
  bench_check(&b, DOUBLES(-6, 0), 1e-12);
  bench_deinit(&b);
}
END_TEST

static void run_unique(bench *b, int sorted) {
  bench_init(b);
  bench_in(b, AICC_F32, 1, SHAPE(5), DOUBLES(2, 1, 1, 3, 2));
  opaque_node(b, "unique", INTS(1, 0, sorted), 3, 5);
  bench_out(b, 0, AICC_F32, 1, SHAPE(5));
  for (int i = 1; i < 4; i++) {
    bench_out(b, i, AICC_I64, 1, SHAPE(5));
  }
  bench_out(b, 4, AICC_I64, 0, NULL);
}

START_TEST(unique_sorted_or_in_order) {
  bench b;
  run_unique(&b, 1);
  bench_check(&b, DOUBLES(1, 2, 3, 0, 0), 0);
  bench_expect(&b, 1, DOUBLES(1, 0, 3, 0, 0), 0);
  bench_expect(&b, 2, DOUBLES(1, 0, 0, 2, 1), 0);
  bench_expect(&b, 3, DOUBLES(2, 2, 1, 0, 0), 0);
  bench_expect(&b, 4, DOUBLES(3), 0);
  bench_deinit(&b);
  run_unique(&b, 0);
  bench_check(&b, DOUBLES(2, 1, 3, 0, 0), 0);
  bench_expect(&b, 2, DOUBLES(0, 1, 1, 2, 0), 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(unique_rows) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_I32, 2, SHAPE(3, 2), DOUBLES(5, 6, 1, 2, 5, 6));
  opaque_node(&b, "unique", INTS(0, 0, 1), 3, 5);
  bench_out(&b, 0, AICC_I32, 2, SHAPE(3, 2));
  for (int i = 1; i < 4; i++) {
    bench_out(&b, i, AICC_I64, 1, SHAPE(3));
  }
  bench_out(&b, 4, AICC_I64, 0, NULL);
  bench_check(&b, DOUBLES(1, 2, 5, 6, 0, 0), 0);
  bench_expect(&b, 2, DOUBLES(1, 0, 1), 0);
  bench_deinit(&b);
}
END_TEST

// x0 <= 1 ? (x1 < 5 ? leaf 10 : leaf 20) : leaf 30 for target 1.
START_TEST(tree_ensemble_walks) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_F32, 2, SHAPE(4, 2), DOUBLES(1, 4, 1, 5, 2, 0, NAN, 4));
  bench_in(&b, AICC_I32, 2, SHAPE(5, 6),
           DOUBLES(0, 0, 1, 2, 0, 0, 1, 1, 3, 4, 0, 0, 0, 6, 0, 0, 2, 1, 0, 6, 0, 0, 0, 1, 0, 6,
                   0, 0, 1, 1));
  bench_in(&b, AICC_F32, 1, SHAPE(5), DOUBLES(1, 5, 0, 0, 0));
  bench_in(&b, AICC_U8, 1, SHAPE(5), DOUBLES(1, 0, 0, 0, 0));
  bench_in(&b, AICC_I32, 1, SHAPE(3), DOUBLES(0, 0, 1));
  bench_in(&b, AICC_F32, 1, SHAPE(3), DOUBLES(10, 20, 30));
  bench_in(&b, AICC_I32, 1, SHAPE(1), DOUBLES(0));
  opaque_node(&b, "tree_ensemble", INTS(0), 1, 1);
  bench_out(&b, 0, AICC_F32, 2, SHAPE(4, 2));
  bench_check(&b, DOUBLES(10, 0, 20, 0, 0, 30, 10, 0), 0);
  bench_deinit(&b);
}
END_TEST

// Two classes, a linear kernel: score = rho + (+1) x.(1, 0) + (-1) x.(0, 1) = x0 - x1 - 0.5.
START_TEST(svm_votes_and_probabilities) {
  for (int prob = 0; prob < 2; prob++) {
    bench b;
    bench_init(&b);
    bench_in(&b, AICC_F32, 2, SHAPE(2, 2), DOUBLES(2, 1, 1, 1));
    bench_in(&b, AICC_F32, 2, SHAPE(2, 2), DOUBLES(1, 0, 0, 1));
    bench_in(&b, AICC_F32, 2, SHAPE(1, 2), DOUBLES(1, -1));
    bench_in(&b, AICC_F32, 1, SHAPE(1), DOUBLES(-0.5));
    if (prob) {
      bench_in(&b, AICC_F32, 1, SHAPE(1), DOUBLES(-2));
      bench_in(&b, AICC_F32, 1, SHAPE(1), DOUBLES(0));
    }
    opaque_node(&b, "svm_classifier", INTS(0, 1, 1), 3, 2);
    bench_out(&b, 0, AICC_F32, 2, SHAPE(2, prob ? 2 : 1));
    bench_out(&b, 1, AICC_I64, 1, SHAPE(2));
    const double p = 0.7310585786300049;  // 1 / (1 + exp(-1)); two classes couple to just that
    bench_check(&b, prob ? DOUBLES(p, 1 - p, 1 - p, p) : DOUBLES(0.5, -0.5), 1e-3);
    bench_expect(&b, 1, DOUBLES(0, 1), 0);
    bench_deinit(&b);
  }
}
END_TEST

// One column of 4-bit weights 9, 7 (-> 1, -1 around 8) times scale 0.5; then with zero point 7.
START_TEST(matmul_nbits_unpacks) {
  for (int zero = 0; zero < 2; zero++) {
    bench b;
    bench_init(&b);
    bench_in(&b, AICC_F32, 2, SHAPE(1, 2), DOUBLES(3, 1));
    bench_in(&b, AICC_U8, 3, SHAPE(1, 1, 1), DOUBLES(0x79));
    bench_in(&b, AICC_F32, 1, SHAPE(1), DOUBLES(0.5));
    if (zero) {
      bench_in(&b, AICC_U8, 1, SHAPE(1), DOUBLES(7));
    }
    opaque_node(&b, "matmul_nbits", INTS(2, 1, 4, 2), 4, 1);
    bench_out(&b, 0, AICC_F32, 2, SHAPE(1, 1));
    bench_check(&b, zero ? DOUBLES(3) : DOUBLES(1), 1e-6);
    bench_deinit(&b);
  }
}
END_TEST

START_TEST(label_encoder_looks_up) {
  bench b;
  bench_init(&b);
  bench_in_strings(&b, 3, (const char *const[]){"b", "z", "a"});
  bench_in_strings(&b, 2, (const char *const[]){"a", "b"});
  bench_in(&b, AICC_I64, 1, SHAPE(2), DOUBLES(10, 20));
  bench_in(&b, AICC_I64, 0, NULL, DOUBLES(-1));
  opaque_node(&b, "label_encoder", NULL, 0, 1);
  bench_out(&b, 0, AICC_I64, 1, SHAPE(3));
  bench_check(&b, DOUBLES(20, -1, 10), 0);
  bench_deinit(&b);
}
END_TEST

static void expect_strings(const bench *b, const char *const *expected) {
  for (int64_t i = 0; i < aicc_eval_value_count(&b->out[0]); i++) {
    const aicc_str *s = (const aicc_str *)b->out[0].data + i;
    ck_assert_msg(s->size == strlen(expected[i]) && memcmp(s->data, expected[i], s->size) == 0,
                  "string %d is '%.*s', expected '%s'", (int)i, (int)s->size, s->data,
                  expected[i]);
  }
}

START_TEST(strings_join_split_and_normalise) {
  bench b;
  bench_init(&b);
  bench_in_strings(&b, 2, (const char *const[]){"a", ""});
  bench_in_strings(&b, 1, (const char *const[]){".c"});
  opaque_node(&b, "string_concat", NULL, 0, 1);
  bench_out(&b, 0, AICC_STR, 1, SHAPE(2));
  ck_assert_int_eq(bench_run(&b), AICC_OK);
  expect_strings(&b, (const char *const[]){"a.c", ".c"});
  bench_deinit(&b);

  bench_init(&b);
  bench_in_strings(&b, 2, (const char *const[]){"a-b--c", ""});
  opaque_node(&b, "string_split", INTS(-1), 1, 1);
  aicc_set_strings(b.module, b.node, AICC_ATTR_STRINGS, (const char *const[]){"-"}, 1);
  bench_out(&b, 0, AICC_STR, 2, SHAPE(2, 4));
  ck_assert_int_eq(bench_run(&b), AICC_OK);
  expect_strings(&b, (const char *const[]){"a", "b", "", "c", "", "", "", ""});
  bench_deinit(&b);

  bench_init(&b);
  bench_in_strings(&b, 3, (const char *const[]){"Monday", "Tue", "monday"});
  opaque_node(&b, "string_normalizer", INTS(2, 0), 2, 2);
  aicc_set_strings(b.module, b.node, AICC_ATTR_STRINGS, (const char *const[]){"Monday"}, 1);
  bench_out(&b, 0, AICC_STR, 1, SHAPE(3));
  bench_out(&b, 1, AICC_I64, 0, NULL);
  ck_assert_int_eq(bench_run(&b), AICC_OK);
  expect_strings(&b, (const char *const[]){"TUE", "", ""});
  bench_expect(&b, 1, DOUBLES(1), 0);
  bench_deinit(&b);
}
END_TEST

// Bigrams (5, 4), (5, 6) with at most one element between: 5 x 6 and 5 6 both count.
START_TEST(tfidf_counts_with_gaps) {
  bench b;
  bench_init(&b);
  bench_in(&b, AICC_I64, 1, SHAPE(5), DOUBLES(5, 4, 6, 5, 6));
  bench_in(&b, AICC_I64, 1, SHAPE(5), DOUBLES(4, 5, 4, 5, 6));
  opaque_node(&b, "tfidf", INTS(0, 1, 2, 1, 2, 0, 1, 0, 1, 2), 10, 1);
  bench_out(&b, 0, AICC_F32, 1, SHAPE(3));
  bench_check(&b, DOUBLES(1, 1, 2), 0);
  bench_deinit(&b);
}
END_TEST

START_TEST(an_unknown_kernel_is_unsupported) {
  bench b;
  bench_init(&b);
  opaque_node(&b, "no_such_kernel", NULL, 0, 1);
  bench_out(&b, 0, AICC_F32, 0, NULL);
  ck_assert_int_eq(bench_run(&b), AICC_UNSUPPORTED);
  bench_deinit(&b);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("eval_opaque");
  TCase *tcase = tcase_create("opaque");
  tcase_add_test(tcase, non_max_suppression_keeps_the_best);
  tcase_add_test(tcase, non_max_suppression_without_bound);
  tcase_add_test(tcase, roi_align_averages_bins);
  tcase_add_test(tcase, col2im_adds_overlaps);
  tcase_add_test(tcase, dft_there_and_back);
  tcase_add_test(tcase, det_of_each_matrix);
  tcase_add_test(tcase, unique_sorted_or_in_order);
  tcase_add_test(tcase, unique_rows);
  tcase_add_test(tcase, tree_ensemble_walks);
  tcase_add_test(tcase, svm_votes_and_probabilities);
  tcase_add_test(tcase, matmul_nbits_unpacks);
  tcase_add_test(tcase, label_encoder_looks_up);
  tcase_add_test(tcase, strings_join_split_and_normalise);
  tcase_add_test(tcase, tfidf_counts_with_gaps);
  tcase_add_test(tcase, an_unknown_kernel_is_unsupported);
  suite_add_tcase(suite, tcase);
  return suite;
}
AICC_TEST_MAIN(make_suite)
