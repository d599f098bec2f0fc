// The walk over a model: order, names, functions, inner graphs, options, and what is reported.
#include <stdarg.h>

#include "frontend/onnx_import.h"
#include "ir/text.h"
#include "onnx_fixture.h"

enum { MANY = 16 };

typedef struct fixture {
  aicc_arena arena;
  Onnx__ModelProto model;
  Onnx__GraphProto graph;
  Onnx__OperatorSetIdProto opset, *opsets[MANY];
  aicc_diags diags;
  aicc_module *module;
} fixture;

#define INIT(arena, Type, INITIALIZER) \
  aicc_arena_memdup((arena), &(Type)INITIALIZER, sizeof(Type))

static void start(fixture *f, int opset) {
  *f = (fixture){.model = ONNX__MODEL_PROTO__INIT,
                 .graph = ONNX__GRAPH_PROTO__INIT,
                 .opset = ONNX__OPERATOR_SET_ID_PROTO__INIT};
  aicc_arena_init(&f->arena);
  aicc_diags_init(&f->diags);
  f->opset.has_version = 1;
  f->opset.version = opset;
  f->opset.domain = (char *)"";
  f->opsets[0] = &f->opset;
  f->model.opset_import = f->opsets;
  f->model.n_opset_import = 1;
  f->model.has_ir_version = 1;
  f->model.ir_version = 8;
  f->model.graph = &f->graph;
  f->graph.name = (char *)"g";
}

static void finish(fixture *f) {
  aicc_module_destroy(f->module);
  aicc_diags_deinit(&f->diags);
  aicc_arena_deinit(&f->arena);
}

// Blank-separated words, "-" for an empty one.
static char **words(fixture *f, const char *text, size_t *count) {
  char **list = AICC_NEW_ARRAY(&f->arena, char *, MANY);
  *count = 0;
  char *copy = aicc_arena_strdup(&f->arena, text);
  for (char *word = strtok(copy, " "); word; word = strtok(NULL, " ")) {
    list[(*count)++] = strcmp(word, "-") == 0 ? (char *)"" : word;
  }
  return list;
}

static Onnx__NodeProto *make_node(fixture *f, const char *type, const char *in, const char *out) {
  Onnx__NodeProto *node = INIT(&f->arena, Onnx__NodeProto, ONNX__NODE_PROTO__INIT);
  node->op_type = aicc_arena_strdup(&f->arena, type);
  node->input = words(f, in, &node->n_input);
  node->output = words(f, out, &node->n_output);
  return node;
}

// --- adds |item| to a list of at most MANY ---
#define ADD(f, list, count, item)                                      \
  do {                                                                 \
    if (!(list)) {                                                     \
      (list) = aicc_arena_alloc(&(f)->arena, MANY * sizeof *(list));   \
    }                                                                  \
    (list)[(count)++] = (item);                                        \
  } while (0)

static Onnx__NodeProto *add_node(fixture *f, const char *type, const char *in, const char *out) {
  Onnx__NodeProto *node = make_node(f, type, in, out);
  ADD(f, f->graph.node, f->graph.n_node, node);
  return node;
}

static Onnx__AttributeProto *add_attr(fixture *f, Onnx__NodeProto *node, const char *name) {
  Onnx__AttributeProto *attr = INIT(&f->arena, Onnx__AttributeProto, ONNX__ATTRIBUTE_PROTO__INIT);
  attr->name = aicc_arena_strdup(&f->arena, name);
  ADD(f, node->attribute, node->n_attribute, attr);
  return attr;
}

static void add_float(fixture *f, Onnx__NodeProto *node, const char *name, float value) {
  Onnx__AttributeProto *attr = add_attr(f, node, name);
  attr->has_type = 1;
  attr->type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT;
  attr->has_f = 1;
  attr->f = value;
}

static Onnx__ValueInfoProto *info(fixture *f, const char *name) {
  Onnx__ValueInfoProto *value = INIT(&f->arena, Onnx__ValueInfoProto, ONNX__VALUE_INFO_PROTO__INIT);
  value->name = aicc_arena_strdup(&f->arena, name);
  return value;
}

