// Kernels of blocks of warps as GPU code: the instructions they become, shared memory, what is
// refused; and, where there is a ptxas, that it takes them without spills.
#include <sys/mman.h>
#include <unistd.h>

#include "block_gemm.h"
#include "cg_fixture.h"
#include "check_main.h"
#include "codegen/file.h"
#include "codegen/tool.h"

static cg_fixture fixture;

static void set_up(void) { cg_fixture_open(&fixture); }
static void tear_down(void) { cg_fixture_close(&fixture); }

static int count_of(const char *what) {
  int count = 0;
  for (const char *at = fixture.assembly; (at = strstr(at, what)) != NULL; at++) {
    count++;
  }
  return count;
}

static kir_kernel *parse(const char *text) {
  kir_kernel *kernel =
      kir_parse(&fixture.arena, text, strlen(text), "t.kir", NULL, 0, &fixture.diags);
  ck_assert_ptr_nonnull(kernel);
  cg_fixture_ok(&fixture, kir_verify(kernel, &fixture.diags));
  return kernel;
}

static void compile(const char *text, const char *target) {
  cg_fixture_compile(&fixture, parse(text), cg_target_find(target));
}

// What ptxas -v says of the assembly, NULL where there is no ptxas.
static const char *ptxas_says(const char *target) {
  const int ptx = memfd_create("ptx", 0), log = memfd_create("log", 0);
  ck_assert(cg_write_all(ptx, fixture.assembly, strlen(fixture.assembly)));
  const char *const args[] = {"ptxas", "-v",
                              aicc_arena_printf(&fixture.arena, "-arch=%s", target),
                              "-o", "/dev/null",
                              aicc_arena_printf(&fixture.arena, "/proc/self/fd/%d", ptx), NULL};
  int status = 0;
  const int error = cg_tool_run(args, log, log, &status);
  const char *said = error == 0 ? cg_read_text(log, &fixture.arena) : NULL;
  close(ptx);
  close(log);
  ck_assert_msg(error != 0 || status == 0, "ptxas: %s\n%s", said, fixture.assembly);
  return said;
}

static void check_ptxas(const char *target, bool spills) {
  const char *said = ptxas_says(target);
  if (said != NULL) {
    ck_assert_msg(spills || strstr(said, " 0 bytes spill stores") != NULL, "%s", said);
  }
}

static const char *refusal(const kir_kernel *kernel, const char *target) {
  cg c;
  cg_fixture_ok(&fixture, cg_open(&c, cg_target_find(target), "test", 2, &fixture.arena,
                                  &fixture.diags));
  ck_assert_int_eq(cg_emit_kernel(&c, kernel, "kernel"), AICC_UNSUPPORTED);
  cg_close(&c);
  ck_assert_uint_gt(fixture.diags.count, 0);
  return fixture.diags.items[fixture.diags.count - 1].text;
}

// --- a matrix product ----------------------------------------------------------------------------

START_TEST(a_matrix_product_on_tensor_cores) {
  const gemm_shape shape = {.bm = 128, .bn = 128, .bk = 32, .stages = 3, .wm = 64, .wn = 64};
  kir_kernel *kernel = gemm_make(&fixture.arena, shape);
  cg_fixture_ok(&fixture, kir_verify(kernel, &fixture.diags));
  static const char *const targets[] = {"sm_80", "sm_86", "sm_89", "sm_90"};
  for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
    cg_fixture_compile(&fixture, kernel, cg_target_find(targets[i]));
    ck_assert_int_eq(count_of("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32"), 64);
    ck_assert_int_eq(count_of("ldmatrix.sync.aligned.m8n8.x4.shared.b16"), 8);
    ck_assert_int_eq(count_of("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16"), 8);
    ck_assert_int_eq(count_of("cp.async.cg.shared.global"), 3 * 8);
    ck_assert_int_eq(count_of("cp.async.commit_group"), 3);
    ck_assert_int_eq(count_of("cp.async.wait_group"), 1);
    ck_assert_int_eq(count_of("bar.sync") + count_of("barrier.sync"), 2);  // and between tasks
    ck_assert_int_eq(count_of("bar.warp.sync"), 0);
    ck_assert_int_eq(count_of(".local"), 0);  // arrays are registers
    ck_assert_int_eq(count_of(".reqntid 128"), 1);
    ck_assert_int_eq(count_of(".minnctapersm 2"), 1);
    ck_assert_uint_eq(fixture.info.shared_bytes, 48 << 10);
    ck_assert_uint_eq(fixture.info.dynamic_shared_bytes, 0);
    ck_assert_uint_eq(fixture.info.task_warps, 4);
    ck_assert_uint_eq(fixture.info.block_threads, 128);
    check_ptxas(targets[i], false);
  }
}
END_TEST

