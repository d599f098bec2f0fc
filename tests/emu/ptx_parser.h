// What ptx_parse.c (modules) and ptx_body.c (functions) share. After an error every token is the
// end, so that all loops stop and the first message stands.
#ifndef AICC_TESTS_EMU_PTX_PARSER_H
#define AICC_TESTS_EMU_PTX_PARSER_H

#include "ptx.h"

typedef struct ptx_parser {
  ptx_lexer lexer;
  ptx_token token;
  ptx_arena *arena;
  ptx_module *module;
  ptx_errors *errors;
  bool failed;
} ptx_parser;

void ptx_step(ptx_parser *p);
void ptx_fail(ptx_parser *p, const char *what);  // "expected ...": the token is added
bool ptx_is(const ptx_parser *p, const char *text);
bool ptx_accept(ptx_parser *p, const char *text);
void ptx_expect(ptx_parser *p, const char *text);
const char *ptx_name(ptx_parser *p);
uint64_t ptx_integer(ptx_parser *p);
bool ptx_number(ptx_parser *p, ptx_arg *arg);
void ptx_skip_line(ptx_parser *p);
bool ptx_space_word(ptx_parser *p, ptx_space *space);
ptx_var *ptx_variable(ptx_parser *p, ptx_space space);
void ptx_add_var(ptx_parser *p, ptx_function *f, ptx_var *var);
void ptx_body(ptx_parser *p, ptx_function *f);  // at its "{"

// Room for one more element after |count|: sizes are powers of two, what is outgrown stays behind.
void *ptx_grow(ptx_arena *arena, void *array, int count, size_t bytes);

#endif
