#include "tools/json.h"

#include <math.h>

void aicc_json_string(FILE *out, const char *text) {
  if (text == NULL) {
    fputs("null", out);
    return;
  }
  putc('"', out);
  for (const char *c = text; *c != 0; c++) {
    if (*c == '"' || *c == '\\') {
      fprintf(out, "\\%c", *c);
    } else if ((unsigned char)*c < 0x20) {
      fprintf(out, "\\u%04x", (unsigned)(unsigned char)*c);
    } else {
      putc(*c, out);
    }
  }
  putc('"', out);
}

void aicc_json_number(FILE *out, double value) {
  if (isfinite(value)) {
    fprintf(out, "%.7g", value);
  } else {
    fputs("null", out);
  }
}
