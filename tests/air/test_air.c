// Runs every tests/air/**/*.air as one loop test. A file is parsed, verified and printed; printing
// what was printed, parsed again, must give the same text. Lines that start with `;` say what else
// is expected:
//
//   ; check: / next: / not: / count:   of the printed module (filecheck.h)
//   ; expect:                          up to the end of the file, lines behind `; `: the text;
//                                      AICC_BLESS=1 rewrites it
//   ; error: E0203 TEXT                the next line that is no such comment (`; error: *`: some
//                                      place) has this error, whose text contains TEXT
//   ; passes: canon,cse                these run before the module is printed, verified after each;
//                                      the interpreter must find the same results as before
//   ; target: sm_80                    ... for this machine
//   ; origins                          print which ONNX nodes each node came from
//
// A file without expectations fails. Errors that are not expected fail.
#include <glob.h>
#include <string.h>

#include "check_main.h"
#include "air/eval_compare.h"
#include "codegen/target.h"
#include "filecheck.h"
#include "ir/text.h"
#include "passes/pass.h"

static glob_t files;

typedef struct text {
  char *data;
  size_t size;
} text;

static text read_file(const char *path) {
  text t = {0};
  FILE *in = fopen(path, "rb");
  ck_assert_msg(in != NULL, "%s: cannot be read", path);
  FILE *out = open_memstream(&t.data, &t.size);
  for (int c = fgetc(in); c != EOF; c = fgetc(in)) {
    fputc(c, out);
  }
  fclose(in);
  fclose(out);
  return t;
}

static text print_module(const aicc_module *module, bool origins) {
  text t = {0};
  const aicc_module_print_options options = {.full = true, .no_origins = !origins};
  FILE *out = open_memstream(&t.data, &t.size);
  aicc_module_print_with(module, &options, out);
  fclose(out);
  return t;
}

// The rest of the first line `; NAME...`, a copy; NULL: no such line.
static char *header(const char *test, const char *name) {
  for (const char *at = test; at; at = strchr(at, '\n')) {
    at += *at == '\n';
    if (strncmp(at, "; ", 2) == 0 && strncmp(at + 2, name, strlen(name)) == 0) {
      const char *start = at + 2 + strlen(name);
      start += strspn(start, " ");
      return strndup(start, strcspn(start, "\n"));
    }
    if (!*at) {
      break;
    }
  }
  return NULL;
}

// --- errors --------------------------------------------------------------------------------------

static bool is_comment(const char *line) { return *line == ';'; }

// Takes the error that is expected out of |seen|. |line| 0: anywhere.
static bool take_error(const aicc_diags *diags, bool *seen, int line, const char *want, int size) {
  for (size_t i = 0; i < diags->count; i++) {
    const aicc_diag *d = &diags->items[i];
    const int id_size = (int)strcspn(want, " \n");
    if (seen[i] || (line && d->loc.line != line) ||
        strncmp(aicc_diag_name(d->id), want, (size_t)id_size) != 0) {
      continue;
    }
    const int skip = id_size + (int)strspn(want + id_size, " ");
    char *rest = skip < size ? strndup(want + skip, (size_t)(size - skip)) : strdup("");
    const bool match = strstr(d->text, rest) != NULL;
    free(rest);
    if (match) {
      seen[i] = true;
      return true;
    }
  }
  return false;
}

static int next_code_line(const char *at, int line) {
  while (at && is_comment(at)) {
    at = strchr(at, '\n');
    at = at ? at + 1 : NULL;
    line++;
  }
  return line;
}

// Compares the `; error:` lines with |diags|. Returns how many there are.
static int check_errors(const char *path, const char *test, const aicc_diags *diags) {
  bool *seen = calloc(diags->count + 1, sizeof *seen);
  int count = 0, line = 1;
  for (const char *at = test; *at; line++) {
    const int length = (int)strcspn(at, "\n");
    if (strncmp(at, "; error: ", 9) == 0) {
      const bool anywhere = at[9] == '*';
      const char *want = at + 9 + (anywhere ? 2 : 0);
      const int target = anywhere ? 0 : next_code_line(at, line);
      ck_assert_msg(take_error(diags, seen, target, want, length - (int)(want - at)),
                    "%s:%d: no error %.*s at line %d", path, line, length - (int)(want - at), want,
                    target);
      count++;
    }
    at += length + (at[length] == '\n');
  }
  for (size_t i = 0; i < diags->count; i++) {
    if (!seen[i]) {
      aicc_diags_print(diags, stderr);
    }
    ck_assert_msg(seen[i], "%s: unexpected: %s", path, diags->items[i].text);
  }
  free(seen);
  return count;
}

