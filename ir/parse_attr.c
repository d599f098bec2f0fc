// Attributes of .air text.
#include <stdlib.h>

#include "ir/parse_internal.h"

bool aicc_parse_int(aicc_parser *p, int64_t *out) {
  if (p->token.kind != AICC_TOKEN_NUMBER) {
    return aicc_parser_fail_expected(p, "an integer");
  }
  const char *text = aicc_token_text(&p->token, &p->scratch, NULL);
  char *end;
  *out = strtoll(text, &end, 10);
  if (*end) {
    const aicc_loc loc = aicc_parser_loc(p, &p->token);
    AICC_EMIT(p->diags, E0006, &loc, text);
    return false;
  }
  aicc_parser_take(p);
  return true;
}

bool aicc_parse_double(aicc_parser *p, double *out) {
  const bool named = aicc_token_is(&p->token, "inf") || aicc_token_is(&p->token, "nan");
  if (p->token.kind != AICC_TOKEN_NUMBER && !named) {
    return aicc_parser_fail_expected(p, "a number");
  }
  const char *text = aicc_token_text(&p->token, &p->scratch, NULL);
  char *end;
  *out = strtod(text, &end);
  if (*end) {
    const aicc_loc loc = aicc_parser_loc(p, &p->token);
    AICC_EMIT(p->diags, E0006, &loc, text);
    return false;
  }
  aicc_parser_take(p);
  return true;
}

static bool parse_text(aicc_parser *p, const char **out) {
  if (p->token.kind != AICC_TOKEN_STRING) {
    return aicc_parser_fail_expected(p, "a string");
  }
  *out = aicc_token_text(&p->token, &p->scratch, NULL);
  aicc_parser_take(p);
  return true;
}

// [ item, ... ]: |parse_item| adds one to |list|.
typedef bool (*item_fn)(aicc_parser *p, void *list);

static bool parse_list(aicc_parser *p, item_fn parse_item, void *list) {
  if (!aicc_parser_expect(p, "[")) {
    return false;
  }
  if (aicc_parser_accept(p, "]")) {
    return true;
  }
  do {
    if (!parse_item(p, list)) {
      return false;
    }
  } while (aicc_parser_accept(p, ","));
  return aicc_parser_expect(p, "]");
}

typedef struct int_list { int64_t *items; int count, capacity; } int_list;
typedef struct float_list { double *items; int count, capacity; } float_list;
typedef struct text_list { const char **items; int count, capacity; } text_list;

// Lists are as long as the file; the arena's growth takes a size_t.
#define PUSH(list, item)                                                                        \
  do {                                                                                          \
    if ((list)->count == (list)->capacity) {                                                    \
      (list)->items =                                                                           \
          aicc_arena_grow(&p->scratch, (list)->items, (size_t)(list)->count, sizeof(item));     \
      (list)->capacity = (list)->capacity ? 2 * (list)->capacity : 8;                           \
    }                                                                                           \
    (list)->items[(list)->count++] = (item);                                                    \
  } while (0)

static bool parse_int_item(aicc_parser *p, void *list) {
  int64_t item;
  if (!aicc_parse_int(p, &item)) {
    return false;
  }
  PUSH((int_list *)list, item);
  return true;
}

static bool parse_float_item(aicc_parser *p, void *list) {
  double item;
  if (!aicc_parse_double(p, &item)) {
    return false;
  }
  PUSH((float_list *)list, item);
  return true;
}

static bool parse_text_item(aicc_parser *p, void *list) {
  const char *item = NULL;
  if (!parse_text(p, &item)) {
    return false;
  }
  PUSH((text_list *)list, item);
  return true;
}

static bool parse_dims_value(aicc_parser *p, aicc_node *node, aicc_attr_key key) {
  aicc_dim *dims = AICC_NEW_ARRAY(&p->scratch, aicc_dim, AICC_PARTIAL_MAX);
  int count;
  if (!aicc_parse_dims(p, dims, AICC_PARTIAL_MAX, &count, NULL)) {
    return false;
  }
  aicc_set_dims(p->module, node, key, dims, count);
  return true;
}

static bool parse_list_value(aicc_parser *p, aicc_node *node, aicc_attr_key key) {
  switch (aicc_attr_table[key].kind) {
    case AICC_ATTR_KIND_INTS: {
      int_list list = {0};
      const bool ok = parse_list(p, parse_int_item, &list);
      aicc_set_ints(p->module, node, key, list.items, list.count);
      return ok;
    }
    case AICC_ATTR_KIND_FLOATS: {
      float_list list = {0};
      const bool ok = parse_list(p, parse_float_item, &list);
      aicc_set_floats(p->module, node, key, list.items, list.count);
      return ok;
    }
    case AICC_ATTR_KIND_STRINGS: {
      text_list list = {0};
      const bool ok = parse_list(p, parse_text_item, &list);
      aicc_set_strings(p->module, node, key, list.items, list.count);
      return ok;
    }
    default: return parse_dims_value(p, node, key);
  }
}

static bool parse_value(aicc_parser *p, aicc_node *node, aicc_attr_key key) {
  switch (aicc_attr_table[key].kind) {
    case AICC_ATTR_KIND_INT: {
      int64_t value = 0;
      const bool ok = aicc_parse_int(p, &value);
      aicc_set_int(p->module, node, key, value);
      return ok;
    }
    case AICC_ATTR_KIND_FLOAT: {
      double value = 0;
      const bool ok = aicc_parse_double(p, &value);
      aicc_set_float(p->module, node, key, value);
      return ok;
    }
    case AICC_ATTR_KIND_STRING: {
      const char *value = "";
      const bool ok = parse_text(p, &value);
      aicc_set_string(p->module, node, key, value);
      return ok;
    }
    case AICC_ATTR_KIND_DTYPE: {
      aicc_dtype value = AICC_F32;
      const bool ok = aicc_parse_dtype(p, &value);
      aicc_set_dtype(p->module, node, key, value);
      return ok;
    }
    case AICC_ATTR_KIND_TENSOR: {
      aicc_tensor value;
      if (!aicc_parse_tensor(p, &value)) {
        return false;
      }
      aicc_set_tensor(p->module, node, key, &value);
      return true;
    }
    default: return parse_list_value(p, node, key);
  }
}

static bool parse_attr(aicc_parser *p, aicc_node *node) {
  aicc_attr_key key;
  if (p->token.kind != AICC_TOKEN_WORD) {
    return aicc_parser_fail_expected(p, "the name of an attribute");
  }
  const aicc_loc loc = aicc_parser_loc(p, &p->token);
  const char *name = aicc_token_text(&p->token, &p->scratch, NULL);
  if (!aicc_attr_key_from_name(p->token.text, p->token.size, &key)) {
    AICC_EMIT(p->diags, E0005, &loc, aicc_op_info_of(node)->name, name);
    return false;
  }
  if (aicc_attr_find(node, key)) {
    AICC_EMIT(p->diags, E0003, &loc, name);
    return false;
  }
  aicc_parser_take(p);
  return aicc_parser_expect(p, "=") && parse_value(p, node, key);
}

bool aicc_parse_attrs(aicc_parser *p, aicc_node *node) {
  if (!aicc_parser_expect(p, "{")) {
    return false;
  }
  do {
    if (!parse_attr(p, node)) {
      return false;
    }
  } while (aicc_parser_accept(p, ","));
  return aicc_parser_expect(p, "}");
}
