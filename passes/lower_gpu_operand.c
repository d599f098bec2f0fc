// Operands of a GPU's contraction: where their elements lie, and how many of them a copy may move.
//
// What is loaded is an index map with a stride for every digit. B may be computed in the group:
// seen through transposes it is loaded all the same; for few rows its elements are computed where
// they are used; otherwise it is computed once, into a temporary.
#include <string.h>

#include "passes/gpu_contract.h"

static gc_axis axis_of(int rank) {
  gc_axis axis = {.rank = rank};
  for (int i = 0; i < rank; i++) {
    axis.spatial[i] = -1;
    axis.step[i] = 1;
  }
  return axis;
}

static aicc_dim axis_size(aicc_dims *dims, const gc_axis *axis) {
  return aicc_dim_product(dims, axis->extent, axis->rank);
}

static void plan_a(gc_emit *e) {
  const contract *c = e->c;
  aicc_dims *dims = c->lw->module->dims;
  gc_side *a = &e->a;
  const int places = e->folded ? c->outer_rank : 0;
  a->value = c->a;
  a->from = c->a->type.dtype;
  a->row = axis_of(places + 1);
  for (int i = 0; i < places; i++) {
    a->row.extent[i] = c->outer[i];
    a->row.stride[i] = c->outer_a_stride[i];
  }
  a->row.extent[places] = c->m;
  a->row.stride[places] = c->a_row_stride;
  a->k = axis_of(c->k_rank);
  for (int i = 0; i < c->k_rank; i++) {
    a->k.extent[i] = c->k_extent[i];
    a->k.stride[i] = c->a_k_stride[i];
  }
  for (int i = 0; i < c->padded_rank; i++) {  // rows are (batch, pixel..), k is (tap.., channel)
    a->padded = c;
    a->row.spatial[1 + i] = a->k.spatial[i] = i;
    a->row.step[1 + i] = c->pad_stride[i];
    a->k.step[i] = c->pad_dilation[i];
  }
  a->rows = axis_size(dims, &a->row);
  a->ks = axis_size(dims, &a->k);
  a->tile_rows = e->s->m;
  a->tile_k = e->s->k;
}

// Another view of a value in memory: where each of its dimensions lies in the value's, -1 for one
// of size 1 that is none; and where slices begin, along dimensions of the value.
typedef struct view {
  int rank, begin_count;
  int at[AICC_MAX_RANK];
  int begin_at[4 * AICC_MAX_RANK];
  aicc_dim begin[4 * AICC_MAX_RANK];
} view;

// The same dimensions of more than one element, in the same order: |to| is where each of |out| is
// in |in|.
static bool same_but_units(const aicc_dims *dims, const aicc_type *in, const aicc_type *out,
                           int *to) {
  int k = 0;
  for (int i = 0; i < out->rank; i++) {
    to[i] = -1;
    if (aicc_dim_is(dims, out->dims[i], 1)) {
      continue;
    }
    while (k < in->rank && aicc_dim_is(dims, in->dims[k], 1)) {
      k++;
    }
    if (k == in->rank || in->dims[k] != out->dims[i]) {
      return false;
    }
    to[i] = k++;
  }
  while (k < in->rank && aicc_dim_is(dims, in->dims[k], 1)) {
    k++;
  }
  return k == in->rank;
}

static void view_through(view *v, const int *to) {
  for (int i = 0; i < v->rank; i++) {
    v->at[i] = v->at[i] >= 0 ? to[v->at[i]] : -1;
  }
  for (int i = 0; i < v->begin_count; i++) {
    v->begin_at[i] = v->begin_at[i] >= 0 ? to[v->begin_at[i]] : -1;
  }
}

