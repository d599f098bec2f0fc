// Packing strided tensors on a CUDA device: a kernel of the runtime's own, compiled by the driver
// when the first such tensor comes.
#include "dev_cuda.h"

enum { PACK_RANK = 8, PACK_THREADS = 256, PACK_BLOCKS = 1024 };

// One thread an element: its number is taken apart by the dimensions, the last first (those that
// are not there are 1), which gives its place in |from|. Strides are in bytes.
#define PACK_DIM(n)                     \
  "  ld.param.u64 %dim, [d" #n "];\n"    \
  "  ld.param.u64 %stride, [s" #n "];\n" \
  "  rem.u64 %at, %left, %dim;\n"        \
  "  div.u64 %left, %left, %dim;\n"      \
  "  mad.lo.s64 %place, %at, %stride, %place;\n"
#define PACK_PARAM(n) "  .param .u64 d" #n ", .param .u64 s" #n
#define PACK_MOVE(bytes, type, reg)                                         \
  "element" #bytes ":\n"                                                    \
  "  ld.global." type " " reg ", [%place];\n"                               \
  "  st.global." type " [%out], " reg ";\n"                                 \
  "  bra next;\n"

static const char pack_text[] =
    ".version 6.4\n"
    ".target sm_75\n"
    ".address_size 64\n"
    ".visible .entry aicc_pack(\n"
    "  .param .u64 to, .param .u64 from, .param .u64 count, .param .u64 bytes,\n"
    PACK_PARAM(0) ",\n" PACK_PARAM(1) ",\n" PACK_PARAM(2) ",\n" PACK_PARAM(3) ",\n"
    PACK_PARAM(4) ",\n" PACK_PARAM(5) ",\n" PACK_PARAM(6) ",\n" PACK_PARAM(7) ")\n"
    "{\n"
    "  .reg .pred %p;\n"
    "  .reg .b16 %half;\n"
    "  .reg .b32 %word, %id, %threads, %block, %blocks;\n"
    "  .reg .b64 %to, %from, %count, %bytes, %dim, %stride, %at, %left, %place, %out, %long;\n"
    "  .reg .b64 %element, %step;\n"
    "  ld.param.u64 %to, [to];\n"
    "  ld.param.u64 %from, [from];\n"
    "  ld.param.u64 %count, [count];\n"
    "  ld.param.u64 %bytes, [bytes];\n"
    "  mov.u32 %id, %tid.x;\n"
    "  mov.u32 %threads, %ntid.x;\n"
    "  mov.u32 %block, %ctaid.x;\n"
    "  mov.u32 %blocks, %nctaid.x;\n"
    "  mad.lo.u32 %id, %block, %threads, %id;\n"
    "  mul.lo.u32 %threads, %threads, %blocks;\n"
    "  cvt.u64.u32 %element, %id;\n"
    "  cvt.u64.u32 %step, %threads;\n"
    "again:\n"
    "  setp.ge.u64 %p, %element, %count;\n"
    "  @%p bra done;\n"
    "  mov.u64 %left, %element;\n"
    "  mov.u64 %place, %from;\n"
    PACK_DIM(7) PACK_DIM(6) PACK_DIM(5) PACK_DIM(4) PACK_DIM(3) PACK_DIM(2) PACK_DIM(1) PACK_DIM(0)
    "  mad.lo.s64 %out, %element, %bytes, %to;\n"
    "  setp.eq.u64 %p, %bytes, 1;\n"
    "  @%p bra element1;\n"
    "  setp.eq.u64 %p, %bytes, 2;\n"
    "  @%p bra element2;\n"
    "  setp.eq.u64 %p, %bytes, 4;\n"
    "  @%p bra element4;\n"
    PACK_MOVE(8, "u64", "%long") PACK_MOVE(4, "u32", "%word") PACK_MOVE(2, "u16", "%half")
    PACK_MOVE(1, "u8", "%half")
    "next:\n"
    "  add.u64 %element, %element, %step;\n"
    "  bra again;\n"
    "done:\n"
    "  ret;\n"
    "}\n";

