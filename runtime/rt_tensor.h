// Tensors at the border: element types, sizes, compactness, shapes as text.
#ifndef AICC_RT_TENSOR_H
#define AICC_RT_TENSOR_H

#include "aicc/abi.h"
#include "rt_error.h"

#define AICC_RT_MAX_RANK 32

typedef struct aicc_rt_dtype {
  const char *name;  // NULL: no such type
  uint8_t bytes;     // per element in memory
  DLDataType dl;
} aicc_rt_dtype;

// Never NULL; an unknown number gives a row without a name.
const aicc_rt_dtype *aicc_rt_dtype_of(aicc_abi_dtype number);

// Elements and bytes; false when that overflows int64_t or a dimension is negative.
bool aicc_rt_tensor_bytes(int32_t rank, const int64_t *dims, size_t element, int64_t *out);

// Are elements in row-major order without gaps?
bool aicc_rt_tensor_is_compact(int32_t rank, const int64_t *dims, const int64_t *strides);

// Few numbers: gcc makes a memcpy of them a string instruction, which costs more than the rest of a
// run.
static inline void aicc_rt_copy_dims(int64_t *to, const int64_t *from, int32_t rank) {
  for (int32_t d = 0; d < rank; d++) {
    to[d] = from[d];
  }
}

// Copies strided elements of |element| bytes into a compact row-major |to|.
void aicc_rt_tensor_pack(void *to, const void *from, int32_t rank, const int64_t *dims,
                         const int64_t *strides, size_t element);

// "f32[2,batch,?]": numbers, or symbols for those that are -1.
void aicc_rt_text_shape(aicc_rt_text *text, const char *dtype, int32_t rank, const int64_t *dims,
                        const char *const *symbols);

#endif
