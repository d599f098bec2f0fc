// Kernels that a CUDA C compiler made (ptx/kernels.cu) against plain C, under several orders of
// blocks and warps, with every check on: none may raise an alarm. Then without a barrier, a wait or
// a fence that they need: each must be caught, under each of the orders.
#include <math.h>

#include "check_main.h"
#include "emu/emu_fixture.h"

#define CAUGHT 42  // exit status of a test whose kernel was mutated, and caught

static const uint64_t seeds[] = {0, 1, 2, 77};
#define SEEDS (int)(sizeof seeds / sizeof seeds[0])

// What is replaced in the text of a kernel: the |number|th |what|, counted from 0, by |with|.
typedef struct mutation {
  const char *what, *with;
  int number;
} mutation;

static emu_device *device;
static emu_module *module;
static uint64_t seed;
static mutation mutant;      // what NULL: none
static const char *mutated;  // the kernel

static char *mutate(const char *text) {
  char name[128];
  snprintf(name, sizeof name, ".entry %s(", mutated);
  const char *at = strstr(text, name);
  ck_assert_ptr_nonnull(at);
  const char *end = strstr(at + 1, ".entry");
  for (int i = 0; i <= mutant.number; ++i) {
    at = strstr(at + 1, mutant.what);
    ck_assert_msg(at != NULL && (end == NULL || at < end), "%s has no %s number %d", mutated,
                  mutant.what, mutant.number);
  }
  char *out = malloc(strlen(text) + strlen(mutant.with) + 1);
  sprintf(out, "%.*s%s%s", (int)(at - text), text, mutant.with, at + strlen(mutant.what));
  return out;
}

static void begin(void) {
  char *text = fix_read_file(AICC_EMU_PTX "/kernels.ptx");
  if (mutant.what != NULL) {
    char *changed = mutate(text);
    free(text);
    text = changed;
  }
  device = fix_device(80, seed);
  module = fix_load(device, text);
  free(text);
}

