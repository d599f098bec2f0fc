// What a model.so exports and what it may call: the one header shared by the compiler and the
// runtime. It stands alone.
//
// A model exports one symbol, AICC_ABI_QUERY_SYMBOL, of type aicc_abi_query_fn. It returns a const
// table, or NULL where the model needs a newer runtime than |max_version|. Whatever changes here
// raises AICC_ABI_VERSION; a runtime reads models from AICC_ABI_OLDEST on, and refuses others with
// the way out.
// Models never call libc; they reach memory, devices and threads through aicc_abi_host alone.
//
// A model file is, in this order: the ELF image as the linker made it; zeros up to a multiple of
// 4096; the weights (unless they lie in a file beside it); an aicc_abi_footer as its last bytes.
// The footer tells whole files from truncated, damaged and foreign ones before any of their code
// runs.
#ifndef AICC_ABI_H
#define AICC_ABI_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#define AICC_ABI_VERSION 2u
#define AICC_ABI_OLDEST 2u  // version 1 had no blocks of warps, plans and spans of weights
#define AICC_ABI_QUERY_SYMBOL "aicc_model_query"

// Element types; the numbers are those of ONNX TensorProto.DataType. Sub-byte types take one byte
// an element. A string element is an aicc_abi_str.
typedef uint32_t aicc_abi_dtype;

typedef struct aicc_abi_str {
  const char *data;  // not zero-terminated
  uint64_t size;
} aicc_abi_str;

enum {
  AICC_ABI_KIND_TENSOR = 0,
  AICC_ABI_KIND_SEQUENCE = 1,
  AICC_ABI_KIND_OPTIONAL = 2,
  AICC_ABI_KIND_OPTIONAL_SEQUENCE = 3
};

// A graph input or output. The runtime checks an input's type, rank and fixed dimensions before a
// run; that symbols agree and expressions fit is checked by the model's code (bad_input).
typedef struct aicc_abi_tensor {
  const char *name;
  aicc_abi_dtype dtype;
  uint32_t kind;        // AICC_ABI_KIND_*
  int32_t rank;         // -1: any
  const int64_t *dims;  // -1: symbolic or not known before a run; NULL where rank < 1
  const char *const
      *symbols;  // expression text per dimension, e.g. "batch", "2*n + 1"; may be NULL
} aicc_abi_tensor;

typedef struct aicc_abi_origin {
  const char *node;  // ONNX node name, "#12" where it has none
  const char *op;    // "Conv"
} aicc_abi_origin;

// CPU kernels: tasks |begin| .. |end| - 1 of the grid. |args| is the argument block of the launch,
// |scratch| at least scratch_bytes of the calling thread's own memory, aligned to 64.
typedef void (*aicc_abi_cpu_kernel)(const void *args, int64_t begin, int64_t end, void *scratch);

// GPU kernels: functions |symbol| of the images. Their arguments are the argument block of the
// launch (arg_bytes) and three more slots of 8 bytes: the number of tasks; the number of workers
// launched; and scratch_bytes for each of these workers (any address where that is 0), aligned to
// 64. A worker is a warp where task_warps is 1, else a block. Blocks have block_threads threads in
// one dimension, block_threads / aicc_abi_plan.width warps; any number of blocks runs all tasks.
// Buffers are aligned to 16 bytes. Shared memory: shared_bytes are declared by the functions
// themselves, dynamic_shared_bytes are asked for by the launch.
typedef struct aicc_abi_kernel {
  const char *name;
  const char *kind;                // "map", "contract", ...: for reports
  const aicc_abi_origin *origins;  // the ONNX nodes it computes
  uint32_t origin_count;
  uint32_t arg_bytes;       // of its argument block
  uint32_t scratch_bytes;   // per thread (CPU), per worker (GPU)
  uint32_t block_threads;   // per block (GPU)
  uint32_t task_warps;      // that run one task together (GPU)
  uint32_t shared_bytes;    // per block (GPU), declared
  uint32_t dynamic_shared_bytes;  // per block (GPU), beyond these
  aicc_abi_cpu_kernel cpu;  // NULL: not in this model
  const char *symbol;       // in the images of a GPU; NULL: not in this model
} aicc_abi_kernel;

