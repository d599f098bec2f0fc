// Operators over images of any number of spatial dimensions, made with the builder: grid_sample and
// col2im.
#include <math.h>
#include <string.h>

#include "passes/lower_own.h"

static kir_val scalar1(lower_kernel *lk, aicc_op op, kir_val x) {
  return kir_scalar1(&lk->b, op, x);
}
static kir_val scalar2(lower_kernel *lk, aicc_op op, kir_val x, kir_val y) {
  return kir_scalar2(&lk->b, op, x, y);
}

static void begin(own *o, lower_kernel *lk, const char *name) {
  lk_begin(lk, o->lw, aicc_arena_printf(o->arena, "%s_%u", name, o->group->id), "own", o->group);
}

// --- grid_sample ---------------------------------------------------------------------------------

enum { MODE_NEAREST, MODE_LINEAR, MODE_CUBIC };
enum { PADDING_ZEROS, PADDING_BORDER, PADDING_REFLECTION };
enum { MAX_SPATIAL = 3, MAX_TAPS = 4 };

typedef struct sampler {
  lower_kernel lk;
  aicc_dtype dtype;            // positions and weights are computed in it
  int spatial, mode, padding, taps;
  bool align;
  kir_val size[MAX_SPATIAL], fsize[MAX_SPATIAL];  // i64, and as a float
  kir_val at[MAX_SPATIAL][MAX_TAPS], inside[MAX_SPATIAL][MAX_TAPS], weight[MAX_SPATIAL][MAX_TAPS];
} sampler;

static kir_val number(sampler *s, double value) { return kir_const(&s->lk.b, s->dtype, value); }

static kir_val low_border(sampler *s) { return number(s, s->align ? 0 : -0.5); }
static kir_val high_border(sampler *s, int d) {
  return kir_sub(&s->lk.b, s->fsize[d], number(s, s->align ? 1 : 0.5));
}

static kir_val clamped(sampler *s, kir_val x, kir_val low, kir_val high) {
  return scalar2(&s->lk, AICC_OP_MIN, scalar2(&s->lk, AICC_OP_MAX, x, low), high);
}

// Folds x back between the borders.
static kir_val reflected(sampler *s, int d, kir_val x) {
  kir_builder *b = &s->lk.b;
  lower_kernel *lk = &s->lk;
  const kir_val low = low_border(s), high = high_border(s, d), range = kir_sub(b, high, low);
  const kir_val below = scalar2(lk, AICC_OP_LT, x, low), above = scalar2(lk, AICC_OP_GT, x, high);
  const kir_val beyond = kir_select(b, below, kir_sub(b, low, x), kir_sub(b, x, high));
  const kir_val turns = scalar1(lk, AICC_OP_FLOOR, scalar2(lk, AICC_OP_DIV, beyond, range));
  const kir_val rest = kir_sub(b, beyond, kir_mul(b, turns, range));
  const kir_val halves = scalar1(lk, AICC_OP_FLOOR, kir_mul(b, turns, number(s, 0.5)));
  const kir_val even = scalar2(lk, AICC_OP_EQ, kir_mul(b, halves, number(s, 2)), turns);
  // From the low border where x lies below it after an even number of turns, or above after an odd.
  const kir_val odd = scalar1(lk, AICC_OP_NOT, even);
  const kir_val from_low = kir_select(b, below, even, odd);
  const kir_val folded = kir_select(b, from_low, kir_add(b, low, rest), kir_sub(b, high, rest));
  const kir_val out = scalar2(lk, AICC_OP_OR, below, above);
  const kir_val single = scalar2(lk, AICC_OP_LE, range, number(s, 0));
  return kir_select(b, single, low, kir_select(b, out, folded, x));
}

// Where grid value |g| in [-1, 1] lies on axis |d|. Cubic taps go to the border one by one.
static kir_val position_of(sampler *s, int d, kir_val g) {
  kir_builder *b = &s->lk.b;
  lower_kernel *lk = &s->lk;
  const kir_val one = number(s, 1), half = number(s, 0.5), shifted = kir_add(b, g, one);
  kir_val x = s->align
                  ? kir_mul(b, kir_mul(b, shifted, half), kir_sub(b, s->fsize[d], one))
                  : kir_mul(b, kir_sub(b, kir_mul(b, shifted, s->fsize[d]), one), half);
  x = s->mode == MODE_NEAREST ? scalar1(lk, AICC_OP_ROUND, x) : x;
  if (s->padding == PADDING_ZEROS || (s->padding == PADDING_BORDER && s->mode == MODE_CUBIC)) {
    return x;
  }
  const kir_val inside =
      scalar2(lk, AICC_OP_AND, scalar2(lk, AICC_OP_GE, x, low_border(s)),
              scalar2(lk, AICC_OP_LE, x, high_border(s, d)));
  const kir_val back = s->padding == PADDING_BORDER
                           ? clamped(s, x, number(s, 0), kir_sub(b, s->fsize[d], one))
                           : reflected(s, d, x);
  return kir_select(b, inside, x, back);
}

