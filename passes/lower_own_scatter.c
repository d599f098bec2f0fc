// Scatters: a copy of the operand, then updates in the order of the indices. Work is split only
// where updates of different tasks and lanes cannot meet, so that results never depend on timing.
#include <string.h>

#include "passes/lower_own.h"

typedef struct scatter {
  own *o;
  lower_kernel lk;
  kir_val x, indices, updates;  // buffers; x: the result
  aicc_dtype dtype;
  aicc_op op;                   // AICC_OP_COUNT: assign
  aicc_slot result;             // on a GPU
} scatter;

static aicc_op reduction_of(const aicc_node *node) {
  static const struct {
    const char *name;
    aicc_op op;
  } table[] = {{"add", AICC_OP_ADD}, {"mul", AICC_OP_MUL}, {"min", AICC_OP_MIN},
               {"max", AICC_OP_MAX}};
  const char *name = aicc_get_string(node, AICC_ATTR_REDUCTION, "none");
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    if (strcmp(table[i].name, name) == 0) {
      return table[i].op;
    }
  }
  return AICC_OP_COUNT;
}

static void begin(scatter *s, own *o, const char *name) {
  *s = (scatter){.o = o, .dtype = own_type(o, 0)->dtype, .op = reduction_of(o->node)};
  const aicc_slot result = own_result(o, 0);
  own_copy(o, result, own_operand(o, 0));
  lk_begin(&s->lk, o->lw, aicc_arena_printf(o->arena, "%s_%u", name, o->group->id), "own",
           o->group);
  s->x = lk_buffer(&s->lk, result,
                   s->op == AICC_OP_COUNT ? KIR_WRITE : KIR_READ | KIR_WRITE);
  s->indices = lk_buffer(&s->lk, own_operand(o, 1), KIR_READ);
  s->updates = lk_buffer(&s->lk, own_operand(o, 2), KIR_READ);
}

// A position on an axis of |size|: negative ones count from the end. Kept in range, so that a wrong
// model cannot write outside its memory.
static kir_val position(scatter *s, kir_val at, aicc_dim size) {
  kir_builder *b = &s->lk.b;
  const kir_val zero = lk_i64(&s->lk, 0), n = lk_dim(&s->lk, size);
  const kir_val i = kir_cast(b, kir_load(b, s->indices, at), AICC_I64, false);
  const kir_val wrapped = kir_select(b, kir_scalar2(b, AICC_OP_LT, i, zero), kir_add(b, i, n), i);
  const kir_val low = kir_scalar2(b, AICC_OP_MIN, wrapped, kir_sub(b, n, lk_i64(&s->lk, 1)));
  return kir_scalar2(b, AICC_OP_MAX, low, zero);
}

static void update(scatter *s, kir_val to, kir_val from) {
  kir_builder *b = &s->lk.b;
  kir_val value = kir_load(b, s->updates, from);
  if (s->op != AICC_OP_COUNT) {
    const aicc_dtype compute = lk_compute_type(s->dtype);
    const kir_val old = kir_cast(b, kir_load(b, s->x, to), compute, false);
    value = kir_scalar2(b, s->op, old, kir_cast(b, value, compute, false));
    value = kir_cast(b, value, s->dtype, true);
  }
  kir_store(b, s->x, to, value);
}

static kir_val minimum(scatter *s, kir_val a, kir_val b) {
  return kir_scalar2(&s->lk.b, AICC_OP_MIN, a, b);
}

// Strides of a dense tensor, in elements.
static void strides_of(own *o, const aicc_type *type, aicc_dim *strides) {
  aicc_dim stride = own_const(o, 1);
  for (int d = type->rank - 1; d >= 0; d--) {
    strides[d] = stride;
    stride = aicc_dim_mul(o->dims, stride, type->dims[d]);
  }
}

// --- on a GPU ------------------------------------------------------------------------
//
// Assignments, all at once: first each claims its place in a table, where the last one wins by an
// atomic maximum of numbers; then those that won are stored. Integers make it the same on every
// run.

// What is to be known of one element of the indices' iteration.
typedef struct scatter_shape {
  aicc_dim places, picks, block;  // of the table; that claim; elements that one pick moves
  kir_val (*place)(scatter *s, kir_val pick);  // where pick goes, as a number of the table
} scatter_shape;

