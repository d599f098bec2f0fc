// Elementwise operators: rows of doubles or int64 through the functions of scalar.h.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/eval_call.h"
#include "ir/scalar.h"

enum { ROW = 1024 };

// Walk over the result (tensor 0) and the operands (1..), broadcast.
static aicc_status begin(aicc_eval_call *call, aicc_eval_walk *walk) {
  const aicc_eval_value *out = &call->out[0];
  aicc_eval_walk_init(walk, out->rank, out->shape);
  aicc_eval_walk_add_dense(walk);
  for (int i = 0; i < call->node->in_count; i++) {
    if (!aicc_eval_walk_add_broadcast(walk, call->in[i])) {
      return aicc_eval_fail(call, "operand %d does not broadcast to the result's shape", i);
    }
  }
  return AICC_OK;
}

// Elements |at| .. |at| + |count| of a row.
typedef void (*row_fn)(const aicc_eval_call *call, const aicc_eval_walk *walk, int64_t at,
                       int64_t count);

static void for_rows(const aicc_eval_call *call, aicc_eval_walk *walk, row_fn fn) {
  while (aicc_eval_walk_next(walk)) {
    for (int64_t at = 0; at < walk->size; at += ROW) {
      const int64_t rest = walk->size - at;
      fn(call, walk, at, rest < ROW ? rest : ROW);
    }
  }
}

static void load_f64(const aicc_eval_call *call, const aicc_eval_walk *walk, int operand,
                     int64_t at, int64_t count, double *row) {
  const aicc_eval_value *value = call->in[operand];
  const int64_t step = walk->step[operand + 1];
  aicc_eval_load_f64(value->dtype, value->data, walk->offset[operand + 1] + at * step, step, count,
                     row);
}

static void load_i64(const aicc_eval_call *call, const aicc_eval_walk *walk, int operand,
                     int64_t at, int64_t count, int64_t *row) {
  const aicc_eval_value *value = call->in[operand];
  const int64_t step = walk->step[operand + 1];
  aicc_eval_load_i64(value->dtype, value->data, walk->offset[operand + 1] + at * step, step, count,
                     row);
}

// The result's own rows are dense: dimensions of size 1 are gone from the walk.
static int64_t out_at(const aicc_eval_walk *walk, int64_t at) {
  return walk->offset[0] + at * walk->step[0];
}

static void float_row(const aicc_eval_call *call, const aicc_eval_walk *walk, int64_t at,
                      int64_t count) {
  const aicc_scalar_f64_fn fn = aicc_scalar_of(call->node->op)->f64;
  double a[ROW], b[ROW];
  load_f64(call, walk, 0, at, count, a);
  if (call->node->in_count == 2) {
    load_f64(call, walk, 1, at, count, b);
  } else {
    memset(b, 0, sizeof b);
  }
  for (int64_t i = 0; i < count; i++) {
    a[i] = fn(a[i], b[i]);
  }
  aicc_eval_store_f64(call->out[0].dtype, call->out[0].data, out_at(walk, at), count, a);
}

static void int_row(const aicc_eval_call *call, const aicc_eval_walk *walk, int64_t at,
                    int64_t count) {
  const aicc_scalar_i64_fn fn = aicc_scalar_of(call->node->op)->i64;
  const aicc_dtype type = call->in[0]->dtype;
  int64_t a[ROW], b[ROW];
  load_i64(call, walk, 0, at, count, a);
  if (call->node->in_count == 2) {
    load_i64(call, walk, 1, at, count, b);
  } else {
    memset(b, 0, sizeof b);
  }
  for (int64_t i = 0; i < count; i++) {
    a[i] = fn(a[i], b[i], type);
  }
  aicc_eval_store_i64(call->out[0].dtype, call->out[0].data, out_at(walk, at), count, a);
}

aicc_status aicc_eval_op_eltwise(aicc_eval_call *call) {
  const aicc_dtype type = call->in[0]->dtype;
  const aicc_dtype_kind kind = aicc_dtype_kind_of(type);
  const bool is_int = aicc_eval_is_int(type);
  const aicc_scalar_info *scalar = aicc_scalar_of(call->node->op);
  const bool defined = is_int ? scalar->i64 != NULL : scalar->f64 != NULL;
  if (!defined || kind == AICC_KIND_STRING || kind == AICC_KIND_COMPLEX) {
    return aicc_eval_unsupported(call, "it is not defined on %s", aicc_dtype_name(type));
  }
  aicc_eval_walk walk;
  AICC_TRY(begin(call, &walk));
  for_rows(call, &walk, is_int ? int_row : float_row);
  return AICC_OK;
}

// The exponent has a type of its own: integers stay exact with integers alone.
aicc_status aicc_eval_op_pow(aicc_eval_call *call) {
  aicc_eval_walk walk;
  AICC_TRY(begin(call, &walk));
  const bool ints =
      aicc_eval_is_int(call->in[0]->dtype) && aicc_eval_is_int(call->in[1]->dtype);
  for_rows(call, &walk, ints ? int_row : float_row);
  return AICC_OK;
}

aicc_status aicc_eval_op_select(aicc_eval_call *call) {
  aicc_eval_walk walk;
  AICC_TRY(begin(call, &walk));
  const size_t size = aicc_dtype_size(call->out[0].dtype);
  const uint8_t *condition = call->in[0]->data;
  char *out = call->out[0].data;
  while (aicc_eval_walk_next(&walk)) {
    for (int64_t i = 0; i < walk.size; i++) {
      const int pick = condition[walk.offset[1] + i * walk.step[1]] ? 1 : 2;
      const char *from = call->in[pick]->data;
      memcpy(out + (walk.offset[0] + i * walk.step[0]) * (int64_t)size,
             from + (walk.offset[pick + 1] + i * walk.step[pick + 1]) * (int64_t)size, size);
    }
  }
  return AICC_OK;
}

