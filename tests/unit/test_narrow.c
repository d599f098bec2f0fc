// The narrow pass: contractions of bytes less their zero points are the same, bit for bit, when
// they multiply bytes; and run so on a GPU and on CPUs.
#include "gpu_contract.h"

typedef enum zero_kind { NO_ZERO, ONE, CONSTANT, EACH, EACH_CONSTANT } zero_kind;

typedef struct narrow_case {
  aicc_dtype x, y;
  zero_kind x_zero, y_zero;  // EACH: of each row of x, of each column (filter) of y
  bool constant_y;
  int64_t m, n, k;
  int64_t batch_x, batch_y;  // 0: none
  bool trans_x, trans_y;
  bool kept;                 // in i32, by GPUs
  const char *schedule;
} narrow_case;

static aicc_value *wide(gpu_graph *g, aicc_value *x) { return aicc_b_cast(&g->b, x, AICC_I32); }

// |x| in i32, less a zero point of its own type, one for each of dimension |axis| where there are
// some.
static aicc_value *less_zero(gpu_graph *g, aicc_value *x, zero_kind kind, int64_t each, int axis) {
  if (kind == NO_ZERO) {
    return wide(g, x);
  }
  const bool some = kind == EACH || kind == EACH_CONSTANT;
  gpu_operand o = {.dtype = x->type.dtype, .rank = some ? x->type.rank : 0};
  for (int i = 0; i < o.rank; i++) {
    o.shape[i] = i == axis ? each : 1;
  }
  const bool symbolic = g->symbolic;
  g->symbolic = false;
  aicc_value *zero = kind == ONE || kind == EACH ? gpu_param(g, &o) : gpu_const(g, &o);
  g->symbolic = symbolic;
  return aicc_b_binary(&g->b, AICC_OP_SUB, wide(g, x), wide(g, zero));
}

// Contractions whose first operand is not of i32 any more: |floats| of floats, or of bytes.
static int count_narrow(const gpu_graph *g, bool floats) {
  int count = 0;
  for (const aicc_node *node = g->module->body->first; node; node = node->next) {
    const aicc_dtype dtype = node->in_count > 0 && node->in[0] ? node->in[0]->type.dtype : AICC_I32;
    count += aicc_kind_of(node) == AICC_KIND_CONTRACT &&
             (floats ? dtype == AICC_F32 : aicc_dtype_is_byte(dtype));
  }
  return count;
}

static void evaluate(gpu_graph *g, aicc_eval_value *out) {
  const aicc_status status = aicc_eval_graph(g->module, g->inputs, out, &g->diags);
  aicc_diags_print(&g->diags, stderr);
  ck_assert_int_eq(status, AICC_OK);
}

// Where narrowed graphs run: in the kernel interpreter, the last one as code of this machine.
static const char *const targets[] = {"sm_80", "x86-64-v3", "x86-64-v4-vnni", "native"};
enum { TARGET_COUNT = sizeof targets / sizeof *targets };

static bool is_cpu(const char *target) { return strcmp(target, "sm_80") != 0; }

typedef enum form { KEPT, BYTES, FLOATS } form;

// Narrows the graph of |r| for |target|, compares it with what it was, and runs it.
static void check(gpu_graph *g, aicc_value *r, form wanted, const char *target,
                  const char *schedule, const char *title) {
  const cg_target *found = cg_target_find(target);
  if (found == NULL) {
    return;  // no CPU of ours
  }
  const aicc_machine *machine = &found->machine;
  gpu_graph_result(g, r, title);
  aicc_eval_value before, after;
  evaluate(g, &before);
  const aicc_pass_options options = {.machine = machine, .check = true};
  const char *passes =
      "const_fold,canon,simplify,cse,dce,narrow,layout,const_fold,canon,simplify,dce";
  ck_assert_int_eq(aicc_run_passes(g->module, passes, &options, &g->diags), AICC_OK);
  ck_assert_msg((count_narrow(g, false) > 0) == (wanted == BYTES) &&
                    (count_narrow(g, true) > 0) == (wanted == FLOATS),
                "%s for %s: %d contractions of bytes, %d of floats", title, target,
                count_narrow(g, false), count_narrow(g, true));
  evaluate(g, &after);
  const size_t bytes = (size_t)aicc_eval_value_count(&before) * aicc_dtype_size(before.dtype);
  ck_assert_int_eq(before.dtype, after.dtype);
  ck_assert_msg(memcmp(before.data, after.data, bytes) == 0, "%s: another result", title);
  aicc_eval_value_deinit(&before);
  aicc_eval_value_deinit(&after);
  plan_run_on(g->module, g->inputs, machine, strcmp(target, "native") == 0 ? found : NULL,
              is_cpu(target) ? NULL : schedule, title);
}

