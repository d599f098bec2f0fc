#include "cpu_features.h"

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)

#include <cpuid.h>

typedef struct feature {
  const char *name;
  uint32_t leaf, subleaf, reg, bit, state;
} feature;

static const feature features[] = {
#define AICC_CPU_FEATURE(name, leaf, subleaf, reg, bit, state) \
  {name, leaf, subleaf, reg, bit, state},
#include "cpu_features.def"
#undef AICC_CPU_FEATURE
};

// The register states that the operating system saves; 0 where it does not say.
static uint32_t saved_state(void) {
  uint32_t regs[4];
  if (!__get_cpuid(1, &regs[0], &regs[1], &regs[2], &regs[3]) || !(regs[2] & bit_OSXSAVE)) {
    return 0;
  }
  uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

aicc_rt_feature aicc_rt_cpu_feature(const char *name) {
  for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
    const feature *f = &features[i];
    if (strcmp(f->name, name) != 0) {
      continue;
    }
    uint32_t regs[4];
    const bool has =
        __get_cpuid_count(f->leaf, f->subleaf, &regs[0], &regs[1], &regs[2], &regs[3]) &&
        (regs[f->reg] >> f->bit & 1) && (saved_state() & f->state) == f->state;
    return has ? AICC_RT_HAS : AICC_RT_LACKS;
  }
  return AICC_RT_UNKNOWN;
}

#else

aicc_rt_feature aicc_rt_cpu_feature(const char *name) {
  (void)name;
  return AICC_RT_UNKNOWN;
}

#endif
