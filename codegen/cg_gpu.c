// One kernel as a GPU function: parameters, the place of local memory, the loop over tasks.
#include <stdio.h>
#include <string.h>

#include "codegen/cg_gpu.h"

const cg_gpu *cg_gpu_of(const cg_target *target) {
  switch (target->family) {
    case CG_FAMILY_NVPTX: return &cg_gpu_nvptx;
    case CG_FAMILY_AMDGPU: return &cg_gpu_amdgpu;
    case CG_FAMILY_X86: return NULL;
  }
  return NULL;
}

static bool fits_shared(uint64_t local_bytes) {
  return local_bytes * CG_GPU_WARPS <= CG_GPU_SHARED_LIMIT;
}

// Parameters that follow those of the kernel.
enum {
  ARRAY_WEIGHT = 50,
  UNKNOWN_ROUNDS = 4,
  DIVIDE_WEIGHT = 20,
  LIGHT_WEIGHT = 36,   // up to 64 registers do
  HEAVY_WEIGHT = 440,  // beyond, 128 do not
};
enum { HIDDEN_TASKS, HIDDEN_WORKERS, HIDDEN_SCRATCH, HIDDEN_COUNT };

static unsigned warps_of_block(const kir_kernel *kernel) {
  return kernel->warps > 1 ? (unsigned)kernel->warps : CG_GPU_WARPS;
}

// Shared memory of a block whose tasks need |local_bytes| each; 0: it is not used.
static uint64_t shared_bytes(const kir_kernel *kernel, uint64_t local_bytes) {
  return kernel->warps > 1          ? local_bytes
         : fits_shared(local_bytes) ? local_bytes * CG_GPU_WARPS
                                    : 0;
}

cg_kernel_info cg_gpu_kernel_info(const cg_target *target, const kir_kernel *kernel,
                                  uint64_t local_bytes) {
  const uint64_t shared = shared_bytes(kernel, local_bytes);
  const bool dynamic = shared > cg_gpu_of(target)->static_shared;
  return (cg_kernel_info){
      .arg_bytes = (uint32_t)kernel->param_count * 8,
      .scratch_bytes = shared == 0 ? (uint32_t)local_bytes : 0,
      .block_threads = warps_of_block(kernel) * (uint32_t)target->machine.width,
      .task_warps = (uint32_t)kernel->warps,
      .shared_bytes = dynamic ? 0 : (uint32_t)shared,
      .dynamic_shared_bytes = dynamic ? (uint32_t)shared : 0,
  };
}

// --- the function --------------------------------------------------------------------------------

static void describe_buffer(cg_kernel *k, unsigned index, const kir_param *param) {
  cg *c = k->c;
  // What lanes exchange values through may be written by others while a thread looks away.
  if (param->access != (KIR_READ | KIR_WRITE)) {
    cg_add_attribute(c, k->function, index + 1, "noalias", 0);
  }
  if (param->access == KIR_READ) {
    cg_add_attribute(c, k->function, index + 1, "readonly", 0);
  }
  cg_add_attribute(c, k->function, index + 1, "nofree", 0);
  cg_add_attribute(c, k->function, index + 1, "align", 16);
}

// What a kernel is likely to hold in registers, by its length and depth: loops that are unrolled
// count as often as they run, others twice (ptxas unrolls them too), and arrays by their elements.
static uint64_t weight_of(const kir_kernel *kernel, const kir_block *block);

// Rounds of an unrolled loop; its bounds are constants, or follow from other loops' counters.
static uint64_t rounds_of(const kir_kernel *kernel, const kir_inst *inst) {
  int64_t bounds[3];
  for (int i = 0; i < 3; i++) {
    const kir_inst *def = kernel->values[inst->args[i]].def;
    if (def == NULL || def->op != KIR_CONST) {
      return UNKNOWN_ROUNDS;
    }
    bounds[i] = (int64_t)def->imm;
  }
  const int64_t span = bounds[1] - bounds[0];
  return bounds[2] > 0 && span > 0 ? (uint64_t)((span + bounds[2] - 1) / bounds[2]) : 0;
}

