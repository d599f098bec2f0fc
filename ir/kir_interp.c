// The kernel interpreter: control flow, the warps of a task, tasks. It stops at the first thing it
// finds wrong. Besides what kir.h lists it reports lanes that store different values to one
// element, division of labour that depends on the order of tasks or warps (races), warps that do
// not meet, and kernels that do not end.
#include <string.h>

#include "ir/kir_interp.h"
#include "ir/scalar.h"

static const int64_t step_limit = INT64_C(50000000);

// --- variables and arrays ------------------------------------------------------------------------

// |to| = |from| for active lanes, or all where the target is uniform.
static void assign(ki_state *t, ki_cell *to, const ki_cell *from, bool many) {
  for (int lane = 0; lane < t->width; lane++) {
    if (!many || t->w->active[lane]) {
      to[lane] = from[lane];
    }
  }
}

static void make_array(ki_state *t, const kir_inst *inst) {
  const size_t count = (size_t)inst->imm * (size_t)t->width;
  if (t->w->arrays[inst->result] == NULL) {
    t->w->arrays[inst->result] = AICC_NEW_ARRAY(&t->arena, ki_cell, count);
  }
  memset(t->w->arrays[inst->result], 0, count * sizeof(ki_cell));
}

// Element arg 1 of array arg 0; NULL after a failure.
static ki_cell *array_cells(ki_state *t, const kir_inst *inst) {
  const kir_val array = inst->args[0];
  const int64_t index = ki_cells(t, inst->args[1])[0].i;
  const uint64_t count = t->kernel->values[array].def->imm;
  if (index < 0 || (uint64_t)index >= count) {
    ki_fail(t, "element %lld of array %s, which has %llu", (long long)index, ki_name(t, array),
            (unsigned long long)count);
    return NULL;
  }
  return t->w->arrays[array] + (size_t)index * (size_t)t->width;
}

static void run_array(ki_state *t, const kir_inst *inst) {
  ki_cell *element = array_cells(t, inst);
  if (element == NULL) {
    return;
  }
  if (inst->op == KIR_AGET) {
    assign(t, ki_cells(t, inst->result), element, false);
  } else {
    assign(t, element, ki_cells(t, inst->args[2]), ki_varying(t, inst->args[0]));
  }
}

// --- control flow --------------------------------------------------------------------------------

static bool any_active(const ki_state *t) {
  for (int lane = 0; lane < t->width; lane++) {
    if (t->w->active[lane]) {
      return true;
    }
  }
  return false;
}

static ki_frame *top(const ki_state *t) { return &t->w->frames[t->w->depth - 1]; }

static ki_frame *push(ki_state *t, const kir_inst *inst) {
  ki_frame frame = {.inst = inst};
  memcpy(frame.outer, t->w->active, sizeof frame.outer);
  AICC_PUSH(&t->arena, t->w->frames, t->w->depth, t->w->frame_capacity, frame);
  return top(t);
}

static void pop(ki_state *t) {
  memcpy(t->w->active, top(t)->outer, sizeof t->w->active);
  t->w->depth--;
}

// Begins the next round of a loop, or leaves it.
static void next_round(ki_state *t, ki_frame *frame) {
  const bool lanes = frame->inst->loop_kind == KIR_LANES;
  if (frame->at >= frame->to) {
    pop(t);
    return;
  }
  ki_cell *counter = ki_cells(t, frame->inst->result);
  for (int lane = 0; lane < t->width; lane++) {
    counter[lane].i = frame->at + (lanes ? lane : 0);
    t->w->active[lane] = frame->outer[lane] && (!lanes || frame->at + lane < frame->to);
  }
  frame->next = frame->inst->blocks[0].first;
}

static void enter_for(ki_state *t, const kir_inst *inst) {
  const int64_t step = ki_cells(t, inst->args[2])[0].i;
  if (step <= 0) {
    ki_fail(t, "loop %s has step %lld", ki_name(t, inst->result), (long long)step);
    return;
  }
  ki_frame *frame = push(t, inst);
  frame->at = ki_cells(t, inst->args[0])[0].i;
  frame->to = ki_cells(t, inst->args[1])[0].i;
  frame->step = inst->loop_kind == KIR_LANES ? t->width : step;
  next_round(t, frame);
}

// Goes on with block |block| of a varying `if`, or the next one that any lane takes.
static void enter_masked(ki_state *t, ki_frame *frame, int block) {
  const ki_cell *condition = ki_cells(t, frame->inst->args[0]);
  for (; block < 2; block++) {
    for (int lane = 0; lane < t->width; lane++) {
      t->w->active[lane] = frame->outer[lane] && (condition[lane].i != 0) == (block == 0);
    }
    if (any_active(t)) {
      frame->block = block;
      frame->next = frame->inst->blocks[block].first;
      return;
    }
  }
  pop(t);
}

