// Rules every kernel keeps:
//   - parameters: buffers, scalars of numbers or bool;
//   - a value has one definition, which stands before its uses in the same block or one around it
//     (the body of a `while` sees what its condition block defines), and the kind its use needs;
//   - operands are as many as the operator takes and of one type; `select` chooses by a bool;
//     comparisons give bool, `bitcast` keeps the size; 16-bit and 8-bit floats are moved and cast
//     only, strings and complex numbers moved only; an operator is defined on the type
//     (ir/scalar.h);
//   - a result varies if and only if an operand does (`lane` and the variable of a lanes loop do,
//     `reduce` does not); a uniform variable or array takes uniform values alone, and under a
//     varying `if` only where it is declared there as well;
//   - loads and stores fit the buffer's element type and its access; indices are i64; array indices
//     are uniform, and in range where they are constant;
//   - loop bounds are uniform i64; steps are positive where constant; `unroll` has constant bounds,
//     `lanes` step 1, and stands neither in another lanes loop nor under a varying `if`;
//   - the first block of a `while` ends with `cond` of a uniform bool; it stands nowhere else;
//   - `reduce` and `atomic` take add mul min max and or; `barrier` stands under no varying `if`;
//   - a task of several warps has lanes in powers of two, its LOCAL buffers stand in the kernel's
//     own block (all warps share them), and its barriers in no lanes loop;
//   - `vload` and `vstore` move 1 element or 4, 8, 16 bytes between an array and a buffer of one
//     type (a uniform array takes uniform places, a varying one is stored at varying ones);
//     `copy_async` moves 4, 8 or 16 bytes from a parameter to a LOCAL of its type; none of them
//     strings or complex numbers; the elements of an array exist;
//   - `ldmatrix` fills a varying u32 array from a LOCAL; `mma` takes varying arrays of the types of
//     its row in kir_mma.def; `exchange` a varying value and a power of two below the width; these,
//     `commit` and `wait` (of at most KIR_WAIT_MAX) stand where all lanes are active: in no lanes
//     loop and under no varying `if`.
#include <stdarg.h>
#include <string.h>

#include "ir/kir.h"
#include "ir/scalar.h"

typedef struct verifier {
  const kir_kernel *kernel;
  aicc_diags *diags;
  aicc_arena scratch;
  bool *visible;        // per value
  int *masks_at;        // per variable and array: varying ifs around its declaration
  kir_val *scope;       // visible values, inner ones last
  size_t scope_count, scope_capacity;
  int masks;            // varying ifs around
  int depth;            // blocks around, the kernel's own included
  bool in_lanes, failed;
} verifier;

static void verify_block(verifier *v, const kir_block *block);

AICC_PRINTF(2, 3) static void fail(verifier *v, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const char *text = aicc_arena_vprintf(&v->scratch, format, args);
  va_end(args);
  const aicc_loc loc = {0};
  AICC_EMIT(v->diags, E0712, &loc, v->kernel->name, text);
  v->failed = true;
}

static const char *name_of(verifier *v, kir_val id) {
  const char *name = id < v->kernel->value_count ? v->kernel->values[id].name : NULL;
  return name != NULL ? aicc_arena_printf(&v->scratch, "%%%s", name)
                      : aicc_arena_printf(&v->scratch, "%%%u", id);
}

static const kir_value_info *info_of(const verifier *v, kir_val id) {
  return &v->kernel->values[id];
}

static bool visible(verifier *v, kir_val id, kir_value_kind kind) {
  static const char *const kinds[] = {"a value", "a buffer", "a variable", "an array"};
  if (id == 0 || id >= v->kernel->value_count || !v->visible[id]) {
    fail(v, "%s is used where it is not defined", name_of(v, id));
    return false;
  }
  if (info_of(v, id)->kind != kind) {
    fail(v, "%s is not %s", name_of(v, id), kinds[kind]);
    return false;
  }
  return true;
}

