// The state of the driver: options, handles, calls, and what is said at exit.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cuda_driver.h"

cu_state cu = {.lock = PTHREAD_MUTEX_INITIALIZER};

// ---- options -----------------------------------------------------------------------------------

static bool read_number(const char *name, uint64_t low, uint64_t high, uint64_t *value) {
  const char *text = getenv(name);
  if (text == NULL || text[0] == 0) {
    return true;
  }
  char *end;
  errno = 0;
  unsigned long long number = strtoull(text, &end, 0);
  const unsigned shift = *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
  end += shift != 0;
  if (errno != 0 || end == text || *end != 0 || text[0] == '-' || number > (high >> shift) ||
      (number <<= shift) < low) {
    fprintf(stderr, "emulator: %s=%s is not a number from %llu to %llu\n", name, text,
            (unsigned long long)low, (unsigned long long)high);
    return false;
  }
  *value = number;
  return true;
}

static bool read_int(const char *name, int low, int high, int *value) {
  uint64_t number = (uint64_t)*value;
  const bool ok = read_number(name, (uint64_t)low, (uint64_t)high, &number);
  *value = (int)number;
  return ok;
}

static bool read_flag(const char *name, bool *value) {
  int number = *value;
  const bool ok = read_int(name, 0, 1, &number);
  *value = number != 0;
  return ok;
}

bool cu_settings_read(cu_settings *settings) {
  *settings = (cu_settings){.emu = {.sm = 80, .memory_bytes = UINT64_C(4) << 30},
                            .devices = 1,
                            .multiprocessors = 4,
                            .driver_version = 13000};
#ifdef AICC_EMU_NULL
  settings->eager = true;  // nothing to do later: a queue would only cost time
#endif
  emu_options *emu = &settings->emu;
  bool ok = true;  // all that is wrong is said, not the first alone
  ok = read_int("AICC_EMU_SM", 75, 129, &emu->sm) && ok;
  ok = read_number("AICC_EMU_SEED", 0, UINT64_MAX, &emu->seed) && ok;
  ok = read_int("AICC_EMU_THREADS", 0, 1024, &emu->threads) && ok;
  ok = read_int("AICC_EMU_ULP", 0, 1024, &emu->ulp_noise) && ok;
  ok = read_flag("AICC_EMU_NO_RACES", &emu->no_races) && ok;
  ok = read_number("AICC_EMU_LIMIT", 0, UINT64_MAX, &emu->instruction_limit) && ok;
  ok = read_number("AICC_EMU_MEMORY", 1, UINT64_C(1) << 40, &emu->memory_bytes) && ok;
  ok = read_int("AICC_EMU_DEVICES", 0, CU_MAX_DEVICES, &settings->devices) && ok;
  ok = read_int("AICC_EMU_MULTIPROCESSORS", 1, 1024, &settings->multiprocessors) && ok;
  ok = read_int("AICC_EMU_DRIVER", 11000, 13999, &settings->driver_version) && ok;
  ok = read_flag("AICC_EMU_EAGER", &settings->eager) && ok;
  ok = read_flag("AICC_EMU_STATS", &settings->stats) && ok;
  ok = read_flag("AICC_EMU_LEAKS", &settings->leaks) && ok;
  settings->report = getenv("AICC_EMU_REPORT");
  if (ok && cu_device_facts_of(emu->sm) == NULL) {
    fprintf(stderr, "emulator: AICC_EMU_SM=%d is no compute capability it knows\n", emu->sm);
    return false;
  }
  return ok;
}

// ---- handles -----------------------------------------------------------------------------------

#define SLOT_COUNT (UINT32_C(1) << 22)  // address space; what is not used costs nothing

typedef union cu_slot {
  cu_object object;
  cu_context context;
  cu_module module;
  cu_function function;
  cu_stream stream;
  cu_event event;
  cu_graph graph;
  unsigned char bytes[CU_SLOT_BYTES];
} cu_slot;
_Static_assert(sizeof(cu_slot) == CU_SLOT_BYTES, "an object outgrew its slot");

static cu_slot *slots;
static uint32_t slot_count;

void *cu_object_new(cu_kind kind, cu_context *context) {
  if (slots == NULL) {
    void *memory = mmap(NULL, sizeof(cu_slot) * SLOT_COUNT, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
      return NULL;
    }
    slots = memory;
  }
  if (slot_count == SLOT_COUNT) {
    return NULL;
  }
  cu_slot *slot = &slots[slot_count++];
  slot->object = (cu_object){kind, context};
  return slot;
}

void *cu_object_get(const void *handle, cu_kind kind) {
  const uintptr_t offset = (uintptr_t)handle - (uintptr_t)slots;
  if (slots == NULL || offset >= sizeof(cu_slot) * slot_count || offset % CU_SLOT_BYTES != 0) {
    return NULL;
  }
  cu_slot *slot = &slots[offset / CU_SLOT_BYTES];
  return slot->object.kind == kind ? slot : NULL;
}

void *cu_object_own(const cu_call *call, const void *handle, cu_kind kind) {
  static const struct {
    const char *name, *gone;
  } words[] = {[CU_KIND_MODULE] = {"module", "an unloaded one"},
               [CU_KIND_FUNCTION] = {"function", "one whose module is unloaded"},
               [CU_KIND_STREAM] = {"stream", "a destroyed one"},
               [CU_KIND_EVENT] = {"event", "a destroyed one"}};
  cu_object *object = cu_object_get(handle, kind);
  if (object == NULL) {
    cu_misuse(call, CUDA_ERROR_INVALID_HANDLE, "this is no %s, or %s", words[kind].name,
              words[kind].gone);
  } else if (object->context != call->context) {
    cu_misuse(call, CUDA_ERROR_INVALID_HANDLE, "the %s is of another context", words[kind].name);
    object = NULL;
  }
  return object;
}

