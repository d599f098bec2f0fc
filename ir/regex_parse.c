// Regular expressions as automata: a fragment begins at one node and ends at another, a split with
// a free way out. What is repeated is read again for each copy.
#include <ctype.h>
#include <string.h>

#include "ir/regex_internal.h"

enum { MOST_COPIES = 1000, MOST_DEPTH = 200 };

typedef struct parser {
  regex_nodes *nodes;
  const char *at;
  const char *problem;  // the first one
  int depth;
} parser;

typedef struct fragment {
  int first, last;
} fragment;

typedef struct char_set {
  bool ascii[128];
  bool beyond;  // all other code points
} char_set;

bool regex_is_word(int c) { return c < 128 && (isalnum(c) || c == '_'); }

static void fail(parser *p, const char *problem) {
  if (p->problem == NULL) {
    p->problem = problem;
  }
  p->at += strlen(p->at);  // nothing more is read
}

// Over a character: failing moves to the end, beyond which nothing is read.
static void step(parser *p) { p->at += *p->at != '\0'; }

static int add(parser *p, regex_kind kind) {
  regex_nodes *nodes = p->nodes;
  if (nodes->count == REGEX_NODES) {
    fail(p, "it has too many parts");
    return 0;
  }
  nodes->items[nodes->count] = (regex_node){.kind = kind, .out = {-1, -1}};
  return nodes->count++;
}

static void link_to(parser *p, int from, int to) {
  int *out = p->nodes->items[from].out;
  out[out[0] >= 0] = to;
}

static fragment empty(parser *p) {
  const int node = add(p, REGEX_SPLIT);
  return (fragment){node, node};
}

static fragment join(parser *p, fragment a, fragment b) {
  link_to(p, a.last, b.first);
  return (fragment){a.first, b.last};
}

static fragment either(parser *p, fragment a, fragment b) {
  const fragment both = {add(p, REGEX_SPLIT), add(p, REGEX_SPLIT)};
  link_to(p, both.first, a.first);
  link_to(p, both.first, b.first);
  link_to(p, a.last, both.last);
  link_to(p, b.last, both.last);
  return both;
}

static fragment star(parser *p, fragment a) {
  const fragment loop = {add(p, REGEX_SPLIT), add(p, REGEX_SPLIT)};
  link_to(p, loop.first, a.first);
  link_to(p, loop.first, loop.last);
  link_to(p, a.last, loop.first);
  return loop;
}

static fragment one(parser *p, int node) {
  const int last = add(p, REGEX_SPLIT);
  link_to(p, node, last);
  return (fragment){node, last};
}

static fragment assertion(parser *p, regex_place place) {
  const int node = add(p, REGEX_ASSERT);
  p->nodes->items[node].place = place;
  return one(p, node);
}

static fragment byte_range(parser *p, int low, int high) {
  const int node = add(p, REGEX_BYTES);
  uint8_t *set = p->nodes->items[node].set;
  for (int c = low; c <= high; c++) {
    set[c / 8] = (uint8_t)(set[c / 8] | 1 << c % 8);
  }
  return one(p, node);
}

// UTF-8: a first byte, then |more| that continue it.
static fragment sequence(parser *p, int low, int high, int more) {
  fragment all = byte_range(p, low, high);
  for (int i = 0; i < more; i++) {
    all = join(p, all, byte_range(p, 0x80, 0xBF));
  }
  return all;
}

static fragment of_set(parser *p, const char_set *set) {
  const int node = add(p, REGEX_BYTES);
  for (int c = 0; c < 128; c++) {
    uint8_t *bits = p->nodes->items[node].set;
    bits[c / 8] = (uint8_t)(bits[c / 8] | set->ascii[c] << c % 8);
  }
  fragment all = one(p, node);
  if (set->beyond) {
    all = either(p, all, sequence(p, 0xC2, 0xDF, 1));
    all = either(p, all, sequence(p, 0xE0, 0xEF, 2));
    all = either(p, all, sequence(p, 0xF0, 0xF4, 3));
  }
  return all;
}

static void negate(char_set *set) {
  for (int c = 0; c < 128; c++) {
    set->ascii[c] = !set->ascii[c];
  }
  set->beyond = !set->beyond;
}

// --- characters and classes ----------------------------------------------------------------------

