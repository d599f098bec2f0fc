// Symbolic integers: normal form, decisions by bounds, text, and a random comparison of the normal
// form with direct evaluation.
#include <string.h>

#include "check_main.h"
#include "ir/dim.h"

typedef struct fixture {
  aicc_dims *dims;
  aicc_arena arena;
} fixture;

static fixture begin(void) {
  fixture f = {.dims = aicc_dims_create()};
  aicc_arena_init(&f.arena);
  return f;
}

static void end(fixture *f) {
  aicc_dims_destroy(f->dims);
  aicc_arena_deinit(&f->arena);
}

static aicc_dim parse(fixture *f, const char *text) {
  aicc_dim d = AICC_DIM_NONE;
  ck_assert_msg(aicc_dim_parse(f->dims, text, strlen(text), &d), "no expression: %s", text);
  return d;
}

START_TEST(normal_forms_print_as_stated) {
  static const char *const cases[][2] = {
    {"past + seq", "past + seq"},
    {"seq + past", "past + seq"},
    {"n + 1 - 1", "n"},
    {"2*batch + batch + 1", "3*batch + 1"},
    {"n - n", "0"},
    {"(a + b)*(a - b)", "a*a - b*b"},
    {"-n", "-n"},
    {"-3*n + 1", "-3*n + 1"},
    {"1 - n*m", "-m*n + 1"},
    {"(4*n) // 4", "n"},
    {"(2*n + 4) // 2", "n + 2"},
    {"(2*n + 3) // 4", "(n + 1) // 2"},
    {"(5*n) // 4", "n // 4 + n"},
    {"-((-n) // 2)", "(n + 1) // 2"},
    {"(((samples//20)) - 3)//2 + 1", "(samples - 60) // 40 + 1"},
    {"2*(((height - 1)//2)) + 2", "2*((height - 1) // 2) + 2"},
    {"n // 1", "n"},
    {"n // 0", "0"},
    {"n // -2", "-((n + 1) // 2)"},
    {"3 // 2", "1"},
    {"-3 // 2", "-2"},
    {"(n*m) // m", "(m*n) // m"},
    {"(4*n) % 4", "0"},
    {"(4*n + 3) % 4", "3"},
    {"(6*n + 3) % 4", "2*((n + 1) % 2) + 1"},
    {"(n*m) % m", "0"},
    {"(n % 8) % 4", "n % 4"},
    {"(n % 4) % 8", "n % 4"},
    {"-7 % 4", "1"},
    {"Min(64, seq)", "min(64, seq)"},
    {"Max(1, n + 1)", "n + 1"},
    {"max(n, n)", "n"},
    {"max(n, 0)", "n"},
    {"min(n, n + 1)", "n"},
    {"max(b, max(a, b))", "max(a, b)"},
    {"min(max(a, b), b)", "b"},
    {"min(9223372036854775807, n)", "n"},
    {"min((n + 1) // 2, n)", "(n + 1) // 2"},
    {"max(n - n // 2, 0)", "(n - n // 2)"},
    {"n == n", "1"},
    {"n == -1", "0"},
    {"2*n + 1 == 4", "0"},
    {"2*n + 2 == 6", "n == 2"},
    {"n < 0", "0"},
    {"n < n + 1", "1"},
    {"n + 1 < m", "n + 1 < m"},
    {"select(n == -1, 1, n)", "n"},
    {"select(n < 4, n, 4)", "min(4, n)"},
    {"select(4 < n, n, 4)", "max(4, n)"},
    {"select(n == 4, 1, 0)", "n == 4"},
    {"n < 1", "n == 0"},
    {"select(n < 1, 2*n - 1, n - 1)", "n - 1"},
    {"(n == 4) == 0", "-(n == 4) + 1"},
    {"select(1 - (n == 4), a, b)", "select(n == 4, b, a)"},
    {"n**2", "n*n"},
    {"floor((n - 1)/2)", "(n - 1) // 2"},
    {"ceiling(n/2)", "(n + 1) // 2"},
    {"FloorDiv(n, 2) + Mod(n, 2)", "n // 2 + n % 2"},
    {"`unk__749 x` + 1", "`unk__749 x` + 1"},
    {"`a``b`", "`a``b`"},
    {"min + max", "max + min"},
    {"Concatpresent.0.key_dim_2", "Concatpresent.0.key_dim_2"},
    {"9223372036854775807 + 1", "(1 + 9223372036854775807)"},
    {"-9223372036854775808", "-9223372036854775808"},
  };
  fixture f = begin();
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    const aicc_dim d = parse(&f, cases[i][0]);
    const char *text = aicc_dim_print(f.dims, d, &f.arena);
    ck_assert_msg(d == parse(&f, cases[i][1]), "%s: %s, expected %s", cases[i][0], text,
                  cases[i][1]);
    ck_assert_uint_eq(parse(&f, text), d);
    fixture other = begin();  // the text does not depend on what was made before
    ck_assert_str_eq(aicc_dim_print(other.dims, parse(&other, text), &other.arena), text);
    end(&other);
  }
  end(&f);
}
END_TEST

