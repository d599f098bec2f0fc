// A program that leaks and asks: what AICC_EMU_LEAKS and AICC_EMU_STATS say is tested with it, and
// that LD_LIBRARY_PATH finds the driver. leaky faults: its kernel reads beyond the end of its
// buffer.
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

#include "emu/cuda_api.h"

static const char text[] =
    ".version 8.0\n.target sm_75\n.address_size 64\n"
    "// aicc: peek from \"/layer.3/Conv\" Conv\n"
    ".visible .entry peek(.param .u64 p, .param .u32 offset)\n{\n"
    "  .reg .b64 %a, %o;\n  .reg .b32 %x;\n"
    "  ld.param.u64 %a, [p];\n  ld.param.u32 %x, [offset];\n  cvt.u64.u32 %o, %x;\n"
    "  add.u64 %a, %a, %o;\n  ld.global.u32 %x, [%a];\n  ret;\n}\n";

static void *library;

static void find(const char *name, void *function, size_t size) {
  void *address = dlsym(library, name);
  memcpy(function, &address, size);
}

#define FIND(name) find(#name, &p_##name, sizeof p_##name)

int main(int argc, char **argv) {
  library = dlopen("libcuda.so.1", RTLD_NOW);
  if (library == NULL) {
    fprintf(stderr, "%s\n", dlerror());
    return 2;
  }
  (void)argv;
#define CUDA_FUNCTION(base, symbol, since, parameters) CUresult(*p_##symbol) parameters;
#include "emu/cuda_functions.def"
#undef CUDA_FUNCTION
#define CUDA_FUNCTION(base, symbol, since, parameters) FIND(symbol);
#include "emu/cuda_functions.def"
#undef CUDA_FUNCTION
  CUcontext context;
  CUmodule module;
  CUfunction function;
  CUdeviceptr memory;
  CUresult result = p_cuInit(0);
  if (result == CUDA_SUCCESS &&
      (result = p_cuDevicePrimaryCtxRetain(&context, 0)) == CUDA_SUCCESS &&
      (result = p_cuCtxPushCurrent_v2(context)) == CUDA_SUCCESS &&
      (result = p_cuModuleLoadData(&module, text)) == CUDA_SUCCESS &&
      (result = p_cuModuleGetFunction(&function, module, "peek")) == CUDA_SUCCESS &&
      (result = p_cuMemAlloc_v2(&memory, 1000)) == CUDA_SUCCESS &&
      (result = p_cuMemsetD8_v2(memory, 0, 1000)) == CUDA_SUCCESS) {
    unsigned offset = argc > 1 ? 1000 : 996;
    void *parameters[] = {&memory, &offset};
    result = p_cuLaunchKernel(function, 2, 1, 1, 32, 1, 1, 0, NULL, parameters, NULL);
    result = result == CUDA_SUCCESS ? p_cuCtxSynchronize() : result;
    unsigned char bytes[100];
    result = result == CUDA_SUCCESS ? p_cuMemcpyDtoH_v2(bytes, memory, sizeof bytes) : result;
  }
  const char *name = NULL;
  p_cuGetErrorName(result, &name);
  printf("%s\n", name == NULL ? "no name" : name);
  return 0;
}
