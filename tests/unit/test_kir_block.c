// Kernels of blocks of warps in the kernel interpreter: vectors, copies, barriers, matrices.
#include <math.h>
#include <string.h>

#include "block_gemm.h"
#include "check_main.h"
#include "kir_fixture.h"

// --- a whole matrix product ----------------------------------------------------------------------

static float a_of(int64_t row, int64_t k) { return (float)((row * 3 + k * 5) % 7 - 3); }
static float b_of(int64_t k, int64_t column) { return (float)((k * 2 + column * 3) % 5 - 2); }

// Runs the product of m x k and k x n; checks every element where it ends well.
static aicc_status run_gemm(gemm_shape shape, int64_t m, int64_t n, int64_t k, uint64_t seed) {
  kir_kernel *kernel = gemm_make(&arena, shape);
  check_ok(kir_verify(kernel, &diags));
  uint16_t *a = AICC_NEW_ARRAY(&arena, uint16_t, m * k),
           *b = AICC_NEW_ARRAY(&arena, uint16_t, k * n);
  float *c = AICC_NEW_ARRAY(&arena, float, m *n);
  uint8_t *init = AICC_NEW_ARRAY(&arena, uint8_t, m *n);
  for (int64_t i = 0; i < m * k; i++) {
    aicc_set_f64(AICC_F16, a, (size_t)i, (double)a_of(i / k, i % k));
  }
  for (int64_t i = 0; i < k * n; i++) {
    aicc_set_f64(AICC_F16, b, (size_t)i, (double)b_of(i / n, i % n));
  }
  kir_arg args[] = {{.data = a, .count = (size_t)(m * k)},
                    {.data = b, .count = (size_t)(k * n)},
                    {.data = c, .count = (size_t)(m * n), .init = init},
                    {.i = m}, {.i = n}, {.i = k}};
  const int64_t grid = (m + shape.bm - 1) / shape.bm * ((n + shape.bn - 1) / shape.bn);
  const aicc_status status = kir_interpret(kernel, 32, grid, args, seed, &diags);
  for (int64_t i = 0; i < m * n && status == AICC_OK; i++) {
    float sum = 0;
    for (int64_t l = 0; l < k; l++) {
      sum += a_of(i / n, l) * b_of(l, i % n);
    }
    ck_assert_int_eq(init[i], 1);
    ck_assert_msg(c[i] == sum, "c[%lld, %lld] = %g, not %g", (long long)(i / n),
                  (long long)(i % n), (double)c[i], (double)sum);
  }
  return status;
}

START_TEST(a_matrix_product) {
  const gemm_shape shape = {.bm = 64, .bn = 64, .bk = 32, .stages = 3, .wm = 32, .wn = 32};
  check_ok(run_gemm(shape, 64, 64, 32, 1));
  check_ok(run_gemm(shape, 64, 128, 96, 2));
  check_ok(run_gemm(shape, 100, 72, 80, 3));  // parts of tiles
}
END_TEST

START_TEST(two_stages_and_eight_warps) {
  check_ok(run_gemm((gemm_shape){.bm = 64, .bn = 64, .bk = 64, .stages = 2, .wm = 32, .wn = 16},
                    64, 64, 192, 4));
}
END_TEST

START_TEST(a_wait_that_is_too_short_is_found) {
  const gemm_shape shape = {
      .bm = 32, .bn = 64, .bk = 32, .stages = 3, .wm = 16, .wn = 32, .late = 1};
  ck_assert_int_eq(run_gemm(shape, 32, 64, 96, 5), AICC_INVALID);
  ck_assert_ptr_nonnull(strstr(diags.items[0].text, "to which a copy is under way"));
}
END_TEST

