#include "frontend/onnx_wire.h"

#include <stdlib.h>
#include <string.h>

#include "onnx.pb-c.h"

// Any value will do: real data that begins with it is made a reference too, whatever its size.
static const uint64_t ref_magic = 0x8A1CC0DE5EEDF11Eull;

enum { LENGTH_BYTES = 5 };  // reserved for a message's length, which is known after its content

// Wire types.
enum {
  WIRE_VARINT = 0,
  WIRE_64 = 1,
  WIRE_LENGTH = 2,
  WIRE_GROUP = 3,
  WIRE_GROUP_END = 4,
  WIRE_32 = 5,
};

typedef struct wire_field {
  uint32_t number;
  unsigned wire;
  size_t start;       // of the tag
  size_t value, end;  // of the content, without its length
} wire_field;

// A message being walked, for the path in error messages.
typedef struct frame {
  const struct frame *parent;
  const char *name;  // of the field it stands in
  const ProtobufCMessageDescriptor *type;
  uint32_t seen;     // singular message fields met, by index
  uint32_t by_ref;   // tensor data fields that may become references, by field number
  int depth;
} frame;

typedef struct walker {
  const uint8_t *data;
  uint8_t *out;
  size_t size, capacity;
  size_t messages;
  const aicc_loc *loc;
  aicc_diags *diags;
} walker;

typedef struct field_key {
  const ProtobufCMessageDescriptor *type;
  uint32_t number;
} field_key;

// Nothing in the compiler reads these.
static const field_key skipped[] = {
    {&onnx__node_proto__descriptor, 6},       {&onnx__node_proto__descriptor, 9},
    {&onnx__attribute_proto__descriptor, 13}, {&onnx__graph_proto__descriptor, 10},
    {&onnx__graph_proto__descriptor, 16},     {&onnx__value_info_proto__descriptor, 3},
    {&onnx__value_info_proto__descriptor, 4}, {&onnx__tensor_proto__descriptor, 12},
    {&onnx__tensor_proto__descriptor, 16},    {&onnx__function_proto__descriptor, 8},
    {&onnx__function_proto__descriptor, 14},
};

enum { FIELD_FLOAT_DATA = 4, FIELD_RAW_DATA = 9, FIELD_DOUBLE_DATA = 10 };

static void make_path(const frame *f, char *text, size_t size) {
  const frame *chain[AICC_WIRE_DEPTH_MAX + 2];
  int count = 0;
  for (; f && count < AICC_WIRE_DEPTH_MAX + 2; f = f->parent) {
    chain[count++] = f;
  }
  size_t used = 0;
  for (int i = count - 1; i >= 0 && used < size; i--) {
    const char *name = chain[i]->name ? chain[i]->name : chain[i]->type->short_name;
    const int length = snprintf(text + used, size - used, "%s%s", used ? "." : "", name);
    used += (size_t)length;
  }
}

static aicc_status malformed(walker *w, const frame *f, size_t at, const char *reason) {
  char path[400];
  make_path(f, path, sizeof path);
  AICC_EMIT(w->diags, E0303, w->loc, at, path, reason);
  return AICC_INVALID;
}

static void append(walker *w, const void *bytes, size_t size) {
  if (w->size + size > w->capacity || !w->out) {
    size_t capacity = w->capacity ? w->capacity : 1 << 16;
    while (capacity < w->size + size) {
      capacity *= 2;
    }
    uint8_t *out = realloc(w->out, capacity);
    if (!out) {
      fprintf(stderr, "aicc: out of memory (asked for %zu bytes)\n", capacity);
      exit(AICC_RESOURCE);
    }
    w->out = out;
    w->capacity = capacity;
  }
  memcpy(w->out + w->size, bytes, size);
  w->size += size;
}

static void append_varint(walker *w, uint64_t value) {
  uint8_t bytes[10];
  size_t count = 0;
  for (; value >= 0x80; value >>= 7) {
    bytes[count++] = (uint8_t)(value | 0x80);
  }
  bytes[count++] = (uint8_t)value;
  append(w, bytes, count);
}

