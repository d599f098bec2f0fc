// Kernel IR: one kernel as structured loops over buffers and scalar expressions, for every target.
//
// A kernel runs `grid` tasks. One task is run by one *warp* of `width` lanes: on the CPU the lanes
// are a vector register (every varying value is <width x T>), on a GPU they are threads. A value is
// *uniform* (one for all lanes) or *varying* (one per lane); the builder infers which, the verifier
// checks it. Buffers are arrays of a dtype, indexed by element; 16-bit and 8-bit floats are loaded
// as such and must be cast to f32 before arithmetic. Strings and complex numbers are moved only
// (loaded, stored, selected; their one constant is zero, of strings the empty one).
//
// A kernel with `warps` N > 1 runs each task by N warps that share its LOCAL buffers (a block of a
// GPU). Values are then uniform per warp; `warp` tells which one, `barrier` makes all of them meet,
// and what one warp wrote to a LOCAL another may read only behind a barrier. CPUs have no such
// kernels.
//
// Control flow: `for` bounds and `while` conditions are uniform. FOR kinds: SERIAL; UNROLL
// (constant bounds; the emitter repeats the body); LANES (variable = start + k * width + lane: the
// body runs with lanes beyond the end inactive; step is 1). An `if` with a varying condition runs
// both blocks under masks. LANES loops do not nest and do not stand under a varying `if`.
// A varying LOAD/STORE touches memory for active lanes alone.
//
// Values are dense ids into kernel->values; id 0 is none. SSA: VAR, ARRAY, LOCAL and FOR results
// are names of variables, arrays, buffers and counters. Definitions dominate uses by block nesting.
// Everything lives in the kernel's arena. Thread-compatible.
#ifndef AICC_IR_KIR_H
#define AICC_IR_KIR_H

#include "ir/graph.h"
#include "ir/kir_mma.h"

typedef enum kir_op {
#define KIR_OP(name, mnemonic, operands, result, blocks) KIR_##name,
#include "ir/kir_ops.def"
#undef KIR_OP
  KIR_OP_COUNT
} kir_op;

typedef enum kir_loop_kind { KIR_SERIAL, KIR_UNROLL, KIR_LANES } kir_loop_kind;

typedef uint32_t kir_val;
typedef struct kir_inst kir_inst;

typedef struct kir_block {
  kir_inst *first, *last;
} kir_block;

struct kir_inst {
  kir_op op;
  aicc_op scalar_op;       // SCALAR, ATOMIC, REDUCE
  kir_val result;          // 0: none
  int arg_count;
  kir_val args[3];
  kir_val buffer;          // LOAD, LOAD_OR, WORD, STORE, ATOMIC, VLOAD, VSTORE: a parameter or
                           // LOCAL; COPY_ASYNC (written), LDMATRIX: a LOCAL
  kir_val source;          // COPY_ASYNC: the parameter that is read
  kir_val arrays[3];       // VLOAD, VSTORE, LDMATRIX: the first; MMA: D, A, B
  int32_t at[3];           // the first element of each that takes part
  int32_t count;           // VLOAD, VSTORE, COPY_ASYNC: elements; LDMATRIX: matrices
  kir_mma_kind mma;        // MMA
  bool transposed;         // LDMATRIX
  uint64_t imm;            // CONST: bits (f32: low 32); ARRAY, LOCAL: elements; WAIT: groups;
                           // EXCHANGE: distance
  kir_loop_kind loop_kind; // FOR
  bool saturate;           // SCALAR CAST to 8-bit floats
  kir_block blocks[2];
  kir_inst *next;
};

typedef enum kir_value_kind {
  KIR_VALUE,     // a scalar per task or lane
  KIR_BUFFER,    // parameter or LOCAL
  KIR_VARIABLE,  // VAR
  KIR_ARRAY_VALUE,
} kir_value_kind;

typedef struct kir_value_info {
  kir_value_kind kind;
  aicc_dtype dtype;   // of the value or of the elements
  bool varying;
  const char *name;   // NULL: printed by id
  const kir_inst *def;  // NULL: parameter
} kir_value_info;

typedef enum kir_access { KIR_READ = 1, KIR_WRITE = 2 } kir_access;

typedef struct kir_param {
  kir_val value;
  bool is_buffer;
  aicc_dtype dtype;    // buffers: element; sizes: i64; scalars: their type (one 8-byte slot each)
  unsigned access;     // buffers
} kir_param;

// Argument block: one 8-byte slot per parameter, in order (pointers; integers sign-extended; f32 in
// the low 4 bytes).
typedef struct kir_kernel {
  aicc_arena *arena;
  const char *name;
  const char *kind;       // "map", "contract", ...
  int width;              // lanes the kernel was scheduled for; 0: any
  int warps;              // warps that run one task together; 1: one
  kir_param *params;
  int param_count;
  size_t param_capacity;
  kir_block body;
  kir_value_info *values;
  size_t value_count, value_capacity;
  const aicc_origin *origins;
  int origin_count;
} kir_kernel;

