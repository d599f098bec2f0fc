// Programs that do a part of the work: the linker, ptxas.
//
// Layer codegen. Thread-safe.
#ifndef AICC_CODEGEN_TOOL_H
#define AICC_CODEGEN_TOOL_H

#include "ir/arena.h"

// Runs args[0] (from the PATH; |args| ends with NULL) with no input, its output going to |out| and
// its messages to |log|, and waits. An errno where it cannot be started (ENOENT: there is no such
// program), else 0 and its wait status.
int cg_tool_run(const char *const *args, int out, int log, int *status);

// "failed with code 1", "was ended by signal 9 (Killed)".
const char *cg_tool_end(int status, aicc_arena *arena);

#endif
