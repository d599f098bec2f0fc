#include "cpu_pool.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rt_trace.h"

// Spinning before sleeping: while a run is in progress, and outside of runs.
#define SPIN_BUSY_NS 100000
#define SPIN_IDLE_NS 3000
// Each thread's share is taken in about this many pieces, so that others can take some.
#define PIECES 4

// pool->state: is the launch open to more threads, how many joined and how many are at work.
#define STATE_OPEN 0x80000000u
#define STATE_JOIN 0x00010000u
#define STATE_JOINED(s) (((s) >> 16) & 0x7fffu)
#define STATE_ACTIVE(s) ((s)&0xffffu)

typedef struct task_range {
  alignas(64) _Atomic int64_t next;
  int64_t end;
} task_range;

typedef struct pool_worker {
  aicc_rt_cpu_pool *pool;
  void *scratch;
  pthread_t thread;
} pool_worker;

struct aicc_rt_cpu_pool {
  const aicc_rt_allocator *allocator;
  uint32_t threads;  // the caller included
  uint32_t started;  // workers running
  size_t scratch_bytes;
  task_range *ranges;
  pool_worker *workers;

  // The launch: written by the caller while |state| is closed and nobody at work.
  aicc_abi_cpu_kernel kernel;
  const void *args;
  int64_t piece;
  _Atomic uint32_t participants;

  alignas(64) _Atomic uint32_t state;
  _Atomic uint32_t waiting;               // the caller sleeps on |state|
  alignas(64) _Atomic uint32_t launches;  // workers sleep on it
  _Atomic uint32_t sleepers;
  _Atomic bool busy, stop;
};

static void cpu_relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void futex_wait(_Atomic uint32_t *word, uint32_t value) {
  syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, NULL, NULL, 0);
}

static void futex_wake(_Atomic uint32_t *word, int count) {
  syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0);
}

// The first two numbers of a small file; false where there are none.
static bool read_numbers(const char *path, long long *first, long long *second) {
  char text[64];
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return false;
  }
  const ssize_t size = read(fd, text, sizeof text - 1);
  close(fd);
  text[size > 0 ? size : 0] = 0;
  char *end = text;
  *first = strtoll(text, &end, 10);  // "max" has no digits
  *second = strtoll(end, NULL, 10);
  return end != text;
}

// What a container's quota allows, rounded up; |count| where there is none.
static uint32_t limit_by_quota(uint32_t count) {
  long long quota = 0, period = 0, none = 0;
  if (!read_numbers("/sys/fs/cgroup/cpu.max", &quota, &period) &&
      (!read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", &quota, &none) ||
       !read_numbers("/sys/fs/cgroup/cpu/cpu.cfs_period_us", &period, &none))) {
    return count;
  }
  if (quota <= 0 || period <= 0) {
    return count;
  }
  const long long allowed = (quota + period - 1) / period;
  return allowed < count ? (uint32_t)allowed : count;
}

uint32_t aicc_rt_cpu_count(void) {
  cpu_set_t set;
  long count = 0;
  if (sched_getaffinity(0, sizeof set, &set) == 0) {
    count = CPU_COUNT(&set);
  } else {
    count = sysconf(_SC_NPROCESSORS_ONLN);  // more CPUs than a cpu_set_t has
  }
  return limit_by_quota(count < 1 ? 1 : (uint32_t)count);
}

// Works through the range of |slot|, then through those of the others.
static void run_tasks(aicc_rt_cpu_pool *pool, uint32_t slot, void *scratch) {
  const uint32_t participants = atomic_load_explicit(&pool->participants, memory_order_relaxed);
  const aicc_abi_cpu_kernel kernel = pool->kernel;
  const void *args = pool->args;
  const int64_t piece = pool->piece;
  for (uint32_t i = 0; i < participants; i++) {
    task_range *range = &pool->ranges[(slot + i) % participants];
    const int64_t end = range->end;
    while (atomic_load_explicit(&range->next, memory_order_relaxed) < end) {
      const int64_t begin = atomic_fetch_add_explicit(&range->next, piece, memory_order_relaxed);
      if (begin >= end) {
        break;
      }
      kernel(args, begin, end - begin < piece ? end : begin + piece, scratch);
    }
  }
}

// Joins the launch if it is still open and wants more threads, and works on it.
static void join_launch(aicc_rt_cpu_pool *pool, void *scratch) {
  uint32_t state = atomic_load(&pool->state);
  do {
    if (!(state & STATE_OPEN) ||
        STATE_JOINED(state) + 1 >=
            atomic_load_explicit(&pool->participants, memory_order_relaxed)) {
      return;
    }
  } while (!atomic_compare_exchange_weak(&pool->state, &state, state + STATE_JOIN + 1));
  run_tasks(pool, STATE_JOINED(state) + 1, scratch);
  state = atomic_fetch_sub(&pool->state, 1) - 1;
  if (!(state & STATE_OPEN) && STATE_ACTIVE(state) == 0 && atomic_load(&pool->waiting)) {
    futex_wake(&pool->state, 1);
  }
}

