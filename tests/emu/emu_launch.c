// Devices and launches.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "emu_internal.h"

// ---- devices -----------------------------------------------------------------------------------

static u32 most_shared(int sm) {
  return (u32)(sm < 80                ? 64
               : sm == 80 || sm == 87 ? 163
               : sm >= 90 && sm < 120 ? 227
                                      : 99)
         << 10;
}

emu_device *emu_device_create(const emu_options *options) {
  emu_device *device = calloc(1, sizeof *device);
  if (!device) {
    return NULL;
  }
  device->options = *options;
  if (!device->options.memory_bytes) {
    device->options.memory_bytes = (u64)4 << 30;
  }
  if (!device->options.instruction_limit) {
    device->options.instruction_limit = (u64)1 << 28;
  }
  if (device->options.threads <= 0) {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    device->options.threads = cores < 1 ? 1 : cores > 64 ? 64 : (int)cores;
  }
  device->shared_limit = 48 << 10;
  device->dynamic_limit = most_shared(options->sm);
  if (!emu_memory_create(&device->memory, device->options.memory_bytes)) {
    free(device);
    return NULL;
  }
  if (!emu_pool_create(&device->pool)) {
    emu_memory_destroy(&device->memory);
    free(device);
    return NULL;
  }
  return device;
}

void emu_device_destroy(emu_device *device) {
  if (device) {
    emu_pool_destroy(&device->pool);
    emu_memory_destroy(&device->memory);
    free(device);
  }
}

emu_counters emu_device_counters(const emu_device *device) { return device->counters; }

// ---- what a launch may ask for -----------------------------------------------------------------

static bool bad_shape(const u32 grid[3], const u32 block[3], const emu_function *f, char *text,
                      size_t size) {
  static const u32 most_grid[3] = {INT32_MAX, 65535, 65535}, most_block[3] = {1024, 1024, 64};
  for (int i = 0; i < 3; i++) {
    if (!grid[i] || grid[i] > most_grid[i]) {
      snprintf(text, size, "the grid's dimension %d is %u: it is 1 to %u", i, grid[i],
               most_grid[i]);
      return true;
    }
    if (!block[i] || block[i] > most_block[i]) {
      snprintf(text, size, "the block's dimension %d is %u: it is 1 to %u", i, block[i],
               most_block[i]);
      return true;
    }
  }
  const u32 *wanted = f->source->reqntid;
  if (wanted[0] && memcmp(wanted, block, 3 * sizeof *block)) {
    snprintf(text, size, "the block has %u x %u x %u threads, .reqntid says %u x %u x %u", block[0],
             block[1], block[2], wanted[0], wanted[1], wanted[2]);
    return true;
  }
  u32 threads = block[0] * block[1] * block[2];
  if (threads > 1024 || threads > f->max_threads) {
    snprintf(text, size, "the block has %u threads, more than %u", threads,
             f->max_threads < 1024 ? f->max_threads : 1024);
    return true;
  }
  if ((u64)grid[0] * grid[1] * grid[2] > (u64)INT32_MAX) {
    snprintf(text, size, "the grid has more than 2^31 blocks, which the emulator does not count");
    return true;
  }
  return false;
}

static bool bad_memory(const emu_device *device, const emu_function *f, u32 dynamic, u32 params,
                       char *text, size_t size) {
  u64 all = (u64)f->program.shared_bytes + dynamic;
  u32 limit = f->program.shared_bytes + f->allowed_dynamic;
  limit = limit > device->shared_limit ? limit : device->shared_limit;
  if (all > limit) {
    snprintf(text, size, "%u bytes of static and %u of dynamic shared memory are more than %u%s",
             f->program.shared_bytes, dynamic, limit,
             all <= device->dynamic_limit ? "; the function may be allowed more first" : "");
    return true;
  }
  if (params != f->program.param_bytes) {
    snprintf(text, size, "the parameters have %u bytes, the function's have %u", params,
             f->program.param_bytes);
    return true;
  }
  return false;
}

bool emu_function_allow_shared(emu_function *function, u32 dynamic_bytes) {
  if ((u64)function->program.shared_bytes + dynamic_bytes >
      function->module->device->dynamic_limit) {
    return false;
  }
  function->allowed_dynamic = dynamic_bytes;
  return true;
}

// ---- running -----------------------------------------------------------------------------------

