// What the fuzzer and the mutate test do with bytes that claim to be an ONNX file.
#ifndef AICC_TESTS_FUZZ_MODEL_TARGET_H
#define AICC_TESTS_FUZZ_MODEL_TARGET_H

#include "ir/buf.h"

// Opens the bytes as a model and as the values of test data sets, and reads every tensor. Returns
// how many of these opened. Aborts where a status and its diagnostics disagree.
int aicc_fuzz_model(const uint8_t *data, size_t size);

// Imports the bytes as a model, runs the usual passes, verifying after each, and lowers what comes
// out of them; true if all went well. Aborts where a defect of aicc is reported, or where a status
// and its diagnostics disagree.
bool aicc_fuzz_compile(const uint8_t *data, size_t size);

// Seeds: small models that use every message of the format. NULL beyond the last.
aicc_buf *aicc_fuzz_model_seed(int index);

#endif
