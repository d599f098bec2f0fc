// libcuda.so.1 of ours through its entry points, as a program finds them: dlopen and dlsym. Over
// the emulator (AICC_EMU_LIBRARY) kernels compute; EMU_DRIVER_NULL: the stand-in, whose launches do
// nothing.
#include <dlfcn.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "check_main.h"
#include "emu/cuda_api.h"

#define CUDA_FUNCTION(base, symbol, since, parameters) static CUresult(*p_##symbol) parameters;
#include "emu/cuda_functions.def"
#undef CUDA_FUNCTION

#define OK(call) ck_assert_int_eq((call), CUDA_SUCCESS)
#define FAILS(call, code) ck_assert_int_eq((call), (code))

// out[i] = in[i] + add, for i < n.
static const char add_text[] =
    ".version 8.0\n.target sm_75\n.address_size 64\n"
    ".visible .entry add(.param .u64 .ptr .global .align 4 in, .param .u64 out, .param .u32 add,\n"
    "                    .param .u32 n)\n{\n"
    "  .reg .b64 %a, %b, %w;\n  .reg .b32 %i, %x, %n;\n  .reg .pred %p;\n"
    "  ld.param.u64 %a, [in];\n  ld.param.u64 %b, [out];\n  ld.param.u32 %n, [n];\n"
    "  mov.u32 %i, %ctaid.x;\n  mov.u32 %x, %ntid.x;\n  mul.lo.u32 %i, %i, %x;\n"
    "  mov.u32 %x, %tid.x;\n  add.u32 %i, %i, %x;\n  setp.ge.u32 %p, %i, %n;\n  @%p ret;\n"
    "  mul.wide.u32 %w, %i, 4;\n  add.u64 %a, %a, %w;\n  add.u64 %b, %b, %w;\n"
    "  ld.global.u32 %x, [%a];\n  ld.param.u32 %n, [add];\n  add.u32 %x, %x, %n;\n"
    "  st.global.u32 [%b], %x;\n  ret;\n}\n"
    ".visible .global .align 4 .b32 table[4] = {1, 2, 3, 4};\n";

static CUcontext context;

static void load_driver(void) {
  void *library = dlopen(AICC_EMU_LIBRARY, RTLD_NOW | RTLD_LOCAL);
  ck_assert_msg(library != NULL, "%s", dlerror());
#define CUDA_FUNCTION(base, symbol, since, parameters)      \
  {                                                         \
    void *address = dlsym(library, #symbol);                \
    ck_assert_ptr_nonnull(address);                         \
    memcpy(&p_##symbol, &address, sizeof address);          \
  }
#include "emu/cuda_functions.def"
#undef CUDA_FUNCTION
}

static void begin(void) {
  load_driver();
  OK(p_cuInit(0));
  OK(p_cuDevicePrimaryCtxRetain(&context, 0));
  OK(p_cuCtxPushCurrent_v2(context));
}

static CUfunction load_add(CUmodule *module) {
  CUfunction function;
  OK(p_cuModuleLoadData(module, add_text));
  OK(p_cuModuleGetFunction(&function, *module, "add"));
  return function;
}

typedef struct buffers {
  CUdeviceptr in, out;
} buffers;

#define N 100

static buffers make_buffers(void) {
  buffers made;
  OK(p_cuMemAlloc_v2(&made.in, N * 4));
  OK(p_cuMemAlloc_v2(&made.out, N * 4));
  OK(p_cuMemsetD32_v2(made.in, 7, N));
  OK(p_cuMemsetD32_v2(made.out, 0, N));
  return made;
}

static CUresult launch_add(CUfunction function, CUstream stream, buffers b, unsigned add) {
  unsigned n = N;
  void *parameters[] = {&b.in, &b.out, &add, &n};
  return p_cuLaunchKernel(function, 4, 1, 1, 32, 1, 1, 0, stream, parameters, NULL);
}

#ifndef EMU_DRIVER_NULL
static void expect_out(buffers b, unsigned value) {
  unsigned result[N];
  OK(p_cuMemcpyDtoH_v2(result, b.out, sizeof result));
  for (int i = 0; i < N; ++i) {
    ck_assert_uint_eq(result[i], value);
  }
}
#else
static void expect_out(buffers b, unsigned value) {
  (void)b, (void)value;
  OK(p_cuCtxSynchronize());
}
#endif

// ---- tests -------------------------------------------------------------------------------------

START_TEST(test_before_init) {
  load_driver();
  int count;
  FAILS(p_cuDeviceGetCount(&count), CUDA_ERROR_NOT_INITIALIZED);
  OK(p_cuInit(0));
  FAILS(p_cuCtxSynchronize(), CUDA_ERROR_INVALID_CONTEXT);
}
END_TEST

START_TEST(test_devices) {
  setenv("AICC_EMU_SM", "86", 1);
  setenv("AICC_EMU_DEVICES", "2", 1);
  setenv("AICC_EMU_MEMORY", "64M", 1);
  load_driver();
  OK(p_cuInit(0));
  int count, major, minor;
  OK(p_cuDeviceGetCount(&count));
  ck_assert_int_eq(count, 2);
  CUdevice device;
  FAILS(p_cuDeviceGet(&device, 2), CUDA_ERROR_INVALID_DEVICE);
  OK(p_cuDeviceGet(&device, 1));
  OK(p_cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device));
  OK(p_cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device));
  ck_assert_int_eq(major * 10 + minor, 86);
  FAILS(p_cuDeviceGetAttribute(&major, (CUdevice_attribute)9999, device), CUDA_ERROR_INVALID_VALUE);
  size_t bytes;
  OK(p_cuDeviceTotalMem_v2(&bytes, device));
  ck_assert_uint_eq(bytes, 64 << 20);
}
END_TEST

