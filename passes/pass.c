// The pass manager: names to functions, facts, verification, dumps, times.
#include "passes/pass.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>

const aicc_pass aicc_pass_table[] = {
#define AICC_PASS(name, machine, needs, makes, breaks, doc)                                      \
  {#name, doc, AICC_MACHINE_##machine, AICC_FACT_##needs, AICC_FACT_##makes, AICC_FACT_##breaks, \
   aicc_pass_##name},
#include "passes/passes.def"
#undef AICC_PASS
};
const int aicc_pass_count = sizeof aicc_pass_table / sizeof *aicc_pass_table;

// Folding exposes identities and identities expose folding; two rounds reach what the corpus has.
const char *const aicc_pipeline_default =
    "const_fold,canon,simplify,const_fold,canon,simplify,cse,dce,unsign,unscale,narrow,"
    "const_fold,layout,const_fold,canon,simplify,cse,dce,attention,dce,fuse";

static const struct {
  unsigned fact;
  const char *name;
} fact_names[] = {{AICC_FACT_CANON, "canon"}, {AICC_FACT_GROUPED, "grouped"}};

// The next name of a list; false at its end.
static bool next_name(const char **list, const char **name, size_t *length) {
  const char *at = *list;
  while (*at == ',' || isspace((unsigned char)*at)) {
    at++;
  }
  *name = at;
  while (*at && *at != ',' && !isspace((unsigned char)*at)) {
    at++;
  }
  *length = (size_t)(at - *name);
  *list = at;
  return *length > 0;
}

static const aicc_pass *find(const char *name, size_t length) {
  for (int i = 0; i < aicc_pass_count; i++) {
    const aicc_pass *pass = &aicc_pass_table[i];
    if (strlen(pass->name) == length && memcmp(pass->name, name, length) == 0) {
      return pass;
    }
  }
  return NULL;
}

// A walk over the passes of a list. |pass| is NULL where there is none of that name.
typedef struct walk {
  const char *rest, *name;
  size_t length;
  const aicc_pass *pass;
  bool own;  // in the second part
} walk;

static bool step(walk *w) {
  if (!next_name(&w->rest, &w->name, &w->length)) {
    return false;
  }
  w->pass = find(w->name, w->length);
  w->own = w->own || (w->pass && w->pass->own);
  return true;
}

static bool in_part(const walk *w, aicc_pass_part part) {
  return part == AICC_PASSES_ALL || w->own == (part == AICC_PASSES_OWN);
}

static const char *fact_list(unsigned facts, aicc_arena *arena) {
  const char *text = "";
  for (size_t i = 0; i < sizeof fact_names / sizeof *fact_names; i++) {
    if (facts & fact_names[i].fact) {
      text = aicc_arena_printf(arena, "%s%s%s", text, *text ? "," : "", fact_names[i].name);
    }
  }
  return *text ? text : "-";
}

// Every name is known and every need met, before anything runs.
static aicc_status check_list(const char *list, aicc_diags *diags) {
  const aicc_loc loc = {0};
  unsigned facts = 0;
  for (walk w = {.rest = list}; step(&w);) {
    const aicc_pass *pass = w.pass;
    if (!pass) {
      AICC_EMIT(diags, E0002, &loc,
                aicc_arena_printf(&diags->arena, "%.*s", (int)w.length, w.name));
      return AICC_INVALID;
    }
    if (pass->needs & ~facts) {
      AICC_EMIT(diags, E0903, &loc, pass->name, fact_list(pass->needs & ~facts, &diags->arena));
      return AICC_INVALID;
    }
    facts = (facts & ~pass->breaks) | pass->makes;
  }
  return AICC_OK;
}

static double now_ms(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void dump(const aicc_module *module, const walk *w, const aicc_pass_options *options) {
  const char *wanted = options->dump_after, *names = w->own ? options->machine_names : NULL;
  if (wanted && options->dump &&
      (strcmp(wanted, "all") == 0 || strcmp(wanted, w->pass->name) == 0)) {
    fprintf(options->dump, "; after %s%s%s\n", w->pass->name, names ? " for " : "",
            names ? names : "");
    aicc_module_print(module, options->dump);
  }
}

static aicc_status run_one(aicc_module *module, const walk *w, const aicc_pass_options *options,
                           aicc_diags *diags) {
  const aicc_pass *pass = w->pass;
  aicc_arena scratch;
  aicc_arena_init(&scratch);
  aicc_pass_context context = {.module = module,
                               .scratch = &scratch,
                               .diags = diags,
                               .own = w->own,
                               .machine = pass->own ? options->machine : NULL,
                               .report = options->report};
  const double start = now_ms();
  aicc_status status = pass->run(&context);
  if (options->times) {
    fprintf(options->times, "%10.2f ms  %s\n", now_ms() - start, pass->name);
  }
  aicc_arena_deinit(&scratch);
  if (status == AICC_OK && options->check && aicc_verify(module, diags) != AICC_OK) {
    const aicc_loc loc = {.file = module->file};
    AICC_EMIT(diags, E0901, &loc, pass->name);
    status = AICC_INTERNAL;
  }
  dump(module, w, options);
  return status;
}

aicc_status aicc_run_passes(aicc_module *module, const char *comma_list,
                            const aicc_pass_options *options, aicc_diags *diags) {
  AICC_TRY(check_list(comma_list, diags));
  if (options->part == AICC_PASSES_OWN) {
    aicc_print_machines(options->machine_names, options->report);
    aicc_print_machines(options->machine_names,
                        options->times == options->report ? NULL : options->times);
  }
  const double start = now_ms();
  for (walk w = {.rest = comma_list}; step(&w);) {
    if (in_part(&w, options->part)) {
      AICC_TRY(run_one(module, &w, options, diags));
    }
    if (options->stop_after && strcmp(options->stop_after, w.pass->name) == 0) {
      break;
    }
  }
  if (options->times) {
    fprintf(options->times, "%10.2f ms  all passes\n", now_ms() - start);
  }
  return AICC_OK;
}

void aicc_print_machines(const char *names, FILE *out) {
  if (names && out) {
    fprintf(out, "for %s:\n", names);
  }
}

void aicc_list_passes(FILE *out) {
  aicc_arena arena;
  aicc_arena_init(&arena);
  const char *const row = "%-12s %-8s %-8s %-8s %-8s %s\n";
  fprintf(out, row, "pass", "machine", "needs", "makes", "breaks", "what it does");
  for (int i = 0; i < aicc_pass_count; i++) {
    const aicc_pass *pass = &aicc_pass_table[i];
    fprintf(out, row, pass->name, pass->own ? "own" : "any", fact_list(pass->needs, &arena),
            fact_list(pass->makes, &arena), fact_list(pass->breaks, &arena), pass->doc);
  }
  aicc_arena_deinit(&arena);
}

void aicc_print_pipeline(const char *comma_list, aicc_pass_part part, FILE *out) {
  for (walk w = {.rest = comma_list}; step(&w);) {
    if (in_part(&w, part)) {
      fprintf(out, "%-12.*s %s\n", (int)w.length, w.name,
              w.pass ? w.pass->doc : "(no such pass)");
    }
  }
}

void aicc_pass_report(const aicc_pass_context *pass, const char *name, const char *format, ...) {
  if (!pass->report) {
    return;
  }
  va_list args;
  va_start(args, format);
  fprintf(pass->report, "%s: ", name);
  vfprintf(pass->report, format, args);
  fputc('\n', pass->report);
  va_end(args);
}
