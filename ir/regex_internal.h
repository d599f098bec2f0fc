// What regex.c and regex_parse.c share: the automaton an expression is read into.
#ifndef AICC_IR_REGEX_INTERNAL_H
#define AICC_IR_REGEX_INTERNAL_H

#include "ir/regex.h"

enum { REGEX_NODES = 4096 };

typedef enum regex_kind {
  REGEX_SPLIT,   // on to both
  REGEX_BYTES,   // on to out[0] by a byte of |set|
  REGEX_ASSERT,  // on to out[0] where |place| holds
  REGEX_ACCEPT,
} regex_kind;

typedef enum regex_place { REGEX_FIRST, REGEX_LAST, REGEX_EDGE, REGEX_NO_EDGE } regex_place;

typedef struct regex_node {
  regex_kind kind;
  regex_place place;
  int out[2];  // -1: none
  uint8_t set[32];
} regex_node;

typedef struct regex_nodes {
  regex_node *items;  // [REGEX_NODES]
  int count;
  int first;
} regex_nodes;

static inline bool regex_has(const uint8_t *set, int c) { return set[c / 8] >> (c % 8) & 1; }
bool regex_is_word(int c);

// NULL, or what is wrong.
const char *regex_parse(aicc_arena *arena, const char *pattern, regex_nodes *out);

#endif
