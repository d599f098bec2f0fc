// Text of constants.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ir/lex.h"
#include "ir/text.h"

static int64_t element_count(const aicc_tensor *tensor) {
  int64_t count = 1;
  for (int i = 0; i < tensor->rank; i++) {
    AICC_ASSERT(!aicc_mul_overflow(count, tensor->shape[i], &count));
  }
  return count;
}

static void print_float(double value, FILE *out) {
  if (isnan(value)) {
    fputs("nan", out);
  } else if (isinf(value)) {
    fputs(value < 0 ? "-inf" : "inf", out);
  } else {
    fprintf(out, "%a", value);
  }
}

// The element's bytes as one number, where no shorter text gives them back: NaNs with a payload.
static void print_bits(const uint8_t *bytes, size_t size, FILE *out) {
  fputc('#', out);
  for (size_t i = size; i-- > 0;) {
    fprintf(out, "%02x", bytes[i]);
  }
}

static void print_real(aicc_dtype dtype, const uint8_t *bytes, FILE *out) {
  uint8_t again[8] = {0};
  const size_t size = aicc_dtype_size(dtype);
  const double value = aicc_get_f64(dtype, bytes, 0);
  aicc_set_f64(dtype, again, 0, isnan(value) ? (double)NAN : value);  // as the parser will
  if (memcmp(again, bytes, size) == 0) {
    print_float(value, out);
  } else {
    print_bits(bytes, size, out);
  }
}

static void print_complex(aicc_dtype dtype, const uint8_t *bytes, FILE *out) {
  const aicc_dtype part = dtype == AICC_C64 ? AICC_F32 : AICC_F64;
  fputc('(', out);
  print_real(part, bytes, out);
  fputs(", ", out);
  print_real(part, bytes + aicc_dtype_size(part), out);
  fputc(')', out);
}

static void print_element(const aicc_tensor *tensor, size_t index, FILE *out) {
  const size_t size = aicc_dtype_size(tensor->dtype);
  const uint8_t *bytes = (const uint8_t *)tensor->data + index * size;
  switch (aicc_dtype_kind_of(tensor->dtype)) {
    case AICC_KIND_SIGNED:
      fprintf(out, "%" PRId64, aicc_get_i64(tensor->dtype, bytes, 0));
      break;
    case AICC_KIND_UNSIGNED:
      fprintf(out, "%" PRIu64, (uint64_t)aicc_get_i64(tensor->dtype, bytes, 0));
      break;
    case AICC_KIND_BOOL:
      fputs(*bytes ? "true" : "false", out);
      break;
    case AICC_KIND_FLOAT:
    case AICC_KIND_FLOAT8:
      print_real(tensor->dtype, bytes, out);
      break;
    case AICC_KIND_COMPLEX:
      print_complex(tensor->dtype, bytes, out);
      break;
    case AICC_KIND_STRING: {
      const aicc_str *text = &((const aicc_str *)tensor->data)[index];
      aicc_print_string(text->data, (size_t)text->size, out);
      break;
    }
  }
}

// True if all elements are the same bytes: compares the tensor with itself, moved by one element.
static bool is_splat(const aicc_tensor *tensor, int64_t count) {
  const size_t size = aicc_dtype_size(tensor->dtype);
  return count > 1 && tensor->dtype != AICC_STR &&
         memcmp(tensor->data, (const uint8_t *)tensor->data + size, (size_t)(count - 1) * size) ==
             0;
}

static uint64_t hash_bytes(const uint8_t *bytes, size_t size) {
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (size_t i = 0; i < size; i++) {
    hash = (hash ^ bytes[i]) * 1099511628211u;
  }
  return hash;
}

static uint64_t hash_tensor(const aicc_tensor *tensor, size_t count) {
  if (tensor->dtype != AICC_STR) {
    return hash_bytes(tensor->data, count * aicc_dtype_size(tensor->dtype));
  }
  uint64_t hash = 0;
  for (size_t i = 0; i < count; i++) {
    const aicc_str *text = &((const aicc_str *)tensor->data)[i];
    hash = hash * 31 + hash_bytes((const uint8_t *)text->data, (size_t)text->size);
  }
  return hash;
}

void aicc_tensor_print(const aicc_tensor *tensor, bool full, FILE *out) {
  fprintf(out, "%s[", aicc_dtype_name(tensor->dtype));
  for (int i = 0; i < tensor->rank; i++) {
    fprintf(out, "%s%" PRId64, i ? ", " : "", tensor->shape[i]);
  }
  fputs("] ", out);
  const int64_t count = element_count(tensor);
  if (is_splat(tensor, count)) {
    fputs("splat(", out);
    print_element(tensor, 0, out);
    fputc(')', out);
    return;
  }
  if (!full && count > AICC_PRINT_ELEMENTS_MAX) {
    fprintf(out, "data(%016" PRIx64 ", %zu)", hash_tensor(tensor, (size_t)count),
            (size_t)count * aicc_dtype_size(tensor->dtype));
    return;
  }
  fputc('[', out);
  for (int64_t i = 0; i < count; i++) {
    fputs(i ? ", " : "", out);
    print_element(tensor, (size_t)i, out);
  }
  fputc(']', out);
}
