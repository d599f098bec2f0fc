// The fuse pass: wraps the compute nodes of every region in `group` nodes.
//
// needs: dce (uses are counted). makes: every node left outside groups is a constant, a view, a
// size vector or control.
//
// In region order, each node that starts a group takes what follows it as far as that never
// recomputes work nor makes a cycle:
//   1. contractions take their elementwise epilogue;
//   2. reductions take the elementwise nodes and reductions of the same row (softmax, LayerNorm);
//   3. the pointwise nodes left are roots where they cannot be computed inside their consumers;
//   4. pointwise producers are copied into the groups that use them: when they have one use, or
//      when doing it again is cheaper than memory traffic.
#include "passes/fuse.h"

#include <string.h>

#include "ir/build.h"
#include "passes/pass.h"

// Cast, difference and product: what makes a float of a quantised byte.
enum { SECOND_COST = 3 };

typedef struct member_list {
  aicc_node **items;
  size_t count, capacity;
} member_list;

typedef struct fuse {
  aicc_pass_context *pass;
  aicc_module *module;
  aicc_arena *scratch;
  uint32_t *uses;       // per value
  int *group_of;        // per node: 0 none, else group number (anchored nodes)
  aicc_node **nodes;    // of the region, in order
  int count;
  int *position;        // per node: index in nodes, -1 elsewhere
  member_list *groups;  // by group number, members in order
  const char **reason;  // by group number: why a map is a kernel of its own
  int *mark, search;    // of needs_group
  bool *standing;       // per node: a view that stays outside groups, another name of its operand
  aicc_value **replaced;  // per value: what stands for it now
} fuse;

bool aicc_fuse_is_leaf(const aicc_node *node) {
  return node->op == AICC_OP_CONST || node->op == AICC_OP_FROM_DIMS;
}

static bool small_window_reduce(const aicc_module *module, const aicc_node *node) {
  if (aicc_kind_of(node) != AICC_KIND_REDUCE || node->op == AICC_OP_ARGMAX ||
      node->op == AICC_OP_ARGMIN) {
    return false;
  }
  int count;
  const int64_t *axes = aicc_get_ints(node, AICC_ATTR_AXES, &count);
  const aicc_type *type = &node->in[0]->type;
  int64_t extent = 1, dim;
  for (int i = 0; i < count; i++) {
    if (!aicc_dim_is_const(module->dims, type->dims[axes[i]], &dim) || dim > 64) {
      return false;
    }
    extent *= dim;
  }
  const aicc_node *def = node->in[0]->def;
  const bool windowed = def && def->op == AICC_OP_WINDOW;
  // A window may be larger: its elements overlap, so materialising it costs more than the loop.
  return extent <= (windowed ? 4096 : 16) && (windowed || axes[count - 1] + 1 < type->rank);
}

bool aicc_fuse_is_pointwise(const aicc_module *module, const aicc_node *node) {
  switch (aicc_kind_of(node)) {
    case AICC_KIND_ELTWISE:
    case AICC_KIND_VIEW:
    case AICC_KIND_MOVE: return true;
    case AICC_KIND_SOURCE: return node->op == AICC_OP_IOTA;
    case AICC_KIND_REDUCE: return small_window_reduce(module, node);
    default: return false;
  }
}

int aicc_fuse_element_cost(const aicc_module *module, const aicc_node *node) {
  switch (aicc_kind_of(node)) {
    case AICC_KIND_VIEW:
    case AICC_KIND_SOURCE: return 0;
    case AICC_KIND_MOVE:
      return node->op == AICC_OP_TRANSPOSE || node->op == AICC_OP_BROADCAST ? 0 : 2;
    case AICC_KIND_REDUCE: {
      int count;
      const int64_t *axes = aicc_get_ints(node, AICC_ATTR_AXES, &count);
      int64_t extent = 1, dim;
      for (int i = 0; i < count; i++) {
        extent *= aicc_dim_is_const(module->dims, node->in[0]->type.dims[axes[i]], &dim) ? dim : 64;
      }
      return (int)(extent * 2);
    }
    default: break;
  }
  switch (node->op) {
    case AICC_OP_EXP: case AICC_OP_LOG: case AICC_OP_SIGMOID: case AICC_OP_TANH: case AICC_OP_ERF:
    case AICC_OP_EXPM1: case AICC_OP_LOG1P: return 16;
    case AICC_OP_POW: case AICC_OP_SIN: case AICC_OP_COS: case AICC_OP_TAN: case AICC_OP_ASIN:
    case AICC_OP_ACOS: case AICC_OP_ATAN: case AICC_OP_SINH: case AICC_OP_COSH: case AICC_OP_ASINH:
    case AICC_OP_ACOSH: case AICC_OP_ATANH: case AICC_OP_ATAN2: return 32;
    case AICC_OP_DIV: case AICC_OP_SQRT: case AICC_OP_RSQRT: case AICC_OP_RECIP: case AICC_OP_MOD:
    case AICC_OP_FMOD: return 6;
    default: return 1;
  }
}

