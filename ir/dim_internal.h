// Inside of the symbolic integer engine: table entries and polynomials. Only ir/dim*.c include it.
//
// Normal form. A polynomial is a sum of terms, a term is a coefficient times a monomial, a monomial
// is a sorted product of atoms. As table entries: ADD(term, rest) with terms in monomial order
// (higher degree first, the constant last); MUL(coefficient, monomial); MUL(atom, monomial).
// Order is structural (symbols by name), so that it does not depend on the order of creation.
// Where folding would overflow or pass MAX_TERMS, the ADD or MUL is `unfolded`: an atom like any
// other operation.
#ifndef AICC_IR_DIM_INTERNAL_H
#define AICC_IR_DIM_INTERNAL_H

#include "ir/dim.h"

enum { AICC_POLY_TERMS = 48, AICC_MONO_ATOMS = 24 };
enum { AICC_DIM_ONE = 1 };  // the constant 1 is the first entry of every table: the empty product

typedef struct dim_entry {
  aicc_dim_kind kind;
  bool unfolded;         // ADD and MUL: an atom
  aicc_dim operand[3];
  int64_t value;         // CONST
  const char *name;      // SYMBOL
  int64_t lower, upper;  // INT64_MIN, INT64_MAX: unbounded
  uint64_t hash;
} dim_entry;

struct aicc_dims {
  aicc_arena arena;
  dim_entry *entries;    // entries[0] is unused: AICC_DIM_NONE
  size_t count, capacity;
  aicc_dim *slots;       // open addressing, a power of two of them
  size_t slot_count;
  uint32_t next_fresh;
};

typedef struct dim_term {
  int64_t factor;  // never 0
  aicc_dim mono;   // the constant 1, an atom, or MUL(atom, mono)
} dim_term;

typedef struct dim_poly {
  int count;
  dim_term terms[AICC_POLY_TERMS];
} dim_poly;

static inline const dim_entry *aicc_dim_entry(const aicc_dims *dims, aicc_dim d) {
  AICC_ASSERT(d != AICC_DIM_NONE && d < dims->count);
  return &dims->entries[d];
}

// --- dim.c --------------------------------------------------------------------------------------

// The entry of that operation, as it is; no folding but hash-consing.
aicc_dim aicc_dim_intern(aicc_dims *dims, aicc_dim_kind kind, bool unfolded, aicc_dim a, aicc_dim b,
                         aicc_dim c);
int aicc_dim_compare(const aicc_dims *dims, aicc_dim a, aicc_dim b);  // total structural order

// --- dim_poly.c ---------------------------------------------------------------------------------

bool aicc_poly_of(const aicc_dims *dims, aicc_dim d, dim_poly *out);  // false: too many terms
aicc_dim aicc_poly_build(aicc_dims *dims, const dim_poly *poly);
// *into += factor * mono, += scale * |from|; false on overflow or too many terms.
bool aicc_poly_add_term(const aicc_dims *dims, dim_poly *into, int64_t factor, aicc_dim mono);
bool aicc_poly_add(const aicc_dims *dims, dim_poly *into, const dim_poly *from, int64_t scale);
bool aicc_poly_sub_of(const aicc_dims *dims, aicc_dim a, aicc_dim b, dim_poly *out);  // a - b
bool aicc_poly_mul(aicc_dims *dims, const dim_poly *a, const dim_poly *b, dim_poly *out);
// The constant term, and the greatest common divisor of the other factors (0: there are none).
int64_t aicc_poly_constant(const dim_poly *poly);
int64_t aicc_poly_gcd(const dim_poly *poly);
// mono / by, as products of atoms; AICC_DIM_NONE where |by| is no part of it.
aicc_dim aicc_mono_divide(aicc_dims *dims, aicc_dim mono, aicc_dim by);

// --- dim_bounds.c -------------------------------------------------------------------------------

void aicc_dim_set_bounds(const aicc_dims *dims, dim_entry *entry);  // from its operands'
void aicc_poly_bounds(const aicc_dims *dims, const dim_poly *poly, int64_t *lower, int64_t *upper);
bool aicc_poly_nonnegative(aicc_dims *dims, const dim_poly *poly, int depth);  // proven
int64_t aicc_dim_known_factor(const aicc_dims *dims, aicc_dim d);  // 0: d is 0

int64_t aicc_gcd(int64_t a, int64_t b);  // of absolute values; INT64_MIN counts as 1
// Rounding to minus infinity; false: the quotient overflows. b == 0 gives 0.
bool aicc_floordiv_i64(int64_t a, int64_t b, int64_t *out);
int64_t aicc_floormod_i64(int64_t a, int64_t b);

#endif
