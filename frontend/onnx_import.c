// The walk over the nodes of a model.
#include "frontend/onnx_import.h"

#include <string.h>

#include "frontend/import_internal.h"

enum { IR_VERSION_KNOWN = 14, OPSET_KNOWN = 28 };

// --- reports -------------------------------------------------------------------------------------

const aicc_loc *aicc_import_loc(aicc_importer *im) { return &im->b.loc; }

static int badness(aicc_status status) {
  switch (status) {
    case AICC_OK: return 0;
    case AICC_UNSUPPORTED: return 1;
    case AICC_INVALID: return 2;
    case AICC_IO: return 3;
    case AICC_RESOURCE: return 4;
    case AICC_INTERNAL: return 5;
  }
  return 5;
}

void aicc_import_fail(aicc_importer *im, aicc_status status) {
  if (badness(status) > badness(im->status)) {
    im->status = status;
  }
}

aicc_status aicc_unsupported(aicc_importer *im, const aicc_onnx_node *n AICC_UNUSED,
                             const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *text = aicc_arena_vprintf(&im->scratch, format, args);
  va_end(args);
  AICC_EMIT(im->diags, E0340, aicc_import_loc(im), text);
  return AICC_UNSUPPORTED;
}

aicc_status aicc_invalid(aicc_importer *im, const aicc_onnx_node *n AICC_UNUSED,
                         const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *text = aicc_arena_vprintf(&im->scratch, format, args);
  va_end(args);
  AICC_EMIT(im->diags, E0339, aicc_import_loc(im), text);
  return AICC_INVALID;
}

// --- one node ------------------------------------------------------------------------------------

bool aicc_wants_out(const aicc_onnx_node *n, int i) {
  return i < n->out_count && *n->proto->output[i];
}

aicc_status aicc_set_out(aicc_importer *im, const aicc_onnx_node *n, int i, aicc_value *value) {
  if (!value) {
    return AICC_INVALID;
  }
  if (!aicc_wants_out(n, i)) {
    return AICC_OK;
  }
  n->out[i] = value;
  if (!value->name && value->def) {
    value->name = aicc_arena_printf(&im->module->arena, "%s%s", n->scope->frame->path,
                                    n->proto->output[i]);
  }
  return AICC_OK;
}

// Number of names up to the last that is not empty.
static int list_length(char *const *names, size_t count) {
  while (count > 0 && !*names[count - 1]) {
    count--;
  }
  return (int)count;
}

static const char *node_name(aicc_importer *im, const aicc_scope *scope,
                             const Onnx__NodeProto *proto, int index) {
  if (!aicc_is_empty(proto->name)) {
    return aicc_arena_printf(&im->module->arena, "%s%s", scope->frame->path, proto->name);
  }
  return aicc_arena_printf(&im->module->arena, "%s%s#%d", scope->frame->path, scope->prefix, index);
}

// 0 where the model does not say. Files older than IR version 3 have one standard operator set.
static int opset_of(const aicc_importer *im, const aicc_frame *frame, const char *domain) {
  for (size_t i = 0; i < frame->opset_count; i++) {
    const char *name = frame->opsets[i]->domain;
    name = !name || strcmp(name, "ai.onnx") == 0 ? "" : name;
    if (strcmp(name, domain) == 0) {
      return (int)frame->opsets[i]->version;
    }
  }
  const bool tolerated = strcmp(domain, "com.microsoft") == 0 ||
                         (!*domain && im->model->has_ir_version && im->model->ir_version < 3);
  return tolerated ? 1 : 0;
}

static const char *shapes_text(aicc_importer *im, const aicc_onnx_node *n) {
  const char *text = "";
  for (int i = 0; i < n->in_count; i++) {
    const char *type =
        n->in[i] ? aicc_type_print(im->module, &n->in[i]->type, &im->scratch) : "-";
    text = aicc_arena_printf(&im->scratch, "%s%s%s", text, i ? ", " : "", type);
  }
  return text;
}

// Fills in->in. False where an input is poison or defined by nothing (reported).
static bool find_inputs(aicc_importer *im, aicc_onnx_node *n) {
  bool complete = true;
  for (int i = 0; i < n->in_count; i++) {
    const char *name = n->proto->input[i];
    if (!*name) {
      continue;
    }
    const aicc_found found = aicc_scope_find(im, n->scope, name, &n->in[i]);
    complete = complete && found != AICC_FOUND_POISON;
    if (found != AICC_FOUND_NOTHING || aicc_function_has_input(n->scope->frame, name)) {
      continue;
    }
    AICC_EMIT(im->diags, E0334, aicc_import_loc(im), name);
    aicc_import_fail(im, AICC_INVALID);
    complete = false;
  }
  while (n->in_count && complete && !n->in[n->in_count - 1]) {
    n->in_count--;  // a call left out the input of the function that stands here
  }
  return complete;
}