// --- expectations of text ------------------------------------------------------------------------

static const char *expect_block(const char *test) {
  const char *at = strstr(test, "; expect:\n");
  return at ? at + strlen("; expect:\n") : NULL;
}

static text as_comment(const char *plain) {
  text t = {0};
  FILE *out = open_memstream(&t.data, &t.size);
  while (*plain) {
    const int length = (int)strcspn(plain, "\n");
    fprintf(out, "; %.*s\n", length, plain);
    plain += length + (plain[length] == '\n');
  }
  fclose(out);
  return t;
}

static void bless(const char *path, const char *test, const char *block, const char *wanted) {
  FILE *out = fopen(path, "wb");
  ck_assert_msg(out != NULL, "%s: cannot be written", path);
  fwrite(test, 1, (size_t)(block - test), out);
  fputs(wanted, out);
  fclose(out);
}

static int check_text(const char *path, const char *test, const char *printed) {
  int count = 0;
  char *report = NULL;
  size_t report_size;
  FILE *out = open_memstream(&report, &report_size);
  const bool good = filecheck(test, printed, out, &count);
  fclose(out);
  ck_assert_msg(good, "%s:\n%s--- printed:\n%s", path, report, printed);
  free(report);
  const char *block = expect_block(test);
  if (block) {
    text wanted = as_comment(printed);
    if (getenv("AICC_BLESS") && strcmp(block, wanted.data) != 0) {
      bless(path, test, block, wanted.data);
    } else {
      ck_assert_msg(strcmp(block, wanted.data) == 0, "%s: expected\n%s--- printed:\n%s", path,
                    block, printed);
    }
    free(wanted.data);
    count++;
  }
  return count;
}

// --- one file ------------------------------------------------------------------------------------

static void check_fixed_point(const char *path, const aicc_module *module) {
  text once = print_module(module, true);
  aicc_diags diags;
  aicc_diags_init(&diags);
  aicc_module *again = aicc_module_parse(once.data, once.size, "printed", &diags);
  if (!again) {
    aicc_diags_print(&diags, stderr);
  }
  ck_assert_msg(again != NULL, "%s: what was printed does not parse:\n%s", path, once.data);
  text twice = print_module(again, true);
  ck_assert_msg(strcmp(once.data, twice.data) == 0, "%s: printed\n%sthen\n%s", path, once.data,
                twice.data);
  free(once.data);
  free(twice.data);
  aicc_module_destroy(again);
  aicc_diags_deinit(&diags);
}

static aicc_status run_list(const char *path, const text *test, const char *list,
                            aicc_module *module, aicc_diags *diags) {
  char *name = header(test->data, "target:");
  const cg_target *target = name ? cg_target_find(name) : NULL;
  ck_assert_msg(!name || target, "%s: there is no target '%s'", path, name);
  free(name);
  const aicc_pass_options options = {.machine = target ? &target->machine : NULL, .check = true};
  return aicc_run_passes(module, list, &options, diags);
}

// A copy prints the same, and passes make the same of it without a change to its original.
static void check_clone(const char *path, const text *test, const char *list,
                        const aicc_module *module, const text *after) {
  aicc_diags diags;
  aicc_diags_init(&diags);
  aicc_module *original = aicc_module_parse(test->data, test->size, path, &diags);
  aicc_module *copy = aicc_module_clone(original);
  text before = print_module(original, true), copied = print_module(copy, true);
  ck_assert_msg(strcmp(before.data, copied.data) == 0, "%s: the copy prints as\n%s", path,
                copied.data);
  ck_assert_int_eq(run_list(path, test, list, copy, &diags), AICC_OK);
  text unchanged = print_module(original, true), changed = print_module(copy, true);
  ck_assert_msg(strcmp(before.data, unchanged.data) == 0, "%s: passes over a copy made of it\n%s",
                path, unchanged.data);
  ck_assert_msg(strcmp(after->data, changed.data) == 0, "%s: passes made of the copy\n%s", path,
                changed.data);
  ck_assert_uint_eq(copy->value_count, module->value_count);
  ck_assert_uint_eq(aicc_dim_count(copy->dims), aicc_dim_count(module->dims));
  text *const texts[] = {&before, &copied, &unchanged, &changed};
  for (int i = 0; i < 4; i++) {
    free(texts[i]->data);
  }
  aicc_module_destroy(copy);
  aicc_module_destroy(original);
  aicc_diags_deinit(&diags);
}

