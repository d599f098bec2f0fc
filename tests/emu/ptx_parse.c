// Modules: directives, variables and their initializers. Bodies of functions are in ptx_body.c.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ptx_parser.h"

// ---- tokens ------------------------------------------------------------------------------------

void ptx_step(ptx_parser *p) {
  p->token = p->failed ? (ptx_token){PTX_END, "", 0, p->token.line} : ptx_next(&p->lexer);
}

void ptx_fail(ptx_parser *p, const char *what) {
  if (!p->failed) {
    ptx_error(p->errors, p->token.line, "%s, but here is '%.*s'", what,
              p->token.size > 60 ? 60 : (int)p->token.size,
              p->token.kind == PTX_END ? "the end" : p->token.text);
  }
  p->failed = true;
  ptx_step(p);
}

bool ptx_is(const ptx_parser *p, const char *text) {
  return p->token.kind != PTX_STRING && p->token.size == strlen(text) &&
         !memcmp(p->token.text, text, p->token.size);
}

bool ptx_accept(ptx_parser *p, const char *text) {
  if (p->failed || !ptx_is(p, text)) {
    return false;
  }
  ptx_step(p);
  return true;
}

void ptx_expect(ptx_parser *p, const char *text) {
  if (!ptx_accept(p, text)) {
    char what[80];
    snprintf(what, sizeof what, "expected '%s'", text);
    ptx_fail(p, what);
  }
}

const char *ptx_name(ptx_parser *p) {
  if (p->token.kind != PTX_WORD) {
    ptx_fail(p, "expected a name");
    return "";
  }
  const char *name = ptx_text(p->arena, p->token.text, p->token.size);
  ptx_step(p);
  return name;
}

uint64_t ptx_integer(ptx_parser *p) {
  ptx_arg value = {0};
  bool negative = ptx_accept(p, "-");
  if (!ptx_number(p, &value)) {
    ptx_fail(p, "expected a number");
  }
  return negative ? -(uint64_t)value.imm : (uint64_t)value.imm;
}

// Reads a number without a sign into |arg|.
bool ptx_number(ptx_parser *p, ptx_arg *arg) {
  if (p->token.kind != PTX_NUMBER) {
    return false;
  }
  char text[80];
  size_t size = p->token.size < sizeof text ? p->token.size : sizeof text - 1;
  memcpy(text, p->token.text, size);
  text[size] = 0;
  arg->kind = PTX_ARG_IMM;
  bool hex = text[0] == '0' && size > 2;
  char *end = text + size;
  if (hex && (text[1] == 'f' || text[1] == 'F') && size == 10) {
    uint32_t bits = (uint32_t)strtoul(text + 2, &end, 16);
    float value;
    memcpy(&value, &bits, 4);
    arg->imm = bits;
    arg->number = (double)value;
    arg->is_float = arg->is_f32 = true;
  } else if (hex && (text[1] == 'd' || text[1] == 'D') && size == 18) {
    uint64_t bits = strtoull(text + 2, &end, 16);
    memcpy(&arg->number, &bits, 8);
    arg->imm = (int64_t)bits;
    arg->is_float = true;
  } else if (strchr(text, '.') || (!hex && strpbrk(text, "eE"))) {
    arg->number = strtod(text, &end);
    memcpy(&arg->imm, &arg->number, 8);
    arg->is_float = true;
  } else if (hex && (text[1] == 'b' || text[1] == 'B')) {
    arg->imm = (int64_t)strtoull(text + 2, &end, 2);
  } else {
    arg->imm = (int64_t)strtoull(text, &end, 0);
  }
  if (*end == 'U') {
    end++;
  }
  if (*end) {
    ptx_fail(p, "expected a number");
    return false;
  }
  ptx_step(p);
  return true;
}

uint32_t ptx_type_bytes(const char *name, size_t size) {
  static const struct {
    const char *name;
    uint32_t bytes;
  } types[] = {{"u8", 1},  {"s8", 1},  {"b8", 1},  {"u16", 2},  {"s16", 2},   {"b16", 2},
               {"f16", 2}, {"u32", 4}, {"s32", 4}, {"b32", 4},  {"f32", 4},   {"f16x2", 4},
               {"u64", 8}, {"s64", 8}, {"b64", 8}, {"f64", 8},  {"b128", 16}, {"bf16", 2},
               {"bf16x2", 4}, {"pred", 1}};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    if (strlen(types[i].name) == size && !memcmp(types[i].name, name, size)) {
      return types[i].bytes;
    }
  }
  return 0;
}

