// Kernel IR -> LLVM IR, for every target. Private to codegen/cg*.c and the unit tests.
//
// A value has |lanes| elements where it varies: the warp's width on the CPU (an LLVM vector), 1 on
// a GPU, where every lane is a thread. Conditions that vary are masks (i1 per lane).
// Thread-compatible: one cg, one thread; several cg may work at once.
#ifndef AICC_CODEGEN_CG_H
#define AICC_CODEGEN_CG_H

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

#include "codegen/target.h"
#include "ir/kir.h"

// One LLVM module under construction, with its own context.
typedef struct cg {
  const cg_target *target;
  aicc_arena *arena;   // borrowed: scratch of the emitter
  aicc_diags *diags;
  LLVMContextRef context;
  LLVMModuleRef module;
  LLVMBuilderRef builder;
  LLVMTargetMachineRef machine;
  LLVMTypeRef i1, i8, i16, i32, i64, f32, f64, ptr, nothing;
  bool failed;         // a diagnostic was emitted: the module is not to be used
  const char *notes;   // GPU: lines of comment that say which nodes a kernel comes from; never NULL
} cg;

// Opens an empty module. |opt_level| 0..3 is that of LLVM's code generator.
AICC_MUST_USE aicc_status cg_open(cg *c, const cg_target *target, const char *name, int opt_level,
                                  aicc_arena *arena, aicc_diags *diags);
void cg_close(cg *c);

// Verifies the module and runs the pass pipeline over it.
AICC_MUST_USE aicc_status cg_optimize(cg *c);
// The module as an object file or assembly text, in memory of LLVM's: LLVMDisposeMemoryBuffer.
AICC_MUST_USE aicc_status cg_emit(cg *c, bool assembly, LLVMMemoryBufferRef *out);

// What the emitted kernel needs of its launcher.
typedef struct cg_kernel_info {
  uint32_t arg_bytes, scratch_bytes;  // scratch: per thread (CPU), per worker (GPU; aicc/abi.h)
  uint32_t block_threads, task_warps, shared_bytes, dynamic_shared_bytes;  // GPU
} cg_kernel_info;

// The same for every emission of |kernel| for |target|.
cg_kernel_info cg_kernel_info_of(const cg_target *target, const kir_kernel *kernel);

// Emits |kernel| as the function |symbol| (CPU: an aicc_abi_cpu_kernel; GPU: see cg_gpu.h).
AICC_MUST_USE aicc_status cg_emit_kernel(cg *c, const kir_kernel *kernel, const char *symbol);

// --- emitter state ------------------------------------------------------------------------------

// The LLVM side of one kernel IR value. A varying i64 may be affine in the lane: base + stride *
// lane; then |v| is NULL and made when it is asked for.
typedef struct cg_value {
  LLVMValueRef v;      // scalar, vector, pointer (buffers), or alloca (variables, arrays)
  LLVMValueRef base;   // uniform i64
  int64_t stride;
  bool affine;
  int slot;            // GPU: a parameter that is read where it is used: its number + 1; else 0
  bool ordered;        // GPU: a buffer that lanes may exchange values through
  bool divergent;      // GPU: a variable or array that was declared where lanes diverge
} cg_value;

// What is known of a loop counter: it is a multiple of |factor| and perhaps never negative.
typedef struct cg_fact {
  LLVMValueRef value;
  int64_t factor;
  bool nonnegative;
} cg_fact;

// GPU (cg_gpu.h): accesses to ordered memory since the lanes last met; own: each lane its own
// places.
typedef struct cg_order {
  bool load, store, own_load, own_store;
} cg_order;

typedef struct cg_gpu cg_gpu;

typedef struct cg_kernel {
  cg *c;
  const kir_kernel *kernel;
  int width;           // lanes of a warp
  int lanes;           // lanes in one value
  cg_value *values;
  LLVMValueRef function, task, scratch;
  LLVMValueRef mask;   // NULL: every lane is active; else at least one is where memory is touched
  LLVMValueRef spare;  // memory that may be read in place of what a guard forbids
  LLVMBasicBlockRef entry;  // allocas
  cg_fact *facts;
  size_t fact_count, fact_capacity;
  uint32_t scratch_used;
  const cg_gpu *gpu;   // NULL: a CPU
  LLVMValueRef slots;  // GPU: the parameters' slots in memory; NULL: they are not read from there
  LLVMValueRef lane;   // GPU: i64, this thread's lane
  LLVMValueRef warp;   // GPU: i64, uniform: this warp's number in its task
  bool shared;         // GPU: local buffers lie in shared memory
  LLVMValueRef *own;   // GPU: indices that are congruent to the lane modulo the width
  size_t own_count, own_capacity;
  cg_order order;
  int divergent;       // GPU: depth of code that not all lanes run
} cg_kernel;

