// Softmax on scores in registers, block of keys by block: maxima and sums so far, and correcting
// what was summed before; at last the division and the results.
//
// Beside matrix instructions the exponentials take most of the time, and their weights are rounded
// to 11 bits or fewer: there they are powers of two of arguments that take the scale with them, by
// the machine's instruction. What is computed exactly takes the operator's exponential.
#include <math.h>

#include "passes/gpu_attention.h"

void flash_begin_soft(flash *f) {
  kir_builder *b = &f->a.lk.b;
  f->scores = kir_array(b, AICC_F32, f->row_count * f->score_count, true);
  f->sums = kir_array(b, AICC_F32, f->row_count * f->sum_count, true);
  for (int i = 0; i < f->row_count * f->sum_count; i++) {
    kir_aset(b, f->sums, flash_i64(f, i), attend_number(&f->a, 0));
  }
  for (int r = 0; r < f->row_count; r++) {
    f->most[r] = kir_var(b, attend_number(&f->a, -INFINITY), true);
    f->total[r] = kir_var(b, attend_number(&f->a, 0), true);
  }
}

// --- exponentials --------------------------------------------------------------------------------

static const double log2_e = 1.4426950408889634;

// Whether scores stay as the products give them, and the scale joins the exponent.
static bool is_plain(const flash *f) {
  return flash_is_mma(f) && f->a.softcap == 0 && !f->a.bias && f->a.scale > 0;
}

// What scores are reduced by: the maximum or 0, and for powers of two its negative in their units.
typedef struct shift {
  kir_val most, scaled;
} shift;

static double unit_of(const flash *f) { return is_plain(f) ? f->a.scale * log2_e : log2_e; }

static shift shift_of(flash *f, kir_val most) {
  attend *a = &f->a;
  kir_builder *b = &a->lk.b;
  const kir_val none = kir_scalar2(b, AICC_OP_EQ, most, attend_number(a, -INFINITY));
  shift s = {.most = kir_select(b, none, attend_number(a, 0), most)};
  s.scaled = kir_mul(b, s.most, attend_number(a, -unit_of(f)));
  return s;
}

static kir_val exp_of(flash *f, kir_val score, const shift *s) {
  attend *a = &f->a;
  kir_builder *b = &a->lk.b;
  if (!flash_is_mma(f)) {
    return kir_scalar1(b, AICC_OP_EXP, kir_sub(b, score, s->most));
  }
  return kir_power2(b, kir_fma(b, score, attend_number(a, unit_of(f)), s->scaled));
}

// NaN in neither place: a NaN reaches the results through the sums.
static kir_val larger(flash *f, kir_val x, kir_val y) {
  kir_builder *b = &f->a.lk.b;
  return kir_select(b, kir_scalar2(b, AICC_OP_GT, x, y), x, y);
}

// --- scores --------------------------------------------------------------------------------------

static kir_val query_of(flash *f, int r) { return kir_add(&f->a.lk.b, f->first, f->row[r]); }

static kir_val bias_of(flash *f, int r, kir_val key) {
  attend *a = &f->a;
  kir_builder *b = &a->lk.b;
  if (!a->bias) {
    return 0;
  }
  const kir_val last_query = kir_sub(b, a->s_size, flash_i64(f, 1));
  const kir_val last_key = kir_sub(b, a->t_size, flash_i64(f, 1));
  return attend_bias(a, attend_least(a, query_of(f, r), last_query),
                     attend_least(a, key, last_key));
}

static void mask_scores(flash *f, kir_val key0) {
  attend *a = &f->a;
  kir_builder *b = &a->lk.b;
  for (int c = 0; c < f->score_count; c++) {
    const kir_val key = flash_plus(f, key0, flash_key_offset(f, c));
    const kir_val inside = kir_scalar2(b, AICC_OP_LT, key, a->t_size);
    for (int r = 0; r < f->row_count; r++) {
      const kir_val at = flash_i64(f, flash_score_at(f, r, c));
      const kir_val score = attend_limit(a, kir_aget(b, f->scores, at), query_of(f, r), key);
      kir_aset(b, f->scores, at, kir_select(b, inside, score, attend_number(a, -INFINITY)));
    }
  }
}

// Whether some key of the block is hidden from some row; 0: never.
static kir_val needs_mask(flash *f, kir_val t0) {
  attend *a = &f->a;
  kir_builder *b = &a->lk.b;
  int64_t t;
  const kir_val next = flash_plus(f, t0, f->s.keys);
  kir_val result = 0;
  if (!kir_is_const_i64(b, a->t_size, &t) || t % f->s.keys != 0) {
    result = kir_scalar2(b, AICC_OP_GT, next, a->t_size);
  }
  if (a->causal) {  // the first row sees the fewest
    const kir_val limit = kir_add(b, f->first, lk_dim(&a->lk, a->past));
    const kir_val hides = kir_scalar2(b, AICC_OP_GT, flash_plus(f, next, -1), limit);
    result = result ? kir_scalar2(b, AICC_OP_OR, result, hides) : hides;
  }
  return result;
}