// The kernel's parameters, in its order.
typedef struct pack_args {
  uint64_t to, from, count, bytes;
  int64_t shape[2 * PACK_RANK];  // dimension, stride
} pack_args;

static cu_result load_kernel(aicc_rt_device *device) {
  aicc_cuda_program *program = device->program;
  if (program->pack != NULL) {
    return CU_OK;
  }
  cu_result result = CU_OK;
  if (program->pack_module == NULL) {
    result = device->cuda->module_load(&program->pack_module, pack_text, 0, NULL, NULL);
  }
  return result == CU_OK
             ? device->cuda->module_function(&program->pack, program->pack_module, "aicc_pack")
             : result;
}

// Dimensions, the first first, where neighbours that lie like one are one. False: they are too
// many.
static bool merge_dims(int32_t rank, const int64_t *dims, const int64_t *strides, size_t element,
                       pack_args *args) {
  int64_t merged[2 * (PACK_RANK + 1)];
  int used = 0;
  for (int32_t i = 0; i < rank; i++) {
    const int64_t stride = strides[i] * (int64_t)element;
    if (dims[i] == 1) {
      continue;
    }
    if (used > 0 && merged[2 * used - 1] == stride * dims[i]) {
      merged[2 * used - 2] *= dims[i];
      merged[2 * used - 1] = stride;
      continue;
    }
    if (used == PACK_RANK) {
      return false;
    }
    merged[2 * used] = dims[i];
    merged[2 * used++ + 1] = stride;
  }
  if (element > 8) {  // in words of 8 bytes
    if (used == PACK_RANK) {
      return false;
    }
    merged[2 * used] = (int64_t)element / 8;
    merged[2 * used++ + 1] = 8;
  }
  for (int i = 0; i < PACK_RANK; i++) {
    const int from = i - (PACK_RANK - used);
    args->shape[2 * i] = from >= 0 ? merged[2 * from] : 1;
    args->shape[2 * i + 1] = from >= 0 ? merged[2 * from + 1] : 0;
  }
  return true;
}

aicc_rt_status aicc_cuda_pack(aicc_rt_device *device, void *to, const void *from, int32_t rank,
                              const int64_t *dims, const int64_t *strides, size_t element,
                              aicc_rt_error *error) {
  pack_args args = {.to = aicc_cuda_address(to), .from = aicc_cuda_address(from),
                    .bytes = element > 8 ? 8 : element};
  if (!merge_dims(rank, dims, strides, element, &args)) {
    return aicc_rt_fail(
        error, AICC_RT_INPUT,
        "%s: a tensor of %d dimensions has strides that are too many to pack on the "
        "device; make it compact",
        device->name, rank);
  }
  args.count = 1;
  for (int i = 0; i < PACK_RANK; i++) {
    args.count *= (uint64_t)args.shape[2 * i];
  }
  pthread_mutex_lock(&device->model->lock);
  cu_result result = load_kernel(device);
  pthread_mutex_unlock(&device->model->lock);
  if (result == CU_OK) {
    const uint64_t wanted = (args.count + PACK_THREADS - 1) / PACK_THREADS;
    size_t bytes = sizeof args;
    void *extra[] = {CU_LAUNCH_BUFFER, &args, CU_LAUNCH_BUFFER_SIZE, &bytes, CU_LAUNCH_END};
    result = device->cuda->launch(device->program->pack,
                                  (unsigned)(wanted < PACK_BLOCKS ? wanted : PACK_BLOCKS), 1, 1,
                                  PACK_THREADS, 1, 1, 0, device->stream, NULL, extra);
  }
  return result == CU_OK ? AICC_RT_OK : aicc_cuda_fail(device, result, "packing a tensor", error);
}
