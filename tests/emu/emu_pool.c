// Host threads of a device: made when a launch first wants them, kept until the device goes.
#include "emu_internal.h"

static void *help(void *argument) {
  emu_pool *pool = argument;
  pthread_mutex_lock(&pool->lock);
  while (!pool->stop) {
    if (!pool->open) {
      pthread_cond_wait(&pool->wake, &pool->lock);
      continue;
    }
    pool->open--;
    pool->busy++;
    emu_launch_state *launch = pool->launch;
    pthread_mutex_unlock(&pool->lock);
    emu_work(launch);
    pthread_mutex_lock(&pool->lock);
    if (!--pool->busy) {
      pthread_cond_signal(&pool->done);
    }
  }
  pthread_mutex_unlock(&pool->lock);
  return NULL;
}

bool emu_pool_create(emu_pool *pool) {
  *pool = (emu_pool){0};
  if (pthread_mutex_init(&pool->lock, NULL)) {
    return false;
  }
  if (pthread_cond_init(&pool->wake, NULL)) {
    pthread_mutex_destroy(&pool->lock);
    return false;
  }
  if (pthread_cond_init(&pool->done, NULL)) {
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    return false;
  }
  return true;
}

void emu_pool_destroy(emu_pool *pool) {
  pthread_mutex_lock(&pool->lock);
  pool->stop = true;
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
  for (u32 i = 0; i < pool->count; i++) {
    pthread_join(pool->threads[i], NULL);
  }
  pthread_cond_destroy(&pool->done);
  pthread_cond_destroy(&pool->wake);
  pthread_mutex_destroy(&pool->lock);
}

void emu_pool_run(emu_pool *pool, emu_launch_state *launch, u32 helpers) {
  pthread_mutex_lock(&pool->lock);
  while (pool->count < helpers &&
         !pthread_create(&pool->threads[pool->count], NULL, help, pool)) {
    pool->count++;
  }
  pool->launch = launch;
  pool->open = helpers;
  pthread_cond_broadcast(&pool->wake);
  pthread_mutex_unlock(&pool->lock);
  emu_work(launch);
  pthread_mutex_lock(&pool->lock);
  pool->open = 0;  // who has not begun finds nothing left to do
  while (pool->busy) {
    pthread_cond_wait(&pool->done, &pool->lock);
  }
  pthread_mutex_unlock(&pool->lock);
}
