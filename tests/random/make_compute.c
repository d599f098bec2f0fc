// Makers of operators that compute.
#include <string.h>

#include "random/generator.h"

static bool is_float(generator *g, const aicc_value *x) {
  (void)g;
  return aicc_dtype_is_float(x->type.dtype);
}
static bool is_int(generator *g, const aicc_value *x) {
  (void)g;
  return aicc_dtype_is_int(x->type.dtype);
}
static bool is_number(generator *g, const aicc_value *x) {
  (void)g;
  return rp_is_number(x);
}
static bool is_bool(generator *g, const aicc_value *x) {
  (void)g;
  return x->type.dtype == AICC_BOOL;
}
static bool is_exact_number(generator *g, const aicc_value *x) {
  return rp_is_number(x) && rp_is_exact(g, x);
}
static bool has_axes(generator *g, const aicc_value *x) {
  return is_number(g, x) && x->type.rank > 0;
}
static bool has_exact_axes(generator *g, const aicc_value *x) {
  return has_axes(g, x) && rp_is_exact(g, x);
}

#define ANY(g, list) (list)[rp_below(&(g)->r, (int64_t)(sizeof(list) / sizeof *(list)))]

// --- elementwise ---------------------------------------------------------------------------------

static aicc_value *make_unary(generator *g) {
  static const aicc_op ops[] = {
      AICC_OP_NEG,  AICC_OP_ABS,   AICC_OP_SIGN, AICC_OP_FLOOR, AICC_OP_CEIL, AICC_OP_ROUND,
      AICC_OP_TRUNC, AICC_OP_EXP,  AICC_OP_EXP,  AICC_OP_EXPM1, AICC_OP_SIN,  AICC_OP_COS,
      AICC_OP_TAN,  AICC_OP_ASIN,  AICC_OP_ACOS, AICC_OP_ATAN,  AICC_OP_SINH, AICC_OP_COSH,
      AICC_OP_TANH, AICC_OP_TANH,  AICC_OP_ASINH, AICC_OP_ATANH, AICC_OP_ERF, AICC_OP_SIGMOID,
      AICC_OP_SIGMOID, AICC_OP_ISNAN};
  aicc_value *x = rp_pick_type(g, is_float);
  const aicc_op op = ANY(g, ops);
  if (x && (op == AICC_OP_ASIN || op == AICC_OP_ACOS || op == AICC_OP_ATANH)) {
    x = aicc_b_binary(&g->b, AICC_OP_MUL, x, aicc_b_scalar_like(&g->b, x, 0.375));
  }
  return aicc_b_unary(&g->b, op, x);
}

// |x| + a half: where roots, logarithms and quotients are well behaved.
static aicc_value *positive(generator *g, aicc_value *x) {
  return aicc_b_binary(&g->b, AICC_OP_ADD, aicc_b_unary(&g->b, AICC_OP_ABS, x),
                       aicc_b_scalar_like(&g->b, x, rp_chance(&g->r, 50) ? 0.5 : 1.5));
}

static aicc_value *make_positive_unary(generator *g) {
  static const aicc_op ops[] = {AICC_OP_SQRT, AICC_OP_RSQRT, AICC_OP_RECIP, AICC_OP_LOG,
                                AICC_OP_LOG1P, AICC_OP_ACOSH};
  aicc_value *x = rp_pick_type(g, is_float);
  return x ? aicc_b_unary(&g->b, ANY(g, ops), positive(g, x)) : NULL;
}

static aicc_value *make_int_unary(generator *g) {
  static const aicc_op ops[] = {AICC_OP_NEG, AICC_OP_ABS, AICC_OP_SIGN, AICC_OP_BITNOT};
  return aicc_b_unary(&g->b, ANY(g, ops), rp_pick_type(g, is_int));
}

static aicc_value *in_some_order(generator *g, aicc_op op, aicc_value *x, aicc_value *y) {
  return rp_chance(&g->r, 50) ? aicc_b_binary(&g->b, op, x, y) : aicc_b_binary(&g->b, op, y, x);
}

