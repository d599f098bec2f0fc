// Warps: lanes with the same place run together, the lowest place first, so that they meet again.
#include <string.h>

#include "emu_internal.h"

// ---- groups of lanes ---------------------------------------------------------------------------

static void spill(emu_warp *warp) {
  for (u32 rest = warp->active; rest; rest &= rest - 1) {
    warp->lane_pc[__builtin_ctz(rest)] = warp->pc;
  }
  warp->active = 0;
}

// Picks the lanes that go on. False: none can.
static bool regroup(emu_warp *warp) {
  u32 ready = warp->live & ~warp->waiting & ~warp->blocked;
  if (!ready && warp->blocked && warp->moved) {
    warp->moved = false;  // who was waited for may have exited
    warp->blocked = 0;
    ready = warp->live & ~warp->waiting;
  }
  if (!ready) {
    return false;
  }
  u32 pc = UINT32_MAX;
  for (u32 rest = ready; rest; rest &= rest - 1) {
    u32 at = warp->lane_pc[__builtin_ctz(rest)];
    pc = at < pc ? at : pc;
  }
  u32 together = 0, limit = UINT32_MAX;
  for (u32 rest = ready | warp->blocked; rest; rest &= rest - 1) {
    u32 lane = (u32)__builtin_ctz(rest), at = warp->lane_pc[lane];
    if (at == pc) {
      together |= 1u << lane;
    } else if (at > pc && at < limit) {
      limit = at;
    }
  }
  warp->active = together;
  warp->blocked &= ~together;
  warp->pc = pc;
  warp->limit = limit;
  return true;
}

static void jump(emu_warp *warp, u32 taken, u32 target) {
  u32 here = warp->active, pc = warp->pc;
  if (taken == here) {
    warp->pc = target;
    if (here != warp->live) {
      spill(warp);
    }
    return;
  }
  if (!taken) {
    warp->pc = pc + 1;
    return;
  }
  spill(warp);
  for (u32 rest = here; rest; rest &= rest - 1) {
    u32 lane = (u32)__builtin_ctz(rest);
    warp->lane_pc[lane] = taken >> lane & 1 ? target : pc + 1;
  }
}

static void jump_table(emu_warp *warp, const emu_inst *inst, u32 taken) {
  const u32 *index = emu_u32(warp, inst->a);
  u32 here = warp->active, pc = warp->pc;
  spill(warp);
  for (u32 rest = here; rest; rest &= rest - 1) {
    u32 lane = (u32)__builtin_ctz(rest);
    if (!(taken >> lane & 1)) {
      warp->lane_pc[lane] = pc + 1;
    } else if (index[lane] >= inst->list_count) {
      emu_fault(warp, (int)lane, EMU_IS_VALUE, "brx.idx has %u targets, the index is %u",
                inst->list_count, index[lane]);
      return;
    } else {
      warp->lane_pc[lane] = inst->list[index[lane]];
    }
  }
}

// ---- calls -------------------------------------------------------------------------------------

static void move_params(emu_warp *warp, u32 lane, const emu_move *moves, u32 count) {
  u32 size = warp->block->program->local_bytes;
  for (u32 i = 0; i < count; i++) {
    u64 from = (u64)lane * size + moves[i].from, to = (u64)lane * size + moves[i].to;
    memmove(warp->local + to, warp->local + from, moves[i].bytes);
    memmove(warp->local_written + to, warp->local_written + from, moves[i].bytes);
  }
}

static void call(emu_warp *warp, const emu_inst *inst, u32 mask) {
  for (u32 rest = mask; rest; rest &= rest - 1) {
    u32 lane = (u32)__builtin_ctz(rest);
    if (warp->depth[lane] == EMU_CALL_DEPTH) {
      emu_fault(warp, (int)lane, EMU_IS_VALUE, "calls are nested more than %d deep",
                EMU_CALL_DEPTH);
      return;
    }
    warp->stack[warp->depth[lane]++ * EMU_LANES + lane] = warp->pc + 1;
    move_params(warp, lane, inst->call->args, inst->call->arg_count);
  }
  jump(warp, mask, inst->target);
}

static void leave(emu_warp *warp, u32 mask) {
  warp->live &= ~mask;
  warp->active &= ~mask;
  warp->moved = true;
  if (!warp->active) {
    emu_barrier_exited(warp->block);
    return;
  }
  warp->pc++;
  spill(warp);
  emu_barrier_exited(warp->block);
}

