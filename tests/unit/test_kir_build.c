// Kernel IR: building, folding, inference of varying values, text, hash.
#include <math.h>
#include <string.h>

#include "check_main.h"
#include "ir/kir.h"

static aicc_arena arena;

static void set_up(void) { aicc_arena_init(&arena); }
static void tear_down(void) { aicc_arena_deinit(&arena); }

static kir_kernel *make_scale(const char *name, float factor) {
  kir_kernel *kernel = kir_kernel_create(&arena, name, "map", 16);
  const kir_val x = kir_add_buffer(kernel, "x", AICC_F32, KIR_READ);
  const kir_val y = kir_add_buffer(kernel, "y", AICC_F32, KIR_WRITE);
  const kir_val n = kir_add_scalar(kernel, "n", AICC_I64);
  kir_builder b;
  kir_builder_init(&b, kernel);
  const kir_val zero = kir_const_i64(&b, 0), one = kir_const_i64(&b, 1);
  const kir_val i = kir_for(&b, KIR_LANES, zero, n, one);
  const kir_val v = kir_load(&b, x, i);
  kir_if(&b, kir_scalar2(&b, AICC_OP_LT, v, kir_const(&b, AICC_F32, 0)));
  kir_store(&b, y, i, kir_mul(&b, v, kir_const(&b, AICC_F32, factor)));
  kir_else(&b);
  kir_store(&b, y, i, v);
  kir_end(&b);
  kir_end(&b);
  return kernel;
}

static char *text_of(const kir_kernel *kernel) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  kir_print(kernel, out);
  fclose(out);
  return text;
}

START_TEST(text_shows_every_part) {
  char *text = text_of(make_scale("leaky", 0.01f));
  ck_assert_str_eq(text,
                   "kernel @leaky(%x: f32* read, %y: f32* write, %n: i64) kind \"map\" width 16 {\n"
                   "  %4 = const 0 : i64\n"
                   "  %5 = const 1 : i64\n"
                   "  for %6 = %4 to %n step %5 lanes {\n"
                   "    %7 = load %x[%6] : f32\n"
                   "    %8 = const 0 : f32\n"
                   "    %9 = lt %7, %8 : bool\n"
                   "    if %9 {\n"
                   "      %10 = const 0.00999999978 : f32\n"
                   "      %11 = mul %7, %10 : f32\n"
                   "      store %y[%6], %11\n"
                   "    } else {\n"
                   "      store %y[%6], %7\n"
                   "    }\n"
                   "  }\n"
                   "}\n");
  free(text);
}
END_TEST

START_TEST(equal_structure_is_equal) {
  kir_kernel *a = make_scale("a", 0.1f), *b = make_scale("b", 0.1f), *c = make_scale("a", 0.2f);
  ck_assert(kir_equal(a, b));
  ck_assert_uint_eq(kir_hash(a), kir_hash(b));
  ck_assert(!kir_equal(a, c));
  ck_assert_uint_ne(kir_hash(a), kir_hash(c));
}
END_TEST

START_TEST(varying_follows_operands) {
  kir_kernel *kernel = kir_kernel_create(&arena, "v", "map", 0);
  const kir_val x = kir_add_buffer(kernel, "x", AICC_F32, KIR_READ);
  kir_builder b;
  kir_builder_init(&b, kernel);
  const kir_val task = kir_task(&b), lane = kir_lane(&b);
  const kir_val uniform = kir_load(&b, x, task);
  const kir_val varying = kir_load(&b, x, kir_add(&b, task, lane));
  const kir_val sum = kir_add(&b, uniform, varying);
  ck_assert(!kernel->values[uniform].varying);
  ck_assert(kernel->values[varying].varying);
  ck_assert(kernel->values[sum].varying);
  ck_assert(!kernel->values[kir_reduce(&b, AICC_OP_ADD, sum)].varying);
  const kir_val guard = kir_scalar2(&b, AICC_OP_LT, lane, kir_const_i64(&b, 3));
  ck_assert(kernel->values[kir_load_or(&b, x, task, guard, uniform)].varying);
}
END_TEST

static int64_t folded(kir_builder *b, kir_val v) {
  int64_t value = 0;
  ck_assert(kir_is_const_i64(b, v, &value));
  return value;
}

START_TEST(constants_fold) {
  kir_kernel *kernel = kir_kernel_create(&arena, "f", "map", 0);
  const kir_val n = kir_add_scalar(kernel, "n", AICC_I64);
  kir_builder b;
  kir_builder_init(&b, kernel);
  const kir_val minus7 = kir_const_i64(&b, -7), two = kir_const_i64(&b, 2);
  const kir_val zero = kir_const_i64(&b, 0), one = kir_const_i64(&b, 1);
  ck_assert_int_eq(folded(&b, kir_scalar2(&b, AICC_OP_DIV, minus7, two)), -3);
  ck_assert_int_eq(folded(&b, kir_scalar2(&b, AICC_OP_MOD, minus7, two)), 1);
  ck_assert_int_eq(folded(&b, kir_scalar2(&b, AICC_OP_FMOD, minus7, two)), -1);
  ck_assert_int_eq(folded(&b, kir_scalar2(&b, AICC_OP_DIV, minus7, zero)), 0);
  ck_assert_int_eq(folded(&b, kir_mul(&b, n, zero)), 0);
  ck_assert_int_eq(folded(&b, kir_sub(&b, n, n)), 0);
  ck_assert_uint_eq(kir_add(&b, n, zero), n);
  ck_assert_uint_eq(kir_mul(&b, one, n), n);
  const kir_val yes = kir_scalar2(&b, AICC_OP_LT, minus7, two);
  ck_assert_uint_eq(kir_select(&b, yes, n, zero), n);
  const kir_val big = kir_const_bits(&b, AICC_U64, UINT64_MAX);
  const kir_val small = kir_const_bits(&b, AICC_U64, 1);
  const kir_val is_less = kir_scalar2(&b, AICC_OP_LT, big, small);
  ck_assert_uint_eq(kernel->values[is_less].def->imm, 0);
  const kir_val wrapped = kir_cast(&b, kir_const_i64(&b, 300), AICC_I8, false);
  ck_assert_uint_eq(kernel->values[wrapped].def->imm, 44);
}
END_TEST

START_TEST(float_identities_keep_signed_zero_and_nan) {
  kir_kernel *kernel = kir_kernel_create(&arena, "g", "map", 0);
  const kir_val x = kir_add_scalar(kernel, "x", AICC_F32);
  kir_builder b;
  kir_builder_init(&b, kernel);
  const kir_val zero = kir_const(&b, AICC_F32, 0), one = kir_const(&b, AICC_F32, 1);
  ck_assert_uint_ne(kir_add(&b, x, zero), x);
  ck_assert_uint_eq(kir_mul(&b, x, one), x);
  const kir_val product = kir_mul(&b, x, zero);
  ck_assert_int_eq(kernel->values[product].def->op, KIR_SCALAR);
  const kir_val difference = kir_sub(&b, x, x);
  ck_assert_int_eq(kernel->values[difference].def->op, KIR_SCALAR);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("kir_build");
  TCase *tcase = tcase_create("all");
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_test(tcase, text_shows_every_part);
  tcase_add_test(tcase, equal_structure_is_equal);
  tcase_add_test(tcase, varying_follows_operands);
  tcase_add_test(tcase, constants_fold);
  tcase_add_test(tcase, float_identities_keep_signed_zero_and_nan);
  suite_add_tcase(suite, tcase);
  return suite;
}

AICC_TEST_MAIN(make_suite)
