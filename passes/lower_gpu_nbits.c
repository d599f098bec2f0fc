// Products with weights of 4 bits on GPUs.
//
// Few rows: matrix instructions take the weights as they lie. Four bits put into the mantissa of a
// float between two powers of two are the float BASE + q, exactly, so that two operations make two
// elements of a fragment. A block's sums of x (BASE + q) less (BASE + zero) of its sums of x, times
// its scale, are added in f32. Which k a lane has does not matter as long as both operands agree:
// lane 4 r + c takes word c of a block of 32 of column r, and of row r of x the eight elements that
// the word's bits belong to. Constants are packed so that a lane's words of four blocks are
// neighbours.
//
// Many rows, and types without such an instruction: the weights are unpacked once, as a matrix of
// rows of k, and the product is one like any other.
#include <string.h>

#include "passes/contract.h"
#include "passes/lower_own.h"

enum {
  UNIT = 32,  // of k that a column's words of one round belong to
  GROUP = 4 * UNIT,
  COLUMNS = 8,  // of a fragment, and rows of a line of them
  FEW = 64,     // rows for which the weights are read as they lie
  WARPS = 4,
  ENOUGH = 256,  // tasks for which wider ones are better
  WORDS = 4,     // of a block's columns
  NIBBLES = 8,   // of a word
};

typedef struct nbits {
  own *o;
  lower_kernel lk;
  int64_t k, n, block;
  aicc_dtype dtype;
  bool packed;
  aicc_dim rows;
  kir_mma_kind mma;
  aicc_slot x, b, scales, zeros,
      bias;  // x and b as words; zeros, bias: AICC_NO_SLOT where there are none
  // Few rows.
  int tiles, lines;  // fragments' columns and rows of a task, in eights
  kir_val x_words, b_words, scale_of, zero_of;
  kir_val m0, n0, m_size, row, quad;  // of the tile; of the lane
  kir_val words, halves, scaled, shifts, total;
} nbits;

static kir_val i64(nbits *m, int64_t value) { return lk_i64(&m->lk, value); }
static kir_val u32(nbits *m, uint64_t bits) { return kir_const_bits(&m->lk.b, AICC_U32, bits); }
static kir_val f32(nbits *m, double value) { return kir_const(&m->lk.b, AICC_F32, value); }

static kir_val plus(nbits *m, kir_val x, int64_t by) { return kir_add(&m->lk.b, x, i64(m, by)); }
static kir_val times(nbits *m, kir_val x, int64_t by) { return kir_mul(&m->lk.b, x, i64(m, by)); }
static kir_val over(nbits *m, kir_val x, int64_t by) {
  return kir_scalar2(&m->lk.b, AICC_OP_DIV, x, i64(m, by));
}
static kir_val least(nbits *m, kir_val x, kir_val y) {
  return kir_scalar2(&m->lk.b, AICC_OP_MIN, x, y);
}
static kir_val item(nbits *m, kir_val array, int i) { return kir_aget(&m->lk.b, array, i64(m, i)); }
static void set_item(nbits *m, kir_val array, int i, kir_val value) {
  kir_aset(&m->lk.b, array, i64(m, i), value);
}

// (word >> by) & mask
static kir_val bits_of(nbits *m, kir_val word, int by, uint64_t mask) {
  kir_builder *b = &m->lk.b;
  const kir_val moved = by > 0 ? kir_scalar2(b, AICC_OP_SHR, word, u32(m, (uint64_t)by)) : word;
  return kir_scalar2(b, AICC_OP_AND, moved, u32(m, mask));
}

// --- scales and zero points ----------------------------------------------------------------------

