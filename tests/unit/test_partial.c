// Partial values: shape arithmetic of exporters resolves to expressions.
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
  ck_assert_uint_eq(f->diags.error_count, 0);
  aicc_module_destroy(f->module);
  aicc_diags_deinit(&f->diags);
}

static aicc_dim dim(fixture *f, const char *text) {
  aicc_dim d = AICC_DIM_NONE;
  ck_assert(aicc_dim_parse(f->module->dims, text, strlen(text), &d));
  return d;
}

static aicc_value *ints(fixture *f, int count, const int64_t *values) {
  return aicc_b_const_i64s(&f->b, values, count);
}

static aicc_value *int1(fixture *f, int64_t value) { return ints(f, 1, &value); }

static aicc_value *param(fixture *f, aicc_dtype dtype, int rank, const aicc_dim *dims) {
  return aicc_region_add_param(f->module, f->module->body, "x",
                               aicc_type_tensor(f->module, dtype, dims, rank));
}

static void expect(fixture *f, const aicc_value *x, const char *text) {
  ck_assert_ptr_nonnull(x);
  int64_t shape[AICC_MAX_RANK], count = 1;
  ck_assert(aicc_type_static_shape(f->module, &x->type, shape));
  for (int i = 0; i < x->type.rank; i++) {
    count *= shape[i];
  }
  char *found = aicc_arena_strdup(&f->module->arena, "");
  for (int64_t i = 0; i < count; i++) {
    const aicc_dim d = x->partial ? x->partial[i] : AICC_DIM_NONE;
    found = aicc_arena_printf(
        &f->module->arena, "%s%s%s", found, i ? ", " : "",
        d ? aicc_dim_print(f->module->dims, d, &f->module->arena) : "?");
  }
  ck_assert_str_eq(found, text);
}

static aicc_value *flat(fixture *f, aicc_value *x, int64_t count) {
  const aicc_dim d = aicc_dim_const(f->module->dims, count);
  return aicc_b_reshape(&f->b, x, &d, 1);
}

START_TEST(the_expand_idiom_resolves) {
  fixture f;
  begin(&f);
  const aicc_dim shape[] = {dim(&f, "batch"), dim(&f, "past + seq"), dim(&f, "16")};
  aicc_value *s = flat(&f, aicc_b_from_dims(&f.b, shape, 3), 3);
  const aicc_dim three = dim(&f, "3");
  aicc_value *ones =
      aicc_b_broadcast(&f.b, aicc_b_scalar_i64(&f.b, AICC_I64, 1), &three, 1);
  aicc_value *minus =
      aicc_b_binary(&f.b, AICC_OP_MUL, ones, aicc_b_scalar_i64(&f.b, AICC_I64, -1));
  aicc_value *eq = aicc_b_binary(&f.b, AICC_OP_EQ, s, minus);
  expect(&f, eq, "0, 0, 0");
  expect(&f, aicc_b_select(&f.b, eq, ones, s), "batch, past + seq, 16");
  end(&f);
}
END_TEST

START_TEST(the_pad_idiom_is_constant) {
  fixture f;
  begin(&f);
  const int64_t pads[] = {1, 2, 3, 4};
  const aicc_dim four = dim(&f, "4");
  aicc_value *zeros =
      aicc_b_broadcast(&f.b, aicc_b_scalar_i64(&f.b, AICC_I64, 0), &four, 1);
  aicc_value *const parts[] = {ints(&f, 4, pads), zeros};
  const aicc_dim square[] = {dim(&f, "4"), dim(&f, "2")};
  aicc_value *x = aicc_b_reshape(&f.b, aicc_b_concat(&f.b, parts, 2, 0), square, 2);
  x = aicc_b_slice(&f.b, x, 0, dim(&f, "3"), dim(&f, "4"), -1);
  const int64_t perm[] = {1, 0};
  x = flat(&f, aicc_b_transpose(&f.b, x, perm), 8);
  expect(&f, aicc_b_cast(&f.b, x, AICC_I32), "0, 0, 3, 1, 0, 0, 4, 2");
  end(&f);
}
END_TEST

START_TEST(the_chunk_idiom_divides_symbols) {
  fixture f;
  begin(&f);
  const aicc_dim shape[] = {dim(&f, "batch"), dim(&f, "2*c + 6")};
  aicc_value *s = aicc_b_from_dims(&f.b, shape, 2);
  aicc_value *c = aicc_b_gather(&f.b, s, aicc_b_scalar_i64(&f.b, AICC_I64, 1), 0);
  aicc_value *one = aicc_b_scalar_i64(&f.b, AICC_I64, 1);
  aicc_value *two = aicc_b_scalar_i64(&f.b, AICC_I64, 2);
  aicc_value *half =
      aicc_b_binary(&f.b, AICC_OP_DIV, aicc_b_binary(&f.b, AICC_OP_ADD, c, one), two);
  expect(&f, half, "c + 3");
  expect(&f, aicc_b_binary(&f.b, AICC_OP_MUL, half, two), "2*c + 6");
  end(&f);
}
END_TEST

