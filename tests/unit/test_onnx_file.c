// ONNX files: opening models, the slim copy, hostile wire data, external files, memory.
#include <fcntl.h>
#include <malloc.h>
#include <sys/stat.h>
#include <unistd.h>

#include "frontend/onnx_tensor.h"
#include "frontend/onnx_wire.h"
#include "onnx_fixture.h"

enum { BIG = 5000 };  // floats: more than a payload's threshold

static aicc_diags diags;

static void setup(void) { aicc_diags_init(&diags); }
static void teardown(void) { aicc_diags_deinit(&diags); }

// A model with one node and one initialiser of BIG floats, as raw data or as float_data.
typedef struct model {
  Onnx__ModelProto proto;
  Onnx__GraphProto graph;
  Onnx__NodeProto node;
  Onnx__TensorProto weight;
  Onnx__StringStringEntryProto metadata;
  Onnx__NodeProto *nodes[1];
  Onnx__TensorProto *weights[1];
  Onnx__StringStringEntryProto *metadatas[1];
  int64_t dims[1];
  float values[BIG];
} model;

static model *model_create(bool raw) {
  model *m = calloc(1, sizeof *m);
  onnx__model_proto__init(&m->proto);
  onnx__graph_proto__init(&m->graph);
  onnx__node_proto__init(&m->node);
  onnx__tensor_proto__init(&m->weight);
  onnx__string_string_entry_proto__init(&m->metadata);
  m->metadata.key = (char *)"stack_trace";
  m->metadata.value = (char *)"File \"x.py\", line 1";
  m->metadatas[0] = &m->metadata;
  m->node.op_type = (char *)"Relu";
  m->node.doc_string = (char *)"long";
  m->node.n_metadata_props = 1;
  m->node.metadata_props = m->metadatas;
  m->nodes[0] = &m->node;
  m->weights[0] = &m->weight;
  m->graph.n_node = 1;
  m->graph.node = m->nodes;
  m->graph.n_initializer = 1;
  m->graph.initializer = m->weights;
  m->graph.name = (char *)"g";
  m->proto.graph = &m->graph;
  m->proto.doc_string = (char *)"kept";
  m->dims[0] = BIG;
  m->weight.name = (char *)"w";
  m->weight.n_dims = 1;
  m->weight.dims = m->dims;
  m->weight.has_data_type = 1;
  m->weight.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
  for (int i = 0; i < BIG; i++) {
    m->values[i] = (float)i;
  }
  if (raw) {
    m->weight.has_raw_data = 1;
    m->weight.raw_data = (ProtobufCBinaryData){sizeof m->values, (uint8_t *)m->values};
  } else {
    m->weight.n_float_data = BIG;
    m->weight.float_data = m->values;
  }
  return m;
}

static void check_weight(aicc_onnx_file *file) {
  aicc_onnx_tensor tensor;
  ck_assert_uint_eq(file->model->graph->n_initializer, 1);
  ck_assert_int_eq(
      aicc_onnx_tensor_read(file, file->model->graph->initializer[0], NULL, &diags, &tensor),
      AICC_OK);
  ck_assert_int_eq(tensor.dtype, AICC_F32);
  ck_assert_int_eq(tensor.count, BIG);
  const aicc_view view = aicc_view_align(tensor.bytes, 4);
  const float *values = (const void *)aicc_view_data(view);
  for (int i = 0; i < BIG; i++) {
    ck_assert_float_eq(values[i], (float)i);
  }
  aicc_buf_release(view.buf);
  aicc_onnx_tensor_deinit(&tensor);
}

START_TEST(large_data_becomes_a_reference_and_reads_back) {
  model *m = model_create(_i == 0);
  aicc_onnx_file *file = fixture_open_message(&m->proto, AICC_ONNX_MODEL, &diags);
  free(m);
  ck_assert_ptr_nonnull(file);
  const Onnx__TensorProto *weight = file->model->graph->initializer[0];
  ck_assert_uint_eq(_i == 0 ? weight->raw_data.len : weight->n_float_data * sizeof(float),
                    sizeof(aicc_wire_ref));
  check_weight(file);
  const Onnx__NodeProto *node = file->model->graph->node[0];
  ck_assert_str_eq(node->op_type, "Relu");
  ck_assert_ptr_null(node->doc_string);
  ck_assert_uint_eq(node->n_metadata_props, 0);
  ck_assert_str_eq(file->model->doc_string, "kept");
  aicc_onnx_file_close(file);
}
END_TEST

