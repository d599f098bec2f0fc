// The cse pass: computes equal things once.
//
// needs: canon (operands of commutative operators are ordered). A node goes where one with the same
// operator, operands, attributes and result types stands before it, in the same region or one
// around it. Never worse: the kept value lives longer, but costs nothing to make.
#include <string.h>

#include "passes/pass.h"

typedef struct entry {
  aicc_node *node;
  uint64_t hash;
  int next;  // of the same bucket; -1: none
} entry;

typedef struct cse {
  aicc_pass_context *pass;
  int *buckets;
  uint32_t bucket_mask;
  entry *entries;  // a stack: what an inner region added is popped at its end
  size_t count, capacity;
  aicc_value **map;
  size_t removed;
} cse;

static uint64_t mix(uint64_t hash, uint64_t value) {
  hash = (hash ^ value) * 0x9E3779B97F4A7C15u;
  return hash ^ (hash >> 29);
}

static uint64_t mix_bytes(uint64_t hash, const void *data, size_t size) {
  const uint8_t *bytes = data;
  for (size_t i = 0; i < size; i++) {
    hash = mix(hash, bytes[i]);
  }
  return hash;
}

static size_t tensor_bytes(const aicc_tensor *tensor) {
  size_t bytes = aicc_dtype_size(tensor->dtype);
  for (int d = 0; d < tensor->rank; d++) {
    bytes *= (size_t)tensor->shape[d];
  }
  return bytes;
}

// Of a weight, the first bytes tell enough: equal hashes are compared in full.
static uint64_t hash_tensor(uint64_t hash, const aicc_tensor *tensor) {
  const size_t bytes = tensor_bytes(tensor);
  hash = mix(hash, (uint64_t)tensor->dtype);
  hash = mix_bytes(hash, tensor->shape, sizeof(int64_t) * (size_t)tensor->rank);
  const bool plain = tensor->dtype != AICC_STR;
  return plain ? mix_bytes(hash, tensor->data, bytes < 64 ? bytes : 64) : hash;
}

static uint64_t hash_attr(uint64_t hash, const aicc_attr *attr) {
  hash = mix(hash, (uint64_t)attr->key);
  switch (aicc_attr_table[attr->key].kind) {
    case AICC_ATTR_KIND_INT: return mix(hash, (uint64_t)attr->i);
    case AICC_ATTR_KIND_STRING: return mix_bytes(hash, attr->s, strlen(attr->s));
    case AICC_ATTR_KIND_INTS:
      return mix_bytes(hash, attr->ints, sizeof(int64_t) * (size_t)attr->count);
    case AICC_ATTR_KIND_DIMS:
      return mix_bytes(hash, attr->dims, sizeof(aicc_dim) * (size_t)attr->count);
    case AICC_ATTR_KIND_TENSOR: return hash_tensor(hash, attr->tensor);
    default: return mix(hash, (uint64_t)attr->count);
  }
}

// Attributes are summed up, for they have no order.
static uint64_t hash_node(const aicc_node *node) {
  uint64_t hash = mix(0, (uint64_t)node->op), attrs = 0;
  for (int i = 0; i < node->in_count; i++) {
    hash = mix(hash, node->in[i] ? node->in[i]->id + 1 : 0);
  }
  for (int i = 0; i < node->attr_count; i++) {
    attrs += hash_attr(1, &node->attrs[i]);
  }
  return mix(hash, attrs);
}

static bool equal_strings(const char *const *a, const char *const *b, int count) {
  for (int i = 0; i < count; i++) {
    if (strcmp(a[i], b[i]) != 0) {
      return false;
    }
  }
  return true;
}

static bool equal_tensors(const aicc_tensor *a, const aicc_tensor *b) {
  if (a->dtype != b->dtype || a->rank != b->rank ||
      memcmp(a->shape, b->shape, sizeof(int64_t) * (size_t)a->rank) != 0) {
    return false;
  }
  const bool comparable = a->dtype != AICC_STR;
  return a->data == b->data || (comparable && memcmp(a->data, b->data, tensor_bytes(a)) == 0);
}

