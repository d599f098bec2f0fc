// Modules and functions: PTX text in, functions by name out.
//
// Images are told apart as the driver does: text, or an ELF file (a cubin), or a fat binary. Only
// text can be emulated; of the others it is said that there is no code for this GPU, so that a
// runtime that has several images goes on to its PTX.
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cuda_driver.h"

#define DEFAULT_SHARED (48u << 10)

// ---- reading the head of a text ----------------------------------------------------------------

// The rest of the directive |name| (".version"), outside comments; NULL: none.
static const char *directive(const char *text, const char *name) {
  const size_t length = strlen(name);
  while (*text != 0) {
    if (text[0] == '/' && text[1] == '/') {
      text += strcspn(text, "\n");
    } else if (text[0] == '/' && text[1] == '*') {
      const char *end = strstr(text + 2, "*/");
      text = end == NULL ? text + strlen(text) : end + 2;
    } else if (strncmp(text, name, length) == 0 && isspace((unsigned char)text[length])) {
      return text + length;
    } else {
      ++text;
    }
  }
  return NULL;
}

// The newest PTX version that a driver of this CUDA version takes, 84 for 8.4.
static int newest_ptx(int driver) {
  const int major = driver / 1000, minor = driver % 1000 / 10;
  if (major == 12) {
    return minor <= 5 ? 80 + minor : minor == 6 ? 85 : 79 + minor;  // 12.7: 8.6, 12.9: 8.8
  }
  return major == 11 ? 70 + minor : 90 + minor;
}

typedef struct ptx_head {
  int version;  // 84
  int sm;       // 80
  char suffix;  // 'a': exactly this GPU; 'f': of this family; 0: this and later ones
} ptx_head;

static bool read_head(const char *text, ptx_head *head) {
  const char *version = directive(text, ".version");
  const char *target = directive(text, ".target");
  int major, minor;
  head->suffix = 0;
  if (version == NULL || target == NULL || sscanf(version, "%d.%d", &major, &minor) != 2 ||
      sscanf(target, " sm_%d%c", &head->sm, &head->suffix) < 1) {
    return false;
  }
  head->version = major * 10 + minor;
  if (head->suffix != 'a' && head->suffix != 'f') {
    head->suffix = 0;
  }
  return true;
}

static bool runs_on(const ptx_head *head, int sm) {
  switch (head->suffix) {
    case 'a':
      return head->sm == sm;
    case 'f':
      return head->sm <= sm && head->sm / 10 == sm / 10;
    default:
      return head->sm <= sm;
  }
}

// ---- loading -----------------------------------------------------------------------------------

typedef struct jit_log {
  char *buffer;
  void **size;  // in: of the buffer; out: what was written
} jit_log;

static void write_log(const jit_log *log, const char *text) {
  if (log->size == NULL) {
    return;
  }
  const size_t room = (size_t)(uint32_t)(uintptr_t)*log->size;
  size_t used = 0;
  if (log->buffer != NULL && room > 0) {
    used = strlen(text) < room - 1 ? strlen(text) : room - 1;
    memcpy(log->buffer, text, used);
    log->buffer[used] = 0;
  }
  *log->size = (void *)(uintptr_t)used;
}

static void find_logs(unsigned int count, CUjit_option *options, void **values, jit_log *info,
                      jit_log *error) {
  *info = *error = (jit_log){NULL, NULL};
  for (unsigned i = 0; i < count; ++i) {
    switch ((int)options[i]) {
      case CU_JIT_INFO_LOG_BUFFER:
        info->buffer = values[i];
        break;
      case CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES:
        info->size = &values[i];
        break;
      case CU_JIT_ERROR_LOG_BUFFER:
        error->buffer = values[i];
        break;
      case CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES:
        error->size = &values[i];
        break;
      default:
        break;  // how hard the code is optimised changes nothing here
    }
  }
}

