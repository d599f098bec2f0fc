// Library kernels on strings, and moves of them, against the graph interpreter.
#include "check_main.h"
#include "own_cases.h"

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
#define S(text) {text, sizeof(text) - 1}

static aicc_dim dim(aicc_module *module, int64_t value) {
  return aicc_dim_const(module->dims, value);
}

static const aicc_str words[] = {S("monday"), S(""), S("Tuesday"), S("monda"), S("mondaz"),
                                 S("monday")};
static const aicc_str others[] = {S("monday"), S("x"), S("tuesday"), S("monday"), S("mondaz"),
                                  S("")};
static const aicc_str one[] = {S("monday")};

static aicc_node *opaque(aicc_module *module, aicc_value *const *in, const own_case *c,
                         const char *name, int ints, int results) {
  aicc_node *node = own_node(module, AICC_OP_OPAQUE, in, c->in_count, results);
  aicc_set_string(module, node, AICC_ATTR_NAME, name);
  aicc_set_ints(module, node, AICC_ATTR_INTS, c->p, ints);
  return node;
}

// p: concat
static aicc_node *make_pair(aicc_module *module, aicc_value *const *in, const own_case *c) {
  aicc_node *node = opaque(module, in, c, c->p[0] ? "string_concat" : "string_equal", 0, 1);
  aicc_dim dims[OWN_RANK];
  int rank = 0;
  ck_assert(aicc_dims_broadcast(module, &in[0]->type, &in[1]->type, dims, &rank));
  own_set_type(module, node, 0, c->p[0] ? AICC_STR : AICC_BOOL, dims, rank);
  return node;
}

START_TEST(pairs) {
  for (int64_t concat = 0; concat < 2; concat++) {
    const own_case cases[] = {
        {"same shape", make_pair,
         {{AICC_STR, 1, {6}, .data = words}, {AICC_STR, 1, {6}, .data = others}}, 2, {concat}},
        {"a scalar", make_pair,
         {{AICC_STR, 2, {2, 3}, .data = words}, {AICC_STR, 0, .data = one}}, 2, {concat}},
        {"rows and columns", make_pair,
         {{AICC_STR, 2, {3, 1}, .data = words}, {AICC_STR, 2, {1, 2}, .data = others}}, 2,
         {concat}},
        {"nothing", make_pair,
         {{AICC_STR, 1, {0}, .data = words}, {AICC_STR, 1, {1}, .data = one, .fixed = true}},
         2, {concat}},
    };
    own_run_cases(cases, COUNT(cases));
  }
}
END_TEST

static const char *const stopwords[] = {"monday", "TUESDAY"};

// p: case, exact, stopwords
static aicc_node *make_normalizer(aicc_module *module, aicc_value *const *in,
                                  const own_case *c) {
  aicc_node *node = opaque(module, in, c, "string_normalizer", 2, 2);
  aicc_set_strings(module, node, AICC_ATTR_STRINGS, stopwords, (int)c->p[2]);
  const aicc_dim room = aicc_dim_max(module->dims, in[0]->type.dims[0], dim(module, 1));
  own_set_type(module, node, 0, AICC_STR, &room, 1);
  own_set_type(module, node, 1, AICC_I64, NULL, 0);
  return node;
}

START_TEST(normalizer) {
  static const own_case cases[] = {
      {"upper", make_normalizer, {{AICC_STR, 1, {6}, .data = words}}, 1, {2, 1, 0}},
      {"lower without stopwords", make_normalizer, {{AICC_STR, 1, {6}, .data = words}}, 1,
       {1, 0, 2}},
      {"exact stopwords", make_normalizer, {{AICC_STR, 1, {6}, .data = words}}, 1, {0, 1, 2}},
      {"all stopped", make_normalizer, {{AICC_STR, 1, {1}, .data = one}}, 1, {0, 1, 1}},
      {"nothing", make_normalizer, {{AICC_STR, 1, {0}, .data = one}}, 1, {1, 1, 1}},
  };
  own_run_cases(cases, COUNT(cases));
}
END_TEST

static const aicc_str texts[] = {S("a,b,,c"), S(""), S("  x  yy z "), S(","), S("one"), S("a,")};
static const char *const comma[] = {","}, *const twice[] = {",,"};

