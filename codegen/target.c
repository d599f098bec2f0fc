#include "codegen/target.h"

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>
#include <string.h>

#define V3_NEEDS "avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe"
#define V4_NEEDS V3_NEEDS, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"
static const char *const v3_needs[] = {V3_NEEDS, NULL};
static const char *const v3_vnni_needs[] = {V3_NEEDS, "avxvnni", NULL};
static const char *const v4_needs[] = {V4_NEEDS, NULL};
static const char *const v4_vnni_needs[] = {V4_NEEDS, "avx512vnni", NULL};
static const char *const no_needs[] = {NULL};

#define X86(name_, cpu_, features_, width_, dot4_, flops, needs_)                        \
  {.machine = {.name = name_, .kind = AICC_MACHINE_CPU, .width = width_,                 \
               .registers = (width_) == 16 ? 32 : 16, .l1_bytes = 32 << 10,              \
               .l2_bytes = 1 << 20, .dot4 = dot4_, .flops_per_ns = flops,                \
               .bytes_per_ns = 8},                                                       \
   .family = CG_FAMILY_X86, .triple = "x86_64-unknown-linux-gnu", .cpu = cpu_,           \
   .features = features_, .needs = needs_}

#define GPU(name_, cpu_, family_, triple_, features_, width_, shared, async, mma_)              \
  {.machine = {.name = name_, .kind = AICC_MACHINE_GPU, .width = width_, .registers = 255,     \
               .l1_bytes = shared, .l2_bytes = 4 << 20, .flops_per_ns = 100,                   \
               .bytes_per_ns = 20, .shared_bytes = shared, .warps_max = 8,                     \
               .async_copy = async, .mma = mma_},                                              \
   .family = family_, .triple = triple_, .cpu = cpu_, .features = features_, .needs = no_needs}

// Shared memory: what a block may have on every GPU that shares the plan.
#define NVPTX(name, ptx, shared, async, mma) \
  GPU(name, name, CG_FAMILY_NVPTX, "nvptx64-nvidia-cuda", ptx, 32, shared, async, mma)
#define AMDGPU(name, features, width) \
  GPU(name, name, CG_FAMILY_AMDGPU, "amdgcn-amd-amdhsa", features, width, 64 << 10, false, 0)

#define BIT(kind) (1u << KIR_MMA_##kind)
#define TURING_MMA BIT(F16_K8)
#define AMPERE_MMA (BIT(F16_K8) | BIT(F16) | BIT(BF16) | BIT(TF32) | BIT(S8) | \
                    BIT(U8) | BIT(S8U8) | BIT(U8S8))

// CPU rows from the most able to the least: "native" takes the first that fits.
static const cg_target targets[] = {
    X86("x86-64-v4-vnni", "x86-64-v4", "+avx512vnni", 16, true, 80, v4_vnni_needs),
    X86("x86-64-v4", "x86-64-v4", "", 16, false, 80, v4_needs),
    X86("x86-64-v3-vnni", "x86-64-v3", "+avxvnni", 8, true, 40, v3_vnni_needs),
    X86("x86-64-v3", "x86-64-v3", "", 8, false, 40, v3_needs),
    NVPTX("sm_75", "+ptx65", 64 << 10, false, TURING_MMA),
    NVPTX("sm_80", "+ptx70", 99 << 10, true, AMPERE_MMA),
    NVPTX("sm_86", "+ptx71", 99 << 10, true, AMPERE_MMA),
    NVPTX("sm_89", "+ptx78", 99 << 10, true, AMPERE_MMA),
    NVPTX("sm_90", "+ptx78", 99 << 10, true, AMPERE_MMA),
    NVPTX("sm_90a", "+ptx80", 99 << 10, true, AMPERE_MMA),
    NVPTX("sm_100", "+ptx86", 99 << 10, true, AMPERE_MMA),
    NVPTX("sm_100a", "+ptx86", 99 << 10, true, AMPERE_MMA),
    NVPTX("sm_120", "+ptx87", 99 << 10, true, AMPERE_MMA),
    AMDGPU("gfx942", "", 64),
    AMDGPU("gfx1100", "", 32),
};
enum { TARGET_COUNT = sizeof targets / sizeof targets[0] };

const cg_target *cg_target_at(size_t index) {
  return index < TARGET_COUNT ? &targets[index] : NULL;
}

const cg_target *cg_target_portable(const cg_target *target) {
  const size_t length = strlen(target->cpu);
  if (target->family != CG_FAMILY_NVPTX || target->cpu[length - 1] != 'a') {
    return target;
  }
  for (size_t i = 0; i < TARGET_COUNT; i++) {
    if (strlen(targets[i].cpu) == length - 1 &&
        strncmp(targets[i].cpu, target->cpu, length - 1) == 0) {
      return &targets[i];
    }
  }
  return target;
}

// LLVM lists features as "+avx2,-xop,...".
static bool host_has(const char *features, const char *name) {
  const size_t length = strlen(name);
  for (const char *at = features; (at = strstr(at, name)) != NULL; at += length) {
    if (at > features && at[-1] == '+' && (at[length] == ',' || at[length] == '\0')) {
      return true;
    }
  }
  return false;
}

static bool runs_with(const cg_target *target, const char *features) {
  bool runs = target->machine.kind == AICC_MACHINE_CPU && features != NULL;
  for (const char *const *need = target->needs; *need != NULL && runs; need++) {
    runs = host_has(features, *need);
  }
  return runs;
}

// LLVMDisposeMessage; NULL: this machine is of no family of ours.
static char *host_features(void) {
#if defined(__x86_64__)
  return LLVMGetHostCPUFeatures();
#else
  return NULL;
#endif
}

bool cg_target_runs_here(const cg_target *target) {
  char *features = host_features();
  const bool runs = runs_with(target, features);
  LLVMDisposeMessage(features);
  return runs;
}

static const cg_target *find_native(void) {
  char *features = host_features();
  size_t i = 0;
  while (i < TARGET_COUNT && !runs_with(&targets[i], features)) {
    i++;
  }
  LLVMDisposeMessage(features);
  return cg_target_at(i);
}

const cg_target *cg_target_find(const char *name) {
  if (strcmp(name, "native") == 0 || strcmp(name, "cpu") == 0) {
    return find_native();
  }
  for (size_t i = 0; i < TARGET_COUNT; i++) {
    if (strcmp(targets[i].machine.name, name) == 0) {
      return &targets[i];
    }
  }
  return NULL;
}