START_TEST(more_shared_memory_is_dynamic) {
  const gemm_shape shape = {.bm = 128, .bn = 128, .bk = 32, .stages = 4, .wm = 64, .wn = 32};
  cg_fixture_compile(&fixture, gemm_make(&fixture.arena, shape), cg_target_find("sm_80"));
  ck_assert_uint_eq(fixture.info.shared_bytes, 0);
  ck_assert_uint_eq(fixture.info.dynamic_shared_bytes, 64 << 10);
  ck_assert_uint_eq(fixture.info.block_threads, 256);
  ck_assert_int_eq(count_of(".extern .shared"), 1);
  ck_assert_int_eq(count_of(".minnctapersm 1"), 1);
  check_ptxas("sm_80", false);
  gemm_shape square = shape;  // 128 sums a lane: no room for what is not needed
  square.wn = 64;
  cg_fixture_compile(&fixture, gemm_make(&fixture.arena, square), cg_target_find("sm_80"));
  check_ptxas("sm_80", false);
  gemm_shape most = shape;
  most.stages = 7;
  const kir_kernel *large = gemm_make(&fixture.arena, most);
  ck_assert_ptr_nonnull(strstr(refusal(large, "sm_80"), "take 114688 bytes of shared memory"));
}
END_TEST

START_TEST(what_a_target_lacks_is_refused) {
  const gemm_shape shape = {.bm = 64, .bn = 64, .bk = 32, .stages = 2, .wm = 32, .wn = 32};
  const kir_kernel *kernel = gemm_make(&fixture.arena, shape);
  ck_assert_ptr_nonnull(strstr(refusal(kernel, "sm_75"), "no matrix instruction m16n8k16.f16"));
  ck_assert_ptr_nonnull(strstr(refusal(kernel, "x86-64-v3"), "tasks of 4 warps are for GPUs"));
  kir_kernel *lds = parse("kernel @k(%x: f32* write) {\n"
                          "  %t = local 256 : f16\n  %a = array 4 : u32 varying\n"
                          "  ldmatrix %a[0], %t[lane * 8], 4 }");
  ck_assert_ptr_nonnull(strstr(refusal(lds, "gfx1100"), "the target has no 'ldmatrix'"));
  ck_assert_ptr_nonnull(strstr(refusal(lds, "x86-64-v3"), "are for GPUs"));
  kir_kernel *many = parse("kernel @k(%x: f32* write) width 32 warps 16 { %x[lane] = 1.0 }");
  ck_assert_ptr_nonnull(strstr(refusal(many, "sm_90"), "take 16 warps each, of at most 8"));
  kir_kernel *big = parse("kernel @k(%x: f32* read) {\n  %t = local 65536 : f32\n"
                          "  copy_async %t[lane * 4], %x[lane * 4], 4 }");
  ck_assert_ptr_nonnull(strstr(refusal(big, "sm_80"), "do not fit shared memory"));
}
END_TEST

// --- matrices of every kind ----------------------------------------------------------------------

