#include "tools/npy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char magic[6] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};

// NumPy's letter of a type that both know, without its size.
static char letter_of(aicc_dtype dtype) {
  switch (aicc_dtype_kind_of(dtype)) {
    case AICC_KIND_FLOAT:
      return dtype == AICC_BF16 ? 'V' : 'f';
    case AICC_KIND_SIGNED:
      return aicc_dtype_table[dtype].bits < 8 ? 'V' : 'i';
    case AICC_KIND_UNSIGNED:
      return aicc_dtype_table[dtype].bits < 8 ? 'V' : 'u';
    case AICC_KIND_BOOL:
      return 'b';
    case AICC_KIND_COMPLEX:
      return 'c';
    case AICC_KIND_STRING:
      return 'U';
    default:
      return 'V';
  }
}

static aicc_status bad(const char *path, const char *what, aicc_status status, aicc_diags *diags) {
  const aicc_loc loc = {.file = path};
  AICC_EMIT(diags, E0801, &loc, what);
  return status;
}

// ---- header ------------------------------------------------------------------------------------

typedef struct npy_header {
  char letter;
  char order;    // '<', '>', '|', '='
  size_t width;  // bytes; characters for 'U'
  bool fortran;
  int rank;
  int64_t shape[AICC_MAX_RANK];
} npy_header;

// The value behind |key| in the header's dictionary, or NULL.
static const char *find_key(const char *text, const char *key) {
  const char *at = strstr(text, key);
  if (at == NULL) {
    return NULL;
  }
  at += strlen(key);
  return at + strspn(at, "'\": ");
}

static bool parse_shape(const char *at, npy_header *out) {
  if (at == NULL || *at != '(') {
    return false;
  }
  at++;
  for (out->rank = 0; *at != ')'; out->rank++) {
    char *end = NULL;
    errno = 0;
    const long long dim = strtoll(at, &end, 10);
    if (end == at || errno != 0 || dim < 0 || out->rank >= AICC_MAX_RANK) {
      return false;
    }
    out->shape[out->rank] = dim;
    at = end + strspn(end, "L, ");
  }
  return true;
}

static bool parse_header(const char *text, npy_header *out) {
  const char *descr = find_key(text, "'descr'");
  const char *fortran = find_key(text, "'fortran_order'");
  if (descr == NULL || fortran == NULL || strchr("<>|=", *descr) == NULL || *descr == 0) {
    return false;
  }
  out->order = descr[0];
  out->letter = descr[1];
  out->width = (size_t)strtoul(descr + 2, NULL, 10);
  out->fortran = *fortran == 'T';
  return parse_shape(find_key(text, "'shape'"), out);
}

static bool dtype_of_header(const npy_header *header, aicc_dtype want, aicc_dtype *out) {
  if (header->letter == 'U' || header->letter == 'S') {
    *out = AICC_STR;
    return true;
  }
  if (header->letter == 'V') {
    *out = want;
    return letter_of(want) == 'V' && aicc_dtype_size(want) == header->width;
  }
  for (int t = 0; t < AICC_DTYPE_COUNT; t++) {
    if (letter_of((aicc_dtype)t) == header->letter &&
        aicc_dtype_size((aicc_dtype)t) == header->width) {
      *out = (aicc_dtype)t;
      return true;
    }
  }
  return false;
}

// ---- reading -----------------------------------------------------------------------------------

// Position in the file of element |index| of the row-major result.
static int64_t source_index(const npy_header *header, int64_t index) {
  if (!header->fortran) {
    return index;
  }
  int64_t strides[AICC_MAX_RANK], stride = 1, result = 0;
  for (int d = 0; d < header->rank; d++) {
    strides[d] = stride;
    stride *= header->shape[d];
  }
  for (int d = header->rank - 1; d >= 0; d--) {
    result += index % header->shape[d] * strides[d];
    index /= header->shape[d];
  }
  return result;
}

static void read_elements(const npy_header *header, const uint8_t *from, aicc_eval_value *out) {
  const int64_t count = aicc_eval_value_count(out);
  const size_t size = aicc_dtype_size(out->dtype);
  uint8_t *to = out->data;
  if (!header->fortran) {
    memcpy(to, from, (size_t)count * size);
  }
  for (int64_t i = 0; header->fortran && i < count; i++) {
    memcpy(to + (size_t)i * size, from + (size_t)source_index(header, i) * size, size);
  }
  const size_t part = aicc_dtype_kind_of(out->dtype) == AICC_KIND_COMPLEX ? size / 2 : size;
  for (size_t i = 0; header->order == '>' && i < (size_t)count * size; i += part) {
    for (size_t k = 0; k < part / 2; k++) {
      const uint8_t swap = to[i + k];
      to[i + k] = to[i + part - 1 - k];
      to[i + part - 1 - k] = swap;
    }
  }
}