static aicc_value *make_binary(generator *g) {
  static const aicc_op ops[] = {AICC_OP_ADD, AICC_OP_ADD, AICC_OP_SUB, AICC_OP_SUB,
                                AICC_OP_MUL, AICC_OP_MUL, AICC_OP_MUL, AICC_OP_MIN,
                                AICC_OP_MAX};
  aicc_value *x = rp_pick_type(g, is_number);
  return x ? in_some_order(g, ANY(g, ops), x, rp_partner(g, x)) : NULL;
}

static aicc_value *make_divide(generator *g) {
  aicc_value *x = rp_pick_type(g, is_float);
  if (!x) {
    return NULL;
  }
  aicc_value *y = rp_partner(g, x);
  if (rp_chance(&g->r, 50)) {
    return aicc_b_binary(&g->b, AICC_OP_DIV, x, positive(g, y));
  }
  static const double exponents[] = {2, 3, 0.5, -1, 1, 0, -0.5, 1.7};
  aicc_value *power = rp_chance(&g->r, 60) ? aicc_b_scalar_like(&g->b, x, ANY(g, exponents)) : y;
  return aicc_b_binary(&g->b, AICC_OP_POW, positive(g, x), power);
}

static aicc_value *make_exact_binary(generator *g) {
  static const aicc_op ops[] = {AICC_OP_MOD, AICC_OP_FMOD, AICC_OP_ATAN2};
  aicc_value *x = rp_pick_type(g, is_exact_number);
  if (!x) {
    return NULL;
  }
  const aicc_op op = ANY(g, ops);
  return op == AICC_OP_ATAN2 && !is_float(g, x) ? NULL : in_some_order(g, op, x, rp_partner(g, x));
}

static aicc_value *make_int_binary(generator *g) {
  static const aicc_op ops[] = {AICC_OP_ADD, AICC_OP_SUB, AICC_OP_MUL, AICC_OP_DIV, AICC_OP_DIV,
                                AICC_OP_MOD, AICC_OP_FMOD, AICC_OP_MIN, AICC_OP_MAX, AICC_OP_AND,
                                AICC_OP_OR,  AICC_OP_XOR,  AICC_OP_SHL, AICC_OP_SHR, AICC_OP_POW};
  aicc_value *x = rp_pick_type(g, is_int);
  if (!x) {
    return NULL;
  }
  const aicc_op op = ANY(g, ops);
  aicc_value *y = rp_partner(g, x);
  if (op == AICC_OP_SHL || op == AICC_OP_SHR || op == AICC_OP_POW) {
    y = aicc_b_unary(&g->b, AICC_OP_ABS, y);  // negative counts and exponents mean nothing
    y = aicc_b_binary(&g->b, AICC_OP_MIN, y, aicc_b_scalar_like(&g->b, x, 70));
    y = aicc_b_binary(&g->b, AICC_OP_MAX, y, aicc_b_scalar_like(&g->b, x, 0));
    return aicc_b_binary(&g->b, op, x, y);
  }
  return in_some_order(g, op, x, y);
}

static aicc_value *make_compare(generator *g) {
  static const aicc_op ops[] = {AICC_OP_EQ, AICC_OP_NE, AICC_OP_LT,
                                AICC_OP_LE, AICC_OP_GT, AICC_OP_GE};
  aicc_value *x = rp_pick_type(g, is_exact_number);
  return x ? in_some_order(g, ANY(g, ops), x, rp_partner(g, x)) : NULL;
}

static aicc_value *make_logic(generator *g) {
  static const aicc_op ops[] = {AICC_OP_AND, AICC_OP_OR, AICC_OP_XOR, AICC_OP_EQ, AICC_OP_NE};
  aicc_value *x = rp_pick_type(g, is_bool);
  if (!x || rp_chance(&g->r, 25)) {
    return aicc_b_unary(&g->b, AICC_OP_NOT, x);
  }
  return in_some_order(g, ANY(g, ops), x, rp_partner(g, x));
}

