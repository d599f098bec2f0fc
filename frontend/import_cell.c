// One step of RNN, GRU and LSTM.
#include <string.h>
#include <strings.h>

#include "frontend/import_recurrent.h"

// --- activations ---------------------------------------------------------------------------------

typedef aicc_value *(*activation_fn)(aicc_builder *b, aicc_value *x, double alpha, double beta);

static aicc_value *greater(aicc_builder *b, aicc_op op, aicc_value *x, double bound) {
  return x ? aicc_b_binary(b, op, x, aicc_b_scalar_like(b, x, bound)) : NULL;
}

static aicc_value *relu(aicc_builder *b, aicc_value *x, double alpha, double beta) {
  (void)alpha;
  (void)beta;
  return x ? aicc_max(b, x, aicc_b_scalar_like(b, x, 0)) : NULL;
}

static aicc_value *hyperbolic(aicc_builder *b, aicc_value *x, double alpha, double beta) {
  (void)alpha;
  (void)beta;
  return aicc_b_unary(b, AICC_OP_TANH, x);
}

static aicc_value *logistic(aicc_builder *b, aicc_value *x, double alpha, double beta) {
  (void)alpha;
  (void)beta;
  return aicc_b_unary(b, AICC_OP_SIGMOID, x);
}

static aicc_value *affine(aicc_builder *b, aicc_value *x, double alpha, double beta) {
  x = x ? aicc_mul_number(b, x, alpha) : NULL;
  return x ? aicc_add_number(b, x, beta) : NULL;
}

static aicc_value *leaky(aicc_builder *b, aicc_value *x, double alpha, double beta) {
  (void)beta;
  return x ? aicc_b_select(b, greater(b, AICC_OP_GE, x, 0), x, aicc_mul_number(b, x, alpha)) : NULL;
}

static aicc_value *thresholded(aicc_builder *b, aicc_value *x, double alpha, double beta) {
  (void)beta;
  return x ? aicc_b_select(b, greater(b, AICC_OP_GE, x, alpha), x, aicc_b_scalar_like(b, x, 0))
           : NULL;
}

static aicc_value *scaled_tanh(aicc_builder *b, aicc_value *x, double alpha, double beta) {
  x = x ? aicc_b_unary(b, AICC_OP_TANH, aicc_mul_number(b, x, beta)) : NULL;
  return x ? aicc_mul_number(b, x, alpha) : NULL;
}

static aicc_value *hard_sigmoid(aicc_builder *b, aicc_value *x, double alpha, double beta) {
  x = affine(b, x, alpha, beta);
  x = x ? aicc_max(b, x, aicc_b_scalar_like(b, x, 0)) : NULL;
  return x ? aicc_min(b, x, aicc_b_scalar_like(b, x, 1)) : NULL;
}

static aicc_value *elu(aicc_builder *b, aicc_value *x, double alpha, double beta) {
  (void)beta;
  aicc_value *below = aicc_b_unary(b, AICC_OP_EXPM1, x);
  return below ? aicc_b_select(b, greater(b, AICC_OP_GE, x, 0), x,
                               aicc_mul_number(b, below, alpha))
               : NULL;
}

static aicc_value *softsign(aicc_builder *b, aicc_value *x, double alpha, double beta) {
  (void)alpha;
  (void)beta;
  aicc_value *size = aicc_b_unary(b, AICC_OP_ABS, x);
  return size ? aicc_div(b, x, aicc_add_number(b, size, 1)) : NULL;
}

// max(x, 0) + log1p(exp(-|x|)) does not overflow.
static aicc_value *softplus(aicc_builder *b, aicc_value *x, double alpha, double beta) {
  aicc_value *size = aicc_b_unary(b, AICC_OP_NEG, aicc_b_unary(b, AICC_OP_ABS, x));
  aicc_value *rest = aicc_b_unary(b, AICC_OP_LOG1P, aicc_b_unary(b, AICC_OP_EXP, size));
  return aicc_add(b, relu(b, x, alpha, beta), rest);
}

