// DLPack 1.1 tensors, stated in our own words: the layout by which arrays cross library borders
// without a copy. Names, order and numbers are those of the standard (github.com/dmlc/dlpack), so
// tensors of PyTorch, NumPy, CuPy or JAX can be handed over as they are.
//
// The guard is the one of the standard's own header: a program may include either, in any order.
#ifndef DLPACK_DLPACK_H_
#define DLPACK_DLPACK_H_

#include <stddef.h>
#include <stdint.h>

#define DLPACK_MAJOR_VERSION 1
#define DLPACK_MINOR_VERSION 1

#ifdef __cplusplus
extern "C" {
#endif

typedef struct {
  uint32_t major;  // differs: the layout of DLManagedTensorVersioned differs too
  uint32_t minor;  // only adds constants
} DLPackVersion;

// Where the memory is.
#ifdef __cplusplus
typedef enum : int32_t {
#else
typedef enum {
#endif
  kDLCPU = 1,
  kDLCUDA = 2,
  kDLCUDAHost = 3,  // pinned by the CUDA driver
  kDLOpenCL = 4,
  kDLVulkan = 7,
  kDLMetal = 8,
  kDLVPI = 9,
  kDLROCM = 10,
  kDLROCMHost = 11,
  kDLExtDev = 12,
  kDLCUDAManaged = 13,  // unified memory
  kDLOneAPI = 14,
  kDLWebGPU = 15,
  kDLHexagon = 16,
  kDLMAIA = 17
} DLDeviceType;

typedef struct {
  DLDeviceType device_type;
  int32_t device_id;  // 0 for the CPU
} DLDevice;

// What an element is; its width is DLDataType.bits.
typedef enum {
  kDLInt = 0,
  kDLUInt = 1,
  kDLFloat = 2,
  kDLOpaqueHandle = 3,
  kDLBfloat = 4,
  kDLComplex = 5,  // (re, im); |bits| counts both
  kDLBool = 6,     // a byte of 0 or 1
  kDLFloat8_e3m4 = 7,
  kDLFloat8_e4m3 = 8,
  kDLFloat8_e4m3b11fnuz = 9,
  kDLFloat8_e4m3fn = 10,
  kDLFloat8_e4m3fnuz = 11,
  kDLFloat8_e5m2 = 12,
  kDLFloat8_e5m2fnuz = 13,
  kDLFloat8_e8m0fnu = 14,
  kDLFloat6_e2m3fn = 15,
  kDLFloat6_e3m2fn = 16,
  kDLFloat4_e2m1fn = 17
} DLDataTypeCode;

typedef struct {
  uint8_t code;  // DLDataTypeCode
  uint8_t bits;
  uint16_t lanes;  // 1, except for vector types
} DLDataType;

typedef struct {
  void *data;  // may be NULL where there is no element
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t *shape;        // ndim numbers; may be NULL where ndim is 0
  int64_t *strides;      // in elements; NULL: compact, row by row
  uint64_t byte_offset;  // of the first element from |data|
} DLTensor;

// A tensor with its owner: whoever takes it calls |deleter| when done. The form before 1.0.
typedef struct DLManagedTensor {
  DLTensor dl_tensor;
  void *manager_ctx;
  void (*deleter)(struct DLManagedTensor *self);  // may be NULL
} DLManagedTensor;

#define DLPACK_FLAG_BITMASK_READ_ONLY (1UL << 0UL)
#define DLPACK_FLAG_BITMASK_IS_COPIED (1UL << 1UL)
// Types of less than 8 bits take one byte an element instead of being packed.
#define DLPACK_FLAG_BITMASK_IS_SUBBYTE_TYPE_PADDED (1UL << 2UL)

typedef struct DLManagedTensorVersioned {
  DLPackVersion version;
  void *manager_ctx;
  void (*deleter)(struct DLManagedTensorVersioned *self);  // may be NULL
  uint64_t flags;                                          // DLPACK_FLAG_BITMASK_*
  DLTensor dl_tensor;
} DLManagedTensorVersioned;

#ifdef __cplusplus
}
#endif

#endif
