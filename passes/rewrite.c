#include "passes/rewrite.h"

#include <string.h>

void aicc_rewrite_init(aicc_rewrite *rewrite, aicc_module *module, aicc_arena *arena) {
  *rewrite = (aicc_rewrite){.module = module, .arena = arena};
}

static void reserve(aicc_rewrite *rewrite, uint32_t count) {
  if (count <= rewrite->capacity) {
    return;
  }
  const uint32_t capacity = 2 * count + 64;
  aicc_value **map = AICC_NEW_ARRAY(rewrite->arena, aicc_value *, capacity);
  if (rewrite->map) {
    memcpy(map, rewrite->map, sizeof *map * rewrite->capacity);
  }
  rewrite->map = map;
  rewrite->capacity = capacity;
}

void aicc_rewrite_replace(aicc_rewrite *rewrite, aicc_value *from, aicc_value *to) {
  reserve(rewrite, rewrite->module->value_count + 1);
  AICC_ASSERT(aicc_rewrite_current(rewrite, to) != from);
  rewrite->map[from->id] = to;
  rewrite->count++;
}

aicc_value *aicc_rewrite_current(const aicc_rewrite *rewrite, aicc_value *value) {
  while (value && value->id < rewrite->capacity && rewrite->map[value->id]) {
    value = rewrite->map[value->id];
  }
  return value;
}

void aicc_rewrite_operands(const aicc_rewrite *rewrite, aicc_node *node) {
  for (int i = 0; i < node->in_count; i++) {
    node->in[i] = aicc_rewrite_current(rewrite, node->in[i]);
  }
}

void aicc_rewrite_finish(aicc_rewrite *rewrite) {
  if (rewrite->count) {
    reserve(rewrite, rewrite->module->value_count + 1);
    aicc_values_replace(rewrite->module, rewrite->map);
    memset(rewrite->map, 0, sizeof *rewrite->map * rewrite->capacity);
    rewrite->count = 0;
  }
}

// --- symbols -------------------------------------------------------------------------------------

typedef struct substitution {
  aicc_module *module;
  aicc_dim symbol, dim;
} substitution;

static aicc_dim replace_symbol(void *context, aicc_dim symbol) {
  const substitution *s = context;
  return symbol == s->symbol ? s->dim : AICC_DIM_NONE;
}

// The same array where nothing changes.
static const aicc_dim *substitute_dims(substitution *s, const aicc_dim *dims, int64_t count) {
  aicc_dim *changed = NULL;
  for (int64_t i = 0; i < count; i++) {
    const aicc_dim now = dims[i] == AICC_DIM_NONE
                             ? AICC_DIM_NONE
                             : aicc_dim_substitute(s->module->dims, dims[i], replace_symbol, s);
    if (now != dims[i] && !changed) {
      changed =
          aicc_arena_memdup(&s->module->arena, dims, sizeof *dims * (size_t)count);
    }
    if (changed) {
      changed[i] = now;
    }
  }
  return changed ? changed : dims;
}

static void substitute_value(substitution *s, aicc_value *value) {
  int64_t shape[AICC_MAX_RANK], count = 1;
  if (value->type.kind != AICC_TYPE_TENSOR || value->type.rank < 0) {
    return;
  }
  // Partial values stand only where the shape is known: before the substitution.
  if (value->partial && aicc_type_static_shape(s->module, &value->type, shape)) {
    for (int d = 0; d < value->type.rank; d++) {
      count *= shape[d];
    }
    value->partial = substitute_dims(s, value->partial, count);
  }
  value->type.dims = substitute_dims(s, value->type.dims, value->type.rank);
}

static void substitute_node(void *context, aicc_node *node) {
  substitution *s = context;
  for (int a = 0; a < node->attr_count; a++) {
    aicc_attr *attr = &node->attrs[a];
    if (aicc_attr_table[attr->key].kind == AICC_ATTR_KIND_DIMS && attr->key != AICC_ATTR_SYMBOL) {
      attr->dims = substitute_dims(s, attr->dims, attr->count);
    }
  }
  for (int i = 0; i < node->out_count; i++) {
    substitute_value(s, node->out[i]);
  }
  for (int r = 0; r < node->region_count; r++) {
    for (int i = 0; i < node->regions[r]->param_count; i++) {
      substitute_value(s, node->regions[r]->params[i]);
    }
  }
}

void aicc_substitute_symbol(aicc_module *module, aicc_dim symbol, aicc_dim dim) {
  substitution s = {module, symbol, dim};
  for (int i = 0; i < module->body->param_count; i++) {
    substitute_value(&s, module->body->params[i]);
  }
  aicc_region_visit(module->body, substitute_node, &s);
}
