// The libFuzzer entry: reading a file, and compiling it up to code generation.
#include "fuzz/model_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  aicc_fuzz_model(data, size);
  aicc_fuzz_compile(data, size);
  return 0;
}
