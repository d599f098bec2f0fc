// aicc-bench: how long a model takes, and where the time goes.
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "tools/args.h"
#include "tools/inputs.h"
#include "tools/json.h"
#include "tools/print.h"
#include "tools/profile.h"
#include "tools/stats.h"
#include "tools/test_data.h"
#include "tools/value.h"

enum {
  SAMPLES_MAX = 1 << 20,
  PROFILE_RUNS_MAX = 50,
};

// Above this part of the mean, the spread is worth a warning.
#define COV_LIMIT 0.025

static const args_option option_rows[] = {
    {"--warmup", NULL, ARGS_VALUE, "MS", "run this long before measuring (default: 200 ms)"},
    {"--duration", NULL, ARGS_VALUE, "S", "measure at least this long (default: 3 s)"},
    {"--iterations", NULL, ARGS_VALUE, "N", "and at least this many runs (default: 10)"},
    {"--threads", "-t", ARGS_VALUE, "N", "CPU threads (default: one per CPU)"},
    {"--device", "-d", ARGS_VALUE, "NAME",
     "where to run: cpu, or cuda:N, an NVIDIA GPU (default: cpu)"},
    {"--on-device", NULL, ARGS_FLAG, NULL,
     "on a GPU: inputs and outputs stay there, no run copies them"},
    {"--no-graphs", NULL, ARGS_FLAG, NULL, "on a GPU: call the model in every run, repeat none"},
    {"--dim", NULL, ARGS_LIST, "NAME=N", "a symbolic dimension (default: 1)"},
    {"--shapes", NULL, ARGS_LIST, "NAME:SHAPE[,..]", "input shapes: x:1x3x224x224,y:scalar"},
    {"--input", "-i", ARGS_LIST, "NAME=VALUE",
     "an input: @x.npy, @x.bin, 2x2xf32=1,2,3,4 or 0 (every element); others are random"},
    {"--test-data", NULL, ARGS_VALUE, "DIR", "take the inputs from input_*.pb of this folder"},
    {"--seed", NULL, ARGS_VALUE, "N", "of the random inputs (default: 0)"},
    {"--no-profile", NULL, ARGS_FLAG, NULL, "leave out the profile, which is a run of its own"},
    {"--max-rows", NULL, ARGS_VALUE, "N", "of the profile's tables (default: 20)"},
    {"--json", NULL, ARGS_VALUE, "FILE",
     "write everything as JSON too (-: to the terminal, alone)"},
    {"--version", NULL, ARGS_FLAG, NULL, "print the version"},
    {"--help", "-h", ARGS_FLAG, NULL, "print this"},
};

static const args_program program = {
    .name = "aicc-bench",
    .usage = "aicc-bench MODEL.so [options]",
    .about =
        "Measures a model that aicc compiled: load, latency, throughput, memory, profile. Runs\n"
        "follow one another; inputs and outputs are in memory of the host, or see\n"
        "--on-device. The time of a kernel that computes\n"
        "several ONNX nodes is shared equally among them. Exit codes: 0 done, 1 the model or an\n"
        "input is wrong, 2 not possible on this machine, 4 a file could not be read or written,\n"
        "5 no memory.",
    .examples =
        "  aicc-bench model.so --threads 2 --dim batch=1\n"
        "  aicc-bench model.so --test-data test_data_set_0 --json result.json\n",
    .options = option_rows,
    .option_count = sizeof option_rows / sizeof option_rows[0],
};

typedef struct bench_options {
  const char *model, *device, *json, *test_data;
  aicc_input_specs specs;
  double warmup_ms, duration_s;
  long iterations, threads, max_rows;
  bool no_profile, no_graphs, on_device;
} bench_options;

typedef struct bench_result {
  uint32_t threads;
  double load_ms, first_ms, wall_s;
  aicc_stats latency;  // milliseconds
  aicc_rt_memory memory;
  uint64_t peak_rss;  // bytes of the process
  aicc_profile profile;
} bench_result;

typedef struct bench_state {
  const bench_options *options;
  aicc_rt_model *model;
  const aicc_rt_model_info *info;
  aicc_rt_session *session;
  bench_result result;
} bench_state;

static double now_ms(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return 1e3 * (double)time.tv_sec + 1e-6 * (double)time.tv_nsec;
}

// ---- command line ------------------------------------------------------------------------------

