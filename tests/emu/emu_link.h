// What emu_link.c and emu_operands.c share.
#ifndef AICC_TESTS_EMU_LINK_H
#define AICC_TESTS_EMU_LINK_H

#include "emu_internal.h"

typedef struct emu_linked {  // a function of the program that is being made
  ptx_function *source;
  u32 first_reg, start;
  u32 *places;  // of its variables
  u32 *starts;  // of its statements, in the program
  bool visiting;
} emu_linked;

struct emu_known {  // an opcode that was looked up
  const char *opcode;
  bool found;
  int needs;
  emu_matched matched;
  struct emu_known *next;
};

enum { EMU_MAX_IDS = 96 };

typedef struct emu_linker {
  emu_module *module;
  emu_program *program;
  ptx_arena *arena;
  ptx_errors *errors;
  emu_linked **functions;
  int count;
  u32 *shared_places;  // of the module's variables
  u32 file_bytes;
  emu_known *known;
  // Of the instruction that is being decoded.
  u32 read_ids[EMU_MAX_IDS], write_ids[EMU_MAX_IDS], reads, writes;
  bool bad;  // and said so
} emu_linker;

void *ptx_grow(ptx_arena *arena, void *array, int count, size_t bytes);

u32 emu_new_cell(emu_linker *l, ptx_class class_);
u32 emu_const_cell(emu_linker *l, ptx_class class_, u64 value);
emu_inst *emu_new_inst(emu_linker *l, int line);
u64 emu_var_address(emu_linker *l, emu_linked *f, const ptx_var *var);
void emu_note(emu_linker *l, emu_linked *f, int reg, bool written);
// emu_operands.c. False: they do not fit the form.
bool emu_link_operands(emu_linker *l, emu_linked *f, const ptx_stmt *s, const emu_matched *matched,
                       emu_inst *inst);

#endif
