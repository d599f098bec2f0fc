// Loops, conditions and reductions over the lanes of a warp.
//
// Masks: the body of a LANES loop is emitted once for full vectors, without a mask, and once for
// the rest under one. A varying `if` runs its blocks under masks; blocks that touch memory or loop
// are branched around when no lane is active.
#include "codegen/cg_gpu.h"

static bool constant_of(LLVMValueRef v, int64_t *value) {
  if (LLVMIsAConstantInt(v) == NULL) {
    return false;
  }
  *value = LLVMConstIntGetSExtValue(v);
  return true;
}

// --- for -----------------------------------------------------------------------------------------

// A counter from |from| by |step| while it is below |to|, at least once where |nonempty|. The
// counter is |variable|'s value; lanes loops have it affine in the lane.
static void counted_loop(cg_kernel *k, const kir_inst *inst, LLVMValueRef from, LLVMValueRef to,
                         LLVMValueRef step) {
  cg *c = k->c;
  LLVMBuilderRef b = c->builder;
  const cg_order order = cg_gpu_order_of(k, &inst->blocks[0]), earlier = k->order;
  cg_gpu_order_join(&k->order, order);
  LLVMBasicBlockRef before = LLVMGetInsertBlock(b), body = cg_block(c, "loop");
  LLVMBasicBlockRef after = cg_block(c, "looped");
  LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, from, to, ""), body, after);
  LLVMPositionBuilderAtEnd(b, body);
  LLVMValueRef counter = LLVMBuildPhi(b, c->i64, "");
  LLVMAddIncoming(counter, &from, &before, 1);
  LLVMValueRef seen = cg_gpu_counter(k, counter, inst);
  const int64_t a = cg_known_factor(k, from), s = cg_known_factor(k, step);
  int64_t number = 0;
  cg_add_fact(k, seen, a < s ? a : s,
              cg_known_nonnegative(k, from) && constant_of(step, &number) && number > 0);
  if (inst->loop_kind == KIR_LANES && k->lanes > 1) {
    cg_set_affine(k, inst->result, counter, 1);
  } else {
    cg_set_value(k, inst->result, seen);
  }
  cg_emit_block(k, &inst->blocks[0]);
  LLVMValueRef next = LLVMBuildAdd(b, counter, step, "");
  LLVMBasicBlockRef latch = LLVMGetInsertBlock(b);
  LLVMAddIncoming(counter, &next, &latch, 1);
  LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, next, to, ""), body, after);
  LLVMPositionBuilderAtEnd(b, after);
  cg_gpu_order_join(&k->order, order);
  cg_gpu_order_join(&k->order, earlier);  // where the body did not run, nobody met in it
}

static void unrolled_loop(cg_kernel *k, const kir_inst *inst) {
  int64_t from = 0, to = 0, step = 1;
  const bool known = constant_of(cg_use(k, inst->args[0]), &from) &&
                     constant_of(cg_use(k, inst->args[1]), &to) &&
                     constant_of(cg_use(k, inst->args[2]), &step);
  AICC_ASSERT(known && step > 0);
  for (int64_t i = from; i < to && !k->c->failed; i += step) {
    cg_set_value(k, inst->result, cg_int(k->c, i));
    cg_emit_block(k, &inst->blocks[0]);
  }
}

// The lanes from |base| on, of which |count| < lanes exist.
static void partial_lanes(cg_kernel *k, const kir_inst *inst, LLVMValueRef base,
                          LLVMValueRef count) {
  cg *c = k->c;
  LLVMValueRef limit = cg_splat(k, LLVMBuildTrunc(c->builder, count, c->i32, ""));
  LLVMValueRef outer = k->mask;
  k->mask = LLVMBuildICmp(c->builder, LLVMIntULT, cg_lane_ids(k, c->i32), limit, "");
  cg_set_affine(k, inst->result, base, 1);
  cg_emit_block(k, &inst->blocks[0]);
  k->mask = outer;
}

