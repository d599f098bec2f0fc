// The host program of a plan as LLVM IR, and the tables that a model exports. Private to codegen/.
//
// Layout of the generated code: one function run(call), one i64 variable per symbol and one pointer
// variable per slot (LLVM makes values of them), and a return as soon as a host function fails.
// Thread-compatible.
#ifndef AICC_CODEGEN_CG_HOST_H
#define AICC_CODEGEN_CG_HOST_H

#include "codegen/cg.h"
#include "ir/plan.h"

typedef struct cg_host {
  cg *c;
  const aicc_plan *plan;
  const uint64_t *offsets;     // of constants; NULL: the plan's
  aicc_dims *dims;
  LLVMValueRef call, session, table, weights, inputs;  // members of the call
  LLVMValueRef status;         // variable: what run returns
  LLVMBasicBlockRef entry, leave;
  LLVMBasicBlockRef loop_after;  // where BREAK goes; NULL outside loops
  LLVMValueRef block;          // argument block, large enough for every launch
  LLVMValueRef *symbols;       // per dim id: its variable; NULL: not defined before this place
  LLVMValueRef *memo;          // per dim id: its value ...
  uint32_t *memo_stamp;        // ... valid where this is |stamp|
  uint32_t stamp;
  uint32_t dim_limit;          // ids are below
  LLVMValueRef *slots;         // per slot: pointer variable
  uint32_t *position;          // per slot (BUFFER): index within its segment
  bool remote;                 // kernels do not see the host's memory
  LLVMValueRef *strings;  // per constant: its address where kernels see it, if it is of strings
  LLVMValueRef *addresses;     // per segment: array of addresses
} cg_host;

// Emits the internal function "run". |offsets|: of each constant within the weights; NULL: as the
// plan has them. |remote|: kernels run on a device that does not see the memory of the host.
AICC_MUST_USE aicc_status cg_emit_run(cg *c, const aicc_plan *plan, const uint64_t *offsets,
                                      bool remote, LLVMValueRef *run);

// The tables and the exported query function. |infos|: one per kernel; |symbols|: the functions of
// CPU kernels, per kernel.
typedef struct cg_image {
  uint32_t kind;
  uint32_t plan, first_kernel, kernel_count;
  const char *target;
  const void *data;  // NULL: part of the shared object
  size_t size;
} cg_image;
// A plan for other machines than the model's own: see aicc_abi_plan.
typedef struct cg_plan_table {
  const aicc_plan *plan;
  const uint64_t *offsets;
  const cg_kernel_info *infos;
  const char *const *symbols;  // functions in GPU images
  uint32_t width;
  LLVMValueRef run;
} cg_plan_table;
typedef struct cg_tables {
  const aicc_plan *plan;
  const uint64_t *offsets;   // of constants; NULL: the plan's
  const cg_kernel_info *infos;
  const char *const *symbols;
  const char *const *gpu_symbols;  // NULL, or functions in GPU images in place of |symbols|
  uint32_t width;
  const cg_plan_table *others;
  size_t other_count;
  const cg_image *images;
  size_t image_count;
  uint64_t weights_size;
  const char *weights_file;  // NULL: in the model itself
} cg_tables;
void cg_emit_tables(cg *c, const cg_tables *tables, LLVMValueRef run);

// --- within the host program ---------------------------------------------------------------------

// cg_dims.c
LLVMValueRef cg_dim(cg_host *h, aicc_dim dim);          // i64; shared with what was computed before
void cg_define_symbol(cg_host *h, aicc_dim symbol, LLVMValueRef value);
bool cg_symbol_defined(const cg_host *h, aicc_dim symbol);
bool cg_dim_computable(const cg_host *h, aicc_dim dim);  // every symbol in it is defined
void cg_forget_dims(cg_host *h);  // at every joint of control flow

// cg_host.c
LLVMValueRef cg_host_alloca(cg_host *h, LLVMTypeRef type, uint64_t count);
LLVMValueRef cg_slot_pointer(cg_host *h, aicc_slot slot);
void cg_set_slot(cg_host *h, aicc_slot slot, LLVMValueRef pointer);
LLVMValueRef cg_host_element(cg_host *h, LLVMTypeRef type, LLVMValueRef base, int64_t index);
// Calls host function |name| (see the table in cg_host.c) with the session before |args|. Functions
// with a status return from run where they fail.
typedef enum cg_host_fn {
  CG_HOST_PLAN, CG_HOST_LAUNCH, CG_HOST_COPY, CG_HOST_READ, CG_HOST_WRITE, CG_HOST_OUTPUT,
  CG_HOST_ALLOC, CG_HOST_FREE, CG_HOST_BAD_INPUT, CG_HOST_FAIL, CG_HOST_SEQ_EMPTY,
  CG_HOST_SEQ_INSERT, CG_HOST_SEQ_ERASE, CG_HOST_SEQ_LENGTH, CG_HOST_SEQ_AT, CG_HOST_SEQ_RELEASE,
  CG_HOST_OUTPUT_SEQUENCE, CG_HOST_STRINGS,
} cg_host_fn;
LLVMValueRef cg_host_call(cg_host *h, cg_host_fn fn, LLVMValueRef *args, unsigned count);
// Unless |condition|: calls a function that records an error, and leaves.
void cg_host_require(cg_host *h, LLVMValueRef condition, cg_host_fn fn, LLVMValueRef *args,
                     unsigned count);
LLVMValueRef cg_host_string(cg *c, const char *text);
LLVMValueRef cg_host_constant(cg *c, LLVMValueRef value);  // a private constant: its address
LLVMValueRef cg_store_dims(cg_host *h, const aicc_dim *dims, int count);  // array of i64
// Rank (i32) and dimensions (a pointer to i64) that the caller gave for a graph input.
void cg_host_input(cg_host *h, uint32_t input, LLVMValueRef *rank, LLVMValueRef *dims);

// cg_steps.c
void cg_emit_steps(cg_host *h, const aicc_steps *steps);

#endif