// --- building (kir_build.c). The builder folds constants and x*0, x*1, x+0; it fails on misuse by
// AICC_ASSERT: lowering code is ours. -----------------------------------------------------------

typedef struct kir_builder {
  kir_kernel *kernel;
  kir_block *block;        // insertion: at its end
  kir_block *stack[32];    // open blocks
  int depth;
} kir_builder;

kir_kernel *kir_kernel_create(aicc_arena *arena, const char *name, const char *kind, int width);
kir_val kir_add_buffer(kir_kernel *kernel, const char *name, aicc_dtype dtype, unsigned access);
kir_val kir_add_scalar(kir_kernel *kernel, const char *name, aicc_dtype dtype);
void kir_builder_init(kir_builder *b, kir_kernel *kernel);

// Appends a copy of |inst| as it is, unfolded and unchecked; gives it a result described by |info|
// unless that is NULL.
kir_inst *kir_append(kir_builder *b, kir_inst inst, const kir_value_info *info);
kir_val kir_const_i64(kir_builder *b, int64_t value);
kir_val kir_const(kir_builder *b, aicc_dtype dtype, double value);
kir_val kir_const_bits(kir_builder *b, aicc_dtype dtype, uint64_t bits);
bool kir_is_const_i64(const kir_builder *b, kir_val v, int64_t *value);
kir_val kir_scalar1(kir_builder *b, aicc_op op, kir_val x);
kir_val kir_scalar2(kir_builder *b, aicc_op op, kir_val x, kir_val y);
kir_val kir_select(kir_builder *b, kir_val c, kir_val x, kir_val y);
kir_val kir_fma(kir_builder *b, kir_val x, kir_val y, kir_val z);  // integers: mul and add
kir_val kir_cast(kir_builder *b, kir_val x, aicc_dtype to, bool saturate);  // x if it has the type
kir_val kir_bitcast(kir_builder *b, kir_val x, aicc_dtype to);
kir_val kir_task(kir_builder *b);
kir_val kir_lane(kir_builder *b);
kir_val kir_load(kir_builder *b, kir_val buffer, kir_val index);
kir_val kir_load_or(kir_builder *b, kir_val buffer, kir_val index, kir_val guard,
                    kir_val otherwise);
// Four neighbours of a buffer of u8 or i8 from |index| on, and sums of products of such words, x of
// u8, y of i8; both i32. For machines that have dot4 (ir/machine.h).
kir_val kir_word(kir_builder *b, kir_val buffer, kir_val index);
kir_val kir_dot4(kir_builder *b, kir_val x, kir_val y, kir_val sum);
// Asks for the cache line of an element that will be read; |index| may lie outside the buffer.
void kir_prefetch(kir_builder *b, kir_val buffer, kir_val index);
void kir_store(kir_builder *b, kir_val buffer, kir_val index, kir_val value);
void kir_atomic(kir_builder *b, aicc_op op, kir_val buffer, kir_val index, kir_val value);
kir_val kir_var(kir_builder *b, kir_val init, bool varying);
kir_val kir_get(kir_builder *b, kir_val var);
void kir_set(kir_builder *b, kir_val var, kir_val value);
kir_val kir_array(kir_builder *b, aicc_dtype dtype, int64_t count, bool varying);
kir_val kir_aget(kir_builder *b, kir_val array, kir_val index);
void kir_aset(kir_builder *b, kir_val array, kir_val index, kir_val value);
kir_val kir_local(kir_builder *b, aicc_dtype dtype, int64_t count);
kir_val kir_reduce(kir_builder *b, aicc_op op, kir_val x);
kir_val kir_for(kir_builder *b, kir_loop_kind kind, kir_val from, kir_val to, kir_val step);
void kir_end(kir_builder *b);                    // closes for, if, else, while
void kir_if(kir_builder *b, kir_val condition);
void kir_else(kir_builder *b);
void kir_while(kir_builder *b);                  // opens the condition block
void kir_while_cond(kir_builder *b, kir_val condition);  // closes it, opens the body
void kir_barrier(kir_builder *b);

// --- blocks of warps, vectors, matrices (GPUs) ---------------------------------------------------
// Arrays take |at| as a constant element number. Buffers are aligned to 16 bytes.

enum { KIR_WARPS_MAX = 32, KIR_WAIT_MAX = 8 };  // of a task; groups a `wait` leaves under way
// What one access may move: |count| elements are 4, 8 or 16 bytes; of a vector also one element.
bool kir_copy_fits(aicc_dtype dtype, int64_t count);
bool kir_vector_fits(aicc_dtype dtype, int64_t count);

