// The text of a plan, for people: slots, constants and the host program.
#include "ir/plan.h"

static const char *const slot_kinds[] = {"input", "output", "const", "buffer", "heap",
                                         "alias", "variable", "sequence"};
static const char *const seq_ops[] = {"empty", "insert", "erase", "length", "at", "release",
                                      "output", "none", "has", "given"};

typedef struct printer {
  const aicc_plan *plan;
  aicc_arena arena;
  FILE *out;
} printer;

static const char *dim_text(printer *p, aicc_dim dim) {
  return dim == AICC_DIM_NONE ? "-" : aicc_dim_print(p->plan->module->dims, dim, &p->arena);
}

static void print_slots(printer *p) {
  for (size_t i = 0; i < p->plan->slot_count; i++) {
    const aicc_slot_info *slot = &p->plan->slots[i];
    fprintf(p->out, "  s%zu = %s", i, slot_kinds[slot->kind]);
    if (slot->kind == AICC_SLOT_ALIAS) {
      fprintf(p->out, " of s%u", slot->index);
    } else if (slot->kind != AICC_SLOT_BUFFER && slot->kind != AICC_SLOT_HEAP) {
      fprintf(p->out, " %u", slot->index);
    } else {
      fprintf(p->out, " segment %u life %u..%u", slot->segment, slot->first, slot->last);
    }
    fprintf(p->out, " : %s", aicc_type_print(p->plan->module, &slot->type, &p->arena));
    fprintf(p->out, slot->name ? "  ; %s\n" : "\n", slot->name);
  }
}

static void print_launch(printer *p, const aicc_step *step) {
  fprintf(p->out, "launch @%s(", p->plan->kernels[step->kernel]->name);
  for (int i = 0; i < step->arg_count; i++) {
    const aicc_step_arg *arg = &step->args[i];
    fputs(i ? ", " : "", p->out);
    if (arg->is_slot) {
      fprintf(p->out, "s%u", arg->slot);
    } else {
      fputs(dim_text(p, arg->dim), p->out);
    }
  }
  fprintf(p->out, ") grid %s", dim_text(p, step->grid));
  fprintf(p->out, " cost %s", dim_text(p, step->cost));
  if (step->text) {
    fprintf(p->out, " schedule \"%s\"", step->text);
  }
}

static void print_step(printer *p, const aicc_step *step) {
  switch (step->kind) {
    case AICC_STEP_LAUNCH: print_launch(p, step); break;
    case AICC_STEP_SEGMENT: fprintf(p->out, "segment %u", step->index); break;
    case AICC_STEP_OUTPUT: fprintf(p->out, "s%u = output %u", step->slot, step->index); break;
    case AICC_STEP_ALLOC: fprintf(p->out, "alloc s%u", step->slot); break;
    case AICC_STEP_FREE: fprintf(p->out, "free s%u", step->slot); break;
    case AICC_STEP_COPY:
      fprintf(p->out, "copy s%u + %s = s%u, %s bytes", step->slot, dim_text(p, step->offset),
              step->slot2, dim_text(p, step->dim));
      break;
    case AICC_STEP_ASSIGN: fprintf(p->out, "s%u = s%u", step->slot, step->slot2); break;
    case AICC_STEP_DEF_DIM:
      fprintf(p->out, "%s = s%u[%u]", dim_text(p, step->symbol), step->slot, step->index);
      break;
    case AICC_STEP_SET_DIM:
      fprintf(p->out, "%s = ", dim_text(p, step->symbol));
      fputs(dim_text(p, step->dim), p->out);
      break;
    case AICC_STEP_WRITE_DIMS:
      fprintf(p->out, "s%u = [", step->slot);
      for (int i = 0; i < step->dim_count; i++) {
        fprintf(p->out, "%s%s", i ? ", " : "", dim_text(p, step->dims[i]));
      }
      fputc(']', p->out);
      break;
    case AICC_STEP_CHECK:
      fprintf(p->out, "check %s \"%s\"", dim_text(p, step->dim), step->text);
      break;
    case AICC_STEP_IF: fprintf(p->out, "if %s", dim_text(p, step->dim)); break;
    case AICC_STEP_LOOP: fputs("loop", p->out); break;
    case AICC_STEP_BREAK: fprintf(p->out, "break unless %s", dim_text(p, step->dim)); break;
    case AICC_STEP_SEQUENCE:
      fprintf(p->out, "sequence %s s%u s%u s%u %s", seq_ops[step->seq_op], step->slot, step->slot2,
              step->slot3, dim_text(p, step->dim));
      break;
  }
}

static void print_steps(printer *p, const aicc_steps *steps, int indent) {
  for (const aicc_step *step = steps->first; step; step = step->next) {
    fprintf(p->out, "%*s%u: ", indent, "", step->number);
    print_step(p, step);
    if (step->body.first) {
      fputs(" {\n", p->out);
      print_steps(p, &step->body, indent + 2);
      fprintf(p->out, "%*s}", indent, "");
    }
    if (step->other.first) {
      fputs(" else {\n", p->out);
      print_steps(p, &step->other, indent + 2);
      fprintf(p->out, "%*s}", indent, "");
    }
    fputc('\n', p->out);
  }
}

void aicc_plan_print(const aicc_plan *plan, FILE *out) {
  printer p = {.plan = plan, .out = out};
  aicc_arena_init(&p.arena);
  fprintf(out, "plan @%s {\n", plan->module->name);
  print_slots(&p);
  for (size_t i = 0; i < plan->const_count; i++) {
    const aicc_plan_const *constant = &plan->consts[i];
    fprintf(out, "  c%zu at %llu, %llu bytes%s%s%s\n", i, (unsigned long long)constant->offset,
            (unsigned long long)constant->size, constant->pack ? ", packed" : "",
            constant->name ? "  ; " : "", constant->name ? constant->name : "");
  }
  print_steps(&p, &plan->steps, 2);
  fputs("}\n", out);
  aicc_arena_deinit(&p.arena);
}
