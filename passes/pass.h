// Passes: one .c file each, named in passes.def, run by the manager in pass.c.
//
// Thread-compatible: one module, one thread.
#ifndef AICC_PASSES_PASS_H
#define AICC_PASSES_PASS_H

#include "ir/graph.h"
#include "ir/machine.h"

typedef struct aicc_pass_context {
  aicc_module *module;
  aicc_arena *scratch;          // freed after the pass
  aicc_diags *diags;
  const aicc_machine *machine;  // the target's; NULL for passes that do not read it, or no target
  bool own;                     // of the second part of the list: one machine's graph
  FILE *report;                 // --opt-report: what was done and what not, and why; NULL: off
} aicc_pass_context;

// Facts about a graph that passes need, make and break.
enum {
  AICC_FACT_0 = 0,  // none: the tables say 0
  AICC_FACT_CANON = 1,
  AICC_FACT_GROUPED = 2,
};

// Whether a pass reads the machine.
enum { AICC_MACHINE_ANY = 0, AICC_MACHINE_OWN = 1 };

typedef struct aicc_pass {
  const char *name, *doc;
  bool own;                       // reads the machine
  unsigned needs, makes, breaks;  // AICC_FACT_*
  aicc_status (*run)(aicc_pass_context *pass);
} aicc_pass;

extern const aicc_pass aicc_pass_table[];
extern const int aicc_pass_count;

#define AICC_PASS(name, machine, needs, makes, breaks, doc) \
  aicc_status aicc_pass_##name(aicc_pass_context *pass);
#include "passes/passes.def"
#undef AICC_PASS

// A list of passes has two parts: up to the first that reads the machine all targets share one
// graph, from there on each has its own.
typedef enum aicc_pass_part { AICC_PASSES_ALL, AICC_PASSES_COMMON, AICC_PASSES_OWN } aicc_pass_part;

typedef struct aicc_pass_options {
  aicc_pass_part part;           // which passes of the list run
  const aicc_machine *machine;   // read by those of the second part
  const char *machine_names;     // "sm_80, sm_90": named where the second part prints; NULL: not
  FILE *report;                  // --opt-report
  FILE *times;                   // --time-passes: one line per pass and the sum; NULL: off
  const char *dump_after;        // --dump-after: a pass's name, or "all"; NULL: off
  FILE *dump;                    // where dumps go
  const char *stop_after;        // --stop-after: a pass's name, of either part; NULL: to the end
  bool check;                    // verify the graph after every pass (E0901 names the culprit)
} aicc_pass_options;

// Runs passes by name, in order: "canon,cse,dce". Spaces are ignored. AICC_INVALID for an unknown
// name or a need that is not met (nothing has run then), else the first failing pass's status.
AICC_MUST_USE aicc_status aicc_run_passes(aicc_module *module, const char *comma_list,
                                          const aicc_pass_options *options, aicc_diags *diags);

// The optimising pipeline, as a list for aicc_run_passes, up to and with groups.
extern const char *const aicc_pipeline_default;

// --list-passes: name, machine, needs, makes, breaks, doc. --print-pipeline: the passes of a part
// of a list, one a line, with doc.
void aicc_list_passes(FILE *out);
void aicc_print_pipeline(const char *comma_list, aicc_pass_part part, FILE *out);

// "for sm_80, sm_90:", a line before what is said of these machines alone. NULL: nothing.
void aicc_print_machines(const char *names, FILE *out);

// --opt-report: one line, "pass: text". Does nothing where the report is off.
void aicc_pass_report(const aicc_pass_context *pass, const char *name, const char *format, ...)
    AICC_PRINTF(3, 4);

#endif
