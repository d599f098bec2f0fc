// What a small tensor holds that is computed from constants: exporters write casts, concatenations
// and arithmetic where an operator needs numbers when it is imported. Folding comes too late for
// it.
#include "frontend/onnx_import.h"
#include "ir/eval.h"

enum { KNOWN_ELEMENTS = 64, KNOWN_DEPTH = 12 };

// The size of a small tensor of fixed shape; -1: it is none.
static int64_t small_count(const aicc_importer *im, const aicc_value *x, int64_t *shape) {
  int64_t count = 1;
  if (!x || x->type.kind != AICC_TYPE_TENSOR || x->type.rank < 0 || x->type.dtype == AICC_STR ||
      !aicc_type_static_shape(im->module, &x->type, shape)) {
    return -1;
  }
  for (int i = 0; i < x->type.rank; i++) {
    count = shape[i] > KNOWN_ELEMENTS ? -1 : count * shape[i];
    if (count < 0 || count > KNOWN_ELEMENTS) {
      return -1;
    }
  }
  return count;
}

static const aicc_tensor *keep(aicc_importer *im, const aicc_value *x, const int64_t *shape,
                               const void *data, int64_t count) {
  aicc_arena *arena = &im->module->arena;
  const aicc_tensor tensor = {
      .dtype = x->type.dtype,
      .rank = x->type.rank,
      .shape = aicc_arena_memdup(arena, shape, sizeof *shape * ((size_t)x->type.rank + 1)),
      .data = aicc_arena_memdup(arena, data, (size_t)count * aicc_dtype_size(x->type.dtype))};
  return aicc_arena_memdup(arena, &tensor, sizeof tensor);
}

// From the elements that inference knows.
static const aicc_tensor *from_partial(aicc_importer *im, const aicc_value *x,
                                       const int64_t *shape, int64_t count) {
  int64_t values[KNOWN_ELEMENTS + 1] = {0};
  uint64_t data[KNOWN_ELEMENTS + 1] = {0};
  for (int64_t i = 0; i < count; i++) {
    if (x->partial[i] == AICC_DIM_NONE ||
        !aicc_dim_is_const(im->dims, x->partial[i], &values[i])) {
      return NULL;
    }
    aicc_set_i64(x->type.dtype, data, (size_t)i, values[i]);
  }
  return keep(im, x, shape, data, count);
}

static bool has_symbols(const aicc_importer *im, const aicc_node *node) {
  for (int a = 0; a < node->attr_count; a++) {
    const aicc_attr *attr = &node->attrs[a];
    for (int i = 0; aicc_attr_table[attr->key].kind == AICC_ATTR_KIND_DIMS && i < attr->count;
         i++) {
      if (!aicc_dim_is_const(im->dims, attr->dims[i], NULL)) {
        return true;
      }
    }
  }
  return false;
}

static const aicc_tensor *known(aicc_importer *im, aicc_value *x, int depth);

static const aicc_tensor *compute(aicc_importer *im, const aicc_value *x, const int64_t *shape,
                                  int64_t count, int depth) {
  const aicc_node *node = x->def;
  aicc_eval_value out = {0};
  if (!node || node->out_count != 1 || depth == 0 || aicc_kind_of(node) == AICC_KIND_CONTROL ||
      aicc_kind_of(node) == AICC_KIND_SOURCE || has_symbols(im, node)) {
    return NULL;
  }
  aicc_eval_value *in = AICC_NEW_ARRAY(&im->scratch, aicc_eval_value, node->in_count + 1);
  const aicc_eval_value **operands =
      AICC_NEW_ARRAY(&im->scratch, const aicc_eval_value *, node->in_count + 1);
  for (int i = 0; i < node->in_count; i++) {
    const aicc_tensor *tensor = node->in[i] ? known(im, node->in[i], depth - 1) : NULL;
    if (node->in[i] && !tensor) {
      return NULL;
    }
    if (tensor) {
      aicc_eval_value_from_tensor(tensor, &in[i]);
      operands[i] = &in[i];
    }
  }
  aicc_diags quiet;
  aicc_diags_init(&quiet);
  const bool done = aicc_eval_node(im->module, node, operands, &out, &quiet) == AICC_OK;
  aicc_diags_deinit(&quiet);
  const aicc_tensor *result = done ? keep(im, x, shape, out.data, count) : NULL;
  aicc_eval_value_deinit(&out);
  for (int i = 0; i < node->in_count; i++) {
    aicc_eval_value_deinit(&in[i]);
  }
  return result;
}

static const aicc_tensor *known(aicc_importer *im, aicc_value *x, int depth) {
  int64_t shape[AICC_MAX_RANK];
  const aicc_tensor *tensor = aicc_value_constant(x);
  const int64_t count = tensor ? -1 : small_count(im, x, shape);
  if (count >= 0 && x->partial) {
    tensor = from_partial(im, x, shape, count);
  }
  return tensor || count < 0 ? tensor : compute(im, x, shape, count, depth);
}

const aicc_tensor *aicc_known_tensor(aicc_importer *im, aicc_value *x) {
  return known(im, x, KNOWN_DEPTH);
}
