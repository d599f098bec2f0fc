// What the files of the .air parser share.
#ifndef AICC_IR_PARSE_INTERNAL_H
#define AICC_IR_PARSE_INTERNAL_H

#include "ir/graph.h"
#include "ir/lex.h"
#include "ir/names.h"

enum { AICC_PARSE_DEPTH_MAX = 64, AICC_PARSE_TENSOR_MAX = 1 << 30 /* bytes */ };

// Names of one region.
typedef struct aicc_parse_scope {
  struct aicc_parse_scope *outer;
  aicc_names names;  // -> aicc_value
} aicc_parse_scope;

typedef struct aicc_parser {
  aicc_lexer lexer;
  aicc_token token;  // the one to be looked at next
  int braces;        // open ones before that token
  aicc_module *module;
  aicc_diags *diags;
  aicc_arena scratch;
  aicc_parse_scope *scope;
  int depth;
} aicc_parser;

// Parse functions return false after reporting; the caller goes on at a place that it knows.
void aicc_parser_take(aicc_parser *p);                          // next token
bool aicc_parser_accept(aicc_parser *p, const char *text);      // takes it if it is |text|
bool aicc_parser_expect(aicc_parser *p, const char *text);      // reports E0001 if it is not
bool aicc_parser_fail_expected(aicc_parser *p, const char *what);  // reports E0001; false
aicc_loc aicc_parser_loc(const aicc_parser *p, const aicc_token *at);
bool aicc_parser_enter(aicc_parser *p);  // one level of nesting more; false: too deep (reported)
void aicc_parser_leave(aicc_parser *p);

bool aicc_parse_int(aicc_parser *p, int64_t *out);
bool aicc_parse_double(aicc_parser *p, double *out);
bool aicc_parse_dtype(aicc_parser *p, aicc_dtype *out);

// parse_type.c. The current token is the '[' of a list of expressions. *unknown (may be NULL): the
// list is [?].
bool aicc_parse_dims(aicc_parser *p, aicc_dim *dims, int max, int *count, bool *unknown);
bool aicc_parse_type(aicc_parser *p, aicc_type *out);
bool aicc_parse_symbols(aicc_parser *p);  // behind the word `dims`
bool aicc_parse_tensor(aicc_parser *p, aicc_tensor *out);

// parse_attr.c: { key = value, ... }
bool aicc_parse_attrs(aicc_parser *p, aicc_node *node);

#endif
