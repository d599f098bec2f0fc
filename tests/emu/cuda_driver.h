// What the files of our libcuda.so.1 share: handles, contexts, streams and what is queued on them.
//
// The driver stands on emu.h. build/emu/libcuda.so.1 links the emulator behind it, and
// build/emu-null/libcuda.so.1 links null_device.c, which computes nothing.
//
// Work of a stream is queued and runs as late as may be: when a call waits for it. So a result that
// is read too early, or a staging buffer that is refilled too early, shows in every run and not in
// one of a thousand. With cu_options.eager, work runs in the call that submits it.
//
// Threads: one lock around every entry point (cu_begin, cu_end); a launch runs under it.
#ifndef AICC_TESTS_CUDA_DRIVER_H
#define AICC_TESTS_CUDA_DRIVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "cuda_api.h"
#include "emu.h"

#define CU_MAX_DEVICES 16
#define CU_MAX_PARAM_BYTES 32764

// ---- options: the environment, read by cuInit (docs/emulator.md) --------------------------------

typedef struct cu_settings {
  emu_options emu;
  int devices;          // AICC_EMU_DEVICES
  int multiprocessors;  // AICC_EMU_MULTIPROCESSORS
  int driver_version;   // AICC_EMU_DRIVER
  bool eager;           // AICC_EMU_EAGER
  bool stats, leaks;    // AICC_EMU_STATS, AICC_EMU_LEAKS
  const char *report;   // AICC_EMU_REPORT: file; NULL: none
} cu_settings;

// False with a message on stderr: a value that cannot be.
bool cu_settings_read(cu_settings *settings);

// ---- handles -----------------------------------------------------------------------------------

// A handle is the address of a slot; slots are never used twice, so that every handle of a
// destroyed object is recognised, and so is any other number.
typedef enum cu_kind {
  CU_KIND_NONE,
  CU_KIND_CONTEXT,
  CU_KIND_MODULE,
  CU_KIND_FUNCTION,
  CU_KIND_STREAM,
  CU_KIND_EVENT,
  CU_KIND_GRAPH,
  CU_KIND_EXEC,
} cu_kind;

typedef struct cu_context cu_context;
typedef struct cu_op cu_op;

typedef struct cu_object {
  cu_kind kind;
  cu_context *context;  // NULL for contexts
} cu_object;

#define CU_SLOT_BYTES 256
void *cu_object_new(cu_kind kind, cu_context *context);  // zeroed; NULL: no memory
void *cu_object_get(const void *handle, cu_kind kind);   // NULL: no live object of this kind
void cu_object_delete(void *object);
void *cu_object_next(const void *object, cu_kind kind, const cu_context *context);

typedef struct cu_device_facts {
  int sm;
  const char *name;
  int sm_threads, sm_blocks;      // resident on one multiprocessor
  int sm_shared, block_shared;    // bytes: of one multiprocessor, of one block at most
  int l2_bytes;
} cu_device_facts;

typedef struct cu_device {
  int ordinal, multiprocessors;
  const cu_device_facts *facts;
  cu_context *primary;  // NULL: not active
  unsigned flags, retained;
} cu_device;

struct cu_context {
  cu_object object;
  cu_device *device;
  emu_device *emu;
  struct cu_stream *legacy;  // the stream of handle 0
  CUresult lost;             // a kernel went wrong: every later call returns this
  unsigned flags;
  uint64_t *allocations;     // addresses that are not freed yet
  uint32_t allocation_count, allocation_room;
};

typedef struct cu_module {
  cu_object object;
  emu_module *emu;
  int ptx_version;  // 84 for 8.4
} cu_module;

typedef struct cu_function {
  cu_object object;
  cu_module *module;
  emu_function *emu;
  emu_function_info info;
  uint32_t param_bytes;     // of the whole parameter block
  uint32_t dynamic_shared;  // allowed by cuFuncSetAttribute
} cu_function;

typedef struct cu_event {
  cu_object object;
  unsigned flags;
  bool recorded, done;
  struct cu_stream *stream;
  uint64_t serial;  // of the record operation
  double time;      // seconds, when it ran
  struct cu_graph *captured;  // last recorded in a capture into this graph, at |captured_count|
  uint32_t captured_count;
} cu_event;

typedef struct cu_stream {
  cu_object object;
  unsigned flags;
  cu_op *head, *tail;
  // While capturing: the graph, the stream in which it began, and whether the origin has waited for
  // what this stream captured last.
  CUstreamCaptureStatus capture;
  CUstreamCaptureMode capture_mode;
  struct cu_graph *graph;
  struct cu_stream *origin;
  pthread_t capture_thread;
  uint32_t captured;  // operations this stream has added
  bool joined;
} cu_stream;

// A list of operations in an order in which they may run.
typedef struct cu_graph {
  cu_object object;
  cu_op **ops;
  uint32_t count, room;
} cu_graph;  // CU_KIND_GRAPH and CU_KIND_EXEC

// ---- operations --------------------------------------------------------------------------------

