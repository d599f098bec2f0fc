// Runs ONNX cases (model.onnx, test_data_set_N/, case.json) through the importers and the reference
// interpreter: it judges both. With --passes LIST, also after those passes, verified each.
//
// usage: onnx_eval [--passes LIST] [--xfail FILE [--bless]] [--of-max X] [--verbose] FOLDER
// [NAME...]
//
// FOLDER holds the cases; NAME is a pattern (test_conv*). Every case runs in a process of its own.
// A failure that FILE does not list is a fault; so is a listed case that passes. --bless rewrites
// FILE. What the importers say they do not support is counted only: tests/onnx lists it.
// Exit: 0 as expected, 1 not, 77 no cases are there.
#include <dirent.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "eval/case_data.h"
#include "frontend/onnx_import.h"
#include "passes/pass.h"
#include "time_limit.h"

enum { MAX_VALUES = 128, REASON_SIZE = 240, CASE_SECONDS = 120 };
enum { CASE_PASSES, CASE_FAILS, CASE_UNSUPPORTED };  // exit codes of a case's process

typedef struct options {
  const char *passes, *xfail, *folder;
  bool bless, verbose;
  double of_max;
  char **names;
  int name_count;
} options;

typedef struct run {
  const options *options;
  const char *folder;
  aicc_module *module;
  aicc_diags diags;
  case_tolerance tolerance;
  bool unsupported;
  char *reason;  // REASON_SIZE
} run;

// --- one case ------------------------------------------------------------------------------------

// The number behind "key": in case.json.
static double fact(const char *text, const char *key, double otherwise) {
  const char *at = strstr(text, key);
  at = at ? strchr(at, ':') : NULL;
  return at ? strtod(at + 1, NULL) : otherwise;
}

static void read_facts(run *r) {
  char path[4096], text[1024] = "";
  snprintf(path, sizeof path, "%s/case.json", r->folder);
  FILE *file = fopen(path, "rb");
  if (file) {
    text[fread(text, 1, sizeof text - 1, file)] = 0;
    fclose(file);
  }
  r->tolerance = (case_tolerance){.rtol = fact(text, "\"rtol\"", 1e-3),
                                  .atol = fact(text, "\"atol\"", 1e-7),
                                  .of_max = r->options->of_max};
}

// The first error as the reason, in one line.
static bool failed(run *r, const char *what) {
  const char *text = r->diags.count ? r->diags.items[0].text : "no diagnostic";
  snprintf(r->reason, REASON_SIZE, "%s: %s", what, text);
  for (char *c = r->reason; *c; c++) {
    *c = *c == '\n' ? ' ' : *c;
  }
  return false;
}

static bool check_outputs(run *r, const char *set, const aicc_eval_value *outputs) {
  for (int i = 0; i < r->module->body->result_count; i++) {
    aicc_eval_value wanted = {.kind = AICC_TYPE_TENSOR};
    char why[160] = "";
    if (!case_read_value(set, "output", i, &r->module->body->results[i]->type, &r->diags,
                         &wanted)) {
      return failed(r, "an expected output cannot be read");
    }
    const bool equal = case_equal(&outputs[i], &wanted, &r->tolerance, why, sizeof why);
    aicc_eval_value_deinit(&wanted);
    if (!equal) {
      snprintf(r->reason, REASON_SIZE, "output %d: %s", i, why);
      return false;
    }
  }
  return true;
}

static bool run_set(run *r, const char *set) {
  const aicc_region *body = r->module->body;
  aicc_eval_value inputs[MAX_VALUES] = {0}, outputs[MAX_VALUES] = {0};
  bool good = body->param_count < MAX_VALUES && body->result_count < MAX_VALUES;
  for (int i = 0; i < body->param_count && good; i++) {
    good = case_read_value(set, "input", i, &body->params[i]->type, &r->diags, &inputs[i]);
  }
  if (!good) {
    return failed(r, "an input cannot be read");
  }
  good = aicc_eval_graph(r->module, inputs, outputs, &r->diags) == AICC_OK
             ? check_outputs(r, set, outputs)
             : failed(r, "eval");
  for (int i = 0; i < body->param_count; i++) {
    aicc_eval_value_deinit(&inputs[i]);
  }
  for (int i = 0; i < body->result_count; i++) {
    aicc_eval_value_deinit(&outputs[i]);
  }
  return good;
}

