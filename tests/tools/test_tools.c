// What the tools share: .npy files, comparison, statistics, inputs, command lines.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check_main.h"
#include "tools/args.h"
#include "tools/compare.h"
#include "tools/inputs.h"
#include "tools/npy.h"
#include "tools/stats.h"

static aicc_diags diags;
static char path[64];

static void set_up(void) {
  aicc_diags_init(&diags);
  strcpy(path, "/tmp/aicc_tools_XXXXXX");
  close(mkstemp(path));
}

static void tear_down(void) {
  aicc_diags_deinit(&diags);
  unlink(path);
}

static aicc_eval_value make(aicc_dtype dtype, int rank, const int64_t *shape) {
  aicc_eval_value value;
  ck_assert_int_eq(aicc_eval_value_create(dtype, rank, shape, &diags, &value), AICC_OK);
  return value;
}

static aicc_eval_value make_f32(const float *data, int64_t count) {
  aicc_eval_value value = make(AICC_F32, 1, &count);
  memcpy(value.data, data, (size_t)count * sizeof *data);
  return value;
}

// ---- .npy --------------------------------------------------------------------------------------

START_TEST(every_type_survives_a_file) {
  static const int64_t shapes[][3] = {{2, 3, 5}, {0, 4, 1}, {1, 1, 7}};
  for (int t = 0; t < AICC_DTYPE_COUNT; t++) {
    for (int rank = 0; rank <= 3 && t != AICC_STR; rank++) {
      aicc_eval_value value = make((aicc_dtype)t, rank, shapes[t % 3]);
      const size_t bytes = (size_t)aicc_eval_value_count(&value) * aicc_dtype_size((aicc_dtype)t);
      for (size_t i = 0; i < bytes; i++) {
        ((uint8_t *)value.data)[i] = (uint8_t)(i * 37 + 1);
      }
      ck_assert_int_eq(aicc_npy_write(path, &value, &diags), AICC_OK);
      aicc_eval_value back;
      ck_assert_int_eq(aicc_npy_read(path, (aicc_dtype)t, &diags, &back), AICC_OK);
      ck_assert_int_eq(back.dtype, t);
      ck_assert_int_eq(back.rank, rank);
      ck_assert_mem_eq(back.shape, value.shape, (size_t)rank * sizeof *back.shape);
      ck_assert_mem_eq(back.data, value.data, bytes);
      aicc_eval_value_deinit(&back);
      aicc_eval_value_deinit(&value);
    }
  }
}
END_TEST

START_TEST(strings_survive_a_file) {
  static const aicc_str words[4] = {
      {"", 0}, {"plain", 5}, {"gr\xc3\xbc\xc3\x9f", 6}, {"\xf0\x9f\x98\x80!", 5}};
  const int64_t shape[2] = {2, 2};
  aicc_eval_value value = make(AICC_STR, 2, shape), back;
  memcpy(value.data, words, sizeof words);
  ck_assert_int_eq(aicc_npy_write(path, &value, &diags), AICC_OK);
  ck_assert_int_eq(aicc_npy_read(path, AICC_STR, &diags, &back), AICC_OK);
  char text[200];
  const aicc_tolerance tolerance = AICC_TOLERANCE_ONNX;
  ck_assert(aicc_compare(&back, &value, &tolerance, text, sizeof text));
  aicc_eval_value_deinit(&back);
  aicc_eval_value_deinit(&value);
}
END_TEST

static void write_file(const void *data, size_t size) {
  FILE *file = fopen(path, "wb");
  ck_assert_uint_eq(fwrite(data, 1, size, file), size);
  fclose(file);
}

// A version 1 file with |header| (padded) and |data|.
static void write_npy(const char *header, const void *data, size_t size) {
  char bytes[512];
  const size_t length = strlen(header);
  memcpy(bytes, "\x93NUMPY\x01\x00", 8);
  bytes[8] = (char)length;
  bytes[9] = 0;
  memcpy(bytes + 10, header, length);
  memcpy(bytes + 10 + length, data, size);
  write_file(bytes, 10 + length + size);
}

START_TEST(column_major_and_big_endian_files_are_turned_around) {
  const int16_t columns[6] = {0x0100, 0x0400, 0x0200, 0x0500, 0x0300, 0x0600};
  write_npy("{'descr': '>i2', 'fortran_order': True, 'shape': (2, 3), }\n", columns,
            sizeof columns);
  aicc_eval_value value;
  ck_assert_int_eq(aicc_npy_read(path, AICC_F32, &diags, &value), AICC_OK);
  ck_assert_int_eq(value.dtype, AICC_I16);
  const int16_t rows[6] = {1, 2, 3, 4, 5, 6};
  ck_assert_mem_eq(value.data, rows, sizeof rows);
  aicc_eval_value_deinit(&value);
}
END_TEST

