// RNN, GRU and LSTM: one product with the inputs of all steps, then a loop over the steps that
// carries the state. Both directions run in one loop, the inputs of the second turned around.
#include <string.h>

#include "frontend/import_recurrent.h"

typedef struct recurrent {
  aicc_cell cell;
  const aicc_onnx_node *n;
  bool backward;             // the only direction is
  bool batch_first;          // layout 1
  aicc_dim steps, batch;
  aicc_value *x;             // [steps, batch, input]
  aicc_value *gates;         // [steps, [D,] batch, gates * hidden]
  aicc_value *lengths;       // i64[batch, 1]; NULL: all steps
  bool wants_all;            // output 0
  bool quantised;            // weights are bytes, with rows and columns exchanged
} recurrent;

static aicc_dim times(const recurrent *r, aicc_dim d, int64_t factor) {
  return aicc_dim_mul(r->cell.im->dims, d, aicc_const_dim(r->cell.im, factor));
}

// x[d] of a first axis.
static aicc_value *pick(aicc_importer *im, aicc_value *x, int d) {
  x = x ? aicc_b_slice(&im->b, x, 0, aicc_const_dim(im, d), aicc_const_dim(im, 1), 1) : NULL;
  return x ? aicc_b_squeeze(&im->b, x, 0) : NULL;
}

// Turns the first axis around.
static aicc_value *turn(aicc_importer *im, aicc_value *x) {
  if (!x) {
    return NULL;
  }
  const aicc_dim size = x->type.dims[0];
  return aicc_b_slice(&im->b, x, 0, aicc_dim_sub(im->dims, size, aicc_const_dim(im, 1)), size, -1);
}

static aicc_value *wide(aicc_importer *im, aicc_value *x) {
  return x ? aicc_b_cast(&im->b, x, aicc_wide_dtype(x->type.dtype)) : NULL;
}

// Elements [from, from + count) * hidden of the last axis.
static aicc_value *part(const recurrent *r, aicc_value *x, int from, int count) {
  return x ? aicc_b_slice(&r->cell.im->b, x, x->type.rank - 1, times(r, r->cell.hidden, from),
                          times(r, r->cell.hidden, count), 1)
           : NULL;
}

// --- operands ------------------------------------------------------------------------------------

static aicc_status check_shapes(aicc_importer *im, const aicc_onnx_node *n, recurrent *r) {
  AICC_TRY(aicc_need_tensors(im, n));
  const aicc_type *x = &aicc_in(n, 0)->type, *w = &aicc_in(n, 1)->type, *u = &aicc_in(n, 2)->type;
  if (x->rank != 3 || w->rank != 3 || u->rank != 3) {
    return aicc_invalid(im, n, "X, W and R have 3 dimensions");
  }
  if (r->quantised && (!aicc_in(n, 8) || !aicc_in(n, 10))) {
    return aicc_invalid(im, n, "the scales of W and R may not be left out");
  }
  const int64_t hidden = aicc_onnx_int(n, "hidden_size", 0);
  const aicc_dim of_u = u->dims[r->quantised ? 1 : 2];
  int64_t size;
  if (hidden && aicc_dim_is_const(im->dims, of_u, &size) && size != hidden) {
    return aicc_invalid(im, n, "hidden_size is %lld, R is for %lld", (long long)hidden,
                        (long long)size);
  }
  if (aicc_dim_is_const(im->dims, w->dims[0], &size) && size != r->cell.directions) {
    return aicc_invalid(im, n, "W has %lld directions, the node has %d", (long long)size,
                        r->cell.directions);
  }
  r->cell.hidden = hidden ? aicc_const_dim(im, hidden) : of_u;
  return AICC_OK;
}

static aicc_status read_attributes(aicc_importer *im, const aicc_onnx_node *n, recurrent *r) {
  aicc_cell *cell = &r->cell;
  const char *direction = aicc_onnx_string(n, "direction", "forward");
  r->backward = strcmp(direction, "reverse") == 0;
  cell->directions = strcmp(direction, "bidirectional") == 0 ? 2 : 1;
  if (cell->directions == 1 && !r->backward && strcmp(direction, "forward") != 0) {
    return aicc_invalid(im, n, "direction '%s'", direction);
  }
  cell->clip = (double)aicc_onnx_float(n, "clip", 0);
  r->batch_first = aicc_onnx_int(n, "layout", 0) != 0;
  aicc_onnx_int(n, "output_sequence", 0);  // before version 7; whether Y is named says it
  if (cell->kind == AICC_CELL_GRU) {
    cell->linear_before_reset = aicc_onnx_int(n, "linear_before_reset", 0) != 0;
  }
  if (cell->kind == AICC_CELL_LSTM) {
    cell->input_forget = aicc_onnx_int(n, "input_forget", 0) != 0;
  }
  return aicc_cell_read_activations(cell, n);
}

