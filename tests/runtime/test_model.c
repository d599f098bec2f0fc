// Loading models: what is described, and what is refused with which sentence.
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "aicc/abi.h"
#include "check_main.h"
#include "demo.h"

START_TEST(a_model_describes_itself) {
  aicc_rt_error error;
  const aicc_rt_model_options options = {NULL, true};
  aicc_rt_model *model = aicc_rt_model_open(DEMO("demo.so"), &options, &error);
  ck_assert_msg(model != NULL, "%s", error.text);
  ck_assert_int_eq(error.code, AICC_RT_OK);
  const aicc_rt_model_info *info = aicc_rt_model_describe(model);
  ck_assert_str_eq(info->name, "demo");
  ck_assert_str_eq(info->compiler, "by hand");
  ck_assert_uint_eq(info->input_count, 5);
  ck_assert_uint_eq(info->output_count, 6);
  ck_assert_str_eq(info->inputs[0].name, "a");
  ck_assert_str_eq(info->inputs[0].dtype_name, "f32");
  ck_assert_int_eq(info->inputs[0].rank, 2);
  ck_assert_int_eq(info->inputs[0].dims[0], -1);
  ck_assert_str_eq(info->inputs[0].symbols[0], "n");
  ck_assert_int_eq(info->inputs[4].kind, AICC_RT_SEQUENCE);
  ck_assert_str_eq(info->outputs[3].dtype_name, "str");
  ck_assert_uint_eq(info->kernel_count, 4);
  ck_assert_uint_eq(info->kernels[1].origin_count, 2);
  ck_assert_str_eq(info->kernels[1].origins[0].node, "node_mul");
  ck_assert_str_eq(info->images[0].format, "cpu");
  ck_assert_uint_eq(info->weights_bytes, 32);
  ck_assert_str_eq(info->constants[1].name, "bias");
  ck_assert(((const float *)info->constants[1].data)[0] == 2.5f);
  ck_assert_int_eq(aicc_rt_model_find_input(model, "mode"), 2);
  ck_assert_int_eq(aicc_rt_model_find_input(model, "nobody"), -1);
  ck_assert_int_eq(aicc_rt_model_find_output(model, "labels"), 3);
  aicc_rt_model_close(model);
  aicc_rt_model_close(NULL);
}
END_TEST

START_TEST(weights_are_found_beside_the_file_that_a_link_leads_to) {
  const char *link = DEMO("demo_models_link");
  (void)mkdir(link, 0777);
  const char *path = DEMO("demo_models_link/linked.so");
  (void)unlink(path);
  ck_assert_int_eq(symlink(DEMO("demo_beside.so"), path), 0);
  aicc_rt_error error;
  aicc_rt_model *model = aicc_rt_model_open(path, NULL, &error);
  ck_assert_msg(model != NULL, "%s", error.text);
  ck_assert_str_eq(error.text, "");
  aicc_rt_model_close(model);
}
END_TEST

START_TEST(weights_may_lie_beside_the_model) {
  aicc_rt_error error;
  const aicc_rt_model_options options = {NULL, true};
  aicc_rt_model *model = aicc_rt_model_open(DEMO("demo_beside.so"), &options, &error);
  ck_assert_msg(model != NULL, "%s", error.text);
  const aicc_rt_model_info *info = aicc_rt_model_describe(model);
  ck_assert(((const float *)info->constants[0].data)[3] == 2.0f);
  aicc_rt_model_close(model);
}
END_TEST

// ---- refusals ----------------------------------------------------------------------------------

static unsigned char *read_model(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  ck_assert_ptr_nonnull(file);
  fseek(file, 0, SEEK_END);
  *size = (size_t)ftell(file);
  rewind(file);
  unsigned char *data = malloc(*size);
  ck_assert_uint_eq(fread(data, 1, *size, file), *size);
  fclose(file);
  return data;
}

