// Replacing values while walking a graph: a growing map from old values to new ones.
//
// Nodes look operands up as the walk reaches them; finish() replaces the uses that are left.
// Cheaper than a search for the uses of every value that goes.
#ifndef AICC_PASSES_REWRITE_H
#define AICC_PASSES_REWRITE_H

#include "ir/graph.h"

typedef struct aicc_rewrite {
  aicc_module *module;
  aicc_arena *arena;
  aicc_value **map;
  uint32_t capacity;
  size_t count;  // replacements
} aicc_rewrite;

void aicc_rewrite_init(aicc_rewrite *rewrite, aicc_module *module, aicc_arena *arena);
void aicc_rewrite_replace(aicc_rewrite *rewrite, aicc_value *from, aicc_value *to);
// What stands for |value| now; NULL for NULL.
aicc_value *aicc_rewrite_current(const aicc_rewrite *rewrite, aicc_value *value);
void aicc_rewrite_operands(const aicc_rewrite *rewrite, aicc_node *node);
// Replaces every use; the map starts anew.
void aicc_rewrite_finish(aicc_rewrite *rewrite);

// Replaces |symbol| by |dim| in every type, partial value and attribute of the module.
void aicc_substitute_symbol(aicc_module *module, aicc_dim symbol, aicc_dim dim);

#endif
