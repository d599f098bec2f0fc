// A model written by hand against aicc/abi.h, for tests of the runtime without the compiler. It
// shows what each part of the interface is for:
//
//   y       = (a + b) * scale + bias [+ extra]     f32[n,4]   planned buffers, kernels, weights
//   picked  = the positive elements of y           f32[?]     a segment sized by data
//   rows    = the rows of y                        sequence of f32[4]
//   labels  = "row 0", ...                         str[n]
//   maybe   = extra, absent where extra is         optional f32[4]
//   joined  = the items of |parts| added up        f32[4]     a sequence as input
//
// |mode| chooses ways to misbehave: see enum below.
#include <stddef.h>

#include "aicc/abi.h"

enum { MODE_NORMAL, MODE_FAIL, MODE_THREADS, MODE_CODE, MODE_NO_OUTPUT, MODE_HUGE };

enum { IN_A, IN_B, IN_MODE, IN_EXTRA, IN_PARTS };
enum { OUT_Y, OUT_PICKED, OUT_ROWS, OUT_LABELS, OUT_MAYBE, OUT_JOINED };
enum { KERNEL_ADD, KERNEL_SCALE, KERNEL_BIAS, KERNEL_PICK };
enum { WIDTH = 4 };

typedef struct kernel_args {
  const float *a, *b;
  float *to;
  int64_t count;
} kernel_args;

static void kernel_add(const void *opaque, int64_t begin, int64_t end, void *scratch) {
  (void)scratch;
  const kernel_args *args = opaque;
  for (int64_t i = begin * WIDTH; i < end * WIDTH; i++) {
    args->to[i] = args->a[i] + args->b[i];
  }
}

// Goes through its scratch memory, to see that it is there and the thread's own.
static void kernel_scale(const void *opaque, int64_t begin, int64_t end, void *scratch) {
  const kernel_args *args = opaque;
  float *row = scratch;
  for (int64_t i = begin; i < end; i++) {
    for (int64_t k = 0; k < WIDTH; k++) {
      row[k] = args->a[i * WIDTH + k] * args->b[k];
    }
    for (int64_t k = 0; k < WIDTH; k++) {
      args->to[i * WIDTH + k] = row[k];
    }
  }
}

static void kernel_bias(const void *opaque, int64_t begin, int64_t end, void *scratch) {
  (void)scratch;
  const kernel_args *args = opaque;
  for (int64_t i = begin * WIDTH; i < end * WIDTH; i++) {
    args->to[i] = args->a[i] + args->b[i % WIDTH];
  }
}

static void kernel_pick(const void *opaque, int64_t begin, int64_t end, void *scratch) {
  (void)begin;
  (void)end;
  (void)scratch;
  const kernel_args *args = opaque;
  float *to = args->to;
  for (int64_t i = 0; i < args->count; i++) {
    if (args->a[i] > 0) {
      *to++ = args->a[i];
    }
  }
}

#define TRY(expr)             \
  do {                        \
    const int32_t c = (expr); \
    if (c != 0) {             \
      return c;               \
    }                         \
  } while (0)

static int32_t launch(const aicc_abi_call *call, uint32_t kernel, int64_t grid, int64_t cost,
                      const void *a, const void *b, void *to, int64_t count) {
  const kernel_args args = {a, b, to, count};
  return call->host->launch(call->session, kernel, grid, &args, cost);
}

static int32_t compute_y(const aicc_abi_call *call, int64_t n, int64_t mode, void *const *buffers,
                         float *y) {
  const float *weights = (const float *)(const void *)call->weights;
  const int64_t cost = mode == MODE_THREADS ? 1000000 : n;
  TRY(launch(call, KERNEL_ADD, n, cost, call->inputs[IN_A], call->inputs[IN_B], buffers[0], 0));
  TRY(launch(call, KERNEL_SCALE, n, cost, buffers[0], weights, buffers[1], 0));
  TRY(launch(call, KERNEL_BIAS, n, cost, buffers[1], weights + WIDTH, y, 0));
  if (call->inputs[IN_EXTRA] != NULL) {
    TRY(launch(call, KERNEL_BIAS, n, cost, y, call->inputs[IN_EXTRA], y, 0));
  }
  return 0;
}

