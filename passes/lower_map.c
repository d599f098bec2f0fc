// Map groups: every element of one result by itself.
//
// The result's dimensions are merged where all operands allow it; lanes run over one of them, tasks
// over blocks of the rest. A concatenation at the root becomes one kernel per operand, each writing
// its part of the result.
#include <string.h>

#include "passes/fuse.h"
#include "passes/lower_map.h"
#include "passes/schedule_map.h"

enum { TASK_ELEMENTS = 16384 };

// Whether original dimensions i and i + 1 may be one: each operand has both or neither.
static bool mergeable(const lower_kernel *lk, const aicc_type *root, int i) {
  const aicc_dims *dims = lk->lw->module->dims;
  for (const aicc_node *node = lk->group->first; node; node = node->next) {
    if (aicc_kind_of(node) != AICC_KIND_ELTWISE) {
      return false;
    }
    for (int k = 0; k < node->in_count; k++) {
      const aicc_type *type = &node->in[k]->type;
      const aicc_node *def = node->in[k]->def;
      const int a = i - (root->rank - type->rank), b = a + 1;
      const bool has_a = a >= 0 && !aicc_dim_is(dims, type->dims[a], 1);
      const bool has_b = b >= 0 && !aicc_dim_is(dims, type->dims[b], 1);
      const bool full = has_a && has_b && type->dims[a] == root->dims[i] &&
                        type->dims[b] == root->dims[i + 1];
      const bool source = def && def->op == AICC_OP_FROM_DIMS && def->out[0]->type.rank > 0;
      if ((has_a || has_b) && (!full || source)) {
        return false;
      }
    }
  }
  return true;
}

map_space map_make_space(const lower_kernel *lk, const aicc_type *root) {
  aicc_dims *dims = lk->lw->module->dims;
  map_space s = {0};
  for (int i = 0; i < root->rank; i++) {
    if (aicc_dim_is(dims, root->dims[i], 1)) {
      continue;
    }
    // Dimensions of extent 1 between two others do not keep them apart.
    const bool merge = s.rank > 0 && s.origin[s.rank - 1] == i - 1 && mergeable(lk, root, i - 1);
    if (merge) {
      s.dims[s.rank - 1] = aicc_dim_mul(dims, s.dims[s.rank - 1], root->dims[i]);
      s.origin[s.rank - 1] = i;
    } else {
      s.dims[s.rank] = root->dims[i];
      s.origin[s.rank++] = i;
    }
  }
  return s;
}

// The iterated dimension that lanes run over: the innermost that fills them, else the largest.
static int lane_dim(const lower_kernel *lk, const map_space *s) {
  int best = s->rank - 1;
  int64_t best_extent = -1;
  for (int i = s->rank - 1; i >= 0; i--) {
    int64_t extent;
    if (!aicc_dim_is_const(lk->lw->module->dims, s->dims[i], &extent)) {
      extent = lk->kernel->width;  // most symbols are long enough
    }
    if (extent >= lk->kernel->width || (i == s->rank - 1 && 2 * extent >= lk->kernel->width)) {
      return i;
    }
    if (extent > best_extent) {
      best = i;
      best_extent = extent;
    }
  }
  return best;
}

void map_store(lower_kernel *lk, const map_target *to, const aicc_value *value,
               const kir_val *index) {
  kir_val place[AICC_MAX_RANK];
  memcpy(place, index, (size_t)to->type->rank * sizeof *place);
  if (to->offset) {
    place[to->axis] = kir_add(&lk->b, place[to->axis], lk_dim(lk, to->offset));
  }
  const kir_val result = lk_elem(lk, value, index);
  lk_vector_store(lk, lk_buffer(lk, to->slot, KIR_WRITE), to->type->dtype,
                  lk_linear(lk, to->type, place), result);
}

static aicc_dim ceil_blocks(aicc_dims *dims, aicc_dim count, aicc_dim block) {
  return aicc_dim_ceildiv(dims, count, block);
}

int map_cost(const aicc_lower *lw, const aicc_region *group) {
  int cost = 4;
  for (const aicc_node *node = group->first; node; node = node->next) {
    cost += aicc_fuse_element_cost(lw->module, node);
  }
  return cost;
}

// What a task computes on a CPU: what was asked for, or the usual.
static int task_elements(const aicc_node *group) {
  const char *forced = aicc_get_string(group, AICC_ATTR_SCHEDULE, NULL);
  aicc_map_schedule s;
  return forced && aicc_map_schedule_parse(forced, &s) && s.task > 0 ? s.task : TASK_ELEMENTS;
}

