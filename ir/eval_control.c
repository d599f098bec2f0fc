// Control: regions, definitions of symbols, sequences and optionals.
#include <stdlib.h>
#include <string.h>

#include "ir/eval_call.h"

aicc_status aicc_eval_op_def_dim(aicc_eval_call *call) {
  int count = 0;
  const aicc_dim *dims = aicc_get_dims(call->node, AICC_ATTR_SYMBOL, &count);
  const int64_t index = aicc_get_int(call->node, AICC_ATTR_INDEX, 0);
  const char *name = count == 1 ? aicc_dim_symbol_name(call->eval->module->dims, dims[0]) : NULL;
  const aicc_eval_value *x = call->in[0];
  if (!name || index < 0 || index >= aicc_eval_value_count(x)) {
    return aicc_eval_fail(call, "no symbol, or no element %lld", (long long)index);
  }
  aicc_eval_bind_symbol(call->eval, name, aicc_get_i64(x->dtype, x->data, (size_t)index));
  return AICC_OK;
}

aicc_status aicc_eval_op_assert(aicc_eval_call *call) {
  const aicc_eval_value *x = call->in[0];
  if (aicc_eval_value_count(x) != 1 || !aicc_get_i64(x->dtype, x->data, 0)) {
    return aicc_eval_fail(call, "%s", aicc_get_string(call->node, AICC_ATTR_NAME, "it is false"));
  }
  return AICC_OK;
}

// --- regions -------------------------------------------------------------------------------------

static aicc_status needs_values(const aicc_eval_call *call) {
  return call->eval->values ? AICC_OK
                            : aicc_eval_unsupported(call, "regions run within a graph alone");
}

static void copy_results(const aicc_eval_call *call, const aicc_region *region,
                         aicc_eval_value *out) {
  for (int i = 0; i < region->result_count; i++) {
    aicc_eval_value_copy(&call->eval->values[region->results[i]->id], &out[i]);
  }
}

static aicc_status bind_results(const aicc_eval_call *call) {
  for (int i = 0; i < call->node->out_count; i++) {
    AICC_TRY(aicc_eval_bind(call, &call->node->out[i]->type, &call->out[i], "a result"));
  }
  return AICC_OK;
}

// Runs a region in a scope of its own and copies its results.
static aicc_status run_scope(const aicc_eval_call *call, const aicc_region *region,
                             aicc_eval_value *out) {
  const size_t mark = call->eval->symbol_count;
  const aicc_status status = aicc_eval_region(call->eval, region);
  if (status == AICC_OK) {
    copy_results(call, region, out);
  }
  aicc_eval_clear_region(call->eval, region);
  call->eval->symbol_count = mark;
  return status;
}

aicc_status aicc_eval_op_if(aicc_eval_call *call) {
  AICC_TRY(needs_values(call));
  const bool condition = aicc_eval_scalar_i64(call->in[0]) != 0;
  const aicc_region *region = call->node->regions[condition ? 0 : 1];
  if (region->result_count != call->node->out_count) {
    return aicc_eval_fail(call, "a branch yields %d values", region->result_count);
  }
  AICC_TRY(run_scope(call, region, call->out));
  return bind_results(call);
}

// The symbols of a group's region are visible after it: it is only a bracket around nodes.
aicc_status aicc_eval_op_group(aicc_eval_call *call) {
  AICC_TRY(needs_values(call));
  const aicc_region *region = call->node->regions[0];
  if (region->result_count != call->node->out_count) {
    return aicc_eval_fail(call, "the region yields %d values", region->result_count);
  }
  const aicc_status status = aicc_eval_region(call->eval, region);
  if (status == AICC_OK) {
    copy_results(call, region, call->out);
  }
  aicc_eval_clear_region(call->eval, region);
  return status;
}

typedef struct loop {
  const aicc_region *region;
  int state_count, scan_count;
  aicc_eval_value *state;    // of the next iteration
  aicc_eval_value *yielded;  // results of one iteration: condition, state, scans
  aicc_eval_value **scans;   // per scan result: one value per iteration
  int64_t done, capacity;
} loop;

static aicc_status read_loop(aicc_eval_call *call, loop *l) {
  *l = (loop){.region = call->node->regions[0], .state_count = call->node->in_count - 2};
  l->scan_count = call->node->out_count - l->state_count;
  if (l->region->param_count != l->state_count + 2 || l->scan_count < 0 ||
      l->region->result_count != 1 + call->node->out_count) {
    return aicc_eval_fail(call, "operands, region and results do not fit each other");
  }
  l->state = AICC_NEW_ARRAY(call->arena, aicc_eval_value, l->state_count + 1);
  l->yielded = AICC_NEW_ARRAY(call->arena, aicc_eval_value, l->region->result_count);
  l->scans = AICC_NEW_ARRAY(call->arena, aicc_eval_value *, l->scan_count + 1);
  for (int i = 0; i < l->state_count; i++) {
    if (!call->in[i + 2]) {
      return aicc_eval_fail(call, "operand %d is missing", i + 2);
    }
    aicc_eval_value_copy(call->in[i + 2], &l->state[i]);
  }
  return AICC_OK;
}

