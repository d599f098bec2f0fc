// aicc-opt: graph text (or an ONNX model) in, passes, graph text out. For tests and for people who
// want to see what a pass does.
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "codegen/target.h"
#include "frontend/onnx_import.h"
#include "ir/text.h"
#include "passes/pass.h"

#ifndef AICC_VERSION
#define AICC_VERSION "0"
#endif

static const args_option options[] = {
    {"--passes", "-p", ARGS_VALUE, "LIST", "run these passes, in order: canon,cse,dce"},
    {"--pipeline", NULL, ARGS_FLAG, NULL, "run the passes that aicc runs"},
    {"--target", NULL, ARGS_VALUE, "NAME",
     "the machine that passes optimise for (default: native)"},
    {"--full", NULL, ARGS_FLAG, NULL, "print every element of constants: such text parses back"},
    {"--no-origins", NULL, ARGS_FLAG, NULL, "leave out which ONNX nodes each node came from"},
    {"--no-check", NULL, ARGS_FLAG, NULL, "do not verify the graph after every pass"},
    {"--dump-after", NULL, ARGS_VALUE, "PASS", "also print the graph after this pass, or all"},
    {"--time-passes", NULL, ARGS_FLAG, NULL, "print the time of every pass"},
    {"--opt-report", NULL, ARGS_FLAG, NULL, "print what was done and what not, and why"},
    {"--list-passes", NULL, ARGS_FLAG, NULL, "print every pass"},
    {"--json", NULL, ARGS_FLAG, NULL, "print diagnostics as JSON"},
    {"--version", NULL, ARGS_FLAG, NULL, "print the version"},
    {"--help", "-h", ARGS_FLAG, NULL, "print this"},
};

static const args_program program = {
    .name = "aicc-opt",
    .usage = "aicc-opt FILE.air|MODEL.onnx|- [options]",
    .about =
        "Reads a graph, verifies it, runs passes and prints it. `-` is standard input, as text.\n"
        "Exit codes are those of aicc.",
    .examples =
        "  aicc-opt model.onnx | less\n"
        "  aicc-opt graph.air --passes canon,cse,dce\n"
        "  aicc-opt model.onnx --pipeline --opt-report\n",
    .options = options,
    .option_count = sizeof options / sizeof *options,
};

static char *read_all(FILE *in, size_t *size) {
  char *text = NULL;
  FILE *out = open_memstream(&text, size);
  char buffer[65536];
  for (size_t got; (got = fread(buffer, 1, sizeof buffer, in)) > 0;) {
    fwrite(buffer, 1, got, out);
  }
  fclose(out);
  return text;
}

static bool is_onnx(const char *path) {
  const size_t length = strlen(path);
  return length > 5 && strcmp(path + length - 5, ".onnx") == 0;
}

static aicc_status read_module(const char *path, aicc_diags *diags, aicc_module **out) {
  if (is_onnx(path)) {
    return aicc_import_path(path, NULL, diags, out);
  }
  const bool standard = strcmp(path, "-") == 0;
  FILE *in = standard ? stdin : fopen(path, "rb");
  if (!in) {
    AICC_EMIT(diags, E0301, NULL, path, "it cannot be opened");
    return AICC_IO;
  }
  size_t size;
  char *text = read_all(in, &size);
  if (!standard) {
    fclose(in);
  }
  *out = aicc_module_parse(text, size, standard ? "<stdin>" : path, diags);
  free(text);
  return *out ? AICC_OK : AICC_INVALID;
}

static aicc_status optimise(const args *a, aicc_module *module, aicc_diags *diags) {
  const char *passes = args_get(a, "--passes", NULL);
  if (!passes) {
    passes = args_has(a, "--pipeline") ? aicc_pipeline_default : "";
  }
  const cg_target *target = cg_target_find(args_get(a, "--target", "native"));
  if (!target) {
    fprintf(stderr, "aicc-opt: unknown target '%s'\n", args_get(a, "--target", ""));
    return AICC_INVALID;
  }
  const aicc_pass_options o = {.machine = &target->machine,
                               .machine_names = target->machine.name,
                               .report = args_has(a, "--opt-report") ? stderr : NULL,
                               .times = args_has(a, "--time-passes") ? stderr : NULL,
                               .dump_after = args_get(a, "--dump-after", NULL),
                               .dump = stdout,
                               .check = !args_has(a, "--no-check")};
  return aicc_run_passes(module, passes, &o, diags);
}

static aicc_status run(const args *a, aicc_diags *diags) {
  aicc_module *module = NULL;
  AICC_TRY(read_module(a->files[0], diags, &module));
  aicc_status status = aicc_verify(module, diags);
  if (status == AICC_OK) {
    status = optimise(a, module, diags);
  }
  if (status == AICC_OK) {
    const aicc_module_print_options how = {.full = args_has(a, "--full"),
                                           .no_origins = args_has(a, "--no-origins")};
    aicc_module_print_with(module, &how, stdout);
  }
  aicc_module_destroy(module);
  return status;
}

int main(int argc, char **argv) {
  args a;
  if (!args_parse(&a, &program, argc, argv)) {
    return AICC_INVALID;
  }
  if (args_has(&a, "--help")) {
    args_help(&program, stdout);
    return 0;
  }
  if (args_has(&a, "--version")) {
    puts("aicc-opt " AICC_VERSION);
    return 0;
  }
  if (args_has(&a, "--list-passes")) {
    aicc_list_passes(stdout);
    return 0;
  }
  if (a.file_count != 1) {
    fprintf(stderr, "aicc-opt: expected one file (aicc-opt --help)\n");
    return AICC_INVALID;
  }
  aicc_diags diags;
  aicc_diags_init(&diags);
  const aicc_status status = run(&a, &diags);
  if (args_has(&a, "--json")) {
    aicc_diags_print_json(&diags, stderr);
  } else {
    aicc_diags_print(&diags, stderr);
  }
  aicc_diags_deinit(&diags);
  return (int)status;
}
