// ONNX tensors: every element type from every place it may stand in, and every refusal.
#include "frontend/onnx_tensor.h"
#include "onnx_fixture.h"

static aicc_diags diags;
static aicc_onnx_file *file;

static void setup(void) {
  aicc_diags_init(&diags);
  file = fixture_open("", 0, AICC_ONNX_TENSOR, &diags);
}
static void teardown(void) {
  aicc_onnx_file_close(file);
  aicc_diags_deinit(&diags);
}

static aicc_status read_proto(const Onnx__TensorProto *proto, aicc_onnx_tensor *out) {
  return aicc_onnx_tensor_read(file, proto, NULL, &diags, out);
}

static Onnx__TensorProto make(int32_t type, int64_t *dims, size_t rank) {
  Onnx__TensorProto proto = ONNX__TENSOR_PROTO__INIT;
  proto.name = (char *)"t";
  proto.has_data_type = 1;
  proto.data_type = type;
  proto.n_dims = rank;
  proto.dims = dims;
  return proto;
}

// Three elements as raw bytes, and the same as entries of int32_data where the type allows that.
typedef struct type_row {
  int32_t type;
  aicc_dtype dtype;
  size_t size;
  uint8_t raw[24];
  size_t entries;
  int32_t int32[3];
  double values[3];
} type_row;

static const type_row type_rows[] = {
    {1, AICC_F32, 12, {0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0, 0, 0, 0, 0x3F}, 0, {0}, {1, -2, 0.5}},
    {2, AICC_U8, 3, {0, 7, 255}, 3, {0, 7, 255}, {0, 7, 255}},
    {3, AICC_I8, 3, {0x80, 0xFF, 5}, 3, {-128, -1, 5}, {-128, -1, 5}},
    {4, AICC_U16, 6, {0, 1, 0xFF, 0xFF, 2, 0}, 3, {256, 65535, 2}, {256, 65535, 2}},
    {5, AICC_I16, 6, {0, 0x80, 0xFF, 0xFF, 2, 0}, 3, {-32768, -1, 2}, {-32768, -1, 2}},
    {6, AICC_I32, 12, {0, 0, 0, 0x80, 0xFF, 0xFF, 0xFF, 0xFF, 3, 0, 0, 0}, 3,
     {INT32_MIN, -1, 3}, {INT32_MIN, -1, 3}},
    {7, AICC_I64, 24, {1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0, 1}, 0,
     {0}, {1, -1, 256}},
    {9, AICC_BOOL, 3, {0, 1, 1}, 3, {0, 1, 1}, {0, 1, 1}},
    {10, AICC_F16, 6, {0, 0x3C, 0, 0xC0, 0, 0x38}, 3, {0x3C00, 0xC000, 0x3800}, {1, -2, 0.5}},
    {11, AICC_F64, 24, {0, 0, 0, 0, 0, 0, 0xF0, 0x3F, 0, 0, 0, 0, 0, 0, 0, 0xC0}, 0, {0},
     {1, -2, 0}},
    {12, AICC_U32, 12, {255, 255, 255, 255, 1, 0, 0, 0, 2}, 0, {0}, {4294967295.0, 1, 2}},
    {13, AICC_U64, 24, {1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3}, 0, {0}, {1, 2, 3}},
    {16, AICC_BF16, 6, {0x80, 0x3F, 0, 0xC0, 0, 0x3F}, 3, {0x3F80, 0xC000, 0x3F00}, {1, -2, 0.5}},
    {17, AICC_F8E4M3FN, 3, {0x38, 0xC0, 0x30}, 3, {0x38, 0xC0, 0x30}, {1, -2, 0.5}},
    {18, AICC_F8E4M3FNUZ, 3, {0x40, 0xC8, 0x38}, 3, {0x40, 0xC8, 0x38}, {1, -2, 0.5}},
    {19, AICC_F8E5M2, 3, {0x3C, 0xC0, 0x38}, 3, {0x3C, 0xC0, 0x38}, {1, -2, 0.5}},
    {20, AICC_F8E5M2FNUZ, 3, {0x40, 0xC4, 0x3C}, 3, {0x40, 0xC4, 0x3C}, {1, -2, 0.5}},
    {24, AICC_F8E8M0, 3, {127, 128, 126}, 3, {127, 128, 126}, {1, 2, 0.5}},
    {21, AICC_U4, 2, {0xF1, 0x07}, 2, {0xF1, 0x07}, {1, 15, 7}},
    {22, AICC_I4, 2, {0xF1, 0x08}, 2, {0xF1, 0x08}, {1, -1, -8}},
    {23, AICC_F4E2M1, 2, {0xC2, 0x01}, 2, {0xC2, 0x01}, {1, -2, 0.5}},
    {25, AICC_U2, 1, {0x1E}, 1, {0x1E}, {2, 3, 1}},
    {26, AICC_I2, 1, {0x1E}, 1, {0x1E}, {-2, -1, 1}},
};