static bool same_shape(const aicc_type *a, const aicc_type *b) {
  return a->kind == AICC_TYPE_TENSOR && b->kind == AICC_TYPE_TENSOR && aicc_type_same_shape(a, b);
}

// The only node that uses |value|, or NULL: none, several, or a region's result.
static aicc_node *only_user(fuse *f, const aicc_value *value, int from) {
  if (f->uses[value->id] != 1) {
    return NULL;
  }
  for (int i = from; i < f->count; i++) {
    for (int k = 0; k < f->nodes[i]->in_count; k++) {
      if (f->nodes[i]->in[k] == value) {
        return f->nodes[i];
      }
    }
  }
  return NULL;
}

// --- groups as they grow -------------------------------------------------------------------------

static void join(fuse *f, aicc_node *node, int group) {
  member_list *members = &f->groups[group];
  f->group_of[node->id] = group;
  AICC_PUSH(f->scratch, members->items, members->count, members->capacity, node);
}

static aicc_node *definition(const fuse *f, const aicc_value *value) {
  aicc_node *def = value ? value->def : NULL;
  return def && f->position[def->id] >= 0 ? def : NULL;
}

static bool uses_group(const fuse *f, const aicc_node *node, int group) {
  for (int i = 0; i < node->in_count; i++) {
    const aicc_node *def = definition(f, node->in[i]);
    if (def && f->group_of[def->id] == group) {
      return true;
    }
  }
  return false;
}

// Whether something that |node| needs needs |group| in turn, groups taken as wholes. |mark| holds
// the search's number for nodes seen.
static bool needs_group(fuse *f, aicc_node *node, int group) {
  if (f->mark[node->id] == f->search) {
    return false;
  }
  f->mark[node->id] = f->search;
  const int own = f->group_of[node->id];
  if (own == group) {
    return true;
  }
  const member_list single = {.items = &node, .count = 1};
  const member_list *members = own ? &f->groups[own] : &single;
  for (size_t i = 0; i < members->count; i++) {
    f->mark[members->items[i]->id] = f->search;
  }
  for (size_t i = 0; i < members->count; i++) {
    const aicc_node *member = members->items[i];
    for (int k = 0; k < member->in_count; k++) {
      aicc_node *def = definition(f, member->in[k]);
      if (def && needs_group(f, def, group)) {
        return true;
      }
    }
    // What nested regions capture is not followed: control stands for everything before it.
    if (member->region_count) {
      return true;
    }
  }
  return false;
}

static bool makes_cycle(fuse *f, aicc_node *node, int group) {
  f->search++;
  f->mark[node->id] = f->search;
  for (int i = 0; i < node->in_count; i++) {
    aicc_node *def = definition(f, node->in[i]);
    if (def && f->group_of[def->id] != group && needs_group(f, def, group)) {
      return true;
    }
  }
  return false;
}

// --- 1. contractions ----------------------------------------------------------------------------

static const char *first_name(const aicc_node *node) {
  return node->origin_count > 0 ? node->origins[0].node : "no ONNX node";
}

// For --opt-report: |node| uses |start|'s group, but is not computed in it.
static void report_refusal(const fuse *f, int start, const aicc_node *node, const char *why) {
  aicc_pass_report(f->pass, "fuse", "%s (%s) is not computed with %s (%s): %s",
                   aicc_op_table[node->op].name, first_name(node),
                   aicc_op_table[f->nodes[start]->op].name, first_name(f->nodes[start]), why);
}

