// Elements as numbers, and walks over several strided tensors at once.
#include <string.h>

#include "ir/eval_call.h"
#include "ir/scalar.h"

// Types whose elements are C numbers. Sub-byte integers lie in bytes of their own.
#define PLAIN_TYPES(X)                                                                     \
  X(F32, float) X(F64, double) X(I8, int8_t) X(I16, int16_t) X(I32, int32_t)               \
  X(I64, int64_t) X(U8, uint8_t) X(U16, uint16_t) X(U32, uint32_t) X(U64, uint64_t)        \
  X(BOOL, uint8_t) X(I4, int8_t) X(U4, uint8_t) X(I2, int8_t) X(U2, uint8_t)

bool aicc_eval_is_int(aicc_dtype t) { return aicc_dtype_is_int(t) || t == AICC_BOOL; }

void aicc_eval_load_f64(aicc_dtype t, const void *data, int64_t first, int64_t stride,
                        int64_t count, double *out) {
  switch (t) {
#define X(name, ctype)                                      \
  case AICC_##name: {                                       \
    const ctype *from = (const ctype *)data + first;        \
    for (int64_t i = 0; i < count; i++) {                   \
      out[i] = (double)from[i * stride];                    \
    }                                                       \
    return;                                                 \
  }
    PLAIN_TYPES(X)
#undef X
    default: break;
  }
  for (int64_t i = 0; i < count; i++) {
    out[i] = aicc_get_f64(t, data, (size_t)(first + i * stride));
  }
}

void aicc_eval_load_i64(aicc_dtype t, const void *data, int64_t first, int64_t stride,
                        int64_t count, int64_t *out) {
  switch (t) {
#define X(name, ctype)                                      \
  case AICC_##name: {                                       \
    const ctype *from = (const ctype *)data + first;        \
    for (int64_t i = 0; i < count; i++) {                   \
      out[i] = (int64_t)from[i * stride];                   \
    }                                                       \
    return;                                                 \
  }
    PLAIN_TYPES(X)
#undef X
    default: break;
  }
  for (int64_t i = 0; i < count; i++) {
    out[i] = (int64_t)aicc_get_f64(t, data, (size_t)(first + i * stride));
  }
}

static void store_ints_f64(aicc_dtype t, void *data, int64_t first, int64_t count,
                           const double *in) {
  for (int64_t i = 0; i < count; i++) {
    aicc_set_i64(t, data, (size_t)(first + i), aicc_scalar_to_int(in[i], t));
  }
}

void aicc_eval_store_f64(aicc_dtype t, void *data, int64_t first, int64_t count,
                         const double *in) {
  if (t == AICC_F32) {
    float *to = (float *)data + first;
    for (int64_t i = 0; i < count; i++) {
      to[i] = (float)in[i];
    }
    return;
  }
  if (aicc_eval_is_int(t)) {
    store_ints_f64(t, data, first, count, in);
    return;
  }
  for (int64_t i = 0; i < count; i++) {
    aicc_set_f64(t, data, (size_t)(first + i), in[i]);
  }
}

void aicc_eval_store_i64(aicc_dtype t, void *data, int64_t first, int64_t count,
                         const int64_t *in) {
  switch (t) {
#define X(name, ctype)                                      \
  case AICC_##name: {                                       \
    ctype *to = (ctype *)data + first;                      \
    for (int64_t i = 0; i < count; i++) {                   \
      to[i] = (ctype)aicc_scalar_wrap(in[i], AICC_##name);  \
    }                                                       \
    return;                                                 \
  }
    X(I8, int8_t) X(I16, int16_t) X(I32, int32_t) X(I64, int64_t) X(U8, uint8_t)
    X(U16, uint16_t) X(U32, uint32_t) X(U64, uint64_t) X(BOOL, uint8_t) X(I4, int8_t)
    X(U4, uint8_t) X(I2, int8_t) X(U2, uint8_t)
#undef X
    case AICC_F32: {
      float *to = (float *)data + first;
      for (int64_t i = 0; i < count; i++) {
        to[i] = (float)in[i];
      }
      return;
    }
    default: break;
  }
  for (int64_t i = 0; i < count; i++) {
    aicc_set_f64(t, data, (size_t)(first + i), (double)in[i]);
  }
}

double *aicc_eval_all_f64(const aicc_eval_call *call, const aicc_eval_value *value) {
  const int64_t count = aicc_eval_value_count(value);
  double *all = AICC_NEW_ARRAY(call->arena, double, count + 1);
  aicc_eval_load_f64(value->dtype, value->data, 0, 1, count, all);
  return all;
}

int64_t *aicc_eval_all_i64(const aicc_eval_call *call, const aicc_eval_value *value) {
  const int64_t count = aicc_eval_value_count(value);
  int64_t *all = AICC_NEW_ARRAY(call->arena, int64_t, count + 1);
  aicc_eval_load_i64(value->dtype, value->data, 0, 1, count, all);
  return all;
}

int64_t aicc_eval_scalar_i64(const aicc_eval_value *value) {
  return aicc_get_i64(value->dtype, value->data, 0);
}

int64_t aicc_eval_index(int64_t index, int64_t size) {
  const int64_t positive = index < 0 ? index + size : index;
  return positive >= 0 && positive < size ? positive : -1;
}

int64_t aicc_eval_product(const int64_t *sizes, int count) {
  int64_t product = 1;
  for (int i = 0; i < count; i++) {
    product *= sizes[i];
  }
  return product;
}

