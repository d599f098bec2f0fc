// Integer arithmetic in registers. Nothing is undefined: sums wrap, x / 0 is 0, shifts by the width
// or more give what shifting bit by bit would. Vectors have no integer division on any CPU: it goes
// through f64, which is exact for 32-bit operands, and for 64-bit ones while they are below 2^51.
//
// Also fmod, which no instruction set has.
#include "codegen/cg.h"

static unsigned bits_of(LLVMValueRef x) {
  LLVMTypeRef type = LLVMTypeOf(x);
  if (LLVMGetTypeKind(type) == LLVMVectorTypeKind) {
    type = LLVMGetElementType(type);
  }
  return LLVMGetIntTypeWidth(type);
}

static bool is_vector(LLVMValueRef x) {
  return LLVMGetTypeKind(LLVMTypeOf(x)) == LLVMVectorTypeKind;
}

// The value of a constant, or of a vector of one constant.
static bool splat_constant(LLVMValueRef v, int64_t *value) {
  if (is_vector(v) && LLVMIsConstant(v)) {
    LLVMValueRef first = LLVMGetAggregateElement(v, 0);
    if (first == NULL || LLVMIsAConstantInt(first) == NULL ||
        cg_const_like(LLVMTypeOf(v), LLVMConstIntGetZExtValue(first)) != v) {
      return false;
    }
    v = first;
  }
  if (LLVMIsAConstantInt(v) == NULL) {
    return false;
  }
  *value = LLVMConstIntGetSExtValue(v);
  return true;
}

// --- division ------------------------------------------------------------------------------------

// Quotient toward zero by the target's own division; never by zero, never INT_MIN / -1.
static LLVMValueRef divide_plain(cg_kernel *k, bool is_signed, LLVMValueRef x, LLVMValueRef y) {
  LLVMBuilderRef b = k->c->builder;
  LLVMTypeRef type = LLVMTypeOf(x);
  int64_t number = 0;
  LLVMValueRef zero = cg_const_like(type, 0), one = cg_const_like(type, 1);
  if (splat_constant(y, &number) && number != 0 && number != -1) {
    return is_signed ? LLVMBuildSDiv(b, x, y, "") : LLVMBuildUDiv(b, x, y, "");
  }
  LLVMValueRef is_zero = LLVMBuildICmp(b, LLVMIntEQ, y, zero, "");
  if (!is_signed) {
    LLVMValueRef safe = LLVMBuildSelect(b, is_zero, one, y, "");
    return LLVMBuildSelect(b, is_zero, zero, LLVMBuildUDiv(b, x, safe, ""), "");
  }
  LLVMValueRef is_minus = LLVMBuildICmp(b, LLVMIntEQ, y, cg_const_like(type, UINT64_MAX), "");
  LLVMValueRef special = LLVMBuildOr(b, is_zero, is_minus, "");
  LLVMValueRef safe = LLVMBuildSelect(b, special, one, y, "");
  LLVMValueRef quotient = LLVMBuildSDiv(b, x, safe, "");
  quotient = LLVMBuildSelect(b, is_minus, LLVMBuildNeg(b, x, ""), quotient, "");
  return LLVMBuildSelect(b, is_zero, zero, quotient, "");
}

static LLVMValueRef divide_by_f64(cg_kernel *k, bool is_signed, LLVMValueRef x, LLVMValueRef y) {
  LLVMBuilderRef b = k->c->builder;
  LLVMTypeRef type = LLVMTypeOf(x), real = cg_type_like(type, k->c->f64);
  LLVMTypeRef wide = cg_type_like(type, k->c->i64);
  LLVMValueRef zero = cg_const_like(type, 0);
  LLVMValueRef is_zero = LLVMBuildICmp(b, LLVMIntEQ, y, zero, "");
  LLVMValueRef safe = LLVMBuildSelect(b, is_zero, cg_const_like(type, 1), y, "");
  LLVMValueRef n = is_signed ? LLVMBuildSIToFP(b, x, real, "") : LLVMBuildUIToFP(b, x, real, "");
  LLVMValueRef d =
      is_signed ? LLVMBuildSIToFP(b, safe, real, "") : LLVMBuildUIToFP(b, safe, real, "");
  LLVMValueRef q = LLVMBuildFPToSI(b, LLVMBuildFDiv(b, n, d, ""), wide, "");
  if (bits_of(x) < 64) {
    q = LLVMBuildTrunc(b, q, type, "");
  }
  return LLVMBuildSelect(b, is_zero, zero, q, "");
}

