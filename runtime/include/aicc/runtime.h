// The runtime: loads a model.so made by aicc and runs it. Include this, link libaicc-rt.a (and
// -ldl -lpthread with an old libc).
//
//   aicc_rt_error error;
//   aicc_rt_model *model = aicc_rt_model_open("model.so", NULL, &error);
//   aicc_rt_session *session = aicc_rt_session_create(model, "cpu", NULL, &error);
//   aicc_rt_session_set_input_named(session, "x", &x, &error);
//   aicc_rt_session_run(session, &error);
//   aicc_rt_session_output(session, 0, &y, &error);
//
// Ownership: what _open and _create return is the caller's, until _close and _destroy. Everything
// else that is returned is borrowed from the model or the session. Strings and tensors handed in
// are copied, except the data of tensors, which is borrowed as each function says.
//
// Threads: a model is immutable and may be used by any number of threads. A session belongs to one
// thread at a time.
//
// Errors: functions that can fail take a last argument |error|, which may be NULL, and leave in it
// a code and a sentence. The runtime never prints, never aborts and never exits.
#ifndef AICC_RUNTIME_H
#define AICC_RUNTIME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "aicc/dlpack.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define AICC_RT_API __attribute__((visibility("default")))
#else
#define AICC_RT_API
#endif

// What a caller can do about a failure.
typedef enum aicc_rt_status {
  AICC_RT_OK = 0,
  AICC_RT_INVALID = 1,      // a wrong argument: mend the call
  AICC_RT_INPUT = 2,        // a tensor of wrong type or shape: mend the data
  AICC_RT_IO = 3,           // the file could not be read
  AICC_RT_BAD_MODEL = 4,    // no model, or a damaged one: compile it again
  AICC_RT_VERSION = 5,      // the model needs another runtime, or is to be compiled again
  AICC_RT_UNAVAILABLE = 6,  // no such device here, or the CPU lacks instructions: may skip
  AICC_RT_MEMORY = 7,       // out of memory, or the arena handed in is too small
  AICC_RT_FAILED = 8  // the model found its input data impossible (an index out of range, ...)
} aicc_rt_status;

typedef struct aicc_rt_error {
  aicc_rt_status code;
  char text[1020];  // one sentence, "" after success
} aicc_rt_error;

AICC_RT_API const char *aicc_rt_status_name(aicc_rt_status status);  // "bad model"

// All memory comes through one function. |pointer| NULL: allocate |new_size| bytes; |new_size| 0:
// free |pointer|, which had |old_size|; never both sizes non-zero. NULL means there is none. Called
// from the threads that use the model or session it was given to. |alignment| is a power of two.
typedef struct aicc_rt_allocator {
  void *(*resize)(void *user, void *pointer, size_t old_size, size_t new_size, size_t alignment);
  void *user;
} aicc_rt_allocator;

// ---- models ------------------------------------------------------------------------------------

typedef struct aicc_rt_model aicc_rt_model;

typedef struct aicc_rt_model_options {
  const aicc_rt_allocator *allocator;  // copied; NULL: libc's
  bool verify_weights;  // read all weights and compare their hash: seconds for gigabytes
} aicc_rt_model_options;

// Loads |path|. NULL after a failure: AICC_RT_IO, _BAD_MODEL, _VERSION, _UNAVAILABLE (the CPU lacks
// instructions), _MEMORY. |options| may be NULL. Weights are mapped, not read.
AICC_RT_API aicc_rt_model *aicc_rt_model_open(const char *path,
                                              const aicc_rt_model_options *options,
                                              aicc_rt_error *error);

// Sessions keep what they need of the model: the order of close and destroy does not matter. NULL
// is allowed.
AICC_RT_API void aicc_rt_model_close(aicc_rt_model *model);

typedef enum aicc_rt_kind {
  AICC_RT_TENSOR = 0,
  AICC_RT_SEQUENCE = 1,
  AICC_RT_OPTIONAL = 2,
  AICC_RT_OPTIONAL_SEQUENCE = 3
} aicc_rt_kind;

