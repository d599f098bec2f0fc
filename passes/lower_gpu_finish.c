// From accumulators to results. The sums of a part of the rows go through a tile in shared memory,
// so that threads then own neighbours of one line: the epilogue, which is the recursion of
// lower_elem.c, is there once, and what it loads and stores is coalesced, 16 bytes a thread where
// sizes prove it.
#include <string.h>

#include "passes/gpu_contract.h"

enum { TILE_PAD = 8 };  // elements between lines: fragments' lines fall into different banks

typedef struct tile {
  int parts, rows, pitch;  // of one part
  int sums;                // tiles to be added up
} tile;

static tile tile_of(const gc_emit *e) {
  if (e->s->kind == AICC_SCHEDULE_STREAM) {
    return (tile){.parts = 1, .rows = e->s->m, .pitch = e->s->n, .sums = e->warps};
  }
  const int bands = e->s->m / e->warps_m / gc_band(e);
  tile t = {.parts = 1, .pitch = e->s->n + TILE_PAD, .sums = 1};
  const int line = t.pitch * (int)aicc_dtype_size(e->c->acc);
  while (bands % (2 * t.parts) == 0 && e->s->m / t.parts * line > GC_TILE_BYTES * 3 / 2) {
    t.parts *= 2;
  }
  t.rows = e->s->m / t.parts;
  return t;
}

int64_t gc_tile_bytes(const gc_emit *e) {
  const tile t = tile_of(e);
  return (int64_t)t.sums * t.rows * t.pitch * (int64_t)aicc_dtype_size(e->c->acc);
}

// --- one element ---------------------------------------------------------------------------------

typedef struct element {
  const contract *c;
  lower_kernel *lk;
  const kir_val *outer;
  kir_val m, n;  // n: of all groups
} element;

// Binds the contraction's result to |sum|, with its bias; the index of the element.
static void bind_sum(const element *at, kir_val sum, kir_val *index) {
  const contract *c = at->c;
  lower_kernel *lk = at->lk;
  if (c->bias) {
    const kir_val bias = lk_elem(lk, c->bias, &at->n);
    sum = kir_add(&lk->b, sum, kir_cast(&lk->b, bias, c->acc, false));
  }
  const aicc_dtype dtype = c->root->type.dtype;
  sum = kir_cast(&lk->b, sum, lk_compute_type(dtype), false);
  lk_bind(lk, c->root, lk_round(lk, dtype, sum));
  c->result_index(c, lk, at->outer, at->m, at->n, index);
}

// Row |m| of folded places as the places' index and the row among them.
static kir_val unfold(gc_emit *e, kir_val m) {
  const contract *c = e->c;
  lower_kernel *lk = &e->lk;
  if (!e->folded || c->result_index == aicc_contract_flat_index) {
    return m;
  }
  kir_val extents[AICC_MAX_RANK + 1], index[AICC_MAX_RANK + 1];
  for (int i = 0; i < c->outer_rank; i++) {
    extents[i] = lk_dim(lk, c->outer[i]);
  }
  extents[c->outer_rank] = lk_dim(lk, c->m);
  lk_split(lk, m, extents, c->outer_rank + 1, index);
  memcpy(e->outer, index, (size_t)c->outer_rank * sizeof *index);
  return index[c->outer_rank];
}

// --- a vector of elements ------------------------------------------------------------------------

// Neighbours of a line that every result can be stored at together, each at a multiple of them.
static int result_vector(const gc_emit *e) {
  const contract *c = e->c;
  aicc_dims *dims = c->lw->module->dims;
  const aicc_region *body = c->group->regions[0];
  int vector = 4;
  for (int i = 0; i < body->result_count; i++) {
    const aicc_type *type = &body->results[i]->type;
    const int most = 16 / (int)aicc_dtype_size(type->dtype);
    vector = most > vector ? most : vector;
  }
  vector = vector > 8 ? 8 : vector;
  for (; vector > 1; vector /= 2) {
    bool good = e->s->n % vector == 0 && aicc_dim_divisible(dims, c->b.n, vector);
    for (int i = 0; i < body->result_count; i++) {
      const aicc_type *type = &body->results[i]->type;
      good = good && kir_vector_fits(type->dtype, vector) && c->columns_last &&
             type->dims[type->rank - 1] == c->root->type.dims[c->root->type.rank - 1];
    }
    if (good) {
      return vector;
    }
  }
  return 1;
}

