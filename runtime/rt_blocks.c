#include "rt_blocks.h"

#include <string.h>

// Sits before the memory it describes; 64 bytes, so that the memory keeps its alignment.
struct aicc_rt_block {
  aicc_rt_block *next, *prev;
  uint64_t size;  // of the memory behind it
  uint32_t kind;  // size class
  char pad[64 - 2 * sizeof(void *) - 12];
};

_Static_assert(sizeof(aicc_rt_block) == AICC_RT_ALIGN, "a block's memory is aligned");

// The smallest class that holds |bytes|, and its size.
static uint32_t class_of(uint64_t bytes, uint64_t *size) {
  const uint64_t least = bytes < 64 ? 64 : bytes;
  const uint32_t log = 63u - (uint32_t)__builtin_clzll(least);
  const uint64_t step = UINT64_C(1) << (log - 2);
  const uint64_t quarter = (least - (UINT64_C(1) << log) + step - 1) / step;
  *size = ((UINT64_C(1) << log) + quarter * step + 63) & ~UINT64_C(63);
  return (log - 6) * 4 + (uint32_t)quarter;
}

void aicc_rt_blocks_init(aicc_rt_blocks *blocks, const aicc_rt_allocator *allocator) {
  memset(blocks, 0, sizeof *blocks);
  blocks->allocator = allocator;
}

static void delete_list(const aicc_rt_blocks *blocks, aicc_rt_block *block) {
  while (block != NULL) {
    aicc_rt_block *next = block->next;
    aicc_rt_delete(blocks->allocator, block, sizeof *block + block->size, 1);
    block = next;
  }
}

void aicc_rt_blocks_deinit(aicc_rt_blocks *blocks) {
  delete_list(blocks, blocks->used);
  for (int i = 0; i < AICC_RT_BLOCK_CLASSES; i++) {
    delete_list(blocks, blocks->free_lists[i]);
  }
  memset(blocks, 0, sizeof *blocks);
}

void *aicc_rt_blocks_alloc(aicc_rt_blocks *blocks, int64_t bytes) {
  if (bytes < 0 || bytes > INT64_MAX / 4) {
    return NULL;
  }
  uint64_t size = 0;
  const uint32_t kind = class_of((uint64_t)bytes, &size);
  aicc_rt_block *block = blocks->free_lists[kind];
  if (block != NULL) {
    blocks->free_lists[kind] = block->next;
  } else {
    block = aicc_rt_new_bytes(blocks->allocator, sizeof *block + size);
    if (block == NULL) {
      return NULL;
    }
    block->size = size;
    block->kind = kind;
    blocks->total += size;
  }
  block->prev = NULL;
  block->next = blocks->used;
  if (block->next != NULL) {
    block->next->prev = block;
  }
  blocks->used = block;
  return block + 1;
}

void aicc_rt_blocks_free(aicc_rt_blocks *blocks, void *memory) {
  if (memory == NULL) {
    return;
  }
  aicc_rt_block *block = (aicc_rt_block *)memory - 1;
  if (block->prev != NULL) {
    block->prev->next = block->next;
  } else {
    blocks->used = block->next;
  }
  if (block->next != NULL) {
    block->next->prev = block->prev;
  }
  block->next = blocks->free_lists[block->kind];
  blocks->free_lists[block->kind] = block;
}

void aicc_rt_blocks_reset(aicc_rt_blocks *blocks) {
  while (blocks->used != NULL) {
    aicc_rt_blocks_free(blocks, blocks->used + 1);
  }
}