static void enter_if(ki_state *t, const kir_inst *inst) {
  ki_frame *frame = push(t, inst);
  if (ki_varying(t, inst->args[0])) {
    enter_masked(t, frame, 0);
    return;
  }
  frame->block = ki_cells(t, inst->args[0])[0].i != 0 ? 0 : 1;
  frame->next = inst->blocks[frame->block].first;
}

// The end of a block that is not the kernel's.
static void leave_block(ki_state *t, ki_frame *frame) {
  const kir_inst *inst = frame->inst;
  if (inst->op == KIR_FOR) {
    frame->at += frame->step;
    next_round(t, frame);
  } else if (inst->op == KIR_IF && ki_varying(t, inst->args[0])) {
    enter_masked(t, frame, frame->block + 1);
  } else if (inst->op == KIR_WHILE &&
             (frame->block == 1 || ki_cells(t, inst->blocks[0].last->args[0])[0].i != 0)) {
    frame->block = 1 - frame->block;
    frame->next = inst->blocks[frame->block].first;
  } else {
    pop(t);
  }
}

// --- instructions --------------------------------------------------------------------------------

static void set_all(ki_state *t, kir_val v, ki_cell value) {
  for (int lane = 0; lane < t->width; lane++) {
    ki_cells(t, v)[lane] = value;
  }
}

static void run_const(ki_state *t, const kir_inst *inst) {
  const uint64_t words[2] = {inst->imm, 0};
  set_all(t, inst->result, ki_read_cell(ki_dtype(t, inst->result), words, 0));
}

static void run_lane(ki_state *t, const kir_inst *inst) {
  for (int lane = 0; lane < t->width; lane++) {
    ki_cells(t, inst->result)[lane].i = lane;
  }
}

static void run_inst(ki_state *t, const kir_inst *inst) {
  switch (inst->op) {
    case KIR_CONST: run_const(t, inst); break;
    case KIR_SCALAR:
    case KIR_FMA: ki_run_scalar(t, inst); break;
    case KIR_TASK: set_all(t, inst->result, (ki_cell){.i = t->task}); break;
    case KIR_WARP: set_all(t, inst->result, (ki_cell){.i = t->w->number}); break;
    case KIR_LANE: run_lane(t, inst); break;
    case KIR_LOAD:
    case KIR_LOAD_OR: ki_run_load(t, inst); break;
    case KIR_WORD: ki_run_word(t, inst); break;
    case KIR_DOT4: ki_run_dot4(t, inst); break;
    case KIR_STORE:
    case KIR_ATOMIC: ki_run_store(t, inst); break;
    case KIR_VAR:
    case KIR_GET:
      assign(t, ki_cells(t, inst->result), ki_cells(t, inst->args[0]), false);
      break;
    case KIR_SET:
      assign(t, ki_cells(t, inst->args[0]), ki_cells(t, inst->args[1]),
             ki_varying(t, inst->args[0]));
      break;
    case KIR_ARRAY: make_array(t, inst); break;
    case KIR_AGET:
    case KIR_ASET: run_array(t, inst); break;
    case KIR_LOCAL: ki_make_local(t, inst); break;
    case KIR_REDUCE: ki_run_reduce(t, inst); break;
    case KIR_FOR: enter_for(t, inst); break;
    case KIR_WHILE: push(t, inst)->next = inst->blocks[0].first; break;
    case KIR_IF: enter_if(t, inst); break;
    case KIR_VLOAD:
    case KIR_VSTORE: ki_run_vector(t, inst); break;
    case KIR_COPY_ASYNC: ki_run_copy(t, inst); break;
    case KIR_COMMIT: t->w->groups++; break;
    case KIR_WAIT: ki_run_wait(t, inst); break;
    case KIR_LDMATRIX: ki_run_ldmatrix(t, inst); break;
    case KIR_MMA: ki_run_mma(t, inst); break;
    case KIR_EXCHANGE: ki_run_exchange(t, inst); break;
    case KIR_POWER2: ki_run_power2(t, inst); break;
    case KIR_PREFETCH:
    case KIR_COND:     // read at the end of its block
    case KIR_BARRIER:  // one warp a task
    case KIR_OP_COUNT: break;
  }
}

// --- warps ---------------------------------------------------------------------------------------

static void begin_task(ki_state *t, ki_warp *w) {
  t->w = w;
  w->depth = 0;
  w->copy_count = 0;
  w->groups = 0;
  w->barrier = NULL;
  for (int lane = 0; lane < KI_MAX_WIDTH; lane++) {
    w->active[lane] = lane < t->width;
  }
  push(t, NULL)->next = t->kernel->body.first;
}

// Runs |w| up to its next barrier or its end.
static void run_warp(ki_state *t, ki_warp *w) {
  t->w = w;
  w->barrier = NULL;
  while (!t->failed && w->depth > 0) {
    ki_frame *frame = top(t);
    const kir_inst *inst = frame->next;
    if (inst == NULL && frame->inst != NULL) {
      leave_block(t, frame);
      continue;
    }
    if (inst == NULL) {
      w->depth = 0;
      return;
    }
    frame->next = inst->next;
    if (++t->steps > step_limit * t->kernel->warps) {
      ki_fail(t, "does not end");
      return;
    }
    if (inst->op == KIR_BARRIER && t->kernel->warps > 1) {
      w->barrier = inst;
      return;
    }
    run_inst(t, inst);
  }
}