// |count| sums from |array|, whose first is the element at |at|: all of them exist.
static void store_vector(gc_emit *e, const element *at, kir_val array, int count) {
  const contract *c = e->c;
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const aicc_region *body = c->group->regions[0];
  const size_t mark = lk_mark(lk);
  kir_val *arrays = AICC_NEW_ARRAY(&c->lw->plan->arena, kir_val, body->result_count);
  kir_val *linear = AICC_NEW_ARRAY(&c->lw->plan->arena, kir_val, body->result_count);
  for (int r = 0; r < body->result_count && count > 1; r++) {
    arrays[r] = kir_array(b, body->results[r]->type.dtype, count, true);
  }
  for (int v = 0; v < count; v++) {
    element here = *at;
    kir_val index[AICC_MAX_RANK];
    here.n = kir_add(b, at->n, lk_i64(lk, v));
    bind_sum(&here, kir_aget(b, array, lk_i64(lk, v)), index);
    for (int r = 0; r < body->result_count; r++) {
      const aicc_type *type = &body->results[r]->type;
      const kir_val result = lk_elem(lk, body->results[r], index);
      const kir_val place = lk_linear(lk, type, index);
      if (count == 1) {
        const aicc_slot slot = aicc_lower_slot(c->lw, c->group->out[r]);
        lk_store(lk, lk_buffer(lk, slot, KIR_WRITE), type->dtype, place, result);
        continue;
      }
      linear[r] = v == 0 ? place : linear[r];
      kir_aset(b, arrays[r], lk_i64(lk, v), kir_cast(b, result, type->dtype, false));
    }
    lk_forget(lk, mark);
  }
  for (int r = 0; r < body->result_count && count > 1; r++) {
    const aicc_slot slot = aicc_lower_slot(c->lw, c->group->out[r]);
    kir_vstore(b, lk_buffer(lk, slot, KIR_WRITE), linear[r], arrays[r], 0, count);
  }
}

static aicc_dim columns(const contract *c) {
  return aicc_dim_mul(c->lw->module->dims, c->b.n, c->groups);
}

// Where the sums of a part of k go: [part][place][m][n].
static void store_partial(gc_emit *e, kir_val array, kir_val m, kir_val n, int count) {
  const contract *c = e->c;
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  aicc_dims *dims = c->lw->module->dims;
  const aicc_dim places =
      e->folded ? aicc_dim_const(dims, 1) : aicc_dim_product(dims, c->outer, c->outer_rank);
  kir_val at = kir_add(b, kir_mul(b, e->part, lk_dim(lk, places)), e->place);
  at = kir_add(b, kir_mul(b, at, lk_dim(lk, e->m)), m);
  at = kir_add(b, kir_mul(b, at, lk_dim(lk, columns(c))), kir_add(b, e->group_first, n));
  const kir_val to = lk_buffer(lk, e->partial, KIR_WRITE);
  if (count > 1) {
    kir_vstore(b, to, at, array, 0, count);
  } else {
    kir_store(b, to, at, kir_aget(b, array, lk_i64(lk, 0)));
  }
}

static int partial_vector(const gc_emit *e) {
  for (int v = 16 / (int)aicc_dtype_size(e->c->acc); v > 1; v /= 2) {
    if (e->s->n % v == 0 && aicc_dim_divisible(e->c->lw->module->dims, e->c->b.n, v) &&
        kir_vector_fits(e->c->acc, v)) {
      return v;
    }
  }
  return 1;
}

// --- the tile ------------------------------------------------------------------------------------

// |count| neighbours at |from|, of all tiles that there are, added in order.
static kir_val read_sums(gc_emit *e, const tile *t, kir_val sums, kir_val from, int count) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const aicc_dtype acc = e->c->acc;
  const int size = (int)aicc_dtype_size(acc), most = 16 / size;
  const int at_once = count < most ? count : most;
  const kir_val array = kir_array(b, acc, count, true);
  const kir_val more = t->sums > 1 ? kir_array(b, acc, count, true) : 0;
  for (int i = 0; i < t->sums; i++) {
    const kir_val at = kir_add(b, from, lk_i64(lk, (int64_t)i * t->rows * t->pitch));
    for (int v = 0; v < count; v += at_once) {
      kir_vload(b, i == 0 ? array : more, v, at_once, sums, kir_add(b, at, lk_i64(lk, v)));
    }
    for (int v = 0; v < count && i > 0; v++) {
      const kir_val place = lk_i64(lk, v);
      kir_aset(b, array, place, kir_add(b, kir_aget(b, array, place), kir_aget(b, more, place)));
    }
  }
  return array;
}

// |count| neighbours of line |line| of the tile from column |column| on.
static void finish_vector(gc_emit *e, const tile *t, int part, kir_val sums, kir_val line,
                          kir_val column, int count) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const int warp_rows = e->s->m / e->warps_m, part_rows = warp_rows / t->parts;
  const kir_val warp = kir_scalar2(b, AICC_OP_DIV, line, lk_i64(lk, part_rows));
  const kir_val in_warp = kir_sub(b, line, kir_mul(b, warp, lk_i64(lk, part_rows)));
  kir_val m = kir_add(b, kir_mul(b, warp, lk_i64(lk, warp_rows)), in_warp);
  m = kir_add(b, e->m0, kir_add(b, m, lk_i64(lk, (int64_t)part * part_rows)));
  const kir_val n = kir_add(b, e->n0, column);
  const kir_val inside = kir_scalar2(b, AICC_OP_AND,
                                     kir_scalar2(b, AICC_OP_LT, m, lk_dim(lk, e->m)),
                                     kir_scalar2(b, AICC_OP_LT, n, lk_dim(lk, e->c->b.n)));
  kir_if(b, inside);
  const kir_val from = kir_add(b, kir_mul(b, line, lk_i64(lk, t->pitch)), column);
  const kir_val array = read_sums(e, t, sums, from, count);
  if (e->s->split > 1) {
    store_partial(e, array, m, n, count);
  } else {
    element at = {.c = e->c, .lk = lk, .m = unfold(e, m), .n = kir_add(b, e->group_first, n)};
    at.outer = e->outer;
    store_vector(e, &at, array, count);
  }
  kir_end(b);
}