START_TEST(bad_npy_files_are_refused) {
  static const char *const headers[] = {
      "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n",  // truncated data
      "{'descr': '|O', 'fortran_order': False, 'shape': (1,), }\n",     // objects
      "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }\n",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 99999999999999999999), }\n",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }\n",
      "{'descr': '<f4', 'fortran_order': False, 'shape': (1\n",
      "{'fortran_order': False, 'shape': (1,), }\n",
      "nothing",
  };
  aicc_eval_value value;
  for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
    write_npy(headers[i], "0123", 4);
    ck_assert_int_ne(aicc_npy_read(path, AICC_F32, &diags, &value), AICC_OK);
  }
  write_file("\x93NUMPY", 6);
  ck_assert_int_eq(aicc_npy_read(path, AICC_F32, &diags, &value), AICC_INVALID);
  write_file("\x93NUMPY\x01\x00\xff\xff{}", 12);
  ck_assert_int_eq(aicc_npy_read(path, AICC_F32, &diags, &value), AICC_INVALID);
  ck_assert_int_eq(aicc_npy_read("/tmp/aicc/none.npy", AICC_F32, &diags, &value), AICC_IO);
  ck_assert_int_eq(aicc_npy_write("/tmp/aicc/none/x.npy", &value, &diags), AICC_IO);
  ck_assert_uint_eq(diags.error_count, sizeof headers / sizeof headers[0] + 4);
}
END_TEST

// ---- comparison --------------------------------------------------------------------------------

static bool equal(const float *a, const float *b, int64_t count, aicc_tolerance tolerance,
                  char *text, size_t size) {
  aicc_eval_value x = make_f32(a, count), y = make_f32(b, count);
  const bool result = aicc_compare(&x, &y, &tolerance, text, size);
  ck_assert(result == (text[0] == 0));
  aicc_eval_value_deinit(&x);
  aicc_eval_value_deinit(&y);
  return result;
}

START_TEST(floats_are_compared_as_numpy_does) {
  char text[300];
  const float expected[4] = {1, 100, NAN, INFINITY};
  const float near[4] = {1.0005f, 100.05f, NAN, INFINITY};
  const float off[4] = {1, 100.3f, NAN, INFINITY};
  const float nan_wrong[4] = {1, 100, 3, INFINITY}, inf_wrong[4] = {1, 100, NAN, -INFINITY};
  const aicc_tolerance onnx = AICC_TOLERANCE_ONNX, of_max = {.mtol = 0.01}, exact = {0};
  ck_assert(equal(near, expected, 4, onnx, text, sizeof text));
  ck_assert(!equal(near, expected, 4, exact, text, sizeof text));
  ck_assert(equal(expected, expected, 4, exact, text, sizeof text));
  ck_assert(!equal(off, expected, 4, onnx, text, sizeof text));
  ck_assert_ptr_nonnull(strstr(text, "1 of 4 elements differ, the first is 1"));
  ck_assert_ptr_nonnull(strstr(text, "100.300003, expected was 100"));
  ck_assert(equal(off, expected, 4, of_max, text, sizeof text));
  ck_assert(!equal(nan_wrong, expected, 4, onnx, text, sizeof text));
  ck_assert(!equal(inf_wrong, expected, 4, onnx, text, sizeof text));
  const float finite[4] = {1, 100, NAN, 3e38f};
  ck_assert(!equal(finite, expected, 4, onnx, text, sizeof text));
}
END_TEST

START_TEST(bf16_may_be_two_units_off) {
  char text[300];
  const aicc_tolerance onnx = AICC_TOLERANCE_ONNX, tight = {.rtol = 1e-3};
  const int64_t shape[1] = {1};
  aicc_eval_value a = make(AICC_BF16, 1, shape), b = make(AICC_BF16, 1, shape);
  *(uint16_t *)b.data = 0x3F00;  // 0.5
  for (uint16_t off = 0; off < 5; off++) {
    *(uint16_t *)a.data = (uint16_t)(0x3F00 + off);
    ck_assert(aicc_compare(&a, &b, &onnx, text, sizeof text) == (off <= 2));
    ck_assert(aicc_compare(&a, &b, &tight, text, sizeof text) == (off == 0));
  }
  aicc_eval_value_deinit(&a);
  aicc_eval_value_deinit(&b);
}
END_TEST

