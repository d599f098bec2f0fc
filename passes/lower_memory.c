// Lives of planned buffers, in step numbers of one walk over the host program.
//
// A buffer lives from its first to its last use. One that is first used in a loop and again behind
// it lives from the loop's beginning: its contents last over the rounds. A use inside a loop of a
// buffer from before the loop keeps it to the loop's end; so does the use of a variable for every
// buffer that it may point to.
#include "passes/lower.h"

typedef struct loop_frame {
  uint32_t begin;
  const struct loop_frame *outer;
} loop_frame;

typedef struct lives {
  aicc_plan *plan;
  uint32_t number;
  aicc_arena scratch;
  bool *seen;            // per slot: it was used
  const loop_frame **home;  // per slot: the innermost loop of its first use
  uint32_t *loop_end;    // per step number of a loop's begin: its end
  struct { aicc_slot variable, slot; } *assigned;
  size_t assigned_count, assigned_capacity;
} lives;

static aicc_slot root_of(const aicc_plan *plan, aicc_slot slot) {
  while (plan->slots[slot].kind == AICC_SLOT_ALIAS) {
    slot = plan->slots[slot].index;
  }
  return slot;
}

// The end of the outermost loop that began after |first| and holds the use.
static uint32_t extended(const lives *l, const loop_frame *frame, uint32_t first, uint32_t use) {
  uint32_t last = use;
  for (; frame; frame = frame->outer) {
    if (frame->begin > first && l->loop_end[frame->begin] > last) {
      last = l->loop_end[frame->begin];
    }
  }
  return last;
}

static void use(lives *l, aicc_slot slot, const loop_frame *frame) {
  slot = root_of(l->plan, slot);
  aicc_slot_info *info = &l->plan->slots[slot];
  if (!l->seen[slot]) {
    l->seen[slot] = true;
    l->home[slot] = frame;
    info->first = info->last = l->number;
  }
  // Used behind a loop that it was first used in: its contents last over the rounds.
  for (const loop_frame *f = l->home[slot]; f; f = f->outer) {
    if (l->loop_end[f->begin] < l->number && f->begin < info->first) {
      info->first = f->begin;
    }
  }
  const uint32_t last = extended(l, frame, info->first, l->number);
  info->last = last > info->last ? last : info->last;
}

static void use_step(lives *l, const aicc_step *step, const loop_frame *frame) {
  switch (step->kind) {
    case AICC_STEP_LAUNCH:
      for (int i = 0; i < step->arg_count; i++) {
        if (step->args[i].is_slot) {
          use(l, step->args[i].slot, frame);
        }
      }
      break;
    case AICC_STEP_COPY:
    case AICC_STEP_ASSIGN:
      use(l, step->slot, frame);
      use(l, step->slot2, frame);
      break;
    case AICC_STEP_DEF_DIM:
    case AICC_STEP_WRITE_DIMS:
    case AICC_STEP_ALLOC:
    case AICC_STEP_FREE: use(l, step->slot, frame); break;
    case AICC_STEP_SEQUENCE:
      use(l, step->slot, frame);
      if (step->seq_op == AICC_SEQ_INSERT) {
        use(l, step->slot2, frame);
        use(l, step->slot3, frame);
      } else if (step->seq_op != AICC_SEQ_EMPTY && step->seq_op != AICC_SEQ_RELEASE &&
                 step->seq_op != AICC_SEQ_OUTPUT && step->seq_op != AICC_SEQ_NONE) {
        use(l, step->slot2, frame);
      }
      break;
    default: break;
  }
}

static void number_steps(lives *l, const aicc_steps *steps, uint32_t *count) {
  for (aicc_step *step = steps->first; step; step = step->next) {
    step->number = (*count)++;
    number_steps(l, &step->body, count);
    number_steps(l, &step->other, count);
  }
}

static uint32_t last_number(const aicc_step *step) {
  uint32_t last = step->number;
  for (int side = 0; side < 2; side++) {
    const aicc_steps *steps = side ? &step->other : &step->body;
    if (steps->last) {
      const uint32_t inner = last_number(steps->last);
      last = inner > last ? inner : last;
    }
  }
  return last;
}

static void walk(lives *l, const aicc_steps *steps, const loop_frame *frame) {
  for (aicc_step *step = steps->first; step; step = step->next) {
    l->number = step->number;
    use_step(l, step, frame);
    if (step->kind == AICC_STEP_ASSIGN) {
      aicc_arena *scratch = &l->scratch;
      if (l->assigned_count == l->assigned_capacity) {
        l->assigned = aicc_arena_grow(scratch, l->assigned, l->assigned_count,
                                      sizeof *l->assigned);
        l->assigned_capacity = l->assigned_capacity ? 2 * l->assigned_capacity : 8;
      }
      l->assigned[l->assigned_count].variable = root_of(l->plan, step->slot);
      l->assigned[l->assigned_count++].slot = root_of(l->plan, step->slot2);
    }
    loop_frame *inner = AICC_NEW(&l->scratch, loop_frame);
    *inner = (loop_frame){.begin = step->number, .outer = frame};
    const bool loop = step->kind == AICC_STEP_LOOP;
    if (loop) {
      l->loop_end[step->number] = last_number(step);
    }
    walk(l, &step->body, loop ? inner : frame);
    walk(l, &step->other, frame);
  }
}

void aicc_lower_lives(aicc_plan *plan) {
  lives l = {.plan = plan};
  aicc_arena_init(&l.scratch);
  uint32_t count = 0;
  number_steps(&l, &plan->steps, &count);
  l.seen = AICC_NEW_ARRAY(&l.scratch, bool, plan->slot_count);
  l.home = AICC_NEW_ARRAY(&l.scratch, const loop_frame *, plan->slot_count);
  l.loop_end = AICC_NEW_ARRAY(&l.scratch, uint32_t, count + 1);
  walk(&l, &plan->steps, NULL);
  for (bool changed = true; changed;) {
    changed = false;
    for (size_t i = 0; i < l.assigned_count; i++) {
      const aicc_slot_info *variable = &plan->slots[l.assigned[i].variable];
      aicc_slot_info *slot = &plan->slots[l.assigned[i].slot];
      if (slot->last < variable->last) {
        slot->last = variable->last;
        changed = true;
      }
    }
  }
  aicc_arena_deinit(&l.scratch);
}
