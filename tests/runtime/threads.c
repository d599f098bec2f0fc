// Sixteen threads, each with a session of its own on one model. Exit status 0: all results right.
// Built a second time with the thread sanitizer, which must find nothing.
#include <stdlib.h>

#include "demo.h"
#include "many_threads.h"

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

int main(void) { return many_threads(DEMO("demo.so"), THREADS, work); }