static aicc_status set_params(aicc_eval_call *call, loop *l) {
  const aicc_value *const *params = (const aicc_value *const *)l->region->params;
  aicc_eval_value *values = call->eval->values;
  int64_t *counter;
  for (int i = 0; i < 2; i++) {
    aicc_eval_value *value = &values[params[i]->id];
    aicc_eval_value_deinit(value);
    AICC_TRY(aicc_eval_value_create(i ? AICC_BOOL : AICC_I64, 0, NULL, call->eval->diags, value));
  }
  counter = values[params[0]->id].data;
  *counter = l->done;
  *(uint8_t *)values[params[1]->id].data = 1;
  for (int i = 0; i < l->state_count; i++) {
    aicc_eval_value *value = &values[params[i + 2]->id];
    aicc_eval_value_deinit(value);
    *value = l->state[i];
    l->state[i] = (aicc_eval_value){.kind = AICC_TYPE_TENSOR};
    AICC_TRY(aicc_eval_bind(call, &params[i + 2]->type, value, "a loop's state"));
  }
  return AICC_OK;
}

static void keep_scans(aicc_eval_call *call, loop *l) {
  if (l->done == l->capacity) {
    l->capacity = l->capacity ? 2 * l->capacity : 8;
    for (int i = 0; i < l->scan_count; i++) {
      aicc_eval_value *grown = AICC_NEW_ARRAY(call->arena, aicc_eval_value, l->capacity);
      if (l->done) {
        memcpy(grown, l->scans[i], sizeof *grown * (size_t)l->done);
      }
      l->scans[i] = grown;
    }
  }
  for (int i = 0; i < l->scan_count; i++) {
    l->scans[i][l->done] = l->yielded[1 + l->state_count + i];
  }
}

// One iteration; |go| becomes the condition it yields.
static aicc_status iterate(aicc_eval_call *call, loop *l, bool *go) {
  const size_t mark = call->eval->symbol_count;
  aicc_status status = set_params(call, l);
  if (status == AICC_OK) {
    status = run_scope(call, l->region, l->yielded);
  } else {
    aicc_eval_clear_region(call->eval, l->region);
  }
  call->eval->symbol_count = mark;
  if (status != AICC_OK) {
    return status;
  }
  *go = aicc_eval_scalar_i64(&l->yielded[0]) != 0;
  aicc_eval_value_deinit(&l->yielded[0]);
  for (int i = 0; i < l->state_count; i++) {
    l->state[i] = l->yielded[1 + i];
  }
  keep_scans(call, l);
  l->done++;
  return AICC_OK;
}

// A scan of no iterations: what its type leaves open is 0.
static aicc_status empty_scan(aicc_eval_call *call, int index) {
  const aicc_type *type = &call->node->out[index]->type;
  int64_t shape[AICC_MAX_RANK] = {0};
  for (int d = 1; d < type->rank; d++) {
    aicc_diags ignored;
    aicc_diags_init(&ignored);
    aicc_diags *const diags = call->eval->diags;
    call->eval->diags = &ignored;
    const bool known = aicc_eval_dim(call, type->dims[d], &shape[d]) == AICC_OK;
    call->eval->diags = diags;
    aicc_diags_deinit(&ignored);
    shape[d] = known ? shape[d] : 0;
  }
  return aicc_eval_value_create(type->dtype, type->rank, shape, call->eval->diags,
                                &call->out[index]);
}

// Joins tensors of one shape along a new axis.
static aicc_status stack(aicc_eval_call *call, const aicc_eval_value *items, int64_t count,
                         int axis, aicc_eval_value *out) {
  const aicc_eval_value *first = &items[0];
  int64_t shape[AICC_MAX_RANK];
  if (first->rank + 1 > AICC_MAX_RANK) {
    return aicc_eval_fail(call, "the result's rank is too high");
  }
  for (int d = 0; d <= first->rank; d++) {
    shape[d] = d < axis ? first->shape[d] : d == axis ? count : first->shape[d - 1];
  }
  AICC_TRY(aicc_eval_value_create(first->dtype, first->rank + 1, shape, call->eval->diags, out));
  const int64_t outer = aicc_eval_product(first->shape, axis);
  const size_t block = (size_t)aicc_eval_product(first->shape + axis, first->rank - axis) *
                       aicc_dtype_size(first->dtype);
  for (int64_t i = 0; i < count; i++) {
    if (items[i].rank != first->rank || items[i].dtype != first->dtype ||
        memcmp(items[i].shape, first->shape, sizeof(int64_t) * (size_t)first->rank) != 0) {
      return aicc_eval_fail(call, "the tensors to join differ in shape");
    }
    for (int64_t o = 0; o < outer; o++) {
      memcpy((char *)out->data + (size_t)(o * count + i) * block,
             (const char *)items[i].data + (size_t)o * block, block);
    }
  }
  return AICC_OK;
}

