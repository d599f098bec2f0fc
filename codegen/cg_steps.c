// The steps of a plan as code.
#include <limits.h>
#include <string.h>

#include "codegen/cg_host.h"

static LLVMValueRef i32(cg *c, uint32_t value) { return LLVMConstInt(c->i32, value, false); }

static LLVMValueRef is_true(cg_host *h, aicc_dim dim) {
  return LLVMBuildICmp(h->c->builder, LLVMIntNE, cg_dim(h, dim), cg_int(h->c, 0), "");
}

// --- kernels and memory --------------------------------------------------------------------------

static void emit_launch(cg_host *h, const aicc_step *step) {
  cg *c = h->c;
  for (int i = 0; i < step->arg_count; i++) {
    const aicc_step_arg *arg = &step->args[i];
    LLVMValueRef value = arg->is_slot ? cg_slot_pointer(h, arg->slot) : cg_dim(h, arg->dim);
    LLVMBuildStore(c->builder, value, cg_host_element(h, c->i64, h->block, i));
  }
  LLVMValueRef grid = cg_dim(h, step->grid);
  LLVMValueRef cost = step->cost != AICC_DIM_NONE ? cg_dim(h, step->cost) : cg_int(c, 0);
  LLVMValueRef args[] = {i32(c, step->kernel), grid, h->block, cost};
  cg_host_call(h, CG_HOST_LAUNCH, args, 4);
}

static void emit_segment(cg_host *h, uint32_t segment) {
  cg *c = h->c;
  const aicc_plan *plan = h->plan;
  uint32_t count = 0;
  for (size_t i = 0; i < plan->slot_count; i++) {
    count += plan->slots[i].kind == AICC_SLOT_BUFFER && plan->slots[i].segment == segment;
  }
  LLVMValueRef sizes = cg_host_alloca(h, c->i64, count > 0 ? count : 1);
  for (size_t i = 0; i < plan->slot_count; i++) {
    const aicc_slot_info *info = &plan->slots[i];
    if (info->kind == AICC_SLOT_BUFFER && info->segment == segment) {
      LLVMBuildStore(c->builder, cg_dim(h, info->bytes),
                     cg_host_element(h, c->i64, sizes, h->position[i]));
    }
  }
  LLVMValueRef args[] = {i32(c, segment), sizes, h->addresses[segment]};
  cg_host_call(h, CG_HOST_PLAN, args, 3);
}

static void emit_output(cg_host *h, const aicc_step *step) {
  cg *c = h->c;
  const aicc_slot_info *info = &h->plan->slots[step->slot];
  LLVMValueRef dims = cg_store_dims(h, info->type.dims, info->type.rank);
  LLVMValueRef args[] = {i32(c, info->index), i32(c, (uint32_t)info->type.rank), dims,
                         h->slots[step->slot]};
  cg_host_call(h, CG_HOST_OUTPUT, args, 4);
}

static void emit_copy(cg_host *h, const aicc_step *step) {
  cg *c = h->c;
  LLVMValueRef to = cg_slot_pointer(h, step->slot);
  if (step->offset != AICC_DIM_NONE) {
    LLVMValueRef offset = cg_dim(h, step->offset);
    to = LLVMBuildGEP2(c->builder, c->i8, to, &offset, 1, "");
  }
  LLVMValueRef args[] = {to, cg_slot_pointer(h, step->slot2), cg_dim(h, step->dim)};
  cg_host_call(h, CG_HOST_COPY, args, 3);
}

// --- sizes ---------------------------------------------------------------------------------------

static void emit_def_dim(cg_host *h, const aicc_step *step) {
  cg *c = h->c;
  const aicc_dtype dtype = h->plan->slots[step->slot].type.dtype;
  AICC_ASSERT(aicc_dtype_is_int(dtype) || dtype == AICC_BOOL);
  LLVMTypeRef type = cg_memory_type(c, dtype);
  LLVMValueRef place = cg_host_alloca(h, c->i64, 1);
  LLVMValueRef from = cg_host_element(h, type, cg_slot_pointer(h, step->slot), step->index);
  LLVMValueRef args[] = {place, from, cg_int(c, (int64_t)aicc_dtype_size(dtype))};
  cg_host_call(h, CG_HOST_READ, args, 3);
  LLVMValueRef value = LLVMBuildLoad2(c->builder, type, place, "");
  const bool is_signed = aicc_dtype_kind_of(dtype) == AICC_KIND_SIGNED;
  cg_define_symbol(h, step->symbol, LLVMBuildIntCast2(c->builder, value, c->i64, is_signed, ""));
}

