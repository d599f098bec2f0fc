// Kernels and statements of kernel text; the grammar is in kir_parse.h.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/kir_parse.h"

static void block(kir_parser *p);
static void statement(kir_parser *p);

static bool known_mnemonic(const kir_token *token, kir_op *out) {
  static const char *const names[] = {
#define KIR_OP(name, mnemonic, operands, result, blocks) mnemonic,
#include "ir/kir_ops.def"
#undef KIR_OP
  };
  for (int i = 0; i < KIR_OP_COUNT; i++) {
    if (kir_token_is(token, names[i])) {
      *out = (kir_op)i;
      return true;
    }
  }
  return false;
}

// --- names ---------------------------------------------------------------------------------------

static bool is_number_name(const kir_token *name) {
  return name->text[0] >= '0' && name->text[0] <= '9';
}

static void define(kir_parser *p, const kir_token *name, kir_val v) {
  if (p->failed) {
    return;
  }
  if (kir_parse_find(p, name) != 0) {
    const aicc_loc loc = {.file = p->file, .line = name->line, .column = name->column};
    AICC_EMIT(p->diags, E0003, &loc,
              aicc_arena_printf(p->arena, "%.*s", (int)name->size, name->text));
    p->failed = true;
    return;
  }
  const kir_name entry = {.text = name->text, .size = name->size, .v = v};
  AICC_PUSH(p->arena, p->names, p->name_count, p->name_capacity, entry);
}

// Names a value made since |before|, so that it prints as it was written.
static void define_new(kir_parser *p, const kir_token *name, kir_val v, size_t before) {
  define(p, name, v);
  if (!p->failed && v >= before && p->kernel->values[v].name == NULL && !is_number_name(name)) {
    p->kernel->values[v].name = aicc_arena_printf(p->arena, "%.*s", (int)name->size, name->text);
  }
}

static kir_token value_name(kir_parser *p) {
  const kir_token name = p->token;
  if (p->failed || name.kind != KIR_TOKEN_VALUE) {
    kir_parse_expected(p, "a value's name");
    return name;
  }
  kir_parse_next(p);
  return name;
}

// --- instructions as they are printed ------------------------------------------------------------

static kir_val raw(kir_parser *p, kir_inst inst, kir_value_info info) {
  return p->failed ? 0 : kir_append(&p->b, inst, &info)->result;
}

static bool any_varying(const kir_parser *p, const kir_inst *inst) {
  for (int i = 0; i < inst->arg_count; i++) {
    if (kir_parse_info(p, inst->args[i])->varying) {
      return true;
    }
  }
  return false;
}

static void plain_operands(kir_parser *p, kir_inst *inst, int most) {
  do {
    const kir_token at = p->token;
    const kir_val v = kir_parse_known(p);
    if (inst->arg_count == most) {
      kir_parse_problem(p, &at, "too many operands");
    }
    if (!p->failed) {
      inst->args[inst->arg_count++] = v;
    }
  } while (kir_parse_accept(p, ","));
}

static aicc_dtype result_type(kir_parser *p) {
  kir_parse_expect(p, ":");
  return kir_parse_dtype(p);
}

static bool constant_bits(bool negative, const kir_token *token, aicc_dtype dtype,
                          uint64_t *bits) {
  char text[80] = "", *end = NULL;
  *bits = 0;
  if (kir_token_is(token, "true") || kir_token_is(token, "false")) {
    *bits = kir_token_is(token, "true");
    return dtype == AICC_BOOL && !negative;
  }
  if (token->size >= sizeof text - 1) {
    return false;
  }
  memcpy(text, token->text, token->size);
  const bool hex = text[0] == '0' && text[1] == 'x';
  if (aicc_dtype_is_int(dtype) || hex) {
    *bits = strtoull(text, &end, hex ? 16 : 10);
    *bits = negative ? 0 - *bits : *bits;
  } else {
    const double number = strtod(text, &end);
    aicc_set_f64(dtype, bits, 0, negative ? -number : number);
  }
  return *end == '\0' && end != text;
}

