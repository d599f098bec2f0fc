// What the tests of kernel IR share: an arena and diagnostics a test, kernels from text, and
// statuses. Include it in the one file of a test program.
#ifndef AICC_TESTS_KIR_FIXTURE_H
#define AICC_TESTS_KIR_FIXTURE_H

#include <check.h>
#include <string.h>

#include "ir/kir.h"

static aicc_arena arena;
static aicc_diags diags;

static void set_up(void) {
  aicc_arena_init(&arena);
  aicc_diags_init(&diags);
}

static void tear_down(void) {
  aicc_diags_deinit(&diags);
  aicc_arena_deinit(&arena);
}

AICC_UNUSED static void check_ok(aicc_status status) {
  if (status != AICC_OK) {
    aicc_diags_print(&diags, stderr);
  }
  ck_assert_int_eq(status, AICC_OK);
}

// A kernel that must be right.
static kir_kernel *parse_bound(const char *text, const char *const *bindings, int count) {
  kir_kernel *kernel = kir_parse(&arena, text, strlen(text), "t.kir", bindings, count, &diags);
  check_ok(kernel != NULL ? kir_verify(kernel, &diags) : AICC_INVALID);
  return kernel;
}

AICC_UNUSED static kir_kernel *parse(const char *text) { return parse_bound(text, NULL, 0); }

#endif