// Small data that looks like a reference must not be followed as one.
START_TEST(a_forged_reference_is_data) {
  model *m = model_create(true);
  uint8_t *slim = NULL;
  size_t slim_size = 0;
  aicc_buf *packed = fixture_pack(&m->proto);
  ck_assert_int_eq(aicc_wire_slim(aicc_buf_data(packed), aicc_buf_size(packed),
                                  &onnx__model_proto__descriptor, NULL, &diags, &slim, &slim_size),
                   AICC_OK);
  Onnx__ModelProto *raw = onnx__model_proto__unpack(NULL, slim_size, slim);
  ck_assert_ptr_nonnull(raw);
  // The slim copy, taken for a file: its 24 bytes are data now, of six floats.
  raw->graph->initializer[0]->dims[0] = 6;
  aicc_onnx_file *file = fixture_open_message(raw, AICC_ONNX_MODEL, &diags);
  ck_assert_ptr_nonnull(file);
  aicc_onnx_tensor tensor;
  ck_assert_int_eq(
      aicc_onnx_tensor_read(file, file->model->graph->initializer[0], NULL, &diags, &tensor),
      AICC_OK);
  ck_assert_uint_eq(tensor.bytes.size, 24);
  ck_assert_mem_eq(aicc_view_data(tensor.bytes), raw->graph->initializer[0]->raw_data.data, 24);
  aicc_onnx_tensor_deinit(&tensor);
  aicc_onnx_file_close(file);
  onnx__model_proto__free_unpacked(raw, NULL);
  free(slim);
  aicc_buf_release(packed);
  free(m);
}
END_TEST

// float_data in two packed pieces: joined by protobuf-c, never by reference.
START_TEST(a_list_in_pieces_is_joined) {
  uint8_t bytes[2 * (3 + 4 * BIG) + 32];
  size_t n = 0;
  bytes[n++] = 0x08, bytes[n++] = 0x90, bytes[n++] = 0x4E;  // dims: 10000
  bytes[n++] = 0x10, bytes[n++] = 0x01;                     // data_type: FLOAT
  for (int piece = 0; piece < 2; piece++) {
    bytes[n++] = 0x22, bytes[n++] = 0xA0, bytes[n++] = 0x9C, bytes[n++] = 0x01;  // 20000 bytes
    for (int i = 0; i < BIG; i++, n += 4) {
      memcpy(bytes + n, &(float){(float)(piece * BIG + i)}, 4);
    }
  }
  aicc_onnx_file *file = fixture_open(bytes, n, AICC_ONNX_TENSOR, &diags);
  ck_assert_ptr_nonnull(file);
  aicc_onnx_tensor tensor;
  ck_assert_int_eq(aicc_onnx_tensor_read(file, file->tensor, NULL, &diags, &tensor), AICC_OK);
  const float *values = (const void *)aicc_view_data(tensor.bytes);
  for (int i = 0; i < 2 * BIG; i++) {
    ck_assert_float_eq(values[i], (float)i);
  }
  aicc_onnx_tensor_deinit(&tensor);
  aicc_onnx_file_close(file);
}
END_TEST

typedef struct bad_row {
  const char *bytes;
  size_t size;
  const char *id, *part;
} bad_row;

#define BAD(text, id, part) {text, sizeof(text) - 1, id, part}

static const bad_row bad_rows[] = {
    BAD("", "E0302", "empty"),
    BAD("version https://git-lfs.example/spec", "E0302", "LFS"),
    BAD("PK\x03\x04zip", "E0302", "zip"),
    BAD("\x08\x0E", "E0302", "no graph"),
    BAD("\x08\x80\x80", "E0303", "truncated"),
    BAD("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", "E0303", "ten bytes"),
    BAD("\x80", "E0303", "tag is truncated"),
    BAD("\x00\x01", "E0303", "impossible number"),
    BAD("\xFF\xFF\xFF\xFF\xFF\x01\x01", "E0303", "impossible number"),
    BAD("\x3A\x05\x0A", "E0303", "past the end"),
    BAD("\x3A\x04\x0A\x09\x12\x00", "E0303", "ModelProto.graph"),
    BAD("\x3A\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", "E0303", "past the end"),
    BAD("\x0B\x0C", "E0303", "wire type"),
    BAD("\x0A\x01x", "E0303", "does not fit its ONNX type"),
    BAD("\x38\x01", "E0303", "does not fit its ONNX type"),
    BAD("\x3A\x00\x3A\x00", "E0303", "twice"),
    BAD("\x3A\x07\x2A\x05\x22\x03" "abc", "E0303", "whole number of elements"),
};

