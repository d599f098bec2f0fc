// JSON on a stream: only what needs care, strings and numbers.
#ifndef AICC_TOOLS_JSON_H
#define AICC_TOOLS_JSON_H

#include <stdio.h>

// |text| quoted, "null" for NULL.
void aicc_json_string(FILE *out, const char *text);

// Seven significant digits; "null" for what JSON has no number for.
void aicc_json_number(FILE *out, double value);

#endif
