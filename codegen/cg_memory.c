// Loads and stores, and what stands for variables, arrays and local memory.
//
// A varying index that is affine with stride 1 touches contiguous elements: one vector access,
// under the mask where there is one. Stride 0 is one scalar. Everything else gathers or scatters.
// Invariant: where an access is emitted at least one lane is active (cg_flow.c sees to it), so that
// what does not vary needs no mask.
#include <string.h>

#include "codegen/cg_gpu.h"

typedef struct access {
  aicc_dtype dtype;
  LLVMTypeRef type;      // of one element in memory
  unsigned align;
  LLVMValueRef place;    // pointer: of the element or of lane 0; vector of pointers to gather
  bool contiguous, gather;
} access;

static LLVMValueRef element_pointer(cg_kernel *k, LLVMTypeRef type, LLVMValueRef base,
                                    LLVMValueRef index) {
  return LLVMBuildGEP2(k->c->builder, type, base, &index, 1, "");
}

// Points |a| to |index| of |buffer|; |unit|: elements of the buffer that one of the access takes.
static void place_access(cg_kernel *k, access *a, kir_val buffer, kir_val index, int64_t unit) {
  LLVMTypeRef type = cg_memory_type(k->c, k->kernel->values[buffer].dtype);
  LLVMValueRef base = cg_use(k, buffer);
  const cg_value *at = &k->values[index];
  if (!cg_is_varying(k, index) || k->lanes == 1) {
    a->place = element_pointer(k, type, base, cg_use(k, index));
    return;
  }
  if (at->affine && (at->stride == 0 || at->stride == unit)) {
    a->contiguous = at->stride == unit;
    a->place = element_pointer(k, type, base, at->base);
    return;
  }
  a->gather = true;
  if (at->affine) {  // small constant offsets from one pointer
    LLVMValueRef first = element_pointer(k, type, base, at->base);
    LLVMTypeRef lanes = cg_lane_type(k, k->c->i64);
    LLVMValueRef steps = LLVMBuildMul(k->c->builder, cg_lane_ids(k, k->c->i64),
                                      cg_const_like(lanes, (uint64_t)at->stride), "");
    a->place = element_pointer(k, type, first, steps);
  } else {
    a->place = element_pointer(k, type, base, at->v);
  }
}

static access make_access(cg_kernel *k, kir_val buffer, kir_val index) {
  const aicc_dtype dtype = k->kernel->values[buffer].dtype;
  // Strings are a pointer and a size, complex numbers two floats.
  const bool pair = aicc_dtype_kind_of(dtype) > AICC_KIND_FLOAT8;
  const unsigned size = (unsigned)aicc_dtype_size(dtype);
  access a = {.dtype = dtype, .type = cg_memory_type(k->c, dtype),
              .align = pair ? size / 2 : size};
  place_access(k, &a, buffer, index, 1);
  return a;
}

// Four bytes of the buffer, wherever they lie.
static access make_word_access(cg_kernel *k, kir_val buffer, kir_val index) {
  access a = {.dtype = AICC_I32, .type = k->c->i32, .align = 1};
  place_access(k, &a, buffer, index, 4);
  return a;
}

// Memory and registers differ for bool alone.
static LLVMValueRef from_memory(cg_kernel *k, aicc_dtype dtype, LLVMValueRef v) {
  if (dtype != AICC_BOOL) {
    return v;
  }
  return LLVMBuildICmp(k->c->builder, LLVMIntNE, v, cg_const_like(LLVMTypeOf(v), 0), "");
}

static LLVMValueRef to_memory(cg_kernel *k, aicc_dtype dtype, LLVMValueRef v) {
  if (dtype != AICC_BOOL) {
    return v;
  }
  return LLVMBuildZExt(k->c->builder, v, cg_type_like(LLVMTypeOf(v), k->c->i8), "");
}

static LLVMValueRef all_lanes(cg_kernel *k) {
  return LLVMConstAllOnes(cg_lane_type(k, k->c->i1));
}

static void set_call_align(cg *c, LLVMValueRef call, unsigned argument, unsigned align) {
  const unsigned kind = LLVMGetEnumAttributeKindForName("align", 5);
  LLVMAddCallSiteAttribute(call, argument, LLVMCreateEnumAttribute(c->context, kind, align));
}

