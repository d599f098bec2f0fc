// If: a branch chosen when the model is compiled, or both, and one node that chooses in a run.
//
// Where the branches differ in rank, no type fits their output. Then what comes behind the If in
// its graph is imported once for each of them, into the branches themselves, up to the outputs of
// the graph (aicc_import_split). A graph that is a branch taken at compile time hands the rest on.
#include <string.h>

#include "frontend/import_control.h"

#include "frontend/import_internal.h"

enum { SPLITS_MAX = 3 };  // within each other: each doubles what comes behind it

// Sizes in which the branches differ: a symbol for each pair of them.
typedef struct choice {
  aicc_dim then, other, symbol;
} choice;

typedef struct choices {
  choice items[64];
  int count;
} choices;

static aicc_dim choose_dim(aicc_importer *im, choices *all, aicc_dim then, aicc_dim other) {
  if (then == other) {
    return then;
  }
  for (int i = 0; i < all->count; i++) {
    if (all->items[i].then == then && all->items[i].other == other) {
      return all->items[i].symbol;
    }
  }
  const aicc_dim symbol = aicc_dim_fresh(im->dims, "branch");
  if (all->count < (int)(sizeof all->items / sizeof all->items[0])) {
    all->items[all->count++] = (choice){then, other, symbol};
  }
  return symbol;
}

static aicc_status choose_type(aicc_importer *im, const aicc_onnx_node *n, choices *all, int i,
                               const aicc_value *then, const aicc_value *other, aicc_type *out) {
  const aicc_type *a = &then->type, *b = &other->type;
  if (a->kind != b->kind || a->dtype != b->dtype) {
    return aicc_unsupported(im, n, "the branches yield output %d in different types", i);
  }
  if (a->kind != AICC_TYPE_TENSOR) {
    return aicc_type_join(im, a, b, out)
               ? AICC_OK
               : aicc_unsupported(im, n, "the branches yield output %d in different types", i);
  }
  if (a->rank != b->rank) {
    return aicc_unsupported(im, n, "the branches yield output %d with %d and %d dimensions", i,
                            a->rank, b->rank);
  }
  aicc_dim dims[AICC_MAX_RANK];
  for (int d = 0; d < a->rank; d++) {
    dims[d] = choose_dim(im, all, a->dims[d], b->dims[d]);
  }
  *out = aicc_type_tensor(im->module, a->dtype, dims, a->rank);
  return AICC_OK;
}

// An empty sequence takes its elements' type from the other branch.
static void type_empty(aicc_value *value, const aicc_type *type) {
  if (aicc_is_untyped_sequence(value)) {
    value->type = *type;
  }
}

// --- trials --------------------------------------------------------------------------------------

// What is reported while it lasts is kept apart: a branch that fails need not be a fault of the
// model.
typedef struct trial {
  aicc_diags own, *diags;
  aicc_status before, status;
} trial;

static void trial_begin(aicc_importer *im, trial *t) {
  aicc_diags_init(&t->own);
  t->diags = im->diags;
  t->before = im->status;
  im->diags = im->b.diags = &t->own;
  im->status = AICC_OK;
}

static void trial_end(aicc_importer *im, trial *t, bool good) {
  t->status = im->status != AICC_OK ? im->status : good ? AICC_OK : AICC_INVALID;
  im->status = t->before;
  im->diags = im->b.diags = t->diags;
}

// Reports what the trial did, and takes over its failure.
static void trial_keep(aicc_importer *im, trial *t) {
  for (size_t i = 0; i < t->own.count; i++) {
    const aicc_diag *diag = &t->own.items[i];
    aicc_diag_append(im->diags, diag->id, &diag->loc, diag->text);
  }
  aicc_import_fail(im, t->status);
}

static const aicc_diag *first_error(const trial *t) {
  for (size_t i = 0; i < t->own.count; i++) {
    if (t->own.items[i].severity == AICC_ERROR) {
      return &t->own.items[i];
    }
  }
  return NULL;
}

// Sizes were the reason, not what aicc lacks.
static bool is_excused(const trial *t) {
  const aicc_diag *error = t->status == AICC_OK ? NULL : first_error(t);
  return error && error->id != AICC_DIAG_E0330 && error->id != AICC_DIAG_E0331 &&
         error->id != AICC_DIAG_E0340;
}

typedef struct branches {
  aicc_value *condition;
  const Onnx__GraphProto *graphs[2];
  aicc_region *regions[2];
} branches;

// --- one branch alone ----------------------------------------------------------------------------

