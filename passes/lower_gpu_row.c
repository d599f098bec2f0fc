// Row groups on a GPU: which schedule, the kernel, and the second one of a split.
#include <string.h>

#include "passes/fuse.h"
#include "passes/gpu_row.h"

static aicc_dims *dims_of(const gpu_row *r) { return r->g->lw->module->dims; }
static int width_of(const gpu_row *r) { return r->g->lw->machine->width; }

// --- the schedule --------------------------------------------------------------------------------

// Whether a row is walked once: one pass, and nothing of the full shape leaves.
static bool is_one_walk(const gpu_row *r) {
  bool one = r->g->depth_count == 1;
  for (int i = 0; i < r->g->body->result_count; i++) {
    one &= !row_is_full(r->g, r->g->body->results[i]);
  }
  return one;
}

// Few rows are cut until there are about this many tasks of some size. Where they are walked
// several times that costs a launch for each walk: rows that a block holds in registers, and
// somewhat longer ones, are left whole.
static int choose_split(const gpu_row *r, int64_t length) {
  enum { TASKS = 512, LEAST = 2048, FEW_ROWS = 128, UNKNOWN_SPLIT = 64, LONG_ROW = 16384 };
  const bool one = is_one_walk(r);
  int64_t rows;
  if (!aicc_dim_is_const(dims_of(r), r->rows, &rows)) {
    return 1;
  }
  const int64_t tasks = r->columns ? (rows + width_of(r) - 1) / width_of(r) : rows;
  if (tasks > FEW_ROWS || (!one && length < (r->columns ? LONG_ROW / width_of(r) : LONG_ROW))) {
    return 1;
  }
  if (length < 0) {
    return tasks <= 8 ? UNKNOWN_SPLIT : 1;
  }
  const int64_t most = TASKS / (tasks > 0 ? tasks : 1);
  const int64_t least = r->columns ? LEAST / width_of(r) : LEAST;
  const int64_t wanted = length / least < most ? length / least : most;
  return wanted > 1 ? (int)wanted : 1;
}

static int power_above(int64_t value, int most) {
  int power = 1;
  while (power < most && power < value) {
    power *= 2;
  }
  return power;
}

// |length| < 0: not known.
static aicc_row_schedule choose(const gpu_row *r, int64_t length) {
  enum { SHORT_ROW = 64, SHORT_LANES = 16, WARP_ROW = 1024, WARP_COLUMN = 16, UNKNOWN_WARPS = 4 };
  const int most = r->g->lw->machine->warps_max > 0 ? r->g->lw->machine->warps_max : 1;
  aicc_row_schedule s = {.warps = 1, .split = choose_split(r, length)};
  if (s.split > 1) {
    s.warps = power_above(most, most);
  } else if (!r->columns && length >= 0 && length <= SHORT_ROW && r->kept_count > 0) {
    s.lanes = power_above(length, SHORT_LANES);
  } else if (length < 0) {
    s.warps = power_above(UNKNOWN_WARPS, most);
  } else {
    const int64_t share = r->columns ? WARP_COLUMN : WARP_ROW;
    s.warps = power_above((length + share - 1) / share, most);
  }
  return s;
}

// What was asked for, as far as the shape allows it.
static aicc_row_schedule find_schedule(const gpu_row *r) {
  int64_t length;
  if (!aicc_dim_is_const(dims_of(r), r->length, &length)) {
    length = -1;
  }
  const aicc_row_schedule best = choose(r, length);
  const char *forced = aicc_get_string(r->g->node, AICC_ATTR_SCHEDULE, NULL);
  aicc_row_schedule s;
  if (!forced || !aicc_row_schedule_parse(forced, &s) || s.task > 0) {
    return best;
  }
  if (s.lanes > 0 && (r->columns || r->kept_count == 0 || length < 0 || s.lanes > width_of(r) ||
                      length > (int64_t)ROW_STEPS_MAX * s.lanes)) {
    return best;
  }
  const int most = r->g->lw->machine->warps_max > 0 ? r->g->lw->machine->warps_max : 1;
  s.warps = s.warps < most ? s.warps : power_above(most, most);
  return s;
}

// --- statistics ----------------------------------------------------------------------------------

