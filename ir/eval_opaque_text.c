// Library kernels on strings, and look-ups that take them too.
#include <math.h>
#include <string.h>

#include "ir/eval_opaque.h"
#include "ir/regex.h"

int aicc_eval_compare_str(const aicc_str *a, const aicc_str *b) {
  const size_t size = a->size < b->size ? a->size : b->size;
  const int order = size ? memcmp(a->data, b->data, size) : 0;
  return order ? order : (a->size > b->size) - (a->size < b->size);
}

static aicc_str str_of(const char *text) { return (aicc_str){text, strlen(text)}; }

static aicc_status begin_pair(aicc_eval_call *call, aicc_eval_walk *walk) {
  const aicc_eval_value *out = &call->out[0];
  aicc_eval_walk_init(walk, out->rank, out->shape);
  aicc_eval_walk_add_dense(walk);
  if (call->in[0]->dtype != AICC_STR || call->in[1]->dtype != AICC_STR ||
      !aicc_eval_walk_add_broadcast(walk, call->in[0]) ||
      !aicc_eval_walk_add_broadcast(walk, call->in[1])) {
    return aicc_eval_fail(call, "operands are no strings, or do not broadcast");
  }
  return AICC_OK;
}

static const aicc_str *operand_at(const aicc_eval_call *call, const aicc_eval_walk *walk,
                                  int operand, int64_t i) {
  return (const aicc_str *)call->in[operand]->data + walk->offset[operand + 1] +
         i * walk->step[operand + 1];
}

aicc_status aicc_eval_opaque_string_equal(aicc_eval_call *call) {
  aicc_eval_walk walk;
  AICC_TRY(begin_pair(call, &walk));
  uint8_t *out = call->out[0].data;
  while (aicc_eval_walk_next(&walk)) {
    for (int64_t i = 0; i < walk.size; i++) {
      out[walk.offset[0] + i * walk.step[0]] =
          aicc_eval_compare_str(operand_at(call, &walk, 0, i), operand_at(call, &walk, 1, i)) == 0;
    }
  }
  return AICC_OK;
}

aicc_status aicc_eval_opaque_string_concat(aicc_eval_call *call) {
  aicc_eval_walk walk;
  AICC_TRY(begin_pair(call, &walk));
  aicc_str *out = call->out[0].data;
  while (aicc_eval_walk_next(&walk)) {
    for (int64_t i = 0; i < walk.size; i++) {
      const aicc_str *a = operand_at(call, &walk, 0, i), *b = operand_at(call, &walk, 1, i);
      char *text = aicc_arena_alloc(call->arena, a->size + b->size + 1);
      memcpy(text, a->size ? a->data : "", a->size);
      memcpy(text + a->size, b->size ? b->data : "", b->size);
      out[walk.offset[0] + i * walk.step[0]] = (aicc_str){text, a->size + b->size};
    }
  }
  return AICC_OK;
}

// --- string_normalizer ---------------------------------------------------------------------------

enum { CASE_KEEP, CASE_LOWER, CASE_UPPER };

static char fold_char(char c, int64_t how) {
  const bool upper = c >= 'A' && c <= 'Z', lower = c >= 'a' && c <= 'z';
  return how == CASE_LOWER && upper   ? (char)(c - 'A' + 'a')
         : how == CASE_UPPER && lower ? (char)(c - 'a' + 'A')
                                      : c;
}

static aicc_str fold_case(const aicc_eval_call *call, aicc_str s, int64_t how) {
  char *text = aicc_arena_alloc(call->arena, s.size + 1);
  for (uint64_t i = 0; i < s.size; i++) {
    text[i] = fold_char(s.data[i], how);
  }
  return (aicc_str){text, s.size};
}