// The biases that are added to the inputs' product, and for GRU the one that is not.
static aicc_value *bias_of(recurrent *r, aicc_value *bias, int d, aicc_value **inner) {
  aicc_cell *cell = &r->cell;
  aicc_builder *b = &cell->im->b;
  const int gates = cell->gates;
  aicc_value *all = pick(cell->im, wide(cell->im, bias), d);
  aicc_value *w = part(r, all, 0, gates), *u = part(r, all, gates, gates);
  *inner = NULL;
  if (!cell->linear_before_reset) {
    return aicc_add(b, w, u);
  }
  *inner = part(r, u, 2, 1);
  aicc_value *const parts[] = {aicc_add(b, part(r, w, 0, 2), part(r, u, 0, 2)), part(r, w, 2, 1)};
  return aicc_b_concat(b, parts, 2, 0);
}

// Bytes of weight |i| with the scales and zero points of inputs |at| and |at| + 1: [directions] or
// [directions, gates * hidden], one dimension more than direction |d|'s, or all directions' (-1).
static aicc_quantised read_bytes(const recurrent *r, int i, int at, int d) {
  aicc_importer *im = r->cell.im;
  aicc_value *of[2] = {aicc_in(r->n, at), aicc_in(r->n, at + 1)};
  for (int k = 0; k < 2; k++) {
    aicc_value *p = of[k];
    p = p && p->type.rank == 1 ? aicc_b_unsqueeze(&im->b, p, 1) : p;
    p = p ? aicc_b_unsqueeze(&im->b, p, 1) : NULL;
    of[k] = d < 0 ? p : pick(im, p, d);
  }
  aicc_value *w = aicc_in(r->n, i);
  return (aicc_quantised){d < 0 ? w : pick(im, w, d), of[0], of[1]};
}

// x * W[d]^T of |x| [steps * batch, input].
static aicc_value *times_weight(const recurrent *r, aicc_value *x, int d) {
  aicc_importer *im = r->cell.im;
  if (!r->quantised) {
    return aicc_matmul_trans(&im->b, x, pick(im, wide(im, aicc_in(r->n, 1)), d), false, true);
  }
  const aicc_quantised q = aicc_quantise_dynamic(&im->b, x, 0), w = read_bytes(r, 1, 8, d);
  return aicc_scaled_product(&im->b, q.y, q.zero, w.y, w.zero, q.scale, w.scale, NULL);
}

// x * W[d]^T + biases for all steps: [steps, batch, gates * hidden].
static aicc_value *project(recurrent *r, int d, aicc_value **inner) {
  aicc_importer *im = r->cell.im;
  aicc_value *bias = aicc_in(r->n, 3);
  const aicc_dim flat[] = {aicc_dim_mul(im->dims, r->steps, r->batch), r->x->type.dims[2]};
  const aicc_dim full[] = {r->steps, r->batch, times(r, r->cell.hidden, r->cell.gates)};
  aicc_value *y = times_weight(r, aicc_b_reshape(&im->b, r->x, flat, 2), d);
  *inner = NULL;
  y = bias ? aicc_add(&im->b, y, bias_of(r, bias, d, inner)) : y;
  return y ? aicc_b_reshape(&im->b, y, full, 3) : NULL;
}

// Values of both directions on a new axis.
static aicc_value *stack(aicc_importer *im, aicc_value *forward, aicc_value *backward, int axis) {
  if (!forward || !backward) {
    return NULL;
  }
  aicc_value *const parts[] = {aicc_b_unsqueeze(&im->b, forward, axis),
                               aicc_b_unsqueeze(&im->b, backward, axis)};
  return aicc_b_concat(&im->b, parts, 2, axis);
}