// Types of less than 8 bits take one byte an element (low bits; DLPack: "sub-byte type padded").
// Strings are kDLOpaqueHandle of 128 bits: elements are aicc_rt_string.
typedef struct aicc_rt_tensor_info {
  const char *name;
  DLDataType dtype;
  const char *dtype_name;  // "f32"
  aicc_rt_kind kind;
  int32_t rank;                // -1: any
  const int64_t *dims;         // -1: not fixed
  const char *const *symbols;  // per dimension its expression, e.g. "batch"; NULL, or NULL in it
} aicc_rt_tensor_info;

typedef struct aicc_rt_string {
  const char *data;  // not zero-terminated
  uint64_t size;
} aicc_rt_string;

// An ONNX node that a kernel computes, alone or with others.
typedef struct aicc_rt_origin {
  const char *node;  // its name, "#12" where it has none
  const char *op;    // "Conv"
} aicc_rt_origin;

typedef struct aicc_rt_kernel_info {
  const char *name;
  const char *kind;  // "map", "contract", ...
  const aicc_rt_origin *origins;
  uint32_t origin_count;
  uint32_t scratch_bytes;  // per thread (CPU), per worker (GPU)
  // Of a GPU: threads of a block, warps that run a task together (1: each warp its own), shared
  // memory of a block, and what the launch adds to it. 0 for the CPU.
  uint32_t block_threads, task_warps, shared_bytes, dynamic_shared_bytes;
} aicc_rt_kernel_info;

// What differs between kinds of machines. A session runs one plan, the one its device has code for.
typedef struct aicc_rt_plan_info {
  uint32_t width;  // lanes of a warp: elements of a vector on a CPU, threads on a GPU
  uint32_t kernel_count;
  const aicc_rt_kernel_info *kernels;
} aicc_rt_plan_info;

typedef struct aicc_rt_image_info {
  const char *target;  // "x86-64-v4", "sm_80", "gfx942"
  const char *format;  // "cpu", "ptx", "cubin", "hsaco", "spirv"
  uint64_t size;       // 0 for CPU code, which is part of the shared object
  uint32_t plan;       // code for kernels [first_kernel, first_kernel + kernel_count) of this plan
  uint32_t first_kernel, kernel_count;
} aicc_rt_image_info;

typedef struct aicc_rt_constant_info {
  const char *name;
  const char *dtype_name;
  uint64_t size;     // bytes
  const void *data;  // as stored: may be packed for a kernel
} aicc_rt_constant_info;

typedef struct aicc_rt_model_info {
  const char *path;
  const char *name;      // of the graph
  const char *compiler;  // "aicc 0.1.0"
  uint32_t abi_version;
  uint32_t input_count, output_count, kernel_count, image_count, constant_count;
  const aicc_rt_tensor_info *inputs, *outputs;
  const aicc_rt_kernel_info *kernels;  // of the first plan, as is kernel_count
  const aicc_rt_image_info *images;
  const aicc_rt_constant_info *constants;
  uint64_t weights_bytes;
  uint32_t plan_count;  // at least 1
  const aicc_rt_plan_info *plans;
} aicc_rt_model_info;

// Borrowed; lives as long as the model.
AICC_RT_API const aicc_rt_model_info *aicc_rt_model_describe(const aicc_rt_model *model);

// Index of an input or output, or -1.
AICC_RT_API int32_t aicc_rt_model_find_input(const aicc_rt_model *model, const char *name);
AICC_RT_API int32_t aicc_rt_model_find_output(const aicc_rt_model *model, const char *name);

// ---- sessions ----------------------------------------------------------------------------------

typedef struct aicc_rt_session aicc_rt_session;

// Told after every kernel while profiling. Called on the session's thread; must not use the
// session.
typedef void (*aicc_rt_kernel_fn)(void *user, const aicc_rt_kernel_info *kernel, uint64_t start_ns,
                                  uint64_t duration_ns);

typedef struct aicc_rt_session_options {
  uint32_t threads;    // 0: one per CPU that this process may use
  void *arena;         // of the device; borrowed until _destroy, aligned to 64; NULL: allocated
  size_t arena_bytes;  // see aicc_rt_memory.arena_bytes after aicc_rt_session_measure
  const aicc_rt_allocator *allocator;  // copied; NULL: that of the model
  bool profile;
  aicc_rt_kernel_fn on_kernel;  // NULL: none
  void *on_kernel_user;
  // For devices with memory of their own, "cuda":
  // Outputs without a tensor of the caller's stay there: see _session_output.
  bool outputs_on_device;
  bool asynchronous;  // runs return when their work is queued, unless an output goes to the host;
                      // aicc_rt_session_wait waits, and reports what went wrong
  bool no_graphs;          // never record a run to repeat it
  bool check_kernels;      // wait after every kernel: a failure names the very one. Slow
  void *native_context;    // CUcontext; NULL: that of native_stream, else the device's primary one
  void *native_stream;  // CUstream to queue all work on (1: the legacy default stream); NULL: one
                        // of the session's own
} aicc_rt_session_options;