void aicc_eval_dense_strides(const int64_t *shape, int rank, int64_t *strides) {
  int64_t stride = 1;
  for (int d = rank - 1; d >= 0; d--) {
    strides[d] = stride;
    stride *= shape[d];
  }
}

// --- walks ---------------------------------------------------------------------------------------

void aicc_eval_walk_init(aicc_eval_walk *walk, int rank, const int64_t *shape) {
  *walk = (aicc_eval_walk){.rank = rank};
  for (int d = 0; d < rank; d++) {
    walk->shape[d] = shape[d];
    walk->empty |= shape[d] == 0;
  }
}

void aicc_eval_walk_add(aicc_eval_walk *walk, int64_t offset, const int64_t *strides) {
  AICC_ASSERT(walk->count < AICC_EVAL_WALK_MAX);
  memcpy(walk->strides[walk->count], strides, sizeof(int64_t) * (size_t)walk->rank);
  walk->offset[walk->count++] = offset;
}

void aicc_eval_walk_add_dense(aicc_eval_walk *walk) {
  int64_t strides[AICC_MAX_RANK];
  aicc_eval_dense_strides(walk->shape, walk->rank, strides);
  aicc_eval_walk_add(walk, 0, strides);
}

bool aicc_eval_walk_add_broadcast(aicc_eval_walk *walk, const aicc_eval_value *value) {
  int64_t dense[AICC_MAX_RANK], strides[AICC_MAX_RANK] = {0};
  const int skip = walk->rank - value->rank;
  if (skip < 0) {
    return false;
  }
  aicc_eval_dense_strides(value->shape, value->rank, dense);
  for (int d = 0; d < value->rank; d++) {
    if (value->shape[d] != 1 && value->shape[d] != walk->shape[skip + d]) {
      return false;
    }
    strides[skip + d] = value->shape[d] == 1 ? 0 : dense[d];
  }
  aicc_eval_walk_add(walk, 0, strides);
  return true;
}

// Whether dimension d + 1 continues dimension d in every tensor.
static bool mergeable(const aicc_eval_walk *walk, int d) {
  for (int t = 0; t < walk->count; t++) {
    if (walk->strides[t][d] != walk->strides[t][d + 1] * walk->shape[d + 1]) {
      return false;
    }
  }
  return true;
}

static void remove_dim(aicc_eval_walk *walk, int d) {
  for (int e = d; e + 1 < walk->rank; e++) {
    walk->shape[e] = walk->shape[e + 1];
    for (int t = 0; t < walk->count; t++) {
      walk->strides[t][e] = walk->strides[t][e + 1];
    }
  }
  walk->rank--;
}

static void start(aicc_eval_walk *walk) {
  walk->started = true;
  for (int d = walk->rank - 1; d >= 0; d--) {
    if (walk->shape[d] == 1) {
      remove_dim(walk, d);
    }
  }
  for (int d = walk->rank - 2; d >= 0; d--) {
    if (mergeable(walk, d)) {
      walk->shape[d + 1] *= walk->shape[d];
      remove_dim(walk, d);
    }
  }
  const int inner = walk->rank - 1;
  walk->size = walk->rank ? walk->shape[inner] : 1;
  for (int t = 0; t < walk->count; t++) {
    walk->step[t] = walk->rank ? walk->strides[t][inner] : 0;
  }
}

bool aicc_eval_walk_next(aicc_eval_walk *walk) {
  if (walk->empty) {
    return false;
  }
  if (!walk->started) {
    start(walk);
    return true;
  }
  for (int d = walk->rank - 2; d >= 0; d--) {
    const bool carries = ++walk->index[d] == walk->shape[d];
    const int64_t steps = carries ? 1 - walk->shape[d] : 1;
    for (int t = 0; t < walk->count; t++) {
      walk->offset[t] += steps * walk->strides[t][d];
    }
    if (!carries) {
      return true;
    }
    walk->index[d] = 0;
  }
  return false;
}

#define COPY_ROW(ctype)                                    \
  do {                                                     \
    ctype *to_row = (ctype *)dst + at;                     \
    const ctype *from_row = (const ctype *)src + from_at;  \
    for (int64_t i = 0; i < count; i++) {                  \
      to_row[i * step] = from_row[i * from_step];          \
    }                                                      \
  } while (0)

typedef struct pair128 {
  uint64_t low, high;
} pair128;

static void copy_row(void *dst, int64_t at, int64_t step, const void *src, int64_t from_at,
                     int64_t from_step, int64_t count, size_t size) {
  if (step == 1 && from_step == 1) {
    memcpy((char *)dst + at * (int64_t)size, (const char *)src + from_at * (int64_t)size,
           (size_t)count * size);
    return;
  }
  switch (size) {
    case 1: COPY_ROW(uint8_t); return;
    case 2: COPY_ROW(uint16_t); return;
    case 4: COPY_ROW(uint32_t); return;
    case 8: COPY_ROW(uint64_t); return;
    default: COPY_ROW(pair128); return;
  }
}

void aicc_eval_walk_copy(aicc_eval_walk *walk, int to, void *dst, int from, const void *src,
                         size_t size) {
  while (aicc_eval_walk_next(walk)) {
    copy_row(dst, walk->offset[to], walk->step[to], src, walk->offset[from], walk->step[from],
             walk->size, size);
  }
}
