// Loop and Scan; If: import_if.c.
#include <string.h>

#include "frontend/import_control.h"

#include "frontend/import_internal.h"

bool aicc_known_truth(const aicc_importer *im, const aicc_value *x, bool *truth) {
  int64_t value;
  if (x && x->partial && aicc_dim_is(im->dims, aicc_type_count(im->module, &x->type), 1) &&
      aicc_dim_is_const(im->dims, x->partial[0], &value)) {
    *truth = value != 0;
    return true;
  }
  return false;
}

aicc_status aicc_need_scalar(aicc_importer *im, const aicc_onnx_node *n, int i) {
  const aicc_value *x = aicc_in(n, i);
  int64_t count = 1;
  if (!x || (x->type.kind == AICC_TYPE_TENSOR &&
             (!aicc_dim_is_const(im->dims, aicc_type_count(im->module, &x->type), &count) ||
              count == 1))) {
    return AICC_OK;
  }
  return aicc_invalid(im, n, "input %d must be a tensor of one element", i);
}

// --- Loop ----------------------------------------------------------------------------------------

typedef struct onnx_body {
  aicc_importer *im;
  const aicc_onnx_node *n;
  const Onnx__GraphProto *graph;
  int states, scans;
  // Scan: what it runs over.
  int inputs;
  aicc_value *const *over;
  const int64_t *axes;      // not negative
  const int64_t *backward;  // NULL: none is
} onnx_body;

static aicc_status loop_body(void *context, aicc_value *index, aicc_value *const *states,
                             aicc_value **results) {
  const onnx_body *body = context;
  aicc_importer *im = body->im;
  aicc_value **inputs = AICC_NEW_ARRAY(&im->scratch, aicc_value *, 2 + body->states);
  inputs[0] = index;
  inputs[1] = aicc_b_scalar_i64(&im->b, AICC_BOOL, 1);  // no round begins without it
  for (int s = 0; s < body->states; s++) {
    inputs[2 + s] = states[s];
  }
  return aicc_import_inline(im, body->n, body->graph, inputs, 2 + body->states, results);
}

static aicc_status set_outs(aicc_importer *im, const aicc_onnx_node *n, aicc_value *const *out) {
  for (int i = 0; i < n->out_count; i++) {
    AICC_TRY(aicc_set_out(im, n, i, out[i]));
  }
  return AICC_OK;
}

aicc_status import_loop(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  const Onnx__GraphProto *graph = aicc_onnx_graph(n, "body");
  const int states = n->in_count > 2 ? n->in_count - 2 : 0;
  if (!graph || (int)graph->n_output < 1 + states) {
    return aicc_invalid(im, n, "the body yields fewer values than the loop has states");
  }
  onnx_body body = {.im = im, .n = n, .graph = graph, .states = states};
  body.scans = (int)graph->n_output - 1 - states;
  aicc_value **init = AICC_NEW_ARRAY(&im->scratch, aicc_value *, states);
  aicc_value **out = AICC_NEW_ARRAY(&im->scratch, aicc_value *, states + body.scans);
  for (int s = 0; s < states; s++) {
    init[s] = aicc_in(n, 2 + s);
    if (!init[s]) {
      return aicc_invalid(im, n, "state %d has no initial value", s);
    }
  }
  if (n->out_count > states + body.scans) {
    return aicc_invalid(im, n, "the body yields fewer values than the loop has outputs");
  }
  AICC_TRY(aicc_need_scalar(im, n, 0));
  AICC_TRY(aicc_need_scalar(im, n, 1));
  const aicc_loop loop = {.n = n, .trips = aicc_in(n, 0), .condition = aicc_in(n, 1),
                          .states = states, .scans = body.scans, .init = init,
                          .body = loop_body, .context = &body};
  AICC_TRY(aicc_build_loop(im, &loop, out));
  return set_outs(im, n, out);
}

// --- Scan ----------------------------------------------------------------------------------------

