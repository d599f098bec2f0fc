// Inside the emulator: programs, warps, blocks, launches. Private to tests/emu/emu_*.c.
//
// A program is one entry with all functions it calls, decoded. Registers of a warp are arrays of 32
// lanes ("cells") in one file: 32-bit cells hold 8, 16 and 32-bit values (upper bits zero or
// ignored), 64-bit cells 64-bit ones, a predicate is one 32-bit mask of lanes. Constants and
// special registers have cells too, so an operand is always an offset into the file. Functions are
// not called recursively, so each has its registers once.
#ifndef AICC_TESTS_EMU_INTERNAL_H
#define AICC_TESTS_EMU_INTERNAL_H

#include <pthread.h>
#include <string.h>

#include "emu.h"
#include "ptx.h"

typedef uint8_t u8;
typedef int8_t s8;
typedef uint16_t u16;
typedef int16_t s16;
typedef uint32_t u32;
typedef int32_t s32;
typedef uint64_t u64;
typedef int64_t s64;

enum {
  EMU_LANES = 32,
  EMU_MAX_WARPS = 32,
  EMU_BARRIERS = 16,
  EMU_SHARED_BASE = 0x400,  // so that address 0 is none
  EMU_CALL_DEPTH = 64,
  EMU_MOST_THREADS = 64,    // of the host
};
#define EMU_FULL 0xffffffffu

// Generic addresses of what is not global memory.
#define EMU_SHARED_WINDOW 0x7e0000000000ull
#define EMU_LOCAL_WINDOW 0x7d0000000000ull
#define EMU_PARAM_WINDOW 0x7c0000000000ull
#define EMU_WINDOW_MASK (~(u64)0xffffffff)

// ---- words of opcodes --------------------------------------------------------------------------

typedef enum emu_word {
  EMU_W_NONE,
#define EMU_WORD(id, text) EMU_W_##id,
#include "emu_words.def"
#undef EMU_WORD
  EMU_W_COUNT,
} emu_word;

typedef struct emu_words {
  u64 bits[4];
} emu_words;
static inline bool emu_has(const emu_words *words, emu_word word) {
  return words->bits[word >> 6] >> (word & 63) & 1;
}

// ---- programs ----------------------------------------------------------------------------------

typedef struct emu_warp emu_warp;
typedef struct emu_inst emu_inst;
typedef struct emu_block emu_block;

// Executes |inst| for the lanes of |mask|, never empty. Faults are noted in the block.
typedef void emu_exec(emu_warp *warp, const emu_inst *inst, u32 mask);

typedef enum emu_flow {
  EMU_PLAIN, EMU_BRA, EMU_BRX, EMU_EXIT, EMU_CALL, EMU_RET, EMU_BAR,
  EMU_SYNC,     // exec once all lanes of the member mask are here
} emu_flow;

// What instructions ask about at run time; the rest of their words chose the function.
enum {
  EMU_M_FTZ = 1 << 0, EMU_M_SAT = 1 << 1, EMU_M_SATFINITE = 1 << 2, EMU_M_NAN = 1 << 3,
  EMU_M_RELU = 1 << 4, EMU_M_ABS = 1 << 5, EMU_M_XORSIGN = 1 << 6, EMU_M_TRANS = 1 << 7,
  EMU_M_STRONG = 1 << 8, EMU_M_ACQUIRE = 1 << 9, EMU_M_RELEASE = 1 << 10,
  EMU_M_ALIGNED = 1 << 11, EMU_M_NONALIGNED = 1 << 12, EMU_M_WRAP = 1 << 13, EMU_M_CC = 1 << 14,
  EMU_M_X = 1 << 15, EMU_M_LEFT = 1 << 16, EMU_M_HI = 1 << 17, EMU_M_SHIFTAMT = 1 << 18,
  EMU_M_TO = 1 << 19, EMU_M_ARRIVE = 1 << 20, EMU_M_RED = 1 << 21,
  EMU_M_INTEGRAL = 1 << 23, EMU_M_NEGATE = 1 << 24, EMU_M_ALL = 1 << 25,
  EMU_M_ADDRESS32 = 1 << 26, EMU_M_SECOND32 = 1 << 27, EMU_M_COPY = 1 << 28,
  EMU_M_UNPROVEN = 1 << 29, EMU_M_RESULT = 1 << 30,
};