// Opens |data| as a file; returns the code, with the message in |error|.
static aicc_rt_status open_bytes(const void *data, size_t size, aicc_rt_error *error) {
  char path[] = "/tmp/aicc_model_XXXXXX";
  const int fd = mkstemp(path);
  ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
  close(fd);
  const aicc_rt_model_options options = {NULL, true};
  aicc_rt_model *model = aicc_rt_model_open(path, &options, error);
  const aicc_rt_status status = model != NULL ? AICC_RT_OK : error->code;
  ck_assert((model != NULL) == (error->code == AICC_RT_OK));
  ck_assert((model == NULL) == (error->text[0] != 0));
  aicc_rt_model_close(model);
  unlink(path);
  return status;
}

START_TEST(a_truncated_model_is_refused) {
  size_t size = 0;
  unsigned char *data = read_model(DEMO("demo.so"), &size);
  aicc_rt_error error;
  ck_assert_int_eq(open_bytes(data, size, &error), AICC_RT_OK);
  for (size_t cut = 0; cut < size; cut = cut < 200 ? cut + 7 : cut + size / 37) {
    ck_assert_int_eq(open_bytes(data, cut, &error), AICC_RT_BAD_MODEL);
  }
  ck_assert_int_eq(open_bytes(data, size - 1, &error), AICC_RT_BAD_MODEL);
  ck_assert_ptr_nonnull(strstr(error.text, "truncated"));
  free(data);
}
END_TEST

START_TEST(a_flipped_bit_is_noticed) {
  size_t size = 0;
  unsigned char *data = read_model(DEMO("demo.so"), &size);
  aicc_abi_footer footer;
  memcpy(&footer, data + size - sizeof footer, sizeof footer);
  aicc_rt_error error;
  uint64_t random = 12345;
  for (int i = 0; i < 300; i++) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    const size_t at = (size_t)(random >> 20) % size;
    // The zeros between image and weights are nobody's.
    if (at >= footer.image_size && at < footer.weights_offset) {
      continue;
    }
    data[at] ^= (unsigned char)(1u << (random >> 8 & 7));
    const aicc_rt_status status = open_bytes(data, size, &error);
    ck_assert_msg(status == AICC_RT_BAD_MODEL || status == AICC_RT_VERSION, "byte %zu: %d %s", at,
                  status, error.text);
    data[at] ^= (unsigned char)(1u << (random >> 8 & 7));
  }
  free(data);
}
END_TEST

// Version 1's tables were shorter: they are not looked at.
START_TEST(models_of_other_versions_are_refused_with_the_way_out) {
  static const struct {
    uint32_t version;
    const char *text;
  } cases[] = {{AICC_ABI_OLDEST - 1, "the oldest that this runtime reads: compile the model again"},
               {AICC_ABI_VERSION + 1, "newer than this runtime, which knows 2: use the runtime"}};
  size_t size = 0;
  unsigned char *data = read_model(DEMO("demo.so"), &size);
  for (int i = 0; i < 2; i++) {
    aicc_abi_footer footer;
    unsigned char *at = data + size - sizeof footer;
    memcpy(&footer, at, sizeof footer);
    footer.version = cases[i].version;
    footer.hash = aicc_abi_hash(&footer, offsetof(aicc_abi_footer, hash));
    memcpy(at, &footer, sizeof footer);
    aicc_rt_error error;
    ck_assert_int_eq(open_bytes(data, size, &error), AICC_RT_VERSION);
    ck_assert_msg(strstr(error.text, cases[i].text) != NULL, "%s", error.text);
  }
  free(data);
}
END_TEST