// What the driver would say before it compiles: does this image suit the driver and the device?
static CUresult check_image(const cu_call *call, const void *image, ptx_head *head, char *text,
                            size_t size) {
  static const unsigned char elf[4] = {0x7f, 'E', 'L', 'F'}, fat[4] = {0x50, 0xed, 0x55, 0xba};
  const int sm = call->context->device->facts->sm;
  if (memcmp(image, elf, 4) == 0 || memcmp(image, fat, 4) == 0) {
    snprintf(text, size, "the emulator runs PTX and no machine code: load the PTX of this module");
    return CUDA_ERROR_NO_BINARY_FOR_GPU;
  }
  if (!read_head(image, head)) {
    snprintf(text, size, "the image is no PTX: it has no .version or no .target sm_NN");
    return CUDA_ERROR_INVALID_IMAGE;
  }
  if (head->version > newest_ptx(cu.settings.driver_version)) {
    snprintf(text, size, "PTX %d.%d is newer than %d.%d, the newest that CUDA %d.%d knows",
             head->version / 10, head->version % 10, newest_ptx(cu.settings.driver_version) / 10,
             newest_ptx(cu.settings.driver_version) % 10, cu.settings.driver_version / 1000,
             cu.settings.driver_version % 1000 / 10);
    return CUDA_ERROR_UNSUPPORTED_PTX_VERSION;
  }
  if (!runs_on(head, sm)) {
    snprintf(text, size, "PTX for sm_%d%.1s does not run on sm_%d", head->sm, &head->suffix, sm);
    return head->suffix != 0 ? CUDA_ERROR_NO_BINARY_FOR_GPU : CUDA_ERROR_INVALID_PTX;
  }
  return CUDA_SUCCESS;
}

static CUresult module_load(const cu_call *call, CUmodule *place, const void *image,
                            unsigned int count, CUjit_option *options, void **values) {
  if (place == NULL || image == NULL || (count > 0 && (options == NULL || values == NULL))) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the module, image or options are NULL");
  }
  jit_log info, error;
  find_logs(count, options, values, &info, &error);
  write_log(&info, "");
  ptx_head head;
  emu_report report = {.status = EMU_OK};
  CUresult result = check_image(call, image, &head, report.text, sizeof report.text);
  emu_module *emu = NULL;
  if (result == CUDA_SUCCESS) {
    emu = emu_module_load(call->context->emu, image, strlen(image), &report);
    result = emu != NULL                        ? CUDA_SUCCESS
             : report.status == EMU_NO_MEMORY ? CUDA_ERROR_OUT_OF_MEMORY
                                              : CUDA_ERROR_INVALID_PTX;
  }
  write_log(&error, result == CUDA_SUCCESS ? "" : report.text);
  if (result != CUDA_SUCCESS) {
    return error.size != NULL ? result : cu_misuse(call, result, "%s", report.text);
  }
  cu_module *module = cu_object_new(CU_KIND_MODULE, call->context);
  if (module == NULL) {
    emu_module_unload(emu);
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  module->emu = emu;
  module->ptx_version = head.version;
  *place = (CUmodule)(void *)module;
  return CUDA_SUCCESS;
}

CUresult cuModuleLoadData(CUmodule *module, const void *image) {
  CU_CALL(CU_NEEDS_CONTEXT | CU_NEEDS_NO_CAPTURE,
          module_load(&call, module, image, 0, NULL, NULL));
}

CUresult cuModuleLoadDataEx(CUmodule *module, const void *image, unsigned int count,
                            CUjit_option *options, void **values) {
  CU_CALL(CU_NEEDS_CONTEXT | CU_NEEDS_NO_CAPTURE,
          module_load(&call, module, image, count, options, values));
}

static CUresult loading_mode(const cu_call *call, CUmoduleLoadingMode *mode) {
  if (mode == NULL) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the place for the mode is NULL");
  }
  *mode = CU_MODULE_EAGER_LOADING;
  return CUDA_SUCCESS;
}

