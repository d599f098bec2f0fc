#include "codegen/weights.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aicc/abi.h"
#include "codegen/file.h"
#include "codegen/output.h"

enum { PAGE_FROM = 64 << 10 };  // smaller constants are not worth half a page of zeros

_Static_assert(CG_WEIGHTS_PAGE == AICC_ABI_WEIGHTS_ALIGN, "one page size");
_Static_assert(sizeof(aicc_abi_footer) == 80, "the size that weights.h states");

void cg_weights_init(cg_weights *weights, aicc_arena *arena) {
  *weights = (cg_weights){.arena = arena};
}

static uint64_t align_up(uint64_t value, uint64_t alignment) {
  return (value + alignment - 1) / alignment * alignment;
}

static uint64_t add(cg_weights *weights, cg_weight weight) {
  weight.offset =
      align_up(weights->size, weight.size >= PAGE_FROM ? CG_WEIGHTS_PAGE : CG_WEIGHTS_ALIGN);
  weights->size = weight.offset + weight.size;
  AICC_PUSH(weights->arena, weights->items, weights->count, weights->capacity, weight);
  return weight.offset;
}

uint64_t cg_weights_add_view(cg_weights *weights, aicc_view view) {
  return add(weights, (cg_weight){.size = view.size, .view = view});
}

uint64_t cg_weights_add(cg_weights *weights, const void *data, uint64_t size) {
  return add(weights, (cg_weight){.size = size, .data = data});
}

uint64_t cg_weights_add_made(cg_weights *weights, uint64_t size, cg_weights_fill *fill, void *user,
                             aicc_view source) {
  return add(weights, (cg_weight){.size = size, .fill = fill, .user = user, .view = source});
}

// Where bytes go, and the hash of those that went.
typedef struct sink {
  int fd;
  const char *path;
  bool hashed;
  aicc_abi_hasher hasher;
  aicc_diags *diags;
} sink;

static aicc_status put(sink *to, const void *data, uint64_t size) {
  if (cg_signals_pending()) {
    AICC_EMIT(to->diags, E0605, NULL, to->path, "interrupted");
    return AICC_IO;
  }
  if (to->hashed) {
    aicc_abi_hash_add(&to->hasher, data, size);
  }
  if (!cg_write_all(to->fd, data, size)) {
    AICC_EMIT(to->diags, E0605, NULL, to->path, strerror(errno));
    return AICC_IO;
  }
  return AICC_OK;
}

static aicc_status put_zeros(sink *to, uint64_t size) {
  static const unsigned char zeros[CG_WEIGHTS_PAGE];
  AICC_ASSERT(size <= sizeof zeros);
  return put(to, zeros, size);
}

// Packing walks all over its source: forgetting it after each piece would read it many times.
static void forget_source(const cg_weight *weight, uint64_t done) {
  const bool often = weight->view.size > CG_WEIGHTS_SOURCE && done / CG_WEIGHTS_CHUNK % 4 == 0;
  if (weight->view.buf && (often || done == weight->size)) {
    aicc_view_forget(weight->view);
  }
}

// Piece by piece, so that what was hashed is still in the cache when it is written.
static aicc_status put_weight(sink *to, const cg_weight *weight, void *buffer) {
  for (uint64_t at = 0; at < weight->size; at += CG_WEIGHTS_CHUNK) {
    const uint64_t rest = weight->size - at;
    const size_t size = (size_t)(rest < CG_WEIGHTS_CHUNK ? rest : CG_WEIGHTS_CHUNK);
    if (weight->fill) {
      AICC_TRY(weight->fill(weight->user, at, buffer, size, to->diags));
      AICC_TRY(put(to, buffer, size));
      forget_source(weight, at + size);
    } else if (weight->view.buf) {
      const aicc_view piece = {weight->view.buf, weight->view.offset + (size_t)at, size};
      AICC_TRY(put(to, aicc_view_data(piece), size));
      aicc_view_forget(piece);
    } else {
      AICC_TRY(put(to, (const unsigned char *)weight->data + at, size));
    }
  }
  return AICC_OK;
}