// Tap |t| of axis |d|: element |i|, a whole number as a float.
static void set_pixel(sampler *s, int d, int t, kir_val i) {
  kir_builder *b = &s->lk.b;
  lower_kernel *lk = &s->lk;
  if (s->padding == PADDING_ZEROS) {
    s->at[d][t] = kir_cast(b, i, AICC_I64, false);
    s->inside[d][t] =
        scalar2(lk, AICC_OP_AND, scalar2(lk, AICC_OP_GE, i, number(s, 0)),
                scalar2(lk, AICC_OP_LT, i, s->fsize[d]));
    return;
  }
  const kir_val last = kir_sub(b, s->size[d], lk_i64(lk, 1));
  const kir_val folded = s->padding == PADDING_REFLECTION ? reflected(s, d, i) : i;
  // Kept in range as an integer: a NaN must not lead outside.
  s->at[d][t] = clamped(s, kir_cast(b, folded, AICC_I64, false), lk_i64(lk, 0), last);
  s->inside[d][t] = 0;
}

// Keys' kernel with a = -0.75.
static kir_val cubic(sampler *s, kir_val x) {
  kir_builder *b = &s->lk.b;
  const double a = -0.75;
  x = scalar1(&s->lk, AICC_OP_ABS, x);
  kir_val near = kir_sub(b, kir_mul(b, number(s, a + 2), x), number(s, a + 3));
  near = kir_add(b, kir_mul(b, kir_mul(b, near, x), x), number(s, 1));
  kir_val far = kir_sub(b, kir_mul(b, number(s, a), x), number(s, 5 * a));
  far = kir_add(b, kir_mul(b, far, x), number(s, 8 * a));
  far = kir_sub(b, kir_mul(b, far, x), number(s, 4 * a));
  const kir_val close = scalar2(&s->lk, AICC_OP_LE, x, number(s, 1));
  const kir_val reached = scalar2(&s->lk, AICC_OP_LT, x, number(s, 2));
  return kir_select(b, close, near, kir_select(b, reached, far, number(s, 0)));
}

static void set_taps(sampler *s, int d, kir_val g) {
  kir_builder *b = &s->lk.b;
  const kir_val x = position_of(s, d, g);
  kir_val first = s->mode == MODE_NEAREST ? x : scalar1(&s->lk, AICC_OP_FLOOR, x);
  first = s->mode == MODE_CUBIC ? kir_sub(b, first, number(s, 1)) : first;
  for (int t = 0; t < s->taps; t++) {
    const kir_val i = t > 0 ? kir_add(b, first, number(s, t)) : first;
    const kir_val away = kir_sub(b, x, i);
    set_pixel(s, d, t, i);
    s->weight[d][t] =
        s->mode == MODE_NEAREST  ? 0
        : s->mode == MODE_LINEAR ? kir_sub(b, number(s, 1), scalar1(&s->lk, AICC_OP_ABS, away))
                                 : cubic(s, away);
  }
}

static kir_val both(sampler *s, kir_val a, kir_val b) {
  return a && b ? scalar2(&s->lk, AICC_OP_AND, a, b) : a ? a : b;
}

typedef struct corner {
  kir_val offset, guard, weight;
} corner;

// The products of the axes' taps: offset in a plane, guard (0: none), weight (0: 1).
static int make_corners(sampler *s, corner *corners) {
  kir_builder *b = &s->lk.b;
  int count = 1;
  corners[0] = (corner){.offset = lk_i64(&s->lk, 0)};
  for (int d = 0; d < s->spatial; d++) {
    for (int c = count - 1; c >= 0; c--) {  // from the end: each one becomes |taps|
      const corner old = corners[c];
      for (int t = s->taps - 1; t >= 0; t--) {
        const kir_val weight = s->weight[d][t];
        corners[c * s->taps + t] = (corner){
            .offset = kir_add(b, kir_mul(b, old.offset, s->size[d]), s->at[d][t]),
            .guard = both(s, old.guard, s->inside[d][t]),
            .weight = old.weight && weight ? kir_mul(b, old.weight, weight) : weight};
      }
    }
    count *= s->taps;
  }
  return count;
}

