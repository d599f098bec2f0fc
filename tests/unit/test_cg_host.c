// The host program: plans made by hand, compiled and run in this process on a host of our own.
#include "cg_fixture.h"
#include "check_main.h"
#include "codegen/cg_host.h"

static cg_fixture fixture;
static aicc_module *module;
static aicc_plan plan;

static void set_up(void) {
  cg_fixture_open(&fixture);
  module = aicc_module_create("graph");
  plan = (aicc_plan){.module = module, .segment_count = 1};
  aicc_arena_init(&plan.arena);
}

static void tear_down(void) {
  aicc_arena_deinit(&plan.arena);
  aicc_module_destroy(module);
  cg_fixture_close(&fixture);
}

// --- a host that records what it is asked --------------------------------------------------------

typedef struct session {
  const aicc_abi_model *model;
  char log[4096];
  int64_t output_memory[64];
  int64_t heap[64];
  int fail_at;  // this many calls from now fails; 0: none
} session;

static int32_t note(session *s, const char *format, ...) AICC_PRINTF(2, 3);
static int32_t note(session *s, const char *format, ...) {
  va_list args;
  va_start(args, format);
  const size_t used = strlen(s->log);
  vsnprintf(s->log + used, sizeof s->log - used, format, args);
  va_end(args);
  return s->fail_at > 0 && --s->fail_at == 0 ? 77 : 0;
}

static int32_t host_plan(void *v, uint32_t segment, const int64_t *sizes, void **addresses) {
  session *s = v;
  static int64_t memory[2][8][64];
  int32_t status = note(s, "plan %u:", segment);
  int place = 0;
  for (uint32_t i = 0; i < s->model->buffer_count; i++) {
    if (s->model->buffers[i].segment == segment) {
      note(s, " %lld", (long long)sizes[place]);
      addresses[place] = memory[segment][place];
      place++;
    }
  }
  note(s, "\n");
  return status;
}

static int32_t host_launch(void *v, uint32_t kernel, int64_t grid, const void *args,
                           int64_t cost) {
  session *s = v;
  const int32_t status = note(s, "launch %s grid %lld cost %lld\n", s->model->kernels[kernel].name,
                              (long long)grid, (long long)cost);
  s->model->kernels[kernel].cpu(args, 0, grid, NULL);
  return status;
}

static int32_t host_copy(void *v, void *to, const void *from, int64_t bytes) {
  memcpy(to, from, (size_t)bytes);
  return note(v, "copy %lld\n", (long long)bytes);
}

static int32_t host_read(void *v, void *to, const void *from, int64_t bytes) {
  memcpy(to, from, (size_t)bytes);
  return note(v, "read %lld\n", (long long)bytes);
}

static int32_t host_write(void *v, void *to, const void *from, int64_t bytes) {
  memcpy(to, from, (size_t)bytes);
  return note(v, "write %lld\n", (long long)bytes);
}

static int32_t host_output(void *v, uint32_t index, int32_t rank, const int64_t *dims,
                           void **address) {
  session *s = v;
  const int32_t status = note(s, "output %u:", index);
  for (int i = 0; i < rank; i++) {
    note(s, " %lld", (long long)dims[i]);
  }
  note(s, "\n");
  *address = s->output_memory;
  return status;
}

static int32_t host_alloc(void *v, int64_t bytes, void **address) {
  session *s = v;
  *address = s->heap;
  return note(s, "alloc %lld\n", (long long)bytes);
}

static void host_free(void *v, void *address) {
  session *s = v;
  note(s, "free %d\n", address == s->heap);
}

static int32_t host_bad_input(void *v, uint32_t index, int32_t axis, int64_t expected) {
  note(v, "bad input %u axis %d expected %lld\n", index, axis, (long long)expected);
  return 1;
}

static int32_t host_fail(void *v, const char *text, int64_t value) {
  note(v, "fail: %s %lld\n", text, (long long)value);
  return 2;
}

static const aicc_abi_host host = {
    .size = sizeof host, .version = AICC_ABI_VERSION, .plan = host_plan, .launch = host_launch,
    .copy = host_copy, .read = host_read, .write = host_write, .output = host_output,
    .alloc = host_alloc, .free = host_free, .bad_input = host_bad_input, .fail = host_fail,
};

// --- plans ---------------------------------------------------------------------------------------

static aicc_dim number(int64_t value) { return aicc_dim_const(module->dims, value); }
static aicc_dim symbol(const char *name) { return aicc_dim_symbol(module->dims, name); }

static aicc_type tensor(aicc_dtype dtype, int rank, aicc_dim a, aicc_dim b) {
  const aicc_dim dims[] = {a, b};
  return aicc_type_tensor(module, dtype, dims, rank);
}

