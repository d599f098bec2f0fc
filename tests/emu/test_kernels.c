// Kernels that a CUDA C compiler made (ptx/kernels.cu) against plain C, under several orders of blocks
// and warps, with every check on: none may raise an alarm.
#include <math.h>

#include "check_main.h"
#include "emu/emu_fixture.h"

static const uint64_t seeds[] = {0, 1, 2, 77};
#define SEEDS (int)(sizeof seeds / sizeof seeds[0])

static emu_device *device;
static emu_module *module;

static void begin(uint64_t seed) {
  char *text = fix_read_file(AICC_EMU_PTX "/kernels.ptx");
  device = fix_device(80, seed);
  module = fix_load(device, text);
  free(text);
}

static void end(void) {
  emu_module_unload(module);
  emu_device_destroy(device);
}

// Small whole numbers: sums are exact in any order.
static float *whole_floats(int count, int span) {
  float *values = malloc((size_t)count * sizeof *values);
  uint32_t state = 12345;
  for (int i = 0; i < count; ++i) {
    state = state * 1664525 + 1013904223;
    values[i] = (float)((int)(state >> 16) % span - span / 2);
  }
  return values;
}

static uint64_t upload_floats(const float *values, int count) {
  return fix_upload(device, values, (size_t)count * sizeof *values);
}

START_TEST(test_vector_add) {
  begin(seeds[_i]);
  const int n = 1000;
  float *a = whole_floats(n, 99), *b = whole_floats(n, 77);
  const uint64_t c = fix_upload(device, NULL, (size_t)n * 4);
  fix_launch launch = fix_shape(3, 1, 96, 1, 0);
  fix_pointer(&launch, upload_floats(a, n));
  fix_pointer(&launch, upload_floats(b, n));
  fix_pointer(&launch, c);
  fix_int(&launch, n);
  fix_run(device, module, "vector_add", &launch);
  float result[1000];
  fix_download(device, c, result, sizeof result);
  for (int i = 0; i < n; ++i) {
    ck_assert_float_eq(result[i], a[i] + b[i]);
  }
  free(a);
  free(b);
  end();
}
END_TEST

static float sum_of(const float *values, int count) {
  float sum = 0;
  for (int i = 0; i < count; ++i) {
    sum += values[i];
  }
  return sum;
}

START_TEST(test_reduce_sum) {
  begin(seeds[_i]);
  const int n = 5003;
  float *a = whole_floats(n, 99), sums[4];
  const uint64_t out = fix_upload(device, NULL, sizeof sums);
  fix_launch launch = fix_shape(4, 1, 160, 1, 0);
  fix_pointer(&launch, upload_floats(a, n));
  fix_pointer(&launch, out);
  fix_int(&launch, n);
  fix_run(device, module, "reduce_sum", &launch);
  fix_download(device, out, sums, sizeof sums);
  ck_assert_float_eq(sum_of(sums, 4), sum_of(a, n));
  free(a);
  end();
}
END_TEST

START_TEST(test_reduce_tree) {
  begin(seeds[_i]);
  int a[700], sums[3], expected[3] = {0};
  for (int i = 0; i < 700; ++i) {
    a[i] = i * 37 % 101 - 50;
    expected[i / 256] += a[i];
  }
  const uint64_t out = fix_upload(device, NULL, sizeof sums);
  fix_launch launch = fix_shape(3, 1, 256, 1, 256 * 4);
  fix_pointer(&launch, fix_upload(device, a, sizeof a));
  fix_pointer(&launch, out);
  fix_int(&launch, 700);
  fix_run(device, module, "reduce_tree", &launch);
  fix_download(device, out, sums, sizeof sums);
  ck_assert_mem_eq(sums, expected, sizeof sums);
  end();
}
END_TEST

