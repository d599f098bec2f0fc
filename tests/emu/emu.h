// The PTX emulator: executes PTX text as a GPU would, and checks every access of it.
//
// One emu_device is memory, limits and modules; tests/emu/cuda_*.c put the CUDA Driver API over it.
// Addresses are those of device memory: a PTX program sees the same 64-bit numbers as the host,
// which reads and writes there with emu_read and emu_write alone: they are no addresses of the
// host's.
//
// A fault is anything that a correct program does not do: an access outside an allocation or not
// aligned to its size, a read of a register or a byte of shared, local or global memory that was
// never written, a race, a `.sync` instruction that not all its lanes reach, a barrier that not all
// threads reach, shared memory read before the copy into it was waited for, a launch beyond the
// limits. It ends the launch and is described in emu_report: a fault is never silent.
//
// What is known to be left out: mbarrier, cp.async.bulk, wgmma and clusters; calls through
// registers and recursion; textures, video instructions, wmma (mma.sync is there); linking of
// modules. These are refused when a text is loaded. Of races: a write of one lane after a read of
// another one in global memory is found between blocks only; a fence and something atomic on both
// sides is taken for order between blocks and warps, whichever atomic it was; records of memory
// hold the last access, not all. Spinning on what another block does works as long as that block
// runs at the same time: there are |threads| of them.
//
// Numbers: sums, products, quotients and square roots are rounded as PTX says, f16 and bf16 too.
// approx instructions are the exact result rounded to nearest. mma adds products, which are exact,
// to the accumulator in f32 in ascending k.
//
// Threads: one launch at a time per device; a launch itself uses emu_options.threads host threads.
#ifndef AICC_TESTS_EMU_H
#define AICC_TESTS_EMU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct emu_device emu_device;
typedef struct emu_module emu_module;
typedef struct emu_function emu_function;

typedef struct emu_options {
  int sm;              // compute capability, 80: what instructions and limits a program may use
  uint64_t seed;       // order of blocks and warps; 0: ascending
  int threads;         // 0: one per CPU
  int ulp_noise;       // approximate instructions are off by up to so many ulp, by seed; 0: exact
  bool no_races;       // leaves out the checks for races in global memory
  uint64_t
      memory_bytes;  // of the device; 0: 4 GiB (of address space: what is not used costs nothing)
  uint64_t instruction_limit;  // of a warp, beyond it a launch is endless; 0: 2^28
} emu_options;

typedef enum emu_status {
  EMU_OK = 0,
  EMU_FAULT,        // the program did what none may do: the device is lost, as a real one would be
  EMU_BAD_PTX,      // the text is no PTX, or uses what the emulator or the target does not have
  EMU_BAD_LAUNCH,   // a shape, shared memory or a parameter beyond the limits
  EMU_NO_MEMORY,
} emu_status;

typedef enum emu_kind {  // of a fault
  EMU_IS_NONE = 0,     // no fault, or one of the emulator's own: it has no memory
  EMU_IS_OUTSIDE,      // an access outside every allocation, over an end, or a write of a constant
  EMU_IS_BEYOND,       // the same of shared, local or parameter memory
  EMU_IS_MISALIGNED,
  EMU_IS_UNWRITTEN,    // a register or memory
  EMU_IS_RACE,
  EMU_IS_SYNC,         // lanes, threads or copies that had to be waited for, or never come
  EMU_IS_VALUE,        // an operand that may not be: of a barrier, branch or copy; calls too deep
  EMU_IS_ENDLESS,
  EMU_IS_TRAP,
} emu_kind;

typedef struct emu_report {
  emu_status status;
  emu_kind kind;
  char kernel[256];    // function
  int line;            // of the PTX text, from 1; 0: none
  uint32_t block[3], thread[3];
  // What was wrong, complete: rule, address, sizes, PTX line with its text, kernel, block and
  // thread, the other access of a race, and the ONNX nodes where the text names them. Lines that
  // begin with "// aicc: SYMBOL from " carry these (`// aicc: conv_3 from "/conv" Conv, "/relu"
  // Relu`).
  char text[2048];
} emu_report;

emu_device *emu_device_create(const emu_options *options);  // NULL: no memory
void emu_device_destroy(emu_device *device);

// ---- memory ------------------------------------------------------------------------------------

// Allocations are aligned to 256 bytes, never adjacent, their bytes unwritten. 0: no memory.
uint64_t emu_alloc(emu_device *device, uint64_t bytes);
bool emu_free(emu_device *device, uint64_t address);  // false: no allocation begins there
// The allocation that holds |address|; false: none.
bool emu_find(const emu_device *device, uint64_t address, uint64_t *base, uint64_t *bytes);
uint64_t emu_free_bytes(const emu_device *device);
// False where [address, address + bytes) is not within one allocation. Reading bytes that were
// never written is a fault too: |unwritten| (may be NULL) receives the offset of the first one,
// else -1.
bool emu_write(emu_device *device, uint64_t address, const void *data, uint64_t bytes);
bool emu_read(emu_device *device, uint64_t address, void *data, uint64_t bytes, int64_t *unwritten);
bool emu_copy(emu_device *device, uint64_t to, uint64_t from, uint64_t bytes);  // unwritten too
bool emu_fill(emu_device *device, uint64_t address, const void *pattern, uint32_t pattern_bytes,
              uint64_t count);
bool emu_is_written(const emu_device *device, uint64_t address, uint64_t bytes);

// ---- code --------------------------------------------------------------------------------------

// Parses and checks PTX text (it need not end with a zero). NULL with |report| filled on errors:
// all instructions that are not known are named.
emu_module *emu_module_load(emu_device *device, const char *text, size_t size, emu_report *report);
void emu_module_unload(emu_module *module);
emu_function *emu_module_function(emu_module *module, const char *name);  // NULL: none
bool emu_module_global(emu_module *module, const char *name, uint64_t *address, uint64_t *bytes);

typedef struct emu_function_info {
  const char *name;
  uint32_t param_count;
  const uint32_t *param_offsets, *param_bytes;  // parameters in one block, naturally aligned
  uint32_t shared_bytes, local_bytes;           // static
  uint32_t max_threads;                         // .reqntid / .maxntid, else the device's
  uint32_t registers;  // virtual ones, in 32-bit units: no limit is checked
} emu_function_info;
emu_function_info emu_function_describe(const emu_function *function);
// Shared memory beyond 48 KiB is to be allowed first, as cuFuncSetAttribute does. False: too much.
bool emu_function_allow_shared(emu_function *function, uint32_t dynamic_bytes);

// Runs the grid to its end. |params|: the parameter block (param_offsets).
emu_status emu_launch(emu_device *device, emu_function *function, const uint32_t grid[3],
                      const uint32_t block[3], uint32_t dynamic_shared, const void *params,
                      uint32_t param_bytes, emu_report *report);

typedef struct emu_counters {
  uint64_t launches, instructions, lane_instructions;  // instructions: of warps
} emu_counters;
emu_counters emu_device_counters(const emu_device *device);

#endif