static void check_values(const type_row *row, aicc_onnx_tensor *tensor) {
  ck_assert_int_eq(tensor->dtype, row->dtype);
  ck_assert_int_eq(tensor->count, 3);
  ck_assert_uint_eq(tensor->bytes.size, 3 * aicc_dtype_size(row->dtype));
  for (size_t i = 0; i < 3; i++) {
    ck_assert_double_eq(aicc_get_f64(row->dtype, aicc_view_data(tensor->bytes), i),
                        row->values[i]);
  }
  aicc_onnx_tensor_deinit(tensor);
}

START_TEST(raw_data_of_every_type) {
  const type_row *row = &type_rows[_i];
  int64_t dims[] = {3, 1};
  Onnx__TensorProto proto = make(row->type, dims, 2);
  proto.has_raw_data = 1;
  proto.raw_data = (ProtobufCBinaryData){row->size, (uint8_t *)row->raw};
  aicc_onnx_tensor tensor;
  ck_assert_int_eq(read_proto(&proto, &tensor), AICC_OK);
  ck_assert_uint_eq(tensor.rank, 2);
  check_values(row, &tensor);
  proto.raw_data.len--;
  ck_assert_int_eq(read_proto(&proto, &tensor), AICC_INVALID);
  fixture_expect(&diags, "E0308", "of shape [3,1] takes");
}
END_TEST

START_TEST(int32_data_of_every_narrow_type) {
  const type_row *row = &type_rows[_i];
  int64_t dims[] = {3};
  Onnx__TensorProto proto = make(row->type, dims, 1);
  proto.n_int32_data = row->entries ? row->entries : 3;
  proto.int32_data = (int32_t *)row->int32;
  aicc_onnx_tensor tensor;
  if (!row->entries) {
    ck_assert_int_eq(read_proto(&proto, &tensor), AICC_INVALID);
    fixture_expect(&diags, "E0310", "int32_data");
    return;
  }
  ck_assert_int_eq(read_proto(&proto, &tensor), AICC_OK);
  check_values(row, &tensor);
  if (row->dtype != AICC_I32) {
    proto.int32_data = (int32_t[]){0, 0x10000, 0};
    proto.int32_data += row->entries == 1;
    ck_assert_int_eq(read_proto(&proto, &tensor), AICC_INVALID);
    fixture_expect(&diags, "E0311", "65536, does not fit");
  }
}
END_TEST

