#include "ir/kir_count.h"

#include <stdlib.h>
#include <string.h>

#include "ir/scalar.h"

enum {
  SEEN_MOST = 1 << 15,  // sectors that are remembered, a power of two
  WHILE_ROUNDS = 16,    // of a loop whose end depends on data
  SAMPLES = 4,          // of the rounds of a loop, beside the first and the last
  BANKS = 32,
  BANK_BYTES = 4,
  LINE = 128,
};

// A warp's instructions for one operation, about. Most integers are addresses, which are kept as
// sums; functions are polynomials.
static const double integer_issues = 0.5, division_issues = 20;
static const double function_issues = 14, root_issues = 8;

typedef struct walk {
  const kir_kernel *kernel;
  int width;
  int64_t task, warp;
  double scale;       // rounds that the present one stands for
  int64_t *cells;     // value * width + lane: integers
  double *there;      // per value: after how many waits it is there
  double now, last;   // waits up to here; and until everything that was asked for is there
  bool active[KIR_COUNT_WIDTH];
  uint64_t *seen;     // sectors that were touched: an open hash table
  size_t seen_count;
  kir_counts own;     // of this warp
  kir_traffic *traffic;
  int *param_of;      // per value: the number of the parameter, or -1
  double weight;
} walk;

static int64_t *cells_of(const walk *w, kir_val v) {
  return w->cells + (size_t)v * (size_t)w->width;
}

static bool is_varying(const walk *w, kir_val v) { return w->kernel->values[v].varying; }

static aicc_dtype dtype_of(const walk *w, kir_val v) { return w->kernel->values[v].dtype; }

static int active_lanes(const walk *w) {
  int count = 0;
  for (int lane = 0; lane < w->width; lane++) {
    count += w->active[lane];
  }
  return count;
}

static void set_all(const walk *w, kir_val v, int64_t value) {
  for (int lane = 0; lane < w->width; lane++) {
    cells_of(w, v)[lane] = value;
  }
}

// --- waiting for loads ---------------------------------------------------------------------------
//
// Between two cuts (rounds of loops, barriers) compilers move loads up as far as their addresses
// allow, so that those wait together that do not depend on each other.

static double later(double x, double y) { return x > y ? x : y; }

static double after(const walk *w, kir_val v) {
  return v != 0 ? later(w->there[v], w->now) : w->now;
}

static void cut(walk *w) {
  w->own.rounds += w->scale * (w->last - w->now);
  w->now = w->last;
}

static void ask(walk *w, kir_val v, kir_val index, kir_val guard) {
  w->there[v] = later(after(w, index), after(w, guard)) + 1;
  w->last = later(w->last, w->there[v]);
}

// --- memory --------------------------------------------------------------------------------------

// The bytes that a lane touches.
typedef struct span {
  uint64_t at, size;
} span;

static int by_place(const void *a, const void *b) {
  const uint64_t x = ((const span *)a)->at, y = ((const span *)b)->at;
  return x < y ? -1 : x > y;
}

// Whether the task had not touched |sector| of |buffer| before.
static bool is_new(walk *w, kir_val buffer, uint64_t sector) {
  const uint64_t key = (sector << 12 | (buffer & 0xfff)) + 1;
  size_t at = (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 40) & (SEEN_MOST - 1);
  while (w->seen[at] != 0) {
    if (w->seen[at] == key) {
      return false;
    }
    at = (at + 1) & (SEEN_MOST - 1);
  }
  if (w->seen_count < SEEN_MOST / 2) {
    w->seen[at] = key;
    w->seen_count++;
  }
  return true;
}

// How many units of |unit| bytes sorted spans touch; with |w| those of them that are new to the
// task.
static double units_of(walk *w, kir_val buffer, const span *spans, int count, uint64_t unit) {
  uint64_t next = 0;
  double units = 0;
  for (int i = 0; i < count; i++) {
    const uint64_t last = (spans[i].at + spans[i].size - 1) / unit;
    for (uint64_t at = spans[i].at / unit; at <= last; at++) {
      units += at >= next && (w == NULL || is_new(w, buffer, at)) ? 1 : 0;
    }
    next = last + 1 > next ? last + 1 : next;
  }
  return units;
}

static void touch_global(walk *w, kir_val buffer, span *spans, int count, bool writes) {
  qsort(spans, (size_t)count, sizeof *spans, by_place);
  for (int i = 0; i < count; i++) {
    w->own.asked += w->scale * (double)spans[i].size;
  }
  const double fresh = KIR_COUNT_SECTOR * units_of(w, buffer, spans, count, KIR_COUNT_SECTOR);
  w->own.lines += w->scale * units_of(NULL, buffer, spans, count, LINE);
  w->own.fresh += w->scale * fresh;
  kir_traffic *t = &w->traffic[w->param_of[buffer]];
  *(writes ? &t->written : &t->read) += w->weight * w->scale * fresh;
}

