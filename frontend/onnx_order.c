// Order of the nodes of one graph: definitions before uses, captures of inner graphs included.
#include <string.h>

#include "frontend/import_internal.h"

typedef struct order {
  aicc_importer *im;
  const aicc_scope *scope;
  Onnx__NodeProto *const *nodes;
  size_t count;
  aicc_names makers;  // name of a value -> its node's place in |nodes| (&nodes[i])
  uint8_t *state;     // per node
  size_t *result;
  size_t result_count;
} order;

enum { UNSEEN, OPEN, DONE };

static void add_makers(order *o) {
  for (size_t i = 0; i < o->count; i++) {
    const Onnx__NodeProto *node = o->nodes[i];
    for (size_t k = 0; k < node->n_output; k++) {
      if (*node->output[k] && !aicc_names_get(&o->scope->names, node->output[k])) {
        // A second definition is reported when it is bound.
        aicc_names_add(&o->makers, &o->im->scratch, node->output[k], (void *)&o->nodes[i]);
      }
    }
  }
}

// Names that a graph reads and does not define itself, handed to |use|.
typedef void (*name_fn)(void *context, const char *name);

typedef struct inner {
  aicc_arena *arena;
  const struct inner *outer;
  aicc_names defined;
  name_fn use;
  void *context;
} inner;

static bool inner_defines(const inner *g, const char *name) {
  for (; g; g = g->outer) {
    if (aicc_names_get(&g->defined, name)) {
      return true;
    }
  }
  return false;
}

static void define_inner(inner *g, const Onnx__GraphProto *graph) {
  for (size_t i = 0; i < graph->n_input; i++) {
    if (!aicc_is_empty(graph->input[i]->name)) {
      aicc_names_add(&g->defined, g->arena, graph->input[i]->name, g);
    }
  }
  for (size_t i = 0; i < graph->n_initializer; i++) {
    if (!aicc_is_empty(graph->initializer[i]->name)) {
      aicc_names_add(&g->defined, g->arena, graph->initializer[i]->name, g);
    }
  }
  for (size_t i = 0; i < graph->n_node; i++) {
    for (size_t k = 0; k < graph->node[i]->n_output; k++) {
      aicc_names_add(&g->defined, g->arena, graph->node[i]->output[k], g);
    }
  }
}

static void node_names(const inner *g, const Onnx__NodeProto *node);

static void graph_names(const inner *outer, const Onnx__GraphProto *graph) {
  inner g = *outer;
  g.outer = outer;
  g.defined = (aicc_names){0};
  define_inner(&g, graph);
  for (size_t i = 0; i < graph->n_node; i++) {
    node_names(&g, graph->node[i]);
  }
  for (size_t i = 0; i < graph->n_output; i++) {
    if (!aicc_is_empty(graph->output[i]->name) && !inner_defines(&g, graph->output[i]->name)) {
      g.use(g.context, graph->output[i]->name);
    }
  }
}

static void node_names(const inner *g, const Onnx__NodeProto *node) {
  for (size_t i = 0; i < node->n_input; i++) {
    if (*node->input[i] && !inner_defines(g, node->input[i])) {
      g->use(g->context, node->input[i]);
    }
  }
  for (size_t i = 0; i < node->n_attribute; i++) {
    const Onnx__AttributeProto *attr = node->attribute[i];
    if (attr->g) {
      graph_names(g, attr->g);
    }
    for (size_t k = 0; k < attr->n_graphs; k++) {
      graph_names(g, attr->graphs[k]);
    }
  }
}

typedef struct makers_of {
  order *o;
  size_t *items;
  size_t count, capacity;
} makers_of;

static void add_maker(void *context, const char *name) {
  makers_of *list = context;
  Onnx__NodeProto *const *place = aicc_names_get(&list->o->makers, name);
  if (place) {
    AICC_PUSH(&list->o->im->scratch, list->items, list->count, list->capacity,
              (size_t)(place - list->o->nodes));
  }
}

static makers_of find_makers(order *o, size_t node) {
  makers_of list = {.o = o};
  const inner top = {.arena = &o->im->scratch, .use = add_maker, .context = &list};
  node_names(&top, o->nodes[node]);
  return list;
}

static bool in_order(order *o) {
  for (size_t i = 0; i < o->count; i++) {
    const makers_of list = find_makers(o, i);
    for (size_t k = 0; k < list.count; k++) {
      if (list.items[k] >= i) {
        return false;
      }
    }
  }
  return true;
}

static aicc_status report_cycle(const order *o, size_t node) {
  const Onnx__NodeProto *proto = o->nodes[node];
  const aicc_loc loc = {
      .file = o->im->module->file,
      .node = aicc_is_empty(proto->name)
                  ? aicc_arena_printf(&o->im->scratch, "#%zu", node) : proto->name,
      .op = proto->op_type,
  };
  AICC_EMIT0(o->im->diags, E0337, &loc);
  return AICC_INVALID;
}

typedef struct visit {
  size_t node, next;
  makers_of makers;
} visit;

// Depth first over makers, without recursion: a chain may be as long as the graph.
static aicc_status visit_from(order *o, size_t start) {
  visit *stack = NULL;
  size_t depth = 0, capacity = 0;
  AICC_PUSH(&o->im->scratch, stack, depth, capacity, ((visit){start, 0, find_makers(o, start)}));
  o->state[start] = OPEN;
  while (depth) {
    visit *top = &stack[depth - 1];
    if (top->next == top->makers.count) {
      o->state[top->node] = DONE;
      o->result[o->result_count++] = top->node;
      depth--;
      continue;
    }
    const size_t maker = top->makers.items[top->next++];
    if (o->state[maker] == OPEN) {
      return report_cycle(o, maker);
    }
    if (o->state[maker] == UNSEEN) {
      o->state[maker] = OPEN;
      AICC_PUSH(&o->im->scratch, stack, depth, capacity,
                ((visit){maker, 0, find_makers(o, maker)}));
    }
  }
  return AICC_OK;
}

aicc_status aicc_import_order(aicc_importer *im, const aicc_scope *scope,
                              Onnx__NodeProto *const *nodes, size_t count, const size_t **out) {
  order o = {.im = im, .scope = scope, .nodes = nodes, .count = count};
  add_makers(&o);
  o.state = AICC_NEW_ARRAY(&im->scratch, uint8_t, count);
  o.result = AICC_NEW_ARRAY(&im->scratch, size_t, count);
  *out = o.result;
  if (in_order(&o)) {
    for (size_t i = 0; i < count; i++) {
      o.result[i] = i;
    }
    return AICC_OK;
  }
  for (size_t i = 0; i < count; i++) {
    if (o.state[i] == UNSEEN) {
      AICC_TRY(visit_from(&o, i));
    }
  }
  return AICC_OK;
}
