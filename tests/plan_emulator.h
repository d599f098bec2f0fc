// Kernels of a plan as PTX on the emulator: define PLAN_RUN_DEVICE as plan_run_on_emulator and
// include this before plan_run.h. Any fault of a kernel fails the test with the emulator's report.
#ifndef AICC_TESTS_PLAN_EMULATOR_H
#define AICC_TESTS_PLAN_EMULATOR_H

#include "emu_program.h"

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

static void plan_launch(const emu_program *p, kir_arg *args, int64_t grid) {
  emu_device *device = emu_program_device(p);
  uint64_t slots[EMU_PROGRAM_SLOTS] = {0};
  const int own = p->kernel->param_count;
  ck_assert_int_lt(own, EMU_PROGRAM_SLOTS);
  for (int i = 0; i < own; i++) {
    const kir_param *param = &p->kernel->params[i];
    slots[i] = param->is_buffer ? place_buffer(device, param, &args[i]) : (uint64_t)args[i].i;
  }
  // Fewer blocks than tasks, so that a block runs several.
  emu_program_launch(device, p, grid, (uint32_t)(grid < 3 ? grid : (grid + 1) / 2), slots);
  for (int i = 0; i < own; i++) {
    if (p->kernel->params[i].is_buffer) {
      read_buffer(device, &p->kernel->params[i], &args[i], slots[i]);
    }
  }
  emu_device_destroy(device);
}

static void plan_run_on_emulator(const cg_target *target, const kir_kernel *kernel, kir_arg *args,
                                 int64_t grid) {
  aicc_arena arena;
  aicc_arena_init(&arena);
  const emu_program p = emu_program_compile(target, kernel, &arena);
  if (grid > 0) {
    plan_launch(&p, args, grid);
  }
  LLVMDisposeMemoryBuffer(p.ptx);
  aicc_arena_deinit(&arena);
}

#endif
