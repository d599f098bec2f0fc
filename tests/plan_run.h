// Runs a lowered plan with the kernel interpreter, or its kernels as native code, and compares it
// with the graph interpreter: the test of lowering. Included by Check programs; fails by ck_abort.
#ifndef AICC_TESTS_PLAN_RUN_H
#define AICC_TESTS_PLAN_RUN_H

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cg_fixture.h"
#include "ir/eval.h"
#include "passes/lower.h"
#include "passes/pass.h"
#include "passes/schedule.h"

enum { PLAN_RUN_SYMBOLS = 64 };

typedef struct plan_memory {
  void *data;
  uint8_t *init;  // NULL: all written
  size_t count;
} plan_memory;

typedef struct plan_run {
  const aicc_plan *plan;
  const aicc_eval_value *inputs;
  aicc_arena arena;
  aicc_diags diags;
  plan_memory *memory;  // per slot
  const cg_target *target;  // NULL: interpreted
  aicc_dim symbols[PLAN_RUN_SYMBOLS];
  int64_t values[PLAN_RUN_SYMBOLS];
  int symbol_count;
} plan_run;

static void plan_run_fail(plan_run *r, const char *what) {
  aicc_diags_print(&r->diags, stderr);
  ck_abort_msg("%s", what);
}

static void plan_run_bind(plan_run *r, aicc_dim symbol, int64_t value) {
  ck_assert_int_lt(r->symbol_count, PLAN_RUN_SYMBOLS);
  r->symbols[r->symbol_count] = symbol;
  r->values[r->symbol_count++] = value;
}

static bool plan_run_lookup(void *context, const char *name, int64_t *value) {
  const plan_run *r = context;
  for (int i = r->symbol_count - 1; i >= 0; i--) {
    if (strcmp(aicc_dim_symbol_name(r->plan->module->dims, r->symbols[i]), name) == 0) {
      *value = r->values[i];
      return true;
    }
  }
  return false;
}

static int64_t plan_run_dim(plan_run *r, aicc_dim dim) {
  int64_t value = 0;
  if (!aicc_dim_eval(r->plan->module->dims, dim, plan_run_lookup, r, &value)) {
    plan_run_fail(r, "a size uses a symbol that nothing defined");
  }
  return value;
}

static plan_memory *plan_run_slot(plan_run *r, aicc_slot slot) {
  const aicc_plan *plan = r->plan;
  while (plan->slots[slot].kind == AICC_SLOT_ALIAS) {
    slot = plan->slots[slot].index;
  }
  const aicc_slot_info *info = &plan->slots[slot];
  plan_memory *m = &r->memory[slot];
  if (m->data != NULL) {
    return m;
  }
  m->count = 1;
  for (int i = 0; i < info->type.rank; i++) {
    m->count *= (size_t)plan_run_dim(r, info->type.dims[i]);
  }
  if (info->kind == AICC_SLOT_INPUT) {
    m->data = r->inputs[info->index].data;
    return m;
  }
  m->data = aicc_arena_alloc(&r->arena, m->count * aicc_dtype_size(info->type.dtype) + 64);
  if (info->kind == AICC_SLOT_CONST) {
    const aicc_plan_const *constant = &plan->consts[info->index];
    m->count = (size_t)constant->size / aicc_dtype_size(info->type.dtype);
    m->data = aicc_arena_alloc(&r->arena, (size_t)constant->size + 64);
    aicc_plan_const_bytes(constant, 0, constant->size, m->data);
  } else {
    memset(m->data, 0xA5, m->count * aicc_dtype_size(info->type.dtype));
    m->init = aicc_arena_alloc(&r->arena, m->count + 1);
  }
  return m;
}

static kir_arg plan_run_arg(plan_run *r, const kir_param *param, const aicc_step_arg *arg) {
  if (!arg->is_slot) {  // a buffer given as a number is all memory
    return param->is_buffer ? (kir_arg){.count = SIZE_MAX}
                            : (kir_arg){.i = plan_run_dim(r, arg->dim)};
  }
  const plan_memory *m = plan_run_slot(r, arg->slot);
  aicc_slot root = arg->slot;
  while (r->plan->slots[root].kind == AICC_SLOT_ALIAS) {
    root = r->plan->slots[root].index;
  }
  const aicc_dtype dtype = r->plan->slots[root].type.dtype;
  if (!param->is_buffer) {
    return (kir_arg){.i = (int64_t)(intptr_t)m->data};
  }
  // Strings, and others, as words: what is written is not followed.
  const size_t from = aicc_dtype_size(dtype), to = aicc_dtype_size(param->dtype);
  if (from != to && m->init != NULL) {
    memset(m->init, 1, m->count);
  }
  return (kir_arg){.data = m->data, .count = m->count * from / to,
                   .init = from != to ? NULL : m->init};
}