typedef enum cu_op_kind {
  CU_OP_LAUNCH,
  CU_OP_COPY,
  CU_OP_FILL,
  CU_OP_RECORD,
  CU_OP_WAIT,
  CU_OP_FREE,
  CU_OP_HOST,
} cu_op_kind;

typedef enum cu_copy_kind { CU_COPY_UP, CU_COPY_DOWN, CU_COPY_DEVICE, CU_COPY_HOST } cu_copy_kind;

struct cu_op {
  cu_op_kind kind;
  cu_op *next;
  uint64_t serial;    // one sequence over all streams
  const char *call;   // the entry point that submitted it
  void *data;         // parameters or bytes to upload: owned by queued operations
  uint32_t data_bytes;
  union {
    struct {
      cu_function *function;
      uint32_t grid[3], block[3], shared;
    } launch;  // data: the parameter block
    struct {
      cu_copy_kind kind;
      uint64_t to, from, bytes;
      bool snapshot;  // of pageable memory, read in the call: data has the bytes
    } copy;
    struct {
      uint64_t to, count;
      uint32_t value, value_bytes;
    } fill;
    struct {
      cu_event *event;
      cu_stream *stream;  // WAIT: where |event_serial| is queued
      uint64_t event_serial;
    } event;
    uint64_t free;
    struct {
      CUhostFn function;
      void *data;
    } host;
  } as;
};

// ---- state and calls ---------------------------------------------------------------------------

typedef struct cu_state {
  pthread_mutex_t lock;
  bool initialized;
  cu_settings settings;
  cu_device devices[CU_MAX_DEVICES];
  uint64_t serial;
  uint32_t captures;       // streams in which a capture began and has not ended
  emu_counters counters;   // of contexts that are gone
  uint64_t copied[CU_COPY_HOST + 1];  // bytes, by cu_copy_kind
  unsigned char params[CU_MAX_PARAM_BYTES];  // of the launch in the call under way
} cu_state;
extern cu_state cu;

typedef enum cu_needs {
  CU_NEEDS_NOTHING = 0,
  CU_NEEDS_INIT = 1,
  CU_NEEDS_CONTEXT = 2,     // current, and not lost
  CU_NEEDS_NO_CAPTURE = 4,  // the call may wait for the device: it breaks captures under way
} cu_needs;

typedef struct cu_call {
  const char *name;
  cu_context *context;  // current; NULL: none
} cu_call;

// Takes the lock; on failure it is released again and cu_end must not be called.
CUresult cu_begin(cu_call *call, const char *name, int needs);
void cu_end(void);
// Prints "name: text" to stderr and returns |result|.
__attribute__((format(printf, 3, 4))) CUresult cu_misuse(const cu_call *call, CUresult result,
                                                         const char *format, ...);
// The module, function, stream or event behind |handle|, of the current context; NULL with a
// message.
void *cu_object_own(const cu_call *call, const void *handle, cu_kind kind);
// Prints to stderr and appends to AICC_EMU_REPORT.
void cu_report(const char *text);
const char *cu_result_name(CUresult result);

// The body of an entry point: |expression| runs under the lock and gives the result.
#define CU_CALL(needs, expression)                           \
  cu_call call;                                              \
  CUresult result = cu_begin(&call, __func__, (int)(needs)); \
  if (result == CUDA_SUCCESS) {                              \
    result = (expression);                                   \
    cu_end();                                                \
  }                                                          \
  return result

cu_device *cu_device_get(CUdevice device);  // NULL: no such device
const cu_device_facts *cu_device_facts_of(int sm);
void cu_devices_init(void);
cu_context *cu_context_current(void);
void cu_context_destroy(cu_context *context);
// NULL with a message: an invalid handle, or one of another context. 0 is the legacy stream.
cu_stream *cu_stream_get(const cu_call *call, CUstream stream);
cu_stream *cu_stream_new(cu_context *context, unsigned flags);  // NULL: no memory
void cu_context_note_alloc(cu_context *context, uint64_t address);
bool cu_context_forget_alloc(cu_context *context, uint64_t address);
// Is [address, address + bytes) page-locked host memory?
bool cu_host_is_pinned(uint64_t address, uint64_t bytes);
uint32_t cu_host_leaks(void);

// Queues, captures or runs |op|, which may live on the caller's stack: what is queued is a copy.
CUresult cu_submit(const cu_call *call, cu_stream *stream, cu_op *op);
CUresult cu_op_run(cu_context *context, const cu_op *op);
cu_op *cu_op_clone(const cu_op *op);  // NULL: no memory
void cu_op_free(cu_op *op);
// Runs what |stream| has queued up to |serial|, and what that waits for.
CUresult cu_stream_drain(cu_stream *stream, uint64_t serial);
CUresult cu_context_drain(cu_context *context);
// A kernel went wrong: nothing that is queued in the context runs any more.
void cu_context_lose(cu_context *context, CUresult result);
// Adds |op| to the capture of |stream|.
CUresult cu_capture(const cu_call *call, cu_stream *stream, const cu_op *op);
// Fails where a capture under way forbids a call that may wait; the capture is then invalid.
CUresult cu_capture_forbids(const cu_call *call);

#endif
