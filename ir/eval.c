// The interpreter's driver: values by id, symbols, one table row per operator.
#include "ir/eval.h"

#include <stdio.h>
#include <string.h>

#include "ir/eval_call.h"
#include "ir/scalar.h"

// |shapes_self|: the operator makes its results itself; else they are allocated as typed before.
typedef struct eval_row {
  aicc_eval_fn fn;
  bool shapes_self;
} eval_row;

// Operators without a row of their own are elementwise functions of scalar_ops.def.
static const eval_row rows[AICC_OP_COUNT] = {
    [AICC_OP_POW] = {aicc_eval_op_pow, false},
    [AICC_OP_SELECT] = {aicc_eval_op_select, false},
    [AICC_OP_CAST] = {aicc_eval_op_cast, false},
    [AICC_OP_BITCAST] = {aicc_eval_op_bitcast, false},
    [AICC_OP_CONST] = {aicc_eval_op_constant, true},
    [AICC_OP_FROM_DIMS] = {aicc_eval_op_from_dims, false},
    [AICC_OP_IOTA] = {aicc_eval_op_iota, false},
    [AICC_OP_RANDOM] = {aicc_eval_op_random, false},
    [AICC_OP_RESHAPE] = {aicc_eval_op_reshape, true},
    [AICC_OP_TRANSPOSE] = {aicc_eval_op_transpose, false},
    [AICC_OP_BROADCAST] = {aicc_eval_op_broadcast, false},
    [AICC_OP_SLICE] = {aicc_eval_op_slice, false},
    [AICC_OP_PAD] = {aicc_eval_op_pad, false},
    [AICC_OP_CONCAT] = {aicc_eval_op_concat, false},
    [AICC_OP_GATHER] = {aicc_eval_op_gather, false},
    [AICC_OP_GATHER_ELEMENTS] = {aicc_eval_op_gather_elements, false},
    [AICC_OP_GATHER_ND] = {aicc_eval_op_gather_nd, false},
    [AICC_OP_WINDOW] = {aicc_eval_op_window, false},
    [AICC_OP_RESIZE] = {aicc_eval_op_resize, false},
    [AICC_OP_REVERSE_SEQUENCE] = {aicc_eval_op_reverse_sequence, false},
    [AICC_OP_REDUCE_SUM] = {aicc_eval_op_reduce, false},
    [AICC_OP_REDUCE_PROD] = {aicc_eval_op_reduce, false},
    [AICC_OP_REDUCE_MAX] = {aicc_eval_op_reduce, false},
    [AICC_OP_REDUCE_MIN] = {aicc_eval_op_reduce, false},
    [AICC_OP_ARGMAX] = {aicc_eval_op_arg, false},
    [AICC_OP_ARGMIN] = {aicc_eval_op_arg, false},
    [AICC_OP_CUMULATE] = {aicc_eval_op_cumulate, false},
    [AICC_OP_TOPK] = {aicc_eval_op_topk, false},
    [AICC_OP_MATMUL] = {aicc_eval_op_matmul, false},
    [AICC_OP_CONV] = {aicc_eval_op_conv, false},
    [AICC_OP_CONV_TRANSPOSE] = {aicc_eval_op_conv_transpose, false},
    [AICC_OP_ATTENTION] = {aicc_eval_op_attention, false},
    [AICC_OP_SCATTER_ELEMENTS] = {aicc_eval_op_scatter_elements, false},
    [AICC_OP_SCATTER_ND] = {aicc_eval_op_scatter_nd, false},
    [AICC_OP_DEF_DIM] = {aicc_eval_op_def_dim, true},
    [AICC_OP_ASSERT] = {aicc_eval_op_assert, true},
    [AICC_OP_COUNT_NONZERO] = {aicc_eval_op_count_nonzero, false},
    [AICC_OP_NONZERO] = {aicc_eval_op_nonzero, false},
    [AICC_OP_OPAQUE] = {aicc_eval_op_opaque, false},
    [AICC_OP_IF] = {aicc_eval_op_if, true},
    [AICC_OP_LOOP] = {aicc_eval_op_loop, true},
    [AICC_OP_GROUP] = {aicc_eval_op_group, true},
    [AICC_OP_SEQ_EMPTY] = {aicc_eval_op_seq_empty, true},
    [AICC_OP_SEQ_INSERT] = {aicc_eval_op_seq_insert, true},
    [AICC_OP_SEQ_ERASE] = {aicc_eval_op_seq_erase, true},
    [AICC_OP_SEQ_AT] = {aicc_eval_op_seq_at, true},
    [AICC_OP_SEQ_LENGTH] = {aicc_eval_op_seq_length, false},
    [AICC_OP_SEQ_CONCAT] = {aicc_eval_op_seq_concat, true},
    [AICC_OP_OPT_MAKE] = {aicc_eval_op_opt_make, true},
    [AICC_OP_OPT_HAS] = {aicc_eval_op_opt_has, false},
    [AICC_OP_OPT_GET] = {aicc_eval_op_opt_get, true},
};

