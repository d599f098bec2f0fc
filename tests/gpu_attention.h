// Attentions lowered for GPUs, run by the kernel interpreter, compared with the reference
// interpreter.
#ifndef AICC_TESTS_GPU_ATTENTION_H
#define AICC_TESTS_GPU_ATTENTION_H

#include "check_main.h"
#include "ir/build.h"
#include "passes/schedule_attention.h"
#include "plan_run.h"

// Rows of cases leave out what is zero.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

typedef struct attention_case {
  const char *name;
  aicc_dtype dtype;
  int64_t batch, heads, groups, s, t, d, e;
  int64_t bias[4];          // shape; all 0: none
  const char *mode;         // NULL: the operator's own
  double softcap;
  bool causal;
  bool from_first;          // the first query sees the first key alone
  bool joined;              // q, k, v and the result as [B, S, H * D]: views of them
  bool hidden;              // biases of -inf, whole rows of them too
  bool computed;            // q and the bias are computed inside
  bool tf32;
  bool turned;              // k is stored as [B, G, D, T]
} attention_case;

typedef struct attention_graph {
  const attention_case *c;
  aicc_module *module;
  aicc_builder b;
  aicc_diags diags;
  aicc_dim batch, s, t;
  aicc_eval_value inputs[4];
  int count;
  uint64_t state;
} attention_graph;

static double attention_number(attention_graph *g) {
  g->state = g->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (double)(g->state >> 33 & 255) / 128 - 1;
}

static aicc_value *attention_param(attention_graph *g, const aicc_dim *dims, const int64_t *shape,
                                   int rank, bool is_bias) {
  const aicc_dtype dtype = g->c->dtype;
  aicc_eval_value *value = &g->inputs[g->count++];
  ck_assert_int_eq(aicc_eval_value_create(dtype, rank, shape, &g->diags, value), AICC_OK);
  const int64_t count = aicc_eval_value_count(value), row = shape[rank - 1];
  for (int64_t i = 0; i < count; i++) {
    const double number = attention_number(g);
    const bool hide = is_bias && g->c->hidden && (i / row % 3 == 1 || i % 3 == 0);
    aicc_set_f64(dtype, value->data, (size_t)i, hide ? -(double)INFINITY : number);
  }
  return aicc_region_add_param(g->module, g->module->body, NULL,
                               aicc_type_tensor(g->module, dtype, dims, rank));
}

// [B, heads, size, width], as it is or behind views.
static aicc_value *attention_operand(attention_graph *g, int64_t heads, aicc_dim size,
                                     int64_t size_now, int64_t width, bool turned) {
  static const int64_t swap[] = {0, 2, 1, 3}, turn[] = {0, 1, 3, 2};
  aicc_dims *dims = g->module->dims;
  const aicc_dim h = aicc_dim_const(dims, heads), w = aicc_dim_const(dims, width);
  if (turned) {
    const aicc_dim type[] = {g->batch, h, w, size};
    const int64_t shape[] = {g->c->batch, heads, width, size_now};
    return aicc_b_transpose(&g->b, attention_param(g, type, shape, 4, false), turn);
  }
  if (!g->c->joined) {
    const aicc_dim type[] = {g->batch, h, size, w};
    const int64_t shape[] = {g->c->batch, heads, size_now, width};
    return attention_param(g, type, shape, 4, false);
  }
  const aicc_dim type[] = {g->batch, size, aicc_dim_const(dims, heads * width)};
  const int64_t shape[] = {g->c->batch, size_now, heads * width};
  const aicc_dim split[] = {g->batch, size, h, w};
  aicc_value *whole = attention_param(g, type, shape, 3, false);
  return aicc_b_transpose(&g->b, aicc_b_reshape(&g->b, whole, split, 4), swap);
}

