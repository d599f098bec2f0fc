// seal IMAGE.so OUT.so COUNT [WEIGHTS-FILE]: makes a model file from a linked image: weights of
// COUNT floats 0.5, 1, 1.5, ... (in a file of their own, or, from 64 MiB on, a hole) and the
// footer.
#include <stdio.h>
#include <stdlib.h>

#include "aicc/abi.h"

static void die(const char *what) {
  perror(what);
  exit(1);
}

static void *read_file(const char *path, uint64_t *size) {
  FILE *file = fopen(path, "rb");
  if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
    die(path);
  }
  *size = (uint64_t)ftell(file);
  rewind(file);
  void *data = malloc(*size);
  if (data == NULL || fread(data, 1, *size, file) != *size) {
    die(path);
  }
  fclose(file);
  return data;
}

static void write_weights(FILE *file, uint64_t count, aicc_abi_hasher *hasher) {
  for (uint64_t i = 0; i < count; i++) {
    const float value = 0.5f * (float)(i + 1);
    if (fwrite(&value, sizeof value, 1, file) != 1) {
      die("weights");
    }
    aicc_abi_hash_add(hasher, &value, sizeof value);
  }
}

int main(int argc, char **argv) {
  if (argc < 4) {
    fprintf(stderr, "usage: seal IMAGE.so OUT.so COUNT [WEIGHTS-FILE]\n");
    return 1;
  }
  aicc_abi_footer footer = {.magic = AICC_ABI_FOOTER_MAGIC};
  footer.size = sizeof footer;
  footer.version = AICC_ABI_VERSION;
  void *image = read_file(argv[1], &footer.image_size);
  footer.image_hash = aicc_abi_hash(image, footer.image_size);
  FILE *out = fopen(argv[2], "wb");
  if (out == NULL || fwrite(image, 1, footer.image_size, out) != footer.image_size) {
    die(argv[2]);
  }
  const uint64_t count = strtoull(argv[3], NULL, 10);
  footer.weights_size = count * sizeof(float);
  uint64_t end = footer.image_size;
  FILE *weights = out;
  if (argc > 4) {
    weights = fopen(argv[4], "wb");
    if (weights == NULL) {
      die(argv[4]);
    }
  } else if (count > 0) {
    const uint64_t align = AICC_ABI_WEIGHTS_ALIGN;
    footer.weights_offset = (footer.image_size + align - 1) / align * align;
    end = footer.weights_offset + footer.weights_size;
    fseek(out, (long)footer.weights_offset, SEEK_SET);
  }
  if (footer.weights_size < 64u << 20) {
    aicc_abi_hasher hasher;
    aicc_abi_hash_begin(&hasher);
    write_weights(weights, count, &hasher);
    footer.weights_hash = count > 0 ? aicc_abi_hash_end(&hasher) : 0;
  } else {
    fseek(out, (long)end, SEEK_SET);
  }
  footer.file_size = end + sizeof footer;
  footer.hash = aicc_abi_hash(&footer, offsetof(aicc_abi_footer, hash));
  if (fwrite(&footer, sizeof footer, 1, out) != 1 || fclose(out) != 0 ||
      (weights != out && fclose(weights) != 0)) {
    die(argv[2]);
  }
  free(image);
  return 0;
}
