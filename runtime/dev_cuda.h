// The CUDA device, over NVIDIA's driver. Private to dev_cuda*.c.
//
// A *program* is what the sessions of a model share in one context: modules, functions, weights.
// Only making and releasing one takes the model's lock; what it holds does not change in between,
// but for string constants.
#ifndef AICC_RT_DEV_CUDA_H
#define AICC_RT_DEV_CUDA_H

#include "cuda_api.h"
#include "rt_device.h"

// Everything that a launch needs to know of a kernel, found once.
typedef struct aicc_cuda_kernel {
  cu_function function;
  uint32_t block_threads, dynamic_shared, arg_bytes;
  uint32_t block_workers;  // see aicc_abi_kernel
  uint32_t most_blocks;    // more do not run faster: they stay for as many tasks as it takes
} aicc_cuda_kernel;

// Strings of the model's code, copied to the device.
typedef struct aicc_cuda_strings {
  struct aicc_cuda_strings *next;
  const void *table;  // in the model
  cu_pointer copy;
} aicc_cuda_strings;

typedef struct aicc_cuda_program {
  aicc_rt_shared shared;  // first; key: the context
  cu_module *modules;
  uint32_t module_count, module_capacity;
  cu_module pack_module;  // under the model's lock, as is |strings|; NULL: not needed yet
  cu_function pack;
  aicc_cuda_kernel *kernels;
  uint32_t kernel_count;
  cu_pointer weights;  // from aicc_cuda_weights_begin on
  uint64_t weights_bytes;
  uint64_t scratch_bytes;  // of a session
  aicc_cuda_strings *strings;
} aicc_cuda_program;

// A launch that is timed.
typedef struct aicc_cuda_timed {
  uint32_t kernel;
  cu_event start, end;
} aicc_cuda_timed;

enum { AICC_CUDA_ARGS_MAX = 4096, AICC_CUDA_RECENT = 4 };

struct aicc_rt_device {
  const aicc_rt_cuda *cuda;
  const aicc_rt_allocator *allocator;
  aicc_rt_model *model;
  char name[24];  // "cuda:0"
  int32_t number;
  cu_device device;
  int capability;  // 80
  int processors, shared_limit;
  cu_context context;
  bool retained;      // the primary context
  bool created;       // |stream| is the session's own
  cu_stream stream;
  cu_stream recorder;  // to be captured; NULL: not needed yet
  cu_stream target;    // where work goes: |stream|, or |recorder| while recording
  aicc_rt_allocator memory, pinned;
  uint32_t plan_index;
  aicc_abi_plan plan;
  aicc_cuda_program *program;
  cu_pointer scratch;
  bool check_kernels, lost;
  // Uploads go through here, so that the data may change at once.
  uint8_t *staging;
  size_t staged;
  // Launches since the last wait, for messages; those that are repeated are not counted.
  uint64_t launched;
  uint32_t recent[AICC_CUDA_RECENT];
  bool repeated;
  // Times of launches.
  bool timing;
  aicc_cuda_timed *timed;
  uint32_t timed_count, timed_ready, timed_capacity;  // with events are the first |timed_ready|
  uint64_t timed_since;  // host clock at the first
  aicc_rt_replay *recording;
  uint64_t block[AICC_CUDA_ARGS_MAX / 8];  // parameters of a launch
};

// dev_cuda_launch.c: |result| of |doing| as a message; a fault, which may come to light in any
// call, is told of the kernels launched since the last wait. Notes whether the context is lost.
aicc_rt_status aicc_cuda_fail(aicc_rt_device *device, cu_result result, const char *doing,
                              aicc_rt_error *error);

// dev_cuda_program.c: chooses the plan and finds or makes the program. The context is current.
aicc_rt_status aicc_cuda_program_take(aicc_rt_device *device, aicc_rt_error *error);
void aicc_cuda_program_release(aicc_rt_device *device);

// dev_cuda_image.c. The plan whose images the device takes; -1 with |error| set.
int32_t aicc_cuda_choose_plan(const aicc_rt_device *device, aicc_rt_error *error);
// Loads images until each kernel of the plan has its function.
aicc_rt_status aicc_cuda_load_images(aicc_rt_device *device, aicc_cuda_program *program,
                                     aicc_rt_error *error);

// dev_cuda_launch.c
aicc_rt_status aicc_cuda_launch(aicc_rt_device *device, uint32_t kernel, int64_t grid,
                                const void *args, int64_t cost, aicc_rt_error *error);
void aicc_cuda_set_timing(aicc_rt_device *device, bool on);
aicc_rt_status aicc_cuda_collect(aicc_rt_device *device, aicc_rt_trace *trace,
                                 const aicc_rt_kernel_info *kernels, aicc_rt_error *error);
void aicc_cuda_timing_deinit(aicc_rt_device *device);

// dev_cuda_copy.c
uint64_t aicc_cuda_staging_bytes(const aicc_rt_device *device);
aicc_rt_status aicc_cuda_wait(aicc_rt_device *device, aicc_rt_error *error);
aicc_rt_status aicc_cuda_copy(aicc_rt_device *device, void *to, const void *from, int64_t bytes,
                              aicc_rt_error *error);
aicc_rt_status aicc_cuda_read(aicc_rt_device *device, void *to, const void *from, int64_t bytes,
                              aicc_rt_error *error);
aicc_rt_status aicc_cuda_write(aicc_rt_device *device, void *to, const void *from, int64_t bytes,
                               aicc_rt_error *error);
aicc_rt_status aicc_cuda_download(aicc_rt_device *device, void *to, const void *from,
                                  int64_t bytes, aicc_rt_error *error);
aicc_rt_status aicc_cuda_pack(aicc_rt_device *device, void *to, const void *from, int32_t rank,
                              const int64_t *dims, const int64_t *strides, size_t element,
                              aicc_rt_error *error);
aicc_rt_status aicc_cuda_strings_of(aicc_rt_device *device, const void *table, int64_t count,
                                    const void **address, aicc_rt_error *error);

// dev_cuda_record.c
bool aicc_cuda_record_begin(aicc_rt_device *device);
aicc_rt_replay *aicc_cuda_record_end(aicc_rt_device *device, bool keep);
aicc_rt_status aicc_cuda_replay(aicc_rt_device *device, aicc_rt_replay *replay,
                                aicc_rt_error *error);
void aicc_cuda_forget(aicc_rt_device *device, aicc_rt_replay *replay);
// Host memory of the recording in progress, that copies in it may read each time. NULL: none.
void *aicc_cuda_record_bytes(aicc_rt_device *device, size_t bytes);

// Where what is uploaded of the weights begins: kernels see constants as aligned as in the file.
static inline uint64_t aicc_cuda_weights_begin(const aicc_abi_plan *plan) {
  return plan->weights_begin & ~UINT64_C(255);
}

static inline cu_pointer aicc_cuda_address(const void *pointer) {
  return (cu_pointer)(uintptr_t)pointer;
}
static inline void *aicc_cuda_pointer(cu_pointer address) { return (void *)(uintptr_t)address; }

#endif
