#include "passes/contract.h"

#include <string.h>

#include "passes/schedule.h"

// --- words ---------------------------------------------------------------------------------------

// Four neighbours along k, of products of bytes.
enum { WORD = 4 };

static const aicc_tensor *b_tensor(const contract *c) {
  const aicc_node *def = c->b.value->def;
  return def && def->op == AICC_OP_CONST ? aicc_get_tensor(def, AICC_ATTR_VALUE) : NULL;
}

// Whether the bytes are multiplied as they lie, words of them: u8 by a constant of i8, where the
// innermost k loop runs over neighbours of A.
static bool is_of_words(const contract *c) {
  const aicc_dims *dims = c->lw->module->dims;
  return c->acc == AICC_I32 && c->a->type.dtype == AICC_U8 &&
         c->b.value->type.dtype == AICC_I8 && b_tensor(c) &&
         aicc_dim_is(dims, c->a_k_stride[c->k_rank - 1], 1) &&
         aicc_dim_is_const(dims, c->k_extent[c->k_rank - 1], NULL);
}

// --- the schedule --------------------------------------------------------------------------------

typedef struct schedule {
  int mr, nv, nr;         // rows, vectors and columns of the register block
  aicc_dim row_chunk;     // rows of one task
  aicc_dim outer_block;   // places of one task
  int64_t task_rows;      // of all its places, at most
  int64_t k_block;        // rounds of the outermost k loop between two sums in memory; 0: all
  const char *text;       // as in passes/schedule.h
} schedule;

typedef struct block_shape {
  int mr, nv, penalty;  // penalty: percent of time over the best shape where nothing is wasted
} block_shape;

// Shapes that fit the register file: mr * nv accumulators, nv of B, one broadcast.
static const block_shape shapes32[] = {{8, 3, 100}, {6, 4, 102}, {12, 2, 108}, {24, 1, 140}};
static const block_shape shapes16[] = {{4, 3, 100}, {6, 2, 103}, {12, 1, 140}};

enum { SHAPE_COUNT = 3 };

// For words that the machine multiplies in halves: twice the registers of A and B.
static const block_shape halves32[] = {{6, 3, 100}, {8, 2, 104}, {12, 1, 120}};
static const block_shape halves16[] = {{4, 2, 100}, {3, 2, 110}, {6, 1, 115}};

static aicc_dim k_total(const contract *c) {
  return aicc_dim_product(c->lw->module->dims, c->b.k_extent, c->b.k_rank);
}

// What |m| rows take in blocks of |mr|, for each vector of columns and step of k, in sixths of a
// cycle: two instructions a cycle, or, where the panel of B is larger than the first cache (|far|),
// some 27 bytes of it a cycle from the second (measured on Sapphire Rapids): few rows wait for B.
static int64_t rows_time(int64_t m, int mr, int width, bool far) {
  const int64_t blocks = (m + mr - 1) / mr, rows = (m + blocks - 1) / blocks;
  const int64_t least = far ? width * 7 / 8 : 0, rest = m % rows;
  const int64_t whole = 3 * rows > least ? 3 * rows : least;
  const int64_t last = 3 * rest > least ? 3 * rest : least;
  return m / rows * whole + (rest > 0 ? last : 0);
}

// A size, where it is known, or what is large enough to tell; 0: it is not known.
static int64_t size_of(const aicc_dims *dims, aicc_dim dim) {
  enum { LARGE = 1 << 20 };
  int64_t size = 0;
  const bool known = aicc_dim_is_const(dims, dim, &size) && size > 0;
  return !known ? 0 : size < LARGE ? size : LARGE;
}

static const block_shape *pick_shape(const contract *c, int width) {
  const aicc_dims *dims = c->lw->module->dims;
  const aicc_machine *machine = c->lw->machine;
  const bool words = is_of_words(c), halves = words && !machine->dot4;
  const block_shape *shapes = machine->registers >= 32 ? (halves ? halves32 : shapes32)
                                                       : (halves ? halves16 : shapes16);
  const int64_t n = size_of(dims, c->b.n), m = size_of(dims, c->m);
  const int64_t k = size_of(dims, k_total(c));
  int64_t best_cost = INT64_MAX;
  if (n == 0) {
    return &shapes[0];
  }
  const int64_t item = words ? 1 : (int64_t)aicc_dtype_size(c->acc);
  const block_shape *best = shapes;
  for (int i = 0; i < SHAPE_COUNT; i++) {
    const int64_t nr = shapes[i].nv * width;
    const bool far = k * nr * item > machine->l1_bytes;
    const int64_t time = m > 0 ? rows_time(m, shapes[i].mr, width, far) : 1;
    const int64_t cost = (n + nr - 1) / nr * nr * shapes[i].penalty * time;
    if (cost < best_cost) {
      best_cost = cost;
      best = &shapes[i];
    }
  }
  return best;
}

