#include "passes/lower.h"

#include <stdlib.h>
#include <string.h>

#include "passes/symbols.h"

// --- slots ---------------------------------------------------------------------------------------

aicc_slot aicc_lower_new_slot(aicc_lower *lw, aicc_slot_kind kind, const aicc_type *type,
                              const char *name) {
  aicc_plan *plan = lw->plan;
  aicc_slot_info info = {.kind = kind, .type = *type, .name = name};
  if (type->kind == AICC_TYPE_TENSOR && type->rank >= 0) {
    info.bytes = aicc_lower_bytes(lw, type);
  }
  AICC_PUSH(&plan->arena, plan->slots, plan->slot_count, plan->slot_capacity, info);
  return (aicc_slot)(plan->slot_count - 1);
}

aicc_dim aicc_lower_bytes(aicc_lower *lw, const aicc_type *type) {
  aicc_dims *dims = lw->module->dims;
  return aicc_dim_mul(dims, aicc_type_count(lw->module, type),
                      aicc_dim_const(dims, (int64_t)aicc_dtype_size(type->dtype)));
}

void aicc_lower_set_slot(aicc_lower *lw, const aicc_value *value, aicc_slot slot) {
  lw->slot_of[value->id] = slot;
}

void aicc_lower_alias(aicc_lower *lw, const aicc_value *value, aicc_slot of) {
  const aicc_slot slot = aicc_lower_new_slot(lw, AICC_SLOT_ALIAS, &value->type, value->name);
  lw->plan->slots[slot].index = of;
  lw->slot_of[value->id] = slot;
}

aicc_slot aicc_lower_constant(aicc_lower *lw, const aicc_plan_const *constant) {
  aicc_plan *plan = lw->plan;
  const aicc_tensor *tensor = constant->tensor;
  uint32_t index = 0;
  while (index < plan->const_count &&
         !(plan->consts[index].tensor->data == tensor->data &&
           plan->consts[index].tensor->dtype == tensor->dtype &&
           aicc_pack_equal(plan->consts[index].pack, constant->pack))) {
    index++;
  }
  if (index == plan->const_count) {
    aicc_plan_const added = *constant;
    int64_t count = constant->pack ? aicc_pack_count(constant->pack) : 1;
    for (int i = 0; i < tensor->rank && !constant->pack; i++) {
      count *= tensor->shape[i];
    }
    added.size = (uint64_t)count * aicc_dtype_size(tensor->dtype);
    AICC_PUSH(&plan->arena, plan->consts, plan->const_count, plan->const_capacity, added);
  }
  aicc_dim shape[AICC_MAX_RANK];
  for (int i = 0; i < tensor->rank; i++) {
    shape[i] = aicc_dim_const(lw->module->dims, tensor->shape[i]);
  }
  const aicc_type type = aicc_type_tensor(lw->module, tensor->dtype, shape, tensor->rank);
  const aicc_slot slot = aicc_lower_new_slot(lw, AICC_SLOT_CONST, &type, constant->name);
  plan->slots[slot].index = index;
  return slot;
}

// The segment in which every symbol of |dim| is known.
static uint32_t segment_of(const aicc_lower *lw, aicc_dim dim) {
  const aicc_dims *dims = lw->module->dims;
  if (aicc_dim_kind_of(dims, dim) == AICC_DIM_SYMBOL) {
    return dim < lw->symbol_capacity ? lw->segment_of[dim] : 0;
  }
  uint32_t segment = 0;
  for (int i = 0; i < 3; i++) {
    const aicc_dim operand = aicc_dim_operand(dims, dim, i);
    if (operand != AICC_DIM_NONE) {
      const uint32_t own = segment_of(lw, operand);
      segment = own > segment ? own : segment;
    }
  }
  return segment;
}

void aicc_lower_symbol_defined(aicc_lower *lw, aicc_dim symbol) {
  if (symbol >= lw->symbol_capacity) {
    const size_t capacity = 2 * (size_t)symbol + 64;
    uint32_t *grown = AICC_NEW_ARRAY(&lw->plan->arena, uint32_t, capacity);
    if (lw->symbol_capacity) {
      memcpy(grown, lw->segment_of, lw->symbol_capacity * sizeof *grown);
    }
    lw->segment_of = grown;
    lw->symbol_capacity = capacity;
  }
  lw->segment_of[symbol] = ++lw->plan->segment_count - 1;
  aicc_lower_step(lw, AICC_STEP_SEGMENT)->index = lw->segment_of[symbol];
}

