// Every kernel of a list of models as GPU code: accepted by ptxas or ld.lld, without spills.
//
// usage: gpu_kernels nvidia|amd [--exceptions FILE] [--targets NAME,...] [--texts NAME,...]
//                    [--verbose] [--jobs N] FOLDER...
//
// For all targets of the family, or for those named. The models are all files model.onnx below the
// folders, and graphs NAME.air with lines that force schedules, "; TARGET: WHICH=SCHEDULE" (TARGET
// may have '*'; targets that share its plan are forced too; "; TARGET" alone leaves the choice to
// lowering). They are lowered here; kernels that
// several of them have are compiled once, in worker processes. Where a kernel needs registers
// beyond the target's, uses a stack, or ptxas warns of it, the test fails, but for what the
// exceptions name.
//
// LLVM takes half as long for a kernel as ptxas does for one target. With --texts it writes PTX for
// the targets named there alone; ptxas is given the same text for those behind them in the table
// that share the plan, as aicc gives it to all NVIDIA targets of a plan.
//
// A line of the exceptions: TARGET KIND OPERATORS MOST REASON..., where OPERATORS are those of the
// kernel's ONNX nodes with '+' between them, '*' stands for anything, and MOST is how much may be
// spilled (bytes; for AMD, registers: no stack is allowed then).
// Exit: 0 all is well, 1 not, 77 there is no ptxas.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aicc/abi.h"
#include "codegen/cg.h"
#include "codegen/file.h"
#include "codegen/gpu_image.h"
#include "codegen/tool.h"
#include "frontend/onnx_import.h"
#include "passes/lower.h"
#include "passes/pass.h"
#include "passes/schedule.h"

enum { CHUNK = 8, MOST_PLANS = 16, MOST_TARGETS = 16, MOST_EXCEPTIONS = 256 };

// A kernel of a model, with the names that it has there.
typedef struct owner {
  const kir_kernel *kernel;
  const char *model;
} owner;

// A kernel, and all that are the same but for names, the first among them.
typedef struct entry {
  const kir_kernel *kernel;
  uint64_t hash;
  owner *owners;
  size_t count, capacity;
} entry;

// Kernels for machines of one number of lanes.
typedef struct kernel_list {
  const aicc_machine *machine;
  entry *items;
  size_t count, capacity, met;  // met: kernels of plans, of which |count| differ
} kernel_list;

typedef struct use {
  uint32_t registers, stack, spills;  // 32-bit registers a thread; bytes; bytes or registers
} use;

// Kernels of a list, and the targets that have the text of the first of them.
typedef struct unit {
  const cg_target *targets[MOST_TARGETS];
  size_t target_count;
  const kernel_list *list;
  size_t first, count;
} unit;

typedef struct exception {
  char target[32], kind[32], ops[128], reason[256];
  uint32_t most;
} exception;

typedef struct state {
  aicc_arena arena;
  kernel_list lists[MOST_PLANS];
  int list_count;
  unit *units;
  size_t unit_count, unit_capacity;
  exception exceptions[MOST_EXCEPTIONS];
  int exception_count;
  int models, refused, unforced, verbose;
  unsigned jobs;
  cg_family family;
  const char *targets;  // "sm_75,sm_90"; NULL: all
  const char *texts;    // likewise: those for which LLVM writes code
} state;

static bool named(const char *list, const char *name) {
  bool found = list == NULL;
  for (const char *at = list; at && *at && !found;) {
    const size_t length = strcspn(at, ",");
    found = strncmp(at, name, length) == 0 && name[length] == 0;
    at += length + (at[length] == ',');
  }
  return found;
}

static bool wanted(const state *s, const cg_target *target) {
  return target->family == s->family && named(s->targets, target->machine.name);
}

// --- kernels -------------------------------------------------------------------------------------

