// Library kernels on strings. A string is two words, an address and a size: kernels take string
// tensors as u64 and read bytes by address, from a buffer that begins at address 0. New bytes stand
// in memory that lives until the next run. CPU alone: strings are in the host's memory.
#include <string.h>

#include "ir/regex.h"
#include "passes/lower_own.h"

enum { CHUNK = 256 };

static void launch_over(own_kernel *k, aicc_dim n) {
  own *o = k->o;
  own_bind(k, "CHUNK=%d", CHUNK);
  own_size(k, "n", n);
  own_launch(k, aicc_dim_ceildiv(o->dims, n, own_const(o, CHUNK)),
             aicc_dim_mul(o->dims, n, own_const(o, 30)));
}

// --- two operands that broadcast -----------------------------------------------------------------

// Stride of dimension |d| of the result in an operand: 0 where it broadcasts.
static aicc_dim stride_of(own *o, const aicc_type *out, const aicc_type *in, int d) {
  const int own_d = d - (out->rank - in->rank);
  if (own_d < 0) {
    return own_const(o, 0);
  }
  const aicc_dim one = own_const(o, 1);
  const aicc_dim single = aicc_dim_eq(o->dims, in->dims[own_d], one);
  return aicc_dim_select(o->dims, single, own_const(o, 0),
                         own_product(o, in, own_d + 1, in->rank));
}

// Binds INDEX and SIZES: the places %ia and %ib of result element %i in both operands.
static void bind_index(own_kernel *k) {
  own *o = k->o;
  const aicc_type *out = &o->node->out[0]->type;
  const char *sizes = "", *index = "%r0 = %i\n", *a = "%ia = 0", *b = "%ib = 0";
  for (int d = out->rank - 1; d >= 0; d--) {
    const int left = out->rank - d;
    sizes = aicc_arena_printf(o->arena, "%s, %%d%d: i64, %%a%d: i64, %%b%d: i64", sizes, d, d, d);
    index = aicc_arena_printf(o->arena,
                              "%s%%r%d = %%r%d / %%d%d\n%%c%d = %%r%d - %%r%d * %%d%d\n", index,
                              left, left - 1, d, d, left - 1, left, d);
    a = aicc_arena_printf(o->arena, "%s + %%c%d * %%a%d", a, d, d);
    b = aicc_arena_printf(o->arena, "%s + %%c%d * %%b%d", b, d, d);
    own_size(k, aicc_arena_printf(o->arena, "d%d", d), out->dims[d]);
    own_size(k, aicc_arena_printf(o->arena, "a%d", d), stride_of(o, out, own_type(o, 0), d));
    own_size(k, aicc_arena_printf(o->arena, "b%d", d), stride_of(o, out, own_type(o, 1), d));
  }
  own_bind(k, "SIZES=%s", sizes);
  own_bind(k, "INDEX=%s%s\n%s\n", index, a, b);
  own_buffer(k, "a", own_operand(o, 0));
  own_buffer(k, "b", own_operand(o, 1));
}

void own_lower_string_equal(own *o) {
  own_kernel k = own_begin(o, "string_equal");
  bind_index(&k);
  own_memory(&k);
  own_buffer(&k, "y", own_result(o, 0));
  launch_over(&k, own_count(o, &o->node->out[0]->type));
}

// Bytes of as many as the first element of |total_slot| says.
static aicc_slot new_bytes(own *o, aicc_slot total_slot) {
  const aicc_dim total = aicc_dim_fresh(o->dims, "bytes");
  aicc_step *read = aicc_lower_step(o->lw, AICC_STEP_DEF_DIM);
  read->slot = total_slot;
  read->symbol = total;
  aicc_lower_symbol_defined(o->lw, total);
  const aicc_dim size = aicc_dim_add(o->dims, total, own_const(o, 1));
  const aicc_type type = aicc_type_tensor(o->lw->module, AICC_U8, &size, 1);
  const aicc_slot slot = aicc_lower_new_slot(o->lw, AICC_SLOT_HEAP, &type, "string_bytes");
  aicc_lower_step(o->lw, AICC_STEP_ALLOC)->slot = slot;  // freed when the next run begins
  return slot;
}

