// Code generation for the CPU: kernels built in kernel IR, run in this process, against plain C.
#include <math.h>

#include "cg_fixture.h"
#include "check_main.h"

static cg_fixture fixture;

static void set_up(void) { cg_fixture_open(&fixture); }
static void tear_down(void) { cg_fixture_close(&fixture); }

static float noise(int i) { return (float)((i * 7919 + 13) % 1009) / 504.5f - 1.0f; }

typedef struct build {
  kir_kernel *kernel;
  kir_builder b;
  kir_val zero, one;
} build;

static void build_begin(build *u, int width) {
  u->kernel = kir_kernel_create(&fixture.arena, "k", "map", width);
}

static void build_body(build *u) {
  kir_builder_init(&u->b, u->kernel);
  u->zero = kir_const_i64(&u->b, 0);
  u->one = kir_const_i64(&u->b, 1);
}

static kir_val idx(build *u, int64_t value) { return kir_const_i64(&u->b, value); }

// --- maps ---------------------------------------------------------------------------------------

// y[i] = x[i] < 0 ? x[i] * s : x[i] + b[i % 3], rows of n by task.
static kir_kernel *make_map(int width) {
  build u;
  build_begin(&u, width);
  const kir_val x = kir_add_buffer(u.kernel, "x", AICC_F32, KIR_READ);
  const kir_val c = kir_add_buffer(u.kernel, "c", AICC_F32, KIR_READ);
  const kir_val y = kir_add_buffer(u.kernel, "y", AICC_F32, KIR_WRITE);
  const kir_val n = kir_add_scalar(u.kernel, "n", AICC_I64);
  const kir_val s = kir_add_scalar(u.kernel, "s", AICC_F32);
  build_body(&u);
  kir_builder *b = &u.b;
  const kir_val row = kir_mul(b, kir_task(b), n);
  const kir_val i = kir_for(b, KIR_LANES, u.zero, n, u.one);
  const kir_val at = kir_add(b, row, i);
  const kir_val v = kir_load(b, x, at);
  kir_if(b, kir_scalar2(b, AICC_OP_LT, v, kir_const(b, AICC_F32, 0)));
  kir_store(b, y, at, kir_mul(b, v, s));
  kir_else(b);
  const kir_val w = kir_load(b, c, kir_scalar2(b, AICC_OP_MOD, i, idx(&u, 3)));
  kir_store(b, y, at, kir_add(b, v, w));
  kir_end(b);
  kir_end(b);
  return u.kernel;
}

static void check_map(const cg_target *target, int width, int n, int rows) {
  cg_fixture_compile(&fixture, make_map(width), target);
  if (fixture.run == NULL) {
    return;
  }
  const size_t count = (size_t)(n * rows);
  float *x = malloc(count * 4 + 4), *y = malloc(count * 4 + 4);
  const float c[3] = {10, 20, 30}, s = 0.5f;
  for (size_t i = 0; i < count; i++) {
    x[i] = noise((int)i);
    y[i] = -99;
  }
  y[count] = 7;
  struct {
    const float *x, *c;
    float *y;
    int64_t n;
    float s;
  } args = {x, c, y, n, s};
  cg_fixture_run(&fixture, &args, rows);
  for (size_t i = 0; i < count; i++) {
    const float expected = x[i] < 0 ? x[i] * s : x[i] + c[(int)i % n % 3];
    ck_assert_float_eq(y[i], expected);
  }
  ck_assert_float_eq(y[count], 7);
  free(x);
  free(y);
}

START_TEST(map_with_varying_if_and_gather) {
  static const int sizes[] = {0, 1, 15, 16, 17, 48, 100};
  const cg_target *target = cg_target_at((size_t)(_i % 2));
  check_map(target, 0, sizes[_i / 2], 3);
}
END_TEST

START_TEST(width_may_differ_from_the_target) { check_map(cg_target_find("native"), 4, 37, 2); }
END_TEST

// --- reductions ----------------------------------------------------------------------------------

