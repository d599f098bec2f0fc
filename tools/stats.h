// Statistics of measured times.
#ifndef AICC_TOOLS_STATS_H
#define AICC_TOOLS_STATS_H

#include <stddef.h>

typedef struct aicc_stats {
  size_t count;
  double min, max, mean, median, p90, p95, p99;
  double cov;  // standard deviation over mean
} aicc_stats;

// Sorts |samples|. Percentiles are of the nearest rank; the median of an even number is the mean of
// the middle two. All zero for no samples.
aicc_stats aicc_stats_of(double *samples, size_t count);

#endif
