// The unsign pass: quantised bytes whose zero point is the least of their type.
//
// What a ReLU leaves is quantised to i8 with the zero point -128: nothing is below it. As u8 the
// same bytes have the zero point 0, which costs nothing where they are multiplied: no sums to
// correct by, and padding is 0. So where all that reads bytes takes -128 off them,
//
//   cast(y, i8), then cast(.., t) - (-128)   becomes   cast(y + 128, u8), then cast(.., t)
//
// for y of f32 that is rounded and clamped to i8, as QuantizeLinear does it: then y + 128 is exact,
// and the values are the same. For machines that multiply bytes.
#include <math.h>

#include "ir/build.h"
#include "passes/pass.h"
#include "passes/rewrite.h"

enum { LEAST = -128, MOST = 127 };

typedef struct unsign {
  aicc_module *module;
  aicc_builder b;
  aicc_rewrite rewrite;
  uint32_t limit;         // values that were there before the pass
  uint32_t *uses;         // per value
  uint32_t *shifted;      // per widened value: subtractions of the zero point from it
  uint32_t *suited;       // per value of bytes: casts of which nothing else is made
  aicc_value **replaced;  // per value of bytes: the same without sign
  size_t count;
} unsign;

static void count_use(unsign *u, const aicc_value *x) {
  if (x && x->id < u->limit) {
    u->uses[x->id]++;
  }
}

static void count_results(unsign *u, const aicc_region *region) {
  for (int i = 0; i < region->result_count; i++) {
    count_use(u, region->results[i]);
  }
}

static const aicc_tensor *single_constant(const aicc_value *x) {
  const aicc_tensor *t = aicc_value_constant(x);
  for (int i = 0; t && i < t->rank; i++) {
    t = t->shape[i] == 1 ? t : NULL;
  }
  return t;
}

static bool is_least(const aicc_value *x) {
  const aicc_tensor *t = single_constant(x);
  return t && ((t->dtype == AICC_F32 && aicc_get_f64(t->dtype, t->data, 0) == LEAST) ||
               (t->dtype == AICC_I32 && aicc_get_i64(t->dtype, t->data, 0) == LEAST));
}

// The cast of an i8 that |node| is; NULL: it is another.
static aicc_value *widened_from(const aicc_node *node) {
  if (!node || node->op != AICC_OP_CAST || node->in[0]->type.dtype != AICC_I8) {
    return NULL;
  }
  const aicc_dtype to = node->out[0]->type.dtype;
  return to == AICC_F32 || to == AICC_I32 ? node->in[0] : NULL;
}

static bool is_shift(const aicc_node *node) {
  return node->op == AICC_OP_SUB && widened_from(node->in[0]->def) && is_least(node->in[1]) &&
         node->out[0]->type.rank == node->in[0]->type.rank;
}

static void count_node(void *context, aicc_node *node) {
  unsign *u = context;
  for (int i = 0; i < node->in_count; i++) {
    count_use(u, node->in[i]);
  }
  for (int r = 0; r < node->region_count; r++) {
    count_results(u, node->regions[r]);
  }
  if (is_shift(node)) {
    u->shifted[node->in[0]->id]++;
  }
}

static void count_cast(void *context, aicc_node *node) {
  unsign *u = context;
  const aicc_value *bytes = widened_from(node);
  if (bytes && u->uses[node->out[0]->id] == u->shifted[node->out[0]->id]) {
    u->suited[bytes->id]++;
  }
}

static void place(unsign *u, aicc_node *node) {
  u->b.region = node->parent;
  u->b.before = node;
  u->b.origins = node->origins;
  u->b.origin_count = node->origin_count;
}

static bool number_of(const aicc_value *x, float *number) {
  const aicc_tensor *t = single_constant(x);
  const bool found = t && t->dtype == AICC_F32;
  *number = found ? (float)aicc_get_f64(t->dtype, t->data, 0) : 0;
  return found;
}

