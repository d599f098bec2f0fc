// The model file: linking, weights inside and beside, and every way that writing can fail.
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <llvm-c/Core.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aicc/abi.h"
#include "check_main.h"
#include "codegen/model_file.h"
#include "codegen/output.h"

typedef struct fixture {
  aicc_arena arena;
  aicc_diags diags;
  cg_weights weights;
  const char *folder, *path;
} fixture;

static void fixture_open(fixture *f) {
  aicc_arena_init(&f->arena);
  aicc_diags_init(&f->diags);
  cg_weights_init(&f->weights, &f->arena);
  char *folder = aicc_arena_strdup(&f->arena, "/tmp/aicc-test-XXXXXX");
  ck_assert_ptr_nonnull(mkdtemp(folder));
  f->folder = folder;
  f->path = aicc_arena_printf(&f->arena, "%s/model.so", folder);
}

static int count_files(const char *folder) {
  DIR *dir = opendir(folder);
  ck_assert_ptr_nonnull(dir);
  int count = 0;
  for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
    count += entry->d_name[0] != '.';
  }
  closedir(dir);
  return count;
}

static void fixture_close(fixture *f) {
  const char *const names[] = {"model.so", "model.bin", "fake"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
    unlink(aicc_arena_printf(&f->arena, "%s/%s", f->folder, names[i]));
  }
  chmod(f->folder, 0700);
  ck_assert_int_eq(rmdir(f->folder), 0);  // so nothing else was left in it
  aicc_diags_deinit(&f->diags);
  aicc_arena_deinit(&f->arena);
}

// An object with int NAME(void), which returns |value|, or what |callee| returns.
static cg_object make_object(fixture *f, const char *name, int value, const char *callee) {
  LLVMInitializeX86TargetInfo();
  LLVMInitializeX86Target();
  LLVMInitializeX86TargetMC();
  LLVMInitializeX86AsmPrinter();
  LLVMContextRef context = LLVMContextCreate();
  LLVMModuleRef module = LLVMModuleCreateWithNameInContext(name, context);
  LLVMTypeRef i32 = LLVMInt32TypeInContext(context);
  LLVMTypeRef type = LLVMFunctionType(i32, NULL, 0, 0);
  LLVMValueRef function = LLVMAddFunction(module, name, type);
  LLVMBuilderRef b = LLVMCreateBuilderInContext(context);
  LLVMPositionBuilderAtEnd(b, LLVMAppendBasicBlockInContext(context, function, ""));
  LLVMValueRef result = LLVMConstInt(i32, (unsigned long long)value, 0);
  if (callee) {
    result = LLVMBuildCall2(b, type, LLVMAddFunction(module, callee, type), NULL, 0, "");
  }
  LLVMBuildRet(b, result);
  char *message = NULL;
  LLVMTargetRef target;
  const char *triple = "x86_64-pc-linux-gnu";
  ck_assert_int_eq(LLVMGetTargetFromTriple(triple, &target, &message), 0);
  LLVMTargetMachineRef machine = LLVMCreateTargetMachine(
      target, triple, "", "", LLVMCodeGenLevelDefault, LLVMRelocPIC, LLVMCodeModelDefault);
  LLVMMemoryBufferRef buffer;
  ck_assert_int_eq(
      LLVMTargetMachineEmitToMemoryBuffer(machine, module, LLVMObjectFile, &message, &buffer), 0);
  const size_t size = LLVMGetBufferSize(buffer);
  const cg_object object = {aicc_arena_memdup(&f->arena, LLVMGetBufferStart(buffer), size), size};
  LLVMDisposeMemoryBuffer(buffer);
  LLVMDisposeTargetMachine(machine);
  LLVMDisposeBuilder(b);
  LLVMDisposeModule(module);
  LLVMContextDispose(context);
  return object;
}

static aicc_status write_model(fixture *f, const char *path, const char *weights_path) {
  const cg_object objects[] = {make_object(f, "first", 41, NULL),
                               make_object(f, "second", 0, "first")};
  const cg_model_file file = {.objects = objects,
                              .object_count = 2,
                              .weights = &f->weights,
                              .path = path,
                              .weights_path = weights_path};
  return cg_model_file_write(&file, &f->diags);
}

static const unsigned char *map_file(const char *path, uint64_t *size) {
  const int fd = open(path, O_RDONLY);
  struct stat info;
  ck_assert_int_ge(fd, 0);
  ck_assert_int_eq(fstat(fd, &info), 0);
  *size = (uint64_t)info.st_size;
  void *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  ck_assert_ptr_ne(bytes, MAP_FAILED);
  close(fd);
  return bytes;
}

