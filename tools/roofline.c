// The model. It knows nothing of the order in which blocks run, of data that stays in the
// second-level cache from one kernel to the next, of divergence, nor of registers before ptxas has
// run.
#include "tools/roofline.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "codegen/cg.h"

static const roofline_device devices[] = {
#define AICC_DEVICE(name_, target_, processors_, ghz_, memory, shared, threads_, blocks_, f32_, \
                    f16_, tf32_, i8_, part)                                                     \
  {.name = name_,                                                                               \
   .target = target_,                                                                           \
   .processors = processors_,                                                                   \
   .ghz = ghz_,                                                                                 \
   .memory_gbs = memory,                                                                        \
   .shared_kib = shared,                                                                        \
   .threads = threads_,                                                                         \
   .blocks = blocks_,                                                                           \
   .f32 = f32_,                                                                                 \
   .f16 = f16_,                                                                                 \
   .tf32 = tf32_,                                                                               \
   .i8 = i8_,                                                                                   \
   .mma_part = part},
#include "tools/devices.def"
#undef AICC_DEVICE
};
enum { DEVICE_COUNT = sizeof devices / sizeof *devices };

const roofline_device *roofline_at(size_t index) {
  return index < DEVICE_COUNT ? &devices[index] : NULL;
}

const roofline_device *roofline_find(const char *name) {
  for (size_t i = 0; i < DEVICE_COUNT; i++) {
    if (strcmp(devices[i].name, name) == 0) {
      return &devices[i];
    }
  }
  return NULL;
}

// Of a processor in a cycle: instructions of warps, bytes from the second-level cache; and cycles:
// of a warp's functions, of a load from memory, of a barrier, between two instructions of one warp.
static const double issues_a_cycle = 4, function_cycles = 2, cache_bytes_a_cycle = 40,
                    load_cycles = 600, barrier_cycles = 30, warp_cycles = 3;
static const double launch_us = 1.5, memory_part = 0.9;
enum { USUAL_SIZE = 64, SAMPLES = 5, REGISTERS = 65536, SHARED_RESERVED = 1024 };

// --- sizes ---------------------------------------------------------------------------------------

static bool usual(void *context, const char *symbol, int64_t *value) {
  (void)context;
  (void)symbol;
  *value = USUAL_SIZE;
  return true;
}

static int64_t size_of(const aicc_plan *plan, aicc_dim dim) {
  int64_t value = 0;
  return aicc_dim_eval(plan->module->dims, dim, usual, NULL, &value) ? value : 0;
}

static double slot_bytes(const aicc_plan *plan, aicc_slot slot) {
  const aicc_slot_info *info = &plan->slots[slot];
  double count = 1;
  for (int i = 0; i < info->type.rank; i++) {
    count *= (double)size_of(plan, info->type.dims[i]);
  }
  if (info->kind == AICC_SLOT_CONST) {
    return (double)plan->consts[info->index].size;
  }
  return count * (double)aicc_dtype_size(info->type.dtype);
}

// --- a launch ------------------------------------------------------------------------------------

typedef struct launch {
  const aicc_plan *plan;
  const cg_target *target;
  const roofline_device *device;
  const aicc_step *step;
  const kir_kernel *kernel;
  const uint32_t *registers;
  aicc_arena *arena;
} launch;

// Counts a few tasks for all.
static void count_tasks(const launch *l, roofline_row *row, kir_traffic *traffic) {
  int64_t *sizes = AICC_NEW_ARRAY(l->arena, int64_t, l->kernel->param_count + 1);
  for (int i = 0; i < l->kernel->param_count; i++) {
    sizes[i] = l->step->args[i].is_slot ? 0 : size_of(l->plan, l->step->args[i].dim);
  }
  const int64_t samples = row->tasks < SAMPLES ? row->tasks : SAMPLES;
  for (int64_t i = 0; i < samples; i++) {
    const int64_t task = samples > 1 ? (row->tasks - 1) / (samples - 1) * i : 0;
    kir_count(l->kernel, l->kernel->width, task, sizes, 1 / (double)samples, &row->task, traffic);
  }
  for (int i = 0; i < l->kernel->param_count; i++) {
    const kir_param *param = &l->kernel->params[i];
    if (!param->is_buffer) {
      continue;
    }
    const double all = slot_bytes(l->plan, l->step->args[i].slot), tasks = (double)row->tasks;
    row->read += fmin(all, traffic[i].read * tasks);
    row->written += fmin(all, traffic[i].written * tasks);
  }
}