static void cpu_kernel(aicc_lower *lw, aicc_node *group, const aicc_value *value,
                       const map_target *to, const char *name) {
  aicc_dims *dims = lw->module->dims;
  const aicc_map_schedule schedule = {.task = task_elements(group)};
  lower_kernel lk;
  lk_begin(&lk, lw, name, "map", group);
  lk.schedule = aicc_map_schedule_print(&schedule, &lw->plan->arena);
  const map_space s = map_make_space(&lk, &value->type);
  const int lanes = s.rank ? lane_dim(&lk, &s) : 0;
  const aicc_dim one = aicc_dim_const(dims, 1);
  const aicc_dim inner = s.rank ? s.dims[lanes] : one;
  aicc_dim rows = one;
  int outer_rank = 0, outer[AICC_MAX_RANK];
  kir_val extents[AICC_MAX_RANK];
  for (int i = 0; i < s.rank; i++) {
    if (i != lanes) {
      rows = aicc_dim_mul(dims, rows, s.dims[i]);
      extents[outer_rank] = lk_dim(&lk, s.dims[i]);
      outer[outer_rank++] = s.origin[i];
    }
  }
  const int chunk = aicc_dim_is(dims, rows, 1) ? schedule.task : 2 * schedule.task;
  const aicc_dim chunks = ceil_blocks(dims, inner, aicc_dim_const(dims, chunk));
  const aicc_dim row_block = aicc_dim_max(
      dims, one, aicc_dim_floordiv(dims, aicc_dim_const(dims, schedule.task),
                                   aicc_dim_max(dims, inner, one)));
  const kir_val task = kir_task(&lk.b);
  kir_val extents2[2] = {0, lk_dim(&lk, chunks)}, at[2];
  lk_split(&lk, task, extents2, 2, at);
  const kir_val first_row = kir_mul(&lk.b, at[0], lk_dim(&lk, row_block));
  const kir_val end_row = kir_scalar2(&lk.b, AICC_OP_MIN,
                                      kir_add(&lk.b, first_row, lk_dim(&lk, row_block)),
                                      lk_dim(&lk, rows));
  const kir_val from = kir_mul(&lk.b, at[1], lk_i64(&lk, chunk));
  const kir_val end = kir_scalar2(&lk.b, AICC_OP_MIN, kir_add(&lk.b, from, lk_i64(&lk, chunk)),
                                  lk_dim(&lk, inner));
  const kir_val row = lk_for(&lk, KIR_SERIAL, first_row, end_row);
  kir_val index[AICC_MAX_RANK], parts[AICC_MAX_RANK];
  for (int i = 0; i < AICC_MAX_RANK; i++) {
    index[i] = lk_i64(&lk, 0);
  }
  lk_split(&lk, row, extents, outer_rank, parts);
  for (int i = 0; i < outer_rank; i++) {
    index[outer[i]] = parts[i];
  }
  const kir_val j = lk_for(&lk, KIR_LANES, from, end);
  if (s.rank) {
    index[s.origin[lanes]] = j;
  }
  map_store(&lk, to, value, index);
  lk_end(&lk);
  lk_end(&lk);
  const aicc_dim grid =
      aicc_dim_mul(dims, chunks, ceil_blocks(dims, rows, row_block));
  const aicc_dim work = aicc_dim_mul(dims, aicc_dim_mul(dims, rows, inner),
                                     aicc_dim_const(dims, map_cost(lw, lk.group)));
  lk_launch(&lk, grid, aicc_dim_floordiv(dims, work, aicc_dim_const(dims, 64)));
}

static void map_kernel(aicc_lower *lw, aicc_node *group, const aicc_value *value,
                       const map_target *to, const char *name) {
  const bool gpu = lw->machine->kind == AICC_MACHINE_GPU;
  (gpu ? map_gpu_kernel : cpu_kernel)(lw, group, value, to, name);
}

static const char *kernel_name(aicc_lower *lw, const aicc_node *group, const aicc_node *root) {
  return aicc_arena_printf(&lw->plan->arena, "%s_%u", aicc_op_table[root->op].name, group->id);
}

void aicc_lower_map(aicc_lower *lw, aicc_node *group) {
  const aicc_region *body = group->regions[0];
  const aicc_value *root = body->results[0];
  const char *name = kernel_name(lw, group, root->def);
  const aicc_slot slot = aicc_lower_result(lw, group->out[0]);
  map_target to = {.slot = slot, .type = &root->type};
  if (root->def->op != AICC_OP_CONCAT) {
    map_kernel(lw, group, root, &to, name);
    return;
  }
  aicc_dims *dims = lw->module->dims;
  to.axis = (int)aicc_get_int(root->def, AICC_ATTR_AXIS, 0);
  to.offset = aicc_dim_const(dims, 0);
  for (int i = 0; i < root->def->in_count; i++) {
    const aicc_value *part = root->def->in[i];
    if (!aicc_dim_is(dims, part->type.dims[to.axis], 0)) {
      map_kernel(lw, group, part, &to, name);
    }
    to.offset = aicc_dim_add(dims, to.offset, part->type.dims[to.axis]);
  }
}
