// Sequences of tensors: immutable values with reference counts, in the session's blocks; the data
// of their items is in the memory of its device. Sequences share their items. One thread.
#ifndef AICC_RT_SEQ_H
#define AICC_RT_SEQ_H

#include "rt_blocks.h"
#include "rt_tensor.h"

typedef struct aicc_rt_seq_item {
  uint32_t references;
  int32_t rank;
  bool owned;  // |data| is a block of the device's; else it is behind |dims|, or borrowed
  void *data;
  int64_t dims[];
} aicc_rt_seq_item;

typedef struct aicc_rt_seq {
  uint32_t references;
  aicc_abi_dtype dtype;
  int64_t count;
  aicc_rt_seq_item *items[];
} aicc_rt_seq;

// With |count| items yet to be set by the caller. NULL where there is no memory, here and below.
aicc_rt_seq *aicc_rt_seq_new(aicc_rt_blocks *blocks, aicc_abi_dtype dtype, int64_t count);

// Memory of both: |host| for the sequences, |data| for their items; the same where that is the
// host's.
typedef struct aicc_rt_seq_home {
  aicc_rt_blocks *host, *data;
} aicc_rt_seq_home;

// With room for |bytes| at item->data, for the caller to fill.
aicc_rt_seq_item *aicc_rt_seq_item_new(const aicc_rt_seq_home *home, int64_t bytes, int32_t rank,
                                       const int64_t *dims);
// |data| is borrowed.
aicc_rt_seq_item *aicc_rt_seq_item_borrow(const aicc_rt_seq_home *home, void *data, int32_t rank,
                                          const int64_t *dims);

// A new sequence with |item| (its reference is taken over) before |position| of 0..count.
aicc_rt_seq *aicc_rt_seq_insert(aicc_rt_blocks *blocks, const aicc_rt_seq *seq, int64_t position,
                                aicc_rt_seq_item *item);
// A new sequence without the item at |position| of 0..count-1.
aicc_rt_seq *aicc_rt_seq_erase(aicc_rt_blocks *blocks, const aicc_rt_seq *seq, int64_t position);

void aicc_rt_seq_release(const aicc_rt_seq_home *home, aicc_rt_seq *seq);

#endif
