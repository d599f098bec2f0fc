// Blocks: their memory, their warps, and in what order these run.
#include <stdlib.h>
#include <string.h>

#include "emu_internal.h"

u64 emu_next_random(u64 *state) {
  u64 x = *state += 0x9e3779b97f4a7c15ull;
  x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
  x = (x ^ x >> 27) * 0x94d049bb133111ebull;
  return x ^ x >> 31;
}

// ---- special registers -------------------------------------------------------------------------

static u64 special(const emu_warp *warp, const emu_special *s, u32 lane) {
  const emu_block *b = warp->block;
  u32 thread = warp->id * EMU_LANES + lane;
  switch ((emu_special_kind)s->kind) {
    case EMU_S_TID:
      return s->axis == 0   ? thread % b->shape[0]
             : s->axis == 1 ? thread / b->shape[0] % b->shape[1]
                            : thread / b->shape[0] / b->shape[1];
    case EMU_S_NTID: return b->shape[s->axis];
    case EMU_S_CTAID: return b->id[s->axis];
    case EMU_S_NCTAID: return b->grid[s->axis];
    case EMU_S_LANEID: return lane;
    case EMU_S_WARPID: return warp->id;
    case EMU_S_NWARPID: return EMU_MAX_WARPS;
    case EMU_S_MASK_EQ: return 1u << lane;
    case EMU_S_MASK_LT: return (1u << lane) - 1;
    case EMU_S_MASK_LE: return ((u64)2 << lane) - 1;
    case EMU_S_MASK_GT: return (u32) ~(((u64)2 << lane) - 1);
    case EMU_S_MASK_GE: return (u32) ~((1u << lane) - 1);
    case EMU_S_SMID: return b->number % 4;
    case EMU_S_NSMID: return 4;
    case EMU_S_GRIDID: return b->device->launch;
    case EMU_S_DYNAMIC: return b->launch->dynamic_shared;
    case EMU_S_TOTAL: return b->shared_end - EMU_SHARED_BASE;
    case EMU_S_CLOCK: return warp->executed * 4;
    case EMU_S_ZERO: return 0;
    case EMU_S_ONE: return 1;
  }
  return 0;
}

typedef enum changes { PER_LAUNCH, PER_BLOCK, PER_TURN } changes;

static changes changes_of(u8 kind) {
  return kind == EMU_S_CLOCK                           ? PER_TURN
         : kind == EMU_S_CTAID || kind == EMU_S_SMID ? PER_BLOCK
                                                     : PER_LAUNCH;
}

// Those that change with |when| or more often.
static void fill_specials(emu_warp *warp, changes when) {
  const emu_program *p = warp->block->program;
  for (u32 i = 0; i < p->special_count; i++) {
    const emu_special *s = &p->specials[i];
    if (changes_of(s->kind) < when) {
      continue;
    }
    bool same = changes_of(s->kind) != PER_LAUNCH;  // for all lanes
    u64 value = special(warp, s, 0);
    for (u32 l = 0; l < EMU_LANES; l++) {
      value = same ? value : special(warp, s, l);
      if (s->wide) {
        emu_u64(warp, s->cell)[l] = value;
      } else {
        emu_u32(warp, s->cell)[l] = (u32)value;
      }
    }
  }
}

// ---- memory -------------------------------------------------------------------------------------

static u32 shared_bytes(const emu_launch_state *launch) {
  u32 fixed = (launch->function->program.shared_bytes + 15) & ~15u;
  return launch->dynamic_shared ? fixed + launch->dynamic_shared
                                : launch->function->program.shared_bytes;
}

static void *zeros(size_t count, size_t bytes) { return calloc(count + 1, bytes); }

static bool warp_create(emu_block *block, emu_warp *warp, u32 id) {
  const emu_program *p = block->program;
  warp->block = block;
  warp->id = id;
  warp->file = aligned_alloc(64, p->file_bytes);
  warp->written = zeros(p->mark_count, sizeof *warp->written);
  warp->stack = zeros(EMU_CALL_DEPTH * EMU_LANES, sizeof *warp->stack);
  warp->local = zeros((size_t)p->local_bytes * EMU_LANES, 1);
  warp->local_written = zeros((size_t)p->local_bytes * EMU_LANES, 1);
  if (!warp->file || !warp->written || !warp->stack || !warp->local || !warp->local_written) {
    return false;
  }
  memset(warp->file, 0xfe, p->file_bytes);
  for (u32 i = 0; i < p->const_count; i++) {
    const emu_const *c = &p->consts[i];
    if (c->kind == PTX_PRED) {
      *emu_u32(warp, c->cell) = (u32)c->value;
    }
    for (u32 l = 0; l < EMU_LANES && c->kind != PTX_PRED; l++) {
      if (c->kind == PTX_64) {
        emu_u64(warp, c->cell)[l] = c->value;
      } else {
        emu_u32(warp, c->cell)[l] = (u32)c->value;
      }
    }
  }
  return true;
}