static double mma_operations(const kir_counts *task, int kind) {
  const kir_mma_info *mma = &kir_mma_infos[kind];
  return 2.0 * mma->m * mma->n * mma->k * task->mma[kind];
}

static double mma_peak(const roofline_device *d, aicc_dtype dtype) {
  return dtype == AICC_F32 ? d->tf32 : aicc_dtype_size(dtype) == 2 ? d->f16 : d->i8;
}

// The peak for a kernel's products: that of matrices of its operands' type, used or not.
static double peak_of(const launch *l) {
  bool halves = false, floats = false;
  for (int i = 0; i < l->kernel->param_count; i++) {
    const kir_param *param = &l->kernel->params[i];
    const bool read = param->is_buffer && (param->access & KIR_READ) != 0;
    halves = halves || (read && (param->dtype == AICC_F16 || param->dtype == AICC_BF16));
    floats = floats || (read && param->dtype == AICC_F32);
  }
  const roofline_device *d = l->device;
  return halves ? d->f16 : floats && l->plan->module->tf32 ? d->tf32 : floats ? d->f32 : d->i8;
}

// --- what it takes -------------------------------------------------------------------------------

typedef struct limit {
  double us;
  const char *name;
} limit;

static void consider(limit *most, double us, const char *name) {
  if (us > most->us) {
    *most = (limit){us, name};
  }
}

// Blocks that a processor holds at once.
static double blocks_held(const launch *l, const roofline_row *row) {
  const double shared = (double)(row->shared + (row->shared > 0 ? SHARED_RESERVED : 0));
  double held = floor((double)l->device->threads / (double)row->threads);
  held = fmin(held, l->device->blocks);
  held = shared > 0 ? fmin(held, floor(l->device->shared_kib * 1024 / shared)) : held;
  double sums = 0;
  for (int i = 0; i < KIR_MMA_COUNT; i++) {
    sums += row->task.mma[i];
  }
  const double registers = row->registers > 0 ? row->registers : sums > 0 ? 200 : 64;
  return fmax(1, fmin(held, floor(REGISTERS / (registers * (double)row->threads))));
}

// Cycles of a processor's units for one task.
static limit task_cycles(const launch *l, const roofline_row *row) {
  const roofline_device *d = l->device;
  const kir_counts *t = &row->task;
  const double hertz = d->ghz * 1e9, all = d->processors;
  limit most = {0, "issue"};
  consider(&most, t->issues / issues_a_cycle, "issue");
  consider(&most, t->operations / (d->f32 * 1e12 / hertz / all), "arithmetic");
  double matrices = 0;
  for (int i = 0; i < KIR_MMA_COUNT; i++) {
    const double peak = mma_peak(d, kir_mma_infos[i].a) * 1e12 * d->mma_part;
    matrices += mma_operations(t, i) / (peak / hertz / all);
  }
  consider(&most, matrices, "matrices");
  consider(&most, t->functions * function_cycles, "functions");
  consider(&most, t->shared, "shared");
  consider(&most, t->lines, "L1");
  consider(&most, t->fresh / cache_bytes_a_cycle, "L2");
  return most;
}

static void predict(const launch *l, roofline_row *row) {
  const roofline_device *d = l->device;
  const kir_counts *t = &row->task;
  const double cycle = 1e-3 / d->ghz;  // us
  const double at_once = l->kernel->warps > 1 ? 1 : (double)row->threads / l->kernel->width;
  const double held = d->processors * blocks_held(l, row) * at_once, tasks = (double)row->tasks;
  const limit unit = task_cycles(l, row);
  limit most = {0, "launch"};
  consider(&most, ceil(tasks / d->processors) * unit.us * cycle, unit.name);
  const double alone =
      fmax(t->rounds * load_cycles, t->longest * warp_cycles) + t->barriers * barrier_cycles;
  consider(&most, ceil(tasks / held) * alone * cycle, "latency");
  consider(&most, (row->read + row->written) / (d->memory_gbs * 1e3 * memory_part), "memory");
  row->bound = most.us < launch_us ? "launch" : most.name;
  row->predicted = launch_us + most.us;
}