void own_lower_string_concat(own *o) {
  const aicc_dim n = own_count(o, &o->node->out[0]->type);
  const aicc_dim one = own_const(o, 1);
  const aicc_slot offsets = aicc_lower_temporary(o->lw, AICC_I64, &n, 1, "string_offsets");
  const aicc_slot total = aicc_lower_temporary(o->lw, AICC_I64, &one, 1, "string_total");
  own_kernel k = own_begin(o, "string_concat_sizes");
  bind_index(&k);
  own_buffer(&k, "offsets", offsets);
  own_buffer(&k, "total", total);
  own_size(&k, "n", n);
  own_launch(&k, own_const(o, 1), aicc_dim_mul(o->dims, n, own_const(o, 4)));
  const aicc_slot bytes = new_bytes(o, total);
  own_kernel c = own_begin(o, "string_concat");
  bind_index(&c);
  own_memory(&c);
  own_buffer(&c, "offsets", offsets);
  own_buffer(&c, "bytes", bytes);
  own_address(&c, "base", bytes);
  own_buffer(&c, "y", own_result(o, 0));
  launch_over(&c, n);
}

// --- one operand ---------------------------------------------------------------------------------

// A constant of the node's strings from number |first| on; an empty one where there are none.
static aicc_slot string_table(own *o, int64_t first, int64_t *count) {
  const aicc_attr *strings = aicc_attr_find(o->node, AICC_ATTR_STRINGS);
  *count = strings != NULL && strings->count > first ? strings->count - first : 0;
  aicc_str *items = AICC_NEW_ARRAY(o->arena, aicc_str, *count + 1);
  items[0] = (aicc_str){"", 0};
  for (int64_t i = 0; i < *count; i++) {
    items[i] = (aicc_str){strings->strings[first + i], strlen(strings->strings[first + i])};
  }
  return own_table(o, AICC_STR, items, *count > 0 ? *count : 1, "strings");
}

void own_lower_string_normalizer(own *o) {
  const aicc_dim n = own_count(o, own_type(o, 0)), room = own_count(o, &o->node->out[0]->type);
  const aicc_dim one = own_const(o, 1);
  const aicc_slot offsets = aicc_lower_temporary(o->lw, AICC_I64, &room, 1, "string_offsets");
  const aicc_slot total = aicc_lower_temporary(o->lw, AICC_I64, &one, 1, "string_total");
  const aicc_slot picks = aicc_lower_temporary(o->lw, AICC_I64, &room, 1, "string_picks");
  int64_t words = 0;
  own_kernel k = own_begin(o, "string_select");
  own_buffer(&k, "stop", string_table(o, 0, &words));
  own_bind(&k, "STOPWORDS=%lld", (long long)words);
  own_bind(&k, "EXACT=%s", own_int(o, 1, 0) ? "true" : "false");
  own_buffer(&k, "x", own_operand(o, 0));
  own_memory(&k);
  own_buffer(&k, "picks", picks);
  own_buffer(&k, "offsets", offsets);
  own_buffer(&k, "total", total);
  own_buffer(&k, "found", own_result(o, 1));
  own_size(&k, "n", n);
  own_size(&k, "room", room);
  own_launch(&k, own_const(o, 1), aicc_dim_mul(o->dims, n, own_const(o, 20 * (words + 1))));
  const aicc_slot bytes = new_bytes(o, total);
  own_kernel m = own_begin(o, "string_normalize");
  own_bind(&m, "MODE=%lld", (long long)own_int(o, 0, 0));
  own_buffer(&m, "x", own_operand(o, 0));
  own_memory(&m);
  own_buffer(&m, "picks", picks);
  own_buffer(&m, "offsets", offsets);
  own_buffer(&m, "bytes", bytes);
  own_address(&m, "base", bytes);
  own_buffer(&m, "y", own_result(o, 0));
  own_size(&m, "room", room);
  own_launch(&m, own_const(o, 1), aicc_dim_mul(o->dims, n, own_const(o, 30)));
}

