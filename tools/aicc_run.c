// aicc-run: runs a model.so once, on files, literals, random numbers or ONNX test data.
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "tools/args.h"
#include "tools/compare.h"
#include "tools/inputs.h"
#include "tools/inspect.h"
#include "tools/npy.h"
#include "tools/print.h"
#include "tools/profile.h"
#include "tools/test_data.h"
#include "tools/value.h"

enum { EXIT_NOT_EQUAL = 3, LIST_MAX = ARGS_MAX };

static const args_option option_rows[] = {
    {"--input", "-i", ARGS_LIST, "NAME=VALUE",
     "an input: @x.npy, @x.bin, 2x2xf32=1,2,3,4 or 0 (every element)"},
    {"--random", NULL, ARGS_FLAG, NULL, "seeded random numbers for inputs that are not given"},
    {"--seed", NULL, ARGS_VALUE, "N", "of --random (default: 0)"},
    {"--dim", NULL, ARGS_LIST, "NAME=N", "a symbolic dimension, for --random and --input NAME=0"},
    {"--shapes", NULL, ARGS_LIST, "NAME:SHAPE[,..]", "input shapes: x:1x3x224x224,y:scalar"},
    {"--output", "-o", ARGS_LIST, "NAME=@FILE", "write an output as .npy instead of printing it"},
    {"--expect", "-e", ARGS_LIST, "NAME=@FILE", "compare an output with a .npy file"},
    {"--test-data", NULL, ARGS_LIST, "DIR",
     "run on input_*.pb of an ONNX test folder, compare with output_*.pb"},
    {"--outputs", NULL, ARGS_VALUE, "DIR",
     "write DIR/output_J.npy (sequences: output_J_K.npy); a folder for each of several "
     "--test-data"},
    {"--rtol", NULL, ARGS_VALUE, "R", "relative tolerance (default: 1e-3; of bf16 tensors 2^-6)"},
    {"--atol", NULL, ARGS_VALUE, "A", "absolute tolerance (default: 1e-7)"},
    {"--mtol", NULL, ARGS_VALUE, "M", "tolerance as part of the largest expected element"},
    {"--inspect", NULL, ARGS_FLAG, NULL,
     "show inputs, outputs, memory, images and kernels; no run"},
    {"--json", NULL, ARGS_FLAG, NULL, "--inspect as JSON"},
    {"--device", "-d", ARGS_VALUE, "NAME",
     "where to run: cpu, or cuda:N, an NVIDIA GPU (default: cpu)"},
    {"--no-graphs", NULL, ARGS_FLAG, NULL, "on a GPU: call the model in every run, repeat none"},
    {"--check-kernels", NULL, ARGS_FLAG, NULL,
     "on a GPU: wait after each kernel, so that a failure names it"},
    {"--threads", "-t", ARGS_VALUE, "N", "CPU threads (default: one per CPU)"},
    {"--profile", NULL, ARGS_FLAG, NULL, "show the time of each kernel and ONNX node"},
    {"--memory", NULL, ARGS_FLAG, NULL, "show what the buffers of the run took"},
    {"--verify", NULL, ARGS_FLAG, NULL, "compare the weights with their checksum first"},
    {"--quiet", "-q", ARGS_FLAG, NULL, "print no outputs and times"},
    {"--version", NULL, ARGS_FLAG, NULL, "print the version"},
    {"--help", "-h", ARGS_FLAG, NULL, "print this"},
};

static const args_program program = {
    .name = "aicc-run",
    .usage = "aicc-run MODEL.so [options]",
    .about =
        "Runs a model that aicc compiled. Exit codes: 0 done, and equal where something was\n"
        "compared; 3 not equal; 1 the model or an input is wrong, 2 not possible on this\n"
        "machine, 4 a file could not be read or written, 5 no memory.",
    .examples =
        "  aicc-run model.so --input x=@x.npy\n"
        "  aicc-run model.so --input x=2x2xf32=1,2,3,4 --expect y=@y.npy --rtol 1e-4\n"
        "  aicc-run model.so --random --dim batch=8 --profile\n"
        "  aicc-run model.so --test-data test_data_set_0 --outputs out\n",
    .options = option_rows,
    .option_count = sizeof option_rows / sizeof option_rows[0],
};

