// Attributes of nodes by name, and the tensors they and initialisers hold.
#include <string.h>

#include "frontend/import_internal.h"
#include "frontend/onnx_tensor.h"

typedef Onnx__AttributeProto attr_proto;

static const char *kind_name(int type) {
  static const char *const names[] = {
      "undefined", "a float",   "an integer", "a string", "a tensor",
      "a graph",   "floats",    "integers",   "strings",  "tensors",
      "graphs",    "a sparse tensor", "sparse tensors", "a type", "types",
  };
  return type >= 0 && type < (int)(sizeof names / sizeof names[0]) ? names[type] : "unknown";
}

// Files of IR version 1 do not state the type of an attribute: what is there says it. |wanted|
// decides for an empty list.
static int type_of(const attr_proto *attr, int wanted) {
  if (attr->has_type && attr->type != ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__UNDEFINED) {
    return (int)attr->type;
  }
  return attr->has_f      ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT
         : attr->has_i    ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT
         : attr->has_s    ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING
         : attr->t        ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__TENSOR
         : attr->g        ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__GRAPH
         : attr->n_floats ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOATS
         : attr->n_ints   ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS
         : attr->n_strings ? ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRINGS
                           : wanted;
}

const Onnx__AttributeProto *aicc_onnx_attr(const aicc_onnx_node *n, const char *name) {
  for (size_t i = 0; i < n->proto->n_attribute; i++) {
    const attr_proto *attr = n->proto->attribute[i];
    if (attr->name && strcmp(attr->name, name) == 0) {
      n->used[i] = true;
      return aicc_frame_resolve(n->scope->frame, attr);
    }
  }
  return NULL;
}

bool aicc_onnx_has(const aicc_onnx_node *n, const char *name) {
  return aicc_onnx_attr(n, name) != NULL;
}

// The attribute, if it is there and of type |wanted|.
static const attr_proto *find(const aicc_onnx_node *n, const char *name,
                              Onnx__AttributeProto__AttributeType wanted) {
  const attr_proto *attr = aicc_onnx_attr(n, name);
  if (!attr) {
    return NULL;
  }
  const int type = type_of(attr, (int)wanted);
  if (type != (int)wanted) {
    AICC_EMIT(n->im->diags, E0338, aicc_import_loc(n->im), name, kind_name(type),
              kind_name((int)wanted));
    *n->failed = true;
    return NULL;
  }
  return attr;
}

#define FIND(n, name, TYPE) find((n), (name), ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__##TYPE)

int64_t aicc_onnx_int(const aicc_onnx_node *n, const char *name, int64_t otherwise) {
  const attr_proto *attr = FIND(n, name, INT);
  return attr ? attr->i : otherwise;
}

float aicc_onnx_float(const aicc_onnx_node *n, const char *name, float otherwise) {
  const attr_proto *attr = FIND(n, name, FLOAT);
  return attr ? attr->f : otherwise;
}

static const char *text_of(aicc_importer *im, const ProtobufCBinaryData *bytes) {
  char *text = aicc_arena_alloc(&im->scratch, bytes->len + 1);
  if (bytes->len) {
    memcpy(text, bytes->data, bytes->len);
  }
  return text;
}

const char *aicc_onnx_string(const aicc_onnx_node *n, const char *name, const char *otherwise) {
  const attr_proto *attr = FIND(n, name, STRING);
  return attr ? text_of(n->im, &attr->s) : otherwise;
}

// Lists may have no storage when they are empty; NULL is for absent ones.
static const char no_items[16];

const int64_t *aicc_onnx_ints(const aicc_onnx_node *n, const char *name, int *count) {
  const attr_proto *attr = FIND(n, name, INTS);
  *count = attr ? (int)attr->n_ints : 0;
  return !attr ? NULL : attr->n_ints ? attr->ints : (const int64_t *)(const void *)no_items;
}