static aicc_status put_weights(sink *to, const cg_weights *weights) {
  void *buffer = malloc(CG_WEIGHTS_CHUNK);
  if (!buffer) {
    AICC_EMIT(to->diags, E0605, NULL, to->path, strerror(errno));
    return AICC_RESOURCE;
  }
  aicc_status status = AICC_OK;
  uint64_t at = 0;
  for (size_t i = 0; i < weights->count && status == AICC_OK; i++) {
    const cg_weight *weight = &weights->items[i];
    status = put_zeros(to, weight->offset - at);
    if (status == AICC_OK) {
      status = put_weight(to, weight, buffer);
    }
    at = weight->offset + weight->size;
  }
  free(buffer);
  return status;
}

// Size and hash of the image, of which the descriptor's position is left at the end.
static bool read_image(int fd, aicc_abi_footer *footer) {
  unsigned char buffer[1 << 16];
  aicc_abi_hasher hasher;
  aicc_abi_hash_begin(&hasher);
  ssize_t got;
  while ((got = read(fd, buffer, sizeof buffer)) != 0) {
    if (got < 0 && errno != EINTR) {
      return false;
    }
    if (got > 0) {
      aicc_abi_hash_add(&hasher, buffer, (uint64_t)got);
      footer->image_size += (uint64_t)got;
    }
  }
  footer->image_hash = aicc_abi_hash_end(&hasher);
  return true;
}

static aicc_status put_beside(const cg_weights *weights, const char *path, bool hashed,
                              aicc_abi_footer *footer, aicc_diags *diags) {
  sink beside = {.fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC), .path = path, .hashed = hashed,
                 .diags = diags};
  aicc_abi_hash_begin(&beside.hasher);
  if (beside.fd < 0) {
    AICC_EMIT(diags, E0605, NULL, path, strerror(errno));
    return AICC_IO;
  }
  aicc_status status = put_weights(&beside, weights);
  // Some file systems tell only now that they are full.
  if (close(beside.fd) != 0 && status == AICC_OK) {
    AICC_EMIT(diags, E0605, NULL, path, strerror(errno));
    status = AICC_IO;
  }
  footer->weights_hash = hashed ? aicc_abi_hash_end(&beside.hasher) : 0;
  return status;
}

static aicc_status put_inside(const cg_weights *weights, sink *model, bool hashed,
                              aicc_abi_footer *footer) {
  footer->weights_offset = align_up(footer->image_size, AICC_ABI_WEIGHTS_ALIGN);
  footer->file_size = footer->weights_offset + weights->size;
  AICC_TRY(put_zeros(model, footer->weights_offset - footer->image_size));
  model->hashed = hashed;
  aicc_abi_hash_begin(&model->hasher);
  AICC_TRY(put_weights(model, weights));
  footer->weights_hash = hashed ? aicc_abi_hash_end(&model->hasher) : 0;
  model->hashed = false;
  return AICC_OK;
}

static aicc_status seal(const cg_weights *weights, sink *model, const char *weights_path,
                        bool hashed) {
  aicc_abi_footer footer = {.magic = AICC_ABI_FOOTER_MAGIC,
                            .size = sizeof footer,
                            .version = AICC_ABI_VERSION,
                            .weights_size = weights->size};
  if (!read_image(model->fd, &footer)) {
    AICC_EMIT(model->diags, E0607, NULL, model->path, strerror(errno));
    return AICC_IO;
  }
  footer.file_size = footer.image_size;
  if (weights->size > 0 && weights_path) {
    AICC_TRY(put_beside(weights, weights_path, hashed, &footer, model->diags));
  } else if (weights->size > 0) {
    AICC_TRY(put_inside(weights, model, hashed, &footer));
  }
  footer.file_size += sizeof footer;
  footer.hash = aicc_abi_hash(&footer, offsetof(aicc_abi_footer, hash));
  return put(model, &footer, sizeof footer);
}

aicc_status cg_weights_seal(const cg_weights *weights, const char *image_path,
                            const char *weights_path, bool hashed, aicc_diags *diags) {
  sink model = {.fd = open(image_path, O_RDWR | O_CLOEXEC), .path = image_path, .diags = diags};
  if (model.fd < 0) {
    AICC_EMIT(diags, E0607, NULL, image_path, strerror(errno));
    return AICC_IO;
  }
  aicc_status status = seal(weights, &model, weights_path, hashed);
  if (close(model.fd) != 0 && status == AICC_OK) {
    AICC_EMIT(diags, E0605, NULL, image_path, strerror(errno));
    status = AICC_IO;
  }
  return status;
}
