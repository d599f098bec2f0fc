#include "codegen/link.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "codegen/file.h"

extern char **environ;

// A member's header in an archive: ASCII fields padded with blanks.
enum { ARCHIVE_HEADER = 60 };

// All objects as one archive in memory: one descriptor for any number of them, and no file to remove.
static bool write_archive(int fd, const cg_object *objects, size_t count) {
  bool ok = cg_write_all(fd, "!<arch>\n", 8);
  for (size_t i = 0; i < count && ok; i++) {
    char name[32], header[128];
    snprintf(name, sizeof name, "%zu.o/", i);
    snprintf(header, sizeof header, "%-16s%-12d%-6d%-6d%-8o%-10zu`\n", name, 0, 0, 0, 0644u,
             objects[i].size);
    ok = cg_write_all(fd, header, ARCHIVE_HEADER) &&
         cg_write_all(fd, objects[i].data, objects[i].size) &&
         (objects[i].size % 2 == 0 || cg_write_all(fd, "\n", 1));
  }
  return ok;
}

// Starts |program| with its output going to |log|. An errno, or 0.
static int start(const char *program, const char *input, const char *output, int log, pid_t *pid) {
  const char *const args[] = {
      program, "-shared", "-z", "now", "-z", "relro", "-z", "defs", "--hash-style=gnu",
      "--build-id=none", "--gc-sections", "-Bsymbolic", "-o", output, "--whole-archive", input,
      NULL};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", 0, 0);
  posix_spawn_file_actions_adddup2(&actions, log, STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, log, STDERR_FILENO);
  // posix_spawn takes its arguments as char *const for old times' sake; it does not write to them.
  char *argv[sizeof args / sizeof args[0]];
  memcpy(argv, args, sizeof args);
  const int error = posix_spawnp(pid, program, &actions, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  return error;
}

// Reports how the linker ended, with all it said.
static aicc_status report(const char *program, int status, int log, aicc_diags *diags) {
  char *text = cg_read_text(log, &diags->arena);
  const char *how = aicc_arena_printf(&diags->arena, "failed with code %d", WEXITSTATUS(status));
  if (WIFSIGNALED(status)) {
    how = aicc_arena_printf(&diags->arena, "was ended by signal %d (%s)", WTERMSIG(status),
                            strsignal(WTERMSIG(status)));
  }
  AICC_EMIT(diags, E0603, NULL, program, how, *text ? text : "it said nothing");
  return AICC_IO;
}

static aicc_status run_linker(const char *input, const char *output, int log, aicc_diags *diags) {
  const char *chosen = getenv("AICC_LLD");
  const char *const programs[] = {chosen && *chosen ? chosen : "ld.lld-22", "ld.lld"};
  const size_t count = chosen && *chosen ? 1 : 2;
  pid_t pid = 0;
  int error = ENOENT;
  size_t i = 0;
  for (; i < count && error == ENOENT; i++) {
    error = start(programs[i], input, output, log, &pid);
  }
  const char *program = programs[i - 1];
  if (error == ENOENT) {
    AICC_EMIT(diags, E0601, NULL, programs[0]);
    return AICC_IO;
  }
  if (error != 0) {
    AICC_EMIT(diags, E0602, NULL, program, strerror(error));
    return AICC_IO;
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status == 0 ? AICC_OK : report(program, status, log, diags);
}

aicc_status cg_link_shared(const cg_object *objects, size_t count, const char *path,
                           aicc_diags *diags) {
  // Without MFD_CLOEXEC: the linker reads it through /proc/self/fd.
  const int archive = memfd_create("aicc-objects", 0);
  const int log = memfd_create("aicc-linker", MFD_CLOEXEC);
  aicc_status status = AICC_IO;
  if (archive < 0 || log < 0 || !write_archive(archive, objects, count)) {
    AICC_EMIT(diags, E0604, NULL, "the linker's input", strerror(errno));
  } else {
    char *input = aicc_arena_printf(&diags->arena, "/proc/self/fd/%d", archive);
    status = run_linker(input, path, log, diags);
  }
  if (archive >= 0) {
    close(archive);
  }
  if (log >= 0) {
    close(log);
  }
  return status;
}
