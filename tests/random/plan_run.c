// A plan run by the kernel interpreter, step by step: what the runtime does, with every access
// checked.
#include <stdlib.h>
#include <string.h>

#include "passes/lower.h"
#include "random/program.h"

typedef struct memory {
  void *data;
  uint8_t *init;  // NULL: all written
  size_t count;
} memory;

typedef struct symbol {
  const char *name;
  int64_t value;
} symbol;

typedef struct machine {
  const aicc_plan *plan;
  const rp_run *run;
  const aicc_eval_value *inputs;
  aicc_arena *arena;
  aicc_diags *diags;
  memory *slots;
  symbol *symbols;
  size_t symbol_count, symbol_capacity;
  bool supported;
} machine;

static bool fail(machine *m, const char *why) {
  const aicc_loc loc = {0};
  AICC_EMIT(m->diags, E0250, &loc, "plan", why);
  return false;
}

static bool lookup(void *context, const char *name, int64_t *value) {
  const machine *m = context;
  for (size_t i = m->symbol_count; i-- > 0;) {
    if (strcmp(m->symbols[i].name, name) == 0) {
      *value = m->symbols[i].value;
      return true;
    }
  }
  *value = rp_symbol_value(m->run, name);
  return true;
}

static bool dim_value(machine *m, aicc_dim dim, int64_t *value) {
  return aicc_dim_eval(m->plan->module->dims, dim, lookup, m, value) ||
         fail(m, "a size overflows");
}

static bool count_of(machine *m, const aicc_type *type, size_t *count) {
  *count = 1;
  for (int i = 0; i < type->rank; i++) {
    int64_t value = 0;
    if (!dim_value(m, type->dims[i], &value)) {
      return false;
    }
    if (value < 0 || value > 1000000) {
      return fail(m, "a dimension is negative or huge");
    }
    *count *= (size_t)value;
  }
  return true;
}

static memory *constant_memory(machine *m, memory *to, const aicc_slot_info *info) {
  const aicc_plan_const *constant = &m->plan->consts[info->index];
  to->count = (size_t)constant->size / aicc_dtype_size(info->type.dtype);
  to->data = aicc_arena_alloc(m->arena, (size_t)constant->size + 64);
  aicc_plan_const_bytes(constant, 0, constant->size, to->data);
  return to;
}

// NULL after a failure.
static memory *slot_memory(machine *m, aicc_slot slot) {
  const aicc_plan *plan = m->plan;
  while (plan->slots[slot].kind == AICC_SLOT_ALIAS) {
    slot = plan->slots[slot].index;
  }
  const aicc_slot_info *info = &plan->slots[slot];
  memory *to = &m->slots[slot];
  if (to->data) {
    return to;
  }
  if (info->kind == AICC_SLOT_CONST) {
    return constant_memory(m, to, info);
  }
  if (!count_of(m, &info->type, &to->count)) {
    return NULL;
  }
  if (info->kind == AICC_SLOT_INPUT) {
    to->data = m->inputs[info->index].data;
    return to;
  }
  const size_t bytes = to->count * aicc_dtype_size(info->type.dtype);
  to->data = aicc_arena_alloc(m->arena, bytes + 64);
  to->init = aicc_arena_alloc(m->arena, to->count + 1);
  memset(to->data, 0xA5, bytes + 64);
  return to;
}

static bool launch(machine *m, const aicc_step *step) {
  const kir_kernel *kernel = m->plan->kernels[step->kernel];
  if (kernel->param_count != step->arg_count) {
    return fail(m, "a launch has another number of arguments than its kernel");
  }
  kir_arg *args = AICC_NEW_ARRAY(m->arena, kir_arg, step->arg_count + 1);
  for (int i = 0; i < step->arg_count; i++) {
    if (!step->args[i].is_slot) {
      if (!dim_value(m, step->args[i].dim, &args[i].i)) {
        return false;
      }
      continue;
    }
    const memory *slot = slot_memory(m, step->args[i].slot);
    if (!slot) {
      return false;
    }
    args[i] = (kir_arg){.data = slot->data, .count = slot->count, .init = slot->init};
  }
  int64_t grid = 0;
  return dim_value(m, step->grid, &grid) && kir_verify(kernel, m->diags) == AICC_OK &&
         kir_interpret(kernel, kernel->width > 0 ? kernel->width : 4, grid, args, m->run->seed,
                       m->diags) == AICC_OK;
}

