#include "ir/lex.h"

#include <string.h>

static bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
static bool is_digit(char c) { return c >= '0' && c <= '9'; }
static bool is_word_char(char c) { return is_letter(c) || is_digit(c) || c == '.'; }
static bool is_name_char(char c) { return is_word_char(c) || (c && strchr("/#$-", c)); }
static bool is_hex(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

void aicc_lexer_init(aicc_lexer *lexer, const char *text, size_t size) {
  *lexer = (aicc_lexer){
      .at = text, .end = text + size, .line_start = text, .line = 1, .first = true};
}

static char peek(const aicc_lexer *lexer, size_t ahead) {
  return (size_t)(lexer->end - lexer->at) > ahead ? lexer->at[ahead] : '\0';
}

static void skip_space(aicc_lexer *lexer) {
  while (lexer->at < lexer->end) {
    const char c = *lexer->at;
    if (c == ';') {
      const char *line_end = memchr(lexer->at, '\n', (size_t)(lexer->end - lexer->at));
      lexer->at = line_end ? line_end : lexer->end;
    } else if (c == '\n') {
      lexer->line_start = ++lexer->at;
      lexer->line++;
      lexer->first = true;
    } else if (c == ' ' || c == '\t' || c == '\r') {
      lexer->at++;
    } else {
      return;
    }
  }
}

static void take_while(aicc_lexer *lexer, bool (*accepts)(char), aicc_token *token) {
  token->text = lexer->at;
  while (lexer->at < lexer->end && accepts(*lexer->at)) {
    lexer->at++;
  }
  token->size = (size_t)(lexer->at - token->text);
}

// At the opening quote. An unclosed string ends at the end of its line and is BAD.
static void take_quoted(aicc_lexer *lexer, aicc_token *token) {
  token->text = ++lexer->at;
  token->quoted = true;
  while (lexer->at < lexer->end && *lexer->at != '"' && *lexer->at != '\n') {
    lexer->at += *lexer->at == '\\' && lexer->at + 1 < lexer->end && lexer->at[1] != '\n' ? 2 : 1;
  }
  token->size = (size_t)(lexer->at - token->text);
  if (peek(lexer, 0) != '"') {
    token->kind = AICC_TOKEN_BAD;
    return;
  }
  lexer->at++;
}

static void take_name(aicc_lexer *lexer, aicc_token_kind kind, aicc_token *token) {
  token->kind = kind;
  lexer->at++;
  if (peek(lexer, 0) == '"') {
    take_quoted(lexer, token);
    return;
  }
  take_while(lexer, is_name_char, token);
  if (token->size == 0) {
    token->kind = AICC_TOKEN_BAD;
  }
}

static bool is_number_char(char c) { return is_word_char(c); }

// Digits, letters and dots, and a sign behind the letter of an exponent.
static void take_number(aicc_lexer *lexer, aicc_token *token) {
  token->kind = AICC_TOKEN_NUMBER;
  token->text = lexer->at++;
  const bool hex = token->text[0] == '0' || (token->text[0] == '-' && peek(lexer, 0) == '0');
  while (lexer->at < lexer->end) {
    const char before = lexer->at[-1];
    const bool exponent = before == 'p' || before == 'P' ||
                          (!hex && (before == 'e' || before == 'E'));
    const bool sign = (*lexer->at == '+' || *lexer->at == '-') && exponent;
    if (!sign && !is_number_char(*lexer->at)) {
      break;
    }
    lexer->at++;
  }
  token->size = (size_t)(lexer->at - token->text);
}

static void take_punctuation(aicc_lexer *lexer, aicc_token *token) {
  token->text = lexer->at;
  token->size = 1;
  token->kind = strchr("(){}[]<>,:=*`", *lexer->at) ? AICC_TOKEN_PUNCT : AICC_TOKEN_BAD;
  lexer->at++;
}

aicc_token aicc_lexer_next(aicc_lexer *lexer) {
  skip_space(lexer);
  aicc_token token = {
      .text = lexer->at,
      .first = lexer->first,
      .line = lexer->line,
      .column = (int)(lexer->at - lexer->line_start) + 1,
  };
  lexer->first = false;
  if (lexer->at == lexer->end) {
    return token;
  }
  const char c = *lexer->at, next = peek(lexer, 1);
  if (c == '-' && next == '>') {
    token.kind = AICC_TOKEN_ARROW;
    token.size = 2;
    lexer->at += 2;
  } else if (is_letter(c)) {
    token.kind = AICC_TOKEN_WORD;
    take_while(lexer, is_word_char, &token);
  } else if (is_digit(c) || (c == '-' && is_word_char(next))) {
    take_number(lexer, &token);
  } else if (c == '%' || c == '@') {
    take_name(lexer, c == '%' ? AICC_TOKEN_VALUE : AICC_TOKEN_SYMBOL, &token);
  } else if (c == '"') {
    token.kind = AICC_TOKEN_STRING;
    take_quoted(lexer, &token);
  } else if (c == '#' && is_hex(next)) {
    token.kind = AICC_TOKEN_BITS;
    lexer->at++;
    take_while(lexer, is_hex, &token);
  } else {
    take_punctuation(lexer, &token);
  }
  return token;
}

bool aicc_token_is(const aicc_token *token, const char *text) {
  return (token->kind == AICC_TOKEN_WORD || token->kind == AICC_TOKEN_PUNCT ||
          token->kind == AICC_TOKEN_ARROW) &&
         strlen(text) == token->size && memcmp(token->text, text, token->size) == 0;
}

static int hex_value(char c) {
  return is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10;
}

// The character that the escape at |text| (behind the backslash) stands for; *used counts its text.
static char escaped(const char *text, size_t left, size_t *used) {
  *used = 1;
  switch (text[0]) {
    case 'n': return '\n';
    case 't': return '\t';
    case 'x':
      if (left >= 3 && is_hex(text[1]) && is_hex(text[2])) {
        *used = 3;
        return (char)(hex_value(text[1]) * 16 + hex_value(text[2]));
      }
      return 'x';
    default: return text[0];
  }
}

char *aicc_token_text(const aicc_token *token, aicc_arena *arena, size_t *out_size) {
  char *text = aicc_arena_alloc(arena, token->size + 1);
  size_t length = 0;
  for (size_t i = 0; i < token->size; i++) {
    if (token->quoted && token->text[i] == '\\' && i + 1 < token->size) {
      size_t used;
      text[length++] = escaped(&token->text[i + 1], token->size - i - 1, &used);
      i += used;
    } else {
      text[length++] = token->text[i];
    }
  }
  if (out_size) {
    *out_size = length;
  }
  return text;
}

void aicc_print_string(const char *text, size_t size, FILE *out) {
  fputc('"', out);
  for (size_t i = 0; i < size; i++) {
    const unsigned char c = (unsigned char)text[i];
    if (c == '"' || c == '\\') {
      fprintf(out, "\\%c", c);
    } else if (c < 0x20 || c == 0x7f) {
      fprintf(out, "\\x%02x", c);
    } else {
      fputc(c, out);
    }
  }
  fputc('"', out);
}

void aicc_print_name(const char *name, FILE *out) {
  bool plain = *name != '\0';
  bool digits = plain;  // bare digits are for values without a name
  for (const char *c = name; *c; c++) {
    plain = plain && is_name_char(*c);
    digits = digits && is_digit(*c);
  }
  if (plain && !digits) {
    fputs(name, out);
  } else {
    aicc_print_string(name, strlen(name), out);
  }
}