static bool equal_attrs(const aicc_attr *a, const aicc_attr *b) {
  const size_t count = (size_t)a->count;
  if (a->count != b->count) {
    return false;
  }
  switch (aicc_attr_table[a->key].kind) {
    case AICC_ATTR_KIND_INT: return a->i == b->i;
    case AICC_ATTR_KIND_FLOAT: return memcmp(&a->f, &b->f, sizeof a->f) == 0;
    case AICC_ATTR_KIND_STRING: return strcmp(a->s, b->s) == 0;
    case AICC_ATTR_KIND_INTS: return memcmp(a->ints, b->ints, count * sizeof *a->ints) == 0;
    case AICC_ATTR_KIND_FLOATS: return memcmp(a->floats, b->floats, count * sizeof(double)) == 0;
    case AICC_ATTR_KIND_STRINGS: return equal_strings(a->strings, b->strings, a->count);
    case AICC_ATTR_KIND_DIMS: return memcmp(a->dims, b->dims, count * sizeof(aicc_dim)) == 0;
    case AICC_ATTR_KIND_DTYPE: return a->dtype == b->dtype;
    case AICC_ATTR_KIND_TENSOR: return equal_tensors(a->tensor, b->tensor);
  }
  return false;
}

static bool equal_nodes(const aicc_node *a, const aicc_node *b) {
  if (a->op != b->op || a->in_count != b->in_count || a->out_count != b->out_count ||
      a->attr_count != b->attr_count) {
    return false;
  }
  for (int i = 0; i < a->in_count; i++) {
    if (a->in[i] != b->in[i]) {
      return false;
    }
  }
  for (int i = 0; i < a->out_count; i++) {
    if (!aicc_type_equal(&a->out[i]->type, &b->out[i]->type)) {
      return false;
    }
  }
  for (int i = 0; i < a->attr_count; i++) {
    const aicc_attr *other = aicc_attr_find(b, a->attrs[i].key);
    if (!other || !equal_attrs(&a->attrs[i], other)) {
      return false;
    }
  }
  return true;
}

static bool takes_part(const aicc_node *node) {
  return aicc_kind_of(node) != AICC_KIND_CONTROL && node->region_count == 0 &&
         node->out_count > 0 && !(aicc_op_info_of(node)->traits & AICC_TRAIT_DEFS);
}

static void resolve_operands(const cse *c, aicc_node *node) {
  for (int i = 0; i < node->in_count; i++) {
    while (node->in[i] && c->map[node->in[i]->id]) {
      node->in[i] = c->map[node->in[i]->id];
    }
  }
}

static void add(cse *c, aicc_node *node, uint64_t hash) {
  int *bucket = &c->buckets[hash & c->bucket_mask];
  const entry e = {node, hash, *bucket};
  *bucket = (int)c->count;
  AICC_PUSH(c->pass->scratch, c->entries, c->count, c->capacity, e);
}

static void visit_node(cse *c, aicc_node *node) {
  const uint64_t hash = hash_node(node);
  for (int i = c->buckets[hash & c->bucket_mask]; i >= 0; i = c->entries[i].next) {
    aicc_node *other = c->entries[i].node;
    if (c->entries[i].hash != hash || !equal_nodes(node, other)) {
      continue;
    }
    for (int r = 0; r < node->out_count; r++) {
      c->map[node->out[r]->id] = other->out[r];
    }
    aicc_node_add_origins(c->pass->module, other, node->origins, node->origin_count);
    aicc_node_unlink(node);
    c->removed++;
    return;
  }
  add(c, node, hash);
}

static void visit_region(cse *c, aicc_region *region) {
  const size_t mark = c->count;
  for (aicc_node *node = region->first, *next; node; node = next) {
    next = node->next;
    resolve_operands(c, node);
    for (int r = 0; r < node->region_count; r++) {
      visit_region(c, node->regions[r]);
    }
    if (takes_part(node)) {
      visit_node(c, node);
    }
  }
  while (c->count > mark) {
    const entry *top = &c->entries[--c->count];
    c->buckets[top->hash & c->bucket_mask] = top->next;
  }
}

aicc_status aicc_pass_cse(aicc_pass_context *pass) {
  uint32_t size = 64;
  while (size < pass->module->node_count) {
    size *= 2;
  }
  cse c = {.pass = pass,
           .buckets = AICC_NEW_ARRAY(pass->scratch, int, size),
           .bucket_mask = size - 1,
           .map = AICC_NEW_ARRAY(pass->scratch, aicc_value *, pass->module->value_count + 1)};
  memset(c.buckets, 0xFF, sizeof(int) * (size_t)size);
  visit_region(&c, pass->module->body);
  aicc_values_replace(pass->module, c.map);
  aicc_pass_report(pass, "cse", "%zu nodes were computed before", c.removed);
  return AICC_OK;
}
