// Constant folding for kernel IR. Integers wrap as they do in the kernels; float folding keeps to
// operations that IEEE 754 rounds once, so that folded and computed values agree to the bit.
#include "ir/kir_fold.h"

#include <math.h>
#include <string.h>

bool kir_const_bits_of(const kir_kernel *kernel, kir_val v, uint64_t *bits) {
  const kir_value_info *info = &kernel->values[v];
  if (info->def == NULL || info->def->op != KIR_CONST) {
    return false;
  }
  *bits = info->def->imm;
  return true;
}

// --- integers ------------------------------------------------------------------------------------

static int64_t divide(int64_t a, int64_t b) {
  if (b == 0) {
    return 0;
  }
  return b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

static int64_t remainder_of(int64_t a, int64_t b, bool floor_rule) {
  if (b == 0 || b == -1) {
    return 0;
  }
  const int64_t r = a % b;
  return floor_rule && r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static bool fold_signed(aicc_op op, int64_t a, int64_t b, int64_t *out) {
  const uint64_t x = (uint64_t)a, y = (uint64_t)b;
  switch (op) {
    case AICC_OP_NEG: *out = (int64_t)(0 - x); return true;
    case AICC_OP_ABS: *out = a < 0 ? (int64_t)(0 - x) : a; return true;
    case AICC_OP_BITNOT: *out = ~a; return true;
    case AICC_OP_ADD: *out = (int64_t)(x + y); return true;
    case AICC_OP_SUB: *out = (int64_t)(x - y); return true;
    case AICC_OP_MUL: *out = (int64_t)(x * y); return true;
    case AICC_OP_DIV: *out = divide(a, b); return true;
    case AICC_OP_MOD: *out = remainder_of(a, b, true); return true;
    case AICC_OP_FMOD: *out = remainder_of(a, b, false); return true;
    case AICC_OP_MIN: *out = a < b ? a : b; return true;
    case AICC_OP_MAX: *out = a > b ? a : b; return true;
    case AICC_OP_AND: *out = a & b; return true;
    case AICC_OP_OR: *out = a | b; return true;
    case AICC_OP_XOR: *out = a ^ b; return true;
    default: return false;
  }
}

static bool fold_unsigned(aicc_op op, uint64_t a, uint64_t b, uint64_t *out) {
  switch (op) {
    case AICC_OP_ABS: *out = a; return true;
    case AICC_OP_DIV: *out = b == 0 ? 0 : a / b; return true;
    case AICC_OP_MOD:
    case AICC_OP_FMOD: *out = b == 0 ? 0 : a % b; return true;
    case AICC_OP_MIN: *out = a < b ? a : b; return true;
    case AICC_OP_MAX: *out = a > b ? a : b; return true;
    default: return fold_signed(op, (int64_t)a, (int64_t)b, (int64_t *)out);
  }
}

static bool fold_order(aicc_op op, bool less, bool equal, bool greater, bool *out) {
  switch (op) {
    case AICC_OP_EQ: *out = equal; return true;
    case AICC_OP_NE: *out = !equal; return true;
    case AICC_OP_LT: *out = less; return true;
    case AICC_OP_LE: *out = less || equal; return true;
    case AICC_OP_GT: *out = greater; return true;
    case AICC_OP_GE: *out = greater || equal; return true;
    default: return false;
  }
}

static bool fold_compare(aicc_op op, aicc_dtype dtype, const uint64_t *bits, bool *out) {
  if (aicc_dtype_is_float(dtype)) {
    const double a = aicc_get_f64(dtype, &bits[0], 0), b = aicc_get_f64(dtype, &bits[1], 0);
    return fold_order(op, a < b, a == b, a > b, out);
  }
  const int64_t a = aicc_get_i64(dtype, &bits[0], 0), b = aicc_get_i64(dtype, &bits[1], 0);
  if (dtype == AICC_U64) {
    return fold_order(op, (uint64_t)a < (uint64_t)b, a == b, (uint64_t)a > (uint64_t)b, out);
  }
  return fold_order(op, a < b, a == b, a > b, out);
}

// --- floats --------------------------------------------------------------------------------------

static bool fold_f32(aicc_op op, float a, float b, float *out) {
  switch (op) {
    case AICC_OP_NEG: *out = -a; return true;
    case AICC_OP_ABS: *out = fabsf(a); return true;
    case AICC_OP_ADD: *out = a + b; return true;
    case AICC_OP_SUB: *out = a - b; return true;
    case AICC_OP_MUL: *out = a * b; return true;
    case AICC_OP_DIV: *out = a / b; return true;
    default: return false;
  }
}

static bool fold_f64(aicc_op op, double a, double b, double *out) {
  switch (op) {
    case AICC_OP_NEG: *out = -a; return true;
    case AICC_OP_ABS: *out = fabs(a); return true;
    case AICC_OP_ADD: *out = a + b; return true;
    case AICC_OP_SUB: *out = a - b; return true;
    case AICC_OP_MUL: *out = a * b; return true;
    case AICC_OP_DIV: *out = a / b; return true;
    default: return false;
  }
}

// Casts that are exact or round once; float to integer only where the result is in range.
static bool fold_cast(aicc_dtype from, uint64_t bits, aicc_dtype to, uint64_t *out) {
  const aicc_dtype_kind from_kind = aicc_dtype_kind_of(from), to_kind = aicc_dtype_kind_of(to);
  if (from_kind > AICC_KIND_BOOL || to_kind > AICC_KIND_BOOL) {
    return false;
  }
  *out = 0;
  if (to_kind == AICC_KIND_BOOL) {
    *out = from_kind == AICC_KIND_FLOAT ? aicc_get_f64(from, &bits, 0) != 0 : bits != 0;
    return true;
  }
  if (from_kind == AICC_KIND_FLOAT) {
    const double value = aicc_get_f64(from, &bits, 0);
    if (to_kind == AICC_KIND_FLOAT) {
      aicc_set_f64(to, out, 0, value);
      return true;
    }
    const double whole = trunc(value);
    if (!(fabs(whole) < 9e15)) {
      return false;
    }
    aicc_set_i64(to, out, 0, (int64_t)whole);
    return aicc_get_i64(to, out, 0) == (int64_t)whole;
  }
  const int64_t value = aicc_get_i64(from, &bits, 0);
  if (to_kind != AICC_KIND_FLOAT) {
    aicc_set_i64(to, out, 0, value);
    return true;
  }
  if (value > (INT64_C(1) << 53) || value < -(INT64_C(1) << 53)) {
    return false;
  }
  aicc_set_f64(to, out, 0, (double)value);
  return true;
}

static bool fold_arithmetic(aicc_op op, aicc_dtype dtype, const uint64_t *bits, uint64_t second,
                            uint64_t *out) {
  *out = 0;
  if (dtype == AICC_F32) {
    float value = 0;
    const bool done = fold_f32(op, (float)aicc_get_f64(dtype, &bits[0], 0),
                               (float)aicc_get_f64(dtype, &second, 0), &value);
    memcpy(out, &value, sizeof value);
    return done;
  }
  if (dtype == AICC_F64) {
    double value = 0;
    const bool done = fold_f64(op, aicc_get_f64(dtype, &bits[0], 0),
                               aicc_get_f64(dtype, &second, 0), &value);
    memcpy(out, &value, sizeof value);
    return done;
  }
  if (dtype == AICC_BOOL) {
    const bool a = bits[0] != 0, b = second != 0;
    *out = op == AICC_OP_NOT ? !a : op == AICC_OP_AND ? a && b : op == AICC_OP_OR ? a || b : a != b;
    return op == AICC_OP_NOT || op == AICC_OP_AND || op == AICC_OP_OR || op == AICC_OP_XOR;
  }
  if (!aicc_dtype_is_int(dtype)) {
    return false;
  }
  int64_t result = 0;
  const int64_t a = aicc_get_i64(dtype, &bits[0], 0), b = aicc_get_i64(dtype, &second, 0);
  const bool is_unsigned = aicc_dtype_kind_of(dtype) == AICC_KIND_UNSIGNED;
  if (!(is_unsigned ? fold_unsigned(op, (uint64_t)a, (uint64_t)b, (uint64_t *)&result)
                    : fold_signed(op, a, b, &result))) {
    return false;
  }
  aicc_set_i64(dtype, out, 0, result);
  return true;
}

bool kir_fold_bits(aicc_op op, aicc_dtype dtype, const uint64_t *bits, int count,
                   aicc_dtype result, uint64_t *out) {
  if (op == AICC_OP_CAST) {
    return fold_cast(dtype, bits[0], result, out);
  }
  if (op == AICC_OP_BITCAST) {
    *out = bits[0];
    return true;
  }
  if (op == AICC_OP_SELECT) {
    *out = bits[0] != 0 ? bits[1] : bits[2];
    return true;
  }
  if (count == 2 && result == AICC_BOOL && dtype != AICC_BOOL) {
    bool value = false;
    const bool done = aicc_dtype_kind_of(dtype) <= AICC_KIND_UNSIGNED &&
                      fold_compare(op, dtype, bits, &value);
    *out = value;
    return done;
  }
  return fold_arithmetic(op, dtype, bits, count > 1 ? bits[1] : 0, out);
}

bool kir_fold(const kir_kernel *kernel, const kir_inst *inst, aicc_dtype result, uint64_t *out) {
  uint64_t bits[3] = {0};
  for (int i = 0; i < inst->arg_count; i++) {
    if (!kir_const_bits_of(kernel, inst->args[i], &bits[i])) {
      return false;
    }
  }
  const int typed = inst->scalar_op == AICC_OP_SELECT ? 1 : 0;
  return kir_fold_bits(inst->scalar_op, kernel->values[inst->args[typed]].dtype, bits,
                       inst->arg_count, result, out);
}

// --- identities ----------------------------------------------------------------------------------

// Whether |v| is the constant |number| (exact in its type).
static bool is_number(const kir_kernel *kernel, kir_val v, int number) {
  uint64_t bits = 0, wanted = 0;
  const aicc_dtype dtype = kernel->values[v].dtype;
  if (!kir_const_bits_of(kernel, v, &bits) || aicc_dtype_kind_of(dtype) > AICC_KIND_UNSIGNED) {
    return false;
  }
  aicc_set_f64(dtype, &wanted, 0, number);
  return bits == wanted;
}

// A constant bool: 1 true, 0 false; -1 where it is none.
static int truth(const kir_kernel *kernel, kir_val v) {
  uint64_t bits = 0;
  if (kernel->values[v].dtype != AICC_BOOL || !kir_const_bits_of(kernel, v, &bits)) {
    return -1;
  }
  return bits != 0;
}

static kir_val simplify_logic(const kir_kernel *kernel, aicc_op op, kir_val x, kir_val y) {
  const int tx = truth(kernel, x), ty = truth(kernel, y);
  const int neutral = op == AICC_OP_AND;  // true for and, false for or
  if (tx >= 0) {
    return tx == neutral ? y : x;
  }
  if (ty >= 0) {
    return ty == neutral ? x : y;
  }
  return x == y ? x : 0;
}

kir_val kir_simplify(const kir_kernel *kernel, const kir_inst *inst) {
  const kir_val x = inst->args[0], y = inst->args[1], z = inst->args[2];
  const bool is_int = aicc_dtype_is_int(kernel->values[x].dtype);
  switch (inst->scalar_op) {
    case AICC_OP_ADD:  // a float x + 0 turns -0 into 0
      return !is_int ? 0 : is_number(kernel, y, 0) ? x : is_number(kernel, x, 0) ? y : 0;
    case AICC_OP_SUB:
      return is_number(kernel, y, 0) ? x : 0;
    case AICC_OP_MUL:
      return is_number(kernel, y, 1) ? x : is_number(kernel, x, 1) ? y : 0;
    case AICC_OP_DIV:
      return is_number(kernel, y, 1) ? x : 0;
    case AICC_OP_MIN:
    case AICC_OP_MAX:
      return x == y ? x : 0;
    case AICC_OP_AND:
    case AICC_OP_OR:
      return simplify_logic(kernel, inst->scalar_op, x, y);
    case AICC_OP_SELECT:
      return truth(kernel, x) == 1 ? y : truth(kernel, x) == 0 ? z : y == z ? y : 0;
    default:
      return 0;
  }
}

bool kir_is_zero(const kir_kernel *kernel, const kir_inst *inst) {
  const kir_val x = inst->args[0], y = inst->args[1];
  if (!aicc_dtype_is_int(kernel->values[x].dtype)) {
    return false;
  }
  switch (inst->scalar_op) {
    case AICC_OP_MUL: return is_number(kernel, x, 0) || is_number(kernel, y, 0);
    case AICC_OP_SUB: return x == y;
    case AICC_OP_MOD: return is_number(kernel, y, 1) || is_number(kernel, x, 0);
    case AICC_OP_DIV: return is_number(kernel, x, 0);
    default: return false;
  }
}
