// Every scalar operator and cast that the emitter makes, against ir/scalar.c and ir/dtype.c.
#include <math.h>

#include "cg_fixture.h"
#include "check_main.h"
#include "ir/scalar.h"

enum { COUNT = 67 };

static cg_fixture fixture;
static void set_up(void) { cg_fixture_open(&fixture); }
static void tear_down(void) { cg_fixture_close(&fixture); }

// z[i] = op(x[i], y[i]); a cast where |op| is CAST.
static kir_kernel *make_elementwise(aicc_op op, int arity, aicc_dtype from, aicc_dtype to,
                                    bool saturate) {
  kir_kernel *kernel = kir_kernel_create(&fixture.arena, "k", "map", 0);
  const kir_val x = kir_add_buffer(kernel, "x", from, KIR_READ);
  const kir_val y = kir_add_buffer(kernel, "y", from, KIR_READ);
  const kir_val z = kir_add_buffer(kernel, "z", to, KIR_WRITE);
  const kir_val n = kir_add_scalar(kernel, "n", AICC_I64);
  kir_builder b;
  kir_builder_init(&b, kernel);
  const kir_val i = kir_for(&b, KIR_LANES, kir_const_i64(&b, 0), n, kir_const_i64(&b, 1));
  const kir_val u = kir_load(&b, x, i);
  const kir_val v = arity == 1 ? 0 : kir_load(&b, y, i);
  const kir_val w = op == AICC_OP_CAST ? kir_cast(&b, u, to, saturate)
                    : arity == 1       ? kir_scalar1(&b, op, u)
                                       : kir_scalar2(&b, op, u, v);
  kir_store(&b, z, i, w);
  kir_end(&b);
  return kernel;
}

static void run(const kir_kernel *kernel, const cg_target *target, void *x, void *y, void *z) {
  cg_fixture_compile(&fixture, kernel, target);
  struct {
    void *x, *y, *z;
    int64_t n;
  } args = {x, y, z, COUNT};
  cg_fixture_run(&fixture, &args, 1);
}

static bool fixture_native(const cg_target *target) {
  const cg_target *native = cg_target_find("native");
  return native != NULL && native->machine.width >= target->machine.width;
}

// Numbers with the edges among them.
static double number(int i, aicc_dtype t) {
  static const double edges[] = {0, -0.0, 1, -1, 2, -2, 3, 0.5, -0.5, 1.5, 2.5, 127, 128, -128,
                                 -129, 255, 256, 65504, 65520, 2147483647.0, 2147483648.0,
                                 -2147483648.0, 4294967296.0, 9.3e18, -9.3e18, 1.9e19, 1e-40,
                                 448, 464, 480, 57344, 61440, 1e30};
  enum { EDGES = sizeof edges / sizeof edges[0] };
  if (i < EDGES) {
    return edges[i];
  }
  if (aicc_dtype_is_float(t) || aicc_dtype_kind_of(t) == AICC_KIND_FLOAT8) {
    if (i == EDGES) {
      return NAN;
    }
    if (i <= EDGES + 2) {
      return i == EDGES + 1 ? INFINITY : -INFINITY;
    }
  }
  return (double)((i * 7919 + 13) % 1009 - 504) / 13.0;
}

static void fill(aicc_dtype t, void *data, int salt) {
  for (int i = 0; i < COUNT; i++) {
    const double value = number((i * salt + salt / 2) % COUNT, t);
    if (aicc_dtype_is_float(t) || aicc_dtype_kind_of(t) == AICC_KIND_FLOAT8) {
      aicc_set_f64(t, data, (size_t)i, value);
    } else {
      const double small = value != value || fabs(value) > 9e18 ? 77 : value;
      aicc_set_i64(t, data, (size_t)i, (int64_t)small);
    }
  }
}

static int64_t read_int(aicc_dtype t, const void *data, int i) {
  return aicc_get_i64(t, data, (size_t)i);
}

// --- integers ------------------------------------------------------------------------------------

static const aicc_op int_ops[] = {
    AICC_OP_ADD, AICC_OP_SUB, AICC_OP_MUL, AICC_OP_DIV, AICC_OP_MOD, AICC_OP_FMOD, AICC_OP_POW,
    AICC_OP_MIN, AICC_OP_MAX, AICC_OP_AND, AICC_OP_OR, AICC_OP_XOR, AICC_OP_SHL, AICC_OP_SHR,
    AICC_OP_EQ, AICC_OP_NE, AICC_OP_LT, AICC_OP_LE, AICC_OP_GT, AICC_OP_GE, AICC_OP_NEG,
    AICC_OP_ABS, AICC_OP_SIGN, AICC_OP_BITNOT};
static const aicc_dtype int_types[] = {AICC_I8, AICC_U8, AICC_I16, AICC_U16, AICC_I32, AICC_U32,
                                       AICC_I64, AICC_U64, AICC_I4, AICC_U4};
