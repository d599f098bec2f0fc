// Regular expressions: what matches as a whole, and what is refused.
#include "check_main.h"
#include "ir/regex.h"

#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

START_TEST(matches) {
  static const struct {
    const char *pattern, *text;
    bool matches;
  } cases[] = {
      {"", "", true},
      {"", "a", false},
      {"abc", "abc", true},
      {"abc", "abcd", false},
      {"a|bc|", "bc", true},
      {"a|bc|", "", true},
      {"a*b+c?", "aabb", true},
      {"a*b+c?", "aac", false},
      {"a+?", "aaa", true},
      {"(ab){2,3}", "ababab", true},
      {"(ab){2,3}", "ab", false},
      {"(ab){2,3}", "abababab", false},
      {"a{2,}", "a", false},
      {"a{2,}", "aaaaa", true},
      {"a{3}", "aaa", true},
      {"a{0}", "", true},
      {"a{,2}", "a{,2}", true},
      {"[a-c]+", "abcab", true},
      {"[^a-c]", "b", false},
      {"[^a-c]", "\n", true},
      {"[]a]+", "a]", true},
      {"[a-]+", "-a", true},
      {"[\\w.-]+", "a_9.-", true},
      {"[^\\W]", "\xc3\xa9", false},
      {".", "\n", false},
      {".", "\xc3\xa9", true},
      {"..", "\xc3\xa9", false},
      {"\xc3\xa9*", "\xc3\xa9\xc3\xa9", true},
      {"\\d\\D\\s\\S", "1a b", true},
      {"\\x41\\.\\n", "A.\n", true},
      {"^a$", "a", true},
      {"a^b", "ab", false},
      {"(^|b)a", "ba", true},
      {"a\\b.b", "a-b", true},
      {"a\\bb", "ab", false},
      {"a\\Bb", "ab", true},
      {"\\Aa\\z", "a", true},
      {"(?P<name>x)(?:y)", "xy", true},
      {"((a*)*)*", "aaaa", true},
      {"((a*)*)*", "b", false},
      {"(a|b)*a(a|b){6}", "bbabbbbbb", true},
      {"(a|b)*a(a|b){6}", "bbbbbbbbb", false},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    aicc_arena arena;
    aicc_regex regex;
    aicc_arena_init(&arena);
    const char *problem = aicc_regex_compile(&arena, cases[i].pattern, &regex);
    ck_assert_msg(problem == NULL, "%s: %s", cases[i].pattern, problem);
    ck_assert_msg(aicc_regex_matches(&regex, cases[i].text, strlen(cases[i].text)) ==
                      cases[i].matches,
                  "%s on %s", cases[i].pattern, cases[i].text);
    aicc_arena_deinit(&arena);
  }
}
END_TEST

START_TEST(refused) {
  static const struct {
    const char *pattern, *problem;
  } cases[] = {
      {"(a", "a group is not closed"},
      {"a)", "a group is closed that was not opened"},
      {"[a", "a class is not closed"},
      {"[b-a]", "a class has a range that runs backwards"},
      {"*a", "a repetition repeats nothing"},
      {"a**", "a repetition is repeated"},
      {"a{3,2}", "a repetition has counts that are too large or run backwards"},
      {"a{1001}", "a repetition has counts that are too large or run backwards"},
      {"a\\", "it ends with a backslash"},
      {"\\pL", "it has an escape that is not supported"},
      {"(?i)a", "flags of a group are not supported"},
      {"[[:alpha:]]", "classes like [:alpha:] are not supported"},
      {"[\xc3\xa9]", "characters beyond ASCII in a class are not supported"},
      {"((a{100}){100}){100}", "it has too many parts"},
      {"(a|b)*a(a|b){12}", "it needs more than 2048 states"},
  };
  for (size_t i = 0; i < COUNT(cases); i++) {
    aicc_arena arena;
    aicc_regex regex;
    aicc_arena_init(&arena);
    const char *problem = aicc_regex_compile(&arena, cases[i].pattern, &regex);
    ck_assert_msg(problem != NULL, "%s", cases[i].pattern);
    ck_assert_str_eq(problem, cases[i].problem);
    aicc_arena_deinit(&arena);
  }
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("regex");
  TCase *tests = tcase_create("all");
  tcase_add_test(tests, matches);
  tcase_add_test(tests, refused);
  suite_add_tcase(suite, tests);
  return suite;
}

AICC_TEST_MAIN(make_suite)
