#include "tools/value.h"

#include <stdlib.h>
#include <string.h>

typedef struct dl_row {
  aicc_dtype dtype;
  uint8_t code, bits;
} dl_row;

static const dl_row rows[] = {
    {AICC_F32, kDLFloat, 32},
    {AICC_F64, kDLFloat, 64},
    {AICC_F16, kDLFloat, 16},
    {AICC_BF16, kDLBfloat, 16},
    {AICC_I8, kDLInt, 8},
    {AICC_I16, kDLInt, 16},
    {AICC_I32, kDLInt, 32},
    {AICC_I64, kDLInt, 64},
    {AICC_U8, kDLUInt, 8},
    {AICC_U16, kDLUInt, 16},
    {AICC_U32, kDLUInt, 32},
    {AICC_U64, kDLUInt, 64},
    {AICC_BOOL, kDLBool, 8},
    {AICC_F8E4M3FN, kDLFloat8_e4m3fn, 8},
    {AICC_F8E4M3FNUZ, kDLFloat8_e4m3fnuz, 8},
    {AICC_F8E5M2, kDLFloat8_e5m2, 8},
    {AICC_F8E5M2FNUZ, kDLFloat8_e5m2fnuz, 8},
    {AICC_F8E8M0, kDLFloat8_e8m0fnu, 8},
    {AICC_F4E2M1, kDLFloat4_e2m1fn, 4},
    {AICC_I4, kDLInt, 4},
    {AICC_U4, kDLUInt, 4},
    {AICC_I2, kDLInt, 2},
    {AICC_U2, kDLUInt, 2},
    {AICC_C64, kDLComplex, 64},
    {AICC_C128, kDLComplex, 128},
    {AICC_STR, kDLOpaqueHandle, 128},
};

_Static_assert(sizeof rows / sizeof rows[0] == AICC_DTYPE_COUNT, "one row per element type");

bool aicc_value_dtype(DLDataType type, aicc_dtype *out) {
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (rows[i].code == type.code && rows[i].bits == type.bits && type.lanes == 1) {
      *out = rows[i].dtype;
      return true;
    }
  }
  return false;
}

DLTensor aicc_value_to_dl(const aicc_eval_value *value) {
  DLTensor tensor = {.data = value->data, .device = {kDLCPU, 0}, .ndim = value->rank};
  for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
    if (rows[i].dtype == value->dtype) {
      tensor.dtype = (DLDataType){rows[i].code, rows[i].bits, 1};
    }
  }
  const int64_t *shape = value->shape;
  memcpy(&tensor.shape, &shape, sizeof shape);  // DLPack has no const
  return tensor;
}

aicc_status aicc_value_fail(const aicc_rt_error *error, aicc_diags *diags) {
  static const aicc_status statuses[] = {
      [AICC_RT_OK] = AICC_OK,
      [AICC_RT_INVALID] = AICC_INVALID,
      [AICC_RT_INPUT] = AICC_INVALID,
      [AICC_RT_IO] = AICC_IO,
      [AICC_RT_BAD_MODEL] = AICC_INVALID,
      [AICC_RT_VERSION] = AICC_UNSUPPORTED,
      [AICC_RT_UNAVAILABLE] = AICC_UNSUPPORTED,
      [AICC_RT_MEMORY] = AICC_RESOURCE,
      [AICC_RT_FAILED] = AICC_INVALID,
  };
  const aicc_loc loc = {0};
  AICC_EMIT(diags, E0801, &loc, error->text);
  return statuses[error->code];
}

static aicc_status set_sequence(aicc_rt_session *session, uint32_t index,
                                const aicc_eval_value *value, aicc_diags *diags) {
  DLTensor *items = calloc((size_t)value->item_count + 1, sizeof *items);
  for (int64_t i = 0; items != NULL && i < value->item_count; i++) {
    items[i] = aicc_value_to_dl(&value->items[i]);
  }
  aicc_rt_error error;
  const aicc_rt_status status =
      aicc_rt_session_set_input_sequence(session, index, items, (size_t)value->item_count, &error);
  free(items);
  return status == AICC_RT_OK ? AICC_OK : aicc_value_fail(&error, diags);
}

aicc_status aicc_value_set_input(aicc_rt_session *session, const aicc_rt_tensor_info *info,
                                 uint32_t index, const aicc_eval_value *value, aicc_diags *diags) {
  const bool wants_sequence =
      info->kind == AICC_RT_SEQUENCE || info->kind == AICC_RT_OPTIONAL_SEQUENCE;
  if (value->kind == AICC_TYPE_SEQUENCE && wants_sequence) {
    return set_sequence(session, index, value, diags);
  }
  aicc_rt_error error;
  const DLTensor tensor = aicc_value_to_dl(value);
  const bool absent = value->kind == AICC_TYPE_OPTIONAL;
  const aicc_rt_status status =
      aicc_rt_session_set_input(session, index, absent ? NULL : &tensor, &error);
  return status == AICC_RT_OK ? AICC_OK : aicc_value_fail(&error, diags);
}

static aicc_status borrow(const DLTensor *tensor, aicc_diags *diags, aicc_eval_value *out) {
  *out = (aicc_eval_value){.kind = AICC_TYPE_TENSOR, .rank = tensor->ndim, .data = tensor->data};
  if (!aicc_value_dtype(tensor->dtype, &out->dtype) || tensor->ndim > AICC_MAX_RANK) {
    const aicc_loc loc = {0};
    AICC_EMIT(diags, E0801, &loc, "an output has a type or rank that this tool does not know");
    return AICC_UNSUPPORTED;
  }
  for (int d = 0; d < out->rank; d++) {
    out->shape[d] = tensor->shape[d];
  }
  return AICC_OK;
}

aicc_status aicc_value_get_output(const aicc_rt_session *session, const aicc_rt_tensor_info *info,
                                  uint32_t index, aicc_diags *diags, aicc_eval_value *out) {
  const int64_t length = aicc_rt_session_output_length(session, index);
  aicc_rt_error error;
  DLTensor tensor;
  *out = (aicc_eval_value){.kind = AICC_TYPE_OPTIONAL};
  if (length < 0) {
    return AICC_OK;
  }
  // An optional that is there is told by what it holds.
  if (aicc_rt_session_output(session, index, &tensor, &error) == AICC_RT_OK) {
    return borrow(&tensor, diags, out);
  }
  *out = (aicc_eval_value){.kind = AICC_TYPE_SEQUENCE};
  (void)aicc_value_dtype(info->dtype, &out->dtype);
  out->items = calloc((size_t)length + 1, sizeof *out->items);
  for (int64_t i = 0; i < length; i++) {
    if (aicc_rt_session_output_item(session, index, (uint64_t)i, &tensor, &error) != AICC_RT_OK) {
      return aicc_value_fail(&error, diags);
    }
    AICC_TRY(borrow(&tensor, diags, &out->items[i]));
    out->item_count++;
  }
  return AICC_OK;
}