// y[task] = fold of row |task| of x, through a varying variable.
static kir_kernel *make_reduce(aicc_op op, aicc_dtype dtype, double init) {
  build u;
  build_begin(&u, 0);
  const kir_val x = kir_add_buffer(u.kernel, "x", dtype, KIR_READ);
  const kir_val y = kir_add_buffer(u.kernel, "y", dtype, KIR_WRITE);
  const kir_val n = kir_add_scalar(u.kernel, "n", AICC_I64);
  build_body(&u);
  kir_builder *b = &u.b;
  const kir_val row = kir_mul(b, kir_task(b), n);
  const kir_val acc = kir_var(b, kir_const(b, dtype, init), true);
  const kir_val i = kir_for(b, KIR_LANES, u.zero, n, u.one);
  kir_set(b, acc, kir_scalar2(b, op, kir_get(b, acc), kir_load(b, x, kir_add(b, row, i))));
  kir_end(b);
  kir_store(b, y, kir_task(b), kir_reduce(b, op, kir_get(b, acc)));
  return u.kernel;
}

START_TEST(float_reductions) {
  cg_fixture_compile(&fixture, make_reduce(AICC_OP_ADD, AICC_F32, 0), cg_target_find("native"));
  float x[3 * 77], y[3];
  for (int i = 0; i < 3 * 77; i++) {
    x[i] = noise(i);
  }
  struct {
    void *x, *y;
    int64_t n;
  } args = {x, y, 77};
  cg_fixture_run(&fixture, &args, 3);
  for (int r = 0; r < 3; r++) {
    double sum = 0;
    for (int i = 0; i < 77; i++) {
      sum += (double)x[r * 77 + i];
    }
    ck_assert_double_lt(fabs((double)y[r] - sum), 1e-5);
  }
}
END_TEST

START_TEST(extremes_keep_nan) {
  cg_fixture_compile(&fixture, make_reduce(AICC_OP_MAX, AICC_F32, -INFINITY),
                     cg_target_find("native"));
  float x[2 * 40], y[2];
  for (int i = 0; i < 80; i++) {
    x[i] = -1 - noise(i) * noise(i);
  }
  x[40 + 37] = NAN;
  x[20] = -0.5f;
  struct {
    void *x, *y;
    int64_t n;
  } args = {x, y, 40};
  cg_fixture_run(&fixture, &args, 2);
  ck_assert_float_eq(y[0], -0.5f);
  ck_assert(isnan(y[1]));
}
END_TEST

START_TEST(integer_reductions) {
  cg_fixture_compile(&fixture, make_reduce(AICC_OP_MIN, AICC_I8, 127), cg_target_find("native"));
  int8_t x[50], y[1];
  for (int i = 0; i < 50; i++) {
    x[i] = (int8_t)(100 - i * 3);
  }
  struct {
    void *x, *y;
    int64_t n;
  } args = {x, y, 50};
  cg_fixture_run(&fixture, &args, 1);
  ck_assert_int_eq(y[0], x[49]);
}
END_TEST

// --- control flow --------------------------------------------------------------------------------

// y[task] = number of halvings until x[task] is below 1, by while; through local memory.
START_TEST(while_uniform_if_and_local) {
  build u;
  build_begin(&u, 0);
  const kir_val x = kir_add_buffer(u.kernel, "x", AICC_I64, KIR_READ);
  const kir_val y = kir_add_buffer(u.kernel, "y", AICC_I32, KIR_WRITE);
  build_body(&u);
  kir_builder *b = &u.b;
  const kir_val local = kir_local(b, AICC_I64, 5);
  const kir_val other = kir_local(b, AICC_F32, 100);
  kir_store(b, local, idx(&u, 4), kir_load(b, x, kir_task(b)));
  kir_store(b, other, idx(&u, 0), kir_const(b, AICC_F32, 3));
  const kir_val steps = kir_var(b, u.zero, false);
  kir_while(b);
  const kir_val now = kir_load(b, local, idx(&u, 4));
  kir_while_cond(b, kir_scalar2(b, AICC_OP_GE, now, u.one));
  kir_store(b, local, idx(&u, 4),
            kir_scalar2(b, AICC_OP_DIV, kir_load(b, local, idx(&u, 4)), idx(&u, 2)));
  kir_set(b, steps, kir_add(b, kir_get(b, steps), u.one));
  kir_end(b);
  kir_if(b, kir_scalar2(b, AICC_OP_GT, kir_get(b, steps), idx(&u, 3)));
  kir_store(b, y, kir_task(b), kir_cast(b, kir_get(b, steps), AICC_I32, false));
  kir_else(b);
  kir_store(b, y, kir_task(b), kir_const(b, AICC_I32, -1));
  kir_end(b);
  cg_fixture_compile(&fixture, u.kernel, cg_target_find("native"));
  ck_assert_uint_eq(fixture.info.scratch_bytes, 64 + 448);
  const int64_t in[4] = {0, 5, 100, 1 << 20};
  int32_t out[4] = {0};
  struct {
    const void *x;
    void *y;
  } args = {in, out};
  cg_fixture_run(&fixture, &args, 4);
  ck_assert_int_eq(out[0], -1);
  ck_assert_int_eq(out[1], -1);
  ck_assert_int_eq(out[2], 7);
  ck_assert_int_eq(out[3], 21);
}
END_TEST