static bool run_sets(run *r) {
  int count = 0;
  for (;; count++) {
    char set[4096];
    struct stat info;
    snprintf(set, sizeof set, "%s/test_data_set_%d", r->folder, count);
    if (stat(set, &info) != 0) {
      break;
    }
    if (!run_set(r, set)) {
      return false;
    }
  }
  return count > 0 || failed(r, "it has no data sets");
}

static bool run_case(run *r) {
  char path[4096];
  snprintf(path, sizeof path, "%s/model.onnx", r->folder);
  const aicc_status status = aicc_import_path(path, NULL, &r->diags, &r->module);
  if (status != AICC_OK) {
    r->unsupported = status == AICC_UNSUPPORTED;
    return failed(r, "import");
  }
  if (aicc_verify(r->module, &r->diags) != AICC_OK) {
    return failed(r, "verify");
  }
  if (!run_sets(r) || !r->options->passes) {
    return !*r->reason;
  }
  const aicc_pass_options passes = {.check = true};
  if (aicc_run_passes(r->module, r->options->passes, &passes, &r->diags) != AICC_OK) {
    return failed(r, "passes");
  }
  if (run_sets(r)) {
    return true;
  }
  char why[REASON_SIZE];
  snprintf(why, sizeof why, "after the passes: %.200s", r->reason);
  memcpy(r->reason, why, sizeof why);
  return false;
}

// In the child: what it writes to |out| is the reason; nothing where it passes.
static void child(const options *o, const char *folder, int out) {
  char reason[REASON_SIZE] = "";
  run r = {.options = o, .folder = folder, .reason = reason};
  limit_time(CASE_SECONDS);
  aicc_diags_init(&r.diags);
  read_facts(&r);
  const bool good = run_case(&r);
  if (!good && o->verbose) {
    aicc_diags_print(&r.diags, stderr);
    if (r.module) {
      aicc_module_print(r.module, stderr);
    }
  }
  if (!good && write(out, reason, strlen(reason)) < 0) {
    _exit(CASE_FAILS);
  }
  aicc_module_destroy(r.module);
  aicc_diags_deinit(&r.diags);
  _exit(good ? CASE_PASSES : r.unsupported ? CASE_UNSUPPORTED : CASE_FAILS);
}

