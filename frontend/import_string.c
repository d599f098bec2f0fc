// Strings, n-grams and unique elements: library kernels (ir/opaque.def) whose results have room for
// the most there can be, cut to what there is.
#include <string.h>

#include "frontend/import_string.h"
#include "ir/regex.h"

// The scalar |count| as a size that is found when the model runs.
static bool found_size(aicc_importer *im, aicc_value *count, aicc_dim *out) {
  const aicc_dim *dims = NULL;
  int items = 0;
  if (!count || !aicc_b_as_dims(&im->b, count, &dims, &items)) {
    return false;
  }
  if (aicc_dim_symbol_name(im->dims, dims[0])) {
    aicc_dim_set_lower(im->dims, dims[0], 0);
  }
  *out = dims[0];
  return true;
}

static aicc_value *first_of(aicc_importer *im, aicc_value *x, int axis, aicc_dim size) {
  return aicc_b_slice(&im->b, x, axis, aicc_const_dim(im, 0), size, 1);
}

static aicc_status need_strings(aicc_importer *im, const aicc_onnx_node *n) {
  AICC_TRY(aicc_need_tensors(im, n));
  return aicc_in(n, 0)->type.dtype == AICC_STR
             ? AICC_OK : aicc_invalid(im, n, "the input is no tensor of strings");
}

// --- strings -------------------------------------------------------------------------------------

aicc_status import_string_concat(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(need_strings(im, n));
  aicc_value *const in[] = {aicc_in(n, 0), aicc_in(n, 1)};
  aicc_dim dims[AICC_MAX_RANK];
  int rank;
  if (in[1]->type.dtype != AICC_STR ||
      !aicc_dims_broadcast(im->module, &in[0]->type, &in[1]->type, dims, &rank)) {
    return aicc_invalid(im, n, "the inputs are no strings, or do not broadcast");
  }
  const aicc_type type = aicc_type_tensor(im->module, AICC_STR, dims, rank);
  aicc_node *node = aicc_b_opaque(&im->b, "string_concat", in, 2, &type, 1);
  return aicc_set_out(im, n, 0, node ? node->out[0] : NULL);
}

static aicc_status read_case(aicc_importer *im, const aicc_onnx_node *n, int64_t *out) {
  static const char *const names[] = {"NONE", "LOWER", "UPPER"};
  const char *name = aicc_onnx_string(n, "case_change_action", "NONE");
  for (*out = 0; *out < 3; (*out)++) {
    if (strcmp(names[*out], name) == 0) {
      return AICC_OK;
    }
  }
  return aicc_unsupported(im, n, "case_change_action '%s'", name);
}

aicc_status import_string_normalizer(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(need_strings(im, n));
  aicc_value *x = aicc_in(n, 0);
  const int rank = x->type.rank;
  int64_t ints[2];
  int words;
  AICC_TRY(read_case(im, n, &ints[0]));
  ints[1] = aicc_onnx_int(n, "is_case_sensitive", 0);
  aicc_onnx_string(n, "locale", "");  // letters beyond ASCII are left alone in every locale
  const char *const *stop = aicc_onnx_strings(n, "stopwords", &words);
  if (rank < 1 || rank > 2 || (rank == 2 && !aicc_dim_is(im->dims, x->type.dims[0], 1))) {
    return aicc_invalid(im, n, "the input must be [C] or [1, C]");
  }
  const aicc_dim size = x->type.dims[rank - 1];
  const aicc_dim room = aicc_dim_max(im->dims, size, aicc_const_dim(im, 1));
  const aicc_type types[] = {aicc_type_tensor(im->module, AICC_STR, &room, 1),
                             aicc_type_tensor(im->module, AICC_I64, NULL, 0)};
  aicc_value *flat = aicc_b_reshape(&im->b, x, &size, 1);
  aicc_node *node = flat ? aicc_b_opaque(&im->b, "string_normalizer", &flat, 1, types, 2) : NULL;
  aicc_dim kept;
  if (!node) {
    return AICC_INVALID;
  }
  aicc_set_ints(im->module, node, AICC_ATTR_INTS, ints, 2);
  aicc_set_strings(im->module, node, AICC_ATTR_STRINGS, stop, words);
  if (!found_size(im, node->out[1], &kept)) {
    return AICC_INVALID;
  }
  aicc_value *y = first_of(im, node->out[0], 0, kept);
  return aicc_set_out(im, n, 0, rank == 2 && y ? aicc_b_unsqueeze(&im->b, y, 0) : y);
}

static aicc_value *cut_node(aicc_importer *im, const aicc_cut *c, const char *name, aicc_value *x,
                            aicc_type type) {
  aicc_node *node = aicc_b_opaque(&im->b, name, &x, 1, &type, 1);
  if (!node) {
    return NULL;
  }
  aicc_set_ints(im->module, node, AICC_ATTR_INTS, c->ints, c->int_count);
  aicc_set_strings(im->module, node, AICC_ATTR_STRINGS, c->strings, c->string_count);
  return node->out[0];
}