static void emit_write_dims(cg_host *h, const aicc_step *step) {
  cg *c = h->c;
  const aicc_dtype dtype = h->plan->slots[step->slot].type.dtype;
  LLVMTypeRef type = cg_memory_type(c, dtype);
  const uint64_t count = step->dim_count > 0 ? (uint64_t)step->dim_count : 1;
  LLVMValueRef array = cg_host_alloca(h, type, count);
  for (int i = 0; i < step->dim_count; i++) {
    LLVMValueRef value = cg_dim(h, step->dims[i]);
    if (dtype == AICC_BOOL) {
      value = LLVMBuildZExt(c->builder, is_true(h, step->dims[i]), type, "");
    } else if (aicc_dtype_is_float(dtype)) {
      value = LLVMBuildSIToFP(c->builder, value, type, "");
    } else {
      value = LLVMBuildIntCast2(c->builder, value, type, true, "");
    }
    LLVMBuildStore(c->builder, value, cg_host_element(h, type, array, i));
  }
  LLVMValueRef args[] = {cg_slot_pointer(h, step->slot), array,
                         cg_int(c, step->dim_count * (int64_t)aicc_dtype_size(dtype))};
  cg_host_call(h, CG_HOST_WRITE, args, 3);
}

static void emit_check(cg_host *h, const aicc_step *step) {
  LLVMValueRef value = step->dim_count > 0 ? cg_dim(h, step->dims[0]) : cg_int(h->c, 0);
  LLVMValueRef args[] = {cg_host_string(h->c, step->text), value};
  cg_host_require(h, is_true(h, step->dim), CG_HOST_FAIL, args, 2);
  cg_forget_dims(h);
}

// --- control -------------------------------------------------------------------------------------

static void emit_if(cg_host *h, const aicc_step *step) {
  cg *c = h->c;
  LLVMBasicBlockRef yes = cg_block(c, "then"), no = cg_block(c, "else");
  LLVMBasicBlockRef after = cg_block(c, "endif");
  LLVMBuildCondBr(c->builder, is_true(h, step->dim), yes, no);
  LLVMPositionBuilderAtEnd(c->builder, yes);
  cg_forget_dims(h);
  cg_emit_steps(h, &step->body);
  LLVMBuildBr(c->builder, after);
  LLVMPositionBuilderAtEnd(c->builder, no);
  cg_forget_dims(h);
  cg_emit_steps(h, &step->other);
  cg_jump(c, after);
  cg_forget_dims(h);
}

static void emit_loop(cg_host *h, const aicc_step *step) {
  cg *c = h->c;
  LLVMBasicBlockRef outer = h->loop_after, body = cg_block(c, "loop");
  h->loop_after = cg_block(c, "looped");
  cg_jump(c, body);
  cg_forget_dims(h);
  cg_emit_steps(h, &step->body);
  LLVMBuildBr(c->builder, body);
  LLVMPositionBuilderAtEnd(c->builder, h->loop_after);
  cg_forget_dims(h);
  h->loop_after = outer;
}

static void emit_break(cg_host *h, const aicc_step *step) {
  cg *c = h->c;
  AICC_ASSERT(h->loop_after != NULL);
  LLVMBasicBlockRef go_on = cg_block(c, "");
  LLVMBuildCondBr(c->builder, is_true(h, step->dim), go_on, h->loop_after);
  LLVMPositionBuilderAtEnd(c->builder, go_on);
}

// --- sequences -----------------------------------------------------------------------------------

static aicc_dtype element_dtype(const aicc_type *type) {
  while (type->kind != AICC_TYPE_TENSOR) {
    type = type->element;
  }
  return type->dtype;
}

