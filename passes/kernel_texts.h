// The library kernels of passes/kernels, embedded when aicc is built. Immutable; ends with a row
// without a name.
#ifndef AICC_PASSES_KERNEL_TEXTS_H
#define AICC_PASSES_KERNEL_TEXTS_H

#include <stddef.h>

typedef struct aicc_kernel_text {
  const char *name;  // of the file, without .kir
  const char *text;  // not zero-terminated
  size_t size;
} aicc_kernel_text;

extern const aicc_kernel_text aicc_kernel_texts[];

#endif
