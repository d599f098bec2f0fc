// Sessions on a CUDA device, over the driver of host_device.c: what goes to the device and back, in
// all the ways a caller may have it, and what is said when something is wrong.
#include <dlfcn.h>
#include <stdlib.h>

#include "check_main.h"
#include "gpu_kernels.h"
#include "runtime/cuda_api.h"

static aicc_rt_model *model;
static aicc_rt_session *session;
static aicc_rt_error error;
static gpu_inputs in;
static const aicc_rt_cuda *cuda;

static void make_session(const aicc_rt_session_options *options) {
  session = aicc_rt_session_create(model, "cuda", options, &error);
  ck_assert_msg(session != NULL, "%s", error.text);
}

static void open_model(void) {
  model = aicc_rt_model_open(AICC_GPU_MODEL, NULL, &error);
  ck_assert_msg(model != NULL, "%s", error.text);
  cuda = aicc_rt_cuda_load(&error);
  ck_assert_msg(cuda != NULL, "%s", error.text);
}

static void close_model(void) {
  aicc_rt_session_destroy(session);
  aicc_rt_model_close(model);
}

static void run_ok(void) {
  ck_assert_msg(aicc_rt_session_run(session, &error) == AICC_RT_OK, "%s", error.text);
}

static void run_rows(int64_t rows, float first) {
  ck_assert_msg(gpu_set(session, &in, rows, first, &error) == AICC_RT_OK, "%s", error.text);
  run_ok();
  ck_assert(gpu_y_is_right(session, &in));
}

static void assert_refused(aicc_rt_status status, aicc_rt_status expected, const char *text) {
  ck_assert_int_eq(status, expected);
  ck_assert_msg(strstr(error.text, text) != NULL, "'%s' is not in '%s'", text, error.text);
}

// How often the host code of the model ran.
static int model_runs(void) {
  void *library = dlopen(AICC_GPU_MODEL, RTLD_NOW | RTLD_NOLOAD);
  ck_assert_ptr_nonnull(library);
  const int *runs = dlsym(library, "gpu_model_runs");
  ck_assert_ptr_nonnull(runs);
  dlclose(library);
  return *runs;
}

// ---- device memory of the caller ----------------------------------------------------------------

static cu_context context;

static void *device_copy(const void *data, size_t bytes, size_t offset) {
  cu_pointer memory = 0;
  if (context == NULL) {
    ck_assert_int_eq(cuda->primary_retain(&context, 0), CU_OK);
  }
  ck_assert_int_eq(cuda->context_push(context), CU_OK);
  ck_assert_int_eq(cuda->memory_alloc(&memory, bytes + offset), CU_OK);
  ck_assert_int_eq(cuda->upload(memory + offset, data, bytes, NULL), CU_OK);
  ck_assert_int_eq(cuda->stream_wait(NULL), CU_OK);
  ck_assert_int_eq(cuda->context_pop(&context), CU_OK);
  return (void *)(uintptr_t)(memory + offset);
}

static void device_read(void *to, const void *from, size_t bytes) {
  ck_assert_int_eq(cuda->context_push(context), CU_OK);
  ck_assert_int_eq(cuda->download(to, (cu_pointer)(uintptr_t)from, bytes, NULL), CU_OK);
  ck_assert_int_eq(cuda->stream_wait(NULL), CU_OK);
  ck_assert_int_eq(cuda->context_pop(&context), CU_OK);
}

static DLTensor on_device(DLTensor tensor) {
  tensor.device = (DLDevice){kDLCUDA, 0};
  return tensor;
}

// The kernel of dev_cuda_pack.c.
typedef struct pack_params {
  uint64_t to, from, count, bytes;
  int64_t shape[16];
} pack_params;

bool aicc_pack(const pack_params *p);
__attribute__((visibility("default"))) bool aicc_pack(const pack_params *p) {
  for (uint64_t i = 0; i < p->count; i++) {
    uint64_t left = i, from = p->from;
    for (int d = 7; d >= 0; d--) {
      from += left % (uint64_t)p->shape[2 * d] * (uint64_t)p->shape[2 * d + 1];
      left /= (uint64_t)p->shape[2 * d];
    }
    memcpy((void *)(uintptr_t)(p->to + i * p->bytes), (const void *)(uintptr_t)from, p->bytes);
  }
  return true;
}

// ---- tests --------------------------------------------------------------------------------------

