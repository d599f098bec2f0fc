// Sequences and optionals. What is known of a sequence when it is imported is used at once: then no
// sequence is left when the model runs.
#include "frontend/import_control.h"

#include <string.h>

#include "frontend/import_math.h"

// --- types ---------------------------------------------------------------------------------------

aicc_type aicc_type_nested(aicc_importer *im, aicc_type_kind kind, aicc_type element) {
  aicc_type *copy = aicc_arena_memdup(&im->module->arena, &element, sizeof element);
  return (aicc_type){.kind = kind, .dtype = element.dtype, .element = copy};
}

aicc_type aicc_element_type(aicc_importer *im, const aicc_type *type) {
  if (type->kind != AICC_TYPE_TENSOR || type->rank <= 0) {
    return *type;
  }
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < type->rank; i++) {
    dims[i] = aicc_dim_is_const(im->dims, type->dims[i], NULL)
                  ? type->dims[i]
                  : aicc_dim_symbol(im->dims, AICC_DIM_ANY);
  }
  return aicc_type_tensor(im->module, type->dtype, dims, type->rank);
}

aicc_type aicc_element_fresh(aicc_importer *im, const aicc_type *type) {
  if (type->kind != AICC_TYPE_TENSOR || type->rank <= 0) {
    return *type;
  }
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < type->rank; i++) {
    dims[i] = aicc_dim_is_const(im->dims, type->dims[i], NULL)
                  ? type->dims[i]
                  : aicc_dim_fresh(im->dims, "element");
  }
  return aicc_type_tensor(im->module, type->dtype, dims, type->rank);
}

static aicc_type unknown_rank(aicc_dtype dtype) {
  return (aicc_type){.kind = AICC_TYPE_TENSOR, .dtype = dtype, .rank = -1};
}

bool aicc_type_join(aicc_importer *im, const aicc_type *a, const aicc_type *b, aicc_type *out) {
  if (a->kind != b->kind || a->dtype != b->dtype) {
    return false;
  }
  if (a->kind != AICC_TYPE_TENSOR) {
    aicc_type element;
    if (!aicc_type_join(im, a->element, b->element, &element)) {
      return false;
    }
    *out = aicc_type_nested(im, a->kind, element);
    return true;
  }
  if (a->rank != b->rank) {
    *out = unknown_rank(a->dtype);
    return true;
  }
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < a->rank; i++) {
    dims[i] = a->dims[i] == b->dims[i] ? a->dims[i] : aicc_dim_symbol(im->dims, AICC_DIM_ANY);
  }
  const aicc_type joined =
      a->rank < 0 ? *a : aicc_type_tensor(im->module, a->dtype, dims, a->rank);
  *out = aicc_element_type(im, &joined);
  return true;
}

bool aicc_is_untyped_sequence(const aicc_value *sequence) {
  return sequence->def && sequence->def->op == AICC_OP_SEQ_EMPTY &&
         sequence->type.element->kind == AICC_TYPE_TENSOR && sequence->type.element->rank == -1;
}

// --- nodes ---------------------------------------------------------------------------------------

static aicc_value *finish(aicc_importer *im, aicc_op op, aicc_value *const *in, int count,
                          aicc_type type) {
  aicc_node *node = aicc_node_create(im->module, op, in, count, 1);
  node->out[0]->type = type;
  return aicc_b_finish(&im->b, node);
}

aicc_value *aicc_sequence_empty(aicc_importer *im, aicc_type element) {
  return finish(im, AICC_OP_SEQ_EMPTY, NULL, 0,
                aicc_type_nested(im, AICC_TYPE_SEQUENCE, element));
}

// A sequence that a loop carries is imported first without a type of elements, then with the one
// that the first import found.
static bool takes_type(const aicc_importer *im, const aicc_value *sequence) {
  const bool carried = !sequence->def && sequence->region != im->module->body;
  return aicc_is_untyped_sequence(sequence) || (carried && sequence->type.element->rank == -1);
}

