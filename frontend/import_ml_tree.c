// Tree ensembles: the tables of nodes, leaves and roots that the kernel `tree_ensemble` walks
// (ir/opaque.def), from the attributes of three operators.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/import_ml.h"

enum { FEATURE, MODE, TRUE_CHILD, FALSE_CHILD, FIRST, COUNT, FIELDS };
enum { MODE_LEAF = 6, MODE_MEMBER = 7 };

typedef struct forest {
  aicc_importer *im;
  const aicc_onnx_node *n;
  aicc_dtype dtype;         // of x, thresholds and weights
  int nodes, leaves, roots, members, targets;
  int64_t *node;            // nodes * FIELDS
  double *threshold;
  int64_t *missing;         // per node: what is missing goes the true way
  int64_t *target;          // per leaf weight
  double *weight;
  int64_t *root;
  double *member;
  double *base;             // per target; NULL: none
  int64_t aggregate;        // 0 sum, 1 average, 2 min, 3 max
} forest;

// --- attributes ----------------------------------------------------------------------------------

// Numbers from attribute |name|, or where it is absent, tensor attribute |name|_as_tensor.
static aicc_status read_numbers(const forest *f, const char *name, double **out, int *count) {
  aicc_importer *im = f->im;
  const float *floats = aicc_onnx_floats(f->n, name, count);
  bool present;
  const aicc_tensor *tensor = aicc_onnx_tensor_attr(
      f->n, aicc_arena_printf(&im->scratch, "%s_as_tensor", name), &present);
  if (present && !tensor) {
    return AICC_INVALID;
  }
  *count = tensor ? (tensor->rank == 1 ? (int)tensor->shape[0] : 0) : *count;
  *out = AICC_NEW_ARRAY(&im->scratch, double, *count + 1);
  for (int i = 0; i < *count; i++) {
    (*out)[i] = tensor ? aicc_get_f64(tensor->dtype, tensor->data, (size_t)i) : (double)floats[i];
  }
  return AICC_OK;
}

static aicc_status read_list(const forest *f, const char *name, int want, const int64_t **out) {
  int count;
  *out = aicc_onnx_ints(f->n, name, &count);
  return *out && count == want
             ? AICC_OK
             : aicc_invalid(f->im, f->n, "'%s' has %d entries, %d are needed", name, count, want);
}

static aicc_status read_modes(const forest *f, int want, int64_t *out) {
  static const char *const names[] = {"BRANCH_LEQ", "BRANCH_LT",  "BRANCH_GTE", "BRANCH_GT",
                                      "BRANCH_EQ",  "BRANCH_NEQ", "LEAF"};
  int count;
  const char *const *modes = aicc_onnx_strings(f->n, "nodes_modes", &count);
  if (count != want) {
    return aicc_invalid(f->im, f->n, "'nodes_modes' has %d entries, %d are needed", count, want);
  }
  for (int i = 0; i < count; i++) {
    int mode = 0;
    while (mode < 7 && strcmp(names[mode], modes[i]) != 0) {
      mode++;
    }
    if (mode == 7) {
      return aicc_unsupported(f->im, f->n, "nodes of mode '%s'", modes[i]);
    }
    out[i] = mode;
  }
  return AICC_OK;
}

// --- nodes by tree and number --------------------------------------------------------------------

typedef struct key {
  int64_t tree, id;
  int index;
} key;

static int compare_keys(const void *a, const void *b) {
  const key *x = a, *y = b;
  return x->tree != y->tree ? (x->tree < y->tree ? -1 : 1)
         : x->id != y->id   ? (x->id < y->id ? -1 : 1)
                            : 0;
}

static int find_node(const key *keys, int count, int64_t tree, int64_t id) {
  const key wanted = {.tree = tree, .id = id};
  const key *found = bsearch(&wanted, keys, (size_t)count, sizeof *keys, compare_keys);
  return found ? found->index : -1;
}

