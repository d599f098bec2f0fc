// Intervals and rounding errors, carried through a graph. Infinities of inputs are not in them.
#include <math.h>
#include <string.h>

#include "random/program.h"

static const double endless = (double)INFINITY;

double rp_magnitude(rp_bound b) { return fmax(fabs(b.lo), fabs(b.hi)); }

// A generous unit of rounding: two last places of math functions, or a 16-bit float that one way
// keeps in f32.
static double unit(aicc_dtype t) {
  switch (t) {
    case AICC_F64: return 4e-15;
    case AICC_F32: return 6e-7;
    case AICC_F16: return 1.5e-3;
    case AICC_BF16: return 1.2e-2;
    default: return 0;
  }
}

static double least(aicc_dtype t) { return t == AICC_F16 ? 1e-6 : t == AICC_F64 ? 0 : 1e-37; }

static rp_bound rounded(rp_bound b, aicc_dtype t) {
  if (aicc_dtype_is_float(t)) {
    b.err += unit(t) * rp_magnitude(b) + least(t);
  }
  return b;
}

static rp_bound whole_type(aicc_dtype t) {
  const int bits = aicc_dtype_table[t].bits;
  if (t == AICC_BOOL) {
    return (rp_bound){0, 1, 0};
  }
  return aicc_dtype_kind_of(t) == AICC_KIND_SIGNED
             ? (rp_bound){-ldexp(1, bits - 1), ldexp(1, bits - 1), 0}
             : (rp_bound){0, ldexp(1, bits), 0};
}

// Integers wrap: what may leave the type may be anything.
static rp_bound fit(rp_bound b, aicc_dtype t) {
  if (aicc_dtype_is_float(t)) {
    return b;
  }
  const rp_bound all = whole_type(t);
  b.err = 0;
  return b.lo >= all.lo && b.hi < all.hi + (t == AICC_BOOL) ? b : all;
}

static rp_bound nowhere(void) { return (rp_bound){-endless, endless, endless}; }

static rp_bound bound_of_data(aicc_dtype t, bool wild) {
  if (aicc_dtype_is_float(t)) {
    return (rp_bound){-2, 2.01, 0};
  }
  if (t == AICC_BOOL || wild) {
    return whole_type(t);
  }
  return aicc_dtype_kind_of(t) == AICC_KIND_SIGNED ? (rp_bound){-11, 11, 0} : (rp_bound){0, 11, 0};
}

rp_bound rp_bound_param(const aicc_value *param) {
  return bound_of_data(param->type.dtype, rp_is_wild(param));
}

// --- one operand ---------------------------------------------------------------------------------

// |slope| bounds the derivative where the operand may be.
static rp_bound smooth(rp_bound x, double lo, double hi, double slope, aicc_dtype t) {
  const double err = x.err == 0 ? 0 : slope * x.err;
  return rounded((rp_bound){lo, hi, err}, t);
}

static rp_bound step_function(rp_bound x, double lo, double hi) {
  return (rp_bound){lo, hi, x.err == 0 ? 0 : endless};
}

static rp_bound unary_trig(aicc_op op, rp_bound x, aicc_dtype t) {
  const double m = rp_magnitude(x) + x.err;
  switch (op) {
    case AICC_OP_SIN:
    case AICC_OP_COS: return m < 1e4 ? smooth(x, -1, 1, 1, t) : nowhere();
    case AICC_OP_TAN:
      return m < 1.4 ? smooth(x, -tan(m), tan(m), 1 / (cos(m) * cos(m)), t) : nowhere();
    case AICC_OP_ASIN:
    case AICC_OP_ACOS:
      return m < 0.98 || (m <= 1 && x.err == 0) ? smooth(x, -1.6, 3.2, 6, t) : nowhere();
    case AICC_OP_ATAN: return smooth(x, -1.6, 1.6, 1, t);
    case AICC_OP_SINH: return smooth(x, -sinh(m), sinh(m), cosh(m), t);
    case AICC_OP_COSH: return smooth(x, 1, cosh(m), cosh(m), t);
    case AICC_OP_TANH: return smooth(x, -1, 1, 1, t);
    case AICC_OP_ASINH: return smooth(x, -asinh(m), asinh(m), 1, t);
    case AICC_OP_ACOSH: return x.lo - x.err > 1.1 ? smooth(x, 0, acosh(m), 3, t) : nowhere();
    case AICC_OP_ATANH:
      return m < 0.9 ? smooth(x, -atanh(m), atanh(m), 1 / (1 - m * m), t) : nowhere();
    default: return nowhere();
  }
}

