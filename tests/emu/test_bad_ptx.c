// Texts that are no PTX, or PTX that the target does not have: each is refused when it is loaded,
// with the line and what is wrong; and damaged texts never bring the emulator down.
#include "check_main.h"
#include "emu/emu_fixture.h"

#define HEAD(sm) ".version 8.3\n.target sm_" sm "\n.address_size 64\n"
// The body begins in line 10.
#define KERNEL(sm, body)                                                                  \
  HEAD(sm)                                                                                \
  ".visible .entry k(.param .u64 p)\n{\n.reg .b32 %r<4>;\n.reg .b64 %d<4>;\n"            \
  ".reg .b16 %h<4>;\n.reg .pred %q<4>;\n" body "\nret;\n}\n"

static const struct {
  const char *name, *text;
  int line;           // 0: any
  const char *words;  // that must be in the message
} cases[] = {
    {"empty", "", 0, ""},
    {"no version", ".target sm_80\n.address_size 64\n", 0, "version"},
    {"no target", ".version 8.0\n.address_size 64\n", 0, "target"},
    {"words", "This is not PTX.\n", 1, ""},
    {"binary",
     "\x7f"
     "ELF\x02\x01\x01",
     0, ""},
    {"unknown instruction", KERNEL("80", "frobnicate.b32 %r1, %r2;"), 10, "frobnicate"},
    {"unknown modifier", KERNEL("80", "add.fancy.u32 %r1, %r2, %r2;"), 10, "add"},
    {"unknown type", KERNEL("80", "add.u33 %r1, %r2, %r2;"), 10, "add"},
    {"undeclared register", KERNEL("80", "mov.u32 %r7, 1;"), 10,
     "%r7 is declared nowhere: the result is no register"},
    {"no such variable", KERNEL("80", "ld.param.u64 %d1, [q];"), 10, "q is declared nowhere"},
    {"no such label", KERNEL("80", "bra nowhere;"), 10, "nowhere"},
    {"label twice", KERNEL("80", "a: mov.u32 %r1, 1;\na: mov.u32 %r1, 1;"), 11, "a"},
    {"too few operands", KERNEL("80", "add.u32 %r1, %r2;"), 10, "add"},
    {"too many operands", KERNEL("80", "add.u32 %r1, %r2, %r2, %r2;"), 10, "add"},
    {"wrong width", KERNEL("80", "add.u32 %r1, %d1, %r2;"), 10, "%d1 is .b64"},
    {"wrong width of the result", KERNEL("80", "add.u32 %d2, %r1, %r2;"), 10, "%d2 is .b64"},
    {"predicate as a number", KERNEL("80", "add.u32 %r1, %q1, %r2;"), 10, "%q1 is .pred"},
    {"number as a predicate", KERNEL("80", "@%r1 mov.u32 %r2, 1;"), 10, ""},
    {"no semicolon", KERNEL("80", "mov.u32 %r1, 1\nmov.u32 %r2, 1;"), 0, ""},
    {"open brace", HEAD("80") ".visible .entry k()\n{\nret;\n", 0, ""},
    {"open comment", HEAD("80") "/* not closed\n", 0, ""},
    {"open string", HEAD("80") ".file 1 \"not closed\n", 0, ""},
    {"register twice", KERNEL("80", ".reg .b32 %r2;"), 10, ""},
    {"kernel twice", KERNEL("80", "") ".visible .entry k()\n{\nret;\n}\n", 0, "k"},
    {"cp.async before sm_80", KERNEL("75", "cp.async.ca.shared.global [%r1], [%d1], 4;"), 10,
     "sm_80"},
    {"bf16 before sm_80", KERNEL("75", "fma.rn.bf16 %h1, %h1, %h1, %h1;"), 10, "sm_80"},
    {"redux before sm_80", KERNEL("75", "redux.sync.add.u32 %r1, %r2, -1;"), 10, "sm_80"},
    {"stmatrix before sm_90",
     KERNEL("80", "stmatrix.sync.aligned.m8n8.x1.shared.b16 [%r1], {%r2};"), 10, "sm_90"},
    {"a shape that no mma has",
     KERNEL("80",
            "mma.sync.aligned.m16n8k64.row.col.f32.f16.f16.f32 {%r1,%r1,%r1,%r1}, "
            "{%r1,%r1,%r1,%r1}, {%r1,%r1}, {%r1,%r1,%r1,%r1};"),
     10, "mma"},
    {"too much shared memory", KERNEL("80", ".shared .align 4 .b8 s[50000];"), 0, "shared"},
};

