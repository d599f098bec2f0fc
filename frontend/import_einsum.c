// Einsum: operands are folded from the left, each pair by one matmul (or one product of elements
// where nothing is summed over), after diagonals and sums that concern one operand alone.
#include <string.h>

#include "frontend/import_math.h"

// Labels: a..z are 0..25, A..Z 26..51; the dimensions under an ellipsis are the rest, the last one
// 63.
enum { LABEL_ELLIPSIS_END = 64, LABELS_MOST = 64, TERMS_MOST = 32 };

typedef struct term {
  aicc_value *value;
  int count;
  int labels[AICC_MAX_RANK];
} term;

typedef struct equation {
  aicc_importer *im;
  const aicc_onnx_node *n;
  term terms[TERMS_MOST];
  int term_count;
  term result;               // its labels
  int ellipsis_rank;         // most dimensions under one
} equation;

static uint64_t bit_of(int label) { return (uint64_t)1 << label; }

static uint64_t mask_of(const term *t) {
  uint64_t mask = 0;
  for (int i = 0; i < t->count; i++) {
    mask |= bit_of(t->labels[i]);
  }
  return mask;
}

static int find_label(const term *t, int label) {
  for (int i = 0; i < t->count; i++) {
    if (t->labels[i] == label) {
      return i;
    }
  }
  return -1;
}

// --- the equation --------------------------------------------------------------------------------

static int label_of(char c) {
  return c >= 'a' && c <= 'z' ? c - 'a' : c >= 'A' && c <= 'Z' ? c - 'A' + 26 : -1;
}

static aicc_status add_label(const equation *e, term *t, int label) {
  if (t->count == AICC_MAX_RANK) {
    return aicc_unsupported(e->im, e->n, "more than 12 dimensions");
  }
  t->labels[t->count++] = label;
  return AICC_OK;
}

// Reads one term, up to a comma, an arrow or the end. An ellipsis stands for |ellipsis| dimensions.
static aicc_status read_term(const equation *e, const char **text, int ellipsis, term *t) {
  const char *at = *text;
  for (; *at && *at != ',' && *at != '-'; at++) {
    if (strncmp(at, "...", 3) == 0) {
      for (int i = ellipsis; i > 0; i--) {
        AICC_TRY(add_label(e, t, LABEL_ELLIPSIS_END - i));
      }
      at += 2;
    } else if (label_of(*at) >= 0) {
      AICC_TRY(add_label(e, t, label_of(*at)));
    } else if (*at != ' ') {
      return aicc_invalid(e->im, e->n, "'%c' in an equation", *at);
    }
  }
  *text = at;
  return AICC_OK;
}

static int letters_in(const char *text) {
  int count = 0;
  for (; *text && *text != ',' && *text != '-'; text++) {
    count += label_of(*text) >= 0;
  }
  return count;
}

static aicc_status read_operands(equation *e, const char **text) {
  for (int i = 0; i < e->n->in_count; i++) {
    term *t = &e->terms[i];
    t->value = aicc_in(e->n, i);
    const int under = t->value->type.rank - letters_in(*text);
    AICC_TRY(read_term(e, text, under > 0 ? under : 0, t));
    if (t->count != t->value->type.rank) {
      return aicc_invalid(e->im, e->n, "operand %d has %d dimensions, the equation names %d", i,
                          t->value->type.rank, t->count);
    }
    e->ellipsis_rank = under > e->ellipsis_rank ? under : e->ellipsis_rank;
    if (i + 1 < e->n->in_count && *(*text)++ != ',') {
      return aicc_invalid(e->im, e->n, "the equation names fewer operands than there are");
    }
  }
  return AICC_OK;
}

