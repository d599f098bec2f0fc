// The contraction skeleton shared by matrix multiply and convolution:
//
//   result[o, m, n] = epilogue(sum over k of a[place(o) + m * row + k . step] * b[panel(n), k])
//
// B lies in panels of `columns` values (ir/plan.h, aicc_pack), packed when the model is compiled or
// by a small kernel before. A is read in place through strides. A task computes one panel for a
// block of `outer` places and a chunk of rows; a block of MR rows x NV vectors of accumulators
// stays in registers over the whole k loop, then passes through a tile in task memory to the
// epilogue.
#ifndef AICC_PASSES_CONTRACT_H
#define AICC_PASSES_CONTRACT_H

#include "passes/lower.h"

// Where B comes from, sizes as expressions; strides in elements of the source.
typedef struct contract_b {
  const aicc_value *value;
  aicc_dim batch, batch_stride;
  int k_rank;
  aicc_dim k_extent[AICC_PACK_RANK], k_stride[AICC_PACK_RANK];
  aicc_dim n, n_stride;
  bool transposed;  // a matrix whose rows are the result's columns
  bool is_made;     // GPUs: computed before, by a kernel of the operator's own, into slot |made|
  aicc_slot made;
} contract_b;

typedef struct contract {
  aicc_lower *lw;
  aicc_node *group;
  const aicc_value *root;     // the contraction's result inside the group
  const aicc_value *a;
  contract_b b;
  const aicc_value *bias;     // [n] or NULL
  aicc_dtype acc;             // f32, f64, i32, i64, ...
  int outer_rank;             // places: a loop nest
  aicc_dim outer[AICC_MAX_RANK], outer_a_stride[AICC_MAX_RANK];
  aicc_dim m, a_row_stride;
  int64_t m_least;            // GPUs: rows are none or at least so many
  const char *name;           // GPUs: of the kernel; NULL: the operator's
  bool placed;                // GPUs: results have their slots
  // The k loops: the same k as b's, in the same order, where A allows with fewer dimensions.
  int k_rank;
  aicc_dim k_extent[AICC_PACK_RANK], a_k_stride[AICC_PACK_RANK];
  aicc_dim groups, a_group_stride;      // convolution groups: batches of B; 1 elsewhere
  // GPUs: padded dimensions, along which outer[1..], m and the k loops move. Position
  // row * pad_stride + k * pad_dilation - pad is inside from 0 to pad_in; pitch in elements.
  int padded_rank;
  aicc_dim pad[AICC_PACK_RANK], pad_in[AICC_PACK_RANK], pad_pitch[AICC_PACK_RANK];
  int64_t pad_stride[AICC_PACK_RANK], pad_dilation[AICC_PACK_RANK];
  // Which batch of B place |o| uses (matrix multiplies with batches): strides over the outer dims.
  aicc_dim outer_b_batch[AICC_MAX_RANK];
  bool columns_last;  // n is the result's last dimension, neighbours of it are neighbours in memory
  // The result index for place o, row m, column n (of all groups).
  void (*result_index)(const struct contract *c, lower_kernel *lk, const kir_val *outer, kir_val m,
                       kir_val n, kir_val *index);
} contract;

void aicc_contract_emit(contract *c);
void aicc_contract_emit_gpu(contract *c);  // lower_gpu_contract.c
// How B is packed into panels of |nr| columns; false: a size is not known.
bool aicc_contract_pack(const contract *c, int nr, aicc_pack *pack);
// The index of B's element (batch, k, n) in its value.
void aicc_contract_b_index(const contract *c, lower_kernel *lk, kir_val batch, kir_val k, kir_val n,
                           kir_val *index);
// Whether the epilogue can see all leading dimensions of the result as one of rows: what it uses
// has the result's shape or is constant over them.
bool aicc_contract_flattens(const aicc_lower *lw, const aicc_region *body, const aicc_value *root);
// |value| or, where its type is not computed in, a temporary with its elements in |type|.
aicc_slot aicc_contract_operand(aicc_lower *lw, const aicc_node *group, const aicc_value *value,
                                aicc_dtype type);

// The result_index of flattened rows.
void aicc_contract_flat_index(const contract *c, lower_kernel *lk, const kir_val *outer, kir_val m,
                              kir_val n, kir_val *index);

#endif