// The leaves' weights, those of one leaf next to each other.
static aicc_status read_leaves(forest *f, const key *keys, const char *prefix) {
  aicc_importer *im = f->im;
  const char *names[4];
  static const char *const parts[] = {"treeids", "nodeids", "ids", "weights"};
  for (int i = 0; i < 4; i++) {
    names[i] = aicc_arena_printf(&im->scratch, "%s_%s", prefix, parts[i]);
  }
  const int64_t *trees, *ids, *targets;
  double *weights;
  AICC_TRY(read_numbers(f, names[3], &weights, &f->leaves));
  AICC_TRY(read_list(f, names[0], f->leaves, &trees));
  AICC_TRY(read_list(f, names[1], f->leaves, &ids));
  AICC_TRY(read_list(f, names[2], f->leaves, &targets));
  int *owner = AICC_NEW_ARRAY(&im->scratch, int, f->leaves + 1);
  for (int i = 0; i < f->leaves; i++) {
    owner[i] = find_node(keys, f->nodes, trees[i], ids[i]);
    if (owner[i] < 0) {
      return aicc_invalid(im, f->n, "weight %d is of a node that is not there", i);
    }
    f->node[owner[i] * FIELDS + COUNT]++;
  }
  int64_t at = 0;
  int64_t *next = AICC_NEW_ARRAY(&im->scratch, int64_t, f->nodes + 1);
  for (int i = 0; i < f->nodes; i++) {
    f->node[i * FIELDS + FIRST] = next[i] = at;
    at += f->node[i * FIELDS + COUNT];
  }
  f->target = AICC_NEW_ARRAY(&im->scratch, int64_t, f->leaves + 1);
  f->weight = AICC_NEW_ARRAY(&im->scratch, double, f->leaves + 1);
  for (int i = 0; i < f->leaves; i++) {
    f->target[next[owner[i]]] = targets[i];
    f->weight[next[owner[i]]++] = weights[i];
  }
  return AICC_OK;
}

static aicc_status link_nodes(forest *f, const key *keys, const int64_t *trees,
                              const int64_t *modes) {
  const int64_t *features, *yes, *no;
  AICC_TRY(read_list(f, "nodes_featureids", f->nodes, &features));
  AICC_TRY(read_list(f, "nodes_truenodeids", f->nodes, &yes));
  AICC_TRY(read_list(f, "nodes_falsenodeids", f->nodes, &no));
  f->node = AICC_NEW_ARRAY(&f->im->scratch, int64_t, f->nodes * FIELDS + 1);
  f->root = AICC_NEW_ARRAY(&f->im->scratch, int64_t, f->nodes + 1);
  for (int i = 0; i < f->nodes; i++) {
    int64_t *node = &f->node[i * FIELDS];
    node[FEATURE] = features[i];
    node[MODE] = modes[i];
    if (i == 0 || trees[i] != trees[i - 1]) {
      f->root[f->roots++] = i;
    }
    if (modes[i] == MODE_LEAF) {
      continue;
    }
    node[TRUE_CHILD] = find_node(keys, f->nodes, trees[i], yes[i]);
    node[FALSE_CHILD] = find_node(keys, f->nodes, trees[i], no[i]);
    if (node[TRUE_CHILD] < 0 || node[FALSE_CHILD] < 0 || features[i] < 0) {
      return aicc_invalid(f->im, f->n, "node %d leads to a node that is not there", i);
    }
  }
  return AICC_OK;
}