static rp_bound unary_smooth(aicc_op op, rp_bound x, aicc_dtype t) {
  const double lo = x.lo - x.err, hi = x.hi + x.err;
  switch (op) {
    case AICC_OP_EXP: return smooth(x, exp(lo), exp(hi), exp(hi), t);
    case AICC_OP_EXPM1: return smooth(x, expm1(lo), expm1(hi), exp(hi), t);
    case AICC_OP_LOG: return lo > 0 ? smooth(x, log(lo), log(hi), 1 / lo, t) : nowhere();
    case AICC_OP_LOG1P: return lo > -1 ? smooth(x, log1p(lo), log1p(hi), 1 / (1 + lo), t)
                                       : nowhere();
    case AICC_OP_SQRT:
      return lo > 0 || (lo == 0 && x.err == 0) ? smooth(x, sqrt(lo), sqrt(hi), 0.5 / sqrt(lo), t)
                                               : nowhere();
    case AICC_OP_RSQRT:
      return lo > 0 ? smooth(x, 1 / sqrt(hi), 1 / sqrt(lo), 0.5 / (lo * sqrt(lo)), t) : nowhere();
    case AICC_OP_RECIP:
      return lo > 0 || hi < 0 ? smooth(x, fmin(1 / lo, 1 / hi), fmax(1 / lo, 1 / hi),
                                       1 / fmin(lo * lo, hi * hi), t)
                              : nowhere();
    case AICC_OP_ERF: return smooth(x, -1, 1, 1.13, t);
    case AICC_OP_SIGMOID: return smooth(x, 1 / (1 + exp(-lo)), 1 / (1 + exp(-hi)), 0.25, t);
    default: return unary_trig(op, x, t);
  }
}

static rp_bound unary(aicc_op op, rp_bound x, aicc_dtype t) {
  const double m = rp_magnitude(x);
  switch (op) {
    case AICC_OP_NEG: return fit((rp_bound){-x.hi, -x.lo, x.err}, t);
    case AICC_OP_ABS: return fit((rp_bound){x.lo > 0 ? x.lo : 0, m, x.err}, t);
    case AICC_OP_SIGN: return step_function(x, -1, 1);
    case AICC_OP_FLOOR:
    case AICC_OP_CEIL:
    case AICC_OP_ROUND:
    case AICC_OP_TRUNC: return step_function(x, floor(x.lo), ceil(x.hi));
    case AICC_OP_NOT:
    case AICC_OP_BITNOT: return whole_type(t);
    case AICC_OP_ISNAN: return (rp_bound){0, 1, 0};
    default: return unary_smooth(op, x, t);
  }
}

static rp_bound cast(rp_bound x, aicc_dtype from, aicc_dtype to) {
  const rp_bound all = aicc_dtype_is_float(to) ? nowhere() : whole_type(to);
  if (!aicc_dtype_is_float(to)) {
    if (!aicc_dtype_is_float(from)) {
      return fit(x, to);
    }
    const bool inside = x.lo > all.lo && x.hi < all.hi;
    return x.err != 0 || !inside ? (rp_bound){all.lo, all.hi, endless} : x;
  }
  const bool small_ints = !aicc_dtype_is_float(from) && rp_magnitude(x) <= 128;
  return small_ints || from == to ? x : rounded(x, to);
}

// --- two operands --------------------------------------------------------------------------------

static rp_bound times(rp_bound a, rp_bound b) {
  const double p[] = {a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi};
  return (rp_bound){fmin(fmin(p[0], p[1]), fmin(p[2], p[3])),
                    fmax(fmax(p[0], p[1]), fmax(p[2], p[3])),
                    rp_magnitude(a) * b.err + rp_magnitude(b) * a.err + a.err * b.err};
}

