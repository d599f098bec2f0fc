// A device whose kernels are functions of the program under test, behind the interface of the
// emulator: the driver over it, its queues and its checks are those of the emulator, without its
// compiler. A kernel named k runs as k(parameters), all its tasks in one call; one that is not
// there does nothing.
#include <dlfcn.h>

#define emu_launch null_launch
#include "emu/null_device.c"
#undef emu_launch

emu_status emu_launch(emu_device *device, emu_function *function, const uint32_t grid[3],
                      const uint32_t block[3], uint32_t dynamic_shared, const void *params,
                      uint32_t param_bytes, emu_report *report);

emu_status emu_launch(emu_device *device, emu_function *function, const uint32_t grid[3],
                      const uint32_t block[3], uint32_t dynamic_shared, const void *params,
                      uint32_t param_bytes, emu_report *report) {
  const emu_status status =
      null_launch(device, function, grid, block, dynamic_shared, params, param_bytes, report);
  void *symbol = dlsym(RTLD_DEFAULT, function->name);
  if (symbol != NULL) {
    bool (*kernel)(const uint64_t *) = NULL;
    memcpy(&kernel, &symbol, sizeof kernel);
    if (!kernel(params)) {
      snprintf(report->text, sizeof report->text, "kernel %s failed", function->name);
      report->status = EMU_FAULT;
      return EMU_FAULT;
    }
  }
  return status;
}
