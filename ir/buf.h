// Buffers: immutable-once-shared bytes with a reference count, on the heap or mapped from a file.
//
// Weights live in them, outside of every arena, so that modules can share and drop them. A view is
// a range of a buffer. Invariant: a buffer mapped from a file with a name is read-only.
//
// Thread-safe: retain and release (the count is atomic), and reading. Whoever made a heap buffer
// may write to it until it shares it.
#ifndef AICC_IR_BUF_H
#define AICC_IR_BUF_H

#include "ir/diag.h"

typedef struct aicc_buf aicc_buf;

// |size| bytes, not zeroed, aligned to 64; count 1. Never NULL: when memory runs out the process
// ends as it does for arenas.
aicc_buf *aicc_buf_create_heap(size_t size);
aicc_buf *aicc_buf_create_copy(const void *data, size_t size);

// The same for results of any size: from AICC_BUF_LARGE bytes on they are a file without a name in
// TMPDIR (else /var/tmp), mapped, so that aicc_view_forget takes them out of memory too. On the
// heap where that folder has no room or is itself in memory.
enum { AICC_BUF_LARGE = 8 << 20 };
aicc_buf *aicc_buf_create_large(size_t size);

// The whole file, mapped; count 1. AICC_IO (E0301) where it is not a readable regular file. A file
// that shrinks while it is mapped kills the process on access; that is the mapping's nature.
AICC_MUST_USE aicc_status aicc_buf_map_file(const char *path, aicc_diags *diags, aicc_buf **out);

aicc_buf *aicc_buf_retain(aicc_buf *buf);  // returns |buf|
void aicc_buf_release(aicc_buf *buf);      // NULL is ignored

const uint8_t *aicc_buf_data(const aicc_buf *buf);
uint8_t *aicc_buf_data_mut(aicc_buf *buf);  // buffers that were created and are not shared yet
size_t aicc_buf_size(const aicc_buf *buf);
bool aicc_buf_is_mapped(const aicc_buf *buf);

// A range of a buffer. Copying the struct does not count; who keeps a view retains view.buf.
typedef struct aicc_view {
  aicc_buf *buf;
  size_t offset, size;  // bytes
} aicc_view;

static inline const uint8_t *aicc_view_data(aicc_view view) {
  return aicc_buf_data(view.buf) + view.offset;
}
static inline bool aicc_view_is_aligned(aicc_view view, size_t alignment) {
  return (uintptr_t)aicc_view_data(view) % alignment == 0;
}

// Says that these bytes are not needed soon: those of a file leave this process's memory, and
// are read from the file again when they are touched. Does nothing to heap buffers.
void aicc_view_forget(aicc_view view);

// The same bytes at an address that is a multiple of |alignment| (a power of two up to 64): |view|
// itself where it is aligned, else a copy. The result holds a reference of its own either way.
aicc_view aicc_view_align(aicc_view view, size_t alignment);

#endif