START_TEST(host_tensors_go_there_and_back) {
  make_session(NULL);
  static const int64_t rows[] = {1, 7, 64, 3, 0, 7, 7, 64};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    run_rows(rows[i], (float)i);
  }
  ck_assert_int_eq(aicc_rt_session_output_length(session, 2), -1);
  aicc_rt_memory memory;
  aicc_rt_session_memory(session, &memory);
  ck_assert_uint_ge(memory.arena_bytes, 64 * 16);
  ck_assert_uint_eq(memory.weights_bytes, 16);
  ck_assert_uint_gt(memory.scratch_bytes, 0);
}
END_TEST

START_TEST(sizes_are_read_from_the_device) {
  make_session(NULL);
  uint8_t yes = 1;
  const DLTensor pick = gpu_tensor(&yes, kDLBool, 8, 0, NULL);
  ck_assert_int_eq(aicc_rt_session_set_input(session, 2, &pick, &error), AICC_RT_OK);
  for (int64_t rows = 1; rows < 12; rows++) {
    run_rows(rows, 0);
    DLTensor picked;
    ck_assert_int_eq(aicc_rt_session_output(session, 1, &picked, &error), AICC_RT_OK);
    int64_t positive = 0;
    for (int64_t i = 0; i < rows * 4; i++) {
      if (gpu_y(&in, i) > 0) {
        ck_assert(((const float *)picked.data)[positive++] == gpu_y(&in, i));
      }
    }
    ck_assert_int_eq(picked.shape[0], positive);
  }
}
END_TEST

START_TEST(sequences_hold_device_tensors) {
  make_session(NULL);
  float parts[2][4] = {{1, 2, 3, 4}, {5, 6, 7, 8}};
  int64_t four = 4;
  const DLTensor items[2] = {
      gpu_tensor(parts[0], kDLFloat, 32, 1, &four),
      on_device(gpu_tensor(device_copy(parts[1], 16, 0), kDLFloat, 32, 1, &four))};
  ck_assert_int_eq(aicc_rt_session_set_input_sequence(session, 3, items, 2, &error), AICC_RT_OK);
  for (int round = 0; round < 4; round++) {
    parts[0][3] = (float)round;
    run_rows(2, 1);
    ck_assert_int_eq(aicc_rt_session_output_length(session, 2), 4);
    DLTensor row;
    float expected[4][4];
    for (int i = 0; i < 4; i++) {
      expected[0][i] = expected[3][i] = gpu_y(&in, i);
      expected[1][i] = parts[0][i];
      expected[2][i] = parts[1][i];
    }
    for (uint64_t i = 0; i < 4; i++) {
      ck_assert_int_eq(aicc_rt_session_output_item(session, 2, i, &row, &error), AICC_RT_OK);
      ck_assert_mem_eq(row.data, expected[i], sizeof expected[i]);
    }
  }
}
END_TEST

START_TEST(strings_take_their_bytes_along) {
  make_session(NULL);
  char first[] = "first";
  aicc_rt_string words[5] = {{first, 5}, {NULL, 0}, {"a longer one", 12}, {"", 0}, {"z", 1}};
  int64_t count = 5;
  const DLTensor tensor = gpu_tensor(words, kDLOpaqueHandle, 128, 1, &count);
  ck_assert_int_eq(aicc_rt_session_set_input(session, 4, &tensor, &error), AICC_RT_OK);
  static const char *const expected[] = {"first", "word", "a longer one", "word", "z"};
  for (int round = 0; round < 5; round++) {
    first[0] = (char)('f' + round);
    run_rows(2, 1);
    DLTensor texts;
    ck_assert_int_eq(aicc_rt_session_output(session, 3, &texts, &error), AICC_RT_OK);
    const aicc_rt_string *got = texts.data;
    for (int i = 1; i < 5; i++) {
      ck_assert_uint_eq(got[i].size, strlen(expected[i]));
      ck_assert_mem_eq(got[i].data, expected[i], got[i].size);
    }
    ck_assert_mem_eq(got[0].data, first, 5);
  }
}
END_TEST