static roofline_row row_of(const launch *l, int64_t tasks) {
  const cg_kernel_info info = cg_kernel_info_of(l->target, l->kernel);
  roofline_row row = {.kernel = l->kernel,
                      .launches = 1,
                      .tasks = tasks,
                      .schedule = l->step->text,
                      .registers = l->registers != NULL ? l->registers[l->step->kernel] : 0,
                      .threads = info.block_threads,
                      .shared = (int64_t)info.shared_bytes + info.dynamic_shared_bytes};
  kir_traffic *traffic = AICC_NEW_ARRAY(l->arena, kir_traffic, l->kernel->param_count + 1);
  count_tasks(l, &row, traffic);
  row.flops = row.task.operations * (double)tasks;
  for (int i = 0; i < KIR_MMA_COUNT; i++) {
    row.flops += mma_operations(&row.task, i) * (double)tasks;
  }
  double peak = l->device->f32;
  if (l->step->flops != AICC_DIM_NONE) {
    row.flops = (double)size_of(l->plan, l->step->flops);
    peak = peak_of(l);
  }
  const double memory = (row.read + row.written) / (l->device->memory_gbs * 1e3);
  row.roof = fmax(row.flops / (peak * 1e6), memory);
  predict(l, &row);
  return row;
}

// --- the plan ------------------------------------------------------------------------------------

typedef struct collect {
  launch l;
  roofline *out;
  const aicc_step **steps;  // parallel to rows
  size_t step_count, step_capacity, capacity;
} collect;

// Whether two launches do the same with operands of the same sizes.
static bool alike(const collect *c, const aicc_step *x, const aicc_step *y) {
  const aicc_plan *plan = c->l.plan;
  bool same = x->kernel == y->kernel && size_of(plan, x->grid) == size_of(plan, y->grid);
  for (int i = 0; i < x->arg_count && same; i++) {
    same = x->args[i].is_slot
               ? slot_bytes(plan, x->args[i].slot) == slot_bytes(plan, y->args[i].slot)
               : size_of(plan, x->args[i].dim) == size_of(plan, y->args[i].dim);
  }
  return same;
}

static void add_launch(collect *c, const aicc_step *step) {
  const int64_t tasks = size_of(c->l.plan, step->grid);
  roofline *r = c->out;
  if (tasks <= 0) {
    return;
  }
  r->launches++;
  for (size_t i = 0; i < r->count; i++) {
    if (alike(c, c->steps[i], step)) {
      r->rows[i].launches++;
      return;
    }
  }
  c->l.step = step;
  c->l.kernel = c->l.plan->kernels[step->kernel];
  const roofline_row row = row_of(&c->l, tasks);
  AICC_PUSH(c->l.arena, r->rows, r->count, c->capacity, row);
  AICC_PUSH(c->l.arena, c->steps, c->step_count, c->step_capacity, step);
}

static void add_steps(collect *c, const aicc_steps *steps) {
  for (const aicc_step *step = steps->first; step != NULL; step = step->next) {
    if (step->kind == AICC_STEP_LAUNCH) {
      add_launch(c, step);
    }
    c->out->reads += step->kind == AICC_STEP_DEF_DIM;
    add_steps(c, &step->body);
    add_steps(c, &step->other);
  }
}

static double lost(const roofline_row *row) { return row->launches * (row->predicted - row->roof); }

static int by_lost(const void *a, const void *b) {
  const double x = lost(a), y = lost(b);
  return x > y   ? -1
         : x < y ? 1
                 : strcmp(((const roofline_row *)a)->kernel->name,
                          ((const roofline_row *)b)->kernel->name);
}

void roofline_make(const aicc_plan *plan, const cg_target *target, const roofline_device *device,
                   const uint32_t *registers, aicc_arena *arena, roofline *out) {
  *out = (roofline){.device = device};
  collect c = {.l = {.plan = plan,
                     .target = target,
                     .device = device,
                     .registers = registers,
                     .arena = arena},
               .out = out};
  add_steps(&c, &plan->steps);
  for (size_t i = 0; i < out->count; i++) {
    out->roof += out->rows[i].launches * out->rows[i].roof;
    out->predicted += out->rows[i].launches * out->rows[i].predicted;
  }
  qsort(out->rows, out->count, sizeof *out->rows, by_lost);
}
