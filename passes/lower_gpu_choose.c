// Which schedule a contraction gets on a GPU: the tiles of a table, compared by a model of how long the
// slowest multiprocessor works; and whether one that was asked for can run.
#include <math.h>
#include <string.h>

#include "passes/gpu_contract.h"

// --- what machines can do ---------------------------------------------------------------------------

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

// --- how a tile is divided ------------------------------------------------------------------------------

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

// --- the table ----------------------------------------------------------------------------------------

// |percent| of the multiprocessor's rate that a full tile reaches, about; small tiles read more per
// product.
typedef struct candidate {
  aicc_schedule s;
  int percent;
} candidate;

#define SIMT(m_, n_, k_, tm, tn, percent_)                                                  \
  {.s = {.kind = AICC_SCHEDULE_SIMT, .m = m_, .n = n_, .k = k_, .across_m = tm,             \
         .across_n = tn, .stages = 2, .split = 1},                                          \
   .percent = percent_}
#define MMA(m_, n_, k_, wm, wn, stages_, percent_)                                          \
  {.s = {.kind = AICC_SCHEDULE_MMA, .m = m_, .n = n_, .k = k_, .across_m = wm,              \
         .across_n = wn, .stages = stages_, .split = 1},                                    \
   .percent = percent_}

static const candidate simt4[] = {  // of 4-byte sums
    SIMT(128, 128, 8, 8, 8, 100), SIMT(64, 128, 8, 8, 8, 90), SIMT(128, 64, 8, 8, 8, 90),
    SIMT(64, 64, 16, 8, 4, 80),   SIMT(32, 64, 16, 4, 4, 60), SIMT(64, 32, 16, 4, 4, 60),
    SIMT(32, 32, 16, 4, 2, 45),   SIMT(16, 64, 16, 2, 4, 40), SIMT(16, 32, 32, 2, 2, 30)};
static const candidate simt8[] = {
    SIMT(64, 64, 8, 4, 4, 100), SIMT(32, 64, 8, 4, 4, 90), SIMT(32, 32, 16, 4, 2, 70),
    SIMT(16, 32, 16, 2, 2, 50)};
static const candidate mma_async[] = {
    MMA(128, 128, 32, 2, 2, 3, 100), MMA(128, 64, 32, 2, 2, 3, 85), MMA(64, 128, 32, 2, 2, 3, 85),
    MMA(64, 64, 32, 2, 2, 4, 70),    MMA(32, 64, 32, 1, 2, 4, 50),  MMA(32, 32, 32, 1, 2, 4, 40),
    MMA(16, 64, 64, 1, 4, 3, 35),    MMA(128, 64, 16, 4, 2, 3, 50), MMA(64, 64, 16, 2, 4, 3, 45),
    MMA(32, 64, 16, 2, 4, 3, 30)};
static const candidate mma_plain[] = {
    MMA(128, 128, 32, 2, 4, 2, 100), MMA(128, 64, 32, 2, 2, 2, 85), MMA(64, 128, 32, 2, 2, 2, 85),
    MMA(64, 64, 32, 2, 2, 2, 70),    MMA(32, 64, 32, 1, 2, 2, 50),  MMA(32, 32, 32, 1, 2, 2, 40),
    MMA(16, 64, 64, 1, 4, 2, 35),    MMA(128, 64, 16, 4, 2, 2, 50), MMA(64, 64, 16, 2, 4, 2, 45),
    MMA(32, 64, 16, 2, 4, 2, 30)};

static const candidate mma_tf32[] = {
    MMA(128, 128, 16, 2, 2, 3, 100), MMA(128, 64, 16, 2, 2, 3, 85), MMA(64, 128, 16, 2, 2, 3, 85),
    MMA(64, 64, 16, 2, 2, 4, 70),    MMA(32, 64, 16, 1, 2, 4, 50),  MMA(32, 32, 16, 1, 2, 4, 40)};

static const candidate mma_bytes[] = {
    MMA(128, 128, 64, 2, 2, 3, 100), MMA(128, 64, 64, 2, 2, 3, 85), MMA(64, 128, 64, 2, 2, 3, 85),
    MMA(64, 64, 64, 2, 2, 4, 70),    MMA(32, 64, 64, 1, 2, 4, 50),  MMA(32, 32, 64, 1, 2, 4, 40),
    MMA(16, 64, 128, 1, 4, 3, 35),   MMA(128, 64, 32, 4, 2, 3, 50), MMA(64, 64, 32, 2, 4, 3, 45),
    MMA(32, 64, 32, 2, 4, 3, 30)};