// All warps have stopped: at one barrier, or at their end.
static void check_meeting(ki_state *t) {
  const ki_warp *first = &t->warps[0];
  for (int i = 1; i < t->kernel->warps && !t->failed; i++) {
    const ki_warp *w = &t->warps[i];
    const bool ended = (w->barrier == NULL) != (first->barrier == NULL);
    t->w = &t->warps[ended && first->barrier != NULL ? 0 : i];
    if (ended) {
      ki_fail(t, "waits at a barrier that warp %d does not reach", w->barrier != NULL ? 0 : i);
    } else if (w->barrier != first->barrier) {
      ki_fail(t, "does not wait at the barrier where warp 0 does");
    }
  }
}

static uint64_t next_random(uint64_t *state) {
  *state += UINT64_C(0x9E3779B97F4A7C15);
  uint64_t x = (*state ^ (*state >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
  x = (x ^ (x >> 27)) * UINT64_C(0x94D049BB133111EB);
  return x ^ (x >> 31);
}

static void shuffle(ki_state *t, int64_t *order, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    const int64_t k = (int64_t)(next_random(&t->random) % (uint64_t)(i + 1));
    order[i] = order[k];
    order[k] = i;
  }
}

static void run_task(ki_state *t) {
  int64_t order[KIR_WARPS_MAX];
  const int warps = t->kernel->warps;
  ki_forget_locals(t);
  for (int i = 0; i < warps; i++) {
    begin_task(t, &t->warps[i]);
  }
  do {
    t->epoch++;
    shuffle(t, order, warps);
    for (int i = 0; i < warps && !t->failed; i++) {
      run_warp(t, &t->warps[order[i]]);
    }
    check_meeting(t);
  } while (!t->failed && t->warps[0].depth > 0);
}

// --- arguments and tasks -------------------------------------------------------------------------

static void bind_scalar(ki_state *t, const kir_param *param, const kir_arg *arg) {
  for (int i = 0; i < t->kernel->warps; i++) {
    t->w = &t->warps[i];
    set_all(t, param->value, aicc_dtype_is_float(param->dtype)
                                 ? ki_rounded(param->dtype, arg->f)
                                 : (ki_cell){.i = aicc_scalar_wrap(arg->i, param->dtype)});
  }
}

static void bind_arg(ki_state *t, const kir_param *param, const kir_arg *arg) {
  if (!param->is_buffer) {
    bind_scalar(t, param, arg);
    return;
  }
  ki_memory *m = &t->memories[param->value];
  if (arg->data == NULL && arg->count == SIZE_MAX) {
    AICC_ASSERT(param->dtype == AICC_U8);
    *m = (ki_memory){.dtype = AICC_U8, .count = SIZE_MAX};
    return;
  }
  *m = (ki_memory){
      .dtype = param->dtype,
      .data = arg->data,
      .count = arg->count,
      .init = arg->init,
      .writer = AICC_NEW_ARRAY(&t->arena, int64_t, arg->count + 1),
      .reader = AICC_NEW_ARRAY(&t->arena, int64_t, arg->count + 1),
      .atomic = AICC_NEW_ARRAY(&t->arena, int64_t, arg->count + 1),
  };
  ki_track(t, m);
}

aicc_status kir_interpret(const kir_kernel *kernel, int width, int64_t grid, kir_arg *args,
                          uint64_t seed, aicc_diags *diags) {
  AICC_ASSERT(width > 0 && width <= KI_MAX_WIDTH);
  ki_state t = {.kernel = kernel, .diags = diags, .width = width, .random = seed};
  aicc_arena_init(&t.arena);
  t.memories = AICC_NEW_ARRAY(&t.arena, ki_memory, kernel->value_count);
  t.warps = AICC_NEW_ARRAY(&t.arena, ki_warp, kernel->warps);
  for (int i = 0; i < kernel->warps; i++) {
    t.warps[i].number = i;
    t.warps[i].cells =
        AICC_NEW_ARRAY(&t.arena, ki_cell, kernel->value_count * (size_t)width);
    t.warps[i].arrays = AICC_NEW_ARRAY(&t.arena, ki_cell *, kernel->value_count);
  }
  for (int i = 0; i < kernel->param_count; i++) {
    bind_arg(&t, &kernel->params[i], &args[i]);
  }
  int64_t *order = AICC_NEW_ARRAY(&t.arena, int64_t, (grid > 0 ? grid : 0) + 1);
  shuffle(&t, order, grid > 0 ? grid : 0);
  for (int64_t i = 0; i < grid && !t.failed; i++) {
    t.task = order[i];
    run_task(&t);
  }
  aicc_arena_deinit(&t.arena);
  return t.failed ? AICC_INVALID : AICC_OK;
}