static rp_bound power(rp_bound a, rp_bound b, aicc_dtype t) {
  const double lo = a.lo - a.err;
  if (!aicc_dtype_is_float(t)) {
    return whole_type(t);
  }
  if (lo <= 0) {
    const bool square = b.lo == b.hi && b.err == 0 && b.lo == 2;
    return square ? rounded(times(a, a), t) : nowhere();
  }
  const double x[] = {lo, a.hi + a.err}, y[] = {b.lo - b.err, b.hi + b.err};
  double least_power = endless, most = 0, slope = 0;
  for (int i = 0; i < 4; i++) {
    const double p = pow(x[i / 2], y[i % 2]);
    least_power = fmin(least_power, p);
    most = fmax(most, p);
    slope = fmax(slope, fabs(y[i % 2] * pow(x[i / 2], y[i % 2] - 1)));
  }
  const double along = most * fmax(fabs(log(x[0])), fabs(log(x[1])));
  return rounded((rp_bound){least_power, most, slope * a.err + along * b.err}, t);
}

static rp_bound divide(rp_bound a, rp_bound b, aicc_dtype t) {
  if (!aicc_dtype_is_float(t)) {
    const double m = rp_magnitude(a);
    return fit((rp_bound){-m, m, 0}, t);
  }
  const double near = b.lo - b.err > 0 ? b.lo - b.err : b.hi + b.err < 0 ? -(b.hi + b.err) : 0;
  if (near == 0) {
    return nowhere();
  }
  const double m = rp_magnitude(a) / near;
  const bool positive = a.lo >= 0 && b.lo > 0;
  const double low = positive ? a.lo / b.hi : -m;
  return rounded((rp_bound){low, m, (a.err + m * b.err) / near}, t);
}

static rp_bound binary(aicc_op op, rp_bound a, rp_bound b, aicc_dtype t) {
  const double worse = fmax(a.err, b.err), m = rp_magnitude(b);
  switch (op) {
    case AICC_OP_ADD:
      return fit(rounded((rp_bound){a.lo + b.lo, a.hi + b.hi, a.err + b.err}, t), t);
    case AICC_OP_SUB:
      return fit(rounded((rp_bound){a.lo - b.hi, a.hi - b.lo, a.err + b.err}, t), t);
    case AICC_OP_MUL: return fit(rounded(times(a, b), t), t);
    case AICC_OP_DIV: return divide(a, b, t);
    case AICC_OP_MIN: return (rp_bound){fmin(a.lo, b.lo), fmin(a.hi, b.hi), worse};
    case AICC_OP_MAX: return (rp_bound){fmax(a.lo, b.lo), fmax(a.hi, b.hi), worse};
    case AICC_OP_POW: return power(a, b, t);
    case AICC_OP_MOD:
    case AICC_OP_FMOD:
      return worse == 0 ? fit(rounded((rp_bound){-m, m, 0}, t), t) : nowhere();
    case AICC_OP_ATAN2: return worse == 0 ? rounded((rp_bound){-3.2, 3.2, 0}, t) : nowhere();
    case AICC_OP_EQ:
    case AICC_OP_NE:
    case AICC_OP_LT:
    case AICC_OP_LE:
    case AICC_OP_GT:
    case AICC_OP_GE: return (rp_bound){0, 1, worse == 0 ? 0 : endless};
    default: return whole_type(t);
  }
}

static rp_bound joined(rp_bound a, rp_bound b) {
  return (rp_bound){fmin(a.lo, b.lo), fmax(a.hi, b.hi), fmax(a.err, b.err)};
}

// --- many elements -------------------------------------------------------------------------------

static double most_value(const aicc_module *module, aicc_dim dim) {
  double most = 0;
  for (int i = 0; i < RP_RUNS; i++) {
    const rp_run run = rp_run_of(module, i);
    int64_t value = 0;
    most = rp_dim_value(&run, dim, &value) && (double)value > most ? (double)value : most;
  }
  return most;
}

static double least_value(const aicc_module *module, aicc_dim dim) {
  double found = 1e9;
  for (int i = 0; i < RP_RUNS; i++) {
    const rp_run run = rp_run_of(module, i);
    int64_t value = 0;
    found = rp_dim_value(&run, dim, &value) && (double)value < found ? (double)value : found;
  }
  return found;
}

static double elements(const aicc_module *module, const aicc_type *type) {
  double count = 1;
  for (int d = 0; d < type->rank; d++) {
    count *= most_value(module, type->dims[d]);
  }
  return count;
}

static rp_bound sum_of(rp_bound x, double fewest, double most, aicc_dtype t) {
  rp_bound b = {x.lo * (x.lo < 0 ? most : fewest), x.hi * (x.hi > 0 ? most : fewest),
                most * x.err};
  b.err += most * unit(t) * most * rp_magnitude(x) / fmax(1, most);
  return fit(rounded(b, t), t);
}

