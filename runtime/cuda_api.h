// NVIDIA's driver interface, as far as the runtime uses it: our own declarations, so that no CUDA
// toolkit is needed, over libcuda.so.1, which is loaded when the first CUDA session is made.
#ifndef AICC_RT_CUDA_API_H
#define AICC_RT_CUDA_API_H

#include <stddef.h>
#include <stdint.h>

#include "rt_error.h"

typedef int cu_result;  // CU_OK or a code of cuda_errors.def
typedef int cu_device;
typedef uint64_t cu_pointer;
typedef struct cu_context_object *cu_context;
typedef struct cu_module_object *cu_module;
typedef struct cu_function_object *cu_function;
typedef struct cu_stream_object *cu_stream;
typedef struct cu_event_object *cu_event;
typedef struct cu_graph_object *cu_graph;
typedef struct cu_graph_exec_object *cu_graph_exec;

enum { CU_OK = 0 };

// Numbers of the driver's interface.
enum {
  CU_ATTRIBUTE_MULTIPROCESSORS = 16,
  CU_ATTRIBUTE_MAJOR = 75,
  CU_ATTRIBUTE_MINOR = 76,
  CU_ATTRIBUTE_SHARED_OPTIN = 97,
  CU_FUNCTION_MAX_DYNAMIC_SHARED = 8,
  CU_STREAM_NON_BLOCKING = 1,
  CU_CAPTURE_RELAXED = 2,
  CU_JIT_ERROR_LOG = 5,
  CU_JIT_ERROR_LOG_BYTES = 6,
};
// For |extra| of a launch: the parameters as one block.
#define CU_LAUNCH_BUFFER ((void *)1)
#define CU_LAUNCH_BUFFER_SIZE ((void *)2)
#define CU_LAUNCH_END ((void *)0)

typedef struct aicc_rt_cuda {
#define AICC_RT_CUDA(member, name, params) cu_result(*member) params;
#include "cuda_api.def"
#undef AICC_RT_CUDA
} aicc_rt_cuda;

// The driver, loaded and initialised at the first call; NULL with |error| AICC_RT_UNAVAILABLE where
// there is none, it is too old, or it finds no GPU. Thread-safe; lives as long as the process.
const aicc_rt_cuda *aicc_rt_cuda_load(aicc_rt_error *error);

// Records what |result| of |doing| ("uploading the weights") means and what to do about it.
// |device|: the device's name for the message.
aicc_rt_status aicc_rt_cuda_fail(const aicc_rt_cuda *cuda, cu_result result, const char *device,
                                 const char *doing, aicc_rt_error *error);

// Did a kernel go wrong earlier, so that the context is lost?
bool aicc_rt_cuda_is_fault(cu_result result);

#endif
