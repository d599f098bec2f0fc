// Contractions of so long sums that CPUs take them in parts of k, beside those that they do not.
#include "gpu_contract.h"

typedef struct product {
  const char *name;
  int64_t batch, m, n, k;  // batch of both operands, 0: none
  bool trans_a, trans_b, symbolic, constant_b;
  const char *schedule;
} product;

static void run_product(const product *p, const char *target, bool native) {
  const cg_target *found = cg_target_find(target);
  if (found == NULL) {
    return;
  }
  gpu_graph g;
  gpu_graph_open(&g, p->symbolic);
  gpu_operand a = {.dtype = AICC_F32}, b = {.dtype = AICC_F32};
  if (p->batch > 0) {
    a.shape[a.rank++] = p->batch;
    b.shape[b.rank++] = p->batch;
  }
  a.shape[a.rank++] = p->trans_a ? p->k : p->m;
  a.shape[a.rank++] = p->trans_a ? p->m : p->k;
  g.symbolic = false;
  b.shape[b.rank++] = p->trans_b ? p->n : p->k;
  b.shape[b.rank++] = p->trans_b ? p->k : p->n;
  aicc_value *y = p->constant_b ? gpu_const(&g, &b) : gpu_param(&g, &b);
  aicc_value *x = gpu_param(&g, &a);
  if (p->symbolic) {  // the rows
    ((aicc_dim *)x->type.dims)[a.rank - 2] = aicc_dim_fresh(g.module->dims, "rows");
  }
  aicc_value *in[] = {x, y};
  aicc_node *node = aicc_node_create(g.module, AICC_OP_MATMUL, in, 2, 1);
  aicc_set_int(g.module, node, AICC_ATTR_TRANS_A, p->trans_a);
  aicc_set_int(g.module, node, AICC_ATTR_TRANS_B, p->trans_b);
  aicc_value *r = aicc_b_finish(&g.b, node);
  r = aicc_b_binary(&g.b, AICC_OP_MAX, r, aicc_b_scalar(&g.b, AICC_F32, -3));
  gpu_graph_result(&g, r, p->name);
  plan_run_on(g.module, g.inputs, &found->machine, native ? found : NULL, p->schedule, p->name);
  gpu_graph_close(&g);
}

START_TEST(long_sums) {
  static const product products[] = {
      {"rows of one block", 0, 5, 20, 6300, .constant_b = true},
      {"rows of several", 0, 75, 9, 6400, .constant_b = true},
      {"rows known at run time", 0, 13, 30, 6500, .symbolic = true, .constant_b = true},
      {"several places of few rows", 7, 3, 10, 6300},
      {"transposed", 2, 9, 17, 6200, .trans_a = true, .trans_b = true},
      {"a forced block", 0, 10, 40, 6401, .constant_b = true, .schedule = "4x2 rows=8"},
      {"a short one", 0, 10, 40, 500, .constant_b = true},
  };
  for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
    run_product(&products[i], "x86-64-v3", false);
    run_product(&products[i], "x86-64-v4", false);
    run_product(&products[i], "native", true);
  }
}
END_TEST

static void run_conv(int64_t size, int64_t channels, const char *target, bool native) {
  const cg_target *found = cg_target_find(target);
  if (found == NULL) {
    return;
  }
  gpu_graph g;
  gpu_graph_open(&g, false);
  aicc_dims *dims = g.module->dims;
  const gpu_operand image = {AICC_F32, 4, {2, channels, size, size}};
  const gpu_operand filters = {AICC_F32, 4, {20, channels, 3, 3}}, bias = {AICC_F32, 1, {20}};
  aicc_value *in[] = {gpu_param(&g, &image), gpu_const(&g, &filters), gpu_const(&g, &bias)};
  aicc_node *node = aicc_node_create(g.module, AICC_OP_CONV, in, 3, 1);
  static const int64_t ones[] = {1, 1};
  const aicc_dim one = aicc_dim_const(dims, 1), pads[] = {one, one};
  const aicc_dim out[] = {aicc_dim_const(dims, 2), aicc_dim_const(dims, 20),
                          aicc_dim_const(dims, size), aicc_dim_const(dims, size)};
  aicc_set_ints(g.module, node, AICC_ATTR_STRIDES, ones, 2);
  aicc_set_ints(g.module, node, AICC_ATTR_DILATIONS, ones, 2);
  aicc_set_dims(g.module, node, AICC_ATTR_PADS, pads, 2);
  aicc_set_int(g.module, node, AICC_ATTR_GROUP, 1);
  node->out[0]->type = aicc_type_tensor(g.module, AICC_F32, out, 4);
  gpu_graph_result(&g, aicc_b_finish(&g.b, node), "conv");
  const aicc_pass_options options = {.machine = &found->machine, .check = true};
  ck_assert_int_eq(aicc_run_passes(g.module, "canon,layout,const_fold,canon,simplify,dce",
                                   &options, &g.diags), AICC_OK);
  plan_run_on(g.module, g.inputs, &found->machine, native ? found : NULL, NULL, "conv");
  gpu_graph_close(&g);
}

START_TEST(long_sums_of_taps) {
  for (int64_t size = 3; size <= 4; size++) {
    run_conv(size, 720, "x86-64-v3", false);
    run_conv(size, 720, "x86-64-v4", false);
    run_conv(size, 720, "native", true);
  }
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("cpu_contract");
  TCase *tests = tcase_create("cpu_contract");
  tcase_set_timeout(tests, 240);
  tcase_add_test(tests, long_sums);
  tcase_add_test(tests, long_sums_of_taps);
  suite_add_tcase(suite, tests);
  return suite;
}

AICC_TEST_MAIN(make_suite)