// The block that the machine's registers hold, or the one that the group's attribute asks for.
static schedule pick_block(const contract *c, int *rows) {
  const int width = c->lw->machine->width;
  const char *text = aicc_get_string(c->group, AICC_ATTR_SCHEDULE, NULL);
  aicc_schedule forced;
  if (text && aicc_schedule_parse(text, &forced)) {
    *rows = forced.rows;
    return (schedule){.mr = forced.mr, .nv = forced.nv, .nr = forced.nv * width};
  }
  const block_shape *shape = pick_shape(c, width);
  schedule s = {.mr = shape->mr, .nv = shape->nv, .nr = shape->nv * width};
  if (aicc_dtype_size(c->acc) == 8) {
    s.mr = s.mr > 1 ? s.mr / 2 : 1;  // a value takes two registers
  }
  int64_t m;
  if (aicc_dim_is_const(c->lw->module->dims, c->m, &m) && m > 0) {
    // Equal blocks: 14 rows are 2 x 7, not 8 + 6.
    const int64_t blocks = (m + s.mr - 1) / s.mr;
    s.mr = (int)((m + blocks - 1) / blocks);
  }
  *rows = (64 + s.mr - 1) / s.mr * s.mr;
  return s;
}

// Where a panel of B is so large that it and the next one do not fit the second cache, blocks of
// rows use a part of it one after the other before the next part comes.
static int64_t pick_k_block(const contract *c, int nr) {
  const aicc_dims *dims = c->lw->module->dims;
  const int64_t item = (int64_t)aicc_dtype_size(c->acc), l2 = c->lw->machine->l2_bytes;
  const int64_t k = size_of(dims, k_total(c)), outermost = size_of(dims, c->k_extent[0]);
  if (is_of_words(c) || outermost == 0 || k * nr * item <= l2 * 3 / 8) {
    return 0;
  }
  const int64_t round = k / outermost * nr * item, block = l2 / 4 / round;
  return block > 1 ? block : 1;
}

static schedule pick_schedule(const contract *c) {
  aicc_dims *dims = c->lw->module->dims;
  int rows = 0;
  schedule s = pick_block(c, &rows);
  if (rows == 0) {
    rows = (64 + s.mr - 1) / s.mr * s.mr;
  }
  int64_t m, places = 1;
  if (c->outer_rank > 0 && aicc_dim_is_const(dims, c->m, &m) && m > 0 && m < rows) {
    places = (rows + m - 1) / m;
  }
  s.row_chunk = aicc_dim_const(dims, rows);
  s.outer_block = aicc_dim_const(dims, places);
  s.task_rows = places > 1 ? places * m : rows;
  s.k_block = pick_k_block(c, s.nr);
  s.text = aicc_arena_printf(&c->lw->plan->arena, "%dx%d rows=%d", s.mr, s.nv, rows);
  return s;
}

// --- operands ------------------------------------------------------------------------------------

static bool const_of(const aicc_lower *lw, aicc_dim dim, int64_t *out) {
  return aicc_dim_is_const(lw->module->dims, dim, out);
}

bool aicc_contract_pack(const contract *c, int nr, aicc_pack *pack) {
  const contract_b *b = &c->b;
  *pack = (aicc_pack){.k_rank = b->k_rank, .nr = nr};
  bool known = const_of(c->lw, b->batch, &pack->batch) &&
               const_of(c->lw, b->batch_stride, &pack->batch_stride) &&
               const_of(c->lw, b->n, &pack->n) && const_of(c->lw, b->n_stride, &pack->n_stride);
  for (int i = 0; i < b->k_rank && known; i++) {
    known = const_of(c->lw, b->k_extent[i], &pack->k_extent[i]) &&
            const_of(c->lw, b->k_stride[i], &pack->k_stride[i]);
  }
  return known;
}

// How B is packed for words: each innermost run of k takes whole ones. False: there are none.
static bool pack_words(const contract *c, const schedule *s, aicc_pack *pack) {
  if (!is_of_words(c) || !aicc_contract_pack(c, s->nr, pack)) {
    return false;
  }
  pack->group = WORD;
  pack->run_rank = c->b.k_rank - c->k_rank + 1;
  return true;
}

static aicc_dim panel_count(const contract *c, const schedule *s) {
  aicc_dims *dims = c->lw->module->dims;
  return aicc_dim_ceildiv(dims, c->b.n, aicc_dim_const(dims, s->nr));
}

