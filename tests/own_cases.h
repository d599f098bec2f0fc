// One operator at a time through eval and through its library kernel: shapes, types, symbols.
#ifndef AICC_TESTS_OWN_CASES_H
#define AICC_TESTS_OWN_CASES_H

#include "plan_run.h"

// Rows of cases leave out what is zero.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

enum { OWN_INPUTS = 10, OWN_RANK = 6 };

// How an input is filled.
typedef enum own_fill {
  OWN_NUMBERS,  // small, with ties, halves where the type has them
  OWN_FINE,     // spread over -4 .. 4
  OWN_INDEX,    // |low| .. |high| - 1
  OWN_UNIT,     // 0 .. 1
} own_fill;

typedef struct own_input {
  aicc_dtype dtype;
  int rank;
  int64_t shape[OWN_RANK];
  own_fill fill;
  int64_t low, high;
  const void *data;  // elements, instead of filling
  bool fixed;        // its dimensions never are symbols
  bool absent;
} own_input;

typedef struct own_case own_case;
// Makes the node of the case over |in|, its attributes and result types, appended to the body.
typedef aicc_node *(*own_make)(aicc_module *module, aicc_value *const *in, const own_case *c);

struct own_case {
  const char *name;
  own_make make;
  own_input in[OWN_INPUTS];
  int in_count;
  int64_t p[40];  // parameters of |make|
  double f[4];
};

static uint64_t own_random(uint64_t *state) {
  *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return *state >> 33;
}

static double own_number(const own_input *in, uint64_t *state) {
  switch (in->fill) {
    case OWN_NUMBERS: return (double)(own_random(state) % 9) / 2 - 1;
    case OWN_FINE: return (double)(own_random(state) % 8192) / 1024 - 4;
    case OWN_UNIT: return (double)(own_random(state) % 4096) / 4096;
    default: break;
  }
  const uint64_t span = (uint64_t)(in->high > in->low ? in->high - in->low : 1);
  return (double)(in->low + (int64_t)(own_random(state) % span));
}

static void own_fill_value(const own_input *in, uint64_t *state, aicc_eval_value *out) {
  aicc_diags diags;
  aicc_diags_init(&diags);
  ck_assert_int_eq(aicc_eval_value_create(in->dtype, in->rank, in->shape, &diags, out), AICC_OK);
  aicc_diags_deinit(&diags);
  const int64_t count = aicc_eval_value_count(out);
  if (in->data != NULL) {
    memcpy(out->data, in->data, (size_t)count * aicc_dtype_size(in->dtype));
    return;
  }
  for (int64_t i = 0; i < count; i++) {
    const double number = own_number(in, state);
    if (aicc_dtype_is_int(in->dtype) || in->dtype == AICC_BOOL) {
      aicc_set_i64(in->dtype, out->data, (size_t)i, (int64_t)(number + (number < 0 ? -0.5 : 0)));
    } else {
      aicc_set_f64(in->dtype, out->data, (size_t)i, number);
    }
  }
}

// |gpu|: for a target of that name, interpreted; NULL: for |width| lanes of a CPU (see
// plan_run_check).
static void own_run_case(const own_case *c, bool symbolic, int width, const char *gpu) {
  aicc_module *module = aicc_module_create("own");
  aicc_value *values[OWN_INPUTS] = {NULL};
  aicc_eval_value inputs[OWN_INPUTS] = {{0}};
  int given = 0;
  uint64_t state = 1234;
  for (int i = 0; i < c->in_count; i++) {
    const own_input *in = &c->in[i];
    aicc_dim dims[OWN_RANK];
    if (in->absent) {
      continue;
    }
    for (int d = 0; d < in->rank; d++) {
      dims[d] = symbolic && !in->fixed ? aicc_dim_fresh(module->dims, "n")
                                       : aicc_dim_const(module->dims, in->shape[d]);
    }
    values[i] = aicc_region_add_param(module, module->body, NULL,
                                      aicc_type_tensor(module, in->dtype, dims, in->rank));
    own_fill_value(in, &state, &inputs[given++]);
  }
  aicc_node *node = c->make(module, values, c);
  static const char *const names[] = {"r0", "r1", "r2", "r3", "r4"};
  module->result_names = AICC_NEW_ARRAY(&module->arena, const char *, node->out_count);
  memcpy(module->result_names, names, sizeof *names * (size_t)node->out_count);
  aicc_region_set_results(module, module->body, node->out, node->out_count);
  char title[128];
  snprintf(title, sizeof title, "%s%s, %s, %d lanes", c->name, symbolic ? ", symbolic" : "",
           gpu ? gpu : "cpu", width);
  if (gpu) {
    plan_run_on(module, inputs, &cg_target_find(gpu)->machine, NULL, NULL, title);
  } else {
    plan_run_check(module, inputs, width, title);
  }
  for (int i = 0; i < given; i++) {
    aicc_eval_value_deinit(&inputs[i]);
  }
  aicc_module_destroy(module);
}

// Strings stay on the CPU.
static bool own_has_text(const own_case *c) {
  bool text = false;
  for (int i = 0; i < c->in_count; i++) {
    text |= !c->in[i].absent && c->in[i].dtype == AICC_STR;
  }
  return text;
}

// Every case with sizes known and as symbols, with 4 and 16 lanes, as native code, and as GPUs run
// it.
AICC_UNUSED static void own_run_cases(const own_case *cases, size_t count) {
  for (size_t i = 0; i < count; i++) {
    own_run_case(&cases[i], false, 4, NULL);
    own_run_case(&cases[i], true, 16, NULL);
    own_run_case(&cases[i], true, 0, NULL);
    if (!own_has_text(&cases[i])) {
      own_run_case(&cases[i], false, 0, "sm_80");
      own_run_case(&cases[i], true, 0, "gfx942");
    }
  }
}

AICC_UNUSED static aicc_node *own_node(aicc_module *module, aicc_op op, aicc_value *const *in,
                                       int in_count, int out_count) {
  aicc_node *node = aicc_node_create(module, op, in, in_count, out_count);
  aicc_node_append(module->body, node);
  return node;
}

AICC_UNUSED static void own_set_type(aicc_module *module, aicc_node *node, int result,
                                     aicc_dtype dtype, const aicc_dim *dims, int rank) {
  node->out[result]->type = aicc_type_tensor(module, dtype, dims, rank);
}

#endif
