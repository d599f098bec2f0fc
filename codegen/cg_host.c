// The frame of the host program: its state, its inputs, and calls of host functions.
#include "codegen/cg_host.h"

#include <string.h>

#include "aicc/abi.h"

// --- host functions ------------------------------------------------------------------------------

// Parameters after the session: p pointer, i int32, l int64. |result|: s status, l int64, v
// nothing.
typedef struct host_row {
  size_t offset;
  const char *params;
  char result;
} host_row;

#define ROW(member, params, result) {offsetof(aicc_abi_host, member), params, result}
static const host_row host_rows[] = {
    [CG_HOST_PLAN] = ROW(plan, "ipp", 's'),
    [CG_HOST_LAUNCH] = ROW(launch, "ilpl", 's'),
    [CG_HOST_COPY] = ROW(copy, "ppl", 's'),
    [CG_HOST_READ] = ROW(read, "ppl", 's'),
    [CG_HOST_WRITE] = ROW(write, "ppl", 's'),
    [CG_HOST_OUTPUT] = ROW(output, "iipp", 's'),
    [CG_HOST_ALLOC] = ROW(alloc, "lp", 's'),
    [CG_HOST_FREE] = ROW(free, "p", 'v'),
    [CG_HOST_BAD_INPUT] = ROW(bad_input, "iil", 's'),
    [CG_HOST_FAIL] = ROW(fail, "pl", 's'),
    [CG_HOST_SEQ_EMPTY] = ROW(seq_empty, "ip", 's'),
    [CG_HOST_SEQ_INSERT] = ROW(seq_insert, "plpipp", 's'),
    [CG_HOST_SEQ_ERASE] = ROW(seq_erase, "plp", 's'),
    [CG_HOST_SEQ_LENGTH] = ROW(seq_length, "p", 'l'),
    [CG_HOST_SEQ_AT] = ROW(seq_at, "plppp", 's'),
    [CG_HOST_SEQ_RELEASE] = ROW(seq_release, "p", 'v'),
    [CG_HOST_OUTPUT_SEQUENCE] = ROW(output_sequence, "ip", 's'),
    [CG_HOST_STRINGS] = ROW(strings, "plp", 's'),
};
#undef ROW

static LLVMTypeRef type_of_letter(cg *c, char letter) {
  switch (letter) {
    case 'p': return c->ptr;
    case 'l': return c->i64;
    case 'v': return c->nothing;
    default: return c->i32;
  }
}

static LLVMValueRef member(cg *c, LLVMValueRef base, size_t offset, LLVMTypeRef type) {
  LLVMValueRef at = cg_int(c, (int64_t)offset);
  return LLVMBuildLoad2(c->builder, type, LLVMBuildGEP2(c->builder, c->i8, base, &at, 1, ""), "");
}

static LLVMValueRef plain_call(cg_host *h, cg_host_fn fn, LLVMValueRef *args, unsigned count) {
  cg *c = h->c;
  const host_row *row = &host_rows[fn];
  AICC_ASSERT(strlen(row->params) == count && count < 8);
  LLVMTypeRef types[8] = {c->ptr};
  LLVMValueRef all[8] = {h->session};
  for (unsigned i = 0; i < count; i++) {
    types[i + 1] = type_of_letter(c, row->params[i]);
    all[i + 1] = args[i];
    AICC_ASSERT(LLVMTypeOf(args[i]) == types[i + 1]);
  }
  LLVMTypeRef type = LLVMFunctionType(type_of_letter(c, row->result), types, count + 1, false);
  LLVMValueRef function = member(c, h->table, row->offset, c->ptr);
  return LLVMBuildCall2(c->builder, type, function, all, count + 1, "");
}

