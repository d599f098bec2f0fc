// Resize and grid_sample of a 4 x 4 image of 1 .. 16. Expected numbers come from the ONNX reference
// evaluator; those of cubic samples with the border as padding, where it disagrees with ONNX
// Runtime, from PyTorch.
#include "eval_help.h"

static void image_in(bench *b) {
  double image[16];
  for (int i = 0; i < 16; i++) {
    image[i] = i + 1;
  }
  bench_in(b, AICC_F32, 4, SHAPE(1, 1, 4, 4), image);
}

typedef struct resize_case {
  const char *mode, *coordinates, *rounding;
  int antialias, exclude;
  int64_t height, width;
  double expected[48];
} resize_case;

static const resize_case resize_cases[] = {
    {"linear", "half_pixel", NULL, 0, 0, 6, 3,
     {1.1666666, 2.5, 3.8333333, 3.1666667, 4.5, 5.8333335, 5.8333335, 7.1666665, 8.5, 8.5,
      9.833333, 11.166667, 11.166667, 12.5, 13.833333, 13.166667, 14.5, 15.833333}},
    {"cubic", "half_pixel", NULL, 0, 0, 6, 3,
     {0.7789367, 2.1527786, 3.5266226, 2.7511594, 4.125, 5.4988441, 5.9780183, 7.3518581,
      8.7257042, 8.2743101, 9.6481485, 11.0219955, 11.5011635, 12.875, 14.2488480, 13.4733915,
      14.8472281, 16.2210770}},
    {"cubic", "align_corners", NULL, 0, 1, 6, 3,
     {1, 2.5, 4, 2.8805969, 4.3805971, 5.8805971, 5.9920020, 7.4920020, 8.9920015, 8.0079985,
      9.5079985, 11.0079985, 11.1194029, 12.6194029, 14.1194029, 13, 14.5, 16}},
    {"linear", "half_pixel", NULL, 1, 0, 2, 3,
     {3.7727273, 5, 6.2272725, 10.772727, 12, 13.2272730}},
    {"nearest", "asymmetric", "ceil", 0, 0, 7, 3,
     {1, 3, 4, 5, 7, 8, 9, 11, 12, 9, 11, 12, 13, 15, 16, 13, 15, 16, 13, 15, 16}},
    {"nearest", "half_pixel", "round_prefer_ceil", 0, 0, 6, 8,
     {1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 5, 5, 6, 6, 7, 7, 8, 8,
      9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15, 16, 16, 13, 13, 14, 14, 15, 15, 16,
      16}},
};

START_TEST(resize_modes) {
  const resize_case *c = &resize_cases[_i];
  bench b;
  bench_init(&b);
  image_in(&b);
  bench_node(&b, AICC_OP_RESIZE, 1);
  aicc_set_string(b.module, b.node, AICC_ATTR_MODE, c->mode);
  aicc_set_string(b.module, b.node, AICC_ATTR_COORDINATES, c->coordinates);
  if (c->rounding) {
    aicc_set_string(b.module, b.node, AICC_ATTR_ROUNDING, c->rounding);
  }
  aicc_set_int(b.module, b.node, AICC_ATTR_ANTIALIAS, c->antialias);
  aicc_set_int(b.module, b.node, AICC_ATTR_EXCLUDE_OUTSIDE, c->exclude);
  bench_out(&b, 0, AICC_F32, 4, SHAPE(1, 1, c->height, c->width));
  bench_check(&b, c->expected, 3e-6);  // the reference computes in f32
  bench_deinit(&b);
}
END_TEST

START_TEST(resize_crops) {
  bench b;
  bench_init(&b);
  image_in(&b);
  bench_in(&b, AICC_F32, 1, SHAPE(8), DOUBLES(0, 0, 0.4, 0.6, 1, 1, 0.6, 0.9));
  bench_node(&b, AICC_OP_RESIZE, 1);
  aicc_set_string(b.module, b.node, AICC_ATTR_MODE, "linear");
  aicc_set_string(b.module, b.node, AICC_ATTR_COORDINATES, "tf_crop_and_resize");
  aicc_set_float(b.module, b.node, AICC_ATTR_EXTRAPOLATION, 10);
  bench_out(&b, 0, AICC_F32, 4, SHAPE(1, 1, 3, 3));
  bench_check(&b, DOUBLES(7.6, 8.05, 8.5, 8.8, 9.25, 9.7, 10, 10.45, 10.9), 1e-6);
  bench_deinit(&b);
}
END_TEST

typedef struct grid_case {
  int64_t mode, padding, align_corners;
  double expected[6];
} grid_case;

static const grid_case grid_cases[] = {
    {0, 0, 0, {1, 9, 0, 0, 0, 11}},
    {0, 0, 1, {1, 10, 12, 0, 0, 11}},
    {0, 1, 0, {1, 9, 12, 3, 16, 11}},
    {0, 2, 0, {1, 9, 12, 7, 14, 11}},
    {0, 2, 1, {1, 10, 12, 7, 14, 11}},
    {1, 0, 0, {0.25, 9.5, 1.2399988, 0, 0, 10.3}},
    {1, 0, 1, {1, 9.25, 8.26, 0, 0, 9.85}},
    {1, 1, 0, {1, 9.5, 12.4, 2.5, 16, 10.3}},
    {1, 2, 0, {1, 9.5, 12.4, 6.1, 13.9, 10.3}},
    {1, 2, 1, {1, 9.25, 11.5, 6.7, 13.45, 9.85}},
    {2, 0, 0, {0.015625, 10.25, 1.0464709, -0.0168753, 0, 10.114005}},
    {2, 0, 1, {1, 9.2969666, 8.5564013, -0.0846094, -0.0300125, 9.6238756}},
    {2, 1, 0, {0.53125, 9.40625, 12.577749, 2.5, 16.441002, 10.114005}},
    {2, 1, 1, {1, 9.0039063, 11.824750, 2.4999986, 15.546625, 9.6238756}},
    {2, 2, 0, {0.0625, 9.40625, 12.6385, 5.9290023, 14.487253, 10.114005}},
    {2, 2, 1, {1, 8.96875, 11.593, 6.7854924, 13.943124, 9.6238756}},
};

START_TEST(grid_sample_modes) {
  const grid_case *c = &grid_cases[_i];
  bench b;
  bench_init(&b);
  image_in(&b);
  bench_in(&b, AICC_F32, 4, SHAPE(1, 2, 3, 2),
           DOUBLES(-1, -1, -0.5, 0.25, 1.2, 0.3, 0, -1.7, 2.3, 0.9, 0.1, 0.2));
  bench_node(&b, AICC_OP_OPAQUE, 1);
  aicc_set_string(b.module, b.node, AICC_ATTR_NAME, "grid_sample");
  aicc_set_ints(b.module, b.node, AICC_ATTR_INTS,
                INTS(c->mode, c->padding, c->align_corners), 3);
  bench_out(&b, 0, AICC_F32, 4, SHAPE(1, 1, 2, 3));
  bench_check(&b, c->expected, 5e-6);  // the reference keeps f32 positions
  bench_deinit(&b);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("eval_sample");
  TCase *tcase = tcase_create("sample");
  tcase_add_loop_test(tcase, resize_modes, 0, (int)(sizeof resize_cases / sizeof *resize_cases));
  tcase_add_test(tcase, resize_crops);
  tcase_add_loop_test(tcase, grid_sample_modes, 0, (int)(sizeof grid_cases / sizeof *grid_cases));
  suite_add_tcase(suite, tcase);
  return suite;
}
AICC_TEST_MAIN(make_suite)
