// Floats that are quantised, and made floats again: the bytes are those of the operators one by
// one, next to every tie and for what is no number, infinite or huge.
#include <math.h>

#include "gpu_contract.h"

enum { NEAR = 5, ODD = 12, COUNT = 256 * (2 * NEAR + 1) + ODD };

typedef struct form {
  const char *name;
  aicc_dtype to;
  float scale;
  int zero;
  bool product;    // by the scale's reciprocal, not a quotient
  bool add_first;  // the zero point before the clamp, as QuantizeLinear is imported; else after it
  bool floats;     // and back
  int lo, hi;      // of the clamp
} form;

static aicc_value *with(gpu_graph *g, aicc_op op, aicc_value *x, float number) {
  return aicc_b_binary(&g->b, op, x, aicc_b_scalar(&g->b, AICC_F32, (double)number));
}

static aicc_value *quantised(gpu_graph *g, const form *f, aicc_value *x) {
  aicc_value *y = f->product ? with(g, AICC_OP_MUL, x, 1 / f->scale)
                             : with(g, AICC_OP_DIV, x, f->scale);
  y = aicc_b_unary(&g->b, AICC_OP_ROUND, y);
  y = f->add_first ? with(g, AICC_OP_ADD, y, (float)f->zero) : y;
  y = with(g, AICC_OP_MIN, with(g, AICC_OP_MAX, y, (float)f->lo), (float)f->hi);
  y = f->add_first ? y : with(g, AICC_OP_ADD, y, (float)f->zero);
  y = aicc_b_cast(&g->b, y, f->to);
  if (f->floats) {
    y = with(g, AICC_OP_SUB, aicc_b_cast(&g->b, y, AICC_F32), (float)f->zero);
    y = with(g, AICC_OP_MUL, y, f->scale);
  }
  return y;
}

// Floats around every tie, and odd ones.
static void fill(const form *f, float *x) {
  static const float odd[ODD] = {NAN,   INFINITY, -INFINITY, 0,      -0.0F,  1e-42F,
                                 -1e-42F, 3e38F,  -3e38F,    1e10F,  -1e10F, 0x1p-126F};
  int count = 0;
  for (int n = -128; n < 128; n++) {
    float at = ((float)(n + (f->to == AICC_U8 ? 128 : 0) - (f->add_first ? f->zero : 0)) + 0.5F) *
               f->scale;
    for (int i = 0; i < NEAR; i++) {
      at = nextafterf(at, -INFINITY);
    }
    for (int i = 0; i < 2 * NEAR + 1; i++, at = nextafterf(at, INFINITY)) {
      x[count++] = at;
    }
  }
  for (int i = 0; i < ODD; i++) {
    x[count++] = odd[i];
  }
  ck_assert_int_eq(count, COUNT);
}

static void check(const form *f, const cg_target *target, bool native) {
  gpu_graph g;
  gpu_graph_open(&g, false);
  aicc_value *x = gpu_param(&g, &(gpu_operand){AICC_F32, 1, {COUNT}});
  fill(f, g.inputs[0].data);
  gpu_graph_result(&g, quantised(&g, f, x), f->name);
  plan_run_on(g.module, g.inputs, &target->machine, native ? target : NULL, NULL, f->name);
  gpu_graph_close(&g);
}

START_TEST(bytes_are_the_same) {
  static const form forms[] = {
      {"u8", AICC_U8, 0.0235294F, 0, .add_first = true, .lo = 0, .hi = 255},
      {"u8 with a zero point", AICC_U8, 0.0371F, 119, .add_first = true, .lo = 0, .hi = 255},
      {"i8", AICC_I8, 0.75F, -7, .add_first = true, .lo = -128, .hi = 127},
      {"i8 without a sign", AICC_U8, 0.0117F, 128, .lo = -128, .hi = 127},
      {"by a product", AICC_I8, 0.31F, 3, .product = true, .add_first = true, .lo = -128,
       .hi = 127},
      {"a narrow clamp", AICC_I8, 1.7e-3F, 0, .add_first = true, .lo = -1, .hi = 6},
      {"a scale of two", AICC_U8, 0x1p-5F, 5, .add_first = true, .lo = 0, .hi = 255},
      {"a tiny scale", AICC_U8, 1e-30F, 5, .add_first = true, .lo = 0, .hi = 255},
      {"a huge scale", AICC_I8, 1e30F, 5, .add_first = true, .lo = -128, .hi = 127},
      {"a clamp wider than bytes", AICC_I8, 0.4F, 0, .add_first = true, .lo = -200, .hi = 127},
      {"floats again", AICC_U8, 0.0371F, 119, .add_first = true, .floats = true, .lo = 0,
       .hi = 255},
      {"floats of i8", AICC_I8, 0.0371F, -11, .add_first = true, .floats = true, .lo = -128,
       .hi = 127},
  };
  const cg_target *native = cg_target_find("native");
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    check(&forms[i], cg_target_find("x86-64-v3"), false);
    check(&forms[i], cg_target_find("sm_80"), false);
    if (native != NULL) {
      check(&forms[i], native, true);
    }
  }
}
END_TEST

START_TEST(any_scale_divides_exactly) {
  const cg_target *native = cg_target_find("native");
  float scale = 1.0F;
  for (int i = 0; i < 150 && native != NULL; i++) {
    form f = {"some scale", AICC_U8, scale, i % 256, .add_first = true, .lo = 0, .hi = 255};
    check(&f, native, true);
    scale = i % 10 == 9 ? nextafterf(0x1p-6F, 0) : scale * 0.913F;
    scale = scale < 1e-4F ? scale * 77777.0F : scale;
  }
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("quantise");
  TCase *tests = tcase_create("quantise");
  tcase_set_timeout(tests, 240);
  tcase_add_test(tests, bytes_are_the_same);
  tcase_add_test(tests, any_scale_divides_exactly);
  suite_add_tcase(suite, tests);
  return suite;
}

AICC_TEST_MAIN(make_suite)