// const 0 : i64, const -inf : f32, const 0x7fc00000 : f32
static kir_val raw_const(kir_parser *p) {
  const bool negative = kir_parse_accept(p, "-");
  const kir_token number = p->token;
  if (number.kind != KIR_TOKEN_NUMBER && number.kind != KIR_TOKEN_WORD) {
    kir_parse_expected(p, "a number");
    return 0;
  }
  kir_parse_next(p);
  const aicc_dtype dtype = result_type(p);
  uint64_t bits = 0;
  if (!p->failed && !constant_bits(negative, &number, dtype, &bits)) {
    kir_parse_problem(p, &number, "this is no number of the stated type");
  }
  return p->failed ? 0 : kir_const_bits(&p->b, dtype, bits);
}

static kir_val raw_scalar(kir_parser *p, aicc_op op) {
  kir_inst inst = {.op = KIR_SCALAR, .scalar_op = op};
  plain_operands(p, &inst, 3);
  const aicc_dtype dtype = result_type(p);
  inst.saturate = kir_parse_accept(p, "saturate");
  return raw(p, inst, (kir_value_info){.kind = KIR_VALUE, .dtype = dtype,
                                       .varying = !p->failed && any_varying(p, &inst)});
}

static kir_val raw_reduce(kir_parser *p) {
  kir_inst inst = {.op = KIR_REDUCE};
  if (!kir_parse_op(&p->token, &inst.scalar_op)) {
    kir_parse_expected(p, "an operator");
    return 0;
  }
  kir_parse_next(p);
  plain_operands(p, &inst, 1);
  return raw(p, inst, (kir_value_info){.kind = KIR_VALUE, .dtype = result_type(p)});
}

// load %x[%i], word %x[%i] and load_or %x[%i], %guard, %otherwise
static kir_val raw_load(kir_parser *p, kir_op op) {
  kir_inst inst = {.op = op, .buffer = kir_parse_known(p)};
  kir_parse_expect(p, "[");
  plain_operands(p, &inst, 1);
  kir_parse_expect(p, "]");
  if (op == KIR_LOAD_OR) {
    kir_parse_expect(p, ",");
    plain_operands(p, &inst, 3);
  }
  const aicc_dtype dtype = result_type(p);
  return raw(p, inst, (kir_value_info){.kind = KIR_VALUE, .dtype = dtype,
                                       .varying = !p->failed && any_varying(p, &inst)});
}

static kir_val raw_aget(kir_parser *p) {
  kir_inst inst = {.op = KIR_AGET, .arg_count = 1, .args = {kir_parse_known(p)}};
  kir_parse_expect(p, "[");
  plain_operands(p, &inst, 2);
  kir_parse_expect(p, "]");
  const aicc_dtype dtype = result_type(p);
  return raw(p, inst, (kir_value_info){
      .kind = KIR_VALUE, .dtype = dtype,
      .varying = !p->failed && kir_parse_info(p, inst.args[0])->varying});
}

static kir_val raw_storage(kir_parser *p, kir_op op) {
  const kir_token at = p->token;
  const int64_t count = kir_parse_int(p);
  if (!p->failed && count <= 0) {
    kir_parse_problem(p, &at, "the number of elements must be positive");
  }
  kir_value_info info = {.kind = op == KIR_LOCAL ? KIR_BUFFER : KIR_ARRAY_VALUE,
                         .dtype = result_type(p)};
  info.varying = op == KIR_ARRAY && kir_parse_accept(p, "varying");
  return raw(p, (kir_inst){.op = op, .imm = (uint64_t)count}, info);
}

static kir_val raw_var(kir_parser *p) {
  kir_inst inst = {.op = KIR_VAR};
  plain_operands(p, &inst, 1);
  kir_value_info info = {.kind = KIR_VARIABLE, .dtype = result_type(p)};
  info.varying = kir_parse_accept(p, "varying");
  return raw(p, inst, info);
}

// fma, get, task, lane: all operands decide whether the result varies.
static kir_val raw_other(kir_parser *p, kir_op op, int operands) {
  kir_inst inst = {.op = op};
  if (operands > 0) {
    plain_operands(p, &inst, operands);
  }
  const aicc_dtype dtype = result_type(p);
  return raw(p, inst, (kir_value_info){
      .kind = KIR_VALUE, .dtype = dtype,
      .varying = op == KIR_LANE || (!p->failed && any_varying(p, &inst))});
}

