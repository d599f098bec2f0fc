// A kernel as PTX, launched on the emulator as the runtime launches it on a GPU (aicc/abi.h): what
// the tests that run kernels there share. Any fault fails the test with the emulator's report.
#ifndef AICC_TESTS_EMU_PROGRAM_H
#define AICC_TESTS_EMU_PROGRAM_H

#include <check.h>
#include <stdlib.h>

#include "codegen/cg.h"
#include "emu/emu.h"

enum { EMU_PROGRAM_SLOTS = 24 };  // own parameters and the three of the launch, at most

typedef struct emu_program {
  const kir_kernel *kernel;
  const cg_target *target;
  cg_kernel_info info;
  LLVMMemoryBufferRef ptx;  // LLVMDisposeMemoryBuffer
} emu_program;

static emu_program emu_program_compile(const cg_target *target, const kir_kernel *kernel,
                                       aicc_arena *arena) {
  cg c;
  emu_program p = {.kernel = kernel, .target = target};
  aicc_diags diags;
  aicc_diags_init(&diags);
  const bool good = cg_open(&c, target, "test", 3, arena, &diags) == AICC_OK &&
                    cg_emit_kernel(&c, kernel, "kernel") == AICC_OK &&
                    cg_optimize(&c) == AICC_OK && cg_emit(&c, true, &p.ptx) == AICC_OK;
  if (!good) {
    aicc_diags_print(&diags, stderr);
    ck_abort_msg("%s does not compile", kernel->name);
  }
  p.info = cg_kernel_info_of(target, kernel);
  cg_close(&c);
  aicc_diags_deinit(&diags);
  return p;
}

// A device of the program's target.
static emu_device *emu_program_device(const emu_program *p) {
  const emu_options options = {
      .sm = atoi(p->target->machine.name + 3), .seed = 7, .threads = 1};
  emu_device *device = emu_device_create(&options);
  ck_assert_ptr_nonnull(device);
  return device;
}

// Runs |grid| tasks by |blocks| blocks. |slots| holds the kernel's own parameters; the others are
// added.
static void emu_program_launch(emu_device *device, const emu_program *p, int64_t grid,
                               uint32_t blocks, uint64_t slots[EMU_PROGRAM_SLOTS]) {
  emu_report report = {0};
  emu_module *module = emu_module_load(device, LLVMGetBufferStart(p->ptx),
                                       LLVMGetBufferSize(p->ptx), &report);
  ck_assert_msg(module != NULL, "%s", report.text);
  emu_function *function = emu_module_function(module, "kernel");
  ck_assert_ptr_nonnull(function);
  ck_assert_uint_eq(emu_function_describe(function).shared_bytes, p->info.shared_bytes);
  ck_assert(emu_function_allow_shared(function, p->info.dynamic_shared_bytes));
  const int own = p->kernel->param_count;
  ck_assert_int_le(own + 3, EMU_PROGRAM_SLOTS);
  const uint32_t workers = p->info.task_warps > 1 ? 1 : p->info.block_threads / 32;
  slots[own] = (uint64_t)grid;
  slots[own + 1] = (uint64_t)blocks * workers;
  const uint64_t scratch = (uint64_t)p->info.scratch_bytes * slots[own + 1];
  slots[own + 2] = scratch > 0 ? emu_alloc(device, scratch) : 0;
  const emu_status status =
      emu_launch(device, function, (uint32_t[]){blocks, 1, 1},
                 (uint32_t[]){p->info.block_threads, 1, 1}, p->info.dynamic_shared_bytes, slots,
                 (uint32_t)(own + 3) * 8, &report);
  ck_assert_msg(status == EMU_OK, "%s", report.text);
}

#endif