// --- loads ---------------------------------------------------------------------------------------

static LLVMValueRef load_scalar(cg_kernel *k, const access *a) {
  LLVMValueRef v = LLVMBuildLoad2(k->c->builder, a->type, a->place, "");
  LLVMSetAlignment(v, a->align);
  return v;
}

// |mask| NULL: all lanes. |otherwise| NULL: inactive lanes are of no interest.
static LLVMValueRef load_lanes(cg_kernel *k, const access *a, LLVMValueRef mask,
                               LLVMValueRef otherwise) {
  cg *c = k->c;
  LLVMTypeRef type = cg_lane_type(k, a->type);
  if (a->contiguous && mask == NULL) {
    LLVMValueRef v = LLVMBuildLoad2(c->builder, type, a->place, "");
    LLVMSetAlignment(v, a->align);
    return v;
  }
  LLVMTypeRef types[] = {type, LLVMTypeOf(a->place)};
  LLVMValueRef args[] = {a->place, mask != NULL ? mask : all_lanes(k),
                         otherwise != NULL ? otherwise : LLVMConstNull(type)};
  LLVMValueRef v = cg_intrinsic(c, a->gather ? "llvm.masked.gather" : "llvm.masked.load", types, 2,
                                args, 3);
  set_call_align(c, v, 1, a->align);
  return v;
}

static LLVMValueRef combine_masks(cg_kernel *k, LLVMValueRef guard) {
  return k->mask == NULL ? guard : LLVMBuildAnd(k->c->builder, k->mask, guard, "");
}

// GPU: no memory is at hand that may be read instead, and short branches become predicates.
static LLVMValueRef load_branched(cg_kernel *k, const access *a, LLVMValueRef guard,
                                  LLVMValueRef otherwise) {
  cg *c = k->c;
  LLVMBasicBlockRef from[2] = {LLVMGetInsertBlock(c->builder), NULL};
  LLVMBasicBlockRef load = cg_block(c, "load"), after = cg_block(c, "loaded");
  LLVMBuildCondBr(c->builder, guard, load, after);
  LLVMPositionBuilderAtEnd(c->builder, load);
  LLVMValueRef values[2] = {otherwise, from_memory(k, a->dtype, load_scalar(k, a))};
  from[1] = load;
  cg_jump(c, after);
  LLVMValueRef result = LLVMBuildPhi(c->builder, LLVMTypeOf(otherwise), "");
  LLVMAddIncoming(result, values, from, 2);
  return result;
}

// A scalar that may not be read unless |guard|: read something harmless instead.
static LLVMValueRef load_scalar_or(cg_kernel *k, access a, LLVMValueRef guard,
                                   LLVMValueRef otherwise) {
  LLVMBuilderRef b = k->c->builder;
  if (k->gpu != NULL) {
    return load_branched(k, &a, guard, otherwise);
  }
  if (k->spare == NULL) {
    k->spare = cg_entry_alloca(k, k->c->i64, 1);
  }
  a.place = LLVMBuildSelect(b, guard, a.place, k->spare, "");
  LLVMValueRef v = from_memory(k, a.dtype, load_scalar(k, &a));
  return LLVMBuildSelect(b, guard, v, otherwise, "");
}

static LLVMValueRef load_or(cg_kernel *k, const kir_inst *inst, access a) {
  const bool varying = cg_is_varying(k, inst->result);
  const bool one_place = !a.gather && !a.contiguous;
  LLVMValueRef guard = cg_use(k, inst->args[1]);
  LLVMValueRef otherwise = cg_use_as(k, inst->args[2], varying);
  if (!varying || k->lanes == 1) {
    return load_scalar_or(k, a, guard, otherwise);
  }
  if (one_place) {  // one element for all lanes: readable if any lane may read it
    LLVMValueRef lanes = combine_masks(k, cg_use_as(k, inst->args[1], true));
    LLVMValueRef zero = LLVMConstNull(cg_element_type(k->c, a.dtype));
    LLVMValueRef v = load_scalar_or(k, a, cg_any(k->c, lanes), zero);
    return LLVMBuildSelect(k->c->builder, guard, cg_splat(k, v), otherwise, "");
  }
  LLVMValueRef mask = combine_masks(k, cg_use_as(k, inst->args[1], true));
  LLVMValueRef v = load_lanes(k, &a, mask, to_memory(k, a.dtype, otherwise));
  return from_memory(k, a.dtype, v);
}