// exchange %x, 4
static kir_val raw_exchange(kir_parser *p) {
  const kir_val x = kir_parse_known(p);
  kir_parse_expect(p, ",");
  const kir_token at = p->token;
  const int64_t distance = kir_parse_int(p);
  const kir_inst inst = {.op = KIR_EXCHANGE, .imm = (uint64_t)distance, .arg_count = 1,
                         .args = {x}};
  const aicc_dtype dtype = result_type(p);
  if (!p->failed && (distance <= 0 || !kir_parse_info(p, x)->varying)) {
    kir_parse_problem(p, &at, "exchange takes a varying value and a positive distance");
  }
  return raw(p, inst, (kir_value_info){.kind = KIR_VALUE, .dtype = dtype, .varying = true});
}

// The part after `%r = ` where it is written as an instruction.
static kir_val instruction(kir_parser *p) {
  const kir_token word = p->token;
  aicc_op scalar_op;
  kir_op op;
  kir_parse_next(p);
  if (!known_mnemonic(&word, &op)) {
    return kir_parse_op(&word, &scalar_op) ? raw_scalar(p, scalar_op) : 0;
  }
  switch (op) {
    case KIR_CONST: return raw_const(p);
    case KIR_REDUCE: return raw_reduce(p);
    case KIR_LOAD:
    case KIR_LOAD_OR:
    case KIR_WORD: return raw_load(p, op);
    case KIR_AGET: return raw_aget(p);
    case KIR_ARRAY:
    case KIR_LOCAL: return raw_storage(p, op);
    case KIR_VAR: return raw_var(p);
    case KIR_FMA:
    case KIR_DOT4: return raw_other(p, op, 3);
    case KIR_POWER2:
    case KIR_GET: return raw_other(p, op, 1);
    case KIR_TASK:
    case KIR_LANE:
    case KIR_WARP: return raw_other(p, op, 0);
    case KIR_EXCHANGE: return raw_exchange(p);
    default: kir_parse_problem(p, &word, "this instruction gives no value"); return 0;
  }
}

static bool at_instruction(const kir_parser *p) {
  kir_op op;
  aicc_op scalar_op;
  if (p->token.kind != KIR_TOKEN_WORD) {
    return false;
  }
  if (kir_token_is(&p->token, "task") || kir_token_is(&p->token, "lane") ||
      kir_token_is(&p->token, "warp")) {
    return kir_token_is(&p->ahead, ":");
  }
  return (known_mnemonic(&p->token, &op) || kir_parse_op(&p->token, &scalar_op)) &&
         !kir_token_is(&p->ahead, "(") && !kir_token_is(&p->ahead, "<");
}

// --- assignments ---------------------------------------------------------------------------------

static bool assignment_op(kir_parser *p, aicc_op *op) {
  static const struct {
    const char *text;
    aicc_op op;
  } table[] = {{"=", AICC_OP_COUNT}, {"+=", AICC_OP_ADD}, {"-=", AICC_OP_SUB},
               {"*=", AICC_OP_MUL}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    if (kir_parse_accept(p, table[i].text)) {
      *op = table[i].op;
      return true;
    }
  }
  kir_parse_expected(p, "an assignment");
  return false;
}

static void assign_variable(kir_parser *p, kir_val variable, const kir_token *at) {
  aicc_op op;
  if (!assignment_op(p, &op)) {
    return;
  }
  const aicc_dtype dtype = kir_parse_info(p, variable)->dtype;
  const kir_val old = op != AICC_OP_COUNT ? kir_get(&p->b, variable) : 0;
  const kir_expr e = kir_parse_expr(p);
  const kir_val v = old != 0 ? kir_parse_combine(p, op, old, e, at)
                             : kir_parse_as(p, e, dtype, at);
  if (!p->failed && kir_parse_info(p, v)->varying && !kir_parse_info(p, variable)->varying) {
    kir_parse_problem(p, at, "a uniform variable cannot take a varying value");
  }
  if (!p->failed) {
    kir_set(&p->b, variable, v);
  }
}

// %x[index] = value, also += and the like; buffers and arrays.
static void assign_element(kir_parser *p, kir_val base, const kir_token *at) {
  const kir_value_info info = *kir_parse_info(p, base);
  const bool array = info.kind == KIR_ARRAY_VALUE;
  kir_parse_expect(p, "[");
  const kir_val index = kir_parse_typed(p, AICC_I64, "an index");
  kir_parse_expect(p, "]");
  aicc_op op;
  if (!assignment_op(p, &op)) {
    return;
  }
  if ((!array && info.kind != KIR_BUFFER) || (array && kir_parse_info(p, index)->varying)) {
    kir_parse_problem(p, at, "only buffers, and arrays at uniform places, have elements to set");
    return;
  }
  const kir_val old = op == AICC_OP_COUNT ? 0
                      : array             ? kir_aget(&p->b, base, index)
                                          : kir_load(&p->b, base, index);
  const kir_expr e = kir_parse_expr(p);
  const kir_val v = old != 0 ? kir_parse_combine(p, op, old, e, at)
                             : kir_parse_as(p, e, info.dtype, at);
  if (p->failed) {
    return;
  }
  if (!array) {
    kir_store(&p->b, base, index, v);
  } else if (kir_parse_info(p, v)->varying && !info.varying) {
    kir_parse_problem(p, at, "a uniform array cannot take a varying value");
  } else {
    kir_aset(&p->b, base, index, v);
  }
}