CUresult cuModuleGetLoadingMode(CUmoduleLoadingMode *mode) {
  CU_CALL(CU_NEEDS_INIT, loading_mode(&call, mode));
}

static CUresult module_unload(const cu_call *call, CUmodule handle) {
  cu_module *module = cu_object_own(call, handle, CU_KIND_MODULE);
  if (module == NULL) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  const CUresult result = cu_context_drain(call->context);  // its kernels may be queued
  for (cu_function *function = NULL;
       (function = cu_object_next(function, CU_KIND_FUNCTION, call->context)) != NULL;) {
    if (function->module == module) {
      cu_object_delete(function);
    }
  }
  emu_module_unload(module->emu);
  cu_object_delete(module);
  return result;
}

CUresult cuModuleUnload(CUmodule module) {
  CU_CALL(CU_NEEDS_CONTEXT | CU_NEEDS_NO_CAPTURE, module_unload(&call, module));
}

// ---- functions ---------------------------------------------------------------------------------

static CUresult module_function(const cu_call *call, CUfunction *place, CUmodule handle,
                                const char *name) {
  cu_module *module = cu_object_own(call, handle, CU_KIND_MODULE);
  if (module == NULL) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (place == NULL || name == NULL) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the function's name or place is NULL");
  }
  emu_function *emu = emu_module_function(module->emu, name);
  if (emu == NULL) {
    return CUDA_ERROR_NOT_FOUND;  // asking is no misuse
  }
  cu_function *function = NULL;
  while ((function = cu_object_next(function, CU_KIND_FUNCTION, call->context)) != NULL) {
    if (function->emu == emu) {  // the same handle each time, as the driver gives
      *place = (CUfunction)(void *)function;
      return CUDA_SUCCESS;
    }
  }
  function = cu_object_new(CU_KIND_FUNCTION, call->context);
  if (function == NULL) {
    return CUDA_ERROR_OUT_OF_MEMORY;
  }
  function->module = module;
  function->emu = emu;
  function->info = emu_function_describe(emu);
  const uint32_t last = function->info.param_count;
  function->param_bytes =
      last == 0 ? 0 : function->info.param_offsets[last - 1] + function->info.param_bytes[last - 1];
  function->dynamic_shared = function->info.shared_bytes < DEFAULT_SHARED
                                 ? DEFAULT_SHARED - function->info.shared_bytes
                                 : 0;
  *place = (CUfunction)(void *)function;
  return CUDA_SUCCESS;
}

CUresult cuModuleGetFunction(CUfunction *function, CUmodule module, const char *name) {
  CU_CALL(CU_NEEDS_CONTEXT, module_function(&call, function, module, name));
}

static CUresult module_global(const cu_call *call, CUdeviceptr *address, size_t *bytes,
                              CUmodule handle, const char *name) {
  cu_module *module = cu_object_own(call, handle, CU_KIND_MODULE);
  if (module == NULL) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (name == NULL || (address == NULL && bytes == NULL)) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the variable's name or place is NULL");
  }
  uint64_t at, size;
  if (!emu_module_global(module->emu, name, &at, &size)) {
    return CUDA_ERROR_NOT_FOUND;
  }
  if (address != NULL) {
    *address = at;
  }
  if (bytes != NULL) {
    *bytes = size;
  }
  return CUDA_SUCCESS;
}

CUresult cuModuleGetGlobal_v2(CUdeviceptr *address, size_t *bytes, CUmodule module,
                              const char *name) {
  CU_CALL(CU_NEEDS_CONTEXT, module_global(&call, address, bytes, module, name));
}

static cu_function *get_function(const cu_call *call, CUfunction handle) {
  cu_function *function = cu_object_get(handle, CU_KIND_FUNCTION);
  if (function == NULL) {
    cu_misuse(call, CUDA_ERROR_INVALID_HANDLE,
              "this is no function, or one whose module is unloaded");
  }
  return function;
}

