// The kernel interpreter: every value has a cell per lane; uniform ones the same in all. It stops
// at the first thing it finds wrong. Besides what kir.h lists it reports lanes that store different
// values to one element, division of labour that depends on the order of tasks (races), and kernels
// that do not end.
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "ir/kir.h"
#include "ir/scalar.h"

enum { MAX_WIDTH = 256, MANY_READERS = -1 };
static const int64_t step_limit = INT64_C(50000000);

// Floats of every type are held as doubles, integers and bool as int64 (u64: its bit pattern),
// strings and complex numbers as their bytes.
typedef union cell {
  int64_t i;
  double f;
  uint64_t words[2];
} cell;

// A buffer, and per element who used it: 0 nobody, task + 1.
typedef struct memory {
  aicc_dtype dtype;
  char *data;
  size_t count;
  uint8_t *init;                     // NULL: everything is
  int64_t *writer, *reader, *atomic;  // NULL for local memory
} memory;

typedef struct interp {
  const kir_kernel *kernel;
  aicc_diags *diags;
  aicc_arena arena;
  int width;
  cell *cells;        // value id * width + lane; variables too
  cell **arrays;      // by id: element * width + lane
  memory *memories;   // by id
  bool active[MAX_WIDTH];
  int64_t task, steps;
  bool failed;
} interp;

static void run_block(interp *t, const kir_block *block);

AICC_PRINTF(2, 3) static void fail(interp *t, const char *format, ...) {
  if (!t->failed) {
    va_list args;
    va_start(args, format);
    const char *text = aicc_arena_vprintf(&t->arena, format, args);
    va_end(args);
    const aicc_loc loc = {0};
    AICC_EMIT(t->diags, E0713, &loc, t->kernel->name, (long long)t->task, text);
  }
  t->failed = true;
}

static const char *name_of(interp *t, kir_val v) {
  const char *name = t->kernel->values[v].name;
  return name != NULL ? aicc_arena_printf(&t->arena, "%%%s", name)
                      : aicc_arena_printf(&t->arena, "%%%u", v);
}

static cell *cells_of(const interp *t, kir_val v) {
  return t->cells + (size_t)v * (size_t)t->width;
}
static aicc_dtype dtype_of(const interp *t, kir_val v) { return t->kernel->values[v].dtype; }
static bool varying(const interp *t, kir_val v) { return t->kernel->values[v].varying; }

static bool holds_float(aicc_dtype dtype) {
  return aicc_dtype_is_float(dtype) || aicc_dtype_kind_of(dtype) == AICC_KIND_FLOAT8;
}

// The address of an element. Kernels on strings follow pointers through a buffer at address 0, so
// this is no pointer arithmetic.
static void *element(aicc_dtype dtype, const void *data, size_t index) {
  return (void *)((uintptr_t)data + index * aicc_dtype_size(dtype));
}

static cell read_cell(aicc_dtype dtype, const void *data, size_t index) {
  const void *at = element(dtype, data, index);
  if (aicc_dtype_kind_of(dtype) > AICC_KIND_FLOAT8) {
    cell bytes = {.words = {0, 0}};
    const size_t size = aicc_dtype_size(dtype);
    memcpy(bytes.words, at, size);
    return bytes;
  }
  return holds_float(dtype) ? (cell){.f = aicc_get_f64(dtype, at, 0)}
                            : (cell){.i = aicc_get_i64(dtype, at, 0)};
}

static void write_cell(aicc_dtype dtype, void *data, size_t index, cell value) {
  void *at = element(dtype, data, index);
  if (aicc_dtype_kind_of(dtype) > AICC_KIND_FLOAT8) {
    memcpy(at, value.words, aicc_dtype_size(dtype));
  } else if (holds_float(dtype)) {
    aicc_set_f64(dtype, at, 0, value.f);
  } else {
    aicc_set_i64(dtype, at, 0, value.i);
  }
}

// --- scalar arithmetic ---------------------------------------------------------------------------