void gc_finish(gc_emit *e) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const tile t = tile_of(e);
  const int count = e->s->split > 1 ? partial_vector(e) : result_vector(e);
  const int per_line = e->s->n / count, items = t.rows * per_line;
  const kir_val sums = kir_local(b, e->c->acc, (int64_t)t.sums * t.rows * t.pitch);
  for (int part = 0; part < t.parts; part++) {
    if (part > 0) {
      kir_barrier(b);
    }
    if (e->s->kind == AICC_SCHEDULE_STREAM) {
      gc_spill_stream(e, sums, t.pitch);
    } else {
      gc_spill(e, sums, t.pitch, part, t.parts);
    }
    kir_barrier(b);
    const size_t mark = lk_mark(lk);
    const kir_val first = kir_for(b, KIR_SERIAL, lk_i64(lk, 0), lk_i64(lk, items),
                                  lk_i64(lk, e->threads));
    const kir_val item = kir_add(b, first, e->tid);
    if (items % e->threads != 0) {
      kir_if(b, kir_scalar2(b, AICC_OP_LT, item, lk_i64(lk, items)));
    }
    const kir_val line = kir_scalar2(b, AICC_OP_DIV, item, lk_i64(lk, per_line));
    const kir_val in_line = kir_sub(b, item, kir_mul(b, line, lk_i64(lk, per_line)));
    finish_vector(e, &t, part, sums, line, kir_mul(b, in_line, lk_i64(lk, count)), count);
    if (items % e->threads != 0) {
      kir_end(b);
    }
    kir_end(b);
    lk_forget(lk, mark);
  }
}

// --- parts of k ----------------------------------------------------------------------------------

// result[place, m, n] = epilogue(partial[0, place, m, n] + partial[1, ..] + ...), in that order.
void gc_sum_parts(gc_emit *e) {
  contract *c = e->c;
  aicc_lower *lw = c->lw;
  aicc_dims *dims = lw->module->dims;
  lower_kernel *lk = &e->lk;
  const aicc_dim chunk = aicc_dim_const(dims, 8 * e->width);
  const aicc_dim places =
      e->folded ? aicc_dim_const(dims, 1) : aicc_dim_product(dims, c->outer, c->outer_rank);
  const aicc_dim sizes[] = {places, e->m, columns(c)};
  const aicc_dim all = aicc_dim_product(dims, sizes, 3);
  lk_begin(lk, lw, aicc_arena_printf(&lw->plan->arena, "sum_%u", c->group->id), "contract",
           c->group);
  kir_builder *b = &lk->b;
  const kir_val partial = lk_buffer(lk, e->partial, KIR_READ);
  const kir_val from = kir_mul(b, kir_task(b), lk_dim(lk, chunk));
  const kir_val to = kir_scalar2(b, AICC_OP_MIN, kir_add(b, from, lk_dim(lk, chunk)),
                                 lk_dim(lk, all));
  const kir_val i = lk_for(lk, KIR_LANES, from, to);
  const kir_val sum = kir_var(b, kir_const(b, c->acc, 0), true);
  for (int part = 0; part < e->s->split; part++) {
    const kir_val first = kir_mul(b, lk_i64(lk, part), lk_dim(lk, all));
    kir_set(b, sum, kir_add(b, kir_get(b, sum), kir_load(b, partial, kir_add(b, first, i))));
  }
  kir_val extents[] = {0, lk_dim(lk, e->m), lk_dim(lk, columns(c))}, at[3];
  lk_split(lk, i, extents, 3, at);
  if (!e->folded) {
    kir_val outer[AICC_MAX_RANK];
    for (int d = 0; d < c->outer_rank; d++) {
      outer[d] = lk_dim(lk, c->outer[d]);
    }
    lk_split(lk, at[0], outer, c->outer_rank, e->outer);
  }
  const kir_val array = kir_array(b, c->acc, 1, true);
  kir_aset(b, array, lk_i64(lk, 0), kir_get(b, sum));
  const element place = {.c = c, .lk = lk, .outer = e->outer, .m = unfold(e, at[1]), .n = at[2]};
  store_vector(e, &place, array, 1);
  lk_end(lk);
  const aicc_dim cost[] = {all, aicc_dim_const(dims, e->s->split)};
  gc_launch(e, lk, aicc_dim_ceildiv(dims, all, chunk),
            aicc_dim_floordiv(dims, aicc_dim_product(dims, cost, 2), aicc_dim_const(dims, 8)));
}
