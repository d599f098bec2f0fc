// Seeds for the loader: a model with most messages of the format, one with subgraphs and a
// function, and values of test data sets.
#include "fuzz/model_target.h"
#include "onnx.pb-c.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define TEXT(text) ((char *)(text))
#define BYTES(text) {sizeof(text) - 1, (uint8_t *)(text)}

enum { PAYLOAD = 1200 };  // floats: more than the loader copies

static aicc_buf *pack(const void *message) {
  const size_t size = protobuf_c_message_get_packed_size(message);
  aicc_buf *buf = aicc_buf_create_heap(size);
  protobuf_c_message_pack(message, aicc_buf_data_mut(buf));
  return buf;
}

static Onnx__TensorProto tensor_of(const char *name, int32_t type, int64_t *dims, size_t rank) {
  Onnx__TensorProto tensor = ONNX__TENSOR_PROTO__INIT;
  tensor.name = TEXT(name);
  tensor.has_data_type = 1;
  tensor.data_type = type;
  tensor.n_dims = rank;
  tensor.dims = dims;
  return tensor;
}

static aicc_buf *seed_tensors(void) {
  float floats[PAYLOAD] = {1, 2, 3};
  int64_t big[] = {PAYLOAD}, three[] = {3}, two[] = {2};
  int32_t packed[] = {0x21, 0x03};
  int64_t wide[] = {-1, 1, 5};
  uint64_t unsigned_wide[] = {1, 2, 3};
  double doubles[] = {0.5, 1, 2};
  ProtobufCBinaryData strings[] = {BYTES("a"), BYTES(""), BYTES("bcd")};
  Onnx__TensorProto t[9];
  t[0] = tensor_of("raw", 1, big, 1);
  t[0].has_raw_data = 1, t[0].raw_data = (ProtobufCBinaryData){sizeof floats, (uint8_t *)floats};
  t[1] = tensor_of("list", 1, big, 1);
  t[1].n_float_data = PAYLOAD, t[1].float_data = floats;
  t[2] = tensor_of("nibbles", 22, three, 1);
  t[2].n_int32_data = 2, t[2].int32_data = packed;
  t[3] = tensor_of("i64", 7, three, 1);
  t[3].n_int64_data = 3, t[3].int64_data = wide;
  t[4] = tensor_of("u32", 12, three, 1);
  t[4].n_uint64_data = 3, t[4].uint64_data = unsigned_wide;
  t[5] = tensor_of("f64", 11, three, 1);
  t[5].n_double_data = 3, t[5].double_data = doubles;
  t[6] = tensor_of("text", 8, three, 1);
  t[6].n_string_data = 3, t[6].string_data = strings;
  t[7] = tensor_of("bool", 9, two, 1);
  t[7].has_raw_data = 1, t[7].raw_data = (ProtobufCBinaryData)BYTES("\x01\x02");
  Onnx__StringStringEntryProto location = ONNX__STRING_STRING_ENTRY_PROTO__INIT;
  location.key = TEXT("location"), location.value = TEXT("weights.bin");
  Onnx__StringStringEntryProto *entries[] = {&location};
  t[8] = tensor_of("external", 1, three, 1);
  t[8].has_data_location = 1, t[8].data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
  t[8].n_external_data = 1, t[8].external_data = entries;

  Onnx__TensorProto *tensors[COUNT(t)];
  for (size_t i = 0; i < COUNT(t); i++) {
    tensors[i] = &t[i];
  }
  Onnx__SparseTensorProto sparse = ONNX__SPARSE_TENSOR_PROTO__INIT;
  int64_t dense[] = {2, 5};
  sparse.values = &t[5], sparse.indices = &t[3];
  sparse.n_dims = 2, sparse.dims = dense;
  Onnx__SparseTensorProto *sparses[] = {&sparse};
  Onnx__TensorAnnotation annotation = ONNX__TENSOR_ANNOTATION__INIT;
  annotation.tensor_name = TEXT("raw");
  annotation.n_quant_parameter_tensor_names = 1;
  annotation.quant_parameter_tensor_names = entries;
  Onnx__TensorAnnotation *annotations[] = {&annotation};
  Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
  graph.name = TEXT("tensors");
  graph.n_initializer = COUNT(t), graph.initializer = tensors;
  graph.n_sparse_initializer = 1, graph.sparse_initializer = sparses;
  graph.n_quantization_annotation = 1, graph.quantization_annotation = annotations;
  Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
  model.has_ir_version = 1, model.ir_version = 14;
  model.graph = &graph;
  return pack(&model);
}

