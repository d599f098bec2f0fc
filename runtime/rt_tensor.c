#include "rt_tensor.h"

#include <string.h>

static const aicc_rt_dtype dtypes[] = {
#define AICC_RT_DTYPE(onnx, name, bytes, code, bits) [onnx] = {name, bytes, {code, bits, 1}},
#include "rt_dtypes.def"
#undef AICC_RT_DTYPE
};

const aicc_rt_dtype *aicc_rt_dtype_of(aicc_abi_dtype number) {
  return &dtypes[number < sizeof dtypes / sizeof dtypes[0] ? number : 0];
}

bool aicc_rt_tensor_bytes(int32_t rank, const int64_t *dims, size_t element, int64_t *out) {
  int64_t bytes = (int64_t)element;
  bool empty = false;
  for (int32_t i = 0; i < rank; i++) {
    if (dims[i] < 0 || (dims[i] != 0 && __builtin_mul_overflow(bytes, dims[i], &bytes))) {
      return false;
    }
    empty |= dims[i] == 0;
  }
  *out = empty ? 0 : bytes;
  return true;
}

bool aicc_rt_tensor_is_compact(int32_t rank, const int64_t *dims, const int64_t *strides) {
  if (strides == NULL) {
    return true;
  }
  int64_t expected = 1;
  bool compact = true;
  for (int32_t i = rank - 1; i >= 0; i--) {
    if (dims[i] == 0) {
      return true;
    }
    compact &= dims[i] == 1 || strides[i] == expected;
    expected *= dims[i];
  }
  return compact;
}

void aicc_rt_tensor_pack(void *to, const void *from, int32_t rank, const int64_t *dims,
                         const int64_t *strides, size_t element) {
  int64_t index[AICC_RT_MAX_RANK] = {0}, size = 0;
  if (!aicc_rt_tensor_bytes(rank, dims, element, &size) || size == 0) {
    return;
  }
  char *next = to;
  const char *end = next + size, *at = from;
  const int64_t width = (int64_t)element;
  while (next < end) {
    memcpy(next, at, element);
    next += element;
    for (int32_t i = rank - 1; i >= 0; i--) {
      at += strides[i] * width;
      if (++index[i] < dims[i]) {
        break;
      }
      at -= strides[i] * width * dims[i];
      index[i] = 0;
    }
  }
}

void aicc_rt_text_shape(aicc_rt_text *text, const char *dtype, int32_t rank, const int64_t *dims,
                        const char *const *symbols) {
  aicc_rt_text_add(text, "%s[", dtype);
  if (rank < 0) {
    aicc_rt_text_add(text, "...");
  }
  for (int32_t i = 0; i < rank; i++) {
    const char *comma = i > 0 ? "," : "";
    if (dims[i] >= 0) {
      aicc_rt_text_add(text, "%s%lld", comma, (long long)dims[i]);
    } else if (symbols != NULL && symbols[i] != NULL) {
      aicc_rt_text_add(text, "%s%s", comma, symbols[i]);
    } else {
      aicc_rt_text_add(text, "%s?", comma);
    }
  }
  aicc_rt_text_add(text, "]");
}
