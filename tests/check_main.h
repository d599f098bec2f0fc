// The main of one Check program: AICC_TEST_MAIN(suite function).
#ifndef AICC_TESTS_CHECK_MAIN_H
#define AICC_TESTS_CHECK_MAIN_H

#include <check.h>
#include <stdlib.h>

#define AICC_TEST_MAIN(make_suite)                                        \
  int main(void) {                                                        \
    SRunner *runner = srunner_create(make_suite());                       \
    srunner_run_all(runner, CK_NORMAL);                                   \
    const int failed = srunner_ntests_failed(runner);                     \
    const int run = srunner_ntests_run(runner);                           \
    srunner_free(runner);                                                 \
    return failed == 0 && run > 0 ? EXIT_SUCCESS : EXIT_FAILURE;          \
  }

#endif
