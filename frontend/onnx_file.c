#include "frontend/onnx_file.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/onnx_wire.h"

typedef struct aicc_onnx_external {
  struct aicc_onnx_external *next;
  char *location;
  aicc_buf *buf;
} aicc_onnx_external;

typedef struct kind_row {
  const ProtobufCMessageDescriptor *type;
  const char *name;
} kind_row;

static const kind_row kinds[] = {
    [AICC_ONNX_MODEL] = {&onnx__model_proto__descriptor, "model"},
    [AICC_ONNX_TENSOR] = {&onnx__tensor_proto__descriptor, "tensor"},
    [AICC_ONNX_SEQUENCE] = {&onnx__sequence_proto__descriptor, "sequence"},
    [AICC_ONNX_OPTIONAL] = {&onnx__optional_proto__descriptor, "optional value"},
    [AICC_ONNX_MAP] = {&onnx__map_proto__descriptor, "map"},
};

// What people hand over in place of a model, by the first bytes.
typedef struct foreign_row {
  size_t offset;
  const char *bytes;
  const char *what;
} foreign_row;

static const foreign_row foreigners[] = {
    {0, "version https://git-lfs", "it is a Git LFS pointer; fetch the file itself (git lfs pull)"},
    {0, "PK\x03\x04", "it is a zip archive (a PyTorch checkpoint?); export the model to ONNX"},
    {0, "\x89HDF", "it is an HDF5 file (Keras?); export the model to ONNX"},
    {4, "TFL3", "it is a TensorFlow Lite model; convert it to ONNX"},
    {0, "ORTM", "it is in ONNX Runtime's own format; use the .onnx file it was made from"},
    {4, "ORTM", "it is in ONNX Runtime's own format; use the .onnx file it was made from"},
    {0, "\x7f" "ELF", "it is a program or shared library"},
};

static char *copy_text(const char *text, size_t size) {
  char *copy = strndup(text, size);
  if (!copy) {
    fprintf(stderr, "aicc: out of memory (asked for %zu bytes)\n", size);
    exit(AICC_RESOURCE);
  }
  return copy;
}

static void *allocate(size_t size) {
  void *memory = calloc(1, size);
  if (!memory) {
    fprintf(stderr, "aicc: out of memory (asked for %zu bytes)\n", size);
    exit(AICC_RESOURCE);
  }
  return memory;
}

// NULL, or what the bytes are instead of a model.
static const char *foreign_name(const aicc_buf *buf) {
  if (aicc_buf_size(buf) == 0) {
    return "the file is empty";
  }
  for (size_t i = 0; i < sizeof foreigners / sizeof *foreigners; i++) {
    const foreign_row *row = &foreigners[i];
    const size_t length = strlen(row->bytes);
    if (aicc_buf_size(buf) >= row->offset + length &&
        memcmp(aicc_buf_data(buf) + row->offset, row->bytes, length) == 0) {
      return row->what;
    }
  }
  return NULL;
}

static aicc_status unpack(aicc_onnx_file *file, aicc_diags *diags) {
  const aicc_loc loc = {.file = file->name};
  const kind_row *kind = &kinds[file->kind];
  const char *foreign = file->kind == AICC_ONNX_MODEL ? foreign_name(file->buf) : NULL;
  if (foreign) {
    AICC_EMIT(diags, E0302, &loc, kind->name, foreign);
    return AICC_INVALID;
  }
  uint8_t *slim = NULL;
  size_t size = 0;
  AICC_TRY(aicc_wire_slim(aicc_buf_data(file->buf), aicc_buf_size(file->buf), kind->type, &loc,
                          diags, &slim, &size));
  file->message = protobuf_c_message_unpack(kind->type, NULL, size, slim);
  free(slim);
  if (!file->message) {
    AICC_EMIT(diags, E0302, &loc, kind->name, "its wire data does not follow the ONNX schema");
    return AICC_INVALID;
  }
  if (file->kind == AICC_ONNX_MODEL && !file->model->graph) {
    AICC_EMIT(diags, E0302, &loc, kind->name, "it has no graph");
    return AICC_INVALID;
  }
  return AICC_OK;
}

