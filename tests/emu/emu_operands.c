// Operands of an instruction, as its form wants them.
#include <stdio.h>
#include <string.h>

#include "emu_link.h"

typedef struct decoder {
  emu_linker *l;
  emu_linked *f;
  const ptx_stmt *s;
  emu_inst *inst;
  u32 sources, addresses;
  u32 list[EMU_MAX_IDS], list_count;
} decoder;

void emu_note(emu_linker *l, emu_linked *f, int reg, bool written) {
  u32 id = f->first_reg + (u32)reg;
  if (written && l->writes < EMU_MAX_IDS) {
    l->write_ids[l->writes++] = id;
  } else if (!written && l->reads < EMU_MAX_IDS) {
    l->read_ids[l->reads++] = id;
  }
}

static bool refuse(decoder *d, const char *what) {
  if (!d->l->bad) {
    ptx_error(d->l->errors, d->s->line, "'%s': %s", d->s->opcode, what);
  }
  d->l->bad = true;
  return false;
}

// The same, of a register.
static bool refuse_reg(decoder *d, int reg, const char *what) {
  static const char *const names[] = {[PTX_PRED] = ".pred", [PTX_16] = ".b16", [PTX_32] = ".b32",
                                      [PTX_64] = ".b64"};
  const emu_reg *r = &d->l->program->regs[d->f->first_reg + (u32)reg];
  char text[200], number[12] = "";
  if (r->source->number >= 0) {
    snprintf(number, sizeof number, "%d", r->source->number);
  }
  snprintf(text, sizeof text, "%.80s%s is %s: %s", r->source->name, number, names[r->kind], what);
  return refuse(d, text);
}

// The same, of an operand by its name.
static void refuse_arg(decoder *d, const ptx_arg *arg, const char *what) {
  const char *name = arg->kind == PTX_ARG_VAR ? arg->var->name
                     : arg->name              ? arg->name
                     : arg->kind == PTX_ARG_IMM ? "a number"
                                                : "an operand";
  bool lost = arg->kind == PTX_ARG_NAME || arg->kind == PTX_ARG_SPECIAL;
  char text[240];
  snprintf(text, sizeof text, "%.100s%s: %s", name, lost ? " is declared nowhere" : "", what);
  refuse(d, text);
}

static const emu_reg *reg_of(decoder *d, int reg) {
  return &d->l->program->regs[d->f->first_reg + (u32)reg];
}

// ---- results -----------------------------------------------------------------------------------

static bool fits(ptx_class want, ptx_class have) {
  return want == have || (want == PTX_32 && have == PTX_16);
}

static u32 result(decoder *d, const ptx_arg *arg, ptx_class class_) {
  if (arg->kind == PTX_ARG_SINK) {
    return emu_new_cell(d->l, class_);
  }
  if (arg->kind != PTX_ARG_REG) {
    refuse_arg(d, arg, "the result is no register");
    return 0;
  }
  if (!fits(class_, (ptx_class)reg_of(d, arg->reg)->kind)) {
    refuse_reg(d, arg->reg, "the result has another size");
    return 0;
  }
  emu_note(d->l, d->f, arg->reg, true);
  return reg_of(d, arg->reg)->cell;
}

static void second_result(decoder *d, const ptx_arg *arg) {
  if (arg->pair < 0) {
    return;
  }
  if (reg_of(d, arg->pair)->kind != PTX_PRED) {
    refuse(d, "the second result is no predicate");
    return;
  }
  emu_note(d->l, d->f, arg->pair, true);
  d->inst->e = reg_of(d, arg->pair)->cell;
}

// ---- sources -----------------------------------------------------------------------------------

static u64 constant(const ptx_arg *arg, ptx_class class_) {
  if (!arg->is_float) {
    return (u64)arg->imm;
  }
  if (class_ == PTX_64) {
    double number = arg->number;
    u64 bits;
    memcpy(&bits, &number, 8);
    return bits;
  }
  if (arg->is_f32) {
    return (u64)arg->imm;
  }
  float number = (float)arg->number;
  u32 bits;
  memcpy(&bits, &number, 4);
  return bits;
}

