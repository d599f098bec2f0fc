// Arena: memory with one lifetime. Used for modules, passes and importers; nothing is freed singly.
//
// Thread-compatible: one arena is used by one thread at a time. Allocation never returns NULL: when
// memory runs out the compiler ends with exit code AICC_RESOURCE and one line, because no caller
// has anything better to do. Sizes that come from a file are checked against limits before.
#ifndef AICC_IR_ARENA_H
#define AICC_IR_ARENA_H

#include <stdarg.h>

#include "ir/status.h"

typedef struct aicc_arena {
  struct aicc_arena_block *blocks;  // newest first; owned
  size_t used;                      // bytes handed out, for --stats
} aicc_arena;

void aicc_arena_init(aicc_arena *arena);
void aicc_arena_deinit(aicc_arena *arena);  // frees everything allocated from it

// |size| zeroed bytes, aligned to 16.
void *aicc_arena_alloc(aicc_arena *arena, size_t size);
void *aicc_arena_memdup(aicc_arena *arena, const void *data, size_t size);
char *aicc_arena_strdup(aicc_arena *arena, const char *text);
char *aicc_arena_printf(aicc_arena *arena, const char *format, ...) AICC_PRINTF(2, 3);
char *aicc_arena_vprintf(aicc_arena *arena, const char *format, va_list args);

#define AICC_NEW(arena, type) ((type *)aicc_arena_alloc((arena), sizeof(type)))
#define AICC_NEW_ARRAY(arena, type, count) \
  ((type *)aicc_arena_alloc((arena), sizeof(type) * (size_t)(count)))

// Growable array inside an arena: AICC_PUSH(arena, items, count, capacity, value). Old storage is
// left behind (waste is at most 2x).
#define AICC_PUSH(arena, items, count, capacity, value)                                        \
  do {                                                                                         \
    if ((count) == (capacity)) {                                                               \
      (items) = aicc_arena_grow((arena), (items), (count), sizeof(*(items)));                  \
      (capacity) = (capacity) ? 2 * (capacity) : 8;                                            \
    }                                                                                          \
    (items)[(count)++] = (value);                                                              \
  } while (0)
void *aicc_arena_grow(aicc_arena *arena, const void *items, size_t count, size_t item_size);

#endif
