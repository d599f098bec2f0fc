// Types of the model, and the inputs of its graph with the options that override their shapes.
#include <string.h>

#include "frontend/import_internal.h"

typedef Onnx__TensorShapeProto__Dimension dim_proto;

static const int64_t most_in_dimension = 1ll << 46;  // and of bytes in a tensor: ir/infer.c

// The dimensions that inputs name, and values that options give to names.
typedef struct input_dims {
  aicc_importer *im;
  aicc_names named;   // symbols that are a whole dimension of some input: defined at entry
  aicc_names values;  // name -> int64_t, from --dim and --shapes
  aicc_names used;    // those of values that some input has
} input_dims;

// "?" is how some exporters spell "unknown": two of them are two sizes.
static bool is_param(const dim_proto *dim) {
  return dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM &&
         !aicc_is_empty(dim->dim_param) && strcmp(dim->dim_param, "?") != 0;
}

static const Onnx__TensorShapeProto *input_shape(const Onnx__ValueInfoProto *input) {
  const Onnx__TypeProto *type = input->type;
  return type && type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE
             ? type->tensor_type->shape : NULL;
}

static aicc_status refuse_option(aicc_importer *im, const char *name, const char *reason) {
  const aicc_loc loc = {.file = im->module->file};
  AICC_EMIT(im->diags, E0343, &loc, name, reason);
  return AICC_INVALID;
}

// --- values of names -----------------------------------------------------------------------------

static void set_value(input_dims *d, const char *name, int64_t value) {
  if (value < 0) {
    aicc_import_fail(d->im, refuse_option(d->im, name, "a size is negative"));
    return;
  }
  const int64_t *have = aicc_names_get(&d->values, name);
  if (have && *have != value) {
    aicc_import_fail(d->im, refuse_option(d->im, name, "two different sizes are given"));
    return;
  }
  if (!have) {
    aicc_names_add(&d->values, &d->im->scratch, name,
                   aicc_arena_memdup(&d->im->scratch, &value, sizeof value));
  }
}

static const aicc_import_shape *shape_option(const aicc_importer *im, const char *input) {
  for (int i = 0; im->options && i < im->options->shape_count; i++) {
    if (strcmp(im->options->shapes[i].input, input) == 0) {
      return &im->options->shapes[i];
    }
  }
  return NULL;
}

static void collect_values(input_dims *d, const Onnx__GraphProto *graph) {
  const aicc_import_options *options = d->im->options;
  for (int i = 0; options && i < options->dim_count; i++) {
    set_value(d, options->dims[i].name, options->dims[i].value);
  }
  for (size_t i = 0; i < graph->n_input; i++) {
    const Onnx__TensorShapeProto *shape = input_shape(graph->input[i]);
    const aicc_import_shape *option = shape_option(d->im, graph->input[i]->name);
    for (size_t k = 0; option && shape && k < shape->n_dim && (int)k < option->rank; k++) {
      if (is_param(shape->dim[k]) && option->sizes[k] >= 0) {
        set_value(d, shape->dim[k]->dim_param, option->sizes[k]);
      }
    }
  }
}

static void collect_names(input_dims *d, const Onnx__GraphProto *graph) {
  for (size_t i = 0; i < graph->n_input; i++) {
    const Onnx__TensorShapeProto *shape = input_shape(graph->input[i]);
    for (size_t k = 0; shape && k < shape->n_dim; k++) {
      if (is_param(shape->dim[k])) {
        aicc_names_add(&d->named, &d->im->scratch, shape->dim[k]->dim_param, d);
      }
    }
  }
}

// The value an option gives to |name|, NULL: none.
static const int64_t *use_value(input_dims *d, const char *name) {
  const int64_t *value = aicc_names_get(&d->values, name);
  if (value) {
    aicc_names_add(&d->used, &d->im->scratch, name, d);
  }
  return value;
}

// --- dimensions ----------------------------------------------------------------------------------

static aicc_dim input_symbol(aicc_importer *im, const char *name) {
  const aicc_dim symbol = aicc_dim_symbol(im->dims, name);
  aicc_dim_set_lower(im->dims, symbol, 0);
  return symbol;
}