static aicc_value *make_select(generator *g) {
  aicc_value *x = rp_pick(g), *y = rp_partner(g, x);
  aicc_value *c = rp_chance(&g->r, 60) ? rp_pick_type(g, is_bool) : NULL;
  aicc_dim dims[AICC_MAX_RANK];
  int rank = 0;
  if (!c || !aicc_dims_broadcast(g->module, &x->type, &c->type, dims, &rank) ||
      !rp_small(g, dims, rank) || rp_has_symbols(g->module)) {
    c = rp_leaf(g, AICC_BOOL, x->type.dims, x->type.rank);
  }
  return rp_chance(&g->r, 50) ? aicc_b_select(&g->b, c, x, y) : aicc_b_select(&g->b, c, y, x);
}

static aicc_value *make_cast(generator *g) {
  aicc_value *x = rp_pick(g);
  static const aicc_dtype like[] = {AICC_I32, AICC_U32, AICC_I32};
  if (x->type.dtype == AICC_F32 && rp_is_exact(g, x) && rp_chance(&g->r, 10)) {
    aicc_node *node = aicc_node_create(g->module, AICC_OP_BITCAST, &x, 1, 1);
    aicc_set_dtype(g->module, node, AICC_ATTR_TO, ANY(g, like));
    return aicc_b_finish(&g->b, node);
  }
  return aicc_b_cast(&g->b, x, rp_some_dtype(g));
}

// --- along axes ----------------------------------------------------------------------------------

static aicc_value *make_reduce(generator *g) {
  static const aicc_op ops[] = {AICC_OP_REDUCE_SUM, AICC_OP_REDUCE_SUM, AICC_OP_REDUCE_PROD,
                                AICC_OP_REDUCE_MAX, AICC_OP_REDUCE_MIN};
  aicc_value *x = rp_pick_type(g, has_axes);
  int64_t axes[AICC_MAX_RANK];
  int count = 0;
  for (int i = 0; x && i < x->type.rank; i++) {
    if (rp_chance(&g->r, i + 1 == x->type.rank ? 60 : 40)) {
      axes[count++] = i;
    }
  }
  return aicc_b_reduce(&g->b, ANY(g, ops), x, axes, count, rp_chance(&g->r, 50));
}

static aicc_value *make_arg(generator *g) {
  aicc_value *x = rp_pick_type(g, has_exact_axes);
  int64_t least, most;
  const int axis = x ? (int)rp_below(&g->r, x->type.rank) : 0;
  if (!x || !rp_dim_range(g, x->type.dims[axis], &least, &most) || least == 0) {
    return NULL;
  }
  return aicc_b_arg(&g->b, rp_chance(&g->r, 50) ? AICC_OP_ARGMAX : AICC_OP_ARGMIN, x, axis,
                    rp_chance(&g->r, 50), rp_chance(&g->r, 50));
}

static aicc_value *make_cumulate(generator *g) {
  aicc_value *x = rp_pick_type(g, has_axes);
  if (!x) {
    return NULL;
  }
  aicc_node *node = aicc_node_create(g->module, AICC_OP_CUMULATE, &x, 1, 1);
  aicc_set_int(g->module, node, AICC_ATTR_AXIS, rp_below(&g->r, x->type.rank));
  aicc_set_string(g->module, node, AICC_ATTR_OP, rp_chance(&g->r, 70) ? "sum" : "prod");
  aicc_set_int(g->module, node, AICC_ATTR_EXCLUSIVE, rp_below(&g->r, 2));
  aicc_set_int(g->module, node, AICC_ATTR_REVERSE, rp_below(&g->r, 2));
  return aicc_b_finish(&g->b, node);
}

static aicc_value *make_topk(generator *g) {
  aicc_value *x = rp_pick_type(g, has_exact_axes);
  int64_t least, most;
  const int axis = x ? (int)rp_below(&g->r, x->type.rank) : 0;
  if (!x || !rp_dim_range(g, x->type.dims[axis], &least, &most)) {
    return NULL;
  }
  aicc_dim dims[AICC_MAX_RANK];
  memcpy(dims, x->type.dims, sizeof *dims * (size_t)x->type.rank);
  dims[axis] = gconst(g, rp_below(&g->r, least + 1));
  aicc_node *node = aicc_node_create(g->module, AICC_OP_TOPK, &x, 1, 2);
  aicc_set_int(g->module, node, AICC_ATTR_AXIS, axis);
  aicc_set_int(g->module, node, AICC_ATTR_LARGEST, rp_below(&g->r, 2));
  aicc_set_int(g->module, node, AICC_ATTR_SORTED, 1);
  node->out[0]->type = aicc_type_tensor(g->module, x->type.dtype, dims, x->type.rank);
  node->out[1]->type = aicc_type_tensor(g->module, AICC_I64, dims, x->type.rank);
  aicc_value *values = aicc_b_finish(&g->b, node);
  return values && rp_chance(&g->r, 50) ? node->out[1] : values;
}

