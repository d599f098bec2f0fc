// Building loops: the body is made with the states' initial types; where a state comes back with
// another size, that size becomes a symbol of the loop and the body is made again, until all fits.
#include <string.h>

#include "frontend/import_control.h"

enum { PASSES_MAX = 12 };

// A size that changes from round to round: a symbol that stands for it in parameters. States whose
// sizes begin and go on alike share one, as long as that holds.
typedef struct moving {
  aicc_dim symbol, init, next, after;  // after: the symbol of the final size, made at the end
} moving;

typedef struct plan {
  aicc_importer *im;
  const aicc_loop *loop;
  aicc_type *types;      // of the states' parameters
  bool *invariant;       // the state never changes: the body reads its initial value
  bool *filled;          // the state begins as an optional, and a round yields what that may hold
  aicc_value **states;   // parameters, or initial values
  aicc_value **results;  // condition, states, scans
  aicc_region *region;
  moving *moving;
  int moving_count, moving_room;
  uint32_t outer_dims;   // expressions made before the loop
  bool apart;            // every moving size has a symbol of its own
  bool changed;
  aicc_dim trips;        // AICC_DIM_NONE: no bound
} plan;

static moving *find_moving(plan *p, aicc_dim symbol) {
  for (int i = 0; i < p->moving_count; i++) {
    if (p->moving[i].symbol == symbol) {
      return &p->moving[i];
    }
  }
  return NULL;
}

static aicc_dim add_moving(plan *p, aicc_dim init, aicc_dim next) {
  for (int i = 0; i < p->moving_count && !p->apart; i++) {
    if (p->moving[i].init == init && p->moving[i].next == next) {
      return p->moving[i].symbol;
    }
  }
  AICC_ASSERT(p->moving_count < p->moving_room);
  moving *m = &p->moving[p->moving_count++];
  *m = (moving){.symbol = aicc_dim_fresh(p->im->dims, "state"), .init = init, .next = next};
  return m->symbol;
}

// A parameter's size from the size it had so far and the one that came back.
static aicc_dim settle_dim(plan *p, aicc_dim now, aicc_dim next) {
  moving *m = find_moving(p, now);
  if (!m) {
    if (now == next) {
      return now;
    }
    p->changed = true;
    return add_moving(p, now, next);
  }
  if (!m->next) {
    m->next = next;
  }
  if (m->next != next && !p->apart) {  // states that shared it go different ways
    p->apart = p->changed = true;
  }
  return now;
}

static aicc_status settle_tensor(plan *p, int s, const aicc_type *next) {
  const aicc_type *now = &p->types[s];
  if (now->kind != next->kind || now->dtype != next->dtype) {
    return aicc_unsupported(p->im, p->loop->n, "state %d changes its type in the loop", s);
  }
  if (now->rank != next->rank) {
    return aicc_unsupported(p->im, p->loop->n,
                            "state %d has %d dimensions before a round and %d after it", s,
                            now->rank, next->rank);
  }
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < now->rank; i++) {
    dims[i] = settle_dim(p, now->dims[i], next->dims[i]);
  }
  p->types[s] = aicc_type_tensor(p->im->module, now->dtype, dims, now->rank);
  return AICC_OK;
}

static aicc_status settle_nested(plan *p, int s, const aicc_type *next) {
  aicc_type joined;
  const aicc_value *init = p->loop->init[s];
  if (aicc_is_untyped_sequence(init) && p->types[s].element->rank == -1 &&
      next->kind == AICC_TYPE_SEQUENCE && next->element->dtype == init->type.element->dtype) {
    joined = *next;
  } else if (!aicc_type_join(p->im, &p->types[s], next, &joined)) {
    return aicc_unsupported(p->im, p->loop->n, "state %d changes its type in the loop", s);
  }
  if (!aicc_type_equal(&joined, &p->types[s])) {
    p->types[s] = joined;
    p->changed = true;
  }
  return AICC_OK;
}

static aicc_status settle_state(plan *p, int s) {
  const aicc_value *result = p->results[1 + s];
  if (p->invariant[s]) {
    return AICC_OK;
  }
  if (result == p->states[s] || result == p->loop->init[s]) {
    p->invariant[s] = p->changed = true;
    return AICC_OK;
  }
  return p->types[s].kind == AICC_TYPE_TENSOR ? settle_tensor(p, s, &result->type)
                                              : settle_nested(p, s, &result->type);
}

// Gives every state its first type again; symbols are not shared from now on.
static void restart(plan *p) {
  p->moving_count = 0;
  for (int s = 0; s < p->loop->states; s++) {
    p->types[s] = p->loop->init[s]->type;
  }
}

