// The kernel interpreter: vectors, asynchronous copies, matrices. Layouts are those of ir/kir_mma.h
// and of kir.h's words, never a target's.
#include <string.h>

#include "ir/kir_interp.h"
#include "ir/scalar.h"

// A lane's access of |count| elements at |index| begins where it must.
static bool is_aligned(ki_state *t, kir_val buffer, int64_t index, int64_t count, int lane) {
  if (index % count == 0) {
    return true;
  }
  ki_fail(t, "lane %d accesses %lld elements of %s from %lld on, which is no multiple", lane,
          (long long)count, ki_name(t, buffer), (long long)index);
  return false;
}

static ki_cell *element_cells(const ki_state *t, const kir_inst *inst, int which, int i) {
  return t->w->arrays[inst->arrays[which]] + (size_t)(inst->at[which] + i) * (size_t)t->width;
}

// --- vectors -------------------------------------------------------------------------------------

static void vector_load(ki_state *t, const kir_inst *inst, int64_t index, int lane) {
  for (int i = 0; i < inst->count && !t->failed; i++) {
    element_cells(t, inst, 0, i)[lane] = ki_read_element(t, inst->buffer, index + i, lane);
  }
}

// Lanes that store to one place store the same.
static void vector_store(ki_state *t, const kir_inst *inst, int64_t index, int lane) {
  const ki_cell *all = ki_cells(t, inst->args[0]);
  for (int i = 0; i < inst->count && !t->failed; i++) {
    const ki_cell *cells = element_cells(t, inst, 0, i);
    for (int other = 0; other < lane; other++) {
      if (t->w->active[other] && all[other].i == index &&
          !ki_same_bits(t->memories[inst->buffer].dtype, cells[other], cells[lane])) {
        ki_fail(t, "lanes %d and %d store different values to element %lld of %s", other, lane,
                (long long)index + i, ki_name(t, inst->buffer));
      }
    }
    ki_write_element(t, inst->buffer, index + i, lane, cells[lane]);
  }
}

void ki_run_vector(ki_state *t, const kir_inst *inst) {
  const bool loads = inst->op == KIR_VLOAD;
  const bool many = ki_varying(t, inst->args[0]) || ki_varying(t, inst->arrays[0]);
  for (int lane = 0; lane < t->width && !t->failed; lane++) {
    const int64_t index = ki_cells(t, inst->args[0])[lane].i;
    if ((many && !t->w->active[lane]) || !is_aligned(t, inst->buffer, index, inst->count, lane)) {
      continue;
    }
    if (loads) {
      vector_load(t, inst, index, lane);
    } else {
      vector_store(t, inst, index, lane);
    }
  }
}

// --- asynchronous copies -------------------------------------------------------------------------

static void start_copy(ki_state *t, const kir_inst *inst, int lane) {
  const int64_t to = ki_cells(t, inst->args[0])[lane].i, from = ki_cells(t, inst->args[1])[lane].i;
  const bool taken = inst->arg_count < 3 || ki_cells(t, inst->args[2])[lane].i != 0;
  ki_copy copy = {.buffer = inst->buffer, .at = to, .group = t->w->groups, .count = inst->count};
  if (!is_aligned(t, inst->buffer, to, inst->count, lane) ||
      (taken && !is_aligned(t, inst->source, from, inst->count, lane))) {
    return;
  }
  ki_memory *m = &t->memories[inst->buffer];
  for (int i = 0; i < inst->count && !t->failed; i++) {
    copy.cells[i] = taken ? ki_read_element(t, inst->source, from + i, lane) : (ki_cell){0};
    if (!ki_in_bounds(t, inst->buffer, to + i, lane, false)) {
      return;
    }
    if (m->init[to + i] == KI_UNDER_WAY) {
      ki_fail(t, "lane %d copies to element %lld of %s, to which a copy is under way", lane,
              (long long)to + i, ki_name(t, inst->buffer));
    }
    ki_note_write(t, inst->buffer, to + i, false);
    m->init[to + i] = KI_UNDER_WAY;
  }
  AICC_PUSH(&t->arena, t->w->copies, t->w->copy_count, t->w->copy_capacity, copy);
}

// Lanes that all copy the same are one.
void ki_run_copy(ki_state *t, const kir_inst *inst) {
  bool many = false;
  for (int i = 0; i < inst->arg_count; i++) {
    many = many || ki_varying(t, inst->args[i]);
  }
  for (int lane = 0; lane < (many ? t->width : 1) && !t->failed; lane++) {
    if (!many || t->w->active[lane]) {
      start_copy(t, inst, lane);
    }
  }
}

static void land(ki_state *t, const ki_copy *copy) {
  ki_memory *m = &t->memories[copy->buffer];
  for (int i = 0; i < copy->count; i++) {
    m->init[copy->at + i] = KI_WRITTEN;
    ki_note_write(t, copy->buffer, copy->at + i, false);
    ki_write_cell(m->dtype, m->data, (size_t)(copy->at + i), copy->cells[i]);
  }
}