// A statement that begins with a value's name.
static void definition(kir_parser *p) {
  const kir_token name = p->token;
  const kir_val known = kir_parse_find(p, &name);
  if (kir_token_is(&p->ahead, "[") || known != 0) {
    const kir_val v = kir_parse_known(p);
    if (p->failed) {
      return;
    }
    if (kir_token_is(&p->token, "[")) {
      assign_element(p, v, &name);
    } else if (kir_parse_info(p, v)->kind == KIR_VARIABLE) {
      assign_variable(p, v, &name);
    } else {
      define(p, &name, v);  // reports the second definition
    }
    return;
  }
  kir_parse_next(p);
  kir_parse_expect(p, "=");
  const size_t before = p->kernel->value_count;
  const kir_val v = at_instruction(p) ? instruction(p) : kir_parse_value(p);
  define_new(p, &name, v, before);
}

// var [varying] %v [: type] = expr
static void variable(kir_parser *p) {
  const bool varying = kir_parse_accept(p, "varying");
  const kir_token name = value_name(p);
  const bool typed = kir_parse_accept(p, ":");
  const aicc_dtype dtype = typed ? kir_parse_dtype(p) : AICC_F32;
  kir_parse_expect(p, "=");
  const kir_val init = typed ? kir_parse_typed(p, dtype, "the initial value") : kir_parse_value(p);
  if (p->failed) {
    return;
  }
  if (kir_parse_info(p, init)->varying && !varying) {
    kir_parse_problem(p, &name, "a uniform variable cannot take a varying value");
    return;
  }
  const size_t before = p->kernel->value_count;
  define_new(p, &name, kir_var(&p->b, init, varying), before);
}

// set %v, %x  or  set %v = expr
static void set_statement(kir_parser *p) {
  const kir_token at = p->token;
  const kir_val v = kir_parse_known(p);
  if (p->failed || kir_parse_info(p, v)->kind != KIR_VARIABLE) {
    kir_parse_problem(p, &at, "only variables are set");
    return;
  }
  if (!kir_parse_accept(p, ",")) {
    assign_variable(p, v, &at);
    return;
  }
  kir_inst inst = {.op = KIR_SET, .arg_count = 1, .args = {v}};
  plain_operands(p, &inst, 2);
  if (!p->failed) {
    kir_append(&p->b, inst, NULL);
  }
}

// store %y[%i], %x and aset %a[%i], %x and prefetch %x[%i]
static void store_statement(kir_parser *p, kir_op op) {
  kir_inst inst = {.op = op};
  const kir_val base = kir_parse_known(p);
  if (op == KIR_ASET) {
    inst.args[inst.arg_count++] = base;
  } else {
    inst.buffer = base;
  }
  kir_parse_expect(p, "[");
  plain_operands(p, &inst, op == KIR_ASET ? 2 : 1);
  kir_parse_expect(p, "]");
  if (op != KIR_PREFETCH) {
    kir_parse_expect(p, ",");
    plain_operands(p, &inst, op == KIR_ASET ? 3 : 2);
  }
  if (!p->failed) {
    kir_append(&p->b, inst, NULL);
  }
}

static void atomic_statement(kir_parser *p) {
  aicc_op op;
  if (!kir_parse_op(&p->token, &op)) {
    kir_parse_expected(p, "an operator");
    return;
  }
  kir_parse_next(p);
  const kir_token at = p->token;
  const kir_val buffer = kir_parse_known(p);
  if (p->failed || kir_parse_info(p, buffer)->kind != KIR_BUFFER) {
    kir_parse_problem(p, &at, "atomic changes a buffer");
    return;
  }
  kir_parse_expect(p, "[");
  const kir_val index = kir_parse_typed(p, AICC_I64, "an index");
  kir_parse_expect(p, "]");
  kir_parse_expect(p, ",");
  const kir_val v = kir_parse_typed(p, kir_parse_info(p, buffer)->dtype, "the operand");
  if (!p->failed) {
    kir_atomic(&p->b, op, buffer, index, v);
  }
}

