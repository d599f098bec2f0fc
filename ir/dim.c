// The table of symbolic integers: entries, hash-consing, structural order.
#include "ir/dim.h"

#include <stdio.h>
#include <string.h>

#include "ir/dim_internal.h"

static uint64_t mix(uint64_t hash, uint64_t value) {
  hash ^= value + 0x9E3779B97F4A7C15u + (hash << 6) + (hash >> 2);
  hash *= 0xFF51AFD7ED558CCDu;
  return hash ^ (hash >> 32);
}

static uint64_t hash_entry(const dim_entry *entry) {
  uint64_t hash = mix((uint64_t)entry->kind, entry->unfolded);
  for (int i = 0; i < 3; i++) {
    hash = mix(hash, entry->operand[i]);
  }
  hash = mix(hash, (uint64_t)entry->value);
  for (const char *c = entry->name; c && *c; c++) {
    hash = mix(hash, (unsigned char)*c);
  }
  return hash;
}

static bool same_entry(const dim_entry *a, const dim_entry *b) {
  if (a->hash != b->hash || a->kind != b->kind || a->unfolded != b->unfolded ||
      a->value != b->value || memcmp(a->operand, b->operand, sizeof(a->operand)) != 0) {
    return false;
  }
  return a->name == b->name || (a->name && b->name && strcmp(a->name, b->name) == 0);
}

static void insert_slot(aicc_dims *dims, aicc_dim d) {
  const size_t mask = dims->slot_count - 1;
  size_t slot = dims->entries[d].hash & mask;
  while (dims->slots[slot] != AICC_DIM_NONE) {
    slot = (slot + 1) & mask;
  }
  dims->slots[slot] = d;
}

static void grow_slots(aicc_dims *dims) {
  dims->slot_count = dims->slot_count ? 2 * dims->slot_count : 256;
  dims->slots = AICC_NEW_ARRAY(&dims->arena, aicc_dim, dims->slot_count);
  for (size_t d = 1; d < dims->count; d++) {
    insert_slot(dims, (aicc_dim)d);
  }
}

static aicc_dim find(const aicc_dims *dims, const dim_entry *entry) {
  const size_t mask = dims->slot_count - 1;
  for (size_t slot = entry->hash & mask; dims->slots[slot] != AICC_DIM_NONE;
       slot = (slot + 1) & mask) {
    if (same_entry(&dims->entries[dims->slots[slot]], entry)) {
      return dims->slots[slot];
    }
  }
  return AICC_DIM_NONE;
}

static aicc_dim add_entry(aicc_dims *dims, dim_entry *entry) {
  entry->hash = hash_entry(entry);
  const aicc_dim found = find(dims, entry);
  if (found != AICC_DIM_NONE) {
    return found;
  }
  if (2 * dims->count >= dims->slot_count) {
    grow_slots(dims);
  }
  if (entry->name) {
    entry->name = aicc_arena_strdup(&dims->arena, entry->name);
  }
  aicc_dim_set_bounds(dims, entry);
  AICC_PUSH(&dims->arena, dims->entries, dims->count, dims->capacity, *entry);
  const aicc_dim d = (aicc_dim)(dims->count - 1);
  insert_slot(dims, d);
  return d;
}

aicc_dims *aicc_dims_create(void) {
  aicc_arena arena;
  aicc_arena_init(&arena);
  aicc_dims *dims = AICC_NEW(&arena, aicc_dims);
  dims->arena = arena;
  const dim_entry none = {0};
  AICC_PUSH(&dims->arena, dims->entries, dims->count, dims->capacity, none);
  grow_slots(dims);
  AICC_ASSERT(aicc_dim_const(dims, 1) == AICC_DIM_ONE);
  return dims;
}

aicc_dims *aicc_dims_clone(const aicc_dims *dims) {
  aicc_arena arena;
  aicc_arena_init(&arena);
  aicc_dims *clone = AICC_NEW(&arena, aicc_dims);
  *clone = (aicc_dims){.arena = arena, .slot_count = dims->slot_count,
                       .next_fresh = dims->next_fresh};
  for (size_t d = 0; d < dims->count; d++) {
    dim_entry entry = dims->entries[d];
    entry.name = entry.name ? aicc_arena_strdup(&clone->arena, entry.name) : NULL;
    AICC_PUSH(&clone->arena, clone->entries, clone->count, clone->capacity, entry);
  }
  clone->slots =
      aicc_arena_memdup(&clone->arena, dims->slots, dims->slot_count * sizeof *dims->slots);
  return clone;
}