// |device|: "cpu"; "cuda" or "cuda:1", an NVIDIA GPU. The driver's libcuda.so.1 is loaded when the
// first session of such a device is made. AICC_RT_UNAVAILABLE: there is no such device or driver
// here, or the model holds no code that it takes; nothing falls back to another device. |options|
// may be NULL.
AICC_RT_API aicc_rt_session *aicc_rt_session_create(aicc_rt_model *model, const char *device,
                                                    const aicc_rt_session_options *options,
                                                    aicc_rt_error *error);
AICC_RT_API void aicc_rt_session_destroy(aicc_rt_session *session);  // NULL is allowed

// The plan that the session runs: its kernels are those of the profile. Borrowed from the model.
AICC_RT_API const aicc_rt_plan_info *aicc_rt_session_plan(const aicc_rt_session *session);

// Takes effect with the next run. 0: one per CPU that this process may use.
AICC_RT_API aicc_rt_status aicc_rt_session_set_threads(aicc_rt_session *session, uint32_t threads,
                                                       aicc_rt_error *error);
AICC_RT_API uint32_t aicc_rt_session_threads(const aicc_rt_session *session);

// Shape and strides are copied; the data stays the caller's and is read by every run until another
// tensor is set, so an input may be set once and its data changed between runs. Strides are allowed
// (the run then packs the data first). |tensor| NULL makes an optional input absent.
//
// Where tensors may be: sessions on "cpu" take those of kDLCPU. Sessions on "cuda:N" take those of
// kDLCUDA on that device, without a copy where they are compact and aligned to 16 bytes, and copied
// on the device where they are not; and host tensors (kDLCPU, kDLCUDAHost, kDLCUDAManaged), which
// every run uploads. The elements of string tensors point to memory of where the tensor is.
AICC_RT_API aicc_rt_status aicc_rt_session_set_input(aicc_rt_session *session, uint32_t index,
                                                     const DLTensor *tensor, aicc_rt_error *error);
AICC_RT_API aicc_rt_status aicc_rt_session_set_input_named(aicc_rt_session *session,
                                                           const char *name, const DLTensor *tensor,
                                                           aicc_rt_error *error);

// Uploads what is set as input |index| now, to memory of the session on its device: runs read it
// there, whatever becomes of the caller's, until another tensor is set. For inputs that stay as
// they are from run to run. Where the device reads the caller's tensor in place ("cpu", tensors on
// the device), and for sequences, nothing changes.
AICC_RT_API aicc_rt_status aicc_rt_session_keep_input(aicc_rt_session *session, uint32_t index,
                                                      aicc_rt_error *error);

// A sequence: |count| compact tensors, data borrowed as above.
AICC_RT_API aicc_rt_status aicc_rt_session_set_input_sequence(aicc_rt_session *session,
                                                              uint32_t index, const DLTensor *items,
                                                              size_t count, aicc_rt_error *error);

// Runs write output |index| into |tensor| (compact, of exactly the resulting shape, apart from all
// inputs, on the device or the host) until another is set. NULL: into memory of the session again.
AICC_RT_API aicc_rt_status aicc_rt_session_set_output(aicc_rt_session *session, uint32_t index,
                                                      const DLTensor *tensor, aicc_rt_error *error);
AICC_RT_API aicc_rt_status aicc_rt_session_set_output_named(aicc_rt_session *session,
                                                            const char *name,
                                                            const DLTensor *tensor,
                                                            aicc_rt_error *error);

