// Symbolic integers: dimensions, sizes and the elements of shape tensors as expressions.
//
// An aicc_dim is the id of a hash-consed int64 expression in a table. Equal ids mean equal values;
// expressions are kept in a normal form (a polynomial over atoms with integer coefficients, terms
// sorted), so that `seq + past` and `past + seq` are one id. Different ids may still be equal.
// Atoms are symbols and the non-polynomial operations below of normal-form operands. Arithmetic
// wraps nowhere: an overflow while folding keeps the expression unfolded.
// Thread-compatible; ids live as long as their table.
#ifndef AICC_IR_DIM_H
#define AICC_IR_DIM_H

#include "ir/arena.h"

typedef uint32_t aicc_dim;
enum { AICC_DIM_NONE = 0 };  // no dimension; never an expression

typedef enum aicc_dim_kind {
  AICC_DIM_CONST,     // value
  AICC_DIM_SYMBOL,    // name
  AICC_DIM_ADD,       // a + b          (normal form keeps sums right-leaning and sorted)
  AICC_DIM_MUL,       // a * b
  AICC_DIM_FLOORDIV,  // a floordiv b, rounding to minus infinity; b == 0 gives 0
  AICC_DIM_MOD,       // a - b * (a floordiv b); b == 0 gives 0
  AICC_DIM_MIN,
  AICC_DIM_MAX,
  AICC_DIM_EQ,        // 1 or 0
  AICC_DIM_LT,        // 1 or 0
  AICC_DIM_SELECT,    // a != 0 ? b : c
} aicc_dim_kind;

typedef struct aicc_dims aicc_dims;  // the table

aicc_dims *aicc_dims_create(void);
aicc_dims *aicc_dims_clone(const aicc_dims *dims);  // the same expressions under the same ids
void aicc_dims_destroy(aicc_dims *dims);

aicc_dim aicc_dim_const(aicc_dims *dims, int64_t value);
// The symbol of that name; made on first use, with lower bound 0: what folds relies on it.
aicc_dim aicc_dim_symbol(aicc_dims *dims, const char *name);
aicc_dim aicc_dim_fresh(aicc_dims *dims, const char *prefix);  // a symbol no one has: prefix0, ...
// Declares a lower bound of a symbol, before expressions of it are made. A model's dimensions keep
// 0 (they may be empty); a symbol for any integer that is found at run time needs INT64_MIN.
void aicc_dim_set_lower(aicc_dims *dims, aicc_dim symbol, int64_t lower);

aicc_dim aicc_dim_add(aicc_dims *dims, aicc_dim a, aicc_dim b);
aicc_dim aicc_dim_sub(aicc_dims *dims, aicc_dim a, aicc_dim b);
aicc_dim aicc_dim_mul(aicc_dims *dims, aicc_dim a, aicc_dim b);
aicc_dim aicc_dim_floordiv(aicc_dims *dims, aicc_dim a, aicc_dim b);  // (4*n) floordiv 4 = n
// The q with a = q * b, for callers that know there is one although b may be 0 (the -1 of a
// reshape): x*y by y is x. Where none is found, a floordiv b, which is 0 at b = 0; for the same
// reason floordiv itself cancels x*y by y only where y is proven not to be 0.
aicc_dim aicc_dim_divide_exact(aicc_dims *dims, aicc_dim a, aicc_dim b);
aicc_dim aicc_dim_ceildiv(aicc_dims *dims, aicc_dim a, aicc_dim b);
aicc_dim aicc_dim_mod(aicc_dims *dims, aicc_dim a, aicc_dim b);
aicc_dim aicc_dim_min(aicc_dims *dims, aicc_dim a, aicc_dim b);  // decided by bounds where possible
aicc_dim aicc_dim_max(aicc_dims *dims, aicc_dim a, aicc_dim b);
aicc_dim aicc_dim_eq(aicc_dims *dims, aicc_dim a, aicc_dim b);
aicc_dim aicc_dim_lt(aicc_dims *dims, aicc_dim a, aicc_dim b);
aicc_dim aicc_dim_select(aicc_dims *dims, aicc_dim c, aicc_dim a, aicc_dim b);
aicc_dim aicc_dim_product(aicc_dims *dims, const aicc_dim *items, int count);

// Structure: kind, operands (AICC_DIM_NONE where unused), value or name.
aicc_dim_kind aicc_dim_kind_of(const aicc_dims *dims, aicc_dim d);
aicc_dim aicc_dim_operand(const aicc_dims *dims, aicc_dim d, int index);
bool aicc_dim_is_const(const aicc_dims *dims, aicc_dim d, int64_t *value);  // |value| may be NULL
bool aicc_dim_is(const aicc_dims *dims, aicc_dim d, int64_t value);         // is the constant
const char *aicc_dim_symbol_name(const aicc_dims *dims, aicc_dim d);        // NULL: no symbol
uint32_t aicc_dim_count(const aicc_dims *dims);  // ids are 1 .. count

// Interval of every possible value under the symbols' bounds (INT64_MIN/MAX: unbounded).
void aicc_dim_bounds(const aicc_dims *dims, aicc_dim d, int64_t *lower, int64_t *upper);
bool aicc_dim_ge(aicc_dims *dims, aicc_dim a, aicc_dim b);  // proven a >= b
// d is made of sizes only: no symbol in it may be negative. Such an expression is no marker (-1)
// that a model computes, and where it stands for a size it is one.
bool aicc_dim_is_size(const aicc_dims *dims, aicc_dim d);
// Proven: d is a multiple of |factor| (for alignment and vector widths).
bool aicc_dim_divisible(const aicc_dims *dims, aicc_dim d, int64_t factor);

// Value of d with symbol values from |lookup| (returns false: unknown symbol). False on overflow.
typedef bool (*aicc_dim_lookup)(void *context, const char *symbol, int64_t *value);
bool aicc_dim_eval(const aicc_dims *dims, aicc_dim d, aicc_dim_lookup lookup, void *context,
                   int64_t *value);
// d with each symbol replaced by |replace| (AICC_DIM_NONE keeps it).
typedef aicc_dim (*aicc_dim_replace)(void *context, aicc_dim symbol);
aicc_dim aicc_dim_substitute(aicc_dims *dims, aicc_dim d, aicc_dim_replace replace, void *context);

// Text: 3*batch + 1, (n + 1) // 2, n % 4, min(a, b), max(a, b), a == b, a < b, select(c, a, b);
// symbols that are not words ([A-Za-z_][A-Za-z0-9_.]*) are quoted, `unk__749 x`, with a backquote
// in them doubled. Printing what was parsed gives the same text and parsing what was printed the
// same id, where symbols have the same lower bounds.
// Parse also takes exporters' dim_param spellings: Min, Max, Mod, FloorDiv, floor(a/b),
// ceiling(a/b), **. It returns false where the text is no expression; `batch-size` is a difference.
char *aicc_dim_print(const aicc_dims *dims, aicc_dim d, aicc_arena *arena);
bool aicc_dim_parse(aicc_dims *dims, const char *text, size_t length, aicc_dim *out);
// Parses the expression |text| begins with; the number of characters it took, 0: none.
size_t aicc_dim_parse_prefix(aicc_dims *dims, const char *text, size_t length, aicc_dim *out);

#endif