aicc_value *aicc_sequence_insert(aicc_importer *im, const aicc_onnx_node *n, aicc_value *sequence,
                                 aicc_value *item, aicc_value *position) {
  aicc_type element = aicc_element_type(im, &item->type);
  if (sequence->type.kind != AICC_TYPE_SEQUENCE ||
      (!takes_type(im, sequence) &&
       !aicc_type_join(im, sequence->type.element, &element, &element))) {
    (void)!aicc_invalid(im, n, "the element does not fit the sequence");
    return NULL;
  }
  aicc_value *const in[] = {sequence, item, position};
  return finish(im, AICC_OP_SEQ_INSERT, in, position ? 3 : 2,
                aicc_type_nested(im, AICC_TYPE_SEQUENCE, element));
}

// --- sequences that are known --------------------------------------------------------------------

enum { ITEMS_MAX = 4096 };

typedef struct items {
  aicc_value **at;
  int count;
} items;

// The constant position operand |i|, |otherwise| where it is left out.
static bool known_position(const aicc_importer *im, const aicc_node *node, int i, int count,
                           int otherwise, int *out) {
  const aicc_value *x = i < node->in_count ? node->in[i] : NULL;
  int64_t position = otherwise;
  if (x && !(x->partial && aicc_dim_is_const(im->dims, x->partial[0], &position))) {
    return false;
  }
  position = position < 0 ? position + count : position;
  *out = (int)position;
  return position >= 0 && position <= count;
}

// The elements of |sequence| where its making is known. Fills |out|.
static bool known_items(aicc_importer *im, const aicc_value *sequence, items *out) {
  const aicc_node *chain[ITEMS_MAX];
  int length = 0;
  for (; sequence->def && sequence->def->op != AICC_OP_SEQ_EMPTY; sequence = sequence->def->in[0]) {
    const aicc_op op = sequence->def->op;
    if ((op != AICC_OP_SEQ_INSERT && op != AICC_OP_SEQ_ERASE) || length == ITEMS_MAX) {
      return false;
    }
    chain[length++] = sequence->def;
  }
  if (!sequence->def) {
    return false;
  }
  *out = (items){.at = AICC_NEW_ARRAY(&im->scratch, aicc_value *, length + 1)};
  while (length > 0) {
    const aicc_node *node = chain[--length];
    const bool inserts = node->op == AICC_OP_SEQ_INSERT;
    int at;
    if (!known_position(im, node, inserts ? 2 : 1, out->count, out->count - !inserts, &at) ||
        (!inserts && at >= out->count)) {
      return false;
    }
    memmove(&out->at[at + inserts], &out->at[at + !inserts],
            sizeof *out->at * (size_t)(out->count - at - !inserts));
    if (inserts) {
      out->at[at] = node->in[1];
    }
    out->count += inserts ? 1 : -1;
  }
  return true;
}

aicc_value *aicc_sequence_length(aicc_importer *im, aicc_value *sequence) {
  items known;
  if (known_items(im, sequence, &known)) {
    return aicc_b_scalar_i64(&im->b, AICC_I64, known.count);
  }
  return finish(im, AICC_OP_SEQ_LENGTH, &sequence, 1,
                aicc_type_tensor(im->module, AICC_I64, NULL, 0));
}

aicc_value *aicc_sequence_at(aicc_importer *im, const aicc_onnx_node *n, aicc_value *sequence,
                             aicc_value *position) {
  items known;
  int64_t at;
  if (sequence->type.kind != AICC_TYPE_SEQUENCE) {
    (void)!aicc_invalid(im, n, "the input is no sequence");
    return NULL;
  }
  if (position && position->partial && aicc_dim_is_const(im->dims, position->partial[0], &at) &&
      known_items(im, sequence, &known)) {
    at = at < 0 ? at + known.count : at;
    if (at < 0 || at >= known.count) {
      (void)!aicc_invalid(im, n, "position %lld of a sequence of %d", (long long)at, known.count);
      return NULL;
    }
    return known.at[at];
  }
  const aicc_type *element = sequence->type.element;
  if (element->kind == AICC_TYPE_TENSOR && element->rank < 0) {
    (void)!aicc_unsupported(im, n, "a sequence whose elements have no known rank");
    return NULL;
  }
  aicc_value *const in[] = {sequence, position};
  return position ? finish(im, AICC_OP_SEQ_AT, in, 2, aicc_element_fresh(im, element)) : NULL;
}

// --- operators -----------------------------------------------------------------------------------

static aicc_status need_sequence(aicc_importer *im, const aicc_onnx_node *n) {
  return aicc_in(n, 0)->type.kind == AICC_TYPE_SEQUENCE
             ? AICC_OK : aicc_invalid(im, n, "the input is no sequence");
}

