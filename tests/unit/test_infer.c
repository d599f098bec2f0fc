// Type inference: result types, broadcasting, and what is refused with which message.
#include <string.h>

#include "check_main.h"
#include "ir/build.h"

typedef struct fixture {
  aicc_module *module;
  aicc_diags diags;
  aicc_builder b;
} fixture;

static void begin(fixture *f) {
  f->module = aicc_module_create("test");
  aicc_diags_init(&f->diags);
  f->b = (aicc_builder){
      .module = f->module, .region = f->module->body, .diags = &f->diags};
}

static void end(fixture *f) {
  aicc_module_destroy(f->module);
  aicc_diags_deinit(&f->diags);
}

// A parameter with dims given as text: "N 3 seq".
static aicc_value *param(fixture *f, aicc_dtype dtype, const char *text) {
  aicc_dim dims[AICC_MAX_RANK];
  int rank = 0;
  while (*text) {
    const size_t length = strcspn(text, " ");
    ck_assert(aicc_dim_parse(f->module->dims, text, length, &dims[rank++]));
    text += length;
    text += strspn(text, " ");
  }
  return aicc_region_add_param(f->module, f->module->body, NULL,
                               aicc_type_tensor(f->module, dtype, dims, rank));
}

static void expect(fixture *f, const aicc_value *x, const char *type) {
  ck_assert_ptr_nonnull(x);
  ck_assert_str_eq(aicc_type_print(f->module, &x->type, &f->module->arena), type);
}

static void expect_error(fixture *f, const aicc_value *x, const char *id, const char *part) {
  ck_assert_ptr_null(x);
  ck_assert_uint_eq(f->diags.count, 1);
  ck_assert_str_eq(aicc_diag_name(f->diags.items[0].id), id);
  ck_assert_msg(strstr(f->diags.items[0].text, part), "%s", f->diags.items[0].text);
  f->diags.count = f->diags.error_count = 0;
}

START_TEST(broadcasting_follows_numpy_and_keeps_symbols) {
  fixture f;
  begin(&f);
  static const char *const cases[][3] = {
      {"N 3", "3", "f32[N, 3]"},       {"N 1", "1 S", "f32[N, S]"}, {"N", "4", "f32[4]"},
      {"past+seq", "seq+past", "f32[past + seq]"}, {"N", "M", "f32[max(M, N)]"},
      {"", "2 3", "f32[2, 3]"},        {"N+2", "M", "f32[N + 2]"},
      {"0", "1", "f32[0]"},            {"min(1,N)", "S", "f32[S]"},
  };
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    aicc_value *x = param(&f, AICC_F32, cases[i][0]), *y = param(&f, AICC_F32, cases[i][1]);
    expect(&f, aicc_b_binary(&f.b, AICC_OP_ADD, x, y), cases[i][2]);
    expect(&f, aicc_b_binary(&f.b, AICC_OP_ADD, y, x), cases[i][2]);
  }
  aicc_value *x = param(&f, AICC_F32, "2 3");
  expect_error(&f, aicc_b_binary(&f.b, AICC_OP_ADD, x, param(&f, AICC_F32, "2 4")), "E0202",
               "'add': shapes f32[2, 3] and f32[2, 4] do not broadcast");
  expect_error(&f, aicc_b_binary(&f.b, AICC_OP_ADD, x, param(&f, AICC_F32, "N+4")), "E0202",
               "f32[N + 4]");
  expect_error(&f, aicc_b_binary(&f.b, AICC_OP_ADD, x, param(&f, AICC_I64, "2 3")), "E0204",
               "element types f32 and i64 differ");
  end(&f);
}
END_TEST

START_TEST(elementwise_operators_check_their_element_types) {
  fixture f;
  begin(&f);
  aicc_value *x = param(&f, AICC_F32, "N"), *i = param(&f, AICC_I64, "N"),
             *c = param(&f, AICC_BOOL, "M 1");
  expect(&f, aicc_b_binary(&f.b, AICC_OP_LT, x, x), "bool[N]");
  expect(&f, aicc_b_binary(&f.b, AICC_OP_POW, x, i), "f32[N]");
  expect(&f, aicc_b_select(&f.b, c, i, i), "i64[M, N]");
  expect(&f, aicc_b_cast(&f.b, x, AICC_F16), "f16[N]");
  expect_error(&f, aicc_b_unary(&f.b, AICC_OP_EXP, i), "E0203", "'exp': it needs floats");
  expect_error(&f, aicc_b_unary(&f.b, AICC_OP_NOT, i), "E0203", "it needs bool");
  expect_error(&f, aicc_b_select(&f.b, x, i, i), "E0203", "the condition must be bool");
  end(&f);
}
END_TEST