static kir_val sum_corners(sampler *s, const corner *corners, int count, kir_val x,
                           aicc_dtype dtype, kir_val plane) {
  kir_builder *b = &s->lk.b;
  kir_val sum = 0;
  for (int i = 0; i < count; i++) {
    const kir_val at = kir_add(b, plane, corners[i].offset);
    const kir_val raw = corners[i].guard ? kir_load_or(b, x, at, corners[i].guard,
                                                       kir_const(b, dtype, 0))
                                         : kir_load(b, x, at);
    if (s->mode == MODE_NEAREST) {
      return raw;
    }
    const kir_val v = kir_cast(b, raw, s->dtype, false);
    sum = sum ? kir_fma(b, corners[i].weight, v, sum) : kir_mul(b, corners[i].weight, v);
  }
  return kir_cast(b, sum, dtype, true);
}

void own_lower_grid_sample(own *o) {
  const aicc_type *x = own_type(o, 0), *grid = own_type(o, 1), *y = &o->node->out[0]->type;
  sampler s = {.spatial = x->rank - 2,
               .mode = (int)own_int(o, 0, MODE_LINEAR),
               .padding = (int)own_int(o, 1, PADDING_ZEROS),
               .align = own_int(o, 2, 0) != 0,
               .dtype = x->dtype == AICC_F64 || grid->dtype == AICC_F64 ? AICC_F64 : AICC_F32};
  if (s.spatial < 1 || s.spatial > MAX_SPATIAL) {
    aicc_lower_unsupported(o->lw, o->node, "more than three spatial dimensions");
    return;
  }
  s.taps = s.mode == MODE_NEAREST ? 1 : s.mode == MODE_LINEAR ? 2 : 4;
  lower_kernel *lk = &s.lk;
  begin(o, lk, "grid_sample");
  kir_builder *b = &lk->b;
  const int piece = 4 * o->lw->machine->width;
  const aicc_dim points = own_product(o, y, 2, y->rank);
  const aicc_dim pieces = aicc_dim_ceildiv(o->dims, points, own_const(o, piece));
  const kir_val out = lk_buffer(lk, own_result(o, 0), KIR_WRITE);
  const kir_val in = lk_buffer(lk, own_operand(o, 0), KIR_READ);
  const kir_val where = lk_buffer(lk, own_operand(o, 1), KIR_READ);
  const kir_val extents[2] = {0, lk_dim(lk, pieces)};
  kir_val at[2];
  lk_split(lk, kir_task(b), extents, 2, at);
  for (int d = 0; d < s.spatial; d++) {
    s.size[d] = lk_dim(lk, x->dims[2 + d]);
    s.fsize[d] = kir_cast(b, s.size[d], s.dtype, false);
  }
  const kir_val from = kir_mul(b, at[1], lk_i64(lk, piece));
  const kir_val end = scalar2(lk, AICC_OP_MIN, kir_add(b, from, lk_i64(lk, piece)),
                              lk_dim(lk, points));
  const kir_val p = lk_for(lk, KIR_LANES, from, end);
  const kir_val row = kir_mul(b, kir_add(b, kir_mul(b, at[0], lk_dim(lk, points)), p),
                              lk_i64(lk, s.spatial));
  for (int d = 0; d < s.spatial; d++) {
    const kir_val g = kir_load(b, where, kir_add(b, row, lk_i64(lk, s.spatial - 1 - d)));
    set_taps(&s, d, kir_cast(b, g, s.dtype, false));
  }
  corner corners[64];
  const int count = make_corners(&s, corners);
  const kir_val c = lk_for(lk, KIR_SERIAL, lk_i64(lk, 0), lk_dim(lk, x->dims[1]));
  const kir_val plane = kir_add(b, kir_mul(b, at[0], lk_dim(lk, x->dims[1])), c);
  const kir_val base = kir_mul(b, plane, lk_dim(lk, own_product(o, x, 2, x->rank)));
  kir_store(b, out, kir_add(b, kir_mul(b, plane, lk_dim(lk, points)), p),
            sum_corners(&s, corners, count, in, x->dtype, base));
  lk_end(lk);
  lk_end(lk);
  lk_launch(lk, aicc_dim_mul(o->dims, x->dims[0], pieces),
            aicc_dim_mul(o->dims, own_count(o, y), own_const(o, count)));
}

// --- col2im --------------------------------------------------------------------------------------

enum { MAX_FOLD = 6 };

typedef struct fold {
  lower_kernel lk;
  own *o;
  int k;
  int64_t block[MAX_FOLD], dilation[MAX_FOLD], low[MAX_FOLD], stride[MAX_FOLD];
  aicc_dim columns[MAX_FOLD];
  kir_val index[MAX_FOLD], tap[MAX_FOLD];
} fold;