// Without an arrow: dimensions of the ellipsis, then every letter that stands once, sorted;
// capitals come first.
static aicc_status implicit_result(equation *e) {
  int seen[LABELS_MOST] = {0};
  for (int i = 0; i < e->term_count; i++) {
    for (int k = 0; k < e->terms[i].count; k++) {
      seen[e->terms[i].labels[k]]++;
    }
  }
  for (int i = e->ellipsis_rank; i > 0; i--) {
    AICC_TRY(add_label(e, &e->result, LABEL_ELLIPSIS_END - i));
  }
  for (int i = 0; i < 52; i++) {
    const int label = (i + 26) % 52;
    if (seen[label] == 1) {
      AICC_TRY(add_label(e, &e->result, label));
    }
  }
  return AICC_OK;
}

static aicc_status read_equation(equation *e, const char *text) {
  AICC_TRY(read_operands(e, &text));
  if (strncmp(text, "->", 2) != 0) {
    return *text ? aicc_invalid(e->im, e->n, "the equation names more operands than there are")
                 : implicit_result(e);
  }
  text += 2;
  AICC_TRY(read_term(e, &text, e->ellipsis_rank, &e->result));
  uint64_t known = 0;
  for (int i = 0; i < e->term_count; i++) {
    known |= mask_of(&e->terms[i]);
  }
  for (int i = 0; i < e->result.count; i++) {
    const int label = e->result.labels[i];
    if (!(known & bit_of(label)) || find_label(&e->result, label) != i) {
      return aicc_invalid(e->im, e->n, "a label of the result is unknown, or stands there twice");
    }
  }
  return *text ? aicc_invalid(e->im, e->n, "text behind the equation") : AICC_OK;
}

// --- one operand ---------------------------------------------------------------------------------

static void remove_at(term *t, int i) {
  memmove(&t->labels[i], &t->labels[i + 1], (size_t)(t->count - i - 1) * sizeof t->labels[0]);
  t->count--;
}

// Transposes to the order |labels|, which must be a permutation of t's.
static void order(aicc_builder *b, term *t, const int *labels) {
  int64_t perm[AICC_MAX_RANK];
  for (int i = 0; i < t->count; i++) {
    perm[i] = find_label(t, labels[i]);
  }
  t->value = aicc_b_transpose(b, t->value, perm);
  memcpy(t->labels, labels, (size_t)t->count * sizeof *labels);
}

// Dimensions |i| < |k| have one label: elements where both indices are equal, at i. They are moved
// to the end and joined; every (size + 1)-th element is on the diagonal.
static void take_diagonal(aicc_builder *b, term *t, int i, int k) {
  aicc_dims *table = b->module->dims;
  const int rank = t->count, label = t->labels[i];
  int64_t perm[AICC_MAX_RANK];
  aicc_dim dims[AICC_MAX_RANK];
  int kept = 0;
  for (int d = 0; d < rank; d++) {
    if (d != i && d != k) {
      dims[kept] = t->value->type.dims[d];
      perm[kept++] = d;
    }
  }
  perm[rank - 2] = i;
  perm[rank - 1] = k;
  const aicc_dim size = t->value->type.dims[i];
  dims[rank - 2] = aicc_dim_mul(table, size, t->value->type.dims[k]);
  aicc_value *flat = aicc_b_reshape(b, aicc_b_transpose(b, t->value, perm), dims, rank - 1);
  aicc_value *step = aicc_add_number(b, aicc_size_number(b, AICC_I64, size), 1);
  aicc_value *indices = aicc_mul(b, aicc_b_iota(b, AICC_I64, &size, 1, 0), step);
  t->value = aicc_b_gather(b, flat, indices, rank - 2);
  remove_at(t, k);
  remove_at(t, i);
  t->labels[t->count++] = label;
}

static void take_diagonals(aicc_builder *b, term *t) {
  for (int i = 0; i < t->count; i++) {
    for (int k = i + 1; k < t->count && t->value; k++) {
      if (t->labels[k] == t->labels[i]) {
        take_diagonal(b, t, i, k);
        i = -1;
        break;
      }
    }
  }
}

