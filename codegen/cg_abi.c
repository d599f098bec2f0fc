// The constant tables of runtime/include/aicc/abi.h, and the function that hands them out.
//
// A table is an LLVM struct whose members are in the order and of the widths of the C struct; that
// its size comes out the same is asserted.
#include <stddef.h>

#include "aicc/abi.h"
#include "codegen/cg_host.h"

#define AICC_CODEGEN_VERSION "aicc 0.1.0"

// --- constants -----------------------------------------------------------------------------------

static LLVMValueRef u32(cg *c, uint64_t value) { return LLVMConstInt(c->i32, value, false); }
static LLVMValueRef u64(cg *c, uint64_t value) { return LLVMConstInt(c->i64, value, false); }

static LLVMValueRef text_or_null(cg *c, const char *text) {
  return text != NULL ? cg_host_string(c, text) : LLVMConstNull(c->ptr);
}

static LLVMValueRef record(cg *c, LLVMValueRef *members, unsigned count, size_t size) {
  LLVMValueRef value = LLVMConstStructInContext(c->context, members, count, false);
  LLVMTargetDataRef layout = LLVMGetModuleDataLayout(c->module);
  AICC_ASSERT(LLVMABISizeOfType(layout, LLVMTypeOf(value)) == size);
  return value;
}

// A global array of |count| equal records; null where there are none.
static LLVMValueRef array_global(cg *c, LLVMTypeRef type, LLVMValueRef *items, size_t count) {
  return count == 0 ? LLVMConstNull(c->ptr)
                    : cg_host_constant(c, LLVMConstArray2(type, items, count));
}

static LLVMValueRef records(cg *c, LLVMValueRef *items, size_t count) {
  return count == 0 ? LLVMConstNull(c->ptr)
                    : array_global(c, LLVMTypeOf(items[0]), items, count);
}

// --- inputs and outputs --------------------------------------------------------------------------

static uint32_t kind_of(const aicc_type *type) {
  if (type->kind == AICC_TYPE_TENSOR) {
    return AICC_ABI_KIND_TENSOR;
  }
  if (type->kind == AICC_TYPE_SEQUENCE) {
    return AICC_ABI_KIND_SEQUENCE;
  }
  return type->element->kind == AICC_TYPE_TENSOR ? AICC_ABI_KIND_OPTIONAL
                                                 : AICC_ABI_KIND_OPTIONAL_SEQUENCE;
}

static LLVMValueRef tensor_record(cg *c, const aicc_plan *plan, const char *name,
                                  const aicc_type *type) {
  const aicc_dims *dims = plan->module->dims;
  const uint32_t kind = kind_of(type);
  while (type->kind != AICC_TYPE_TENSOR) {
    type = type->element;
  }
  LLVMValueRef sizes[AICC_MAX_RANK], symbols[AICC_MAX_RANK];
  const size_t rank = type->rank > 0 ? (size_t)type->rank : 0;
  for (size_t i = 0; i < rank; i++) {
    int64_t size = -1;
    const bool fixed = aicc_dim_is_const(dims, type->dims[i], &size);
    sizes[i] = cg_int(c, fixed ? size : -1);
    symbols[i] =
        text_or_null(c, fixed ? NULL : aicc_dim_print(dims, type->dims[i], c->arena));
  }
  LLVMValueRef members[] = {text_or_null(c, name),
                            u32(c, (uint64_t)aicc_dtype_table[type->dtype].onnx),
                            u32(c, kind),
                            LLVMConstInt(c->i32, (unsigned long long)type->rank, true),
                            array_global(c, c->i64, sizes, rank),
                            array_global(c, c->ptr, symbols, rank)};
  return record(c, members, 6, sizeof(aicc_abi_tensor));
}

static LLVMValueRef input_table(cg *c, const aicc_plan *plan) {
  const aicc_region *body = plan->module->body;
  LLVMValueRef *items = AICC_NEW_ARRAY(c->arena, LLVMValueRef, body->param_count + 1);
  for (int i = 0; i < body->param_count; i++) {
    items[i] = tensor_record(c, plan, body->params[i]->name, &body->params[i]->type);
  }
  return records(c, items, (size_t)body->param_count);
}