static void begin_step(scatter *s, const char *name) {
  own *o = s->o;
  s->lk = (lower_kernel){0};
  lk_begin(&s->lk, o->lw, aicc_arena_printf(o->arena, "scatter_%s_%u", name, o->group->id), "own",
           o->group);
}

// Lanes over 0 .. count - 1, a piece a task; ended by end_lanes.
static kir_val begin_lanes(scatter *s, aicc_dim count) {
  lower_kernel *lk = &s->lk;
  const kir_val piece = lk_i64(lk, 4 * lk->kernel->width);
  const kir_val from = kir_mul(&lk->b, kir_task(&lk->b), piece);
  return lk_for(lk, KIR_LANES, from, minimum(s, kir_add(&lk->b, from, piece), lk_dim(lk, count)));
}

static void end_lanes(scatter *s, aicc_dim count) {
  own *o = s->o;
  lk_end(&s->lk);
  lk_launch(&s->lk,
            aicc_dim_ceildiv(o->dims, count, own_const(o, 4 * s->lk.kernel->width)), count);
}

static void assign_on_gpu(scatter *s, const scatter_shape *shape) {
  own *o = s->o;
  kir_builder *b = &s->lk.b;
  const aicc_slot table =
      aicc_lower_temporary(o->lw, AICC_I64, &shape->places, 1, "scatter_winners");
  begin_step(s, "clear");
  kir_val at = begin_lanes(s, shape->places);
  kir_store(b, lk_buffer(&s->lk, table, KIR_WRITE), at, lk_i64(&s->lk, -1));
  end_lanes(s, shape->places);

  begin_step(s, "claim");
  s->indices = lk_buffer(&s->lk, own_operand(o, 1), KIR_READ);
  at = begin_lanes(s, shape->picks);
  kir_atomic(b, AICC_OP_MAX, lk_buffer(&s->lk, table, KIR_READ | KIR_WRITE), shape->place(s, at),
             at);
  end_lanes(s, shape->picks);

  begin_step(s, "store");
  s->indices = lk_buffer(&s->lk, own_operand(o, 1), KIR_READ);
  const aicc_dim elements = aicc_dim_mul(o->dims, shape->picks, shape->block);
  at = begin_lanes(s, elements);
  const kir_val block = lk_dim(&s->lk, shape->block);
  const kir_val pick = kir_scalar2(b, AICC_OP_DIV, at, block);
  const kir_val place = shape->place(s, pick);
  const kir_val winner = kir_load(b, lk_buffer(&s->lk, table, KIR_READ), place);
  const kir_val inside = kir_sub(b, at, kir_mul(b, pick, block));
  const kir_val value = kir_load(b, lk_buffer(&s->lk, own_operand(o, 2), KIR_READ), at);
  kir_if(b, kir_scalar2(b, AICC_OP_EQ, winner, pick));
  kir_store(b, lk_buffer(&s->lk, s->result, KIR_WRITE),
            kir_add(b, kir_mul(b, place, block), inside), value);
  kir_end(b);
  end_lanes(s, elements);
}

// Integers add up, and have a least and a largest, in any order.
static bool is_orderless(const scatter *s) {
  const bool wide = s->dtype == AICC_I32 || s->dtype == AICC_I64 || s->dtype == AICC_U32 ||
                    s->dtype == AICC_U64;
  return wide && (s->op == AICC_OP_ADD || s->op == AICC_OP_MIN || s->op == AICC_OP_MAX);
}

static void fold_on_gpu(scatter *s, const scatter_shape *shape) {
  own *o = s->o;
  kir_builder *b = &s->lk.b;
  begin_step(s, "fold");
  s->indices = lk_buffer(&s->lk, own_operand(o, 1), KIR_READ);
  const aicc_dim elements = aicc_dim_mul(o->dims, shape->picks, shape->block);
  const kir_val at = begin_lanes(s, elements);
  const kir_val block = lk_dim(&s->lk, shape->block);
  const kir_val pick = kir_scalar2(b, AICC_OP_DIV, at, block);
  const kir_val inside = kir_sub(b, at, kir_mul(b, pick, block));
  const kir_val to = kir_add(b, kir_mul(b, shape->place(s, pick), block), inside);
  const kir_val value = kir_load(b, lk_buffer(&s->lk, own_operand(o, 2), KIR_READ), at);
  kir_atomic(b, s->op, lk_buffer(&s->lk, s->result, KIR_READ | KIR_WRITE), to, value);
  end_lanes(s, elements);
}