// COPY: a plain move, which may move what was never written. UNPROVEN: reads or writes registers
// that may be read unwritten. NEGATE: sub. X: carry in. ALL: wait_all. SECOND32: of cp.async's
// source.
typedef enum emu_round { EMU_RN, EMU_RZ, EMU_RM, EMU_RP, EMU_RNA } emu_round;

struct emu_inst {
  emu_exec *exec;
  u32 d, a, b, c, e;   // offsets into the register file; 0: none (a cell that nothing uses)
  u32 pred;            // guard, 0: none
  bool pred_negated;
  u8 flow;             // emu_flow
  u8 size, count;      // of an access: bytes of an element, elements
  u8 op;               // comparison, atomic or shuffle operator, ...
  u8 round;
  u8 space;            // ptx_space
  u8 combine;          // boolean operator of setp
  u32 mods;            // EMU_M_*
  u8 types[4];         // emu_word, in the order of the opcode
  u8 d_class, a_class; // ptx_class, of operands that may have any
  bool d_is_16;        // the result's register has 16 bits
  bool constant;       // ld.global.nc
  u32 members;         // cell of the lanes that take part; 0: all 32
  s64 imm, imm2;       // of an address, of a second one
  u32 target;          // of a branch or call; a constant
  const u32 *list;     // more operands: elements of a vector, targets of brx
  u32 list_count;
  u32 line;
  const struct emu_io *io;
  const struct emu_call *call;
};

// Registers of one instruction, for the analysis of what is written before it is read.
typedef struct emu_io {
  const u32 *reads, *writes;  // virtual registers of the program
  u32 read_count, write_count;
} emu_io;

typedef struct emu_move {  // of a call: between parameter memory of caller and callee
  u32 from, to, bytes;
} emu_move;

typedef struct emu_call {
  const emu_move *args, *results;
  u32 arg_count, result_count;
} emu_call;

typedef struct emu_special {
  u32 cell;
  u8 kind;   // emu_special_kind
  u8 axis;
  bool wide;
} emu_special;

typedef enum emu_special_kind {
  EMU_S_TID, EMU_S_NTID, EMU_S_CTAID, EMU_S_NCTAID, EMU_S_LANEID, EMU_S_WARPID, EMU_S_NWARPID,
  EMU_S_MASK_EQ, EMU_S_MASK_LT, EMU_S_MASK_LE, EMU_S_MASK_GT, EMU_S_MASK_GE, EMU_S_SMID,
  EMU_S_NSMID, EMU_S_GRIDID, EMU_S_DYNAMIC, EMU_S_TOTAL, EMU_S_CLOCK, EMU_S_ZERO, EMU_S_ONE,
} emu_special_kind;

typedef struct emu_const {
  u32 cell;
  u8 kind;    // ptx_class
  u64 value;
} emu_const;

typedef struct emu_reg {  // of a program: registers of all its functions
  u32 cell;
  u8 kind;                // ptx_class
  bool tracked;           // read somewhere where it is not proven to be written
  u32 mark;               // tracked: number of its mask in emu_warp.written
  const ptx_reg *source;
} emu_reg;

typedef struct emu_program {
  emu_inst *code;
  u32 count;
  u32 file_bytes;
  emu_reg *regs;
  u32 reg_count, mark_count;
  emu_const *consts;
  u32 const_count;
  emu_special *specials;
  u32 special_count;
  u32 shared_bytes;    // static, from EMU_SHARED_BASE on
  u32 shared_align;
  u32 local_bytes;     // of a lane: .local variables and parameters of calls
  u32 param_bytes;
} emu_program;

struct emu_function {
  emu_module *module;
  ptx_function *source;
  emu_program program;
  u32 *param_offsets, *param_sizes;
  u32 max_threads;
  u32 registers;
  u32 allowed_dynamic;
  const char *nodes;      // after "// aicc: SYMBOL from ", NULL: the text does not say
  int nodes_size;
};