static bool value_of(verifier *v, kir_val id, aicc_dtype dtype) {
  if (!visible(v, id, KIR_VALUE)) {
    return false;
  }
  if (info_of(v, id)->dtype != dtype) {
    fail(v, "%s is %s where %s is needed", name_of(v, id), aicc_dtype_name(info_of(v, id)->dtype),
         aicc_dtype_name(dtype));
    return false;
  }
  return true;
}

static bool uniform(verifier *v, kir_val id) {
  if (info_of(v, id)->varying) {
    fail(v, "%s varies where a uniform value is needed", name_of(v, id));
    return false;
  }
  return true;
}

static bool constant_of(const verifier *v, kir_val id, int64_t *out) {
  const kir_inst *def = info_of(v, id)->def;
  if (def == NULL || def->op != KIR_CONST) {
    return false;
  }
  *out = (int64_t)def->imm;
  return true;
}

// The result is a value of |dtype| that varies as stated.
static void result_is(verifier *v, const kir_inst *inst, aicc_dtype dtype, bool varying) {
  if (inst->result == 0) {
    fail(v, "an instruction has no result");
    return;
  }
  const kir_value_info *info = info_of(v, inst->result);
  if (info->kind != KIR_VALUE || info->dtype != dtype) {
    fail(v, "%s is %s, its instruction gives %s", name_of(v, inst->result),
         aicc_dtype_name(info->dtype), aicc_dtype_name(dtype));
  } else if (info->varying != varying) {
    fail(v, "%s is marked %s, its instruction gives a %s value", name_of(v, inst->result),
         info->varying ? "varying" : "uniform", varying ? "varying" : "uniform");
  }
}

static bool any_varying(const verifier *v, const kir_inst *inst) {
  for (int i = 0; i < inst->arg_count; i++) {
    if (info_of(v, inst->args[i])->varying) {
      return true;
    }
  }
  return false;
}

// --- scalar operators ----------------------------------------------------------------------------

static bool is_number(aicc_dtype dtype) {
  return aicc_dtype_kind_of(dtype) <= AICC_KIND_FLOAT8;
}

static bool moves_only(aicc_dtype dtype) {
  return dtype == AICC_F16 || dtype == AICC_BF16 || aicc_dtype_kind_of(dtype) >= AICC_KIND_FLOAT8;
}

static bool defined_on(aicc_op op, aicc_dtype dtype) {
  const aicc_scalar_info *row = aicc_scalar_of(op);
  return !moves_only(dtype) && (aicc_dtype_is_float(dtype) ? row->f64 != NULL : row->i64 != NULL);
}

static aicc_dtype scalar_result(aicc_op op, aicc_dtype operand) {
  return (aicc_op_table[op].traits & AICC_TRAIT_BOOL_RESULT) != 0 ? AICC_BOOL : operand;
}

static void verify_scalar(verifier *v, const kir_inst *inst) {
  const aicc_op op = inst->scalar_op;
  const aicc_op_info *row = &aicc_op_table[op];
  if (row->kind != AICC_KIND_ELTWISE || inst->arg_count != row->least) {
    fail(v, "'%s' with %d operands is no scalar operation", row->name, inst->arg_count);
    return;
  }
  const int first = op == AICC_OP_SELECT ? 1 : 0;
  if (first == 1 && !value_of(v, inst->args[0], AICC_BOOL)) {
    return;
  }
  if (!visible(v, inst->args[first], KIR_VALUE)) {
    return;
  }
  const aicc_dtype dtype = info_of(v, inst->args[first])->dtype;
  for (int i = first + 1; i < inst->arg_count; i++) {
    if (!value_of(v, inst->args[i], dtype)) {
      return;
    }
  }
  const bool varying = any_varying(v, inst);
  const aicc_dtype given = info_of(v, inst->result)->dtype;
  if (op == AICC_OP_CAST || op == AICC_OP_BITCAST) {
    if (op == AICC_OP_BITCAST && aicc_dtype_size(dtype) != aicc_dtype_size(given)) {
      fail(v, "%s: bitcast between types of different size", name_of(v, inst->result));
    }
    if (!is_number(dtype) || !is_number(given)) {
      fail(v, "%s: '%s' of strings or complex numbers", name_of(v, inst->result), row->name);
    }
    result_is(v, inst, given, varying);
    return;
  }
  if (op != AICC_OP_SELECT && !defined_on(op, dtype)) {
    fail(v, "%s: '%s' is not computed in %s", name_of(v, inst->result), row->name,
         aicc_dtype_name(dtype));
  }
  result_is(v, inst, scalar_result(op, dtype), varying);
}

