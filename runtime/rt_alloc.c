#include "rt_alloc.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

// From this size on memory is asked for in huge pages: fewer faults at first, fewer TLB misses
// later.
#define HUGE_BYTES ((size_t)4 << 20)
#define HUGE_ALIGN ((size_t)2 << 20)

static void *libc_resize(void *user, void *pointer, size_t old_size, size_t new_size,
                         size_t alignment) {
  (void)user;
  (void)old_size;
  if (new_size == 0) {
    free(pointer);
    return NULL;
  }
  const bool huge = new_size >= HUGE_BYTES;
  void *fresh = NULL;
  if (posix_memalign(&fresh, huge ? HUGE_ALIGN : alignment, new_size) != 0) {
    return NULL;
  }
  if (huge) {
    (void)madvise(fresh, new_size, MADV_HUGEPAGE);  // a hint: where it fails nothing is lost
  }
  return fresh;
}

const aicc_rt_allocator aicc_rt_allocator_libc = {libc_resize, NULL};

void *aicc_rt_new_bytes(const aicc_rt_allocator *allocator, size_t bytes) {
  return allocator->resize(allocator->user, NULL, 0, bytes == 0 ? 1 : bytes, AICC_RT_ALIGN);
}

void *aicc_rt_new(const aicc_rt_allocator *allocator, size_t count, size_t size) {
  size_t bytes = 0;
  if (__builtin_mul_overflow(count, size, &bytes)) {
    return NULL;
  }
  void *pointer = aicc_rt_new_bytes(allocator, bytes);
  return pointer == NULL ? NULL : memset(pointer, 0, bytes);
}

void aicc_rt_delete(const aicc_rt_allocator *allocator, void *pointer, size_t count, size_t size) {
  if (pointer != NULL) {
    const size_t bytes = count * size;
    allocator->resize(allocator->user, pointer, bytes == 0 ? 1 : bytes, 0, AICC_RT_ALIGN);
  }
}

char *aicc_rt_new_text(const aicc_rt_allocator *allocator, const char *text) {
  const size_t size = strlen(text) + 1;
  char *copy = aicc_rt_new_bytes(allocator, size);
  return copy == NULL ? NULL : memcpy(copy, text, size);
}
