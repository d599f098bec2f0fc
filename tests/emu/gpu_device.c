// emu.h over NVIDIA's own driver: the emulator's tests, run by a GPU. emu_gpu_cases is test_cases.c
// with this in place of the emulator, so that the two answer the same tables (tests/gpu/run --part
// emulator).
//
// Only what these tests call. A device that a GPU here cannot be (a newer compute capability) is
// NULL.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/emu.h"

#define FUNCTIONS(F)                                                                        \
  F(cuInit, (unsigned flags))                                                               \
  F(cuDeviceGet, (int *device, int number))                                                 \
  F(cuDeviceGetAttribute, (int *value, int attribute, int device))                          \
  F(cuDevicePrimaryCtxRetain, (void **context, int device))                                 \
  F(cuCtxSetCurrent, (void *context))                                                       \
  F(cuCtxSynchronize, (void))                                                               \
  F(cuMemAlloc_v2, (uint64_t * address, size_t bytes))                                      \
  F(cuMemFree_v2, (uint64_t address))                                                       \
  F(cuMemcpyHtoD_v2, (uint64_t to, const void *from, size_t bytes))                         \
  F(cuMemcpyDtoH_v2, (void *to, uint64_t from, size_t bytes))                               \
  F(cuModuleLoadDataEx,                                                                     \
    (void **module, const void *image, unsigned count, int *options, void **values))        \
  F(cuModuleUnload, (void *module))                                                         \
  F(cuModuleGetFunction, (void **function, void *module, const char *name))                 \
  F(cuGetErrorString, (int code, const char **text))                                        \
  F(cuLaunchKernel, (void *function, unsigned grid_x, unsigned grid_y, unsigned grid_z,     \
                     unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared, \
                     void *stream, void **params, void **extra))

enum { MAJOR = 75, MINOR = 76, JIT_ERROR_LOG = 5, JIT_ERROR_LOG_BYTES = 6 };

struct emu_device {
#define MEMBER(name, params) int(*name) params;
  FUNCTIONS(MEMBER)
#undef MEMBER
};

struct emu_module {
  emu_device *device;
  void *handle;
};

static bool load(emu_device *device) {
  void *library = dlopen("libcuda.so.1", RTLD_NOW);
  bool all = library != NULL;
#define FIND(name, params)                                    \
  {                                                           \
    void *symbol = all ? dlsym(library, #name) : NULL;        \
    memcpy(&device->name, &symbol, sizeof symbol);            \
    all = all && symbol != NULL;                              \
  }
  FUNCTIONS(FIND)
#undef FIND
  return all;
}

emu_device *emu_device_create(const emu_options *options) {
  emu_device *device = calloc(1, sizeof *device);
  int number = 0, major = 0, minor = 0;
  void *context = NULL;
  if (device != NULL && load(device) && device->cuInit(0) == 0 &&
      device->cuDeviceGet(&number, 0) == 0 &&
      device->cuDeviceGetAttribute(&major, MAJOR, number) == 0 &&
      device->cuDeviceGetAttribute(&minor, MINOR, number) == 0 &&
      options->sm <= 10 * major + minor &&
      device->cuDevicePrimaryCtxRetain(&context, number) == 0 &&
      device->cuCtxSetCurrent(context) == 0) {
    return device;
  }
  free(device);
  return NULL;
}

// The primary context stays until the process ends.
void emu_device_destroy(emu_device *device) { free(device); }

uint64_t emu_alloc(emu_device *device, uint64_t bytes) {
  uint64_t address = 0;
  return device->cuMemAlloc_v2(&address, bytes) == 0 ? address : 0;
}

bool emu_free(emu_device *device, uint64_t address) { return device->cuMemFree_v2(address) == 0; }

bool emu_write(emu_device *device, uint64_t address, const void *data, uint64_t bytes) {
  return device->cuMemcpyHtoD_v2(address, data, bytes) == 0;
}

bool emu_read(emu_device *device, uint64_t address, void *data, uint64_t bytes,
              int64_t *unwritten) {
  if (unwritten != NULL) {
    *unwritten = -1;  // a GPU does not tell
  }
  return device->cuMemcpyDtoH_v2(data, address, bytes) == 0;
}

static emu_status report_of(const emu_device *device, int code, const char *doing, const char *log,
                            emu_status status, emu_report *report) {
  const char *said = NULL;
  device->cuGetErrorString(code, &said);
  report->status = status;
  snprintf(report->text, sizeof report->text, "%s: %s (%d) %s", doing, said != NULL ? said : "?",
           code, log);
  return status;
}

emu_module *emu_module_load(emu_device *device, const char *text, size_t size,
                            emu_report *report) {
  char log[1024] = "", *copy = malloc(size + 1);
  emu_module *module = calloc(1, sizeof *module);
  if (copy == NULL || module == NULL) {
    abort();
  }
  memcpy(copy, text, size);
  copy[size] = 0;
  int options[] = {JIT_ERROR_LOG, JIT_ERROR_LOG_BYTES};
  void *values[] = {log, (void *)(uintptr_t)(sizeof log - 1)};
  module->device = device;
  const int code = device->cuModuleLoadDataEx(&module->handle, copy, 2, options, values);
  free(copy);
  if (code == 0) {
    return module;
  }
  report_of(device, code, "loading the PTX", log, EMU_BAD_PTX, report);
  free(module);
  return NULL;
}

void emu_module_unload(emu_module *module) {
  module->device->cuModuleUnload(module->handle);
  free(module);
}

emu_function *emu_module_function(emu_module *module, const char *name) {
  void *function = NULL;
  return module->device->cuModuleGetFunction(&function, module->handle, name) == 0 ? function
                                                                                   : NULL;
}

emu_status emu_launch(emu_device *device, emu_function *function, const uint32_t grid[3],
                      const uint32_t block[3], uint32_t dynamic_shared, const void *params,
                      uint32_t param_bytes, emu_report *report) {
  size_t bytes = param_bytes;
  void *block_of_params = malloc(bytes + 1);
  if (block_of_params == NULL) {
    abort();
  }
  memcpy(block_of_params, params, bytes);
  void *extra[] = {(void *)1, block_of_params, (void *)2, &bytes, NULL};
  int code = device->cuLaunchKernel(function, grid[0], grid[1], grid[2], block[0], block[1],
                                    block[2], dynamic_shared, NULL, NULL, extra);
  code = code == 0 ? device->cuCtxSynchronize() : code;
  free(block_of_params);
  return code == 0 ? EMU_OK : report_of(device, code, "running it", "", EMU_FAULT, report);
}
