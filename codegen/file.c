#include "codegen/file.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_LIMIT = 16 << 10 };
static const uint64_t step_limit = 1u << 30;  // one call moves at most about 2 GiB

bool cg_write_all(int fd, const void *data, uint64_t size) {
  const unsigned char *bytes = data;
  while (size > 0) {
    const ssize_t written = write(fd, bytes, (size_t)(size < step_limit ? size : step_limit));
    if (written < 0 && errno == EINTR) {
      continue;
    }
    if (written <= 0) {
      return false;
    }
    bytes += written;
    size -= (uint64_t)written;
  }
  return true;
}

bool cg_read_all(int fd, void *data, uint64_t size) {
  unsigned char *bytes = data;
  while (size > 0) {
    const ssize_t got = read(fd, bytes, (size_t)(size < step_limit ? size : step_limit));
    if (got < 0 && errno == EINTR) {
      continue;
    }
    if (got <= 0) {
      errno = got == 0 ? 0 : errno;
      return false;
    }
    bytes += got;
    size -= (uint64_t)got;
  }
  return true;
}

char *cg_read_text(int fd, aicc_arena *arena) {
  const off_t end = lseek(fd, 0, SEEK_END);
  const off_t start = end > TEXT_LIMIT ? end - TEXT_LIMIT : 0;
  size_t size = end > 0 ? (size_t)(end - start) : 0;
  char *text = aicc_arena_alloc(arena, size + 1);
  if (lseek(fd, start, SEEK_SET) < 0 || !cg_read_all(fd, text, size)) {
    size = strlen(text);
  }
  while (size > 0 && isspace((unsigned char)text[size - 1])) {
    text[--size] = 0;
  }
  return text;
}