static void add_kernel(state *s, kernel_list *list, const kir_kernel *kernel, const char *model) {
  const uint64_t hash = kir_hash(kernel);
  size_t at = 0;
  while (at < list->count &&
         !(list->items[at].hash == hash && kir_equal(list->items[at].kernel, kernel))) {
    at++;
  }
  if (at == list->count) {
    const entry e = {.kernel = kernel, .hash = hash};
    AICC_PUSH(&s->arena, list->items, list->count, list->capacity, e);
  }
  entry *e = &list->items[at];
  const owner o = {kernel, model};
  AICC_PUSH(&s->arena, e->owners, e->count, e->capacity, o);
  list->met++;
}

static aicc_status lower_for(state *s, kernel_list *list, aicc_module *module, const char *path,
                             aicc_diags *diags) {
  const aicc_plan *plan =
      module ? aicc_lower_module(module, list->machine, NULL, diags) : NULL;
  for (size_t k = 0; plan && k < plan->kernel_count; k++) {
    add_kernel(s, list, plan->kernels[k], path);
  }
  return plan ? AICC_OK : AICC_UNSUPPORTED;
}

// The graph that a list's machine wants, of what all machines share; NULL: refused.
static aicc_module *graph_for(const kernel_list *list, const aicc_module *common,
                              aicc_diags *diags) {
  aicc_module *module = aicc_module_clone(common);
  const aicc_pass_options own = {.part = AICC_PASSES_OWN, .machine = list->machine};
  return aicc_run_passes(module, aicc_pipeline_default, &own, diags) == AICC_OK ? module : NULL;
}

static aicc_status run_common(aicc_module *module, aicc_diags *diags) {
  const aicc_pass_options common = {.part = AICC_PASSES_COMMON};
  return aicc_run_passes(module, aicc_pipeline_default, &common, diags);
}

// Whether |pattern| is for a target whose kernels are in the list.
static bool is_for(const state *s, const kernel_list *list, const char *pattern) {
  const cg_target *target;
  bool found = false;
  for (size_t i = 0; (target = cg_target_at(i)) != NULL && !found; i++) {
    found = target->family == s->family && aicc_machine_alike(list->machine, &target->machine) &&
            fnmatch(pattern, target->machine.name, 0) == 0;
  }
  return found;
}

// What is forced here has to run here. |graphs|: per list.
static void add_forced(state *s, aicc_module *const *graphs, char *line, const char *path,
                       aicc_diags *diags) {
  char *item = strstr(line, ": ");
  AICC_ASSERT(strncmp(line, "; ", 2) == 0);
  if (item) {
    *item = 0;
    item += 2;
  }
  for (int i = 0; i < s->list_count; i++) {
    if (!is_for(s, &s->lists[i], line + 2)) {
      continue;
    }
    const int found = item ? aicc_schedule_force(graphs[i], item) : 1;
    if (found < 1 || lower_for(s, &s->lists[i], graphs[i], path, diags) != AICC_OK) {
      printf("FAIL %s: '%s' is not forced for %s\n", path, item ? item : "what lowering chooses",
             s->lists[i].machine->name);
      aicc_diags_print(diags, stdout);
      s->unforced++;
    }
  }
}

static void add_graph(state *s, const char *path) {
  const int file = open(path, O_RDONLY);
  char *text = file >= 0 ? cg_read_text(file, &s->arena) : NULL;
  AICC_ASSERT(text);
  close(file);
  aicc_diags diags;
  aicc_diags_init(&diags);
  aicc_module *module = aicc_module_parse(text, strlen(text), path, &diags);
  aicc_module *graphs[MOST_PLANS];
  bool good = module && run_common(module, &diags) == AICC_OK;
  for (int i = 0; i < s->list_count && good; i++) {
    graphs[i] = graph_for(&s->lists[i], module, &diags);
    good = graphs[i] != NULL;
  }
  if (!good) {
    aicc_diags_print(&diags, stdout);
    s->unforced++;
    return;
  }
  s->models++;
  for (char *line = strtok(text, "\n"); line && *line == ';'; line = strtok(NULL, "\n")) {
    add_forced(s, graphs, line, path, &diags);
  }
}