void aicc_dims_destroy(aicc_dims *dims) {
  if (dims) {
    aicc_arena arena = dims->arena;  // the table lies in it
    aicc_arena_deinit(&arena);
  }
}

aicc_dim aicc_dim_const(aicc_dims *dims, int64_t value) {
  dim_entry entry = {.kind = AICC_DIM_CONST, .value = value};
  return add_entry(dims, &entry);
}

aicc_dim aicc_dim_symbol(aicc_dims *dims, const char *name) {
  dim_entry entry = {.kind = AICC_DIM_SYMBOL, .name = name, .lower = 0, .upper = INT64_MAX};
  return add_entry(dims, &entry);
}

aicc_dim aicc_dim_fresh(aicc_dims *dims, const char *prefix) {
  for (;;) {
    char name[128];
    snprintf(name, sizeof(name), "%.100s%u", prefix, dims->next_fresh++);
    dim_entry entry = {.kind = AICC_DIM_SYMBOL, .name = name};
    entry.hash = hash_entry(&entry);
    if (find(dims, &entry) == AICC_DIM_NONE) {
      return aicc_dim_symbol(dims, name);
    }
  }
}

void aicc_dim_set_lower(aicc_dims *dims, aicc_dim symbol, int64_t lower) {
  AICC_ASSERT(aicc_dim_entry(dims, symbol)->kind == AICC_DIM_SYMBOL);
  if (dims->entries[symbol].lower == lower) {
    return;
  }
  dims->entries[symbol].lower = lower;
  for (size_t d = symbol + 1; d < dims->count; d++) {  // operands come before their users
    if (dims->entries[d].kind != AICC_DIM_SYMBOL) {
      aicc_dim_set_bounds(dims, &dims->entries[d]);
    }
  }
}

aicc_dim aicc_dim_intern(aicc_dims *dims, aicc_dim_kind kind, bool unfolded, aicc_dim a, aicc_dim b,
                         aicc_dim c) {
  dim_entry entry = {.kind = kind, .unfolded = unfolded, .operand = {a, b, c}};
  return add_entry(dims, &entry);
}

int aicc_dim_compare(const aicc_dims *dims, aicc_dim a, aicc_dim b) {
  while (a != b) {
    if (a == AICC_DIM_NONE || b == AICC_DIM_NONE) {
      return a == AICC_DIM_NONE ? -1 : 1;
    }
    const dim_entry *x = aicc_dim_entry(dims, a), *y = aicc_dim_entry(dims, b);
    if (x->kind != y->kind) {
      return x->kind < y->kind ? -1 : 1;
    }
    if (x->unfolded != y->unfolded) {
      return y->unfolded ? -1 : 1;
    }
    if (x->kind == AICC_DIM_CONST) {
      return x->value < y->value ? -1 : 1;
    }
    if (x->kind == AICC_DIM_SYMBOL) {
      return strcmp(x->name, y->name);
    }
    int i = 0;
    while (i < 2 && x->operand[i] == y->operand[i]) {
      i++;
    }
    a = x->operand[i];  // entries are unique: the first operand that differs decides
    b = y->operand[i];
  }
  return 0;
}

aicc_dim_kind aicc_dim_kind_of(const aicc_dims *dims, aicc_dim d) {
  return aicc_dim_entry(dims, d)->kind;
}

aicc_dim aicc_dim_operand(const aicc_dims *dims, aicc_dim d, int index) {
  AICC_ASSERT(index >= 0 && index < 3);
  return aicc_dim_entry(dims, d)->operand[index];
}

bool aicc_dim_is_const(const aicc_dims *dims, aicc_dim d, int64_t *value) {
  const dim_entry *entry = aicc_dim_entry(dims, d);
  if (entry->kind != AICC_DIM_CONST) {
    return false;
  }
  if (value) {
    *value = entry->value;
  }
  return true;
}

bool aicc_dim_is(const aicc_dims *dims, aicc_dim d, int64_t value) {
  int64_t found = 0;
  return aicc_dim_is_const(dims, d, &found) && found == value;
}

const char *aicc_dim_symbol_name(const aicc_dims *dims, aicc_dim d) {
  return aicc_dim_entry(dims, d)->name;
}

uint32_t aicc_dim_count(const aicc_dims *dims) { return (uint32_t)(dims->count - 1); }

