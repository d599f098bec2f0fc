// Damaged text must give errors, never a crash: every tests/air/**/*.air is parsed many times with
// a few of its bytes changed. What still parses must verify and print, or be refused with an error.
#include <glob.h>
#include <string.h>

#include "check_main.h"
#include "ir/text.h"

enum { ROUNDS = 60, CHANGES_MAX = 4 };

static glob_t files;

static uint64_t next_random(uint64_t *state) {  // xorshift64*
  *state ^= *state >> 12;
  *state ^= *state << 25;
  *state ^= *state >> 27;
  return *state * 2685821657736338717u;
}

static char *read_file(const char *path, size_t *size) {
  char *data = NULL;
  FILE *in = fopen(path, "rb"), *out = open_memstream(&data, size);
  ck_assert_msg(in != NULL, "%s: cannot be read", path);
  for (int c = fgetc(in); c != EOF; c = fgetc(in)) {
    fputc(c, out);
  }
  fclose(in);
  fclose(out);
  return data;
}

// Replaces, drops or repeats a byte, or swaps in a piece of the text from elsewhere.
static void change(char *text, size_t *size, uint64_t *state) {
  static const char bytes[] = "{}[]()<>,:=%@\"`;#-_ \n0123456789abcxNu";
  if (*size < 8) {
    return;
  }
  const size_t at = next_random(state) % *size, from = next_random(state) % (*size - 4);
  switch (next_random(state) % 4) {
    case 0: text[at] = bytes[next_random(state) % (sizeof bytes - 1)]; break;
    case 1:
      memmove(text + at, text + at + 1, *size - at - 1);
      --*size;
      break;
    case 2:
      memmove(text + at + 1, text + at, *size - at);
      ++*size;
      break;
    default: memmove(text + (at < *size - 4 ? at : 0), text + from, 4); break;
  }
}

static void parse(const char *path, const char *text, size_t size) {
  aicc_diags diags;
  aicc_diags_init(&diags);
  aicc_module *module = aicc_module_parse(text, size, path, &diags);
  ck_assert_msg((module != NULL) == (diags.error_count == 0), "%s: no error, no module\n%.*s", path,
                (int)size, text);
  if (module && aicc_verify(module, &diags) == AICC_OK) {
    char *printed = NULL;
    size_t printed_size;
    FILE *out = open_memstream(&printed, &printed_size);
    const aicc_module_print_options options = {.full = true};
    aicc_module_print_with(module, &options, out);
    fclose(out);
    free(printed);
  }
  aicc_module_destroy(module);
  aicc_diags_deinit(&diags);
}

START_TEST(damaged_text_is_refused_or_understood) {
  size_t size;
  char *text = read_file(files.gl_pathv[_i], &size);
  char *damaged = malloc(size + CHANGES_MAX);
  uint64_t state = 88172645463325252u + (uint64_t)_i;
  for (int round = 0; round < ROUNDS; round++) {
    size_t length = size;
    memcpy(damaged, text, size);
    for (uint64_t i = next_random(&state) % CHANGES_MAX + 1; i > 0; i--) {
      change(damaged, &length, &state);
    }
    parse(files.gl_pathv[_i], damaged, length);
  }
  parse(files.gl_pathv[_i], text, size / 2);
  free(damaged);
  free(text);
}
END_TEST

static Suite *suite(void) {
  glob(AICC_SOURCE_DIR "/tests/air/*/*.air", 0, NULL, &files);
  Suite *s = suite_create("air_mutate");
  TCase *t = tcase_create("files");
  tcase_set_timeout(t, 60);
  tcase_add_loop_test(t, damaged_text_is_refused_or_understood, 0, (int)files.gl_pathc);
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
