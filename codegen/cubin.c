#include "codegen/cubin.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>

// .nv.info is a list of records: a format, an attribute, and 2 bytes, which of LONG records are the
// number of bytes that follow. That of registers has the number of a symbol and theirs.
enum { RECORD_BYTES = 4, LONG = 4, REGISTER_COUNT = 0x2f, COUNT_BYTES = 8 };

typedef struct cubin {
  const unsigned char *data;
  size_t size;
  Elf64_Ehdr file;
} cubin;

typedef struct part {
  const unsigned char *data;
  size_t size;
  uint32_t link;
} part;

static bool within(size_t size, uint64_t at, uint64_t length) {
  return at <= size && length <= size - at;
}

static bool open_cubin(const void *data, size_t size, cubin *out) {
  *out = (cubin){.data = data, .size = size};
  if (size < sizeof out->file) {
    return false;
  }
  memcpy(&out->file, data, sizeof out->file);
  return memcmp(out->file.e_ident, ELFMAG, SELFMAG) == 0 &&
         out->file.e_ident[EI_CLASS] == ELFCLASS64 && out->file.e_shentsize == sizeof(Elf64_Shdr) &&
         within(size, out->file.e_shoff, out->file.e_shnum * sizeof(Elf64_Shdr));
}

// Section number |index|; of no size where there is none.
static part part_at(const cubin *c, size_t index, uint32_t *name) {
  Elf64_Shdr section;
  if (index >= c->file.e_shnum) {
    return (part){0};
  }
  memcpy(&section, c->data + c->file.e_shoff + index * sizeof section, sizeof section);
  if (name != NULL) {
    *name = section.sh_name;
  }
  return section.sh_type != SHT_NOBITS && within(c->size, section.sh_offset, section.sh_size)
             ? (part){c->data + section.sh_offset, (size_t)section.sh_size, section.sh_link}
             : (part){0};
}

static bool is_text(const part *texts, uint64_t at, const char *wanted) {
  const size_t size = strlen(wanted) + 1;
  return within(texts->size, at, size) && memcmp(texts->data + at, wanted, size) == 0;
}

static bool is_symbol(const cubin *c, const part *symbols, uint32_t number, const char *wanted) {
  Elf64_Sym symbol;
  if (!within(symbols->size, (uint64_t)number * sizeof symbol, sizeof symbol)) {
    return false;
  }
  memcpy(&symbol, symbols->data + number * sizeof symbol, sizeof symbol);
  const part texts = part_at(c, symbols->link, NULL);
  return is_text(&texts, symbol.st_name, wanted);
}

static uint32_t find_count(const cubin *c, const part *info, const char *symbol) {
  const part symbols = part_at(c, info->link, NULL);
  size_t at = 0;
  while (within(info->size, at, RECORD_BYTES)) {
    const unsigned char *record = info->data + at;
    const size_t bytes = record[0] == LONG ? record[2] | (size_t)record[3] << 8 : 0;
    at += RECORD_BYTES;
    if (!within(info->size, at, bytes)) {
      return 0;
    }
    uint32_t words[2];
    if (record[0] == LONG && record[1] == REGISTER_COUNT && bytes == COUNT_BYTES) {
      memcpy(words, info->data + at, sizeof words);
      if (is_symbol(c, &symbols, words[0], symbol)) {
        return words[1];
      }
    }
    at += bytes;
  }
  return 0;
}

uint32_t cg_cubin_registers(const void *data, size_t size, const char *symbol) {
  cubin c;
  if (!open_cubin(data, size, &c)) {
    return 0;
  }
  const part names = part_at(&c, c.file.e_shstrndx, NULL);
  for (size_t i = 0; i < c.file.e_shnum; i++) {
    uint32_t name;
    const part found = part_at(&c, i, &name);
    if (is_text(&names, name, ".nv.info")) {
      return find_count(&c, &found, symbol);
    }
  }
  return 0;
}
