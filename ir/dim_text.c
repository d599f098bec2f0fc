// Text of symbolic integers: printer and recursive-descent parser.
#include <string.h>

#include "ir/dim_internal.h"

// How tightly the text of an expression holds together.
typedef enum precedence { COMPARISON, SUM, PRODUCT, PRIMARY } precedence;

typedef struct writer {
  const aicc_dims *dims;
  aicc_arena *arena;
  char *data;
  size_t count, capacity;
} writer;

static void put_char(writer *w, char c) {
  AICC_PUSH(w->arena, w->data, w->count, w->capacity, c);
}

static void put(writer *w, const char *text) {
  for (; *text; text++) {
    put_char(w, *text);
  }
}

static bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_word_char(char c) { return is_letter(c) || is_digit(c) || c == '.'; }

static bool is_word(const char *name) {
  if (!is_letter(*name)) {
    return false;
  }
  while (is_word_char(*name)) {
    name++;
  }
  return *name == '\0';
}

static void put_symbol(writer *w, const char *name) {
  if (is_word(name)) {
    put(w, name);
    return;
  }
  put_char(w, '`');
  for (; *name; name++) {
    if (*name == '`') {
      put_char(w, '`');
    }
    put_char(w, *name);
  }
  put_char(w, '`');
}

static void put_number(writer *w, int64_t value) {
  put(w, aicc_arena_printf(w->arena, "%lld", (long long)value));
}

static precedence precedence_of(const dim_entry *entry) {
  switch (entry->kind) {
    case AICC_DIM_ADD: return entry->unfolded ? PRIMARY : SUM;
    case AICC_DIM_MUL: return entry->unfolded ? PRIMARY : PRODUCT;
    case AICC_DIM_FLOORDIV:
    case AICC_DIM_MOD: return PRODUCT;
    case AICC_DIM_EQ:
    case AICC_DIM_LT: return COMPARISON;
    case AICC_DIM_CONST: return entry->value < 0 ? SUM : PRIMARY;
    default: return PRIMARY;
  }
}

static void put_dim(writer *w, aicc_dim d, precedence least);

static void put_binary(writer *w, const dim_entry *entry, const char *sign, precedence least) {
  put_dim(w, entry->operand[0], least);
  put(w, sign);
  put_dim(w, entry->operand[1], least);
}

static void put_call(writer *w, const dim_entry *entry, const char *name) {
  put(w, name);
  const aicc_dim_kind kind = entry->kind;
  for (const dim_entry *list = entry;; list = aicc_dim_entry(w->dims, list->operand[1])) {
    put_dim(w, list->operand[0], COMPARISON);
    put(w, ", ");
    if (kind == AICC_DIM_SELECT ||
        aicc_dim_entry(w->dims, list->operand[1])->kind != kind) {
      put_dim(w, list->operand[1], COMPARISON);
      break;
    }
  }
  if (kind == AICC_DIM_SELECT) {
    put(w, ", ");
    put_dim(w, entry->operand[2], COMPARISON);
  }
  put_char(w, ')');
}

// A factor and its monomial, 3*a*b; the sign is written by the caller for all terms but the first.
static void put_term(writer *w, aicc_dim d, bool sign_written) {
  const dim_entry *entry = aicc_dim_entry(w->dims, d);
  int64_t factor = 1;
  const bool product = entry->kind == AICC_DIM_MUL && !entry->unfolded;
  if (product && aicc_dim_is_const(w->dims, entry->operand[0], &factor)) {
    if (factor == -1 && !sign_written) {
      put_char(w, '-');
    } else if (factor != -1) {
      char *number = aicc_arena_printf(w->arena, "%lld", (long long)factor);
      put(w, sign_written && factor < 0 ? number + 1 : number);
      put_char(w, '*');
    }
    d = entry->operand[1];
    entry = aicc_dim_entry(w->dims, d);
  } else if (entry->kind == AICC_DIM_CONST && sign_written && entry->value < 0) {
    put(w, aicc_arena_printf(w->arena, "%lld", (long long)entry->value) + 1);
    return;
  } else if (!product) {
    put_dim(w, d, PRODUCT);
    return;
  }
  for (; entry->kind == AICC_DIM_MUL && !entry->unfolded;
       entry = aicc_dim_entry(w->dims, d)) {
    put_dim(w, entry->operand[0], PRIMARY);
    put_char(w, '*');
    d = entry->operand[1];
  }
  put_dim(w, d, PRIMARY);
}