START_TEST(texts_that_are_no_expressions_are_refused) {
  static const char *const cases[] = {"", " ", "a b", "2x", "a +", "(a", "f(a)", "a / b", "`a",
                                      "min(a, )", "99999999999999999999", "a ** b", "é"};
  fixture f = begin();
  for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
    aicc_dim d = 77;
    ck_assert_msg(!aicc_dim_parse(f.dims, cases[i], strlen(cases[i]), &d), "%s", cases[i]);
    ck_assert_uint_eq(d, 77);
  }
  char deep[1000];
  memset(deep, '(', sizeof(deep));
  aicc_dim d;
  ck_assert(!aicc_dim_parse(f.dims, deep, sizeof(deep), &d));
  ck_assert_uint_eq(aicc_dim_parse_prefix(f.dims, "n + 1, m]", 9, &d), 5);
  end(&f);
}
END_TEST

START_TEST(a_quotient_by_itself_needs_a_lower_bound_or_an_exact_division) {
  fixture f = begin();
  const aicc_dim n = aicc_dim_symbol(f.dims, "n"), m = aicc_dim_symbol(f.dims, "m");
  const aicc_dim product = aicc_dim_mul(f.dims, n, m);
  ck_assert_uint_ne(aicc_dim_floordiv(f.dims, product, m), n);
  ck_assert_uint_eq(aicc_dim_divide_exact(f.dims, product, m), n);
  const aicc_dim sum = aicc_dim_add(f.dims, product, m);  // m*n + m by n + 1
  ck_assert_uint_eq(
      aicc_dim_divide_exact(f.dims, sum, aicc_dim_add(f.dims, n, aicc_dim_const(f.dims, 1))), m);
  const aicc_dim k = aicc_dim_fresh(f.dims, "k");
  aicc_dim_set_lower(f.dims, k, 1);
  ck_assert_uint_eq(aicc_dim_floordiv(f.dims, aicc_dim_mul(f.dims, n, k), k), n);
  ck_assert_uint_eq(aicc_dim_floordiv(f.dims, k, k), aicc_dim_const(f.dims, 1));
  end(&f);
}
END_TEST

START_TEST(bounds_follow_the_symbols) {
  fixture f = begin();
  int64_t lower = 0, upper = 0;
  aicc_dim_bounds(f.dims, parse(&f, "2*n + 3"), &lower, &upper);
  ck_assert_int_eq(lower, 3);
  ck_assert_int_eq(upper, INT64_MAX);
  aicc_dim_bounds(f.dims, parse(&f, "5 - n % 4"), &lower, &upper);
  ck_assert_int_eq(lower, 2);
  ck_assert_int_eq(upper, 5);
  const aicc_dim d = parse(&f, "3*n // 4 - 1");
  aicc_dim_set_lower(f.dims, aicc_dim_symbol(f.dims, "n"), 4);
  aicc_dim_bounds(f.dims, d, &lower, &upper);
  ck_assert_int_ge(lower, 2);
  const aicc_dim any = aicc_dim_fresh(f.dims, "any");
  aicc_dim_set_lower(f.dims, any, INT64_MIN);
  aicc_dim_bounds(f.dims, aicc_dim_mul(f.dims, any, aicc_dim_const(f.dims, -2)), &lower, &upper);
  ck_assert_int_eq(lower, INT64_MIN);
  ck_assert_int_eq(upper, INT64_MAX);
  ck_assert(!aicc_dim_ge(f.dims, any, aicc_dim_const(f.dims, 0)));
  end(&f);
}
END_TEST

