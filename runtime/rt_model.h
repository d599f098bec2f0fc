// A loaded model: immutable, shared by threads, counted by its sessions.
#ifndef AICC_RT_MODEL_H
#define AICC_RT_MODEL_H

#include <pthread.h>
#include <stdatomic.h>

#include "rt_alloc.h"
#include "rt_file.h"

// What the sessions of a model on one device share: code and weights on the device. Devices define
// the rest of theirs.
typedef struct aicc_rt_shared {
  struct aicc_rt_shared *next;
  const void *owner;    // the device's ops
  const void *key;      // the device's choice
  uint32_t references;  // sessions
} aicc_rt_shared;

struct aicc_rt_model {
  aicc_rt_allocator allocator;
  _Atomic uint32_t references;
  void *library;              // of dlopen
  const aicc_abi_model *abi;  // in |library|
  aicc_rt_file file;          // whole: the constants may be in it
  aicc_rt_file weights_file;  // beside it, where they are not
  const uint8_t *weights;     // base of the constants
  aicc_rt_model_info info;
  aicc_rt_plan_info *plans;  // one for each plan; owns what they point to
  char *path;
  pthread_mutex_t lock;  // of |shared|
  aicc_rt_shared *shared;
};

// Plan |index| (0: the model's own), as a table of its own.
aicc_abi_plan aicc_rt_model_plan(const aicc_abi_model *model, uint32_t index);

void aicc_rt_model_retain(aicc_rt_model *model);

#endif