static bool is_negative_term(const aicc_dims *dims, aicc_dim d) {
  const dim_entry *entry = aicc_dim_entry(dims, d);
  int64_t factor = 0;
  if (entry->kind == AICC_DIM_MUL && !entry->unfolded) {
    d = entry->operand[0];
  }
  return aicc_dim_is_const(dims, d, &factor) && factor < 0 && factor != INT64_MIN;
}

static void put_sum(writer *w, aicc_dim d) {
  const dim_entry *entry = aicc_dim_entry(w->dims, d);
  put_term(w, entry->operand[0], false);
  for (bool last = false; !last;) {
    d = entry->operand[1];
    entry = aicc_dim_entry(w->dims, d);
    last = entry->kind != AICC_DIM_ADD || entry->unfolded;
    const aicc_dim term = last ? d : entry->operand[0];
    const bool negative = is_negative_term(w->dims, term);
    put(w, negative ? " - " : " + ");
    put_term(w, term, negative);
  }
}

static void put_bare(writer *w, aicc_dim d) {
  const dim_entry *entry = aicc_dim_entry(w->dims, d);
  switch (entry->kind) {
    case AICC_DIM_CONST: put_number(w, entry->value); break;
    case AICC_DIM_SYMBOL: put_symbol(w, entry->name); break;
    case AICC_DIM_ADD:
      if (entry->unfolded) {
        put_char(w, '(');
        put_binary(w, entry, " + ", PRODUCT);
        put_char(w, ')');
      } else {
        put_sum(w, d);
      }
      break;
    case AICC_DIM_MUL:
      if (entry->unfolded) {
        put_char(w, '(');
        put_binary(w, entry, "*", PRIMARY);
        put_char(w, ')');
      } else {
        put_term(w, d, false);
      }
      break;
    case AICC_DIM_FLOORDIV: put_binary(w, entry, " // ", PRIMARY); break;
    case AICC_DIM_MOD: put_binary(w, entry, " % ", PRIMARY); break;
    case AICC_DIM_MIN: put_call(w, entry, "min("); break;
    case AICC_DIM_MAX: put_call(w, entry, "max("); break;
    case AICC_DIM_EQ: put_binary(w, entry, " == ", SUM); break;
    case AICC_DIM_LT: put_binary(w, entry, " < ", SUM); break;
    case AICC_DIM_SELECT: put_call(w, entry, "select("); break;
  }
}

static void put_dim(writer *w, aicc_dim d, precedence least) {
  if (precedence_of(aicc_dim_entry(w->dims, d)) >= least) {
    put_bare(w, d);
    return;
  }
  put_char(w, '(');
  put_bare(w, d);
  put_char(w, ')');
}

char *aicc_dim_print(const aicc_dims *dims, aicc_dim d, aicc_arena *arena) {
  writer w = {.dims = dims, .arena = arena};
  put_dim(&w, d, COMPARISON);
  put_char(&w, '\0');
  return w.data;
}

// --- parser -------------------------------------------------------------------------------------

enum { MAX_DEPTH = 100 };

typedef struct reader {
  aicc_dims *dims;
  const char *at, *end;
  int depth;
  bool failed;
} reader;

static aicc_dim fail(reader *r) {
  r->failed = true;
  r->at = r->end;
  return AICC_DIM_ONE;
}

static void skip_space(reader *r) {
  while (r->at < r->end && (*r->at == ' ' || *r->at == '\t')) {
    r->at++;
  }
}

static bool accept(reader *r, const char *token) {
  skip_space(r);
  const size_t length = strlen(token);
  if ((size_t)(r->end - r->at) < length || memcmp(r->at, token, length) != 0) {
    return false;
  }
  r->at += length;
  return true;
}

static bool accept_char_not_before(reader *r, char c, char next) {
  skip_space(r);
  if (r->at == r->end || *r->at != c || (r->at + 1 < r->end && r->at[1] == next)) {
    return false;
  }
  r->at++;
  return true;
}