void cg_emit_load(cg_kernel *k, const kir_inst *inst) {
  if (k->gpu != NULL) {
    cg_gpu_order(k, inst->buffer, k->values[inst->args[0]].v, false);
  }
  const access a = inst->op == KIR_WORD ? make_word_access(k, inst->buffer, inst->args[0])
                                        : make_access(k, inst->buffer, inst->args[0]);
  if (inst->op == KIR_LOAD_OR) {
    cg_set_value(k, inst->result, load_or(k, inst, a));
    return;
  }
  if (a.contiguous || a.gather) {
    LLVMValueRef v = load_lanes(k, &a, k->mask, NULL);
    cg_set_value(k, inst->result, from_memory(k, a.dtype, v));
    return;
  }
  LLVMValueRef v = from_memory(k, a.dtype, load_scalar(k, &a));
  cg_set_value(k, inst->result, cg_is_varying(k, inst->result) ? cg_splat(k, v) : v);
}

// Into the second level: what is read next is a panel, more than the first holds.
void cg_emit_prefetch(cg_kernel *k, const kir_inst *inst) {
  cg *c = k->c;
  if (k->gpu != NULL) {
    return;
  }
  LLVMTypeRef type = cg_memory_type(c, k->kernel->values[inst->buffer].dtype), types[] = {c->ptr};
  LLVMValueRef args[] = {
      element_pointer(k, type, cg_use(k, inst->buffer), cg_use(k, inst->args[0])),
      LLVMConstInt(c->i32, 0, false), LLVMConstInt(c->i32, 2, false),
      LLVMConstInt(c->i32, 1, false)};
  cg_intrinsic(c, "llvm.prefetch", types, 1, args, 4);
}

// --- stores --------------------------------------------------------------------------------------

static void store_lanes(cg_kernel *k, const access *a, LLVMValueRef value) {
  cg *c = k->c;
  if (a->contiguous && k->mask == NULL) {
    LLVMSetAlignment(LLVMBuildStore(c->builder, value, a->place), a->align);
    return;
  }
  LLVMTypeRef types[] = {LLVMTypeOf(value), LLVMTypeOf(a->place)};
  LLVMValueRef args[] = {value, a->place, k->mask != NULL ? k->mask : all_lanes(k)};
  LLVMValueRef call = cg_intrinsic(
      c, a->gather ? "llvm.masked.scatter" : "llvm.masked.store", types, 2, args, 3);
  set_call_align(c, call, 2, a->align);
}

// GPU: of lanes that store to one place the last one does. Where not all lanes run all that do:
// their values are the same, or the kernel is wrong (the kernel interpreter says so).
static void store_one_lane(cg_kernel *k, const access *a, LLVMValueRef value) {
  cg *c = k->c;
  if (k->divergent > 0) {
    LLVMSetAlignment(LLVMBuildStore(c->builder, value, a->place), a->align);
    return;
  }
  LLVMBasicBlockRef act = cg_block(c, "last"), after = cg_block(c, "stored");
  LLVMValueRef last =
      LLVMBuildICmp(c->builder, LLVMIntEQ, k->lane, cg_int(c, k->width - 1), "");
  LLVMBuildCondBr(c->builder, last, act, after);
  LLVMPositionBuilderAtEnd(c->builder, act);
  LLVMSetAlignment(LLVMBuildStore(c->builder, value, a->place), a->align);
  cg_jump(c, after);
}