// False if it runs past |end| or over ten bytes.
static bool read_varint(const uint8_t *data, size_t *pos, size_t end, uint64_t *out) {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 70 && *pos < end; shift += 7) {
    const uint8_t byte = data[(*pos)++];
    value |= shift < 64 ? (uint64_t)(byte & 0x7F) << shift : 0;
    if (byte < 0x80) {
      *out = value;
      return true;
    }
  }
  return false;
}

// Reads the field at |pos|; NULL, or what is wrong with it.
static const char *read_field(const uint8_t *data, size_t pos, size_t end, wire_field *out) {
  uint64_t tag, length;
  out->start = pos;
  if (!read_varint(data, &pos, end, &tag)) {
    return "a field's tag is truncated";
  }
  if (tag >> 32 || tag >> 3 == 0) {
    return "a field has an impossible number";
  }
  out->number = (uint32_t)(tag >> 3);
  out->wire = (unsigned)(tag & 7);
  out->value = pos;
  switch (out->wire) {
    case WIRE_VARINT:
      if (!read_varint(data, &pos, end, &length)) {
        return "a number is truncated or longer than ten bytes";
      }
      out->end = pos;
      return NULL;
    case WIRE_LENGTH:
      if (!read_varint(data, &pos, end, &length)) {
        return "a length is truncated";
      }
      break;
    case WIRE_64: length = 8; break;
    case WIRE_32: length = 4; break;
    default: return "a field has a wire type ONNX does not use (a group, or corrupt data)";
  }
  if (length > end - pos) {
    return "a field runs past the end of its message";
  }
  out->value = pos;
  out->end = pos + (size_t)length;
  return NULL;
}

static unsigned wire_of(ProtobufCType type) {
  switch (type) {
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_FLOAT: return WIRE_32;
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE: return WIRE_64;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE: return WIRE_LENGTH;
    default: return WIRE_VARINT;
  }
}

// NULL, or why |f| cannot be field |known|. A list of numbers may come packed or one by one.
static const char *check_type(const ProtobufCFieldDescriptor *known, const wire_field *f) {
  const unsigned wire = wire_of(known->type);
  if (f->wire == wire) {
    return NULL;
  }
  if (f->wire != WIRE_LENGTH || known->label != PROTOBUF_C_LABEL_REPEATED) {
    return "a field's wire type does not fit its ONNX type";
  }
  const size_t size = f->end - f->value;
  if ((wire == WIRE_32 && size % 4) || (wire == WIRE_64 && size % 8)) {
    return "a packed list is not a whole number of elements";
  }
  return NULL;
}

static bool is_skipped(const ProtobufCMessageDescriptor *type, uint32_t number) {
  for (size_t i = 0; i < sizeof skipped / sizeof *skipped; i++) {
    if (skipped[i].type == type && skipped[i].number == number) {
      return true;
    }
  }
  return false;
}

// Which data fields of the tensor in [begin, end) may become references: raw_data always, and a
// packed list if it comes in one piece. Pieces are joined by protobuf-c, which knows no references.
static uint32_t references_of(const walker *w, size_t begin, size_t end) {
  unsigned floats = 0, doubles = 0;
  wire_field field;
  for (size_t pos = begin; pos < end && !read_field(w->data, pos, end, &field); pos = field.end) {
    floats += field.number == FIELD_FLOAT_DATA;
    doubles += field.number == FIELD_DOUBLE_DATA;
  }
  return 1u << FIELD_RAW_DATA | (uint32_t)(floats == 1) << FIELD_FLOAT_DATA |
         (uint32_t)(doubles == 1) << FIELD_DOUBLE_DATA;
}

static bool wants_reference(const walker *w, const frame *f, const wire_field *field) {
  if (field->wire != WIRE_LENGTH || field->number > 31 || !(f->by_ref >> field->number & 1)) {
    return false;
  }
  const size_t size = field->end - field->value;
  return size > AICC_WIRE_PAYLOAD_MIN ||
         (size >= sizeof ref_magic &&
          memcmp(w->data + field->value, &ref_magic, sizeof ref_magic) == 0);
}

static aicc_status walk(walker *w, frame *f, size_t begin, size_t end);