static void verify_fma(verifier *v, const kir_inst *inst) {
  if (!visible(v, inst->args[0], KIR_VALUE)) {
    return;
  }
  const aicc_dtype dtype = info_of(v, inst->args[0])->dtype;
  if (value_of(v, inst->args[1], dtype) && value_of(v, inst->args[2], dtype)) {
    if (dtype != AICC_F32 && dtype != AICC_F64) {
      fail(v, "%s: fma is not computed in %s", name_of(v, inst->result), aicc_dtype_name(dtype));
    }
    result_is(v, inst, dtype, any_varying(v, inst));
  }
}

static void verify_dot4(verifier *v, const kir_inst *inst) {
  if (value_of(v, inst->args[0], AICC_I32) && value_of(v, inst->args[1], AICC_I32) &&
      value_of(v, inst->args[2], AICC_I32)) {
    result_is(v, inst, AICC_I32, any_varying(v, inst));
  }
}

static bool folds(aicc_op op) {
  return op == AICC_OP_ADD || op == AICC_OP_MUL || op == AICC_OP_MIN || op == AICC_OP_MAX ||
         op == AICC_OP_AND || op == AICC_OP_OR;
}

static void verify_reduce(verifier *v, const kir_inst *inst) {
  if (!visible(v, inst->args[0], KIR_VALUE)) {
    return;
  }
  const aicc_dtype dtype = info_of(v, inst->args[0])->dtype;
  if (!folds(inst->scalar_op) || !defined_on(inst->scalar_op, dtype)) {
    fail(v, "%s: no reduction by '%s' in %s", name_of(v, inst->result),
         aicc_op_table[inst->scalar_op].name, aicc_dtype_name(dtype));
  }
  result_is(v, inst, dtype, false);
}

// --- memory --------------------------------------------------------------------------------------

static bool accessible(verifier *v, kir_val buffer, unsigned access) {
  if (!visible(v, buffer, KIR_BUFFER)) {
    return false;
  }
  for (int i = 0; i < v->kernel->param_count; i++) {
    const kir_param *param = &v->kernel->params[i];
    if (param->value == buffer && (param->access & access) != access) {
      fail(v, "%s is not declared for %s", name_of(v, buffer),
           access == KIR_READ ? "reading" : "writing");
    }
  }
  return true;
}

static void verify_load(verifier *v, const kir_inst *inst) {
  if (!accessible(v, inst->buffer, KIR_READ) || !value_of(v, inst->args[0], AICC_I64)) {
    return;
  }
  const aicc_dtype dtype = info_of(v, inst->buffer)->dtype;
  if (inst->op == KIR_LOAD_OR &&
      (!value_of(v, inst->args[1], AICC_BOOL) || !value_of(v, inst->args[2], dtype))) {
    return;
  }
  result_is(v, inst, dtype, any_varying(v, inst));
}

static void verify_word(verifier *v, const kir_inst *inst) {
  if (!accessible(v, inst->buffer, KIR_READ) || !value_of(v, inst->args[0], AICC_I64)) {
    return;
  }
  if (!aicc_dtype_is_byte(info_of(v, inst->buffer)->dtype)) {
    fail(v, "'word' of %s, whose elements are not bytes", name_of(v, inst->buffer));
  }
  result_is(v, inst, AICC_I32, any_varying(v, inst));
}

