// Lowering: a fused graph to kernels (ir/kir.h) and a host program (ir/plan.h).
//
//   lower.c         the walk over nodes; slots and views; constants
//   lower_control.c if, loop, sequences
//   lower_memory.c  lives of buffers
//   lower_kernel.c  one kernel in the making: parameters, sizes, launching
//   lower_place.c   where elements lie that are only looked at through views
//   lower_elem.c    one element of a value as a scalar expression (all fused arithmetic and moves)
//   lower_vector.c  several neighbouring elements in one lane of a GPU
//   lower_map.c lower_row.c lower_matmul.c lower_conv.c   the group kinds
//   lower_gpu_map.c lower_gpu_row.c                       two of them on GPUs
//   lower_own.c     operators with kernels of their own (library text in passes/kernels/*.kir)
#ifndef AICC_PASSES_LOWER_H
#define AICC_PASSES_LOWER_H

#include "ir/kir.h"
#include "ir/machine.h"
#include "ir/plan.h"

#define AICC_NO_SLOT ((aicc_slot)UINT32_MAX)

typedef struct aicc_lower {
  aicc_module *module;
  aicc_plan *plan;
  const aicc_machine *machine;
  aicc_diags *diags;
  FILE *report;           // --opt-report or NULL
  aicc_slot *slot_of;     // per value id; AICC_NO_SLOT
  aicc_steps *steps;      // where steps go now
  uint32_t
      *segment_of;  // per aicc_dim id of a symbol: the segment that knows it; 0: from the start
  size_t symbol_capacity;
  int32_t *output_of;     // per value id: the graph output it is computed into, or -1
  bool failed;
} aicc_lower;

// Lowers the whole module. The plan borrows the module. Reports E07xx; NULL after errors.
aicc_plan *aicc_lower_module(aicc_module *module, const aicc_machine *machine, FILE *report,
                             aicc_diags *diags);
void aicc_plan_destroy(aicc_plan *plan);

// --- lower.c -------------------------------------------------------------------------------------

aicc_slot aicc_lower_slot(aicc_lower *lw, const aicc_value *value);  // of a value defined before
aicc_slot aicc_lower_new_slot(aicc_lower *lw, aicc_slot_kind kind, const aicc_type *type,
                              const char *name);
// A planned buffer (or graph output) for a value about to be computed; becomes its slot.
aicc_slot aicc_lower_result(aicc_lower *lw, const aicc_value *value);
aicc_slot aicc_lower_temporary(aicc_lower *lw, aicc_dtype dtype, const aicc_dim *dims, int rank,
                               const char *name);
aicc_slot aicc_lower_constant(aicc_lower *lw, const aicc_plan_const *constant);
aicc_step *aicc_lower_step(aicc_lower *lw, aicc_step_kind kind);
void aicc_lower_alias(aicc_lower *lw, const aicc_value *value, aicc_slot of);  // a view
void aicc_lower_set_slot(aicc_lower *lw, const aicc_value *value, aicc_slot slot);
// |symbol| gets its value by the step just made: sizes that use it belong to a segment of their
// own, planned right here.
void aicc_lower_symbol_defined(aicc_lower *lw, aicc_dim symbol);
aicc_dim aicc_lower_bytes(aicc_lower *lw, const aicc_type *type);
// Element |index| of an integer or bool tensor as an expression: its partial value where known,
// else a fresh symbol read from the tensor now.
aicc_dim aicc_lower_read(aicc_lower *lw, const aicc_value *value, int index);
void aicc_lower_region(aicc_lower *lw, aicc_region *region);
void aicc_lower_unsupported(aicc_lower *lw, const aicc_node *node, const char *rule);
bool aicc_lower_control(aicc_lower *lw, aicc_node *node);  // false: not one of its operators
// Optional tensors at the border of the graph (sequences need nothing). The second: false where
// output |index| is none.
void aicc_lower_optional_inputs(aicc_lower *lw);
bool aicc_lower_optional_output(aicc_lower *lw, const aicc_value *value, int index);
void aicc_lower_lives(aicc_plan *plan);  // lower_memory.c: numbers steps, fills first and last

// --- lower_kernel.c ------------------------------------------------------------------------------

typedef struct lk_memo {
  const aicc_value *value;
  kir_val index[AICC_MAX_RANK];
  kir_val guard, result;
} lk_memo;

// Where an element lies: number |linear| of |buffer|.
typedef struct lk_place {
  kir_val buffer, linear;
} lk_place;