static cell rounded(aicc_dtype dtype, double value) {
  uint64_t bits = 0;
  if (dtype == AICC_F64) {
    return (cell){.f = value};
  }
  aicc_set_f64(dtype, &bits, 0, value);
  return (cell){.f = aicc_get_f64(dtype, &bits, 0)};
}

static cell cast_cell(cell x, aicc_dtype from, aicc_dtype to, bool saturate) {
  if (!holds_float(from)) {
    return holds_float(to) ? rounded(to, aicc_scalar_from_int(x.i, from))
                           : (cell){.i = aicc_scalar_wrap(x.i, to)};
  }
  if (!holds_float(to)) {
    return (cell){.i = aicc_scalar_to_int(x.f, to)};
  }
  if (aicc_dtype_kind_of(to) != AICC_KIND_FLOAT8) {
    return rounded(to, x.f);
  }
  const uint8_t bits = aicc_f32_to_f8(to, (float)x.f, saturate);
  return (cell){.f = (double)aicc_f8_to_f32(to, bits)};
}

static cell bitcast_cell(cell x, aicc_dtype from, aicc_dtype to) {
  uint64_t bits = 0;
  write_cell(from, &bits, 0, x);
  return read_cell(to, &bits, 0);
}

static cell scalar_cell(const kir_inst *inst, aicc_dtype operand, aicc_dtype result,
                        const cell *args) {
  switch (inst->scalar_op) {
    case AICC_OP_SELECT: return args[0].i != 0 ? args[1] : args[2];
    case AICC_OP_CAST: return cast_cell(args[0], operand, result, inst->saturate);
    case AICC_OP_BITCAST: return bitcast_cell(args[0], operand, result);
    default: break;
  }
  if (!holds_float(operand)) {
    return (cell){.i = aicc_scalar_i64(inst->scalar_op, operand, args[0].i, args[1].i)};
  }
  const double value = aicc_scalar_f64(inst->scalar_op, args[0].f, args[1].f);
  return result == AICC_BOOL ? (cell){.i = value != 0} : rounded(result, value);
}

static cell fma_cell(aicc_dtype dtype, const cell *args) {
  return (cell){.f = dtype == AICC_F32 ? (double)fmaf((float)args[0].f, (float)args[1].f,
                                                      (float)args[2].f)
                                       : fma(args[0].f, args[1].f, args[2].f)};
}

// Calls |one| for each active lane of a varying result, or once for a uniform one.
typedef cell (*lane_fn)(interp *t, const kir_inst *inst, const cell *args, int lane);

static void each_lane(interp *t, const kir_inst *inst, lane_fn one) {
  cell *out = cells_of(t, inst->result);
  const bool many = varying(t, inst->result);
  for (int lane = 0; lane < t->width && !t->failed; lane++) {
    if (!many && lane > 0) {
      out[lane] = out[0];
    } else if (!many || t->active[lane]) {
      cell args[3] = {{0}};
      for (int i = 0; i < inst->arg_count; i++) {
        args[i] = cells_of(t, inst->args[i])[lane];
      }
      out[lane] = one(t, inst, args, lane);
    }
  }
}

static cell lane_scalar(interp *t, const kir_inst *inst, const cell *args, int lane AICC_UNUSED) {
  const int typed = inst->scalar_op == AICC_OP_SELECT ? 1 : 0;
  return scalar_cell(inst, dtype_of(t, inst->args[typed]), dtype_of(t, inst->result), args);
}

static cell lane_fma(interp *t, const kir_inst *inst, const cell *args, int lane AICC_UNUSED) {
  return fma_cell(dtype_of(t, inst->result), args);
}

static void run_reduce(interp *t, const kir_inst *inst) {
  const aicc_dtype dtype = dtype_of(t, inst->result);
  const kir_inst fold = {.op = KIR_SCALAR, .scalar_op = inst->scalar_op};
  const cell *x = cells_of(t, inst->args[0]);
  cell *out = cells_of(t, inst->result), sum = {0};
  bool first = true;
  for (int lane = 0; lane < t->width; lane++) {
    if (t->active[lane]) {
      const cell pair[2] = {sum, x[lane]};
      sum = first ? x[lane] : scalar_cell(&fold, dtype, dtype, pair);
      first = false;
    }
  }
  for (int lane = 0; lane < t->width; lane++) {
    out[lane] = sum;
  }
}

