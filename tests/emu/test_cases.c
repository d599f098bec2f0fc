// Runs tables of instructions with inputs and expected bits (instructions.py writes them) through
// the emulator: emu_cases FILE. With --ptx SM FILE it prints the kernels instead, for ptxas.
//
// A table is lines:
//   op SM NAME: DSTS <- SRCS : BODY      types b16 b32 b64 pred, BODY with $0, $1, .. in order
//   IN IN ... = OUT OUT ...              one thread a line, numbers in hex
// 32 lines that follow one another from a multiple of 32 are a warp. An expected number may be
// HEX~N.f32 (off by at most N ulp), HEX&MASK (only these bits), nan.f32 (any NaN) or - (any).
// The body may use %row, %slot and %gslot (64 bytes of shared and of global memory of the thread's
// own), and %t<10> %u<10> %v<10> %q<10>, which are .b32 .b64 .b16 .pred.
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu/emu.h"

#define MAX_OPERANDS 16
#define BLOCK 128
#define SLOT 64
#define SKIPPED (-1)

typedef struct op {
  int sm;
  char name[256], body[2048];
  char types[MAX_OPERANDS][8];
  int dsts, operands;
  int line;  // of the table
  uint64_t *inputs;
  char **expected;  // one text a row
  int rows, room;
} op;

typedef struct text {
  char *bytes;
  size_t size, room;
} text;

__attribute__((format(printf, 2, 3))) static void put(text *out, const char *format, ...) {
  va_list arguments;
  for (;;) {
    va_start(arguments, format);
    const int length = vsnprintf(out->bytes + out->size, out->room - out->size, format, arguments);
    va_end(arguments);
    if ((size_t)length < out->room - out->size) {
      out->size += (size_t)length;
      return;
    }
    out->room = out->room * 2 + 65536;
    out->bytes = realloc(out->bytes, out->room);
    if (out->bytes == NULL) {
      abort();
    }
  }
}

// ---- kernels -----------------------------------------------------------------------------------

static void put_body(text *out, const op *o) {
  for (const char *at = o->body; *at != 0; ++at) {
    if (at[0] == '$' && at[1] >= '0' && at[1] <= '9') {
      const int number = (int)strtol(at + 1, NULL, 10);
      put(out, "%%x%d", number);
      at += number >= 10 ? 2 : 1;
    } else {
      put(out, "%c", *at);
    }
  }
  put(out, "\n");
}

static void put_load(text *out, const op *o, int i) {
  const int offset = (i - o->dsts) * 8;
  if (strcmp(o->types[i], "pred") == 0) {
    put(out, "  ld.global.b32 %%load, [%%in+%d];\n  setp.ne.u32 %%x%d, %%load, 0;\n", offset, i);
  } else {
    put(out, "  ld.global.%s %%x%d, [%%in+%d];\n", o->types[i], i, offset);
  }
}

static void put_store(text *out, const op *o, int i) {
  if (strcmp(o->types[i], "pred") == 0) {
    put(out, "  selp.u32 %%load, 1, 0, %%x%d;\n  st.global.b32 [%%out+%d], %%load;\n", i, i * 8);
  } else {
    put(out, "  st.global.%s [%%out+%d], %%x%d;\n", o->types[i], i * 8, i);
  }
}