// Sums over the labels that are not in |keep|.
static void sum_out(aicc_builder *b, term *t, uint64_t keep) {
  int64_t axes[AICC_MAX_RANK];
  int count = 0;
  term rest = {.count = 0};
  for (int i = 0; i < t->count; i++) {
    if (keep & bit_of(t->labels[i])) {
      rest.labels[rest.count++] = t->labels[i];
    } else {
      axes[count++] = i;
    }
  }
  rest.value = aicc_b_reduce(b, AICC_OP_REDUCE_SUM, t->value, axes, count, false);
  *t = rest;
}

// Drops dimensions of size 1 of |t| that broadcast against |other|'s.
static void drop_ones(aicc_builder *b, term *t, const term *other) {
  for (int i = t->count - 1; i >= 0 && t->value && other->value; i--) {
    const int k = find_label(other, t->labels[i]);
    if (k >= 0 && aicc_dim_is(b->module->dims, t->value->type.dims[i], 1) &&
        !aicc_dim_is(b->module->dims, other->value->type.dims[k], 1)) {
      t->value = aicc_b_squeeze(b, t->value, i);
      remove_at(t, i);
    }
  }
}

// --- pairs ---------------------------------------------------------------------------------------

// A list of labels with their sizes.
typedef struct group {
  int count;
  int labels[AICC_MAX_RANK];
  aicc_dim dims[AICC_MAX_RANK];
} group;

// The labels of |t| that are in |mask|, in t's order.
static group group_of(const term *t, uint64_t mask) {
  group g = {.count = 0};
  for (int i = 0; i < t->count; i++) {
    if (mask & bit_of(t->labels[i])) {
      g.labels[g.count] = t->labels[i];
      g.dims[g.count++] = t->value->type.dims[i];
    }
  }
  return g;
}

static int join_labels(const group *const *groups, int count, int *out) {
  int total = 0;
  for (int g = 0; g < count; g++) {
    memcpy(&out[total], groups[g]->labels, (size_t)groups[g]->count * sizeof *out);
    total += groups[g]->count;
  }
  return total;
}

// |t| as [batch.., rows, columns], or [batch.., columns, rows] where it lies that way already.
static aicc_value *as_matrices(aicc_builder *b, term *t, const group *batch, const group *rows,
                               const group *columns, bool *swapped) {
  const group *const plain[] = {batch, rows, columns}, *const turned[] = {batch, columns, rows};
  int labels[AICC_MAX_RANK];
  const int count = join_labels(turned, 3, labels);
  *swapped = memcmp(labels, t->labels, (size_t)count * sizeof *labels) == 0 && rows->count > 0;
  if (!*swapped) {
    join_labels(plain, 3, labels);
  }
  order(b, t, labels);
  aicc_dim dims[AICC_MAX_RANK + 2];
  memcpy(dims, batch->dims, (size_t)batch->count * sizeof *dims);
  const aicc_dim height = aicc_dim_product(b->module->dims, rows->dims, rows->count);
  const aicc_dim width = aicc_dim_product(b->module->dims, columns->dims, columns->count);
  dims[batch->count] = *swapped ? width : height;
  dims[batch->count + 1] = *swapped ? height : width;
  return aicc_b_reshape(b, t->value, dims, batch->count + 2);
}

// Sums over the labels that x and y share and |keep| lacks.
static term contract(aicc_builder *b, term x, term y, uint64_t keep) {
  const uint64_t shared = mask_of(&x) & mask_of(&y);
  const group batch = group_of(&x, shared & keep), inner = group_of(&x, shared & ~keep);
  const group rows = group_of(&x, ~shared), columns = group_of(&y, ~shared);
  bool trans_x, trans_y;
  aicc_value *left = as_matrices(b, &x, &batch, &rows, &inner, &trans_x);
  aicc_value *right = as_matrices(b, &y, &batch, &inner, &columns, &trans_y);
  aicc_value *z = aicc_matmul_trans(b, left, right, trans_x, trans_y);
  const group *const groups[] = {&batch, &rows, &columns};
  term result = {.value = NULL};
  aicc_dim dims[AICC_MAX_RANK];
  for (int g = 0; g < 3; g++) {
    memcpy(&dims[result.count], groups[g]->dims, (size_t)groups[g]->count * sizeof *dims);
    memcpy(&result.labels[result.count], groups[g]->labels,
           (size_t)groups[g]->count * sizeof result.labels[0]);
    result.count += groups[g]->count;
  }
  result.value = aicc_b_reshape(b, z, dims, result.count);
  return result;
}