static aicc_abi_footer check_footer(const unsigned char *bytes, uint64_t size) {
  aicc_abi_footer footer;
  memcpy(&footer, bytes + size - sizeof footer, sizeof footer);
  ck_assert_mem_eq(footer.magic, AICC_ABI_FOOTER_MAGIC, 16);
  ck_assert_uint_eq(footer.size, sizeof footer);
  ck_assert_uint_eq(footer.file_size, size);
  ck_assert_uint_eq(footer.image_hash, aicc_abi_hash(bytes, footer.image_size));
  ck_assert_uint_eq(footer.hash, aicc_abi_hash(&footer, offsetof(aicc_abi_footer, hash)));
  return footer;
}

static void check_code(const char *path) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  ck_assert_msg(library != NULL, "%s", dlerror());
  void *symbol = dlsym(library, "second");
  int (*second)(void) = NULL;
  memcpy(&second, &symbol, sizeof second);
  ck_assert_ptr_nonnull(symbol);
  ck_assert_int_eq(second(), 41);
  dlclose(library);
}

static aicc_status count_up(void *user, uint64_t offset, void *to, size_t size,
                            aicc_diags *diags AICC_UNUSED) {
  ck_assert_uint_eq(offset % CG_WEIGHTS_CHUNK, 0);
  ck_assert_uint_le(size, CG_WEIGHTS_CHUNK);
  *(uint64_t *)user += size;
  for (size_t i = 0; i < size; i++) {
    ((unsigned char *)to)[i] = (unsigned char)((offset + i) % 251);
  }
  return AICC_OK;
}

enum { MADE_SIZE = 3 * CG_WEIGHTS_CHUNK + 12345 };

// Three constants; |made| counts the bytes asked for.
static void add_weights(fixture *f, uint64_t *made, uint64_t offsets[3]) {
  offsets[0] = cg_weights_add(&f->weights, "small", 5);
  offsets[1] = cg_weights_add_made(&f->weights, MADE_SIZE, count_up, made, (aicc_view){0});
  offsets[2] = cg_weights_add(&f->weights, "last", 4);
  ck_assert_uint_eq(offsets[1] % CG_WEIGHTS_PAGE, 0);
  ck_assert_uint_eq(offsets[2] % CG_WEIGHTS_ALIGN, 0);
}

static void check_weights(const unsigned char *bytes, const uint64_t offsets[3]) {
  ck_assert_mem_eq(bytes + offsets[0], "small", 5);
  // One assertion for all: each writes to a pipe.
  bool same = true;
  for (uint64_t i = 5; i < offsets[1]; i++) {
    same = same && bytes[i] == 0;
  }
  for (uint64_t i = 0; i < MADE_SIZE; i++) {
    same = same && bytes[offsets[1] + i] == i % 251;
  }
  ck_assert(same);
  ck_assert_mem_eq(bytes + offsets[2], "last", 4);
}

START_TEST(weights_inside) {
  fixture f;
  fixture_open(&f);
  uint64_t made = 0, offsets[3], size;
  add_weights(&f, &made, offsets);
  ck_assert_int_eq(write_model(&f, f.path, NULL), AICC_OK);
  ck_assert_uint_eq(made, MADE_SIZE);
  const unsigned char *bytes = map_file(f.path, &size);
  const aicc_abi_footer footer = check_footer(bytes, size);
  ck_assert_uint_eq(footer.weights_offset % AICC_ABI_WEIGHTS_ALIGN, 0);
  ck_assert_uint_ge(footer.weights_offset, footer.image_size);
  ck_assert_uint_eq(footer.weights_size, f.weights.size);
  ck_assert_uint_eq(footer.weights_offset + footer.weights_size + sizeof footer, size);
  ck_assert_uint_eq(footer.weights_hash,
                    aicc_abi_hash(bytes + footer.weights_offset, footer.weights_size));
  check_weights(bytes + footer.weights_offset, offsets);
  check_code(f.path);
  ck_assert_int_eq(count_files(f.folder), 1);
  fixture_close(&f);
}
END_TEST

START_TEST(weights_beside) {
  fixture f;
  fixture_open(&f);
  uint64_t made = 0, offsets[3], size, weights_size;
  add_weights(&f, &made, offsets);
  const char *beside = aicc_arena_printf(&f.arena, "%s/model.bin", f.folder);
  ck_assert_int_eq(write_model(&f, f.path, beside), AICC_OK);
  const unsigned char *model = map_file(f.path, &size);
  const aicc_abi_footer footer = check_footer(model, size);
  ck_assert_uint_eq(footer.image_size + sizeof footer, size);
  ck_assert_uint_eq(footer.weights_offset, 0);
  const unsigned char *bytes = map_file(beside, &weights_size);
  ck_assert_uint_eq(weights_size, f.weights.size);
  ck_assert_uint_eq(footer.weights_hash, aicc_abi_hash(bytes, weights_size));
  check_weights(bytes, offsets);
  check_code(f.path);
  ck_assert_int_eq(count_files(f.folder), 2);
  ck_assert_str_eq(cg_model_file_name(beside), "model.bin");
  fixture_close(&f);
}
END_TEST

