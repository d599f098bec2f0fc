// Control flow and sequences as steps of the host program.
//
// If: each branch's steps, then its results are assigned to variables that stand for the node's.
// Loop: a state lives in a buffer of its own where its size never changes (the round's result is
// copied back), else in session memory that each round replaces. Scan results are written into one
// tensor as long as the trip count, or into a sequence that is joined at the end where no bound is
// known.
#include <string.h>

#include "passes/lower.h"

static aicc_dim constant(aicc_lower *lw, int64_t value) {
  return aicc_dim_const(lw->module->dims, value);
}

static void copy_step(aicc_lower *lw, aicc_slot to, aicc_slot from, aicc_dim bytes,
                      aicc_dim offset) {
  aicc_step *step = aicc_lower_step(lw, AICC_STEP_COPY);
  step->slot = to;
  step->slot2 = from;
  step->dim = bytes;
  step->offset = offset;
}

static void assign_step(aicc_lower *lw, aicc_slot to, aicc_slot from) {
  aicc_step *step = aicc_lower_step(lw, AICC_STEP_ASSIGN);
  step->slot = to;
  step->slot2 = from;
}

static void set_dim(aicc_lower *lw, aicc_dim symbol, aicc_dim value) {
  aicc_step *step = aicc_lower_step(lw, AICC_STEP_SET_DIM);
  step->symbol = symbol;
  step->dim = value;
}

static aicc_step *sequence_step(aicc_lower *lw, aicc_seq_op op, aicc_slot slot, aicc_slot slot2) {
  aicc_step *step = aicc_lower_step(lw, AICC_STEP_SEQUENCE);
  step->seq_op = op;
  step->slot = slot;
  step->slot2 = slot2;
  return step;
}

// --- sizes that a value brings along -------------------------------------------------------------

static bool is_tensor(const aicc_value *value) { return value->type.kind == AICC_TYPE_TENSOR; }

// Whether |dim| is a symbol that nothing before gave a value: |outer| are the dims that may be
// used.
static bool is_own_symbol(aicc_lower *lw, aicc_dim dim, const aicc_type *from, int i) {
  return aicc_dim_symbol_name(lw->module->dims, dim) != NULL && from->dims[i] != dim;
}

// Gives the symbols of |to|'s type that differ from |from|'s their values. Several dimensions may
// be one symbol; expressions other than symbols follow from them.
static void set_symbols(aicc_lower *lw, const aicc_type *to, const aicc_type *from) {
  for (int i = 0; i < to->rank && i < from->rank; i++) {
    if (is_own_symbol(lw, to->dims[i], from, i)) {
      set_dim(lw, to->dims[i], from->dims[i]);
    }
  }
}

static void define_symbols(aicc_lower *lw, const aicc_type *to, const aicc_type *from) {
  for (int i = 0; i < to->rank && i < from->rank; i++) {
    if (is_own_symbol(lw, to->dims[i], from, i)) {
      aicc_lower_symbol_defined(lw, to->dims[i]);
    }
  }
}

// --- walking a sequence --------------------------------------------------------------------------

// A loop over the items of |sequence|: steps between begin_walk and end_walk see item |i| in slot
// |item|, whose dimensions are symbols.
typedef struct walk {
  aicc_lower *lw;
  aicc_slot sequence, item;
  aicc_dtype dtype;
  int rank;
  aicc_dim dims[AICC_MAX_RANK];  // of the item; each walk has its own, set in every round
  aicc_dim length, i;
  aicc_steps *saved;
} walk;

