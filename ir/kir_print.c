// Kernel IR as text, one instruction a line; and its structural hash and equality.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "ir/kir.h"

static const char *const op_names[] = {
#define KIR_OP(name, mnemonic, operands, result, blocks) mnemonic,
#include "ir/kir_ops.def"
#undef KIR_OP
};

static const char *const scalar_names[] = {
#define AICC_OP(name, mnemonic, least, most, results, regions, kind, traits, infer) mnemonic,
#include "ir/ops.def"
#undef AICC_OP
};

static const char *const loop_names[] = {"serial", "unroll", "lanes"};

typedef struct printer {
  const kir_kernel *kernel;
  FILE *out;
  int indent;
} printer;

static void print_block(printer *p, const kir_block *block);

static void print_value(const printer *p, kir_val v) {
  const char *name = p->kernel->values[v].name;
  if (name != NULL) {
    fprintf(p->out, "%%%s", name);
  } else {
    fprintf(p->out, "%%%" PRIu32, v);
  }
}

static const char *type_name(const printer *p, kir_val v) {
  return aicc_dtype_name(p->kernel->values[v].dtype);
}

// Numbers that decimal text gives back exactly; bits in hexadecimal for the rest.
static void print_const(const printer *p, aicc_dtype dtype, uint64_t bits) {
  if (dtype == AICC_BOOL) {
    fputs(bits != 0 ? "true" : "false", p->out);
  } else if (dtype == AICC_U64) {
    fprintf(p->out, "%" PRIu64, bits);
  } else if (aicc_dtype_is_int(dtype)) {
    fprintf(p->out, "%" PRId64, aicc_get_i64(dtype, &bits, 0));
  } else if ((dtype == AICC_F32 || dtype == AICC_F64) && !isnan(aicc_get_f64(dtype, &bits, 0))) {
    fprintf(p->out, dtype == AICC_F32 ? "%.9g" : "%.17g", aicc_get_f64(dtype, &bits, 0));
  } else {
    fprintf(p->out, "0x%" PRIx64, bits);
  }
}

static void print_args(const printer *p, const kir_inst *inst, int from) {
  for (int i = from; i < inst->arg_count; i++) {
    fputs(i == 0 ? " " : ", ", p->out);
    print_value(p, inst->args[i]);
  }
}

static void print_access(const printer *p, const kir_inst *inst, kir_val base, int index) {
  fputc(' ', p->out);
  print_value(p, base);
  fputc('[', p->out);
  print_value(p, inst->args[index]);
  fputc(']', p->out);
  print_args(p, inst, index + 1);
}

static void print_place(const printer *p, kir_val base, kir_val index) {
  print_value(p, base);
  fputc('[', p->out);
  print_value(p, index);
  fputc(']', p->out);
}

static void print_elements(const printer *p, const kir_inst *inst, int which) {
  print_value(p, inst->arrays[which]);
  fprintf(p->out, "[%" PRId32 "]", inst->at[which]);
}

// What only GPUs have.
static void print_block_op(const printer *p, const kir_inst *inst) {
  fprintf(p->out, "%s ", op_names[inst->op]);
  switch (inst->op) {
    case KIR_VSTORE:
      print_place(p, inst->buffer, inst->args[0]);
      fputs(", ", p->out);
      print_elements(p, inst, 0);
      break;
    case KIR_COPY_ASYNC:
      print_place(p, inst->buffer, inst->args[0]);
      fputs(", ", p->out);
      print_place(p, inst->source, inst->args[1]);
      break;
    case KIR_MMA:
      fprintf(p->out, "\"%s\" ", kir_mma_infos[inst->mma].mnemonic);
      for (int i = 0; i < 3; i++) {
        fputs(i > 0 ? ", " : "", p->out);
        print_elements(p, inst, i);
      }
      return;
    default:  // VLOAD, LDMATRIX
      print_elements(p, inst, 0);
      fputs(", ", p->out);
      print_place(p, inst->buffer, inst->args[0]);
      break;
  }
  fprintf(p->out, ", %" PRId32, inst->count);
  print_args(p, inst, inst->op == KIR_COPY_ASYNC ? 2 : 1);
  fputs(inst->transposed ? " transposed" : "", p->out);
}

static void print_nested(printer *p, const kir_block *block) {
  fputs(" {\n", p->out);
  p->indent += 2;
  print_block(p, block);
  p->indent -= 2;
  fprintf(p->out, "%*s}", p->indent, "");
}

