// Library kernels along axes, scatters, counts: each against the graph interpreter.
#include "check_main.h"
#include "own_cases.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

static aicc_dim dim(aicc_module *module, int64_t value) {
  return aicc_dim_const(module->dims, value);
}

// p: op, axis, keepdims, last
static aicc_node *make_arg(aicc_module *module, aicc_value *const *in, const own_case *c) {
  aicc_node *node = own_node(module, c->p[0] ? AICC_OP_ARGMAX : AICC_OP_ARGMIN, in, 1, 1);
  aicc_set_int(module, node, AICC_ATTR_AXIS, c->p[1]);
  aicc_set_int(module, node, AICC_ATTR_KEEPDIMS, 1);
  aicc_set_int(module, node, AICC_ATTR_LAST, c->p[2]);
  aicc_dim dims[OWN_RANK];
  for (int d = 0; d < in[0]->type.rank; d++) {
    dims[d] = d == c->p[1] ? dim(module, 1) : in[0]->type.dims[d];
  }
  own_set_type(module, node, 0, AICC_I64, dims, in[0]->type.rank);
  return node;
}

static const float nans[] = {1, NAN, 3, NAN, -1, 3, 3, 2, NAN, NAN, NAN, NAN};

START_TEST(arg) {
  static const own_case cases[] = {
      {"argmax rows", make_arg, {{AICC_F32, 2, {5, 37}}}, 1, {1, 1, 0}},
      {"argmax long row", make_arg, {{AICC_F32, 2, {2, 2500}}}, 1, {1, 1, 0}},
      {"argmin long row last", make_arg, {{AICC_F16, 2, {2, 2500}}}, 1, {0, 1, 1}},
      {"argmax rows last", make_arg, {{AICC_F32, 2, {5, 37}}}, 1, {1, 1, 1}},
      {"argmin rows", make_arg, {{AICC_F16, 3, {2, 3, 9}}}, 1, {0, 2, 0}},
      {"argmin rows last", make_arg, {{AICC_I32, 2, {3, 1}}}, 1, {0, 1, 1}},
      {"argmax columns", make_arg, {{AICC_F64, 3, {2, 7, 19}}}, 1, {1, 1, 0}},
      {"argmin columns last", make_arg, {{AICC_U8, 3, {3, 5, 1}}}, 1, {0, 0, 1}},
      {"argmax of one", make_arg, {{AICC_I64, 1, {1}}}, 1, {1, 0, 0}},
      {"argmax of no rows", make_arg, {{AICC_F32, 2, {0, 4}}}, 1, {1, 1, 0}},
      {"argmax with nan", make_arg, {{AICC_F32, 2, {3, 4}, .data = nans}}, 1, {1, 1, 0}},
      {"argmin with nan", make_arg, {{AICC_F32, 2, {3, 4}, .data = nans}}, 1, {0, 1, 0}},
      {"argmax of equal least", make_arg, {{AICC_I8, 2, {2, 6}, OWN_INDEX, -128, -127}}, 1,
       {1, 1, 0}},
  };
  own_run_cases(cases, COUNT(cases));
}
END_TEST

// p: axis, product, exclusive, reverse
static aicc_node *make_cumulate(aicc_module *module, aicc_value *const *in, const own_case *c) {
  aicc_node *node = own_node(module, AICC_OP_CUMULATE, in, 1, 1);
  aicc_set_int(module, node, AICC_ATTR_AXIS, c->p[0]);
  aicc_set_string(module, node, AICC_ATTR_OP, c->p[1] ? "prod" : "sum");
  aicc_set_int(module, node, AICC_ATTR_EXCLUSIVE, c->p[2]);
  aicc_set_int(module, node, AICC_ATTR_REVERSE, c->p[3]);
  node->out[0]->type = in[0]->type;
  return node;
}

