// Makers of operators that move elements.
#include <string.h>

#include "random/generator.h"

static aicc_value *make_transpose(generator *g) {
  aicc_value *x = rp_pick(g);
  int64_t perm[AICC_MAX_RANK];
  for (int i = 0; i < x->type.rank; i++) {
    const int64_t at = rp_below(&g->r, i + 1);
    perm[i] = perm[at];
    perm[at] = i;
  }
  if (x->type.rank < 2) {
    return NULL;
  }
  return aicc_b_transpose(&g->b, x, perm);
}

// Joins neighbours, splits constants, puts ones in.
static aicc_value *make_reshape(generator *g) {
  aicc_value *x = rp_pick(g);
  aicc_dim dims[AICC_MAX_RANK];
  int rank = 0;
  for (int i = 0; i < x->type.rank && rank < 6; i++) {
    int64_t size = 0;
    const int64_t part = 2 + rp_below(&g->r, 3);
    if (rp_chance(&g->r, 12)) {
      dims[rank++] = gconst(g, 1);
    }
    if (rank > 0 && rp_chance(&g->r, 35)) {
      dims[rank - 1] = aicc_dim_mul(gd(g), dims[rank - 1], x->type.dims[i]);
    } else if (aicc_dim_is_const(gd(g), x->type.dims[i], &size) && size > part &&
               size % part == 0 && rp_chance(&g->r, 50)) {
      dims[rank++] = gconst(g, part);
      dims[rank++] = gconst(g, size / part);
    } else if (!aicc_dim_is(gd(g), x->type.dims[i], 1) || rp_chance(&g->r, 50)) {
      dims[rank++] = x->type.dims[i];
    }
  }
  if (aicc_dim_product(gd(g), dims, rank) != aicc_type_count(g->module, &x->type)) {
    return NULL;
  }
  return aicc_b_reshape(&g->b, x, dims, rank);
}

static aicc_value *make_broadcast(generator *g) {
  aicc_value *x = rp_pick(g);
  aicc_dim dims[AICC_MAX_RANK];
  int rank = 0;
  const int more = (int)rp_below(&g->r, 3);
  for (; rank < more; rank++) {
    dims[rank] = gconst(g, rp_some_extent(g));
  }
  for (int i = 0; i < x->type.rank; i++) {
    const bool one = aicc_dim_is(gd(g), x->type.dims[i], 1);
    dims[rank++] = one ? gconst(g, rp_some_extent(g)) : x->type.dims[i];
  }
  return rank <= 6 && rp_small(g, dims, rank) ? aicc_b_broadcast(&g->b, x, dims, rank) : NULL;
}

// One axis of a slice: forwards or backwards, whole or in part.
static void slice_axis(generator *g, aicc_dim dim, aicc_dim *start, int64_t *step, aicc_dim *size) {
  int64_t extent = 0;
  *step = 1;
  *start = gconst(g, 0);
  *size = dim;
  if (!aicc_dim_is_const(gd(g), dim, &extent)) {
    const int64_t kind = rp_below(&g->r, 5);
    if (kind == 0) {  // backwards
      *start = aicc_dim_sub(gd(g), dim, gconst(g, 1));
      *step = -1;
    } else if (kind == 1) {  // all but the first
      *start = aicc_dim_min(gd(g), dim, gconst(g, 1));
      *size = aicc_dim_sub(gd(g), dim, *start);
    } else if (kind == 2) {  // every second
      *step = 2;
      *size = aicc_dim_ceildiv(gd(g), dim, gconst(g, 2));
    }
    return;
  }
  const int64_t steps[] = {1, 1, 1, 2, 3, -1, -2};
  *step = steps[rp_below(&g->r, 7)];
  if (extent == 0 || rp_chance(&g->r, 35)) {
    *step = 1;
    return;
  }
  const int64_t first = rp_below(&g->r, extent);
  const int64_t room = *step > 0 ? extent - 1 - first : first;
  const int64_t most = room / (*step > 0 ? *step : -*step) + 1;
  *start = gconst(g, first);
  *size = gconst(g, rp_chance(&g->r, 5) ? 0 : 1 + rp_below(&g->r, most));
}