enum {
  AICC_ABI_IMAGE_CPU = 0,
  AICC_ABI_IMAGE_PTX = 1,
  AICC_ABI_IMAGE_CUBIN = 2,
  AICC_ABI_IMAGE_HSACO = 3,
  AICC_ABI_IMAGE_SPIRV = 4
};

// Code for one target: kernels [first_kernel, first_kernel + kernel_count) of plan |plan|. A
// target's kernels may be spread over several images, and be there in several kinds. CPU code is
// part of the shared object: data is NULL.
typedef struct aicc_abi_image {
  uint32_t kind;
  uint32_t plan;       // 0: of the model itself; n: aicc_abi_model.plans[n - 1]
  uint32_t first_kernel, kernel_count;
  const char *target;  // "x86-64-v4", "sm_80", "gfx942"
  const void *data;
  uint64_t size;
} aicc_abi_image;

// A planned buffer lives from step |first| to step |last|, both included. Buffers whose lives do
// not overlap may share memory. Segment 0 is sized from the input shapes alone, and planned before
// anything else of a run: code before that reads no data. Later segments are planned when sizes
// that depend on data become known; planning one ends the lives of its buffers of an earlier plan,
// and of those of all segments after it (so a loop body may plan its segment in every round).
typedef struct aicc_abi_buffer {
  uint32_t segment;
  uint32_t first, last;
  const char *name;  // the value, for reports; may be NULL
} aicc_abi_buffer;

// The constants: |size| bytes at footer.weights_offset of the file itself, or of the file named
// |file| in the same folder where that is not NULL.
typedef struct aicc_abi_weights {
  uint64_t size;
  const char *file;
} aicc_abi_weights;

#define AICC_ABI_FOOTER_MAGIC "aicc model end\n"  // 16 bytes with its zero
#define AICC_ABI_WEIGHTS_ALIGN 4096u

// The last bytes of a model file.
typedef struct aicc_abi_footer {
  char magic[16];
  uint32_t size;        // sizeof(aicc_abi_footer)
  uint32_t version;     // AICC_ABI_VERSION
  uint64_t file_size;   // of the whole model file, this footer included
  uint64_t image_size;  // the ELF image: bytes [0, image_size)
  uint64_t image_hash;  // aicc_abi_hash of them; checked on every load
  uint64_t
      weights_offset;  // multiple of AICC_ABI_WEIGHTS_ALIGN; in |aicc_abi_weights.file| if named
  uint64_t weights_size;
  uint64_t weights_hash;  // aicc_abi_hash; checked on request. 0: not recorded
  uint64_t hash;          // of all members before this one
} aicc_abi_footer;

typedef struct aicc_abi_constant {
  const char *name;
  aicc_abi_dtype dtype;
  uint64_t offset, size;  // within the weights; both 0: strings, which stand in the code
} aicc_abi_constant;

typedef struct aicc_abi_host aicc_abi_host;

// One run, as the model's code sees it. Pointers are device addresses unless said otherwise.
typedef struct aicc_abi_call {
  const aicc_abi_host *host;
  void *session;           // opaque; first argument of the host functions
  const uint8_t *weights;  // base of the constants
  void *const *inputs;     // data of each input tensor, aligned to its element; a sequence
                           // handle for sequences; NULL for absent optionals, never else
  const int64_t *const *input_dims;
  const int32_t *input_ranks;
  int32_t device;  // AICC_ABI_IMAGE_CPU, _PTX (CUDA), _HSACO (HSA), _SPIRV
} aicc_abi_call;

// Codes of |run| and of the host functions that can fail: 0 is success. Else the host has recorded
// the message, or wants the run to end here (when it only measures memory): the model returns at
// once with the same code.
typedef int32_t (*aicc_abi_run_fn)(const aicc_abi_call *call);

