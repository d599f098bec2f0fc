// The table of ONNX operators: version ranges of one operator neither overlap nor leave holes.
#include <limits.h>
#include <string.h>

#include "check_main.h"
#include "frontend/onnx_import.h"

static bool same_op(const aicc_onnx_op *a, const aicc_onnx_op *b) {
  return a->domain == b->domain && strcmp(a->type, b->type) == 0;
}

START_TEST(ranges_do_not_overlap) {
  int count;
  const aicc_onnx_op *rows = aicc_onnx_op_table(&count);
  ck_assert_int_gt(count, 100);
  for (int i = 0; i < count; i++) {
    for (int k = i + 1; k < count; k++) {
      ck_assert_msg(!same_op(&rows[i], &rows[k]) || rows[i].until < rows[k].since ||
                        rows[k].until < rows[i].since,
                    "%s: two rows for one version", rows[i].type);
    }
  }
}
END_TEST

START_TEST(ranges_leave_no_holes) {
  int count;
  const aicc_onnx_op *rows = aicc_onnx_op_table(&count);
  for (int i = 0; i < count; i++) {
    if (rows[i].until == INT_MAX) {
      continue;
    }
    bool goes_on = false, last = true;
    for (int k = 0; k < count; k++) {
      goes_on = goes_on || (same_op(&rows[i], &rows[k]) && rows[k].since == rows[i].until + 1);
      last = last && !(same_op(&rows[i], &rows[k]) && rows[k].since > rows[i].until);
    }
    ck_assert_msg(goes_on || last, "%s: nothing for version %d", rows[i].type, rows[i].until + 1);
  }
}
END_TEST

START_TEST(look_up_picks_the_row_of_the_version) {
  bool known;
  const aicc_onnx_op *old = aicc_onnx_op_find(AICC_DOMAIN_AI_ONNX, "Softmax", 12, &known);
  const aicc_onnx_op *new = aicc_onnx_op_find(AICC_DOMAIN_AI_ONNX, "Softmax", 13, &known);
  ck_assert_ptr_nonnull(old);
  ck_assert_ptr_nonnull(new);
  ck_assert(old->import != new->import);
  ck_assert_ptr_null(aicc_onnx_op_find(AICC_DOMAIN_AI_ONNX, "Gelu", 19, &known));
  ck_assert(known);
  ck_assert_ptr_null(aicc_onnx_op_find(AICC_DOMAIN_AI_ONNX, "Frobnicate", 19, &known));
  ck_assert(!known);
}
END_TEST

START_TEST(domains_have_names) {
  for (int i = 0; i < AICC_DOMAIN_COUNT; i++) {
    aicc_onnx_domain domain;
    ck_assert(aicc_onnx_domain_from_name(aicc_onnx_domain_name((aicc_onnx_domain)i), &domain));
    ck_assert_int_eq((int)domain, i);
  }
  aicc_onnx_domain domain;
  ck_assert(!aicc_onnx_domain_from_name("com.example", &domain));
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("onnx_registry");
  TCase *t = tcase_create("onnx_registry");
  tcase_add_test(t, ranges_do_not_overlap);
  tcase_add_test(t, ranges_leave_no_holes);
  tcase_add_test(t, look_up_picks_the_row_of_the_version);
  tcase_add_test(t, domains_have_names);
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