typedef struct text_list {
  const char *items[LIST_MAX];
  int count;
} text_list;

typedef struct run_options {
  const char *model, *device, *outputs_folder;
  aicc_input_specs specs;
  text_list outputs, expects, test_data;
  aicc_tolerance tolerance;
  long threads;
  bool inspect, json, profile, memory, verify, quiet, no_graphs, check_kernels;
} run_options;

// A model with a session, and what was found to differ.
typedef struct run_state {
  const run_options *options;
  aicc_rt_model *model;
  const aicc_rt_model_info *info;
  aicc_rt_session *session;
  double load_ms;
  bool different;
} run_state;

static double now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return 1e3 * (double)time.tv_sec + 1e-6 * (double)time.tv_nsec;
}

static aicc_status bad(aicc_diags *diags, const char *text) {
  const aicc_loc loc = {0};
  AICC_EMIT(diags, E0801, &loc, text);
  return AICC_INVALID;
}

// ---- command line ------------------------------------------------------------------------------

static int read_list(const args *a, const char *name, const char **items) {
  int count = 0;
  for (const char *text; (text = args_nth(a, name, count)) != NULL; count++) {
    items[count] = text;
  }
  return count;
}

static bool read_options(const args *a, run_options *out) {
  long seed = 0;
  *out = (run_options){.tolerance = AICC_TOLERANCE_ONNX};
  if (args_has(a, "--rtol")) {
    out->tolerance.bf16_rtol = 0;  // what was asked for, then
  }
  if (!args_integer(a, "--threads", 0, 1024, &out->threads) ||
      !args_integer(a, "--seed", 0, LONG_MAX, &seed) ||
      !args_real(a, "--rtol", &out->tolerance.rtol) ||
      !args_real(a, "--atol", &out->tolerance.atol) ||
      !args_real(a, "--mtol", &out->tolerance.mtol)) {
    return false;
  }
  out->model = a->files[0];
  out->device = args_get(a, "--device", "cpu");
  out->outputs_folder = args_get(a, "--outputs", NULL);
  out->specs.input_count = read_list(a, "--input", out->specs.inputs);
  out->specs.dim_count = read_list(a, "--dim", out->specs.dims);
  out->specs.shape_count = read_list(a, "--shapes", out->specs.shapes);
  out->specs.random = args_has(a, "--random");
  out->specs.seed = (uint64_t)seed;
  out->outputs.count = read_list(a, "--output", out->outputs.items);
  out->expects.count = read_list(a, "--expect", out->expects.items);
  out->test_data.count = read_list(a, "--test-data", out->test_data.items);
  out->json = args_has(a, "--json");
  out->inspect = out->json || args_has(a, "--inspect");
  out->profile = args_has(a, "--profile");
  out->memory = args_has(a, "--memory");
  out->verify = args_has(a, "--verify");
  out->quiet = args_has(a, "--quiet");
  out->no_graphs = args_has(a, "--no-graphs");
  out->check_kernels = args_has(a, "--check-kernels");
  return true;
}

// ---- files -------------------------------------------------------------------------------------

// Makes |path| and the folders above it.
static aicc_status make_folder(const char *path, aicc_diags *diags) {
  char *part = aicc_arena_strdup(&diags->arena, path);
  for (char *slash = strchr(part + (part[0] == '/'), '/'); slash != NULL;
       slash = strchr(slash + 1, '/')) {
    *slash = 0;
    (void)mkdir(part, 0777);  // what goes wrong here goes wrong below too
    *slash = '/';
  }
  struct stat found;
  if (mkdir(path, 0777) == 0 || (stat(path, &found) == 0 && S_ISDIR(found.st_mode))) {
    return AICC_OK;
  }
  const aicc_loc loc = {.file = path};
  AICC_EMIT(diags, E0802, &loc, strerror(errno == EEXIST ? ENOTDIR : errno));
  return AICC_IO;
}

