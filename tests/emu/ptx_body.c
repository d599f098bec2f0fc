// Bodies of functions: registers, variables, labels, instructions and their operands.
#include <stdlib.h>
#include <string.h>

#include "ptx_parser.h"

typedef struct reg_range {
  const char *stem;
  size_t stem_size;
  int count;  // -1: one register of this very name
  int first, scope;
} reg_range;

enum { MOST_DEPTH = 64 };

typedef struct body {
  ptx_parser *p;
  ptx_function *f;
  reg_range *ranges;
  int range_count;
  int scopes[MOST_DEPTH];  // that are open, innermost last
  int depth;
  int *var_scopes;    // of f->vars
} body;

void *ptx_grow(ptx_arena *arena, void *array, int count, size_t bytes) {
  if (count & (count - 1)) {
    return array;
  }
  size_t room = count ? (size_t)count * 2 : 1;
  void *bigger = ptx_alloc(arena, room * bytes);
  if (count) {
    memcpy(bigger, array, (size_t)count * bytes);
  }
  return bigger;
}

void ptx_add_var(ptx_parser *p, ptx_function *f, ptx_var *var) {
  var->id = f->var_count;
  f->vars = ptx_grow(p->arena, f->vars, f->var_count, sizeof *f->vars);
  f->vars[f->var_count++] = var;
}

static bool is_open(const body *b, int scope) {
  for (int i = b->depth; i-- > 0;) {
    if (b->scopes[i] == scope) {
      return true;
    }
  }
  return false;
}

static void open_scope(body *b) {
  ptx_function *f = b->f;
  f->parents = ptx_grow(b->p->arena, f->parents, f->scope_count, sizeof *f->parents);
  f->parents[f->scope_count] = b->depth ? b->scopes[b->depth - 1] : -1;
  b->scopes[b->depth++] = f->scope_count++;
}

static int find_reg(const body *b, const char *name, size_t size) {
  size_t stem = size;
  while (stem && name[stem - 1] >= '0' && name[stem - 1] <= '9') {
    stem--;
  }
  for (int i = b->range_count; i-- > 0;) {
    const reg_range *range = &b->ranges[i];
    if (!is_open(b, range->scope)) {
      continue;
    }
    if (range->count < 0) {
      if (range->stem_size == size && !memcmp(range->stem, name, size)) {
        return range->first;
      }
    } else if (range->stem_size == stem && stem < size && size - stem < 9 &&
               !memcmp(range->stem, name, stem)) {
      int number = atoi(name + stem);
      if (number < range->count) {
        return range->first + number;
      }
    }
  }
  return -1;
}

static ptx_var *find_var(const body *b, const char *name, size_t size) {
  for (int i = b->f->var_count; i-- > 0;) {
    ptx_var *var = b->f->vars[i];
    if (strlen(var->name) == size && !memcmp(var->name, name, size) &&
        (var->is_formal || is_open(b, b->var_scopes[i]))) {
      return var;
    }
  }
  for (int i = 0; i < b->p->module->var_count; i++) {
    ptx_var *var = b->p->module->vars[i];
    if (strlen(var->name) == size && !memcmp(var->name, name, size)) {
      return var;
    }
  }
  return NULL;
}

static void add_reg(body *b, ptx_class class_, const char *stem, int number) {
  ptx_function *f = b->f;
  f->regs = ptx_grow(b->p->arena, f->regs, f->reg_count, sizeof *f->regs);
  f->regs[f->reg_count++] = (ptx_reg){class_, stem, number};
}

// Two ranges of one scope with one register of the same name?
static bool overlap(const reg_range *a, const reg_range *b) {
  if (a->count < 0 || b->count < 0) {
    const reg_range *one = a->count < 0 ? a : b, *many = a->count < 0 ? b : a;
    if (many->count < 0) {
      return one->stem_size == many->stem_size && !memcmp(one->stem, many->stem, one->stem_size);
    }
    return one->stem_size > many->stem_size && one->stem_size < many->stem_size + 9 &&
           !memcmp(one->stem, many->stem, many->stem_size) &&
           strspn(one->stem + many->stem_size, "0123456789") == one->stem_size - many->stem_size &&
           atoi(one->stem + many->stem_size) < many->count;
  }
  return a->count && b->count && a->stem_size == b->stem_size &&
         !memcmp(a->stem, b->stem, a->stem_size);
}

static void add_range(body *b, reg_range range) {
  for (int i = 0; i < b->range_count; i++) {
    if (b->ranges[i].scope == range.scope && overlap(&b->ranges[i], &range)) {
      ptx_error(b->p->errors, b->p->token.line, "register '%s' is declared twice", range.stem);
    }
  }
  b->ranges = ptx_grow(b->p->arena, b->ranges, b->range_count, sizeof *b->ranges);
  b->ranges[b->range_count++] = range;
}