static int32_t pick(const aicc_abi_call *call, const float *y, int64_t count, int64_t mode) {
  int64_t positive = 0;
  for (int64_t i = 0; i < count; i++) {
    positive += y[i] > 0;
  }
  const int64_t bytes = mode == MODE_HUGE ? INT64_MAX / 2 : positive * (int64_t)sizeof(float);
  void *buffer = NULL, *out = NULL;
  TRY(call->host->plan(call->session, 1, &bytes, &buffer));
  TRY(launch(call, KERNEL_PICK, 1, count, y, NULL, buffer, count));
  TRY(call->host->output(call->session, OUT_PICKED, 1, &positive, &out));
  return call->host->copy(call->session, out, buffer, bytes);
}

static int32_t make_rows(const aicc_abi_call *call, const float *y, int64_t n) {
  const aicc_abi_host *host = call->host;
  const int64_t width = WIDTH;
  void *sequence = NULL;
  TRY(host->seq_empty(call->session, 1, &sequence));
  for (int64_t i = 0; i < n; i++) {
    void *longer = NULL;
    TRY(host->seq_insert(call->session, sequence, INT64_MAX, y + i * WIDTH, 1, &width, &longer));
    host->seq_release(call->session, sequence);
    sequence = longer;
  }
  TRY(host->output_sequence(call->session, OUT_ROWS, sequence));
  host->seq_release(call->session, sequence);
  return 0;
}

static int32_t make_labels(const aicc_abi_call *call, int64_t n) {
  aicc_abi_str *labels = NULL;
  TRY(call->host->output(call->session, OUT_LABELS, 1, &n, (void **)&labels));
  for (int64_t i = 0; i < n; i++) {
    char *text = NULL;
    TRY(call->host->string(call->session, 5, &text));
    const char word[5] = {'r', 'o', 'w', ' ', (char)('0' + i % 10)};
    for (int k = 0; k < 5; k++) {
      text[k] = word[k];
    }
    labels[i] = (aicc_abi_str){text, 5};
  }
  return 0;
}

static int32_t join(const aicc_abi_call *call) {
  const int64_t width = WIDTH;
  float *out = NULL;
  TRY(call->host->output(call->session, OUT_JOINED, 1, &width, (void **)&out));
  for (int64_t k = 0; k < WIDTH; k++) {
    out[k] = 0;
  }
  void *parts = call->inputs[IN_PARTS];
  const int64_t count = call->host->seq_length(call->session, parts);
  for (int64_t i = 0; i < count; i++) {
    void *data = NULL;
    int32_t rank = 0;
    const int64_t *dims = NULL;
    TRY(call->host->seq_at(call->session, parts, i - count, &data, &rank, &dims));
    for (int64_t k = 0; k < dims[0] && k < WIDTH; k++) {
      out[k] += ((const float *)data)[k];
    }
  }
  return 0;
}

static int32_t run(const aicc_abi_call *call) {
  const aicc_abi_host *host = call->host;
  const int64_t n = call->input_dims[IN_A][0];
  if (call->input_dims[IN_B][0] != n) {
    return host->bad_input(call->session, IN_B, 0, n);
  }
  void *buffers[2];
  const int64_t bytes = n * WIDTH * (int64_t)sizeof(float), sizes[2] = {bytes, bytes};
  TRY(host->plan(call->session, 0, sizes, buffers));
  const int64_t mode = *(const int64_t *)call->inputs[IN_MODE];
  if (mode == MODE_FAIL) {
    return host->fail(call->session, "index %lld is out of range", 7);
  }
  if (mode == MODE_CODE) {
    return 5;
  }
  const int64_t dims[2] = {n, WIDTH};
  float *y = NULL;
  TRY(host->output(call->session, OUT_Y, 2, dims, (void **)&y));
  TRY(compute_y(call, n, mode, buffers, y));
  if (mode == MODE_NO_OUTPUT) {
    return 0;
  }
  TRY(pick(call, y, n * WIDTH, mode));
  TRY(make_rows(call, y, n));
  TRY(make_labels(call, n));
  TRY(join(call));
  const float *extra = call->inputs[IN_EXTRA];
  if (extra == NULL) {
    return host->output_sequence(call->session, OUT_MAYBE, NULL);
  }
  const int64_t width = WIDTH;
  void *maybe = NULL;
  TRY(host->output(call->session, OUT_MAYBE, 1, &width, &maybe));
  return host->copy(call->session, maybe, extra, WIDTH * sizeof(float));
}

