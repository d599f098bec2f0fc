// Kernels as GPU functions: a value has one lane, the lanes of a warp are threads. Private to
// codegen/cg*.c.
//
// The function of a kernel, for PTX and AMDGCN alike:
//
//   void symbol(8-byte slots of the kernel's own parameters.., i64 tasks, i64 workers, ptr scratch)
//
// A kernel of one warp a task comes in blocks of CG_GPU_WARPS warps (one dimension). |workers| is
// the number of warps launched: any number of blocks does, each warp takes the tasks from its own
// number on in steps of |workers|. A task of several warps is a block's; |workers| are blocks then.
// Buffers are global memory. LOCAL buffers are the block's shared memory where all its warps' fit
// CG_GPU_SHARED_LIMIT (then shared_bytes is what the function declares itself), else global memory:
// |scratch| points to |workers| x scratch_bytes, and may be NULL where scratch_bytes is 0. Those
// that a block's warps share are always shared memory: declared by the function up to static_shared
// bytes, else all of it dynamic (dynamic_shared_bytes); more than the machine has is a diagnostic.
//
// Lanes in lock step: kernel IR has every lane do an instruction before any does the next one.
// Threads do not, so memory that lanes may exchange values through (LOCAL buffers, parameters that
// are read and written) is ordered: where a lane may touch what another one wrote or will write,
// the warp is made to meet first. An access whose index is congruent to the lane modulo the width
// is the lane's own, and own accesses are never in each other's way. In a *divergent* place (a
// lanes loop, a varying `if`) the warp cannot meet: iterations of a lanes loop are independent of
// each other. Between warps only a kernel's own barriers order anything.
#ifndef AICC_CODEGEN_CG_GPU_H
#define AICC_CODEGEN_CG_GPU_H

#include "codegen/cg.h"

enum { CG_GPU_WARPS = 4, CG_GPU_SHARED_LIMIT = 48 << 10 };

// Names in global scope that an image's kernels share.
#define CG_GPU_DYNAMIC_SHARED "aicc_dynamic_shared"

// How many values a kernel is likely to hold in registers at a time.
typedef enum cg_gpu_load { CG_GPU_LIGHT, CG_GPU_MEDIUM, CG_GPU_HEAVY } cg_gpu_load;

// What a family of GPUs has its own way of saying.
struct cg_gpu {
  const char *thread_id, *block_id;       // intrinsics: i32, first dimension
  LLVMCallConv kernel_convention;
  unsigned global_space, shared_space;    // address spaces
  const char *atomic_scope;               // between all threads of the device
  const char *power2;                     // (optional) overloaded intrinsic: KIR_POWER2
  uint32_t static_shared;                 // bytes of shared memory that a function may declare
  void (*attributes)(cg *c, LLVMValueRef function, unsigned block_threads, cg_gpu_load load);
  void (*meet)(cg_kernel *k);             // all lanes; what they wrote is seen by the others
  LLVMValueRef (*exchange)(cg_kernel *k, LLVMValueRef word,
                           int distance);  // i32 of lane ^ distance
  // (optional) A uniform i64, hidden from LLVM's loop passes: they would rather hold everything
  // that follows from a loop's counter in registers of its own than compute it from that.
  LLVMValueRef (*opaque)(cg_kernel *k, LLVMValueRef value);
  // (optional) Where the parameters lie, an 8-byte slot each. LLVM does not see that this is the
  // same place always: what is read there for one task is not kept for the next.
  LLVMValueRef (*slots)(cg_kernel *k);
  LLVMValueRef (*first)(cg_kernel *k, LLVMValueRef word);  // i32 of lane 0, known to be uniform
  // (optional) The thread's id read anew, not known to be the same: what follows from it is
  // computed for every task where it is needed, and takes no registers over the whole of a heavy
  // one.
  LLVMValueRef (*thread_again)(cg_kernel *k);
  void (*barrier)(cg_kernel *k);          // all warps of the block; what they wrote is seen by all
  // Copies of 4, 8 or 16 bytes from global to shared memory, zeros where not |guard| (NULL: none);
  // groups of them. |pending| -1: waits for all, committed or not. NULL: the family has none.
  void (*copy)(cg_kernel *k, LLVMValueRef to, LLVMValueRef from, unsigned bytes,
               LLVMValueRef guard);
  void (*commit)(cg_kernel *k);
  void (*wait)(cg_kernel *k, int64_t pending);
  // (optional) As KIR_LDMATRIX and KIR_MMA have it; u32 registers are i32, D is changed in place.
  void (*ldmatrix)(cg_kernel *k, int count, bool transposed, LLVMValueRef place,
                   LLVMValueRef *out);
  void (*mma)(cg_kernel *k, kir_mma_kind kind, const LLVMValueRef *a, const LLVMValueRef *b,
              LLVMValueRef *d);
};
extern const cg_gpu cg_gpu_nvptx, cg_gpu_amdgpu;