// Zero point of block |block| of column |column|.
static kir_val zero_of(nbits *m, kir_val column, kir_val block) {
  enum { MIDDLE = 8 };
  kir_builder *b = &m->lk.b;
  if (m->zeros == AICC_NO_SLOT) {
    return f32(m, MIDDLE);
  }
  const int64_t blocks = m->k / m->block;
  if (own_type(m->o, 3)->dtype != AICC_U8) {
    const kir_val at = kir_add(b, times(m, column, blocks), block);
    return kir_cast(b, kir_load(b, m->zero_of, at), AICC_F32, false);
  }
  const kir_val half = over(m, block, 2), odd = kir_sub(b, block, times(m, half, 2));
  const kir_val at = kir_add(b, times(m, column, (blocks + 1) / 2), half);
  const kir_val both = kir_cast(b, kir_load(b, m->zero_of, at), AICC_U32, false);
  const kir_val by = kir_cast(b, times(m, odd, 4), AICC_U32, false);
  const kir_val bits =
      kir_scalar2(b, AICC_OP_AND, kir_scalar2(b, AICC_OP_SHR, both, by), u32(m, 15));
  return kir_cast(b, kir_cast(b, bits, AICC_I32, false), AICC_F32, false);
}

static kir_val scale_of(nbits *m, kir_val column, kir_val block) {
  kir_builder *b = &m->lk.b;
  const kir_val at = kir_add(b, times(m, column, m->k / m->block), block);
  return kir_cast(b, kir_load(b, m->scale_of, at), AICC_F32, false);
}

static void take_weights(nbits *m) {
  lower_kernel *lk = &m->lk;
  m->b_words = lk_buffer(lk, m->b, KIR_READ);
  m->scale_of = lk_buffer(lk, m->scales, KIR_READ);
  m->zero_of = m->zeros != AICC_NO_SLOT ? lk_buffer(lk, m->zeros, KIR_READ) : 0;
}

// words[at ..] = word |quad| of the four blocks of group |group| of |column|.
static void load_words(nbits *m, int at, kir_val column, kir_val group, kir_val quad) {
  kir_builder *b = &m->lk.b;
  const kir_val start = times(m, kir_add(b, times(m, column, m->k / GROUP), group), WORDS * 4);
  if (m->packed) {
    kir_vload(b, m->words, at, 4, m->b_words, kir_add(b, start, times(m, quad, 4)));
    return;
  }
  for (int i = 0; i < 4; i++) {
    kir_vload(b, m->words, at + i, 1, m->b_words, plus(m, kir_add(b, start, quad), i * WORDS));
  }
}

// --- few rows ------------------------------------------------------------------------------------

// Two of BASE, and of 1, as bits; and BASE.
typedef struct magic {
  uint64_t base, one;
  double value;
} magic;

static magic magic_of(aicc_dtype dtype) {
  return dtype == AICC_F16 ? (magic){0x64006400, 0x3c003c00, 1024}
                           : (magic){0x43004300, 0x3f803f80, 128};
}

static void begin_few(nbits *m) {
  lower_kernel *lk = &m->lk;
  kir_builder *b = &lk->b;
  const int64_t wide = (int64_t)m->tiles * COLUMNS;
  const kir_val columns = i64(m, (m->n + wide - 1) / wide);
  const kir_val line = kir_scalar2(b, AICC_OP_DIV, kir_task(b), columns);
  take_weights(m);
  m->x_words = lk_buffer(lk, m->x, KIR_READ);
  m->m_size = lk_dim(lk, m->rows);
  m->m0 = times(m, line, m->lines * COLUMNS);
  m->n0 = times(m, kir_sub(b, kir_task(b), kir_mul(b, line, columns)), wide);
  m->row = over(m, kir_lane(b), 4);
  m->quad = kir_sub(b, kir_lane(b), times(m, m->row, 4));
  m->words = kir_array(b, AICC_U32, (int64_t)m->tiles * 4, true);
  m->total = kir_array(b, AICC_F32, (int64_t)m->tiles * 4, true);
}

// Columns of fragment |t| whose sums a lane holds: 2 * quad and the one behind it; within the
// matrix.
static kir_val summed_column(nbits *m, int t, int c) {
  kir_builder *b = &m->lk.b;
  const kir_val column = kir_add(b, m->n0, plus(m, times(m, m->quad, 2), t * COLUMNS + c));
  return least(m, column, i64(m, m->n - 1));
}