START_TEST(test_no_device) {
  setenv("AICC_EMU_DEVICES", "0", 1);
  load_driver();
  FAILS(p_cuInit(0), CUDA_ERROR_NO_DEVICE);
}
END_TEST

START_TEST(test_bad_setting) {
  setenv("AICC_EMU_SM", "eighty", 1);
  load_driver();
  FAILS(p_cuInit(0), CUDA_ERROR_INVALID_VALUE);
}
END_TEST

START_TEST(test_errors_have_texts) {
  load_driver();
  const char *text;
  OK(p_cuGetErrorName(CUDA_ERROR_OUT_OF_MEMORY, &text));
  ck_assert_str_eq(text, "CUDA_ERROR_OUT_OF_MEMORY");
  OK(p_cuGetErrorString(CUDA_ERROR_OUT_OF_MEMORY, &text));
  ck_assert_str_eq(text, "out of memory");
  FAILS(p_cuGetErrorName((CUresult)12345, &text), CUDA_ERROR_INVALID_VALUE);
}
END_TEST

START_TEST(test_proc_address) {
  load_driver();
  void *function;
  CUdriverProcAddressQueryResult status;
  OK(p_cuGetProcAddress_v2("cuMemAlloc", &function, 12000, 0, &status));
  ck_assert_int_eq(status, CU_GET_PROC_ADDRESS_SUCCESS);
  ck_assert_mem_eq(&function, &p_cuMemAlloc_v2, sizeof function);
  OK(p_cuGetProcAddress_v2("cuNoSuchThing", &function, 12000, 0, &status));
  ck_assert_int_eq(status, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
  FAILS(p_cuGetProcAddress_v2("cuNoSuchThing", &function, 12000, 0, NULL), CUDA_ERROR_NOT_FOUND);
}
END_TEST

START_TEST(test_contexts) {
  load_driver();
  OK(p_cuInit(0));
  CUcontext own, current, primary;
  OK(p_cuCtxCreate_v2(&own, 0, 0));
  OK(p_cuCtxGetCurrent(&current));
  ck_assert_ptr_eq(current, own);
  CUdeviceptr mine;
  OK(p_cuMemAlloc_v2(&mine, 64));
  OK(p_cuDevicePrimaryCtxRetain(&primary, 0));
  ck_assert_ptr_ne(primary, own);
  OK(p_cuCtxPushCurrent_v2(primary));
  FAILS(p_cuMemsetD8_v2(mine, 0, 64), CUDA_ERROR_INVALID_VALUE);  // memory of another context
  OK(p_cuCtxPopCurrent_v2(&current));
  ck_assert_ptr_eq(current, primary);
  OK(p_cuDevicePrimaryCtxRelease_v2(0));
  FAILS(p_cuCtxPushCurrent_v2(primary), CUDA_ERROR_INVALID_CONTEXT);
  FAILS(p_cuDevicePrimaryCtxRelease_v2(0), CUDA_ERROR_INVALID_CONTEXT);
  OK(p_cuCtxDestroy_v2(own));
  FAILS(p_cuCtxDestroy_v2(own), CUDA_ERROR_INVALID_CONTEXT);
  FAILS(p_cuCtxSynchronize(), CUDA_ERROR_INVALID_CONTEXT);
}
END_TEST

START_TEST(test_images) {
  setenv("AICC_EMU_DRIVER", "12040", 1);
  begin();
  CUmodule module;
  static const unsigned char cubin[64] = {0x7f, 'E', 'L', 'F'};
  FAILS(p_cuModuleLoadData(&module, cubin), CUDA_ERROR_NO_BINARY_FOR_GPU);
  FAILS(p_cuModuleLoadData(&module, "nonsense"), CUDA_ERROR_INVALID_IMAGE);
  char log[200] = "x", info[8] = "y";
  CUjit_option options[] = {CU_JIT_ERROR_LOG_BUFFER, CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES,
                            CU_JIT_INFO_LOG_BUFFER, CU_JIT_INFO_LOG_BUFFER_SIZE_BYTES};
  void *values[] = {log, (void *)sizeof log, info, (void *)sizeof info};
  FAILS(p_cuModuleLoadDataEx(&module, ".version 8.5\n.target sm_80\n", 4, options, values),
        CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
  ck_assert_str_eq(log, "PTX 8.5 is newer than 8.4, the newest that CUDA 12.4 knows");
  ck_assert_uint_eq((uintptr_t)values[1], strlen(log));
  ck_assert_str_eq(info, "");
  values[1] = (void *)10;
  FAILS(p_cuModuleLoadDataEx(&module, ".version 8.0\n.target sm_90\n", 2, options, values),
        CUDA_ERROR_INVALID_PTX);
  ck_assert_str_eq(log, "PTX for s");  // as much as there is room for
  FAILS(p_cuModuleLoadData(&module, ".version 8.0\n.target sm_75a\n"),
        CUDA_ERROR_NO_BINARY_FOR_GPU);
  OK(p_cuModuleLoadData(&module, "// .version 1.0\n.version 8.4 /* .target sm_1 */\n.target sm_80\n"
                                 ".address_size 64\n"));
  CUfunction function;
  FAILS(p_cuModuleGetFunction(&function, module, "add"), CUDA_ERROR_NOT_FOUND);
  OK(p_cuModuleUnload(module));
  FAILS(p_cuModuleUnload(module), CUDA_ERROR_INVALID_HANDLE);
}
END_TEST

START_TEST(test_functions) {
  begin();
  CUmodule module;
  CUfunction function = load_add(&module), again;
  OK(p_cuModuleGetFunction(&again, module, "add"));
  ck_assert_ptr_eq(function, again);
  size_t offset, bytes;
  OK(p_cuFuncGetParamInfo(function, 3, &offset, &bytes));
  ck_assert_uint_eq(offset, 20);
  ck_assert_uint_eq(bytes, 4);
  FAILS(p_cuFuncGetParamInfo(function, 4, &offset, &bytes), CUDA_ERROR_INVALID_VALUE);
  int value, blocks;
  OK(p_cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, function));
  ck_assert_int_eq(value, 1024);
  OK(p_cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, 256, 0));
  ck_assert_int_eq(blocks, 8);
  OK(p_cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, 256, 60 << 10));
  ck_assert_int_eq(blocks, 0);  // not allowed yet
  FAILS(p_cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 164 << 10),
        CUDA_ERROR_INVALID_VALUE);
  OK(p_cuFuncSetAttribute(function, CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, 60 << 10));
  OK(p_cuOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, function, 256, 60 << 10));
  ck_assert_int_eq(blocks, 2);
  OK(p_cuModuleUnload(module));
  FAILS(p_cuFuncGetAttribute(&value, CU_FUNC_ATTRIBUTE_NUM_REGS, function),
        CUDA_ERROR_INVALID_HANDLE);
}
END_TEST