static void verify_prefetch(verifier *v, const kir_inst *inst) {
  if (accessible(v, inst->buffer, KIR_READ) && value_of(v, inst->args[0], AICC_I64) &&
      info_of(v, inst->args[0])->varying) {
    fail(v, "'prefetch' of %s at a varying index", name_of(v, inst->buffer));
  }
}

static void verify_store(verifier *v, const kir_inst *inst) {
  if (!accessible(v, inst->buffer, KIR_WRITE) || !value_of(v, inst->args[0], AICC_I64)) {
    return;
  }
  const aicc_dtype dtype = info_of(v, inst->buffer)->dtype;
  value_of(v, inst->args[1], dtype);
  if (inst->op == KIR_ATOMIC && (!folds(inst->scalar_op) || !defined_on(inst->scalar_op, dtype))) {
    fail(v, "no atomic '%s' in %s", aicc_op_table[inst->scalar_op].name, aicc_dtype_name(dtype));
  }
}

// --- variables and arrays ------------------------------------------------------------------------

static void verify_var(verifier *v, const kir_inst *inst) {
  const kir_value_info *info = info_of(v, inst->result);
  if (info->kind != KIR_VARIABLE || !value_of(v, inst->args[0], info->dtype)) {
    return;
  }
  if (!info->varying) {
    uniform(v, inst->args[0]);
  }
  v->masks_at[inst->result] = v->masks;
}

static void verify_get(verifier *v, const kir_inst *inst) {
  if (visible(v, inst->args[0], KIR_VARIABLE)) {
    result_is(v, inst, info_of(v, inst->args[0])->dtype, info_of(v, inst->args[0])->varying);
  }
}

// A change of |target| by |value|.
static void verify_change(verifier *v, kir_val target, kir_val value) {
  const kir_value_info *info = info_of(v, target);
  if (!value_of(v, value, info->dtype) || info->varying) {
    return;
  }
  if (uniform(v, value) && v->masks_at[target] != v->masks) {
    fail(v, "%s is uniform and set under a varying if", name_of(v, target));
  }
}

static bool element_of(verifier *v, kir_val array, kir_val index) {
  int64_t number;
  if (!visible(v, array, KIR_ARRAY_VALUE) || !value_of(v, index, AICC_I64) || !uniform(v, index)) {
    return false;
  }
  if (constant_of(v, index, &number) &&
      (number < 0 || (uint64_t)number >= info_of(v, array)->def->imm)) {
    fail(v, "%s has no element %lld", name_of(v, array), (long long)number);
    return false;
  }
  return true;
}

static void verify_set(verifier *v, const kir_inst *inst) {
  if (visible(v, inst->args[0], KIR_VARIABLE)) {
    verify_change(v, inst->args[0], inst->args[1]);
  }
}

static void verify_array(verifier *v, const kir_inst *inst) {
  if (inst->imm == 0 || inst->imm > INT32_MAX) {
    fail(v, "%s has %llu elements", name_of(v, inst->result), (unsigned long long)inst->imm);
  }
  v->masks_at[inst->result] = v->masks;
}

// --- vectors, copies, matrices -------------------------------------------------------------------

static const char *mnemonic_of(kir_op op) {
  static const char *const names[] = {
#define KIR_OP(name, mnemonic, operands, result, blocks) mnemonic,
#include "ir/kir_ops.def"
#undef KIR_OP
  };
  return names[op];
}

static void all_active(verifier *v, const kir_inst *inst) {
  if (v->masks > 0 || v->in_lanes) {
    fail(v, "'%s' stands in a lanes loop or under a varying if, where lanes may be inactive",
         mnemonic_of(inst->op));
  }
}