static void plan_run_native(plan_run *r, const kir_kernel *kernel, const kir_arg *args,
                            int64_t grid) {
  int64_t *block = AICC_NEW_ARRAY(&r->arena, int64_t, kernel->param_count + 1);
  for (int i = 0; i < kernel->param_count; i++) {
    block[i] = kernel->params[i].is_buffer ? (int64_t)(intptr_t)args[i].data : args[i].i;
    if (kernel->params[i].is_buffer && args[i].init != NULL) {
      memset(args[i].init, 1, args[i].count);
    }
  }
  cg_fixture fixture;
  cg_fixture_open(&fixture);
  cg_fixture_compile(&fixture, kernel, r->target);
  cg_fixture_run(&fixture, block, grid);
  cg_fixture_close(&fixture);
}

// A test that has a device says how it runs a kernel there.
#ifdef PLAN_RUN_DEVICE
static void PLAN_RUN_DEVICE(const cg_target *target, const kir_kernel *kernel, kir_arg *args,
                            int64_t grid);
#endif

// |target| where kernels for it are to run on that device; NULL: in the kernel interpreter.
AICC_UNUSED static const cg_target *plan_run_device_target(const cg_target *target) {
#ifdef PLAN_RUN_DEVICE
  return target->family == CG_FAMILY_NVPTX ? target : NULL;
#else
  (void)target;
  return NULL;
#endif
}

static bool plan_run_device(const plan_run *r, const kir_kernel *kernel, kir_arg *args,
                            int64_t grid) {
#ifdef PLAN_RUN_DEVICE
  if (r->target != NULL && r->target->machine.kind == AICC_MACHINE_GPU) {
    PLAN_RUN_DEVICE(r->target, kernel, args, grid);
    return true;
  }
#endif
  (void)r, (void)kernel, (void)args, (void)grid;
  return false;
}

static void plan_run_launch(plan_run *r, const aicc_step *step) {
  const kir_kernel *kernel = r->plan->kernels[step->kernel];
  kir_arg *args = AICC_NEW_ARRAY(&r->arena, kir_arg, step->arg_count + 1);
  ck_assert_int_eq(kernel->param_count, step->arg_count);
  for (int i = 0; i < step->arg_count; i++) {
    args[i] = plan_run_arg(r, &kernel->params[i], &step->args[i]);
  }
  const int64_t grid = plan_run_dim(r, step->grid);
  aicc_status status = kir_verify(kernel, &r->diags);
  if (status == AICC_OK && plan_run_device(r, kernel, args, grid)) {
    return;
  }
  if (status == AICC_OK && r->target != NULL) {
    plan_run_native(r, kernel, args, grid);
  } else if (status == AICC_OK) {
    status = kir_interpret(kernel, kernel->width > 0 ? kernel->width : 4, grid, args, 7, &r->diags);
  }
  if (status != AICC_OK) {
    kir_print(kernel, stderr);
    plan_run_fail(r, "a kernel is wrong");
  }
}

static void plan_run_step(plan_run *r, const aicc_step *step) {
  const aicc_slot_info *info = &r->plan->slots[step->slot];
  plan_memory *m;
  switch (step->kind) {
    case AICC_STEP_SEGMENT:
    case AICC_STEP_ALLOC:
    case AICC_STEP_OUTPUT: return;
    case AICC_STEP_LAUNCH: plan_run_launch(r, step); return;
    case AICC_STEP_COPY:
      m = plan_run_slot(r, step->slot);
      memcpy(m->data, plan_run_slot(r, step->slot2)->data, (size_t)plan_run_dim(r, step->dim));
      if (m->init != NULL) {
        memset(m->init, 1, m->count);
      }
      return;
    case AICC_STEP_WRITE_DIMS:
      m = plan_run_slot(r, step->slot);
      for (int i = 0; i < step->dim_count; i++) {
        aicc_set_i64(info->type.dtype, m->data, (size_t)i, plan_run_dim(r, step->dims[i]));
        m->init[i] = 1;
      }
      return;
    case AICC_STEP_DEF_DIM:
      m = plan_run_slot(r, step->slot);
      plan_run_bind(r, step->symbol, aicc_get_i64(info->type.dtype, m->data, step->index));
      return;
    default: plan_run_fail(r, "a step this test does not run");
  }
}

static bool plan_run_close(const plan_run *r, aicc_dtype dtype, double a, double b) {
  const double f32 = r->plan->module->tf32 ? 2e-3 : 2e-5;
  const double unit = dtype == AICC_F64 ? 1e-9 : dtype == AICC_F32 ? f32 : 4e-3;
  return a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= unit * fmax(1, fabs(b));
}