// Elementwise work on the result, as long as it needs nothing that needs the group in turn.
static void take_epilogue(fuse *f, int start, int group) {
  const aicc_type *type = &f->nodes[start]->out[0]->type;
  join(f, f->nodes[start], group);
  for (int i = start + 1; i < f->count; i++) {
    aicc_node *node = f->nodes[i];
    if (aicc_kind_of(node) == AICC_KIND_CONTROL) {
      return;  // it may define sizes that later members would need
    }
    if (f->group_of[node->id] || aicc_kind_of(node) != AICC_KIND_ELTWISE ||
        !uses_group(f, node, group)) {
      continue;
    }
    if (!same_shape(&node->out[0]->type, type)) {
      report_refusal(f, start, node, "its shape is another");
    } else if (makes_cycle(f, node, group)) {
      report_refusal(f, start, node, "an operand of it needs the result in memory");
    } else {
      join(f, node, group);
    }
  }
}

// Whether |value| is used by a node that is not of |group|, other than |except|.
static bool stored_anyway(const fuse *f, const aicc_value *value, int group,
                          const aicc_node *except) {
  uint32_t inside = 0;
  for (size_t i = 0; i < f->groups[group].count; i++) {
    const aicc_node *member = f->groups[group].items[i];
    for (int k = 0; k < member->in_count && member != except; k++) {
      inside += member->in[k] == value;
    }
  }
  for (int k = 0; k < except->in_count; k++) {
    inside += except->in[k] == value;
  }
  return inside < f->uses[value->id];
}

static bool pulls_operand(const aicc_node *user, int operand);

// Whether the users of |node| outside |group| compute pointwise operands themselves.
static bool users_pull(const fuse *f, const aicc_node *node, int group) {
  for (int i = f->position[node->id] + 1; i < f->count; i++) {
    const aicc_node *user = f->nodes[i];
    for (int k = 0; k < user->in_count && f->group_of[user->id] != group; k++) {
      if (user->in[k] == node->out[0] && !pulls_operand(user, k)) {
        return false;
      }
    }
  }
  return true;
}

// What computing |node| of |group| elsewhere costs an element, from numbers and values that are
// stored for others anyway; more than |budget|: it takes something else, or more.
static int cost_elsewhere(const fuse *f, const aicc_node *node, int group, int budget) {
  int cost = aicc_fuse_element_cost(f->module, node);
  for (int k = 0; k < node->in_count && cost <= budget; k++) {
    const aicc_value *x = node->in[k];
    const aicc_node *def = definition(f, x);
    const bool inside = def && f->group_of[def->id] == group;
    if (inside && !stored_anyway(f, x, group, node)) {
      cost += f->uses[x->id] == 1 ? cost_elsewhere(f, def, group, budget - cost) : budget + 1;
    } else if (!inside && !(aicc_value_constant(x) && aicc_type_is_single(f->module, &x->type))) {
      cost = budget + 1;
    }
  }
  return cost;
}

static bool used_inside(const fuse *f, const aicc_node *node, int group) {
  const member_list *members = &f->groups[group];
  for (size_t i = 0; i < members->count; i++) {
    for (int k = 0; k < members->items[i]->in_count; k++) {
      if (members->items[i]->in[k] == node->out[0]) {
        return true;
      }
    }
  }
  return false;
}

// Members that none needs leave again where that saves memory: they follow from what is stored for
// others anyway, and computing them where they are used costs less than storing them too (the
// square before a mean, floats of quantised bytes).
static void drop_second_results(fuse *f, int group) {
  member_list *members = &f->groups[group];
  for (size_t i = members->count - 1; i > 0; i--) {
    aicc_node *node = members->items[i];
    if (!used_inside(f, node, group) &&
        cost_elsewhere(f, node, group, SECOND_COST) <= SECOND_COST &&
        users_pull(f, node, group)) {
      f->group_of[node->id] = 0;
      memmove(members->items + i, members->items + i + 1,
              (members->count - i - 1) * sizeof *members->items);
      members->count--;
    }
  }
}