// Operand |which| is an array of |dtype| that has |count| elements from its place on.
static bool elements_of(verifier *v, const kir_inst *inst, int which, aicc_dtype dtype, int count) {
  const kir_val array = inst->arrays[which];
  if (!visible(v, array, KIR_ARRAY_VALUE)) {
    return false;
  }
  const kir_value_info *info = info_of(v, array);
  const int64_t at = inst->at[which];
  if (info->dtype != dtype) {
    fail(v, "'%s' takes an array of %s, and %s is one of %s", mnemonic_of(inst->op),
         aicc_dtype_name(dtype), name_of(v, array), aicc_dtype_name(info->dtype));
    return false;
  }
  if (at < 0 || count < 1 || (uint64_t)(at + count) > info->def->imm) {
    fail(v, "'%s' takes elements %lld to %lld of %s, which has %llu", mnemonic_of(inst->op),
         (long long)at, (long long)(at + count - 1), name_of(v, array),
         (unsigned long long)info->def->imm);
    return false;
  }
  return true;
}

static bool varying_array(verifier *v, const kir_inst *inst, int which) {
  if (!info_of(v, inst->arrays[which])->varying) {
    fail(v, "'%s' takes varying arrays, and %s is uniform", mnemonic_of(inst->op),
         name_of(v, inst->arrays[which]));
    return false;
  }
  return true;
}

static bool is_local(verifier *v, const kir_inst *inst, kir_val buffer) {
  if (!visible(v, buffer, KIR_BUFFER)) {
    return false;
  }
  if (info_of(v, buffer)->def == NULL) {
    fail(v, "'%s' takes a local buffer, and %s is a parameter", mnemonic_of(inst->op),
         name_of(v, buffer));
    return false;
  }
  return true;
}

static void verify_vector(verifier *v, const kir_inst *inst) {
  const bool loads = inst->op == KIR_VLOAD;
  if (!accessible(v, inst->buffer, loads ? KIR_READ : KIR_WRITE) ||
      !value_of(v, inst->args[0], AICC_I64)) {
    return;
  }
  const aicc_dtype dtype = info_of(v, inst->buffer)->dtype;
  if (!kir_vector_fits(dtype, inst->count)) {
    fail(v, "'%s' of %d elements of %s: one access has 1 element, or 4, 8 or 16 bytes",
         mnemonic_of(inst->op), inst->count, aicc_dtype_name(dtype));
    return;
  }
  const kir_val array = inst->arrays[0];
  if (!elements_of(v, inst, 0, dtype, inst->count)) {
    return;
  }
  if (!loads) {
    if (info_of(v, array)->varying && !info_of(v, inst->args[0])->varying) {
      fail(v, "'vstore' of %s, which varies, at one place", name_of(v, array));
    }
    return;
  }
  if (!info_of(v, array)->varying && uniform(v, inst->args[0]) &&
      v->masks_at[array] != v->masks) {
    fail(v, "%s is uniform and set under a varying if", name_of(v, array));
  }
}

static void verify_copy(verifier *v, const kir_inst *inst) {
  if (!is_local(v, inst, inst->buffer) || !accessible(v, inst->source, KIR_READ) ||
      !value_of(v, inst->args[0], AICC_I64) || !value_of(v, inst->args[1], AICC_I64) ||
      (inst->arg_count == 3 && !value_of(v, inst->args[2], AICC_BOOL))) {
    return;
  }
  const aicc_dtype dtype = info_of(v, inst->buffer)->dtype;
  if (info_of(v, inst->source)->def != NULL) {
    fail(v, "'copy_async' reads a parameter, and %s is local", name_of(v, inst->source));
  } else if (info_of(v, inst->source)->dtype != dtype) {
    fail(v, "'copy_async' from %s to %s, which are of different types", name_of(v, inst->source),
         name_of(v, inst->buffer));
  } else if (!kir_copy_fits(dtype, inst->count)) {
    fail(v, "'copy_async' of %d elements of %s: one copy has 4, 8 or 16 bytes", inst->count,
         aicc_dtype_name(dtype));
  }
}