// An input of floats; each dimension a number or a name, "-" unknown.
static void add_input(fixture *f, const char *name, const char *dims) {
  Onnx__ValueInfoProto *value = info(f, name);
  value->type = INIT(&f->arena, Onnx__TypeProto, ONNX__TYPE_PROTO__INIT);
  value->type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
  Onnx__TypeProto__Tensor *tensor =
      INIT(&f->arena, Onnx__TypeProto__Tensor, ONNX__TYPE_PROTO__TENSOR__INIT);
  value->type->tensor_type = tensor;
  tensor->has_elem_type = 1;
  tensor->elem_type = 1;
  tensor->shape = INIT(&f->arena, Onnx__TensorShapeProto, ONNX__TENSOR_SHAPE_PROTO__INIT);
  size_t count;
  char **items = words(f, dims, &count);
  for (size_t i = 0; i < count; i++) {
    Onnx__TensorShapeProto__Dimension *dim = INIT(&f->arena, Onnx__TensorShapeProto__Dimension,
                                                  ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT);
    const bool number = items[i][0] >= '0' && items[i][0] <= '9';
    if (number) {
      dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
      dim->dim_value = atoi(items[i]);
    } else if (*items[i]) {
      dim->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
      dim->dim_param = items[i];
    }
    ADD(f, tensor->shape->dim, tensor->shape->n_dim, dim);
  }
  ADD(f, f->graph.input, f->graph.n_input, value);
}

static void add_output(fixture *f, const char *name) {
  ADD(f, f->graph.output, f->graph.n_output, info(f, name));
}

static aicc_status import(fixture *f, const aicc_import_options *options) {
  aicc_onnx_file *file = fixture_open_message(&f->model, AICC_ONNX_MODEL, &f->diags);
  ck_assert_ptr_nonnull(file);
  const aicc_status status = aicc_import(file, options, &f->diags, &f->module);
  aicc_onnx_file_close(file);
  ck_assert((status == AICC_OK) == (f->diags.error_count == 0));
  ck_assert(status != AICC_OK || aicc_verify(f->module, &f->diags) == AICC_OK);
  return status;
}

// The module's text is |wanted|.
static void expect_text(fixture *f, const char *wanted) {
  char *text = NULL;
  size_t size;
  FILE *out = open_memstream(&text, &size);
  const aicc_module_print_options options = {.full = true};
  aicc_module_print_with(f->module, &options, out);
  fclose(out);
  ck_assert_str_eq(text, wanted);
  free(text);
}

START_TEST(nodes_may_stand_in_any_order) {
  fixture f;
  start(&f, 17);
  add_input(&f, "x", "N 4");
  add_node(&f, "Exp", "b", "c");
  add_node(&f, "Neg", "a", "b")->name = (char *)"the negative";
  add_node(&f, "Abs", "x", "a");
  add_output(&f, "c");
  ck_assert_int_eq(import(&f, NULL), AICC_OK);
  expect_text(&f,
              "opset 17\n"
              "dims N\n"
              "graph @g(%x: f32[N, 4]) -> (c: %c) {\n"
              "  %a = abs %x : f32[N, 4] from \"#2\" Abs 2\n"
              "  %b = neg %a : f32[N, 4] from \"the negative\" Neg 1\n"
              "  %c = exp %b : f32[N, 4] from \"#0\" Exp 0\n"
              "}\n");
  finish(&f);
}
END_TEST

START_TEST(all_that_is_missing_is_listed) {
  fixture f;
  start(&f, 17);
  add_input(&f, "x", "2");
  add_node(&f, "Frobnicate", "x", "a");
  add_node(&f, "Abs", "a", "b");  // reads poison: no fault of its own
  add_node(&f, "Grind", "b", "c");
  Onnx__NodeProto *odd = add_node(&f, "Exp", "x", "d");
  add_float(&f, odd, "temperature", 3);
  add_node(&f, "Gelu", "x", "e");  // since 20
  add_node(&f, "Add", "x x x", "f");
  add_node(&f, "Add", "x -", "g");
  add_node(&f, "Neg", "nowhere", "h");
  add_node(&f, "Abs", "x", "x");
  add_node(&f, "Nothing", "x", "i")->domain = (char *)"com.example";
  add_output(&f, "c");
  add_output(&f, "gone");
  ck_assert_int_eq(import(&f, NULL), AICC_INVALID);
  fixture_expect(&f.diags, "E0331", "Frobnicate");
  fixture_expect(&f.diags, "E0331", "Grind");
  fixture_expect(&f.diags, "E0332", "temperature");
  fixture_expect(&f.diags, "E0331", "Gelu is not supported in this version");
  fixture_expect(&f.diags, "E0335", "3 given");
  fixture_expect(&f.diags, "E0335", "1 given");
  fixture_expect(&f.diags, "E0334", "nowhere");
  fixture_expect(&f.diags, "E0333", "'x'");
  fixture_expect(&f.diags, "E0330", "com.example");
  fixture_expect(&f.diags, "E0344", "gone");
  ck_assert_uint_eq(f.diags.error_count, 10);
  ck_assert_str_eq(f.diags.items[0].loc.node, "#0");
  finish(&f);
}
END_TEST

