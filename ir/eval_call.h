// What the files of the interpreter share: one call of one operator, symbols, rows of elements.
#ifndef AICC_IR_EVAL_CALL_H
#define AICC_IR_EVAL_CALL_H

#include "ir/eval.h"

typedef struct aicc_eval_symbol {
  const char *name;
  int64_t value;
} aicc_eval_symbol;

// One run of a module (or of one node).
typedef struct aicc_eval {
  const aicc_module *module;
  aicc_diags *diags;
  aicc_eval_value *values;     // by value id; NULL while a single node runs
  const aicc_node **last_use;  // by value id: the node of its own region after which it is dropped
  aicc_eval_symbol *symbols;   // a stack: the latest binding of a name counts
  size_t symbol_count, symbol_capacity;
  aicc_arena arena;            // lives as long as the run
} aicc_eval;

typedef struct aicc_eval_call {
  aicc_eval *eval;
  const aicc_node *node;
  const aicc_eval_value *const *in;  // NULL entries: left out
  aicc_eval_value *out;
  aicc_arena *arena;                 // temporaries of this call
} aicc_eval_call;

typedef aicc_status (*aicc_eval_fn)(aicc_eval_call *call);

// Reports that the node cannot be evaluated; returns AICC_INVALID or AICC_UNSUPPORTED.
aicc_status aicc_eval_fail(const aicc_eval_call *call, const char *format, ...)
    AICC_PRINTF(2, 3);
aicc_status aicc_eval_unsupported(const aicc_eval_call *call, const char *format, ...)
    AICC_PRINTF(2, 3);

AICC_MUST_USE aicc_status aicc_eval_dim(const aicc_eval_call *call, aicc_dim dim, int64_t *out);
// A DIMS attribute as numbers; |count| expected entries, else a failure.
AICC_MUST_USE aicc_status aicc_eval_dims(const aicc_eval_call *call, aicc_attr_key key, int count,
                                         int64_t *out);
// An INTS attribute of |count| entries (at most AICC_MAX_RANK); |otherwise| where absent.
AICC_MUST_USE aicc_status aicc_eval_ints(const aicc_eval_call *call, aicc_attr_key key, int count,
                                         int64_t otherwise, int64_t *out);
// Allocates result |index| in the type the node states.
AICC_MUST_USE aicc_status aicc_eval_result(const aicc_eval_call *call, int index);
// Axis attribute |key| of a tensor of |rank|, negative counted from the end; checked.
AICC_MUST_USE aicc_status aicc_eval_axis(const aicc_eval_call *call, aicc_attr_key key, int rank,
                                         int *out);

// Binds symbols of |type| that nothing bound yet to what |value| has, and checks the rest.
AICC_MUST_USE aicc_status aicc_eval_bind(const aicc_eval_call *call, const aicc_type *type,
                                         const aicc_eval_value *value, const char *what);
void aicc_eval_bind_symbol(aicc_eval *eval, const char *name, int64_t value);
// Runs the nodes of a region whose parameters are set.
AICC_MUST_USE aicc_status aicc_eval_region(aicc_eval *eval, const aicc_region *region);
// Forgets the values made in a region, parameters included.
void aicc_eval_clear_region(aicc_eval *eval, const aicc_region *region);
AICC_MUST_USE aicc_status aicc_eval_call_node(aicc_eval *eval, const aicc_node *node,
                                              const aicc_eval_value *const *in,
                                              aicc_eval_value *out);

// --- elements (eval_rows.c) ----------------------------------------------------------------------

// |count| elements from |first| on, |stride| apart, as numbers. Integers load exactly as int64
// (u64 as its bit pattern); floats load as integers by truncation.
void aicc_eval_load_f64(aicc_dtype t, const void *data, int64_t first, int64_t stride,
                        int64_t count, double *out);
void aicc_eval_load_i64(aicc_dtype t, const void *data, int64_t first, int64_t stride,
                        int64_t count, int64_t *out);
