// AMD: what cg_gpu.h asks of a family, as LLVM's AMDGPU back end has it.
#include <stdio.h>
#include <string.h>

#include "codegen/cg_gpu.h"

enum { AMDGPU_KERNEL = 91, GLOBAL_SPACE = 1, SHARED_SPACE = 3 };

// What the launch packet holds beside the arguments is not read: then it need not be there.
static const char *const unread[] = {
    "amdgpu-no-implicitarg-ptr", "amdgpu-no-dispatch-ptr",    "amdgpu-no-queue-ptr",
    "amdgpu-no-dispatch-id",     "amdgpu-no-workgroup-id-y",  "amdgpu-no-workgroup-id-z",
    "amdgpu-no-workitem-id-y",   "amdgpu-no-workitem-id-z",   "amdgpu-no-lds-kernel-id",
    "amdgpu-no-heap-ptr",        "amdgpu-no-hostcall-ptr",    "amdgpu-no-default-queue",
    "amdgpu-no-completion-action", "amdgpu-no-multigrid-sync-arg",
};

static void attributes(cg *c, LLVMValueRef function, unsigned block_threads,
                       cg_gpu_load load AICC_UNUSED) {
  char text[32];
  snprintf(text, sizeof text, "%u,%u", block_threads, block_threads);
  cg_add_string_attribute(c, function, "amdgpu-flat-work-group-size", text);
  cg_add_string_attribute(c, function, "uniform-work-group-size", "true");
  for (size_t i = 0; i < sizeof unread / sizeof unread[0]; i++) {
    cg_add_string_attribute(c, function, unread[i], "");
  }
  LLVMSetVisibility(function, LLVMProtectedVisibility);
}

static void fenced(cg_kernel *k, const char *scope, const char *barrier) {
  cg *c = k->c;
  const unsigned id = LLVMGetSyncScopeID(c->context, scope, strlen(scope));
  LLVMBuildFenceSyncScope(c->builder, LLVMAtomicOrderingRelease, id, "");
  cg_intrinsic(c, barrier, NULL, 0, NULL, 0);
  LLVMBuildFenceSyncScope(c->builder, LLVMAtomicOrderingAcquire, id, "");
}

// A wave runs in lock step: it is LLVM that must not move accesses over this place.
static void meet(cg_kernel *k) { fenced(k, "wavefront", "llvm.amdgcn.wave.barrier"); }

static void barrier(cg_kernel *k) { fenced(k, "workgroup", "llvm.amdgcn.s.barrier"); }

static LLVMValueRef exchange(cg_kernel *k, LLVMValueRef word, int distance) {
  cg *c = k->c;
  LLVMBuilderRef b = c->builder;
  LLVMValueRef lane = LLVMBuildTrunc(b, k->lane, c->i32, "");
  LLVMValueRef from =
      LLVMBuildXor(b, lane, LLVMConstInt(c->i32, (unsigned long long)distance, false), "");
  LLVMValueRef address = LLVMBuildShl(b, from, LLVMConstInt(c->i32, 2, false), "");
  LLVMValueRef args[] = {address, word};
  return cg_intrinsic(c, "llvm.amdgcn.ds.bpermute", NULL, 0, args, 2);
}

static LLVMValueRef first(cg_kernel *k, LLVMValueRef word) {
  LLVMTypeRef type = k->c->i32;
  return cg_intrinsic(k->c, "llvm.amdgcn.readfirstlane", &type, 1, &word, 1);
}

// No instruction, from a scalar register to itself; loop passes do not see through it.
static LLVMValueRef opaque(cg_kernel *k, LLVMValueRef value) {
  LLVMTypeRef type = k->c->i64;
  return cg_intrinsic(k->c, "llvm.amdgcn.readfirstlane", &type, 1, &value, 1);
}

// The place of the arguments through no instruction at all.
static LLVMValueRef slots(cg_kernel *k) {
  cg *c = k->c;
  static const char constraints[] = "=s,0";
  LLVMValueRef start = cg_intrinsic(c, "llvm.amdgcn.kernarg.segment.ptr", NULL, 0, NULL, 0);
  LLVMTypeRef pointer = LLVMTypeOf(start);
  LLVMTypeRef type = LLVMFunctionType(pointer, &pointer, 1, false);
  LLVMValueRef nothing = LLVMGetInlineAsm(type, "", 0, constraints, sizeof constraints - 1, true,
                                          false, LLVMInlineAsmDialectATT, false);
  return LLVMBuildCall2(c->builder, type, nothing, &start, 1, "");
}

const cg_gpu cg_gpu_amdgpu = {
    .thread_id = "llvm.amdgcn.workitem.id.x",
    .block_id = "llvm.amdgcn.workgroup.id.x",
    .kernel_convention = (LLVMCallConv)AMDGPU_KERNEL,
    .global_space = GLOBAL_SPACE,
    .shared_space = SHARED_SPACE,
    .atomic_scope = "agent",
    .static_shared = 64 << 10,
    .attributes = attributes,
    .meet = meet,
    .exchange = exchange,
    .opaque = opaque,
    .slots = slots,
    .first = first,
    .barrier = barrier,
};
