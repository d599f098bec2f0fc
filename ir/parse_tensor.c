// Constants of .air text.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ir/parse_internal.h"

typedef struct elements {
  aicc_dtype dtype;
  size_t size;     // bytes of one
  uint8_t *bytes;  // in the module's arena
  size_t count, capacity;
} elements;

static bool fail_number(aicc_parser *p) {
  const aicc_loc loc = aicc_parser_loc(p, &p->token);
  AICC_EMIT(p->diags, E0006, &loc, aicc_token_text(&p->token, &p->scratch, NULL));
  return false;
}

static uint8_t *new_element(aicc_parser *p, elements *e) {
  if (e->count == e->capacity) {
    e->bytes = aicc_arena_grow(&p->module->arena, e->bytes, e->count, e->size);
    e->capacity = e->capacity ? 2 * e->capacity : 8;
  }
  return e->bytes + e->size * e->count++;
}

static bool parse_bits(aicc_parser *p, aicc_dtype dtype, uint8_t *out) {
  const aicc_token token = p->token;
  if (token.size != 2 * aicc_dtype_size(dtype)) {
    return fail_number(p);
  }
  for (size_t i = 0; i < token.size / 2; i++) {
    const char pair[] = {token.text[token.size - 2 * i - 2], token.text[token.size - 2 * i - 1], 0};
    out[i] = (uint8_t)strtoul(pair, NULL, 16);
  }
  aicc_parser_take(p);
  return true;
}

static bool parse_real(aicc_parser *p, aicc_dtype dtype, uint8_t *out) {
  if (p->token.kind == AICC_TOKEN_BITS) {
    return parse_bits(p, dtype, out);
  }
  double value;
  if (!aicc_parse_double(p, &value)) {
    return false;
  }
  aicc_set_f64(dtype, out, 0, value);
  return true;
}

static bool parse_integer(aicc_parser *p, aicc_dtype dtype, uint8_t *out) {
  if (p->token.kind != AICC_TOKEN_NUMBER) {
    return aicc_parser_fail_expected(p, "an integer");
  }
  const char *text = aicc_token_text(&p->token, &p->scratch, NULL);
  char *end;
  const int64_t value =
      text[0] == '-' ? strtoll(text, &end, 10) : (int64_t)strtoull(text, &end, 10);
  aicc_set_i64(dtype, out, 0, value);
  const bool wraps = aicc_dtype_kind_of(dtype) == AICC_KIND_SIGNED && text[0] != '-' && value < 0;
  if (*end || wraps || aicc_get_i64(dtype, out, 0) != value) {
    return fail_number(p);
  }
  aicc_parser_take(p);
  return true;
}

static bool parse_complex(aicc_parser *p, aicc_dtype dtype, uint8_t *out) {
  const aicc_dtype part = dtype == AICC_C64 ? AICC_F32 : AICC_F64;
  return aicc_parser_expect(p, "(") && parse_real(p, part, out) && aicc_parser_expect(p, ",") &&
         parse_real(p, part, out + aicc_dtype_size(part)) && aicc_parser_expect(p, ")");
}

static bool parse_string(aicc_parser *p, uint8_t *out) {
  if (p->token.kind != AICC_TOKEN_STRING) {
    return aicc_parser_fail_expected(p, "a string");
  }
  size_t size;
  const char *text = aicc_token_text(&p->token, &p->module->arena, &size);
  const aicc_str item = {text, size};
  memcpy(out, &item, sizeof item);
  aicc_parser_take(p);
  return true;
}

static bool parse_bool(aicc_parser *p, uint8_t *out) {
  *out = aicc_token_is(&p->token, "true");
  return aicc_parser_accept(p, "true") || aicc_parser_accept(p, "false") ||
         aicc_parser_fail_expected(p, "true or false");
}