// Leaves node |n|, whose outputs the regions yield, to aicc_import_split: the walk of its graph
// calls that.
static void leave_split(aicc_importer *im, const aicc_onnx_node *n, aicc_value *condition,
                        aicc_region *const *regions) {
  aicc_split *split = AICC_NEW(&im->scratch, aicc_split);
  *split = (aicc_split){.n = *n, .at = im->b, .condition = condition,
                        .regions = {regions[0], regions[1]}};
  split->n.failed = AICC_NEW(&im->scratch, bool);
  split->at.origins = aicc_arena_memdup(&im->scratch, im->b.origins,
                                        sizeof *im->b.origins * (size_t)im->b.origin_count);
  im->split = split;
}

static aicc_status import_known(aicc_importer *im, const aicc_onnx_node *n,
                                const Onnx__GraphProto *graph) {
  const int count = (int)graph->n_output;
  aicc_value **results = AICC_NEW_ARRAY(&im->scratch, aicc_value *, count);
  im->may_split = true;
  AICC_TRY(aicc_import_inline(im, n, graph, NULL, 0, results));
  if (im->split) {
    leave_split(im, n, im->split->condition, im->split->regions);
    return AICC_OK;
  }
  for (int i = 0; i < n->out_count && i < count; i++) {
    AICC_TRY(aicc_set_out(im, n, i, results[i]));
  }
  return AICC_OK;
}

// The nodes of a region, which come to stand where the builder does.
static void splice(aicc_importer *im, aicc_region *region) {
  while (region->first) {
    aicc_node *node = region->first;
    aicc_node_unlink(node);
    aicc_node_append(im->b.region, node);
  }
}

// The run fails with |text| where the condition is not |truth|.
static void demand(aicc_importer *im, aicc_value *condition, bool truth, const char *text) {
  if (!truth) {
    condition = aicc_b_unary(&im->b, AICC_OP_NOT, condition);
  }
  aicc_demand(im, condition, text);
}

static const char *const branch_names[] = {"then", "else"};

// Branch |k| could not be imported: the other is taken.
static void demand_other(aicc_importer *im, const aicc_onnx_node *n, aicc_value *condition, int k,
                         const trial *t) {
  const aicc_diag *error = first_error(t);
  AICC_EMIT(im->diags, E0349, aicc_import_loc(im), branch_names[k],
            error->loc.node ? error->loc.node : "", error->text);
  demand(im, condition, k == 1,
         aicc_arena_printf(&im->module->arena,
                           "node '%s' (If): this run takes its %s branch, which does not fit the "
                           "sizes that the model was compiled for (node '%s': %s)",
                           n->name, branch_names[k], error->loc.node ? error->loc.node : "",
                           error->text));
}

// Whether the graph's first output is made by a Squeeze.
static bool ends_in_squeeze(const Onnx__GraphProto *graph) {
  for (size_t i = 0; i < graph->n_node; i++) {
    const Onnx__NodeProto *node = graph->node[i];
    if (graph->n_output && node->n_output && graph->output[0]->name &&
        strcmp(node->output[0], graph->output[0]->name) == 0) {
      return strcmp(node->op_type, "Squeeze") == 0;
    }
  }
  return false;
}

static bool is_tensor_pair(const aicc_value *x, const aicc_value *y) {
  return x && y && x->type.kind == AICC_TYPE_TENSOR && y->type.kind == AICC_TYPE_TENSOR;
}

static bool ranks_differ(const aicc_region *a, const aicc_region *b) {
  for (int i = 0; i < a->result_count && i < b->result_count; i++) {
    const aicc_value *x = a->results[i], *y = b->results[i];
    if (is_tensor_pair(x, y) && x->type.rank != y->type.rank) {
      return true;
    }
  }
  return false;
}

// TorchScript writes x.squeeze(axis) as: if the size is 1, squeeze, else x. Models go on as if it
// were 1, which ranks alone decide. The branch that squeezes; -1: the branches are no such pair.
static int squeezing_branch(const branches *b) {
  const bool first = ends_in_squeeze(b->graphs[0]);
  if (ranks_differ(b->regions[0], b->regions[1]) && first != ends_in_squeeze(b->graphs[1])) {
    return first ? 0 : 1;
  }
  for (int k = 0; k < 2 && b->regions[0]->result_count == 1; k++) {
    const aicc_value *y = b->regions[k]->results[0], *x = b->regions[1 - k]->results[0];
    if (is_tensor_pair(x, y) && y->type.rank < x->type.rank && y->def &&
        y->def->op == AICC_OP_RESHAPE && y->def->in[0] == x) {
      return k;
    }
  }
  return -1;
}