START_TEST(divisibility_is_found_through_sums_and_products) {
  fixture f = begin();
  ck_assert(aicc_dim_divisible(f.dims, parse(&f, "8*n*m + 16"), 8));
  ck_assert(!aicc_dim_divisible(f.dims, parse(&f, "8*n*m + 12"), 8));
  ck_assert(aicc_dim_divisible(f.dims, parse(&f, "max(8*n, 16)"), 8));
  ck_assert(aicc_dim_divisible(f.dims, parse(&f, "0"), 8));
  ck_assert(!aicc_dim_divisible(f.dims, parse(&f, "n"), 2));
  end(&f);
}
END_TEST

static aicc_dim twice(void *context, aicc_dim symbol) {
  fixture *f = context;
  const char *name = aicc_dim_symbol_name(f->dims, symbol);
  return strcmp(name, "n") == 0 ? parse(f, "2*m") : AICC_DIM_NONE;
}

START_TEST(substitution_normalises_again) {
  fixture f = begin();
  const aicc_dim d = parse(&f, "n // 2 + max(n, m) + q");
  ck_assert_uint_eq(aicc_dim_substitute(f.dims, d, twice, &f), parse(&f, "3*m + q"));
  end(&f);
}
END_TEST

// --- random expressions --------------------------------------------------------------------------

typedef struct random_case {
  fixture *f;
  uint64_t state;
  int64_t values[4];
} random_case;

static uint32_t next(random_case *r) {
  r->state = r->state * 6364136223846793005u + 1442695040888963407u;
  return (uint32_t)(r->state >> 33);
}

static const char *const symbol_names[4] = {"a", "b", "c", "any"};

static bool lookup(void *context, const char *symbol, int64_t *value) {
  const random_case *r = context;
  for (int i = 0; i < 4; i++) {
    if (strcmp(symbol, symbol_names[i]) == 0) {
      *value = r->values[i];
      return true;
    }
  }
  return false;
}

static int64_t floordiv(int64_t a, int64_t b) {
  if (b == 0) {
    return 0;
  }
  const int64_t q = a / b;
  return q * b != a && (a < 0) != (b < 0) ? q - 1 : q;
}

// An expression and, beside it, its value computed directly for 3 assignments.
typedef struct sample {
  aicc_dim dim;
  int64_t value[3];
  const char *made;  // how, for messages
} sample;

static const int64_t assignments[3][4] = {{0, 1, 7, -5}, {4, 0, 3, 12}, {9, 6, 2, 0}};

static const char *const op_names[] = {"add", "sub", "mul", "floordiv", "mod",    "min",
                                       "max", "eq",  "lt",  "select",   "ceildiv"};

static int64_t apply(int op, int64_t a, int64_t b, int64_t c) {
  switch (op) {
    case 0: return a + b;
    case 1: return a - b;
    case 2: return a * b;
    case 3: return floordiv(a, b);
    case 4: return b == 0 ? 0 : a - b * floordiv(a, b);
    case 5: return a < b ? a : b;
    case 6: return a > b ? a : b;
    case 7: return a == b;
    case 8: return a < b;
    case 9: return c ? a : b;
    default: return b == 0 ? 0 : -floordiv(-a, b);
  }
}

