// Convolutions that store inside the padding which the next one needs, on CPUs: the same results,
// and the pad nodes are in their groups.
#include "gpu_contract.h"

typedef struct conv {
  int64_t filters, groups, kernel, stride, pad;
} conv;

typedef struct chain {
  const char *name;
  int64_t batch, channels, size;
  int spatial;
  conv convs[3];
  int count;
  bool symbolic;  // the batch
  bool residual;  // the first convolution's result is also added to the second's
  int taken;      // pads in groups of convolutions
} chain;

static aicc_value *convolve(gpu_graph *g, const conv *c, aicc_value *x, int spatial, int64_t *size,
                            int64_t channels) {
  aicc_dims *dims = g->module->dims;
  gpu_operand w = {AICC_F32, spatial + 2, {c->filters, channels / c->groups}};
  int64_t strides[3], dilations[3];
  aicc_dim pads[3], out[GPU_RANK] = {x->type.dims[0], aicc_dim_const(dims, c->filters)};
  *size = (*size + 2 * c->pad - c->kernel) / c->stride + 1;
  for (int i = 0; i < spatial; i++) {
    w.shape[2 + i] = c->kernel;
    strides[i] = c->stride;
    dilations[i] = 1;
    pads[i] = aicc_dim_const(dims, c->pad);
    out[2 + i] = aicc_dim_const(dims, *size);
  }
  const gpu_operand bias = {AICC_F32, 1, {c->filters}};
  aicc_value *in[] = {x, gpu_const(g, &w), gpu_const(g, &bias)};
  aicc_node *node = aicc_node_create(g->module, AICC_OP_CONV, in, 3, 1);
  aicc_set_ints(g->module, node, AICC_ATTR_STRIDES, strides, spatial);
  aicc_set_ints(g->module, node, AICC_ATTR_DILATIONS, dilations, spatial);
  aicc_set_dims(g->module, node, AICC_ATTR_PADS, pads, spatial);
  aicc_set_int(g->module, node, AICC_ATTR_GROUP, c->groups);
  node->out[0]->type = aicc_type_tensor(g->module, AICC_F32, out, spatial + 2);
  return aicc_b_binary(&g->b, AICC_OP_MAX, aicc_b_finish(&g->b, node),
                       aicc_b_scalar(&g->b, AICC_F32, 0));
}

static int count_taken(const gpu_graph *g) {
  int count = 0;
  for (const aicc_node *group = g->module->body->first; group; group = group->next) {
    const aicc_node *first = group->op == AICC_OP_GROUP ? group->regions[0]->first : NULL;
    bool product = false;
    for (const aicc_node *node = first; node; node = node->next) {
      product = product || node->op == AICC_OP_CONV;
      count += product && node->op == AICC_OP_PAD;
    }
  }
  return count;
}

static void run(const chain *c, const cg_target *target, bool native) {
  gpu_graph g;
  gpu_graph_open(&g, false);
  gpu_operand image = {AICC_F32, c->spatial + 2, {c->batch, c->channels}};
  for (int i = 0; i < c->spatial; i++) {
    image.shape[2 + i] = c->size;
  }
  aicc_value *x = gpu_param(&g, &image), *first = NULL;
  if (c->symbolic) {
    ((aicc_dim *)x->type.dims)[0] = aicc_dim_fresh(g.module->dims, "batch");
  }
  int64_t size = c->size, channels = c->channels;
  for (int i = 0; i < c->count; i++) {
    x = convolve(&g, &c->convs[i], x, c->spatial, &size, channels);
    channels = c->convs[i].filters;
    first = first ? first : x;
  }
  x = c->residual ? aicc_b_binary(&g.b, AICC_OP_ADD, x, first) : x;
  gpu_graph_result(&g, x, c->name);
  const aicc_pass_options options = {.machine = &target->machine, .check = true};
  const char *passes = "canon,simplify,cse,dce,layout,const_fold,canon,simplify,cse,dce";
  ck_assert_int_eq(aicc_run_passes(g.module, passes, &options, &g.diags), AICC_OK);
  plan_run_on(g.module, g.inputs, &target->machine, native ? target : NULL, NULL, c->name);
  const int wanted = target->machine.kind == AICC_MACHINE_CPU ? c->taken : 0;
  ck_assert_msg(count_taken(&g) == wanted, "%s for %s: %d pads taken, not %d", c->name,
                target->machine.name, count_taken(&g), wanted);
  gpu_graph_close(&g);
}

START_TEST(results_stand_in_padding) {
  static const chain chains[] = {
      {"1x1, 3x3", 2, 5, 7, 2, {{9, 1, 1, 1, 0}, {6, 1, 3, 1, 1}}, 2, .taken = 1},
      {"1x1, 3x3 of any batch", 2, 5, 7, 2, {{9, 1, 1, 1, 0}, {6, 1, 3, 1, 1}}, 2,
       .symbolic = true, .taken = 1},
      {"3x3, 3x3, 1x1", 1, 3, 9, 2, {{20, 1, 3, 2, 1}, {17, 1, 3, 1, 1}, {4, 1, 1, 1, 0}}, 3,
       .taken = 1},
      {"stride 2 behind", 1, 4, 10, 2, {{8, 1, 3, 1, 1}, {8, 1, 3, 2, 1}, {8, 1, 5, 1, 2}}, 3,
       .taken = 2},
      {"depthwise", 2, 8, 8, 2, {{24, 1, 1, 1, 0}, {24, 24, 3, 1, 1}, {24, 24, 5, 1, 2}}, 3,
       .taken = 2},
      {"residual", 1, 6, 6, 2, {{6, 1, 1, 1, 0}, {6, 1, 3, 1, 1}}, 2, .residual = true,
       .taken = 1},
      {"one dimension", 3, 4, 11, 1, {{10, 1, 3, 1, 1}, {7, 1, 3, 1, 1}}, 2, .taken = 1},
      {"three dimensions", 1, 2, 5, 3, {{6, 1, 1, 1, 0}, {5, 1, 3, 1, 1}}, 2, .taken = 1},
      {"groups", 1, 8, 6, 2, {{8, 2, 1, 1, 0}, {12, 4, 3, 1, 1}}, 2, .taken = 1},
  };
  const cg_target *native = cg_target_find("native");
  for (size_t i = 0; i < sizeof chains / sizeof *chains; i++) {
    run(&chains[i], cg_target_find("x86-64-v3"), false);
    run(&chains[i], cg_target_find("x86-64-v4"), false);
    run(&chains[i], cg_target_find("sm_80"), false);
    if (native != NULL) {
      run(&chains[i], native, true);
    }
  }
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("padded");
  TCase *tests = tcase_create("padded");
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, results_stand_in_padding);
  suite_add_tcase(suite, tests);
  return suite;
}

AICC_TEST_MAIN(make_suite)