START_TEST(test_softmax) {
  begin(seeds[_i]);
  const int rows = 5, columns = 130;
  float *a = whole_floats(rows * columns, 9), *result = malloc((size_t)(rows * columns) * 4);
  const uint64_t out = fix_upload(device, NULL, (size_t)(rows * columns) * 4);
  fix_launch launch = fix_shape(5, 1, 96, 1, 0);
  fix_pointer(&launch, upload_floats(a, rows * columns));
  fix_pointer(&launch, out);
  fix_int(&launch, columns);
  fix_run(device, module, "softmax_rows", &launch);
  fix_download(device, out, result, (size_t)(rows * columns) * 4);
  for (int r = 0; r < rows; ++r) {
    double sum = 0;
    for (int i = 0; i < columns; ++i) {
      sum += exp(a[r * columns + i]);
    }
    for (int i = 0; i < columns; ++i) {
      const double expected = exp(a[r * columns + i]) / sum;
      ck_assert_double_eq_tol(result[r * columns + i], expected, expected * 1e-5);
    }
  }
  free(a);
  free(result);
  end();
}
END_TEST

START_TEST(test_gemm_tiles) {
  begin(seeds[_i]);
  const int m = 32, n = 48, k = 64;
  float *a = whole_floats(m * k, 9), *b = whole_floats(k * n, 9), *c = malloc((size_t)(m * n) * 4);
  const uint64_t out = fix_upload(device, NULL, (size_t)(m * n) * 4);
  fix_launch launch = fix_shape(3, 2, 16, 16, 0);
  fix_pointer(&launch, upload_floats(a, m * k));
  fix_pointer(&launch, upload_floats(b, k * n));
  fix_pointer(&launch, out);
  fix_int(&launch, m);
  fix_int(&launch, n);
  fix_int(&launch, k);
  fix_run(device, module, "gemm_tiles", &launch);
  fix_download(device, out, c, (size_t)(m * n) * 4);
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      float sum = 0;
      for (int q = 0; q < k; ++q) {
        sum += a[i * k + q] * b[q * n + j];
      }
      ck_assert_float_eq(c[i * n + j], sum);
    }
  }
  free(a);
  free(b);
  free(c);
  end();
}
END_TEST

// Whole numbers from -8 to 8 as halves.
static uint16_t half_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return value == 0 ? 0 : (uint16_t)((bits >> 16 & 0x8000) | (((bits >> 23 & 255) - 112) << 10) |
                                     (bits >> 13 & 0x3ff));
}

START_TEST(test_gemm_mma) {
  begin(seeds[_i]);
  const int m = 32, n = 24, k = 80;
  float *a = whole_floats(m * k, 17), *b = whole_floats(n * k, 17), *c = malloc((size_t)(m * n) * 4);
  uint16_t *left = malloc((size_t)(m * k) * 2), *right = malloc((size_t)(n * k) * 2);
  for (int i = 0; i < m * k; ++i) {
    left[i] = half_of(a[i]);
  }
  for (int i = 0; i < n * k; ++i) {
    right[i] = half_of(b[i]);
  }
  const uint64_t out = fix_upload(device, NULL, (size_t)(m * n) * 4);
  fix_launch launch = fix_shape(3, 2, 32, 1, 0);
  fix_pointer(&launch, fix_upload(device, left, (size_t)(m * k) * 2));
  fix_pointer(&launch, fix_upload(device, right, (size_t)(n * k) * 2));
  fix_pointer(&launch, out);
  fix_int(&launch, n);
  fix_int(&launch, k);
  fix_run(device, module, "gemm_mma", &launch);
  fix_download(device, out, c, (size_t)(m * n) * 4);
  for (int i = 0; i < m; ++i) {
    for (int j = 0; j < n; ++j) {
      float sum = 0;
      for (int q = 0; q < k; ++q) {
        sum += a[i * k + q] * b[j * k + q];
      }
      ck_assert_float_eq(c[i * n + j], sum);
    }
  }
  free(a);
  free(b);
  free(c);
  free(left);
  free(right);
  end();
}
END_TEST