static void declare_regs(body *b) {
  ptx_parser *p = b->p;
  uint32_t bytes = ptx_type_bytes(p->token.text + 1, p->token.size - 1);
  ptx_class class_ = ptx_is(p, ".pred") ? PTX_PRED
                     : bytes == 8       ? PTX_64
                     : bytes == 4       ? PTX_32
                                        : PTX_16;
  if (!bytes || bytes > 8) {
    ptx_fail(p, "expected a type of registers (.b128 is not supported)");
  }
  ptx_step(p);
  do {
    reg_range range = {.stem = ptx_name(p), .count = -1, .first = b->f->reg_count,
                       .scope = b->scopes[b->depth - 1]};
    range.stem_size = strlen(range.stem);
    if (p->failed) {
      return;
    }
    if (ptx_accept(p, "<")) {
      uint64_t count = ptx_integer(p);
      if (count > 1 << 20) {
        ptx_fail(p, "expected fewer registers");
        return;
      }
      range.count = (int)count;
      ptx_expect(p, ">");
    }
    for (int i = 0; i < (range.count < 0 ? 1 : range.count); i++) {
      add_reg(b, class_, range.stem, range.count < 0 ? -1 : i);
    }
    add_range(b, range);
  } while (ptx_accept(p, ","));
  ptx_expect(p, ";");
}

static void add_var(body *b, ptx_var *var) {
  int index = b->f->var_count;
  ptx_add_var(b->p, b->f, var);
  int *scopes = ptx_alloc(b->p->arena, (size_t)(index + 1) * sizeof *scopes);
  if (index) {
    memcpy(scopes, b->var_scopes, (size_t)index * sizeof *scopes);
  }
  scopes[index] = b->scopes[b->depth - 1];
  b->var_scopes = scopes;
}

// ---- operands ----------------------------------------------------------------------------------

static ptx_arg operand(body *b);

static void list_operand(body *b, ptx_arg *arg, ptx_arg_kind kind, const char *end) {
  ptx_parser *p = b->p;
  arg->kind = kind;
  while (!p->failed && !ptx_is(p, end)) {
    ptx_arg element = operand(b);
    arg->list = ptx_grow(p->arena, arg->list, arg->count, sizeof *arg->list);
    arg->list[arg->count++] = element;
    if (!ptx_accept(p, ",")) {
      break;
    }
  }
  ptx_expect(p, end);
}

static void address_operand(body *b, ptx_arg *arg) {
  ptx_parser *p = b->p;
  arg->kind = PTX_ARG_MEM;
  arg->list = ptx_alloc(p->arena, sizeof *arg->list);
  *arg->list = operand(b);
  arg->count = 1;
  if (ptx_accept(p, "+")) {
    arg->imm = (int64_t)ptx_integer(p);
  } else if (ptx_is(p, "-")) {
    arg->imm = (int64_t)ptx_integer(p);
  }
  ptx_expect(p, "]");
}

static void word_operand(body *b, ptx_arg *arg) {
  ptx_parser *p = b->p;
  const char *text = p->token.text;
  size_t size = p->token.size;
  arg->reg = find_reg(b, text, size);
  if (arg->reg >= 0) {
    arg->kind = PTX_ARG_REG;
    ptx_step(p);
    if (ptx_accept(p, "|")) {
      arg->pair = find_reg(b, p->token.text, p->token.size);
      if (arg->pair < 0 && !ptx_is(p, "_")) {
        ptx_fail(p, "expected a register");
      }
      ptx_step(p);
    }
    return;
  }
  if (ptx_accept(p, "_")) {
    arg->kind = PTX_ARG_SINK;
    if (ptx_accept(p, "|")) {
      arg->pair = find_reg(b, p->token.text, p->token.size);
      ptx_step(p);
    }
    return;
  }
  arg->var = find_var(b, text, size);
  arg->kind = arg->var ? PTX_ARG_VAR : size && *text == '%' ? PTX_ARG_SPECIAL : PTX_ARG_NAME;
  if (!arg->var && ptx_is(p, "WARP_SZ")) {
    arg->kind = PTX_ARG_IMM;
    arg->imm = 32;
  }
  arg->name = ptx_name(p);
  if (arg->kind == PTX_ARG_VAR && ptx_accept(p, "+")) {
    arg->imm = (int64_t)ptx_integer(p);
  }
}

static ptx_arg operand(body *b) {
  ptx_parser *p = b->p;
  ptx_arg arg = {.reg = -1, .pair = -1};
  if (ptx_accept(p, "!")) {
    arg = operand(b);
    arg.negated = true;
  } else if (ptx_accept(p, "-")) {
    if (!ptx_number(p, &arg)) {
      ptx_fail(p, "expected a number");
    }
    if (arg.is_float) {
      arg.imm ^= (int64_t)((uint64_t)1 << (arg.is_f32 ? 31 : 63));
      arg.number = -arg.number;
    } else {
      arg.imm = (int64_t) - (uint64_t)arg.imm;
    }
  } else if (ptx_accept(p, "{")) {
    list_operand(b, &arg, PTX_ARG_VEC, "}");
  } else if (ptx_accept(p, "(")) {
    list_operand(b, &arg, PTX_ARG_LIST, ")");
  } else if (ptx_accept(p, "[")) {
    address_operand(b, &arg);
  } else if (p->token.kind == PTX_WORD) {
    word_operand(b, &arg);
  } else if (!ptx_number(p, &arg)) {
    ptx_fail(p, "expected an operand");
  }
  return arg;
}

