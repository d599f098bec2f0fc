// Building kernel IR: instructions are appended at the end of the open block; what is constant is
// folded at once (kir_fold.c), so that lowering may write index arithmetic without looking.
#include <string.h>

#include "ir/kir.h"
#include "ir/kir_fold.h"

// --- kernels ------------------------------------------------------------------------------------

static kir_val add_value(kir_kernel *kernel, kir_value_info info) {
  AICC_PUSH(kernel->arena, kernel->values, kernel->value_count, kernel->value_capacity, info);
  return (kir_val)(kernel->value_count - 1);
}

kir_kernel *kir_kernel_create(aicc_arena *arena, const char *name, const char *kind, int width) {
  kir_kernel *kernel = AICC_NEW(arena, kir_kernel);
  kernel->arena = arena;
  kernel->name = aicc_arena_strdup(arena, name);
  kernel->kind = aicc_arena_strdup(arena, kind);
  kernel->width = width;
  kernel->warps = 1;
  add_value(kernel, (kir_value_info){.kind = KIR_VALUE});  // id 0 is none
  return kernel;
}

static kir_val add_param(kir_kernel *kernel, const char *name, kir_param param,
                         kir_value_kind kind) {
  param.value = add_value(kernel, (kir_value_info){
      .kind = kind,
      .dtype = param.dtype,
      .name = name != NULL ? aicc_arena_strdup(kernel->arena, name) : NULL,
  });
  size_t count = (size_t)kernel->param_count;
  AICC_PUSH(kernel->arena, kernel->params, count, kernel->param_capacity, param);
  kernel->param_count = (int)count;
  return param.value;
}

kir_val kir_add_buffer(kir_kernel *kernel, const char *name, aicc_dtype dtype, unsigned access) {
  return add_param(kernel, name,
                   (kir_param){.is_buffer = true, .dtype = dtype, .access = access}, KIR_BUFFER);
}

kir_val kir_add_scalar(kir_kernel *kernel, const char *name, aicc_dtype dtype) {
  return add_param(kernel, name, (kir_param){.dtype = dtype}, KIR_VALUE);
}

// --- instructions -------------------------------------------------------------------------------

void kir_builder_init(kir_builder *b, kir_kernel *kernel) {
  *b = (kir_builder){.kernel = kernel, .block = &kernel->body};
}

static const kir_value_info *info_of(const kir_builder *b, kir_val v) {
  AICC_ASSERT(v != 0 && v < b->kernel->value_count);
  return &b->kernel->values[v];
}

static aicc_dtype dtype_of(const kir_builder *b, kir_val v) { return info_of(b, v)->dtype; }
static bool varying(const kir_builder *b, kir_val v) { return info_of(b, v)->varying; }

static bool is_value(const kir_builder *b, kir_val v, aicc_dtype dtype) {
  const kir_value_info *info = info_of(b, v);
  return info->kind == KIR_VALUE && info->dtype == dtype;
}

static bool is_index(const kir_builder *b, kir_val v) { return is_value(b, v, AICC_I64); }
static bool is_uniform_index(const kir_builder *b, kir_val v) {
  return is_index(b, v) && !varying(b, v);
}

kir_inst *kir_append(kir_builder *b, kir_inst inst, const kir_value_info *info) {
  AICC_ASSERT(b->block != NULL);
  kir_inst *copy = AICC_NEW(b->kernel->arena, kir_inst);
  *copy = inst;
  if (info != NULL) {
    kir_value_info result = *info;
    result.def = copy;
    copy->result = add_value(b->kernel, result);
  }
  if (b->block->last != NULL) {
    b->block->last->next = copy;
  } else {
    b->block->first = copy;
  }
  b->block->last = copy;
  return copy;
}

static kir_val append_value(kir_builder *b, kir_inst inst, aicc_dtype dtype, bool is_varying) {
  const kir_value_info info = {.kind = KIR_VALUE, .dtype = dtype, .varying = is_varying};
  return kir_append(b, inst, &info)->result;
}