LLVMValueRef cg_host_call(cg_host *h, cg_host_fn fn, LLVMValueRef *args, unsigned count) {
  cg *c = h->c;
  LLVMValueRef result = plain_call(h, fn, args, count);
  if (host_rows[fn].result != 's') {
    return result;
  }
  LLVMBuildStore(c->builder, result, h->status);
  LLVMValueRef zero = LLVMConstInt(c->i32, 0, false);
  LLVMBasicBlockRef go_on = cg_block(c, "");
  LLVMBuildCondBr(c->builder, LLVMBuildICmp(c->builder, LLVMIntEQ, result, zero, ""), go_on,
                  h->leave);
  LLVMPositionBuilderAtEnd(c->builder, go_on);
  return result;
}

void cg_host_require(cg_host *h, LLVMValueRef condition, cg_host_fn fn, LLVMValueRef *args,
                     unsigned count) {
  cg *c = h->c;
  LLVMBasicBlockRef wrong = cg_block(c, "wrong"), right = cg_block(c, "right");
  LLVMBuildCondBr(c->builder, condition, right, wrong);
  LLVMPositionBuilderAtEnd(c->builder, wrong);
  LLVMBuildStore(c->builder, plain_call(h, fn, args, count), h->status);
  LLVMBuildBr(c->builder, h->leave);
  LLVMPositionBuilderAtEnd(c->builder, right);
}

// --- memory of the host program ------------------------------------------------------------------

LLVMValueRef cg_host_alloca(cg_host *h, LLVMTypeRef type, uint64_t count) {
  LLVMBuilderRef b = h->c->builder;
  LLVMBasicBlockRef here = LLVMGetInsertBlock(b);
  LLVMValueRef first = LLVMGetFirstInstruction(h->entry);
  if (first != NULL) {
    LLVMPositionBuilderBefore(b, first);
  } else {
    LLVMPositionBuilderAtEnd(b, h->entry);
  }
  LLVMValueRef place =
      LLVMBuildAlloca(b, count == 1 ? type : LLVMArrayType2(type, count), "");
  LLVMPositionBuilderAtEnd(b, here);
  return place;
}

LLVMValueRef cg_host_element(cg_host *h, LLVMTypeRef type, LLVMValueRef base, int64_t index) {
  LLVMValueRef at = cg_int(h->c, index);
  return LLVMBuildGEP2(h->c->builder, type, base, &at, 1, "");
}

LLVMValueRef cg_host_constant(cg *c, LLVMValueRef value) {
  LLVMValueRef global = LLVMAddGlobal(c->module, LLVMTypeOf(value), "");
  LLVMSetInitializer(global, value);
  LLVMSetLinkage(global, LLVMPrivateLinkage);
  LLVMSetGlobalConstant(global, true);
  LLVMSetUnnamedAddress(global, LLVMGlobalUnnamedAddr);
  return global;
}

LLVMValueRef cg_host_string(cg *c, const char *text) {
  LLVMValueRef global = cg_host_constant(
      c, LLVMConstStringInContext2(c->context, text, strlen(text), false));
  LLVMSetAlignment(global, 1);
  return global;
}

LLVMValueRef cg_store_dims(cg_host *h, const aicc_dim *dims, int count) {
  LLVMValueRef array = cg_host_alloca(h, h->c->i64, (uint64_t)(count > 0 ? count : 1));
  for (int i = 0; i < count; i++) {
    LLVMBuildStore(h->c->builder, cg_dim(h, dims[i]), cg_host_element(h, h->c->i64, array, i));
  }
  return array;
}

// --- slots ---------------------------------------------------------------------------------------

static int64_t element_count(const aicc_tensor *tensor) {
  int64_t count = 1;
  for (int i = 0; i < tensor->rank; i++) {
    count *= tensor->shape[i];
  }
  return count;
}