// Of a matrix from its batch dimensions, of convolution
// weights [filter, channel, taps..] from group and k = (taps.., channel).
void aicc_contract_b_index(const contract *c, lower_kernel *lk, kir_val batch, kir_val k, kir_val n,
                           kir_val *index) {
  const contract_b *b = &c->b;
  const int rank = b->value->type.rank;
  kir_val extents[AICC_MAX_RANK];
  if (c->root->def->op == AICC_OP_MATMUL) {
    for (int i = 0; i < rank - 2; i++) {
      extents[i] = lk_dim(lk, b->value->type.dims[i]);
    }
    lk_split(lk, batch, extents, rank - 2, index);
    index[b->transposed ? rank - 1 : rank - 2] = k;
    index[b->transposed ? rank - 2 : rank - 1] = n;
    return;
  }
  kir_val at[AICC_PACK_RANK];
  for (int i = 0; i < b->k_rank; i++) {
    extents[i] = lk_dim(lk, b->k_extent[i]);
  }
  lk_split(lk, k, extents, b->k_rank, at);
  index[0] = kir_add(&lk->b, kir_mul(&lk->b, batch, lk_dim(lk, b->n)), n);
  index[1] = at[b->k_rank - 1];
  for (int i = 0; i + 1 < b->k_rank; i++) {
    index[2 + i] = at[i];
  }
}

// Packs a B that is computed by the model: rows (batch, panel, k) of nr columns.
static aicc_slot pack_kernel(const contract *c, const schedule *s) {
  aicc_lower *lw = c->lw;
  aicc_dims *dims = lw->module->dims;
  const contract_b *b = &c->b;
  const aicc_dim panels = panel_count(c, s), ks = k_total(c), nr = aicc_dim_const(dims, s->nr);
  const aicc_dim shape[] = {b->batch, panels, ks, nr};
  const aicc_slot to = aicc_lower_temporary(lw, c->acc, shape, 4, "packed");
  lower_kernel lk;
  lk_begin(&lk, lw, aicc_arena_printf(&lw->plan->arena, "pack_%u", c->group->id), "pack",
           c->group);
  const kir_val out = lk_buffer(&lk, to, KIR_WRITE);
  // A task is one panel's worth of k rows.
  kir_val extents[2] = {0, lk_dim(&lk, panels)}, at[2];
  lk_split(&lk, kir_task(&lk.b), extents, 2, at);
  const kir_val n0 = kir_mul(&lk.b, at[1], lk_i64(&lk, s->nr));
  const kir_val left = kir_scalar2(&lk.b, AICC_OP_MIN, kir_sub(&lk.b, lk_dim(&lk, b->n), n0),
                                   lk_i64(&lk, s->nr));
  const kir_val k = lk_for(&lk, KIR_SERIAL, lk_i64(&lk, 0), lk_dim(&lk, ks));
  const kir_val row = kir_mul(&lk.b, kir_add(&lk.b, kir_mul(&lk.b, kir_task(&lk.b),
                                                            lk_dim(&lk, ks)), k),
                              lk_i64(&lk, s->nr));
  const kir_val j = lk_for(&lk, KIR_LANES, lk_i64(&lk, 0), lk_i64(&lk, s->nr));
  const kir_val guard = kir_scalar2(&lk.b, AICC_OP_LT, j, left);
  kir_val index[AICC_MAX_RANK];
  aicc_contract_b_index(c, &lk, at[0], k, kir_add(&lk.b, n0, j), index);
  lk.guard = guard;
  const kir_val inside = kir_cast(&lk.b, lk_elem(&lk, b->value, index), c->acc, false);
  lk.guard = 0;
  const kir_val value = kir_select(&lk.b, guard, inside, kir_const(&lk.b, c->acc, 0));
  kir_store(&lk.b, out, kir_add(&lk.b, row, j), value);
  lk_end(&lk);
  lk_end(&lk);
  const aicc_dim count = aicc_dim_product(dims, shape, 4);
  lk_launch(&lk, aicc_dim_mul(dims, b->batch, panels),
            aicc_dim_floordiv(dims, count, aicc_dim_const(dims, 4)));
  return to;
}

static aicc_slot packed_constant(const contract *c, const aicc_pack *pack) {
  const aicc_plan_const constant = {
      .name = c->b.value->name,
      .tensor = b_tensor(c),
      .pack = aicc_arena_memdup(&c->lw->plan->arena, pack, sizeof *pack)};
  return aicc_lower_constant(c->lw, &constant);
}

static aicc_slot packed_b(const contract *c, const schedule *s) {
  aicc_pack pack;
  return b_tensor(c) && aicc_contract_pack(c, s->nr, &pack) ? packed_constant(c, &pack)
                                                           : pack_kernel(c, s);
}

