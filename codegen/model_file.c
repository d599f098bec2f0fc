#include "codegen/model_file.h"

#include <string.h>

#include "codegen/output.h"

const char *cg_model_file_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

// The runtime looks for the weights in the folder of the model.
static aicc_status check_names(const cg_model_file *file, aicc_diags *diags) {
  if (!file->weights_path) {
    return AICC_OK;
  }
  if (strcmp(file->path, file->weights_path) == 0) {
    AICC_EMIT(diags, E0608, NULL, file->path);
    return AICC_INVALID;
  }
  const size_t folder = (size_t)(cg_model_file_name(file->path) - file->path);
  const size_t other = (size_t)(cg_model_file_name(file->weights_path) - file->weights_path);
  if (folder != other || memcmp(file->path, file->weights_path, folder) != 0) {
    AICC_EMIT(diags, E0609, NULL, file->weights_path, file->path);
    return AICC_INVALID;
  }
  return AICC_OK;
}

static aicc_status write_parts(const cg_model_file *file, cg_output *model, cg_output *weights,
                               aicc_diags *diags) {
  AICC_TRY(cg_output_begin(model, file->path, &diags->arena, diags));
  if (file->weights_path) {
    AICC_TRY(cg_output_begin(weights, file->weights_path, &diags->arena, diags));
  }
  AICC_TRY(cg_link_shared(file->objects, file->object_count, model->temporary, diags));
  AICC_TRY(cg_weights_seal(file->weights, model->temporary, weights->temporary, !file->unhashed,
                           diags));
  // The weights first: a model without its weights is worse than weights without a model.
  if (file->weights_path) {
    AICC_TRY(cg_output_commit(weights, diags));
  }
  return cg_output_commit(model, diags);
}

aicc_status cg_model_file_write(const cg_model_file *file, aicc_diags *diags) {
  AICC_TRY(check_names(file, diags));
  cg_output model = {0}, weights = {0};
  sigset_t before;
  cg_signals_hold(&before);
  const aicc_status status = write_parts(file, &model, &weights, diags);
  cg_output_discard(&model);
  cg_output_discard(&weights);
  cg_signals_release(&before);
  return status;
}