static bool parse_element(aicc_parser *p, elements *e) {
  uint8_t *out = new_element(p, e);
  switch (aicc_dtype_kind_of(e->dtype)) {
    case AICC_KIND_FLOAT:
    case AICC_KIND_FLOAT8: return parse_real(p, e->dtype, out);
    case AICC_KIND_SIGNED:
    case AICC_KIND_UNSIGNED: return parse_integer(p, e->dtype, out);
    case AICC_KIND_BOOL: return parse_bool(p, out);
    case AICC_KIND_COMPLEX: return parse_complex(p, e->dtype, out);
    case AICC_KIND_STRING: return parse_string(p, out);
  }
  return false;
}

// Shape of a constant: numbers only. *count: their product.
static bool parse_shape(aicc_parser *p, size_t size, int64_t *shape, int *rank, int64_t *count) {
  aicc_dim dims[AICC_MAX_RANK];
  const aicc_token at = p->token;
  if (!aicc_parse_dims(p, dims, AICC_MAX_RANK, rank, NULL)) {
    return false;
  }
  const aicc_loc loc = aicc_parser_loc(p, &at);
  *count = 1;
  int64_t bytes = (int64_t)size;
  for (int i = 0; i < *rank; i++) {
    if (!aicc_dim_is_const(p->module->dims, dims[i], &shape[i]) || shape[i] < 0) {
      AICC_EMIT(p->diags, E0001, &loc, "sizes of a constant", "a dimension");
      return false;
    }
    if (aicc_mul_overflow(*count, shape[i], count) || aicc_mul_overflow(bytes, shape[i], &bytes) ||
        bytes > AICC_PARSE_TENSOR_MAX) {
      AICC_EMIT(p->diags, E0402, &loc, (long long)AICC_PARSE_TENSOR_MAX);
      return false;
    }
  }
  return true;
}

static bool parse_splat(aicc_parser *p, elements *e, int64_t count) {
  if (!aicc_parser_expect(p, "(") || !parse_element(p, e) || !aicc_parser_expect(p, ")")) {
    return false;
  }
  uint8_t *bytes = aicc_arena_alloc(&p->module->arena, e->size * (size_t)count);
  for (int64_t i = 0; i < count; i++) {
    memcpy(bytes + (size_t)i * e->size, e->bytes, e->size);
  }
  e->bytes = bytes;
  return true;
}

static bool parse_list(aicc_parser *p, elements *e, int64_t count) {
  const aicc_loc loc = aicc_parser_loc(p, &p->token);
  if (!aicc_parser_expect(p, "[")) {
    return false;
  }
  while (!aicc_parser_accept(p, "]")) {
    if ((e->count > 0 && !aicc_parser_expect(p, ",")) || !parse_element(p, e)) {
      return false;
    }
  }
  if ((int64_t)e->count != count) {
    AICC_EMIT(p->diags, E0008, &loc, (long long)count, (long long)e->count);
    return false;
  }
  return true;
}

bool aicc_parse_tensor(aicc_parser *p, aicc_tensor *out) {
  elements e = {0};
  int64_t shape[AICC_MAX_RANK], count;
  int rank;
  if (!aicc_parse_dtype(p, &e.dtype)) {
    return false;
  }
  e.size = aicc_dtype_size(e.dtype);
  if (!parse_shape(p, e.size, shape, &rank, &count)) {
    return false;
  }
  if (aicc_token_is(&p->token, "data")) {
    const aicc_loc loc = aicc_parser_loc(p, &p->token);
    AICC_EMIT0(p->diags, E0007, &loc);
    return false;
  }
  const bool ok = aicc_parser_accept(p, "splat") ? parse_splat(p, &e, count)
                                                 : parse_list(p, &e, count);
  *out = (aicc_tensor){
      .dtype = e.dtype,
      .rank = rank,
      .shape = aicc_arena_memdup(&p->module->arena, shape, (size_t)rank * sizeof *shape),
      .data = e.bytes ? e.bytes : aicc_arena_alloc(&p->module->arena, 1),
  };
  return ok;
}
