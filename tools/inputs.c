#include "tools/inputs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tools/npy.h"
#include "tools/value.h"

static aicc_status bad(aicc_diags *diags, const char *text) {
  const aicc_loc loc = {0};
  AICC_EMIT(diags, E0801, &loc, text);
  return AICC_INVALID;
}

#define BAD(diags, ...) bad((diags), aicc_arena_printf(&(diags)->arena, __VA_ARGS__))

const char *aicc_inputs_split(const char *spec, const aicc_rt_tensor_info *tensors, uint32_t count,
                              uint32_t *index) {
  const char *rest = NULL;
  for (uint32_t i = 0; i < count; i++) {
    const size_t length = strlen(tensors[i].name);
    if (strncmp(spec, tensors[i].name, length) == 0 && spec[length] == '=' &&
        (rest == NULL || spec + length + 1 > rest)) {
      rest = spec + length + 1;
      *index = i;
    }
  }
  return rest;
}

// ---- shapes ------------------------------------------------------------------------------------

// "2x3" up to |end|; a scalar is "". False: malformed.
static bool parse_dims(const char *text, const char *end, aicc_eval_value *out) {
  out->rank = 0;
  while (text < end) {
    char *stop = NULL;
    errno = 0;
    const long long dim = strtoll(text, &stop, 10);
    if (stop == text || errno != 0 || dim < 0 || out->rank >= AICC_MAX_RANK ||
        (stop < end && *stop != 'x')) {
      return false;
    }
    out->shape[out->rank++] = dim;
    text = stop < end ? stop + 1 : end;
  }
  return true;
}

// The shape that --shapes states for |name|: false, malformed or none (|*found|).
static bool stated_shape(const aicc_input_specs *specs, const char *name, aicc_eval_value *out,
                         bool *found) {
  const size_t length = strlen(name);
  *found = false;
  for (int i = 0; i < specs->shape_count; i++) {
    const char *at = specs->shapes[i];
    for (const char *end; at != NULL; at = *end ? end + 1 : NULL) {
      end = strchr(at, ',');
      end = end != NULL ? end : at + strlen(at);
      if (strncmp(at, name, length) == 0 && at[length] == ':') {
        *found = true;
        const char *dims = at + length + 1;
        return strncmp(dims, "scalar", (size_t)(end - dims)) == 0 ? parse_dims(end, end, out)
                                                                  : parse_dims(dims, end, out);
      }
    }
  }
  return true;
}

static bool symbol_value(const aicc_input_specs *specs, const char *symbol, int64_t *out) {
  for (int i = 0; symbol != NULL && i < specs->dim_count; i++) {
    const size_t length = strlen(symbol);
    if (strncmp(specs->dims[i], symbol, length) == 0 && specs->dims[i][length] == '=') {
      *out = strtoll(specs->dims[i] + length + 1, NULL, 10);
      return true;
    }
  }
  return false;
}

// The shape of an input from --shapes, its type and --dim.
static aicc_status shape_of(const aicc_input_specs *specs, const aicc_rt_tensor_info *info,
                            FILE *note, aicc_diags *diags, aicc_eval_value *out) {
  bool found = false;
  if (!stated_shape(specs, info->name, out, &found)) {
    return BAD(diags, "--shapes: the shape of '%s' is malformed; it should be like 1x3x224x224",
               info->name);
  }
  if (found) {
    return AICC_OK;
  }
  if (info->rank < 0 || info->rank > AICC_MAX_RANK) {
    return BAD(diags, "the shape of input '%s' is not known: state it with --shapes '%s:...'",
               info->name, info->name);
  }
  out->rank = info->rank;
  for (int d = 0; d < info->rank; d++) {
    const char *symbol = info->symbols != NULL ? info->symbols[d] : NULL;
    out->shape[d] = info->dims[d];
    if (out->shape[d] < 0 && !symbol_value(specs, symbol, &out->shape[d])) {
      out->shape[d] = 1;
      if (note != NULL) {
        fprintf(note, "note: dimension %d (%s) of input '%s' is not given: 1\n", d,
                symbol != NULL ? symbol : "?", info->name);
      }
    }
  }
  return AICC_OK;
}

static aicc_status check_dims(const aicc_input_specs *specs, aicc_diags *diags) {
  aicc_status status = AICC_OK;
  for (int i = 0; i < specs->dim_count; i++) {
    const char *equals = strrchr(specs->dims[i], '=');
    char *end = NULL;
    const long long value = equals != NULL ? strtoll(equals + 1, &end, 10) : -1;
    if (equals == NULL || end == equals + 1 || *end != 0 || value < 0) {
      status = BAD(diags, "--dim '%s' should be like batch=4", specs->dims[i]);
    }
  }
  return status;
}

// ---- elements ----------------------------------------------------------------------------------

static uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

