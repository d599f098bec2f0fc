// The public headers are clean C++ too.
#include "aicc/abi.h"
#include "aicc/runtime.h"

static_assert(sizeof(DLDataType) == 4, "as DLPack has it");
static_assert(sizeof(DLTensor) == 48, "as DLPack has it");
static_assert(sizeof(aicc_rt_string) == sizeof(aicc_abi_str), "string elements");
