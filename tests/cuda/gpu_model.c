// A model for GPUs alone, written by hand: its host code reads no memory but through aicc/abi.h.
//
//   y      = (a + b) * scale                              f32[n,4]   planned buffers, weights
//   picked = the positive elements of y, if |pick| is set  f32[?]     a size read from the device
//   rows   = |parts| and a row of y, if it is set          sequence of f32[4]
//   texts  = |words|, and "word" for each empty one        str[m]     a string constant
//
// Runs with neither |pick| nor |parts| do not depend on data. The kernels are in gpu_kernels.h.
#include <stddef.h>

#include "aicc/abi.h"

enum { IN_A, IN_B, IN_PICK, IN_PARTS, IN_WORDS };
enum { OUT_Y, OUT_PICKED, OUT_ROWS, OUT_TEXTS };
enum { KERNEL_ADD, KERNEL_SCALE, KERNEL_COUNT, KERNEL_PICK, KERNEL_TEXTS };
enum { WIDTH = 4 };

typedef struct kernel_args {
  const void *a, *b;
  void *to;
  int64_t count;
} kernel_args;

#define TRY(expr)             \
  do {                        \
    const int32_t c = (expr); \
    if (c != 0) {             \
      return c;               \
    }                         \
  } while (0)

static int32_t launch(const aicc_abi_call *call, uint32_t kernel, int64_t grid, const void *a,
                      const void *b, void *to, int64_t count) {
  const kernel_args args = {a, b, to, count};
  return call->host->launch(call->session, kernel, grid, &args, 0);
}

static int32_t pick(const aicc_abi_call *call, const void *y, int64_t count, void *number) {
  int64_t positive = 0;
  void *buffer = NULL, *out = NULL;
  TRY(launch(call, KERNEL_COUNT, 1, y, NULL, number, count));
  TRY(call->host->read(call->session, &positive, number, sizeof positive));
  const int64_t bytes = positive * (int64_t)sizeof(float);
  TRY(call->host->plan(call->session, 1, &bytes, &buffer));
  TRY(launch(call, KERNEL_PICK, 1, y, NULL, buffer, count));
  TRY(call->host->output(call->session, OUT_PICKED, 1, &positive, &out));
  return call->host->copy(call->session, out, buffer, bytes);
}

static int32_t make_rows(const aicc_abi_call *call, const void *y) {
  const aicc_abi_host *host = call->host;
  const int64_t width = WIDTH;
  void *longer = NULL, *data = NULL, *result = NULL;
  TRY(host->seq_insert(call->session, call->inputs[IN_PARTS], INT64_MAX, y, 1, &width, &longer));
  int32_t rank = 0;
  const int64_t *dims = NULL;
  TRY(host->seq_at(call->session, longer, -1, &data, &rank, &dims));
  TRY(host->seq_insert(call->session, longer, 0, data, rank, dims, &result));
  host->seq_release(call->session, longer);
  TRY(host->output_sequence(call->session, OUT_ROWS, result));
  host->seq_release(call->session, result);
  return 0;
}

static const aicc_abi_str word[] = {{"word", 4}, {"", 0}};

static int32_t texts(const aicc_abi_call *call) {
  const int64_t none = 0;
  void *out = NULL;
  const void *constant = NULL;
  TRY(call->host->strings(call->session, word, 2, &constant));
  if (call->inputs[IN_WORDS] == NULL) {
    return call->host->output(call->session, OUT_TEXTS, 1, &none, &out);
  }
  const int64_t count = call->input_dims[IN_WORDS][0];
  TRY(call->host->output(call->session, OUT_TEXTS, 1, &count, &out));
  return launch(call, KERNEL_TEXTS, count, call->inputs[IN_WORDS], constant, out, count);
}

__attribute__((visibility("default"))) int gpu_model_runs;  // so that tests see what is repeated

static int32_t run(const aicc_abi_call *call) {
  __atomic_fetch_add(&gpu_model_runs, 1, __ATOMIC_RELAXED);
  const aicc_abi_host *host = call->host;
  const int64_t n = call->input_dims[IN_A][0], none = 0;
  const int64_t bytes = n * WIDTH * (int64_t)sizeof(float), sizes[2] = {bytes, sizeof(int64_t)};
  const int64_t dims[2] = {n, WIDTH};
  if (call->input_dims[IN_B][0] != n) {
    return host->bad_input(call->session, IN_B, 0, n);
  }
  void *buffers[2], *y = NULL, *picked = NULL;
  TRY(host->plan(call->session, 0, sizes, buffers));
  TRY(host->write(call->session, buffers[1], &n, sizeof n));
  TRY(host->output(call->session, OUT_Y, 2, dims, &y));
  TRY(launch(call, KERNEL_ADD, n, call->inputs[IN_A], call->inputs[IN_B], buffers[0], n * WIDTH));
  // By the number that was written, not the one that is passed.
  TRY(launch(call, KERNEL_SCALE, n, buffers[0], call->weights, y,
             (int64_t)(uintptr_t)buffers[1]));
  if (call->inputs[IN_PICK] != NULL) {
    TRY(pick(call, y, n * WIDTH, buffers[1]));
  } else {
    TRY(host->output(call->session, OUT_PICKED, 1, &none, &picked));
  }
  if (call->inputs[IN_PARTS] != NULL) {
    TRY(make_rows(call, y));
  } else {
    TRY(host->output_sequence(call->session, OUT_ROWS, NULL));
  }
  return texts(call);
}

