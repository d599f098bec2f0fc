// What a device offers to a session. One object per session: it is used by one thread at a time.
//
// Work is queued: copies and launches happen in the order of their calls, and may still be going on
// when these return. What is optional is NULL where a device has no such thing.
#ifndef AICC_RT_DEVICE_H
#define AICC_RT_DEVICE_H

#include "rt_model.h"
#include "rt_trace.h"

typedef struct aicc_rt_device aicc_rt_device;

typedef struct aicc_rt_device_config {
  const aicc_rt_allocator *allocator;  // borrowed, outlives the device
  aicc_rt_model *model;                // borrowed, outlives the device
  const char *name;                    // "cuda:1", for messages; borrowed until create returns
  int32_t number;                      // 1; 0 where the name has none
  uint32_t threads;                    // 0: the device's choice
  void *native_context, *native_stream;  // see aicc_rt_session_options
  bool check_kernels;
} aicc_rt_device_config;

// A run of the past, to be repeated as it was.
typedef struct aicc_rt_replay aicc_rt_replay;

typedef struct aicc_rt_device_ops {
  const char *name;   // "cpu"
  int32_t dl_device;  // DLDeviceType of its tensors; kDLCPU: memory is the host's
  uint32_t call_device;  // aicc_abi_call.device

  // NULL with |error| set: AICC_RT_UNAVAILABLE where there is no such device here, or the model has
  // no code for it.
  aicc_rt_device *(*create)(const aicc_rt_device_config *config, aicc_rt_error *error);
  void (*destroy)(aicc_rt_device *device);

  // (optional) What create found; without these: 0, the first plan, the model's weights as mapped.
  int32_t (*number)(const aicc_rt_device *device);
  uint32_t (*plan)(const aicc_rt_device *device);  // as in aicc_abi_image.plan
  const uint8_t *(*weights)(const aicc_rt_device *device);

  // Kernel |kernel| over |grid| tasks; |args| is copied or used up before this returns.
  aicc_rt_status (*launch)(aicc_rt_device *device, uint32_t kernel, int64_t grid, const void *args,
                           int64_t cost, aicc_rt_error *error);

  // Device to device; device to host, waits; host to device: |from| may change when this returns.
  aicc_rt_status (*copy)(aicc_rt_device *device, void *to, const void *from, int64_t bytes,
                         aicc_rt_error *error);
  aicc_rt_status (*read)(aicc_rt_device *device, void *to, const void *from, int64_t bytes,
                         aicc_rt_error *error);
  aicc_rt_status (*write)(aicc_rt_device *device, void *to, const void *from, int64_t bytes,
                          aicc_rt_error *error);

  // (optional) Around all use of the device by a call of the runtime's interface.
  aicc_rt_status (*begin)(aicc_rt_device *device, aicc_rt_error *error);
  void (*end)(aicc_rt_device *device);

  // (optional) Threads on the host, and bytes of kernels' scratch memory.
  uint32_t (*threads)(const aicc_rt_device *device);
  uint64_t (*scratch_bytes)(const aicc_rt_device *device);
  void (*set_threads)(aicc_rt_device *device, uint32_t threads);

  // (all or none) Of devices with memory of their own.
  // Its memory, and host memory that copies from it are fast to. Both live as long as the device.
  const aicc_rt_allocator *(*memory)(const aicc_rt_device *device);
  const aicc_rt_allocator *(*pinned)(const aicc_rt_device *device);
  uint64_t (*staging_bytes)(const aicc_rt_device *device);  // of pinned memory, held by the device
  // Device to host: |to| is filled when wait returns.
  aicc_rt_status (*download)(aicc_rt_device *device, void *to, const void *from, int64_t bytes,
                             aicc_rt_error *error);
  aicc_rt_status (*wait)(aicc_rt_device *device, aicc_rt_error *error);
  // Packs elements of |element| bytes with |strides| (in elements) into a compact |to|.
  aicc_rt_status (*pack)(aicc_rt_device *device, void *to, const void *from, int32_t rank,
                         const int64_t *dims, const int64_t *strides, size_t element,
                         aicc_rt_error *error);
  // The copy on the device of |count| strings (aicc_abi_str) of the model's code; made once.
  aicc_rt_status (*strings)(aicc_rt_device *device, const void *table, int64_t count,
                            const void **address, aicc_rt_error *error);
  // The message of a run that finds no memory for |bytes| of |what|. Returns AICC_RT_MEMORY.
  aicc_rt_status (*no_memory)(aicc_rt_device *device, const char *what, int64_t bytes,
                              aicc_rt_error *error);
  // While timing is on each launch is timed; the times are handed to |trace| by the next collect.
  void (*set_timing)(aicc_rt_device *device, bool on);
  aicc_rt_status (*collect)(aicc_rt_device *device, aicc_rt_trace *trace,
                            const aicc_rt_kernel_info *kernels, aicc_rt_error *error);

  // Between the two, work is recorded instead of done. |*out| is NULL where it cannot be (the run
  // is to be done again then); reads while recording fail.
  bool (*record_begin)(aicc_rt_device *device);
  aicc_rt_replay *(*record_end)(aicc_rt_device *device, bool keep);
  aicc_rt_status (*replay)(aicc_rt_device *device, aicc_rt_replay *replay, aicc_rt_error *error);
  void (*forget)(aicc_rt_device *device, aicc_rt_replay *replay);
} aicc_rt_device_ops;

extern const aicc_rt_device_ops aicc_rt_device_cpu, aicc_rt_device_cuda;

// The device called |name|, "cuda" or "cuda:1", and its number. NULL with |error| set: there is
// none.
const aicc_rt_device_ops *aicc_rt_device_find(const char *name, int32_t *number,
                                              aicc_rt_error *error);

// Does |model| hold code of one of these kinds for plan |plan|? A model without a list of images is
// for the CPU. The kinds end with -1.
bool aicc_rt_model_has_code(const aicc_abi_model *model, uint32_t plan, const int32_t *kinds);
// "x86-64-v4, sm_80 (cubin, ptx)": what the model has code for.
void aicc_rt_text_images(aicc_rt_text *text, const aicc_abi_model *model);

#endif