typedef struct totals {
  const aicc_node *nodes[ROW_MEMBERS_MAX];
  kir_val sums[ROW_MEMBERS_MAX];
  int count;
} totals;

static void add_items(gpu_row *r, void *context) {
  const totals *t = context;
  row_group *g = r->g;
  kir_builder *b = &g->lk.b;
  for (int i = 0; i < t->count; i++) {
    kir_val item = lk_elem(&g->lk, t->nodes[i]->in[0], g->index);
    if (g->lk.guard) {
      const kir_val neutral = lk_neutral(&g->lk, t->nodes[i]->op, g->lk.kernel->values[item].dtype);
      item = kir_select(b, g->lk.guard, item, neutral);
    }
    const aicc_op fold = lk_fold_op(t->nodes[i]->op);
    kir_set(b, t->sums[i], kir_scalar2(b, fold, kir_get(b, t->sums[i]), item));
  }
}

// Over the lanes of one row.
static kir_val fold_lanes(gpu_row *r, aicc_op fold, kir_val x) {
  kir_builder *b = &r->g->lk.b;
  if (r->columns) {
    return x;
  }
  if (r->schedule.lanes == 0) {
    return kir_reduce(b, fold, x);
  }
  for (int distance = r->schedule.lanes / 2; distance > 0; distance /= 2) {
    x = kir_scalar2(b, fold, x, kir_exchange(b, x, distance));
  }
  return x;
}

// Over the warps of a task, in their order: |values| are replaced.
static void fold_warps(gpu_row *r, const totals *t, kir_val *values) {
  lower_kernel *lk = &r->g->lk;
  kir_builder *b = &lk->b;
  const int warps = r->schedule.warps, across = r->columns ? width_of(r) : 1;
  kir_val local[ROW_MEMBERS_MAX], at = r->warp;
  if (warps == 1) {
    return;
  }
  if (r->columns) {
    at = kir_add(b, kir_mul(b, at, lk_i64(lk, across)), kir_lane(b));
  }
  for (int i = 0; i < t->count; i++) {
    local[i] = kir_local(b, lk->kernel->values[values[i]].dtype, (int64_t)warps * across);
    kir_store(b, local[i], at, values[i]);
  }
  kir_barrier(b);
  for (int i = 0; i < t->count; i++) {
    for (int w = 0; w < warps; w++) {
      kir_val from = lk_i64(lk, (int64_t)w * across);
      from = r->columns ? kir_add(b, from, kir_lane(b)) : from;
      const kir_val part = kir_load(b, local[i], from);
      values[i] = w == 0 ? part
                         : kir_scalar2(b, lk_fold_op(t->nodes[i]->op), values[i], part);
    }
  }
}

// The sums of one depth of all that this task sees of the row.
static void find_totals(gpu_row *r, int depth, totals *t, kir_val *values) {
  row_group *g = r->g;
  t->count = row_statistics(g, depth, t->nodes);
  for (int i = 0; i < t->count; i++) {
    const aicc_dtype type = lk_compute_type(t->nodes[i]->in[0]->type.dtype);
    t->sums[i] = kir_var(&g->lk.b, lk_neutral(&g->lk, t->nodes[i]->op, type), true);
  }
  row_gpu_walk(r, add_items, t);
  for (int i = 0; i < t->count; i++) {
    values[i] = fold_lanes(r, lk_fold_op(t->nodes[i]->op), kir_get(&g->lk.b, t->sums[i]));
  }
  fold_warps(r, t, values);
}

static void bind_total(gpu_row *r, const aicc_node *node, kir_val value) {
  lk_bind(&r->g->lk, node->out[0], lk_round(&r->g->lk, node->out[0]->type.dtype, value));
}

// --- results -------------------------------------------------------------------------------------

static void store_result(gpu_row *r, int i, const kir_val *index) {
  row_group *g = r->g;
  const aicc_value *value = g->body->results[i];
  const aicc_slot slot = aicc_lower_slot(g->lw, g->node->out[i]);
  const kir_val result = lk_elem(&g->lk, value, index);
  lk_vector_store(&g->lk, lk_buffer(&g->lk, slot, KIR_WRITE), value->type.dtype,
                  lk_linear(&g->lk, &value->type, index), result);
}

