#include "eval/case_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/onnx_tensor.h"

static bool from_tensor(aicc_onnx_file *file, const Onnx__TensorProto *proto, aicc_diags *diags,
                        aicc_eval_value *out) {
  aicc_onnx_tensor tensor;
  const aicc_loc loc = {.file = file->name};
  if (!proto || aicc_onnx_tensor_read(file, proto, &loc, diags, &tensor) != AICC_OK) {
    return false;
  }
  const aicc_view aligned = aicc_view_align(tensor.bytes, 16);
  *out = (aicc_eval_value){.kind = AICC_TYPE_TENSOR,
                           .dtype = tensor.dtype,
                           .rank = (int)tensor.rank,
                           .data = (void *)(uintptr_t)aicc_view_data(aligned),
                           .buf = aligned.buf};
  const bool fits = tensor.rank <= AICC_MAX_RANK;
  for (size_t d = 0; d < tensor.rank && fits; d++) {
    out->shape[d] = tensor.dims[d];
  }
  aicc_onnx_tensor_deinit(&tensor);
  return fits;
}

static bool make_items(aicc_eval_value *out, aicc_type_kind kind, size_t count) {
  *out = (aicc_eval_value){.kind = kind,
                           .items = calloc(count + 1, sizeof *out->items),
                           .item_count = (int64_t)count};
  return out->items != NULL;
}

// The element type of a sequence is that of its type: an empty one has no element to tell it.
static bool from_sequence(aicc_onnx_file *file, const Onnx__SequenceProto *proto,
                          aicc_diags *diags, aicc_eval_value *out) {
  const size_t count = proto->n_tensor_values;
  if (!make_items(out, AICC_TYPE_SEQUENCE, count)) {
    return false;
  }
  for (size_t i = 0; i < count; i++) {
    if (!from_tensor(file, proto->tensor_values[i], diags, &out->items[i])) {
      return false;
    }
  }
  return true;
}

static bool from_optional(aicc_onnx_file *file, const Onnx__OptionalProto *proto,
                          aicc_diags *diags, aicc_eval_value *out) {
  const bool full = proto->tensor_value || proto->sequence_value;
  if (!make_items(out, AICC_TYPE_OPTIONAL, full)) {
    return false;
  }
  if (proto->tensor_value) {
    return from_tensor(file, proto->tensor_value, diags, &out->items[0]);
  }
  return !proto->sequence_value || from_sequence(file, proto->sequence_value, diags,
                                                 &out->items[0]);
}

static void set_element_type(const aicc_type *type, aicc_eval_value *value) {
  if (type->kind != AICC_TYPE_TENSOR && type->element) {
    value->dtype = type->element->dtype;
    for (int64_t i = 0; i < value->item_count; i++) {
      set_element_type(type->element, &value->items[i]);
    }
  }
}

bool case_read_value(const char *folder, const char *prefix, int index, const aicc_type *type,
                     aicc_diags *diags, aicc_eval_value *out) {
  char path[4096];
  snprintf(path, sizeof path, "%s/%s_%d.pb", folder, prefix, index);
  static const aicc_onnx_kind kinds[] = {[AICC_TYPE_TENSOR] = AICC_ONNX_TENSOR,
                                         [AICC_TYPE_SEQUENCE] = AICC_ONNX_SEQUENCE,
                                         [AICC_TYPE_OPTIONAL] = AICC_ONNX_OPTIONAL};
  aicc_onnx_file *file = NULL;
  if (access(path, R_OK) != 0 ||
      aicc_onnx_file_open(path, kinds[type->kind], diags, &file) != AICC_OK) {
    return false;
  }
  const bool read = type->kind == AICC_TYPE_TENSOR ? from_tensor(file, file->tensor, diags, out)
                    : type->kind == AICC_TYPE_SEQUENCE
                        ? from_sequence(file, file->sequence, diags, out)
                        : from_optional(file, file->optional, diags, out);
  set_element_type(type, out);
  aicc_onnx_file_close(file);
  return read;
}

// --- comparison ----------------------------------------------------------------------------------

static double element(const aicc_eval_value *value, int64_t i) {
  return aicc_get_f64(value->dtype, value->data, (size_t)i);
}

