#include "frontend/onnx_tensor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/onnx_wire.h"

// The fields that may hold a tensor's elements.
typedef enum place {
  PLACE_RAW,
  PLACE_FLOAT,
  PLACE_INT32,
  PLACE_STRING,
  PLACE_INT64,
  PLACE_DOUBLE,
  PLACE_UINT64,
  PLACE_COUNT,
} place;

static const char *const place_names[PLACE_COUNT] = {
    "raw_data", "float_data", "int32_data", "string_data", "int64_data", "double_data",
    "uint64_data"};

// What every step needs to read and to complain.
typedef struct reader {
  aicc_onnx_file *file;
  const Onnx__TensorProto *proto;
  const char *name;
  aicc_loc loc;
  aicc_diags *diags;
  aicc_onnx_tensor *out;
} reader;

// Bytes in the file's layout: in a buffer, or (buf NULL) on protobuf-c's heap.
typedef struct span {
  const uint8_t *data;
  size_t size;
  aicc_buf *buf;
  size_t offset;  // in buf
} span;

const char *aicc_onnx_dims_text(const int64_t *dims, size_t rank, char *text, size_t size) {
  size_t used = (size_t)snprintf(text, size, "[");
  for (size_t i = 0; i < rank && used < size; i++) {
    used += (size_t)snprintf(text + used, size - used, "%s%lld", i ? "," : "", (long long)dims[i]);
  }
  if (used < size) {
    snprintf(text + used, size - used, "]");
  }
  return text;
}

bool aicc_onnx_dims_count(const int64_t *dims, size_t rank, size_t element_size, int64_t *out) {
  int64_t count = 1, bytes;
  bool overflow = false, empty = false;
  for (size_t i = 0; i < rank; i++) {
    if (dims[i] < 0) {
      return false;
    }
    empty = empty || dims[i] == 0;
    // Past an overflow |count| is meaningless, but a later zero still makes the tensor empty.
    overflow = aicc_mul_overflow(count, dims[i], &count) || overflow;
  }
  *out = empty ? 0 : count;
  return empty || (!overflow && !aicc_mul_overflow(count, (int64_t)element_size, &bytes));
}

static place place_of(aicc_dtype dtype) {
  switch (dtype) {
    case AICC_F32:
    case AICC_C64: return PLACE_FLOAT;
    case AICC_F64:
    case AICC_C128: return PLACE_DOUBLE;
    case AICC_I64: return PLACE_INT64;
    case AICC_U32:
    case AICC_U64: return PLACE_UINT64;
    case AICC_STR: return PLACE_STRING;
    default: return PLACE_INT32;
  }
}

// Bytes that |count| elements take in a file.
static int64_t packed_size(aicc_dtype dtype, int64_t count) {
  const int64_t bits = aicc_dtype_table[dtype].bits;
  if (bits < 8 && dtype != AICC_BOOL && dtype != AICC_STR) {
    const int64_t each = 8 / bits;
    return count / each + (count % each != 0);
  }
  return count * (int64_t)aicc_dtype_size(dtype);
}

static bool is_sub_byte(aicc_dtype dtype) {
  return dtype != AICC_BOOL && dtype != AICC_STR && aicc_dtype_table[dtype].bits < 8;
}

static aicc_status wrong_size(const reader *r, const char *unit, int64_t need, const char *holder,
                              size_t have) {
  char shape[256];
  AICC_EMIT(r->diags, E0308, &r->loc, r->name, aicc_dtype_name(r->out->dtype),
            aicc_onnx_dims_text(r->out->dims, r->out->rank, shape, sizeof shape),
            (long long)need, unit, holder, (unsigned long long)have);
  return AICC_INVALID;
}

static void set_bytes(const reader *r, aicc_buf *buf) {
  r->out->bytes = (aicc_view){.buf = buf, .offset = 0, .size = aicc_buf_size(buf)};
}

