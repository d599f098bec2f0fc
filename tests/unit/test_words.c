// Products of bytes, four at once: kernels of `word` and `dot4` in the kernel interpreter and as
// code for every kind of CPU that this machine is, and constants packed for them.
#include <string.h>

#include "cg_fixture.h"
#include "check_main.h"
#include "codegen/target.h"
#include "ir/plan.h"

enum { LANES_MAX = 16, ROWS = 3, K = 12, BYTES = LANES_MAX * K };

static aicc_diags diags;

static uint64_t state = 7;
static unsigned any_byte(void) {
  state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return (unsigned)(state >> 40) & 255;
}

// y[row][lane] = 5 + the sum over k of x[1 + row * K + k] * w[k / 4][lane][k % 4]; x lies oddly.
// y[ROWS][0]: the last sum again, of uniform words.
static const char text[] =
    "kernel @k(%x: u8* read, %w: i8* read, %y: i32* write) kind \"contract\" width $W {\n"
    "  for %r in 0 .. 3 {\n"
    "    var varying %sum = i32(5)\n"
    "    for %k in 0 .. 3 {\n"
    "      %at = 1 + %r * 12 + %k * 4\n"
    "      %a = word %x[%at] : i32\n"
    "      %bt = %k * $B + lane * 4\n"
    "      %b = word %w[%bt] : i32\n"
    "      %old = %sum\n"
    "      %new = dot4 %a, %b, %old : i32\n"
    "      %sum = %new\n"
    "    }\n"
    "    %y[%r * $W + lane] = %sum\n"
    "  }\n"
    "  %far = 1000000\n"
    "  prefetch %w[%far]\n"  // no access
    "  %one = 1\n"
    "  %a1 = word %x[%one] : i32\n"
    "  %b1 = word %w[%one] : i32\n"
    "  %zero = i32(0)\n"
    "  %c1 = dot4 %a1, %b1, %zero : i32\n"
    "  %y[3 * $W] = %c1\n"
    "}\n";

typedef struct words {
  uint8_t x[1 + ROWS * K];
  int8_t w[BYTES];
  int32_t y[ROWS * LANES_MAX + 1];
} words;

static void fill(words *m, bool extreme) {
  for (size_t i = 0; i < sizeof m->x; i++) {
    m->x[i] = extreme ? 255 : (uint8_t)any_byte();
  }
  for (size_t i = 0; i < sizeof m->w; i++) {
    m->w[i] = extreme ? -128 : (int8_t)(any_byte() - 128);
  }
}

static void check_sums(const words *m, int width) {
  for (int r = 0; r < ROWS; r++) {
    for (int lane = 0; lane < width; lane++) {
      int32_t sum = 5;
      for (int k = 0; k < K; k++) {
        sum += m->x[1 + r * K + k] * m->w[k / 4 * 4 * width + lane * 4 + k % 4];
      }
      ck_assert_int_eq(m->y[r * width + lane], sum);
    }
  }
  int32_t sum = 0;
  for (int k = 0; k < 4; k++) {
    sum += m->x[1 + k] * m->w[1 + k];
  }
  ck_assert_int_eq(m->y[ROWS * width], sum);
}

static kir_kernel *kernel_of(aicc_arena *arena, int width) {
  char lanes[16], row[16];
  snprintf(lanes, sizeof lanes, "W=%d", width);
  snprintf(row, sizeof row, "B=%d", 4 * width);
  const char *const bindings[] = {lanes, row};
  kir_kernel *kernel = kir_parse(arena, text, strlen(text), "words.kir", bindings, 2, &diags);
  aicc_diags_print(&diags, stderr);
  ck_assert_ptr_nonnull(kernel);
  ck_assert_int_eq(kir_verify(kernel, &diags), AICC_OK);
  return kernel;
}

START_TEST(the_interpreter_sums_words) {
  aicc_arena arena;
  aicc_arena_init(&arena);
  words m;
  for (int extreme = 0; extreme < 2; extreme++) {
    fill(&m, extreme);
    kir_arg args[] = {{.data = m.x, .count = sizeof m.x},
                      {.data = m.w, .count = 4 * 4 * 3},
                      {.data = m.y, .count = ROWS * 4 + 1}};
    ck_assert_int_eq(kir_interpret(kernel_of(&arena, 4), 4, 1, args, 1, &diags), AICC_OK);
    check_sums(&m, 4);
    args[0].count--;  // the last word is not all there
    ck_assert_int_ne(kir_interpret(kernel_of(&arena, 4), 4, 1, args, 1, &diags), AICC_OK);
    aicc_diags_deinit(&diags);
    aicc_diags_init(&diags);
  }
  aicc_arena_deinit(&arena);
}
END_TEST

