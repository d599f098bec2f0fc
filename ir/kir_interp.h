// The kernel interpreter's state, private to ir/kir_interp*.c.
//
// Every value has a cell per lane; uniform ones the same in all. The warps of a task have cells of
// their own and share memories; each runs up to a barrier (or its end), in an order shuffled by the
// seed, so a warp's place in its kernel is a stack of open blocks. Between two barriers is an
// *epoch*: what two warps touch in one epoch, one of them writing, is a race.
// The first problem found is reported; everything returns at once after it.
#ifndef AICC_IR_KIR_INTERP_H
#define AICC_IR_KIR_INTERP_H

#include "ir/kir.h"

enum { KI_MAX_WIDTH = 256, KI_MANY = -1 };

// Floats of every type are held as doubles, integers and bool as int64 (u64: its bit pattern),
// strings and complex numbers as their bytes.
typedef union ki_cell {
  int64_t i;
  double f;
  uint64_t words[2];
} ki_cell;

// Who touched an element last, and in which epoch. Warps; KI_MANY: several (that read).
typedef struct ki_touch {
  int64_t epoch;
  int warp;
} ki_touch;

// What may be known of an element of local memory.
enum { KI_UNWRITTEN, KI_WRITTEN, KI_UNDER_WAY };  // the last: an asynchronous copy to it

// A buffer, and per element who used it.
typedef struct ki_memory {
  aicc_dtype dtype;
  char *data;
  size_t count;
  uint8_t *init;                      // NULL: everything is
  int64_t *writer, *reader, *atomic;  // by task: 0 nobody, task + 1; NULL for local memory
  ki_touch *wrote, *read, *changed;   // by warp; NULL where a task is one warp
} ki_memory;

// An asynchronous copy that has not landed: elements |at| .. of a LOCAL.
typedef struct ki_copy {
  kir_val buffer;
  int64_t at, group;
  int count;
  ki_cell cells[16];
} ki_copy;

// An open block.
typedef struct ki_frame {
  const kir_inst *inst;  // whose block it is; NULL: the kernel's own
  const kir_inst *next;  // of the block; NULL: its end
  int block;             // IF, WHILE: which of the two
  int64_t at, to, step;  // FOR
  bool outer[KI_MAX_WIDTH];  // the lanes that are active around it
} ki_frame;

typedef struct ki_warp {
  int number;
  ki_cell *cells;        // value id * width + lane; variables too
  ki_cell **arrays;      // by id: element * width + lane
  bool active[KI_MAX_WIDTH];
  ki_frame *frames;
  size_t depth, frame_capacity;
  ki_copy *copies;       // under way, oldest first
  size_t copy_count, copy_capacity;
  int64_t groups;        // committed
  const kir_inst *barrier;  // where it waits
} ki_warp;

typedef struct ki_state {
  const kir_kernel *kernel;
  aicc_diags *diags;
  aicc_arena arena;
  int width;
  ki_memory *memories;   // by id
  ki_warp *warps;        // kernel->warps of them
  ki_warp *w;            // the one that runs
  int64_t task, steps, epoch;
  uint64_t random;
  bool failed;
} ki_state;

// --- kir_interp_value.c --------------------------------------------------------------------------

AICC_PRINTF(2, 3) void ki_fail(ki_state *t, const char *format, ...);
const char *ki_name(ki_state *t, kir_val v);
ki_cell ki_read_cell(aicc_dtype dtype, const void *data, size_t index);
void ki_write_cell(aicc_dtype dtype, void *data, size_t index, ki_cell value);
ki_cell ki_rounded(aicc_dtype dtype, double value);
ki_cell ki_scalar(const kir_inst *inst, aicc_dtype operand, aicc_dtype result, const ki_cell *args);
void ki_run_scalar(ki_state *t, const kir_inst *inst);  // SCALAR, FMA
void ki_run_dot4(ki_state *t, const kir_inst *inst);
void ki_run_reduce(ki_state *t, const kir_inst *inst);
void ki_run_exchange(ki_state *t, const kir_inst *inst);
void ki_run_power2(ki_state *t, const kir_inst *inst);
// Calls |one| for each active lane of a varying result, or once for a uniform one.
typedef ki_cell (*ki_lane_fn)(ki_state *t, const kir_inst *inst, const ki_cell *args, int lane);
void ki_each_lane(ki_state *t, const kir_inst *inst, ki_lane_fn one);

static inline ki_cell *ki_cells(const ki_state *t, kir_val v) {
  return t->w->cells + (size_t)v * (size_t)t->width;
}
static inline aicc_dtype ki_dtype(const ki_state *t, kir_val v) {
  return t->kernel->values[v].dtype;
}
static inline bool ki_varying(const ki_state *t, kir_val v) {
  return t->kernel->values[v].varying;
}

// --- kir_interp_memory.c -------------------------------------------------------------------------

void ki_run_load(ki_state *t, const kir_inst *inst);
void ki_run_word(ki_state *t, const kir_inst *inst);
void ki_run_store(ki_state *t, const kir_inst *inst);  // ATOMIC as well
void ki_make_local(ki_state *t, const kir_inst *inst);
void ki_forget_locals(ki_state *t);  // a new task begins
// One element, with every check; a lane that fails reads zero.
ki_cell ki_read_element(ki_state *t, kir_val buffer, int64_t index, int lane);
void ki_write_element(ki_state *t, kir_val buffer, int64_t index, int lane, ki_cell value);
bool ki_in_bounds(ki_state *t, kir_val buffer, int64_t index, int lane, bool reads);
void ki_note_write(ki_state *t, kir_val buffer, int64_t index, bool atomic);
void ki_track(ki_state *t, ki_memory *m);  // who touches its elements
bool ki_same_bits(aicc_dtype dtype, ki_cell a, ki_cell b);

// --- kir_interp_block.c --------------------------------------------------------------------------

void ki_run_vector(ki_state *t, const kir_inst *inst);  // VLOAD, VSTORE
void ki_run_copy(ki_state *t, const kir_inst *inst);
void ki_run_wait(ki_state *t, const kir_inst *inst);
void ki_run_ldmatrix(ki_state *t, const kir_inst *inst);
void ki_run_mma(ki_state *t, const kir_inst *inst);

#endif