// p: most, delimiter (0: none, 1: comma, 2: two), columns (0: count)
static aicc_node *make_split(aicc_module *module, aicc_value *const *in, const own_case *c) {
  const bool count = c->p[2] == 0;
  aicc_node *node = opaque(module, in, c, count ? "string_split_count" : "string_split", 1, 1);
  if (c->p[1]) {
    aicc_set_strings(module, node, AICC_ATTR_STRINGS, c->p[1] == 1 ? comma : twice, 1);
  }
  const aicc_dim dims[] = {in[0]->type.dims[0], dim(module, c->p[2])};
  own_set_type(module, node, 0, count ? AICC_I64 : AICC_STR, dims, count ? 1 : 2);
  return node;
}

START_TEST(split) {
  for (int64_t most = -1; most < 3; most++) {
    for (int64_t delimiter = 0; delimiter < 3; delimiter++) {
      const own_case cases[] = {
          {"count", make_split, {{AICC_STR, 1, {6}, .data = texts}}, 1, {most, delimiter, 0}},
          {"split", make_split, {{AICC_STR, 1, {6}, .data = texts}}, 1, {most, delimiter, 5}},
      };
      own_run_cases(cases, COUNT(cases));
    }
  }
}
END_TEST

static const char *const patterns[] = {"[mT].*d?ay", ".{0}|m(on|e)+da[^b-y]",
                                       "(\\W|^)\\w{3,6}(?:\\b$)"};

// p: pattern
static aicc_node *make_regex(aicc_module *module, aicc_value *const *in, const own_case *c) {
  aicc_node *node = opaque(module, in, c, "regex_full_match", 0, 1);
  aicc_set_strings(module, node, AICC_ATTR_STRINGS, &patterns[c->p[0]], 1);
  own_set_type(module, node, 0, AICC_BOOL, in[0]->type.dims, in[0]->type.rank);
  return node;
}

START_TEST(regex) {
  static const own_case cases[] = {
      {"class", make_regex, {{AICC_STR, 1, {6}, .data = words}}, 1, {0}},
      {"alternatives", make_regex, {{AICC_STR, 2, {2, 3}, .data = words}}, 1, {1}},
      {"edges", make_regex, {{AICC_STR, 1, {6}, .data = words}}, 1, {2}},
      {"nothing", make_regex, {{AICC_STR, 1, {0}, .data = words}}, 1, {0}},
  };
  own_run_cases(cases, COUNT(cases));
}
END_TEST

static const aicc_str sentences[] = {S("one two-three"), S(""), S(" x,, \xc3\xa4\xe2\x82\xac!"),
                                     S(","), S("no_match_here 42"), S("a b,c d,e")};
static const char *const cuts[][4] = {{"[a-z]+|\xc3\xa4.", "#", "<", ">"}, {"[ ,]|-", "", "<", ">"},
                                      {",+", "pad", "<", ">"}};

// p: between, least, marked, pattern, columns (0: count)
static aicc_node *make_tokens(aicc_module *module, aicc_value *const *in, const own_case *c) {
  const bool count = c->p[4] == 0;
  aicc_node *node =
      opaque(module, in, c, count ? "string_tokenize_count" : "string_tokenize", 3, 1);
  aicc_set_strings(module, node, AICC_ATTR_STRINGS, cuts[c->p[3]], 4);
  const aicc_dim dims[] = {in[0]->type.dims[0], dim(module, c->p[4])};
  own_set_type(module, node, 0, count ? AICC_I64 : AICC_STR, dims, count ? 1 : 2);
  return node;
}

START_TEST(tokens) {
  for (int64_t k = 0; k < 4 * (int64_t)COUNT(cuts); k++) {
    const int64_t between = k % 2, marked = k / 2 % 2, pattern = k / 4;
    const own_case cases[] = {
        {"count", make_tokens, {{AICC_STR, 1, {6}, .data = sentences}}, 1,
         {between, 1, marked, pattern, 0}},
        {"tokens", make_tokens, {{AICC_STR, 1, {6}, .data = sentences}}, 1,
         {between, 1, marked, pattern, 6}},
        {"of two characters, cut off", make_tokens, {{AICC_STR, 1, {6}, .data = sentences}}, 1,
         {between, 2, marked, pattern, 2}},
    };
    own_run_cases(cases, COUNT(cases));
  }
}
END_TEST

static aicc_node *make_labels(aicc_module *module, aicc_value *const *in, const own_case *c) {
  aicc_node *node = opaque(module, in, c, "label_encoder", 0, 1);
  own_set_type(module, node, 0, in[2]->type.dtype, in[0]->type.dims, in[0]->type.rank);
  return node;
}

static const int64_t numbers[] = {0, 2, 1};

