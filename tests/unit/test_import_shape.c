// Importing shape arithmetic: what symbolic types come out of the ways exporters write sizes.
#include <string.h>

#include "frontend/onnx_import.h"
#include "onnx_fixture.h"

// A model under construction; all storage is static within one test.
typedef struct maker {
  aicc_arena arena;
  Onnx__GraphProto graph;
  Onnx__NodeProto *nodes[32];
  Onnx__ValueInfoProto *inputs[8];
  Onnx__ValueInfoProto *outputs[1];
  Onnx__TensorProto *initializers[16];
} maker;

static void begin(maker *m) {
  memset(m, 0, sizeof *m);
  aicc_arena_init(&m->arena);
  onnx__graph_proto__init(&m->graph);
  m->graph.name = "g";
  m->graph.node = m->nodes;
  m->graph.input = m->inputs;
  m->graph.output = m->outputs;
  m->graph.initializer = m->initializers;
}

static char **names(maker *m, const char *list, const char *separator, size_t *count) {
  char **items = AICC_NEW_ARRAY(&m->arena, char *, 16);
  *count = 0;
  for (char *at = strtok(aicc_arena_strdup(&m->arena, list), separator); at;
       at = strtok(NULL, separator)) {
    items[(*count)++] = strcmp(at, "-") == 0 ? "" : at;
  }
  return items;
}

static Onnx__NodeProto *node(maker *m, const char *type, const char *in, const char *out) {
  Onnx__NodeProto *proto = AICC_NEW(&m->arena, Onnx__NodeProto);
  onnx__node_proto__init(proto);
  proto->op_type = aicc_arena_strdup(&m->arena, type);
  proto->input = names(m, in, " ", &proto->n_input);
  proto->output = names(m, out, " ", &proto->n_output);
  proto->attribute = AICC_NEW_ARRAY(&m->arena, Onnx__AttributeProto *, 4);
  m->nodes[m->graph.n_node++] = proto;
  return proto;
}

static void int_attr(maker *m, Onnx__NodeProto *proto, const char *name, int64_t value) {
  Onnx__AttributeProto *attr = AICC_NEW(&m->arena, Onnx__AttributeProto);
  onnx__attribute_proto__init(attr);
  attr->name = aicc_arena_strdup(&m->arena, name);
  attr->has_type = attr->has_i = 1;
  attr->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT;
  attr->i = value;
  proto->attribute[proto->n_attribute++] = attr;
}

static void ints(maker *m, const char *name, int count, const int64_t *values) {
  Onnx__TensorProto *tensor = AICC_NEW(&m->arena, Onnx__TensorProto);
  onnx__tensor_proto__init(tensor);
  tensor->name = aicc_arena_strdup(&m->arena, name);
  tensor->has_data_type = 1;
  tensor->data_type = 7;
  tensor->n_dims = 1;
  tensor->dims = AICC_NEW_ARRAY(&m->arena, int64_t, 1);
  tensor->dims[0] = count;
  tensor->n_int64_data = (size_t)count;
  tensor->int64_data = aicc_arena_memdup(&m->arena, values, sizeof(int64_t) * (size_t)count);
  m->initializers[m->graph.n_initializer++] = tensor;
}

static void int1(maker *m, const char *name, int64_t value) { ints(m, name, 1, &value); }

static Onnx__ValueInfoProto *value_info(maker *m, const char *name, int elem, const char *dims) {
  Onnx__ValueInfoProto *info = AICC_NEW(&m->arena, Onnx__ValueInfoProto);
  Onnx__TypeProto *type = AICC_NEW(&m->arena, Onnx__TypeProto);
  Onnx__TypeProto__Tensor *tensor = AICC_NEW(&m->arena, Onnx__TypeProto__Tensor);
  Onnx__TensorShapeProto *shape = AICC_NEW(&m->arena, Onnx__TensorShapeProto);
  onnx__value_info_proto__init(info);
  onnx__type_proto__init(type);
  onnx__type_proto__tensor__init(tensor);
  onnx__tensor_shape_proto__init(shape);
  info->name = aicc_arena_strdup(&m->arena, name);
  info->type = type;
  type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
  type->tensor_type = tensor;
  tensor->has_elem_type = 1;
  tensor->elem_type = elem;
  tensor->shape = shape;
  char **items = names(m, dims, ",", &shape->n_dim);
  shape->dim = AICC_NEW_ARRAY(&m->arena, Onnx__TensorShapeProto__Dimension *, 12);
  for (size_t i = 0; i < shape->n_dim; i++) {
    Onnx__TensorShapeProto__Dimension *d = AICC_NEW(&m->arena, Onnx__TensorShapeProto__Dimension);
    onnx__tensor_shape_proto__dimension__init(d);
    const bool number = strspn(items[i], "0123456789") == strlen(items[i]);
    d->value_case = number ? ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE
                           : ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
    if (number) {
      d->dim_value = strtoll(items[i], NULL, 10);
    } else {
      d->dim_param = items[i];
    }
    shape->dim[i] = d;
  }
  return info;
}