static void verify_wait(verifier *v, const kir_inst *inst) {
  all_active(v, inst);
  if (inst->op == KIR_WAIT && inst->imm > KIR_WAIT_MAX) {
    fail(v, "'wait' leaves at most %d groups under way", KIR_WAIT_MAX);
  }
}

static void verify_ldmatrix(verifier *v, const kir_inst *inst) {
  all_active(v, inst);
  if (inst->count != 1 && inst->count != 2 && inst->count != 4) {
    fail(v, "'ldmatrix' loads 1, 2 or 4 matrices");
  } else if (is_local(v, inst, inst->buffer) && value_of(v, inst->args[0], AICC_I64) &&
             elements_of(v, inst, 0, AICC_U32, inst->count) && varying_array(v, inst, 0) &&
             (16 % aicc_dtype_size(info_of(v, inst->buffer)->dtype) != 0 ||
              !is_number(info_of(v, inst->buffer)->dtype))) {
    fail(v, "'ldmatrix' reads no %s", aicc_dtype_name(info_of(v, inst->buffer)->dtype));
  }
}

static void verify_mma(verifier *v, const kir_inst *inst) {
  all_active(v, inst);
  if (inst->mma >= KIR_MMA_COUNT) {
    fail(v, "'mma' of no known kind");
    return;
  }
  const kir_mma_info *mma = &kir_mma_infos[inst->mma];
  const aicc_dtype types[] = {mma->d, AICC_U32, AICC_U32};
  const int counts[] = {mma->d_registers, mma->a_registers, mma->b_registers};
  for (int i = 0; i < 3; i++) {
    if (!elements_of(v, inst, i, types[i], counts[i]) || !varying_array(v, inst, i)) {
      return;
    }
  }
  if (v->kernel->width != 0 && v->kernel->width != 32) {
    fail(v, "'mma' needs 32 lanes, and the kernel has %d", v->kernel->width);
  }
}

static void verify_power2(verifier *v, const kir_inst *inst) {
  if (visible(v, inst->args[0], KIR_VALUE) &&
      (info_of(v, inst->args[0])->dtype != AICC_F32 ||
       info_of(v, inst->result)->dtype != AICC_F32)) {
    fail(v, "'power2' of %s: it takes f32 and gives it", name_of(v, inst->args[0]));
  }
}

static void verify_exchange(verifier *v, const kir_inst *inst) {
  all_active(v, inst);
  if (!visible(v, inst->args[0], KIR_VALUE)) {
    return;
  }
  const uint64_t distance = inst->imm;
  const int width = v->kernel->width;
  if (distance == 0 || (distance & (distance - 1)) != 0 || distance > 128 ||
      (width != 0 && distance >= (uint64_t)width)) {
    fail(v, "'exchange' by %llu: the distance is a power of two below the width",
         (unsigned long long)distance);
  } else if (!info_of(v, inst->args[0])->varying) {
    fail(v, "'exchange' of %s, which is uniform", name_of(v, inst->args[0]));
  } else if (!is_number(info_of(v, inst->args[0])->dtype)) {
    fail(v, "'exchange' of strings or complex numbers");
  }
  result_is(v, inst, info_of(v, inst->args[0])->dtype, true);
}

static void verify_barrier(verifier *v) {
  if (v->masks > 0) {
    fail(v, "a barrier stands under a varying if");
  } else if (v->in_lanes && v->kernel->warps > 1) {
    fail(v, "a barrier of several warps stands in a lanes loop");
  }
}

static void verify_local(verifier *v, const kir_inst *inst) {
  verify_array(v, inst);
  if (v->kernel->warps > 1 && v->depth > 1) {
    fail(v, "%s is shared by several warps, and does not stand in the kernel's own block",
         name_of(v, inst->result));
  }
}

// --- control flow --------------------------------------------------------------------------------