START_TEST(malformed_bytes_are_refused_with_a_reason) {
  const bad_row *row = &bad_rows[_i];
  ck_assert_ptr_null(fixture_open(row->bytes, row->size, AICC_ONNX_MODEL, &diags));
  ck_assert_uint_eq(diags.error_count, 1);
  fixture_expect(&diags, row->id, row->part);
}
END_TEST

// TypeProto.sequence_type.elem_type nested |depth| times inside a graph input.
static size_t nested(int depth, uint8_t *out, size_t capacity) {
  size_t begin = capacity;
  for (int i = 0; i < depth; i++) {
    const size_t size = capacity - begin;
    ck_assert_uint_gt(begin, 8);
    out[--begin] = (uint8_t)(size >> 14);
    out[--begin] = (uint8_t)(size >> 7 | 0x80);
    out[--begin] = (uint8_t)(size | 0x80);
    // sequence_type = 4 and elem_type = 1 in turn, then type = 2, input = 11, graph = 7.
    const int level = depth - i;
    out[--begin] = level == 1   ? 0x3A
                   : level == 2 ? 0x5A
                   : level == 3 ? 0x12
                   : level % 2  ? 0x0A
                                : 0x22;
  }
  memmove(out, out + begin, capacity - begin);
  return capacity - begin;
}

START_TEST(nesting_is_limited) {
  uint8_t bytes[4096];
  size_t size = nested(AICC_WIRE_DEPTH_MAX, bytes, sizeof bytes);
  aicc_onnx_file *file = fixture_open(bytes, size, AICC_ONNX_MODEL, &diags);
  ck_assert_ptr_nonnull(file);
  aicc_onnx_file_close(file);
  size = nested(AICC_WIRE_DEPTH_MAX + 1, bytes, sizeof bytes);
  ck_assert_ptr_null(fixture_open(bytes, size, AICC_ONNX_MODEL, &diags));
  fixture_expect(&diags, "E0303", "deeper than 100");
}
END_TEST

START_TEST(values_of_test_data_sets_open) {
  Onnx__TensorProto tensor = ONNX__TENSOR_PROTO__INIT;
  Onnx__TensorProto *tensors[] = {&tensor, &tensor};
  Onnx__SequenceProto sequence = ONNX__SEQUENCE_PROTO__INIT;
  sequence.n_tensor_values = 2;
  sequence.tensor_values = tensors;
  aicc_onnx_file *file = fixture_open_message(&sequence, AICC_ONNX_SEQUENCE, &diags);
  ck_assert_uint_eq(file->sequence->n_tensor_values, 2);
  aicc_onnx_file_close(file);
  Onnx__OptionalProto optional = ONNX__OPTIONAL_PROTO__INIT;
  file = fixture_open_message(&optional, AICC_ONNX_OPTIONAL, &diags);  // no bytes at all
  ck_assert_ptr_null(file->optional->tensor_value);
  aicc_onnx_file_close(file);
}
END_TEST

// External data.

typedef struct folder {
  char path[64];
  char inside[96];   // folder/data.bin, four floats
  char outside[96];  // a file beside the folder
} folder;

static void write_floats(const char *path) {
  const float values[4] = {1, 2, 3, 4};
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  fwrite(values, sizeof values, 1, file);
  fclose(file);
}

static folder folder_create(void) {
  folder f = {.path = "/tmp/aicc_ext_XXXXXX"};
  ck_assert_ptr_nonnull(mkdtemp(f.path));
  snprintf(f.inside, sizeof f.inside, "%s/data.bin", f.path);
  snprintf(f.outside, sizeof f.outside, "%s.outside", f.path);
  write_floats(f.inside);
  write_floats(f.outside);
  return f;
}

static void folder_remove(const folder *f) {
  char path[128];
  snprintf(path, sizeof path, "%s/link", f->path);
  unlink(path);
  snprintf(path, sizeof path, "%s/good_link", f->path);
  unlink(path);
  unlink(f->inside);
  unlink(f->outside);
  rmdir(f->path);
}

typedef struct external_row {
  const char *location, *offset, *length;
  aicc_status status;
  const char *id, *part;
} external_row;

