// cuInit, versions, errors, devices and their attributes.
#include <stdio.h>
#include <string.h>

#include "cuda_driver.h"

#ifdef AICC_EMU_CUDA_H  // the test emu/abi: our numbers against those of cuda.h
#define CUDA_ERROR_ROW(name, value, text) _Static_assert((int)(name) == (value), #name);
#include "cuda_errors.def"
#undef CUDA_ERROR_ROW
#define CUDA_ATTRIBUTE(name, number, value) \
  _Static_assert((int)CU_DEVICE_ATTRIBUTE_##name == (number), #name);
#include "cuda_attributes.def"
#undef CUDA_ATTRIBUTE
#endif

// ---- results -----------------------------------------------------------------------------------

static const struct {
  CUresult result;
  const char *name, *text;
} results[] = {
#define CUDA_ERROR_ROW(name, value, text) {name, #name, text},
#include "cuda_errors.def"
#undef CUDA_ERROR_ROW
};

static size_t find_result(CUresult result) {
  size_t i = 0;
  while (i < sizeof results / sizeof results[0] && results[i].result != result) {
    ++i;
  }
  return i;
}

const char *cu_result_name(CUresult result) {
  const size_t i = find_result(result);
  return i < sizeof results / sizeof results[0] ? results[i].name : "unknown result";
}

static CUresult describe_result(const cu_call *call, CUresult error, bool name, const char **text) {
  if (text == NULL) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the place for the text is NULL");
  }
  const size_t i = find_result(error);
  if (i == sizeof results / sizeof results[0]) {
    *text = NULL;
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "%d is no result", (int)error);
  }
  *text = name ? results[i].name : results[i].text;
  return CUDA_SUCCESS;
}

CUresult cuGetErrorName(CUresult error, const char **text) {
  CU_CALL(CU_NEEDS_NOTHING, describe_result(&call, error, true, text));
}

CUresult cuGetErrorString(CUresult error, const char **text) {
  CU_CALL(CU_NEEDS_NOTHING, describe_result(&call, error, false, text));
}

// ---- the driver --------------------------------------------------------------------------------

static CUresult init(const cu_call *call, unsigned int flags) {
  if (flags != 0) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "flags must be 0, not %u", flags);
  }
  if (cu.initialized) {
    return CUDA_SUCCESS;
  }
  if (!cu_settings_read(&cu.settings)) {
    return CUDA_ERROR_INVALID_VALUE;
  }
  if (cu.settings.devices == 0) {
    return CUDA_ERROR_NO_DEVICE;
  }
  cu_devices_init();
  cu.initialized = true;
  return CUDA_SUCCESS;
}

CUresult cuInit(unsigned int flags) { CU_CALL(CU_NEEDS_NOTHING, init(&call, flags)); }

static CUresult driver_version(const cu_call *call, int *version) {
  if (version == NULL) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the place for the version is NULL");
  }
  if (!cu.initialized && !cu_settings_read(&cu.settings)) {  // may be asked before cuInit
    return CUDA_ERROR_INVALID_VALUE;
  }
  *version = cu.settings.driver_version;
  return CUDA_SUCCESS;
}

CUresult cuDriverGetVersion(int *version) {
  CU_CALL(CU_NEEDS_NOTHING, driver_version(&call, version));
}

// ---- devices -----------------------------------------------------------------------------------

static const cu_device_facts facts_table[] = {
    {75, "emulated sm_75", 1024, 16, 64 << 10, 64 << 10, 4 << 20},
    {80, "emulated sm_80", 2048, 32, 164 << 10, 163 << 10, 40 << 20},
    {86, "emulated sm_86", 1536, 16, 100 << 10, 99 << 10, 6 << 20},
    {87, "emulated sm_87", 1536, 16, 164 << 10, 163 << 10, 4 << 20},
    {89, "emulated sm_89", 1536, 24, 100 << 10, 99 << 10, 72 << 20},
    {90, "emulated sm_90", 2048, 32, 228 << 10, 227 << 10, 50 << 20},
    {100, "emulated sm_100", 2048, 32, 228 << 10, 227 << 10, 126 << 20},
    {103, "emulated sm_103", 2048, 32, 228 << 10, 227 << 10, 126 << 20},
    {120, "emulated sm_120", 1536, 24, 100 << 10, 99 << 10, 96 << 20},
    {121, "emulated sm_121", 1536, 24, 100 << 10, 99 << 10, 24 << 20},
};