static int read_list(const args *a, const char *name, const char **items) {
  int count = 0;
  for (const char *text; (text = args_nth(a, name, count)) != NULL; count++) {
    items[count] = text;
  }
  return count;
}

static bool read_options(const args *a, bench_options *out) {
  long seed = 0;
  *out = (bench_options){.warmup_ms = 200,
                         .duration_s = 3,
                         .iterations = 10,
                         .max_rows = 20,
                         .specs = {.random = true}};
  if (!args_integer(a, "--threads", 0, 1024, &out->threads) ||
      !args_integer(a, "--iterations", 1, SAMPLES_MAX, &out->iterations) ||
      !args_integer(a, "--max-rows", 1, LONG_MAX, &out->max_rows) ||
      !args_integer(a, "--seed", 0, LONG_MAX, &seed) ||
      !args_real(a, "--warmup", &out->warmup_ms) || !args_real(a, "--duration", &out->duration_s)) {
    return false;
  }
  out->model = a->files[0];
  out->device = args_get(a, "--device", "cpu");
  out->test_data = args_get(a, "--test-data", NULL);
  out->json = args_get(a, "--json", NULL);
  out->no_profile = args_has(a, "--no-profile");
  out->no_graphs = args_has(a, "--no-graphs");
  out->on_device = args_has(a, "--on-device");
  out->specs.input_count = read_list(a, "--input", out->specs.inputs);
  out->specs.dim_count = read_list(a, "--dim", out->specs.dims);
  out->specs.shape_count = read_list(a, "--shapes", out->specs.shapes);
  out->specs.seed = (uint64_t)seed;
  return true;
}

// ---- measuring ---------------------------------------------------------------------------------

static aicc_status run(bench_state *state, double *took, aicc_diags *diags) {
  aicc_rt_error error;
  const double start = now_ms();
  const aicc_rt_status status = aicc_rt_session_run(state->session, &error);
  *took = now_ms() - start;
  return status == AICC_RT_OK ? AICC_OK : aicc_value_fail(&error, diags);
}

static aicc_status warm_up(bench_state *state, aicc_diags *diags) {
  double took = 0, sum = 0;
  AICC_TRY(run(state, &state->result.first_ms, diags));
  while (sum < state->options->warmup_ms) {
    AICC_TRY(run(state, &took, diags));
    sum += took > 1e-4 ? took : 1e-4;
  }
  return AICC_OK;
}

static aicc_status measure(bench_state *state, double *samples, aicc_diags *diags) {
  const bench_options *options = state->options;
  size_t count = 0;
  const double start = now_ms();
  double now = start;
  while (count < SAMPLES_MAX &&
         ((int64_t)count < options->iterations || now - start < 1e3 * options->duration_s)) {
    AICC_TRY(run(state, &samples[count++], diags));
    now = now_ms();
  }
  state->result.wall_s = 1e-3 * (now - start);
  state->result.latency = aicc_stats_of(samples, count);
  return AICC_OK;
}

// Runs of their own, because reading clocks takes time too.
static aicc_status profile(bench_state *state, aicc_diags *diags) {
  aicc_rt_session_set_profile(state->session, true);
  double took = 0, sum = 0;
  for (int i = 0; i < PROFILE_RUNS_MAX && (i < 3 || sum < 1000); i++) {
    AICC_TRY(run(state, &took, diags));
    sum += took;
  }
  aicc_rt_session_set_profile(state->session, false);
  aicc_profile_read(state->session, &diags->arena, &state->result.profile);
  return AICC_OK;
}