// |t| with the dimensions |labels|, of size 1 where it has them not.
static aicc_value *spread(aicc_builder *b, term *t, const int *labels, int count) {
  int own[AICC_MAX_RANK], have = 0;
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < count; i++) {
    const int at = find_label(t, labels[i]);
    dims[i] = at >= 0 ? t->value->type.dims[at] : aicc_dim_const(b->module->dims, 1);
    if (at >= 0) {
      own[have++] = labels[i];
    }
  }
  order(b, t, own);
  return aicc_b_reshape(b, t->value, dims, count);
}

static term multiply(aicc_builder *b, term x, term y) {
  term result = {.count = x.count};
  memcpy(result.labels, x.labels, sizeof x.labels);
  for (int i = 0; i < y.count; i++) {
    if (find_label(&x, y.labels[i]) < 0) {
      result.labels[result.count++] = y.labels[i];
    }
  }
  aicc_value *left = spread(b, &x, result.labels, result.count);
  aicc_value *right = spread(b, &y, result.labels, result.count);
  result.value = aicc_mul(b, left, right);
  return result;
}

static int count_bits(uint64_t mask) {
  int count = 0;
  for (; mask; mask &= mask - 1) {
    count++;
  }
  return count;
}

static aicc_status combine(equation *e, term *x, term *y, uint64_t keep) {
  aicc_builder *b = &e->im->b;
  drop_ones(b, x, y);
  drop_ones(b, y, x);
  sum_out(b, x, keep | mask_of(y));
  sum_out(b, y, keep | mask_of(x));
  if (!x->value || !y->value) {
    return AICC_INVALID;
  }
  const uint64_t shared = mask_of(x) & mask_of(y);
  if (count_bits(mask_of(x) | mask_of(y)) > AICC_MAX_RANK - 2) {
    return aicc_unsupported(e->im, e->n, "more than 10 labels in a product of two operands");
  }
  *x = shared & ~keep ? contract(b, *x, *y, keep) : multiply(b, *x, *y);
  return x->value ? AICC_OK : AICC_INVALID;
}

aicc_status import_einsum(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  const char *text = aicc_onnx_string(n, "equation", NULL);
  if (!text || n->in_count < 1 || n->in_count > TERMS_MOST) {
    return text ? aicc_unsupported(im, n, "more than 32 operands")
                : aicc_invalid(im, n, "attribute 'equation' is missing");
  }
  equation *e = AICC_NEW(&im->scratch, equation);
  *e = (equation){.im = im, .n = n, .term_count = n->in_count};
  AICC_TRY(read_equation(e, text));
  uint64_t later[TERMS_MOST + 1];
  later[e->term_count] = mask_of(&e->result);
  for (int i = e->term_count - 1; i >= 0; i--) {
    take_diagonals(&im->b, &e->terms[i]);
    if (!e->terms[i].value) {
      return AICC_INVALID;
    }
    later[i] = later[i + 1] | mask_of(&e->terms[i]);
  }
  term all = e->terms[0];
  for (int i = 1; i < e->term_count; i++) {
    AICC_TRY(combine(e, &all, &e->terms[i], later[i + 1]));
  }
  sum_out(&im->b, &all, later[e->term_count]);
  if (!all.value) {
    return AICC_INVALID;
  }
  order(&im->b, &all, e->result.labels);
  return aicc_set_out(im, n, 0, all.value);
}