// FOLDER/output_J.npy; of a sequence FOLDER/output_J_K.npy; of an absent optional nothing.
static aicc_status write_output(const char *folder, uint32_t index, const aicc_eval_value *value,
                                aicc_diags *diags) {
  if (value->kind == AICC_TYPE_TENSOR) {
    const char *path = aicc_arena_printf(&diags->arena, "%s/output_%u.npy", folder, index);
    return aicc_npy_write(path, value, diags);
  }
  for (int64_t i = 0; i < value->item_count; i++) {
    const char *path =
        aicc_arena_printf(&diags->arena, "%s/output_%u_%lld.npy", folder, index, (long long)i);
    AICC_TRY(aicc_npy_write(path, &value->items[i], diags));
  }
  return AICC_OK;
}

// ---- ONNX test data ----------------------------------------------------------------------------

static aicc_status set_test_inputs(const run_state *state, const aicc_test_values *inputs,
                                   aicc_diags *diags) {
  aicc_status status = AICC_OK;
  for (uint32_t i = 0; i < inputs->count; i++) {
    const aicc_rt_tensor_info *info = &state->info->inputs[i];
    const aicc_eval_value absent = {.kind = AICC_TYPE_OPTIONAL};
    if (!inputs->present[i] && info->kind < AICC_RT_OPTIONAL) {
      status = bad(diags,
                   aicc_arena_printf(&diags->arena, "there is no file for input '%s'", info->name));
      continue;
    }
    const aicc_eval_value *value = inputs->present[i] ? &inputs->values[i] : &absent;
    const aicc_status set = aicc_value_set_input(state->session, info, i, value, diags);
    status = status != AICC_OK ? status : set;
  }
  return status;
}

static aicc_status run_session(const run_state *state, aicc_diags *diags) {
  aicc_rt_error error;
  return aicc_rt_session_run(state->session, &error) == AICC_RT_OK ? AICC_OK
                                                                   : aicc_value_fail(&error, diags);
}

// Writes and compares all outputs; |*differ| counts those that are not equal.
static aicc_status judge_outputs(const run_state *state, const char *set, const char *folder,
                                 const aicc_test_values *expected, uint32_t *differ,
                                 aicc_diags *diags) {
  for (uint32_t i = 0; i < state->info->output_count; i++) {
    aicc_eval_value value;
    AICC_TRY(aicc_value_get_output(state->session, &state->info->outputs[i], i, diags, &value));
    aicc_status status = folder != NULL ? write_output(folder, i, &value, diags) : AICC_OK;
    char text[512];
    if (status == AICC_OK && expected->present[i] &&
        !aicc_compare(&value, &expected->values[i], &state->options->tolerance, text,
                      sizeof text)) {
      printf("%s: output %u '%s' is not equal: %s\n", set, i, state->info->outputs[i].name, text);
      ++*differ;
    }
    aicc_eval_value_deinit(&value);
    AICC_TRY(status);
  }
  return AICC_OK;
}

static const char *base_name(const char *path, aicc_arena *arena) {
  char *copy = aicc_arena_strdup(arena, path);
  for (size_t n = strlen(copy); n > 1 && copy[n - 1] == '/'; n--) {
    copy[n - 1] = 0;
  }
  const char *slash = strrchr(copy, '/');
  return slash != NULL ? slash + 1 : copy;
}