START_TEST(foreign_files_are_refused) {
  static const char text[] = "This is no model at all, but a text of some length.\n";
  aicc_rt_error error;
  ck_assert_int_eq(open_bytes("", 0, &error), AICC_RT_BAD_MODEL);
  ck_assert_int_eq(open_bytes(text, sizeof text, &error), AICC_RT_BAD_MODEL);
  ck_assert_ptr_nonnull(strstr(error.text, "no ELF file"));
  size_t size = 0;
  unsigned char *data = read_model(DEMO("demo.so"), &size);
  data[18] = 40;  // e_machine: 32-bit ARM
  data[19] = 0;
  ck_assert_int_eq(open_bytes(data, size, &error), AICC_RT_BAD_MODEL);
  ck_assert_ptr_nonnull(strstr(error.text, "made for 32-bit ARM"));
  free(data);
  ck_assert_ptr_null(aicc_rt_model_open(DEMO("plain.so"), NULL, &error));
  ck_assert_ptr_nonnull(strstr(error.text, "footer is missing"));
  ck_assert_ptr_null(aicc_rt_model_open("/tmp/aicc/not/there.so", NULL, &error));
  ck_assert_int_eq(error.code, AICC_RT_IO);
  ck_assert_ptr_null(aicc_rt_model_open("/tmp", NULL, &error));
  ck_assert_int_eq(error.code, AICC_RT_IO);
  ck_assert_ptr_null(aicc_rt_model_open(NULL, NULL, &error));
  ck_assert_int_eq(error.code, AICC_RT_INVALID);
  ck_assert_ptr_null(aicc_rt_model_open("/tmp", NULL, NULL));
}
END_TEST

START_TEST(other_shared_objects_and_machines_are_refused) {
  aicc_rt_error error;
  ck_assert_ptr_null(aicc_rt_model_open(DEMO("no_symbol.so"), NULL, &error));
  ck_assert_int_eq(error.code, AICC_RT_BAD_MODEL);
  ck_assert_ptr_nonnull(strstr(error.text, AICC_ABI_QUERY_SYMBOL));
  ck_assert_ptr_null(aicc_rt_model_open(DEMO("too_new.so"), NULL, &error));
  ck_assert_int_eq(error.code, AICC_RT_VERSION);
  ck_assert_ptr_null(aicc_rt_model_open(DEMO("strange_cpu.so"), NULL, &error));
  ck_assert_int_eq(error.code, AICC_RT_UNAVAILABLE);
  ck_assert_ptr_nonnull(strstr(error.text, "hyperspace"));
  ck_assert_ptr_null(strstr(error.text, "sse2"));
  ck_assert_ptr_null(aicc_rt_model_open(DEMO("demo_lost.so"), NULL, &error));
  ck_assert_int_eq(error.code, AICC_RT_IO);
  ck_assert_ptr_nonnull(strstr(error.text, "lost.weights"));
}
END_TEST

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

START_TEST(half_a_gigabyte_loads_at_once) {
  aicc_rt_error error;
  double best = 1e9;
  for (int i = 0; i < 5; i++) {
    const double start = seconds();
    aicc_rt_model *model = aicc_rt_model_open(DEMO("big.so"), NULL, &error);
    const double took = seconds() - start;
    ck_assert_msg(model != NULL, "%s", error.text);
    ck_assert_uint_ge(aicc_rt_model_describe(model)->weights_bytes, 500u << 20);
    aicc_rt_model_close(model);
    best = took < best ? took : best;
  }
  ck_assert_msg(best < 0.050, "%.1f ms", best * 1e3);
  printf("load of 500 MiB of weights: %.2f ms\n", best * 1e3);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("model");
  TCase *t = tcase_create("model");
  tcase_set_timeout(t, 60);
  tcase_add_test(t, a_model_describes_itself);
  tcase_add_test(t, weights_may_lie_beside_the_model);
  tcase_add_test(t, weights_are_found_beside_the_file_that_a_link_leads_to);
  tcase_add_test(t, a_truncated_model_is_refused);
  tcase_add_test(t, a_flipped_bit_is_noticed);
  tcase_add_test(t, models_of_other_versions_are_refused_with_the_way_out);
  tcase_add_test(t, foreign_files_are_refused);
  tcase_add_test(t, other_shared_objects_and_machines_are_refused);
  tcase_add_test(t, half_a_gigabyte_loads_at_once);
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