// Parts of the second seed, which point at each other.
typedef struct node_parts {
  Onnx__TensorShapeProto__Dimension symbol, number, *dims[2];
  Onnx__TensorShapeProto shape;
  Onnx__TypeProto__Tensor tensor_type;
  Onnx__TypeProto type;
  Onnx__ValueInfoProto x, y, *inputs[1], *outputs[1];
  Onnx__TensorProto value;
  Onnx__AttributeProto a[5], *plain[4], *graphs[1];
  Onnx__NodeProto inner, *inners[1], n[3], *nodes[3];
  Onnx__GraphProto branch, graph;
  Onnx__OperatorSetIdProto opset, *opsets[1];
  Onnx__FunctionProto function, *functions[1];
} node_parts;

static char *x_name[] = {TEXT("x")}, *y_name[] = {TEXT("y")}, *c_name[] = {TEXT("c")};
static int64_t ints[] = {1, -2, 1ll << 40};
static float floats[] = {0.5f, 1};
static ProtobufCBinaryData strings[] = {BYTES("one"), BYTES("two")};

// f32[N, 3]
static void fill_type(node_parts *p) {
  onnx__tensor_shape_proto__dimension__init(&p->symbol);
  onnx__tensor_shape_proto__dimension__init(&p->number);
  p->symbol.value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
  p->symbol.dim_param = TEXT("N");
  p->number.value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
  p->number.dim_value = 3;
  p->dims[0] = &p->symbol, p->dims[1] = &p->number;
  onnx__tensor_shape_proto__init(&p->shape);
  p->shape.n_dim = 2, p->shape.dim = p->dims;
  onnx__type_proto__tensor__init(&p->tensor_type);
  p->tensor_type.has_elem_type = 1, p->tensor_type.elem_type = 1;
  p->tensor_type.shape = &p->shape;
  onnx__type_proto__init(&p->type);
  p->type.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
  p->type.tensor_type = &p->tensor_type;
  onnx__value_info_proto__init(&p->x);
  onnx__value_info_proto__init(&p->y);
  p->x.name = TEXT("x"), p->x.type = &p->type;
  p->y.name = TEXT("y"), p->y.type = &p->type;
  p->inputs[0] = &p->x, p->outputs[0] = &p->y;
}

static void fill_attributes(node_parts *p) {
  p->value = tensor_of("v", 7, NULL, 0);
  p->value.n_int64_data = 1, p->value.int64_data = ints;
  Onnx__AttributeProto *a = p->a;
  for (size_t i = 0; i < COUNT(p->a); i++) {
    onnx__attribute_proto__init(&a[i]);
    a[i].has_type = 1;
  }
  a[0].name = TEXT("pads"), a[0].type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS;
  a[0].n_ints = COUNT(ints), a[0].ints = ints;
  a[1].name = TEXT("scales"), a[1].type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS;
  a[1].n_floats = COUNT(floats), a[1].floats = floats;
  a[2].name = TEXT("keys"), a[2].type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS;
  a[2].n_strings = COUNT(strings), a[2].strings = strings;
  a[3].name = TEXT("value"), a[3].type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR;
  a[3].t = &p->value;
  a[4].name = TEXT("then_branch"), a[4].type = ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH;
  a[4].g = &p->branch;
  for (size_t i = 0; i < COUNT(p->plain); i++) {
    p->plain[i] = &a[i];
  }
  p->graphs[0] = &a[4];
}

