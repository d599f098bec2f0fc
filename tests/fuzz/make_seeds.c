// make_seeds FOLDER: writes the seeds of the model target as FOLDER/seed_N.
#include <stdio.h>

#include "fuzz/model_target.h"

int main(int argc, char **argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: make_seeds FOLDER\n");
    return 1;
  }
  aicc_buf *seed;
  for (int i = 0; (seed = aicc_fuzz_model_seed(i)); i++) {
    char path[4096];
    snprintf(path, sizeof path, "%s/seed_%d", argv[1], i);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(aicc_buf_data(seed), aicc_buf_size(seed), 1, file) != 1 || fclose(file)) {
      perror(path);
      return 1;
    }
    aicc_buf_release(seed);
  }
  return 0;
}