static void begin_walk(walk *w) {
  aicc_lower *lw = w->lw;
  for (int k = 0; k < w->rank; k++) {
    w->dims[k] = aicc_dim_fresh(lw->module->dims, "extent");
  }
  const aicc_type type = aicc_type_tensor(lw->module, w->dtype, w->dims, w->rank);
  w->item = aicc_lower_new_slot(lw, AICC_SLOT_VARIABLE, &type, NULL);
  w->i = aicc_dim_fresh(lw->module->dims, "item");
  set_dim(lw, w->i, constant(lw, 0));
  aicc_step *step = aicc_lower_step(lw, AICC_STEP_LOOP);
  w->saved = lw->steps;
  lw->steps = &step->body;
  aicc_lower_step(lw, AICC_STEP_BREAK)->dim = aicc_dim_lt(lw->module->dims, w->i, w->length);
  sequence_step(lw, AICC_SEQ_AT, w->item, w->sequence)->dim = w->i;
}

static void end_walk(walk *w) {
  aicc_lower *lw = w->lw;
  set_dim(lw, w->i, aicc_dim_add(lw->module->dims, w->i, constant(lw, 1)));
  lw->steps = w->saved;
}

// to[o * to_row + offset + j] = from[o * row + j] for o < outer, j < row.
static void copy_rows(aicc_lower *lw, const aicc_node *node, aicc_slot to, aicc_slot from,
                      aicc_dim outer, aicc_dim row, aicc_dim to_row, aicc_dim offset) {
  lower_kernel lk;
  lk_begin_node(&lk, lw, aicc_arena_printf(&lw->plan->arena, "concat_%u", node->id), "map", node);
  const kir_val source = lk_buffer(&lk, from, KIR_READ), result = lk_buffer(&lk, to, KIR_WRITE);
  const kir_val o = kir_task(&lk.b);
  const kir_val n = lk_dim(&lk, row);
  const kir_val j = lk_for(&lk, KIR_LANES, lk_i64(&lk, 0), n);
  const kir_val item = kir_load(&lk.b, source, kir_add(&lk.b, kir_mul(&lk.b, o, n), j));
  kir_val at = kir_add(&lk.b, kir_mul(&lk.b, o, lk_dim(&lk, to_row)), lk_dim(&lk, offset));
  kir_store(&lk.b, result, kir_add(&lk.b, at, j), item);
  lk_end(&lk);
  lk_launch(&lk, outer, aicc_dim_mul(lw->module->dims, outer, row));
}

// Result dimension |i| of a concatenation, from an item's dimensions.
static aicc_dim item_extent(const aicc_dim *dims, int i, int axis, bool stacks) {
  return dims[i - (stacks && i > axis)];
}

// |value|: the items of |sequence| one behind the other on |axis|, or, where it |stacks|, on a new
// axis there.
static void join_sequence(aicc_lower *lw, const aicc_node *node, const aicc_value *value,
                          aicc_slot sequence, int axis, bool stacks) {
  aicc_dims *dims = lw->module->dims;
  const aicc_type *out = &value->type;
  walk w = {.lw = lw, .sequence = sequence, .dtype = out->dtype, .rank = out->rank - stacks};
  w.length = aicc_dim_fresh(dims, "length");
  sequence_step(lw, AICC_SEQ_LENGTH, 0, w.sequence)->symbol = w.length;
  aicc_dim sizes[AICC_MAX_RANK];
  for (int i = 0; i < out->rank; i++) {
    sizes[i] = aicc_dim_fresh(dims, "total");
    set_dim(lw, sizes[i], constant(lw, 0));
  }
  begin_walk(&w);
  for (int i = 0; i < out->rank; i++) {
    const aicc_dim more = stacks ? constant(lw, 1) : w.dims[axis < w.rank ? axis : 0];
    set_dim(lw, sizes[i], i == axis ? aicc_dim_add(dims, sizes[i], more)
                                    : item_extent(w.dims, i, axis, stacks));
  }
  end_walk(&w);
  for (int i = 0; i < out->rank; i++) {
    if (aicc_dim_symbol_name(dims, out->dims[i])) {
      set_dim(lw, out->dims[i], sizes[i]);
      aicc_lower_symbol_defined(lw, out->dims[i]);
    }
  }
  const aicc_slot to = aicc_lower_result(lw, value);
  const aicc_dim to_row = aicc_dim_product(dims, out->dims + axis, out->rank - axis);
  const aicc_dim offset = aicc_dim_fresh(dims, "offset");
  set_dim(lw, offset, constant(lw, 0));
  begin_walk(&w);
  const aicc_dim row = aicc_dim_product(dims, w.dims + axis, w.rank - axis);
  copy_rows(lw, node, to, w.item, aicc_dim_product(dims, w.dims, axis), row, to_row, offset);
  set_dim(lw, offset, aicc_dim_add(dims, offset, row));
  end_walk(&w);
}