// --- memory --------------------------------------------------------------------------------------

// Bytes by address, as kernels on strings read them: the index is the address.
static bool is_all_memory(const memory *m) { return m->data == NULL && m->count == SIZE_MAX; }

static bool in_bounds(interp *t, const kir_inst *inst, int64_t index, int lane) {
  const memory *m = &t->memories[inst->buffer];
  if (is_all_memory(m) ? index != 0 : index >= 0 && (uint64_t)index < m->count) {
    return true;
  }
  fail(t, "lane %d %s element %lld of %s, which has %zu", lane,
       inst->op == KIR_LOAD || inst->op == KIR_LOAD_OR ? "reads" : "writes", (long long)index,
       name_of(t, inst->buffer), m->count);
  return false;
}

static void race(interp *t, kir_val buffer, int64_t index, int64_t other) {
  if (other == MANY_READERS) {
    fail(t, "race on element %lld of %s with several tasks", (long long)index,
         name_of(t, buffer));
  } else {
    fail(t, "race on element %lld of %s with task %lld", (long long)index, name_of(t, buffer),
         (long long)(other - 1));
  }
}

// Whether somebody but |me| stands in |who|.
static bool foreign(int64_t who, int64_t me) { return who != 0 && who != me; }

static void note_read(interp *t, kir_val buffer, int64_t index) {
  memory *m = &t->memories[buffer];
  const int64_t me = t->task + 1;
  if (m->writer == NULL) {
    return;
  }
  if (foreign(m->writer[index], me) || foreign(m->atomic[index], me)) {
    race(t, buffer, index, m->writer[index] != 0 ? m->writer[index] : m->atomic[index]);
  }
  m->reader[index] = foreign(m->reader[index], me) ? MANY_READERS : me;
}

static void note_write(interp *t, kir_val buffer, int64_t index, bool atomic) {
  memory *m = &t->memories[buffer];
  const int64_t me = t->task + 1;
  if (m->writer == NULL) {
    return;
  }
  if (foreign(m->writer[index], me) || foreign(m->reader[index], me)) {
    race(t, buffer, index, m->writer[index] != 0 ? m->writer[index] : m->reader[index]);
  }
  if (!atomic && foreign(m->atomic[index], me)) {
    race(t, buffer, index, m->atomic[index]);
  }
  if (atomic) {
    m->atomic[index] = foreign(m->atomic[index], me) ? MANY_READERS : me;
  } else {
    m->writer[index] = me;
  }
}

static cell lane_load(interp *t, const kir_inst *inst, const cell *args, int lane) {
  const int64_t index = args[0].i;
  if (inst->op == KIR_LOAD_OR && args[1].i == 0) {
    return args[2];
  }
  if (!in_bounds(t, inst, index, lane)) {
    return (cell){0};
  }
  const memory *m = &t->memories[inst->buffer];
  if (m->init != NULL && m->init[index] == 0) {
    fail(t, "lane %d reads element %lld of %s, which nothing wrote", lane, (long long)index,
         name_of(t, inst->buffer));
    return (cell){0};
  }
  note_read(t, inst->buffer, index);
  return read_cell(m->dtype, m->data, (size_t)index);
}

static bool same_bits(aicc_dtype dtype, cell a, cell b) {
  uint64_t x[2] = {0, 0}, y[2] = {0, 0};
  write_cell(dtype, x, 0, a);
  write_cell(dtype, y, 0, b);
  return memcmp(x, y, sizeof x) == 0;
}

static void check_lanes(interp *t, const kir_inst *inst, int lane) {
  const cell *index = cells_of(t, inst->args[0]), *value = cells_of(t, inst->args[1]);
  for (int other = 0; other < lane; other++) {
    if (t->active[other] && index[other].i == index[lane].i &&
        !same_bits(t->memories[inst->buffer].dtype, value[other], value[lane])) {
      fail(t, "lanes %d and %d store different values to element %lld of %s", other, lane,
           (long long)index[lane].i, name_of(t, inst->buffer));
    }
  }
}

