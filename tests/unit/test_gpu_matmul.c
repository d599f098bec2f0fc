// Matrix multiplies on GPUs: schedules, types, shapes, layouts, epilogues.
#include "gpu_contract.h"

typedef struct matmul_case {
  int64_t m, n, k;
  aicc_dtype dtype;
  bool trans_a, trans_b, constant_b, plain;  // plain: no epilogue
  bool tf32;
  bool to_i32;                               // of bytes: |dtype| times |right|
  aicc_dtype right;
  int64_t batch_a, batch_b;                  // 0: none
  enum { LOADED, TURNED, SCALED, CUT } b_is;  // a parameter, its transpose, integers times a scale,
                                             // or cut out of a larger one
} matmul_case;

// B as the case has it: [batch], k, n or n, k.
static aicc_value *make_b(gpu_graph *g, const matmul_case *c, const gpu_operand *b) {
  if (c->b_is == TURNED) {  // dimensions rotated: batches are no longer outermost
    gpu_operand turned = *b;
    int64_t perm[GPU_RANK];
    for (int i = 0; i < b->rank; i++) {
      perm[i] = (i + 1) % b->rank;
      turned.shape[(i + 1) % b->rank] = b->shape[i];
    }
    return aicc_b_transpose(&g->b, gpu_param(g, &turned), perm);
  }
  if (c->b_is == CUT) {  // the second of three, from the fifth line on
    gpu_operand stack = *b;
    memmove(stack.shape + 1, b->shape, (size_t)b->rank * sizeof *b->shape);
    stack.shape[0] = 3;
    stack.shape[stack.rank++] += 4;
    stack.shape[stack.rank - 2] += 4;
    aicc_value *x = gpu_param(g, &stack);
    aicc_dim dims[GPU_RANK];
    aicc_dims *all = g->module->dims;
    const aicc_dim two = aicc_dim_const(all, 2), four = aicc_dim_const(all, 4);
    for (int axis = b->rank - 1; axis <= b->rank; axis++) {
      x = aicc_b_slice(&g->b, x, axis, four, aicc_dim_sub(all, x->type.dims[axis], four), 1);
    }
    x = aicc_b_slice(&g->b, x, 0, two, aicc_dim_const(all, 1), 1);
    memcpy(dims, x->type.dims + 1, (size_t)b->rank * sizeof *dims);
    return aicc_b_reshape(&g->b, x, dims, b->rank);
  }
  if (c->b_is == SCALED) {
    gpu_operand bytes = *b;
    bytes.dtype = AICC_I8;
    aicc_value *x = aicc_b_cast(&g->b, gpu_param(g, &bytes), b->dtype);
    x = aicc_b_binary(&g->b, AICC_OP_SUB, x, aicc_b_scalar_like(&g->b, x, 1));
    return aicc_b_binary(&g->b, AICC_OP_MUL, x, aicc_b_scalar_like(&g->b, x, 0.5));
  }
  return c->constant_b ? gpu_const(g, b) : gpu_param(g, b);
}

static void run_case(const matmul_case *c, bool symbolic, const char *target,
                     const char *schedule) {
  gpu_graph g;
  gpu_graph_open(&g, symbolic);
  g.tf32 = c->tf32;
  g.bytes = c->to_i32;
  char title[160];
  snprintf(title, sizeof title, "%s '%s': %s %lldx%lldx%lld%s%s%s%s batches %lld %lld", target,
           schedule ? schedule : "", aicc_dtype_name(c->dtype), (long long)c->m, (long long)c->n,
           (long long)c->k, c->trans_a ? " tA" : "", c->trans_b ? " tB" : "",
           c->constant_b ? " const" : "", symbolic ? " symbolic" : "", (long long)c->batch_a,
           (long long)c->batch_b);
  gpu_operand a = {.dtype = c->dtype}, b = {.dtype = c->to_i32 ? c->right : c->dtype};
  if (c->batch_a > 0) {
    a.shape[a.rank++] = c->batch_a;
  }
  a.shape[a.rank++] = c->trans_a ? c->k : c->m;
  a.shape[a.rank++] = c->trans_a ? c->m : c->k;
  if (c->batch_b > 0) {
    b.shape[b.rank++] = c->batch_b;
  }
  b.shape[b.rank++] = c->trans_b ? c->n : c->k;
  b.shape[b.rank++] = c->trans_b ? c->k : c->n;
  aicc_value *x = gpu_param(&g, &a);
  aicc_value *w = make_b(&g, c, &b);
  aicc_value *in[] = {x, w};
  aicc_node *node = aicc_node_create(g.module, AICC_OP_MATMUL, in, 2, 1);
  aicc_set_int(g.module, node, AICC_ATTR_TRANS_A, c->trans_a);
  aicc_set_int(g.module, node, AICC_ATTR_TRANS_B, c->trans_b);
  if (c->to_i32) {
    aicc_set_dtype(g.module, node, AICC_ATTR_TO, AICC_I32);
  }
  aicc_value *r = aicc_b_finish(&g.b, node);
  if (!c->plain) {
    const gpu_operand bias = {
        .dtype = c->to_i32 ? AICC_I32 : c->dtype, .rank = 1, .shape = {c->n}};
    aicc_value *sum = aicc_b_binary(&g.b, AICC_OP_ADD, r, gpu_const(&g, &bias));
    r = aicc_b_binary(&g.b, AICC_OP_MAX, sum, aicc_b_scalar_like(&g.b, sum, 0));
  }
  gpu_graph_run(&g, r, target, schedule, title);
  gpu_graph_close(&g);
}