static void lanes_loop(cg_kernel *k, const kir_inst *inst) {
  cg *c = k->c;
  LLVMBuilderRef b = c->builder;
  AICC_ASSERT(k->mask == NULL);  // lanes loops do not nest
  LLVMValueRef from = cg_use(k, inst->args[0]), to = cg_use(k, inst->args[1]);
  LLVMValueRef count = LLVMBuildSub(b, to, from, "");
  LLVMValueRef whole = LLVMBuildAnd(b, count, cg_int(c, -(int64_t)k->lanes), "");
  LLVMValueRef middle = LLVMBuildAdd(b, from, whole, "");
  int64_t number = 0;
  const bool known = constant_of(count, &number);
  if (known && number == k->lanes) {
    cg_set_affine(k, inst->result, from, 1);
    cg_emit_block(k, &inst->blocks[0]);
    return;
  }
  if (!known || number >= k->lanes) {
    counted_loop(k, inst, from, middle, cg_int(c, k->lanes));
  }
  if (known ? number <= 0 || number % k->lanes == 0
            : cg_known_factor(k, count) % k->lanes == 0) {
    return;
  }
  cg_add_fact(k, middle, cg_known_factor(k, from) < k->lanes ? cg_known_factor(k, from) : k->lanes,
              cg_known_nonnegative(k, from));
  LLVMBasicBlockRef rest = cg_block(c, "rest"), after = cg_block(c, "rested");
  LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, middle, to, ""), rest, after);
  LLVMPositionBuilderAtEnd(b, rest);
  partial_lanes(k, inst, middle, LLVMBuildSub(b, to, middle, ""));
  cg_jump(c, after);
}

void cg_emit_for(cg_kernel *k, const kir_inst *inst) {
  if (inst->loop_kind == KIR_UNROLL) {
    unrolled_loop(k, inst);
  } else if (inst->loop_kind == KIR_LANES && k->gpu != NULL) {
    cg_gpu_lanes_loop(k, inst);
  } else if (inst->loop_kind == KIR_LANES) {
    lanes_loop(k, inst);
  } else {
    counted_loop(k, inst, cg_use(k, inst->args[0]), cg_use(k, inst->args[1]),
                 cg_use(k, inst->args[2]));
  }
}

// --- while ---------------------------------------------------------------------------------------

// The condition block ends with COND.
void cg_emit_while(cg_kernel *k, const kir_inst *inst) {
  cg *c = k->c;
  LLVMBasicBlockRef head = cg_block(c, "while");
  cg_order order = cg_gpu_order_of(k, &inst->blocks[0]);
  cg_gpu_order_join(&order, cg_gpu_order_of(k, &inst->blocks[1]));
  cg_gpu_order_join(&k->order, order);
  cg_jump(c, head);
  const kir_inst *last = inst->blocks[0].last;
  AICC_ASSERT(last != NULL && last->op == KIR_COND);
  cg_emit_block(k, &inst->blocks[0]);  // COND itself emits nothing
  if (c->failed) {
    return;
  }
  LLVMBasicBlockRef body = cg_block(c, "while.body"), after = cg_block(c, "while.done");
  const cg_order earlier = k->order;
  LLVMBuildCondBr(c->builder, cg_use(k, last->args[0]), body, after);
  LLVMPositionBuilderAtEnd(c->builder, body);
  cg_emit_block(k, &inst->blocks[1]);
  LLVMBuildBr(c->builder, head);
  LLVMPositionBuilderAtEnd(c->builder, after);
  cg_gpu_order_join(&k->order, order);
  cg_gpu_order_join(&k->order, earlier);  // where the body did not run, nobody met in it
}

// --- if ------------------------------------------------------------------------------------------

static bool needs_branch(const kir_block *block) {
  for (const kir_inst *inst = block->first; inst != NULL; inst = inst->next) {
    switch (inst->op) {
      case KIR_LOAD:
      case KIR_LOAD_OR:
      case KIR_WORD:
      case KIR_STORE:
      case KIR_ATOMIC:
      case KIR_FOR:
      case KIR_WHILE: return true;
      case KIR_IF:
        if (needs_branch(&inst->blocks[0]) || needs_branch(&inst->blocks[1])) {
          return true;
        }
        break;
      default: break;
    }
  }
  return false;
}

static void masked_block(cg_kernel *k, const kir_block *block, LLVMValueRef condition) {
  cg *c = k->c;
  if (block->first == NULL) {
    return;
  }
  LLVMValueRef outer = k->mask;
  k->mask = outer == NULL ? condition : LLVMBuildAnd(c->builder, outer, condition, "");
  if (!needs_branch(block)) {
    cg_emit_block(k, block);
    k->mask = outer;
    return;
  }
  LLVMBasicBlockRef act = cg_block(c, "active"), after = cg_block(c, "inactive");
  LLVMBuildCondBr(c->builder, cg_any(c, k->mask), act, after);
  LLVMPositionBuilderAtEnd(c->builder, act);
  cg_emit_block(k, block);
  cg_jump(c, after);
  k->mask = outer;
}

