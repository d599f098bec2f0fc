// One kernel in the making: its parameters and their arguments, blocks, and its launch.
#include "passes/lower.h"

#include <string.h>

void lk_begin(lower_kernel *lk, aicc_lower *lw, const char *name, const char *kind,
              const aicc_node *group) {
  lk_begin_node(lk, lw, name, kind, group);
  lk->group = group->regions[0];
}

void lk_begin_node(lower_kernel *lk, aicc_lower *lw, const char *name, const char *kind,
                   const aicc_node *group) {
  *lk = (lower_kernel){.lw = lw};
  lk->kernel = kir_kernel_create(&lw->plan->arena, aicc_arena_strdup(&lw->plan->arena, name), kind,
                                 lw->machine->width);
  lk->kernel->origins = group->origins;
  lk->kernel->origin_count = group->origin_count;
  kir_builder_init(&lk->b, lk->kernel);
}

static kir_val add_arg(lower_kernel *lk, aicc_step_arg arg, kir_val param) {
  aicc_arena *arena = &lk->lw->plan->arena;
  AICC_PUSH(arena, lk->args, lk->arg_count, lk->arg_capacity, arg);
  AICC_PUSH(arena, lk->param_of_arg, lk->param_count, lk->param_capacity, param);
  return param;
}

// Views of one memory are one parameter: parameters never alias.
static aicc_slot root_slot(const aicc_plan *plan, aicc_slot slot) {
  while (plan->slots[slot].kind == AICC_SLOT_ALIAS) {
    slot = plan->slots[slot].index;
  }
  return slot;
}

kir_val lk_buffer(lower_kernel *lk, aicc_slot slot, unsigned access) {
  const aicc_plan *plan = lk->lw->plan;
  const aicc_dtype dtype = plan->slots[slot].type.dtype;
  const aicc_slot root = root_slot(plan, slot);
  for (size_t i = 0; i < lk->arg_count; i++) {
    kir_param *param = &lk->kernel->params[i];
    if (lk->args[i].is_slot && root_slot(plan, lk->args[i].slot) == root &&
        param->dtype == dtype) {
      param->access |= access;
      return lk->param_of_arg[i];
    }
  }
  const aicc_step_arg arg = {.is_slot = true, .slot = slot};
  return add_arg(lk, arg, kir_add_buffer(lk->kernel, NULL, dtype, access));
}

kir_val lk_dim(lower_kernel *lk, aicc_dim dim) {
  int64_t value;
  if (aicc_dim_is_const(lk->lw->module->dims, dim, &value)) {
    return kir_const_i64(&lk->b, value);
  }
  for (size_t i = 0; i < lk->arg_count; i++) {
    if (!lk->args[i].is_slot && lk->args[i].dim == dim) {
      return lk->param_of_arg[i];
    }
  }
  const aicc_step_arg arg = {.dim = dim};
  return add_arg(lk, arg, kir_add_scalar(lk->kernel, NULL, AICC_I64));
}

kir_val lk_i64(lower_kernel *lk, int64_t value) { return kir_const_i64(&lk->b, value); }

kir_val lk_for(lower_kernel *lk, kir_loop_kind kind, kir_val from, kir_val to) {
  return kir_for(&lk->b, kind, from, to, kir_const_i64(&lk->b, 1));
}

void lk_end(lower_kernel *lk) { kir_end(&lk->b); }

void lk_bind(lower_kernel *lk, const aicc_value *value, kir_val result) {
  aicc_arena *arena = &lk->lw->plan->arena;
  AICC_PUSH(arena, lk->bound, lk->bound_count, lk->bound_capacity, value);
  AICC_PUSH(arena, lk->bound_to, lk->bound_to_count, lk->bound_to_capacity, result);
}

size_t lk_mark(const lower_kernel *lk) { return lk->bound_count << 32 | lk->memo_count; }

void lk_forget(lower_kernel *lk, size_t mark) {
  lk->bound_count = lk->bound_to_count = mark >> 32;
  lk->memo_count = mark & UINT32_MAX;
}

void lk_split(lower_kernel *lk, kir_val linear, const kir_val *extents, int rank, kir_val *out) {
  for (int i = rank - 1; i > 0; i--) {
    int64_t extent;
    if (kir_is_const_i64(&lk->b, extents[i], &extent) && extent == 1) {
      out[i] = lk_i64(lk, 0);
      continue;
    }
    const kir_val quotient = kir_scalar2(&lk->b, AICC_OP_DIV, linear, extents[i]);
    out[i] = kir_sub(&lk->b, linear, kir_mul(&lk->b, quotient, extents[i]));
    linear = quotient;
  }
  if (rank > 0) {
    out[0] = linear;
  }
}

// For --opt-report: "lower: conv_7 (contract 8x3 rows=64): 12 tasks, 3400 ns".
static void report_launch(const lower_kernel *lk, aicc_dim grid, aicc_dim cost) {
  aicc_plan *plan = lk->lw->plan;
  const aicc_dims *dims = lk->lw->module->dims;
  fprintf(lk->lw->report, "lower: %s (%s%s%s): tasks %s, about ns %s\n", lk->kernel->name,
          lk->kernel->kind, lk->schedule ? " " : "", lk->schedule ? lk->schedule : "",
          aicc_dim_print(dims, grid, &plan->arena), aicc_dim_print(dims, cost, &plan->arena));
}

// |kernel| runs for the ONNX nodes of |other| too: the profile shares its time among all of them.
static void add_origins(aicc_arena *arena, kir_kernel *kernel, const kir_kernel *other) {
  const size_t most = (size_t)kernel->origin_count + (size_t)other->origin_count;
  aicc_origin *all = AICC_NEW_ARRAY(arena, aicc_origin, most + 1);
  int count = kernel->origin_count;
  memcpy(all, kernel->origins, (size_t)count * sizeof *all);
  for (int i = 0; i < other->origin_count; i++) {
    int at = 0;
    while (at < count && (all[at].index != other->origins[i].index ||
                          strcmp(all[at].node, other->origins[i].node) != 0)) {
      at++;
    }
    all[at] = other->origins[i];
    count += at == count;
  }
  kernel->origins = all;
  kernel->origin_count = count;
}

void lk_launch(lower_kernel *lk, aicc_dim grid, aicc_dim cost) {
  aicc_plan *plan = lk->lw->plan;
  uint32_t index = 0;
  while (index < plan->kernel_count && !kir_equal(plan->kernels[index], lk->kernel)) {
    index++;
  }
  if (index == plan->kernel_count) {
    AICC_PUSH(&plan->arena, plan->kernels, plan->kernel_count, plan->kernel_capacity, lk->kernel);
  } else {
    add_origins(&plan->arena, plan->kernels[index], lk->kernel);
  }
  aicc_step *step = aicc_lower_step(lk->lw, AICC_STEP_LAUNCH);
  step->kernel = index;
  step->grid = grid;
  step->cost = cost;
  step->flops = lk->flops;
  step->args = lk->args;
  step->arg_count = (int)lk->arg_count;
  step->text = lk->schedule;
  if (lk->lw->report) {
    report_launch(lk, grid, cost);
  }
}
