// The kernels of gpu_model.c as host_device.c runs them, and a session with its inputs set.
#ifndef AICC_TESTS_GPU_KERNELS_H
#define AICC_TESTS_GPU_KERNELS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "aicc/abi.h"
#include "aicc/runtime.h"

// Runs so far, of all sessions; and how |k_add| is to end.
static _Atomic int kernel_calls;
static _Atomic bool kernel_fails;

typedef struct kernel_params {
  const void *a, *b;
  void *to;
  int64_t count, tasks, warps;
  float *scratch;
} kernel_params;

#define GPU_KERNEL(name)                     \
  bool name(const kernel_params *p);         \
  __attribute__((visibility("default"))) bool name(const kernel_params *p)

GPU_KERNEL(k_add) {
  atomic_fetch_add(&kernel_calls, 1);
  const float *a = p->a, *b = p->b;
  float *to = p->to;
  for (int64_t i = 0; i < p->count; i++) {
    to[i] = a[i] + b[i];
  }
  return !kernel_fails && p->tasks * 4 == p->count && p->warps % 4 == 0;
}

GPU_KERNEL(k_scale) {
  const float *a = p->a, *scale = p->b;
  float *to = p->to;
  int64_t rows = 0;
  memcpy(&rows, (const void *)(uintptr_t)p->count, sizeof rows);
  for (int64_t i = 0; i < rows * 4; i++) {
    p->scratch[(p->warps - 1) * 64] = a[i];  // of the last warp: it has to be there
    to[i] = p->scratch[(p->warps - 1) * 64] * scale[i % 4];
  }
  return true;
}

GPU_KERNEL(k_count) {
  const float *a = p->a;
  int64_t number = 0;
  for (int64_t i = 0; i < p->count; i++) {
    number += a[i] > 0;
  }
  memcpy(p->to, &number, sizeof number);
  return true;
}

GPU_KERNEL(k_pick) {
  const float *a = p->a;
  float *to = p->to;
  for (int64_t i = 0; i < p->count; i++) {
    if (a[i] > 0) {
      *to++ = a[i];
    }
  }
  return true;
}

GPU_KERNEL(k_texts) {
  const aicc_abi_str *words = p->a, *constant = p->b;
  aicc_abi_str *to = p->to;
  for (int64_t i = 0; i < p->count; i++) {
    to[i] = words[i].size > 0 ? words[i] : constant[0];
  }
  return true;
}

// ---- inputs ------------------------------------------------------------------------------------

enum { GPU_ROWS = 64 };

typedef struct gpu_inputs {
  float a[GPU_ROWS * 4], b[GPU_ROWS * 4];
  int64_t dims[2];
} gpu_inputs;

static inline DLTensor gpu_tensor(void *data, uint8_t code, uint8_t bits, int32_t rank,
                                  int64_t *dims) {
  const DLTensor tensor = {data, {kDLCPU, 0}, rank, {code, bits, 1}, dims, NULL, 0};
  return tensor;
}

static inline aicc_rt_status gpu_set(aicc_rt_session *session, gpu_inputs *in, int64_t rows,
                                     float first, aicc_rt_error *error) {
  for (int64_t i = 0; i < rows * 4; i++) {
    in->a[i] = first + (float)(i % 97) - 40;
    in->b[i] = (float)(i % 31) - 15;
  }
  in->dims[0] = rows;
  in->dims[1] = 4;
  const DLTensor a = gpu_tensor(in->a, kDLFloat, 32, 2, in->dims);
  const DLTensor b = gpu_tensor(in->b, kDLFloat, 32, 2, in->dims);
  const aicc_rt_status status = aicc_rt_session_set_input(session, 0, &a, error);
  return status == AICC_RT_OK ? aicc_rt_session_set_input(session, 1, &b, error) : status;
}

// Scale is 0.5, 1, 1.5, 2.
static inline float gpu_y(const gpu_inputs *in, int64_t i) {
  return (in->a[i] + in->b[i]) * 0.5f * (float)(i % 4 + 1);
}

static inline bool gpu_is_y(const gpu_inputs *in, const float *y) {
  for (int64_t i = 0; i < in->dims[0] * 4; i++) {
    if (y[i] != gpu_y(in, i)) {
      return false;
    }
  }
  return true;
}

static inline bool gpu_y_is_right(const aicc_rt_session *session, const gpu_inputs *in) {
  DLTensor y;
  return aicc_rt_session_output(session, 0, &y, NULL) == AICC_RT_OK &&
         y.device.device_type == kDLCPU && y.ndim == 2 && y.shape[0] == in->dims[0] &&
         gpu_is_y(in, y.data);
}

#endif