// Models that the compiler refuses are other tests' business. Plans are kept: kernels live in them.
static void add_model(state *s, const char *path) {
  const aicc_import_options options = {0};
  aicc_diags diags;
  aicc_diags_init(&diags);
  aicc_module *module = NULL;
  aicc_status status = aicc_import_path(path, &options, &diags, &module);
  if (status == AICC_OK) {
    status = run_common(module, &diags);
  }
  for (int i = 0; i < s->list_count && status == AICC_OK; i++) {
    kernel_list *list = &s->lists[i];
    status = lower_for(s, list, graph_for(list, module, &diags), path, &diags);
  }
  s->models++;
  s->refused += status != AICC_OK;
  if (status != AICC_OK && s->verbose) {
    aicc_diags_print(&diags, stdout);
  }
}

static void add_folder(state *s, const char *folder) {
  struct dirent **items;
  const int count = scandir(folder, &items, NULL, alphasort);
  if (count < 0) {
    fprintf(stderr, "gpu_kernels: %s: %s\n", folder, strerror(errno));
    exit(2);
  }
  for (int i = 0; i < count; i++) {
    char *path = aicc_arena_printf(&s->arena, "%s/%s", folder, items[i]->d_name);
    struct stat info;
    if (strcmp(items[i]->d_name, "model.onnx") == 0) {
      add_model(s, path);
    } else if (fnmatch("*.air", items[i]->d_name, 0) == 0) {
      add_graph(s, path);
    } else if (items[i]->d_name[0] != '.' && stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
      add_folder(s, path);
    }
    free(items[i]);
  }
  free(items);
}

// --- one unit, in a worker -----------------------------------------------------------------------

// The number after |key| in |line|, where it stands.
static void number_after(const char *line, const char *key, uint32_t *out) {
  const char *at = strstr(line, key);
  if (at) {
    *out = (uint32_t)strtoul(at + strlen(key), NULL, 10);
  }
}

static uint32_t number_before(const char *line, const char *key) {
  const char *at = strstr(line, key);
  while (at && at > line && (at[-1] == ' ' || (at[-1] >= '0' && at[-1] <= '9'))) {
    at--;
  }
  return at ? (uint32_t)strtoul(at, NULL, 10) : 0;
}

static use *use_of(use *uses, size_t count, const char *name) {
  const size_t index = strtoul(name, NULL, 10);
  AICC_ASSERT(index < count);
  return &uses[index];
}

// Functions are called k0, k1, ...
static bool read_ptxas(char *text, use *uses, size_t count) {
  use *now = uses;
  bool clean = true;
  for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
    const char *name = strstr(line, "entry function 'k");
    now = name ? use_of(uses, count, name + strlen("entry function 'k")) : now;
    if (strstr(line, "bytes stack frame")) {
      now->stack = number_before(line, " bytes stack frame");
      now->spills = number_before(line, " bytes spill stores") +
                    number_before(line, " bytes spill loads");
    }
    number_after(line, "Used ", &now->registers);
    if (strstr(line, "(C75") || strstr(line, "warning") || strstr(line, "error")) {
      fprintf(stderr, "%s\n", line);
      clean = false;
    }
  }
  return clean;
}

// Ends a worker, once it has said what k0, k1, ... of ptxas' words are.
AICC_NORETURN static void give_up(const unit *u, const cg_target *target) {
  fprintf(stderr, "that was for %s, where", target->machine.name);
  for (size_t i = 0; i < u->count; i++) {
    const owner *o = u->list->items[u->first + i].owners;
    fprintf(stderr, "%s k%zu is %s of %s", i ? "," : "", i, o->kernel->name, o->model);
  }
  fputc('\n', stderr);
  abort();
}

