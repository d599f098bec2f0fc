// Kernels written by hand, ptx/programs.ptx, and correct kernels and their mutants, ptx/faults.ptx:
// the correct form must raise no alarm under several orders of blocks and warps, and write what its
// "//=" lines say; each mutant must be caught, in the right line, every time.
#include <ctype.h>

#include "check_main.h"
#include "emu/emu_fixture.h"

#define WORDS 4096

typedef struct kernel {
  char name[64];
  uint32_t grid, block, shared;
  int n;
  char *text;  // from its "//:" line to the next, with line numbers of the file
  int line;
} kernel;

static char *head;  // the directives in front of the first kernel
static kernel kernels[64];
static int kernel_count;

static void read_kernels(const char *path) {
  char *text = fix_read_file(path);
  char *at = strstr(text, "\n//: ");
  int line = 1;
  for (const char *c = text; c <= at; ++c) {
    line += *c == '\n';
  }
  *at = 0;
  head = text;
  kernel_count = 0;
  while (at != NULL) {
    kernel *k = &kernels[kernel_count++];
    k->text = at + 1;
    k->line = line;
    ck_assert_int_eq(sscanf(k->text, "//: %63s grid %u block %u shared %u n %d", k->name, &k->grid,
                            &k->block, &k->shared, &k->n), 5);
    at = strstr(k->text, "\n//: ");
    for (const char *c = k->text; *c != 0 && c != at; ++c) {
      line += *c == '\n';
    }
    if (at != NULL) {
      *at = 0;
      ++line;
    }
  }
}

// Is |mark| followed by |mutant| in the line?
static bool has_mark(const char *line, size_t length, const char *mark, const char *mutant) {
  const size_t size = strlen(mutant);
  for (const char *at = line; (at = strstr(at, mark)) != NULL && at < line + length; ++at) {
    const char *name = at + strlen(mark);
    if (strncmp(name, mutant, size) == 0 && !isalnum((unsigned char)name[size]) &&
        name[size] != '_') {
      return true;
    }
  }
  return false;
}

// The file's text with only kernel |k| in it, as |mutant| ("": the correct form). |accepted|: the
// lines of which the report must name one.
static char *make_text(const kernel *k, const char *mutant, bool *accepted) {
  const size_t room = strlen(head) + strlen(k->text) + (size_t)k->line + 64;
  char *out = malloc(room), *end = out;
  end += sprintf(end, "%s\n", head);
  int line = 1;
  for (const char *c = out; c < end; ++c) {
    line += *c == '\n';
  }
  for (; line < k->line; ++line) {
    *end++ = '\n';
  }
  const bool marked = mutant[0] != 0 && has_mark(k->text, strlen(k->text), "//!", mutant);
  for (const char *at = k->text; *at != 0; ++line) {
    const size_t length = strcspn(at, "\n");
    const bool put_in = mutant[0] != 0 && has_mark(at, length, "//+", mutant);
    accepted[line] = marked ? has_mark(at, length, "//!", mutant) : put_in;
    const char *from = put_in ? strchr(strstr(at, "//+"), ' ') : at;
    if (mutant[0] == 0 || !has_mark(at, length, "//-", mutant)) {
      memcpy(end, from, (size_t)(at + length - from));
      end += at + length - from;
    }
    *end++ = '\n';
    at += length + (at[length] != 0);
  }
  *end = 0;
  return out;
}

// |result|: the first words that were written, |count| of them; may be 0.
static emu_status run(const kernel *k, const char *text, uint64_t seed, uint32_t *result, int count,
                      emu_report *report) {
  emu_device *device = fix_device(80, seed);
  emu_module *module = fix_load(device, text);
  uint32_t words[WORDS];
  for (uint32_t i = 0; i < WORDS; ++i) {
    words[i] = i;
  }
  fix_launch launch = fix_shape(k->grid, 1, k->block, 1, k->shared);
  fix_pointer(&launch, fix_upload(device, words, sizeof words));
  const uint64_t out = fix_upload(device, NULL, sizeof words);
  fix_pointer(&launch, out);
  fix_int(&launch, k->n);
  const emu_status status =
      emu_launch(device, emu_module_function(module, k->name), launch.grid, launch.block,
                 launch.shared, launch.params, launch.param_bytes, report);
  if (status == EMU_OK && count > 0) {
    fix_download(device, out, result, (size_t)count * 4);
  }
  emu_module_unload(module);
  emu_device_destroy(device);
  return status;
}

// The numbers of all "//=" lines, hex or decimal; negative ones as 32 bits.
static int read_expected(const kernel *k, uint32_t *values) {
  int count = 0;
  for (const char *at = k->text; (at = strstr(at, "//=")) != NULL;) {
    at += strlen("//=");
    while (*at != '\n' && count < WORDS) {
      char *end;
      const long long value = strtoll(at, &end, 0);
      if (end == at) {
        break;
      }
      values[count++] = (uint32_t)value;
      at = end;
    }
  }
  return count;
}

static const char *const files[] = {AICC_EMU_PTX "/programs.ptx", AICC_EMU_PTX "/faults.ptx"};