static uint64_t peak_rss(void) {
  struct rusage usage;
  return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

static aicc_status keep_inputs(bench_state *state, aicc_diags *diags) {
  aicc_rt_error error;
  for (uint32_t i = 0; state->options->on_device && i < state->info->input_count; i++) {
    if (aicc_rt_session_keep_input(state->session, i, &error) != AICC_RT_OK) {
      return aicc_value_fail(&error, diags);
    }
  }
  return AICC_OK;
}

static aicc_status measure_all(bench_state *state, aicc_diags *diags) {
  AICC_TRY(keep_inputs(state, diags));
  double *samples = malloc(SAMPLES_MAX * sizeof *samples);
  if (samples == NULL) {
    return AICC_RESOURCE;
  }
  aicc_status status = warm_up(state, diags);
  if (status == AICC_OK) {
    status = measure(state, samples, diags);
  }
  free(samples);
  if (status == AICC_OK && !state->options->no_profile) {
    status = profile(state, diags);
  }
  aicc_rt_session_memory(state->session, &state->result.memory);
  state->result.peak_rss = peak_rss();
  return status;
}

// ---- report ------------------------------------------------------------------------------------

static void print_bytes_row(const char *name, uint64_t bytes) {
  printf("  %-28s ", name);
  aicc_print_bytes(stdout, bytes);
  putchar('\n');
}

static void print_warnings(const bench_result *r) {
  if (r->latency.cov > COV_LIMIT) {
    printf(
        "warning: the times vary by %.1f %% (standard deviation over mean); a quieter machine, "
        "fixed clocks or a longer --duration help\n",
        100 * r->latency.cov);
  }
  if (r->latency.count < 30) {
    printf(
        "warning: only %zu runs were measured: p95 and p99 mean little; a longer --duration "
        "helps\n",
        r->latency.count);
  }
}

static void print_report(const bench_state *state) {
  const bench_result *r = &state->result;
  const aicc_stats *l = &r->latency;
  const bool on_cpu = strcmp(state->options->device, "cpu") == 0;
  printf("%s on %s", state->info->path, state->options->device);
  if (on_cpu) {
    printf(", %u threads", r->threads);
  }
  putchar('\n');
  printf("load             %.3f ms\n", r->load_ms);
  printf("first inference  %.3f ms\n", r->first_ms);
  printf(
      "latency          min %.4g  mean %.4g  median %.4g  p90 %.4g  p95 %.4g  p99 %.4g  max %.4g "
      "ms (%zu runs in %.2f s)\n",
      l->min, l->mean, l->median, l->p90, l->p95, l->p99, l->max, l->count, r->wall_s);
  printf("throughput       %.5g inferences/s\n", (double)l->count / r->wall_s);
  printf("memory\n");
  print_bytes_row(on_cpu ? "weights (mapped)" : "weights", r->memory.weights_bytes);
  print_bytes_row("arena", r->memory.arena_bytes);
  print_bytes_row("largest sum of live buffers", r->memory.live_bytes);
  print_bytes_row("outputs and the like", r->memory.dynamic_bytes);
  print_bytes_row(on_cpu ? "scratch of all threads" : "scratch of kernels",
                  r->memory.scratch_bytes);
  if (!on_cpu) {
    print_bytes_row("host memory for copies", r->memory.staging_bytes);
  }
  print_bytes_row("process, at most resident", r->peak_rss);
  aicc_profile_print(stdout, &r->profile, (size_t)state->options->max_rows);
  print_warnings(r);
}

static void json_number(FILE *out, const char *key, double value, const char *after) {
  fprintf(out, "\"%s\": ", key);
  aicc_json_number(out, value);
  fputs(after, out);
}

static void write_json(FILE *out, const bench_state *state) {
  const bench_result *r = &state->result;
  const aicc_stats *l = &r->latency;
  fputs("{\n  \"schema\": 1,\n  \"model\": ", out);
  aicc_json_string(out, state->info->path);
  fputs(",\n  \"device\": ", out);
  aicc_json_string(out, state->options->device);
  fprintf(out, ",\n  \"threads\": %u,\n  ", r->threads);
  json_number(out, "load_ms", r->load_ms, ",\n  ");
  json_number(out, "first_inference_ms", r->first_ms, ",\n  \"latency_ms\": {");
  json_number(out, "min", l->min, ", ");
  json_number(out, "mean", l->mean, ", ");
  json_number(out, "median", l->median, ", ");
  json_number(out, "p90", l->p90, ", ");
  json_number(out, "p95", l->p95, ", ");
  json_number(out, "p99", l->p99, ", ");
  json_number(out, "max", l->max, ", ");
  json_number(out, "cov", l->cov, "},\n");
  fprintf(out, "  \"runs\": %zu,\n  ", l->count);
  json_number(out, "wall_s", r->wall_s, ",\n  ");
  json_number(out, "throughput", (double)l->count / r->wall_s, ",\n");
  fprintf(out,
          "  \"memory\": {\"weights_bytes\": %llu, \"arena_bytes\": %llu, "
          "\"live_bytes\": %llu, \"dynamic_bytes\": %llu, \"scratch_bytes\": %llu, "
          "\"staging_bytes\": %llu, \"peak_rss_bytes\": %llu},\n  \"profile\": ",
          (unsigned long long)r->memory.weights_bytes, (unsigned long long)r->memory.arena_bytes,
          (unsigned long long)r->memory.live_bytes, (unsigned long long)r->memory.dynamic_bytes,
          (unsigned long long)r->memory.scratch_bytes,
          (unsigned long long)r->memory.staging_bytes, (unsigned long long)r->peak_rss);
  if (r->profile.runs > 0) {
    aicc_profile_json(out, &r->profile);
  } else {
    fputs("null", out);
  }
  fputs("\n}\n", out);
}

static aicc_status report(const bench_state *state, aicc_diags *diags) {
  const char *path = state->options->json;
  if (path != NULL && strcmp(path, "-") == 0) {
    write_json(stdout, state);
    return AICC_OK;
  }
  print_report(state);
  if (path == NULL) {
    return AICC_OK;
  }
  FILE *out = fopen(path, "w");
  if (out != NULL) {
    write_json(out, state);
  }
  const bool failed = out == NULL || ferror(out) != 0;
  if ((out != NULL && fclose(out) != 0) || failed) {
    const aicc_loc loc = {.file = path};
    AICC_EMIT(diags, E0802, &loc, "is the folder there, and the disk not full?");
    return AICC_IO;
  }
  return AICC_OK;
}

// ---- main --------------------------------------------------------------------------------------

static aicc_status open_model(bench_state *state, aicc_diags *diags) {
  aicc_rt_error error;
  const aicc_rt_session_options options = {.threads = (uint32_t)state->options->threads,
                                           .no_graphs = state->options->no_graphs,
                                           .outputs_on_device = state->options->on_device};
  const double start = now_ms();
  state->model = aicc_rt_model_open(state->options->model, NULL, &error);
  if (state->model != NULL) {
    state->info = aicc_rt_model_describe(state->model);
    state->session = aicc_rt_session_create(state->model, state->options->device, &options, &error);
  }
  state->result.load_ms = now_ms() - start;
  if (state->session == NULL) {
    return aicc_value_fail(&error, diags);
  }
  state->result.threads = aicc_rt_session_threads(state->session);
  return AICC_OK;
}

static aicc_status bench_test_data(bench_state *state, aicc_diags *diags) {
  aicc_test_values values = {0};
  aicc_status status =
      aicc_test_values_read(state->options->test_data, "input", state->info->inputs,
                            state->info->input_count, diags, &values);
  for (uint32_t i = 0; status == AICC_OK && i < values.count; i++) {
    if (values.present[i]) {
      status = aicc_value_set_input(state->session, &state->info->inputs[i], i, &values.values[i],
                                    diags);
    }
  }
  if (status == AICC_OK) {
    status = measure_all(state, diags);
  }
  aicc_test_values_deinit(&values);
  return status;
}

static aicc_status bench_inputs(bench_state *state, aicc_diags *diags) {
  aicc_inputs inputs;
  aicc_status status =
      aicc_inputs_make(state->info, &state->options->specs, stderr, diags, &inputs);
  if (status == AICC_OK) {
    status = aicc_inputs_set(&inputs, state->info, state->session, diags);
  }
  if (status == AICC_OK) {
    status = measure_all(state, diags);
  }
  aicc_inputs_deinit(&inputs);
  return status;
}

static aicc_status bench(bench_state *state, aicc_diags *diags) {
  AICC_TRY(open_model(state, diags));
  AICC_TRY(state->options->test_data != NULL ? bench_test_data(state, diags)
                                             : bench_inputs(state, diags));
  return report(state, diags);
}

int main(int argc, char **argv) {
  static args a;
  static bench_options options;
  const int early = args_begin(&a, &program, argc, argv);
  if (early >= 0) {
    return early;
  }
  if (!read_options(&a, &options)) {
    return AICC_INVALID;
  }
  aicc_diags diags;
  aicc_diags_init(&diags);
  bench_state state = {.options = &options};
  const aicc_status status = bench(&state, &diags);
  fflush(stdout);
  aicc_diags_print(&diags, stderr);
  aicc_rt_session_destroy(state.session);
  aicc_rt_model_close(state.model);
  aicc_diags_deinit(&diags);
  return (int)status;
}