static void check_mma(kir_mma_kind kind, const char *target, const char *instruction) {
  const kir_mma_info *info = &kir_mma_infos[kind];
  kir_kernel *kernel = kir_kernel_create(&fixture.arena, "k", "contract", 32);
  const kir_val x = kir_add_buffer(kernel, "x", AICC_U32, KIR_READ);
  const kir_val y = kir_add_buffer(kernel, "y", info->d, KIR_WRITE);
  kir_builder b;
  kir_builder_init(&b, kernel);
  const kir_val at = kir_mul(&b, kir_lane(&b), kir_const_i64(&b, 4));
  const kir_val a = kir_array(&b, AICC_U32, 4, true), d = kir_array(&b, info->d, 4, true);
  kir_vload(&b, a, 0, 4, x, at);
  kir_mma(&b, kind, d, 0, a, 0, a, 2);
  kir_vstore(&b, y, at, d, 0, 4);
  cg_fixture_ok(&fixture, kir_verify(kernel, &fixture.diags));
  cg_fixture_compile(&fixture, kernel, cg_target_find(target));
  ck_assert_msg(count_of(instruction) == 1, "%s", fixture.assembly);
  check_ptxas(target, false);
}

START_TEST(every_matrix_instruction) {
  check_mma(KIR_MMA_F16_K8, "sm_75", "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32");
  check_mma(KIR_MMA_F16, "sm_80", "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32");
  check_mma(KIR_MMA_BF16, "sm_80", "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32");
  check_mma(KIR_MMA_TF32, "sm_80", "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32");
  check_mma(KIR_MMA_S8, "sm_80", "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32");
  check_mma(KIR_MMA_U8, "sm_80", "mma.sync.aligned.m16n8k32.row.col.s32.u8.u8.s32");
  check_mma(KIR_MMA_S8U8, "sm_80", "mma.sync.aligned.m16n8k32.row.col.s32.s8.u8.s32");
  check_mma(KIR_MMA_U8S8, "sm_80", "mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32");
}
END_TEST

// --- vectors -------------------------------------------------------------------------------------

// y[..] = x[..] for |count| elements of |type| per lane.
static void check_vector(const char *type, int count, const char *load, const char *store) {
  const char *text = aicc_arena_printf(
      &fixture.arena,
      "kernel @k(%%x: %s* read, %%y: %s* write) {\n  %%a = array %d : %s varying\n"
      "  %%i = (task * 32 + lane) * %d\n  vload %%a[0], %%x[%%i], %d\n"
      "  vstore %%y[%%i], %%a[0], %d\n}",
      type, type, count, type, count, count, count);
  compile(text, "sm_80");
  ck_assert_msg(count_of(load) == 1 && count_of(store) == 1, "%s", fixture.assembly);
  ck_assert_int_eq(count_of("ld.global"), 1);
  ck_assert_int_eq(count_of("st.global"), 1);
  check_ptxas("sm_80", false);
}

START_TEST(vectors_are_one_access) {
  check_vector("f32", 4, "ld.global.nc.v4.b32", "st.global.v4.b32");
  check_vector("f32", 2, "ld.global.nc.v2.b32", "st.global.v2.b32");
  check_vector("f32", 1, "ld.global.nc.b32", "st.global.b32");
  check_vector("f16", 8, "ld.global.nc.v4.b32", "st.global.v4.b32");
  check_vector("bf16", 4, "ld.global.nc.v2.b32", "st.global.v2.b32");
  check_vector("f16", 2, "ld.global.nc.b32", "st.global.b32");
  check_vector("i8", 16, "ld.global.nc.v4.b32", "st.global.v4.b32");
  check_vector("u8", 4, "ld.global.nc.b32", "st.global.b32");
  check_vector("i64", 2, "ld.global.nc.v2.b64", "st.global.v2.b64");
  check_vector("f64", 2, "ld.global.nc.v2.b64", "st.global.v2.b64");
  check_vector("bool", 4, "ld.global.nc.b32", "st.global.b32");
}
END_TEST

// --- order ---------------------------------------------------------------------------------------

static const char through_local[] =
    "kernel @k(%x: f32* read, %y: f32* write) warps 2 {\n"
    "  %t = local 1024 : f32\n"
    "  %a = array 4 : f32 varying\n"
    "  %i = (warp * 32 + lane) * 4\n"
    "  vload %a[0], %x[%i], 4\n"
    "  vstore %t[%i], %a[0], 4\n"
    "  barrier\n"
    "  vload %a[0], %t[252 - %i], 4\n"
    "  vstore %y[%i], %a[0], 4\n"
    "}";

