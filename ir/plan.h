// The plan of a model: its kernels, and the host program that sizes buffers and launches them.
// Made by passes/lower*.c from a fused graph; codegen/cg_host.c turns it into native code and
// codegen/cg_*.c turns the kernels into images.
//
// Host program: a tree of steps. Its integers are aicc_dims of the module (evaluated where their
// symbols are defined), its tensors are slots. Thread-compatible; arena-owned.
#ifndef AICC_IR_PLAN_H
#define AICC_IR_PLAN_H

#include "ir/kir.h"

typedef uint32_t aicc_slot;  // index into plan->slots

typedef enum aicc_slot_kind {
  AICC_SLOT_INPUT,     // graph input |index|
  AICC_SLOT_OUTPUT,    // memory of graph output |index|: asked for when its dims are known
  AICC_SLOT_CONST,     // constant |index|
  AICC_SLOT_BUFFER,    // planned memory
  AICC_SLOT_HEAP,      // allocated and freed by steps: its size depends on data
  AICC_SLOT_ALIAS,     // the same memory as slot |index| (a view or in-place result)
  AICC_SLOT_VARIABLE,  // a pointer that steps assign (loop state, if results); its dims are symbols
  AICC_SLOT_SEQUENCE,  // a sequence handle, assigned by steps
} aicc_slot_kind;

typedef struct aicc_slot_info {
  aicc_slot_kind kind;
  uint32_t index;
  aicc_type type;       // dims as expressions
  aicc_dim bytes;       // size (BUFFER, HEAP, OUTPUT)
  uint32_t segment;     // BUFFER: segment; life in steps, filled by memory planning
  uint32_t first, last;
  const char *name;
} aicc_slot_info;

typedef enum aicc_step_kind {
  AICC_STEP_LAUNCH,     // kernel(args) over grid
  AICC_STEP_SEGMENT,    // plan segment |index|: the sizes of its buffers are known from here on
  AICC_STEP_OUTPUT,     // ask for the memory of output slot |slot|
  AICC_STEP_ALLOC,      // HEAP slot
  AICC_STEP_FREE,
  AICC_STEP_COPY,       // slot2 -> slot (at byte |offset| of it), |dim| bytes
  AICC_STEP_ASSIGN,     // VARIABLE or SEQUENCE slot = slot2 (the pointer)
  AICC_STEP_DEF_DIM,    // symbol = element |index| of integer tensor |slot| (read from the device)
  AICC_STEP_SET_DIM,    // symbol = dim (assigns a symbol that is a host variable)
  AICC_STEP_WRITE_DIMS, // integer tensor |slot| = dims[] (host to device)
  AICC_STEP_CHECK,      // fail with |text| unless dim != 0
  AICC_STEP_IF,         // dim != 0 ? body : other
  AICC_STEP_LOOP,       // while true: body; left by BREAK
  AICC_STEP_BREAK,      // leave the innermost loop if dim == 0
  AICC_STEP_SEQUENCE,   // sequence operation |seq_op|
} aicc_step_kind;

typedef enum aicc_seq_op {
  AICC_SEQ_EMPTY,       // slot = empty of dtype
  AICC_SEQ_INSERT,      // slot = slot2 with tensor slot3 inserted at dim
  AICC_SEQ_ERASE,       // slot = slot2 without item dim
  AICC_SEQ_LENGTH,      // symbol = length of slot2
  AICC_SEQ_AT,          // VARIABLE slot = item dim of slot2; its dims' symbols are assigned
  AICC_SEQ_RELEASE,     // slot
  AICC_SEQ_OUTPUT,      // output |index| = sequence slot
  // An optional is a sequence handle or null: of a sequence that itself, of a tensor one of one
  // item.
  AICC_SEQ_NONE,        // slot = null
  AICC_SEQ_HAS,         // symbol = whether slot2 is not null
  AICC_SEQ_GIVEN,       // slot = graph input |index|, an optional tensor whose data is slot2
} aicc_seq_op;

typedef struct aicc_step_arg {
  bool is_slot;
  aicc_slot slot;
  aicc_dim dim;         // sizes
} aicc_step_arg;

typedef struct aicc_step aicc_step;
typedef struct aicc_steps {
  aicc_step *first, *last;
} aicc_steps;

struct aicc_step {
  aicc_step_kind kind;
  uint32_t number;        // position in a walk of the tree; buffer lives are in these
  uint32_t kernel, index;
  aicc_slot slot, slot2, slot3;
  aicc_dim dim, grid, cost, symbol;  // cost: nanoseconds of one core
  aicc_dim flops;         // LAUNCH: of its products, two for each; AICC_DIM_NONE: it has none
  aicc_dim offset;        // COPY; AICC_DIM_NONE: 0
  const aicc_dim *dims;
  int dim_count;
  const aicc_step_arg *args;
  int arg_count;
  aicc_seq_op seq_op;
  const char *text;       // CHECK: the message; LAUNCH: the schedule or NULL
  aicc_steps body, other;
  aicc_step *next;
};

// A matrix stored as panels of |nr| columns, for contractions:
//   packed[batch][n / nr][k][n % nr] = source[batch * batch_stride + k . k_stride + n * n_stride]
// with zeros where n is beyond the matrix; k runs over k_extent row-major. Strides in elements.
// Where |group| is more than 1, so many neighbours along k stand together,
//   packed[batch][n / nr][k / group][n % nr][k % group]
// and each run of k, which is the last |run_rank| extents, is filled with zeros to whole groups.
enum { AICC_PACK_RANK = 4 };
typedef struct aicc_pack {
  int64_t batch, batch_stride;
  int k_rank;
  int64_t k_extent[AICC_PACK_RANK], k_stride[AICC_PACK_RANK];
  int64_t n, n_stride, nr;
  int64_t group;  // 0: 1
  int run_rank;
} aicc_pack;

// A constant's bytes in the weights section.
typedef struct aicc_plan_const {
  const char *name;
  const aicc_tensor *tensor;
  const aicc_pack *pack;   // NULL: as in the tensor
  uint64_t offset, size;   // within the weights; offset is a multiple of 64
} aicc_plan_const;

typedef struct aicc_plan {
  aicc_module *module;     // borrowed: dims, inputs, outputs
  aicc_arena arena;
  kir_kernel **kernels;
  size_t kernel_count, kernel_capacity;
  aicc_plan_const *consts;
  size_t const_count, const_capacity;
  aicc_slot_info *slots;
  size_t slot_count, slot_capacity;
  uint32_t segment_count;
  aicc_steps steps;
  aicc_slot *inputs, *outputs;  // one per graph input and output
} aicc_plan;

// Bytes |from| .. |from| + |size| of a constant as stored (packed where it is). |from| and |size|
// are multiples of 64 or end at the constant's end. Lets writers stream weights of any size.
void aicc_plan_const_bytes(const aicc_plan_const *constant, uint64_t from, uint64_t size,
                           void *out);
bool aicc_pack_equal(const aicc_pack *a, const aicc_pack *b);  // either may be NULL: not packed
int64_t aicc_pack_count(const aicc_pack *pack);  // elements, padding included
int64_t aicc_pack_rows(const aicc_pack *pack);   // along k, padding included

void aicc_plan_print(const aicc_plan *plan, FILE *out);

#endif