START_TEST(a_missing_barrier_is_found) {
  const gemm_shape shape = {
      .bm = 32, .bn = 64, .bk = 32, .stages = 3, .wm = 16, .wn = 32, .no_barrier = true};
  ck_assert_int_eq(run_gemm(shape, 32, 64, 96, 6), AICC_INVALID);
  // What it is depends on the order of warps.
  ck_assert(strstr(diags.items[0].text, "no barrier stands between them") != NULL ||
            strstr(diags.items[0].text, "which nothing wrote") != NULL ||
            strstr(diags.items[0].text, "to which a copy is under way") != NULL);
}
END_TEST

// --- matrices of every kind ----------------------------------------------------------------------

// Fills |bits| so that element (row, column) of an operand of |dtype| is value(row, column).
static void set_operand(uint32_t *bits, aicc_dtype dtype, int e, int row, int column) {
  const int value = (row * 3 + column * 5) % 7 - (dtype == AICC_U8 ? 0 : 3);
  aicc_set_f64(dtype, bits, (size_t)e, value);
}

static double operand(aicc_dtype dtype, int row, int column) {
  return (row * 3 + column * 5) % 7 - (dtype == AICC_U8 ? 0 : 3);
}

// D = A . B + 1 of one instruction; A and B lie in memory as registers, lane by lane.
static void check_mma(kir_mma_kind kind) {
  const kir_mma_info *info = &kir_mma_infos[kind];
  uint32_t a[32 * 4] = {0}, b[32 * 4] = {0};
  int32_t d[32 * 4];
  for (int lane = 0; lane < 32; lane++) {
    for (int e = 0; e < info->per_register; e++) {
      for (int r = 0; r < info->a_registers; r++) {
        const kir_mma_place p = kir_mma_place_a(kind, lane, r, e);
        set_operand(&a[lane * 4 + r], info->a, e, p.row, p.column);
      }
      for (int r = 0; r < info->b_registers; r++) {
        const kir_mma_place p = kir_mma_place_b(kind, lane, r, e);
        set_operand(&b[lane * 4 + r], info->b, e, p.row, p.column);
      }
    }
    a[lane * 4] |= kind == KIR_MMA_TF32 ? 0x1fff : 0;  // bits that are not read
  }
  const char *bindings[] = {aicc_arena_printf(&arena, "KIND=\"%s\"", info->mnemonic),
                            aicc_arena_printf(&arena, "D=%s", aicc_dtype_name(info->d))};
  static const char text[] = "kernel @k(%a: u32* read, %b: u32* read, %d: $D* write) width 32 {\n"
                             "  %i = lane * 4\n"
                             "  %x = array 4 : u32 varying\n"
                             "  %y = array 4 : u32 varying\n"
                             "  %z = array 4 : $D varying\n"
                             "  vload %x[0], %a[%i], 4\n"
                             "  vload %y[0], %b[%i], 4\n"
                             "  for unroll %j in 0 .. 4 { %z[%j] = $D(1) }\n"
                             "  mma $KIND %z[0], %x[0], %y[0]\n"
                             "  vstore %d[%i], %z[0], 4\n"
                             "}";
  kir_kernel *kernel = kir_parse(&arena, text, strlen(text), "t.kir", bindings, 2, &diags);
  ck_assert_ptr_nonnull(kernel);
  check_ok(kir_verify(kernel, &diags));
  kir_arg args[] = {
      {.data = a, .count = 128}, {.data = b, .count = 128}, {.data = d, .count = 128}};
  check_ok(kir_interpret(kernel, 32, 1, args, 0, &diags));
  for (int i = 0; i < 128; i++) {
    const kir_mma_place p = kir_mma_place_d(kind, i / 4, i % 4);
    double sum = 1;
    for (int k = 0; k < info->k; k++) {
      sum += operand(info->a, p.row, k) * operand(info->b, k, p.column);
    }
    const double value = aicc_dtype_is_float(info->d) ? aicc_get_f64(info->d, d, (size_t)i) : d[i];
    ck_assert_msg(value == sum, "%s: %g, not %g", info->mnemonic, value, sum);
  }
}

