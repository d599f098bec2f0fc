// Expressions of kernel text.
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/kir_parse.h"

// --- tokens and errors ---------------------------------------------------------------------------

void kir_parse_next(kir_parser *p) {
  p->token = p->ahead;
  p->ahead = kir_lexer_next(&p->lexer);
}

static aicc_loc loc_of(const kir_parser *p, const kir_token *at) {
  return (aicc_loc){.file = p->file, .line = at->line, .column = at->column};
}

static const char *text_of(kir_parser *p, const kir_token *token) {
  return token->kind == KIR_TOKEN_END
             ? "the end"
             : aicc_arena_printf(p->arena, "%.*s", (int)token->size, token->text);
}

void kir_parse_expected(kir_parser *p, const char *what) {
  if (!p->failed) {
    const aicc_loc loc = loc_of(p, &p->token);
    AICC_EMIT(p->diags, E0001, &loc, what, text_of(p, &p->token));
  }
  p->failed = true;
}

void kir_parse_problem(kir_parser *p, const kir_token *at, const char *text) {
  if (!p->failed) {
    const aicc_loc loc = loc_of(p, at);
    AICC_EMIT(p->diags, E0711, &loc, text);
  }
  p->failed = true;
}

bool kir_parse_accept(kir_parser *p, const char *text) {
  if (p->failed || !kir_token_is(&p->token, text)) {
    return false;
  }
  kir_parse_next(p);
  return true;
}

void kir_parse_expect(kir_parser *p, const char *text) {
  if (!kir_parse_accept(p, text)) {
    kir_parse_expected(p, aicc_arena_printf(p->arena, "'%s'", text));
  }
}

// --- names, types, numbers -----------------------------------------------------------------------

kir_val kir_parse_find(const kir_parser *p, const kir_token *name) {
  for (size_t i = p->name_count; i > 0; i--) {
    const kir_name *known = &p->names[i - 1];
    if (known->size == name->size && memcmp(known->text, name->text, name->size) == 0) {
      return known->v;
    }
  }
  return 0;
}

kir_val kir_parse_known(kir_parser *p) {
  if (p->failed || p->token.kind != KIR_TOKEN_VALUE) {
    kir_parse_expected(p, "a value");
    return 0;
  }
  const kir_val v = kir_parse_find(p, &p->token);
  if (v == 0) {
    const aicc_loc loc = loc_of(p, &p->token);
    AICC_EMIT(p->diags, E0002, &loc, text_of(p, &p->token));
    p->failed = true;
    return 0;
  }
  kir_parse_next(p);
  return v;
}

aicc_dtype kir_parse_dtype(kir_parser *p) {
  aicc_dtype dtype = AICC_F32;
  if (p->failed || p->token.kind != KIR_TOKEN_WORD ||
      !aicc_dtype_from_name(p->token.text, p->token.size, &dtype)) {
    kir_parse_expected(p, "an element type");
    return dtype;
  }
  kir_parse_next(p);
  return dtype;
}

static kir_expr number(kir_parser *p) {
  char text[64] = "", *end = NULL;
  const kir_token token = p->token;
  kir_expr e = {.literal = true};
  kir_parse_next(p);
  if (token.size >= sizeof text) {
    kir_parse_problem(p, &token, "a number of so many digits");
    return e;
  }
  memcpy(text, token.text, token.size);
  const bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
  e.is_float = !hex && strpbrk(text, ".eE") != NULL;
  errno = 0;
  if (e.is_float) {
    e.f = strtod(text, &end);
  } else {
    e.i = (int64_t)strtoull(text, &end, hex ? 16 : 10);
  }
  if (*end != '\0' || (errno != 0 && !e.is_float)) {
    const aicc_loc loc = loc_of(p, &token);
    AICC_EMIT(p->diags, E0006, &loc, text_of(p, &token));
    p->failed = true;
  }
  return e;
}

