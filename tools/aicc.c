// aicc: ONNX model in, model.so out.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "codegen/codegen.h"
#include "codegen/target.h"
#include "frontend/onnx_import.h"
#include "passes/lower.h"
#include "passes/pass.h"
#include "passes/schedule.h"
#include "tools/roofline.h"

#ifndef AICC_VERSION
#define AICC_VERSION "0"
#endif

static const args_option options[] = {
    {"--output", "-o", ARGS_VALUE, "FILE", "the model file to write (default: MODEL.so)"},
    {"--target", NULL, ARGS_LIST, "NAME[,..]",
     "what to compile for (default: native; --list-targets)"},
    {"--shapes", NULL, ARGS_LIST, "NAME:SHAPE[,..]", "fix input shapes: x:1x3x224x224"},
    {"--dim", NULL, ARGS_LIST, "NAME=N", "fix a symbolic dimension"},
    {"--jobs", "-j", ARGS_VALUE, "N", "worker processes (default: one per core)"},
    {"--weights", NULL, ARGS_VALUE, "WHERE",
     "embed (default) or external: a file beside the model"},
    {"--passes", NULL, ARGS_VALUE, "LIST", "run these passes in place of the usual ones"},
    {"--schedule", NULL, ARGS_LIST, "WHICH=SCHEDULE",
     "force how kernels are cut: contract=6x4, map=task 4096, NODE=8x3"},
    {"--tf32", NULL, ARGS_FLAG, NULL, "GPUs: contractions of f32 may round their operands to tf32"},
    {"--print-pipeline", NULL, ARGS_FLAG, NULL, "print the passes that would run"},
    {"--list-passes", NULL, ARGS_FLAG, NULL, "print every pass"},
    {"--list-targets", NULL, ARGS_FLAG, NULL, "print every target"},
    {"--list-ops", NULL, ARGS_FLAG, NULL, "print the supported ONNX operators"},
    {"--markdown", NULL, ARGS_FLAG, NULL, "--list-ops as the tables of docs/operators.md"},
    {"--dump-after", NULL, ARGS_VALUE, "PASS", "print the graph after a pass, import, plan or all"},
    {"--dump-kernels-to", NULL, ARGS_VALUE, "DIR", "write each kernel's IR, LLVM IR and assembly"},
    {"--stop-after", NULL, ARGS_VALUE, "PASS", "stop after a pass, or import; writes no model"},
    {"--check", NULL, ARGS_FLAG, NULL, "verify the graph after every pass"},
    {"--time-passes", NULL, ARGS_FLAG, NULL, "print the time of every stage"},
    {"--opt-report", NULL, ARGS_FLAG, NULL, "print what was fused, why not, and schedules"},
    {"--roofline", NULL, ARGS_VALUE, "DEVICE",
     "print what kernels should take on a GPU: h100-sxm, ..."},
    {"--json", NULL, ARGS_FLAG, NULL, "print diagnostics, and the roofline, as JSON"},
    {"--quiet", "-q", ARGS_FLAG, NULL, "no progress"},
    {"--version", NULL, ARGS_FLAG, NULL, "print the version"},
    {"--help", "-h", ARGS_FLAG, NULL, "print this"},
};