// Takes branch |k|, which squeezes, without a choice.
static aicc_status assume_squeeze(aicc_importer *im, const aicc_onnx_node *n,
                                  const Onnx__GraphProto *graph, aicc_value *condition, int k) {
  AICC_EMIT0(im->diags, E0348, aicc_import_loc(im));
  demand(im, condition, k == 0,
         aicc_arena_printf(&im->module->arena,
                           "node '%s' (If): its branches differ in rank; the model is compiled for "
                           "the one that squeezes a size of 1, which this input does not have",
                           n->name));
  return import_known(im, n, graph);
}

// --- both branches -------------------------------------------------------------------------------

// Both; where one fails at sizes that options fixed, the other is imported in place and *known set.
static aicc_status import_branches(aicc_importer *im, const aicc_onnx_node *n, branches *b,
                                   bool *known) {
  const aicc_import_options *options = im->options;
  const bool fixed = options && (options->dim_count || options->shape_count);
  trial trials[2];
  *known = false;
  for (int k = 0; k < 2; k++) {
    trial_begin(im, &trials[k]);
    b->regions[k] = aicc_import_subgraph(im, n, b->graphs[k], NULL, 0);
    trial_end(im, &trials[k], b->regions[k] != NULL);
  }
  const int bad = trials[0].status != AICC_OK ? 0 : 1;
  aicc_status status = AICC_OK;
  if (fixed && trials[1 - bad].status == AICC_OK && is_excused(&trials[bad])) {
    *known = true;
    demand_other(im, n, b->condition, bad, &trials[bad]);
    splice(im, b->regions[1 - bad]);
    for (int i = 0; i < n->out_count && status == AICC_OK; i++) {
      status = aicc_set_out(im, n, i, b->regions[1 - bad]->results[i]);
    }
  } else {
    trial_keep(im, &trials[0]);
    trial_keep(im, &trials[1]);
    status = b->regions[0] && b->regions[1] ? AICC_OK : AICC_INVALID;
  }
  aicc_diags_deinit(&trials[0].own);
  aicc_diags_deinit(&trials[1].own);
  return status;
}

// The If node over finished regions, which yield |count| results each; NULL after reporting.
static aicc_node *choose(aicc_importer *im, const aicc_onnx_node *n, const branches *b, int count) {
  aicc_value *condition = b->condition;
  aicc_node *node = aicc_node_create(im->module, AICC_OP_IF, &condition, 1, count);
  choices all = {.count = 0};
  for (int i = 0; i < count; i++) {
    aicc_value *then = b->regions[0]->results[i], *other = b->regions[1]->results[i];
    if (choose_type(im, n, &all, i, then, other, &node->out[i]->type) != AICC_OK) {
      return NULL;
    }
    type_empty(then, &node->out[i]->type);
    type_empty(other, &node->out[i]->type);
  }
  aicc_node_add_region(im->module, node, b->regions[0]);
  aicc_node_add_region(im->module, node, b->regions[1]);
  return !count || aicc_b_finish(&im->b, node) ? node : NULL;
}

static aicc_status check_if(aicc_importer *im, const aicc_onnx_node *n, const branches *b) {
  if (!b->graphs[0] || !b->graphs[1] || b->graphs[0]->n_output != b->graphs[1]->n_output ||
      (int)b->graphs[0]->n_output < n->out_count) {
    return aicc_invalid(im, n, "the branches do not yield what the node has outputs");
  }
  AICC_TRY(aicc_need_scalar(im, n, 0));
  if (aicc_in(n, 0)->type.dtype != AICC_BOOL) {
    return aicc_invalid(im, n, "the condition is no bool");
  }
  return AICC_OK;
}

aicc_status import_if(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  branches b = {.graphs = {aicc_onnx_graph(n, "then_branch"), aicc_onnx_graph(n, "else_branch")}};
  AICC_TRY(check_if(im, n, &b));
  bool known;
  if (aicc_known_truth(im, aicc_in(n, 0), &known)) {
    return import_known(im, n, b.graphs[known ? 0 : 1]);
  }
  b.condition = aicc_as_scalar(im, aicc_in(n, 0));
  if (!b.condition) {
    return AICC_INVALID;
  }
  AICC_TRY(import_branches(im, n, &b, &known));
  if (known) {
    return AICC_OK;
  }
  const int squeezes = squeezing_branch(&b);
  if (squeezes >= 0) {
    return assume_squeeze(im, n, b.graphs[squeezes], b.condition, squeezes);
  }
  if (ranks_differ(b.regions[0], b.regions[1]) && im->splits < SPLITS_MAX) {
    leave_split(im, n, b.condition, b.regions);
    return AICC_OK;
  }
  aicc_node *node = choose(im, n, &b, (int)b.graphs[0]->n_output);
  if (!node) {
    return AICC_INVALID;
  }
  for (int i = 0; i < n->out_count; i++) {
    AICC_TRY(aicc_set_out(im, n, i, node->out[i]));
  }
  return AICC_OK;
}

