// Loops and sequences in importers.
//
// The elements of a sequence, and what an optional holds, may differ from each other in dimensions:
// those are the symbol `any` in their types. A rank of -1 is unknown. Thread-compatible.
#ifndef AICC_FRONTEND_IMPORT_CONTROL_H
#define AICC_FRONTEND_IMPORT_CONTROL_H

#include "frontend/import_move.h"

// --- loops ---------------------------------------------------------------------------------------

// Makes the body's nodes where the importer's builder stands. |index| is the round, i64[]; |states|
// are the states at its start. Fills |results|: [0] the condition to go on (NULL: always), then the
// next states, then what each scan collects. AICC_OK or why not, reported. It is called again with
// more general types where a state's type changes from round to round.
typedef aicc_status (*aicc_loop_body)(void *context, aicc_value *index, aicc_value *const *states,
                                      aicc_value **results);

typedef struct aicc_loop {
  const aicc_onnx_node *n;
  aicc_value *trips;      // an integer of one element; NULL: no bound
  aicc_value *condition;  // a bool of one element; NULL: true
  int states, scans;
  aicc_value *const *init;  // of the states
  aicc_loop_body body;
  void *context;
} aicc_loop;

// Fills |out| with the states after the loop and the scans, each on a new first axis.
AICC_MUST_USE aicc_status aicc_build_loop(aicc_importer *im, const aicc_loop *loop,
                                          aicc_value **out);

// Whether the one element of a bool (or integer) is known at compile time, and its truth.
bool aicc_known_truth(const aicc_importer *im, const aicc_value *x, bool *truth);
// Input |i|, where it is there, must be a tensor of one element.
AICC_MUST_USE aicc_status aicc_need_scalar(aicc_importer *im, const aicc_onnx_node *n, int i);

// --- sequences -----------------------------------------------------------------------------------

// The type of elements like |type|: sizes that are not numbers are `any`.
aicc_type aicc_element_type(aicc_importer *im, const aicc_type *type);
// The type that both fit; false where the kind or element type differs.
AICC_MUST_USE bool aicc_type_join(aicc_importer *im, const aicc_type *a, const aicc_type *b,
                                  aicc_type *out);
aicc_type aicc_type_nested(aicc_importer *im, aicc_type_kind kind, aicc_type element);
// |type| with a fresh symbol for each `any`: of one element.
aicc_type aicc_element_fresh(aicc_importer *im, const aicc_type *type);
// A sequence that has no elements yet, so that any type of them would do.
bool aicc_is_untyped_sequence(const aicc_value *sequence);

aicc_value *aicc_sequence_empty(aicc_importer *im, aicc_type element);
// |position| NULL: at the end. NULL after reporting.
aicc_value *aicc_sequence_insert(aicc_importer *im, const aicc_onnx_node *n, aicc_value *sequence,
                                 aicc_value *item, aicc_value *position);
aicc_value *aicc_sequence_at(aicc_importer *im, const aicc_onnx_node *n, aicc_value *sequence,
                             aicc_value *position);
aicc_value *aicc_sequence_length(aicc_importer *im, aicc_value *sequence);

// --- optionals -----------------------------------------------------------------------------------

aicc_value *aicc_optional_make(aicc_importer *im, aicc_value *x);
// What |x| holds, or |x| itself where it is no optional. NULL after reporting.
aicc_value *aicc_optional_get(aicc_importer *im, const aicc_onnx_node *n, aicc_value *x);

#endif
