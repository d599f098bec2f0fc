// Sixteen threads, each with a session of its own on one model. Exit status 0: all results right.
// Built a second time with the thread sanitizer, which must find nothing.
#include <pthread.h>
#include <stdlib.h>

#include "demo.h"

enum { THREADS = 16, RUNS = 12 };

static void *work(void *argument) {
  aicc_rt_model *model = argument;
  aicc_rt_error error;
  const aicc_rt_session_options options = {.threads = 2, .profile = true};
  aicc_rt_session *session = aicc_rt_session_create(model, "cpu", &options, &error);
  demo_inputs *in = malloc(sizeof *in);
  int wrong = session == NULL || in == NULL;
  for (int i = 0; !wrong && i < RUNS; i++) {
    wrong = demo_set(session, in, 1 + 37 * (i % 4), i % 3 == 0 ? 0 : 2, &error) != AICC_RT_OK ||
            aicc_rt_session_run(session, &error) != AICC_RT_OK || !demo_y_is_right(session, in);
  }
  aicc_rt_session_destroy(session);
  free(in);
  return wrong ? argument : NULL;
}

int main(void) {
  aicc_rt_error error;
  aicc_rt_model *model = aicc_rt_model_open(DEMO("demo.so"), NULL, &error);
  if (model == NULL) {
    fprintf(stderr, "%s\n", error.text);
    return 1;
  }
  pthread_t threads[THREADS];
  int wrong = 0;
  for (int i = 0; i < THREADS; i++) {
    if (pthread_create(&threads[i], NULL, work, model) != 0) {
      return 1;
    }
  }
  for (int i = 0; i < THREADS; i++) {
    void *result = NULL;
    pthread_join(threads[i], &result);
    wrong += result != NULL;
  }
  aicc_rt_model_close(model);
  if (wrong > 0) {
    fprintf(stderr, "%d of %d threads had wrong results: %s\n", wrong, THREADS, error.text);
  }
  return wrong > 0;
}
