// Elementwise operators on registers: the same code for scalars and vectors. Meanings are those of
// ir/ops.def and ir/scalar_ops.def.
//
// No instruction carries fast-math flags: products and sums are rounded where the kernel IR says
// so.
#include "codegen/cg.h"

// --- types and constants of a shape --------------------------------------------------------------

LLVMTypeRef cg_type_like(LLVMTypeRef shape, LLVMTypeRef element) {
  return LLVMGetTypeKind(shape) == LLVMVectorTypeKind
             ? LLVMVectorType(element, LLVMGetVectorSize(shape))
             : element;
}

static LLVMTypeRef element_of(LLVMTypeRef type) {
  return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? LLVMGetElementType(type) : type;
}

static LLVMValueRef splat_const(LLVMTypeRef type, LLVMValueRef element) {
  if (LLVMGetTypeKind(type) != LLVMVectorTypeKind) {
    return element;
  }
  LLVMValueRef items[256];
  const unsigned count = LLVMGetVectorSize(type);
  AICC_ASSERT(count <= 256);
  for (unsigned i = 0; i < count; i++) {
    items[i] = element;
  }
  return LLVMConstVector(items, count);
}

LLVMValueRef cg_const_like(LLVMTypeRef type, uint64_t bits) {
  return splat_const(type, LLVMConstInt(element_of(type), bits, false));
}

LLVMValueRef cg_real_like(LLVMTypeRef type, double value) {
  return splat_const(type, LLVMConstReal(element_of(type), value));
}

LLVMValueRef cg_call1(cg *c, const char *intrinsic, LLVMValueRef x) {
  LLVMTypeRef type = LLVMTypeOf(x);
  return cg_intrinsic(c, intrinsic, &type, 1, &x, 1);
}

LLVMValueRef cg_call2(cg *c, const char *intrinsic, LLVMValueRef x, LLVMValueRef y) {
  LLVMTypeRef type = LLVMTypeOf(x);
  LLVMValueRef args[] = {x, y};
  return cg_intrinsic(c, intrinsic, &type, 1, args, 2);
}

LLVMValueRef cg_any(cg *c, LLVMValueRef condition) {
  if (LLVMGetTypeKind(LLVMTypeOf(condition)) != LLVMVectorTypeKind) {
    return condition;
  }
  return cg_call1(c, "llvm.vector.reduce.or", condition);
}

// --- comparisons ---------------------------------------------------------------------------------

static LLVMValueRef compare(cg_kernel *k, aicc_op op, aicc_dtype dtype, LLVMValueRef x,
                            LLVMValueRef y) {
  static const struct {
    LLVMRealPredicate real;
    LLVMIntPredicate is_signed, is_unsigned;
  } rows[] = {
      [AICC_OP_EQ - AICC_OP_EQ] = {LLVMRealOEQ, LLVMIntEQ, LLVMIntEQ},
      [AICC_OP_NE - AICC_OP_EQ] = {LLVMRealUNE, LLVMIntNE, LLVMIntNE},
      [AICC_OP_LT - AICC_OP_EQ] = {LLVMRealOLT, LLVMIntSLT, LLVMIntULT},
      [AICC_OP_LE - AICC_OP_EQ] = {LLVMRealOLE, LLVMIntSLE, LLVMIntULE},
      [AICC_OP_GT - AICC_OP_EQ] = {LLVMRealOGT, LLVMIntSGT, LLVMIntUGT},
      [AICC_OP_GE - AICC_OP_EQ] = {LLVMRealOGE, LLVMIntSGE, LLVMIntUGE},
  };
  LLVMBuilderRef b = k->c->builder;
  const int row = (int)op - (int)AICC_OP_EQ;
  if (aicc_dtype_is_float(dtype)) {
    return LLVMBuildFCmp(b, rows[row].real, x, y, "");
  }
  const bool is_signed = aicc_dtype_kind_of(dtype) == AICC_KIND_SIGNED;
  return LLVMBuildICmp(b, is_signed ? rows[row].is_signed : rows[row].is_unsigned, x, y, "");
}

static bool is_comparison(aicc_op op) { return op >= AICC_OP_EQ && op <= AICC_OP_GE; }

// --- floats --------------------------------------------------------------------------------------

