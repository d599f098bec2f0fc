// A device that computes nothing, behind the interface of the emulator: the driver over it measures
// what the host spends on launches. Memory is real, so that copies work; a launch only counts.
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu.h"

typedef struct null_range {
  uint64_t address, bytes;
} null_range;

struct emu_device {
  uint64_t memory_bytes, used;
  null_range *ranges;  // ascending
  uint32_t count, room;
  emu_counters counters;
};

struct emu_function {
  char *name;
  uint32_t param_count;
  uint32_t *offsets, *sizes;
};

struct emu_module {
  emu_device *device;
  emu_function *functions;
  uint32_t count;
};

emu_device *emu_device_create(const emu_options *options) {
  emu_device *device = calloc(1, sizeof *device);
  if (device != NULL) {
    device->memory_bytes = options->memory_bytes == 0 ? UINT64_C(4) << 30 : options->memory_bytes;
  }
  return device;
}

void emu_device_destroy(emu_device *device) {
  for (uint32_t i = 0; i < device->count; ++i) {
    free((void *)(uintptr_t)device->ranges[i].address);
  }
  free(device->ranges);
  free(device);
}

// ---- memory ------------------------------------------------------------------------------------

// The number of ranges that begin at or below |address|.
static uint32_t ranges_below(const emu_device *device, uint64_t address) {
  uint32_t low = 0, high = device->count;
  while (low < high) {
    const uint32_t middle = low + (high - low) / 2;
    if (device->ranges[middle].address <= address) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

uint64_t emu_alloc(emu_device *device, uint64_t bytes) {
  const uint64_t taken = (bytes + 255) & ~UINT64_C(255);
  if (taken < bytes || taken > device->memory_bytes - device->used) {
    return 0;
  }
  if (device->count == device->room) {
    const uint32_t room = device->room * 2 + 64;
    null_range *grown = realloc(device->ranges, room * sizeof *grown);
    if (grown == NULL) {
      return 0;
    }
    device->ranges = grown;
    device->room = room;
  }
  void *memory;
  if (posix_memalign(&memory, 256, taken == 0 ? 256 : taken) != 0) {
    return 0;
  }
  const uint32_t at = ranges_below(device, (uint64_t)(uintptr_t)memory);
  memmove(&device->ranges[at + 1], &device->ranges[at], (device->count - at) * sizeof(null_range));
  device->ranges[at] = (null_range){(uint64_t)(uintptr_t)memory, bytes};
  ++device->count;
  device->used += taken;
  return (uint64_t)(uintptr_t)memory;
}

static null_range *find(const emu_device *device, uint64_t address, uint64_t bytes) {
  const uint32_t below = ranges_below(device, address);
  null_range *range = below == 0 ? NULL : &device->ranges[below - 1];
  const bool inside = range != NULL && address - range->address < range->bytes &&
                      bytes <= range->bytes - (address - range->address);
  return inside ? range : NULL;
}

bool emu_free(emu_device *device, uint64_t address) {
  null_range *range = find(device, address, 0);
  if (range == NULL || range->address != address) {
    return false;
  }
  device->used -= (range->bytes + 255) & ~UINT64_C(255);
  --device->count;
  memmove(range, range + 1, (size_t)(&device->ranges[device->count] - range) * sizeof *range);
  free((void *)(uintptr_t)address);
  return true;
}

bool emu_find(const emu_device *device, uint64_t address, uint64_t *base, uint64_t *bytes) {
  const null_range *range = find(device, address, 0);
  if (range == NULL) {
    return false;
  }
  *base = range->address;
  *bytes = range->bytes;
  return true;
}

uint64_t emu_free_bytes(const emu_device *device) { return device->memory_bytes - device->used; }

bool emu_write(emu_device *device, uint64_t address, const void *data, uint64_t bytes) {
  if (find(device, address, bytes) == NULL) {
    return false;
  }
  memcpy((void *)(uintptr_t)address, data, bytes);
  return true;
}

bool emu_read(emu_device *device, uint64_t address, void *data, uint64_t bytes,
              int64_t *unwritten) {
  if (unwritten != NULL) {
    *unwritten = -1;  // no kernel writes anything here
  }
  if (find(device, address, bytes) == NULL) {
    return false;
  }
  memcpy(data, (const void *)(uintptr_t)address, bytes);
  return true;
}

bool emu_copy(emu_device *device, uint64_t to, uint64_t from, uint64_t bytes) {
  if (find(device, to, bytes) == NULL || find(device, from, bytes) == NULL) {
    return false;
  }
  memmove((void *)(uintptr_t)to, (const void *)(uintptr_t)from, bytes);
  return true;
}

bool emu_fill(emu_device *device, uint64_t address, const void *pattern, uint32_t pattern_bytes,
              uint64_t count) {
  if (find(device, address, count * pattern_bytes) == NULL) {
    return false;
  }
  for (uint64_t i = 0; i < count; ++i) {
    memcpy((void *)(uintptr_t)(address + i * pattern_bytes), pattern, pattern_bytes);
  }
  return true;
}

bool emu_is_written(const emu_device *device, uint64_t address, uint64_t bytes) {
  return find(device, address, bytes) != NULL;
}

// ---- code: the names of the kernels and the sizes of their parameters ---------------------------

static const char *skip_space(const char *text) {
  for (;;) {
    while (isspace((unsigned char)*text)) {
      ++text;
    }
    if (text[0] != '/' || text[1] != '/') {
      return text;
    }
    text += strcspn(text, "\n");
  }
}

static const char *read_name(const char *text, char **name) {
  text = skip_space(text);
  const size_t length = strcspn(text, " \t\r\n(),[;");
  *name = malloc(length + 1);
  if (*name != NULL) {
    memcpy(*name, text, length);
    (*name)[length] = 0;
  }
  return text + length;
}

// ".param .align 8 .b8 name[24]": the bytes and the alignment of one parameter.
static const char *read_param(const char *text, uint32_t *bytes, uint32_t *align) {
  uint32_t given = 0, of_pointer = 0, unit = 0, count = 1;
  while (*text != ',' && *text != ')' && *text != 0) {
    unsigned number;
    char kind;
    if (strncmp(text, ".ptr", 4) == 0) {
      of_pointer = 1;  // an alignment after it is of what it points to
    } else if (sscanf(text, ".align %u", &number) == 1) {
      given = of_pointer ? given : number;
    } else if (sscanf(text, ".%c%u", &kind, &number) == 2 && strchr("usfb", kind) != NULL) {
      unit = number / 8;
    } else if (sscanf(text, "[%u", &number) == 1) {
      count *= number;
    }
    text += strcspn(text + 1, " \t\r\n,)[/") + 1;
    text = skip_space(text);
  }
  *bytes = unit * count;
  *align = given != 0 ? given : unit;
  return text;
}

static const char *read_params(const char *text, emu_function *function) {
  text = skip_space(text);
  if (*text != '(') {
    return text;
  }
  uint32_t end = 0;
  text = skip_space(text + 1);
  while (*text != ')' && *text != 0) {
    uint32_t bytes, align;
    text = read_param(text, &bytes, &align);
    uint32_t *offsets = realloc(function->offsets, (function->param_count + 1) * sizeof *offsets);
    function->offsets = offsets == NULL ? function->offsets : offsets;
    uint32_t *sizes = realloc(function->sizes, (function->param_count + 1) * sizeof *sizes);
    function->sizes = sizes == NULL ? function->sizes : sizes;
    if (offsets == NULL || sizes == NULL || align == 0) {
      return NULL;
    }
    end = (end + align - 1) / align * align;
    offsets[function->param_count] = end;
    sizes[function->param_count++] = bytes;
    end += bytes;
    text = skip_space(*text == ',' ? text + 1 : text);
  }
  return text;
}

static bool read_functions(emu_module *module, const char *text) {
  while ((text = strstr(text, ".entry")) != NULL) {
    emu_function *grown =
        realloc(module->functions, (module->count + 1) * sizeof *module->functions);
    if (grown == NULL) {
      return false;
    }
    module->functions = grown;
    emu_function *function = &grown[module->count++];
    *function = (emu_function){0};
    text = read_name(text + strlen(".entry"), &function->name);
    text = function->name == NULL ? NULL : read_params(text, function);
    if (text == NULL) {
      return false;
    }
  }
  return true;
}

emu_module *emu_module_load(emu_device *device, const char *text, size_t size,
                            emu_report *report) {
  emu_module *module = calloc(1, sizeof *module);
  char *copy = malloc(size + 1);
  *report = (emu_report){.status = EMU_OK};
  bool ok = module != NULL && copy != NULL;
  if (ok) {
    memcpy(copy, text, size);
    copy[size] = 0;
    module->device = device;
    ok = read_functions(module, copy);
  }
  free(copy);
  if (!ok) {
    report->status = EMU_BAD_PTX;
    snprintf(report->text, sizeof report->text, "the parameters of a kernel cannot be read");
    if (module != NULL) {
      emu_module_unload(module);
    }
    return NULL;
  }
  return module;
}

void emu_module_unload(emu_module *module) {
  for (uint32_t i = 0; i < module->count; ++i) {
    free(module->functions[i].name);
    free(module->functions[i].offsets);
    free(module->functions[i].sizes);
  }
  free(module->functions);
  free(module);
}

emu_function *emu_module_function(emu_module *module, const char *name) {
  for (uint32_t i = 0; i < module->count; ++i) {
    if (strcmp(module->functions[i].name, name) == 0) {
      return &module->functions[i];
    }
  }
  return NULL;
}

bool emu_module_global(emu_module *module, const char *name, uint64_t *address, uint64_t *bytes) {
  (void)module, (void)name, (void)address, (void)bytes;
  return false;  // variables are of no use to what is measured
}

emu_function_info emu_function_describe(const emu_function *function) {
  return (emu_function_info){.name = function->name,
                             .param_count = function->param_count,
                             .param_offsets = function->offsets,
                             .param_bytes = function->sizes,
                             .max_threads = 1024};
}

bool emu_function_allow_shared(emu_function *function, uint32_t dynamic_bytes) {
  return function != NULL && dynamic_bytes <= 227u << 10;
}

emu_status emu_launch(emu_device *device, emu_function *function, const uint32_t grid[3],
                      const uint32_t block[3], uint32_t dynamic_shared, const void *params,
                      uint32_t param_bytes, emu_report *report) {
  (void)function, (void)grid, (void)block, (void)dynamic_shared;
  (void)params, (void)param_bytes, (void)report;
  ++device->counters.launches;
  return EMU_OK;
}

emu_counters emu_device_counters(const emu_device *device) { return device->counters; }