static aicc_eval_fn function_of(aicc_op op) {
  const aicc_scalar_info *scalar = aicc_scalar_of(op);
  return rows[op].fn ? rows[op].fn : scalar->f64 || scalar->i64 ? aicc_eval_op_eltwise : NULL;
}

// --- failures ------------------------------------------------------------------------------------

static void report(const aicc_eval_call *call, const char *format, va_list args) {
  const aicc_origin *origin = call->node->origin_count ? call->node->origins : NULL;
  const aicc_loc loc = {.file = call->eval->module->file,
                        .node = origin ? origin->node : NULL,
                        .op = origin ? origin->op : NULL};
  AICC_EMIT(call->eval->diags, E0250, &loc, aicc_op_table[call->node->op].name,
            aicc_arena_vprintf(call->arena, format, args));
}

aicc_status aicc_eval_fail(const aicc_eval_call *call, const char *format, ...) {
  va_list args;
  va_start(args, format);
  report(call, format, args);
  va_end(args);
  return AICC_INVALID;
}

aicc_status aicc_eval_unsupported(const aicc_eval_call *call, const char *format, ...) {
  va_list args;
  va_start(args, format);
  report(call, format, args);
  va_end(args);
  return AICC_UNSUPPORTED;
}

// --- symbols -------------------------------------------------------------------------------------

static bool lookup(void *context, const char *symbol, int64_t *value) {
  const aicc_eval *eval = context;
  for (size_t i = eval->symbol_count; i-- > 0;) {
    if (strcmp(eval->symbols[i].name, symbol) == 0) {
      *value = eval->symbols[i].value;
      return true;
    }
  }
  return false;
}

void aicc_eval_bind_symbol(aicc_eval *eval, const char *name, int64_t value) {
  AICC_PUSH(&eval->arena, eval->symbols, eval->symbol_count, eval->symbol_capacity,
            ((aicc_eval_symbol){name, value}));
}

static bool dim_value(aicc_eval *eval, aicc_dim dim, int64_t *out) {
  return aicc_dim_eval(eval->module->dims, dim, lookup, eval, out);
}

aicc_status aicc_eval_dim(const aicc_eval_call *call, aicc_dim dim, int64_t *out) {
  if (dim_value(call->eval, dim, out)) {
    return AICC_OK;
  }
  return aicc_eval_fail(call, "no value is known of dimension %s",
                        aicc_dim_print(call->eval->module->dims, dim, call->arena));
}

aicc_status aicc_eval_dims(const aicc_eval_call *call, aicc_attr_key key, int count,
                           int64_t *out) {
  int found = 0;
  const aicc_dim *dims = aicc_get_dims(call->node, key, &found);
  if (!dims && key == AICC_ATTR_PADS) {
    memset(out, 0, sizeof(int64_t) * (size_t)count);
    return AICC_OK;
  }
  if (!dims || found != count || count > AICC_MAX_RANK) {
    return aicc_eval_fail(call, "attribute '%s' has %d entries, %d are needed",
                          aicc_attr_table[key].name, dims ? found : 0, count);
  }
  for (int i = 0; i < count; i++) {
    AICC_TRY(aicc_eval_dim(call, dims[i], &out[i]));
  }
  return AICC_OK;
}

aicc_status aicc_eval_ints(const aicc_eval_call *call, aicc_attr_key key, int count,
                           int64_t otherwise, int64_t *out) {
  int found = 0;
  const int64_t *ints = aicc_get_ints(call->node, key, &found);
  if (ints && found != count) {
    return aicc_eval_fail(call, "attribute '%s' has %d entries, %d are needed",
                          aicc_attr_table[key].name, found, count);
  }
  for (int i = 0; i < count; i++) {
    out[i] = ints ? ints[i] : otherwise;
  }
  return AICC_OK;
}