aicc_slot aicc_contract_operand(aicc_lower *lw, const aicc_node *group, const aicc_value *value,
                                aicc_dtype type) {
  if (value->type.dtype == type) {
    return aicc_lower_slot(lw, value);
  }
  aicc_dims *dims = lw->module->dims;
  const aicc_slot to =
      aicc_lower_temporary(lw, type, value->type.dims, value->type.rank, value->name);
  const aicc_dim count = aicc_type_count(lw->module, &value->type);
  const aicc_dim chunk = aicc_dim_const(dims, 16384);
  lower_kernel lk;
  lk_begin(&lk, lw, aicc_arena_printf(&lw->plan->arena, "widen_%u", group->id), "map", group);
  const kir_val from = lk_buffer(&lk, aicc_lower_slot(lw, value), KIR_READ);
  const kir_val out = lk_buffer(&lk, to, KIR_WRITE);
  const kir_val first = kir_mul(&lk.b, kir_task(&lk.b), lk_dim(&lk, chunk));
  const kir_val end = kir_scalar2(&lk.b, AICC_OP_MIN,
                                  kir_add(&lk.b, first, lk_dim(&lk, chunk)), lk_dim(&lk, count));
  const kir_val i = lk_for(&lk, KIR_LANES, first, end);
  const kir_val item = lk_load(&lk, from, value->type.dtype, i);
  kir_store(&lk.b, out, i, kir_cast(&lk.b, item, type, false));
  lk_end(&lk);
  lk_launch(&lk, aicc_dim_ceildiv(dims, count, chunk),
            aicc_dim_floordiv(dims, count, aicc_dim_const(dims, 8)));
  return to;
}

static bool row_constant(const aicc_lower *lw, const aicc_type *type) {
  for (int k = 0; k + 1 < type->rank; k++) {
    if (!aicc_dim_is(lw->module->dims, type->dims[k], 1)) {
      return false;
    }
  }
  return true;
}

static bool flattens_from(const aicc_lower *lw, const aicc_region *body, const aicc_value *root,
                          const aicc_value *value) {
  const aicc_type *full = &root->type, *type = &value->type;
  const bool same = type->rank == full->rank &&
                    memcmp(type->dims, full->dims, (size_t)full->rank * sizeof *full->dims) == 0;
  if (value == root || !value->def || value->def->parent != body) {
    return same || row_constant(lw, type);
  }
  if (aicc_kind_of(value->def) != AICC_KIND_ELTWISE || !(same || row_constant(lw, type))) {
    return false;
  }
  for (int i = 0; i < value->def->in_count; i++) {
    if (!flattens_from(lw, body, root, value->def->in[i])) {
      return false;
    }
  }
  return true;
}

bool aicc_contract_flattens(const aicc_lower *lw, const aicc_region *body,
                            const aicc_value *root) {
  for (int i = 0; i < body->result_count; i++) {
    if (!flattens_from(lw, body, root, lk_unpadded(body, body->results[i]))) {
      return false;
    }
  }
  return true;
}

// The row number stands in the innermost leading dimension that is longer than 1 (an index into one
// of extent 1 counts as broadcast); every access is linear in it.
void aicc_contract_flat_index(const contract *c, lower_kernel *lk, const kir_val *outer, kir_val m,
                              kir_val n, kir_val *index) {
  const aicc_type *type = &c->root->type;
  (void)outer;
  int at = type->rank - 2;
  while (at > 0 && aicc_dim_is(c->lw->module->dims, type->dims[at], 1)) {
    at--;
  }
  for (int i = 0; i + 1 < type->rank; i++) {
    index[i] = i == at ? m : lk_i64(lk, 0);
  }
  index[type->rank - 1] = n;
}

// --- the kernel ----------------------------------------------------------------------------------

typedef struct emit {
  contract *c;
  const schedule *s;
  bool words;                    // A and B are read as words of bytes
  aicc_dim k_stored;             // rows of a panel of B
  lower_kernel lk;
  kir_val a, b;                  // buffers
  aicc_dtype b_type;
  kir_val tile;                  // local buffer [mr][nr]
  kir_val outer[AICC_MAX_RANK];  // index of the place
  kir_val a_base, b_base, m_end;
  kir_val place, row;            // of the task: places before this one, its first row
  kir_val k_from, k_to;          // rounds of the outermost k loop; 0: all
  kir_val tile_row;              // where the place's first row stands in the tile; 0: at 0
  kir_val ahead;                 // from what a block reads of B to what it prefetches
  kir_val n0, n_left;            // first column (within its group), columns that exist
  kir_val group_first;           // first column of the group in the result
} emit;

static kir_val add_mul(lower_kernel *lk, kir_val sum, kir_val x, aicc_dim stride) {
  return kir_add(&lk->b, sum, kir_mul(&lk->b, x, lk_dim(lk, stride)));
}

// What a lane multiplies of B's vector |v|.
static kir_val b_item(emit *e, kir_val b_offset, int v) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const kir_val column = kir_add(b, lk_i64(lk, v * e->c->lw->machine->width), kir_lane(b));
  if (e->words) {
    return kir_word(b, e->b, kir_add(b, b_offset, kir_mul(b, column, lk_i64(lk, WORD))));
  }
  return kir_cast(b, kir_load(b, e->b, kir_add(b, b_offset, column)), e->c->acc, false);
}

// The |count| bytes of A from |at| on, zeros behind them.
static kir_val part_of_word(emit *e, kir_val at, int count) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  kir_val word = kir_const(b, AICC_I32, 0);
  for (int i = 0; i < count; i++) {
    const kir_val byte = kir_load(b, e->a, kir_add(b, at, lk_i64(lk, i)));
    const kir_val placed = kir_scalar2(b, AICC_OP_SHL, kir_cast(b, byte, AICC_I32, false),
                                       kir_const(b, AICC_I32, 8 * i));
    word = kir_scalar2(b, AICC_OP_OR, word, placed);
  }
  return word;
}