static aicc_value *make_slice(generator *g) {
  aicc_value *x = rp_pick(g);
  aicc_dim starts[AICC_MAX_RANK], sizes[AICC_MAX_RANK];
  int64_t steps[AICC_MAX_RANK];
  for (int i = 0; i < x->type.rank; i++) {
    slice_axis(g, x->type.dims[i], &starts[i], &steps[i], &sizes[i]);
  }
  return aicc_b_slices(&g->b, x, starts, steps, sizes);
}

static aicc_value *make_pad(generator *g) {
  static const char *const modes[] = {"constant", "constant", "reflect", "edge", "wrap"};
  aicc_value *x = rp_pick(g);
  const char *mode = modes[rp_below(&g->r, 5)];
  const bool constant = mode[0] == 'c';
  aicc_dim low[AICC_MAX_RANK], high[AICC_MAX_RANK], dims[AICC_MAX_RANK];
  for (int i = 0; i < x->type.rank; i++) {
    int64_t least, most, by[2];
    if (!rp_dim_range(g, x->type.dims[i], &least, &most)) {
      return NULL;
    }
    for (int side = 0; side < 2; side++) {
      const int64_t limit = constant ? 4 : least < 4 ? least : 4;
      by[side] = limit > 0 && rp_chance(&g->r, 50) ? rp_below(&g->r, limit) : 0;
      by[side] = constant && least >= 2 && rp_chance(&g->r, 12) ? -1 : by[side];
    }
    low[i] = gconst(g, by[0]);
    high[i] = gconst(g, by[1]);
    dims[i] = aicc_dim_add(gd(g), x->type.dims[i], gconst(g, by[0] + by[1]));
  }
  if (x->type.rank == 0 || !rp_small(g, dims, x->type.rank)) {
    return NULL;
  }
  aicc_value *fill = constant ? rp_leaf(g, x->type.dtype, NULL, 0) : NULL;
  return aicc_b_pad(&g->b, x, fill, low, high, mode);
}

static aicc_value *make_concat(generator *g) {
  aicc_value *x = rp_pick(g), *items[4] = {x};
  if (x->type.rank == 0) {
    return NULL;
  }
  const int axis = (int)rp_below(&g->r, x->type.rank), count = 2 + (int)rp_below(&g->r, 3);
  for (int i = 1; i < count; i++) {
    aicc_dim dims[AICC_MAX_RANK];
    memcpy(dims, x->type.dims, sizeof *dims * (size_t)x->type.rank);
    dims[axis] = rp_chance(&g->r, 50) ? gconst(g, rp_some_extent(g)) : dims[axis];
    items[i] = rp_chance(&g->r, 30) ? x : rp_leaf(g, x->type.dtype, dims, x->type.rank);
  }
  const int64_t at = rp_below(&g->r, count);
  items[0] = items[at];
  items[at] = x;
  return aicc_b_concat(&g->b, items, count, axis);
}

static int some_dims(generator *g, aicc_dim *dims, int most) {
  const int rank = (int)rp_below(&g->r, most + 1);
  for (int i = 0; i < rank; i++) {
    dims[i] = gconst(g, 1 + rp_below(&g->r, 5));
  }
  return rank;
}

static aicc_value *make_gather(generator *g) {
  aicc_value *x = rp_pick(g);
  aicc_dim dims[AICC_MAX_RANK];
  if (x->type.rank == 0) {
    return NULL;
  }
  const int axis = (int)rp_below(&g->r, x->type.rank), rank = some_dims(g, dims, 2);
  aicc_value *indices = rp_indices(g, dims, rank, x->type.dims[axis]);
  return aicc_b_gather(&g->b, x, indices, axis);
}

