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

// Step s's tiles lie in slot s mod stages and are asked for stages - 1 steps before. The barrier of a
// step is behind the last use of the slot that the step then fills, and behind all writes of its own.
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
  const aicc_dim shape[] = {aicc_dim_const(dims, e->s->split), g->places, e->m,
                            aicc_dim_mul(dims, c->b.n, c->groups)};
  e->partial = aicc_lower_temporary(c->lw, c->acc, shape, 4, "partial");
}

static void launch(gc_emit *e, const grid *g) {
  const contract *c = e->c;
  aicc_dims *dims = c->lw->module->dims;
  const aicc_dim tasks[] = {g->places, c->groups, aicc_dim_const(dims, e->s->split), g->tiles_m,
                            g->tiles_n};
  const aicc_dim flops[] = {g->places, e->m, c->groups, c->b.n, e->b.ks};
  lk_launch(&e->lk, aicc_dim_product(dims, tasks, 5),
            aicc_dim_floordiv(dims, aicc_dim_product(dims, flops, 5), aicc_dim_const(dims, 24)));
}

void aicc_contract_emit_gpu(contract *c) {
  aicc_lower *lw = c->lw;
  aicc_schedule schedule;
  gc_emit *e = AICC_NEW(&lw->plan->arena, gc_emit);
  *e = (gc_emit){.c = c, .width = lw->machine->width, .folded = places_share_b(c)};
  e->m = e->folded ? aicc_dim_mul(lw->module->dims, places_of(c), c->m) : c->m;
  if (!gc_choose(e, &schedule)) {
    return;
  }
  gc_take_operands(e);
  const grid g = grid_of(e);
  for (int i = 0; i < c->group->out_count; i++) {
    aicc_lower_result(lw, c->group->out[i]);
  }
  if (schedule.split > 1) {
    plan_partial(e, &g);
  }
  lower_kernel *lk = &e->lk;
  lk_begin(lk, lw,
           aicc_arena_printf(&lw->plan->arena, "%s_%u", aicc_op_table[c->root->def->op].name,
                             c->group->id),
           "contract", c->group);
  lk->schedule = aicc_schedule_print(&schedule, &lw->plan->arena);
  lk->kernel->warps = e->warps;
  place_task(e, &g);
  if (schedule.kind == AICC_SCHEDULE_STREAM) {
    gc_stream(e);
  } else {
    gc_begin_inner(e);
    gc_begin_sides(e);
    steps(e);
  }
  gc_finish(e);
  launch(e, &g);
  if (schedule.split > 1) {
    gc_sum_parts(e);
  }
}