static aicc_value *make_softmax(generator *g) {
  aicc_value *x = rp_pick_type(g, is_float);
  if (!x || x->type.rank == 0) {
    return NULL;
  }
  const int64_t axis = rp_chance(&g->r, 70) ? x->type.rank - 1 : rp_below(&g->r, x->type.rank);
  aicc_value *most = aicc_b_reduce(&g->b, AICC_OP_REDUCE_MAX, x, &axis, 1, true);
  aicc_value *e = aicc_b_unary(&g->b, AICC_OP_EXP, aicc_b_binary(&g->b, AICC_OP_SUB, x, most));
  return aicc_b_binary(&g->b, AICC_OP_DIV, e,
                       aicc_b_reduce(&g->b, AICC_OP_REDUCE_SUM, e, &axis, 1, true));
}

static aicc_value *make_norm(generator *g) {
  aicc_value *x = rp_pick_type(g, is_float);
  if (!x || x->type.rank == 0) {
    return NULL;
  }
  const int64_t axis = x->type.rank - 1;
  aicc_value *n = aicc_b_cast(&g->b, aicc_b_from_dim(&g->b, x->type.dims[axis]), x->type.dtype);
  n = aicc_b_binary(&g->b, AICC_OP_MAX, n, aicc_b_scalar_like(&g->b, n, 1));
  aicc_value *sum = aicc_b_reduce(&g->b, AICC_OP_REDUCE_SUM, x, &axis, 1, true);
  aicc_value *d = aicc_b_binary(&g->b, AICC_OP_SUB, x, aicc_b_binary(&g->b, AICC_OP_DIV, sum, n));
  aicc_value *square = aicc_b_binary(&g->b, AICC_OP_MUL, d, d);
  aicc_value *all = aicc_b_reduce(&g->b, AICC_OP_REDUCE_SUM, square, &axis, 1, true);
  aicc_value *variance =
      aicc_b_unary(&g->b, AICC_OP_ABS, aicc_b_binary(&g->b, AICC_OP_DIV, all, n));
  aicc_value *safe = aicc_b_binary(&g->b, AICC_OP_ADD, variance,
                                   aicc_b_scalar_like(&g->b, x, 0.25));
  return aicc_b_binary(&g->b, AICC_OP_MUL, d, aicc_b_unary(&g->b, AICC_OP_RSQRT, safe));
}

// --- contractions --------------------------------------------------------------------------------

static bool is_matrix(generator *g, const aicc_value *x) {
  const aicc_dtype t = x->type.dtype;
  (void)g;
  return x->type.rank >= 2 && x->type.rank <= 4 &&
         (aicc_dtype_is_float(t) || t == AICC_I32 || t == AICC_I64);
}

static aicc_value *make_matmul(generator *g) {
  aicc_value *x = rp_pick_type(g, is_matrix);
  if (!x) {
    return NULL;
  }
  const bool left = rp_chance(&g->r, 75), trans_a = rp_chance(&g->r, 15);
  const bool trans_b = rp_chance(&g->r, 25), trans_x = left ? trans_a : trans_b;
  const aicc_dim inner = x->type.dims[x->type.rank - (left != trans_x ? 1 : 2)];
  aicc_dim dims[AICC_MAX_RANK];
  const int batch = rp_chance(&g->r, 50) ? 0 : x->type.rank - 2;
  for (int i = 0; i < batch; i++) {
    dims[i] = rp_chance(&g->r, 25) ? gconst(g, 1) : x->type.dims[x->type.rank - 2 - batch + i];
  }
  const bool inner_first = left ? !trans_b : trans_a;
  const aicc_dim outer = gconst(g, rp_some_extent(g));
  dims[batch] = inner_first ? inner : outer;
  dims[batch + 1] = inner_first ? outer : inner;
  aicc_value *y = rp_leaf(g, x->type.dtype, dims, batch + 2);
  aicc_value *const in[] = {left ? x : y, left ? y : x};
  aicc_node *node = aicc_node_create(g->module, AICC_OP_MATMUL, in, 2, 1);
  if (trans_a || trans_b) {
    aicc_set_int(g->module, node, AICC_ATTR_TRANS_A, trans_a);
    aicc_set_int(g->module, node, AICC_ATTR_TRANS_B, trans_b);
  }
  return aicc_b_finish(&g->b, node);
}