// What TreeEnsembleClassifier and -Regressor have in common; |prefix| is of the weights'
// attributes.
static aicc_status read_nodes(forest *f, const char *prefix) {
  aicc_importer *im = f->im;
  const int64_t *trees, *ids;
  aicc_onnx_has(f->n, "nodes_hitrates");
  aicc_onnx_has(f->n, "nodes_hitrates_as_tensor");
  AICC_TRY(read_numbers(f, "nodes_values", &f->threshold, &f->nodes));
  AICC_TRY(read_list(f, "nodes_treeids", f->nodes, &trees));
  AICC_TRY(read_list(f, "nodes_nodeids", f->nodes, &ids));
  key *keys = AICC_NEW_ARRAY(&im->scratch, key, f->nodes + 1);
  int64_t *modes = AICC_NEW_ARRAY(&im->scratch, int64_t, f->nodes + 1);
  for (int i = 0; i < f->nodes; i++) {
    keys[i] = (key){trees[i], ids[i], i};
  }
  qsort(keys, (size_t)f->nodes, sizeof *keys, compare_keys);
  AICC_TRY(read_modes(f, f->nodes, modes));
  AICC_TRY(link_nodes(f, keys, trees, modes));
  int count;
  const int64_t *missing = aicc_onnx_ints(f->n, "nodes_missing_value_tracks_true", &count);
  f->missing = AICC_NEW_ARRAY(&im->scratch, int64_t, f->nodes + 1);
  for (int i = 0; i < f->nodes && count == f->nodes; i++) {
    f->missing[i] = missing[i] != 0;
  }
  return read_leaves(f, keys, prefix);
}

// One base value may stand for all targets.
static aicc_status read_base(forest *f) {
  double *values;
  int count;
  AICC_TRY(read_numbers(f, "base_values", &values, &count));
  if (count == 0) {
    return AICC_OK;
  }
  if (count != f->targets && count != 1 && f->targets != 1) {
    return aicc_invalid(f->im, f->n, "%d base values for %d targets", count, f->targets);
  }
  f->base = AICC_NEW_ARRAY(&f->im->scratch, double, f->targets + 1);
  for (int k = 0; k < f->targets; k++) {
    f->base[k] = values[count == f->targets ? k : count - 1];
  }
  return AICC_OK;
}

// --- the kernel ----------------------------------------------------------------------------------

static aicc_value *numbers(const forest *f, const double *values, int count) {
  aicc_importer *im = f->im;
  void *data = aicc_arena_alloc(&im->module->arena,
                                (size_t)(count + 1) * aicc_dtype_size(f->dtype));
  for (int i = 0; i < count; i++) {
    aicc_set_f64(f->dtype, data, (size_t)i, values[i]);
  }
  const int64_t shape[] = {count};
  const aicc_tensor tensor = {
      .dtype = f->dtype,
      .rank = 1,
      .shape = aicc_arena_memdup(&im->module->arena, shape, sizeof shape),
      .data = data};
  return aicc_b_const(&im->b, &tensor);
}

static aicc_status check_targets(const forest *f) {
  for (int i = 0; i < f->leaves; i++) {
    if (f->target[i] < 0 || f->target[i] >= f->targets) {
      return aicc_invalid(f->im, f->n, "a weight is of target %lld of %d", (long long)f->target[i],
                          f->targets);
    }
  }
  return AICC_OK;
}

// Scores [N, targets] in the forest's type.
static aicc_status build(const forest *f, aicc_value *x, aicc_value **out) {
  aicc_importer *im = f->im;
  AICC_TRY(check_targets(f));
  x = aicc_ml_rows(im, f->n, x);
  x = x ? aicc_b_cast(&im->b, x, f->dtype) : NULL;
  if (!x) {
    return AICC_INVALID;
  }
  const aicc_dim dims[] = {x->type.dims[0], aicc_const_dim(im, f->targets)};
  const aicc_type type = aicc_type_tensor(im->module, f->dtype, dims, 2);
  aicc_value *const in[] = {
      x,
      aicc_ml_matrix(im, aicc_ml_i64s(im, AICC_I32, f->node, f->nodes * FIELDS), FIELDS),
      numbers(f, f->threshold, f->nodes),
      aicc_ml_i64s(im, AICC_U8, f->missing, f->nodes),
      aicc_ml_i64s(im, AICC_I32, f->target, f->leaves),
      numbers(f, f->weight, f->leaves),
      aicc_ml_i64s(im, AICC_I32, f->root, f->roots),
      f->members ? numbers(f, f->member, f->members) : NULL,
      f->base ? numbers(f, f->base, f->targets) : NULL,
  };
  aicc_node *node =
      aicc_b_opaque(&im->b, "tree_ensemble", in, f->base ? 9 : f->members ? 8 : 7, &type, 1);
  if (!node) {
    return AICC_INVALID;
  }
  aicc_set_ints(im->module, node, AICC_ATTR_INTS, &f->aggregate, 1);
  *out = node->out[0];
  return AICC_OK;
}