START_TEST(two_writes_are_the_same_bytes) {
  fixture f;
  fixture_open(&f);
  uint64_t made = 0, offsets[3], size, again_size;
  add_weights(&f, &made, offsets);
  ck_assert_int_eq(write_model(&f, f.path, NULL), AICC_OK);
  const unsigned char *bytes = map_file(f.path, &size);
  ck_assert_int_eq(write_model(&f, f.path, NULL), AICC_OK);
  const unsigned char *again = map_file(f.path, &again_size);
  ck_assert_uint_eq(size, again_size);
  ck_assert_mem_eq(bytes, again, size);
  fixture_close(&f);
}
END_TEST

static void expect_error(fixture *f, aicc_status status, aicc_status wanted, const char *id,
                         const char *part) {
  ck_assert_int_eq(status, wanted);
  ck_assert_uint_eq(f->diags.error_count, 1);
  ck_assert_str_eq(aicc_diag_name(f->diags.items[0].id), id);
  ck_assert_msg(strstr(f->diags.items[0].text, part) != NULL, "%s", f->diags.items[0].text);
  ck_assert_int_eq(count_files(f->folder), 0);
}

START_TEST(missing_linker) {
  fixture f;
  fixture_open(&f);
  setenv("AICC_LLD", "/nonexistent/ld.lld", 1);
  expect_error(&f, write_model(&f, f.path, NULL), AICC_IO, "E0601", "'/nonexistent/ld.lld'");
  unsetenv("AICC_LLD");
  fixture_close(&f);
}
END_TEST

START_TEST(empty_path_has_no_linker) {
  fixture f;
  fixture_open(&f);
  setenv("PATH", f.folder, 1);
  expect_error(&f, write_model(&f, f.path, NULL), AICC_IO, "E0601", "install lld");
  fixture_close(&f);
}
END_TEST

START_TEST(file_that_is_no_program) {
  fixture f;
  fixture_open(&f);
  setenv("AICC_LLD", "/etc/passwd", 1);
  expect_error(&f, write_model(&f, f.path, NULL), AICC_IO, "E0602", "ermission denied");
  fixture_close(&f);
}
END_TEST

START_TEST(undefined_symbol_is_told_by_the_linker) {
  fixture f;
  fixture_open(&f);
  const cg_object object = make_object(&f, "second", 0, "nobody");
  const cg_model_file file = {
      .objects = &object, .object_count = 1, .weights = &f.weights, .path = f.path};
  expect_error(&f, cg_model_file_write(&file, &f.diags), AICC_IO, "E0603",
               "undefined symbol: nobody");
  fixture_close(&f);
}
END_TEST

START_TEST(linker_that_dies) {
  fixture f;
  fixture_open(&f);
  const char *fake = aicc_arena_printf(&f.arena, "%s.fake", f.folder);
  FILE *script = fopen(fake, "w");
  fputs("#!/bin/sh\necho going down >&2\nkill -11 $$\n", script);
  fclose(script);
  chmod(fake, 0755);
  setenv("AICC_LLD", fake, 1);
  expect_error(&f, write_model(&f, f.path, NULL), AICC_IO, "E0603",
               "was ended by signal 11 (Segmentation fault): going down");
  unlink(fake);
  fixture_close(&f);
}
END_TEST

START_TEST(missing_folder) {
  fixture f;
  fixture_open(&f);
  const char *path = aicc_arena_printf(&f.arena, "%s/none/model.so", f.folder);
  expect_error(&f, write_model(&f, path, NULL), AICC_IO, "E0604", "No such file or directory");
  fixture_close(&f);
}
END_TEST

START_TEST(path_is_a_folder) {
  fixture f;
  fixture_open(&f);
  expect_error(&f, write_model(&f, f.folder, NULL), AICC_IO, "E0604", "it is a folder");
  fixture_close(&f);
}
END_TEST

START_TEST(full_disk) {
  fixture f;
  fixture_open(&f);
  uint64_t made = 0;
  cg_weights_add_made(&f.weights, MADE_SIZE, count_up, &made, (aicc_view){0});
  // A limit on file sizes stands for a full disk: the link fits, the weights do not.
  signal(SIGXFSZ, SIG_IGN);
  const struct rlimit limit = {1 << 20, 1 << 20};
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  expect_error(&f, write_model(&f, f.path, NULL), AICC_IO, "E0605", "File too large");
  fixture_close(&f);
}
END_TEST