static void put_kernel(text *out, const op *o, int number) {
  const int srcs = o->operands - o->dsts;
  put(out,
      ".visible .entry k%d(.param .u64 k%d_in, .param .u64 k%d_out, .param .u64 k%d_scratch,\n"
      "                    .param .u32 k%d_rows)\n{\n"
      "  .shared .align 16 .b8 k%d_slots[%d];\n"
      "  .reg .b64 %%in, %%out, %%gslot, %%wide, %%u<10>;\n"
      "  .reg .b32 %%row, %%rows, %%slot, %%load, %%block, %%t<10>;\n"
      "  .reg .b16 %%v<10>;\n  .reg .pred %%beyond, %%q<10>;\n",
      number, number, number, number, number, number, BLOCK * SLOT);
  for (int i = 0; i < o->operands; ++i) {
    put(out, "  .reg .%s %%x%d;\n", o->types[i], i);
  }
  put(out,
      "  mov.u32 %%block, %%ctaid.x;\n  mov.u32 %%row, %%tid.x;\n"
      "  mov.u32 %%slot, k%d_slots;\n  mad.lo.u32 %%slot, %%row, %d, %%slot;\n"
      "  mad.lo.u32 %%row, %%block, %d, %%row;\n"
      "  ld.param.u32 %%rows, [k%d_rows];\n  setp.ge.u32 %%beyond, %%row, %%rows;\n"
      "  @%%beyond bra done;\n",
      number, SLOT, BLOCK, number);
  const struct {
    const char *name;
    const char *param;
    int bytes;
  } places[] = {{"in", "in", srcs * 8}, {"out", "out", o->dsts * 8}, {"gslot", "scratch", SLOT}};
  for (int i = 0; i < 3; ++i) {
    put(out,
        "  ld.param.u64 %%%s, [k%d_%s];\n  mul.wide.u32 %%wide, %%row, %d;\n"
        "  add.u64 %%%s, %%%s, %%wide;\n",
        places[i].name, number, places[i].param, places[i].bytes, places[i].name, places[i].name);
  }
  for (int i = o->dsts; i < o->operands; ++i) {
    put_load(out, o, i);
  }
  put_body(out, o);
  for (int i = 0; i < o->dsts; ++i) {
    put_store(out, o, i);
  }
  put(out, "done:\n  ret;\n}\n");
}

static void put_header(text *out, const op *o) {
  const int version = o->sm >= 100 ? 87 : 83;
  put(out, ".version %d.%d\n.target sm_%d\n.address_size 64\n", version / 10, version % 10, o->sm);
}

// ---- comparing ---------------------------------------------------------------------------------

typedef struct format {
  const char *name;
  uint64_t exponent, mantissa;  // masks
} format;

static const format *find_format(const char *name) {
  static const format formats[] = {
      {"f16", 0x7c00, 0x3ff},
      {"bf16", 0x7f80, 0x7f},
      {"f32", 0x7f800000, 0x7fffff},
      {"f64", UINT64_C(0x7ff0000000000000), UINT64_C(0xfffffffffffff)},
  };
  for (size_t i = 0; i < sizeof formats / sizeof formats[0]; ++i) {
    if (strcmp(formats[i].name, name) == 0) {
      return &formats[i];
    }
  }
  fprintf(stderr, "no format %s\n", name);
  exit(2);
}

static bool is_nan(uint64_t bits, const format *f) {
  return (bits & f->exponent) == f->exponent && (bits & f->mantissa) != 0;
}

// Bits as a number that grows with the value.
static int64_t ordered(uint64_t bits, const format *f) {
  const uint64_t magnitude = bits & (f->exponent | f->mantissa);
  return (bits & ~(f->exponent | f->mantissa)) != 0 ? -(int64_t)magnitude : (int64_t)magnitude;
}

static bool matches(const char *expected, uint64_t got) {
  if (strcmp(expected, "-") == 0) {
    return true;
  }
  if (strncmp(expected, "nan.", 4) == 0) {
    return is_nan(got, find_format(expected + 4));
  }
  char *end;
  const uint64_t want = strtoull(expected, &end, 16);
  if (*end == '&') {
    const uint64_t mask = strtoull(end + 1, NULL, 16);
    return (want & mask) == (got & mask);
  }
  if (*end == '~') {
    const int64_t most = (int64_t)strtoull(end + 1, &end, 10);
    const format *f = find_format(end + 1);
    const int64_t off = ordered(got, f) - ordered(want, f);
    return !is_nan(got, f) && off <= most && off >= -most;
  }
  return want == got;
}

// ---- running -----------------------------------------------------------------------------------

static uint64_t mask_of(const char *type) {
  return strcmp(type, "b64") == 0 ? UINT64_MAX : strcmp(type, "b16") == 0 ? 0xffff : 0xffffffff;
}

