// What the emulator's tests share: texts from files, buffers on the device, launches that must
// succeed.
#ifndef AICC_TESTS_EMU_FIXTURE_H
#define AICC_TESTS_EMU_FIXTURE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/emu.h"

// A whole file, zero-terminated; the caller frees it.
static inline char *fix_read_file(const char *path) {
  FILE *file = fopen(path, "rb");
  ck_assert_msg(file != NULL, "cannot open %s", path);
  fseek(file, 0, SEEK_END);
  const long size = ftell(file);
  rewind(file);
  char *text = malloc((size_t)size + 1);
  ck_assert_uint_eq(fread(text, 1, (size_t)size, file), (size_t)size);
  text[size] = 0;
  fclose(file);
  return text;
}

static inline emu_device *fix_device(int sm, uint64_t seed) {
  const emu_options options = {
      .sm = sm, .seed = seed, .threads = 2, .instruction_limit = 1 << 20};
  emu_device *device = emu_device_create(&options);
  ck_assert_ptr_nonnull(device);
  return device;
}

static inline emu_module *fix_load(emu_device *device, const char *text) {
  emu_report report = {0};
  emu_module *module = emu_module_load(device, text, strlen(text), &report);
  ck_assert_msg(module != NULL, "%s", report.text);
  return module;
}

// Device memory that holds |bytes| of |data|; NULL: unwritten.
static inline uint64_t fix_upload(emu_device *device, const void *data, size_t bytes) {
  const uint64_t address = emu_alloc(device, bytes);
  ck_assert_uint_ne(address, 0);
  if (data != NULL) {
    ck_assert(emu_write(device, address, data, bytes));
  }
  return address;
}

static inline void fix_download(emu_device *device, uint64_t address, void *data, size_t bytes) {
  int64_t unwritten = -1;
  ck_assert(emu_read(device, address, data, bytes, &unwritten));
  ck_assert_msg(unwritten == -1, "byte %lld was never written", (long long)unwritten);
}

typedef struct fix_launch {
  uint32_t grid[3], block[3], shared;
  unsigned char params[256];
  uint32_t param_bytes;
} fix_launch;

static inline fix_launch fix_shape(uint32_t grid_x, uint32_t grid_y, uint32_t block_x,
                                   uint32_t block_y, uint32_t shared) {
  return (fix_launch){
      .grid = {grid_x, grid_y, 1}, .block = {block_x, block_y, 1}, .shared = shared};
}

static inline void fix_param(fix_launch *launch, const void *value, uint32_t bytes) {
  launch->param_bytes = (launch->param_bytes + bytes - 1) / bytes * bytes;
  memcpy(launch->params + launch->param_bytes, value, bytes);
  launch->param_bytes += bytes;
}

static inline void fix_pointer(fix_launch *launch, uint64_t value) { fix_param(launch, &value, 8); }
static inline void fix_int(fix_launch *launch, int value) { fix_param(launch, &value, 4); }

static inline void fix_run(emu_device *device, emu_module *module, const char *name,
                           const fix_launch *launch) {
  emu_function *function = emu_module_function(module, name);
  ck_assert_msg(function != NULL, "there is no kernel %s", name);
  emu_report report = {0};
  const emu_status status =
      emu_launch(device, function, launch->grid, launch->block, launch->shared, launch->params,
                 launch->param_bytes, &report);
  ck_assert_msg(status == EMU_OK, "%s: %s", name, report.text);
}

#endif