static void ret(emu_warp *warp, u32 mask) {
  u32 outer = 0;
  for (u32 rest = mask; rest; rest &= rest - 1) {
    u32 lane = (u32)__builtin_ctz(rest);
    outer |= (u32)!warp->depth[lane] << lane;
  }
  if (outer == mask) {
    leave(warp, mask);
    return;
  }
  u32 others = warp->active & ~mask, pc = warp->pc;
  spill(warp);
  for (u32 rest = others; rest; rest &= rest - 1) {
    warp->lane_pc[__builtin_ctz(rest)] = pc + 1;
  }
  for (u32 rest = mask & ~outer; rest; rest &= rest - 1) {
    u32 lane = (u32)__builtin_ctz(rest);
    u32 back = warp->stack[--warp->depth[lane] * EMU_LANES + lane];
    const emu_call *made = warp->block->program->code[back - 1].call;
    move_params(warp, lane, made->results, made->result_count);
    warp->lane_pc[lane] = back;
  }
  warp->live &= ~outer;
  warp->moved |= outer != 0;
}

// ---- meeting -----------------------------------------------------------------------------------

// Lanes of |mask| wait here for others; lanes that skip the instruction go on.
static void block_lanes(emu_warp *warp, u32 mask) {
  u32 skip = warp->active & ~mask, pc = warp->pc;
  spill(warp);
  for (u32 rest = skip; rest; rest &= rest - 1) {
    warp->lane_pc[__builtin_ctz(rest)] = pc + 1;
  }
  warp->blocked |= mask;
}

// The lanes of |mask| that name the same members as its first one. 0 after a fault.
static u32 group_of(emu_warp *warp, const emu_inst *inst, u32 mask, u32 *members) {
  const u32 *cell = emu_u32(warp, inst->members);
  u32 group = 0;
  *members = cell[__builtin_ctz(mask)];
  for (u32 rest = mask; rest; rest &= rest - 1) {
    int lane = __builtin_ctz(rest);
    group |= (u32)(cell[lane] == *members) << lane;
  }
  if (group & ~*members) {
    emu_fault(warp, __builtin_ctz(group & ~*members), EMU_IS_SYNC, "the lane is not in its member "
              "mask 0x%x", *members);
    return 0;
  }
  return group;
}

// Groups of lanes may meet at one place, each by itself. What is complete goes on.
static void meet(emu_warp *warp, const emu_inst *inst, u32 mask) {
  u32 done = 0, members = EMU_FULL;
  if (!inst->members && mask && warp->live != EMU_FULL) {
    emu_fault(warp, __builtin_ctz(~warp->live), EMU_IS_SYNC, "the instruction needs all 32 lanes "
              "of a warp, and lanes 0x%x are not running any more", ~warp->live);
    return;
  }
  for (u32 rest = mask; rest;) {
    u32 group = inst->members ? group_of(warp, inst, rest, &members) : rest;
    if (!group) {
      return;
    }
    rest &= ~group;
    if (!(members & warp->live & ~group)) {
      inst->exec(warp, inst, group);
      done |= group;
    }
  }
  if (done == mask) {
    warp->pc++;
    return;
  }
  u32 pc = warp->pc;
  block_lanes(warp, mask & ~done);
  for (u32 rest = done; rest; rest &= rest - 1) {
    warp->lane_pc[__builtin_ctz(rest)] = pc + 1;
  }
}

static void barrier(emu_warp *warp, const emu_inst *inst, u32 mask) {
  bool aligned = !(inst->mods & EMU_M_NONALIGNED) || inst->mods & EMU_M_ALIGNED;
  if (!mask) {
    warp->pc++;
    return;
  }
  if (aligned && mask != warp->live) {
    block_lanes(warp, mask);
    return;
  }
  warp->pc++;
  spill(warp);
  emu_barrier_arrive(warp, inst, mask);
}

static void missing(emu_warp *warp) {
  u32 lane = (u32)__builtin_ctz(warp->blocked), pc = warp->lane_pc[lane];
  const emu_inst *inst = &warp->block->program->code[pc];
  u32 here = 0;
  for (u32 rest = warp->blocked; rest; rest &= rest - 1) {
    here |= (u32)(warp->lane_pc[__builtin_ctz(rest)] == pc) << __builtin_ctz(rest);
  }
  u32 members = inst->flow == EMU_SYNC && inst->members ? emu_u32(warp, inst->members)[lane]
                                                        : EMU_FULL;
  u32 absent = members & warp->live & ~here;
  warp->inst = inst;
  emu_fault(warp, (int)lane, EMU_IS_SYNC, "lanes 0x%x wait here for lanes 0x%x of their warp, "
            "which never come: they are at line %u", here, absent, absent ?
            warp->block->program->code[warp->lane_pc[__builtin_ctz(absent)]].line : 0);
}

// ---- registers that may be unwritten ----------------------------------------------------------