// The wrong rows are printed, the first few of them.
static int compare(const op *o, const uint64_t *results) {
  const int srcs = o->operands - o->dsts;
  int wrong = 0;
  for (int row = 0; row < o->rows; ++row) {
    char copy[1024];
    snprintf(copy, sizeof copy, "%s", o->expected[row]);
    char *rest = copy;
    bool ok = true;
    for (int i = 0; i < o->dsts; ++i) {
      char *token = strtok_r(rest, " \n", &rest);
      ok = ok && token != NULL &&
           matches(token, results[row * o->dsts + i] & mask_of(o->types[i]));
    }
    wrong += !ok;
    if (ok || wrong > 3) {
      continue;
    }
    printf("line %d: %s, row %d:", o->line, o->name, row);
    for (int i = 0; i < srcs; ++i) {
      printf(" %" PRIx64, o->inputs[row * srcs + i]);
    }
    printf(" gave");
    for (int i = 0; i < o->dsts; ++i) {
      printf(" %" PRIx64, results[row * o->dsts + i] & mask_of(o->types[i]));
    }
    printf(", not %s", o->expected[row]);
  }
  return wrong;
}

static int run_loaded(emu_device *device, emu_module *module, const op *o) {
  const uint64_t in_bytes = (uint64_t)o->rows * (uint64_t)(o->operands - o->dsts) * 8;
  const uint64_t out_bytes = (uint64_t)o->rows * (uint64_t)o->dsts * 8;
  const uint64_t in = emu_alloc(device, in_bytes + 8), out = emu_alloc(device, out_bytes);
  const uint64_t scratch = emu_alloc(device, (uint64_t)o->rows * SLOT);
  uint64_t *results = calloc((size_t)(o->rows * o->dsts), 8);
  emu_write(device, in, o->inputs, in_bytes);
  emu_write(device, out, results, out_bytes);
  const struct {
    uint64_t in, out, scratch;
    uint32_t rows;
  } params = {in, out, scratch, (uint32_t)o->rows};
  const uint32_t grid[3] = {(uint32_t)(o->rows + BLOCK - 1) / BLOCK, 1, 1},
                 block[3] = {BLOCK, 1, 1};
  emu_report report = {0};
  int wrong = 1;
  int64_t unwritten;
  if (emu_launch(device, emu_module_function(module, "k0"), grid, block, 0, &params, 28, &report) !=
      EMU_OK) {
    printf("line %d: %s: %s\n", o->line, o->name, report.text);
  } else if (!emu_read(device, out, results, out_bytes, &unwritten)) {
    printf("line %d: %s: the results cannot be read\n", o->line, o->name);
  } else {
    wrong = compare(o, results);
  }
  emu_free(device, in);
  emu_free(device, out);
  emu_free(device, scratch);
  free(results);
  return wrong;
}

static int run_op(emu_device *devices[129], uint64_t seed, const op *o) {
  if (devices[o->sm] == NULL) {
    const emu_options options = {.sm = o->sm, .seed = seed, .threads = 1};
    devices[o->sm] = emu_device_create(&options);
  }
  if (devices[o->sm] == NULL) {  // on a GPU (gpu_device.c): an older one
    return SKIPPED;
  }
  text ptx = {0};
  put_header(&ptx, o);
  put_kernel(&ptx, o, 0);
  emu_report report = {0};
  emu_module *module = emu_module_load(devices[o->sm], ptx.bytes, ptx.size, &report);
  int wrong = 1;
  if (module == NULL) {
    printf("line %d: %s: %s\n", o->line, o->name, report.text);
  } else {
    wrong = run_loaded(devices[o->sm], module, o);
    emu_module_unload(module);
  }
  if (wrong > 0 && module != NULL) {  // a lost device is of no more use
    emu_device_destroy(devices[o->sm]);
    devices[o->sm] = NULL;
  }
  free(ptx.bytes);
  return wrong;
}

// ---- tables ------------------------------------------------------------------------------------

static void read_head(op *o, char *line) {
  char *body = strstr(line, " : ");
  char *types = strstr(line, ": ");
  if (body == NULL || types == NULL || sscanf(line, "op %d", &o->sm) != 1) {
    fprintf(stderr, "line %d: no head of an op: %s", o->line, line);
    exit(2);
  }
  snprintf(o->body, sizeof o->body, "  %s", body + 3);
  *body = 0;
  *types = 0;
  char *name = strchr(strchr(line, ' ') + 1, ' ');
  snprintf(o->name, sizeof o->name, "%s", name == NULL ? "?" : name + 1);
  bool sources = false;
  char *rest = types + 2;
  for (char *token; (token = strtok_r(rest, " \n", &rest)) != NULL;) {
    if (strcmp(token, "<-") == 0) {
      sources = true;
    } else if (o->operands == MAX_OPERANDS) {
      fprintf(stderr, "line %d: too many operands\n", o->line);
      exit(2);
    } else {
      snprintf(o->types[o->operands++], sizeof o->types[0], "%s", token);
      o->dsts += !sources;
    }
  }
}