typedef struct filter {
  int spatial;
  int64_t kernel[4], strides[4], dilations[4], low[4], high[4];
  aicc_dim pads[4], out[4];
} filter;

// Sizes of a window over |x|'s last dimensions that has a place in every run; false: none.
static bool some_filter(generator *g, const aicc_value *x, int spatial, bool transposed,
                        filter *f) {
  *f = (filter){.spatial = spatial};
  for (int i = 0; i < spatial; i++) {
    const aicc_dim dim = x->type.dims[x->type.rank - spatial + i];
    int64_t least, most;
    f->kernel[i] = 1 + rp_below(&g->r, rp_chance(&g->r, 20) ? 5 : 3);
    f->strides[i] = rp_chance(&g->r, 60) ? 1 : 1 + rp_below(&g->r, 3);
    f->dilations[i] = rp_chance(&g->r, 75) ? 1 : 2;
    f->low[i] = rp_below(&g->r, f->kernel[i]);
    f->high[i] = rp_below(&g->r, f->kernel[i]);
    const int64_t reach = (f->kernel[i] - 1) * f->dilations[i];
    f->pads[i] = gconst(g, f->low[i]);
    if (!rp_dim_range(g, dim, &least, &most) || least < 1) {
      return false;
    }
    const aicc_dim stride = gconst(g, f->strides[i]);
    if (transposed) {
      const aicc_dim steps = aicc_dim_mul(gd(g), aicc_dim_sub(gd(g), dim, gconst(g, 1)), stride);
      f->out[i] = aicc_dim_add(gd(g), steps, gconst(g, reach + 1 - f->low[i] - f->high[i]));
      if ((least - 1) * f->strides[i] + reach + 1 - f->low[i] - f->high[i] < 1) {
        return false;
      }
      continue;
    }
    if (least + f->low[i] + f->high[i] < reach + 1) {
      return false;
    }
    const aicc_dim span = aicc_dim_add(gd(g), dim, gconst(g, f->low[i] + f->high[i] - reach - 1));
    f->out[i] = aicc_dim_add(gd(g), aicc_dim_floordiv(gd(g), span, stride), gconst(g, 1));
  }
  return true;
}

static bool is_image(generator *g, const aicc_value *x) {
  int64_t channels = 0;
  return is_float(g, x) && x->type.rank >= 3 && x->type.rank <= 5 &&
         aicc_dim_is_const(g->module->dims, x->type.dims[1], &channels) && channels > 0;
}

static aicc_value *image(generator *g) {
  aicc_value *x = rp_pick_type(g, is_image);
  if (x && rp_chance(&g->r, 70)) {
    return x;
  }
  const int spatial = rp_chance(&g->r, 60) ? 2 : rp_chance(&g->r, 70) ? 1 : 3;
  static const int64_t channels[] = {1, 2, 3, 4, 6, 8, 16, 17};
  aicc_dim dims[AICC_MAX_RANK] = {gconst(g, 1 + rp_below(&g->r, 2)), gconst(g, ANY(g, channels))};
  for (int i = 0; i < spatial; i++) {
    dims[2 + i] = g->symbolic && rp_chance(&g->r, 30) ? aicc_dim_symbol(gd(g), "N")
                                                      : gconst(g, 1 + rp_below(&g->r, 9));
  }
  return rp_small(g, dims, 2 + spatial) && g->module->body->param_count < 10
             ? rp_param(g, rp_some_float(g), dims, 2 + spatial)
             : NULL;
}

