#include "filecheck.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { CAPTURES_MAX = 32, NAME_MAX_LENGTH = 32, NOTS_MAX = 64 };

typedef struct capture {
  char name[NAME_MAX_LENGTH];
  const char *text;  // in the output
  size_t size;
} capture;

typedef struct captures {
  capture items[CAPTURES_MAX];
  int count;
} captures;

typedef struct span {
  const char *text;
  size_t size;
} span;

typedef enum directive_kind { CHECK, NEXT, NOT, COUNT, OTHER } directive_kind;

typedef struct directive {
  directive_kind kind;
  span text;
  int line, count;
} directive;

typedef struct checker {
  FILE *report;
  const char *at;  // behind the line of the last match
  captures captured;
  directive nots[NOTS_MAX];  // waiting for the next match
  int not_count;
  const char *output;
} checker;

static span line_of(const char *text) {
  const char *end = strchr(text, '\n');
  return (span){text, end ? (size_t)(end - text) : strlen(text)};
}

static const char *behind(span line) {
  return line.text + line.size + (line.text[line.size] == '\n');
}

static bool is_word(char c) { return isalnum((unsigned char)c) || (c && strchr("_./#-", c)); }
static bool is_blank(char c) { return c == ' ' || c == '\t'; }

// --- matching one pattern at one place -----------------------------------------------------------

static span variable_name(const char *pattern, const char *end) {
  const char *at = pattern;
  while (at < end && (isalnum((unsigned char)*at) || *at == '_')) {
    at++;
  }
  return (span){pattern, (size_t)(at - pattern)};
}

static capture *find_capture(captures *list, span name) {
  for (int i = 0; i < list->count; i++) {
    if (strlen(list->items[i].name) == name.size &&
        memcmp(list->items[i].name, name.text, name.size) == 0) {
      return &list->items[i];
    }
  }
  return NULL;
}

static void set_capture(captures *list, span name, span value) {
  capture *item = find_capture(list, name);
  if (!item && list->count < CAPTURES_MAX) {
    item = &list->items[list->count++];
    snprintf(item->name, sizeof item->name, "%.*s", (int)name.size, name.text);
  }
  if (item) {
    item->text = value.text;
    item->size = value.size;
  }
}

// Handles $NAME= and $NAME at *pattern; *at moves behind what it stands for.
static bool match_variable(captures *list, const char **pattern, const char *end, const char **at,
                           const char *line_end) {
  const span name = variable_name(*pattern + 1, end);
  *pattern += 1 + name.size;
  if (*pattern < end && **pattern == '=') {
    ++*pattern;
    const char *start = *at;
    while (*at < line_end && is_word(**at)) {
      ++*at;
    }
    set_capture(list, name, (span){start, (size_t)(*at - start)});
    return *at > start;
  }
  const capture *item = find_capture(list, name);
  if (!item || (size_t)(line_end - *at) < item->size ||
      memcmp(*at, item->text, item->size) != 0) {
    return false;
  }
  *at += item->size;
  // $A must not match the start of a longer word.
  return *at == line_end || !is_word(**at) || (*pattern < end && is_word(**pattern));
}

static bool match_here(captures *list, span pattern, const char *at, const char *line_end) {
  const char *p = pattern.text, *end = pattern.text + pattern.size;
  while (p < end) {
    if (*p == '$' && p + 1 < end && isupper((unsigned char)p[1])) {
      if (!match_variable(list, &p, end, &at, line_end)) {
        return false;
      }
    } else if (is_blank(*p)) {
      const char *start = at;
      while (p < end && is_blank(*p)) {
        p++;
      }
      while (at < line_end && is_blank(*at)) {
        at++;
      }
      if (at == start) {
        return false;
      }
    } else if (at < line_end && *at == *p) {
      at++;
      p++;
    } else {
      return false;
    }
  }
  return true;
}

// Captures count only where the whole pattern matches.
static bool match_line(captures *list, span pattern, span line) {
  for (size_t i = 0; i <= line.size; i++) {
    captures trial = *list;
    if (match_here(&trial, pattern, line.text + i, line.text + line.size)) {
      *list = trial;
      return true;
    }
  }
  return false;
}