// What a row gives of A at |at|: an element, or |count| bytes.
static kir_val a_item(emit *e, kir_val at, int count) {
  return !e->words      ? kir_load(&e->lk.b, e->a, at)
         : count < WORD ? part_of_word(e, at, count)
                        : kir_word(&e->lk.b, e->a, at);
}

// One step of the innermost k loop, |count| terms of the sum: nv loads of B, mr broadcasts of A,
// mr * nv multiply-adds.
static void multiply_add(emit *e, kir_val acc, int rows, const kir_val *row_at, kir_val a_offset,
                         kir_val b_offset, int count) {
  kir_builder *b = &e->lk.b;
  kir_val vectors[8];
  if (e->ahead) {
    kir_prefetch(b, e->b, kir_add(b, b_offset, e->ahead));
  }
  for (int v = 0; v < e->s->nv; v++) {
    vectors[v] = b_item(e, b_offset, v);
  }
  for (int r = 0; r < rows; r++) {
    const kir_val item = a_item(e, kir_add(b, row_at[r], a_offset), count);
    for (int v = 0; v < e->s->nv; v++) {
      const kir_val slot = lk_i64(&e->lk, r * e->s->nv + v), sum = kir_aget(b, acc, slot);
      kir_aset(b, acc, slot,
               e->words ? kir_dot4(b, item, vectors[v], sum) : kir_fma(b, item, vectors[v], sum));
    }
  }
}

// A run of k in words; |run| runs are before it.
static void word_loop(emit *e, kir_val acc, int rows, const kir_val *row_at, kir_val a_offset,
                      kir_val run) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  int64_t length = 0;
  const_of(e->c->lw, e->c->k_extent[e->c->k_rank - 1], &length);
  const int64_t words = length / WORD, stored = (length + WORD - 1) / WORD;
  const kir_val row_bytes = lk_i64(lk, (int64_t)e->s->nr * WORD);
  const kir_val first = kir_add(b, e->b_base, kir_mul(b, kir_mul(b, run, lk_i64(lk, stored)),
                                                      row_bytes));
  if (words > 0) {
    const kir_val i = lk_for(lk, KIR_SERIAL, lk_i64(lk, 0), lk_i64(lk, words));
    multiply_add(e, acc, rows, row_at, kir_add(b, a_offset, kir_mul(b, i, lk_i64(lk, WORD))),
                 kir_add(b, first, kir_mul(b, i, row_bytes)), WORD);
    lk_end(lk);
  }
  if (words < stored) {
    const kir_val done = lk_i64(lk, words);
    multiply_add(e, acc, rows, row_at, kir_add(b, a_offset, lk_i64(lk, words * WORD)),
                 kir_add(b, first, kir_mul(b, done, row_bytes)), (int)(length - words * WORD));
  }
}

static void k_loops(emit *e, kir_val acc, int rows, const kir_val *row_at) {
  lower_kernel *lk = &e->lk;
  const contract *c = e->c;
  const int loops = e->words ? c->k_rank - 1 : c->k_rank;
  kir_val a_offset = lk_i64(lk, 0), k = lk_i64(lk, 0);
  for (int i = 0; i < loops; i++) {
    const bool part = i == 0 && e->k_to;
    const kir_val at = lk_for(lk, KIR_SERIAL, part ? e->k_from : lk_i64(lk, 0),
                              part ? e->k_to : lk_dim(lk, c->k_extent[i]));
    a_offset = add_mul(lk, a_offset, at, c->a_k_stride[i]);
    k = kir_add(&lk->b, kir_mul(&lk->b, k, lk_dim(lk, c->k_extent[i])), at);
  }
  if (e->words) {
    word_loop(e, acc, rows, row_at, a_offset, k);
  } else {
    const kir_val b_offset =
        kir_add(&lk->b, e->b_base, kir_mul(&lk->b, k, lk_i64(lk, e->s->nr)));
    multiply_add(e, acc, rows, row_at, a_offset, b_offset, 1);
  }
  for (int i = 0; i < loops; i++) {
    lk_end(lk);
  }
}