int64_t kir_parse_int(kir_parser *p) {
  const kir_token at = p->token;
  const kir_expr e = kir_parse_expr(p);
  if (!p->failed && (!e.literal || e.is_float)) {
    kir_parse_problem(p, &at, "a constant integer is needed here");
  }
  return e.i;
}

bool kir_parse_op(const kir_token *token, aicc_op *out) {
  return token->kind == KIR_TOKEN_WORD && aicc_op_from_name(token->text, token->size, out) &&
         aicc_op_table[*out].kind == AICC_KIND_ELTWISE;
}

// --- values --------------------------------------------------------------------------------------

static kir_expr of_value(kir_val v) { return (kir_expr){.v = v}; }

static double as_double(const kir_expr *e) { return e->is_float ? e->f : (double)e->i; }

static kir_val type_error(kir_parser *p, const kir_token *at, aicc_dtype a, aicc_dtype b) {
  if (!p->failed) {
    const aicc_loc loc = loc_of(p, at);
    AICC_EMIT(p->diags, E0204, &loc, text_of(p, at), aicc_dtype_name(a), aicc_dtype_name(b));
  }
  p->failed = true;
  return 0;
}

kir_val kir_parse_as(kir_parser *p, kir_expr e, aicc_dtype dtype, const kir_token *at) {
  if (p->failed) {
    return 0;
  }
  if (!e.literal) {
    const aicc_dtype mine = kir_parse_info(p, e.v)->dtype;
    return mine == dtype ? e.v : type_error(p, at, dtype, mine);
  }
  const aicc_dtype_kind kind = aicc_dtype_kind_of(dtype);
  if (kind == AICC_KIND_FLOAT || kind == AICC_KIND_FLOAT8) {
    return kir_const(&p->b, dtype, as_double(&e));
  }
  if (kind > AICC_KIND_FLOAT8 && !e.is_float && e.i == 0) {
    return kir_const(&p->b, dtype, 0);
  }
  if (!aicc_dtype_is_int(dtype) || e.is_float) {
    kir_parse_problem(p, at, aicc_arena_printf(p->arena, "the number is none of type %s",
                                               aicc_dtype_name(dtype)));
    return 0;
  }
  return kir_const_bits(&p->b, dtype, (uint64_t)e.i);
}

static kir_val own_type(kir_parser *p, kir_expr e, const kir_token *at) {
  return e.literal ? kir_parse_as(p, e, e.is_float ? AICC_F32 : AICC_I64, at) : e.v;
}

kir_val kir_parse_value(kir_parser *p) {
  const kir_token at = p->token;
  const kir_expr e = kir_parse_expr(p);
  return p->failed ? 0 : own_type(p, e, &at);
}

kir_val kir_parse_typed(kir_parser *p, aicc_dtype dtype, const char *what) {
  const kir_token at = p->token;
  const kir_expr e = kir_parse_expr(p);
  if (!p->failed && !e.literal && kir_parse_info(p, e.v)->dtype != dtype) {
    kir_parse_problem(p, &at, aicc_arena_printf(p->arena, "%s must be %s, not %s", what,
                                                aicc_dtype_name(dtype),
                                                aicc_dtype_name(kir_parse_info(p, e.v)->dtype)));
  }
  return kir_parse_as(p, e, dtype, &at);
}

// --- operators -----------------------------------------------------------------------------------

