// Small contractions lowered for GPUs, run by the kernel interpreter, compared with the reference
// interpreter.
#ifndef AICC_TESTS_GPU_CONTRACT_H
#define AICC_TESTS_GPU_CONTRACT_H

#include "check_main.h"
#include "ir/build.h"
#include "plan_run.h"

// Rows of cases leave out what is zero.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

enum { GPU_RANK = 5 };

typedef struct gpu_operand {
  aicc_dtype dtype;
  int rank;
  int64_t shape[GPU_RANK];
} gpu_operand;

typedef struct gpu_graph {
  aicc_module *module;
  aicc_builder b;
  aicc_diags diags;
  bool symbolic;              // dimensions of parameters are symbols
  bool tf32;
  bool bytes;                 // integers of 8 bits take all values
  aicc_eval_value inputs[4];  // of the parameters
  int count;
  uint64_t state;
} gpu_graph;

static void gpu_graph_open(gpu_graph *g, bool symbolic) {
  *g = (gpu_graph){.module = aicc_module_create("gpu"), .symbolic = symbolic, .state = 99};
  aicc_diags_init(&g->diags);
  g->b = (aicc_builder){.module = g->module, .region = g->module->body, .diags = &g->diags};
}

static void gpu_graph_close(gpu_graph *g) {
  for (int i = 0; i < g->count; i++) {
    aicc_eval_value_deinit(&g->inputs[i]);
  }
  aicc_diags_deinit(&g->diags);
  aicc_module_destroy(g->module);
}

// Halves from -1 to 1 (integers -2 to 2): their sums are exact in f32.
static void gpu_fill(gpu_graph *g, aicc_dtype dtype, void *data, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    g->state = g->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    const int64_t any = (int64_t)(g->state >> 33);
    const bool byte = g->bytes && aicc_dtype_is_byte(dtype);
    const int64_t number = !byte ? any % 5 - 2 : dtype == AICC_U8 ? any % 256 : any % 256 - 128;
    if (aicc_dtype_is_int(dtype)) {
      aicc_set_i64(dtype, data, (size_t)i, number);
    } else {
      aicc_set_f64(dtype, data, (size_t)i, (double)number / 2);
    }
  }
}

static aicc_value *gpu_param(gpu_graph *g, const gpu_operand *o) {
  aicc_dim dims[GPU_RANK];
  for (int i = 0; i < o->rank; i++) {
    dims[i] = g->symbolic ? aicc_dim_fresh(g->module->dims, "n")
                          : aicc_dim_const(g->module->dims, o->shape[i]);
  }
  aicc_eval_value *value = &g->inputs[g->count++];
  ck_assert_int_eq(aicc_eval_value_create(o->dtype, o->rank, o->shape, &g->diags, value), AICC_OK);
  gpu_fill(g, o->dtype, value->data, aicc_eval_value_count(value));
  return aicc_region_add_param(g->module, g->module->body, NULL,
                               aicc_type_tensor(g->module, o->dtype, dims, o->rank));
}

AICC_UNUSED static aicc_value *gpu_const(gpu_graph *g, const gpu_operand *o) {
  int64_t count = 1;
  for (int i = 0; i < o->rank; i++) {
    count *= o->shape[i];
  }
  const size_t bytes = (size_t)count * aicc_dtype_size(o->dtype);
  void *data = aicc_arena_alloc(&g->module->arena, bytes + 16);
  gpu_fill(g, o->dtype, data, count);
  const aicc_tensor tensor = {.dtype = o->dtype, .rank = o->rank, .shape = o->shape, .data = data};
  return aicc_b_const(&g->b, &tensor);
}

// |result| is the graph's only one.
static void gpu_graph_result(gpu_graph *g, aicc_value *result, const char *title) {
  ck_assert_msg(result != NULL && g->diags.error_count == 0, "%s: the graph is wrong", title);
  aicc_region_set_results(g->module, g->module->body, &result, 1);
  g->module->result_names = AICC_NEW(&g->module->arena, const char *);
  g->module->result_names[0] = "r";
}

AICC_UNUSED static void gpu_graph_run(gpu_graph *g, aicc_value *result, const char *target,
                                      const char *schedule, const char *title) {
  g->module->tf32 = g->tf32;
  gpu_graph_result(g, result, title);
  const cg_target *found = cg_target_find(target);
  plan_run_on(g->module, g->inputs, &found->machine, plan_run_device_target(found), schedule,
              title);
}

#endif