static int64_t some_groups(generator *g, int64_t channels) {
  const int64_t few = 1 + rp_below(&g->r, 4);
  return rp_chance(&g->r, 50) ? 1 : rp_chance(&g->r, 50) ? channels
                                : channels % few == 0     ? few
                                                          : 1;
}

static aicc_value *finish_conv(generator *g, aicc_op op, aicc_value *x, const filter *f,
                               int64_t groups, int64_t channels, int64_t result_channels) {
  aicc_dim w_dims[AICC_MAX_RANK], dims[AICC_MAX_RANK];
  const bool transposed = op == AICC_OP_CONV_TRANSPOSE;
  w_dims[0] = gconst(g, transposed ? channels : result_channels);
  w_dims[1] = gconst(g, (transposed ? result_channels : channels) / groups);
  dims[0] = x->type.dims[0];
  dims[1] = gconst(g, result_channels);
  for (int i = 0; i < f->spatial; i++) {
    w_dims[2 + i] = gconst(g, f->kernel[i]);
    dims[2 + i] = f->out[i];
  }
  const int rank = 2 + f->spatial;
  if (!rp_small(g, w_dims, rank) || !rp_small(g, dims, rank)) {
    return NULL;
  }
  int64_t shape[AICC_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    aicc_dim_is_const(gd(g), w_dims[i], &shape[i]);
  }
  // nan in weights meets padding: the oracle leaves padding out, a kernel multiplies it.
  const bool constant = g->module->name[0] == 'n' || rp_chance(&g->r, 70);
  const aicc_dtype t = x->type.dtype;
  aicc_value *w = constant ? rp_constant(g, t, shape, rank) : rp_leaf(g, t, w_dims, rank);
  aicc_value *bias = rp_chance(&g->r, 50) ? rp_leaf(g, t, dims + 1, 1) : NULL;
  aicc_value *const in[] = {x, w, bias};
  aicc_node *node = aicc_node_create(g->module, op, in, bias ? 3 : 2, 1);
  node->out[0]->type = aicc_type_tensor(g->module, t, dims, rank);
  aicc_set_ints(g->module, node, AICC_ATTR_STRIDES, f->strides, f->spatial);
  aicc_set_ints(g->module, node, AICC_ATTR_DILATIONS, f->dilations, f->spatial);
  aicc_set_dims(g->module, node, AICC_ATTR_PADS, f->pads, f->spatial);
  aicc_set_int(g->module, node, AICC_ATTR_GROUP, groups);
  return aicc_b_finish(&g->b, node);
}

static aicc_value *make_conv(generator *g) {
  aicc_value *x = image(g);
  int64_t channels = 0;
  filter f;
  if (!x || !aicc_dim_is_const(gd(g), x->type.dims[1], &channels)) {
    return NULL;
  }
  const bool transposed = rp_chance(&g->r, 20);
  if (!some_filter(g, x, x->type.rank - 2, transposed, &f)) {
    return NULL;
  }
  const int64_t groups = some_groups(g, channels);
  const int64_t result = groups * (1 + rp_below(&g->r, groups > 4 ? 2 : 9));
  return finish_conv(g, transposed ? AICC_OP_CONV_TRANSPOSE : AICC_OP_CONV, x, &f, groups,
                     channels, result);
}

// A window, and often the pooling over it.
static aicc_value *make_window(generator *g) {
  aicc_value *x = rp_pick_type(g, has_axes);
  filter f;
  if (!x) {
    return NULL;
  }
  int spatial = 1 + (int)rp_below(&g->r, x->type.rank < 3 ? x->type.rank : 3);
  if (x->type.rank + spatial > 7 || !some_filter(g, x, spatial, false, &f)) {
    return NULL;
  }
  aicc_value *fill = aicc_b_scalar_like(&g->b, x, rp_chance(&g->r, 50) ? 0 : 1);
  aicc_value *w = aicc_b_window(&g->b, x, fill, spatial, f.kernel, f.strides, f.dilations, f.pads,
                                f.out);
  if (!w || !rp_small(g, w->type.dims, w->type.rank) || rp_chance(&g->r, 20)) {
    return w;
  }
  int64_t axes[AICC_MAX_RANK];
  for (int i = 0; i < spatial; i++) {
    axes[i] = w->type.rank - spatial + i;
  }
  return aicc_b_reduce(&g->b, rp_chance(&g->r, 50) ? AICC_OP_REDUCE_MAX : AICC_OP_REDUCE_SUM, w,
                       axes, spatial, false);
}