static void read_fold(fold *f) {
  own *o = f->o;
  const aicc_type *y = &o->node->out[0]->type;
  for (int d = 0; d < f->k; d++) {
    f->block[d] = own_int(o, 1 + d, 1);
    f->dilation[d] = own_int(o, 1 + f->k + d, 1);
    f->low[d] = own_int(o, 1 + 2 * f->k + d, 0);
    f->stride[d] = own_int(o, 1 + 3 * f->k + d, 1);
    const int64_t high = own_int(o, 1 + 4 * f->k + d, 0);
    const int64_t fixed = f->low[d] + high - f->dilation[d] * (f->block[d] - 1) - 1;
    const aicc_dim span = aicc_dim_add(o->dims, y->dims[2 + d], own_const(o, fixed));
    f->columns[d] = aicc_dim_add(
        o->dims, aicc_dim_floordiv(o->dims, span, own_const(o, f->stride[d])), own_const(o, 1));
  }
}

// The column whose tap lands on the element, and whether there is one.
static kir_val column_of(fold *f, kir_val *guard) {
  kir_builder *b = &f->lk.b;
  lower_kernel *lk = &f->lk;
  kir_val column = lk_i64(lk, 0);
  for (int d = 0; d < f->k; d++) {
    const kir_val reach = kir_mul(b, f->tap[d], lk_i64(lk, f->dilation[d]));
    const kir_val i = kir_sub(b, kir_add(b, f->index[d], lk_i64(lk, f->low[d])), reach);
    const kir_val at = scalar2(lk, AICC_OP_DIV, i, lk_i64(lk, f->stride[d]));
    const kir_val size = lk_dim(lk, f->columns[d]);
    const kir_val whole =
        scalar2(lk, AICC_OP_EQ, kir_mul(b, at, lk_i64(lk, f->stride[d])), i);
    kir_val ok = scalar2(lk, AICC_OP_AND, scalar2(lk, AICC_OP_GE, i, lk_i64(lk, 0)),
                         scalar2(lk, AICC_OP_LT, at, size));
    ok = f->stride[d] > 1 ? scalar2(lk, AICC_OP_AND, ok, whole) : ok;
    *guard = *guard ? scalar2(lk, AICC_OP_AND, *guard, ok) : ok;
    column = kir_add(b, kir_mul(b, column, size), at);
  }
  return column;
}

void own_lower_col2im(own *o) {
  const aicc_type *x = own_type(o, 0), *y = &o->node->out[0]->type;
  fold f = {.o = o, .k = (int)own_int(o, 0, 0)};
  if (f.k < 1 || f.k > MAX_FOLD) {
    aicc_lower_unsupported(o->lw, o->node, "more than six spatial dimensions");
    return;
  }
  read_fold(&f);
  lower_kernel *lk = &f.lk;
  begin(o, lk, "col2im");
  kir_builder *b = &lk->b;
  const aicc_dtype compute = lk_compute_type(x->dtype);
  const kir_val out = lk_buffer(lk, own_result(o, 0), KIR_WRITE);
  const kir_val in = lk_buffer(lk, own_operand(o, 0), KIR_READ);
  kir_val extents[MAX_FOLD], at[MAX_FOLD];
  int64_t taps = 1;
  for (int d = 0; d < f.k; d++) {
    extents[d] = d > 0 ? lk_dim(lk, y->dims[1 + d]) : 0;
    taps *= f.block[d];
  }
  const kir_val task = kir_task(b);  // plane and image position without the last dimension
  lk_split(lk, task, extents, f.k, at);
  for (int d = 0; d + 1 < f.k; d++) {
    f.index[d] = at[d + 1];
  }
  const kir_val width = lk_dim(lk, y->dims[y->rank - 1]);
  f.index[f.k - 1] = lk_for(lk, KIR_LANES, lk_i64(lk, 0), width);
  const kir_val sum = kir_var(b, kir_const(b, compute, 0), true);
  kir_val tap = kir_mul(b, at[0], lk_i64(lk, 1));
  for (int d = 0; d < f.k; d++) {
    f.tap[d] = lk_for(lk, KIR_SERIAL, lk_i64(lk, 0), lk_i64(lk, f.block[d]));
    tap = kir_add(b, kir_mul(b, tap, lk_i64(lk, f.block[d])), f.tap[d]);
  }
  kir_val guard = 0;
  const kir_val column = column_of(&f, &guard);
  const kir_val from = kir_add(b, kir_mul(b, tap, lk_dim(lk, x->dims[2])), column);
  const kir_val raw = kir_load_or(b, in, from, guard, kir_const(b, x->dtype, 0));
  kir_set(b, sum, kir_add(b, kir_get(b, sum), kir_cast(b, raw, compute, false)));
  for (int d = 0; d < f.k; d++) {
    lk_end(lk);
  }
  kir_store(b, out, kir_add(b, kir_mul(b, task, width), f.index[f.k - 1]),
            kir_cast(b, kir_get(b, sum), x->dtype, true));
  lk_end(lk);
  lk_launch(lk, own_product(o, y, 0, y->rank - 1),
            aicc_dim_mul(o->dims, own_count(o, y), own_const(o, taps)));
}