static aicc_status finish_loop(aicc_eval_call *call, loop *l) {
  for (int i = 0; i < l->state_count; i++) {
    call->out[i] = l->state[i];
    l->state[i] = (aicc_eval_value){.kind = AICC_TYPE_TENSOR};
  }
  for (int i = 0; i < l->scan_count; i++) {
    const int index = l->state_count + i;
    AICC_TRY(l->done ? stack(call, l->scans[i], l->done, 0, &call->out[index])
                     : empty_scan(call, index));
  }
  return bind_results(call);
}

aicc_status aicc_eval_op_loop(aicc_eval_call *call) {
  loop l = {0};
  AICC_TRY(needs_values(call));
  aicc_status status = read_loop(call, &l);
  const int64_t trips = aicc_eval_scalar_i64(call->in[0]);
  bool go = aicc_eval_scalar_i64(call->in[1]) != 0;
  while (status == AICC_OK && go && (trips < 0 || l.done < trips)) {
    status = iterate(call, &l, &go);
  }
  if (status == AICC_OK) {
    status = finish_loop(call, &l);
  }
  for (int i = 0; i < l.state_count && l.state; i++) {
    aicc_eval_value_deinit(&l.state[i]);
  }
  for (int i = 0; i < l.scan_count && l.scans; i++) {
    for (int64_t k = 0; k < l.done; k++) {
      aicc_eval_value_deinit(&l.scans[i][k]);
    }
  }
  return status;
}

// --- sequences -----------------------------------------------------------------------------------

static aicc_status make_sequence(aicc_eval_call *call, aicc_type_kind kind, int64_t count) {
  const aicc_type *element = call->node->out[0]->type.element;
  call->out[0] = (aicc_eval_value){.kind = kind,
                                   .dtype = element ? element->dtype : AICC_F32,
                                   .items = calloc((size_t)count + 1, sizeof(aicc_eval_value)),
                                   .item_count = count};
  AICC_ASSERT(call->out[0].items != NULL);
  return AICC_OK;
}

static aicc_status needs_sequence(const aicc_eval_call *call) {
  return call->in[0]->kind == AICC_TYPE_SEQUENCE
             ? AICC_OK
             : aicc_eval_fail(call, "the first operand is no sequence");
}

// The position operand |index|, or |otherwise| where it is left out; 0 <= result < |limit|.
static aicc_status position(const aicc_eval_call *call, int index, int64_t otherwise,
                            int64_t limit, int64_t *out) {
  const bool given = index < call->node->in_count && call->in[index];
  const int64_t wanted = given ? aicc_eval_scalar_i64(call->in[index]) : otherwise;
  *out = wanted < 0 ? wanted + call->in[0]->item_count : wanted;
  return *out >= 0 && *out < limit
             ? AICC_OK
             : aicc_eval_fail(call, "position %lld of a sequence of %lld", (long long)wanted,
                              (long long)call->in[0]->item_count);
}

aicc_status aicc_eval_op_seq_empty(aicc_eval_call *call) {
  return make_sequence(call, AICC_TYPE_SEQUENCE, 0);
}

aicc_status aicc_eval_op_seq_insert(aicc_eval_call *call) {
  AICC_TRY(needs_sequence(call));
  const aicc_eval_value *sequence = call->in[0];
  int64_t at;
  AICC_TRY(position(call, 2, sequence->item_count, sequence->item_count + 1, &at));
  AICC_TRY(make_sequence(call, AICC_TYPE_SEQUENCE, sequence->item_count + 1));
  for (int64_t i = 0; i <= sequence->item_count; i++) {
    aicc_eval_value_copy(i == at ? call->in[1] : &sequence->items[i - (i > at)],
                         &call->out[0].items[i]);
  }
  return AICC_OK;
}