static uint64_t inst_weight(const kir_kernel *kernel, const kir_inst *inst) {
  const uint64_t inner =
      weight_of(kernel, &inst->blocks[0]) + weight_of(kernel, &inst->blocks[1]);
  switch (inst->op) {
    case KIR_CONST: return 0;
    case KIR_ARRAY: return ARRAY_WEIGHT * inst->imm;
    case KIR_SCALAR:
      return inst->scalar_op == AICC_OP_DIV || inst->scalar_op == AICC_OP_MOD ? DIVIDE_WEIGHT : 1;
    case KIR_FOR:
      return inst->loop_kind == KIR_UNROLL ? rounds_of(kernel, inst) * inner : 2 * inner + 1;
    default: return inner + 1;
  }
}

static uint64_t weight_of(const kir_kernel *kernel, const kir_block *block) {
  uint64_t weight = 0;
  for (const kir_inst *inst = block->first; inst != NULL; inst = inst->next) {
    weight += inst_weight(kernel, inst);
  }
  return weight;
}

static cg_gpu_load load_of(const kir_kernel *kernel) {
  const uint64_t weight = weight_of(kernel, &kernel->body);
  return weight > HEAVY_WEIGHT || cg_gpu_has_mma(kernel) ? CG_GPU_HEAVY
         : weight > LIGHT_WEIGHT                         ? CG_GPU_MEDIUM
                                                         : CG_GPU_LIGHT;
}

static void add_function(cg_kernel *k, const char *symbol) {
  cg *c = k->c;
  const int own = k->kernel->param_count, count = own + HIDDEN_COUNT;
  LLVMTypeRef *types = AICC_NEW_ARRAY(c->arena, LLVMTypeRef, count);
  LLVMTypeRef pointer = LLVMPointerTypeInContext(c->context, k->gpu->global_space);
  for (int i = 0; i < own; i++) {
    types[i] = k->kernel->params[i].is_buffer ? pointer : c->i64;
  }
  types[own + HIDDEN_TASKS] = types[own + HIDDEN_WORKERS] = c->i64;
  types[own + HIDDEN_SCRATCH] = pointer;
  k->function = LLVMAddFunction(c->module, symbol,
                                LLVMFunctionType(c->nothing, types, (unsigned)count, false));
  LLVMSetFunctionCallConv(k->function, k->gpu->kernel_convention);
  for (int i = 0; i < own; i++) {
    if (k->kernel->params[i].is_buffer) {
      describe_buffer(k, (unsigned)i, &k->kernel->params[i]);
    }
  }
  cg_add_attribute(c, k->function, (unsigned)LLVMAttributeFunctionIndex, "nounwind", 0);
  cg_add_string_attribute(c, k->function, "no-builtins", "true");
  k->gpu->attributes(c, k->function, warps_of_block(k->kernel) * (unsigned)k->width,
                     load_of(k->kernel));
}

// A scalar out of its 8-byte slot.
static LLVMValueRef scalar_param(cg *c, LLVMValueRef slot, aicc_dtype dtype) {
  LLVMTypeRef type = cg_element_type(c, dtype);
  if (type == c->f64) {
    return LLVMBuildBitCast(c->builder, slot, type, "");
  }
  if (type == c->f32) {
    return LLVMBuildBitCast(c->builder, LLVMBuildTrunc(c->builder, slot, c->i32, ""), type, "");
  }
  return type == c->i64 ? slot : LLVMBuildTrunc(c->builder, slot, type, "");
}

static void bind_params(cg_kernel *k) {
  for (int i = 0; i < k->kernel->param_count; i++) {
    const kir_param *param = &k->kernel->params[i];
    LLVMValueRef value = LLVMGetParam(k->function, (unsigned)i);
    cg_set_value(k, param->value,
                 param->is_buffer ? value : scalar_param(k->c, value, param->dtype));
    k->values[param->value].ordered =
        param->is_buffer && param->access == (KIR_READ | KIR_WRITE);
  }
}