// Guards: y[i] = 0 <= i - 3 < n ? x[i - 3] : 9, and a histogram of x by atomics.
START_TEST(guarded_loads_and_atomics) {
  build u;
  build_begin(&u, 0);
  const kir_val x = kir_add_buffer(u.kernel, "x", AICC_F32, KIR_READ);
  const kir_val y = kir_add_buffer(u.kernel, "y", AICC_F32, KIR_WRITE);
  const kir_val counts = kir_add_buffer(u.kernel, "counts", AICC_F32, KIR_READ | KIR_WRITE);
  const kir_val n = kir_add_scalar(u.kernel, "n", AICC_I64);
  const kir_val m = kir_add_scalar(u.kernel, "m", AICC_I64);
  build_body(&u);
  kir_builder *b = &u.b;
  const kir_val i = kir_for(b, KIR_LANES, u.zero, m, u.one);
  const kir_val at = kir_sub(b, i, idx(&u, 3));
  const kir_val inside = kir_scalar2(b, AICC_OP_AND, kir_scalar2(b, AICC_OP_GE, at, u.zero),
                                     kir_scalar2(b, AICC_OP_LT, at, n));
  const kir_val v = kir_load_or(b, x, at, inside, kir_const(b, AICC_F32, 9));
  kir_store(b, y, i, v);
  kir_atomic(b, AICC_OP_ADD, counts, kir_scalar2(b, AICC_OP_MOD, i, idx(&u, 5)),
             kir_const(b, AICC_F32, 1));
  kir_end(b);
  cg_fixture_compile(&fixture, u.kernel, cg_target_find("native"));
  float in[20], out[41], histogram[5] = {0};
  for (int k = 0; k < 20; k++) {
    in[k] = noise(k);
  }
  struct {
    void *x, *y, *counts;
    int64_t n, m;
  } args = {in, out, histogram, 20, 41};
  cg_fixture_run(&fixture, &args, 1);
  for (int k = 0; k < 41; k++) {
    ck_assert_float_eq(out[k], k >= 3 && k < 23 ? in[k - 3] : 9.0f);
  }
  ck_assert_float_eq(histogram[0], 9);
  ck_assert_float_eq(histogram[4], 8);
}
END_TEST

// --- contraction ---------------------------------------------------------------------------------

enum { MR = 8, NV = 3 };

// C[8, 3 * width] = A[8, K] * B packed [K, 3 * width]; accumulators in an array of registers.
static kir_kernel *make_gemm(int width) {
  build u;
  build_begin(&u, width);
  const kir_val a = kir_add_buffer(u.kernel, "a", AICC_F32, KIR_READ);
  const kir_val p = kir_add_buffer(u.kernel, "p", AICC_F32, KIR_READ);
  const kir_val c = kir_add_buffer(u.kernel, "c", AICC_F32, KIR_WRITE);
  const kir_val depth = kir_add_scalar(u.kernel, "k", AICC_I64);
  const kir_val lda = kir_add_scalar(u.kernel, "lda", AICC_I64);
  build_body(&u);
  kir_builder *b = &u.b;
  const kir_val rows = idx(&u, MR), vectors = idx(&u, NV), w = idx(&u, width);
  const kir_val acc = kir_array(b, AICC_F32, MR * NV, true);
  const kir_val lane = kir_lane(b);
  const kir_val k = kir_for(b, KIR_SERIAL, u.zero, depth, u.one);
  const kir_val panel = kir_array(b, AICC_F32, NV, true);
  kir_val j = kir_for(b, KIR_UNROLL, u.zero, vectors, u.one);
  const kir_val column = kir_add(b, kir_mul(b, j, w), lane);
  kir_aset(b, panel, j, kir_load(b, p, kir_add(b, kir_mul(b, k, idx(&u, NV * width)), column)));
  kir_end(b);
  kir_val i = kir_for(b, KIR_UNROLL, u.zero, rows, u.one);
  const kir_val x = kir_load(b, a, kir_add(b, kir_mul(b, i, lda), k));
  j = kir_for(b, KIR_UNROLL, u.zero, vectors, u.one);
  const kir_val at = kir_add(b, kir_mul(b, i, vectors), j);
  kir_aset(b, acc, at, kir_fma(b, x, kir_aget(b, panel, j), kir_aget(b, acc, at)));
  kir_end(b);
  kir_end(b);
  kir_end(b);
  i = kir_for(b, KIR_UNROLL, u.zero, rows, u.one);
  j = kir_for(b, KIR_UNROLL, u.zero, vectors, u.one);
  const kir_val out = kir_add(b, kir_mul(b, i, idx(&u, NV * width)),
                              kir_add(b, kir_mul(b, j, w), lane));
  kir_store(b, c, out, kir_aget(b, acc, kir_add(b, kir_mul(b, i, vectors), j)));
  kir_end(b);
  kir_end(b);
  return u.kernel;
}