// Strings hold addresses: they are data of the shared object, not weights.
static LLVMValueRef string_constant(cg *c, const aicc_tensor *tensor) {
  const int64_t count = element_count(tensor);
  const aicc_str *strings = tensor->data;
  LLVMTypeRef members[] = {c->ptr, c->i64};
  LLVMTypeRef type = LLVMStructTypeInContext(c->context, members, 2, false);
  LLVMValueRef *items = AICC_NEW_ARRAY(c->arena, LLVMValueRef, count + 1);
  for (int64_t i = 0; i < count; i++) {
    const char *text = aicc_arena_memdup(c->arena, strings[i].data, strings[i].size);
    LLVMValueRef bytes =
        LLVMConstStringInContext2(c->context, text, (size_t)strings[i].size, false);
    LLVMValueRef values[] = {cg_host_constant(c, bytes), cg_int(c, (int64_t)strings[i].size)};
    items[i] = LLVMConstStructInContext(c->context, values, 2, false);
  }
  return cg_host_constant(c, LLVMConstArray2(type, items, (uint64_t)count));
}

// At the start of the function: every place that uses them sees them.
static void find_strings(cg_host *h) {
  cg *c = h->c;
  h->strings = AICC_NEW_ARRAY(c->arena, LLVMValueRef, h->plan->const_count + 1);
  for (size_t i = 0; i < h->plan->const_count; i++) {
    const aicc_tensor *tensor = h->plan->consts[i].tensor;
    if (tensor->dtype != AICC_STR) {
      continue;
    }
    h->strings[i] = string_constant(c, tensor);
    if (h->remote) {
      LLVMValueRef place = cg_host_alloca(h, c->ptr, 1);
      LLVMValueRef args[] = {h->strings[i], cg_int(c, element_count(tensor)), place};
      cg_host_call(h, CG_HOST_STRINGS, args, 3);
      h->strings[i] = LLVMBuildLoad2(c->builder, c->ptr, place, "");
    }
  }
}

static LLVMValueRef constant_pointer(cg_host *h, uint32_t index) {
  cg *c = h->c;
  const aicc_plan_const *constant = &h->plan->consts[index];
  if (constant->tensor->dtype == AICC_STR) {
    return h->strings[index];
  }
  LLVMValueRef offset =
      cg_int(c, (int64_t)(h->offsets != NULL ? h->offsets[index] : constant->offset));
  return LLVMBuildGEP2(c->builder, c->i8, h->weights, &offset, 1, "");
}

LLVMValueRef cg_slot_pointer(cg_host *h, aicc_slot slot) {
  cg *c = h->c;
  const aicc_slot_info *info = &h->plan->slots[slot];
  switch (info->kind) {
    case AICC_SLOT_ALIAS: return cg_slot_pointer(h, info->index);
    case AICC_SLOT_CONST: return constant_pointer(h, info->index);
    case AICC_SLOT_BUFFER: {
      LLVMValueRef place =
          cg_host_element(h, c->ptr, h->addresses[info->segment], h->position[slot]);
      return LLVMBuildLoad2(c->builder, c->ptr, place, "");
    }
    default: break;
  }
  AICC_ASSERT(h->slots[slot] != NULL);
  return LLVMBuildLoad2(c->builder, c->ptr, h->slots[slot], "");
}

void cg_set_slot(cg_host *h, aicc_slot slot, LLVMValueRef pointer) {
  AICC_ASSERT(h->slots[slot] != NULL);
  LLVMBuildStore(h->c->builder, pointer, h->slots[slot]);
}

// Variables of slots start as null; an array of addresses for each segment.
static void make_slots(cg_host *h) {
  cg *c = h->c;
  const aicc_plan *plan = h->plan;
  uint32_t *counts = AICC_NEW_ARRAY(c->arena, uint32_t, plan->segment_count);
  h->slots = AICC_NEW_ARRAY(c->arena, LLVMValueRef, plan->slot_count);
  h->position = AICC_NEW_ARRAY(c->arena, uint32_t, plan->slot_count);
  h->addresses = AICC_NEW_ARRAY(c->arena, LLVMValueRef, plan->segment_count);
  for (size_t i = 0; i < plan->slot_count; i++) {
    switch (plan->slots[i].kind) {
      case AICC_SLOT_BUFFER: h->position[i] = counts[plan->slots[i].segment]++; break;
      case AICC_SLOT_CONST:
      case AICC_SLOT_ALIAS: break;
      default:
        h->slots[i] = cg_host_alloca(h, c->ptr, 1);
        LLVMBuildStore(c->builder, LLVMConstNull(c->ptr), h->slots[i]);
    }
  }
  for (uint32_t i = 0; i < plan->segment_count; i++) {
    h->addresses[i] = cg_host_alloca(h, c->ptr, counts[i] > 0 ? counts[i] : 1);
  }
}

