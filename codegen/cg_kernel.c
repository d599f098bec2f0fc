// One kernel as an LLVM function: parameters, the loop over tasks, and the dispatch of
// instructions.
//
// CPU: the exported function reads the argument block and calls an internal one that takes the
// parameters themselves: so that LLVM knows that no two buffers overlap (noalias).
#include <stdio.h>
#include <string.h>

#include "codegen/cg_gpu.h"

// --- types and values ---------------------------------------------------------------------------

LLVMTypeRef cg_element_type(cg *c, aicc_dtype dtype) {
  switch (dtype) {
    case AICC_F32: return c->f32;
    case AICC_F64: return c->f64;
    case AICC_BOOL: return c->i1;
    default: break;
  }
  switch (aicc_dtype_size(dtype)) {  // small floats, strings and complex numbers travel as bits
    case 1: return c->i8;
    case 2: return c->i16;
    case 4: return c->i32;
    case 16: return LLVMIntTypeInContext(c->context, 128);
    default: return c->i64;
  }
}

LLVMTypeRef cg_memory_type(cg *c, aicc_dtype dtype) {
  return dtype == AICC_BOOL ? c->i8 : cg_element_type(c, dtype);
}

LLVMTypeRef cg_lane_type(cg_kernel *k, LLVMTypeRef element) {
  return k->lanes > 1 ? LLVMVectorType(element, (unsigned)k->lanes) : element;
}

bool cg_is_varying(const cg_kernel *k, kir_val v) { return k->kernel->values[v].varying; }

LLVMTypeRef cg_value_type(cg_kernel *k, kir_val v) {
  const kir_value_info *info = &k->kernel->values[v];
  LLVMTypeRef element = cg_element_type(k->c, info->dtype);
  return info->varying ? cg_lane_type(k, element) : element;
}

LLVMValueRef cg_splat(cg_kernel *k, LLVMValueRef scalar) {
  if (k->lanes == 1) {
    return scalar;
  }
  LLVMTypeRef type = LLVMVectorType(LLVMTypeOf(scalar), (unsigned)k->lanes);
  LLVMValueRef poison = LLVMGetPoison(type);
  LLVMValueRef one =
      LLVMBuildInsertElement(k->c->builder, poison, scalar, cg_int(k->c, 0), "");
  LLVMValueRef zeros = LLVMConstNull(LLVMVectorType(k->c->i32, (unsigned)k->lanes));
  return LLVMBuildShuffleVector(k->c->builder, one, poison, zeros, "");
}

LLVMValueRef cg_lane_ids(cg_kernel *k, LLVMTypeRef element) {
  LLVMValueRef ids[256];
  AICC_ASSERT(k->lanes > 1 && k->lanes <= 256);
  for (int i = 0; i < k->lanes; i++) {
    ids[i] = LLVMConstInt(element, (unsigned long long)i, false);
  }
  return LLVMConstVector(ids, (unsigned)k->lanes);
}

LLVMValueRef cg_use(cg_kernel *k, kir_val v) {
  const cg_value *value = &k->values[v];
  if (value->slot != 0) {
    return cg_gpu_argument(k, v);
  }
  if (!value->affine) {
    AICC_ASSERT(value->v != NULL);
    return value->v;
  }
  LLVMValueRef base = cg_splat(k, value->base);
  if (value->stride == 0) {
    return base;
  }
  LLVMValueRef stride = cg_const_like(LLVMTypeOf(base), (uint64_t)value->stride);
  LLVMValueRef steps = LLVMBuildMul(k->c->builder, cg_lane_ids(k, k->c->i64), stride, "");
  return LLVMBuildAdd(k->c->builder, base, steps, "");
}

LLVMValueRef cg_use_as(cg_kernel *k, kir_val v, bool varying) {
  LLVMValueRef value = cg_use(k, v);
  return varying && !cg_is_varying(k, v) ? cg_splat(k, value) : value;
}

void cg_set_value(cg_kernel *k, kir_val v, LLVMValueRef value) {
  k->values[v].v = value;
  k->values[v].affine = false;
}

void cg_set_affine(cg_kernel *k, kir_val v, LLVMValueRef base, int64_t stride) {
  k->values[v] = (cg_value){.base = base, .stride = stride, .affine = true};
}

