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

bool emu_copy_start(emu_warp *warp, emu_copy_async copy) {
  if (warp->copy_count == warp->copy_room) {
    u32 room = warp->copy_room ? warp->copy_room * 2 : 256;
    emu_copy_async *copies = realloc(warp->copies, room * sizeof *copies);
    if (!copies) {
      emu_fault(warp, copy.lane, EMU_IS_NONE, "the emulator has no memory for so many copies");
      return false;
    }
    warp->copies = copies;
    warp->copy_room = room;
  }
  copy.group = warp->groups[copy.lane];
  warp->copies[warp->copy_count++] = copy;
  return true;
}

static void land(emu_warp *warp, const emu_copy_async *copy) {
  u8 *to = emu_at(warp, copy->lane, PTX_SHARED, copy->target, copy->bytes, EMU_WRITE);
  if (!to) {
    return;
  }
  const emu_memory *m = &warp->block->device->memory;
  u32 take = (u32)copy->bytes - copy->zeros;
  if (take) {
    memcpy(to, m->data + (copy->source - m->base), take);
  }
  memset(to + take, 0, copy->zeros);
}

// All groups of the lanes of |mask| but the |pending| last ones are there.
void emu_copy_wait(emu_warp *warp, u32 mask, u32 pending) {
  u32 kept = 0;
  for (u32 i = 0; i < warp->copy_count; i++) {
    const emu_copy_async *copy = &warp->copies[i];
    u32 groups = warp->groups[copy->lane];
    if (mask >> copy->lane & 1 && copy->group < groups && groups - copy->group > pending) {
      land(warp, copy);
    } else {
      warp->copies[kept++] = *copy;
    }
  }
  warp->copy_count = kept;
}