START_TEST(cumulate) {
  static const own_case cases[] = {
      {"sum of rows", make_cumulate, {{AICC_F32, 2, {5, 33}}}, 1, {1, 0, 0, 0}},
      {"sum of a long row", make_cumulate, {{AICC_I64, 2, {2, 2501}}}, 1, {1, 0, 0, 0}},
      {"exclusive reverse long", make_cumulate, {{AICC_I32, 1, {1111}}}, 1, {0, 0, 1, 1}},
      {"sum of columns", make_cumulate, {{AICC_F32, 3, {2, 7, 21}}}, 1, {1, 0, 0, 0}},
      {"exclusive", make_cumulate, {{AICC_I32, 2, {3, 8}}}, 1, {1, 0, 1, 0}},
      {"reverse", make_cumulate, {{AICC_F64, 2, {6, 5}}}, 1, {0, 0, 0, 1}},
      {"both", make_cumulate, {{AICC_I64, 1, {9}}}, 1, {0, 0, 1, 1}},
      {"product", make_cumulate, {{AICC_F32, 2, {4, 7}}}, 1, {1, 1, 0, 0}},
      {"wrapping product", make_cumulate, {{AICC_I32, 1, {40}, OWN_INDEX, 3, 9}}, 1, {0, 1, 0, 1}},
      {"halves", make_cumulate, {{AICC_F16, 2, {3, 5}}}, 1, {1, 0, 0, 0}},
      {"nothing", make_cumulate, {{AICC_F32, 2, {3, 0}}}, 1, {1, 0, 0, 0}},
  };
  own_run_cases(cases, COUNT(cases));
}
END_TEST

// p: axis, k, largest
static aicc_node *make_topk(aicc_module *module, aicc_value *const *in, const own_case *c) {
  aicc_node *node = own_node(module, AICC_OP_TOPK, in, 1, 2);
  aicc_set_int(module, node, AICC_ATTR_AXIS, c->p[0]);
  aicc_set_int(module, node, AICC_ATTR_LARGEST, c->p[2]);
  aicc_set_int(module, node, AICC_ATTR_SORTED, 1);
  aicc_dim dims[OWN_RANK];
  for (int d = 0; d < in[0]->type.rank; d++) {
    dims[d] = d == c->p[0] ? dim(module, c->p[1]) : in[0]->type.dims[d];
  }
  own_set_type(module, node, 0, in[0]->type.dtype, dims, in[0]->type.rank);
  own_set_type(module, node, 1, AICC_I64, dims, in[0]->type.rank);
  return node;
}

START_TEST(topk) {
  static const own_case cases[] = {
      {"top 3 of rows", make_topk, {{AICC_F32, 2, {4, 19}}}, 1, {1, 3, 1}},
      {"least 5", make_topk, {{AICC_F32, 2, {4, 19}}}, 1, {1, 5, 0}},
      {"columns", make_topk, {{AICC_I64, 3, {2, 9, 3}}}, 1, {1, 4, 1}},
      {"all of them", make_topk, {{AICC_U8, 1, {7}}}, 1, {0, 7, 1}},
      {"none", make_topk, {{AICC_F32, 2, {2, 5}}}, 1, {1, 0, 1}},
      {"halves", make_topk, {{AICC_F16, 2, {2, 12}}}, 1, {1, 2, 0}},
      {"many", make_topk, {{AICC_F32, 2, {2, 77}}}, 1, {1, 60, 1}},
      {"many columns", make_topk, {{AICC_F64, 3, {2, 65, 3}}}, 1, {1, 65, 0}},
      {"of a long row", make_topk, {{AICC_F32, 2, {2, 2600}}}, 1, {1, 9, 1}},
      {"ties of a long row", make_topk, {{AICC_I32, 2, {2, 1300}, OWN_INDEX, 0, 3}}, 1, {1, 20, 0}},
      {"very many", make_topk, {{AICC_F32, 2, {2, 1100}}}, 1, {1, 700, 1}},
      {"many ints", make_topk, {{AICC_I32, 1, {100}}}, 1, {0, 49, 1}},
      {"nan", make_topk, {{AICC_F32, 2, {3, 4}, .data = nans}}, 1, {1, 2, 1}},
  };
  own_run_cases(cases, COUNT(cases));
}
END_TEST

static const char *const reductions[] = {"none", "add", "mul", "min", "max"};

// p: axis, reduction
static aicc_node *make_scatter_elements(aicc_module *module, aicc_value *const *in,
                                        const own_case *c) {
  aicc_node *node = own_node(module, AICC_OP_SCATTER_ELEMENTS, in, 3, 1);
  aicc_set_int(module, node, AICC_ATTR_AXIS, c->p[0]);
  aicc_set_string(module, node, AICC_ATTR_REDUCTION, reductions[c->p[1]]);
  node->out[0]->type = in[0]->type;
  return node;
}