static aicc_status run_loaded_set(run_state *state, const char *set, aicc_test_values *inputs,
                                  aicc_test_values *expected, aicc_diags *diags) {
  const run_options *options = state->options;
  const char *folder = options->outputs_folder;
  AICC_TRY(aicc_test_values_read(set, "input", state->info->inputs, state->info->input_count, diags,
                                 inputs));
  AICC_TRY(aicc_test_values_read(set, "output", state->info->outputs, state->info->output_count,
                                 diags, expected));
  if (inputs->files + expected->files == 0) {
    return bad(diags, "there is no input_*.pb and no output_*.pb");
  }
  if (folder != NULL) {
    AICC_TRY(make_folder(folder, diags));
    if (options->test_data.count > 1) {
      folder = aicc_arena_printf(&diags->arena, "%s/%s", folder, base_name(set, &diags->arena));
      AICC_TRY(make_folder(folder, diags));
    }
  }
  AICC_TRY(set_test_inputs(state, inputs, diags));
  const double start = now_ms();
  AICC_TRY(run_session(state, diags));
  const double took = now_ms() - start;
  uint32_t differ = 0;
  AICC_TRY(judge_outputs(state, set, folder, expected, &differ, diags));
  state->different |= differ > 0;
  if (!options->quiet || differ > 0) {
    printf("%s: ", set);
    if (expected->files == 0) {
      printf("ran, there is nothing to compare with");
    } else if (differ == 0) {
      printf("%u outputs equal", expected->files);
    } else {
      printf("%u of %u outputs are not equal", differ, expected->files);
    }
    printf(" (%.3f ms)\n", took);
  }
  return AICC_OK;
}

static aicc_status run_test_set(run_state *state, const char *set, aicc_diags *all) {
  aicc_diags diags;  // its arena holds what one set needs
  aicc_diags_init(&diags);
  aicc_test_values inputs = {0}, expected = {0};
  const aicc_status status = run_loaded_set(state, set, &inputs, &expected, &diags);
  for (size_t i = 0; i < diags.count; i++) {
    aicc_loc loc = diags.items[i].loc;
    loc.file = loc.file != NULL ? aicc_arena_strdup(&all->arena, loc.file) : set;
    loc.node = loc.op = loc.shapes = NULL;
    AICC_EMIT(all, E0801, &loc, diags.items[i].text);
  }
  aicc_test_values_deinit(&inputs);
  aicc_test_values_deinit(&expected);
  aicc_diags_deinit(&diags);
  return status;
}

static aicc_status run_test_data(run_state *state, aicc_diags *diags) {
  aicc_status status = AICC_OK;
  for (int i = 0; i < state->options->test_data.count; i++) {
    const aicc_status ran = run_test_set(state, state->options->test_data.items[i], diags);
    status = status != AICC_OK ? status : ran;
  }
  return status;
}

// ---- a single run ------------------------------------------------------------------------------

// The file that |list| gives for output |index|, or NULL.
static const char *file_of(const text_list *list, const aicc_rt_model_info *info, uint32_t index) {
  for (int i = 0; i < list->count; i++) {
    uint32_t at = 0;
    const char *rest = aicc_inputs_split(list->items[i], info->outputs, info->output_count, &at);
    if (rest != NULL && at == index && rest[0] == '@') {
      return rest + 1;
    }
  }
  return NULL;
}

static aicc_status check_files(const text_list *list, const aicc_rt_model_info *info,
                               aicc_diags *diags) {
  aicc_status status = AICC_OK;
  for (int i = 0; i < list->count; i++) {
    uint32_t at = 0;
    const char *rest = aicc_inputs_split(list->items[i], info->outputs, info->output_count, &at);
    if (rest == NULL || rest[0] != '@') {
      status = bad(diags, aicc_arena_printf(&diags->arena,
                                            "'%s' should be NAME=@file.npy, with the name of an "
                                            "output",
                                            list->items[i]));
    }
  }
  return status;
}

