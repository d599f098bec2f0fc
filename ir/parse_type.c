// Types, dimensions and symbols of .air text.
#include <string.h>

#include "ir/parse_internal.h"

static char peek(const aicc_parser *p) {
  return p->lexer.at < p->lexer.end ? *p->lexer.at : '\0';
}

static void skip_blanks(aicc_parser *p) {
  while (peek(p) == ' ' || peek(p) == '\t') {
    p->lexer.at++;
  }
}

// To the closing backtick, at the opening one; two in a row stand for one.
static void skip_quoted(aicc_parser *p) {
  p->lexer.at++;
  while (peek(p) && peek(p) != '\n') {
    const bool tick = *p->lexer.at++ == '`';
    if (tick && peek(p) != '`') {
      return;
    }
    p->lexer.at += tick;
  }
}

// The text of one expression: up to a comma or a bracket outside of parentheses.
static size_t scan_expression(aicc_parser *p, const char **start) {
  skip_blanks(p);
  *start = p->lexer.at;
  int depth = 0;
  while (peek(p) && peek(p) != '\n' && peek(p) != ']') {
    if (peek(p) == '`') {
      skip_quoted(p);
      continue;
    }
    if (peek(p) == ',' && depth == 0) {
      break;
    }
    depth += peek(p) == '(' ? 1 : peek(p) == ')' ? -1 : 0;
    p->lexer.at++;
  }
  const char *end = p->lexer.at;
  while (end > *start && (end[-1] == ' ' || end[-1] == '\t')) {
    end--;
  }
  return (size_t)(end - *start);
}

static bool fail_dim(aicc_parser *p, const char *text, size_t size) {
  const aicc_loc loc = aicc_parser_loc(p, &p->token);
  AICC_EMIT(p->diags, E0009, &loc,
            aicc_arena_printf(&p->scratch, "%.*s", (int)(size < 80 ? size : 80), text));
  return false;
}

// Behind the '[': expressions up to the ']', which is passed over.
static bool scan_dims(aicc_parser *p, aicc_dim *dims, int max, int *count) {
  *count = 0;
  skip_blanks(p);
  if (peek(p) == ']') {
    p->lexer.at++;
    return true;
  }
  for (;;) {
    const char *text;
    const size_t size = scan_expression(p, &text);
    aicc_dim dim;
    if (*count == max || !aicc_dim_parse(p->module->dims, text, size, &dim)) {
      return fail_dim(p, text, size);
    }
    dims[(*count)++] = dim;
    const char next = peek(p);
    p->lexer.at += next == ',' || next == ']';
    if (next == ']') {
      return true;
    }
    if (next != ',') {
      return fail_dim(p, text, size);
    }
  }
}

bool aicc_parse_dims(aicc_parser *p, aicc_dim *dims, int max, int *count, bool *unknown) {
  if (!aicc_token_is(&p->token, "[")) {
    return aicc_parser_fail_expected(p, "'['");
  }
  const size_t left = (size_t)(p->lexer.end - p->lexer.at);
  if (unknown) {
    *unknown = left >= 2 && memcmp(p->lexer.at, "?]", 2) == 0;
    if (*unknown) {
      p->lexer.at += 2;
      aicc_parser_take(p);
      return true;
    }
  }
  // The expressions have a grammar of their own: they are read from the text, not from tokens.
  const bool ok = scan_dims(p, dims, max, count);
  aicc_parser_take(p);
  return ok;
}

// --- types ---------------------------------------------------------------------------------------

bool aicc_parse_dtype(aicc_parser *p, aicc_dtype *out) {
  if (p->token.kind != AICC_TOKEN_WORD ||
      !aicc_dtype_from_name(p->token.text, p->token.size, out)) {
    return aicc_parser_fail_expected(p, "an element type");
  }
  aicc_parser_take(p);
  return true;
}

static bool parse_nested_type(aicc_parser *p, aicc_type_kind kind, aicc_type *out) {
  aicc_type *element = AICC_NEW(&p->module->arena, aicc_type);
  aicc_parser_take(p);
  if (!aicc_parser_expect(p, "<") || !aicc_parser_enter(p) || !aicc_parse_type(p, element) ||
      !aicc_parser_expect(p, ">")) {
    return false;
  }
  aicc_parser_leave(p);
  *out = (aicc_type){.kind = kind, .dtype = element->dtype, .element = element};
  return true;
}

bool aicc_parse_type(aicc_parser *p, aicc_type *out) {
  if (aicc_token_is(&p->token, "seq")) {
    return parse_nested_type(p, AICC_TYPE_SEQUENCE, out);
  }
  if (aicc_token_is(&p->token, "opt")) {
    return parse_nested_type(p, AICC_TYPE_OPTIONAL, out);
  }
  aicc_dtype dtype;
  aicc_dim dims[AICC_MAX_RANK];
  int rank;
  bool unknown;
  if (!aicc_parse_dtype(p, &dtype) || !aicc_parse_dims(p, dims, AICC_MAX_RANK, &rank, &unknown)) {
    return false;
  }
  *out = unknown ? (aicc_type){.kind = AICC_TYPE_TENSOR, .dtype = dtype, .rank = -1}
                 : aicc_type_tensor(p->module, dtype, dims, rank);
  return true;
}

// --- symbols -------------------------------------------------------------------------------------

// The text of a symbol, from the lexer's place on.
static size_t scan_symbol(aicc_parser *p, const char **start) {
  skip_blanks(p);
  *start = p->lexer.at;
  if (peek(p) == '`') {
    skip_quoted(p);
  }
  while (peek(p) && !strchr(",> \t\r\n`", peek(p))) {
    p->lexer.at++;
  }
  return (size_t)(p->lexer.at - *start);
}

bool aicc_parse_symbols(aicc_parser *p) {
  do {
    // The current token is `dims` or a comma; the lexer stands behind it.
    const char *text;
    const size_t size = scan_symbol(p, &text);
    aicc_dim symbol;
    if (!aicc_dim_parse(p->module->dims, text, size, &symbol) ||
        !aicc_dim_symbol_name(p->module->dims, symbol)) {
      fail_dim(p, text, size);
      aicc_parser_take(p);
      return false;
    }
    aicc_parser_take(p);
    if (aicc_parser_accept(p, "any")) {
      aicc_dim_set_lower(p->module->dims, symbol, INT64_MIN);
    } else if (aicc_parser_accept(p, ">")) {
      int64_t lower;
      if (!aicc_parser_expect(p, "=") || !aicc_parse_int(p, &lower)) {
        return false;
      }
      aicc_dim_set_lower(p->module->dims, symbol, lower);
    }
  } while (aicc_token_is(&p->token, ","));
  return true;
}
