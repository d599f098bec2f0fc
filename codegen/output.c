#include "codegen/output.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ATTEMPTS = 100 };  // names of temporary files tried; others are left by killed processes

aicc_status cg_output_begin(cg_output *output, const char *path, aicc_arena *arena,
                            aicc_diags *diags) {
  *output = (cg_output){.path = aicc_arena_strdup(arena, path)};
  struct stat info;
  if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
    AICC_EMIT(diags, E0604, NULL, path, "it is a folder");
    return AICC_IO;
  }
  for (int i = 0; i < ATTEMPTS; i++) {
    char *name = aicc_arena_printf(arena, "%s.tmp%ld.%d", path, (long)getpid(), i);
    const int fd = open(name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
    if (fd >= 0) {
      close(fd);
      output->temporary = name;
      return AICC_OK;
    }
    if (errno != EEXIST) {
      break;
    }
  }
  AICC_EMIT(diags, E0604, NULL, path, strerror(errno));
  return AICC_IO;
}

aicc_status cg_output_commit(cg_output *output, aicc_diags *diags) {
  if (cg_signals_pending()) {
    AICC_EMIT(diags, E0605, NULL, output->path, "interrupted");
    cg_output_discard(output);
    return AICC_IO;
  }
  if (rename(output->temporary, output->path) != 0) {
    AICC_EMIT(diags, E0606, NULL, output->temporary, output->path, strerror(errno));
    cg_output_discard(output);
    return AICC_IO;
  }
  output->temporary = NULL;
  return AICC_OK;
}

void cg_output_discard(cg_output *output) {
  if (output->temporary) {
    unlink(output->temporary);
    output->temporary = NULL;
  }
}

static const int stops[] = {SIGINT, SIGTERM, SIGHUP};
enum { STOPS = sizeof stops / sizeof *stops };

void cg_signals_hold(sigset_t *before) {
  sigset_t held;
  sigemptyset(&held);
  for (int i = 0; i < STOPS; i++) {
    sigaddset(&held, stops[i]);
  }
  sigprocmask(SIG_BLOCK, &held, before);
}

bool cg_signals_pending(void) {
  sigset_t pending;
  bool any = false;
  sigemptyset(&pending);
  sigpending(&pending);
  for (int i = 0; i < STOPS; i++) {
    any = any || sigismember(&pending, stops[i]) == 1;
  }
  return any;
}

void cg_signals_release(const sigset_t *before) { sigprocmask(SIG_SETMASK, before, NULL); }