static void fill_graphs(node_parts *p) {
  onnx__node_proto__init(&p->inner);
  p->inner.op_type = TEXT("Relu");
  p->inner.n_input = 1, p->inner.input = x_name;
  p->inner.n_output = 1, p->inner.output = y_name;
  p->inners[0] = &p->inner;
  onnx__graph_proto__init(&p->branch);
  p->branch.name = TEXT("branch");
  p->branch.n_node = 1, p->branch.node = p->inners;
  p->branch.n_output = 1, p->branch.output = p->outputs;
  Onnx__NodeProto *n = p->n;
  for (size_t i = 0; i < COUNT(p->n); i++) {
    onnx__node_proto__init(&n[i]);
    n[i].n_input = 1, n[i].input = x_name;
    n[i].n_output = 1, n[i].output = i ? y_name : c_name;
    p->nodes[i] = &n[i];
  }
  n[0].op_type = TEXT("Conv"), n[0].name = TEXT("conv0");
  n[0].n_attribute = COUNT(p->plain), n[0].attribute = p->plain;
  n[1].op_type = TEXT("If");
  n[1].n_attribute = 1, n[1].attribute = p->graphs;
  n[2].op_type = TEXT("Twice"), n[2].domain = TEXT("local");
  onnx__graph_proto__init(&p->graph);
  p->graph.name = TEXT("nodes");
  p->graph.n_node = COUNT(p->nodes), p->graph.node = p->nodes;
  p->graph.n_input = 1, p->graph.input = p->inputs;
  p->graph.n_output = 1, p->graph.output = p->outputs;
}

// A node with attributes, an If with a graph, a call of a model-local function.
static aicc_buf *seed_nodes(void) {
  node_parts p;
  fill_type(&p);
  fill_attributes(&p);
  fill_graphs(&p);
  onnx__operator_set_id_proto__init(&p.opset);
  p.opset.domain = TEXT(""), p.opset.has_version = 1, p.opset.version = 21;
  p.opsets[0] = &p.opset;
  onnx__function_proto__init(&p.function);
  p.function.name = TEXT("Twice"), p.function.domain = TEXT("local");
  p.function.n_input = 1, p.function.input = x_name;
  p.function.n_output = 1, p.function.output = y_name;
  p.function.n_node = 1, p.function.node = p.inners;
  p.function.n_opset_import = 1, p.function.opset_import = p.opsets;
  p.functions[0] = &p.function;
  Onnx__ModelProto model = ONNX__MODEL_PROTO__INIT;
  model.has_ir_version = 1, model.ir_version = 10;
  model.producer_name = TEXT("aicc seeds");
  model.n_opset_import = 1, model.opset_import = p.opsets;
  model.n_functions = 1, model.functions = p.functions;
  model.graph = &p.graph;
  return pack(&model);
}

static aicc_buf *seed_sequence(void) {
  int64_t dims[] = {2};
  Onnx__TensorProto tensor = tensor_of("", 2, dims, 1);
  tensor.has_raw_data = 1, tensor.raw_data = (ProtobufCBinaryData)BYTES("ab");
  Onnx__TensorProto *tensors[] = {&tensor, &tensor};
  Onnx__SequenceProto inner = ONNX__SEQUENCE_PROTO__INIT;
  inner.has_elem_type = 1, inner.elem_type = ONNX__SEQUENCE_PROTO__DATA_TYPE__TENSOR;
  inner.n_tensor_values = 2, inner.tensor_values = tensors;
  Onnx__SequenceProto *inners[] = {&inner};
  Onnx__SequenceProto outer = ONNX__SEQUENCE_PROTO__INIT;
  outer.has_elem_type = 1, outer.elem_type = ONNX__SEQUENCE_PROTO__DATA_TYPE__SEQUENCE;
  outer.n_sequence_values = 1, outer.sequence_values = inners;
  return pack(&outer);
}

aicc_buf *aicc_fuzz_model_seed(int index) {
  switch (index) {
    case 0: return seed_tensors();
    case 1: return seed_nodes();
    case 2: return seed_sequence();
    default: return NULL;
  }
}