static aicc_dim parse_comparison(reader *r);
static aicc_dim parse_product(reader *r);
static aicc_dim parse_unary(reader *r);

static aicc_dim parse_number(reader *r, bool negative) {
  int64_t value = 0;
  for (; r->at < r->end && is_digit(*r->at); r->at++) {
    const int64_t digit = *r->at - '0';
    if (aicc_mul_overflow(value, 10, &value) ||
        aicc_add_overflow(value, negative ? -digit : digit, &value)) {
      return fail(r);
    }
  }
  if (r->at < r->end && is_word_char(*r->at)) {
    return fail(r);
  }
  return aicc_dim_const(r->dims, value);
}

typedef aicc_dim (*binary_fn)(aicc_dims *dims, aicc_dim a, aicc_dim b);

// first, second, ...) folded from the left: at least two for the remainder, one for min and max.
static aicc_dim parse_call(reader *r, binary_fn fold, int least, int most) {
  aicc_dim result = parse_comparison(r);
  int count = 1;
  for (; accept(r, ","); count++) {
    result = fold(r->dims, result, parse_comparison(r));
  }
  return accept(r, ")") && count >= least && count <= most ? result : fail(r);
}

static aicc_dim parse_select(reader *r) {
  const aicc_dim c = parse_comparison(r);
  const aicc_dim a = accept(r, ",") ? parse_comparison(r) : fail(r);
  const aicc_dim b = accept(r, ",") ? parse_comparison(r) : fail(r);
  return accept(r, ")") ? aicc_dim_select(r->dims, c, a, b) : fail(r);
}

static aicc_dim parse_rounded(reader *r, binary_fn divide) {  // floor(a / b): a true division
  const aicc_dim a = parse_product(r);
  const aicc_dim b = accept_char_not_before(r, '/', '/') ? parse_unary(r) : AICC_DIM_ONE;
  return accept(r, ")") ? divide(r->dims, a, b) : fail(r);
}

static aicc_dim parse_function(reader *r, const char *name, size_t length) {
  static const struct {
    const char *name;
    binary_fn fold;
    int least, most;  // operands; 0: a rounded true division
  } functions[] = {
    {"min", aicc_dim_min, 1, 64},          {"max", aicc_dim_max, 1, 64},
    {"Min", aicc_dim_min, 1, 64},          {"Max", aicc_dim_max, 1, 64},
    {"Mod", aicc_dim_mod, 2, 2},           {"PythonMod", aicc_dim_mod, 2, 2},
    {"FloorDiv", aicc_dim_floordiv, 2, 2}, {"CleanDiv", aicc_dim_floordiv, 2, 2},
    {"CeilDiv", aicc_dim_ceildiv, 2, 2},   {"floor", aicc_dim_floordiv, 0, 0},
    {"ceiling", aicc_dim_ceildiv, 0, 0},   {"ceil", aicc_dim_ceildiv, 0, 0},
  };
  if (length == 6 && memcmp(name, "select", 6) == 0) {
    return parse_select(r);
  }
  for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
    if (strlen(functions[i].name) == length && memcmp(functions[i].name, name, length) == 0) {
      return functions[i].least
                 ? parse_call(r, functions[i].fold, functions[i].least, functions[i].most)
                 : parse_rounded(r, functions[i].fold);
    }
  }
  return fail(r);
}

static aicc_dim make_symbol(reader *r, const char *name, size_t length) {
  aicc_arena scratch;
  aicc_arena_init(&scratch);
  char *copy = aicc_arena_alloc(&scratch, length + 1);
  memcpy(copy, name, length);
  const aicc_dim d = aicc_dim_symbol(r->dims, copy);
  aicc_arena_deinit(&scratch);
  return d;
}

static aicc_dim parse_quoted(reader *r) {
  aicc_arena scratch;
  aicc_arena_init(&scratch);
  char *name = aicc_arena_alloc(&scratch, (size_t)(r->end - r->at) + 1);
  size_t length = 0;
  bool closed = false;
  while (r->at < r->end && !closed) {
    const char c = *r->at++;
    const bool doubled = c == '`' && r->at < r->end && *r->at == '`';
    closed = c == '`' && !doubled;
    if (!closed) {
      name[length++] = c;
      r->at += doubled;
    }
  }
  const bool valid = closed && length > 0 && memchr(name, '\0', length) == NULL;
  const aicc_dim d = valid ? make_symbol(r, name, length) : fail(r);
  aicc_arena_deinit(&scratch);
  return d;
}