typedef struct candidates {
  const candidate *items;
  int count;
} candidates;

#define LIST(table) ((candidates){table, sizeof(table) / sizeof *(table)})

// The matrix instruction whose sums are the contraction's.
static bool find_mma(const contract *c, kir_mma_kind *kind) {
  return gc_find_mma(c->lw, c->a->type.dtype, c->b.value->type.dtype, kind) &&
         c->acc == (aicc_dtype_size(c->a->type.dtype) == 1 ? AICC_I32 : AICC_F32);
}

static candidates candidates_of(const contract *c) {
  kir_mma_kind kind;
  if (find_mma(c, &kind)) {
    return kind == KIR_MMA_TF32                         ? LIST(mma_tf32)
           : aicc_dtype_size(c->a->type.dtype) == 1 ? LIST(mma_bytes)
           : c->lw->machine->async_copy                 ? LIST(mma_async)
                                                        : LIST(mma_plain);
  }
  return aicc_dtype_size(c->acc) > 4 ? LIST(simt8) : LIST(simt4);
}

// --- the model ----------------------------------------------------------------------------------------

enum { PROCESSORS = 108, USUAL_SIZE = 64, STEP_LEAST = 4, COPIES_MOST = 16 };

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

// Products in a row of the processor that has most to do; those of partial sums are memory traffic.
static double cost_of(const problem *p, const candidate *item, int split) {
  const aicc_schedule *s = &item->s;
  const double tiles = ceil(p->m / s->m) * ceil(p->n / s->n) * p->tiles_of * split;
  const double steps = ceil(ceil(p->k / s->k) / split);
  const double start = 3 * s->stages;  // steps' worth of filling and emptying
  const double task = (steps + start) * s->m * s->n * s->k * 100 / item->percent;
  const double sums = split > 1 ? p->m * p->n * p->tiles_of * (split + 1) * 16 : 0;
  return ceil(tiles / PROCESSORS) * task + sums / PROCESSORS * 4;
}

typedef struct choice {
  aicc_schedule s;
  double cost;
} choice;

// The best way to cut |item|'s tiles along k.
static choice best_split(const candidate *item, const problem *p) {
  static const int splits[] = {1, 2, 4, 8, 16};
  choice best = {.cost = INFINITY};
  for (size_t j = 0; j < sizeof splits / sizeof *splits; j++) {
    const double cost = cost_of(p, item, splits[j]);
    const bool worth = splits[j] == 1 || p->k / item->s.k / splits[j] >= STEP_LEAST;
    if (worth && cost < best.cost) {
      best = (choice){item->s, cost};
      best.s.split = splits[j];
    }
  }
  return best;
}

// Few rows, proven: parts of k until every processor has something to read.
static bool stream_of(const gc_emit *e, const problem *p, aicc_schedule *out) {
  const int64_t most = e->m_most;
  if (most > GC_STREAM_MOST) {
    return false;
  }
  const int rows = most > 4 ? 8 : most > 2 ? 4 : most > 1 ? 2 : 1;
  *out = (aicc_schedule){.kind = AICC_SCHEDULE_STREAM, .rows = rows, .warps = 8, .split = 1};
  while (out->warps > 1 && p->k < out->warps * 64) {
    out->warps /= 2;
  }
  const double tasks = ceil(p->n / 32) * p->tiles_of;
  while (out->split < 16 && tasks * out->split < PROCESSORS && p->k / out->split > 2048) {
    out->split *= 2;
  }
  return true;
}

// --- forced -------------------------------------------------------------------------------------------

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

// The cheapest that fits. Where operands are copied element by element, tiles that have many to copy
// for few threads would not stay in registers.
static bool cheapest(gc_emit *e, const problem *p, aicc_schedule *out, const char **why) {
  const candidates list = candidates_of(e->c);
  double tried = -1;
  for (int i = 0; i < list.count; i++) {
    choice next = {.cost = INFINITY};
    for (int j = 0; j < list.count; j++) {
      const choice other = best_split(&list.items[j], p);
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