// Whether |pad| adds a number around what it pads, but not along the last dimension.
static bool pads_around(const fuse *f, const aicc_node *pad) {
  aicc_dims *dims = f->module->dims;
  const aicc_type *in = &pad->in[0]->type, *out = &pad->out[0]->type;
  const char *mode = aicc_get_string(pad, AICC_ATTR_MODE, "constant");
  const aicc_value *number = pad->in_count > 1 ? pad->in[1] : NULL;
  int rank;
  const aicc_dim *low = aicc_get_dims(pad, AICC_ATTR_LOW, &rank);
  bool around = strcmp(mode, "constant") == 0 && (!number || aicc_value_constant(number)) &&
                rank >= 3 && in->dims[rank - 1] == out->dims[rank - 1];
  for (int i = 0; i < rank && around; i++) {
    around = aicc_dim_ge(dims, low[i], aicc_dim_const(dims, 0)) &&
             aicc_dim_ge(dims, out->dims[i], aicc_dim_add(dims, low[i], in->dims[i]));
  }
  return around;
}

static bool product_reads(const fuse *f, const aicc_value *value, int from) {
  for (int i = from; i < f->count; i++) {
    if (f->nodes[i]->op == AICC_OP_CONV && f->nodes[i]->in[0] == value) {
      return true;
    }
  }
  return false;
}

// CPUs: a convolution stores its result inside the padding that the next one needs
// (lower_padded.c).
static void take_padding(fuse *f, int start, int group) {
  const aicc_machine *machine = f->pass->machine;
  if (!machine || machine->kind != AICC_MACHINE_CPU || f->nodes[start]->op != AICC_OP_CONV) {
    return;
  }
  for (int i = start + 1; i < f->count; i++) {
    aicc_node *node = f->nodes[i];
    if (aicc_kind_of(node) == AICC_KIND_CONTROL) {
      return;
    }
    if (node->op == AICC_OP_PAD && !f->group_of[node->id] && uses_group(f, node, group) &&
        pads_around(f, node) && product_reads(f, node->out[0], i + 1)) {
      join(f, node, group);
    }
  }
}

// --- 2. rows ------------------------------------------------------------------------------------

typedef struct row {
  const aicc_type *full;
  aicc_type reduced;  // with axes of extent 1
  const int64_t *axes;
  int axis_count;
} row;

static bool row_fits(const row *r, const aicc_node *node) {
  if (aicc_kind_of(node) == AICC_KIND_ELTWISE) {
    return same_shape(&node->out[0]->type, r->full) ||
           same_shape(&node->out[0]->type, &r->reduced);
  }
  if (aicc_kind_of(node) != AICC_KIND_REDUCE || !aicc_get_int(node, AICC_ATTR_KEEPDIMS, 1) ||
      node->op == AICC_OP_ARGMAX || node->op == AICC_OP_ARGMIN) {
    return false;
  }
  int count;
  const int64_t *axes = aicc_get_ints(node, AICC_ATTR_AXES, &count);
  return count == r->axis_count && memcmp(axes, r->axes, (size_t)count * sizeof *axes) == 0 &&
         same_shape(&node->in[0]->type, r->full);
}

static void take_row(fuse *f, int start, int group) {
  aicc_node *first = f->nodes[start];
  row r = {.full = &first->in[0]->type};
  r.axes = aicc_get_ints(first, AICC_ATTR_AXES, &r.axis_count);
  aicc_dim *dims = aicc_arena_memdup(f->scratch, r.full->dims,
                                     (size_t)r.full->rank * sizeof *dims);
  for (int i = 0; i < r.axis_count; i++) {
    dims[r.axes[i]] = aicc_dim_const(f->module->dims, 1);
  }
  r.reduced = *r.full;
  r.reduced.dims = dims;
  join(f, first, group);
  if (!aicc_get_int(first, AICC_ATTR_KEEPDIMS, 1)) {
    return;
  }
  for (int i = start + 1; i < f->count; i++) {
    aicc_node *node = f->nodes[i];
    if (aicc_kind_of(node) == AICC_KIND_CONTROL) {
      return;  // it may define sizes that later members would need
    }
    if (f->group_of[node->id] || !uses_group(f, node, group)) {
      continue;
    }
    if (!row_fits(&r, node)) {
      report_refusal(f, start, node, "it does not work on the same rows");
    } else if (makes_cycle(f, node, group)) {
      report_refusal(f, start, node, "an operand of it needs the result in memory");
    } else {
      join(f, node, group);
    }
  }
}