static CUresult function_attribute(const cu_call *call, int *value, CUfunction_attribute attribute,
                                   CUfunction handle) {
  const cu_function *function = get_function(call, handle);
  if (function == NULL) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (value == NULL) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the place for the value is NULL");
  }
  const emu_function_info *info = &function->info;
  switch ((int)attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
      *value = (int)info->max_threads;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
      *value = (int)info->shared_bytes;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES:
      *value = (int)info->local_bytes;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_NUM_REGS:  // of PTX: nothing has allocated registers of a machine
      *value = (int)info->registers;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
      *value = function->module->ptx_version;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
      *value = call->context->device->facts->sm;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
    case CU_FUNC_ATTRIBUTE_CACHE_MODE_CA:
      *value = 0;
      return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
      *value = (int)function->dynamic_shared;
      return CUDA_SUCCESS;
    default:
      return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "attribute %d is not known",
                       (int)attribute);
  }
}

CUresult cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction function) {
  CU_CALL(CU_NEEDS_CONTEXT, function_attribute(&call, value, attribute, function));
}

static CUresult set_attribute(const cu_call *call, CUfunction handle,
                              CUfunction_attribute attribute, int value) {
  cu_function *function = get_function(call, handle);
  if (function == NULL) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (attribute == CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT && value >= -1 &&
      value <= 100) {
    return CUDA_SUCCESS;  // a wish about the cache
  }
  if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "attribute %d cannot be set to %d",
                     (int)attribute, value);
  }
  const uint32_t most = (uint32_t)call->context->device->facts->block_shared;
  if (value < 0 || (uint64_t)value + function->info.shared_bytes > most ||
      !emu_function_allow_shared(function->emu, (uint32_t)value)) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE,
                     "%s: %d bytes of dynamic and %u of static shared memory exceed the %u of a "
                     "block of sm_%d",
                     function->info.name, value, function->info.shared_bytes, most,
                     call->context->device->facts->sm);
  }
  function->dynamic_shared = (uint32_t)value;
  return CUDA_SUCCESS;
}

CUresult cuFuncSetAttribute(CUfunction function, CUfunction_attribute attribute, int value) {
  CU_CALL(CU_NEEDS_CONTEXT, set_attribute(&call, function, attribute, value));
}

CUresult cuFuncSetCacheConfig(CUfunction function, CUfunc_cache config) {
  (void)config;  // a wish about the cache
  CU_CALL(CU_NEEDS_CONTEXT,
          get_function(&call, function) == NULL ? CUDA_ERROR_INVALID_HANDLE : CUDA_SUCCESS);
}

static CUresult function_module(const cu_call *call, CUmodule *module, CUfunction handle) {
  const cu_function *function = get_function(call, handle);
  if (function == NULL || module == NULL) {
    return function == NULL ? CUDA_ERROR_INVALID_HANDLE
                            : cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the place is NULL");
  }
  *module = (CUmodule)(void *)function->module;
  return CUDA_SUCCESS;
}

CUresult cuFuncGetModule(CUmodule *module, CUfunction function) {
  CU_CALL(CU_NEEDS_CONTEXT, function_module(&call, module, function));
}

static CUresult function_name(const cu_call *call, const char **name, CUfunction handle) {
  const cu_function *function = get_function(call, handle);
  if (function == NULL || name == NULL) {
    return function == NULL ? CUDA_ERROR_INVALID_HANDLE
                            : cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the place is NULL");
  }
  *name = function->info.name;
  return CUDA_SUCCESS;
}

CUresult cuFuncGetName(const char **name, CUfunction function) {
  CU_CALL(CU_NEEDS_CONTEXT, function_name(&call, name, function));
}

