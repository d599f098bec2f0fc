#include "cuda_api.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

// CUDA 11.4: the first with all that cuda_api.def names, and PTX for every target of aicc up to
// then.
#define OLDEST_DRIVER "470"

typedef struct driver {
  aicc_rt_cuda cuda;
  aicc_rt_error error;  // why there is none
} driver;

static driver the_driver;
static pthread_once_t once = PTHREAD_ONCE_INIT;

typedef struct symbol_row {
  const char *name;
  size_t offset;
} symbol_row;

static const symbol_row symbols[] = {
#define AICC_RT_CUDA(member, name, params) {#name, offsetof(aicc_rt_cuda, member)},
#include "cuda_api.def"
#undef AICC_RT_CUDA
};

static bool find_symbols(void *library) {
  for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
    void *symbol = dlsym(library, symbols[i].name);
    if (symbol == NULL) {
      aicc_rt_fail(&the_driver.error, AICC_RT_UNAVAILABLE,
                   "the NVIDIA driver is too old: its libcuda.so.1 has no %s; install driver %s or "
                   "newer", symbols[i].name, OLDEST_DRIVER);
      return false;
    }
    memcpy((char *)&the_driver.cuda + symbols[i].offset, &symbol, sizeof symbol);
  }
  return true;
}

// The library stays loaded: the driver has threads of its own.
static void load(void) {
  void *library = dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    const char *why = dlerror();
    aicc_rt_fail(&the_driver.error, AICC_RT_UNAVAILABLE,
                 "CUDA devices need NVIDIA's driver, and there is none here: %s",
                 why != NULL ? why : "libcuda.so.1 cannot be loaded");
    return;
  }
  if (!find_symbols(library)) {
    return;
  }
  const cu_result result = the_driver.cuda.init(0);
  if (result != CU_OK) {
    aicc_rt_cuda_fail(&the_driver.cuda, result, "cuda", "starting NVIDIA's driver",
                      &the_driver.error);
  }
}

const aicc_rt_cuda *aicc_rt_cuda_load(aicc_rt_error *error) {
  pthread_once(&once, load);
  if (the_driver.error.code != AICC_RT_OK) {
    aicc_rt_fail(error, the_driver.error.code, "%s", the_driver.error.text);
    return NULL;
  }
  return &the_driver.cuda;
}

// ---- errors ------------------------------------------------------------------------------------

typedef struct error_row {
  cu_result code;
  aicc_rt_status status;
  bool fault;
  const char *text;
} error_row;

static const error_row *find_error(cu_result result) {
  static const error_row rows[] = {
#define AICC_RT_CUDA_ERROR(code, status, fault, text) {code, status, fault, text},
#include "cuda_errors.def"
#undef AICC_RT_CUDA_ERROR
  };
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (rows[i].code == result) {
      return &rows[i];
    }
  }
  return NULL;
}

bool aicc_rt_cuda_is_fault(cu_result result) {
  const error_row *row = find_error(result);
  return row != NULL && row->fault;
}

aicc_rt_status aicc_rt_cuda_fail(const aicc_rt_cuda *cuda, cu_result result, const char *device,
                                 const char *doing, aicc_rt_error *error) {
  const error_row *row = find_error(result);
  const char *name = NULL, *text = NULL;
  if (cuda->error_name(result, &name) != CU_OK || name == NULL) {
    name = "an unknown error";
  }
  if (row == NULL && (cuda->error_text(result, &text) != CU_OK || text == NULL)) {
    text = "the driver says no more";
  }
  return aicc_rt_fail(error, row != NULL ? row->status : AICC_RT_FAILED, "%s: %s: %s (%s, %d)",
                      device, doing, row != NULL ? row->text : text, name, result);
}
