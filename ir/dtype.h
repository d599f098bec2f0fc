// Element types and exact conversions between their bytes and C numbers.
#ifndef AICC_IR_DTYPE_H
#define AICC_IR_DTYPE_H

#include "ir/status.h"

typedef enum aicc_dtype {
#define AICC_DTYPE(name, mnemonic, bytes, bits, kind, onnx) AICC_##name,
#include "ir/dtype.def"
#undef AICC_DTYPE
  AICC_DTYPE_COUNT
} aicc_dtype;

typedef enum aicc_dtype_kind {
  AICC_KIND_FLOAT,     // f32 f64 f16 bf16
  AICC_KIND_SIGNED,    // two's complement integers
  AICC_KIND_UNSIGNED,
  AICC_KIND_BOOL,      // one byte, 0 or 1
  AICC_KIND_FLOAT8,    // storage-only floats of 8 or 4 bits: computed in f32
  AICC_KIND_COMPLEX,   // (re, im) pairs
  AICC_KIND_STRING,    // aicc_str
} aicc_dtype_kind;

typedef struct aicc_dtype_info {
  const char *name;  // "f32"
  uint8_t bytes;     // in memory, per element
  uint8_t bits;      // of information
  aicc_dtype_kind kind;
  int onnx;          // TensorProto.DataType
} aicc_dtype_info;

extern const aicc_dtype_info aicc_dtype_table[AICC_DTYPE_COUNT];

// A string element: bytes are borrowed from whoever owns the tensor; not zero-terminated.
typedef struct aicc_str {
  const char *data;
  uint64_t size;
} aicc_str;

static inline const char *aicc_dtype_name(aicc_dtype t) { return aicc_dtype_table[t].name; }
static inline size_t aicc_dtype_size(aicc_dtype t) { return aicc_dtype_table[t].bytes; }
static inline aicc_dtype_kind aicc_dtype_kind_of(aicc_dtype t) { return aicc_dtype_table[t].kind; }
static inline bool aicc_dtype_is_int(aicc_dtype t) {
  return aicc_dtype_table[t].kind == AICC_KIND_SIGNED ||
         aicc_dtype_table[t].kind == AICC_KIND_UNSIGNED;
}
static inline bool aicc_dtype_is_byte(aicc_dtype t) { return t == AICC_I8 || t == AICC_U8; }
static inline bool aicc_dtype_is_float(aicc_dtype t) {
  return aicc_dtype_table[t].kind == AICC_KIND_FLOAT;
}
bool aicc_dtype_from_name(const char *name, size_t length, aicc_dtype *out);
bool aicc_dtype_from_onnx(int data_type, aicc_dtype *out);

// Element |index| of |data| as a number, and back. Integers convert exactly within 64 bits (set
// wraps), floats round to nearest even. Reading needs no alignment. Not for complex and string
// types.
double aicc_get_f64(aicc_dtype t, const void *data, size_t index);
int64_t aicc_get_i64(aicc_dtype t, const void *data, size_t index);
void aicc_set_f64(aicc_dtype t, void *data, size_t index, double value);
void aicc_set_i64(aicc_dtype t, void *data, size_t index, int64_t value);

// A small binary float: sign, exponent and mantissa widths, and how it spells its specials.
typedef struct aicc_small_float {
  int exponent_bits, mantissa_bits, bias;
  bool has_inf;  // all-ones exponent means infinity or NaN (IEEE)
  bool has_nan;
  bool fnuz;     // no infinities, no negative zero, NaN is 0x80
} aicc_small_float;

// f16, the 8-bit floats but E8M0, and E2M1; NULL for others.
const aicc_small_float *aicc_small_float_of(aicc_dtype t);

// Single conversions. f32 -> f8 follow the ONNX Cast operator with |saturate|.
float aicc_f16_to_f32(uint16_t bits);
uint16_t aicc_f32_to_f16(float value);   // nearest even
uint16_t aicc_f64_to_f16(double value);  // nearest even, one rounding
float aicc_bf16_to_f32(uint16_t bits);
uint16_t aicc_f32_to_bf16(float value);
float aicc_f8_to_f32(aicc_dtype t, uint8_t bits);
uint8_t aicc_f32_to_f8(aicc_dtype t, float value, bool saturate);

#endif
