// Worker processes: jobs that may crash, run in parallel by forked children.
//
// LLVM aborts on code it cannot select. A job that does takes down its child alone: it is reported
// by name, with what it wrote to stderr, and the other jobs go on. Children start as copies of the
// caller, so jobs read everything that existed before the call; they pass back bytes and
// diagnostics.
//
// Layer codegen. The caller must have no other threads that hold locks which jobs need. Results do
// not depend on the number of processes or on timing.
#ifndef AICC_CODEGEN_WORKER_H
#define AICC_CODEGEN_WORKER_H

#include "ir/diag.h"

// Bytes that a job passes back: added to, in the child.
typedef struct cg_reply {
  unsigned char *data;
  size_t size, capacity;
} cg_reply;
void cg_reply_add(cg_reply *reply, const void *data, size_t size);

// Runs job |index| in a child: fills |reply|, emits what is to be said, returns its status. What it
// changes in memory stays in the child; it must not leave files or processes behind when it dies.
typedef aicc_status cg_job_fn(void *user, size_t index, cg_reply *reply, aicc_diags *diags);

typedef struct cg_jobs {
  size_t count;
  cg_job_fn *run;
  void *user;
  const char *const *names;  // per job, for messages: a kernel
  const aicc_loc *locs;      // per job: its ONNX nodes; may be NULL
  unsigned processes;        // at most so many at a time; 0: one per CPU this process may use
} cg_jobs;

typedef struct cg_result {
  aicc_status status;  // AICC_INTERNAL for a job that crashed
  const void *data;    // the reply; NULL unless status is AICC_OK
  size_t size;
} cg_result;

// Runs all jobs, in no particular order, and stores their results by index; data is allocated from
// |arena|. Diagnostics of the jobs are appended to |diags| in the order of the jobs: their own, and
// E0610 for each that crashed. Returns AICC_OK where every job did, else the status of the first
// that did not; AICC_RESOURCE (E0611) where no process can be started.
AICC_MUST_USE aicc_status cg_jobs_run(const cg_jobs *jobs, cg_result *results, aicc_arena *arena,
                                      aicc_diags *diags);

#endif
