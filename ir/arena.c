#include "ir/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 64 * 1024, ALIGN = 16 };

typedef struct aicc_arena_block {
  struct aicc_arena_block *next;
  size_t size, used;
} aicc_arena_block;

void aicc_assert_fail(const char *cond, const char *file, int line) {
  fprintf(stderr, "aicc: internal error: '%s' does not hold (%s:%d)\n", cond, file, line);
  abort();
}

void aicc_arena_init(aicc_arena *arena) { *arena = (aicc_arena){0}; }

void aicc_arena_deinit(aicc_arena *arena) {
  for (aicc_arena_block *block = arena->blocks, *next; block; block = next) {
    next = block->next;
    free(block);
  }
  *arena = (aicc_arena){0};
}

static aicc_arena_block *block_create(size_t payload) {
  aicc_arena_block *block = calloc(1, sizeof(aicc_arena_block) + ALIGN + payload);
  if (!block) {
    fprintf(stderr, "aicc: out of memory (asked for %zu bytes)\n", payload);
    exit(AICC_RESOURCE);
  }
  block->size = payload;
  return block;
}

void *aicc_arena_alloc(aicc_arena *arena, size_t size) {
  const size_t bytes = (size + ALIGN - 1) / ALIGN * ALIGN;
  aicc_arena_block *block = arena->blocks;
  if (!block || block->size - block->used < bytes) {
    block = block_create(bytes > BLOCK_BYTES / 4 ? bytes : BLOCK_BYTES);
    if (arena->blocks && block->size != BLOCK_BYTES) {
      // An oversized block goes behind the current one, which still has room.
      block->next = arena->blocks->next;
      arena->blocks->next = block;
    } else {
      block->next = arena->blocks;
      arena->blocks = block;
    }
  }
  const uintptr_t base = ((uintptr_t)(block + 1) + ALIGN - 1) / ALIGN * ALIGN;
  void *result = (void *)(base + block->used);
  block->used += bytes;
  arena->used += bytes;
  return result;
}

void *aicc_arena_memdup(aicc_arena *arena, const void *data, size_t size) {
  void *copy = aicc_arena_alloc(arena, size);
  if (size) {
    memcpy(copy, data, size);
  }
  return copy;
}

char *aicc_arena_strdup(aicc_arena *arena, const char *text) {
  return aicc_arena_memdup(arena, text, strlen(text) + 1);
}

char *aicc_arena_vprintf(aicc_arena *arena, const char *format, va_list args) {
  va_list again;
  va_copy(again, args);
  const int length = vsnprintf(NULL, 0, format, args);
  AICC_ASSERT(length >= 0);  // the format is ours
  char *text = aicc_arena_alloc(arena, (size_t)length + 1);
  vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  return text;
}

char *aicc_arena_printf(aicc_arena *arena, const char *format, ...) {
  va_list args;
  va_start(args, format);
  char *text = aicc_arena_vprintf(arena, format, args);
  va_end(args);
  return text;
}

void *aicc_arena_grow(aicc_arena *arena, const void *items, size_t count, size_t item_size) {
  void *grown = aicc_arena_alloc(arena, (count ? 2 * count : 8) * item_size);
  if (count) {
    memcpy(grown, items, count * item_size);
  }
  return grown;
}
