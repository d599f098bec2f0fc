#include "ir/scalar.h"

#include <math.h>

static bool is_unsigned(aicc_dtype t) { return aicc_dtype_kind_of(t) != AICC_KIND_SIGNED; }

static int64_t wrap_add(int64_t a, int64_t b) { return (int64_t)((uint64_t)a + (uint64_t)b); }
static int64_t wrap_sub(int64_t a, int64_t b) { return (int64_t)((uint64_t)a - (uint64_t)b); }
static int64_t wrap_mul(int64_t a, int64_t b) { return (int64_t)((uint64_t)a * (uint64_t)b); }

static bool i64_less(int64_t a, int64_t b, aicc_dtype t) {
  return is_unsigned(t) ? (uint64_t)a < (uint64_t)b : a < b;
}

static int64_t i64_sign(int64_t a, aicc_dtype t) {
  return is_unsigned(t) ? a != 0 : (a > 0) - (a < 0);
}

static int64_t i64_div(int64_t a, int64_t b, aicc_dtype t) {
  if (b == 0) {
    return 0;
  }
  if (is_unsigned(t)) {
    return (int64_t)((uint64_t)a / (uint64_t)b);
  }
  return b == -1 ? wrap_sub(0, a) : a / b;  // INT64_MIN / -1 traps
}

static int64_t i64_fmod(int64_t a, int64_t b, aicc_dtype t) {
  if (b == 0 || (b == -1 && !is_unsigned(t))) {
    return 0;
  }
  return is_unsigned(t) ? (int64_t)((uint64_t)a % (uint64_t)b) : a % b;
}

static int64_t i64_mod(int64_t a, int64_t b, aicc_dtype t) {
  const int64_t rest = i64_fmod(a, b, t);
  return !is_unsigned(t) && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

// a ** b modulo 2^64. A negative exponent gives the truncated reciprocal: 0, 1 or -1.
static int64_t i64_pow(int64_t a, int64_t b, aicc_dtype t) {
  if (!is_unsigned(t) && b < 0) {
    return a == 1 ? 1 : a == -1 ? (b % 2 ? -1 : 1) : 0;
  }
  int64_t result = 1, base = a;
  for (uint64_t rest = (uint64_t)b; rest; rest >>= 1) {
    if (rest & 1) {
      result = wrap_mul(result, base);
    }
    base = wrap_mul(base, base);
  }
  return result;
}

static int64_t i64_shl(int64_t a, int64_t b, aicc_dtype t) {
  return (uint64_t)b >= aicc_dtype_table[t].bits ? 0 : (int64_t)((uint64_t)a << b);
}

static int64_t i64_shr(int64_t a, int64_t b, aicc_dtype t) {
  const bool over = (uint64_t)b >= aicc_dtype_table[t].bits;
  if (is_unsigned(t)) {
    return over ? 0 : (int64_t)((uint64_t)a >> b);
  }
  return over ? (a < 0 ? -1 : 0) : a >> b;
}

static double f64_sign(double a) { return isnan(a) ? a : (double)((a > 0) - (a < 0)); }

// exp never overflows this way.
static double f64_sigmoid(double a) {
  const double e = exp(-fabs(a));
  return isnan(a) ? a : a >= 0 ? 1 / (1 + e) : e / (1 + e);
}

static double f64_mod(double a, double b) {
  const double rest = fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

static double f64_min(double a, double b) { return isnan(a) || a < b ? a : b; }
static double f64_max(double a, double b) { return isnan(a) || a > b ? a : b; }

#define AICC_SCALAR(op, float_expr, int_expr) \
  AICC_SCALAR_F(op, float_expr)               \
  AICC_SCALAR_I(op, int_expr)
#define AICC_SCALAR_F(op, expr)                                              \
  static double f64_op_##op(double a AICC_UNUSED, double b AICC_UNUSED) {    \
    return (double)(expr);                                                   \
  }
#define AICC_SCALAR_I(op, expr)                                                            \
  static int64_t i64_op_##op(int64_t a AICC_UNUSED, int64_t b AICC_UNUSED,                 \
                             aicc_dtype t AICC_UNUSED) {                                   \
    return (int64_t)(expr);                                                                \
  }
