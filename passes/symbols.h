// Which symbols what depends on: for passes that remove or move nodes.
#ifndef AICC_PASSES_SYMBOLS_H
#define AICC_PASSES_SYMBOLS_H

#include "ir/graph.h"

// Calls |visit| for every symbol in |dim| (more than once where it occurs more than once).
typedef void (*aicc_symbol_visit)(void *context, aicc_dim symbol);
void aicc_dim_symbols(const aicc_dims *dims, aicc_dim dim, aicc_symbol_visit visit, void *context);
void aicc_type_symbols(const aicc_dims *dims, const aicc_type *type, aicc_symbol_visit visit,
                       void *context);
// The symbols that a node needs: of its attributes (but the one it defines), its result types and
// their partial values.
void aicc_node_symbols(const aicc_module *module, const aicc_node *node, aicc_symbol_visit visit,
                       void *context);

#endif