// True if every symbol of |dim| is a whole dimension of some input, or has a value.
static bool symbols_named(const input_dims *d, aicc_dim dim) {
  const char *name = aicc_dim_symbol_name(d->im->dims, dim);
  if (name) {
    return aicc_names_get(&d->named, name) || aicc_names_get(&d->values, name);
  }
  for (int i = 0; i < 3; i++) {
    const aicc_dim operand = aicc_dim_operand(d->im->dims, dim, i);
    if (operand != AICC_DIM_NONE && !symbols_named(d, operand)) {
      return false;
    }
  }
  return true;
}

static aicc_dim symbol_value(void *context, aicc_dim symbol) {
  input_dims *d = context;
  const char *name = aicc_dim_symbol_name(d->im->dims, symbol);
  const int64_t *value = use_value(d, name);
  // Looked up again to give the symbol its bound.
  return value ? aicc_dim_const(d->im->dims, *value) : input_symbol(d->im, name);
}

// A named dimension. Expressions of exporters ("past + seq") are understood where other inputs
// define their parts; other texts are names as they stand.
static aicc_dim param_dim(input_dims *d, const char *text) {
  aicc_dims *dims = d->im->dims;
  const int64_t *value = use_value(d, text);
  if (value) {
    return aicc_dim_const(dims, *value);
  }
  aicc_dim dim;
  if (aicc_dim_parse(dims, text, strlen(text), &dim) && symbols_named(d, dim)) {
    return aicc_dim_substitute(dims, dim, symbol_value, d);
  }
  return input_symbol(d->im, text);
}

static aicc_dim fresh_dim(aicc_importer *im, const char *prefix) {
  const aicc_dim dim = aicc_dim_fresh(im->dims, prefix);
  aicc_dim_set_lower(im->dims, dim, 0);
  return dim;
}

static aicc_dim shape_dim(aicc_importer *im, input_dims *d, const dim_proto *dim,
                          const char *prefix) {
  if (is_param(dim)) {
    return d ? param_dim(d, dim->dim_param) : input_symbol(im, dim->dim_param);
  }
  // Exporters write -1 for sizes they do not know.
  const bool known = dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
                     dim->dim_value >= 0;
  return known ? aicc_dim_const(im->dims, dim->dim_value) : fresh_dim(im, prefix);
}

// --- types ---------------------------------------------------------------------------------------

static bool is_number(const dim_proto *dim) {
  return dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
         dim->dim_value >= 0;
}

static aicc_status refuse_type(aicc_importer *im, const char *what) {
  AICC_EMIT(im->diags, E0346, aicc_import_loc(im), what);
  return AICC_UNSUPPORTED;
}

static aicc_status tensor_type(aicc_importer *im, const Onnx__TypeProto__Tensor *proto, bool nested,
                               aicc_type *out) {
  aicc_dtype dtype;
  if (!aicc_dtype_from_onnx(proto->elem_type, &dtype)) {
    return refuse_type(im, "a tensor of unknown element type");
  }
  const Onnx__TensorShapeProto *shape = proto->shape;
  if (!shape) {
    *out = (aicc_type){.kind = AICC_TYPE_TENSOR, .dtype = dtype, .rank = -1};
    return AICC_OK;
  }
  if (shape->n_dim > AICC_MAX_RANK) {
    AICC_EMIT0(im->diags, E0341, aicc_import_loc(im));
    return AICC_UNSUPPORTED;
  }
  aicc_dim dims[AICC_MAX_RANK];
  for (size_t i = 0; i < shape->n_dim; i++) {
    dims[i] = nested && !is_number(shape->dim[i]) ? aicc_dim_symbol(im->dims, AICC_DIM_ANY)
                                                  : shape_dim(im, NULL, shape->dim[i], "d");
  }
  *out = aicc_type_tensor(im->module, dtype, dims, (int)shape->n_dim);
  return AICC_OK;
}