START_TEST(equal_runs_are_repeated_from_a_recording) {
  make_session(NULL);
  const int before = model_runs();
  for (int i = 0; i < 6; i++) {
    run_rows(5, (float)i);
  }
  ck_assert_int_eq(model_runs() - before, 2);  // one to see, one to record
  for (int i = 0; i < 3; i++) {
    run_rows(6, (float)i);
    run_rows(5, (float)i);
  }
  ck_assert_int_eq(model_runs() - before, 2 + 2);
  run_rows(60, 0);  // the arena grows, and inputs move: what was recorded is void
  for (int i = 0; i < 4; i++) {
    run_rows(5, (float)i);
  }
  ck_assert_int_eq(model_runs() - before, 2 + 2 + 1 + 2);
  aicc_rt_session_set_profile(session, true);
  run_rows(5, 9);
  ck_assert_int_eq(model_runs() - before, 2 + 2 + 1 + 2 + 1);
  aicc_rt_session_destroy(session);
  make_session(&(aicc_rt_session_options){.no_graphs = true});
  for (int i = 0; i < 4; i++) {
    run_rows(5, (float)i);
  }
  ck_assert_int_eq(model_runs() - before, 8 + 4);
}
END_TEST

START_TEST(memory_is_that_of_the_last_run) {
  make_session(NULL);
  uint64_t live[2] = {0, 0};
  for (int i = 0; i < 8; i++) {
    run_rows(i % 2 ? 3 : 60, (float)i);  // in turn: noted, recorded, repeated
    aicc_rt_memory memory;
    aicc_rt_session_memory(session, &memory);
    live[i % 2] = i < 2 ? memory.live_bytes : live[i % 2];
    ck_assert_uint_eq(memory.live_bytes, live[i % 2]);
  }
  ck_assert_uint_lt(live[1], live[0]);
}
END_TEST

START_TEST(a_changed_address_is_another_run) {
  make_session(NULL);
  const int before = model_runs();
  run_rows(4, 1);
  float *fresh = device_copy(in.a, sizeof in.a, 0);
  const DLTensor a = on_device(gpu_tensor(fresh, kDLFloat, 32, 2, in.dims));
  for (int i = 0; i < 4; i++) {
    ck_assert_int_eq(aicc_rt_session_set_input(session, 0, &a, &error), AICC_RT_OK);
    run_ok();
    ck_assert(gpu_y_is_right(session, &in));
  }
  ck_assert_int_eq(model_runs() - before, 1 + 2);
}
END_TEST

START_TEST(device_tensors_are_used_in_place) {
  make_session(&(aicc_rt_session_options){.outputs_on_device = true});
  ck_assert_int_eq(gpu_set(session, &in, 8, 3, &error), AICC_RT_OK);
  float columns[8 * 4];
  for (int r = 0; r < 8; r++) {
    for (int c = 0; c < 4; c++) {
      columns[c * 8 + r] = in.a[r * 4 + c];
    }
  }
  const DLTensor a = on_device(gpu_tensor(device_copy(in.a, 8 * 16, 0), kDLFloat, 32, 2, in.dims));
  const DLTensor b = on_device(gpu_tensor(device_copy(in.b, 8 * 16, 4), kDLFloat, 32, 2, in.dims));
  DLTensor strided =
      on_device(gpu_tensor(device_copy(columns, 8 * 16, 0), kDLFloat, 32, 2, in.dims));
  int64_t strides[2] = {1, 8};
  strided.strides = strides;
  ck_assert_int_eq(aicc_rt_session_set_input(session, 1, &b, &error), AICC_RT_OK);
  for (int i = 0; i < 6; i++) {
    ck_assert_int_eq(aicc_rt_session_set_input(session, 0, i < 3 ? &a : &strided, &error),
                     AICC_RT_OK);
    run_ok();
    DLTensor y;
    float values[8 * 4];
    ck_assert_int_eq(aicc_rt_session_output(session, 0, &y, &error), AICC_RT_OK);
    ck_assert_int_eq(y.device.device_type, kDLCUDA);
    device_read(values, y.data, sizeof values);
    ck_assert(gpu_is_y(&in, values));
  }
  DLTensor elsewhere = a;
  elsewhere.device.device_id = 3;
  assert_refused(aicc_rt_session_set_input(session, 0, &elsewhere, &error), AICC_RT_INVALID,
                 "input 'a' is on cuda:3, the session on cuda:0");
  elsewhere.device.device_type = kDLROCM;
  assert_refused(aicc_rt_session_set_input(session, 0, &elsewhere, &error), AICC_RT_INVALID,
                 "another device");
}
END_TEST