static void input(maker *m, const char *name, int elem, const char *dims) {
  m->inputs[m->graph.n_input++] = value_info(m, name, elem, dims);
}

// Imports with output |name| and compares its type; NULL |type|: the import fails with |id|.
static void expect(maker *m, const char *name, const char *type, const char *id) {
  Onnx__ModelProto model;
  Onnx__OperatorSetIdProto opset, *opsets[] = {&opset};
  onnx__model_proto__init(&model);
  onnx__operator_set_id_proto__init(&opset);
  opset.domain = "";
  opset.has_version = model.has_ir_version = 1;
  opset.version = 18;
  model.ir_version = 8;
  model.n_opset_import = 1;
  model.opset_import = opsets;
  model.graph = &m->graph;
  m->outputs[0] = value_info(m, name, 1, "");
  m->graph.n_output = 1;
  aicc_diags diags;
  aicc_diags_init(&diags);
  aicc_onnx_file *file = fixture_open_message(&model, AICC_ONNX_MODEL, &diags);
  aicc_module *module = NULL;
  const aicc_status status = aicc_import(file, NULL, &diags, &module);
  if (type) {
    if (status != AICC_OK) {
      aicc_diags_print(&diags, stderr);
    }
    ck_assert_int_eq(status, AICC_OK);
    const aicc_type *found = &module->body->results[0]->type;
    ck_assert_str_eq(aicc_type_print(module, found, &m->arena), type);
  } else {
    ck_assert_int_ne(status, AICC_OK);
    fixture_expect(&diags, id, "");
  }
  aicc_module_destroy(module);
  aicc_onnx_file_close(file);
  aicc_diags_deinit(&diags);
  aicc_arena_deinit(&m->arena);
}

enum { F32 = 1, I64 = 7 };

START_TEST(a_reshape_infers_its_open_dimension_from_symbols) {
  maker m;
  begin(&m);
  input(&m, "x", F32, "batch,seq,512");
  Onnx__NodeProto *first = node(&m, "Shape", "x", "lead");
  int_attr(&m, first, "end", 2);
  const int64_t tail[] = {-1, 64};
  ints(&m, "tail", 2, tail);
  int_attr(&m, node(&m, "Concat", "lead tail", "shape"), "axis", 0);
  node(&m, "Reshape", "x shape", "y");
  expect(&m, "y", "f32[batch, seq, 8, 64]", NULL);
}
END_TEST

START_TEST(a_reshape_with_one_unknown_size_reads_nothing_at_run_time) {
  maker m;
  begin(&m);
  input(&m, "x", F32, "n,6");
  input(&m, "rows", I64, "1");
  int1(&m, "three", 3);
  int_attr(&m, node(&m, "Concat", "rows three", "shape"), "axis", 0);
  node(&m, "Reshape", "x shape", "y");
  expect(&m, "y", "f32[2*n, 3]", NULL);
}
END_TEST

START_TEST(a_reshape_with_two_unknown_sizes_defines_symbols) {
  maker m;
  begin(&m);
  input(&m, "x", F32, "n,6");
  input(&m, "shape", I64, "2");
  node(&m, "Reshape", "x shape", "y");
  node(&m, "Shape", "y", "s");
  int1(&m, "zero", 0);
  node(&m, "Gather", "s zero", "z");
  expect(&m, "z", "i64[1]", NULL);
}
END_TEST

START_TEST(zeros_copy_and_two_open_dimensions_are_refused) {
  maker m;
  begin(&m);
  input(&m, "x", F32, "n,4,6");
  const int64_t shape[] = {0, -1};
  ints(&m, "shape", 2, shape);
  node(&m, "Reshape", "x shape", "y");
  expect(&m, "y", "f32[n, 24]", NULL);
  begin(&m);
  input(&m, "x", F32, "n,4,6");
  const int64_t open[] = {-1, -1};
  ints(&m, "shape", 2, open);
  node(&m, "Reshape", "x shape", "y");
  expect(&m, "y", NULL, "E0339");
}
END_TEST