// --- control flow --------------------------------------------------------------------------------

static void statements_into(kir_parser *p, kir_block *to) {
  kir_block *saved = p->b.block;
  if (!p->failed && p->b.depth + 1 >= (int)(sizeof p->b.stack / sizeof *p->b.stack)) {
    kir_parse_problem(p, &p->token, "blocks are nested too deep");
  }
  p->b.block = to;
  p->b.depth++;  // counts towards the builder's limit
  block(p);
  p->b.depth--;
  p->b.block = saved;
}

static kir_loop_kind loop_kind(kir_parser *p, kir_loop_kind otherwise) {
  return kir_parse_accept(p, "lanes")    ? KIR_LANES
         : kir_parse_accept(p, "unroll") ? KIR_UNROLL
         : kir_parse_accept(p, "serial") ? KIR_SERIAL
                                         : otherwise;
}

static void for_statement(kir_parser *p) {
  kir_loop_kind kind = loop_kind(p, KIR_SERIAL);
  const kir_token name = value_name(p);
  if (!kir_parse_accept(p, "in")) {
    kir_parse_expect(p, "=");
  }
  const kir_token at = p->token;
  const kir_val from = kir_parse_typed(p, AICC_I64, "a loop's bound");
  if (!kir_parse_accept(p, "to")) {
    kir_parse_expect(p, "..");
  }
  const kir_val to = kir_parse_typed(p, AICC_I64, "a loop's bound");
  const kir_val step = kir_parse_accept(p, "step") ? kir_parse_typed(p, AICC_I64, "a loop's step")
                       : p->failed                 ? 0
                                                   : kir_const_i64(&p->b, 1);
  kind = loop_kind(p, kind);
  if (p->failed) {
    return;
  }
  if (kir_parse_info(p, from)->varying || kir_parse_info(p, to)->varying ||
      kir_parse_info(p, step)->varying) {
    kir_parse_problem(p, &at, "a loop's bounds must be uniform");
    return;
  }
  const kir_value_info info = {.kind = KIR_VALUE, .dtype = AICC_I64, .varying = kind == KIR_LANES};
  const kir_inst inst = {.op = KIR_FOR, .loop_kind = kind, .arg_count = 3,
                         .args = {from, to, step}};
  const size_t before = p->kernel->value_count, names = p->name_count;
  kir_inst *loop = kir_append(&p->b, inst, &info);
  define_new(p, &name, loop->result, before);
  statements_into(p, &loop->blocks[0]);
  p->name_count = names;
}

// while { ... cond %c } do { ... }: the body sees what the first block defines.
static void raw_while(kir_parser *p) {
  const size_t names = p->name_count;
  kir_inst *loop = kir_append(&p->b, (kir_inst){.op = KIR_WHILE}, NULL);
  kir_block *outer = p->b.block;
  p->b.block = &loop->blocks[0];
  p->b.depth++;
  kir_parse_expect(p, "{");
  while (!p->failed && !kir_token_is(&p->token, "cond")) {
    if (kir_token_is(&p->token, "}")) {
      kir_parse_expected(p, "'cond'");
    }
    statement(p);
  }
  kir_parse_expect(p, "cond");
  kir_inst cond = {.op = KIR_COND};
  plain_operands(p, &cond, 1);
  if (!p->failed) {
    kir_append(&p->b, cond, NULL);
  }
  kir_parse_expect(p, "}");
  kir_parse_expect(p, "do");
  p->b.depth--;
  p->b.block = outer;
  statements_into(p, &loop->blocks[1]);
  p->name_count = names;
}

static void while_statement(kir_parser *p) {
  if (kir_token_is(&p->token, "{")) {
    raw_while(p);
    return;
  }
  kir_inst *loop = kir_append(&p->b, (kir_inst){.op = KIR_WHILE}, NULL);
  kir_block *outer = p->b.block;
  p->b.block = &loop->blocks[0];
  const kir_token at = p->token;
  const kir_val condition = kir_parse_typed(p, AICC_BOOL, "a condition");
  if (!p->failed && kir_parse_info(p, condition)->varying) {
    kir_parse_problem(p, &at, "a loop's condition must be uniform");
  }
  if (!p->failed) {
    kir_append(&p->b, (kir_inst){.op = KIR_COND, .arg_count = 1, .args = {condition}}, NULL);
  }
  p->b.block = outer;
  statements_into(p, &loop->blocks[1]);
}

