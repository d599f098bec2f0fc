#include "tools/test_data.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/onnx_tensor.h"

static aicc_status read_tensor(aicc_onnx_file *file, const Onnx__TensorProto *proto,
                               aicc_diags *diags, aicc_eval_value *out) {
  const aicc_loc loc = {0};
  aicc_onnx_tensor tensor;
  AICC_TRY(aicc_onnx_tensor_read(file, proto, &loc, diags, &tensor));
  if (tensor.rank > AICC_MAX_RANK) {
    AICC_EMIT(diags, E0801, &loc, "the tensor has more dimensions than aicc supports");
    aicc_onnx_tensor_deinit(&tensor);
    return AICC_UNSUPPORTED;
  }
  // Aligned as its elements want it; strings are pointers into the same buffer.
  const aicc_view bytes =
      tensor.dtype == AICC_STR
          ? (aicc_view){aicc_buf_retain(tensor.bytes.buf), tensor.bytes.offset, tensor.bytes.size}
          : aicc_view_align(tensor.bytes, 64);
  *out = (aicc_eval_value){
      .kind = AICC_TYPE_TENSOR, .dtype = tensor.dtype, .rank = (int)tensor.rank, .buf = bytes.buf};
  const uint8_t *data = aicc_view_data(bytes);
  memcpy(&out->data, &data, sizeof data);  // never written through
  if (tensor.rank > 0) {
    memcpy(out->shape, tensor.dims, tensor.rank * sizeof *out->shape);
  }
  aicc_onnx_tensor_deinit(&tensor);
  return AICC_OK;
}

static aicc_status unsupported(const char *what, aicc_diags *diags) {
  const aicc_loc loc = {0};
  AICC_EMIT(diags, E0801, &loc, what);
  return AICC_UNSUPPORTED;
}

static aicc_status read_sequence(aicc_onnx_file *file, const Onnx__SequenceProto *proto,
                                 aicc_diags *diags, aicc_eval_value *out) {
  *out = (aicc_eval_value){.kind = AICC_TYPE_SEQUENCE};
  if (proto->n_sparse_tensor_values + proto->n_sequence_values + proto->n_map_values +
          proto->n_optional_values >
      0) {
    return unsupported("only sequences of tensors are supported", diags);
  }
  out->items = calloc(proto->n_tensor_values + 1, sizeof *out->items);
  for (size_t i = 0; i < proto->n_tensor_values; i++) {
    AICC_TRY(read_tensor(file, proto->tensor_values[i], diags, &out->items[i]));
    out->item_count++;
    out->dtype = out->items[i].dtype;
  }
  return AICC_OK;
}

static aicc_status read_optional(aicc_onnx_file *file, const Onnx__OptionalProto *proto,
                                 aicc_diags *diags, aicc_eval_value *out) {
  *out = (aicc_eval_value){.kind = AICC_TYPE_OPTIONAL};
  if (proto->tensor_value != NULL) {
    return read_tensor(file, proto->tensor_value, diags, out);
  }
  if (proto->sequence_value != NULL) {
    return read_sequence(file, proto->sequence_value, diags, out);
  }
  if (proto->map_value != NULL || proto->optional_value != NULL ||
      proto->sparse_tensor_value != NULL) {
    return unsupported("only optional tensors and sequences are supported", diags);
  }
  return AICC_OK;
}

// What a file of each kind of value holds, and its name.
static aicc_onnx_kind file_kind(aicc_rt_kind kind) {
  return kind == AICC_RT_TENSOR     ? AICC_ONNX_TENSOR
         : kind == AICC_RT_SEQUENCE ? AICC_ONNX_SEQUENCE
                                    : AICC_ONNX_OPTIONAL;
}

static const char *value_name(const aicc_onnx_file *file) {
  switch (file->kind) {
    case AICC_ONNX_TENSOR:
      return file->tensor->name;
    case AICC_ONNX_SEQUENCE:
      return file->sequence->name;
    case AICC_ONNX_OPTIONAL:
      return file->optional->name;
    default:
      return NULL;
  }
}

// --- maps ----------------------------------------------------------------------------------------
// A model's maps are the rows of a matrix, with a column for each key in ascending order.

