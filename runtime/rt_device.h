// What a device offers to a session. One object per session: it is used by one thread.
#ifndef AICC_RT_DEVICE_H
#define AICC_RT_DEVICE_H

#include "aicc/abi.h"
#include "rt_alloc.h"
#include "rt_error.h"

typedef struct aicc_rt_device aicc_rt_device;

typedef struct aicc_rt_device_config {
  const aicc_rt_allocator *allocator;  // borrowed, outlives the device
  const aicc_abi_model *model;         // borrowed, outlives the device
  uint32_t threads;                    // 0: the device's choice
} aicc_rt_device_config;

typedef struct aicc_rt_device_ops {
  const char *name;     // "cpu"
  int32_t dl_device;    // DLDeviceType of its tensors
  uint32_t image_kind;  // AICC_ABI_IMAGE_*: what it executes; aicc_abi_call.device

  // NULL with |error| set: AICC_RT_UNAVAILABLE where there is no such device here.
  aicc_rt_device *(*create)(const aicc_rt_device_config *config, aicc_rt_error *error);
  void (*destroy)(aicc_rt_device *device);

  // Kernel |kernel| over |grid| tasks or blocks; |args| is copied or used up before this returns.
  aicc_rt_status (*launch)(aicc_rt_device *device, uint32_t kernel, int64_t grid, const void *args,
                           int64_t cost, aicc_rt_error *error);

  // Device to device, device to host (waits), host to device.
  aicc_rt_status (*copy)(aicc_rt_device *device, void *to, const void *from, int64_t bytes,
                         aicc_rt_error *error);
  aicc_rt_status (*read)(aicc_rt_device *device, void *to, const void *from, int64_t bytes,
                         aicc_rt_error *error);
  aicc_rt_status (*write)(aicc_rt_device *device, void *to, const void *from, int64_t bytes,
                          aicc_rt_error *error);

  // (optional) Around a run. NULL: nothing to do.
  void (*begin)(aicc_rt_device *device);
  aicc_rt_status (*end)(aicc_rt_device *device, aicc_rt_error *error);

  // (optional) Threads on the host, and bytes of their scratch memory. NULL: there are none.
  uint32_t (*threads)(const aicc_rt_device *device);
  uint64_t (*scratch_bytes)(const aicc_rt_device *device);
  void (*set_threads)(aicc_rt_device *device, uint32_t threads);
} aicc_rt_device_ops;

extern const aicc_rt_device_ops aicc_rt_device_cpu;

// NULL: there is no device of that name.
const aicc_rt_device_ops *aicc_rt_device_find(const char *name);

// The names of all devices, ", " between them, for messages.
const char *aicc_rt_device_names(void);

#endif
