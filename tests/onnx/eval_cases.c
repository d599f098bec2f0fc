// Imports ONNX cases and runs them with the reference interpreter: what importers of operators mean,
// without any target.
//
//   eval_cases [--list FILE] [--quiet] FOLDER...
//
// A FOLDER is a case (it has model.onnx and test_data_set_N/), or is full of cases. Every case runs in
// a process of its own. One line per case that fails, then a summary. FILE lists the names of cases
// that fail today, one a line, `#` and blanks after the name being a reason: exit 0 where exactly
// those fail, 1 otherwise, 77 where there are no cases.
#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frontend/onnx_import.h"
#include "frontend/onnx_tensor.h"
#include "ir/eval.h"

enum { CASE_SECONDS = 60, VALUES_MAX = 256, REASON_MAX = 400 };

// |difference| <= atol + rtol * |expected|, or <= of_max * the greatest |expected| of the tensor.
typedef struct tolerance { double rtol, atol, of_max; } tolerance;

// --- values of test data ----------------------------------------------------------------------------

static bool from_tensor(aicc_onnx_file *file, const Onnx__TensorProto *proto, aicc_diags *diags,
                        aicc_eval_value *out) {
  aicc_onnx_tensor read;
  const aicc_loc loc = {0};
  if (aicc_onnx_tensor_read(file, proto, &loc, diags, &read) != AICC_OK) {
    return false;
  }
  const aicc_view view = aicc_view_align(read.bytes, 16);
  *out = (aicc_eval_value){.kind = AICC_TYPE_TENSOR,
                           .dtype = read.dtype,
                           .rank = (int)read.rank,
                           .data = (void *)(uintptr_t)aicc_view_data(view),
                           .buf = view.buf};
  for (size_t i = 0; i < read.rank; i++) {
    out->shape[i] = read.dims[i];
  }
  aicc_onnx_tensor_deinit(&read);
  return true;
}

static bool from_sequence(aicc_onnx_file *file, const Onnx__SequenceProto *proto,
                          aicc_diags *diags, aicc_eval_value *out) {
  *out = (aicc_eval_value){.kind = AICC_TYPE_SEQUENCE};
  out->items = calloc(proto->n_tensor_values + 1, sizeof *out->items);
  for (size_t i = 0; i < proto->n_tensor_values; i++) {
    if (!from_tensor(file, proto->tensor_values[i], diags, &out->items[i])) {
      return false;
    }
    out->item_count++;
    out->dtype = out->items[i].dtype;
  }
  return true;
}

static bool from_optional(aicc_onnx_file *file, const Onnx__OptionalProto *proto,
                          aicc_diags *diags, aicc_eval_value *out) {
  *out = (aicc_eval_value){.kind = AICC_TYPE_OPTIONAL};
  out->items = calloc(1, sizeof *out->items);
  if (proto->tensor_value || proto->sequence_value) {
    out->item_count = 1;
    return proto->tensor_value ? from_tensor(file, proto->tensor_value, diags, out->items)
                               : from_sequence(file, proto->sequence_value, diags, out->items);
  }
  return true;
}

static bool read_value(const char *path, const aicc_type *type, aicc_diags *diags,
                       aicc_eval_value *out) {
  static const aicc_onnx_kind kinds[] = {
      [AICC_TYPE_TENSOR] = AICC_ONNX_TENSOR,
      [AICC_TYPE_SEQUENCE] = AICC_ONNX_SEQUENCE,
      [AICC_TYPE_OPTIONAL] = AICC_ONNX_OPTIONAL,
  };
  aicc_onnx_file *file;
  if (aicc_onnx_file_open(path, kinds[type->kind], diags, &file) != AICC_OK) {
    return false;
  }
  const bool good = type->kind == AICC_TYPE_TENSOR     ? from_tensor(file, file->tensor, diags, out)
                    : type->kind == AICC_TYPE_SEQUENCE ? from_sequence(file, file->sequence, diags, out)
                                                       : from_optional(file, file->optional, diags, out);
  aicc_onnx_file_close(file);
  return good;
}