static size_t key_count(const Onnx__MapProto *map) {
  return map->n_string_keys > 0 ? map->n_string_keys : map->n_keys;
}

static int compare_keys(const Onnx__MapProto *map, size_t a, size_t b) {
  if (map->n_string_keys == 0) {
    return (map->keys[a] > map->keys[b]) - (map->keys[a] < map->keys[b]);
  }
  const ProtobufCBinaryData *x = &map->string_keys[a], *y = &map->string_keys[b];
  const int order = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);
  return order != 0 ? order : (x->len > y->len) - (x->len < y->len);
}

// The column of key |i|: how many keys are less.
static size_t column_of(const Onnx__MapProto *map, size_t i) {
  size_t column = 0;
  for (size_t k = 0; k < key_count(map); k++) {
    column += compare_keys(map, k, i) < 0;
  }
  return column;
}

static aicc_status read_row(aicc_onnx_file *file, const Onnx__MapProto *map, int64_t row,
                            aicc_diags *diags, aicc_eval_value *out) {
  const size_t count = key_count(map);
  if (count != (size_t)out->shape[1] || map->values == NULL ||
      map->values->n_tensor_values != count) {
    return unsupported("only maps of the same keys to numbers are supported", diags);
  }
  for (size_t i = 0; i < count; i++) {
    aicc_eval_value item = {0};
    AICC_TRY(read_tensor(file, map->values->tensor_values[i], diags, &item));
    const bool fits = item.dtype == AICC_F32 && aicc_eval_value_count(&item) == 1;
    if (fits) {
      ((float *)out->data)[row * out->shape[1] + (int64_t)column_of(map, i)] = *(float *)item.data;
    }
    aicc_eval_value_deinit(&item);
    if (!fits) {
      return unsupported("only maps to numbers of type f32 are supported", diags);
    }
  }
  return AICC_OK;
}

static aicc_status read_maps(aicc_onnx_file *file, aicc_diags *diags, aicc_eval_value *out) {
  const Onnx__SequenceProto *maps = file->sequence;
  const int64_t rows = (int64_t)maps->n_map_values;
  const int64_t columns = (int64_t)key_count(maps->map_values[0]);
  *out = (aicc_eval_value){
      .kind = AICC_TYPE_TENSOR, .dtype = AICC_F32, .rank = 2, .shape = {rows, columns}};
  out->buf = aicc_buf_create_heap((size_t)(rows * columns) * sizeof(float));
  out->data = aicc_buf_data_mut(out->buf);
  for (int64_t i = 0; i < rows; i++) {
    AICC_TRY(read_row(file, maps->map_values[i], i, diags, out));
  }
  return AICC_OK;
}

// Whether a file that should hold a tensor holds maps. No tensor looks like it: what is field 6 of
// both would be strings, and field 2 says that it has another type.
static bool holds_maps(const char *path) {
  aicc_diags quiet;
  aicc_onnx_file *file = NULL;
  aicc_diags_init(&quiet);
  const bool maps = aicc_onnx_file_open(path, AICC_ONNX_SEQUENCE, &quiet, &file) == AICC_OK &&
                    file->sequence->n_map_values > 0 &&
                    file->sequence->elem_type == ONNX__SEQUENCE_PROTO__DATA_TYPE__MAP;
  aicc_onnx_file_close(file);
  aicc_diags_deinit(&quiet);
  return maps;
}

// What the file |path| holds of a value of |kind|.
static aicc_onnx_kind kind_in(const char *path, aicc_rt_kind kind) {
  return kind == AICC_RT_TENSOR && holds_maps(path) ? AICC_ONNX_SEQUENCE : file_kind(kind);
}

static aicc_status read_value(aicc_onnx_file *file, aicc_diags *diags, aicc_eval_value *out) {
  switch (file->kind) {
    case AICC_ONNX_SEQUENCE:
      return file->sequence->n_map_values > 0 ? read_maps(file, diags, out)
                                              : read_sequence(file, file->sequence, diags, out);
    case AICC_ONNX_OPTIONAL:
      return read_optional(file, file->optional, diags, out);
    default:
      return read_tensor(file, file->tensor, diags, out);
  }
}