aicc_slot aicc_lower_temporary(aicc_lower *lw, aicc_dtype dtype, const aicc_dim *dims, int rank,
                               const char *name) {
  const aicc_type type = aicc_type_tensor(lw->module, dtype, dims, rank);
  const aicc_slot slot = aicc_lower_new_slot(lw, AICC_SLOT_BUFFER, &type, name);
  lw->plan->slots[slot].segment = segment_of(lw, lw->plan->slots[slot].bytes);
  return slot;
}

static aicc_slot ask_for_output(aicc_lower *lw, uint32_t index) {
  const aicc_value *result = lw->module->body->results[index];
  const aicc_slot slot =
      aicc_lower_new_slot(lw, AICC_SLOT_OUTPUT, &result->type, lw->module->result_names[index]);
  lw->plan->slots[slot].index = index;
  lw->plan->outputs[index] = slot;
  aicc_step *step = aicc_lower_step(lw, AICC_STEP_OUTPUT);
  step->slot = slot;
  step->index = index;
  return slot;
}

aicc_slot aicc_lower_result(aicc_lower *lw, const aicc_value *value) {
  aicc_slot slot;
  if (lw->output_of[value->id] >= 0) {
    slot = ask_for_output(lw, (uint32_t)lw->output_of[value->id]);
    if (!aicc_type_equal(&lw->plan->slots[slot].type, &value->type)) {
      aicc_lower_alias(lw, value, slot);  // computed in another shape than the output's
      return lw->slot_of[value->id];
    }
  } else {
    slot = aicc_lower_temporary(lw, value->type.dtype, value->type.dims, value->type.rank,
                                value->name);
  }
  lw->slot_of[value->id] = slot;
  return slot;
}

static aicc_slot write_dims(aicc_lower *lw, const aicc_value *value, const aicc_dim *items) {
  int64_t count = 1;
  for (int i = 0; i < value->type.rank; i++) {
    int64_t extent = 0;
    aicc_dim_is_const(lw->module->dims, value->type.dims[i], &extent);
    count *= extent;
  }
  const aicc_slot slot = aicc_lower_temporary(lw, value->type.dtype, value->type.dims,
                                              value->type.rank, value->name);
  aicc_step *step = aicc_lower_step(lw, AICC_STEP_WRITE_DIMS);
  step->slot = slot;
  step->dims = items;
  step->dim_count = (int)count;
  return slot;
}

aicc_slot aicc_lower_slot(aicc_lower *lw, const aicc_value *value) {
  if (lw->slot_of[value->id] != AICC_NO_SLOT) {
    return lw->slot_of[value->id];
  }
  const aicc_node *def = value->def;
  AICC_ASSERT(def && (def->op == AICC_OP_CONST || def->op == AICC_OP_FROM_DIMS));
  if (def->op == AICC_OP_CONST) {
    const aicc_plan_const constant = {.name = value->name,
                                      .tensor = aicc_get_tensor(def, AICC_ATTR_VALUE)};
    lw->slot_of[value->id] = aicc_lower_constant(lw, &constant);
    return lw->slot_of[value->id];
  }
  // Written where it is used: not remembered, since a branch may hold this use.
  int count;
  return write_dims(lw, value, aicc_get_dims(def, AICC_ATTR_DIMS, &count));
}

aicc_dim aicc_lower_read(aicc_lower *lw, const aicc_value *value, int index) {
  aicc_dims *dims = lw->module->dims;
  if (value->partial && value->partial[index] != AICC_DIM_NONE) {
    return value->partial[index];
  }
  const aicc_dim symbol = aicc_dim_fresh(dims, "data");
  aicc_dim_set_lower(dims, symbol, INT64_MIN);
  const aicc_slot slot = aicc_lower_slot(lw, value);
  aicc_step *step = aicc_lower_step(lw, AICC_STEP_DEF_DIM);
  step->slot = slot;
  step->index = (uint32_t)index;
  step->symbol = symbol;
  aicc_lower_symbol_defined(lw, symbol);
  return symbol;
}

// --- steps ---------------------------------------------------------------------------------------

aicc_step *aicc_lower_step(aicc_lower *lw, aicc_step_kind kind) {
  aicc_step *step = AICC_NEW(&lw->plan->arena, aicc_step);
  step->kind = kind;
  if (lw->steps->last) {
    lw->steps->last->next = step;
  } else {
    lw->steps->first = step;
  }
  lw->steps->last = step;
  return step;
}