struct emu_module {
  emu_device *device;
  ptx_module *source;
  emu_function *functions;
  u32 function_count;
  struct emu_range { u64 from, to; } *consts;
  u32 const_count;
  struct emu_known *known;  // opcodes that were looked up
};
typedef struct emu_known emu_known;

// emu_link.c: decodes |function| (its program and its shapes). Instructions that are not known, or
// newer than the target, are named in |errors|.
void emu_link(emu_module *module, emu_function *function, ptx_errors *errors);
// emu_assign.c: sets EMU_M_UNPROVEN where a register may be read that was not written.
void emu_find_unwritten(emu_program *program, ptx_arena *arena);

// ---- memory ------------------------------------------------------------------------------------

// Device memory is one range of addresses from |base| on; arrays beside it hold what is known of
// it.
typedef struct emu_memory {
  u64 base, bytes;
  u8 *data;
  u8 *written;       // a byte for each byte: 1 written
  u16 *valid;        // bytes that are allocated of each granule of 256
  u32 *writer, *reader;  // of each word of 4: see emu_race.c
  u64 *who;
  struct emu_allocation { u64 address, bytes; } *list;  // by address
  u32 count, room;
  u64 used;
  pthread_mutex_t lock;
} emu_memory;

bool emu_memory_create(emu_memory *memory, u64 bytes);
void emu_memory_forget_races(emu_memory *memory);
void emu_memory_destroy(emu_memory *memory);

typedef struct emu_launch_state emu_launch_state;

// Threads that stay from launch to launch, emu_pool.c.
typedef struct emu_pool {
  pthread_mutex_t lock;
  pthread_cond_t wake, done;
  pthread_t threads[EMU_MOST_THREADS];
  u32 count;
  emu_launch_state *launch;
  u32 open, busy;  // places that no thread has taken yet; threads that work
  bool stop;
} emu_pool;

bool emu_pool_create(emu_pool *pool);
void emu_pool_destroy(emu_pool *pool);
// Has emu_work done by the caller and up to |helpers| threads at the same time, and waits for all.
void emu_pool_run(emu_pool *pool, emu_launch_state *launch, u32 helpers);
void emu_work(emu_launch_state *launch);

struct emu_device {
  emu_memory memory;
  emu_pool pool;
  emu_options options;
  emu_counters counters;
  u32 launch;  // number of the launch
  u32 shared_limit, dynamic_limit;
};

// Cells in lists carry their class in the low bits.
enum { EMU_LIST_64 = 1, EMU_LIST_16 = 2, EMU_LIST_CELL = ~3 };

// ---- execution ---------------------------------------------------------------------------------

typedef struct emu_copy_async {
  u64 source;
  u32 target;
  u8 bytes, zeros, lane;
  u32 group;
  u32 line;
} emu_copy_async;

struct emu_warp {
  u8 *file;              // registers
  u32 *written;          // of tracked registers: lanes
  emu_block *block;
  u32 id;
  u32 live;              // lanes that have not exited
  u32 waiting;           // lanes at a barrier
  u32 blocked;           // lanes at a .sync whose other members are not there
  u32 active;            // lanes that run together
  u32 pc, limit;         // of |active|; below |limit| no other lane is met
  u32 lane_pc[EMU_LANES];
  u8 barrier[EMU_LANES];      // where a waiting lane waits
  const emu_inst *barrier_inst;  // where it began to
  u32 depth[EMU_LANES];
  u32 *stack;            // [EMU_CALL_DEPTH][EMU_LANES] return addresses
  bool moved;            // lanes have exited since blocked ones were last looked at
  u32 carry;             // lanes
  u64 executed;
  const emu_inst *inst;  // the one being executed
  u32 epoch;             // lanes have met: since then no lane has seen what another one wrote
  u32 epoch_time;        // when they did
  u8 *local, *local_written;  // [EMU_LANES][local_bytes]
  emu_copy_async *copies;     // cp.async under way
  u32 copy_count, copy_room;
  u32 groups[EMU_LANES];      // per lane: commits made
  u32 seen[EMU_MAX_WARPS];    // what this warp did before that time, is known to this one
  u32 seen_all;               // what anybody did before that time, this warp's lanes too
  u32 released;               // time of its last fence
  u64 random;
};