static bool fold_numbers(kir_parser *p, aicc_op op, const kir_expr *a, const kir_expr *b,
                         kir_expr *out) {
  const bool is_float = a->is_float || b->is_float;
  const double x = as_double(a), y = as_double(b);
  *out = (kir_expr){.literal = true, .is_float = is_float};
  switch (op) {
    case AICC_OP_ADD: out->i = a->i + b->i; out->f = x + y; return true;
    case AICC_OP_SUB: out->i = a->i - b->i; out->f = x - y; return true;
    case AICC_OP_MUL: out->i = a->i * b->i; out->f = x * y; return true;
    case AICC_OP_DIV: out->i = b->i != 0 ? a->i / b->i : 0; out->f = x / y; return true;
    case AICC_OP_EQ: *out = of_value(kir_const(&p->b, AICC_BOOL, x == y)); return true;
    case AICC_OP_NE: *out = of_value(kir_const(&p->b, AICC_BOOL, x != y)); return true;
    case AICC_OP_LT: *out = of_value(kir_const(&p->b, AICC_BOOL, x < y)); return true;
    case AICC_OP_LE: *out = of_value(kir_const(&p->b, AICC_BOOL, x <= y)); return true;
    case AICC_OP_GT: *out = of_value(kir_const(&p->b, AICC_BOOL, x > y)); return true;
    case AICC_OP_GE: *out = of_value(kir_const(&p->b, AICC_BOOL, x >= y)); return true;
    default: return false;
  }
}

// Gives two operands one type: a number takes the other's.
static bool unify(kir_parser *p, kir_expr *a, kir_expr *b, const kir_token *at) {
  if (p->failed) {
    return false;
  }
  if (a->literal && b->literal) {
    const aicc_dtype dtype = a->is_float || b->is_float ? AICC_F32 : AICC_I64;
    a->v = kir_parse_as(p, *a, dtype, at);
    b->v = kir_parse_as(p, *b, dtype, at);
  } else if (a->literal) {
    a->v = kir_parse_as(p, *a, kir_parse_info(p, b->v)->dtype, at);
  } else {
    b->v = kir_parse_as(p, *b, kir_parse_info(p, a->v)->dtype, at);
  }
  a->literal = b->literal = false;
  return !p->failed;
}

static kir_expr binary(kir_parser *p, aicc_op op, kir_expr a, kir_expr b, const kir_token *at) {
  kir_expr out = {0};
  if (p->failed || (a.literal && b.literal && fold_numbers(p, op, &a, &b, &out)) ||
      !unify(p, &a, &b, at)) {
    return out;
  }
  return of_value(kir_scalar2(&p->b, op, a.v, b.v));
}

kir_val kir_parse_combine(kir_parser *p, aicc_op op, kir_val a, kir_expr b, const kir_token *at) {
  return binary(p, op, of_value(a), b, at).v;
}

static bool is_plain_value(const kir_parser *p, kir_val v) {
  return kir_parse_info(p, v)->kind == KIR_VALUE;
}

// --- primaries -----------------------------------------------------------------------------------

// %x, %x[index]; reads variables.
static kir_expr value_or_load(kir_parser *p) {
  const kir_token at = p->token;
  const kir_val v = kir_parse_known(p);
  if (p->failed) {
    return (kir_expr){0};
  }
  const kir_value_kind kind = kir_parse_info(p, v)->kind;
  if (kir_parse_accept(p, "[")) {
    const kir_val index = kir_parse_typed(p, AICC_I64, "an index");
    kir_parse_expect(p, "]");
    if (p->failed || (kind != KIR_BUFFER && kind != KIR_ARRAY_VALUE)) {
      kir_parse_problem(p, &at, "only buffers and arrays have elements");
      return (kir_expr){0};
    }
    if (kind == KIR_ARRAY_VALUE && kir_parse_info(p, index)->varying) {
      kir_parse_problem(p, &at, "an array's index must be uniform");
      return (kir_expr){0};
    }
    return of_value(kind == KIR_BUFFER ? kir_load(&p->b, v, index) : kir_aget(&p->b, v, index));
  }
  if (kind == KIR_VARIABLE) {
    return of_value(kir_get(&p->b, v));
  }
  if (kind != KIR_VALUE) {
    kir_parse_problem(p, &at, "a buffer or array is no value by itself");
  }
  return of_value(v);
}

