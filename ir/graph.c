#include "ir/graph.h"

#include <stdlib.h>
#include <string.h>

// --- growing arrays without a capacity field -----------------------------------------------------

// |items| with room for one more; arrays double whenever their count reaches a power of two.
static void *room_for_one(aicc_arena *arena, void *items, int count, size_t item_size) {
  if ((count & (count - 1)) != 0) {
    return items;
  }
  const size_t capacity = count < 2 ? 2 : 2 * (size_t)count;
  void *grown = aicc_arena_alloc(arena, capacity * item_size);
  if (count) {
    memcpy(grown, items, (size_t)count * item_size);
  }
  return grown;
}

// --- modules -------------------------------------------------------------------------------------

aicc_module *aicc_module_create(const char *name) {
  aicc_arena arena;
  aicc_arena_init(&arena);
  aicc_module *module = AICC_NEW(&arena, aicc_module);
  module->arena = arena;  // holds the block that |module| itself stands in
  module->dims = aicc_dims_create();
  module->name = aicc_arena_strdup(&module->arena, name);
  module->body = aicc_region_create(module, NULL);
  return module;
}

void aicc_module_destroy(aicc_module *module) {
  if (!module) {
    return;
  }
  for (size_t i = 0; i < module->buf_count; i++) {
    aicc_buf_release(module->bufs[i]);
  }
  aicc_dims_destroy(module->dims);
  aicc_arena arena = module->arena;
  aicc_arena_deinit(&arena);
}

void aicc_module_keep_buf(aicc_module *module, aicc_buf *buf) {
  // From the end: the tensors of one file come one after another.
  for (size_t i = module->buf_count; i-- > 0;) {
    if (module->bufs[i] == buf) {
      return;
    }
  }
  AICC_PUSH(&module->arena, module->bufs, module->buf_count, module->buf_capacity,
            aicc_buf_retain(buf));
}

// --- regions and values --------------------------------------------------------------------------

aicc_region *aicc_region_create(aicc_module *module, aicc_node *parent) {
  aicc_region *region = AICC_NEW(&module->arena, aicc_region);
  region->parent = parent;
  return region;
}

static aicc_value *value_create(aicc_module *module, int index) {
  aicc_value *value = AICC_NEW(&module->arena, aicc_value);
  value->id = module->value_count++;
  value->index = index;
  return value;
}

aicc_value *aicc_region_add_param(aicc_module *module, aicc_region *region, const char *name,
                                  aicc_type type) {
  aicc_value *value = value_create(module, region->param_count);
  value->name = name ? aicc_arena_strdup(&module->arena, name) : NULL;
  value->type = type;
  value->region = region;
  region->params =
      room_for_one(&module->arena, region->params, region->param_count, sizeof *region->params);
  region->params[region->param_count++] = value;
  return value;
}

void aicc_region_set_results(aicc_module *module, aicc_region *region, aicc_value *const *results,
                             int count) {
  region->results =
      aicc_arena_memdup(&module->arena, results, (size_t)count * sizeof *region->results);
  region->result_count = count;
}

// --- nodes ---------------------------------------------------------------------------------------

aicc_node *aicc_node_create(aicc_module *module, aicc_op op, aicc_value *const *in, int in_count,
                            int out_count) {
  aicc_node *node = AICC_NEW(&module->arena, aicc_node);
  node->id = module->node_count++;
  node->op = op;
  node->in_count = in_count;
  node->in = aicc_arena_memdup(&module->arena, in, (size_t)in_count * sizeof *node->in);
  node->out_count = out_count;
  node->out = AICC_NEW_ARRAY(&module->arena, aicc_value *, out_count);
  for (int i = 0; i < out_count; i++) {
    node->out[i] = value_create(module, i);
    node->out[i]->def = node;
  }
  return node;
}

void aicc_node_append(aicc_region *region, aicc_node *node) {
  AICC_ASSERT(!node->parent);
  node->parent = region;
  node->prev = region->last;
  node->next = NULL;
  *(region->last ? &region->last->next : &region->first) = node;
  region->last = node;
}