// --- 3. and 4. roots and copies ------------------------------------------------------------------

// Contractions and kernels of their own read operands from memory, except that a matrix which is
// packed before it is used can be computed while it is packed.
static bool pulls_operand(const aicc_node *user, int operand) {
  switch (aicc_kind_of(user)) {
    case AICC_KIND_CONTRACT: return user->op == AICC_OP_MATMUL && operand == 1;
    case AICC_KIND_ELTWISE:
    case AICC_KIND_VIEW:
    case AICC_KIND_MOVE:
    case AICC_KIND_SOURCE: return true;
    case AICC_KIND_REDUCE: return user->op != AICC_OP_ARGMAX && user->op != AICC_OP_ARGMIN;
    case AICC_KIND_OPAQUE: return user->op == AICC_OP_ATTENTION;
    default: return false;
  }
}

// Whether |value| is memory seen through views and moves that cost nothing but index arithmetic.
static bool moves_only(const fuse *f, const aicc_value *value) {
  const aicc_node *def = definition(f, value);
  while (def && !f->group_of[def->id] && !aicc_fuse_is_leaf(def) && !f->standing[def->id]) {
    if (def->op != AICC_OP_TRANSPOSE && def->op != AICC_OP_RESHAPE && def->op != AICC_OP_SLICE &&
        def->op != AICC_OP_BROADCAST) {
      return aicc_kind_of(def) == AICC_KIND_CONTROL;
    }
    def = definition(f, def->in[0]);
  }
  return true;
}

// Whether a pointwise value may be computed inside a consumer of that sort.
static bool consumer_pulls(fuse *f, const aicc_node *user, int operand) {
  if (f->group_of[user->id]) {
    // Attention reads keys and values once for every block of queries.
    const bool often = user->op == AICC_OP_ATTENTION && (operand == 1 || operand == 2);
    return pulls_operand(user, operand) && (!often || moves_only(f, user->in[operand]));
  }
  return aicc_fuse_is_pointwise(f->module, user) && !f->standing[user->id];
}

// Work of recomputing one element, following the pointwise producers that were not made roots.
static int cone_cost(fuse *f, const aicc_value *value, int budget) {
  const aicc_node *def = value->def;
  if (!def || budget < 0 || f->position[def->id] < 0 || f->group_of[def->id] ||
      aicc_fuse_is_leaf(def)) {
    return 1;
  }
  int cost = aicc_fuse_element_cost(f->module, def);
  for (int i = 0; i < def->in_count && cost <= budget; i++) {
    cost += def->in[i] ? cone_cost(f, def->in[i], budget - cost) : 0;
  }
  return cost;
}

// Why the value of |node| has to be in memory; NULL: its consumers compute it.
static const char *root_reason(fuse *f, aicc_node *node) {
  const aicc_value *value = node->out[0];
  uint32_t pulled = 0;
  bool own_tile = false;
  for (int i = f->position[node->id] + 1; i < f->count; i++) {
    const aicc_node *user = f->nodes[i];
    for (int k = 0; k < user->in_count; k++) {
      if (user->in[k] == value) {
        if (!consumer_pulls(f, user, k)) {
          return "a consumer reads this operand from memory";
        }
        // A reduction reads every element many times over: only cheap work goes there twice.
        own_tile |= aicc_kind_of(user) == AICC_KIND_REDUCE || user->op == AICC_OP_WINDOW ||
                    user->op == AICC_OP_GATHER;
        pulled++;
      }
    }
  }
  if (pulled != f->uses[value->id]) {
    return "a result of the graph, or used in a nested one";
  }
  const int limit = own_tile ? 4 : 6;
  if (pulled == 1 && !own_tile) {
    return cone_cost(f, value, 400) > 400 ? "too much work for one kernel" : NULL;
  }
  if (pulled == 1) {
    const aicc_node *user = only_user(f, value, f->position[node->id] + 1);
    const bool overlapping = user && (user->op == AICC_OP_WINDOW || user->op == AICC_OP_GATHER);
    return overlapping && cone_cost(f, value, 8) > 4
               ? "its consumer would compute elements many times" : NULL;
  }
  return cone_cost(f, value, limit) > limit
             ? "for several consumers, reading it costs less than computing it again" : NULL;
}