// |text| of a unit for |target|; what ptxas objects to ends the worker.
static void assemble(const char *text, const unit *u, const cg_target *target, use *uses,
                     aicc_arena *arena) {
  const size_t count = u->count;
  const int ptx = memfd_create("ptx", 0), cubin = memfd_create("cubin", 0);
  const int log = memfd_create("log", 0);
  AICC_ASSERT(ptx >= 0 && cubin >= 0 && log >= 0);
  const bool written = cg_write_all(ptx, text, strlen(text));
  const char *chosen = getenv("AICC_PTXAS");
  const char *const args[] = {chosen ? chosen : "ptxas", "-v",
                              aicc_arena_printf(arena, "-arch=%s", target->cpu), "-o",
                              aicc_arena_printf(arena, "/proc/self/fd/%d", cubin),
                              aicc_arena_printf(arena, "/proc/self/fd/%d", ptx), NULL};
  int status = 1;
  const int error = cg_tool_run(args, log, log, &status);
  char *said = cg_read_text(log, arena);
  if (!written || error != 0 || status != 0) {
    fprintf(stderr, "ptxas %s: %s\n", error ? strerror(error) : cg_tool_end(status, arena), said);
    give_up(u, target);
  }
  if (!read_ptxas(said, uses, count)) {
    give_up(u, target);
  }
  for (size_t i = 0; i < count; i++) {
    AICC_ASSERT(uses[i].registers > 0);  // ptxas spoke of every kernel
  }
  close(ptx);
  close(cubin);
  close(log);
}

static char *emit_text(cg *c) {
  LLVMMemoryBufferRef buffer = NULL;
  const aicc_status status = cg_emit(c, true, &buffer);
  AICC_ASSERT(status == AICC_OK);
  char *text = strndup(LLVMGetBufferStart(buffer), LLVMGetBufferSize(buffer));
  LLVMDisposeMemoryBuffer(buffer);
  return text;
}

// The number behind |key| in MessagePack between |at| and |end|, where it stands.
static uint32_t packed_after(const unsigned char *at, const unsigned char *end, const char *key) {
  const unsigned char *found = memmem(at, (size_t)(end - at), key, strlen(key));
  AICC_ASSERT(found && end - found > (ptrdiff_t)strlen(key) + 4);
  const unsigned char *n = found + strlen(key);
  if (*n < 0x80) {
    return *n;
  }
  AICC_ASSERT(*n >= 0xcc && *n <= 0xce);  // an unsigned number of 1, 2 or 4 bytes
  uint32_t value = 0;
  for (int i = 1; i <= 1 << (*n - 0xcc); i++) {
    value = value << 8 | n[i];
  }
  return value;
}

// The metadata of kernels k0, k1, ... in a code object: maps whose keys stand in alphabetical
// order.
static void read_code_object(const unsigned char *data, size_t size, use *uses, size_t count) {
  const unsigned char *end = data + size;
  for (size_t i = 0; i < count; i++) {
    char symbol[32], key[64];
    const int length = snprintf(symbol, sizeof symbol, "k%zu", i);
    const int key_size = snprintf(key, sizeof key, ".name%c%s", 0xa0 + length, symbol);
    const unsigned char *kernel = memmem(data, size, key, (size_t)key_size);
    AICC_ASSERT(kernel);
    uses[i] = (use){.registers = packed_after(kernel, end, ".vgpr_count"),
                    .stack = packed_after(kernel, end, ".private_segment_fixed_size"),
                    .spills = packed_after(kernel, end, ".vgpr_spill_count") +
                              packed_after(kernel, end, ".sgpr_spill_count")};
  }
}