static aicc_dim build(aicc_dims *dims, int op, aicc_dim a, aicc_dim b, aicc_dim c) {
  switch (op) {
    case 0: return aicc_dim_add(dims, a, b);
    case 1: return aicc_dim_sub(dims, a, b);
    case 2: return aicc_dim_mul(dims, a, b);
    case 3: return aicc_dim_floordiv(dims, a, b);
    case 4: return aicc_dim_mod(dims, a, b);
    case 5: return aicc_dim_min(dims, a, b);
    case 6: return aicc_dim_max(dims, a, b);
    case 7: return aicc_dim_eq(dims, a, b);
    case 8: return aicc_dim_lt(dims, a, b);
    case 9: return aicc_dim_select(dims, c, a, b);
    default: return aicc_dim_ceildiv(dims, a, b);
  }
}

static sample random_sample(random_case *r, int depth) {
  aicc_dims *dims = r->f->dims;
  sample s;
  if (depth == 0 || next(r) % 5 == 0) {
    const uint32_t which = next(r) % 8;
    s.dim = which < 4 ? aicc_dim_symbol(dims, symbol_names[which])
                      : aicc_dim_const(dims, (int64_t)(next(r) % 13) - 4);
    s.made = aicc_dim_print(dims, s.dim, &r->f->arena);
    for (int i = 0; i < 3; i++) {
      s.value[i] = which < 4 ? assignments[i][which] : 0;
      if (which >= 4) {
        ck_assert(aicc_dim_is_const(dims, s.dim, &s.value[i]));
      }
    }
    return s;
  }
  const int op = (int)(next(r) % 11);
  const sample a = random_sample(r, depth - 1), b = random_sample(r, depth - 1),
               c = random_sample(r, depth - 1);
  s.dim = build(dims, op, a.dim, b.dim, c.dim);
  s.made = aicc_arena_printf(&r->f->arena, "%s(%s, %s, %s)", op_names[op], a.made, b.made, c.made);
  for (int i = 0; i < 3; i++) {
    s.value[i] = apply(op, a.value[i], b.value[i], c.value[i]);
  }
  return s;
}

START_TEST(random_expressions_keep_their_values_bounds_and_text) {
  fixture f = begin();
  random_case r = {.f = &f, .state = 42};
  aicc_dim_set_lower(f.dims, aicc_dim_symbol(f.dims, "any"), INT64_MIN);
  for (int round = 0; round < 20000; round++) {
    const sample s = random_sample(&r, 4);
    int64_t lower = 0, upper = 0, value = 0;
    aicc_dim_bounds(f.dims, s.dim, &lower, &upper);
    for (int i = 0; i < 3; i++) {
      memcpy(r.values, assignments[i], sizeof(r.values));
      ck_assert(aicc_dim_eval(f.dims, s.dim, lookup, &r, &value));
      ck_assert_msg(value == s.value[i], "round %d: %s = %s is %lld, not %lld", round, s.made,
                    aicc_dim_print(f.dims, s.dim, &f.arena), (long long)value,
                    (long long)s.value[i]);
      ck_assert(value >= lower && value <= upper);
    }
    const char *text = aicc_dim_print(f.dims, s.dim, &f.arena);
    aicc_dim again = AICC_DIM_NONE;
    ck_assert_msg(aicc_dim_parse(f.dims, text, strlen(text), &again), "%s", text);
    ck_assert_msg(again == s.dim, "round %d: %s reads as %s", round, text,
                  aicc_dim_print(f.dims, again, &f.arena));
  }
  end(&f);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("dim");
  TCase *t = tcase_create("dim");
  tcase_set_timeout(t, 60);
  tcase_add_test(t, normal_forms_print_as_stated);
  tcase_add_test(t, texts_that_are_no_expressions_are_refused);
  tcase_add_test(t, a_quotient_by_itself_needs_a_lower_bound_or_an_exact_division);
  tcase_add_test(t, bounds_follow_the_symbols);
  tcase_add_test(t, divisibility_is_found_through_sums_and_products);
  tcase_add_test(t, substitution_normalises_again);
  tcase_add_test(t, random_expressions_keep_their_values_bounds_and_text);
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
