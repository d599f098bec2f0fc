// NVIDIA: what cg_gpu.h asks of a family, as LLVM's NVPTX back end has it.
#include <stdio.h>

#include "codegen/cg_gpu.h"

enum { PTX_KERNEL = 71, GLOBAL_SPACE = 1, SHARED_SPACE = 3 };

// Left alone, ptxas is content with 32 registers and spills what does not fit. It is told how many
// blocks are to share a processor's 65536: 1024 threads are half of what it holds, and 256 may have
// as many registers as there are names for.
static void attributes(cg *c, LLVMValueRef function, unsigned block_threads, cg_gpu_load load) {
  static const unsigned threads[] = {
      [CG_GPU_LIGHT] = 1024, [CG_GPU_MEDIUM] = 512, [CG_GPU_HEAVY] = 256};
  const unsigned blocks = block_threads < threads[load] ? threads[load] / block_threads : 1;
  char text[16];
  snprintf(text, sizeof text, "%u", block_threads);
  cg_add_string_attribute(c, function, "nvvm.reqntid", text);
  snprintf(text, sizeof text, "%u", blocks);
  cg_add_string_attribute(c, function, "nvvm.minctasm", text);
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

static LLVMValueRef thread_again(cg_kernel *k) {
  cg *c = k->c;
  static const char text[] = "mov.u32 $0, %tid.x;", constraints[] = "=r";
  LLVMTypeRef type = LLVMFunctionType(c->i32, NULL, 0, false);
  LLVMValueRef read =
      LLVMGetInlineAsm(type, text, sizeof text - 1, constraints, sizeof constraints - 1, true,
                       false, LLVMInlineAsmDialectATT, false);
  return LLVMBuildCall2(c->builder, type, read, NULL, 0, "");
}

static void barrier(cg_kernel *k) {
  LLVMValueRef number = LLVMConstInt(k->c->i32, 0, false);
  cg_intrinsic(k->c, "llvm.nvvm.barrier.cta.sync.aligned.all", NULL, 0, &number, 1);
}

// --- asynchronous copies -------------------------------------------------------------------------

// 16 bytes pass by the first-level cache. With a guard the number of bytes that are read is 0 or
// all; the others are zeros.
static void copy(cg_kernel *k, LLVMValueRef to, LLVMValueRef from, unsigned bytes,
                 LLVMValueRef guard) {
  cg *c = k->c;
  const char *name = aicc_arena_printf(c->arena, "llvm.nvvm.cp.async.%s.shared.global.%u%s",
                                       bytes == 16 ? "cg" : "ca", bytes, guard != NULL ? ".s" : "");
  LLVMValueRef args[] = {to, from, NULL};
  if (guard != NULL) {
    args[2] = LLVMBuildSelect(c->builder, guard, LLVMConstInt(c->i32, bytes, false),
                              LLVMConstInt(c->i32, 0, false), "");
  }
  cg_intrinsic(c, name, NULL, 0, args, guard != NULL ? 3 : 2);
}

static void commit(cg_kernel *k) {
  cg_intrinsic(k->c, "llvm.nvvm.cp.async.commit.group", NULL, 0, NULL, 0);
}

static void wait(cg_kernel *k, int64_t pending) {
  LLVMValueRef count = LLVMConstInt(k->c->i32, (unsigned long long)pending, false);
  if (pending < 0) {
    cg_intrinsic(k->c, "llvm.nvvm.cp.async.wait.all", NULL, 0, NULL, 0);
  } else {
    cg_intrinsic(k->c, "llvm.nvvm.cp.async.wait.group", NULL, 0, &count, 1);
  }
}

// --- matrices ------------------------------------------------------------------------------------

static void ldmatrix(cg_kernel *k, int count, bool transposed, LLVMValueRef place,
                     LLVMValueRef *out) {
  cg *c = k->c;
  const char *name = aicc_arena_printf(c->arena, "llvm.nvvm.ldmatrix.sync.aligned.m8n8.x%d%s.b16",
                                       count, transposed ? ".trans" : "");
  LLVMTypeRef type = LLVMTypeOf(place);
  LLVMValueRef all = cg_intrinsic(c, name, &type, 1, &place, 1);
  for (int i = 0; i < count; i++) {
    out[i] = count == 1 ? all : LLVMBuildExtractValue(c->builder, all, (unsigned)i, "");
  }
}

static void mma(cg_kernel *k, kir_mma_kind kind, const LLVMValueRef *a, const LLVMValueRef *b,
                LLVMValueRef *d) {
  static const char *const names[KIR_MMA_COUNT] = {
      [KIR_MMA_F16_K8] = "llvm.nvvm.mma.m16n8k8.row.col.f32.f32",
      [KIR_MMA_F16] = "llvm.nvvm.mma.m16n8k16.row.col.f32.f32",
      [KIR_MMA_BF16] = "llvm.nvvm.mma.m16n8k16.row.col.bf16",
      [KIR_MMA_TF32] = "llvm.nvvm.mma.m16n8k8.row.col.tf32",
      [KIR_MMA_S8] = "llvm.nvvm.mma.m16n8k32.row.col.s8",
      [KIR_MMA_U8] = "llvm.nvvm.mma.m16n8k32.row.col.u8",
      [KIR_MMA_S8U8] = "llvm.nvvm.mma.m16n8k32.row.col.s8.u8",
      [KIR_MMA_U8S8] = "llvm.nvvm.mma.m16n8k32.row.col.u8.s8",
  };
  cg *c = k->c;
  const kir_mma_info *info = &kir_mma_infos[kind];
  const bool halves = info->a == AICC_F16;  // the other kinds take 32-bit registers as they are
  LLVMTypeRef pair = LLVMVectorType(LLVMHalfTypeInContext(c->context), 2);
  LLVMValueRef args[12];
  unsigned count = 0;
  for (int i = 0; i < info->a_registers; i++) {
    args[count++] = halves ? LLVMBuildBitCast(c->builder, a[i], pair, "") : a[i];
  }
  for (int i = 0; i < info->b_registers; i++) {
    args[count++] = halves ? LLVMBuildBitCast(c->builder, b[i], pair, "") : b[i];
  }
  for (int i = 0; i < info->d_registers; i++) {
    args[count++] = d[i];
  }
  LLVMValueRef all = cg_intrinsic(c, names[kind], NULL, 0, args, count);
  for (int i = 0; i < info->d_registers; i++) {
    d[i] = LLVMBuildExtractValue(c->builder, all, (unsigned)i, "");
  }
}

const cg_gpu cg_gpu_nvptx = {
    .thread_id = "llvm.nvvm.read.ptx.sreg.tid.x",
    .block_id = "llvm.nvvm.read.ptx.sreg.ctaid.x",
    .kernel_convention = (LLVMCallConv)PTX_KERNEL,
    .global_space = GLOBAL_SPACE,
    .shared_space = SHARED_SPACE,
    .atomic_scope = "device",
    .power2 = "llvm.nvvm.ex2.approx.ftz",
    .static_shared = 48 << 10,
    .attributes = attributes,
    .meet = meet,
    .exchange = exchange,
    .first = first,
    .thread_again = thread_again,
    .barrier = barrier,
    .copy = copy,
    .commit = commit,
    .wait = wait,
    .ldmatrix = ldmatrix,
    .mma = mma,
};