// --- if ------------------------------------------------------------------------------------------

static aicc_slot make_variable(aicc_lower *lw, const aicc_value *value) {
  const aicc_slot_kind kind = is_tensor(value) ? AICC_SLOT_VARIABLE : AICC_SLOT_SEQUENCE;
  const aicc_slot slot = aicc_lower_new_slot(lw, kind, &value->type, value->name);
  aicc_lower_set_slot(lw, value, slot);
  return slot;
}

static void lower_branch(aicc_lower *lw, const aicc_node *node, aicc_region *region,
                         const aicc_slot *variables, aicc_steps *steps) {
  aicc_steps *saved = lw->steps;
  lw->steps = steps;
  aicc_lower_region(lw, region);
  for (int i = 0; i < node->out_count; i++) {
    const aicc_value *result = region->results[i];
    assign_step(lw, variables[i], aicc_lower_slot(lw, result));
    if (is_tensor(result)) {
      set_symbols(lw, &node->out[i]->type, &result->type);
    }
  }
  lw->steps = saved;
}

static void lower_if(aicc_lower *lw, aicc_node *node) {
  const aicc_dim condition = aicc_lower_read(lw, node->in[0], 0);
  aicc_slot *variables = AICC_NEW_ARRAY(&lw->plan->arena, aicc_slot, node->out_count);
  for (int i = 0; i < node->out_count; i++) {
    variables[i] = make_variable(lw, node->out[i]);
  }
  aicc_step *step = aicc_lower_step(lw, AICC_STEP_IF);
  step->dim = condition;
  lower_branch(lw, node, node->regions[0], variables, &step->body);
  lower_branch(lw, node, node->regions[1], variables, &step->other);
  for (int i = 0; i < node->out_count; i++) {
    if (is_tensor(node->out[i])) {
      define_symbols(lw, &node->out[i]->type, &node->regions[0]->results[i]->type);
    }
  }
}

// --- loop ----------------------------------------------------------------------------------------

typedef struct loop {
  aicc_lower *lw;
  aicc_node *node;
  aicc_region *body;
  int states, scans;
  aicc_dim round, condition, trips;  // symbols; trips: an expression, -1 without a bound
  bool bounded, conditional;
  aicc_slot counter;                 // i64[] tensor of the round, where the body reads it
  aicc_slot *state, *next;           // per state
  bool *moves;                       // per state: its size may change
  aicc_slot *scan;                   // per scan result: tensor or sequence
  bool *listed;                      // per scan result: collected in a sequence
} loop;

static void replace_heap(aicc_lower *lw, aicc_slot variable, const aicc_slot from,
                         const aicc_type *type, bool release) {
  const aicc_slot fresh = aicc_lower_new_slot(lw, AICC_SLOT_HEAP, type, NULL);
  aicc_lower_step(lw, AICC_STEP_ALLOC)->slot = fresh;
  copy_step(lw, fresh, from, lw->plan->slots[fresh].bytes, AICC_DIM_NONE);
  if (release) {
    aicc_lower_step(lw, AICC_STEP_FREE)->slot = variable;
  }
  assign_step(lw, variable, fresh);
}