const cg_gpu *cg_gpu_of(const cg_target *target);  // NULL: a CPU
cg_kernel_info cg_gpu_kernel_info(const cg_target *target, const kir_kernel *kernel,
                                  uint64_t local_bytes);
AICC_MUST_USE aicc_status cg_emit_gpu_kernel(cg_kernel *k, const char *symbol,
                                             uint64_t local_bytes);

// Parameter |v|, which has a slot, read here.
LLVMValueRef cg_gpu_argument(cg_kernel *k, kir_val v);

// cg_gpu_flow.c: a kernel on a GPU only, where it is not said otherwise.
// The counter of |loop| (NULL: that over tasks), as its body is to see it. Any target.
LLVMValueRef cg_gpu_counter(cg_kernel *k, LLVMValueRef counter, const kir_inst *loop);
void cg_gpu_lanes_loop(cg_kernel *k, const kir_inst *inst);
void cg_gpu_reduce(cg_kernel *k, const kir_inst *inst);
LLVMValueRef cg_gpu_moved(cg_kernel *k, LLVMValueRef v, int distance);  // of lane ^ distance
// Before an access to |buffer| at |index| (NULL: not known) is emitted.
void cg_gpu_order(cg_kernel *k, kir_val buffer, LLVMValueRef index, bool stores);
// Before an asynchronous copy to |buffer|. Nobody reads what it writes before a `wait`: that is
// where it counts as a store.
void cg_gpu_order_copy(cg_kernel *k, kir_val buffer);
// Around code that threads may skip or repeat as each likes.
typedef struct cg_gpu_region {
  cg_order before;
  LLVMBasicBlockRef at;  // where the warp meets if what is inside asks for it
} cg_gpu_region;
cg_gpu_region cg_gpu_diverge(cg_kernel *k);
void cg_gpu_converge(cg_kernel *k, const cg_gpu_region *region);
// What |block| does to ordered memory, before it is emitted: loops meet it at their back edge.
cg_order cg_gpu_order_of(const cg_kernel *k, const kir_block *block);
void cg_gpu_order_join(cg_order *to, cg_order from);

// cg_gpu_block.c: instructions of kernels for GPUs.
void cg_gpu_vload(cg_kernel *k, const kir_inst *inst);
void cg_gpu_vstore(cg_kernel *k, const kir_inst *inst);
void cg_gpu_copy(cg_kernel *k, const kir_inst *inst);
void cg_gpu_commit(cg_kernel *k);
void cg_gpu_wait(cg_kernel *k, const kir_inst *inst);
void cg_gpu_barrier(cg_kernel *k);
void cg_gpu_ldmatrix(cg_kernel *k, const kir_inst *inst);
void cg_gpu_mma(cg_kernel *k, const kir_inst *inst);
void cg_gpu_exchange(cg_kernel *k, const kir_inst *inst);
void cg_gpu_power2(cg_kernel *k, const kir_inst *inst);
void cg_gpu_end_task(cg_kernel *k);   // no copy is under way after it
void cg_gpu_next_task(cg_kernel *k);  // before it all warps of a block are done with its LOCALs
bool cg_gpu_tasks_meet(const kir_kernel *kernel);  // there is a barrier then
bool cg_gpu_has_mma(const kir_kernel *kernel);

#endif
