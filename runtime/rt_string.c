#include "rt_string.h"

#define STRING_BLOCK 65536

char *aicc_rt_strings_new(aicc_rt_strings *strings, aicc_rt_blocks *blocks, int64_t size) {
  if (size < 0) {
    return NULL;
  }
  if (size > STRING_BLOCK / 4) {
    return aicc_rt_blocks_alloc(blocks, size);
  }
  if (strings->next == NULL || strings->left < size) {
    strings->next = aicc_rt_blocks_alloc(blocks, STRING_BLOCK);
    strings->left = strings->next == NULL ? 0 : STRING_BLOCK;
  }
  char *result = strings->next;
  if (result != NULL) {
    strings->next += size;
    strings->left -= size;
  }
  return result;
}