static void branched_if(cg_kernel *k, const kir_inst *inst, LLVMValueRef condition) {
  cg *c = k->c;
  LLVMBasicBlockRef yes = cg_block(c, "then"), no = cg_block(c, "else");
  LLVMBasicBlockRef after = cg_block(c, "endif");
  const bool varying = cg_is_varying(k, inst->args[0]);
  const cg_gpu_region region = varying ? cg_gpu_diverge(k) : (cg_gpu_region){.before = k->order};
  LLVMBuildCondBr(c->builder, condition, yes, no);
  LLVMPositionBuilderAtEnd(c->builder, yes);
  cg_emit_block(k, &inst->blocks[0]);
  LLVMBuildBr(c->builder, after);
  LLVMPositionBuilderAtEnd(c->builder, no);
  const cg_order order = k->order;
  k->order = varying ? k->order : region.before;
  cg_emit_block(k, &inst->blocks[1]);
  cg_gpu_order_join(&k->order, order);
  cg_jump(c, after);
  if (varying) {
    cg_gpu_converge(k, &region);
  }
}

void cg_emit_if(cg_kernel *k, const kir_inst *inst) {
  LLVMValueRef condition = cg_use(k, inst->args[0]);
  int64_t number = 0;
  if (constant_of(condition, &number)) {
    cg_emit_block(k, &inst->blocks[number != 0 ? 0 : 1]);
    return;
  }
  if (k->lanes == 1 || !cg_is_varying(k, inst->args[0])) {
    branched_if(k, inst, condition);
    return;
  }
  masked_block(k, &inst->blocks[0], condition);
  if (inst->blocks[1].first != NULL) {
    masked_block(k, &inst->blocks[1], LLVMBuildNot(k->c->builder, condition, ""));
  }
}

// --- reductions ----------------------------------------------------------------------------------

// The value that leaves any other unchanged.
static LLVMValueRef neutral(cg_kernel *k, aicc_op op, aicc_dtype dtype) {
  LLVMTypeRef type = cg_element_type(k->c, dtype);
  const bool is_float = aicc_dtype_is_float(dtype);
  const bool is_signed = aicc_dtype_kind_of(dtype) == AICC_KIND_SIGNED;
  const unsigned bits = aicc_dtype_table[dtype].bits;
  const uint64_t top = UINT64_C(1) << (bits - 1);
  switch (op) {
    case AICC_OP_MUL: return is_float ? LLVMConstReal(type, 1) : LLVMConstInt(type, 1, false);
    case AICC_OP_AND: return LLVMConstAllOnes(type);
    case AICC_OP_MIN:
      return is_float    ? LLVMConstReal(type, (double)__builtin_inff())
             : is_signed ? LLVMConstInt(type, top - 1, false)
                         : LLVMConstInt(type, top - 1 + top, false);
    case AICC_OP_MAX:
      return is_float    ? LLVMConstReal(type, -(double)__builtin_inff())
             : is_signed ? LLVMConstInt(type, 0 - top, true)
                         : LLVMConstInt(type, 0, false);
    default: return is_float ? LLVMConstReal(type, -0.0) : LLVMConstInt(type, 0, false);
  }
}

// Lanes |from| .. |from| + |count| - 1 as a vector of their own.
static LLVMValueRef part_of(cg_kernel *k, LLVMValueRef v, int from, int count) {
  LLVMValueRef mask[256];
  for (int i = 0; i < count; i++) {
    mask[i] = LLVMConstInt(k->c->i32, (unsigned long long)(from + i), false);
  }
  return LLVMBuildShuffleVector(k->c->builder, v, LLVMGetPoison(LLVMTypeOf(v)),
                                LLVMConstVector(mask, (unsigned)count), "");
}

// A fixed tree: halves onto halves, the same order of additions at every width of registers.
void cg_emit_reduce(cg_kernel *k, const kir_inst *inst) {
  cg *c = k->c;
  const aicc_dtype dtype = k->kernel->values[inst->result].dtype;
  if (k->gpu != NULL) {
    cg_gpu_reduce(k, inst);
    return;
  }
  LLVMValueRef v = cg_use_as(k, inst->args[0], true);
  if (k->mask != NULL) {
    v = LLVMBuildSelect(c->builder, k->mask, v, cg_splat(k, neutral(k, inst->scalar_op, dtype)),
                        "");
  }
  if (dtype == AICC_BOOL) {
    const bool all = inst->scalar_op == AICC_OP_AND || inst->scalar_op == AICC_OP_MIN ||
                     inst->scalar_op == AICC_OP_MUL;
    cg_set_value(k, inst->result,
                 cg_call1(c, all ? "llvm.vector.reduce.and" : "llvm.vector.reduce.or", v));
    return;
  }
  AICC_ASSERT((k->lanes & (k->lanes - 1)) == 0);
  for (int count = k->lanes / 2; count > 0; count /= 2) {
    v = cg_binary(k, inst->scalar_op, dtype, part_of(k, v, 0, count), part_of(k, v, count, count));
  }
  cg_set_value(k, inst->result,
               LLVMBuildExtractElement(c->builder, v, LLVMConstInt(c->i32, 0, false), ""));
}