aicc_status aicc_onnx_file_from_buf(aicc_buf *buf, const char *name, const char *folder,
                                    aicc_onnx_kind kind, aicc_diags *diags,
                                    aicc_onnx_file **out) {
  aicc_onnx_file *file = allocate(sizeof *file);
  file->kind = kind;
  file->name = copy_text(name, strlen(name));
  file->folder = folder ? copy_text(folder, strlen(folder)) : NULL;
  file->buf = aicc_buf_retain(buf);
  const aicc_status status = unpack(file, diags);
  if (status != AICC_OK) {
    aicc_onnx_file_close(file);
    return status;
  }
  *out = file;
  return AICC_OK;
}

aicc_status aicc_onnx_file_open(const char *path, aicc_onnx_kind kind, aicc_diags *diags,
                                aicc_onnx_file **out) {
  aicc_buf *buf = NULL;
  AICC_TRY(aicc_buf_map_file(path, diags, &buf));
  const char *slash = strrchr(path, '/');
  // The root folder keeps its slash.
  char *folder = !slash          ? copy_text(".", 1)
                 : slash == path ? copy_text("/", 1)
                                 : copy_text(path, (size_t)(slash - path));
  const aicc_status status = aicc_onnx_file_from_buf(buf, path, folder, kind, diags, out);
  free(folder);
  aicc_buf_release(buf);
  return status;
}

void aicc_onnx_file_close(aicc_onnx_file *file) {
  if (!file) {
    return;
  }
  for (aicc_onnx_external *e = file->externals, *next; e; e = next) {
    next = e->next;
    aicc_buf_release(e->buf);
    free(e->location);
    free(e);
  }
  if (file->message) {
    protobuf_c_message_free_unpacked(file->message, NULL);
  }
  aicc_buf_release(file->buf);
  free(file->folder);
  free(file->name);
  free(file);
}

// NULL, or why |location| may not be followed, judged by its text alone.
static const char *refusal(const aicc_onnx_file *file, const char *location) {
  if (!file->folder) {
    return "the model was not read from a folder";
  }
  if (location[0] == '/') {
    return "the path is absolute";
  }
  for (const char *part = location; part; part = strchr(part, '/')) {
    part += *part == '/';
    if (part[0] == '.' && part[1] == '.' && (part[2] == '/' || part[2] == '\0')) {
      return "the path has '..'";
    }
  }
  return NULL;
}

static bool is_inside(const char *folder, const char *path) {
  const size_t length = strlen(folder);
  return strcmp(folder, "/") == 0 ||
         (strncmp(folder, path, length) == 0 && path[length] == '/');
}

// The path with its links followed, owned by the caller, in *out.
static aicc_status resolve(const aicc_onnx_file *file, const char *tensor, const char *location,
                           const aicc_loc *loc, aicc_diags *diags, char **out) {
  const char *reason = refusal(file, location);
  if (reason) {
    AICC_EMIT(diags, E0313, loc, tensor, location, reason);
    return AICC_INVALID;
  }
  const size_t size = strlen(file->folder) + strlen(location) + 2;
  char *joined = allocate(size);
  snprintf(joined, size, "%s/%s", file->folder, location);
  char *path = realpath(joined, NULL);
  const int error = errno;
  char *folder = realpath(file->folder, NULL);
  free(joined);
  const bool inside = path && folder && is_inside(folder, path);
  free(folder);
  if (inside) {
    *out = path;
    return AICC_OK;
  }
  if (path) {
    AICC_EMIT(diags, E0313, loc, tensor, location, "a link in the path leads elsewhere");
  } else {
    AICC_EMIT(diags, E0314, loc, tensor, location, strerror(error));
  }
  const aicc_status status = path ? AICC_INVALID : AICC_IO;
  free(path);
  return status;
}

aicc_status aicc_onnx_file_external(aicc_onnx_file *file, const char *tensor,
                                    const char *location, const aicc_loc *loc, aicc_diags *diags,
                                    aicc_buf **out) {
  for (const aicc_onnx_external *e = file->externals; e; e = e->next) {
    if (strcmp(e->location, location) == 0) {
      *out = e->buf;
      return AICC_OK;
    }
  }
  char *path = NULL;
  AICC_TRY(resolve(file, tensor, location, loc, diags, &path));
  aicc_buf *buf = NULL;
  const aicc_status status = aicc_buf_map_file(path, diags, &buf);
  free(path);
  AICC_TRY(status);
  aicc_onnx_external *e = allocate(sizeof *e);
  e->location = copy_text(location, strlen(location));
  e->buf = buf;
  e->next = file->externals;
  file->externals = e;
  *out = buf;
  return AICC_OK;
}