// --- directives ----------------------------------------------------------------------------------

static bool starts_with(const char *text, const char *prefix) {
  return strncmp(text, prefix, strlen(prefix)) == 0;
}

static directive parse_directive(span line, int number) {
  static const struct { const char *name; directive_kind kind; } names[] = {
      {"check:", CHECK}, {"next:", NEXT}, {"not:", NOT}, {"count:", COUNT}};
  directive d = {.kind = OTHER, .line = number};
  if (line.size == 0 || line.text[0] != ';') {
    return d;
  }
  const char *at = line.text + 1 + strspn(line.text + 1, " \t");
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    if (starts_with(at, names[i].name)) {
      d.kind = names[i].kind;
      at += strlen(names[i].name);
      break;
    }
  }
  at += strspn(at, " \t");
  if (d.kind == COUNT) {
    char *behind_number;
    d.count = (int)strtol(at, &behind_number, 10);
    at = behind_number + strspn(behind_number, " \t");
  }
  const char *end = line.text + line.size;
  while (end > at && is_blank(end[-1])) {
    end--;
  }
  d.text = (span){at, end > at ? (size_t)(end - at) : 0};
  return d;
}

static bool fail(checker *c, const directive *d, const char *why, const char *where) {
  const span line = line_of(where);
  fprintf(c->report, "  line %d: %s: '%.*s'\n    at: '%.*s'\n", d->line, why, (int)d->text.size,
          d->text.text, (int)line.size, line.text);
  return false;
}

static bool run_nots(checker *c, const char *until) {
  bool good = true;
  for (int i = 0; i < c->not_count; i++) {
    for (const char *at = c->at; *at && at < until; at = behind(line_of(at))) {
      captures trial = c->captured;
      if (match_line(&trial, c->nots[i].text, line_of(at))) {
        good = fail(c, &c->nots[i], "found what must not be there", at);
        break;
      }
    }
  }
  c->not_count = 0;
  return good;
}

static bool run_check(checker *c, const directive *d) {
  for (const char *at = c->at; *at; at = behind(line_of(at))) {
    if (match_line(&c->captured, d->text, line_of(at))) {
      const bool good = run_nots(c, at);
      c->at = behind(line_of(at));
      return good;
    }
  }
  return fail(c, d, "not found", c->at);
}

static bool run_next(checker *c, const directive *d) {
  const char *at = c->at;
  if (!*at || !match_line(&c->captured, d->text, line_of(at))) {
    return fail(c, d, "not on the next line", at);
  }
  c->at = behind(line_of(at));
  return true;
}

static bool run_count(checker *c, const directive *d) {
  int found = 0;
  for (const char *at = c->output; *at; at = behind(line_of(at))) {
    captures trial = c->captured;
    found += match_line(&trial, d->text, line_of(at));
  }
  char why[64];
  snprintf(why, sizeof why, "found on %d lines, not %d", found, d->count);
  return found == d->count || fail(c, d, why, c->output);
}

static bool run(checker *c, const directive *d) {
  if (d->text.size == 0) {
    return fail(c, d, "the directive has no text", c->at);
  }
  switch (d->kind) {
    case CHECK: return run_check(c, d);
    case NEXT: return run_next(c, d);
    case COUNT: return run_count(c, d);
    case NOT:
      if (c->not_count == NOTS_MAX) {
        return fail(c, d, "too many `not` in a row", c->at);
      }
      c->nots[c->not_count++] = *d;
      return true;
    case OTHER: return true;
  }
  return true;
}

bool filecheck(const char *test, const char *output, FILE *report, int *count) {
  checker c = {.report = report, .at = output, .output = output};
  bool good = true;
  int number = 1;
  *count = 0;
  for (const char *at = test; *at; at = behind(line_of(at)), number++) {
    const directive d = parse_directive(line_of(at), number);
    if (d.kind != OTHER) {
      ++*count;
      good = run(&c, &d) && good;
    }
  }
  return run_nots(&c, c.at + strlen(c.at) + 1) && good;
}