static const int64_t dims_n4[] = {-1, WIDTH}, dims_4[] = {WIDTH}, dims_any[] = {-1};
static const char *const symbols_n4[] = {"n", NULL}, *const symbols_n[] = {"n"};

static const aicc_abi_tensor inputs[] = {
    {"a", 1, AICC_ABI_KIND_TENSOR, 2, dims_n4, symbols_n4},
    {"b", 1, AICC_ABI_KIND_TENSOR, 2, dims_n4, symbols_n4},
    {"mode", 7, AICC_ABI_KIND_TENSOR, 0, NULL, NULL},
    {"extra", 1, AICC_ABI_KIND_OPTIONAL, 1, dims_4, NULL},
    {"parts", 1, AICC_ABI_KIND_SEQUENCE, 1, dims_4, NULL},
};
static const aicc_abi_tensor outputs[] = {
    {"y", 1, AICC_ABI_KIND_TENSOR, 2, dims_n4, symbols_n4},
    {"picked", 1, AICC_ABI_KIND_TENSOR, 1, dims_any, NULL},
    {"rows", 1, AICC_ABI_KIND_SEQUENCE, 1, dims_4, NULL},
    {"labels", 8, AICC_ABI_KIND_TENSOR, 1, dims_any, symbols_n},
    {"maybe", 1, AICC_ABI_KIND_OPTIONAL, 1, dims_4, NULL},
    {"joined", 1, AICC_ABI_KIND_TENSOR, 1, dims_4, NULL},
};
static const aicc_abi_origin origin_add[] = {{"node_add", "Add"}};
static const aicc_abi_origin origin_affine[] = {{"node_mul", "Mul"}, {"node_bias", "Add"}};
static const aicc_abi_origin origin_pick[] = {{"#3", "Compress"}};
static const aicc_abi_kernel kernels[] = {
    {"add", "map", origin_add, 1, sizeof(kernel_args), 0, 0, 0, 0, 0, kernel_add, NULL},
    {"scale", "map", origin_affine, 2, sizeof(kernel_args), 256, 0, 0, 0, 0, kernel_scale, NULL},
    {"bias", "map", origin_affine, 2, sizeof(kernel_args), 0, 0, 0, 0, 0, kernel_bias, NULL},
    {"pick", "scan", origin_pick, 1, sizeof(kernel_args), 0, 0, 0, 0, 0, kernel_pick, NULL},
};
static const aicc_abi_image images[] = {
    {.kind = AICC_ABI_IMAGE_CPU, .kernel_count = 4, .target = "x86-64"}};
static const aicc_abi_buffer planned[] = {
    {0, 0, 1, "sum"}, {1, 4, 5, "picked"}, {0, 1, 2, "scaled"}};
static const aicc_abi_constant constants[] = {{"scale", 1, 0, WIDTH * 4},
                                              {"bias", 1, WIDTH * 4, WIDTH * 4}};
#ifdef DEMO_WEIGHTS_FILE
static const aicc_abi_weights weights = {WIDTH * 8, DEMO_WEIGHTS_FILE};
#else
static const aicc_abi_weights weights = {WIDTH * 8, NULL};
#endif

#ifdef DEMO_FEATURES
static const char *const features[] = {DEMO_FEATURES, NULL};
#else
static const char *const features[] = {NULL};
#endif

#define COUNT(array) ((uint32_t)(sizeof(array) / sizeof((array)[0])))

static const aicc_abi_model model = {
    .size = sizeof(aicc_abi_model),
    .version = AICC_ABI_VERSION,
    .name = "demo",
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
    .cpu_features = features,
    .weights_end = WIDTH * 8,
};

#ifdef DEMO_NO_SYMBOL
#define QUERY some_other_symbol
#else
#define QUERY aicc_model_query
#endif

__attribute__((visibility("default"))) const aicc_abi_model *QUERY(uint32_t max_version);

const aicc_abi_model *QUERY(uint32_t max_version) {
#ifdef DEMO_TOO_NEW
  return NULL;
#endif
  return max_version >= AICC_ABI_VERSION ? &model : NULL;
}
