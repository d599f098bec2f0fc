// Operands of a GPU's contraction on their way to shared memory.
//
// Neighbours in memory are copied together where strides prove them aligned: 16, 8 or 4 bytes, by
// asynchronous copies where the machine has them; otherwise element by element, and through
// registers where the type changes or lines become columns. What a thread copies is the same places
// in each step, so that their rows are located once.
#include <string.h>

#include "passes/gpu_contract.h"

// --- shared memory -------------------------------------------------------------------------------

static bool divisible(const gc_emit *e, aicc_dim dim, int64_t by) {
  return aicc_dim_divisible(e->c->lw->module->dims, dim, by);
}

static bool plan_memory(gc_emit *e, gc_side *side) {
  const int size = (int)aicc_dtype_size(side->to);
  const int line = side->k_inner ? side->tile_k : side->tile_rows;
  // 16 bytes between lines: 8 of them at the same place fall into different banks.
  const bool elements = e->s->kind == AICC_SCHEDULE_MMA && !side->k_inner && size == 4;
  const int pad = elements ? 8 : size >= 16 ? 1 : 16 / size;
  side->pitch = line + pad;
  side->stage = side->pitch * (side->k_inner ? side->tile_rows : side->tile_k);
  const int bytes = side->vector * (int)aicc_dtype_size(side->from);
  side->async = e->c->lw->machine->async_copy && side->from == side->to && bytes >= 4 &&
                side->along_k == side->k_inner && !side->computed;
  const int chunks = side->tile_rows * side->tile_k / side->vector;
  side->copies = (chunks + e->threads - 1) / e->threads;
  return side->copies <= GC_COPIES_MAX;
}

bool gc_plan_sides(gc_emit *e, const char **why) {
  const bool mma = e->s->kind == AICC_SCHEDULE_MMA;
  gc_plan_operands(e);
  e->b.vector = e->b.computed ? 1 : e->b.vector;  // elements are computed one by one
  e->a.to = mma ? e->a.from : e->c->acc;
  e->b.to = mma ? e->b.from : e->c->acc;
  // `ldmatrix` transposes halves, not bytes.
  e->a.k_inner = mma && (e->a.along_k || aicc_dtype_size(e->a.to) == 1);
  e->b.k_inner = mma && (e->b.along_k || aicc_dtype_size(e->b.to) == 1);
  if (!plan_memory(e, &e->a) || !plan_memory(e, &e->b)) {
    *why = "its tile is too large for so few threads to copy";
    return false;
  }
  const int64_t bytes = (int64_t)e->s->stages * (e->a.stage * (int64_t)aicc_dtype_size(e->a.to) +
                                                 e->b.stage * (int64_t)aicc_dtype_size(e->b.to));
  *why = "its stages and its tile are more than the machine's shared memory";
  return bytes + gc_tile_bytes(e) <= e->c->lw->machine->shared_bytes;
}

// --- what does not change over the steps ---------------------------------------------------------

static kir_val both(gc_emit *e, kir_val x, kir_val y) {
  return x == 0 ? y : y == 0 ? x : kir_scalar2(&e->lk.b, AICC_OP_AND, x, y);
}

gc_point gc_locate(gc_emit *e, const gc_axis *axis, kir_val i) {
  lower_kernel *lk = &e->lk;
  kir_val extents[AICC_MAX_RANK], digits[AICC_MAX_RANK];
  for (int d = 0; d < axis->rank; d++) {
    extents[d] = lk_dim(lk, axis->extent[d]);
  }
  lk_split(lk, i, extents, axis->rank, digits);
  gc_point point = {.offset = lk_i64(lk, 0)};
  for (int d = 0; d < axis->rank; d++) {
    const kir_val moved = kir_mul(&lk->b, digits[d], lk_dim(lk, axis->stride[d]));
    point.offset = kir_add(&lk->b, point.offset, moved);
    if (axis->spatial[d] >= 0) {
      point.at[axis->spatial[d]] = kir_mul(&lk->b, digits[d], lk_i64(lk, axis->step[d]));
    }
  }
  return point;
}