// --- where this thread stands --------------------------------------------------------------------

typedef struct thread {
  LLVMValueRef in_block, worker;  // i32, i64: number of the warp in its block; of what runs a task
} thread;

// Lane and warp of thread |id| of its block; gives the warp's number in the block.
static LLVMValueRef take_place(cg_kernel *k, LLVMValueRef id) {
  cg *c = k->c;
  LLVMBuilderRef b = c->builder;
  const unsigned width = (unsigned)k->width;
  LLVMValueRef lane = LLVMBuildAnd(b, id, LLVMConstInt(c->i32, width - 1, false), "");
  k->lane = LLVMBuildZExt(b, lane, c->i64, "lane");
  cg_add_fact(k, k->lane, 1, true);
  LLVMValueRef own = LLVMBuildUDiv(b, id, LLVMConstInt(c->i32, width, false), "");
  own = k->gpu->first(k, own);
  if (k->kernel->warps > 1) {  // LLVM is to know its range
    const unsigned most = KIR_WARPS_MAX - 1;
    own = LLVMBuildAnd(b, own, LLVMConstInt(c->i32, most, false), "");
    k->warp = LLVMBuildZExt(b, own, c->i64, "warp");
    cg_add_fact(k, k->warp, 1, true);
  } else {
    k->warp = cg_int(c, 0);
  }
  return own;
}

static thread find_thread(cg_kernel *k) {
  cg *c = k->c;
  LLVMBuilderRef b = c->builder;
  LLVMValueRef own = take_place(k, cg_intrinsic(c, k->gpu->thread_id, NULL, 0, NULL, 0));
  LLVMValueRef block = cg_intrinsic(c, k->gpu->block_id, NULL, 0, NULL, 0);
  block = LLVMBuildZExt(b, block, c->i64, "");
  if (k->kernel->warps > 1) {
    return (thread){.in_block = own, .worker = block};
  }
  LLVMValueRef first = LLVMBuildMul(b, block, cg_int(c, CG_GPU_WARPS), "");
  LLVMValueRef warp = LLVMBuildAdd(b, first, LLVMBuildZExt(b, own, c->i64, ""), "warp");
  return (thread){.in_block = own, .worker = warp};
}

static LLVMValueRef declared_shared(cg_kernel *k, const char *symbol, uint64_t bytes) {
  cg *c = k->c;
  LLVMTypeRef type = LLVMArrayType2(c->i8, bytes);
  LLVMValueRef shared =
      LLVMAddGlobalInAddressSpace(c->module, type,
                                  aicc_arena_printf(c->arena, "%s_local", symbol),
                                  k->gpu->shared_space);
  LLVMSetLinkage(shared, LLVMInternalLinkage);
  LLVMSetInitializer(shared, LLVMGetPoison(type));
  LLVMSetAlignment(shared, 64);
  return shared;
}

// What the launch asks for; one name for all kernels of an image.
static LLVMValueRef dynamic_shared(cg_kernel *k) {
  cg *c = k->c;
  LLVMValueRef shared = LLVMGetNamedGlobal(c->module, CG_GPU_DYNAMIC_SHARED);
  if (shared == NULL) {
    shared = LLVMAddGlobalInAddressSpace(c->module, LLVMArrayType2(c->i8, 0),
                                         CG_GPU_DYNAMIC_SHARED, k->gpu->shared_space);
    LLVMSetAlignment(shared, 64);
  }
  return shared;
}