static bool is_stopword(const aicc_eval_call *call, aicc_str s, bool exact) {
  const aicc_attr *words = aicc_attr_find(call->node, AICC_ATTR_STRINGS);
  for (int i = 0; words && i < words->count; i++) {
    aicc_str word = str_of(words->strings[i]);
    word = exact ? word : fold_case(call, word, CASE_LOWER);
    const aicc_str mine = exact ? s : fold_case(call, s, CASE_LOWER);
    if (aicc_eval_compare_str(&word, &mine) == 0) {
      return true;
    }
  }
  return false;
}

aicc_status aicc_eval_opaque_string_normalizer(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0];
  const int64_t how = aicc_eval_opaque_int(call, 0, CASE_KEEP);
  const bool exact = aicc_eval_opaque_int(call, 1, 0) != 0;
  const int64_t count = aicc_eval_value_count(x), room = aicc_eval_value_count(&call->out[0]);
  if (x->dtype != AICC_STR || room < 1 || room < count) {
    return aicc_eval_fail(call, "the operand is no string tensor, or the result has no room");
  }
  aicc_str *out = call->out[0].data;
  int64_t kept = 0;
  for (int64_t i = 0; i < room; i++) {
    out[i] = (aicc_str){"", 0};
  }
  for (int64_t i = 0; i < count; i++) {
    const aicc_str s = ((const aicc_str *)x->data)[i];
    if (!is_stopword(call, s, exact)) {
      out[kept++] = fold_case(call, s, how);
    }
  }
  aicc_set_i64(call->out[1].dtype, call->out[1].data, 0, kept ? kept : 1);
  return AICC_OK;
}

// --- string_split --------------------------------------------------------------------------------

static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// Takes the next piece off the front of |rest|; false: no more. |last|: take all that is left.
static bool next_word(aicc_str *rest, bool last, aicc_str *piece) {
  while (rest->size && is_space(*rest->data)) {
    *rest = (aicc_str){rest->data + 1, rest->size - 1};
  }
  if (!rest->size) {
    return false;
  }
  uint64_t size = 0;
  while (size < rest->size && (last || !is_space(rest->data[size]))) {
    size++;
  }
  *piece = (aicc_str){rest->data, size};
  *rest = (aicc_str){rest->data + size, rest->size - size};
  return true;
}

static bool next_field(aicc_str *rest, aicc_str delimiter, bool last, aicc_str *piece) {
  if (!rest->data) {
    return false;
  }
  const char *end = last ? NULL : memmem(rest->data, rest->size, delimiter.data, delimiter.size);
  const uint64_t size = end ? (uint64_t)(end - rest->data) : rest->size;
  *piece = (aicc_str){rest->data, size};
  *rest = end ? (aicc_str){end + delimiter.size, rest->size - size - delimiter.size}
              : (aicc_str){NULL, 0};
  return true;
}

// Pieces of |s|, of which the first |room| are stored; returns their number.
static int64_t split(const aicc_eval_call *call, aicc_str s, aicc_str *pieces, int64_t room) {
  const int64_t most = aicc_eval_opaque_int(call, 0, -1);
  const aicc_attr *strings = aicc_attr_find(call->node, AICC_ATTR_STRINGS);
  const aicc_str delimiter = strings && strings->count ? str_of(strings->strings[0])
                                                       : (aicc_str){"", 0};
  aicc_str rest = {s.size ? s.data : "", s.size}, piece;
  int64_t count = 0;
  for (;;) {
    const bool last = most >= 0 && count == most;
    const bool found = delimiter.size ? next_field(&rest, delimiter, last, &piece)
                                      : next_word(&rest, last, &piece);
    if (!found) {
      return count;
    }
    if (count < room) {
      pieces[count] = piece;
    }
    count++;
  }
}

aicc_status aicc_eval_opaque_string_split_count(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0];
  if (x->dtype != AICC_STR) {
    return aicc_eval_fail(call, "the operand is no string tensor");
  }
  for (int64_t i = 0; i < aicc_eval_value_count(x); i++) {
    aicc_set_i64(call->out[0].dtype, call->out[0].data, (size_t)i,
                 split(call, ((const aicc_str *)x->data)[i], NULL, 0));
  }
  return AICC_OK;
}