static long resident_kib(void) {
  FILE *file = fopen("/proc/self/statm", "r");
  long pages = 0, resident = 0;
  ck_assert_ptr_nonnull(file);
  ck_assert_int_eq(fscanf(file, "%ld %ld", &pages, &resident), 2);
  fclose(file);
  return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

START_TEST(mapped_weights_take_no_memory) {
  enum { SIZE = 64 << 20 };
  fixture f;
  fixture_open(&f);
  const char *source = aicc_arena_printf(&f.arena, "%s/model.bin", f.folder);
  const int fd = open(source, O_CREAT | O_WRONLY, 0600);
  ck_assert_int_eq(ftruncate(fd, SIZE), 0);
  ck_assert_int_eq(pwrite(fd, "end", 3, SIZE - 3), 3);
  close(fd);
  aicc_buf *buf;
  ck_assert_int_eq(aicc_buf_map_file(source, &f.diags, &buf), AICC_OK);
  // From an odd address, so that pieces do not fall on pages.
  const uint64_t offset = cg_weights_add_view(&f.weights, (aicc_view){buf, 1, SIZE - 1});
  ck_assert_int_eq(write_model(&f, f.path, NULL), AICC_OK);
  const long before = resident_kib();
  volatile uint8_t sum = 0;
  for (size_t i = 0; i < SIZE; i += 1024) {
    sum = (uint8_t)(sum + aicc_buf_data(buf)[i]);
  }
  // Touching all of it brings nearly all of it in: so nearly nothing was there.
  ck_assert_int_gt(resident_kib() - before, (SIZE >> 10) * 9 / 10);
  uint64_t size;
  const unsigned char *bytes = map_file(f.path, &size);
  const aicc_abi_footer footer = check_footer(bytes, size);
  ck_assert_mem_eq(bytes + footer.weights_offset + offset + SIZE - 4, "end", 3);
  aicc_buf_release(buf);
  fixture_close(&f);
}
END_TEST

static aicc_status refuse(void *user AICC_UNUSED, uint64_t offset, void *to, size_t size,
                          aicc_diags *diags) {
  memset(to, 0, size);
  if (offset == 0) {
    return AICC_OK;
  }
  AICC_EMIT(diags, E0902, NULL, "packing failed");
  return AICC_INTERNAL;
}

START_TEST(failure_while_making_keeps_the_older_model) {
  fixture f;
  fixture_open(&f);
  ck_assert_int_eq(write_model(&f, f.path, NULL), AICC_OK);
  uint64_t size, later;
  map_file(f.path, &size);
  cg_weights_add_made(&f.weights, MADE_SIZE, refuse, NULL, (aicc_view){0});
  ck_assert_int_eq(write_model(&f, f.path, NULL), AICC_INTERNAL);
  map_file(f.path, &later);
  ck_assert_uint_eq(size, later);
  ck_assert_int_eq(count_files(f.folder), 1);
  fixture_close(&f);
}
END_TEST

START_TEST(weights_file_must_stand_beside_under_its_own_name) {
  fixture f;
  fixture_open(&f);
  expect_error(&f, write_model(&f, f.path, f.path), AICC_INVALID, "E0608", "different names");
  aicc_diags_deinit(&f.diags);
  aicc_diags_init(&f.diags);
  expect_error(&f, write_model(&f, f.path, "/tmp/weights.bin"), AICC_INVALID, "E0609", "folder");
  fixture_close(&f);
}
END_TEST

static Suite *suite(void) {
  Suite *s = suite_create("model_file");
  TCase *t = tcase_create("model_file");
  tcase_set_timeout(t, 60);
  tcase_add_test(t, weights_inside);
  tcase_add_test(t, weights_beside);
  tcase_add_test(t, two_writes_are_the_same_bytes);
  tcase_add_test(t, mapped_weights_take_no_memory);
  tcase_add_test(t, missing_linker);
  tcase_add_test(t, empty_path_has_no_linker);
  tcase_add_test(t, file_that_is_no_program);
  tcase_add_test(t, undefined_symbol_is_told_by_the_linker);
  tcase_add_test(t, linker_that_dies);
  tcase_add_test(t, missing_folder);
  tcase_add_test(t, path_is_a_folder);
  tcase_add_test(t, full_disk);
  tcase_add_test(t, failure_while_making_keeps_the_older_model);
  tcase_add_test(t, weights_file_must_stand_beside_under_its_own_name);
  suite_add_tcase(s, t);
  return s;
}
AICC_TEST_MAIN(suite)
