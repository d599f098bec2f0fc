// Kernel text: the parser inverts the printer, hand-written text, errors with places, the rules.
#include <dirent.h>
#include <stdio.h>
#include <string.h>

#include "block_gemm.h"
#include "check_main.h"
#include "kir_fixture.h"

static char *text_of(const kir_kernel *kernel) {
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  kir_print(kernel, out);
  fclose(out);
  return text;
}

// Printing, parsing and printing again gives the same text and an equal kernel.
static void check_inverse(const kir_kernel *kernel) {
  char *text = text_of(kernel);
  kir_kernel *again = parse(text);
  char *text2 = text_of(again);
  if (strcmp(text, text2) != 0) {
    fprintf(stderr, "%s\nthen\n%s", text, text2);
    ck_abort_msg("the second text differs");
  }
  ck_assert(kir_equal(kernel, again));
  ck_assert_uint_eq(kir_hash(kernel), kir_hash(again));
  free(text);
  free(text2);
}

START_TEST(files_round_trip) {
  DIR *folder = opendir(AICC_SOURCE_DIR "/tests/air/kir");
  ck_assert_ptr_nonnull(folder);
  int count = 0;
  for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
    if (strstr(entry->d_name, ".kir") == NULL) {
      continue;
    }
    char path[512], text[65536] = "";
    snprintf(path, sizeof path, "%s/tests/air/kir/%s", AICC_SOURCE_DIR, entry->d_name);
    FILE *file = fopen(path, "r");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_gt(fread(text, 1, sizeof text - 1, file), 0);
    fclose(file);
    kir_kernel *kernel = parse(text);
    char *printed = text_of(kernel);
    ck_assert_msg(strcmp(printed, text) == 0, "%s prints as\n%s", entry->d_name, printed);
    free(printed);
    count++;
  }
  closedir(folder);
  ck_assert_int_ge(count, 3);
}
END_TEST

static const char everything[] =
    "// every statement and expression by hand\n"
    "kernel @all(%x: $T* read, %y: f32* read write, %z: i64* write, %n: i64, %s: f32) width 4 {\n"
    "  %a = array $K : f32 varying\n"
    "  %t = local 16 : f32\n"
    "  %half = %n / 2 + 1\n"
    "  var %k = 0\n"
    "  var varying %sum: f32 = -inf\n"
    "  for lanes %i in 0 .. %n {\n"
    "    %v = cast<f32>(%x[%i])\n"
    "    %sum = max(%sum, %v * 2 - %s)\n"
    "    if %v < 0 && %i + 1 < %n || !(%v >= 1.5e-1) {\n"
    "      %y[%i] = select(%v == 0, 1.0, exp(-%v))\n"
    "    } else if isnan(%v) {\n"
    "      %y[%i] += 1\n"
    "    } else {\n"
    "      %y[%i] = fma(%v, %v, 1)\n"
    "    }\n"
    "    %a[0] += %v\n"
    "  }\n"
    "  for unroll %u in 0 .. $K { %a[%u] = %a[%u] * 2 }\n"
    "  while %k < %half { %k += 1 }\n"
    "  if $K == 3 { %z[0] = 3 } else { %z[0] = highest<i64> }\n"
    "  for %j = task .. %n step 2 { atomic add %y[%j], reduce_add(%a[1]) }\n"
    "  %z[1] = bitcast<i64>(f64(1.5)) + i64(%s) + mod(%n, 7)\n"
    "  %l = load_or(%x, lane, lane < %n, $T(1))\n"
    "  %t[0] = reduce_max(%sum)\n"
    "  %y[task] = %t[0] + reduce_max(saturate<f32>(%l))\n"
    "}\n";

START_TEST(hand_written_text) {
  const char *const bindings[] = {"T=f16", "K=3"};
  kir_kernel *kernel = parse_bound(everything, bindings, 2);
  check_inverse(kernel);
  char *text = text_of(kernel);
  ck_assert_ptr_nonnull(strstr(text, "%x: f16* read, "));
  ck_assert_ptr_nonnull(strstr(text, "array 3 : f32 varying"));
  ck_assert_ptr_null(strstr(text, "9223372036854775807"));  // the branch not taken is dropped
  free(text);
}
END_TEST