static u32 special(decoder *d, const char *name, ptx_class class_) {
  static const struct {
    const char *name;
    u8 kind;
  } names[] = {{"%tid", EMU_S_TID}, {"%ntid", EMU_S_NTID}, {"%ctaid", EMU_S_CTAID},
               {"%nctaid", EMU_S_NCTAID}, {"%laneid", EMU_S_LANEID}, {"%warpid", EMU_S_WARPID},
               {"%nwarpid", EMU_S_NWARPID}, {"%lanemask_eq", EMU_S_MASK_EQ},
               {"%lanemask_lt", EMU_S_MASK_LT}, {"%lanemask_le", EMU_S_MASK_LE},
               {"%lanemask_gt", EMU_S_MASK_GT}, {"%lanemask_ge", EMU_S_MASK_GE},
               {"%smid", EMU_S_SMID}, {"%nsmid", EMU_S_NSMID}, {"%gridid", EMU_S_GRIDID},
               {"%dynamic_smem_size", EMU_S_DYNAMIC}, {"%total_smem_size", EMU_S_TOTAL},
               {"%clock", EMU_S_CLOCK}, {"%clock_hi", EMU_S_ZERO}, {"%clock64", EMU_S_CLOCK},
               {"%globaltimer", EMU_S_CLOCK}, {"%globaltimer_lo", EMU_S_CLOCK},
               {"%globaltimer_hi", EMU_S_ZERO}, {"%cluster_ctaid", EMU_S_ZERO},
               {"%cluster_nctaid", EMU_S_ONE}, {"%clusterid", EMU_S_CTAID},
               {"%nclusterid", EMU_S_NCTAID}, {"%cluster_ctarank", EMU_S_ZERO},
               {"%cluster_nctarank", EMU_S_ONE}};
  size_t size = strcspn(name, ".");
  u8 axis = name[size] ? (u8)(name[size + 1] - 'x') : 0;
  for (size_t i = 0; i < sizeof names / sizeof *names && axis < 3; i++) {
    if (strlen(names[i].name) != size || memcmp(names[i].name, name, size)) {
      continue;
    }
    emu_program *p = d->l->program;
    if (class_ == PTX_64 && names[i].kind != EMU_S_CLOCK && names[i].kind != EMU_S_GRIDID) {
      refuse(d, "the special register has 32 bits");
      return 0;
    }
    for (u32 j = 0; j < p->special_count; j++) {
      if (p->specials[j].kind == names[i].kind && p->specials[j].axis == axis &&
          p->specials[j].wide == (class_ == PTX_64)) {
        return p->specials[j].cell;
      }
    }
    p->specials = ptx_grow(d->l->arena, p->specials, (int)p->special_count, sizeof *p->specials);
    u32 cell = emu_new_cell(d->l, class_);
    p->specials[p->special_count++] = (emu_special){cell, names[i].kind, axis, class_ == PTX_64};
    return cell;
  }
  char text[120];
  snprintf(text, sizeof text, "the emulator does not know special register '%.60s'", name);
  refuse(d, text);
  return 0;
}

static u32 negated(decoder *d, u32 cell) {
  u32 to = emu_new_cell(d->l, PTX_PRED);
  emu_inst *inst = emu_new_inst(d->l, d->s->line);
  static const emu_io none;
  emu_matched matched;
  int needs;
  emu_match("not.pred", 90, &matched, &needs);
  inst->exec = matched.form->exec;
  inst->d = to;
  inst->a = cell;
  inst->io = &none;
  return to;
}

static u32 source(decoder *d, const ptx_arg *arg, ptx_class class_) {
  switch (arg->kind) {
    case PTX_ARG_REG: {
      const emu_reg *reg = reg_of(d, arg->reg);
      if (!fits(class_, (ptx_class)reg->kind)) {
        refuse_reg(d, arg->reg, "the instruction has operands of another size");
        return 0;
      }
      emu_note(d->l, d->f, arg->reg, false);
      return arg->negated ? negated(d, reg->cell) : reg->cell;
    }
    case PTX_ARG_IMM:
      return emu_const_cell(d->l, class_, class_ == PTX_PRED
                                              ? (arg->imm ? EMU_FULL : 0)
                                              : constant(arg, class_));
    case PTX_ARG_VAR:
      return emu_const_cell(d->l, class_, emu_var_address(d->l, d->f, arg->var) + (u64)arg->imm);
    case PTX_ARG_SPECIAL: return special(d, arg->name, class_);
    default: refuse_arg(d, arg, "no operand that the emulator knows there"); return 0;
  }
}