// The first input is a sequence, the others tensors.
static aicc_status need_sequence_and_tensors(aicc_importer *im, const aicc_onnx_node *n) {
  for (int i = 1; i < n->in_count; i++) {
    const aicc_value *x = aicc_in(n, i);
    if (x && (x->type.kind != AICC_TYPE_TENSOR || x->type.rank < 0)) {
      return aicc_invalid(im, n, "input %d is no tensor", i);
    }
  }
  return need_sequence(im, n);
}

// A position as i64[]; NULL where it is left out.
static aicc_value *position_of(aicc_importer *im, const aicc_onnx_node *n, int i) {
  aicc_value *x = aicc_in(n, i);
  x = x ? aicc_as_scalar(im, x) : NULL;
  return x ? aicc_b_cast(&im->b, x, AICC_I64) : NULL;
}

aicc_status import_sequence_empty(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_dtype dtype;
  const int64_t type = aicc_onnx_int(n, "dtype", 1);
  if (!aicc_dtype_from_onnx((int)type, &dtype)) {
    return aicc_unsupported(im, n, "elements of type %lld", (long long)type);
  }
  return aicc_set_out(im, n, 0, aicc_sequence_empty(im, unknown_rank(dtype)));
}

aicc_status import_sequence_construct(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_value *sequence = aicc_sequence_empty(im, unknown_rank(aicc_in(n, 0)->type.dtype));
  for (int i = 0; i < n->in_count && sequence; i++) {
    if (!aicc_in(n, i)) {
      return aicc_invalid(im, n, "input %d is left out", i);
    }
    sequence = aicc_sequence_insert(im, n, sequence, aicc_in(n, i), NULL);
  }
  return aicc_set_out(im, n, 0, sequence);
}

aicc_status import_sequence_insert(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(need_sequence_and_tensors(im, n));
  return aicc_set_out(im, n, 0, aicc_sequence_insert(im, n, aicc_in(n, 0), aicc_in(n, 1),
                                                     position_of(im, n, 2)));
}

aicc_status import_sequence_erase(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(need_sequence_and_tensors(im, n));
  aicc_value *const in[] = {aicc_in(n, 0), position_of(im, n, 1)};
  return aicc_set_out(im, n, 0,
                      finish(im, AICC_OP_SEQ_ERASE, in, in[1] ? 2 : 1, aicc_in(n, 0)->type));
}

aicc_status import_sequence_at(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(need_sequence_and_tensors(im, n));
  return aicc_set_out(im, n, 0,
                      aicc_sequence_at(im, n, aicc_in(n, 0), position_of(im, n, 1)));
}

aicc_status import_sequence_length(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(need_sequence(im, n));
  return aicc_set_out(im, n, 0, aicc_sequence_length(im, aicc_in(n, 0)));
}

// --- joining -------------------------------------------------------------------------------------

static aicc_value *concat_known(aicc_importer *im, const items *known, int axis, bool new_axis) {
  aicc_value **parts = AICC_NEW_ARRAY(&im->scratch, aicc_value *, known->count);
  for (int i = 0; i < known->count; i++) {
    parts[i] = new_axis ? aicc_b_unsqueeze(&im->b, known->at[i], axis) : known->at[i];
  }
  return aicc_b_concat(&im->b, parts, known->count, axis);
}

aicc_status import_concat_from_sequence(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(need_sequence(im, n));
  aicc_value *sequence = aicc_in(n, 0);
  const aicc_type *element = sequence->type.element;
  const bool new_axis = aicc_onnx_int(n, "new_axis", 0) != 0;
  const int64_t axis = aicc_onnx_int(n, "axis", 0);
  int at;
  if (element->kind != AICC_TYPE_TENSOR || element->rank < 0) {
    return aicc_unsupported(im, n, "a sequence whose elements have no known rank");
  }
  const int rank = element->rank + new_axis;
  AICC_TRY(aicc_axis(im, n, axis, rank, &at));
  items known;
  if (known_items(im, sequence, &known) && known.count > 0) {
    return aicc_set_out(im, n, 0, concat_known(im, &known, at, new_axis));
  }
  if (rank > AICC_MAX_RANK) {
    return aicc_unsupported(im, n, "a result of more than 12 dimensions");
  }
  const aicc_type one = aicc_element_fresh(im, element);
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    dims[i] = i == at ? aicc_dim_fresh(im->dims, "joined")
                      : one.dims[new_axis && i > at ? i - 1 : i];
  }
  aicc_node *node = aicc_node_create(im->module, AICC_OP_SEQ_CONCAT, &sequence, 1, 1);
  node->out[0]->type = aicc_type_tensor(im->module, element->dtype, dims, rank);
  aicc_set_int(im->module, node, AICC_ATTR_AXIS, at);
  aicc_set_int(im->module, node, AICC_ATTR_KEEPDIMS, new_axis);
  return aicc_set_out(im, n, 0, aicc_b_finish(&im->b, node));
}