START_TEST(code_sums_words) {
  const cg_target *target = cg_target_at((size_t)_i);
  if (target == NULL || target->machine.kind != AICC_MACHINE_CPU) {
    return;
  }
  cg_fixture fixture;
  cg_fixture_open(&fixture);
  const int width = target->machine.width;
  cg_fixture_compile(&fixture, kernel_of(&fixture.arena, width), target);
  ck_assert((strstr(fixture.assembly, "vpdpbusd") != NULL) == target->machine.dot4);
  ck_assert((strstr(fixture.assembly, "vpmaddwd") != NULL) == !target->machine.dot4);
  ck_assert_ptr_nonnull(strstr(fixture.assembly, "prefetcht1"));
  words m;
  for (int extreme = 0; extreme < 2 && fixture.run != NULL; extreme++) {
    fill(&m, extreme);
    void *args[] = {m.x, m.w, m.y};
    cg_fixture_run(&fixture, args, 1);
    check_sums(&m, width);
  }
  cg_fixture_close(&fixture);
}
END_TEST

// --- packing -------------------------------------------------------------------------------------

// Element |at| of the packed constant, by the definition in ir/plan.h.
static int8_t packed_element(const aicc_pack *p, const int8_t *source, int64_t at) {
  int64_t run = 1, before = 1;
  for (int i = 0; i < p->k_rank; i++) {
    *(i < p->k_rank - p->run_rank ? &before : &run) *= p->k_extent[i];
  }
  const int64_t groups = (run + p->group - 1) / p->group, panels = (p->n + p->nr - 1) / p->nr;
  const int64_t j = at % p->group, column = at / p->group % p->nr;
  const int64_t row = at / p->group / p->nr, group = row % groups;
  const int64_t outer = row / groups % before, panel = row / groups / before % panels;
  const int64_t batch = row / groups / before / panels, n = panel * p->nr + column;
  if (group * p->group + j >= run || n >= p->n) {
    return 0;
  }
  int64_t k = outer * run + group * p->group + j;
  int64_t place = batch * p->batch_stride + n * p->n_stride;
  for (int i = p->k_rank - 1; i >= 0; i--) {
    place += k % p->k_extent[i] * p->k_stride[i];
    k /= p->k_extent[i];
  }
  return source[place];
}

START_TEST(groups_are_packed_in_pieces_of_any_size) {
  static const aicc_pack packs[] = {
      {.batch = 1, .batch_stride = 0, .k_rank = 1, .k_extent = {10}, .k_stride = {7}, .n = 7,
       .n_stride = 1, .nr = 4, .group = 4, .run_rank = 1},
      {.batch = 2, .batch_stride = 135, .k_rank = 3, .k_extent = {3, 3, 3},
       .k_stride = {3, 1, 9}, .n = 5, .n_stride = 27, .nr = 8, .group = 4, .run_rank = 1},
      {.batch = 1, .batch_stride = 0, .k_rank = 3, .k_extent = {3, 3, 3},
       .k_stride = {3, 1, 9}, .n = 10, .n_stride = 27, .nr = 3, .group = 4, .run_rank = 2},
  };
  int8_t source[270];
  for (size_t i = 0; i < sizeof source; i++) {
    source[i] = (int8_t)(any_byte() - 128);
  }
  const int64_t shape[] = {270};
  const aicc_tensor tensor = {.dtype = AICC_I8, .rank = 1, .shape = shape, .data = source};
  static const int64_t counts[] = {12 * 8, 2 * 36 * 8, 36 * 12};
  for (size_t p = 0; p < sizeof packs / sizeof *packs; p++) {
    const aicc_plan_const constant = {.tensor = &tensor, .pack = &packs[p]};
    const int64_t count = aicc_pack_count(&packs[p]);
    ck_assert_int_eq(count, counts[p]);
    for (int64_t piece = 1; piece <= count; piece += 1 + piece / 3) {
      for (int64_t from = 0; from < count; from += piece) {
        int8_t out[1024];
        const int64_t size = from + piece < count ? piece : count - from;
        aicc_plan_const_bytes(&constant, (uint64_t)from, (uint64_t)size, out);
        for (int64_t i = 0; i < size; i++) {
          ck_assert_int_eq(out[i], packed_element(&packs[p], source, from + i));
        }
      }
    }
  }
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("words");
  TCase *tests = tcase_create("words");
  tcase_set_timeout(tests, 120);
  tcase_add_test(tests, the_interpreter_sums_words);
  tcase_add_loop_test(tests, code_sums_words, 0, 5);
  tcase_add_test(tests, groups_are_packed_in_pieces_of_any_size);
  suite_add_tcase(suite, tests);
  return suite;
}

AICC_TEST_MAIN(make_suite)