static void store_full(gpu_row *r, void *context AICC_UNUSED) {
  for (int i = 0; i < r->g->body->result_count; i++) {
    if (row_is_full(r->g, r->g->body->results[i])) {
      store_result(r, i, r->g->index);
    }
  }
}

// One of those that share a row stores what it has one of.
static void store_reduced(gpu_row *r) {
  row_group *g = r->g;
  lower_kernel *lk = &g->lk;
  kir_builder *b = &lk->b;
  for (int i = 0; i < g->body->result_count; i++) {
    const aicc_value *value = g->body->results[i];
    if (row_is_full(g, value)) {
      continue;
    }
    kir_val index[AICC_MAX_RANK];
    row_reduced_index(g, value, index);
    lk->guard = r->row_guard;
    const kir_val result = lk_elem(lk, value, index);
    const kir_val who = r->schedule.lanes > 1   ? r->sub
                        : r->schedule.warps > 1 ? r->warp
                                                : 0;
    if (who) {
      kir_if(b, kir_scalar2(b, AICC_OP_EQ, who, lk_i64(lk, 0)));
    }
    const aicc_slot slot = aicc_lower_slot(g->lw, g->node->out[i]);
    lk_vector_store(lk, lk_buffer(lk, slot, KIR_WRITE), value->type.dtype,
                    lk_linear(lk, &value->type, index), result);
    if (who) {
      kir_end(b);
    }
  }
}

static void results(gpu_row *r) {
  bool any_full = false;
  for (int i = 0; i < r->g->body->result_count; i++) {
    any_full |= row_is_full(r->g, r->g->body->results[i]);
  }
  store_reduced(r);
  if (any_full) {
    row_gpu_walk(r, store_full, NULL);
  }
}

// --- the kernels ---------------------------------------------------------------------------------

static void begin(gpu_row *r, const char *format) {
  row_group *g = r->g;
  memset(&g->lk, 0, sizeof g->lk);
  lk_begin(&g->lk, g->lw, aicc_arena_printf(&g->lw->plan->arena, format, g->node->id), "row",
           g->node);
  for (int i = 0; i < g->full->rank; i++) {
    g->index[i] = lk_i64(&g->lk, 0);
  }
}

// The index of row (or column) |row| along the kept dimensions.
static void set_row(gpu_row *r, kir_val row) {
  lower_kernel *lk = &r->g->lk;
  kir_val extents[AICC_MAX_RANK], parts[AICC_MAX_RANK];
  for (int i = 0; i < r->kept_count; i++) {
    extents[i] = i > 0 ? lk_dim(lk, r->g->full->dims[r->kept[i]]) : 0;
  }
  lk_split(lk, row, extents, r->kept_count, parts);
  for (int i = 0; i < r->kept_count; i++) {
    r->g->index[r->kept[i]] = parts[i];
  }
}

// Where a task begins: which rows are its own. Returns how many tasks there are for all of them.
static aicc_dim place_task(gpu_row *r, kir_val task, kir_val *row) {
  lower_kernel *lk = &r->g->lk;
  kir_builder *b = &lk->b;
  aicc_dims *dims = dims_of(r);
  const int lanes = r->schedule.lanes;
  const int at_once = r->columns ? width_of(r) : lanes > 0 ? width_of(r) / lanes : 1;
  *row = task;
  if (r->columns || lanes > 0) {
    kir_val own = kir_lane(b);
    if (lanes > 0) {
      const kir_val lane = own;
      own = kir_scalar2(b, AICC_OP_DIV, lane, lk_i64(lk, lanes));
      r->sub = kir_sub(b, lane, kir_mul(b, own, lk_i64(lk, lanes)));
    }
    *row = kir_add(b, kir_mul(b, task, lk_i64(lk, at_once)), own);
  }
  if (at_once > 1 && !aicc_dim_divisible(dims, r->rows, at_once)) {
    r->row_guard = kir_scalar2(b, AICC_OP_LT, *row, lk_dim(lk, r->rows));
  }
  lk->guard = r->row_guard;
  return aicc_dim_ceildiv(dims, r->rows, aicc_dim_const(dims, at_once));
}