static int outcome(const options *o, const char *folder, char *reason) {
  int pipe_ends[2], status = 0;
  memset(reason, 0, REASON_SIZE);
  if (pipe(pipe_ends) != 0) {
    return CASE_FAILS;
  }
  const pid_t pid = fork();
  if (pid == 0) {
    child(o, folder, pipe_ends[1]);
  }
  close(pipe_ends[1]);
  size_t at = 0;
  for (ssize_t got = 1; got > 0 && at < REASON_SIZE - 1; at += (size_t)got) {
    got = read(pipe_ends[0], reason + at, REASON_SIZE - 1 - at);
    got = got < 0 ? 0 : got;
  }
  close(pipe_ends[0]);
  waitpid(pid, &status, 0);
  if (WIFSIGNALED(status)) {
    snprintf(reason, REASON_SIZE, "crash: signal %d", WTERMSIG(status));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : CASE_FAILS;
}

// --- all cases -----------------------------------------------------------------------------------

// Whether |xfail| (the text of the file) has a line "NAME  reason".
static bool is_listed(const char *xfail, const char *name) {
  const size_t length = strlen(name);
  for (const char *at = xfail; at && *at; at = strchr(at, '\n') ? strchr(at, '\n') + 1 : NULL) {
    if (strncmp(at, name, length) == 0 && (at[length] == ' ' || at[length] == '\n')) {
      return true;
    }
  }
  return false;
}

static char *read_text(const char *path) {
  char *text = NULL;
  size_t size = 0;
  FILE *file = path ? fopen(path, "rb") : NULL;
  FILE *out = open_memstream(&text, &size);
  for (int c = file ? fgetc(file) : EOF; c != EOF; c = fgetc(file)) {
    fputc(c, out);
  }
  fclose(out);
  if (file) {
    fclose(file);
  }
  return text;
}

static bool is_chosen(const options *o, const char *name) {
  for (int i = 0; i < o->name_count; i++) {
    if (fnmatch(o->names[i], name, 0) == 0) {
      return true;
    }
  }
  return o->name_count == 0;
}

typedef struct tally {
  int passed, failed, unsupported, faults;
} tally;

static void judge(const options *o, const char *name, const char *xfail, FILE *blessed, tally *t) {
  char folder[4096], model[4200], reason[REASON_SIZE];
  struct stat info;
  snprintf(folder, sizeof folder, "%s/%s", o->folder, name);
  snprintf(model, sizeof model, "%s/model.onnx", folder);
  if (stat(model, &info) != 0 || !is_chosen(o, name)) {
    return;
  }
  const int result = outcome(o, folder, reason);
  const bool good = result == CASE_PASSES, listed = is_listed(xfail, name);
  t->unsupported += result == CASE_UNSUPPORTED;
  if (result == CASE_UNSUPPORTED) {
    if (o->verbose) {
      printf("       %s: %s\n", name, reason);
    }
    return;
  }
  t->passed += good;
  t->failed += !good;
  if (good == listed) {
    t->faults++;
    printf("%s %s: %s\n", good ? "PASSES" : "FAILS ", name,
           good ? "it is listed as failing; remove its line" : reason);
    fflush(stdout);
  }
  if (!good && blessed) {
    fprintf(blessed, "%s  %s\n", name, reason);
  }
}

static int by_name(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

static int run_all(const options *o) {
  struct dirent **entries = NULL;
  const int count = scandir(o->folder, &entries, NULL, by_name);
  char *xfail = read_text(o->xfail), *text = NULL;
  size_t size;
  FILE *blessed = open_memstream(&text, &size);
  tally t = {0};
  for (int i = 0; i < count; i++) {
    judge(o, entries[i]->d_name, xfail, blessed, &t);
    free(entries[i]);
  }
  fclose(blessed);
  free(entries);
  if (o->bless && o->xfail) {
    FILE *file = fopen(o->xfail, "wb");
    if (file) {
      fputs(text, file);
      fclose(file);
    }
  }
  printf("%d passed, %d failed (%d not as listed), %d not supported by the importers\n", t.passed,
         t.failed, t.faults, t.unsupported);
  free(xfail);
  free(text);
  return t.passed + t.failed == 0 ? 77 : t.faults && !o->bless ? 1 : 0;
}

int main(int argc, char **argv) {
  options o = {0};
  int i = 1;
  for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
    const bool has_value = i + 1 < argc;
    if (strcmp(argv[i], "--bless") == 0) {
      o.bless = true;
    } else if (strcmp(argv[i], "--verbose") == 0) {
      o.verbose = true;
    } else if (strcmp(argv[i], "--passes") == 0 && has_value) {
      o.passes = argv[++i];
    } else if (strcmp(argv[i], "--xfail") == 0 && has_value) {
      o.xfail = argv[++i];
    } else if (strcmp(argv[i], "--of-max") == 0 && has_value) {
      o.of_max = strtod(argv[++i], NULL);
    } else {
      fprintf(stderr, "unknown option %s\n", argv[i]);
      return 2;
    }
  }
  if (i >= argc) {
    fprintf(stderr, "usage: onnx_eval [options] FOLDER [NAME...]\n");
    return 2;
  }
  o.folder = argv[i];
  o.names = argv + i + 1;
  o.name_count = argc - i - 1;
  return run_all(&o);
}