LLVMValueRef cg_entry_alloca(cg_kernel *k, LLVMTypeRef type, uint64_t count) {
  LLVMBasicBlockRef here = LLVMGetInsertBlock(k->c->builder);
  LLVMValueRef first = LLVMGetFirstInstruction(k->entry);
  if (first != NULL) {
    LLVMPositionBuilderBefore(k->c->builder, first);
  } else {
    LLVMPositionBuilderAtEnd(k->c->builder, k->entry);
  }
  LLVMTypeRef whole = count == 1 ? type : LLVMArrayType2(type, count);
  LLVMValueRef place = LLVMBuildAlloca(k->c->builder, whole, "");
  LLVMPositionBuilderAtEnd(k->c->builder, here);
  return place;
}

// --- instructions -------------------------------------------------------------------------------

static void emit_const(cg_kernel *k, const kir_inst *inst) {
  const aicc_dtype dtype = k->kernel->values[inst->result].dtype;
  LLVMTypeRef type = cg_element_type(k->c, dtype);
  if (dtype != AICC_F32 && dtype != AICC_F64) {
    cg_set_value(k, inst->result, LLVMConstInt(type, inst->imm, false));
    return;
  }
  LLVMTypeRef bits = dtype == AICC_F32 ? k->c->i32 : k->c->i64;
  cg_set_value(k, inst->result, LLVMConstBitCast(LLVMConstInt(bits, inst->imm, false), type));
}

static void emit_fma(cg_kernel *k, const kir_inst *inst) {
  const bool varying = cg_is_varying(k, inst->result);
  const aicc_dtype dtype = k->kernel->values[inst->result].dtype;
  LLVMValueRef args[3];
  for (int i = 0; i < 3; i++) {
    args[i] = cg_use_as(k, inst->args[i], varying);
  }
  if (!aicc_dtype_is_float(dtype)) {
    LLVMValueRef product = cg_binary(k, AICC_OP_MUL, dtype, args[0], args[1]);
    cg_set_value(k, inst->result, cg_binary(k, AICC_OP_ADD, dtype, product, args[2]));
    return;
  }
  LLVMTypeRef type = LLVMTypeOf(args[0]);
  cg_set_value(k, inst->result, cg_intrinsic(k->c, "llvm.fma", &type, 1, args, 3));
}

static void emit_lane(cg_kernel *k, const kir_inst *inst) {
  if (k->gpu != NULL) {
    cg_set_value(k, inst->result, k->lane);
  } else {
    cg_set_affine(k, inst->result, cg_int(k->c, 0), 1);
  }
}

static void emit_warp(cg_kernel *k, const kir_inst *inst) {
  cg_set_value(k, inst->result, k->gpu != NULL ? k->warp : cg_int(k->c, 0));
}

// What only GPUs have.
static void emit_block_inst(cg_kernel *k, const kir_inst *inst) {
  if (k->gpu == NULL) {
    cg_fail(k->c, k->kernel, "kernels of vectors, copies and matrices are for GPUs");
    return;
  }
  switch (inst->op) {
    case KIR_VLOAD: cg_gpu_vload(k, inst); return;
    case KIR_VSTORE: cg_gpu_vstore(k, inst); return;
    case KIR_COPY_ASYNC: cg_gpu_copy(k, inst); return;
    case KIR_COMMIT: cg_gpu_commit(k); return;
    case KIR_WAIT: cg_gpu_wait(k, inst); return;
    case KIR_LDMATRIX: cg_gpu_ldmatrix(k, inst); return;
    case KIR_MMA: cg_gpu_mma(k, inst); return;
    case KIR_EXCHANGE: cg_gpu_exchange(k, inst); return;
    case KIR_POWER2: cg_gpu_power2(k, inst); return;
    default: AICC_ASSERT(false && "every instruction has an emitter");
  }
}

static void emit_inst(cg_kernel *k, const kir_inst *inst) {
  switch (inst->op) {
    case KIR_CONST: emit_const(k, inst); return;
    case KIR_SCALAR: cg_emit_scalar(k, inst); return;
    case KIR_FMA: emit_fma(k, inst); return;
    case KIR_DOT4: cg_emit_dot4(k, inst); return;
    case KIR_PREFETCH: cg_emit_prefetch(k, inst); return;
    case KIR_TASK: cg_set_value(k, inst->result, k->task); return;
    case KIR_LANE: emit_lane(k, inst); return;
    case KIR_WARP: emit_warp(k, inst); return;
    case KIR_LOAD:
    case KIR_LOAD_OR:
    case KIR_WORD: cg_emit_load(k, inst); return;
    case KIR_STORE: cg_emit_store(k, inst); return;
    case KIR_ATOMIC: cg_emit_atomic(k, inst); return;
    case KIR_REDUCE: cg_emit_reduce(k, inst); return;
    case KIR_FOR: cg_emit_for(k, inst); return;
    case KIR_WHILE: cg_emit_while(k, inst); return;
    case KIR_IF: cg_emit_if(k, inst); return;
    case KIR_COND: return;  // read by its while
    case KIR_BARRIER:       // a task of one warp is in lock step
      if (k->gpu != NULL) {
        cg_gpu_barrier(k);
      }
      return;
    case KIR_VAR:
    case KIR_GET:
    case KIR_SET:
    case KIR_ARRAY:
    case KIR_AGET:
    case KIR_ASET:
    case KIR_LOCAL: cg_emit_variable(k, inst); return;
    default: emit_block_inst(k, inst); return;
  }
}