START_TEST(test_launch) {
  begin();
  CUmodule module;
  const CUfunction function = load_add(&module);
  const buffers b = make_buffers();
  OK(launch_add(function, NULL, b, 3));
  expect_out(b, 10);
  struct {
    CUdeviceptr in, out;
    unsigned add, n;
  } block = {b.in, b.out, 5, N};
  size_t size = sizeof block;
  void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &block, CU_LAUNCH_PARAM_BUFFER_SIZE, &size,
                   CU_LAUNCH_PARAM_END};
  OK(p_cuLaunchKernel(function, 4, 1, 1, 32, 1, 1, 0, NULL, NULL, extra));
  expect_out(b, 12);
  size = 20;
  FAILS(p_cuLaunchKernel(function, 4, 1, 1, 32, 1, 1, 0, NULL, NULL, extra),
        CUDA_ERROR_INVALID_VALUE);
  void *none[] = {NULL};
  FAILS(p_cuLaunchKernel(function, 1, 1, 1, 32, 1, 1, 0, NULL, none, NULL),
        CUDA_ERROR_INVALID_VALUE);
  FAILS(p_cuLaunchKernel(function, 0, 1, 1, 32, 1, 1, 0, NULL, NULL, extra),
        CUDA_ERROR_INVALID_VALUE);
  FAILS(p_cuLaunchKernel(function, 1, 1, 1, 1025, 1, 1, 0, NULL, NULL, extra),
        CUDA_ERROR_INVALID_VALUE);
  FAILS(p_cuLaunchKernel(function, 1, 1, 1, 32, 1, 1, 49 << 10, NULL, NULL, extra),
        CUDA_ERROR_INVALID_VALUE);
  FAILS(p_cuLaunchKernel((CUfunction)(void *)module, 1, 1, 1, 1, 1, 1, 0, NULL, NULL, extra),
        CUDA_ERROR_INVALID_HANDLE);
}
END_TEST

