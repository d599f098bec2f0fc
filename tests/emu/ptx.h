// PTX text as data: a module of variables and functions, a function of statements. What a statement
// means is not known here: emu_link.c looks it up and makes a program of it.
//
// A module owns everything it points to, through its arena. It is read-only once parsed.
#ifndef AICC_TESTS_EMU_PTX_H
#define AICC_TESTS_EMU_PTX_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ptx_arena ptx_arena;
ptx_arena *ptx_arena_create(void);  // aborts where there is no memory, as all allocation below does
void ptx_arena_destroy(ptx_arena *arena);
void *ptx_alloc(ptx_arena *arena, size_t bytes);  // zeros, aligned to 16
char *ptx_text(ptx_arena *arena, const char *text, size_t size);

// Messages of one module, one a line, in order. Beyond the size the rest is counted only.
typedef struct ptx_errors {
  char text[1600];
  size_t size;
  int count, first_line;
} ptx_errors;
void ptx_error(ptx_errors *errors, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

typedef enum ptx_class { PTX_PRED, PTX_16, PTX_32, PTX_64 } ptx_class;
typedef enum ptx_space {
  PTX_GENERIC, PTX_GLOBAL, PTX_SHARED, PTX_LOCAL, PTX_CONST, PTX_PARAM,
} ptx_space;

// An address in an initializer: |symbol| + the number that is already in the bytes.
typedef struct ptx_fixup {
  const char *symbol;
  uint64_t offset;
  uint32_t bytes;
  struct ptx_fixup *next;
} ptx_fixup;

typedef struct ptx_var {
  const char *name;
  ptx_space space;
  uint64_t bytes;       // 0: extern shared memory, its size is the launch's
  uint32_t align;
  uint8_t *initial;     // NULL: zeros, or none
  ptx_fixup *fixups;
  int line;
  int id;               // of the module's and of a function's, each from 0
  bool is_module, is_formal, is_extern;
  uint64_t address;     // of a module's .global or .const variable, by emu_module_load
} ptx_var;

typedef enum ptx_arg_kind {
  PTX_ARG_NONE, PTX_ARG_REG, PTX_ARG_IMM, PTX_ARG_VAR, PTX_ARG_SPECIAL, PTX_ARG_MEM, PTX_ARG_VEC,
  PTX_ARG_NAME, PTX_ARG_SINK, PTX_ARG_LIST,
} ptx_arg_kind;

typedef struct ptx_arg {
  ptx_arg_kind kind;
  bool negated;         // !%p
  bool is_float;        // |number| is the value, |imm| its bits
  bool is_f32;          // written as 0f...: the bits are those of an f32
  int reg, pair;        // register; the second of %a|%b, -1: none
  int64_t imm;          // immediate, or offset of an address
  double number;
  ptx_var *var;
  const char *name;     // label, function, special register
  struct ptx_arg *list; // elements of a vector, base of an address, arguments of a call
  int count;
} ptx_arg;

typedef struct ptx_stmt {
  const char *opcode;  // with its modifiers; "implicit-def" for a register that LLVM left undefined
  ptx_arg *args;
  int count, line;
  int scope;            // braces that it is in
  int pred;             // guard, -1: none
  bool pred_negated;
} ptx_stmt;

typedef struct ptx_reg {
  ptx_class class_;
  const char *name;     // stem of a range
  int number;           // -1: the name is complete
} ptx_reg;

typedef struct ptx_label {
  const char *name;
  int at;               // statement
  int scope;
  const char **targets; // of a .branchtargets list
  int target_count;
} ptx_label;

typedef struct ptx_function {
  const char *name;
  bool is_entry, is_defined;
  int line;
  ptx_var **params, **results;
  int param_count, result_count;
  ptx_stmt *body;
  int count;
  ptx_reg *regs;
  int reg_count;
  ptx_var **vars;       // params and results too
  int var_count;
  ptx_label *labels;
  int label_count;
  int *parents;         // of scopes: the one around it, -1: none
  int scope_count;
  uint32_t reqntid[3], maxntid[3];  // 0: not given
} ptx_function;

typedef struct ptx_module {
  ptx_arena *arena;
  int version, sm;      // 70 for 7.0; 80 for sm_80
  ptx_var **vars;
  int var_count;
  ptx_function **functions;
  int function_count;
  const char *text;     // ends with a zero
  const char **lines;   // lines[1] is the first
  int line_count;
} ptx_module;

// NULL with |errors| filled where the text is not PTX.
ptx_module *ptx_parse(const char *text, size_t size, ptx_errors *errors);
void ptx_module_destroy(ptx_module *module);
ptx_function *ptx_find_function(const ptx_module *module, const char *name);
ptx_var *ptx_find_var(const ptx_module *module, const char *name);
// Bytes of a fundamental type named without its dot ("b32"); 0: no type.
uint32_t ptx_type_bytes(const char *name, size_t size);

// ---- tokens, for ptx_parse*.c ------------------------------------------------------------------

typedef enum ptx_token_kind {
  PTX_END, PTX_WORD, PTX_NUMBER, PTX_STRING, PTX_MARK, PTX_UNDEF,
} ptx_token_kind;

typedef struct ptx_token {
  ptx_token_kind kind;
  const char *text;
  size_t size;
  int line;
} ptx_token;

typedef struct ptx_lexer {
  const char *at, *end;
  int line;
  bool open;  // a comment or a string did not end
} ptx_lexer;
ptx_token ptx_next(ptx_lexer *lexer);

#endif
