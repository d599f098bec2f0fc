#include "ir/kir_lex.h"

#include <string.h>

static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool is_word_char(char c) { return is_letter(c) || is_digit(c); }

void kir_lexer_init(kir_lexer *lexer, const char *text, size_t size) {
  *lexer = (kir_lexer){.at = text, .end = text + size, .line_start = text, .line = 1};
}

static char peek(const kir_lexer *lexer, size_t ahead) {
  return (size_t)(lexer->end - lexer->at) > ahead ? lexer->at[ahead] : '\0';
}

static void skip_space(kir_lexer *lexer) {
  while (lexer->at < lexer->end) {
    const char c = *lexer->at;
    if (c == '/' && peek(lexer, 1) == '/') {
      const char *line_end = memchr(lexer->at, '\n', (size_t)(lexer->end - lexer->at));
      lexer->at = line_end != NULL ? line_end : lexer->end;
    } else if (c == '\n') {
      lexer->line_start = ++lexer->at;
      lexer->line++;
    } else if (c == ' ' || c == '\t' || c == '\r') {
      lexer->at++;
    } else {
      return;
    }
  }
}

static void take_word(kir_lexer *lexer, kir_token *token) {
  token->text = lexer->at;
  while (lexer->at < lexer->end && is_word_char(*lexer->at)) {
    lexer->at++;
  }
  token->size = (size_t)(lexer->at - token->text);
}

// Digits, letters, one point that no second one follows, a sign behind a decimal exponent.
static void take_number(kir_lexer *lexer, kir_token *token) {
  const bool hex = *lexer->at == '0' && (peek(lexer, 1) == 'x' || peek(lexer, 1) == 'X');
  token->text = lexer->at;
  while (lexer->at < lexer->end) {
    const char c = *lexer->at;
    const bool exponent = !hex && lexer->at > token->text &&
                          (lexer->at[-1] == 'e' || lexer->at[-1] == 'E');
    const bool point = c == '.' && peek(lexer, 1) != '.';
    if (!is_word_char(c) && !point && !(exponent && (c == '+' || c == '-'))) {
      break;
    }
    lexer->at++;
  }
  token->size = (size_t)(lexer->at - token->text);
}

static void take_string(kir_lexer *lexer, kir_token *token) {
  token->text = ++lexer->at;
  while (lexer->at < lexer->end && *lexer->at != '"' && *lexer->at != '\n') {
    lexer->at++;
  }
  token->size = (size_t)(lexer->at - token->text);
  token->kind = peek(lexer, 0) == '"' ? KIR_TOKEN_STRING : KIR_TOKEN_BAD;
  lexer->at += token->kind == KIR_TOKEN_STRING;
}

static void take_punctuation(kir_lexer *lexer, kir_token *token) {
  static const char *const pairs[] = {"..", "&&", "||", "==", "!=", "<=", ">=", "+=", "-=", "*="};
  token->kind = KIR_TOKEN_PUNCT;
  token->size = 1;
  for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
    if (pairs[i][0] == *lexer->at && pairs[i][1] == peek(lexer, 1)) {
      token->size = 2;
    }
  }
  if (token->size == 1 && strchr("(){}[]<>,:*/+-=!", *lexer->at) == NULL) {
    token->kind = KIR_TOKEN_BAD;
  }
  lexer->at += token->size;
}

kir_token kir_lexer_next(kir_lexer *lexer) {
  skip_space(lexer);
  kir_token token = {.text = lexer->at, .line = lexer->line,
                     .column = (int)(lexer->at - lexer->line_start) + 1};
  if (lexer->at == lexer->end) {
    return token;
  }
  const char c = *lexer->at;
  if (is_letter(c)) {
    token.kind = KIR_TOKEN_WORD;
    take_word(lexer, &token);
  } else if (is_digit(c)) {
    token.kind = KIR_TOKEN_NUMBER;
    take_number(lexer, &token);
  } else if ((c == '%' || c == '@') && is_word_char(peek(lexer, 1))) {
    token.kind = c == '%' ? KIR_TOKEN_VALUE : KIR_TOKEN_SYMBOL;
    lexer->at++;
    take_word(lexer, &token);
  } else if (c == '"') {
    take_string(lexer, &token);
  } else {
    take_punctuation(lexer, &token);
  }
  return token;
}

bool kir_token_is(const kir_token *token, const char *text) {
  return (token->kind == KIR_TOKEN_WORD || token->kind == KIR_TOKEN_PUNCT) &&
         strlen(text) == token->size && memcmp(token->text, text, token->size) == 0;
}
