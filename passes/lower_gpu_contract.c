// Contractions on GPUs: tasks, their places, and the loop over k.
#include <string.h>

#include "passes/gpu_contract.h"

enum { RASTER_ROWS = 8 };  // of tiles, that tasks walk through column by column: B stays in L2

typedef struct grid {
  aicc_dim tiles_m, tiles_n, places, steps;
} grid;

static bool places_share_b(const contract *c) {
  bool share = true;
  for (int i = 0; i < c->outer_rank; i++) {
    share &= aicc_dim_is(c->lw->module->dims, c->outer_b_batch[i], 0);
  }
  return share;
}

static aicc_dim places_of(const contract *c) {
  return aicc_dim_product(c->lw->module->dims, c->outer, c->outer_rank);
}

static grid grid_of(const gc_emit *e) {
  const contract *c = e->c;
  aicc_dims *dims = c->lw->module->dims;
  return (grid){
      .tiles_m = aicc_dim_ceildiv(dims, e->m, aicc_dim_const(dims, e->s->m)),
      .tiles_n = aicc_dim_ceildiv(dims, c->b.n, aicc_dim_const(dims, e->s->n)),
      .places = e->folded ? aicc_dim_const(dims, 1) : places_of(c),
      .steps = aicc_dim_ceildiv(dims, e->b.ks, aicc_dim_const(dims, e->s->k)),
  };
}

// Tile |tile| of a place as row and column: RASTER_ROWS rows of tiles at a time, column by column.
static void place_tile(gc_emit *e, const grid *g, kir_val tile) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const kir_val tiles_m = lk_dim(lk, g->tiles_m), tiles_n = lk_dim(lk, g->tiles_n);
  const kir_val whole = kir_mul(b, tiles_n, lk_i64(lk, RASTER_ROWS));
  const kir_val band = kir_scalar2(b, AICC_OP_DIV, tile, whole);
  const kir_val first = kir_mul(b, band, lk_i64(lk, RASTER_ROWS));
  const kir_val rows = kir_scalar2(b, AICC_OP_MIN, kir_sub(b, tiles_m, first),
                                   lk_i64(lk, RASTER_ROWS));
  const kir_val in_band = kir_sub(b, tile, kir_mul(b, band, whole));
  const kir_val column = kir_scalar2(b, AICC_OP_DIV, in_band, rows);
  const kir_val row = kir_add(b, first, kir_sub(b, in_band, kir_mul(b, column, rows)));
  e->m0 = kir_mul(b, row, lk_i64(lk, e->s->m));
  e->n0 = kir_mul(b, column, lk_i64(lk, e->s->n));
}

// The task's number: (place, group, part of k, tile), tiles fastest.
static void place_task(gc_emit *e, const grid *g) {
  contract *c = e->c;
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  aicc_dims *dims = c->lw->module->dims;
  const aicc_dim tiles = aicc_dim_mul(dims, g->tiles_m, g->tiles_n);
  const kir_val extents[] = {lk_dim(lk, g->places), lk_dim(lk, c->groups),
                             lk_i64(lk, e->s->split), lk_dim(lk, tiles)};
  kir_val at[4];
  lk_split(lk, kir_task(b), extents, 4, at);
  e->place = e->folded ? lk_i64(lk, 0) : at[0];
  e->group = at[1];
  e->part = at[2];
  place_tile(e, g, at[3]);
  e->group_first = kir_mul(b, e->group, lk_dim(lk, c->b.n));
  if (!e->folded) {
    kir_val outer[AICC_MAX_RANK];
    for (int i = 0; i < c->outer_rank; i++) {
      outer[i] = lk_dim(lk, c->outer[i]);
    }
    lk_split(lk, e->place, outer, c->outer_rank, e->outer);
  }
  const kir_val steps = lk_dim(lk, g->steps);
  e->first_step = lk_i64(lk, 0);
  e->end_step = steps;
  if (e->s->split > 1) {
    const aicc_dim each = aicc_dim_ceildiv(dims, g->steps, aicc_dim_const(dims, e->s->split));
    e->first_step = kir_mul(b, e->part, lk_dim(lk, each));
    e->end_step = kir_scalar2(b, AICC_OP_MIN, steps,
                              kir_add(b, e->first_step, lk_dim(lk, each)));
  }
}

static void fetch(gc_emit *e, kir_val step, kir_val slot) {
  gc_fetch(e, &e->a, step, slot);
  gc_fetch(e, &e->b, step, slot);
  if (e->a.async || e->b.async) {
    kir_commit(&e->lk.b);
  }
}