void cg_emit_store(cg_kernel *k, const kir_inst *inst) {
  if (k->gpu != NULL) {
    cg_gpu_order(k, inst->buffer, k->values[inst->args[0]].v, true);
  }
  access a = make_access(k, inst->buffer, inst->args[0]);
  const bool varying =
      k->lanes > 1 && (a.contiguous || a.gather || cg_is_varying(k, inst->args[1]));
  LLVMValueRef value = to_memory(k, a.dtype, cg_use_as(k, inst->args[1], varying));
  if (k->gpu != NULL && !cg_is_varying(k, inst->args[0]) && cg_is_varying(k, inst->args[1])) {
    store_one_lane(k, &a, value);
    return;
  }
  if (!varying) {
    LLVMSetAlignment(LLVMBuildStore(k->c->builder, value, a.place), a.align);
    return;
  }
  if (!a.contiguous && !a.gather) {  // all lanes to one place: the last active one stays
    a.place = cg_splat(k, a.place);
    a.gather = true;
  }
  store_lanes(k, &a, value);
}

// --- atomics -------------------------------------------------------------------------------------

static void set_scope(cg_kernel *k, LLVMValueRef inst) {
  if (k->gpu != NULL) {
    const char *scope = k->gpu->atomic_scope;
    LLVMSetAtomicSyncScopeID(inst, LLVMGetSyncScopeID(k->c->context, scope, strlen(scope)));
  }
}

// Compare and swap until nobody came between.
static void atomic_update(cg_kernel *k, aicc_op op, aicc_dtype dtype, LLVMValueRef place,
                          LLVMValueRef value) {
  cg *c = k->c;
  LLVMBuilderRef b = c->builder;
  LLVMTypeRef type = LLVMTypeOf(value);
  LLVMTypeRef bits = LLVMIntTypeInContext(c->context, (unsigned)aicc_dtype_size(dtype) * 8);
  LLVMValueRef first = LLVMBuildLoad2(b, bits, place, "");
  LLVMSetAlignment(first, (unsigned)aicc_dtype_size(dtype));
  LLVMSetOrdering(first, LLVMAtomicOrderingMonotonic);
  set_scope(k, first);
  LLVMBasicBlockRef before = LLVMGetInsertBlock(b), loop = cg_block(c, "atomic");
  LLVMBasicBlockRef after = cg_block(c, "atomic.done");
  cg_jump(c, loop);
  LLVMValueRef old = LLVMBuildPhi(b, bits, "");
  LLVMAddIncoming(old, &first, &before, 1);
  LLVMValueRef next = cg_binary(k, op, dtype, LLVMBuildBitCast(b, old, type, ""), value);
  LLVMValueRef pair = LLVMBuildAtomicCmpXchg(
      b, place, old, LLVMBuildBitCast(b, next, bits, ""), LLVMAtomicOrderingMonotonic,
      LLVMAtomicOrderingMonotonic, false);
  set_scope(k, pair);
  LLVMValueRef seen = LLVMBuildExtractValue(b, pair, 0, "");
  LLVMBasicBlockRef latch = LLVMGetInsertBlock(b);
  LLVMAddIncoming(old, &seen, &latch, 1);
  LLVMBuildCondBr(b, LLVMBuildExtractValue(b, pair, 1, ""), after, loop);
  LLVMPositionBuilderAtEnd(b, after);
}

static void atomic_scalar(cg_kernel *k, aicc_op op, aicc_dtype dtype, LLVMValueRef place,
                          LLVMValueRef value) {
  LLVMBuilderRef b = k->c->builder;
  const bool is_signed = aicc_dtype_kind_of(dtype) == AICC_KIND_SIGNED;
  LLVMAtomicRMWBinOp rmw = LLVMAtomicRMWBinOpAdd;
  switch (op) {
    case AICC_OP_ADD: rmw = LLVMAtomicRMWBinOpAdd; break;
    case AICC_OP_AND: rmw = LLVMAtomicRMWBinOpAnd; break;
    case AICC_OP_OR: rmw = LLVMAtomicRMWBinOpOr; break;
    case AICC_OP_MIN: rmw = is_signed ? LLVMAtomicRMWBinOpMin : LLVMAtomicRMWBinOpUMin; break;
    case AICC_OP_MAX: rmw = is_signed ? LLVMAtomicRMWBinOpMax : LLVMAtomicRMWBinOpUMax; break;
    default: atomic_update(k, op, dtype, place, value); return;
  }
  if (!aicc_dtype_is_int(dtype)) {
    atomic_update(k, op, dtype, place, value);
    return;
  }
  set_scope(k, LLVMBuildAtomicRMW(b, rmw, place, value, LLVMAtomicOrderingMonotonic, false));
}