START_TEST(blocks_round_trip) {
  const gemm_shape shape = {.bm = 64, .bn = 64, .bk = 32, .stages = 3, .wm = 32, .wn = 32};
  check_inverse(gemm_make(&arena, shape));
  gemm_shape other = shape;
  other.late = 1;
  kir_kernel *a = gemm_make(&arena, shape), *b = gemm_make(&arena, other);
  ck_assert(!kir_equal(a, b));
  ck_assert_uint_ne(kir_hash(a), kir_hash(b));
  b = gemm_make(&arena, shape);
  ck_assert(kir_equal(a, b));
  b->warps = 2;
  ck_assert(!kir_equal(a, b));
  ck_assert_uint_ne(kir_hash(a), kir_hash(b));
}
END_TEST

// Every operand of every instruction of blocks counts.
START_TEST(different_blocks_differ) {
  static const char *const texts[] = {"vload %a[0], %x[0], 4",
                                      "vload %a[4], %x[0], 4",
                                      "vload %a[0], %x[0], 2",
                                      "vstore %x[lane * 4], %a[0], 4",
                                      "copy_async %t[0], %x[0], 4",
                                      "copy_async %x2[0], %x[0], 4",
                                      "copy_async %t[0], %y[0], 4",
                                      "copy_async %t[0], %x[0], 4, lane < 3",
                                      "commit",
                                      "wait 0",
                                      "wait 1",
                                      "ldmatrix %u[0], %t[0], 4",
                                      "ldmatrix %u[0], %t[0], 4 transposed",
                                      "ldmatrix %u[0], %t[0], 2",
                                      "mma \"m16n8k16.f16\" %a[0], %u[0], %u[4]",
                                      "mma \"m16n8k16.bf16\" %a[0], %u[0], %u[4]",
                                      "mma \"m16n8k16.f16\" %a[4], %u[0], %u[4]",
                                      "mma \"m16n8k16.f16\" %a[0], %u[1], %u[4]",
                                      "mma \"m16n8k16.f16\" %a[0], %u[0], %u[5]",
                                      "%e = exchange(lane, 4)",
                                      "%e = exchange(lane, 8)"};
  enum { COUNT = sizeof texts / sizeof *texts };
  kir_kernel *kernels[COUNT];
  for (int i = 0; i < COUNT; i++) {
    kernels[i] =
        parse_bound(aicc_arena_printf(&arena,
                                      "kernel @k(%%x: f32* read write, %%y: f32* read) width 32 {\n"
                                      "  %%t = local 256 : f32\n  %%x2 = local 256 : f32\n"
                                      "  %%a = array 8 : f32 varying\n"
                                      "  %%u = array 8 : u32 varying\n  %s\n}",
                                      texts[i]),
                    NULL, 0);
    check_inverse(kernels[i]);
    for (int j = 0; j < i; j++) {
      ck_assert_msg(!kir_equal(kernels[i], kernels[j]), "%s\n%s", texts[i], texts[j]);
      ck_assert_msg(kir_hash(kernels[i]) != kir_hash(kernels[j]), "%s\n%s", texts[i], texts[j]);
    }
  }
}
END_TEST

START_TEST(scalar_parameters_become_constants) {
  const char *const bindings[] = {"%n=8"};
  kir_kernel *kernel =
      parse_bound("kernel @c(%y: i64* write, %n: i64, %m: i64) { %y[%m] = %n * 2 }", bindings, 1);
  ck_assert_int_eq(kernel->param_count, 2);
  char *text = text_of(kernel);
  ck_assert_ptr_nonnull(strstr(text, "const 16 : i64"));
  free(text);
}
END_TEST

START_TEST(constants_keep_their_bits) {
  kir_kernel *kernel = kir_kernel_create(&arena, "c", "map", 0);
  kir_builder b;
  kir_builder_init(&b, kernel);
  static const struct {
    aicc_dtype dtype;
    uint64_t bits;
  } rows[] = {{AICC_F32, 0x7fc00001}, {AICC_F32, 0xff800000}, {AICC_F32, 0x80000000},
              {AICC_F32, 1}, {AICC_F64, 0x7ff0000000000000}, {AICC_F64, 0x3ff0000000000001},
              {AICC_F64, 0xfff8000000000001}, {AICC_F16, 0x3c01}, {AICC_I64, 1ull << 63},
              {AICC_U64, UINT64_MAX}, {AICC_I8, 0x80}, {AICC_BOOL, 1}, {AICC_BF16, 0x8000},
              {AICC_U8, 255}, {AICC_I32, 0xffffffff}, {AICC_F8E4M3FN, 0x7f}};
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    kir_const_bits(&b, rows[i].dtype, rows[i].bits);
  }
  check_inverse(kernel);
}
END_TEST

