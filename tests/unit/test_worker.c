// Worker processes: results by index, diagnostics, crashes, large replies.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check_main.h"
#include "codegen/worker.h"

enum { JOBS = 40, LARGE = 10 << 20 };

typedef struct fixture {
  aicc_arena arena;
  aicc_diags diags;
  const char *names[JOBS];
  cg_result results[JOBS];
} fixture;

static void fixture_open(fixture *f) {
  aicc_arena_init(&f->arena);
  aicc_diags_init(&f->diags);
  for (int i = 0; i < JOBS; i++) {
    f->names[i] = aicc_arena_printf(&f->arena, "kernel_%d", i);
  }
}

static void fixture_close(fixture *f) {
  aicc_diags_deinit(&f->diags);
  aicc_arena_deinit(&f->arena);
}

static aicc_status run(fixture *f, cg_job_fn *fn, void *user, size_t count, unsigned processes) {
  const cg_jobs jobs = {
      .count = count, .run = fn, .user = user, .names = f->names, .processes = processes};
  return cg_jobs_run(&jobs, f->results, &f->arena, &f->diags);
}

static aicc_status square(void *user, size_t index, cg_reply *reply,
                          aicc_diags *diags AICC_UNUSED) {
  const size_t value = index * index + *(const size_t *)user;
  usleep((useconds_t)(index % 7) * 300);  // so that answers come out of order
  cg_reply_add(reply, &value, sizeof value);
  return AICC_OK;
}

START_TEST(results_stand_at_their_index) {
  for (unsigned processes = 0; processes < 5; processes++) {
    fixture f;
    fixture_open(&f);
    size_t offset = 17;
    ck_assert_int_eq(run(&f, square, &offset, JOBS, processes), AICC_OK);
    for (size_t i = 0; i < JOBS; i++) {
      size_t value;
      ck_assert_uint_eq(f.results[i].size, sizeof value);
      memcpy(&value, f.results[i].data, sizeof value);
      ck_assert_uint_eq(value, i * i + 17);
    }
    ck_assert_uint_eq(f.diags.count, 0);
    fixture_close(&f);
  }
}
END_TEST

START_TEST(no_jobs_are_no_work) {
  fixture f;
  fixture_open(&f);
  ck_assert_int_eq(run(&f, square, NULL, 0, 2), AICC_OK);
  fixture_close(&f);
}
END_TEST

static aicc_status large(void *user AICC_UNUSED, size_t index, cg_reply *reply,
                         aicc_diags *diags AICC_UNUSED) {
  unsigned char line[4096];
  memset(line, (int)index + 1, sizeof line);
  for (size_t i = 0; i < LARGE / sizeof line; i++) {
    cg_reply_add(reply, line, sizeof line);
  }
  return AICC_OK;
}

START_TEST(ten_megabytes_come_back_whole) {
  fixture f;
  fixture_open(&f);
  ck_assert_int_eq(run(&f, large, NULL, 3, 2), AICC_OK);
  for (size_t i = 0; i < 3; i++) {
    ck_assert_uint_eq(f.results[i].size, LARGE);
    const unsigned char *bytes = f.results[i].data;
    for (size_t k = 0; k < LARGE; k += 4095) {
      ck_assert_uint_eq(bytes[k], i + 1);
    }
  }
  fixture_close(&f);
}
END_TEST

static aicc_status crashing(void *user, size_t index, cg_reply *reply, aicc_diags *diags) {
  if (index == 3) {
    fprintf(stderr, "LLVM ERROR: Cannot select: kernel %zu\n", index);
    abort();
  }
  if (index == 5) {
    cg_reply_add(reply, "half", 4);
    raise(SIGKILL);
  }
  if (index == 6) {
    exit(9);
  }
  return square(user, index, reply, diags);
}

START_TEST(crashes_are_named_and_disturb_nobody) {
  for (unsigned processes = 1; processes < 4; processes++) {
    fixture f;
    fixture_open(&f);
    size_t offset = 0;
    ck_assert_int_eq(run(&f, crashing, &offset, JOBS, processes), AICC_INTERNAL);
    for (size_t i = 0; i < JOBS; i++) {
      const bool crashed = i == 3 || i == 5 || i == 6;
      ck_assert_int_eq(f.results[i].status, crashed ? AICC_INTERNAL : AICC_OK);
      ck_assert_uint_eq(f.results[i].size, crashed ? 0 : sizeof(size_t));
    }
    ck_assert_uint_eq(f.diags.count, 3);
    ck_assert_str_eq(f.diags.items[0].text,
                     "compiling 'kernel_3' crashed with signal 6 (Aborted); it said: "
                     "LLVM ERROR: Cannot select: kernel 3");
    ck_assert_str_eq(f.diags.items[1].text, "compiling 'kernel_5' crashed with signal 9 (Killed)");
    ck_assert_str_eq(f.diags.items[2].text, "compiling 'kernel_6' ended its process with code 9");
    fixture_close(&f);
  }
}
END_TEST

static aicc_status complaining(void *user AICC_UNUSED, size_t index, cg_reply *reply,
                               aicc_diags *diags) {
  const aicc_loc loc = {.node = "conv1", .op = "Conv", .opset = 17};
  if (index % 2 == 0) {
    char text[32];
    snprintf(text, sizeof text, "job %zu", index);
    AICC_EMIT(diags, E0902, &loc, text);
    cg_reply_add(reply, "not wanted", 10);
    return AICC_UNSUPPORTED;
  }
  return AICC_OK;
}

START_TEST(diagnostics_come_back_in_job_order) {
  fixture f;
  fixture_open(&f);
  ck_assert_int_eq(run(&f, complaining, NULL, 6, 3), AICC_UNSUPPORTED);
  ck_assert_uint_eq(f.diags.error_count, 3);
  for (size_t i = 0; i < 3; i++) {
    const aicc_diag *diag = &f.diags.items[i];
    ck_assert_str_eq(diag->text, aicc_arena_printf(&f.arena, "internal: job %zu", 2 * i));
    ck_assert_str_eq(diag->loc.node, "conv1");
    ck_assert_str_eq(diag->loc.op, "Conv");
    ck_assert_int_eq(diag->loc.opset, 17);
    ck_assert_ptr_null(diag->loc.file);
    ck_assert_ptr_null(f.results[2 * i].data);
    ck_assert_int_eq(f.results[2 * i + 1].status, AICC_OK);
  }
  fixture_close(&f);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("worker");
  TCase *t = tcase_create("worker");
  tcase_set_timeout(t, 60);
  tcase_add_test(t, results_stand_at_their_index);
  tcase_add_test(t, no_jobs_are_no_work);
  tcase_add_test(t, ten_megabytes_come_back_whole);
  tcase_add_test(t, crashes_are_named_and_disturb_nobody);
  tcase_add_test(t, diagnostics_come_back_in_job_order);
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
