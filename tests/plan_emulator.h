// Kernels of a plan as PTX on the emulator: define PLAN_RUN_DEVICE as plan_run_on_emulator and include this
// before plan_run.h. Any fault of a kernel fails the test with the emulator's report.
#ifndef AICC_TESTS_PLAN_EMULATOR_H
#define AICC_TESTS_PLAN_EMULATOR_H

#include <check.h>
#include <stdlib.h>

#include "codegen/cg.h"
#include "emu/emu.h"

typedef struct program {
  cg_kernel_info info;
  LLVMMemoryBufferRef ptx;
} program;

static program plan_compile(const cg_target *target, const kir_kernel *kernel, aicc_arena *arena) {
  cg c;
  program p = {.ptx = NULL};
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

enum { ARGS_MAX = 24 };

static uint64_t place_buffer(emu_device *device, const kir_param *param, const kir_arg *arg) {
  const size_t size = aicc_dtype_size(param->dtype);
  const uint64_t address = emu_alloc(device, arg->count * size + 1);
  ck_assert_uint_ne(address, 0);
  for (size_t i = 0; i < arg->count; i++) {
    if (arg->init == NULL || arg->init[i]) {
      ck_assert(emu_write(device, address + i * size, (const char *)arg->data + i * size, size));
    }
  }
  return address;
}

static void read_buffer(emu_device *device, const kir_param *param, const kir_arg *arg,
                        uint64_t address) {
  const size_t size = aicc_dtype_size(param->dtype);
  for (size_t i = 0; i < arg->count && (param->access & KIR_WRITE) != 0; i++) {
    if (emu_is_written(device, address + i * size, size)) {
      int64_t unwritten = -1;
      ck_assert(emu_read(device, address + i * size, (char *)arg->data + i * size, size,
                         &unwritten));
      arg->init[i] = 1;
    }
  }
}

static void plan_launch(const kir_kernel *kernel, const program *p, int sm, kir_arg *args,
                   int64_t grid) {
  const emu_options options = {.sm = sm, .seed = 7, .threads = 1};
  emu_device *device = emu_device_create(&options);
  emu_report report = {0};
  emu_module *module = emu_module_load(device, LLVMGetBufferStart(p->ptx),
                                       LLVMGetBufferSize(p->ptx), &report);
  ck_assert_msg(module != NULL, "%s", report.text);
  emu_function *function = emu_module_function(module, "kernel");
  ck_assert(emu_function_allow_shared(function, p->info.dynamic_shared_bytes));
  uint64_t slots[ARGS_MAX] = {0};
  const int own = kernel->param_count;
  ck_assert_int_le(own + 3, ARGS_MAX);
  for (int i = 0; i < own; i++) {
    slots[i] = kernel->params[i].is_buffer ? place_buffer(device, &kernel->params[i], &args[i])
                                           : (uint64_t)args[i].i;
  }
  // Fewer blocks than tasks, so that a block runs several.
  const uint32_t blocks = (uint32_t)(grid < 3 ? grid : (grid + 1) / 2);
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
  for (int i = 0; i < own; i++) {
    if (kernel->params[i].is_buffer) {
      read_buffer(device, &kernel->params[i], &args[i], slots[i]);
    }
  }
  emu_device_destroy(device);
}

static void plan_run_on_emulator(const cg_target *target, const kir_kernel *kernel, kir_arg *args,
                            int64_t grid) {
  aicc_arena arena;
  aicc_arena_init(&arena);
  const program p = plan_compile(target, kernel, &arena);
  if (grid > 0) {
    plan_launch(kernel, &p, atoi(target->machine.name + 3), args, grid);
  }
  LLVMDisposeMemoryBuffer(p.ptx);
  aicc_arena_deinit(&arena);
}

#endif
