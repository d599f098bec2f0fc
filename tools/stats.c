#include "tools/stats.h"

#include <math.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static double rank(const double *sorted, size_t count, double part) {
  const double position = ceil(part * (double)count);
  const size_t index = position < 1 ? 0 : (size_t)position - 1;
  return sorted[index < count ? index : count - 1];
}

aicc_stats aicc_stats_of(double *samples, size_t count) {
  aicc_stats stats = {.count = count};
  if (count == 0) {
    return stats;
  }
  qsort(samples, count, sizeof *samples, ascending);
  double sum = 0, squares = 0;
  for (size_t i = 0; i < count; i++) {
    sum += samples[i];
  }
  stats.mean = sum / (double)count;
  for (size_t i = 0; i < count; i++) {
    squares += (samples[i] - stats.mean) * (samples[i] - stats.mean);
  }
  stats.min = samples[0];
  stats.max = samples[count - 1];
  stats.median = (samples[(count - 1) / 2] + samples[count / 2]) / 2;
  stats.p90 = rank(samples, count, 0.90);
  stats.p95 = rank(samples, count, 0.95);
  stats.p99 = rank(samples, count, 0.99);
  stats.cov = stats.mean > 0 ? sqrt(squares / (double)count) / stats.mean : 0;
  return stats;
}