// 64-bit vectors: f64 where every lane is small, else lane by lane.
static LLVMValueRef divide_wide(cg_kernel *k, bool is_signed, LLVMValueRef x, LLVMValueRef y) {
  cg *c = k->c;
  LLVMBuilderRef b = c->builder;
  LLVMTypeRef type = LLVMTypeOf(x);
  LLVMValueRef bias = cg_const_like(type, is_signed ? UINT64_C(1) << 51 : 0);
  LLVMValueRef limit = cg_const_like(type, is_signed ? UINT64_C(1) << 52 : UINT64_C(1) << 51);
  LLVMValueRef x_big = LLVMBuildICmp(b, LLVMIntUGE, LLVMBuildAdd(b, x, bias, ""), limit, "");
  LLVMValueRef y_big = LLVMBuildICmp(b, LLVMIntUGE, LLVMBuildAdd(b, y, bias, ""), limit, "");
  LLVMValueRef big = cg_any(c, LLVMBuildOr(b, x_big, y_big, ""));
  LLVMBasicBlockRef slow = cg_block(c, "divide.big"), fast = cg_block(c, "divide.small");
  LLVMBasicBlockRef join = cg_block(c, "divided");
  LLVMBuildCondBr(b, big, slow, fast);
  LLVMPositionBuilderAtEnd(b, slow);
  LLVMValueRef values[2] = {divide_plain(k, is_signed, x, y), NULL};
  LLVMBasicBlockRef from[2] = {LLVMGetInsertBlock(b), NULL};
  LLVMBuildBr(b, join);
  LLVMPositionBuilderAtEnd(b, fast);
  values[1] = divide_by_f64(k, true, x, y);  // small unsigned numbers are small signed ones
  from[1] = LLVMGetInsertBlock(b);
  cg_jump(c, join);
  LLVMValueRef result = LLVMBuildPhi(b, type, "");
  LLVMAddIncoming(result, values, from, 2);
  return result;
}

static LLVMValueRef divide(cg_kernel *k, bool is_signed, LLVMValueRef x, LLVMValueRef y) {
  int64_t number = 0;
  const bool by_power = splat_constant(y, &number) && number > 0 && (number & (number - 1)) == 0;
  if (!is_vector(x) || by_power) {
    return divide_plain(k, is_signed, x, y);
  }
  if (bits_of(x) == 64) {
    return divide_wide(k, is_signed, x, y);
  }
  return divide_by_f64(k, is_signed, x, y);
}

// x - x / y * y; 0 where y is 0. |floor_rule|: the sign of the divisor.
static LLVMValueRef remainder_of(cg_kernel *k, bool is_signed, bool floor_rule, LLVMValueRef x,
                                 LLVMValueRef y) {
  LLVMBuilderRef b = k->c->builder;
  LLVMTypeRef type = LLVMTypeOf(x);
  LLVMValueRef zero = cg_const_like(type, 0);
  LLVMValueRef product = LLVMBuildMul(b, divide(k, is_signed, x, y), y, "");
  LLVMValueRef rest = LLVMBuildSub(b, x, product, "");
  int64_t number = 0;
  if (!splat_constant(y, &number) || number == 0) {
    rest = LLVMBuildSelect(b, LLVMBuildICmp(b, LLVMIntEQ, y, zero, ""), zero, rest, "");
  }
  if (!is_signed || !floor_rule) {
    return rest;
  }
  LLVMValueRef nonzero = LLVMBuildICmp(b, LLVMIntNE, rest, zero, "");
  LLVMValueRef signs = LLVMBuildXor(b, rest, y, "");
  LLVMValueRef differ = LLVMBuildICmp(b, LLVMIntSLT, signs, zero, "");
  LLVMValueRef wrong = LLVMBuildAnd(b, nonzero, differ, "");
  return LLVMBuildSelect(b, wrong, LLVMBuildAdd(b, rest, y, ""), rest, "");
}

