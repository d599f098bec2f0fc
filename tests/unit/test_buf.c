// Buffers: counting, mapping, alignment, refusals.
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check_main.h"
#include "ir/buf.h"

static void write_file(const char *path, const char *text) {
  FILE *file = fopen(path, "w");
  ck_assert_ptr_nonnull(file);
  fputs(text, file);
  fclose(file);
}

START_TEST(a_heap_buffer_lives_until_its_last_reference) {
  aicc_buf *buf = aicc_buf_create_copy("hello", 5);
  ck_assert_uint_eq((uintptr_t)aicc_buf_data(buf) % 64, 0);
  ck_assert_ptr_eq(aicc_buf_retain(buf), buf);
  aicc_buf_release(buf);
  ck_assert_mem_eq(aicc_buf_data(buf), "hello", 5);
  ck_assert_uint_eq(aicc_buf_size(buf), 5);
  ck_assert(!aicc_buf_is_mapped(buf));
  aicc_buf_release(buf);
  aicc_buf_release(NULL);
}
END_TEST

START_TEST(a_file_is_mapped_whole) {
  aicc_diags diags;
  aicc_diags_init(&diags);
  char path[] = "/tmp/aicc_buf_XXXXXX";
  close(mkstemp(path));
  aicc_buf *empty = NULL;
  ck_assert_int_eq(aicc_buf_map_file(path, &diags, &empty), AICC_OK);
  ck_assert_uint_eq(aicc_buf_size(empty), 0);
  write_file(path, "abcdef");
  aicc_buf *buf = NULL;
  ck_assert_int_eq(aicc_buf_map_file(path, &diags, &buf), AICC_OK);
  unlink(path);
  ck_assert(aicc_buf_is_mapped(buf));
  ck_assert_uint_eq(aicc_buf_size(buf), 6);
  ck_assert_mem_eq(aicc_buf_data(buf), "abcdef", 6);
  ck_assert_uint_eq(diags.count, 0);
  aicc_buf_release(empty);
  aicc_buf_release(buf);
  aicc_diags_deinit(&diags);
}
END_TEST

START_TEST(a_large_buffer_keeps_what_is_forgotten) {
  const size_t size = AICC_BUF_LARGE + 5;
  aicc_buf *buf = aicc_buf_create_large(size);
  ck_assert_uint_eq((uintptr_t)aicc_buf_data(buf) % 64, 0);
  memset(aicc_buf_data_mut(buf), 7, size);
  aicc_view_forget((aicc_view){.buf = buf, .size = size});
  const uint8_t *data = aicc_buf_data(buf);
  ck_assert(data[0] == 7 && memcmp(data, data + 1, size - 1) == 0);
  aicc_buf_release(buf);
}
END_TEST

START_TEST(a_large_buffer_needs_no_folder) {
  ck_assert_int_eq(setenv("TMPDIR", "/nowhere/at/all", 1), 0);
  aicc_buf *buf = aicc_buf_create_large(AICC_BUF_LARGE);
  ck_assert(!aicc_buf_is_mapped(buf));
  memset(aicc_buf_data_mut(buf), 7, AICC_BUF_LARGE);
  aicc_buf_release(buf);
  unsetenv("TMPDIR");
}
END_TEST

START_TEST(what_is_no_regular_file_is_refused) {
  aicc_diags diags;
  aicc_diags_init(&diags);
  char pipe_path[] = "/tmp/aicc_pipe_XXXXXX";
  ck_assert_ptr_nonnull(mkdtemp(pipe_path));
  char fifo[64];
  snprintf(fifo, sizeof fifo, "%s/fifo", pipe_path);
  ck_assert_int_eq(mkfifo(fifo, 0600), 0);
  aicc_buf *buf = NULL;
  ck_assert_int_eq(aicc_buf_map_file("/tmp/aicc/does/not/exist", &diags, &buf), AICC_IO);
  ck_assert_int_eq(aicc_buf_map_file("/tmp", &diags, &buf), AICC_IO);
  ck_assert_int_eq(aicc_buf_map_file(fifo, &diags, &buf), AICC_IO);
  ck_assert_uint_eq(diags.error_count, 3);
  ck_assert_ptr_nonnull(strstr(diags.items[1].text, "folder"));
  ck_assert_ptr_nonnull(strstr(diags.items[2].text, "regular file"));
  unlink(fifo);
  rmdir(pipe_path);
  aicc_diags_deinit(&diags);
}
END_TEST

START_TEST(aligning_copies_only_where_it_must) {
  aicc_buf *buf = aicc_buf_create_copy("0123456789abcdef0123456789abcdef", 32);
  const aicc_view even = {buf, 16, 8}, odd = {buf, 3, 8};
  aicc_view same = aicc_view_align(even, 16);
  ck_assert_ptr_eq(same.buf, buf);
  aicc_view copy = aicc_view_align(odd, 16);
  ck_assert_ptr_ne(copy.buf, buf);
  ck_assert(aicc_view_is_aligned(copy, 16));
  ck_assert_mem_eq(aicc_view_data(copy), "3456789a", 8);
  aicc_buf_release(same.buf);
  aicc_buf_release(copy.buf);
  aicc_buf_release(buf);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("buf");
  TCase *t = tcase_create("buf");
  tcase_add_test(t, a_heap_buffer_lives_until_its_last_reference);
  tcase_add_test(t, a_file_is_mapped_whole);
  tcase_add_test(t, a_large_buffer_keeps_what_is_forgotten);
  tcase_add_test(t, a_large_buffer_needs_no_folder);
  tcase_add_test(t, what_is_no_regular_file_is_refused);
  tcase_add_test(t, aligning_copies_only_where_it_must);
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