aicc_status aicc_eval_opaque_string_split(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0], *out = &call->out[0];
  const int64_t columns = out->rank ? out->shape[out->rank - 1] : 0;
  aicc_str *to = out->data;
  if (x->dtype != AICC_STR || aicc_eval_value_count(x) * columns != aicc_eval_value_count(out)) {
    return aicc_eval_fail(call, "the result does not fit the operand");
  }
  for (int64_t i = 0; i < aicc_eval_value_count(x); i++, to += columns) {
    for (int64_t c = 0; c < columns; c++) {
      to[c] = (aicc_str){"", 0};
    }
    split(call, ((const aicc_str *)x->data)[i], to, columns);
  }
  return AICC_OK;
}

// --- regex_full_match ----------------------------------------------------------------------------

aicc_status aicc_eval_opaque_regex_full_match(aicc_eval_call *call) {
  const aicc_attr *strings = aicc_attr_find(call->node, AICC_ATTR_STRINGS);
  const aicc_eval_value *x = call->in[0];
  if (x->dtype != AICC_STR || strings == NULL || strings->count != 1) {
    return aicc_eval_fail(call, "the operand is no string tensor, or there is no pattern");
  }
  aicc_regex regex;
  const char *problem = aicc_regex_compile(call->arena, strings->strings[0], &regex);
  if (problem != NULL) {
    return aicc_eval_unsupported(call, "a pattern: %s", problem);
  }
  uint8_t *out = call->out[0].data;
  for (int64_t i = 0; i < aicc_eval_value_count(x); i++) {
    const aicc_str s = ((const aicc_str *)x->data)[i];
    out[i] = aicc_regex_matches(&regex, s.data, s.size);
  }
  return AICC_OK;
}

// --- string_tokenize -----------------------------------------------------------------------------

typedef struct tokens {
  aicc_regex regex;
  bool between, marked;
  int64_t least, room, count;
  aicc_str padding, start, end;
  aicc_str *out;  // of one string: room
} tokens;

static aicc_status begin_tokens(aicc_eval_call *call, tokens *t) {
  const aicc_attr *strings = aicc_attr_find(call->node, AICC_ATTR_STRINGS);
  if (call->in[0]->dtype != AICC_STR || strings == NULL || strings->count != 4) {
    return aicc_eval_fail(call, "the operand is no string tensor, or texts are missing");
  }
  *t = (tokens){.between = aicc_eval_opaque_int(call, 0, 0) != 0,
                .least = aicc_eval_opaque_int(call, 1, 1),
                .marked = aicc_eval_opaque_int(call, 2, 0) != 0,
                .padding = str_of(strings->strings[1]),
                .start = str_of(strings->strings[2]),
                .end = str_of(strings->strings[3])};
  const char *problem = aicc_regex_compile(call->arena, strings->strings[0], &t->regex);
  return problem == NULL ? AICC_OK : aicc_eval_unsupported(call, "a pattern: %s", problem);
}

static void add_token(tokens *t, aicc_str token, bool always) {
  int64_t characters = 0;
  for (uint64_t i = 0; i < token.size; i++) {
    characters += ((uint8_t)token.data[i] & 0xC0) != 0x80;
  }
  if (always || characters >= t->least) {
    if (t->count < t->room) {
      t->out[t->count] = token;
    }
    t->count++;
  }
}

// Bytes of the longest match at the front of |s|; 0: none.
static uint64_t longest_match(const aicc_regex *regex, aicc_str s) {
  uint64_t longest = 0;
  int state = AICC_REGEX_START;
  for (uint64_t i = 0; i < s.size && state != AICC_REGEX_DEAD; i++) {
    state = regex->next[(size_t)state * 256 + (uint8_t)s.data[i]];
    longest = regex->accepts[state] ? i + 1 : longest;
  }
  return longest;
}