void aicc_lower_unsupported(aicc_lower *lw, const aicc_node *node, const char *rule) {
  const aicc_origin *origin = node->origin_count ? &node->origins[0] : NULL;
  if (!origin && node->parent && node->parent->parent && node->parent->parent->origin_count) {
    origin = &node->parent->parent->origins[0];
  }
  const aicc_loc loc = {.file = lw->module->file,
                        .node = origin ? origin->node : aicc_op_table[node->op].name,
                        .op = origin ? origin->op : NULL,
                        .opset = lw->module->opset};
  AICC_EMIT(lw->diags, E0750, &loc, aicc_op_table[node->op].name, rule);
  lw->failed = true;
}

static void lower_group(aicc_lower *lw, aicc_node *group) {
  static const struct {
    const char *kind;
    void (*lower)(aicc_lower *lw, aicc_node *group);
  } kinds[] = {{"map", aicc_lower_map},
               {"row", aicc_lower_row},
               {"contract", aicc_lower_contract},
               {"own", aicc_lower_own}};
  const char *kind = aicc_get_string(group, AICC_ATTR_KIND, "map");
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    if (strcmp(kinds[i].kind, kind) == 0) {
      kinds[i].lower(lw, group);
      break;
    }
  }
  // What could not be lowered has a slot all the same, so that every such node is reported.
  for (int i = 0; i < group->out_count; i++) {
    if (lw->slot_of[group->out[i]->id] == AICC_NO_SLOT) {
      AICC_ASSERT(lw->failed);
      aicc_lower_result(lw, group->out[i]);
    }
  }
}

static void lower_def_dim(aicc_lower *lw, const aicc_node *node) {
  int count;
  const aicc_dim *symbol = aicc_get_dims(node, AICC_ATTR_SYMBOL, &count);
  const aicc_slot slot = aicc_lower_slot(lw, node->in[0]);
  aicc_step *step = aicc_lower_step(lw, AICC_STEP_DEF_DIM);
  step->slot = slot;
  step->index = (uint32_t)aicc_get_int(node, AICC_ATTR_INDEX, 0);
  step->symbol = symbol[0];
  aicc_lower_symbol_defined(lw, symbol[0]);
}

static void lower_assert(aicc_lower *lw, const aicc_node *node) {
  const aicc_dim holds = aicc_lower_read(lw, node->in[0], 0);
  aicc_step *step = aicc_lower_step(lw, AICC_STEP_CHECK);
  step->dim = holds;
  step->text = aicc_get_string(node, AICC_ATTR_NAME, "an assertion of the model does not hold");
}

static void lower_node(aicc_lower *lw, aicc_node *node) {
  switch (node->op) {
    case AICC_OP_CONST:
    case AICC_OP_FROM_DIMS: return;  // made where they are used
    case AICC_OP_RESHAPE:
      aicc_lower_alias(lw, node->out[0], aicc_lower_slot(lw, node->in[0]));
      return;
    case AICC_OP_GROUP: lower_group(lw, node); return;
    case AICC_OP_DEF_DIM: lower_def_dim(lw, node); return;
    case AICC_OP_ASSERT: lower_assert(lw, node); return;
    default: break;
  }
  if (!aicc_lower_control(lw, node)) {
    aicc_lower_unsupported(lw, node, "it stands outside every group");
    for (int i = 0; i < node->out_count; i++) {
      aicc_lower_result(lw, node->out[i]);
    }
  }
}

void aicc_lower_region(aicc_lower *lw, aicc_region *region) {
  for (aicc_node *node = region->first; node; node = node->next) {
    lower_node(lw, node);
  }
}

// --- the module ----------------------------------------------------------------------------------

typedef struct symbol_search {
  const aicc_dims *dims;
  const aicc_type *among;
  aicc_dim wanted;
  bool found, all;
} symbol_search;

static void match_symbol(void *context, aicc_dim symbol) {
  symbol_search *search = context;
  search->found |= symbol == search->wanted;
}

static void need_symbol(void *context, aicc_dim symbol) {
  symbol_search *search = context;
  search->wanted = symbol;
  search->found = false;
  aicc_type_symbols(search->dims, search->among, match_symbol, search);
  search->all &= search->found;
}

// Whether every symbol of |type| is one of |known|'s: then |type| is known where a value of type
// |known| is made.
static bool known_with(const aicc_dims *dims, const aicc_type *type, const aicc_type *known) {
  symbol_search search = {.dims = dims, .among = known, .all = true};
  aicc_type_symbols(dims, type, need_symbol, &search);
  return search.all;
}

