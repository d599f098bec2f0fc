// What the files of lower_own*.c share: one operator, and launches of library kernels.
#ifndef AICC_PASSES_LOWER_OWN_H
#define AICC_PASSES_LOWER_OWN_H

#include "passes/lower.h"

typedef struct own {
  aicc_lower *lw;
  aicc_node *group;
  const aicc_node *node;  // the operator in it
  aicc_arena *arena;      // the plan's
  aicc_dims *dims;
} own;

typedef void (*own_fn)(own *o);

// --- operands and sizes --------------------------------------------------------------------------

bool own_has(const own *o, int operand);
const aicc_type *own_type(const own *o, int operand);
aicc_slot own_operand(own *o, int operand);
// The slot of a result; a temporary where nothing uses it. Call once per result.
aicc_slot own_result(own *o, int result);
aicc_dim own_const(own *o, int64_t value);
aicc_dim own_count(own *o, const aicc_type *type);                        // elements
aicc_dim own_product(own *o, const aicc_type *type, int from, int to);    // of dims from .. to - 1
// Rows per task where a row is |work| elements of work.
aicc_dim own_block(own *o, aicc_dim work);
const char *own_compute(aicc_dtype dtype);  // name of the type arithmetic is done in
int64_t own_int(const own *o, int index, int64_t otherwise);     // opaque's parameters
double own_float(const own *o, int index, double otherwise);
// Bytes of a table made now, as a constant of rank 1.
aicc_slot own_table(own *o, aicc_dtype dtype, const void *data, int64_t count, const char *name);
void own_copy(own *o, aicc_slot to, aicc_slot from);

// --- launches of library text --------------------------------------------------------------------

typedef struct own_arg {
  const char *name;
  bool is_slot, is_raw;  // raw: a buffer given as a number, or the other way round
  aicc_slot slot;
  aicc_dim dim;
} own_arg;

typedef struct own_kernel {
  own *o;
  const char *name;
  const char **bindings;
  size_t binding_count, binding_capacity;
  own_arg *args;
  size_t arg_count, arg_capacity;
  aicc_dim flops;  // as in lower_kernel
} own_kernel;

own_kernel own_begin(own *o, const char *name);  // passes/kernels/NAME.kir; binds W
void own_bind(own_kernel *k, const char *format, ...) AICC_PRINTF(2, 3);  // "T=%s"
void own_bind_float(own_kernel *k, const char *name, double value);
void own_buffer(own_kernel *k, const char *name, aicc_slot slot);
void own_optional(own_kernel *k, const char *name, int operand);  // binds HAS_NAME=true or false
void own_memory(own_kernel *k);   // %memory: u8*, all memory by address (strings)
void own_address(own_kernel *k, const char *name, aicc_slot slot);  // %name: i64, of the slot
void own_size(own_kernel *k, const char *name, aicc_dim dim);
void own_launch(own_kernel *k, aicc_dim grid, aicc_dim cost);     // cost: ns of one core

// --- lower_own_gpu.c: what GPUs do otherwise -----------------------------------------------------

// A tensor as [outer, n, inner] around an axis.
typedef struct own_lines {
  aicc_dim outer, n, inner;
} own_lines;

bool own_is_gpu(const own *o);
// Warps for one line of |n| elements: few for a line known to be short.
int own_gpu_warps(const own *o, aicc_dim n);
// Launches a task of $WARPS warps for each line; |per_element|: tenths of a nanosecond.
void own_gpu_lines(own_kernel *k, const own_lines *l, int per_element);
void own_gpu_scan(own_kernel *k, const char *op);  // binds SCAN; see cumulate_block.kir
void own_gpu_cumulate(own_kernel *k, const own_lines *l, const char *op);
bool own_gpu_nbits(own *o);  // lower_gpu_nbits.c; false: the CPU's form serves
void own_gpu_count_nonzero(own *o);
void own_gpu_nonzero(own *o, const char *sizes, const char *stores);

// --- operators -----------------------------------------------------------------------------------

#define OWN_FUNCTIONS(X)                                                                         \
  X(arg)                                                                                         \
  X(cumulate) X(topk) X(scatter_elements) X(scatter_nd) X(count_nonzero) X(nonzero) X(random)    \
      X(attention) X(non_max_suppression) X(roi_align) X(max_roi_pool) X(deform_conv)            \
          X(tree_ensemble) X(svm_classifier) X(label_encoder) X(matmul_nbits) X(dft) X(det)      \
              X(unique) X(tfidf) X(grid_sample) X(col2im) X(string_equal) X(string_concat)       \
                  X(string_normalizer) X(string_split_count) X(string_split) X(regex_full_match) \
                      X(label_encoder_text) X(string_tokenize_count) X(string_tokenize)
#define X(name) void own_lower_##name(own *o);
OWN_FUNCTIONS(X)
#undef X

#endif