static const char *onnx_type_name(int32_t type, char *text, size_t size) {
  const ProtobufCEnumValue *known =
      protobuf_c_enum_descriptor_get_value(&onnx__tensor_proto__data_type__descriptor, type);
  snprintf(text, size, "%d%s%s", type, known ? " " : "", known ? known->name : "");
  return text;
}

// Element type and dimensions.
static aicc_status read_type(const reader *r) {
  const Onnx__TensorProto *proto = r->proto;
  aicc_onnx_tensor *out = r->out;
  aicc_status status = AICC_OK;
  char text[256];
  out->rank = proto->n_dims;
  out->dims = proto->dims;
  if (!aicc_dtype_from_onnx(proto->data_type, &out->dtype)) {
    AICC_EMIT(r->diags, E0305, &r->loc, r->name,
              onnx_type_name(proto->data_type, text, sizeof text));
    status = AICC_INVALID;
  }
  for (size_t i = 0; i < out->rank; i++) {
    if (out->dims[i] < 0) {
      AICC_EMIT(r->diags, E0306, &r->loc, r->name, i, (long long)out->dims[i]);
      status = AICC_INVALID;
    }
  }
  if (status != AICC_OK) {
    return status;
  }
  if (!aicc_onnx_dims_count(out->dims, out->rank, aicc_dtype_size(out->dtype), &out->count)) {
    AICC_EMIT(r->diags, E0307, &r->loc, r->name,
              aicc_onnx_dims_text(out->dims, out->rank, text, sizeof text));
    return AICC_INVALID;
  }
  return AICC_OK;
}

// One byte per element, the sign extended, as ir/dtype.def lays sub-byte types out.
static void unpack_bits(aicc_dtype dtype, const uint8_t *packed, int64_t count, uint8_t *out) {
  const unsigned bits = aicc_dtype_table[dtype].bits;
  const bool is_signed = aicc_dtype_kind_of(dtype) == AICC_KIND_SIGNED;
  const unsigned per_byte = 8 / bits, mask = (1u << bits) - 1, sign = 1u << (bits - 1);
  for (int64_t i = 0; i < count; i++) {
    const unsigned shift = (unsigned)((uint64_t)i % per_byte) * bits;
    const unsigned value = (unsigned)packed[(uint64_t)i / per_byte] >> shift & mask;
    out[i] = (uint8_t)(is_signed ? (value ^ sign) - sign : value);
  }
}

static bool all_zero_or_one(const uint8_t *bytes, size_t size) {
  uint8_t any = 0;
  for (size_t i = 0; i < size; i++) {
    any |= bytes[i];
  }
  return any <= 1;
}

// Elements as raw bytes of the file.
static aicc_status read_raw(const reader *r, span bytes, const char *holder) {
  aicc_onnx_tensor *out = r->out;
  const int64_t need = packed_size(out->dtype, out->count);
  if (bytes.size != (uint64_t)need) {
    return wrong_size(r, "bytes", need, holder, bytes.size);
  }
  if (is_sub_byte(out->dtype)) {
    aicc_buf *buf = aicc_buf_create_heap((size_t)out->count);
    unpack_bits(out->dtype, bytes.data, out->count, aicc_buf_data_mut(buf));
    set_bytes(r, buf);
    return AICC_OK;
  }
  if (out->dtype == AICC_BOOL && !all_zero_or_one(bytes.data, bytes.size)) {
    aicc_buf *buf = aicc_buf_create_heap(bytes.size);
    for (size_t i = 0; i < bytes.size; i++) {
      aicc_buf_data_mut(buf)[i] = bytes.data[i] != 0;
    }
    set_bytes(r, buf);
    return AICC_OK;
  }
  const size_t alignment = aicc_dtype_kind_of(out->dtype) == AICC_KIND_COMPLEX
                               ? aicc_dtype_size(out->dtype) / 2
                               : aicc_dtype_size(out->dtype);
  const bool aligned = (uintptr_t)bytes.data % alignment == 0;
  if (bytes.buf && (aligned || bytes.size > AICC_ONNX_ALIGN_MAX)) {
    out->bytes = (aicc_view){aicc_buf_retain(bytes.buf), bytes.offset, bytes.size};
  } else {
    set_bytes(r, aicc_buf_create_copy(bytes.data, bytes.size));
  }
  return AICC_OK;
}