// GPU: what does not vary is done once, by one lane.
static void atomic_once(cg_kernel *k, aicc_op op, const access *a, LLVMValueRef value) {
  cg *c = k->c;
  if (k->divergent > 0) {
    cg_fail(c, k->kernel, "a uniform atomic operation where not all lanes run");
    return;
  }
  LLVMBasicBlockRef act = cg_block(c, "once"), after = cg_block(c, "done");
  LLVMValueRef first = LLVMBuildICmp(c->builder, LLVMIntEQ, k->lane, cg_int(c, 0), "");
  LLVMBuildCondBr(c->builder, first, act, after);
  LLVMPositionBuilderAtEnd(c->builder, act);
  atomic_scalar(k, op, a->dtype, a->place, value);
  cg_jump(c, after);
}

// One lane after the other.
static void atomic_lanes(cg_kernel *k, aicc_op op, const access *a, LLVMValueRef value) {
  cg *c = k->c;
  LLVMBuilderRef b = c->builder;
  LLVMValueRef places = a->gather ? a->place : NULL;
  if (places == NULL) {
    places = a->contiguous ? element_pointer(k, a->type, a->place, cg_lane_ids(k, c->i64))
                           : cg_splat(k, a->place);
  }
  LLVMBasicBlockRef before = LLVMGetInsertBlock(b), loop = cg_block(c, "lane");
  LLVMBasicBlockRef act = cg_block(c, "lane.active"), next = cg_block(c, "lane.next");
  LLVMBasicBlockRef after = cg_block(c, "lanes.done");
  cg_jump(c, loop);
  LLVMValueRef lane = LLVMBuildPhi(b, c->i64, "");
  LLVMValueRef active = k->mask != NULL ? LLVMBuildExtractElement(b, k->mask, lane, "")
                                        : LLVMConstInt(c->i1, 1, false);
  LLVMBuildCondBr(b, active, act, next);
  LLVMPositionBuilderAtEnd(b, act);
  atomic_scalar(k, op, a->dtype, LLVMBuildExtractElement(b, places, lane, ""),
                LLVMBuildExtractElement(b, value, lane, ""));
  cg_jump(c, next);
  LLVMValueRef more = LLVMBuildAdd(b, lane, cg_int(c, 1), "");
  LLVMAddIncoming(lane, (LLVMValueRef[]){cg_int(c, 0), more},
                  (LLVMBasicBlockRef[]){before, next}, 2);
  LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, more, cg_int(c, k->lanes), ""), loop, after);
  LLVMPositionBuilderAtEnd(b, after);
}

void cg_emit_atomic(cg_kernel *k, const kir_inst *inst) {
  const access a = make_access(k, inst->buffer, inst->args[0]);
  if (a.dtype == AICC_BOOL || aicc_dtype_table[a.dtype].bits < 8 || a.dtype == AICC_F16 ||
      a.dtype == AICC_BF16) {
    cg_fail(k->c, k->kernel, "atomic operation on %s", aicc_dtype_name(a.dtype));
    return;
  }
  const bool varying = k->lanes > 1 && (cg_is_varying(k, inst->args[0]) ||
                                        cg_is_varying(k, inst->args[1]));
  LLVMValueRef value = cg_use_as(k, inst->args[1], varying);
  if (k->gpu != NULL) {
    cg_gpu_order(k, inst->buffer, NULL, true);
  }
  if (k->gpu != NULL && !cg_is_varying(k, inst->args[0]) && !cg_is_varying(k, inst->args[1])) {
    atomic_once(k, inst->scalar_op, &a, value);
  } else if (varying) {
    atomic_lanes(k, inst->scalar_op, &a, value);
  } else {
    atomic_scalar(k, inst->scalar_op, a.dtype, a.place, value);
  }
}

// --- variables, arrays, local memory -------------------------------------------------------------