static aicc_status import_type(aicc_importer *im, const Onnx__TypeProto *proto, int depth,
                               aicc_type *out) {
  if (!proto || depth > 8) {
    return refuse_type(im, proto ? "nested too deep" : "missing");
  }
  const Onnx__TypeProto *element = NULL;
  switch (proto->value_case) {
    case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE:
      return tensor_type(im, proto->tensor_type, depth > 0, out);
    case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE:
      out->kind = AICC_TYPE_SEQUENCE;
      element = proto->sequence_type->elem_type;
      break;
    case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE:
      out->kind = AICC_TYPE_OPTIONAL;
      element = proto->optional_type->elem_type;
      break;
    case ONNX__TYPE_PROTO__VALUE_MAP_TYPE:
      return refuse_type(im, "a map");
    case ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE:
      return refuse_type(im, "a sparse tensor");
    default:
      return refuse_type(im, "missing or opaque");
  }
  aicc_type *inner = AICC_NEW(&im->module->arena, aicc_type);
  AICC_TRY(import_type(im, element, depth + 1, inner));
  *out = (aicc_type){.kind = out->kind, .dtype = inner->dtype, .element = inner};
  return AICC_OK;
}

aicc_status aicc_import_type(aicc_importer *im, const Onnx__TypeProto *proto, aicc_type *out) {
  *out = (aicc_type){0};
  return import_type(im, proto, 0, out);
}

// --- inputs --------------------------------------------------------------------------------------

static aicc_status refuse_input(aicc_importer *im, const char *name, const char *reason,
                                aicc_status status) {
  const aicc_loc loc = {.file = im->module->file};
  AICC_EMIT(im->diags, E0342, &loc, name, reason);
  return status;
}

// -1 is "unknown" to many exporters; what is below it is nothing.
static aicc_status check_dims(aicc_importer *im, const Onnx__ValueInfoProto *input) {
  const Onnx__TensorShapeProto *shape = input_shape(input);
  for (size_t i = 0; shape && i < shape->n_dim; i++) {
    const dim_proto *dim = shape->dim[i];
    if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
        (dim->dim_value < -1 || dim->dim_value > most_in_dimension)) {
      return refuse_input(im, input->name,
                          aicc_arena_printf(&im->scratch,
                                            "dimension %zu is %lld; it must be one of 0 .. 2^46, "
                                            "or -1 where it is not known",
                                            i, (long long)dim->dim_value),
                          AICC_INVALID);
    }
  }
  return AICC_OK;
}

static aicc_status check_option(aicc_importer *im, const aicc_import_shape *option,
                                const Onnx__TensorShapeProto *shape) {
  if (option->rank > AICC_MAX_RANK || option->rank < 0) {
    return refuse_option(im, option->input, "a tensor has at most 12 dimensions");
  }
  if (shape && (int)shape->n_dim != option->rank) {
    return refuse_option(im, option->input, "the model's input has another number of dimensions");
  }
  for (int i = 0; shape && i < option->rank; i++) {
    const dim_proto *dim = shape->dim[i];
    if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE &&
        dim->dim_value >= 0 && option->sizes[i] >= 0 && option->sizes[i] != dim->dim_value) {
      return refuse_option(im, option->input, "the model fixes a dimension to another size");
    }
  }
  return AICC_OK;
}

// The product of the known dimensions.
static aicc_status check_bytes(aicc_importer *im, const char *name, const aicc_type *type) {
  const int64_t most = most_in_dimension / (int64_t)aicc_dtype_size(type->dtype);
  int64_t count = 1, size = 0;
  for (int i = 0; i < type->rank; i++) {
    if (aicc_dim_is_const(im->dims, type->dims[i], &size) && size > 0) {
      if (size > most || count > most / size) {
        return refuse_input(im, name, "it has more than 2^46 bytes", AICC_RESOURCE);
      }
      count *= size;
    }
  }
  return AICC_OK;
}