// |data|, or what it refers to in the file.
static aicc_status follow(const reader *r, const void *data, size_t size, span *out) {
  aicc_wire_ref ref;
  *out = (span){.data = data, .size = size};
  if (!aicc_wire_ref_decode(data, size, &ref)) {
    return AICC_OK;
  }
  aicc_buf *buf = r->file->buf;
  const size_t limit = aicc_buf_size(buf);
  // A list that came in pieces can forge a reference; it leads nowhere but into the file.
  if (ref.offset > limit || ref.size > limit - ref.offset) {
    return wrong_size(r, "bytes", packed_size(r->out->dtype, r->out->count), "its list", size);
  }
  *out = (span){aicc_buf_data(buf) + ref.offset, (size_t)ref.size, buf, (size_t)ref.offset};
  return AICC_OK;
}

// float_data and double_data: the bytes of raw data, but counted in numbers.
static aicc_status read_floats(const reader *r, place from) {
  const bool is_float = from == PLACE_FLOAT;
  const size_t width = is_float ? sizeof(float) : sizeof(double);
  const void *data = is_float ? (const void *)r->proto->float_data
                              : (const void *)r->proto->double_data;
  const size_t count = is_float ? r->proto->n_float_data : r->proto->n_double_data;
  span bytes;
  AICC_TRY(follow(r, data, count * width, &bytes));
  return read_raw(r, bytes, place_names[from]);
}

static aicc_status out_of_range(const reader *r, size_t index, place from, long long value) {
  AICC_EMIT(r->diags, E0311, &r->loc, r->name, index, place_names[from], value,
            aicc_dtype_name(r->out->dtype));
  return AICC_INVALID;
}

// int32_data holds every narrower type too: floats as their bits, sub-byte elements packed.
static aicc_status read_int32(const reader *r) {
  const aicc_dtype dtype = r->out->dtype;
  const int32_t *from = r->proto->int32_data;
  const size_t entries = r->proto->n_int32_data;
  const int64_t need = is_sub_byte(dtype) ? packed_size(dtype, r->out->count) : r->out->count;
  if (entries != (uint64_t)need) {
    return wrong_size(r, "entries", need, place_names[PLACE_INT32], entries);
  }
  const size_t width = aicc_dtype_size(dtype);
  aicc_buf *buf = aicc_buf_create_heap(entries * width);
  uint8_t *to = aicc_buf_data_mut(buf);
  for (size_t i = 0; i < entries; i++) {
    const int64_t value = from[i], limit = (int64_t)1 << (8 * width);
    if (value < -limit / 2 || value >= limit) {
      aicc_buf_release(buf);
      return out_of_range(r, i, PLACE_INT32, value);
    }
    const int32_t stored = dtype == AICC_BOOL ? value != 0 : from[i];
    memcpy(to + i * width, &stored, width);  // the low bytes: little endian
  }
  if (is_sub_byte(dtype)) {
    const span packed = {.data = to, .size = entries};
    const aicc_status status = read_raw(r, packed, place_names[PLACE_INT32]);
    aicc_buf_release(buf);
    return status;
  }
  set_bytes(r, buf);
  return AICC_OK;
}