// Whether tiles of |rows| end with the operand's last row.
static bool rows_whole(const gc_emit *e, const gc_side *side) {
  return side->panels || divisible(e, side->rows, side->tile_rows);
}

// Rows and k are plain numbers times a stride each.
static bool is_linear(const gc_side *side) {
  return side->row.rank == 1 && side->k.rank == 1 && side->padded == NULL;
}

// Copy |i| of this thread. Where a thread's copies are whole lines apart, they differ by a
// constant.
static void place_copy(gc_emit *e, gc_side *side, int i) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  gc_copy *copy = &side->copy[i];
  const int per_line = (side->along_k ? side->tile_k : side->tile_rows) / side->vector;
  const int chunks = per_line * (side->along_k ? side->tile_rows : side->tile_k);
  const bool apart = e->threads % per_line == 0;
  const int64_t lines = apart ? (int64_t)(e->threads / per_line) * i : 0;
  const kir_val all = kir_add(b, e->tid, lk_i64(lk, (int64_t)i * e->threads));
  const kir_val id = apart ? e->tid : all;
  const kir_val whole = kir_scalar2(b, AICC_OP_DIV, id, lk_i64(lk, per_line));
  const kir_val rest = kir_sub(b, id, kir_mul(b, whole, lk_i64(lk, per_line)));
  const kir_val line = kir_add(b, whole, lk_i64(lk, lines));
  const kir_val neighbour = kir_mul(b, rest, lk_i64(lk, side->vector));
  const kir_val row = side->along_k ? line : neighbour;
  copy->k = !side->along_k ? line : apart && i > 0 ? side->copy[0].k : neighbour;
  copy->there = (i + 1) * e->threads <= chunks
                    ? 0
                    : kir_scalar2(b, AICC_OP_LT, all, lk_i64(lk, chunks));
  const kir_val at = kir_add(b, side->first_row, row);
  copy->number = at;
  copy->row_ok =
      rows_whole(e, side) ? 0 : kir_scalar2(b, AICC_OP_LT, at, lk_dim(lk, side->rows));
  const gc_axis *stepped = side->along_k ? &side->row : &side->k;
  if (is_linear(side) && apart && i > 0) {
    const kir_val moved = kir_mul(b, lk_i64(lk, lines), lk_dim(lk, stepped->stride[0]));
    copy->row.offset = kir_add(b, side->copy[0].row.offset, moved);
  } else {
    copy->row = gc_locate(e, &side->row, side->panels ? row : at);
    if (side->k.rank == 1) {
      const kir_val moved = kir_mul(b, copy->k, lk_dim(lk, side->k.stride[0]));
      copy->row.offset = kir_add(b, copy->row.offset, moved);
    }
  }
  const kir_val outer = side->k_inner ? row : copy->k, inner = side->k_inner ? copy->k : row;
  copy->local = kir_add(b, kir_mul(b, outer, lk_i64(lk, side->pitch)), inner);
}

static kir_val add_mul(lower_kernel *lk, kir_val sum, kir_val x, aicc_dim factor) {
  return kir_add(&lk->b, sum, kir_mul(&lk->b, x, lk_dim(lk, factor)));
}

static kir_val a_base(gc_emit *e) {
  const contract *c = e->c;
  lower_kernel *lk = &e->lk;
  kir_val base = kir_mul(&lk->b, e->group, lk_dim(lk, c->a_group_stride));
  for (int i = 0; i < c->outer_rank && !e->folded; i++) {
    base = add_mul(lk, base, e->outer[i], c->outer_a_stride[i]);
  }
  for (int i = 0; i < c->padded_rank; i++) {
    const kir_val before = kir_mul(&lk->b, lk_dim(lk, c->pad[i]), lk_dim(lk, c->pad_pitch[i]));
    base = kir_sub(&lk->b, base, before);
  }
  return base;
}

