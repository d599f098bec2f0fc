#include "ir/diag.h"

#include <string.h>

typedef struct diag_row {
  const char *name;
  aicc_severity severity;
  const char *format;
} diag_row;

static const diag_row rows[] = {
#define AICC_DIAG(id, severity, format) {#id, severity, format},
#include "ir/diags.def"
#undef AICC_DIAG
};

void aicc_diags_init(aicc_diags *diags) {
  *diags = (aicc_diags){0};
  aicc_arena_init(&diags->arena);
}

void aicc_diags_deinit(aicc_diags *diags) {
  aicc_arena_deinit(&diags->arena);
  *diags = (aicc_diags){0};
}

const char *aicc_diag_name(aicc_diag_id id) { return rows[id].name; }

static const char *keep(aicc_diags *diags, const char *text) {
  return text ? aicc_arena_strdup(&diags->arena, text) : NULL;
}

static void record(aicc_diags *diags, aicc_diag_id id, const aicc_loc *loc, const char *text) {
  const size_t limit = diags->limit ? diags->limit : 100;
  if (rows[id].severity == AICC_ERROR && diags->error_count++ >= limit) {
    return;
  }
  aicc_diag diag = {.id = id, .severity = rows[id].severity, .text = text};
  if (loc) {
    diag.loc = *loc;
    diag.loc.file = keep(diags, loc->file);
    diag.loc.node = keep(diags, loc->node);
    diag.loc.op = keep(diags, loc->op);
    diag.loc.shapes = keep(diags, loc->shapes);
  }
  AICC_PUSH(&diags->arena, diags->items, diags->count, diags->capacity, diag);
}

void aicc_diag_emit(aicc_diags *diags, aicc_diag_id id, const aicc_loc *loc, ...) {
  va_list args;
  va_start(args, loc);
  record(diags, id, loc, aicc_arena_vprintf(&diags->arena, rows[id].format, args));
  va_end(args);
}

void aicc_diag_emit0(aicc_diags *diags, aicc_diag_id id, const aicc_loc *loc) {
  record(diags, id, loc, rows[id].format);
}

void aicc_diag_append(aicc_diags *diags, aicc_diag_id id, const aicc_loc *loc, const char *text) {
  record(diags, id, loc, aicc_arena_strdup(&diags->arena, text));
}

static const char *severity_name(aicc_severity severity) {
  static const char *const names[] = {"error", "warning", "note"};
  return names[severity];
}

static void print_node(const aicc_loc *loc, FILE *out) {
  fprintf(out, "node '%s'", loc->node);
  if (loc->op || loc->shapes) {
    fprintf(out, " (%s", loc->op ? loc->op : "");
    if (loc->opset) {
      fprintf(out, ", opset %d", loc->opset);
    }
    if (loc->shapes && *loc->shapes) {
      fprintf(out, "; %s", loc->shapes);
    }
    fputc(')', out);
  }
  fputs(": ", out);
}

void aicc_diags_print(const aicc_diags *diags, FILE *out) {
  size_t printed = 0;
  for (size_t i = 0; i < diags->count; i++) {
    const aicc_diag *diag = &diags->items[i];
    if (diag->loc.file) {
      fprintf(out, "%s:", diag->loc.file);
      if (diag->loc.line) {
        fprintf(out, "%d:", diag->loc.line);
      }
      if (diag->loc.column) {
        fprintf(out, "%d:", diag->loc.column);
      }
      fputc(' ', out);
    }
    if (diag->loc.node) {
      print_node(&diag->loc, out);
    }
    fprintf(out, "%s %s: %s\n", severity_name(diag->severity), rows[diag->id].name, diag->text);
    printed += diag->severity == AICC_ERROR;
  }
  if (printed < diags->error_count) {
    fprintf(out, "... and %zu more errors\n", diags->error_count - printed);
  }
}

static void print_json_string(const char *text, FILE *out) {
  fputc('"', out);
  for (const char *c = text ? text : ""; *c; c++) {
    if (*c == '"' || *c == '\\') {
      fprintf(out, "\\%c", *c);
    } else if ((unsigned char)*c < 0x20) {
      fprintf(out, "\\u%04x", (unsigned)(unsigned char)*c);
    } else {
      fputc(*c, out);
    }
  }
  fputc('"', out);
}

void aicc_diags_print_json(const aicc_diags *diags, FILE *out) {
  fputs("[", out);
  for (size_t i = 0; i < diags->count; i++) {
    const aicc_diag *diag = &diags->items[i];
    fprintf(out, "%s\n  {\"id\": \"%s\", \"severity\": \"%s\", \"file\": ", i ? "," : "",
            rows[diag->id].name, severity_name(diag->severity));
    print_json_string(diag->loc.file, out);
    fprintf(out, ", \"line\": %d, \"node\": ", diag->loc.line);
    print_json_string(diag->loc.node, out);
    fputs(", \"op\": ", out);
    print_json_string(diag->loc.op, out);
    fprintf(out, ", \"opset\": %d, \"shapes\": ", diag->loc.opset);
    print_json_string(diag->loc.shapes, out);
    fputs(", \"text\": ", out);
    print_json_string(diag->text, out);
    fputs("}", out);
  }
  fputs(diags->count ? "\n]\n" : "]\n", out);
}