// Which values are computed straight into a graph output: a group's result, seen through views,
// that is no other output as well.
static void assign_outputs(aicc_lower *lw) {
  const aicc_region *body = lw->module->body;
  memset(lw->output_of, 0xFF, lw->module->value_count * sizeof *lw->output_of);
  for (int i = 0; i < body->result_count; i++) {
    const aicc_value *value = body->results[i];
    while (value->def && value->def->op == AICC_OP_RESHAPE && value->def->parent == body) {
      value = value->def->in[0];
    }
    if (value->def && value->def->op == AICC_OP_GROUP && value->def->parent == body &&
        lw->output_of[value->id] < 0 &&
        known_with(lw->module->dims, &body->results[i]->type, &value->type)) {
      lw->output_of[value->id] = i;
    }
  }
}

static void finish_outputs(aicc_lower *lw) {
  const aicc_region *body = lw->module->body;
  for (int i = 0; i < body->result_count; i++) {
    const aicc_value *value = body->results[i];
    if (lw->plan->outputs[i] != AICC_NO_SLOT) {
      continue;
    }
    if (aicc_lower_optional_output(lw, value, i)) {
      continue;
    }
    if (value->type.kind != AICC_TYPE_TENSOR) {
      const aicc_slot from = aicc_lower_slot(lw, value);
      aicc_step *step = aicc_lower_step(lw, AICC_STEP_SEQUENCE);
      step->seq_op = AICC_SEQ_OUTPUT;
      step->slot = from;
      step->index = (uint32_t)i;
      lw->plan->outputs[i] = from;
      continue;
    }
    const aicc_slot from = aicc_lower_slot(lw, value), to = ask_for_output(lw, (uint32_t)i);
    aicc_step *step = aicc_lower_step(lw, AICC_STEP_COPY);
    step->slot = to;
    step->slot2 = from;
    step->dim = lw->plan->slots[to].bytes;
  }
}

static void place_constants(aicc_plan *plan) {
  uint64_t offset = 0;
  for (size_t i = 0; i < plan->const_count; i++) {
    plan->consts[i].offset = offset;
    offset = (offset + plan->consts[i].size + 63) / 64 * 64;
  }
}

aicc_plan *aicc_lower_module(aicc_module *module, const aicc_machine *machine, FILE *report,
                             aicc_diags *diags) {
  aicc_plan *plan = calloc(1, sizeof *plan);
  AICC_ASSERT(plan);
  aicc_arena_init(&plan->arena);
  plan->module = module;
  plan->segment_count = 1;
  aicc_lower lw = {.module = module, .plan = plan, .machine = machine, .diags = diags,
                   .report = report, .steps = &plan->steps};
  lw.slot_of = AICC_NEW_ARRAY(&plan->arena, aicc_slot, module->value_count);
  lw.output_of = AICC_NEW_ARRAY(&plan->arena, int32_t, module->value_count);
  memset(lw.slot_of, 0xFF, module->value_count * sizeof *lw.slot_of);
  const aicc_region *body = module->body;
  plan->inputs = AICC_NEW_ARRAY(&plan->arena, aicc_slot, body->param_count);
  plan->outputs = AICC_NEW_ARRAY(&plan->arena, aicc_slot, body->result_count);
  memset(plan->outputs, 0xFF, (size_t)body->result_count * sizeof *plan->outputs);
  for (int i = 0; i < body->param_count; i++) {
    const aicc_value *param = body->params[i];
    const aicc_slot_kind kind =
        param->type.kind == AICC_TYPE_TENSOR ? AICC_SLOT_INPUT : AICC_SLOT_SEQUENCE;
    plan->inputs[i] = aicc_lower_new_slot(&lw, kind, &param->type, param->name);
    plan->slots[plan->inputs[i]].index = (uint32_t)i;
    lw.slot_of[param->id] = plan->inputs[i];
  }
  assign_outputs(&lw);
  aicc_lower_step(&lw, AICC_STEP_SEGMENT);
  aicc_lower_optional_inputs(&lw);
  aicc_lower_region(&lw, module->body);
  finish_outputs(&lw);
  place_constants(plan);
  aicc_lower_lives(plan);
  if (lw.failed) {
    aicc_plan_destroy(plan);
    return NULL;
  }
  return plan;
}

void aicc_plan_destroy(aicc_plan *plan) {
  if (plan) {
    aicc_arena_deinit(&plan->arena);
    free(plan);
  }
}