bool aicc_dim_eval(const aicc_dims *dims, aicc_dim d, aicc_dim_lookup lookup, void *context,
                   int64_t *value) {
  const dim_entry *entry = aicc_dim_entry(dims, d);
  if (entry->kind == AICC_DIM_CONST) {
    *value = entry->value;
    return true;
  }
  if (entry->kind == AICC_DIM_SYMBOL) {
    return lookup(context, entry->name, value);
  }
  int64_t v[3] = {0};
  for (int i = 0; i < 3 && entry->operand[i] != AICC_DIM_NONE; i++) {
    if (!aicc_dim_eval(dims, entry->operand[i], lookup, context, &v[i])) {
      return false;
    }
  }
  switch (entry->kind) {
    case AICC_DIM_ADD: return !aicc_add_overflow(v[0], v[1], value);
    case AICC_DIM_MUL: return !aicc_mul_overflow(v[0], v[1], value);
    case AICC_DIM_FLOORDIV: return aicc_floordiv_i64(v[0], v[1], value);
    case AICC_DIM_MOD: *value = aicc_floormod_i64(v[0], v[1]); return true;
    case AICC_DIM_MIN: *value = v[0] < v[1] ? v[0] : v[1]; return true;
    case AICC_DIM_MAX: *value = v[0] > v[1] ? v[0] : v[1]; return true;
    case AICC_DIM_EQ: *value = v[0] == v[1]; return true;
    case AICC_DIM_LT: *value = v[0] < v[1]; return true;
    case AICC_DIM_SELECT: *value = v[0] ? v[1] : v[2]; return true;
    case AICC_DIM_CONST:
    case AICC_DIM_SYMBOL: break;
  }
  return false;
}

static aicc_dim rebuild(aicc_dims *dims, aicc_dim_kind kind, const aicc_dim v[3]) {
  switch (kind) {
    case AICC_DIM_ADD: return aicc_dim_add(dims, v[0], v[1]);
    case AICC_DIM_MUL: return aicc_dim_mul(dims, v[0], v[1]);
    case AICC_DIM_FLOORDIV: return aicc_dim_floordiv(dims, v[0], v[1]);
    case AICC_DIM_MOD: return aicc_dim_mod(dims, v[0], v[1]);
    case AICC_DIM_MIN: return aicc_dim_min(dims, v[0], v[1]);
    case AICC_DIM_MAX: return aicc_dim_max(dims, v[0], v[1]);
    case AICC_DIM_EQ: return aicc_dim_eq(dims, v[0], v[1]);
    case AICC_DIM_LT: return aicc_dim_lt(dims, v[0], v[1]);
    case AICC_DIM_SELECT: return aicc_dim_select(dims, v[0], v[1], v[2]);
    case AICC_DIM_CONST:
    case AICC_DIM_SYMBOL: break;
  }
  return AICC_DIM_NONE;
}

typedef struct substitution {
  aicc_dims *dims;
  aicc_dim_replace replace;
  void *context;
  aicc_dim *memo;  // per id of the expression, AICC_DIM_NONE: not visited
} substitution;

static aicc_dim substitute(substitution *s, aicc_dim d) {
  if (s->memo[d] != AICC_DIM_NONE) {
    return s->memo[d];
  }
  const dim_entry entry = *aicc_dim_entry(s->dims, d);
  aicc_dim result = d;
  if (entry.kind == AICC_DIM_SYMBOL) {
    const aicc_dim by = s->replace(s->context, d);
    result = by == AICC_DIM_NONE ? d : by;
  } else if (entry.kind != AICC_DIM_CONST) {
    aicc_dim v[3] = {0};
    for (int i = 0; i < 3 && entry.operand[i] != AICC_DIM_NONE; i++) {
      v[i] = substitute(s, entry.operand[i]);
    }
    const bool same = memcmp(v, entry.operand, sizeof(v)) == 0;
    result = same ? d : rebuild(s->dims, entry.kind, v);
  }
  s->memo[d] = result;
  return result;
}

aicc_dim aicc_dim_substitute(aicc_dims *dims, aicc_dim d, aicc_dim_replace replace, void *context) {
  aicc_arena scratch;
  aicc_arena_init(&scratch);
  substitution s = {dims, replace, context, AICC_NEW_ARRAY(&scratch, aicc_dim, (size_t)d + 1)};
  const aicc_dim result = substitute(&s, d);
  aicc_arena_deinit(&scratch);
  return result;
}