static aicc_status link_amd(cg *c, use *uses, size_t count) {
  cg_reply image = {0};
  AICC_TRY(cg_gpu_images(c, NULL, 0, &image));
  const unsigned char *at = image.data;
  cg_gpu_blob blob;
  const bool found = cg_gpu_image_next(&at, image.data + image.size, &blob);
  AICC_ASSERT(found && blob.kind == AICC_ABI_IMAGE_HSACO);
  read_code_object(blob.data, blob.size, uses, count);
  free(image.data);
  return AICC_OK;
}

// Opens |c| and makes the kernels of a unit for |target|, named k0, k1, ...
static aicc_status open_unit(cg *c, const unit *u, const cg_target *target, aicc_arena *arena,
                             aicc_diags *diags) {
  AICC_TRY(cg_open(c, target, "kernels", 2, arena, diags));
  for (size_t i = 0; i < u->count; i++) {
    char symbol[32];
    snprintf(symbol, sizeof symbol, "k%zu", i);
    AICC_TRY(cg_emit_kernel(c, u->list->items[u->first + i].kernel, symbol));
  }
  return cg_optimize(c);
}

static aicc_status run_unit(void *user, size_t index, cg_reply *reply, aicc_diags *diags) {
  const state *s = user;
  const unit *u = &s->units[index];
  aicc_arena arena;
  aicc_arena_init(&arena);
  cg c;
  AICC_TRY(open_unit(&c, u, u->targets[0], &arena, diags));
  use *uses = AICC_NEW_ARRAY(&arena, use, u->target_count * u->count);
  aicc_status status = AICC_OK;
  if (s->family == CG_FAMILY_NVPTX) {
    char *text = emit_text(&c);
    for (size_t i = 0; i < u->target_count; i++) {
      assemble(text, u, u->targets[i], uses + i * u->count, &arena);
    }
    free(text);
  } else {
    status = link_amd(&c, uses, u->count);
  }
  cg_reply_add(reply, uses, u->target_count * u->count * sizeof *uses);
  cg_close(&c);
  aicc_arena_deinit(&arena);
  return status;
}

// --- judgement -----------------------------------------------------------------------------------

static const char *ops_of(const kir_kernel *kernel, char *text, size_t size) {
  size_t at = 0;
  text[0] = 0;
  for (int i = 0; i < kernel->origin_count && at < size; i++) {
    at += (size_t)snprintf(text + at, size - at, "%s%s", i ? "+" : "", kernel->origins[i].op);
  }
  return text;
}

static bool excepted(const state *s, const cg_target *target, const kir_kernel *kernel,
                     const use *n) {
  const bool stack = target->family == CG_FAMILY_AMDGPU && n->stack > 0;
  char ops[512];
  ops_of(kernel, ops, sizeof ops);
  for (int i = 0; i < s->exception_count; i++) {
    const exception *e = &s->exceptions[i];
    if (fnmatch(e->target, target->machine.name, 0) == 0 &&
        fnmatch(e->kind, kernel->kind, 0) == 0 && fnmatch(e->ops, ops, 0) == 0 &&
        n->spills <= e->most && !stack) {
      return true;
    }
  }
  return false;
}

// Where the kernel comes from: in each model its name and its ONNX nodes.
static void print_owners(const entry *e) {
  for (size_t i = 0; i < e->count; i++) {
    const kir_kernel *kernel = e->owners[i].kernel;
    printf("       is %s of %s, of nodes", kernel->name, e->owners[i].model);
    for (int k = 0; k < kernel->origin_count; k++) {
      printf(" %s", kernel->origins[k].node);
    }
    putchar('\n');
  }
}

typedef struct totals {
  size_t kernels, bad, excepted;
  uint32_t most_registers;
} totals;

typedef struct all_totals {
  totals of[MOST_TARGETS];  // rows of the table of targets
} all_totals;