static void begin_state(loop *l, int k) {
  aicc_lower *lw = l->lw;
  const aicc_value *param = l->body->params[2 + k], *init = l->node->in[2 + k];
  const aicc_slot from = aicc_lower_slot(lw, init);
  if (!is_tensor(param)) {
    l->state[k] = make_variable(lw, param);
    assign_step(lw, l->state[k], from);
    return;
  }
  l->moves[k] = !aicc_type_same_shape(&param->type, &init->type) ||
                !aicc_type_same_shape(&param->type, &l->body->results[1 + k]->type);
  if (l->moves[k]) {
    l->state[k] = make_variable(lw, param);
    set_symbols(lw, &param->type, &init->type);
    replace_heap(lw, l->state[k], from, &init->type, false);
    return;
  }
  l->state[k] = aicc_lower_temporary(lw, param->type.dtype, param->type.dims, param->type.rank,
                                     param->name);
  aicc_lower_set_slot(lw, param, l->state[k]);
  copy_step(lw, l->state[k], from, lw->plan->slots[l->state[k]].bytes, AICC_DIM_NONE);
}

static void begin_scan(loop *l, int k) {
  aicc_lower *lw = l->lw;
  const aicc_value *item = l->body->results[1 + l->states + k];
  const aicc_value *whole = l->node->out[l->states + k];
  // Into one tensor where its size is known now: items of a size that every round has.
  l->listed[k] = !l->bounded;
  for (int i = 0; i < item->type.rank; i++) {
    l->listed[k] |= whole->type.dims[1 + i] != item->type.dims[i];
  }
  if (l->listed[k]) {
    l->scan[k] = aicc_lower_new_slot(lw, AICC_SLOT_SEQUENCE, &whole->type, whole->name);
    sequence_step(lw, AICC_SEQ_EMPTY, l->scan[k], 0);
    return;
  }
  aicc_dim dims[AICC_MAX_RANK];
  dims[0] = l->trips;
  memcpy(dims + 1, item->type.dims, (size_t)item->type.rank * sizeof *dims);
  l->scan[k] = aicc_lower_temporary(lw, item->type.dtype, dims, item->type.rank + 1, whole->name);
}

static void lower_conditions(loop *l) {
  aicc_lower *lw = l->lw;
  aicc_dims *dims = lw->module->dims;
  l->round = aicc_dim_fresh(dims, "round");
  l->condition = aicc_dim_fresh(dims, "again");
  l->trips = aicc_lower_read(lw, l->node->in[0], 0);
  const aicc_dim first = aicc_lower_read(lw, l->node->in[1], 0);
  int64_t known;
  l->bounded = !(aicc_dim_is_const(dims, l->trips, &known) && (known < 0 || known == INT64_MAX));
  if (l->bounded) {
    l->trips = aicc_dim_max(dims, l->trips, constant(lw, 0));
  }
  set_dim(lw, l->round, constant(lw, 0));
  set_dim(lw, l->condition, first);
}

// Sizes change after every copy that used the old ones, and all at once: states may share a symbol,
// and one may become what another was.
static void next_sizes(loop *l) {
  aicc_lower *lw = l->lw;
  const int room = l->states * AICC_MAX_RANK;
  aicc_dim *symbols = AICC_NEW_ARRAY(&lw->plan->arena, aicc_dim, room);
  aicc_dim *values = AICC_NEW_ARRAY(&lw->plan->arena, aicc_dim, room);
  int count = 0;
  for (int k = 0; k < l->states; k++) {
    const aicc_type *to = &l->body->params[2 + k]->type, *from = &l->body->results[1 + k]->type;
    for (int i = 0; is_tensor(l->body->params[2 + k]) && l->moves[k] && i < to->rank; i++) {
      bool fresh = is_own_symbol(lw, to->dims[i], from, i);
      for (int known = 0; known < count && fresh; known++) {
        fresh = symbols[known] != to->dims[i];
      }
      if (fresh) {
        symbols[count] = to->dims[i];
        values[count++] = from->dims[i];
      }
    }
  }
  for (int i = 0; i < count && count > 1; i++) {
    const aicc_dim next = aicc_dim_fresh(lw->module->dims, "next");
    set_dim(lw, next, values[i]);
    values[i] = next;
  }
  for (int i = 0; i < count; i++) {
    set_dim(lw, symbols[i], values[i]);
  }
}