static void add_source(decoder *d, u32 cell) {
  u32 *to[] = {&d->inst->a, &d->inst->b, &d->inst->c, &d->inst->e};
  if (d->sources < 4) {
    *to[d->sources++] = cell;
  }
}

static void address(decoder *d, const ptx_arg *arg) {
  emu_inst *inst = d->inst;
  const ptx_arg *base = arg->list;
  if (arg->kind != PTX_ARG_MEM) {
    refuse(d, "an operand is no address");
    return;
  }
  u64 offset = (u64)arg->imm;
  bool narrow = false;
  u32 cell;
  if (base->kind == PTX_ARG_REG) {
    narrow = reg_of(d, base->reg)->kind == PTX_32;
    cell = source(d, base, narrow ? PTX_32 : PTX_64);
  } else if (base->kind == PTX_ARG_VAR) {
    offset += emu_var_address(d->l, d->f, base->var) + (u64)base->imm;
    cell = emu_const_cell(d->l, PTX_64, 0);
    bool entry = base->var->is_formal && d->f->source->is_entry;
    if (base->var->space == PTX_PARAM && !entry && inst->space == PTX_PARAM) {
      inst->space = PTX_LOCAL;  // of a call
    }
    if (base->var->space == PTX_SHARED && inst->space == PTX_GENERIC) {
      inst->space = PTX_SHARED;
    }
  } else if (base->kind == PTX_ARG_IMM) {
    offset += (u64)base->imm;
    cell = emu_const_cell(d->l, PTX_64, 0);
  } else {
    refuse_arg(d, base, "no address that the emulator knows");
    return;
  }
  if (d->addresses++) {
    add_source(d, cell);
    inst->imm2 = (s64)offset;
    inst->mods |= narrow ? EMU_M_SECOND32 : 0;
  } else {
    inst->imm = (s64)offset;
    inst->mods |= narrow ? EMU_M_ADDRESS32 : 0;
    add_source(d, cell);
  }
}

// ---- lists -------------------------------------------------------------------------------------

static u32 listed(ptx_class class_) {
  return class_ == PTX_64 ? EMU_LIST_64 : class_ == PTX_16 ? EMU_LIST_16 : 0;
}

static void list_add(decoder *d, const ptx_arg *arg, ptx_class class_, bool is_result) {
  if (d->list_count == EMU_MAX_IDS) {
    refuse(d, "there are too many operands");
    return;
  }
  if (arg->kind == PTX_ARG_REG) {
    class_ = (ptx_class)reg_of(d, arg->reg)->kind;
  }
  u32 cell = is_result ? result(d, arg, class_) : source(d, arg, class_);
  d->list[d->list_count++] = cell | listed(class_);
}

static void vector(decoder *d, const ptx_arg *arg, u32 count, ptx_class class_, bool is_result) {
  if (arg->kind != PTX_ARG_VEC && count == 1) {
    list_add(d, arg, class_, is_result);
    return;
  }
  if (arg->kind != PTX_ARG_VEC || (u32)arg->count != count) {
    refuse(d, "a vector has not the number of elements that the instruction has");
    return;
  }
  for (int i = 0; i < arg->count; i++) {
    list_add(d, &arg->list[i], class_, is_result);
  }
}

static void finish_list(decoder *d) {
  if (!d->list_count) {
    return;
  }
  u32 *list = ptx_alloc(d->l->arena, d->list_count * sizeof *list);
  memcpy(list, d->list, d->list_count * sizeof *list);
  d->inst->list = list;
  d->inst->list_count = d->list_count;
}

static ptx_class class_of(u32 bytes) { return bytes == 8 ? PTX_64 : PTX_32; }

// ---- what only one opcode has ------------------------------------------------------------------

emu_exec emu_x_mov32, emu_x_mov64, emu_x_movpred, emu_x_mov_pack, emu_x_mov_unpack;