const cu_device_facts *cu_device_facts_of(int sm) {
  for (size_t i = 0; i < sizeof facts_table / sizeof facts_table[0]; ++i) {
    if (facts_table[i].sm == sm) {
      return &facts_table[i];
    }
  }
  return NULL;
}

void cu_devices_init(void) {
  for (int i = 0; i < cu.settings.devices; ++i) {
    cu.devices[i] = (cu_device){.ordinal = i,
                                .multiprocessors = cu.settings.multiprocessors,
                                .facts = cu_device_facts_of(cu.settings.emu.sm)};
  }
}

cu_device *cu_device_get(CUdevice device) {
  return device >= 0 && device < cu.settings.devices ? &cu.devices[device] : NULL;
}

static CUresult no_device(const cu_call *call, int device) {
  return cu_misuse(call, CUDA_ERROR_INVALID_DEVICE, "there is no device %d: there are %d", device,
                   cu.settings.devices);
}

static CUresult no_place(const cu_call *call) {
  return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the place for the answer is NULL");
}

static CUresult device_get(const cu_call *call, CUdevice *device, int ordinal) {
  if (device == NULL) {
    return no_place(call);
  }
  if (cu_device_get(ordinal) == NULL) {
    return no_device(call, ordinal);
  }
  *device = ordinal;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGet(CUdevice *device, int ordinal) {
  CU_CALL(CU_NEEDS_INIT, device_get(&call, device, ordinal));
}

static CUresult device_count(const cu_call *call, int *count) {
  if (count == NULL) {
    return no_place(call);
  }
  *count = cu.settings.devices;
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetCount(int *count) { CU_CALL(CU_NEEDS_INIT, device_count(&call, count)); }

static CUresult device_text(const cu_call *call, char *text, int size, CUdevice number, bool bus) {
  const cu_device *d = cu_device_get(number);
  if (d == NULL) {
    return no_device(call, number);
  }
  if (text == NULL || size < 1) {
    return no_place(call);
  }
  if (bus) {
    snprintf(text, (size_t)size, "0000:%02x:00.0", (unsigned)d->ordinal + 1);
  } else {
    snprintf(text, (size_t)size, "%s", d->facts->name);
  }
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetName(char *name, int size, CUdevice device) {
  CU_CALL(CU_NEEDS_INIT, device_text(&call, name, size, device, false));
}

CUresult cuDeviceGetPCIBusId(char *text, int size, CUdevice device) {
  CU_CALL(CU_NEEDS_INIT, device_text(&call, text, size, device, true));
}

static CUresult device_uuid(const cu_call *call, CUuuid *uuid, CUdevice number) {
  if (cu_device_get(number) == NULL) {
    return no_device(call, number);
  }
  if (uuid == NULL) {
    return no_place(call);
  }
  memcpy(uuid->bytes, "aicc-emulator-0", 16);
  uuid->bytes[14] = (char)('0' + number);
  return CUDA_SUCCESS;
}

CUresult cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device) {
  CU_CALL(CU_NEEDS_INIT, device_uuid(&call, uuid, device));
}

static CUresult device_memory(const cu_call *call, size_t *bytes, CUdevice number) {
  if (cu_device_get(number) == NULL) {
    return no_device(call, number);
  }
  if (bytes == NULL) {
    return no_place(call);
  }
  *bytes = cu.settings.emu.memory_bytes;
  return CUDA_SUCCESS;
}

CUresult cuDeviceTotalMem_v2(size_t *bytes, CUdevice device) {
  CU_CALL(CU_NEEDS_INIT, device_memory(&call, bytes, device));
}

static CUresult device_attribute(const cu_call *call, int *value, CUdevice_attribute attribute,
                                 CUdevice number) {
  const cu_device *d = cu_device_get(number);
  if (d == NULL) {
    return no_device(call, number);
  }
  if (value == NULL) {
    return no_place(call);
  }
  switch ((int)attribute) {
#define CUDA_ATTRIBUTE(name, number, answer) \
  case number:                               \
    *value = answer;                         \
    return CUDA_SUCCESS;
#include "cuda_attributes.def"
#undef CUDA_ATTRIBUTE
    default:
      return cu_misuse(call, CUDA_ERROR_INVALID_VALUE,
                       "attribute %d is not in tests/emu/cuda_attributes.def", (int)attribute);
  }
}

CUresult cuDeviceGetAttribute(int *value, CUdevice_attribute attribute, CUdevice device) {
  CU_CALL(CU_NEEDS_INIT, device_attribute(&call, value, attribute, device));
}

static CUresult device_capability(const cu_call *call, int *major, int *minor, CUdevice number) {
  const cu_device *d = cu_device_get(number);
  if (d == NULL) {
    return no_device(call, number);
  }
  if (major == NULL || minor == NULL) {
    return no_place(call);
  }
  *major = d->facts->sm / 10;
  *minor = d->facts->sm % 10;
  return CUDA_SUCCESS;
}

CUresult cuDeviceComputeCapability(int *major, int *minor, CUdevice device) {
  CU_CALL(CU_NEEDS_INIT, device_capability(&call, major, minor, device));
}

static CUresult can_access_peer(const cu_call *call, int *can, CUdevice device, CUdevice peer) {
  if (cu_device_get(device) == NULL || cu_device_get(peer) == NULL) {
    return no_device(call, cu_device_get(device) == NULL ? device : peer);
  }
  if (can == NULL) {
    return no_place(call);
  }
  *can = 0;
  return CUDA_SUCCESS;
}

CUresult cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer) {
  CU_CALL(CU_NEEDS_INIT, can_access_peer(&call, can, device, peer));
}

// ---- entry points by name ----------------------------------------------------------------------

typedef void (*any_function)(void);

static const struct {
  const char *base, *symbol;
  int since;
  any_function function;
} functions[] = {
#define CUDA_FUNCTION(base, symbol, since, parameters) \
  {#base, #symbol, since, (any_function)symbol},
#include "cuda_functions.def"
#undef CUDA_FUNCTION
};

static CUresult proc_address(const cu_call *call, const char *symbol, void **function, int version,
                             CUdriverProcAddressQueryResult *status) {
  if (symbol == NULL || function == NULL) {
    return cu_misuse(call, CUDA_ERROR_INVALID_VALUE, "the name or its place is NULL");
  }
  CUdriverProcAddressQueryResult found = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
  *function = NULL;
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; ++i) {
    if (strcmp(functions[i].base, symbol) != 0 && strcmp(functions[i].symbol, symbol) != 0) {
      continue;
    }
    if (functions[i].since <= version) {
      memcpy(function, &functions[i].function, sizeof *function);
      found = CU_GET_PROC_ADDRESS_SUCCESS;
    } else if (*function == NULL) {
      found = CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT;
    }
  }
  if (status != NULL) {
    *status = found;
  }
  return found == CU_GET_PROC_ADDRESS_SUCCESS || status != NULL ? CUDA_SUCCESS
                                                                : CUDA_ERROR_NOT_FOUND;
}

CUresult cuGetProcAddress_v2(const char *symbol, void **function, int version, cuuint64_t flags,
                             CUdriverProcAddressQueryResult *status) {
  (void)flags;  // the default stream of legacy programs is the only one
  CU_CALL(CU_NEEDS_NOTHING, proc_address(&call, symbol, function, version, status));
}
