// Fixed mutations of the fuzz seeds, the same on every run: truncations, bit flips, lengths
// changed, pieces moved. What counts is that nothing crashes, and that status and diagnostics
// agree.
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "check_main.h"
#include "fuzz/model_target.h"

enum { SEEDS = 3, FLIPS = 2000, COMPILES = 250 };

static const char *const models[] = {"detector_head", "digits", "lstm_tagger", "newton_loop",
                                     "residual_cnn", "transformer"};
enum { MODELS = sizeof models / sizeof *models };

static uint64_t next_random(uint64_t *state) {
  *state ^= *state << 13;
  *state ^= *state >> 7;
  *state ^= *state << 17;
  return *state;
}

START_TEST(seeds_open) {
  aicc_buf *seed = aicc_fuzz_model_seed(_i);
  ck_assert_ptr_nonnull(seed);
  ck_assert_int_ge(aicc_fuzz_model(aicc_buf_data(seed), aicc_buf_size(seed)), 1);
  aicc_buf_release(seed);
  ck_assert_ptr_null(aicc_fuzz_model_seed(SEEDS));
}
END_TEST

START_TEST(every_truncation_of_the_structure) {
  aicc_buf *seed = aicc_fuzz_model_seed(_i);
  const size_t size = aicc_buf_size(seed);
  // Inside of long payloads one truncation is like another.
  for (size_t length = 0; length < size; length += length > 600 && length + 600 < size ? 61 : 1) {
    aicc_fuzz_model(aicc_buf_data(seed), length);
  }
  aicc_buf_release(seed);
}
END_TEST

// One to four edits: a bit, a byte of the kind that means something (tags, lengths), or a copy of
// one stretch over another.
static void mutate(uint8_t *bytes, size_t size, uint64_t *state) {
  static const uint8_t telling[] = {0x00, 0x01, 0x7F, 0x80, 0xFF, 0x0A, 0x12, 0x2A, 0x3A, 0x4A};
  const unsigned edits = 1 + (unsigned)(next_random(state) % 4);
  for (unsigned i = 0; i < edits; i++) {
    size_t at = (size_t)(next_random(state) % size);
    // Payloads are long and mostly zeroes; the structure is what should be hit.
    for (int again = 0; again < 16 && bytes[at] == 0; again++) {
      at = (size_t)(next_random(state) % size);
    }
    const uint64_t choice = next_random(state);
    const size_t length = (size_t)(choice >> 8) % 16;
    if (choice % 4 < 2) {
      bytes[at] ^= (uint8_t)(1u << (choice >> 8) % 8);
    } else if (choice % 4 == 2) {
      bytes[at] = telling[(choice >> 8) % sizeof telling];
    } else if (at + length <= size) {
      memmove(bytes + at, bytes + next_random(state) % (size - length), length);
    }
  }
}

START_TEST(random_edits) {
  aicc_buf *seed = aicc_fuzz_model_seed(_i);
  const size_t size = aicc_buf_size(seed);
  uint8_t *bytes = malloc(size);
  uint64_t state = 0x9E3779B97F4A7C15ull;
  int opened = 0, refused = 0;
  for (int i = 0; i < FLIPS; i++) {
    memcpy(bytes, aicc_buf_data(seed), size);
    mutate(bytes, size, &state);
    aicc_fuzz_model(bytes, size) ? opened++ : refused++;
  }
  // Mutations that are all refused, or all harmless, would test little.
  ck_assert_int_gt(opened, FLIPS / 100);
  ck_assert_int_gt(refused, FLIPS / 100);
  free(bytes);
  aicc_buf_release(seed);
}
END_TEST

static aicc_buf *read_model(const char *name) {
  char path[512];
  snprintf(path, sizeof path, AICC_SOURCE_DIR "/models/%s/model.onnx", name);
  FILE *file = fopen(path, "rb");
  ck_assert_msg(file != NULL, "cannot read %s", path);
  uint8_t bytes[1 << 16];
  const size_t size = fread(bytes, 1, sizeof bytes, file);
  fclose(file);
  ck_assert(size > 0 && size < sizeof bytes);
  return aicc_buf_create_copy(bytes, size);
}

// AICC_FUZZ_SECONDS in the environment: how long each model goes on, on top of the fixed edits.
static double seconds_for_each(void) {
  const char *text = getenv("AICC_FUZZ_SECONDS");
  return text ? strtod(text, NULL) / MODELS : 0;
}

static void more_edits(const uint8_t *model, size_t size, uint8_t *bytes, uint64_t *state) {
  const time_t until = time(NULL) + (time_t)seconds_for_each();
  while (time(NULL) < until) {
    memcpy(bytes, model, size);
    mutate(bytes, size, state);
    aicc_fuzz_compile(bytes, size);
  }
}

START_TEST(models_with_edits_compile_or_are_refused) {
  aicc_buf *model = read_model(models[_i]);
  const size_t size = aicc_buf_size(model);
  uint8_t *bytes = malloc(size);
  uint64_t state = 0x5851F42D4C957F2Du - (unsigned)_i;
  int compiled = 0;
  ck_assert(aicc_fuzz_compile(aicc_buf_data(model), size));
  for (int i = 0; i < COMPILES; i++) {
    memcpy(bytes, aicc_buf_data(model), size);
    mutate(bytes, size, &state);
    compiled += aicc_fuzz_compile(bytes, size);
  }
  ck_assert_int_gt(compiled, 0);
  ck_assert_int_lt(compiled, COMPILES);
  more_edits(aicc_buf_data(model), size, bytes, &state);
  free(bytes);
  aicc_buf_release(model);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("mutate");
  TCase *t = tcase_create("model");
  tcase_set_timeout(t, 120);
  tcase_add_loop_test(t, seeds_open, 0, SEEDS);
  tcase_add_loop_test(t, every_truncation_of_the_structure, 0, SEEDS);
  tcase_add_loop_test(t, random_edits, 0, SEEDS);
  tcase_add_loop_test(t, models_with_edits_compile_or_are_refused, 0, MODELS);
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