static kir_val place_of_element(scatter *s, kir_val pick) {
  own *o = s->o;
  lower_kernel *lk = &s->lk;
  const aicc_type *x = own_type(o, 0), *indices = own_type(o, 1);
  const int64_t given = aicc_get_int(o->node, AICC_ATTR_AXIS, 0);
  const int axis = (int)(given < 0 ? given + x->rank : given);
  kir_val extents[AICC_MAX_RANK], at[AICC_MAX_RANK];
  for (int d = 0; d < x->rank; d++) {
    extents[d] = d > 0 ? lk_dim(lk, indices->dims[d]) : 0;
  }
  lk_split(lk, pick, extents, x->rank, at);
  at[axis] = position(s, pick, x->dims[axis]);
  return lk_linear(lk, x, at);
}

static kir_val place_of_tuple(scatter *s, kir_val pick) {
  own *o = s->o;
  lower_kernel *lk = &s->lk;
  const aicc_type *x = own_type(o, 0), *indices = own_type(o, 1);
  int64_t depth = 0;
  aicc_dim_is_const(o->dims, indices->dims[indices->rank - 1], &depth);
  kir_val place = lk_i64(lk, 0);
  for (int d = 0; d < (int)depth; d++) {
    const kir_val at = kir_add(&lk->b, kir_mul(&lk->b, pick, lk_i64(lk, depth)), lk_i64(lk, d));
    place = kir_add(&lk->b, kir_mul(&lk->b, place, lk_dim(lk, x->dims[d])),
                    position(s, at, x->dims[d]));
  }
  return place;
}

// Adds what pick |from| brings to |place|, in elements first .. end - 1 of the block.
static void fold_block(scatter *s, kir_val place, kir_val from, kir_val block, kir_val first,
                       kir_val end) {
  lower_kernel *lk = &s->lk;
  kir_builder *b = &lk->b;
  const kir_val to = kir_mul(b, place, block), source = kir_mul(b, from, block);
  const kir_val j = lk_for(lk, KIR_LANES, first, end);
  update(s, kir_add(b, to, j), kir_add(b, source, j));
  lk_end(lk);
}

// Reductions whose order counts: a task owns a range of places, and a piece of their blocks. Its
// lanes look through all picks, and what falls into the range is folded pick after pick, in their
// order.
static void fold_by_owners(scatter *s, const scatter_shape *shape) {
  enum { OWNERS = 256, PIECE = 1024 };
  own *o = s->o;
  lower_kernel *lk = &s->lk;
  kir_builder *b = &lk->b;
  const aicc_dim one = own_const(o, 1), piece = own_const(o, PIECE);
  const aicc_dim range = aicc_dim_max(
      o->dims, aicc_dim_ceildiv(o->dims, shape->places, own_const(o, OWNERS)), one);
  const aicc_dim pieces = aicc_dim_ceildiv(o->dims, shape->block, piece);
  begin_step(s, "owned");
  s->x = lk_buffer(lk, s->result, KIR_READ | KIR_WRITE);
  s->indices = lk_buffer(lk, own_operand(o, 1), KIR_READ);
  s->updates = lk_buffer(lk, own_operand(o, 2), KIR_READ);
  const kir_val width = lk_i64(lk, lk->kernel->width), none = lk_i64(lk, -1);
  const kir_val task = kir_task(b), split = lk_dim(lk, pieces), block = lk_dim(lk, shape->block);
  const kir_val owner = kir_scalar2(b, AICC_OP_DIV, task, split);
  const kir_val low = kir_mul(b, owner, lk_dim(lk, range));
  const kir_val high = kir_add(b, low, lk_dim(lk, range));
  const kir_val first = kir_mul(b, kir_sub(b, task, kir_mul(b, owner, split)), lk_i64(lk, PIECE));
  const kir_val end = minimum(s, kir_add(b, first, lk_i64(lk, PIECE)), block);
  const kir_val picks = lk_dim(lk, shape->picks);
  const kir_val chunk = kir_for(b, KIR_SERIAL, lk_i64(lk, 0), picks, width);
  const kir_val mine = kir_var(b, none, true);
  const kir_val pick = lk_for(lk, KIR_LANES, chunk, minimum(s, kir_add(b, chunk, width), picks));
  const kir_val place = shape->place(s, pick);
  const kir_val inside = kir_scalar2(b, AICC_OP_AND, kir_scalar2(b, AICC_OP_GE, place, low),
                                     kir_scalar2(b, AICC_OP_LT, place, high));
  kir_set(b, mine, kir_select(b, inside, place, none));
  lk_end(lk);
  const kir_val next = kir_var(b, width, false);
  kir_while(b);
  const kir_val waits = kir_scalar2(b, AICC_OP_GE, kir_get(b, mine), lk_i64(lk, 0));
  kir_set(b, next, kir_reduce(b, AICC_OP_MIN, kir_select(b, waits, kir_lane(b), width)));
  kir_while_cond(b, kir_scalar2(b, AICC_OP_LT, kir_get(b, next), width));
  const kir_val is_next = kir_scalar2(b, AICC_OP_EQ, kir_lane(b), kir_get(b, next));
  const kir_val held = kir_get(b, mine);
  const kir_val to = kir_reduce(b, AICC_OP_MAX, kir_select(b, is_next, held, none));
  kir_set(b, mine, kir_select(b, is_next, none, held));
  fold_block(s, to, kir_add(b, chunk, kir_get(b, next)), block, first, end);
  lk_end(lk);
  lk_end(lk);
  const aicc_dim owners = aicc_dim_ceildiv(o->dims, shape->places, range);
  const aicc_dim elements = aicc_dim_mul(o->dims, shape->picks, shape->block);
  lk_launch(lk, aicc_dim_mul(o->dims, owners, pieces),
            aicc_dim_mul(o->dims, elements, own_const(o, 8)));
}

