// The kernel interpreter's memory: bounds, what nothing wrote, and races between tasks and warps.
#include <string.h>

#include "ir/kir_interp.h"

// Bytes by address, as kernels on strings read them: the index is the address.
static bool is_all_memory(const ki_memory *m) { return m->data == NULL && m->count == SIZE_MAX; }

bool ki_in_bounds(ki_state *t, kir_val buffer, int64_t index, int lane, bool reads) {
  const ki_memory *m = &t->memories[buffer];
  if (is_all_memory(m) ? index != 0 : index >= 0 && (uint64_t)index < m->count) {
    return true;
  }
  ki_fail(t, "lane %d %s element %lld of %s, which has %zu", lane, reads ? "reads" : "writes",
          (long long)index, ki_name(t, buffer), m->count);
  return false;
}

// --- races ---------------------------------------------------------------------------------------

static void race_of_tasks(ki_state *t, kir_val buffer, int64_t index, int64_t other) {
  if (other == KI_MANY) {
    ki_fail(t, "race on element %lld of %s with several tasks", (long long)index,
            ki_name(t, buffer));
  } else {
    ki_fail(t, "race on element %lld of %s with task %lld", (long long)index, ki_name(t, buffer),
            (long long)(other - 1));
  }
}

static void race_of_warps(ki_state *t, kir_val buffer, int64_t index, int other) {
  if (other == KI_MANY) {
    ki_fail(t, "race on element %lld of %s with several warps: no barrier stands between them",
            (long long)index, ki_name(t, buffer));
  } else {
    ki_fail(t, "race on element %lld of %s with warp %d: no barrier stands between them",
            (long long)index, ki_name(t, buffer), other);
  }
}

// Whether somebody but |me| stands in |who|.
static bool foreign(int64_t who, int64_t me) { return who != 0 && who != me; }

// Whether another warp touched the element in this epoch.
static bool crossed(const ki_state *t, const ki_touch *touch) {
  return touch->epoch == t->epoch && touch->warp != t->w->number;
}

static void touch_now(const ki_state *t, ki_touch *touch) {
  touch->warp = crossed(t, touch) ? KI_MANY : t->w->number;
  touch->epoch = t->epoch;
}

static void note_read(ki_state *t, kir_val buffer, int64_t index) {
  ki_memory *m = &t->memories[buffer];
  const int64_t me = t->task + 1;
  if (m->wrote != NULL) {
    if (crossed(t, &m->wrote[index]) || crossed(t, &m->changed[index])) {
      race_of_warps(t, buffer, index,
                    crossed(t, &m->wrote[index]) ? m->wrote[index].warp : m->changed[index].warp);
    }
    touch_now(t, &m->read[index]);
  }
  if (m->writer == NULL) {
    return;
  }
  if (foreign(m->writer[index], me) || foreign(m->atomic[index], me)) {
    race_of_tasks(t, buffer, index, m->writer[index] != 0 ? m->writer[index] : m->atomic[index]);
  }
  m->reader[index] = foreign(m->reader[index], me) ? KI_MANY : me;
}

static void note_warp_write(ki_state *t, kir_val buffer, int64_t index, bool atomic) {
  ki_memory *m = &t->memories[buffer];
  const ki_touch *const others[] = {&m->wrote[index], &m->read[index], &m->changed[index]};
  for (int i = 0; i < (atomic ? 2 : 3); i++) {
    if (crossed(t, others[i])) {
      race_of_warps(t, buffer, index, others[i]->warp);
      return;
    }
  }
  touch_now(t, atomic ? &m->changed[index] : &m->wrote[index]);
}

void ki_note_write(ki_state *t, kir_val buffer, int64_t index, bool atomic) {
  ki_memory *m = &t->memories[buffer];
  const int64_t me = t->task + 1;
  if (m->wrote != NULL) {
    note_warp_write(t, buffer, index, atomic);
  }
  if (m->writer == NULL) {
    return;
  }
  if (foreign(m->writer[index], me) || foreign(m->reader[index], me)) {
    race_of_tasks(t, buffer, index, m->writer[index] != 0 ? m->writer[index] : m->reader[index]);
  }
  if (!atomic && foreign(m->atomic[index], me)) {
    race_of_tasks(t, buffer, index, m->atomic[index]);
  }
  if (atomic) {
    m->atomic[index] = foreign(m->atomic[index], me) ? KI_MANY : me;
  } else {
    m->writer[index] = me;
  }
}

void ki_track(ki_state *t, ki_memory *m) {
  if (t->kernel->warps > 1) {
    m->wrote = AICC_NEW_ARRAY(&t->arena, ki_touch, m->count + 1);
    m->read = AICC_NEW_ARRAY(&t->arena, ki_touch, m->count + 1);
    m->changed = AICC_NEW_ARRAY(&t->arena, ki_touch, m->count + 1);
  }
}

// --- elements ------------------------------------------------------------------------------------

static bool is_under_way(ki_state *t, kir_val buffer, int64_t index, int lane, const char *does) {
  const ki_memory *m = &t->memories[buffer];
  if (m->init == NULL || m->init[index] != KI_UNDER_WAY) {
    return false;
  }
  ki_fail(t, "lane %d %s element %lld of %s, to which a copy is under way", lane, does,
          (long long)index, ki_name(t, buffer));
  return true;
}