static aicc_status make_gates(recurrent *r) {
  aicc_cell *cell = &r->cell;
  aicc_importer *im = cell->im;
  aicc_value *inner[2] = {NULL, NULL};
  r->gates = project(r, 0, &inner[0]);
  if (cell->directions == 2) {
    r->gates = stack(im, r->gates, turn(im, project(r, 1, &inner[1])), 1);
    if (inner[0]) {
      cell->hidden_bias = aicc_b_unsqueeze(&im->b, stack(im, inner[0], inner[1], 0), 1);
    }
  } else {
    cell->hidden_bias = inner[0];
  }
  if (r->quantised) {
    cell->quantised = read_bytes(r, 2, 10, cell->directions == 1 ? 0 : -1);
    return r->gates && cell->quantised.y ? AICC_OK : AICC_INVALID;
  }
  cell->recurrent = wide(im, aicc_in(r->n, 2));
  if (cell->directions == 1) {
    cell->recurrent = pick(im, cell->recurrent, 0);
  }
  return r->gates && cell->recurrent ? AICC_OK : AICC_INVALID;
}

static aicc_status read_peepholes(recurrent *r, aicc_value *p) {
  aicc_cell *cell = &r->cell;
  aicc_importer *im = cell->im;
  p = wide(im, p);
  for (int i = 0; i < 3 && p; i++) {
    aicc_value *one = part(r, p, i, 1);
    cell->peephole[i] = cell->directions == 1 ? pick(im, one, 0)
                        : one                 ? aicc_b_unsqueeze(&im->b, one, 1)
                                              : NULL;
    if (!cell->peephole[i]) {
      return AICC_INVALID;
    }
  }
  return AICC_OK;
}

// An initial state [directions, batch, hidden] (or batch first) as [D,] batch, hidden.
static aicc_value *initial(const recurrent *r, aicc_value *state) {
  aicc_importer *im = r->cell.im;
  const int both = r->cell.directions == 2;
  const aicc_dim dims[] = {aicc_const_dim(im, 2), r->batch, r->cell.hidden};
  if (!state) {
    return aicc_filled(&im->b, r->x->type.dtype, 0, &dims[!both], 2 + both);
  }
  if (r->batch_first && state->type.rank == 3) {
    state = aicc_b_transpose(&im->b, state, (const int64_t[]){1, 0, 2});
  }
  return aicc_b_reshape(&im->b, wide(im, state), &dims[!both], 2 + both);
}

// --- the loop ------------------------------------------------------------------------------------

// Whether step |index| is within the sequence: bool [D,] batch, 1. NULL: always.
static aicc_value *is_within(const recurrent *r, aicc_value *index) {
  aicc_importer *im = r->cell.im;
  aicc_builder *b = &im->b;
  if (!r->lengths) {
    return NULL;
  }
  const aicc_dim last = aicc_dim_sub(im->dims, r->steps, aicc_const_dim(im, 1));
  aicc_value *mirrored = aicc_sub(b, aicc_b_from_dim(b, last), index);
  aicc_value *time = r->backward ? mirrored : index;
  if (r->cell.directions == 2) {
    const aicc_dim ones[] = {aicc_const_dim(im, 1), aicc_const_dim(im, 1), aicc_const_dim(im, 1)};
    aicc_value *const parts[] = {aicc_b_reshape(b, index, ones, 3),
                                 aicc_b_reshape(b, mirrored, ones, 3)};
    time = aicc_b_concat(b, parts, 2, 0);
  }
  return aicc_b_binary(b, AICC_OP_LT, time, r->lengths);
}

static aicc_status body(void *context, aicc_value *index, aicc_value *const *states,
                        aicc_value **results) {
  const recurrent *r = context;
  const bool has_cell = r->cell.kind == AICC_CELL_LSTM;
  aicc_importer *im = r->cell.im;
  aicc_builder *b = &im->b;
  aicc_value *at = index;
  if (r->backward) {
    const aicc_dim last = aicc_dim_sub(im->dims, r->steps, aicc_const_dim(im, 1));
    at = aicc_sub(b, aicc_b_from_dim(b, last), index);
  }
  aicc_value *x = aicc_b_gather(b, r->gates, at, 0), *h, *c, *all;
  aicc_value *within = is_within(r, index), *old_c = has_cell ? states[1] : NULL;
  aicc_cell_step(&r->cell, x, states[0], old_c, &h, &c);
  all = h;
  if (within && h) {
    all = aicc_b_select(b, within, h, aicc_b_scalar_like(b, h, 0));
    h = aicc_b_select(b, within, h, states[0]);
    c = has_cell ? aicc_b_select(b, within, c, old_c) : NULL;
  }
  int at_result = 0;
  results[at_result++] = NULL;
  results[at_result++] = h;
  if (has_cell) {
    results[at_result++] = c;
  }
  if (r->wants_all) {
    results[at_result] = all;
  }
  return h && (c || !has_cell) ? AICC_OK : AICC_INVALID;
}

// --- results -------------------------------------------------------------------------------------

