// bar.sync, bar.arrive, bar.red and their barrier.* forms.
#include <string.h>

#include "emu_internal.h"

static u32 live_threads(const emu_block *block) {
  u32 count = 0;
  for (u32 i = 0; i < block->warp_count; i++) {
    count += (u32)__builtin_popcount(block->warps[i].live);
  }
  return count;
}

static u32 waiting_at(const emu_block *block, u32 id) {
  u32 count = 0;
  for (u32 i = 0; i < block->warp_count; i++) {
    const emu_warp *w = &block->warps[i];
    for (u32 rest = w->waiting; rest; rest &= rest - 1) {
      count += w->barrier[__builtin_ctz(rest)] == id;
    }
  }
  return count;
}

// What the warps of |b| did before they arrived is known to |waiters| from here on.
static void join(emu_block *block, const emu_barrier *b, u32 waiters) {
  u32 known[EMU_MAX_WARPS] = {0};
  block->time++;
  for (u32 rest = b->warps; rest; rest &= rest - 1) {
    u32 id = (u32)__builtin_ctz(rest);
    const emu_warp *w = &block->warps[id];
    for (u32 i = 0; i < block->warp_count; i++) {
      known[i] = w->seen[i] > known[i] ? w->seen[i] : known[i];
    }
    known[id] = b->times[id] + 1 > known[id] ? b->times[id] + 1 : known[id];
  }
  for (u32 rest = waiters; rest; rest &= rest - 1) {
    emu_warp *w = &block->warps[__builtin_ctz(rest)];
    memcpy(w->seen, known, block->warp_count * sizeof *known);
    w->epoch = ++block->epochs;
  }
}

static void give_result(emu_warp *w, u32 lanes, const emu_barrier *b) {
  const emu_inst *inst = w->barrier_inst;
  u32 *d = emu_u32(w, inst->d);
  if (inst->op == EMU_W_POPC) {
    for (u32 rest = lanes; rest; rest &= rest - 1) {
      d[__builtin_ctz(rest)] = b->votes;
    }
  } else {
    bool yes = inst->op == EMU_W_AND ? b->all : b->any;
    *d = (*d & ~lanes) | (yes ? lanes : 0);
  }
}

static void complete(emu_block *block, u32 id) {
  emu_barrier b = block->barriers[id];
  block->barriers[id] = (emu_barrier){.all = true};
  u32 waiters = 0;
  for (u32 i = 0; i < block->warp_count; i++) {
    emu_warp *w = &block->warps[i];
    u32 lanes = 0;
    for (u32 rest = w->waiting; rest; rest &= rest - 1) {
      u32 lane = (u32)__builtin_ctz(rest);
      lanes |= (u32)(w->barrier[lane] == id) << lane;
    }
    if (lanes && w->barrier_inst->mods & EMU_M_RED) {
      give_result(w, lanes, &b);
    }
    w->waiting &= ~lanes;
    waiters |= (u32)(lanes != 0) << i;
  }
  join(block, &b, waiters);
}

static void try_complete(emu_block *block, u32 id) {
  const emu_barrier *b = &block->barriers[id];
  if (b->warps && (b->expected ? b->arrived >= b->expected
                               : waiting_at(block, id) == live_threads(block))) {
    complete(block, id);
  }
}

static void vote(emu_warp *warp, emu_barrier *b, const emu_inst *inst, u32 mask) {
  u32 votes = *emu_u32(warp, inst->c) & mask;
  b->votes += (u32)__builtin_popcount(votes);
  b->all &= votes == mask;
  b->any |= votes != 0;
}

void emu_barrier_arrive(emu_warp *warp, const emu_inst *inst, u32 mask) {
  emu_block *block = warp->block;
  int lane = __builtin_ctz(mask);
  u32 id = emu_u32(warp, inst->a)[lane];
  u32 expected = inst->b ? emu_u32(warp, inst->b)[lane] : 0;
  if (id >= EMU_BARRIERS) {
    emu_fault(warp, lane, "there is no barrier %u: they are 0 to 15", id);
    return;
  }
  if (inst->b && (!expected || expected % EMU_LANES || expected > EMU_LANES * EMU_MAX_WARPS)) {
    emu_fault(warp, lane, "a barrier of %u threads: the number is a multiple of 32", expected);
    return;
  }
  emu_barrier *b = &block->barriers[id];
  if (b->warps && b->expected != expected) {
    emu_fault(warp, lane, "barrier %u is of %u threads here, of %u for those that wait at it (0: "
              "all), since line %u", id, expected, b->expected, b->line);
    return;
  }
  bool aligned = !(inst->mods & EMU_M_NONALIGNED) || inst->mods & EMU_M_ALIGNED;
  b->expected = expected;
  b->arrived += aligned ? EMU_LANES : (u32)__builtin_popcount(mask);
  b->warps |= 1u << warp->id;
  b->times[warp->id] = block->time;
  block->time += inst->mods & EMU_M_ARRIVE ? 1 : 0;  // what it does from here on is not meant
  b->line = inst->line;
  if (expected && b->arrived > expected) {
    emu_fault(warp, lane, "%u threads arrive at barrier %u, which is of %u", b->arrived, id,
              expected);
    return;
  }
  if (inst->mods & EMU_M_RED) {
    vote(warp, b, inst, mask);
  }
  if (!(inst->mods & EMU_M_ARRIVE)) {
    warp->waiting |= mask;
    warp->barrier_inst = inst;
    for (u32 rest = mask; rest; rest &= rest - 1) {
      warp->barrier[__builtin_ctz(rest)] = (u8)id;
    }
  }
  try_complete(block, id);
}

void emu_barrier_exited(emu_block *block) {
  for (u32 id = 0; id < EMU_BARRIERS; id++) {
    try_complete(block, id);
  }
}

void emu_barrier_stuck(emu_block *block) {
  for (u32 i = 0; i < block->warp_count; i++) {
    emu_warp *w = &block->warps[i];
    if (!w->waiting) {
      continue;
    }
    int lane = __builtin_ctz(w->waiting);
    u32 id = w->barrier[lane];
    const emu_barrier *b = &block->barriers[id];
    w->inst = w->barrier_inst;
    emu_fault(w, lane, "barrier %u never completes: %u of %u threads have arrived, and no other can "
              "run (%u of the block's threads have exited)", id,
              b->expected ? b->arrived : waiting_at(block, id),
              b->expected ? b->expected : live_threads(block), block->threads - live_threads(block));
    return;
  }
}
