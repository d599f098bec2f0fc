// Which operators are functions of the math library.
#include "codegen/cg.h"

LLVMValueRef cg_transcendental(cg_kernel *k AICC_UNUSED, aicc_op op AICC_UNUSED,
                               LLVMValueRef x AICC_UNUSED, LLVMValueRef y AICC_UNUSED) {
  return NULL;
}