// --- building the group nodes --------------------------------------------------------------------

// Copies the pointwise producers of |node|'s operands into |members| (definitions first).
static void pull_producers(fuse *f, const aicc_node *node, bool *seen, member_list *members) {
  for (int i = 0; i < node->in_count; i++) {
    aicc_node *def = definition(f, node->in[i]);
    if (!def || seen[f->position[def->id]] || f->group_of[def->id] || aicc_fuse_is_leaf(def) ||
        f->standing[def->id] || !aicc_fuse_is_pointwise(f->module, def) ||
        !pulls_operand(node, i)) {
      continue;
    }
    seen[f->position[def->id]] = true;
    pull_producers(f, def, seen, members);
    AICC_PUSH(f->scratch, members->items, members->count, members->capacity, def);
  }
}

static const char *kind_name(const aicc_module *module, const aicc_node *anchor) {
  if (aicc_fuse_is_pointwise(module, anchor)) {
    return "map";
  }
  switch (aicc_kind_of(anchor)) {
    case AICC_KIND_CONTRACT: return "contract";
    case AICC_KIND_REDUCE:
      return anchor->op == AICC_OP_ARGMAX || anchor->op == AICC_OP_ARGMIN ? "own" : "row";
    default: return "own";
  }
}

static aicc_node *clone_into(fuse *f, aicc_region *body, const aicc_node *node,
                             aicc_value **map) {
  aicc_node *copy = aicc_node_create(f->module, node->op, node->in, node->in_count,
                                     node->out_count);
  copy->attrs = node->attrs;
  copy->attr_count = node->attr_count;
  aicc_node_add_origins(f->module, copy, node->origins, node->origin_count);
  for (int i = 0; i < copy->in_count; i++) {
    if (copy->in[i] && map[copy->in[i]->id]) {
      copy->in[i] = map[copy->in[i]->id];
    }
  }
  for (int i = 0; i < node->out_count; i++) {
    copy->out[i]->type = node->out[i]->type;
    copy->out[i]->partial = node->out[i]->partial;
    copy->out[i]->name = node->out[i]->name;
    map[node->out[i]->id] = copy->out[i];
  }
  aicc_node_append(body, copy);
  return copy;
}

// Whether |value| of a member is needed by more than the members.
static bool used_outside(const fuse *f, const aicc_value *value, const member_list *anchored) {
  uint32_t inside = 0;
  for (size_t i = 0; i < anchored->count; i++) {
    for (int k = 0; k < anchored->items[i]->in_count; k++) {
      inside += anchored->items[i]->in[k] == value;
    }
  }
  return inside < f->uses[value->id];
}

// For --opt-report: "fuse: map add, relu -> f32[1,64] from Add_1, Relu_2: why".
static void report_group(fuse *f, const aicc_node *group, const char *why) {
  if (!f->pass->report) {
    return;
  }
  aicc_arena *arena = f->scratch;
  const char *text = aicc_get_string(group, AICC_ATTR_KIND, "");
  const char *between = " ";
  for (const aicc_node *node = group->regions[0]->first; node; node = node->next) {
    text = aicc_arena_printf(arena, "%s%s%s", text, between, aicc_op_table[node->op].name);
    between = ", ";
  }
  between = " -> ";
  for (int i = 0; i < group->out_count; i++, between = ", ") {
    text = aicc_arena_printf(arena, "%s%s%s", text, between,
                             aicc_type_print(f->module, &group->out[i]->type, arena));
  }
  between = " from ";
  for (int i = 0; i < group->origin_count; i++, between = ", ") {
    text = aicc_arena_printf(arena, "%s%s%s", text, between, group->origins[i].node);
  }
  aicc_pass_report(f->pass, "fuse", "%s%s%s", text, why ? ": " : "", why ? why : "");
}