static size_t put_utf8(uint32_t c, char *to) {
  if (c < 0x80) {
    to[0] = (char)c;
    return 1;
  }
  if (c < 0x800) {
    to[0] = (char)(0xc0 | c >> 6);
    to[1] = (char)(0x80 | (c & 0x3f));
    return 2;
  }
  if (c < 0x10000) {
    to[0] = (char)(0xe0 | c >> 12);
    to[1] = (char)(0x80 | (c >> 6 & 0x3f));
    to[2] = (char)(0x80 | (c & 0x3f));
    return 3;
  }
  to[0] = (char)(0xf0 | (c >> 18 & 7));
  to[1] = (char)(0x80 | (c >> 12 & 0x3f));
  to[2] = (char)(0x80 | (c >> 6 & 0x3f));
  to[3] = (char)(0x80 | (c & 0x3f));
  return 4;
}

// One element of |width| characters, zeros at its end left out; returns the bytes written.
static size_t read_string(const npy_header *header, const uint8_t *from, char *to) {
  const size_t unit = header->letter == 'U' ? 4 : 1;
  size_t length = header->width, used = 0;
  static const uint8_t zeros[4];
  while (length > 0 && memcmp(from + (length - 1) * unit, zeros, unit) == 0) {
    length--;
  }
  for (size_t i = 0; i < length; i++) {
    if (unit == 1) {
      to[used++] = (char)from[i];
      continue;
    }
    uint32_t c;
    memcpy(&c, from + 4 * i, 4);
    used += put_utf8(header->order == '>' ? __builtin_bswap32(c) : c, to + used);
  }
  return used;
}

// The buffer holds the elements and, behind them, room for four bytes a character.
static void read_strings(const npy_header *header, const uint8_t *from, aicc_eval_value *out) {
  const size_t count = (size_t)aicc_eval_value_count(out);
  const size_t unit = header->letter == 'U' ? 4 : 1;
  aicc_buf_release(out->buf);
  out->buf = aicc_buf_create_heap(count * (sizeof(aicc_str) + 4 * header->width));
  out->data = aicc_buf_data_mut(out->buf);
  aicc_str *strings = out->data;
  char *text = (char *)(strings + count);
  for (size_t i = 0; i < count; i++) {
    const size_t at = (size_t)source_index(header, (int64_t)i);
    strings[i].data = text;
    strings[i].size = read_string(header, from + at * unit * header->width, text);
    text += strings[i].size;
  }
}

static aicc_status read_buf(const char *path, const aicc_buf *buf, aicc_dtype want,
                            aicc_diags *diags, aicc_eval_value *out) {
  const uint8_t *data = aicc_buf_data(buf);
  const size_t size = aicc_buf_size(buf);
  if (size < 12 || memcmp(data, magic, sizeof magic) != 0) {
    return bad(path, "this is no .npy file", AICC_INVALID, diags);
  }
  uint32_t length = 0;
  const size_t start = data[6] == 1 ? 10 : 12;
  memcpy(&length, data + 8, data[6] == 1 ? 2 : 4);
  if (data[6] < 1 || data[6] > 3 || length > size - start || length > 65536) {
    return bad(path, "a damaged .npy file, or of a version later than 3", AICC_INVALID, diags);
  }
  char *text = aicc_arena_alloc(&diags->arena, length + 1u);
  memcpy(text, data + start, length);
  npy_header header = {0};
  if (!parse_header(text, &header)) {
    return bad(path, "the header of the .npy file is damaged", AICC_INVALID, diags);
  }
  aicc_dtype dtype = want;
  if (!dtype_of_header(&header, want, &dtype)) {
    return bad(path, "the .npy file has an element type that this tool cannot use here",
               AICC_UNSUPPORTED, diags);
  }
  AICC_TRY(aicc_eval_value_create(dtype, header.rank, header.shape, diags, out));
  const size_t width = header.width * (header.letter == 'U' ? 4 : 1);
  int64_t bytes = 0;
  if (aicc_mul_overflow(aicc_eval_value_count(out), (int64_t)width, &bytes) ||
      (uint64_t)bytes > size - start - length) {
    aicc_eval_value_deinit(out);
    return bad(path, "the .npy file is truncated", AICC_INVALID, diags);
  }
  if (dtype == AICC_STR) {
    read_strings(&header, data + start + length, out);
  } else {
    read_elements(&header, data + start + length, out);
  }
  return AICC_OK;
}