enum {
  INT_OPS = sizeof int_ops / sizeof int_ops[0],
  INT_TYPES = sizeof int_types / sizeof int_types[0],
};

static bool is_unary(aicc_op op) { return op <= AICC_OP_BITCAST; }
static bool is_comparison(aicc_op op) { return op >= AICC_OP_EQ && op <= AICC_OP_GE; }

static void check_int(aicc_op op, aicc_dtype t, const cg_target *target) {
  uint64_t x[COUNT], y[COUNT], z[COUNT];
  fill(t, x, 1);
  fill(t, y, 5);
  const aicc_dtype to = is_comparison(op) ? AICC_BOOL : t;
  run(make_elementwise(op, is_unary(op) ? 1 : 2, t, to, false), target, x, y, z);
  for (int i = 0; i < COUNT; i++) {
    const int64_t a = read_int(t, x, i), b = read_int(t, y, i);
    const int64_t expected = aicc_scalar_i64(op, t, a, b), got = read_int(to, z, i);
    ck_assert_msg(got == expected, "%s %s(%lld, %lld) on %s = %lld, not %lld", aicc_dtype_name(t),
                  aicc_op_table[op].name, (long long)a, (long long)b, target->machine.name,
                  (long long)got, (long long)expected);
  }
}

START_TEST(integer_operators) {
  const cg_target *target = cg_target_at((size_t)(_i % 2));
  if (!fixture_native(target)) {
    return;
  }
  for (int t = 0; t < INT_TYPES; t++) {
    check_int(int_ops[_i / 2], int_types[t], target);
    cg_fixture_close(&fixture);
    cg_fixture_open(&fixture);
  }
}
END_TEST

// --- floats --------------------------------------------------------------------------------------

static const aicc_op float_ops[] = {
    AICC_OP_NEG, AICC_OP_ABS, AICC_OP_SIGN, AICC_OP_FLOOR, AICC_OP_CEIL, AICC_OP_ROUND,
    AICC_OP_TRUNC, AICC_OP_SQRT, AICC_OP_RSQRT, AICC_OP_RECIP, AICC_OP_EXP, AICC_OP_EXPM1,
    AICC_OP_LOG, AICC_OP_LOG1P, AICC_OP_SIN, AICC_OP_COS, AICC_OP_TAN, AICC_OP_ASIN, AICC_OP_ACOS,
    AICC_OP_ATAN, AICC_OP_SINH, AICC_OP_COSH, AICC_OP_TANH, AICC_OP_ASINH, AICC_OP_ACOSH,
    AICC_OP_ATANH, AICC_OP_ERF, AICC_OP_SIGMOID, AICC_OP_ISNAN, AICC_OP_ADD, AICC_OP_SUB,
    AICC_OP_MUL, AICC_OP_DIV, AICC_OP_MOD, AICC_OP_FMOD, AICC_OP_POW, AICC_OP_MIN, AICC_OP_MAX,
    AICC_OP_ATAN2, AICC_OP_EQ, AICC_OP_NE, AICC_OP_LT, AICC_OP_LE, AICC_OP_GT, AICC_OP_GE};
enum { FLOAT_OPS = sizeof float_ops / sizeof float_ops[0] };

// Within 5 units in the last place of |t|; exact for infinities and NaN. |expected| was computed in
// double: results that are subnormal in |t| may be off by one subnormal step.
static bool near(aicc_dtype t, double got, double expected) {
  if (isnan(got) || isnan(expected)) {
    return isnan(got) && isnan(expected);
  }
  double rounded = expected;
  if (t == AICC_F32) {
    rounded = (double)(float)expected;
  }
  if (isinf(got) || isinf(rounded)) {
    return got == rounded;
  }
  const double unit = t == AICC_F32 ? 0x1p-23 : 0x1p-52, least = t == AICC_F32 ? 0x1p-148 : 0;
  return fabs(got - expected) <= 5 * unit * fabs(expected) + least;
}

static void check_float(aicc_op op, aicc_dtype t, const cg_target *target) {
  double x[COUNT], y[COUNT], z[COUNT];
  fill(t, x, 1);
  fill(t, y, 5);
  const bool gives_bool = is_comparison(op) || op == AICC_OP_ISNAN;
  const aicc_dtype to = gives_bool ? AICC_BOOL : t;
  run(make_elementwise(op, is_unary(op) ? 1 : 2, t, to, false), target, x, y, z);
  for (int i = 0; i < COUNT; i++) {
    const double a = aicc_get_f64(t, x, (size_t)i), b = aicc_get_f64(t, y, (size_t)i);
    const double expected = aicc_scalar_f64(op, a, b), got = aicc_get_f64(to, z, (size_t)i);
    ck_assert_msg(near(to, got, expected), "%s %s(%.17g, %.17g) on %s = %.17g, not %.17g",
                  aicc_dtype_name(t), aicc_op_table[op].name, a, b, target->machine.name, got,
                  expected);
  }
}

