#include "rt_seq.h"

#include <string.h>

aicc_rt_seq *aicc_rt_seq_new(aicc_rt_blocks *blocks, aicc_abi_dtype dtype, int64_t count) {
  int64_t bytes = 0;
  if (count < 0 || __builtin_mul_overflow(count, (int64_t)sizeof(void *), &bytes)) {
    return NULL;
  }
  aicc_rt_seq *seq = aicc_rt_blocks_alloc(blocks, (int64_t)sizeof *seq + bytes);
  if (seq != NULL) {
    seq->references = 1;
    seq->dtype = dtype;
    seq->count = count;
  }
  return seq;
}

// |room| bytes behind the dimensions.
static aicc_rt_seq_item *new_item(aicc_rt_blocks *blocks, int64_t room, int32_t rank,
                                  const int64_t *dims) {
  const size_t head = sizeof(aicc_rt_seq_item) + (size_t)rank * sizeof *dims;
  const size_t start = (head + AICC_RT_ALIGN - 1) / AICC_RT_ALIGN * AICC_RT_ALIGN;
  if (room < 0 || room > INT64_MAX / 4) {
    return NULL;
  }
  aicc_rt_seq_item *item = aicc_rt_blocks_alloc(blocks, (int64_t)start + room);
  if (item == NULL) {
    return NULL;
  }
  item->references = 1;
  item->rank = rank;
  item->owned = false;
  item->data = (char *)item + start;
  if (rank > 0) {
    memcpy(item->dims, dims, (size_t)rank * sizeof *dims);
  }
  return item;
}

aicc_rt_seq_item *aicc_rt_seq_item_new(const aicc_rt_seq_home *home, int64_t bytes, int32_t rank,
                                       const int64_t *dims) {
  if (home->host == home->data) {
    return new_item(home->host, bytes, rank, dims);
  }
  aicc_rt_seq_item *item = new_item(home->host, 0, rank, dims);
  if (item != NULL) {
    item->data = aicc_rt_blocks_alloc(home->data, bytes);
    item->owned = item->data != NULL;
    if (!item->owned) {
      aicc_rt_blocks_free(home->host, item);
      item = NULL;
    }
  }
  return item;
}

aicc_rt_seq_item *aicc_rt_seq_item_borrow(const aicc_rt_seq_home *home, void *data, int32_t rank,
                                          const int64_t *dims) {
  aicc_rt_seq_item *item = new_item(home->host, 0, rank, dims);
  if (item != NULL) {
    item->data = data;
  }
  return item;
}

static void take_items(aicc_rt_seq *to, int64_t at, const aicc_rt_seq *from, int64_t first,
                       int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    to->items[at + i] = from->items[first + i];
    to->items[at + i]->references++;
  }
}

aicc_rt_seq *aicc_rt_seq_insert(aicc_rt_blocks *blocks, const aicc_rt_seq *seq, int64_t position,
                                aicc_rt_seq_item *item) {
  aicc_rt_seq *result = aicc_rt_seq_new(blocks, seq->dtype, seq->count + 1);
  if (result != NULL) {
    take_items(result, 0, seq, 0, position);
    result->items[position] = item;
    take_items(result, position + 1, seq, position, seq->count - position);
  }
  return result;
}

aicc_rt_seq *aicc_rt_seq_erase(aicc_rt_blocks *blocks, const aicc_rt_seq *seq, int64_t position) {
  aicc_rt_seq *result = aicc_rt_seq_new(blocks, seq->dtype, seq->count - 1);
  if (result != NULL) {
    take_items(result, 0, seq, 0, position);
    take_items(result, position, seq, position + 1, seq->count - position - 1);
  }
  return result;
}

void aicc_rt_seq_release(const aicc_rt_seq_home *home, aicc_rt_seq *seq) {
  if (seq == NULL || --seq->references > 0) {
    return;
  }
  for (int64_t i = 0; i < seq->count; i++) {
    aicc_rt_seq_item *item = seq->items[i];
    if (--item->references == 0) {
      if (item->owned) {
        aicc_rt_blocks_free(home->data, item->data);
      }
      aicc_rt_blocks_free(home->host, item);
    }
  }
  aicc_rt_blocks_free(home->host, seq);
}