static bool move(decoder *d) {
  const ptx_arg *to = &d->s->args[0], *from = &d->s->args[1];
  emu_inst *inst = d->inst;
  if (d->s->count != 2) {
    return false;
  }
  ptx_class class_ = inst->types[0] == EMU_W_PRED ? PTX_PRED : class_of(inst->size);
  if (to->kind == PTX_ARG_VEC || from->kind == PTX_ARG_VEC) {
    const ptx_arg *parts = to->kind == PTX_ARG_VEC ? to : from;
    u32 bytes = inst->size / (u32)(parts->count ? parts->count : 1);
    if (class_ == PTX_PRED || (bytes != 1 && bytes != 2 && bytes != 4)) {
      return refuse(d, "the vector does not divide the type");
    }
    vector(d, parts, (u32)parts->count, PTX_32, parts == to);
    inst->count = (u8)parts->count;
    if (parts == to) {
      inst->exec = emu_x_mov_unpack;
      inst->a = source(d, from, class_);
    } else {
      inst->exec = emu_x_mov_pack;
      inst->d = result(d, to, class_);
    }
    inst->d_class = inst->a_class = (u8)class_;
    return true;
  }
  inst->exec = class_ == PTX_PRED ? emu_x_movpred : class_ == PTX_64 ? emu_x_mov64 : emu_x_mov32;
  inst->d = result(d, to, class_);
  inst->a = source(d, from, class_);
  if (from->kind == PTX_ARG_REG && !from->negated) {
    inst->mods |= EMU_M_COPY;
  }
  return true;
}

static bool call_moves(decoder *d, const ptx_arg *list, ptx_var **formals, int count,
                       emu_linked *callee, bool back, const emu_move **moves) {
  emu_move *made = ptx_alloc(d->l->arena, ((size_t)count + 1) * sizeof *made);
  if ((list ? list->count : 0) != count) {
    return refuse(d, "the number of arguments is not that of the function");
  }
  for (int i = 0; i < count; i++) {
    const ptx_arg *arg = &list->list[i];
    if (arg->kind != PTX_ARG_VAR || arg->var->space != PTX_PARAM || arg->var->is_module ||
        arg->var->bytes != formals[i]->bytes) {
      return refuse(d, "an argument is no .param variable of the formal parameter's size");
    }
    u32 here = (u32)emu_var_address(d->l, d->f, arg->var);
    u32 there = (u32)emu_var_address(d->l, callee, formals[i]);
    made[i] = (emu_move){back ? there : here, back ? here : there, (u32)arg->var->bytes};
  }
  *moves = made;
  return true;
}

static bool call(decoder *d) {
  const ptx_arg *results = NULL, *name = NULL, *args = NULL;
  for (int i = 0; i < d->s->count; i++) {
    const ptx_arg *arg = &d->s->args[i];
    if (arg->kind == PTX_ARG_LIST && !name) {
      results = arg;
    } else if (arg->kind == PTX_ARG_LIST) {
      args = arg;
    } else if (!name) {
      name = arg;
    }
  }
  if (!name || name->kind != PTX_ARG_NAME) {
    return refuse(d, "calls through a register are not supported");
  }
  for (int i = 0; i < d->l->count; i++) {
    emu_linked *callee = d->l->functions[i];
    if (strcmp(callee->source->name, name->name)) {
      continue;
    }
    emu_call *to = ptx_alloc(d->l->arena, sizeof *to);
    to->arg_count = (u32)callee->source->param_count;
    to->result_count = (u32)callee->source->result_count;
    d->inst->call = to;
    d->inst->target = (u32)i;
    return call_moves(d, args, callee->source->params, callee->source->param_count, callee, false,
                      &to->args) &&
           call_moves(d, results, callee->source->results, callee->source->result_count, callee,
                      true, &to->results);
  }
  char text[160];
  snprintf(text, sizeof text, "function '%.100s' is not defined in this text", name->name);
  return refuse(d, text);
}

// d, barrier[, threads], [!]predicate
static bool reducing_barrier(decoder *d) {
  const ptx_arg *args = d->s->args;
  int count = d->s->count;
  if (count != 3 && count != 4) {
    return false;
  }
  bool counts = d->inst->op == EMU_W_POPC;
  d->inst->d = result(d, &args[0], counts ? PTX_32 : PTX_PRED);
  d->inst->a = source(d, &args[1], PTX_32);
  d->inst->b = count == 4 ? source(d, &args[2], PTX_32) : 0;
  d->inst->c = source(d, &args[count - 1], PTX_PRED);
  return !d->l->bad;
}

