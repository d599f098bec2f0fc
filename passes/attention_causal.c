#include "passes/attention_causal.h"

// Positions along one axis, and a number added to them.
typedef struct positions {
  int from_last;  // which axis: 0 is the last one
  aicc_dim size, offset;
} positions;

static bool find_positions(aicc_module *module, const aicc_value *value, positions *out);

// The one axis of |value| that may be longer than 1.
static bool find_axis(const aicc_module *module, const aicc_value *value, positions *out) {
  int found = -1;
  for (int i = 0; i < value->type.rank; i++) {
    if (!aicc_dim_is(module->dims, value->type.dims[i], 1)) {
      if (found >= 0) {
        return false;
      }
      found = i;
    }
  }
  if (found < 0) {
    return false;
  }
  out->from_last = value->type.rank - 1 - found;
  out->size = value->type.dims[found];
  return true;
}

static bool single_number(const aicc_module *module, const aicc_value *value, aicc_dim *out) {
  for (int i = 0; i < value->type.rank; i++) {
    if (!aicc_dim_is(module->dims, value->type.dims[i], 1)) {
      return false;
    }
  }
  *out = value->partial ? value->partial[0] : AICC_DIM_NONE;
  return *out != AICC_DIM_NONE;
}

// positions + number, or positions - number.
static bool find_moved(aicc_module *module, const aicc_node *def, positions *out) {
  aicc_dim number;
  const bool minus = def->op == AICC_OP_SUB;
  for (int i = 0; i < (minus ? 1 : 2); i++) {
    if (single_number(module, def->in[1 - i], &number) &&
        find_positions(module, def->in[i], out)) {
      out->offset = (minus ? aicc_dim_sub : aicc_dim_add)(module->dims, out->offset, number);
      return true;
    }
  }
  return false;
}

static bool find_positions(aicc_module *module, const aicc_value *value, positions *out) {
  const aicc_node *def = value->def;
  if (!def || !aicc_dtype_is_int(value->type.dtype)) {
    return false;
  }
  switch (def->op) {
    case AICC_OP_IOTA:
      out->offset = aicc_dim_const(module->dims, 0);
      return find_axis(module, value, out) &&
             out->from_last == value->type.rank - 1 - (int)aicc_get_int(def, AICC_ATTR_AXIS, 0);
    case AICC_OP_RESHAPE:  // with one axis at both sides the numbers keep their order
      return find_positions(module, def->in[0], out) && find_axis(module, value, out);
    case AICC_OP_CAST: return find_positions(module, def->in[0], out);
    case AICC_OP_ADD:
    case AICC_OP_SUB: return find_moved(module, def, out);
    default: return false;
  }
}

// key <= query + past.
static bool is_limit(aicc_module *module, const aicc_value *value, aicc_dim queries, aicc_dim keys,
                     aicc_dim *past) {
  const aicc_node *def = value->def;
  positions key, query;
  if (!def || (def->op != AICC_OP_LE && def->op != AICC_OP_LT && def->op != AICC_OP_GE &&
               def->op != AICC_OP_GT)) {
    return false;
  }
  const bool turned = def->op == AICC_OP_GE || def->op == AICC_OP_GT;
  if (!find_positions(module, def->in[turned ? 1 : 0], &key) ||
      !find_positions(module, def->in[turned ? 0 : 1], &query) || key.from_last != 0 ||
      query.from_last != 1 || key.size != keys || query.size != queries) {
    return false;
  }
  aicc_dims *dims = module->dims;
  *past = aicc_dim_sub(dims, query.offset, key.offset);
  if (def->op == AICC_OP_LT || def->op == AICC_OP_GT) {
    *past = aicc_dim_sub(dims, *past, aicc_dim_const(dims, 1));
  }
  return true;
}

bool aicc_find_causal(aicc_builder *b, aicc_value *mask, aicc_dim queries, aicc_dim keys,
                      aicc_causal *out) {
  *out = (aicc_causal){0};
  if (is_limit(b->module, mask, queries, keys, &out->past)) {
    return true;
  }
  const aicc_node *both = mask->def && mask->def->op == AICC_OP_AND ? mask->def : NULL;
  for (int i = 0; both && i < 2; i++) {
    if (aicc_find_causal(b, both->in[i], queries, keys, out)) {
      aicc_value *other = both->in[1 - i];
      out->rest = out->rest ? aicc_b_binary(b, AICC_OP_AND, out->rest, other) : other;
      return true;
    }
  }
  return false;
}