// Rounds of |count| lanes' accesses: as many as different words lie in the fullest bank.
static double bank_rounds(const span *spans, int count) {
  uint64_t words[BANKS][KIR_COUNT_WIDTH * 4];
  int used[BANKS] = {0}, most = 1;
  for (int i = 0; i < count; i++) {
    for (uint64_t at = spans[i].at; at < spans[i].at + spans[i].size; at += BANK_BYTES) {
      const uint64_t word = at / BANK_BYTES;
      const int bank = (int)(word % BANKS);
      int k = 0;
      while (k < used[bank] && words[bank][k] != word) {
        k++;
      }
      if (k == used[bank]) {
        words[bank][used[bank]++] = word;
        most = used[bank] > most ? used[bank] : most;
      }
    }
  }
  return most;
}

// Lanes come in groups that fill all banks once.
static void touch_shared(walk *w, const span *spans, int count) {
  const int size = count > 0 ? (int)spans[0].size : 1;
  const int group = size <= 4 ? 32 : LINE / size;
  for (int i = 0; i < count; i += group) {
    w->own.shared += w->scale * bank_rounds(spans + i, count - i < group ? count - i : group);
  }
}

// An access of |count| elements a lane at |index| (of element numbers).
static void touch(walk *w, kir_val buffer, kir_val index, int count, bool writes, kir_val guard) {
  span spans[KIR_COUNT_WIDTH];
  const uint64_t size = aicc_dtype_size(dtype_of(w, buffer));
  const bool many = is_varying(w, index) || (guard != 0 && is_varying(w, guard));
  int found = 0;
  for (int lane = 0; lane < (many ? w->width : 1); lane++) {
    if ((!many || w->active[lane]) && (guard == 0 || cells_of(w, guard)[lane] != 0)) {
      spans[found++] = (span){(uint64_t)cells_of(w, index)[lane] * size, (uint64_t)count * size};
    }
  }
  w->own.issues += w->scale;
  if (w->param_of[buffer] < 0) {
    touch_shared(w, spans, found);
  } else {
    touch_global(w, buffer, spans, found, writes);
  }
}

static bool is_global(const walk *w, kir_val buffer) { return w->param_of[buffer] >= 0; }

static void count_load(walk *w, const kir_inst *inst) {
  const kir_val guard = inst->op == KIR_LOAD_OR ? inst->args[1] : 0;
  touch(w, inst->buffer, inst->args[0], 1, false, guard);
  set_all(w, inst->result, 0);
  if (is_global(w, inst->buffer)) {
    ask(w, inst->result, inst->args[0], guard);
  }
}

static void count_copy(walk *w, const kir_inst *inst) {
  const kir_val guard = inst->arg_count > 2 ? inst->args[2] : 0;
  touch(w, inst->source, inst->args[1], inst->count, false, guard);
  const double issued = w->own.issues;
  touch(w, inst->buffer, inst->args[0], inst->count, true, 0);
  w->own.issues = issued;
}

static void count_vector(walk *w, const kir_inst *inst) {
  const bool loads = inst->op == KIR_VLOAD;
  touch(w, inst->buffer, inst->args[0], inst->count, !loads, 0);
  if (loads && is_global(w, inst->buffer)) {
    ask(w, inst->arrays[0], inst->args[0], 0);
  }
}

// Eight rows of 16 bytes a matrix.
static void count_ldmatrix(walk *w, const kir_inst *inst) {
  const uint64_t size = aicc_dtype_size(dtype_of(w, inst->buffer));
  span spans[KIR_COUNT_WIDTH];
  for (int lane = 0; lane < 8 * inst->count && lane < w->width; lane++) {
    spans[lane] = (span){(uint64_t)cells_of(w, inst->args[0])[lane] * size, 16};
  }
  w->own.issues += w->scale;
  touch_shared(w, spans, 8 * inst->count);
}

// --- arithmetic ----------------------------------------------------------------------------------

