// The dce pass: drops nodes whose results nothing uses.
//
// A node that defines symbols (def_dim, or one whose result type does) stays while something alive
// needs one of them. Symbols are counted from everything alive at the start of a round; a round
// that drops a definition makes another one worth trying.
#include "passes/pass.h"
#include "passes/symbols.h"

typedef struct dce {
  aicc_pass_context *pass;
  uint32_t *uses;      // per value
  uint32_t *needs;     // per dimension id: nodes and values that need the symbol
  bool *known;         // per dimension id: defined at entry or by an earlier node
  bool *defined_here;  // per node: some symbol of its result types is defined by it
  size_t removed;
} dce;

static void count_need(void *context, aicc_dim symbol) { ((uint32_t *)context)[symbol]++; }

static void count_node(void *context, aicc_node *node) {
  dce *d = context;
  aicc_node_symbols(d->pass->module, node, count_need, d->needs);
}

static void define(void *context, aicc_dim symbol) { ((bool *)context)[symbol] = true; }

typedef struct find_new {
  const bool *known;
  bool found;
} find_new;

static void note_new(void *context, aicc_dim symbol) {
  find_new *f = context;
  f->found |= !f->known[symbol];
}

// Which nodes define symbols by their result types, in order.
static void find_definitions(dce *d, aicc_region *region) {
  const aicc_module *module = d->pass->module;
  for (int i = 0; i < region->param_count; i++) {
    aicc_type_symbols(module->dims, &region->params[i]->type, define, d->known);
  }
  for (aicc_node *node = region->first; node; node = node->next) {
    for (int r = 0; r < node->region_count; r++) {
      find_definitions(d, node->regions[r]);
    }
    const aicc_attr *symbol = aicc_attr_find(node, AICC_ATTR_SYMBOL);
    if (symbol && symbol->count == 1) {
      d->known[symbol->dims[0]] = true;
    }
    for (int i = 0; i < node->out_count; i++) {
      find_new f = {d->known, false};
      aicc_type_symbols(module->dims, &node->out[i]->type, note_new, &f);
      d->defined_here[node->id] |= f.found;
      aicc_type_symbols(module->dims, &node->out[i]->type, define, d->known);
    }
  }
}

static void uncount(void *context, aicc_dim symbol) { ((uint32_t *)context)[symbol]--; }

static void release(void *context, aicc_node *node) {
  dce *d = context;
  for (int i = 0; i < node->in_count; i++) {
    if (node->in[i]) {
      d->uses[node->in[i]->id]--;
    }
  }
  for (int r = 0; r < node->region_count; r++) {
    for (int i = 0; i < node->regions[r]->result_count; i++) {
      d->uses[node->regions[r]->results[i]->id]--;
    }
  }
  aicc_node_symbols(d->pass->module, node, uncount, d->needs);
}

typedef struct find_needed {
  const uint32_t *needs;
  bool found;
} find_needed;

static void note_needed(void *context, aicc_dim symbol) {
  find_needed *f = context;
  f->found |= f->needs[symbol] > 1;  // the type itself is one
}

static bool is_dead(const dce *d, const aicc_node *node) {
  for (int i = 0; i < node->out_count; i++) {
    if (d->uses[node->out[i]->id]) {
      return false;
    }
  }
  const aicc_attr *symbol = aicc_attr_find(node, AICC_ATTR_SYMBOL);
  if (node->op == AICC_OP_ASSERT) {
    return false;
  }
  if (node->op == AICC_OP_DEF_DIM) {
    return symbol && symbol->count == 1 && d->needs[symbol->dims[0]] == 0;
  }
  find_needed f = {d->needs, false};
  for (int i = 0; i < node->out_count && d->defined_here[node->id]; i++) {
    aicc_type_symbols(d->pass->module->dims, &node->out[i]->type, note_needed, &f);
  }
  return !f.found;
}

// Last to first: users go before what they use.
static void sweep(dce *d, aicc_region *region) {
  for (aicc_node *node = region->last, *before; node; node = before) {
    before = node->prev;
    if (!is_dead(d, node)) {
      for (int r = 0; r < node->region_count; r++) {
        sweep(d, node->regions[r]);
      }
      continue;
    }
    release(d, node);
    for (int r = 0; r < node->region_count; r++) {
      aicc_region_visit(node->regions[r], release, d);
    }
    aicc_node_unlink(node);
    d->removed++;
  }
}

aicc_status aicc_pass_dce(aicc_pass_context *pass) {
  aicc_module *module = pass->module;
  const uint32_t dims = aicc_dim_count(module->dims) + 1;
  size_t total = 0;
  dce d;
  do {
    d = (dce){.pass = pass,
              .uses = aicc_count_uses(module, pass->scratch),
              .needs = AICC_NEW_ARRAY(pass->scratch, uint32_t, dims),
              .known = AICC_NEW_ARRAY(pass->scratch, bool, dims),
              .defined_here = AICC_NEW_ARRAY(pass->scratch, bool, module->node_count + 1)};
    aicc_region_visit(module->body, count_node, &d);
    find_definitions(&d, module->body);
    sweep(&d, module->body);
    total += d.removed;
  } while (d.removed);
  aicc_pass_report(pass, "dce", "%zu nodes dropped", total);
  return AICC_OK;
}
