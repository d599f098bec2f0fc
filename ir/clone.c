// A copy of a module, for passes that make another graph of it for another machine.
#include "ir/graph.h"

typedef struct clone {
  aicc_module *to;
  aicc_value **values;  // per value id of the original; NULL: not copied yet
} clone;

static void copy_value(clone *c, const aicc_value *from, aicc_value *to) {
  to->id = from->id;
  to->name = from->name;
  to->type = from->type;
  to->partial = from->partial;
  c->values[from->id] = to;
}

static aicc_value **copy_uses(const clone *c, aicc_value *const *uses, int count) {
  aicc_value **copies = AICC_NEW_ARRAY(&c->to->arena, aicc_value *, count);
  for (int i = 0; i < count; i++) {
    copies[i] = uses[i] ? c->values[uses[i]->id] : NULL;
    AICC_ASSERT(!uses[i] || copies[i]);  // definitions come before uses
  }
  return copies;
}

static void copy_region(clone *c, const aicc_region *from, aicc_region *to);

static void copy_node(clone *c, const aicc_node *from, aicc_region *into) {
  aicc_value **in = copy_uses(c, from->in, from->in_count);
  aicc_node *node = aicc_node_create(c->to, from->op, in, from->in_count, from->out_count);
  node->id = from->id;
  node->origins = from->origins;
  node->origin_count = from->origin_count;
  aicc_attrs_copy(c->to, node, from);
  aicc_node_append(into, node);
  for (int i = 0; i < from->region_count; i++) {
    aicc_region *region = aicc_region_create(c->to, node);
    aicc_node_add_region(c->to, node, region);
    copy_region(c, from->regions[i], region);
  }
  // Last: regions do not see the results of the node that they stand in.
  for (int i = 0; i < from->out_count; i++) {
    copy_value(c, from->out[i], node->out[i]);
  }
}

static void copy_region(clone *c, const aicc_region *from, aicc_region *to) {
  for (int i = 0; i < from->param_count; i++) {
    copy_value(c, from->params[i],
               aicc_region_add_param(c->to, to, NULL, from->params[i]->type));
  }
  for (const aicc_node *node = from->first; node; node = node->next) {
    copy_node(c, node, to);
  }
  aicc_region_set_results(c->to, to, copy_uses(c, from->results, from->result_count),
                          from->result_count);
}

aicc_module *aicc_module_clone(const aicc_module *module) {
  aicc_module *to = aicc_module_create(module->name);
  aicc_dims_destroy(to->dims);
  to->dims = aicc_dims_clone(module->dims);
  to->result_names = module->result_names;
  to->file = module->file;
  to->opset = module->opset;
  to->tf32 = module->tf32;
  for (size_t i = 0; i < module->buf_count; i++) {
    AICC_PUSH(&to->arena, to->bufs, to->buf_count, to->buf_capacity,
              aicc_buf_retain(module->bufs[i]));
  }
  clone c = {.to = to};
  c.values = AICC_NEW_ARRAY(&to->arena, aicc_value *, module->value_count);
  copy_region(&c, module->body, to->body);
  to->value_count = module->value_count;  // copies took the ids of what they copy
  to->node_count = module->node_count;
  return to;
}