// cg.c: plain helpers.
void cg_fail(cg *c, const kir_kernel *kernel, const char *format, ...) AICC_PRINTF(3, 4);
LLVMValueRef cg_intrinsic(cg *c, const char *name, LLVMTypeRef *types, unsigned type_count,
                          LLVMValueRef *args, unsigned arg_count);
LLVMValueRef cg_int(cg *c, int64_t value);  // i64 constant
void cg_add_attribute(cg *c, LLVMValueRef function, unsigned index, const char *name,
                      uint64_t value);
void cg_add_string_attribute(cg *c, LLVMValueRef function, const char *name, const char *value);
void cg_set_invariant(cg *c, LLVMValueRef load);  // its memory does not change
LLVMBasicBlockRef cg_block(cg *c, const char *name);  // in the function the builder stands in
void cg_jump(cg *c, LLVMBasicBlockRef to);            // branches to |to| and goes on there

// cg_kernel.c: values.
LLVMTypeRef cg_element_type(cg *c, aicc_dtype dtype);  // in registers
LLVMTypeRef cg_memory_type(cg *c, aicc_dtype dtype);
LLVMTypeRef cg_lane_type(cg_kernel *k, LLVMTypeRef element);  // |element| per lane
LLVMTypeRef cg_value_type(cg_kernel *k, kir_val v);
LLVMValueRef cg_splat(cg_kernel *k, LLVMValueRef scalar);
LLVMValueRef cg_use(cg_kernel *k, kir_val v);                     // as it is
LLVMValueRef cg_use_as(cg_kernel *k, kir_val v, bool varying);    // splat if need be
LLVMValueRef cg_lane_ids(cg_kernel *k, LLVMTypeRef element);      // 0 .. lanes - 1
LLVMValueRef cg_entry_alloca(cg_kernel *k, LLVMTypeRef type, uint64_t count);
bool cg_is_varying(const cg_kernel *k, kir_val v);
void cg_set_value(cg_kernel *k, kir_val v, LLVMValueRef value);
void cg_set_affine(cg_kernel *k, kir_val v, LLVMValueRef base, int64_t stride);
void cg_emit_block(cg_kernel *k, const kir_block *block);

// cg_scalar.c, cg_integer.c, cg_cast.c: values that are scalars or vectors alike.
void cg_emit_scalar(cg_kernel *k, const kir_inst *inst);
LLVMValueRef cg_binary(cg_kernel *k, aicc_op op, aicc_dtype dtype, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef cg_int_binary(cg_kernel *k, aicc_op op, aicc_dtype dtype, LLVMValueRef x,
                           LLVMValueRef y);
// Functions of cg_math.h; |y| may be NULL. NULL: |op| is none of them.
LLVMValueRef cg_transcendental(cg_kernel *k, aicc_op op, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef cg_fmod(cg_kernel *k, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef cg_cast(cg_kernel *k, LLVMValueRef x, aicc_dtype from, aicc_dtype to, bool saturate);
LLVMTypeRef cg_type_like(LLVMTypeRef shape, LLVMTypeRef element);  // as many lanes as |shape|
LLVMValueRef cg_const_like(LLVMTypeRef type, uint64_t bits);       // integers; splat
LLVMValueRef cg_real_like(LLVMTypeRef type, double value);         // floats; splat
LLVMValueRef cg_call1(cg *c, const char *intrinsic, LLVMValueRef x);
LLVMValueRef cg_call2(cg *c, const char *intrinsic, LLVMValueRef x, LLVMValueRef y);
LLVMValueRef cg_any(cg *c, LLVMValueRef condition);  // i1: true in any lane

// cg_index.c: integers that are affine in the lane, and what is known of uniform ones.
bool cg_emit_affine(cg_kernel *k, const kir_inst *inst);  // false: not affine, nothing emitted
void cg_add_fact(cg_kernel *k, LLVMValueRef value, int64_t factor, bool nonnegative);
int64_t cg_known_factor(cg_kernel *k, LLVMValueRef value);  // a power of two that divides it
bool cg_known_nonnegative(cg_kernel *k, LLVMValueRef value);

// cg_memory.c
void cg_emit_load(cg_kernel *k, const kir_inst *inst);
void cg_emit_prefetch(cg_kernel *k, const kir_inst *inst);
void cg_emit_store(cg_kernel *k, const kir_inst *inst);
void cg_emit_atomic(cg_kernel *k, const kir_inst *inst);
uint64_t cg_local_bytes(const kir_kernel *kernel, const kir_inst *inst);  // of a LOCAL, padded
void cg_emit_variable(cg_kernel *k, const kir_inst *inst);  // VAR GET SET ARRAY AGET ASET LOCAL

// cg_dot4.c
void cg_emit_dot4(cg_kernel *k, const kir_inst *inst);

// cg_flow.c
void cg_emit_for(cg_kernel *k, const kir_inst *inst);
void cg_emit_while(cg_kernel *k, const kir_inst *inst);
void cg_emit_if(cg_kernel *k, const kir_inst *inst);
void cg_emit_reduce(cg_kernel *k, const kir_inst *inst);

#endif
