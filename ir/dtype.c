#include "ir/dtype.h"

#include <math.h>
#include <string.h>

const aicc_dtype_info aicc_dtype_table[AICC_DTYPE_COUNT] = {
#define AICC_DTYPE(name, mnemonic, bytes, bits, kind, onnx) \
  {mnemonic, bytes, bits, AICC_KIND_##kind, onnx},
#include "ir/dtype.def"
#undef AICC_DTYPE
};

bool aicc_dtype_from_name(const char *name, size_t length, aicc_dtype *out) {
  for (int t = 0; t < AICC_DTYPE_COUNT; t++) {
    if (strlen(aicc_dtype_table[t].name) == length &&
        memcmp(aicc_dtype_table[t].name, name, length) == 0) {
      *out = (aicc_dtype)t;
      return true;
    }
  }
  return false;
}

bool aicc_dtype_from_onnx(int data_type, aicc_dtype *out) {
  for (int t = 0; t < AICC_DTYPE_COUNT; t++) {
    if (aicc_dtype_table[t].onnx == data_type) {
      *out = (aicc_dtype)t;
      return true;
    }
  }
  return false;
}

const aicc_small_float *aicc_small_float_of(aicc_dtype t) {
  static const aicc_small_float f16 = {5, 10, 15, true, true, false};
  static const aicc_small_float e4m3fn = {4, 3, 7, false, true, false};
  static const aicc_small_float e4m3fnuz = {4, 3, 8, false, true, true};
  static const aicc_small_float e5m2 = {5, 2, 15, true, true, false};
  static const aicc_small_float e5m2fnuz = {5, 2, 16, false, true, true};
  static const aicc_small_float e2m1 = {2, 1, 1, false, false, false};
  switch (t) {
    case AICC_F16: return &f16;
    case AICC_F8E4M3FN: return &e4m3fn;
    case AICC_F8E4M3FNUZ: return &e4m3fnuz;
    case AICC_F8E5M2: return &e5m2;
    case AICC_F8E5M2FNUZ: return &e5m2fnuz;
    case AICC_F4E2M1: return &e2m1;
    default: return NULL;
  }
}

static double small_decode(const aicc_small_float *f, unsigned bits) {
  const int width = 1 + f->exponent_bits + f->mantissa_bits;
  const unsigned sign = bits >> (width - 1) & 1;
  const unsigned exponent = bits >> f->mantissa_bits & ((1u << f->exponent_bits) - 1);
  const unsigned mantissa = bits & ((1u << f->mantissa_bits) - 1);
  const unsigned top = (1u << f->exponent_bits) - 1;
  if (f->fnuz && sign && !exponent && !mantissa) {
    return NAN;
  }
  if (f->has_inf && exponent == top) {
    return mantissa ? NAN : sign ? -INFINITY : INFINITY;
  }
  if (f->has_nan && !f->has_inf && !f->fnuz && exponent == top &&
      mantissa == (1u << f->mantissa_bits) - 1) {
    return NAN;
  }
  const double value =
      exponent ? ldexp(1.0 + ldexp((double)mantissa, -f->mantissa_bits), (int)exponent - f->bias)
               : ldexp((double)mantissa, 1 - f->bias - f->mantissa_bits);
  return sign ? -value : value;
}

static unsigned small_nan(const aicc_small_float *f) {
  const unsigned magnitude = (1u << (f->exponent_bits + f->mantissa_bits)) - 1;
  if (f->fnuz) {
    return magnitude + 1;
  }
  // f16 and e5m2 carry a quiet NaN; e4m3fn has the one pattern.
  return f->has_inf ? (((1u << f->exponent_bits) - 1) << f->mantissa_bits) |
                          1u << (f->mantissa_bits - 1)
                    : magnitude;
}

// The largest finite magnitude's bits.
static unsigned small_max(const aicc_small_float *f) {
  const unsigned magnitude = (1u << (f->exponent_bits + f->mantissa_bits)) - 1;
  if (f->has_inf) {
    return ((((1u << f->exponent_bits) - 1) << f->mantissa_bits)) - 1;
  }
  return f->has_nan && !f->fnuz ? magnitude - 1 : magnitude;
}

static unsigned small_encode(const aicc_small_float *f, double value, bool saturate) {
  const unsigned sign_bit = 1u << (f->exponent_bits + f->mantissa_bits);
  const unsigned sign = signbit(value) ? sign_bit : 0;
  if (isnan(value)) {
    if (!f->has_nan) {
      return sign_bit;  // ONNX leaves it open; its reference gives -0
    }
    return f->fnuz ? small_nan(f) : sign | small_nan(f);
  }
  const double magnitude = fabs(value);
  const unsigned max = small_max(f);
  const unsigned overflow = saturate || !f->has_nan ? max
                            : f->has_inf ? ((1u << f->exponent_bits) - 1) << f->mantissa_bits
                                         : small_nan(f);
  if (isinf(value)) {
    return overflow == small_nan(f) && f->fnuz ? overflow : sign | overflow;
  }
  if (magnitude == 0) {
    return f->fnuz ? 0 : sign;
  }
  int exponent;
  frexp(magnitude, &exponent);  // magnitude = m * 2^exponent, 0.5 <= m < 1
  exponent -= 1;
  if (exponent < 1 - f->bias) {
    exponent = 1 - f->bias;
  }
  // In units of the last place; rint rounds to nearest even.
  const double units = rint(ldexp(magnitude, f->mantissa_bits - exponent));
  const double scaled = units + ldexp((double)(exponent + f->bias - 1), f->mantissa_bits);
  if (scaled > (double)max) {
    return overflow == small_nan(f) && f->fnuz ? overflow : sign | overflow;
  }
  const unsigned bits = (unsigned)scaled;
  return f->fnuz && !bits ? 0 : sign | bits;
}

static uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

float aicc_f16_to_f32(uint16_t bits) {
  if ((bits & 0x7C00) == 0x7C00 && (bits & 0x3FF)) {
    return float_of((uint32_t)(bits & 0x8000) << 16 | 0x7FC00000u | (uint32_t)(bits & 0x3FF) << 13);
  }
  return (float)small_decode(aicc_small_float_of(AICC_F16), bits);
}
uint16_t aicc_f64_to_f16(double value) {
  return (uint16_t)small_encode(aicc_small_float_of(AICC_F16), value, false);
}
uint16_t aicc_f32_to_f16(float value) { return aicc_f64_to_f16((double)value); }

float aicc_bf16_to_f32(uint16_t bits) { return float_of((uint32_t)bits << 16); }
uint16_t aicc_f32_to_bf16(float value) {
  const uint32_t bits = bits_of(value);
  if (isnan(value)) {
    return (uint16_t)(bits >> 16 | 0x40);
  }
  return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

float aicc_f8_to_f32(aicc_dtype t, uint8_t bits) {
  if (t == AICC_F8E8M0) {
    return bits == 0xFF ? NAN : (float)ldexp(1.0, (int)bits - 127);
  }
  return (float)small_decode(aicc_small_float_of(t), bits);
}

// E8M0 holds powers of two alone: the next one that is not smaller (ONNX Cast's round_mode "up").
static uint8_t f8e8m0_encode(float value, bool saturate) {
  if (isnan(value) || value < 0) {
    return 0xFF;
  }
  if (isinf(value)) {
    return saturate ? 0xFE : 0xFF;
  }
  int exponent;
  const float fraction = frexpf(value, &exponent);  // 0.5 <= fraction < 1, or 0
  const int biased = value == 0 ? 0 : exponent - 1 + 127 + (fraction > 0.5f);
  return (uint8_t)(biased < 0 ? 0 : biased > 254 ? (saturate ? 254 : 255) : biased);
}

uint8_t aicc_f32_to_f8(aicc_dtype t, float value, bool saturate) {
  if (t == AICC_F8E8M0) {
    return f8e8m0_encode(value, saturate);
  }
  return (uint8_t)small_encode(aicc_small_float_of(t), (double)value, saturate);
}

// Rows for reading and writing each plain C type.
#define PLAIN_TYPES(X)                                                                   \
  X(F32, float) X(F64, double) X(I8, int8_t) X(I16, int16_t) X(I32, int32_t)             \
  X(I64, int64_t) X(U8, uint8_t) X(U16, uint16_t) X(U32, uint32_t) X(U64, uint64_t)      \
  X(BOOL, uint8_t) X(I4, int8_t) X(U4, uint8_t) X(I2, int8_t) X(U2, uint8_t)

// One for each type: element |index|, at any address.
#define X(name, ctype)                                                    \
  static ctype load_##name(const void *data, size_t index) {              \
    ctype value;                                                          \
    memcpy(&value, (const char *)data + index * sizeof value, sizeof value); \
    return value;                                                         \
  }
PLAIN_TYPES(X)
#undef X

static double small_type_get(aicc_dtype t, const void *data, size_t index) {
  if (t == AICC_F16) {
    return (double)aicc_f16_to_f32(load_U16(data, index));
  }
  if (t == AICC_BF16) {
    return (double)aicc_bf16_to_f32(load_U16(data, index));
  }
  return (double)aicc_f8_to_f32(t, load_U8(data, index));
}

double aicc_get_f64(aicc_dtype t, const void *data, size_t index) {
  switch (t) {
#define X(name, ctype) \
  case AICC_##name: return (double)load_##name(data, index);
    PLAIN_TYPES(X)
#undef X
    default: return small_type_get(t, data, index);
  }
}

int64_t aicc_get_i64(aicc_dtype t, const void *data, size_t index) {
  switch (t) {
#define X(name, ctype) \
  case AICC_##name: return (int64_t)load_##name(data, index);
    PLAIN_TYPES(X)
#undef X
    default: return (int64_t)small_type_get(t, data, index);
  }
}

// Sub-byte integers wrap to their width, sign-extended or zero-extended in the byte.
static int64_t wrap_bits(aicc_dtype t, int64_t value) {
  const unsigned bits = aicc_dtype_table[t].bits;
  const uint64_t low = (uint64_t)value & ((1ull << bits) - 1);
  const bool negative = aicc_dtype_table[t].kind == AICC_KIND_SIGNED && low >> (bits - 1);
  return negative ? (int64_t)(low | ~((1ull << bits) - 1)) : (int64_t)low;
}

void aicc_set_i64(aicc_dtype t, void *data, size_t index, int64_t value) {
  switch (t) {
    case AICC_BOOL: ((uint8_t *)data)[index] = value != 0; return;
    case AICC_I4:
    case AICC_I2: ((int8_t *)data)[index] = (int8_t)wrap_bits(t, value); return;
    case AICC_U4:
    case AICC_U2: ((uint8_t *)data)[index] = (uint8_t)wrap_bits(t, value); return;
    case AICC_I8: ((int8_t *)data)[index] = (int8_t)value; return;
    case AICC_U8: ((uint8_t *)data)[index] = (uint8_t)value; return;
    case AICC_I16: ((int16_t *)data)[index] = (int16_t)value; return;
    case AICC_U16: ((uint16_t *)data)[index] = (uint16_t)value; return;
    case AICC_I32: ((int32_t *)data)[index] = (int32_t)value; return;
    case AICC_U32: ((uint32_t *)data)[index] = (uint32_t)value; return;
    case AICC_I64: ((int64_t *)data)[index] = value; return;
    case AICC_U64: ((uint64_t *)data)[index] = (uint64_t)value; return;
    default: aicc_set_f64(t, data, index, (double)value); return;
  }
}

void aicc_set_f64(aicc_dtype t, void *data, size_t index, double value) {
  switch (t) {
    case AICC_F32: ((float *)data)[index] = (float)value; return;
    case AICC_F64: ((double *)data)[index] = value; return;
    case AICC_F16: ((uint16_t *)data)[index] = aicc_f64_to_f16(value); return;
    case AICC_BF16: ((uint16_t *)data)[index] = aicc_f32_to_bf16((float)value); return;
    case AICC_BOOL: ((uint8_t *)data)[index] = value != 0; return;
    case AICC_U64:
      // Beyond int64_t the cast below would be undefined.
      ((uint64_t *)data)[index] =
          value >= 9223372036854775808.0 ? (uint64_t)value : (uint64_t)(int64_t)value;
      return;
    default: break;
  }
  if (aicc_dtype_is_int(t)) {
    const bool fits = value >= -9223372036854775808.0 && value < 9223372036854775808.0;
    aicc_set_i64(t, data, index, fits ? (int64_t)value : INT64_MIN);
    return;
  }
  ((uint8_t *)data)[index] = aicc_f32_to_f8(t, (float)value, true);
}