START_TEST(test_histogram) {
  begin(seeds[_i]);
  unsigned char a[3000];
  uint32_t bins[256] = {0}, expected[256] = {0};
  for (int i = 0; i < 3000; ++i) {
    a[i] = (unsigned char)(i * i % 251);
    ++expected[a[i]];
  }
  const uint64_t out = fix_upload(device, bins, sizeof bins);
  fix_launch launch = fix_shape(4, 1, 128, 1, 0);
  fix_pointer(&launch, fix_upload(device, a, sizeof a));
  fix_pointer(&launch, out);
  fix_int(&launch, 3000);
  fix_run(device, module, "histogram", &launch);
  fix_download(device, out, bins, sizeof bins);
  ck_assert_mem_eq(bins, expected, sizeof bins);
  end();
}
END_TEST

START_TEST(test_reduce_last_block) {
  begin(seeds[_i]);
  const int n = 1500;
  float *a = whole_floats(n, 99), sum;
  const uint32_t none = 0;
  const uint64_t out = fix_upload(device, NULL, 4);
  fix_launch launch = fix_shape(7, 1, 32, 1, 0);
  fix_pointer(&launch, upload_floats(a, n));
  fix_pointer(&launch, fix_upload(device, NULL, 7 * 4));
  fix_pointer(&launch, fix_upload(device, &none, 4));
  fix_pointer(&launch, out);
  fix_int(&launch, n);
  for (int run = 0; run < 2; ++run) {  // the counter is back at zero
    fix_run(device, module, "reduce_last_block", &launch);
    fix_download(device, out, &sum, 4);
    ck_assert_float_eq(sum, sum_of(a, n));
  }
  free(a);
  end();
}
END_TEST

START_TEST(test_transpose) {
  begin(seeds[_i]);
  const int rows = 45, columns = 70;
  float *a = whole_floats(rows * columns, 9999), *result = malloc((size_t)(rows * columns) * 4);
  const uint64_t out = fix_upload(device, NULL, (size_t)(rows * columns) * 4);
  fix_launch launch = fix_shape(3, 2, 32, 8, 0);
  fix_pointer(&launch, upload_floats(a, rows * columns));
  fix_pointer(&launch, out);
  fix_int(&launch, rows);
  fix_int(&launch, columns);
  fix_run(device, module, "transpose", &launch);
  fix_download(device, out, result, (size_t)(rows * columns) * 4);
  for (int i = 0; i < rows; ++i) {
    for (int j = 0; j < columns; ++j) {
      ck_assert_float_eq(result[j * rows + i], a[i * columns + j]);
    }
  }
  free(a);
  free(result);
  end();
}
END_TEST

static int mixed_control(uint32_t n) {
  static const int offsets[8] = {3, 1, 4, 1, 5, 9, 2, 6};
  int steps = 0;
  for (uint32_t x = n; x != 1; ++steps) {
    x = x % 2 == 0 ? x / 2 : 3 * x + 1;
  }
  switch (n % 6) {
    case 0:
      return steps + (int)(n % 10 * (n % 10));
    case 1:
      return steps - offsets[n & 7];
    case 2:
      return steps * 3;
    case 3:
      return steps ^ 0x55;
    case 4:
      return steps << (n & 3);
    default:
      return -steps;
  }
}

START_TEST(test_mixed_control) {
  begin(seeds[_i]);
  uint32_t a[300];
  int result[300];
  for (uint32_t i = 0; i < 300; ++i) {
    a[i] = i * 7 % 331 + 1;
  }
  const uint64_t out = fix_upload(device, NULL, sizeof result);
  fix_launch launch = fix_shape(3, 1, 128, 1, 0);
  fix_pointer(&launch, fix_upload(device, a, sizeof a));
  fix_pointer(&launch, out);
  fix_int(&launch, 300);
  fix_run(device, module, "mixed_control", &launch);
  fix_download(device, out, result, sizeof result);
  for (int i = 0; i < 300; ++i) {
    ck_assert_int_eq(result[i], mixed_control(a[i]));
  }
  end();
}
END_TEST