typedef struct bad_text {
  const char *text, *message;
} bad_text;

static void expect(const bad_text *row, bool verify_too) {
  aicc_diags found;
  aicc_diags_init(&found);
  kir_kernel *kernel = kir_parse(&arena, row->text, strlen(row->text), "t.kir", NULL, 0, &found);
  ck_assert_msg((kernel == NULL) != verify_too, "parsing: %s", row->text);
  if (verify_too) {
    ck_assert_msg(kir_verify(kernel, &found) != AICC_OK, "accepted: %s", row->text);
  }
  ck_assert_uint_gt(found.error_count, 0);
  char *all = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&all, &size);
  aicc_diags_print(&found, out);
  fclose(out);
  ck_assert_msg(strstr(all, row->message) != NULL, "'%s' is not in\n%s", row->message, all);
  free(all);
  aicc_diags_deinit(&found);
}

START_TEST(errors_have_places) {
  static const bad_text rows[] = {
      {"kernel @k() {\n  %a = 1 +\n}", "t.kir:3:1: error E0001: expected an expression, found '}'"},
      {"kernel @k() {\n  %a = %b\n}", "t.kir:2:8: error E0002: unknown name 'b'"},
      {"kernel @k() { %a = 1\n%a = 2 }", "t.kir:2:1: error E0003: 'a' is defined twice"},
      {"kernel @k() { %a = 12z }", "E0006: malformed number '12z'"},
      {"kernel @k(%x: f32* read) { %a = %x[1.5] }", "the number is none of type i64"},
      {"kernel @k(%x: f32* read) { %a = %x[0] + i64(1) }", "element types f32 and i64 differ"},
      {"kernel @k(%x: f32* read) { %a = %x }", "is no value by itself"},
      {"kernel @k() { %a = foo(1) }", "no function has this name"},
      {"kernel @k() { %a = max(1) }", "max takes 2 operands"},
      {"kernel @k() { var %a = lane }", "cannot take a varying value"},
      {"kernel @k() { for %i in 0 .. lane { } }", "bounds must be uniform"},
      {"kernel @k() { while lane < 3 { } }", "condition must be uniform"},
      {"kernel @k() { if 1 { } }", "the number is none of type bool"},
      {"kernel @k() { %a = array 0 : f32 }", "must be positive"},
      {"kernel @k() { %a = f33(1) }", "no function has this name"},
      {"kernel @k() { %a = bitcast<f32>(i64(1)) }", "types of one size"},
      {"kernel @k() { ~ }", "expected a statement, found '~'"},
      {"kernel @k() { $X }", "expected a statement, found '$'"},
      {"kernel @k() { } }", "expected the end"},
      {"kernel @k() warps 33 { }", "a task has 1 to 32 warps"},
      {"kernel @k(%x: f32* read) { vload %x[0], %x[0], 4 }", "this is no array"},
      {"kernel @k() { %a = array 4 : f32\n vload %a[0], %a[0], 4 }", "this is no buffer"},
      {"kernel @k() { %a = array 4 : f32\n mma \"m1\" %a[0] }", "the name of a matrix instruction"},
      {"kernel @k() { wait -1 }", "this number is out of range"},
      {"kernel @k(%n: i64) { wait %n }", "a constant integer is needed"},
      {"kernel @k() { %a = exchange(lane, 3) }", "a power of two"},
      {"kernel @k() { %a = 1\n %b = exchange %a, 4 : i64 }", "exchange takes a varying value"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    expect(&rows[i], false);
  }
}
END_TEST

START_TEST(rules_are_checked) {
  static const bad_text rows[] = {
      {"kernel @k(%x: f32* read) { %x[0] = 1.0 }", "%x is not declared for writing"},
      {"kernel @k(%x: f32* write) { %a = %x[0] }", "%x is not declared for reading"},
      {"kernel @k(%x: f32*) { }", "neither read nor written"},
      {"kernel @k(%x: f16* read) { %a = %x[0] + %x[1] }", "'add' is not computed in f16"},
      {"kernel @k(%x: f32* read) { %a = %x[0]\n %b = and(%a, %x[1]) }", "not computed in f32"},
      {"kernel @k() { %a = exp(i64(1)) }", "'exp' is not computed in i64"},
      {"kernel @k(%x: i16* read) { %0 = const 1 : i64\n %1 = word %x[%0] : i32 }",
       "'word' of %x, whose elements are not bytes"},
      {"kernel @k(%x: u8* read) { %0 = const 1 : i64\n %1 = word %x[%0] : u32 }", "gives i32"},
      {"kernel @k(%x: u8* read) { %0 = lane : i64\n prefetch %x[%0] }", "at a varying index"},
      {"kernel @k() { %0 = const 1 : i64\n %1 = dot4 %0, %0, %0 : i64 }",
       "is i64 where i32 is needed"},
      {"kernel @k() { var %a = 0\n if lane < 2 { %a = 1 } }",
       "is uniform and set under a varying if"},
      {"kernel @k() { for lanes %i in 0 .. 8 { for lanes %j in 0 .. 8 { } } }", "in a lanes loop"},
      {"kernel @k() { if lane < 2 { for lanes %i in 0 .. 8 { } } }", "under a varying if"},
      {"kernel @k() { for lanes %i in 0 .. 8 step 2 { } }", "a step other than 1"},
      {"kernel @k(%n: i64) { for unroll %i in 0 .. %n { } }", "its bounds are not constant"},
      {"kernel @k() { for %i in 0 .. 8 step 0 { } }", "is not positive"},
      {"kernel @k() { if lane < 1 { barrier } }", "barrier stands under"},
      {"kernel @k() { %a = array 2 : f32\n %b = %a[2] }", "has no element 2"},
      {"kernel @k() { %a = 1\n %b = 2\n %1 = add %a, %b : f32 }", "gives i64"},
      {"kernel @k() { %a = lane\n %c = get %a : i64 }", "is not a variable"},
      {"kernel @k(%y: bool* write) { atomic add %y[0], true\n atomic sub %y[0], true }",
       "no atomic 'sub'"},
  };
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    expect(&rows[i], true);
  }
}
END_TEST