// From the result of |node| to its operand; false: it is no view of that.
static bool view_step(const gc_emit *e, const aicc_node *node, view *v) {
  const aicc_dims *dims = e->c->lw->module->dims;
  int rank, to[AICC_MAX_RANK];
  if (node->op == AICC_OP_TRANSPOSE) {
    const int64_t *perm = aicc_get_ints(node, AICC_ATTR_PERM, &rank);
    for (int i = 0; i < rank; i++) {
      to[i] = (int)perm[i];
    }
  } else if (node->op == AICC_OP_RESHAPE) {
    if (!same_but_units(dims, &node->in[0]->type, &node->out[0]->type, to)) {
      return false;
    }
  } else if (node->op == AICC_OP_SLICE) {
    const aicc_dim *starts = aicc_get_dims(node, AICC_ATTR_STARTS, &rank);
    const int64_t *steps = aicc_get_ints(node, AICC_ATTR_STEPS, &rank);
    for (int i = 0; i < rank; i++) {
      if (steps[i] != 1 || v->begin_count == 4 * AICC_MAX_RANK) {
        return false;
      }
      to[i] = i;
      v->begin_at[v->begin_count] = i;
      v->begin[v->begin_count++] = starts[i];
    }
    return true;
  } else {
    return false;
  }
  view_through(v, to);
  return true;
}

// Strides of the dimensions of |value|, which is computed in the group, and the number of its first
// element, where it is but another view of |*source|.
static bool view_of(const gc_emit *e, const aicc_value *value, const aicc_value **source,
                    aicc_dim *strides, aicc_dim *first) {
  const aicc_region *body = e->c->group->regions[0];
  aicc_dims *dims = e->c->lw->module->dims;
  view v = {.rank = value->type.rank};
  for (int i = 0; i < v.rank; i++) {
    v.at[i] = i;
  }
  const aicc_value *seen = value;
  for (; seen->def && seen->def->parent == body; seen = seen->def->in[0]) {
    if (!view_step(e, seen->def, &v)) {
      return false;
    }
  }
  aicc_dim unit[AICC_MAX_RANK];
  for (int i = 0; i < seen->type.rank; i++) {
    unit[i] = aicc_dim_product(dims, seen->type.dims + i + 1, seen->type.rank - i - 1);
  }
  for (int i = 0; i < v.rank; i++) {
    strides[i] = v.at[i] >= 0 ? unit[v.at[i]] : aicc_dim_const(dims, 0);
  }
  *first = aicc_dim_const(dims, 0);
  for (int i = 0; i < v.begin_count; i++) {
    if (v.begin_at[i] >= 0) {  // of a size of 1 it is 0
      *first = aicc_dim_add(dims, *first, aicc_dim_mul(dims, v.begin[i], unit[v.begin_at[i]]));
    }
  }
  *source = seen;
  return true;
}

// Strides of B's batches seen from the places: 0 where it broadcasts.
static void batch_strides(gc_emit *e, const aicc_type *type, const aicc_dim *strides) {
  const contract *c = e->c;
  aicc_dims *dims = c->lw->module->dims;
  const aicc_dim zero = aicc_dim_const(dims, 0), one = aicc_dim_const(dims, 1);
  const int missing = c->outer_rank - (type->rank - 2);
  for (int i = 0; i < c->outer_rank; i++) {
    const int k = i - missing;
    e->b.outer_stride[i] =
        k < 0                              ? zero
        : type->dims[k] == c->outer[i]     ? strides[k]
        : aicc_dim_is(dims, type->dims[k], 1)
            ? zero
            : aicc_dim_select(dims, aicc_dim_eq(dims, type->dims[k], one), zero, strides[k]);
  }
}

// A B that is computed in the group.
static void plan_computed(gc_emit *e) {
  gc_side *b = &e->b;
  const aicc_value *value = e->c->b.value;
  const int rank = value->type.rank;
  aicc_dim strides[AICC_MAX_RANK];
  if (view_of(e, value, &b->value, strides, &b->first)) {
    const bool transposed = e->c->b.transposed;
    b->k.stride[0] = strides[transposed ? rank - 1 : rank - 2];
    b->row.stride[0] = strides[transposed ? rank - 2 : rank - 1];
    b->view = true;
    batch_strides(e, &value->type, strides);
    return;
  }
  b->computed = e->m_most <= 2 * (int64_t)e->s->m;
  b->temporary = !b->computed;
}