START_TEST(test_precisions) {
  begin(seeds[_i]);
  // Worked out by hand: halves have 11 bits, bfloat16 8; h * h + h is rounded once to a half.
  static const float a[4] = {1.0f, 2049.0f, -0.3333f, 3.0078125f};
  static const float expected[16] = {1,    1,     2,           1,  2048, 2048,        (float)INFINITY,
                                     127,  -0.33325195f, -0.33398438f, -0.22216797f, 0,
                                     3.0078125f, 3.0f, 12.0546875f, 3};
  float result[16];
  const uint64_t out = fix_upload(device, NULL, sizeof result);
  fix_launch launch = fix_shape(1, 1, 32, 1, 0);
  fix_pointer(&launch, upload_floats(a, 4));
  fix_pointer(&launch, out);
  fix_int(&launch, 4);
  fix_run(device, module, "precisions", &launch);
  fix_download(device, out, result, sizeof result);
  for (int i = 0; i < 16; ++i) {
    ck_assert_msg(result[i] == expected[i], "%d: %.9g, not %.9g", i, (double)result[i],
                  (double)expected[i]);
  }
  end();
}
END_TEST

START_TEST(test_dot_bytes) {
  begin(seeds[_i]);
  int8_t a[64][4], b[64][4];
  int result[64];
  for (int i = 0; i < 256; ++i) {
    a[i / 4][i % 4] = (int8_t)(i * 91);
    b[i / 4][i % 4] = (int8_t)(i * 57 + 3);
  }
  const uint64_t out = fix_upload(device, NULL, sizeof result);
  fix_launch launch = fix_shape(2, 1, 32, 1, 0);
  fix_pointer(&launch, fix_upload(device, a, sizeof a));
  fix_pointer(&launch, fix_upload(device, b, sizeof b));
  fix_pointer(&launch, out);
  fix_int(&launch, 64);
  fix_run(device, module, "dot_bytes", &launch);
  fix_download(device, out, result, sizeof result);
  for (int i = 0; i < 64; ++i) {
    int sum = i;
    for (int k = 0; k < 4; ++k) {
      sum += a[i][k] * b[i][k];
    }
    ck_assert_int_eq(result[i], sum);
  }
  end();
}
END_TEST

START_TEST(test_scan_block) {
  begin(seeds[_i]);
  int a[250], result[250], sum = 0;
  for (int i = 0; i < 250; ++i) {
    a[i] = i * 13 % 29 - 14;
  }
  const uint64_t out = fix_upload(device, NULL, sizeof result);
  fix_launch launch = fix_shape(1, 1, 256, 1, 0);
  fix_pointer(&launch, fix_upload(device, a, sizeof a));
  fix_pointer(&launch, out);
  fix_int(&launch, 250);
  fix_run(device, module, "scan_block", &launch);
  fix_download(device, out, result, sizeof result);
  for (int i = 0; i < 250; ++i) {
    sum += a[i];
    ck_assert_int_eq(result[i], sum);
  }
  end();
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("kernels");
  TCase *tests = tcase_create("kernels");
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, test_vector_add, 0, SEEDS);
  tcase_add_loop_test(tests, test_reduce_sum, 0, SEEDS);
  tcase_add_loop_test(tests, test_reduce_tree, 0, SEEDS);
  tcase_add_loop_test(tests, test_softmax, 0, SEEDS);
  tcase_add_loop_test(tests, test_gemm_tiles, 0, SEEDS);
  tcase_add_loop_test(tests, test_gemm_mma, 0, SEEDS);
  tcase_add_loop_test(tests, test_histogram, 0, SEEDS);
  tcase_add_loop_test(tests, test_reduce_last_block, 0, SEEDS);
  tcase_add_loop_test(tests, test_transpose, 0, SEEDS);
  tcase_add_loop_test(tests, test_mixed_control, 0, SEEDS);
  tcase_add_loop_test(tests, test_precisions, 0, SEEDS);
  tcase_add_loop_test(tests, test_dot_bytes, 0, SEEDS);
  tcase_add_loop_test(tests, test_scan_block, 0, SEEDS);
  suite_add_tcase(suite, tests);
  return suite;
}

AICC_TEST_MAIN(make_suite)