static void judge_one(const state *s, const cg_target *target, const entry *e, const use *n,
                      totals *t) {
  char ops[512];
  t->kernels++;
  t->most_registers = n->registers > t->most_registers ? n->registers : t->most_registers;
  const bool spills = n->stack > 0 || n->spills > 0;
  const bool known = spills && excepted(s, target, e->kernel, n);
  t->excepted += known;
  t->bad += spills && !known;
  if (s->verbose || (spills && !known)) {
    printf("%s %s %s %s: %u registers, %u bytes of stack, %u spilled (%s of %s)\n",
           spills && !known ? "FAIL" : "    ", target->machine.name, e->kernel->kind,
           ops_of(e->kernel, ops, sizeof ops), n->registers, n->stack, n->spills,
           e->kernel->name, e->owners[0].model);
  }
  if (spills && !known) {
    print_owners(e);
  }
}

static void judge(const state *s, const unit *u, const use *uses, all_totals *all) {
  for (size_t i = 0; i < u->target_count; i++) {
    totals *t = &all->of[u->targets[i] - cg_target_at(0)];
    for (size_t k = 0; k < u->count; k++) {
      judge_one(s, u->targets[i], &u->list->items[u->first + k], &uses[i * u->count + k], t);
    }
  }
}

static void read_exceptions(state *s, const char *path) {
  FILE *file = fopen(path, "r");
  char line[1024];
  while (file && fgets(line, sizeof line, file) && s->exception_count < MOST_EXCEPTIONS) {
    exception *e = &s->exceptions[s->exception_count];
    if (line[0] != '#' && sscanf(line, "%31s %31s %127s %u %255[^\n]", e->target, e->kind,
                                 e->ops, &e->most, e->reason) == 5) {
      s->exception_count++;
    }
  }
  if (!file) {
    perror(path);
    exit(1);
  }
  fclose(file);
}

// A line for each target. Each wanted one has to have seen kernels.
static bool report(const state *s, const all_totals *all) {
  bool good = s->unforced == 0;
  printf("%d models (%d refused)\n", s->models, s->refused);
  for (int i = 0; i < s->list_count; i++) {
    const kernel_list *list = &s->lists[i];
    printf("%s and alike: %zu kernels, of which %zu are the same as another\n",
           list->machine->name, list->met, list->met - list->count);
  }
  const cg_target *target;
  for (size_t i = 0; (target = cg_target_at(i)); i++) {
    const totals *t = &all->of[i];
    if (wanted(s, target)) {
      printf("%s: %zu kernels compiled, %zu fail, %zu excepted, at most %u registers\n",
             target->machine.name, t->kernels, t->bad, t->excepted, t->most_registers);
      good = good && t->bad == 0 && t->kernels > 0;
    }
  }
  return good;
}

// --- the whole -----------------------------------------------------------------------------------

static void add_targets(state *s) {
  const cg_target *target;
  for (size_t i = 0; (target = cg_target_at(i)); i++) {
    int at = 0;
    while (at < s->list_count && !aicc_machine_alike(s->lists[at].machine, &target->machine)) {
      at++;
    }
    if (wanted(s, target) && at == s->list_count) {
      AICC_ASSERT(at < MOST_PLANS);
      s->lists[s->list_count++].machine = &target->machine;
    }
  }
}

static void add_chunks(state *s, unit like) {
  for (size_t k = 0; k < like.list->count && like.target_count > 0; k += CHUNK) {
    const size_t rest = like.list->count - k;
    like.first = k;
    like.count = rest < CHUNK ? rest : CHUNK;
    AICC_PUSH(&s->arena, s->units, s->unit_count, s->unit_capacity, like);
  }
}

// The targets of a list in the order of their table: one for which LLVM writes, and those that take
// that.
static void add_units(state *s) {
  for (int l = 0; l < s->list_count; l++) {
    unit u = {.list = &s->lists[l]};
    const cg_target *target;
    for (size_t i = 0; (target = cg_target_at(i)); i++) {
      if (!wanted(s, target) || !aicc_machine_alike(u.list->machine, &target->machine)) {
        continue;
      }
      if (named(s->texts, target->machine.name)) {
        add_chunks(s, u);
        u.target_count = 0;
      }
      AICC_ASSERT(u.target_count < MOST_TARGETS);
      u.targets[u.target_count++] = target;
    }
    add_chunks(s, u);
  }
}

