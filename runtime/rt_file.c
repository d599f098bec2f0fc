#include "rt_file.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
#define HOST_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define HOST_MACHINE EM_AARCH64
#else
#define HOST_MACHINE EM_NONE
#endif

static const char *machine_name(unsigned machine) {
  switch (machine) {
    case EM_X86_64:
      return "x86-64";
    case EM_AARCH64:
      return "AArch64";
    case EM_386:
      return "32-bit x86";
    case EM_ARM:
      return "32-bit ARM";
    case EM_RISCV:
      return "RISC-V";
    case EM_PPC64:
      return "PowerPC 64";
    case EM_AMDGPU:
      return "an AMD GPU";
    case EM_CUDA:
      return "an NVIDIA GPU";
    default:
      return "another machine";
  }
}

static aicc_rt_status map_open(int fd, const char *path, aicc_rt_file *out, aicc_rt_error *error) {
  struct stat status;
  if (fstat(fd, &status) != 0) {
    return aicc_rt_fail(error, AICC_RT_IO, "%s: %s", path, strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) {
    return aicc_rt_fail(error, AICC_RT_IO, "%s: not a regular file", path);
  }
  if (status.st_size == 0) {
    return aicc_rt_fail(error, AICC_RT_BAD_MODEL, "%s: the file is empty", path);
  }
  void *data = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED) {
    return aicc_rt_fail(error, AICC_RT_IO, "%s: cannot be mapped: %s", path, strerror(errno));
  }
  out->data = data;
  out->size = (uint64_t)status.st_size;
  return AICC_RT_OK;
}

aicc_rt_status aicc_rt_file_map(const char *path, aicc_rt_file *out, aicc_rt_error *error) {
  *out = (aicc_rt_file){NULL, 0};
  const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) {
    return aicc_rt_fail(error, AICC_RT_IO, "%s: %s", path, strerror(errno));
  }
  const aicc_rt_status status = map_open(fd, path, out, error);
  close(fd);
  return status;
}

void aicc_rt_file_unmap(aicc_rt_file *file) {
  if (file->data != NULL) {
    void *data = NULL;
    memcpy(&data, &file->data, sizeof data);  // munmap wants it without const
    munmap(data, (size_t)file->size);
    *file = (aicc_rt_file){NULL, 0};
  }
}

static aicc_rt_status bad(aicc_rt_error *error, const char *path, const char *what) {
  return aicc_rt_fail(error, AICC_RT_BAD_MODEL, "%s: %s", path, what);
}

static bool inside(uint64_t offset, uint64_t size, uint64_t whole) {
  return offset <= whole && size <= whole - offset;
}

static aicc_rt_status check_elf(const aicc_rt_file *file, const char *path, aicc_rt_error *error) {
  Elf64_Ehdr header;
  if (file->size < 4 || memcmp(file->data, ELFMAG, SELFMAG) != 0) {
    return bad(error, path, "not a model.so (no ELF file)");
  }
  if (file->size < sizeof header) {
    return bad(error, path, "a truncated ELF file");
  }
  memcpy(&header, file->data, sizeof header);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB) {
    return bad(error, path, "not a 64-bit little-endian ELF file");
  }
  if (header.e_machine != HOST_MACHINE) {
    return aicc_rt_fail(error, AICC_RT_BAD_MODEL, "%s: made for %s, but this machine is %s", path,
                        machine_name(header.e_machine), machine_name(HOST_MACHINE));
  }
  if (header.e_type != ET_DYN) {
    return bad(error, path, "an ELF file, but no shared object");
  }
  if (header.e_phentsize != sizeof(Elf64_Phdr) || header.e_phnum == 0 ||
      !inside(header.e_phoff, (uint64_t)header.e_phnum * sizeof(Elf64_Phdr), file->size)) {
    return bad(error, path, "a truncated or damaged ELF file (its program headers)");
  }
  if (header.e_shnum > 0 &&
      !inside(header.e_shoff, (uint64_t)header.e_shnum * sizeof(Elf64_Shdr), file->size)) {
    return bad(error, path, "a truncated or damaged ELF file (its section headers)");
  }
  for (unsigned i = 0; i < header.e_phnum; i++) {
    Elf64_Phdr segment;
    memcpy(&segment, file->data + header.e_phoff + i * sizeof segment, sizeof segment);
    if (segment.p_type == PT_LOAD && !inside(segment.p_offset, segment.p_filesz, file->size)) {
      return bad(error, path, "a truncated or damaged ELF file (a segment ends outside of it)");
    }
  }
  return AICC_RT_OK;
}

static aicc_rt_status check_footer(const aicc_rt_file *file, const char *path,
                                   aicc_abi_footer *footer, aicc_rt_error *error) {
  if (file->size < sizeof *footer) {
    return bad(error, path, "a shared object, but no whole model.so of aicc");
  }
  memcpy(footer, file->data + file->size - sizeof *footer, sizeof *footer);
  if (memcmp(footer->magic, AICC_ABI_FOOTER_MAGIC, sizeof footer->magic) != 0) {
    return bad(error, path,
               "a shared object, but no model.so of aicc, or a truncated one "
               "(its footer is missing)");
  }
  if (footer->version > AICC_ABI_VERSION) {
    return aicc_rt_fail(error, AICC_RT_VERSION,
                        "%s: made for version %u of the model ABI, newer than this runtime, which "
                        "knows %u: use the runtime of the aicc that made it", path,
                        footer->version, AICC_ABI_VERSION);
  }
  if (footer->version < AICC_ABI_OLDEST) {
    return aicc_rt_fail(error, AICC_RT_VERSION,
                        "%s: made for version %u of the model ABI, older than %u, the oldest that "
                        "this runtime reads: compile the model again", path, footer->version,
                        AICC_ABI_OLDEST);
  }
  if (footer->size != sizeof *footer ||
      footer->hash != aicc_abi_hash(footer, offsetof(aicc_abi_footer, hash))) {
    return bad(error, path, "the model is damaged (its footer)");
  }
  if (footer->file_size != file->size || footer->image_size > file->size) {
    return aicc_rt_fail(error, AICC_RT_BAD_MODEL,
                        "%s: the model is damaged: %llu bytes, of which there should be %llu", path,
                        (unsigned long long)file->size, (unsigned long long)footer->file_size);
  }
  if (footer->image_hash != aicc_abi_hash(file->data, footer->image_size)) {
    return bad(error, path, "the model is damaged (its code)");
  }
  return AICC_RT_OK;
}

aicc_rt_status aicc_rt_file_check(const aicc_rt_file *file, const char *path,
                                  aicc_abi_footer *footer, aicc_rt_error *error) {
  const aicc_rt_status status = check_elf(file, path, error);
  return status != AICC_RT_OK ? status : check_footer(file, path, footer, error);
}