static int most_args(const aicc_steps *steps) {
  int most = 1;
  for (const aicc_step *step = steps->first; step != NULL; step = step->next) {
    const int inner = most_args(&step->body), other = most_args(&step->other);
    most = step->arg_count + 1 > most ? step->arg_count + 1 : most;
    most = inner > most ? inner : most;
    most = other > most ? other : most;
  }
  return most;
}

// --- inputs --------------------------------------------------------------------------------------

static LLVMValueRef input_dim(cg_host *h, int input, int axis) {
  cg *c = h->c;
  LLVMValueRef all = member(c, h->call, offsetof(aicc_abi_call, input_dims), c->ptr);
  LLVMValueRef dims =
      LLVMBuildLoad2(c->builder, c->ptr, cg_host_element(h, c->ptr, all, input), "");
  return LLVMBuildLoad2(c->builder, c->i64, cg_host_element(h, c->i64, dims, axis), "");
}

void cg_host_input(cg_host *h, uint32_t input, LLVMValueRef *rank, LLVMValueRef *dims) {
  cg *c = h->c;
  LLVMValueRef ranks = member(c, h->call, offsetof(aicc_abi_call, input_ranks), c->ptr);
  LLVMValueRef all = member(c, h->call, offsetof(aicc_abi_call, input_dims), c->ptr);
  *rank = LLVMBuildLoad2(c->builder, c->i32, cg_host_element(h, c->i32, ranks, input), "");
  *dims = LLVMBuildLoad2(c->builder, c->ptr, cg_host_element(h, c->ptr, all, input), "");
}

static void require_input(cg_host *h, LLVMIntPredicate predicate, LLVMValueRef actual,
                          LLVMValueRef expected, int input, int axis) {
  cg *c = h->c;
  LLVMValueRef wide = LLVMBuildIntCast2(c->builder, expected, c->i64, true, "");
  LLVMValueRef args[] = {LLVMConstInt(c->i32, (unsigned long long)input, false),
                         LLVMConstInt(c->i32, (unsigned long long)axis, true), wide};
  cg_host_require(h, LLVMBuildICmp(c->builder, predicate, actual, expected, ""),
                  CG_HOST_BAD_INPUT, args, 3);
}

static void check_rank(cg_host *h, int input, int rank) {
  cg *c = h->c;
  LLVMValueRef all = member(c, h->call, offsetof(aicc_abi_call, input_ranks), c->ptr);
  LLVMValueRef actual =
      LLVMBuildLoad2(c->builder, c->i32, cg_host_element(h, c->i32, all, input), "");
  LLVMValueRef expected = LLVMConstInt(c->i32, (unsigned long long)rank, false);
  require_input(h, LLVMIntEQ, actual, expected, input, -1);
}

// Plain symbols first, since expressions of other inputs use them.
static void bind_symbols(cg_host *h) {
  const aicc_region *body = h->plan->module->body;
  for (int i = 0; i < body->param_count; i++) {
    const aicc_type *type = &body->params[i]->type;
    if (type->kind != AICC_TYPE_TENSOR || type->rank < 0) {
      continue;
    }
    check_rank(h, i, type->rank);
    for (int k = 0; k < type->rank; k++) {
      const aicc_dim dim = type->dims[k];
      if (aicc_dim_kind_of(h->dims, dim) == AICC_DIM_SYMBOL && !cg_symbol_defined(h, dim)) {
        cg_define_symbol(h, dim, input_dim(h, i, k));
      }
    }
  }
}