static aicc_slot add_slot(aicc_slot_kind kind, aicc_type type, uint32_t index, uint32_t segment) {
  aicc_slot_info info = {.kind = kind, .type = type, .index = index, .segment = segment};
  info.bytes = aicc_dim_mul(module->dims, aicc_type_count(module, &type),
                            number((int64_t)aicc_dtype_size(type.dtype)));
  AICC_PUSH(&plan.arena, plan.slots, plan.slot_count, plan.slot_capacity, info);
  return (aicc_slot)(plan.slot_count - 1);
}

static aicc_step *add_step(aicc_steps *steps, aicc_step_kind kind) {
  aicc_step *step = AICC_NEW(&plan.arena, aicc_step);
  step->kind = kind;
  if (steps->last != NULL) {
    steps->last->next = step;
  } else {
    steps->first = step;
  }
  steps->last = step;
  return step;
}

static void set_io(const aicc_type *inputs, int input_count, const aicc_type *outputs,
                   int output_count) {
  plan.inputs = AICC_NEW_ARRAY(&plan.arena, aicc_slot, input_count);
  plan.outputs = AICC_NEW_ARRAY(&plan.arena, aicc_slot, output_count);
  for (int i = 0; i < input_count; i++) {
    aicc_region_add_param(module, module->body, i == 0 ? "x" : "y", inputs[i]);
    plan.inputs[i] = add_slot(AICC_SLOT_INPUT, inputs[i], (uint32_t)i, 0);
  }
  module->body->result_count = output_count;
  module->body->results = AICC_NEW_ARRAY(&module->arena, aicc_value *, output_count);
  module->result_names = AICC_NEW_ARRAY(&module->arena, const char *, output_count);
  for (int i = 0; i < output_count; i++) {
    module->body->results[i] = AICC_NEW(&module->arena, aicc_value);
    module->body->results[i]->type = outputs[i];
    module->result_names[i] = "z";
    plan.outputs[i] = add_slot(AICC_SLOT_OUTPUT, outputs[i], (uint32_t)i, 0);
  }
}

// to[task] = from[task] + n
static void add_kernel(void) {
  kir_kernel *kernel = kir_kernel_create(&plan.arena, "plus", "map", 0);
  const kir_val from = kir_add_buffer(kernel, "from", AICC_I64, KIR_READ);
  const kir_val to = kir_add_buffer(kernel, "to", AICC_I64, KIR_WRITE);
  const kir_val n = kir_add_scalar(kernel, "n", AICC_I64);
  kir_builder b;
  kir_builder_init(&b, kernel);
  kir_store(&b, to, kir_task(&b), kir_add(&b, kir_load(&b, from, kir_task(&b)), n));
  AICC_PUSH(&plan.arena, plan.kernels, plan.kernel_count, plan.kernel_capacity, kernel);
}

static void add_launch(aicc_steps *steps, aicc_slot from, aicc_slot to, aicc_dim n,
                       aicc_dim grid) {
  aicc_step_arg *args = AICC_NEW_ARRAY(&plan.arena, aicc_step_arg, 3);
  args[0] = (aicc_step_arg){.is_slot = true, .slot = from};
  args[1] = (aicc_step_arg){.is_slot = true, .slot = to};
  args[2] = (aicc_step_arg){.dim = n};
  aicc_step *step = add_step(steps, AICC_STEP_LAUNCH);
  step->args = args;
  step->arg_count = 3;
  step->grid = grid;
  step->cost = number(5);
}

static const aicc_abi_model *compile(void) {
  cg c;
  LLVMValueRef run = NULL;
  cg_fixture_ok(&fixture, cg_open(&c, cg_target_find("native"), "host", 1, &fixture.arena,
                                  &fixture.diags));
  cg_kernel_info infos[4];
  const char *symbols[4] = {"k0", "k1", "k2", "k3"};
  for (size_t i = 0; i < plan.kernel_count; i++) {
    cg_fixture_ok(&fixture, cg_emit_kernel(&c, plan.kernels[i], symbols[i]));
    infos[i] = cg_kernel_info_of(c.target, plan.kernels[i]);
  }
  cg_fixture_ok(&fixture, cg_emit_run(&c, &plan, NULL, false, &run));
  const cg_image image = {.kind = AICC_ABI_IMAGE_CPU, .target = c.target->machine.name};
  const cg_tables tables = {.plan = &plan, .infos = infos, .symbols = symbols, .images = &image,
                            .image_count = 1};
  cg_emit_tables(&c, &tables, run);
  cg_fixture_ok(&fixture, cg_optimize(&c));
  LLVMMemoryBufferRef object = NULL;
  cg_fixture_ok(&fixture, cg_emit(&c, false, &object));
  cg_close(&c);
  LLVMOrcExecutorAddress address = 0;
  ck_assert(LLVMOrcCreateLLJIT(&fixture.jit, NULL) == NULL);
  ck_assert(LLVMOrcLLJITAddObjectFile(fixture.jit, LLVMOrcLLJITGetMainJITDylib(fixture.jit),
                                      object) == NULL);
  ck_assert(LLVMOrcLLJITLookup(fixture.jit, &address, AICC_ABI_QUERY_SYMBOL) == NULL);
  aicc_abi_query_fn query;
  memcpy(&query, &address, sizeof query);
  ck_assert_ptr_null(query(0));
  return query(AICC_ABI_VERSION);
}