static aicc_status scan_body(void *context, aicc_value *index, aicc_value *const *states,
                             aicc_value **results) {
  const onnx_body *body = context;
  aicc_importer *im = body->im;
  aicc_value **inputs =
      AICC_NEW_ARRAY(&im->scratch, aicc_value *, body->states + body->inputs);
  for (int s = 0; s < body->states; s++) {
    inputs[s] = states[s];
  }
  for (int i = 0; i < body->inputs; i++) {
    aicc_value *x = body->over[i], *at = index;
    if (body->backward && body->backward[i]) {
      const aicc_dim last = aicc_dim_sub(im->dims, x->type.dims[body->axes[i]],
                                         aicc_const_dim(im, 1));
      at = aicc_b_binary(&im->b, AICC_OP_SUB, aicc_b_from_dim(&im->b, last), index);
    }
    inputs[body->states + i] = aicc_b_gather(&im->b, x, at, (int)body->axes[i]);
    if (!inputs[body->states + i]) {
      return AICC_INVALID;
    }
  }
  results[0] = NULL;
  return aicc_import_inline(im, body->n, body->graph, inputs, body->states + body->inputs,
                            &results[1]);
}

static aicc_status build_scan(onnx_body *body, aicc_value *const *init, aicc_value **out) {
  const aicc_dim trips = body->over[0]->type.dims[body->axes[0]];
  const aicc_loop loop = {.n = body->n, .trips = aicc_b_from_dim(&body->im->b, trips),
                          .states = body->states, .scans = body->scans, .init = init,
                          .body = scan_body, .context = body};
  return aicc_build_loop(body->im, &loop, out);
}

// From the first axis, in order of rounds, to where and how the attributes want it.
static aicc_value *place_scan(aicc_importer *im, aicc_value *x, int axis, bool backward) {
  const int rank = x->type.rank;
  if (backward) {
    const aicc_dim size = x->type.dims[0];
    x = aicc_b_slice(&im->b, x, 0, aicc_dim_sub(im->dims, size, aicc_const_dim(im, 1)), size, -1);
  }
  int64_t perm[AICC_MAX_RANK];
  for (int i = 0; i < rank; i++) {
    perm[i] = i < axis ? i + 1 : i == axis ? 0 : i;
  }
  return x ? aicc_b_transpose(&im->b, x, perm) : NULL;
}

// A list attribute of |want| entries, zeros where it is absent.
static aicc_status read_list(aicc_importer *im, const aicc_onnx_node *n, const char *name, int want,
                             int64_t **out) {
  int count;
  const int64_t *items = aicc_onnx_ints(n, name, &count);
  *out = AICC_NEW_ARRAY(&im->scratch, int64_t, want + 1);
  if (items && count != want) {
    return aicc_invalid(im, n, "'%s' has %d entries, %d are needed", name, count, want);
  }
  for (int i = 0; items && i < count; i++) {
    (*out)[i] = items[i];
  }
  return AICC_OK;
}

static aicc_status begin_scan(aicc_importer *im, const aicc_onnx_node *n, int first,
                              onnx_body *body, aicc_value **values) {
  const Onnx__GraphProto *graph = aicc_onnx_graph(n, "body");
  const int64_t inputs = aicc_onnx_int(n, "num_scan_inputs", 0);
  const int given = n->in_count - first;
  if (!graph || inputs < 1 || inputs > given || (int)graph->n_output < given - (int)inputs ||
      (int)graph->n_output < n->out_count) {
    return aicc_invalid(im, n, "num_scan_inputs, the inputs and the body do not fit each other");
  }
  *body = (onnx_body){.im = im, .n = n, .graph = graph, .inputs = (int)inputs,
                      .states = given - (int)inputs, .over = &values[given - inputs]};
  body->scans = (int)graph->n_output - body->states;
  for (int i = 0; i < given; i++) {
    values[i] = aicc_in(n, first + i);
    if (!values[i] || (i >= body->states && values[i]->type.kind != AICC_TYPE_TENSOR)) {
      return aicc_invalid(im, n, "input %d is no tensor", first + i);
    }
  }
  return AICC_OK;
}