// scaled, shifts: of the columns of a lane's sums, for the four blocks of a group.
static void load_scales(nbits *m, kir_val group) {
  enum { UNITS = GROUP / UNIT };
  kir_builder *b = &m->lk.b;
  const double base = magic_of(m->dtype).value;
  const int64_t per_block = m->block / UNIT;
  for (int t = 0; t < m->tiles; t++) {
    for (int c = 0; c < 2; c++) {
      const kir_val column = summed_column(m, t, c);
      for (int i = 0; i < UNITS; i++) {
        const int at = (t * 2 + c) * UNITS + i;
        const bool new = i % per_block == 0 || i == 0;
        const kir_val block = over(m, plus(m, times(m, group, UNITS), i), per_block);
        set_item(m, m->scaled, at, new ? scale_of(m, column, block) : item(m, m->scaled, at - 1));
        if (m->zeros != AICC_NO_SLOT) {
          const kir_val shift = kir_sub(b, f32(m, -base), zero_of(m, column, block));
          set_item(m, m->shifts, at, new ? shift : item(m, m->shifts, at - 1));
        }
      }
    }
  }
}

// halves[(h * 4 + i) * 4 ..]: the eight elements of x of unit i that belong to the lane's words,
// for rows row + 8 h; zeros beyond the last row.
static void load_rows(nbits *m, kir_val group) {
  kir_builder *b = &m->lk.b;
  for (int h = 0; h < m->lines; h++) {
    const kir_val row = kir_add(b, m->m0, plus(m, m->row, (int64_t)h * COLUMNS));
    kir_if(b, kir_scalar2(b, AICC_OP_LT, row, m->m_size));
    kir_val at = kir_add(b, times(m, row, m->k / 2), times(m, group, GROUP / 2));
    at = kir_add(b, at, times(m, m->quad, 4));
    for (int i = 0; i < 4; i++) {
      kir_vload(b, m->halves, (h * 4 + i) * 4, 4, m->x_words, plus(m, at, i * UNIT / 2));
    }
    kir_end(b);
  }
}

// Elements e and e + 4 of the eight that four words hold.
static kir_val pair_of(nbits *m, int first, int e) {
  kir_builder *b = &m->lk.b;
  const kir_val low = item(m, m->halves, first + e / 2),
                high = item(m, m->halves, first + 2 + e / 2);
  if (e % 2 == 0) {
    return kir_scalar2(b, AICC_OP_OR, kir_scalar2(b, AICC_OP_AND, low, u32(m, 0xffff)),
                       kir_scalar2(b, AICC_OP_SHL, high, u32(m, 16)));
  }
  return kir_scalar2(b, AICC_OP_OR, kir_scalar2(b, AICC_OP_SHR, low, u32(m, 16)),
                     kir_scalar2(b, AICC_OP_AND, high, u32(m, 0xffff0000)));
}

typedef struct fragments {
  kir_val a, b, ones, d, sums;
} fragments;

static void clear(nbits *m, kir_val array) {
  for (int i = 0; i < 4; i++) {
    set_item(m, array, i, f32(m, 0));
  }
}

// d = Σ x (BASE + q) of a unit, or, of ones, Σ x.
static void multiply(nbits *m, const fragments *f, kir_val d, kir_val y) {
  clear(m, d);
  for (int step = 0; step < 2; step++) {
    kir_mma(&m->lk.b, m->mma, d, 0, f->a, step * 4, y, y == f->ones ? 0 : step * 2);
  }
}

