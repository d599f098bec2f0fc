// Model-local functions: calls are replaced by the function's body.
#include <string.h>

#include "frontend/import_internal.h"

static bool same_text(const char *a, const char *b) { return strcmp(a ? a : "", b ? b : "") == 0; }

static const char *plain_domain(const char *domain) {
  return !domain || strcmp(domain, "ai.onnx") == 0 ? "" : domain;
}

const Onnx__FunctionProto *aicc_function_find(const aicc_importer *im, const char *domain,
                                              const Onnx__NodeProto *node) {
  for (size_t i = 0; i < im->model->n_functions; i++) {
    const Onnx__FunctionProto *f = im->model->functions[i];
    if (same_text(f->name, node->op_type) && same_text(plain_domain(f->domain), domain) &&
        same_text(f->overload, node->overload)) {
      return f;
    }
  }
  return NULL;
}

bool aicc_function_has_input(const aicc_frame *frame, const char *name) {
  for (size_t i = 0; frame->function && i < frame->function->n_input; i++) {
    if (same_text(frame->function->input[i], name)) {
      return true;
    }
  }
  return false;
}

// The attributes of function |f| as frame attributes are numbered: first those without defaults.
static const char *function_attr_name(const Onnx__FunctionProto *f, size_t i) {
  return i < f->n_attribute ? f->attribute[i] : f->attribute_proto[i - f->n_attribute]->name;
}

const Onnx__AttributeProto *aicc_frame_resolve(const aicc_frame *frame,
                                               const Onnx__AttributeProto *attr) {
  if (aicc_is_empty(attr->ref_attr_name)) {
    return attr;
  }
  const Onnx__FunctionProto *f = frame->function;
  for (size_t i = 0; f && i < f->n_attribute + f->n_attribute_proto; i++) {
    if (same_text(function_attr_name(f, i), attr->ref_attr_name)) {
      return frame->attrs[i];
    }
  }
  return NULL;
}

static const Onnx__AttributeProto **call_attrs(aicc_importer *im, const aicc_onnx_node *n,
                                               const Onnx__FunctionProto *f) {
  const size_t count = f->n_attribute + f->n_attribute_proto;
  const Onnx__AttributeProto **attrs =
      AICC_NEW_ARRAY(&im->scratch, const Onnx__AttributeProto *, count + 1);
  for (size_t i = 0; i < count; i++) {
    const char *name = function_attr_name(f, i);
    attrs[i] = name ? aicc_onnx_attr(n, name) : NULL;
    if (!attrs[i] && i >= f->n_attribute) {
      attrs[i] = f->attribute_proto[i - f->n_attribute];
    }
  }
  return attrs;
}

static int call_depth(const aicc_frame *frame) {
  int depth = 0;
  for (; frame->caller; frame = frame->caller) {
    depth++;
  }
  return depth;
}

static void bind_inputs(aicc_importer *im, const aicc_onnx_node *n, const Onnx__FunctionProto *f,
                        aicc_scope *body) {
  for (size_t i = 0; i < f->n_input; i++) {
    aicc_value *value = aicc_in(n, (int)i);
    // An input the call leaves out stays unbound; nodes of the body that read it leave it out too.
    if (value) {
      aicc_scope_bind(im, body, f->input[i], (aicc_binding){.value = value});
    }
  }
}

aicc_status aicc_function_call(aicc_importer *im, const aicc_onnx_node *n,
                               const Onnx__FunctionProto *f) {
  if (n->in_count > (int)f->n_input || n->out_count > (int)f->n_output) {
    return aicc_invalid(im, n, "the call has %d inputs and %d outputs, function '%s' %zu and %zu",
                        n->in_count, n->out_count, n->type, f->n_input, f->n_output);
  }
  aicc_frame *frame = AICC_NEW(&im->scratch, aicc_frame);
  *frame = (aicc_frame){
      .caller = n->scope->frame,
      .function = f,
      .opsets = f->opset_import,
      .opset_count = f->n_opset_import,
      .path = aicc_arena_printf(&im->scratch, "%s/", n->name),
      .attrs = call_attrs(im, n, f),
  };
  if (call_depth(frame) > AICC_IMPORT_DEPTH_MAX) {
    return aicc_invalid(im, n, "functions call each other more than %d deep",
                        AICC_IMPORT_DEPTH_MAX);
  }
  aicc_scope *body = aicc_scope_create(im, NULL, frame, im->b.region);
  body->depth = n->scope->depth;
  bind_inputs(im, n, f, body);
  const aicc_status before = im->status;
  im->status = AICC_OK;
  aicc_import_nodes(im, body, f->node, f->n_node, (const char *const *)f->output, f->n_output);
  const aicc_status inner = im->status;
  im->status = before;
  aicc_import_fail(im, inner);
  for (int i = 0; i < n->out_count; i++) {
    aicc_value *value;
    const aicc_found found = aicc_scope_find(im, body, f->output[i], &value);
    if (found == AICC_FOUND_NOTHING && aicc_wants_out(n, i)) {
      return aicc_invalid(im, n, "nothing defines output '%s' of function '%s'", f->output[i],
                          n->type);
    }
    n->out[i] = value;  // NULL: poison, reported inside
  }
  return inner;
}
