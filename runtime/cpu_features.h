// Which instruction set extensions this CPU and its operating system offer.
#ifndef AICC_CPU_FEATURES_H
#define AICC_CPU_FEATURES_H

#include <stdbool.h>

typedef enum aicc_rt_feature { AICC_RT_HAS, AICC_RT_LACKS, AICC_RT_UNKNOWN } aicc_rt_feature;

// |name| as LLVM spells it: "avx2", "avx512f".
aicc_rt_feature aicc_rt_cpu_feature(const char *name);

#endif
