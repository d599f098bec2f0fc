// Reference interpreter of the graph IR: the oracle of the tests, and the constant folder's engine.
//
// Written for clarity, not for speed. Floats are computed in double and rounded once to the
// result's type per operator; integers wrap to their type. Values share bytes by reference count;
// bytes are never changed once a value is handed out. Thread-compatible.
#ifndef AICC_IR_EVAL_H
#define AICC_IR_EVAL_H

#include "ir/graph.h"

// A concrete tensor, sequence or optional. Zeroed: no value.
typedef struct aicc_eval_value {
  aicc_type_kind kind;
  aicc_dtype dtype;               // tensors, and the elements of sequences and optionals
  int rank;                       // tensors
  int64_t shape[AICC_MAX_RANK];
  void *data;                     // tensors: dense, row-major
  aicc_buf *buf;                  // holds data (a reference of its own); NULL: borrowed
  struct aicc_eval_value *items;  // sequences: item_count; optionals: none or one. Owned
  int64_t item_count;
} aicc_eval_value;

// A tensor with bytes of its own, not set yet. AICC_RESOURCE where its size overflows.
AICC_MUST_USE aicc_status aicc_eval_value_create(aicc_dtype dtype, int rank, const int64_t *shape,
                                                 aicc_diags *diags, aicc_eval_value *out);
// A view of a constant: shares its buffer, or borrows arena data.
void aicc_eval_value_from_tensor(const aicc_tensor *tensor, aicc_eval_value *out);
void aicc_eval_value_copy(const aicc_eval_value *value, aicc_eval_value *out);  // shares the bytes
void aicc_eval_value_deinit(aicc_eval_value *value);                            // leaves no value
int64_t aicc_eval_value_count(const aicc_eval_value *value);                    // elements

// Runs the module on its inputs (one per parameter of the body) and fills |outputs| (one per
// result), which the caller deinits. AICC_INVALID where inputs do not fit the declared types or an
// operator meets bad data (an index out of range), AICC_UNSUPPORTED where an operator is not known.
// The module is not changed, but for symbols looked up in its table.
AICC_MUST_USE aicc_status aicc_eval_graph(const aicc_module *module, const aicc_eval_value *inputs,
                                          aicc_eval_value *outputs, aicc_diags *diags);

// Runs one node that uses no symbols and whose regions capture nothing. |in| has in_count entries
// (NULL: left out), |out| out_count; on failure |out| holds no values.
AICC_MUST_USE aicc_status aicc_eval_node(aicc_module *module, const aicc_node *node,
                                         const aicc_eval_value *const *in, aicc_eval_value *out,
                                         aicc_diags *diags);

#endif
