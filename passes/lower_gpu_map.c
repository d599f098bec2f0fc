// Map groups on a GPU: lanes run over the result's elements in the order of memory, several
// neighbouring ones each, so that a warp writes (and reads, where an operand lies in the same
// order) 16 bytes a lane.
//
// A lane's elements share the index along all dimensions but the last, whose size they divide;
// where the result is one dimension after merging, any size will do, and a second loop takes what
// is left.
#include <string.h>

#include "passes/fuse.h"
#include "passes/lower_map.h"
#include "passes/schedule_map.h"

enum { TASK_ROUNDS = 4 };

typedef struct gpu_map {
  lower_kernel lk;
  map_space space;
  aicc_map_schedule schedule;
  const aicc_value *value;
  const map_target *to;
  aicc_dim total;  // elements
} gpu_map;

// The copies of the elements of vector number |at| (of element |at| where |count| is 1).
static void elements(gpu_map *m, kir_val at, int count, const kir_val *extents) {
  lower_kernel *lk = &m->lk;
  const int rank = m->space.rank;
  kir_val index[AICC_MAX_RANK], parts[AICC_MAX_RANK] = {0};
  for (int i = 0; i < AICC_MAX_RANK; i++) {
    index[i] = lk_i64(lk, 0);
  }
  lk_split(lk, at, extents, rank, parts);
  for (int i = 0; i < rank; i++) {
    index[m->space.origin[i]] = parts[i];
  }
  if (count == 1) {
    map_store(lk, m->to, m->value, index);
    return;
  }
  lk_vector vector;
  const kir_val place = kir_mul(&lk->b, parts[rank - 1], lk_i64(lk, count));
  lk_vector_begin(lk, &vector, count, place);
  for (int copy = 0; copy < count; copy++) {
    index[m->space.origin[rank - 1]] = kir_add(&lk->b, place, lk_i64(lk, copy));
    lk_vector_copy(lk, copy);
    map_store(lk, m->to, m->value, index);
  }
  lk_vector_end(lk);
}

static void lanes_loop(gpu_map *m, kir_val from, kir_val to, int count, const kir_val *extents) {
  const size_t mark = lk_mark(&m->lk);
  const kir_val at = lk_for(&m->lk, KIR_LANES, from, to);
  elements(m, at, count, extents);
  lk_end(&m->lk);
  lk_forget(&m->lk, mark);
}

// One task: |round| vectors, and behind the last of them the elements that make no vector.
static aicc_dim body(gpu_map *m) {
  lower_kernel *lk = &m->lk;
  aicc_dims *dims = lk->lw->module->dims;
  const int count = m->schedule.vector, rank = m->space.rank;
  const aicc_dim vectors = aicc_dim_floordiv(dims, m->total, aicc_dim_const(dims, count));
  const aicc_dim round = aicc_dim_const(dims, m->schedule.task / count);
  kir_val extents[AICC_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    const aicc_dim size = i == rank - 1 ? aicc_dim_floordiv(dims, m->space.dims[i],
                                                            aicc_dim_const(dims, count))
                                        : m->space.dims[i];
    extents[i] = i > 0 ? lk_dim(lk, size) : 0;
  }
  const kir_val from = kir_mul(&lk->b, kir_task(&lk->b), lk_dim(lk, round));
  const kir_val to = kir_scalar2(&lk->b, AICC_OP_MIN, kir_add(&lk->b, from, lk_dim(lk, round)),
                                 lk_dim(lk, vectors));
  lanes_loop(m, from, to, count, extents);
  const aicc_dim tasks = aicc_dim_ceildiv(dims, vectors, round);
  if (count == 1 || aicc_dim_divisible(dims, m->total, count)) {
    return tasks;
  }
  const kir_val last = kir_scalar2(&lk->b, AICC_OP_EQ, to, lk_dim(lk, vectors));
  kir_if(&lk->b, last);
  lanes_loop(m, kir_mul(&lk->b, lk_dim(lk, vectors), lk_i64(lk, count)), lk_dim(lk, m->total), 1,
             extents);
  kir_end(&lk->b);
  return aicc_dim_max(dims, tasks, aicc_dim_min(dims, m->total, aicc_dim_const(dims, 1)));
}

// Small reductions (pooling) are loops, in which nothing wide is loaded: neighbouring lanes had
// better read neighbouring elements.
static bool has_loops(const aicc_region *group) {
  for (const aicc_node *node = group->first; node; node = node->next) {
    if (aicc_kind_of(node) == AICC_KIND_REDUCE) {
      return true;
    }
  }
  return false;
}

void map_gpu_kernel(aicc_lower *lw, aicc_node *group, const aicc_value *value,
                    const map_target *to, const char *name) {
  aicc_dims *dims = lw->module->dims;
  gpu_map m = {.value = value, .to = to, .total = aicc_dim_const(dims, 1)};
  const char *forced = aicc_get_string(group, AICC_ATTR_SCHEDULE, NULL);
  const bool given = forced && aicc_map_schedule_parse(forced, &m.schedule);
  if ((!given || m.schedule.tile) && map_gpu_tile(lw, group, value, to, name)) {
    return;
  }
  lk_begin(&m.lk, lw, name, "map", group);
  m.space = map_make_space(&m.lk, &value->type);
  for (int i = 0; i < m.space.rank; i++) {
    m.total = aicc_dim_mul(dims, m.total, m.space.dims[i]);
  }
  // One dimension may end anywhere; of several the last is whole vectors.
  const aicc_dim last = m.space.rank > 1 ? m.space.dims[m.space.rank - 1] : 0;
  const int most = m.space.rank == 0 || has_loops(m.lk.group)
                       ? 1
                       : lk_vector_choose(&m.lk, to->type->dtype, last,
                                                        map_cost(lw, m.lk.group));
  if (!given || m.schedule.tile || m.schedule.vector == 0) {
    m.schedule = (aicc_map_schedule){.vector = most};
  }
  // A forced vector that the shape does not allow is the next one that it does.
  m.schedule.vector = m.schedule.vector < most ? m.schedule.vector : most;
  if (m.schedule.task == 0) {
    m.schedule.task = TASK_ROUNDS * lw->machine->width * m.schedule.vector;
  }
  m.lk.schedule = aicc_map_schedule_print(&m.schedule, &lw->plan->arena);
  const aicc_dim tasks = body(&m);
  const aicc_dim work =
      aicc_dim_mul(dims, m.total, aicc_dim_const(dims, map_cost(lw, m.lk.group)));
  lk_launch(&m.lk, tasks, aicc_dim_floordiv(dims, work, aicc_dim_const(dims, 64)));
}