START_TEST(kept_inputs_are_read_where_they_were_uploaded) {
  make_session(NULL);
  assert_refused(aicc_rt_session_keep_input(session, 0, &error), AICC_RT_INVALID, "was not set");
  assert_refused(aicc_rt_session_keep_input(session, 99, &error), AICC_RT_INVALID,
                 "there is no input 99");
  ck_assert_int_eq(gpu_set(session, &in, 8, 3, &error), AICC_RT_OK);
  const gpu_inputs first = in;
  for (int kept = 0; kept < 2; kept++) {
    ck_assert_int_eq(aicc_rt_session_keep_input(session, 0, &error), AICC_RT_OK);
    in.a[0] += 10;  // too late
    for (int i = 0; i < 4; i++) {
      run_ok();
      ck_assert(gpu_y_is_right(session, &first));
    }
  }
  const DLTensor a = gpu_tensor(in.a, kDLFloat, 32, 2, in.dims);
  ck_assert_int_eq(aicc_rt_session_set_input(session, 0, &a, &error), AICC_RT_OK);
  run_ok();
  ck_assert(gpu_y_is_right(session, &in));
}
END_TEST

START_TEST(outputs_may_be_the_callers) {
  make_session(NULL);
  float host[6 * 4], zeros[6 * 4 + 4] = {0};
  int64_t dims[2] = {6, 4};
  float *aligned = device_copy(zeros, sizeof zeros, 0);
  const DLTensor places[3] = {gpu_tensor(host, kDLFloat, 32, 2, dims),
                              on_device(gpu_tensor(aligned, kDLFloat, 32, 2, dims)),
                              on_device(gpu_tensor(aligned + 1, kDLFloat, 32, 2, dims))};
  for (int i = 0; i < 9; i++) {
    const DLTensor *place = &places[i / 3];
    memset(host, 0, sizeof host);
    ck_assert_int_eq(aicc_rt_session_set_output(session, 0, place, &error), AICC_RT_OK);
    ck_assert_int_eq(gpu_set(session, &in, 6, (float)i, &error), AICC_RT_OK);
    run_ok();
    if (place->device.device_type == kDLCUDA) {
      device_read(host, place->data, sizeof host);
    }
    ck_assert(gpu_is_y(&in, host));
    DLTensor y;
    ck_assert_int_eq(aicc_rt_session_output(session, 0, &y, &error), AICC_RT_OK);
    ck_assert_ptr_eq(y.data, place->data);
    ck_assert_int_eq(y.device.device_type, place->device.device_type);
  }
}
END_TEST

START_TEST(runs_may_be_asynchronous_on_the_callers_stream) {
  float *unused = device_copy(&in, 16, 0);
  ck_assert_ptr_nonnull(unused);
  cu_stream stream = NULL;
  ck_assert_int_eq(cuda->context_push(context), CU_OK);
  ck_assert_int_eq(cuda->stream_create(&stream, CU_STREAM_NON_BLOCKING), CU_OK);
  ck_assert_int_eq(cuda->context_pop(&context), CU_OK);
  make_session(&(aicc_rt_session_options){
      .outputs_on_device = true, .asynchronous = true, .native_stream = stream});
  for (int i = 0; i < 5; i++) {
    ck_assert_int_eq(gpu_set(session, &in, 8, (float)i, &error), AICC_RT_OK);
    run_ok();
    ck_assert_int_eq(aicc_rt_session_wait(session, &error), AICC_RT_OK);
    DLTensor y;
    float values[8 * 4];
    ck_assert_int_eq(aicc_rt_session_output(session, 0, &y, &error), AICC_RT_OK);
    device_read(values, y.data, sizeof values);
    ck_assert(gpu_is_y(&in, values));
  }
  aicc_rt_session_destroy(session);
  make_session(&(aicc_rt_session_options){.native_context = context});
  run_rows(3, 2);
}
END_TEST

START_TEST(the_caller_may_supply_the_arena) {
  float zeros[64 * 4 + 64] = {0};
  void *arena = device_copy(zeros, sizeof zeros, 0);
  make_session(&(aicc_rt_session_options){.arena = arena, .arena_bytes = 512});
  run_rows(16, 2);
  ck_assert_int_eq(gpu_set(session, &in, 60, 0, &error), AICC_RT_OK);
  assert_refused(aicc_rt_session_run(session, &error), AICC_RT_MEMORY,
                 "the arena handed in has 512");
  run_rows(16, 3);
}
END_TEST

