// The wire format of ONNX files, walked without unpacking: makes a slim copy of a file's bytes in
// which large tensor data is replaced by short references into the file.
//
// protobuf-c copies every bytes field to the heap; on the slim copy that costs nothing, and the
// weights are later read through the mapping. The walk also checks what protobuf-c does not check
// or reports badly: lengths, wire types, nesting, size. Invariant: what the walk accepts contains
// no reference but those it wrote itself.
#ifndef AICC_FRONTEND_ONNX_WIRE_H
#define AICC_FRONTEND_ONNX_WIRE_H

#include <protobuf-c/protobuf-c.h>

#include "ir/diag.h"

enum {
  AICC_WIRE_PAYLOAD_MIN = 4096,       // bytes; larger tensor data becomes a reference
  AICC_WIRE_DEPTH_MAX = 100,          // nested messages, the limit of protobuf itself
  AICC_WIRE_MESSAGES_MAX = 8000000,   // unpacked, each takes some 200 bytes
  AICC_WIRE_SLIM_MAX = 1 << 30,       // bytes of structure
};

// What stands in the slim copy in place of raw_data, float_data or double_data. 24 bytes: a whole
// number of floats and of doubles.
typedef struct aicc_wire_ref {
  uint64_t magic;
  uint64_t offset, size;  // bytes, in the file
} aicc_wire_ref;

// Walks |data| as a message of |type|. *out is allocated with malloc; the caller frees it.
// AICC_INVALID (E0303) for malformed data, AICC_RESOURCE (E0304) beyond the limits above.
//
// Left out of the copy: unknown fields, and documentation and metadata below the model itself
// (stack traces of the exporter, often most of a file's structure).
AICC_MUST_USE aicc_status aicc_wire_slim(const uint8_t *data, size_t size,
                                         const ProtobufCMessageDescriptor *type,
                                         const aicc_loc *loc, aicc_diags *diags, uint8_t **out,
                                         size_t *out_size);

// True if |bytes| are a reference; *out is then that reference.
bool aicc_wire_ref_decode(const void *bytes, size_t size, aicc_wire_ref *out);

#endif