static void plan_run_compare(plan_run *r, int output, const aicc_eval_value *wanted,
                             const char *name) {
  const plan_memory *m = plan_run_slot(r, r->plan->outputs[output]);
  const int64_t count = aicc_eval_value_count(wanted);
  const aicc_dtype dtype = wanted->dtype;
  ck_assert_uint_eq(m->count, (size_t)count);
  const bool exact = aicc_dtype_is_int(dtype) || dtype == AICC_BOOL;
  for (size_t i = 0; i < m->count && dtype == AICC_STR; i++) {
    const aicc_str *a = (const aicc_str *)m->data + i, *b = (const aicc_str *)wanted->data + i;
    ck_assert_msg(a->size == b->size && (a->size == 0 || memcmp(a->data, b->data, a->size) == 0),
                  "%s: element %zu of result %d is '%.*s', not '%.*s'", name, i, output,
                  (int)a->size, a->data, (int)b->size, b->data);
  }
  for (size_t i = 0; i < m->count && dtype != AICC_STR; i++) {
    ck_assert_msg(m->init == NULL || m->init[i], "%s: element %zu of result %d is not written",
                  name, i, output);
    const double a = exact ? 0 : aicc_get_f64(dtype, m->data, i);
    const double b = exact ? 0 : aicc_get_f64(dtype, wanted->data, i);
    const int64_t p = exact ? aicc_get_i64(dtype, m->data, i) : 0;
    const int64_t q = exact ? aicc_get_i64(dtype, wanted->data, i) : 0;
    ck_assert_msg(exact ? p == q : plan_run_close(r, dtype, a, b),
                  "%s: element %zu of result %d is %.9g, not %.9g", name, i, output,
                  exact ? (double)p : a, exact ? (double)q : b);
  }
}

// Binds the symbols that are whole dimensions of an input.
static void plan_run_bind_inputs(plan_run *r) {
  const aicc_region *body = r->plan->module->body;
  for (int i = 0; i < body->param_count; i++) {
    const aicc_type *type = &body->params[i]->type;
    for (int d = 0; d < type->rank; d++) {
      if (aicc_dim_symbol_name(r->plan->module->dims, type->dims[d]) != NULL) {
        plan_run_bind(r, type->dims[d], r->inputs[i].shape[d]);
      }
    }
  }
}

// Evaluates |module|, fuses and lowers it for |machine| with |schedule| forced (on its contractions
// or attentions, as it reads, or on what it names: "map=..."; NULL: the best known), runs the plan
// (as code for |target| where it is not NULL), compares all results.
AICC_UNUSED static void plan_run_on(aicc_module *module, const aicc_eval_value *inputs,
                                    const aicc_machine *machine, const cg_target *target,
                                    const char *schedule, const char *name) {
  plan_run r = {.inputs = inputs, .target = target};
  aicc_arena scratch;
  aicc_arena_init(&scratch);
  aicc_arena_init(&r.arena);
  aicc_diags_init(&r.diags);
  const int count = module->body->result_count;
  aicc_eval_value *wanted = AICC_NEW_ARRAY(&scratch, aicc_eval_value, count);
  if (aicc_eval_graph(module, inputs, wanted, &r.diags) != AICC_OK) {
    plan_run_fail(&r, name);
  }
  aicc_pass_context pass = {.module = module, .scratch = &scratch, .diags = &r.diags,
                            .machine = machine};
  if (aicc_pass_fuse(&pass) != AICC_OK) {
    plan_run_fail(&r, name);
  }
  if (schedule != NULL) {
    const bool whole = strncmp(schedule, "map=", 4) == 0 || strncmp(schedule, "row=", 4) == 0;
    const bool attention = strncmp(schedule, "flash ", 6) == 0 || strncmp(schedule, "few ", 4) == 0;
    const char *item = whole ? schedule
                             : aicc_arena_printf(&scratch, "%s=%s",
                                                 attention ? "attention" : "contract", schedule);
    ck_assert_msg(aicc_schedule_force(module, item) > 0, "%s: '%s' is not forced", name, schedule);
  }
  aicc_plan *plan = aicc_lower_module(module, machine, NULL, &r.diags);
  if (plan == NULL) {
    plan_run_fail(&r, name);
    return;
  }
  r.plan = plan;
  r.memory = AICC_NEW_ARRAY(&r.arena, plan_memory, plan->slot_count);
  plan_run_bind_inputs(&r);
  for (const aicc_step *step = plan->steps.first; step != NULL; step = step->next) {
    plan_run_step(&r, step);
  }
  for (int i = 0; i < count; i++) {
    plan_run_compare(&r, i, &wanted[i], name);
    aicc_eval_value_deinit(&wanted[i]);
  }
  aicc_plan_destroy(plan);
  aicc_diags_deinit(&r.diags);
  aicc_arena_deinit(&r.arena);
  aicc_arena_deinit(&scratch);
}

// For |width| lanes (0: this machine's, as native code).
AICC_UNUSED static void plan_run_check(aicc_module *module, const aicc_eval_value *inputs,
                                       int width, const char *name) {
  const aicc_machine machine = {.name = "test", .width = width, .registers = 32,
                                .l1_bytes = 32768, .l2_bytes = 1 << 20, .flops_per_ns = 64,
                                .bytes_per_ns = 10};
  const cg_target *native = width == 0 ? cg_target_find("native") : NULL;
  plan_run_on(module, inputs, native != NULL ? &native->machine : &machine, native, NULL, name);
}

#endif