// Parameters are consumed by those functions alone that have them.
static const struct {
  const char *name;
  bool has_alpha, has_beta;
  double alpha, beta;
  activation_fn build;
} functions[] = {
    {"Relu", false, false, 0, 0, relu},
    {"Tanh", false, false, 0, 0, hyperbolic},
    {"Sigmoid", false, false, 0, 0, logistic},
    {"Affine", true, true, 1, 0, affine},
    {"LeakyRelu", true, false, 0.01, 0, leaky},
    {"ThresholdedRelu", true, false, 1, 0, thresholded},
    {"ScaledTanh", true, true, 1, 1, scaled_tanh},
    {"HardSigmoid", true, true, 0.2, 0.5, hard_sigmoid},
    {"Elu", true, false, 1, 0, elu},
    {"Softsign", false, false, 0, 0, softsign},
    {"Softplus", false, false, 0, 0, softplus},
};

// Writers do not agree on the letters' case.
static int find_function(const char *name) {
  for (int i = 0; i < (int)(sizeof functions / sizeof functions[0]); i++) {
    if (strcasecmp(functions[i].name, name) == 0) {
      return i;
    }
  }
  return -1;
}

aicc_status aicc_cell_read_activations(aicc_cell *cell, const aicc_onnx_node *n) {
  static const char *const standard[] = {"Sigmoid", "Tanh", "Tanh"};
  const int each = cell->kind == AICC_CELL_LSTM ? 3 : cell->kind == AICC_CELL_GRU ? 2 : 1;
  int count, alphas, betas, alpha_at = 0, beta_at = 0;
  const char *const *names = aicc_onnx_strings(n, "activations", &count);
  const float *alpha = aicc_onnx_floats(n, "activation_alpha", &alphas);
  const float *beta = aicc_onnx_floats(n, "activation_beta", &betas);
  if (count && count != each * cell->directions) {
    return aicc_invalid(cell->im, n, "%d activations, %d are needed", count,
                        each * cell->directions);
  }
  for (int i = 0; i < each * cell->directions; i++) {
    const char *name = count ? names[i] : each == 1 ? "Tanh" : standard[i % each];
    const int f = find_function(name);
    if (f < 0) {
      return aicc_unsupported(cell->im, n, "activation %s", name);
    }
    aicc_activation *a = &cell->activations[i / each][i % each];
    *a = (aicc_activation){functions[f].name, functions[f].alpha, functions[f].beta};
    if (functions[f].has_alpha && alpha_at < alphas) {
      a->alpha = (double)alpha[alpha_at++];
    }
    if (functions[f].has_beta && beta_at < betas) {
      a->beta = (double)beta[beta_at++];
    }
  }
  return AICC_OK;
}

// --- parts ---------------------------------------------------------------------------------------

static aicc_value *apply(const aicc_cell *cell, const aicc_activation *a, aicc_value *x) {
  return functions[find_function(a->name)].build(&cell->im->b, x, a->alpha, a->beta);
}

static bool is_same(const aicc_activation *a, const aicc_activation *b) {
  return strcmp(a->name, b->name) == 0 && a->alpha == b->alpha && a->beta == b->beta;
}

// Activation |which|, of each direction its own. What the last one of LSTM takes, the cell state,
// is not clipped.
static aicc_value *activate(const aicc_cell *cell, int which, aicc_value *x) {
  aicc_builder *b = &cell->im->b;
  if (x && cell->clip > 0 && which < 2) {
    x = aicc_max(b, x, aicc_b_scalar_like(b, x, -cell->clip));
    x = x ? aicc_min(b, x, aicc_b_scalar_like(b, x, cell->clip)) : NULL;
  }
  const aicc_activation *forward = &cell->activations[0][which];
  const aicc_activation *backward = &cell->activations[1][which];
  if (!x || cell->directions == 1 || is_same(forward, backward)) {
    return apply(cell, forward, x);
  }
  const aicc_dim one = aicc_const_dim(cell->im, 1);
  aicc_value *const parts[] = {
      apply(cell, forward, aicc_b_slice(b, x, 0, aicc_const_dim(cell->im, 0), one, 1)),
      apply(cell, backward, aicc_b_slice(b, x, 0, one, one, 1))};
  return aicc_b_concat(b, parts, 2, 0);
}

// |count| gates from |gate| on.
static aicc_value *gates_of(const aicc_cell *cell, aicc_value *x, int gate, int count) {
  aicc_dims *dims = cell->im->dims;
  return x ? aicc_b_slice(&cell->im->b, x, x->type.rank - 1,
                          aicc_dim_mul(dims, cell->hidden, aicc_const_dim(cell->im, gate)),
                          aicc_dim_mul(dims, cell->hidden, aicc_const_dim(cell->im, count)), 1)
           : NULL;
}

