// Convolutions on GPUs: implicit matrix multiplies over channels last, padded by guards.
#include "gpu_contract.h"

typedef struct conv_case {
  const char *name;
  aicc_dtype dtype;
  int spatial;
  int64_t batch, channels, filters, groups;
  int64_t in[3], kernel[3], stride[3], dilation[3], low[3], high[3];
  bool biased, dynamic_weights;
  bool to_i32;  // of bytes: |dtype| times |weights|
  aicc_dtype weights;
} conv_case;

static int64_t out_size(const conv_case *c, int i) {
  return (c->in[i] + c->low[i] + c->high[i] - (c->kernel[i] - 1) * c->dilation[i] - 1) /
             c->stride[i] + 1;
}

static aicc_value *make_conv(gpu_graph *g, const conv_case *c) {
  gpu_operand x = {.dtype = c->dtype, .rank = c->spatial + 2};
  gpu_operand w = {.dtype = c->to_i32 ? c->weights : c->dtype, .rank = c->spatial + 2};
  aicc_dim pads[3], out[GPU_RANK];
  x.shape[0] = c->batch;
  x.shape[c->spatial + 1] = c->channels;
  w.shape[0] = c->filters;
  w.shape[1] = c->channels / c->groups;
  out[c->spatial + 1] = aicc_dim_const(g->module->dims, c->filters);
  for (int i = 0; i < c->spatial; i++) {
    x.shape[1 + i] = c->in[i];
    w.shape[2 + i] = c->kernel[i];
    pads[i] = aicc_dim_const(g->module->dims, c->low[i]);
    out[1 + i] = aicc_dim_const(g->module->dims, out_size(c, i));
  }
  const aicc_dtype sums = c->to_i32 ? AICC_I32 : c->dtype;
  const gpu_operand bias = {.dtype = sums, .rank = 1, .shape = {c->filters}};
  aicc_value *in[3] = {gpu_param(g, &x), c->dynamic_weights ? gpu_param(g, &w) : gpu_const(g, &w),
                       c->biased ? gpu_const(g, &bias) : NULL};
  out[0] = in[0]->type.dims[0];
  aicc_node *node = aicc_node_create(g->module, AICC_OP_CONV, in, c->biased ? 3 : 2, 1);
  aicc_set_string(g->module, node, AICC_ATTR_LAYOUT, "nhwc");
  aicc_set_ints(g->module, node, AICC_ATTR_STRIDES, c->stride, c->spatial);
  aicc_set_ints(g->module, node, AICC_ATTR_DILATIONS, c->dilation, c->spatial);
  aicc_set_dims(g->module, node, AICC_ATTR_PADS, pads, c->spatial);
  aicc_set_int(g->module, node, AICC_ATTR_GROUP, c->groups);
  if (c->to_i32) {
    aicc_set_dtype(g->module, node, AICC_ATTR_TO, AICC_I32);
  }
  node->out[0]->type = aicc_type_tensor(g->module, sums, out, c->spatial + 2);
  return aicc_b_finish(&g->b, node);
}

static void run_case(const conv_case *c, const char *target, const char *schedule) {
  gpu_graph g;
  gpu_graph_open(&g, false);
  g.bytes = c->to_i32;
  char title[160];
  snprintf(title, sizeof title, "%s '%s': %s %s", target, schedule ? schedule : "", c->name,
           aicc_dtype_name(c->dtype));
  aicc_value *r = make_conv(&g, c);
  r = r ? aicc_b_binary(&g.b, AICC_OP_MAX, r, aicc_b_scalar_like(&g.b, r, 0)) : NULL;
  gpu_graph_run(&g, r, target, schedule, title);
  gpu_graph_close(&g);
}

