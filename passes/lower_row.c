// Row groups: reductions over the same axes and the elementwise work around them, in one kernel:
// softmax, normalisations, sums.
//
// The full shape splits into kept and reduced dimensions. Where the innermost dimension is reduced,
// a task takes rows and lanes run along the row; statistics are folded over lanes. Where it is
// kept, lanes run over kept elements, each with its own serial reduction. Either way a row is
// walked once per *phase*: all reductions of one depth together, and what leaves the group in the
// last walk.
#include <string.h>

#include "passes/fuse.h"
#include "passes/lower_row.h"
#include "passes/schedule_map.h"

enum { ROW_TASK_ELEMENTS = 8192 };

bool row_is_full(const row_group *g, const aicc_value *value) {
  return value->type.rank == g->full->rank &&
         memcmp(value->type.dims, g->full->dims,
                (size_t)g->full->rank * sizeof *g->full->dims) == 0;
}

static bool is_statistic(const row_group *g, const aicc_node *node) {
  if (aicc_kind_of(node) != AICC_KIND_REDUCE || node->in[0]->type.rank != g->full->rank) {
    return false;
  }
  int count;
  const int64_t *axes = aicc_get_ints(node, AICC_ATTR_AXES, &count);
  bool reduced[AICC_MAX_RANK] = {0};
  for (int i = 0; i < count; i++) {
    reduced[axes[i]] = true;
  }
  return memcmp(reduced, g->reduced, sizeof reduced) == 0 && row_is_full(g, node->in[0]);
}

// Depth of each member: how many statistics lie on the longest way to it.
static void find_depths(row_group *g) {
  g->depth = AICC_NEW_ARRAY(&g->lw->plan->arena, int, g->lw->module->node_count);
  for (const aicc_node *node = g->body->first; node; node = node->next) {
    int depth = 0;
    for (int i = 0; i < node->in_count; i++) {
      const aicc_node *def = node->in[i] ? node->in[i]->def : NULL;
      if (def && def->parent == g->body && g->depth[def->id] > depth) {
        depth = g->depth[def->id];
      }
    }
    depth += is_statistic(g, node);
    g->depth[node->id] = depth;
    g->depth_count = depth > g->depth_count ? depth : g->depth_count;
  }
}

// --- walking one row -----------------------------------------------------------------------------

// Opens the loops over the reduced dimensions; returns how many.
static int open_walk(row_group *g) {
  int opened = 0;
  for (int i = 0; i < g->full->rank; i++) {
    const bool lanes = g->lanes_reduce && i == g->lane_dim;
    if (!g->reduced[i] || lanes) {
      continue;
    }
    g->index[i] = lk_for(&g->lk, KIR_SERIAL, lk_i64(&g->lk, 0), lk_dim(&g->lk, g->full->dims[i]));
    opened++;
  }
  if (g->lanes_reduce) {
    g->index[g->lane_dim] = lk_for(&g->lk, KIR_LANES, lk_i64(&g->lk, 0),
                                   lk_dim(&g->lk, g->full->dims[g->lane_dim]));
    opened++;
  }
  return opened;
}

static void close_walk(row_group *g, int opened, size_t mark) {
  while (opened-- > 0) {
    lk_end(&g->lk);
  }
  lk_forget(&g->lk, mark);
}

int row_statistics(const row_group *g, int depth, const aicc_node **nodes) {
  int count = 0;
  for (const aicc_node *node = g->body->first; node; node = node->next) {
    if (is_statistic(g, node) && g->depth[node->id] == depth && count < ROW_MEMBERS_MAX) {
      nodes[count++] = node;
    }
  }
  return count;
}

static void statistics(row_group *g, int depth) {
  kir_builder *b = &g->lk.b;
  const aicc_node *nodes[ROW_MEMBERS_MAX];
  kir_val sums[ROW_MEMBERS_MAX];
  const int count = row_statistics(g, depth, nodes);
  for (int i = 0; i < count; i++) {
    const aicc_dtype type = lk_compute_type(nodes[i]->in[0]->type.dtype);
    sums[i] = kir_var(b, lk_neutral(&g->lk, nodes[i]->op, type), g->lane_dim >= 0);
  }
  const size_t mark = lk_mark(&g->lk);
  const int opened = open_walk(g);
  for (int i = 0; i < count; i++) {
    const kir_val item = lk_elem(&g->lk, nodes[i]->in[0], g->index);
    kir_set(b, sums[i], kir_scalar2(b, lk_fold_op(nodes[i]->op), kir_get(b, sums[i]), item));
  }
  close_walk(g, opened, mark);
  for (int i = 0; i < count; i++) {
    kir_val total = kir_get(b, sums[i]);
    if (g->lanes_reduce) {
      total = kir_reduce(b, lk_fold_op(nodes[i]->op), total);
    }
    lk_bind(&g->lk, nodes[i]->out[0], lk_round(&g->lk, nodes[i]->out[0]->type.dtype, total));
  }
}