static CUresult param_info(const cu_call *call, CUfunction handle, size_t index, size_t *offset,
                           size_t *bytes) {
  const cu_function *function = get_function(call, handle);
  if (function == NULL || offset == NULL) {
    return function == NULL ? CUDA_ERROR_INVALID_HANDLE
                            : cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the place is NULL");
  }
  if (index >= function->info.param_count) {
    return CUDA_ERROR_INVALID_VALUE;  // how callers find the end
  }
  *offset = function->info.param_offsets[index];
  if (bytes != NULL) {
    *bytes = function->info.param_bytes[index];
  }
  return CUDA_SUCCESS;
}

CUresult cuFuncGetParamInfo(CUfunction function, size_t index, size_t *offset, size_t *bytes) {
  CU_CALL(CU_NEEDS_CONTEXT, param_info(&call, function, index, offset, bytes));
}

// ---- occupancy ---------------------------------------------------------------------------------

// Blocks that fit on a multiprocessor by threads, shared memory and number. Registers are not
// known.
static int resident_blocks(const cu_context *context, const cu_function *function, uint32_t threads,
                           size_t dynamic_shared) {
  const cu_device_facts *facts = context->device->facts;
  const size_t reserved = facts->sm >= 80 ? 1024 : 0;
  const size_t shared = function->info.shared_bytes + dynamic_shared + reserved;
  const uint32_t warps = (threads + 31) / 32;
  int blocks = facts->sm_blocks;
  if (warps > 0 && blocks > facts->sm_threads / (int)(warps * 32)) {
    blocks = facts->sm_threads / (int)(warps * 32);
  }
  if (shared > 0 && (size_t)blocks > (size_t)facts->sm_shared / shared) {
    blocks = (int)((size_t)facts->sm_shared / shared);
  }
  const bool fits =
      threads <= function->info.max_threads && dynamic_shared <= function->dynamic_shared;
  return fits ? blocks : 0;
}

static CUresult occupancy(const cu_call *call, int *blocks, CUfunction handle, int threads,
                          size_t shared) {
  const cu_function *function = get_function(call, handle);
  if (function == NULL) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (blocks == NULL || threads < 1) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE,
                     "%d threads a block, or the place for the answer is NULL", threads);
  }
  *blocks = resident_blocks(call->context, function, (uint32_t)threads, shared);
  return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, CUfunction function, int threads,
                                                     size_t shared) {
  CU_CALL(CU_NEEDS_CONTEXT, occupancy(&call, blocks, function, threads, shared));
}

CUresult cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int *blocks, CUfunction function,
                                                              int threads, size_t shared,
                                                              unsigned int flags) {
  (void)flags;  // about caches
  CU_CALL(CU_NEEDS_CONTEXT, occupancy(&call, blocks, function, threads, shared));
}

static CUresult potential(const cu_call *call, int *grid, int *threads, CUfunction handle,
                          CUoccupancyB2DSize shared_of, size_t shared, int limit) {
  const cu_function *function = get_function(call, handle);
  if (function == NULL) {
    return CUDA_ERROR_INVALID_HANDLE;
  }
  if (grid == NULL || threads == NULL || limit < 0) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "a place for an answer is NULL");
  }
  const int most = limit == 0 || limit > (int)function->info.max_threads
                       ? (int)function->info.max_threads
                       : limit;
  int best = 0;
  *grid = *threads = 0;
  for (int block = most - most % 32; block > 0; block -= 32) {
    const size_t bytes = shared_of != NULL ? shared_of(block) : shared;
    const int blocks = resident_blocks(call->context, function, (uint32_t)block, bytes);
    if (blocks * block > best) {
      best = blocks * block;
      *threads = block;
      *grid = blocks * call->context->device->multiprocessors;
    }
  }
  return CUDA_SUCCESS;
}

CUresult cuOccupancyMaxPotentialBlockSize(int *grid, int *threads, CUfunction function,
                                          CUoccupancyB2DSize shared_of, size_t shared, int limit) {
  CU_CALL(CU_NEEDS_CONTEXT, potential(&call, grid, threads, function, shared_of, shared, limit));
}
