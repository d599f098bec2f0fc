// Whole reads and writes on descriptors. Errors are left in errno.
#ifndef AICC_CODEGEN_FILE_H
#define AICC_CODEGEN_FILE_H

#include "ir/arena.h"

// Writes all |size| bytes at the descriptor's position, however many calls that takes.
bool cg_write_all(int fd, const void *data, uint64_t size);
// Reads exactly |size| bytes; false at an error or an early end (errno 0).
bool cg_read_all(int fd, void *data, uint64_t size);
// All of a seekable file as text, without blanks at its end; at most 16 KiB of it, the last ones.
char *cg_read_text(int fd, aicc_arena *arena);

#endif