START_TEST(test_memory) {
  setenv("AICC_EMU_MEMORY", "1M", 1);
  begin();
  size_t before, after, total;
  OK(p_cuMemGetInfo_v2(&before, &total));
  ck_assert_uint_eq(total, 1 << 20);
  CUdeviceptr a, b, base;
  OK(p_cuMemAlloc_v2(&a, 1000));
  ck_assert_uint_eq(a % 256, 0);
  OK(p_cuMemGetInfo_v2(&after, &total));
  ck_assert_uint_ge(before - after, 1000);
  FAILS(p_cuMemAlloc_v2(&b, 2 << 20), CUDA_ERROR_OUT_OF_MEMORY);
  FAILS(p_cuMemAlloc_v2(&b, 0), CUDA_ERROR_INVALID_VALUE);
  OK(p_cuMemGetAddressRange_v2(&base, &total, a + 999));
  ck_assert_uint_eq(base, a);
  ck_assert_uint_eq(total, 1000);
  char bytes[1001] = {0};
  OK(p_cuMemcpyHtoD_v2(a, bytes, 1000));
  FAILS(p_cuMemcpyHtoD_v2(a, bytes, 1001), CUDA_ERROR_INVALID_VALUE);
  FAILS(p_cuMemcpyHtoD_v2(a + 1, bytes, 1000), CUDA_ERROR_INVALID_VALUE);
  FAILS(p_cuMemcpyHtoD_v2((CUdeviceptr)(uintptr_t)bytes, bytes, 10), CUDA_ERROR_INVALID_VALUE);
  FAILS(p_cuMemsetD32_v2(a + 2, 1, 10), CUDA_ERROR_INVALID_VALUE);
  OK(p_cuMemsetD8_v2(a, 0x5a, 1000));
  OK(p_cuMemAlloc_v2(&b, 500));
  OK(p_cuMemcpyDtoD_v2(b, a + 500, 500));
  OK(p_cuMemcpyDtoH_v2(bytes, b, 500));
  ck_assert_int_eq(bytes[0], 0x5a);
  ck_assert_int_eq(bytes[499], 0x5a);
  ck_assert_int_eq(bytes[500], 0);
  FAILS(p_cuMemFree_v2(a + 256), CUDA_ERROR_INVALID_VALUE);
  OK(p_cuMemFree_v2(a));
  FAILS(p_cuMemFree_v2(a), CUDA_ERROR_INVALID_VALUE);
  OK(p_cuMemFree_v2(0));
  OK(p_cuMemFree_v2(b));
  OK(p_cuMemGetInfo_v2(&after, &total));
  ck_assert_uint_eq(before, after);
}
END_TEST