bool emu_block_create(emu_block *block, emu_launch_state *launch) {
  *block = (emu_block){.launch = launch, .device = launch->device, .function = launch->function,
                       .program = &launch->function->program, .params = launch->params,
                       .param_bytes = launch->function->program.param_bytes, .time = 1};
  memcpy(block->grid, launch->grid, sizeof block->grid);
  memcpy(block->shape, launch->shape, sizeof block->shape);
  block->threads = launch->shape[0] * launch->shape[1] * launch->shape[2];
  block->warp_count = (block->threads + EMU_LANES - 1) / EMU_LANES;
  u32 bytes = shared_bytes(launch);
  block->shared_end = EMU_SHARED_BASE + bytes;
  block->shared = aligned_alloc(1024, ((size_t)bytes + 1024) & ~(size_t)1023);
  block->shared_written = zeros(bytes, 1);
  block->words = zeros(bytes / 16 + 1, sizeof *block->words);
  block->warps = zeros(block->warp_count, sizeof *block->warps);
  bool good = block->shared && block->shared_written && block->words && block->warps;
  for (u32 i = 0; good && i < block->warp_count; i++) {
    good = warp_create(block, &block->warps[i], i);
  }
  for (u32 i = 0; good && i < block->warp_count; i++) {
    fill_specials(&block->warps[i], PER_LAUNCH);
  }
  return good;
}

void emu_block_destroy(emu_block *block) {
  for (u32 i = 0; block->warps && i < block->warp_count; i++) {
    emu_warp *w = &block->warps[i];
    free(w->file);
    free(w->written);
    free(w->stack);
    free(w->local);
    free(w->local_written);
    free(w->copies);
  }
  free(block->warps);
  free(block->shared);
  free(block->shared_written);
  free(block->words);
}

// ---- running -----------------------------------------------------------------------------------

static void start_warp(emu_block *block, emu_warp *warp) {
  const emu_program *p = block->program;
  u32 rest = block->threads - warp->id * EMU_LANES;
  warp->live = warp->active = rest >= EMU_LANES ? EMU_FULL : (1u << rest) - 1;
  warp->waiting = warp->blocked = warp->carry = 0;
  warp->pc = 0;
  warp->limit = UINT32_MAX;
  warp->executed = 0;
  warp->moved = false;
  warp->epoch = ++block->epochs;
  warp->epoch_time = block->time;
  warp->copy_count = 0;
  warp->released = 0;
  memset(warp->depth, 0, sizeof warp->depth);
  memset(warp->groups, 0, sizeof warp->groups);
  memset(warp->written, 0, p->mark_count * sizeof *warp->written);
  memset(warp->local_written, 0, (size_t)p->local_bytes * EMU_LANES);
  for (u32 i = 0; i < EMU_MAX_WARPS; i++) {
    warp->seen[i] = block->time;
  }
  warp->seen_all = block->time;
  warp->random = block->random + warp->id * 0x632be59bd9b4e019ull;
  fill_specials(warp, PER_BLOCK);
}

static void start(emu_block *block, u64 number) {
  block->number = (u32)number;
  block->id[0] = (u32)(number % block->grid[0]);
  block->id[1] = (u32)(number / block->grid[0] % block->grid[1]);
  block->id[2] = (u32)(number / block->grid[0] / block->grid[1]);
  u64 seed = block->device->options.seed ^ (number * 0x2545f4914f6cdd1dull);
  block->random = emu_next_random(&seed);
  block->began = ++block->time;
  emu_race_new_block(block);
  memset(block->shared_written, 0, block->shared_end - EMU_SHARED_BASE);
  memset(block->shared, 0xfe, block->shared_end - EMU_SHARED_BASE);
  for (u32 i = 0; i < EMU_BARRIERS; i++) {
    block->barriers[i] = (emu_barrier){.all = true};
  }
  for (u32 i = 0; i < block->warp_count; i++) {
    start_warp(block, &block->warps[i]);
  }
}

// Copies that were never waited for write into shared memory that may be another block's by then.
static void check_copies(emu_block *block) {
  for (u32 i = 0; i < block->warp_count && !block->fault; i++) {
    emu_warp *w = &block->warps[i];
    if (w->copy_count) {
      static emu_inst at;
      emu_inst where = at;
      where.line = w->copies[0].line;
      w->inst = &where;
      emu_fault(w, w->copies[0].lane, EMU_IS_SYNC, "the block ends, and %u cp.async were not "
                "waited for", w->copy_count);
    }
  }
}

static bool can_run(const emu_warp *w) { return w->live & ~w->waiting; }

void emu_run_block(emu_block *block, u64 number) {
  enum { QUANTUM = 20000, SMALL = 64 };
  bool shuffled = block->device->options.seed != 0;
  start(block, number);
  u32 next = 0;
  while (!block->fault) {
    u32 first = shuffled ? (u32)(emu_next_random(&block->random) % block->warp_count) : next;
    emu_warp *warp = NULL;
    bool live = false;
    for (u32 i = 0; i < block->warp_count && !warp; i++) {
      emu_warp *w = &block->warps[(first + i) % block->warp_count];
      live |= w->live != 0;
      warp = can_run(w) ? w : NULL;
    }
    if (!warp) {
      if (live) {
        emu_barrier_stuck(block);
      }
      break;
    }
    fill_specials(warp, PER_TURN);
    emu_run_warp(warp, shuffled ? 1 + emu_next_random(&block->random) % SMALL : QUANTUM);
    next = (warp->id + 1) % block->warp_count;
    if (__atomic_load_n(&block->launch->stop, __ATOMIC_RELAXED)) {
      return;
    }
  }
  check_copies(block);
}
