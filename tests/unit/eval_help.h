// One node at a time through the interpreter: operands as C arrays, results compared with arrays.
#ifndef AICC_TESTS_EVAL_HELP_H
#define AICC_TESTS_EVAL_HELP_H

#include <math.h>
#include <string.h>

#include "check_main.h"
#include "ir/eval.h"

enum { MAX_OPERANDS = 8 };

typedef struct bench {
  aicc_module *module;
  aicc_diags diags;
  aicc_eval_value in[MAX_OPERANDS], out[MAX_OPERANDS];
  aicc_value *values[MAX_OPERANDS];
  int in_count;
  aicc_node *node;
} bench;

AICC_UNUSED static aicc_type bench_type(bench *b, aicc_dtype dtype, int rank,
                                        const int64_t *shape) {
  aicc_dim *dims = AICC_NEW_ARRAY(&b->module->arena, aicc_dim, rank + 1);
  for (int d = 0; d < rank; d++) {
    dims[d] = aicc_dim_const(b->module->dims, shape[d]);
  }
  return (aicc_type){.kind = AICC_TYPE_TENSOR, .dtype = dtype, .rank = rank, .dims = dims};
}

#define SHAPE(...) (const int64_t[]){__VA_ARGS__}
#define INTS(...) (const int64_t[]){__VA_ARGS__}
#define DOUBLES(...) (const double[]){__VA_ARGS__}
#define COUNT(...) ((int)(sizeof(int64_t[]){__VA_ARGS__} / sizeof(int64_t)))

AICC_UNUSED static void bench_init(bench *b) {
  *b = (bench){.module = aicc_module_create("test")};
  aicc_diags_init(&b->diags);
}

AICC_UNUSED static void bench_deinit(bench *b) {
  for (int i = 0; i < MAX_OPERANDS; i++) {
    aicc_eval_value_deinit(&b->in[i]);
    aicc_eval_value_deinit(&b->out[i]);
  }
  aicc_diags_deinit(&b->diags);
  aicc_module_destroy(b->module);
}

// Adds an operand of |count| numbers.
AICC_UNUSED static void bench_in(bench *b, aicc_dtype dtype, int rank, const int64_t *shape,
                                 const double *numbers) {
  aicc_eval_value *value = &b->in[b->in_count];
  ck_assert_int_eq(aicc_eval_value_create(dtype, rank, shape, &b->diags, value), AICC_OK);
  for (int64_t i = 0; i < aicc_eval_value_count(value); i++) {
    aicc_set_f64(dtype, value->data, (size_t)i, numbers[i]);
  }
  b->values[b->in_count++] = aicc_region_add_param(b->module, b->module->body, NULL,
                                                   bench_type(b, dtype, rank, shape));
}

AICC_UNUSED static void bench_in_strings(bench *b, int64_t count, const char *const *texts) {
  aicc_eval_value *value = &b->in[b->in_count];
  ck_assert_int_eq(aicc_eval_value_create(AICC_STR, 1, &count, &b->diags, value), AICC_OK);
  for (int64_t i = 0; i < count; i++) {
    ((aicc_str *)value->data)[i] = (aicc_str){texts[i], strlen(texts[i])};
  }
  b->values[b->in_count++] =
      aicc_region_add_param(b->module, b->module->body, NULL, bench_type(b, AICC_STR, 1, &count));
}

AICC_UNUSED static void bench_no_in(bench *b) { b->values[b->in_count++] = NULL; }

AICC_UNUSED static void bench_node(bench *b, aicc_op op, int out_count) {
  b->node = aicc_node_create(b->module, op, b->values, b->in_count, out_count);
}

AICC_UNUSED static void bench_out(bench *b, int index, aicc_dtype dtype, int rank,
                                  const int64_t *shape) {
  b->node->out[index]->type = bench_type(b, dtype, rank, shape);
}

AICC_UNUSED static aicc_status bench_run(bench *b) {
  const aicc_eval_value *in[MAX_OPERANDS];
  for (int i = 0; i < b->in_count; i++) {
    in[i] = b->values[i] ? &b->in[i] : NULL;
  }
  const aicc_status status = aicc_eval_node(b->module, b->node, in, b->out, &b->diags);
  ck_assert_msg((status == AICC_OK) == (b->diags.error_count == 0), "status and errors differ");
  return status;
}

AICC_UNUSED static void bench_expect(bench *b, int index, const double *expected,
                                     double tolerance) {
  const aicc_eval_value *out = &b->out[index];
  for (int64_t i = 0; i < aicc_eval_value_count(out); i++) {
    const double got = aicc_get_f64(out->dtype, out->data, (size_t)i);
    const bool same = got == expected[i] || (isnan(got) && isnan(expected[i])) ||
                      fabs(got - expected[i]) <= tolerance * (1 + fabs(expected[i]));
    ck_assert_msg(same, "result %d, element %lld: %.9g, expected %.9g", index, (long long)i, got,
                  expected[i]);
  }
}

// Runs and compares the one result.
AICC_UNUSED static void bench_check(bench *b, const double *expected, double tolerance) {
  const aicc_status status = bench_run(b);
  if (status != AICC_OK) {
    aicc_diags_print(&b->diags, stderr);
  }
  ck_assert_int_eq(status, AICC_OK);
  bench_expect(b, 0, expected, tolerance);
}

AICC_UNUSED static void bench_dims(bench *b, aicc_attr_key key, const int64_t *values, int count) {
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < count; i++) {
    dims[i] = aicc_dim_const(b->module->dims, values[i]);
  }
  aicc_set_dims(b->module, b->node, key, dims, count);
}

#endif