// --- constants ----------------------------------------------------------------------------------

kir_val kir_const_bits(kir_builder *b, aicc_dtype dtype, uint64_t bits) {
  const size_t size = aicc_dtype_size(dtype);
  const uint64_t mask = size >= 8 ? UINT64_MAX : (UINT64_C(1) << (8 * size)) - 1;
  return append_value(b, (kir_inst){.op = KIR_CONST, .imm = bits & mask}, dtype, false);
}

kir_val kir_const_i64(kir_builder *b, int64_t value) {
  return kir_const_bits(b, AICC_I64, (uint64_t)value);
}

kir_val kir_const(kir_builder *b, aicc_dtype dtype, double value) {
  uint64_t bits = 0;
  if (aicc_dtype_kind_of(dtype) <= AICC_KIND_FLOAT8) {
    aicc_set_f64(dtype, &bits, 0, value);
  } else {
    AICC_ASSERT(value == 0);  // the one constant of strings and complex numbers
  }
  return kir_const_bits(b, dtype, bits);
}

bool kir_is_const_i64(const kir_builder *b, kir_val v, int64_t *value) {
  const kir_value_info *info = info_of(b, v);
  if (info->def == NULL || info->def->op != KIR_CONST || info->dtype != AICC_I64) {
    return false;
  }
  *value = (int64_t)info->def->imm;
  return true;
}

// --- scalar arithmetic ---------------------------------------------------------------------------

static bool gives_bool(aicc_op op) {
  return op == AICC_OP_EQ || op == AICC_OP_NE || op == AICC_OP_LT || op == AICC_OP_LE ||
         op == AICC_OP_GT || op == AICC_OP_GE || op == AICC_OP_ISNAN;
}

static kir_val scalar(kir_builder *b, aicc_op op, const kir_val *args, int count,
                      aicc_dtype dtype, bool saturate) {
  kir_inst inst = {
      .op = KIR_SCALAR, .scalar_op = op, .arg_count = count, .saturate = saturate};
  bool is_varying = false;
  for (int i = 0; i < count; i++) {
    AICC_ASSERT(info_of(b, args[i])->kind == KIR_VALUE);
    inst.args[i] = args[i];
    is_varying = is_varying || varying(b, args[i]);
  }
  uint64_t bits = 0;
  if (kir_fold(b->kernel, &inst, dtype, &bits)) {
    return kir_const_bits(b, dtype, bits);
  }
  const kir_val same = kir_simplify(b->kernel, &inst);
  if (same != 0) {
    return same;
  }
  if (kir_is_zero(b->kernel, &inst)) {
    return kir_const_bits(b, dtype, 0);
  }
  return append_value(b, inst, dtype, is_varying);
}

kir_val kir_scalar1(kir_builder *b, aicc_op op, kir_val x) {
  AICC_ASSERT(op != AICC_OP_CAST && op != AICC_OP_BITCAST);
  return scalar(b, op, &x, 1, gives_bool(op) ? AICC_BOOL : dtype_of(b, x), false);
}

kir_val kir_scalar2(kir_builder *b, aicc_op op, kir_val x, kir_val y) {
  AICC_ASSERT(dtype_of(b, x) == dtype_of(b, y));
  const kir_val args[] = {x, y};
  return scalar(b, op, args, 2, gives_bool(op) ? AICC_BOOL : dtype_of(b, x), false);
}

kir_val kir_select(kir_builder *b, kir_val c, kir_val x, kir_val y) {
  AICC_ASSERT(is_value(b, c, AICC_BOOL) && dtype_of(b, x) == dtype_of(b, y));
  const kir_val args[] = {c, x, y};
  return scalar(b, AICC_OP_SELECT, args, 3, dtype_of(b, x), false);
}

