// From statements to programs: the entry and what it calls, laid out one behind the other.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emu_link.h"

emu_exec emu_x_ld;

// ---- layout ------------------------------------------------------------------------------------

static u32 align_up(u32 value, u32 align) { return (value + align - 1) / align * align; }

u32 emu_new_cell(emu_linker *l, ptx_class class_) {
  u32 bytes = class_ == PTX_PRED ? 4 : class_ == PTX_64 ? 256 : 128;
  u32 cell = align_up(l->file_bytes, class_ == PTX_PRED ? 4 : 64);
  l->file_bytes = cell + bytes;
  return cell;
}

u32 emu_const_cell(emu_linker *l, ptx_class class_, u64 value) {
  emu_program *p = l->program;
  for (u32 i = p->const_count; i-- > 0;) {
    if (p->consts[i].value == value && p->consts[i].kind == class_) {
      return p->consts[i].cell;
    }
  }
  p->consts = ptx_grow(l->arena, p->consts, (int)p->const_count, sizeof *p->consts);
  u32 cell = emu_new_cell(l, class_);
  p->consts[p->const_count++] = (emu_const){cell, (u8)class_, value};
  return cell;
}

// Where a variable of a function, or a module's of shared memory, is; UINT32_MAX: not placed yet.
static u32 *place_of(emu_linker *l, emu_linked *f, const ptx_var *var) {
  return var->is_module ? &l->shared_places[var->id] : &f->places[var->id];
}

static void place_var(emu_linker *l, emu_linked *f, const ptx_var *var) {
  if (var->is_module && var->space != PTX_SHARED) {
    return;  // it has an address
  }
  u32 *place = place_of(l, f, var);
  if (*place != UINT32_MAX || (var->space == PTX_SHARED && !var->bytes)) {
    return;
  }
  u32 *end = var->space == PTX_SHARED                      ? &l->program->shared_bytes
             : var->is_formal && f->source->is_entry ? &l->program->param_bytes
                                                           : &l->program->local_bytes;
  u32 align = var->align ? var->align : 1;
  if (var->space == PTX_SHARED && align > l->program->shared_align) {
    l->program->shared_align = align;
  }
  if (var->bytes > UINT32_MAX / 4) {
    ptx_error(l->errors, var->line, "variable '%s' is too large", var->name);
    return;
  }
  // Shared memory begins at EMU_SHARED_BASE, a multiple of every alignment up to 1024.
  *place = align_up(*end, align);
  *end = *place + (u32)var->bytes;
}

static void place_args(emu_linker *l, emu_linked *f, const ptx_arg *args, int count) {
  for (int i = 0; i < count; i++) {
    if (args[i].kind == PTX_ARG_VAR) {
      place_var(l, f, args[i].var);
    }
    place_args(l, f, args[i].list, args[i].count);
  }
}

static emu_linked *linked(emu_linker *l, const ptx_function *source) {
  for (int i = 0; i < l->count; i++) {
    if (l->functions[i]->source == source) {
      return l->functions[i];
    }
  }
  return NULL;
}