// --- what comes behind a choice between ranks ----------------------------------------------------

// The rest of the list in branch |k|; the region yields the outputs of the list.
static void import_rest(aicc_importer *im, aicc_scope *scope, const aicc_split *split, int k,
                        const aicc_node_list *list, size_t from) {
  aicc_region *region = split->regions[k];
  aicc_scope *inner = aicc_scope_create(im, scope, scope->frame, region);
  inner->depth = scope->depth + 1;
  inner->prefix = scope->prefix;
  for (int i = 0; i < split->n.out_count; i++) {
    if (aicc_wants_out(&split->n, i)) {
      aicc_scope_bind(im, inner, split->n.proto->output[i],
                      (aicc_binding){.value = region->results[i]});
    }
  }
  im->b.region = region;
  im->b.before = NULL;
  aicc_import_list(im, inner, list, from);
  const int count = (int)list->output_count;
  aicc_value **results = AICC_NEW_ARRAY(&im->scratch, aicc_value *, count);
  for (int i = 0; i < count; i++) {
    if (aicc_scope_find(im, inner, list->outputs[i], &results[i]) == AICC_FOUND_NOTHING) {
      AICC_EMIT(im->diags, E0344, aicc_import_loc(im), list->outputs[i]);
      aicc_import_fail(im, AICC_INVALID);
    }
  }
  if (im->status == AICC_OK) {
    aicc_region_set_results(im->module, region, results, count);
  }
}

// Binds outputs of the list that are not there yet.
static void bind_rest(aicc_importer *im, aicc_scope *scope, const aicc_node_list *list,
                      aicc_value *const *values) {
  for (size_t i = 0; i < list->output_count; i++) {
    if (!aicc_names_get(&scope->names, list->outputs[i])) {
      aicc_scope_bind(im, scope, list->outputs[i],
                      (aicc_binding){.value = values ? values[i] : NULL, .poison = !values});
    }
  }
}

// Both branches have the rest: one node yields what the graph does, or the rest goes on outside.
static void join_rest(aicc_importer *im, aicc_scope *scope, aicc_split *split,
                      const aicc_node_list *list) {
  if (scope->may_split && ranks_differ(split->regions[0], split->regions[1])) {
    im->split = split;
    return;
  }
  const branches b = {.condition = split->condition,
                      .regions = {split->regions[0], split->regions[1]}};
  aicc_node *node = choose(im, &split->n, &b, (int)list->output_count);
  if (!node) {
    aicc_import_fail(im, AICC_UNSUPPORTED);
  }
  bind_rest(im, scope, list, node ? node->out : NULL);
}

void aicc_import_split(aicc_importer *im, aicc_scope *scope, const aicc_node_list *list,
                       size_t from) {
  aicc_split *split = im->split;
  im->split = NULL;
  im->splits++;
  const aicc_builder outer = im->b;
  trial trials[2];
  for (int k = 0; k < 2; k++) {
    im->b = split->at;
    trial_begin(im, &trials[k]);
    import_rest(im, scope, split, k, list, from);
    im->b = split->at;
    trial_end(im, &trials[k], true);
  }
  const int bad = trials[0].status != AICC_OK ? 0 : 1;
  if (trials[1 - bad].status == AICC_OK && is_excused(&trials[bad])) {
    demand_other(im, &split->n, split->condition, bad, &trials[bad]);
    splice(im, split->regions[1 - bad]);
    bind_rest(im, scope, list, split->regions[1 - bad]->results);
  } else {
    trial_keep(im, &trials[0]);
    trial_keep(im, &trials[1]);
    if (trials[0].status == AICC_OK && trials[1].status == AICC_OK) {
      join_rest(im, scope, split, list);
    }
  }
  aicc_diags_deinit(&trials[0].own);
  aicc_diags_deinit(&trials[1].own);
  im->splits--;
  im->b = outer;
}