static void begin_pass(plan *p, aicc_value **index) {
  aicc_importer *im = p->im;
  const aicc_type i64 = aicc_type_tensor(im->module, AICC_I64, NULL, 0);
  const aicc_type truth = aicc_type_tensor(im->module, AICC_BOOL, NULL, 0);
  p->changed = false;
  p->region = aicc_region_create(im->module, NULL);
  *index = aicc_region_add_param(im->module, p->region, NULL, i64);
  (void)aicc_region_add_param(im->module, p->region, NULL, truth);
  for (int s = 0; s < p->loop->states; s++) {
    p->states[s] = p->invariant[s] ? p->loop->init[s]
                                   : aicc_region_add_param(im->module, p->region, NULL,
                                                           p->types[s]);
  }
  for (int i = 0; i < p->moving_count; i++) {
    p->moving[i].next = AICC_DIM_NONE;
  }
}

static bool is_condition(const aicc_value *x) {
  return x->type.kind == AICC_TYPE_TENSOR && x->type.dtype == AICC_BOOL;
}

static aicc_status check_results(plan *p) {
  for (int i = 0; i < p->loop->states + p->loop->scans; i++) {
    if (!p->results[1 + i]) {
      return AICC_INVALID;
    }
  }
  for (int i = 0; i < p->loop->scans; i++) {
    const aicc_value *item = p->results[1 + p->loop->states + i];
    if (item->type.kind != AICC_TYPE_TENSOR || item->type.rank >= AICC_MAX_RANK) {
      return aicc_unsupported(p->im, p->loop->n, "output %d collects what is no tensor",
                              p->loop->states + i);
    }
  }
  return AICC_OK;
}

// None is not for ever: what a round yields then fills an optional.
static void fill_optionals(plan *p) {
  for (int s = 0; s < p->loop->states; s++) {
    aicc_value **result = &p->results[1 + s];
    if (*result && p->types[s].kind == AICC_TYPE_OPTIONAL &&
        (*result)->type.kind != AICC_TYPE_OPTIONAL) {
      *result = aicc_optional_make(p->im, *result);
      p->filled[s] = true;
    }
  }
}

static aicc_status run_pass(plan *p) {
  aicc_importer *im = p->im;
  const aicc_builder outer = im->b;
  aicc_value *index;
  begin_pass(p, &index);
  im->b.region = p->region;
  im->b.before = NULL;
  p->results[0] = NULL;
  aicc_status status = p->loop->body(p->loop->context, index, p->states, p->results);
  if (status == AICC_OK) {
    aicc_value *go = p->results[0];
    if (go && !is_condition(go)) {
      im->b = outer;
      return aicc_invalid(im, p->loop->n, "the body's condition is no bool");
    }
    fill_optionals(p);
    p->results[0] = go ? aicc_as_scalar(im, go) : aicc_b_scalar_i64(&im->b, AICC_BOOL, 1);
    status = p->results[0] ? check_results(p) : AICC_INVALID;
  }
  im->b = outer;
  for (int s = 0; s < p->loop->states && status == AICC_OK; s++) {
    status = settle_state(p, s);
  }
  return status;
}

static aicc_status run_passes(plan *p) {
  for (int pass = 0; pass < PASSES_MAX; pass++) {
    const bool apart = p->apart;
    AICC_TRY(run_pass(p));
    if (p->apart != apart) {
      restart(p);
    }
    if (!p->changed) {
      return AICC_OK;
    }
  }
  return aicc_unsupported(p->im, p->loop->n, "the types of the loop's states do not settle");
}

// --- the node ------------------------------------------------------------------------------------

// Whether |d| has a symbol that the loop's body may have defined.
static bool is_inner(const plan *p, aicc_dim d) {
  if (d <= p->outer_dims) {
    return false;
  }
  if (aicc_dim_symbol_name(p->im->dims, d)) {
    return true;
  }
  for (int i = 0; i < 3; i++) {
    const aicc_dim operand = aicc_dim_operand(p->im->dims, d, i);
    if (operand != AICC_DIM_NONE && is_inner(p, operand)) {
      return true;
    }
  }
  return false;
}

static bool is_true(const plan *p, const aicc_value *x) {
  bool truth;
  return aicc_known_truth(p->im, x, &truth) && truth;
}

static aicc_type state_type(plan *p, int s) {
  const aicc_type *type = &p->types[s];
  if (type->kind != AICC_TYPE_TENSOR) {
    return *type;
  }
  aicc_dim dims[AICC_MAX_RANK];
  for (int i = 0; i < type->rank; i++) {
    moving *m = find_moving(p, type->dims[i]);
    if (m && !m->after) {
      m->after = aicc_dim_fresh(p->im->dims, "final");
    }
    dims[i] = m ? m->after : type->dims[i];
  }
  return aicc_type_tensor(p->im->module, type->dtype, dims, type->rank);
}

static aicc_type scan_type(plan *p, int k, bool always) {
  const aicc_type *item = &p->results[1 + p->loop->states + k]->type;
  aicc_dim dims[AICC_MAX_RANK];
  dims[0] = always && p->trips ? p->trips : aicc_dim_fresh(p->im->dims, "rounds");
  for (int i = 0; i < item->rank; i++) {
    dims[1 + i] =
        is_inner(p, item->dims[i]) ? aicc_dim_fresh(p->im->dims, "item") : item->dims[i];
  }
  return aicc_type_tensor(p->im->module, item->dtype, dims, item->rank + 1);
}