// h times the transposed rows of |count| gates.
static aicc_value *recur(const aicc_cell *cell, aicc_value *h, int gate, int count) {
  aicc_dims *dims = cell->im->dims;
  aicc_value *weight = cell->recurrent;
  if (!weight) {  // an LSTM, which takes all gates at once
    const aicc_quantised x = aicc_quantise_dynamic(&cell->im->b, h, cell->directions - 1);
    const aicc_quantised *w = &cell->quantised;
    return aicc_scaled_product(&cell->im->b, x.y, x.zero, w->y, w->zero, x.scale, w->scale, NULL);
  }
  if (count != cell->gates) {
    weight = aicc_b_slice(&cell->im->b, weight, weight->type.rank - 2,
                          aicc_dim_mul(dims, cell->hidden, aicc_const_dim(cell->im, gate)),
                          aicc_dim_mul(dims, cell->hidden, aicc_const_dim(cell->im, count)), 1);
  }
  return aicc_matmul_trans(&cell->im->b, h, weight, false, true);
}

static aicc_value *one_minus(aicc_builder *b, aicc_value *x) {
  return x ? aicc_sub(b, aicc_b_scalar_like(b, x, 1), x) : NULL;
}

// --- cells ---------------------------------------------------------------------------------------

static aicc_value *gru_step(const aicc_cell *cell, aicc_value *x, aicc_value *h) {
  aicc_builder *b = &cell->im->b;
  const bool early = cell->linear_before_reset;
  aicc_value *all = recur(cell, h, 0, early ? 3 : 2);
  aicc_value *first = aicc_add(b, gates_of(cell, x, 0, 2), gates_of(cell, all, 0, 2));
  aicc_value *both = activate(cell, 0, first);
  aicc_value *z = gates_of(cell, both, 0, 1), *r = gates_of(cell, both, 1, 1);
  aicc_value *inner;
  if (early) {
    inner = gates_of(cell, all, 2, 1);
    inner = cell->hidden_bias ? aicc_add(b, inner, cell->hidden_bias) : inner;
    inner = aicc_mul(b, r, inner);
  } else {
    inner = recur(cell, aicc_mul(b, r, h), 2, 1);
  }
  aicc_value *fresh = activate(cell, 1, aicc_add(b, gates_of(cell, x, 2, 1), inner));
  return aicc_add(b, aicc_mul(b, one_minus(b, z), fresh), aicc_mul(b, z, h));
}

// Adds the part of the state that a gate sees through its peephole.
static aicc_value *peep(const aicc_cell *cell, aicc_value *gate, int which, aicc_value *c) {
  aicc_builder *b = &cell->im->b;
  aicc_value *p = cell->peephole[which];
  return p ? aicc_add(b, gate, aicc_mul(b, p, c)) : gate;
}

static aicc_value *lstm_step(const aicc_cell *cell, aicc_value *x, aicc_value *h, aicc_value *c,
                             aicc_value **next_c) {
  aicc_builder *b = &cell->im->b;
  aicc_value *all = aicc_add(b, x, recur(cell, h, 0, 4));
  aicc_value *i = activate(cell, 0, peep(cell, gates_of(cell, all, 0, 1), 0, c));
  aicc_value *f = cell->input_forget
                      ? one_minus(b, i)
                      : activate(cell, 0, peep(cell, gates_of(cell, all, 2, 1), 2, c));
  aicc_value *fresh = activate(cell, 1, gates_of(cell, all, 3, 1));
  aicc_value *state = aicc_add(b, aicc_mul(b, f, c), aicc_mul(b, i, fresh));
  aicc_value *o = activate(cell, 0, peep(cell, gates_of(cell, all, 1, 1), 1, state));
  *next_c = state;
  return aicc_mul(b, o, activate(cell, 2, state));
}

void aicc_cell_step(const aicc_cell *cell, aicc_value *x, aicc_value *h, aicc_value *c,
                    aicc_value **next_h, aicc_value **next_c) {
  *next_c = NULL;
  switch (cell->kind) {
    case AICC_CELL_RNN:
      *next_h = activate(cell, 0, aicc_add(&cell->im->b, x, recur(cell, h, 0, 1)));
      return;
    case AICC_CELL_GRU: *next_h = gru_step(cell, x, h); return;
    case AICC_CELL_LSTM: *next_h = lstm_step(cell, x, h, c, next_c); return;
  }
}