static LLVMValueRef output_table(cg *c, const aicc_plan *plan) {
  const aicc_region *body = plan->module->body;
  LLVMValueRef *items = AICC_NEW_ARRAY(c->arena, LLVMValueRef, body->result_count + 1);
  for (int i = 0; i < body->result_count; i++) {
    items[i] = tensor_record(c, plan, plan->module->result_names[i], &body->results[i]->type);
  }
  return records(c, items, (size_t)body->result_count);
}

// --- kernels, images, memory ---------------------------------------------------------------------

static LLVMValueRef origin_table(cg *c, const kir_kernel *kernel) {
  LLVMValueRef *items = AICC_NEW_ARRAY(c->arena, LLVMValueRef, kernel->origin_count + 1);
  for (int i = 0; i < kernel->origin_count; i++) {
    LLVMValueRef members[] = {text_or_null(c, kernel->origins[i].node),
                              text_or_null(c, kernel->origins[i].op)};
    items[i] = record(c, members, 2, sizeof(aicc_abi_origin));
  }
  return records(c, items, (size_t)kernel->origin_count);
}

// A kernel function of another object.
static LLVMValueRef kernel_function(cg *c, const char *const *symbols, size_t index) {
  const char *symbol = symbols != NULL ? symbols[index] : NULL;
  if (symbol == NULL) {
    return LLVMConstNull(c->ptr);
  }
  LLVMTypeRef types[] = {c->ptr, c->i64, c->i64, c->ptr};
  LLVMValueRef function = LLVMGetNamedFunction(c->module, symbol);
  if (function == NULL) {
    function = LLVMAddFunction(c->module, symbol, LLVMFunctionType(c->nothing, types, 4, false));
    LLVMSetVisibility(function, LLVMHiddenVisibility);
  }
  return function;
}

// |symbols|, |gpu_symbols|: may be NULL.
static LLVMValueRef kernel_table(cg *c, const aicc_plan *plan, const cg_kernel_info *infos,
                                 const char *const *symbols, const char *const *gpu_symbols) {
  LLVMValueRef *items = AICC_NEW_ARRAY(c->arena, LLVMValueRef, plan->kernel_count + 1);
  for (size_t i = 0; i < plan->kernel_count; i++) {
    const kir_kernel *kernel = plan->kernels[i];
    const cg_kernel_info *info = &infos[i];
    LLVMValueRef members[] = {text_or_null(c, kernel->name),
                              text_or_null(c, kernel->kind),
                              origin_table(c, kernel),
                              u32(c, (uint64_t)kernel->origin_count),
                              u32(c, info->arg_bytes),
                              u32(c, info->scratch_bytes),
                              u32(c, info->block_threads),
                              u32(c, info->task_warps),
                              u32(c, info->shared_bytes),
                              u32(c, info->dynamic_shared_bytes),
                              kernel_function(c, symbols, i),
                              text_or_null(c, gpu_symbols != NULL ? gpu_symbols[i] : NULL)};
    items[i] = record(c, members, 12, sizeof(aicc_abi_kernel));
  }
  return records(c, items, plan->kernel_count);
}

static LLVMValueRef image_table(cg *c, const cg_tables *tables) {
  LLVMValueRef *items = AICC_NEW_ARRAY(c->arena, LLVMValueRef, tables->image_count + 1);
  for (size_t i = 0; i < tables->image_count; i++) {
    const cg_image *image = &tables->images[i];
    LLVMValueRef data = LLVMConstNull(c->ptr);
    if (image->data != NULL) {
      data = cg_host_constant(c, LLVMConstStringInContext2(c->context, image->data, image->size,
                                                        true));
      LLVMSetAlignment(data, 64);
    }
    LLVMValueRef members[] = {u32(c, image->kind),         u32(c, image->plan),
                              u32(c, image->first_kernel), u32(c, image->kernel_count),
                              text_or_null(c, image->target), data, u64(c, image->size)};
    items[i] = record(c, members, 7, sizeof(aicc_abi_image));
  }
  return records(c, items, tables->image_count);
}