static void next_states(loop *l) {
  aicc_lower *lw = l->lw;
  // A result may be another state's memory: then all are read before any is written.
  for (int k = 0; k < l->states; k++) {
    const aicc_value *result = l->body->results[1 + k];
    l->next[k] = aicc_lower_slot(lw, result);
    const bool crosses = result->def == NULL && result->region == l->body &&
                         result != l->body->params[2 + k];
    if (crosses && is_tensor(result)) {
      const aicc_slot kept = aicc_lower_new_slot(lw, AICC_SLOT_HEAP, &result->type, NULL);
      aicc_lower_step(lw, AICC_STEP_ALLOC)->slot = kept;
      copy_step(lw, kept, l->next[k], lw->plan->slots[kept].bytes, AICC_DIM_NONE);
      l->next[k] = kept;
    }
  }
  for (int k = 0; k < l->states; k++) {
    const aicc_value *result = l->body->results[1 + k], *param = l->body->params[2 + k];
    if (result == param) {
      continue;
    }
    if (!is_tensor(param)) {
      assign_step(lw, l->state[k], l->next[k]);
    } else if (l->moves[k]) {
      replace_heap(lw, l->state[k], l->next[k], &result->type, true);
    } else {
      copy_step(lw, l->state[k], l->next[k], lw->plan->slots[l->state[k]].bytes, AICC_DIM_NONE);
    }
    if (lw->plan->slots[l->next[k]].kind == AICC_SLOT_HEAP) {
      aicc_lower_step(lw, AICC_STEP_FREE)->slot = l->next[k];
    }
  }
  next_sizes(l);
}

static void next_scans(loop *l) {
  aicc_lower *lw = l->lw;
  aicc_dims *dims = lw->module->dims;
  for (int k = 0; k < l->scans; k++) {
    const aicc_value *item = l->body->results[1 + l->states + k];
    const aicc_slot from = aicc_lower_slot(lw, item);
    const aicc_dim bytes = aicc_lower_bytes(lw, &item->type);
    if (!l->listed[k]) {
      copy_step(lw, l->scan[k], from, bytes, aicc_dim_mul(dims, l->round, bytes));
    } else {
      aicc_step *step = sequence_step(lw, AICC_SEQ_INSERT, l->scan[k], l->scan[k]);
      step->slot3 = from;
      step->dim = constant(lw, INT64_MAX);
    }
  }
}

static void lower_body(loop *l, aicc_step *step) {
  aicc_lower *lw = l->lw;
  aicc_dims *dims = lw->module->dims;
  aicc_steps *saved = lw->steps;
  lw->steps = &step->body;
  // Sizes of moving states are new in every round: their buffers are planned here.
  for (int k = 0; k < l->states; k++) {
    const aicc_value *param = l->body->params[2 + k];
    if (is_tensor(param) && l->moves[k]) {
      define_symbols(lw, &param->type, &l->node->in[2 + k]->type);
    }
  }
  aicc_step *leave = aicc_lower_step(lw, AICC_STEP_BREAK);
  leave->dim = l->condition;
  if (l->bounded) {
    leave = aicc_lower_step(lw, AICC_STEP_BREAK);
    leave->dim = aicc_dim_lt(dims, l->round, l->trips);
  }
  const aicc_value *counter = l->body->params[0], *condition = l->body->params[1];
  aicc_step *write = aicc_lower_step(lw, AICC_STEP_WRITE_DIMS);
  write->slot = l->counter;
  write->dims = aicc_arena_memdup(&lw->plan->arena, &l->round, sizeof l->round);
  write->dim_count = 1;
  aicc_lower_set_slot(lw, counter, l->counter);
  write = aicc_lower_step(lw, AICC_STEP_WRITE_DIMS);
  write->slot = aicc_lower_temporary(lw, AICC_BOOL, NULL, 0, "again");
  write->dims = aicc_arena_memdup(&lw->plan->arena, &l->condition, sizeof l->condition);
  write->dim_count = 1;
  aicc_lower_set_slot(lw, condition, write->slot);
  aicc_lower_region(lw, l->body);
  const aicc_dim again = aicc_lower_read(lw, l->body->results[0], 0);
  next_scans(l);
  set_dim(lw, l->condition, again);
  next_states(l);
  set_dim(lw, l->round, aicc_dim_add(dims, l->round, constant(lw, 1)));
  lw->steps = saved;
}

