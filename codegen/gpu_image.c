#include "codegen/gpu_image.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "aicc/abi.h"
#include "codegen/file.h"
#include "codegen/link.h"
#include "codegen/tool.h"

typedef struct blob_header {
  uint64_t kind, size;
  const cg_target *target;  // a row of the table: the same in workers
} blob_header;

static void add_blob(cg_reply *reply, uint32_t kind, const cg_target *target, const void *data,
                     uint64_t size) {
  const blob_header header = {.kind = kind, .size = size, .target = target};
  cg_reply_add(reply, &header, sizeof header);
  cg_reply_add(reply, data, (size_t)size);
}

bool cg_gpu_image_next(const unsigned char **at, const unsigned char *end, cg_gpu_blob *out) {
  if (*at == end) {
    return false;
  }
  blob_header header;
  memcpy(&header, *at, sizeof header);
  *out = (cg_gpu_blob){.kind = (uint32_t)header.kind, .target = header.target,
                       .size = header.size, .data = *at + sizeof header};
  *at += sizeof header + header.size;
  return true;
}

static aicc_status add_file(cg_reply *reply, uint32_t kind, const cg_target *target, int fd,
                            aicc_diags *diags) {
  const off_t size = lseek(fd, 0, SEEK_END);
  void *data = malloc(size > 0 ? (size_t)size : 1);
  AICC_ASSERT(data != NULL);
  const bool read =
      size > 0 && lseek(fd, 0, SEEK_SET) == 0 && cg_read_all(fd, data, (uint64_t)size);
  if (read) {
    add_blob(reply, kind, target, data, (uint64_t)size);
  } else {
    AICC_EMIT(diags, E0607, NULL, "a GPU image", strerror(errno));
  }
  free(data);
  return read ? AICC_OK : AICC_IO;
}

// --- NVIDIA --------------------------------------------------------------------------------------

static aicc_status run_ptxas(const char *program, cg *c, const cg_target *target, int ptx,
                             int cubin, int log, cg_reply *reply) {
  aicc_arena *arena = &c->diags->arena;
  const char *const args[] = {program,
                              aicc_arena_printf(arena, "-arch=%s", target->cpu),
                              "-o",
                              aicc_arena_printf(arena, "/proc/self/fd/%d", cubin),
                              aicc_arena_printf(arena, "/proc/self/fd/%d", ptx),
                              NULL};
  int status = 0;
  const int error = cg_tool_run(args, log, log, &status);
  if (error == ENOENT && getenv("AICC_PTXAS") == NULL) {
    return AICC_OK;  // no CUDA toolkit: the driver has what it needs in the PTX
  }
  if (error != 0 || status != 0) {
    const char *said = error != 0 ? strerror(error) : cg_read_text(log, arena);
    AICC_EMIT(c->diags, E0612, NULL, program,
              error != 0 ? "could not be started" : cg_tool_end(status, arena), said);
    return AICC_IO;
  }
  return add_file(reply, AICC_ABI_IMAGE_CUBIN, target, cubin, c->diags);
}

static aicc_status add_cubin(cg *c, const cg_target *target, const void *text, size_t size,
                             cg_reply *reply) {
  const char *chosen = getenv("AICC_PTXAS");
  if (chosen != NULL && *chosen == 0) {
    return AICC_OK;
  }
  const int ptx = memfd_create("aicc-ptx", 0), cubin = memfd_create("aicc-cubin", 0);
  const int log = memfd_create("aicc-ptxas", MFD_CLOEXEC);
  aicc_status status = AICC_IO;
  if (ptx < 0 || cubin < 0 || log < 0 || !cg_write_all(ptx, text, size)) {
    AICC_EMIT(c->diags, E0604, NULL, "the input of ptxas", strerror(errno));
  } else {
    status = run_ptxas(chosen != NULL ? chosen : "ptxas", c, target, ptx, cubin, log, reply);
  }
  const int fds[] = {ptx, cubin, log};
  for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
    if (fds[i] >= 0) {
      close(fds[i]);
    }
  }
  return status;
}

static aicc_status nvidia_images(cg *c, const cg_target *const *cubins, size_t count,
                                 cg_reply *reply) {
  LLVMMemoryBufferRef text = NULL;
  AICC_TRY(cg_emit(c, true, &text));
  const size_t head = strlen(c->notes), size = head + LLVMGetBufferSize(text);
  char *ptx = aicc_arena_alloc(c->arena, size + 1);  // drivers want its zero
  memcpy(ptx, c->notes, head);
  memcpy(ptx + head, LLVMGetBufferStart(text), size - head);
  LLVMDisposeMemoryBuffer(text);
  for (size_t i = 0; i < count; i++) {
    AICC_TRY(add_cubin(c, cubins[i], ptx, size, reply));
  }
  add_blob(reply, AICC_ABI_IMAGE_PTX, c->target, ptx, size + 1);
  return AICC_OK;
}

// --- AMD -----------------------------------------------------------------------------------------

static aicc_status amd_images(cg *c, cg_reply *reply) {
  LLVMMemoryBufferRef object = NULL;
  AICC_TRY(cg_emit(c, false, &object));
  const cg_object input = {LLVMGetBufferStart(object), LLVMGetBufferSize(object)};
  const int out = memfd_create("aicc-code-object", MFD_CLOEXEC);
  aicc_status status = AICC_IO;
  if (out < 0) {
    AICC_EMIT(c->diags, E0604, NULL, "a code object", strerror(errno));
  } else {
    status = cg_link_code_object(&input, out, c->diags);
    status = status == AICC_OK ? add_file(reply, AICC_ABI_IMAGE_HSACO, c->target, out, c->diags)
                               : status;
    close(out);
  }
  LLVMDisposeMemoryBuffer(object);
  return status;
}

aicc_status cg_gpu_images(cg *c, const cg_target *const *cubins, size_t count, cg_reply *reply) {
  return c->target->family == CG_FAMILY_NVPTX ? nvidia_images(c, cubins, count, reply)
                                              : amd_images(c, reply);
}
