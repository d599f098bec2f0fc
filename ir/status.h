// Status codes and attributes used by every layer of the compiler.
//
// A status says what a caller can do about it; what is wrong was said once, as a diagnostic
// (diag.h), at the place that found it. Invariant: status != AICC_OK <=> at least one error was
// emitted.
#ifndef AICC_IR_STATUS_H
#define AICC_IR_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The process exit code of the tools is the status.
typedef enum aicc_status {
  AICC_OK = 0,
  AICC_INVALID = 1,      // the model, file or option is wrong: mend the input
  AICC_UNSUPPORTED = 2,  // right, but beyond this compiler: the message names the way out
  AICC_IO = 4,           // a file could not be read or written
  AICC_RESOURCE = 5,     // a stated limit was passed, or memory ran out
  AICC_INTERNAL = 70,    // a defect of aicc itself
} aicc_status;

#if defined(__GNUC__)
#define AICC_MUST_USE __attribute__((warn_unused_result))
#define AICC_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define AICC_UNUSED __attribute__((unused))
#define AICC_NORETURN __attribute__((noreturn))
#else
#define AICC_MUST_USE
#define AICC_PRINTF(fmt, first)
#define AICC_UNUSED
#define AICC_NORETURN
#endif

// Passes a failure on to the caller.
#define AICC_TRY(expr)                      \
  do {                                      \
    const aicc_status try_status_ = (expr); \
    if (try_status_ != AICC_OK) {           \
      return try_status_;                   \
    }                                       \
  } while (0)

// A condition only a bug of ours can break. Stays on in release builds.
#define AICC_ASSERT(cond) ((cond) ? (void)0 : aicc_assert_fail(#cond, __FILE__, __LINE__))
AICC_NORETURN void aicc_assert_fail(const char *cond, const char *file, int line);

// a * b and a + b in int64_t; true on overflow, *out is then unspecified.
static inline bool aicc_mul_overflow(int64_t a, int64_t b, int64_t *out) {
  return __builtin_mul_overflow(a, b, out);
}
static inline bool aicc_add_overflow(int64_t a, int64_t b, int64_t *out) {
  return __builtin_add_overflow(a, b, out);
}

#endif