START_TEST(test_refused) {
  emu_device *device = fix_device(80, 0);
  emu_report report = {0};
  emu_module *module =
      emu_module_load(device, cases[_i].text, strlen(cases[_i].text), &report);
  ck_assert_msg(module == NULL, "%s: loaded", cases[_i].name);
  ck_assert_int_eq(report.status, EMU_BAD_PTX);
  ck_assert_msg(report.text[0] != 0, "%s: no message", cases[_i].name);
  if (cases[_i].line != 0) {
    ck_assert_msg(report.line == cases[_i].line, "%s: line %d, not %d: %s", cases[_i].name,
                  report.line, cases[_i].line, report.text);
  }
  ck_assert_msg(strstr(report.text, cases[_i].words) != NULL, "%s: \"%s\" is not in: %s",
                cases[_i].name, cases[_i].words, report.text);
  emu_device_destroy(device);
}
END_TEST

START_TEST(test_all_are_named) {
  emu_device *device = fix_device(80, 0);
  static const char text[] = KERNEL(
      "80", "first.b32 %r1, %r2;\nmov.u32 %r1, 1;\nsecond.f32 %r1, %r2;\nfirst.b32 %r1, %r2;");
  emu_report report = {0};
  ck_assert_ptr_null(emu_module_load(device, text, strlen(text), &report));
  ck_assert_msg(
      strstr(report.text, "first.b32") != NULL && strstr(report.text, "second.f32") != NULL, "%s",
      report.text);
  emu_device_destroy(device);
}
END_TEST

// Bytes of kernels.ptx changed, removed or doubled at random, or the rest cut off.
START_TEST(test_damaged) {
  char *text = fix_read_file(AICC_EMU_PTX "/kernels.ptx");
  const size_t size = strlen(text);
  char *copy = malloc(2 * size);
  uint32_t state = 4242u + (uint32_t)_i;
  emu_device *device = fix_device(80, 0);
  int refused = 0;
  for (int round = 0; round < 40; ++round) {
    memcpy(copy, text, size);
    size_t length = size;
    for (int change = 0; change < 1 + round % 5; ++change) {
      state = state * 1664525 + 1013904223;
      const size_t at = (state >> 4) % (length - 64);
      const size_t span = 1 + (state >> 28);
      static const char bytes[] = "{}();,.:%@[]\"/*-019xabr \n";
      switch (state >> 2 & 3) {
        case 0:
          copy[at] = bytes[(state >> 8) % (sizeof bytes - 1)];
          break;
        case 1:
          memmove(copy + at, copy + at + span, length - at - span);
          length -= span;
          break;
        case 2:
          if (length + span < 2 * size) {
            memmove(copy + at + span, copy + at, length - at);
            length += span;
          }
          break;
        default:
          length = round % 8 == 0 ? at + 64 : length;
          break;
      }
    }
    emu_report report = {0};
    emu_module *module = emu_module_load(device, copy, length, &report);
    if (module != NULL) {
      emu_module_unload(module);
    } else {
      ++refused;
      ck_assert(report.status == EMU_BAD_PTX && report.text[0] != 0);
    }
  }
  ck_assert_int_gt(refused, 10);
  free(text);
  free(copy);
  emu_device_destroy(device);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("bad_ptx");
  TCase *tests = tcase_create("bad_ptx");
  tcase_set_timeout(tests, 60);
  tcase_add_loop_test(tests, test_refused, 0, (int)(sizeof cases / sizeof cases[0]));
  tcase_add_test(tests, test_all_are_named);
  tcase_add_loop_test(tests, test_damaged, 0, 8);
  suite_add_tcase(suite, tests);
  return suite;
}

AICC_TEST_MAIN(make_suite)
