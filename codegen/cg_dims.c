// Symbolic integers as i64 code. An expression that was computed since the last joint of control
// flow is used again; LLVM finds the rest.
#include "codegen/cg_host.h"

static LLVMValueRef floor_div(cg_host *h, LLVMValueRef a, LLVMValueRef b, bool want_rest) {
  LLVMBuilderRef at = h->c->builder;
  LLVMValueRef zero = cg_int(h->c, 0), one = cg_int(h->c, 1), minus = cg_int(h->c, -1);
  LLVMValueRef is_zero = LLVMBuildICmp(at, LLVMIntEQ, b, zero, "");
  LLVMValueRef is_minus = LLVMBuildICmp(at, LLVMIntEQ, b, minus, "");
  LLVMValueRef safe =
      LLVMBuildSelect(at, LLVMBuildOr(at, is_zero, is_minus, ""), one, b, "");
  LLVMValueRef quotient = LLVMBuildSDiv(at, a, safe, "");
  quotient = LLVMBuildSelect(at, is_minus, LLVMBuildNeg(at, a, ""), quotient, "");
  LLVMValueRef rest = LLVMBuildSub(at, a, LLVMBuildMul(at, quotient, b, ""), "");
  LLVMValueRef nonzero = LLVMBuildICmp(at, LLVMIntNE, rest, zero, "");
  LLVMValueRef differ =
      LLVMBuildICmp(at, LLVMIntSLT, LLVMBuildXor(at, rest, b, ""), zero, "");
  LLVMValueRef down = LLVMBuildAnd(at, nonzero, differ, "");
  LLVMValueRef value =
      want_rest ? LLVMBuildSelect(at, down, LLVMBuildAdd(at, rest, b, ""), rest, "")
                : LLVMBuildSelect(at, down, LLVMBuildSub(at, quotient, one, ""), quotient, "");
  return LLVMBuildSelect(at, is_zero, zero, value, "");
}

static LLVMValueRef truth(cg_host *h, LLVMIntPredicate predicate, LLVMValueRef a, LLVMValueRef b) {
  LLVMBuilderRef at = h->c->builder;
  return LLVMBuildZExt(at, LLVMBuildICmp(at, predicate, a, b, ""), h->c->i64, "");
}

static LLVMValueRef binary(cg_host *h, aicc_dim_kind kind, LLVMValueRef a, LLVMValueRef b) {
  LLVMBuilderRef at = h->c->builder;
  switch (kind) {
    case AICC_DIM_ADD: return LLVMBuildAdd(at, a, b, "");
    case AICC_DIM_MUL: return LLVMBuildMul(at, a, b, "");
    case AICC_DIM_FLOORDIV: return floor_div(h, a, b, false);
    case AICC_DIM_MOD: return floor_div(h, a, b, true);
    case AICC_DIM_MIN: return cg_call2(h->c, "llvm.smin", a, b);
    case AICC_DIM_MAX: return cg_call2(h->c, "llvm.smax", a, b);
    case AICC_DIM_EQ: return truth(h, LLVMIntEQ, a, b);
    default: return truth(h, LLVMIntSLT, a, b);
  }
}

static LLVMValueRef compute(cg_host *h, aicc_dim dim) {
  LLVMBuilderRef at = h->c->builder;
  const aicc_dim_kind kind = aicc_dim_kind_of(h->dims, dim);
  if (kind == AICC_DIM_SYMBOL) {
    AICC_ASSERT(cg_symbol_defined(h, dim));
    return LLVMBuildLoad2(at, h->c->i64, h->symbols[dim], "");
  }
  LLVMValueRef a = cg_dim(h, aicc_dim_operand(h->dims, dim, 0));
  LLVMValueRef b = cg_dim(h, aicc_dim_operand(h->dims, dim, 1));
  if (kind != AICC_DIM_SELECT) {
    return binary(h, kind, a, b);
  }
  LLVMValueRef other = cg_dim(h, aicc_dim_operand(h->dims, dim, 2));
  LLVMValueRef condition = LLVMBuildICmp(at, LLVMIntNE, a, cg_int(h->c, 0), "");
  return LLVMBuildSelect(at, condition, b, other, "");
}

LLVMValueRef cg_dim(cg_host *h, aicc_dim dim) {
  int64_t value = 0;
  if (aicc_dim_is_const(h->dims, dim, &value)) {
    return cg_int(h->c, value);
  }
  AICC_ASSERT(dim != AICC_DIM_NONE && dim < h->dim_limit);
  if (h->memo_stamp[dim] != h->stamp) {
    h->memo[dim] = compute(h, dim);
    h->memo_stamp[dim] = h->stamp;
  }
  return h->memo[dim];
}

void cg_forget_dims(cg_host *h) { h->stamp++; }

bool cg_symbol_defined(const cg_host *h, aicc_dim symbol) {
  return symbol < h->dim_limit && h->symbols[symbol] != NULL;
}

void cg_define_symbol(cg_host *h, aicc_dim symbol, LLVMValueRef value) {
  AICC_ASSERT(aicc_dim_kind_of(h->dims, symbol) == AICC_DIM_SYMBOL);
  if (h->symbols[symbol] == NULL) {
    h->symbols[symbol] = cg_host_alloca(h, h->c->i64, 1);
  }
  LLVMBuildStore(h->c->builder, value, h->symbols[symbol]);
  cg_forget_dims(h);
}

bool cg_dim_computable(const cg_host *h, aicc_dim dim) {
  if (aicc_dim_kind_of(h->dims, dim) == AICC_DIM_SYMBOL) {
    return cg_symbol_defined(h, dim);
  }
  for (int i = 0; i < 3; i++) {
    const aicc_dim operand = aicc_dim_operand(h->dims, dim, i);
    if (operand != AICC_DIM_NONE && !cg_dim_computable(h, operand)) {
      return false;
    }
  }
  return true;
}