static void read_row(op *o, char *line, int number) {
  const int srcs = o->operands - o->dsts;
  if (o->rows == o->room) {
    o->room = o->room * 2 + 64;
    o->inputs = realloc(o->inputs, (size_t)(o->room * (srcs + 1)) * 8);
    o->expected = realloc(o->expected, (size_t)o->room * sizeof *o->expected);
    if (o->inputs == NULL || o->expected == NULL) {
      abort();
    }
  }
  char *at = line;
  for (int i = 0; i < srcs; ++i) {
    char *end;
    o->inputs[o->rows * srcs + i] = strtoull(at, &end, 16);
    if (end == at) {
      fprintf(stderr, "line %d: %s has %d inputs\n", number, o->name, srcs);
      exit(2);
    }
    at = end;
  }
  at = strchr(at, '=');
  if (at == NULL) {
    fprintf(stderr, "line %d: no =\n", number);
    exit(2);
  }
  o->expected[o->rows++] = strdup(at + 2);
}

static void clear_op(op *o) {
  for (int i = 0; i < o->rows; ++i) {
    free(o->expected[i]);
  }
  free(o->inputs);
  free(o->expected);
  memset(o, 0, sizeof *o);
}

typedef struct totals {
  int ops, rows, bad_ops, skipped;
} totals;

static void finish_op(op *o, bool print, uint64_t seed, emu_device *devices[129], totals *sum) {
  if (o->line == 0) {
    return;
  }
  if (print) {
    text ptx = {0};
    if (sum->ops == 0) {
      put_header(&ptx, o);
    }
    put(&ptx, "// %s\n", o->name);
    put_kernel(&ptx, o, sum->ops);
    fputs(ptx.bytes, stdout);
    free(ptx.bytes);
  } else {
    const int wrong = run_op(devices, seed, o);
    if (wrong > 0) {
      printf("line %d: %s: %d of %d rows wrong\n", o->line, o->name, wrong, o->rows);
    }
    sum->bad_ops += wrong > 0;
    sum->skipped += wrong == SKIPPED;
  }
  ++sum->ops;
  sum->rows += o->rows;
  clear_op(o);
}

int main(int argc, char **argv) {
  const bool print = argc == 4 && strcmp(argv[1], "--ptx") == 0;  // --ptx SM FILE
  const int only = print ? atoi(argv[2]) : 0;
  FILE *file = argc == 2 || print ? fopen(argv[argc - 1], "r") : NULL;
  if (file == NULL) {
    fprintf(stderr, "usage: emu_cases TABLE, or --ptx SM TABLE\n");
    return 2;
  }
  static emu_device *devices[129];
  const char *seed_text = getenv("AICC_EMU_SEED");
  const uint64_t seed = seed_text == NULL ? 0 : strtoull(seed_text, NULL, 10);
  op o = {0};
  totals sum = {0};
  static char line[65536];
  bool skip = false;
  for (int number = 1; fgets(line, sizeof line, file) != NULL; ++number) {
    if (strncmp(line, "op ", 3) == 0) {
      finish_op(&o, print, seed, devices, &sum);
      skip = print && atoi(line + 3) != only;
      if (!skip) {
        o.line = number;
        read_head(&o, line);
      }
    } else if (!skip) {
      read_row(&o, line, number);
    }
  }
  finish_op(&o, print, seed, devices, &sum);
  fclose(file);
  for (int i = 0; i < 129; ++i) {
    if (devices[i] != NULL) {
      emu_device_destroy(devices[i]);
    }
  }
  if (!print) {
    printf("%d instructions, %d rows; %d instructions wrong, %d of newer targets left out\n",
           sum.ops, sum.rows, sum.bad_ops, sum.skipped);
  }
  return sum.bad_ops == 0 && sum.ops > sum.skipped ? EXIT_SUCCESS : EXIT_FAILURE;
}
