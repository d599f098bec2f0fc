// Tokens of kernel text (.kir).
//
//   word    [A-Za-z_][A-Za-z0-9_]*      value %word or %12      symbol @word
//   number  12, 0x7f, 1.5, 1e-5         string "..." without escapes
//   punctuation: ( ) { } [ ] < > , : * / + - = ! .. && || == != <= >= += -= *=
//   // starts a comment up to the end of the line
//
// Tokens point into the text. What is no token is one of kind BAD. Thread-compatible.
#ifndef AICC_IR_KIR_LEX_H
#define AICC_IR_KIR_LEX_H

#include "ir/arena.h"

typedef enum kir_token_kind {
  KIR_TOKEN_END, KIR_TOKEN_WORD, KIR_TOKEN_VALUE, KIR_TOKEN_SYMBOL, KIR_TOKEN_NUMBER,
  KIR_TOKEN_STRING, KIR_TOKEN_PUNCT, KIR_TOKEN_BAD,
} kir_token_kind;

typedef struct kir_token {
  kir_token_kind kind;
  const char *text;  // without sigil and quotes; not zero-terminated
  size_t size;
  int line, column;  // from 1
} kir_token;

typedef struct kir_lexer {
  const char *at, *end, *line_start;
  int line;
} kir_lexer;

void kir_lexer_init(kir_lexer *lexer, const char *text, size_t size);
kir_token kir_lexer_next(kir_lexer *lexer);
bool kir_token_is(const kir_token *token, const char *text);  // a word or punctuation

#endif
