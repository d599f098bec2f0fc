// Races in global memory: two blocks, or two threads, touch a byte, one writes, not both
// atomically, and nothing orders them.
//
// Each word of 4 bytes has a record of who wrote it last and one of who read it last:
//   launch (7 bits) | atomic (1) | mask of bytes (4) | block + 1 (20 bits; READERS: several)
// Records of other launches mean nothing. One record forgets earlier ones, and of blocks the number
// modulo READERS - 1 is known, so a race may be missed; none is reported that is not there.
//
// Within a block it is threads: |who| is the thread (10 bits), its warp's epoch (22) and the
// block's time (32) of the last write, as in the records of shared memory (emu_shared.c).
//
// Blocks can wait for each other all the same: a fence (or a release) and an atomic on one side, an
// atomic (or an acquire) on the other. A conflict with a block that has fenced is no race for a
// block that did something atomic after that: whether it was the right atomic is not known here.
#include <inttypes.h>

#include "emu_internal.h"

enum { BLOCK_BITS = 20, MASK_SHIFT = 20, ATOMIC_SHIFT = 24, LAUNCH_SHIFT = 25, LAUNCHES = 127 };
#define BLOCK_MASK ((1u << BLOCK_BITS) - 1)
#define READERS BLOCK_MASK

static u32 launch_of(const emu_warp *warp) { return warp->block->race_record >> LAUNCH_SHIFT; }
static u32 block_of(const emu_warp *warp) { return (warp->block->race_record & BLOCK_MASK) - 1; }
static u32 mask_of(u32 record) { return record >> MASK_SHIFT & 15; }
static bool is_atomic(u32 record) { return record >> ATOMIC_SHIFT & 1; }

void emu_race_new_launch(emu_device *device) {
  if (!(++device->launch % LAUNCHES)) {
    emu_memory_forget_races(&device->memory);
  }
}

void emu_race_new_block(emu_block *block) {
  block->race_record = (block->device->launch % LAUNCHES + 1) << LAUNCH_SHIFT |
                       (block->number % (READERS - 1) + 1);
}

static u32 record(const emu_warp *warp, u32 mask, bool atomic) {
  return warp->block->race_record | (u32)atomic << ATOMIC_SHIFT | mask << MASK_SHIFT;
}

static bool current(const emu_warp *warp, u32 r) { return r >> LAUNCH_SHIFT == launch_of(warp); }

// Of |block|, or one that cannot be told from it, all is known that matters.
static bool knows(const emu_warp *warp, u32 block) {
  emu_launch_state *launch = warp->block->launch;
  if (launch->block_count >= READERS) {
    return true;
  }
  u32 released = __atomic_load_n(&launch->released[block], __ATOMIC_ACQUIRE);
  u32 acquired = __atomic_load_n(&launch->acquired[warp->block->number], __ATOMIC_ACQUIRE);
  return released && released <= acquired;
}

static bool conflict(const emu_warp *warp, u32 r, u32 mask, bool atomic) {
  if (!current(warp, r) || !(mask_of(r) & mask) || (atomic && is_atomic(r))) {
    return false;
  }
  u32 block = (r & BLOCK_MASK) - 1;
  return block != block_of(warp) && ((r & BLOCK_MASK) == READERS || !knows(warp, block));
}

static void report(emu_warp *warp, int lane, u64 offset, u32 r, const char *mine,
                   const char *theirs) {
  u64 address = warp->block->device->memory.base + offset;
  u32 block = (r & BLOCK_MASK) - 1;
  if ((r & BLOCK_MASK) == READERS) {
    emu_fault(warp, lane, EMU_IS_RACE, "race in global memory at 0x%" PRIx64 ": this %s, and the "
              "%s of other blocks of the same launch", address, mine, theirs);
    return;
  }
  const u32 *grid = warp->block->grid;
  emu_fault(warp, lane, EMU_IS_RACE, "race in global memory at 0x%" PRIx64 ": this %s, and the %s "
            "of block (%u, %u, %u) of the same launch", address, mine, theirs, block % grid[0],
            block / grid[0] % grid[1], block / grid[0] / grid[1]);
}