static void finish_scan(loop *l, int k) {
  aicc_lower *lw = l->lw;
  const aicc_value *whole = l->node->out[l->states + k];
  if (l->listed[k]) {
    join_sequence(lw, l->node, whole, l->scan[k], 0, true);
    sequence_step(lw, AICC_SEQ_RELEASE, l->scan[k], 0);
    return;
  }
  // Fewer rounds than the bound: a prefix.
  if (aicc_dim_symbol_name(lw->module->dims, whole->type.dims[0]) &&
      whole->type.dims[0] != l->trips) {
    set_dim(lw, whole->type.dims[0], l->round);
    aicc_lower_symbol_defined(lw, whole->type.dims[0]);
  }
  aicc_lower_alias(lw, whole, l->scan[k]);
}

static void finish_state(loop *l, int k) {
  aicc_lower *lw = l->lw;
  const aicc_value *result = l->node->out[k];
  aicc_lower_alias(lw, result, l->state[k]);
  if (is_tensor(result)) {
    set_symbols(lw, &result->type, &l->body->params[2 + k]->type);
    define_symbols(lw, &result->type, &l->body->params[2 + k]->type);
  }
}

static void lower_loop(aicc_lower *lw, aicc_node *node) {
  loop l = {.lw = lw, .node = node, .body = node->regions[0]};
  l.states = node->in_count - 2;
  l.scans = node->out_count - l.states;
  l.state = AICC_NEW_ARRAY(&lw->plan->arena, aicc_slot, l.states);
  l.next = AICC_NEW_ARRAY(&lw->plan->arena, aicc_slot, l.states);
  l.moves = AICC_NEW_ARRAY(&lw->plan->arena, bool, l.states);
  l.scan = AICC_NEW_ARRAY(&lw->plan->arena, aicc_slot, l.scans);
  l.listed = AICC_NEW_ARRAY(&lw->plan->arena, bool, l.scans);
  lower_conditions(&l);
  l.counter = aicc_lower_temporary(lw, AICC_I64, NULL, 0, "round");
  for (int k = 0; k < l.states; k++) {
    begin_state(&l, k);
  }
  for (int k = 0; k < l.scans; k++) {
    begin_scan(&l, k);
  }
  lower_body(&l, aicc_lower_step(lw, AICC_STEP_LOOP));
  for (int k = 0; k < l.states; k++) {
    finish_state(&l, k);
  }
  for (int k = 0; k < l.scans; k++) {
    finish_scan(&l, k);
  }
}

// --- sequences -----------------------------------------------------------------------------------

static aicc_dim position_of(aicc_lower *lw, const aicc_node *node, int operand) {
  return node->in_count > operand && node->in[operand] ? aicc_lower_read(lw, node->in[operand], 0)
                                                       : constant(lw, INT64_MAX);
}

// Symbols of an item's type that the item brings along.
static void define_item(aicc_lower *lw, const aicc_type *type) {
  for (int i = 0; i < type->rank; i++) {
    if (aicc_dim_symbol_name(lw->module->dims, type->dims[i])) {
      aicc_lower_symbol_defined(lw, type->dims[i]);
    }
  }
}