static aicc_status expect_file(run_state *state, uint32_t index, const char *path,
                               const aicc_eval_value *value, aicc_diags *diags) {
  aicc_eval_value expected = {0};
  AICC_TRY(aicc_npy_read(path, value->dtype, diags, &expected));
  char text[512];
  const bool equal = aicc_compare(value, &expected, &state->options->tolerance, text, sizeof text);
  aicc_eval_value_deinit(&expected);
  state->different |= !equal;
  printf("%s: %s%s%s\n", state->info->outputs[index].name, equal ? "equal to " : "not equal to ",
         path, equal ? "" : ":");
  if (!equal) {
    printf("  %s\n", text);
  }
  return AICC_OK;
}

static aicc_status deliver_output(run_state *state, uint32_t index, const aicc_eval_value *value,
                                  aicc_diags *diags) {
  const run_options *options = state->options;
  const char *to = file_of(&options->outputs, state->info, index);
  const char *expected = file_of(&options->expects, state->info, index);
  if (options->outputs_folder != NULL) {
    AICC_TRY(write_output(options->outputs_folder, index, value, diags));
  }
  if (to != NULL && value->kind != AICC_TYPE_TENSOR) {
    return bad(diags, "--output writes tensors only; --outputs writes sequences too");
  }
  if (to != NULL) {
    AICC_TRY(aicc_npy_write(to, value, diags));
  }
  if (expected != NULL) {
    return expect_file(state, index, expected, value, diags);
  }
  if (to == NULL && options->outputs_folder == NULL && !options->quiet) {
    aicc_print_value(stdout, state->info->outputs[index].name, value);
  }
  return AICC_OK;
}

static aicc_status run_inputs(run_state *state, const aicc_inputs *inputs, aicc_diags *diags) {
  const run_options *options = state->options;
  AICC_TRY(aicc_inputs_set(inputs, state->info, state->session, diags));
  const double start = now_ms();
  AICC_TRY(run_session(state, diags));
  const double took = now_ms() - start;
  if (options->outputs_folder != NULL) {
    AICC_TRY(make_folder(options->outputs_folder, diags));
  }
  for (uint32_t i = 0; i < state->info->output_count; i++) {
    aicc_eval_value value;
    AICC_TRY(aicc_value_get_output(state->session, &state->info->outputs[i], i, diags, &value));
    const aicc_status status = deliver_output(state, i, &value, diags);
    aicc_eval_value_deinit(&value);
    AICC_TRY(status);
  }
  if (!options->quiet) {
    char threads[40] = "";
    if (strcmp(options->device, "cpu") == 0) {
      snprintf(threads, sizeof threads, " with %u threads",
               aicc_rt_session_threads(state->session));
    }
    printf("ran in %.3f ms on %s%s (loaded in %.1f ms)\n", took, options->device, threads,
           state->load_ms);
  }
  return AICC_OK;
}

static aicc_status run_once(run_state *state, aicc_diags *diags) {
  AICC_TRY(check_files(&state->options->outputs, state->info, diags));
  AICC_TRY(check_files(&state->options->expects, state->info, diags));
  aicc_inputs inputs;
  aicc_status status =
      aicc_inputs_make(state->info, &state->options->specs, stderr, diags, &inputs);
  if (status == AICC_OK) {
    status = run_inputs(state, &inputs, diags);
  }
  aicc_inputs_deinit(&inputs);
  return status;
}

// ---- inspection --------------------------------------------------------------------------------