// --- shifts, powers ------------------------------------------------------------------------------

static LLVMValueRef shift(cg_kernel *k, aicc_op op, aicc_dtype dtype, LLVMValueRef x,
                          LLVMValueRef y) {
  LLVMBuilderRef b = k->c->builder;
  LLVMTypeRef type = LLVMTypeOf(x);
  const bool is_signed = aicc_dtype_kind_of(dtype) == AICC_KIND_SIGNED;
  const unsigned width = aicc_dtype_table[dtype].bits;
  LLVMValueRef over = LLVMBuildICmp(b, LLVMIntUGE, y, cg_const_like(type, width), "");
  LLVMValueRef last = cg_const_like(type, width - 1);
  LLVMValueRef by = LLVMBuildSelect(b, over, last, y, "");
  if (op == AICC_OP_SHR && is_signed) {
    return LLVMBuildAShr(b, x, by, "");
  }
  LLVMValueRef shifted =
      op == AICC_OP_SHL ? LLVMBuildShl(b, x, by, "") : LLVMBuildLShr(b, x, by, "");
  return LLVMBuildSelect(b, over, cg_const_like(type, 0), shifted, "");
}

// x ** y by squaring: a loop until every lane's exponent is used up.
static LLVMValueRef power_loop(cg_kernel *k, LLVMValueRef x, LLVMValueRef y) {
  cg *c = k->c;
  LLVMBuilderRef b = c->builder;
  LLVMTypeRef type = LLVMTypeOf(x);
  LLVMValueRef zero = cg_const_like(type, 0), one = cg_const_like(type, 1);
  LLVMBasicBlockRef before = LLVMGetInsertBlock(b), loop = cg_block(c, "power");
  cg_jump(c, loop);
  LLVMValueRef result = LLVMBuildPhi(b, type, ""), base = LLVMBuildPhi(b, type, "");
  LLVMValueRef rest = LLVMBuildPhi(b, type, "");
  LLVMValueRef odd = LLVMBuildICmp(b, LLVMIntNE, LLVMBuildAnd(b, rest, one, ""), zero, "");
  LLVMValueRef next = LLVMBuildSelect(b, odd, LLVMBuildMul(b, result, base, ""), result, "");
  LLVMValueRef square = LLVMBuildMul(b, base, base, "");
  LLVMValueRef half = LLVMBuildLShr(b, rest, one, "");
  LLVMBasicBlockRef after = cg_block(c, "powered");
  LLVMBuildCondBr(b, cg_any(c, LLVMBuildICmp(b, LLVMIntNE, half, zero, "")), loop, after);
  LLVMAddIncoming(result, (LLVMValueRef[]){one, next}, (LLVMBasicBlockRef[]){before, loop}, 2);
  LLVMAddIncoming(base, (LLVMValueRef[]){x, square}, (LLVMBasicBlockRef[]){before, loop}, 2);
  LLVMAddIncoming(rest, (LLVMValueRef[]){y, half}, (LLVMBasicBlockRef[]){before, loop}, 2);
  LLVMPositionBuilderAtEnd(b, after);
  return next;
}