// --- splitting -----------------------------------------------------------------------------------

typedef struct split {
  aicc_importer *im;
  const aicc_onnx_node *n;
  aicc_value *x;
  int axis;
  aicc_dim chunk;
  aicc_value *lengths;  // i64, of a number of parts that is not known
  bool squeeze;
} split;

static aicc_value *take(const split *s, aicc_dim start, aicc_dim size) {
  aicc_value *part = aicc_b_slice(&s->im->b, s->x, s->axis, start, size, 1);
  return part && s->squeeze ? aicc_b_squeeze(&s->im->b, part, s->axis) : part;
}

static aicc_status split_body(void *context, aicc_value *index, aicc_value *const *states,
                              aicc_value **results) {
  const split *s = context;
  aicc_dims *dims = s->im->dims;
  const aicc_dim *i;
  int count;
  results[0] = NULL;
  if (!aicc_b_as_dims(&s->im->b, index, &i, &count)) {
    return AICC_INVALID;
  }
  const aicc_dim start = aicc_dim_mul(dims, i[0], s->chunk);
  const aicc_dim rest = aicc_dim_sub(dims, s->x->type.dims[s->axis], start);
  aicc_value *part = take(s, start, s->squeeze ? aicc_const_dim(s->im, 1)
                                               : aicc_dim_min(dims, s->chunk, rest));
  results[1] = part ? aicc_sequence_insert(s->im, s->n, states[0], part, NULL) : NULL;
  return results[1] ? AICC_OK : AICC_INVALID;
}

static aicc_status split_known(const split *s, const aicc_dim *sizes, int count,
                               aicc_value **out) {
  aicc_dim start = aicc_const_dim(s->im, 0);
  *out = aicc_sequence_empty(s->im, unknown_rank(s->x->type.dtype));
  for (int i = 0; i < count && *out; i++) {
    aicc_value *part = take(s, start, sizes[i]);
    *out = part ? aicc_sequence_insert(s->im, s->n, *out, part, NULL) : NULL;
    start = aicc_dim_add(s->im->dims, start, sizes[i]);
  }
  return *out ? AICC_OK : AICC_INVALID;
}

// Chunks of one size; the last may be smaller.
static aicc_status split_chunks(split *s, aicc_value **out) {
  aicc_dims *dims = s->im->dims;
  const aicc_dim total = s->x->type.dims[s->axis];
  const aicc_dim trips = aicc_dim_ceildiv(dims, total, s->chunk);
  int64_t count, chunk, size;
  if (aicc_dim_is_const(dims, trips, &count) && aicc_dim_is_const(dims, s->chunk, &chunk) &&
      aicc_dim_is_const(dims, total, &size) && count < ITEMS_MAX) {
    aicc_dim *sizes = AICC_NEW_ARRAY(&s->im->scratch, aicc_dim, count + 1);
    for (int64_t i = 0; i < count; i++) {
      sizes[i] = aicc_const_dim(s->im, i + 1 < count ? chunk : size - i * chunk);
    }
    return split_known(s, sizes, (int)count, out);
  }
  aicc_value *const init[] = {
      aicc_sequence_empty(s->im, unknown_rank(s->x->type.dtype))};
  const aicc_loop loop = {.n = s->n, .trips = aicc_b_from_dim(&s->im->b, trips), .states = 1,
                          .init = init, .body = split_body, .context = s};
  return aicc_build_loop(s->im, &loop, out);
}

// The one element of |x| as a size.
static bool one_dim(aicc_importer *im, aicc_value *x, aicc_dim *out) {
  const aicc_dim *dims = NULL;
  int count = 0;
  const bool found = x && aicc_b_as_dims(&im->b, x, &dims, &count) && count == 1;
  *out = found ? dims[0] : aicc_const_dim(im, 0);
  return found;
}