static int32_t run_model(session *s, void **inputs, const int64_t **dims, const int32_t *ranks) {
  const aicc_abi_call call = {.host = &host, .session = s, .inputs = inputs,
                              .input_dims = dims, .input_ranks = ranks};
  return s->model->run(&call);
}

// --- tests ---------------------------------------------------------------------------------------

START_TEST(launches_outputs_and_checked_symbols) {
  const aicc_dim n = symbol("n"), m = symbol("m");
  const aicc_dim sum = aicc_dim_add(module->dims, n, m);
  const aicc_type inputs[] = {tensor(AICC_I64, 2, n, number(2)), tensor(AICC_I64, 2, sum, m)};
  const aicc_dim twice = aicc_dim_mul(module->dims, n, number(2));
  const aicc_type output = tensor(AICC_I64, 1, twice, 0);
  set_io(inputs, 2, &output, 1);
  const aicc_slot temporary = add_slot(AICC_SLOT_BUFFER, output, 0, 0);
  add_kernel();
  add_step(&plan.steps, AICC_STEP_SEGMENT);
  add_launch(&plan.steps, plan.inputs[0], temporary, m, twice);
  add_step(&plan.steps, AICC_STEP_OUTPUT)->slot = plan.outputs[0];
  add_launch(&plan.steps, temporary, plan.outputs[0], number(100), twice);
  session s = {.model = compile()};
  ck_assert_str_eq(s.model->inputs[1].symbols[0], "m + n");
  ck_assert_int_eq((int)s.model->inputs[0].dims[1], 2);
  ck_assert_int_eq((int)s.model->inputs[0].dims[0], -1);
  ck_assert_str_eq(s.model->outputs[0].name, "z");
  ck_assert_uint_eq(s.model->kernels[0].arg_bytes, 24);

  int64_t x[6] = {1, 2, 3, 4, 5, 6}, y[35] = {0};
  void *data[] = {x, y};
  const int64_t x_dims[] = {3, 2}, y_dims[] = {8, 5}, bad_dims[] = {9, 5};
  const int64_t *dims[] = {x_dims, y_dims}, *bad[] = {x_dims, bad_dims};
  const int32_t ranks[] = {2, 2}, bad_ranks[] = {2, 3};
  ck_assert_int_eq(run_model(&s, data, dims, ranks), 0);
  ck_assert_str_eq(s.log, "plan 0: 48\nlaunch plus grid 6 cost 5\noutput 0: 6\n"
                          "launch plus grid 6 cost 5\n");
  for (int i = 0; i < 6; i++) {
    ck_assert_int_eq((int)s.output_memory[i], i + 1 + 5 + 100);
  }
  s.log[0] = 0;
  ck_assert_int_eq(run_model(&s, data, bad, ranks), 1);
  ck_assert_str_eq(s.log, "bad input 1 axis 0 expected 8\n");
  s.log[0] = 0;
  ck_assert_int_eq(run_model(&s, data, dims, bad_ranks), 1);
  ck_assert_str_eq(s.log, "bad input 1 axis -1 expected 2\n");
  s.log[0] = 0;
  s.fail_at = 4;  // the launch: planning notes three times
  ck_assert_int_eq(run_model(&s, data, dims, ranks), 77);
  ck_assert_ptr_null(strstr(s.log, "output"));
}
END_TEST