// A negative exponent gives the truncated reciprocal: 0, 1 or -1.
static LLVMValueRef power(cg_kernel *k, bool is_signed, LLVMValueRef x, LLVMValueRef y) {
  LLVMBuilderRef b = k->c->builder;
  if (!is_signed) {
    return power_loop(k, x, y);
  }
  LLVMTypeRef type = LLVMTypeOf(x);
  LLVMValueRef zero = cg_const_like(type, 0), one = cg_const_like(type, 1);
  LLVMValueRef minus = cg_const_like(type, UINT64_MAX);
  LLVMValueRef negative = LLVMBuildICmp(b, LLVMIntSLT, y, zero, "");
  LLVMValueRef exponent = LLVMBuildSelect(b, negative, LLVMBuildAnd(b, y, one, ""), y, "");
  LLVMValueRef result = power_loop(k, x, exponent);
  LLVMValueRef is_one = LLVMBuildICmp(b, LLVMIntEQ, x, one, "");
  LLVMValueRef is_minus = LLVMBuildICmp(b, LLVMIntEQ, x, minus, "");
  LLVMValueRef unit = LLVMBuildOr(b, is_one, is_minus, "");
  LLVMValueRef vanishes = LLVMBuildAnd(b, negative, LLVMBuildNot(b, unit, ""), "");
  return LLVMBuildSelect(b, vanishes, zero, result, "");
}

// --- dispatch ------------------------------------------------------------------------------------

static LLVMValueRef extreme(cg_kernel *k, aicc_op op, bool is_signed, LLVMValueRef x,
                            LLVMValueRef y) {
  static const char *const names[2][2] = {{"llvm.umin", "llvm.umax"}, {"llvm.smin", "llvm.smax"}};
  return cg_call2(k->c, names[is_signed][op == AICC_OP_MAX], x, y);
}

static LLVMValueRef plain_binary(cg_kernel *k, aicc_op op, aicc_dtype dtype, LLVMValueRef x,
                                 LLVMValueRef y) {
  LLVMBuilderRef b = k->c->builder;
  const bool is_signed = aicc_dtype_kind_of(dtype) == AICC_KIND_SIGNED;
  switch (op) {
    case AICC_OP_ADD: return LLVMBuildAdd(b, x, y, "");
    case AICC_OP_SUB: return LLVMBuildSub(b, x, y, "");
    case AICC_OP_MUL: return LLVMBuildMul(b, x, y, "");
    case AICC_OP_AND: return LLVMBuildAnd(b, x, y, "");
    case AICC_OP_OR: return LLVMBuildOr(b, x, y, "");
    case AICC_OP_XOR: return LLVMBuildXor(b, x, y, "");
    case AICC_OP_DIV: return divide(k, is_signed, x, y);
    case AICC_OP_MOD: return remainder_of(k, is_signed, true, x, y);
    case AICC_OP_FMOD: return remainder_of(k, is_signed, false, x, y);
    case AICC_OP_POW: return power(k, is_signed, x, y);
    case AICC_OP_MIN:
    case AICC_OP_MAX: return extreme(k, op, is_signed, x, y);
    case AICC_OP_SHL:
    case AICC_OP_SHR: return shift(k, op, dtype, x, y);
    default: return NULL;
  }
}

LLVMValueRef cg_int_binary(cg_kernel *k, aicc_op op, aicc_dtype dtype, LLVMValueRef x,
                           LLVMValueRef y) {
  if (dtype == AICC_BOOL) {  // i1: x min y = x and y
    LLVMBuilderRef b = k->c->builder;
    switch (op) {
      case AICC_OP_AND:
      case AICC_OP_MUL:
      case AICC_OP_MIN: return LLVMBuildAnd(b, x, y, "");
      case AICC_OP_OR:
      case AICC_OP_ADD:
      case AICC_OP_MAX: return LLVMBuildOr(b, x, y, "");
      case AICC_OP_XOR: return LLVMBuildXor(b, x, y, "");
      default: return NULL;
    }
  }
  LLVMValueRef result = plain_binary(k, op, dtype, x, y);
  const unsigned bits = aicc_dtype_table[dtype].bits;
  if (result == NULL || bits >= 8) {
    return result;
  }
  LLVMBuilderRef b = k->c->builder;  // sub-byte integers are extended in their byte
  LLVMValueRef by = cg_const_like(LLVMTypeOf(x), 8 - bits);
  LLVMValueRef high = LLVMBuildShl(b, result, by, "");
  return aicc_dtype_kind_of(dtype) == AICC_KIND_SIGNED ? LLVMBuildAShr(b, high, by, "")
                                                       : LLVMBuildLShr(b, high, by, "");
}