static void run_matmul(const narrow_case *c, bool symbolic, const char *target) {
  gpu_graph g;
  gpu_graph_open(&g, symbolic);
  g.bytes = true;
  gpu_operand a = {.dtype = c->x}, b = {.dtype = c->y};
  if (c->batch_x > 0) {
    a.shape[a.rank++] = c->batch_x;
  }
  if (c->batch_y > 0) {
    b.shape[b.rank++] = c->batch_y;
  }
  a.shape[a.rank++] = c->trans_x ? c->k : c->m;
  a.shape[a.rank++] = c->trans_x ? c->m : c->k;
  b.shape[b.rank++] = c->trans_y ? c->n : c->k;
  b.shape[b.rank++] = c->trans_y ? c->k : c->n;
  aicc_value *x = gpu_param(&g, &a);
  aicc_value *y = c->constant_y ? gpu_const(&g, &b) : gpu_param(&g, &b);
  aicc_value *in[] = {less_zero(&g, x, c->x_zero, c->m, a.rank - (c->trans_x ? 1 : 2)),
                      less_zero(&g, y, c->y_zero, c->n, b.rank - (c->trans_y ? 2 : 1))};
  aicc_node *node = aicc_node_create(g.module, AICC_OP_MATMUL, in, 2, 1);
  aicc_set_int(g.module, node, AICC_ATTR_TRANS_A, c->trans_x);
  aicc_set_int(g.module, node, AICC_ATTR_TRANS_B, c->trans_y);
  char title[160];
  snprintf(title, sizeof title, "%s x %s %lldx%lldx%lld zeros %d %d%s", aicc_dtype_name(c->x),
           aicc_dtype_name(c->y), (long long)c->m, (long long)c->n, (long long)c->k, c->x_zero,
           c->y_zero, symbolic ? " symbolic" : "");
  const bool kept = c->kept || (is_cpu(target) && (!c->constant_y || c->trans_x));
  check(&g, aicc_b_finish(&g.b, node), kept ? KEPT : BYTES, target, c->schedule, title);
  gpu_graph_close(&g);
}

