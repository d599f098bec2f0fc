// Lanes that are threads: loops over them, where they meet, and what they reduce to.
#include "codegen/cg_gpu.h"

enum { MAX_DEPTH = 8 };

// --- the order of memory accesses ----------------------------------------------------------------

void cg_gpu_order_join(cg_order *to, cg_order from) {
  to->load |= from.load;
  to->store |= from.store;
  to->own_load |= from.own_load;
  to->own_store |= from.own_store;
}

// Whether |after| may touch what another lane touched in |before|, one of them writing.
static bool conflicts(cg_order before, cg_order after) {
  return (after.store && (before.load || before.store || before.own_load || before.own_store)) ||
         (after.own_store && (before.load || before.store)) ||
         (after.load && (before.store || before.own_store)) || (after.own_load && before.store);
}

// Congruent to the lane modulo the width, as far as its expression shows it.
static bool is_own(cg_kernel *k, LLVMValueRef index, int depth) {
  if (index == k->lane) {
    return true;
  }
  for (size_t i = k->own_count; i-- > 0;) {
    if (k->own[i] == index) {
      return true;
    }
  }
  if (depth == MAX_DEPTH || LLVMIsABinaryOperator(index) == NULL ||
      LLVMGetInstructionOpcode(index) != LLVMAdd) {
    return false;
  }
  LLVMValueRef x = LLVMGetOperand(index, 0), y = LLVMGetOperand(index, 1);
  return (is_own(k, x, depth + 1) && cg_known_factor(k, y) % k->width == 0) ||
         (is_own(k, y, depth + 1) && cg_known_factor(k, x) % k->width == 0);
}

void cg_gpu_order(cg_kernel *k, kir_val buffer, LLVMValueRef index, bool stores) {
  if (!k->values[buffer].ordered) {
    return;
  }
  const bool own = index != NULL && is_own(k, index, 0);
  const cg_order now = {.load = !stores && !own, .store = stores && !own,
                        .own_load = !stores && own, .own_store = stores && own};
  if (k->divergent == 0 && conflicts(k->order, now)) {
    k->gpu->meet(k);
    k->order = (cg_order){0};
  }
  cg_gpu_order_join(&k->order, now);
}

void cg_gpu_order_copy(cg_kernel *k, kir_val buffer) {
  const cg_order before = k->order;
  cg_gpu_order(k, buffer, NULL, true);
  if (k->divergent == 0) {  // where lanes diverge, what is before must still be seen to conflict
    k->order = conflicts(before, (cg_order){.store = true}) ? (cg_order){0} : before;
  }
}

static bool is_ordered(const cg_kernel *k, kir_val buffer) {
  return k->values[buffer].ordered || k->kernel->values[buffer].def != NULL;
}

cg_order cg_gpu_order_of(const cg_kernel *k, const kir_block *block) {
  cg_order all = {0};
  if (k->gpu == NULL) {
    return all;
  }
  for (const kir_inst *inst = block->first; inst != NULL; inst = inst->next) {
    if (inst->op == KIR_COPY_ASYNC) {  // stores at a wait
      cg_gpu_order_join(&all, (cg_order){.load = is_ordered(k, inst->source)});
    } else if (inst->op == KIR_WAIT) {
      cg_gpu_order_join(&all, (cg_order){.store = true});
    } else if (inst->buffer != 0 && is_ordered(k, inst->buffer)) {
      const bool loads = inst->op == KIR_LOAD || inst->op == KIR_LOAD_OR ||
                         inst->op == KIR_VLOAD || inst->op == KIR_LDMATRIX;
      cg_gpu_order_join(&all, (cg_order){.load = loads, .store = !loads});
    }
    cg_gpu_order_join(&all, cg_gpu_order_of(k, &inst->blocks[0]));
    cg_gpu_order_join(&all, cg_gpu_order_of(k, &inst->blocks[1]));
  }
  return all;
}

cg_gpu_region cg_gpu_diverge(cg_kernel *k) {
  cg_gpu_region region = {.before = k->order, .at = LLVMGetInsertBlock(k->c->builder)};
  if (k->gpu != NULL && k->divergent++ == 0) {
    k->order = (cg_order){0};
  }
  return region;
}