// The class of \d, \w, \s, and of their opposites.
static bool named_class(char name, char_set *set) {
  const int lower = tolower((unsigned char)name);
  if (name == '\0' || strchr("dws", lower) == NULL) {
    return false;
  }
  *set = (char_set){.beyond = false};
  for (int c = 0; c < 128; c++) {
    set->ascii[c] = lower == 'd'   ? isdigit(c) != 0
                    : lower == 'w' ? regex_is_word(c)
                                   : c != '\0' && strchr("\t\n\f\r ", c) != NULL;
  }
  if (name != lower) {
    negate(set);
  }
  return true;
}

static int hex_digit(char c) {
  const char *digits = "0123456789abcdef";
  const char *found = c != '\0' ? strchr(digits, tolower((unsigned char)c)) : NULL;
  return found != NULL ? (int)(found - digits) : -1;
}

// The ASCII character behind a backslash, which has been taken; -1 after a problem.
static int escaped(parser *p) {
  static const char names[] = "nrtfva", values[] = "\n\r\t\f\v\a";
  const char c = *p->at;
  const char *name = c != '\0' ? strchr(names, c) : NULL;
  if (name != NULL) {
    step(p);
    return values[name - names];
  }
  if (c == 'x' && hex_digit(p->at[1]) >= 0 && hex_digit(p->at[1]) < 8 &&
      hex_digit(p->at[2]) >= 0) {
    p->at += 3;
    return 16 * hex_digit(p->at[-2]) + hex_digit(p->at[-1]);
  }
  if (ispunct((unsigned char)c)) {
    step(p);
    return c;
  }
  fail(p, c == '\0' ? "it ends with a backslash" : "it has an escape that is not supported");
  return -1;
}

// One character of a class; -1: it was a class itself, which is in |set| now, or a problem.
static int class_item(parser *p, char_set *set) {
  const char c = *p->at;
  if ((unsigned char)c >= 128) {
    fail(p, "characters beyond ASCII in a class are not supported");
    return -1;
  }
  if (c == '[' && p->at[1] == ':') {
    fail(p, "classes like [:alpha:] are not supported");
    return -1;
  }
  step(p);
  if (c != '\\') {
    return c;
  }
  char_set named;
  if (!named_class(*p->at, &named)) {
    return escaped(p);
  }
  step(p);
  for (int i = 0; i < 128; i++) {
    set->ascii[i] |= named.ascii[i];
  }
  set->beyond |= named.beyond;
  return -1;
}

static fragment class_of(parser *p) {
  char_set set = {.beyond = false};
  const bool opposite = *p->at == '^';
  p->at += opposite;
  const char *first = p->at;
  while (*p->at != '\0' && (*p->at != ']' || p->at == first)) {
    const int low = class_item(p, &set);
    int high = low;
    if (low >= 0 && p->at[0] == '-' && p->at[1] != ']' && p->at[1] != '\0') {
      step(p);
      high = class_item(p, &set);
      if (high < low) {
        fail(p, "a class has a range that runs backwards");
      }
    }
    for (int c = low; c >= 0 && c <= high; c++) {
      set.ascii[c] = true;
    }
  }
  if (*p->at != ']') {
    fail(p, "a class is not closed");
    return empty(p);
  }
  step(p);
  if (opposite) {
    negate(&set);
  }
  return of_set(p, &set);
}

// --- expressions ---------------------------------------------------------------------------------

static fragment alternatives(parser *p);

static fragment group_of(parser *p) {
  if (*p->at == '?') {
    const bool named = p->at[1] == 'P' || p->at[1] == '<';
    const char *end = named ? strchr(p->at, '>') : NULL;
    if (end == NULL && p->at[1] != ':') {
      fail(p, "flags of a group are not supported");
      return empty(p);
    }
    p->at = end != NULL ? end + 1 : p->at + 2;
  }
  if (++p->depth > MOST_DEPTH) {
    fail(p, "its groups are nested too deeply");
    return empty(p);
  }
  const fragment inside = alternatives(p);
  p->depth--;
  if (*p->at != ')') {
    fail(p, "a group is not closed");
  } else {
    step(p);
  }
  return inside;
}

static fragment escape(parser *p) {
  static const char names[] = "AzbB";
  char_set set;
  const char c = *p->at;
  const char *place = c != '\0' ? strchr(names, c) : NULL;
  if (place != NULL) {
    step(p);
    return assertion(p, (regex_place)(place - names));
  }
  if (named_class(c, &set)) {
    step(p);
    return of_set(p, &set);
  }
  const int byte = escaped(p);
  return byte >= 0 ? byte_range(p, byte, byte) : empty(p);
}

