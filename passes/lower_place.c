// Where elements lie: values that are only looked at through views, and which of their elements are
// neighbours in memory, so that kernels move them several at a time.
#include "passes/lower.h"

// Whether |value| is memory behind views alone.
static bool is_view_of_memory(const lower_kernel *lk, const aicc_value *value) {
  const aicc_node *def = value->def;
  while (def && def->parent == lk->group) {
    if (def->op != AICC_OP_TRANSPOSE && def->op != AICC_OP_RESHAPE && def->op != AICC_OP_SLICE &&
        def->op != AICC_OP_BROADCAST) {
      return false;
    }
    value = def->in[0];
    def = value->def;
  }
  return !def || def->op != AICC_OP_FROM_DIMS;
}

bool lk_find(lower_kernel *lk, const aicc_value *value, const kir_val *index, lk_place *out) {
  *out = (lk_place){0};
  if (!is_view_of_memory(lk, value)) {
    return false;
  }
  lk->seek = out;
  lk_elem(lk, value, index);
  lk->seek = NULL;
  return out->buffer != 0;  // a single constant has no place
}

// --- neighbours ----------------------------------------------------------------------------------

// |factor| * var + a multiple of |multiple| (0: nothing else).
typedef struct form {
  bool known;
  int64_t factor, multiple;
} form;

enum { BOUND = 1 << 20 };  // multiples beyond it say no more: products stay in range

static int64_t gcd(int64_t x, int64_t y) {
  while (y != 0) {
    const int64_t rest = x % y;
    x = y;
    y = rest;
  }
  return x;
}

// Reduced to its power of two.
static int64_t bounded(int64_t x) {
  x = x < 0 ? -x : x;
  return x > BOUND ? gcd(x, BOUND) : x;
}

static form form_of(const lower_kernel *lk, kir_val v, kir_val var, int depth);

static form form_of_product(form x, form y) {
  const bool plain = x.factor == 0 && y.factor == 0;
  return (form){x.known && y.known && plain, 0, bounded(x.multiple * y.multiple)};
}

static form scaled(form x, int64_t by) {
  const bool small = by > -BOUND && by < BOUND && x.factor > -BOUND && x.factor < BOUND;
  return (form){x.known && (small || x.factor == 0), small ? x.factor * by : 0,
                bounded(x.multiple * bounded(by))};
}

static bool uses(const lower_kernel *lk, kir_val v, kir_val var, int depth) {
  const kir_inst *def = lk->kernel->values[v].def;
  if (v == var || depth == 0) {
    return true;
  }
  for (int i = 0; def && i < def->arg_count; i++) {
    if (uses(lk, def->args[i], var, depth - 1)) {
      return true;
    }
  }
  return false;
}

static form form_of_scalar(const lower_kernel *lk, const kir_inst *def, kir_val var, int depth) {
  const form x = form_of(lk, def->args[0], var, depth - 1);
  const form y = form_of(lk, def->args[1], var, depth - 1);
  int64_t number;
  if (def->scalar_op == AICC_OP_MUL) {
    return kir_is_const_i64(&lk->b, def->args[1], &number)   ? scaled(x, number)
           : kir_is_const_i64(&lk->b, def->args[0], &number) ? scaled(y, number)
                                                             : form_of_product(x, y);
  }
  const int64_t sign = def->scalar_op == AICC_OP_ADD ? 1 : -1;
  return (form){x.known && y.known, x.factor + sign * y.factor, gcd(x.multiple, y.multiple)};
}

static form form_of(const lower_kernel *lk, kir_val v, kir_val var, int depth) {
  enum { USES_DEPTH = 12 };
  int64_t number;
  const kir_inst *def = lk->kernel->values[v].def;
  if (v == var) {
    return (form){true, 1, 0};
  }
  if (kir_is_const_i64(&lk->b, v, &number)) {
    return (form){true, 0, bounded(number)};
  }
  if (depth > 0 && def && def->op == KIR_SCALAR &&
      (def->scalar_op == AICC_OP_ADD || def->scalar_op == AICC_OP_SUB ||
       def->scalar_op == AICC_OP_MUL)) {
    return form_of_scalar(lk, def, var, depth);
  }
  return (form){!uses(lk, v, var, USES_DEPTH), 0, 1};
}

int lk_neighbours(const lower_kernel *lk, kir_val linear, kir_val var, int most) {
  enum { DEPTH = 24 };
  const form f = form_of(lk, linear, var, DEPTH);
  int count = 1;
  while (f.known && f.factor == 1 && count < most && f.multiple % (2 * count) == 0) {
    count *= 2;
  }
  return count;
}