static const char *range_text(aicc_importer *im, int least, int most) {
  return most < 0          ? aicc_arena_printf(&im->scratch, "at least %d", least)
         : least == most   ? aicc_arena_printf(&im->scratch, "%d", least)
                           : aicc_arena_printf(&im->scratch, "%d to %d", least, most);
}

// All importers but these read tensors only, and need not look.
static bool takes_any_type(aicc_import_fn import) {
  static const aicc_import_fn any[] = {
      import_identity, import_if, import_loop, import_scan, import_scan_batched,
      import_sequence_insert, import_sequence_construct, import_sequence_erase, import_sequence_at,
      import_sequence_length, import_sequence_map, import_concat_from_sequence, import_optional,
      import_optional_has_element, import_optional_get_element,
  };
  for (size_t i = 0; i < sizeof any / sizeof any[0]; i++) {
    if (any[i] == import) {
      return true;
    }
  }
  return false;
}

static aicc_status check_counts(aicc_importer *im, const aicc_onnx_node *n,
                                const aicc_onnx_op *row) {
  if (n->in_count < row->in_least || (row->in_most >= 0 && n->in_count > row->in_most)) {
    AICC_EMIT(im->diags, E0335, aicc_import_loc(im), n->type,
              range_text(im, row->in_least, row->in_most), "inputs", n->in_count);
    return AICC_INVALID;
  }
  if (n->out_count < row->out_least || (row->out_most >= 0 && n->out_count > row->out_most)) {
    AICC_EMIT(im->diags, E0335, aicc_import_loc(im), n->type,
              range_text(im, row->out_least, row->out_most), "outputs", n->out_count);
    return AICC_INVALID;
  }
  const bool needs_all = row->in_most < 0 && !takes_any_type(row->import);
  for (int i = 0; i < (needs_all ? n->in_count : row->in_least); i++) {
    if (!n->in[i]) {
      AICC_EMIT(im->diags, E0336, aicc_import_loc(im), i, n->proto->input[i], n->type);
      return AICC_INVALID;
    }
  }
  return AICC_OK;
}

static aicc_status check_types(aicc_importer *im, const aicc_onnx_node *n,
                               const aicc_onnx_op *row) {
  for (int i = 0; i < n->in_count && !takes_any_type(row->import); i++) {
    const aicc_value *x = n->in[i];
    if (x && (x->type.kind != AICC_TYPE_TENSOR || x->type.rank < 0)) {
      return aicc_invalid(im, n, "input %d is no tensor", i);
    }
  }
  return AICC_OK;
}

// What files of old versions carry and nothing reads.
static bool is_ignored(const char *attribute) { return strcmp(attribute, "consumed_inputs") == 0; }

static aicc_status check_used(aicc_importer *im, const aicc_onnx_node *n) {
  aicc_status status = AICC_OK;
  for (size_t i = 0; i < n->proto->n_attribute; i++) {
    const Onnx__AttributeProto *attr = n->proto->attribute[i];
    const char *name = attr->name ? attr->name : "";
    // A reference to an attribute that the call leaves out is no attribute.
    if (!n->used[i] && !is_ignored(name) && aicc_frame_resolve(n->scope->frame, attr)) {
      AICC_EMIT(im->diags, E0332, aicc_import_loc(im), name, n->type);
      status = AICC_UNSUPPORTED;
    }
  }
  return status;
}

static aicc_status check_done(aicc_importer *im, const aicc_onnx_node *n) {
  AICC_TRY(check_used(im, n));
  for (int i = 0; i < n->out_count && !im->split; i++) {
    if (aicc_wants_out(n, i) && !n->out[i]) {
      AICC_EMIT(im->diags, E0902, aicc_import_loc(im), "an importer left an output unset");
      return AICC_INTERNAL;
    }
  }
  return AICC_OK;
}

