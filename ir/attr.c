#include <string.h>

#include "ir/graph.h"

const aicc_attr *aicc_attr_find(const aicc_node *node, aicc_attr_key key) {
  for (int i = 0; i < node->attr_count; i++) {
    if (node->attrs[i].key == key) {
      return &node->attrs[i];
    }
  }
  return NULL;
}

void aicc_attr_remove(aicc_node *node, aicc_attr_key key) {
  int kept = 0;
  for (int i = 0; i < node->attr_count; i++) {
    if (node->attrs[i].key != key) {
      node->attrs[kept++] = node->attrs[i];
    }
  }
  node->attr_count = kept;
}

// Grows at powers of two; removals only leave more room than that, never less.
static void make_room(aicc_arena *arena, aicc_node *node) {
  const int count = node->attr_count;
  if ((count & (count - 1)) != 0) {
    return;
  }
  aicc_attr *grown = AICC_NEW_ARRAY(arena, aicc_attr, count < 2 ? 2 : 2 * count);
  if (count) {
    memcpy(grown, node->attrs, (size_t)count * sizeof *grown);
  }
  node->attrs = grown;
}

void aicc_attrs_copy(aicc_module *module, aicc_node *to, const aicc_node *from) {
  int room = 2;  // as much as make_room takes to be there
  while (room < from->attr_count) {
    room *= 2;
  }
  to->attrs = AICC_NEW_ARRAY(&module->arena, aicc_attr, room);
  to->attr_count = from->attr_count;
  if (from->attr_count) {
    memcpy(to->attrs, from->attrs, (size_t)from->attr_count * sizeof *to->attrs);
  }
}

// The node's attribute |key|, made where it is absent.
static aicc_attr *attr_place(aicc_module *module, aicc_node *node, aicc_attr_key key,
                             aicc_attr_kind kind) {
  AICC_ASSERT(aicc_attr_table[key].kind == kind);
  int at = 0;
  while (at < node->attr_count && node->attrs[at].key < key) {
    at++;
  }
  if (at == node->attr_count || node->attrs[at].key != key) {
    make_room(&module->arena, node);
    memmove(&node->attrs[at + 1], &node->attrs[at],
            (size_t)(node->attr_count - at) * sizeof *node->attrs);
    node->attr_count++;
  }
  node->attrs[at] = (aicc_attr){.key = key};
  return &node->attrs[at];
}

void aicc_set_int(aicc_module *module, aicc_node *node, aicc_attr_key key, int64_t value) {
  attr_place(module, node, key, AICC_ATTR_KIND_INT)->i = value;
}

void aicc_set_float(aicc_module *module, aicc_node *node, aicc_attr_key key, double value) {
  attr_place(module, node, key, AICC_ATTR_KIND_FLOAT)->f = value;
}

void aicc_set_string(aicc_module *module, aicc_node *node, aicc_attr_key key, const char *value) {
  const char *copy = aicc_arena_strdup(&module->arena, value);
  attr_place(module, node, key, AICC_ATTR_KIND_STRING)->s = copy;
}

void aicc_set_ints(aicc_module *module, aicc_node *node, aicc_attr_key key, const int64_t *values,
                   int count) {
  const int64_t *copy =
      aicc_arena_memdup(&module->arena, values, (size_t)count * sizeof *values);
  aicc_attr *attr = attr_place(module, node, key, AICC_ATTR_KIND_INTS);
  attr->ints = copy;
  attr->count = count;
}

void aicc_set_floats(aicc_module *module, aicc_node *node, aicc_attr_key key, const double *values,
                     int count) {
  const double *copy = aicc_arena_memdup(&module->arena, values, (size_t)count * sizeof *values);
  aicc_attr *attr = attr_place(module, node, key, AICC_ATTR_KIND_FLOATS);
  attr->floats = copy;
  attr->count = count;
}