// Buffers in the order of their slots; |count| is set.
static LLVMValueRef buffer_table(cg *c, const aicc_plan *plan, size_t *count) {
  LLVMValueRef *items = AICC_NEW_ARRAY(c->arena, LLVMValueRef, plan->slot_count + 1);
  *count = 0;
  for (size_t i = 0; i < plan->slot_count; i++) {
    const aicc_slot_info *info = &plan->slots[i];
    if (info->kind != AICC_SLOT_BUFFER) {
      continue;
    }
    LLVMValueRef members[] = {u32(c, info->segment), u32(c, info->first), u32(c, info->last),
                              text_or_null(c, info->name)};
    items[(*count)++] = record(c, members, 4, sizeof(aicc_abi_buffer));
  }
  return records(c, items, *count);
}

typedef struct constant_list {
  LLVMValueRef *items;
  size_t count, capacity;
} constant_list;

static bool listed(const cg_tables *tables, size_t plans, uint64_t offset) {
  for (size_t p = 0; p < plans; p++) {
    const aicc_plan *plan = p == 0 ? tables->plan : tables->others[p - 1].plan;
    const uint64_t *offsets = p == 0 ? tables->offsets : tables->others[p - 1].offsets;
    for (size_t i = 0; i < plan->const_count; i++) {
      if (offsets[i] == offset && plan->consts[i].size > 0) {
        return true;
      }
    }
  }
  return false;
}

static void add_constants(cg *c, const cg_tables *tables, size_t index, constant_list *list) {
  const aicc_plan *plan = index == 0 ? tables->plan : tables->others[index - 1].plan;
  const uint64_t *offsets = index == 0 ? tables->offsets : tables->others[index - 1].offsets;
  for (size_t i = 0; i < plan->const_count; i++) {
    const aicc_plan_const *constant = &plan->consts[i];
    const bool in_code = constant->tensor->dtype == AICC_STR;
    const uint64_t offset = offsets != NULL ? offsets[i] : constant->offset;
    if (listed(tables, index, offset)) {
      continue;  // plans share what they store alike
    }
    LLVMValueRef members[] = {
        text_or_null(c, constant->name),
        u32(c, (uint64_t)aicc_dtype_table[constant->tensor->dtype].onnx),
        u64(c, in_code ? 0 : offset), u64(c, in_code ? 0 : constant->size)};
    LLVMValueRef item = record(c, members, 4, sizeof(aicc_abi_constant));
    AICC_PUSH(c->arena, list->items, list->count, list->capacity, item);
  }
}

// |count| is set.
static LLVMValueRef constant_table(cg *c, const cg_tables *tables, size_t *count) {
  constant_list list = {0};
  for (size_t i = 0; i <= tables->other_count; i++) {
    add_constants(c, tables, i, &list);
  }
  *count = list.count;
  return records(c, list.items, list.count);
}

// --- plans for other machines --------------------------------------------------------------------

// Sets the span of the weights in which the constants of a plan lie. |offsets| NULL: the plan's.
static void span_of(const aicc_plan *plan, const uint64_t *offsets, uint64_t *begin,
                    uint64_t *end) {
  *begin = UINT64_MAX;
  *end = 0;
  for (size_t i = 0; i < plan->const_count; i++) {
    const aicc_plan_const *constant = &plan->consts[i];
    if (constant->tensor->dtype != AICC_STR && constant->size > 0) {
      const uint64_t first = offsets != NULL ? offsets[i] : constant->offset;
      const uint64_t last = first + (uint64_t)constant->size;
      *begin = first < *begin ? first : *begin;
      *end = last > *end ? last : *end;
    }
  }
  *begin = *begin < *end ? *begin : *end;
}

