// How fast the emulator is, with every check on: kernels that a CUDA C compiler made, each on one
// host thread. Prints millions of lane-instructions per second of CPU time, and of multiply-adds
// where a kernel is made of these: the best of five rounds. What kernels compute is checked by
// emu/kernels.
//
// usage: emu_bench KERNELS.ptx [SECONDS [PART OF A LABEL]]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "emu.h"

typedef struct kernel {
  const char *label, *name;
  uint32_t grid[2], block[2], shared;
  const char *params;   // f: floats, h: halves, c: bytes, o: unwritten, z: zeros; i: a number
  int64_t values[6];    // bytes of a buffer, or the number
  double macs;          // multiply-adds of a launch
} kernel;

enum { MOST_TEXT = 1 << 20 };
#define KIB(n) ((n) * (int64_t)1024)
static const kernel kernels[] = {
    {"vector add", "vector_add", {1024, 1}, {256, 1}, 0, "ffoi",
     {KIB(1024), KIB(1024), KIB(1024), KIB(256)}, 0},
    {"reduction", "reduce_sum", {16, 1}, {256, 1}, 0, "foi", {KIB(4096), 64, KIB(1024)}, 0},
    {"softmax of rows", "softmax_rows", {256, 1}, {128, 1}, 0, "foi",
     {KIB(1024), KIB(1024), KIB(1)}, 0},
    {"transpose", "transpose", {16, 16}, {32, 8}, 0, "foii", {KIB(1024), KIB(1024), 512, 512}, 0},
    {"f32 gemm, shared memory", "gemm_tiles", {8, 8}, {16, 16}, 0, "ffoiii",
     {KIB(64), KIB(64), KIB(64), 128, 128, 128}, 128.0 * 128 * 128},
    {"f16 gemm, mma.sync", "gemm_mma", {16, 8}, {32, 1}, 0, "hhoii",
     {KIB(128), KIB(128), KIB(64), 128, 512}, 128.0 * 128 * 512},
    {"histogram, atomics", "histogram", {16, 1}, {256, 1}, 0, "czi",
     {KIB(256), KIB(1), KIB(256)}, 0},
    {"divergent branches", "mixed_control", {64, 1}, {128, 1}, 0, "noi",
     {KIB(32), KIB(32), KIB(8)}, 0},
    {"launches of one block", "vector_add", {1, 1}, {128, 1}, 0, "ffoi", {512, 512, 512, 128}, 0},
    {"launches of 8 blocks", "vector_add", {8, 1}, {256, 1}, 0, "ffoi",
     {KIB(8), KIB(8), KIB(8), KIB(2)}, 0},
};
#define KERNELS (sizeof kernels / sizeof kernels[0])

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void fail(const char *what, const char *why) {
  fprintf(stderr, "emu_bench: %s: %s\n", what, why);
  exit(1);
}

static char *text_of(const char *path) {
  FILE *file = fopen(path, "rb");
  char *text = calloc(1, MOST_TEXT);
  if (!file || !text || !fread(text, 1, MOST_TEXT - 1, file)) {
    fail(path, "cannot be read");
  }
  fclose(file);
  return text;
}

// Values of every kind are small and not all alike.
static uint64_t buffer(emu_device *device, char kind, uint64_t bytes) {
  uint64_t address = emu_alloc(device, bytes);
  uint8_t *data = calloc(1, bytes);
  if (!address || !data) {
    fail("buffer", "no memory");
  }
  for (uint64_t i = 0; i < bytes; i++) {
    float value = (float)(i % 7);
    switch (kind) {
      case 'f': memcpy(data + i / 4 * 4, &value, 4); break;
      case 'n': data[i] = i % 4 ? 0 : (uint8_t)(i / 4 % 100 + 1); break;
      case 'h': data[i] = i & 1 ? 0x3c : 0; break;
      case 'c': data[i] = (uint8_t)(i * i); break;
      default: break;
    }
  }
  if (kind != 'o' && !emu_write(device, address, data, bytes)) {
    fail("buffer", "not written");
  }
  free(data);
  return address;
}

static uint32_t fill(emu_device *device, const kernel *k, uint8_t *params) {
  uint32_t at = 0;
  for (int i = 0; k->params[i]; i++) {
    bool number = k->params[i] == 'i';
    uint64_t value = number ? (uint64_t)k->values[i]
                            : buffer(device, k->params[i], (uint64_t)k->values[i]);
    uint32_t bytes = number ? 4 : 8;
    at = (at + bytes - 1) / bytes * bytes;
    memcpy(params + at, &value, bytes);
    at += bytes;
  }
  return at;
}

static void measure(const char *text, const kernel *k, double seconds) {
  emu_options options = {.sm = 80, .threads = 1};
  emu_report report = {0};
  emu_device *device = emu_device_create(&options);
  emu_module *module = device ? emu_module_load(device, text, strlen(text), &report) : NULL;
  emu_function *function = module ? emu_module_function(module, k->name) : NULL;
  if (!function) {
    fail(k->name, report.text);
  }
  uint8_t params[64];
  uint32_t bytes = fill(device, k, params);
  uint32_t grid[3] = {k->grid[0], k->grid[1], 1}, block[3] = {k->block[0], k->block[1], 1};
  double best = 0, macs = 0, launches = 0;
  for (int round = 0; round < 5; round++) {
    emu_counters before = emu_device_counters(device);
    double begin = now(), took;
    do {
      if (emu_launch(device, function, grid, block, k->shared, params, bytes, &report)) {
        fail(k->name, report.text);
      }
      took = now() - begin;
    } while (took < seconds);
    emu_counters after = emu_device_counters(device);
    double rate = (double)(after.lane_instructions - before.lane_instructions) / took;
    if (rate > best) {
      best = rate;
      launches = (double)(after.launches - before.launches) / took;
      macs = launches * k->macs;
    }
  }
  char multiplied[24] = "";
  if (macs > 0) {
    snprintf(multiplied, sizeof multiplied, "%.0f", macs * 1e-6);
  }
  printf("%-26s %10.0f %10s %12.0f\n", k->label, best * 1e-6, multiplied, launches);
  fflush(stdout);
  emu_module_unload(module);
  emu_device_destroy(device);
}

int main(int argc, char **argv) {
  double seconds = argc > 2 ? strtod(argv[2], NULL) : 0.2;
  if (argc < 2 || argc > 4 || !(seconds > 0)) {
    fprintf(stderr, "usage: emu_bench KERNELS.ptx [SECONDS [PART OF A LABEL]]\n");
    return 2;
  }
  char *text = text_of(argv[1]);
  printf("%-26s %10s %10s %12s\n", "kernel", "M lane/s", "M MAC/s", "launches/s");
  for (size_t i = 0; i < KERNELS; i++) {
    if (argc < 4 || strstr(kernels[i].label, argv[3])) {
      measure(text, &kernels[i], seconds);
    }
  }
  free(text);
  return 0;
}