static forest begin(aicc_importer *im, const aicc_onnx_node *n) {
  const bool wide = aicc_in(n, 0)->type.dtype == AICC_F64;
  return (forest){.im = im, .n = n, .dtype = wide ? AICC_F64 : AICC_F32};
}

// --- operators -----------------------------------------------------------------------------------

aicc_status import_tree_regressor(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  static const char *const aggregates[] = {"SUM", "AVERAGE", "MIN", "MAX"};
  forest f = begin(im, n);
  aicc_ml_transform transform;
  aicc_value *y;
  AICC_TRY(aicc_ml_read_transform(im, n, &transform));
  const char *aggregate = aicc_onnx_string(n, "aggregate_function", "SUM");
  while (f.aggregate < 4 && strcmp(aggregates[f.aggregate], aggregate) != 0) {
    f.aggregate++;
  }
  if (f.aggregate == 4) {
    return aicc_unsupported(im, n, "aggregate_function '%s'", aggregate);
  }
  f.targets = (int)aicc_onnx_int(n, "n_targets", 1);
  AICC_TRY(read_nodes(&f, "target"));
  AICC_TRY(read_base(&f));
  AICC_TRY(build(&f, aicc_in(n, 0), &y));
  y = aicc_ml_apply(im, y, transform);
  return aicc_set_out(im, n, 0, y ? aicc_b_cast(&im->b, y, AICC_F32) : NULL);
}

// Of a classifier of two classes: the class that all weights are of, -1 where they are of both.
static int only_class(const forest *f, bool *all_positive) {
  bool one = f->leaves > 0;
  *all_positive = true;
  for (int i = 0; i < f->leaves; i++) {
    *all_positive = *all_positive && f->weight[i] >= 0;
    one = one && f->target[i] == f->target[0];
  }
  return one ? (int)f->target[0] : -1;
}

// Weights of the first class alone are a score that decides by itself; of the second class alone
// they are compared with nothing for the first. So do the runtimes that write such models.
static aicc_status two_classes(aicc_importer *im, forest *f, aicc_ml_transform *transform,
                               aicc_value **scores, aicc_value **best) {
  aicc_builder *b = &im->b;
  bool all_positive;
  const int class = only_class(f, &all_positive);
  f->targets = class == 0 ? 1 : 2;
  AICC_TRY(read_base(f));
  AICC_TRY(build(f, aicc_in(f->n, 0), scores));
  *best = aicc_ml_best(im, *scores);
  if (class == 0) {
    if (*transform == AICC_ML_PROBIT) {
      return aicc_unsupported(im, f->n, "post_transform PROBIT of one score");
    }
    const aicc_ml_binary both = aicc_ml_two_classes(im, *scores, all_positive, *transform);
    *scores = both.scores;
    *best = both.best;
    *transform = AICC_ML_NONE;
  } else if (class == 1) {
    const aicc_dim one = aicc_const_dim(im, 1);
    aicc_value *score = aicc_b_slice(b, *scores, 1, one, one, 1);
    *best = aicc_ml_two_classes(im, score, all_positive, AICC_ML_NONE).best;
  }
  return *scores && *best ? AICC_OK : AICC_INVALID;
}

