// The CPU device's threads: persistent, made at the first parallel launch. They spin for some
// microseconds between the kernels of a run and sleep otherwise. One launch at a time.
//
// A launch splits its tasks evenly; who is done early takes tasks of the others. A thread that does
// not wake in time is not waited for: only those that joined are.
#ifndef AICC_CPU_POOL_H
#define AICC_CPU_POOL_H

#include "aicc/abi.h"
#include "rt_alloc.h"
#include "rt_error.h"

typedef struct aicc_rt_cpu_pool aicc_rt_cpu_pool;

#define AICC_RT_THREADS_MAX 1024u

// CPUs that this process may use by its affinity and its container's quota, at least 1.
uint32_t aicc_rt_cpu_count(void);

// A pool of |threads| (at most AICC_RT_THREADS_MAX) with the caller's own counted in, each with
// |scratch_bytes| of memory. NULL, with |error| set, where memory or threads are lacking.
aicc_rt_cpu_pool *aicc_rt_cpu_pool_create(const aicc_rt_allocator *allocator, uint32_t threads,
                                          size_t scratch_bytes, aicc_rt_error *error);
void aicc_rt_cpu_pool_destroy(aicc_rt_cpu_pool *pool);  // NULL is allowed

// Runs |grid| tasks on at most |threads| threads (1 < threads <= those of the pool), returns when
// all are done. |scratch| is the caller's.
void aicc_rt_cpu_pool_run(aicc_rt_cpu_pool *pool, aicc_abi_cpu_kernel kernel, const void *args,
                          int64_t grid, uint32_t threads, void *scratch);

// Between these, threads spin longer before they sleep: another launch is near.
void aicc_rt_cpu_pool_begin(aicc_rt_cpu_pool *pool);
void aicc_rt_cpu_pool_end(aicc_rt_cpu_pool *pool);

#endif