// A character, whose UTF-8 is one thing to repeat.
static fragment literal(parser *p) {
  fragment all = byte_range(p, (uint8_t)*p->at, (uint8_t)*p->at);
  step(p);
  while (((uint8_t)*p->at & 0xC0) == 0x80) {
    all = join(p, all, byte_range(p, (uint8_t)*p->at, (uint8_t)*p->at));
    step(p);
  }
  return all;
}

static fragment atom(parser *p) {
  switch (*p->at) {
    case '(': step(p); return group_of(p);
    case '[': step(p); return class_of(p);
    case '\\': step(p); return escape(p);
    case '^': step(p); return assertion(p, REGEX_FIRST);
    case '$': step(p); return assertion(p, REGEX_LAST);
    case '*':
    case '+':
    case '?': fail(p, "a repetition repeats nothing"); return empty(p);
    case '.': {
      char_set set = {.beyond = false};
      set.ascii['\n'] = true;
      negate(&set);
      step(p);
      return of_set(p, &set);
    }
    default: return literal(p);
  }
}

static bool number(const char **at, int *out) {
  if (!isdigit((unsigned char)**at)) {
    return false;
  }
  for (*out = 0; isdigit((unsigned char)**at); ++*at) {
    *out = *out > MOST_COPIES ? *out : *out * 10 + (**at - '0');
  }
  return true;
}

// {2}, {2,} or {2,4} at |at|; -1: no limit. False: these are plain characters.
static bool read_counts(const char **at, int *least, int *most) {
  const char *p = *at + 1;
  if (!number(&p, least)) {
    return false;
  }
  *most = *least;
  if (*p == ',') {
    p++;
    if (!number(&p, most)) {
      *most = -1;
    }
  }
  if (*p != '}') {
    return false;
  }
  *at = p + 1;
  return true;
}

static bool read_repetition(parser *p, int *least, int *most) {
  switch (*p->at) {
    case '*': *least = 0; *most = -1; break;
    case '+': *least = 1; *most = -1; break;
    case '?': *least = 0; *most = 1; break;
    case '{': return read_counts(&p->at, least, most);
    default: return false;
  }
  step(p);
  return true;
}

// The atom at |from|, once more.
static fragment again(parser *p, const char *from) {
  p->at = from;
  return p->problem != NULL ? empty(p) : atom(p);
}

static fragment repeated(parser *p) {
  const char *from = p->at;
  const fragment single = atom(p);
  int least, most;
  if (!read_repetition(p, &least, &most)) {
    return single;
  }
  p->at += *p->at == '?';  // as few as possible: of a whole match it says nothing
  const char *end = p->at;
  if (*end == '*' || *end == '+' || *end == '?') {
    fail(p, "a repetition is repeated");
  } else if (least > MOST_COPIES || most > MOST_COPIES || (most >= 0 && most < least)) {
    fail(p, "a repetition has counts that are too large or run backwards");
  }
  fragment all = empty(p);
  for (int i = 0; i < least && p->problem == NULL; i++) {
    all = join(p, all, again(p, from));
  }
  for (int i = least; i < most && p->problem == NULL; i++) {
    all = join(p, all, either(p, again(p, from), empty(p)));
  }
  if (most < 0) {
    all = join(p, all, star(p, again(p, from)));
  }
  p->at = p->problem != NULL ? end + strlen(end) : end;
  return all;
}

static fragment alternatives(parser *p) {
  fragment all = empty(p);
  while (*p->at != '\0' && *p->at != '|' && *p->at != ')') {
    all = join(p, all, repeated(p));
  }
  if (*p->at != '|') {
    return all;
  }
  step(p);
  if (++p->depth > MOST_DEPTH) {
    fail(p, "it has too many alternatives");
    return all;
  }
  const fragment others = alternatives(p);
  p->depth--;
  return either(p, all, others);
}

const char *regex_parse(aicc_arena *arena, const char *pattern, regex_nodes *out) {
  *out = (regex_nodes){.items = AICC_NEW_ARRAY(arena, regex_node, REGEX_NODES)};
  parser p = {.nodes = out, .at = pattern};
  const fragment all = alternatives(&p);
  if (*p.at == ')') {
    fail(&p, "a group is closed that was not opened");
  }
  link_to(&p, all.last, add(&p, REGEX_ACCEPT));
  out->first = all.first;
  return p.problem;
}