static double issues_of(const walk *w, const kir_inst *inst) {
  const aicc_dtype dtype = inst->arg_count > 0 ? dtype_of(w, inst->args[0]) : AICC_I64;
  const bool floats = aicc_dtype_is_float(dtype);
  switch (inst->scalar_op) {
    case AICC_OP_DIV:
    case AICC_OP_MOD:
    case AICC_OP_FMOD: return floats ? root_issues : division_issues;
    case AICC_OP_SQRT:
    case AICC_OP_RSQRT:
    case AICC_OP_RECIP: return root_issues;
    case AICC_OP_ADD: case AICC_OP_SUB: case AICC_OP_MUL: case AICC_OP_MIN: case AICC_OP_MAX:
    case AICC_OP_NEG: case AICC_OP_ABS: case AICC_OP_AND: case AICC_OP_OR: case AICC_OP_XOR:
    case AICC_OP_NOT: case AICC_OP_SHL: case AICC_OP_SHR: case AICC_OP_SELECT: case AICC_OP_CAST:
    case AICC_OP_BITCAST: case AICC_OP_EQ: case AICC_OP_NE: case AICC_OP_LT: case AICC_OP_LE:
    case AICC_OP_GT: case AICC_OP_GE: return floats ? 1 : integer_issues;
    default: return floats ? function_issues : integer_issues;
  }
}

static int64_t scalar_of(const walk *w, const kir_inst *inst, int lane) {
  int64_t a[3] = {0};
  for (int i = 0; i < inst->arg_count; i++) {
    a[i] = cells_of(w, inst->args[i])[lane];
  }
  const aicc_dtype result = dtype_of(w, inst->result);
  if (inst->scalar_op == AICC_OP_SELECT) {
    return a[0] != 0 ? a[1] : a[2];
  }
  const aicc_dtype operand = dtype_of(w, inst->args[0]);
  if (aicc_dtype_is_float(operand)) {
    return result == AICC_BOOL ? aicc_scalar_f64(inst->scalar_op, 0, 0) != 0 : 0;
  }
  if (aicc_dtype_is_float(result)) {
    return 0;
  }
  return inst->scalar_op == AICC_OP_CAST || inst->scalar_op == AICC_OP_BITCAST
             ? aicc_scalar_wrap(a[0], result)
             : aicc_scalar_i64(inst->scalar_op, operand, a[0], a[1]);
}

static bool is_number(const walk *w, kir_val v) {
  const aicc_dtype dtype = dtype_of(w, v);
  return dtype == AICC_BOOL || aicc_dtype_is_float(dtype) || aicc_dtype_is_int(dtype);
}

static void count_scalar(walk *w, const kir_inst *inst) {
  const bool many = is_varying(w, inst->result), fma = inst->op == KIR_FMA;
  const bool floats = aicc_dtype_is_float(dtype_of(w, inst->result));
  w->there[inst->result] = 0;
  for (int i = 0; i < inst->arg_count; i++) {
    w->there[inst->result] = later(w->there[inst->result], w->there[inst->args[i]]);
  }
  if (many) {  // what is uniform is kept out of loops, or has instructions of its own
    const int lanes = active_lanes(w);
    w->own.issues += w->scale * (fma ? floats ? 1 : integer_issues : issues_of(w, inst));
    const bool moves = inst->scalar_op == AICC_OP_CAST || inst->scalar_op == AICC_OP_SELECT ||
                       inst->scalar_op == AICC_OP_BITCAST;
    w->own.operations += floats && (fma || !moves) ? w->scale * lanes * (fma ? 2 : 1) : 0;
  }
  bool known = !floats && is_number(w, inst->result);
  for (int i = 0; i < inst->arg_count; i++) {
    known = known && is_number(w, inst->args[i]);
  }
  int64_t *out = cells_of(w, inst->result);
  for (int lane = 0; lane < w->width; lane++) {
    if (!many && lane > 0) {
      out[lane] = out[0];
    } else if (!known) {
      out[lane] = 0;
    } else if (fma) {
      out[lane] = cells_of(w, inst->args[0])[lane] * cells_of(w, inst->args[1])[lane] +
                  cells_of(w, inst->args[2])[lane];
    } else if (!many || w->active[lane]) {
      out[lane] = scalar_of(w, inst, lane);
    }
  }
}

static void assign(walk *w, kir_val to, kir_val from, bool masked) {
  for (int lane = 0; lane < w->width; lane++) {
    if (!masked || w->active[lane]) {
      cells_of(w, to)[lane] = cells_of(w, from)[lane];
    }
  }
}

// --- control flow --------------------------------------------------------------------------------

static void walk_block(walk *w, const kir_block *block);