static void plan_b(gc_emit *e) {
  const contract_b *from = &e->c->b;
  gc_side *b = &e->b;
  b->value = from->value;
  b->from = from->value->type.dtype;
  b->row = axis_of(1);
  b->row.extent[0] = from->n;
  b->row.stride[0] = from->n_stride;
  b->k = axis_of(from->k_rank);
  for (int i = 0; i < from->k_rank; i++) {
    b->k.extent[i] = from->k_extent[i];
    b->k.stride[i] = from->k_stride[i];
  }
  b->rows = from->n;
  b->ks = axis_size(e->c->lw->module->dims, &b->k);
  b->tile_rows = e->s->n;
  b->tile_k = e->s->k;
  if (b->value->def && b->value->def->parent == e->c->group->regions[0]) {
    plan_computed(e);
  }
}

static bool divisible(const gc_emit *e, aicc_dim dim, int64_t by) {
  return aicc_dim_divisible(e->c->lw->module->dims, dim, by);
}

// Whether numbers of |axis| that are multiples of |v| lie at multiples of |v|, apart from |last|
// (the digit whose neighbours are copied together) counting elements.
static bool axis_aligned(const gc_emit *e, const gc_axis *axis, bool last, int v) {
  bool good = true;
  for (int i = 0; i < axis->rank; i++) {
    const bool unit = last && i == axis->rank - 1;
    good = good && divisible(e, unit ? axis->extent[i] : axis->stride[i], v);
  }
  return good && !(last && axis->spatial[axis->rank - 1] >= 0);
}

static bool is_unit(const gc_emit *e, const gc_axis *axis) {
  return aicc_dim_is(e->c->lw->module->dims, axis->stride[axis->rank - 1], 1);
}

// Strides of what is added to rows and k: places, groups, batches.
static bool bases_aligned(const gc_emit *e, const gc_side *side, int v) {
  const contract *c = e->c;
  bool good = true;
  if (side == &e->b) {
    for (int i = 0; i < c->outer_rank && side->view; i++) {
      good = good && divisible(e, side->outer_stride[i], v);
    }
    return good && divisible(e, side->view ? side->first : c->b.batch_stride, v);
  }
  good = divisible(e, c->a_group_stride, v);
  for (int i = 0; i < c->outer_rank; i++) {
    good = good && divisible(e, c->outer_a_stride[i], v);
  }
  for (int i = 0; i < c->padded_rank; i++) {
    good = good && divisible(e, c->pad_pitch[i], v);
  }
  return good;
}

static void plan_vector(gc_emit *e, gc_side *side) {
  const bool along_k = is_unit(e, &side->k), along_rows = is_unit(e, &side->row);
  side->along_k = along_k || !along_rows;
  side->vector = 1;
  if (!along_k && !along_rows) {
    return;
  }
  const gc_axis *along = side->along_k ? &side->k : &side->row;
  const gc_axis *across = side->along_k ? &side->row : &side->k;
  const int extent = side->along_k ? side->tile_k : side->tile_rows;
  for (int v = 16 / (int)aicc_dtype_size(side->from); v > 1; v /= 2) {
    if (v * (int)aicc_dtype_size(side->from) >= 4 && extent % v == 0 &&
        axis_aligned(e, along, true, v) && axis_aligned(e, across, false, v) &&
        bases_aligned(e, side, v)) {
      side->vector = v;
      return;
    }
  }
}

static bool is_constant(const gc_side *side) {
  return side->value->def && side->value->def->op == AICC_OP_CONST && !side->view;
}

// Bytes are fragments only along k: a constant that lies otherwise is packed as lines of k.
static void plan_lines(gc_emit *e) {
  gc_side *b = &e->b;
  aicc_dims *dims = e->c->lw->module->dims;
  if (e->s->kind != AICC_SCHEDULE_MMA || aicc_dtype_size(b->from) > 1 ||
      is_unit(e, &b->k) || !is_constant(b) || !aicc_contract_pack(e->c, 1, &b->pack)) {
    return;
  }
  b->lines = true;
  b->k = axis_of(1);
  b->k.extent[0] = b->ks;
  b->k.stride[0] = aicc_dim_const(dims, 1);
  b->row.stride[0] = b->ks;
}