ki_cell ki_read_element(ki_state *t, kir_val buffer, int64_t index, int lane) {
  if (!ki_in_bounds(t, buffer, index, lane, true) ||
      is_under_way(t, buffer, index, lane, "reads")) {
    return (ki_cell){0};
  }
  const ki_memory *m = &t->memories[buffer];
  if (m->init != NULL && m->init[index] == KI_UNWRITTEN) {
    ki_fail(t, "lane %d reads element %lld of %s, which nothing wrote", lane, (long long)index,
            ki_name(t, buffer));
    return (ki_cell){0};
  }
  note_read(t, buffer, index);
  return ki_read_cell(m->dtype, m->data, (size_t)index);
}

void ki_write_element(ki_state *t, kir_val buffer, int64_t index, int lane, ki_cell value) {
  ki_memory *m = &t->memories[buffer];
  if (!ki_in_bounds(t, buffer, index, lane, false) ||
      is_under_way(t, buffer, index, lane, "writes")) {
    return;
  }
  ki_note_write(t, buffer, index, false);
  ki_write_cell(m->dtype, m->data, (size_t)index, value);
  if (m->init != NULL) {
    m->init[index] = KI_WRITTEN;
  }
}

bool ki_same_bits(aicc_dtype dtype, ki_cell a, ki_cell b) {
  uint64_t x[2] = {0, 0}, y[2] = {0, 0};
  ki_write_cell(dtype, x, 0, a);
  ki_write_cell(dtype, y, 0, b);
  return memcmp(x, y, sizeof x) == 0;
}

// --- instructions --------------------------------------------------------------------------------

static ki_cell lane_load(ki_state *t, const kir_inst *inst, const ki_cell *args, int lane) {
  if (inst->op == KIR_LOAD_OR && args[1].i == 0) {
    return args[2];
  }
  return ki_read_element(t, inst->buffer, args[0].i, lane);
}

void ki_run_load(ki_state *t, const kir_inst *inst) { ki_each_lane(t, inst, lane_load); }

static ki_cell lane_word(ki_state *t, const kir_inst *inst, const ki_cell *args, int lane) {
  uint32_t word = 0;
  for (int i = 0; i < 4; i++) {
    const ki_cell byte = ki_read_element(t, inst->buffer, args[0].i + i, lane);
    word |= ((uint32_t)byte.i & 255) << 8 * i;
  }
  return (ki_cell){.i = (int32_t)word};
}

void ki_run_word(ki_state *t, const kir_inst *inst) { ki_each_lane(t, inst, lane_word); }

static void check_lanes(ki_state *t, const kir_inst *inst, int lane) {
  const ki_cell *index = ki_cells(t, inst->args[0]), *value = ki_cells(t, inst->args[1]);
  for (int other = 0; other < lane; other++) {
    if (t->w->active[other] && index[other].i == index[lane].i &&
        !ki_same_bits(t->memories[inst->buffer].dtype, value[other], value[lane])) {
      ki_fail(t, "lanes %d and %d store different values to element %lld of %s", other, lane,
              (long long)index[lane].i, ki_name(t, inst->buffer));
    }
  }
}

static void change_element(ki_state *t, const kir_inst *inst, int64_t index, int lane,
                           ki_cell value) {
  const kir_inst fold = {.op = KIR_SCALAR, .scalar_op = inst->scalar_op};
  ki_memory *m = &t->memories[inst->buffer];
  if (!ki_in_bounds(t, inst->buffer, index, lane, false) ||
      is_under_way(t, inst->buffer, index, lane, "changes")) {
    return;
  }
  const ki_cell pair[2] = {ki_read_cell(m->dtype, m->data, (size_t)index), value};
  if (m->init != NULL && m->init[index] == KI_UNWRITTEN) {
    ki_fail(t, "atomic change of element %lld of %s, which nothing wrote", (long long)index,
            ki_name(t, inst->buffer));
  }
  ki_note_write(t, inst->buffer, index, true);
  ki_write_cell(m->dtype, m->data, (size_t)index, ki_scalar(&fold, m->dtype, m->dtype, pair));
}

void ki_run_store(ki_state *t, const kir_inst *inst) {
  const bool many = ki_varying(t, inst->args[0]) || ki_varying(t, inst->args[1]);
  for (int lane = 0; lane < (many ? t->width : 1) && !t->failed; lane++) {
    const int64_t index = ki_cells(t, inst->args[0])[lane].i;
    const ki_cell value = ki_cells(t, inst->args[1])[lane];
    if (many && !t->w->active[lane]) {
      continue;
    }
    if (inst->op == KIR_ATOMIC) {
      change_element(t, inst, index, lane, value);
      continue;
    }
    if (many && ki_in_bounds(t, inst->buffer, index, lane, false)) {
      check_lanes(t, inst, lane);
    }
    ki_write_element(t, inst->buffer, index, lane, value);
  }
}

// --- local memory --------------------------------------------------------------------------------

// Where warps share it, it is there from the start of the task: the first to come makes it.
void ki_make_local(ki_state *t, const kir_inst *inst) {
  ki_memory *m = &t->memories[inst->result];
  if (m->data == NULL) {
    m->dtype = ki_dtype(t, inst->result);
    m->count = (size_t)inst->imm;
    m->data = aicc_arena_alloc(&t->arena, m->count * aicc_dtype_size(m->dtype));
    m->init = AICC_NEW_ARRAY(&t->arena, uint8_t, m->count);
    ki_track(t, m);
  }
  if (t->kernel->warps == 1) {
    memset(m->init, 0, m->count);
  }
}

void ki_forget_locals(ki_state *t) {
  if (t->kernel->warps == 1) {  // each is made anew where it stands
    return;
  }
  for (size_t v = 0; v < t->kernel->value_count; v++) {
    ki_memory *m = &t->memories[v];
    if (m->data != NULL && t->kernel->values[v].def != NULL) {
      memset(m->init, 0, m->count);
    }
  }
}