aicc_status aicc_cut_strings(aicc_importer *im, const aicc_onnx_node *n, const aicc_cut *c,
                             aicc_value **pieces, aicc_value **counts) {
  AICC_TRY(need_strings(im, n));
  aicc_value *x = aicc_in(n, 0);
  const int rank = x->type.rank;
  if (rank >= AICC_MAX_RANK) {
    return aicc_unsupported(im, n, "a result of more than 12 dimensions");
  }
  *counts = cut_node(im, c, c->counts, x,
                     aicc_type_tensor(im->module, AICC_I64, x->type.dims, rank));
  // At least 0 pieces, also of no strings.
  aicc_value *flat = aicc_as_vector(im, *counts, aicc_type_count(im->module, &x->type));
  const aicc_dim one = aicc_const_dim(im, 1);
  aicc_value *zero = aicc_b_reshape(&im->b, aicc_zero(im, AICC_I64), &one, 1);
  aicc_value *const both[] = {flat, zero};
  aicc_value *joined = flat && zero ? aicc_b_concat(&im->b, both, 2, 0) : NULL;
  aicc_dim most;
  if (!joined || !found_size(im, aicc_b_reduce(&im->b, AICC_OP_REDUCE_MAX, joined, NULL, 0, false),
                             &most)) {
    return AICC_INVALID;
  }
  aicc_dim dims[AICC_MAX_RANK];
  memcpy(dims, x->type.dims, sizeof *dims * (size_t)rank);
  dims[rank] = most;
  *pieces = cut_node(im, c, c->pieces, x, aicc_type_tensor(im->module, AICC_STR, dims, rank + 1));
  return *pieces ? AICC_OK : AICC_INVALID;
}

aicc_status import_string_split(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  const int64_t most = aicc_onnx_int(n, "maxsplit", -1);
  const char *delimiter = aicc_onnx_string(n, "delimiter", "");
  const aicc_cut c = {"string_split_count", "string_split", &most, &delimiter, 1, 1};
  aicc_value *pieces, *counts;
  AICC_TRY(aicc_cut_strings(im, n, &c, &pieces, &counts));
  AICC_TRY(aicc_set_out(im, n, 0, pieces));
  return aicc_set_out(im, n, 1, counts);
}

aicc_status import_regex_full_match(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(need_strings(im, n));
  aicc_value *x = aicc_in(n, 0);
  const char *pattern = aicc_onnx_string(n, "pattern", NULL);
  aicc_regex regex;
  if (pattern == NULL) {
    return aicc_invalid(im, n, "there is no pattern");
  }
  const char *problem = aicc_regex_compile(&im->scratch, pattern, &regex);
  if (problem != NULL) {
    return aicc_unsupported(im, n, "the pattern '%s': %s", pattern, problem);
  }
  const aicc_type type = aicc_type_tensor(im->module, AICC_BOOL, x->type.dims, x->type.rank);
  aicc_node *node = aicc_b_opaque(&im->b, "regex_full_match", &x, 1, &type, 1);
  if (node) {
    aicc_set_strings(im->module, node, AICC_ATTR_STRINGS, &pattern, 1);
  }
  return aicc_set_out(im, n, 0, node ? node->out[0] : NULL);
}

// --- n-grams -------------------------------------------------------------------------------------

typedef struct grams {
  int64_t mode, shortest, longest, skips;
  const int64_t *first;    // pool element of each length
  const int64_t *columns;  // of the result, per n-gram
  const float *weights;
  int lengths, count, weight_count;
} grams;

static aicc_status read_grams(aicc_importer *im, const aicc_onnx_node *n, grams *g) {
  static const char *const modes[] = {"TF", "IDF", "TFIDF"};
  const char *mode = aicc_onnx_string(n, "mode", "");
  *g = (grams){.shortest = aicc_onnx_int(n, "min_gram_length", 1),
               .longest = aicc_onnx_int(n, "max_gram_length", 1),
               .skips = aicc_onnx_int(n, "max_skip_count", 0)};
  g->first = aicc_onnx_ints(n, "ngram_counts", &g->lengths);
  g->columns = aicc_onnx_ints(n, "ngram_indexes", &g->count);
  g->weights = aicc_onnx_floats(n, "weights", &g->weight_count);
  while (g->mode < 3 && strcmp(modes[g->mode], mode) != 0) {
    g->mode++;
  }
  if (g->mode == 3) {
    return aicc_unsupported(im, n, "mode '%s'", mode);
  }
  return g->count > 0 && g->lengths > 0 && (g->weight_count == 0 || g->weight_count == g->count)
             ? AICC_OK
             : aicc_invalid(im, n, "the lists of the attributes do not fit each other");
}