static void run_all(const matmul_case *cases, size_t count, const char *target,
                    const char *const *schedules, size_t schedule_count) {
  for (size_t i = 0; i < count; i++) {
    for (size_t s = 0; s < schedule_count; s++) {
      run_case(&cases[i], false, target, schedules[s]);
    }
    matmul_case plain = cases[i];
    plain.plain = true;
    plain.constant_b = false;
    run_case(&plain, true, target, schedules[i % schedule_count]);
  }
}

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

static const matmul_case f32_cases[] = {
    {64, 64, 32, AICC_F32},
    {33, 47, 19, AICC_F32},
    {1, 1, 1, AICC_F32, .trans_b = true},
    {20, 36, 28, AICC_F32, .trans_b = true},
    {20, 36, 28, AICC_F32, .trans_a = true, .constant_b = true},
    {21, 37, 29, AICC_F32, .trans_a = true, .trans_b = true, .constant_b = true},
    {7, 130, 65, AICC_F32, .constant_b = true},
    {5, 6, 0, AICC_F32},
    {0, 6, 5, AICC_F32},
    {6, 0, 5, AICC_F32},
    {17, 20, 24, AICC_F32, .batch_a = 3, .batch_b = 3},
    {17, 19, 24, AICC_F32, .batch_a = 1, .batch_b = 3, .trans_b = true},
    {17, 20, 24, AICC_F32, .batch_a = 3, .batch_b = 1},
    {9, 20, 24, AICC_F32, .batch_a = 3, .trans_a = true},
    {140, 24, 16, AICC_F32},
};

static const char *const simt_schedules[] = {
    NULL, "simt 32x32x8 threads 4x4 stages 2", "simt 64x64x16 threads 8x4 stages 3",
    "simt 16x32x16 threads 2x2 stages 2 split 3", "simt 32x64x4 threads 1x8 stages 4"};

START_TEST(f32_on_sm_80) {
  run_all(f32_cases, COUNT_OF(f32_cases), "sm_80", simt_schedules, COUNT_OF(simt_schedules));
}
END_TEST

START_TEST(f32_on_sm_75) {
  static const char *const schedules[] = {NULL, "simt 64x32x8 threads 4x8 stages 2"};
  run_all(f32_cases, COUNT_OF(f32_cases), "sm_75", schedules, COUNT_OF(schedules));
}
END_TEST

START_TEST(f32_on_amd) {
  static const char *const schedules[] = {NULL, "simt 64x64x8 threads 8x4 stages 2"};
  run_all(f32_cases, COUNT_OF(f32_cases), "gfx942", schedules, COUNT_OF(schedules));
  run_all(f32_cases, 4, "gfx1100", schedules, COUNT_OF(schedules));
}
END_TEST

START_TEST(a_tile_of_128) {
  const matmul_case large = {150, 136, 20, AICC_F32};
  run_case(&large, false, "sm_80", "simt 128x128x8 threads 8x8 stages 2");
  const matmul_case half = {150, 136, 40, AICC_F16, .constant_b = true};
  run_case(&half, false, "sm_80", "mma 128x128x32 warps 2x2 stages 3");
}
END_TEST