static void lower_sequence(aicc_lower *lw, aicc_node *node, aicc_seq_op op) {
  const aicc_slot from = op == AICC_SEQ_EMPTY ? 0 : aicc_lower_slot(lw, node->in[0]);
  const aicc_slot item = op == AICC_SEQ_INSERT ? aicc_lower_slot(lw, node->in[1]) : 0;
  const aicc_dim at = op == AICC_SEQ_INSERT  ? position_of(lw, node, 2)
                      : op == AICC_SEQ_EMPTY ? AICC_DIM_NONE
                                             : position_of(lw, node, 1);
  const aicc_slot to = make_variable(lw, node->out[0]);
  aicc_step *step = sequence_step(lw, op, to, from);
  step->slot3 = item;
  step->dim = op == AICC_SEQ_ERASE && node->in_count < 2 ? constant(lw, -1) : at;
  if (op == AICC_SEQ_AT) {
    define_item(lw, &node->out[0]->type);
  }
}

// A number of one element: |dim|.
static void write_dim(aicc_lower *lw, const aicc_value *value, aicc_dim dim) {
  const aicc_slot to = aicc_lower_result(lw, value);
  aicc_step *write = aicc_lower_step(lw, AICC_STEP_WRITE_DIMS);
  write->slot = to;
  write->dims = aicc_arena_memdup(&lw->plan->arena, &dim, sizeof dim);
  write->dim_count = 1;
}

static void lower_length(aicc_lower *lw, aicc_node *node) {
  const aicc_dim symbol = aicc_dim_fresh(lw->module->dims, "length");
  sequence_step(lw, AICC_SEQ_LENGTH, 0, aicc_lower_slot(lw, node->in[0]))->symbol = symbol;
  write_dim(lw, node->out[0], symbol);
}

static void lower_concat_sequence(aicc_lower *lw, aicc_node *node) {
  join_sequence(lw, node, node->out[0], aicc_lower_slot(lw, node->in[0]),
                (int)aicc_get_int(node, AICC_ATTR_AXIS, 0),
                aicc_get_int(node, AICC_ATTR_KEEPDIMS, 0) != 0);
}

// --- optionals -----------------------------------------------------------------------------------

static bool is_optional_tensor(const aicc_type *type) {
  return type->kind == AICC_TYPE_OPTIONAL && type->element->kind == AICC_TYPE_TENSOR;
}

void aicc_lower_optional_inputs(aicc_lower *lw) {
  const aicc_region *body = lw->module->body;
  for (int i = 0; i < body->param_count; i++) {
    const aicc_value *param = body->params[i];
    if (is_optional_tensor(&param->type)) {
      const aicc_slot slot =
          aicc_lower_new_slot(lw, AICC_SLOT_SEQUENCE, &param->type, param->name);
      sequence_step(lw, AICC_SEQ_GIVEN, slot, lw->plan->inputs[i])->index = (uint32_t)i;
      aicc_lower_set_slot(lw, param, slot);
    }
  }
}

static aicc_dim has_dim(aicc_lower *lw, aicc_slot optional) {
  const aicc_dim symbol = aicc_dim_fresh(lw->module->dims, "has");
  sequence_step(lw, AICC_SEQ_HAS, 0, optional)->symbol = symbol;
  return symbol;
}

static void lower_opt_make(aicc_lower *lw, aicc_node *node) {
  const aicc_value *x = node->in_count ? node->in[0] : NULL;
  const aicc_slot from = x ? aicc_lower_slot(lw, x) : 0, to = make_variable(lw, node->out[0]);
  if (!x) {
    sequence_step(lw, AICC_SEQ_NONE, to, 0);
  } else if (!is_tensor(x)) {
    assign_step(lw, to, from);
  } else {
    sequence_step(lw, AICC_SEQ_EMPTY, to, 0);
    aicc_step *step = sequence_step(lw, AICC_SEQ_INSERT, to, to);
    step->slot3 = from;
    step->dim = constant(lw, INT64_MAX);
  }
}

static void lower_opt_has(aicc_lower *lw, aicc_node *node) {
  const aicc_dim has = node->in[0]->type.kind == AICC_TYPE_OPTIONAL
                           ? has_dim(lw, aicc_lower_slot(lw, node->in[0])) : constant(lw, 1);
  write_dim(lw, node->out[0], has);
}