static void begin_row(gpu_row *r, const char *format) {
  begin(r, format);
  lower_kernel *lk = &r->g->lk;
  lk->kernel->warps = r->schedule.warps;
  lk->schedule = aicc_row_schedule_print(&r->schedule, &r->g->lw->plan->arena);
  if (r->schedule.warps > 1) {
    r->warp = kir_warp(&lk->b);
  }
}

static void whole_kernel(gpu_row *r) {
  begin_row(r, "row_%u");
  kir_val row;
  const aicc_dim tasks = place_task(r, kir_task(&r->g->lk.b), &row);
  set_row(r, row);
  if (r->straight) {
    row_gpu_make_steps(r);
  }
  for (int depth = 1; depth <= r->g->depth_count; depth++) {
    totals t;
    kir_val values[ROW_MEMBERS_MAX];
    find_totals(r, depth, &t, values);
    for (int i = 0; i < t.count; i++) {
      bind_total(r, t.nodes[i], values[i]);
    }
    row_derive(r->g, depth);
  }
  results(r);
  row_launch(r->g, r->rows, tasks, r->length);
}

// --- split rows ----------------------------------------------------------------------------------
//
// A kernel for each depth leaves the totals of parts, and one for the results comes behind them.
// Who needs the totals of a depth folds its parts for itself, always in the same order.

// The partial totals of one depth, in slots of [rows, split].
typedef struct row_parts {
  totals t;
  aicc_slot slots[ROW_MEMBERS_MAX];
} row_parts;

// The total of statistic |i|, from the parts of |row|: lanes share the parts, or each has its row.
static kir_val fold_parts(gpu_row *r, const row_parts *p, int i, kir_val row) {
  lower_kernel *lk = &r->g->lk;
  kir_builder *b = &lk->b;
  const aicc_dtype type = r->g->lw->plan->slots[p->slots[i]].type.dtype;
  const aicc_op fold = lk_fold_op(p->t.nodes[i]->op);
  const kir_val from = lk_buffer(lk, p->slots[i], KIR_READ);
  const kir_val sum = kir_var(b, lk_neutral(lk, p->t.nodes[i]->op, type), true);
  const kir_val split = lk_i64(lk, r->schedule.split), guard = lk->guard;
  lk->guard = r->columns ? r->row_guard : 0;
  const kir_val part = lk_for(lk, r->columns ? KIR_SERIAL : KIR_LANES, lk_i64(lk, 0), split);
  const kir_val place = kir_add(b, kir_mul(b, row, split), part);
  kir_set(b, sum, kir_scalar2(b, fold, kir_get(b, sum), lk_load(lk, from, type, place)));
  lk_end(lk);
  lk->guard = guard;
  return r->columns ? kir_get(b, sum) : kir_reduce(b, fold, kir_get(b, sum));
}

static void take_totals(gpu_row *r, const row_parts *parts, int depths, kir_val row) {
  for (int depth = 1; depth <= depths; depth++) {
    const row_parts *p = &parts[depth - 1];
    for (int i = 0; i < p->t.count; i++) {
      bind_total(r, p->t.nodes[i], fold_parts(r, p, i, row));
    }
    row_derive(r->g, depth);
  }
}

// Begins a kernel whose tasks are parts of rows; returns how many there are.
static aicc_dim begin_parts(gpu_row *r, const char *format, kir_val *row) {
  begin_row(r, format);
  lower_kernel *lk = &r->g->lk;
  const aicc_dim split = aicc_dim_const(dims_of(r), r->schedule.split);
  const kir_val extents[2] = {0, lk_dim(lk, split)};
  kir_val at[2];
  lk_split(lk, kir_task(&lk->b), extents, 2, at);
  r->part = at[1];
  const aicc_dim tasks = place_task(r, at[0], row);
  set_row(r, *row);
  return aicc_dim_mul(dims_of(r), tasks, split);
}