static void make_group(fuse *f, const member_list *anchored, const char *reason) {
  bool *seen = AICC_NEW_ARRAY(f->scratch, bool, f->count);
  member_list members = {0};
  aicc_value **results = NULL;
  size_t result_count = 0, result_capacity = 0;
  for (size_t i = 0; i < anchored->count; i++) {
    aicc_node *member = anchored->items[i];
    pull_producers(f, member, seen, &members);
    AICC_PUSH(f->scratch, members.items, members.count, members.capacity, member);
    for (int k = 0; k < member->out_count; k++) {
      if (used_outside(f, member->out[k], anchored)) {
        AICC_PUSH(f->scratch, results, result_count, result_capacity, member->out[k]);
      }
    }
  }
  aicc_node *node = aicc_node_create(f->module, AICC_OP_GROUP, NULL, 0, (int)result_count);
  aicc_region *body = aicc_region_create(f->module, node);
  aicc_node_add_region(f->module, node, body);
  aicc_set_string(f->module, node, AICC_ATTR_KIND, kind_name(f->module, anchored->items[0]));
  aicc_value **map = AICC_NEW_ARRAY(f->scratch, aicc_value *, f->module->value_count);
  for (size_t i = 0; i < members.count; i++) {
    clone_into(f, body, members.items[i], map);
    aicc_node_add_origins(f->module, node, members.items[i]->origins,
                          members.items[i]->origin_count);
  }
  for (size_t i = 0; i < result_count; i++) {
    node->out[i]->type = results[i]->type;
    node->out[i]->name = results[i]->name;
    node->out[i]->partial = results[i]->partial;
    f->replaced[results[i]->id] = node->out[i];
    results[i] = map[results[i]->id];
  }
  aicc_region_set_results(f->module, body, results, (int)result_count);
  aicc_node *last = anchored->items[anchored->count - 1];
  aicc_node_insert_before(last, node);
  report_group(f, node, reason);
}

// Attention writes its result in the order that the product behind it reads.
static void take_transpose(fuse *f, aicc_node *node, int group) {
  aicc_node *user = node->op == AICC_OP_ATTENTION
                        ? only_user(f, node->out[0], f->position[node->id] + 1) : NULL;
  if (user && user->op == AICC_OP_TRANSPOSE && !f->group_of[user->id]) {
    join(f, user, group);
  }
}

static void assign_groups(fuse *f, int *groups) {
  for (int i = 0; i < f->count; i++) {
    aicc_node *node = f->nodes[i];
    const aicc_op_kind kind = aicc_kind_of(node);
    if (f->group_of[node->id] || kind == AICC_KIND_CONTROL || aicc_fuse_is_leaf(node) ||
        aicc_fuse_is_pointwise(f->module, node)) {
      continue;
    }
    const int group = ++*groups;
    if (kind == AICC_KIND_CONTRACT) {
      take_epilogue(f, i, group);
      take_padding(f, i, group);
      drop_second_results(f, group);
    } else if (kind == AICC_KIND_REDUCE && node->op != AICC_OP_ARGMAX &&
               node->op != AICC_OP_ARGMIN) {
      take_row(f, i, group);
    } else {
      join(f, node, group);
      take_transpose(f, node, group);
    }
  }
  // Consumers first, so that a producer sees whether they pull.
  for (int i = f->count - 1; i >= 0; i--) {
    aicc_node *node = f->nodes[i];
    const char *reason = f->group_of[node->id] || !aicc_fuse_is_pointwise(f->module, node)
                             ? NULL : root_reason(f, node);
    if (reason) {
      if (aicc_kind_of(node) == AICC_KIND_VIEW) {
        f->standing[node->id] = true;
      } else {
        join(f, node, ++*groups);
        f->reason[*groups] = reason;
      }
    }
  }
  // A view of something in memory costs nothing outside a group and index arithmetic inside one.
  for (int i = 0; i < f->count; i++) {
    aicc_node *node = f->nodes[i];
    const aicc_node *def = definition(f, node->in_count ? node->in[0] : NULL);
    if (aicc_kind_of(node) == AICC_KIND_VIEW &&
        (!def || f->group_of[def->id] || f->standing[def->id] || aicc_fuse_is_leaf(def) ||
         aicc_kind_of(def) == AICC_KIND_CONTROL)) {
      f->standing[node->id] = true;
    }
  }
}