const float *aicc_onnx_floats(const aicc_onnx_node *n, const char *name, int *count) {
  const attr_proto *attr = FIND(n, name, FLOATS);
  *count = attr ? (int)attr->n_floats : 0;
  return !attr ? NULL : attr->n_floats ? attr->floats : (const float *)(const void *)no_items;
}

const char *const *aicc_onnx_strings(const aicc_onnx_node *n, const char *name, int *count) {
  const attr_proto *attr = FIND(n, name, STRINGS);
  *count = attr ? (int)attr->n_strings : 0;
  if (!attr) {
    return NULL;
  }
  const char **texts = AICC_NEW_ARRAY(&n->im->scratch, const char *, *count + 1);
  for (int i = 0; i < *count; i++) {
    texts[i] = text_of(n->im, &attr->strings[i]);
  }
  return texts;
}

const Onnx__GraphProto *aicc_onnx_graph(const aicc_onnx_node *n, const char *name) {
  const attr_proto *attr = FIND(n, name, GRAPH);
  return attr ? attr->g : NULL;
}

const Onnx__TypeProto *aicc_onnx_type(const aicc_onnx_node *n, const char *name) {
  const attr_proto *attr = FIND(n, name, TYPE_PROTO);
  return attr ? attr->tp : NULL;
}

const aicc_tensor *aicc_onnx_tensor_attr(const aicc_onnx_node *n, const char *name,
                                         bool *present) {
  const attr_proto *attr = aicc_onnx_attr(n, name);
  *present = attr != NULL;
  if (!attr) {
    return NULL;
  }
  aicc_tensor *tensor = AICC_NEW(&n->im->scratch, aicc_tensor);
  aicc_status status = AICC_INVALID;
  if (attr->sparse_tensor) {
    status = aicc_import_sparse(n->im, attr->sparse_tensor, tensor);
  } else if (FIND(n, name, TENSOR) && attr->t) {
    status = aicc_import_tensor(n->im, attr->t, tensor);
  }
  *n->failed = *n->failed || status != AICC_OK;
  return status == AICC_OK ? tensor : NULL;
}

// --- tensors -------------------------------------------------------------------------------------

// Takes over |read|: the module keeps its bytes. Large tensors stay in the mapped file, aligned or
// not.
static aicc_status keep_tensor(aicc_importer *im, aicc_onnx_tensor *read, aicc_tensor *out) {
  if (read->rank > AICC_MAX_RANK) {
    AICC_EMIT0(im->diags, E0341, aicc_import_loc(im));
    aicc_onnx_tensor_deinit(read);
    return AICC_UNSUPPORTED;
  }
  const size_t size = aicc_dtype_size(read->dtype);
  const bool stays = aicc_buf_is_mapped(read->bytes.buf) && read->bytes.size > AICC_ONNX_ALIGN_MAX;
  const aicc_view view = aicc_view_align(read->bytes, stays ? 1 : size < 8 ? size : 8);
  aicc_module_keep_buf(im->module, view.buf);
  *out = (aicc_tensor){
      .dtype = read->dtype,
      .rank = (int)read->rank,
      .shape = aicc_arena_memdup(&im->module->arena, read->dims, read->rank * sizeof(int64_t)),
      .data = aicc_view_data(view),
      .buf = view.buf,
  };
  aicc_buf_release(view.buf);
  aicc_onnx_tensor_deinit(read);
  return AICC_OK;
}

aicc_status aicc_import_tensor(aicc_importer *im, const Onnx__TensorProto *proto,
                               aicc_tensor *out) {
  aicc_onnx_tensor read;
  AICC_TRY(aicc_onnx_tensor_read(im->file, proto, aicc_import_loc(im), im->diags, &read));
  return keep_tensor(im, &read, out);
}

aicc_status aicc_import_sparse(aicc_importer *im, const Onnx__SparseTensorProto *proto,
                               aicc_tensor *out) {
  aicc_onnx_tensor read;
  AICC_TRY(aicc_onnx_sparse_read(im->file, proto, aicc_import_loc(im), im->diags, &read));
  return keep_tensor(im, &read, out);
}
