// Tokens of .air text.
//
//   word     [A-Za-z_][A-Za-z0-9_.]*         name  % or @ and a word of [A-Za-z0-9_./#$-], "..."
//   string   "..." with \" \\ \n \t \xHH         number 12  -3  0x1.8p+0  -inf  and #7f (raw bits)
//   punctuation: ( ) { } [ ] < > , : = * -> `
//   ; starts a comment up to the end of the line
//
// Tokens point into the text. A lexer never fails: what is no token is one of kind BAD.
// Thread-compatible.
#ifndef AICC_IR_LEX_H
#define AICC_IR_LEX_H

#include "ir/diag.h"

typedef enum aicc_token_kind {
  AICC_TOKEN_END, AICC_TOKEN_WORD, AICC_TOKEN_VALUE /* %x */, AICC_TOKEN_SYMBOL /* @x */,
  AICC_TOKEN_STRING, AICC_TOKEN_NUMBER, AICC_TOKEN_BITS /* #7f */, AICC_TOKEN_PUNCT,
  AICC_TOKEN_ARROW, AICC_TOKEN_BAD,
} aicc_token_kind;

typedef struct aicc_token {
  aicc_token_kind kind;
  const char *text;  // without sigil and quotes, escapes as written; not zero-terminated
  size_t size;
  bool quoted;       // strings, and names in quotes
  bool first;        // first of its line
  int line, column;  // from 1
} aicc_token;

typedef struct aicc_lexer {
  const char *at, *end;
  const char *line_start;
  int line;
  bool first;
} aicc_lexer;

void aicc_lexer_init(aicc_lexer *lexer, const char *text, size_t size);
aicc_token aicc_lexer_next(aicc_lexer *lexer);

// The token's text as a zero-terminated arena string, escapes resolved. *out_size (may be NULL):
// its length, which matters where it contains zero bytes.
char *aicc_token_text(const aicc_token *token, aicc_arena *arena, size_t *out_size);
bool aicc_token_is(const aicc_token *token, const char *text);  // word, punctuation or arrow

// Writes |text| so that the lexer reads it back: a name after its sigil, a string with quotes.
void aicc_print_name(const char *name, FILE *out);
void aicc_print_string(const char *text, size_t size, FILE *out);

#endif