static void launch_split(own *o, bool count) {
  const aicc_type *y = &o->node->out[0]->type;
  int64_t given = 0;
  own_kernel k = own_begin(o, "string_split");
  own_buffer(&k, "delimiter", string_table(o, 0, &given));
  const aicc_attr *strings = aicc_attr_find(o->node, AICC_ATTR_STRINGS);
  const bool spaces = given == 0 || strings->strings[0][0] == '\0';
  own_bind(&k, "SPACES=%s", spaces ? "true" : "false");
  own_bind(&k, "MOST=%lld", (long long)own_int(o, 0, -1));
  own_bind(&k, "COUNT=%s", count ? "true" : "false");
  own_buffer(&k, "x", own_operand(o, 0));
  own_memory(&k);
  const aicc_slot result = own_result(o, 0);
  own_bind(&k, count ? "%%y=local" : "%%counts=local");
  own_buffer(&k, count ? "counts" : "y", result);
  own_size(&k, "columns", count ? own_const(o, 0) : y->dims[y->rank - 1]);
  launch_over(&k, own_count(o, own_type(o, 0)));
}

void own_lower_string_split_count(own *o) { launch_split(o, true); }
void own_lower_string_split(own *o) { launch_split(o, false); }

// Binds the node's first string, a pattern, as a table. False after reporting what is wrong.
static bool bind_pattern(own_kernel *k) {
  own *o = k->o;
  const aicc_attr *strings = aicc_attr_find(o->node, AICC_ATTR_STRINGS);
  aicc_regex regex;
  const char *problem = strings == NULL || strings->count < 1
                            ? "there is none"
                            : aicc_regex_compile(o->arena, strings->strings[0], &regex);
  if (problem != NULL) {
    aicc_lower_unsupported(o->lw, o->node, aicc_arena_printf(o->arena, "a pattern: %s", problem));
    return false;
  }
  own_bind(k, "START=%d", AICC_REGEX_START);
  own_bind(k, "DEAD=%d", AICC_REGEX_DEAD);
  own_buffer(k, "next", own_table(o, AICC_I32, regex.next, (int64_t)regex.states * 256,
                                  "regex_next"));
  own_buffer(k, "accepts", own_table(o, AICC_U8, regex.accepts, regex.states, "regex_accepts"));
  return true;
}

void own_lower_regex_full_match(own *o) {
  own_kernel k = own_begin(o, "regex_full_match");
  if (bind_pattern(&k)) {
    own_buffer(&k, "x", own_operand(o, 0));
    own_memory(&k);
    own_buffer(&k, "y", own_result(o, 0));
    launch_over(&k, own_count(o, own_type(o, 0)));
  }
}

static void launch_tokenize(own *o, bool count) {
  const aicc_type *y = &o->node->out[0]->type;
  own_kernel k = own_begin(o, "string_tokenize");
  if (!bind_pattern(&k)) {
    return;
  }
  int64_t texts = 0;
  own_buffer(&k, "texts", string_table(o, 1, &texts));
  own_bind(&k, "BETWEEN=%s", own_int(o, 0, 0) ? "true" : "false");
  own_bind(&k, "LEAST=%lld", (long long)own_int(o, 1, 1));
  own_bind(&k, "MARKED=%s", own_int(o, 2, 0) ? "true" : "false");
  own_bind(&k, "COUNT=%s", count ? "true" : "false");
  own_buffer(&k, "x", own_operand(o, 0));
  own_memory(&k);
  const aicc_slot result = own_result(o, 0);
  own_bind(&k, count ? "%%y=local" : "%%counts=local");
  own_buffer(&k, count ? "counts" : "y", result);
  own_size(&k, "columns", count ? own_const(o, 0) : y->dims[y->rank - 1]);
  launch_over(&k, own_count(o, own_type(o, 0)));
}

void own_lower_string_tokenize_count(own *o) { launch_tokenize(o, true); }
void own_lower_string_tokenize(own *o) { launch_tokenize(o, false); }

void own_lower_label_encoder_text(own *o) {
  own_kernel k = own_begin(o, "label_encoder_text");
  own_bind(&k, "V=%s", aicc_dtype_name(own_type(o, 2)->dtype));
  static const char *const names[] = {"x", "keys", "values", "default"};
  for (int i = 0; i < 4; i++) {
    own_buffer(&k, names[i], own_operand(o, i));
  }
  own_memory(&k);
  own_buffer(&k, "y", own_result(o, 0));
  own_size(&k, "pairs", own_count(o, own_type(o, 1)));
  launch_over(&k, own_count(o, own_type(o, 0)));
}