START_TEST(matrices) {
  static const narrow_case cases[] = {
      {AICC_U8, AICC_I8, NO_ZERO, NO_ZERO, .m = 33, .n = 40, .k = 70},
      {AICC_U8, AICC_I8, ONE, NO_ZERO, true, 33, 40, 70},
      {AICC_U8, AICC_I8, ONE, NO_ZERO, .m = 33, .n = 40, .k = 64},
      {AICC_U8, AICC_U8, ONE, CONSTANT, true, 20, 48, 96},
      {AICC_U8, AICC_U8, CONSTANT, CONSTANT, true, 20, 48, 96, .batch_x = 2},
      {AICC_I8, AICC_U8, EACH, EACH, .m = 18, .n = 24, .k = 40},
      {AICC_I8, AICC_U8, EACH_CONSTANT, EACH_CONSTANT, .m = 18, .n = 24, .k = 40,
       .schedule = "mma 16x32x32 warps 1x2 stages 2 split 2"},
      {AICC_U8, AICC_U8, ONE, ONE, .m = 17, .n = 32, .k = 48, .batch_x = 3, .batch_y = 3},
      {AICC_U8, AICC_I8, ONE, EACH, .m = 17, .n = 32, .k = 48, .batch_x = 3},
      {AICC_U8, AICC_U8, ONE, ONE, .m = 17, .n = 32, .k = 48, .trans_x = true, .trans_y = true},
      {AICC_U8, AICC_I8, EACH, NO_ZERO, .m = 17, .n = 32, .k = 48, .trans_x = true, .kept = true},
      {AICC_U8, AICC_I8, ONE, EACH_CONSTANT, true, 17, 32, 48,
       .kept = true},  // spans more than a byte
      {AICC_U8, AICC_I8, ONE, EACH, .m = 1, .n = 64, .k = 136},
      // What CPUs take: constants, u8 as i8, and x, i8 as u8; parts of words at the end.
      {AICC_U8, AICC_I8, NO_ZERO, NO_ZERO, true, 9, 50, 70},
      {AICC_I8, AICC_I8, NO_ZERO, NO_ZERO, true, 13, 16, 3},
      {AICC_I8, AICC_I8, CONSTANT, NO_ZERO, true, 7, 100, 33, .trans_y = true},
      {AICC_I8, AICC_U8, ONE, NO_ZERO, true, 7, 20, 30, .batch_x = 2},
      {AICC_I8, AICC_U8, EACH, CONSTANT, true, 5, 49, 65, .batch_x = 2, .batch_y = 2},
      {AICC_U8, AICC_I8, ONE, NO_ZERO, true, 5, 8, 12, .trans_x = true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    run_matmul(&cases[i], false, targets[_i]);
    const bool fixed = cases[i].x_zero >= EACH || cases[i].y_zero >= EACH || cases[i].constant_y;
    if (!fixed) {
      run_matmul(&cases[i], true, targets[_i]);
    }
  }
}
END_TEST

typedef struct conv_case {
  const char *name;
  aicc_dtype x, w;
  zero_kind x_zero, w_zero;
  bool constant, biased;
  form wanted;
  int64_t batch, channels, filters, groups;
  int64_t in[2], kernel[2], stride[2], dilation[2], low[2], high[2];
} conv_case;

static void run_conv(const conv_case *c, const char *target) {
  gpu_graph g;
  gpu_graph_open(&g, false);
  g.bytes = true;
  aicc_dims *dims = g.module->dims;
  gpu_operand x = {c->x, 4, {c->batch, c->channels, c->in[0], c->in[1]}};
  gpu_operand w = {c->w, 4, {c->filters, c->channels / c->groups, c->kernel[0], c->kernel[1]}};
  const gpu_operand bias = {AICC_I32, 1, {c->filters}};
  aicc_dim pads[2], out[4] = {aicc_dim_const(dims, c->batch), aicc_dim_const(dims, c->filters)};
  for (int i = 0; i < 2; i++) {
    const int64_t reach = (c->kernel[i] - 1) * c->dilation[i] + 1;
    pads[i] = aicc_dim_const(dims, c->low[i]);
    out[2 + i] =
        aicc_dim_const(dims, (c->in[i] + c->low[i] + c->high[i] - reach) / c->stride[i] + 1);
  }
  aicc_value *image = gpu_param(&g, &x);
  aicc_value *filter = c->constant ? gpu_const(&g, &w) : gpu_param(&g, &w);
  aicc_value *in[] = {less_zero(&g, image, c->x_zero, c->channels, 1),
                      less_zero(&g, filter, c->w_zero, c->filters, 0), gpu_const(&g, &bias)};
  aicc_node *node = aicc_node_create(g.module, AICC_OP_CONV, in, c->biased ? 3 : 2, 1);
  aicc_set_ints(g.module, node, AICC_ATTR_STRIDES, c->stride, 2);
  aicc_set_ints(g.module, node, AICC_ATTR_DILATIONS, c->dilation, 2);
  aicc_set_dims(g.module, node, AICC_ATTR_PADS, pads, 2);
  aicc_set_int(g.module, node, AICC_ATTR_GROUP, c->groups);
  node->out[0]->type = aicc_type_tensor(g.module, AICC_I32, out, 4);
  const bool kept = c->wanted == BYTES && is_cpu(target) && !c->constant;
  check(&g, aicc_b_finish(&g.b, node), kept ? KEPT : c->wanted, target, NULL, c->name);
  gpu_graph_close(&g);
}

START_TEST(convolutions) {
  static const conv_case cases[] = {
      {"plain", AICC_U8, AICC_I8, NO_ZERO, NO_ZERO, true, true, BYTES, 2, 16, 24, 1, {6, 7}, {3, 3},
       {1, 1}, {1, 1}, {1, 1}, {1, 1}},
      {"padded by a zero point", AICC_U8, AICC_I8, ONE, NO_ZERO, true, true, BYTES, 2, 16, 24, 1,
       {6, 7}, {3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
      {"a constant zero point", AICC_I8, AICC_I8, CONSTANT, NO_ZERO, true, false, BYTES, 1, 8, 10,
       1, {9, 8}, {3, 2}, {2, 1}, {1, 2}, {2, 0}, {0, 1}},
      {"filters of u8", AICC_U8, AICC_U8, ONE, CONSTANT, true, false, BYTES, 1, 8, 20, 1, {6, 6},
       {3, 3}, {1, 1}, {1, 1}, {1, 0}, {0, 1}},
      {"dynamic filters", AICC_U8, AICC_U8, ONE, EACH, false, true, BYTES, 2, 8, 20, 1, {6, 5},
       {3, 2}, {1, 1}, {1, 1}, {1, 1}, {1, 0}},
      {"groups", AICC_U8, AICC_I8, ONE, NO_ZERO, true, true, BYTES, 1, 16, 24, 4, {6, 5}, {3, 3},
       {2, 2}, {1, 1}, {1, 1}, {1, 1}},
      {"1x1", AICC_U8, AICC_I8, ONE, ONE, false, true, BYTES, 2, 16, 24, 1, {5, 5}, {1, 1}, {1, 1},
       {1, 1}},
      {"depthwise", AICC_U8, AICC_I8, ONE, NO_ZERO, true, true, FLOATS, 1, 8, 8, 8, {6, 5}, {3, 3},
       {1, 1}, {1, 1}, {1, 1}, {1, 1}},
      {"a zero point of each channel", AICC_U8, AICC_I8, EACH, NO_ZERO, true, true, KEPT, 1, 8, 8,
       1, {6, 5}, {3, 3}, {1, 1}, {1, 1}, {1, 1},
       {1, 1}},
      {"depthwise of i8", AICC_I8, AICC_U8, CONSTANT, EACH_CONSTANT, true, false, FLOATS, 2, 6, 12,
       6, {6, 5}, {3, 3}, {2, 1}, {1, 1}, {0, 1}, {1, 1}},
      {"depthwise of many taps", AICC_U8, AICC_I8, ONE, NO_ZERO, true, true, KEPT, 1, 4, 4, 4,
       {17, 17}, {17, 17}, {1, 1}, {1, 1}, {1, 1}, {1, 1}},
      {"three channels", AICC_I8, AICC_I8, ONE, NO_ZERO, true, true, BYTES, 1, 3, 18, 1, {9, 8},
       {7, 3}, {2, 1}, {1, 1}, {3, 1}, {3, 1}},
      {"dilated", AICC_U8, AICC_I8, NO_ZERO, NO_ZERO, true, false, BYTES, 1, 5, 7, 1, {9, 8},
       {3, 2}, {1, 1}, {2, 2}, {1, 0}, {1, 1}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    run_conv(&cases[i], targets[_i]);
  }
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("narrow");
  TCase *tests = tcase_create("narrow");
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, matrices, 0, TARGET_COUNT);
  tcase_add_loop_test(tests, convolutions, 0, TARGET_COUNT);
  suite_add_tcase(suite, tests);
  return suite;
}

AICC_TEST_MAIN(make_suite)