static void add_unit(nbits *m, const fragments *f, int unit) {
  kir_builder *b = &m->lk.b;
  const magic base = magic_of(m->dtype);
  for (int e = 0; e < 4; e++) {  // registers: k 0, k 0 of the rows below, k 1, ..; two steps
    for (int h = 0; h < 2; h++) {
      const kir_val pair = h < m->lines ? pair_of(m, (h * 4 + unit) * 4, e) : u32(m, 0);
      set_item(m, f->a, e / 2 * 4 + e % 2 * 2 + h, pair);
    }
  }
  multiply(m, f, f->sums, f->ones);
  for (int t = 0; t < m->tiles; t++) {
    const kir_val word = item(m, m->words, t * 4 + unit);
    for (int e = 0; e < 4; e++) {
      const kir_val bits = bits_of(m, word, 4 * e, 0x000f000f);
      set_item(m, f->b, e, kir_scalar2(b, AICC_OP_OR, bits, u32(m, base.base)));
    }
    multiply(m, f, f->d, f->b);
    for (int e = 0; e < 2 * m->lines; e++) {
      const int at = (t * 2 + e % 2) * 4 + unit;
      const kir_val shift =
          m->zeros != AICC_NO_SLOT ? item(m, m->shifts, at) : f32(m, -base.value - 8);
      const kir_val sum = kir_fma(b, shift, item(m, f->sums, e), item(m, f->d, e));
      set_item(m, m->total, t * 4 + e,
               kir_fma(b, item(m, m->scaled, at), sum, item(m, m->total, t * 4 + e)));
    }
  }
}

static void add_groups(nbits *m) {
  kir_builder *b = &m->lk.b;
  const fragments f = {.a = kir_array(b, AICC_U32, 8, true),
                       .b = kir_array(b, AICC_U32, 4, true),
                       .ones = kir_array(b, AICC_U32, 2, true),
                       .d = kir_array(b, AICC_F32, 4, true),
                       .sums = kir_array(b, AICC_F32, 4, true)};
  m->scaled = kir_array(b, AICC_F32, (int64_t)m->tiles * 8, true);
  m->shifts = m->zeros != AICC_NO_SLOT ? kir_array(b, AICC_F32, (int64_t)m->tiles * 8, true) : 0;
  m->halves = kir_array(b, AICC_U32, 16 * (int64_t)m->lines, true);
  for (int i = 0; i < 2; i++) {
    set_item(m, f.ones, i, u32(m, magic_of(m->dtype).one));
  }
  const kir_val group =
      kir_for(b, KIR_SERIAL, kir_warp(b), i64(m, m->k / GROUP), i64(m, m->lk.kernel->warps));
  for (int t = 0; t < m->tiles; t++) {
    const kir_val column = kir_add(b, m->n0, plus(m, m->row, (int64_t)t * COLUMNS));
    load_words(m, t * 4, least(m, column, i64(m, m->n - 1)), group, m->quad);
  }
  load_scales(m, group);
  load_rows(m, group);
  for (int unit = 0; unit < 4; unit++) {
    add_unit(m, &f, unit);
  }
  lk_end(&m->lk);
}

// The warps' sums, added in their order.
static void store_few(nbits *m, aicc_slot y) {
  lower_kernel *lk = &m->lk;
  kir_builder *b = &lk->b;
  const int wide = m->tiles * COLUMNS, warps = lk->kernel->warps, width = lk->kernel->width;
  const int64_t rows = (int64_t)m->lines * COLUMNS, all = rows * wide;
  const kir_val sums = kir_local(b, AICC_F32, warps * all);
  for (int t = 0; t < m->tiles; t++) {
    for (int h = 0; h < m->lines; h++) {
      kir_val at = plus(m, times(m, kir_warp(b), rows), (int64_t)h * COLUMNS);
      at = times(m, kir_add(b, at, m->row), wide);
      at = kir_add(b, at, plus(m, times(m, m->quad, 2), (int64_t)t * COLUMNS));
      kir_vstore(b, sums, at, m->total, t * 4 + h * 2, 2);
    }
  }
  kir_barrier(b);
  const kir_val thread = kir_add(b, times(m, kir_warp(b), width), kir_lane(b));
  const kir_val from =
      kir_for(b, KIR_SERIAL, i64(m, 0), i64(m, all), i64(m, (int64_t)warps * width));
  const kir_val at = kir_add(b, from, thread), line = over(m, at, wide);
  const kir_val row = kir_add(b, m->m0, line);
  const kir_val column = kir_add(b, m->n0, kir_sub(b, at, times(m, line, wide)));
  const kir_val inside = kir_scalar2(b, AICC_OP_AND, kir_scalar2(b, AICC_OP_LT, row, m->m_size),
                                     kir_scalar2(b, AICC_OP_LT, column, i64(m, m->n)));
  kir_if(b, kir_scalar2(b, AICC_OP_AND, inside, kir_scalar2(b, AICC_OP_LT, at, i64(m, all))));
  kir_val sum = kir_load(b, sums, at);
  for (int w = 1; w < warps; w++) {
    sum = kir_add(b, sum, kir_load(b, sums, plus(m, at, w * all)));
  }
  if (m->bias != AICC_NO_SLOT) {
    const kir_val bias = kir_load(b, lk_buffer(lk, m->bias, KIR_READ), column);
    sum = kir_add(b, sum, kir_cast(b, bias, AICC_F32, false));
  }
  lk_store(lk, lk_buffer(lk, y, KIR_WRITE), m->dtype, kir_add(b, times(m, row, m->n), column), sum);
  kir_end(b);
  lk_end(lk);
}

