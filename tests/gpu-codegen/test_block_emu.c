// Kernels as PTX on the emulator against the kernel interpreter: the same bits from both, for every
// target that has what the kernel needs, with fewer blocks than tasks as well.
#include <stdlib.h>
#include <string.h>

#include "block_gemm.h"
#include "check_main.h"
#include "emu_program.h"
#include "kir_fixture.h"

// --- one kernel on the emulator ------------------------------------------------------------------

static size_t bytes_of(const kir_param *param, const kir_arg *arg) {
  return arg->count * aicc_dtype_size(param->dtype);
}

// The argument block; buffers are copied to the device, those that are only written stay unwritten.
static void place_args(emu_device *device, const emu_program *p, const kir_arg *args,
                       uint64_t *slots) {
  for (int i = 0; i < p->kernel->param_count; i++) {
    const kir_param *param = &p->kernel->params[i];
    slots[i] = (uint64_t)args[i].i;
    if (param->is_buffer) {
      slots[i] = emu_alloc(device, bytes_of(param, &args[i]));
      ck_assert_uint_ne(slots[i], 0);
    }
    if (param->is_buffer && (param->access & KIR_READ) != 0) {
      ck_assert(emu_write(device, slots[i], args[i].data, bytes_of(param, &args[i])));
    }
  }
}

// What the program left in the buffers that it writes equals what is in |args|.
static void compare(emu_device *device, const emu_program *p, const kir_arg *args,
                    const uint64_t *slots) {
  for (int i = 0; i < p->kernel->param_count; i++) {
    const kir_param *param = &p->kernel->params[i];
    if (!param->is_buffer || (param->access & KIR_WRITE) == 0) {
      continue;
    }
    const size_t bytes = bytes_of(param, &args[i]);
    char *found = aicc_arena_alloc(&arena, bytes);
    int64_t unwritten = -1;
    ck_assert(emu_read(device, slots[i], found, bytes, &unwritten));
    ck_assert_int_eq(unwritten, -1);
    for (size_t at = 0; at < bytes; at++) {
      ck_assert_msg(found[at] == ((const char *)args[i].data)[at],
                    "parameter %d differs at byte %zu", i, at);
    }
  }
}

static void emulate(const emu_program *p, int64_t grid, uint32_t blocks, const kir_arg *args) {
  emu_device *device = emu_program_device(p);
  uint64_t slots[EMU_PROGRAM_SLOTS] = {0};
  ck_assert_uint_eq(p->info.scratch_bytes, 0);
  place_args(device, p, args, slots);
  emu_program_launch(device, p, grid, blocks, slots);
  compare(device, p, args, slots);
  emu_device_destroy(device);
}

static const char *const ampere[] = {"sm_80", "sm_90"};
static const char *const all[] = {"sm_75", "sm_80", "sm_90"};

// Interprets the kernel over |args|, then runs it on |machines| from what they were before.
static void check(const kir_kernel *kernel, const char *const *machines, int count, int64_t grid,
                  kir_arg *args) {
  kir_arg wanted[8];
  for (int i = 0; i < kernel->param_count; i++) {
    wanted[i] = args[i];
    if (kernel->params[i].is_buffer) {
      wanted[i].data =
          aicc_arena_memdup(&arena, args[i].data, bytes_of(&kernel->params[i], &args[i]));
    }
  }
  check_ok(kir_interpret(kernel, 32, grid, wanted, 3, &diags));
  for (int i = 0; i < count; i++) {
    const emu_program p = emu_program_compile(cg_target_find(machines[i]), kernel, &arena);
    // What is read is as it was before the interpreter changed its copy.
    kir_arg mixed[8];
    for (int j = 0; j < kernel->param_count; j++) {
      const bool read = (kernel->params[j].access & KIR_READ) != 0;
      mixed[j] = kernel->params[j].is_buffer && !read ? wanted[j] : args[j];
    }
    for (uint32_t blocks = 1; blocks <= 3; blocks++) {
      emulate(&p, grid, blocks, mixed);
    }
    LLVMDisposeMemoryBuffer(p.ptx);
  }
}

// --- kernels -------------------------------------------------------------------------------------

