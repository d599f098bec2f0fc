// ONNX test data: folders with input_N.pb and output_N.pb.
#ifndef AICC_TOOLS_TEST_DATA_H
#define AICC_TOOLS_TEST_DATA_H

#include "aicc/runtime.h"
#include "ir/eval.h"

// One value per input or output of the model. |present|: there was a file.
typedef struct aicc_test_values {
  aicc_eval_value *values;
  bool *present;
  uint32_t count;
  uint32_t files;  // found
} aicc_test_values;

// Reads FOLDER/PREFIX_*.pb ("input", "output") for |tensors|. The files' values are told apart by
// their names where all of these are names of |tensors|, else by their numbers. AICC_IO,
// AICC_INVALID (E0801: a file too many, a wrong kind). The caller deinits |out|, after a failure
// too.
AICC_MUST_USE aicc_status aicc_test_values_read(const char *folder, const char *prefix,
                                                const aicc_rt_tensor_info *tensors, uint32_t count,
                                                aicc_diags *diags, aicc_test_values *out);
void aicc_test_values_deinit(aicc_test_values *values);

#endif