START_TEST(float_operators) {
  const aicc_op op = float_ops[_i / 2];
  const cg_target *target = cg_target_at((size_t)(_i % 2));
  if (!fixture_native(target)) {
    return;
  }
  check_float(op, AICC_F32, target);
  cg_fixture_close(&fixture);
  cg_fixture_open(&fixture);
  const bool huge_angle = op == AICC_OP_SIN || op == AICC_OP_COS || op == AICC_OP_TAN;
  if (!huge_angle) {  // f64 ones give up beyond 2^45, by design
    check_float(op, AICC_F64, target);
  }
}
END_TEST

// --- casts ---------------------------------------------------------------------------------------

static bool is_any_float(aicc_dtype t) {
  return aicc_dtype_is_float(t) || aicc_dtype_kind_of(t) == AICC_KIND_FLOAT8;
}

// What a cast should store, as bits.
static uint64_t cast_reference(aicc_dtype from, const void *data, int i, aicc_dtype to,
                               bool saturate) {
  uint64_t bits = 0;
  if (is_any_float(from)) {
    const double value = aicc_get_f64(from, data, (size_t)i);
    if (aicc_dtype_kind_of(to) == AICC_KIND_FLOAT8) {
      bits = aicc_f32_to_f8(to, (float)value, saturate);
    } else if (is_any_float(to)) {
      aicc_set_f64(to, &bits, 0, value);
    } else {
      aicc_set_i64(to, &bits, 0, aicc_scalar_to_int(value, to));
    }
    return bits;
  }
  const int64_t value = read_int(from, data, i);
  if (aicc_dtype_kind_of(to) == AICC_KIND_FLOAT8) {
    bits = aicc_f32_to_f8(to, (float)aicc_scalar_from_int(value, from), saturate);
  } else if (to == AICC_F32) {  // one rounding
    const float f = from == AICC_U64 ? (float)(uint64_t)value : (float)value;
    memcpy(&bits, &f, 4);
  } else if (is_any_float(to)) {
    aicc_set_f64(to, &bits, 0, aicc_scalar_from_int(value, from));
  } else {
    aicc_set_i64(to, &bits, 0, value);
  }
  return bits;
}

static void check_cast(aicc_dtype from, aicc_dtype to, bool saturate, const cg_target *target) {
  uint64_t x[COUNT], z[COUNT] = {0};
  fill(from, x, 1);
  run(make_elementwise(AICC_OP_CAST, 1, from, to, saturate), target, x, x, z);
  const size_t size = aicc_dtype_size(to);
  for (int i = 0; i < COUNT; i++) {
    const uint64_t expected = cast_reference(from, x, i, to, saturate);
    uint64_t got = 0;
    memcpy(&got, (const char *)z + size * (size_t)i, size);
    const bool both_nan = is_any_float(to) && isnan(aicc_get_f64(to, &got, 0)) &&
                          isnan(aicc_get_f64(to, &expected, 0));
    ck_assert_msg(got == expected || both_nan, "cast %s %.17g to %s on %s: 0x%llx, not 0x%llx",
                  aicc_dtype_name(from), aicc_get_f64(from, x, (size_t)i), aicc_dtype_name(to),
                  target->machine.name, (unsigned long long)got, (unsigned long long)expected);
  }
}

// Source types on one axis; every destination within. The wide target takes all, the narrow one a
// quarter, to save time.
START_TEST(casts) {
  const cg_target *target = cg_target_at((size_t)(_i % 2));
  const aicc_dtype from = (aicc_dtype)(_i / 2);
  if (!fixture_native(target) || aicc_dtype_kind_of(from) > AICC_KIND_FLOAT8) {
    return;
  }
  for (int to = 0; to < AICC_DTYPE_COUNT; to++) {
    const aicc_dtype_kind kind = aicc_dtype_kind_of((aicc_dtype)to);
    const bool skipped = _i % 2 == 1 && (to + (int)from) % 4 != 0;
    if (to == (int)from || kind > AICC_KIND_FLOAT8 || skipped) {
      continue;
    }
    for (int saturate = 0; saturate < (kind == AICC_KIND_FLOAT8 ? 2 : 1); saturate++) {
      check_cast(from, (aicc_dtype)to, saturate != 0, target);
      cg_fixture_close(&fixture);
      cg_fixture_open(&fixture);
    }
  }
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("cg_scalar");
  TCase *tcase = tcase_create("all");
  tcase_set_timeout(tcase, 120);
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_loop_test(tcase, integer_operators, 0, 2 * INT_OPS);
  tcase_add_loop_test(tcase, float_operators, 0, 2 * FLOAT_OPS);
  tcase_add_loop_test(tcase, casts, 0, 2 * AICC_DTYPE_COUNT);
  suite_add_tcase(suite, tcase);
  return suite;
}

AICC_TEST_MAIN(make_suite)