START_TEST(barriers_order_what_warps_share) {
  compile(through_local, "sm_80");
  ck_assert_int_eq(count_of("bar.sync") + count_of("barrier.sync"), 2);
  ck_assert_int_eq(count_of("bar.warp.sync"), 0);
  ck_assert_int_eq(count_of("st.shared.v4.b32"), 1);
  ck_assert_int_eq(count_of("ld.shared.v4.b32"), 1);
  ck_assert_uint_eq(fixture.info.shared_bytes, 4096);
  ck_assert_uint_eq(fixture.info.block_threads, 64);
  check_ptxas("sm_80", false);
  compile(through_local, "gfx942");
  ck_assert_int_eq(count_of("s_barrier"), 2);
  ck_assert_uint_eq(fixture.info.block_threads, 128);
  compile(through_local, "gfx1100");
  ck_assert_int_eq(count_of("s_barrier"), 2);
  ck_assert_int_eq(count_of("ds_store_b128"), 1);
  ck_assert_int_eq(count_of("global_load_b128"), 1);
}
END_TEST

// One warp: lanes read what other lanes copied, behind the wait.
static const char copied[] =
    "kernel @k(%x: f16* read, %y: f16* write) width 32 {\n"
    "  %t = local 256 : f16\n"
    "  %a = array 8 : f16 varying\n"
    "  copy_async %t[lane * 8], %x[lane * 8], 8, lane < 30\n"
    "  commit\n"
    "  wait 0\n"
    "  vload %a[0], %t[248 - lane * 8], 8\n"
    "  vstore %y[lane * 8], %a[0], 8\n"
    "}";

START_TEST(copies_are_loads_and_stores_where_there_are_none) {
  compile(copied, "sm_80");
  ck_assert_int_eq(count_of("cp.async.cg.shared.global"), 1);
  ck_assert_int_eq(count_of("cp.async.wait_all"), 1);  // at the end of a task
  ck_assert_int_eq(count_of("bar.warp.sync"), 2);      // behind the wait, and before the next task
  check_ptxas("sm_80", false);
  compile(copied, "sm_75");
  ck_assert_int_eq(count_of("cp.async"), 0);
  ck_assert_int_eq(count_of("ld.global.nc.v4.b32"), 1);
  ck_assert_int_eq(count_of("st.shared.v4.b32"), 1);
  ck_assert_int_eq(count_of("bar.warp.sync"), 2);
  check_ptxas("sm_75", false);
}
END_TEST

START_TEST(names_of_nodes_cannot_leave_their_comment) {
  kir_kernel *kernel = parse("kernel @k(%y: f32* write) { %y[lane] = 1.0 }");
  static const aicc_origin origins[] = {{.node = "/enc/MatMul", .op = "MatMul"},
                                        {.node = "a\"\n.visible\\", .op = "Add"}};
  kernel->origins = origins;
  kernel->origin_count = 2;
  cg c;
  cg_fixture_ok(&fixture, cg_open(&c, cg_target_find("sm_80"), "test", 2, &fixture.arena,
                                  &fixture.diags));
  cg_fixture_ok(&fixture, cg_emit_kernel(&c, kernel, "k7"));
  ck_assert_str_eq(c.notes, "// aicc: k7 from \"/enc/MatMul\" MatMul, "
                            "\"a\\x22\\x0a.visible\\x5c\" Add\n");
  cg_close(&c);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("cg_block");
  TCase *cases = tcase_create("all");
  tcase_add_checked_fixture(cases, set_up, tear_down);
  tcase_set_timeout(cases, 120);
  tcase_add_test(cases, a_matrix_product_on_tensor_cores);
  tcase_add_test(cases, more_shared_memory_is_dynamic);
  tcase_add_test(cases, what_a_target_lacks_is_refused);
  tcase_add_test(cases, every_matrix_instruction);
  tcase_add_test(cases, vectors_are_one_access);
  tcase_add_test(cases, barriers_order_what_warps_share);
  tcase_add_test(cases, copies_are_loads_and_stores_where_there_are_none);
  tcase_add_test(cases, names_of_nodes_cannot_leave_their_comment);
  suite_add_tcase(suite, cases);
  return suite;
}

AICC_TEST_MAIN(make_suite)