static const int64_t dims_n4[] = {-1, WIDTH}, dims_4[] = {WIDTH}, dims_any[] = {-1};
static const char *const symbols_n4[] = {"n", NULL}, *const symbols_m[] = {"m"};

static const aicc_abi_tensor inputs[] = {
    {"a", 1, AICC_ABI_KIND_TENSOR, 2, dims_n4, symbols_n4},
    {"b", 1, AICC_ABI_KIND_TENSOR, 2, dims_n4, symbols_n4},
    {"pick", 9, AICC_ABI_KIND_OPTIONAL, 0, NULL, NULL},
    {"parts", 1, AICC_ABI_KIND_OPTIONAL_SEQUENCE, 1, dims_4, NULL},
    {"words", 8, AICC_ABI_KIND_OPTIONAL, 1, dims_any, symbols_m},
};
static const aicc_abi_tensor outputs[] = {
    {"y", 1, AICC_ABI_KIND_TENSOR, 2, dims_n4, symbols_n4},
    {"picked", 1, AICC_ABI_KIND_TENSOR, 1, dims_any, NULL},
    {"rows", 1, AICC_ABI_KIND_OPTIONAL_SEQUENCE, 1, dims_4, NULL},
    {"texts", 8, AICC_ABI_KIND_TENSOR, 1, dims_any, symbols_m},
};
static const aicc_abi_origin origins[] = {{"/sum", "Add"}, {"/scaled", "Mul"}};

#define KERNEL(name_, scratch)                                                          \
  {.name = name_, .kind = "map", .origins = origins, .origin_count = 2, .arg_bytes = 32, \
   .scratch_bytes = scratch, .block_threads = 128, .task_warps = 1, .symbol = "k_" name_}
static const aicc_abi_kernel kernels[] = {KERNEL("add", 0), KERNEL("scale", 256),
                                          KERNEL("count", 0), KERNEL("pick", 0),
                                          KERNEL("texts", 0)};

#define PARAMS                                                                              \
  "(.param .u64 a, .param .u64 b, .param .u64 to, .param .u64 count, .param .u64 tasks,\n" \
  " .param .u64 warps, .param .u64 scratch) { ret; }\n"
#define HEAD ".version 6.4\n.target sm_75\n.address_size 64\n"
#define ENTRY(name) ".visible .entry k_" name PARAMS
static const char first_ptx[] = HEAD ENTRY("add") ENTRY("scale");
static const char second_ptx[] = HEAD ENTRY("count") ENTRY("pick") ENTRY("texts");
static const char other_ptx[] = HEAD ".visible .entry k_none" PARAMS;
static const char no_cubin[] = "this is no ELF image, and refused";

// What is not for the device, or not loadable, has to be passed over.
static const aicc_abi_image images[] = {
    {AICC_ABI_IMAGE_PTX, 0, 0, 5, "sm_90", other_ptx, sizeof other_ptx},
    {AICC_ABI_IMAGE_PTX, 0, 0, 5, "sm_75a", other_ptx, sizeof other_ptx},
    {AICC_ABI_IMAGE_CUBIN, 0, 0, 2, "sm_80", no_cubin, sizeof no_cubin},
    {AICC_ABI_IMAGE_PTX, 0, 0, 2, "sm_75", first_ptx, sizeof first_ptx},
    {AICC_ABI_IMAGE_PTX, 0, 2, 3, "sm_80", second_ptx, sizeof second_ptx},
};
static const aicc_abi_buffer planned[] = {
    {0, 0, 9, "sum"}, {0, 0, 9, "number"}, {1, 4, 5, "picked"}};
static const aicc_abi_constant constants[] = {{"scale", 1, 0, WIDTH * 4}};
static const aicc_abi_weights weights = {WIDTH * 4, NULL};

#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

static const aicc_abi_model model = {
    .size = sizeof(aicc_abi_model),
    .version = AICC_ABI_VERSION,
    .name = "gpu",
    .compiler = "by hand",
    .input_count = COUNT(inputs),
    .output_count = COUNT(outputs),
    .kernel_count = COUNT(kernels),
    .image_count = COUNT(images),
    .buffer_count = COUNT(planned),
    .segment_count = 2,
    .constant_count = COUNT(constants),
    .inputs = inputs,
    .outputs = outputs,
    .kernels = kernels,
    .images = images,
    .buffers = planned,
    .constants = constants,
    .weights = &weights,
    .run = run,
    .width = 32,
    .weights_end = WIDTH * 4,
};

__attribute__((visibility("default"))) const aicc_abi_model *aicc_model_query(uint32_t version);

const aicc_abi_model *aicc_model_query(uint32_t version) {
  return version >= AICC_ABI_VERSION ? &model : NULL;
}