void cg_gpu_converge(cg_kernel *k, const cg_gpu_region *region) {
  LLVMBuilderRef b = k->c->builder;
  if (k->gpu == NULL || --k->divergent > 0 || k->c->failed) {
    return;
  }
  if (!conflicts(region->before, k->order)) {
    cg_gpu_order_join(&k->order, region->before);
    return;
  }
  LLVMBasicBlockRef here = LLVMGetInsertBlock(b);
  LLVMPositionBuilderBefore(b, LLVMGetBasicBlockTerminator(region->at));
  k->gpu->meet(k);
  LLVMPositionBuilderAtEnd(b, here);
}

// --- loops over lanes ----------------------------------------------------------------------------

// Loops that every lane goes through alike have their counters in scalar registers.
LLVMValueRef cg_gpu_counter(cg_kernel *k, LLVMValueRef counter, const kir_inst *loop) {
  bool uniform = true;
  for (int i = 0; loop != NULL && i < 3; i++) {
    uniform = uniform && !cg_is_varying(k, loop->args[i]);
  }
  return k->gpu != NULL && k->gpu->opaque != NULL && uniform ? k->gpu->opaque(k, counter) : counter;
}

// Every lane has as many elements: the lanes stay together.
static void whole_loop(cg_kernel *k, const kir_inst *inst, LLVMValueRef from, LLVMValueRef to) {
  cg *c = k->c;
  LLVMBuilderRef b = c->builder;
  const cg_order order = cg_gpu_order_of(k, &inst->blocks[0]);
  cg_gpu_order_join(&k->order, order);
  LLVMBasicBlockRef before = LLVMGetInsertBlock(b), body = cg_block(c, "lanes");
  cg_jump(c, body);
  LLVMValueRef base = LLVMBuildPhi(b, c->i64, "");
  LLVMAddIncoming(base, &from, &before, 1);
  cg_add_fact(k, base, cg_known_factor(k, from) % k->width == 0 ? k->width : 1,
              cg_known_nonnegative(k, from));
  cg_set_value(k, inst->result, LLVMBuildAdd(b, base, k->lane, ""));
  cg_emit_block(k, &inst->blocks[0]);
  LLVMValueRef next = LLVMBuildAdd(b, base, cg_int(c, k->width), "");
  LLVMBasicBlockRef latch = LLVMGetInsertBlock(b), after = cg_block(c, "lanes.done");
  LLVMAddIncoming(base, &next, &latch, 1);
  LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, next, to, ""), body, after);
  LLVMPositionBuilderAtEnd(b, after);
  cg_gpu_order_join(&k->order, order);
}

// for (i = from + lane; i < to; i += width) body; |once|: if (from + lane < to) body
static void strided_loop(cg_kernel *k, const kir_inst *inst, LLVMValueRef from, LLVMValueRef to,
                         bool once) {
  cg *c = k->c;
  LLVMBuilderRef b = c->builder;
  const cg_gpu_region region = cg_gpu_diverge(k);
  LLVMValueRef start = LLVMBuildAdd(b, from, k->lane, ""), at = start;
  LLVMBasicBlockRef body = cg_block(c, "lanes"), after = cg_block(c, "lanes.done");
  LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, start, to, ""), body, after);
  LLVMPositionBuilderAtEnd(b, body);
  if (!once) {
    at = LLVMBuildPhi(b, c->i64, "");
    LLVMBasicBlockRef before = region.at;
    LLVMAddIncoming(at, &start, &before, 1);
    if (cg_known_factor(k, from) % k->width == 0) {
      AICC_PUSH(c->arena, k->own, k->own_count, k->own_capacity, at);
    }
  }
  cg_set_value(k, inst->result, at);
  cg_emit_block(k, &inst->blocks[0]);
  if (once) {
    cg_jump(c, after);
  } else {
    LLVMValueRef next = LLVMBuildAdd(b, at, cg_int(c, k->width), "");
    LLVMBasicBlockRef latch = LLVMGetInsertBlock(b);
    LLVMAddIncoming(at, &next, &latch, 1);
    LLVMBuildCondBr(b, LLVMBuildICmp(b, LLVMIntSLT, next, to, ""), body, after);
    LLVMPositionBuilderAtEnd(b, after);
  }
  cg_gpu_converge(k, &region);
}

static const kir_inst *scalar_def(const cg_kernel *k, kir_val value, aicc_op op) {
  const kir_inst *def = k->kernel->values[value].def;
  return def != NULL && def->op == KIR_SCALAR && def->scalar_op == op ? def : NULL;
}

