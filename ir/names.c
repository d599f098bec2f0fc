#include "ir/names.h"

#include <string.h>

static uint64_t hash_of(const char *name) {
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (; *name; name++) {
    hash = (hash ^ (uint8_t)*name) * 1099511628211u;
  }
  return hash;
}

// The slot of |name|, or the free one where it belongs. There is always a free one.
static aicc_name_slot *slot_of(const aicc_names *names, const char *name) {
  size_t at = hash_of(name) & (names->capacity - 1);
  while (names->slots[at].name && strcmp(names->slots[at].name, name) != 0) {
    at = (at + 1) & (names->capacity - 1);
  }
  return &names->slots[at];
}

void *aicc_names_get(const aicc_names *names, const char *name) {
  return names->capacity ? slot_of(names, name)->item : NULL;
}

static void grow(aicc_names *names, aicc_arena *arena) {
  const aicc_names old = *names;
  names->capacity = old.capacity ? 2 * old.capacity : 16;
  names->slots = AICC_NEW_ARRAY(arena, aicc_name_slot, names->capacity);
  for (size_t i = 0; i < old.capacity; i++) {
    if (old.slots[i].name) {
      *slot_of(names, old.slots[i].name) = old.slots[i];
    }
  }
}

bool aicc_names_add(aicc_names *names, aicc_arena *arena, const char *name, void *item) {
  AICC_ASSERT(item);
  if (2 * names->count >= names->capacity) {
    grow(names, arena);
  }
  aicc_name_slot *slot = slot_of(names, name);
  if (slot->name) {
    return false;
  }
  *slot = (aicc_name_slot){name, item};
  names->count++;
  return true;
}