static void place_local(cg_kernel *k, const thread *t, const char *symbol, uint64_t bytes) {
  cg *c = k->c;
  LLVMBuilderRef b = c->builder;
  const uint64_t shared = shared_bytes(k->kernel, bytes);
  k->shared = shared > 0 || bytes == 0;
  if (bytes == 0) {
    return;
  }
  if (!k->shared) {
    LLVMValueRef offset = LLVMBuildMul(b, t->worker, cg_int(c, (int64_t)bytes), "");
    LLVMValueRef all =
        LLVMGetParam(k->function, (unsigned)(k->kernel->param_count + HIDDEN_SCRATCH));
    k->scratch = LLVMBuildGEP2(b, c->i8, all, &offset, 1, "local");
    return;
  }
  const bool dynamic = shared > k->gpu->static_shared;
  k->scratch = dynamic ? dynamic_shared(k) : declared_shared(k, symbol, shared);
  if (k->kernel->warps == 1) {
    LLVMValueRef offset = LLVMBuildMul(b, t->in_block, LLVMConstInt(c->i32, bytes, false), "");
    k->scratch = LLVMBuildGEP2(b, c->i8, k->scratch, &offset, 1, "local");
  }
}

static LLVMValueRef argument(cg_kernel *k, int number, LLVMTypeRef type) {
  cg *c = k->c;
  LLVMValueRef offset = cg_int(c, 8 * number);
  LLVMValueRef place = LLVMBuildGEP2(c->builder, c->i8, k->slots, &offset, 1, "");
  LLVMValueRef value = LLVMBuildLoad2(c->builder, type, place, "");
  cg_set_invariant(c, value);
  return value;
}

LLVMValueRef cg_gpu_argument(cg_kernel *k, kir_val v) {
  const int number = k->values[v].slot - 1;
  const kir_param *param = &k->kernel->params[number];
  LLVMTypeRef pointer = LLVMPointerTypeInContext(k->c->context, k->gpu->global_space);
  LLVMValueRef value = argument(k, number, param->is_buffer ? pointer : k->c->i64);
  return param->is_buffer ? value : scalar_param(k->c, value, param->dtype);
}

// Parameters, and what follows from them for all tasks, can be more than the scalar registers hold:
// they are read again where they are used. Buffers that are function arguments are known not to
// overlap, so they stay that where they are few.
static void place_params(cg_kernel *k) {
  enum { HELD_BUFFERS = 16 };
  if (k->gpu->slots == NULL) {
    return;
  }
  int buffers = 0;
  for (int i = 0; i < k->kernel->param_count; i++) {
    buffers += k->kernel->params[i].is_buffer;
  }
  k->slots = k->gpu->slots(k);
  for (int i = 0; i < k->kernel->param_count; i++) {
    const kir_param *param = &k->kernel->params[i];
    const bool held = param->is_buffer && buffers <= HELD_BUFFERS;
    k->values[param->value].slot = held ? 0 : i + 1;
  }
}

// for (task = worker; task < tasks; task += workers) body
static void emit_tasks(cg_kernel *k, LLVMValueRef worker) {
  cg *c = k->c;
  LLVMBuilderRef b = c->builder;
  const unsigned hidden = (unsigned)k->kernel->param_count;
  LLVMValueRef tasks = LLVMGetParam(k->function, hidden + HIDDEN_TASKS);
  LLVMValueRef workers = LLVMGetParam(k->function, hidden + HIDDEN_WORKERS);
  LLVMBasicBlockRef loop = cg_block(c, "task"), leave = cg_block(c, "leave");
  LLVMBasicBlockRef before = LLVMGetInsertBlock(b);
  LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, worker, tasks, ""), loop, leave);
  LLVMPositionBuilderAtEnd(b, loop);
  k->task = LLVMBuildPhi(b, c->i64, "task");
  LLVMAddIncoming(k->task, &worker, &before, 1);
  LLVMValueRef counter = k->task;
  k->task = cg_gpu_counter(k, counter, NULL);
  place_params(k);
  if (k->kernel->warps > 1 && k->gpu->thread_again != NULL && load_of(k->kernel) == CG_GPU_HEAVY) {
    take_place(k, k->gpu->thread_again(k));
  }
  if (!cg_gpu_tasks_meet(k->kernel)) {
    k->order = cg_gpu_order_of(k, &k->kernel->body);  // of the task before
  }
  cg_emit_block(k, &k->kernel->body);
  if (c->failed) {
    return;
  }
  cg_gpu_end_task(k);
  if (k->slots != NULL) {
    workers = argument(k, (int)hidden + HIDDEN_WORKERS, c->i64);
    tasks = argument(k, (int)hidden + HIDDEN_TASKS, c->i64);
  }
  LLVMValueRef next = LLVMBuildAdd(b, counter, workers, "");
  LLVMBasicBlockRef again = cg_block(c, "again");
  LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, next, tasks, ""), again, leave);
  LLVMPositionBuilderAtEnd(b, again);
  cg_gpu_next_task(k);
  LLVMBasicBlockRef latch = LLVMGetInsertBlock(b);
  LLVMAddIncoming(counter, &next, &latch, 1);
  LLVMBuildBr(b, loop);
  LLVMPositionBuilderAtEnd(b, leave);
  LLVMBuildRetVoid(b);
}