START_TEST(the_unflatten_idiom_keeps_its_rank) {
  fixture f;
  begin(&f);
  const aicc_dim shape[] = {dim(&f, "seq"), dim(&f, "batch"), dim(&f, "192")};
  aicc_value *s = aicc_b_from_dims(&f.b, shape, 3);
  aicc_value *at = aicc_b_binary(&f.b, AICC_OP_MOD, int1(&f, -1), int1(&f, 3));
  expect(&f, at, "2");
  const int64_t inner[] = {3, 64};
  aicc_value *const parts[] = {
      aicc_b_slice(&f.b, s, 0, dim(&f, "0"), at->partial[0], 1), ints(&f, 2, inner),
      aicc_b_slice(&f.b, s, 0, dim(&f, "3"), dim(&f, "0"), 1)};
  expect(&f, aicc_b_concat(&f.b, parts, 3, 0), "seq, batch, 3, 64");
  end(&f);
}
END_TEST

START_TEST(unknown_elements_do_not_hide_known_ones) {
  fixture f;
  begin(&f);
  aicc_value *const parts[] = {param(&f, AICC_I64, 1, (aicc_dim[]){dim(&f, "2")}), int1(&f, 7)};
  aicc_value *x = aicc_b_concat(&f.b, parts, 2, 0);
  expect(&f, x, "?, ?, 7");
  aicc_value *y = aicc_b_binary(&f.b, AICC_OP_ADD, x, int1(&f, 1));
  expect(&f, y, "?, ?, 8");
  const int64_t axes[] = {0};
  expect(&f, aicc_b_reduce(&f.b, AICC_OP_REDUCE_SUM, y, axes, 1, false), "?");
  const aicc_dim *dims = NULL;
  int count = 0;
  ck_assert(aicc_b_as_dims(&f.b, y, &dims, &count));
  expect(&f, y, "s0, s1, 8");
  ck_assert_int_eq(y->def->next->op, AICC_OP_DEF_DIM);  // before everything that may use them
  ck_assert_int_eq(y->def->next->next->op, AICC_OP_DEF_DIM);
  int64_t lower = 0;
  aicc_dim_bounds(f.module->dims, dims[0], &lower, NULL);
  ck_assert_int_eq(lower, INT64_MIN);
  end(&f);
}
END_TEST

START_TEST(sizes_computed_in_floats_are_followed) {
  fixture f;
  begin(&f);
  const aicc_dim shape[] = {dim(&f, "h"), dim(&f, "6")};
  aicc_value *x = aicc_b_cast(&f.b, aicc_b_from_dims(&f.b, shape, 2), AICC_F32);
  aicc_value *half =
      aicc_b_binary(&f.b, AICC_OP_MUL, x, aicc_b_scalar(&f.b, AICC_F32, 0.5));
  expect(&f, half, "?, ?");
  expect(&f, aicc_b_cast(&f.b, half, AICC_I64), "h // 2, 3");
  aicc_value *floor = aicc_b_unary(&f.b, AICC_OP_FLOOR, half);
  expect(&f, aicc_b_cast(&f.b, floor, AICC_I64), "h // 2, 3");
  aicc_value *third =
      aicc_b_binary(&f.b, AICC_OP_DIV, x, aicc_b_scalar(&f.b, AICC_F32, 3));
  expect(&f, aicc_b_unary(&f.b, AICC_OP_CEIL, third), "(h + 2) // 3, 2");
  aicc_value *twice = aicc_b_binary(&f.b, AICC_OP_MUL, x, aicc_b_scalar(&f.b, AICC_F32, 2));
  expect(&f, aicc_b_cast(&f.b, twice, AICC_I64), "2*h, 12");
  aicc_value *odd = aicc_b_binary(&f.b, AICC_OP_MUL, x, aicc_b_scalar(&f.b, AICC_F32, 0.3));
  expect(&f, aicc_b_cast(&f.b, odd, AICC_I64), "?, ?");
  end(&f);
}
END_TEST