typedef struct emu_word_record {  // of a word of shared memory: the last write and the last reads
  u32 write_time, write_epoch;
  u16 write_thread;
  u8 write_mask, write_atomic;
  u32 read_time, read_epoch, read_warps;
  u16 read_thread;
  u8 read_mask, read_many;  // many: lanes of the warp of read_thread, in its epoch
} emu_word_record;

// The records of 16 bytes, so that an access of these is one of vectors.
typedef struct emu_word_group {
  u32 write_time[4], write_epoch[4];
  u32 writer[4];  // thread | mask << 16 | atomic << 24
  u32 read_time[4], read_epoch[4], read_warps[4];
  u32 reader[4];  // thread | mask << 16 | many << 24
} emu_word_group;

typedef struct emu_barrier {
  u32 arrived;      // threads
  u32 expected;     // 0: all
  u32 warps;        // that take part
  u32 times[EMU_MAX_WARPS];  // when they arrived
  u32 line;
  u32 votes;
  bool all, any;
} emu_barrier;

struct emu_block {
  emu_launch_state *launch;
  emu_device *device;
  const emu_function *function;
  const emu_program *program;
  u32 grid[3], shape[3], id[3];
  u32 number;            // of the block in the grid
  u32 threads, warp_count;
  emu_warp *warps;
  u8 *shared, *shared_written;
  emu_word_group *words;  // [shared memory / 16]
  u32 shared_end;        // address behind shared memory
  u32 local_bytes;
  const u8 *params;
  u32 param_bytes;
  emu_barrier barriers[EMU_BARRIERS];
  u32 time;              // of shared memory: barriers passed, over all blocks of this worker
  u32 began;             // time at which this block began: earlier records are not its own
  u32 epochs;
  u32 race_record;       // of what it does to global memory: launch and number, see emu_race.c
  bool fault;
  u64 instructions, lane_instructions;
  u64 random;
};

struct emu_launch_state {
  emu_device *device;
  const emu_function *function;
  u32 grid[3], shape[3];
  u32 dynamic_shared;
  const u8 *params;
  u64 block_count, next_block, stride, offset;
  u64 budget;            // instructions of a warp
  u32 *released, *acquired;  // per block: times of fences, see emu_race.c
  u32 clock;
  int stop;              // a fault was found
  pthread_mutex_t lock;
  emu_report *report;
  bool reported;
  u64 instructions, lane_instructions;
};

// emu_block.c. A block and its warps are used again for block after block of a launch.
bool emu_block_create(emu_block *block, emu_launch_state *launch);
void emu_block_destroy(emu_block *block);
void emu_run_block(emu_block *block, u64 number);  // to its end or to a fault

// emu_run.c: until all lanes wait or are done, for at most |quantum| instructions.
void emu_run_warp(emu_warp *warp, u64 quantum);

// emu_barrier.c
void emu_barrier_arrive(emu_warp *warp, const emu_inst *inst, u32 mask);
void emu_barrier_exited(emu_block *block);  // a thread did
void emu_barrier_stuck(emu_block *block);   // nothing can run: the fault that says why

// emu_report.c
void emu_report_text(emu_report *report, const emu_function *function, u32 line, const char *rule);

// Notes a fault at the instruction that |warp| executes; the first of a launch stays. |lane| < 0:
// the warp.
void emu_fault(emu_warp *warp, int lane, emu_kind kind, const char *format, ...)
    __attribute__((format(printf, 4, 5), cold));

u64 emu_next_random(u64 *state);

// ---- accesses (emu_access.c) -------------------------------------------------------------------

// EMU_CONSTANT: .nc, which says that nobody writes there during the launch.
typedef enum emu_access {
  EMU_READ = 1, EMU_WRITE = 2, EMU_ATOMIC = 4, EMU_STRONG = 8, EMU_CONSTANT = 16,
} emu_access;

