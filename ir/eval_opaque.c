// Dispatch of library kernels by name.
#include "ir/eval_opaque.h"

#include "ir/opaque.h"

static const aicc_eval_fn functions[AICC_OPAQUE_COUNT] = {
#define AICC_OPAQUE(name, mnemonic, least, most, results) \
  [AICC_OPAQUE_##name] = aicc_eval_opaque_##mnemonic,
#include "ir/opaque.def"
#undef AICC_OPAQUE
};

int64_t aicc_eval_opaque_int(const aicc_eval_call *call, int index, int64_t otherwise) {
  int count = 0;
  const int64_t *ints = aicc_get_ints(call->node, AICC_ATTR_INTS, &count);
  return ints && index < count ? ints[index] : otherwise;
}

double aicc_eval_opaque_float(const aicc_eval_call *call, int index, double otherwise) {
  int count = 0;
  const double *floats = aicc_get_floats(call->node, AICC_ATTR_FLOATS, &count);
  return floats && index < count ? floats[index] : otherwise;
}

bool aicc_eval_opaque_has(const aicc_eval_call *call, int operand) {
  return operand < call->node->in_count && call->in[operand];
}

double aicc_eval_opaque_scalar(const aicc_eval_call *call, int operand, double otherwise) {
  if (!aicc_eval_opaque_has(call, operand) || aicc_eval_value_count(call->in[operand]) < 1) {
    return otherwise;
  }
  return aicc_get_f64(call->in[operand]->dtype, call->in[operand]->data, 0);
}

aicc_status aicc_eval_op_opaque(aicc_eval_call *call) {
  aicc_opaque kernel;
  if (!aicc_opaque_of(call->node, &kernel)) {
    return aicc_eval_unsupported(call, "no library kernel is named '%s'",
                                 aicc_get_string(call->node, AICC_ATTR_NAME, ""));
  }
  const aicc_opaque_info *info = &aicc_opaque_table[kernel];
  if (call->node->in_count < info->least || call->node->in_count > info->most ||
      call->node->out_count != info->results) {
    return aicc_eval_fail(call, "%s takes %d to %d operands and gives %d results", info->name,
                          info->least, info->most, info->results);
  }
  for (int i = 0; i < info->least; i++) {
    if (!call->in[i]) {
      return aicc_eval_fail(call, "%s: operand %d is missing", info->name, i);
    }
  }
  return functions[kernel](call);
}