START_TEST(unsupported_alone_is_not_invalid) {
  fixture f;
  start(&f, 17);
  add_input(&f, "x", "2");
  add_node(&f, "Frobnicate", "x", "y");
  add_output(&f, "y");
  ck_assert_int_eq(import(&f, NULL), AICC_UNSUPPORTED);
  finish(&f);
}
END_TEST

START_TEST(a_cycle_is_reported) {
  fixture f;
  start(&f, 17);
  add_node(&f, "Abs", "b", "a");
  add_node(&f, "Abs", "a", "b")->name = (char *)"loop";
  add_output(&f, "a");
  ck_assert_int_eq(import(&f, NULL), AICC_INVALID);
  fixture_expect(&f.diags, "E0337", "cycle");
  finish(&f);
}
END_TEST

static Onnx__TensorProto *ones(fixture *f, const char *name, size_t count) {
  Onnx__TensorProto *tensor = INIT(&f->arena, Onnx__TensorProto, ONNX__TENSOR_PROTO__INIT);
  tensor->name = aicc_arena_strdup(&f->arena, name);
  tensor->has_data_type = 1;
  tensor->data_type = 1;
  tensor->dims = AICC_NEW_ARRAY(&f->arena, int64_t, 1);
  tensor->dims[0] = (int64_t)count;
  tensor->n_dims = 1;
  tensor->float_data = AICC_NEW_ARRAY(&f->arena, float, count);
  tensor->n_float_data = count;
  for (size_t i = 0; i < count; i++) {
    tensor->float_data[i] = 1;
  }
  return tensor;
}

START_TEST(initialisers_are_constants_at_the_front_made_where_used) {
  fixture f;
  start(&f, 17);
  add_input(&f, "x", "2");
  add_input(&f, "w", "2");  // old files list them among the inputs
  ADD(&f, f.graph.initializer, f.graph.n_initializer, ones(&f, "unused", 3));
  ADD(&f, f.graph.initializer, f.graph.n_initializer, ones(&f, "w", 2));
  add_node(&f, "Abs", "x", "a");
  add_node(&f, "Add", "a w", "y");
  add_output(&f, "y");
  ck_assert_int_eq(import(&f, NULL), AICC_OK);
  expect_text(&f,
              "opset 17\n"
              "graph @g(%x: f32[2]) -> (y: %y) {\n"
              "  %w = const {value = f32[2] splat(0x1p+0)} : f32[2]\n"
              "  %a = abs %x : f32[2] from \"#0\" Abs 0\n"
              "  %y = add %a, %w : f32[2] from \"#1\" Add 1\n"
              "}\n");
  finish(&f);
}
END_TEST

START_TEST(calls_of_functions_are_replaced_by_their_bodies) {
  fixture f;
  start(&f, 17);
  Onnx__FunctionProto function = ONNX__FUNCTION_PROTO__INIT;
  function.name = (char *)"Leak";
  function.domain = (char *)"local";
  function.input = words(&f, "v w", &function.n_input);
  function.output = words(&f, "out", &function.n_output);
  function.attribute = words(&f, "slope", &function.n_attribute);
  function.opset_import = f.opsets;
  function.n_opset_import = 1;
  Onnx__NodeProto *leak = make_node(&f, "LeakyRelu", "v", "t");
  add_attr(&f, leak, "alpha")->ref_attr_name = (char *)"slope";
  ADD(&f, function.node, function.n_node, leak);
  ADD(&f, function.node, function.n_node, make_node(&f, "Clip", "t w", "out"));
  Onnx__FunctionProto *functions[] = {&function};
  f.model.functions = functions;
  f.model.n_functions = 1;

  add_input(&f, "x", "2");
  Onnx__NodeProto *call = add_node(&f, "Leak", "x", "y");
  call->domain = (char *)"local";
  call->name = (char *)"first";
  add_float(&f, call, "slope", 0.5f);
  add_output(&f, "y");
  ck_assert_int_eq(import(&f, NULL), AICC_OK);
  expect_text(&f,
              "opset 17\n"
              "graph @g(%x: f32[2]) -> (y: %first/t) {\n"
              "  %0 = const {value = f32[] [0x1p-1]} : f32[] from \"first/#0\" LeakyRelu 0\n"
              "  %1 = const {value = f32[] [0x0p+0]} : f32[] from \"first/#0\" LeakyRelu 0\n"
              "  %2 = lt %x, %1 : bool[2] from \"first/#0\" LeakyRelu 0\n"
              "  %3 = mul %x, %0 : f32[2] from \"first/#0\" LeakyRelu 0\n"
              "  %first/t = select %2, %3, %x : f32[2] from \"first/#0\" LeakyRelu 0\n"
              "}\n");
  finish(&f);
}
END_TEST