START_TEST(wide_lists) {
  int64_t dims[] = {2};
  aicc_onnx_tensor tensor;
  Onnx__TensorProto proto = make(7, dims, 1);
  int64_t i64[] = {INT64_MIN, INT64_MAX};
  proto.n_int64_data = 2, proto.int64_data = i64;
  ck_assert_int_eq(read_proto(&proto, &tensor), AICC_OK);
  ck_assert_mem_eq(aicc_view_data(tensor.bytes), i64, sizeof i64);
  aicc_onnx_tensor_deinit(&tensor);

  uint64_t u64[] = {UINT64_MAX, 1};
  proto = make(13, dims, 1);
  proto.n_uint64_data = 2, proto.uint64_data = u64;
  ck_assert_int_eq(read_proto(&proto, &tensor), AICC_OK);
  ck_assert_mem_eq(aicc_view_data(tensor.bytes), u64, sizeof u64);
  aicc_onnx_tensor_deinit(&tensor);

  proto.data_type = 12;
  ck_assert_int_eq(read_proto(&proto, &tensor), AICC_INVALID);
  fixture_expect(&diags, "E0311", "does not fit u32");
  u64[0] = UINT32_MAX;
  ck_assert_int_eq(read_proto(&proto, &tensor), AICC_OK);
  ck_assert_uint_eq(((const uint32_t *)(const void *)aicc_view_data(tensor.bytes))[0], UINT32_MAX);
  aicc_onnx_tensor_deinit(&tensor);

  double f64[] = {1.5, -2.5};
  proto = make(11, dims, 1);
  proto.n_double_data = 2, proto.double_data = f64;
  ck_assert_int_eq(read_proto(&proto, &tensor), AICC_OK);
  ck_assert_mem_eq(aicc_view_data(tensor.bytes), f64, sizeof f64);
  aicc_onnx_tensor_deinit(&tensor);
}
END_TEST

START_TEST(complex_numbers_are_pairs) {
  int64_t dims[] = {2};
  aicc_onnx_tensor tensor;
  float pairs[] = {1, 2, 3, 4};
  Onnx__TensorProto proto = make(14, dims, 1);
  proto.n_float_data = 4, proto.float_data = pairs;
  ck_assert_int_eq(read_proto(&proto, &tensor), AICC_OK);
  ck_assert_int_eq(tensor.dtype, AICC_C64);
  ck_assert_mem_eq(aicc_view_data(tensor.bytes), pairs, sizeof pairs);
  aicc_onnx_tensor_deinit(&tensor);
  proto.n_float_data = 3;
  ck_assert_int_eq(read_proto(&proto, &tensor), AICC_INVALID);
  fixture_expect(&diags, "E0308", "c64 of shape [2] takes 16 bytes, float_data holds 12");
}
END_TEST

START_TEST(strings_are_pointers_into_their_buffer) {
  int64_t dims[] = {3};
  ProtobufCBinaryData strings[] = {{2, (uint8_t *)"ab"}, {0, NULL}, {3, (uint8_t *)"c\0d"}};
  Onnx__TensorProto proto = make(8, dims, 1);
  proto.n_string_data = 3, proto.string_data = strings;
  aicc_onnx_tensor tensor;
  ck_assert_int_eq(read_proto(&proto, &tensor), AICC_OK);
  const aicc_str *out = (const void *)aicc_view_data(tensor.bytes);
  ck_assert_uint_eq(tensor.bytes.size, 3 * sizeof *out);
  ck_assert_uint_eq(out[0].size, 2);
  ck_assert_mem_eq(out[0].data, "ab", 2);
  ck_assert_uint_eq(out[1].size, 0);
  ck_assert_uint_eq(out[2].size, 3);
  ck_assert_mem_eq(out[2].data, "c\0d", 3);
  aicc_onnx_tensor_deinit(&tensor);
  proto.n_string_data = 0;
  proto.has_raw_data = 1, proto.raw_data = (ProtobufCBinaryData){3, (uint8_t *)"abc"};
  ck_assert_int_eq(read_proto(&proto, &tensor), AICC_INVALID);
  fixture_expect(&diags, "E0310", "str cannot stand in raw_data");
}
END_TEST