// False: the CPU's form serves.
static bool try_on_gpu(own *o, const scatter_shape *shape) {
  scatter s = {.o = o, .dtype = own_type(o, 0)->dtype, .op = reduction_of(o->node)};
  if (!own_is_gpu(o)) {
    return false;
  }
  s.result = own_result(o, 0);
  own_copy(o, s.result, own_operand(o, 0));
  if (s.op == AICC_OP_COUNT) {
    assign_on_gpu(&s, shape);
  } else if (is_orderless(&s)) {
    fold_on_gpu(&s, shape);
  } else {
    fold_by_owners(&s, shape);
  }
  return true;
}

// Lanes take lines where they are known to be many, and a reduction's order counts.
static bool has_many_lines(own *o, int axis) {
  enum { MANY = 4096 };
  const scatter s = {.o = o, .dtype = own_type(o, 0)->dtype, .op = reduction_of(o->node)};
  const aicc_type *indices = own_type(o, 1);
  int64_t lines = 0;
  return s.op != AICC_OP_COUNT && !is_orderless(&s) &&
         aicc_dim_is_const(o->dims,
                           aicc_dim_mul(o->dims, own_product(o, indices, 0, axis),
                                        own_product(o, indices, axis + 1, indices->rank)),
                           &lines) &&
         lines >= MANY;
}