// --- fmod ----------------------------------------------------------------------------------------

// |x| mod |y| where |valid|, by long division: r -= trunc(r / y) * y, which fma makes exact, until
// r < y in every lane. A quotient rounded up leaves r negative: then -r goes on, to be taken from y
// in the end.
static LLVMValueRef positive_fmod(cg_kernel *k, LLVMValueRef n, LLVMValueRef d,
                                  LLVMValueRef valid) {
  cg *c = k->c;
  LLVMBuilderRef b = c->builder;
  LLVMTypeRef type = LLVMTypeOf(n), truth = LLVMTypeOf(valid);
  LLVMValueRef zero = cg_real_like(type, 0);
  LLVMBasicBlockRef before = LLVMGetInsertBlock(b), loop = cg_block(c, "fmod");
  LLVMBasicBlockRef after = cg_block(c, "fmod.done");
  cg_jump(c, loop);
  LLVMValueRef r = LLVMBuildPhi(b, type, ""), flipped = LLVMBuildPhi(b, truth, "");
  LLVMValueRef q = cg_call1(c, "llvm.trunc", LLVMBuildFDiv(b, r, d, ""));
  LLVMValueRef args[] = {LLVMBuildFNeg(b, q, ""), d, r};
  LLVMValueRef less = cg_intrinsic(c, "llvm.fma", &type, 1, args, 3);
  LLVMValueRef act = LLVMBuildAnd(b, LLVMBuildFCmp(b, LLVMRealOGE, r, d, ""), valid, "");
  LLVMValueRef below =
      LLVMBuildAnd(b, act, LLVMBuildFCmp(b, LLVMRealOLT, less, zero, ""), "");
  LLVMValueRef next = LLVMBuildSelect(b, act, cg_call1(c, "llvm.fabs", less), r, "");
  LLVMValueRef turned = LLVMBuildXor(b, flipped, below, "");
  LLVMValueRef more = LLVMBuildAnd(b, LLVMBuildFCmp(b, LLVMRealOGE, next, d, ""), valid, "");
  LLVMBuildCondBr(b, cg_any(c, more), loop, after);
  LLVMBasicBlockRef from[] = {before, loop};
  LLVMAddIncoming(r, (LLVMValueRef[]){n, next}, from, 2);
  LLVMAddIncoming(flipped, (LLVMValueRef[]){LLVMConstNull(truth), turned}, from, 2);
  LLVMPositionBuilderAtEnd(b, after);
  LLVMValueRef nonzero = LLVMBuildFCmp(b, LLVMRealONE, next, zero, "");
  return LLVMBuildSelect(b, LLVMBuildAnd(b, turned, nonzero, ""), LLVMBuildFSub(b, d, next, ""),
                         next, "");
}

// In f64, where no quotient of f32 numbers overflows.
LLVMValueRef cg_fmod(cg_kernel *k, LLVMValueRef x, LLVMValueRef y) {
  cg *c = k->c;
  LLVMBuilderRef b = c->builder;
  LLVMTypeRef type = LLVMTypeOf(x), wide = cg_type_like(type, c->f64);
  LLVMValueRef n = LLVMBuildFPCast(b, cg_call1(c, "llvm.fabs", x), wide, "");
  LLVMValueRef d = LLVMBuildFPCast(b, cg_call1(c, "llvm.fabs", y), wide, "");
  LLVMValueRef zero = cg_real_like(wide, 0), nan = LLVMBuildFDiv(b, zero, zero, "");
  LLVMValueRef finite = LLVMBuildFCmp(b, LLVMRealOEQ, LLVMBuildFSub(b, n, n, ""), zero, "");
  LLVMValueRef valid =
      LLVMBuildAnd(b, finite, LLVMBuildFCmp(b, LLVMRealOGT, d, zero, ""), "");
  LLVMValueRef rest = LLVMBuildSelect(b, valid, positive_fmod(k, n, d, valid), nan, "");
  return cg_call2(c, "llvm.copysign", LLVMBuildFPCast(b, rest, type, ""), x);
}