aicc_status aicc_eval_axis(const aicc_eval_call *call, aicc_attr_key key, int rank, int *out) {
  const int64_t axis = aicc_eval_index(aicc_get_int(call->node, key, 0), rank);
  *out = (int)axis;
  return axis >= 0 ? AICC_OK : aicc_eval_fail(call, "axis out of range for rank %d", rank);
}

static bool names_symbol(aicc_eval *eval, aicc_dim dim) {
  int64_t known;
  return aicc_dim_symbol_name(eval->module->dims, dim) && !dim_value(eval, dim, &known);
}

static aicc_status mismatch(const aicc_eval_call *call, const aicc_type *type,
                            const aicc_eval_value *value, const char *what) {
  const char *wanted = aicc_type_print(call->eval->module, type, call->arena);
  const char *given = "no tensor";
  if (value->kind == AICC_TYPE_TENSOR) {
    given = aicc_arena_printf(call->arena, "%s[", aicc_dtype_name(value->dtype));
    for (int d = 0; d < value->rank; d++) {
      given = aicc_arena_printf(call->arena, "%s%s%lld", given, d ? ", " : "",
                                (long long)value->shape[d]);
    }
    given = aicc_arena_printf(call->arena, "%s]", given);
  }
  const aicc_loc loc = {.file = call->eval->module->file};
  AICC_EMIT(call->eval->diags, E0251, &loc, what, given, wanted);
  return AICC_INVALID;
}

static void bind_symbols(aicc_eval *eval, const aicc_type *type, const aicc_eval_value *value) {
  if (type->kind != AICC_TYPE_TENSOR || type->rank != value->rank) {
    return;
  }
  for (int d = 0; d < type->rank; d++) {
    if (names_symbol(eval, type->dims[d])) {
      aicc_eval_bind_symbol(eval, aicc_dim_symbol_name(eval->module->dims, type->dims[d]),
                            value->shape[d]);
    }
  }
}

aicc_status aicc_eval_bind(const aicc_eval_call *call, const aicc_type *type,
                           const aicc_eval_value *value, const char *what) {
  if (type->kind != value->kind) {
    return mismatch(call, type, value, what);
  }
  if (type->kind != AICC_TYPE_TENSOR) {
    return AICC_OK;
  }
  if (type->dtype != value->dtype || type->rank != value->rank) {
    return mismatch(call, type, value, what);
  }
  bind_symbols(call->eval, type, value);
  for (int d = 0; d < type->rank; d++) {
    int64_t wanted;
    if (!dim_value(call->eval, type->dims[d], &wanted) || wanted != value->shape[d]) {
      return mismatch(call, type, value, what);
    }
  }
  return AICC_OK;
}

aicc_status aicc_eval_result(const aicc_eval_call *call, int index) {
  const aicc_type *type = &call->node->out[index]->type;
  if (type->kind != AICC_TYPE_TENSOR || type->rank < 0) {
    return aicc_eval_fail(call, "result %d is no tensor of known rank", index);
  }
  int64_t shape[AICC_MAX_RANK];
  for (int d = 0; d < type->rank; d++) {
    AICC_TRY(aicc_eval_dim(call, type->dims[d], &shape[d]));
  }
  return aicc_eval_value_create(type->dtype, type->rank, shape, call->eval->diags,
                                &call->out[index]);
}

// --- nodes ---------------------------------------------------------------------------------------

// Moves copy aicc_str elements; the result takes the bytes along, so that it owns what it shows.
static void own_strings(aicc_eval_value *value) {
  if (value->kind != AICC_TYPE_TENSOR || value->dtype != AICC_STR || !value->buf) {
    return;
  }
  const int64_t count = aicc_eval_value_count(value);
  const aicc_str *from = value->data;
  size_t bytes = 0;
  for (int64_t i = 0; i < count; i++) {
    bytes += from[i].size;
  }
  aicc_buf *buf = aicc_buf_create_heap((size_t)count * sizeof(aicc_str) + bytes);
  aicc_str *to = (aicc_str *)(void *)aicc_buf_data_mut(buf);
  char *text = (char *)(to + count);
  for (int64_t i = 0; i < count; i++) {
    if (from[i].size) {
      memcpy(text, from[i].data, from[i].size);
    }
    to[i] = (aicc_str){text, from[i].size};
    text += from[i].size;
  }
  aicc_buf_release(value->buf);
  value->buf = buf;
  value->data = to;
}