// ---- variables ---------------------------------------------------------------------------------

static uint32_t element_type(ptx_parser *p, bool *is_float) {
  uint32_t bytes = p->token.size > 1 && p->token.text[0] == '.'
                       ? ptx_type_bytes(p->token.text + 1, p->token.size - 1)
                       : 0;
  *is_float = p->token.size > 1 && p->token.text[1] == 'f';
  if (!bytes) {
    ptx_fail(p, "expected a type");
    return 1;
  }
  ptx_step(p);
  return bytes;
}

typedef struct initializer {
  ptx_var *var;
  uint32_t bytes;
  bool is_float;
  uint64_t at;
} initializer;

static void put(initializer *to, const void *value) {
  if (to->at + to->bytes <= to->var->bytes) {
    memcpy(to->var->initial + to->at, value, to->bytes);
  }
  to->at += to->bytes;
}

static void initial_symbol(ptx_parser *p, initializer *to) {
  bool generic = ptx_accept(p, "generic");
  if (generic) {
    ptx_expect(p, "(");
  }
  ptx_fixup *fixup = ptx_alloc(p->arena, sizeof *fixup);
  *fixup = (ptx_fixup){ptx_name(p), to->at, to->bytes, to->var->fixups};
  to->var->fixups = fixup;
  if (generic) {
    ptx_expect(p, ")");
  }
  uint64_t offset = ptx_accept(p, "+") ? ptx_integer(p) : 0;
  put(to, &offset);
}

static void initial_value(ptx_parser *p, initializer *to) {
  if (ptx_accept(p, "{")) {
    while (!p->failed && !ptx_is(p, "}")) {
      initial_value(p, to);
      if (!ptx_accept(p, ",")) {
        break;
      }
    }
    ptx_expect(p, "}");
    return;
  }
  if (p->token.kind == PTX_WORD) {
    initial_symbol(p, to);
    return;
  }
  bool negative = ptx_accept(p, "-");
  ptx_arg value = {0};
  if (!ptx_number(p, &value)) {
    ptx_fail(p, "expected a value");
    return;
  }
  if (to->is_float) {
    double number = value.is_float ? value.number : (double)value.imm;
    number = negative ? -number : number;
    float narrow = (float)number;
    put(to, to->bytes == 4 ? (void *)&narrow : (void *)&number);
  } else {
    int64_t number = negative ? -value.imm : value.imm;
    put(to, &number);
  }
}

// After the space: [.align N] [.v2|.v4] .type [.ptr ...] name [size] [= value]
ptx_var *ptx_variable(ptx_parser *p, ptx_space space) {
  ptx_var *var = ptx_alloc(p->arena, sizeof *var);
  var->space = space;
  var->line = p->token.line;
  uint32_t align = ptx_accept(p, ".align") ? (uint32_t)ptx_integer(p) : 0;
  uint32_t vector = ptx_accept(p, ".v2") ? 2 : ptx_accept(p, ".v4") ? 4 : 1;
  initializer to = {.var = var};
  to.bytes = element_type(p, &to.is_float);
  while (ptx_accept(p, ".ptr") || ptx_accept(p, ".global") || ptx_accept(p, ".shared") ||
         ptx_accept(p, ".const") || ptx_accept(p, ".local")) {
  }
  if (ptx_accept(p, ".align")) {  // of what a pointer points to
    ptx_integer(p);
  }
  var->align = align ? align : to.bytes * vector;
  var->name = ptx_name(p);
  var->bytes = (uint64_t)to.bytes * vector;
  bool open = false;
  while (ptx_accept(p, "[")) {
    open = ptx_is(p, "]");
    uint64_t count = open ? 0 : ptx_integer(p);
    if (count > UINT32_MAX || var->bytes * count > (uint64_t)1 << 40) {
      ptx_fail(p, "expected a size below 1 TiB");
    }
    var->bytes *= count;
    ptx_expect(p, "]");
  }
  if (ptx_accept(p, "=")) {
    if (open) {
      ptx_fail(p, "expected the size of a variable that has a value");
    }
    var->initial = ptx_alloc(p->arena, var->bytes);
    initial_value(p, &to);
    if (to.at > var->bytes) {
      ptx_error(p->errors, var->line, "'%s' has more values than elements", var->name);
    }
  }
  return var;
}