START_TEST(a_function_that_calls_itself_is_refused) {
  fixture f;
  start(&f, 17);
  Onnx__FunctionProto function = ONNX__FUNCTION_PROTO__INIT;
  function.name = (char *)"Again";
  function.domain = (char *)"local";
  function.input = words(&f, "v", &function.n_input);
  function.output = words(&f, "out", &function.n_output);
  Onnx__NodeProto *again = make_node(&f, "Again", "v", "out");
  again->domain = (char *)"local";
  ADD(&f, function.node, function.n_node, again);
  Onnx__FunctionProto *functions[] = {&function};
  f.model.functions = functions;
  f.model.n_functions = 1;
  add_input(&f, "x", "2");
  add_node(&f, "Again", "x", "y")->domain = (char *)"local";
  add_output(&f, "y");
  ck_assert_int_eq(import(&f, NULL), AICC_INVALID);
  fixture_expect(&f.diags, "E0339", "deep");
  ck_assert_uint_eq(f.diags.error_count, 1);
  finish(&f);
}
END_TEST

START_TEST(dimensions_of_inputs_are_names_expressions_or_unknown) {
  fixture f;
  start(&f, 17);
  add_input(&f, "a", "seq past 3 -");
  add_input(&f, "b",
            "past+seq other*2");  // "other" is no dimension of an input: a name as it stands
  add_node(&f, "Abs", "a", "y");
  add_output(&f, "y");
  ck_assert_int_eq(import(&f, NULL), AICC_OK);
  const aicc_region *body = f.module->body;
  char *a = aicc_type_print(f.module, &body->params[0]->type, &f.arena);
  ck_assert_str_eq(a, "f32[seq, past, 3, a_d0]");
  const aicc_type *b = &body->params[1]->type;
  const aicc_dim *dims = body->params[0]->type.dims;
  ck_assert_uint_eq(b->dims[0], aicc_dim_add(f.module->dims, dims[0], dims[1]));
  ck_assert_str_eq(aicc_dim_symbol_name(f.module->dims, b->dims[1]), "other*2");
  finish(&f);
}
END_TEST

START_TEST(options_give_sizes_to_dimensions) {
  fixture f;
  start(&f, 17);
  add_input(&f, "a", "N M");
  add_input(&f, "b", "M -");
  add_node(&f, "Abs", "a", "y");
  add_output(&f, "y");
  const aicc_import_dim dims[] = {{"N", 5}};
  const int64_t sizes[] = {7, 9};
  const aicc_import_shape shapes[] = {{"b", sizes, 2}};
  const aicc_import_options options = {dims, 1, shapes, 1};
  ck_assert_int_eq(import(&f, &options), AICC_OK);
  const aicc_region *body = f.module->body;
  ck_assert_str_eq(aicc_type_print(f.module, &body->params[0]->type, &f.arena), "f32[5, 7]");
  ck_assert_str_eq(aicc_type_print(f.module, &body->params[1]->type, &f.arena), "f32[7, 9]");
  finish(&f);
}
END_TEST

START_TEST(options_that_fit_nothing_are_refused) {
  fixture f;
  start(&f, 17);
  add_input(&f, "a", "N 3");
  add_output(&f, "a");
  const aicc_import_dim dims[] = {{"batch", 5}};
  const int64_t sizes[] = {7, 9};
  const aicc_import_shape shapes[] = {{"a", sizes, 2}, {"z", sizes, 2}};
  const aicc_import_options options = {dims, 1, shapes, 2};
  ck_assert_int_eq(import(&f, &options), AICC_INVALID);
  fixture_expect(&f.diags, "E0343", "no input has a dimension of that name");
  fixture_expect(&f.diags, "E0343", "fixes a dimension to another size");
  fixture_expect(&f.diags, "E0343", "the model has no such input");
  finish(&f);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("onnx_import");
  TCase *t = tcase_create("onnx_import");
  tcase_add_test(t, nodes_may_stand_in_any_order);
  tcase_add_test(t, all_that_is_missing_is_listed);
  tcase_add_test(t, unsupported_alone_is_not_invalid);
  tcase_add_test(t, a_cycle_is_reported);
  tcase_add_test(t, initialisers_are_constants_at_the_front_made_where_used);
  tcase_add_test(t, calls_of_functions_are_replaced_by_their_bodies);
  tcase_add_test(t, a_function_that_calls_itself_is_refused);
  tcase_add_test(t, dimensions_of_inputs_are_names_expressions_or_unknown);
  tcase_add_test(t, options_give_sizes_to_dimensions);
  tcase_add_test(t, options_that_fit_nothing_are_refused);
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
