// Regular expressions in RE2's syntax as tables: which byte leads from which state to which.
#ifndef AICC_IR_REGEX_H
#define AICC_IR_REGEX_H

#include "ir/arena.h"
#include "ir/status.h"

// Bytes are walked from state AICC_REGEX_START; state AICC_REGEX_DEAD is never left. A text matches
// as a whole where its last state accepts. Immutable, in the arena it was compiled into.
enum { AICC_REGEX_DEAD, AICC_REGEX_START };

typedef struct aicc_regex {
  int states;
  const int32_t *next;     // [states][256]
  const uint8_t *accepts;  // [states]
  bool edges;              // it asks what stands beside it: ^ $ \b \B \A \z
} aicc_regex;

// Texts are UTF-8: `.` and what is negated take a whole code point. Not taken: flags, \p, \Q, \C,
// non-ASCII characters in classes, and expressions of more than some thousand states. NULL, or one
// clause that says what is wrong.
const char *aicc_regex_compile(aicc_arena *arena, const char *pattern, aicc_regex *out);

bool aicc_regex_matches(const aicc_regex *regex, const char *text, size_t size);

#endif