static void print_for(printer *p, const kir_inst *inst) {
  fputs("for ", p->out);
  print_value(p, inst->result);
  fputs(" = ", p->out);
  print_value(p, inst->args[0]);
  fputs(" to ", p->out);
  print_value(p, inst->args[1]);
  fputs(" step ", p->out);
  print_value(p, inst->args[2]);
  fprintf(p->out, " %s", loop_names[inst->loop_kind]);
  print_nested(p, &inst->blocks[0]);
}

static void print_control(printer *p, const kir_inst *inst) {
  if (inst->op == KIR_FOR) {
    print_for(p, inst);
    return;
  }
  fputs(op_names[inst->op], p->out);
  print_args(p, inst, 0);
  print_nested(p, &inst->blocks[0]);
  if (inst->op == KIR_WHILE) {
    fputs(" do", p->out);
    print_nested(p, &inst->blocks[1]);
  } else if (inst->blocks[1].first != NULL) {
    fputs(" else", p->out);
    print_nested(p, &inst->blocks[1]);
  }
}

static void print_body(const printer *p, const kir_inst *inst) {
  switch (inst->op) {
    case KIR_CONST:
      fputs("const ", p->out);
      print_const(p, p->kernel->values[inst->result].dtype, inst->imm);
      break;
    case KIR_SCALAR:
      fputs(scalar_names[inst->scalar_op], p->out);
      print_args(p, inst, 0);
      break;
    case KIR_REDUCE:
      fprintf(p->out, "reduce %s", scalar_names[inst->scalar_op]);
      print_args(p, inst, 0);
      break;
    case KIR_ATOMIC:
      fprintf(p->out, "atomic %s", scalar_names[inst->scalar_op]);
      print_access(p, inst, inst->buffer, 0);
      break;
    case KIR_LOAD:
    case KIR_LOAD_OR:
    case KIR_WORD:
    case KIR_PREFETCH:
    case KIR_STORE:
      fputs(op_names[inst->op], p->out);
      print_access(p, inst, inst->buffer, 0);
      break;
    case KIR_AGET:
    case KIR_ASET:
      fputs(op_names[inst->op], p->out);
      print_access(p, inst, inst->args[0], 1);
      break;
    case KIR_ARRAY:
    case KIR_LOCAL:
      fprintf(p->out, "%s %" PRIu64, op_names[inst->op], inst->imm);
      break;
    case KIR_VLOAD:
    case KIR_VSTORE:
    case KIR_COPY_ASYNC:
    case KIR_LDMATRIX:
    case KIR_MMA: print_block_op(p, inst); break;
    default:
      fputs(op_names[inst->op], p->out);
      print_args(p, inst, 0);
      if (inst->op == KIR_WAIT || inst->op == KIR_EXCHANGE) {
        fprintf(p->out, "%s %" PRIu64, inst->op == KIR_EXCHANGE ? "," : "", inst->imm);
      }
      break;
  }
}

static void print_inst(printer *p, const kir_inst *inst) {
  fprintf(p->out, "%*s", p->indent, "");
  if (inst->op == KIR_FOR || inst->op == KIR_WHILE || inst->op == KIR_IF) {
    print_control(p, inst);
    fputc('\n', p->out);
    return;
  }
  if (inst->result != 0) {
    print_value(p, inst->result);
    fputs(" = ", p->out);
  }
  print_body(p, inst);
  if (inst->result != 0) {
    fprintf(p->out, " : %s", type_name(p, inst->result));
    const bool marked = inst->op == KIR_VAR || inst->op == KIR_ARRAY;
    fputs(marked && p->kernel->values[inst->result].varying ? " varying" : "", p->out);
    fputs(inst->saturate ? " saturate" : "", p->out);
  }
  fputc('\n', p->out);
}

static void print_block(printer *p, const kir_block *block) {
  for (const kir_inst *inst = block->first; inst != NULL; inst = inst->next) {
    print_inst(p, inst);
  }
}

static const char *access_text(const kir_param *param) {
  static const char *const texts[] = {"", " read", " write", " read write"};
  return param->is_buffer ? texts[param->access & 3u] : "";
}

void kir_print(const kir_kernel *kernel, FILE *out) {
  printer p = {.kernel = kernel, .out = out, .indent = 2};
  fprintf(out, "kernel @%s(", kernel->name);
  for (int i = 0; i < kernel->param_count; i++) {
    const kir_param *param = &kernel->params[i];
    fputs(i > 0 ? ", " : "", out);
    print_value(&p, param->value);
    fprintf(out, ": %s%s%s", aicc_dtype_name(param->dtype), param->is_buffer ? "*" : "",
            access_text(param));
  }
  fprintf(out, ") kind \"%s\" width %d", kernel->kind, kernel->width);
  if (kernel->warps > 1) {
    fprintf(out, " warps %d", kernel->warps);
  }
  fputs(" {\n", out);
  print_block(&p, &kernel->body);
  fputs("}\n", out);
}

