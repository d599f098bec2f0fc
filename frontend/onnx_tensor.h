// ONNX tensors: from a TensorProto to an element type, dimensions and bytes in aicc's layout.
//
// Whatever way the file stores a tensor (raw bytes, typed lists, another file, packed sub-byte
// elements), the result is row-major, little endian, elements as ir/dtype.h lays them out. Large
// raw data is not copied: the result is a view of the mapped file, whose address need not be a
// multiple of the element's size (protobuf aligns nothing): see aicc_view_align.
#ifndef AICC_FRONTEND_ONNX_TENSOR_H
#define AICC_FRONTEND_ONNX_TENSOR_H

#include "frontend/onnx_file.h"
#include "ir/dtype.h"

enum {
  AICC_ONNX_ALIGN_MAX = 64 * 1024,        // bytes; smaller views that are unaligned become copies
  AICC_ONNX_DENSE_MAX = 1 << 30,          // bytes of a sparse tensor made dense
};

typedef struct aicc_onnx_tensor {
  aicc_dtype dtype;
  size_t rank;
  const int64_t *dims;  // borrowed from the message
  int64_t count;        // elements
  aicc_view bytes;      // holds a reference; for AICC_STR an array of aicc_str into the same buffer
} aicc_onnx_tensor;

// AICC_INVALID (E0305..E0318), AICC_UNSUPPORTED (E0317) or AICC_IO. All faults of the tensor's type
// and dimensions are said at once. |loc| says where the tensor stands; its file is filled in. The
// checksum of external data is not checked. On success the caller calls aicc_onnx_tensor_deinit.
AICC_MUST_USE aicc_status aicc_onnx_tensor_read(aicc_onnx_file *file,
                                                const Onnx__TensorProto *proto,
                                                const aicc_loc *loc, aicc_diags *diags,
                                                aicc_onnx_tensor *out);

// The dense form of a sparse tensor. AICC_RESOURCE if it exceeds AICC_ONNX_DENSE_MAX.
AICC_MUST_USE aicc_status aicc_onnx_sparse_read(aicc_onnx_file *file,
                                                const Onnx__SparseTensorProto *proto,
                                                const aicc_loc *loc, aicc_diags *diags,
                                                aicc_onnx_tensor *out);
void aicc_onnx_tensor_deinit(aicc_onnx_tensor *tensor);

// "[2,3]" into |text|, cut where it does not fit; returns |text|.
const char *aicc_onnx_dims_text(const int64_t *dims, size_t rank, char *text, size_t size);

// The number of elements of |dims| in *out; false if it, or its bytes at |element_size|, overflows
// or a dimension is negative.
bool aicc_onnx_dims_count(const int64_t *dims, size_t rank, size_t element_size, int64_t *out);

#endif