static void if_statement(kir_parser *p);

static void else_part(kir_parser *p, kir_block *to) {
  if (!kir_parse_accept(p, "else")) {
    return;
  }
  if (!kir_token_is(&p->token, "if")) {
    statements_into(p, to);
    return;
  }
  kir_block *saved = p->b.block;
  p->b.block = to;
  kir_parse_next(p);
  if_statement(p);
  p->b.block = saved;
}

// Checks the block that is not taken and drops it, the ids of its values included.
static void known_if(kir_parser *p, bool taken) {
  kir_block dropped = {0};
  size_t before = p->kernel->value_count;
  statements_into(p, taken ? p->b.block : &dropped);
  p->kernel->value_count = taken ? p->kernel->value_count : before;
  before = p->kernel->value_count;
  else_part(p, taken ? &dropped : p->b.block);
  p->kernel->value_count = taken ? before : p->kernel->value_count;
}

static void if_statement(kir_parser *p) {
  const bool plain = p->token.kind == KIR_TOKEN_VALUE && kir_token_is(&p->ahead, "{");
  const kir_val condition = kir_parse_typed(p, AICC_BOOL, "a condition");
  if (p->failed) {
    return;
  }
  const kir_inst *def = kir_parse_info(p, condition)->def;
  if (!plain && def != NULL && def->op == KIR_CONST) {
    known_if(p, def->imm != 0);
    return;
  }
  kir_inst *inst =
      kir_append(&p->b, (kir_inst){.op = KIR_IF, .arg_count = 1, .args = {condition}}, NULL);
  statements_into(p, &inst->blocks[0]);
  else_part(p, &inst->blocks[1]);
}

// --- statements, kernels -------------------------------------------------------------------------

static void statement(kir_parser *p) {
  if (p->token.kind == KIR_TOKEN_VALUE) {
    definition(p);
  } else if (kir_parse_accept(p, "var")) {
    variable(p);
  } else if (kir_parse_accept(p, "set")) {
    set_statement(p);
  } else if (kir_parse_accept(p, "store")) {
    store_statement(p, KIR_STORE);
  } else if (kir_parse_accept(p, "aset")) {
    store_statement(p, KIR_ASET);
  } else if (kir_parse_accept(p, "prefetch")) {
    store_statement(p, KIR_PREFETCH);
  } else if (kir_parse_accept(p, "atomic")) {
    atomic_statement(p);
  } else if (kir_parse_accept(p, "for")) {
    for_statement(p);
  } else if (kir_parse_accept(p, "while")) {
    while_statement(p);
  } else if (kir_parse_accept(p, "if")) {
    if_statement(p);
  } else if (kir_parse_accept(p, "barrier")) {
    kir_barrier(&p->b);
  } else if (kir_parse_block_statement(p)) {
    return;
  } else {
    kir_parse_expected(p, "a statement");
  }
}

static void block(kir_parser *p) {
  const size_t names = p->name_count;
  kir_parse_expect(p, "{");
  while (!p->failed && !kir_parse_accept(p, "}")) {
    statement(p);
  }
  p->name_count = names;
}

// A binding "%n=8" of a scalar parameter.
static const char *bound_value(const kir_parser *p, const kir_token *name) {
  for (int i = 0; i < p->binding_count; i++) {
    const char *text = p->bindings[i];
    if (text[0] == '%' && strncmp(text + 1, name->text, name->size) == 0 &&
        text[1 + name->size] == '=') {
      return text + 2 + name->size;
    }
  }
  return NULL;
}

static void parameter(kir_parser *p) {
  const kir_token name = value_name(p);
  const aicc_dtype dtype = result_type(p);
  if (p->failed) {
    return;
  }
  const char *bound = bound_value(p, &name);
  const char *text = is_number_name(&name)
                         ? NULL
                         : aicc_arena_printf(p->arena, "%.*s", (int)name.size, name.text);
  const bool is_buffer = kir_parse_accept(p, "*");
  if (!is_buffer) {
    define(p, &name, bound != NULL ? kir_const_bits(&p->b, dtype, strtoull(bound, NULL, 10))
                                   : kir_add_scalar(p->kernel, text, dtype));
    return;
  }
  unsigned access = 0;
  for (bool more = true; more;) {
    more = false;
    if (kir_parse_accept(p, "read")) {
      access |= KIR_READ;
      more = true;
    } else if (kir_parse_accept(p, "write")) {
      access |= KIR_WRITE;
      more = true;
    }
  }
  define(p, &name, bound != NULL ? kir_local(&p->b, dtype, 1)
                                 : kir_add_buffer(p->kernel, text, dtype, access));
}