// --- comparison -------------------------------------------------------------------------------------

static bool close_enough(double have, double want, tolerance t) {
  if (isnan(want) || isnan(have)) {
    return isnan(want) && isnan(have);
  }
  return have == want || fabs(have - want) <= t.atol + t.rtol * fabs(want);
}

static bool same_element(const aicc_eval_value *have, const aicc_eval_value *want, size_t i,
                         tolerance t) {
  const size_t size = aicc_dtype_size(want->dtype);
  switch (aicc_dtype_kind_of(want->dtype)) {
    case AICC_KIND_STRING: {
      const aicc_str *a = &((const aicc_str *)have->data)[i], *b = &((const aicc_str *)want->data)[i];
      return a->size == b->size && memcmp(a->data, b->data, a->size) == 0;
    }
    case AICC_KIND_FLOAT:
    case AICC_KIND_FLOAT8:
      return close_enough(aicc_get_f64(have->dtype, have->data, i),
                          aicc_get_f64(want->dtype, want->data, i), t);
    case AICC_KIND_COMPLEX: {
      const aicc_dtype part = want->dtype == AICC_C64 ? AICC_F32 : AICC_F64;
      return close_enough(aicc_get_f64(part, have->data, 2 * i),
                          aicc_get_f64(part, want->data, 2 * i), t) &&
             close_enough(aicc_get_f64(part, have->data, 2 * i + 1),
                          aicc_get_f64(part, want->data, 2 * i + 1), t);
    }
    default:
      return memcmp((const char *)have->data + i * size, (const char *)want->data + i * size, size) == 0;
  }
}

static double greatest(const aicc_eval_value *value, int64_t count) {
  double most = 0;
  for (int64_t i = 0; aicc_dtype_is_float(value->dtype) && i < count; i++) {
    const double size = fabs(aicc_get_f64(value->dtype, value->data, (size_t)i));
    most = isfinite(size) ? fmax(most, size) : most;
  }
  return most;
}

static bool same_value(const aicc_eval_value *have, const aicc_eval_value *want, tolerance t,
                       char *why) {
  if (have->kind != want->kind || have->item_count != want->item_count) {
    snprintf(why, REASON_MAX, "another kind of value or number of items");
    return false;
  }
  if (want->kind != AICC_TYPE_TENSOR) {
    for (int64_t i = 0; i < want->item_count; i++) {
      if (!same_value(&have->items[i], &want->items[i], t, why)) {
        return false;
      }
    }
    return true;
  }
  if (have->dtype != want->dtype || have->rank != want->rank ||
      memcmp(have->shape, want->shape, (size_t)want->rank * sizeof *want->shape) != 0) {
    snprintf(why, REASON_MAX, "another type: %s of rank %d (first size %lld), not %s of rank %d (%lld)",
             aicc_dtype_name(have->dtype), have->rank, have->rank ? (long long)have->shape[0] : 1,
             aicc_dtype_name(want->dtype), want->rank, want->rank ? (long long)want->shape[0] : 1);
    return false;
  }
  const int64_t count = aicc_eval_value_count(want);
  t.atol = fmax(t.atol, t.of_max * greatest(want, count));
  int64_t wrong = 0, first = 0;
  for (int64_t i = count; i-- > 0;) {
    if (!same_element(have, want, (size_t)i, t)) {
      wrong++;
      first = i;
    }
  }
  if (wrong == 0) {
    return true;
  }
  const bool number = want->dtype != AICC_STR && aicc_dtype_kind_of(want->dtype) != AICC_KIND_COMPLEX;
  snprintf(why, REASON_MAX, "%lld of %lld elements differ; element %lld is %.9g, not %.9g",
           (long long)wrong, (long long)count, (long long)first,
           number ? aicc_get_f64(have->dtype, have->data, (size_t)first) : 0.0,
           number ? aicc_get_f64(want->dtype, want->data, (size_t)first) : 0.0);
  return false;
}