static void lower_opt_get(aicc_lower *lw, aicc_node *node) {
  const aicc_value *x = node->in[0], *result = node->out[0];
  const aicc_slot from = aicc_lower_slot(lw, x);
  if (x->type.kind != AICC_TYPE_OPTIONAL) {
    aicc_lower_alias(lw, result, from);
    return;
  }
  const aicc_dim has = has_dim(lw, from);
  aicc_step *check = aicc_lower_step(lw, AICC_STEP_CHECK);
  check->dim = has;
  check->text = aicc_arena_printf(&lw->plan->arena,
                                  "node '%s' gets the element of an optional that has none",
                                  node->origin_count ? node->origins[0].node : "");
  const aicc_slot to = make_variable(lw, result);
  if (!is_tensor(result)) {
    assign_step(lw, to, from);
    return;
  }
  sequence_step(lw, AICC_SEQ_AT, to, from)->dim = constant(lw, 0);
  define_item(lw, &result->type);
}

// There, it is a tensor like others; else nothing is asked for.
bool aicc_lower_optional_output(aicc_lower *lw, const aicc_value *value, int index) {
  if (!is_optional_tensor(&value->type)) {
    return false;
  }
  aicc_dim dims[AICC_MAX_RANK];
  const aicc_type *element = value->type.element;
  for (int i = 0; i < element->rank; i++) {
    dims[i] = aicc_dim_fresh(lw->module->dims, "extent");
  }
  const aicc_type type = aicc_type_tensor(lw->module, element->dtype, dims,
                                          element->rank > 0 ? element->rank : 0);
  const aicc_slot from = aicc_lower_slot(lw, value);
  const aicc_slot item = aicc_lower_new_slot(lw, AICC_SLOT_VARIABLE, &type, NULL);
  const aicc_slot to =
      aicc_lower_new_slot(lw, AICC_SLOT_OUTPUT, &type, lw->module->result_names[index]);
  lw->plan->slots[to].index = (uint32_t)index;
  lw->plan->outputs[index] = to;
  const aicc_dim has = has_dim(lw, from);
  aicc_step *step = aicc_lower_step(lw, AICC_STEP_IF);
  step->dim = has;
  aicc_steps *saved = lw->steps;
  lw->steps = &step->other;
  sequence_step(lw, AICC_SEQ_OUTPUT, from, 0)->index = (uint32_t)index;
  lw->steps = &step->body;
  sequence_step(lw, AICC_SEQ_AT, item, from)->dim = constant(lw, 0);
  step = aicc_lower_step(lw, AICC_STEP_OUTPUT);
  step->slot = to;
  step->index = (uint32_t)index;
  copy_step(lw, to, item, lw->plan->slots[to].bytes, AICC_DIM_NONE);
  lw->steps = saved;
  return true;
}

bool aicc_lower_control(aicc_lower *lw, aicc_node *node) {
  switch (node->op) {
    case AICC_OP_IF: lower_if(lw, node); return true;
    case AICC_OP_LOOP: lower_loop(lw, node); return true;
    case AICC_OP_SEQ_EMPTY: lower_sequence(lw, node, AICC_SEQ_EMPTY); return true;
    case AICC_OP_SEQ_INSERT: lower_sequence(lw, node, AICC_SEQ_INSERT); return true;
    case AICC_OP_SEQ_ERASE: lower_sequence(lw, node, AICC_SEQ_ERASE); return true;
    case AICC_OP_SEQ_AT: lower_sequence(lw, node, AICC_SEQ_AT); return true;
    case AICC_OP_SEQ_CONCAT: lower_concat_sequence(lw, node); return true;
    case AICC_OP_SEQ_LENGTH: lower_length(lw, node); return true;
    case AICC_OP_OPT_MAKE: lower_opt_make(lw, node); return true;
    case AICC_OP_OPT_HAS: lower_opt_has(lw, node); return true;
    case AICC_OP_OPT_GET: lower_opt_get(lw, node); return true;
    default: return false;
  }
}