static bool compile_all(state *s, all_totals *all) {
  const char **names = AICC_NEW_ARRAY(&s->arena, const char *, s->unit_count + 1);
  cg_result *results = AICC_NEW_ARRAY(&s->arena, cg_result, s->unit_count + 1);
  for (size_t i = 0; i < s->unit_count; i++) {
    const unit *u = &s->units[i];
    const entry *e = &u->list->items[u->first];
    names[i] = aicc_arena_printf(&s->arena, "%s and the %zu after it, for %s, of %s",
                                 e->kernel->name, u->count - 1, u->targets[0]->machine.name,
                                 e->owners[0].model);
  }
  const cg_jobs jobs = {.count = s->unit_count, .run = run_unit, .user = s, .names = names,
                        .processes = s->jobs};
  aicc_diags diags;
  aicc_diags_init(&diags);
  const aicc_status status = cg_jobs_run(&jobs, results, &s->arena, &diags);
  for (size_t i = 0; i < s->unit_count; i++) {
    if (results[i].data) {
      judge(s, &s->units[i], results[i].data, all);
    }
  }
  aicc_diags_print(&diags, stdout);
  aicc_diags_deinit(&diags);
  return status == AICC_OK;
}

static bool have_ptxas(void) {
  const char *chosen = getenv("AICC_PTXAS");
  const char *const args[] = {chosen ? chosen : "ptxas", "--version", NULL};
  const int log = memfd_create("log", 0);
  int status = 1;
  const bool found = cg_tool_run(args, log, log, &status) == 0 && status == 0;
  close(log);
  return found;
}

static int usage(void) {
  fputs("usage: gpu_kernels nvidia|amd [--exceptions FILE] [--targets NAME,...] [--texts NAME,...] "
        "[--verbose] [--jobs N] FOLDER...\n",
        stderr);
  return 2;
}

// Options stand before the folders.
static int read_options(state *s, int argc, char **argv) {
  int i = 2;
  for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
    const bool more = i + 1 < argc;
    if (strcmp(argv[i], "--exceptions") == 0 && more) {
      read_exceptions(s, argv[++i]);
    } else if (strcmp(argv[i], "--targets") == 0 && more) {
      s->targets = argv[++i];
    } else if (strcmp(argv[i], "--texts") == 0 && more) {
      s->texts = argv[++i];
    } else if (strcmp(argv[i], "--jobs") == 0 && more) {
      s->jobs = (unsigned)strtoul(argv[++i], NULL, 10);
    } else if (strcmp(argv[i], "--verbose") == 0) {
      s->verbose = 1;
    } else {
      return -1;
    }
  }
  return i;
}

int main(int argc, char **argv) {
  state s = {.jobs = 0};
  aicc_arena_init(&s.arena);
  const char *family_name = argc > 1 ? argv[1] : "";
  const bool nvidia = strcmp(family_name, "nvidia") == 0;
  s.family = nvidia ? CG_FAMILY_NVPTX : CG_FAMILY_AMDGPU;
  if (!nvidia && strcmp(family_name, "amd") != 0) {
    return usage();
  }
  if (nvidia && !have_ptxas()) {
    puts("there is no ptxas");
    return 77;
  }
  const int first = read_options(&s, argc, argv);
  if (first < 0) {
    return usage();
  }
  add_targets(&s);
  for (int i = first; i < argc && s.list_count > 0; i++) {
    add_folder(&s, argv[i]);
  }
  add_units(&s);
  all_totals all = {0};
  const bool compiled = compile_all(&s, &all);
  const bool good = report(&s, &all);
  return compiled && good ? 0 : 1;
}
