// Polynomials over atoms: addition and multiplication of symbolic integers.
#include "ir/dim_internal.h"

static bool is_product(const dim_entry *entry) {
  return entry->kind == AICC_DIM_MUL && !entry->unfolded;
}

// The atoms of a monomial; -1: more than AICC_MONO_ATOMS.
static int mono_atoms(const aicc_dims *dims, aicc_dim mono, aicc_dim *atoms) {
  int count = 0;
  if (mono == AICC_DIM_ONE) {
    return 0;
  }
  for (;;) {
    if (count == AICC_MONO_ATOMS) {
      return -1;
    }
    const dim_entry *entry = aicc_dim_entry(dims, mono);
    if (!is_product(entry)) {
      atoms[count++] = mono;
      return count;
    }
    atoms[count++] = entry->operand[0];
    mono = entry->operand[1];
  }
}

static aicc_dim mono_build(aicc_dims *dims, const aicc_dim *atoms, int count) {
  if (count == 0) {
    return AICC_DIM_ONE;
  }
  aicc_dim mono = atoms[count - 1];
  for (int i = count - 2; i >= 0; i--) {
    mono = aicc_dim_intern(dims, AICC_DIM_MUL, false, atoms[i], mono, AICC_DIM_NONE);
  }
  return mono;
}

static aicc_dim mono_mul(aicc_dims *dims, aicc_dim a, aicc_dim b) {
  aicc_dim x[AICC_MONO_ATOMS], y[AICC_MONO_ATOMS], merged[AICC_MONO_ATOMS];
  const int m = mono_atoms(dims, a, x), n = mono_atoms(dims, b, y);
  if (m < 0 || n < 0 || m + n > AICC_MONO_ATOMS) {
    return AICC_DIM_NONE;
  }
  int i = 0, j = 0, count = 0;
  while (i < m || j < n) {
    const bool first = j == n || (i < m && aicc_dim_compare(dims, x[i], y[j]) <= 0);
    merged[count++] = first ? x[i++] : y[j++];
  }
  return mono_build(dims, merged, count);
}

aicc_dim aicc_mono_divide(aicc_dims *dims, aicc_dim mono, aicc_dim by) {
  aicc_dim x[AICC_MONO_ATOMS], y[AICC_MONO_ATOMS], rest[AICC_MONO_ATOMS];
  const int m = mono_atoms(dims, mono, x), n = mono_atoms(dims, by, y);
  if (m < 0 || n < 0) {
    return AICC_DIM_NONE;
  }
  int j = 0, count = 0;
  for (int i = 0; i < m; i++) {  // both are sorted
    if (j < n && x[i] == y[j]) {
      j++;
    } else {
      rest[count++] = x[i];
    }
  }
  return j == n ? mono_build(dims, rest, count) : AICC_DIM_NONE;
}

static int degree(const aicc_dims *dims, aicc_dim mono) {
  if (mono == AICC_DIM_ONE) {
    return 0;
  }
  int count = 1;
  for (const dim_entry *e = aicc_dim_entry(dims, mono); is_product(e);
       e = aicc_dim_entry(dims, e->operand[1])) {
    count++;
  }
  return count;
}

// Terms of a higher degree come first; within one, by atoms.
static int mono_compare(const aicc_dims *dims, aicc_dim a, aicc_dim b) {
  if (a == b) {
    return 0;
  }
  const int m = degree(dims, a), n = degree(dims, b);
  if (m != n) {
    return n - m;
  }
  for (;;) {
    const dim_entry *x = aicc_dim_entry(dims, a), *y = aicc_dim_entry(dims, b);
    if (!is_product(x) || !is_product(y)) {
      return aicc_dim_compare(dims, a, b);
    }
    if (x->operand[0] != y->operand[0]) {
      return aicc_dim_compare(dims, x->operand[0], y->operand[0]);
    }
    a = x->operand[1];
    b = y->operand[1];
  }
}

static dim_term term_of(const aicc_dims *dims, aicc_dim d) {
  const dim_entry *entry = aicc_dim_entry(dims, d);
  if (entry->kind == AICC_DIM_CONST) {
    return (dim_term){entry->value, AICC_DIM_ONE};
  }
  int64_t factor = 0;
  if (is_product(entry) && aicc_dim_is_const(dims, entry->operand[0], &factor)) {
    return (dim_term){factor, entry->operand[1]};
  }
  return (dim_term){1, d};
}

bool aicc_poly_of(const aicc_dims *dims, aicc_dim d, dim_poly *out) {
  out->count = 0;
  if (aicc_dim_is(dims, d, 0)) {
    return true;
  }
  for (;;) {
    if (out->count == AICC_POLY_TERMS) {
      return false;
    }
    const dim_entry *entry = aicc_dim_entry(dims, d);
    const bool sum = entry->kind == AICC_DIM_ADD && !entry->unfolded;
    out->terms[out->count++] = term_of(dims, sum ? entry->operand[0] : d);
    if (!sum) {
      return true;
    }
    d = entry->operand[1];
  }
}

static aicc_dim term_build(aicc_dims *dims, const dim_term *term) {
  if (term->mono == AICC_DIM_ONE) {
    return aicc_dim_const(dims, term->factor);
  }
  if (term->factor == 1) {
    return term->mono;
  }
  return aicc_dim_intern(dims, AICC_DIM_MUL, false, aicc_dim_const(dims, term->factor), term->mono,
                         AICC_DIM_NONE);
}

