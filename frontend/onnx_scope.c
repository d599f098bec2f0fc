// Names of the values of a graph, and initialisers.
#include <string.h>

#include "frontend/import_internal.h"

aicc_scope *aicc_scope_create(aicc_importer *im, aicc_scope *parent, const aicc_frame *frame,
                              aicc_region *region) {
  aicc_scope *scope = AICC_NEW(&im->scratch, aicc_scope);
  scope->parent = parent;
  scope->frame = frame;
  scope->region = region;
  scope->prefix = "";
  return scope;
}

void aicc_scope_bind(aicc_importer *im, aicc_scope *scope, const char *name,
                     aicc_binding binding) {
  aicc_binding *item = aicc_arena_memdup(&im->scratch, &binding, sizeof binding);
  if (!aicc_names_add(&scope->names, &im->scratch, name, item)) {
    AICC_EMIT(im->diags, E0333, aicc_import_loc(im), name);
    aicc_import_fail(im, AICC_INVALID);
  }
}

void aicc_scope_bind_initializers(aicc_importer *im, aicc_scope *scope,
                                  const Onnx__GraphProto *graph) {
  for (size_t i = 0; i < graph->n_initializer; i++) {
    const Onnx__TensorProto *tensor = graph->initializer[i];
    aicc_scope_bind(im, scope, tensor->name ? tensor->name : "",
                    (aicc_binding){.tensor = tensor});
  }
  for (size_t i = 0; i < graph->n_sparse_initializer; i++) {
    const Onnx__SparseTensorProto *sparse = graph->sparse_initializer[i];
    const char *name = sparse->values ? sparse->values->name : NULL;
    aicc_scope_bind(im, scope, name ? name : "", (aicc_binding){.sparse = sparse});
  }
}

// The constant of an initialiser, put behind those made before it at the front of the region, so
// that it is seen from everywhere in the graph that has it.
static void make_constant(aicc_importer *im, aicc_scope *owner, aicc_binding *binding,
                          const char *name) {
  aicc_tensor tensor;
  const aicc_status status = binding->tensor
                                 ? aicc_import_tensor(im, binding->tensor, &tensor)
                                 : aicc_import_sparse(im, binding->sparse, &tensor);
  if (status == AICC_OK) {
    aicc_builder b = im->b;
    b.region = owner->region;
    b.before = owner->last_const ? owner->last_const->next : owner->region->first;
    b.origin_count = 0;
    binding->value = aicc_b_const(&b, &tensor);
  }
  if (!binding->value) {
    binding->poison = true;
    aicc_import_fail(im, status == AICC_OK ? AICC_INVALID : status);
    return;
  }
  owner->last_const = binding->value->def;
  binding->value->name = aicc_arena_strdup(&im->module->arena, name);
}

aicc_found aicc_scope_find(aicc_importer *im, aicc_scope *scope, const char *name,
                           aicc_value **out) {
  *out = NULL;
  for (; scope; scope = scope->parent) {
    aicc_binding *binding = aicc_names_get(&scope->names, name);
    if (!binding) {
      continue;
    }
    if (!binding->value && !binding->poison) {
      make_constant(im, scope, binding, name);
    }
    *out = binding->value;
    return binding->value ? AICC_FOUND : AICC_FOUND_POISON;
  }
  return AICC_FOUND_NOTHING;
}