// i = 0; while (i < n) { i = i + 1; if (i mod 2) total = total + i } with sizes read from data.
START_TEST(loops_conditions_and_sizes_from_data) {
  const aicc_dim n = symbol("n"), i = symbol("i"), total = symbol("total"), s2 = symbol("s");
  const aicc_type input = tensor(AICC_I64, 1, n, 0), output = tensor(AICC_I64, 1, s2, 0);
  set_io(&input, 1, &output, 1);
  plan.segment_count = 2;
  const aicc_slot heap = add_slot(AICC_SLOT_HEAP, tensor(AICC_I32, 1, number(2), 0), 0, 0);
  const aicc_slot chosen = add_slot(AICC_SLOT_VARIABLE, input, 0, 0);
  add_slot(AICC_SLOT_BUFFER, output, 0, 1);
  aicc_dims *d = module->dims;
  aicc_steps *top = &plan.steps;
  add_step(top, AICC_STEP_SEGMENT);
  aicc_step *step = add_step(top, AICC_STEP_SET_DIM);
  step->symbol = i;
  step->dim = number(0);
  step = add_step(top, AICC_STEP_SET_DIM);
  step->symbol = total;
  step->dim = number(0);
  aicc_step *loop = add_step(top, AICC_STEP_LOOP);
  add_step(&loop->body, AICC_STEP_BREAK)->dim = aicc_dim_lt(d, i, n);
  step = add_step(&loop->body, AICC_STEP_SET_DIM);
  step->symbol = i;
  step->dim = aicc_dim_add(d, i, number(1));
  aicc_step *branch = add_step(&loop->body, AICC_STEP_IF);
  branch->dim = aicc_dim_mod(d, i, number(2));
  step = add_step(&branch->body, AICC_STEP_SET_DIM);
  step->symbol = total;
  step->dim = aicc_dim_add(d, total, i);
  aicc_dim *written = AICC_NEW_ARRAY(&plan.arena, aicc_dim, 2);
  written[0] = total;
  written[1] = aicc_dim_floordiv(d, aicc_dim_sub(d, number(0), total), number(2));
  add_step(top, AICC_STEP_ALLOC)->slot = heap;
  step = add_step(top, AICC_STEP_WRITE_DIMS);
  step->slot = heap;
  step->dims = written;
  step->dim_count = 2;
  step = add_step(top, AICC_STEP_DEF_DIM);
  step->slot = heap;
  step->index = 1;
  step->symbol = symbol("read");
  step = add_step(top, AICC_STEP_SET_DIM);
  step->symbol = s2;
  step->dim = aicc_dim_add(d, symbol("read"), number(8));
  add_step(top, AICC_STEP_FREE)->slot = heap;
  add_step(top, AICC_STEP_SEGMENT)->index = 1;
  step = add_step(top, AICC_STEP_CHECK);
  step->dim = aicc_dim_lt(d, number(0), s2);
  step->text = "empty: %lld";
  step->dims = &written[0];
  step->dim_count = 1;
  add_step(top, AICC_STEP_OUTPUT)->slot = plan.outputs[0];
  step = add_step(top, AICC_STEP_ASSIGN);
  step->slot = chosen;
  step->slot2 = plan.inputs[0];
  step = add_step(top, AICC_STEP_COPY);
  step->slot = plan.outputs[0];
  step->slot2 = chosen;
  step->dim = aicc_dim_mul(d, s2, number(8));

  session s = {.model = compile()};
  int64_t x[6] = {10, 20, 30, 40, 50, 60};
  void *data[] = {x};
  const int64_t x_dims[] = {6}, long_dims[] = {9};
  const int64_t *dims[] = {x_dims}, *longer[] = {long_dims};
  const int32_t ranks[] = {1};
  ck_assert_int_eq(run_model(&s, data, dims, ranks), 0);
  // total = 1 + 3 + 5 = 9; -9 // 2 = -5; s = 3
  ck_assert_str_eq(s.log, "plan 0:\nalloc 8\nwrite 8\nread 4\nfree 1\nplan 1: 24\noutput 0: 3\n"
                          "copy 24\n");
  ck_assert_int_eq((int)s.output_memory[2], 30);
  s.log[0] = 0;
  ck_assert_int_eq(run_model(&s, data, longer, ranks), 2);  // total = 25: s = -5
  ck_assert_ptr_nonnull(strstr(s.log, "fail: empty: %lld 25\n"));
}
END_TEST

START_TEST(symbols_that_cannot_be_found_are_refused) {
  const aicc_dim twice = aicc_dim_mul(module->dims, symbol("n"), number(2));
  const aicc_type input = tensor(AICC_I64, 1, twice, 0);
  set_io(&input, 1, &input, 1);
  cg c;
  LLVMValueRef run = NULL;
  cg_fixture_ok(&fixture, cg_open(&c, cg_target_find("native"), "host", 1, &fixture.arena,
                                  &fixture.diags));
  ck_assert_int_eq(cg_emit_run(&c, &plan, NULL, false, &run), AICC_UNSUPPORTED);
  ck_assert_uint_eq(fixture.diags.error_count, 1);
  ck_assert_int_eq(fixture.diags.items[0].id, AICC_DIAG_E0503);
  cg_close(&c);
}
END_TEST

static Suite *make_suite(void) {
  Suite *suite = suite_create("cg_host");
  TCase *tcase = tcase_create("all");
  tcase_set_timeout(tcase, 60);
  tcase_add_checked_fixture(tcase, set_up, tear_down);
  tcase_add_test(tcase, launches_outputs_and_checked_symbols);
  tcase_add_test(tcase, loops_conditions_and_sizes_from_data);
  tcase_add_test(tcase, symbols_that_cannot_be_found_are_refused);
  suite_add_tcase(suite, tcase);
  return suite;
}

AICC_TEST_MAIN(make_suite)
