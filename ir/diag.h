// Diagnostics: every message a user can see, with a stable id, emitted once at the place that
// knows.
//
// Texts live in diags.def. AICC_EMIT checks the arguments against the text at compile time.
// Thread-compatible.
#ifndef AICC_IR_DIAG_H
#define AICC_IR_DIAG_H

#include <stdio.h>

#include "ir/arena.h"

typedef enum aicc_severity { AICC_ERROR, AICC_WARNING, AICC_NOTE } aicc_severity;

typedef enum aicc_diag_id {
#define AICC_DIAG(id, severity, format) AICC_DIAG_##id,
#include "ir/diags.def"
#undef AICC_DIAG
  AICC_DIAG_COUNT
} aicc_diag_id;

#define AICC_DIAG(id, severity, format) AICC_UNUSED static const char aicc_format_##id[] = format;
#include "ir/diags.def"
#undef AICC_DIAG

// Where something stands: a line of text, or a node of a model. Unused parts are zero. Borrowed.
typedef struct aicc_loc {
  const char *file;
  int line, column;      // text, from 1
  const char *node;      // ONNX node name, or "#index" where it has none
  const char *op;        // "Conv", "com.microsoft.Gelu"
  int opset;             // 0: unknown
  const char *shapes;    // "f32[1,3,224,224], f32[64,3,7,7]"
} aicc_loc;

typedef struct aicc_diag {
  aicc_diag_id id;
  aicc_severity severity;
  aicc_loc loc;
  const char *text;
} aicc_diag;

// Collects diagnostics; owns its texts.
typedef struct aicc_diags {
  aicc_arena arena;
  aicc_diag *items;
  size_t count, capacity;
  size_t error_count;
  size_t limit;  // errors kept; the rest are counted only (0: 100)
} aicc_diags;

void aicc_diags_init(aicc_diags *diags);
void aicc_diags_deinit(aicc_diags *diags);

#define AICC_EMIT(diags, id, loc, ...)                                                     \
  (((void)sizeof(aicc_check_format(aicc_format_##id, __VA_ARGS__))),                       \
   aicc_diag_emit((diags), AICC_DIAG_##id, (loc), __VA_ARGS__))
#define AICC_EMIT0(diags, id, loc) aicc_diag_emit0((diags), AICC_DIAG_##id, (loc))

static inline AICC_PRINTF(1, 2) int aicc_check_format(const char *format AICC_UNUSED, ...) {
  return 0;
}
void aicc_diag_emit(aicc_diags *diags, aicc_diag_id id, const aicc_loc *loc, ...);
void aicc_diag_emit0(aicc_diags *diags, aicc_diag_id id, const aicc_loc *loc);
// Takes over a diagnostic that another process made; |text| is its finished message.
void aicc_diag_append(aicc_diags *diags, aicc_diag_id id, const aicc_loc *loc, const char *text);

const char *aicc_diag_name(aicc_diag_id id);  // "E0203"

// One line per diagnostic, in the form
//   model.onnx: node 'conv1' (Conv, opset 17; f32[1,3,8,8]): error E0203: text
void aicc_diags_print(const aicc_diags *diags, FILE *out);
void aicc_diags_print_json(const aicc_diags *diags, FILE *out);

#endif