enum { EPOCH_BITS = 22 };
static u64 who_am_i(const emu_warp *warp, u32 lane) {
  return (u64)(warp->id * EMU_LANES + lane) << 54 |
         (u64)(warp->epoch & ((1u << EPOCH_BITS) - 1)) << 32 | warp->block->time;
}

// A write of the same block that this lane cannot know to be done. Lanes of one warp that write one
// place one after the other are let be.
static bool unordered(const emu_warp *warp, u64 who, int lane, u32 access) {
  u32 thread = (u32)(who >> 54), other = thread / EMU_LANES;
  u32 epoch = (u32)(who >> 32) & ((1u << EPOCH_BITS) - 1);
  if (other == warp->id) {
    return access & (EMU_READ | EMU_ATOMIC) && thread != warp->id * EMU_LANES + (u32)lane &&
           epoch == (warp->epoch & ((1u << EPOCH_BITS) - 1));
  }
  return (u32)who >= warp->seen[other];
}

static bool block_race(emu_warp *warp, int lane, u64 word, u32 writer, u32 mask, u32 access) {
  bool atomic = access & (EMU_ATOMIC | EMU_STRONG);
  const emu_memory *m = &warp->block->device->memory;
  if (!current(warp, writer) || !(mask_of(writer) & mask) || (atomic && is_atomic(writer)) ||
      (writer & BLOCK_MASK) != block_of(warp) + 1) {
    return false;
  }
  u64 who = __atomic_load_n(&m->who[word], __ATOMIC_RELAXED);
  if (!unordered(warp, who, lane, access)) {
    return false;
  }
  u32 thread = (u32)(who >> 54);
  emu_fault(warp, lane, EMU_IS_RACE, "race in global memory at 0x%" PRIx64 ": this %s, and the "
            "write of thread %u of the block, with no %s between them", m->base + word * 4, access
            & EMU_WRITE ? "write" : "read", thread, thread / EMU_LANES == warp->id ?
            "bar.warp.sync" : "barrier");
  return true;
}

static void note_reader(const emu_warp *warp, u32 *to, u32 old, u32 mask) {
  u32 mine = record(warp, mask, false);
  if (old == mine) {
    return;
  }
  u32 other = old & BLOCK_MASK;
  if (current(warp, old) && mask_of(old) == mask && other != (mine & BLOCK_MASK) &&
      (other == READERS || !knows(warp, other - 1))) {
    mine = (mine & ~BLOCK_MASK) | READERS;
    if (old == mine) {
      return;
    }
  }
  __atomic_store_n(to, mine, __ATOMIC_RELAXED);
}

// Reads of what this launch has not written, most of all reads. False: look closer.
__attribute__((always_inline)) static inline bool quiet_read(const emu_warp *warp, u64 first,
                                                             u32 count, u32 mask) {
  const emu_memory *m = &warp->block->device->memory;
  u32 mine = record(warp, mask, false), many = mine | READERS;
  for (u64 word = first; word < first + count; word++) {
    if (current(warp, __atomic_load_n(&m->writer[word], __ATOMIC_RELAXED))) {
      return false;
    }
    u32 reader = __atomic_load_n(&m->reader[word], __ATOMIC_RELAXED);
    if (reader != mine && reader != many) {
      note_reader(warp, &m->reader[word], reader, mask);
    }
  }
  return true;
}