kir_val kir_fma(kir_builder *b, kir_val x, kir_val y, kir_val z) {
  const aicc_dtype dtype = dtype_of(b, x);
  AICC_ASSERT(is_value(b, x, dtype) && is_value(b, y, dtype) && is_value(b, z, dtype));
  if (aicc_dtype_is_int(dtype)) {
    return kir_add(b, kir_mul(b, x, y), z);
  }
  const bool is_varying = varying(b, x) || varying(b, y) || varying(b, z);
  return append_value(b, (kir_inst){.op = KIR_FMA, .arg_count = 3, .args = {x, y, z}}, dtype,
                      is_varying);
}

kir_val kir_cast(kir_builder *b, kir_val x, aicc_dtype to, bool saturate) {
  return dtype_of(b, x) == to ? x : scalar(b, AICC_OP_CAST, &x, 1, to, saturate);
}

kir_val kir_bitcast(kir_builder *b, kir_val x, aicc_dtype to) {
  AICC_ASSERT(aicc_dtype_size(dtype_of(b, x)) == aicc_dtype_size(to));
  // A bool is one bit in registers and the byte 0 or 1 in memory, which is what is meant here.
  if (to == AICC_BOOL && dtype_of(b, x) != AICC_BOOL) {
    return kir_cast(b, kir_bitcast(b, x, AICC_U8), AICC_BOOL, false);
  }
  x = dtype_of(b, x) == AICC_BOOL && to != AICC_BOOL ? kir_cast(b, x, AICC_U8, false) : x;
  return dtype_of(b, x) == to ? x : scalar(b, AICC_OP_BITCAST, &x, 1, to, false);
}

kir_val kir_task(kir_builder *b) {
  return append_value(b, (kir_inst){.op = KIR_TASK}, AICC_I64, false);
}

kir_val kir_lane(kir_builder *b) {
  return append_value(b, (kir_inst){.op = KIR_LANE}, AICC_I64, true);
}

kir_val kir_reduce(kir_builder *b, aicc_op op, kir_val x) {
  AICC_ASSERT(info_of(b, x)->kind == KIR_VALUE);
  return append_value(
      b, (kir_inst){.op = KIR_REDUCE, .scalar_op = op, .arg_count = 1, .args = {x}},
      dtype_of(b, x), false);
}

// --- memory -------------------------------------------------------------------------------------

kir_val kir_load(kir_builder *b, kir_val buffer, kir_val index) {
  AICC_ASSERT(info_of(b, buffer)->kind == KIR_BUFFER && is_index(b, index));
  return append_value(
      b, (kir_inst){.op = KIR_LOAD, .buffer = buffer, .arg_count = 1, .args = {index}},
      dtype_of(b, buffer), varying(b, index));
}

kir_val kir_load_or(kir_builder *b, kir_val buffer, kir_val index, kir_val guard,
                    kir_val otherwise) {
  AICC_ASSERT(info_of(b, buffer)->kind == KIR_BUFFER && is_index(b, index));
  AICC_ASSERT(is_value(b, guard, AICC_BOOL) && is_value(b, otherwise, dtype_of(b, buffer)));
  uint64_t bits = 0;
  if (kir_const_bits_of(b->kernel, guard, &bits)) {
    return bits != 0 ? kir_load(b, buffer, index) : otherwise;
  }
  const bool is_varying = varying(b, index) || varying(b, guard) || varying(b, otherwise);
  const kir_inst inst = {.op = KIR_LOAD_OR, .buffer = buffer, .arg_count = 3,
                         .args = {index, guard, otherwise}};
  return append_value(b, inst, dtype_of(b, buffer), is_varying);
}

kir_val kir_word(kir_builder *b, kir_val buffer, kir_val index) {
  AICC_ASSERT(info_of(b, buffer)->kind == KIR_BUFFER && is_index(b, index));
  AICC_ASSERT(aicc_dtype_is_byte(dtype_of(b, buffer)));
  return append_value(
      b, (kir_inst){.op = KIR_WORD, .buffer = buffer, .arg_count = 1, .args = {index}}, AICC_I32,
      varying(b, index));
}