// |source| and, behind it, what it calls.
static void add_function(emu_linker *l, ptx_function *source) {
  emu_linked *f = ptx_alloc(l->arena, sizeof *f);
  f->source = source;
  f->places = ptx_alloc(l->arena, ((size_t)source->var_count + 1) * sizeof *f->places);
  memset(f->places, 0xff, (size_t)source->var_count * sizeof *f->places);
  f->first_reg = l->program->reg_count;
  f->starts = ptx_alloc(l->arena, ((size_t)source->count + 1) * sizeof *f->starts);
  l->functions = ptx_grow(l->arena, l->functions, l->count, sizeof *l->functions);
  l->functions[l->count++] = f;
  emu_program *p = l->program;
  emu_reg *regs =
      ptx_alloc(l->arena, (p->reg_count + (size_t)source->reg_count + 1) * sizeof *regs);
  if (p->reg_count) {
    memcpy(regs, p->regs, p->reg_count * sizeof *regs);
  }
  p->regs = regs;
  for (int i = 0; i < source->reg_count; i++) {
    ptx_class class_ = source->regs[i].class_;
    regs[p->reg_count++] =
        (emu_reg){.cell = emu_new_cell(l, class_), .kind = (u8)class_, .source = &source->regs[i]};
  }
  for (int i = 0; i < source->var_count; i++) {
    if (source->vars[i]->is_formal || source->vars[i]->space == PTX_SHARED) {
      place_var(l, f, source->vars[i]);
    }
  }
  for (int i = 0; i < source->count; i++) {
    const ptx_stmt *s = &source->body[i];
    place_args(l, f, s->args, s->count);
    for (int j = 0; j < s->count && !strncmp(s->opcode, "call", 4); j++) {
      ptx_function *callee = s->args[j].kind == PTX_ARG_NAME
                                 ? ptx_find_function(l->module->source, s->args[j].name)
                                 : NULL;
      if (callee && callee->is_defined && !linked(l, callee)) {
        add_function(l, callee);
      }
    }
  }
}

static bool calls_itself(emu_linker *l, emu_linked *f) {
  if (f->visiting) {
    return true;
  }
  f->visiting = true;
  bool found = false;
  for (int i = 0; i < f->source->count && !found; i++) {
    const ptx_stmt *s = &f->source->body[i];
    for (int j = 0; j < s->count && !strncmp(s->opcode, "call", 4); j++) {
      ptx_function *callee = s->args[j].kind == PTX_ARG_NAME
                                 ? ptx_find_function(l->module->source, s->args[j].name)
                                 : NULL;
      emu_linked *next = callee ? linked(l, callee) : NULL;
      found |= next && calls_itself(l, next);
    }
  }
  f->visiting = false;
  return found;
}

u64 emu_var_address(emu_linker *l, emu_linked *f, const ptx_var *var) {
  if (var->is_module && var->space != PTX_SHARED) {
    return var->address;
  }
  if (var->space == PTX_SHARED && !var->bytes) {
    return EMU_SHARED_BASE + align_up(l->program->shared_bytes, 16);
  }
  return *place_of(l, f, var) + (var->space == PTX_SHARED ? (u32)EMU_SHARED_BASE : 0);
}

// ---- instructions ------------------------------------------------------------------------------

emu_inst *emu_new_inst(emu_linker *l, int line) {
  emu_program *p = l->program;
  p->code = ptx_grow(l->arena, p->code, (int)p->count, sizeof *p->code);
  emu_inst *inst = &p->code[p->count++];
  *inst = (emu_inst){.line = (u32)line};
  return inst;
}

static void space_of(emu_inst *inst, const emu_words *words) {
  static const struct {
    emu_word word;
    ptx_space space;
  } spaces[] = {{EMU_W_GLOBAL, PTX_GLOBAL}, {EMU_W_SHARED, PTX_SHARED},
                {EMU_W_SHARED_CTA, PTX_SHARED}, {EMU_W_LOCAL, PTX_LOCAL}, {EMU_W_CONST, PTX_CONST},
                {EMU_W_PARAM, PTX_PARAM}, {EMU_W_PARAM_ENTRY, PTX_PARAM},
                {EMU_W_PARAM_FUNC, PTX_PARAM}};
  for (size_t i = 0; i < sizeof spaces / sizeof *spaces; i++) {
    if (emu_has(words, spaces[i].word)) {
      inst->space = (u8)spaces[i].space;
    }
  }
}