void cu_object_delete(void *object) { ((cu_object *)object)->kind = CU_KIND_NONE; }

void *cu_object_next(const void *object, cu_kind kind, const cu_context *context) {
  uint32_t i = object == NULL ? 0 : (uint32_t)((const cu_slot *)object - slots) + 1;
  for (; i < slot_count; ++i) {
    if (slots[i].object.kind == kind && (context == NULL || slots[i].object.context == context)) {
      return &slots[i];
    }
  }
  return NULL;
}

// ---- calls -------------------------------------------------------------------------------------

CUresult cu_misuse(const cu_call *call, CUresult result, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  fprintf(stderr, "emulator: %s: %s\n", call->name, text);
  return result;
}

void cu_report(const char *text) {
  const size_t length = strlen(text);
  const char *end = length > 0 && text[length - 1] == '\n' ? "" : "\n";
  fprintf(stderr, "%s%s", text, end);
  if (cu.settings.report != NULL) {
    FILE *file = fopen(cu.settings.report, "a");
    if (file == NULL) {
      fprintf(stderr, "emulator: cannot append to AICC_EMU_REPORT=%s: %s\n", cu.settings.report,
              strerror(errno));
      return;
    }
    fprintf(file, "%s%s", text, end);
    fclose(file);
  }
}

static CUresult check_call(cu_call *call, int needs) {
  if (!cu.initialized) {
    return cu_misuse(call, CUDA_ERROR_NOT_INITIALIZED, "called before cuInit");
  }
  if ((needs & CU_NEEDS_CONTEXT) == 0) {
    return CUDA_SUCCESS;
  }
  call->context = cu_context_current();
  if (call->context == NULL) {
    return cu_misuse(call, CUDA_ERROR_INVALID_CONTEXT, "no context is current in this thread");
  }
  if (call->context->object.kind != CU_KIND_CONTEXT) {
    return cu_misuse(call, CUDA_ERROR_CONTEXT_IS_DESTROYED, "the current context is destroyed");
  }
  if (call->context->lost != CUDA_SUCCESS) {
    return call->context->lost;
  }
  return (needs & CU_NEEDS_NO_CAPTURE) != 0 && cu.captures > 0 ? cu_capture_forbids(call)
                                                               : CUDA_SUCCESS;
}

CUresult cu_begin(cu_call *call, const char *name, int needs) {
  *call = (cu_call){.name = name};
  pthread_mutex_lock(&cu.lock);
  if (needs == CU_NEEDS_NOTHING) {
    return CUDA_SUCCESS;
  }
  const CUresult result = check_call(call, needs);
  if (result != CUDA_SUCCESS) {
    pthread_mutex_unlock(&cu.lock);
  }
  return result;
}

void cu_end(void) { pthread_mutex_unlock(&cu.lock); }

// ---- at exit -----------------------------------------------------------------------------------

static void print_leaks(void) {
  static const char *const names[] = {
      [CU_KIND_MODULE] = "module", [CU_KIND_STREAM] = "stream", [CU_KIND_EVENT] = "event",
      [CU_KIND_GRAPH] = "graph",   [CU_KIND_EXEC] = "executable graph",
  };
  uint64_t leaks = 0;
  for (cu_context *context = NULL;
       (context = cu_object_next(context, CU_KIND_CONTEXT, NULL)) != NULL;) {
    ++leaks;
    fprintf(stderr, "emulator: leak: a context of device %d\n", context->device->ordinal);
    for (uint32_t i = 0; i < context->allocation_count; ++i, ++leaks) {
      uint64_t base, bytes;
      emu_find(context->emu, context->allocations[i], &base, &bytes);
      fprintf(stderr, "emulator: leak: %llu bytes of device memory at 0x%llx\n",
              (unsigned long long)bytes, (unsigned long long)base);
    }
  }
  for (unsigned kind = CU_KIND_MODULE; kind <= CU_KIND_EXEC; ++kind) {
    uint64_t count = 0;
    for (cu_object *object = NULL;
         names[kind] != NULL && (object = cu_object_next(object, (cu_kind)kind, NULL)) != NULL;) {
      const bool own = kind != CU_KIND_STREAM || object->context->legacy != (cu_stream *)object;
      count += own;
    }
    if (count > 0) {
      leaks += count;
      fprintf(stderr, "emulator: leak: %llu of kind %s\n", (unsigned long long)count, names[kind]);
    }
  }
  leaks += cu_host_leaks();
  fprintf(stderr, "emulator: %llu leaks\n", (unsigned long long)leaks);
}

__attribute__((destructor)) static void at_exit(void) {
  if (!cu.initialized) {
    return;
  }
  if (cu.settings.leaks) {
    print_leaks();
  }
  if (cu.settings.stats) {
    emu_counters sum = cu.counters;
    for (cu_context *context = NULL;
         (context = cu_object_next(context, CU_KIND_CONTEXT, NULL)) != NULL;) {
      const emu_counters counters = emu_device_counters(context->emu);
      sum.launches += counters.launches;
      sum.instructions += counters.instructions;
      sum.lane_instructions += counters.lane_instructions;
    }
    fprintf(stderr,
            "emulator: %llu launches, %llu instructions of warps, %llu of lanes\n",
            (unsigned long long)sum.launches, (unsigned long long)sum.instructions,
            (unsigned long long)sum.lane_instructions);
    fprintf(stderr, "emulator: copied %llu bytes to the device, %llu from it, %llu within it\n",
            (unsigned long long)cu.copied[CU_COPY_UP], (unsigned long long)cu.copied[CU_COPY_DOWN],
            (unsigned long long)cu.copied[CU_COPY_DEVICE]);
  }
}