static aicc_value *constant_list(aicc_importer *im, aicc_dtype dtype, const void *data, int count) {
  int64_t *shape = AICC_NEW_ARRAY(&im->module->arena, int64_t, 1);
  shape[0] = count;
  const aicc_tensor tensor = {.dtype = dtype, .rank = 1, .shape = shape, .data = data};
  return aicc_b_const(&im->b, &tensor);
}

// The pool in the input's type, integers as i64.
static aicc_value *read_pool(aicc_importer *im, const aicc_onnx_node *n) {
  int strings, ints;
  const char *const *texts = aicc_onnx_strings(n, "pool_strings", &strings);
  const int64_t *numbers = aicc_onnx_ints(n, "pool_int64s", &ints);
  if (aicc_in(n, 0)->type.dtype != AICC_STR) {
    return ints == 0 ? NULL
                     : constant_list(im, AICC_I64,
                                     aicc_arena_memdup(&im->module->arena, numbers,
                                                       sizeof *numbers * (size_t)ints), ints);
  }
  aicc_str *pool = AICC_NEW_ARRAY(&im->module->arena, aicc_str, strings + 1);
  for (int i = 0; i < strings; i++) {
    pool[i] = (aicc_str){aicc_arena_strdup(&im->module->arena, texts[i]), strlen(texts[i])};
  }
  return strings == 0 ? NULL : constant_list(im, AICC_STR, pool, strings);
}

aicc_status import_tfidf(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_value *x = aicc_in(n, 0), *pool = read_pool(im, n);
  const int rank = x->type.rank;
  grams g;
  AICC_TRY(read_grams(im, n, &g));
  if (!pool || rank < 1 || rank > 2) {
    return aicc_invalid(im, n, "the input must be [C] or [N, C], of the pool's type");
  }
  int64_t *ints = AICC_NEW_ARRAY(&im->scratch, int64_t, 5 + g.lengths + g.count);
  const int64_t head[] = {g.mode, g.shortest, g.longest, g.skips, g.lengths};
  memcpy(ints, head, sizeof head);
  memcpy(&ints[5], g.first, sizeof *ints * (size_t)g.lengths);
  memcpy(&ints[5 + g.lengths], g.columns, sizeof *ints * (size_t)g.count);
  int64_t columns = 0;
  for (int i = 0; i < g.count; i++) {
    columns = g.columns[i] + 1 > columns ? g.columns[i] + 1 : columns;
  }
  const aicc_dim dims[] = {rank == 2 ? x->type.dims[0] : aicc_const_dim(im, columns),
                           aicc_const_dim(im, columns)};
  const aicc_type type = aicc_type_tensor(im->module, AICC_F32, dims, rank);
  aicc_value *const in[] = {
      x, pool,
      g.weight_count ? constant_list(im, AICC_F32,
                                     aicc_arena_memdup(&im->module->arena, g.weights,
                                                       sizeof(float) * (size_t)g.weight_count),
                                     g.weight_count)
                     : NULL};
  aicc_node *node = aicc_b_opaque(&im->b, "tfidf", in, g.weight_count ? 3 : 2, &type, 1);
  if (!node) {
    return AICC_INVALID;
  }
  aicc_set_ints(im->module, node, AICC_ATTR_INTS, ints, 5 + g.lengths + g.count);
  return aicc_set_out(im, n, 0, node->out[0]);
}

// --- Unique --------------------------------------------------------------------------------------

aicc_status import_unique(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_value *x = aicc_in(n, 0);
  const bool flat = !aicc_onnx_has(n, "axis");
  int axis = 0;
  if (!flat) {
    AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "axis", 0), x->type.rank, &axis));
  }
  const int64_t ints[] = {flat, axis, aicc_onnx_int(n, "sorted", 1) != 0};
  const aicc_dim room = flat ? aicc_type_count(im->module, &x->type) : x->type.dims[axis];
  const aicc_type list = aicc_type_tensor(im->module, AICC_I64, &room, 1);
  const aicc_type values = flat ? aicc_type_tensor(im->module, x->type.dtype, &room, 1)
                                : x->type;
  const aicc_type types[] = {values, list, list, list,
                             aicc_type_tensor(im->module, AICC_I64, NULL, 0)};
  aicc_node *node = aicc_b_opaque(&im->b, "unique", &x, 1, types, 5);
  aicc_dim count;
  if (!node) {
    return AICC_INVALID;
  }
  aicc_set_ints(im->module, node, AICC_ATTR_INTS, ints, 3);
  if (!found_size(im, node->out[4], &count)) {
    return AICC_INVALID;
  }
  AICC_TRY(aicc_set_out(im, n, 0, first_of(im, node->out[0], axis, count)));
  AICC_TRY(aicc_set_out(im, n, 1, first_of(im, node->out[1], 0, count)));
  AICC_TRY(aicc_set_out(im, n, 2, node->out[2]));
  return aicc_set_out(im, n, 3, first_of(im, node->out[3], 0, count));
}