// Y [steps, directions, batch, hidden] from what the steps gave, in their order.
static aicc_value *place_all(const recurrent *r, aicc_value *y) {
  aicc_importer *im = r->cell.im;
  aicc_builder *b = &im->b;
  const aicc_dim zero = aicc_const_dim(im, 0), one = aicc_const_dim(im, 1);
  if (r->cell.directions == 1) {
    y = aicc_b_unsqueeze(b, r->backward ? turn(im, y) : y, 1);
  } else {
    aicc_value *const parts[] = {aicc_b_slice(b, y, 1, zero, one, 1),
                                 turn(im, aicc_b_slice(b, y, 1, one, one, 1))};
    y = aicc_b_concat(b, parts, 2, 1);
  }
  return y && r->batch_first ? aicc_b_transpose(b, y, (const int64_t[]){2, 0, 1, 3}) : y;
}

static aicc_value *place_state(const recurrent *r, aicc_value *h) {
  aicc_builder *b = &r->cell.im->b;
  h = r->cell.directions == 1 ? aicc_b_unsqueeze(b, h, 0) : h;
  return h && r->batch_first ? aicc_b_transpose(b, h, (const int64_t[]){1, 0, 2}) : h;
}

static aicc_status set_out(const recurrent *r, int i, aicc_value *value) {
  const aicc_dtype dtype = aicc_in(r->n, 0)->type.dtype;
  return aicc_set_out(r->cell.im, r->n, i,
                      value ? aicc_b_cast(&r->cell.im->b, value, dtype) : NULL);
}

static aicc_status run(recurrent *r, aicc_value *h, aicc_value *c) {
  aicc_importer *im = r->cell.im;
  const bool has_cell = r->cell.kind == AICC_CELL_LSTM;
  aicc_value *const init[] = {h, c};
  aicc_value *out[3];
  if (!h || (has_cell && !c)) {
    return AICC_INVALID;
  }
  r->wants_all = aicc_wants_out(r->n, 0);
  const aicc_loop loop = {.n = r->n, .trips = aicc_b_from_dim(&im->b, r->steps),
                          .states = 1 + has_cell, .scans = r->wants_all, .init = init,
                          .body = body, .context = r};
  AICC_TRY(aicc_build_loop(im, &loop, out));
  if (r->wants_all) {
    AICC_TRY(set_out(r, 0, place_all(r, out[1 + has_cell])));
  }
  if (aicc_wants_out(r->n, 1)) {
    AICC_TRY(set_out(r, 1, place_state(r, out[0])));
  }
  return has_cell && aicc_wants_out(r->n, 2) ? set_out(r, 2, place_state(r, out[1])) : AICC_OK;
}

static aicc_value *lengths_of(const recurrent *r, aicc_value *lengths) {
  aicc_importer *im = r->cell.im;
  const aicc_dim dims[] = {r->batch, aicc_const_dim(im, 1)};
  return lengths ? aicc_b_reshape(&im->b, aicc_b_cast(&im->b, lengths, AICC_I64), dims, 2) : NULL;
}

// Payload: an aicc_cell_kind; RECURRENT_QUANTISED with it, and the weights are bytes.
enum { RECURRENT_QUANTISED = 4 };

aicc_status import_recurrent(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  recurrent r = {.n = n, .quantised = payload >= RECURRENT_QUANTISED,
                 .cell = {.im = im, .kind = (aicc_cell_kind)(payload % RECURRENT_QUANTISED)}};
  const aicc_cell_kind kind = r.cell.kind;
  r.cell.gates = kind == AICC_CELL_LSTM ? 4 : kind == AICC_CELL_GRU ? 3 : 1;
  AICC_TRY(read_attributes(im, n, &r));
  AICC_TRY(check_shapes(im, n, &r));
  r.x = wide(im, aicc_in(n, 0));
  if (r.batch_first && r.x) {
    r.x = aicc_b_transpose(&im->b, r.x, (const int64_t[]){1, 0, 2});
  }
  if (!r.x) {
    return AICC_INVALID;
  }
  r.steps = r.x->type.dims[0];
  r.batch = r.x->type.dims[1];
  AICC_TRY(make_gates(&r));
  r.lengths = lengths_of(&r, aicc_in(n, 4));
  aicc_value *c = NULL;
  if (kind == AICC_CELL_LSTM) {
    c = initial(&r, aicc_in(n, 6));
    AICC_TRY(read_peepholes(&r, aicc_in(n, 7)));
  }
  return run(&r, initial(&r, aicc_in(n, 5)), c);
}