// --- one case ---------------------------------------------------------------------------------------

// Paths live until the case's process ends.
static char *path_of(const char *folder, const char *name) {
  char *path = NULL;
  return asprintf(&path, "%s/%s", folder, name) < 0 ? NULL : path;
}

static char *numbered(const char *folder, const char *name, int number, const char *end) {
  char *path = NULL;
  return asprintf(&path, "%s/%s%d%s", folder, name, number, end) < 0 ? NULL : path;
}

static bool exists(const char *path) {
  struct stat info;
  return stat(path, &info) == 0;
}

static void first_error(const aicc_diags *diags, const char *stage, char *why) {
  for (size_t i = 0; i < diags->count; i++) {
    const aicc_diag *d = &diags->items[i];
    if (d->severity == AICC_ERROR) {
      snprintf(why, REASON_MAX, "%s: %s %s%s%s%s: %s", stage, aicc_diag_name(d->id),
               d->loc.op ? d->loc.op : "", d->loc.shapes ? " (" : "",
               d->loc.shapes ? d->loc.shapes : "", d->loc.shapes ? ")" : "", d->text);
      return;
    }
  }
  snprintf(why, REASON_MAX, "%s: failed without an error", stage);
}

static bool run_set(const aicc_module *module, const char *folder, tolerance t, char *why) {
  aicc_diags diags;
  aicc_diags_init(&diags);
  static aicc_eval_value in[VALUES_MAX], out[VALUES_MAX];
  const aicc_region *body = module->body;
  for (int i = 0; i < body->param_count && i < VALUES_MAX; i++) {
    if (!read_value(numbered(folder, "input_", i, ".pb"), &body->params[i]->type, &diags, &in[i])) {
      first_error(&diags, "input", why);
      return false;
    }
  }
  if (aicc_eval_graph(module, in, out, &diags) != AICC_OK) {
    first_error(&diags, "run", why);
    return false;
  }
  for (int i = 0; i < body->result_count && i < VALUES_MAX; i++) {
    aicc_eval_value want;
    char detail[REASON_MAX];
    if (!read_value(numbered(folder, "output_", i, ".pb"), &body->results[i]->type, &diags, &want)) {
      first_error(&diags, "output", why);
      return false;
    }
    if (!same_value(&out[i], &want, t, detail)) {
      snprintf(why, REASON_MAX, "output %d: %.300s", i, detail);
      return false;
    }
  }
  aicc_diags_deinit(&diags);
  return true;
}

static tolerance read_tolerance(const char *folder) {
  tolerance t = {1e-3, 1e-7, 1e-3};  // whole models come without case.json
  char text[512] = "";
  FILE *file = fopen(path_of(folder, "case.json"), "r");
  if (file) {
    const size_t size = fread(text, 1, sizeof text - 1, file);
    text[size] = '\0';
    fclose(file);
    const char *rtol = strstr(text, "\"rtol\":"), *atol = strstr(text, "\"atol\":");
    t.rtol = rtol ? strtod(rtol + 7, NULL) : t.rtol;
    t.atol = atol ? strtod(atol + 7, NULL) : t.atol;
    t.of_max = 0;
  }
  return t;
}

static bool run_case(const char *folder, char *why) {
  aicc_diags diags;
  aicc_diags_init(&diags);
  aicc_module *module;
  if (aicc_import_path(path_of(folder, "model.onnx"), NULL, &diags, &module) != AICC_OK) {
    first_error(&diags, "import", why);
    return false;
  }
  if (aicc_verify(module, &diags) != AICC_OK) {
    first_error(&diags, "verify", why);
    return false;
  }
  const tolerance t = read_tolerance(folder);
  for (int set = 0;; set++) {
    const char *path = numbered(folder, "test_data_set_", set, "");
    if (!exists(path)) {
      snprintf(why, REASON_MAX, "no test data");
      return set > 0;
    }
    if (!run_set(module, path, t, why)) {
      return false;
    }
  }
}