void emu_work(emu_launch_state *launch) {
  emu_block block;
  if (!emu_block_create(&block, launch)) {
    pthread_mutex_lock(&launch->lock);
    if (!launch->reported) {
      launch->reported = true;
      *launch->report = (emu_report){.status = EMU_NO_MEMORY};
      emu_report_text(launch->report, launch->function, 0,
                      "the emulator has no memory for a block");
    }
    pthread_mutex_unlock(&launch->lock);
    __atomic_store_n(&launch->stop, 1, __ATOMIC_RELAXED);
    emu_block_destroy(&block);
    return;
  }
  while (!__atomic_load_n(&launch->stop, __ATOMIC_RELAXED)) {
    u64 next = __atomic_fetch_add(&launch->next_block, 1, __ATOMIC_RELAXED);
    if (next >= launch->block_count) {
      break;
    }
    emu_run_block(&block, (next * launch->stride + launch->offset) % launch->block_count);
  }
  __atomic_fetch_add(&launch->instructions, block.instructions, __ATOMIC_RELAXED);
  __atomic_fetch_add(&launch->lane_instructions, block.lane_instructions, __ATOMIC_RELAXED);
  emu_block_destroy(&block);
}

static u64 common_divisor(u64 a, u64 b) {
  while (b) {
    u64 rest = a % b;
    a = b;
    b = rest;
  }
  return a;
}

// Every block once, in an order by seed: i * stride + offset, with a stride prime to the number.
static void order(emu_launch_state *launch) {
  launch->stride = 1;
  u64 seed = launch->device->options.seed;
  if (!seed) {
    return;
  }
  seed += launch->device->launch;
  launch->offset = emu_next_random(&seed) % launch->block_count;
  launch->stride = emu_next_random(&seed) % launch->block_count;
  while (common_divisor(launch->stride ? launch->stride : launch->block_count,
                        launch->block_count) != 1) {
    launch->stride = (launch->stride + 1) % launch->block_count;
    if (launch->block_count == 1) {
      break;
    }
  }
}

static void run_all(emu_launch_state *launch) {
  u64 wanted = (u64)launch->device->options.threads;
  wanted = wanted > EMU_MOST_THREADS ? EMU_MOST_THREADS : wanted;
  wanted = wanted > launch->block_count ? launch->block_count : wanted;
  if (wanted > 1) {
    emu_pool_run(&launch->device->pool, launch, (u32)wanted - 1);
  } else {
    emu_work(launch);
  }
}

static emu_status refuse(emu_report *report, const emu_function *function, const char *text) {
  *report = (emu_report){.status = EMU_BAD_LAUNCH};
  emu_report_text(report, function, 0, text);
  return EMU_BAD_LAUNCH;
}

emu_status emu_launch(emu_device *device, emu_function *function, const u32 grid[3],
                      const u32 block[3], u32 dynamic_shared, const void *params, u32 param_bytes,
                      emu_report *report) {
  emu_report own;
  report = report ? report : &own;
  *report = (emu_report){0};
  char text[300];
  if (bad_shape(grid, block, function, text, sizeof text) ||
      bad_memory(device, function, dynamic_shared, param_bytes, text, sizeof text)) {
    return refuse(report, function, text);
  }
  emu_launch_state launch = {.device = device, .function = function,
                             .dynamic_shared = dynamic_shared, .report = report,
                             .budget = device->options.instruction_limit};
  memcpy(launch.grid, grid, sizeof launch.grid);
  memcpy(launch.shape, block, sizeof launch.shape);
  launch.block_count = (u64)grid[0] * grid[1] * grid[2];
  u64 *aligned = calloc(param_bytes / sizeof *aligned + 1, sizeof *aligned);
  launch.released = calloc(launch.block_count, sizeof *launch.released);
  launch.acquired = calloc(launch.block_count, sizeof *launch.acquired);
  if (!aligned || !launch.released || !launch.acquired || pthread_mutex_init(&launch.lock, NULL)) {
    free(aligned);
    free(launch.released);
    free(launch.acquired);
    *report = (emu_report){.status = EMU_NO_MEMORY};
    emu_report_text(report, function, 0, "the emulator has no memory for the launch");
    return EMU_NO_MEMORY;
  }
  if (param_bytes) {
    memcpy(aligned, params, param_bytes);
  }
  launch.params = (const u8 *)aligned;
  emu_race_new_launch(device);
  order(&launch);
  run_all(&launch);
  pthread_mutex_destroy(&launch.lock);
  free(aligned);
  free(launch.released);
  free(launch.acquired);
  device->counters.launches++;
  device->counters.instructions += launch.instructions;
  device->counters.lane_instructions += launch.lane_instructions;
  return report->status;
}
