// Which schedule a contraction gets on a GPU: the tiles of a table, compared by a model of how long
// the slowest multiprocessor works; and whether one that was asked for can run.
#include <math.h>
#include <string.h>

#include "passes/gpu_contract.h"

// --- what machines can do ------------------------------------------------------------------------

bool gc_find_mma(const aicc_lower *lw, aicc_dtype a, aicc_dtype b, kir_mma_kind *kind) {
  const aicc_machine *machine = lw->machine;
  static const struct {
    aicc_dtype a, b;
    kir_mma_kind kind;
  } kinds[] = {{AICC_F16, AICC_F16, KIR_MMA_F16},    {AICC_F16, AICC_F16, KIR_MMA_F16_K8},
               {AICC_BF16, AICC_BF16, KIR_MMA_BF16}, {AICC_F32, AICC_F32, KIR_MMA_TF32},
               {AICC_I8, AICC_I8, KIR_MMA_S8},       {AICC_U8, AICC_U8, KIR_MMA_U8},
               {AICC_I8, AICC_U8, KIR_MMA_S8U8},     {AICC_U8, AICC_I8, KIR_MMA_U8S8}};
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    const bool allowed = a != AICC_F32 || lw->module->tf32;
    if (allowed && kinds[i].a == a && kinds[i].b == b &&
        (machine->mma >> kinds[i].kind & 1) != 0) {
      *kind = kinds[i].kind;
      return true;
    }
  }
  return false;
}

// --- how a tile is divided -----------------------------------------------------------------------

static int vector_of(int count, int size) {
  int v = 1;
  while (count % (2 * v) == 0 && 2 * v * size <= 16) {
    v *= 2;
  }
  return v * size >= 4 ? v : 1;
}

// Whether warps of |lanes_m| lanes along the rows fill the tile; then that is the division.
static bool divide_lanes(gc_emit *e, int lanes_m) {
  const aicc_schedule *s = e->s;
  const int rows = lanes_m * s->across_m, columns = e->width / lanes_m * s->across_n;
  if (s->m % rows != 0 || s->n % columns != 0) {
    return false;
  }
  e->lanes_m = lanes_m;
  e->lanes_n = e->width / lanes_m;
  e->warps_m = s->m / rows;
  e->warps_n = s->n / columns;
  return true;
}

// A warp as square as the tile allows: 4 x 8 lanes, 2 x 16, ...
static bool divide_threads(gc_emit *e) {
  const int size = (int)aicc_dtype_size(e->c->acc);
  e->vector_m = vector_of(e->s->across_m, size);
  e->vector_n = vector_of(e->s->across_n, size);
  bool good = false;
  for (int lanes_m = e->width >= 64 ? 8 : 4; lanes_m >= 1 && !good; lanes_m /= 2) {
    good = divide_lanes(e, lanes_m);
  }
  for (int lanes_m = 8; lanes_m <= e->width && !good; lanes_m *= 2) {
    good = divide_lanes(e, lanes_m);
  }
  return good;
}

bool gc_divide(gc_emit *e) {
  const aicc_schedule *s = e->s;
  bool good;
  if (s->kind == AICC_SCHEDULE_MMA) {
    e->warps_m = s->across_m;
    e->warps_n = s->across_n;
    good = s->m / e->warps_m % 16 == 0 && s->n / e->warps_n % 16 == 0 && s->k % e->mma_k == 0;
  } else {
    good = divide_threads(e);
  }
  e->warps = e->warps_m * e->warps_n;
  e->threads = e->warps * e->width;
  return good;
}

// --- the table -----------------------------------------------------------------------------------

// SIMT: |percent| of the multiprocessor's rate that full tiles reach, about; small ones read more
// per product. Of matrix instructions that is computed.
typedef struct candidate {
  aicc_schedule s;
  int percent;
} candidate;

#define SIMT(m_, n_, k_, tm, tn, percent_)                                                  \
  {.s = {.kind = AICC_SCHEDULE_SIMT, .m = m_, .n = n_, .k = k_, .across_m = tm,             \
         .across_n = tn, .stages = 2, .split = 1},                                          \
   .percent = percent_}
#define MMA(m_, n_, k_, wm, wn, stages_)                                                    \
  {.s = {.kind = AICC_SCHEDULE_MMA, .m = m_, .n = n_, .k = k_, .across_m = wm,              \
         .across_n = wn, .stages = stages_, .split = 1},                                    \
   .percent = 100}

static const candidate simt4[] = {  // of 4-byte sums
    SIMT(128, 128, 8, 8, 8, 100), SIMT(64, 128, 8, 8, 8, 90), SIMT(128, 64, 8, 8, 8, 90),
    SIMT(64, 64, 16, 8, 4, 80),   SIMT(32, 64, 16, 4, 4, 60), SIMT(64, 32, 16, 4, 4, 60),
    SIMT(32, 32, 16, 4, 2, 45),   SIMT(16, 64, 16, 2, 4, 40), SIMT(16, 32, 32, 2, 2, 30)};