static aicc_status check_operands(const aicc_eval_call *call) {
  const aicc_op_info *info = &aicc_op_table[call->node->op];
  for (int i = 0; i < info->least; i++) {
    if (i >= call->node->in_count || !call->in[i]) {
      return aicc_eval_fail(call, "operand %d is missing", i);
    }
  }
  if (info->kind == AICC_KIND_CONTROL) {
    return AICC_OK;
  }
  for (int i = 0; i < call->node->in_count; i++) {
    if (call->in[i] && call->in[i]->kind != AICC_TYPE_TENSOR) {
      return aicc_eval_fail(call, "operand %d is no tensor", i);
    }
  }
  return AICC_OK;
}

static aicc_status run_call(aicc_eval_call *call) {
  const aicc_op op = call->node->op;
  const aicc_eval_fn fn = function_of(op);
  if (!fn) {
    return aicc_eval_unsupported(call, "the interpreter has no such operator");
  }
  AICC_TRY(check_operands(call));
  for (int i = 0; i < call->node->out_count && !rows[op].shapes_self; i++) {
    AICC_TRY(aicc_eval_result(call, i));
  }
  AICC_TRY(fn(call));
  for (int i = 0; i < call->node->out_count && !rows[op].shapes_self; i++) {
    own_strings(&call->out[i]);
  }
  return AICC_OK;
}

aicc_status aicc_eval_call_node(aicc_eval *eval, const aicc_node *node,
                                const aicc_eval_value *const *in, aicc_eval_value *out) {
  aicc_arena arena;
  aicc_arena_init(&arena);
  aicc_eval_call call = {eval, node, in, out, &arena};
  for (int i = 0; i < node->out_count; i++) {
    out[i] = (aicc_eval_value){.kind = AICC_TYPE_TENSOR};
  }
  const aicc_status status = run_call(&call);
  for (int i = 0; i < node->out_count && status != AICC_OK; i++) {
    aicc_eval_value_deinit(&out[i]);
  }
  aicc_arena_deinit(&arena);
  return status;
}

aicc_status aicc_eval_node(aicc_module *module, const aicc_node *node,
                           const aicc_eval_value *const *in, aicc_eval_value *out,
                           aicc_diags *diags) {
  aicc_eval eval = {.module = module, .diags = diags};
  aicc_arena_init(&eval.arena);
  const aicc_status status = aicc_eval_call_node(&eval, node, in, out);
  aicc_arena_deinit(&eval.arena);
  return status;
}

// --- regions -------------------------------------------------------------------------------------

// The node of |value|'s own region that holds |node|, at some depth.
static const aicc_node *lift(const aicc_value *value, const aicc_node *node) {
  const aicc_region *home = value->def ? value->def->parent : value->region;
  while (node && node->parent != home) {
    node = node->parent->parent;
  }
  return node;
}

// A value that a region yields from further out is used by the region's node.
static void note_uses(void *context, aicc_node *node) {
  aicc_eval *eval = context;
  for (int i = 0; i < node->in_count; i++) {
    if (node->in[i]) {
      eval->last_use[node->in[i]->id] = lift(node->in[i], node);
    }
  }
  for (int r = 0; r < node->region_count; r++) {
    for (int i = 0; i < node->regions[r]->result_count; i++) {
      const aicc_value *value = node->regions[r]->results[i];
      eval->last_use[value->id] = lift(value, node);
    }
  }
}

// What a region itself defines and yields lives to its end.
static void keep_results(aicc_eval *eval, const aicc_region *region) {
  for (int i = 0; i < region->result_count; i++) {
    const aicc_value *value = region->results[i];
    const aicc_region *home = value->def ? value->def->parent : value->region;
    if (home == region) {
      eval->last_use[value->id] = NULL;
    }
  }
}

static void keep_nested_results(void *context, aicc_node *node) {
  for (int r = 0; r < node->region_count; r++) {
    keep_results(context, node->regions[r]);
  }
}

typedef struct drop_context {
  aicc_eval *eval;
  const aicc_node *after;
} drop_context;