// Round |at| of a loop, which stands for |rounds| of them.
static void walk_round(walk *w, const kir_inst *inst, int64_t at, int64_t to, double rounds) {
  const bool lanes = inst->loop_kind == KIR_LANES;
  const double scale = w->scale;
  bool outer[KIR_COUNT_WIDTH];
  memcpy(outer, w->active, sizeof outer);
  for (int lane = 0; lane < w->width; lane++) {
    cells_of(w, inst->result)[lane] = at + (lanes ? lane : 0);
    w->active[lane] = outer[lane] && (!lanes || at + lane < to);
  }
  const bool straight = inst->loop_kind == KIR_UNROLL;
  if (!straight) {
    cut(w);
  }
  w->scale = scale * rounds;
  w->own.issues += straight ? 0 : w->scale;
  walk_block(w, &inst->blocks[0]);
  if (!straight) {
    cut(w);
  }
  w->scale = scale;
  memcpy(w->active, outer, sizeof outer);
}

static void walk_for(walk *w, const kir_inst *inst) {
  const int64_t from = cells_of(w, inst->args[0])[0], to = cells_of(w, inst->args[1])[0];
  const int64_t given = cells_of(w, inst->args[2])[0];
  const int64_t step = inst->loop_kind == KIR_LANES ? w->width : given > 0 ? given : 1;
  const int64_t rounds = to > from ? (to - from + step - 1) / step : 0;
  const double each = rounds > SAMPLES + 2 ? (double)(rounds - 2) / SAMPLES : 1;
  for (int64_t i = 0; i < rounds; i++) {
    const bool inner = i > 0 && i < rounds - 1;
    walk_round(w, inst, from + i * step, to, inner ? each : 1);
    i = each > 1 && i == SAMPLES ? rounds - 2 : i;
  }
}

static void walk_while(walk *w, const kir_inst *inst) {
  for (int i = 0; i < WHILE_ROUNDS; i++) {
    cut(w);
    walk_block(w, &inst->blocks[0]);
    const kir_val condition = inst->blocks[0].last->args[0];
    if (cells_of(w, condition)[0] == 0) {
      break;
    }
    walk_block(w, &inst->blocks[1]);
  }
  cut(w);
}

static void walk_if(walk *w, const kir_inst *inst) {
  const kir_val condition = inst->args[0];
  if (!is_varying(w, condition)) {
    walk_block(w, &inst->blocks[cells_of(w, condition)[0] != 0 ? 0 : 1]);
    return;
  }
  bool outer[KIR_COUNT_WIDTH], taken[KIR_COUNT_WIDTH];
  memcpy(outer, w->active, sizeof outer);
  for (int lane = 0; lane < w->width; lane++) {
    taken[lane] = cells_of(w, condition)[lane] != 0;
  }
  for (int block = 0; block < 2; block++) {
    bool any = false;
    for (int lane = 0; lane < w->width; lane++) {
      w->active[lane] = outer[lane] && taken[lane] == (block == 0);
      any = any || w->active[lane];
    }
    if (any && inst->blocks[block].first != NULL) {
      walk_block(w, &inst->blocks[block]);
    }
  }
  memcpy(w->active, outer, sizeof outer);
}

static void count_reduce(walk *w, const kir_inst *inst) {
  w->there[inst->result] = w->there[inst->args[0]];
  for (int distance = w->width / 2; distance > 0; distance /= 2) {
    w->own.issues += 2 * w->scale;
  }
  set_all(w, inst->result, cells_of(w, inst->args[0])[0]);
}

static void count_wait(walk *w, const kir_inst *inst) {
  w->own.rounds += w->scale / (1 + (double)inst->imm);
  w->own.issues += w->scale;
}

// Memory and matrices; false: it is none of them.
static bool walk_access(walk *w, const kir_inst *inst) {
  switch (inst->op) {
    case KIR_LOAD:
    case KIR_LOAD_OR: count_load(w, inst); return true;
    case KIR_STORE:
    case KIR_ATOMIC: touch(w, inst->buffer, inst->args[0], 1, true, 0); return true;
    case KIR_VLOAD:
    case KIR_VSTORE: count_vector(w, inst); return true;
    case KIR_COPY_ASYNC: count_copy(w, inst); return true;
    case KIR_WAIT: count_wait(w, inst); return true;
    case KIR_LDMATRIX: count_ldmatrix(w, inst); return true;
    case KIR_MMA:
      w->own.mma[inst->mma] += w->scale;
      w->own.issues += w->scale;
      return true;
    default: return false;
  }
}