static const candidate simt8[] = {
    SIMT(64, 64, 8, 4, 4, 100), SIMT(32, 64, 8, 4, 4, 90), SIMT(32, 32, 16, 4, 2, 70),
    SIMT(16, 32, 16, 2, 2, 50)};
static const candidate mma_async[] = {
    MMA(128, 128, 32, 2, 2, 3), MMA(128, 64, 32, 2, 2, 3), MMA(64, 128, 32, 2, 2, 3),
    MMA(64, 64, 32, 2, 2, 4),    MMA(32, 64, 32, 1, 2, 4),  MMA(32, 32, 32, 1, 2, 4),
    MMA(16, 64, 64, 1, 4, 3),    MMA(128, 64, 16, 4, 2, 3), MMA(64, 64, 16, 2, 4, 3),
    MMA(32, 64, 16, 2, 4, 3)};
static const candidate mma_plain[] = {
    MMA(128, 128, 32, 2, 4, 2), MMA(128, 64, 32, 2, 2, 2), MMA(64, 128, 32, 2, 2, 2),
    MMA(64, 64, 32, 2, 2, 2),    MMA(32, 64, 32, 1, 2, 2),  MMA(32, 32, 32, 1, 2, 2),
    MMA(16, 64, 64, 1, 4, 2),    MMA(128, 64, 16, 4, 2, 2), MMA(64, 64, 16, 2, 4, 2),
    MMA(32, 64, 16, 2, 4, 2)};

static const candidate mma_tf32[] = {
    MMA(128, 128, 16, 2, 2, 3), MMA(128, 64, 16, 2, 2, 3), MMA(64, 128, 16, 2, 2, 3),
    MMA(64, 64, 16, 2, 2, 4),    MMA(32, 64, 16, 1, 2, 4),  MMA(32, 32, 16, 1, 2, 4)};

static const candidate mma_bytes[] = {
    MMA(128, 128, 64, 2, 2, 3), MMA(128, 64, 64, 2, 2, 3), MMA(64, 128, 64, 2, 2, 3),
    MMA(64, 64, 64, 2, 2, 4),    MMA(32, 64, 64, 1, 2, 4),  MMA(32, 32, 64, 1, 2, 4),
    MMA(16, 64, 128, 1, 4, 3),   MMA(128, 64, 32, 4, 2, 3), MMA(64, 64, 32, 2, 4, 3),
    MMA(32, 64, 32, 2, 4, 3)};

typedef struct candidates {
  const candidate *items;
  int count;
  double mma;   // products, of those of 16-bit matrices in as many cycles; 0: by multiply-adds
  int size;     // bytes of an operand in shared memory
} candidates;

#define LIST(table, mma, size) ((candidates){table, sizeof(table) / sizeof *(table), mma, size})

// The matrix instruction whose sums are the contraction's.
static bool find_mma(const contract *c, kir_mma_kind *kind) {
  return gc_find_mma(c->lw, c->a->type.dtype, c->b.value->type.dtype, kind) &&
         c->acc == (aicc_dtype_size(c->a->type.dtype) == 1 ? AICC_I32 : AICC_F32);
}

static candidates candidates_of(const contract *c) {
  kir_mma_kind kind;
  if (find_mma(c, &kind)) {
    return kind == KIR_MMA_TF32                         ? LIST(mma_tf32, 0.5, 4)
           : aicc_dtype_size(c->a->type.dtype) == 1 ? LIST(mma_bytes, 2, 1)
           : c->lw->machine->async_copy                 ? LIST(mma_async, 1, 2)
                                                        : LIST(mma_plain, 0.5, 2);
  }
  return aicc_dtype_size(c->acc) > 4 ? LIST(simt8, 0, 8) : LIST(simt4, 0, 4);
}

// --- the model -----------------------------------------------------------------------------------

enum { USUAL_SIZE = 64, STEP_LEAST = 4, COPIES_MOST = 16 };

static bool usual(void *context, const char *symbol, int64_t *value) {
  (void)context;
  (void)symbol;
  *value = USUAL_SIZE;
  return true;
}

// A size, or about what it may be.
double gc_usual_size(const contract *c, aicc_dim dim) {
  int64_t value = USUAL_SIZE;
  return aicc_dim_eval(c->lw->module->dims, dim, usual, NULL, &value) && value > 0 ? (double)value
                                                                                  : 1;
}

typedef struct problem {
  double m, n, k, tiles_of;  // tiles_of: places and groups that have tiles of their own
} problem;