static void epilogue(emit *e, kir_val m, kir_val rows) {
  contract *c = e->c;
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const size_t mark = lk_mark(lk);
  const kir_val r = lk_for(lk, KIR_SERIAL, lk_i64(lk, 0), rows);
  const kir_val j = lk_for(lk, KIR_LANES, lk_i64(lk, 0), e->n_left);
  const kir_val tile_row = e->tile_row ? kir_add(b, e->tile_row, r) : r;
  const kir_val place = kir_add(b, kir_mul(b, tile_row, lk_i64(lk, e->s->nr)), j);
  kir_val sum = kir_load(b, e->tile, place);
  const kir_val n = kir_add(b, kir_add(b, e->group_first, e->n0), j);
  if (c->bias) {
    sum = kir_add(b, sum, kir_cast(b, lk_elem(lk, c->bias, &n), c->acc, false));
  }
  const aicc_dtype computed = lk_compute_type(c->root->type.dtype);
  lk_bind(lk, c->root,
          lk_round(lk, c->root->type.dtype, kir_cast(b, sum, computed, false)));
  kir_val index[AICC_MAX_RANK];
  c->result_index(c, lk, e->outer, kir_add(b, m, r), n, index);
  lk_store_results(lk, c->group, index, c->result_index == aicc_contract_flat_index);
  lk_end(lk);
  lk_end(lk);
  lk_forget(lk, mark);
}

// While a task's first blocks read a part of B, again and again, the part behind it comes from
// memory: each of them asks for one cache line of every row of it. Parts are panels, or what there
// is between two sums in memory. Whole panels of floats take so long that the machine's own
// prefetching keeps up with them.
static kir_val ahead_of(emit *e, kir_val m) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const int64_t item = e->words ? 1 : (int64_t)aicc_dtype_size(e->c->acc), line = 64 / item;
  const int64_t row = (int64_t)e->s->nr * (e->words ? WORD : 1), lines = (row + line - 1) / line;
  const kir_val mr = lk_i64(lk, e->s->mr);
  const kir_val rows = kir_sub(b, e->m_end, e->row);
  const kir_val blocks =
      kir_scalar2(b, AICC_OP_DIV, kir_add(b, rows, lk_i64(lk, e->s->mr - 1)), mr);
  const kir_val before = kir_scalar2(b, AICC_OP_DIV, kir_sub(b, m, e->row), mr);
  const kir_val number = kir_add(b, kir_mul(b, e->place, blocks), before);
  int64_t k = 0, outermost = 1;
  const_of(e->c->lw, k_total(e->c), &k);
  const_of(e->c->lw, e->c->k_extent[0], &outermost);
  const kir_val part = e->k_to ? lk_i64(lk, k / outermost * e->s->k_block * e->s->nr)
                               : kir_mul(b, lk_dim(lk, e->k_stored), lk_i64(lk, e->s->nr));
  const kir_val next = kir_add(b, part, kir_mul(b, number, lk_i64(lk, line)));
  return kir_select(b, kir_scalar2(b, AICC_OP_LT, number, lk_i64(lk, lines)), next,
                    lk_i64(lk, 0));
}

// Where row |r| of the block at row |m| has its vector |v| in the tile.
static kir_val tile_place(emit *e, kir_val m, int r, int v) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const int width = e->c->lw->machine->width;
  kir_val at = kir_add(b, lk_i64(lk, r * e->s->nr + v * width), kir_lane(b));
  if (e->tile_row) {
    const kir_val row = kir_add(b, e->tile_row, kir_sub(b, m, e->row));
    at = kir_add(b, at, kir_mul(b, row, lk_i64(lk, e->s->nr)));
  }
  return at;
}

// Sums of |rows| rows from |m| on, into the tile; where |clamp|, rows beyond the end read the last
// row. In parts of k, all but the first go on from the tile.
static void block_sums(emit *e, kir_val m, int rows, bool clamp) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const int nv = e->s->nv;
  const kir_val last = kir_sub(b, e->m_end, lk_i64(lk, 1));
  kir_val row_at[64];
  for (int r = 0; r < rows; r++) {
    kir_val row = kir_add(b, m, lk_i64(lk, r));
    if (clamp) {
      row = kir_scalar2(b, AICC_OP_MIN, row, last);
    }
    row_at[r] = add_mul(lk, e->a_base, row, e->c->a_row_stride);
  }
  const kir_val acc = kir_array(b, e->c->acc, rows * nv, true);
  const kir_val zero = kir_const(b, e->c->acc, 0);
  const kir_val goes_on =
      e->k_to ? kir_scalar2(b, AICC_OP_GT, e->k_from, lk_i64(lk, 0)) : 0;
  for (int i = 0; i < rows * nv; i++) {
    const kir_val begin =
        goes_on ? kir_load_or(b, e->tile, tile_place(e, m, i / nv, i % nv), goes_on, zero) : zero;
    kir_aset(b, acc, lk_i64(lk, i), begin);
  }
  e->ahead = e->words || e->k_to ? ahead_of(e, m) : 0;
  k_loops(e, acc, rows, row_at);
  for (int i = 0; i < rows * nv; i++) {
    kir_store(b, e->tile, tile_place(e, m, i / nv, i % nv), kir_aget(b, acc, lk_i64(lk, i)));
  }
}

// The same with its epilogue, but in parts of k.
static void register_block(emit *e, kir_val m, int rows, bool clamp) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  block_sums(e, m, rows, clamp);
  if (!e->k_to) {
    epilogue(e, m,
             clamp ? kir_scalar2(b, AICC_OP_MIN, kir_sub(b, e->m_end, m), lk_i64(lk, rows))
                   : lk_i64(lk, rows));
  }
}

