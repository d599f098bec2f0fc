#include "fuzz/model_target.h"

#include <stdlib.h>

#include "frontend/onnx_tensor.h"

typedef struct visitor {
  aicc_onnx_file *file;
  aicc_diags *diags;
} visitor;

// A status is not OK if and only if errors were said.
static void check(const visitor *v, aicc_status status, size_t errors_before) {
  AICC_ASSERT((status != AICC_OK) == (v->diags->error_count > errors_before));
}

// Touches the first and the last byte, as any user of the tensor would.
static void visit_result(aicc_onnx_tensor *tensor) {
  if (tensor->bytes.size) {
    const volatile uint8_t *data = aicc_view_data(tensor->bytes);
    (void)data[0];
    (void)data[tensor->bytes.size - 1];
  }
  AICC_ASSERT(tensor->bytes.size == (uint64_t)tensor->count * aicc_dtype_size(tensor->dtype));
  aicc_onnx_tensor_deinit(tensor);
}

static void visit_tensor(const visitor *v, const Onnx__TensorProto *proto) {
  aicc_onnx_tensor tensor;
  const size_t errors = v->diags->error_count;
  const aicc_status status = aicc_onnx_tensor_read(v->file, proto, NULL, v->diags, &tensor);
  check(v, status, errors);
  if (status == AICC_OK) {
    visit_result(&tensor);
  }
}

static void visit_sparse(const visitor *v, const Onnx__SparseTensorProto *proto) {
  aicc_onnx_tensor tensor;
  const size_t errors = v->diags->error_count;
  const aicc_status status = aicc_onnx_sparse_read(v->file, proto, NULL, v->diags, &tensor);
  check(v, status, errors);
  if (status == AICC_OK) {
    visit_result(&tensor);
  }
}

static void visit_graph(const visitor *v, const Onnx__GraphProto *graph);

static void visit_attribute(const visitor *v, const Onnx__AttributeProto *attribute) {
  if (attribute->t) {
    visit_tensor(v, attribute->t);
  }
  if (attribute->sparse_tensor) {
    visit_sparse(v, attribute->sparse_tensor);
  }
  for (size_t i = 0; i < attribute->n_tensors; i++) {
    visit_tensor(v, attribute->tensors[i]);
  }
  if (attribute->g) {
    visit_graph(v, attribute->g);
  }
  for (size_t i = 0; i < attribute->n_graphs; i++) {
    visit_graph(v, attribute->graphs[i]);
  }
}

static void visit_nodes(const visitor *v, Onnx__NodeProto *const *nodes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    for (size_t j = 0; j < nodes[i]->n_attribute; j++) {
      visit_attribute(v, nodes[i]->attribute[j]);
    }
  }
}

static void visit_graph(const visitor *v, const Onnx__GraphProto *graph) {
  for (size_t i = 0; i < graph->n_initializer; i++) {
    visit_tensor(v, graph->initializer[i]);
  }
  for (size_t i = 0; i < graph->n_sparse_initializer; i++) {
    visit_sparse(v, graph->sparse_initializer[i]);
  }
  visit_nodes(v, graph->node, graph->n_node);
}

static void visit_model(const visitor *v, const Onnx__ModelProto *model) {
  visit_graph(v, model->graph);
  for (size_t i = 0; i < model->n_functions; i++) {
    visit_nodes(v, model->functions[i]->node, model->functions[i]->n_node);
  }
}

static void visit_sequence(const visitor *v, const Onnx__SequenceProto *sequence) {
  for (size_t i = 0; i < sequence->n_tensor_values; i++) {
    visit_tensor(v, sequence->tensor_values[i]);
  }
  for (size_t i = 0; i < sequence->n_sequence_values; i++) {
    visit_sequence(v, sequence->sequence_values[i]);
  }
}

static void visit_file(const visitor *v) {
  switch (v->file->kind) {
    case AICC_ONNX_MODEL: visit_model(v, v->file->model); break;
    case AICC_ONNX_TENSOR: visit_tensor(v, v->file->tensor); break;
    case AICC_ONNX_SEQUENCE: visit_sequence(v, v->file->sequence); break;
    default: break;
  }
}

static bool open_as(aicc_buf *buf, aicc_onnx_kind kind) {
  aicc_diags diags;
  aicc_diags_init(&diags);
  visitor v = {.diags = &diags};
  // No folder: whatever external data a mutation names, no file is touched.
  const aicc_status status =
      aicc_onnx_file_from_buf(buf, "fuzz.onnx", NULL, kind, &diags, &v.file);
  check(&v, status, 0);
  if (status == AICC_OK) {
    visit_file(&v);
    aicc_onnx_file_close(v.file);
  }
  aicc_diags_deinit(&diags);
  return status == AICC_OK;
}

int aicc_fuzz_model(const uint8_t *data, size_t size) {
  int opened = 0;
  aicc_buf *buf = aicc_buf_create_copy(data, size);
  for (aicc_onnx_kind kind = AICC_ONNX_MODEL; kind <= AICC_ONNX_MAP; kind++) {
    opened += open_as(buf, kind);
  }
  aicc_buf_release(buf);
  return opened;
}