// int64_data and uint64_data, the latter for u32 too.
static aicc_status read_wide(const reader *r, place from) {
  const bool is_signed = from == PLACE_INT64;
  const size_t entries = is_signed ? r->proto->n_int64_data : r->proto->n_uint64_data;
  const void *data = is_signed ? (const void *)r->proto->int64_data
                               : (const void *)r->proto->uint64_data;
  if (entries != (uint64_t)r->out->count) {
    return wrong_size(r, "entries", r->out->count, place_names[from], entries);
  }
  if (r->out->dtype != AICC_U32) {
    set_bytes(r, aicc_buf_create_copy(data, entries * 8));
    return AICC_OK;
  }
  aicc_buf *buf = aicc_buf_create_heap(entries * 4);
  uint32_t *to = (void *)aicc_buf_data_mut(buf);
  for (size_t i = 0; i < entries; i++) {
    const uint64_t value = r->proto->uint64_data[i];
    if (value > UINT32_MAX) {
      aicc_buf_release(buf);
      return out_of_range(r, i, from, (long long)value);
    }
    to[i] = (uint32_t)value;
  }
  set_bytes(r, buf);
  return AICC_OK;
}

// The pairs come first in the buffer, then the characters they point to.
static aicc_status read_strings(const reader *r) {
  const size_t entries = r->proto->n_string_data;
  if (entries != (uint64_t)r->out->count) {
    return wrong_size(r, "entries", r->out->count, place_names[PLACE_STRING], entries);
  }
  size_t total = entries * sizeof(aicc_str);
  for (size_t i = 0; i < entries; i++) {
    total += r->proto->string_data[i].len;
  }
  aicc_buf *buf = aicc_buf_create_heap(total);
  aicc_str *pairs = (void *)aicc_buf_data_mut(buf);
  char *text = (char *)(pairs + entries);
  for (size_t i = 0; i < entries; i++) {
    const ProtobufCBinaryData *string = &r->proto->string_data[i];
    pairs[i] = (aicc_str){.data = text, .size = string->len};
    if (string->len) {
      memcpy(text, string->data, string->len);
    }
    text += string->len;
  }
  r->out->bytes = (aicc_view){.buf = buf, .offset = 0, .size = entries * sizeof(aicc_str)};
  return AICC_OK;
}

// A decimal number of bytes under |key|; *present says whether the key is there.
static aicc_status read_number(const reader *r, const char *key, const char *text, uint64_t *out) {
  char *end = NULL;
  errno = 0;
  const unsigned long long value = strtoull(text, &end, 10);
  if (text[0] < '0' || text[0] > '9' || *end || errno || value > INT64_MAX) {
    AICC_EMIT(r->diags, E0315, &r->loc, r->name, key, text);
    return AICC_INVALID;
  }
  *out = value;
  return AICC_OK;
}

static aicc_status read_external(const reader *r) {
  const char *location = NULL;
  const int64_t need = packed_size(r->out->dtype, r->out->count);
  uint64_t offset = 0, length = (uint64_t)need;
  for (size_t i = 0; i < r->proto->n_external_data; i++) {
    const Onnx__StringStringEntryProto *entry = r->proto->external_data[i];
    const char *key = entry->key ? entry->key : "", *value = entry->value ? entry->value : "";
    if (strcmp(key, "location") == 0) {
      location = value;
    } else if (strcmp(key, "offset") == 0) {
      AICC_TRY(read_number(r, key, value, &offset));
    } else if (strcmp(key, "length") == 0) {
      AICC_TRY(read_number(r, key, value, &length));
    }
  }
  if (!location || !*location) {
    AICC_EMIT(r->diags, E0312, &r->loc, r->name);
    return AICC_INVALID;
  }
  if (r->out->dtype == AICC_STR) {
    AICC_EMIT(r->diags, E0310, &r->loc, r->name, aicc_dtype_name(r->out->dtype), "another file");
    return AICC_INVALID;
  }
  if (length != (uint64_t)need) {
    return wrong_size(r, "bytes", need, "the external range", length);
  }
  aicc_buf *buf = NULL;
  AICC_TRY(aicc_onnx_file_external(r->file, r->name, location, &r->loc, r->diags, &buf));
  const size_t size = aicc_buf_size(buf);
  if (offset > size || length > size - offset) {
    AICC_EMIT(r->diags, E0316, &r->loc, r->name, (unsigned long long)length,
              (unsigned long long)offset, location, size);
    return AICC_INVALID;
  }
  const span bytes = {aicc_buf_data(buf) + offset, (size_t)length, buf, (size_t)offset};
  return read_raw(r, bytes, location);
}

