// The libFuzzer entry of the model target.
#include "fuzz/model_target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  aicc_fuzz_model(data, size);
  return 0;
}