START_TEST(scatter_elements) {
  static const own_case cases[] = {
      {"integers add up",
       make_scatter_elements,
       {{AICC_I32, 2, {9, 100}},
        {AICC_I64, 2, {7, 100}, OWN_INDEX, -9, 9},
        {AICC_I32, 2, {7, 100}}},
       3,
       {0, 1}},
      {"largest integers",
       make_scatter_elements,
       {{AICC_U64, 2, {9, 60}}, {AICC_I64, 2, {7, 60}, OWN_INDEX, -9, 9}, {AICC_U64, 2, {7, 60}}},
       3,
       {0, 4}},
      {"several tasks",
       make_scatter_elements,
       {{AICC_F32, 2, {9, 100}},
        {AICC_I64, 2, {7, 100}, OWN_INDEX, -9, 9},
        {AICC_F32, 2, {7, 100}}},
       3,
       {0, 0}},
      {"last axis",
       make_scatter_elements,
       {{AICC_F32, 2, {5, 9}}, {AICC_I64, 2, {4, 12}, OWN_INDEX, -9, 9}, {AICC_F32, 2, {4, 12}}},
       3,
       {1, 0}},
      {"first axis, add",
       make_scatter_elements,
       {{AICC_I32, 2, {5, 9}}, {AICC_I32, 2, {7, 9}, OWN_INDEX, -5, 5}, {AICC_I32, 2, {7, 9}}},
       3,
       {0, 1}},
      {"middle axis, max",
       make_scatter_elements,
       {{AICC_F16, 3, {3, 4, 5}},
        {AICC_I64, 3, {2, 3, 4}, OWN_INDEX, 0, 4},
        {AICC_F16, 3, {2, 3, 4}}},
       3,
       {1, 4}},
      {"mul",
       make_scatter_elements,
       {{AICC_F32, 1, {6}}, {AICC_I64, 1, {9}, OWN_INDEX, -6, 6}, {AICC_F32, 1, {9}}},
       3,
       {0, 2}},
      {"many to few places",
       make_scatter_elements,
       {{AICC_F32, 1, {700}}, {AICC_I64, 1, {900}, OWN_INDEX, -9, 9}, {AICC_F32, 1, {900}}},
       3,
       {0, 1}},
      {"many lines of products",
       make_scatter_elements,
       {{AICC_F16, 2, {2, 4100}},
        {AICC_I64, 2, {3, 4100}, OWN_INDEX, -2, 2},
        {AICC_F16, 2, {3, 4100}}},
       3,
       {0, 2}},
      {"no updates",
       make_scatter_elements,
       {{AICC_F32, 1, {6}}, {AICC_I64, 1, {0}}, {AICC_F32, 1, {0}}},
       3,
       {0, 0}},
      {"bool",
       make_scatter_elements,
       {{AICC_BOOL, 2, {3, 5}, OWN_INDEX, 0, 2},
        {AICC_I64, 2, {3, 2}, OWN_INDEX, 0, 5},
        {AICC_BOOL, 2, {3, 2}, OWN_INDEX, 0, 2}},
       3,
       {1, 0}},
  };
  own_run_cases(cases, COUNT(cases));
}
END_TEST

// p: reduction
static aicc_node *make_scatter_nd(aicc_module *module, aicc_value *const *in, const own_case *c) {
  aicc_node *node = own_node(module, AICC_OP_SCATTER_ND, in, 3, 1);
  aicc_set_string(module, node, AICC_ATTR_REDUCTION, reductions[c->p[0]]);
  node->out[0]->type = in[0]->type;
  return node;
}

START_TEST(scatter_nd) {
  static const own_case cases[] = {
      {"slices", make_scatter_nd,
       {{AICC_F32, 3, {4, 3, 70}},
        {AICC_I64, 2, {5, 1}, OWN_INDEX, -4, 4, .fixed = true},
        {AICC_F32, 3, {5, 3, 70}}},
       3, {0}},
      {"elements, add", make_scatter_nd,
       {{AICC_I64, 2, {4, 3}},
        {AICC_I64, 2, {9, 2}, OWN_INDEX, -3, 3, .fixed = true},
        {AICC_I64, 1, {9}}},
       3, {1}},
      {"rows, max", make_scatter_nd,
       {{AICC_F16, 3, {2, 3, 5}},
        {AICC_I64, 3, {2, 2, 2}, OWN_INDEX, 0, 2, .fixed = true},
        {AICC_F16, 3, {2, 2, 5}}},
       3, {4}},
      {"single floats, add", make_scatter_nd,
       {{AICC_F16, 2, {30, 20}},
        {AICC_I64, 2, {500, 2}, OWN_INDEX, -20, 20, .fixed = true},
        {AICC_F16, 1, {500}}},
       3, {1}},
      {"long rows, mul", make_scatter_nd,
       {{AICC_F32, 2, {3, 1100}},
        {AICC_I64, 2, {40, 1}, OWN_INDEX, 0, 3, .fixed = true},
        {AICC_F32, 2, {40, 1100}}},
       3, {2}},
      {"no tuples, add", make_scatter_nd,
       {{AICC_F32, 1, {6}}, {AICC_I64, 2, {0, 1}, .fixed = true}, {AICC_F32, 1, {0}}}, 3, {1}},
      {"no tuples", make_scatter_nd,
       {{AICC_F32, 1, {6}}, {AICC_I64, 2, {0, 1}, .fixed = true}, {AICC_F32, 1, {0}}}, 3, {0}},
  };
  own_run_cases(cases, COUNT(cases));
}
END_TEST