void aicc_set_strings(aicc_module *module, aicc_node *node, aicc_attr_key key,
                      const char *const *values, int count) {
  const char **copy = AICC_NEW_ARRAY(&module->arena, const char *, count);
  for (int i = 0; i < count; i++) {
    copy[i] = aicc_arena_strdup(&module->arena, values[i]);
  }
  aicc_attr *attr = attr_place(module, node, key, AICC_ATTR_KIND_STRINGS);
  attr->strings = copy;
  attr->count = count;
}

void aicc_set_dims(aicc_module *module, aicc_node *node, aicc_attr_key key, const aicc_dim *values,
                   int count) {
  const aicc_dim *copy =
      aicc_arena_memdup(&module->arena, values, (size_t)count * sizeof *values);
  aicc_attr *attr = attr_place(module, node, key, AICC_ATTR_KIND_DIMS);
  attr->dims = copy;
  attr->count = count;
}

void aicc_set_dtype(aicc_module *module, aicc_node *node, aicc_attr_key key, aicc_dtype value) {
  attr_place(module, node, key, AICC_ATTR_KIND_DTYPE)->dtype = value;
}

void aicc_set_tensor(aicc_module *module, aicc_node *node, aicc_attr_key key,
                     const aicc_tensor *value) {
  aicc_tensor *copy = aicc_arena_memdup(&module->arena, value, sizeof *value);
  copy->shape =
      aicc_arena_memdup(&module->arena, value->shape, (size_t)value->rank * sizeof *value->shape);
  if (copy->buf) {
    aicc_module_keep_buf(module, copy->buf);
  }
  attr_place(module, node, key, AICC_ATTR_KIND_TENSOR)->tensor = copy;
}

// NULL where the attribute is absent; asking by the wrong kind is our mistake.
static const aicc_attr *attr_get(const aicc_node *node, aicc_attr_key key, aicc_attr_kind kind) {
  AICC_ASSERT(aicc_attr_table[key].kind == kind);
  return aicc_attr_find(node, key);
}

int64_t aicc_get_int(const aicc_node *node, aicc_attr_key key, int64_t otherwise) {
  const aicc_attr *attr = attr_get(node, key, AICC_ATTR_KIND_INT);
  return attr ? attr->i : otherwise;
}

double aicc_get_float(const aicc_node *node, aicc_attr_key key, double otherwise) {
  const aicc_attr *attr = attr_get(node, key, AICC_ATTR_KIND_FLOAT);
  return attr ? attr->f : otherwise;
}

const char *aicc_get_string(const aicc_node *node, aicc_attr_key key, const char *otherwise) {
  const aicc_attr *attr = attr_get(node, key, AICC_ATTR_KIND_STRING);
  return attr ? attr->s : otherwise;
}

const int64_t *aicc_get_ints(const aicc_node *node, aicc_attr_key key, int *count) {
  const aicc_attr *attr = attr_get(node, key, AICC_ATTR_KIND_INTS);
  *count = attr ? attr->count : 0;
  return attr ? attr->ints : NULL;
}

const double *aicc_get_floats(const aicc_node *node, aicc_attr_key key, int *count) {
  const aicc_attr *attr = attr_get(node, key, AICC_ATTR_KIND_FLOATS);
  *count = attr ? attr->count : 0;
  return attr ? attr->floats : NULL;
}

const aicc_dim *aicc_get_dims(const aicc_node *node, aicc_attr_key key, int *count) {
  const aicc_attr *attr = attr_get(node, key, AICC_ATTR_KIND_DIMS);
  *count = attr ? attr->count : 0;
  return attr ? attr->dims : NULL;
}

aicc_dtype aicc_get_dtype(const aicc_node *node, aicc_attr_key key, aicc_dtype otherwise) {
  const aicc_attr *attr = attr_get(node, key, AICC_ATTR_KIND_DTYPE);
  return attr ? attr->dtype : otherwise;
}

const aicc_tensor *aicc_get_tensor(const aicc_node *node, aicc_attr_key key) {
  const aicc_attr *attr = attr_get(node, key, AICC_ATTR_KIND_TENSOR);
  return attr ? attr->tensor : NULL;
}