START_TEST(types_shapes_and_kinds_must_agree) {
  char text[300];
  const aicc_tolerance tolerance = AICC_TOLERANCE_ONNX;
  const int64_t shape[2] = {2, 2}, other[1] = {4};
  aicc_eval_value a = make(AICC_I64, 2, shape), b = make(AICC_I64, 1, other),
                  c = make(AICC_I32, 2, shape), d = make(AICC_I64, 2, shape);
  memset(a.data, 0, 32);
  memset(d.data, 0, 32);
  ck_assert(!aicc_compare(&a, &b, &tolerance, text, sizeof text));
  ck_assert_str_eq(text, "it is i64[2,2], expected was i64[4]");
  ck_assert(!aicc_compare(&a, &c, &tolerance, text, sizeof text));
  ck_assert(aicc_compare(&a, &d, &tolerance, text, sizeof text));
  ((int64_t *)d.data)[3] = INT64_MIN;
  ck_assert(!aicc_compare(&a, &d, &tolerance, text, sizeof text));
  aicc_eval_value items[2] = {a, d}, sequence = {.kind = AICC_TYPE_SEQUENCE}, longer, absent;
  sequence.items = items;
  sequence.item_count = 1;
  longer = sequence;
  longer.item_count = 2;
  absent = (aicc_eval_value){.kind = AICC_TYPE_OPTIONAL};
  ck_assert(aicc_compare(&sequence, &sequence, &tolerance, text, sizeof text));
  ck_assert(!aicc_compare(&sequence, &longer, &tolerance, text, sizeof text));
  ck_assert_str_eq(text, "it has 1 items, expected were 2");
  aicc_eval_value swapped[2] = {d, a}, wrong = {.kind = AICC_TYPE_SEQUENCE};
  wrong.items = swapped;
  wrong.item_count = 2;
  ck_assert(!aicc_compare(&longer, &wrong, &tolerance, text, sizeof text));
  ck_assert(strncmp(text, "item 0: 1 of 4", 14) == 0);
  ck_assert(!aicc_compare(&absent, &a, &tolerance, text, sizeof text));
  ck_assert(aicc_compare(&absent, &absent, &tolerance, text, sizeof text));
  aicc_eval_value_deinit(&a);
  aicc_eval_value_deinit(&b);
  aicc_eval_value_deinit(&c);
  aicc_eval_value_deinit(&d);
}
END_TEST

// ---- statistics --------------------------------------------------------------------------------

START_TEST(percentiles_are_of_the_nearest_rank) {
  double samples[100];
  for (int i = 0; i < 100; i++) {
    samples[i] = (double)((i * 37) % 100 + 1);
  }
  const aicc_stats s = aicc_stats_of(samples, 100);
  ck_assert(s.min == 1 && s.max == 100 && s.mean == 50.5 && s.median == 50.5);
  ck_assert(s.p90 == 90 && s.p95 == 95 && s.p99 == 99);
  ck_assert_double_eq_tol(s.cov, 28.866 / 50.5, 1e-3);
  const aicc_stats none = aicc_stats_of(samples, 0), one = aicc_stats_of(samples, 1);
  ck_assert(none.count == 0 && none.mean == 0);
  ck_assert(one.p99 == 1 && one.median == 1 && one.cov == 0);
}
END_TEST

// ---- inputs ------------------------------------------------------------------------------------

static const int64_t dims[2] = {-1, 3};
static const char *const symbols[2] = {"n", NULL};
static const aicc_rt_tensor_info tensors[] = {
    {"x", {kDLFloat, 32, 1}, "f32", AICC_RT_TENSOR, 2, dims, symbols},
    {"x=1", {kDLInt, 64, 1}, "i64", AICC_RT_TENSOR, 0, NULL, NULL},
    {"maybe", {kDLFloat, 32, 1}, "f32", AICC_RT_OPTIONAL, 1, dims, symbols},
};
static const aicc_rt_model_info model = {.input_count = 3, .inputs = tensors};

