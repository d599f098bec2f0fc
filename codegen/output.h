// Output files: written under a temporary name in their own folder, then renamed, so that a failed
// or killed compile never leaves a half-written file under the name that was asked for.
//
// Layer codegen. Thread-compatible.
#ifndef AICC_CODEGEN_OUTPUT_H
#define AICC_CODEGEN_OUTPUT_H

#include <signal.h>

#include "ir/diag.h"

typedef struct cg_output {
  const char *path;       // the name in the end
  const char *temporary;  // the name until then; NULL: nothing is open. Both live in the arena
} cg_output;

// Creates the empty temporary file. AICC_IO (E0604) where the folder is missing or not writable, or
// |path| is a folder.
AICC_MUST_USE aicc_status cg_output_begin(cg_output *output, const char *path, aicc_arena *arena,
                                          aicc_diags *diags);
// Gives the file its name, replacing an older one. AICC_IO (E0606); then the file is gone.
AICC_MUST_USE aicc_status cg_output_commit(cg_output *output, aicc_diags *diags);
// Removes the temporary file, if there is one.
void cg_output_discard(cg_output *output);

// Signals that end a program (INT, TERM, HUP) are held back while output files are being made, so
// that none of them is left half done; they act at cg_signals_release, when the files are gone.
// Long work in between asks cg_signals_pending and gives up.
void cg_signals_hold(sigset_t *before);
bool cg_signals_pending(void);
void cg_signals_release(const sigset_t *before);

#endif
