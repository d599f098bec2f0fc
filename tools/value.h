// Between the tools' values (ir/eval.h) and the runtime's tensors.
#ifndef AICC_TOOLS_VALUE_H
#define AICC_TOOLS_VALUE_H

#include "aicc/runtime.h"
#include "ir/eval.h"

// aicc's type of a DLPack type; false: none.
bool aicc_value_dtype(DLDataType type, aicc_dtype *out);

// A tensor that borrows |value|'s data and shape.
DLTensor aicc_value_to_dl(const aicc_eval_value *value);

// Says a failure of the runtime as a diagnostic and returns the status that fits.
aicc_status aicc_value_fail(const aicc_rt_error *error, aicc_diags *diags);

// Hands |value| over as input |index|; its memory must live until the run.
AICC_MUST_USE aicc_status aicc_value_set_input(aicc_rt_session *session,
                                               const aicc_rt_tensor_info *info, uint32_t index,
                                               const aicc_eval_value *value, aicc_diags *diags);

// Output |index| of the last run: borrows the session's memory until its next run. The caller
// deinits |out|. An absent optional is an AICC_TYPE_OPTIONAL without items.
AICC_MUST_USE aicc_status aicc_value_get_output(const aicc_rt_session *session,
                                                const aicc_rt_tensor_info *info, uint32_t index,
                                                aicc_diags *diags, aicc_eval_value *out);

#endif
