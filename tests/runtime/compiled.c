// A compiled model and one of its test sets: rt_compiled MODEL.so TEST_DATA_FOLDER
//
//   no allocation in the second run of a shape, and those after it
//   the arena is at most 1.05 times the largest sum of buffers alive
//   sixteen threads, each with a session of its own, all get the bytes of the first session
//
// Built a second time with the thread sanitizer (which counts no allocations). Exit status 0 or 1.
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "tools/test_data.h"
#include "tools/value.h"

enum { THREADS = 16, RUNS = 3 };

#ifdef RT_COMPILED_TSAN
static _Atomic uint64_t allocations;
#else
#include "count_allocations.h"
#endif

typedef struct job {
  aicc_rt_model *model;
  const aicc_rt_model_info *info;
  const aicc_test_values *inputs;
  aicc_rt_session *first;  // its outputs are what all must get
} job;

static aicc_rt_session *start(const job *j, uint32_t threads, aicc_rt_error *error) {
  const aicc_rt_session_options options = {.threads = threads};
  aicc_rt_session *session = aicc_rt_session_create(j->model, "cpu", &options, error);
  aicc_diags diags;
  aicc_diags_init(&diags);
  bool ok = session != NULL;
  for (uint32_t i = 0; ok && i < j->inputs->count; i++) {
    ok = !j->inputs->present[i] ||
         aicc_value_set_input(session, &j->info->inputs[i], i, &j->inputs->values[i], &diags) ==
             AICC_OK;
  }
  aicc_diags_print(&diags, stderr);
  aicc_diags_deinit(&diags);
  if (!ok) {
    aicc_rt_session_destroy(session);
    return NULL;
  }
  return session;
}

static size_t tensor_bytes(const DLTensor *tensor) {
  size_t bytes = (size_t)tensor->dtype.bits / 8 * tensor->dtype.lanes;
  for (int i = 0; i < tensor->ndim; i++) {
    bytes *= (size_t)tensor->shape[i];
  }
  return bytes;
}

// Numbers only: the bytes of strings are addresses.
static bool same_outputs(const job *j, const aicc_rt_session *session, aicc_rt_error *error) {
  for (uint32_t i = 0; i < j->info->output_count; i++) {
    DLTensor a, b;
    if (j->info->outputs[i].kind != AICC_RT_TENSOR ||
        strcmp(j->info->outputs[i].dtype_name, "str") == 0) {
      continue;
    }
    if (aicc_rt_session_output(j->first, i, &a, error) != AICC_RT_OK ||
        aicc_rt_session_output(session, i, &b, error) != AICC_RT_OK) {
      return false;
    }
    const size_t size = tensor_bytes(&a);
    if (size != tensor_bytes(&b) || (size > 0 && memcmp(a.data, b.data, size) != 0)) {
      fprintf(stderr, "output %u of two sessions differs\n", i);
      return false;
    }
  }
  return true;
}

static void *work(void *argument) {
  const job *j = argument;
  aicc_rt_error error;
  aicc_rt_session *session = start(j, 2, &error);
  bool ok = session != NULL;
  for (int i = 0; ok && i < RUNS; i++) {
    ok = aicc_rt_session_run(session, &error) == AICC_RT_OK && same_outputs(j, session, &error);
  }
  aicc_rt_session_destroy(session);
  return ok ? NULL : argument;
}

static bool check_threads(job *j) {
  pthread_t threads[THREADS];
  int started = 0, wrong = 0;
  while (started < THREADS && pthread_create(&threads[started], NULL, work, j) == 0) {
    started++;
  }
  for (int i = 0; i < started; i++) {
    void *result = NULL;
    pthread_join(threads[i], &result);
    wrong += result != NULL;
  }
  if (started < THREADS || wrong > 0) {
    fprintf(stderr, "%d of %d threads failed or got other results\n", wrong, started);
  }
  return started == THREADS && wrong == 0;
}

static bool check_memory(const job *j) {
  aicc_rt_memory memory;
  aicc_rt_session_memory(j->first, &memory);
  printf("arena %llu bytes, largest sum alive %llu\n", (unsigned long long)memory.arena_bytes,
         (unsigned long long)memory.live_bytes);
  // Offsets are multiples of 64: small arenas may lose that much to each buffer alive.
  const double limit = 1.05 * (double)memory.live_bytes + 4096;
  if ((double)memory.arena_bytes > limit) {
    fputs("the arena is larger than 1.05 times what is alive\n", stderr);
    return false;
  }
  return true;
}

static bool check_runs(const job *j) {
  aicc_rt_error error;
  for (int i = 0; i < RUNS + 1; i++) {
    const uint64_t before = atomic_load(&allocations);
    const aicc_rt_status status = aicc_rt_session_run(j->first, &error);
    const uint64_t after = atomic_load(&allocations);
    if (status != AICC_RT_OK) {
      fprintf(stderr, "%s\n", error.text);
      return false;
    }
    if (i > 0 && after != before) {
      fprintf(stderr, "run %d allocated %llu times\n", i + 1, (unsigned long long)(after - before));
      return false;
    }
  }
  return true;
}

static bool check_all(job *j) {
  aicc_rt_error error;
  j->first = start(j, 3, &error);
  if (j->first == NULL) {
    fprintf(stderr, "%s\n", error.text);
    return false;
  }
  // All are checked, whatever the one before found.
  const bool runs = check_runs(j), memory = runs && check_memory(j);
  const bool threads = runs && check_threads(j);
  aicc_rt_session_destroy(j->first);
  return runs && memory && threads;
}

int main(int argc, char **argv) {
  if (argc != 3) {
    fputs("usage: rt_compiled MODEL.so TEST_DATA_FOLDER\n", stderr);
    return 1;
  }
  aicc_rt_error error;
  job j = {.model = aicc_rt_model_open(argv[1], NULL, &error)};
  if (j.model == NULL) {
    fprintf(stderr, "%s\n", error.text);
    return 1;
  }
  j.info = aicc_rt_model_describe(j.model);
  aicc_diags diags;
  aicc_diags_init(&diags);
  aicc_test_values inputs = {0};
  bool ok = aicc_test_values_read(argv[2], "input", j.info->inputs, j.info->input_count, &diags,
                                  &inputs) == AICC_OK;
  aicc_diags_print(&diags, stderr);
  j.inputs = &inputs;
  ok = ok && check_all(&j);
  aicc_test_values_deinit(&inputs);
  aicc_diags_deinit(&diags);
  aicc_rt_model_close(j.model);
  return !ok;
}
