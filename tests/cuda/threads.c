// Eight threads, each with sessions of its own on one model and one CUDA device: code and weights
// are shared, and made and released while others run. Exit status 0: all results right. Built with
// the thread sanitizer, which must find nothing, and run with the driver looking for leaks.
#include <stdio.h>
#include <stdlib.h>

#include "../runtime/many_threads.h"
#include "gpu_kernels.h"

enum { THREADS = 8, SESSIONS = 3, RUNS = 6 };

static bool use_session(aicc_rt_model *model, gpu_inputs *in, int number) {
  aicc_rt_error error;
  aicc_rt_session *session = aicc_rt_session_create(model, "cuda:0", NULL, &error);
  bool right = session != NULL;
  for (int i = 0; right && i < RUNS; i++) {
    right = gpu_set(session, in, 1 + (number + i / 3) % 9, (float)i, &error) == AICC_RT_OK &&
            aicc_rt_session_run(session, &error) == AICC_RT_OK && gpu_y_is_right(session, in);
  }
  if (!right) {
    fprintf(stderr, "%s\n", error.text);
  }
  aicc_rt_session_destroy(session);
  return right;
}

static void *work(void *argument) {
  gpu_inputs *in = malloc(sizeof *in);
  bool right = in != NULL;
  for (int i = 0; right && i < SESSIONS; i++) {
    right = use_session(argument, in, i);
  }
  free(in);
  return right ? NULL : argument;
}

int main(void) { return many_threads(AICC_GPU_MODEL, THREADS, work); }