static void tokenize(tokens *t, aicc_str s) {
  t->count = 0;
  for (int64_t i = 0; i < t->room; i++) {
    t->out[i] = t->padding;
  }
  if (t->marked) {
    add_token(t, t->start, true);
  }
  uint64_t begin = 0, at = 0;
  while (at < s.size) {
    const uint64_t size = longest_match(&t->regex, (aicc_str){s.data + at, s.size - at});
    if (size > 0) {
      add_token(t, t->between ? (aicc_str){s.data + begin, at - begin}
                              : (aicc_str){s.data + at, size}, false);
      begin = at + size;
    }
    at += size > 0 ? size : 1;
  }
  if (t->between) {
    add_token(t, (aicc_str){s.data + begin, s.size - begin}, false);
  }
  if (t->marked) {
    add_token(t, t->end, true);
  }
}

aicc_status aicc_eval_opaque_string_tokenize_count(aicc_eval_call *call) {
  tokens t;
  AICC_TRY(begin_tokens(call, &t));
  for (int64_t i = 0; i < aicc_eval_value_count(call->in[0]); i++) {
    tokenize(&t, ((const aicc_str *)call->in[0]->data)[i]);
    aicc_set_i64(call->out[0].dtype, call->out[0].data, (size_t)i,
                 t.marked && t.count == 2 ? 0 : t.count);
  }
  return AICC_OK;
}

aicc_status aicc_eval_opaque_string_tokenize(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0], *out = &call->out[0];
  tokens t;
  AICC_TRY(begin_tokens(call, &t));
  t.room = out->rank ? out->shape[out->rank - 1] : 0;
  t.out = out->data;
  if (aicc_eval_value_count(x) * t.room != aicc_eval_value_count(out)) {
    return aicc_eval_fail(call, "the result does not fit the operand");
  }
  for (int64_t i = 0; i < aicc_eval_value_count(x); i++, t.out += t.room) {
    tokenize(&t, ((const aicc_str *)x->data)[i]);
  }
  return AICC_OK;
}

// --- look-ups ------------------------------------------------------------------------------------

static bool same_element(const aicc_eval_value *a, int64_t i, const aicc_eval_value *b,
                         int64_t j) {
  if (a->dtype == AICC_STR) {
    return aicc_eval_compare_str((const aicc_str *)a->data + i, (const aicc_str *)b->data + j) ==
           0;
  }
  if (aicc_eval_is_int(a->dtype)) {
    return aicc_get_i64(a->dtype, a->data, (size_t)i) == aicc_get_i64(b->dtype, b->data, (size_t)j);
  }
  const double x = aicc_get_f64(a->dtype, a->data, (size_t)i);
  const double y = aicc_get_f64(b->dtype, b->data, (size_t)j);
  return x == y || (isnan(x) && isnan(y));
}

aicc_status aicc_eval_opaque_label_encoder(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0], *keys = call->in[1], *values = call->in[2];
  const aicc_eval_value *otherwise = call->in[3];
  aicc_eval_value *out = &call->out[0];
  const int64_t count = aicc_eval_value_count(x), pairs = aicc_eval_value_count(keys);
  if ((x->dtype == AICC_STR) != (keys->dtype == AICC_STR) || values->dtype != out->dtype ||
      otherwise->dtype != out->dtype || aicc_eval_value_count(values) != pairs) {
    return aicc_eval_fail(call, "keys, values and operand do not fit each other");
  }
  const size_t size = aicc_dtype_size(out->dtype);
  for (int64_t i = 0; i < count; i++) {
    int64_t found = 0;
    while (found < pairs && !same_element(x, i, keys, found)) {
      found++;
    }
    const char *from = found < pairs ? (const char *)values->data + (size_t)found * size
                                     : otherwise->data;
    memcpy((char *)out->data + (size_t)i * size, from, size);
  }
  return AICC_OK;
}

// --- tfidf ---------------------------------------------------------------------------------------

typedef struct tfidf {
  const aicc_eval_value *x, *pool;
  int64_t mode, least, most, skips, lengths, columns, pool_size;
} tfidf;

