#include "air/eval_compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/eval.h"

enum { MAX_SYMBOLS = 32 };

typedef struct symbols {
  const char *names[MAX_SYMBOLS];
  int count;
} symbols;

static bool value_of(void *context, const char *symbol, int64_t *value) {
  symbols *s = context;
  int i = 0;
  while (i < s->count && strcmp(s->names[i], symbol) != 0) {
    i++;
  }
  if (i == MAX_SYMBOLS) {
    return false;
  }
  if (i == s->count) {
    s->names[s->count++] = symbol;
  }
  *value = i + 2;
  return true;
}

static uint32_t next_random(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return *state >> 8;
}

// Small numbers: indices stay in range, floats stay exact through a few operations.
static void fill(aicc_eval_value *value, uint32_t *state) {
  for (int64_t i = 0; i < aicc_eval_value_count(value); i++) {
    const uint32_t r = next_random(state);
    if (value->dtype == AICC_STR) {
      static const char *const words[] = {"a", "bb", "", "c d"};
      ((aicc_str *)value->data)[i] = (aicc_str){words[r % 4], strlen(words[r % 4])};
    } else if (value->dtype == AICC_BOOL || aicc_dtype_is_int(value->dtype)) {
      aicc_set_i64(value->dtype, value->data, (size_t)i, r % 2);
    } else {
      aicc_set_f64(value->dtype, value->data, (size_t)i, ((double)(r % 25) - 12) / 4);
    }
  }
}

static bool make_input(const aicc_module *module, const aicc_type *type, symbols *s,
                       uint32_t *state, aicc_diags *diags, aicc_eval_value *out) {
  int64_t shape[AICC_MAX_RANK];
  if (type->kind != AICC_TYPE_TENSOR) {
    return false;
  }
  for (int d = 0; d < type->rank; d++) {
    if (!aicc_dim_eval(module->dims, type->dims[d], value_of, s, &shape[d])) {
      return false;
    }
  }
  if (aicc_eval_value_create(type->dtype, type->rank, shape, diags, out) != AICC_OK) {
    return false;
  }
  fill(out, state);
  return true;
}

static bool same_element(const aicc_eval_value *a, const aicc_eval_value *b, size_t i) {
  if (a->dtype == AICC_STR) {
    const aicc_str *x = (const aicc_str *)a->data + i, *y = (const aicc_str *)b->data + i;
    return x->size == y->size && (x->size == 0 || memcmp(x->data, y->data, x->size) == 0);
  }
  const double x = aicc_get_f64(a->dtype, a->data, i), y = aicc_get_f64(b->dtype, b->data, i);
  return x == y || (isnan(x) && isnan(y)) || fabs(x - y) <= 1e-5 * fabs(x) + 1e-6;
}

static bool same_value(const aicc_eval_value *a, const aicc_eval_value *b, int index, FILE *out) {
  bool same = a->kind == b->kind && a->dtype == b->dtype && a->rank == b->rank &&
              a->item_count == b->item_count;
  for (int d = 0; same && d < a->rank; d++) {
    same = a->shape[d] == b->shape[d];
  }
  if (!same) {
    fprintf(out, "result %d: types or shapes differ\n", index);
    return false;
  }
  for (int64_t i = 0; a->kind == AICC_TYPE_TENSOR && i < aicc_eval_value_count(a); i++) {
    if (!same_element(a, b, (size_t)i)) {
      fprintf(out, "result %d, element %lld differs\n", index, (long long)i);
      return false;
    }
  }
  for (int64_t i = 0; i < a->item_count; i++) {
    if (!same_value(&a->items[i], &b->items[i], index, out)) {
      return false;
    }
  }
  return true;
}

static bool run_both(const aicc_module *before, const aicc_module *after,
                     const aicc_eval_value *inputs, aicc_diags *diags, FILE *out) {
  const int count = before->body->result_count;
  aicc_eval_value *a = calloc((size_t)count + 1, sizeof *a);
  aicc_eval_value *b = calloc((size_t)count + 1, sizeof *b);
  bool same = count == after->body->result_count &&
              aicc_eval_graph(before, inputs, a, diags) == AICC_OK &&
              aicc_eval_graph(after, inputs, b, diags) == AICC_OK;
  if (!same) {
    fprintf(out, "one of the two does not run:\n");
    aicc_diags_print(diags, out);
  }
  for (int i = 0; i < count; i++) {
    same = same && same_value(&a[i], &b[i], i, out);
    aicc_eval_value_deinit(&a[i]);
    aicc_eval_value_deinit(&b[i]);
  }
  free(a);
  free(b);
  return same;
}

bool eval_compare(const aicc_module *before, const aicc_module *after, FILE *out) {
  const aicc_region *body = before->body;
  symbols s = {{0}, 0};
  uint32_t state = 1;
  aicc_diags diags;
  aicc_diags_init(&diags);
  aicc_eval_value *inputs = calloc((size_t)body->param_count + 1, sizeof *inputs);
  bool good = body->param_count == after->body->param_count;
  for (int i = 0; i < body->param_count && good; i++) {
    good = make_input(before, &body->params[i]->type, &s, &state, &diags, &inputs[i]);
  }
  if (!good) {
    fprintf(out, "no inputs can be made for it\n");
  }
  good = good && run_both(before, after, inputs, &diags, out);
  for (int i = 0; i < body->param_count; i++) {
    aicc_eval_value_deinit(&inputs[i]);
  }
  free(inputs);
  aicc_diags_deinit(&diags);
  return good;
}