static problem problem_of(const gc_emit *e) {
  const contract *c = e->c;
  aicc_dims *dims = c->lw->module->dims;
  const aicc_dim places = aicc_dim_product(dims, c->outer, e->folded ? 0 : c->outer_rank);
  return (problem){.m = e->m_usual, .n = gc_usual_size(c, c->b.n),
                   .k = gc_usual_size(c, aicc_dim_product(dims, c->b.k_extent, c->b.k_rank)),
                   .tiles_of = gc_usual_size(c, aicc_dim_mul(dims, places, c->groups))};
}

// The GPUs that a schedule is to suit, which share one plan; products that a multiprocessor does in
// a cycle, about, by matrix instructions and by multiply-adds of 4 bytes.
typedef struct device {
  int processors;
  double mma, simt;
} device;
static const device devices[] = {{108, 1024, 64}, {132, 1330, 128}};

// In cycles, about: of a load, of a barrier, from a task's start to its first product and after its
// last one, and of one more launch. Bytes of partial sums that a multiprocessor moves in a cycle.
static const double load_cycles = 600, barrier_cycles = 40, ends_cycles = 1200;
static const double launch_cycles = 3000, sum_bytes = 12;
// Threads of one block that keep a multiprocessor busy alone; bytes and registers that blocks
// share.
static const double shared_cycle = 128, cache_cycle = 40;  // bytes
static const double enough_threads = 160, shared_bytes = 160 << 10, registers = 65536;

static double threads_of(const aicc_schedule *s) {
  return s->kind == AICC_SCHEDULE_MMA ? 32.0 * s->across_m * s->across_n
                                      : (double)s->m * s->n / (s->across_m * s->across_n);
}

// Blocks that a multiprocessor holds.
static double held_of(const aicc_schedule *s, int size) {
  const double threads = threads_of(s), each = 64 + (double)s->m * s->n / threads;
  const double bytes = (double)s->stages * (s->m + s->n) * s->k * size + GC_TILE_BYTES;
  const double held = fmin(floor(registers / (threads * each)), floor(shared_bytes / bytes));
  return held > 1 ? held : 1;
}

// Cycles of a step on a multiprocessor that is full. Matrices are bound by what they do, by what
// passes shared memory (each warp reads its rows and columns, and all are written once), or by what
// comes from the second-level cache.
static double work_of(const candidate *item, const candidates *list, const device *d) {
  const aicc_schedule *s = &item->s;
  const double products = (double)s->m * s->n * s->k;
  if (list->mma > 0) {
    const double lines = (double)s->m * (s->across_n + 1) + (double)s->n * (s->across_m + 1);
    const double line = (double)s->k * list->size;
    return fmax(products / (d->mma * list->mma),
                fmax(lines * line / shared_cycle, (s->m + s->n) * line / cache_cycle));
  }
  return products * 100 / (d->simt * item->percent * (list->size == 8 ? 0.5 : 1));
}

// Cycles until all processors are done: either they have enough to do, or their tasks wait, step by
// step, for what they load.
static double cost_on(const problem *p, const candidate *item, const candidates *list, int split,
                      const device *d) {
  const aicc_schedule *s = &item->s;
  const double tiles = ceil(p->m / s->m) * ceil(p->n / s->n) * p->tiles_of * split;
  const double steps = ceil(ceil(p->k / s->k) / split), work = work_of(item, list, d);
  const double part = fmin(1, threads_of(s) / enough_threads);
  const double step = fmax(work / part, load_cycles / (s->stages - 1)) + barrier_cycles;
  const double ends = ends_cycles + (double)s->m * s->n / 32;
  const double waves = ceil(tiles / (d->processors * held_of(s, list->size)));
  const double sums_passed = (double)s->m * s->n * 8 / shared_cycle;
  const double full = ceil(tiles / d->processors) * (steps * work + sums_passed) + ends;
  const double most = fmax(full, waves * (steps * step + ends));
  const double sums = p->m * p->n * p->tiles_of * (8.0 * split + 4) / (sum_bytes * d->processors);
  return split > 1 ? most + sums + launch_cycles : most;
}

static double cost_of(const problem *p, const candidate *item, const candidates *list, int split) {
  double sum = 0;
  for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
    sum += cost_on(p, item, list, split, &devices[i]);
  }
  return sum;
}

typedef struct choice {
  aicc_schedule s;
  double cost;
} choice;

// The model is a guess, and a cut is a second kernel and another order of the sum: it has to win
// clearly.
static const double cut_gain = 0.85;

// The best way to cut |item|'s tiles along k.
static choice best_split(const candidate *item, const candidates *list, const problem *p) {
  static const int splits[] = {1, 2, 4, 8, 16};
  choice best = {.cost = INFINITY};
  for (size_t j = 0; j < sizeof splits / sizeof *splits; j++) {
    const double cost = cost_of(p, item, list, splits[j]);
    const bool worth = splits[j] == 1 || p->k / item->s.k / splits[j] >= STEP_LEAST;
    const double limit = best.s.split == 1 && splits[j] > 1 ? cut_gain * best.cost : best.cost;
    if (worth && cost < limit) {
      best = (choice){item->s, cost};
      best.s.split = splits[j];
    }
  }
  return best;
}