START_TEST(every_matrix_instruction) {
  for (int kind = 0; kind < KIR_MMA_COUNT; kind++) {
    check_mma((kir_mma_kind)kind);
  }
}
END_TEST

START_TEST(matrices_are_loaded_as_they_are_or_transposed) {
  uint16_t x[256];
  uint32_t y[32 * 6];
  for (int i = 0; i < 256; i++) {
    x[i] = (uint16_t)i;
  }
  static const char text[] =
      "kernel @k(%x: u16* read, %y: u32* write) width 32 {\n"
      "  %t = local 256 : u16\n"
      "  copy_async %t[lane * 8], %x[lane * 8], 8\n"
      "  commit\n"
      "  wait 0\n"
      "  %a = array 6 : u32 varying\n"
      "  ldmatrix %a[0], %t[lane * 8], 4\n"
      "  ldmatrix %a[4], %t[mod(lane, 16) * 8], 2 transposed\n"
      "  for unroll %j in 0 .. 6 { %y[lane * 6 + %j] = %a[%j] }\n"
      "}";
  kir_arg args[] = {{.data = x, .count = 256}, {.data = y, .count = 192}};
  check_ok(kir_interpret(parse(text), 32, 1, args, 0, &diags));
  for (int lane = 0; lane < 32; lane++) {
    for (int m = 0; m < 4; m++) {  // row lane / 4, columns 2 * (lane % 4) and the next one
      const uint32_t at = (uint32_t)(m * 64 + lane / 4 * 8 + 2 * (lane % 4));
      ck_assert_uint_eq(y[lane * 6 + m], at | (at + 1) << 16);
    }
    for (int m = 0; m < 2; m++) {
      const uint32_t at = (uint32_t)(m * 64 + 2 * (lane % 4) * 8 + lane / 4);
      ck_assert_uint_eq(y[lane * 6 + 4 + m], at | (at + 8) << 16);
    }
  }
}
END_TEST

// --- small kernels -------------------------------------------------------------------------------

// Runs a kernel of x: f32[64] (0, 1, ..) and y: f32[64].
static aicc_status run(const char *text, float *y, uint64_t seed) {
  float x[64];
  for (int i = 0; i < 64; i++) {
    x[i] = (float)i;
  }
  kir_arg args[] = {{.data = x, .count = 64}, {.data = y, .count = 64}};
  return kir_interpret(parse(text), 8, 1, args, seed, &diags);
}

#define HEAD "kernel @k(%x: f32* read, %y: f32* read write) width 8 warps 4 "

START_TEST(warps_exchange_through_local_memory) {
  for (uint64_t seed = 0; seed < 4; seed++) {
    float y[64] = {0};
    check_ok(run(HEAD "{\n"
                 "  %t = local 64 : f32\n"
                 "  %a = array 2 : f32 varying\n"
                 "  %i = (warp * 8 + lane) * 2\n"
                 "  vload %a[0], %x[%i], 2\n"
                 "  vstore %t[62 - %i], %a[0], 2\n"
                 "  barrier\n"
                 "  %y[%i] = exchange(%t[%i], 2)\n"
                 "  %y[%i + 1] = %t[%i + 1]\n"
                 "}", y, seed));
    for (int i = 0; i < 32; i++) {
      ck_assert_float_eq(y[2 * i], (float)(62 - 2 * (i ^ 2)));
      ck_assert_float_eq(y[2 * i + 1], (float)(62 - 2 * i + 1));
    }
  }
}
END_TEST

START_TEST(a_guard_copies_zeros) {
  float y[64] = {0};
  check_ok(run(HEAD "{\n"
               "  %t = local 128 : f32\n"
               "  %i = (warp * 8 + lane) * 4\n"
               "  copy_async %t[%i], %x[%i], 4, %i < 48\n"
               "  commit\n"
               "  wait 0\n"
               "  barrier\n"
               "  for lanes %j in warp * 16 .. warp * 16 + 16 { %y[%j] = %t[%j] + 1 }\n"
               "}", y, 7));
  for (int i = 0; i < 64; i++) {
    ck_assert_float_eq(y[i], i < 48 ? (float)i + 1 : 1);
  }
}
END_TEST