// Returns when a launch after number |seen| was made or the pool stops.
static uint32_t await_launch(aicc_rt_cpu_pool *pool, uint32_t seen) {
  const uint64_t start = aicc_rt_now();
  for (;;) {
    for (int i = 0; i < 32; i++) {
      const uint32_t now = atomic_load(&pool->launches);
      if (now != seen) {
        return now;
      }
      cpu_relax();
    }
    const uint64_t patience = atomic_load(&pool->busy) ? SPIN_BUSY_NS : SPIN_IDLE_NS;
    if (aicc_rt_now() - start < patience) {
      continue;
    }
    atomic_fetch_add(&pool->sleepers, 1);
    while (atomic_load(&pool->launches) == seen) {
      futex_wait(&pool->launches, seen);
    }
    atomic_fetch_sub(&pool->sleepers, 1);
  }
}

static void *worker_main(void *argument) {
  const pool_worker *worker = argument;
  aicc_rt_cpu_pool *pool = worker->pool;
  uint32_t seen = 0;
  for (;;) {
    seen = await_launch(pool, seen);
    if (atomic_load(&pool->stop)) {
      return NULL;
    }
    join_launch(pool, worker->scratch);
  }
}

static void announce(aicc_rt_cpu_pool *pool, int wanted) {
  atomic_fetch_add(&pool->launches, 1);
  if (atomic_load(&pool->sleepers) > 0) {
    futex_wake(&pool->launches, wanted);
  }
}

void aicc_rt_cpu_pool_run(aicc_rt_cpu_pool *pool, aicc_abi_cpu_kernel kernel, const void *args,
                          int64_t grid, uint32_t threads, void *scratch) {
  pool->kernel = kernel;
  pool->args = args;
  const int64_t share = (grid + threads - 1) / threads;
  pool->piece = share < PIECES ? 1 : (share + PIECES - 1) / PIECES;
  for (uint32_t i = 0; i < threads; i++) {
    const int64_t begin = share * i < grid ? share * i : grid;
    atomic_store_explicit(&pool->ranges[i].next, begin, memory_order_relaxed);
    pool->ranges[i].end = grid - begin < share ? grid : begin + share;
  }
  atomic_store_explicit(&pool->participants, threads, memory_order_relaxed);
  atomic_store(&pool->state, STATE_OPEN);
  announce(pool, (int)threads - 1);
  run_tasks(pool, 0, scratch);

  uint32_t state = atomic_fetch_and(&pool->state, ~STATE_OPEN) & ~STATE_OPEN;
  for (int i = 0; STATE_ACTIVE(state) > 0 && i < 2000; i++) {
    cpu_relax();
    state = atomic_load(&pool->state);
  }
  if (STATE_ACTIVE(state) > 0) {
    atomic_store(&pool->waiting, 1);
    while (STATE_ACTIVE(state = atomic_load(&pool->state)) > 0) {
      futex_wait(&pool->state, state);
    }
    atomic_store(&pool->waiting, 0);
  }
}

void aicc_rt_cpu_pool_begin(aicc_rt_cpu_pool *pool) { atomic_store(&pool->busy, true); }

void aicc_rt_cpu_pool_end(aicc_rt_cpu_pool *pool) { atomic_store(&pool->busy, false); }

// Starts the workers with all signals blocked: those are the application's.
static bool start_workers(aicc_rt_cpu_pool *pool) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  while (pool->started + 1 < pool->threads) {
    pool_worker *worker = &pool->workers[pool->started];
    worker->pool = pool;
    worker->scratch = aicc_rt_new_bytes(pool->allocator, pool->scratch_bytes);
    if (worker->scratch == NULL ||
        pthread_create(&worker->thread, NULL, worker_main, worker) != 0) {
      aicc_rt_delete(pool->allocator, worker->scratch, pool->scratch_bytes, 1);
      break;
    }
    pool->started++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  return pool->started + 1 == pool->threads;
}

aicc_rt_cpu_pool *aicc_rt_cpu_pool_create(const aicc_rt_allocator *allocator, uint32_t threads,
                                          size_t scratch_bytes, aicc_rt_error *error) {
  aicc_rt_cpu_pool *pool = aicc_rt_new(allocator, 1, sizeof *pool);
  if (pool == NULL) {
    aicc_rt_fail(error, AICC_RT_MEMORY, "no memory for %u threads", threads);
    return NULL;
  }
  pool->allocator = allocator;
  pool->threads = threads;
  pool->scratch_bytes = scratch_bytes;
  pool->ranges = aicc_rt_new(allocator, pool->threads, sizeof *pool->ranges);
  pool->workers = aicc_rt_new(allocator, pool->threads, sizeof *pool->workers);
  if (pool->ranges == NULL || pool->workers == NULL || !start_workers(pool)) {
    aicc_rt_fail(error, AICC_RT_MEMORY, "could start only %u of %u threads", pool->started + 1,
                 pool->threads);
    aicc_rt_cpu_pool_destroy(pool);
    return NULL;
  }
  return pool;
}

void aicc_rt_cpu_pool_destroy(aicc_rt_cpu_pool *pool) {
  if (pool == NULL) {
    return;
  }
  atomic_store(&pool->stop, true);
  announce(pool, (int)pool->started);
  for (uint32_t i = 0; i < pool->started; i++) {
    pthread_join(pool->workers[i].thread, NULL);
    aicc_rt_delete(pool->allocator, pool->workers[i].scratch, pool->scratch_bytes, 1);
  }
  aicc_rt_delete(pool->allocator, pool->workers, pool->threads, sizeof *pool->workers);
  aicc_rt_delete(pool->allocator, pool->ranges, pool->threads, sizeof *pool->ranges);
  aicc_rt_delete(pool->allocator, pool, 1, sizeof *pool);
}
