// A limit on the time of a process that runs one case. Processor time: a busy machine is no
// failure.
#ifndef AICC_TESTS_TIME_LIMIT_H
#define AICC_TESTS_TIME_LIMIT_H

#include <sys/resource.h>
#include <unistd.h>

// Kills the calling process by a signal after |seconds| on processors, or where it only waits,
// after ten times as long.
static inline void limit_time(unsigned seconds) {
  const struct rlimit limit = {seconds, seconds + 1};
  (void)setrlimit(RLIMIT_CPU, &limit);
  (void)alarm(10 * seconds);
}

#endif