// In a process of its own, so that a crash or an endless loop is one failed case.
static bool run_apart(const char *folder, char *why) {
  int ends[2];
  if (pipe(ends) != 0) {
    snprintf(why, REASON_MAX, "no pipe");
    return false;
  }
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    alarm(CASE_SECONDS);
    char reason[REASON_MAX] = "";
    const bool good = run_case(folder, reason);
    const bool written = good || write(ends[1], reason, strlen(reason)) >= 0;
    _exit(good && written ? 0 : 1);
  }
  close(ends[1]);
  const ssize_t size = read(ends[0], why, REASON_MAX - 1);
  why[size > 0 ? size : 0] = '\0';
  close(ends[0]);
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFSIGNALED(status)) {
    snprintf(why, REASON_MAX, "ended by signal %d", WTERMSIG(status));
  }
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// --- all cases --------------------------------------------------------------------------------------

typedef struct run {
  const char *list;  // text of the file of known failures, NULL: none
  bool quiet;
  int passed, failed, unexpected;
} run;

// True if |name| is the first word of a line of |list|.
static bool is_listed(const char *list, const char *name) {
  const size_t size = strlen(name);
  for (const char *at = list; at && *at; at = strchr(at, '\n'), at = at ? at + 1 : NULL) {
    if (strncmp(at, name, size) == 0 && (at[size] == '\0' || strchr(" \t\n", at[size]))) {
      return true;
    }
  }
  return false;
}

static void do_case(run *r, const char *folder) {
  const char *slash = strrchr(folder, '/');
  const char *name = slash ? slash + 1 : folder;
  char why[REASON_MAX] = "";
  const bool good = run_apart(folder, why);
  const bool expected = good != is_listed(r->list, name);
  *(good ? &r->passed : &r->failed) += 1;
  r->unexpected += !expected;
  if ((!good && !r->quiet) || (r->list && !expected)) {
    printf("%s %s: %s\n", good ? "passes, but is listed:" : "FAIL", name, why);
  }
}

static int by_name(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

static void do_folder(run *r, const char *folder, int depth) {
  char *model = path_of(folder, "model.onnx");
  const bool is_case = exists(model);
  free(model);
  if (is_case) {
    do_case(r, folder);
    return;
  }
  struct dirent **entries;
  const int count = depth < 3 ? scandir(folder, &entries, NULL, by_name) : 0;
  for (int i = 0; i < count; i++) {
    struct stat info;
    char *path = path_of(folder, entries[i]->d_name);
    if (entries[i]->d_name[0] != '.' && stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
      do_folder(r, path, depth + 1);
    }
    free(path);
    free(entries[i]);
  }
  if (count > 0) {
    free(entries);
  }
}

static char *read_text(const char *path) {
  FILE *file = fopen(path, "r");
  char *text = NULL;
  size_t size = 0;
  FILE *out = open_memstream(&text, &size);
  for (int c = file ? fgetc(file) : EOF; c != EOF; c = fgetc(file)) {
    fputc(c, out);
  }
  if (file) {
    fclose(file);
  }
  fclose(out);
  return text;
}

int main(int argc, char **argv) {
  run r = {0};
  char *list = NULL;
  for (int i = 1; i < argc; i++) {
    if (strcmp(argv[i], "--list") == 0 && i + 1 < argc) {
      free(list);
      list = read_text(argv[++i]);
      r.list = list;
    } else if (strcmp(argv[i], "--quiet") == 0) {
      r.quiet = true;
    } else {
      do_folder(&r, argv[i], 0);
    }
  }
  printf("%d pass, %d fail, %d unexpected\n", r.passed, r.failed, r.list ? r.unexpected : r.failed);
  free(list);
  if (r.passed + r.failed == 0) {
    return 77;
  }
  return (r.list ? r.unexpected : r.failed) == 0 ? 0 : 1;
}