aicc_status aicc_eval_op_seq_erase(aicc_eval_call *call) {
  AICC_TRY(needs_sequence(call));
  const aicc_eval_value *sequence = call->in[0];
  int64_t at;
  AICC_TRY(position(call, 1, sequence->item_count - 1, sequence->item_count, &at));
  AICC_TRY(make_sequence(call, AICC_TYPE_SEQUENCE, sequence->item_count - 1));
  for (int64_t i = 0; i + 1 < sequence->item_count; i++) {
    aicc_eval_value_copy(&sequence->items[i + (i >= at)], &call->out[0].items[i]);
  }
  return AICC_OK;
}

aicc_status aicc_eval_op_seq_at(aicc_eval_call *call) {
  int64_t at;
  AICC_TRY(needs_sequence(call));
  AICC_TRY(position(call, 1, 0, call->in[0]->item_count, &at));
  aicc_eval_value_copy(&call->in[0]->items[at], &call->out[0]);
  return bind_results(call);
}

aicc_status aicc_eval_op_seq_length(aicc_eval_call *call) {
  AICC_TRY(needs_sequence(call));
  aicc_set_i64(call->out[0].dtype, call->out[0].data, 0, call->in[0]->item_count);
  return AICC_OK;
}

// Joins tensors along an axis they have; the other sizes agree.
static aicc_status join(aicc_eval_call *call, const aicc_eval_value *sequence, int axis) {
  const aicc_eval_value *first = &sequence->items[0];
  int64_t shape[AICC_MAX_RANK];
  memcpy(shape, first->shape, sizeof shape);
  shape[axis] = 0;
  for (int64_t i = 0; i < sequence->item_count; i++) {
    shape[axis] += sequence->items[i].shape[axis];
  }
  aicc_eval_value *out = &call->out[0];
  AICC_TRY(aicc_eval_value_create(first->dtype, first->rank, shape, call->eval->diags, out));
  const int64_t outer = aicc_eval_product(shape, axis);
  const size_t inner = (size_t)aicc_eval_product(shape + axis + 1, first->rank - axis - 1) *
                       aicc_dtype_size(first->dtype);
  int64_t at = 0;
  for (int64_t i = 0; i < sequence->item_count; i++) {
    const aicc_eval_value *item = &sequence->items[i];
    const size_t block = (size_t)item->shape[axis] * inner;
    if (item->rank != first->rank ||
        (size_t)aicc_eval_value_count(item) * aicc_dtype_size(item->dtype) !=
            (size_t)outer * block) {
      return aicc_eval_fail(call, "the tensors to join differ in shape");
    }
    for (int64_t o = 0; o < outer; o++) {
      memcpy((char *)out->data + (size_t)(o * shape[axis] + at) * inner,
             (const char *)item->data + (size_t)o * block, block);
    }
    at += item->shape[axis];
  }
  return AICC_OK;
}

aicc_status aicc_eval_op_seq_concat(aicc_eval_call *call) {
  AICC_TRY(needs_sequence(call));
  const aicc_eval_value *sequence = call->in[0];
  if (sequence->item_count == 0) {
    return aicc_eval_fail(call, "the sequence is empty");
  }
  const bool new_axis = aicc_get_int(call->node, AICC_ATTR_KEEPDIMS, 0) != 0;
  int axis;
  AICC_TRY(aicc_eval_axis(call, AICC_ATTR_AXIS, sequence->items[0].rank + new_axis, &axis));
  AICC_TRY(new_axis ? stack(call, sequence->items, sequence->item_count, axis, &call->out[0])
                    : join(call, sequence, axis));
  return bind_results(call);
}

// --- optionals -----------------------------------------------------------------------------------

aicc_status aicc_eval_op_opt_make(aicc_eval_call *call) {
  const bool full = call->node->in_count == 1 && call->in[0];
  AICC_TRY(make_sequence(call, AICC_TYPE_OPTIONAL, full));
  if (full) {
    aicc_eval_value_copy(call->in[0], &call->out[0].items[0]);
  }
  return AICC_OK;
}

// What is no optional counts as a full one.
aicc_status aicc_eval_op_opt_has(aicc_eval_call *call) {
  const bool has = call->in[0]->kind != AICC_TYPE_OPTIONAL || call->in[0]->item_count == 1;
  aicc_set_i64(call->out[0].dtype, call->out[0].data, 0, has);
  return AICC_OK;
}

aicc_status aicc_eval_op_opt_get(aicc_eval_call *call) {
  const aicc_eval_value *optional = call->in[0];
  if (optional->kind == AICC_TYPE_OPTIONAL && optional->item_count == 0) {
    return aicc_eval_fail(call, "the optional is empty");
  }
  const bool wrapped = optional->kind == AICC_TYPE_OPTIONAL;
  aicc_eval_value_copy(wrapped ? &optional->items[0] : optional, &call->out[0]);
  return bind_results(call);
}