static bool check_reads(emu_warp *warp, const emu_inst *inst, u32 mask) {
  const emu_program *p = warp->block->program;
  const emu_io *io = inst->io;
  for (u32 i = 0; i < io->read_count; i++) {
    const emu_reg *reg = &p->regs[io->reads[i]];
    if (!reg->tracked || inst->mods & EMU_M_COPY) {
      continue;
    }
    u32 bad = mask & ~warp->written[reg->mark];
    if (bad) {
      char number[12] = "";
      if (reg->source->number >= 0) {
        u32 n = (u32)reg->source->number, at = sizeof number - 1;
        do {
          number[--at] = (char)('0' + n % 10);
          n /= 10;
        } while (n);
        memmove(number, number + at, sizeof number - at);
      }
      emu_fault(warp, __builtin_ctz(bad), EMU_IS_UNWRITTEN, "register %s%s is read, and was never "
                "written", reg->source->name, number);
      return false;
    }
  }
  return true;
}

static void mark_writes(emu_warp *warp, const emu_inst *inst, u32 mask) {
  const emu_program *p = warp->block->program;
  const emu_io *io = inst->io;
  u32 good = EMU_FULL;
  if (inst->mods & EMU_M_COPY && p->regs[io->reads[0]].tracked) {
    good = warp->written[p->regs[io->reads[0]].mark];
  }
  for (u32 i = 0; i < io->write_count; i++) {
    const emu_reg *reg = &p->regs[io->writes[i]];
    if (reg->tracked) {
      u32 *to = &warp->written[reg->mark];
      *to = (*to & ~mask) | (good & mask);
    }
  }
}

// ---- the loop ----------------------------------------------------------------------------------

static void flow(emu_warp *warp, const emu_inst *inst, u32 mask) {
  switch ((emu_flow)inst->flow) {
    case EMU_BRA: jump(warp, mask, inst->target); break;
    case EMU_BRX: jump_table(warp, inst, mask); break;
    case EMU_CALL: call(warp, inst, mask); break;
    case EMU_RET: mask ? ret(warp, mask) : (void)warp->pc++; break;
    case EMU_EXIT: mask ? leave(warp, mask) : (void)warp->pc++; break;
    case EMU_SYNC: meet(warp, inst, mask); break;
    case EMU_BAR: barrier(warp, inst, mask); break;
    case EMU_PLAIN: break;
  }
}

static void flow_unproven(emu_warp *warp, const emu_inst *inst, u32 mask) {
  flow(warp, inst, mask);
  mark_writes(warp, inst, mask & ~warp->blocked);
}

// The lanes that the guard lets through; all reads are checked where it is not proven that they
// may.
static u32 guarded(emu_warp *warp, const emu_inst *inst) {
  u32 mask = warp->active;
  bool unproven = inst->mods & EMU_M_UNPROVEN;
  if (inst->pred) {
    if (unproven && inst->io->read_count) {
      const emu_reg *reg = &warp->block->program->regs[inst->io->reads[inst->io->read_count - 1]];
      u32 bad = reg->tracked ? mask & ~warp->written[reg->mark] : 0;
      if (bad) {
        emu_fault(warp, __builtin_ctz(bad), EMU_IS_UNWRITTEN, "the guard is read, and was never "
                  "written");
        return 0;
      }
    }
    u32 p = *emu_u32(warp, inst->pred);
    mask &= inst->pred_negated ? ~p : p;
  }
  if (unproven && mask && !check_reads(warp, inst, mask)) {
    return 0;
  }
  return mask;
}

void emu_run_warp(emu_warp *warp, u64 quantum) {
  emu_block *block = warp->block;
  const emu_inst *code = block->program->code;
  u64 lanes = 0, done = 0;
  while (done < quantum && !block->fault) {
    if (!warp->active && !regroup(warp)) {
      if (warp->blocked && !(warp->waiting && warp->live & ~warp->blocked & ~warp->waiting)) {
        missing(warp);
      }
      break;
    }
    const emu_inst *inst = &code[warp->pc];
    warp->inst = inst;
    u32 mask = warp->active;
    if (inst->pred || inst->mods & EMU_M_UNPROVEN) {
      mask = guarded(warp, inst);
    }
    done++;
    lanes += (u64)__builtin_popcount(mask);
    if (block->fault) {
      break;
    }
    if (inst->flow == EMU_PLAIN) {
      if (mask) {
        inst->exec(warp, inst, mask);
        if (inst->mods & EMU_M_UNPROVEN) {
          mark_writes(warp, inst, mask);
        }
      }
      warp->pc++;
    } else if (inst->mods & EMU_M_UNPROVEN) {
      flow_unproven(warp, inst, mask);
    } else {
      flow(warp, inst, mask);
    }
    if (warp->active && warp->pc >= warp->limit) {
      spill(warp);
    }
  }
  warp->executed += done;
  block->instructions += done;
  block->lane_instructions += lanes;
  if (!block->fault && warp->executed > block->launch->budget) {
    emu_fault(warp, -1, EMU_IS_ENDLESS, "the warp has executed %llu instructions: the launch is "
              "taken for endless", (unsigned long long)warp->executed);
  }
}
