// The table of ONNX operators, and look-up in it.
#include <limits.h>
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
  _Static_assert((in_least) >= 0 && ((in_most) == -1 || (in_most) >= (in_least)), #type ": inputs"); \
  _Static_assert((out_least) >= 0 && ((out_most) == -1 || (out_most) >= (out_least)),             \
                 #type ": outputs");
#include "frontend/onnx_ops.def"
#undef ONNX_OP

static const char *const domain_names[AICC_DOMAIN_COUNT] = {
    [AICC_DOMAIN_AI_ONNX] = "",
    [AICC_DOMAIN_AI_ONNX_ML] = "ai.onnx.ml",
    [AICC_DOMAIN_MS] = "com.microsoft",
    [AICC_DOMAIN_TRAINING] = "ai.onnx.preview.training",
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
