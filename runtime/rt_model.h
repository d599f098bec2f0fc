// A loaded model: immutable, shared by threads, counted by its sessions.
#ifndef AICC_RT_MODEL_H
#define AICC_RT_MODEL_H

#include <stdatomic.h>

#include "rt_alloc.h"
#include "rt_file.h"

struct aicc_rt_model {
  aicc_rt_allocator allocator;
  _Atomic uint32_t references;
  void *library;              // of dlopen
  const aicc_abi_model *abi;  // in |library|
  aicc_rt_file file;          // whole: the constants may be in it
  aicc_rt_file weights_file;  // beside it, where they are not
  const uint8_t *weights;     // base of the constants
  aicc_rt_model_info info;
  char *path;
};

void aicc_rt_model_retain(aicc_rt_model *model);

#endif