// --- cast ----------------------------------------------------------------------------------------

static void cast_to_f8(const aicc_eval_call *call, int64_t count) {
  const bool saturate = aicc_get_int(call->node, AICC_ATTR_SATURATE, 1) != 0;
  const aicc_eval_value *in = call->in[0];
  uint8_t *out = call->out[0].data;
  for (int64_t i = 0; i < count; i++) {
    const double value = aicc_get_f64(in->dtype, in->data, (size_t)i);
    out[i] = aicc_f32_to_f8(call->out[0].dtype, (float)value, saturate);
  }
}

static aicc_status cast_from_string(aicc_eval_call *call, int64_t count) {
  const aicc_str *in = call->in[0]->data;
  aicc_eval_value *out = &call->out[0];
  for (int64_t i = 0; i < count; i++) {
    char text[64], *end = text;
    const size_t size = in[i].size < sizeof text ? in[i].size : sizeof text - 1;
    if (size) {
      memcpy(text, in[i].data, size);
    }
    text[size] = 0;
    if (aicc_eval_is_int(out->dtype)) {
      aicc_set_i64(out->dtype, out->data, (size_t)i, strtoll(text, &end, 10));
    } else {
      aicc_set_f64(out->dtype, out->data, (size_t)i, strtod(text, &end));
    }
    if (end == text || *end) {
      return aicc_eval_fail(call, "'%s' is no number", text);
    }
  }
  return AICC_OK;
}

// The shortest decimal that reads back as the same value, as NumPy and ONNX print it.
static const char *print_float(aicc_arena *arena, double value, aicc_dtype type) {
  if (isnan(value)) {
    return "NaN";
  }
  if (isinf(value)) {
    return value > 0 ? "INF" : "-INF";
  }
  for (int digits = 1; digits < 18; digits++) {
    char *text = aicc_arena_printf(arena, "%.*g", digits, value);
    const double back = strtod(text, NULL);
    const bool same = type == AICC_F64 ? back == value : (float)back == (float)value;
    if (same) {
      const bool whole = !strpbrk(text, ".e");
      return whole ? aicc_arena_printf(arena, "%s.0", text) : text;
    }
  }
  return aicc_arena_printf(arena, "%.17g", value);
}

static void cast_to_string(aicc_eval_call *call, int64_t count) {
  const aicc_eval_value *in = call->in[0];
  aicc_str *out = call->out[0].data;
  for (int64_t i = 0; i < count; i++) {
    const char *text =
        aicc_eval_is_int(in->dtype)
            ? aicc_arena_printf(call->arena, "%lld",
                                (long long)aicc_get_i64(in->dtype, in->data, (size_t)i))
            : print_float(call->arena, aicc_get_f64(in->dtype, in->data, (size_t)i), in->dtype);
    out[i] = (aicc_str){text, strlen(text)};
  }
}

static void cast_numbers(aicc_eval_call *call, int64_t count) {
  const aicc_eval_value *in = call->in[0];
  aicc_eval_value *out = &call->out[0];
  const bool ints = aicc_eval_is_int(in->dtype) && in->dtype != AICC_U64;
  const bool both_ints = aicc_eval_is_int(in->dtype) && aicc_eval_is_int(out->dtype);
  for (int64_t at = 0; at < count; at += ROW) {
    const int64_t size = count - at < ROW ? count - at : ROW;
    if (ints || both_ints) {
      int64_t row[ROW];
      aicc_eval_load_i64(in->dtype, in->data, at, 1, size, row);
      aicc_eval_store_i64(out->dtype, out->data, at, size, row);
    } else {
      double row[ROW];
      aicc_eval_load_f64(in->dtype, in->data, at, 1, size, row);
      aicc_eval_store_f64(out->dtype, out->data, at, size, row);
    }
  }
}

aicc_status aicc_eval_op_cast(aicc_eval_call *call) {
  const aicc_eval_value *in = call->in[0];
  aicc_eval_value *out = &call->out[0];
  const int64_t count = aicc_eval_value_count(out);
  if (in->dtype == out->dtype) {
    memcpy(out->data, in->data, (size_t)count * aicc_dtype_size(out->dtype));
    return AICC_OK;
  }
  if (aicc_dtype_kind_of(in->dtype) == AICC_KIND_COMPLEX ||
      aicc_dtype_kind_of(out->dtype) == AICC_KIND_COMPLEX) {
    return aicc_eval_unsupported(call, "complex types are not cast");
  }
  if (in->dtype == AICC_STR) {
    return cast_from_string(call, count);
  }
  if (out->dtype == AICC_STR) {
    cast_to_string(call, count);
  } else if (aicc_dtype_kind_of(out->dtype) == AICC_KIND_FLOAT8) {
    cast_to_f8(call, count);
  } else {
    cast_numbers(call, count);
  }
  return AICC_OK;
}

aicc_status aicc_eval_op_bitcast(aicc_eval_call *call) {
  const size_t size = aicc_dtype_size(call->out[0].dtype);
  if (aicc_dtype_size(call->in[0]->dtype) != size) {
    return aicc_eval_fail(call, "the two types differ in size");
  }
  memcpy(call->out[0].data, call->in[0]->data,
         (size_t)aicc_eval_value_count(&call->out[0]) * size);
  return AICC_OK;
}