// Runs the passes that the header names, and compares with the module as it was parsed.
static aicc_status run_passes(const char *path, const text *test, aicc_module *module,
                              aicc_diags *diags) {
  char *list = header(test->data, "passes:");
  const aicc_status status = run_list(path, test, list ? list : "", module, diags);
  if (status == AICC_OK) {
    text after = print_module(module, true);
    check_clone(path, test, list ? list : "", module, &after);
    free(after.data);
  }
  if (!list) {
    return status;
  }
  free(list);
  if (status == AICC_OK) {
    aicc_module *before = aicc_module_parse(test->data, test->size, path, diags);
    text report = {0};
    FILE *out = open_memstream(&report.data, &report.size);
    const bool same = eval_compare(before, module, out);
    fclose(out);
    if (!same) {
      aicc_module_print(module, stderr);
    }
    ck_assert_msg(same, "%s: after the passes: %s", path, report.data);
    free(report.data);
    aicc_module_destroy(before);
  }
  return status;
}

static void check_file(const char *path) {
  text test = read_file(path);
  aicc_diags diags;
  aicc_diags_init(&diags);
  aicc_module *module = aicc_module_parse(test.data, test.size, path, &diags);
  aicc_status status = module ? aicc_verify(module, &diags) : AICC_INVALID;
  if (status == AICC_OK) {
    check_fixed_point(path, module);
    status = run_passes(path, &test, module, &diags);
  }
  ck_assert_msg((status == AICC_OK) == (diags.error_count == 0),
                "%s: status %d with %zu errors", path, (int)status, diags.error_count);
  int count = check_errors(path, test.data, &diags);
  if (status == AICC_OK) {
    char *origins = header(test.data, "origins");
    text printed = print_module(module, origins != NULL);
    count += check_text(path, test.data, printed.data);
    check_fixed_point(path, module);
    free(printed.data);
    free(origins);
  }
  ck_assert_msg(count > 0, "%s: the test checks nothing", path);
  aicc_module_destroy(module);
  aicc_diags_deinit(&diags);
  free(test.data);
}

START_TEST(text_file_gives_what_it_says) { check_file(files.gl_pathv[_i]); }
END_TEST

START_TEST(every_operator_has_a_text_file) {
  for (int op = 0; op < AICC_OP_COUNT; op++) {
    char path[512];
    snprintf(path, sizeof path, AICC_SOURCE_DIR "/tests/air/op/%s.air", aicc_op_table[op].name);
    text test = read_file(path);
    // Not a file of that name alone: the operator stands in it.
    char *word = NULL;
    ck_assert_int_gt(asprintf(&word, " = %s", aicc_op_table[op].name), 0);
    const char *bare = word + 3;
    ck_assert_msg(strstr(test.data, word) || strstr(test.data, bare), "%s: has no such node", path);
    free(word);
    free(test.data);
  }
}
END_TEST

static Suite *suite(void) {
  const char *only = getenv("AICC_AIR_TEST");  // one file, e.g. tests/air/op/add.air
  if (only) {
    glob(only, 0, NULL, &files);
  } else {
    glob(AICC_SOURCE_DIR "/tests/air/*/*.air", 0, NULL, &files);
    glob(AICC_SOURCE_DIR "/tests/air/*/*/*.air", GLOB_APPEND, NULL, &files);
  }
  Suite *s = suite_create("air");
  TCase *t = tcase_create("files");
  tcase_set_timeout(t, 60);
  tcase_add_loop_test(t, text_file_gives_what_it_says, 0, (int)files.gl_pathc);
  if (!only) {
    tcase_add_test(t, every_operator_has_a_text_file);
  }
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
