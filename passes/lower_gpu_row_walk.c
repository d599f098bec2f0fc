// The ways through a row: straight code over what lanes hold, or loops.
#include "passes/gpu_row.h"

enum { STRAIGHT_ELEMENTS = 32 };

static aicc_lower *lw_of(const gpu_row *r) { return r->g->lw; }
static lower_kernel *lk_of(gpu_row *r) { return &r->g->lk; }

// Lanes that stand side by side in a row.
static int lanes_of(const gpu_row *r) {
  return r->columns              ? 1
         : r->schedule.lanes > 0 ? r->schedule.lanes
                                 : lw_of(r)->machine->width * r->schedule.warps;
}

int row_gpu_step_count(const gpu_row *r) {
  int64_t length;
  if (!aicc_dim_is_const(lw_of(r)->module->dims, r->length, &length) ||
      r->schedule.split > 1 || (r->columns && r->schedule.warps > 1) ||
      length > STRAIGHT_ELEMENTS * lanes_of(r)) {
    return 0;
  }
  const int64_t round = (int64_t)lanes_of(r) * r->vector;
  return (int)((length + round - 1) / round);
}

static kir_val both(lower_kernel *lk, kir_val a, kir_val b) {
  return a && b ? kir_scalar2(&lk->b, AICC_OP_AND, a, b) : a ? a : b;
}

// The index of vector |at| of the row along each reduced dimension, the last in vectors.
static void split_row(gpu_row *r, kir_val at, kir_val *parts) {
  lower_kernel *lk = lk_of(r);
  aicc_dims *dims = lw_of(r)->module->dims;
  kir_val extents[AICC_MAX_RANK];
  for (int i = 0; i < r->reduced_count; i++) {
    aicc_dim size = r->g->full->dims[r->reduced[i]];
    if (i == r->reduced_count - 1) {
      size = aicc_dim_floordiv(dims, size, aicc_dim_const(dims, r->vector));
    }
    extents[i] = i > 0 ? lk_dim(lk, size) : 0;
  }
  lk_split(lk, at, extents, r->reduced_count, parts);
}

static void set_parts(gpu_row *r, const kir_val *parts) {
  for (int i = 0; i + 1 < r->reduced_count; i++) {
    r->g->index[r->reduced[i]] = parts[i];
  }
}

static void set_last(gpu_row *r, kir_val place) {
  if (r->reduced_count > 0) {
    r->g->index[r->reduced[r->reduced_count - 1]] = place;
  }
}

// --- straight code -------------------------------------------------------------------------------

// Number of this lane among those of its row.
static kir_val first_vector(gpu_row *r) {
  lower_kernel *lk = lk_of(r);
  if (r->columns) {
    return lk_i64(lk, 0);
  }
  if (r->schedule.lanes > 0) {
    return r->sub;
  }
  const kir_val lane = kir_lane(&lk->b);
  return r->schedule.warps == 1
             ? lane
             : kir_add(&lk->b, kir_mul(&lk->b, r->warp, lk_i64(lk, lk->kernel->width)), lane);
}

static void make_step(gpu_row *r, int number, kir_val first, int64_t length) {
  lower_kernel *lk = lk_of(r);
  row_step *step = &r->steps[number];
  const int64_t across = lanes_of(r), vectors = length / r->vector;
  const kir_val at = kir_add(&lk->b, first, lk_i64(lk, number * across));
  step->guard = r->row_guard;
  if ((number + 1) * across > vectors) {
    step->guard = both(lk, step->guard,
                       kir_scalar2(&lk->b, AICC_OP_LT, at, lk_i64(lk, vectors)));
  }
  split_row(r, at, step->parts);
  if (r->reduced_count == 0) {
    return;
  }
  // The guard comes before place, so that it is seen not to follow from it.
  step->place[0] = step->parts[r->reduced_count - 1];
  if (r->vector > 1) {
    step->place[0] = kir_mul(&lk->b, step->place[0], lk_i64(lk, r->vector));
  }
  for (int copy = 1; copy < r->vector; copy++) {
    step->place[copy] = kir_add(&lk->b, step->place[0], lk_i64(lk, copy));
  }
}