static void run_store(interp *t, const kir_inst *inst) {
  memory *m = &t->memories[inst->buffer];
  const bool atomic = inst->op == KIR_ATOMIC;
  const bool many = varying(t, inst->args[0]) || varying(t, inst->args[1]);
  const kir_inst fold = {.op = KIR_SCALAR, .scalar_op = inst->scalar_op};
  for (int lane = 0; lane < (many ? t->width : 1) && !t->failed; lane++) {
    const int64_t index = cells_of(t, inst->args[0])[lane].i;
    cell value = cells_of(t, inst->args[1])[lane];
    if ((many && !t->active[lane]) || !in_bounds(t, inst, index, lane)) {
      continue;
    }
    if (atomic) {
      const cell pair[2] = {read_cell(m->dtype, m->data, (size_t)index), value};
      value = scalar_cell(&fold, m->dtype, m->dtype, pair);
      if (m->init != NULL && m->init[index] == 0) {
        fail(t, "atomic change of element %lld of %s, which nothing wrote", (long long)index,
             name_of(t, inst->buffer));
      }
    } else if (many) {
      check_lanes(t, inst, lane);
    }
    note_write(t, inst->buffer, index, atomic);
    write_cell(m->dtype, m->data, (size_t)index, value);
    if (m->init != NULL) {
      m->init[index] = 1;
    }
  }
}

static void make_local(interp *t, const kir_inst *inst) {
  memory *m = &t->memories[inst->result];
  if (m->data == NULL) {
    m->dtype = dtype_of(t, inst->result);
    m->count = (size_t)inst->imm;
    m->data = aicc_arena_alloc(&t->arena, m->count * aicc_dtype_size(m->dtype));
    m->init = aicc_arena_alloc(&t->arena, m->count);
  }
  memset(m->init, 0, m->count);
}

// --- variables and arrays ------------------------------------------------------------------------

// |to| = |from| for active lanes, or all where the target is uniform.
static void assign(interp *t, cell *to, const cell *from, bool many) {
  for (int lane = 0; lane < t->width; lane++) {
    if (!many || t->active[lane]) {
      to[lane] = from[lane];
    }
  }
}

static void make_array(interp *t, const kir_inst *inst) {
  const size_t count = (size_t)inst->imm * (size_t)t->width;
  if (t->arrays[inst->result] == NULL) {
    t->arrays[inst->result] = AICC_NEW_ARRAY(&t->arena, cell, count);
  }
  memset(t->arrays[inst->result], 0, count * sizeof(cell));
}

// Element arg 1 of array arg 0; NULL after a failure.
static cell *array_cells(interp *t, const kir_inst *inst) {
  const kir_val array = inst->args[0];
  const int64_t index = cells_of(t, inst->args[1])[0].i;
  const uint64_t count = t->kernel->values[array].def->imm;
  if (index < 0 || (uint64_t)index >= count) {
    fail(t, "element %lld of array %s, which has %llu", (long long)index, name_of(t, array),
         (unsigned long long)count);
    return NULL;
  }
  return t->arrays[array] + (size_t)index * (size_t)t->width;
}

static void run_array(interp *t, const kir_inst *inst) {
  cell *element = array_cells(t, inst);
  if (element == NULL) {
    return;
  }
  if (inst->op == KIR_AGET) {
    assign(t, cells_of(t, inst->result), element, false);
  } else {
    assign(t, element, cells_of(t, inst->args[2]), varying(t, inst->args[0]));
  }
}

// --- control flow --------------------------------------------------------------------------------

static bool any_active(const interp *t) {
  for (int lane = 0; lane < t->width; lane++) {
    if (t->active[lane]) {
      return true;
    }
  }
  return false;
}