// `<type>` or nothing, then `(expr)`, converted.
static kir_expr conversion(kir_parser *p, const kir_token *word, aicc_dtype to) {
  const bool saturate = kir_token_is(word, "saturate"), bits = kir_token_is(word, "bitcast");
  kir_parse_expect(p, "(");
  const kir_token at = p->token;
  const kir_expr e = kir_parse_expr(p);
  kir_parse_expect(p, ")");
  if (p->failed) {
    return (kir_expr){0};
  }
  if (e.literal && !bits) {
    return of_value(kir_parse_as(p, e, to, &at));
  }
  const kir_val v = own_type(p, e, &at);
  if (p->failed || !bits) {
    return of_value(p->failed ? 0 : kir_cast(&p->b, v, to, saturate));
  }
  if (aicc_dtype_size(kir_parse_info(p, v)->dtype) != aicc_dtype_size(to)) {
    kir_parse_problem(p, &at, "bitcast needs types of one size");
    return (kir_expr){0};
  }
  return of_value(kir_bitcast(&p->b, v, to));
}

static kir_expr limit(kir_parser *p, bool lowest, aicc_dtype dtype) {
  if (aicc_dtype_is_float(dtype)) {
    return of_value(kir_const(&p->b, dtype, lowest ? -(double)INFINITY : (double)INFINITY));
  }
  const unsigned bits = aicc_dtype_table[dtype].bits;
  if (aicc_dtype_kind_of(dtype) == AICC_KIND_SIGNED) {
    const uint64_t least = ~UINT64_C(0) << (bits - 1);
    return of_value(kir_const_bits(&p->b, dtype, lowest ? least : ~least));
  }
  const uint64_t all = bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
  return of_value(kir_const_bits(&p->b, dtype, lowest ? 0 : all));
}

static kir_expr load_or(kir_parser *p) {
  kir_parse_expect(p, "(");
  const kir_token at = p->token;
  const kir_val buffer = kir_parse_known(p);
  if (p->failed || kir_parse_info(p, buffer)->kind != KIR_BUFFER) {
    kir_parse_problem(p, &at, "load_or reads a buffer");
    return (kir_expr){0};
  }
  kir_parse_expect(p, ",");
  const kir_val index = kir_parse_typed(p, AICC_I64, "an index");
  kir_parse_expect(p, ",");
  const kir_val guard = kir_parse_typed(p, AICC_BOOL, "a guard");
  kir_parse_expect(p, ",");
  const kir_val otherwise =
      kir_parse_typed(p, kir_parse_info(p, buffer)->dtype, "what is otherwise read");
  kir_parse_expect(p, ")");
  return of_value(p->failed ? 0 : kir_load_or(&p->b, buffer, index, guard, otherwise));
}

static kir_expr exchange(kir_parser *p) {
  kir_parse_expect(p, "(");
  const kir_val x = kir_parse_value(p);
  kir_parse_expect(p, ",");
  const kir_token at = p->token;
  const int64_t distance = kir_parse_int(p);
  kir_parse_expect(p, ")");
  if (!p->failed && (distance <= 0 || (distance & (distance - 1)) != 0)) {
    kir_parse_problem(p, &at, "the distance of an exchange is a power of two");
  }
  return of_value(p->failed ? 0 : kir_exchange(&p->b, x, distance));
}

// The arguments of a call, unified from |from| on.
static int arguments(kir_parser *p, kir_expr *args, int most, int from, const kir_token *at) {
  int count = 0;
  kir_parse_expect(p, "(");
  do {
    const kir_expr e = kir_parse_expr(p);
    if (count < most) {
      args[count] = e;
    }
    count++;
  } while (!p->failed && kir_parse_accept(p, ","));
  kir_parse_expect(p, ")");
  for (int i = from; i + 1 < count && i + 1 < most && !p->failed; i++) {
    unify(p, &args[i], &args[i + 1], at);
  }
  if (!p->failed && count > from + 2 && count <= most) {
    unify(p, &args[from], &args[count - 1], at);
  }
  return count;
}