// Plans the memory where all dimensions are fixed or given.
static bool measure(run_state *state, aicc_rt_memory *memory) {
  if (state->session == NULL) {
    return false;
  }
  aicc_diags quiet;
  aicc_diags_init(&quiet);
  aicc_input_specs specs = state->options->specs;
  specs.random = specs.empty_sequences = true;
  bool known = true;
  for (uint32_t i = 0; i < state->info->input_count; i++) {
    const aicc_rt_tensor_info *info = &state->info->inputs[i];
    for (int32_t d = 0; d < info->rank; d++) {
      known &= info->dims[d] >= 0 || specs.dim_count + specs.shape_count > 0;
    }
  }
  aicc_inputs inputs = {0};
  known = known && aicc_inputs_make(state->info, &specs, stderr, &quiet, &inputs) == AICC_OK &&
          aicc_inputs_set(&inputs, state->info, state->session, &quiet) == AICC_OK &&
          aicc_rt_session_measure(state->session, NULL) == AICC_RT_OK;
  aicc_inputs_deinit(&inputs);
  aicc_diags_deinit(&quiet);
  if (known) {
    aicc_rt_session_memory(state->session, memory);
  }
  return known;
}

static aicc_status inspect(run_state *state) {
  aicc_rt_memory memory;
  const bool known = measure(state, &memory);
  const char *missing = state->session != NULL ? "give symbolic dimensions with --dim"
                                               : "--device NAME, where there is such a device";
  if (state->options->json) {
    aicc_inspect_json(stdout, state->info, known ? &memory : NULL);
  } else {
    aicc_inspect_text(stdout, state->info, known ? &memory : NULL, missing);
  }
  return AICC_OK;
}

// ---- main --------------------------------------------------------------------------------------

static aicc_status open_model(run_state *state, aicc_diags *diags) {
  const run_options *options = state->options;
  const double start = now_ms();
  const aicc_rt_model_options model_options = {NULL, options->verify};
  const aicc_rt_session_options session_options = {.threads = (uint32_t)options->threads,
                                                   .profile = options->profile,
                                                   .no_graphs = options->no_graphs,
                                                   .check_kernels = options->check_kernels};
  aicc_rt_error error;
  state->model = aicc_rt_model_open(options->model, &model_options, &error);
  if (state->model != NULL) {
    state->info = aicc_rt_model_describe(state->model);
    state->session =
        aicc_rt_session_create(state->model, options->device, &session_options, &error);
  }
  state->load_ms = now_ms() - start;
  if (state->model != NULL && options->inspect && error.code == AICC_RT_UNAVAILABLE) {
    return AICC_OK;  // what is in a model can be said anywhere
  }
  return state->session != NULL ? AICC_OK : aicc_value_fail(&error, diags);
}

// In bytes: for programs as well as people.
static void print_memory(const run_state *state) {
  aicc_rt_memory memory;
  aicc_rt_session_memory(state->session, &memory);
  printf("memory: arena %llu bytes, largest sum of live buffers %llu bytes\n",
         (unsigned long long)memory.arena_bytes, (unsigned long long)memory.live_bytes);
}

static aicc_status run_model(run_state *state, aicc_diags *diags) {
  AICC_TRY(open_model(state, diags));
  if (state->options->inspect) {
    return inspect(state);
  }
  AICC_TRY(state->options->test_data.count > 0 ? run_test_data(state, diags)
                                               : run_once(state, diags));
  if (state->options->memory) {
    print_memory(state);
  }
  if (state->options->profile) {
    aicc_profile profile;
    aicc_profile_read(state->session, &diags->arena, &profile);
    aicc_profile_print(stdout, &profile, 40);
  }
  return AICC_OK;
}

int main(int argc, char **argv) {
  static args a;
  static run_options options;
  const int early = args_begin(&a, &program, argc, argv);
  if (early >= 0) {
    return early;
  }
  if (!read_options(&a, &options)) {
    return AICC_INVALID;
  }
  aicc_diags diags;
  aicc_diags_init(&diags);
  run_state state = {.options = &options};
  const aicc_status status = run_model(&state, &diags);
  fflush(stdout);
  aicc_diags_print(&diags, stderr);
  aicc_rt_session_destroy(state.session);
  aicc_rt_model_close(state.model);
  aicc_diags_deinit(&diags);
  return status != AICC_OK ? (int)status : state.different ? EXIT_NOT_EQUAL : AICC_OK;
}