START_TEST(mistakes_of_warps_are_caught) {
  static const struct {
    const char *text, *message;
  } rows[] = {
      {"{ %t = local 8 : f32\n %t[lane] = f32(warp) }", "no barrier stands between them"},
      {"{ %t = local 32 : f32\n %t[warp * 8 + lane] = 1.0\n"
       "  %y[warp * 8 + lane] = %t[(24 - warp * 8) + lane] }",
       "of %t"},
      {"{ %y[lane] = 1.0 }", "no barrier stands between them"},
      {"{ if warp < 2 { barrier } }", "does not reach"},
      {"{ if warp < 2 { barrier } else { barrier } }",
       "does not wait at the barrier where warp 0 does"},
      {"{ for %i in 0 .. warp { barrier } }", "does not reach"},
      {"{ %a = array 2 : f32 varying\n vload %a[0], %x[warp * 8 + lane], 2 }",
       "on, which is no multiple"},
      {"{ %a = array 4 : f32 varying\n vload %a[0], %x[(warp * 8 + lane) * 4], 4 }",
       "which has 64"},
      {"{ %t = local 128 : f32\n copy_async %t[(warp * 8 + lane) * 4], %x[lane * 4], 4\n commit\n"
       "  %y[warp * 8 + lane] = %t[(warp * 8 + lane) * 4] }",
       "to which a copy is under way"},
      {"{ %t = local 128 : f32\n copy_async %t[(warp * 8 + lane) * 4], %x[lane * 4], 4\n commit\n"
       "  wait 0\n %y[warp * 8 + lane] = %t[(31 - (warp * 8 + lane)) * 4] }",
       "of %t"},
      {"{ %t = local 32 : f32\n copy_async %t[(lane - lane) * 4], %x[lane * 4], 4 }",
       "to which a copy is under way"},
      {"{ %a = array 1 : u32 varying\n %t = local 64 : f16\n ldmatrix %a[0], %t[0], 1 }",
       "needs 32 lanes"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    float y[64] = {0};
    char text[512];
    aicc_diags_deinit(&diags);
    aicc_diags_init(&diags);
    snprintf(text, sizeof text, "%s%s", HEAD, rows[i].text);
    ck_assert_msg(run(text, y, 11) == AICC_INVALID, "%s", text);
    ck_assert_msg(strstr(diags.items[0].text, rows[i].message) != NULL, "%s\n%s", text,
                  diags.items[0].text);
  }
}
END_TEST

START_TEST(rules_of_blocks_are_checked) {
  static const struct {
    const char *text, *message;
  } rows[] = {
      {"{ for %i in 0 .. 2 { %t = local 8 : f32\n %t[lane] = 1.0 } }", "own block"},
      {"{ for lanes %i in 0 .. 9 { barrier } }", "lanes loop"},
      {"{ if lane < 3 { commit } }", "'commit' stands in a lanes loop"},
      {"{ wait 9 }", "at most 8"},
      {"{ %a = array 4 : f32 varying\n vload %a[2], %x[0], 4 }", "elements 2 to 5 of %a"},
      {"{ %a = array 4 : f32 varying\n vload %a[0], %x[0], 3 }", "1 element, or 4, 8 or 16 bytes"},
      {"{ %a = array 4 : u32 varying\n vload %a[0], %x[0], 4 }", "takes an array of f32"},
      {"{ %a = array 4 : f32 varying\n vstore %x[lane * 4], %a[0], 4 }",
       "not declared for writing"},
      {"{ %a = array 4 : f32\n vload %a[0], %x[lane * 4], 4 }", "varies where a uniform"},
      {"{ %a = array 4 : f32 varying\n vstore %y[0], %a[0], 4 }", "at one place"},
      {"{ %t = local 64 : f32\n copy_async %y[0], %x[0], 4 }", "and %y is a parameter"},
      {"{ %t = local 64 : f32\n copy_async %t[0], %t[0], 4 }", "reads a parameter"},
      {"{ %t = local 64 : f16\n copy_async %t[0], %x[0], 4 }", "of different types"},
      {"{ %t = local 64 : f32\n copy_async %t[0], %x[0], 8 }", "4, 8 or 16 bytes"},
      {"{ %a = array 3 : u32 varying\n %t = local 64 : f16\n ldmatrix %a[0], %t[0], 3 }",
       "1, 2 or 4"},
      {"{ %d = array 4 : f32 varying\n %a = array 4 : u32 varying\n"
       "  mma \"m16n8k16.f16\" %d[0], %a[0], %a[0] }",
       "needs 32 lanes"},
      {"{ %d = array 4 : f32 varying\n %a = array 3 : u32 varying\n"
       "  mma \"m16n8k16.f16\" %d[0], %a[0], %a[0] }",
       "elements 0 to 3 of %a, which has 3"},
      {"{ %d = array 4 : i32 varying\n %a = array 4 : u32 varying\n"
       "  mma \"m16n8k16.f16\" %d[0], %a[0], %a[0] }",
       "takes an array of f32"},
      {"{ %y[warp * 8 + lane] = exchange(f32(lane), 8) }", "below the width"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    char text[512];
    aicc_diags_deinit(&diags);
    aicc_diags_init(&diags);
    snprintf(text, sizeof text, "%s%s", HEAD, rows[i].text);
    kir_kernel *kernel = kir_parse(&arena, text, strlen(text), "t.kir", NULL, 0, &diags);
    ck_assert_msg(kernel != NULL, "%s", text);
    ck_assert_msg(kir_verify(kernel, &diags) == AICC_INVALID, "%s", text);
    ck_assert_msg(strstr(diags.items[0].text, rows[i].message) != NULL, "%s\n%s", text,
                  diags.items[0].text);
  }
}
END_TEST

START_TEST(powers_of_two) {
  const kir_kernel *kernel = parse(
      "kernel @k(%x: f32* read, %y: f32* write) kind \"map\" width 4 {\n"
      "  for lanes %i in 0 .. 4 {\n    %a = load %x[%i] : f32\n    %b = power2 %a : f32\n"
      "    store %y[%i], %b\n  }\n}\n");
  float x[4] = {-INFINITY, -1.5F, 0, -127}, y[4];
  kir_arg args[] = {{.data = x, .count = 4}, {.data = y, .count = 4}};
  check_ok(kir_interpret(kernel, 4, 1, args, 1, &diags));
  ck_assert_float_eq(y[0], 0);
  ck_assert_float_eq_tol(y[1], 0.35355339F, 1e-7F);
  ck_assert_float_eq(y[2], 1);
  ck_assert_float_eq(y[3], 0);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("kir_block");
  TCase *cases = tcase_create("all");
  tcase_add_checked_fixture(cases, set_up, tear_down);
  tcase_set_timeout(cases, 120);
  tcase_add_test(cases, a_matrix_product);
  tcase_add_test(cases, two_stages_and_eight_warps);
  tcase_add_test(cases, a_wait_that_is_too_short_is_found);
  tcase_add_test(cases, a_missing_barrier_is_found);
  tcase_add_test(cases, every_matrix_instruction);
  tcase_add_test(cases, matrices_are_loaded_as_they_are_or_transposed);
  tcase_add_test(cases, warps_exchange_through_local_memory);
  tcase_add_test(cases, a_guard_copies_zeros);
  tcase_add_test(cases, powers_of_two);
  tcase_add_test(cases, mistakes_of_warps_are_caught);
  tcase_add_test(cases, rules_of_blocks_are_checked);
  suite_add_tcase(suite, cases);
  return suite;
}

AICC_TEST_MAIN(make_suite)
