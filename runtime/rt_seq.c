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

aicc_rt_seq_item *aicc_rt_seq_item_new(aicc_rt_blocks *blocks, const void *data, int64_t bytes,
                                       int32_t rank, const int64_t *dims) {
  const size_t head = sizeof(aicc_rt_seq_item) + (size_t)rank * sizeof *dims;
  const size_t start = (head + AICC_RT_ALIGN - 1) / AICC_RT_ALIGN * AICC_RT_ALIGN;
  if (bytes > INT64_MAX / 4) {
    return NULL;
  }
  aicc_rt_seq_item *item = aicc_rt_blocks_alloc(blocks, (int64_t)start + (bytes > 0 ? bytes : 0));
  if (item == NULL) {
    return NULL;
  }
  item->references = 1;
  item->rank = rank;
  if (rank > 0) {
    memcpy(item->dims, dims, (size_t)rank * sizeof *dims);
  }
  if (bytes < 0) {
    memcpy(&item->data, &data, sizeof data);  // borrowed and never written through
    return item;
  }
  item->data = (char *)item + start;
  if (bytes > 0) {
    memcpy(item->data, data, (size_t)bytes);
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

void aicc_rt_seq_release(aicc_rt_blocks *blocks, aicc_rt_seq *seq) {
  if (seq == NULL || --seq->references > 0) {
    return;
  }
  for (int64_t i = 0; i < seq->count; i++) {
    if (--seq->items[i]->references == 0) {
      aicc_rt_blocks_free(blocks, seq->items[i]);
    }
  }
  aicc_rt_blocks_free(blocks, seq);
}
