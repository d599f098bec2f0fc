// The allocator hook and the few forms in which the runtime uses it.
#ifndef AICC_RT_ALLOC_H
#define AICC_RT_ALLOC_H

#include "aicc/runtime.h"

#define AICC_RT_ALIGN 64u

extern const aicc_rt_allocator aicc_rt_allocator_libc;

// Zeroed, aligned to 64; NULL when there is none or count * size overflows. Size 0 counts as 1.
void *aicc_rt_new(const aicc_rt_allocator *allocator, size_t count, size_t size);
// Not zeroed.
void *aicc_rt_new_bytes(const aicc_rt_allocator *allocator, size_t bytes);
// With the |count| and |size| of aicc_rt_new; aicc_rt_new_bytes has size 1. NULL is allowed.
void aicc_rt_delete(const aicc_rt_allocator *allocator, void *pointer, size_t count, size_t size);

// Copies |text|; free with aicc_rt_delete(.., strlen + 1, 1).
char *aicc_rt_new_text(const aicc_rt_allocator *allocator, const char *text);

#endif
