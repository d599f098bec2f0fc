// Code generation for GPUs: what is emitted where, and what is refused. That every kernel assembles
// is shown by tests/gpu-codegen.
#include "cg_fixture.h"
#include "check_main.h"

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

typedef struct build {
  kir_kernel *kernel;
  kir_builder b;
  kir_val x, y, n, zero, one;
} build;

static build begin(unsigned x_access) {
  build u = {.kernel = kir_kernel_create(&fixture.arena, "k", "map", 0)};
  u.x = kir_add_buffer(u.kernel, "x", AICC_F32, x_access);
  u.y = kir_add_buffer(u.kernel, "y", AICC_F32, KIR_WRITE);
  u.n = kir_add_scalar(u.kernel, "n", AICC_I64);
  kir_builder_init(&u.b, u.kernel);
  u.zero = kir_const_i64(&u.b, 0);
  u.one = kir_const_i64(&u.b, 1);
  return u;
}

static aicc_status emit(const kir_kernel *kernel, const char *target) {
  cg c;
  cg_fixture_ok(&fixture, cg_open(&c, cg_target_find(target), "test", 2, &fixture.arena,
                                  &fixture.diags));
  const aicc_status status = cg_emit_kernel(&c, kernel, "kernel");
  cg_close(&c);
  return status;
}

// y[task] = sum of row |task| of x.
static kir_kernel *make_sum(void) {
  build u = begin(KIR_READ);
  kir_builder *b = &u.b;
  const kir_val sum = kir_var(b, kir_const(b, AICC_F32, 0), true);
  const kir_val i = kir_for(b, KIR_LANES, u.zero, u.n, u.one);
  const kir_val at = kir_add(b, kir_mul(b, kir_task(b), u.n), i);
  kir_set(b, sum, kir_add(b, kir_get(b, sum), kir_load(b, u.x, at)));
  kir_end(b);
  kir_store(b, u.y, kir_task(b), kir_reduce(b, AICC_OP_ADD, kir_get(b, sum)));
  return u.kernel;
}

START_TEST(lanes_are_reduced_by_shuffles) {
  cg_fixture_compile(&fixture, make_sum(), cg_target_find("sm_80"));
  ck_assert_int_eq(count_of("shfl.sync.bfly"), 5);
  ck_assert_int_gt(count_of("ld.global.nc.b32"), 0);
  ck_assert_int_eq(count_of(".reqntid 128"), 1);
  ck_assert_uint_eq(fixture.info.block_threads, 128);
  ck_assert_uint_eq(fixture.info.arg_bytes, 24);
  cg_fixture_compile(&fixture, make_sum(), cg_target_find("gfx942"));
  ck_assert_int_eq(count_of("ds_bpermute_b32"), 6);
  ck_assert_uint_eq(fixture.info.block_threads, 256);
  cg_fixture_compile(&fixture, make_sum(), cg_target_find("gfx1100"));
  ck_assert_int_eq(count_of("ds_bpermute_b32"), 5);
}
END_TEST

// Lane l stores to place l of local memory; y[l] is what lane l + |shift| stored.
static kir_kernel *make_exchange(int64_t shift, int64_t places) {
  build u = begin(KIR_READ);
  kir_builder *b = &u.b;
  const kir_val tile = kir_local(b, AICC_F32, places);
  const kir_val lane = kir_lane(b);
  kir_store(b, tile, lane, kir_load(b, u.x, lane));
  const kir_val from = kir_add(b, lane, kir_const_i64(b, shift));
  kir_store(b, u.y, lane, kir_load(b, tile, from));
  return u.kernel;
}

START_TEST(lanes_meet_where_they_exchange_values) {
  const cg_target *target = cg_target_find("sm_80");
  cg_fixture_compile(&fixture, make_exchange(1, 64), target);
  ck_assert_int_eq(count_of("bar.warp.sync"), 2);  // in a task, and before the next one
  cg_fixture_compile(&fixture, make_exchange(32, 64), target);
  ck_assert_int_eq(count_of("bar.warp.sync"), 1);  // own places: before the next task alone
}
END_TEST