static bool special_form(decoder *d, const char *operands) {
  emu_inst *inst = d->inst;
  const ptx_stmt *s = d->s;
  if (operands[1] && inst->flow == EMU_BAR) {
    return reducing_barrier(d);
  }
  if (operands[1] || !strcmp(operands, "m *")) {
    bool stores = operands[0] == 'm';
    if (s->count != 2) {
      return false;
    }
    if (inst->count * inst->size > 16 && d->l->module->source->sm < 100) {
      return refuse(d, "more than 16 bytes at once need sm_100");
    }
    address(d, &s->args[!stores ? 1 : 0]);
    vector(d, &s->args[stores ? 1 : 0], inst->count, class_of(inst->size), !stores);
    return !d->l->bad;
  }
  if (inst->flow == EMU_BRA) {
    return s->count == 1 && s->args[0].kind == PTX_ARG_NAME;
  }
  if (inst->flow == EMU_BRX) {
    if (s->count != 2 || s->args[1].kind != PTX_ARG_NAME) {
      return false;
    }
    inst->a = source(d, &s->args[0], PTX_32);
    return !d->l->bad;
  }
  if (inst->flow == EMU_CALL) {
    return call(d);
  }
  if (!strcmp(s->opcode, "implicit-def")) {
    emu_note(d->l, d->f, s->args[0].reg, true);
    return true;
  }
  return move(d);
}

// ---- one operand by its letter -----------------------------------------------------------------

static void any_register(decoder *d, const ptx_arg *arg, bool is_result) {
  ptx_class class_ = arg->kind == PTX_ARG_REG ? (ptx_class)reg_of(d, arg->reg)->kind
                     : is_result                ? class_of(d->inst->size)
                                                : class_of(emu_type_size((emu_word)(
                                                      d->inst->types[1] ? d->inst->types[1]
                                                                        : (u8)EMU_W_B32)));
  class_ = class_ == PTX_16 ? PTX_32 : class_;
  if (is_result) {
    d->inst->d = result(d, arg, class_);
    d->inst->d_class = (u8)class_;
    d->inst->d_is_16 = arg->kind == PTX_ARG_REG && reg_of(d, arg->reg)->kind == PTX_16;
    d->inst->mods |= EMU_M_RESULT;
  } else {
    add_source(d, source(d, arg, class_));
    d->inst->a_class = (u8)class_;
  }
}

static bool one(decoder *d, const ptx_arg *arg, const char *letter) {
  emu_inst *inst = d->inst;
  static const char classes[] = {['d'] = PTX_32, ['D'] = PTX_64, ['P'] = PTX_PRED,
                                 ['a'] = PTX_32, ['A'] = PTX_64, ['p'] = PTX_PRED};
  switch (*letter) {
    case 'd': case 'D': case 'P':
      inst->d = result(d, arg, (ptx_class)classes[(int)*letter]);
      if (letter[1] == '|') {
        second_result(d, arg);
      } else if (arg->pair >= 0) {
        return false;
      }
      break;
    case 'a':
    case 'A':
    case 'p':
      add_source(d, source(d, arg, (ptx_class)classes[(int)*letter]));
      break;
    case 'o': case 'x': any_register(d, arg, *letter == 'o'); break;
    case 'M': inst->members = source(d, arg, PTX_32); break;
    case 'm': address(d, arg); break;
    case 'i':
      if (arg->kind != PTX_ARG_IMM) {
        return refuse(d, "an operand has to be a constant");
      }
      inst->target = (u32)arg->imm;
      break;
    case 'v': case 'w': {
      u32 count = letter[1] >= '1' && letter[1] <= '9' ? (u32)(letter[1] - '0') : inst->count;
      vector(d, arg, count, PTX_32, *letter == 'v');
      break;
    }
    default: return false;
  }
  return !d->l->bad;
}

bool emu_link_operands(emu_linker *l, emu_linked *f, const ptx_stmt *s, const emu_matched *matched,
                       emu_inst *inst) {
  decoder d = {.l = l, .f = f, .s = s, .inst = inst};
  const char *at = matched->form->operands;
  if (strchr(at, '*')) {
    bool good = special_form(&d, at);
    finish_list(&d);
    return good && !l->bad;
  }
  int next = 0;
  bool optional = false;
  while (*at) {
    if (*at == ' ') {
      at++;
      continue;
    }
    if (*at == '?') {
      optional = true;
      at++;
    }
    if (next == s->count) {
      if (!optional) {
        return false;
      }
      break;
    }
    if (!one(&d, &s->args[next++], at)) {
      return false;
    }
    at += strcspn(at, " ");
  }
  finish_list(&d);
  return next == s->count && !l->bad;
}