#include "ir/scalar_ops.def"
#undef AICC_SCALAR
#undef AICC_SCALAR_F
#undef AICC_SCALAR_I

#define AICC_SCALAR(op, float_expr, int_expr) [AICC_OP_##op] = {f64_op_##op, i64_op_##op},
#define AICC_SCALAR_F(op, expr) [AICC_OP_##op] = {f64_op_##op, NULL},
#define AICC_SCALAR_I(op, expr) [AICC_OP_##op] = {NULL, i64_op_##op},
static const aicc_scalar_info rows[AICC_OP_COUNT] = {
#include "ir/scalar_ops.def"
};
#undef AICC_SCALAR
#undef AICC_SCALAR_F
#undef AICC_SCALAR_I

const aicc_scalar_info *aicc_scalar_of(aicc_op op) { return &rows[op]; }

double aicc_scalar_f64(aicc_op op, double a, double b) {
  AICC_ASSERT(rows[op].f64 != NULL);
  return rows[op].f64(a, b);
}

// In BOOL_RESULT operators the result is a truth value and not of type |t|.
int64_t aicc_scalar_i64(aicc_op op, aicc_dtype t, int64_t a, int64_t b) {
  AICC_ASSERT(rows[op].i64 != NULL);
  const int64_t result = rows[op].i64(a, b, t);
  switch (op) {
    case AICC_OP_EQ:
    case AICC_OP_NE:
    case AICC_OP_LT:
    case AICC_OP_LE:
    case AICC_OP_GT:
    case AICC_OP_GE:
    case AICC_OP_ISNAN: return result;
    default: return aicc_scalar_wrap(result, t);
  }
}

int64_t aicc_scalar_wrap(int64_t value, aicc_dtype t) {
  const unsigned bits = aicc_dtype_table[t].bits;
  if (t == AICC_BOOL) {
    return value != 0;
  }
  if (bits >= 64) {
    return value;
  }
  const uint64_t mask = (1ull << bits) - 1;
  const uint64_t low = (uint64_t)value & mask;
  const bool negative = !is_unsigned(t) && low >> (bits - 1);
  return (int64_t)(negative ? low | ~mask : low);
}

static int64_t to_i64(double value) {
  const bool fits = value >= -9223372036854775808.0 && value < 9223372036854775808.0;
  return fits ? (int64_t)value : INT64_MIN;
}

int64_t aicc_scalar_to_int(double value, aicc_dtype t) {
  switch (t) {
    case AICC_BOOL: return value != 0;
    case AICC_I64: return to_i64(value);
    case AICC_U64:
      return value >= 9223372036854775808.0 ? wrap_add(to_i64(value - 9223372036854775808.0),
                                                       INT64_MIN)
                                            : to_i64(value);
    case AICC_U32: return aicc_scalar_wrap(to_i64(value), t);
    default: break;
  }
  const bool fits = value > -2147483649.0 && value < 2147483648.0;
  return aicc_scalar_wrap(fits ? (int64_t)value : INT32_MIN, t);
}

double aicc_scalar_from_int(int64_t value, aicc_dtype t) {
  return t == AICC_U64 ? (double)(uint64_t)value : (double)value;
}

// The finaliser of splitmix64: a counter in, well mixed bits out.
static uint64_t mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

double aicc_scalar_uniform(int64_t seed, uint64_t index) {
  return (double)(mix(mix((uint64_t)seed) + index) >> 40) * 0x1p-24;
}

double aicc_scalar_normal(int64_t seed, uint64_t index) {
  const double u = 1 - aicc_scalar_uniform(seed, 2 * index);  // in (0, 1]
  const double v = aicc_scalar_uniform(seed, 2 * index + 1);
  return sqrt(-2 * log(u)) * cos(6.283185307179586 * v);
}