static aicc_dim flops_of(const nbits *m, aicc_dim rows) {
  return aicc_dim_mul(m->o->dims, rows, own_const(m->o, 2 * m->k * m->n));
}

// Rows |from| .. |to|, in tiles of 8 or 16.
static void launch_few(nbits *m, aicc_slot y, int64_t from, int64_t to) {
  own *o = m->o;
  aicc_dims *dims = o->dims;
  lower_kernel *lk = &m->lk;
  const aicc_dim above = aicc_dim_lt(dims, own_const(o, from - 1), m->rows);
  const aicc_dim below = aicc_dim_lt(dims, m->rows, own_const(o, to + 1));
  const aicc_dim when = aicc_dim_mul(dims, above, below);
  if (aicc_dim_is(dims, when, 0)) {
    return;
  }
  lk_begin(lk, o->lw, aicc_arena_printf(o->arena, "nbits_few_%u", o->group->id), "own", o->group);
  m->lines = to > COLUMNS ? 2 : 1;
  m->tiles = m->n >= 2 * COLUMNS * ENOUGH ? 2 : 1;
  lk->kernel->warps = WARPS;
  while (lk->kernel->warps > 1 && lk->kernel->warps > m->k / GROUP) {
    lk->kernel->warps /= 2;
  }
  begin_few(m);
  add_groups(m);
  store_few(m, y);
  const int64_t wide = (int64_t)m->tiles * COLUMNS;
  const aicc_dim rows = aicc_dim_select(dims, when, m->rows, own_const(o, 0));
  const aicc_dim lines = aicc_dim_ceildiv(dims, rows, own_const(o, m->lines * COLUMNS));
  lk->flops = flops_of(m, rows);
  lk_launch(lk, aicc_dim_mul(dims, lines, own_const(o, (m->n + wide - 1) / wide)),
            aicc_dim_mul(dims, rows, own_const(o, m->k * m->n / 24 + 1)));
}

// --- many rows -----------------------------------------------------------------------------------

