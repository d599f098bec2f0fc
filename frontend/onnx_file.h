// ONNX files: opening a model, or a value of a test data set, without copying its weights.
//
// The file is mapped; its structure is unpacked by protobuf-c from a slim copy (onnx_wire.h), in
// which large tensor data are references. Read tensors through onnx_tensor.h only: the data fields
// of a TensorProto may hold such a reference. Thread-compatible.
#ifndef AICC_FRONTEND_ONNX_FILE_H
#define AICC_FRONTEND_ONNX_FILE_H

#include "ir/buf.h"
#include "onnx.pb-c.h"

// The message a file holds. Files do not say which; the caller knows.
typedef enum aicc_onnx_kind {
  AICC_ONNX_MODEL,
  AICC_ONNX_TENSOR,
  AICC_ONNX_SEQUENCE,
  AICC_ONNX_OPTIONAL,
  AICC_ONNX_MAP,
} aicc_onnx_kind;

struct aicc_onnx_external;

typedef struct aicc_onnx_file {
  aicc_onnx_kind kind;
  char *name;       // as given, for messages; owned
  char *folder;     // where external data is looked for; owned; NULL: nowhere
  aicc_buf *buf;    // the file's bytes
  union {           // by kind; owned
    ProtobufCMessage *message;
    Onnx__ModelProto *model;  // its graph is not NULL
    Onnx__TensorProto *tensor;
    Onnx__SequenceProto *sequence;
    Onnx__OptionalProto *optional;
    Onnx__MapProto *map;
  };
  struct aicc_onnx_external *externals;  // files mapped so far
} aicc_onnx_file;

// AICC_IO (E0301), AICC_INVALID (E0302, E0303) or AICC_RESOURCE (E0304). On success the caller
// closes *out; views read from its tensors may outlive it.
AICC_MUST_USE aicc_status aicc_onnx_file_open(const char *path, aicc_onnx_kind kind,
                                              aicc_diags *diags, aicc_onnx_file **out);

// The same on bytes in memory; takes a reference of its own. |folder| may be NULL.
AICC_MUST_USE aicc_status aicc_onnx_file_from_buf(aicc_buf *buf, const char *name,
                                                  const char *folder, aicc_onnx_kind kind,
                                                  aicc_diags *diags, aicc_onnx_file **out);
void aicc_onnx_file_close(aicc_onnx_file *file);  // NULL is ignored

// The file |location| of tensor |tensor|, mapped once and kept until the model is closed. Refused
// (E0313) if it is absolute, has "..", or leaves the model's folder through a link; AICC_IO (E0314)
// if it cannot be read. *out is borrowed.
AICC_MUST_USE aicc_status aicc_onnx_file_external(aicc_onnx_file *file, const char *tensor,
                                                  const char *location, const aicc_loc *loc,
                                                  aicc_diags *diags, aicc_buf **out);

#endif
