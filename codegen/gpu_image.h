// The images of a GPU module: PTX and, where ptxas is at hand, a cubin; or an AMDGPU code object.
//
// Layer codegen. ptxas is the program that AICC_PTXAS names, else "ptxas" on the PATH; a model made
// without it, or where AICC_PTXAS is empty, has PTX alone, which drivers compile when it is loaded.
#ifndef AICC_CODEGEN_GPU_IMAGE_H
#define AICC_CODEGEN_GPU_IMAGE_H

#include "codegen/cg.h"
#include "codegen/worker.h"

// Appends the images of the optimised module in |c| to |reply|, for cg_gpu_image_next: NVIDIA's are
// a cubin for each of the |count| targets |cubins|, all made of one PTX, and that PTX last.
AICC_MUST_USE aicc_status cg_gpu_images(cg *c, const cg_target *const *cubins, size_t count,
                                        cg_reply *reply);

typedef struct cg_gpu_blob {
  uint32_t kind;  // AICC_ABI_IMAGE_*
  const cg_target *target;
  uint64_t size;
  const void *data;
} cg_gpu_blob;
// The next image at |*at|, which is moved behind it. False: there is none before |end|.
bool cg_gpu_image_next(const unsigned char **at, const unsigned char *end, cg_gpu_blob *out);

#endif