static void mods_of(emu_inst *inst, const emu_words *words) {
  static const struct {
    emu_word word;
    u32 mod;
  } mods[] = {{EMU_W_FTZ, EMU_M_FTZ}, {EMU_W_SAT, EMU_M_SAT}, {EMU_W_SATFINITE, EMU_M_SATFINITE},
              {EMU_W_NAN, EMU_M_NAN}, {EMU_W_RELU, EMU_M_RELU}, {EMU_W_ABS, EMU_M_ABS},
              {EMU_W_XORSIGN, EMU_M_XORSIGN}, {EMU_W_TRANS, EMU_M_TRANS},
              {EMU_W_VOLATILE, EMU_M_STRONG}, {EMU_W_RELAXED, EMU_M_STRONG},
              {EMU_W_ACQUIRE, EMU_M_STRONG | EMU_M_ACQUIRE},
              {EMU_W_RELEASE, EMU_M_STRONG | EMU_M_RELEASE},
              {EMU_W_ACQ_REL, EMU_M_STRONG | EMU_M_ACQUIRE | EMU_M_RELEASE},
              {EMU_W_SC, EMU_M_STRONG | EMU_M_ACQUIRE | EMU_M_RELEASE},
              {EMU_W_MMIO, EMU_M_STRONG}, {EMU_W_ALIGNED, EMU_M_ALIGNED}, {EMU_W_WRAP, EMU_M_WRAP},
              {EMU_W_CC, EMU_M_CC}, {EMU_W_L, EMU_M_LEFT}, {EMU_W_HI, EMU_M_HI},
              {EMU_W_SHIFTAMT, EMU_M_SHIFTAMT}, {EMU_W_TO, EMU_M_TO}, {EMU_W_ARRIVE, EMU_M_ARRIVE},
              {EMU_W_RED, EMU_M_RED}};
  for (size_t i = 0; i < sizeof mods / sizeof *mods; i++) {
    inst->mods |= emu_has(words, mods[i].word) ? mods[i].mod : 0;
  }
  inst->round = emu_has(words, EMU_W_RZ) || emu_has(words, EMU_W_RZI)   ? EMU_RZ
                : emu_has(words, EMU_W_RM) || emu_has(words, EMU_W_RMI) ? EMU_RM
                : emu_has(words, EMU_W_RP) || emu_has(words, EMU_W_RPI) ? EMU_RP
                : emu_has(words, EMU_W_RNA)                             ? EMU_RNA
                                                                        : EMU_RN;
  if (emu_word_between(words, EMU_W_RNI, EMU_W_RPI)) {
    inst->mods |= EMU_M_INTEGRAL;
  }
}

static void describe(emu_inst *inst, const emu_matched *m, const char *opcode) {
  const emu_words *words = &m->words;
  inst->exec = m->form->exec;
  inst->flow = m->form->flow;
  memcpy(inst->types, m->types, sizeof inst->types);
  mods_of(inst, words);
  space_of(inst, words);
  bool is_set = !strncmp(opcode, "set", 3);
  emu_word compare = emu_word_between(words, EMU_W_EQ, EMU_W_ISNAN);
  emu_word boolean = emu_word_between(words, EMU_W_AND, EMU_W_XOR);
  emu_word other = emu_word_between(words, EMU_W_AND, EMU_W_SUBNORMAL);
  emu_word lanes = emu_word_between(words, EMU_W_UNI, EMU_W_BALLOT);
  if (is_set && !compare) {  // lo and hi are words of multiplications too
    compare = emu_has(words, EMU_W_LO) ? EMU_W_LT : EMU_W_GT;
  }
  inst->combine = (u8)boolean;
  inst->op = (u8)(is_set ? compare : other ? other : lanes);
  inst->count = emu_has(words, EMU_W_V2) || emu_has(words, EMU_W_X2)   ? 2
                : emu_has(words, EMU_W_V4) || emu_has(words, EMU_W_X4) ? 4
                : emu_has(words, EMU_W_V8)                             ? 8
                                                                       : 1;
  inst->size = (u8)emu_type_size((emu_word)m->types[0]);
  if (!strncmp(opcode, "prmt", 4)) {
    inst->op = (u8)emu_word_between(words, EMU_W_F4E, EMU_W_RC16);
  }
  if (!strncmp(opcode, "addc", 4) || !strncmp(opcode, "subc", 4) || !strncmp(opcode, "madc", 4)) {
    inst->mods |= EMU_M_X;
  }
  inst->constant = emu_has(words, EMU_W_NC) || !strncmp(opcode, "ldu", 3);
  if (!strncmp(opcode, "sub", 3)) {
    inst->mods |= EMU_M_NEGATE;
  }
  if (!strncmp(opcode, "barrier", 7)) {
    inst->mods |= EMU_M_NONALIGNED;
  }
  if (!strncmp(opcode, "cp.async.wait_all", 17)) {
    inst->mods |= EMU_M_ALL;
  }
  if (m->form->flow == EMU_SYNC && strstr(opcode, "mma.m8n8k16")) {
    inst->count = 0;
  }
}