// The text from the label before the first fused multiply-add to the branch after the last one.
static char *hot_loop(const char *assembly, int *fma_count) {
  const char *first = strstr(assembly, "vfmadd"), *last = NULL, *begin = first;
  *fma_count = 0;
  for (const char *at = first; at != NULL; at = strstr(at + 1, "vfmadd")) {
    last = at;
    ++*fma_count;
  }
  ck_assert_ptr_nonnull(last);
  while (begin > assembly && strncmp(begin, "\n.LBB", 5) != 0) {
    begin--;
  }
  const char *end = strstr(last, "\n\tj");
  ck_assert_ptr_nonnull(end);
  return strndup(begin, (size_t)(end - begin));
}

START_TEST(gemm_keeps_accumulators_in_registers) {
  cg_fixture_compile(&fixture, make_gemm(16), cg_target_find("x86-64-v4"));
  int count = 0;
  char *loop = hot_loop(fixture.assembly, &count);
  ck_assert_int_eq(count, MR * NV);
  ck_assert_msg(strstr(loop, "(%rsp") == NULL && strstr(loop, "(%rbp") == NULL,
                "the loop spills:\n%s", loop);
  ck_assert_msg(strstr(loop, "vmovups\t%zmm") == NULL, "the loop stores vectors:\n%s", loop);
  ck_assert_ptr_nonnull(strstr(loop, "%zmm"));
  free(loop);
  if (fixture.run == NULL) {
    return;
  }
  enum { DEPTH = 37, LDA = 40, N = NV * 16 };
  static float a[MR * LDA], p[DEPTH * N], c[MR * N];
  for (int i = 0; i < MR * LDA; i++) {
    a[i] = noise(i);
  }
  for (int i = 0; i < DEPTH * N; i++) {
    p[i] = noise(i + 7);
  }
  struct {
    void *a, *p, *c;
    int64_t k, lda;
  } args = {a, p, c, DEPTH, LDA};
  cg_fixture_run(&fixture, &args, 1);
  for (int i = 0; i < MR; i++) {
    for (int j = 0; j < N; j++) {
      float sum = 0;
      for (int k = 0; k < DEPTH; k++) {
        sum = fmaf(a[i * LDA + k], p[k * N + j], sum);
      }
      ck_assert_float_eq(c[i * N + j], sum);
    }
  }
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("cg_kernel");
  TCase *tcase = tcase_create("all");
  tcase_set_timeout(tcase, 120);
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_loop_test(tcase, map_with_varying_if_and_gather, 0, 14);
  tcase_add_test(tcase, width_may_differ_from_the_target);
  tcase_add_test(tcase, float_reductions);
  tcase_add_test(tcase, extremes_keep_nan);
  tcase_add_test(tcase, integer_reductions);
  tcase_add_test(tcase, while_uniform_if_and_local);
  tcase_add_test(tcase, guarded_loads_and_atomics);
  tcase_add_test(tcase, gemm_keeps_accumulators_in_registers);
  suite_add_tcase(suite, tcase);
  return suite;
}

AICC_TEST_MAIN(make_suite)