// Floats of every integer from -128 to 127.
static bool holds_bytes(aicc_dtype type) {
  return type == AICC_F64 || type == AICC_F32 || type == AICC_F16 || type == AICC_BF16;
}

// Whether |y| is an integer from -128 to 127: min(max(round(..) + zero, -128), 127), some of it in
// another order.
static bool is_clamped(const aicc_value *y) {
  bool low = false, high = false;
  float number;
  for (const aicc_node *def = y->def; def; def = def->in[0]->def) {
    const bool with_number = def->in_count == 2 && number_of(def->in[1], &number);
    if (def->op == AICC_OP_ROUND) {
      return low && high;
    }
    if (with_number && number != floorf(number)) {
      return false;
    }
    if (with_number && def->op == AICC_OP_MAX) {
      low = low || (number >= LEAST && number <= MOST);
    } else if (with_number && def->op == AICC_OP_MIN) {
      high = high || (number >= LEAST && number <= MOST);
    } else if (!(with_number && def->op == AICC_OP_ADD && low && high) &&
               !(def->op == AICC_OP_CAST && holds_bytes(def->in[0]->type.dtype))) {
      return false;
    }
  }
  return false;
}

static void make_unsigned(void *context, aicc_node *node) {
  unsign *u = context;
  if (node->op != AICC_OP_CAST || node->out[0]->type.dtype != AICC_I8 ||
      node->in[0]->type.dtype != AICC_F32 || node->out[0]->id >= u->limit) {
    return;
  }
  const uint32_t id = node->out[0]->id;
  if (u->uses[id] == 0 || u->uses[id] != u->suited[id] || !is_clamped(node->in[0])) {
    return;
  }
  place(u, node);
  aicc_value *shift = aicc_b_scalar(&u->b, AICC_F32, -LEAST);
  aicc_value *y = aicc_b_binary(&u->b, AICC_OP_ADD, node->in[0], shift);
  u->replaced[id] = aicc_b_cast(&u->b, y, AICC_U8);
  u->count += u->replaced[id] != NULL;
}

static void widen_unsigned(void *context, aicc_node *node) {
  unsign *u = context;
  aicc_rewrite_operands(&u->rewrite, node);
  const aicc_value *bytes = is_shift(node) ? widened_from(node->in[0]->def) : NULL;
  if (!bytes || bytes->id >= u->limit || !u->replaced[bytes->id]) {
    return;
  }
  place(u, node);
  aicc_value *wide = aicc_b_cast(&u->b, u->replaced[bytes->id], node->out[0]->type.dtype);
  if (wide) {
    aicc_rewrite_replace(&u->rewrite, node->out[0], wide);
    aicc_node_unlink(node);
  }
}

aicc_status aicc_pass_unsign(aicc_pass_context *pass) {
  if (!pass->machine || !aicc_machine_multiplies_bytes(pass->machine)) {
    return AICC_OK;
  }
  aicc_module *module = pass->module;
  const size_t limit = module->value_count;
  unsign u = {.module = module, .limit = module->value_count,
              .uses = AICC_NEW_ARRAY(pass->scratch, uint32_t, limit + 1),
              .shifted = AICC_NEW_ARRAY(pass->scratch, uint32_t, limit + 1),
              .suited = AICC_NEW_ARRAY(pass->scratch, uint32_t, limit + 1),
              .replaced = AICC_NEW_ARRAY(pass->scratch, aicc_value *, limit + 1)};
  u.b = (aicc_builder){.module = module, .diags = pass->diags};
  count_results(&u, module->body);
  aicc_region_visit(module->body, count_node, &u);
  aicc_region_visit(module->body, count_cast, &u);
  aicc_region_visit(module->body, make_unsigned, &u);
  aicc_rewrite_init(&u.rewrite, module, pass->scratch);
  aicc_region_visit(module->body, widen_unsigned, &u);
  aicc_rewrite_finish(&u.rewrite);
  aicc_pass_report(pass, "unsign", "%zu tensors of bytes without a sign", u.count);
  return AICC_OK;
}