START_TEST(slices_clamp_to_symbolic_dimensions) {
  static const struct {
    int64_t start, end, step;
    const char *type;
  } cases[] = {
      {0, INT64_MAX, 1, "f32[n, 8]"},       {0, INT32_MAX, 2, "f32[(n + 1) // 2, 8]"},
      {-1, INT64_MAX, 1, "f32[min(1, n), 8]"}, {0, 3, 1, "f32[min(3, n), 8]"},
      {-1, INT64_MIN, -1, "f32[n, 8]"},     {5, 2, 1, "f32[0, 8]"},
      {0, -1, 1, "f32[max(0, n - 1), 8]"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    maker m;
    begin(&m);
    input(&m, "x", F32, "n,8");
    int1(&m, "start", cases[i].start);
    int1(&m, "end", cases[i].end);
    int1(&m, "axis", 0);
    int1(&m, "step", cases[i].step);
    node(&m, "Slice", "x start end axis step", "y");
    expect(&m, "y", cases[i].type, NULL);
  }
}
END_TEST

START_TEST(a_chunk_of_an_even_dimension_is_half_of_it) {
  maker m;
  begin(&m);
  input(&m, "x", F32, "2*c + 2,8");
  input(&m, "state", F32, "c");
  int_attr(&m, node(&m, "Split", "x", "a b"), "num_outputs", 2);
  expect(&m, "b", "f32[c + 1, 8]", NULL);
  begin(&m);
  input(&m, "x", F32, "n,8");
  int_attr(&m, node(&m, "Split", "x", "a b"), "num_outputs", 2);
  expect(&m, "a", "f32[(n + 1) // 2, 8]", NULL);
}
END_TEST

START_TEST(ranges_and_expansions_follow_sizes) {
  maker m;
  begin(&m);
  input(&m, "x", F32, "past + seq,1,8");
  input(&m, "state", F32, "past,seq");
  Onnx__NodeProto *size = node(&m, "Shape", "x", "t");
  int_attr(&m, size, "end", 1);
  node(&m, "Squeeze", "t", "limit");
  int1(&m, "zero", 0);
  int1(&m, "one", 1);
  node(&m, "Squeeze", "zero", "from");
  node(&m, "Squeeze", "one", "by");
  node(&m, "Range", "from limit by", "range");
  node(&m, "Unsqueeze", "range one", "column");
  node(&m, "Concat", "t t", "square");
  int_attr(&m, m.nodes[m.graph.n_node - 1], "axis", 0);
  node(&m, "Expand", "column square", "y");
  expect(&m, "y", "i64[past + seq, past + seq]", NULL);
}
END_TEST

// Scales that are cast, or divided: numbers all the same.
START_TEST(computed_constants_are_known) {
  maker m;
  begin(&m);
  input(&m, "x", 1, "n,3,h,w");
  ints(&m, "all", 4, (const int64_t[]){2, 2, 4, 6});
  ints(&m, "two", 1, (const int64_t[]){2});
  int_attr(&m, node(&m, "Cast", "all", "half"), "to", 10);
  int_attr(&m, node(&m, "Cast", "half", "float"), "to", 1);
  int_attr(&m, node(&m, "Cast", "two", "by"), "to", 1);
  node(&m, "Div", "float by", "scales");
  node(&m, "Resize", "x - scales", "y");
  expect(&m, "y", "f32[n, 3, 2*h, 3*w]", NULL);

  begin(&m);
  input(&m, "x", 1, "n");
  for (int i = 0; i < 3; i++) {
    int1(&m, (const char *[]){"a", "b", "c"}[i], (const int64_t[]){2, 12, 3}[i]);
    int_attr(&m, node(&m, "Cast", (const char *[]){"a", "b", "c"}[i],
                      (const char *[]){"fa", "fb", "fc"}[i]), "to", 1);
    node(&m, "Squeeze", (const char *[]){"fa", "fb", "fc"}[i],
         (const char *[]){"sa", "sb", "sc"}[i]);
  }
  node(&m, "Range", "sa sb sc", "y");
  expect(&m, "y", "f32[4]", NULL);
}
END_TEST

START_TEST(tiles_pads_and_one_hots_compute_their_sizes) {
  maker m;
  begin(&m);
  input(&m, "x", F32, "n,1,8");
  const int64_t repeats[] = {2, 3, 1}, pads[] = {0, 0, 1, 0, 0, 2};
  ints(&m, "repeats", 3, repeats);
  ints(&m, "pads", 6, pads);
  node(&m, "Tile", "x repeats", "t");
  node(&m, "Pad", "t pads", "y");
  expect(&m, "y", "f32[2*n, 3, 11]", NULL);
}
END_TEST

START_TEST(nonzero_defines_its_count_when_the_model_runs) {
  maker m;
  begin(&m);
  input(&m, "x", F32, "n,8");
  node(&m, "NonZero", "x", "y");
  expect(&m, "y", "i64[2, s0]", NULL);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("import_shape");
  TCase *t = tcase_create("import_shape");
  tcase_add_test(t, a_reshape_infers_its_open_dimension_from_symbols);
  tcase_add_test(t, a_reshape_with_one_unknown_size_reads_nothing_at_run_time);
  tcase_add_test(t, a_reshape_with_two_unknown_sizes_defines_symbols);
  tcase_add_test(t, zeros_copy_and_two_open_dimensions_are_refused);
  tcase_add_test(t, slices_clamp_to_symbolic_dimensions);
  tcase_add_test(t, a_chunk_of_an_even_dimension_is_half_of_it);
  tcase_add_test(t, ranges_and_expansions_follow_sizes);
  tcase_add_test(t, tiles_pads_and_one_hots_compute_their_sizes);
  tcase_add_test(t, computed_constants_are_known);
  tcase_add_test(t, nonzero_defines_its_count_when_the_model_runs);
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