static rp_bound product_of(rp_bound x, double most, aicc_dtype t) {
  if (!aicc_dtype_is_float(t)) {
    return whole_type(t);
  }
  const double m = fmax(1, rp_magnitude(x) + x.err), p = pow(m, most);
  return rounded((rp_bound){-p, p, most * p * (x.err + unit(t))}, t);
}

static rp_bound reduce(const aicc_module *module, const aicc_node *node, rp_bound x) {
  const aicc_type *type = &node->in[0]->type;
  int count = 0;
  const int64_t *axes = aicc_get_ints(node, AICC_ATTR_AXES, &count);
  double fewest = 1, most = 1;
  for (int i = 0; i < count; i++) {
    fewest *= least_value(module, type->dims[axes[i]]);
    most *= most_value(module, type->dims[axes[i]]);
  }
  switch (node->op) {
    case AICC_OP_REDUCE_SUM: return sum_of(x, fewest, most, type->dtype);
    case AICC_OP_REDUCE_PROD: return product_of(x, most, type->dtype);
    default:
      if (fewest == 0) {
        return aicc_dtype_is_float(type->dtype) ? (rp_bound){-endless, endless, x.err}
                                                : whole_type(type->dtype);
      }
      return x;
  }
}

static rp_bound contract(rp_bound a, rp_bound b, double terms, aicc_dtype t) {
  const rp_bound one = times(a, b);
  return sum_of(one, 0, terms, t);
}

static double terms_of(const aicc_module *module, const aicc_node *node) {
  const aicc_type *x = &node->in[0]->type, *w = &node->in[1]->type;
  if (node->op == AICC_OP_MATMUL) {
    const bool trans = aicc_get_int(node, AICC_ATTR_TRANS_A, 0) != 0;
    return most_value(module, x->dims[x->rank - (trans ? 2 : 1)]);
  }
  double count = most_value(module, w->dims[node->op == AICC_OP_CONV ? 1 : 0]);
  for (int d = 2; d < w->rank; d++) {
    count *= most_value(module, w->dims[d]);
  }
  return count;
}

static rp_bound scatter(const aicc_module *module, const aicc_node *node, rp_bound x, rp_bound u) {
  const double count = elements(module, &node->in[2]->type);
  const aicc_dtype t = x.err >= 0 ? node->in[0]->type.dtype : AICC_F32;
  const char *reduction = aicc_get_string(node, AICC_ATTR_REDUCTION, "none");
  if (strcmp(reduction, "add") == 0) {
    const rp_bound all = sum_of((rp_bound){fmin(u.lo, 0), fmax(u.hi, 0), u.err}, 0, count, t);
    return fit(rounded((rp_bound){x.lo + all.lo, x.hi + all.hi, x.err + all.err}, t), t);
  }
  if (strcmp(reduction, "mul") == 0) {
    const rp_bound all = product_of(u, count, t);
    return fit(rounded(times(x, all), t), t);
  }
  return joined(x, u);
}

static rp_bound constant(const aicc_tensor *tensor) {
  const int64_t count = rp_tensor_count(tensor);
  rp_bound b = {endless, -endless, 0};
  if (count > RP_LISTED) {
    return bound_of_data(tensor->dtype, false);
  }
  for (int64_t i = 0; i < count; i++) {
    const double v = aicc_get_f64(tensor->dtype, tensor->data, (size_t)i);
    b.lo = fmin(b.lo, v);
    b.hi = fmax(b.hi, v);
  }
  return count ? b : (rp_bound){0, 0, 0};
}

// --- nodes ---------------------------------------------------------------------------------------

static rp_bound bound_move(const aicc_node *node, const rp_bound *in) {
  rp_bound b = in[0];
  switch (node->op) {
    case AICC_OP_CONCAT:
      for (int i = 1; i < node->in_count; i++) {
        b = joined(b, in[i]);
      }
      return b;
    case AICC_OP_PAD:
    case AICC_OP_WINDOW: return node->in_count > 1 && node->in[1] ? joined(b, in[1]) : b;
    case AICC_OP_GATHER:
    case AICC_OP_GATHER_ELEMENTS:
    case AICC_OP_GATHER_ND: return in[1].err == 0 ? b : nowhere();
    default: return b;
  }
}