static int64_t length_start(const aicc_eval_call *call, const tfidf *t, int64_t length) {
  return length - 1 < t->lengths ? aicc_eval_opaque_int(call, 5 + (int)(length - 1), 0)
                                 : t->pool_size;
}

// Adds to |counts| the n-grams of |length| whose elements stand |step| apart in a row.
static void count_grams(const aicc_eval_call *call, const tfidf *t, int64_t row, int64_t size,
                        int64_t length, int64_t step, double *counts) {
  const int64_t begin = length_start(call, t, length), end = length_start(call, t, length + 1);
  int64_t first_gram = 0;  // number of the first n-gram of this length
  for (int64_t l = 1; l < length; l++) {
    first_gram += (length_start(call, t, l + 1) - length_start(call, t, l)) / l;
  }
  for (int64_t i = 0; i + (length - 1) * step < size; i++) {
    for (int64_t gram = begin; gram + length <= end; gram += length) {
      bool same = true;
      for (int64_t k = 0; k < length && same; k++) {
        same = same_element(t->x, row * size + i + k * step, t->pool, gram + k);
      }
      const int64_t number = first_gram + (gram - begin) / length;
      const int64_t column = aicc_eval_opaque_int(call, 5 + (int)(t->lengths + number), -1);
      if (same && column >= 0 && column < t->columns) {
        counts[column]++;
        break;
      }
    }
  }
}

// The weight of a column is that of the n-gram that leads to it.
static void column_weights(const aicc_eval_call *call, const tfidf *t, double *weights) {
  for (int64_t c = 0; c < t->columns; c++) {
    weights[c] = 1;
  }
  if (!aicc_eval_opaque_has(call, 2)) {
    return;
  }
  for (int64_t i = 0; i < aicc_eval_value_count(call->in[2]); i++) {
    const int64_t column = aicc_eval_opaque_int(call, 5 + (int)(t->lengths + i), -1);
    if (column >= 0 && column < t->columns) {
      weights[column] = aicc_get_f64(call->in[2]->dtype, call->in[2]->data, (size_t)i);
    }
  }
}

aicc_status aicc_eval_opaque_tfidf(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0];
  aicc_eval_value *out = &call->out[0];
  const tfidf t = {.x = x,
                   .pool = call->in[1],
                   .mode = aicc_eval_opaque_int(call, 0, 0),
                   .least = aicc_eval_opaque_int(call, 1, 1),
                   .most = aicc_eval_opaque_int(call, 2, 1),
                   .skips = aicc_eval_opaque_int(call, 3, 0),
                   .lengths = aicc_eval_opaque_int(call, 4, 0),
                   .columns = out->rank ? out->shape[out->rank - 1] : 0,
                   .pool_size = aicc_eval_value_count(call->in[1])};
  if ((x->dtype == AICC_STR) != (t.pool->dtype == AICC_STR) || x->rank < 1 || x->rank > 2) {
    return aicc_eval_fail(call, "the operand does not fit the pool");
  }
  const int64_t size = x->shape[x->rank - 1], rows = x->rank == 2 ? x->shape[0] : 1;
  double *counts = AICC_NEW_ARRAY(call->arena, double, t.columns + 1);
  double *weights = AICC_NEW_ARRAY(call->arena, double, t.columns + 1);
  column_weights(call, &t, weights);
  for (int64_t row = 0; row < rows; row++) {
    memset(counts, 0, sizeof *counts * (size_t)t.columns);
    for (int64_t length = t.least; length <= t.most; length++) {
      // Single elements have no gaps: every skip would count them again.
      for (int64_t skip = 0; skip <= (length > 1 ? t.skips : 0); skip++) {
        count_grams(call, &t, row, size, length, skip + 1, counts);
      }
    }
    for (int64_t c = 0; c < t.columns; c++) {
      counts[c] = t.mode == 0 ? counts[c] : (t.mode == 1 ? counts[c] > 0 : counts[c]) * weights[c];
    }
    aicc_eval_store_f64(out->dtype, out->data, row * t.columns, t.columns, counts);
  }
  return AICC_OK;
}
