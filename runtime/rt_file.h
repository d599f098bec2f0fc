// A model file, mapped and examined before any of its code runs.
#ifndef AICC_RT_FILE_H
#define AICC_RT_FILE_H

#include "aicc/abi.h"
#include "rt_error.h"

typedef struct aicc_rt_file {
  const uint8_t *data;  // NULL: not mapped
  uint64_t size;
} aicc_rt_file;

// Maps |path| read-only. An empty file is an error.
aicc_rt_status aicc_rt_file_map(const char *path, aicc_rt_file *out, aicc_rt_error *error);
void aicc_rt_file_unmap(aicc_rt_file *file);

// Is it a whole, undamaged model for this kind of machine? Copies its footer. |path| is for
// messages.
aicc_rt_status aicc_rt_file_check(const aicc_rt_file *file, const char *path,
                                  aicc_abi_footer *footer, aicc_rt_error *error);

#endif
