// Command lines: an option table shared by the four tools. `--name value`, `--name=value`, flags,
// one-letter aliases; an unknown option is refused with the nearest name.
//
// Not thread-safe; strings are borrowed from argv and the table.
#ifndef AICC_TOOLS_ARGS_H
#define AICC_TOOLS_ARGS_H

#include <stdbool.h>
#include <stdio.h>

typedef enum args_kind { ARGS_FLAG, ARGS_VALUE, ARGS_LIST } args_kind;

typedef struct args_option {
  const char *name;   // "--shapes"
  const char *alias;  // "-o" or another long name; NULL: none
  args_kind kind;
  const char *value;  // what it takes, for the help: "NAME:SHAPE"
  const char *help;   // one line
} args_option;

typedef struct args_program {
  const char *name;      // "aicc"
  const char *usage;     // "aicc MODEL.onnx -o MODEL.so [options]"
  const char *about;     // a paragraph
  const char *examples;  // lines, may be NULL
  const args_option *options;
  int option_count;
} args_program;

enum { ARGS_MAX = 256 };

typedef struct args {
  const args_program *program;
  const char *names[ARGS_MAX];   // of options given, in order
  const char *values[ARGS_MAX];  // NULL for flags
  int count;
  const char *files[ARGS_MAX];   // what is no option
  int file_count;
} args;

// False after saying on stderr what is wrong. "--" ends the options.
bool args_parse(args *a, const args_program *program, int argc, char **argv);
// The start of a tool that takes one file: parses, and does --help and --version. -1: go on with
// a->files[0]; else the exit code.
int args_begin(args *a, const args_program *program, int argc, char **argv);
bool args_has(const args *a, const char *name);
// The last value given, or |otherwise|.
const char *args_get(const args *a, const char *name, const char *otherwise);
// The |index|-th value of a list option, NULL beyond the end.
const char *args_nth(const args *a, const char *name, int index);
// A whole number within bounds; false after saying what is wrong. *out stays where it is not given.
bool args_integer(const args *a, const char *name, long least, long most, long *out);
// A number from 0 on, in the same way.
bool args_real(const args *a, const char *name, double *out);
void args_help(const args_program *program, FILE *out);

#endif