// --- results -------------------------------------------------------------------------------------

void row_reduced_index(row_group *g, const aicc_value *value, kir_val *out) {
  int rank = 0;
  for (int i = 0; i < g->full->rank; i++) {
    if (!g->reduced[i]) {
      out[rank++] = g->index[i];
    } else if (value->type.rank == g->full->rank) {
      out[rank++] = lk_i64(&g->lk, 0);
    }
  }
}

static void store_result(row_group *g, int i, const kir_val *index) {
  const aicc_value *value = g->body->results[i];
  const aicc_slot slot = aicc_lower_slot(g->lw, g->node->out[i]);
  const kir_val result = lk_elem(&g->lk, value, index);
  lk_store(&g->lk, lk_buffer(&g->lk, slot, KIR_WRITE), value->type.dtype,
           lk_linear(&g->lk, &value->type, index), result);
}

static void results(row_group *g) {
  bool any_full = false;
  for (int i = 0; i < g->body->result_count; i++) {
    if (row_is_full(g, g->body->results[i])) {
      any_full = true;
      continue;
    }
    kir_val index[AICC_MAX_RANK];
    row_reduced_index(g, g->body->results[i], index);
    store_result(g, i, index);
  }
  if (!any_full) {
    return;
  }
  const size_t mark = lk_mark(&g->lk);
  const int opened = open_walk(g);
  for (int i = 0; i < g->body->result_count; i++) {
    if (row_is_full(g, g->body->results[i])) {
      store_result(g, i, g->index);
    }
  }
  close_walk(g, opened, mark);
}

void row_derive(row_group *g, int depth) {
  for (const aicc_node *node = g->body->first; node; node = node->next) {
    const aicc_value *value = node->out[0];
    if (aicc_kind_of(node) != AICC_KIND_ELTWISE || g->depth[node->id] != depth ||
        value->type.rank != g->full->rank || row_is_full(g, value)) {
      continue;
    }
    bool row_shaped = true;
    for (int i = 0; i < g->full->rank; i++) {
      row_shaped &= !g->reduced[i] || aicc_dim_is(g->lw->module->dims, value->type.dims[i], 1);
    }
    if (row_shaped) {
      kir_val index[AICC_MAX_RANK];
      row_reduced_index(g, value, index);
      lk_bind(&g->lk, value, lk_elem(&g->lk, value, index));
    }
  }
}

static void row_body(row_group *g) {
  for (int depth = 1; depth <= g->depth_count; depth++) {
    statistics(g, depth);
    row_derive(g, depth);
  }
  results(g);
}

// --- the grid ------------------------------------------------------------------------------------

static void find_shape(row_group *g) {
  const aicc_dims *dims = g->lw->module->dims;
  const aicc_node *anchor = NULL;
  for (const aicc_node *node = g->body->first; node; node = node->next) {
    if (aicc_kind_of(node) == AICC_KIND_REDUCE && !aicc_fuse_is_pointwise(g->lw->module, node)) {
      anchor = node;
      break;
    }
  }
  AICC_ASSERT(anchor);
  g->full = &anchor->in[0]->type;
  g->keepdims = aicc_get_int(anchor, AICC_ATTR_KEEPDIMS, 1) != 0;
  int count;
  const int64_t *axes = aicc_get_ints(anchor, AICC_ATTR_AXES, &count);
  for (int i = 0; i < count; i++) {
    g->reduced[axes[i]] = true;
  }
  g->lane_dim = -1;
  for (int i = g->full->rank - 1; i >= 0 && g->lane_dim < 0; i--) {
    if (!aicc_dim_is(dims, g->full->dims[i], 1)) {
      g->lane_dim = i;
    }
  }
  g->lanes_reduce = g->lane_dim >= 0 && g->reduced[g->lane_dim];
  find_depths(g);
}

static int work_per_element(const row_group *g) {
  int cost = 2 * g->depth_count;
  for (const aicc_node *node = g->body->first; node; node = node->next) {
    cost += 2 * aicc_fuse_element_cost(g->lw->module, node);
  }
  return cost > 0 && cost < 4096 ? cost : 4096;
}