// A constant whose neighbours cannot be copied together becomes panels of the tile's columns.
static void plan_panels(gc_emit *e) {
  gc_side *b = &e->b;
  aicc_dims *dims = e->c->lw->module->dims;
  const int full = 16 / (int)aicc_dtype_size(b->from);
  const bool bytes = e->s->kind == AICC_SCHEDULE_MMA && full == 16;
  if (b->vector == full || bytes || !is_constant(b) || e->s->n % full != 0 ||
      !aicc_contract_pack(e->c, e->s->n, &b->pack)) {
    return;
  }
  b->panels = true;
  b->vector = full;
  b->along_k = false;
  b->k = axis_of(1);
  b->k.extent[0] = b->ks;
  b->k.stride[0] = aicc_dim_const(dims, e->s->n);
  b->row.stride[0] = aicc_dim_const(dims, 1);
}

void gc_plan_operands(gc_emit *e) {
  e->a = e->b = (gc_side){.vector = 1};
  plan_a(e);
  plan_b(e);
  plan_lines(e);
  plan_vector(e, &e->a);
  plan_vector(e, &e->b);
  plan_panels(e);
}

// --- taking them ---------------------------------------------------------------------------------

// A kernel that computes B, element by element as it lies in its tensor.
static aicc_slot compute_b(gc_emit *e) {
  aicc_lower *lw = e->c->lw;
  aicc_dims *dims = lw->module->dims;
  const aicc_value *value = e->b.value;
  const aicc_type *type = &value->type;
  aicc_dim shape[AICC_MAX_RANK];
  memcpy(shape, type->dims, (size_t)type->rank * sizeof *shape);
  shape[0] = gc_if_run(e, shape[0]);
  const aicc_slot to = aicc_lower_temporary(lw, type->dtype, shape, type->rank, value->name);
  const aicc_dim count = aicc_type_count(lw->module, type);
  const aicc_dim chunk = aicc_dim_const(dims, 16 * e->width);
  lower_kernel lk;
  lk_begin(&lk, lw, aicc_arena_printf(&lw->plan->arena, "operand_%u", e->c->group->id), "map",
           e->c->group);
  const kir_val out = lk_buffer(&lk, to, KIR_WRITE);
  const kir_val from = kir_mul(&lk.b, kir_task(&lk.b), lk_dim(&lk, chunk));
  const kir_val end = kir_scalar2(&lk.b, AICC_OP_MIN, kir_add(&lk.b, from, lk_dim(&lk, chunk)),
                                  lk_dim(&lk, count));
  const kir_val i = lk_for(&lk, KIR_LANES, from, end);
  kir_val extents[AICC_MAX_RANK], index[AICC_MAX_RANK];
  for (int d = 0; d < type->rank; d++) {
    extents[d] = lk_dim(&lk, type->dims[d]);
  }
  lk_split(&lk, i, extents, type->rank, index);
  lk_store(&lk, out, type->dtype, i, lk_elem(&lk, value, index));
  lk_end(&lk);
  gc_launch(e, &lk, aicc_dim_ceildiv(dims, count, chunk),
            aicc_dim_floordiv(dims, count, aicc_dim_const(dims, 4)));
  return to;
}

void gc_take_operands(gc_emit *e) {
  aicc_lower *lw = e->c->lw;
  gc_side *b = &e->b;
  e->a.slot = aicc_lower_slot(lw, e->a.value);
  if (b->panels || b->lines) {
    const aicc_plan_const constant = {
        .name = b->value->name,
        .tensor = aicc_get_tensor(b->value->def, AICC_ATTR_VALUE),
        .pack = aicc_arena_memdup(&lw->plan->arena, &b->pack, sizeof b->pack)};
    b->slot = aicc_lower_constant(lw, &constant);
  } else if (b->temporary) {
    b->slot = compute_b(e);
  } else if (e->c->b.is_made) {
    b->slot = e->c->b.made;
  } else if (!b->computed) {
    b->slot = aicc_lower_slot(lw, b->value);
  }
}