// The one place that holds elements; PLACE_COUNT if there is none.
static aicc_status find_place(const reader *r, place *out) {
  const Onnx__TensorProto *proto = r->proto;
  const size_t sizes[PLACE_COUNT] = {
      [PLACE_RAW] = proto->has_raw_data ? proto->raw_data.len : 0,
      [PLACE_FLOAT] = proto->n_float_data,
      [PLACE_INT32] = proto->n_int32_data,
      [PLACE_STRING] = proto->n_string_data,
      [PLACE_INT64] = proto->n_int64_data,
      [PLACE_DOUBLE] = proto->n_double_data,
      [PLACE_UINT64] = proto->n_uint64_data,
  };
  *out = PLACE_COUNT;
  for (place p = 0; p < PLACE_COUNT; p++) {
    if (sizes[p] == 0) {
      continue;
    }
    if (*out != PLACE_COUNT) {
      AICC_EMIT(r->diags, E0309, &r->loc, r->name, place_names[*out], place_names[p]);
      return AICC_INVALID;
    }
    *out = p;
  }
  return AICC_OK;
}

static aicc_status read_elements(const reader *r) {
  place from;
  AICC_TRY(find_place(r, &from));
  const aicc_dtype dtype = r->out->dtype;
  if (from == PLACE_COUNT) {
    // No elements at all are right for an empty tensor, and not written as any field.
    if (r->out->count) {
      return wrong_size(r, "elements", r->out->count, "the tensor", 0);
    }
    set_bytes(r, aicc_buf_create_heap(0));
    return AICC_OK;
  }
  if (from == PLACE_RAW ? dtype == AICC_STR : from != place_of(dtype)) {
    AICC_EMIT(r->diags, E0310, &r->loc, r->name, aicc_dtype_name(dtype), place_names[from]);
    return AICC_INVALID;
  }
  span bytes;
  switch (from) {
    case PLACE_RAW:
      AICC_TRY(follow(r, r->proto->raw_data.data, r->proto->raw_data.len, &bytes));
      return read_raw(r, bytes, place_names[from]);
    case PLACE_FLOAT:
    case PLACE_DOUBLE: return read_floats(r, from);
    case PLACE_INT32: return read_int32(r);
    case PLACE_STRING: return read_strings(r);
    default: return read_wide(r, from);
  }
}

aicc_status aicc_onnx_tensor_read(aicc_onnx_file *file, const Onnx__TensorProto *proto,
                                  const aicc_loc *loc, aicc_diags *diags, aicc_onnx_tensor *out) {
  *out = (aicc_onnx_tensor){0};
  reader r = {.file = file, .proto = proto, .diags = diags, .out = out};
  r.name = proto->name ? proto->name : "";
  r.loc = loc ? *loc : (aicc_loc){0};
  r.loc.file = r.loc.file ? r.loc.file : file->name;
  AICC_TRY(read_type(&r));
  if (proto->segment) {
    AICC_EMIT(diags, E0317, &r.loc, r.name);
    return AICC_UNSUPPORTED;
  }
  const bool external = proto->has_data_location &&
                        proto->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
  return external ? read_external(&r) : read_elements(&r);
}

void aicc_onnx_tensor_deinit(aicc_onnx_tensor *tensor) {
  aicc_buf_release(tensor->bytes.buf);
  *tensor = (aicc_onnx_tensor){0};
}
