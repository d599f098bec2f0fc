#include "args.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const args_option *find(const args_program *program, const char *name, size_t length) {
  for (int i = 0; i < program->option_count; i++) {
    const args_option *option = &program->options[i];
    const char *const spellings[] = {option->name, option->alias};
    for (int k = 0; k < 2; k++) {
      if (spellings[k] && strlen(spellings[k]) == length &&
          strncmp(spellings[k], name, length) == 0) {
        return option;
      }
    }
  }
  return NULL;
}

// Edit distance, for words of moderate length.
static int distance(const char *a, const char *b) {
  int row[64];
  const int n = (int)strlen(b);
  if (n >= 63) {
    return 63;
  }
  for (int j = 0; j <= n; j++) {
    row[j] = j;
  }
  for (int i = 1; a[i - 1]; i++) {
    int diagonal = row[0];
    row[0] = i;
    for (int j = 1; j <= n; j++) {
      const int substitute = diagonal + (a[i - 1] != b[j - 1]);
      const int insert = row[j - 1] + 1, erase = row[j] + 1;
      diagonal = row[j];
      row[j] = substitute < insert ? substitute : insert;
      row[j] = row[j] < erase ? row[j] : erase;
    }
  }
  return row[n];
}

static void unknown(const args_program *program, const char *word, size_t length) {
  char name[64];
  snprintf(name, sizeof name, "%.*s", (int)length, word);
  const args_option *nearest = NULL;
  int best = 4;
  for (int i = 0; i < program->option_count; i++) {
    const int d = distance(name, program->options[i].name);
    if (d < best) {
      best = d;
      nearest = &program->options[i];
    }
  }
  fprintf(stderr, "%s: unknown option '%s'", program->name, name);
  if (nearest) {
    fprintf(stderr, "; did you mean '%s'?", nearest->name);
  }
  fprintf(stderr, " (%s --help lists them)\n", program->name);
}

static bool add(args *a, const char *name, const char *value) {
  if (a->count == ARGS_MAX) {
    fprintf(stderr, "%s: more than %d options\n", a->program->name, ARGS_MAX);
    return false;
  }
  a->names[a->count] = name;
  a->values[a->count++] = value;
  return true;
}

static bool add_file(args *a, const char *name) {
  if (a->file_count == ARGS_MAX) {
    fprintf(stderr, "%s: more than %d files\n", a->program->name, ARGS_MAX);
    return false;
  }
  a->files[a->file_count++] = name;
  return true;
}

bool args_parse(args *a, const args_program *program, int argc, char **argv) {
  *a = (args){.program = program};
  bool options = true;
  for (int i = 1; i < argc; i++) {
    const char *word = argv[i];
    if (!options || word[0] != '-' || word[1] == 0) {
      if (!add_file(a, word)) {
        return false;
      }
      continue;
    }
    if (strcmp(word, "--") == 0) {
      options = false;
      continue;
    }
    const char *equals = strchr(word, '=');
    const size_t length = equals ? (size_t)(equals - word) : strlen(word);
    const args_option *option = find(program, word, length);
    if (!option) {
      unknown(program, word, length);
      return false;
    }
    const char *value = equals ? equals + 1 : NULL;
    if (option->kind == ARGS_FLAG && value) {
      fprintf(stderr, "%s: '%s' takes no value\n", program->name, option->name);
      return false;
    }
    if (option->kind != ARGS_FLAG && !value) {
      if (i + 1 == argc) {
        fprintf(stderr, "%s: '%s' needs %s\n", program->name, option->name, option->value);
        return false;
      }
      value = argv[++i];
    }
    if (!add(a, option->name, value)) {
      return false;
    }
  }
  return true;
}

int args_begin(args *a, const args_program *program, int argc, char **argv) {
  if (!args_parse(a, program, argc, argv)) {
    return 1;
  }
  if (args_has(a, "--help")) {
    args_help(program, stdout);
    return 0;
  }
  if (args_has(a, "--version")) {
    printf("%s %s\n", program->name, AICC_VERSION);
    return 0;
  }
  if (a->file_count != 1) {
    fprintf(stderr, "%s: expected one file, %d are given (%s --help shows the usage)\n",
            program->name, a->file_count, program->name);
    return 1;
  }
  return -1;
}

bool args_has(const args *a, const char *name) {
  for (int i = 0; i < a->count; i++) {
    if (strcmp(a->names[i], name) == 0) {
      return true;
    }
  }
  return false;
}

const char *args_get(const args *a, const char *name, const char *otherwise) {
  for (int i = a->count - 1; i >= 0; i--) {
    if (strcmp(a->names[i], name) == 0) {
      return a->values[i];
    }
  }
  return otherwise;
}

const char *args_nth(const args *a, const char *name, int index) {
  for (int i = 0; i < a->count; i++) {
    if (strcmp(a->names[i], name) == 0 && index-- == 0) {
      return a->values[i];
    }
  }
  return NULL;
}

bool args_integer(const args *a, const char *name, long least, long most, long *out) {
  const char *text = args_get(a, name, NULL);
  if (!text) {
    return true;
  }
  char *end;
  errno = 0;
  const long value = strtol(text, &end, 10);
  if (end == text || *end || errno || value < least || value > most) {
    fprintf(stderr, "%s: '%s %s': expected a whole number from %ld to %ld\n", a->program->name,
            name, text, least, most);
    return false;
  }
  *out = value;
  return true;
}

bool args_real(const args *a, const char *name, double *out) {
  const char *text = args_get(a, name, NULL);
  if (!text) {
    return true;
  }
  char *end;
  const double value = strtod(text, &end);
  if (end == text || *end || !(value >= 0)) {
    fprintf(stderr, "%s: '%s %s': expected a number from 0 on\n", a->program->name, name, text);
    return false;
  }
  *out = value;
  return true;
}

void args_help(const args_program *program, FILE *out) {
  fprintf(out, "usage: %s\n\n%s\n\noptions:\n", program->usage, program->about);
  for (int i = 0; i < program->option_count; i++) {
    const args_option *option = &program->options[i];
    char head[96];
    snprintf(head, sizeof head, "%s%s%s%s%s", option->name, option->alias ? ", " : "",
             option->alias ? option->alias : "", option->value ? " " : "",
             option->value ? option->value : "");
    fprintf(out, strlen(head) > 28 ? "  %s\n  %-28s  %s\n" : "  %-28s%s  %s\n", head, "",
            option->help);
  }
  if (program->examples) {
    fprintf(out, "\nexamples:\n%s", program->examples);
  }
}
