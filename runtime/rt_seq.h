// Sequences of tensors: immutable values with reference counts, in the session's blocks. Sequences
// share their items. One thread.
#ifndef AICC_RT_SEQ_H
#define AICC_RT_SEQ_H

#include "rt_blocks.h"
#include "rt_tensor.h"

typedef struct aicc_rt_seq_item {
  uint32_t references;
  int32_t rank;
  void *data;  // behind |dims|, or borrowed
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

// |data| is copied (|bytes| of it) or, with |bytes| < 0, borrowed.
aicc_rt_seq_item *aicc_rt_seq_item_new(aicc_rt_blocks *blocks, const void *data, int64_t bytes,
                                       int32_t rank, const int64_t *dims);

// A new sequence with |item| (its reference is taken over) before |position| of 0..count.
aicc_rt_seq *aicc_rt_seq_insert(aicc_rt_blocks *blocks, const aicc_rt_seq *seq, int64_t position,
                                aicc_rt_seq_item *item);
// A new sequence without the item at |position| of 0..count-1.
aicc_rt_seq *aicc_rt_seq_erase(aicc_rt_blocks *blocks, const aicc_rt_seq *seq, int64_t position);

void aicc_rt_seq_release(aicc_rt_blocks *blocks, aicc_rt_seq *seq);

#endif
