// Maps on a GPU that transpose an operand whose elements lie side by side along another dimension
// than the result's: a block of warps brings a square tile of it through shared memory, so that
// both sides are read and written in the order of memory.
#include <string.h>

#include "passes/lower_map.h"

enum { LEAST_SIDE = 16 };

// Neighbouring dimensions of the result that are neighbours in the operand too.
typedef struct run {
  int first, last;  // dimensions of the result
  aicc_dim size;
} run;

typedef struct tile_map {
  lower_kernel lk;
  const aicc_value *value;   // what is stored
  const aicc_node *turned;   // the transpose
  const map_target *to;
  run inner;                 // ends with the result's last dimension
  run other;                 // ends where the operand's last dimension went
  int outer[AICC_MAX_RANK], outer_count;
  kir_val index[AICC_MAX_RANK];
  kir_val warp, lane, first_inner, first_other;
  int side, warps;
} tile_map;

// Whether |value| is read nowhere in the group but at the index of the element that is stored.
static bool is_direct(const aicc_region *group, const aicc_value *value, const aicc_value *root,
                      int depth) {
  enum { MAX_DEPTH = 16 };
  const aicc_type *type = &value->type;
  if (depth == MAX_DEPTH || type->rank != root->type.rank ||
      memcmp(type->dims, root->type.dims, (size_t)type->rank * sizeof *type->dims) != 0) {
    return false;
  }
  bool direct = true;
  for (const aicc_node *node = group->first; node && value != root && direct; node = node->next) {
    for (int i = 0; i < node->in_count; i++) {
      direct &= node->in[i] != value || (aicc_kind_of(node) == AICC_KIND_ELTWISE &&
                                         is_direct(group, node->out[0], root, depth + 1));
    }
  }
  return direct;
}

static const aicc_node *find_turned(const aicc_region *group, const aicc_value *root) {
  for (const aicc_node *node = group->first; node; node = node->next) {
    const aicc_node *def = node->op == AICC_OP_TRANSPOSE ? node->in[0]->def : NULL;
    const bool outside = node->op == AICC_OP_TRANSPOSE && !(def && def->parent == group);
    int rank = 0;
    const int64_t *perm = outside ? aicc_get_ints(node, AICC_ATTR_PERM, &rank) : NULL;
    if (rank > 1 && perm[rank - 1] != rank - 1 && is_direct(group, node->out[0], root, 0)) {
      return node;
    }
  }
  return NULL;
}

// The run that ends with dimension |last|, as far as it reaches without dimension |stop|.
static run find_run(aicc_dims *dims, const aicc_node *turned, int last, int stop) {
  int rank;
  const int64_t *perm = aicc_get_ints(turned, AICC_ATTR_PERM, &rank);
  const aicc_type *type = &turned->out[0]->type;
  run r = {.first = last, .last = last, .size = type->dims[last]};
  while (r.first > 0 && r.first - 1 != stop && perm[r.first - 1] == perm[r.first] - 1) {
    r.first--;
    r.size = aicc_dim_mul(dims, r.size, type->dims[r.first]);
  }
  return r;
}

static bool is_long(const aicc_dims *dims, aicc_dim size) {
  int64_t value;
  return !aicc_dim_is_const(dims, size, &value) || value >= LEAST_SIDE;
}

static void set_run(tile_map *m, const run *r, kir_val at) {
  kir_val extents[AICC_MAX_RANK], parts[AICC_MAX_RANK];
  for (int d = r->first; d <= r->last; d++) {
    extents[d - r->first] = d > r->first ? lk_dim(&m->lk, m->value->type.dims[d]) : 0;
  }
  lk_split(&m->lk, at, extents, r->last - r->first + 1, parts);
  for (int d = r->first; d <= r->last; d++) {
    m->index[d] = parts[d - r->first];
  }
}

// The element at |inner|, |other| in the tile; sets the guard under which it exists.
static void set_place(tile_map *m, kir_val inner, kir_val other) {
  lower_kernel *lk = &m->lk;
  const kir_val i = kir_add(&lk->b, m->first_inner, inner);
  const kir_val j = kir_add(&lk->b, m->first_other, other);
  lk->guard = kir_scalar2(&lk->b, AICC_OP_AND,
                          kir_scalar2(&lk->b, AICC_OP_LT, i, lk_dim(lk, m->inner.size)),
                          kir_scalar2(&lk->b, AICC_OP_LT, j, lk_dim(lk, m->other.size)));
  set_run(m, &m->inner, i);
  set_run(m, &m->other, j);
}