static bool reduce_op(const kir_token *word, aicc_op *out) {
  static const struct {
    const char *name;
    aicc_op op;
  } table[] = {{"reduce_add", AICC_OP_ADD}, {"reduce_mul", AICC_OP_MUL},
               {"reduce_min", AICC_OP_MIN}, {"reduce_max", AICC_OP_MAX},
               {"reduce_and", AICC_OP_AND}, {"reduce_or", AICC_OP_OR}};
  for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
    if (kir_token_is(word, table[i].name)) {
      *out = table[i].op;
      return true;
    }
  }
  return false;
}

static kir_expr call_of(kir_parser *p, aicc_op op, const kir_token *word) {
  const bool select = op == AICC_OP_SELECT;
  const int wanted = aicc_op_table[op].least;
  kir_expr args[3] = {0};
  const int count = arguments(p, args, 3, select ? 1 : 0, word);
  if (p->failed) {
    return (kir_expr){0};
  }
  if (count != wanted) {
    kir_parse_problem(p, word, aicc_arena_printf(p->arena, "%s takes %d operands",
                                                 aicc_op_table[op].name, wanted));
    return (kir_expr){0};
  }
  if (select) {
    const kir_val c = kir_parse_as(p, args[0], AICC_BOOL, word);
    return of_value(p->failed ? 0 : kir_select(&p->b, c, args[1].v, args[2].v));
  }
  const kir_val x = own_type(p, args[0], word);
  return of_value(p->failed    ? 0
                  : wanted == 1 ? kir_scalar1(&p->b, op, x)
                                : kir_scalar2(&p->b, op, x, args[1].v));
}

static kir_expr call(kir_parser *p) {
  const kir_token word = p->token;
  aicc_dtype dtype;
  aicc_op op;
  kir_parse_next(p);
  if (aicc_dtype_from_name(word.text, word.size, &dtype)) {
    return conversion(p, &word, dtype);
  }
  if (kir_parse_accept(p, "<")) {
    dtype = kir_parse_dtype(p);
    kir_parse_expect(p, ">");
    const bool lowest = kir_token_is(&word, "lowest");
    if (!p->failed && (lowest || kir_token_is(&word, "highest"))) {
      return limit(p, lowest, dtype);
    }
    if (kir_token_is(&word, "cast") || kir_token_is(&word, "saturate") ||
        kir_token_is(&word, "bitcast")) {
      return conversion(p, &word, dtype);
    }
  }
  if (kir_token_is(&word, "load_or")) {
    return load_or(p);
  }
  if (kir_token_is(&word, "exchange")) {
    return exchange(p);
  }
  kir_expr args[3] = {0};
  if (kir_token_is(&word, "fma")) {
    const bool three = arguments(p, args, 3, 0, &word) == 3;
    if (!three) {
      kir_parse_problem(p, &word, "fma takes 3 operands");
    }
    return of_value(p->failed ? 0 : kir_fma(&p->b, args[0].v, args[1].v, args[2].v));
  }
  if (reduce_op(&word, &op)) {
    arguments(p, args, 1, 0, &word);
    const kir_val x = own_type(p, args[0], &word);
    return of_value(p->failed ? 0 : kir_reduce(&p->b, op, x));
  }
  if (!kir_parse_op(&word, &op) || op == AICC_OP_CAST || op == AICC_OP_BITCAST) {
    kir_parse_problem(p, &word, "no function has this name");
    return (kir_expr){0};
  }
  return call_of(p, op, &word);
}