bool ptx_space_word(ptx_parser *p, ptx_space *space) {
  static const char *names[] = {[PTX_GLOBAL] = ".global", [PTX_SHARED] = ".shared",
                                [PTX_LOCAL] = ".local", [PTX_CONST] = ".const",
                                [PTX_PARAM] = ".param"};
  for (ptx_space i = PTX_GLOBAL; i <= PTX_PARAM; i++) {
    if (ptx_accept(p, names[i])) {
      *space = i;
      return true;
    }
  }
  return false;
}

// ---- functions ---------------------------------------------------------------------------------

static void params(ptx_parser *p, ptx_function *f, ptx_var ***vars, int *count) {
  if (!ptx_accept(p, "(")) {
    return;
  }
  while (!p->failed && !ptx_is(p, ")")) {
    ptx_space space;
    if (!ptx_space_word(p, &space) || space != PTX_PARAM) {
      ptx_fail(p, "expected .param (parameters in registers are not supported)");
      return;
    }
    ptx_var *var = ptx_variable(p, PTX_PARAM);
    var->is_formal = true;
    ptx_add_var(p, f, var);
    *vars = ptx_grow(p->arena, *vars, *count, sizeof **vars);
    (*vars)[(*count)++] = var;
    if (!ptx_accept(p, ",")) {
      break;
    }
  }
  ptx_expect(p, ")");
}

static void shape(ptx_parser *p, uint32_t to[3]) {
  for (int i = 0; i < 3; i++) {
    to[i] = 1;
  }
  for (int i = 0; i < 3; i++) {
    to[i] = (uint32_t)ptx_integer(p);
    if (!ptx_accept(p, ",")) {
      break;
    }
  }
}

static void skip_statement(ptx_parser *p, const char *mark) {
  while (!p->failed && p->token.kind != PTX_END && !ptx_is(p, mark)) {
    ptx_step(p);
  }
}

static void attributes(ptx_parser *p, ptx_function *f) {
  while (!p->failed && !ptx_is(p, "{") && !ptx_is(p, ";")) {
    if (ptx_accept(p, ".reqntid")) {
      shape(p, f->reqntid);
    } else if (ptx_accept(p, ".maxntid")) {
      shape(p, f->maxntid);
    } else if (ptx_accept(p, ".minnctapersm") || ptx_accept(p, ".maxnreg") ||
               ptx_accept(p, ".maxnctapersm")) {
      ptx_integer(p);
    } else if (ptx_accept(p, ".noreturn")) {
    } else if (ptx_accept(p, ".pragma")) {
      skip_statement(p, ";");
      ptx_expect(p, ";");
    } else {
      ptx_fail(p, "expected the body of a function (clusters are not supported)");
    }
  }
}

static void function(ptx_parser *p, bool entry) {
  ptx_function *f = ptx_alloc(p->arena, sizeof *f);
  f->is_entry = entry;
  f->line = p->token.line;
  if (!entry) {
    params(p, f, &f->results, &f->result_count);
  }
  f->name = ptx_name(p);
  params(p, f, &f->params, &f->param_count);
  attributes(p, f);
  ptx_function *old = ptx_find_function(p->module, f->name);
  if (old && old->is_defined) {
    ptx_error(p->errors, f->line, "function '%s' is there twice", f->name);
  }
  if (!old) {
    ptx_module *m = p->module;
    m->functions = ptx_grow(p->arena, m->functions, m->function_count, sizeof *m->functions);
    m->functions[m->function_count++] = f;
  }
  if (ptx_accept(p, ";")) {
    return;
  }
  f->is_defined = true;
  ptx_body(p, f);
  if (old) {  // declared before: calls found it by name
    *old = *f;
  }
}

// ---- module ------------------------------------------------------------------------------------

static void module_variable(ptx_parser *p, ptx_space space, bool is_extern) {
  ptx_var *var = ptx_variable(p, space);
  ptx_module *m = p->module;
  ptx_var *old = ptx_find_var(m, var->name);
  var->is_module = true;
  var->is_extern = is_extern;
  var->id = m->var_count;
  ptx_expect(p, ";");
  if (old) {
    return;  // .extern and .visible may both declare it
  }
  if (!var->bytes && space != PTX_SHARED) {
    ptx_error(p->errors, var->line, "variable '%s' has no size", var->name);
  }
  m->vars = ptx_grow(p->arena, m->vars, m->var_count, sizeof *m->vars);
  m->vars[m->var_count++] = var;
}