// Runs the model. The first run of a shape allocates what it needs; further ones allocate nothing.
//
// On "cuda" a run whose course did not depend on data is recorded as a CUDA graph when it comes a
// second time with the same shapes and addresses, and repeated from the third time on (see
// no_graphs). Contents of host tensors may change between runs, as ever. A kernel that fails loses
// the context for all who use it: sessions then report AICC_RT_FAILED and can only be destroyed.
AICC_RT_API aicc_rt_status aicc_rt_session_run(aicc_rt_session *session, aicc_rt_error *error);

// The same with positional tensors: sets |input_count| inputs and, where |outputs| is not NULL,
// |output_count| outputs, and runs.
AICC_RT_API aicc_rt_status aicc_rt_session_run_with(aicc_rt_session *session,
                                                    const DLTensor *inputs, uint32_t input_count,
                                                    const DLTensor *outputs, uint32_t output_count,
                                                    aicc_rt_error *error);

// Waits for the runs of an asynchronous session. Others have nothing to wait for.
AICC_RT_API aicc_rt_status aicc_rt_session_wait(aicc_rt_session *session, aicc_rt_error *error);

// An output of the last run, that succeeded. Shape and (where no tensor was set) data are the
// session's and valid until its next run. The tensor is the one that was set; else it is on the
// host or, with outputs_on_device, on the device: its |device| says so.
AICC_RT_API aicc_rt_status aicc_rt_session_output(const aicc_rt_session *session, uint32_t index,
                                                  DLTensor *out, aicc_rt_error *error);

// Items of an output: 1 for a tensor, the length of a sequence, -1 for an absent optional.
AICC_RT_API int64_t aicc_rt_session_output_length(const aicc_rt_session *session, uint32_t index);
AICC_RT_API aicc_rt_status aicc_rt_session_output_item(const aicc_rt_session *session,
                                                       uint32_t index, uint64_t item, DLTensor *out,
                                                       aicc_rt_error *error);

// The tensor in |managed|, if this runtime can read it: version 1, sub-byte types not packed.
AICC_RT_API aicc_rt_status aicc_rt_tensor_of_managed(const DLManagedTensorVersioned *managed,
                                                     const DLTensor **out, aicc_rt_error *error);

// ---- memory ------------------------------------------------------------------------------------

typedef struct aicc_rt_memory {
  uint64_t arena_bytes;     // planned buffers, all segments, for the shapes of the last run
  uint64_t live_bytes;      // the largest sum of buffers alive at a time, multiples of 64 bytes
                            // each, which is their alignment: what no plan can beat
  uint64_t reserved_bytes;  // arena memory held (the largest that was needed so far)
  uint64_t dynamic_bytes;   // outputs of the session, packed inputs, sequences, strings
  uint64_t scratch_bytes;   // of the threads
  uint64_t weights_bytes;   // mapped from the file (copied to the device), shared by all sessions
  uint64_t staging_bytes;   // pinned host memory between host tensors and a device; 0 for "cpu"
} aicc_rt_memory;  // the memory of the session's device, where nothing else is said

// Plans the memory for the shapes of the inputs set, and runs nothing: their data may be NULL. Does
// not see segments whose sizes depend on data.
AICC_RT_API aicc_rt_status aicc_rt_session_measure(aicc_rt_session *session, aicc_rt_error *error);
AICC_RT_API void aicc_rt_session_memory(const aicc_rt_session *session, aicc_rt_memory *out);

// ---- profile -----------------------------------------------------------------------------------

typedef struct aicc_rt_profile {
  uint64_t calls;
  uint64_t total_ns;  // CPU: on the session's thread, from launch to completion; GPU: on the device
} aicc_rt_profile;

// Profiling costs two clock readings a kernel; on a GPU two events, and runs are not repeated from
// recordings. |on_kernel| is told of a GPU's kernels at the end of the run.
AICC_RT_API void aicc_rt_session_set_profile(aicc_rt_session *session, bool on);
AICC_RT_API void aicc_rt_session_reset_profile(aicc_rt_session *session);
AICC_RT_API aicc_rt_profile aicc_rt_session_kernel_profile(const aicc_rt_session *session,
                                                           uint32_t kernel);
// Whole runs: the difference to the sum of the kernels is host code and the runtime.
AICC_RT_API aicc_rt_profile aicc_rt_session_run_profile(const aicc_rt_session *session);

AICC_RT_API const char *aicc_rt_version(void);  // "0.1.0"

#ifdef __cplusplus
}
#endif

#endif