static kir_expr primary(kir_parser *p) {
  if (p->failed) {
    return (kir_expr){0};
  }
  if (p->token.kind == KIR_TOKEN_VALUE) {
    return value_or_load(p);
  }
  if (p->token.kind == KIR_TOKEN_NUMBER) {
    return number(p);
  }
  if (kir_parse_accept(p, "(")) {
    const kir_expr e = kir_parse_expr(p);
    kir_parse_expect(p, ")");
    return e;
  }
  if (kir_parse_accept(p, "true")) {
    return of_value(kir_const(&p->b, AICC_BOOL, 1));
  }
  if (kir_parse_accept(p, "false")) {
    return of_value(kir_const(&p->b, AICC_BOOL, 0));
  }
  if (kir_parse_accept(p, "inf")) {
    return (kir_expr){.literal = true, .is_float = true, .f = (double)INFINITY};
  }
  if (kir_parse_accept(p, "nan")) {
    return (kir_expr){.literal = true, .is_float = true, .f = (double)NAN};
  }
  if (kir_parse_accept(p, "task")) {
    return of_value(kir_task(&p->b));
  }
  if (kir_parse_accept(p, "lane")) {
    return of_value(kir_lane(&p->b));
  }
  if (kir_parse_accept(p, "warp")) {
    return of_value(kir_warp(&p->b));
  }
  if (p->token.kind == KIR_TOKEN_WORD) {
    return call(p);
  }
  kir_parse_expected(p, "an expression");
  return (kir_expr){0};
}

static kir_expr unary(kir_parser *p) {
  const kir_token at = p->token;
  if (kir_parse_accept(p, "-")) {
    const kir_expr e = unary(p);
    if (p->failed || e.literal) {
      return (kir_expr){.literal = true, .is_float = e.is_float, .i = (int64_t)(0 - (uint64_t)e.i),
                        .f = -e.f};
    }
    return of_value(kir_scalar1(&p->b, AICC_OP_NEG, e.v));
  }
  if (kir_parse_accept(p, "!")) {
    const kir_val v = kir_parse_as(p, unary(p), AICC_BOOL, &at);
    return of_value(p->failed ? 0 : kir_scalar1(&p->b, AICC_OP_NOT, v));
  }
  return primary(p);
}

// --- infix operators, by level from || down to * and / -------------------------------------------

enum { LEVELS = 5 };
typedef struct infix {
  const char *text;
  aicc_op op;
  int level;
} infix;

static const infix operators[] = {
    {"||", AICC_OP_OR, 0}, {"&&", AICC_OP_AND, 1}, {"==", AICC_OP_EQ, 2}, {"!=", AICC_OP_NE, 2},
    {"<", AICC_OP_LT, 2},  {"<=", AICC_OP_LE, 2},  {">", AICC_OP_GT, 2},  {">=", AICC_OP_GE, 2},
    {"+", AICC_OP_ADD, 3}, {"-", AICC_OP_SUB, 3},  {"*", AICC_OP_MUL, 4}, {"/", AICC_OP_DIV, 4}};

static const infix *infix_at(const kir_parser *p, int level) {
  for (size_t i = 0; i < sizeof operators / sizeof *operators; i++) {
    if (operators[i].level == level && kir_token_is(&p->token, operators[i].text)) {
      return &operators[i];
    }
  }
  return NULL;
}

static kir_expr infix_level(kir_parser *p, int level) {
  if (level == LEVELS) {
    return unary(p);
  }
  kir_expr a = infix_level(p, level + 1);
  for (const infix *row; !p->failed && (row = infix_at(p, level)) != NULL;) {
    const kir_token at = p->token;
    kir_parse_next(p);
    const kir_expr b = infix_level(p, level + 1);
    if (level < 2 && !p->failed) {
      a.v = kir_parse_as(p, a, AICC_BOOL, &at);
      kir_parse_as(p, b, AICC_BOOL, &at);
    }
    a = binary(p, row->op, a, b, &at);
  }
  return a;
}

kir_expr kir_parse_expr(kir_parser *p) {
  const kir_token at = p->token;
  const kir_expr e = infix_level(p, 0);
  if (!p->failed && !e.literal && !is_plain_value(p, e.v)) {
    kir_parse_problem(p, &at, "this is no value");
  }
  return e;
}