// The weights as rows of k; a thread has a word of each of four blocks.
static aicc_slot unpack(nbits *m, aicc_dim when) {
  own *o = m->o;
  aicc_dims *dims = o->dims;
  lower_kernel *lk = &m->lk;
  const aicc_dim shape[] = {aicc_dim_select(dims, when, own_const(o, m->n), own_const(o, 0)),
                            own_const(o, m->k)};
  const aicc_slot to = aicc_lower_temporary(o->lw, m->dtype, shape, 2, "unpacked");
  lk_begin(lk, o->lw, aicc_arena_printf(o->arena, "nbits_unpack_%u", o->group->id), "map",
           o->group);
  kir_builder *b = &lk->b;
  const int piece = 16 / (int)aicc_dtype_size(m->dtype) < NIBBLES ? 4 : NIBBLES;
  const int64_t all = m->n * (m->k / GROUP) * WORDS, chunk = 4 * (int64_t)lk->kernel->width;
  take_weights(m);
  const kir_val out = lk_buffer(lk, to, KIR_WRITE);
  m->words = kir_array(b, AICC_U32, 4, true);
  const kir_val values = kir_array(b, m->dtype, NIBBLES, true);
  const kir_val from = times(m, kir_task(b), chunk);
  const kir_val thread = lk_for(lk, KIR_LANES, from, least(m, plus(m, from, chunk), i64(m, all)));
  const kir_val line = over(m, thread, WORDS), quad = kir_sub(b, thread, times(m, line, WORDS));
  const kir_val column = over(m, line, m->k / GROUP);
  const kir_val group = kir_sub(b, line, times(m, column, m->k / GROUP));
  load_words(m, 0, column, group, quad);
  for (int i = 0; i < 4; i++) {
    const kir_val block = over(m, plus(m, times(m, group, 4), i), m->block / UNIT);
    const kir_val scale = scale_of(m, column, block), zero = zero_of(m, column, block);
    for (int e = 0; e < NIBBLES; e++) {
      const kir_val bits = bits_of(m, item(m, m->words, i), 4 * e, 15);
      const kir_val q = kir_cast(b, kir_cast(b, bits, AICC_I32, false), AICC_F32, false);
      const kir_val value = kir_mul(b, kir_sub(b, q, zero), scale);
      set_item(m, values, e, kir_cast(b, value, m->dtype, false));
    }
    kir_val at = kir_add(b, times(m, column, m->k), times(m, group, GROUP));
    at = kir_add(b, at, plus(m, times(m, quad, NIBBLES), i * UNIT));
    for (int e = 0; e < NIBBLES; e += piece) {
      kir_vstore(b, out, plus(m, at, e), values, e, piece);
    }
  }
  lk_end(lk);
  lk_launch(lk,
            aicc_dim_select(dims, when, own_const(o, (all + chunk - 1) / chunk), own_const(o, 0)),
            aicc_dim_select(dims, when, own_const(o, m->n * m->k / 8), own_const(o, 0)));
  return to;
}

static void multiply_unpacked(nbits *m, aicc_dim when, int64_t rows_least) {
  own *o = m->o;
  aicc_dims *dims = o->dims;
  const aicc_dim one = own_const(o, 1), zero = own_const(o, 0), k = own_const(o, m->k);
  const aicc_dim shape[] = {own_const(o, m->n), k};
  aicc_value *weights = AICC_NEW(o->arena, aicc_value);
  *weights = (aicc_value){.type = aicc_type_tensor(o->lw->module, m->dtype, shape, 2),
                          .name = o->node->in[1]->name};
  contract c = {.lw = o->lw, .group = o->group, .root = o->node->out[0], .a = o->node->in[0]};
  c.columns_last = c.placed = true;
  c.name = "matmul_nbits";
  c.acc = lk_compute_type(m->dtype);
  c.bias = own_has(o, 4) ? o->node->in[4] : NULL;
  c.m = aicc_dim_select(dims, when, m->rows, zero);
  c.m_least = rows_least;
  c.a_row_stride = k;
  c.k_rank = c.b.k_rank = 1;
  c.k_extent[0] = c.b.k_extent[0] = k;
  c.a_k_stride[0] = c.b.k_stride[0] = one;
  c.b.value = weights;
  c.b.made = unpack(m, when);
  c.b.is_made = true;
  c.b.transposed = true;
  c.b.n = own_const(o, m->n);
  c.b.n_stride = k;
  c.b.batch = c.groups = one;
  c.b.batch_stride = aicc_dim_mul(dims, shape[0], k);
  c.a_group_stride = zero;
  c.result_index = aicc_contract_flat_index;
  aicc_contract_emit_gpu(&c);
}

// --- the operator --------------------------------------------------------------------------------