static const external_row external_rows[] = {
    {"data.bin", NULL, NULL, AICC_OK, NULL, NULL},
    {"./data.bin", "8", "8", AICC_OK, NULL, NULL},
    {"good_link", "4", NULL, AICC_OK, NULL, NULL},
    {NULL, NULL, NULL, AICC_INVALID, "E0312", "no location"},
    {"", NULL, NULL, AICC_INVALID, "E0312", "no location"},
    {"/etc/passwd", NULL, NULL, AICC_INVALID, "E0313", "absolute"},
    {"../x.outside", NULL, NULL, AICC_INVALID, "E0313", "'..'"},
    {"a/..", NULL, NULL, AICC_INVALID, "E0313", "'..'"},
    {"link", NULL, NULL, AICC_INVALID, "E0313", "link"},
    {"missing.bin", NULL, NULL, AICC_IO, "E0314", "No such file"},
    {".", NULL, NULL, AICC_INVALID, "E0313", "elsewhere"},
    {"data.bin", "12", NULL, AICC_INVALID, "E0316", "past the end"},
    {"data.bin", "9223372036854775807", NULL, AICC_INVALID, "E0316", "past the end"},
    {"data.bin", "-1", NULL, AICC_INVALID, "E0315", "offset '-1'"},
    {"data.bin", "99999999999999999999", NULL, AICC_INVALID, "E0315", "offset"},
    {"data.bin", "0x4", NULL, AICC_INVALID, "E0315", "offset"},
    {"data.bin", "0", "", AICC_INVALID, "E0315", "length"},
    {"data.bin", "0", "4", AICC_INVALID, "E0308", "takes 8 bytes"},
};

static void external_entries(const external_row *row, Onnx__StringStringEntryProto *entries,
                             Onnx__TensorProto *tensor) {
  const char *const keys[] = {"location", "offset", "length", "checksum"};
  const char *const values[] = {row->location, row->offset, row->length, "unread"};
  tensor->n_external_data = 0;
  for (int i = 0; i < 4; i++) {
    if (values[i]) {
      Onnx__StringStringEntryProto *entry = &entries[tensor->n_external_data];
      onnx__string_string_entry_proto__init(entry);
      entry->key = (char *)keys[i];
      entry->value = (char *)values[i];
      tensor->external_data[tensor->n_external_data++] = entry;
    }
  }
}

START_TEST(external_data_stays_in_the_folder) {
  const external_row *row = &external_rows[_i];
  const folder f = folder_create();
  char link_path[128];
  snprintf(link_path, sizeof link_path, "%s/link", f.path);
  ck_assert_int_eq(symlink(f.outside, link_path), 0);
  snprintf(link_path, sizeof link_path, "%s/good_link", f.path);
  ck_assert_int_eq(symlink("data.bin", link_path), 0);
  Onnx__TensorProto proto = ONNX__TENSOR_PROTO__INIT;
  Onnx__StringStringEntryProto entries[4], *pointers[4];
  int64_t dims[] = {2};
  proto.external_data = pointers;
  external_entries(row, entries, &proto);
  proto.name = (char *)"w";
  proto.has_data_type = 1, proto.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
  proto.has_data_location = 1;
  proto.data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
  proto.n_dims = 1, proto.dims = dims;
  aicc_buf *buf = fixture_pack(&proto);
  aicc_onnx_file *file = NULL;
  ck_assert_int_eq(
      aicc_onnx_file_from_buf(buf, "m.onnx", f.path, AICC_ONNX_TENSOR, &diags, &file), AICC_OK);
  aicc_onnx_tensor tensor;
  ck_assert_int_eq(aicc_onnx_tensor_read(file, file->tensor, NULL, &diags, &tensor), row->status);
  if (row->status == AICC_OK) {
    ck_assert(aicc_buf_is_mapped(tensor.bytes.buf));
    const float first = 1 + (row->offset ? (float)atoi(row->offset) / 4 : 0);
    aicc_onnx_file_close(file);  // the view outlives the file
    ck_assert_float_eq(*(const float *)(const void *)aicc_view_data(tensor.bytes), first);
    aicc_onnx_tensor_deinit(&tensor);
  } else {
    fixture_expect(&diags, row->id, row->part);
    aicc_onnx_file_close(file);
  }
  aicc_buf_release(buf);
  folder_remove(&f);
}
END_TEST

