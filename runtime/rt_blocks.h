// Memory of no planned size: blocks of a few size classes, kept for the next run. The same requests
// in the next run need no new memory, because a free block serves its own class only.
//
// Memory of a device is not for the host to write: what describes such a block lies apart from it,
// and is found by its address.
#ifndef AICC_RT_BLOCKS_H
#define AICC_RT_BLOCKS_H

#include "rt_alloc.h"

// Four classes per doubling, from 64 bytes.
#define AICC_RT_BLOCK_CLASSES 224

typedef struct aicc_rt_block aicc_rt_block;

typedef struct aicc_rt_blocks {
  const aicc_rt_allocator *allocator;  // borrowed
  const aicc_rt_allocator *device;     // borrowed: where the memory is; NULL: |allocator|, too
  aicc_rt_block **index;               // of a device's blocks, by address: open addressing
  size_t index_size, count;            // a power of two, and how many there are
  aicc_rt_block *free_lists[AICC_RT_BLOCK_CLASSES];
  aicc_rt_block *used;  // doubly linked
  uint64_t total;       // bytes held, used or free
} aicc_rt_blocks;

// |device| NULL: memory of |allocator|.
void aicc_rt_blocks_init(aicc_rt_blocks *blocks, const aicc_rt_allocator *allocator,
                         const aicc_rt_allocator *device);
void aicc_rt_blocks_deinit(aicc_rt_blocks *blocks);

// Aligned to 64, not zeroed, never NULL for 0 bytes; NULL where there is no memory.
void *aicc_rt_blocks_alloc(aicc_rt_blocks *blocks, int64_t bytes);
void aicc_rt_blocks_free(aicc_rt_blocks *blocks, void *memory);  // NULL is allowed
// Takes back all that is in use.
void aicc_rt_blocks_reset(aicc_rt_blocks *blocks);

#endif
