// Runs kernels in this process: kernel IR -> object -> LLVM's in-process linker -> function.
#ifndef AICC_TESTS_CG_FIXTURE_H
#define AICC_TESTS_CG_FIXTURE_H

#include <check.h>
#include <llvm-c/LLJIT.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aicc/abi.h"
#include "codegen/cg.h"

typedef struct cg_fixture {
  aicc_arena arena;
  aicc_diags diags;
  LLVMOrcLLJITRef jit;
  aicc_abi_cpu_kernel run;
  cg_kernel_info info;
  char *assembly;  // free()
  void *scratch;
} cg_fixture;

static inline void cg_fixture_open(cg_fixture *f) {
  *f = (cg_fixture){0};
  aicc_arena_init(&f->arena);
  aicc_diags_init(&f->diags);
}

static inline void cg_fixture_close(cg_fixture *f) {
  if (f->jit != NULL) {
    LLVMOrcDisposeLLJIT(f->jit);
  }
  free(f->assembly);
  free(f->scratch);
  aicc_diags_deinit(&f->diags);
  aicc_arena_deinit(&f->arena);
}

static inline void cg_fixture_ok(cg_fixture *f, aicc_status status) {
  if (status != AICC_OK) {
    aicc_diags_print(&f->diags, stderr);
  }
  ck_assert_int_eq(status, AICC_OK);
}

static inline void cg_fixture_link(cg_fixture *f, LLVMMemoryBufferRef object) {
  LLVMErrorRef error = LLVMOrcCreateLLJIT(&f->jit, NULL);
  ck_assert_msg(error == NULL, "no JIT");
  error = LLVMOrcLLJITAddObjectFile(f->jit, LLVMOrcLLJITGetMainJITDylib(f->jit), object);
  ck_assert_msg(error == NULL, "object not accepted");
  LLVMOrcExecutorAddress address = 0;
  error = LLVMOrcLLJITLookup(f->jit, &address, "kernel");
  ck_assert_msg(error == NULL, "kernel not found: it calls something that does not exist?");
  memcpy(&f->run, &address, sizeof address);
}

// Compiles |kernel| for |target|; it can be run if this machine is one.
static inline void cg_fixture_compile(cg_fixture *f, const kir_kernel *kernel,
                                      const cg_target *target) {
  ck_assert_ptr_nonnull(target);
  cg c;
  cg_fixture_ok(f, cg_open(&c, target, "test", 3, &f->arena, &f->diags));
  cg_fixture_ok(f, cg_emit_kernel(&c, kernel, "kernel"));
  f->info = cg_kernel_info_of(target, kernel);
  LLVMSetVisibility(LLVMGetNamedFunction(c.module, "kernel"), LLVMDefaultVisibility);
  if (getenv("CG_DUMP") != NULL) {
    kir_print(kernel, stderr);
    LLVMDumpModule(c.module);
  }
  cg_fixture_ok(f, cg_optimize(&c));
  if (getenv("CG_DUMP") != NULL) {
    LLVMDumpModule(c.module);
  }
  LLVMMemoryBufferRef text = NULL, object = NULL;
  cg_fixture_ok(f, cg_emit(&c, true, &text));
  free(f->assembly);
  f->assembly = strndup(LLVMGetBufferStart(text), LLVMGetBufferSize(text));
  LLVMDisposeMemoryBuffer(text);
  if (getenv("CG_DUMP") != NULL) {
    fputs(f->assembly, stderr);
  }
  if (cg_target_runs_here(target)) {
    cg_fixture_ok(f, cg_emit(&c, false, &object));
    cg_fixture_link(f, object);
    f->scratch = aligned_alloc(64, (f->info.scratch_bytes + 127) / 64 * 64);
  }
  cg_close(&c);
}

static inline void cg_fixture_run(cg_fixture *f, const void *args, int64_t grid) {
  f->run(args, 0, grid, f->scratch);
}

#endif