static kir_val b_base(gc_emit *e) {
  const contract *c = e->c;
  lower_kernel *lk = &e->lk;
  kir_val batch = e->group;
  for (int i = 0; i < c->outer_rank && !e->folded; i++) {
    batch = add_mul(lk, batch, e->outer[i], c->outer_b_batch[i]);
  }
  e->b_batch = batch;
  if (e->b.view) {
    kir_val base = lk_dim(lk, e->b.first);
    for (int i = 0; i < c->outer_rank && !e->folded; i++) {
      base = add_mul(lk, base, e->outer[i], e->b.outer_stride[i]);
    }
    return base;
  }
  if (!e->b.panels) {
    return kir_mul(&lk->b, batch, lk_dim(lk, c->b.batch_stride));
  }
  aicc_dims *dims = c->lw->module->dims;
  const aicc_dim panels = aicc_dim_ceildiv(dims, c->b.n, aicc_dim_const(dims, e->s->n));
  const kir_val panel = kir_scalar2(&lk->b, AICC_OP_DIV, e->n0, lk_i64(lk, e->s->n));
  const kir_val at = kir_add(&lk->b, kir_mul(&lk->b, batch, lk_dim(lk, panels)), panel);
  const kir_val lines = kir_mul(&lk->b, at, lk_dim(lk, e->b.ks));
  return kir_mul(&lk->b, lines, lk_i64(lk, e->s->n));
}

static void begin_side(gc_emit *e, gc_side *side) {
  kir_builder *b = &e->lk.b;
  side->local = kir_local(b, side->to, (int64_t)side->stage * e->s->stages);
  for (int i = 0; i < side->copies; i++) {
    place_copy(e, side, i);
  }
  if (!side->async) {
    side->regs = kir_array(b, side->computed ? side->to : side->from,
                           (int64_t)side->copies * side->vector, true);
  }
}

void gc_begin_bases(gc_emit *e) {
  e->a.first_row = e->m0;
  e->b.first_row = e->n0;
  e->a.base = a_base(e);
  e->b.base = b_base(e);
  e->a.buffer = lk_buffer(&e->lk, e->a.slot, KIR_READ);
  e->b.buffer = e->b.computed ? 0 : lk_buffer(&e->lk, e->b.slot, KIR_READ);
}

void gc_begin_sides(gc_emit *e) {
  gc_begin_bases(e);
  begin_side(e, &e->a);
  begin_side(e, &e->b);
}

// --- a step --------------------------------------------------------------------------------------

// Inside the input of a padded convolution.
static kir_val within(gc_emit *e, const gc_side *side, const gc_point *row, const gc_point *k) {
  const contract *c = side->padded;
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  kir_val ok = 0;
  for (int i = 0; c && i < c->padded_rank; i++) {
    const kir_val at = kir_sub(b, kir_add(b, row->at[i], k->at[i]), lk_dim(lk, c->pad[i]));
    ok = both(e, ok, kir_scalar2(b, AICC_OP_GE, at, lk_i64(lk, 0)));
    ok = both(e, ok, kir_scalar2(b, AICC_OP_LT, at, lk_dim(lk, c->pad_in[i])));
  }
  return ok;
}

kir_val gc_compute(gc_emit *e, kir_val k, kir_val n, kir_val ok, aicc_dtype to) {
  lower_kernel *lk = &e->lk;
  kir_val index[AICC_MAX_RANK];
  const size_t mark = lk_mark(lk);
  lk->guard = ok;
  aicc_contract_b_index(e->c, lk, e->b_batch, k, n, index);
  const kir_val item = kir_cast(&lk->b, lk_elem(lk, e->c->b.value, index), to, false);
  lk->guard = 0;
  lk_forget(lk, mark);
  return ok ? kir_select(&lk->b, ok, item, kir_const(&lk->b, to, 0)) : item;
}