// Where a loop runs no body, the lanes that would have met in it have yet to meet.
START_TEST(lanes_do_not_meet_in_a_loop_that_does_not_run) {
  build u = begin(KIR_READ);
  kir_builder *b = &u.b;
  const kir_val tile = kir_local(b, AICC_F32, 64), lane = kir_lane(b);
  const kir_val next = kir_add(b, lane, u.one);
  kir_store(b, tile, lane, kir_load(b, u.x, lane));
  const kir_val seen = kir_var(b, kir_const(b, AICC_F32, 0), true);
  kir_for(b, KIR_SERIAL, u.zero, u.n, u.one);
  kir_set(b, seen, kir_load(b, tile, next));
  kir_end(b);
  kir_store(b, u.y, lane, kir_add(b, kir_get(b, seen), kir_load(b, tile, next)));
  cg_fixture_compile(&fixture, u.kernel, cg_target_find("sm_80"));
  ck_assert_int_eq(count_of("bar.warp.sync"), 3);  // in the loop, behind it, before the next task
}
END_TEST

START_TEST(local_memory_is_shared_while_it_fits) {
  const cg_target *target = cg_target_find("sm_80");
  cg_fixture_compile(&fixture, make_exchange(1, 64), target);
  ck_assert_uint_eq(fixture.info.shared_bytes, 4 * 256);
  ck_assert_uint_eq(fixture.info.scratch_bytes, 0);
  ck_assert_int_gt(count_of("st.shared.b32"), 0);
  cg_fixture_compile(&fixture, make_exchange(1, 4096), target);
  ck_assert_uint_eq(fixture.info.shared_bytes, 0);
  ck_assert_uint_eq(fixture.info.scratch_bytes, 4 * 4096);
  ck_assert_int_eq(count_of("shared"), 0);
}
END_TEST

START_TEST(what_needs_all_lanes_is_refused_where_they_diverge) {
  build u = begin(KIR_READ);
  kir_builder *b = &u.b;
  const kir_val i = kir_for(b, KIR_LANES, u.zero, u.n, u.one);
  const kir_val sum = kir_reduce(b, AICC_OP_ADD, kir_load(b, u.x, i));
  kir_store(b, u.y, i, sum);
  kir_end(b);
  ck_assert_int_eq(emit(u.kernel, "sm_80"), AICC_UNSUPPORTED);
  ck_assert_ptr_nonnull(strstr(fixture.diags.items[0].text, "where not all of them run"));
}
END_TEST

START_TEST(a_kernel_for_other_warps_is_refused) {
  build u = begin(KIR_READ);
  u.kernel->width = 16;
  kir_store(&u.b, u.y, u.zero, kir_load(&u.b, u.x, u.zero));
  ck_assert_int_eq(emit(u.kernel, "gfx942"), AICC_UNSUPPORTED);
}
END_TEST

// Of lanes that store to one place, the last one's value stays.
START_TEST(one_lane_stores_to_one_place) {
  build u = begin(KIR_READ);
  kir_builder *b = &u.b;
  kir_store(b, u.y, u.zero, kir_load(b, u.x, kir_lane(b)));
  cg_fixture_compile(&fixture, u.kernel, cg_target_find("sm_80"));
  ck_assert_int_eq(count_of("st.global.b32"), 1);
  ck_assert_int_gt(count_of(", 31;"), 0);
}
END_TEST

// What lanes exchange values through must not be read ahead of another lane's writing.
START_TEST(buffers_that_are_written_are_not_read_as_constants) {
  build u = begin(KIR_READ | KIR_WRITE);
  kir_builder *b = &u.b;
  const kir_val lane = kir_lane(b), next = kir_add(b, lane, u.one);
  const kir_val old = kir_load(b, u.x, next);
  kir_store(b, u.x, lane, kir_const(b, AICC_F32, 2));
  kir_store(b, u.y, lane, kir_add(b, old, kir_load(b, u.x, next)));
  cg_fixture_compile(&fixture, u.kernel, cg_target_find("sm_80"));
  ck_assert_int_eq(count_of("ld.global.nc"), 0);
  ck_assert_int_eq(count_of("ld.global.b32"), 2);
  ck_assert_int_eq(count_of("bar.warp.sync"), 3);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("cg_gpu");
  TCase *cases = tcase_create("all");
  tcase_add_checked_fixture(cases, set_up, tear_down);
  tcase_add_test(cases, lanes_are_reduced_by_shuffles);
  tcase_add_test(cases, lanes_meet_where_they_exchange_values);
  tcase_add_test(cases, lanes_do_not_meet_in_a_loop_that_does_not_run);
  tcase_add_test(cases, local_memory_is_shared_while_it_fits);
  tcase_add_test(cases, what_needs_all_lanes_is_refused_where_they_diverge);
  tcase_add_test(cases, a_kernel_for_other_warps_is_refused);
  tcase_add_test(cases, one_lane_stores_to_one_place);
  tcase_add_test(cases, buffers_that_are_written_are_not_read_as_constants);
  suite_add_tcase(suite, cases);
  return suite;
}

AICC_TEST_MAIN(make_suite)