// --- hash and equality ---------------------------------------------------------------------------

static uint64_t mix(uint64_t hash, uint64_t word) {
  hash ^= word;
  hash *= UINT64_C(0x9E3779B97F4A7C15);
  return hash ^ (hash >> 29);
}

static uint64_t hash_block(const kir_kernel *kernel, const kir_block *block, uint64_t hash) {
  for (const kir_inst *inst = block->first; inst != NULL; inst = inst->next) {
    hash = mix(hash, (uint64_t)inst->op | (uint64_t)inst->scalar_op << 8 |
                         (uint64_t)inst->loop_kind << 24 | (uint64_t)inst->saturate << 28);
    hash = mix(hash, inst->imm);
    hash = mix(hash, (uint64_t)inst->result << 32 | inst->buffer);
    hash = mix(hash, (uint64_t)inst->source << 32 | (uint64_t)inst->mma << 16 |
                         (uint64_t)inst->count << 1 | (uint64_t)inst->transposed);
    for (int i = 0; i < 3; i++) {
      hash = mix(hash, (uint64_t)inst->arrays[i] << 32 | (uint32_t)inst->at[i]);
    }
    for (int i = 0; i < inst->arg_count; i++) {
      hash = mix(hash, inst->args[i]);
    }
    if (inst->result != 0) {
      const kir_value_info *info = &kernel->values[inst->result];
      hash = mix(hash, (uint64_t)info->dtype << 1 | info->varying);
    }
    hash = hash_block(kernel, &inst->blocks[0], hash);
    hash = hash_block(kernel, &inst->blocks[1], mix(hash, 1));
  }
  return mix(hash, 2);
}

uint64_t kir_hash(const kir_kernel *kernel) {
  uint64_t hash = mix(UINT64_C(0xCBF29CE484222325), (uint64_t)kernel->width);
  hash = mix(hash, (uint64_t)kernel->warps);
  for (int i = 0; i < kernel->param_count; i++) {
    const kir_param *param = &kernel->params[i];
    hash = mix(hash, (uint64_t)param->dtype << 8 | (uint64_t)param->access << 1 |
                         (uint64_t)param->is_buffer);
  }
  return hash_block(kernel, &kernel->body, hash);
}

static bool values_equal(const kir_kernel *a, const kir_kernel *b, kir_val v) {
  const kir_value_info *x = &a->values[v], *y = &b->values[v];
  return x->kind == y->kind && x->dtype == y->dtype && x->varying == y->varying;
}

static bool insts_equal(const kir_inst *i, const kir_inst *j) {
  return i->op == j->op && i->scalar_op == j->scalar_op && i->result == j->result &&
         i->arg_count == j->arg_count && memcmp(i->args, j->args, sizeof i->args) == 0 &&
         i->buffer == j->buffer && i->source == j->source &&
         memcmp(i->arrays, j->arrays, sizeof i->arrays) == 0 &&
         memcmp(i->at, j->at, sizeof i->at) == 0 && i->count == j->count && i->mma == j->mma &&
         i->transposed == j->transposed && i->imm == j->imm && i->loop_kind == j->loop_kind &&
         i->saturate == j->saturate;
}

static bool blocks_equal(const kir_kernel *a, const kir_kernel *b, const kir_block *x,
                         const kir_block *y) {
  const kir_inst *i = x->first, *j = y->first;
  for (; i != NULL && j != NULL; i = i->next, j = j->next) {
    if (!insts_equal(i, j) || !values_equal(a, b, i->result) ||
        !blocks_equal(a, b, &i->blocks[0], &j->blocks[0]) ||
        !blocks_equal(a, b, &i->blocks[1], &j->blocks[1])) {
      return false;
    }
  }
  return i == NULL && j == NULL;
}

bool kir_equal(const kir_kernel *a, const kir_kernel *b) {
  if (a->width != b->width || a->warps != b->warps || a->param_count != b->param_count ||
      a->value_count != b->value_count) {
    return false;
  }
  for (int i = 0; i < a->param_count; i++) {
    const kir_param *x = &a->params[i], *y = &b->params[i];
    if (x->value != y->value || x->is_buffer != y->is_buffer || x->dtype != y->dtype ||
        x->access != y->access) {
      return false;
    }
  }
  return blocks_equal(a, b, &a->body, &b->body);
}
