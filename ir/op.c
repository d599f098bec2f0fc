// The operator and attribute tables, and checks of their rows that need no program to run.
#include <string.h>

#include "ir/infer.h"

// Short names for the columns of ops.def.
enum {
  COMM = AICC_TRAIT_COMM, IDEM = AICC_TRAIT_IDEM, BOOL_RESULT = AICC_TRAIT_BOOL_RESULT,
  DEFS = AICC_TRAIT_DEFS,
};

#define HAS(traits, trait) (((traits) & (trait)) != 0)
#define IMPLIES(a, b) (!(a) || (b))
#define AICC_OP(name, mnemonic, least, most, results, regions, kind, traits, infer)               \
  _Static_assert((least) >= 0 && ((most) == -1 || (most) >= (least)), #name ": operand range");   \
  _Static_assert((results) >= -1 && (regions) >= 0, #name ": result or region count");            \
  _Static_assert(IMPLIES(HAS(traits, COMM), (least) == 2 && (most) == 2),                         \
                 #name ": only two operands commute");                                            \
  _Static_assert(IMPLIES(HAS(traits, IDEM), (least) == 1 && (most) == 1 && (results) == 1),       \
                 #name ": f(f(x)) needs one operand and one result");                             \
  _Static_assert(IMPLIES(HAS(traits, BOOL_RESULT), AICC_KIND_##kind == AICC_KIND_ELTWISE),        \
                 #name ": comparisons are elementwise");                                          \
  _Static_assert(IMPLIES(HAS(traits, DEFS) || (regions) > 0,                                      \
                         AICC_KIND_##kind == AICC_KIND_CONTROL),                                  \
                 #name ": regions and definitions are control");                                  \
  _Static_assert(IMPLIES(AICC_KIND_##kind == AICC_KIND_ELTWISE,                                   \
                         (least) >= 1 && (least) == (most) && (results) == 1),                    \
                 #name ": elementwise takes a fixed number of operands, gives one result");       \
  _Static_assert(IMPLIES(AICC_KIND_##kind == AICC_KIND_SOURCE, (most) == 0),                      \
                 #name ": a source has no operands");                                             \
  _Static_assert(IMPLIES(AICC_KIND_##kind == AICC_KIND_VIEW, (most) == 1 && (results) == 1),      \
                 #name ": a view is of one tensor");                                              \
  _Static_assert(IMPLIES(AICC_KIND_##kind == AICC_KIND_SCATTER, (least) == 3 && (most) == 3),     \
                 #name ": a scatter takes a tensor, indices and updates");
#include "ir/ops.def"
#undef AICC_OP

const aicc_op_info aicc_op_table[AICC_OP_COUNT] = {
#define AICC_OP(name, mnemonic, least, most, results, regions, kind, traits, infer) \
  [AICC_OP_##name] = {mnemonic, least, most, results, regions, AICC_KIND_##kind,    \
                      (unsigned)(traits), aicc_infer_##infer},
#include "ir/ops.def"
#undef AICC_OP
};

const aicc_attr_info aicc_attr_table[AICC_ATTR_KEY_COUNT] = {
#define AICC_ATTR(name, mnemonic, kind) [AICC_ATTR_##name] = {mnemonic, AICC_ATTR_KIND_##kind},
#include "ir/attrs.def"
#undef AICC_ATTR
};

static bool is_name(const char *row, const char *name, size_t length) {
  return strlen(row) == length && memcmp(row, name, length) == 0;
}

bool aicc_op_from_name(const char *name, size_t length, aicc_op *out) {
  for (int op = 0; op < AICC_OP_COUNT; op++) {
    if (is_name(aicc_op_table[op].name, name, length)) {
      *out = (aicc_op)op;
      return true;
    }
  }
  return false;
}

bool aicc_attr_key_from_name(const char *name, size_t length, aicc_attr_key *out) {
  for (int key = 0; key < AICC_ATTR_KEY_COUNT; key++) {
    if (is_name(aicc_attr_table[key].name, name, length)) {
      *out = (aicc_attr_key)key;
      return true;
    }
  }
  return false;
}
