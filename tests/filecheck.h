// Expectations of text files, checked against text that a program made.
//
// A directive stands behind `;` at the start of a line:
//
//   ; check: TEXT     a line, behind the last match, contains TEXT
//   ; next:  TEXT     the very next line contains TEXT
//   ; not:   TEXT     no line up to the next match contains TEXT
//   ; count: N TEXT   exactly N lines of the whole output contain TEXT
//
// Runs of blanks in TEXT match one or more blanks. $NAME= in TEXT captures the longest word there
// (letters, digits, _ . / # -), $NAME later stands for what was captured. `;` starts a comment in
// the output too: there is nothing to escape.
#ifndef AICC_TESTS_FILECHECK_H
#define AICC_TESTS_FILECHECK_H

#include <stdbool.h>
#include <stdio.h>

// Runs the directives of |test| on |output|. Writes what failed to |report|. *count: directives
// found, so that the caller can refuse a test that checks nothing.
bool filecheck(const char *test, const char *output, FILE *report, int *count);

#endif