START_TEST(label_encoder) {
  static const own_case cases[] = {
      {"to numbers", make_labels,
       {{AICC_STR, 2, {2, 3}, .data = words}, {AICC_STR, 1, {4}, .data = others},
        {AICC_F32, 1, {4}, OWN_FINE}, {AICC_F32, 0, {0}, OWN_FINE}},
       4},
      {"to strings", make_labels,
       {{AICC_STR, 1, {6}, .data = words}, {AICC_STR, 1, {6}, .data = others},
        {AICC_STR, 1, {6}, .data = texts}, {AICC_STR, 0, .data = one}},
       4},
      {"numbers to strings", make_labels,
       {{AICC_I64, 1, {9}}, {AICC_I64, 1, {3}, .data = numbers},
        {AICC_STR, 1, {3}, .data = texts}, {AICC_STR, 0, .data = one}},
       4},
  };
  own_run_cases(cases, COUNT(cases));
}
END_TEST

// p: flat, axis, sorted
static aicc_node *make_unique(aicc_module *module, aicc_value *const *in, const own_case *c) {
  aicc_node *node = opaque(module, in, c, "unique", 3, 5);
  const aicc_type *x = &in[0]->type;
  const aicc_dim all = aicc_type_count(module, x);
  const aicc_dim size = c->p[0] ? all : x->dims[c->p[1]];
  own_set_type(module, node, 0, x->dtype, c->p[0] ? &all : x->dims, c->p[0] ? 1 : x->rank);
  for (int i = 1; i < 4; i++) {
    own_set_type(module, node, i, AICC_I64, &size, 1);
  }
  own_set_type(module, node, 4, AICC_I64, NULL, 0);
  return node;
}

// p: mode, least, most, skips, lengths, starts .., columns ..
static aicc_node *make_tfidf(aicc_module *module, aicc_value *const *in, const own_case *c) {
  aicc_node *node = opaque(module, in, c, "tfidf", 9, 1);
  const aicc_dim width = dim(module, 3);
  own_set_type(module, node, 0, AICC_F32, &width, 1);
  return node;
}

static const aicc_str pool[] = {S("monday"), S("mondaz"), S("monday")};

START_TEST(sets) {
  static const own_case cases[] = {
      {"unique", make_unique, {{AICC_STR, 1, {6}, .data = words}}, 1, {1, 0, 1}},
      {"unique in order", make_unique, {{AICC_STR, 2, {3, 2}, .data = words}}, 1, {1, 0, 0}},
      {"tfidf", make_tfidf,
       {{AICC_STR, 1, {6}, .data = words}, {AICC_STR, 1, {3}, .data = pool, .fixed = true}}, 2,
       {0, 1, 2, 1, 2, 0, 1, 2, 0}},
  };
  own_run_cases(cases, COUNT(cases));
}
END_TEST

// Moves: a gather, computed in a map kernel.
static aicc_node *make_gather(aicc_module *module, aicc_value *const *in, const own_case *c) {
  (void)c;
  aicc_node *node = own_node(module, AICC_OP_GATHER, in, 2, 1);
  aicc_set_int(module, node, AICC_ATTR_AXIS, 0);
  own_set_type(module, node, 0, AICC_STR, in[1]->type.dims, in[1]->type.rank);
  return node;
}

static aicc_node *make_scatter(aicc_module *module, aicc_value *const *in, const own_case *c) {
  (void)c;
  aicc_node *node = own_node(module, AICC_OP_SCATTER_ELEMENTS, in, 3, 1);
  aicc_set_int(module, node, AICC_ATTR_AXIS, 0);
  aicc_set_string(module, node, AICC_ATTR_REDUCTION, "none");
  node->out[0]->type = in[0]->type;
  return node;
}

START_TEST(moves) {
  static const own_case cases[] = {
      {"gather", make_gather,
       {{AICC_STR, 1, {6}, .data = words}, {AICC_I64, 2, {3, 7}, OWN_INDEX, -6, 6}}, 2},
      {"scatter", make_scatter,
       {{AICC_STR, 1, {6}, .data = words},
        {AICC_I64, 1, {3}, .data = numbers},
        {AICC_STR, 1, {3}, .data = others}},
       3},
  };
  own_run_cases(cases, COUNT(cases));
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("own_text");
  TCase *tests = tcase_create("all");
  tcase_set_timeout(tests, 280);
  tcase_add_test(tests, pairs);
  tcase_add_test(tests, normalizer);
  tcase_add_test(tests, split);
  tcase_add_test(tests, regex);
  tcase_add_test(tests, tokens);
  tcase_add_test(tests, label_encoder);
  tcase_add_test(tests, sets);
  tcase_add_test(tests, moves);
  suite_add_tcase(suite, tests);
  return suite;
}

AICC_TEST_MAIN(make_suite)