START_TEST(other_types) {
  static const aicc_dtype types[] = {AICC_F64, AICC_I32, AICC_I64, AICC_U32, AICC_U64,
                                     AICC_I8,  AICC_U8,  AICC_I16};
  static const char *const schedules[] = {NULL, "simt 32x32x8 threads 4x4 stages 2"};
  for (size_t i = 0; i < COUNT_OF(types); i++) {
    const matmul_case cases[] = {{33, 24, 20, types[i]},
                                 {16, 17, 13, types[i], .trans_b = true, .constant_b = true}};
    run_all(cases, COUNT_OF(cases), "sm_80", schedules, COUNT_OF(schedules));
    run_all(cases, 1, "sm_75", schedules, 1);
  }
}
END_TEST

static void half_cases(aicc_dtype type, const char *target, const char *const *schedules,
                       size_t count) {
  const matmul_case cases[] = {
      {64, 64, 64, type},
      {33, 47, 19, type},
      {33, 48, 40, type, .trans_b = true},
      {40, 48, 40, type, .trans_a = true, .constant_b = true},
      {41, 43, 39, type, .trans_a = true, .trans_b = true, .constant_b = true},
      {7, 136, 72, type, .constant_b = true},
      {5, 6, 0, type},
      {0, 6, 5, type},
      {1, 1, 1, type},
      {17, 24, 24, type, .batch_a = 3, .batch_b = 3},
      {17, 22, 26, type, .batch_a = 3, .batch_b = 3, .trans_b = true},
  };
  run_all(cases, COUNT_OF(cases), target, schedules, count);
}

START_TEST(halves_by_matrices) {
  static const char *const schedules[] = {
      NULL, "mma 32x32x32 warps 1x2 stages 3", "mma 64x64x16 warps 2x2 stages 2",
      "mma 16x64x32 warps 1x4 stages 4 split 2", "simt 32x32x16 threads 4x2 stages 2"};
  half_cases(AICC_F16, "sm_80", schedules, COUNT_OF(schedules));
  half_cases(AICC_BF16, "sm_80", schedules, 2);
  half_cases(AICC_F16, "sm_75", schedules, 3);
}
END_TEST

START_TEST(halves_by_multiply_adds) {
  static const char *const schedules[] = {NULL};
  half_cases(AICC_BF16, "sm_75", schedules, 1);
  half_cases(AICC_F16, "gfx942", schedules, 1);
}
END_TEST

START_TEST(f32_as_tf32) {
  static const char *const schedules[] = {
      NULL, "mma 64x32x16 warps 2x1 stages 3", "mma 32x64x8 warps 1x2 stages 2",
      "mma 32x32x32 warps 2x2 stages 2 split 2"};
  const matmul_case cases[] = {
      {64, 64, 64, AICC_F32, .tf32 = true},
      {33, 47, 19, AICC_F32, .tf32 = true},
      {33, 48, 40, AICC_F32, .tf32 = true, .trans_b = true},
      {40, 48, 40, AICC_F32, .tf32 = true, .trans_a = true, .constant_b = true},
      {41, 43, 39, AICC_F32, .tf32 = true, .trans_a = true, .trans_b = true, .constant_b = true},
      {17, 24, 24, AICC_F32, .tf32 = true, .batch_a = 3, .batch_b = 3},
      {20, 24, 40, AICC_F32, .tf32 = true, .b_is = SCALED},
  };
  run_all(cases, COUNT_OF(cases), "sm_80", schedules, COUNT_OF(schedules));
}
END_TEST

START_TEST(bytes_by_matrices) {
  static const char *const schedules[] = {
      NULL, "mma 32x32x64 warps 2x2 stages 3", "mma 64x64x32 warps 2x2 stages 2",
      "mma 16x64x32 warps 1x4 stages 4 split 2", "simt 32x32x16 threads 4x2 stages 2",
      "rows 4 warps 2"};
  static const aicc_dtype types[] = {AICC_I8, AICC_U8};
  for (int i = 0; i < 4; i++) {
    const aicc_dtype x = types[i / 2], y = types[i % 2];
    const matmul_case cases[] = {
        {64, 64, 128, x, .to_i32 = true, .right = y},
        {33, 47, 70, x, .to_i32 = true, .right = y},
        {33, 48, 80, x, .to_i32 = true, .right = y, .trans_b = true},
        {40, 48, 100, x, .to_i32 = true, .right = y, .trans_a = true, .constant_b = true},
        {41, 43, 39, x, .to_i32 = true, .right = y, .trans_a = true, .trans_b = true,
         .constant_b = true},
        {7, 144, 132, x, .to_i32 = true, .right = y, .constant_b = true},
        {5, 6, 0, x, .to_i32 = true, .right = y},
        {1, 1, 1, x, .to_i32 = true, .right = y},
        {17, 32, 64, x, .to_i32 = true, .right = y, .batch_a = 3, .batch_b = 3},
        {17, 22, 26, x, .to_i32 = true, .right = y, .batch_a = 3, .batch_b = 3, .trans_b = true},
    };
    run_all(cases, COUNT_OF(cases), "sm_80", schedules, COUNT_OF(schedules));
    run_all(cases, i == 1 ? COUNT_OF(cases) : 1, "sm_75", schedules, 1);
    run_all(cases, i == 1 ? COUNT_OF(cases) : 0, "gfx942", schedules, 1);
    run_all(cases, i == 1 ? COUNT_OF(cases) : 0, "x86-64-v3", schedules, 1);
  }
}
END_TEST