START_TEST(raw_booleans_become_zero_or_one) {
  int64_t dims[] = {3};
  Onnx__TensorProto proto = make(9, dims, 1);
  proto.has_raw_data = 1, proto.raw_data = (ProtobufCBinaryData){3, (uint8_t *)"\x02\x00\xFF"};
  aicc_onnx_tensor tensor;
  ck_assert_int_eq(read_proto(&proto, &tensor), AICC_OK);
  ck_assert_mem_eq(aicc_view_data(tensor.bytes), "\x01\x00\x01", 3);
  aicc_onnx_tensor_deinit(&tensor);
}
END_TEST

START_TEST(scalars_and_empty_tensors) {
  int64_t dims[] = {1ll << 40, 0, 1ll << 40};
  Onnx__TensorProto proto = make(1, dims, 3);
  aicc_onnx_tensor tensor;
  ck_assert_int_eq(read_proto(&proto, &tensor), AICC_OK);
  ck_assert_int_eq(tensor.count, 0);
  ck_assert_uint_eq(tensor.bytes.size, 0);
  aicc_onnx_tensor_deinit(&tensor);
  float one = 1;
  proto = make(1, NULL, 0);
  proto.n_float_data = 1, proto.float_data = &one;
  ck_assert_int_eq(read_proto(&proto, &tensor), AICC_OK);
  ck_assert_int_eq(tensor.count, 1);
  aicc_onnx_tensor_deinit(&tensor);
}
END_TEST

START_TEST(bad_types_and_dimensions) {
  aicc_onnx_tensor tensor;
  int64_t negative[] = {-1, 2, INT64_MIN}, huge[] = {1ll << 32, 1ll << 31}, large[] = {1ll << 61};
  Onnx__TensorProto proto = make(77, negative, 3);
  ck_assert_int_eq(read_proto(&proto, &tensor), AICC_INVALID);
  ck_assert_uint_eq(diags.error_count, 3);
  fixture_expect(&diags, "E0305", "77");
  fixture_expect(&diags, "E0306", "dimension 0 is negative (-1)");
  fixture_expect(&diags, "E0306", "dimension 2");
  proto = make(27, huge, 0);
  ck_assert_int_eq(read_proto(&proto, &tensor), AICC_INVALID);
  fixture_expect(&diags, "E0305", "27 FLOAT6E2M3");
  proto = make(2, huge, 2);
  ck_assert_int_eq(read_proto(&proto, &tensor), AICC_INVALID);
  fixture_expect(&diags, "E0307", "[4294967296,2147483648]");
  proto = make(1, large, 1);
  ck_assert_int_eq(read_proto(&proto, &tensor), AICC_INVALID);
  fixture_expect(&diags, "E0307", "[2305843009213693952]");
  proto = make(2, large, 1);
  ck_assert_int_eq(read_proto(&proto, &tensor), AICC_INVALID);
  fixture_expect(&diags, "E0308", "the tensor holds 0");
}
END_TEST

START_TEST(two_places_and_segments_are_refused) {
  aicc_onnx_tensor tensor;
  float one = 1;
  Onnx__TensorProto proto = make(1, NULL, 0);
  proto.n_float_data = 1, proto.float_data = &one;
  proto.has_raw_data = 1, proto.raw_data = (ProtobufCBinaryData){4, (uint8_t *)&one};
  ck_assert_int_eq(read_proto(&proto, &tensor), AICC_INVALID);
  fixture_expect(&diags, "E0309", "raw_data and float_data");
  Onnx__TensorProto__Segment segment = ONNX__TENSOR_PROTO__SEGMENT__INIT;
  proto.has_raw_data = 0;
  proto.segment = &segment;
  ck_assert_int_eq(read_proto(&proto, &tensor), AICC_UNSUPPORTED);
  fixture_expect(&diags, "E0317", "segments");
}
END_TEST

