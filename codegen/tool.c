#include "codegen/tool.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { MOST_ARGS = 32 };

int cg_tool_run(const char *const *args, int out, int log, int *status) {
  // posix_spawn takes its arguments as char *const for old times' sake; it does not write to them.
  char *argv[MOST_ARGS];
  size_t count = 0;
  while (args[count] != NULL) {
    count++;
  }
  AICC_ASSERT(count < MOST_ARGS);
  memcpy(argv, args, (count + 1) * sizeof *argv);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", 0, 0);
  posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, log, STDERR_FILENO);
  // Signals that this process holds back (output.h) are the tool's own to act upon.
  posix_spawnattr_t attributes;
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  pid_t pid = 0;
  const int error = posix_spawnp(&pid, args[0], &actions, &attributes, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error != 0) {
    return error;
  }
  while (waitpid(pid, status, 0) < 0 && errno == EINTR) {
  }
  return 0;
}

const char *cg_tool_end(int status, aicc_arena *arena) {
  return WIFSIGNALED(status) ? aicc_arena_printf(arena, "was ended by signal %d (%s)",
                                                 WTERMSIG(status), strsignal(WTERMSIG(status)))
                             : aicc_arena_printf(arena, "failed with code %d", WEXITSTATUS(status));
}