void cg_emit_block(cg_kernel *k, const kir_block *block) {
  for (const kir_inst *inst = block->first; inst != NULL && !k->c->failed; inst = inst->next) {
    emit_inst(k, inst);
  }
}

// --- functions ----------------------------------------------------------------------------------

static LLVMTypeRef param_type(cg *c, const kir_param *param) {
  return param->is_buffer ? c->ptr : cg_element_type(c, param->dtype);
}

// void(i64 begin, i64 end, ptr scratch, parameters...)
static LLVMValueRef add_body_function(cg_kernel *k, const char *name, LLVMTypeRef *type) {
  cg *c = k->c;
  const int count = k->kernel->param_count + 3;
  LLVMTypeRef *types = AICC_NEW_ARRAY(c->arena, LLVMTypeRef, count);
  types[0] = types[1] = c->i64;
  types[2] = c->ptr;
  for (int i = 0; i < k->kernel->param_count; i++) {
    types[i + 3] = param_type(c, &k->kernel->params[i]);
  }
  *type = LLVMFunctionType(c->nothing, types, (unsigned)count, false);
  LLVMValueRef function = LLVMAddFunction(c->module, name, *type);
  LLVMSetLinkage(function, LLVMInternalLinkage);
  for (int i = 2; i < count; i++) {
    if (types[i] == c->ptr) {
      cg_add_attribute(c, function, (unsigned)i + 1, "noalias", 0);
      cg_add_attribute(c, function, (unsigned)i + 1, "nofree", 0);
    }
  }
  return function;
}

static void set_cpu_attributes(cg_kernel *k, LLVMValueRef function) {
  char bits[16];
  snprintf(bits, sizeof bits, "%d", k->c->target->machine.width * 32);
  cg_add_string_attribute(k->c, function, "prefer-vector-width", bits);
  cg_add_string_attribute(k->c, function, "min-legal-vector-width", bits);
  cg_add_string_attribute(k->c, function, "no-builtins", "true");
  cg_add_attribute(k->c, function, (unsigned)LLVMAttributeFunctionIndex, "nounwind", 0);
}

// Slot |index| of the argument block.
static LLVMValueRef load_arg(cg *c, LLVMValueRef block, int index, LLVMTypeRef type) {
  LLVMValueRef offset = cg_int(c, index * 8);
  LLVMValueRef place = LLVMBuildGEP2(c->builder, c->i8, block, &offset, 1, "");
  if (type == c->i1) {
    LLVMValueRef byte = LLVMBuildLoad2(c->builder, c->i8, place, "");
    return LLVMBuildTrunc(c->builder, byte, c->i1, "");
  }
  return LLVMBuildLoad2(c->builder, type, place, "");
}

// The exported function: void(ptr args, i64 begin, i64 end, ptr scratch).
static void emit_entry(cg_kernel *k, const char *symbol, LLVMValueRef body, LLVMTypeRef body_type) {
  cg *c = k->c;
  LLVMTypeRef types[] = {c->ptr, c->i64, c->i64, c->ptr};
  LLVMValueRef function =
      LLVMAddFunction(c->module, symbol, LLVMFunctionType(c->nothing, types, 4, false));
  LLVMSetVisibility(function, LLVMHiddenVisibility);
  set_cpu_attributes(k, function);
  LLVMPositionBuilderAtEnd(c->builder,
                           LLVMAppendBasicBlockInContext(c->context, function, "entry"));
  const int count = k->kernel->param_count + 3;
  LLVMValueRef *args = AICC_NEW_ARRAY(c->arena, LLVMValueRef, count);
  args[0] = LLVMGetParam(function, 1);
  args[1] = LLVMGetParam(function, 2);
  args[2] = LLVMGetParam(function, 3);
  for (int i = 0; i < k->kernel->param_count; i++) {
    args[i + 3] = load_arg(c, LLVMGetParam(function, 0), i, param_type(c, &k->kernel->params[i]));
  }
  LLVMBuildCall2(c->builder, body_type, body, args, (unsigned)count, "");
  LLVMBuildRetVoid(c->builder);
}

