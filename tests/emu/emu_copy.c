// cp.async under way: from the instruction to the wait.
#include <stdlib.h>
#include <string.h>

#include "emu_internal.h"

bool emu_read_ahead(emu_warp *warp, int lane, u64 source, u32 bytes, u32 take) {
  if (source & (bytes - 1)) {
    emu_fault(warp, lane, EMU_IS_MISALIGNED, "cp.async of %u bytes from 0x%llx, which is not "
              "aligned to that", bytes, (unsigned long long)source);
    return false;
  }
  for (u32 done = 0; done < take;) {
    u32 step = 16;
    while (step > take - done || (source + done) & (step - 1)) {
      step /= 2;
    }
    if (!emu_at(warp, lane, PTX_GENERIC, source + done, step, EMU_READ)) {
      return false;
    }
    done += step;
  }
  return true;
}

bool emu_copy_room(emu_warp *warp, int lane, u32 count) {
  if (warp->copy_room - warp->copy_count >= count) {
    return true;
  }
  u32 room = warp->copy_room * 2 + 256;
  emu_copy_async *copies = realloc(warp->copies, room * sizeof *copies);
  if (!copies) {
    emu_fault(warp, lane, EMU_IS_NONE, "the emulator has no memory for so many copies");
    return false;
  }
  warp->copies = copies;
  warp->copy_room = room;
  return true;
}

bool emu_copy_start(emu_warp *warp, emu_copy_async copy) {
  if (!emu_copy_room(warp, copy.lane, 1)) {
    return false;
  }
  copy.group = warp->groups[copy.lane];
  warp->copies[warp->copy_count++] = copy;
  return true;
}

// Copies of ascending lanes and one size that land together.
typedef struct landing {
  u64 targets[EMU_LANES];
  const emu_copy_async *copies[EMU_LANES];
  u32 mask, bytes;
} landing;

static void land(emu_warp *warp, landing *all) {
  u8 *at[EMU_LANES] = {0};
  u32 mask = all->mask;
  all->mask = 0;
  if (!mask || warp->block->fault ||
      !emu_at_lanes(warp, PTX_SHARED, all->targets, mask, all->bytes, EMU_WRITE, at)) {
    return;
  }
  const emu_memory *m = &warp->block->device->memory;
  for (u32 rest = mask; rest; rest &= rest - 1) {
    int l = __builtin_ctz(rest);
    const emu_copy_async *copy = all->copies[l];
    if (copy->bytes == 16 && !copy->zeros) {
      memcpy(at[l], m->data + (copy->source - m->base), 16);
      continue;
    }
    u32 take = (u32)copy->bytes - copy->zeros;
    if (take) {
      memcpy(at[l], m->data + (copy->source - m->base), take);
    }
    memset(at[l] + take, 0, copy->zeros);
  }
}

static bool is_due(const emu_warp *warp, const emu_copy_async *copy, u32 mask, u32 pending) {
  u32 groups = warp->groups[copy->lane];
  return mask >> copy->lane & 1 && copy->group < groups && groups - copy->group > pending;
}

// All groups of the lanes of |mask| but the |pending| last ones are there.
void emu_copy_wait(emu_warp *warp, u32 mask, u32 pending) {
  landing all = {.mask = 0};
  u32 kept = 0;
  for (u32 i = 0; i < warp->copy_count; i++) {
    const emu_copy_async *copy = &warp->copies[i];
    if (!is_due(warp, copy, mask, pending)) {
      continue;
    }
    if (all.mask >> copy->lane || all.bytes != copy->bytes) {
      land(warp, &all);
    }
    all.mask |= 1u << copy->lane;
    all.bytes = copy->bytes;
    all.targets[copy->lane] = copy->target;
    all.copies[copy->lane] = copy;
  }
  land(warp, &all);
  for (u32 i = 0; i < warp->copy_count; i++) {
    if (!is_due(warp, &warp->copies[i], mask, pending)) {
      warp->copies[kept++] = warp->copies[i];
    }
  }
  warp->copy_count = kept;
}