static rp_bound bound_other(const aicc_module *module, const aicc_node *node, const rp_bound *in) {
  const aicc_type *out = &node->out[0]->type;
  switch (node->op) {
    case AICC_OP_CONST: return constant(aicc_get_tensor(node, AICC_ATTR_VALUE));
    case AICC_OP_CUMULATE: {
      const double n = most_value(module, out->dims[aicc_get_int(node, AICC_ATTR_AXIS, 0)]);
      const bool product = aicc_get_string(node, AICC_ATTR_OP, "sum")[0] == 'p';
      return product ? product_of(in[0], n, out->dtype)
                     : sum_of((rp_bound){fmin(in[0].lo, 0), fmax(in[0].hi, 0), in[0].err}, 0, n,
                              out->dtype);
    }
    case AICC_OP_ARGMAX:
    case AICC_OP_ARGMIN:
    case AICC_OP_COUNT_NONZERO:
    case AICC_OP_NONZERO: return step_function(in[0], 0, elements(module, &node->in[0]->type));
    case AICC_OP_TOPK: return (rp_bound){in[0].lo, in[0].hi, in[0].err == 0 ? 0 : endless};
    case AICC_OP_SELECT: return in[0].err == 0 ? joined(in[1], in[2]) : nowhere();
    case AICC_OP_CAST: return cast(in[0], node->in[0]->type.dtype, out->dtype);
    case AICC_OP_BITCAST:
      return aicc_dtype_is_float(out->dtype) || in[0].err != 0 ? nowhere() : whole_type(out->dtype);
    case AICC_OP_IOTA:
    case AICC_OP_FROM_DIMS: return fit((rp_bound){0, 1000, 0}, out->dtype);
    case AICC_OP_MATMUL:
    case AICC_OP_CONV:
    case AICC_OP_CONV_TRANSPOSE: {
      const rp_bound b = contract(in[0], in[1], terms_of(module, node), out->dtype);
      return node->in_count > 2 && node->in[2] ? binary(AICC_OP_ADD, b, in[2], out->dtype) : b;
    }
    default: return nowhere();
  }
}

static rp_bound bound_of(const aicc_module *module, const aicc_node *node, const rp_bound *in) {
  const aicc_dtype t = node->in_count ? node->in[0]->type.dtype : AICC_F32;
  switch (aicc_kind_of(node)) {
    case AICC_KIND_ELTWISE:
      if (node->op == AICC_OP_SELECT || node->op == AICC_OP_CAST || node->op == AICC_OP_BITCAST) {
        return bound_other(module, node, in);
      }
      return node->in_count == 1 ? unary(node->op, in[0], t) : binary(node->op, in[0], in[1], t);
    case AICC_KIND_VIEW:
    case AICC_KIND_MOVE: return bound_move(node, in);
    case AICC_KIND_REDUCE:
      return node->op == AICC_OP_ARGMAX || node->op == AICC_OP_ARGMIN
                 ? bound_other(module, node, in)
                 : reduce(module, node, in[0]);
    case AICC_KIND_SCATTER: return scatter(module, node, in[0], in[2]);
    default: return bound_other(module, node, in);
  }
}

void rp_bound_node(const aicc_module *module, const aicc_node *node, rp_bound *bounds) {
  rp_bound in[16];
  for (int i = 0; i < node->in_count && i < 16; i++) {
    in[i] = node->in[i] ? bounds[node->in[i]->id] : (rp_bound){0, 0, 0};
  }
  for (int i = 0; i < node->out_count; i++) {
    bounds[node->out[i]->id] = node->in_count > 16 ? nowhere() : bound_of(module, node, in);
  }
  if (node->op == AICC_OP_TOPK) {
    rp_bound *indices = &bounds[node->out[1]->id];
    *indices = (rp_bound){0, elements(module, &node->in[0]->type), indices->err};
  }
}

rp_bound *rp_bounds(const aicc_module *module, aicc_arena *arena) {
  rp_bound *bounds = AICC_NEW_ARRAY(arena, rp_bound, module->value_count + 1);
  for (int i = 0; i < module->body->param_count; i++) {
    bounds[module->body->params[i]->id] = rp_bound_param(module->body->params[i]);
  }
  for (const aicc_node *node = module->body->first; node; node = node->next) {
    rp_bound_node(module, node, bounds);
  }
  return bounds;
}