static aicc_value *make_gather_elements(generator *g) {
  aicc_value *x = rp_pick(g);
  aicc_dim dims[AICC_MAX_RANK];
  if (x->type.rank == 0) {
    return NULL;
  }
  const int axis = (int)rp_below(&g->r, x->type.rank);
  memcpy(dims, x->type.dims, sizeof *dims * (size_t)x->type.rank);
  dims[axis] = gconst(g, 1 + rp_below(&g->r, 6));
  aicc_value *const in[] = {x, rp_indices(g, dims, x->type.rank, x->type.dims[axis])};
  if (!in[1]) {
    return NULL;
  }
  aicc_node *node = aicc_node_create(g->module, AICC_OP_GATHER_ELEMENTS, in, 2, 1);
  aicc_set_int(g->module, node, AICC_ATTR_AXIS, axis);
  return aicc_b_finish(&g->b, node);
}

static aicc_value *make_gather_nd(generator *g) {
  aicc_value *x = rp_pick(g);
  if (x->type.rank == 0) {
    return NULL;
  }
  aicc_dim dims[AICC_MAX_RANK];
  int64_t least, most, depth = 1 + rp_below(&g->r, x->type.rank), limit = 100;
  for (int i = 0; i < depth; i++) {
    if (!rp_dim_range(g, x->type.dims[i], &least, &most)) {
      return NULL;
    }
    limit = least < limit ? least : limit;  // one limit for all columns
  }
  const int rank = some_dims(g, dims, 2);
  dims[rank] = gconst(g, depth);
  aicc_value *indices = rp_indices(g, dims, rank + 1, gconst(g, limit));
  if (!indices || limit == 0) {
    return NULL;
  }
  aicc_value *const in[] = {x, aicc_b_unary(&g->b, AICC_OP_ABS, indices)};
  // abs keeps -limit .. -1 below limit + 1: taken modulo once more where limit itself may come out.
  aicc_value *top = aicc_b_scalar_i64(&g->b, indices->type.dtype, limit);
  aicc_value *const both[] = {x, aicc_b_binary(&g->b, AICC_OP_MOD, in[1], top)};
  aicc_node *node = aicc_node_create(g->module, AICC_OP_GATHER_ND, both, 2, 1);
  aicc_set_int(g->module, node, AICC_ATTR_BATCH_DIMS, 0);
  return aicc_b_finish(&g->b, node);
}

static aicc_value *make_leaf(generator *g) {
  aicc_dim dims[3] = {gconst(g, rp_some_extent(g)), gconst(g, rp_some_extent(g)),
                      gconst(g, rp_some_extent(g))};
  const int rank = (int)rp_below(&g->r, 4);
  if (!rp_small(g, dims, rank)) {
    return NULL;
  }
  return rank && rp_chance(&g->r, 40)
             ? aicc_b_iota(&g->b, rp_chance(&g->r, 50) ? AICC_I64 : AICC_I32, dims, rank,
                           (int)rp_below(&g->r, rank))
             : rp_constant(g, rp_some_dtype(g),
                           (int64_t[]){rp_below(&g->r, 9), 1 + rp_below(&g->r, 9)}, rank ? 2 : 0);
}

// The sizes of a value, as data.
static aicc_value *make_sizes(generator *g) {
  aicc_value *x = rp_pick(g);
  return x->type.rank ? aicc_b_from_dims(&g->b, x->type.dims, x->type.rank) : NULL;
}

const rp_maker rp_move_makers[] = {
    make_transpose, make_transpose, make_reshape, make_reshape, make_broadcast,
    make_slice, make_slice, make_pad, make_concat, make_gather, make_gather_elements,
    make_gather_nd, make_leaf, make_sizes,
};
const int rp_move_maker_count = sizeof rp_move_makers / sizeof *rp_move_makers;