static int32_t find_name(const aicc_rt_tensor_info *tensors, uint32_t count, const char *name) {
  for (uint32_t i = 0; name != NULL && i < count; i++) {
    if (strcmp(tensors[i].name, name) == 0) {
      return (int32_t)i;
    }
  }
  return -1;
}

static bool fits(const aicc_onnx_file *file, aicc_rt_kind kind) {
  const bool maps = file->kind == AICC_ONNX_SEQUENCE && file->sequence->n_map_values > 0;
  return file_kind(kind) == (maps ? AICC_ONNX_TENSOR : file->kind);
}

// Which tensor each file belongs to: by name if every name is known and none comes twice. (Values
// of other kinds than the tensor of the same number are only told apart by number.)
static void assign(aicc_onnx_file *const *files, uint32_t count, const aicc_rt_tensor_info *tensors,
                   uint32_t tensor_count, uint32_t *index) {
  bool *taken = calloc(tensor_count + 1u, sizeof *taken);
  bool by_name = taken != NULL;
  for (uint32_t i = 0; by_name && i < count; i++) {
    const int32_t at =
        files[i] == NULL ? -1 : find_name(tensors, tensor_count, value_name(files[i]));
    by_name = files[i] == NULL ||
              (at >= 0 && !taken[at] && fits(files[i], tensors[at].kind));
    if (by_name && files[i] != NULL) {
      taken[at] = true;
      index[i] = (uint32_t)at;
    }
  }
  for (uint32_t i = 0; !by_name && i < count; i++) {
    index[i] = i;
  }
  free(taken);
}

static aicc_status read_files(const char *folder, const char *prefix,
                              const aicc_rt_tensor_info *tensors, aicc_onnx_file **files,
                              uint32_t *index, aicc_diags *diags, aicc_test_values *out) {
  for (uint32_t i = 0; i < out->count; i++) {
    const char *path = aicc_arena_printf(&diags->arena, "%s/%s_%u.pb", folder, prefix, i);
    if (access(path, F_OK) == 0) {
      AICC_TRY(aicc_onnx_file_open(path, kind_in(path, tensors[i].kind), diags, &files[i]));
      out->files++;
    }
  }
  const char *more = aicc_arena_printf(&diags->arena, "%s/%s_%u.pb", folder, prefix, out->count);
  if (access(more, F_OK) == 0) {
    const aicc_loc loc = {.file = more};
    AICC_EMIT(diags, E0801, &loc, "the model has no such input or output");
    return AICC_INVALID;
  }
  assign(files, out->count, tensors, out->count, index);
  for (uint32_t i = 0; i < out->count; i++) {
    if (files[i] != NULL) {
      AICC_TRY(read_value(files[i], diags, &out->values[index[i]]));
      out->present[index[i]] = true;
    }
  }
  return AICC_OK;
}

aicc_status aicc_test_values_read(const char *folder, const char *prefix,
                                  const aicc_rt_tensor_info *tensors, uint32_t count,
                                  aicc_diags *diags, aicc_test_values *out) {
  *out = (aicc_test_values){
      .values = calloc(count + 1u, sizeof *out->values),
      .present = calloc(count + 1u, sizeof *out->present),
      .count = count,
  };
  aicc_onnx_file **files = calloc(count + 1u, sizeof(void *));
  uint32_t *index = calloc(count + 1u, sizeof *index);
  const aicc_status status =
      out->values == NULL || out->present == NULL || files == NULL || index == NULL
          ? AICC_RESOURCE
          : read_files(folder, prefix, tensors, files, index, diags, out);
  for (uint32_t i = 0; files != NULL && i < count; i++) {
    aicc_onnx_file_close(files[i]);
  }
  free(files);
  free(index);
  return status;
}

void aicc_test_values_deinit(aicc_test_values *values) {
  for (uint32_t i = 0; values->values != NULL && i < values->count; i++) {
    aicc_eval_value_deinit(&values->values[i]);
  }
  free(values->values);
  free(values->present);
  *values = (aicc_test_values){0};
}