// Functions of the runtime.
struct aicc_abi_host {
  uint32_t size;  // sizeof(aicc_abi_host) of the runtime
  uint32_t version;

  // Places the buffers of |segment| given their sizes in bytes (in table order of that segment),
  // and stores their addresses, multiples of 64. Cached: the same sizes give the same places
  // without planning again.
  int32_t (*plan)(void *session, uint32_t segment, const int64_t *sizes, void **addresses);

  // Runs kernel |kernel| over |grid| tasks with a copy of its argument block.
  // |cost| is an estimate of the work in nanoseconds of one core: it decides on threads.
  int32_t (*launch)(void *session, uint32_t kernel, int64_t grid, const void *args, int64_t cost);

  // Device to device; device to host memory (waits); host memory to device.
  int32_t (*copy)(void *session, void *to, const void *from, int64_t bytes);
  int32_t (*read)(void *session, void *to, const void *from, int64_t bytes);
  int32_t (*write)(void *session, void *to, const void *from, int64_t bytes);

  // The memory of output |index| with these dimensions: the caller's tensor where it fits exactly
  // (else an error is recorded; it is aligned to its element), or memory of the session that stays
  // valid until the next run.
  int32_t (*output)(void *session, uint32_t index, int32_t rank, const int64_t *dims,
                    void **address);

  // Memory of no planned size, aligned to 64, reused from run to run. What is not freed is taken
  // back when the next run begins.
  int32_t (*alloc)(void *session, int64_t bytes, void **address);
  void (*free)(void *session, void *address);

  // Input |index| has not the shape or symbol value that the model needs. |axis| -1: the rank.
  // |expected| is the wanted size; the host composes the message. Returns the code to return.
  int32_t (*bad_input)(void *session, uint32_t index, int32_t axis, int64_t expected);
  // Any other failure that the model finds at run time (static text, may hold one %lld for
  // |value|).
  int32_t (*fail)(void *session, const char *text, int64_t value);

  // Sequences of tensors: immutable values with reference counts; handles are never NULL. An item
  // is copied in. |position| may be negative (from the end); INT64_MAX appends.
  int32_t (*seq_empty)(void *session, aicc_abi_dtype dtype, void **sequence);
  int32_t (*seq_insert)(void *session, void *sequence, int64_t position, const void *data,
                        int32_t rank, const int64_t *dims, void **result);
  int32_t (*seq_erase)(void *session, void *sequence, int64_t position, void **result);
  int64_t (*seq_length)(void *session, void *sequence);
  int32_t (*seq_at)(void *session, void *sequence, int64_t position, void **data, int32_t *rank,
                    const int64_t **dims);
  void (*seq_release)(void *session, void *sequence);
  int32_t (*output_sequence)(void *session, uint32_t index,
                             void *sequence);  // NULL: empty optional

  // Bytes for string elements that live until the next run.
  int32_t (*string)(void *session, int64_t size, char **data);

  // Where |count| strings of the model's code (aicc_abi_str, constant) are for kernels: the table
  // itself, or its copy in the device's memory, made once. Host code of GPUs asks before it
  // launches.
  int32_t (*strings)(void *session, const void *table, int64_t count, const void **address);
};

// What differs between kinds of machines: each has a graph and kernels as it wants them, and host
// code that launches these. Inputs and outputs are the model's; constants are listed once for all.
typedef struct aicc_abi_plan {
  uint32_t size;   // sizeof(aicc_abi_plan)
  uint32_t width;  // lanes of a warp: threads on a GPU
  uint32_t kernel_count, buffer_count, segment_count;
  const aicc_abi_kernel *kernels;
  const aicc_abi_buffer *buffers;
  aicc_abi_run_fn run;
  uint64_t weights_begin,
      weights_end;  // the constants that it reads lie in these bytes of the weights
} aicc_abi_plan;