START_TEST(test_pointers) {
  begin();
  CUdeviceptr a;
  void *host;
  OK(p_cuMemAlloc_v2(&a, 1000));
  OK(p_cuMemHostAlloc(&host, 1000, 0));
  unsigned type;
  CUcontext of;
  OK(p_cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, a + 5));
  ck_assert_uint_eq(type, CU_MEMORYTYPE_DEVICE);
  OK(p_cuPointerGetAttribute(&of, CU_POINTER_ATTRIBUTE_CONTEXT, a));
  ck_assert_ptr_eq(of, context);
  OK(p_cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
                             (CUdeviceptr)(uintptr_t)host));
  ck_assert_uint_eq(type, CU_MEMORYTYPE_HOST);
  FAILS(p_cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
                                (CUdeviceptr)(uintptr_t)&type),
        CUDA_ERROR_INVALID_VALUE);
  int ordinal = 5;
  CUpointer_attribute asked[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE,
                                 CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL};
  void *places[] = {&type, &ordinal};
  OK(p_cuPointerGetAttributes(2, asked, places, a));
  ck_assert_int_eq(ordinal, 0);
  OK(p_cuPointerGetAttributes(2, asked, places, (CUdeviceptr)(uintptr_t)&type));
  ck_assert_uint_eq(type, 0);
  OK(p_cuMemFreeHost(host));
  FAILS(p_cuMemFreeHost(host), CUDA_ERROR_INVALID_VALUE);
  char own[64];
  OK(p_cuMemHostRegister_v2(own, sizeof own, 0));
  FAILS(p_cuMemHostRegister_v2(own + 8, 8, 0), CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED);
  OK(p_cuMemHostUnregister(own));
  FAILS(p_cuMemHostUnregister(own), CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
}
END_TEST

