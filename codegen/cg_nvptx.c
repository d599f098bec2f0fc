// NVIDIA: what cg_gpu.h asks of a family, as LLVM's NVPTX back end has it.
#include <stdio.h>

#include "codegen/cg_gpu.h"

enum { PTX_KERNEL = 71, GLOBAL_SPACE = 1, SHARED_SPACE = 3 };

// Left alone, ptxas is content with 32 registers and spills what does not fit. It is told how many
// blocks are to share a processor's 65536: eight of four warps are half of what it holds.
static void attributes(cg *c, LLVMValueRef function, unsigned block_threads, cg_gpu_load load) {
  static const char *const blocks[] = {
      [CG_GPU_LIGHT] = "8", [CG_GPU_MEDIUM] = "4", [CG_GPU_HEAVY] = "2"};
  char text[16];
  snprintf(text, sizeof text, "%u", block_threads);
  cg_add_string_attribute(c, function, "nvvm.reqntid", text);
  cg_add_string_attribute(c, function, "nvvm.minctasm", blocks[load]);
}

static LLVMValueRef all_lanes(cg *c) { return LLVMConstAllOnes(c->i32); }

static void meet(cg_kernel *k) {
  LLVMValueRef lanes = all_lanes(k->c);
  cg_intrinsic(k->c, "llvm.nvvm.bar.warp.sync", NULL, 0, &lanes, 1);
}

// The last operand, 31: all lanes are one segment.
static LLVMValueRef shuffle(cg_kernel *k, const char *intrinsic, LLVMValueRef word, int by) {
  cg *c = k->c;
  LLVMValueRef args[] = {all_lanes(c), word, LLVMConstInt(c->i32, (unsigned long long)by, false),
                         LLVMConstInt(c->i32, 31, false)};
  return cg_intrinsic(c, intrinsic, NULL, 0, args, 4);
}

static LLVMValueRef exchange(cg_kernel *k, LLVMValueRef word, int distance) {
  return shuffle(k, "llvm.nvvm.shfl.sync.bfly.i32", word, distance);
}

static LLVMValueRef first(cg_kernel *k, LLVMValueRef word) {
  return shuffle(k, "llvm.nvvm.shfl.sync.idx.i32", word, 0);
}

const cg_gpu cg_gpu_nvptx = {
    .thread_id = "llvm.nvvm.read.ptx.sreg.tid.x",
    .block_id = "llvm.nvvm.read.ptx.sreg.ctaid.x",
    .kernel_convention = (LLVMCallConv)PTX_KERNEL,
    .global_space = GLOBAL_SPACE,
    .shared_space = SHARED_SPACE,
    .atomic_scope = "device",
    .attributes = attributes,
    .meet = meet,
    .exchange = exchange,
    .first = first,
};