// The row for |n|, or NULL after reporting.
static const aicc_onnx_op *find_row(aicc_importer *im, const aicc_onnx_node *n) {
  aicc_onnx_domain domain;
  bool known = false;
  const aicc_onnx_op *row = aicc_onnx_domain_from_name(n->domain, &domain)
                                ? aicc_onnx_op_find(domain, n->type, n->opset, &known) : NULL;
  if (!row) {
    const bool laid_out = strcmp(n->domain, "com.microsoft.nchwc") == 0;
    AICC_EMIT(im->diags, E0331, aicc_import_loc(im), im->b.loc.op,
              known      ? " in this version of the operator set"
              : laid_out ? "; ONNX Runtime laid this file out for one machine: take the original, "
                           "or one that was optimised at level ORT_ENABLE_EXTENDED"
                         : "");
    aicc_import_fail(im, AICC_UNSUPPORTED);
  }
  return row;
}

static aicc_status call_importer(aicc_importer *im, const aicc_onnx_node *n,
                                 const aicc_onnx_op *row) {
  const size_t errors = im->diags->error_count;
  aicc_status status = check_counts(im, n, row);
  if (status == AICC_OK) {
    status = check_types(im, n, row);
  }
  if (status == AICC_OK) {
    status = row->import(im, n, row->payload);
  }
  if (*n->failed && status == AICC_OK) {
    status = AICC_INVALID;
  }
  if (status == AICC_OK) {
    status = check_done(im, n);
  }
  if (status != AICC_OK && im->diags->error_count == errors) {
    AICC_EMIT(im->diags, E0902, aicc_import_loc(im), "an importer failed without saying why");
    return AICC_INTERNAL;
  }
  return status;
}

static void bind_outputs(aicc_importer *im, const aicc_onnx_node *n) {
  for (int i = 0; i < n->out_count && !im->split; i++) {
    if (aicc_wants_out(n, i)) {
      aicc_scope_bind(im, n->scope, n->proto->output[i],
                      (aicc_binding){.value = n->out[i], .poison = !n->out[i]});
    }
  }
}

// Makes the builder stand at |n|: what it reports and makes is of that node.
static void place_builder(aicc_importer *im, const aicc_onnx_node *n, aicc_origin *origin) {
  const char *op = *n->domain ? aicc_arena_printf(&im->module->arena, "%s.%s", n->domain, n->type)
                              : aicc_arena_strdup(&im->module->arena, n->type);
  *origin = (aicc_origin){.node = n->name, .op = op, .index = n->index};
  im->b.origins = origin;
  im->b.origin_count = 1;
  im->b.loc = (aicc_loc){
      .file = im->module->file, .node = n->name, .op = op, .opset = n->opset};
}

static void make_node(aicc_importer *im, aicc_onnx_node *n) {
  const Onnx__FunctionProto *function = aicc_function_find(im, n->domain, n->proto);
  if (!function && n->opset == 0) {
    AICC_EMIT(im->diags, E0330, aicc_import_loc(im), *n->domain ? n->domain : "ai.onnx");
    aicc_import_fail(im, AICC_INVALID);
    return;
  }
  const aicc_onnx_op *row = function ? NULL : find_row(im, n);
  // Also without a row: an input that nothing defines is a fault of its own.
  const bool complete = find_inputs(im, n);
  if (!complete || (!row && !function)) {
    return;
  }
  im->b.loc.shapes = shapes_text(im, n);
  aicc_status status = function ? aicc_function_call(im, n, function) : call_importer(im, n, row);
  if (function && status == AICC_OK) {
    status = check_used(im, n);
  }
  aicc_import_fail(im, status);
  // A function's outputs that do not depend on what failed in it are good.
  if (status != AICC_OK && !function && n->out_count) {
    memset(n->out, 0, (size_t)n->out_count * sizeof *n->out);
  }
}

static void import_node(aicc_importer *im, aicc_scope *scope, const Onnx__NodeProto *proto,
                        int index) {
  bool failed = false;
  aicc_onnx_node n = {
      .proto = proto,
      .name = node_name(im, scope, proto, index),
      .domain = aicc_is_empty(proto->domain) || strcmp(proto->domain, "ai.onnx") == 0
                    ? "" : proto->domain,
      .type = proto->op_type ? proto->op_type : "",
      .index = index,
      .in_count = list_length(proto->input, proto->n_input),
      .out_count = list_length(proto->output, proto->n_output),
      .failed = &failed,
      .im = im,
      .scope = scope,
  };
  n.opset = opset_of(im, scope->frame, n.domain);
  n.in = AICC_NEW_ARRAY(&im->scratch, aicc_value *, n.in_count);
  n.out = AICC_NEW_ARRAY(&im->scratch, aicc_value *, n.out_count);
  n.used = AICC_NEW_ARRAY(&im->scratch, bool, proto->n_attribute);
  // The node of an outer graph goes on after the nodes of its inner graphs.
  const aicc_builder outer = im->b;
  aicc_origin origin;
  place_builder(im, &n, &origin);
  make_node(im, &n);
  bind_outputs(im, &n);
  im->b = outer;
}