static void fill_random(aicc_eval_value *value, uint64_t *state) {
  static const char letters[] = "abcdefghij";
  const size_t count = (size_t)aicc_eval_value_count(value);
  const aicc_dtype_kind kind = aicc_dtype_kind_of(value->dtype);
  for (size_t i = 0; i < count; i++) {
    const uint64_t random = next_random(state);
    const double real = (double)(random >> 11) * 0x1p-52 - 1;
    if (kind == AICC_KIND_STRING) {
      ((aicc_str *)value->data)[i] = (aicc_str){letters + (random >> 33) % 10, 1};
    } else if (kind == AICC_KIND_COMPLEX) {
      const aicc_dtype part = value->dtype == AICC_C64 ? AICC_F32 : AICC_F64;
      aicc_set_f64(part, value->data, 2 * i, real);
      aicc_set_f64(part, value->data, 2 * i + 1, -real);
    } else if (kind == AICC_KIND_FLOAT || kind == AICC_KIND_FLOAT8) {
      aicc_set_f64(value->dtype, value->data, i, real);
    } else {
      aicc_set_i64(value->dtype, value->data, i, (int64_t)(random >> 63));
    }
  }
}

// One element from |text| up to a comma; returns what follows it, NULL where it is none.
static const char *parse_element(const char *text, aicc_eval_value *value, size_t index) {
  const aicc_dtype_kind kind = aicc_dtype_kind_of(value->dtype);
  char *end = NULL;
  if (kind == AICC_KIND_STRING) {
    const size_t length = strcspn(text, ",");
    ((aicc_str *)value->data)[index] = (aicc_str){text, length};
    return text + length;
  }
  if (kind == AICC_KIND_FLOAT || kind == AICC_KIND_FLOAT8) {
    aicc_set_f64(value->dtype, value->data, index, strtod(text, &end));
  } else if (kind == AICC_KIND_BOOL && (text[0] == 't' || text[0] == 'f')) {
    aicc_set_i64(value->dtype, value->data, index, text[0] == 't');
    return text + strspn(text, "abcdefghijklmnopqrstuvwxyz");
  } else if (kind == AICC_KIND_COMPLEX) {
    return NULL;
  } else if (value->dtype == AICC_U64) {
    aicc_set_i64(value->dtype, value->data, index, (int64_t)strtoull(text, &end, 0));
  } else {
    aicc_set_i64(value->dtype, value->data, index, strtoll(text, &end, 0));
  }
  return end == text ? NULL : end;
}

static aicc_status parse_elements(const char *spec, const char *text, aicc_eval_value *value,
                                  aicc_diags *diags) {
  const size_t count = (size_t)aicc_eval_value_count(value);
  const size_t size = aicc_dtype_size(value->dtype);
  const char *at = text;
  size_t i = 0;
  for (; i < count && at != NULL; i++) {
    at = parse_element(at, value, i);
    if (at != NULL && *at == 0 && i == 0) {
      for (size_t k = 1; k < count; k++) {
        memcpy((char *)value->data + k * size, value->data, size);
      }
      return AICC_OK;
    }
    if (at != NULL && i + 1 < count) {
      at = *at == ',' ? at + 1 : NULL;
    }
  }
  if (at == NULL || (count > 0 && *at != 0)) {
    return BAD(diags, "--input '%.80s': element %zu is malformed, or there are not %zu of them",
               spec, i, count);
  }
  return AICC_OK;
}

// ---- one input ---------------------------------------------------------------------------------

static bool ends_with(const char *text, const char *end) {
  const size_t a = strlen(text), b = strlen(end);
  return a >= b && strcmp(text + a - b, end) == 0;
}

static aicc_status read_raw(const char *path, aicc_diags *diags, aicc_eval_value *value) {
  aicc_buf *buf = NULL;
  AICC_TRY(aicc_buf_map_file(path, diags, &buf));
  const size_t size = (size_t)aicc_eval_value_count(value) * aicc_dtype_size(value->dtype);
  aicc_status status = AICC_OK;
  if (value->dtype == AICC_STR || aicc_buf_size(buf) != size) {
    status = BAD(diags, "%s has %zu bytes, the input needs %zu", path, aicc_buf_size(buf), size);
  } else if (size > 0) {
    memcpy(value->data, aicc_buf_data(buf), size);
  }
  aicc_buf_release(buf);
  return status;
}

// "2x3xf32=1,2": does |text| begin with a shape and type? Then the rest behind '='.
static const char *parse_literal_head(const char *text, aicc_eval_value *out) {
  const char *equals = strchr(text, '=');
  if (equals == NULL) {
    return NULL;
  }
  const char *type = equals;
  while (type > text && type[-1] != 'x') {
    type--;
  }
  const char *dims_end = type > text ? type - 1 : text;
  if (!aicc_dtype_from_name(type, (size_t)(equals - type), &out->dtype) ||
      !parse_dims(text, dims_end, out)) {
    return NULL;
  }
  return equals + 1;
}