static void deliver(gc_emit *e, kir_val slot) {
  gc_deliver(e, &e->a, slot);
  gc_deliver(e, &e->b, slot);
}

// |slot| + 1, around.
static kir_val next_slot(gc_emit *e, kir_val slot) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const kir_val next = kir_add(b, slot, lk_i64(lk, 1));
  const kir_val last = kir_scalar2(b, AICC_OP_EQ, next, lk_i64(lk, e->s->stages));
  return kir_select(b, last, lk_i64(lk, 0), next);
}

// Step s's tiles lie in slot s mod stages and are asked for stages - 1 steps before. The barrier of
// a step is behind the last use of the slot that the step then fills, and behind all writes of its
// own.
static void steps(gc_emit *e) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const int ahead = e->s->stages - 1;
  const bool async = e->a.async || e->b.async;
  for (int i = 0; i < ahead; i++) {
    fetch(e, kir_add(b, e->first_step, lk_i64(lk, i)), lk_i64(lk, i));
    deliver(e, lk_i64(lk, i));
  }
  const kir_val reads = kir_var(b, lk_i64(lk, 0), false);
  const kir_val fills = kir_var(b, lk_i64(lk, ahead), false);
  const kir_val step = lk_for(lk, KIR_SERIAL, e->first_step, e->end_step);
  if (async) {
    kir_wait(b, ahead - 1);
  }
  kir_barrier(b);
  const kir_val read = kir_get(b, reads), fill = kir_get(b, fills);
  fetch(e, kir_add(b, step, lk_i64(lk, ahead)), fill);
  gc_multiply(e, read);
  deliver(e, fill);
  kir_set(b, reads, next_slot(e, read));
  kir_set(b, fills, next_slot(e, fill));
  lk_end(lk);
  if (async) {
    kir_wait(b, 0);
  }
}

static void plan_partial(gc_emit *e, const grid *g) {
  const contract *c = e->c;
  aicc_dims *dims = c->lw->module->dims;
  const aicc_dim shape[] = {aicc_dim_const(dims, e->s->split), g->places, gc_if_run(e, e->m),
                            aicc_dim_mul(dims, c->b.n, c->groups)};
  e->partial = aicc_lower_temporary(c->lw, c->acc, shape, 4, "partial");
}

aicc_dim gc_if_run(const gc_emit *e, aicc_dim size) {
  aicc_dims *dims = e->c->lw->module->dims;
  return e->when == AICC_DIM_NONE
             ? size
             : aicc_dim_select(dims, e->when, size, aicc_dim_const(dims, 0));
}

void gc_launch(const gc_emit *e, lower_kernel *lk, aicc_dim tasks, aicc_dim cost) {
  lk_launch(lk, gc_if_run(e, tasks), gc_if_run(e, cost));
}

static void launch(gc_emit *e, const grid *g) {
  const contract *c = e->c;
  aicc_dims *dims = c->lw->module->dims;
  const aicc_dim tasks[] = {g->places, c->groups, aicc_dim_const(dims, e->s->split), g->tiles_m,
                            g->tiles_n};
  const aicc_dim flops[] = {g->places, e->m, c->groups, c->b.n, e->b.ks};
  e->lk.flops = aicc_dim_mul(dims, aicc_dim_product(dims, flops, 5), aicc_dim_const(dims, 2));
  gc_launch(e, &e->lk, aicc_dim_product(dims, tasks, 5),
            aicc_dim_floordiv(dims, aicc_dim_product(dims, flops, 5), aicc_dim_const(dims, 24)));
}

// The kernel, or two where k is split, of a schedule that was chosen.
static void emit_chosen(gc_emit *e) {
  aicc_lower *lw = e->c->lw;
  const contract *c = e->c;
  gc_take_operands(e);
  const grid g = grid_of(e);
  if (e->s->split > 1) {
    plan_partial(e, &g);
  }
  lower_kernel *lk = &e->lk;
  lk_begin(lk, lw,
           aicc_arena_printf(&lw->plan->arena, "%s_%u",
                             c->name ? c->name : aicc_op_table[c->root->def->op].name,
                             c->group->id),
           "contract", c->group);
  lk->schedule = aicc_schedule_print(e->s, &lw->plan->arena);
  lk->kernel->warps = e->warps;
  place_task(e, &g);
  if (e->s->kind == AICC_SCHEDULE_STREAM) {
    gc_stream(e);
  } else {
    gc_begin_inner(e);
    gc_begin_sides(e);
    steps(e);
  }
  gc_finish(e);
  launch(e, &g);
  if (e->s->split > 1) {
    gc_sum_parts(e);
  }
}