aicc_status import_tree_classifier(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  aicc_builder *b = &im->b;
  forest f = begin(im, n);
  aicc_ml_transform transform;
  aicc_ml_labels labels;
  AICC_TRY(aicc_ml_read_transform(im, n, &transform));
  AICC_TRY(aicc_ml_read_labels(im, n, "classlabels_int64s", "classlabels_strings", &labels));
  if (labels.count < 2) {
    return aicc_unsupported(im, n, "%d class labels", labels.count);
  }
  AICC_TRY(read_nodes(&f, "class"));
  aicc_value *scores, *best;
  if (labels.count == 2) {
    AICC_TRY(two_classes(im, &f, &transform, &scores, &best));
  } else {
    f.targets = labels.count;
    AICC_TRY(read_base(&f));
    AICC_TRY(build(&f, aicc_in(n, 0), &scores));
    best = aicc_ml_best(im, scores);
  }
  scores = aicc_ml_apply(im, scores, transform);
  if (!scores || !best) {
    return AICC_INVALID;
  }
  AICC_TRY(aicc_set_out(im, n, 0, aicc_ml_labels_of(im, &labels, best)));
  return aicc_set_out(im, n, 1, aicc_b_cast(b, scores, AICC_F32));
}

// --- TreeEnsemble --------------------------------------------------------------------------------

static aicc_status read_tensor(const forest *f, const char *name, bool needed, double **out,
                               int *count) {
  bool present;
  const aicc_tensor *tensor = aicc_onnx_tensor_attr(f->n, name, &present);
  *count = 0;
  *out = NULL;
  if (!tensor || tensor->rank != 1) {
    return present || needed ? aicc_invalid(f->im, f->n, "'%s' must be a list", name) : AICC_OK;
  }
  *count = (int)tensor->shape[0];
  *out = AICC_NEW_ARRAY(&f->im->scratch, double, *count + 1);
  for (int i = 0; i < *count; i++) {
    (*out)[i] = aicc_get_f64(tensor->dtype, tensor->data, (size_t)i);
  }
  return AICC_OK;
}

// The members that nodes of mode MEMBER test for, in their order, each list ended by a NaN.
static aicc_status read_members(forest *f, int inner) {
  double *values;
  int count, at = 0;
  AICC_TRY(read_tensor(f, "membership_values", false, &values, &count));
  f->member = AICC_NEW_ARRAY(&f->im->scratch, double, count + 1);
  for (int i = 0; i < inner; i++) {
    int64_t *node = &f->node[i * FIELDS];
    if (node[MODE] != MODE_MEMBER) {
      continue;
    }
    node[FIRST] = f->members;
    while (at < count && !isnan(values[at])) {
      f->member[f->members++] = values[at++];
    }
    if (at++ >= count) {
      return aicc_invalid(f->im, f->n, "node %d has no members", i);
    }
    node[COUNT] = f->members - node[FIRST];
  }
  return AICC_OK;
}

// A child is an inner node or a leaf; leaves stand behind the inner nodes.
static aicc_status link_child(const forest *f, int inner, int64_t id, bool leaf, int64_t *out) {
  *out = leaf ? inner + id : id;
  return id >= 0 && id < (leaf ? f->leaves : inner)
             ? AICC_OK : aicc_invalid(f->im, f->n, "a node leads to a node that is not there");
}