START_TEST(inputs_come_from_literals_and_random_numbers) {
  aicc_inputs a, b;
  aicc_input_specs specs = {.inputs = {"x=1=7"},
                            .input_count = 1,
                            .dims = {"n=2"},
                            .dim_count = 1,
                            .random = true,
                            .seed = 5};
  ck_assert_int_eq(aicc_inputs_make(&model, &specs, NULL, &diags, &a), AICC_OK);
  ck_assert(a.given[0] && a.given[1] && !a.given[2]);
  ck_assert_int_eq(a.values[0].shape[0], 2);
  ck_assert_int_eq(*(int64_t *)a.values[1].data, 7);
  ck_assert_int_eq(a.values[2].kind, AICC_TYPE_OPTIONAL);
  ck_assert_int_eq(aicc_inputs_make(&model, &specs, NULL, &diags, &b), AICC_OK);
  ck_assert_mem_eq(a.values[0].data, b.values[0].data, 24);
  aicc_inputs_deinit(&b);
  specs.seed = 6;
  ck_assert_int_eq(aicc_inputs_make(&model, &specs, NULL, &diags, &b), AICC_OK);
  ck_assert(memcmp(a.values[0].data, b.values[0].data, 24) != 0);
  aicc_inputs_deinit(&b);
  aicc_inputs_deinit(&a);
  specs = (aicc_input_specs){.inputs = {"x=2x3xf32=1,-2,3e1,0.5,nan,inf", "x=1=-9", "maybe=5"},
                             .input_count = 3,
                             .shapes = {"y:1,maybe:4"},
                             .shape_count = 1};
  ck_assert_int_eq(aicc_inputs_make(&model, &specs, NULL, &diags, &a), AICC_OK);
  const float *x = a.values[0].data;
  ck_assert(x[0] == 1 && x[1] == -2 && x[2] == 30 && x[3] == 0.5f && isnan(x[4]) && isinf(x[5]));
  ck_assert_int_eq(*(int64_t *)a.values[1].data, -9);
  ck_assert_int_eq(a.values[2].shape[0], 4);
  ck_assert(((float *)a.values[2].data)[3] == 5);
  aicc_inputs_deinit(&a);
}
END_TEST

START_TEST(wrong_inputs_are_told_all_at_once) {
  aicc_inputs a;
  const aicc_input_specs specs = {
      .inputs = {"x=2x3xf32=1,2,x,4,5,6", "nobody=1", "maybe=@/tmp/aicc/none.npy"},
      .input_count = 3,
      .dims = {"n"},
      .dim_count = 1};
  ck_assert_int_eq(aicc_inputs_make(&model, &specs, NULL, &diags, &a), AICC_INVALID);
  ck_assert_uint_eq(diags.error_count, 5);  // and "x=1" is not given
  aicc_inputs_deinit(&a);
}
END_TEST

// ---- command lines -----------------------------------------------------------------------------

static const args_option options[] = {
    {"--seed", "-s", ARGS_VALUE, "N", "a number"},
    {"--quick", NULL, ARGS_FLAG, NULL, "a switch"},
    {"--ratio", NULL, ARGS_VALUE, "R", "a real number"},
    {"--help", "-h", ARGS_FLAG, NULL, "print this"},
};
static const args_program program = {.name = "tool",
                                     .usage = "tool FILE",
                                     .about = "A tool.",
                                     .options = options,
                                     .option_count = 4};

START_TEST(command_lines_are_parsed) {
  char *argv[] = {"tool", "--seed=4", "file", "--quick", "-s", "9", "--ratio", "0.5", NULL};
  static args a;
  ck_assert_int_eq(args_begin(&a, &program, 8, argv), -1);
  long seed = 0;
  double ratio = 0;
  ck_assert(args_integer(&a, "--seed", 0, 10, &seed) && seed == 9);
  ck_assert(args_real(&a, "--ratio", &ratio) && ratio == 0.5);
  ck_assert(!args_integer(&a, "--seed", 0, 8, &seed));
  ck_assert_str_eq(a.files[0], "file");
  char *wrong[] = {"tool", "--sed", "1", NULL}, *flag[] = {"tool", "--quick=1", NULL};
  ck_assert_int_eq(args_begin(&a, &program, 3, wrong), 1);
  ck_assert_int_eq(args_begin(&a, &program, 2, flag), 1);
  ck_assert_int_eq(args_begin(&a, &program, 1, wrong), 1);
  char *negative[] = {"tool", "f", "--ratio", "-1", NULL};
  ck_assert_int_eq(args_begin(&a, &program, 4, negative), -1);
  ck_assert(!args_real(&a, "--ratio", &ratio));
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("tools");
  TCase *t = tcase_create("tools");
  tcase_add_checked_fixture(t, set_up, tear_down);
  tcase_add_test(t, every_type_survives_a_file);
  tcase_add_test(t, strings_survive_a_file);
  tcase_add_test(t, column_major_and_big_endian_files_are_turned_around);
  tcase_add_test(t, bad_npy_files_are_refused);
  tcase_add_test(t, floats_are_compared_as_numpy_does);
  tcase_add_test(t, bf16_may_be_two_units_off);
  tcase_add_test(t, types_shapes_and_kinds_must_agree);
  tcase_add_test(t, percentiles_are_of_the_nearest_rank);
  tcase_add_test(t, inputs_come_from_literals_and_random_numbers);
  tcase_add_test(t, wrong_inputs_are_told_all_at_once);
  tcase_add_test(t, command_lines_are_parsed);
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