START_TEST(contractions_and_reductions) {
  fixture f;
  begin(&f);
  aicc_value *x = param(&f, AICC_F32, "B 1 S 16");
  expect(&f, aicc_b_matmul(&f.b, x, param(&f, AICC_F32, "8 16 T")), "f32[B, 8, S, T]");
  expect_error(&f, aicc_b_matmul(&f.b, x, param(&f, AICC_F32, "15 T")), "E0203",
               "the inner dimensions 16 and 15 differ");
  const int64_t axes[] = {-1, 1};
  expect(&f, aicc_b_reduce(&f.b, AICC_OP_REDUCE_SUM, x, axes, 2, true), "f32[B, 1, S, 1]");
  expect(&f, aicc_b_reduce(&f.b, AICC_OP_REDUCE_SUM, x, axes, 2, false), "f32[B, S]");
  expect(&f, aicc_b_reduce(&f.b, AICC_OP_REDUCE_MAX, x, NULL, 0, false), "f32[]");
  expect(&f, aicc_b_arg(&f.b, AICC_OP_ARGMAX, x, -1, false, false), "i64[B, 1, S]");
  end(&f);
}
END_TEST

START_TEST(moves) {
  fixture f;
  begin(&f);
  aicc_value *x = param(&f, AICC_F32, "B P 16"), *y = param(&f, AICC_F32, "B S 16");
  aicc_value *const parts[] = {x, y}, *const odd[] = {x, param(&f, AICC_F32, "B S 15")};
  expect(&f, aicc_b_concat(&f.b, parts, 2, 1), "f32[B, P + S, 16]");
  expect_error(&f, aicc_b_concat(&f.b, odd, 2, 1), "E0203", "differ in dimension 2");
  expect_error(&f, aicc_b_concat(&f.b, parts, 2, 3), "E0203", "axis 3 is out of range for rank 3");
  expect(&f, aicc_b_gather(&f.b, x, param(&f, AICC_I64, "K L"), 1), "f32[B, K, L, 16]");
  const int64_t perm[] = {2, 0, 1}, wrong[] = {2, 0, 2};
  expect(&f, aicc_b_transpose(&f.b, x, perm), "f32[16, B, P]");
  expect_error(&f, aicc_b_transpose(&f.b, x, wrong), "E0203", "no permutation");
  aicc_value *const in[] = {x, param(&f, AICC_I64, "B K 1")};
  aicc_node *node = aicc_node_create(f.module, AICC_OP_GATHER_ND, in, 2, 1);
  aicc_set_int(f.module, node, AICC_ATTR_BATCH_DIMS, 1);
  expect(&f, aicc_b_finish(&f.b, node), "f32[B, K, 16]");
  node = aicc_node_create(f.module, AICC_OP_RESHAPE, &x, 1, 1);
  expect_error(&f, aicc_b_finish(&f.b, node), "E0203", "the type of result 0 is not stated");
  end(&f);
}
END_TEST

START_TEST(operand_counts_and_texts_of_types) {
  fixture f;
  begin(&f);
  aicc_value *x = param(&f, AICC_F32, "N");
  aicc_node *node = aicc_node_create(f.module, AICC_OP_ADD, &x, 1, 1);
  expect_error(&f, aicc_b_finish(&f.b, node), "E0101", "'add' takes 2 operands, 1 given");
  node = aicc_node_create(f.module, AICC_OP_CONCAT, NULL, 0, 1);
  expect_error(&f, aicc_b_finish(&f.b, node), "E0101", "at least 1 operands");
  aicc_type unknown = {.kind = AICC_TYPE_TENSOR, .dtype = AICC_I64, .rank = -1};
  const aicc_type sequence = {.kind = AICC_TYPE_SEQUENCE, .element = &unknown};
  const aicc_type optional = {.kind = AICC_TYPE_OPTIONAL, .element = &sequence};
  ck_assert_str_eq(aicc_type_print(f.module, &optional, &f.module->arena), "opt<seq<i64[?]>>");
  ck_assert(aicc_type_equal(&optional, &optional));
  ck_assert(!aicc_type_equal(&optional, &sequence));
  end(&f);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("infer");
  TCase *t = tcase_create("infer");
  tcase_add_test(t, broadcasting_follows_numpy_and_keeps_symbols);
  tcase_add_test(t, elementwise_operators_check_their_element_types);
  tcase_add_test(t, contractions_and_reductions);
  tcase_add_test(t, moves);
  tcase_add_test(t, operand_counts_and_texts_of_types);
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