static void fetch_registers(gc_emit *e, gc_side *side, int i, kir_val at, kir_val ok) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const kir_val zero = kir_const(b, side->from, 0);
  const int first = i * side->vector;
  if (side->vector == 1) {
    const kir_val item = ok ? kir_load_or(b, side->buffer, at, ok, zero)
                            : kir_load(b, side->buffer, at);
    kir_aset(b, side->regs, lk_i64(lk, first), item);
    return;
  }
  for (int v = 0; v < side->vector && ok; v++) {
    kir_aset(b, side->regs, lk_i64(lk, first + v), zero);
  }
  if (ok) {
    kir_if(b, ok);
  }
  kir_vload(b, side->regs, first, side->vector, side->buffer, at);
  if (ok) {
    kir_end(b);
  }
}

void gc_fetch(gc_emit *e, gc_side *side, kir_val step, kir_val slot) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const bool linear = side->k.rank == 1, whole = divisible(e, side->ks, side->tile_k);
  const kir_val k0 = kir_mul(b, step, lk_i64(lk, side->tile_k)), ks = lk_dim(lk, side->ks);
  const kir_val stage = kir_mul(b, slot, lk_i64(lk, side->stage));
  kir_val base = side->base;
  base = linear ? add_mul(lk, base, k0, side->k.stride[0]) : base;
  gc_point place = {.offset = lk_i64(lk, 0)};
  for (int i = 0; i < side->copies; i++) {
    const gc_copy *copy = &side->copy[i];
    const kir_val k = kir_add(b, k0, copy->k);
    if (!linear && (i == 0 || copy->k != side->copy[i - 1].k)) {
      place = gc_locate(e, &side->k, k);
    }
    kir_val at = kir_add(b, copy->row.offset, base);
    at = linear ? at : kir_add(b, at, place.offset);
    kir_val ok = both(e, kir_scalar2(b, AICC_OP_LT, whole ? k0 : k, ks), copy->row_ok);
    ok = both(e, ok, within(e, side, &copy->row, &place));
    if (side->computed) {
      ok = both(e, ok, copy->there);
      kir_aset(b, side->regs, lk_i64(lk, i), gc_compute(e, k, copy->number, ok, side->to));
      continue;
    }
    if (!side->async) {
      fetch_registers(e, side, i, at, both(e, ok, copy->there));
      continue;
    }
    if (copy->there) {
      kir_if(b, copy->there);
    }
    kir_copy_async(b, side->local, kir_add(b, stage, copy->local), side->buffer, at, side->vector,
                   ok);
    if (copy->there) {
      kir_end(b);
    }
  }
}

static void deliver_copy(gc_emit *e, gc_side *side, int i, kir_val at) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const int first = i * side->vector;
  const bool same_order = side->along_k == side->k_inner;
  if (side->vector > 1 && same_order && side->from == side->to) {
    kir_vstore(b, side->local, at, side->regs, first, side->vector);
    return;
  }
  for (int v = 0; v < side->vector; v++) {
    const int64_t plus = same_order ? v : (int64_t)v * side->pitch;
    const kir_val item = kir_aget(b, side->regs, lk_i64(lk, first + v));
    kir_store(b, side->local, kir_add(b, at, lk_i64(lk, plus)),
              kir_cast(b, item, side->to, false));
  }
}

void gc_deliver(gc_emit *e, gc_side *side, kir_val slot) {
  kir_builder *b = &e->lk.b;
  const kir_val stage = kir_mul(b, slot, lk_i64(&e->lk, side->stage));
  for (int i = 0; i < side->copies && !side->async; i++) {
    const gc_copy *copy = &side->copy[i];
    if (copy->there) {
      kir_if(b, copy->there);
    }
    deliver_copy(e, side, i, kir_add(b, stage, copy->local));
    if (copy->there) {
      kir_end(b);
    }
  }
}