static LLVMValueRef sign_of_float(cg_kernel *k, LLVMValueRef x) {
  LLVMBuilderRef b = k->c->builder;
  LLVMTypeRef type = LLVMTypeOf(x);
  LLVMValueRef zero = cg_real_like(type, 0);
  LLVMValueRef one = cg_call2(k->c, "llvm.copysign", cg_real_like(type, 1), x);
  LLVMValueRef nonzero = LLVMBuildFCmp(b, LLVMRealONE, x, zero, "");  // false for NaN
  LLVMValueRef rest = LLVMBuildFAdd(b, x, zero, "");                  // 0 or NaN
  return LLVMBuildSelect(b, nonzero, one, rest, "");
}

// The lesser (greater) operand; a NaN of either wins. The select is the x86 min instruction.
static LLVMValueRef float_extreme(cg_kernel *k, LLVMRealPredicate order, LLVMValueRef x,
                                  LLVMValueRef y) {
  LLVMBuilderRef b = k->c->builder;
  LLVMValueRef best =
      LLVMBuildSelect(b, LLVMBuildFCmp(b, order, x, y, ""), x, y, "");  // y where unordered
  LLVMValueRef is_nan = LLVMBuildFCmp(b, LLVMRealUNO, x, x, "");
  return LLVMBuildSelect(b, is_nan, x, best, "");
}

static LLVMValueRef float_mod(cg_kernel *k, LLVMValueRef x, LLVMValueRef y) {
  LLVMBuilderRef b = k->c->builder;
  LLVMValueRef rest = cg_fmod(k, x, y), zero = cg_real_like(LLVMTypeOf(x), 0);
  LLVMValueRef rest_negative = LLVMBuildFCmp(b, LLVMRealOLT, rest, zero, "");
  LLVMValueRef y_negative = LLVMBuildFCmp(b, LLVMRealOLT, y, zero, "");
  LLVMValueRef differ = LLVMBuildXor(b, rest_negative, y_negative, "");
  LLVMValueRef nonzero = LLVMBuildFCmp(b, LLVMRealONE, rest, zero, "");
  LLVMValueRef wrong = LLVMBuildAnd(b, differ, nonzero, "");
  return LLVMBuildSelect(b, wrong, LLVMBuildFAdd(b, rest, y, ""), rest, "");
}

static LLVMValueRef float_unary(cg_kernel *k, aicc_op op, LLVMValueRef x) {
  cg *c = k->c;
  switch (op) {
    case AICC_OP_NEG: return LLVMBuildFNeg(c->builder, x, "");
    case AICC_OP_ABS: return cg_call1(c, "llvm.fabs", x);
    case AICC_OP_SIGN: return sign_of_float(k, x);
    case AICC_OP_FLOOR: return cg_call1(c, "llvm.floor", x);
    case AICC_OP_CEIL: return cg_call1(c, "llvm.ceil", x);
    case AICC_OP_ROUND: return cg_call1(c, "llvm.roundeven", x);
    case AICC_OP_TRUNC: return cg_call1(c, "llvm.trunc", x);
    case AICC_OP_SQRT: return cg_call1(c, "llvm.sqrt", x);
    case AICC_OP_RECIP:
      return LLVMBuildFDiv(c->builder, cg_real_like(LLVMTypeOf(x), 1), x, "");
    case AICC_OP_ISNAN: return LLVMBuildFCmp(c->builder, LLVMRealUNO, x, x, "");
    default: return NULL;
  }
}

static LLVMValueRef float_binary(cg_kernel *k, aicc_op op, LLVMValueRef x, LLVMValueRef y) {
  LLVMBuilderRef b = k->c->builder;
  switch (op) {
    case AICC_OP_ADD: return LLVMBuildFAdd(b, x, y, "");
    case AICC_OP_SUB: return LLVMBuildFSub(b, x, y, "");
    case AICC_OP_MUL: return LLVMBuildFMul(b, x, y, "");
    case AICC_OP_DIV: return LLVMBuildFDiv(b, x, y, "");
    case AICC_OP_MIN: return float_extreme(k, LLVMRealOLT, x, y);
    case AICC_OP_MAX: return float_extreme(k, LLVMRealOGT, x, y);
    case AICC_OP_FMOD: return cg_fmod(k, x, y);
    case AICC_OP_MOD: return float_mod(k, x, y);
    default: return NULL;
  }
}

// --- dispatch ------------------------------------------------------------------------------------

static LLVMValueRef unsupported(cg_kernel *k, aicc_op op, aicc_dtype dtype, LLVMValueRef x) {
  cg_fail(k->c, k->kernel, "operator '%s' is not defined on %s", aicc_op_table[op].name,
          aicc_dtype_name(dtype));
  return x;
}