// Rows that are counted when the model runs: kernels for one, for few, for some and for many, of
// which all but one have no tasks then.
typedef struct range {
  int64_t most;
  double usual;
} range;
static const range ranges[] = {
    {1, 1}, {GC_STREAM_MOST, GC_STREAM_MOST}, {64, 48}, {INT64_MAX, 1024}};
enum { RANGES = sizeof ranges / sizeof *ranges };

static aicc_dim within(gc_emit *e, int64_t least, int64_t most) {
  aicc_dims *dims = e->c->lw->module->dims;
  const aicc_dim above = aicc_dim_lt(dims, aicc_dim_const(dims, least - 1), e->m);
  return most == INT64_MAX
             ? above
             : aicc_dim_mul(dims, above, aicc_dim_lt(dims, e->m, aicc_dim_const(dims, most + 1)));
}

// A number that the rows are a multiple of: the pixels of a batch.
static int64_t known_factor(const gc_emit *e) {
  static const int primes[] = {2, 3, 5, 7, 11, 13, 17, 19, 23};
  aicc_dims *dims = e->c->lw->module->dims;
  int64_t factor = 1;
  for (size_t i = 0; i < sizeof primes / sizeof *primes; i++) {
    while (factor < 4096 && aicc_dim_divisible(dims, e->m, factor * primes[i])) {
      factor *= primes[i];
    }
  }
  return factor;
}

static bool same_kernel(const gc_emit *x, const gc_emit *y) {
  return memcmp(x->s, y->s, sizeof *x->s) == 0 && x->b.computed == y->b.computed;
}

static void emit_ranges(contract *c, const gc_emit *whole, int64_t least, int64_t most) {
  aicc_arena *arena = &c->lw->plan->arena;
  gc_emit *chosen[RANGES];
  int64_t from[RANGES];
  int count = 0;
  const int64_t factor = known_factor(whole);
  for (int i = 0; i < RANGES; i++) {
    const int64_t first = i == 0 ? 0 : ranges[i - 1].most + 1, last = ranges[i].most;
    if (first > most || last < least || last < factor) {
      continue;  // no rows, or none that need a task
    }
    gc_emit *e = AICC_NEW(arena, gc_emit);
    *e = *whole;
    e->m_most = last < most ? last : most;
    e->m_usual = ranges[i].usual;
    if (!gc_choose(e, AICC_NEW(arena, aicc_schedule))) {
      return;
    }
    const bool joined = count > 0 && same_kernel(e, chosen[count - 1]);
    count += !joined;
    from[count - 1] = joined ? from[count - 1] : count == 1 ? 0 : first;
    chosen[count - 1] = e;
  }
  for (int i = 0; i < count; i++) {
    const int64_t last = chosen[i]->m_most;
    const bool all = from[i] == 0 && i == count - 1;
    chosen[i]->when =
        all ? AICC_DIM_NONE : within(chosen[i], from[i], i == count - 1 ? INT64_MAX : last);
    emit_chosen(chosen[i]);
  }
}

void aicc_contract_emit_gpu(contract *c) {
  aicc_lower *lw = c->lw;
  aicc_dims *dims = lw->module->dims;
  gc_emit *e = AICC_NEW(&lw->plan->arena, gc_emit);
  *e = (gc_emit){.c = c, .width = lw->machine->width, .folded = places_share_b(c)};
  e->m = e->folded ? aicc_dim_mul(dims, places_of(c), c->m) : c->m;
  e->m_usual = gc_usual_size(c, e->m);
  int64_t least;
  aicc_dim_bounds(dims, e->m, &least, &e->m_most);
  least = least > c->m_least ? least : c->m_least;
  for (int i = 0; i < c->group->out_count && !c->placed; i++) {
    aicc_lower_result(lw, c->group->out[i]);
  }
  if (aicc_dim_is(dims, aicc_type_count(lw->module, &c->root->type), 0)) {
    return;  // nothing to compute
  }
  const bool known = aicc_dim_is_const(dims, e->m, NULL);
  if (!known && !aicc_get_string(c->group, AICC_ATTR_SCHEDULE, NULL)) {
    emit_ranges(c, e, least, e->m_most);
  } else if (gc_choose(e, AICC_NEW(&lw->plan->arena, aicc_schedule))) {
    emit_chosen(e);
  }
}