void flash_finish_scores(flash *f, kir_val t0) {
  attend *a = &f->a;
  kir_builder *b = &a->lk.b;
  const size_t mark = lk_mark(&a->lk);
  const kir_val key0 = kir_add(b, t0, f->score_lane);
  for (int r = 0; r < f->row_count && !is_plain(f); r++) {
    for (int c = 0; c < f->score_count; c++) {
      const kir_val at = flash_i64(f, flash_score_at(f, r, c));
      const kir_val score = kir_mul(b, kir_aget(b, f->scores, at), attend_number(a, a->scale));
      const kir_val bias = bias_of(f, r, flash_plus(f, key0, flash_key_offset(f, c)));
      kir_aset(b, f->scores, at, attend_bend(a, score, bias));
    }
  }
  lk_forget(&a->lk, mark);
  const kir_val masked = needs_mask(f, t0);
  if (masked) {
    kir_if(b, masked);
    mask_scores(f, key0);
    lk_end(&a->lk);
  }
}

// --- softmax -------------------------------------------------------------------------------------

// Folded over the lanes that share a row.
static kir_val across(flash *f, kir_val (*fold)(flash *, kir_val, kir_val), kir_val x) {
  for (int distance = 1; distance < f->peers; distance *= 2) {
    x = fold(f, kir_exchange(&f->a.lk.b, x, distance), x);
  }
  return x;
}

static void soften_row(flash *f, int r) {
  kir_builder *b = &f->a.lk.b;
  const kir_val before = kir_get(b, f->most[r]);
  kir_val found = before;
  for (int c = 0; c < f->score_count; c++) {
    const kir_val at = flash_i64(f, flash_score_at(f, r, c));
    found = larger(f, kir_aget(b, f->scores, at), found);
  }
  found = across(f, larger, found);
  const shift by = shift_of(f, found);
  kir_val sum = 0;
  for (int c = 0; c < f->score_count; c++) {
    const kir_val at = flash_i64(f, flash_score_at(f, r, c));
    const kir_val term = exp_of(f, kir_aget(b, f->scores, at), &by);
    kir_aset(b, f->scores, at, term);
    sum = sum ? kir_add(b, sum, term) : term;
  }
  const kir_val correction = exp_of(f, before, &by);
  kir_set(b, f->total[r], kir_fma(b, kir_get(b, f->total[r]), correction, sum));
  kir_set(b, f->most[r], found);
  for (int c = 0; c < f->sum_count; c++) {
    const kir_val at = flash_i64(f, flash_sum_at(f, r, c));
    kir_aset(b, f->sums, at, kir_mul(b, kir_aget(b, f->sums, at), correction));
  }
}

void flash_soften(flash *f) {
  for (int r = 0; r < f->row_count; r++) {
    soften_row(f, r);
  }
}

// --- results -------------------------------------------------------------------------------------

// Neighbouring columns of a lane, and how many of them one store may take.
static int store_width(flash *f) {
  lower_kernel *lk = &f->a.lk;
  const int together = flash_is_mma(f) ? 2 : 4;
  const aicc_dtype dtype = f->a.group->regions[0]->results[0]->type.dtype;
  kir_block aside = {0}, *const block = lk->b.block;
  lk->b.block = &aside;
  const kir_val column = kir_lane(&lk->b);
  const kir_val index[] = {f->a.b, f->a.h, kir_lane(&lk->b), column};
  int count = lk_neighbours(lk, attend_place(&f->a, index), column, together);
  lk->b.block = block;
  while (count > 1 && (f->a.e % count != 0 || !kir_vector_fits(dtype, count))) {
    count /= 2;
  }
  return count;
}

static kir_val together(flash *f, kir_val x, kir_val y) { return kir_add(&f->a.lk.b, x, y); }

typedef struct storing {
  kir_val out, array;
  aicc_dtype dtype;
  int count;
} storing;

static void store_columns(flash *f, const storing *to, int r, int c, kir_val total,
                          kir_val inverse) {
  attend *a = &f->a;
  kir_builder *b = &a->lk.b;
  const kir_val column = flash_plus(f, f->sum_lane, flash_column_offset(f, c));
  const kir_val index[] = {a->b, a->h, query_of(f, r), column};
  const bool guarded = f->v.padded != f->v.columns;
  for (int i = 0; i < to->count; i++) {
    const kir_val sum = kir_aget(b, f->sums, flash_i64(f, flash_sum_at(f, r, c + i)));
    const kir_val value = attend_scaled_sum(a, sum, total, inverse);
    kir_aset(b, to->array, flash_i64(f, i), kir_cast(b, value, to->dtype, false));
  }
  if (guarded) {
    kir_if(b, kir_scalar2(b, AICC_OP_LT, column, flash_i64(f, f->v.columns)));
  }
  kir_vstore(b, to->out, attend_place(a, index), to->array, 0, to->count);
  if (guarded) {
    lk_end(&a->lk);
  }
}

void flash_store(flash *f, aicc_slot result) {
  attend *a = &f->a;
  kir_builder *b = &a->lk.b;
  storing to = {.out = lk_buffer(&a->lk, result, KIR_WRITE), .count = store_width(f)};
  to.dtype = a->group->regions[0]->results[0]->type.dtype;
  to.array = kir_array(b, to.dtype, to.count, true);
  for (int r = 0; r < f->row_count; r++) {
    const kir_val total = across(f, together, kir_get(b, f->total[r]));
    const kir_val inverse = attend_inverse(a, total);
    kir_if(b, kir_scalar2(b, AICC_OP_LT, query_of(f, r), a->s_size));
    for (int c = 0; c < f->sum_count; c += to.count) {
      store_columns(f, &to, r, c, total, inverse);
    }
    lk_end(&a->lk);
  }
}