// An empty sequence takes the type of what the loop puts into it.
static aicc_value *typed_init(plan *p, int s) {
  aicc_value *init = p->loop->init[s];
  return aicc_is_untyped_sequence(init) ? aicc_sequence_empty(p->im, *p->types[s].element) : init;
}

static aicc_status finish(plan *p, aicc_value *trips, aicc_value *condition, aicc_value **out) {
  const aicc_loop *loop = p->loop;
  aicc_importer *im = p->im;
  const bool always = is_true(p, condition) && is_true(p, p->results[0]);
  aicc_value **in = AICC_NEW_ARRAY(&im->scratch, aicc_value *, 2 + loop->states);
  aicc_value **yields = AICC_NEW_ARRAY(&im->scratch, aicc_value *, 1 + loop->states + loop->scans);
  int states = 0;
  in[0] = trips;
  in[1] = condition;
  yields[0] = p->results[0];
  for (int s = 0; s < loop->states; s++) {
    out[s] = loop->init[s];
    if (!p->invariant[s]) {
      in[2 + states] = typed_init(p, s);
      yields[1 + states++] = p->results[1 + s];
    }
  }
  memcpy(&yields[1 + states], &p->results[1 + loop->states],
         sizeof *yields * (size_t)loop->scans);
  aicc_node *node =
      aicc_node_create(im->module, AICC_OP_LOOP, in, 2 + states, states + loop->scans);
  aicc_region_set_results(im->module, p->region, yields, 1 + states + loop->scans);
  for (int s = 0, at = 0; s < loop->states; s++) {
    if (!p->invariant[s]) {
      node->out[at]->type = state_type(p, s);
      out[s] = node->out[at++];
    }
  }
  for (int k = 0; k < loop->scans; k++) {
    out[loop->states + k] = node->out[states + k];
    node->out[states + k]->type = scan_type(p, k, always);
  }
  aicc_node_add_region(im->module, node, p->region);
  if (node->out_count == 0) {
    return AICC_OK;  // nothing changes and nothing is collected
  }
  if (!aicc_b_finish(&im->b, node)) {
    return AICC_INVALID;
  }
  for (int s = 0; s < loop->states; s++) {
    out[s] = p->filled[s] ? aicc_optional_get(im, loop->n, out[s]) : out[s];
    if (!out[s]) {
      return AICC_UNSUPPORTED;
    }
  }
  return AICC_OK;
}

// The bound on rounds as a value, and as an expression in p->trips.
static aicc_status read_trips(plan *p, aicc_value **out) {
  aicc_importer *im = p->im;
  *out = aicc_b_scalar_i64(&im->b, AICC_I64, -1);
  p->trips = AICC_DIM_NONE;
  if (!p->loop->trips) {
    return AICC_OK;
  }
  const aicc_dim *dims;
  int count;
  int64_t most;
  if (!aicc_b_as_dims(&im->b, p->loop->trips, &dims, &count)) {
    return AICC_INVALID;
  }
  if (count != 1) {
    return aicc_invalid(im, p->loop->n, "the number of rounds is no scalar");
  }
  if (aicc_dim_is_const(im->dims, dims[0], &most) && most >= INT32_MAX) {
    return AICC_OK;  // how exporters spell "no bound"
  }
  p->trips = aicc_dim_as_size(im, dims[0]);
  *out = aicc_b_from_dim(&im->b, p->trips);
  return AICC_OK;
}

aicc_status aicc_build_loop(aicc_importer *im, const aicc_loop *loop, aicc_value **out) {
  plan p = {.im = im, .loop = loop};
  const int states = loop->states;
  aicc_value *trips, *condition = loop->condition;
  AICC_TRY(read_trips(&p, &trips));
  if (condition && !is_condition(condition)) {
    return aicc_invalid(im, loop->n, "the condition is no bool");
  }
  condition = condition ? aicc_as_scalar(im, condition) : aicc_b_scalar_i64(&im->b, AICC_BOOL, 1);
  if (!condition) {
    return AICC_INVALID;
  }
  p.types = AICC_NEW_ARRAY(&im->scratch, aicc_type, states + 1);
  p.invariant = AICC_NEW_ARRAY(&im->scratch, bool, states + 1);
  p.filled = AICC_NEW_ARRAY(&im->scratch, bool, states + 1);
  p.states = AICC_NEW_ARRAY(&im->scratch, aicc_value *, states + 1);
  p.results = AICC_NEW_ARRAY(&im->scratch, aicc_value *, 1 + states + loop->scans);
  p.moving_room = states * AICC_MAX_RANK + 1;
  p.moving = AICC_NEW_ARRAY(&im->scratch, moving, p.moving_room);
  for (int s = 0; s < states; s++) {
    p.types[s] = loop->init[s]->type;
  }
  p.outer_dims = aicc_dim_count(im->dims);
  AICC_TRY(run_passes(&p));
  return finish(&p, trips, condition, out);
}
