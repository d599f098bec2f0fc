// The automaton of an expression, made deterministic.
#include "ir/regex.h"

#include <string.h>

#include "ir/regex_internal.h"

enum { STATES = 2048, WORDS = REGEX_NODES / 64 };

// What stands beside a place of the text.
typedef enum side { SIDE_END, SIDE_WORD, SIDE_OTHER } side;

typedef struct state {
  uint64_t nodes[WORDS];  // before splits and assertions
  side before;
  uint64_t hash;
} state;

typedef struct maker {
  const regex_nodes *nodes;
  state *states;  // [STATES]
  int count;
  int *stack;     // [2 * REGEX_NODES]
} maker;

static bool in_set(const uint64_t *set, int node) { return set[node / 64] >> (node % 64) & 1; }

static void insert(uint64_t *set, int node) { set[node / 64] |= UINT64_C(1) << (node % 64); }

static side side_of(int byte) { return regex_is_word(byte) ? SIDE_WORD : SIDE_OTHER; }

static bool holds(regex_place place, side before, side after) {
  const bool edge = (before == SIDE_WORD) != (after == SIDE_WORD);
  switch (place) {
    case REGEX_FIRST: return before == SIDE_END;
    case REGEX_LAST: return after == SIDE_END;
    case REGEX_EDGE: return edge;
    case REGEX_NO_EDGE: return !edge;
  }
  return false;
}

// All nodes reached from |from| without a byte.
static void close_over(maker *m, const state *from, side after, uint64_t *out) {
  int depth = 0;
  memset(out, 0, sizeof from->nodes);
  for (int i = 0; i < m->nodes->count; i++) {
    if (in_set(from->nodes, i)) {
      m->stack[depth++] = i;
    }
  }
  while (depth > 0) {
    const int at = m->stack[--depth];
    const regex_node *node = &m->nodes->items[at];
    const bool passes =
        node->kind == REGEX_SPLIT ||
        (node->kind == REGEX_ASSERT && holds(node->place, from->before, after));
    if (in_set(out, at)) {
      continue;
    }
    insert(out, at);
    for (int i = 0; i < 2 && passes; i++) {
      if (node->out[i] >= 0 && !in_set(out, node->out[i])) {
        m->stack[depth++] = node->out[i];
      }
    }
  }
}

// The number of the state, which is new or known; -1: there are too many.
static int find_state(maker *m, state *wanted) {
  wanted->hash = (uint64_t)wanted->before + 1;
  for (int i = 0; i < WORDS; i++) {
    wanted->hash = (wanted->hash ^ wanted->nodes[i]) * UINT64_C(0x9E3779B97F4A7C15);
    wanted->hash ^= wanted->hash >> 29;
  }
  for (int i = 0; i < m->count; i++) {
    const state *known = &m->states[i];
    if (known->hash == wanted->hash && known->before == wanted->before &&
        memcmp(known->nodes, wanted->nodes, sizeof known->nodes) == 0) {
      return i;
    }
  }
  if (m->count == STATES) {
    return -1;
  }
  m->states[m->count] = *wanted;
  return m->count++;
}

// False: there are too many states.
static bool make_row(maker *m, int number, int32_t *next) {
  uint64_t reached[3][WORDS];
  close_over(m, &m->states[number], SIDE_WORD, reached[SIDE_WORD]);
  close_over(m, &m->states[number], SIDE_OTHER, reached[SIDE_OTHER]);
  for (int byte = 0; byte < 256; byte++) {
    const uint64_t *from = reached[side_of(byte)];
    state to = {.before = side_of(byte)};
    bool any = false;
    for (int i = 0; i < m->nodes->count; i++) {
      const regex_node *node = &m->nodes->items[i];
      if (node->kind == REGEX_BYTES && in_set(from, i) && regex_has(node->set, byte)) {
        insert(to.nodes, node->out[0]);
        any = true;
      }
    }
    next[byte] = any ? find_state(m, &to) : AICC_REGEX_DEAD;
    if (next[byte] < 0) {
      return false;
    }
  }
  return true;
}

static bool accepts(maker *m, int number) {
  uint64_t reached[WORDS];
  close_over(m, &m->states[number], SIDE_END, reached);
  for (int i = 0; i < m->nodes->count; i++) {
    if (m->nodes->items[i].kind == REGEX_ACCEPT && in_set(reached, i)) {
      return true;
    }
  }
  return false;
}

const char *aicc_regex_compile(aicc_arena *arena, const char *pattern, aicc_regex *out) {
  regex_nodes nodes;
  const char *problem = regex_parse(arena, pattern, &nodes);
  if (problem != NULL) {
    return problem;
  }
  maker m = {.nodes = &nodes, .states = AICC_NEW_ARRAY(arena, state, STATES),
             .stack = AICC_NEW_ARRAY(arena, int, 4 * REGEX_NODES)};
  state dead = {.before = SIDE_OTHER}, start = {.before = SIDE_END};
  insert(start.nodes, nodes.first);
  find_state(&m, &dead);
  find_state(&m, &start);
  int32_t *next = AICC_NEW_ARRAY(arena, int32_t, STATES * 256);
  uint8_t *last = AICC_NEW_ARRAY(arena, uint8_t, STATES);
  for (int i = 0; i < m.count; i++) {
    if (!make_row(&m, i, next + (size_t)i * 256)) {
      return "it needs more than 2048 states";
    }
    last[i] = accepts(&m, i);
  }
  bool edges = false;
  for (int i = 0; i < nodes.count; i++) {
    edges = edges || nodes.items[i].kind == REGEX_ASSERT;
  }
  *out = (aicc_regex){.states = m.count, .next = next, .accepts = last, .edges = edges};
  return NULL;
}

bool aicc_regex_matches(const aicc_regex *regex, const char *text, size_t size) {
  int at = AICC_REGEX_START;
  for (size_t i = 0; i < size; i++) {
    at = regex->next[(size_t)at * 256 + (uint8_t)text[i]];
  }
  return regex->accepts[at] != 0;
}
