// A hash map from names to pointers, inside an arena. Names are borrowed.
#ifndef AICC_IR_NAMES_H
#define AICC_IR_NAMES_H

#include "ir/arena.h"

typedef struct aicc_name_slot {
  const char *name;  // NULL: free
  void *item;
} aicc_name_slot;

typedef struct aicc_names {
  aicc_name_slot *slots;
  size_t count, capacity;  // capacity: a power of two, or 0
} aicc_names;

void *aicc_names_get(const aicc_names *names, const char *name);  // NULL: absent
// Adds a name with a non-NULL item; false (nothing changed) where it is there.
bool aicc_names_add(aicc_names *names, aicc_arena *arena, const char *name, void *item);

#endif