static const args_program program = {
    .name = "aicc",
    .usage = "aicc MODEL.onnx [-o MODEL.so] [options]",
    .about =
        "Compiles an ONNX model into a shared object that libaicc-rt loads: kernels, weights and\n"
        "the host code that runs them. Targets are one CPU, any number of GPUs, or both: a model\n"
        "for GPUs alone has host code, but no kernels for the CPU.\n"
        "Exit codes: 0 done, 1 the input is wrong, 2 the model needs what aicc does not\n"
        "support, 4 a file could not be read or written, 5 a limit was\n"
        "passed, 70 a defect of aicc.",
    .examples =
        "  aicc model.onnx --target x86-64-v3,sm_80,sm_90,gfx942\n"
        "  aicc model.onnx -o model.so\n"
        "  aicc model.onnx --shapes image:1x3x224x224 --target x86-64-v4\n"
        "  aicc model.onnx --opt-report --time-passes\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

enum { MOST_TARGETS = 32 };  // at least as many as there are

typedef struct compile {
  args a;
  aicc_diags diags;
  aicc_arena arena;
  bool progress, times;
  double started, stage;
} compile;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void stage(compile *c, const char *name) {
  if (c->progress) {
    fprintf(stderr, "\r\033[K%s ...", name);
    fflush(stderr);
  }
  c->stage = now();
}

static void stage_done(compile *c, const char *name) {
  if (c->progress) {
    fputs("\r\033[K", stderr);
  }
  if (c->times) {
    fprintf(stderr, "%8.1f ms  %s\n", 1e3 * (now() - c->stage), name);
  }
}

// --- options -------------------------------------------------------------------------------------

static bool parse_dims(compile *c, aicc_import_options *out) {
  aicc_import_dim *dims = NULL;
  size_t count = 0, capacity = 0;
  const char *text;
  for (int i = 0; (text = args_nth(&c->a, "--dim", i)); i++) {
    const char *equals = strchr(text, '=');
    char *end = NULL;
    const long long value = equals ? strtoll(equals + 1, &end, 10) : -1;
    if (!equals || equals == text || end == equals + 1 || *end || value < 0) {
      fprintf(stderr, "aicc: '--dim %s': expected NAME=N with N >= 0\n", text);
      return false;
    }
    char *name = aicc_arena_memdup(&c->arena, text, (size_t)(equals - text) + 1);
    name[equals - text] = 0;
    const aicc_import_dim dim = {.name = name, .value = value};
    AICC_PUSH(&c->arena, dims, count, capacity, dim);
  }
  out->dims = dims;
  out->dim_count = (int)count;
  return true;
}

// "1x3x224x224", "scalar", "-1x3"; sizes up to |limit|.
static bool parse_sizes(const char *text, const char *end, int64_t *sizes, int *rank) {
  *rank = 0;
  if ((size_t)(end - text) == strlen("scalar") && strncmp(text, "scalar", strlen("scalar")) == 0) {
    return true;
  }
  while (text < end && *rank < AICC_MAX_RANK) {
    char *after;
    sizes[(*rank)++] = strtoll(text, &after, 10);
    if (after == text || after > end || sizes[*rank - 1] < -1) {
      return false;
    }
    text = after;
    if (text < end && *text++ != 'x') {
      return false;
    }
  }
  return text == end;
}

static bool parse_shapes(compile *c, aicc_import_options *out) {
  aicc_import_shape *shapes = NULL;
  size_t count = 0, capacity = 0;
  const char *text;
  for (int i = 0; (text = args_nth(&c->a, "--shapes", i)); i++) {
    for (const char *item = text; *item;) {
      const char *end = strchr(item, ','), *colon = NULL;
      end = end ? end : item + strlen(item);
      for (const char *at = item; at < end; at++) {
        colon = *at == ':' ? at : colon;  // the last one: names may hold colons
      }
      int64_t sizes[AICC_MAX_RANK];
      int rank;
      if (!colon || !parse_sizes(colon + 1, end, sizes, &rank)) {
        fprintf(stderr, "aicc: '--shapes %s': expected NAME:1x3x224x224[,..]\n", text);
        return false;
      }
      char *name = aicc_arena_memdup(&c->arena, item, (size_t)(colon - item) + 1);
      name[colon - item] = 0;
      const aicc_import_shape shape = {
          .input = name,
          .sizes = aicc_arena_memdup(&c->arena, sizes, sizeof sizes),
          .rank = rank};
      AICC_PUSH(&c->arena, shapes, count, capacity, shape);
      item = *end ? end + 1 : end;
    }
  }
  out->shapes = shapes;
  out->shape_count = (int)count;
  return true;
}

static const char *default_output(compile *c, const char *model) {
  const size_t length = strlen(model);
  const bool onnx = length > 5 && strcmp(model + length - 5, ".onnx") == 0;
  return aicc_arena_printf(&c->arena, "%.*s.so", (int)(onnx ? length - 5 : length), model);
}

// The most modest of the CPUs: host code for GPUs needs none of what the others have.
static const cg_target *host_target(void) {
  const cg_target *found = NULL, *target;
  for (size_t i = 0; (target = cg_target_at(i)); i++) {
    found = target->machine.kind == AICC_MACHINE_CPU ? target : found;
  }
  return found;
}

// In the order of the table, however they are named: the file does not depend on that.
static void add_gpu(const cg_target *target, bool portable_only, aicc_codegen_options *out,
                    aicc_codegen_gpu *gpus) {
  size_t at = out->gpu_count++;
  for (; at > 0 && gpus[at - 1].target > target; at--) {
    gpus[at] = gpus[at - 1];
  }
  gpus[at] = (aicc_codegen_gpu){.target = target, .portable_only = portable_only};
}

static bool add_target(const char *name, aicc_codegen_options *out, aicc_codegen_gpu *gpus) {
  const cg_target *target = cg_target_find(name);
  if (!target) {
    fprintf(stderr, "aicc: unknown target '%s' (aicc --list-targets)\n", name);
    return false;
  }
  if (target->machine.kind == AICC_MACHINE_CPU) {
    if (out->target && out->target != target) {
      fprintf(stderr, "aicc: '--target': %s and %s are two CPUs; a model is for one of them\n",
              out->target->machine.name, name);
      return false;
    }
    out->target = target;
    return true;
  }
  for (size_t i = 0; i < out->gpu_count; i++) {
    if (gpus[i].target == target) {
      return true;
    }
  }
  add_gpu(target, false, out, gpus);
  return true;
}

// Where only GPUs of one kind run what was asked for ("sm_90a"), PTX for newer ones goes beside it.
static void add_portable(aicc_codegen_options *out, aicc_codegen_gpu *gpus) {
  const cg_target *missing = NULL;
  for (size_t i = 0; i < out->gpu_count; i++) {
    const cg_target *target = gpus[i].target, *portable = cg_target_portable(target);
    if (target->family == CG_FAMILY_NVPTX && portable == target) {
      return;
    }
    missing = portable != target && (!missing || portable < missing) ? portable : missing;
  }
  if (missing) {
    add_gpu(missing, true, out, gpus);
  }
}

static bool parse_targets(compile *c, aicc_codegen_options *out, aicc_codegen_gpu *gpus) {
  const char *text;
  out->gpus = gpus;
  for (int i = 0; (text = args_nth(&c->a, "--target", i)); i++) {
    for (const char *item = text; *item;) {
      const size_t length = strcspn(item, ",");
      if (!add_target(aicc_arena_printf(&c->arena, "%.*s", (int)length, item), out, gpus)) {
        return false;
      }
      item += length + (item[length] == ',');
    }
  }
  if (!out->target && out->gpu_count == 0) {
    return add_target("native", out, gpus);
  }
  add_portable(out, gpus);
  out->host_only = !out->target;
  out->target = out->target ? out->target : host_target();
  return true;
}

// --- stages --------------------------------------------------------------------------------------

static bool wants_dump(const compile *c, const char *what) {
  const char *after = args_get(&c->a, "--dump-after", "");
  return strcmp(after, what) == 0 || strcmp(after, "all") == 0;
}

static bool stops_after(const compile *c, const char *what) {
  return strcmp(args_get(&c->a, "--stop-after", ""), what) == 0;
}

// A graph and a plan for all machines that passes and lowering cannot tell apart.
typedef struct graph {
  const aicc_machine *machine;
  const char *names;    // of all of them
  aicc_module *module;  // a copy of the model's, where there are several graphs
  aicc_plan *plan;
} graph;

typedef struct graphs {
  graph items[MOST_TARGETS + 1];
  int count;
} graphs;

static graph *graph_for(graphs *all, const aicc_machine *machine) {
  for (int i = 0; i < all->count; i++) {
    if (aicc_machine_alike(all->items[i].machine, machine)) {
      return &all->items[i];
    }
  }
  return NULL;
}

static void add_machine(compile *c, graphs *all, const aicc_machine *machine) {
  graph *found = graph_for(all, machine);
  if (found) {
    found->names = aicc_arena_printf(&c->arena, "%s, %s", found->names, machine->name);
  } else {
    all->items[all->count++] = (graph){.machine = machine, .names = machine->name};
  }
}

// The host of a model for GPUs alone runs no kernels.
static void add_machines(compile *c, const aicc_codegen_options *o, graphs *all) {
  if (!o->host_only) {
    add_machine(c, all, &o->target->machine);
  }
  for (size_t i = 0; i < o->gpu_count; i++) {
    add_machine(c, all, &o->gpus[i].target->machine);
  }
}

static void destroy_graphs(graphs *all, const aicc_module *module) {
  for (int i = 0; i < all->count; i++) {
    aicc_plan_destroy(all->items[i].plan);
    if (all->items[i].module != module) {
      aicc_module_destroy(all->items[i].module);
    }
  }
}

static const char *pass_list(const compile *c) {
  return args_get(&c->a, "--passes", aicc_pipeline_default);
}

// What all machines share is done once, and then what depends on them, for each.
static aicc_status run_passes(compile *c, aicc_module *module, graphs *all) {
  aicc_pass_options o = {.part = AICC_PASSES_COMMON,
                         .report = args_has(&c->a, "--opt-report") ? stderr : NULL,
                         .times = c->times ? stderr : NULL,
                         .dump_after = args_get(&c->a, "--dump-after", NULL),
                         .dump = stdout,
                         .stop_after = args_get(&c->a, "--stop-after", NULL),
                         .check = args_has(&c->a, "--check")};
  AICC_TRY(aicc_run_passes(module, pass_list(c), &o, &c->diags));
  o.part = AICC_PASSES_OWN;
  for (int i = 0; i < all->count; i++) {
    graph *g = &all->items[i];
    g->module = all->count > 1 ? aicc_module_clone(module) : module;
    g->module->tf32 = args_has(&c->a, "--tf32");
    o.machine = g->machine;
    o.machine_names = g->names;
    AICC_TRY(aicc_run_passes(g->module, pass_list(c), &o, &c->diags));
  }
  return AICC_OK;
}

// A kernel that takes the schedule may be in one graph and not in another.
static aicc_status force_schedules(compile *c, graphs *all) {
  const char *item;
  for (int i = 0; (item = args_nth(&c->a, "--schedule", i)); i++) {
    int found = 0;
    for (int g = 0; g < all->count && found >= 0; g++) {
      const int here = aicc_schedule_force(all->items[g].module, item);
      found = here < 0 ? here : found + here;
    }
    if (found < 0) {
      fprintf(stderr,
              "aicc: '--schedule %s': expected KIND=SCHEDULE or NODE=SCHEDULE with one of the "
              "forms of aicc(1), such as contract=6x4, 'map=vector 4' or 'row=warps 8'\n",
              item);
      return AICC_INVALID;
    }
    if (found == 0) {
      fprintf(stderr,
              "aicc: '--schedule %s': no kernel of that ONNX node or kind takes that schedule\n",
              item);
      return AICC_INVALID;
    }
  }
  return AICC_OK;
}

static aicc_status lower_all(compile *c, graphs *all) {
  FILE *report = args_has(&c->a, "--opt-report") ? stderr : NULL;
  for (int i = 0; i < all->count; i++) {
    graph *g = &all->items[i];
    aicc_print_machines(g->names, report);
    g->plan = aicc_lower_module(g->module, g->machine, report, &c->diags);
    if (!g->plan) {
      return AICC_UNSUPPORTED;
    }
    if (wants_dump(c, "plan")) {
      printf("; plan for %s\n", g->names);
      aicc_plan_print(g->plan, stdout);
    }
  }
  return AICC_OK;
}

// The device of --roofline; NULL: there is none, and |*status| says whether that is wrong.
static const roofline_device *roofline_wanted(const compile *c, aicc_status *status) {
  const char *name = args_get(&c->a, "--roofline", NULL);
  const roofline_device *device = name != NULL ? roofline_find(name) : NULL;
  *status = name == NULL || device != NULL ? AICC_OK : AICC_INVALID;
  if (*status != AICC_OK) {
    fprintf(stderr, "aicc: '--roofline %s': known are", name);
    for (size_t i = 0; (device = roofline_at(i)) != NULL; i++) {
      fprintf(stderr, "%s %s", i > 0 ? "," : "", device->name);
    }
    fputc('\n', stderr);
  }
  return device;
}

// Of the targets that were compiled for, the one that |device| runs.
static const aicc_codegen_gpu *roofline_gpu(const roofline_device *device,
                                            const aicc_codegen_gpu *gpus, size_t count) {
  const cg_target *target = cg_target_find(device->target);
  for (size_t i = 0; i < count; i++) {
    if (aicc_machine_alike(&gpus[i].target->machine, &target->machine)) {
      return &gpus[i];
    }
  }
  fprintf(stderr, "aicc: '--roofline %s' needs --target %s\n", device->name, device->target);
  return NULL;
}

static void show_roofline(const compile *c, const roofline_device *device,
                          const aicc_codegen_gpu *gpu) {
  aicc_arena arena;
  aicc_arena_init(&arena);
  roofline r;
  roofline_make(gpu->plan, gpu->target, device, gpu->registers, &arena, &r);
  (args_has(&c->a, "--json") ? roofline_json : roofline_print)(&r, stdout);
  aicc_arena_deinit(&arena);
}

static aicc_status generate_code(compile *c, const aicc_codegen_options *o, aicc_codegen_gpu *gpus,
                                 const graphs *all) {
  aicc_status status;
  const roofline_device *device = roofline_wanted(c, &status);
  const aicc_codegen_gpu *gpu = device ? roofline_gpu(device, gpus, o->gpu_count) : NULL;
  if (status != AICC_OK || (device && !gpu)) {
    return AICC_INVALID;
  }
  if (!stops_after(c, "plan")) {
    stage(c, "generating code");
    if (gpu) {
      gpus[gpu - gpus].registers = AICC_NEW_ARRAY(&c->arena, uint32_t, gpu->plan->kernel_count + 1);
    }
    status = aicc_codegen(all->items[0].plan, o, &c->diags);
    stage_done(c, "code generation");
  }
  if (status == AICC_OK && gpu) {
    show_roofline(c, device, gpu);
  }
  return status;
}

static aicc_status generate(compile *c, graphs *all, const aicc_codegen_options *wanted) {
  aicc_codegen_options o = *wanted;
  aicc_codegen_gpu gpus[MOST_TARGETS];
  stage(c, "lowering");
  aicc_status status = lower_all(c, all);
  stage_done(c, "lowering");
  if (status != AICC_OK) {
    return status;
  }
  for (size_t i = 0; i < o.gpu_count; i++) {
    gpus[i] = wanted->gpus[i];
    gpus[i].plan = graph_for(all, &gpus[i].target->machine)->plan;
  }
  o.gpus = gpus;
  o.report = args_has(&c->a, "--quiet") ? NULL : stderr;
  return generate_code(c, &o, gpus, all);
}

static aicc_status compile_graphs(compile *c, aicc_module *module, graphs *all,
                                  const aicc_codegen_options *o) {
  stage(c, "optimising");
  const aicc_status status = run_passes(c, module, all);
  stage_done(c, "passes");
  AICC_TRY(status);
  const char *stop = args_get(&c->a, "--stop-after", "plan");
  if (strcmp(stop, "plan") != 0) {
    return AICC_OK;
  }
  AICC_TRY(force_schedules(c, all));
  return generate(c, all, o);
}

static aicc_status compile_model(compile *c, const char *model, const aicc_import_options *import,
                                 const aicc_codegen_options *o) {
  aicc_module *module = NULL;
  stage(c, "importing");
  AICC_TRY(aicc_import_path(model, import, &c->diags, &module));
  stage_done(c, "import");
  if (wants_dump(c, "import")) {
    aicc_module_print(module, stdout);
  }
  aicc_status status = AICC_OK;
  if (!stops_after(c, "import")) {
    graphs all = {.count = 0};
    add_machines(c, o, &all);
    status = compile_graphs(c, module, &all, o);
    destroy_graphs(&all, module);
  }
  aicc_module_destroy(module);
  return status;
}

// The passes for all targets, then those whose graph depends on the machine.
static int print_pipeline(compile *c) {
  aicc_codegen_options o = {0};
  aicc_codegen_gpu gpus[MOST_TARGETS] = {0};
  graphs all = {.count = 0};
  if (!parse_targets(c, &o, gpus)) {
    return AICC_INVALID;
  }
  add_machines(c, &o, &all);
  aicc_print_machines("all targets", stdout);
  aicc_print_pipeline(pass_list(c), AICC_PASSES_COMMON, stdout);
  const char *names = all.items[0].names;
  for (int i = 1; i < all.count; i++) {
    names = aicc_arena_printf(&c->arena, "%s; for %s", names, all.items[i].names);
  }
  aicc_print_machines(names, stdout);
  aicc_print_pipeline(pass_list(c), AICC_PASSES_OWN, stdout);
  return AICC_OK;
}

static int list_targets(void) {
  const cg_target *target;
  for (size_t i = 0; (target = cg_target_at(i)); i++) {
    puts(target->machine.name);
  }
  return 0;
}

static int run(compile *c) {
  if (args_has(&c->a, "--print-pipeline")) {
    return print_pipeline(c);
  }
  aicc_import_options import = {0};
  aicc_codegen_options o = {0};
  aicc_codegen_gpu gpus[MOST_TARGETS] = {0};
  long jobs = sysconf(_SC_NPROCESSORS_ONLN);
  if (!parse_dims(c, &import) || !parse_shapes(c, &import) || !parse_targets(c, &o, gpus) ||
      !args_integer(&c->a, "--jobs", 1, 256, &jobs)) {
    return AICC_INVALID;
  }
  if (c->a.file_count != 1) {
    fprintf(stderr, "aicc: expected one model (aicc --help)\n");
    return AICC_INVALID;
  }
  const char *model = c->a.files[0];
  o.path = args_get(&c->a, "--output", default_output(c, model));
  o.processes = (unsigned)jobs;
  o.opt_level = 2;
  o.dump_dir = args_get(&c->a, "--dump-kernels-to", NULL);
  if (o.dump_dir && mkdir(o.dump_dir, 0777) != 0 && errno != EEXIST) {
    fprintf(stderr, "aicc: cannot make the folder '%s': %s\n", o.dump_dir, strerror(errno));
    return AICC_IO;
  }
  const char *weights = args_get(&c->a, "--weights", "embed");
  if (strcmp(weights, "external") == 0) {
    o.weights_path = aicc_arena_printf(&c->arena, "%s.weights", o.path);
  } else if (strcmp(weights, "embed") != 0) {
    fprintf(stderr, "aicc: '--weights %s': expected embed or external\n", weights);
    return AICC_INVALID;
  }
  const aicc_status status = compile_model(c, model, &import, &o);
  (args_has(&c->a, "--json") ? aicc_diags_print_json : aicc_diags_print)(&c->diags, stderr);
  return (int)status;
}

int main(int argc, char **argv) {
  compile c = {.started = now()};
  if (!args_parse(&c.a, &program, argc, argv)) {
    return AICC_INVALID;
  }
  if (args_has(&c.a, "--help")) {
    args_help(&program, stdout);
    return 0;
  }
  if (args_has(&c.a, "--version")) {
    puts("aicc " AICC_VERSION);
    return 0;
  }
  if (args_has(&c.a, "--list-targets")) {
    return list_targets();
  }
  if (args_has(&c.a, "--list-passes")) {
    aicc_list_passes(stdout);
    return 0;
  }
  if (args_has(&c.a, "--list-ops")) {
    (args_has(&c.a, "--markdown") ? aicc_list_ops_markdown : aicc_list_ops)(stdout);
    return 0;
  }
  c.times = args_has(&c.a, "--time-passes");
  c.progress = isatty(STDERR_FILENO) && !args_has(&c.a, "--quiet") && !c.times;
  aicc_diags_init(&c.diags);
  aicc_arena_init(&c.arena);
  const int code = run(&c);
  if (c.times && code == 0) {
    fprintf(stderr, "%8.1f ms  in all\n", 1e3 * (now() - c.started));
  }
  aicc_arena_deinit(&c.arena);
  aicc_diags_deinit(&c.diags);
  return code;
}
