// The checker of expectations must be able to fail.
#include <string.h>

#include "check_main.h"
#include "filecheck.h"

static const char output[] = "graph @g {\n  %a = add %x, %y\n  %b = exp  %a\n  %c = exp %b\n}\n";

static bool run(const char *test, int *count) {
  char *report = NULL;
  size_t size;
  FILE *out = open_memstream(&report, &size);
  const bool good = filecheck(test, output, out, count);
  fclose(out);
  ck_assert(good == (size == 0));  // a failure says why
  free(report);
  return good;
}

START_TEST(directives_match_in_order) {
  int count;
  ck_assert(run("; check: = add %x, %y\n; next: exp %a\n; next: exp\n; not: mul\n", &count));
  ck_assert_int_eq(count, 4);
  ck_assert(!run("; check: exp %a\n; check: add\n", &count));
  ck_assert(!run("; check: add\n; next: %c\n", &count));
  ck_assert(!run("; check: mul\n", &count));
  ck_assert(!run("; check:\n", &count));
}
END_TEST

START_TEST(not_looks_between_matches) {
  int count;
  ck_assert(run("; check: add\n; not: add\n; check: %c\n", &count));
  ck_assert(!run("; check: add\n; not: %b =\n; check: %c\n", &count));
  ck_assert(!run("; check: add\n; not: %c\n", &count));
  ck_assert(run("; not: %b =\n; check: add\n; check: %c\n", &count));
}
END_TEST

START_TEST(lines_are_counted) {
  int count;
  ck_assert(run("; count: 2 exp\n; count: 0 mul\n", &count));
  ck_assert(!run("; count: 1 exp\n", &count));
}
END_TEST

START_TEST(captures_stand_for_what_they_caught) {
  int count;
  ck_assert(run("; check: %$SUM= = add\n; check: %$E= = exp %$SUM\n; next: exp %$E\n", &count));
  ck_assert(!run("; check: %$SUM= = add\n; check: %c = exp %$SUM\n", &count));
  ck_assert(!run("; check: exp %$NONE\n", &count));
}
END_TEST

START_TEST(text_without_directives_checks_nothing) {
  int count;
  ck_assert(run("graph @g\n; a comment\n;check nothing\n", &count));
  ck_assert_int_eq(count, 0);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("filecheck");
  TCase *t = tcase_create("filecheck");
  tcase_add_test(t, directives_match_in_order);
  tcase_add_test(t, not_looks_between_matches);
  tcase_add_test(t, lines_are_counted);
  tcase_add_test(t, captures_stand_for_what_they_caught);
  tcase_add_test(t, text_without_directives_checks_nothing);
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