static void verify_for(verifier *v, const kir_inst *inst) {
  int64_t from, to, step;
  for (int i = 0; i < 3; i++) {
    if (!value_of(v, inst->args[i], AICC_I64) || !uniform(v, inst->args[i])) {
      return;
    }
  }
  const bool stepped = constant_of(v, inst->args[2], &step);
  if (stepped && step <= 0) {
    fail(v, "the step of loop %s is not positive", name_of(v, inst->result));
  }
  if (inst->loop_kind == KIR_UNROLL && (!stepped || !constant_of(v, inst->args[0], &from) ||
                                        !constant_of(v, inst->args[1], &to))) {
    fail(v, "loop %s is unrolled, but its bounds are not constant", name_of(v, inst->result));
  }
  const bool lanes = inst->loop_kind == KIR_LANES;
  if (lanes && (!stepped || step != 1)) {
    fail(v, "lanes loop %s has a step other than 1", name_of(v, inst->result));
  }
  if (lanes && (v->in_lanes || v->masks > 0)) {
    fail(v, "lanes loop %s stands in a lanes loop or under a varying if",
         name_of(v, inst->result));
  }
  result_is(v, inst, AICC_I64, lanes);
  const bool outer = v->in_lanes;
  v->in_lanes = outer || lanes;
  verify_block(v, &inst->blocks[0]);
  v->in_lanes = outer;
}

static void verify_if(verifier *v, const kir_inst *inst) {
  if (!value_of(v, inst->args[0], AICC_BOOL)) {
    return;
  }
  const int mask = info_of(v, inst->args[0])->varying ? 1 : 0;
  v->masks += mask;
  verify_block(v, &inst->blocks[0]);
  verify_block(v, &inst->blocks[1]);
  v->masks -= mask;
}

static void verify_inst(verifier *v, const kir_inst *inst);

static void leave(verifier *v, size_t mark) {
  while (v->scope_count > mark) {
    v->visible[v->scope[--v->scope_count]] = false;
  }
}

static void verify_while(verifier *v, const kir_inst *inst) {
  const kir_inst *last = inst->blocks[0].last;
  if (last == NULL || last->op != KIR_COND) {
    fail(v, "the first block of a while does not end with cond");
    return;
  }
  const size_t mark = v->scope_count;
  v->depth++;
  for (const kir_inst *part = inst->blocks[0].first; part != last; part = part->next) {
    verify_inst(v, part);
  }
  v->depth--;
  if (value_of(v, last->args[0], AICC_BOOL)) {
    uniform(v, last->args[0]);
  }
  verify_block(v, &inst->blocks[1]);
  leave(v, mark);
}

static void define(verifier *v, const kir_inst *inst) {
  if (inst->result >= v->kernel->value_count || v->visible[inst->result] ||
      info_of(v, inst->result)->def != inst) {
    fail(v, "%s is not defined once", name_of(v, inst->result));
    return;
  }
  v->visible[inst->result] = true;
  AICC_PUSH(&v->scratch, v->scope, v->scope_count, v->scope_capacity, inst->result);
}