// States: the sequence, and where the next part starts.
static aicc_status listed_body(void *context, aicc_value *index, aicc_value *const *states,
                               aicc_value **results) {
  const split *s = context;
  aicc_builder *b = &s->im->b;
  aicc_value *length = aicc_b_gather(b, s->lengths, index, 0);
  aicc_dim start, size;
  results[0] = NULL;
  if (!one_dim(s->im, states[1], &start) || !one_dim(s->im, length, &size)) {
    return AICC_INVALID;
  }
  aicc_value *part = take(s, start, size);
  results[1] = part ? aicc_sequence_insert(s->im, s->n, states[0], part, NULL) : NULL;
  results[2] = aicc_add(b, states[1], length);
  return results[1] && results[2] ? AICC_OK : AICC_INVALID;
}

// Parts as long as a list says whose own length is found when the model runs.
static aicc_status split_listed(split *s, aicc_value *lengths, aicc_value **out) {
  aicc_builder *b = &s->im->b;
  s->lengths = aicc_b_cast(b, lengths, AICC_I64);
  aicc_value *const init[] = {aicc_sequence_empty(s->im, unknown_rank(s->x->type.dtype)),
                              aicc_b_scalar_i64(b, AICC_I64, 0)};
  aicc_value *results[2] = {NULL, NULL};
  const aicc_loop loop = {.n = s->n, .trips = aicc_b_from_dim(b, lengths->type.dims[0]),
                          .states = 2, .init = init, .body = listed_body, .context = s};
  AICC_TRY(aicc_build_loop(s->im, &loop, results));
  *out = results[0];
  return AICC_OK;
}

aicc_status import_split_to_sequence(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(aicc_need_tensors(im, n));
  aicc_value *lengths = aicc_in(n, 1), *out = NULL;
  split s = {.im = im, .n = n, .x = aicc_in(n, 0), .chunk = aicc_const_dim(im, 1)};
  const bool keep = aicc_onnx_int(n, "keepdims", 1) != 0;
  AICC_TRY(aicc_axis(im, n, aicc_onnx_int(n, "axis", 0), s.x->type.rank, &s.axis));
  s.squeeze = !lengths && !keep;
  const aicc_dim *sizes = NULL;
  int count = 0;
  if (lengths && lengths->type.rank == 1 &&
      !aicc_dim_is_const(im->dims, lengths->type.dims[0], NULL)) {
    AICC_TRY(split_listed(&s, lengths, &out));
    return aicc_set_out(im, n, 0, out);
  }
  AICC_TRY(aicc_in_dims(im, n, 1, &sizes, &count));
  if (lengths && lengths->type.rank == 1) {
    AICC_TRY(split_known(&s, sizes, count, &out));
    return aicc_set_out(im, n, 0, out);
  }
  s.chunk = lengths ? sizes[0] : s.chunk;
  AICC_TRY(split_chunks(&s, &out));
  return aicc_set_out(im, n, 0, out);
}

// --- SequenceMap ---------------------------------------------------------------------------------

typedef struct map {
  aicc_importer *im;
  const aicc_onnx_node *n;
  const Onnx__GraphProto *graph;
} map;

static aicc_status map_body(void *context, aicc_value *index, aicc_value *const *states,
                            aicc_value **results) {
  const map *m = context;
  aicc_importer *im = m->im;
  const int outs = (int)m->graph->n_output;
  aicc_value **inputs = AICC_NEW_ARRAY(&im->scratch, aicc_value *, m->n->in_count);
  aicc_value **yields = AICC_NEW_ARRAY(&im->scratch, aicc_value *, outs);
  for (int i = 0; i < m->n->in_count; i++) {
    aicc_value *x = aicc_in(m->n, i);
    inputs[i] = x && x->type.kind == AICC_TYPE_SEQUENCE ? aicc_sequence_at(im, m->n, x, index) : x;
    if (!inputs[i]) {
      return AICC_INVALID;
    }
  }
  AICC_TRY(aicc_import_inline(im, m->n, m->graph, inputs, m->n->in_count, yields));
  results[0] = NULL;
  for (int i = 0; i < outs; i++) {
    results[1 + i] = aicc_sequence_insert(im, m->n, states[i], yields[i], NULL);
    if (!results[1 + i]) {
      return AICC_INVALID;
    }
  }
  return AICC_OK;
}