// |value| has the declared type and shape.
static aicc_status make_given(const char *spec, const char *rest, const aicc_eval_value *declared,
                              aicc_diags *diags, aicc_eval_value *out) {
  if (rest[0] == '@' && ends_with(rest, ".npy")) {
    return aicc_npy_read(rest + 1, declared->dtype, diags, out);
  }
  aicc_eval_value head = *declared;
  const char *elements = rest[0] == '@' ? NULL : parse_literal_head(rest, &head);
  AICC_TRY(aicc_eval_value_create(head.dtype, head.rank, head.shape, diags, out));
  if (rest[0] == '@') {
    return read_raw(rest + 1, diags, out);
  }
  return parse_elements(spec, elements != NULL ? elements : rest, out, diags);
}

static aicc_status make_input(const aicc_rt_model_info *model, const aicc_input_specs *specs,
                              uint32_t index, FILE *note, uint64_t *random, aicc_diags *diags,
                              aicc_inputs *out) {
  const aicc_rt_tensor_info *info = &model->inputs[index];
  const char *spec = NULL, *rest = NULL;
  for (int i = 0; i < specs->input_count; i++) {
    uint32_t at = 0;
    const char *found = aicc_inputs_split(specs->inputs[i], model->inputs, model->input_count, &at);
    if (found != NULL && at == index) {
      spec = specs->inputs[i];
      rest = found;
    }
  }
  if (rest == NULL && info->kind >= AICC_RT_OPTIONAL) {
    return AICC_OK;
  }
  if (info->kind == AICC_RT_SEQUENCE && rest == NULL && specs->empty_sequences) {
    out->values[index].kind = AICC_TYPE_SEQUENCE;
    return AICC_OK;
  }
  if (info->kind == AICC_RT_SEQUENCE || info->kind == AICC_RT_OPTIONAL_SEQUENCE) {
    return BAD(diags, "input '%s' is a sequence: give it with --test-data", info->name);
  }
  if (rest == NULL && !specs->random) {
    return BAD(diags, "input '%s' is not given: --input '%s=...', or --random", info->name,
               info->name);
  }
  aicc_eval_value declared = {0};
  if (!aicc_value_dtype(info->dtype, &declared.dtype)) {
    return BAD(diags, "input '%s' has a type that this tool does not know", info->name);
  }
  const bool from_npy = rest != NULL && rest[0] == '@' && ends_with(rest, ".npy");
  aicc_eval_value head;
  const bool has_shape = rest != NULL && rest[0] != '@' && parse_literal_head(rest, &head) != NULL;
  if (!from_npy && !has_shape) {
    AICC_TRY(shape_of(specs, info, note, diags, &declared));
  }
  out->given[index] = true;
  aicc_eval_value *value = &out->values[index];
  if (rest != NULL) {
    return make_given(spec, rest, &declared, diags, value);
  }
  AICC_TRY(aicc_eval_value_create(declared.dtype, declared.rank, declared.shape, diags, value));
  fill_random(value, random);
  return AICC_OK;
}

static aicc_status check_names(const aicc_rt_model_info *model, const aicc_input_specs *specs,
                               aicc_diags *diags) {
  aicc_status status = AICC_OK;
  for (int i = 0; i < specs->input_count; i++) {
    uint32_t index = 0;
    if (aicc_inputs_split(specs->inputs[i], model->inputs, model->input_count, &index) == NULL) {
      char names[500] = "";
      size_t used = 0;
      for (uint32_t k = 0; k < model->input_count && used < sizeof names; k++) {
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", k > 0 ? ", " : "",
                                 model->inputs[k].name);
      }
      status = BAD(diags, "--input '%.80s' names no input of the model; it has: %s",
                   specs->inputs[i], names);
    }
  }
  return status;
}

aicc_status aicc_inputs_make(const aicc_rt_model_info *model, const aicc_input_specs *specs,
                             FILE *note, aicc_diags *diags, aicc_inputs *out) {
  *out = (aicc_inputs){
      .values = calloc(model->input_count + 1u, sizeof *out->values),
      .given = calloc(model->input_count + 1u, sizeof *out->given),
      .count = model->input_count,
  };
  uint64_t random = specs->seed;
  aicc_status status = check_names(model, specs, diags);
  const aicc_status dims = check_dims(specs, diags);
  status = status != AICC_OK ? status : dims;
  for (uint32_t i = 0; i < model->input_count; i++) {
    out->values[i].kind = AICC_TYPE_OPTIONAL;  // absent, unless it is made
    const aicc_status made = make_input(model, specs, i, note, &random, diags, out);
    status = status != AICC_OK ? status : made;
  }
  return status;
}

void aicc_inputs_deinit(aicc_inputs *inputs) {
  for (uint32_t i = 0; inputs->values != NULL && i < inputs->count; i++) {
    aicc_eval_value_deinit(&inputs->values[i]);
  }
  free(inputs->values);
  free(inputs->given);
  *inputs = (aicc_inputs){0};
}

aicc_status aicc_inputs_set(const aicc_inputs *inputs, const aicc_rt_model_info *model,
                            aicc_rt_session *session, aicc_diags *diags) {
  aicc_status status = AICC_OK;
  for (uint32_t i = 0; i < inputs->count; i++) {
    const aicc_status set =
        aicc_value_set_input(session, &model->inputs[i], i, &inputs->values[i], diags);
    status = status != AICC_OK ? status : set;
  }
  return status;
}