static void run(const char *name, const fix_launch *launch) {
  if (mutant.what == NULL) {
    fix_run(device, module, name, launch);
    return;
  }
  emu_report report = {0};
  const emu_status status =
      emu_launch(device, emu_module_function(module, name), launch->grid, launch->block,
                 launch->shared, launch->params, launch->param_bytes, &report);
  ck_assert_msg(status == EMU_FAULT, "%s without its %s number %d was not caught, seed %d", name,
                mutant.what, mutant.number, (int)seed);
  ck_assert_str_eq(report.kernel, name);
  ck_assert_int_gt(report.line, 0);
  exit(CAUGHT);
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

static void vector_add(void) {
  begin();
  const int n = 1000;
  float *a = whole_floats(n, 99), *b = whole_floats(n, 77);
  const uint64_t c = fix_upload(device, NULL, (size_t)n * 4);
  fix_launch launch = fix_shape(3, 1, 96, 1, 0);
  fix_pointer(&launch, upload_floats(a, n));
  fix_pointer(&launch, upload_floats(b, n));
  fix_pointer(&launch, c);
  fix_int(&launch, n);
  run( "vector_add", &launch);
  float result[1000];
  fix_download(device, c, result, sizeof result);
  for (int i = 0; i < n; ++i) {
    ck_assert_float_eq(result[i], a[i] + b[i]);
  }
  free(a);
  free(b);
  end();
}

static float sum_of(const float *values, int count) {
  float sum = 0;
  for (int i = 0; i < count; ++i) {
    sum += values[i];
  }
  return sum;
}

static void reduce_sum(void) {
  begin();
  const int n = 5003;
  float *a = whole_floats(n, 99), sums[4];
  const uint64_t out = fix_upload(device, NULL, sizeof sums);
  fix_launch launch = fix_shape(4, 1, 160, 1, 0);
  fix_pointer(&launch, upload_floats(a, n));
  fix_pointer(&launch, out);
  fix_int(&launch, n);
  run( "reduce_sum", &launch);
  fix_download(device, out, sums, sizeof sums);
  ck_assert_float_eq(sum_of(sums, 4), sum_of(a, n));
  free(a);
  end();
}

static void reduce_tree(void) {
  begin();
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
  run( "reduce_tree", &launch);
  fix_download(device, out, sums, sizeof sums);
  ck_assert_mem_eq(sums, expected, sizeof sums);
  end();
}

static void softmax(void) {
  begin();
  const int rows = 5, columns = 130;
  float *a = whole_floats(rows * columns, 9), *result = malloc((size_t)(rows * columns) * 4);
  const uint64_t out = fix_upload(device, NULL, (size_t)(rows * columns) * 4);
  fix_launch launch = fix_shape(5, 1, 96, 1, 0);
  fix_pointer(&launch, upload_floats(a, rows * columns));
  fix_pointer(&launch, out);
  fix_int(&launch, columns);
  run( "softmax_rows", &launch);
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

static void gemm_tiles(void) {
  begin();
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
  run( "gemm_tiles", &launch);
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

// Whole numbers from -8 to 8 as halves.
static uint16_t half_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, 4);
  return value == 0 ? 0 : (uint16_t)((bits >> 16 & 0x8000) | (((bits >> 23 & 255) - 112) << 10) |
                                     (bits >> 13 & 0x3ff));
}

static void gemm_mma(void) {
  begin();
  const int m = 32, n = 24, k = 80;
  float *a = whole_floats(m * k, 17), *b = whole_floats(n * k, 17),
        *c = malloc((size_t)(m * n) * 4);
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
  run( "gemm_mma", &launch);
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

static void histogram(void) {
  begin();
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
  run( "histogram", &launch);
  fix_download(device, out, bins, sizeof bins);
  ck_assert_mem_eq(bins, expected, sizeof bins);
  end();
}

static void reduce_last_block(void) {
  begin();
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
  for (int round = 0; round < 2; ++round) {  // the counter is back at zero
    run( "reduce_last_block", &launch);
    fix_download(device, out, &sum, 4);
    ck_assert_float_eq(sum, sum_of(a, n));
  }
  free(a);
  end();
}

static void transpose(void) {
  begin();
  const int rows = 45, columns = 70;
  float *a = whole_floats(rows * columns, 9999), *result = malloc((size_t)(rows * columns) * 4);
  const uint64_t out = fix_upload(device, NULL, (size_t)(rows * columns) * 4);
  fix_launch launch = fix_shape(3, 2, 32, 8, 0);
  fix_pointer(&launch, upload_floats(a, rows * columns));
  fix_pointer(&launch, out);
  fix_int(&launch, rows);
  fix_int(&launch, columns);
  run( "transpose", &launch);
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

static int mixed(uint32_t n) {
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

static void mixed_control(void) {
  begin();
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
  run( "mixed_control", &launch);
  fix_download(device, out, result, sizeof result);
  for (int i = 0; i < 300; ++i) {
    ck_assert_int_eq(result[i], mixed(a[i]));
  }
  end();
}

static void precisions(void) {
  begin();
  // Worked out by hand: halves have 11 bits, bfloat16 8; h * h + h is rounded once to a half.
  static const float a[4] = {1.0f, 2049.0f, -0.3333f, 3.0078125f};
  static const float expected[16] = {1,
                                     1,
                                     2,
                                     1,
                                     2048,
                                     2048,
                                     (float)INFINITY,
                                     127, -0.33325195f, -0.33398438f, -0.22216797f, 0, 3.0078125f,
                                     3.0f, 12.0546875f, 3};
  float result[16];
  const uint64_t out = fix_upload(device, NULL, sizeof result);
  fix_launch launch = fix_shape(1, 1, 32, 1, 0);
  fix_pointer(&launch, upload_floats(a, 4));
  fix_pointer(&launch, out);
  fix_int(&launch, 4);
  run( "precisions", &launch);
  fix_download(device, out, result, sizeof result);
  for (int i = 0; i < 16; ++i) {
    ck_assert_msg(result[i] == expected[i], "%d: %.9g, not %.9g", i, (double)result[i],
                  (double)expected[i]);
  }
  end();
}

static void dot_bytes(void) {
  begin();
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
  run( "dot_bytes", &launch);
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

static void scan_block(void) {
  begin();
  int a[250], result[250], sum = 0;
  for (int i = 0; i < 250; ++i) {
    a[i] = i * 13 % 29 - 14;
  }
  const uint64_t out = fix_upload(device, NULL, sizeof result);
  fix_launch launch = fix_shape(1, 1, 256, 1, 0);
  fix_pointer(&launch, fix_upload(device, a, sizeof a));
  fix_pointer(&launch, out);
  fix_int(&launch, 250);
  run( "scan_block", &launch);
  fix_download(device, out, result, sizeof result);
  for (int i = 0; i < 250; ++i) {
    sum += a[i];
    ck_assert_int_eq(result[i], sum);
  }
  end();
}

static const struct {
  const char *name;
  void (*function)(void);
} kernels[] = {
    {"vector_add", vector_add},
    {"reduce_sum", reduce_sum},
    {"reduce_tree", reduce_tree},
    {"softmax", softmax},
    {"gemm_tiles", gemm_tiles},
    {"gemm_mma", gemm_mma},
    {"histogram", histogram},
    {"reduce_last_block", reduce_last_block},
    {"transpose", transpose},
    {"mixed_control", mixed_control},
    {"precisions", precisions},
    {"dot_bytes", dot_bytes},
    {"scan_block", scan_block},
};
#define KERNELS (int)(sizeof kernels / sizeof kernels[0])

START_TEST(test_kernel) {
  seed = seeds[_i % SEEDS];
  kernels[_i / SEEDS].function();
}
END_TEST

static const struct {
  const char *kernel;
  mutation change;
} mutants[] = {
    {"reduce_sum", {"bar.sync", "//", 0}},
    {"reduce_tree", {"bar.sync", "//", 0}},
    {"reduce_tree", {"bar.sync", "//", 1}},
    {"softmax", {"bar.sync", "//", 0}},
    {"softmax", {"bar.sync", "//", 1}},
    {"softmax", {"bar.sync", "//", 2}},
    {"gemm_tiles", {"bar.sync", "//", 0}},
    {"gemm_tiles", {"bar.sync", "//", 1}},
    {"gemm_mma", {"cp.async.wait_group 1", "cp.async.wait_group 2", 0}},
    {"gemm_mma", {"cp.async.wait_group 0", "cp.async.wait_group 1", 4}},
    {"gemm_mma", {"bar.sync", "//", 8}},
    {"gemm_mma", {"cp.async.commit_group", "//", 1}},
    {"histogram", {"bar.sync", "//", 0}},
    {"histogram", {"bar.sync", "//", 1}},
    {"histogram", {"atom.shared.add.u32 \t%r22, [%r21], 1", "st.shared.u32 [%r21], 1", 0}},
    {"reduce_last_block", {"bar.sync", "//", 0}},
    {"reduce_last_block", {"membar.gl", "//", 0}},
    {"transpose", {"bar.sync", "//", 0}},
    {"scan_block", {"bar.sync", "//", 0}},
};
#define MUTANTS (int)(sizeof mutants / sizeof mutants[0])

START_TEST(test_mutant) {
  seed = seeds[_i % SEEDS];
  mutant = mutants[_i / SEEDS].change;
  for (int i = 0; i < KERNELS; ++i) {
    if (strcmp(kernels[i].name, mutants[_i / SEEDS].kernel) == 0) {
      mutated = strcmp(kernels[i].name, "softmax") == 0 ? "softmax_rows" : kernels[i].name;
      kernels[i].function();
    }
  }
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("kernels");
  TCase *tests = tcase_create("kernels");
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, test_kernel, 0, KERNELS * SEEDS);
  tcase_add_loop_exit_test(tests, test_mutant, CAUGHT, 0, MUTANTS * SEEDS);
  suite_add_tcase(suite, tests);
  return suite;
}

AICC_TEST_MAIN(make_suite)
