// Helpers for tests that make ONNX files in memory with protobuf-c and read them back.
#ifndef AICC_TESTS_ONNX_FIXTURE_H
#define AICC_TESTS_ONNX_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "check_main.h"
#include "frontend/onnx_file.h"

static inline aicc_buf *fixture_pack(const void *message) {
  const size_t size = protobuf_c_message_get_packed_size(message);
  aicc_buf *buf = aicc_buf_create_heap(size);
  protobuf_c_message_pack(message, aicc_buf_data_mut(buf));
  return buf;
}

// Opens bytes; the file is NULL where they are refused.
static inline aicc_onnx_file *fixture_open(const void *bytes, size_t size, aicc_onnx_kind kind,
                                           aicc_diags *diags) {
  aicc_buf *buf = aicc_buf_create_copy(bytes, size);
  aicc_onnx_file *file = NULL;
  const aicc_status status = aicc_onnx_file_from_buf(buf, "test.onnx", NULL, kind, diags, &file);
  aicc_buf_release(buf);
  ck_assert((status == AICC_OK) == (file != NULL));
  ck_assert((status == AICC_OK) == (diags->error_count == 0));
  return file;
}

static inline aicc_onnx_file *fixture_open_message(const void *message, aicc_onnx_kind kind,
                                                   aicc_diags *diags) {
  aicc_buf *buf = fixture_pack(message);
  aicc_onnx_file *file = fixture_open(aicc_buf_data(buf), aicc_buf_size(buf), kind, diags);
  aicc_buf_release(buf);
  return file;
}

static inline void fixture_expect(aicc_diags *diags, const char *id, const char *part) {
  for (size_t i = 0; i < diags->count; i++) {
    if (strcmp(aicc_diag_name(diags->items[i].id), id) == 0 &&
        strstr(diags->items[i].text, part)) {
      return;
    }
  }
  aicc_diags_print(diags, stderr);
  ck_abort_msg("no diagnostic %s with '%s'", id, part);
}

#endif