// Where |bytes| (a power of two, to 32) at |address| of |space| are for |lane|, all checks made, or
// NULL after a fault. A write has the bytes marked written.
u8 *emu_at(emu_warp *warp, int lane, ptx_space space, u64 address, u32 bytes, u32 access);

// The same for the lanes of |mask|, where memory is |at|. False after a fault.
bool emu_at_lanes(emu_warp *warp, ptx_space space, const u64 *addresses, u32 mask, u32 bytes,
                  u32 access, u8 **at);
// The same for 32 lanes, each |bytes| behind the one before, in global memory. NULL: to be done
// lane by lane, which finds what is wrong.
u8 *emu_at_row(emu_warp *warp, u64 address, u32 bytes, u32 access);

// What is wrong with an access; NULL.
u8 *emu_bad_place(emu_warp *warp, int lane, ptx_space space, u64 address, u32 bytes, u32 access);
u8 *emu_unwritten(emu_warp *warp, int lane, ptx_space space, u64 address, const u8 *written,
                  u32 bytes);
static inline bool emu_all_written(const u8 *written, u32 bytes) {
  u64 word;
  u32 half;
  switch (bytes) {
    case 1: return *written;
    case 2: return written[0] & written[1];
    case 4: memcpy(&half, written, 4); return half == 0x01010101u;
    default:
      for (u32 i = 0; i < bytes; i += 8) {
        memcpy(&word, written + i, 8);
        if (word != 0x0101010101010101ull) {
          return false;
        }
      }
      return true;
  }
}

// emu_shared.c: emu_at and emu_at_lanes of shared memory; emu_at_shared: of an aligned address.
u8 *emu_at_shared(emu_warp *warp, int lane, u64 address, u32 bytes, u32 access);
bool emu_shared_lanes(emu_warp *warp, const u64 *addresses, u32 mask, u32 bytes, u32 access,
                      u8 **at);

// emu_copy.c: cp.async. False after a fault.
bool emu_read_ahead(emu_warp *warp, int lane, u64 source, u32 bytes, u32 take);
bool emu_copy_room(emu_warp *warp, int lane, u32 count);  // for |count| more in warp->copies
bool emu_copy_start(emu_warp *warp, emu_copy_async copy);
void emu_copy_wait(emu_warp *warp, u32 mask, u32 pending);

// Order between warps of a block and between blocks, emu_ops_memory.c.
void emu_fence(emu_warp *warp);
void emu_observe(emu_warp *warp);
void emu_update_seen(emu_warp *warp);  // seen_all, after a change of seen

// emu_race.c: between blocks, global memory; |offset| from its base.
void emu_race(emu_warp *warp, int lane, u64 offset, u32 bytes, u32 access);
bool emu_race_row(emu_warp *warp, u64 offset, u32 bytes, u32 access);  // false: look closer
void emu_release(emu_warp *warp);
void emu_race_new_launch(emu_device *device);
void emu_race_new_block(emu_block *block);
void emu_acquire(emu_warp *warp);

static inline u32 *emu_u32(const emu_warp *warp, u32 cell) {
  return (u32 *)(void *)(warp->file + cell);
}
static inline u64 *emu_u64(const emu_warp *warp, u32 cell) {
  return (u64 *)(void *)(warp->file + cell);
}

// ---- forms of instructions (emu_forms.c) -------------------------------------------------------

typedef struct emu_form {
  int sm;
  const char *pattern;   // "add[.sat].s32": words that must be there, [one of, or none], (one of)
  const char *operands;  // see emu_forms.def
  emu_exec *exec;
  u8 flow;
} emu_form;

typedef struct emu_matched {
  const emu_form *form;
  emu_words words;
  u8 types[4];           // words that are types, in order
} emu_matched;
// The form of |opcode| for |sm|; form is NULL where there is none, or |needs| is the least sm.
bool emu_match(const char *opcode, int sm, emu_matched *matched, int *needs);
u32 emu_type_size(emu_word type);  // bytes; 0: no type
bool emu_type_is_signed(emu_word type);
// Of the words of an instruction the one from |first| to |last|, or EMU_W_NONE.
emu_word emu_word_between(const emu_words *words, emu_word first, emu_word last);

#endif