static bool copy(machine *m, const aicc_step *step) {
  memory *to = slot_memory(m, step->slot);
  const memory *from = slot_memory(m, step->slot2);
  int64_t bytes = 0, offset = 0;
  if (!to || !from || !dim_value(m, step->dim, &bytes) ||
      (step->offset != AICC_DIM_NONE && !dim_value(m, step->offset, &offset))) {
    return false;
  }
  const size_t size = aicc_dtype_size(m->plan->slots[step->slot].type.dtype);
  if (bytes < 0 || (size_t)(offset + bytes) > to->count * size ||
      (size_t)bytes > from->count * size) {
    return fail(m, "a copy leaves its buffers");
  }
  memcpy((char *)to->data + offset, from->data, (size_t)bytes);
  if (to->init) {
    memset(to->init + (size_t)offset / size, 1, (size_t)bytes / size);
  }
  return true;
}

static bool write_dims(machine *m, const aicc_step *step) {
  memory *to = slot_memory(m, step->slot);
  if (!to || to->count < (size_t)step->dim_count) {
    return fail(m, "sizes are written beyond their tensor");
  }
  for (int i = 0; i < step->dim_count; i++) {
    int64_t value = 0;
    if (!dim_value(m, step->dims[i], &value)) {
      return false;
    }
    aicc_set_i64(m->plan->slots[step->slot].type.dtype, to->data, (size_t)i, value);
    to->init[i] = 1;
  }
  return true;
}

static bool define(machine *m, const aicc_step *step) {
  const memory *from = slot_memory(m, step->slot);
  if (!from || from->count <= step->index || (from->init && !from->init[step->index])) {
    return fail(m, "a size is read from beyond its tensor, or before it is written");
  }
  const int64_t value =
      aicc_get_i64(m->plan->slots[step->slot].type.dtype, from->data, step->index);
  const symbol s = {aicc_dim_symbol_name(m->plan->module->dims, step->symbol), value};
  AICC_PUSH(m->arena, m->symbols, m->symbol_count, m->symbol_capacity, s);
  return true;
}

static bool check(machine *m, const aicc_step *step) {
  int64_t value = 0;
  return dim_value(m, step->dim, &value) && (value != 0 || fail(m, step->text));
}

static bool run_step(machine *m, const aicc_step *step) {
  switch (step->kind) {
    case AICC_STEP_SEGMENT:
    case AICC_STEP_OUTPUT:
    case AICC_STEP_ALLOC:
    case AICC_STEP_FREE: return true;
    case AICC_STEP_LAUNCH: return launch(m, step);
    case AICC_STEP_COPY: return copy(m, step);
    case AICC_STEP_WRITE_DIMS: return write_dims(m, step);
    case AICC_STEP_DEF_DIM: return define(m, step);
    case AICC_STEP_CHECK: return check(m, step);
    default: m->supported = false; return false;
  }
}

bool rp_plan_run(const aicc_plan *plan, const rp_run *run, const aicc_eval_value *inputs,
                 aicc_arena *arena, rp_plan_result *outputs, bool *supported, aicc_diags *diags) {
  machine m = {.plan = plan, .run = run, .inputs = inputs, .arena = arena, .diags = diags,
               .supported = true};
  m.slots = AICC_NEW_ARRAY(arena, memory, plan->slot_count + 1);
  bool good = true;
  for (const aicc_step *step = plan->steps.first; step && good; step = step->next) {
    good = run_step(&m, step);
  }
  *supported = m.supported;
  for (int i = 0; good && i < plan->module->body->result_count; i++) {
    const memory *slot = slot_memory(&m, plan->outputs[i]);
    good = slot != NULL;
    if (good) {
      outputs[i] = (rp_plan_result){plan->slots[plan->outputs[i]].type.dtype,
                                    (int64_t)slot->count, slot->data, slot->init};
    }
  }
  return good;
}