static void check_gemm(gemm_shape shape, int64_t m, int64_t n, int64_t k) {
  const kir_kernel *kernel = gemm_make(&arena, shape);
  uint16_t *a = AICC_NEW_ARRAY(&arena, uint16_t, m * k),
           *b = AICC_NEW_ARRAY(&arena, uint16_t, k * n);
  for (int64_t i = 0; i < m * k; i++) {
    aicc_set_f64(AICC_F16, a, (size_t)i, (double)(i * 5 % 13 - 6));
  }
  for (int64_t i = 0; i < k * n; i++) {
    aicc_set_f64(AICC_F16, b, (size_t)i, (double)(i * 3 % 11 - 5));
  }
  kir_arg args[] = {{.data = a, .count = (size_t)(m * k)},
                    {.data = b, .count = (size_t)(k * n)},
                    {.data = AICC_NEW_ARRAY(&arena, float, m *n), .count = (size_t)(m * n)},
                    {.i = m}, {.i = n}, {.i = k}};
  const int64_t grid = (m + shape.bm - 1) / shape.bm * ((n + shape.bn - 1) / shape.bn);
  check(kernel, ampere, 2, grid, args);
}

START_TEST(matrix_products) {
  check_gemm((gemm_shape){.bm = 64, .bn = 64, .bk = 32, .stages = 3, .wm = 32, .wn = 32}, 100, 72,
             80);
  check_gemm((gemm_shape){.bm = 128, .bn = 128, .bk = 32, .stages = 3, .wm = 64, .wn = 64}, 160,
             136, 104);
  // Dynamic shared memory, eight warps.
  check_gemm((gemm_shape){.bm = 128, .bn = 128, .bk = 32, .stages = 4, .wm = 64, .wn = 32}, 160,
             136, 104);
}
END_TEST

static void check_mma(kir_mma_kind kind, const char *const *machines, int count) {
  const kir_mma_info *info = &kir_mma_infos[kind];
  uint32_t a[128], b[128];
  for (int i = 0; i < 128; i++) {
    for (int e = 0; e < info->per_register; e++) {
      aicc_set_f64(info->a, &a[i], (size_t)e, i * 7 % 9 + e);
      aicc_set_f64(info->b, &b[i], (size_t)e, i * 5 % 7 + 2 * e);
    }
  }
  const char *const bindings[] = {
      aicc_arena_printf(&arena, "KIND=\"%s\"", info->mnemonic),
      aicc_arena_printf(&arena, "D=%s", aicc_dtype_name(info->d))};
  const kir_kernel *kernel = parse_bound(
      "kernel @k(%a: u32* read, %b: u32* read, %d: $D* write) width 32 {\n"
      "  %i = lane * 4\n"
      "  %x = array 4 : u32 varying\n  %y = array 4 : u32 varying\n  %z = array 4 : $D varying\n"
      "  vload %x[0], %a[%i], 4\n  vload %y[0], %b[%i], 4\n"
      "  mma $KIND %z[0], %x[0], %y[0]\n  mma $KIND %z[0], %x[0], %y[2]\n"
      "  vstore %d[%i], %z[0], 4\n}", bindings, 2);
  kir_arg args[] = {{.data = a, .count = 128}, {.data = b, .count = 128},
                    {.data = AICC_NEW_ARRAY(&arena, uint32_t, 128), .count = 128}};
  check(kernel, machines, count, 1, args);
}

START_TEST(every_matrix_instruction) {
  for (int kind = 0; kind < KIR_MMA_COUNT; kind++) {
    const bool turing = kind == KIR_MMA_F16_K8;
    check_mma((kir_mma_kind)kind, turing ? all : ampere, turing ? 3 : 2);
  }
}
END_TEST