// All rows from |first| to e->m_end: whole blocks, then what is left.
static void row_blocks(emit *e, kir_val first) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const int mr = e->s->mr;
  int64_t from, to;
  const bool known = kir_is_const_i64(b, first, &from) && kir_is_const_i64(b, e->m_end, &to);
  const kir_val count = kir_sub(b, e->m_end, first);
  const kir_val whole = kir_add(
      b, first, kir_mul(b, kir_scalar2(b, AICC_OP_DIV, count, lk_i64(lk, mr)), lk_i64(lk, mr)));
  const size_t mark = lk_mark(lk);
  const kir_val m = kir_for(b, KIR_SERIAL, first, whole, lk_i64(lk, mr));
  register_block(e, m, mr, false);
  kir_end(b);
  lk_forget(lk, mark);
  if (known && (to - from) % mr == 0) {
    return;
  }
  kir_if(b, kir_scalar2(b, AICC_OP_LT, whole, e->m_end));
  if (known) {
    register_block(e, whole, (int)((to - from) % mr), false);
  } else {
    register_block(e, whole, mr, true);
  }
  kir_end(b);
  lk_forget(lk, mark);
}

typedef struct grid {
  aicc_dim panels, groups, outers, outer_blocks, chunks;
} grid;

static grid make_grid(const contract *c, const schedule *s) {
  aicc_dims *dims = c->lw->module->dims;
  grid g = {.panels = panel_count(c, s), .groups = c->groups};
  g.outers = aicc_dim_product(dims, c->outer, c->outer_rank);
  g.outer_blocks = aicc_dim_ceildiv(dims, g.outers, s->outer_block);
  int64_t m, chunk;
  const bool single = aicc_dim_is_const(dims, c->m, &m) &&
                      aicc_dim_is_const(dims, s->row_chunk, &chunk) && m <= chunk;
  g.chunks = single ? aicc_dim_const(dims, 1) : aicc_dim_ceildiv(dims, c->m, s->row_chunk);
  return g;
}

// Splits the task number: (outer block, row chunk, group, panel), panels fastest.
static void place_task(emit *e, const grid *g, kir_val *outer_block, kir_val *chunk) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const kir_val extents[] = {0, lk_dim(lk, g->chunks), lk_dim(lk, g->groups),
                             lk_dim(lk, g->panels)};
  kir_val at[4];
  lk_split(lk, kir_task(b), extents, 4, at);
  *outer_block = at[0];
  *chunk = at[1];
  const kir_val group = at[2], panel = at[3];
  e->n0 = kir_mul(b, panel, lk_i64(lk, e->s->nr));
  e->n_left = kir_scalar2(b, AICC_OP_MIN, kir_sub(b, lk_dim(lk, e->c->b.n), e->n0),
                          lk_i64(lk, e->s->nr));
  e->group_first = kir_mul(b, group, lk_dim(lk, e->c->b.n));
  e->a_base = kir_mul(b, group, lk_dim(lk, e->c->a_group_stride));
  const kir_val panel_at = kir_add(b, kir_mul(b, group, lk_dim(lk, g->panels)), panel);
  e->b_base = kir_mul(b, panel_at, lk_dim(lk, e->k_stored));
}

static void place_outer(emit *e, const grid *g, kir_val place, kir_val a_base, kir_val b_base) {
  contract *c = e->c;
  lower_kernel *lk = &e->lk;
  kir_val extents[AICC_MAX_RANK], batch = lk_i64(lk, 0);
  for (int i = 0; i < c->outer_rank; i++) {
    extents[i] = lk_dim(lk, c->outer[i]);
  }
  lk_split(lk, place, extents, c->outer_rank, e->outer);
  for (int i = 0; i < c->outer_rank; i++) {
    a_base = add_mul(lk, a_base, e->outer[i], c->outer_a_stride[i]);
    batch = add_mul(lk, batch, e->outer[i], c->outer_b_batch[i]);
  }
  const kir_val rows = kir_mul(&lk->b, lk_dim(lk, g->panels), lk_dim(lk, e->k_stored));
  e->a_base = a_base;
  e->b_base = kir_mul(&lk->b, kir_add(&lk->b, b_base, kir_mul(&lk->b, batch, rows)),
                      lk_i64(lk, e->s->nr));
}

typedef struct task {
  kir_val first, end, chunk;  // places, chunk of rows
  kir_val a_base, b_base;
} task;