// Whether |to| is |from| plus a constant up to the number of lanes, or less.
static bool ends_in_a_round(const cg_kernel *k, kir_val from, kir_val to) {
  const kir_inst *least = scalar_def(k, to, AICC_OP_MIN);
  if (least != NULL) {
    return ends_in_a_round(k, from, least->args[0]) || ends_in_a_round(k, from, least->args[1]);
  }
  const kir_inst *sum = scalar_def(k, to, AICC_OP_ADD);
  if (sum == NULL || (sum->args[0] != from && sum->args[1] != from)) {
    return false;
  }
  const kir_inst *by = k->kernel->values[sum->args[sum->args[0] == from]].def;
  return by != NULL && by->op == KIR_CONST && (int64_t)by->imm <= k->width;
}

void cg_gpu_lanes_loop(cg_kernel *k, const kir_inst *inst) {
  LLVMBuilderRef b = k->c->builder;
  LLVMValueRef from = cg_use(k, inst->args[0]), to = cg_use(k, inst->args[1]);
  LLVMValueRef count = LLVMBuildSub(b, to, from, "");
  if (LLVMIsAConstantInt(count) == NULL) {
    strided_loop(k, inst, from, to, ends_in_a_round(k, inst->args[0], inst->args[1]));
    return;
  }
  const int64_t number = LLVMConstIntGetSExtValue(count);
  if (number <= 0) {
    return;
  }
  if (number == k->width) {
    cg_set_value(k, inst->result, LLVMBuildAdd(b, from, k->lane, ""));
    cg_emit_block(k, &inst->blocks[0]);
  } else if (number % k->width == 0) {
    whole_loop(k, inst, from, to);
  } else {
    strided_loop(k, inst, from, to, number < k->width);
  }
}

// --- reductions ----------------------------------------------------------------------------------

// |v| passed through |move| 32 bits at a time.
static LLVMValueRef by_words(cg_kernel *k, LLVMValueRef v, int distance,
                             LLVMValueRef (*move)(cg_kernel *k, LLVMValueRef word, int distance)) {
  cg *c = k->c;
  LLVMBuilderRef b = c->builder;
  LLVMTypeRef type = LLVMTypeOf(v);
  if (type == c->f64 || type == c->i64) {
    LLVMValueRef bits = LLVMBuildBitCast(b, v, c->i64, ""), by = cg_int(c, 32);
    LLVMValueRef low = move(k, LLVMBuildTrunc(b, bits, c->i32, ""), distance);
    LLVMValueRef high =
        move(k, LLVMBuildTrunc(b, LLVMBuildLShr(b, bits, by, ""), c->i32, ""), distance);
    high = LLVMBuildShl(b, LLVMBuildZExt(b, high, c->i64, ""), by, "");
    return LLVMBuildBitCast(b, LLVMBuildOr(b, high, LLVMBuildZExt(b, low, c->i64, ""), ""), type,
                            "");
  }
  if (type == c->f32 || type == c->i32) {
    return LLVMBuildBitCast(b, move(k, LLVMBuildBitCast(b, v, c->i32, ""), distance), type, "");
  }
  return LLVMBuildTrunc(b, move(k, LLVMBuildZExt(b, v, c->i32, ""), distance), type, "");
}

static LLVMValueRef exchange(cg_kernel *k, LLVMValueRef word, int distance) {
  return k->gpu->exchange(k, word, distance);
}

LLVMValueRef cg_gpu_moved(cg_kernel *k, LLVMValueRef v, int distance) {
  return by_words(k, v, distance, exchange);
}

static LLVMValueRef first(cg_kernel *k, LLVMValueRef word, int distance AICC_UNUSED) {
  return k->gpu->first(k, word);
}

// A butterfly. Lane 0 adds in the order that a CPU of this width does; its value is everybody's, so
// that a uniform value is uniform to the bit (zeros of either sign, payloads of NaN).
void cg_gpu_reduce(cg_kernel *k, const kir_inst *inst) {
  if (k->divergent > 0) {
    cg_fail(k->c, k->kernel, "a reduction over lanes where not all of them run");
    return;
  }
  const aicc_dtype dtype = k->kernel->values[inst->result].dtype;
  LLVMValueRef v = cg_use(k, inst->args[0]);
  for (int distance = k->width / 2; distance > 0; distance /= 2) {
    LLVMValueRef other = cg_gpu_moved(k, v, distance);
    v = cg_binary(k, inst->scalar_op, dtype, v, other);
  }
  cg_set_value(k, inst->result, by_words(k, v, 0, first));
}