START_TEST(the_profile_is_the_devices) {
  make_session(&(aicc_rt_session_options){.profile = true});
  ck_assert_uint_eq(aicc_rt_session_plan(session)->width, 32);
  for (int i = 0; i < 3; i++) {
    run_rows(16, 1);
  }
  uint64_t ns = 0;
  for (uint32_t k = 0; k < 5; k++) {
    const aicc_rt_profile profile = aicc_rt_session_kernel_profile(session, k);
    ck_assert_uint_eq(profile.calls, k < 2 ? 3 : 0);
    ns += profile.total_ns;
  }
  ck_assert_uint_ge(aicc_rt_session_run_profile(session).total_ns, ns);
}
END_TEST

// ---- errors -------------------------------------------------------------------------------------

START_TEST(wrong_shapes_are_named) {
  make_session(NULL);
  ck_assert_int_eq(gpu_set(session, &in, 3, 0, &error), AICC_RT_OK);
  int64_t dims[2] = {2, 4};
  const DLTensor b = gpu_tensor(in.b, kDLFloat, 32, 2, dims);
  ck_assert_int_eq(aicc_rt_session_set_input(session, 1, &b, &error), AICC_RT_OK);
  assert_refused(aicc_rt_session_run(session, &error), AICC_RT_INPUT, "must be 3, as in input 'a'");
  run_rows(3, 1);
}
END_TEST

START_TEST(a_fault_names_kernel_and_nodes) {
  make_session(&(aicc_rt_session_options){.check_kernels = true});
  run_rows(3, 1);
  kernel_fails = true;
  assert_refused(aicc_rt_session_run(session, &error), AICC_RT_FAILED,
                 "kernel 'add' (Add \"/sum\", Mul \"/scaled\")");
  kernel_fails = false;
  assert_refused(aicc_rt_session_run(session, &error), AICC_RT_FAILED, "an earlier run failed");
}
END_TEST

START_TEST(a_fault_found_late_names_those_that_ran) {
  make_session(NULL);
  kernel_fails = true;
  ck_assert_int_eq(gpu_set(session, &in, 3, 0, &error), AICC_RT_OK);
  assert_refused(aicc_rt_session_run(session, &error), AICC_RT_FAILED, "'add'");
  ck_assert_ptr_nonnull(strstr(error.text, "check_kernels"));
}
END_TEST

// The driver reads its environment when it is loaded: each test is a process of its own.
START_TEST(no_memory_is_said_before_anything_runs) {
  make_session(NULL);
  run_rows(1, 0);
  const int calls = kernel_calls;
  static float big[1 << 20];
  int64_t dims[2] = {1 << 18, 4};
  const DLTensor tensor = gpu_tensor(big, kDLFloat, 32, 2, dims);
  ck_assert_int_eq(aicc_rt_session_set_input(session, 0, &tensor, &error), AICC_RT_OK);
  ck_assert_int_eq(aicc_rt_session_set_input(session, 1, &tensor, &error), AICC_RT_OK);
  assert_refused(aicc_rt_session_run(session, &error), AICC_RT_MEMORY,
                 "cuda:0: no device memory for 4.0 MiB of the planned buffers of the run");
  ck_assert_int_eq(kernel_calls, calls);
  run_rows(1, 1);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("cuda");
  TCase *t = tcase_create("cuda");
  tcase_set_timeout(t, 60);
  tcase_add_checked_fixture(t, open_model, close_model);
  tcase_add_test(t, host_tensors_go_there_and_back);
  tcase_add_test(t, sizes_are_read_from_the_device);
  tcase_add_test(t, sequences_hold_device_tensors);
  tcase_add_test(t, strings_take_their_bytes_along);
  tcase_add_test(t, equal_runs_are_repeated_from_a_recording);
  tcase_add_test(t, memory_is_that_of_the_last_run);
  tcase_add_test(t, a_changed_address_is_another_run);
  tcase_add_test(t, device_tensors_are_used_in_place);
  tcase_add_test(t, kept_inputs_are_read_where_they_were_uploaded);
  tcase_add_test(t, outputs_may_be_the_callers);
  tcase_add_test(t, runs_may_be_asynchronous_on_the_callers_stream);
  tcase_add_test(t, the_caller_may_supply_the_arena);
  tcase_add_test(t, the_profile_is_the_devices);
  tcase_add_test(t, wrong_shapes_are_named);
  tcase_add_test(t, a_fault_names_kernel_and_nodes);
  tcase_add_test(t, a_fault_found_late_names_those_that_ran);
  tcase_add_test(t, no_memory_is_said_before_anything_runs);
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