// y[i] = x[255 - i], reversed chunks of |count| at a time through local memory, by 2 warps a task.
static void check_vectors(const char *type, int count, aicc_dtype dtype) {
  enum { TASKS = 5, EACH = 1024 };
  const char *const bindings[] = {aicc_arena_printf(&arena, "T=%s", type),
                                  aicc_arena_printf(&arena, "N=%d", count)};
  const kir_kernel *kernel = parse_bound(
      "kernel @k(%x: $T* read, %y: $T* write) width 32 warps 2 {\n"
      "  %t = local 1024 : $T\n  %u = local 1024 : $T\n  %a = array $N : $T varying\n"
      "  %i = (warp * 32 + lane) * $N\n"
      "  vload %a[0], %x[task * 1024 + %i], $N\n"
      "  vstore %t[63 * $N - %i], %a[0], $N\n"
      "  barrier\n"
      "  vload %a[0], %t[%i], $N\n"
      "  barrier\n"
      "  vstore %t[%i], %a[0], $N\n"
      "  for lanes %j in warp * 32 * $N .. (warp + 1) * 32 * $N { %u[%j] = %t[%j] }\n"
      "  vload %a[0], %u[%i], $N\n"
      "  vstore %y[task * 64 * $N + %i], %a[0], $N\n}", bindings, 2);
  char *data = aicc_arena_alloc(&arena, TASKS * EACH * aicc_dtype_size(dtype));
  for (size_t i = 0; i < TASKS * EACH; i++) {
    aicc_set_f64(dtype, data, i, dtype == AICC_BOOL ? i % 3 == 0 : (double)(i % 100));
  }
  const size_t out = (size_t)(TASKS * 64 * count);
  kir_arg args[] = {{.data = data, .count = TASKS * EACH},
                    {.data = aicc_arena_alloc(&arena, out * 8), .count = out}};
  check(kernel, all, 3, TASKS, args);
}

START_TEST(vectors_through_shared_memory) {
  check_vectors("f32", 4, AICC_F32);
  check_vectors("f32", 1, AICC_F32);
  check_vectors("f16", 8, AICC_F16);
  check_vectors("bf16", 4, AICC_BF16);
  check_vectors("i8", 16, AICC_I8);
  check_vectors("u8", 4, AICC_U8);
  check_vectors("i64", 2, AICC_I64);
  check_vectors("bool", 4, AICC_BOOL);
  check_vectors("bool", 1, AICC_BOOL);
}
END_TEST

// One warp a task: copies of every size with guards, read by other lanes; exchanges; ldmatrix.
static const char lanes[] =
    "kernel @k(%x: f16* read, %y: f32* write, %z: u32* write) width 32 {\n"
    "  %t = local 512 : f16\n  %s = local 128 : f16\n"
    "  copy_async %t[lane * 8], %x[task * 512 + lane * 8], 8, lane < 29\n"
    "  commit\n"
    "  copy_async %t[256 + lane * 4], %x[task * 512 + 256 + lane * 4], 4\n"
    "  copy_async %t[384 + lane * 2], %x[task * 512 + 384 + lane * 2], 2, mod(lane, 3) == 1\n"
    "  copy_async %t[448 + lane * 2], %x[task * 512 + 448 + lane * 2], 2\n"
    "  commit\n"
    "  wait 1\n"
    "  %s[lane * 4] = %t[248 - lane * 8]\n"
    "  wait 0\n"
    "  %v = f32(%t[511 - lane]) + f32(%s[124 - lane * 4])\n"
    "  %w = exchange(%v, 16) - exchange(%v, 1)\n"
    "  %y[task * 32 + lane] = %w + f32(%t[256 + mod(lane + 7, 32) * 4 + 3])"
    " + f32(%t[384 + lane * 2])\n"
    "  %a = array 7 : u32 varying\n"
    "  ldmatrix %a[0], %t[lane * 8], 4\n"
    "  ldmatrix %a[4], %t[(31 - lane) * 8], 2 transposed\n"
    "  ldmatrix %a[6], %t[256 + lane * 8], 1\n"
    "  for unroll %j in 0 .. 7 { %z[(task * 32 + lane) * 7 + %j] = %a[%j] }\n"
    "}";

START_TEST(copies_and_lanes) {
  uint16_t x[6 * 512];
  for (int i = 0; i < 6 * 512; i++) {
    aicc_set_f64(AICC_F16, x, (size_t)i, i % 1000);
  }
  kir_arg args[] = {{.data = x, .count = 6 * 512},
                    {.data = AICC_NEW_ARRAY(&arena, float, 192), .count = 192},
                    {.data = AICC_NEW_ARRAY(&arena, uint32_t, 192 * 7), .count = 192 * 7}};
  check(parse(lanes), all, 3, 6, args);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("block_emu");
  TCase *cases = tcase_create("all");
  tcase_add_checked_fixture(cases, set_up, tear_down);
  tcase_set_timeout(cases, 240);
  tcase_add_test(cases, matrix_products);
  tcase_add_test(cases, every_matrix_instruction);
  tcase_add_test(cases, vectors_through_shared_memory);
  tcase_add_test(cases, copies_and_lanes);
  suite_add_tcase(suite, cases);
  return suite;
}

AICC_TEST_MAIN(make_suite)