// for (task = begin; task < end; task++) body
static void emit_tasks(cg_kernel *k) {
  cg *c = k->c;
  LLVMValueRef begin = LLVMGetParam(k->function, 0), end = LLVMGetParam(k->function, 1);
  LLVMBasicBlockRef loop = LLVMAppendBasicBlockInContext(c->context, k->function, "task");
  LLVMBasicBlockRef leave = LLVMAppendBasicBlockInContext(c->context, k->function, "leave");
  LLVMPositionBuilderAtEnd(c->builder, loop);
  k->task = LLVMBuildPhi(c->builder, c->i64, "task");
  LLVMAddIncoming(k->task, &begin, &k->entry, 1);
  cg_emit_block(k, &k->kernel->body);
  LLVMValueRef next = LLVMBuildAdd(c->builder, k->task, cg_int(c, 1), "");
  LLVMBasicBlockRef latch = LLVMGetInsertBlock(c->builder);
  LLVMAddIncoming(k->task, &next, &latch, 1);
  LLVMBuildCondBr(c->builder, LLVMBuildICmp(c->builder, LLVMIntSLT, next, end, ""), loop, leave);
  LLVMPositionBuilderAtEnd(c->builder, leave);
  LLVMBuildRetVoid(c->builder);
  LLVMPositionBuilderAtEnd(c->builder, k->entry);
  LLVMBuildCondBr(c->builder, LLVMBuildICmp(c->builder, LLVMIntSLT, begin, end, ""), loop, leave);
}

static aicc_status emit_cpu_kernel(cg_kernel *k, const char *symbol) {
  cg *c = k->c;
  LLVMTypeRef type = NULL;
  const char *name = aicc_arena_printf(c->arena, "%s.tasks", symbol);
  k->function = add_body_function(k, name, &type);
  set_cpu_attributes(k, k->function);
  k->entry = LLVMAppendBasicBlockInContext(c->context, k->function, "entry");
  k->scratch = LLVMGetParam(k->function, 2);
  for (int i = 0; i < k->kernel->param_count; i++) {
    cg_set_value(k, k->kernel->params[i].value, LLVMGetParam(k->function, (unsigned)i + 3));
  }
  emit_tasks(k);
  if (c->failed) {
    return AICC_UNSUPPORTED;
  }
  emit_entry(k, symbol, k->function, type);
  return AICC_OK;
}

static uint64_t local_bytes(const kir_kernel *kernel, const kir_block *block) {
  uint64_t bytes = 0;
  for (const kir_inst *inst = block->first; inst != NULL; inst = inst->next) {
    bytes += inst->op == KIR_LOCAL ? cg_local_bytes(kernel, inst) : 0;
    bytes += local_bytes(kernel, &inst->blocks[0]) + local_bytes(kernel, &inst->blocks[1]);
  }
  return bytes;
}

cg_kernel_info cg_kernel_info_of(const cg_target *target, const kir_kernel *kernel) {
  const uint64_t bytes = local_bytes(kernel, &kernel->body);
  if (cg_gpu_of(target) != NULL) {
    return cg_gpu_kernel_info(target, kernel, bytes);
  }
  return (cg_kernel_info){
      .arg_bytes = (uint32_t)kernel->param_count * 8,
      .scratch_bytes = (uint32_t)bytes,
  };
}

aicc_status cg_emit_kernel(cg *c, const kir_kernel *kernel, const char *symbol) {
  const int width = kernel->width > 0 ? kernel->width : c->target->machine.width;
  const cg_gpu *gpu = cg_gpu_of(c->target);
  cg_kernel k = {
      .c = c,
      .kernel = kernel,
      .width = width,
      .lanes = gpu == NULL ? width : 1,
      .gpu = gpu,
      .values = AICC_NEW_ARRAY(c->arena, cg_value, kernel->value_count),
  };
  if (gpu != NULL && width != c->target->machine.width) {
    cg_fail(c, kernel, "it was scheduled for warps of %d lanes", width);
    return AICC_UNSUPPORTED;
  }
  if (gpu == NULL && kernel->warps > 1) {
    cg_fail(c, kernel, "tasks of %d warps are for GPUs", kernel->warps);
    return AICC_UNSUPPORTED;
  }
  const uint64_t bytes = local_bytes(kernel, &kernel->body);
  if (bytes > UINT32_MAX / 2) {
    cg_fail(c, kernel, "more than 2 GiB of local memory");
    return AICC_UNSUPPORTED;
  }
  return gpu != NULL ? cg_emit_gpu_kernel(&k, symbol, bytes) : emit_cpu_kernel(&k, symbol);
}