aicc_dim aicc_poly_build(aicc_dims *dims, const dim_poly *poly) {
  if (poly->count == 0) {
    return aicc_dim_const(dims, 0);
  }
  aicc_dim sum = term_build(dims, &poly->terms[poly->count - 1]);
  for (int i = poly->count - 2; i >= 0; i--) {
    const aicc_dim term = term_build(dims, &poly->terms[i]);
    sum = aicc_dim_intern(dims, AICC_DIM_ADD, false, term, sum, AICC_DIM_NONE);
  }
  return sum;
}

bool aicc_poly_add_term(const aicc_dims *dims, dim_poly *into, int64_t factor, aicc_dim mono) {
  if (factor == 0) {
    return true;
  }
  int at = 0, order = 1;
  while (at < into->count && (order = mono_compare(dims, into->terms[at].mono, mono)) < 0) {
    at++;
  }
  if (at < into->count && order == 0) {
    if (aicc_add_overflow(into->terms[at].factor, factor, &factor)) {
      return false;
    }
    into->terms[at].factor = factor;
    if (factor == 0) {
      into->count--;
      for (int i = at; i < into->count; i++) {
        into->terms[i] = into->terms[i + 1];
      }
    }
    return true;
  }
  if (into->count == AICC_POLY_TERMS) {
    return false;
  }
  for (int i = into->count++; i > at; i--) {
    into->terms[i] = into->terms[i - 1];
  }
  into->terms[at] = (dim_term){factor, mono};
  return true;
}

bool aicc_poly_add(const aicc_dims *dims, dim_poly *into, const dim_poly *from, int64_t scale) {
  for (int i = 0; i < from->count; i++) {
    int64_t factor = 0;
    if (aicc_mul_overflow(from->terms[i].factor, scale, &factor) ||
        !aicc_poly_add_term(dims, into, factor, from->terms[i].mono)) {
      return false;
    }
  }
  return true;
}

bool aicc_poly_sub_of(const aicc_dims *dims, aicc_dim a, aicc_dim b, dim_poly *out) {
  dim_poly right;
  return aicc_poly_of(dims, a, out) && aicc_poly_of(dims, b, &right) &&
         aicc_poly_add(dims, out, &right, -1);
}

bool aicc_poly_mul(aicc_dims *dims, const dim_poly *a, const dim_poly *b, dim_poly *out) {
  out->count = 0;
  for (int i = 0; i < a->count; i++) {
    for (int j = 0; j < b->count; j++) {
      int64_t factor = 0;
      const aicc_dim mono = mono_mul(dims, a->terms[i].mono, b->terms[j].mono);
      if (mono == AICC_DIM_NONE ||
          aicc_mul_overflow(a->terms[i].factor, b->terms[j].factor, &factor) ||
          !aicc_poly_add_term(dims, out, factor, mono)) {
        return false;
      }
    }
  }
  return true;
}

int64_t aicc_poly_constant(const dim_poly *poly) {
  const int last = poly->count - 1;
  const bool has = last >= 0 && poly->terms[last].mono == AICC_DIM_ONE;
  return has ? poly->terms[last].factor : 0;
}

int64_t aicc_poly_gcd(const dim_poly *poly) {
  int64_t gcd = 0;
  for (int i = 0; i < poly->count; i++) {
    if (poly->terms[i].mono != AICC_DIM_ONE) {
      gcd = aicc_gcd(gcd, poly->terms[i].factor);
    }
  }
  return gcd;
}

// An operation that cannot be folded, with operands in order.
static aicc_dim unfolded(aicc_dims *dims, aicc_dim_kind kind, aicc_dim a, aicc_dim b) {
  if (aicc_dim_compare(dims, a, b) > 0) {
    const aicc_dim swap = a;
    a = b;
    b = swap;
  }
  return aicc_dim_intern(dims, kind, true, a, b, AICC_DIM_NONE);
}

aicc_dim aicc_dim_add(aicc_dims *dims, aicc_dim a, aicc_dim b) {
  dim_poly sum, right;
  if (aicc_poly_of(dims, a, &sum) && aicc_poly_of(dims, b, &right) &&
      aicc_poly_add(dims, &sum, &right, 1)) {
    return aicc_poly_build(dims, &sum);
  }
  return unfolded(dims, AICC_DIM_ADD, a, b);
}

aicc_dim aicc_dim_mul(aicc_dims *dims, aicc_dim a, aicc_dim b) {
  dim_poly left, right, product;
  if (aicc_poly_of(dims, a, &left) && aicc_poly_of(dims, b, &right) &&
      aicc_poly_mul(dims, &left, &right, &product)) {
    return aicc_poly_build(dims, &product);
  }
  return unfolded(dims, AICC_DIM_MUL, a, b);
}

aicc_dim aicc_dim_sub(aicc_dims *dims, aicc_dim a, aicc_dim b) {
  dim_poly difference;
  if (aicc_poly_sub_of(dims, a, b, &difference)) {
    return aicc_poly_build(dims, &difference);
  }
  return aicc_dim_add(dims, a, aicc_dim_mul(dims, aicc_dim_const(dims, -1), b));
}

aicc_dim aicc_dim_product(aicc_dims *dims, const aicc_dim *items, int count) {
  aicc_dim product = AICC_DIM_ONE;
  for (int i = 0; i < count; i++) {
    product = aicc_dim_mul(dims, product, items[i]);
  }
  return product;
}