static LLVMValueRef plan_table(cg *c, const cg_tables *tables) {
  LLVMValueRef *items = AICC_NEW_ARRAY(c->arena, LLVMValueRef, tables->other_count + 1);
  for (size_t i = 0; i < tables->other_count; i++) {
    const cg_plan_table *other = &tables->others[i];
    size_t buffer_count = 0;
    uint64_t begin, end;
    span_of(other->plan, other->offsets, &begin, &end);
    LLVMValueRef buffers = buffer_table(c, other->plan, &buffer_count);
    LLVMValueRef members[] = {u32(c, sizeof(aicc_abi_plan)),
                              u32(c, other->width),
                              u32(c, other->plan->kernel_count),
                              u32(c, buffer_count),
                              u32(c, other->plan->segment_count),
                              kernel_table(c, other->plan, other->infos, NULL, other->symbols),
                              buffers,
                              other->run,
                              u64(c, begin),
                              u64(c, end)};
    items[i] = record(c, members, sizeof members / sizeof members[0], sizeof(aicc_abi_plan));
  }
  return records(c, items, tables->other_count);
}

static LLVMValueRef feature_table(cg *c) {
  LLVMValueRef items[32];
  size_t count = 0;
  for (const char *const *need = c->target->needs; *need != NULL; need++) {
    AICC_ASSERT(count < 31);
    items[count++] = cg_host_string(c, *need);
  }
  items[count++] = LLVMConstNull(c->ptr);
  return array_global(c, c->ptr, items, count);
}

// --- the model -----------------------------------------------------------------------------------

static LLVMValueRef model_record(cg *c, const cg_tables *tables, LLVMValueRef run) {
  const aicc_plan *plan = tables->plan;
  const aicc_region *body = plan->module->body;
  size_t buffer_count = 0, constant_count = 0;
  uint64_t begin, end;
  span_of(plan, tables->offsets, &begin, &end);
  LLVMValueRef buffers = buffer_table(c, plan, &buffer_count);
  LLVMValueRef constants = constant_table(c, tables, &constant_count);
  LLVMValueRef weights[] = {u64(c, tables->weights_size), text_or_null(c, tables->weights_file)};
  LLVMValueRef members[] = {u32(c, sizeof(aicc_abi_model)),
                            u32(c, AICC_ABI_VERSION),
                            text_or_null(c, plan->module->name),
                            cg_host_string(c, AICC_CODEGEN_VERSION),
                            u32(c, (uint64_t)body->param_count),
                            u32(c, (uint64_t)body->result_count),
                            u32(c, plan->kernel_count),
                            u32(c, tables->image_count),
                            u32(c, buffer_count),
                            u32(c, plan->segment_count),
                            u32(c, constant_count),
                            input_table(c, plan),
                            output_table(c, plan),
                            kernel_table(c, plan, tables->infos, tables->symbols,
                                         tables->gpu_symbols),
                            image_table(c, tables),
                            buffers,
                            constants,
                            cg_host_constant(c, record(c, weights, 2, sizeof(aicc_abi_weights))),
                            run,
                            feature_table(c),
                            u32(c, tables->other_count),
                            u32(c, tables->width),
                            plan_table(c, tables),
                            u64(c, begin),
                            u64(c, end)};
  return record(c, members, sizeof members / sizeof members[0], sizeof(aicc_abi_model));
}

void cg_emit_tables(cg *c, const cg_tables *tables, LLVMValueRef run) {
  LLVMValueRef model = cg_host_constant(c, model_record(c, tables, run));
  LLVMTypeRef type = LLVMFunctionType(c->ptr, &c->i32, 1, false);
  LLVMValueRef query = LLVMAddFunction(c->module, AICC_ABI_QUERY_SYMBOL, type);
  LLVMPositionBuilderAtEnd(c->builder,
                           LLVMAppendBasicBlockInContext(c->context, query, "entry"));
  LLVMValueRef known = LLVMBuildICmp(c->builder, LLVMIntUGE, LLVMGetParam(query, 0),
                                     u32(c, AICC_ABI_VERSION), "");
  LLVMBuildRet(c->builder,
               LLVMBuildSelect(c->builder, known, model, LLVMConstNull(c->ptr), ""));
}