// Everything that was copied into groups goes, and pointwise nodes that only groups used.
static void remove_grouped(fuse *f) {
  uint32_t *uses = aicc_count_uses(f->module, f->scratch);
  for (int i = f->count - 1; i >= 0; i--) {
    aicc_node *node = f->nodes[i];
    bool used = aicc_kind_of(node) == AICC_KIND_CONTROL;
    for (int k = 0; k < node->out_count; k++) {
      used |= uses[node->out[k]->id] > 0;
    }
    if (used && !f->group_of[node->id]) {  // leaves, views and control that are needed
      continue;
    }
    for (int k = 0; k < node->in_count; k++) {
      if (node->in[k]) {
        uses[node->in[k]->id]--;
      }
    }
    aicc_node_unlink(node);
  }
}

// --- order ---------------------------------------------------------------------------------------

// Appends |node| to |region| after everything it needs that is defined in the same region.
static void place(aicc_region *region, aicc_node *node, bool *placed) {
  for (int i = 0; i < node->in_count; i++) {
    aicc_node *def = node->in[i] ? node->in[i]->def : NULL;
    if (def && def->parent == region && !placed[def->id]) {
      place(region, def, placed);
    }
  }
  for (int r = 0; r < node->region_count; r++) {
    const aicc_region *body = node->regions[r];
    for (aicc_node *member = body->first; member; member = member->next) {
      place(region, member, placed);
    }
    for (int i = 0; i < body->result_count; i++) {
      aicc_node *def = body->results[i]->def;
      if (def && def->parent == region && !placed[def->id]) {
        place(region, def, placed);
      }
    }
  }
  if (node->parent == region && !placed[node->id]) {
    placed[node->id] = true;
    aicc_node_unlink(node);
    aicc_node_append(region, node);
  }
}

// A stable topological order. Nodes that define sizes stay where they were: no row reaches over
// one.
static void sort_region(fuse *f, aicc_region *region) {
  size_t count = 0, capacity = 0;
  aicc_node **nodes = NULL;
  for (aicc_node *node = region->first; node; node = node->next) {
    AICC_PUSH(f->scratch, nodes, count, capacity, node);
  }
  bool *placed = AICC_NEW_ARRAY(f->scratch, bool, f->module->node_count);
  for (size_t i = 0; i < count; i++) {
    if (!placed[nodes[i]->id]) {
      place(region, nodes[i], placed);
    }
  }
}

static void fuse_region(aicc_pass_context *pass, aicc_region *region) {
  fuse f = {.pass = pass, .module = pass->module, .scratch = pass->scratch};
  size_t capacity = 0, count = 0;
  for (aicc_node *node = region->first; node; node = node->next) {
    for (int i = 0; i < node->region_count; i++) {
      fuse_region(pass, node->regions[i]);
    }
    AICC_PUSH(f.scratch, f.nodes, count, capacity, node);
  }
  f.count = (int)count;
  f.uses = aicc_count_uses(f.module, f.scratch);
  const uint32_t node_count = f.module->node_count;
  f.group_of = AICC_NEW_ARRAY(f.scratch, int, node_count);
  f.position = AICC_NEW_ARRAY(f.scratch, int, node_count);
  memset(f.position, 0xFF, node_count * sizeof *f.position);
  for (int i = 0; i < f.count; i++) {
    f.position[f.nodes[i]->id] = i;
  }
  f.mark = AICC_NEW_ARRAY(f.scratch, int, node_count);
  f.standing = AICC_NEW_ARRAY(f.scratch, bool, node_count);
  f.groups = AICC_NEW_ARRAY(f.scratch, member_list, f.count + 1);
  f.reason = AICC_NEW_ARRAY(f.scratch, const char *, f.count + 1);
  int groups = 0;
  assign_groups(&f, &groups);
  const uint32_t value_count = f.module->value_count;
  f.replaced = AICC_NEW_ARRAY(f.scratch, aicc_value *, value_count);
  for (int group = 1; group <= groups; group++) {
    make_group(&f, &f.groups[group], f.reason[group]);
  }
  aicc_value **map = AICC_NEW_ARRAY(f.scratch, aicc_value *, f.module->value_count);
  memcpy(map, f.replaced, value_count * sizeof *map);
  aicc_values_replace(f.module, map);
  remove_grouped(&f);
  sort_region(&f, region);
}

aicc_status aicc_pass_fuse(aicc_pass_context *pass) {
  fuse_region(pass, pass->module->body);
  return AICC_OK;
}
