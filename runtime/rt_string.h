// Bytes of string elements that live until the next run: cut from large blocks.
#ifndef AICC_RT_STRING_H
#define AICC_RT_STRING_H

#include "rt_blocks.h"

typedef struct aicc_rt_strings {
  char *next;  // free bytes of the current block
  int64_t left;
} aicc_rt_strings;

// Forgets all strings; call with aicc_rt_blocks_reset.
static inline void aicc_rt_strings_reset(aicc_rt_strings *strings) {
  strings->next = NULL;
  strings->left = 0;
}

// NULL where there is no memory or |size| is negative.
char *aicc_rt_strings_new(aicc_rt_strings *strings, aicc_rt_blocks *blocks, int64_t size);

#endif
