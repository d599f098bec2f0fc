#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "random/program.h"

uint64_t rp_next(rp_random *r) {
  uint64_t z = r->state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

int64_t rp_below(rp_random *r, int64_t limit) { return (int64_t)(rp_next(r) % (uint64_t)limit); }

uint64_t rp_hash(uint64_t seed, const char *text) {
  rp_random r = {seed};
  for (; *text; text++) {
    r.state ^= (uint64_t)(unsigned char)*text;
    r.state = rp_next(&r);
  }
  return rp_next(&r);
}

static bool has_nans(const aicc_module *module) {
  return module->name && strncmp(module->name, "nan", 3) == 0;
}

rp_run rp_run_of(const aicc_module *module, int number) {
  const char *name = module->name ? module->name : "p0";
  while (*name && (*name < '0' || *name > '9')) {
    name++;
  }
  return (rp_run){module, strtoull(name, NULL, 10), number};
}

bool rp_has_symbols(const aicc_module *module) {
  for (int i = 0; i < module->body->param_count; i++) {
    const aicc_type *type = &module->body->params[i]->type;
    for (int d = 0; d < type->rank; d++) {
      if (!aicc_dim_is_const(module->dims, type->dims[d], NULL)) {
        return true;
      }
    }
  }
  return false;
}

int64_t rp_symbol_value(const rp_run *run, const char *symbol) {
  static const int64_t values[] = {1, 2, 3, 4, 5, 7, 8, 13, 17, 0, 1, 2, 3, 5, 9, 16, 33, 65};
  return values[rp_hash(run->seed + 977u * (uint64_t)run->number, symbol) % 18];
}

static bool lookup(void *context, const char *symbol, int64_t *value) {
  *value = rp_symbol_value(context, symbol);
  return true;
}

bool rp_dim_value(const rp_run *run, aicc_dim dim, int64_t *value) {
  rp_run copy = *run;
  return aicc_dim_eval(run->module->dims, dim, lookup, &copy, value);
}

bool rp_is_wild(const aicc_value *param) { return param->name && param->name[0] == 'w'; }

static double float_element(rp_random *r, bool nans) {
  static const double odd[] = {-0.0, 0.0, 1.0, -1.0};
  const int64_t kind = rp_below(r, 40);
  if (nans && kind < 3) {
    return kind == 0 ? (double)NAN : kind == 1 ? (double)INFINITY : -(double)INFINITY;
  }
  if (kind < 6) {
    return odd[rp_below(r, 4)];
  }
  // Half are multiples of 1/8, so that there are ties.
  const double x = (double)rp_below(r, 4097) / 1024 - 2;
  return kind % 2 ? x : rint(x * 8) / 8;
}

static int64_t int_element(rp_random *r, aicc_dtype dtype, bool wild) {
  if (wild && rp_chance(r, 60)) {
    const uint64_t bits = rp_next(r);
    return (int64_t)(bits >> rp_below(r, 64));
  }
  return aicc_dtype_kind_of(dtype) == AICC_KIND_SIGNED ? rp_below(r, 23) - 11 : rp_below(r, 12);
}

static void fill(rp_random *r, aicc_dtype dtype, void *data, int64_t count, bool nans, bool wild) {
  for (size_t i = 0; i < (size_t)count; i++) {
    if (aicc_dtype_is_float(dtype)) {
      aicc_set_f64(dtype, data, i, float_element(r, nans));
    } else if (dtype == AICC_BOOL) {
      aicc_set_i64(dtype, data, i, rp_below(r, 2));
    } else {
      aicc_set_i64(dtype, data, i, int_element(r, dtype, wild));
    }
  }
}

int64_t rp_tensor_count(const aicc_tensor *tensor) {
  int64_t count = 1;
  for (int d = 0; d < tensor->rank; d++) {
    count *= tensor->shape[d];
  }
  return count;
}

static void fill_constant(void *context, aicc_node *node) {
  aicc_module *module = context;
  const aicc_tensor *tensor = aicc_get_tensor(node, AICC_ATTR_VALUE);
  if (node->op != AICC_OP_CONST || rp_tensor_count(tensor) <= RP_LISTED) {
    return;
  }
  const int64_t count = rp_tensor_count(tensor);
  // The uniform number tells constants of one shape apart.
  rp_random r = {(uint64_t)aicc_get_i64(tensor->dtype, tensor->data, 0) + (uint64_t)count};
  aicc_tensor filled = *tensor;
  void *data = aicc_arena_alloc(&module->arena, (size_t)count * aicc_dtype_size(tensor->dtype));
  fill(&r, tensor->dtype, data, count, false, false);
  filled.data = data;
  filled.buf = NULL;
  aicc_set_tensor(module, node, AICC_ATTR_VALUE, &filled);
}

static void forget_elements(void *context, aicc_node *node) {
  (void)context;
  for (int i = 0; i < node->out_count; i++) {
    node->out[i]->partial = NULL;
  }
}

static void know_elements(void *context, aicc_node *node) { aicc_partial_infer(context, node); }

void rp_fill_constants(aicc_module *module) {
  aicc_region_visit(module->body, fill_constant, module);
  // What the parser knew of elements, it knew of the uniform ones.
  aicc_region_visit(module->body, forget_elements, NULL);
  aicc_region_visit(module->body, know_elements, module);
}

bool rp_make_input(const rp_run *run, const aicc_value *param, aicc_diags *diags,
                   aicc_eval_value *out) {
  const aicc_type *type = &param->type;
  int64_t shape[AICC_MAX_RANK];
  for (int d = 0; d < type->rank; d++) {
    if (!rp_dim_value(run, type->dims[d], &shape[d]) || shape[d] < 0 || shape[d] > 100000) {
      return false;
    }
  }
  if (aicc_eval_value_create(type->dtype, type->rank, shape, diags, out) != AICC_OK) {
    return false;
  }
  rp_random r = {rp_hash(run->seed + (uint64_t)run->number, param->name ? param->name : "")};
  fill(&r, type->dtype, out->data, aicc_eval_value_count(out), has_nans(run->module),
       rp_is_wild(param));
  return true;
}