static void target(ptx_parser *p) {
  if (p->token.size > 3 && !memcmp(p->token.text, "sm_", 3)) {
    p->module->sm = atoi(p->token.text + 3);
  }
  do {
    ptx_name(p);
  } while (ptx_accept(p, ","));
}

static void version(ptx_parser *p) {
  ptx_arg value = {0};
  if (!ptx_number(p, &value) || !value.is_float) {
    ptx_fail(p, "expected a version");
  }
  p->module->version = (int)(value.number * 10 + 0.5);
}

static void section(ptx_parser *p) {
  skip_statement(p, "{");
  skip_statement(p, "}");
  ptx_expect(p, "}");
}

static void directive(ptx_parser *p) {
  ptx_space space;
  bool is_extern = false;
  while (ptx_is(p, ".visible") || ptx_is(p, ".extern") || ptx_is(p, ".weak") ||
         ptx_is(p, ".common")) {
    is_extern |= ptx_is(p, ".extern");
    ptx_step(p);
  }
  if (ptx_accept(p, ".entry")) {
    function(p, true);
  } else if (ptx_accept(p, ".func")) {
    function(p, false);
  } else if (ptx_space_word(p, &space)) {
    module_variable(p, space, is_extern);
  } else if (ptx_accept(p, ".version")) {
    version(p);
  } else if (ptx_accept(p, ".target")) {
    target(p);
  } else if (ptx_accept(p, ".address_size")) {
    if (ptx_integer(p) != 64) {
      ptx_error(p->errors, p->token.line, "only .address_size 64 is supported");
    }
  } else if (ptx_is(p, ".file") || ptx_is(p, ".loc")) {
    ptx_skip_line(p);
  } else if (ptx_accept(p, ".section")) {
    section(p);
  } else if (ptx_accept(p, ".pragma")) {
    skip_statement(p, ";");
    ptx_expect(p, ";");
  } else if (p->token.kind == PTX_UNDEF || ptx_accept(p, ";")) {
    ptx_step(p);
  } else {
    ptx_fail(p, "expected a directive");
  }
}

void ptx_skip_line(ptx_parser *p) {
  int line = p->token.line;
  while (!p->failed && p->token.kind != PTX_END && p->token.line == line) {
    ptx_step(p);
  }
}

static void split_lines(ptx_module *m, size_t size) {
  int count = 1;
  for (size_t i = 0; i < size; i++) {
    count += m->text[i] == '\n';
  }
  m->lines = ptx_alloc(m->arena, ((size_t)count + 2) * sizeof *m->lines);
  m->line_count = count;
  m->lines[1] = m->text;
  int at = 1;
  for (size_t i = 0; i < size; i++) {
    if (m->text[i] == '\n') {
      m->lines[++at] = m->text + i + 1;
    }
  }
}

ptx_module *ptx_parse(const char *text, size_t size, ptx_errors *errors) {
  ptx_arena *arena = ptx_arena_create();
  ptx_module *m = ptx_alloc(arena, sizeof *m);
  m->arena = arena;
  size = strnlen(text, size);
  m->text = ptx_text(arena, text, size);
  split_lines(m, size);
  ptx_parser p = {.lexer = {m->text, m->text + size, 1, false}, .arena = arena, .module = m,
                  .errors = errors};
  ptx_step(&p);
  while (!p.failed && p.token.kind != PTX_END) {
    directive(&p);
  }
  if (!errors->count && p.lexer.open) {
    ptx_error(errors, p.lexer.line, "a comment or a string does not end");
  }
  if (!errors->count && (!m->version || !m->sm)) {
    ptx_error(errors, 0, "the text has no .version or no .target sm_NN: it is no PTX");
  }
  if (errors->count) {
    ptx_module_destroy(m);
    return NULL;
  }
  return m;
}

void ptx_module_destroy(ptx_module *module) {
  if (module) {
    ptx_arena_destroy(module->arena);
  }
}

ptx_function *ptx_find_function(const ptx_module *module, const char *name) {
  for (int i = 0; i < module->function_count; i++) {
    if (!strcmp(module->functions[i]->name, name)) {
      return module->functions[i];
    }
  }
  return NULL;
}

ptx_var *ptx_find_var(const ptx_module *module, const char *name) {
  for (int i = 0; i < module->var_count; i++) {
    if (!strcmp(module->vars[i]->name, name)) {
      return module->vars[i];
    }
  }
  return NULL;
}