// Names come from the model: what could end a line of comment, or is no ASCII, is written in
// numbers.
static const char *escaped(cg *c, const char *text) {
  const size_t size = strlen(text);
  char *out = aicc_arena_alloc(c->arena, 4 * size + 1), *at = out;
  for (size_t i = 0; i < size; i++) {
    const unsigned char byte = (unsigned char)text[i];
    const bool plain = byte >= ' ' && byte < 0x7f && byte != '"' && byte != '\\';
    at += snprintf(at, 5, plain ? "%c" : "\\x%02x", byte);
  }
  *at = 0;
  return out;
}

// aicc: SYMBOL from "node" Op, "node" Op
static void note_origins(cg_kernel *k, const char *symbol) {
  cg *c = k->c;
  const char *text = "";
  for (int i = 0; i < k->kernel->origin_count; i++) {
    const aicc_origin *origin = &k->kernel->origins[i];
    text = aicc_arena_printf(c->arena, "%s%s \"%s\" %s", text, i == 0 ? " from" : ",",
                             escaped(c, origin->node), escaped(c, origin->op));
  }
  c->notes = aicc_arena_printf(c->arena, "%s// aicc: %s%s\n", c->notes, symbol, text);
}

static bool fits_machine(cg_kernel *k, uint64_t local_bytes) {
  const aicc_machine *machine = &k->c->target->machine;
  const uint64_t bytes = shared_bytes(k->kernel, local_bytes);
  if (k->kernel->warps > 1 && bytes > (uint64_t)machine->shared_bytes) {
    cg_fail(k->c, k->kernel,
            "its local buffers take %llu bytes of shared memory, of %lld there are",
            (unsigned long long)bytes, (long long)machine->shared_bytes);
    return false;
  }
  if (k->kernel->warps > machine->warps_max) {
    cg_fail(k->c, k->kernel, "its tasks take %d warps each, of at most %d", k->kernel->warps,
            machine->warps_max);
    return false;
  }
  return true;
}

aicc_status cg_emit_gpu_kernel(cg_kernel *k, const char *symbol, uint64_t local_bytes) {
  cg *c = k->c;
  if (!fits_machine(k, local_bytes)) {
    return AICC_UNSUPPORTED;
  }
  note_origins(k, symbol);
  add_function(k, symbol);
  k->entry = LLVMAppendBasicBlockInContext(c->context, k->function, "entry");
  LLVMBasicBlockRef start = LLVMAppendBasicBlockInContext(c->context, k->function, "start");
  LLVMPositionBuilderAtEnd(c->builder, start);
  bind_params(k);
  const thread t = find_thread(k);
  place_local(k, &t, symbol, local_bytes);
  emit_tasks(k, t.worker);
  LLVMPositionBuilderAtEnd(c->builder, k->entry);
  LLVMBuildBr(c->builder, start);
  return c->failed ? AICC_UNSUPPORTED : AICC_OK;
}