// Dense stores from |first| on. Floats round to nearest even; integers wrap; a double becomes an
// integer by aicc_scalar_to_int.
void aicc_eval_store_f64(aicc_dtype t, void *data, int64_t first, int64_t count, const double *in);
void aicc_eval_store_i64(aicc_dtype t, void *data, int64_t first, int64_t count,
                         const int64_t *in);
// All elements, in the call's arena.
double *aicc_eval_all_f64(const aicc_eval_call *call, const aicc_eval_value *value);
int64_t *aicc_eval_all_i64(const aicc_eval_call *call, const aicc_eval_value *value);
// Whether arithmetic on the type is done on int64 (integers and bool).
bool aicc_eval_is_int(aicc_dtype t);
// The first element of an integer scalar.
int64_t aicc_eval_scalar_i64(const aicc_eval_value *value);
// |index| of an axis of |size| elements, negative from the end; -1: out of range.
int64_t aicc_eval_index(int64_t index, int64_t size);
// Product of |count| sizes.
int64_t aicc_eval_product(const int64_t *sizes, int count);
// Row-major strides, in elements.
void aicc_eval_dense_strides(const int64_t *shape, int rank, int64_t *strides);

// --- walking several tensors at once, row by row -------------------------------------------------

enum { AICC_EVAL_WALK_MAX = 4 };

typedef struct aicc_eval_walk {
  int rank, count;                                       // dimensions, tensors
  int64_t shape[AICC_MAX_RANK];
  int64_t strides[AICC_EVAL_WALK_MAX][AICC_MAX_RANK];    // in elements
  int64_t index[AICC_MAX_RANK];
  int64_t offset[AICC_EVAL_WALK_MAX];                    // of the row's first element
  int64_t step[AICC_EVAL_WALK_MAX];                      // within the row
  int64_t size;                                          // of a row
  bool started, empty;
} aicc_eval_walk;

void aicc_eval_walk_init(aicc_eval_walk *walk, int rank, const int64_t *shape);
void aicc_eval_walk_add(aicc_eval_walk *walk, int64_t offset, const int64_t *strides);
void aicc_eval_walk_add_dense(aicc_eval_walk *walk);
// A tensor that broadcasts to the walk's shape, as NumPy does; false: it does not.
bool aicc_eval_walk_add_broadcast(aicc_eval_walk *walk, const aicc_eval_value *value);
// Moves to the next row; false at the end. The first call merges dimensions where it can.
bool aicc_eval_walk_next(aicc_eval_walk *walk);
// Copies elements of |size| bytes: tensor |to| of the walk from tensor |from|, until the walk's
// end.
void aicc_eval_walk_copy(aicc_eval_walk *walk, int to, void *dst, int from, const void *src,
                         size_t size);

// --- operators; each is the row of its operator in eval.c ----------------------------------------

#define AICC_EVAL_FUNCTIONS(X)                                                                   \
  X(eltwise) X(pow) X(select) X(cast) X(bitcast) X(constant) X(from_dims) X(iota) X(random)      \
  X(reshape) X(transpose) X(broadcast) X(slice) X(pad) X(concat) X(gather) X(gather_elements)    \
  X(gather_nd) X(window) X(resize) X(reverse_sequence) X(reduce) X(arg) X(cumulate) X(topk)      \
  X(matmul) X(conv) X(conv_transpose) X(attention) X(scatter_elements) X(scatter_nd) X(def_dim)  \
  X(assert)                                                                                     \
  X(count_nonzero) X(nonzero) X(opaque) X(if) X(loop) X(group) X(seq_empty) X(seq_insert)        \
  X(seq_erase) X(seq_at) X(seq_length) X(seq_concat) X(opt_make) X(opt_has) X(opt_get)
#define X(name) aicc_status aicc_eval_op_##name(aicc_eval_call *call);
AICC_EVAL_FUNCTIONS(X)
#undef X

#endif
