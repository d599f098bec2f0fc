// The table of ONNX operators, and look-up in it.
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/onnx_import.h"

enum { MAX = INT_MAX };

static const aicc_onnx_op rows[] = {
#define ONNX_OP(domain, type, since, until, in_least, in_most, out_least, out_most, importer,  \
                payload)                                                                        \
  {AICC_DOMAIN_##domain, #type, since, until, in_least, in_most, out_least, out_most,           \
   import_##importer, payload},
#include "frontend/onnx_ops.def"
#undef ONNX_OP
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0] };

#define ONNX_OP(domain, type, since, until, in_least, in_most, out_least, out_most, importer,     \
                payload)                                                                          \
  _Static_assert((since) >= 1 && (until) >= (since), #type ": versions");                         \
  _Static_assert((in_least) >= 0 && ((in_most) == -1 || (in_most) >= (in_least)),                 \
                 #type ": inputs");                                                               \
  _Static_assert((out_least) >= 0 && ((out_most) == -1 || (out_most) >= (out_least)),             \
                 #type ": outputs");
#include "frontend/onnx_ops.def"
#undef ONNX_OP

static const char *const domain_names[AICC_DOMAIN_COUNT] = {
    [AICC_DOMAIN_AI_ONNX] = "",
    [AICC_DOMAIN_AI_ONNX_ML] = "ai.onnx.ml",
    [AICC_DOMAIN_MS] = "com.microsoft",
    [AICC_DOMAIN_TRAINING] = "ai.onnx.preview.training",
    [AICC_DOMAIN_PREVIEW] = "ai.onnx.preview",
};

const char *aicc_onnx_domain_name(aicc_onnx_domain domain) { return domain_names[domain]; }

bool aicc_onnx_domain_from_name(const char *name, aicc_onnx_domain *out) {
  for (int i = 0; i < AICC_DOMAIN_COUNT; i++) {
    if (strcmp(domain_names[i], name) == 0) {
      *out = (aicc_onnx_domain)i;
      return true;
    }
  }
  return false;
}

const aicc_onnx_op *aicc_onnx_op_table(int *count) {
  *count = ROW_COUNT;
  return rows;
}

// A few hundred rows, once per node: not worth an index.
const aicc_onnx_op *aicc_onnx_op_find(aicc_onnx_domain domain, const char *type, int opset,
                                      bool *known) {
  *known = false;
  for (int i = 0; i < ROW_COUNT; i++) {
    const aicc_onnx_op *row = &rows[i];
    if (row->domain != domain || strcmp(row->type, type) != 0) {
      continue;
    }
    *known = true;
    if (row->since <= opset && opset <= row->until) {
      return row;
    }
  }
  return NULL;
}

// --- lists ---------------------------------------------------------------------------------------

void aicc_list_ops(FILE *out) {
  for (int i = 0; i < ROW_COUNT; i++) {
    const aicc_onnx_op *row = &rows[i];
    const char *domain = domain_names[row->domain];
    fprintf(out, "%s%s%s  %d", domain, *domain ? "." : "", row->type, row->since);
    fputs(row->until == MAX ? "+\n" : "", out);
    if (row->until != MAX) {
      fprintf(out, "-%d\n", row->until);
    }
  }
}

// One operator with all its rows: their versions leave no holes (tests/unit/test_onnx_registry.c).
typedef struct listed_op {
  aicc_onnx_domain domain;
  const char *type;
  int since, until;
} listed_op;

static int by_domain_and_name(const void *a, const void *b) {
  const listed_op *x = a, *y = b;
  return x->domain != y->domain ? (int)x->domain - (int)y->domain : strcmp(x->type, y->type);
}

static size_t merge_rows(listed_op *ops) {
  for (int i = 0; i < ROW_COUNT; i++) {
    ops[i] = (listed_op){rows[i].domain, rows[i].type, rows[i].since, rows[i].until};
  }
  qsort(ops, ROW_COUNT, sizeof *ops, by_domain_and_name);
  size_t count = 0;
  for (int i = 0; i < ROW_COUNT; i++) {
    listed_op *last = count ? &ops[count - 1] : NULL;
    if (!last || by_domain_and_name(last, &ops[i]) != 0) {
      ops[count++] = ops[i];
      continue;
    }
    last->since = ops[i].since < last->since ? ops[i].since : last->since;
    last->until = ops[i].until > last->until ? ops[i].until : last->until;
  }
  return count;
}

static size_t count_domain(const listed_op *ops, size_t count, aicc_onnx_domain domain) {
  size_t found = 0;
  for (size_t i = 0; i < count; i++) {
    found += ops[i].domain == domain;
  }
  return found;
}

void aicc_list_ops_markdown(FILE *out) {
  listed_op ops[ROW_COUNT];
  const size_t count = merge_rows(ops);
  fputs("# Operators\n\n"
        "Printed by `aicc --list-ops --markdown`. Versions are those of the domain's operator set\n"
        "that are imported. ONNX functions, a model's own too, are inlined and need no row here.\n",
        out);
  for (size_t i = 0; i < count; i++) {
    const listed_op *op = &ops[i];
    if (i == 0 || ops[i - 1].domain != op->domain) {
      const char *domain = domain_names[op->domain];
      fprintf(out, "\n## %s: %zu operators\n\n| operator | versions |\n|---|---|\n",
              *domain ? domain : "ai.onnx", count_domain(ops, count, op->domain));
    }
    fprintf(out, "| %s | %d", op->type, op->since);
    fputs(op->until == MAX ? " on |\n" : "", out);
    if (op->until != MAX) {
      fprintf(out, " to %d |\n", op->until);
    }
  }
}