static void run_lanes(interp *t, const kir_inst *inst, int64_t from, int64_t to) {
  bool outer[MAX_WIDTH];
  memcpy(outer, t->active, sizeof outer);
  cell *counter = cells_of(t, inst->result);
  for (int64_t k = from; k < to && !t->failed; k += t->width) {
    for (int lane = 0; lane < t->width; lane++) {
      counter[lane].i = k + lane;
      t->active[lane] = outer[lane] && k + lane < to;
    }
    run_block(t, &inst->blocks[0]);
  }
  memcpy(t->active, outer, sizeof outer);
}

static void run_for(interp *t, const kir_inst *inst) {
  const int64_t from = cells_of(t, inst->args[0])[0].i, to = cells_of(t, inst->args[1])[0].i;
  const int64_t step = cells_of(t, inst->args[2])[0].i;
  if (step <= 0) {
    fail(t, "loop %s has step %lld", name_of(t, inst->result), (long long)step);
    return;
  }
  if (inst->loop_kind == KIR_LANES) {
    run_lanes(t, inst, from, to);
    return;
  }
  for (int64_t k = from; k < to && !t->failed; k += step) {
    for (int lane = 0; lane < t->width; lane++) {
      cells_of(t, inst->result)[lane].i = k;
    }
    run_block(t, &inst->blocks[0]);
  }
}

static void run_while(interp *t, const kir_inst *inst) {
  const kir_inst *cond = inst->blocks[0].last;
  while (!t->failed) {
    run_block(t, &inst->blocks[0]);
    if (t->failed || cells_of(t, cond->args[0])[0].i == 0) {
      return;
    }
    run_block(t, &inst->blocks[1]);
  }
}

static void run_if(interp *t, const kir_inst *inst) {
  const cell *condition = cells_of(t, inst->args[0]);
  if (!varying(t, inst->args[0])) {
    run_block(t, &inst->blocks[condition[0].i != 0 ? 0 : 1]);
    return;
  }
  bool outer[MAX_WIDTH], taken[MAX_WIDTH] = {false};
  memcpy(outer, t->active, sizeof outer);
  for (int lane = 0; lane < t->width; lane++) {
    taken[lane] = condition[lane].i != 0;
  }
  for (int block = 0; block < 2; block++) {
    for (int lane = 0; lane < t->width; lane++) {
      t->active[lane] = outer[lane] && taken[lane] == (block == 0);
    }
    if (any_active(t)) {
      run_block(t, &inst->blocks[block]);
    }
  }
  memcpy(t->active, outer, sizeof outer);
}

static void set_all(interp *t, kir_val v, cell value) {
  for (int lane = 0; lane < t->width; lane++) {
    cells_of(t, v)[lane] = value;
  }
}

static void run_inst(interp *t, const kir_inst *inst) {
  switch (inst->op) {
    case KIR_CONST: {
      const uint64_t words[2] = {inst->imm, 0};
      set_all(t, inst->result, read_cell(dtype_of(t, inst->result), words, 0));
      break;
    }
    case KIR_SCALAR: each_lane(t, inst, lane_scalar); break;
    case KIR_FMA: each_lane(t, inst, lane_fma); break;
    case KIR_TASK: set_all(t, inst->result, (cell){.i = t->task}); break;
    case KIR_LANE:
      for (int lane = 0; lane < t->width; lane++) {
        cells_of(t, inst->result)[lane].i = lane;
      }
      break;
    case KIR_LOAD:
    case KIR_LOAD_OR: each_lane(t, inst, lane_load); break;
    case KIR_STORE:
    case KIR_ATOMIC: run_store(t, inst); break;
    case KIR_VAR:
    case KIR_GET: assign(t, cells_of(t, inst->result), cells_of(t, inst->args[0]), false); break;
    case KIR_SET:
      assign(t, cells_of(t, inst->args[0]), cells_of(t, inst->args[1]),
             varying(t, inst->args[0]));
      break;
    case KIR_ARRAY: make_array(t, inst); break;
    case KIR_AGET:
    case KIR_ASET: run_array(t, inst); break;
    case KIR_LOCAL: make_local(t, inst); break;
    case KIR_REDUCE: run_reduce(t, inst); break;
    case KIR_FOR: run_for(t, inst); break;
    case KIR_WHILE: run_while(t, inst); break;
    case KIR_IF: run_if(t, inst); break;
    case KIR_WARP:
    case KIR_VLOAD:
    case KIR_VSTORE:
    case KIR_COPY_ASYNC:
    case KIR_COMMIT:
    case KIR_WAIT:
    case KIR_LDMATRIX:
    case KIR_MMA:
    case KIR_EXCHANGE: fail(t, "has an instruction that is not interpreted yet"); break;
    case KIR_COND:
    case KIR_BARRIER:  // one warp a task
    case KIR_OP_COUNT: break;
  }
}

