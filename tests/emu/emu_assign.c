// Which registers may be read before they are written? Those alone are watched while a program
// runs.
#include <string.h>

#include "emu_internal.h"

typedef struct flow {
  emu_program *program;
  ptx_arena *arena;
  u32 words;         // of a set of registers
  u32 *block_of;     // instruction -> block
  u32 *starts;       // block -> its first instruction; one more at the end
  u32 blocks;
  u64 *in;           // sets of registers that are written on every way to a block
  bool *reached;
} flow;

static bool has(const u64 *set, u32 reg) { return set[reg >> 6] >> (reg & 63) & 1; }
static void add(u64 *set, u32 reg) { set[reg >> 6] |= (u64)1 << (reg & 63); }
static void drop(u64 *set, u32 reg) { set[reg >> 6] &= ~((u64)1 << (reg & 63)); }

static bool ends(const emu_inst *inst) {
  return inst->flow == EMU_BRA || inst->flow == EMU_BRX || inst->flow == EMU_EXIT ||
         inst->flow == EMU_RET || inst->flow == EMU_CALL;
}

static void split(flow *f) {
  emu_program *p = f->program;
  bool *leads = ptx_alloc(f->arena, p->count + 1);
  leads[0] = true;
  for (u32 i = 0; i < p->count; i++) {
    const emu_inst *inst = &p->code[i];
    if (inst->flow == EMU_BRA || inst->flow == EMU_CALL) {
      leads[inst->target] = true;
    }
    for (u32 j = 0; inst->flow == EMU_BRX && j < inst->list_count; j++) {
      leads[inst->list[j]] = true;
    }
    leads[i + 1] |= ends(inst);
  }
  f->block_of = ptx_alloc(f->arena, ((size_t)p->count + 1) * sizeof *f->block_of);
  f->starts = ptx_alloc(f->arena, ((size_t)p->count + 2) * sizeof *f->starts);
  for (u32 i = 0; i < p->count; i++) {
    if (leads[i]) {
      f->starts[f->blocks++] = i;
    }
    f->block_of[i] = f->blocks - 1;
  }
  f->starts[f->blocks] = p->count;
}

static void step(const emu_inst *inst, u64 *set) {
  const emu_io *io = inst->io;
  bool copies_unwritten = inst->mods & EMU_M_COPY && io->read_count && !has(set, io->reads[0]);
  for (u32 i = 0; i < io->write_count; i++) {
    if (copies_unwritten) {
      drop(set, io->writes[i]);
    } else if (!inst->pred) {
      add(set, io->writes[i]);
    }
  }
}

static bool join(flow *f, u32 at, const u64 *set) {
  u32 block = f->block_of[at];
  u64 *in = f->in + (size_t)block * f->words;
  bool changed = !f->reached[block];
  for (u32 i = 0; i < f->words; i++) {
    u64 both = f->reached[block] ? in[i] & set[i] : set[i];
    changed |= both != in[i];
    in[i] = both;
  }
  f->reached[block] = true;
  return changed;
}

static bool pass(flow *f, u32 block, u64 *set, const u64 *empty) {
  emu_program *p = f->program;
  memcpy(set, f->in + (size_t)block * f->words, f->words * sizeof *set);
  for (u32 i = f->starts[block]; i < f->starts[block + 1]; i++) {
    step(&p->code[i], set);
  }
  u32 next = f->starts[block + 1];
  const emu_inst *last = &p->code[next - 1];
  bool changed = false;
  bool falls = last->pred || !ends(last) || last->flow == EMU_CALL;
  if (falls && next < p->count) {
    changed |= join(f, next, set);
  }
  if (last->flow == EMU_BRA) {
    changed |= join(f, last->target, set);
  } else if (last->flow == EMU_CALL) {
    changed |= join(f, last->target, empty);  // a function's registers are its own
  }
  for (u32 j = 0; last->flow == EMU_BRX && j < last->list_count; j++) {
    changed |= join(f, last->list[j], set);
  }
  return changed;
}

static void mark(flow *f, u64 *set) {
  emu_program *p = f->program;
  for (u32 block = 0; block < f->blocks; block++) {
    if (!f->reached[block]) {
      continue;
    }
    memcpy(set, f->in + (size_t)block * f->words, f->words * sizeof *set);
    for (u32 i = f->starts[block]; i < f->starts[block + 1]; i++) {
      const emu_io *io = p->code[i].io;
      for (u32 j = 0; j < io->read_count; j++) {
        emu_reg *reg = &p->regs[io->reads[j]];
        if (!has(set, io->reads[j])) {
          p->code[i].mods |= EMU_M_UNPROVEN;
          reg->mark = reg->tracked ? reg->mark : p->mark_count++;
          reg->tracked = true;
        }
      }
      step(&p->code[i], set);
    }
  }
}

void emu_find_unwritten(emu_program *program, ptx_arena *arena) {
  flow f = {.program = program, .arena = arena, .words = (program->reg_count + 63) / 64};
  split(&f);
  f.in = ptx_alloc(arena, (size_t)f.blocks * f.words * sizeof *f.in + 8);
  f.reached = ptx_alloc(arena, f.blocks + 1);
  u64 *set = ptx_alloc(arena, (f.words + 1) * sizeof *set);
  u64 *empty = ptx_alloc(arena, (f.words + 1) * sizeof *set);
  join(&f, 0, empty);
  for (bool changed = true; changed;) {
    changed = false;
    for (u32 block = 0; block < f.blocks; block++) {
      if (f.reached[block]) {
        changed |= pass(&f, block, set, empty);
      }
    }
  }
  mark(&f, set);
  for (u32 i = 0; i < program->count; i++) {
    const emu_io *io = program->code[i].io;
    for (u32 j = 0; j < io->write_count; j++) {
      if (program->regs[io->writes[j]].tracked) {
        program->code[i].mods |= EMU_M_UNPROVEN;
      }
    }
  }
}