static void verify_inst(verifier *v, const kir_inst *inst) {
  const bool loop = inst->op == KIR_FOR;
  if (loop) {
    define(v, inst);
  }
  switch (inst->op) {
    case KIR_CONST: result_is(v, inst, info_of(v, inst->result)->dtype, false); break;
    case KIR_SCALAR: verify_scalar(v, inst); break;
    case KIR_FMA: verify_fma(v, inst); break;
    case KIR_TASK:
    case KIR_WARP: result_is(v, inst, AICC_I64, false); break;
    case KIR_LANE: result_is(v, inst, AICC_I64, true); break;
    case KIR_LOAD:
    case KIR_LOAD_OR: verify_load(v, inst); break;
    case KIR_WORD: verify_word(v, inst); break;
    case KIR_PREFETCH: verify_prefetch(v, inst); break;
    case KIR_DOT4: verify_dot4(v, inst); break;
    case KIR_STORE:
    case KIR_ATOMIC: verify_store(v, inst); break;
    case KIR_VAR: verify_var(v, inst); break;
    case KIR_GET: verify_get(v, inst); break;
    case KIR_SET: verify_set(v, inst); break;
    case KIR_ARRAY: verify_array(v, inst); break;
    case KIR_LOCAL: verify_local(v, inst); break;
    case KIR_AGET:
      if (element_of(v, inst->args[0], inst->args[1])) {
        result_is(v, inst, info_of(v, inst->args[0])->dtype, info_of(v, inst->args[0])->varying);
      }
      break;
    case KIR_ASET:
      if (element_of(v, inst->args[0], inst->args[1])) {
        verify_change(v, inst->args[0], inst->args[2]);
      }
      break;
    case KIR_REDUCE: verify_reduce(v, inst); break;
    case KIR_FOR: verify_for(v, inst); break;
    case KIR_WHILE: verify_while(v, inst); break;
    case KIR_COND: fail(v, "cond stands outside the first block of a while"); break;
    case KIR_IF: verify_if(v, inst); break;
    case KIR_BARRIER: verify_barrier(v); break;
    case KIR_VLOAD:
    case KIR_VSTORE: verify_vector(v, inst); break;
    case KIR_COPY_ASYNC: verify_copy(v, inst); break;
    case KIR_COMMIT:
    case KIR_WAIT: verify_wait(v, inst); break;
    case KIR_LDMATRIX: verify_ldmatrix(v, inst); break;
    case KIR_MMA: verify_mma(v, inst); break;
    case KIR_EXCHANGE: verify_exchange(v, inst); break;
    case KIR_POWER2: verify_power2(v, inst); break;
    case KIR_OP_COUNT: break;
  }
  if (inst->result != 0 && !loop) {
    define(v, inst);
  } else if (loop && v->scope_count > 0) {
    leave(v, v->scope_count - 1);  // the counter is known in the body alone
  }
}

static void verify_block(verifier *v, const kir_block *block) {
  const size_t mark = v->scope_count;
  v->depth++;
  for (const kir_inst *inst = block->first; inst != NULL; inst = inst->next) {
    verify_inst(v, inst);
  }
  v->depth--;
  leave(v, mark);
}

static void verify_params(verifier *v) {
  for (int i = 0; i < v->kernel->param_count; i++) {
    const kir_param *param = &v->kernel->params[i];
    const kir_value_info *info = info_of(v, param->value);
    if ((!param->is_buffer && !is_number(param->dtype)) || info->dtype != param->dtype ||
        info->varying || info->kind != (param->is_buffer ? KIR_BUFFER : KIR_VALUE)) {
      fail(v, "parameter %s has no type a parameter may have", name_of(v, param->value));
    }
    if (param->is_buffer && param->access == 0) {
      fail(v, "parameter %s is neither read nor written", name_of(v, param->value));
    }
    v->visible[param->value] = true;
  }
}

aicc_status kir_verify(const kir_kernel *kernel, aicc_diags *diags) {
  verifier v = {.kernel = kernel, .diags = diags};
  aicc_arena_init(&v.scratch);
  v.visible = AICC_NEW_ARRAY(&v.scratch, bool, kernel->value_count);
  v.masks_at = AICC_NEW_ARRAY(&v.scratch, int, kernel->value_count);
  if (kernel->warps < 1 || kernel->warps > KIR_WARPS_MAX ||
      (kernel->warps > 1 && kernel->width != 0 && (kernel->width & (kernel->width - 1)) != 0)) {
    fail(&v, "tasks of %d warps of %d lanes", kernel->warps, kernel->width);
  }
  verify_params(&v);
  verify_block(&v, &kernel->body);
  aicc_arena_deinit(&v.scratch);
  return v.failed ? AICC_INVALID : AICC_OK;
}
