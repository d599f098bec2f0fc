// Blocks of q, k and v in shared memory: copied from memory in vectors where they lie there, behind
// views, else computed element by element.
#include "passes/gpu_attention.h"

// --- plan ----------------------------------------------------------------------------------------

int attend_vector(attend *a, const aicc_value *value, aicc_dtype type, int columns) {
  enum { BYTES = 16 };
  lower_kernel *lk = &a->lk;
  kir_block aside = {0}, *const block = lk->b.block;
  if (value->type.dtype != type) {
    return 0;
  }
  lk->b.block = &aside;
  const kir_val column = kir_lane(&lk->b);
  const kir_val index[] = {a->b, a->h, kir_lane(&lk->b), column};
  lk_place place;
  int vector = 0;
  if (lk_find(lk, value, index, &place)) {
    vector = lk_neighbours(lk, place.linear, column, BYTES / (int)aicc_dtype_size(type));
    while (columns % vector != 0) {
      vector /= 2;
    }
  }
  lk->b.block = block;
  return vector;
}

void flash_plan_tile(flash *f, flash_tile *tile, const aicc_value *value, int rows, int columns,
                     int padded, int pitch) {
  enum { COPY_LEAST = 4 };  // bytes of a copy
  const int vector = attend_vector(&f->a, value, f->type, columns);
  *tile = (flash_tile){.value = value, .rows = rows, .columns = columns, .padded = padded,
                       .pitch = pitch};
  tile->vector = vector * (int)aicc_dtype_size(f->type) < COPY_LEAST ? 0 : vector;
  tile->local = kir_local(&f->a.lk.b, f->type, (int64_t)rows * pitch);
}

// --- filling -------------------------------------------------------------------------------------

// One copy or element: row and column of the tile, the row of the operand.
typedef struct spot {
  kir_val row, column, from, ok;
} spot;

static kir_val both(flash *f, kir_val x, kir_val y) {
  return !x ? y : !y ? x : kir_scalar2(&f->a.lk.b, AICC_OP_AND, x, y);
}

static void copy_spot(flash *f, const flash_tile *tile, kir_val head, const spot *at) {
  lower_kernel *lk = &f->a.lk;
  const kir_val index[] = {f->a.b, head, at->from, at->column};
  const kir_val local = kir_add(&lk->b, flash_times(f, at->row, tile->pitch), at->column);
  lk_place place;
  const bool found = lk_find(lk, tile->value, index, &place);
  AICC_ASSERT(found);
  kir_copy_async(&lk->b, tile->local, local, place.buffer, place.linear, tile->vector, at->ok);
}

static void compute_spot(flash *f, const flash_tile *tile, kir_val head, const spot *at) {
  lower_kernel *lk = &f->a.lk;
  const kir_val index[] = {f->a.b, head, at->from, at->column};
  const kir_val local = kir_add(&lk->b, flash_times(f, at->row, tile->pitch), at->column);
  const size_t mark = lk_mark(lk);
  lk->guard = at->ok;
  const kir_val item = lk_elem(lk, tile->value, index);
  lk->guard = 0;
  lk_forget(lk, mark);
  // Zeros, not what an operator makes of them.
  const kir_val whole = kir_select(&lk->b, at->ok, item, kir_const(&lk->b, AICC_F32, 0));
  kir_store(&lk->b, tile->local, local, kir_cast(&lk->b, whole, f->type, false));
}

typedef struct filling {
  const flash_tile *tile;
  kir_val head, first, end;
  int step, lanes;        // columns of a spot; lanes along a row: a power of two
  int passes, columns;    // over rows, along a row
  kir_val lane_row, lane_column;
} filling;

static void fill_spot(flash *f, const filling *fill, kir_val row, kir_val column) {
  const flash_tile *tile = fill->tile;
  kir_builder *b = &f->a.lk.b;
  const bool partial = tile->rows % (f->threads / fill->lanes) != 0;
  spot at = {.row = row, .column = column, .from = kir_add(b, fill->first, row)};
  at.ok = kir_scalar2(b, AICC_OP_LT, at.from, fill->end);
  if (tile->columns != tile->padded) {
    at.ok = both(f, at.ok, kir_scalar2(b, AICC_OP_LT, column, flash_i64(f, tile->columns)));
  }
  if (partial) {
    kir_if(b, kir_scalar2(b, AICC_OP_LT, row, flash_i64(f, tile->rows)));
  }
  (tile->vector ? copy_spot : compute_spot)(f, tile, fill->head, &at);
  if (partial) {
    lk_end(&f->a.lk);
  }
}

// A few spots are written out; loops go over many.
static void fill_all(flash *f, const filling *fill) {
  enum { UNROLL_MAX = 16 };
  lower_kernel *lk = &f->a.lk;
  const int rows = f->threads / fill->lanes, columns = fill->step * fill->lanes;
  const bool looped = !fill->tile->vector || fill->passes * fill->columns > UNROLL_MAX;
  for (int i = 0; i < (looped ? 1 : fill->passes); i++) {
    const kir_val pass = looped ? kir_for(&lk->b, KIR_SERIAL, flash_i64(f, 0),
                                          flash_i64(f, fill->passes * rows), flash_i64(f, rows))
                                : flash_i64(f, i * rows);
    for (int j = 0; j < (looped ? 1 : fill->columns); j++) {
      const kir_val along = looped ? kir_for(&lk->b, KIR_SERIAL, flash_i64(f, 0),
                                             flash_i64(f, fill->columns * columns),
                                             flash_i64(f, columns))
                                   : flash_i64(f, j * columns);
      fill_spot(f, fill, kir_add(&lk->b, fill->lane_row, pass),
                kir_add(&lk->b, fill->lane_column, along));
      if (looped) {
        lk_end(lk);
      }
    }
    if (looped) {
      lk_end(lk);
    }
  }
}

void flash_fill(flash *f, const flash_tile *tile, kir_val head, kir_val first, kir_val end) {
  enum { LANES_MAX = 32 };
  filling fill = {.tile = tile, .head = head, .first = first, .end = end};
  fill.step = tile->vector ? tile->vector : 1;
  const int spots = tile->padded / fill.step;
  int bits = 0;
  while (spots % (2 << bits) == 0 && 2 << bits <= LANES_MAX) {
    bits++;
  }
  fill.lanes = 1 << bits;
  fill.columns = spots / fill.lanes;
  const int rows = f->threads / fill.lanes;
  fill.passes = (tile->rows + rows - 1) / rows;
  fill.lane_row = flash_shift(f, f->thread, bits);
  fill.lane_column = flash_times(f, flash_low(f, f->thread, bits), fill.step);
  fill_all(f, &fill);
}