// Few rows, proven: fewer columns a task, then parts of k, until every processor has something to
// read.
static bool stream_of(gc_emit *e, const problem *p, aicc_schedule *out) {
  enum { TASKS_ENOUGH = 256, TASKS_LEAST = 64, PART_LEAST = 2048 };
  static const int lanes[] = {0, 4, 2};
  const int64_t most = e->m_most;
  if (most > GC_STREAM_MOST) {
    return false;
  }
  // Most lanes, at 4 elements of k or more each: then rows share nothing that is worth long tasks.
  const bool idle = p->k <= e->c->lw->machine->width;
  const int rows = most > 4 && !idle ? 8 : most > 2 ? 4 : most > 1 ? 2 : 1;
  *out = (aicc_schedule){.kind = AICC_SCHEDULE_STREAM, .rows = rows, .warps = 8, .split = 1};
  while (out->warps > 1 && p->k < out->warps * 64) {
    out->warps /= 2;
  }
  double tasks = 0;
  for (size_t i = 0; i < sizeof lanes / sizeof *lanes && tasks < TASKS_ENOUGH; i++) {
    aicc_schedule next = *out;
    const char *why;
    next.lanes = lanes[i];
    if (!gc_plan_stream(e, &next, &why)) {
      return i > 0;
    }
    if (i > 0 && p->k < next.k) {
      break;  // some lanes would have nothing
    }
    *out = next;
    tasks = ceil(p->n / next.n) * p->tiles_of;
  }
  while (out->split < 16 && tasks * out->split < TASKS_LEAST && p->k / out->split > PART_LEAST) {
    out->split *= 2;
  }
  return true;
}

// --- forced --------------------------------------------------------------------------------------

static bool refuse(const contract *c, const char *text, const char *why) {
  aicc_lower_unsupported(
      c->lw, c->root->def,
      aicc_arena_printf(&c->lw->plan->arena, "the schedule '%s' cannot run on %s: %s; "
                        "leave it out or force another", text, c->lw->machine->name, why));
  return false;
}

static bool few_warps(const gc_emit *e, const char **why) {
  *why = "it has more warps than a task of the machine may";
  return e->warps <= e->c->lw->machine->warps_max;
}

// Whether |s|, asked for or not, can be the schedule of |c|; plans the operands.
static bool fits(gc_emit *e, aicc_schedule *s, const char **why) {
  const contract *c = e->c;
  if (s->kind == AICC_SCHEDULE_BLOCK) {
    *why = "it is one for CPUs";
    return false;
  }
  if (s->kind == AICC_SCHEDULE_MMA) {
    *why = "the machine has no matrix instruction for these types (of f32, only with --tf32)";
    if (!find_mma(c, &e->mma)) {
      return false;
    }
    e->mma_k = 32 / (int)aicc_dtype_size(c->a->type.dtype);
  }
  if (s->kind == AICC_SCHEDULE_STREAM) {
    return gc_plan_stream(e, s, why) && few_warps(e, why);
  }
  *why = "its warps do not divide its tile";
  return gc_divide(e) && few_warps(e, why) && gc_plan_sides(e, why);
}

// The cheapest that fits. Where operands are copied element by element, tiles that have many to
// copy for few threads would not stay in registers.
static bool cheapest(gc_emit *e, const problem *p, aicc_schedule *out, const char **why) {
  const candidates list = candidates_of(e->c);
  double tried = -1;
  for (int i = 0; i < list.count; i++) {
    choice next = {.cost = INFINITY};
    for (int j = 0; j < list.count; j++) {
      const choice other = best_split(&list.items[j], &list, p);
      next = other.cost > tried && other.cost < next.cost ? other : next;
    }
    tried = next.cost;
    *out = next.s;
    if (isfinite(tried) && fits(e, out, why) && e->a.copies + e->b.copies <= COPIES_MOST) {
      return true;
    }
  }
  return false;
}

bool gc_choose(gc_emit *e, aicc_schedule *out) {
  const contract *c = e->c;
  const char *text = aicc_get_string(c->group, AICC_ATTR_SCHEDULE, NULL), *why = "";
  e->s = out;
  if (text && aicc_schedule_parse(text, out)) {
    return fits(e, out, &why) || refuse(c, text, why);
  }
  const problem p = problem_of(e);
  if (stream_of(e, &p, out) && fits(e, out, &why)) {
    return true;
  }
  return cheapest(e, &p, out, &why) ||
         refuse(c, aicc_schedule_print(out, &c->lw->plan->arena), why);
}
