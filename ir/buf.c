#include "ir/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { ALIGN = 64 };

struct aicc_buf {
  uint8_t *data;
  size_t size;
  bool mapped, read_only;
  atomic_uint count;
};

static aicc_buf *buf_create(uint8_t *data, size_t size, bool mapped) {
  aicc_buf *buf = data ? malloc(sizeof *buf) : NULL;
  if (!buf) {
    fprintf(stderr, "aicc: out of memory (asked for %zu bytes)\n", size);
    exit(AICC_RESOURCE);
  }
  buf->data = data;
  buf->size = size;
  buf->mapped = mapped;
  buf->read_only = mapped;
  atomic_init(&buf->count, 1);
  return buf;
}

aicc_buf *aicc_buf_create_heap(size_t size) {
  // Not aligned_alloc: its rounding up would hide reads past the end from the address sanitizer.
  void *data = NULL;
  const int error = posix_memalign(&data, ALIGN, size ? size : 1);
  return buf_create(error ? NULL : data, size, false);
}

// A new file of |size| bytes without a name, on a disk that has room for it; -1: there is none.
static int spill_file(size_t size) {
  enum { TMPFS = 0x01021994, RAMFS = (int)0x858458f6 };
  const char *folder = getenv("TMPDIR");
  folder = folder && *folder ? folder : "/var/tmp";
  char path[4096];
  const int length = snprintf(path, sizeof path, "%s/aicc-XXXXXX", folder);
  struct statfs info;
  if (length >= (int)sizeof path || statfs(folder, &info) != 0 || info.f_type == TMPFS ||
      (int)info.f_type == RAMFS) {
    return -1;
  }
  const int file = mkostemp(path, O_CLOEXEC);
  if (file < 0) {
    return -1;
  }
  unlink(path);
  // Blocks that are reserved here cannot be missing when a page is written.
  if (posix_fallocate(file, 0, (off_t)size) != 0) {
    close(file);
    return -1;
  }
  return file;
}

aicc_buf *aicc_buf_create_large(size_t size) {
  const int file = size >= AICC_BUF_LARGE ? spill_file(size) : -1;
  if (file < 0) {
    return aicc_buf_create_heap(size);
  }
  void *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  close(file);
  if (data == MAP_FAILED) {
    return aicc_buf_create_heap(size);
  }
  aicc_buf *buf = buf_create(data, size, true);
  buf->read_only = false;
  return buf;
}

aicc_buf *aicc_buf_create_copy(const void *data, size_t size) {
  aicc_buf *buf = aicc_buf_create_heap(size);
  if (size) {
    memcpy(buf->data, data, size);
  }
  return buf;
}

// Maps |file|; NULL with errno or *reason set.
static aicc_buf *map_descriptor(int file, const char **reason) {
  struct stat info;
  if (fstat(file, &info) != 0) {
    return NULL;
  }
  if (!S_ISREG(info.st_mode)) {
    *reason = S_ISDIR(info.st_mode) ? "it is a folder" : "it is not a regular file";
    return NULL;
  }
  const size_t size = (size_t)info.st_size;
  if (size == 0) {
    return aicc_buf_create_heap(0);
  }
  void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, file, 0);
  return data == MAP_FAILED ? NULL : buf_create(data, size, true);
}

aicc_status aicc_buf_map_file(const char *path, aicc_diags *diags, aicc_buf **out) {
  const char *reason = NULL;
  // Without O_NONBLOCK the open of a pipe would wait for a writer.
  const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  aicc_buf *buf = file < 0 ? NULL : map_descriptor(file, &reason);
  const int error = errno;
  if (file >= 0) {
    close(file);
  }
  if (!buf) {
    AICC_EMIT(diags, E0301, NULL, path, reason ? reason : strerror(error));
    return AICC_IO;
  }
  *out = buf;
  return AICC_OK;
}

aicc_buf *aicc_buf_retain(aicc_buf *buf) {
  atomic_fetch_add_explicit(&buf->count, 1, memory_order_relaxed);
  return buf;
}

void aicc_buf_release(aicc_buf *buf) {
  if (!buf || atomic_fetch_sub_explicit(&buf->count, 1, memory_order_acq_rel) != 1) {
    return;
  }
  if (buf->mapped) {
    munmap(buf->data, buf->size);
  } else {
    free(buf->data);
  }
  free(buf);
}

const uint8_t *aicc_buf_data(const aicc_buf *buf) { return buf->data; }
uint8_t *aicc_buf_data_mut(aicc_buf *buf) {
  AICC_ASSERT(!buf->read_only);
  return buf->data;
}
size_t aicc_buf_size(const aicc_buf *buf) { return buf->size; }
bool aicc_buf_is_mapped(const aicc_buf *buf) { return buf->mapped; }

aicc_view aicc_view_align(aicc_view view, size_t alignment) {
  AICC_ASSERT(alignment <= ALIGN);
  if (aicc_view_is_aligned(view, alignment)) {
    aicc_buf_retain(view.buf);
    return view;
  }
  aicc_buf *copy = aicc_buf_create_large(view.size);
  memcpy(copy->data, aicc_view_data(view), view.size);
  aicc_view_forget(view);  // else large tensors would be in memory twice
  return (aicc_view){.buf = copy, .offset = 0, .size = view.size};
}

void aicc_view_forget(aicc_view view) {
  if (!view.buf->mapped) {
    return;
  }
  const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
  const uintptr_t start = ((uintptr_t)aicc_view_data(view) + page - 1) / page * page;
  const uintptr_t end = (uintptr_t)(aicc_view_data(view) + view.size) / page * page;
  if (start < end) {
    // What a mapping holds is in its file; a refusal costs memory, not correctness.
    (void)madvise((void *)start, end - start, MADV_DONTNEED);
  }
}
