// Memory: no allocation after the first run of a shape; every allocation that fails is survived.
#include "check_main.h"
#include "count_allocations.h"
#include "demo.h"

static demo_inputs in;

START_TEST(the_second_run_of_a_shape_allocates_nothing) {
  static const int64_t rows[] = {64, 1, 4096, 7, 300};
  aicc_rt_error error;
  aicc_rt_model *model = aicc_rt_model_open(DEMO("demo.so"), NULL, &error);
  aicc_rt_session *session = aicc_rt_session_create(model, "cpu", NULL, &error);
  ck_assert_msg(session != NULL, "%s", error.text);
  aicc_rt_session_set_threads(session, 3, NULL);
  for (size_t i = 0; i < 5; i++) {
    ck_assert_int_eq(demo_set(session, &in, rows[i], 2, &error), AICC_RT_OK);
    ck_assert_int_eq(aicc_rt_session_run(session, &error), AICC_RT_OK);
  }
  ck_assert_uint_gt(atomic_load(&allocations), 10);
  for (int round = 0; round < 10; round++) {
    ck_assert_int_eq(demo_set(session, &in, rows[round % 5], 2, &error), AICC_RT_OK);
    const uint64_t before = atomic_load(&allocations);
    const aicc_rt_status status = aicc_rt_session_run(session, &error);
    const uint64_t after = atomic_load(&allocations);  // Check allocates in its assertions
    ck_assert_int_eq(status, AICC_RT_OK);
    ck_assert_uint_eq(after, before);
    ck_assert(demo_y_is_right(session, &in));
  }
  aicc_rt_session_destroy(session);
  aicc_rt_model_close(model);
}
END_TEST

// ---- failing allocations -----------------------------------------------------------------------

typedef struct failing_allocator {
  int64_t left;    // allocations until one fails
  int64_t blocks;  // not freed
  int64_t bytes;
} failing_allocator;

static void *failing_resize(void *user, void *pointer, size_t old_size, size_t new_size,
                            size_t alignment) {
  failing_allocator *state = user;
  ck_assert((old_size == 0) != (new_size == 0));
  if (new_size == 0) {
    state->blocks--;
    state->bytes -= (int64_t)old_size;
    free(pointer);
    return NULL;
  }
  if (state->left-- <= 0) {
    return NULL;
  }
  state->blocks++;
  state->bytes += (int64_t)new_size;
  return aligned_alloc(alignment, (new_size + alignment - 1) / alignment * alignment);
}

// Loads and runs once; |*status| is where it ended.
static void load_and_run(const aicc_rt_allocator *allocator, aicc_rt_error *error) {
  const aicc_rt_model_options options = {allocator, false};
  aicc_rt_model *model = aicc_rt_model_open(DEMO("demo.so"), &options, error);
  if (model == NULL) {
    return;
  }
  const aicc_rt_session_options session_options = {.threads = 2};
  aicc_rt_session *session = aicc_rt_session_create(model, "cpu", &session_options, error);
  if (session != NULL && demo_set(session, &in, 40, 2, error) == AICC_RT_OK &&
      aicc_rt_session_run(session, error) == AICC_RT_OK) {
    ck_assert(demo_y_is_right(session, &in));
  } else if (session != NULL) {
    // A session is as good as new after a failure.
    ((failing_allocator *)allocator->user)->left = 1000000;
    aicc_rt_error again;
    ck_assert_int_eq(demo_set(session, &in, 50, 2, &again), AICC_RT_OK);
    ck_assert_msg(aicc_rt_session_run(session, &again) == AICC_RT_OK, "%s", again.text);
    ck_assert(demo_y_is_right(session, &in));
  }
  aicc_rt_session_destroy(session);
  aicc_rt_model_close(model);
}

START_TEST(every_failing_allocation_is_survived) {
  int64_t fails = 0;
  for (;; fails++) {
    failing_allocator state = {.left = fails};
    const aicc_rt_allocator allocator = {failing_resize, &state};
    aicc_rt_error error;
    load_and_run(&allocator, &error);
    ck_assert_int_eq(state.blocks, 0);
    ck_assert_int_eq(state.bytes, 0);
    if (error.code == AICC_RT_OK) {
      break;
    }
    ck_assert_int_eq(error.code, AICC_RT_MEMORY);
    ck_assert_uint_gt(strlen(error.text), 10);
    ck_assert_int_lt(fails, 1000);
  }
  ck_assert_int_gt(fails, 30);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("memory");
  TCase *t = tcase_create("memory");
  tcase_set_timeout(t, 120);
  tcase_add_test(t, the_second_run_of_a_shape_allocates_nothing);
  tcase_add_test(t, every_failing_allocation_is_survived);
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