#ifndef EMU_DRIVER_NULL
// What is asynchronous runs late, so that a missing wait shows.
START_TEST(test_order) {
  begin();
  CUstream stream;
  OK(p_cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  CUdeviceptr a;
  OK(p_cuMemAlloc_v2(&a, 4));
  unsigned *pinned, *back, pageable = 1;
  OK(p_cuMemHostAlloc((void **)&pinned, 4, 0));
  OK(p_cuMemHostAlloc((void **)&back, 4, 0));
  *back = 0;
  *pinned = 5;
  OK(p_cuMemcpyHtoDAsync_v2(a, pinned, 4, stream));
  OK(p_cuMemcpyDtoHAsync_v2(back, a, 4, stream));
  ck_assert_uint_eq(*back, 0);  // not yet
  *pinned = 6;                  // too early: the copy takes the new value
  FAILS(p_cuStreamQuery(stream), CUDA_ERROR_NOT_READY);
  OK(p_cuStreamSynchronize(stream));
  ck_assert_uint_eq(*back, 6);
  OK(p_cuStreamQuery(stream));
  OK(p_cuMemcpyHtoDAsync_v2(a, &pageable, 4, stream));  // read in the call
  pageable = 2;
  OK(p_cuMemcpyDtoHAsync_v2(&pageable, a, 4, stream));  // done in the call
  ck_assert_uint_eq(pageable, 1);
  OK(p_cuStreamDestroy_v2(stream));
  FAILS(p_cuStreamSynchronize(stream), CUDA_ERROR_INVALID_HANDLE);
}
END_TEST

START_TEST(test_streams_wait) {
  begin();
  CUmodule module;
  const CUfunction function = load_add(&module);
  buffers b = make_buffers(), back = {b.out, b.in};
  CUstream one, two;
  CUevent event;
  OK(p_cuStreamCreate(&one, CU_STREAM_NON_BLOCKING));
  OK(p_cuStreamCreate(&two, CU_STREAM_NON_BLOCKING));
  OK(p_cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
  OK(p_cuCtxSynchronize());
  OK(launch_add(function, one, b, 1));  // out = 8
  OK(p_cuEventRecord(event, one));
  FAILS(p_cuEventQuery(event), CUDA_ERROR_NOT_READY);
  OK(p_cuStreamWaitEvent(two, event, 0));
  OK(launch_add(function, two, back, 1));  // in = 9
  OK(p_cuStreamSynchronize(two));
  OK(p_cuEventQuery(event));
  unsigned value;
  OK(p_cuMemcpyDtoH_v2(&value, b.in, 4));
  ck_assert_uint_eq(value, 9);
  // The legacy stream waits for blocking streams, and they for it.
  CUstream blocking;
  OK(p_cuStreamCreate(&blocking, CU_STREAM_DEFAULT));
  OK(launch_add(function, blocking, b, 1));  // out = 10
  OK(launch_add(function, NULL, back, 1));   // in = 11
  OK(launch_add(function, blocking, b, 1));  // out = 12
  OK(p_cuStreamSynchronize(blocking));
  expect_out(b, 12);
}
END_TEST

START_TEST(test_unwritten_download) {
  begin();
  CUdeviceptr a;
  unsigned value;
  OK(p_cuMemAlloc_v2(&a, 8));
  OK(p_cuMemsetD8_v2(a, 1, 6));
  FAILS(p_cuMemcpyDtoH_v2(&value, a + 4, 4), CUDA_ERROR_ILLEGAL_ADDRESS);
}
END_TEST

// A fault is reported once and the context is lost; a new one works.
START_TEST(test_fault) {
  char path[] = "/tmp/aicc-emu-report-XXXXXX";
  const int file = mkstemp(path);
  ck_assert_int_ge(file, 0);
  setenv("AICC_EMU_REPORT", path, 1);
  begin();
  CUmodule module;
  const CUfunction function = load_add(&module);
  buffers b = make_buffers();
  b.in += 4;  // the last thread reads beyond the end
  OK(launch_add(function, NULL, b, 1));
  FAILS(p_cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
  CUdeviceptr a;
  FAILS(p_cuMemAlloc_v2(&a, 4), CUDA_ERROR_ILLEGAL_ADDRESS);
  FAILS(launch_add(function, NULL, b, 1), CUDA_ERROR_ILLEGAL_ADDRESS);
  char text[4096] = "";
  ck_assert_int_gt(read(file, text, sizeof text - 1), 0);
  ck_assert_msg(strstr(text, "add") != NULL && strstr(text, "ld.global.u32") != NULL, "%s", text);
  unlink(path);
  OK(p_cuDevicePrimaryCtxReset_v2(0));
  OK(p_cuDevicePrimaryCtxRetain(&context, 0));
  OK(p_cuCtxSetCurrent(context));
  b = make_buffers();
  OK(launch_add(load_add(&module), NULL, b, 1));
  expect_out(b, 8);
}
END_TEST

// Memory that was freed, or is another context's, is no memory of a kernel's.
START_TEST(test_stale_memory) {
  begin();
  CUmodule module;
  const CUfunction function = load_add(&module);
  const buffers b = make_buffers();
  OK(p_cuMemFree_v2(b.out));
  OK(launch_add(function, NULL, b, 1));
  FAILS(p_cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
  CUcontext other;
  OK(p_cuCtxCreate_v2(&other, 0, 0));
  const buffers fresh = make_buffers();
  CUcontext owner;
  ck_assert_uint_ne(fresh.in, b.in);
  OK(p_cuPointerGetAttribute(&owner, CU_POINTER_ATTRIBUTE_CONTEXT, b.in));
  ck_assert_ptr_eq(owner, context);
  const buffers mixed = {b.in, fresh.out};
  OK(launch_add(load_add(&module), NULL, mixed, 1));
  FAILS(p_cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
}
END_TEST

static void set_flag(void *data) { *(int *)data += 1; }

START_TEST(test_host_functions) {
  begin();
  CUstream stream;
  OK(p_cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  int flag = 0;
  OK(p_cuLaunchHostFunc(stream, set_flag, &flag));
  ck_assert_int_eq(flag, 0);
  OK(p_cuStreamSynchronize(stream));
  ck_assert_int_eq(flag, 1);
  FAILS(p_cuLaunchHostFunc(stream, NULL, NULL), CUDA_ERROR_INVALID_VALUE);
}
END_TEST

START_TEST(test_async_memory) {
  begin();
  CUmodule module;
  const CUfunction function = load_add(&module);
  buffers b = make_buffers();
  CUstream stream;
  OK(p_cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  OK(p_cuCtxSynchronize());
  OK(p_cuMemFree_v2(b.out));
  OK(p_cuMemAllocAsync(&b.out, N * 4, stream));
  OK(launch_add(function, stream, b, 2));
  OK(p_cuMemFreeAsync(b.out, stream));
  FAILS(p_cuMemFreeAsync(b.out, stream), CUDA_ERROR_INVALID_VALUE);  // twice
  OK(p_cuStreamSynchronize(stream));
  unsigned value;
  FAILS(p_cuMemcpyDtoH_v2(&value, b.out, 4), CUDA_ERROR_INVALID_VALUE);
}
END_TEST

START_TEST(test_globals) {
  begin();
  CUmodule module;
  load_add(&module);
  CUdeviceptr address;
  size_t bytes;
  unsigned values[4];
  OK(p_cuModuleGetGlobal_v2(&address, &bytes, module, "table"));
  ck_assert_uint_eq(bytes, 16);
  OK(p_cuMemcpyDtoH_v2(values, address, 16));
  ck_assert_uint_eq(values[2], 3);
  FAILS(p_cuModuleGetGlobal_v2(&address, &bytes, module, "chair"), CUDA_ERROR_NOT_FOUND);
}
END_TEST
#endif

START_TEST(test_events) {
  begin();
  CUevent start, end, untimed;
  OK(p_cuEventCreate(&start, 0));
  OK(p_cuEventCreate(&end, 0));
  OK(p_cuEventCreate(&untimed, CU_EVENT_DISABLE_TIMING));
  float time;
  FAILS(p_cuEventElapsedTime(&time, start, end), CUDA_ERROR_INVALID_HANDLE);
  OK(p_cuEventRecord(start, NULL));
  OK(p_cuEventRecord(end, NULL));
  OK(p_cuEventRecord(untimed, NULL));
  OK(p_cuEventSynchronize(end));
  OK(p_cuEventElapsedTime(&time, start, end));
  ck_assert(time >= 0 && time < 1000);
  OK(p_cuEventSynchronize(untimed));
  FAILS(p_cuEventElapsedTime(&time, start, untimed), CUDA_ERROR_INVALID_HANDLE);
  OK(p_cuEventDestroy_v2(start));
  FAILS(p_cuEventRecord(start, NULL), CUDA_ERROR_INVALID_HANDLE);
}
END_TEST

START_TEST(test_graph) {
  begin();
  CUmodule module;
  const CUfunction function = load_add(&module);
  const buffers b = make_buffers(), back = {b.out, b.in};
  CUstream stream;
  CUgraph graph, other;
  CUgraphExec exec;
  OK(p_cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  OK(p_cuCtxSynchronize());
  OK(p_cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  CUstreamCaptureStatus status;
  OK(p_cuStreamIsCapturing(stream, &status));
  ck_assert_int_eq(status, CU_STREAM_CAPTURE_STATUS_ACTIVE);
  OK(launch_add(function, stream, b, 1));
  OK(launch_add(function, stream, back, 1));  // in += 2, out = in - 1
  OK(p_cuStreamEndCapture(stream, &graph));
  size_t count;
  OK(p_cuGraphGetNodes(graph, NULL, &count));
  ck_assert_uint_eq(count, 2);
  OK(p_cuGraphInstantiateWithFlags(&exec, graph, 0));
  OK(p_cuGraphDestroy(graph));
  for (int i = 0; i < 3; ++i) {
    OK(p_cuGraphLaunch(exec, stream));
  }
  OK(p_cuStreamSynchronize(stream));
  expect_out(b, 12);
  OK(p_cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  OK(launch_add(function, stream, b, 10));
  OK(launch_add(function, stream, back, 10));
  OK(p_cuStreamEndCapture(stream, &other));
  CUgraphExecUpdateResultInfo info;
  OK(p_cuGraphExecUpdate_v2(exec, other, &info));
  OK(p_cuGraphLaunch(exec, stream));
  OK(p_cuStreamSynchronize(stream));
  expect_out(b, 23);
  OK(p_cuGraphExecDestroy(exec));
  FAILS(p_cuGraphLaunch(exec, stream), CUDA_ERROR_INVALID_VALUE);
  FAILS(p_cuGraphDestroy(graph), CUDA_ERROR_INVALID_VALUE);
}
END_TEST

START_TEST(test_broken_captures) {
  begin();
  CUstream stream, side;
  CUevent fork, join;
  CUgraph graph;
  CUdeviceptr a;
  OK(p_cuMemAlloc_v2(&a, 16));
  OK(p_cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  OK(p_cuStreamCreate(&side, CU_STREAM_NON_BLOCKING));
  OK(p_cuEventCreate(&fork, CU_EVENT_DISABLE_TIMING));
  OK(p_cuEventCreate(&join, CU_EVENT_DISABLE_TIMING));
  FAILS(p_cuStreamBeginCapture_v2(NULL, CU_STREAM_CAPTURE_MODE_GLOBAL),
        CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  OK(p_cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  FAILS(p_cuStreamSynchronize(stream), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  FAILS(p_cuMemsetD8Async(a, 0, 16, stream), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  FAILS(p_cuStreamEndCapture(stream, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  OK(p_cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
  FAILS(p_cuMemAlloc_v2(&a, 16), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
  FAILS(p_cuStreamEndCapture(stream, &graph), CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
  for (int joined = 0; joined < 2; ++joined) {
    OK(p_cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
    OK(p_cuEventRecord(fork, stream));
    OK(p_cuStreamWaitEvent(side, fork, 0));
    OK(p_cuMemsetD8Async(a, 0, 16, side));
    OK(p_cuEventRecord(join, side));
    if (joined == 1) {
      OK(p_cuStreamWaitEvent(stream, join, 0));
    }
    FAILS(p_cuEventSynchronize(join), CUDA_ERROR_CAPTURED_EVENT);
    FAILS(p_cuStreamEndCapture(stream, &graph),
          joined == 1 ? CUDA_SUCCESS : CUDA_ERROR_STREAM_CAPTURE_UNJOINED);
  }
  FAILS(p_cuStreamEndCapture(stream, &graph), CUDA_ERROR_ILLEGAL_STATE);
}
END_TEST

static void *thread_main(void *data) {
  OK(p_cuCtxPushCurrent_v2(context));
  CUstream stream;
  OK(p_cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
  const buffers b = make_buffers();
  OK(p_cuCtxSynchronize());
  for (int i = 0; i < 20; ++i) {
    OK(launch_add(data, stream, b, 3));
  }
  OK(p_cuStreamSynchronize(stream));
  expect_out(b, 10);
  return NULL;
}

START_TEST(test_threads) {
  begin();
  CUmodule module;
  const CUfunction function = load_add(&module);
  pthread_t threads[4];
  for (int i = 0; i < 4; ++i) {
    ck_assert_int_eq(pthread_create(&threads[i], NULL, thread_main, function), 0);
  }
  for (int i = 0; i < 4; ++i) {
    pthread_join(threads[i], NULL);
  }
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("driver");
  TCase *tests = tcase_create("driver");
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, test_before_init);
  tcase_add_test(tests, test_devices);
  tcase_add_test(tests, test_no_device);
  tcase_add_test(tests, test_bad_setting);
  tcase_add_test(tests, test_errors_have_texts);
  tcase_add_test(tests, test_proc_address);
  tcase_add_test(tests, test_contexts);
  tcase_add_test(tests, test_images);
  tcase_add_test(tests, test_functions);
  tcase_add_test(tests, test_launch);
  tcase_add_test(tests, test_memory);
  tcase_add_test(tests, test_pointers);
#ifndef EMU_DRIVER_NULL
  tcase_add_test(tests, test_order);
  tcase_add_test(tests, test_streams_wait);
  tcase_add_test(tests, test_unwritten_download);
  tcase_add_test(tests, test_fault);
  tcase_add_test(tests, test_stale_memory);
  tcase_add_test(tests, test_host_functions);
  tcase_add_test(tests, test_async_memory);
  tcase_add_test(tests, test_globals);
#endif
  tcase_add_test(tests, test_events);
  tcase_add_test(tests, test_graph);
  tcase_add_test(tests, test_broken_captures);
  tcase_add_test(tests, test_threads);
  suite_add_tcase(suite, tests);
  return suite;
}

AICC_TEST_MAIN(make_suite)