static void walk_inst(walk *w, const kir_inst *inst) {
  if (walk_access(w, inst)) {
    return;
  }
  switch (inst->op) {
    case KIR_CONST:
      set_all(w, inst->result,
              aicc_dtype_is_float(dtype_of(w, inst->result)) ? 0 : (int64_t)inst->imm);
      break;
    case KIR_SCALAR:
    case KIR_FMA: count_scalar(w, inst); break;
    case KIR_TASK: set_all(w, inst->result, w->task); break;
    case KIR_WARP: set_all(w, inst->result, w->warp); break;
    case KIR_LANE:
      for (int lane = 0; lane < w->width; lane++) {
        cells_of(w, inst->result)[lane] = lane;
      }
      break;
    case KIR_VAR:
    case KIR_GET:
      w->there[inst->result] = w->there[inst->args[0]];
      assign(w, inst->result, inst->args[0], false);
      break;
    case KIR_SET:
      w->there[inst->args[0]] = w->there[inst->args[1]];
      assign(w, inst->args[0], inst->args[1], is_varying(w, inst->args[0]));
      break;
    case KIR_AGET:
      set_all(w, inst->result, 0);
      w->there[inst->result] = w->there[inst->args[0]];
      break;
    case KIR_ASET: w->there[inst->args[0]] = w->there[inst->args[2]]; break;
    case KIR_REDUCE: count_reduce(w, inst); break;
    case KIR_FOR: walk_for(w, inst); break;
    case KIR_WHILE: walk_while(w, inst); break;
    case KIR_IF: walk_if(w, inst); break;
    case KIR_EXCHANGE:
      w->there[inst->result] = w->there[inst->args[0]];
      set_all(w, inst->result, 0);
      w->own.issues += w->scale;
      break;
    case KIR_POWER2:
      w->there[inst->result] = w->there[inst->args[0]];
      set_all(w, inst->result, 0);
      w->own.issues += w->scale;
      w->own.functions += w->scale;
      break;
    case KIR_BARRIER:
      cut(w);
      w->own.barriers += w->scale;
      break;
    default: break;  // nothing to count
  }
}

static void walk_block(walk *w, const kir_block *block) {
  for (const kir_inst *inst = block->first; inst != NULL; inst = inst->next) {
    walk_inst(w, inst);
  }
}

// --- a task --------------------------------------------------------------------------------------

static void add(kir_counts *to, const kir_counts *own, double weight) {
  to->issues += weight * own->issues;
  to->operations += weight * own->operations;
  to->functions += weight * own->functions;
  to->shared += weight * own->shared;
  to->lines += weight * own->lines;
  to->fresh += weight * own->fresh;
  to->asked += weight * own->asked;
  for (int i = 0; i < KIR_MMA_COUNT; i++) {
    to->mma[i] += weight * own->mma[i];
  }
  to->rounds = own->rounds > to->rounds ? own->rounds : to->rounds;
  to->barriers = own->barriers > to->barriers ? own->barriers : to->barriers;
  to->longest = own->issues > to->longest ? own->issues : to->longest;
}

void kir_count(const kir_kernel *kernel, int width, int64_t task, const int64_t *sizes,
               double weight, kir_counts *counts, kir_traffic *traffic) {
  AICC_ASSERT(width > 0 && width <= KIR_COUNT_WIDTH);
  aicc_arena arena;
  aicc_arena_init(&arena);
  walk w = {.kernel = kernel, .width = width, .task = task, .traffic = traffic, .weight = weight};
  w.cells = AICC_NEW_ARRAY(&arena, int64_t, kernel->value_count * (size_t)width);
  w.there = AICC_NEW_ARRAY(&arena, double, kernel->value_count);
  w.seen = AICC_NEW_ARRAY(&arena, uint64_t, SEEN_MOST);
  w.param_of = AICC_NEW_ARRAY(&arena, int, kernel->value_count);
  for (size_t v = 0; v < kernel->value_count; v++) {
    w.param_of[v] = -1;
  }
  for (int i = 0; i < kernel->param_count; i++) {
    const kir_param *param = &kernel->params[i];
    w.param_of[param->value] = i;
    if (!param->is_buffer) {
      set_all(&w, param->value, sizes[i]);
    }
  }
  for (w.warp = 0; w.warp < kernel->warps; w.warp++) {
    w.own = (kir_counts){0};
    w.scale = 1;
    w.now = w.last = 0;
    memset(w.there, 0, kernel->value_count * sizeof *w.there);
    for (int lane = 0; lane < KIR_COUNT_WIDTH; lane++) {
      w.active[lane] = lane < width;
    }
    walk_block(&w, &kernel->body);
    cut(&w);
    add(counts, &w.own, weight);
  }
  aicc_arena_deinit(&arena);
}
