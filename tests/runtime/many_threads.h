// One model, used by many threads at once.
#ifndef AICC_TESTS_MANY_THREADS_H
#define AICC_TESTS_MANY_THREADS_H

#include <pthread.h>
#include <stdio.h>

#include "aicc/runtime.h"

enum { MANY_THREADS_MOST = 16 };

// Runs |work| on the model in |path| in |count| threads; it returns NULL where all was right. The
// exit status: 0 if it was in all of them.
static int many_threads(const char *path, int count, void *(*work)(void *model)) {
  aicc_rt_error error;
  aicc_rt_model *model = aicc_rt_model_open(path, NULL, &error);
  if (model == NULL) {
    fprintf(stderr, "%s\n", error.text);
    return 1;
  }
  pthread_t threads[MANY_THREADS_MOST];
  int wrong = 0;
  for (int i = 0; i < count; i++) {
    if (pthread_create(&threads[i], NULL, work, model) != 0) {
      return 1;
    }
  }
  for (int i = 0; i < count; i++) {
    void *result = NULL;
    pthread_join(threads[i], &result);
    wrong += result != NULL;
  }
  aicc_rt_model_close(model);
  if (wrong > 0) {
    fprintf(stderr, "%d of %d threads had wrong results\n", wrong, count);
  }
  return wrong > 0;
}

#endif