void ki_run_wait(ki_state *t, const kir_inst *inst) {
  size_t left = 0;
  for (size_t i = 0; i < t->w->copy_count; i++) {
    const ki_copy *copy = &t->w->copies[i];
    if (copy->group + (int64_t)inst->imm < t->w->groups) {
      land(t, copy);
    } else {
      t->w->copies[left++] = *copy;
    }
  }
  t->w->copy_count = left;
}

// --- matrices ------------------------------------------------------------------------------------

static bool has_32_lanes(ki_state *t, const char *what) {
  if (t->width == 32) {
    return true;
  }
  ki_fail(t, "%s needs 32 lanes, and the warp has %d", what, t->width);
  return false;
}

// Row |row| of matrix |matrix|: the 16 bytes at the index that lane 8 * matrix + row gives.
static void read_row(ki_state *t, const kir_inst *inst, int matrix, int row, uint16_t *out) {
  const int lane = 8 * matrix + row;
  const aicc_dtype dtype = ki_dtype(t, inst->buffer);
  const int count = (int)(16 / aicc_dtype_size(dtype));
  const int64_t index = ki_cells(t, inst->args[0])[lane].i;
  if (!is_aligned(t, inst->buffer, index, count, lane)) {
    return;
  }
  for (int i = 0; i < count && !t->failed; i++) {
    const ki_cell value = ki_read_element(t, inst->buffer, index + i, lane);
    ki_write_cell(dtype, out, (size_t)i, value);
  }
}

void ki_run_ldmatrix(ki_state *t, const kir_inst *inst) {
  if (!has_32_lanes(t, "ldmatrix")) {
    return;
  }
  for (int matrix = 0; matrix < inst->count && !t->failed; matrix++) {
    uint16_t rows[8][8] = {{0}};
    for (int row = 0; row < 8 && !t->failed; row++) {
      read_row(t, inst, matrix, row, rows[row]);
    }
    ki_cell *out = element_cells(t, inst, 0, matrix);
    for (int lane = 0; lane < 32; lane++) {
      const int line = lane / 4, at = 2 * (lane % 4);
      const uint32_t low = inst->transposed ? rows[at][line] : rows[line][at];
      const uint32_t high = inst->transposed ? rows[at + 1][line] : rows[line][at + 1];
      out[lane].i = (int64_t)(low | high << 16);
    }
  }
}

// Element |e| of the register |bits| of an operand of |dtype|.
static double operand(aicc_dtype dtype, uint32_t bits, int e) {
  if (dtype == AICC_F32) {  // tf32
    bits &= ~UINT32_C(0x1fff);
    return aicc_get_f64(dtype, &bits, 0);
  }
  return aicc_dtype_is_float(dtype) ? aicc_get_f64(dtype, &bits, (size_t)e)
                                    : (double)aicc_get_i64(dtype, &bits, (size_t)e);
}

typedef struct operands {
  double a[16][32], b[32][8];
} operands;

static void gather(const ki_state *t, const kir_inst *inst, operands *out) {
  const kir_mma_info *mma = &kir_mma_infos[inst->mma];
  for (int lane = 0; lane < 32; lane++) {
    for (int e = 0; e < mma->per_register; e++) {
      for (int r = 0; r < mma->a_registers; r++) {
        const kir_mma_place p = kir_mma_place_a(inst->mma, lane, r, e);
        out->a[p.row][p.column] =
            operand(mma->a, (uint32_t)element_cells(t, inst, 1, r)[lane].i, e);
      }
      for (int r = 0; r < mma->b_registers; r++) {
        const kir_mma_place p = kir_mma_place_b(inst->mma, lane, r, e);
        out->b[p.row][p.column] =
            operand(mma->b, (uint32_t)element_cells(t, inst, 2, r)[lane].i, e);
      }
    }
  }
}

// Products are exact and so are sums of integers; of floats the sum is rounded once at the end.
void ki_run_mma(ki_state *t, const kir_inst *inst) {
  const kir_mma_info *mma = &kir_mma_infos[inst->mma];
  operands in;
  if (!has_32_lanes(t, "mma")) {
    return;
  }
  gather(t, inst, &in);
  for (int lane = 0; lane < 32; lane++) {
    for (int i = 0; i < mma->d_registers; i++) {
      const kir_mma_place p = kir_mma_place_d(inst->mma, lane, i);
      ki_cell *d = &element_cells(t, inst, 0, i)[lane];
      double sum = 0;
      for (int k = 0; k < mma->k; k++) {
        sum += in.a[p.row][k] * in.b[k][p.column];
      }
      *d = mma->d == AICC_F32
               ? ki_rounded(AICC_F32, sum + d->f)
               : (ki_cell){.i = aicc_scalar_wrap(d->i + (int64_t)sum, mma->d)};
    }
  }
}
