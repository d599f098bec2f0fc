#include "rt_blocks.h"

#include <string.h>

// Sits before the memory it describes (unless that is a device's); 64 bytes, so that the memory
// keeps its alignment.
struct aicc_rt_block {
  aicc_rt_block *next, *prev;
  void *memory;
  uint64_t size;  // of the memory
  uint32_t kind;  // size class
  char pad[64 - 3 * sizeof(void *) - 12];
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

void aicc_rt_blocks_init(aicc_rt_blocks *blocks, const aicc_rt_allocator *allocator,
                         const aicc_rt_allocator *device) {
  memset(blocks, 0, sizeof *blocks);
  blocks->allocator = allocator;
  blocks->device = device;
}

static void delete_block(const aicc_rt_blocks *blocks, aicc_rt_block *block) {
  if (blocks->device == NULL) {
    aicc_rt_delete(blocks->allocator, block, sizeof *block + block->size, 1);
    return;
  }
  aicc_rt_delete(blocks->device, block->memory, block->size, 1);
  aicc_rt_delete(blocks->allocator, block, 1, sizeof *block);
}

static void delete_list(const aicc_rt_blocks *blocks, aicc_rt_block *block) {
  while (block != NULL) {
    aicc_rt_block *next = block->next;
    delete_block(blocks, block);
    block = next;
  }
}

void aicc_rt_blocks_deinit(aicc_rt_blocks *blocks) {
  delete_list(blocks, blocks->used);
  for (int i = 0; i < AICC_RT_BLOCK_CLASSES; i++) {
    delete_list(blocks, blocks->free_lists[i]);
  }
  aicc_rt_delete(blocks->allocator, blocks->index, blocks->index_size, sizeof(void *));
  memset(blocks, 0, sizeof *blocks);
}

// ---- blocks of a device by address -------------------------------------------------------------

// The entry of |memory|, or the empty one where it would be.
static size_t index_of(const aicc_rt_blocks *blocks, const void *memory) {
  const uint64_t key = (uint64_t)(uintptr_t)memory / AICC_RT_ALIGN * 0x9e3779b97f4a7c15u;
  size_t at = (size_t)(key >> 32) & (blocks->index_size - 1);
  while (blocks->index[at] != NULL && blocks->index[at]->memory != memory) {
    at = (at + 1) & (blocks->index_size - 1);
  }
  return at;
}

// Room for one more, at most half full. False: no memory.
static bool reserve_index(aicc_rt_blocks *blocks) {
  if (2 * (blocks->count + 1) <= blocks->index_size) {
    return true;
  }
  const aicc_rt_blocks old = *blocks;
  blocks->index_size = old.index_size > 0 ? 2 * old.index_size : 64;
  blocks->index = aicc_rt_new(blocks->allocator, blocks->index_size, sizeof(void *));
  if (blocks->index == NULL) {
    *blocks = old;
    return false;
  }
  for (size_t i = 0; i < old.index_size; i++) {
    if (old.index[i] != NULL) {
      blocks->index[index_of(blocks, old.index[i]->memory)] = old.index[i];
    }
  }
  aicc_rt_delete(blocks->allocator, old.index, old.index_size, sizeof(void *));
  return true;
}

static aicc_rt_block *new_device_block(aicc_rt_blocks *blocks, uint64_t size) {
  aicc_rt_block *block =
      reserve_index(blocks) ? aicc_rt_new(blocks->allocator, 1, sizeof *block) : NULL;
  if (block == NULL) {
    return NULL;
  }
  block->memory = aicc_rt_new_bytes(blocks->device, size);
  if (block->memory == NULL) {
    aicc_rt_delete(blocks->allocator, block, 1, sizeof *block);
    return NULL;
  }
  blocks->index[index_of(blocks, block->memory)] = block;
  blocks->count++;
  return block;
}

// ---- blocks ------------------------------------------------------------------------------------

static aicc_rt_block *new_block(aicc_rt_blocks *blocks, uint64_t size, uint32_t kind) {
  aicc_rt_block *block = NULL;
  if (blocks->device != NULL) {
    block = new_device_block(blocks, size);
  } else {
    block = aicc_rt_new_bytes(blocks->allocator, sizeof *block + size);
    if (block != NULL) {
      block->memory = block + 1;
    }
  }
  if (block != NULL) {
    block->size = size;
    block->kind = kind;
    blocks->total += size;
  }
  return block;
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
    block = new_block(blocks, size, kind);
    if (block == NULL) {
      return NULL;
    }
  }
  block->prev = NULL;
  block->next = blocks->used;
  if (block->next != NULL) {
    block->next->prev = block;
  }
  blocks->used = block;
  return block->memory;
}

void aicc_rt_blocks_free(aicc_rt_blocks *blocks, void *memory) {
  if (memory == NULL) {
    return;
  }
  aicc_rt_block *block = blocks->device == NULL ? (aicc_rt_block *)memory - 1
                                                : blocks->index[index_of(blocks, memory)];
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
    aicc_rt_blocks_free(blocks, blocks->used->memory);
  }
}
