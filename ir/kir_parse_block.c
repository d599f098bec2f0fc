// Statements of kernel text that only GPUs have: vectors, asynchronous copies, matrices. One form
// is both printed and written by hand; what the builder asserts is checked here.
#include <string.h>

#include "ir/kir_parse.h"

typedef struct place {
  kir_val base, index;
} place;

// %x[index]
static place place_of(kir_parser *p) {
  const kir_token at = p->token;
  place out = {.base = kir_parse_known(p)};
  if (!p->failed && kir_parse_info(p, out.base)->kind != KIR_BUFFER) {
    kir_parse_problem(p, &at, "this is no buffer");
  }
  kir_parse_expect(p, "[");
  out.index = kir_parse_typed(p, AICC_I64, "an index");
  kir_parse_expect(p, "]");
  return out;
}

static int32_t small_int(kir_parser *p) {
  const kir_token at = p->token;
  const int64_t number = kir_parse_int(p);
  if (!p->failed && (number < 0 || number > INT32_MAX)) {
    kir_parse_problem(p, &at, "this number is out of range");
  }
  return (int32_t)number;
}

// %a[4]: into operand |which|.
static void elements_of(kir_parser *p, kir_inst *inst, int which) {
  const kir_token at = p->token;
  inst->arrays[which] = kir_parse_known(p);
  if (!p->failed && kir_parse_info(p, inst->arrays[which])->kind != KIR_ARRAY_VALUE) {
    kir_parse_problem(p, &at, "this is no array");
  }
  kir_parse_expect(p, "[");
  inst->at[which] = small_int(p);
  kir_parse_expect(p, "]");
}

static void take_place(kir_parser *p, kir_inst *inst) {
  const place where = place_of(p);
  inst->buffer = where.base;
  inst->args[inst->arg_count++] = where.index;
}

static void finish(kir_parser *p, kir_inst inst) {
  if (!p->failed) {
    kir_append(&p->b, inst, NULL);
  }
}

// vload %a[0], %x[%i], 4; vstore %y[%i], %a[0], 4; ldmatrix %a[0], %x[%i], 4 transposed
static void array_access(kir_parser *p, kir_op op) {
  kir_inst inst = {.op = op};
  if (op == KIR_VSTORE) {
    take_place(p, &inst);
    kir_parse_expect(p, ",");
    elements_of(p, &inst, 0);
  } else {
    elements_of(p, &inst, 0);
    kir_parse_expect(p, ",");
    take_place(p, &inst);
  }
  kir_parse_expect(p, ",");
  inst.count = small_int(p);
  inst.transposed = op == KIR_LDMATRIX && kir_parse_accept(p, "transposed");
  finish(p, inst);
}

static void copy(kir_parser *p) {
  kir_inst inst = {.op = KIR_COPY_ASYNC};
  take_place(p, &inst);
  kir_parse_expect(p, ",");
  const place from = place_of(p);
  inst.source = from.base;
  inst.args[inst.arg_count++] = from.index;
  kir_parse_expect(p, ",");
  inst.count = small_int(p);
  if (kir_parse_accept(p, ",")) {
    inst.args[inst.arg_count++] = kir_parse_typed(p, AICC_BOOL, "a guard");
  }
  finish(p, inst);
}

static void matrix_product(kir_parser *p) {
  kir_inst inst = {.op = KIR_MMA};
  const kir_token name = p->token;
  bool known = false;
  for (int kind = 0; kind < KIR_MMA_COUNT && name.kind == KIR_TOKEN_STRING; kind++) {
    const char *mnemonic = kir_mma_infos[kind].mnemonic;
    if (strlen(mnemonic) == name.size && memcmp(mnemonic, name.text, name.size) == 0) {
      inst.mma = (kir_mma_kind)kind;
      known = true;
    }
  }
  if (!known) {
    kir_parse_expected(p, "the name of a matrix instruction, as \"m16n8k16.f16\"");
    return;
  }
  kir_parse_next(p);
  for (int i = 0; i < 3; i++) {
    if (i > 0) {
      kir_parse_expect(p, ",");
    }
    elements_of(p, &inst, i);
  }
  finish(p, inst);
}

bool kir_parse_block_statement(kir_parser *p) {
  if (kir_parse_accept(p, "vload")) {
    array_access(p, KIR_VLOAD);
  } else if (kir_parse_accept(p, "vstore")) {
    array_access(p, KIR_VSTORE);
  } else if (kir_parse_accept(p, "ldmatrix")) {
    array_access(p, KIR_LDMATRIX);
  } else if (kir_parse_accept(p, "copy_async")) {
    copy(p);
  } else if (kir_parse_accept(p, "mma")) {
    matrix_product(p);
  } else if (kir_parse_accept(p, "commit")) {
    finish(p, (kir_inst){.op = KIR_COMMIT});
  } else if (kir_parse_accept(p, "wait")) {
    finish(p, (kir_inst){.op = KIR_WAIT, .imm = (uint64_t)small_int(p)});
  } else {
    return false;
  }
  return true;
}