START_TEST(b_in_the_group) {
  static const char *const schedules[] = {NULL, "simt 32x32x8 threads 4x4 stages 2"};
  static const char *const halves[] = {NULL, "mma 32x32x32 warps 1x2 stages 3", "rows 2 warps 4"};
  static const aicc_dtype types[] = {AICC_F32, AICC_F16};
  for (size_t i = 0; i < COUNT_OF(types); i++) {
    for (int turned = 0; turned < 2; turned++) {
      const matmul_case cases[] = {
          {33, 24, 40, types[i], .b_is = turned ? TURNED : SCALED},
          {200, 17, 40, types[i], .b_is = turned ? TURNED : SCALED, .trans_b = true},
          {33, 24, 40, types[i], .b_is = turned ? TURNED : SCALED, .batch_a = 3, .batch_b = 3},
          {18, 24, 40, types[i], .b_is = turned ? TURNED : SCALED, .batch_a = 2, .batch_b = 1},
          {1, 72, 136, types[i], .b_is = turned ? TURNED : SCALED},
          {3, 72, 136, types[i], .b_is = turned ? TURNED : SCALED, .trans_b = true},
      };
      run_all(cases, COUNT_OF(cases), "sm_80", i ? halves : schedules, i ? 3 : 2);
    }
    const matmul_case cut[] = {
        {33, 24, 40, types[i], .b_is = CUT},
        {200, 20, 40, types[i], .b_is = CUT, .trans_b = true},
        {3, 72, 136, types[i], .b_is = CUT, .batch_a = 2, .batch_b = 2},
        {1, 71, 136, types[i], .b_is = CUT, .trans_b = true},
    };
    run_all(cut, COUNT_OF(cut), "sm_80", i ? halves : schedules, i ? 3 : 2);
  }
}
END_TEST

START_TEST(few_rows) {
  static const char *const schedules[] = {NULL, "rows 1 warps 2", "rows 4 warps 8 split 2",
                                          "rows 8 warps 1", "rows 2 warps 4 lanes 2"};
  static const aicc_dtype types[] = {AICC_F32, AICC_F16, AICC_BF16, AICC_F64, AICC_I32, AICC_I8};
  for (size_t i = 0; i < COUNT_OF(types); i++) {
    const matmul_case cases[] = {
        {1, 256, 160, types[i]},
        {1, 37, 129, types[i]},
        {3, 72, 520, types[i], .trans_b = true},
        {4, 65, 31, types[i], .trans_b = true, .constant_b = true},
        {7, 33, 48, types[i], .trans_a = true, .constant_b = true},
        {2, 40, 64, types[i], .batch_a = 3, .batch_b = 3},
        {2, 5, 0, types[i]},
        {0, 5, 3, types[i]},
    };
    run_all(cases, COUNT_OF(cases), "sm_80", schedules, COUNT_OF(schedules));
    run_all(cases, 4, i % 2 ? "gfx942" : "sm_75", schedules, 1);
  }
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("gpu_matmul");
  TCase *tests = tcase_create("gpu_matmul");
  tcase_set_timeout(tests, 250);
  tcase_add_test(tests, f32_on_sm_80);
  tcase_add_test(tests, f32_on_sm_75);
  tcase_add_test(tests, f32_on_amd);
  tcase_add_test(tests, a_tile_of_128);
  tcase_add_test(tests, other_types);
  tcase_add_test(tests, halves_by_matrices);
  tcase_add_test(tests, halves_by_multiply_adds);
  tcase_add_test(tests, f32_as_tf32);
  tcase_add_test(tests, bytes_by_matrices);
  tcase_add_test(tests, b_in_the_group);
  tcase_add_test(tests, few_rows);
  suite_add_tcase(suite, tests);
  return suite;
}

AICC_TEST_MAIN(make_suite)