LLVMValueRef cg_binary(cg_kernel *k, aicc_op op, aicc_dtype dtype, LLVMValueRef x,
                       LLVMValueRef y) {
  LLVMValueRef result = NULL;
  if (is_comparison(op) && aicc_dtype_kind_of(dtype) <= AICC_KIND_BOOL && dtype != AICC_F16 &&
      dtype != AICC_BF16) {
    result = compare(k, op, dtype, x, y);
  } else if (dtype == AICC_F32 || dtype == AICC_F64) {
    result = float_binary(k, op, x, y);
    result = result != NULL ? result : cg_transcendental(k, op, x, y);
  } else if (aicc_dtype_is_int(dtype) || dtype == AICC_BOOL) {
    result = cg_int_binary(k, op, dtype, x, y);
  }
  return result != NULL ? result : unsupported(k, op, dtype, x);
}

static LLVMValueRef int_unary(cg_kernel *k, aicc_op op, aicc_dtype dtype, LLVMValueRef x) {
  LLVMBuilderRef b = k->c->builder;
  LLVMTypeRef type = LLVMTypeOf(x);
  LLVMValueRef zero = cg_const_like(type, 0), one = cg_const_like(type, 1);
  const bool is_signed = aicc_dtype_kind_of(dtype) == AICC_KIND_SIGNED;
  switch (op) {
    case AICC_OP_NEG: return cg_int_binary(k, AICC_OP_SUB, dtype, zero, x);
    case AICC_OP_NOT:
    case AICC_OP_BITNOT:
      return cg_int_binary(k, AICC_OP_XOR, dtype, x, cg_const_like(type, UINT64_MAX));
    case AICC_OP_ABS:
      return is_signed ? cg_int_binary(k, AICC_OP_MAX, dtype, x,
                                       cg_int_binary(k, AICC_OP_SUB, dtype, zero, x))
                       : x;
    case AICC_OP_SIGN: {
      LLVMValueRef positive = cg_int_binary(k, AICC_OP_MIN, dtype, x, one);
      return is_signed ? cg_int_binary(k, AICC_OP_MAX, dtype, positive, LLVMConstNeg(one))
                       : positive;
    }
    case AICC_OP_ISNAN: return LLVMBuildICmp(b, LLVMIntNE, x, x, "");
    case AICC_OP_FLOOR:
    case AICC_OP_CEIL:
    case AICC_OP_ROUND:
    case AICC_OP_TRUNC: return x;
    default: return NULL;
  }
}

static LLVMValueRef emit_unary(cg_kernel *k, aicc_op op, aicc_dtype dtype, LLVMValueRef x) {
  LLVMValueRef result = NULL;
  if (dtype == AICC_F32 || dtype == AICC_F64) {
    result = float_unary(k, op, x);
    result = result != NULL ? result : cg_transcendental(k, op, x, NULL);
  } else if (aicc_dtype_is_int(dtype) || dtype == AICC_BOOL) {
    result = int_unary(k, op, dtype, x);
  }
  return result != NULL ? result : unsupported(k, op, dtype, x);
}

static void emit_select(cg_kernel *k, const kir_inst *inst) {
  const bool varying = cg_is_varying(k, inst->result);
  LLVMValueRef condition = cg_use(k, inst->args[0]);
  LLVMValueRef x = cg_use_as(k, inst->args[1], varying), y = cg_use_as(k, inst->args[2], varying);
  cg_set_value(k, inst->result, LLVMBuildSelect(k->c->builder, condition, x, y, ""));
}

void cg_emit_scalar(cg_kernel *k, const kir_inst *inst) {
  const aicc_op op = inst->scalar_op;
  if (cg_emit_affine(k, inst)) {
    return;
  }
  if (op == AICC_OP_SELECT) {
    emit_select(k, inst);
    return;
  }
  const bool varying = cg_is_varying(k, inst->result);
  const aicc_dtype dtype = k->kernel->values[inst->args[0]].dtype;
  LLVMValueRef x = cg_use_as(k, inst->args[0], varying);
  if (op == AICC_OP_CAST) {
    const aicc_dtype to = k->kernel->values[inst->result].dtype;
    cg_set_value(k, inst->result, cg_cast(k, x, dtype, to, inst->saturate));
  } else if (op == AICC_OP_BITCAST) {
    cg_set_value(k, inst->result,
                 LLVMBuildBitCast(k->c->builder, x, cg_value_type(k, inst->result), ""));
  } else if (inst->arg_count == 1) {
    cg_set_value(k, inst->result, emit_unary(k, op, dtype, x));
  } else {
    LLVMValueRef y = cg_use_as(k, inst->args[1], varying);
    cg_set_value(k, inst->result, cg_binary(k, op, dtype, x, y));
  }
}