static aicc_node *make_count(aicc_module *module, aicc_value *const *in, const own_case *c) {
  (void)c;
  aicc_node *node = own_node(module, AICC_OP_COUNT_NONZERO, in, 1, 1);
  own_set_type(module, node, 0, AICC_I64, NULL, 0);
  return node;
}

// Counts, defines the symbol, lists.
static aicc_node *make_nonzero(aicc_module *module, aicc_value *const *in, const own_case *c) {
  aicc_node *count = make_count(module, in, c);
  const aicc_dim symbol = aicc_dim_fresh(module->dims, "found");
  aicc_node *def = own_node(module, AICC_OP_DEF_DIM, count->out, 1, 0);
  aicc_set_int(module, def, AICC_ATTR_INDEX, 0);
  aicc_set_dims(module, def, AICC_ATTR_SYMBOL, &symbol, 1);
  aicc_node *node = own_node(module, AICC_OP_NONZERO, in, 1, 1);
  const aicc_dim dims[] = {dim(module, in[0]->type.rank), symbol};
  own_set_type(module, node, 0, AICC_I64, dims, 2);
  return node;
}

START_TEST(nonzero) {
  static const own_case cases[] = {
      {"count", make_count, {{AICC_F32, 2, {5, 7}}}, 1, {0}},
      {"count bool", make_count, {{AICC_BOOL, 1, {33}, OWN_INDEX, 0, 2}}, 1, {0}},
      {"count none", make_count, {{AICC_I64, 1, {0}}}, 1, {0}},
      {"nonzero", make_nonzero, {{AICC_F32, 2, {5, 7}}}, 1, {0}},
      {"nonzero long", make_nonzero, {{AICC_I32, 2, {50, 47}, OWN_INDEX, 0, 3}}, 1, {0}},
      {"nonzero bool", make_nonzero, {{AICC_BOOL, 3, {2, 3, 4}, OWN_INDEX, 0, 2}}, 1, {0}},
      {"nonzero u8", make_nonzero, {{AICC_U8, 1, {9}, OWN_INDEX, 0, 3}}, 1, {0}},
      {"nonzero of zeros", make_nonzero, {{AICC_F16, 2, {2, 4}, OWN_INDEX, 0, 1}}, 1, {0}},
  };
  own_run_cases(cases, COUNT(cases));
}
END_TEST

// p: dtype, normal, seed; in: only its shape counts
static aicc_node *make_random(aicc_module *module, aicc_value *const *in, const own_case *c) {
  aicc_node *node = own_node(module, AICC_OP_RANDOM, NULL, 0, 1);
  aicc_set_int(module, node, AICC_ATTR_SEED, c->p[2]);
  aicc_set_string(module, node, AICC_ATTR_MODE, c->p[1] ? "normal" : "uniform");
  own_set_type(module, node, 0, (aicc_dtype)c->p[0], in[0]->type.dims, in[0]->type.rank);
  return node;
}

START_TEST(random_numbers) {
  static const own_case cases[] = {
      {"uniform", make_random, {{AICC_F32, 2, {5, 7}}}, 1, {AICC_F32, 0, 42}},
      {"normal", make_random, {{AICC_F32, 1, {19}}}, 1, {AICC_F32, 1, -3}},
      {"normal f64", make_random, {{AICC_F32, 1, {9}}}, 1, {AICC_F64, 1, 1}},
      {"uniform f16", make_random, {{AICC_F32, 1, {9}}}, 1, {AICC_F16, 0, 0}},
      {"many", make_random, {{AICC_F32, 1, {8200}}}, 1, {AICC_F32, 0, 5}},
  };
  own_run_cases(cases, COUNT(cases));
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("own_rows");
  TCase *tests = tcase_create("all");
  tcase_set_timeout(tests, 280);
  tcase_add_test(tests, arg);
  tcase_add_test(tests, cumulate);
  tcase_add_test(tests, topk);
  tcase_add_test(tests, scatter_elements);
  tcase_add_test(tests, scatter_nd);
  tcase_add_test(tests, nonzero);
  tcase_add_test(tests, random_numbers);
  suite_add_tcase(suite, tests);
  return suite;
}

AICC_TEST_MAIN(make_suite)