static aicc_status walk_child(walker *w, frame *f, const ProtobufCFieldDescriptor *known,
                              const wire_field *field) {
  const uint32_t bit = 1u << (known - f->type->fields);
  if (known->label != PROTOBUF_C_LABEL_REPEATED && f->seen & bit) {
    // protobuf would merge the two; no writer of ONNX makes such files.
    return malformed(w, f, field->start, "a field that may stand once stands twice");
  }
  f->seen |= bit;
  append_varint(w, (uint64_t)field->number << 3 | WIRE_LENGTH);
  const size_t at = w->size;
  append(w, (uint8_t[LENGTH_BYTES]){0}, LENGTH_BYTES);
  frame child = {.parent = f, .name = known->name, .type = known->descriptor,
                 .depth = f->depth + 1};
  AICC_TRY(walk(w, &child, field->value, field->end));
  // A varint of fixed width: continuation bits on zeroes are allowed.
  const size_t length = w->size - at - LENGTH_BYTES;
  for (unsigned i = 0; i < LENGTH_BYTES; i++) {
    w->out[at + i] = (uint8_t)((length >> (7 * i) & 0x7F) | (i + 1 < LENGTH_BYTES ? 0x80 : 0));
  }
  return AICC_OK;
}

static aicc_status walk_field(walker *w, frame *f, const wire_field *field) {
  const ProtobufCFieldDescriptor *known =
      protobuf_c_message_descriptor_get_field(f->type, field->number);
  if (!known || is_skipped(f->type, field->number)) {
    return AICC_OK;
  }
  const char *reason = check_type(known, field);
  if (reason) {
    return malformed(w, f, field->start, reason);
  }
  if (known->type == PROTOBUF_C_TYPE_MESSAGE) {
    return walk_child(w, f, known, field);
  }
  const size_t size = field->end - field->value;
  append_varint(w, (uint64_t)field->number << 3 | field->wire);
  if (wants_reference(w, f, field)) {
    const aicc_wire_ref ref = {ref_magic, field->value, size};
    append_varint(w, sizeof ref);
    append(w, &ref, sizeof ref);
    return AICC_OK;
  }
  if (size > AICC_WIRE_SLIM_MAX - w->size) {
    AICC_EMIT(w->diags, E0304, w->loc, "1 GiB of structure beside its tensors");
    return AICC_RESOURCE;
  }
  if (field->wire == WIRE_LENGTH) {
    append_varint(w, size);
  }
  append(w, w->data + field->value, size);
  return AICC_OK;
}

static aicc_status walk(walker *w, frame *f, size_t begin, size_t end) {
  if (f->depth > AICC_WIRE_DEPTH_MAX) {
    return malformed(w, f, begin, "messages are nested deeper than 100");
  }
  if (++w->messages > AICC_WIRE_MESSAGES_MAX || w->size > AICC_WIRE_SLIM_MAX) {
    AICC_EMIT(w->diags, E0304, w->loc, "8 million messages or 1 GiB of structure");
    return AICC_RESOURCE;
  }
  if (f->type == &onnx__tensor_proto__descriptor) {
    f->by_ref = references_of(w, begin, end);
  }
  wire_field field;
  for (size_t pos = begin; pos < end; pos = field.end) {
    const char *reason = read_field(w->data, pos, end, &field);
    if (reason) {
      return malformed(w, f, pos, reason);
    }
    AICC_TRY(walk_field(w, f, &field));
  }
  return AICC_OK;
}

aicc_status aicc_wire_slim(const uint8_t *data, size_t size,
                           const ProtobufCMessageDescriptor *type, const aicc_loc *loc,
                           aicc_diags *diags, uint8_t **out, size_t *out_size) {
  walker w = {.data = data, .loc = loc, .diags = diags};
  append(&w, "", 0);  // an empty message still needs an address
  frame root = {.type = type};
  const aicc_status status = walk(&w, &root, 0, size);
  if (status != AICC_OK) {
    free(w.out);
    return status;
  }
  *out = w.out;
  *out_size = w.size;
  return AICC_OK;
}

bool aicc_wire_ref_decode(const void *bytes, size_t size, aicc_wire_ref *out) {
  if (size != sizeof *out || memcmp(bytes, &ref_magic, sizeof ref_magic) != 0) {
    return false;
  }
  memcpy(out, bytes, sizeof *out);
  return true;
}