static aicc_status tensor_input_type(input_dims *d, const Onnx__ValueInfoProto *input,
                                     aicc_type *out) {
  aicc_importer *im = d->im;
  const Onnx__TypeProto__Tensor *proto = input->type->tensor_type;
  const aicc_import_shape *option = shape_option(im, input->name);
  aicc_dtype dtype;
  if (!aicc_dtype_from_onnx(proto->elem_type, &dtype)) {
    return refuse_input(im, input->name,
                        aicc_arena_printf(&im->scratch,
                                          "its element type, %d, is not one aicc knows",
                                          (int)proto->elem_type),
                        AICC_UNSUPPORTED);
  }
  AICC_TRY(check_dims(im, input));
  if (option) {
    AICC_TRY(check_option(im, option, proto->shape));
  }
  if (!proto->shape && !option) {
    return refuse_input(im, input->name, "the model does not state its rank; give --shapes",
                        AICC_UNSUPPORTED);
  }
  const int rank = option ? option->rank : (int)proto->shape->n_dim;
  if (rank > AICC_MAX_RANK) {
    return refuse_input(im, input->name, "it has more than 12 dimensions", AICC_UNSUPPORTED);
  }
  const char *prefix = aicc_arena_printf(&im->scratch, "%s_d", input->name);
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    dims[i] = option && option->sizes[i] >= 0 ? aicc_dim_const(im->dims, option->sizes[i])
              : proto->shape ? shape_dim(im, d, proto->shape->dim[i], prefix)
                             : fresh_dim(im, prefix);
  }
  *out = aicc_type_tensor(im->module, dtype, dims, rank);
  return check_bytes(im, input->name, out);
}

static void import_input(input_dims *d, aicc_scope *scope, const Onnx__ValueInfoProto *input) {
  aicc_importer *im = d->im;
  aicc_type type = {0};
  const bool is_tensor =
      input->type && input->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
  const aicc_status status =
      is_tensor     ? tensor_input_type(d, input, &type)
      : input->type ? aicc_import_type(im, input->type, &type)
                    : refuse_input(im, input->name, "the model states no type of it", AICC_INVALID);
  aicc_import_fail(im, status);
  aicc_binding binding = {.poison = status != AICC_OK};
  if (status == AICC_OK) {
    binding.value = aicc_region_add_param(im->module, scope->region, input->name, type);
  }
  aicc_scope_bind(im, scope, input->name, binding);
}

static void check_options(aicc_importer *im, const Onnx__GraphProto *graph) {
  for (int i = 0; im->options && i < im->options->shape_count; i++) {
    const char *name = im->options->shapes[i].input;
    size_t k = 0;
    while (k < graph->n_input && strcmp(graph->input[k]->name, name) != 0) {
      k++;
    }
    if (k == graph->n_input) {
      aicc_import_fail(im, refuse_option(im, name, "the model has no such input"));
    }
  }
}

void aicc_import_inputs(aicc_importer *im, aicc_scope *scope, const Onnx__GraphProto *graph) {
  input_dims d = {.im = im};
  for (size_t i = 0; i < graph->n_input; i++) {
    if (aicc_is_empty(graph->input[i]->name)) {
      aicc_import_fail(im, refuse_input(im, "", "it has no name", AICC_INVALID));
      return;
    }
  }
  check_options(im, graph);
  collect_values(&d, graph);
  collect_names(&d, graph);
  aicc_names seen = {0};
  for (size_t i = 0; i < graph->n_input; i++) {
    if (!aicc_names_add(&seen, &im->scratch, graph->input[i]->name, &seen)) {
      aicc_import_fail(im, refuse_input(im, graph->input[i]->name, "it is listed twice",
                                        AICC_INVALID));
      continue;
    }
    // Old files list initialisers among the inputs.
    if (!aicc_names_get(&scope->names, graph->input[i]->name)) {
      import_input(&d, scope, graph->input[i]);
    }
  }
  for (int i = 0; im->options && i < im->options->dim_count; i++) {
    const char *name = im->options->dims[i].name;
    if (!aicc_names_get(&d.used, name)) {
      aicc_import_fail(im, refuse_option(im, name, "no input has a dimension of that name"));
    }
  }
}