void row_launch(row_group *g, aicc_dim rows, aicc_dim grid, aicc_dim length) {
  aicc_dims *dims = g->lw->module->dims;
  const aicc_dim work = aicc_dim_mul(dims, aicc_dim_mul(dims, rows, length),
                                     aicc_dim_const(dims, work_per_element(g)));
  lk_launch(&g->lk, grid, aicc_dim_floordiv(dims, work, aicc_dim_const(dims, 48)));
}

static void cpu_kernel(row_group *g) {
  aicc_lower *lw = g->lw;
  aicc_dims *dims = lw->module->dims;
  const char *forced = aicc_get_string(g->node, AICC_ATTR_SCHEDULE, NULL);
  aicc_row_schedule schedule;
  if (!forced || !aicc_row_schedule_parse(forced, &schedule) || schedule.task == 0) {
    schedule = (aicc_row_schedule){.task = ROW_TASK_ELEMENTS};
  }
  lk_begin(&g->lk, lw, aicc_arena_printf(&lw->plan->arena, "row_%u", g->node->id), "row", g->node);
  const aicc_dim one = aicc_dim_const(dims, 1);
  aicc_dim rows = one, length = one;
  kir_val extents[AICC_MAX_RANK], parts[AICC_MAX_RANK];
  int kept[AICC_MAX_RANK], kept_count = 0;
  for (int i = 0; i < g->full->rank; i++) {
    g->index[i] = lk_i64(&g->lk, 0);
    if (g->reduced[i]) {
      length = aicc_dim_mul(dims, length, g->full->dims[i]);
    } else if (i != g->lane_dim) {
      rows = aicc_dim_mul(dims, rows, g->full->dims[i]);
      extents[kept_count] = lk_dim(&g->lk, g->full->dims[i]);
      kept[kept_count++] = i;
    }
  }
  // Lanes over kept elements: a task is one row of them, in pieces, whatever the schedule says.
  const bool pieces = g->lane_dim >= 0 && !g->lanes_reduce;
  g->lk.schedule = pieces ? NULL : aicc_row_schedule_print(&schedule, &lw->plan->arena);
  const int piece = 4 * lw->machine->width;
  const aicc_dim inner = pieces ? g->full->dims[g->lane_dim] : one;
  const aicc_dim piece_count = aicc_dim_ceildiv(dims, inner, aicc_dim_const(dims, piece));
  const aicc_dim block = pieces ? one
                                : aicc_dim_max(dims, one,
                                               aicc_dim_floordiv(
                                                   dims, aicc_dim_const(dims, schedule.task),
                                                   aicc_dim_max(dims, length, one)));
  kir_val split_extents[2] = {0, lk_dim(&g->lk, piece_count)}, at[2];
  lk_split(&g->lk, kir_task(&g->lk.b), split_extents, 2, at);
  const kir_val first = kir_mul(&g->lk.b, at[0], lk_dim(&g->lk, block));
  const kir_val end = kir_scalar2(&g->lk.b, AICC_OP_MIN,
                                  kir_add(&g->lk.b, first, lk_dim(&g->lk, block)),
                                  lk_dim(&g->lk, rows));
  const kir_val row = lk_for(&g->lk, KIR_SERIAL, first, end);
  lk_split(&g->lk, row, extents, kept_count, parts);
  for (int i = 0; i < kept_count; i++) {
    g->index[kept[i]] = parts[i];
  }
  if (pieces) {
    const kir_val from = kir_mul(&g->lk.b, at[1], lk_i64(&g->lk, piece));
    const kir_val to = kir_scalar2(&g->lk.b, AICC_OP_MIN,
                                   kir_add(&g->lk.b, from, lk_i64(&g->lk, piece)),
                                   lk_dim(&g->lk, inner));
    g->index[g->lane_dim] = lk_for(&g->lk, KIR_LANES, from, to);
  }
  row_body(g);
  if (pieces) {
    lk_end(&g->lk);
  }
  lk_end(&g->lk);
  const aicc_dim grid = aicc_dim_mul(dims, piece_count, aicc_dim_ceildiv(dims, rows, block));
  row_launch(g, aicc_dim_mul(dims, rows, inner), grid, length);
}

void aicc_lower_row(aicc_lower *lw, aicc_node *group) {
  row_group g = {.lw = lw, .node = group, .body = group->regions[0]};
  for (int i = 0; i < group->out_count; i++) {
    aicc_lower_result(lw, group->out[i]);
  }
  find_shape(&g);
  (lw->machine->kind == AICC_MACHINE_GPU ? row_gpu_kernels : cpu_kernel)(&g);
}