START_TEST(the_location_reaches_the_message) {
  const aicc_loc loc = {.node = "conv1", .op = "Conv", .opset = 17};
  Onnx__TensorProto proto = make(0, NULL, 0);
  aicc_onnx_tensor tensor;
  ck_assert_int_eq(aicc_onnx_tensor_read(file, &proto, &loc, &diags, &tensor), AICC_INVALID);
  ck_assert_str_eq(diags.items[0].loc.node, "conv1");
  ck_assert_str_eq(diags.items[0].loc.file, "test.onnx");
}
END_TEST

// Sparse tensors.

typedef struct sparse_row {
  int64_t indices[4], indices_dims[2];
  size_t indices_rank;
  int64_t dims[2];
  const char *fault;   // NULL: dense is the result
  float dense[6];
} sparse_row;

static const sparse_row sparse_rows[] = {
    {{1, 5}, {2}, 1, {2, 3}, NULL, {0, 10, 0, 0, 0, 20}},
    {{1, 0, 0, 2}, {2, 2}, 2, {2, 3}, NULL, {0, 0, 20, 10, 0, 0}},
    {{1, 6}, {2}, 1, {2, 3}, "outside", {0}},
    {{1, -1}, {2}, 1, {2, 3}, "outside", {0}},
    {{1, 0, 0, 3}, {2, 2}, 2, {2, 3}, "outside", {0}},
    {{1, 0, 0}, {3}, 1, {2, 3}, "indices must be", {0}},
    {{1, 0, 0, 0}, {2, 2}, 2, {2, -3}, "negative", {0}},
    {{1, 0, 0, 0}, {2, 2}, 2, {1 << 20, 1 << 20}, "1 GiB", {0}},
};

START_TEST(sparse_tensors_become_dense) {
  const sparse_row *row = &sparse_rows[_i];
  int64_t value_dims[] = {2}, indices_dims[2], dims[2];
  float values[] = {10, 20};
  memcpy(indices_dims, row->indices_dims, sizeof indices_dims);
  memcpy(dims, row->dims, sizeof dims);
  Onnx__TensorProto value = make(1, value_dims, 1);
  value.n_float_data = 2, value.float_data = values;
  Onnx__TensorProto index = make(7, indices_dims, row->indices_rank);
  index.n_int64_data = row->indices_rank == 2 ? 4 : (size_t)indices_dims[0];
  index.int64_data = (int64_t *)row->indices;
  Onnx__SparseTensorProto proto = ONNX__SPARSE_TENSOR_PROTO__INIT;
  proto.values = &value, proto.indices = &index;
  proto.n_dims = 2, proto.dims = dims;
  aicc_onnx_tensor tensor;
  const aicc_status status = aicc_onnx_sparse_read(file, &proto, NULL, &diags, &tensor);
  if (row->fault) {
    ck_assert_int_ne(status, AICC_OK);
    fixture_expect(&diags, "E0318", row->fault);
    return;
  }
  ck_assert_int_eq(status, AICC_OK);
  ck_assert_int_eq(tensor.count, 6);
  ck_assert_mem_eq(aicc_view_data(tensor.bytes), row->dense, sizeof row->dense);
  aicc_onnx_tensor_deinit(&tensor);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("onnx_tensor");
  TCase *t = tcase_create("onnx_tensor");
  const int types = sizeof type_rows / sizeof *type_rows;
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_loop_test(t, raw_data_of_every_type, 0, types);
  tcase_add_loop_test(t, int32_data_of_every_narrow_type, 0, types);
  tcase_add_test(t, wide_lists);
  tcase_add_test(t, complex_numbers_are_pairs);
  tcase_add_test(t, strings_are_pointers_into_their_buffer);
  tcase_add_test(t, raw_booleans_become_zero_or_one);
  tcase_add_test(t, scalars_and_empty_tensors);
  tcase_add_test(t, bad_types_and_dimensions);
  tcase_add_test(t, two_places_and_segments_are_refused);
  tcase_add_test(t, the_location_reaches_the_message);
  tcase_add_loop_test(t, sparse_tensors_become_dense, 0, sizeof sparse_rows / sizeof *sparse_rows);
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