static void check_dims(cg_host *h) {
  const aicc_region *body = h->plan->module->body;
  for (int i = 0; i < body->param_count; i++) {
    const aicc_type *type = &body->params[i]->type;
    for (int k = 0; type->kind == AICC_TYPE_TENSOR && k < type->rank; k++) {
      if (!cg_dim_computable(h, type->dims[k])) {
        const aicc_loc loc = {.file = h->plan->module->file};
        char *text = aicc_dim_print(h->dims, type->dims[k], h->c->arena);
        AICC_EMIT(h->c->diags, E0503, &loc, body->params[i]->name, k, text);
        h->c->failed = true;
        return;
      }
      require_input(h, LLVMIntEQ, input_dim(h, i, k), cg_dim(h, type->dims[k]), i, k);
    }
  }
}

static void load_inputs(cg_host *h) {
  cg *c = h->c;
  LLVMValueRef all = member(c, h->call, offsetof(aicc_abi_call, inputs), c->ptr);
  for (int i = 0; i < h->plan->module->body->param_count; i++) {
    LLVMValueRef place = cg_host_element(h, c->ptr, all, i);
    cg_set_slot(h, h->plan->inputs[i], LLVMBuildLoad2(c->builder, c->ptr, place, ""));
  }
}

// --- the function --------------------------------------------------------------------------------

static void open_function(cg_host *h, LLVMValueRef run) {
  cg *c = h->c;
  cg_add_attribute(c, run, (unsigned)LLVMAttributeFunctionIndex, "nounwind", 0);
  h->entry = LLVMAppendBasicBlockInContext(c->context, run, "entry");
  h->leave = LLVMAppendBasicBlockInContext(c->context, run, "leave");
  LLVMBasicBlockRef body = LLVMAppendBasicBlockInContext(c->context, run, "body");
  LLVMPositionBuilderAtEnd(c->builder, body);
  h->status = cg_host_alloca(h, c->i32, 1);
  h->call = LLVMGetParam(run, 0);
  h->session = member(c, h->call, offsetof(aicc_abi_call, session), c->ptr);
  h->table = member(c, h->call, offsetof(aicc_abi_call, host), c->ptr);
  h->weights = member(c, h->call, offsetof(aicc_abi_call, weights), c->ptr);
  h->block = cg_host_alloca(h, c->i64, (uint64_t)most_args(&h->plan->steps));
  LLVMBuildStore(c->builder, LLVMConstInt(c->i32, 0, false), h->status);
}

static void close_function(cg_host *h) {
  cg *c = h->c;
  LLVMBuildBr(c->builder, h->leave);
  LLVMPositionBuilderAtEnd(c->builder, h->leave);
  LLVMBuildRet(c->builder, LLVMBuildLoad2(c->builder, c->i32, h->status, ""));
  LLVMPositionBuilderAtEnd(c->builder, h->entry);
  LLVMBuildBr(c->builder, LLVMGetNextBasicBlock(h->leave));
}

aicc_status cg_emit_run(cg *c, const aicc_plan *plan, const uint64_t *offsets, bool remote,
                        LLVMValueRef *run) {
  cg_host h = {.c = c, .plan = plan, .offsets = offsets, .dims = plan->module->dims,
               .remote = remote, .stamp = 1};
  h.dim_limit = aicc_dim_count(h.dims) + 1;
  h.symbols = AICC_NEW_ARRAY(c->arena, LLVMValueRef, h.dim_limit);
  h.memo = AICC_NEW_ARRAY(c->arena, LLVMValueRef, h.dim_limit);
  h.memo_stamp = AICC_NEW_ARRAY(c->arena, uint32_t, h.dim_limit);
  *run = LLVMAddFunction(c->module, "run", LLVMFunctionType(c->i32, &c->ptr, 1, false));
  LLVMSetLinkage(*run, LLVMInternalLinkage);
  open_function(&h, *run);
  make_slots(&h);
  find_strings(&h);
  load_inputs(&h);
  bind_symbols(&h);
  check_dims(&h);
  if (c->failed) {
    return AICC_UNSUPPORTED;
  }
  cg_emit_steps(&h, &plan->steps);
  close_function(&h);
  return c->failed ? AICC_UNSUPPORTED : AICC_OK;
}
