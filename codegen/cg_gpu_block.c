// Blocks of warps on a GPU: barriers, vector accesses, asynchronous copies, matrices, exchanges.
#include "codegen/cg_gpu.h"

static LLVMValueRef place_of(cg_kernel *k, kir_val buffer, kir_val index) {
  LLVMTypeRef type = cg_memory_type(k->c, k->kernel->values[buffer].dtype);
  LLVMValueRef at = cg_use(k, index);
  return LLVMBuildGEP2(k->c->builder, type, cg_use(k, buffer), &at, 1, "");
}

// Element |i| of those of array operand |which| that take part.
static LLVMValueRef array_place(cg_kernel *k, const kir_inst *inst, int which, int i) {
  const kir_val array = inst->arrays[which];
  LLVMValueRef at = cg_int(k->c, inst->at[which] + i);
  return LLVMBuildGEP2(k->c->builder, cg_value_type(k, array), k->values[array].v, &at, 1, "");
}

static LLVMValueRef get_element(cg_kernel *k, const kir_inst *inst, int which, int i) {
  LLVMTypeRef type = cg_value_type(k, inst->arrays[which]);
  return LLVMBuildLoad2(k->c->builder, type, array_place(k, inst, which, i), "");
}

static void set_element(cg_kernel *k, const kir_inst *inst, int i, LLVMValueRef value) {
  LLVMBuildStore(k->c->builder, value, array_place(k, inst, 0, i));
}

// --- vectors -------------------------------------------------------------------------------------

typedef struct vector {
  aicc_dtype dtype;
  int count;
  LLVMTypeRef element, elements;  // in memory
  LLVMTypeRef words;              // as it is moved: of small elements 32 bits at a time
  unsigned align;
} vector;

static vector vector_of(cg *c, aicc_dtype dtype, int count) {
  const unsigned bytes = (unsigned)(aicc_dtype_size(dtype) * (size_t)count);
  vector v = {.dtype = dtype, .count = count, .element = cg_memory_type(c, dtype), .align = bytes};
  v.elements = count == 1 ? v.element : LLVMVectorType(v.element, (unsigned)count);
  v.words = v.elements;
  if (count > 1 && aicc_dtype_size(dtype) < 4) {
    v.words = bytes == 4 ? c->i32 : LLVMVectorType(c->i32, bytes / 4);
  }
  return v;
}

static LLVMValueRef load_vector(cg_kernel *k, const vector *v, LLVMValueRef place) {
  LLVMValueRef words = LLVMBuildLoad2(k->c->builder, v->words, place, "");
  LLVMSetAlignment(words, v->align);
  return words;
}

static void store_vector(cg_kernel *k, const vector *v, LLVMValueRef words, LLVMValueRef place) {
  LLVMSetAlignment(LLVMBuildStore(k->c->builder, words, place), v->align);
}

static LLVMValueRef part_of(cg_kernel *k, const vector *v, LLVMValueRef elements, int i) {
  LLVMBuilderRef b = k->c->builder;
  LLVMValueRef one =
      v->count == 1 ? elements : LLVMBuildExtractElement(b, elements, cg_int(k->c, i), "");
  return v->dtype == AICC_BOOL
             ? LLVMBuildICmp(b, LLVMIntNE, one, LLVMConstInt(v->element, 0, false), "")
             : one;
}

void cg_gpu_vload(cg_kernel *k, const kir_inst *inst) {
  cg *c = k->c;
  const vector v = vector_of(c, k->kernel->values[inst->buffer].dtype, inst->count);
  if (!cg_is_varying(k, inst->arrays[0]) && k->divergent > 0 &&
      !k->values[inst->arrays[0]].divergent) {
    cg_fail(c, k->kernel, "a uniform array that is set where not all lanes run");
    return;
  }
  cg_gpu_order(k, inst->buffer, NULL, false);
  LLVMValueRef words = load_vector(k, &v, place_of(k, inst->buffer, inst->args[0]));
  LLVMValueRef elements = LLVMBuildBitCast(c->builder, words, v.elements, "");
  for (int i = 0; i < inst->count; i++) {
    set_element(k, inst, i, part_of(k, &v, elements, i));
  }
}