// --- scatters and counts -------------------------------------------------------------------------

static aicc_value *make_scatter(generator *g) {
  static const char *const reductions[] = {"none", "add", "mul", "min", "max"};
  aicc_value *x = rp_pick_type(g, has_axes);
  if (!x) {
    return NULL;
  }
  const int axis = (int)rp_below(&g->r, x->type.rank);
  aicc_dim dims[AICC_MAX_RANK];
  memcpy(dims, x->type.dims, sizeof *dims * (size_t)x->type.rank);
  const char *reduction = ANY(g, reductions);
  const bool whole = reduction[0] == 'n';
  dims[axis] = whole ? dims[axis] : gconst(g, 1 + rp_below(&g->r, 4));
  // Without a reduction no place may be written twice: the indices are a reversal.
  aicc_value *indices =
      whole ? aicc_b_unary(&g->b, AICC_OP_BITNOT,
                           aicc_b_iota(&g->b, AICC_I64, dims, x->type.rank, axis))
            : rp_indices(g, dims, x->type.rank, x->type.dims[axis]);
  aicc_value *updates = rp_leaf(g, x->type.dtype, dims, x->type.rank);
  if (!indices || !updates) {
    return NULL;
  }
  aicc_value *const in[] = {x, indices, updates};
  aicc_node *node = aicc_node_create(g->module, AICC_OP_SCATTER_ELEMENTS, in, 3, 1);
  aicc_set_int(g->module, node, AICC_ATTR_AXIS, axis);
  aicc_set_string(g->module, node, AICC_ATTR_REDUCTION, reduction);
  return aicc_b_finish(&g->b, node);
}

static aicc_value *make_scatter_nd(generator *g) {
  static const char *const reductions[] = {"add", "mul", "min", "max"};
  aicc_value *x = rp_pick_type(g, has_axes);
  if (!x) {
    return NULL;
  }
  // Rows of the first axis.
  aicc_dim dims[AICC_MAX_RANK] = {gconst(g, 1 + rp_below(&g->r, 4)), gconst(g, 1)};
  aicc_value *indices = rp_indices(g, dims, 2, x->type.dims[0]);
  for (int i = 1; i < x->type.rank; i++) {
    dims[i] = x->type.dims[i];
  }
  aicc_value *updates = rp_leaf(g, x->type.dtype, dims, x->type.rank);
  if (!indices || !updates) {
    return NULL;
  }
  aicc_value *const in[] = {x, indices, updates};
  aicc_node *node = aicc_node_create(g->module, AICC_OP_SCATTER_ND, in, 3, 1);
  aicc_set_string(g->module, node, AICC_ATTR_REDUCTION, ANY(g, reductions));
  return aicc_b_finish(&g->b, node);
}

static aicc_value *make_count(generator *g) {
  aicc_value *x = rp_pick(g);
  return rp_is_exact(g, x) ? aicc_b_unary(&g->b, AICC_OP_COUNT_NONZERO, x) : NULL;
}

const rp_maker rp_compute_makers[] = {
    make_unary,    make_unary,    make_unary,        make_positive_unary, make_int_unary,
    make_binary,   make_binary,   make_binary,       make_binary,         make_divide,
    make_int_binary, make_int_binary, make_exact_binary, make_compare,    make_logic,
    make_select,   make_select,   make_cast,         make_cast,           make_reduce,
    make_reduce,   make_reduce,   make_arg,          make_cumulate,       make_topk,
    make_softmax,  make_norm,     make_matmul,       make_matmul,         make_matmul,
    make_conv,     make_conv,     make_window,       make_scatter,        make_scatter_nd,
    make_count,
};
const int rp_compute_maker_count = sizeof rp_compute_makers / sizeof *rp_compute_makers;