static aicc_status read_inner(forest *f, int inner) {
  const int64_t *features, *yes, *no, *yes_leaf, *no_leaf, *missing;
  double *modes;
  int count;
  AICC_TRY(read_tensor(f, "nodes_modes", true, &modes, &count));
  if (count != inner) {
    return aicc_invalid(f->im, f->n, "%d modes of %d nodes", count, inner);
  }
  AICC_TRY(read_list(f, "nodes_featureids", inner, &features));
  AICC_TRY(read_list(f, "nodes_truenodeids", inner, &yes));
  AICC_TRY(read_list(f, "nodes_falsenodeids", inner, &no));
  AICC_TRY(read_list(f, "nodes_trueleafs", inner, &yes_leaf));
  AICC_TRY(read_list(f, "nodes_falseleafs", inner, &no_leaf));
  missing = aicc_onnx_ints(f->n, "nodes_missing_value_tracks_true", &count);
  for (int i = 0; i < inner; i++) {
    int64_t *node = &f->node[i * FIELDS];
    node[FEATURE] = features[i];
    node[MODE] = modes[i] == 6 ? MODE_MEMBER : (int64_t)modes[i];
    f->missing[i] = count == inner && missing[i] != 0;
    AICC_TRY(link_child(f, inner, yes[i], yes_leaf[i] != 0, &node[TRUE_CHILD]));
    AICC_TRY(link_child(f, inner, no[i], no_leaf[i] != 0, &node[FALSE_CHILD]));
  }
  return AICC_OK;
}

static aicc_status read_ensemble(forest *f) {
  aicc_importer *im = f->im;
  const int64_t *targets;
  double *splits;
  int inner;
  aicc_onnx_has(f->n, "nodes_hitrates");
  AICC_TRY(read_tensor(f, "nodes_splits", true, &splits, &inner));
  AICC_TRY(read_tensor(f, "leaf_weights", true, &f->weight, &f->leaves));
  AICC_TRY(read_list(f, "leaf_targetids", f->leaves, &targets));
  f->nodes = inner + f->leaves;
  f->target = aicc_arena_memdup(&im->scratch, targets, sizeof *targets * (size_t)f->leaves);
  f->node = AICC_NEW_ARRAY(&im->scratch, int64_t, f->nodes * FIELDS + 1);
  f->threshold = AICC_NEW_ARRAY(&im->scratch, double, f->nodes + 1);
  f->missing = AICC_NEW_ARRAY(&im->scratch, int64_t, f->nodes + 1);
  memcpy(f->threshold, splits, sizeof *splits * (size_t)inner);
  for (int i = 0; i < f->leaves; i++) {
    int64_t *node = &f->node[(inner + i) * FIELDS];
    node[MODE] = MODE_LEAF;
    node[FIRST] = i;
    node[COUNT] = 1;
  }
  AICC_TRY(read_inner(f, inner));
  AICC_TRY(read_members(f, inner));
  int roots;
  const int64_t *root = aicc_onnx_ints(f->n, "tree_roots", &roots);
  for (int i = 0; i < roots; i++) {
    if (root[i] < 0 || root[i] >= inner) {
      return aicc_invalid(im, f->n, "root %d is a node that is not there", i);
    }
  }
  f->roots = roots;
  f->root = aicc_arena_memdup(&im->scratch, root ? root : targets,
                              sizeof *root * (size_t)roots);
  return AICC_OK;
}

aicc_status import_tree_ensemble(aicc_importer *im, const aicc_onnx_node *n, int payload) {
  (void)payload;
  static const int64_t aggregates[] = {1, 0, 2, 3};  // of average, sum, min, max
  forest f = begin(im, n);
  const int64_t aggregate = aicc_onnx_int(n, "aggregate_function", 1);
  const int64_t transform = aicc_onnx_int(n, "post_transform", 0);
  if (aggregate < 0 || aggregate > 3 || transform < 0 || transform > AICC_ML_PROBIT) {
    return aicc_unsupported(im, n, "aggregate_function %lld with post_transform %lld",
                            (long long)aggregate, (long long)transform);
  }
  f.aggregate = aggregates[aggregate];
  f.targets = (int)aicc_onnx_int(n, "n_targets", 1);
  AICC_TRY(read_ensemble(&f));
  aicc_value *y;
  AICC_TRY(build(&f, aicc_in(n, 0), &y));
  y = aicc_ml_apply(im, y, (aicc_ml_transform)transform);
  return aicc_set_out(im, n, 0, y ? aicc_b_cast(&im->b, y, aicc_in(n, 0)->type.dtype) : NULL);
}