static void run_block(interp *t, const kir_block *block) {
  for (const kir_inst *inst = block->first; inst != NULL && !t->failed; inst = inst->next) {
    if (++t->steps > step_limit) {
      fail(t, "does not end");
      return;
    }
    run_inst(t, inst);
  }
}

// --- arguments and tasks -------------------------------------------------------------------------

static void bind_arg(interp *t, const kir_param *param, const kir_arg *arg) {
  if (param->is_buffer && arg->data == NULL && arg->count == SIZE_MAX) {
    AICC_ASSERT(param->dtype == AICC_U8);
    t->memories[param->value] = (memory){.dtype = AICC_U8, .count = SIZE_MAX};
    return;
  }
  if (!param->is_buffer) {
    set_all(t, param->value, aicc_dtype_is_float(param->dtype)
                                 ? rounded(param->dtype, arg->f)
                                 : (cell){.i = aicc_scalar_wrap(arg->i, param->dtype)});
    return;
  }
  t->memories[param->value] = (memory){
      .dtype = param->dtype,
      .data = arg->data,
      .count = arg->count,
      .init = arg->init,
      .writer = AICC_NEW_ARRAY(&t->arena, int64_t, arg->count + 1),
      .reader = AICC_NEW_ARRAY(&t->arena, int64_t, arg->count + 1),
      .atomic = AICC_NEW_ARRAY(&t->arena, int64_t, arg->count + 1),
  };
}

static uint64_t next_random(uint64_t *state) {
  *state += UINT64_C(0x9E3779B97F4A7C15);
  uint64_t x = (*state ^ (*state >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
  return x ^ (x >> 31);
}

static int64_t *shuffled(interp *t, int64_t grid, uint64_t seed) {
  int64_t *order = AICC_NEW_ARRAY(&t->arena, int64_t, grid + 1);
  for (int64_t i = 0; i < grid; i++) {
    const int64_t k = (int64_t)(next_random(&seed) % (uint64_t)(i + 1));
    order[i] = order[k];
    order[k] = i;
  }
  return order;
}

aicc_status kir_interpret(const kir_kernel *kernel, int width, int64_t grid, kir_arg *args,
                          uint64_t seed, aicc_diags *diags) {
  AICC_ASSERT(width > 0 && width <= MAX_WIDTH);
  interp t = {.kernel = kernel, .diags = diags, .width = width};
  aicc_arena_init(&t.arena);
  t.cells = AICC_NEW_ARRAY(&t.arena, cell, kernel->value_count * (size_t)width);
  t.arrays = AICC_NEW_ARRAY(&t.arena, cell *, kernel->value_count);
  t.memories = AICC_NEW_ARRAY(&t.arena, memory, kernel->value_count);
  for (int i = 0; i < kernel->param_count; i++) {
    bind_arg(&t, &kernel->params[i], &args[i]);
  }
  const int64_t *order = shuffled(&t, grid > 0 ? grid : 0, seed);
  for (int64_t i = 0; i < grid && !t.failed; i++) {
    t.task = order[i];
    for (int lane = 0; lane < MAX_WIDTH; lane++) {
      t.active[lane] = lane < width;
    }
    run_block(&t, &kernel->body);
  }
  aicc_arena_deinit(&t.arena);
  return t.failed ? AICC_INVALID : AICC_OK;
}