// |slot| as words of 32 bits.
static aicc_slot as_words(own *o, aicc_slot slot, aicc_dim bytes) {
  const aicc_dim words[] = {aicc_dim_floordiv(o->dims, bytes, own_const(o, 4))};
  const aicc_type type = aicc_type_tensor(o->lw->module, AICC_U32, words, 1);
  const aicc_slot alias =
      aicc_lower_new_slot(o->lw, AICC_SLOT_ALIAS, &type, o->lw->plan->slots[slot].name);
  o->lw->plan->slots[alias].index = slot;
  return alias;
}

// As words; constants with the words of four blocks side by side.
static aicc_slot weights_of(nbits *m) {
  own *o = m->o;
  const aicc_value *value = o->node->in[1];
  m->packed = value->def && value->def->op == AICC_OP_CONST;
  if (!m->packed) {
    return as_words(o, aicc_lower_slot(o->lw, value), own_const(o, m->n * m->k / 2));
  }
  const aicc_tensor *bytes = aicc_get_tensor(value->def, AICC_ATTR_VALUE);
  aicc_tensor *words = aicc_arena_memdup(o->arena, bytes, sizeof *bytes);
  int64_t *shape = AICC_NEW_ARRAY(o->arena, int64_t, 2);
  shape[0] = m->n;
  shape[1] = m->k / NIBBLES;
  words->dtype = AICC_U32;
  words->rank = 2;
  words->shape = shape;
  const aicc_pack pack = {.batch = 1,
                          .k_rank = 3,
                          .k_extent = {m->k / GROUP, WORDS, 4},
                          .k_stride = {4 * WORDS, 1, WORDS},
                          .n = m->n,
                          .n_stride = m->k / NIBBLES,
                          .nr = 1};
  const aicc_plan_const constant = {.name = value->name,
                                    .tensor = words,
                                    .pack = aicc_arena_memdup(o->arena, &pack, sizeof pack)};
  return aicc_lower_constant(o->lw, &constant);
}

static aicc_slot optional_of(own *o, int operand) {
  return own_has(o, operand) ? own_operand(o, operand) : AICC_NO_SLOT;
}

static bool takes(const own *o, const nbits *m) {
  const bool words =
      own_int(o, 2, 4) == 4 && m->block % UNIT == 0 && m->k % GROUP == 0 && m->k % m->block == 0;
  return own_is_gpu(o) && words && own_int(o, 4, 0) != 8 && m->dtype != AICC_F64;
}

bool own_gpu_nbits(own *o) {
  aicc_dims *dims = o->dims;
  const aicc_type *x = own_type(o, 0);
  nbits m = {.o = o,
             .k = own_int(o, 0, 0),
             .n = own_int(o, 1, 0),
             .block = own_int(o, 3, 32),
             .dtype = x->dtype,
             .rows = own_product(o, x, 0, x->rank - 1)};
  if (!takes(o, &m)) {
    return false;
  }
  const uint32_t mma = o->lw->machine->mma;
  m.mma = m.dtype == AICC_BF16 ? KIR_MMA_BF16 : KIR_MMA_F16;
  const bool few = aicc_dtype_size(m.dtype) == 2 && (mma >> m.mma & 1) != 0;
  m.b = weights_of(&m);
  m.scales = own_operand(o, 2);
  m.zeros = optional_of(o, 3);
  m.bias = optional_of(o, 4);
  const aicc_slot x_slot = own_operand(o, 0), y = own_result(o, 0);
  const aicc_dim limit = own_const(o, few ? FEW : 0);
  const aicc_dim many = aicc_dim_lt(dims, limit, m.rows);
  if (few && !aicc_dim_is(dims, many, 1)) {
    m.x = as_words(o, x_slot, aicc_dim_mul(dims, m.rows, own_const(o, 2 * m.k)));
    launch_few(&m, y, 0, COLUMNS);
    launch_few(&m, y, COLUMNS + 1, FEW);
  }
  if (!aicc_dim_is(dims, many, 0)) {
    multiply_unpacked(&m, many, few ? FEW + 1 : 1);
  }
  return true;
}