// Defects that text cannot spell.
START_TEST(scopes_are_checked) {
  kir_kernel *kernel = kir_kernel_create(&arena, "s", "map", 0);
  kir_builder b;
  kir_builder_init(&b, kernel);
  const kir_val n = kir_const_i64(&b, 3);
  const kir_val i = kir_for(&b, KIR_SERIAL, kir_const_i64(&b, 0), n, kir_const_i64(&b, 1));
  const kir_val inner = kir_mul(&b, i, n);
  kir_end(&b);
  const kir_inst late = {.op = KIR_SCALAR, .scalar_op = AICC_OP_ADD, .arg_count = 2,
                         .args = {inner, n}};
  const kir_value_info info = {.kind = KIR_VALUE, .dtype = AICC_I64};
  kir_append(&b, late, &info);
  ck_assert_int_ne(kir_verify(kernel, &diags), AICC_OK);
  ck_assert_ptr_nonnull(strstr(diags.items[0].text, "used where it is not defined"));
  kernel->values[n].varying = true;
  const size_t before = diags.error_count;
  ck_assert_int_ne(kir_verify(kernel, &diags), AICC_OK);
  ck_assert_uint_ge(diags.error_count - before, 2);  // all violations are reported
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("kir_text");
  TCase *tests = tcase_create("all");
  tcase_add_checked_fixture(tests, set_up, tear_down);
  tcase_add_test(tests, files_round_trip);
  tcase_add_test(tests, hand_written_text);
  tcase_add_test(tests, blocks_round_trip);
  tcase_add_test(tests, different_blocks_differ);
  tcase_add_test(tests, scalar_parameters_become_constants);
  tcase_add_test(tests, constants_keep_their_bits);
  tcase_add_test(tests, errors_have_places);
  tcase_add_test(tests, rules_are_checked);
  tcase_add_test(tests, scopes_are_checked);
  suite_add_tcase(suite, tests);
  return suite;
}

AICC_TEST_MAIN(make_suite)