kir_val kir_dot4(kir_builder *b, kir_val x, kir_val y, kir_val sum) {
  AICC_ASSERT(is_value(b, x, AICC_I32) && is_value(b, y, AICC_I32) && is_value(b, sum, AICC_I32));
  return append_value(b, (kir_inst){.op = KIR_DOT4, .arg_count = 3, .args = {x, y, sum}}, AICC_I32,
                      varying(b, x) || varying(b, y) || varying(b, sum));
}

void kir_prefetch(kir_builder *b, kir_val buffer, kir_val index) {
  AICC_ASSERT(info_of(b, buffer)->kind == KIR_BUFFER && is_index(b, index) && !varying(b, index));
  kir_append(b, (kir_inst){.op = KIR_PREFETCH, .buffer = buffer, .arg_count = 1, .args = {index}},
             NULL);
}

void kir_store(kir_builder *b, kir_val buffer, kir_val index, kir_val value) {
  AICC_ASSERT(info_of(b, buffer)->kind == KIR_BUFFER && is_index(b, index));
  AICC_ASSERT(is_value(b, value, dtype_of(b, buffer)));
  kir_append(b, (kir_inst){.op = KIR_STORE, .buffer = buffer, .arg_count = 2,
                       .args = {index, value}}, NULL);
}

void kir_atomic(kir_builder *b, aicc_op op, kir_val buffer, kir_val index, kir_val value) {
  AICC_ASSERT(info_of(b, buffer)->kind == KIR_BUFFER && is_index(b, index));
  AICC_ASSERT(is_value(b, value, dtype_of(b, buffer)));
  kir_append(b, (kir_inst){.op = KIR_ATOMIC, .scalar_op = op, .buffer = buffer, .arg_count = 2,
                       .args = {index, value}}, NULL);
}

kir_val kir_local(kir_builder *b, aicc_dtype dtype, int64_t count) {
  AICC_ASSERT(count > 0);
  const kir_value_info info = {.kind = KIR_BUFFER, .dtype = dtype};
  return kir_append(b, (kir_inst){.op = KIR_LOCAL, .imm = (uint64_t)count}, &info)->result;
}

// --- variables and arrays ------------------------------------------------------------------------

kir_val kir_var(kir_builder *b, kir_val init, bool is_varying) {
  AICC_ASSERT(info_of(b, init)->kind == KIR_VALUE && (is_varying || !varying(b, init)));
  const kir_value_info info = {
      .kind = KIR_VARIABLE, .dtype = dtype_of(b, init), .varying = is_varying};
  return kir_append(b, (kir_inst){.op = KIR_VAR, .arg_count = 1, .args = {init}}, &info)->result;
}

kir_val kir_get(kir_builder *b, kir_val var) {
  AICC_ASSERT(info_of(b, var)->kind == KIR_VARIABLE);
  return append_value(b, (kir_inst){.op = KIR_GET, .arg_count = 1, .args = {var}},
                      dtype_of(b, var), varying(b, var));
}

void kir_set(kir_builder *b, kir_val var, kir_val value) {
  AICC_ASSERT(info_of(b, var)->kind == KIR_VARIABLE && is_value(b, value, dtype_of(b, var)));
  AICC_ASSERT(varying(b, var) || !varying(b, value));
  kir_append(b, (kir_inst){.op = KIR_SET, .arg_count = 2, .args = {var, value}}, NULL);
}

kir_val kir_array(kir_builder *b, aicc_dtype dtype, int64_t count, bool is_varying) {
  AICC_ASSERT(count > 0);
  const kir_value_info info = {.kind = KIR_ARRAY_VALUE, .dtype = dtype, .varying = is_varying};
  return kir_append(b, (kir_inst){.op = KIR_ARRAY, .imm = (uint64_t)count}, &info)->result;
}