void row_gpu_make_steps(gpu_row *r) {
  int64_t length = 0;
  r->step_count = row_gpu_step_count(r);
  const bool known = aicc_dim_is_const(lw_of(r)->module->dims, r->length, &length);
  AICC_ASSERT(known && r->step_count <= ROW_STEPS_MAX);
  const kir_val first = first_vector(r);
  for (int i = 0; i < r->step_count; i++) {
    make_step(r, i, first, length);
  }
}

static void visit_copies(gpu_row *r, const kir_val *place, row_visit *visit, void *context) {
  lk_vector vector;
  lk_vector_begin(lk_of(r), &vector, r->vector, place[0]);
  for (int copy = 0; copy < r->vector; copy++) {
    set_last(r, place[copy]);
    lk_vector_copy(lk_of(r), copy);
    visit(r, context);
  }
  lk_vector_end(lk_of(r));
}

static void walk_straight(gpu_row *r, row_visit *visit, void *context) {
  lower_kernel *lk = lk_of(r);
  for (int i = 0; i < r->step_count; i++) {
    const row_step *step = &r->steps[i];
    lk->guard = step->guard;
    set_parts(r, step->parts);
    visit_copies(r, step->place, visit, context);
  }
  lk->guard = r->row_guard;
}

// --- loops ---------------------------------------------------------------------------------------

// Part |number| of |count| of from .. to, in vectors (elements, where columns are walked): a whole
// number of warps' accesses, so that no two parts share one.
static void cut(gpu_row *r, kir_val number, aicc_dim count, kir_val *from, kir_val *to) {
  lower_kernel *lk = lk_of(r);
  kir_builder *b = &lk->b;
  const kir_val grain = lk_i64(lk, r->columns ? 1 : lk->kernel->width);
  const kir_val parts = lk_dim(lk, count);
  const kir_val length = kir_sub(b, *to, *from);
  const kir_val rounds = kir_scalar2(
      b, AICC_OP_DIV, kir_add(b, length, kir_sub(b, grain, lk_i64(lk, 1))), grain);
  const kir_val share = kir_scalar2(
      b, AICC_OP_DIV, kir_add(b, rounds, kir_sub(b, parts, lk_i64(lk, 1))), parts);
  const kir_val size = kir_mul(b, share, grain);
  const kir_val first = kir_add(b, *from, kir_mul(b, number, size));
  const kir_val end = kir_scalar2(b, AICC_OP_MIN, kir_add(b, first, size), *to);
  *from = first;
  *to = end;
}

static void loop_bounds(gpu_row *r, kir_val *from, kir_val *to) {
  lower_kernel *lk = lk_of(r);
  aicc_dims *dims = lw_of(r)->module->dims;
  *from = lk_i64(lk, 0);
  *to = lk_dim(lk, aicc_dim_floordiv(dims, r->length, aicc_dim_const(dims, r->vector)));
  if (r->schedule.split > 1) {
    cut(r, r->part, aicc_dim_const(dims, r->schedule.split), from, to);
  }
  if (r->schedule.warps > 1) {
    cut(r, r->warp, aicc_dim_const(dims, r->schedule.warps), from, to);
  }
}

static void walk_loop(gpu_row *r, row_visit *visit, void *context) {
  lower_kernel *lk = lk_of(r);
  kir_val from, to, parts[AICC_MAX_RANK] = {0}, place[LK_VECTOR_MAX] = {0};
  const size_t mark = lk_mark(lk);
  loop_bounds(r, &from, &to);
  const kir_val at = lk_for(lk, r->columns ? KIR_SERIAL : KIR_LANES, from, to);
  split_row(r, at, parts);
  set_parts(r, parts);
  if (r->reduced_count > 0) {
    place[0] = parts[r->reduced_count - 1];
  }
  if (r->vector > 1) {
    place[0] = kir_mul(&lk->b, place[0], lk_i64(lk, r->vector));
  }
  for (int copy = 1; copy < r->vector; copy++) {
    place[copy] = kir_add(&lk->b, place[0], lk_i64(lk, copy));
  }
  visit_copies(r, place, visit, context);
  lk_end(lk);
  lk_forget(lk, mark);
}

void row_gpu_walk(gpu_row *r, row_visit *visit, void *context) {
  (r->straight ? walk_straight : walk_loop)(r, visit, context);
}