static void kernel_text(kir_parser *p) {
  kir_parse_expect(p, "kernel");
  if (p->failed || p->token.kind != KIR_TOKEN_SYMBOL) {
    kir_parse_expected(p, "the kernel's @name");
    return;
  }
  const char *name = aicc_arena_printf(p->arena, "%.*s", (int)p->token.size, p->token.text);
  kir_parse_next(p);
  p->kernel = kir_kernel_create(p->arena, name, "library", 0);
  kir_builder_init(&p->b, p->kernel);
  kir_parse_expect(p, "(");
  while (!p->failed && !kir_token_is(&p->token, ")")) {
    parameter(p);
    if (!kir_parse_accept(p, ",")) {
      break;
    }
  }
  kir_parse_expect(p, ")");
  if (kir_parse_accept(p, "kind")) {
    if (p->token.kind != KIR_TOKEN_STRING) {
      kir_parse_expected(p, "a string");
      return;
    }
    p->kernel->kind = aicc_arena_printf(p->arena, "%.*s", (int)p->token.size, p->token.text);
    kir_parse_next(p);
  }
  if (kir_parse_accept(p, "width")) {
    p->kernel->width = (int)kir_parse_int(p);
  }
  if (kir_parse_accept(p, "warps")) {
    const kir_token at = p->token;
    const int64_t warps = kir_parse_int(p);
    if (!p->failed && (warps < 1 || warps > KIR_WARPS_MAX)) {
      kir_parse_problem(p, &at, "a task has 1 to 32 warps");
    }
    p->kernel->warps = (int)warps;
  }
  block(p);
  if (!p->failed && p->token.kind != KIR_TOKEN_END) {
    kir_parse_expected(p, "the end");
  }
}

// --- bindings of $NAME ---------------------------------------------------------------------------

static bool is_name_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static const char *binding_of(const char *const *bindings, int count, const char *name,
                              size_t size) {
  for (int i = 0; i < count; i++) {
    if (strncmp(bindings[i], name, size) == 0 && bindings[i][size] == '=') {
      return bindings[i] + size + 1;
    }
  }
  return NULL;
}

// Writes the text with every $NAME replaced, those in what replaces one too (to a depth of 4);
// unknown ones stay and are found by the parser.
static void replace_names(kir_parser *p, const char *text, size_t size, int depth, FILE *stream) {
  for (size_t i = 0; i < size;) {
    size_t end = i + 1;
    while (text[i] == '$' && end < size && is_name_char(text[end])) {
      end++;
    }
    const char *value = text[i] != '$' ? NULL
                                       : binding_of(p->bindings, p->binding_count, text + i + 1,
                                                    end - i - 1);
    if (value != NULL && depth < 4) {
      replace_names(p, value, strlen(value), depth + 1, stream);
    } else {
      fwrite(text + i, 1, end - i, stream);
    }
    i = end;
  }
}

static char *replaced(kir_parser *p, const char *text, size_t size, size_t *out_size) {
  char *out = NULL;
  FILE *stream = open_memstream(&out, out_size);
  AICC_ASSERT(stream != NULL);
  replace_names(p, text, size, 0, stream);
  fclose(stream);
  char *copy = aicc_arena_memdup(p->arena, out, *out_size);
  free(out);
  return copy;
}

kir_kernel *kir_parse(aicc_arena *arena, const char *text, size_t size, const char *file,
                      const char *const *bindings, int binding_count, aicc_diags *diags) {
  kir_parser p = {.arena = arena, .diags = diags, .file = file, .bindings = bindings,
                  .binding_count = binding_count};
  size_t length = 0;
  const char *source = replaced(&p, text, size, &length);
  kir_lexer_init(&p.lexer, source, length);
  kir_parse_next(&p);
  kir_parse_next(&p);
  kernel_text(&p);
  return p.failed ? NULL : p.kernel;
}
