// The constants of a model: collected by offset while code is made, streamed into the model file
// after the link. They may be larger than memory: nothing is copied but through one small buffer.
//
// Layer codegen. Layout of what is written (aicc/abi.h holds the structs):
//
//   weights inside            bytes [0, image_size)          the ELF image as ld.lld wrote it
//   the model file            zeros                          up to a multiple of 4096
//                             weights_size bytes             constants at their offsets, zeros
//                             aicc_abi_footer                the last 80 bytes of the file
//
//   weights beside it         model file: the image, then the footer
//                             weights file: weights_size bytes from byte 0
//
// No program header covers them: the runtime maps the file itself, lazily and shared between
// processes, which no size limits and which costs the same for 1 MB and for 10 GB.
#ifndef AICC_CODEGEN_WEIGHTS_H
#define AICC_CODEGEN_WEIGHTS_H

#include "ir/buf.h"

enum {
  CG_WEIGHTS_CHUNK = 1 << 20,  // bytes made at a time
  CG_WEIGHTS_ALIGN = 64,       // of every constant's offset
  CG_WEIGHTS_PAGE = 4096,      // of the offsets of constants from 64 KiB on
  CG_WEIGHTS_SOURCE = 128 << 20,  // bytes; of a larger source only parts are kept in memory
};

// Makes bytes [offset, offset + size) of one constant. Called in order, without gaps; |offset| is a
// multiple of CG_WEIGHTS_CHUNK and |size| at most that. A failure has emitted its error.
typedef aicc_status cg_weights_fill(void *user, uint64_t offset, void *to, size_t size,
                                    aicc_diags *diags);

typedef struct cg_weight {
  uint64_t offset, size;
  aicc_view view;         // the bytes (with |fill|: what it reads), or:
  const void *data;       // the bytes, or:
  cg_weights_fill *fill;  // who makes them
  void *user;
} cg_weight;

// In the order of their offsets. Thread-compatible.
typedef struct cg_weights {
  aicc_arena *arena;  // of the list; borrowed
  cg_weight *items;
  size_t count, capacity;
  uint64_t size;  // of all, from offset 0
} cg_weights;

void cg_weights_init(cg_weights *weights, aicc_arena *arena);
// Adds a constant and returns its offset. |data|, |view| and |user| must live until the weights are
// written. A view of a mapped file is written piece by piece and forgotten (aicc_view_forget), so
// it does not count as memory of this process.
uint64_t cg_weights_add_view(cg_weights *weights, aicc_view view);
uint64_t cg_weights_add(cg_weights *weights, const void *data, uint64_t size);
// |source|: what |fill| reads, forgotten once it is written; .buf NULL: nothing to forget.
uint64_t cg_weights_add_made(cg_weights *weights, uint64_t size, cg_weights_fill *fill, void *user,
                             aicc_view source);

// Completes the model file at |image_path|, which holds the linked image: appends the weights (or
// writes them over |weights_path| where that is not NULL) and the footer. |hashed|: records the
// weights' hash, for the runtime's check on request. AICC_IO: E0605, E0607; the files are then
// incomplete, for the caller to discard.
AICC_MUST_USE aicc_status cg_weights_seal(const cg_weights *weights, const char *image_path,
                                          const char *weights_path, bool hashed,
                                          aicc_diags *diags);

#endif