static void part_kernel(gpu_row *r, row_parts *parts, int depth) {
  row_group *g = r->g;
  row_parts *p = &parts[depth - 1];
  kir_val row, values[ROW_MEMBERS_MAX];
  const aicc_dim tasks = begin_parts(r, depth == 1 ? "row_%u_part" : "row_%u_next", &row);
  lower_kernel *lk = &g->lk;
  kir_builder *b = &lk->b;
  take_totals(r, parts, depth - 1, row);
  find_totals(r, depth, &p->t, values);
  const kir_val split = lk_i64(lk, r->schedule.split);
  const kir_val place = kir_add(b, kir_mul(b, row, split), r->part);
  if (r->schedule.warps > 1) {
    kir_if(b, kir_scalar2(b, AICC_OP_EQ, r->warp, lk_i64(lk, 0)));
  }
  for (int i = 0; i < p->t.count; i++) {
    const aicc_dtype type = lk->kernel->values[values[i]].dtype;
    const aicc_dim shape[2] = {r->rows, aicc_dim_const(dims_of(r), r->schedule.split)};
    p->slots[i] = aicc_lower_temporary(g->lw, type, shape, 2, "partial");
    lk_vector_store(lk, lk_buffer(lk, p->slots[i], KIR_WRITE), type, place, values[i]);
  }
  if (r->schedule.warps > 1) {
    kir_end(b);
  }
  row_launch(g, r->rows, tasks, r->length);
}

// Results of the full shape, a part a task; the first part's has what there is one of.
static void parts_results(gpu_row *r, const row_parts *parts) {
  kir_val row;
  const aicc_dim tasks = begin_parts(r, "row_%u_last", &row);
  lower_kernel *lk = &r->g->lk;
  take_totals(r, parts, r->g->depth_count, row);
  kir_if(&lk->b, kir_scalar2(&lk->b, AICC_OP_EQ, r->part, lk_i64(lk, 0)));
  const size_t mark = lk_mark(lk);
  store_reduced(r);
  lk_end(lk);
  lk_forget(lk, mark);
  lk->guard = r->row_guard;
  row_gpu_walk(r, store_full, NULL);
  row_launch(r->g, r->rows, tasks, r->length);
}

// Where nothing else leaves: a warp has a row (or column) alone.
static void fold_kernel(gpu_row *r, const row_parts *parts) {
  begin(r, "row_%u_fold");
  const kir_val row = kir_task(&r->g->lk.b);
  set_row(r, row);
  r->row_guard = 0;
  r->columns = false;
  take_totals(r, parts, 1, row);
  const aicc_dim length = aicc_dim_const(dims_of(r), r->schedule.split);
  r->schedule = (aicc_row_schedule){.warps = 1, .split = 1};
  store_reduced(r);
  row_launch(r->g, r->rows, r->rows, length);
}

static void split_kernels(gpu_row *r) {
  row_parts *parts = AICC_NEW_ARRAY(&r->g->lw->plan->arena, row_parts, r->g->depth_count);
  for (int depth = 1; depth <= r->g->depth_count; depth++) {
    part_kernel(r, parts, depth);
  }
  if (is_one_walk(r)) {
    fold_kernel(r, parts);
  } else {
    parts_results(r, parts);
  }
}

void row_gpu_kernels(row_group *g) {
  aicc_dims *dims = g->lw->module->dims;
  const aicc_dim one = aicc_dim_const(dims, 1);
  gpu_row r = {.g = g, .rows = one, .length = one, .vector = 1};
  for (int i = 0; i < g->full->rank; i++) {
    if (aicc_dim_is(dims, g->full->dims[i], 1)) {
      continue;
    }
    if (g->reduced[i]) {
      r.reduced[r.reduced_count++] = i;
      r.length = aicc_dim_mul(dims, r.length, g->full->dims[i]);
    } else {
      r.kept[r.kept_count++] = i;
      r.rows = aicc_dim_mul(dims, r.rows, g->full->dims[i]);
    }
  }
  // One row is no column: lanes would all store to one place.
  r.columns = !g->lanes_reduce && r.kept_count > 0;
  r.schedule = find_schedule(&r);
  if (!r.columns && g->lane_dim >= 0 && r.schedule.lanes == 0) {
    lower_kernel probe = {.lw = g->lw, .group = g->body};
    r.vector = lk_vector_choose(&probe, g->full->dtype, g->full->dims[g->lane_dim], 0);
  }
  r.straight = row_gpu_step_count(&r) > 0;
  (r.schedule.split > 1 ? split_kernels : whole_kernel)(&r);
}