kir_val kir_warp(kir_builder *b);  // i64: 0 .. warps - 1
// |count| neighbouring elements at |index|, a multiple of |count|, in one access per lane of 4, 8
// or 16 bytes (less where count is 1); the elements are the array's type. Inactive lanes touch
// nothing.
void kir_vload(kir_builder *b, kir_val array, int64_t at, int64_t count, kir_val buffer,
               kir_val index);
void kir_vstore(kir_builder *b, kir_val buffer, kir_val index, kir_val array, int64_t at,
                int64_t count);
// Starts a copy of |count| elements (4, 8 or 16 bytes in all; indices are multiples of count) from
// a parameter to a LOCAL, zeros where |guard| (0: none) is false. `commit` closes the group of a
// lane's copies since the last one; `wait N` waits until at most N groups of the lane are under
// way. Others may read what arrived behind a barrier that follows the wait.
void kir_copy_async(kir_builder *b, kir_val local, kir_val local_index, kir_val source,
                    kir_val source_index, int64_t count, kir_val guard);
void kir_commit(kir_builder *b);
void kir_wait(kir_builder *b, int64_t pending);
// Loads |matrices| (1, 2, 4) 8 x 8 matrices of 16-bit elements into as many u32 array elements from
// |at| on. Row i % 8 of matrix i / 8 are the 16 bytes of LOCAL |buffer| at the |index| (of elements
// of its type; 16-byte aligned) that lane i gives. Lane l receives elements 2 * (l % 4) and + 1 of
// row l / 4 of each matrix; transposed: of column l / 4. All lanes are active.
void kir_ldmatrix(kir_builder *b, kir_val array, int64_t at, int matrices, bool transposed,
                  kir_val buffer, kir_val index);
// d[d_at ..] += a[a_at ..] . b[b_at ..], arrays as ir/kir_mma.def has it. All lanes are active.
void kir_mma(kir_builder *b, kir_mma_kind kind, kir_val d, int64_t d_at, kir_val a, int64_t a_at,
             kir_val b_array, int64_t b_at);
// Of lane |lane| ^ distance (distance a constant power of two below the width). All lanes active.
kir_val kir_exchange(kir_builder *b, kir_val x, int64_t distance);

// 2^x of an f32, within 2^-21 of it, and 0 where that is below 2^-126.
kir_val kir_power2(kir_builder *b, kir_val x);

static inline kir_val kir_add(kir_builder *b, kir_val x, kir_val y) {
  return kir_scalar2(b, AICC_OP_ADD, x, y);
}
static inline kir_val kir_sub(kir_builder *b, kir_val x, kir_val y) {
  return kir_scalar2(b, AICC_OP_SUB, x, y);
}
static inline kir_val kir_mul(kir_builder *b, kir_val x, kir_val y) {
  return kir_scalar2(b, AICC_OP_MUL, x, y);
}

// --- text, checks, execution ---------------------------------------------------------------------

// `kernel @name(%x: f32* read, %n: i64) kind "map" width 16 { ... }`; grammar in kir_parse.h. The
// parser also takes nested infix expressions, and replaces $NAME words from |bindings| ("T=f32")
// first: that is how passes/kernels/*.kir are instantiated. A binding "%n=8" makes a constant of a
// scalar parameter, and "%x=local" an unused local buffer of a buffer that is left out. NULL after
// errors; what it gives is not verified yet.
void kir_print(const kir_kernel *kernel, FILE *out);
kir_kernel *kir_parse(aicc_arena *arena, const char *text, size_t size, const char *file,
                      const char *const *bindings, int binding_count, aicc_diags *diags);
// Every rule listed in kir_verify.c's header; reports all violations.
AICC_MUST_USE aicc_status kir_verify(const kir_kernel *kernel, aicc_diags *diags);
// Structural hash and equality of everything but name, origins and value names: equal kernels are
// compiled once.
uint64_t kir_hash(const kir_kernel *kernel);
bool kir_equal(const kir_kernel *a, const kir_kernel *b);

// The kernel interpreter: slow, obvious, checking. Runs tasks 0 .. grid - 1 in an order shuffled by
// |seed| with |width| lanes in lock step, and the warps of a task from barrier to barrier in an
// order shuffled too. Reports as diagnostics: accesses that are out of bounds, not aligned, or of
// what nothing wrote or a copy is under way to; races between tasks, or between warps and barriers
// (two touch one element, one of them writing); warps that do not meet at one barrier.
typedef struct kir_arg {
  void *data;       // buffers: host memory
  size_t count;     // elements; SIZE_MAX with data NULL: all memory by address, unchecked
  uint8_t *init;    // NULL: all initialised; else one byte per element, 0 = never written
  int64_t i;        // i64 and other integers
  double f;         // f32, f64
} kir_arg;
AICC_MUST_USE aicc_status kir_interpret(const kir_kernel *kernel, int width, int64_t grid,
                                        kir_arg *args, uint64_t seed, aicc_diags *diags);

#endif