// A kernel being built.
typedef struct lower_kernel {
  aicc_lower *lw;
  kir_kernel *kernel;
  kir_builder b;
  const aicc_region *group;   // values defined in it are computed; others are loaded
  kir_val guard;              // 0 or: loads happen only where this holds
  aicc_step_arg *args;
  size_t arg_count, arg_capacity;
  kir_val *param_of_arg;      // parallel to args
  size_t param_count, param_capacity;
  const aicc_value **bound;   // values with a known result in this scope (accumulators, statistics)
  kir_val *bound_to;
  size_t bound_count, bound_capacity, bound_to_count, bound_to_capacity;
  lk_memo *memo;              // elements computed in the open blocks
  size_t memo_count, memo_capacity;
  lk_place *seek;             // not NULL: an element in memory is placed here, not loaded (lk_find)
  const char *schedule;       // for reports and the printed plan; or NULL
  aicc_dim flops;             // of the products it is for (ir/plan.h); AICC_DIM_NONE
  struct lk_vector *vector;   // lower_vector.h: several elements of a lane in the making, or NULL
} lower_kernel;

void lk_begin(lower_kernel *lk, aicc_lower *lw, const char *name, const char *kind,
              const aicc_node *group);
// The same for a node that is no group: nothing is computed inside.
void lk_begin_node(lower_kernel *lk, aicc_lower *lw, const char *name, const char *kind,
                   const aicc_node *node);
kir_val lk_buffer(lower_kernel *lk, aicc_slot slot, unsigned access);
kir_val lk_dim(lower_kernel *lk, aicc_dim dim);   // constant or parameter
kir_val lk_i64(lower_kernel *lk, int64_t value);
kir_val lk_for(lower_kernel *lk, kir_loop_kind kind, kir_val from, kir_val to);  // step 1
void lk_end(lower_kernel *lk);                    // ends a block and forgets what it computed
void lk_bind(lower_kernel *lk, const aicc_value *value, kir_val result);
size_t lk_mark(const lower_kernel *lk);           // bindings and memo made after it ...
void lk_forget(lower_kernel *lk, size_t mark);    // ... are dropped here
// Splits a linear index over |extents| (row-major) into |out|: the last one varies fastest.
void lk_split(lower_kernel *lk, kir_val linear, const kir_val *extents, int rank, kir_val *out);
// Adds the kernel to the plan (or reuses an equal one) and a launch over |grid| tasks of |cost| ns
// each... in all: |cost| is for the whole launch.
void lk_launch(lower_kernel *lk, aicc_dim grid, aicc_dim cost);

// --- lower_elem.c --------------------------------------------------------------------------------

// The type elements are computed in: f32 for 16-bit and 8-bit floats.
aicc_dtype lk_compute_type(aicc_dtype dtype);
// A value in the compute type rounded to |dtype|, as each operator's result is.
kir_val lk_round(lower_kernel *lk, aicc_dtype dtype, kir_val value);
// Element |index| (one i64 per dimension) of |value| in its compute type.
kir_val lk_elem(lower_kernel *lk, const aicc_value *value, const kir_val *index);
// lower_quantise.c: element |index| of |node|, the end of a chain that makes bytes of floats, or
// floats of those bytes, less a number or not; false: it is no such chain.
bool lk_quantise(lower_kernel *lk, const aicc_node *node, const kir_val *index, kir_val *out);
kir_val lk_linear(lower_kernel *lk, const aicc_type *type, const kir_val *index);
kir_val lk_load(lower_kernel *lk, kir_val buffer, aicc_dtype dtype, kir_val linear);
void lk_store(lower_kernel *lk, kir_val buffer, aicc_dtype dtype, kir_val linear, kir_val value);
// lower_place.c: where element |index| of |value| lies, seen through views; false: it is computed,
// or chosen among several places. Adds index arithmetic alone.
bool lk_find(lower_kernel *lk, const aicc_value *value, const kir_val *index, lk_place *out);
// The most neighbours, 1 or a power of two up to |most|, that one access may move where |linear|
// grows with |var| and |var| is a multiple of their number: they are adjacent and aligned.
int lk_neighbours(const lower_kernel *lk, kir_val linear, kir_val var, int most);
// lower_padded.c: stores element |index| of every result of |group|; |flat|: the leading indices
// are a row number. Those of pad nodes lie inside the padding; aicc_lower_borders fills the rest.
void lk_store_results(lower_kernel *lk, const aicc_node *group, const kir_val *index, bool flat);
void aicc_lower_borders(aicc_lower *lw, const aicc_node *group);
// |value| of |body|, or what it pads.
const aicc_value *lk_unpadded(const aicc_region *body, const aicc_value *value);
// The neutral element of a reduction in its compute type, and one folding step.
kir_val lk_neutral(lower_kernel *lk, aicc_op reduce, aicc_dtype dtype);
aicc_op lk_fold_op(aicc_op reduce);

// --- group kinds: lower the group and its launch -------------------------------------------------

void aicc_lower_map(aicc_lower *lw, aicc_node *group);
void aicc_lower_row(aicc_lower *lw, aicc_node *group);
void aicc_lower_contract(aicc_lower *lw, aicc_node *group);
void aicc_lower_conv(aicc_lower *lw, aicc_node *group, aicc_node *conv);
void aicc_lower_own(aicc_lower *lw, aicc_node *group);

#endif
