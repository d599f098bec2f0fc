// The model file: objects and constants in, a finished model.so (and its weights file) out.
//
// Layer codegen. All or nothing: after a failure neither file exists or, where they existed before,
// they are as they were (but where only the very last rename fails, the weights file is new).
#ifndef AICC_CODEGEN_MODEL_FILE_H
#define AICC_CODEGEN_MODEL_FILE_H

#include "codegen/link.h"
#include "codegen/weights.h"

typedef struct cg_model_file {
  const cg_object *objects;
  size_t object_count;
  const cg_weights *weights;
  const char *path;          // "out/model.so"
  const char *weights_path;  // in the same folder; NULL: the weights go into the model file
  bool unhashed;             // leaves out the weights' hash
} cg_model_file;

// What aicc_abi_weights.file has to say: the name part of |weights_path|.
const char *cg_model_file_name(const char *path);

// Links, appends, renames. AICC_INVALID: E0608, E0609; AICC_IO: as cg_output, cg_link_shared and
// cg_weights_seal say.
AICC_MUST_USE aicc_status cg_model_file_write(const cg_model_file *file, aicc_diags *diags);

#endif