// The item's memory becomes |slot|; its dimensions are what the type says, or define its symbols.
static void emit_at(cg_host *h, const aicc_step *step) {
  cg *c = h->c;
  const aicc_type *type = &h->plan->slots[step->slot].type;
  LLVMValueRef rank = cg_host_alloca(h, c->i32, 1), dims = cg_host_alloca(h, c->ptr, 1);
  LLVMValueRef args[] = {cg_slot_pointer(h, step->slot2), cg_dim(h, step->dim),
                         h->slots[step->slot], rank, dims};
  cg_host_call(h, CG_HOST_SEQ_AT, args, 5);
  LLVMValueRef actual = LLVMBuildLoad2(c->builder, c->i32, rank, "");
  LLVMValueRef rank_args[] = {
      cg_host_string(c, "an item of a sequence has %lld dimensions, which the model does not "
                        "expect"),
      LLVMBuildSExt(c->builder, actual, c->i64, "")};
  LLVMValueRef fits =
      LLVMBuildICmp(c->builder, LLVMIntEQ, actual, i32(c, (uint32_t)type->rank), "");
  cg_host_require(h, fits, CG_HOST_FAIL, rank_args, 2);
  LLVMValueRef array = LLVMBuildLoad2(c->builder, c->ptr, dims, "");
  for (int i = 0; i < type->rank; i++) {
    LLVMValueRef size =
        LLVMBuildLoad2(c->builder, c->i64, cg_host_element(h, c->i64, array, i), "");
    const aicc_dim dim = type->dims[i];
    if (aicc_dim_kind_of(h->dims, dim) == AICC_DIM_SYMBOL && !cg_symbol_defined(h, dim)) {
      cg_define_symbol(h, dim, size);
      continue;
    }
    LLVMValueRef size_args[] = {
        cg_host_string(c, "an item of a sequence has a dimension of %lld, which the model does "
                          "not expect"), size};
    cg_host_require(h, LLVMBuildICmp(c->builder, LLVMIntEQ, size, cg_dim(h, dim), ""),
                    CG_HOST_FAIL, size_args, 2);
  }
}

static void emit_insert(cg_host *h, const aicc_step *step) {
  cg *c = h->c;
  const aicc_type *type = &h->plan->slots[step->slot3].type;
  LLVMValueRef position =
      step->dim != AICC_DIM_NONE ? cg_dim(h, step->dim) : cg_int(c, INT64_MAX);
  LLVMValueRef args[] = {cg_slot_pointer(h, step->slot2), position,
                         cg_slot_pointer(h, step->slot3), i32(c, (uint32_t)type->rank),
                         cg_store_dims(h, type->dims, type->rank), h->slots[step->slot]};
  cg_host_call(h, CG_HOST_SEQ_INSERT, args, 6);
}

static void emit_empty(cg_host *h, aicc_slot slot) {
  const aicc_dtype dtype = element_dtype(&h->plan->slots[slot].type);
  LLVMValueRef args[] = {i32(h->c, (uint32_t)aicc_dtype_table[dtype].onnx), h->slots[slot]};
  cg_host_call(h, CG_HOST_SEQ_EMPTY, args, 2);
}

static void emit_has(cg_host *h, const aicc_step *step) {
  cg *c = h->c;
  LLVMValueRef has = LLVMBuildIsNotNull(c->builder, cg_slot_pointer(h, step->slot2), "");
  cg_define_symbol(h, step->symbol, LLVMBuildZExt(c->builder, has, c->i64, ""));
}

// An optional tensor of the caller's: what it is like is known in the run alone.
static void emit_given(cg_host *h, const aicc_step *step) {
  cg *c = h->c;
  LLVMBasicBlockRef there = cg_block(c, "given"), after = cg_block(c, "");
  LLVMValueRef data = cg_slot_pointer(h, step->slot2);
  cg_set_slot(h, step->slot, LLVMConstNull(c->ptr));
  LLVMBuildCondBr(c->builder, LLVMBuildIsNotNull(c->builder, data, ""), there, after);
  LLVMPositionBuilderAtEnd(c->builder, there);
  emit_empty(h, step->slot);
  LLVMValueRef rank = NULL, dims = NULL;
  cg_host_input(h, step->index, &rank, &dims);
  LLVMValueRef args[] = {cg_slot_pointer(h, step->slot), cg_int(c, INT64_MAX), data, rank, dims,
                         h->slots[step->slot]};
  cg_host_call(h, CG_HOST_SEQ_INSERT, args, 6);
  cg_jump(c, after);
}

