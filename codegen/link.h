// Linking: objects in memory -> a shared object, by ld.lld. No C compiler and no libc are involved.
//
// Layer codegen. The linker is the program that AICC_LLD names, else ld.lld-22 or ld.lld on the
// PATH. Thread-safe.
#ifndef AICC_CODEGEN_LINK_H
#define AICC_CODEGEN_LINK_H

#include "ir/diag.h"

// A relocatable ELF object. Borrowed.
typedef struct cg_object {
  const void *data;
  size_t size;
} cg_object;

// Links |objects| into a shared object and writes it over |path| (a cg_output's temporary name).
// Every symbol must be defined by one of them. Reproducible: no path or time enters the result.
// AICC_IO: E0601 (no linker), E0602, E0604; AICC_INTERNAL or AICC_IO: E0603 with what the linker
// said.
AICC_MUST_USE aicc_status cg_link_shared(const cg_object *objects, size_t count, const char *path,
                                         aicc_diags *diags);

// Links one AMDGPU object into a code object, written to the descriptor |out|. Errors as above.
AICC_MUST_USE aicc_status cg_link_code_object(const cg_object *object, int out,
                                              aicc_diags *diags);

#endif