static void drop_operands(void *context, aicc_node *node) {
  const drop_context *drop = context;
  for (int i = 0; i < node->in_count; i++) {
    const aicc_value *value = node->in[i];
    if (value && drop->eval->last_use[value->id] == drop->after) {
      aicc_eval_value_deinit(&drop->eval->values[value->id]);
    }
  }
}

static aicc_status run_node(aicc_eval *eval, aicc_node *node) {
  const aicc_eval_value **in =
      AICC_NEW_ARRAY(&eval->arena, const aicc_eval_value *, node->in_count + 1);
  aicc_eval_value *out = AICC_NEW_ARRAY(&eval->arena, aicc_eval_value, node->out_count + 1);
  for (int i = 0; i < node->in_count; i++) {
    in[i] = node->in[i] ? &eval->values[node->in[i]->id] : NULL;
  }
  AICC_TRY(aicc_eval_call_node(eval, node, in, out));
  for (int i = 0; i < node->out_count; i++) {
    aicc_eval_value_deinit(&eval->values[node->out[i]->id]);
    eval->values[node->out[i]->id] = out[i];
  }
  drop_context drop = {eval, node};
  drop_operands(&drop, node);
  for (int r = 0; r < node->region_count; r++) {
    aicc_region_visit(node->regions[r], drop_operands, &drop);
  }
  return AICC_OK;
}

aicc_status aicc_eval_region(aicc_eval *eval, const aicc_region *region) {
  for (aicc_node *node = region->first; node; node = node->next) {
    AICC_TRY(run_node(eval, node));
  }
  return AICC_OK;
}

void aicc_eval_clear_region(aicc_eval *eval, const aicc_region *region) {
  for (int i = 0; i < region->param_count; i++) {
    aicc_eval_value_deinit(&eval->values[region->params[i]->id]);
  }
  for (const aicc_node *node = region->first; node; node = node->next) {
    for (int i = 0; i < node->out_count; i++) {
      aicc_eval_value_deinit(&eval->values[node->out[i]->id]);
    }
  }
}

static void clear_nested(void *context, aicc_node *node) {
  for (int r = 0; r < node->region_count; r++) {
    aicc_eval_clear_region(context, node->regions[r]);
  }
}

static aicc_status run_graph(aicc_eval *eval, const aicc_eval_value *inputs,
                             aicc_eval_value *outputs) {
  const aicc_region *body = eval->module->body;
  const aicc_node graph = {.op = AICC_OP_GROUP};
  const aicc_eval_call call = {eval, &graph, NULL, NULL, &eval->arena};
  for (int i = 0; i < body->param_count; i++) {
    bind_symbols(eval, &body->params[i]->type, &inputs[i]);
  }
  for (int i = 0; i < body->param_count; i++) {
    const aicc_value *param = body->params[i];
    const char *what = aicc_arena_printf(&eval->arena, "input '%s'",
                                         param->name ? param->name : "?");
    AICC_TRY(aicc_eval_bind(&call, &param->type, &inputs[i], what));
    aicc_eval_value_copy(&inputs[i], &eval->values[param->id]);
  }
  AICC_TRY(aicc_eval_region(eval, body));
  for (int i = 0; i < body->result_count; i++) {
    aicc_eval_value_copy(&eval->values[body->results[i]->id], &outputs[i]);
  }
  return AICC_OK;
}

aicc_status aicc_eval_graph(const aicc_module *module, const aicc_eval_value *inputs,
                            aicc_eval_value *outputs, aicc_diags *diags) {
  aicc_eval eval = {.module = module, .diags = diags};
  aicc_arena_init(&eval.arena);
  eval.values = AICC_NEW_ARRAY(&eval.arena, aicc_eval_value, module->value_count + 1);
  eval.last_use = AICC_NEW_ARRAY(&eval.arena, const aicc_node *, module->value_count + 1);
  aicc_region_visit(module->body, note_uses, &eval);
  aicc_region_visit(module->body, keep_nested_results, &eval);
  keep_results(&eval, module->body);
  const aicc_status status = run_graph(&eval, inputs, outputs);
  aicc_eval_clear_region(&eval, module->body);
  aicc_region_visit(module->body, clear_nested, &eval);
  aicc_arena_deinit(&eval.arena);
  return status;
}