// ---- statements --------------------------------------------------------------------------------

static void add_label(body *b, const char *name) {
  ptx_function *f = b->f;
  for (int i = 0; i < f->label_count; i++) {
    if (f->labels[i].scope == b->scopes[b->depth - 1] && !strcmp(f->labels[i].name, name)) {
      ptx_error(b->p->errors, b->p->token.line, "label '%s' is there twice", name);
    }
  }
  f->labels = ptx_grow(b->p->arena, f->labels, f->label_count, sizeof *f->labels);
  ptx_label *label = &f->labels[f->label_count++];
  *label = (ptx_label){.name = name, .at = f->count, .scope = b->scopes[b->depth - 1]};
  if (ptx_accept(b->p, ".branchtargets")) {
    do {
      label->targets =
          ptx_grow(b->p->arena, label->targets, label->target_count, sizeof *label->targets);
      label->targets[label->target_count++] = ptx_name(b->p);
    } while (ptx_accept(b->p, ","));
    ptx_expect(b->p, ";");
  } else if (ptx_is(b->p, ".callprototype") || ptx_is(b->p, ".calltargets")) {
    while (!b->p->failed && b->p->token.kind != PTX_END && !ptx_is(b->p, ";")) {
      ptx_step(b->p);
    }
    ptx_expect(b->p, ";");
  }
}

static ptx_stmt *add_stmt(body *b) {
  ptx_function *f = b->f;
  f->body = ptx_grow(b->p->arena, f->body, f->count, sizeof *f->body);
  ptx_stmt *stmt = &f->body[f->count++];
  *stmt = (ptx_stmt){.line = b->p->token.line, .scope = b->scopes[b->depth - 1], .pred = -1};
  return stmt;
}

static void implicit_def(body *b) {
  int reg = find_reg(b, b->p->token.text, b->p->token.size);
  if (reg >= 0) {
    ptx_stmt *stmt = add_stmt(b);
    stmt->opcode = "implicit-def";
    stmt->args = ptx_alloc(b->p->arena, sizeof *stmt->args);
    *stmt->args = (ptx_arg){.kind = PTX_ARG_REG, .reg = reg, .pair = -1};
    stmt->count = 1;
  }
  ptx_step(b->p);
}

static void instruction(body *b) {
  ptx_parser *p = b->p;
  ptx_stmt stmt = {.scope = b->scopes[b->depth - 1], .pred = -1};
  int line = p->token.line;
  if (ptx_accept(p, "@")) {
    stmt.pred_negated = ptx_accept(p, "!");
    stmt.pred = find_reg(b, p->token.text, p->token.size);
    if (stmt.pred < 0) {
      ptx_fail(p, "expected a predicate");
    }
    ptx_step(p);
    line = p->token.line;
  }
  stmt.opcode = ptx_name(p);
  if (stmt.pred < 0 && ptx_accept(p, ":")) {
    add_label(b, stmt.opcode);
    return;
  }
  stmt.line = line;
  while (!p->failed && !ptx_is(p, ";")) {
    ptx_arg arg = operand(b);
    stmt.args = ptx_grow(p->arena, stmt.args, stmt.count, sizeof *stmt.args);
    stmt.args[stmt.count++] = arg;
    if (!ptx_accept(p, ",")) {
      break;
    }
  }
  ptx_expect(p, ";");
  if (!p->failed) {
    *add_stmt(b) = stmt;
  }
}

static void statement(body *b) {
  ptx_parser *p = b->p;
  ptx_space space;
  if (p->token.kind == PTX_UNDEF) {
    implicit_def(b);
  } else if (b->depth == MOST_DEPTH) {
    ptx_fail(p, "expected fewer braces in each other");
  } else if (ptx_accept(p, "{")) {
    open_scope(b);
  } else if (ptx_accept(p, "}")) {
    b->depth--;
  } else if (ptx_accept(p, ";")) {
  } else if (ptx_accept(p, ".reg")) {
    declare_regs(b);
  } else if (ptx_space_word(p, &space)) {
    add_var(b, ptx_variable(p, space));
    ptx_expect(p, ";");
  } else if (ptx_is(p, ".loc") || ptx_is(p, ".file")) {
    ptx_skip_line(p);
  } else if (ptx_accept(p, ".pragma")) {
    ptx_step(p);
    ptx_expect(p, ";");
  } else {
    instruction(b);
  }
}

void ptx_body(ptx_parser *p, ptx_function *f) {
  body b = {.p = p, .f = f};
  if (f->var_count) {
    b.var_scopes = ptx_alloc(p->arena, (size_t)f->var_count * sizeof *b.var_scopes);
  }
  ptx_expect(p, "{");
  open_scope(&b);
  while (!p->failed && b.depth) {
    if (p->token.kind == PTX_END) {
      ptx_fail(p, "expected '}'");
    } else {
      statement(&b);
    }
  }
}