aicc_status aicc_npy_read(const char *path, aicc_dtype want, aicc_diags *diags,
                          aicc_eval_value *out) {
  aicc_buf *buf = NULL;
  AICC_TRY(aicc_buf_map_file(path, diags, &buf));
  const aicc_status status = read_buf(path, buf, want, diags, out);
  aicc_buf_release(buf);
  return status;
}

// ---- writing -----------------------------------------------------------------------------------

// The next character of UTF-8 text; bytes that are none stand for themselves.
static uint32_t get_utf8(const unsigned char **at, const unsigned char *end) {
  const unsigned char first = *(*at)++;
  const int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : first >= 0xc0 ? 1 : 0;
  if (more == 0 || end - *at < more) {
    return first;
  }
  uint32_t c = first & (0x3fu >> more);
  for (int i = 0; i < more; i++) {
    c = c << 6 | (*(*at)++ & 0x3fu);
  }
  return c;
}

static size_t characters(const aicc_str *string) {
  const unsigned char *at = (const unsigned char *)string->data, *end = at + string->size;
  size_t count = 0;
  for (; at < end; count++) {
    (void)get_utf8(&at, end);
  }
  return count;
}

static void write_strings(FILE *file, const aicc_str *strings, size_t count, size_t width) {
  for (size_t i = 0; i < count; i++) {
    const unsigned char *at = (const unsigned char *)strings[i].data, *end = at + strings[i].size;
    for (size_t k = 0; k < width; k++) {
      const uint32_t c = at < end ? get_utf8(&at, end) : 0;
      fwrite(&c, sizeof c, 1, file);
    }
  }
}

static void write_header(FILE *file, const aicc_eval_value *tensor, size_t width) {
  char text[512];
  const char letter = letter_of(tensor->dtype);
  int used = snprintf(text, sizeof text, "{'descr': '%c%c%zu', 'fortran_order': False, 'shape': (",
                      width == 1 && letter != 'U' ? '|' : '<', letter, width);
  for (int d = 0; d < tensor->rank; d++) {
    used += snprintf(text + used, sizeof text - (size_t)used, "%lld,%s",
                     (long long)tensor->shape[d], d + 1 < tensor->rank ? " " : "");
  }
  used += snprintf(text + used, sizeof text - (size_t)used, "), }");
  const unsigned total = ((unsigned)used + 1 + 10 + 63) / 64 * 64 - 10;
  const unsigned char length[2] = {(unsigned char)total, (unsigned char)(total >> 8)};
  fwrite(magic, 1, sizeof magic, file);
  fwrite("\x01\x00", 1, 2, file);
  fwrite(length, 1, 2, file);
  fprintf(file, "%s%*s\n", text, (int)total - used - 1, "");
}

aicc_status aicc_npy_write(const char *path, const aicc_eval_value *tensor, aicc_diags *diags) {
  const aicc_loc loc = {.file = path};
  FILE *file = fopen(path, "wb");
  if (file == NULL) {
    AICC_EMIT(diags, E0802, &loc, strerror(errno));
    return AICC_IO;
  }
  const size_t count = (size_t)aicc_eval_value_count(tensor);
  size_t width = aicc_dtype_size(tensor->dtype);
  if (tensor->dtype == AICC_STR) {
    width = 1;
    for (size_t i = 0; i < count; i++) {
      const size_t length = characters((const aicc_str *)tensor->data + i);
      width = length > width ? length : width;
    }
  }
  write_header(file, tensor, width);
  if (tensor->dtype == AICC_STR) {
    write_strings(file, tensor->data, count, width);
  } else if (count > 0) {
    fwrite(tensor->data, width, count, file);
  }
  const bool failed = ferror(file) != 0;
  if (fclose(file) != 0 || failed) {
    AICC_EMIT(diags, E0802, &loc, strerror(errno));
    return AICC_IO;
  }
  return AICC_OK;
}