static void each_place(emit *e, const grid *g, const task *t, bool sums) {
  const contract *c = e->c;
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const schedule *s = e->s;
  const kir_val place = lk_for(lk, KIR_SERIAL, t->first, t->end);
  place_outer(e, g, place, t->a_base, t->b_base);
  const bool whole = aicc_dim_is(c->lw->module->dims, g->chunks, 1);
  const kir_val row = whole ? lk_i64(lk, 0) : kir_mul(b, t->chunk, lk_dim(lk, s->row_chunk));
  e->m_end = whole ? lk_dim(lk, c->m)
                   : kir_scalar2(b, AICC_OP_MIN, kir_add(b, row, lk_dim(lk, s->row_chunk)),
                                 lk_dim(lk, c->m));
  e->place = kir_sub(b, place, t->first);
  e->row = row;
  if (s->k_block > 0) {
    e->tile_row = kir_mul(b, e->place, kir_sub(b, e->m_end, row));
  }
  if (sums) {
    row_blocks(e, row);
  } else {
    epilogue(e, row, kir_sub(b, e->m_end, row));
  }
  lk_end(lk);
}

// One task: every row of its chunk, at each place of its block.
static void emit_task(emit *e, const grid *g) {
  lower_kernel *lk = &e->lk;
  kir_builder *b = &lk->b;
  const schedule *s = e->s;
  kir_val outer_block;
  task t;
  place_task(e, g, &outer_block, &t.chunk);
  t.a_base = e->a_base;
  t.b_base = e->b_base;
  t.first = kir_mul(b, outer_block, lk_dim(lk, s->outer_block));
  t.end = kir_scalar2(b, AICC_OP_MIN, kir_add(b, t.first, lk_dim(lk, s->outer_block)),
                      lk_dim(lk, g->outers));
  if (s->k_block == 0) {
    each_place(e, g, &t, true);
    return;
  }
  const kir_val rounds = lk_dim(lk, e->c->k_extent[0]), step = lk_i64(lk, s->k_block);
  const size_t mark = lk_mark(lk);
  e->k_from = kir_for(b, KIR_SERIAL, lk_i64(lk, 0), rounds, step);
  e->k_to = kir_scalar2(b, AICC_OP_MIN, kir_add(b, e->k_from, step), rounds);
  each_place(e, g, &t, true);
  lk_end(lk);
  lk_forget(lk, mark);
  each_place(e, g, &t, false);
}

// The operands as the kernel reads them: A in place or widened, B packed.
static void find_operands(emit *e, aicc_slot *a, aicc_slot *b) {
  const contract *c = e->c;
  aicc_pack pack;
  e->words = pack_words(c, e->s, &pack);
  e->k_stored = e->words ? aicc_dim_const(c->lw->module->dims, aicc_pack_rows(&pack)) : k_total(c);
  *a = e->words ? aicc_lower_slot(c->lw, c->a)
                : aicc_contract_operand(c->lw, c->group, c->a, c->acc);
  *b = e->words ? packed_constant(c, &pack) : packed_b(c, e->s);
}

static void launch(emit *e, const grid *g) {
  const contract *c = e->c;
  aicc_dims *dims = c->lw->module->dims;
  const aicc_dim tasks[] = {g->outer_blocks, g->chunks, g->groups, g->panels};
  const aicc_dim flops[] = {g->outers, c->m, g->groups, c->b.n, k_total(c)};
  const int64_t per_ns = e->words && c->lw->machine->dot4 ? 24 * WORD : 24;
  lk_launch(&e->lk, aicc_dim_product(dims, tasks, 4),
            aicc_dim_floordiv(dims, aicc_dim_product(dims, flops, 5),
                              aicc_dim_const(dims, per_ns)));
}

void aicc_contract_emit(contract *c) {
  aicc_lower *lw = c->lw;
  if (lw->machine->kind == AICC_MACHINE_GPU) {
    aicc_contract_emit_gpu(c);
    return;
  }
  const char *text = aicc_get_string(c->group, AICC_ATTR_SCHEDULE, NULL);
  aicc_schedule forced;
  if (text && aicc_schedule_parse(text, &forced) && forced.kind != AICC_SCHEDULE_BLOCK) {
    aicc_lower_unsupported(
        lw, c->root->def,
        aicc_arena_printf(&lw->plan->arena, "the schedule '%s' is one for GPUs; force one like 8x3",
                          text));
    return;
  }
  const schedule s = pick_schedule(c);
  emit e = {.c = c, .s = &s};
  aicc_slot a, b;
  find_operands(&e, &a, &b);
  for (int i = 0; i < c->group->out_count; i++) {
    aicc_lower_result(lw, c->group->out[i]);
  }
  const grid g = make_grid(c, &s);
  lower_kernel *lk = &e.lk;
  lk_begin(lk, lw,
           aicc_arena_printf(&lw->plan->arena, "%s_%u", aicc_op_table[c->root->def->op].name,
                             c->group->id),
           "contract", c->group);
  lk->schedule = s.text;
  e.a = lk_buffer(lk, a, KIR_READ);
  e.b = lk_buffer(lk, b, KIR_READ);
  const int64_t tile_rows = s.k_block > 0 ? s.task_rows + s.mr : s.mr;
  e.tile = kir_local(&lk->b, c->acc, tile_rows * s.nr);
  emit_task(&e, &g);
  launch(&e, &g);
}
