// What the tests of the runtime share: tensors and a session of the demo model with its inputs set.
#ifndef AICC_TESTS_DEMO_H
#define AICC_TESTS_DEMO_H

#include <stdio.h>
#include <string.h>

#include "aicc/runtime.h"

#define DEMO(name) AICC_DEMO_DIR "/" name

static inline DLTensor demo_f32(float *data, int32_t rank, int64_t *dims) {
  const DLTensor tensor = {data, {kDLCPU, 0}, rank, {kDLFloat, 32, 1}, dims, NULL, 0};
  return tensor;
}

static inline DLTensor demo_i64(int64_t *data) {
  const DLTensor tensor = {data, {kDLCPU, 0}, 0, {kDLInt, 64, 1}, NULL, NULL, 0};
  return tensor;
}

// Scale is 0.5, 1, 1.5, 2 and bias 2.5, 3, 3.5, 4: see seal.c.
static inline float demo_y(float a, float b, int64_t column) {
  return (a + b) * 0.5f * (float)(column + 1) + 2.5f + 0.5f * (float)column;
}

#define DEMO_ROWS 4096

// Inputs of up to DEMO_ROWS rows.
typedef struct demo_inputs {
  float a[DEMO_ROWS * 4], b[DEMO_ROWS * 4], parts[2][4];
  int64_t mode, dims[2], part_dims[1];
} demo_inputs;

// Sets all required inputs, |rows| rows. 0: success.
static inline aicc_rt_status demo_set(aicc_rt_session *session, demo_inputs *in, int64_t rows,
                                      int64_t mode, aicc_rt_error *error) {
  for (int64_t i = 0; i < rows * 4; i++) {
    in->a[i] = (float)(i % 97) - 40;
    in->b[i] = (float)(i % 31) - 15;
  }
  in->mode = mode;
  in->dims[0] = rows;
  in->dims[1] = 4;
  in->part_dims[0] = 4;
  DLTensor parts[2];
  for (int i = 0; i < 2; i++) {
    for (int k = 0; k < 4; k++) {
      in->parts[i][k] = (float)(10 * i + k);
    }
    parts[i] = demo_f32(in->parts[i], 1, in->part_dims);
  }
  const DLTensor tensors[3] = {demo_f32(in->a, 2, in->dims), demo_f32(in->b, 2, in->dims),
                               demo_i64(&in->mode)};
  for (uint32_t i = 0; i < 3; i++) {
    const aicc_rt_status status = aicc_rt_session_set_input(session, i, &tensors[i], error);
    if (status != AICC_RT_OK) {
      return status;
    }
  }
  return aicc_rt_session_set_input_sequence(session, 4, parts, 2, error);
}

// Is output y of the last run right?
static inline int demo_y_is_right(const aicc_rt_session *session, const demo_inputs *in) {
  DLTensor y;
  if (aicc_rt_session_output(session, 0, &y, NULL) != AICC_RT_OK || y.ndim != 2 ||
      y.shape[0] != in->dims[0] || y.shape[1] != 4) {
    return 0;
  }
  for (int64_t i = 0; i < y.shape[0] * 4; i++) {
    if (((const float *)y.data)[i] != demo_y(in->a[i], in->b[i], i % 4)) {
      return 0;
    }
  }
  return 1;
}

#endif