// The element type that the body's output declares, which is where the states begin.
static aicc_status map_init(const map *m, int i, aicc_value **out) {
  aicc_type type;
  AICC_TRY(aicc_import_type(m->im, m->graph->output[i]->type, &type));
  *out = aicc_sequence_empty(m->im, unknown_rank(type.dtype));
  return AICC_OK;
}

aicc_status import_sequence_map(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  AICC_TRY(need_sequence(im, n));
  map m = {.im = im, .n = n, .graph = aicc_onnx_graph(n, "body")};
  const int outs = m.graph ? (int)m.graph->n_output : 0;
  if (!m.graph || outs < n->out_count) {
    return aicc_invalid(im, n, "the body yields fewer values than the node has outputs");
  }
  aicc_value **init = AICC_NEW_ARRAY(&im->scratch, aicc_value *, outs);
  aicc_value **out = AICC_NEW_ARRAY(&im->scratch, aicc_value *, outs);
  for (int i = 0; i < outs; i++) {
    AICC_TRY(map_init(&m, i, &init[i]));
  }
  const aicc_loop loop = {.n = n, .trips = aicc_sequence_length(im, aicc_in(n, 0)),
                          .states = outs, .init = init, .body = map_body, .context = &m};
  AICC_TRY(aicc_build_loop(im, &loop, out));
  for (int i = 0; i < n->out_count; i++) {
    AICC_TRY(aicc_set_out(im, n, i, out[i]));
  }
  return AICC_OK;
}

// --- optionals -----------------------------------------------------------------------------------

aicc_value *aicc_optional_make(aicc_importer *im, aicc_value *x) {
  const aicc_type element = aicc_element_type(im, &x->type);
  return finish(im, AICC_OP_OPT_MAKE, &x, 1, aicc_type_nested(im, AICC_TYPE_OPTIONAL, element));
}

aicc_status import_optional(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_value *x = aicc_in(n, 0);
  const Onnx__TypeProto *type = aicc_onnx_type(n, "type");
  if (x) {
    return aicc_set_out(im, n, 0, aicc_optional_make(im, x));
  }
  if (!type) {
    return aicc_invalid(im, n, "an optional needs an input or a type");
  }
  aicc_type element;
  AICC_TRY(aicc_import_type(im, type, &element));
  element = aicc_element_type(im, &element);
  return aicc_set_out(im, n, 0, finish(im, AICC_OP_OPT_MAKE, NULL, 0,
                                       aicc_type_nested(im, AICC_TYPE_OPTIONAL, element)));
}

static const aicc_node *known_optional(const aicc_value *x) {
  return x->def && x->def->op == AICC_OP_OPT_MAKE ? x->def : NULL;
}

aicc_status import_optional_has_element(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_value *x = aicc_in(n, 0);
  if (!x || x->type.kind != AICC_TYPE_OPTIONAL || known_optional(x)) {
    const bool full = x && (x->type.kind != AICC_TYPE_OPTIONAL || x->def->in_count == 1);
    return aicc_set_out(im, n, 0, aicc_b_scalar_i64(&im->b, AICC_BOOL, full));
  }
  return aicc_set_out(im, n, 0, finish(im, AICC_OP_OPT_HAS, &x, 1,
                                       aicc_type_tensor(im->module, AICC_BOOL, NULL, 0)));
}

aicc_value *aicc_optional_get(aicc_importer *im, const aicc_onnx_node *n, aicc_value *x) {
  if (x->type.kind != AICC_TYPE_OPTIONAL) {
    return x;
  }
  const aicc_node *make = known_optional(x);
  if (make && make->in_count == 1) {
    return make->in[0];
  }
  const aicc_type element = aicc_element_fresh(im, x->type.element);
  if (element.kind == AICC_TYPE_TENSOR && element.rank < 0) {
    (void)!aicc_unsupported(im, n, "an optional whose element has no known rank");
    return NULL;
  }
  return finish(im, AICC_OP_OPT_GET, &x, 1, element);
}

aicc_status import_optional_get_element(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  return aicc_set_out(im, n, 0, aicc_optional_get(im, n, aicc_in(n, 0)));
}