// A line of indices along the axis stays within one line of the result: lanes and tasks take lines.
void own_lower_scatter_elements(own *o) {
  const aicc_type *x = own_type(o, 0), *indices = own_type(o, 1);
  const int64_t given = aicc_get_int(o->node, AICC_ATTR_AXIS, 0);
  const int axis = (int)(given < 0 ? given + x->rank : given);
  scatter s;
  const scatter_shape shape = {.places = own_count(o, x), .picks = own_count(o, indices),
                               .block = own_const(o, 1), .place = place_of_element};
  if (!has_many_lines(o, axis) && try_on_gpu(o, &shape)) {
    return;
  }
  begin(&s, o, "scatter_elements");
  aicc_dim lines = own_const(o, 1), x_strides[AICC_MAX_RANK], strides[AICC_MAX_RANK];
  kir_val extents[AICC_MAX_RANK], at[AICC_MAX_RANK];
  int dims[AICC_MAX_RANK], count = 0;
  strides_of(o, x, x_strides);
  strides_of(o, indices, strides);
  for (int d = 0; d < x->rank; d++) {
    if (d != axis) {
      lines = aicc_dim_mul(o->dims, lines, indices->dims[d]);
      extents[count] = lk_dim(&s.lk, indices->dims[d]);
      dims[count++] = d;
    }
  }
  lower_kernel *lk = &s.lk;
  const aicc_dim block = own_is_gpu(o) ? own_const(o, o->lw->machine->width)
                                       : own_block(o, indices->dims[axis]);
  const kir_val first = kir_mul(&lk->b, kir_task(&lk->b), lk_dim(lk, block));
  const kir_val end = minimum(&s, kir_add(&lk->b, first, lk_dim(lk, block)), lk_dim(lk, lines));
  const kir_val line = lk_for(lk, KIR_LANES, first, end);
  lk_split(lk, line, extents, count, at);
  kir_val to = lk_i64(lk, 0), from = to;
  for (int i = 0; i < count; i++) {
    to = kir_add(&lk->b, to, kir_mul(&lk->b, at[i], lk_dim(lk, x_strides[dims[i]])));
    from = kir_add(&lk->b, from, kir_mul(&lk->b, at[i], lk_dim(lk, strides[dims[i]])));
  }
  const kir_val k = lk_for(lk, KIR_SERIAL, lk_i64(lk, 0), lk_dim(lk, indices->dims[axis]));
  const kir_val source = kir_add(&lk->b, from, kir_mul(&lk->b, k, lk_dim(lk, strides[axis])));
  const kir_val place = position(&s, source, x->dims[axis]);
  update(&s, kir_add(&lk->b, to, kir_mul(&lk->b, place, lk_dim(lk, x_strides[axis]))), source);
  lk_end(lk);
  lk_end(lk);
  const aicc_dim work = aicc_dim_mul(o->dims, own_count(o, indices), own_const(o, 2));
  lk_launch(lk, aicc_dim_ceildiv(o->dims, lines, block), work);
}

// Tuples may meet anywhere: every task walks all of them, for its piece of the blocks they name.
void own_lower_scatter_nd(own *o) {
  const aicc_type *x = own_type(o, 0), *indices = own_type(o, 1);
  int64_t depth = 0;
  if (!aicc_dim_is_const(o->dims, indices->dims[indices->rank - 1], &depth)) {
    aicc_lower_unsupported(o->lw, o->node,
                           "the last dimension of scatter_nd's indices must be known");
    return;
  }
  scatter s;
  const scatter_shape shape = {.places = own_product(o, x, 0, (int)depth),
                               .picks = own_product(o, indices, 0, indices->rank - 1),
                               .block = own_product(o, x, (int)depth, x->rank),
                               .place = place_of_tuple};
  if (try_on_gpu(o, &shape)) {
    return;
  }
  begin(&s, o, "scatter_nd");
  lower_kernel *lk = &s.lk;
  const int piece = 16 * o->lw->machine->width;
  const aicc_dim picks = own_product(o, indices, 0, indices->rank - 1);
  const aicc_dim block = own_product(o, x, (int)depth, x->rank);
  const bool single = aicc_dim_is(o->dims, block, 1);
  aicc_dim strides[AICC_MAX_RANK];
  strides_of(o, x, strides);
  const kir_val first = kir_mul(&lk->b, kir_task(&lk->b), lk_i64(lk, piece));
  const kir_val end = minimum(&s, kir_add(&lk->b, first, lk_i64(lk, piece)), lk_dim(lk, block));
  const kir_val pick = lk_for(lk, KIR_SERIAL, lk_i64(lk, 0), lk_dim(lk, picks));
  kir_val base = lk_i64(lk, 0);
  for (int d = 0; d < (int)depth; d++) {
    const kir_val at = kir_add(&lk->b, kir_mul(&lk->b, pick, lk_i64(lk, depth)), lk_i64(lk, d));
    const kir_val place = position(&s, at, x->dims[d]);
    base = kir_add(&lk->b, base, kir_mul(&lk->b, place, lk_dim(lk, strides[d])));
  }
  const kir_val from = kir_mul(&lk->b, pick, lk_dim(lk, block));
  if (single) {
    update(&s, base, from);
  } else {
    const kir_val j = lk_for(lk, KIR_LANES, first, end);
    update(&s, kir_add(&lk->b, base, j), kir_add(&lk->b, from, j));
    lk_end(lk);
  }
  lk_end(lk);
  const aicc_dim work = aicc_dim_mul(o->dims, picks, block);
  lk_launch(lk, aicc_dim_ceildiv(o->dims, block, own_const(o, piece)),
            aicc_dim_mul(o->dims, work, own_const(o, single ? 3 : 1)));
}