void cg_gpu_vstore(cg_kernel *k, const kir_inst *inst) {
  cg *c = k->c;
  LLVMBuilderRef b = c->builder;
  const vector v = vector_of(c, k->kernel->values[inst->buffer].dtype, inst->count);
  cg_gpu_order(k, inst->buffer, NULL, true);
  LLVMValueRef elements = LLVMGetPoison(v.elements);
  for (int i = 0; i < inst->count; i++) {
    LLVMValueRef one = get_element(k, inst, 0, i);
    one = v.dtype == AICC_BOOL ? LLVMBuildZExt(b, one, v.element, "") : one;
    elements = v.count == 1 ? one : LLVMBuildInsertElement(b, elements, one, cg_int(c, i), "");
  }
  store_vector(k, &v, LLVMBuildBitCast(b, elements, v.words, ""),
               place_of(k, inst->buffer, inst->args[0]));
}

// --- asynchronous copies -------------------------------------------------------------------------

// Without the instruction: the lane loads and stores, and every group has landed at once.
static void copy_now(cg_kernel *k, const vector *v, LLVMValueRef to, LLVMValueRef from,
                     LLVMValueRef guard) {
  LLVMBuilderRef b = k->c->builder;
  if (guard == NULL) {
    store_vector(k, v, load_vector(k, v, from), to);
    return;
  }
  LLVMBasicBlockRef before = LLVMGetInsertBlock(b), load = cg_block(k->c, "copy");
  LLVMBasicBlockRef after = cg_block(k->c, "copied");
  LLVMBuildCondBr(b, guard, load, after);
  LLVMPositionBuilderAtEnd(b, load);
  LLVMValueRef values[] = {LLVMConstNull(v->words), load_vector(k, v, from)};
  cg_jump(k->c, after);
  LLVMValueRef words = LLVMBuildPhi(b, v->words, "");
  LLVMAddIncoming(words, values, (LLVMBasicBlockRef[]){before, load}, 2);
  store_vector(k, v, words, to);
}

static bool is_async(const cg_kernel *k) {
  return k->gpu->copy != NULL && k->c->target->machine.async_copy;
}

void cg_gpu_copy(cg_kernel *k, const kir_inst *inst) {
  const aicc_dtype dtype = k->kernel->values[inst->buffer].dtype;
  const vector v = vector_of(k->c, dtype, inst->count);
  cg_gpu_order(k, inst->source, NULL, false);
  cg_gpu_order_copy(k, inst->buffer);
  LLVMValueRef to = place_of(k, inst->buffer, inst->args[0]);
  LLVMValueRef from = place_of(k, inst->source, inst->args[1]);
  LLVMValueRef guard = inst->arg_count == 3 ? cg_use(k, inst->args[2]) : NULL;
  if (!is_async(k)) {
    copy_now(k, &v, to, from, guard);
  } else if (!k->shared) {
    cg_fail(k->c, k->kernel, "asynchronous copies to local buffers that do not fit shared memory");
  } else {
    k->gpu->copy(k, to, from, v.align, guard);
  }
}

void cg_gpu_commit(cg_kernel *k) {
  if (is_async(k)) {
    k->gpu->commit(k);
  }
}

void cg_gpu_wait(cg_kernel *k, const kir_inst *inst) {
  if (is_async(k)) {
    k->gpu->wait(k, (int64_t)inst->imm);
  }
  k->order.store = true;
}

static bool has_op(const kir_block *block, kir_op op) {
  for (const kir_inst *inst = block->first; inst != NULL; inst = inst->next) {
    if (inst->op == op || has_op(&inst->blocks[0], op) || has_op(&inst->blocks[1], op)) {
      return true;
    }
  }
  return false;
}

