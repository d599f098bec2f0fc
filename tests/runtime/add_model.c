// z = x + y of f32[4]: the smallest model, for measuring what a run costs besides its kernels.
#include <stddef.h>

#include "aicc/abi.h"

typedef struct add_args {
  const float *x, *y;
  float *z;
} add_args;

static void add(const void *opaque, int64_t begin, int64_t end, void *scratch) {
  (void)scratch;
  const add_args *args = opaque;
  for (int64_t i = begin * 4; i < end * 4; i++) {
    args->z[i] = args->x[i] + args->y[i];
  }
}

static int32_t run(const aicc_abi_call *call) {
  const int64_t dim = 4;
  void *z = NULL;
  const int32_t code = call->host->output(call->session, 0, 1, &dim, &z);
  if (code != 0) {
    return code;
  }
  const add_args args = {call->inputs[0], call->inputs[1], z};
  return call->host->launch(call->session, 0, 1, &args, 1);
}

static const int64_t dims[] = {4};
static const aicc_abi_tensor inputs[] = {{"x", 1, AICC_ABI_KIND_TENSOR, 1, dims, NULL},
                                         {"y", 1, AICC_ABI_KIND_TENSOR, 1, dims, NULL}};
static const aicc_abi_tensor outputs[] = {{"z", 1, AICC_ABI_KIND_TENSOR, 1, dims, NULL}};
static const aicc_abi_origin origins[] = {{"add", "Add"}};
static const aicc_abi_kernel kernels[] = {
    {"add", "map", origins, 1, sizeof(add_args), 0, 0, 0, 0, 0, add, NULL}};
#ifdef ADD_WEIGHTS_BYTES
static const aicc_abi_weights weights = {ADD_WEIGHTS_BYTES, NULL};
#define WEIGHTS &weights, .weights_end = ADD_WEIGHTS_BYTES
#else
#define WEIGHTS NULL
#endif

static const aicc_abi_model model = {
    .size = sizeof(aicc_abi_model),
    .version = AICC_ABI_VERSION,
    .name = "add",
    .compiler = "by hand",
    .input_count = 2,
    .output_count = 1,
    .kernel_count = 1,
    .inputs = inputs,
    .outputs = outputs,
    .kernels = kernels,
    .weights = WEIGHTS,
    .run = run,
};

__attribute__((visibility("default"))) const aicc_abi_model *aicc_model_query(uint32_t max_version);

const aicc_abi_model *aicc_model_query(uint32_t max_version) {
  return max_version >= AICC_ABI_VERSION ? &model : NULL;
}