START_TEST(a_model_in_memory_has_no_folder) {
  Onnx__TensorProto proto = ONNX__TENSOR_PROTO__INIT;
  Onnx__StringStringEntryProto entries[4], *pointers[4];
  proto.external_data = pointers;
  external_entries(&external_rows[0], entries, &proto);
  proto.has_data_type = 1, proto.data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
  proto.has_data_location = 1;
  proto.data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
  aicc_onnx_file *file = fixture_open_message(&proto, AICC_ONNX_TENSOR, &diags);
  aicc_onnx_tensor tensor;
  ck_assert_int_eq(aicc_onnx_tensor_read(file, file->tensor, NULL, &diags, &tensor),
                   AICC_INVALID);
  fixture_expect(&diags, "E0313", "not read from a folder");
  aicc_onnx_file_close(file);
}
END_TEST

// Memory: a file with 256 MiB of weights (a hole, so that it takes no disk) costs almost no heap.

enum { HOLE = 256 << 20 };

static size_t varint(uint8_t *out, uint64_t value) {
  size_t count = 0;
  for (; value >= 0x80; value >>= 7) {
    out[count++] = (uint8_t)(value | 0x80);
  }
  out[count++] = (uint8_t)value;
  return count;
}

static void write_sparse_model(const char *path) {
  uint8_t tensor[64], graph[64], head[64];
  size_t t = 0, g = 0, h = 0;
  tensor[t++] = 0x08, t += varint(tensor + t, HOLE / 4);  // dims
  tensor[t++] = 0x10, tensor[t++] = 0x01;                 // data_type FLOAT
  tensor[t++] = 0x4A, t += varint(tensor + t, HOLE);      // raw_data
  graph[g++] = 0x2A, g += varint(graph + g, t + HOLE);    // initializer
  head[h++] = 0x08, head[h++] = 0x0A;                     // ir_version
  head[h++] = 0x3A, h += varint(head + h, g + t + HOLE);  // graph
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  fwrite(head, h, 1, file);
  fwrite(graph, g, 1, file);
  fwrite(tensor, t, 1, file);
  fclose(file);
  ck_assert_int_eq(truncate(path, (off_t)(h + g + t + HOLE)), 0);
}

static size_t heap_used(void) {
  const struct mallinfo2 info = mallinfo2();
  return info.uordblks + info.hblkhd;
}

static size_t resident(void) {
  long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  ck_assert_ptr_nonnull(file);
  ck_assert_int_eq(fscanf(file, "%*s %ld", &pages), 1);
  fclose(file);
  return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

START_TEST(weights_are_not_copied) {
  char path[] = "/tmp/aicc_big_XXXXXX";
  close(mkstemp(path));
  write_sparse_model(path);
  const size_t heap = heap_used(), rss = resident();
  aicc_onnx_file *file = NULL;
  ck_assert_int_eq(aicc_onnx_file_open(path, AICC_ONNX_MODEL, &diags, &file), AICC_OK);
  unlink(path);
  aicc_onnx_tensor tensor;
  ck_assert_int_eq(
      aicc_onnx_tensor_read(file, file->model->graph->initializer[0], NULL, &diags, &tensor),
      AICC_OK);
  ck_assert_uint_eq(tensor.bytes.size, HOLE);
  ck_assert_ptr_eq(tensor.bytes.buf, file->buf);
  ck_assert_uint_lt(heap_used(), heap + (1 << 20));
  ck_assert_uint_lt(resident(), rss + (8 << 20));
  ck_assert_uint_eq(aicc_view_data(tensor.bytes)[HOLE - 1], 0);
  aicc_onnx_tensor_deinit(&tensor);
  aicc_onnx_file_close(file);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("onnx_file");
  TCase *t = tcase_create("onnx_file");
  tcase_add_checked_fixture(t, setup, teardown);
  tcase_add_loop_test(t, large_data_becomes_a_reference_and_reads_back, 0, 2);
  tcase_add_test(t, a_forged_reference_is_data);
  tcase_add_test(t, a_list_in_pieces_is_joined);
  tcase_add_loop_test(t, malformed_bytes_are_refused_with_a_reason, 0,
                      sizeof bad_rows / sizeof *bad_rows);
  tcase_add_test(t, nesting_is_limited);
  tcase_add_test(t, values_of_test_data_sets_open);
  tcase_add_loop_test(t, external_data_stays_in_the_folder, 0,
                      sizeof external_rows / sizeof *external_rows);
  tcase_add_test(t, a_model_in_memory_has_no_folder);
  tcase_add_test(t, weights_are_not_copied);
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
