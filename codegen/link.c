#include "codegen/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "codegen/file.h"
#include "codegen/tool.h"

// A member's header in an archive: ASCII fields padded with blanks.
enum { ARCHIVE_HEADER = 60 };

// All objects as one archive in memory: one descriptor for any number of them, and no file to
// remove.
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

// Reports how the linker ended, with all it said.
static aicc_status report(const char *program, int status, int log, aicc_diags *diags) {
  char *text = cg_read_text(log, &diags->arena);
  AICC_EMIT(diags, E0603, NULL, program, cg_tool_end(status, &diags->arena),
            *text ? text : "it said nothing");
  return AICC_IO;
}

// |args|: the first is the linker's name, filled in. |out|: its standard output, or -1.
static aicc_status run_linker(const char **args, int out, int log, aicc_diags *diags) {
  const char *chosen = getenv("AICC_LLD");
  const char *const programs[] = {chosen && *chosen ? chosen : "ld.lld-22", "ld.lld"};
  const size_t count = chosen && *chosen ? 1 : 2;
  int error = ENOENT, status = 0;
  for (size_t i = 0; i < count && error == ENOENT; i++) {
    args[0] = programs[i];
    error = cg_tool_run(args, out >= 0 ? out : log, log, &status);
  }
  if (error == ENOENT) {
    AICC_EMIT(diags, E0601, NULL, programs[0]);
    return AICC_IO;
  }
  if (error != 0) {
    AICC_EMIT(diags, E0602, NULL, args[0], strerror(error));
    return AICC_IO;
  }
  return status == 0 ? AICC_OK : report(args[0], status, log, diags);
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
    const char *args[] = {NULL, "-shared", "-z", "now", "-z", "relro", "-z", "defs",
                          "--hash-style=gnu", "--build-id=none", "--gc-sections", "-Bsymbolic",
                          "-o", path, "--whole-archive", input, NULL};
    status = run_linker(args, -1, log, diags);
  }
  if (archive >= 0) {
    close(archive);
  }
  if (log >= 0) {
    close(log);
  }
  return status;
}

aicc_status cg_link_code_object(const cg_object *object, int out, aicc_diags *diags) {
  const int input = memfd_create("aicc-object", 0);  // read through /proc/self/fd
  const int log = memfd_create("aicc-linker", MFD_CLOEXEC);
  aicc_status status = AICC_IO;
  if (input < 0 || log < 0 || !cg_write_all(input, object->data, object->size)) {
    AICC_EMIT(diags, E0604, NULL, "the linker's input", strerror(errno));
  } else {
    char *path = aicc_arena_printf(&diags->arena, "/proc/self/fd/%d", input);
    const char *args[] = {NULL, "-shared", "--build-id=none", "-o", "-", path, NULL};
    status = run_linker(args, out, log, diags);
  }
  if (input >= 0) {
    close(input);
  }
  if (log >= 0) {
    close(log);
  }
  return status;
}