static aicc_value *attention_bias(attention_graph *g) {
  const aicc_dim whole[] = {g->batch, aicc_dim_const(g->module->dims, g->c->heads), g->s, g->t};
  aicc_dim type[4];
  if (g->c->bias[3] == 0) {
    return NULL;
  }
  for (int i = 0; i < 4; i++) {
    type[i] = g->c->bias[i] == 1 ? aicc_dim_const(g->module->dims, 1) : whole[i];
  }
  aicc_value *bias = attention_param(g, type, g->c->bias, 4, true);
  return g->c->computed
             ? aicc_b_binary(&g->b, AICC_OP_ADD, bias, aicc_b_scalar(&g->b, g->c->dtype, 1))
             : bias;
}

static aicc_value *attention_result(attention_graph *g, aicc_value *const *in) {
  static const int64_t swap[] = {0, 2, 1, 3};
  aicc_module *module = g->module;
  const attention_case *c = g->c;
  aicc_node *node = aicc_node_create(module, AICC_OP_ATTENTION, in, in[3] ? 4 : 3, 1);
  const aicc_dim dims[] = {g->batch, in[0]->type.dims[1], g->s, in[2]->type.dims[3]};
  node->out[0]->type = aicc_type_tensor(module, c->dtype, dims, 4);
  aicc_set_float(module, node, AICC_ATTR_SOFTCAP, c->softcap);
  aicc_set_int(module, node, AICC_ATTR_CAUSAL, c->causal);
  if (c->from_first) {
    const aicc_dim none = aicc_dim_const(module->dims, 0);
    aicc_set_dims(module, node, AICC_ATTR_PAST, &none, 1);
  }
  if (c->mode) {
    aicc_set_string(module, node, AICC_ATTR_MODE, c->mode);
  }
  aicc_value *result = aicc_b_finish(&g->b, node);
  return c->joined ? aicc_b_transpose(&g->b, result, swap) : result;
}

static void attention_build(attention_graph *g, const attention_case *c, bool symbolic) {
  *g = (attention_graph){.c = c, .module = aicc_module_create("attention"), .state = 77};
  aicc_diags_init(&g->diags);
  g->module->tf32 = c->tf32;
  g->b = (aicc_builder){.module = g->module, .region = g->module->body, .diags = &g->diags};
  aicc_dims *dims = g->module->dims;
  g->batch = symbolic ? aicc_dim_fresh(dims, "b") : aicc_dim_const(dims, c->batch);
  g->s = symbolic ? aicc_dim_fresh(dims, "s") : aicc_dim_const(dims, c->s);
  g->t = symbolic ? aicc_dim_fresh(dims, "t") : aicc_dim_const(dims, c->t);
  aicc_value *in[4];
  in[0] = attention_operand(g, c->heads, g->s, c->s, c->d, false);
  in[1] = attention_operand(g, c->groups, g->t, c->t, c->d, c->turned);
  in[2] = attention_operand(g, c->groups, g->t, c->t, c->e, false);
  in[3] = attention_bias(g);
  in[0] = c->computed ? aicc_b_unary(&g->b, AICC_OP_TANH, in[0]) : in[0];
  aicc_value *result = attention_result(g, in);
  ck_assert_msg(result && g->diags.error_count == 0, "%s: the graph is wrong", c->name);
  g->module->result_names = AICC_NEW(&g->module->arena, const char *);
  g->module->result_names[0] = "r";
  aicc_region_set_results(g->module, g->module->body, &result, 1);
}

static void attention_close(attention_graph *g) {
  for (int i = 0; i < g->count; i++) {
    aicc_eval_value_deinit(&g->inputs[i]);
  }
  aicc_diags_deinit(&g->diags);
  aicc_module_destroy(g->module);
}

// On the kernel interpreter, or |on_device| as code for the target.
static void attention_run(const attention_case *c, bool symbolic, const char *target,
                          const char *schedule, bool on_device) {
  const cg_target *found = cg_target_find(target);
  attention_graph g;
  char title[160];
  attention_build(&g, c, symbolic);
  snprintf(title, sizeof title, "%s%s, %s, %s", c->name, symbolic ? ", symbolic" : "", target,
           schedule ? schedule : "chosen");
  plan_run_on(g.module, g.inputs, &found->machine, on_device ? found : NULL, schedule, title);
  attention_close(&g);
}

#endif