// Under a mask, lanes that are not active keep what they have.
static void assign(cg_kernel *k, const cg_value *to, LLVMValueRef place, LLVMValueRef value,
                   bool varying) {
  LLVMBuilderRef b = k->c->builder;
  if (k->gpu != NULL && !varying && k->divergent > 0 && !to->divergent) {
    cg_fail(k->c, k->kernel, "a uniform variable that is set where not all lanes run");
    return;
  }
  if (varying && k->mask != NULL) {
    LLVMValueRef old = LLVMBuildLoad2(b, LLVMTypeOf(value), place, "");
    value = LLVMBuildSelect(b, k->mask, value, old, "");
  }
  LLVMBuildStore(b, value, place);
}

static void emit_var(cg_kernel *k, const kir_inst *inst) {
  if (k->values[inst->result].v == NULL) {
    LLVMTypeRef type = cg_value_type(k, inst->result);
    cg_set_value(k, inst->result, cg_entry_alloca(k, type, 1));
  }
  k->values[inst->result].divergent = k->divergent > 0;
  LLVMValueRef init = cg_use_as(k, inst->args[0], cg_is_varying(k, inst->result));
  LLVMBuildStore(k->c->builder, init, k->values[inst->result].v);
}

static void emit_array(cg_kernel *k, const kir_inst *inst) {
  LLVMTypeRef type = cg_value_type(k, inst->result);
  if (k->values[inst->result].v == NULL) {
    cg_set_value(k, inst->result, cg_entry_alloca(k, LLVMArrayType2(type, inst->imm), 1));
  }
  k->values[inst->result].divergent = k->divergent > 0;
  for (uint64_t i = 0; i < inst->imm; i++) {
    LLVMValueRef index = cg_int(k->c, (int64_t)i);
    LLVMBuildStore(k->c->builder, LLVMConstNull(type),
                   element_pointer(k, type, k->values[inst->result].v, index));
  }
}

static LLVMValueRef array_place(cg_kernel *k, const kir_inst *inst) {
  return element_pointer(k, cg_value_type(k, inst->args[0]), k->values[inst->args[0]].v,
                         cg_use(k, inst->args[1]));
}

uint64_t cg_local_bytes(const kir_kernel *kernel, const kir_inst *inst) {
  return (inst->imm * aicc_dtype_size(kernel->values[inst->result].dtype) + 63) / 64 * 64;
}

// A place of its own, the same in every repetition of unrolled code.
static void emit_local(cg_kernel *k, const kir_inst *inst) {
  cg_value *local = &k->values[inst->result];
  if (local->base == NULL) {
    local->base = cg_int(k->c, k->scratch_used);
    k->scratch_used += (uint32_t)cg_local_bytes(k->kernel, inst);
  }
  local->ordered = true;
  local->v = element_pointer(k, k->c->i8, k->scratch, local->base);
}

void cg_emit_variable(cg_kernel *k, const kir_inst *inst) {
  LLVMBuilderRef b = k->c->builder;
  switch (inst->op) {
    case KIR_VAR: emit_var(k, inst); return;
    case KIR_ARRAY: emit_array(k, inst); return;
    case KIR_LOCAL: emit_local(k, inst); return;
    case KIR_GET:
      cg_set_value(k, inst->result, LLVMBuildLoad2(b, cg_value_type(k, inst->result),
                                                   k->values[inst->args[0]].v, ""));
      return;
    case KIR_AGET:
      cg_set_value(k, inst->result, LLVMBuildLoad2(b, cg_value_type(k, inst->result),
                                                   array_place(k, inst), ""));
      return;
    case KIR_SET: {
      const bool varying = cg_is_varying(k, inst->args[0]);
      assign(k, &k->values[inst->args[0]], k->values[inst->args[0]].v,
             cg_use_as(k, inst->args[1], varying), varying);
      return;
    }
    case KIR_ASET: {
      const bool varying = cg_is_varying(k, inst->args[0]);
      assign(k, &k->values[inst->args[0]], array_place(k, inst),
             cg_use_as(k, inst->args[2], varying), varying);
      return;
    }
    default: AICC_ASSERT(false && "every instruction has an emitter");
  }
}