START_TEST(integers_divide_toward_zero_and_wrap_nowhere) {
  fixture f;
  begin(&f);
  const int64_t values[] = {7, -7, 0};
  aicc_value *x = ints(&f, 3, values);
  expect(&f, aicc_b_binary(&f.b, AICC_OP_DIV, x, int1(&f, 2)), "3, -3, 0");
  expect(&f, aicc_b_binary(&f.b, AICC_OP_DIV, x, int1(&f, -2)), "-3, 3, 0");
  expect(&f, aicc_b_binary(&f.b, AICC_OP_MOD, x, int1(&f, 4)), "3, 1, 0");
  expect(&f, aicc_b_binary(&f.b, AICC_OP_FMOD, x, int1(&f, 4)), "3, -3, 0");
  expect(&f, aicc_b_unary(&f.b, AICC_OP_ABS, x), "7, 7, 0");
  expect(&f, aicc_b_unary(&f.b, AICC_OP_SIGN, x), "1, -1, 0");
  expect(&f, aicc_b_cast(&f.b, x, AICC_BOOL), "1, 1, 0");
  expect(&f, aicc_b_cast(&f.b, x, AICC_U8), "7, ?, 0");
  expect(&f, aicc_b_cast(&f.b, int1(&f, 300), AICC_U8), "?");
  const aicc_dim n = dim(&f, "n");
  aicc_value *size = aicc_b_from_dims(&f.b, &n, 1);
  expect(&f, aicc_b_cast(&f.b, size, AICC_I32), "n");
  expect(&f, aicc_b_cast(&f.b, size, AICC_I8), "?");
  expect(&f, aicc_b_binary(&f.b, AICC_OP_GE, size, int1(&f, 0)), "1");
  expect(&f, aicc_b_binary(&f.b, AICC_OP_LT, size, int1(&f, 3)), "n < 3");
  end(&f);
}
END_TEST

START_TEST(a_known_truth_value_decides_over_an_unknown_one) {
  fixture f;
  begin(&f);
  aicc_value *x = param(&f, AICC_BOOL, 0, NULL);
  aicc_value *yes = aicc_b_cast(&f.b, int1(&f, 1), AICC_BOOL);
  aicc_value *no = aicc_b_unary(&f.b, AICC_OP_NOT, yes);
  expect(&f, aicc_b_binary(&f.b, AICC_OP_AND, x, no), "0");
  expect(&f, aicc_b_binary(&f.b, AICC_OP_OR, yes, x), "1");
  expect(&f, aicc_b_binary(&f.b, AICC_OP_AND, yes, x), "?");
  end(&f);
}
END_TEST

START_TEST(gathers_reductions_and_running_totals) {
  fixture f;
  begin(&f);
  const aicc_dim shape[] = {dim(&f, "a"), dim(&f, "b"), dim(&f, "3")};
  aicc_value *s = aicc_b_from_dims(&f.b, shape, 3);
  const int64_t picks[] = {-1, 0, 1}, axes[] = {0};
  expect(&f, aicc_b_gather(&f.b, s, ints(&f, 3, picks), 0), "3, a, b");
  expect(&f, aicc_b_reduce(&f.b, AICC_OP_REDUCE_PROD, s, axes, 1, true), "3*a*b");
  expect(&f, aicc_b_reduce(&f.b, AICC_OP_REDUCE_MIN, s, axes, 1, false), "min(3, a, b)");
  aicc_node *node = aicc_node_create(f.module, AICC_OP_CUMULATE, &s, 1, 1);
  aicc_set_int(f.module, node, AICC_ATTR_AXIS, 0);
  aicc_set_int(f.module, node, AICC_ATTR_EXCLUSIVE, 1);
  aicc_set_int(f.module, node, AICC_ATTR_REVERSE, 1);
  expect(&f, aicc_b_finish(&f.b, node), "b + 3, 3, 0");
  const aicc_dim grid[] = {dim(&f, "2"), dim(&f, "3")};
  expect(&f, aicc_b_iota(&f.b, AICC_I64, grid, 2, 1), "0, 1, 2, 0, 1, 2");
  aicc_value *fill = aicc_b_scalar_i64(&f.b, AICC_I64, 9);
  const aicc_dim low[] = {dim(&f, "1")}, high[] = {dim(&f, "-1")};
  expect(&f, aicc_b_pad(&f.b, s, fill, low, high, "constant"), "9, a, b");
  end(&f);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("partial");
  TCase *t = tcase_create("partial");
  tcase_add_test(t, the_expand_idiom_resolves);
  tcase_add_test(t, the_pad_idiom_is_constant);
  tcase_add_test(t, the_chunk_idiom_divides_symbols);
  tcase_add_test(t, the_unflatten_idiom_keeps_its_rank);
  tcase_add_test(t, unknown_elements_do_not_hide_known_ones);
  tcase_add_test(t, sizes_computed_in_floats_are_followed);
  tcase_add_test(t, integers_divide_toward_zero_and_wrap_nowhere);
  tcase_add_test(t, a_known_truth_value_decides_over_an_unknown_one);
  tcase_add_test(t, gathers_reductions_and_running_totals);
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
