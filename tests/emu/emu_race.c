// Races between blocks in global memory: two blocks touch a byte, one writes, not both atomically.
//
// Each word of 4 bytes has a record of who wrote it last and one of who read it last:
//   launch (20 bits) | atomic (1) | mask of bytes (4) | block + 1 (39 bits; READERS: several)
// Records of other launches mean nothing. One record forgets earlier ones, so a race may be missed;
// none is reported that is not there.
//
// Blocks can wait for each other all the same: a fence (or a release) and an atomic on one side, an
// atomic (or an acquire) on the other. A conflict with a block that has fenced is no race for a block
// that did something atomic after that: whether it was the right atomic is not known here.
#include <inttypes.h>

#include "emu_internal.h"

#define BLOCK_MASK (((u64)1 << 39) - 1)
#define READERS BLOCK_MASK

static u64 record(const emu_warp *warp, u8 mask, bool atomic) {
  return (u64)(warp->block->device->launch & 0xfffff) << 44 | (u64)atomic << 43 | (u64)mask << 39 |
         ((u64)warp->block->number + 1);
}

static bool current(const emu_warp *warp, u64 r) {
  return r >> 44 == (warp->block->device->launch & 0xfffff) && r & BLOCK_MASK;
}

static bool knows(const emu_warp *warp, u64 block) {
  emu_launch_state *launch = warp->block->launch;
  if (block >= launch->block_count) {
    return false;
  }
  u32 released = __atomic_load_n(&launch->released[block], __ATOMIC_ACQUIRE);
  u32 acquired = __atomic_load_n(&launch->acquired[warp->block->number], __ATOMIC_ACQUIRE);
  return released && released <= acquired;
}

static bool conflict(const emu_warp *warp, u64 r, u8 mask, bool atomic) {
  if (!current(warp, r) || !((r >> 39 & 15) & mask) || (atomic && r >> 43 & 1)) {
    return false;
  }
  u64 block = (r & BLOCK_MASK) - 1;
  return block != warp->block->number && ((r & BLOCK_MASK) == READERS || !knows(warp, block));
}

static void report(emu_warp *warp, int lane, u64 offset, u64 r, const char *mine,
                   const char *theirs) {
  u64 address = warp->block->device->memory.base + offset, block = (r & BLOCK_MASK) - 1;
  if ((r & BLOCK_MASK) == READERS) {
    emu_fault(warp, lane, "race in global memory at 0x%" PRIx64 ": this %s, and the %s of other "
              "blocks of the same launch", address, mine, theirs);
    return;
  }
  const u32 *grid = warp->block->grid;
  emu_fault(warp, lane, "race in global memory at 0x%" PRIx64 ": this %s, and the %s of block "
            "(%u, %u, %u) of the same launch", address, mine, theirs, (u32)(block % grid[0]),
            (u32)(block / grid[0] % grid[1]), (u32)(block / grid[0] / grid[1]));
}

static void note_reader(const emu_warp *warp, u64 *to, u64 old, u8 mask) {
  u64 mine = record(warp, mask, false);
  if (old == mine) {
    return;
  }
  if (current(warp, old) && (old >> 39 & 15) == mask && !(old >> 43 & 1) &&
      (old & BLOCK_MASK) != (mine & BLOCK_MASK)) {
    mine = (mine & ~BLOCK_MASK) | READERS;
    if (old == mine) {
      return;
    }
  }
  __atomic_store_n(to, mine, __ATOMIC_RELAXED);
}

void emu_race(emu_warp *warp, int lane, u64 offset, u32 bytes, u32 access) {
  emu_memory *m = &warp->block->device->memory;
  u8 mask = bytes >= 4 ? 15 : (u8)(((1u << bytes) - 1) << (offset & 3));
  bool atomic = access & (EMU_ATOMIC | EMU_STRONG);
  for (u64 word = offset >> 2; word <= (offset + bytes - 1) >> 2; word++) {
    u64 writer = __atomic_load_n(&m->writer[word], __ATOMIC_RELAXED);
    u64 reader = __atomic_load_n(&m->reader[word], __ATOMIC_RELAXED);
    if (writer && conflict(warp, writer, mask, atomic)) {
      report(warp, lane, word * 4, writer, access & EMU_WRITE ? "write" : "read", "write");
      return;
    }
    if (access & EMU_WRITE) {
      if (reader && conflict(warp, reader, mask, atomic)) {
        report(warp, lane, word * 4, reader, "write", "read");
        return;
      }
      u64 mine = record(warp, mask, atomic);
      if ((writer & ~((u64)15 << 39)) == (mine & ~((u64)15 << 39))) {
        mine |= writer;  // other bytes of the word, by the same block
      }
      if (mine != writer) {
        __atomic_store_n(&m->writer[word], mine, __ATOMIC_RELAXED);
      }
    } else if (!atomic) {
      note_reader(warp, &m->reader[word], reader, mask);
    }
  }
}

// Whole words only, and only where nobody else has been in this launch.
bool emu_race_row(emu_warp *warp, u64 offset, u32 bytes, u32 access) {
  emu_memory *m = &warp->block->device->memory;
  if ((offset | bytes) & 3 || access & (EMU_ATOMIC | EMU_STRONG)) {
    return false;
  }
  u64 *writer = m->writer + (offset >> 2), *reader = m->reader + (offset >> 2);
  u32 count = bytes >> 2;
  u64 mine = record(warp, 15, false), launch = mine >> 44, others = 0;
  if (access & EMU_WRITE) {
    for (u32 i = 0; i < count; i++) {
      u64 w = __atomic_load_n(&writer[i], __ATOMIC_RELAXED);
      u64 r = __atomic_load_n(&reader[i], __ATOMIC_RELAXED);
      others |= (u64)(w != mine && w >> 44 == launch) | (u64)(r != mine && r >> 44 == launch);
    }
    for (u32 i = 0; i < count && !others; i++) {
      __atomic_store_n(&writer[i], mine, __ATOMIC_RELAXED);
    }
    return !others;
  }
  for (u32 i = 0; i < count; i++) {
    u64 w = __atomic_load_n(&writer[i], __ATOMIC_RELAXED);
    others |= (u64)(w != mine && w >> 44 == launch);
  }
  for (u32 i = 0; i < count && !others; i++) {
    note_reader(warp, &reader[i], __atomic_load_n(&reader[i], __ATOMIC_RELAXED), 15);
  }
  return !others;
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