static void fill_and_drain(tile_map *m) {
  lower_kernel *lk = &m->lk;
  kir_builder *b = &lk->b;
  const aicc_value *turned = m->turned->out[0];
  const int pitch = m->side + 1;  // lanes that go down a column meet different banks
  const kir_val tile = kir_local(b, lk_compute_type(turned->type.dtype),
                                 (int64_t)m->side * pitch);
  for (int row = 0; row < m->side; row += m->warps) {
    const size_t mark = lk_mark(lk);
    const kir_val inner = kir_add(b, m->warp, lk_i64(lk, row));
    set_place(m, inner, m->lane);
    kir_store(b, tile, kir_add(b, kir_mul(b, inner, lk_i64(lk, pitch)), m->lane),
              lk_elem(lk, turned, m->index));
    lk_forget(lk, mark);
  }
  kir_barrier(b);
  for (int row = 0; row < m->side; row += m->warps) {
    const size_t mark = lk_mark(lk);
    const kir_val other = kir_add(b, m->warp, lk_i64(lk, row));
    set_place(m, m->lane, other);
    const kir_val at = kir_add(b, kir_mul(b, m->lane, lk_i64(lk, pitch)), other);
    lk_bind(lk, turned, kir_load(b, tile, at));
    map_store(lk, m->to, m->value, m->index);
    lk_forget(lk, mark);
  }
  lk->guard = 0;
}

static void place_task(tile_map *m) {
  lower_kernel *lk = &m->lk;
  kir_builder *b = &lk->b;
  aicc_dims *dims = lk->lw->module->dims;
  const aicc_dim side = aicc_dim_const(dims, m->side);
  const aicc_dim across = aicc_dim_ceildiv(dims, m->inner.size, side);
  const aicc_dim down = aicc_dim_ceildiv(dims, m->other.size, side);
  aicc_dim tasks = aicc_dim_mul(dims, across, down);
  kir_val extents[AICC_MAX_RANK + 2], at[AICC_MAX_RANK + 2];
  for (int i = 0; i < m->outer_count; i++) {
    const aicc_dim size = m->value->type.dims[m->outer[i]];
    extents[i] = i > 0 ? lk_dim(lk, size) : 0;
    tasks = aicc_dim_mul(dims, tasks, size);
  }
  extents[m->outer_count] = lk_dim(lk, across);
  extents[m->outer_count + 1] = lk_dim(lk, down);
  lk_split(lk, kir_task(b), extents, m->outer_count + 2, at);
  for (int i = 0; i < m->outer_count; i++) {
    m->index[m->outer[i]] = at[i];
  }
  m->first_inner = kir_mul(b, at[m->outer_count], lk_i64(lk, m->side));
  m->first_other = kir_mul(b, at[m->outer_count + 1], lk_i64(lk, m->side));
  m->warp = kir_warp(b);
  m->lane = kir_lane(b);
  fill_and_drain(m);
  const aicc_dim total = aicc_dim_product(dims, m->value->type.dims, m->value->type.rank);
  lk_launch(lk, tasks,
            aicc_dim_floordiv(
                dims, aicc_dim_mul(dims, total, aicc_dim_const(dims, map_cost(lk->lw, lk->group))),
                aicc_dim_const(dims, 64)));
}

static bool find_shape(tile_map *m, aicc_lower *lw, const aicc_region *group) {
  aicc_dims *dims = lw->module->dims;
  m->turned = find_turned(group, m->value);
  if (!m->turned || aicc_dtype_kind_of(m->turned->out[0]->type.dtype) > AICC_KIND_FLOAT8) {
    return false;
  }
  int rank, other = 0;
  const int64_t *perm = aicc_get_ints(m->turned, AICC_ATTR_PERM, &rank);
  while (perm[other] != rank - 1) {
    other++;
  }
  m->inner = find_run(dims, m->turned, rank - 1, other);
  m->other = find_run(dims, m->turned, other, -1);
  for (int i = 0; i < rank; i++) {
    const bool taken = (i >= m->inner.first && i <= m->inner.last) ||
                       (i >= m->other.first && i <= m->other.last);
    if (!taken) {
      m->outer[m->outer_count++] = i;
    }
  }
  return is_long(dims, m->inner.size) && is_long(dims, m->other.size);
}

bool map_gpu_tile(aicc_lower *lw, aicc_node *group, const aicc_value *value,
                  const map_target *to, const char *name) {
  tile_map m = {.value = value, .to = to, .side = lw->machine->width,
                .warps = lw->machine->warps_max < 8 ? lw->machine->warps_max : 8};
  if (m.warps < 2 || !find_shape(&m, lw, group->regions[0])) {
    return false;
  }
  lk_begin(&m.lk, lw, name, "map", group);
  m.lk.kernel->warps = m.warps;
  m.lk.schedule = "tile";
  for (int i = 0; i < AICC_MAX_RANK; i++) {
    m.index[i] = lk_i64(&m.lk, 0);
  }
  place_task(&m);
  return true;
}