static void emit_sequence(cg_host *h, const aicc_step *step) {
  cg *c = h->c;
  switch (step->seq_op) {
    case AICC_SEQ_EMPTY: emit_empty(h, step->slot); return;
    case AICC_SEQ_NONE: cg_set_slot(h, step->slot, LLVMConstNull(c->ptr)); return;
    case AICC_SEQ_HAS: emit_has(h, step); return;
    case AICC_SEQ_GIVEN: emit_given(h, step); return;
    case AICC_SEQ_INSERT: emit_insert(h, step); return;
    case AICC_SEQ_ERASE: {
      LLVMValueRef position = step->dim != AICC_DIM_NONE ? cg_dim(h, step->dim) : cg_int(c, -1);
      LLVMValueRef args[] = {cg_slot_pointer(h, step->slot2), position, h->slots[step->slot]};
      cg_host_call(h, CG_HOST_SEQ_ERASE, args, 3);
      return;
    }
    case AICC_SEQ_LENGTH: {
      LLVMValueRef args[] = {cg_slot_pointer(h, step->slot2)};
      cg_define_symbol(h, step->symbol, cg_host_call(h, CG_HOST_SEQ_LENGTH, args, 1));
      return;
    }
    case AICC_SEQ_AT: emit_at(h, step); return;
    case AICC_SEQ_RELEASE: {
      LLVMValueRef args[] = {cg_slot_pointer(h, step->slot)};
      cg_host_call(h, CG_HOST_SEQ_RELEASE, args, 1);
      return;
    }
    case AICC_SEQ_OUTPUT: {
      LLVMValueRef args[] = {i32(c, step->index), cg_slot_pointer(h, step->slot)};
      cg_host_call(h, CG_HOST_OUTPUT_SEQUENCE, args, 2);
      return;
    }
  }
}

// --- dispatch ------------------------------------------------------------------------------------

static void emit_step(cg_host *h, const aicc_step *step) {
  switch (step->kind) {
    case AICC_STEP_LAUNCH: emit_launch(h, step); return;
    case AICC_STEP_SEGMENT: emit_segment(h, step->index); return;
    case AICC_STEP_OUTPUT: emit_output(h, step); return;
    case AICC_STEP_ALLOC: {
      LLVMValueRef args[] = {cg_dim(h, h->plan->slots[step->slot].bytes), h->slots[step->slot]};
      cg_host_call(h, CG_HOST_ALLOC, args, 2);
      return;
    }
    case AICC_STEP_FREE: {
      LLVMValueRef args[] = {cg_slot_pointer(h, step->slot)};
      cg_host_call(h, CG_HOST_FREE, args, 1);
      return;
    }
    case AICC_STEP_COPY: emit_copy(h, step); return;
    case AICC_STEP_ASSIGN: cg_set_slot(h, step->slot, cg_slot_pointer(h, step->slot2)); return;
    case AICC_STEP_DEF_DIM: emit_def_dim(h, step); return;
    case AICC_STEP_SET_DIM: cg_define_symbol(h, step->symbol, cg_dim(h, step->dim)); return;
    case AICC_STEP_WRITE_DIMS: emit_write_dims(h, step); return;
    case AICC_STEP_CHECK: emit_check(h, step); return;
    case AICC_STEP_IF: emit_if(h, step); return;
    case AICC_STEP_LOOP: emit_loop(h, step); return;
    case AICC_STEP_BREAK: emit_break(h, step); return;
    case AICC_STEP_SEQUENCE: emit_sequence(h, step); return;
  }
}

void cg_emit_steps(cg_host *h, const aicc_steps *steps) {
  for (const aicc_step *step = steps->first; step != NULL; step = step->next) {
    emit_step(h, step);
  }
}