START_TEST(test_no_alarm) {
  read_kernels(files[_i]);
  static bool accepted[4096];
  static uint32_t expected[WORDS], result[WORDS];
  for (int i = 0; i < kernel_count; ++i) {
    char *text = make_text(&kernels[i], "", accepted);
    const int count = read_expected(&kernels[i], expected);
    for (uint64_t seed = 0; seed < 6; ++seed) {
      emu_report report = {0};
      const emu_status status = run(&kernels[i], text, seed, result, count, &report);
      ck_assert_msg(status == EMU_OK, "%s, seed %d: %s", kernels[i].name, (int)seed, report.text);
      for (int k = 0; k < count; ++k) {
        ck_assert_msg(result[k] == expected[k], "%s, seed %d: word %d is 0x%x, not 0x%x",
                      kernels[i].name, (int)seed, k, result[k], expected[k]);
      }
    }
    free(text);
  }
  free(head);
}
END_TEST

// Is one of the words between | in the text?
static bool holds(const char *text, const char *words, size_t length) {
  while (length > 0) {
    const char *bar = memchr(words, '|', length);
    const size_t size = bar == NULL ? length : (size_t)(bar - words);
    char word[128];
    snprintf(word, sizeof word, "%.*s", (int)size, words);
    if (strstr(text, word) != NULL) {
      return true;
    }
    words += size + (bar != NULL);
    length -= size + (bar != NULL);
  }
  return false;
}

// Where the words leave no choice of the fault, its kind is this one.
static const struct {
  const char *word;
  emu_kind kind;
} kinds[] = {
    {"allocation", EMU_IS_OUTSIDE},   {"shared", EMU_IS_BEYOND},  {"local", EMU_IS_BEYOND},
    {"align", EMU_IS_MISALIGNED},     {"race", EMU_IS_RACE},      {"register", EMU_IS_UNWRITTEN},
    {"never written|unwritten|uninitiali", EMU_IS_UNWRITTEN},     {"never come", EMU_IS_SYNC},
    {"mask", EMU_IS_SYNC},            {"trap", EMU_IS_TRAP},      {"barrier", EMU_IS_SYNC},
    {"endless|never ends|instructions", EMU_IS_ENDLESS},
};
#define KINDS (int)(sizeof kinds / sizeof kinds[0])

static bool kind_is_wrong(const emu_report *report, const char *words, bool *seen) {
  const size_t length = strcspn(words, ";");
  for (int i = 0; i < KINDS; ++i) {
    if (strlen(kinds[i].word) == length && memcmp(kinds[i].word, words, length) == 0) {
      seen[i] = true;
      return report->kind != kinds[i].kind;
    }
  }
  return report->kind == EMU_IS_NONE;
}

static int check_report(const kernel *k, const char *mutant, const emu_report *report,
                        const char *words, const bool *accepted) {
  int wrong = 0;
  if (report->status == EMU_OK) {
    printf("%s, mutant %s was not caught\n", k->name, mutant);
    return 1;
  }
  if (report->status != EMU_FAULT || strcmp(report->kernel, k->name) != 0 ||
      report->line < 0 || report->line >= 4096 || !accepted[report->line]) {
    printf("%s, mutant %s: status %d, kernel %s, the wrong line %d: %s\n", k->name, mutant,
           (int)report->status, report->kernel, report->line, report->text);
    wrong = 1;
  }
  while (*words != 0) {
    words += strspn(words, "; ");
    const size_t length = strcspn(words, ";");
    if (length > 0 && !holds(report->text, words, length)) {
      printf("%s, mutant %s: \"%.*s\" is not in: %s\n", k->name, mutant, (int)length, words,
             report->text);
      wrong = 1;
    }
    words += length;
  }
  return wrong;
}

START_TEST(test_mutants) {
  read_kernels(files[1]);
  static bool accepted[4096];
  bool seen[KINDS] = {false};
  int mutants = 0, wrong = 0;
  for (int i = 0; i < kernel_count; ++i) {
    for (const char *at = kernels[i].text; (at = strstr(at, "//? ")) != NULL; ++at) {
      char mutant[64], words[256] = "", line[400];
      snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
      ck_assert_int_ge(sscanf(line, "//? %63[^:]: %255[^\n]", mutant, words), 1);
      char *text = make_text(&kernels[i], mutant, accepted);
      for (uint64_t seed = 0; seed < 3; ++seed) {
        emu_report report = {0};
        report.status = run(&kernels[i], text, seed, NULL, 0, &report);
        wrong += check_report(&kernels[i], mutant, &report, words, accepted);
        if (kind_is_wrong(&report, words, seen)) {
          printf("%s, mutant %s: kind %d: %s\n", kernels[i].name, mutant, (int)report.kind,
                 report.text);
          ++wrong;
        }
      }
      ++mutants;
      free(text);
    }
  }
  free(head);
  fflush(stdout);
  for (int i = 0; i < KINDS; ++i) {
    ck_assert_msg(seen[i], "no mutant says %s", kinds[i].word);
  }
  ck_assert_int_gt(mutants, 25);
  ck_assert_int_eq(wrong, 0);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("faults");
  TCase *tests = tcase_create("faults");
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, test_no_alarm, 0, 2);
  tcase_add_test(tests, test_mutants);
  suite_add_tcase(suite, tests);
  return suite;
}

AICC_TEST_MAIN(make_suite)