void aicc_import_list(aicc_importer *im, aicc_scope *scope, const aicc_node_list *list,
                      size_t from) {
  for (size_t i = from; i < list->count; i++) {
    import_node(im, scope, list->nodes[list->order[i]], (int)list->order[i]);
    if (im->split) {
      aicc_import_split(im, scope, list, i + 1);
      return;
    }
  }
}

void aicc_import_nodes(aicc_importer *im, aicc_scope *scope, Onnx__NodeProto *const *nodes,
                       size_t count, const char *const *outputs, size_t output_count) {
  aicc_node_list list = {.nodes = nodes, .count = count, .outputs = outputs,
                         .output_count = output_count};
  const aicc_status status = aicc_import_order(im, scope, nodes, count, &list.order);
  if (status != AICC_OK) {
    aicc_import_fail(im, status);
    return;
  }
  aicc_import_list(im, scope, &list, 0);
}

// --- graphs --------------------------------------------------------------------------------------

static void import_graph_nodes(aicc_importer *im, aicc_scope *scope,
                               const Onnx__GraphProto *graph) {
  const char **outputs = AICC_NEW_ARRAY(&im->scratch, const char *, graph->n_output);
  for (size_t i = 0; i < graph->n_output; i++) {
    outputs[i] = graph->output[i]->name ? graph->output[i]->name : "";
  }
  aicc_import_nodes(im, scope, graph->node, graph->n_node, outputs, graph->n_output);
}

// The values of the graph's outputs. Notes a failure where one is not there.
static void find_outputs(aicc_importer *im, aicc_scope *scope, const Onnx__GraphProto *graph,
                         aicc_value **results) {
  for (size_t i = 0; i < graph->n_output; i++) {
    const char *name = graph->output[i]->name ? graph->output[i]->name : "";
    if (aicc_scope_find(im, scope, name, &results[i]) == AICC_FOUND_NOTHING) {
      AICC_EMIT(im->diags, E0344, aicc_import_loc(im), name);
      aicc_import_fail(im, AICC_INVALID);
    }
  }
}

static void import_outputs(aicc_importer *im, aicc_scope *scope, const Onnx__GraphProto *graph) {
  const int count = (int)graph->n_output;
  aicc_value **results = AICC_NEW_ARRAY(&im->scratch, aicc_value *, count);
  find_outputs(im, scope, graph, results);
  if (im->status == AICC_OK) {
    aicc_region_set_results(im->module, scope->region, results, count);
  }
}

aicc_status aicc_import_inline(aicc_importer *im, const aicc_onnx_node *n,
                               const Onnx__GraphProto *graph, aicc_value *const *inputs,
                               int input_count, aicc_value **results) {
  const bool may_split = im->may_split;
  im->may_split = false;
  if (n->scope->depth >= AICC_IMPORT_DEPTH_MAX) {
    AICC_EMIT0(im->diags, E0347, aicc_import_loc(im));
    return AICC_UNSUPPORTED;
  }
  if ((int)graph->n_input != input_count) {
    AICC_EMIT(im->diags, E0335, aicc_import_loc(im), "its inner graph",
              range_text(im, input_count, input_count), "inputs", (int)graph->n_input);
    return AICC_INVALID;
  }
  aicc_scope *scope = aicc_scope_create(im, n->scope, n->scope->frame, im->b.region);
  scope->depth = n->scope->depth + 1;
  scope->may_split = may_split;
  scope->prefix = aicc_arena_printf(&im->scratch, "%s/", n->name);
  const aicc_status before = im->status;
  const aicc_builder outer = im->b;
  im->status = AICC_OK;
  for (int i = 0; i < input_count; i++) {
    const char *name = graph->input[i]->name ? graph->input[i]->name : "";
    aicc_scope_bind(im, scope, name,
                    (aicc_binding){.value = inputs[i], .poison = inputs[i] == NULL});
  }
  aicc_scope_bind_initializers(im, scope, graph);
  import_graph_nodes(im, scope, graph);
  if (!im->split) {
    find_outputs(im, scope, graph, results);
  }
  im->b = outer;
  for (size_t i = 0; i < graph->n_output && im->status == AICC_OK && !im->split; i++) {
    if (!results[i]) {  // a node outside of the graph failed
      im->status = aicc_unsupported(im, n, "its inner graph yields what could not be imported");
    }
  }
  const aicc_status inner = im->status;
  im->status = before;
  aicc_import_fail(im, inner);
  return inner;
}