static const emu_matched *find_form(emu_linker *l, const ptx_stmt *s, int *needs) {
  for (emu_known *known = l->known; known; known = known->next) {
    if (!strcmp(known->opcode, s->opcode)) {
      *needs = known->needs;
      return known->found ? &known->matched : NULL;
    }
  }
  emu_known *known = ptx_alloc(l->arena, sizeof *known);
  *known = (emu_known){.opcode = s->opcode, .next = l->known};
  known->found = emu_match(s->opcode, l->module->source->sm, &known->matched, &known->needs);
  l->known = known;
  *needs = known->needs;
  return known->found ? &known->matched : NULL;
}

static void link_stmt(emu_linker *l, emu_linked *f, const ptx_stmt *s) {
  int needs;
  const emu_matched *matched = find_form(l, s, &needs);
  if (!matched && needs) {
    ptx_error(l->errors, s->line, "'%s' needs sm_%d, the text is for sm_%d", s->opcode, needs,
              l->module->source->sm);
    return;
  }
  if (!matched) {
    ptx_error(l->errors, s->line, "the emulator does not know '%s'", s->opcode);
    return;
  }
  emu_inst inst = {.line = (u32)s->line};
  describe(&inst, matched, s->opcode);
  l->reads = l->writes = 0;
  l->bad = false;
  if (!emu_link_operands(l, f, s, matched, &inst) && !l->bad) {
    ptx_error(l->errors, s->line, "'%s' has operands that the emulator does not know for it",
              s->opcode);
  }
  if (s->pred >= 0 && l->program->regs[f->first_reg + (u32)s->pred].kind != PTX_PRED) {
    ptx_error(l->errors, s->line, "the guard of '%s' is no predicate", s->opcode);
  } else if (s->pred >= 0) {
    inst.pred = l->program->regs[f->first_reg + (u32)s->pred].cell;
    inst.pred_negated = s->pred_negated;
    emu_note(l, f, s->pred, false);
  }
  emu_io *io = ptx_alloc(l->arena, sizeof *io);
  u32 *ids = ptx_alloc(l->arena, (l->reads + l->writes + 1) * sizeof *ids);
  memcpy(ids, l->read_ids, l->reads * sizeof *ids);
  memcpy(ids + l->reads, l->write_ids, l->writes * sizeof *ids);
  *io = (emu_io){ids, ids + l->reads, l->reads, l->writes};
  inst.io = io;
  *emu_new_inst(l, s->line) = inst;
}

// The label of the innermost braces around |s| that have one of this name.
static u32 label_at(emu_linker *l, emu_linked *f, const char *name, const ptx_stmt *s) {
  for (int scope = s->scope; scope >= 0; scope = f->source->parents[scope]) {
    for (int i = 0; i < f->source->label_count; i++) {
      const ptx_label *label = &f->source->labels[i];
      if (label->scope == scope && !label->targets && !strcmp(label->name, name)) {
        return f->starts[label->at];
      }
    }
  }
  ptx_error(l->errors, s->line, "there is no label '%s'", name);
  return 0;
}

static void branch_targets(emu_linker *l, emu_linked *f, emu_inst *inst, const ptx_stmt *s) {
  for (int i = 0; i < f->source->label_count; i++) {
    const ptx_label *label = &f->source->labels[i];
    if (!label->targets || strcmp(label->name, s->args[1].name)) {
      continue;
    }
    u32 *list = ptx_alloc(l->arena, ((size_t)label->target_count + 1) * sizeof *list);
    for (int j = 0; j < label->target_count; j++) {
      list[j] = label_at(l, f, label->targets[j], s);
    }
    inst->list = list;
    inst->list_count = (u32)label->target_count;
    return;
  }
  ptx_error(l->errors, s->line, "there is no .branchtargets '%s'", s->args[1].name);
}

