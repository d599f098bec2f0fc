// The bytes of constants as they are stored: streamed, so that packing needs no second copy.
#include <string.h>

#include "ir/plan.h"

static int64_t product(const int64_t *extents, int count) {
  int64_t result = 1;
  for (int i = 0; i < count; i++) {
    result *= extents[i];
  }
  return result;
}

static int64_t k_count(const aicc_pack *pack) { return product(pack->k_extent, pack->k_rank); }

static int64_t panel_count(const aicc_pack *pack) { return (pack->n + pack->nr - 1) / pack->nr; }

static int64_t run_length(const aicc_pack *pack) {
  return product(pack->k_extent + pack->k_rank - pack->run_rank, pack->run_rank);
}

static int64_t run_groups(const aicc_pack *pack) {
  return (run_length(pack) + pack->group - 1) / pack->group;
}

int64_t aicc_pack_rows(const aicc_pack *pack) {
  return pack->group > 1 ? product(pack->k_extent, pack->k_rank - pack->run_rank) *
                               run_groups(pack) * pack->group
                         : k_count(pack);
}

bool aicc_pack_equal(const aicc_pack *a, const aicc_pack *b) {
  if (a == NULL || b == NULL) {
    return a == b;
  }
  bool same = a->batch == b->batch && a->batch_stride == b->batch_stride &&
              a->k_rank == b->k_rank && a->n == b->n && a->n_stride == b->n_stride &&
              a->nr == b->nr && a->group == b->group && a->run_rank == b->run_rank;
  for (int i = 0; i < a->k_rank && same; i++) {
    same = a->k_extent[i] == b->k_extent[i] && a->k_stride[i] == b->k_stride[i];
  }
  return same;
}

int64_t aicc_pack_count(const aicc_pack *pack) {
  return pack->batch * aicc_pack_rows(pack) * panel_count(pack) * pack->nr;
}

// Where the source row of packed row |row| (batch, panel, k) starts, and how many of its nr
// columns exist.
static int64_t row_source(const aicc_pack *pack, int64_t row, int64_t *columns) {
  const int64_t ks = k_count(pack), panels = panel_count(pack);
  int64_t k = row % ks;
  const int64_t panel = row / ks % panels, batch = row / ks / panels;
  int64_t source = batch * pack->batch_stride + panel * pack->nr * pack->n_stride;
  for (int i = pack->k_rank - 1; i >= 0; i--) {
    source += k % pack->k_extent[i] * pack->k_stride[i];
    k /= pack->k_extent[i];
  }
  const int64_t left = pack->n - panel * pack->nr;
  *columns = left < pack->nr ? left : pack->nr;
  return source;
}

// Columns |first| .. |end| - 1 of packed row |row|.
static void copy_columns(const aicc_pack *pack, size_t item, const uint8_t *data, int64_t row,
                         int64_t first, int64_t end, uint8_t *out) {
  int64_t columns;
  const int64_t source = row_source(pack, row, &columns);
  const int64_t real = columns < end ? (columns > first ? columns : first) : end;
  const size_t stride = (size_t)pack->n_stride * item;
  const uint8_t *from = data + (size_t)source * item + (size_t)first * stride;
  const size_t count = (size_t)(real - first);
  if (pack->n_stride == 1) {
    memcpy(out, from, count * item);
  } else if (item == 4) {
    for (size_t i = 0; i < count; i++, from += stride) {
      memcpy(out + 4 * i, from, 4);
    }
  } else {
    for (size_t i = 0; i < count; i++, from += stride) {
      memcpy(out + i * item, from, item);
    }
  }
  memset(out + count * item, 0, (size_t)(end - real) * item);
}

// Packed rows of one element, |count| of them from |row| on: k counts on without divisions.
static void copy_elements(const aicc_pack *pack, size_t item, const uint8_t *data, int64_t row,
                          int64_t count, uint8_t *out) {
  int64_t at[AICC_PACK_RANK], left = row % k_count(pack), columns;
  for (int i = pack->k_rank - 1; i >= 0; i--) {
    at[i] = left % pack->k_extent[i];
    left /= pack->k_extent[i];
  }
  int64_t source = row_source(pack, row, &columns);
  for (int64_t n = 0; n < count; n++, out += item) {
    memcpy(out, data + (size_t)source * item, item);
    int i = pack->k_rank - 1;
    while (i >= 0 && ++at[i] == pack->k_extent[i]) {
      source -= (pack->k_extent[i] - 1) * pack->k_stride[i];
      at[i--] = 0;
    }
    source = i >= 0 ? source + pack->k_stride[i] : row_source(pack, row + n + 1, &columns);
  }
}

// Elements |first| .. |end| - 1 of the |row|th row of groups (batch, panel, k / group).
static void copy_groups(const aicc_pack *pack, size_t item, const uint8_t *data, int64_t row,
                        int64_t first, int64_t end, uint8_t *out) {
  const int64_t run = run_length(pack), groups = run_groups(pack);
  const int64_t rows = aicc_pack_rows(pack) / pack->group, panels = panel_count(pack);
  const int64_t group = row % rows % groups, panel = row / rows % panels;
  const int64_t before = row % rows / groups * run;  // of k, in runs before
  const int64_t origin =
      row / rows / panels * pack->batch_stride + panel * pack->nr * pack->n_stride;
  for (int64_t j = 0; j < pack->group; j++) {
    const int64_t in_run = group * pack->group + j;
    int64_t k = before + in_run, source = origin;
    for (int i = pack->k_rank - 1; i >= 0; i--) {
      source += k % pack->k_extent[i] * pack->k_stride[i];
      k /= pack->k_extent[i];
    }
    for (int64_t n = 0; n < pack->nr; n++) {
      const int64_t at = n * pack->group + j;
      if (at >= first && at < end) {
        const bool real = in_run < run && panel * pack->nr + n < pack->n;
        uint8_t *to = out + (size_t)(at - first) * item;
        if (real) {
          memcpy(to, data + (size_t)(source + n * pack->n_stride) * item, item);
        } else {
          memset(to, 0, item);
        }
      }
    }
  }
}

void aicc_plan_const_bytes(const aicc_plan_const *constant, uint64_t from, uint64_t size,
                           void *out) {
  const aicc_tensor *tensor = constant->tensor;
  const aicc_pack *pack = constant->pack;
  if (!pack) {
    memcpy(out, (const uint8_t *)tensor->data + from, size);
    return;
  }
  const size_t item = aicc_dtype_size(tensor->dtype);
  const bool grouped = pack->group > 1;
  const uint64_t row_bytes = (uint64_t)pack->nr * (grouped ? (uint64_t)pack->group : 1) * item;
  if (pack->nr == 1 && !grouped) {
    copy_elements(pack, item, tensor->data, (int64_t)(from / item), (int64_t)(size / item), out);
    return;
  }
  uint8_t *to = out;
  while (size > 0) {
    const uint64_t index = from / row_bytes, skip = from % row_bytes;
    const uint64_t part = row_bytes - skip < size ? row_bytes - skip : size;
    (grouped ? copy_groups : copy_columns)(pack, item, tensor->data, (int64_t)index,
                                           (int64_t)(skip / item),
                                           (int64_t)((skip + part) / item), to);
    to += part;
    from += part;
    size -= part;
  }
}