aicc_status import_scan(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  onnx_body body;
  int64_t *axes, *out_axes, *out_backward, *backward;
  aicc_value **values = AICC_NEW_ARRAY(&im->scratch, aicc_value *, n->in_count);
  AICC_TRY(begin_scan(im, n, 0, &body, values));
  AICC_TRY(read_list(im, n, "scan_input_axes", body.inputs, &axes));
  AICC_TRY(read_list(im, n, "scan_input_directions", body.inputs, &backward));
  AICC_TRY(read_list(im, n, "scan_output_axes", body.scans, &out_axes));
  AICC_TRY(read_list(im, n, "scan_output_directions", body.scans, &out_backward));
  for (int i = 0; i < body.inputs; i++) {
    int axis;
    AICC_TRY(aicc_axis(im, n, axes[i], body.over[i]->type.rank, &axis));
    axes[i] = axis;
  }
  body.axes = axes;
  body.backward = backward;
  aicc_value **out = AICC_NEW_ARRAY(&im->scratch, aicc_value *, body.states + body.scans);
  AICC_TRY(build_scan(&body, values, out));
  for (int k = 0; k < body.scans; k++) {
    int axis;
    aicc_value **scan = &out[body.states + k];
    AICC_TRY(aicc_axis(im, n, out_axes[k], (*scan)->type.rank, &axis));
    *scan = place_scan(im, *scan, axis, out_backward[k] != 0);
  }
  return set_outs(im, n, out);
}

// The first version ran over a batch, each item of its own: a loop of loops.
typedef struct batch {
  onnx_body *body;
  aicc_value *const *init;  // states and inputs with the batch
} batch;

static aicc_status batch_body(void *context, aicc_value *index, aicc_value *const *states,
                              aicc_value **results) {
  (void)states;
  const batch *all = context;
  onnx_body body = *all->body;
  aicc_importer *im = body.im;
  const int count = body.states + body.inputs;
  aicc_value **values = AICC_NEW_ARRAY(&im->scratch, aicc_value *, count);
  for (int i = 0; i < count; i++) {
    values[i] = aicc_b_gather(&im->b, all->init[i], index, 0);
    if (!values[i]) {
      return AICC_INVALID;
    }
  }
  body.over = &values[body.states];
  results[0] = NULL;
  return build_scan(&body, values, &results[1]);
}

aicc_status import_scan_batched(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  onnx_body body;
  int64_t *axes, *backward;
  aicc_value **values = AICC_NEW_ARRAY(&im->scratch, aicc_value *, n->in_count);
  if (aicc_in(n, 0)) {
    return aicc_unsupported(im, n, "sequence_lens");
  }
  AICC_TRY(begin_scan(im, n, 1, &body, values));
  AICC_TRY(read_list(im, n, "directions", body.inputs, &backward));
  AICC_TRY(read_list(im, n, "", body.inputs, &axes));
  body.axes = axes;
  body.backward = backward;
  for (int i = 0; i < body.states + body.inputs; i++) {
    if (values[i]->type.kind != AICC_TYPE_TENSOR ||
        values[i]->type.rank < (i < body.states ? 1 : 2)) {
      return aicc_invalid(im, n, "input %d has no batch", 1 + i);
    }
  }
  batch all = {&body, values};
  const aicc_dim size = values[0]->type.dims[0];
  const int scans = body.states + body.scans;
  const aicc_loop loop = {.n = n, .trips = aicc_b_from_dim(&im->b, size), .scans = scans,
                          .body = batch_body, .context = &all};
  aicc_value **out = AICC_NEW_ARRAY(&im->scratch, aicc_value *, scans);
  AICC_TRY(aicc_build_loop(im, &loop, out));
  return set_outs(im, n, out);
}