bool cg_gpu_has_mma(const kir_kernel *kernel) { return has_op(&kernel->body, KIR_MMA); }

bool cg_gpu_tasks_meet(const kir_kernel *kernel) {
  return kernel->warps > 1 && has_op(&kernel->body, KIR_LOCAL);
}

void cg_gpu_end_task(cg_kernel *k) {
  if (is_async(k) && has_op(&k->kernel->body, KIR_COPY_ASYNC)) {
    k->gpu->wait(k, -1);
  }
}

void cg_gpu_next_task(cg_kernel *k) {
  if (cg_gpu_tasks_meet(k->kernel)) {
    k->gpu->barrier(k);
  }
}

// --- where all lanes take part -------------------------------------------------------------------

static bool all_lanes_run(cg_kernel *k, const char *what) {
  if (k->divergent > 0) {
    cg_fail(k->c, k->kernel, "%s where not all lanes run", what);
  }
  return k->divergent == 0;
}

void cg_gpu_barrier(cg_kernel *k) {
  if (k->kernel->warps > 1 && all_lanes_run(k, "a barrier")) {
    k->gpu->barrier(k);
    k->order = (cg_order){0};
  }
}

void cg_gpu_ldmatrix(cg_kernel *k, const kir_inst *inst) {
  LLVMValueRef out[4];
  if (k->gpu->ldmatrix == NULL || !k->shared) {
    cg_fail(k->c, k->kernel,
            k->shared ? "the target has no 'ldmatrix'"
                      : "'ldmatrix' of local buffers that do not fit shared memory");
    return;
  }
  if (!all_lanes_run(k, "'ldmatrix'")) {
    return;
  }
  cg_gpu_order(k, inst->buffer, NULL, false);
  k->gpu->ldmatrix(k, inst->count, inst->transposed, place_of(k, inst->buffer, inst->args[0]), out);
  for (int i = 0; i < inst->count; i++) {
    set_element(k, inst, i, out[i]);
  }
}

void cg_gpu_mma(cg_kernel *k, const kir_inst *inst) {
  const kir_mma_info *mma = &kir_mma_infos[inst->mma];
  if (k->gpu->mma == NULL || (k->c->target->machine.mma >> inst->mma & 1u) == 0) {
    cg_fail(k->c, k->kernel, "the target has no matrix instruction %s", mma->mnemonic);
    return;
  }
  if (!all_lanes_run(k, "'mma'")) {
    return;
  }
  LLVMValueRef a[4], b[2], d[4];
  for (int i = 0; i < mma->a_registers; i++) {
    a[i] = get_element(k, inst, 1, i);
  }
  for (int i = 0; i < mma->b_registers; i++) {
    b[i] = get_element(k, inst, 2, i);
  }
  for (int i = 0; i < mma->d_registers; i++) {
    d[i] = get_element(k, inst, 0, i);
  }
  k->gpu->mma(k, inst->mma, a, b, d);
  for (int i = 0; i < mma->d_registers; i++) {
    set_element(k, inst, i, d[i]);
  }
}

void cg_gpu_power2(cg_kernel *k, const kir_inst *inst) {
  if (k->gpu->power2 == NULL) {
    cg_fail(k->c, k->kernel, "the target has no instruction for powers of two");
    return;
  }
  LLVMValueRef x = cg_use(k, inst->args[0]);
  LLVMTypeRef type = LLVMTypeOf(x);
  cg_set_value(k, inst->result, cg_intrinsic(k->c, k->gpu->power2, &type, 1, &x, 1));
}

void cg_gpu_exchange(cg_kernel *k, const kir_inst *inst) {
  if (all_lanes_run(k, "an exchange between lanes")) {
    cg_set_value(k, inst->result, cg_gpu_moved(k, cg_use(k, inst->args[0]), (int)inst->imm));
  }
}