static const conv_case cases[] = {
    {"1x1", AICC_F32, 2, 2, 16, 24, 1, {5, 7}, {1, 1}, {1, 1}, {1, 1}, .biased = true},
    {"3x3", AICC_F32, 2, 2, 8, 20, 1, {6, 7}, {3, 3}, {1, 1}, {1, 1}},
    {"3x3 padded", AICC_F32, 2, 2, 8, 24, 1, {6, 7}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, true},
    {"7x7 stride 2 of 3", AICC_F32, 2, 1, 3, 17, 1, {13, 15}, {7, 7}, {2, 2}, {1, 1}, {3, 3},
     {3, 3}, true},
    {"3x2 dilated", AICC_F32, 2, 1, 5, 9, 1, {11, 10}, {3, 2}, {2, 1}, {2, 3}, {1, 2}, {0, 1}},
    {"groups", AICC_F32, 2, 2, 12, 20, 4, {5, 5}, {3, 3}, {1, 2}, {1, 1}, {1, 1}, {1, 1}, true},
    {"dynamic", AICC_F32, 2, 1, 6, 10, 2, {5, 4}, {2, 3}, {1, 1}, {1, 1}, {0, 1}, {1, 1},
     .dynamic_weights = true},
    {"line", AICC_F32, 1, 2, 8, 8, 1, {19}, {5}, {2}, {1}, {2}, {2}},
    {"depthwise", AICC_F32, 2, 2, 40, 40, 40, {6, 7}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}, true},
    {"depthwise 5x4 stride 2", AICC_F32, 2, 1, 7, 7, 7, {12, 13}, {5, 4}, {2, 2}, {1, 1}, {2, 1},
     {2, 2}},
    {"depthwise dilated", AICC_F32, 2, 1, 33, 33, 33, {9, 11}, {3, 3}, {1, 2}, {2, 3}, {2, 3},
     {2, 1}},
    {"depthwise line", AICC_F32, 1, 2, 8, 8, 8, {19}, {31}, {1}, {1}, {15}, {15}},
    {"two filters a channel", AICC_F32, 2, 1, 6, 12, 6, {5, 5}, {3, 3}, {1, 1}, {1, 1}, {1, 1},
     {1, 1}},
    {"cube", AICC_F32, 3, 1, 4, 8, 1, {4, 5, 3}, {2, 3, 2}, {1, 1, 1}, {1, 1, 1}, {1, 1, 0},
     {0, 1, 1}},
};

START_TEST(f32) {
  static const char *const schedules[] = {NULL, "simt 32x32x8 threads 4x2 stages 3",
                                          "simt 64x16x16 threads 4x2 stages 2 split 2"};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    for (size_t s = 0; s < sizeof schedules / sizeof *schedules; s++) {
      const bool depthwise = cases[i].groups == cases[i].filters;
      run_case(&cases[i], "sm_80", depthwise ? NULL : schedules[s]);
    }
    run_case(&cases[i], "sm_75", NULL);
    run_case(&cases[i], "gfx1100", NULL);
  }
}
END_TEST

START_TEST(halves) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    conv_case c = cases[i];
    c.dtype = AICC_F16;
    run_case(&c, "sm_80", NULL);
    const bool depthwise = c.groups == c.filters;
    run_case(&c, "sm_80", depthwise ? NULL : "mma 64x32x32 warps 2x2 stages 3 split 2");
    run_case(&c, "sm_75", NULL);
    c.dtype = AICC_BF16;
    run_case(&c, "sm_80", depthwise ? NULL : "mma 32x32x16 warps 2x1 stages 2");
  }
}
END_TEST

START_TEST(bytes) {
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    conv_case c = cases[i];
    c.to_i32 = true;
    c.dtype = i % 2 ? AICC_I8 : AICC_U8;
    c.weights = i % 3 ? AICC_I8 : AICC_U8;
    c.channels *= i % 4 == 2 ? 4 : 1;  // 16 or 32 channels: wide copies
    run_case(&c, "sm_80", NULL);
    run_case(&c, "sm_80", "mma 64x32x32 warps 2x2 stages 3 split 2");
    run_case(&c, "sm_80", "mma 32x32x64 warps 2x2 stages 2");
    run_case(&c, "sm_75", NULL);
  }
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("gpu_conv");
  TCase *tests = tcase_create("gpu_conv");
  tcase_set_timeout(tests, 250);
  tcase_add_test(tests, f32);
  tcase_add_test(tests, halves);
  tcase_add_test(tests, bytes);
  suite_add_tcase(suite, tests);
  return suite;
}

AICC_TEST_MAIN(make_suite)