void aicc_node_insert_before(aicc_node *position, aicc_node *node) {
  AICC_ASSERT(!node->parent && position->parent);
  node->parent = position->parent;
  node->next = position;
  node->prev = position->prev;
  *(position->prev ? &position->prev->next : &position->parent->first) = node;
  position->prev = node;
}

void aicc_node_unlink(aicc_node *node) {
  aicc_region *region = node->parent;
  AICC_ASSERT(region);
  *(node->prev ? &node->prev->next : &region->first) = node->next;
  *(node->next ? &node->next->prev : &region->last) = node->prev;
  node->parent = NULL;
  node->prev = node->next = NULL;
}

void aicc_node_add_region(aicc_module *module, aicc_node *node, aicc_region *region) {
  region->parent = node;
  node->regions =
      room_for_one(&module->arena, node->regions, node->region_count, sizeof *node->regions);
  node->regions[node->region_count++] = region;
}

// --- origins -------------------------------------------------------------------------------------

static int origin_compare(const aicc_origin *a, const aicc_origin *b) {
  if (a->index != b->index) {
    return a->index < b->index ? -1 : 1;
  }
  return strcmp(a->node, b->node);  // nodes of subgraphs and functions number from 0 again
}

static bool has_origin(const aicc_origin *origins, int count, const aicc_origin *wanted) {
  for (int i = 0; i < count; i++) {
    if (origin_compare(&origins[i], wanted) == 0) {
      return true;
    }
  }
  return false;
}

void aicc_node_add_origins(aicc_module *module, aicc_node *node, const aicc_origin *origins,
                           int count) {
  aicc_origin *merged = AICC_NEW_ARRAY(&module->arena, aicc_origin, node->origin_count + count);
  int total = node->origin_count;
  if (total) {
    memcpy(merged, node->origins, (size_t)total * sizeof *merged);
  }
  for (int i = 0; i < count; i++) {
    if (has_origin(merged, total, &origins[i])) {
      continue;
    }
    int at = total++;
    for (; at > 0 && origin_compare(&origins[i], &merged[at - 1]) < 0; at--) {
      merged[at] = merged[at - 1];
    }
    merged[at] = origins[i];
  }
  node->origins = merged;
  node->origin_count = total;
}

// --- walks ---------------------------------------------------------------------------------------

void aicc_region_visit(aicc_region *region, aicc_visit_fn visit, void *context) {
  for (aicc_node *node = region->first, *next; node; node = next) {
    next = node->next;
    visit(context, node);
    for (int i = 0; i < node->region_count; i++) {
      aicc_region_visit(node->regions[i], visit, context);
    }
  }
}

// Calls |use| with the place of every use of a value: operands in order, then region results.
typedef void (*use_fn)(void *context, aicc_value **place);

static void region_uses(aicc_region *region, use_fn use, void *context) {
  for (aicc_node *node = region->first; node; node = node->next) {
    for (int i = 0; i < node->in_count; i++) {
      if (node->in[i]) {
        use(context, &node->in[i]);
      }
    }
    for (int i = 0; i < node->region_count; i++) {
      region_uses(node->regions[i], use, context);
    }
  }
  for (int i = 0; i < region->result_count; i++) {
    use(context, &region->results[i]);
  }
}

typedef struct replacement {
  aicc_value *from, *to;
} replacement;

static void replace_use(void *context, aicc_value **place) {
  const replacement *r = context;
  if (*place == r->from) {
    *place = r->to;
  }
}

void aicc_value_replace(aicc_module *module, aicc_value *from, aicc_value *to) {
  replacement r = {from, to};
  region_uses(module->body, replace_use, &r);
}

static void map_use(void *context, aicc_value **place) {
  aicc_value *const *map = context;
  while (map[(*place)->id]) {
    *place = map[(*place)->id];
  }
}

void aicc_values_replace(aicc_module *module, aicc_value **map) {
  region_uses(module->body, map_use, map);
}

static void count_use(void *context, aicc_value **place) { ((uint32_t *)context)[(*place)->id]++; }

uint32_t *aicc_count_uses(const aicc_module *module, aicc_arena *arena) {
  uint32_t *counts = AICC_NEW_ARRAY(arena, uint32_t, module->value_count);
  region_uses(module->body, count_use, counts);
  return counts;
}