void emu_race(emu_warp *warp, int lane, u64 offset, u32 bytes, u32 access) {
  emu_memory *m = &warp->block->device->memory;
  u32 mask = bytes >= 4 ? 15 : ((1u << bytes) - 1) << (offset & 3);
  bool atomic = access & (EMU_ATOMIC | EMU_STRONG);
  if (!atomic && !(access & EMU_WRITE) &&
      quiet_read(warp, offset >> 2, bytes > 4 ? bytes / 4 : 1, mask)) {
    return;
  }
  for (u64 word = offset >> 2; word <= (offset + bytes - 1) >> 2; word++) {
    u32 writer = __atomic_load_n(&m->writer[word], __ATOMIC_RELAXED);
    u32 reader = __atomic_load_n(&m->reader[word], __ATOMIC_RELAXED);
    if (writer && conflict(warp, writer, mask, atomic)) {
      report(warp, lane, word * 4, writer, access & EMU_WRITE ? "write" : "read", "write");
      return;
    }
    if (writer && block_race(warp, lane, word, writer, mask, access)) {
      return;
    }
    if (access & EMU_CONSTANT && current(warp, writer) && mask_of(writer) & mask) {
      emu_fault(warp, lane, EMU_IS_RACE, "ld.global.nc of 0x%" PRIx64 ", which this launch has "
                "written: .nc says that nobody does", m->base + word * 4);
      return;
    }
    if (access & EMU_WRITE) {
      if (reader && conflict(warp, reader, mask, atomic)) {
        report(warp, lane, word * 4, reader, "write", "read");
        return;
      }
      u32 mine = record(warp, mask, atomic), all = 15u << MASK_SHIFT;
      u64 me = who_am_i(warp, (u32)lane);
      if ((writer & ~all) == (mine & ~all) &&
          __atomic_load_n(&m->who[word], __ATOMIC_RELAXED) == me) {
        mine |= writer;  // other bytes of the word, by the same thread
      }
      if (mine != writer) {
        __atomic_store_n(&m->writer[word], mine, __ATOMIC_RELAXED);
      }
      __atomic_store_n(&m->who[word], me, __ATOMIC_RELAXED);
    } else if (!atomic) {
      note_reader(warp, &m->reader[word], reader, mask);
    }
  }
}

// Whole words only, and only where nobody else has been in this launch.
bool emu_race_row(emu_warp *warp, u64 offset, u32 bytes, u32 access) {
  emu_memory *m = &warp->block->device->memory;
  if (offset & 3 || bytes < 4 * EMU_LANES || access & (EMU_ATOMIC | EMU_STRONG)) {
    return false;
  }
  u32 *writer = m->writer + (offset >> 2), *reader = m->reader + (offset >> 2);
  u32 count = bytes >> 2;
  u32 mine = record(warp, 15, false), launch = mine >> LAUNCH_SHIFT, others = 0;
  if (access & EMU_WRITE) {
    for (u32 i = 0; i < count; i++) {
      u32 w = __atomic_load_n(&writer[i], __ATOMIC_RELAXED);
      u32 r = __atomic_load_n(&reader[i], __ATOMIC_RELAXED);
      others |= (u32)(w >> LAUNCH_SHIFT == launch) |
                (u32)(r != mine && r >> LAUNCH_SHIFT == launch);
    }
    for (u32 i = 0; i < count && !others; i++) {
      __atomic_store_n(&writer[i], mine, __ATOMIC_RELAXED);
      __atomic_store_n(&m->who[(offset >> 2) + i], who_am_i(warp, i * EMU_LANES / count),
                       __ATOMIC_RELAXED);
    }
    return !others;
  }
  return quiet_read(warp, offset >> 2, count, 15);
}

void emu_release(emu_warp *warp) {
  emu_launch_state *launch = warp->block->launch;
  u32 time = __atomic_add_fetch(&launch->clock, 1, __ATOMIC_ACQ_REL);
  __atomic_store_n(&launch->released[warp->block->number], time, __ATOMIC_RELEASE);
}

void emu_acquire(emu_warp *warp) {
  emu_launch_state *launch = warp->block->launch;
  u32 time = __atomic_load_n(&launch->clock, __ATOMIC_ACQUIRE);
  __atomic_store_n(&launch->acquired[warp->block->number], time, __ATOMIC_RELEASE);
}
