// Builder: makes nodes with inferred types at an insertion point. Importers and passes use it.
//
// Each call appends one node (or folds to an existing value where noted), infers its types, and
// returns its result. Errors in operands are reported to the builder's diagnostics; the call then
// returns NULL, and every call with a NULL required operand returns NULL quietly, so callers check
// once at the end. Origins set in the builder are attached to each node made.
#ifndef AICC_IR_BUILD_H
#define AICC_IR_BUILD_H

#include "ir/graph.h"

typedef struct aicc_builder {
  aicc_module *module;
  aicc_region *region;
  aicc_node *before;  // insert before this node; NULL: at the region's end
  aicc_diags *diags;
  aicc_loc loc;
  const aicc_origin *origins;
  int origin_count;
} aicc_builder;

// Appends |node|, infers, reports. Returns its first result or NULL.
aicc_value *aicc_b_finish(aicc_builder *b, aicc_node *node);

aicc_value *aicc_b_unary(aicc_builder *b, aicc_op op, aicc_value *x);
aicc_value *aicc_b_binary(aicc_builder *b, aicc_op op, aicc_value *x, aicc_value *y);
aicc_value *aicc_b_select(aicc_builder *b, aicc_value *c, aicc_value *x, aicc_value *y);
aicc_value *aicc_b_cast(aicc_builder *b, aicc_value *x, aicc_dtype to);  // x itself if of type |to|

aicc_value *aicc_b_const(aicc_builder *b, const aicc_tensor *tensor);
aicc_value *aicc_b_scalar(aicc_builder *b, aicc_dtype dtype, double value);       // rank 0
aicc_value *aicc_b_scalar_like(aicc_builder *b, const aicc_value *x, double value);  // x's dtype
aicc_value *aicc_b_scalar_i64(aicc_builder *b, aicc_dtype dtype, int64_t value);
aicc_value *aicc_b_const_i64s(aicc_builder *b, const int64_t *values, int count);  // i64[count]
aicc_value *aicc_b_from_dims(aicc_builder *b, const aicc_dim *dims, int count);    // i64[count]
aicc_value *aicc_b_from_dim(aicc_builder *b, aicc_dim dim);                        // i64[]
aicc_value *aicc_b_iota(aicc_builder *b, aicc_dtype dtype, const aicc_dim *dims, int rank,
                        int axis);

// These return x itself where they would change nothing.
aicc_value *aicc_b_reshape(aicc_builder *b, aicc_value *x, const aicc_dim *dims, int rank);
aicc_value *aicc_b_transpose(aicc_builder *b, aicc_value *x, const int64_t *perm);
aicc_value *aicc_b_broadcast(aicc_builder *b, aicc_value *x, const aicc_dim *dims, int rank);
// [d0, d1, ..] as [d0, 1, ..] of |rank|: what belongs to channels, beside [N, C, s..]; d1 .. are 1.
aicc_value *aicc_b_leading(aicc_builder *b, aicc_value *x, int rank);
aicc_value *aicc_b_unsqueeze(aicc_builder *b, aicc_value *x, int axis);  // reshape
aicc_value *aicc_b_squeeze(aicc_builder *b, aicc_value *x, int axis);    // reshape
// One axis: result dim is |size|; starts at |start|.
aicc_value *aicc_b_slice(aicc_builder *b, aicc_value *x, int axis, aicc_dim start, aicc_dim size,
                         int64_t step);
aicc_value *aicc_b_slices(aicc_builder *b, aicc_value *x, const aicc_dim *starts,
                          const int64_t *steps, const aicc_dim *sizes);
aicc_value *aicc_b_pad(aicc_builder *b, aicc_value *x, aicc_value *fill, const aicc_dim *low,
                       const aicc_dim *high, const char *mode);
aicc_value *aicc_b_concat(aicc_builder *b, aicc_value *const *items, int count, int axis);
aicc_value *aicc_b_gather(aicc_builder *b, aicc_value *x, aicc_value *indices, int axis);
// NULL axes: all of them; negative ones count from the end; none (or a scalar): x itself.
aicc_value *aicc_b_reduce(aicc_builder *b, aicc_op op, aicc_value *x, const int64_t *axes,
                          int count, bool keepdims);
aicc_value *aicc_b_arg(aicc_builder *b, aicc_op op, aicc_value *x, int axis, bool keepdims,
                       bool last);
aicc_value *aicc_b_matmul(aicc_builder *b, aicc_value *x, aicc_value *y);
// x [N, C, s..] and fill -> [N, C, o.., w..]; |pads| are the low pads, |out| the o.. dims.
aicc_value *aicc_b_window(aicc_builder *b, aicc_value *x, aicc_value *fill, int spatial,
                          const int64_t *kernel, const int64_t *strides, const int64_t *dilations,
                          const aicc_dim *pads, const aicc_dim *out);
// A library kernel; result types stated by the caller.
aicc_node *aicc_b_opaque(aicc_builder *b, const char *name, aicc_value *const *in, int in_count,
                         const aicc_type *types, int out_count);

// The elements of an integer tensor as expressions. Where they are not known, each becomes a fresh
// symbol defined from the tensor at run time (def_dim, placed right behind x, and remembered as its
// partial value); then the tensor's length must be known. At most AICC_PARTIAL_MAX. Returns false
// after reporting (quietly where x is NULL).
bool aicc_b_as_dims(aicc_builder *b, aicc_value *x, const aicc_dim **dims, int *count);
// The tensor behind a constant (through reshapes and casts: no); NULL: not constant.
const aicc_tensor *aicc_value_constant(const aicc_value *x);

#endif