static bool equal_str(const aicc_eval_value *a, const aicc_eval_value *b, int64_t i) {
  const aicc_str *x = (const aicc_str *)a->data + i, *y = (const aicc_str *)b->data + i;
  return x->size == y->size && (x->size == 0 || memcmp(x->data, y->data, x->size) == 0);
}

static double bound_of(const aicc_eval_value *wanted, const case_tolerance *t) {
  double most = 0;
  for (int64_t i = 0; i < aicc_eval_value_count(wanted) && t->of_max > 0; i++) {
    const double size = fabs(element(wanted, i));
    most = isfinite(size) && size > most ? size : most;
  }
  return t->of_max > 0 ? t->of_max * most : t->atol;
}

static bool equal_numbers(const aicc_eval_value *got, const aicc_eval_value *wanted,
                          const case_tolerance *t, char *why, size_t size) {
  const bool exact = aicc_dtype_is_int(got->dtype) || got->dtype == AICC_BOOL;
  const double bound = exact ? 0 : bound_of(wanted, t);
  // The official runner allows bf16 two units in the last place, too.
  const double least = got->dtype == AICC_BF16 ? 0x1p-6 : 0;
  const double rtol = exact || t->of_max > 0 ? 0 : t->rtol > least ? t->rtol : least;
  for (int64_t i = 0; i < aicc_eval_value_count(got); i++) {
    const double a = element(got, i), b = element(wanted, i);
    if (a == b || (isnan(a) && isnan(b)) || fabs(a - b) <= bound + rtol * fabs(b)) {
      continue;
    }
    snprintf(why, size, "element %lld is %.9g, expected %.9g", (long long)i, a, b);
    return false;
  }
  return true;
}

static void print_shape(const aicc_eval_value *value, char *text, size_t size) {
  size_t used = (size_t)snprintf(text, size, value->kind == AICC_TYPE_TENSOR ? "[" : "(%lld: ",
                                 (long long)value->item_count);
  for (int d = 0; d < value->rank && used < size; d++) {
    used += (size_t)snprintf(text + used, size - used, "%s%lld", d ? "," : "",
                             (long long)value->shape[d]);
  }
  if (used < size) {
    snprintf(text + used, size - used, value->kind == AICC_TYPE_TENSOR ? "]" : ")");
  }
}

static bool equal_shapes(const aicc_eval_value *a, const aicc_eval_value *b, char *why,
                         size_t size) {
  bool same = a->kind == b->kind && a->rank == b->rank && a->item_count == b->item_count;
  for (int d = 0; same && d < a->rank; d++) {
    same = a->shape[d] == b->shape[d];
  }
  if (!same) {
    char got[80], wanted[80];
    print_shape(a, got, sizeof got);
    print_shape(b, wanted, sizeof wanted);
    snprintf(why, size, "the shape is %s, expected %s", got, wanted);
  } else if (a->dtype != b->dtype) {
    snprintf(why, size, "the type is %s, expected %s", aicc_dtype_name(a->dtype),
             aicc_dtype_name(b->dtype));
  }
  return same && a->dtype == b->dtype;
}

bool case_equal(const aicc_eval_value *got, const aicc_eval_value *wanted,
                const case_tolerance *tolerance, char *why, size_t size) {
  if (!equal_shapes(got, wanted, why, size)) {
    return false;
  }
  for (int64_t i = 0; i < got->item_count; i++) {
    if (!case_equal(&got->items[i], &wanted->items[i], tolerance, why, size)) {
      return false;
    }
  }
  if (got->kind != AICC_TYPE_TENSOR) {
    return true;
  }
  if (aicc_dtype_kind_of(got->dtype) == AICC_KIND_COMPLEX) {
    snprintf(why, size, "complex numbers are not compared");
    return false;
  }
  if (got->dtype != AICC_STR) {
    return equal_numbers(got, wanted, tolerance, why, size);
  }
  for (int64_t i = 0; i < aicc_eval_value_count(got); i++) {
    if (!equal_str(got, wanted, i)) {
      snprintf(why, size, "string %lld differs", (long long)i);
      return false;
    }
  }
  return true;
}