// The members here are those of the first plan: the CPU's, where the model was compiled for one
// (there is an image of kind AICC_ABI_IMAGE_CPU then).
typedef struct aicc_abi_model {
  uint32_t size;         // sizeof(aicc_abi_model) of the compiler
  uint32_t version;      // AICC_ABI_VERSION of the compiler
  const char *name;      // of the graph
  const char *compiler;  // "aicc 0.1.0"
  uint32_t input_count, output_count, kernel_count, image_count, buffer_count, segment_count,
      constant_count;
  const aicc_abi_tensor *inputs, *outputs;
  const aicc_abi_kernel *kernels;
  const aicc_abi_image *images;
  const aicc_abi_buffer *buffers;
  const aicc_abi_constant *constants;
  const aicc_abi_weights *weights;
  aicc_abi_run_fn run;
  const char *const *cpu_features;  // that the CPU code needs, e.g. "avx512f"; ends with NULL
  uint32_t plan_count;              // more plans
  uint32_t width;                   // of the first plan
  const aicc_abi_plan *plans;
  uint64_t weights_begin, weights_end;  // of the first plan
} aicc_abi_model;

typedef const aicc_abi_model *(*aicc_abi_query_fn)(uint32_t max_version);

// The hash of the footer: four lanes of 64-bit words, each step a bijection, so that a single
// changed word always changes the result. A last partial word is padded with zeros. Little-endian.
#define AICC_ABI_HASH_SEED 0x9e3779b97f4a7c15u

typedef struct aicc_abi_hasher {
  uint64_t lane[4];
  uint64_t size;           // bytes so far
  unsigned char rest[32];  // the last size % 32 of them
} aicc_abi_hasher;

static inline void aicc_abi_hash_block(aicc_abi_hasher *hasher, const unsigned char *block) {
  for (int i = 0; i < 4; i++) {
    uint64_t word;
    memcpy(&word, block + 8 * i, 8);
    const uint64_t mixed = (hasher->lane[i] ^ word) * 0xd6e8feb86659fd93u;
    hasher->lane[i] = (mixed << 29) | (mixed >> 35);
  }
}

static inline void aicc_abi_hash_begin(aicc_abi_hasher *hasher) {
  hasher->size = 0;
  for (unsigned i = 0; i < 4; i++) {
    hasher->lane[i] = AICC_ABI_HASH_SEED * (i + 1);
  }
}

static inline void aicc_abi_hash_add(aicc_abi_hasher *hasher, const void *data, uint64_t size) {
  const unsigned char *bytes = (const unsigned char *)data;
  const uint64_t held = hasher->size % 32;
  hasher->size += size;
  if (held != 0) {
    const uint64_t take = 32 - held < size ? 32 - held : size;
    memcpy(hasher->rest + held, bytes, (size_t)take);
    bytes += take;
    size -= take;
    if (held + take < 32) {
      return;
    }
    aicc_abi_hash_block(hasher, hasher->rest);
  }
  for (; size >= 32; size -= 32, bytes += 32) {
    aicc_abi_hash_block(hasher, bytes);
  }
  memcpy(hasher->rest, bytes, (size_t)size);
}

static inline uint64_t aicc_abi_hash_end(aicc_abi_hasher *hasher) {
  const size_t held = (size_t)(hasher->size % 32);
  if (held != 0) {
    memset(hasher->rest + held, 0, 32 - held);
    aicc_abi_hash_block(hasher, hasher->rest);
  }
  uint64_t result = hasher->size;
  for (int i = 0; i < 4; i++) {
    result = (result ^ hasher->lane[i]) * 0xd6e8feb86659fd93u;
    result ^= result >> 32;
  }
  return result;
}

static inline uint64_t aicc_abi_hash(const void *data, uint64_t size) {
  aicc_abi_hasher hasher;
  aicc_abi_hash_begin(&hasher);
  aicc_abi_hash_add(&hasher, data, size);
  return aicc_abi_hash_end(&hasher);
}

#ifdef __cplusplus
}
#endif

#endif
