#include "rt_error.h"

#include <stdarg.h>
#include <stdio.h>

aicc_rt_status aicc_rt_fail(aicc_rt_error *error, aicc_rt_status code, const char *format, ...) {
  if (error != NULL) {
    error->code = code;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
  }
  return code;
}

void aicc_rt_text_add(aicc_rt_text *text, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const int added = vsnprintf(text->data + text->used, text->size - text->used, format, arguments);
  va_end(arguments);
  if (added > 0) {
    text->used += (size_t)added;
  }
  if (text->used >= text->size) {
    text->used = text->size - 1;
  }
}

const char *aicc_rt_status_name(aicc_rt_status status) {
  static const char *const names[] = {"ok",          "invalid argument", "wrong input",
                                      "i/o error",   "bad model",        "another version",
                                      "unavailable", "out of memory",    "run failed"};
  const size_t index = (size_t)status;
  return index < sizeof names / sizeof names[0] ? names[index] : "unknown";
}

const char *aicc_rt_version(void) { return AICC_RT_VERSION_TEXT; }
