// Errors into the caller's object: code and sentence, no allocation.
#ifndef AICC_RT_ERROR_H
#define AICC_RT_ERROR_H

#include "aicc/runtime.h"

#if defined(__GNUC__)
#define AICC_RT_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#else
#define AICC_RT_PRINTF(fmt, first)
#endif

// Records and returns |code|. |error| may be NULL.
AICC_RT_PRINTF(3, 4)
aicc_rt_status aicc_rt_fail(aicc_rt_error *error, aicc_rt_status code, const char *format, ...);

// Records success.
static inline aicc_rt_status aicc_rt_ok(aicc_rt_error *error) {
  if (error != NULL) {
    error->code = AICC_RT_OK;
    error->text[0] = 0;
  }
  return AICC_RT_OK;
}

// Text in a fixed buffer, cut at its end.
typedef struct aicc_rt_text {
  char *data;
  size_t size, used;
} aicc_rt_text;

AICC_RT_PRINTF(2, 3) void aicc_rt_text_add(aicc_rt_text *text, const char *format, ...);

#endif