aicc_region *aicc_import_subgraph(aicc_importer *im, const aicc_onnx_node *n,
                                  const Onnx__GraphProto *graph, const aicc_type *param_types,
                                  int param_count) {
  aicc_region *region = aicc_region_create(im->module, NULL);
  aicc_value **params = AICC_NEW_ARRAY(&im->scratch, aicc_value *, param_count);
  for (int i = 0; i < param_count && i < (int)graph->n_input; i++) {
    const char *name = graph->input[i]->name ? graph->input[i]->name : "";
    params[i] = aicc_region_add_param(im->module, region, name, param_types[i]);
  }
  const int count = (int)graph->n_output;
  aicc_value **results = AICC_NEW_ARRAY(&im->scratch, aicc_value *, count);
  const aicc_builder outer = im->b;
  im->b.region = region;
  im->b.before = NULL;
  const aicc_status status = aicc_import_inline(im, n, graph, params, param_count, results);
  im->b = outer;
  if (status != AICC_OK) {
    return NULL;
  }
  aicc_region_set_results(im->module, region, results, count);
  return region;
}

// --- the model -----------------------------------------------------------------------------------

static void check_versions(aicc_importer *im) {
  const aicc_loc loc = {.file = im->module->file};
  if (im->model->has_ir_version && im->model->ir_version > IR_VERSION_KNOWN) {
    AICC_EMIT(im->diags, E0345, &loc, "IR version", (long long)im->model->ir_version,
              (int)IR_VERSION_KNOWN);
  }
  if (im->module->opset > OPSET_KNOWN) {
    AICC_EMIT(im->diags, E0345, &loc, "operator set", (long long)im->module->opset,
              (int)OPSET_KNOWN);
  }
}

static void import_model(aicc_importer *im) {
  const Onnx__GraphProto *graph = im->model->graph;
  aicc_module *module = im->module;
  const aicc_frame frame = {
      .opsets = im->model->opset_import, .opset_count = im->model->n_opset_import, .path = ""};
  aicc_scope *scope = aicc_scope_create(im, NULL, &frame, module->body);
  module->opset = opset_of(im, &frame, "");
  check_versions(im);
  aicc_scope_bind_initializers(im, scope, graph);
  aicc_import_inputs(im, scope, graph);
  import_graph_nodes(im, scope, graph);
  import_outputs(im, scope, graph);
  module->result_names = AICC_NEW_ARRAY(&module->arena, const char *, graph->n_output);
  for (size_t i = 0; i < graph->n_output; i++) {
    const char *name = graph->output[i]->name ? graph->output[i]->name : "";
    module->result_names[i] = aicc_arena_strdup(&module->arena, name);
  }
}

aicc_status aicc_import(aicc_onnx_file *file, const aicc_import_options *options,
                        aicc_diags *diags, aicc_module **out) {
  const char *name = file->model->graph->name;
  aicc_module *module = aicc_module_create(aicc_is_empty(name) ? "main" : name);
  module->file = aicc_arena_strdup(&module->arena, file->name);
  aicc_importer im = {
      .b = {.module = module, .region = module->body, .diags = diags,
            .loc = {.file = module->file}},
      .module = module,
      .dims = module->dims,
      .diags = diags,
      .file = file,
      .options = options,
      .model = file->model,
  };
  aicc_arena_init(&im.scratch);
  import_model(&im);
  aicc_arena_deinit(&im.scratch);
  // What the importer of an operator did not ask of its operands, the rules of the graph do.
  aicc_status status = im.status;
  if (status == AICC_OK) {
    status = aicc_verify(module, diags);
  }
  if (status != AICC_OK) {
    aicc_module_destroy(module);
    return status;
  }
  *out = module;
  return AICC_OK;
}

aicc_status aicc_import_path(const char *path, const aicc_import_options *options,
                             aicc_diags *diags, aicc_module **out) {
  aicc_onnx_file *file;
  AICC_TRY(aicc_onnx_file_open(path, AICC_ONNX_MODEL, diags, &file));
  const aicc_status status = aicc_import(file, options, diags, out);
  aicc_onnx_file_close(file);
  return status;
}