static void resolve(emu_linker *l, emu_linked *f) {
  for (int i = 0; i < f->source->count; i++) {
    const ptx_stmt *s = &f->source->body[i];
    u32 end = f->starts[i + 1];
    if (end == f->starts[i]) {
      continue;  // it was not known
    }
    emu_inst *inst = &l->program->code[end - 1];
    if (inst->flow == EMU_BRA) {
      inst->target = label_at(l, f, s->args[0].name, s);
    } else if (inst->flow == EMU_BRX) {
      branch_targets(l, f, inst, s);
    } else if (inst->flow == EMU_CALL) {
      inst->target = l->functions[inst->target]->start;
    }
  }
}

static void link_function(emu_linker *l, emu_linked *f) {
  f->start = l->program->count;
  for (int i = 0; i < f->source->count; i++) {
    f->starts[i] = l->program->count;
    link_stmt(l, f, &f->source->body[i]);
  }
  f->starts[f->source->count] = l->program->count;
  emu_inst *inst = emu_new_inst(l, f->source->line);
  static const emu_io none;
  inst->flow = EMU_RET;
  inst->io = &none;
}

// A loop around atom.cas begins with a plain load of the same place, as compilers have it; what is
// read there is checked by the exchange, so it is no race.
static void find_loops(emu_program *p) {
  for (u32 i = 0; i < p->count; i++) {
    const emu_inst *swap = &p->code[i];
    for (u32 j = 0; swap->op == EMU_W_CAS && j < i; j++) {
      emu_inst *load = &p->code[j];
      if (load->exec == emu_x_ld && load->a == swap->a && load->imm == swap->imm &&
          load->list_count == 1) {
        load->mods |= EMU_M_STRONG;
      }
    }
  }
}

static void shapes(emu_linker *l, emu_function *function) {
  ptx_function *s = function->source;
  function->param_offsets = ptx_alloc(l->arena, ((size_t)s->param_count + 1) * sizeof(u32));
  function->param_sizes = ptx_alloc(l->arena, ((size_t)s->param_count + 1) * sizeof(u32));
  for (int i = 0; i < s->param_count; i++) {
    function->param_offsets[i] = l->functions[0]->places[s->params[i]->id];
    function->param_sizes[i] = (u32)s->params[i]->bytes;
  }
  for (u32 i = 0; i < l->program->reg_count; i++) {
    function->registers += l->program->regs[i].kind == PTX_64 ? 2 : 1;
  }
  const u32 *shape = s->reqntid[0] ? s->reqntid : s->maxntid;
  function->max_threads = shape[0] ? shape[0] * shape[1] * shape[2] : 1024;
}

void emu_link(emu_module *module, emu_function *function, ptx_errors *errors) {
  ptx_arena *arena = module->source->arena;
  emu_linker l = {.module = module, .program = &function->program, .arena = arena,
                  .errors = errors, .file_bytes = 256, .known = module->known};
  size_t vars = (size_t)module->source->var_count;
  l.shared_places = ptx_alloc(arena, (vars + 1) * sizeof *l.shared_places);
  memset(l.shared_places, 0xff, vars * sizeof *l.shared_places);
  add_function(&l, function->source);
  if (calls_itself(&l, l.functions[0])) {
    ptx_error(errors, function->source->line, "'%s' calls itself: recursion is not supported",
              function->source->name);
    return;
  }
  for (int i = 0; i < l.count; i++) {
    link_function(&l, l.functions[i]);
  }
  for (int i = 0; i < l.count && !errors->count; i++) {
    resolve(&l, l.functions[i]);
  }
  find_loops(l.program);
  l.program->file_bytes = align_up(l.file_bytes, 64);
  l.program->local_bytes = align_up(l.program->local_bytes, 16);
  shapes(&l, function);
  module->known = l.known;
  if (!errors->count) {
    emu_find_unwritten(l.program, arena);
  }
}