kir_val kir_aget(kir_builder *b, kir_val array, kir_val index) {
  AICC_ASSERT(info_of(b, array)->kind == KIR_ARRAY_VALUE && is_uniform_index(b, index));
  return append_value(b, (kir_inst){.op = KIR_AGET, .arg_count = 2, .args = {array, index}},
                      dtype_of(b, array), varying(b, array));
}

void kir_aset(kir_builder *b, kir_val array, kir_val index, kir_val value) {
  AICC_ASSERT(info_of(b, array)->kind == KIR_ARRAY_VALUE && is_uniform_index(b, index));
  AICC_ASSERT(is_value(b, value, dtype_of(b, array)));
  AICC_ASSERT(varying(b, array) || !varying(b, value));
  kir_append(b, (kir_inst){.op = KIR_ASET, .arg_count = 3, .args = {array, index, value}}, NULL);
}

// --- control flow --------------------------------------------------------------------------------

static void open_block(kir_builder *b, kir_block *block) {
  AICC_ASSERT(b->depth < (int)(sizeof(b->stack) / sizeof(b->stack[0])));
  b->stack[b->depth++] = b->block;
  b->block = block;
}

// The instruction whose block is open: the last one of the block around it.
static kir_inst *open_inst(const kir_builder *b, kir_op op) {
  AICC_ASSERT(b->depth > 0);
  kir_inst *inst = b->stack[b->depth - 1]->last;
  AICC_ASSERT(inst != NULL && inst->op == op);
  return inst;
}

void kir_end(kir_builder *b) {
  AICC_ASSERT(b->depth > 0);
  b->block = b->stack[--b->depth];
}

kir_val kir_for(kir_builder *b, kir_loop_kind kind, kir_val from, kir_val to, kir_val step) {
  AICC_ASSERT(is_uniform_index(b, from) && is_uniform_index(b, to) && is_uniform_index(b, step));
  int64_t number = 0;
  AICC_ASSERT(kind != KIR_LANES || (kir_is_const_i64(b, step, &number) && number == 1));
  AICC_ASSERT(kind != KIR_UNROLL ||
              (kir_is_const_i64(b, from, &number) && kir_is_const_i64(b, to, &number) &&
               kir_is_const_i64(b, step, &number) && number > 0));
  const kir_value_info info = {
      .kind = KIR_VALUE, .dtype = AICC_I64, .varying = kind == KIR_LANES};
  const kir_inst inst = {
      .op = KIR_FOR, .loop_kind = kind, .arg_count = 3, .args = {from, to, step}};
  kir_inst *loop = kir_append(b, inst, &info);
  open_block(b, &loop->blocks[0]);
  return loop->result;
}

void kir_if(kir_builder *b, kir_val condition) {
  AICC_ASSERT(is_value(b, condition, AICC_BOOL));
  const kir_inst branch = {.op = KIR_IF, .arg_count = 1, .args = {condition}};
  kir_inst *inst = kir_append(b, branch, NULL);
  open_block(b, &inst->blocks[0]);
}

void kir_else(kir_builder *b) {
  kir_inst *inst = open_inst(b, KIR_IF);
  AICC_ASSERT(b->block == &inst->blocks[0]);
  b->block = &inst->blocks[1];
}

void kir_while(kir_builder *b) {
  kir_inst *inst = kir_append(b, (kir_inst){.op = KIR_WHILE}, NULL);
  open_block(b, &inst->blocks[0]);
}

void kir_while_cond(kir_builder *b, kir_val condition) {
  kir_inst *inst = open_inst(b, KIR_WHILE);
  AICC_ASSERT(b->block == &inst->blocks[0]);
  AICC_ASSERT(is_value(b, condition, AICC_BOOL) && !varying(b, condition));
  kir_append(b, (kir_inst){.op = KIR_COND, .arg_count = 1, .args = {condition}}, NULL);
  b->block = &inst->blocks[1];
}

void kir_barrier(kir_builder *b) { kir_append(b, (kir_inst){.op = KIR_BARRIER}, NULL); }