static aicc_dim parse_primary(reader *r) {
  if (accept(r, "(")) {
    const aicc_dim inner = parse_comparison(r);
    return accept(r, ")") ? inner : fail(r);
  }
  if (accept(r, "`")) {
    return parse_quoted(r);
  }
  skip_space(r);
  if (r->at < r->end && is_digit(*r->at)) {
    return parse_number(r, false);
  }
  if (r->at == r->end || !is_letter(*r->at)) {
    return fail(r);
  }
  const char *name = r->at;
  while (r->at < r->end && is_word_char(*r->at)) {
    r->at++;
  }
  const size_t length = (size_t)(r->at - name);
  return accept(r, "(") ? parse_function(r, name, length) : make_symbol(r, name, length);
}

static aicc_dim parse_power(reader *r) {
  aicc_dim base = parse_primary(r);
  if (!accept(r, "**")) {
    return base;
  }
  int64_t exponent = 0;
  const aicc_dim power = parse_primary(r);
  if (!aicc_dim_is_const(r->dims, power, &exponent) || exponent < 0 || exponent > 16) {
    return fail(r);
  }
  aicc_dim result = AICC_DIM_ONE;
  for (int64_t i = 0; i < exponent; i++) {
    result = aicc_dim_mul(r->dims, result, base);
  }
  return result;
}

static aicc_dim parse_unary(reader *r) {
  if (!accept(r, "-")) {
    return parse_power(r);
  }
  skip_space(r);
  if (r->at < r->end && is_digit(*r->at)) {
    return parse_number(r, true);  // the least number has no positive counterpart
  }
  return aicc_dim_mul(r->dims, aicc_dim_const(r->dims, -1), parse_power(r));
}

static aicc_dim parse_product(reader *r) {
  aicc_dim left = parse_unary(r);
  for (;;) {
    if (accept_char_not_before(r, '*', '*')) {
      left = aicc_dim_mul(r->dims, left, parse_unary(r));
    } else if (accept(r, "//")) {
      left = aicc_dim_floordiv(r->dims, left, parse_unary(r));
    } else if (accept(r, "%")) {
      left = aicc_dim_mod(r->dims, left, parse_unary(r));
    } else {
      return left;
    }
  }
}

static aicc_dim parse_sum(reader *r) {
  aicc_dim left = parse_product(r);
  for (;;) {
    if (accept(r, "+")) {
      left = aicc_dim_add(r->dims, left, parse_product(r));
    } else if (accept_char_not_before(r, '-', '>')) {  // an arrow follows an expression
      left = aicc_dim_sub(r->dims, left, parse_product(r));
    } else {
      return left;
    }
  }
}

static aicc_dim parse_comparison(reader *r) {
  if (r->depth == MAX_DEPTH) {
    return fail(r);
  }
  r->depth++;
  aicc_dim left = parse_sum(r);
  if (accept(r, "==")) {
    left = aicc_dim_eq(r->dims, left, parse_sum(r));
  } else if (accept(r, "<")) {
    left = aicc_dim_lt(r->dims, left, parse_sum(r));
  }
  r->depth--;
  return left;
}

size_t aicc_dim_parse_prefix(aicc_dims *dims, const char *text, size_t length, aicc_dim *out) {
  reader r = {.dims = dims, .at = text, .end = text + length};
  const aicc_dim d = parse_comparison(&r);
  if (r.failed) {
    return 0;
  }
  *out = d;
  return (size_t)(r.at - text);
}

bool aicc_dim_parse(aicc_dims *dims, const char *text, size_t length, aicc_dim *out) {
  aicc_dim d = AICC_DIM_NONE;
  size_t taken = aicc_dim_parse_prefix(dims, text, length, &d);
  while (taken > 0 && taken < length && (text[taken] == ' ' || text[taken] == '\t')) {
    taken++;
  }
  if (taken == 0 || taken != length) {
    return false;
  }
  *out = d;
  return true;
}
