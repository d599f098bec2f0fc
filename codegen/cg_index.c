// Indices: i64 values of the form base + stride * lane are kept in that form, so that loads and
// stores see contiguous lanes; facts about uniform bases let division keep it.
#include "codegen/cg.h"

enum { MAX_DEPTH = 8, MAX_FACTOR = 4096 };

static bool constant_of(LLVMValueRef v, int64_t *value) {
  if (LLVMIsAConstantInt(v) == NULL) {
    return false;
  }
  *value = LLVMConstIntGetSExtValue(v);
  return true;
}

// --- facts ---------------------------------------------------------------------------------------

void cg_add_fact(cg_kernel *k, LLVMValueRef value, int64_t factor, bool nonnegative) {
  const cg_fact fact = {.value = value, .factor = factor, .nonnegative = nonnegative};
  AICC_PUSH(k->c->arena, k->facts, k->fact_count, k->fact_capacity, fact);
}

static const cg_fact *find_fact(const cg_kernel *k, LLVMValueRef value) {
  for (size_t i = k->fact_count; i-- > 0;) {
    if (k->facts[i].value == value) {
      return &k->facts[i];
    }
  }
  return NULL;
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// Powers of two that divide |value|, as far as its expression shows them.
static int64_t factor_of(const cg_kernel *k, LLVMValueRef value, int depth) {
  int64_t number = 0;
  if (constant_of(value, &number)) {
    const uint64_t bits = (uint64_t)number | MAX_FACTOR;
    return (int64_t)(bits & (0 - bits));
  }
  const cg_fact *fact = find_fact(k, value);
  if (fact != NULL) {
    return fact->factor;
  }
  if (depth == MAX_DEPTH || LLVMIsAInstruction(value) == NULL ||
      LLVMGetNumOperands(value) != 2 || LLVMGetTypeKind(LLVMTypeOf(value)) != LLVMIntegerTypeKind) {
    return 1;
  }
  const LLVMOpcode opcode = LLVMGetInstructionOpcode(value);
  if (opcode != LLVMAdd && opcode != LLVMSub && opcode != LLVMMul && opcode != LLVMAnd) {
    return 1;
  }
  const int64_t x = factor_of(k, LLVMGetOperand(value, 0), depth + 1);
  const int64_t y = factor_of(k, LLVMGetOperand(value, 1), depth + 1);
  switch (opcode) {
    case LLVMMul: return least(x * y, MAX_FACTOR);
    case LLVMAnd: return x > y ? x : y;
    default: return least(x, y);
  }
}

static bool nonnegative(const cg_kernel *k, LLVMValueRef value, int depth) {
  int64_t number = 0;
  if (constant_of(value, &number)) {
    return number >= 0;
  }
  const cg_fact *fact = find_fact(k, value);
  if (fact != NULL) {
    return fact->nonnegative;
  }
  if (depth == MAX_DEPTH || LLVMIsAInstruction(value) == NULL || LLVMGetNumOperands(value) != 2) {
    return false;
  }
  const LLVMOpcode opcode = LLVMGetInstructionOpcode(value);
  const bool monotone = opcode == LLVMAdd || opcode == LLVMMul || opcode == LLVMSDiv ||
                        opcode == LLVMSRem;
  return monotone && nonnegative(k, LLVMGetOperand(value, 0), depth + 1) &&
         nonnegative(k, LLVMGetOperand(value, 1), depth + 1);
}

int64_t cg_known_factor(cg_kernel *k, LLVMValueRef value) { return factor_of(k, value, 0); }

// Sums and products of indices do not overflow: they address memory that exists.
bool cg_known_nonnegative(cg_kernel *k, LLVMValueRef value) { return nonnegative(k, value, 0); }

// --- affine forms --------------------------------------------------------------------------------

typedef struct affine {
  LLVMValueRef base;
  int64_t stride;
} affine;

static bool affine_of(cg_kernel *k, kir_val v, affine *out) {
  const cg_value *value = &k->values[v];
  if (!cg_is_varying(k, v)) {
    *out = (affine){.base = value->v};
    return true;
  }
  *out = (affine){.base = value->base, .stride = value->stride};
  return value->affine;
}

// n / c and n mod c for n = base + lane, where c and base are multiples of the lanes: no lane
// passes into the next quotient (of negative numbers, division rounds up: they are left to the
// plain form).
static bool divide(cg_kernel *k, const kir_inst *inst, affine x, affine y) {
  int64_t divisor = 0;
  const bool is_mod = inst->scalar_op == AICC_OP_MOD;
  if (x.stride != 1 || y.stride != 0 || !constant_of(y.base, &divisor) || divisor <= 0 ||
      divisor % k->lanes != 0 || cg_known_factor(k, x.base) % k->lanes != 0 ||
      (!is_mod && !cg_known_nonnegative(k, x.base))) {
    return false;
  }
  LLVMValueRef base = cg_int_binary(k, inst->scalar_op, AICC_I64, x.base, y.base);
  cg_set_affine(k, inst->result, base, is_mod ? 1 : 0);
  return true;
}

static bool multiply(cg_kernel *k, const kir_inst *inst, affine x, affine y) {
  const affine lanes = x.stride != 0 ? x : y, factor = x.stride != 0 ? y : x;
  int64_t number = 0, stride = 0;
  if (factor.stride != 0 ||
      (lanes.stride != 0 && (!constant_of(factor.base, &number) ||
                             aicc_mul_overflow(lanes.stride, number, &stride)))) {
    return false;
  }
  cg_set_affine(k, inst->result, LLVMBuildMul(k->c->builder, x.base, y.base, ""), stride);
  return true;
}

bool cg_emit_affine(cg_kernel *k, const kir_inst *inst) {
  affine x, y;
  if (k->lanes == 1 || inst->arg_count != 2 || !cg_is_varying(k, inst->result) ||
      k->kernel->values[inst->result].dtype != AICC_I64 || !affine_of(k, inst->args[0], &x) ||
      !affine_of(k, inst->args[1], &y)) {
    return false;
  }
  LLVMBuilderRef b = k->c->builder;
  switch (inst->scalar_op) {
    case AICC_OP_ADD:
      cg_set_affine(k, inst->result, LLVMBuildAdd(b, x.base, y.base, ""), x.stride + y.stride);
      return true;
    case AICC_OP_SUB:
      cg_set_affine(k, inst->result, LLVMBuildSub(b, x.base, y.base, ""), x.stride - y.stride);
      return true;
    case AICC_OP_MUL: return multiply(k, inst, x, y);
    case AICC_OP_DIV:
    case AICC_OP_MOD: return divide(k, inst, x, y);
    default: return false;
  }
}
